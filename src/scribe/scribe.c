/*
 * Group commit: every packet at hand is read and appended in memory, then one write and one sync serve all that wait;
 * while the disk syncs, further packets gather in the sockets.
 *
 * A log that cannot be written is no reason to die: what is at hand stays in memory, the peers are told that the log is
 * not writable and refuse work, and every second it is tried again. Only where memory is full too, reading stops.
 */
#include "scribe/scribe.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/time.h>
#include <unistd.h>

#include <event2/event.h>

#include "audit/chain.h"
#include "base/log.h"
#include "scribe/watch.h"

enum {
    TICK_MS = 1000,
    PENDING_SYNC_BYTES = 4 << 20, /* synced without being asked once so much waits */
    KEY_LINK_INDEX = 1,
};

struct peer {
    TAILQ_ENTRY(peer) next;
    struct scribe *scribe;
    struct amp_link *link;
    enum amp_role role;
    uint8_t index;
    bool greeted;
    uint64_t received; /* numbers of its events: up to here they are in the chain, */
    uint64_t written;  /* in the file, */
    uint64_t durable;  /* on the disk, */
    uint64_t told_written;
    uint64_t told_durable;
    uint8_t told_writable; /* 0, 1; 2: never told */
};

struct scribe {
    const struct amp_role_env *env;
    struct event_base *base;
    struct amp_clock clock;
    struct amp_chain *chain; /* NULL until it could be opened */
    uint64_t told_seq;       /* see AMP_IPC_LOG_END */
    uint64_t lost;           /* records that were durable and are gone; to be recorded */
    struct amp_link *control;
    struct amp_link *keeper; /* for the log's key */
    TAILQ_HEAD(, peer) peers;
    struct event *flush;
    struct event *tick;
    bool sync_wanted;
    bool writable;
    bool said_broken;
    bool ready;
    struct amp_clock_watch watch;
    int status;
};

static bool is_begun(const struct scribe *scribe)
{
    return scribe->chain != NULL && amp_chain_started(scribe->chain);
}

static void stop(struct scribe *scribe, int status)
{
    scribe->status = status;
    event_base_loopbreak(scribe->base);
}

static void want_flush(struct scribe *scribe)
{
    static const struct timeval at_once = {0, 0};
    if (!event_pending(scribe->flush, EV_TIMEOUT, NULL))
        event_add(scribe->flush, &at_once);
}

static void tell_supervisor(struct scribe *scribe, enum amp_ipc_type type, struct amp_slice payload)
{
    if (amp_link_send(scribe->control, type, payload, -1) != AMP_OK)
        stop(scribe, 1);
}

static void report_violation(struct scribe *scribe, enum amp_role role)
{
    const uint8_t byte = (uint8_t)role;
    amp_log_text(AMP_LOG_ERROR, "a role broke the table of messages", "role", amp_role_name(role));
    tell_supervisor(scribe, AMP_IPC_VIOLATION, amp_slice(&byte, 1));
}

static void pause_all(struct scribe *scribe, bool paused)
{
    struct peer *peer;
    TAILQ_FOREACH(peer, &scribe->peers, next)
    amp_link_pause(peer->link, paused);
}

static void peer_free(struct peer *peer)
{
    TAILQ_REMOVE(&peer->scribe->peers, peer, next);
    amp_link_free(peer->link);
    free(peer);
}

static void tell_peer(struct peer *peer, bool writable)
{
    if (!peer->greeted || (peer->told_written == peer->written && peer->told_durable == peer->durable &&
                           peer->told_writable == (writable ? 1 : 0)))
        return;
    uint8_t storage[17];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_ipc_put_u64(&out, peer->written);
    amp_ipc_put_u64(&out, peer->durable);
    amp_ipc_put_u8(&out, writable ? 1 : 0);
    if (amp_link_send(peer->link, AMP_IPC_RECORDED, amp_out_done(&out), -1) != AMP_OK)
        return; /* it is about to be closed */
    peer->told_written = peer->written;
    peer->told_durable = peer->durable;
    peer->told_writable = writable ? 1 : 0;
}

/* Says once that the log broke, and once that it is well again. */
static void note_health(struct scribe *scribe, bool writable, int errnum)
{
    if (!writable && !scribe->said_broken)
        amp_log_errno(AMP_LOG_ERROR, "the event log cannot be written: no work is accepted until it can", errnum);
    if (writable && scribe->said_broken)
        amp_log(AMP_LOG_WARN, "the event log can be written again");
    scribe->said_broken = !writable;
    scribe->writable = writable;
}

/* One write, and one sync where somebody wants it, for all. */
static void flush_all(struct scribe *scribe)
{
    struct peer *peer;
    if (!is_begun(scribe))
        return;
    bool sync = scribe->sync_wanted || amp_chain_pending(scribe->chain) > PENDING_SYNC_BYTES;
    enum amp_err err = sync ? amp_chain_sync(scribe->chain) : amp_chain_write(scribe->chain);
    int errnum = errno;
    bool writable = err == AMP_OK;
    if (writable && !amp_chain_reserved(scribe->chain)) {
        writable = false;
        errnum = ENOSPC;
    }
    note_health(scribe, writable, errnum);
    scribe->sync_wanted = scribe->sync_wanted && err != AMP_OK;
    TAILQ_FOREACH(peer, &scribe->peers, next)
    {
        if (err == AMP_OK)
            peer->written = peer->received;
        if (err == AMP_OK && sync)
            peer->durable = peer->received;
        tell_peer(peer, writable);
    }
    pause_all(scribe, amp_chain_full(scribe->chain));
    if (writable && !scribe->ready) {
        scribe->ready = true;
        tell_supervisor(scribe, AMP_IPC_READY, amp_slice(NULL, 0));
    }
}

static void on_flush(evutil_socket_t fd, short what, void *ctx)
{
    flush_all(ctx);
}

/* Appends the events of one packet; false where one of them is malformed. */
static bool append_events(struct peer *peer, struct amp_slice events)
{
    struct amp_event event;
    size_t used;
    while (events.len != 0) {
        if (amp_event_unpack(&event, events, &used) != AMP_OK)
            return false;
        if (amp_chain_append(peer->scribe->chain, &event, amp_role_name(peer->role)) != AMP_OK)
            amp_fatal("a record could not be added to the event log");
        peer->received++;
        events = amp_slice(events.ptr + used, events.len - used);
    }
    return true;
}

static bool on_records(struct peer *peer, struct amp_slice payload)
{
    struct scribe *scribe = peer->scribe;
    struct amp_ipc_in in = {payload, false};
    uint64_t first = amp_ipc_get_u64(&in);
    uint8_t sync = amp_ipc_get_u8(&in);
    if (in.bad || first == 0 || sync > 1)
        return false;
    if (!peer->greeted) {
        peer->greeted = true;
        peer->received = first - 1;
        peer->written = peer->durable = first - 1; /* an earlier life wrote them; opening the log synced them */
    }
    amp_clock_hold(); /* each record asks whether its epoch is over */
    bool appended = first == peer->received + 1 && append_events(peer, in.left);
    amp_clock_let_go();
    if (!appended)
        return false;
    scribe->sync_wanted = scribe->sync_wanted || sync == 1;
    if (amp_chain_full(scribe->chain))
        pause_all(scribe, true); /* the room left is for what others are reading right now */
    want_flush(scribe);
    return true;
}

static bool on_peer_message(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    return type == AMP_IPC_RECORDS && on_records(ctx, payload);
}

static void on_peer_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct peer *peer = ctx;
    if (violation)
        report_violation(peer->scribe, peer->role);
    peer_free(peer);
}

static void add_peer(struct scribe *scribe, enum amp_role role, uint8_t index, int fd)
{
    struct peer *peer;
    TAILQ_FOREACH(peer, &scribe->peers, next)
    {
        if (peer->role == role && peer->index == index) {
            peer_free(peer);
            break;
        }
    }
    peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        amp_fatal("no memory for a link");
    *peer = (struct peer){.scribe = scribe, .role = role, .index = index, .told_writable = 2};
    const struct amp_link_config config = {.base = scribe->base,
                                           .self = AMP_ROLE_SCRIBE,
                                           .peer = role,
                                           .ctx = peer,
                                           .message = on_peer_message,
                                           .closed = on_peer_closed};
    if (amp_link_new(&peer->link, &config, fd) != AMP_OK)
        amp_fatal("no memory for a link");
    TAILQ_INSERT_TAIL(&scribe->peers, peer, next);
    amp_link_pause(peer->link, !is_begun(scribe));
}

static void ask_for_key(struct scribe *scribe)
{
    if (scribe->keeper != NULL && scribe->chain != NULL && !is_begun(scribe) &&
        amp_link_send(scribe->keeper, AMP_IPC_LOG_KEY_GET, amp_slice(NULL, 0), -1) != AMP_OK)
        amp_log(AMP_LOG_WARN, "the keeper could not be asked for the event log's key");
}

/* The log as it was found against what an earlier life of this daemon made durable. */
static void note_end(struct scribe *scribe)
{
    const struct amp_role_env *env = scribe->env;
    uint8_t hash[sizeof(env->log_hash)];
    uint64_t seq = amp_chain_end(scribe->chain, hash);
    /* lint: allow memcmp-secret, a hash of what lies in the log */
    bool other = seq == env->log_seq && memcmp(hash, env->log_hash, sizeof(hash)) != 0;
    scribe->lost = seq < env->log_seq ? env->log_seq - seq : other ? 1 : 0;
}

static void record_loss(struct scribe *scribe)
{
    const struct amp_event event = {.unix_ms = amp_clock_unix_ms(&scribe->clock),
                                    .act = AMP_ACT_LOG_TORN,
                                    .outcome = AMP_OUTCOME_FAILURE,
                                    .code = AMP_ERR_NOT_AUTHENTIC,
                                    .alarm = true,
                                    .count = scribe->lost};
    if (scribe->lost == 0)
        return;
    amp_log_num(AMP_LOG_ERROR, "the event log was cut or changed while no scribe ran", "records",
                (int64_t)scribe->lost);
    if (amp_chain_append(scribe->chain, &event, "scribe") != AMP_OK)
        amp_log(AMP_LOG_ERROR, "that the log was cut could not be recorded");
    scribe->lost = 0;
}

static bool on_log_key(struct scribe *scribe, struct amp_slice payload)
{
    struct amp_ipc_in in = {payload, false};
    struct amp_key256 *key = amp_secret_alloc(sizeof(*key));
    if (key == NULL)
        amp_fatal("no secret memory for the event log's key");
    uint32_t err = amp_ipc_get_u32(&in);
    amp_ipc_get_fixed(&in, key->bytes, sizeof(key->bytes));
    struct amp_slice wrapped = amp_ipc_get_bytes(&in, 512);
    bool good = amp_ipc_end(&in);
    if (good && err == AMP_OK && scribe->chain != NULL && !is_begun(scribe)) {
        if (amp_chain_start(scribe->chain, key, wrapped) != AMP_OK)
            amp_fatal("the event log could not be begun");
        record_loss(scribe);
        scribe->sync_wanted = true;
        pause_all(scribe, false);
        want_flush(scribe);
    }
    amp_secret_free(key);
    return good;
}

static bool on_keeper_message(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload,
                              int fd)
{
    return type == AMP_IPC_LOG_KEY && on_log_key(ctx, payload);
}

static void on_keeper_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct scribe *scribe = ctx;
    if (violation)
        report_violation(scribe, AMP_ROLE_KEEPER);
    amp_link_free(scribe->keeper);
    scribe->keeper = NULL;
}

static void attach_keeper(struct scribe *scribe, int fd)
{
    amp_link_free(scribe->keeper);
    scribe->keeper = NULL;
    const struct amp_link_config config = {.base = scribe->base,
                                           .self = AMP_ROLE_SCRIBE,
                                           .peer = AMP_ROLE_KEEPER,
                                           .ctx = scribe,
                                           .message = on_keeper_message,
                                           .closed = on_keeper_closed};
    if (amp_link_new(&scribe->keeper, &config, fd) != AMP_OK)
        amp_fatal("no memory for a link");
    ask_for_key(scribe);
}

/* A jump before the log has begun waits until it has. */
static void watch_clock(struct scribe *scribe)
{
    struct amp_event event;
    if (!is_begun(scribe) || !amp_clock_watch_look(&scribe->watch, &event))
        return;
    if (amp_chain_append(scribe->chain, &event, "scribe") != AMP_OK)
        amp_log(AMP_LOG_ERROR, "a jump of the clock could not be recorded");
}

/* What is durable now must be there in the next life too. */
static void tell_end(struct scribe *scribe)
{
    uint8_t storage[8 + 32];
    uint8_t hash[32];
    struct amp_out payload = amp_out(storage, sizeof(storage));
    uint64_t seq = amp_chain_end(scribe->chain, hash);
    if (amp_chain_pending(scribe->chain) != 0 || seq == scribe->told_seq)
        return;
    amp_ipc_put_u64(&payload, seq);
    amp_out_bytes(&payload, hash, sizeof(hash));
    tell_supervisor(scribe, AMP_IPC_LOG_END, amp_out_done(&payload));
    scribe->told_seq = seq;
}

/*
 * A log that cannot be opened now, such as one whose unfinished last line finds no room to be set aside, is tried again
 * each second. One whose end is not ours is for somebody to look at.
 */
static void open_chain(struct scribe *scribe)
{
    const struct amp_chain_config config = {.dir_fd = scribe->env->state_fd,
                                            .names = scribe->env->log_names,
                                            .clock = scribe->clock,
                                            .file_max_bytes = AMP_CHAIN_FILE_MAX,
                                            .epoch_ms = AMP_CHAIN_EPOCH_MS,
                                            .epoch_records = AMP_CHAIN_EPOCH_RECORDS};
    enum amp_err err = amp_chain_open(&scribe->chain, &config);
    int errnum = errno;
    if (err == AMP_OK) {
        note_end(scribe);
        ask_for_key(scribe);
    } else if (err == AMP_ERR_IO && errnum == ENOENT) {
        amp_log(AMP_LOG_ERROR, "the event log's newest file was moved away: it takes a new scribe to find another");
        stop(scribe, 1);
    } else if (err == AMP_ERR_IO) {
        note_health(scribe, false, errnum);
    } else {
        amp_log(AMP_LOG_ERROR,
                err == AMP_ERR_INVALID
                    ? "the event log's last line is not one of ours: look into it, then move its files away"
                    : "the event log could not be opened");
        stop(scribe, 1);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct scribe *scribe = ctx;
    if (scribe->chain == NULL)
        open_chain(scribe);
    else
        ask_for_key(scribe);
    watch_clock(scribe);
    if (!is_begun(scribe))
        return;
    if (amp_chain_seal(scribe->chain, false) != AMP_OK)
        amp_log(AMP_LOG_ERROR, "the log's epoch could not be ended");
    scribe->sync_wanted = scribe->sync_wanted || amp_chain_pending(scribe->chain) != 0;
    flush_all(scribe);
    tell_end(scribe);
}

/* Everybody else is gone: ends the epoch and makes all durable. */
static void drain(struct scribe *scribe)
{
    enum amp_err err = is_begun(scribe) ? amp_chain_seal(scribe->chain, true) : AMP_ERR_AUDIT_UNAVAILABLE;
    if (err == AMP_OK)
        err = amp_chain_sync(scribe->chain);
    if (err != AMP_OK)
        amp_log(AMP_LOG_ERROR, "the event log could not be completed");
    stop(scribe, err == AMP_OK ? 0 : 1);
}

static void reload(struct scribe *scribe, int fd)
{
    static struct amp_config config; /* large, and wanted for its log level alone */
    if (scribe->env->config_read(&config, fd) == AMP_OK)
        amp_log_set_level(config.log_level);
    close(fd);
}

static bool on_link(struct scribe *scribe, struct amp_slice payload, int fd)
{
    uint8_t role = payload.ptr[0];
    uint8_t index = payload.ptr[1];
    if (role == AMP_ROLE_KEEPER && index == KEY_LINK_INDEX)
        attach_keeper(scribe, fd);
    else if (role == AMP_ROLE_FRONT || role == AMP_ROLE_KEEPER || role == AMP_ROLE_COURIER ||
             role == AMP_ROLE_SUPERVISOR)
        add_peer(scribe, (enum amp_role)role, index, fd);
    else
        close(fd);
    return true;
}

static bool on_control(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct scribe *scribe = ctx;
    if (type == AMP_IPC_LINK)
        return on_link(scribe, payload, fd);
    if (type == AMP_IPC_DRAIN)
        drain(scribe);
    if (type == AMP_IPC_RELOAD)
        reload(scribe, fd);
    return true;
}

static void on_control_closed(void *ctx, struct amp_link *link, bool violation)
{
    stop(ctx, 1);
}

static enum amp_err set_up(struct scribe *scribe)
{
    const struct amp_link_config control = {.base = scribe->base,
                                            .self = AMP_ROLE_SCRIBE,
                                            .peer = AMP_ROLE_SUPERVISOR,
                                            .ctx = scribe,
                                            .message = on_control,
                                            .closed = on_control_closed};
    static const struct timeval tick = {TICK_MS / 1000, 0};
    scribe->flush = evtimer_new(scribe->base, on_flush, scribe);
    scribe->tick = event_new(scribe->base, -1, EV_PERSIST, on_tick, scribe);
    if (scribe->flush == NULL || scribe->tick == NULL || event_add(scribe->tick, &tick) != 0)
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = amp_link_new(&scribe->control, &control, scribe->env->control_fd);
    if (err == AMP_OK)
        open_chain(scribe);
    return err;
}

static void tear_down(struct scribe *scribe)
{
    for (struct peer *next, *peer = TAILQ_FIRST(&scribe->peers); peer != NULL; peer = next) {
        next = TAILQ_NEXT(peer, next);
        peer_free(peer);
    }
    amp_link_free(scribe->keeper);
    amp_link_free(scribe->control);
    if (scribe->flush != NULL)
        event_free(scribe->flush);
    if (scribe->tick != NULL)
        event_free(scribe->tick);
    amp_chain_free(scribe->chain);
    event_base_free(scribe->base);
}

int amp_scribe_main(const struct amp_role_env *env)
{
    struct scribe scribe = {.env = env, .clock = amp_clock_system(), .status = 1};
    TAILQ_INIT(&scribe.peers);
    amp_clock_watch_init(&scribe.watch, scribe.clock);
    scribe.told_seq = env->log_seq;
    scribe.base = event_base_new();
    if (scribe.base == NULL)
        return 1;
    if (set_up(&scribe) == AMP_OK)
        amp_role_serve(scribe.base);
    tear_down(&scribe);
    return scribe.status;
}
