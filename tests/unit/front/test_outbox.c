/* What is to be pushed: order, windows, turns, and each delivery ending once. */
#include "../support.h"

#include "front/outbox.h"
#include "ipc/ipc.h"

#define WINDOW       4u
#define WINDOW_BYTES 1000u
#define TOTAL        100u
#define TOTAL_BYTES  3000u
#define HOSTILE_MAX  (AMP_SUBSCRIPTIONS_MAX - 1u)

static struct amp_clock_fake hands;
static struct amp_budget budget;
static struct amp_outbox *outbox;
static struct amp_delivery delivery;
static enum amp_err why;

#define QUEUE AMP_SLICE_LIT("payments")

static int setup(void **state)
{
    struct amp_outbox_config config = {.clock = amp_clock_fake(&hands),
                                       .budget = &budget,
                                       .window = WINDOW,
                                       .window_bytes = WINDOW_BYTES,
                                       .total = TOTAL,
                                       .total_bytes = TOTAL_BYTES};

    (void)state;
    hands = (struct amp_clock_fake){.mono_ms = 5000};
    amp_budget_init(&budget, 1 << 20);
    return amp_outbox_new(&outbox, &config) == AMP_OK ? 0 : -1;
}

/* As front has it. */
static int setup_large(void **state)
{
    struct amp_outbox_config config = {.clock = amp_clock_fake(&hands),
                                       .budget = &budget,
                                       .window = AMP_COURIER_WINDOW,
                                       .window_bytes = AMP_COURIER_WINDOW_BYTES,
                                       .total = AMP_COURIER_TOTAL,
                                       .total_bytes = AMP_COURIER_TOTAL_BYTES,
                                       .subscriptions = AMP_SUBSCRIPTIONS_MAX,
                                       .reserve = AMP_OUTBOX_RESERVE,
                                       .reserve_bytes = AMP_OUTBOX_RESERVE_BYTES};

    (void)state;
    hands = (struct amp_clock_fake){.mono_ms = 5000};
    amp_budget_init(&budget, 256 << 20);
    return amp_outbox_new(&outbox, &config) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    amp_outbox_free(outbox);
    return atomic_load(&budget.used_bytes) == 0 ? 0 : -1;
}

static void name(uint8_t id[16], uint32_t number)
{
    memset(id, 0, 16);
    memcpy(id, &number, sizeof number);
}

static enum amp_err add_until(uint32_t subscription, uint32_t message, int64_t expires_mono_ms)
{
    uint8_t subscriptions[1][16], id[16];

    name(subscriptions[0], subscription);
    name(id, message);
    return amp_outbox_add(outbox, QUEUE, subscriptions, 1, id, expires_mono_ms);
}

static void add(uint32_t subscription, uint32_t message)
{
    assert_int_equal(add_until(subscription, message, 1000000), AMP_OK);
}

static void assert_is(uint32_t subscription, uint32_t message)
{
    uint8_t id[16];

    name(id, subscription);
    assert_memory_equal(delivery.subscription, id, 16);
    name(id, message);
    assert_memory_equal(delivery.message, id, 16);
    assert_true(amp_slice_is(amp_queue_name_slice(&delivery.queue), "payments"));
}

static uint64_t next(uint32_t subscription, uint32_t message)
{
    assert_true(amp_outbox_next(outbox, &delivery));
    assert_is(subscription, message);
    assert_int_not_equal(delivery.ask, 0);
    assert_true(delivery.ask < UINT64_C(1) << 63);
    return delivery.ask;
}

static void none(void)
{
    assert_false(amp_outbox_next(outbox, &delivery));
}

static void end(uint64_t ask, uint32_t subscription, uint32_t message)
{
    assert_int_equal(amp_outbox_end(outbox, ask, &delivery), AMP_OK);
    assert_is(subscription, message);
    assert_int_equal(amp_outbox_end(outbox, ask, &delivery), AMP_ERR_NOT_FOUND);
}

static bool reap(void)
{
    size_t work = 1000;

    return amp_outbox_reap(outbox, &delivery, &why, &work);
}

static void assert_counts(uint64_t pending, uint64_t under_way)
{
    struct amp_outbox_counts counts = amp_outbox_counts(outbox);

    assert_int_equal(counts.pending, pending);
    assert_int_equal(counts.under_way, under_way);
}

static void a_subscription_is_served_in_order(void **state)
{
    uint64_t asks[3];

    (void)state;
    none();
    for (uint32_t i = 1; i <= 3; i++)
        add(1, i);
    for (uint32_t i = 1; i <= 3; i++)
        asks[i - 1] = next(1, i);
    none();
    assert_counts(0, 3);
    end(asks[1], 1, 2); /* ends come in any order */
    end(asks[0], 1, 1);
    end(asks[2], 1, 3);
    assert_counts(0, 0);
}

static void subscriptions_take_turns(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 3; i++)
        add(1, i);
    for (uint32_t i = 1; i <= 3; i++)
        add(2, i);
    for (uint32_t i = 1; i <= 3; i++) {
        (void)next(1, i);
        (void)next(2, i);
    }
    none();
}

static void one_message_goes_to_all_its_subscriptions(void **state)
{
    uint8_t subscriptions[3][16], id[16];

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        name(subscriptions[i], i + 1);
    name(id, 9);
    assert_int_equal(amp_outbox_add(outbox, QUEUE, subscriptions, 3, id, 1000000), AMP_OK);
    for (uint32_t i = 1; i <= 3; i++)
        (void)next(i, 9);
    none();
}

static void no_more_than_a_window_is_under_way(void **state)
{
    uint64_t first;

    (void)state;
    for (uint32_t i = 1; i <= WINDOW + 2; i++)
        add(1, i);
    add(2, 1);
    first = next(1, 1);
    (void)next(2, 1);
    for (uint32_t i = 2; i <= WINDOW; i++)
        (void)next(1, i);
    none();
    end(first, 1, 1);
    (void)next(1, WINDOW + 1);
    none();
}

static void no_more_bytes_than_a_window_are_under_way(void **state)
{
    uint64_t first, second;

    (void)state;
    for (uint32_t i = 1; i <= 3; i++)
        add(1, i);
    first = next(1, 1);
    assert_true(amp_outbox_fits(outbox, first, 600));
    second = next(1, 2);
    assert_false(amp_outbox_fits(outbox, second, 401));
    assert_counts(2, 1);
    none(); /* its length is known now: it is not tried again and again */
    end(first, 1, 1);
    second = next(1, 2);
    assert_true(amp_outbox_fits(outbox, second, 401));
    assert_true(amp_outbox_fits(outbox, next(1, 3), 599));
}

static void no_subscription_takes_more_than_half_of_what_it_leaves(void **state)
{
    uint64_t first, third;

    (void)state;
    for (uint32_t i = 1; i <= 4; i++)
        add(i, 1);
    first = next(1, 1);
    assert_true(amp_outbox_fits(outbox, first, 1000));
    assert_true(amp_outbox_fits(outbox, next(2, 1), 600));
    third = next(3, 1);
    assert_false(amp_outbox_fits(outbox, third, 467));     /* 466 are the half of what it would leave */
    assert_true(amp_outbox_fits(outbox, next(4, 1), 466)); /* another may fit where this one does not */
    none();
    end(first, 1, 1);
    third = next(3, 1);
    assert_true(amp_outbox_fits(outbox, third, 467));
}

/* Sends whatever may be sent, bodies of `bytes`; how many. */
static size_t fill(size_t bytes)
{
    size_t sent = 0;

    while (amp_outbox_next(outbox, &delivery))
        sent += amp_outbox_fits(outbox, delivery.ask, bytes);
    return sent;
}

/* The hostile ones fill up together, or one after the other. */
static void check_room_beside(uint32_t hostile, bool in_turn, uint32_t each, size_t bytes)
{
    uint32_t victim = hostile + 1;
    size_t sent = 0;

    for (uint32_t i = 1; i <= hostile; i++) {
        for (uint32_t j = 1; j <= each; j++)
            add(i, j);
        sent += in_turn && i < hostile ? 0 : fill(bytes);
    }
    assert_true(sent * bytes > AMP_COURIER_TOTAL_BYTES / 2 || sent > AMP_COURIER_TOTAL / 2);
    assert_true(sent * bytes <= AMP_COURIER_TOTAL_BYTES && sent <= AMP_COURIER_TOTAL);
    for (uint32_t i = 1; i <= AMP_OUTBOX_RESERVE; i++) {
        add(victim, i);
        assert_true(amp_outbox_fits(outbox, next(victim, i), 1024));
    }
}

static void sixteen_with_large_bodies_leave_room(void **state)
{
    (void)state;
    check_room_beside(16, true, 4, 1 << 20);
}

static void a_thousand_with_large_bodies_leave_room(void **state)
{
    (void)state;
    check_room_beside(HOSTILE_MAX, true, 4, 1 << 20);
}

static void a_thousand_with_bodies_of_any_length_leave_room(void **state)
{
    (void)state;
    for (size_t bytes = 1 << 20; bytes > 8192; bytes /= 2) {
        for (uint32_t i = 1; i <= HOSTILE_MAX; i++)
            add(i, 1);
        (void)fill(bytes);
    }
    add(HOSTILE_MAX + 1, 1);
    assert_true(amp_outbox_fits(outbox, next(HOSTILE_MAX + 1, 1), 1024));
}

static void a_thousand_with_many_messages_leave_room(void **state)
{
    (void)state;
    check_room_beside(HOSTILE_MAX, true, 40, 16);
}

static void sixteen_that_come_one_after_the_other_leave_room(void **state)
{
    (void)state;
    check_room_beside(16, false, 4, 1 << 20);
}

static void a_thousand_that_come_one_after_the_other_leave_room(void **state)
{
    (void)state;
    check_room_beside(HOSTILE_MAX, false, 4, 1 << 20);
}

static void a_thousand_that_come_one_after_the_other_with_many_leave_room(void **state)
{
    (void)state;
    check_room_beside(HOSTILE_MAX, false, 300, 16);
}

static void what_others_kept_waiting_goes_when_they_end(void **state)
{
    uint64_t asks[64];
    size_t count = 0;

    (void)state;
    for (uint32_t i = 1; i <= 16; i++) {
        for (uint32_t j = 1; j <= 4; j++)
            add(i, j);
    }
    while (count < 64 && amp_outbox_next(outbox, &delivery)) {
        asks[count] = delivery.ask;
        count += amp_outbox_fits(outbox, delivery.ask, 1 << 20);
    }
    add(20, 1);
    assert_false(amp_outbox_fits(outbox, next(20, 1), AMP_COURIER_WINDOW_BYTES));
    none();
    for (size_t i = 0; i < count; i++)
        assert_int_equal(amp_outbox_end(outbox, asks[i], &delivery), AMP_OK);
    for (bool sent = false; !sent;) {
        assert_true(amp_outbox_next(outbox, &delivery));
        sent = delivery.subscription[0] == 20 && amp_outbox_fits(outbox, delivery.ask, AMP_COURIER_WINDOW_BYTES);
    }
}

static void what_is_put_back_is_first_again(void **state)
{
    uint64_t ask;

    (void)state;
    for (uint32_t i = 1; i <= 3; i++)
        add(1, i);
    (void)next(1, 1);
    ask = next(1, 2);
    amp_outbox_put_back(outbox, ask);
    assert_int_equal(amp_outbox_end(outbox, ask, &delivery), AMP_ERR_NOT_FOUND);
    amp_outbox_put_back(outbox, ask);
    (void)next(1, 2);
    (void)next(1, 3);
    none();
}

static void a_recall_restores_the_order(void **state)
{
    uint64_t asks[2][WINDOW];

    (void)state;
    for (uint32_t i = 0; i < WINDOW + 1; i++) {
        add(1, i);
        add(2, i);
    }
    for (uint32_t i = 0; i < WINDOW; i++) {
        asks[0][i] = next(1, i);
        asks[1][i] = next(2, i);
        assert_true(amp_outbox_fits(outbox, asks[0][i], 100));
    }
    none();
    end(asks[0][1], 1, 1);
    (void)next(1, WINDOW);
    amp_outbox_recall(outbox);
    assert_counts(2 * WINDOW + 1, 0);
    for (uint32_t i = 0; i < WINDOW; i++)
        assert_int_equal(amp_outbox_end(outbox, asks[0][i], &delivery), AMP_ERR_NOT_FOUND);
    amp_outbox_drop(outbox, (const uint8_t[16]){2});
    (void)next(1, 0);
    for (uint32_t i = 2; i <= WINDOW; i++)
        (void)next(1, i);
    none();
}

/* A number is not another's, though it may have the same place. */
static void numbers_are_not_used_twice(void **state)
{
    uint64_t old[100];

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        add(1, i);
        old[i] = next(1, i);
        end(old[i], 1, i);
        for (uint32_t j = 0; j < i; j++)
            assert_int_not_equal(old[i], old[j]);
    }
    add(1, 1000);
    (void)next(1, 1000);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(amp_outbox_end(outbox, old[i], &delivery), AMP_ERR_NOT_FOUND);
    assert_int_equal(amp_outbox_end(outbox, 0, &delivery), AMP_ERR_NOT_FOUND);
    assert_int_equal(amp_outbox_end(outbox, UINT64_MAX, &delivery), AMP_ERR_NOT_FOUND);
    assert_int_equal(amp_outbox_end(outbox, UINT64_C(1) << 32 | 1000000, &delivery), AMP_ERR_NOT_FOUND);
    assert_counts(0, 1);
}

/* Wherever it stands, and not before its time. */
static void what_expires_is_reaped(void **state)
{
    (void)state;
    add(1, 1);
    assert_int_equal(add_until(1, 2, 6000), AMP_OK);
    add(1, 3);
    hands.mono_ms = 5999;
    assert_false(reap());
    hands.mono_ms = 6000 + 64;
    assert_true(reap());
    assert_is(1, 2);
    assert_int_equal(why, AMP_ERR_PUSH_EXPIRED);
    assert_false(reap());
    (void)next(1, 1);
    (void)next(1, 3);
    none();
}

static void what_is_under_way_is_the_couriers_to_end(void **state)
{
    uint64_t ask;

    (void)state;
    assert_int_equal(add_until(1, 1, 6000), AMP_OK);
    ask = next(1, 1);
    hands.mono_ms = 100000;
    assert_false(reap());
    amp_outbox_put_back(outbox, ask);
    assert_true(reap());
    assert_is(1, 1);
    none();
}

static void a_dropped_subscription_ends_what_is_pending(void **state)
{
    uint64_t ask;

    (void)state;
    for (uint32_t i = 1; i <= 3; i++)
        add(1, i);
    add(2, 1);
    ask = next(1, 1);
    (void)next(2, 1);
    amp_outbox_drop(outbox, (const uint8_t[16]){1});
    amp_outbox_drop(outbox, (const uint8_t[16]){1});
    none();
    add(1, 4); /* it is active again already */
    (void)next(1, 4);
    for (uint32_t i = 2; i <= 3; i++) {
        assert_true(reap());
        assert_is(1, i);
        assert_int_equal(why, AMP_ERR_SUBSCRIPTION_UNKNOWN);
    }
    assert_false(reap());
    end(ask, 1, 1);
    assert_counts(0, 2);
}

static void what_a_dropped_subscription_had_under_way_is_reaped_where_the_courier_goes(void **state)
{
    (void)state;
    add(1, 1);
    (void)next(1, 1);
    amp_outbox_drop(outbox, (const uint8_t[16]){1});
    assert_false(reap());
    amp_outbox_recall(outbox);
    none();
    assert_true(reap());
    assert_is(1, 1);
    assert_counts(0, 0);
}

static bool is_even(void *ctx, const uint8_t id[16])
{
    assert_ptr_equal(ctx, &budget);
    return id[0] % 2 == 0;
}

static void only_what_is_retained_stays(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 4; i++)
        add(i, i);
    amp_outbox_retain(outbox, is_even, &budget);
    (void)next(2, 2);
    (void)next(4, 4);
    none();
    assert_true(reap());
    assert_true(reap());
    assert_false(reap());
}

static void reaping_stops_where_its_work_is_spent(void **state)
{
    size_t work = 2, reaped = 0;

    (void)state;
    for (uint32_t i = 1; i <= 5; i++)
        add(1, i);
    amp_outbox_drop(outbox, (const uint8_t[16]){1});
    while (amp_outbox_reap(outbox, &delivery, &why, &work))
        reaped++;
    assert_int_equal(reaped, 2);
    assert_int_equal(work, 0);
    assert_counts(3, 0);
}

/* All of a message's deliveries or none, and nothing is lost of what was taken before. */
static void a_full_budget_refuses_whole_messages(void **state)
{
    uint8_t subscriptions[3][16], id[16];
    uint64_t taken = 0;
    enum amp_err err = AMP_OK;

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        name(subscriptions[i], i + 1);
    for (uint32_t i = 0; err == AMP_OK; i++) {
        name(id, i);
        err = amp_outbox_add(outbox, QUEUE, subscriptions, 3, id, 1000000);
        taken += err == AMP_OK;
    }
    assert_int_equal(err, AMP_ERR_VAULT_FULL);
    assert_true(taken > 1000);
    assert_counts(3 * taken, 0);
    for (uint32_t i = 0; i < WINDOW; i++) {
        for (uint32_t j = 1; j <= 3; j++)
            end(next(j, i), j, i);
    }
    name(id, 77);
    assert_int_equal(amp_outbox_add(outbox, QUEUE, subscriptions, 3, id, 1000000), AMP_OK);
}

int main(void)
{
#define TEST(name)       cmocka_unit_test_setup_teardown(name, setup, teardown)
#define LARGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup_large, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_subscription_is_served_in_order),
        TEST(subscriptions_take_turns),
        TEST(one_message_goes_to_all_its_subscriptions),
        TEST(no_more_than_a_window_is_under_way),
        TEST(no_more_bytes_than_a_window_are_under_way),
        TEST(no_subscription_takes_more_than_half_of_what_it_leaves),
        LARGE_TEST(sixteen_with_large_bodies_leave_room),
        LARGE_TEST(a_thousand_with_large_bodies_leave_room),
        LARGE_TEST(a_thousand_with_bodies_of_any_length_leave_room),
        LARGE_TEST(a_thousand_with_many_messages_leave_room),
        LARGE_TEST(sixteen_that_come_one_after_the_other_leave_room),
        LARGE_TEST(a_thousand_that_come_one_after_the_other_leave_room),
        LARGE_TEST(a_thousand_that_come_one_after_the_other_with_many_leave_room),
        LARGE_TEST(what_others_kept_waiting_goes_when_they_end),
        TEST(what_is_put_back_is_first_again),
        TEST(a_recall_restores_the_order),
        TEST(numbers_are_not_used_twice),
        TEST(what_expires_is_reaped),
        TEST(what_is_under_way_is_the_couriers_to_end),
        TEST(a_dropped_subscription_ends_what_is_pending),
        TEST(what_a_dropped_subscription_had_under_way_is_reaped_where_the_courier_goes),
        TEST(only_what_is_retained_stays),
        TEST(reaping_stops_where_its_work_is_spent),
        TEST(a_full_budget_refuses_whole_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
