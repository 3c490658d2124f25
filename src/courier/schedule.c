#include "courier/schedule.h"

#include <stddef.h>
#include <stdlib.h>

#include "courier/courier.h"
#include "courier/endpoints.h"
#include "courier/pause.h"
#include "store/wheel.h"

/*
 * A delivery that is not being attempted lies in the wheel: by its expiry, or by when something happens to it before.
 * An endpoint has its turn while it has a delivery that is ready; those whose turn it is begin one attempt each, around
 * and around, as far as their hosts and what they asked for let them.
 */
enum delivery_state {
    STRANGER, /* its subscription is not known: it may yet be told */
    BEHIND,   /* of an ordered subscription: waits for the one before it */
    READY,
    TRYING,
    RESTING, /* until it is tried again */
};

struct amp_delivery {
    struct amp_wheel_node due;      /* first: the wheel hands it out */
    TAILQ_ENTRY(amp_delivery) next; /* in `all` or `tests` of its endpoint, or among the strangers */
    TAILQ_ENTRY(amp_delivery) next_ready;
    struct amp_schedule *schedule;
    struct amp_endpoint *endpoint; /* NULL: a stranger */
    enum delivery_state state;
    struct amp_delivery_order order;
    struct amp_attempt *attempt; /* while TRYING */
    uint32_t attempts;
    uint32_t status;
    bool last; /* nobody waits for it: no further attempt */
};

struct amp_schedule {
    struct amp_schedule_config config;
    struct amp_endpoints endpoints;
    TAILQ_HEAD(, amp_endpoint) turns;
    struct amp_deliveries strangers;
    struct amp_deliveries ended; /* freed when nobody can be looking at one any more: see bury */
    size_t stranger_count;
    struct amp_wheel wheel;
    bool held;
    size_t shared; /* attempts under way, but for one to each host, and tests */
    size_t testing;
    size_t count;
    struct amp_window window; /* of `count`, but for tests and those nobody waits for */
    size_t tests;             /* but for those nobody waits for */
};

/* A row of failures is broken where nothing was tried for a quarter of disable_after, and a minute at least: two
 * failures with days between them are no failing for days. */
enum { SILENCE_PART = 4, SILENCE_LEAST_MS = 60 * 1000 };

static int64_t now_ms(const struct amp_schedule *schedule)
{
    return amp_clock_mono_ms(&schedule->config.clock);
}

static void update_turn(struct amp_schedule *schedule, struct amp_endpoint *endpoint)
{
    bool wanted = !TAILQ_EMPTY(&endpoint->ready) && (!endpoint->ordered || endpoint->trying == 0);
    if (wanted && !endpoint->in_turn)
        TAILQ_INSERT_TAIL(&schedule->turns, endpoint, turn);
    if (!wanted && endpoint->in_turn)
        TAILQ_REMOVE(&schedule->turns, endpoint, turn);
    endpoint->in_turn = wanted;
}

static void wait_until(struct amp_delivery *delivery, int64_t due_ms)
{
    int64_t expires_ms = delivery->order.expires_mono_ms;
    amp_wheel_insert(&delivery->schedule->wheel, &delivery->due, due_ms < expires_ms ? due_ms : expires_ms);
}

/* Takes it out of what its state keeps it in. */
static void leave_state(struct amp_delivery *delivery)
{
    struct amp_endpoint *endpoint = delivery->endpoint;
    if (delivery->state != TRYING)
        amp_wheel_cancel(&delivery->schedule->wheel, &delivery->due);
    if (delivery->state == READY) {
        TAILQ_REMOVE(&endpoint->ready, delivery, next_ready);
        update_turn(delivery->schedule, endpoint);
    }
}

static void count_attempt(struct amp_delivery *delivery)
{
    struct amp_schedule *schedule = delivery->schedule;
    struct amp_endpoint *endpoint = delivery->endpoint;
    if (delivery->order.test) {
        schedule->testing++;
        return;
    }
    schedule->shared += endpoint->host->trying != 0 ? 1 : 0;
    endpoint->host->trying++;
    endpoint->trying++;
    update_turn(schedule, endpoint);
}

/* Its attempt is over, or broken off. */
static void leave_attempt(struct amp_delivery *delivery)
{
    struct amp_schedule *schedule = delivery->schedule;
    struct amp_endpoint *endpoint = delivery->endpoint;
    delivery->attempt = NULL;
    if (delivery->order.test) {
        schedule->testing--;
        return;
    }
    if (endpoint == NULL)
        return; /* a stranger is not attempted */
    endpoint->trying--;
    endpoint->host->trying--;
    schedule->shared -= endpoint->host->trying != 0 ? 1 : 0;
    update_turn(schedule, endpoint);
}

static void make_ready(struct amp_delivery *delivery)
{
    delivery->state = READY;
    wait_until(delivery, INT64_MAX);
    TAILQ_INSERT_TAIL(&delivery->endpoint->ready, delivery, next_ready);
    update_turn(delivery->schedule, delivery->endpoint);
}

/* In an ordered subscription the turn goes to the first. */
static void promote_first(struct amp_endpoint *endpoint)
{
    struct amp_delivery *first = TAILQ_FIRST(&endpoint->all);
    if (first != NULL && first->state == BEHIND) {
        leave_state(first);
        make_ready(first);
    }
}

/* Within the bounds of what front may have under way? */
static bool fits(const struct amp_schedule *schedule, const struct amp_endpoint *endpoint,
                 const struct amp_delivery_order *order)
{
    if (order->test)
        return schedule->tests < AMP_COURIER_TESTS;
    return amp_window_fits_all(&schedule->window, order->body_len) &&
           (endpoint == NULL || amp_window_fits_one(&endpoint->window, order->body_len));
}

/* Front counts it no more. */
static void leave_window(struct amp_delivery *delivery)
{
    struct amp_schedule *schedule = delivery->schedule;
    struct amp_endpoint *endpoint = delivery->endpoint;
    if (delivery->last)
        return;
    delivery->last = true;
    if (delivery->order.test) {
        schedule->tests--;
        return;
    }
    amp_window_leave(&schedule->window, delivery->order.body_len);
    if (endpoint != NULL)
        amp_window_leave(&endpoint->window, delivery->order.body_len);
}

static void leave_endpoint(struct amp_delivery *delivery)
{
    struct amp_endpoint *endpoint = delivery->endpoint;
    if (endpoint == NULL) {
        TAILQ_REMOVE(&delivery->schedule->strangers, delivery, next);
        delivery->schedule->stranger_count--;
    } else if (delivery->order.test) {
        TAILQ_REMOVE(&endpoint->tests, delivery, next);
    } else {
        TAILQ_REMOVE(&endpoint->all, delivery, next);
        endpoint->idle_since_ms = now_ms(delivery->schedule);
        promote_first(endpoint);
    }
}

static void free_delivery(struct amp_delivery *delivery)
{
    amp_secret_free(delivery->order.body);
    free(delivery);
}

/* Frees what has ended, at the end of each way in. */
static void bury(struct amp_schedule *schedule)
{
    struct amp_delivery *delivery;
    while ((delivery = TAILQ_FIRST(&schedule->ended)) != NULL) {
        TAILQ_REMOVE(&schedule->ended, delivery, next);
        free_delivery(delivery);
    }
}

static void end(struct amp_delivery *delivery, enum amp_err err)
{
    struct amp_schedule *schedule = delivery->schedule;
    const struct amp_endpoint *endpoint = delivery->endpoint;
    const struct amp_delivery_end how = {
        .order = &delivery->order,
        .err = err,
        .status = delivery->status,
        .attempts = delivery->attempts,
        .queue = endpoint != NULL ? amp_slice(endpoint->queue, endpoint->queue_len) : amp_slice(NULL, 0),
    };
    if (delivery->attempt != NULL) {
        schedule->config.transport.ops->cancel(schedule->config.transport.self, delivery->attempt);
        leave_attempt(delivery);
    }
    leave_state(delivery);
    leave_window(delivery);
    leave_endpoint(delivery);
    schedule->config.ended(schedule->config.ctx, &how);
    schedule->count--;
    TAILQ_INSERT_TAIL(&schedule->ended, delivery, next);
}

static void end_all(struct amp_endpoint *endpoint, enum amp_err err)
{
    struct amp_delivery *delivery;
    while ((delivery = TAILQ_FIRST(&endpoint->all)) != NULL || (delivery = TAILQ_FIRST(&endpoint->tests)) != NULL)
        end(delivery, err);
}

static void tell_disabled(struct amp_schedule *schedule, struct amp_endpoint *endpoint)
{
    endpoint->unheard = true;
    endpoint->said_ms = now_ms(schedule);
    schedule->config.disabled(schedule->config.ctx, endpoint->id, endpoint->generation, endpoint->state);
}

static void disable(struct amp_schedule *schedule, struct amp_endpoint *endpoint, enum amp_subscription_state why)
{
    endpoint->state = why;
    tell_disabled(schedule, endpoint);
    end_all(endpoint, AMP_ERR_SUBSCRIPTION_DISABLED);
}

static void rest(struct amp_delivery *delivery, int64_t least_ms)
{
    int64_t pause_ms = amp_pause_behind_ms(delivery->attempts);
    delivery->state = RESTING;
    wait_until(delivery, now_ms(delivery->schedule) + (pause_ms > least_ms ? pause_ms : least_ms));
}

/* Failed for so long without one success? */
static bool is_hopeless(const struct amp_schedule *schedule, struct amp_endpoint *endpoint)
{
    int64_t now = now_ms(schedule);
    if (!endpoint->failing)
        endpoint->failing_since_ms = now;
    endpoint->failing = true;
    return now - endpoint->failing_since_ms >= schedule->config.disable_after_ms;
}

/* By these it speaks of itself, not of one message (RFC 6585 section 4, RFC 9110 section 15.6.4). */
static void heed(struct amp_endpoint *endpoint, const struct amp_attempt_result *result, int64_t now)
{
    bool heeded = result->status == 429 || result->status == 503;
    if (heeded && now + result->retry_after_ms > endpoint->not_before_ms)
        endpoint->not_before_ms = now + result->retry_after_ms;
}

/* What becomes of a delivery that was attempted and is in no state now. */
static void settle(struct amp_delivery *delivery, const struct amp_attempt_result *result)
{
    struct amp_schedule *schedule = delivery->schedule;
    struct amp_endpoint *endpoint = delivery->endpoint;
    if (result->status != 0)
        delivery->status = result->status;
    if (delivery->order.test) {
        end(delivery, result->err);
    } else if (result->err == AMP_OK) {
        endpoint->failing = false;
        end(delivery, AMP_OK);
    } else if (result->status == 410) {
        disable(schedule, endpoint, AMP_SUBSCRIPTION_GONE);
    } else if (!result->ours && is_hopeless(schedule, endpoint)) {
        disable(schedule, endpoint, AMP_SUBSCRIPTION_FAILING);
    } else if (delivery->last) {
        end(delivery, result->err);
    } else {
        heed(endpoint, result, now_ms(schedule));
        rest(delivery, result->retry_after_ms);
    }
}

static void pump(struct amp_schedule *schedule);

static void on_attempt_done(void *ctx, const struct amp_attempt_result *result)
{
    struct amp_delivery *delivery = ctx;
    struct amp_schedule *schedule = delivery->schedule;
    leave_attempt(delivery);
    settle(delivery, result);
    pump(schedule);
}

/* It is READY, or a test that was just admitted. */
static void attempt(struct amp_delivery *delivery)
{
    struct amp_schedule *schedule = delivery->schedule;
    const struct amp_schedule_config *config = &schedule->config;
    struct amp_endpoint *endpoint = delivery->endpoint;
    int64_t left_ms = delivery->order.expires_mono_ms - now_ms(schedule);
    if (left_ms <= 0) {
        end(delivery, AMP_ERR_PUSH_EXPIRED);
        return;
    }
    const struct amp_attempt_order order = {
        .url = endpoint->url,
        .secrets = endpoint->secrets.secrets,
        .secret_count = amp_endpoint_live_secrets(endpoint, amp_clock_unix_ms(&config->clock)),
        .message = delivery->order.message,
        .body = amp_slice(delivery->order.body, delivery->order.body_len),
        .timeout_ms = left_ms < config->timeout_ms ? left_ms : config->timeout_ms,
        .ctx = delivery,
        .done = on_attempt_done,
    };
    leave_state(delivery);
    delivery->state = TRYING;
    delivery->attempts++;
    count_attempt(delivery);
    if (config->transport.ops->start(config->transport.self, &delivery->attempt, &order) == AMP_OK)
        return;
    leave_attempt(delivery);
    settle(delivery, &(struct amp_attempt_result){.err = AMP_ERR_PUSH_UNREACHABLE, .ours = true});
}

/*
 * The next that may begin one more attempt. Hosts that never answer hold each attempt until its time is over, and
 * others must not wait for that: so one is free to each host, and of what is shared nobody has more than half of what
 * is left, the dynamic threshold that front's windows have too (front/outbox.c).
 */
static struct amp_endpoint *choose(const struct amp_schedule *schedule)
{
    size_t left = AMP_SCHEDULE_SHARED_MAX - schedule->shared;
    size_t share = 1 + (left + 1) / 2;
    size_t limit = schedule->config.concurrency < share ? schedule->config.concurrency : share;
    int64_t now = now_ms(schedule);
    struct amp_endpoint *endpoint;
    TAILQ_FOREACH(endpoint, &schedule->turns, turn)
    {
        if (endpoint->host->trying < limit && endpoint->not_before_ms <= now)
            return endpoint;
    }
    return NULL;
}

static void pump(struct amp_schedule *schedule)
{
    struct amp_endpoint *endpoint;
    while (!schedule->held && (endpoint = choose(schedule)) != NULL) {
        TAILQ_REMOVE(&schedule->turns, endpoint, turn);
        TAILQ_INSERT_TAIL(&schedule->turns, endpoint, turn);
        attempt(TAILQ_FIRST(&endpoint->ready));
    }
    bury(schedule);
}

/* A test waits for nobody, and nobody waits for it. It is in no state but in the wheel. */
static void admit_test(struct amp_delivery *delivery)
{
    struct amp_schedule *schedule = delivery->schedule;
    TAILQ_INSERT_TAIL(&delivery->endpoint->tests, delivery, next);
    delivery->state = RESTING;
    wait_until(delivery, INT64_MAX);
    if (delivery->endpoint->state != AMP_SUBSCRIPTION_ACTIVE)
        end(delivery, AMP_ERR_SUBSCRIPTION_DISABLED);
    else if (schedule->held)
        end(delivery, AMP_ERR_AUDIT_UNAVAILABLE);
    else if (schedule->testing == AMP_SCHEDULE_TESTS_MAX)
        end(delivery, AMP_ERR_OVERLOADED);
    else
        attempt(delivery);
}

static void admit(struct amp_delivery *delivery, struct amp_endpoint *endpoint)
{
    struct amp_schedule *schedule = delivery->schedule;
    int64_t silence_ms = schedule->config.disable_after_ms / SILENCE_PART;
    delivery->endpoint = endpoint;
    if (delivery->order.test) {
        admit_test(delivery);
        return;
    }
    bool first = TAILQ_EMPTY(&endpoint->all);
    if (first && now_ms(schedule) - endpoint->idle_since_ms >= silence_ms &&
        now_ms(schedule) - endpoint->idle_since_ms >= SILENCE_LEAST_MS)
        endpoint->failing = false;
    TAILQ_INSERT_TAIL(&endpoint->all, delivery, next);
    amp_window_enter(&endpoint->window, delivery->order.body_len);
    delivery->state = BEHIND;
    wait_until(delivery, INT64_MAX);
    if (endpoint->state != AMP_SUBSCRIPTION_ACTIVE) {
        if (endpoint->unheard && now_ms(schedule) - endpoint->said_ms >= AMP_SCHEDULE_UNHEARD_MS)
            tell_disabled(schedule, endpoint);
        end(delivery, AMP_ERR_SUBSCRIPTION_DISABLED);
    } else if (first || !endpoint->ordered) {
        leave_state(delivery);
        make_ready(delivery);
    }
}

static void admit_stranger(struct amp_delivery *delivery)
{
    struct amp_schedule *schedule = delivery->schedule;
    TAILQ_INSERT_TAIL(&schedule->strangers, delivery, next);
    delivery->state = STRANGER;
    wait_until(delivery, now_ms(schedule) + AMP_SCHEDULE_STRANGER_MS);
    if (++schedule->stranger_count > AMP_SCHEDULE_STRANGERS_MAX)
        end(delivery, AMP_ERR_SUBSCRIPTION_UNKNOWN);
}

/* Those that came before their subscription. */
static void claim_strangers(struct amp_schedule *schedule, struct amp_endpoint *endpoint)
{
    for (struct amp_delivery *next, *delivery = TAILQ_FIRST(&schedule->strangers); delivery != NULL; delivery = next) {
        next = TAILQ_NEXT(delivery, next);
        if (memcmp(delivery->order.subscription, endpoint->id, sizeof(endpoint->id)) != 0)
            continue;
        if (!delivery->order.test && !amp_window_fits_one(&endpoint->window, delivery->order.body_len)) {
            end(delivery, AMP_ERR_OVERLOADED); /* front's fault */
            continue;
        }
        leave_state(delivery);
        leave_endpoint(delivery);
        admit(delivery, endpoint);
    }
}

bool amp_schedule_add(struct amp_schedule *schedule, struct amp_delivery_order *order)
{
    struct amp_endpoint *endpoint = amp_endpoints_find(&schedule->endpoints, order->subscription);
    struct amp_delivery *delivery = NULL;
    bool good = fits(schedule, endpoint, order);
    if (good && order->body != NULL)
        delivery = calloc(1, sizeof(*delivery));
    if (good && delivery == NULL)
        schedule->config.ended(schedule->config.ctx,
                               &(struct amp_delivery_end){.order = order, .err = AMP_ERR_OUT_OF_MEMORY});
    if (delivery == NULL) {
        amp_secret_free(order->body);
    } else {
        delivery->schedule = schedule;
        delivery->order = *order;
        schedule->count++;
        if (order->test)
            schedule->tests++;
        else
            amp_window_enter(&schedule->window, order->body_len);
        if (endpoint != NULL)
            admit(delivery, endpoint);
        else
            admit_stranger(delivery);
        pump(schedule);
    }
    order->body = NULL;
    return good;
}

static void on_due(struct amp_delivery *delivery)
{
    struct amp_schedule *schedule = delivery->schedule;
    /* It is out of the wheel, where every state but TRYING has its place. */
    wait_until(delivery, INT64_MAX);
    if (now_ms(schedule) >= delivery->order.expires_mono_ms) {
        end(delivery, AMP_ERR_PUSH_EXPIRED);
    } else if (delivery->state == STRANGER) {
        end(delivery, AMP_ERR_SUBSCRIPTION_UNKNOWN);
    } else if (delivery->state == RESTING) {
        leave_state(delivery);
        make_ready(delivery);
    }
}

void amp_schedule_run(struct amp_schedule *schedule)
{
    struct amp_wheel_node *node;
    size_t work = SIZE_MAX;
    int64_t now = now_ms(schedule);
    while ((node = amp_wheel_take(&schedule->wheel, now, &work)) != NULL)
        on_due((struct amp_delivery *)(void *)((char *)node - offsetof(struct amp_delivery, due)));
    pump(schedule);
}

bool amp_schedule_waits(const struct amp_schedule *schedule)
{
    return schedule->wheel.count != 0;
}

void amp_schedule_hold(struct amp_schedule *schedule, bool held)
{
    schedule->held = held;
    pump(schedule);
}

static void give_up(struct amp_deliveries *deliveries, enum amp_err err, bool at_once)
{
    for (struct amp_delivery *next, *delivery = TAILQ_FIRST(deliveries); delivery != NULL; delivery = next) {
        next = TAILQ_NEXT(delivery, next);
        if (delivery->state == TRYING && !at_once)
            leave_window(delivery);
        else
            end(delivery, err);
    }
}

void amp_schedule_give_up(struct amp_schedule *schedule, enum amp_err err, bool at_once)
{
    struct amp_endpoint *endpoint = NULL;
    while ((endpoint = amp_endpoints_next(&schedule->endpoints, endpoint)) != NULL) {
        give_up(&endpoint->all, err, at_once);
        give_up(&endpoint->tests, err, at_once);
    }
    give_up(&schedule->strangers, err, at_once);
    bury(schedule);
}

enum amp_err amp_schedule_subscribe(struct amp_schedule *schedule, const struct amp_subscription *subscription,
                                    const struct amp_subscription_secrets *secrets)
{
    struct amp_endpoint *endpoint;
    enum amp_err err = amp_endpoints_put(&schedule->endpoints, &endpoint, subscription, secrets);
    if (err != AMP_OK)
        return err;
    claim_strangers(schedule, endpoint);
    if (endpoint->state != AMP_SUBSCRIPTION_ACTIVE)
        end_all(endpoint, AMP_ERR_SUBSCRIPTION_DISABLED);
    pump(schedule);
    return AMP_OK;
}

static void forget(struct amp_schedule *schedule, struct amp_endpoint *endpoint)
{
    end_all(endpoint, AMP_ERR_SUBSCRIPTION_UNKNOWN);
    amp_endpoints_remove(&schedule->endpoints, endpoint);
}

void amp_schedule_unsubscribe(struct amp_schedule *schedule, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN])
{
    struct amp_endpoint *endpoint = amp_endpoints_find(&schedule->endpoints, id);
    if (endpoint != NULL)
        forget(schedule, endpoint);
    pump(schedule);
}

void amp_schedule_telling(struct amp_schedule *schedule)
{
    struct amp_endpoint *endpoint = NULL;
    while ((endpoint = amp_endpoints_next(&schedule->endpoints, endpoint)) != NULL) {
        endpoint->told = false;
        if (endpoint->unheard)
            tell_disabled(schedule, endpoint);
    }
}

void amp_schedule_told(struct amp_schedule *schedule)
{
    struct amp_endpoint *next, *endpoint = amp_endpoints_next(&schedule->endpoints, NULL);
    for (; endpoint != NULL; endpoint = next) {
        next = amp_endpoints_next(&schedule->endpoints, endpoint);
        if (!endpoint->told)
            forget(schedule, endpoint);
    }
    pump(schedule);
}

size_t amp_schedule_count(const struct amp_schedule *schedule)
{
    return schedule->count;
}

size_t amp_schedule_bytes(const struct amp_schedule *schedule)
{
    return schedule->window.bytes;
}

enum amp_err amp_schedule_new(struct amp_schedule **out, const struct amp_schedule_config *config)
{
    struct amp_schedule *schedule = *out = calloc(1, sizeof(*schedule));
    if (schedule == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    schedule->config = *config;
    schedule->held = true;
    TAILQ_INIT(&schedule->turns);
    TAILQ_INIT(&schedule->strangers);
    TAILQ_INIT(&schedule->ended);
    amp_wheel_init(&schedule->wheel, now_ms(schedule));
    return AMP_OK;
}

static void free_all(struct amp_schedule *schedule, struct amp_deliveries *deliveries)
{
    const struct amp_transport *transport = &schedule->config.transport;
    struct amp_delivery *delivery;
    while ((delivery = TAILQ_FIRST(deliveries)) != NULL) {
        TAILQ_REMOVE(deliveries, delivery, next);
        if (delivery->attempt != NULL)
            transport->ops->cancel(transport->self, delivery->attempt);
        free_delivery(delivery);
    }
}

void amp_schedule_free(struct amp_schedule *schedule)
{
    struct amp_endpoint *endpoint;
    if (schedule == NULL)
        return;
    while ((endpoint = amp_endpoints_next(&schedule->endpoints, NULL)) != NULL) {
        free_all(schedule, &endpoint->all);
        free_all(schedule, &endpoint->tests);
        amp_endpoints_remove(&schedule->endpoints, endpoint);
    }
    free_all(schedule, &schedule->strangers);
    bury(schedule);
    free(schedule);
}
