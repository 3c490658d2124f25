/*
 * The lives of the roles. Whenever one starts, new links are made between it and every peer that runs; the peer takes
 * a new link for a role and index as the end of the old one.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "daemon/role.h"
#include "daemon/starter.h"
#include "daemon/supervisor.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 5000, QUICK_MS = 10000, QUICK_DEATHS_MAX = 10, NEVER_SERVED_MAX = 4 };
enum { RESUME_MAX = 96 };
enum { START_S = 30, END_S = 10 }; /* a starter tells of the start after the order, of the end once there is one */

/* Which roles are linked, and by how many links; 0: one for each worker of front. */
static const struct {
    size_t a;
    size_t b;
    uint32_t count;
} pairs[] = {
    {AMP_CHILD_FRONT, AMP_CHILD_KEEPER, 0},
    {AMP_CHILD_FRONT, AMP_CHILD_SCRIBE, 0},
    {AMP_CHILD_FRONT, AMP_CHILD_COURIER, 1},
    {AMP_CHILD_KEEPER, AMP_CHILD_COURIER, 1},
    {AMP_CHILD_COURIER, AMP_CHILD_SCRIBE, 1},
    {AMP_CHILD_KEEPER, AMP_CHILD_SCRIBE, 2}, /* 0 for the keeper's records, 1 for the log's key */
};

void amp_child_send(struct amp_child *child, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    if (child->control != NULL && amp_link_send(child->control, type, payload, fd) != AMP_OK)
        amp_log_text(AMP_LOG_WARN, "a role could not be told something", "role", amp_role_name(child->role));
}

static void send_link(struct amp_child *child, enum amp_role peer, uint32_t index, int fd)
{
    const uint8_t payload[2] = {(uint8_t)peer, (uint8_t)index};
    amp_child_send(child, AMP_IPC_LINK, amp_slice(payload, sizeof(payload)), fd);
}

static void link_pair(struct amp_child *a, struct amp_child *b, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++) {
        int fds[2];
        if (amp_link_pair(fds) != AMP_OK) {
            amp_log_errno(AMP_LOG_ERROR, "a link between roles cannot be made", errno);
            return;
        }
        send_link(a, b->role, index, fds[0]);
        send_link(b, a->role, index, fds[1]);
        close(fds[0]);
        close(fds[1]);
    }
}

static void link_own_recorder(struct amp_supervisor *supervisor)
{
    int fds[2];
    if (amp_link_pair(fds) != AMP_OK) {
        amp_log_errno(AMP_LOG_ERROR, "a link between roles cannot be made", errno);
        return;
    }
    send_link(&supervisor->children[AMP_CHILD_SCRIBE], AMP_ROLE_SUPERVISOR, 0, fds[1]);
    close(fds[1]);
    amp_recorder_attach(supervisor->recorder, AMP_ROLE_SUPERVISOR, fds[0]);
}

static void link_to_peers(struct amp_child *child)
{
    struct amp_supervisor *supervisor = child->supervisor;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct amp_child *a = &supervisor->children[pairs[i].a];
        struct amp_child *b = &supervisor->children[pairs[i].b];
        if ((child == a || child == b) && amp_child_runs(a) && amp_child_runs(b))
            link_pair(a, b, pairs[i].count != 0 ? pairs[i].count : supervisor->config.workers);
    }
    if (child->role == AMP_ROLE_SCRIBE)
        link_own_recorder(supervisor);
}

static void punish(struct amp_supervisor *supervisor, enum amp_role role, const char *witness)
{
    amp_supervisor_record(supervisor, AMP_ACT_ROLE_VIOLATION, AMP_OUTCOME_REFUSED, AMP_ERR_INVALID, witness,
                          amp_role_name(role));
    for (size_t i = 0; i < AMP_CHILDREN; i++) {
        struct amp_child *child = &supervisor->children[i];
        if (child->role != role || !amp_child_runs(child))
            continue;
        amp_log_text(AMP_LOG_ERROR, "a role broke the table of messages and is killed", "role", amp_role_name(role));
        child->punished = true;
        amp_child_kill(child);
    }
}

/*
 * A role that was taken over could name the others again and again, front with its vault before all: who accuses twice
 * within QUICK_MS is as suspect as the accused. Further links of one that is being punished accuse nobody anew.
 */
static void on_accusation(struct amp_child *witness, enum amp_role named)
{
    struct amp_supervisor *supervisor = witness->supervisor;
    const int64_t now = amp_clock_mono_ms(&supervisor->clock);
    for (size_t i = 0; i < AMP_CHILDREN; i++) {
        const struct amp_child *child = &supervisor->children[i];
        if (child->role == named && (!amp_child_runs(child) || child->punished))
            return;
    }
    bool again = witness->accused_mono_ms != 0 && now - witness->accused_mono_ms < QUICK_MS;
    witness->accused_mono_ms = now;
    punish(supervisor, named, amp_role_name(witness->role));
    if (again)
        punish(supervisor, witness->role, "supervisor");
}

static bool on_status(struct amp_supervisor *supervisor, struct amp_slice payload)
{
    struct amp_ipc_in in = {payload, false};
    uint64_t accepted_s = amp_ipc_get_u64(&in);
    uint64_t live_tokens = amp_ipc_get_u64(&in);
    uint64_t live_messages = amp_ipc_get_u64(&in);
    if (!amp_ipc_end(&in) || !amp_horizon_note(supervisor, accepted_s))
        return false;
    supervisor->live_tokens = live_tokens;
    supervisor->live_messages = live_messages;
    return true;
}

static bool on_log_end(struct amp_supervisor *supervisor, struct amp_slice payload)
{
    struct amp_ipc_in in = {payload, false};
    supervisor->log_seq = amp_ipc_get_u64(&in);
    amp_ipc_get_fixed(&in, supervisor->log_hash, sizeof(supervisor->log_hash));
    return amp_ipc_end(&in);
}

/* All four are linked to each other: a witness may name the three that are not itself. */
static bool is_peer(enum amp_role witness, uint8_t named)
{
    return named != witness && (named == AMP_ROLE_FRONT || named == AMP_ROLE_KEEPER || named == AMP_ROLE_SCRIBE ||
                                named == AMP_ROLE_COURIER);
}

static bool on_message(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct amp_child *child = ctx;
    if (type == AMP_IPC_READY) {
        child->ready = child->served = true;
        amp_supervisor_child_ready(child);
        return true;
    }
    if (type == AMP_IPC_LOG_END)
        return on_log_end(child->supervisor, payload);
    if (type == AMP_IPC_STATUS)
        return on_status(child->supervisor, payload);
    if (type != AMP_IPC_VIOLATION || !is_peer(child->role, payload.ptr[0]))
        return false;
    on_accusation(child, (enum amp_role)payload.ptr[0]);
    return true;
}

static void expect(struct amp_child *child, int seconds)
{
    const struct timeval patience = {seconds, 0};
    if (child->patience == NULL || evtimer_add(child->patience, &patience) != 0)
        amp_supervisor_stop(child->supervisor, 1);
}

static void expect_end(struct amp_child *child)
{
    child->begun = true;
    expect(child, END_S);
}

static void on_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct amp_child *child = ctx;
    amp_link_free(child->control);
    child->control = NULL;
    if (violation)
        punish(child->supervisor, child->role, "supervisor");
    else if (child->starter != NULL)
        expect_end(child);
    /* The process has ended, or is about to: reaping tells. */
}

static enum amp_err gather_fds(struct amp_supervisor *supervisor, enum amp_role role, struct amp_role_fds *fds,
                               int control[2])
{
    *fds = (struct amp_role_fds){.control = -1,
                                 .config = -1,
                                 .state = -1,
                                 .tls = {-1, -1, -1},
                                 .push_ca = -1,
                                 .binary = amp_role_binary(),
                                 .empty = supervisor->state.empty_fd,
                                 .workers = supervisor->config.workers,
                                 .user = amp_users_of(&supervisor->users, role)};
    if (amp_link_pair(control) != AMP_OK)
        return AMP_ERR_IO;
    fds->control = control[1];
    fds->config = amp_memfd_sealed("ampoule-config", amp_slice(supervisor->text, supervisor->text_len));
    if (fds->config < 0)
        return AMP_ERR_IO;
    if (role == AMP_ROLE_KEEPER)
        fds->state = supervisor->state.keys_fd;
    if (role == AMP_ROLE_SCRIBE)
        fds->state = supervisor->state.audit_fd;
    if (role == AMP_ROLE_COURIER) {
        amp_push_roots_rewind(supervisor->push_ca);
        fds->push_ca = supervisor->push_ca;
    }
    if (role != AMP_ROLE_FRONT)
        return AMP_OK;
    if (!supervisor->listen.open && amp_listen_renew(&supervisor->listen) != AMP_OK)
        return AMP_ERR_IO;
    fds->listen = &supervisor->listen;
    amp_tls_files_rewind(&supervisor->tls);
    memcpy(fds->tls, supervisor->tls.fds, sizeof(fds->tls));
    return AMP_OK;
}

/* What a new life must know of the one before; false: nothing. */
static bool write_resume(const struct amp_child *child, char resume[RESUME_MAX])
{
    struct amp_supervisor *supervisor = child->supervisor;
    struct amp_out text = amp_out(resume, RESUME_MAX - 1);
    if (child->role == AMP_ROLE_FRONT) {
        supervisor->live_tokens = supervisor->live_messages = 0;
        amp_out_u64(&text, (uint64_t)amp_horizon_next(supervisor));
    }
    if (child->role == AMP_ROLE_SCRIBE && supervisor->log_seq != 0) {
        amp_out_u64(&text, supervisor->log_seq);
        amp_out_byte(&text, ':');
        amp_out_hex(&text, supervisor->log_hash, sizeof(supervisor->log_hash));
    }
    return text.len != 0;
}

static void bury(struct amp_child *child, int wait_status);

static void end_starter(struct amp_child *child)
{
    int fd = event_get_fd(child->starter);
    event_free(child->starter);
    child->starter = NULL;
    evtimer_del(child->patience);
    close(fd);
}

/* Its starter hangs, perhaps with the role: as little is known as if both were killed, and nothing is waited for. */
static void on_impatience(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_child *child = ctx;
    amp_log_text(AMP_LOG_ERROR, "a starter tells nothing: it is given up", "role", amp_role_name(child->role));
    end_starter(child);
    bury(child, W_EXITCODE(0, SIGKILL));
}

static void on_starter(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_child *child = ctx;
    int wait_status = amp_starter_reap(fd);
    if (WIFCONTINUED(wait_status)) {
        if (!child->begun)
            evtimer_del(child->patience);
        child->begun = true;
        return;
    }
    end_starter(child);
    bury(child, wait_status);
}

static enum amp_err order(struct amp_child *child, const struct amp_role_fds *fds)
{
    struct amp_supervisor *supervisor = child->supervisor;
    int fd = -1;
    if (child->patience == NULL)
        child->patience = evtimer_new(supervisor->base, on_impatience, child);
    if (child->patience == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = amp_starter_order(&fd, supervisor->options->starters, child->role, fds, !child->served);
    if (err == AMP_ERR_NOT_PERMITTED)
        amp_supervisor_record(supervisor, AMP_ACT_ROLE_VIOLATION, AMP_OUTCOME_REFUSED, err, "supervisor",
                              amp_role_name(child->role));
    if (err != AMP_OK)
        return err;
    child->starter = event_new(supervisor->base, fd, EV_READ | EV_PERSIST, on_starter, child);
    if (child->starter != NULL && event_add(child->starter, NULL) == 0) {
        child->begun = false;
        expect(child, START_S);
        return AMP_OK;
    }
    if (child->starter != NULL)
        event_free(child->starter);
    child->starter = NULL;
    close(fd);
    return AMP_ERR_OUT_OF_MEMORY;
}

static enum amp_err spawn(struct amp_child *child, int *control_fd)
{
    struct amp_role_fds fds;
    char resume[RESUME_MAX] = "";
    int control[2] = {-1, -1};
    enum amp_err err = gather_fds(child->supervisor, child->role, &fds, control);
    if (write_resume(child, resume))
        fds.resume = resume;
    if (err == AMP_OK)
        err = child->supervisor->options->starters != NULL ? order(child, &fds)
                                                           : amp_role_spawn(child->role, &fds, &child->pid);
    if (fds.config >= 0)
        close(fds.config);
    if (control[1] >= 0)
        close(control[1]);
    if (err == AMP_OK) {
        *control_fd = control[0];
        return AMP_OK;
    }
    child->pid = 0;
    if (control[0] >= 0)
        close(control[0]);
    return err;
}

enum amp_err amp_child_start(struct amp_child *child)
{
    struct amp_supervisor *supervisor = child->supervisor;
    int control_fd = -1;
    const struct amp_link_config config = {.base = supervisor->base,
                                           .self = AMP_ROLE_SUPERVISOR,
                                           .peer = child->role,
                                           .ctx = child,
                                           .message = on_message,
                                           .closed = on_closed};
    child->ready = child->draining = child->punished = false;
    child->accused_mono_ms = 0;
    child->started_mono_ms = amp_clock_mono_ms(&supervisor->clock);
    if (child->role == AMP_ROLE_COURIER)
        amp_names_take(supervisor);
    enum amp_err err = spawn(child, &control_fd);
    if (err != AMP_OK)
        return err;
    err = amp_link_new(&child->control, &config, control_fd);
    if (err != AMP_OK) {
        amp_child_kill(child);
        return err;
    }
    if (child->role == AMP_ROLE_KEEPER && supervisor->kek != NULL)
        amp_child_send(child, AMP_IPC_KEK, amp_slice(supervisor->kek->bytes, sizeof(supervisor->kek->bytes)), -1);
    link_to_peers(child);
    amp_supervisor_record(supervisor, AMP_ACT_ROLE_START, AMP_OUTCOME_SUCCESS, AMP_OK, "supervisor",
                          amp_role_name(child->role));
    return AMP_OK;
}

static void restart_later(struct amp_child *child);

static void on_restart(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_child *child = ctx;
    if (amp_child_start(child) != AMP_OK && !amp_child_runs(child))
        restart_later(child);
}

/* Soon at first, then ever more patiently; in the end not at all. */
static void restart_later(struct amp_child *child)
{
    struct amp_supervisor *supervisor = child->supervisor;
    bool quick = amp_clock_mono_ms(&supervisor->clock) - child->started_mono_ms < QUICK_MS;
    child->quick_deaths = quick ? child->quick_deaths + 1 : 1;
    if (child->quick_deaths >= (supervisor->served ? QUICK_DEATHS_MAX : NEVER_SERVED_MAX)) {
        amp_log_text(AMP_LOG_ERROR, "a role cannot be kept alive: giving up", "role", amp_role_name(child->role));
        amp_supervisor_stop(supervisor, 1);
        return;
    }
    long delay_ms = BACKOFF_FIRST_MS << (child->quick_deaths - 1);
    if (delay_ms > BACKOFF_MAX_MS)
        delay_ms = BACKOFF_MAX_MS;
    const struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};
    if (child->restart == NULL)
        child->restart = evtimer_new(supervisor->base, on_restart, child);
    if (child->restart == NULL || evtimer_add(child->restart, &delay) != 0)
        amp_supervisor_stop(supervisor, 1);
}

/* With front go the vault and the queues: one record for what each held. */
static void record_death(struct amp_supervisor *supervisor, const struct amp_child *child)
{
    bool front = child->role == AMP_ROLE_FRONT;
    const char *name = amp_role_name(child->role);
    amp_supervisor_record_count(supervisor, AMP_ACT_ROLE_DIED, AMP_OUTCOME_FAILURE, AMP_ERR_INTERNAL, "supervisor",
                                name, front ? supervisor->live_tokens : 0);
    if (front && supervisor->live_messages != 0)
        amp_supervisor_record_count(supervisor, AMP_ACT_MESSAGE_LOSE, AMP_OUTCOME_FAILURE, AMP_ERR_INTERNAL,
                                    "supervisor", name, supervisor->live_messages);
}

/* Another try would be refused as well. */
static bool is_refused(const struct amp_child *child, int wait_status)
{
    const struct amp_supervisor *supervisor = child->supervisor;
    return supervisor->options->starters != NULL && !supervisor->served && WIFEXITED(wait_status) &&
           WEXITSTATUS(wait_status) == AMP_STARTER_REFUSED;
}

static void note_death(struct amp_child *child, int wait_status)
{
    const char *name = amp_role_name(child->role);
    if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGSYS)
        amp_supervisor_record(child->supervisor, AMP_ACT_ROLE_VIOLATION, AMP_OUTCOME_REFUSED, AMP_ERR_SANDBOX_VIOLATION,
                              "supervisor", name); /* the kernel ended it, see room sandbox */
    if (WIFSIGNALED(wait_status))
        amp_log_num(AMP_LOG_ERROR, "a role died by a signal", name, WTERMSIG(wait_status));
    else
        amp_log_num(AMP_LOG_ERROR, "a role ended unasked", name, WEXITSTATUS(wait_status));
    record_death(child->supervisor, child);
}

/* It has ended, and was waited for. */
static void bury(struct amp_child *child, int wait_status)
{
    struct amp_supervisor *supervisor = child->supervisor;
    bool asked = child->draining && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
    amp_link_free(child->control);
    child->control = NULL;
    if (!asked)
        note_death(child, wait_status);
    amp_supervisor_child_ended(child, asked);
    if (child->draining || supervisor->stage >= AMP_STAGE_DRAIN_SCRIBE)
        return;
    if (is_refused(child, wait_status)) {
        amp_log_text(AMP_LOG_ERROR, "a role cannot be started as it is configured", "role", amp_role_name(child->role));
        amp_supervisor_stop(supervisor, AMP_STARTER_REFUSED);
        return;
    }
    if (child->role == AMP_ROLE_FRONT && amp_listen_renew(&supervisor->listen) != AMP_OK)
        amp_log(AMP_LOG_WARN, "the next front tries to listen again");
    restart_later(child);
}

void amp_children_reap(struct amp_supervisor *supervisor)
{
    for (size_t i = 0; i < AMP_CHILDREN; i++) {
        struct amp_child *child = &supervisor->children[i];
        int wait_status;
        if (child->pid == 0 || waitpid(child->pid, &wait_status, WNOHANG) != child->pid)
            continue;
        child->pid = 0;
        bury(child, wait_status);
    }
}

bool amp_child_runs(const struct amp_child *child)
{
    return child->pid != 0 || child->starter != NULL;
}

void amp_child_kill(struct amp_child *child)
{
    if (child->pid != 0)
        kill(child->pid, SIGKILL);
    if (child->starter == NULL)
        return;
    amp_starter_kill(event_get_fd(child->starter));
    expect_end(child);
}

void amp_children_kill(struct amp_supervisor *supervisor)
{
    for (size_t i = 0; i < AMP_CHILDREN; i++) {
        struct amp_child *child = &supervisor->children[i];
        if (child->restart != NULL)
            event_free(child->restart);
        child->restart = NULL;
        amp_link_free(child->control);
        child->control = NULL;
        amp_child_kill(child);
    }
    for (size_t i = 0; i < AMP_CHILDREN; i++) {
        struct amp_child *child = &supervisor->children[i];
        if (child->pid != 0)
            waitpid(child->pid, NULL, 0);
        child->pid = 0;
        if (child->starter == NULL)
            continue;
        amp_starter_wait(event_get_fd(child->starter));
        end_starter(child);
    }
    for (size_t i = 0; i < AMP_CHILDREN; i++) {
        if (supervisor->children[i].patience != NULL)
            event_free(supervisor->children[i].patience);
        supervisor->children[i].patience = NULL;
    }
}
