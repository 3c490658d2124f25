/* Subscriptions in the schedule: told, deleted, disabled, tested. */
#include "schedule_scene.h"

static void schedule_disables_what_is_gone(void **state)
{
    subscribe(1);
    for (uint64_t ask = 1; ask <= 5; ask++)
        deliver(1, ask, 60000);
    answer(&scene.attempts[1], AMP_ERR_PUSH_REFUSED, 410, 0);
    assert_int_equal(scene.disabled_count, 1);
    assert_int_equal(scene.disabled[0][0], 1);
    assert_int_equal(scene.why[0], AMP_SUBSCRIPTION_GONE);
    assert_int_equal(scene.end_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(scene.ends[i].err, AMP_ERR_SUBSCRIPTION_DISABLED);
    assert_ended(1, 2, AMP_ERR_SUBSCRIPTION_DISABLED, 410, 1);
    assert_true(scene.attempts[0].cancelled && scene.attempts[2].cancelled && scene.attempts[3].cancelled);
    deliver(1, 6, 60000);
    assert_ended(5, 6, AMP_ERR_SUBSCRIPTION_DISABLED, 0, 0);
    assert_int_equal(scene.attempt_count, 4);
    subscribe(1); /* the keeper made it active again */
    deliver(1, 7, 60000);
    succeed(newest());
    assert_ended(6, 7, AMP_OK, 204, 1);
}

static void schedule_tells_a_new_keeper_what_the_old_one_did_not_hear(void **state)
{
    subscribe(1);
    subscribe(2);
    deliver(1, 1, 60000);
    answer(newest(), AMP_ERR_PUSH_REFUSED, 410, 0);
    assert_int_equal(scene.disabled_count, 1);
    amp_schedule_telling(scene.schedule);
    assert_int_equal(scene.disabled_count, 2);
    assert_int_equal(scene.disabled[1][0], 1);
    subscribe_as(1, false, AMP_SUBSCRIPTION_GONE); /* heard */
    subscribe(2);
    amp_schedule_told(scene.schedule);
    amp_schedule_telling(scene.schedule);
    assert_int_equal(scene.disabled_count, 2);
}

static void schedule_tells_again_what_the_keeper_could_not_write(void **state)
{
    subscribe(1);
    deliver(1, 1, 60000);
    answer(newest(), AMP_ERR_PUSH_REFUSED, 410, 0);
    pass(AMP_SCHEDULE_UNHEARD_MS - 1000);
    deliver(1, 2, 60000);
    assert_int_equal(scene.disabled_count, 1);
    pass(2000);
    for (uint64_t ask = 3; ask <= 5; ask++)
        deliver(1, ask, 60000);
    assert_int_equal(scene.disabled_count, 2);
    assert_int_equal(scene.disabled[1][0], 1);
    assert_int_equal(scene.why[1], AMP_SUBSCRIPTION_GONE);
    assert_ended(4, 5, AMP_ERR_SUBSCRIPTION_DISABLED, 0, 0);
    subscribe_as(1, false, AMP_SUBSCRIPTION_GONE); /* heard */
    pass(AMP_SCHEDULE_UNHEARD_MS + 1000);
    deliver(1, 6, 60000);
    assert_int_equal(scene.disabled_count, 2);
}

/* Delivers, and has it fail, until `ms` have passed. */
static void fail_by(void (*way)(struct amp_attempt *), int64_t ms)
{
    int64_t until_ms = scene.fake.mono_ms + ms;
    while (scene.fake.mono_ms < until_ms && scene.disabled_count == 0) {
        if (amp_schedule_count(scene.schedule) == 0)
            deliver(1, 1, 60000);
        if (scene.attempt_count != 0 && !newest()->over)
            way(newest());
        scene.attempt_count = 0; /* all of them are over */
        pass(1000);
    }
}

static void fail_for(int64_t ms)
{
    fail_by(refuse, ms);
}

static void schedule_disables_what_failed_for_too_long(void **state)
{
    subscribe(1);
    int64_t began_ms = scene.fake.mono_ms;
    fail_for(3600 * 1000 - 30 * 1000);
    assert_int_equal(scene.disabled_count, 0);
    fail_for(60 * 1000);
    assert_int_equal(scene.disabled_count, 1);
    assert_int_equal(scene.why[0], AMP_SUBSCRIPTION_FAILING);
    assert_true(scene.fake.mono_ms - began_ms >= 3600 * 1000);
    assert_int_equal(scene.ends[scene.end_count - 1].err, AMP_ERR_SUBSCRIPTION_DISABLED);
}

static void schedule_forgives_by_one_success(void **state)
{
    subscribe(1);
    fail_for(3600 * 1000 - 30 * 1000);
    if (amp_schedule_count(scene.schedule) == 0)
        deliver(1, 2, 60000);
    if (scene.attempt_count == 0 || newest()->over)
        until_next(20000);
    succeed(newest());
    fail_for(3600 * 1000 - 30 * 1000);
    assert_int_equal(scene.disabled_count, 0);
}

static void schedule_blames_nobody_for_what_is_ours(void **state)
{
    subscribe(1);
    fail_by(fail_ourselves, 2 * 3600 * 1000);
    scene.unable = true;
    fail_by(fail_ourselves, 2 * 3600 * 1000);
    assert_int_equal(scene.disabled_count, 0);
}

static void schedule_takes_two_failures_far_apart_for_no_row(void **state)
{
    subscribe(1);
    deliver(1, 1, 100);
    refuse(newest());
    pass(100 + LATE_MS);
    assert_ended(0, 1, AMP_ERR_PUSH_EXPIRED, 500, 1);
    amp_clock_fake_advance(&scene.fake, (int64_t)48 * 3600 * 1000);
    deliver(1, 2, 1000);
    refuse(newest());
    assert_int_equal(scene.disabled_count, 0);
}

static void schedule_waits_for_a_subscription_that_is_told_late(void **state)
{
    deliver(9, 1, 60000);
    assert_int_equal(scene.end_count, 0);
    pass(AMP_SCHEDULE_STRANGER_MS / 2);
    subscribe(9);
    assert_int_equal(scene.attempt_count, 1);
    succeed(newest());
    assert_ended(0, 1, AMP_OK, 204, 1);
    deliver(8, 2, 60000);
    pass(AMP_SCHEDULE_STRANGER_MS + LATE_MS);
    assert_ended(1, 2, AMP_ERR_SUBSCRIPTION_UNKNOWN, 0, 0);
    assert_int_equal(scene.ends[1].queue_len, 0);
    for (uint64_t i = 0; i <= AMP_SCHEDULE_STRANGERS_MAX; i++)
        deliver(8, 3 + i, 60000);
    assert_ended(2, 3 + AMP_SCHEDULE_STRANGERS_MAX, AMP_ERR_SUBSCRIPTION_UNKNOWN, 0, 0);
    assert_int_equal(scene.end_count, 3);
}

static void schedule_forgets_deleted_subscriptions(void **state)
{
    const uint8_t id[AMP_SUBSCRIPTION_ID_LEN] = {1};
    subscribe(1);
    subscribe(2);
    subscribe(3);
    deliver(1, 1, 60000);
    deliver(2, 2, 60000);
    deliver(3, 3, 60000);
    refuse(&scene.attempts[1]);
    amp_schedule_unsubscribe(scene.schedule, id);
    assert_ended(0, 1, AMP_ERR_SUBSCRIPTION_UNKNOWN, 0, 1);
    assert_true(scene.attempts[0].cancelled);
    amp_schedule_telling(scene.schedule);
    subscribe(3);
    amp_schedule_told(scene.schedule);
    assert_ended(1, 2, AMP_ERR_SUBSCRIPTION_UNKNOWN, 500, 1);
    succeed(&scene.attempts[2]);
    assert_ended(2, 3, AMP_OK, 204, 1);
}

static void schedule_attempts_a_test_once(void **state)
{
    static const struct {
        enum amp_err err;
        uint32_t status;
    } results[] = {{AMP_OK, 200},
                   {AMP_ERR_PUSH_REFUSED, 500},
                   {AMP_ERR_PUSH_REFUSED, 410},
                   {AMP_ERR_URL_REFUSED, 0},
                   {AMP_ERR_PUSH_UNREACHABLE, 0}};
    subscribe_as(1, true, AMP_SUBSCRIPTION_ACTIVE);
    deliver(1, 100, 60000);
    for (size_t i = 0; i < 5; i++) {
        assert_true(offer(1, i, 60000, true, 10));
        assert_int_equal(scene.attempt_count, i + 2); /* behind nobody */
        answer(newest(), results[i].err, results[i].status, 0);
        assert_ended(i, i, results[i].err, results[i].status, 1);
    }
    assert_int_equal(scene.disabled_count, 0);
    amp_schedule_hold(scene.schedule, true);
    assert_true(offer(1, 200, 60000, true, 10));
    assert_ended(5, 200, AMP_ERR_AUDIT_UNAVAILABLE, 0, 0);
    succeed(&scene.attempts[0]);
    assert_ended(6, 100, AMP_OK, 204, 1);
}

static void schedule_counts_tests_apart(void **state)
{
    subscribe(1);
    assert_true(offer(1, 1000, 60000, false, AMP_COURIER_WINDOW_BYTES)); /* its window is full */
    for (uint64_t i = 0; i < AMP_COURIER_TESTS; i++)
        assert_true(offer(i == 0 ? 9 : 1, i, 60000, true, AMP_COURIER_TEST_BYTES));
    assert_int_equal(amp_schedule_bytes(scene.schedule), AMP_COURIER_WINDOW_BYTES);
    assert_false(offer(1, 100, 60000, true, 10)); /* front knows better */
    assert_int_equal(scene.end_count, 0);
    succeed(newest());
    assert_true(offer(1, 100, 60000, true, 10));
    assert_false(offer(1, 101, 60000, true, 10));
    pass(AMP_SCHEDULE_STRANGER_MS + LATE_MS);
    assert_ended(1, 0, AMP_ERR_SUBSCRIPTION_UNKNOWN, 0, 0);
    assert_true(offer(1, 101, 60000, true, 10));
}

static void schedule_counts_the_tests_of_each_front_and_of_all(void **state)
{
    subscribe(1);
    for (uint64_t i = 0; i < AMP_SCHEDULE_TESTS_MAX; i++) {
        if (i % AMP_COURIER_TESTS == 0) /* a new front: what is attempted for the one before goes on */
            amp_schedule_give_up(scene.schedule, AMP_ERR_PUSH_UNREACHABLE, false);
        assert_true(offer(1, i, 60000, true, 10));
    }
    amp_schedule_give_up(scene.schedule, AMP_ERR_PUSH_UNREACHABLE, false);
    assert_int_equal(scene.end_count, 0);
    assert_true(offer(1, 999, 60000, true, 10));
    assert_ended(0, 999, AMP_ERR_OVERLOADED, 0, 0);
}

static void schedule_holds_strangers_against_the_window(void **state)
{
    for (uint64_t ask = 0; ask < 3; ask++)
        assert_true(offer(9, ask, 60000, false, AMP_COURIER_WINDOW_BYTES / 2));
    subscribe(9);
    assert_ended(0, 2, AMP_ERR_OVERLOADED, 0, 0);
    assert_int_equal(scene.attempt_count, 2);
    assert_false(offer(9, 3, 60000, false, 1));
    succeed(newest());
    assert_true(offer(9, 3, 60000, false, AMP_COURIER_WINDOW_BYTES / 2));
    assert_false(offer(9, 4, 60000, false, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(schedule_disables_what_is_gone),
        SCENE_TEST(schedule_tells_a_new_keeper_what_the_old_one_did_not_hear),
        SCENE_TEST(schedule_tells_again_what_the_keeper_could_not_write),
        SCENE_TEST(schedule_disables_what_failed_for_too_long),
        SCENE_TEST(schedule_forgives_by_one_success),
        SCENE_TEST(schedule_blames_nobody_for_what_is_ours),
        SCENE_TEST(schedule_takes_two_failures_far_apart_for_no_row),
        SCENE_TEST(schedule_waits_for_a_subscription_that_is_told_late),
        SCENE_TEST(schedule_forgets_deleted_subscriptions),
        SCENE_TEST(schedule_attempts_a_test_once),
        SCENE_TEST(schedule_counts_tests_apart),
        SCENE_TEST(schedule_counts_the_tests_of_each_front_and_of_all),
        SCENE_TEST(schedule_holds_strangers_against_the_window),
    };
    return scene_prepare() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
