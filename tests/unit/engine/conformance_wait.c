/* Waiters: woken one by one, first come first served, and no message that waits while they do. */
#include "conformance.h"

#define WAITERS 4

struct sleeper {
    struct amp_queue_waiter waiter;
    unsigned woken;
    unsigned order; /* of the last waking */
};

static unsigned wakings;

static void note_waking(struct amp_queue_waiter *waiter)
{
    struct sleeper *sleeper = (struct sleeper *)(void *)waiter;
    sleeper->woken++;
    sleeper->order = ++wakings;
}

static struct sleeper sleepers[WAITERS];

static enum amp_err wait_at(struct house *house, const char *queue, size_t i)
{
    sleepers[i].waiter.wake = note_waking;
    return DO(house, wait, text(queue), &sleepers[i].waiter);
}

static void all_wait_at(struct house *house, const char *queue)
{
    memset(sleepers, 0, sizeof sleepers);
    wakings = 0;
    for (size_t i = 0; i < WAITERS; i++)
        assert_int_equal(wait_at(house, queue, i), AMP_OK);
    assert_int_equal(stats(house).waiters, WAITERS);
}

static void none_waits_any_more(struct house *house)
{
    for (size_t i = 0; i < WAITERS; i++)
        DO(house, unwait, &sleepers[i].waiter);
    assert_int_equal(stats(house).waiters, 0);
}

/* So many were woken, in the order they came. */
static void assert_woken(size_t count)
{
    for (size_t i = 0; i < WAITERS; i++) {
        assert_int_equal(sleepers[i].woken, i < count);
        assert_int_equal(sleepers[i].order, i < count ? i + 1 : 0);
    }
}

static void each_message_wakes_one_in_the_order_they_came(void **state)
{
    struct house *house = *state;
    create(house, "q");
    create(house, "other");
    all_wait_at(house, "q");
    send_message(house, "other", 9);
    assert_woken(0);
    for (size_t i = 1; i <= 3; i++) {
        send_message(house, "q", i);
        assert_woken(i);
    }
    assert_int_equal(stats(house).waiters, 1);
    none_waits_any_more(house);
}

static void who_finds_something_does_not_wait(void **state)
{
    struct house *house = *state;
    create(house, "q");
    memset(sleepers, 0, sizeof sleepers);
    send_for(house, "q", 1, 1000);
    assert_int_equal(wait_at(house, "q", 0), AMP_ERR_AGAIN);
    assert_null(sleepers[0].waiter.link);
    assert_int_equal(stats(house).waiters, 0);
    expect(house, "q", 1);
    assert_int_equal(wait_at(house, "q", 0), AMP_OK);
    DO(house, unwait, &sleepers[0].waiter);
    assert_int_equal(hide(house, "q", 0, 0), AMP_OK);
    pass_unswept(house, 1000);
    assert_int_equal(wait_at(house, "q", 0), AMP_OK); /* what is there has expired */
    DO(house, unwait, &sleepers[0].waiter);
    assert_int_equal(sleepers[0].woken, 0);
}

static void who_waits_no_more_is_not_woken(void **state)
{
    struct house *house = *state;
    create(house, "q");
    all_wait_at(house, "q");
    DO(house, unwait, &sleepers[3].waiter);
    DO(house, unwait, &sleepers[0].waiter);
    DO(house, unwait, &sleepers[0].waiter);
    send_message(house, "q", 1);
    assert_int_equal(sleepers[0].woken, 0);
    assert_int_equal(sleepers[1].woken, 1);
    assert_int_equal(wait_at(house, "q", 0), AMP_ERR_AGAIN);
    expect(house, "q", 1);
    assert_int_equal(wait_at(house, "q", 0), AMP_OK);
    send_message(house, "q", 2);
    assert_int_equal(sleepers[2].woken, 1);
    send_message(house, "q", 3);
    assert_int_equal(sleepers[0].woken, 1);
    send_message(house, "q", 4);
    assert_int_equal(sleepers[3].woken, 0);
    assert_int_equal(stats(house).waiters, 0);
}

static void delays_and_visibility_timeouts_that_end_wake(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_delayed(house, "q", 1, 5000);
    send_message(house, "q", 2);
    send_message(house, "q", 3);
    expect(house, "q", 2, 3);
    all_wait_at(house, "q");
    pass(house, 5100);
    assert_woken(1);
    assert_int_equal(hide(house, "q", 0, 0), AMP_OK);
    assert_woken(2);
    pass(house, 25000);
    assert_woken(3);
    none_waits_any_more(house);
}

static void whoever_does_not_use_it_passes_it_on(void **state)
{
    struct house *house = *state;
    create(house, "q");
    all_wait_at(house, "q");
    send_message(house, "q", 1);
    assert_woken(1);
    DO(house, nudge, text("q"));
    assert_woken(2);
    expect(house, "q", 1);
    DO(house, nudge, text("q"));
    assert_woken(2);
    none_waits_any_more(house);
}

static void a_blocked_group_wakes_nobody_until_it_is_free(void **state)
{
    struct house *house = *state;
    create(house, "q.fifo");
    send_in_group(house, "q.fifo", 1, 1);
    expect(house, "q.fifo", 1);
    all_wait_at(house, "q.fifo");
    send_in_group(house, "q.fifo", 2, 1);
    send_in_group(house, "q.fifo", 3, 1);
    assert_woken(0);
    DO(house, nudge, text("q.fifo"));
    assert_woken(0);
    send_in_group(house, "q.fifo", 4, 2);
    assert_woken(1);
    assert_int_equal(remove_received(house, "q.fifo", 0), AMP_OK);
    assert_woken(2);
    none_waits_any_more(house);
}

static void a_dead_letter_wakes_who_waits_for_it(void **state)
{
    struct house *house = *state;
    create_with_dead_letter(house, "q", "dead", 1);
    create(house, "dead");
    send_message(house, "q", 1);
    assert_int_equal(receive_for(house, "q", 1, 0), AMP_OK);
    all_wait_at(house, "dead");
    expect_none(house, "q");
    assert_woken(1);
    none_waits_any_more(house);
}

static void the_end_of_the_queue_wakes_all(void **state)
{
    struct house *house = *state;
    uint64_t purged;
    create(house, "q");
    all_wait_at(house, "q");
    assert_int_equal(DO(house, purge, text("q"), &purged), AMP_OK);
    assert_woken(0);
    send_message(house, "q", 1);
    assert_woken(1);
    assert_int_equal(DO(house, destroy, text("q")), AMP_OK);
    assert_woken(WAITERS);
    none_waits_any_more(house);
}

static const struct CMUnitTest wait_tests[] = {
    TEST(each_message_wakes_one_in_the_order_they_came),
    TEST(who_finds_something_does_not_wait),
    TEST(who_waits_no_more_is_not_woken),
    TEST(delays_and_visibility_timeouts_that_end_wake),
    TEST(whoever_does_not_use_it_passes_it_on),
    TEST(a_blocked_group_wakes_nobody_until_it_is_free),
    TEST(a_dead_letter_wakes_who_waits_for_it),
    TEST(the_end_of_the_queue_wakes_all),
};
const struct suite suite_wait = SUITE(wait);
