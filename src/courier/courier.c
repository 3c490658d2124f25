/*
 * Front's deliveries wait unread until the keeper has told which subscriptions there are: one that the courier does not
 * know then was deleted, or is about to be told.
 */
#include "courier/courier.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"
#include "courier/deliverer.h"
#include "courier/resolver.h"
#include "courier/schedule.h"
#include "ipc/recorder.h"

enum { FRONT_INDEX = 0, KEEPER_INDEX = 0, SCRIBE_INDEX = 0 };
enum { DRAIN_ATTEMPTS_S = 4, DRAIN_RECORDS_S = 2 };

struct courier {
    const struct amp_role_env *env;
    struct event_base *base;
    struct event *tick;
    struct event *keeper_missed;
    struct amp_clock clock;
    struct amp_policy policy;
    struct amp_deliverer *deliverer;
    struct amp_schedule *schedule;
    struct amp_recorder *recorder;
    struct amp_link *control;
    struct amp_link *keeper;
    struct amp_link *front;
    uint64_t origin; /* counts the fronts: an answer to an earlier one is for nobody */
    struct amp_inbox inbox;
    bool told; /* the keeper, over the link there is, has told all subscriptions */
    bool draining;
    bool said_unrecorded;
    bool stopped;
    int status;
};

static void stop(struct courier *courier, int status)
{
    courier->status = status;
    courier->stopped = true;
}

static void tell_supervisor(struct courier *courier, enum amp_ipc_type type, struct amp_slice payload)
{
    if (amp_link_send(courier->control, type, payload, -1) != AMP_OK)
        stop(courier, 1);
}

static void report_violation(struct courier *courier, enum amp_role role)
{
    const uint8_t byte = (uint8_t)role;
    amp_log_text(AMP_LOG_ERROR, "a role broke the table of messages", "role", amp_role_name(role));
    tell_supervisor(courier, AMP_IPC_VIOLATION, amp_slice(&byte, 1));
}

/* ---- what the schedule tells ---- */

static void record(struct courier *courier, const struct amp_delivery_end *how)
{
    char subject[AMP_SUBSCRIPTION_ID_TEXT_LEN];
    struct amp_event event = {
        .unix_ms = amp_clock_unix_ms(&courier->clock),
        .act = AMP_ACT_PUSH,
        .outcome = how->err == AMP_OK ? AMP_OUTCOME_SUCCESS : AMP_OUTCOME_FAILURE,
        .code = how->err,
        .has_message = true,
        .count = how->attempts,
        .who = AMP_SLICE_LIT("courier"),
        .source = AMP_SLICE_LIT("local"),
        .queue = how->queue,
        .subject = amp_slice(subject, sizeof(subject)),
    };
    amp_subscription_id_format(subject, how->order->subscription);
    memcpy(event.token_reference, how->order->message, sizeof(event.token_reference));
    bool recorded = amp_recorder_add(courier->recorder, &event, false, NULL) == AMP_OK;
    if (!recorded && !courier->said_unrecorded)
        amp_log(AMP_LOG_ERROR, "ends of deliveries could not be recorded");
    courier->said_unrecorded = !recorded;
}

static void on_ended(void *ctx, const struct amp_delivery_end *how)
{
    struct courier *courier = ctx;
    uint8_t storage[8 + 4 + 4 + 4];
    struct amp_out payload = amp_out(storage, sizeof(storage));
    if (!how->order->test) /* front records it as the act that it was asked for */
        record(courier, how);
    amp_recorder_send(courier->recorder); /* front forgets the message when it hears of it: then there is a record */
    if (courier->front == NULL || how->order->origin != courier->origin)
        return;
    amp_ipc_put_u64(&payload, how->order->ask);
    amp_ipc_put_u32(&payload, (uint32_t)how->err);
    amp_ipc_put_u32(&payload, how->status);
    amp_ipc_put_u32(&payload, how->attempts);
    enum amp_err err = amp_link_send(courier->front, AMP_IPC_DELIVERED, amp_out_done(&payload), -1);
    if (err != AMP_OK && err != AMP_ERR_IO) {
        amp_log(AMP_LOG_ERROR, "front does not take the answers");
        stop(courier, 1);
    }
}

static void on_disabled(void *ctx, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN], uint32_t generation,
                        enum amp_subscription_state why)
{
    struct courier *courier = ctx;
    char name[AMP_SUBSCRIPTION_ID_TEXT_LEN + 1] = "";
    uint8_t storage[AMP_SUBSCRIPTION_ID_LEN + 4 + 4];
    struct amp_out payload = amp_out(storage, sizeof(storage));
    amp_subscription_id_format(name, id);
    amp_log_text(AMP_LOG_WARN,
                 why == AMP_SUBSCRIPTION_GONE ? "an endpoint answered 410: its subscription is disabled"
                                              : "an endpoint failed for too long: its subscription is disabled",
                 "subscription", name);
    amp_out_bytes(&payload, id, AMP_SUBSCRIPTION_ID_LEN);
    amp_ipc_put_u32(&payload, (uint32_t)why);
    amp_ipc_put_u32(&payload, generation);
    if (courier->keeper != NULL &&
        amp_link_send(courier->keeper, AMP_IPC_SUBSCRIPTION_FAILED, amp_out_done(&payload), -1) != AMP_OK)
        amp_log(AMP_LOG_WARN, "the keeper could not be told of it: it is told again when it is back");
}

/* ---- front ---- */

static bool take_order(struct courier *courier)
{
    struct amp_delivery_order order;
    if (!amp_inbox_take(&courier->inbox, &order))
        return true; /* it goes on */
    order.origin = courier->origin;
    bool good = amp_schedule_add(courier->schedule, &order);
    if (courier->draining)
        amp_schedule_give_up(courier->schedule, AMP_ERR_PUSH_UNREACHABLE, false);
    return good;
}

static bool on_front_message(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct courier *courier = ctx;
    if (type == AMP_IPC_DELIVER)
        return amp_inbox_deliver(&courier->inbox, payload, amp_schedule_bytes(courier->schedule)) &&
               take_order(courier);
    return type == AMP_IPC_DELIVER_MORE && amp_inbox_deliver_more(&courier->inbox, payload) && take_order(courier);
}

/* Its messages went with it: what they name is gone too. */
static void lose_front(struct courier *courier)
{
    amp_link_free(courier->front);
    courier->front = NULL;
    courier->origin++;
    amp_inbox_reset(&courier->inbox);
    amp_schedule_give_up(courier->schedule, AMP_ERR_PUSH_UNREACHABLE, false);
}

static void on_front_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct courier *courier = ctx;
    if (violation)
        report_violation(courier, AMP_ROLE_FRONT);
    lose_front(courier);
}

static void attach_front(struct courier *courier, int fd)
{
    const struct amp_link_config config = {.base = courier->base,
                                           .self = AMP_ROLE_COURIER,
                                           .peer = AMP_ROLE_FRONT,
                                           .ctx = courier,
                                           .message = on_front_message,
                                           .closed = on_front_closed};
    if (courier->front != NULL)
        lose_front(courier);
    if (amp_link_new(&courier->front, &config, fd) != AMP_OK)
        amp_fatal("no memory for a link");
    amp_link_pause(courier->front, !courier->told);
}

/* ---- keeper ---- */

static bool on_subscription(struct courier *courier, struct amp_slice payload)
{
    struct amp_ipc_in in = {payload, false};
    struct amp_subscription subscription;
    struct amp_subscription_secrets secrets = {0};
    struct amp_slice packed = amp_ipc_get_bytes(&in, AMP_SUBSCRIPTION_PACKED_MAX);
    struct amp_slice packed_secrets = amp_ipc_get_bytes(&in, AMP_SUBSCRIPTION_SECRETS_PACKED_MAX);
    enum amp_err err = amp_ipc_end(&in) ? amp_subscription_unpack(&subscription, packed) : AMP_ERR_INVALID;
    if (err == AMP_OK)
        err = amp_subscription_secrets_unpack(&secrets, packed_secrets);
    if (err == AMP_OK)
        err = amp_schedule_subscribe(courier->schedule, &subscription, &secrets);
    if (err == AMP_ERR_OUT_OF_MEMORY)
        amp_fatal("no memory for a subscription");
    amp_wipe(&secrets, sizeof(secrets));
    return err == AMP_OK;
}

static bool on_keeper_message(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload,
                              int fd)
{
    struct courier *courier = ctx;
    if (type == AMP_IPC_SUBSCRIPTION)
        return on_subscription(courier, payload);
    if (type == AMP_IPC_SUBSCRIPTION_GONE) {
        amp_schedule_unsubscribe(courier->schedule, payload.ptr); /* so long, by the table */
        return true;
    }
    if (type == AMP_IPC_SUBSCRIPTIONS_TELLING) {
        amp_schedule_telling(courier->schedule);
        return true;
    }
    if (type != AMP_IPC_SUBSCRIPTIONS_TOLD)
        return false;
    amp_schedule_told(courier->schedule);
    courier->told = true;
    if (courier->front != NULL)
        amp_link_pause(courier->front, false);
    return true;
}

/* What it told is stale from now on: nothing is signed or sent by it. */
static void lose_keeper(struct courier *courier)
{
    amp_link_free(courier->keeper);
    courier->keeper = NULL;
    courier->told = false;
    amp_schedule_hold(courier->schedule, true);
}

static void on_keeper_missed(evutil_socket_t fd, short what, void *ctx)
{
    struct courier *courier = ctx;
    if (courier->draining)
        return;
    amp_log(AMP_LOG_ERROR, "the keeper's link ended and no new one came: the courier must be started again");
    stop(courier, 1);
}

static void on_keeper_closed(void *ctx, struct amp_link *link, bool violation)
{
    static const struct timeval patience = {AMP_KEEPER_PATIENCE_S, 0};
    struct courier *courier = ctx;
    if (violation)
        report_violation(courier, AMP_ROLE_KEEPER);
    lose_keeper(courier);
    if (event_add(courier->keeper_missed, &patience) != 0)
        stop(courier, 1);
}

static void attach_keeper(struct courier *courier, int fd)
{
    const struct amp_link_config config = {.base = courier->base,
                                           .self = AMP_ROLE_COURIER,
                                           .peer = AMP_ROLE_KEEPER,
                                           .ctx = courier,
                                           .message = on_keeper_message,
                                           .closed = on_keeper_closed};
    lose_keeper(courier);
    if (amp_link_new(&courier->keeper, &config, fd) != AMP_OK)
        amp_fatal("no memory for a link");
    event_del(courier->keeper_missed);
}

/* ---- supervisor and scribe ---- */

static void on_scribe_violation(void *ctx)
{
    report_violation(ctx, AMP_ROLE_SCRIBE);
}

static void on_link(struct courier *courier, struct amp_slice payload, int fd)
{
    uint8_t role = payload.ptr[0];
    uint8_t index = payload.ptr[1];
    if (role == AMP_ROLE_FRONT && index == FRONT_INDEX)
        attach_front(courier, fd);
    else if (role == AMP_ROLE_KEEPER && index == KEEPER_INDEX)
        attach_keeper(courier, fd);
    else if (role == AMP_ROLE_SCRIBE && index == SCRIBE_INDEX)
        amp_recorder_attach(courier->recorder, AMP_ROLE_COURIER, fd);
    else
        close(fd);
}

static void on_records_patience_over(evutil_socket_t fd, short what, void *ctx)
{
    amp_log(AMP_LOG_WARN, "the courier's last records did not become durable in time");
    stop(ctx, 0);
}

static void on_attempts_patience_over(evutil_socket_t fd, short what, void *ctx)
{
    static const struct timeval patience = {DRAIN_RECORDS_S, 0};
    struct courier *courier = ctx;
    amp_schedule_give_up(courier->schedule, AMP_ERR_PUSH_UNREACHABLE, true);
    if (event_base_once(courier->base, -1, EV_TIMEOUT, on_records_patience_over, courier, &patience) != 0)
        stop(courier, 0);
}

static void drain(struct courier *courier)
{
    static const struct timeval patience = {DRAIN_ATTEMPTS_S, 0};
    courier->draining = true;
    amp_schedule_hold(courier->schedule, true);
    amp_schedule_give_up(courier->schedule, AMP_ERR_PUSH_UNREACHABLE, false);
    if (event_base_once(courier->base, -1, EV_TIMEOUT, on_attempts_patience_over, courier, &patience) != 0)
        stop(courier, 0);
}

static void reload(struct courier *courier, int fd)
{
    static struct amp_config config; /* large, and wanted for its log level alone */
    if (courier->env->config_read(&config, fd) == AMP_OK)
        amp_log_set_level(config.log_level);
    close(fd);
}

static bool on_control(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct courier *courier = ctx;
    if (type == AMP_IPC_LINK)
        on_link(courier, payload, fd);
    if (type == AMP_IPC_DRAIN)
        drain(courier);
    if (type == AMP_IPC_RELOAD)
        reload(courier, fd);
    return true;
}

static void on_control_closed(void *ctx, struct amp_link *link, bool violation)
{
    stop(ctx, 1);
}

static void on_durable(void *ctx, uint64_t number)
{
    /* The turn that this came in looks whether all is. */
}

/* ---- the role ---- */

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct courier *courier = ctx;
    amp_schedule_run(courier->schedule);
}

static void take_turn(struct courier *courier)
{
    static const struct timeval tick = {0, AMP_SCHEDULE_TICK_MS * 1000};
    amp_schedule_hold(courier->schedule, courier->draining || !courier->told || !amp_recorder_ready(courier->recorder));
    amp_recorder_flush(courier->recorder);
    if (amp_schedule_waits(courier->schedule) && !event_pending(courier->tick, EV_TIMEOUT, NULL))
        event_add(courier->tick, &tick);
    if (courier->draining && amp_schedule_count(courier->schedule) == 0 && amp_recorder_idle(courier->recorder) &&
        (courier->front == NULL || amp_link_idle(courier->front)))
        stop(courier, 0);
}

static enum amp_err open_deliverer(struct courier *courier)
{
    const struct amp_config *config = courier->env->config;
    const struct amp_deliverer_config deliverer = {.base = courier->base,
                                                   .clock = courier->clock,
                                                   .policy = &courier->policy,
                                                   .connect_ms = config->push.connect_ms,
                                                   .ca_fd = courier->env->push_ca_fd,
                                                   .resolver = courier->env->resolver};
    enum amp_err err = amp_policy_init(&courier->policy, config);
    if (err == AMP_OK)
        err = amp_deliverer_new(&courier->deliverer, &deliverer);
    if (err == AMP_ERR_INVALID)
        amp_log(AMP_LOG_ERROR, "push.ca holds no certificates, or one that is malformed");
    else if (err == AMP_ERR_CRYPTO)
        amp_log(AMP_LOG_ERROR, "libcurl must be the one built on OpenSSL");
    if (courier->env->push_ca_fd >= 0)
        close(courier->env->push_ca_fd);
    return err;
}

static enum amp_err set_up(struct courier *courier)
{
    const struct amp_link_config control = {.base = courier->base,
                                            .self = AMP_ROLE_COURIER,
                                            .peer = AMP_ROLE_SUPERVISOR,
                                            .ctx = courier,
                                            .message = on_control,
                                            .closed = on_control_closed};
    const struct amp_config *config = courier->env->config;
    enum amp_err err = amp_link_new(&courier->control, &control, courier->env->control_fd);
    courier->tick = evtimer_new(courier->base, on_tick, courier);
    courier->keeper_missed = evtimer_new(courier->base, on_keeper_missed, courier);
    if (err == AMP_OK && (courier->tick == NULL || courier->keeper_missed == NULL))
        err = AMP_ERR_OUT_OF_MEMORY;
    if (err == AMP_OK)
        err = amp_recorder_new(&courier->recorder, courier->base, on_durable, courier);
    if (err == AMP_OK)
        err = open_deliverer(courier);
    if (err != AMP_OK)
        return err;
    amp_recorder_on_violation(courier->recorder, on_scribe_violation, courier);
    const struct amp_schedule_config schedule = {.clock = courier->clock,
                                                 .transport = amp_deliverer_transport(courier->deliverer),
                                                 .concurrency = config->push.concurrency,
                                                 .timeout_ms = config->push.timeout_ms,
                                                 .disable_after_ms = config->push.disable_after_ms,
                                                 .ctx = courier,
                                                 .ended = on_ended,
                                                 .disabled = on_disabled};
    err = amp_schedule_new(&courier->schedule, &schedule);
    if (err == AMP_OK)
        tell_supervisor(courier, AMP_IPC_READY, amp_slice(NULL, 0));
    return err;
}

static void tear_down(struct courier *courier)
{
    amp_schedule_free(courier->schedule);
    amp_deliverer_free(courier->deliverer);
    amp_inbox_reset(&courier->inbox);
    amp_link_free(courier->front);
    amp_link_free(courier->keeper);
    amp_recorder_free(courier->recorder);
    amp_link_free(courier->control);
    if (courier->tick != NULL)
        event_free(courier->tick);
    if (courier->keeper_missed != NULL)
        event_free(courier->keeper_missed);
    amp_resolver_free(courier->env->resolver);
    event_base_free(courier->base);
}

int amp_courier_main(const struct amp_role_env *env)
{
    struct courier courier = {.env = env, .clock = amp_clock_system(), .status = 1};
    courier.base = event_base_new();
    if (courier.base == NULL)
        return 1;
    if (set_up(&courier) == AMP_OK) {
        while (!courier.stopped && event_base_loop(courier.base, EVLOOP_ONCE) >= 0) {
            take_turn(&courier);
            amp_wipe_stack_of_turn(); /* of bodies, and of libcurl and TLS that send them */
        }
    }
    tear_down(&courier);
    return courier.status;
}
