/* Caps, and memory that comes back. */
#include "conformance.h"

static void at_the_cap_nothing_is_half_put(void **state)
{
    struct house *house = *state;
    static const char *const queues[] = {"q", "q.fifo"};
    for (size_t i = 0; i < 2; i++) {
        create(house, queues[i]);
        size_t base = house->budget.used_bytes, full = house->budget.cap_bytes;
        uint64_t sent = 0;
        /* each cap refuses another allocation */
        for (house->budget.cap_bytes = base; sent < 300; house->budget.cap_bytes += 16) {
            uint64_t before = stats(house).messages;
            struct draft d;
            draft(&d, house, queues[i], sent);
            id_from(d.in.group, sent);
            d.in.sender[19] = (uint8_t)('a' + sent % 20);
            enum amp_err err = send_draft(house, &d);
            assert_int_equal(stats(house).messages, before + (err == AMP_OK));
            if (err == AMP_OK) {
                assert_false(house->sent.duplicate);
                sent++;
            } else {
                assert_int_equal(err, AMP_ERR_VAULT_FULL);
                assert_int_equal(peek(house, queues[i], sent), AMP_ERR_NOT_FOUND);
            }
        }
        assert_int_equal(house->dropped, 0);
        house->budget.cap_bytes = 0; /* what is full must still empty */
        for (uint64_t got = 0; got < 300; got += house->count) {
            assert_int_equal(receive_for(house, queues[i], 10, -1), AMP_OK);
            assert_true(house->count > 0);
            for (size_t k = 0; k < house->count; k++)
                assert_int_equal(remove_received(house, queues[i], k), AMP_OK);
        }
        assert_int_equal(house->dropped, 300);
        house->dropped = 0;
        house->budget.cap_bytes = full;
        pass(house, AMP_DEDUPLICATION_MS);
        assert_int_equal(house->budget.used_bytes, base);
    }
}

/* Sends to it until it is refused; returns how many bytes that took. */
static size_t fill(struct house *house, const char *queue, uint64_t *number)
{
    size_t before = house->budget.used_bytes;
    enum amp_err err;
    do {
        struct draft d;
        draft(&d, house, queue, ++*number);
        id_from(d.in.group, *number);
        err = send_draft(house, &d);
    } while (err == AMP_OK);
    assert_int_equal(err, AMP_ERR_VAULT_FULL);
    return house->budget.used_bytes - before;
}

static void whoever_fills_one_queue_keeps_nobody_out_of_another(void **state)
{
    struct house *house = *state;
    static const char *const queues[] = {"bulk", "bulk.fifo"}, *const dead[] = {"dead", "dead.fifo"};
    for (size_t i = 0; i < 2; i++) {
        uint64_t number = i * 1000000;
        size_t base = house->budget.used_bytes, left = 1000000;
        house->budget.cap_bytes = base + left;
        create_with_dead_letter(house, queues[i], dead[i], 1);
        create(house, dead[i]);
        create(house, i == 0 ? "small" : "small.fifo");
        size_t took = fill(house, queues[i], &number);
        assert_in_range(took, left * 75 / 100, left * 82 / 100); /* tables are on nobody's account */
        assert_int_equal(try_send(house, queues[i], ++number), AMP_ERR_VAULT_FULL);
        for (int k = 0; k < 100; k++) /* and as many have their share */
            send_message(house, i == 0 ? "small" : "small.fifo", ++number);
        for (unsigned k = 0; k < 1000 && look(house, dead[i])->available == 0; k++)
            assert_int_equal(receive_for(house, queues[i], 10, 0), AMP_OK);
        assert_true(look(house, dead[i])->available > 0); /* dead letters are never refused */
        house->budget.cap_bytes = base + 100 * left;
    }
}

static void what_a_queue_remembers_counts_for_it_also_when_it_is_gone(void **state)
{
    struct house *house = *state;
    size_t base = house->budget.used_bytes;
    create(house, "q.fifo");
    create(house, "small.fifo");
    house->budget.cap_bytes = house->budget.used_bytes + 200000;
    enum amp_err err = AMP_OK;
    for (uint64_t i = 0; err == AMP_OK; i++) { /* each is deleted at once, but its deduplication id is kept */
        err = try_send(house, "q.fifo", i);
        if (err != AMP_OK)
            break;
        expect(house, "q.fifo", i);
        assert_int_equal(remove_received(house, "q.fifo", 0), AMP_OK);
    }
    assert_int_equal(err, AMP_ERR_VAULT_FULL);
    send_message(house, "small.fifo", 1000000);
    assert_int_equal(DO(house, destroy, text("q.fifo")), AMP_OK);
    pass(house, MINUTE + 1000);
    create(house, "q.fifo"); /* which owes nothing */
    send_message(house, "q.fifo", 2000000);
    assert_int_equal(DO(house, destroy, text("q.fifo")), AMP_OK);
    assert_int_equal(DO(house, destroy, text("small.fifo")), AMP_OK);
    pass(house, AMP_DEDUPLICATION_MS + 1000);
    assert_int_equal(house->budget.used_bytes, base);
}

static void a_queue_that_finds_no_memory_is_not_made(void **state)
{
    struct house *house = *state;
    size_t base = house->budget.used_bytes;
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, true);
    house->budget.cap_bytes = base;
    while (create_with(house, "q.fifo", &settings) != AMP_OK) {
        assert_int_equal(house->budget.used_bytes, base);
        assert_int_equal(stats(house).queues, 0);
        house->budget.cap_bytes += 16;
    }
    assert_int_equal(stats(house).queues, 1);
}

static void memory_comes_back_after_a_burst(void **state)
{
    struct house *house = *state;
    static const char *const queues[] = {"a", "b", "c.fifo", "d.fifo"};
    for (size_t i = 0; i < 4; i++)
        create(house, queues[i]);
    size_t base = house->budget.used_bytes;
    assert_int_equal(stats(house).bytes, base);
    for (uint64_t i = 0; i < 20000; i++)
        send_in_group(house, queues[i % 4], i, i % 5000);
    size_t filled = house->budget.used_bytes;
    assert_true(filled > base + (size_t)20000 * 100);
    assert_int_equal(stats(house).bytes, filled);
    assert_int_equal(stats(house).messages, 20000);
    for (size_t i = 0; i < 4; i++) {
        do {
            assert_int_equal(receive_for(house, queues[i], 10, -1), AMP_OK);
            for (size_t k = 0; k < house->count; k++)
                assert_int_equal(remove_received(house, queues[i], k), AMP_OK);
        } while (house->count != 0);
    }
    assert_int_equal(house->dropped, 20000);
    pass(house, AMP_DEDUPLICATION_MS); /* what is remembered of FIFO messages */
    assert_int_equal(house->budget.used_bytes, base);
    for (uint64_t i = 0; i < 20000; i++)
        send_in_group(house, queues[i % 4], i, i % 5000);
    pass(house, LIFE_MS + 100);
    assert_int_equal(house->swept.expired, 20000);
    assert_int_equal(house->budget.used_bytes, base);
}

static void names_and_queues_give_their_memory_back(void **state)
{
    struct house *house = *state;
    size_t base = house->budget.used_bytes;
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, false);
    struct amp_queue_tags tags = {0};
    bool existed;
    assert_int_equal(amp_queue_tags_set(&tags, text("team"), text("red")), AMP_OK);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "q%d", i);
        assert_int_equal(DO(house, create, text(name), &settings, &tags, &existed), AMP_OK);
        send_message(house, name, (uint64_t)i);
        assert_int_equal(DO(house, destroy, text(name)), AMP_OK);
    }
    amp_secret_buf_free(&tags.packed);
    pass(house, MINUTE);
    assert_int_equal(house->budget.used_bytes, base);
}

static void one_receive_brings_so_many_bytes_and_at_least_one_message(void **state)
{
    struct house *house = *state;
    static uint8_t big[AMP_RECEIVE_BYTES_MAX + 1];
    create(house, "q");
    static const size_t lengths[] = {AMP_RECEIVE_BYTES_MAX + 1, AMP_RECEIVE_BYTES_MAX - 10, 10, 1};
    for (uint64_t i = 0; i < 4; i++) {
        struct draft d;
        draft(&d, house, "q", i);
        d.in.sealed = amp_slice(big, lengths[i]);
        assert_int_equal(send_draft(house, &d), AMP_OK);
    }
    static const size_t counts[] = {1, 2, 1, 0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(receive_for(house, "q", 10, -1), AMP_OK);
        assert_int_equal(house->count, counts[i]);
    }
}

static void so_many_may_be_in_flight_and_no_more(void **state)
{
    struct house *house = *state;
    create(house, "q");
    for (uint64_t i = 0; i < AMP_IN_FLIGHT_MAX + 5; i++) {
        send_message(house, "q", i);
        if (i < AMP_IN_FLIGHT_MAX - 5)
            assert_int_equal(receive_for(house, "q", 1, -1), AMP_OK);
    }
    assert_int_equal(receive_for(house, "q", 10, -1), AMP_OK);
    assert_int_equal(house->count, 5);
    assert_counts(house, "q", 5, AMP_IN_FLIGHT_MAX, 0);
    assert_int_equal(remove_received(house, "q", 0), AMP_OK);
    assert_int_equal(receive_for(house, "q", 10, -1), AMP_OK);
    assert_int_equal(house->count, 1);
    assert_int_equal(receive_for(house, "q", 10, -1), AMP_ERR_OVER_LIMIT);
    assert_int_equal(house->count, 0);
}

static void a_sweep_does_so_much_and_says_that_more_is_due(void **state)
{
    struct house *house = *state;
    create(house, "q");
    for (uint64_t i = 0; i < 1000; i++)
        send_for(house, "q", i, 1000);
    assert_false(DO(house, sweep, 0, 1, 100, &house->swept));
    pass_unswept(house, 1100);
    assert_true(DO(house, sweep, 0, 1, 100, &house->swept));
    assert_in_range(house->swept.expired, 1, 100);
    sweep(house);
    assert_int_equal(house->swept.expired, 1000);
}

static void workers_share_the_sweep(void **state)
{
    struct house *house = *state;
    enum { PARTS = 3 };
    char name[16];
    for (uint64_t i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "q%u", (unsigned)i);
        create(house, name);
        send_for(house, name, i, 1000);
    }
    pass_unswept(house, 1100);
    uint64_t before = 0;
    for (unsigned part = 0; part < PARTS; part++) {
        while (DO(house, sweep, part, PARTS, 5, &house->swept))
            ;
        assert_true(house->swept.expired > before);
        before = house->swept.expired;
    }
    assert_int_equal(house->swept.expired, 60);
    assert_false(DO(house, sweep, 3, 3, 5, &house->swept));
    assert_false(DO(house, sweep, 999, 1000, 5, &house->swept));
}

static const struct CMUnitTest limits_tests[] = {
    TEST(at_the_cap_nothing_is_half_put),
    TEST(whoever_fills_one_queue_keeps_nobody_out_of_another),
    TEST(what_a_queue_remembers_counts_for_it_also_when_it_is_gone),
    TEST(a_queue_that_finds_no_memory_is_not_made),
    TEST(memory_comes_back_after_a_burst),
    TEST(names_and_queues_give_their_memory_back),
    TEST(one_receive_brings_so_many_bytes_and_at_least_one_message),
    TEST(so_many_may_be_in_flight_and_no_more),
    TEST(a_sweep_does_so_much_and_says_that_more_is_due),
    TEST(workers_share_the_sweep),
};
const struct suite suite_limits = SUITE(limits);
