#include "daemon/supervisor.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "daemon/notify.h"

/* How long each stage of ending may last. */
static const int stage_seconds[] = {
    [AMP_STAGE_SERVE] = 0,          [AMP_STAGE_SETTLE] = 10,       [AMP_STAGE_DRAIN_FRONT] = 30,
    [AMP_STAGE_DRAIN_COURIER] = 15, [AMP_STAGE_DRAIN_KEEPER] = 10, [AMP_STAGE_DRAIN_LOG] = 10,
    [AMP_STAGE_DRAIN_SCRIBE] = 10,  [AMP_STAGE_END] = 0,
};

void amp_supervisor_stop(struct amp_supervisor *supervisor, int status)
{
    supervisor->status = status;
    supervisor->stage = AMP_STAGE_END;
    event_base_loopbreak(supervisor->base);
}

void amp_supervisor_record_count(struct amp_supervisor *supervisor, enum amp_act act, enum amp_outcome outcome,
                                 enum amp_err code, const char *who, const char *subject, uint64_t count)
{
    const struct amp_event event = {
        .unix_ms = amp_clock_unix_ms(&supervisor->clock),
        .act = act,
        .outcome = outcome,
        .code = code,
        .alarm = act == AMP_ACT_ROLE_DIED || act == AMP_ACT_ROLE_VIOLATION,
        .who = amp_slice_str(who),
        .source = AMP_SLICE_LIT("local"),
        .subject = amp_slice_str(subject),
        .count = count,
    };
    if (amp_recorder_add(supervisor->recorder, &event, true, NULL) != AMP_OK)
        amp_log_text(AMP_LOG_ERROR, "an event was lost: the log does not take it", "event", amp_act_name(act));
    amp_recorder_flush(supervisor->recorder);
}

void amp_supervisor_record(struct amp_supervisor *supervisor, enum amp_act act, enum amp_outcome outcome,
                           enum amp_err code, const char *who, const char *subject)
{
    amp_supervisor_record_count(supervisor, act, outcome, code, who, subject, 0);
}

static void drain(struct amp_child *child)
{
    child->draining = true;
    if (child->restart != NULL)
        event_del(child->restart);
    amp_child_send(child, AMP_IPC_DRAIN, amp_slice(NULL, 0), -1);
}

static struct amp_child *draining_child(struct amp_supervisor *supervisor)
{
    switch (supervisor->stage) {
    case AMP_STAGE_DRAIN_FRONT:
        return &supervisor->children[AMP_CHILD_FRONT];
    case AMP_STAGE_DRAIN_COURIER:
        return &supervisor->children[AMP_CHILD_COURIER];
    case AMP_STAGE_DRAIN_KEEPER:
        return &supervisor->children[AMP_CHILD_KEEPER];
    case AMP_STAGE_DRAIN_SCRIBE:
        return &supervisor->children[AMP_CHILD_SCRIBE];
    case AMP_STAGE_SERVE:
    case AMP_STAGE_SETTLE:
    case AMP_STAGE_DRAIN_LOG:
    case AMP_STAGE_END:
        break;
    }
    return NULL;
}

static bool stage_is_over(struct amp_supervisor *supervisor)
{
    const struct amp_child *child = draining_child(supervisor);
    if (supervisor->stage == AMP_STAGE_SETTLE)
        return supervisor->children[AMP_CHILD_KEEPER].ready && supervisor->children[AMP_CHILD_SCRIBE].ready &&
               supervisor->children[AMP_CHILD_COURIER].ready;
    if (supervisor->stage == AMP_STAGE_DRAIN_LOG)
        return amp_recorder_idle(supervisor->recorder);
    return child != NULL && !amp_child_runs(child);
}

static void enter_stage(struct amp_supervisor *supervisor, enum amp_stage stage)
{
    const struct timeval patience = {stage_seconds[stage], 0};
    supervisor->stage = stage;
    struct amp_child *child = draining_child(supervisor);
    if (child != NULL)
        drain(child);
    if (stage == AMP_STAGE_DRAIN_LOG)
        amp_supervisor_record(supervisor, AMP_ACT_SERVICE_STOP, AMP_OUTCOME_SUCCESS, AMP_OK, "supervisor", "");
    if (stage == AMP_STAGE_END)
        event_base_loopbreak(supervisor->base);
    else
        evtimer_add(supervisor->stage_timer, &patience);
}

static void advance(struct amp_supervisor *supervisor)
{
    while (supervisor->stage != AMP_STAGE_END && stage_is_over(supervisor))
        enter_stage(supervisor, supervisor->stage + 1);
}

static void on_stage_timeout(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_supervisor *supervisor = ctx;
    struct amp_child *child = draining_child(supervisor);
    amp_log_text(AMP_LOG_WARN, "did not finish in time", "role",
                 amp_role_name(child != NULL ? child->role : AMP_ROLE_SCRIBE));
    supervisor->status = 1;
    if (child != NULL && amp_child_runs(child))
        amp_child_kill(child); /* reaping goes on from there */
    else
        enter_stage(supervisor, supervisor->stage + 1);
    advance(supervisor);
}

static void on_durable(void *ctx, uint64_t number)
{
    advance(ctx);
}

static void on_log_violation(void *ctx)
{
    struct amp_supervisor *supervisor = ctx;
    struct amp_child *scribe = &supervisor->children[AMP_CHILD_SCRIBE];
    amp_log(AMP_LOG_ERROR, "the scribe broke the table of messages and is killed");
    amp_child_kill(scribe);
    amp_supervisor_record(supervisor, AMP_ACT_ROLE_VIOLATION, AMP_OUTCOME_REFUSED, AMP_ERR_INVALID, "supervisor",
                          amp_role_name(AMP_ROLE_SCRIBE));
}

void amp_supervisor_child_ready(struct amp_child *child)
{
    struct amp_supervisor *supervisor = child->supervisor;
    amp_log_text(AMP_LOG_DEBUG, "a role is ready", "role", amp_role_name(child->role));
    advance(supervisor);
    for (size_t i = 0; i < AMP_CHILDREN; i++) {
        if (!supervisor->children[i].ready)
            return;
    }
    if (!supervisor->served) {
        amp_log_text(AMP_LOG_INFO, "serving", "address", supervisor->config.listen.address[0]);
        if (supervisor->dev != NULL)
            amp_dev_served(supervisor->dev);
        amp_notify("READY=1");
    }
    supervisor->served = true;
}

void amp_supervisor_child_ended(struct amp_child *child, bool well)
{
    struct amp_supervisor *supervisor = child->supervisor;
    child->ready = false;
    if (child->draining && !well)
        supervisor->status = 1;
    advance(supervisor);
}

static void end(struct amp_supervisor *supervisor)
{
    if (supervisor->stage != AMP_STAGE_SERVE)
        return;
    amp_log(AMP_LOG_INFO, "ending: what is under way is finished first");
    amp_notify("STOPPING=1");
    enter_stage(supervisor, AMP_STAGE_SETTLE);
    advance(supervisor);
}

static void reload(struct amp_supervisor *supervisor)
{
    if (supervisor->stage != AMP_STAGE_SERVE)
        return;
    amp_notify("RELOADING=1");
    amp_supervisor_reload(supervisor);
    if (supervisor->served)
        amp_notify("READY=1");
}

static const struct {
    int number;
    void (*act)(struct amp_supervisor *supervisor);
} watched[] = {{SIGTERM, end}, {SIGINT, end}, {SIGHUP, reload}, {SIGCHLD, amp_children_reap}};

static void on_signal(evutil_socket_t fd, short what, void *ctx)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
        if (watched[i].number == (int)info.ssi_signo)
            watched[i].act(ctx);
    }
}

/*
 * They are blocked since amp_secret_harden_process, so those that came meanwhile wait here. No handler: see there.
 * Syscalls: signalfd4, once, and read.
 */
static enum amp_err watch_signals(struct amp_supervisor *supervisor)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
        sigaddset(&set, watched[i].number);
    signal(SIGPIPE, SIG_IGN);
    supervisor->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (supervisor->signal_fd < 0)
        return AMP_ERR_IO;
    supervisor->signal_event =
        event_new(supervisor->base, supervisor->signal_fd, EV_READ | EV_PERSIST, on_signal, supervisor);
    if (supervisor->signal_event == NULL || event_add(supervisor->signal_event, NULL) != 0)
        return AMP_ERR_OUT_OF_MEMORY;
    return AMP_OK;
}

static enum amp_err start_children(struct amp_supervisor *supervisor)
{
    static const enum amp_role roles[AMP_CHILDREN] = {AMP_ROLE_FRONT, AMP_ROLE_COURIER, AMP_ROLE_KEEPER,
                                                      AMP_ROLE_SCRIBE};
    static const size_t order[AMP_CHILDREN] = {AMP_CHILD_SCRIBE, AMP_CHILD_KEEPER, AMP_CHILD_COURIER, AMP_CHILD_FRONT};
    for (size_t i = 0; i < AMP_CHILDREN; i++) {
        supervisor->children[i].supervisor = supervisor;
        supervisor->children[i].role = roles[i];
    }
    for (size_t i = 0; i < AMP_CHILDREN; i++) {
        enum amp_err err = amp_child_start(&supervisor->children[order[i]]);
        if (err != AMP_OK) {
            amp_log_text(AMP_LOG_ERROR, "a role cannot be started", "role", amp_role_name(roles[order[i]]));
            return err;
        }
    }
    return AMP_OK;
}

static enum amp_err set_up(struct amp_supervisor *supervisor)
{
    supervisor->base = event_base_new();
    if (supervisor->base == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    supervisor->stage_timer = evtimer_new(supervisor->base, on_stage_timeout, supervisor);
    enum amp_err err = supervisor->stage_timer != NULL ? watch_signals(supervisor) : AMP_ERR_OUT_OF_MEMORY;
    if (err == AMP_OK)
        err = amp_recorder_new(&supervisor->recorder, supervisor->base, on_durable, supervisor);
    if (err != AMP_OK)
        return err;
    amp_recorder_on_violation(supervisor->recorder, on_log_violation, supervisor);
    amp_supervisor_record(supervisor, AMP_ACT_SERVICE_START, AMP_OUTCOME_SUCCESS, AMP_OK, "supervisor",
                          supervisor->config.keys.provider == AMP_CONFIG_PROVIDER_FILE ? "file" : "ephemeral");
    err = amp_admin_socket_open(supervisor);
    if (err == AMP_OK && supervisor->config.dev)
        err = amp_dev_new(&supervisor->dev, supervisor);
    if (err == AMP_OK)
        err = amp_names_watch(supervisor);
    if (err == AMP_OK)
        err = start_children(supervisor);
    return err;
}

static void tear_down(struct amp_supervisor *supervisor)
{
    amp_horizon_close(supervisor);
    amp_names_close(supervisor);
    amp_dev_free(supervisor->dev);
    amp_children_kill(supervisor);
    amp_admin_socket_close(supervisor);
    amp_recorder_free(supervisor->recorder);
    if (supervisor->signal_event != NULL)
        event_free(supervisor->signal_event);
    if (supervisor->signal_fd >= 0)
        close(supervisor->signal_fd);
    if (supervisor->stage_timer != NULL)
        event_free(supervisor->stage_timer);
    if (supervisor->base != NULL)
        event_base_free(supervisor->base);
}

int amp_supervisor_run(struct amp_supervisor *supervisor)
{
    supervisor->clock = amp_clock_system();
    supervisor->admin_fd = -1;
    supervisor->signal_fd = -1;
    supervisor->status = 0;
    if (set_up(supervisor) == AMP_OK)
        amp_role_serve(supervisor->base);
    else
        supervisor->status = 1;
    tear_down(supervisor);
    return supervisor->status;
}
