/* The schedule over a fake clock and a transport that does as it is told: no sockets. */
#include <string.h>

#include "../support.h"
#include "courier/courier.h"
#include "courier/schedule.h"
#include "crypto/crypto.h"

enum { ATTEMPTS_MAX = 512, ENDS_MAX = 4096, STEP_MS = 10 };
/* How much later than planned an attempt may begin: a tick of the wheel, and a step of these tests. */
enum { LATE_MS = 64 + STEP_MS };

/* An attempt that was begun. */
struct amp_attempt {
    struct amp_attempt_order order;
    uint8_t message[AMP_DELIVERY_MESSAGE_LEN];
    char url[AMP_URL_MAX + 1];
    uint8_t first_secret;
    int64_t at_ms;
    bool over;
    bool cancelled;
};

struct end {
    uint64_t ask;
    uint64_t origin;
    enum amp_err err;
    uint32_t status;
    uint32_t attempts;
    size_t queue_len;
};

struct scene {
    struct amp_clock_fake fake;
    struct amp_schedule *schedule;
    struct amp_attempt attempts[ATTEMPTS_MAX];
    size_t attempt_count;
    bool unable; /* the transport cannot begin attempts */
    struct end ends[ENDS_MAX];
    size_t end_count;
    uint8_t disabled[16][AMP_SUBSCRIPTION_ID_LEN];
    enum amp_subscription_state why[16];
    size_t disabled_count;
    size_t secret_used;
};

static struct scene scene;

static enum amp_err start(void *self, struct amp_attempt **out, const struct amp_attempt_order *order)
{
    struct amp_attempt *attempt = &scene.attempts[scene.attempt_count];
    *out = NULL;
    if (scene.unable)
        return AMP_ERR_OUT_OF_MEMORY;
    assert_true(scene.attempt_count < ATTEMPTS_MAX);
    assert_true(order->timeout_ms > 0);
    scene.attempt_count++;
    *attempt = (struct amp_attempt){.order = *order, .at_ms = scene.fake.mono_ms};
    memcpy(attempt->message, order->message, sizeof(attempt->message));
    memcpy(attempt->url, order->url, strlen(order->url) + 1);
    attempt->first_secret = order->secrets[0].bytes[0];
    *out = attempt;
    return AMP_OK;
}

static void cancel(void *self, struct amp_attempt *attempt)
{
    assert_false(attempt->over);
    attempt->over = attempt->cancelled = true;
}

static void on_ended(void *ctx, const struct amp_delivery_end *how)
{
    assert_true(scene.end_count < ENDS_MAX);
    scene.ends[scene.end_count++] =
        (struct end){how->order->ask, how->order->origin, how->err, how->status, how->attempts, how->queue.len};
}

static void on_disabled(void *ctx, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN], enum amp_subscription_state why)
{
    assert_true(scene.disabled_count < 16);
    memcpy(scene.disabled[scene.disabled_count], id, AMP_SUBSCRIPTION_ID_LEN);
    scene.why[scene.disabled_count++] = why;
}

static int begin(void **state)
{
    static const struct amp_transport_ops ops = {.start = start, .cancel = cancel};
    memset(&scene, 0, sizeof(scene));
    scene.secret_used = amp_secret_used();
    scene.fake = (struct amp_clock_fake){.unix_ms = 1800000000000, .mono_ms = 1000000};
    const struct amp_schedule_config config = {.clock = amp_clock_fake(&scene.fake),
                                               .transport = {&ops, NULL},
                                               .concurrency = 4,
                                               .timeout_ms = 10000,
                                               .disable_after_ms = 3600 * 1000,
                                               .ended = on_ended,
                                               .disabled = on_disabled};
    if (amp_schedule_new(&scene.schedule, &config) != AMP_OK)
        return -1;
    amp_schedule_hold(scene.schedule, false);
    return 0;
}

static int finish(void **state)
{
    amp_schedule_free(scene.schedule);
    return amp_secret_used() == scene.secret_used ? 0 : -1;
}

/* Subscription `n` goes to https://n.example/, and is signed by a secret of bytes n. */
static void subscribe_as(uint8_t n, bool ordered, enum amp_subscription_state as)
{
    struct amp_subscription subscription = {.id = {n}, .state = as, .ordered = ordered, .queue_len = 1, .queue = "q"};
    struct amp_subscription_secrets secrets = {.count = 1};
    const char url[] = {'h', 't', 't', 'p', 's', ':', '/', '/', (char)('a' + n),
                        '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e'};
    memcpy(subscription.url, url, sizeof(url));
    subscription.url_len = sizeof(url);
    secrets.secrets[0] = (struct amp_webhook_secret){.bytes = {n}, .len = AMP_WEBHOOK_SECRET_LEN};
    assert_int_equal(amp_schedule_subscribe(scene.schedule, &subscription, &secrets), AMP_OK);
}

static void subscribe(uint8_t n)
{
    subscribe_as(n, false, AMP_SUBSCRIPTION_ACTIVE);
}

static bool offer(uint8_t to, uint64_t ask, int64_t life_ms, bool test, size_t body_len)
{
    struct amp_delivery_order order = {.ask = ask,
                                       .origin = 5,
                                       .subscription = {to},
                                       .message = {(uint8_t)ask},
                                       .expires_mono_ms = scene.fake.mono_ms + life_ms,
                                       .test = test,
                                       .body = amp_secret_alloc(body_len),
                                       .body_len = body_len};
    assert_non_null(order.body);
    return amp_schedule_add(scene.schedule, &order);
}

static void deliver(uint8_t to, uint64_t ask, int64_t life_ms)
{
    assert_true(offer(to, ask, life_ms, false, 10));
}

static struct amp_attempt *newest(void)
{
    assert_true(scene.attempt_count != 0);
    return &scene.attempts[scene.attempt_count - 1];
}

static void answer(struct amp_attempt *attempt, enum amp_err err, uint32_t status, int64_t retry_after_ms)
{
    const struct amp_attempt_result result = {err, status, retry_after_ms};
    assert_false(attempt->over);
    attempt->over = true;
    attempt->order.done(attempt->order.ctx, &result);
}

static void succeed(struct amp_attempt *attempt)
{
    answer(attempt, AMP_OK, 204, 0);
}

static void refuse(struct amp_attempt *attempt)
{
    answer(attempt, AMP_ERR_PUSH_REFUSED, 500, 0);
}

static void pass(int64_t ms)
{
    for (int64_t step; ms > 0; ms -= step) {
        step = ms < STEP_MS ? ms : STEP_MS;
        amp_clock_fake_advance(&scene.fake, step);
        amp_schedule_run(scene.schedule);
    }
}

/* Lets time pass until one more attempt begins, `most_ms` at most; how long that took. */
static int64_t until_next(int64_t most_ms)
{
    size_t before = scene.attempt_count;
    int64_t began_ms = scene.fake.mono_ms;
    while (scene.attempt_count == before && scene.fake.mono_ms - began_ms < most_ms)
        pass(STEP_MS);
    return scene.fake.mono_ms - began_ms;
}

static void assert_ended(size_t i, uint64_t ask, enum amp_err err, uint32_t status, uint32_t attempts)
{
    assert_true(i < scene.end_count);
    assert_int_equal(scene.ends[i].ask, ask);
    assert_string_equal(amp_err_code(scene.ends[i].err), amp_err_code(err));
    assert_int_equal(scene.ends[i].status, status);
    assert_int_equal(scene.ends[i].attempts, attempts);
    assert_int_equal(scene.ends[i].origin, 5);
}

static void schedule_acknowledges_by_2xx(void **state)
{
    subscribe(1);
    deliver(1, 77, 60000);
    assert_int_equal(scene.attempt_count, 1);
    assert_string_equal(newest()->url, "https://b.example");
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

static void schedule_limits_attempts_in_all_and_takes_turns(void **state)
{
    for (uint8_t n = 0; n < 70; n++) {
        subscribe(n);
        for (uint64_t ask = 0; ask < 5; ask++)
            deliver(n, ask, 60000);
    }
    assert_int_equal(scene.attempt_count, AMP_SCHEDULE_ATTEMPTS_MAX);
    /* 64 have four each under way; the next that begin are those of the other six, one each in turn. */
    for (size_t i = 0; i < 6; i++)
        answer(&scene.attempts[i * 4], AMP_ERR_PUSH_UNREACHABLE, 0, 0);
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(scene.attempts[AMP_SCHEDULE_ATTEMPTS_MAX + i].url,
                                    scene.attempts[AMP_SCHEDULE_ATTEMPTS_MAX + j].url);
    }
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

/* Delivers, and has refused, until `ms` have passed. */
static void fail_for(int64_t ms)
{
    int64_t until_ms = scene.fake.mono_ms + ms;
    while (scene.fake.mono_ms < until_ms && scene.disabled_count == 0) {
        if (amp_schedule_count(scene.schedule) == 0)
            deliver(1, 1, 60000);
        if (scene.attempt_count != 0 && !newest()->over)
            refuse(newest());
        scene.attempt_count = 0; /* all of them are over */
        pass(1000);
    }
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
    scene.end_count = 0;
    for (uint64_t i = 0; i <= AMP_SCHEDULE_TESTS_MAX; i++)
        assert_true(offer(1, i, 60000, true, 10));
    assert_ended(0, AMP_SCHEDULE_TESTS_MAX, AMP_ERR_OVERLOADED, 0, 0);
    amp_schedule_hold(scene.schedule, true);
    assert_true(offer(1, 200, 60000, true, 10));
    assert_ended(1, 200, AMP_ERR_AUDIT_UNAVAILABLE, 0, 0);
    succeed(&scene.attempts[0]);
    assert_ended(2, 100, AMP_OK, 204, 1);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(schedule_acknowledges_by_2xx),
        TEST(schedule_tries_again_behind_growing_pauses),
        TEST(schedule_waits_as_retry_after_says),
        TEST(schedule_begins_nothing_at_or_past_expiry),
        TEST(schedule_acknowledges_an_answer_at_the_edge_of_expiry),
        TEST(schedule_limits_attempts_of_a_subscription),
        TEST(schedule_limits_attempts_in_all_and_takes_turns),
        TEST(schedule_keeps_the_order_of_an_ordered_subscription),
        TEST(schedule_disables_what_is_gone),
        TEST(schedule_tells_a_new_keeper_what_the_old_one_did_not_hear),
        TEST(schedule_disables_what_failed_for_too_long),
        TEST(schedule_forgives_by_one_success),
        TEST(schedule_takes_two_failures_far_apart_for_no_row),
        TEST(schedule_waits_for_a_subscription_that_is_told_late),
        TEST(schedule_forgets_deleted_subscriptions),
        TEST(schedule_attempts_a_test_once),
        TEST(schedule_holds),
        TEST(schedule_gives_up_but_for_what_is_under_way),
        TEST(schedule_refuses_what_exceeds_the_window),
        TEST(schedule_signs_with_the_older_secret_while_it_lives),
        TEST(schedule_outlives_a_transport_that_cannot_begin),
        TEST(schedule_ends_what_had_no_memory),
    };
    if (amp_secret_init((size_t)64 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
