/* What is told to `available`, and the deliveries that follow. */
#include "conformance.h"

static void assert_told(const struct house *house, uint64_t times, const char *queue, uint64_t number)
{
    uint8_t id[AMP_MESSAGE_ID_LEN];
    id_from(id, number);
    assert_int_equal(house->ear.told, times);
    assert_true(amp_slice_is(amp_queue_name_slice(&house->ear.queue), queue));
    assert_memory_equal(house->ear.id, id, sizeof id);
}

static void a_message_is_told_of_once_however_often_it_is_received(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    assert_told(house, 1, "q", 1);
    assert_int_equal(house->ear.expires_mono_ms, house->clock.mono_ms + LIFE_MS);
    for (int i = 0; i < 3; i++) {
        expect(house, "q", 1);
        pass(house, 30100);
    }
    assert_int_equal(hide(house, "q", 0, 0), AMP_ERR_MESSAGE_NOT_INFLIGHT);
    assert_int_equal(house->ear.told, 1);
}

static void a_delayed_message_is_told_of_when_its_delay_is_over(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_delayed(house, "q", 1, 5000);
    assert_int_equal(house->ear.told, 0);
    pass(house, 5100);
    assert_told(house, 1, "q", 1);
    assert_int_equal(house->ear.expires_mono_ms, 5000 + LIFE_MS);
    for (uint64_t i = 2; i < 50; i++)
        send_delayed(house, "q", i, 5000);
    pass(house, 5100);
    assert_int_equal(house->ear.told, 49);
    pass(house, 5100);
    assert_int_equal(house->ear.told, 49);
}

static void a_duplicate_is_not_told_of(void **state)
{
    struct house *house = *state;
    create(house, "q.fifo");
    send_message(house, "q.fifo", 1);
    send_message(house, "q.fifo", 1);
    assert_true(house->sent.duplicate);
    assert_int_equal(house->ear.told, 1);
}

static void a_send_that_push_cannot_take_now_is_refused_whole(void **state)
{
    struct house *house = *state;
    static const char *const queues[] = {"q", "q.fifo"};
    for (size_t i = 0; i < 2; i++) {
        create(house, queues[i]);
        house->ear.answer = -1;
        assert_int_equal(try_send(house, queues[i], 1), AMP_ERR_VAULT_FULL);
        assert_counts(house, queues[i], 0, 0, 0);
        assert_int_equal(peek(house, queues[i], 1), AMP_ERR_NOT_FOUND);
        assert_int_equal(house->dropped, 0);
        house->ear.answer = 0;
        assert_int_equal(try_send(house, queues[i], 1), AMP_OK);
        assert_false(house->sent.duplicate);
        expect(house, queues[i], 1);
    }
}

static void what_becomes_available_later_is_asked_about_until_it_is_taken(void **state)
{
    struct house *house = *state;
    create(house, "q");
    house->ear.answer = -1;
    send_delayed(house, "q", 1, 1000);
    pass(house, 1100);
    uint64_t asked = house->ear.told;
    assert_int_equal(asked, 1);
    assert_counts(house, "q", 1, 0, 0); /* who polls need not wait */
    for (int i = 0; i < 5; i++)
        pass(house, 1000);
    assert_true(house->ear.told > asked);
    house->ear.answer = 1;
    pass(house, 1000);
    asked = house->ear.told;
    pass(house, 5000);
    assert_told(house, asked, "q", 1);
    deliver(house, "q", 1, true);
    assert_int_equal(house->dropped, 1);
}

static void a_message_ends_when_all_its_deliveries_were_acknowledged(void **state)
{
    struct house *house = *state;
    create(house, "q");
    house->ear.answer = 3;
    send_message(house, "q", 1);
    deliver(house, "q", 1, true);
    deliver(house, "q", 1, true);
    deliver(house, "q", 2, true);
    assert_int_equal(house->dropped, 0);
    expect(house, "q", 1);
    deliver(house, "q", 1, true);
    assert_int_equal(house->dropped, 1);
    assert_counts(house, "q", 0, 0, 0);
    assert_int_equal(peek(house, "q", 1), AMP_ERR_NOT_FOUND);
    deliver(house, "q", 1, true);
}

static void one_delivery_that_failed_keeps_it(void **state)
{
    struct house *house = *state;
    create(house, "q");
    house->ear.answer = 3;
    for (uint64_t failing = 0; failing < 3; failing++) {
        send_message(house, "q", failing);
        for (uint64_t i = 0; i < 3; i++)
            deliver(house, "q", failing, i != failing);
    }
    assert_int_equal(house->dropped, 0);
    expect(house, "q", 0, 1, 2);
}

static void without_a_subscription_nothing_is_delivered_and_nothing_ends(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    pass(house, 1000);
    expect(house, "q", 1);
}

/* Tells of the end of its deliveries before it has said how many there are. */
static int hasty(void *ctx, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN], int64_t expires_mono_ms)
{
    struct house *house = ctx;
    house->ear.told++;
    assert_int_equal(DO(house, peek, queue, id, &house->out[0], &house->sealed), AMP_OK);
    for (int i = 0; i < house->ear.answer; i++)
        DO(house, delivered, queue, id, house->ear.told != 2 || i != 0);
    return house->ear.answer;
}

static void a_delivery_may_end_before_it_was_counted(void **state)
{
    struct house *house = *state;
    struct amp_queue_engine usual = house->engine;
    struct amp_engine_config config = {.clock = amp_clock_fake(&house->clock),
                                       .budget = &house->budget,
                                       .max_queues = 1,
                                       .ctx = house,
                                       .dropped = count_dropped,
                                       .available = hasty};
    assert_int_equal(tested_engine()(&house->engine, &config), AMP_OK);
    create(house, "q");
    house->ear.answer = 2;
    send_message(house, "q", 1);
    assert_int_equal(house->dropped, 1);
    send_message(house, "q", 2); /* one of these two fails */
    assert_int_equal(house->dropped, 1);
    send_delayed(house, "q", 3, 1000);
    pass(house, 1100);
    assert_int_equal(house->dropped, 2);
    expect(house, "q", 2);
    house->engine.ops->close(house->engine.self);
    house->engine = usual;
}

static void a_moved_message_is_told_of_again_where_it_comes_to(void **state)
{
    struct house *house = *state;
    create_with_dead_letter(house, "q", "dead", 1);
    create(house, "dead");
    house->ear.answer = 1;
    send_message(house, "q", 1);
    assert_told(house, 1, "q", 1);
    int64_t expires_mono_ms = house->ear.expires_mono_ms;
    assert_int_equal(receive_for(house, "q", 1, 0), AMP_OK);
    pass(house, 1000);
    expect_none(house, "q");
    pass(house, 100);
    assert_told(house, 2, "dead", 1);
    assert_int_equal(house->ear.expires_mono_ms, expires_mono_ms);
    deliver(house, "q", 1, true);
    assert_int_equal(house->dropped, 0);
    deliver(house, "dead", 1, true);
    assert_int_equal(house->dropped, 1);
}

/* Engines call `dropped` under no lock: here while a dead letter is on its way. */
struct road {
    struct house *house;
    uint64_t number; /* of the message that travels */
    unsigned acknowledged, refused;
    const struct amp_receipt *deleted; /* with this receipt; NULL: it is not */
};
static struct road road;

static void hear_on_the_way(void *ctx, uint32_t epoch)
{
    count_dropped(ctx, epoch);
    for (; road.acknowledged != 0; road.acknowledged--)
        deliver(road.house, "q", road.number, true);
    for (; road.refused != 0; road.refused--)
        deliver(road.house, "q", road.number, false);
    if (road.deleted != NULL)
        assert_int_equal(DO(road.house, remove, text("q"), road.deleted), AMP_OK);
    road.deleted = NULL;
}

/* Message `number` is received until it is a dead letter. */
static void make_dead_letter(struct house *house, uint64_t number)
{
    house->ear.answer = 2;
    send_message(house, "q", number);
    house->ear.answer = 0;
    send_for(house, "q", number + 1, 1000);
    assert_int_equal(receive_for(house, "q", 1, 0), AMP_OK);
    assert_is(house, &house->out[0], number);
    pass_unswept(house, 1100); /* the other one is wiped while this one travels */
}

/* It sets out, hears what is told on its road, and comes back because there is no such queue. */
static void travel_in_vain(struct house *house)
{
    uint64_t dropped = house->dropped;
    assert_int_equal(receive_for(house, "q", 1, 0), AMP_OK);
    assert_true(house->dropped > dropped);
    assert_int_equal(road.acknowledged + road.refused, 0);
    assert_null(road.deleted);
}

static void set_out_in_vain(struct house *house, uint64_t number, unsigned acknowledged, unsigned refused)
{
    make_dead_letter(house, number);
    road = (struct road){house, number, acknowledged, refused, NULL};
    travel_in_vain(house);
}

static void delete_on_the_way(struct house *house, uint64_t number, bool stale)
{
    make_dead_letter(house, number);
    struct amp_receipt receipt = house->out[0].receipt;
    if (stale)
        receipt.stamp ^= 2;
    road = (struct road){house, number, 0, 0, &receipt};
    travel_in_vain(house);
}

/* An engine that tells the road what it wipes. Returns the usual one. */
static struct amp_queue_engine open_with_road(struct house *house)
{
    struct amp_queue_engine usual = house->engine;
    struct amp_engine_config config = {.clock = amp_clock_fake(&house->clock),
                                       .budget = &house->budget,
                                       .max_queues = 10,
                                       .ctx = house,
                                       .dropped = hear_on_the_way,
                                       .available = listen_to};
    assert_int_equal(tested_engine()(&house->engine, &config), AMP_OK);
    create_with_dead_letter(house, "q", "none", 1);
    return usual;
}

/* A standard queue answers AMP_OK to a stale receipt, too, and deletes nothing. */
static void what_is_deleted_on_its_way_does_not_come_back(void **state)
{
    struct house *house = *state;
    struct amp_queue_engine usual = open_with_road(house);
    delete_on_the_way(house, 10, false);
    assert_int_equal(house->count, 0);
    assert_int_equal(peek(house, "q", 10), AMP_ERR_NOT_FOUND);
    delete_on_the_way(house, 20, true);
    assert_int_equal(house->count, 1);
    assert_int_equal(peek(house, "q", 20), AMP_OK);
    house->engine.ops->close(house->engine.self);
    house->engine = usual;
}

static void what_is_told_of_a_message_on_its_way_is_not_lost(void **state)
{
    struct house *house = *state;
    struct amp_queue_engine usual = open_with_road(house);
    set_out_in_vain(house, 10, 2, 0);
    assert_int_equal(peek(house, "q", 10), AMP_ERR_NOT_FOUND); /* delivered to all */
    set_out_in_vain(house, 20, 1, 0);
    assert_int_equal(peek(house, "q", 20), AMP_OK);
    deliver(house, "q", 20, true);
    assert_int_equal(peek(house, "q", 20), AMP_ERR_NOT_FOUND);
    set_out_in_vain(house, 30, 1, 1);
    assert_int_equal(peek(house, "q", 30), AMP_OK);
    set_out_in_vain(house, 40, 0, 0);
    assert_int_equal(peek(house, "q", 40), AMP_OK);
    house->engine.ops->close(house->engine.self);
    house->engine = usual;
}

static void a_message_that_was_asked_about_on_its_way_is_asked_about_again(void **state)
{
    struct house *house = *state;
    create_with_dead_letter(house, "q", "none", 1);
    house->ear.answer = -1;
    send_delayed(house, "q", 1, 1000);
    pass(house, 1100);
    assert_int_equal(receive_for(house, "q", 1, 400), AMP_OK);
    assert_int_equal(house->count, 1);
    pass_unswept(house, 1000);
    uint64_t asked = house->ear.told;
    assert_int_equal(receive_for(house, "q", 1, 0), AMP_OK); /* asks while it looks for its dead-letter queue */
    assert_true(house->ear.told > asked);
    asked = house->ear.told;
    house->ear.answer = 1;
    pass(house, 1000);
    assert_told(house, asked + 1, "q", 1);
    deliver(house, "q", 1, true);
    assert_int_equal(house->dropped, 1);
}

static const struct CMUnitTest push_tests[] = {
    TEST(a_message_is_told_of_once_however_often_it_is_received),
    TEST(a_delayed_message_is_told_of_when_its_delay_is_over),
    TEST(a_duplicate_is_not_told_of),
    TEST(a_send_that_push_cannot_take_now_is_refused_whole),
    TEST(what_becomes_available_later_is_asked_about_until_it_is_taken),
    TEST(a_message_ends_when_all_its_deliveries_were_acknowledged),
    TEST(one_delivery_that_failed_keeps_it),
    TEST(without_a_subscription_nothing_is_delivered_and_nothing_ends),
    TEST(a_delivery_may_end_before_it_was_counted),
    TEST(a_moved_message_is_told_of_again_where_it_comes_to),
    TEST(what_is_told_of_a_message_on_its_way_is_not_lost),
    TEST(what_is_deleted_on_its_way_does_not_come_back),
    TEST(a_message_that_was_asked_about_on_its_way_is_asked_about_again),
};
const struct suite suite_push = SUITE(push);
