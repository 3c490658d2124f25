/* When attempts begin, and how deliveries end. */
#include "schedule_scene.h"

static void schedule_acknowledges_by_2xx(void **state)
{
    subscribe(1);
    deliver(1, 77, 60000);
    assert_int_equal(scene.attempt_count, 1);
    assert_string_equal(newest()->url, "https://h1.example");
    assert_int_equal(newest()->message[0], 77);
    assert_int_equal(newest()->first_secret, 1);
    assert_int_equal(newest()->order.body.len, 10);
    assert_int_equal(newest()->order.timeout_ms, 10000);
    assert_int_equal(amp_schedule_bytes(scene.schedule), 10);
    succeed(newest());
    assert_ended(0, 77, AMP_OK, 204, 1);
    assert_int_equal(scene.ends[0].queue_len, 1);
    assert_int_equal(amp_schedule_count(scene.schedule), 0);
    assert_int_equal(amp_schedule_bytes(scene.schedule), 0);
    assert_false(amp_schedule_waits(scene.schedule));
}

static void schedule_tries_again_behind_growing_pauses(void **state)
{
    static const int64_t pauses_ms[] = {200, 500, 1000, 2000, 5000, 10000, 10000, 10000};
    bool same = true;
    int64_t first_ms = -1;
    subscribe(1);
    for (int round = 0; round < 8; round++) {
        deliver(1, 1, 120000);
        for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
            refuse(newest());
            int64_t took_ms = until_next(20000);
            assert_true(took_ms >= pauses_ms[i] * 4 / 5);
            assert_true(took_ms <= pauses_ms[i] * 6 / 5 + LATE_MS);
            if (i == 5)
                same = same && (first_ms < 0 || took_ms == first_ms);
            if (i == 5)
                first_ms = took_ms;
        }
        succeed(newest());
        assert_ended((size_t)round, 1, AMP_OK, 204, 9);
    }
    assert_false(same); /* they jitter */
}

static void schedule_waits_as_retry_after_says(void **state)
{
    subscribe(1);
    deliver(1, 1, 60000);
    answer(newest(), AMP_ERR_PUSH_REFUSED, 429, 7000);
    int64_t took_ms = until_next(20000);
    assert_true(took_ms >= 7000 && took_ms <= 7000 + LATE_MS);
    answer(newest(), AMP_ERR_PUSH_REFUSED, 503, 100); /* less than the pause */
    took_ms = until_next(20000);
    assert_true(took_ms >= 400);
    answer(newest(), AMP_ERR_PUSH_REFUSED, 503, 24 * 3600 * 1000);
    pass(60000);
    assert_int_equal(scene.attempt_count, 3);
    assert_ended(0, 1, AMP_ERR_PUSH_EXPIRED, 503, 3);
}

static void schedule_leaves_alone_who_asks_for_it(void **state)
{
    subscribe(1);
    subscribe(2);
    for (uint64_t ask = 1; ask <= 6; ask++)
        deliver(1, ask, ask == 6 ? 3000 : 60000);
    answer(&scene.attempts[0], AMP_ERR_PUSH_REFUSED, 429, 7000);
    succeed(&scene.attempts[1]);
    answer(&scene.attempts[2], AMP_ERR_PUSH_REFUSED, 503, 2000); /* the longer one holds */
    refuse(&scene.attempts[3]);
    deliver(1, 7, 60000);
    pass(6900);
    assert_int_equal(scene.attempt_count, 4);
    assert_ended(1, 6, AMP_ERR_PUSH_EXPIRED, 0, 0);
    deliver(2, 8, 60000); /* another is not meant */
    assert_int_equal(scene.attempt_count, 5);
    pass(100 + LATE_MS);
    assert_int_equal(scene.attempt_count, 9);
    /* Of another status it is one message's matter; and who is made active again begins anew. */
    answer(newest(), AMP_ERR_PUSH_REFUSED, 500, 30000);
    assert_int_equal(scene.attempt_count, 10);
    answer(newest(), AMP_ERR_PUSH_REFUSED, 429, 30000);
    answer(&scene.attempts[7], AMP_ERR_PUSH_REFUSED, 410, 0);
    subscribe(1);
    deliver(1, 9, 60000);
    assert_int_equal(newest()->message[0], 9);
}

static void schedule_begins_nothing_at_or_past_expiry(void **state)
{
    subscribe(1);
    deliver(1, 1, 0);
    assert_ended(0, 1, AMP_ERR_PUSH_EXPIRED, 0, 0);
    deliver(1, 2, -5);
    assert_ended(1, 2, AMP_ERR_PUSH_EXPIRED, 0, 0);
    deliver(1, 3, 3000);
    int64_t expires_ms = scene.fake.mono_ms + 3000;
    assert_int_equal(newest()->order.timeout_ms, 3000);
    while (scene.end_count == 2) {
        struct amp_attempt *attempt = newest();
        assert_true(attempt->at_ms < expires_ms);
        assert_true(attempt->order.timeout_ms <= expires_ms - attempt->at_ms);
        if (!attempt->over)
            answer(attempt, AMP_ERR_PUSH_UNREACHABLE, 0, 0);
        pass(STEP_MS);
    }
    assert_true(scene.fake.mono_ms >= expires_ms && scene.fake.mono_ms <= expires_ms + LATE_MS);
    assert_ended(2, 3, AMP_ERR_PUSH_EXPIRED, 0, (uint32_t)scene.attempt_count);
    assert_true(scene.attempt_count >= 3 && scene.attempt_count <= 5);
}

static void schedule_acknowledges_an_answer_at_the_edge_of_expiry(void **state)
{
    subscribe(1);
    deliver(1, 1, 1000);
    pass(1500); /* the transport's timeout ends it, not the schedule */
    assert_int_equal(scene.end_count, 0);
    succeed(newest());
    assert_ended(0, 1, AMP_OK, 204, 1);
    deliver(1, 2, 1000);
    pass(1000);
    refuse(newest());
    pass(LATE_MS);
    assert_int_equal(scene.attempt_count, 2);
    assert_ended(1, 2, AMP_ERR_PUSH_EXPIRED, 500, 1);
}

static void schedule_limits_attempts_of_a_subscription(void **state)
{
    subscribe(1);
    subscribe(2);
    for (uint64_t ask = 1; ask <= 6; ask++)
        deliver(1, ask, 60000);
    assert_int_equal(scene.attempt_count, 4);
    deliver(2, 7, 60000); /* others are not in its way */
    assert_int_equal(scene.attempt_count, 5);
    refuse(&scene.attempts[0]); /* one that rests makes room */
    assert_int_equal(scene.attempt_count, 6);
    assert_int_equal(newest()->message[0], 5);
    succeed(&scene.attempts[1]);
    assert_int_equal(scene.attempt_count, 7);
    assert_int_equal(newest()->message[0], 6);
}

static void schedule_limits_attempts_of_a_host(void **state)
{
    static const char *const others[] = {"https://a.example:444/", "https://b.a.example/", "http://a.example:443/"};
    subscribe_to(1, "https://a.example/one");
    subscribe_to(2, "https://a.example:443/two?three");
    for (uint64_t ask = 1; ask <= 6; ask++)
        deliver(1 + ask % 2, ask, 60000);
    assert_int_equal(scene.attempt_count, 4);
    for (unsigned i = 0; i < 3; i++) {
        subscribe_to(3 + i, others[i]);
        deliver(3 + i, 10 + i, 60000);
        assert_int_equal(scene.attempt_count, 5 + i);
    }
    refuse(&scene.attempts[0]); /* what makes room for one makes it for the other */
    assert_int_equal(scene.attempt_count, 8);
    const uint8_t id[AMP_SUBSCRIPTION_ID_LEN] = {2};
    amp_schedule_unsubscribe(scene.schedule, id);
    size_t before = scene.attempt_count;
    for (uint64_t ask = 20; ask < 30; ask++)
        deliver(1, ask, 60000);
    size_t trying = 0;
    for (size_t i = 0; i < scene.attempt_count; i++)
        trying += strncmp(scene.attempts[i].url, "https://a.example", 17) == 0 && !scene.attempts[i].over;
    assert_int_equal(trying, 4 + 1); /* and one to its other port */
    assert_true(scene.attempt_count > before);
}

static void schedule_leaves_room_for_others(unsigned hostile, uint64_t each)
{
    begin_anew(256);
    for (unsigned n = 1; n <= hostile; n++) {
        subscribe(n);
        for (uint64_t ask = 0; ask < each; ask++)
            deliver(n, ask, 60000);
    }
    assert_true(scene.attempt_count > AMP_SCHEDULE_SHARED_MAX * 4 / 5);
    assert_true(scene.attempt_count <= AMP_SCHEDULE_SHARED_MAX + hostile);
    size_t before = scene.attempt_count;
    subscribe(0);
    deliver(0, 1, 60000);
    assert_int_equal(scene.attempt_count, before + 1);
    assert_string_equal(newest()->url, "https://h0.example");
}

static void schedule_leaves_room_beside_some_that_never_answer(void **state)
{
    schedule_leaves_room_for_others(16, 200);
}

static void schedule_leaves_room_beside_all_that_never_answer(void **state)
{
    schedule_leaves_room_for_others(AMP_SUBSCRIPTIONS_MAX - 1, 4);
}

static void schedule_takes_turns(void **state)
{
    enum { HOSTS = 10 };
    begin_anew(256);
    for (unsigned n = 0; n < HOSTS; n++) {
        subscribe(n);
        for (uint64_t ask = 0; ask < 250; ask++)
            deliver(n, ask, 60000);
    }
    /* Where all that is under way ends, the room is everybody's. */
    size_t begun[HOSTS] = {0};
    size_t before = scene.attempt_count;
    for (size_t i = 0; i < before; i++)
        succeed(&scene.attempts[i]);
    for (size_t i = before; i < scene.attempt_count; i++)
        begun[scene.attempts[i].url[9] - '0']++;
    for (unsigned n = 0; n < HOSTS; n++)
        assert_true(begun[n] >= 10);
}

static void schedule_keeps_the_order_of_an_ordered_subscription(void **state)
{
    subscribe_as(1, true, AMP_SUBSCRIPTION_ACTIVE);
    for (uint64_t ask = 1; ask <= 4; ask++)
        deliver(1, ask, ask == 3 ? 500 : 60000);
    assert_int_equal(scene.attempt_count, 1);
    refuse(newest());
    until_next(1000);
    assert_int_equal(newest()->message[0], 1); /* the second waits for the first, come what may */
    succeed(newest());
    assert_int_equal(scene.attempt_count, 3);
    assert_int_equal(newest()->message[0], 2);
    pass(1000);
    assert_ended(1, 3, AMP_ERR_PUSH_EXPIRED, 0, 0); /* in its place in the row */
    assert_int_equal(scene.attempt_count, 3);
    succeed(newest());
    assert_int_equal(newest()->message[0], 4);
    pass(60000); /* its attempt goes on beyond its expiry, as far as the transport lets it */
    deliver(1, 5, 60000);
    assert_int_equal(scene.attempt_count, 4);
    refuse(newest());
    pass(LATE_MS);
    assert_ended(3, 4, AMP_ERR_PUSH_EXPIRED, 500, 1);
    assert_int_equal(newest()->message[0], 5); /* the next, where the one before expired */
    assert_int_equal(scene.attempt_count, 5);
}

static void schedule_holds(void **state)
{
    subscribe(1);
    amp_schedule_hold(scene.schedule, true);
    deliver(1, 1, 60000);
    deliver(1, 2, 1000);
    pass(2000);
    assert_int_equal(scene.attempt_count, 0);
    assert_ended(0, 2, AMP_ERR_PUSH_EXPIRED, 0, 0);
    amp_schedule_hold(scene.schedule, false);
    assert_int_equal(scene.attempt_count, 1);
}

static void schedule_gives_up_but_for_what_is_under_way(void **state)
{
    subscribe(1);
    subscribe_as(2, true, AMP_SUBSCRIPTION_ACTIVE);
    deliver(1, 1, 60000);
    deliver(1, 2, 60000);
    deliver(1, 3, 60000);
    refuse(&scene.attempts[2]);
    deliver(2, 4, 60000);
    deliver(2, 5, 60000);
    deliver(9, 6, 60000);
    amp_schedule_give_up(scene.schedule, AMP_ERR_PUSH_UNREACHABLE, false);
    assert_int_equal(scene.end_count, 3);
    assert_ended(0, 3, AMP_ERR_PUSH_UNREACHABLE, 500, 1);
    assert_ended(1, 5, AMP_ERR_PUSH_UNREACHABLE, 0, 0);
    assert_ended(2, 6, AMP_ERR_PUSH_UNREACHABLE, 0, 0);
    assert_int_equal(amp_schedule_count(scene.schedule), 3);
    assert_int_equal(amp_schedule_bytes(scene.schedule), 0);
    succeed(&scene.attempts[0]);
    assert_ended(3, 1, AMP_OK, 204, 1);
    refuse(&scene.attempts[1]); /* no further attempt */
    assert_ended(4, 2, AMP_ERR_PUSH_REFUSED, 500, 1);
    amp_schedule_give_up(scene.schedule, AMP_ERR_PUSH_UNREACHABLE, true);
    assert_ended(5, 4, AMP_ERR_PUSH_UNREACHABLE, 0, 1);
    assert_true(scene.attempts[3].cancelled);
    assert_int_equal(amp_schedule_count(scene.schedule), 0);
}

static void schedule_refuses_what_exceeds_the_window(void **state)
{
    subscribe(1);
    subscribe(2);
    for (uint64_t ask = 0; ask < AMP_COURIER_WINDOW; ask++)
        deliver(1, ask, 60000);
    assert_false(offer(1, 1000, 60000, false, 10));
    assert_true(offer(2, 1000, 60000, false, AMP_COURIER_WINDOW_BYTES - 10));
    assert_true(offer(2, 1001, 60000, false, 10));
    assert_false(offer(2, 1002, 60000, false, 1));
    assert_int_equal(scene.end_count, 0);
    /* An earlier front's attempts do not count for the next. */
    amp_schedule_give_up(scene.schedule, AMP_ERR_PUSH_UNREACHABLE, false);
    assert_int_equal(amp_schedule_count(scene.schedule), 4 + 2);
    for (uint64_t ask = 0; ask < AMP_COURIER_WINDOW; ask++)
        deliver(1, ask, 60000);
    assert_false(offer(1, 1000, 60000, false, 10));
}

static void schedule_signs_with_the_older_secret_while_it_lives(void **state)
{
    struct amp_subscription subscription = {.id = {1}, .url_len = 9, .url = "https://a"};
    struct amp_subscription_secrets secrets = {.count = 2, .older_expires_unix_ms = scene.fake.unix_ms + 5000};
    assert_int_equal(amp_schedule_subscribe(scene.schedule, &subscription, &secrets), AMP_OK);
    deliver(1, 1, 60000);
    assert_int_equal(newest()->order.secret_count, 2);
    pass(5000);
    deliver(1, 2, 60000);
    assert_int_equal(newest()->order.secret_count, 1);
}

static void schedule_outlives_a_transport_that_cannot_begin(void **state)
{
    subscribe(1);
    scene.unable = true;
    deliver(1, 1, 60000);
    assert_true(offer(1, 2, 60000, true, 10));
    assert_ended(0, 2, AMP_ERR_PUSH_UNREACHABLE, 0, 1);
    scene.unable = false;
    until_next(1000);
    succeed(newest());
    assert_ended(1, 1, AMP_OK, 204, 2);
}

static void schedule_ends_what_had_no_memory(void **state)
{
    struct amp_delivery_order order = {.ask = 1, .origin = 5, .subscription = {1}, .body_len = 10};
    subscribe(1);
    order.expires_mono_ms = scene.fake.mono_ms + 1000;
    assert_true(amp_schedule_add(scene.schedule, &order));
    assert_ended(0, 1, AMP_ERR_OUT_OF_MEMORY, 0, 0);
    assert_int_equal(amp_schedule_bytes(scene.schedule), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(schedule_acknowledges_by_2xx),
        SCENE_TEST(schedule_tries_again_behind_growing_pauses),
        SCENE_TEST(schedule_waits_as_retry_after_says),
        SCENE_TEST(schedule_leaves_alone_who_asks_for_it),
        SCENE_TEST(schedule_begins_nothing_at_or_past_expiry),
        SCENE_TEST(schedule_acknowledges_an_answer_at_the_edge_of_expiry),
        SCENE_TEST(schedule_limits_attempts_of_a_subscription),
        SCENE_TEST(schedule_limits_attempts_of_a_host),
        SCENE_TEST(schedule_leaves_room_beside_some_that_never_answer),
        SCENE_TEST(schedule_leaves_room_beside_all_that_never_answer),
        SCENE_TEST(schedule_takes_turns),
        SCENE_TEST(schedule_keeps_the_order_of_an_ordered_subscription),
        SCENE_TEST(schedule_holds),
        SCENE_TEST(schedule_gives_up_but_for_what_is_under_way),
        SCENE_TEST(schedule_refuses_what_exceeds_the_window),
        SCENE_TEST(schedule_signs_with_the_older_secret_while_it_lives),
        SCENE_TEST(schedule_outlives_a_transport_that_cannot_begin),
        SCENE_TEST(schedule_ends_what_had_no_memory),
    };
    return scene_prepare() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
