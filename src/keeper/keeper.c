#include "keeper/keeper.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "keeper/internal.h"

enum { ADMINS_MAX = 16, ADMIN_IDLE_S = 10, SCRIBE_RECORDS_INDEX = 0, DRAIN_S = 5 };
enum { RECORDS_OF_ACT = 2 }; /* at most: a key that was rotated, and the one that was made */
enum { LOOK_AGAIN_MS = 3600 * 1000 };

static void stop(struct amp_keeper *keeper, int status)
{
    keeper->status = status;
    event_base_loopbreak(keeper->base);
}

static void tell_supervisor(struct amp_keeper *keeper, enum amp_ipc_type type, struct amp_slice payload)
{
    if (amp_link_send(keeper->control, type, payload, -1) != AMP_OK)
        stop(keeper, 1);
}

static void report_violation(struct amp_keeper *keeper, enum amp_role role)
{
    const uint8_t byte = (uint8_t)role;
    amp_log_text(AMP_LOG_ERROR, "a role broke the table of messages", "role", amp_role_name(role));
    tell_supervisor(keeper, AMP_IPC_VIOLATION, amp_slice(&byte, 1));
}

static void on_scribe_violation(void *ctx)
{
    report_violation(ctx, AMP_ROLE_SCRIBE);
}

enum amp_err amp_keeper_record(struct amp_keeper *keeper, enum amp_act act, enum amp_err code, const char *who,
                               struct amp_slice subject)
{
    const struct amp_event event = {
        .act = act,
        .code = code,
        .alarm = act == AMP_ACT_EPOCH_KEY && code != AMP_OK,
        .who = amp_slice_str(who),
        .source = AMP_SLICE_LIT("local"),
        .subject = subject,
    };
    return amp_keeper_record_event(keeper, &event);
}

enum amp_err amp_keeper_record_event(struct amp_keeper *keeper, const struct amp_event *event)
{
    struct amp_event complete = *event;
    bool ours = amp_err_status(event->code) >= 500; /* our failure, or the asker's mistake? */
    complete.unix_ms = amp_clock_unix_ms(&keeper->clock);
    complete.outcome = event->code == AMP_OK ? AMP_OUTCOME_SUCCESS : ours ? AMP_OUTCOME_FAILURE : AMP_OUTCOME_REFUSED;
    enum amp_err err = amp_recorder_add(keeper->recorder, &complete, true, NULL);
    amp_recorder_flush(keeper->recorder);
    return err;
}

bool amp_keeper_can_record(struct amp_keeper *keeper)
{
    return amp_recorder_ready(keeper->recorder) && amp_recorder_reserve(keeper->recorder, RECORDS_OF_ACT);
}

void amp_keeper_dismiss(struct amp_asker *asker)
{
    struct amp_keeper *keeper = asker->keeper;
    if (asker->role == AMP_ROLE_ADMIN)
        keeper->admin_count--;
    TAILQ_REMOVE(&keeper->askers, asker, next);
    amp_link_free(asker->link);
    if (asker->idle != NULL)
        event_free(asker->idle);
    free(asker);
}

static const struct timeval admin_patience = {ADMIN_IDLE_S, 0};

static void on_idle(evutil_socket_t fd, short what, void *ctx)
{
    amp_keeper_dismiss(ctx);
}

static void dismiss_lost(struct amp_keeper *keeper)
{
    for (struct amp_asker *next, *asker = TAILQ_FIRST(&keeper->askers); asker != NULL; asker = next) {
        next = TAILQ_NEXT(asker, next);
        if (asker->lost)
            amp_keeper_dismiss(asker);
    }
}

static bool answer(struct amp_asker *asker, enum amp_ipc_type type, struct amp_slice payload)
{
    if (type == AMP_IPC_DAY_KEY_GET)
        return amp_keeper_day_key(asker, payload);
    if (type == AMP_IPC_EPOCH_GET)
        return amp_keeper_epoch(asker);
    if (type == AMP_IPC_PING)
        return amp_keeper_ping(asker);
    if (type == AMP_IPC_LOG_KEY_GET)
        return amp_keeper_log_key(asker);
    if (asker->role == AMP_ROLE_FRONT || asker->role == AMP_ROLE_COURIER)
        return amp_keeper_subscription(asker, type, payload);
    return amp_keeper_admin(asker, type, payload);
}

static bool on_asked(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct amp_asker *asker = ctx;
    struct amp_keeper *keeper = asker->keeper;
    if (asker->idle != NULL)
        event_add(asker->idle, &admin_patience);
    bool good = answer(asker, type, payload);
    dismiss_lost(keeper);
    return good;
}

static void on_asker_drained(void *ctx, struct amp_link *link)
{
    struct amp_asker *asker = ctx;
    struct amp_keeper *keeper = asker->keeper;
    amp_keeper_catch_up(asker);
    dismiss_lost(keeper);
}

static void on_asker_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct amp_asker *asker = ctx;
    if (violation && asker->role == AMP_ROLE_ADMIN)
        amp_log_text(AMP_LOG_WARN, "an admin client sent what is no request", "who", asker->who);
    else if (violation)
        report_violation(asker->keeper, asker->role);
    amp_keeper_dismiss(asker);
}

static void name_asker(struct amp_asker *asker, int fd)
{
    struct amp_out who = amp_out(asker->who, sizeof(asker->who) - 1);
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (asker->role != AMP_ROLE_ADMIN) {
        amp_out_str(&who, amp_role_name(asker->role));
    } else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0) {
        amp_out_str(&who, "uid:");
        amp_out_u64(&who, peer.uid);
    }
}

static void replace_asker(struct amp_keeper *keeper, enum amp_role role, uint8_t index)
{
    struct amp_asker *asker;
    TAILQ_FOREACH(asker, &keeper->askers, next)
    {
        if (asker->role == role && asker->index == index) {
            amp_keeper_dismiss(asker);
            return;
        }
    }
}

static void add_asker(struct amp_keeper *keeper, enum amp_role role, uint8_t index, int fd)
{
    if (role == AMP_ROLE_ADMIN && keeper->admin_count == ADMINS_MAX) {
        amp_log(AMP_LOG_WARN, "too many admin clients at once");
        close(fd);
        return;
    }
    if (role != AMP_ROLE_ADMIN)
        replace_asker(keeper, role, index);
    struct amp_asker *asker = calloc(1, sizeof(*asker));
    if (asker == NULL)
        amp_fatal("no memory for a link");
    asker->keeper = keeper;
    asker->role = role;
    asker->index = index;
    name_asker(asker, fd);
    const struct amp_link_config config = {.base = keeper->base,
                                           .self = AMP_ROLE_KEEPER,
                                           .peer = role,
                                           .ctx = asker,
                                           .message = on_asked,
                                           .drained = on_asker_drained,
                                           .closed = on_asker_closed};
    if (amp_link_new(&asker->link, &config, fd) != AMP_OK)
        amp_fatal("no memory for a link");
    if (role == AMP_ROLE_ADMIN) {
        asker->idle = evtimer_new(keeper->base, on_idle, asker);
        if (asker->idle == NULL || event_add(asker->idle, &admin_patience) != 0)
            amp_fatal("no memory for a link");
    }
    keeper->admin_count += role == AMP_ROLE_ADMIN ? 1 : 0;
    TAILQ_INSERT_TAIL(&keeper->askers, asker, next);
    amp_keeper_tell_subscriptions(asker);
    dismiss_lost(keeper);
}

static bool on_link(struct amp_keeper *keeper, struct amp_slice payload, int fd)
{
    uint8_t role = payload.ptr[0];
    uint8_t index = payload.ptr[1];
    if (keeper->subscriptions == NULL)
        close(fd); /* the KEK did not open it: about to end */
    else if (role == AMP_ROLE_SCRIBE && index == SCRIBE_RECORDS_INDEX)
        amp_recorder_attach(keeper->recorder, AMP_ROLE_KEEPER, fd);
    else if (role == AMP_ROLE_SCRIBE || role == AMP_ROLE_FRONT || role == AMP_ROLE_COURIER || role == AMP_ROLE_ADMIN)
        add_asker(keeper, (enum amp_role)role, index, fd);
    else
        close(fd);
    return true;
}

static enum amp_err open_keyring(struct amp_keeper *keeper)
{
    const struct amp_keyring_config config = {
        .dir_fd = keeper->env->state_fd, .clock = keeper->clock, .provider = &keeper->provider};
    enum amp_err err = amp_keyring_open(&keeper->keyring, &config);
    if (err == AMP_ERR_NOT_AUTHENTIC)
        amp_log(AMP_LOG_ERROR, "the keyring does not verify under this KEK: it was changed, or the KEK was");
    else if (err == AMP_ERR_INVALID)
        amp_log(AMP_LOG_ERROR, "the keyring is damaged, of another version or of another provider");
    else if (err != AMP_OK)
        amp_log_text(AMP_LOG_ERROR, "the keyring could not be opened", "code", amp_err_code(err));
    if (err == AMP_OK)
        err = amp_keeper_open_subscriptions(keeper);
    if (err == AMP_OK)
        err = amp_keeper_watch_ended_keys(keeper);
    if (err == AMP_OK)
        tell_supervisor(keeper, AMP_IPC_READY, amp_slice(NULL, 0));
    return err;
}

static bool on_kek(struct amp_keeper *keeper, struct amp_slice payload)
{
    if (keeper->keyring != NULL || payload.len != sizeof(struct amp_key256))
        return false;
    struct amp_key256 *kek = amp_secret_alloc(sizeof(*kek));
    if (kek == NULL)
        amp_fatal("no secret memory for the KEK");
    memcpy(kek->bytes, payload.ptr, sizeof(kek->bytes));
    enum amp_err err = amp_key_provider_ephemeral(&keeper->provider, kek);
    amp_secret_free(kek);
    if (err == AMP_OK)
        err = open_keyring(keeper);
    if (err != AMP_OK)
        stop(keeper, 1);
    return true;
}

void amp_keeper_wake_at(const struct amp_keeper *keeper, struct event *timer, int64_t unix_ms)
{
    int64_t delay_ms = unix_ms - amp_clock_unix_ms(&keeper->clock);
    delay_ms = delay_ms > LOOK_AGAIN_MS ? LOOK_AGAIN_MS : delay_ms < 0 ? 0 : delay_ms;
    const struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};
    if (event_add(timer, &delay) != 0)
        amp_fatal("no memory for a timer");
}

static void on_review(evutil_socket_t fd, short what, void *ctx)
{
    amp_keeper_review_subscriptions(ctx);
    dismiss_lost(ctx);
}

static void on_drain_timeout(evutil_socket_t fd, short what, void *ctx)
{
    amp_log(AMP_LOG_WARN, "the keeper's last records did not become durable in time");
    stop(ctx, 0);
}

static void drain(struct amp_keeper *keeper)
{
    static const struct timeval patience = {DRAIN_S, 0};
    keeper->draining = true;
    if (amp_recorder_idle(keeper->recorder) ||
        event_base_once(keeper->base, -1, EV_TIMEOUT, on_drain_timeout, keeper, &patience) != 0)
        stop(keeper, 0);
}

static void on_durable(void *ctx, uint64_t number)
{
    struct amp_keeper *keeper = ctx;
    if (keeper->draining && amp_recorder_idle(keeper->recorder))
        stop(keeper, 0);
}

static void reload(struct amp_keeper *keeper, int fd)
{
    static struct amp_config config; /* large, and wanted for its log level alone */
    if (keeper->env->config_read(&config, fd) == AMP_OK)
        amp_log_set_level(config.log_level);
    close(fd);
}

static bool on_control(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct amp_keeper *keeper = ctx;
    if (type == AMP_IPC_KEK)
        return on_kek(keeper, payload);
    if (type == AMP_IPC_LINK)
        return on_link(keeper, payload, fd);
    if (type == AMP_IPC_DRAIN)
        drain(keeper);
    if (type == AMP_IPC_RELOAD)
        reload(keeper, fd);
    return true;
}

static void on_control_closed(void *ctx, struct amp_link *link, bool violation)
{
    stop(ctx, 1);
}

static enum amp_err set_up(struct amp_keeper *keeper)
{
    const struct amp_link_config control = {.base = keeper->base,
                                            .self = AMP_ROLE_KEEPER,
                                            .peer = AMP_ROLE_SUPERVISOR,
                                            .ctx = keeper,
                                            .message = on_control,
                                            .closed = on_control_closed};
    const struct amp_config *config = keeper->env->config;
    keeper->review = evtimer_new(keeper->base, on_review, keeper);
    if (keeper->review == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = amp_recorder_new(&keeper->recorder, keeper->base, on_durable, keeper);
    if (err == AMP_OK)
        err = amp_link_new(&keeper->control, &control, keeper->env->control_fd);
    if (err != AMP_OK)
        return err;
    amp_recorder_on_violation(keeper->recorder, on_scribe_violation, keeper);
    if (config->keys.provider == AMP_CONFIG_PROVIDER_EPHEMERAL)
        return AMP_OK; /* the supervisor sends it */
    err = amp_key_provider_file(&keeper->provider, keeper->env->kek_fd);
    close(keeper->env->kek_fd);
    return err == AMP_OK ? open_keyring(keeper) : err;
}

static void tear_down(struct amp_keeper *keeper)
{
    for (struct amp_asker *next, *asker = TAILQ_FIRST(&keeper->askers); asker != NULL; asker = next) {
        next = TAILQ_NEXT(asker, next);
        amp_keeper_dismiss(asker);
    }
    amp_recorder_free(keeper->recorder);
    amp_link_free(keeper->control);
    amp_subscriptions_free(keeper->subscriptions);
    amp_keyring_free(keeper->keyring);
    if (keeper->review != NULL)
        event_free(keeper->review);
    if (keeper->forget != NULL)
        event_free(keeper->forget);
    if (keeper->provider.ops != NULL)
        keeper->provider.ops->close(keeper->provider.self);
    event_base_free(keeper->base);
}

int amp_keeper_main(const struct amp_role_env *env)
{
    struct amp_keeper keeper = {.env = env, .clock = amp_clock_system(), .status = 1};
    TAILQ_INIT(&keeper.askers);
    keeper.base = event_base_new();
    if (keeper.base == NULL)
        return 1;
    if (set_up(&keeper) == AMP_OK)
        amp_role_serve(keeper.base);
    tear_down(&keeper);
    return keeper.status;
}
