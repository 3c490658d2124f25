#include "schedule_scene.h"

struct scene scene;

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

static void on_disabled(void *ctx, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN], uint32_t generation,
                        enum amp_subscription_state why)
{
    assert_true(scene.disabled_count < 16);
    memcpy(scene.disabled[scene.disabled_count], id, AMP_SUBSCRIPTION_ID_LEN);
    scene.why[scene.disabled_count++] = why;
}

void begin_anew(uint32_t concurrency)
{
    static const struct amp_transport_ops ops = {.start = start, .cancel = cancel};
    const struct amp_schedule_config config = {.clock = amp_clock_fake(&scene.fake),
                                               .transport = {&ops, NULL},
                                               .concurrency = concurrency,
                                               .timeout_ms = 10000,
                                               .disable_after_ms = 3600 * 1000,
                                               .ended = on_ended,
                                               .disabled = on_disabled};
    amp_schedule_free(scene.schedule);
    assert_int_equal(amp_schedule_new(&scene.schedule, &config), AMP_OK);
    amp_schedule_hold(scene.schedule, false);
}

int scene_begin(void **state)
{
    memset(&scene, 0, sizeof(scene));
    scene.secret_used = amp_secret_used();
    scene.fake = (struct amp_clock_fake){.unix_ms = 1800000000000, .mono_ms = 1000000};
    begin_anew(4);
    return 0;
}

int scene_finish(void **state)
{
    amp_schedule_free(scene.schedule);
    return amp_secret_used() == scene.secret_used ? 0 : -1;
}

static void tell(unsigned n, const char *url, bool ordered, enum amp_subscription_state as)
{
    struct amp_subscription subscription = {.id = {(uint8_t)n, (uint8_t)(n >> 8)},
                                            .state = as,
                                            .ordered = ordered,
                                            .queue_len = 1,
                                            .queue = "q",
                                            .url_len = (uint16_t)strlen(url)};
    struct amp_subscription_secrets secrets = {.count = 1};
    memcpy(subscription.url, url, strlen(url));
    secrets.secrets[0] = (struct amp_webhook_secret){.bytes = {(uint8_t)n}, .len = AMP_WEBHOOK_SECRET_LEN};
    assert_int_equal(amp_schedule_subscribe(scene.schedule, &subscription, &secrets), AMP_OK);
}

void subscribe_as(unsigned n, bool ordered, enum amp_subscription_state as)
{
    char url[64];
    snprintf(url, sizeof(url), "https://h%u.example", n);
    tell(n, url, ordered, as);
}

void subscribe(unsigned n)
{
    subscribe_as(n, false, AMP_SUBSCRIPTION_ACTIVE);
}

void subscribe_to(unsigned n, const char *url)
{
    tell(n, url, false, AMP_SUBSCRIPTION_ACTIVE);
}

bool offer(unsigned to, uint64_t ask, int64_t life_ms, bool test, size_t body_len)
{
    struct amp_delivery_order order = {.ask = ask,
                                       .origin = 5,
                                       .subscription = {(uint8_t)to, (uint8_t)(to >> 8)},
                                       .message = {(uint8_t)ask},
                                       .expires_mono_ms = scene.fake.mono_ms + life_ms,
                                       .test = test,
                                       .body = amp_secret_alloc(body_len),
                                       .body_len = body_len};
    assert_non_null(order.body);
    return amp_schedule_add(scene.schedule, &order);
}

void deliver(unsigned to, uint64_t ask, int64_t life_ms)
{
    assert_true(offer(to, ask, life_ms, false, 10));
}

struct amp_attempt *newest(void)
{
    assert_true(scene.attempt_count != 0);
    return &scene.attempts[scene.attempt_count - 1];
}

void answer(struct amp_attempt *attempt, enum amp_err err, uint32_t status, int64_t retry_after_ms)
{
    const struct amp_attempt_result result = {.err = err, .status = status, .retry_after_ms = retry_after_ms};
    assert_false(attempt->over);
    attempt->over = true;
    attempt->order.done(attempt->order.ctx, &result);
}

void succeed(struct amp_attempt *attempt)
{
    answer(attempt, AMP_OK, 204, 0);
}

void refuse(struct amp_attempt *attempt)
{
    answer(attempt, AMP_ERR_PUSH_REFUSED, 500, 0);
}

void fail_ourselves(struct amp_attempt *attempt)
{
    const struct amp_attempt_result result = {.err = AMP_ERR_PUSH_UNREACHABLE, .ours = true};
    attempt->over = true;
    attempt->order.done(attempt->order.ctx, &result);
}

void pass(int64_t ms)
{
    for (int64_t step; ms > 0; ms -= step) {
        step = ms < STEP_MS ? ms : STEP_MS;
        amp_clock_fake_advance(&scene.fake, step);
        amp_schedule_run(scene.schedule);
    }
}

int64_t until_next(int64_t most_ms)
{
    size_t before = scene.attempt_count;
    int64_t began_ms = scene.fake.mono_ms;
    while (scene.attempt_count == before && scene.fake.mono_ms - began_ms < most_ms)
        pass(STEP_MS);
    return scene.fake.mono_ms - began_ms;
}

void assert_ended(size_t i, uint64_t ask, enum amp_err err, uint32_t status, uint32_t attempts)
{
    assert_true(i < scene.end_count);
    assert_int_equal(scene.ends[i].ask, ask);
    assert_string_equal(amp_err_code(scene.ends[i].err), amp_err_code(err));
    assert_int_equal(scene.ends[i].status, status);
    assert_int_equal(scene.ends[i].attempts, attempts);
    assert_int_equal(scene.ends[i].origin, 5);
}

bool scene_prepare(void)
{
    return amp_secret_init((size_t)64 << 20, false) == AMP_OK && amp_crypto_init() == AMP_OK;
}
