/* A worker's server: accepts connections and keeps their time. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/crypto.h"
#include "net/conn.h"

enum {
    ACCEPTS_PER_TURN = 8, /* each costs memory and the time to close it again */
    SWEEP_MS = 250,
    SWEEP_NS = 300 * 1000, /* at once: a thousand whose time is over together are tens of milliseconds */
    UNSENT_BYTES = 64 * 1024,
};

/* Counting, then scrambling by a bijection: no id comes twice, and none tells how many there were. */
uint64_t amp_net_next_request_id(struct amp_net *net)
{
    uint64_t id;
    do {
        id = net->next_request += 0x9e3779b97f4a7c15u;
        id = (id ^ id >> 30) * 0xbf58476d1ce4e5b9u;
        id = (id ^ id >> 27) * 0x94d049bb133111ebu;
        id ^= id >> 31;
    } while (id == 0);
    return id;
}

static bool is_exempt(const struct amp_net_limits *limits, const struct amp_address *address)
{
    for (size_t i = 0; i < limits->exempt_count; i++) {
        if (amp_address_rule_matches(&limits->exempt[i], address, 0))
            return true;
    }
    return false;
}

static enum amp_err refuse_connection(struct amp_net *net, enum amp_net_refusal why)
{
    amp_net_count_refused(net, why);
    return AMP_ERR_OVERLOADED;
}

/* Random, so that nobody can time his own to be the one that is let in. */
static bool drops_early(struct amp_net *net, const struct amp_net_source *source, struct amp_source *origin)
{
    size_t startups = atomic_load_explicit(&net->commons->startups, memory_order_relaxed);
    uint32_t refused =
        amp_net_is_full_of_secrets(net) ? 100 : amp_net_startups_refused(&net->limits.startups, startups);
    uint32_t draw = 0;
    if (refused == 0)
        return false;
    if (!source->exempt && amp_source_known(net->commons->sources, origin))
        return false;
    return amp_random(&draw, sizeof(draw)) != AMP_OK || draw % 100 < refused;
}

/* Takes `fd` where AMP_OK. */
static enum amp_err admit_from(struct amp_net *net, int fd, const struct amp_net_source *source)
{
    struct amp_sources *sources = net->commons->sources;
    struct amp_source_limits limits = amp_net_limits_of_source(net, source);
    struct amp_source *origin;
    enum amp_err err = amp_source_take(&origin, sources, &source->key, &limits);
    if (err == AMP_ERR_SOURCE_PENALISED)
        return refuse_connection(net, AMP_NET_REFUSED_PENALTY);
    if (err == AMP_ERR_OVERLOADED)
        return refuse_connection(net, AMP_NET_REFUSED_SOURCE);
    if (err != AMP_OK)
        return err;
    err = drops_early(net, source, origin) ? refuse_connection(net, AMP_NET_REFUSED_STARTUPS)
                                           : amp_net_conn_new(net, fd, source, origin);
    if (err != AMP_OK)
        amp_source_give(sources, origin, false);
    return err;
}

static enum amp_err admit(struct amp_net *net, int fd, const struct sockaddr_storage *address)
{
    if (atomic_load_explicit(&net->commons->connections, memory_order_relaxed) >= net->limits.max_connections)
        return refuse_connection(net, AMP_NET_REFUSED_FULL);
    struct amp_net_source source;
    amp_net_source_of(&source, address);
    source.exempt = is_exempt(&net->limits, &source.address);
    enum amp_err err = admit_from(net, fd, &source);
    if (err == AMP_OK)
        atomic_fetch_add_explicit(&net->commons->accepted, 1, memory_order_relaxed);
    return err;
}

/* Out of descriptors or memory: waiting connections stay in the backlog until a sweep tries again. */
static void pause_accepting(struct amp_net *net, int errnum)
{
    amp_log_errno(AMP_LOG_WARN, "accepting connections pauses", errnum);
    for (struct amp_net_listener *listener = net->listeners; listener != NULL; listener = listener->next)
        (void)event_del(&listener->event);
    net->accept_paused = true;
}

static void go_on_accepting(struct amp_net *net)
{
    net->accept_paused = false;
    for (struct amp_net_listener *listener = net->listeners; listener != NULL; listener = listener->next)
        (void)event_add(&listener->event, NULL);
}

/* False where there is nothing more to accept now. A connection that died in the backlog is no reason to stop. */
static bool accept_one(struct amp_net *net, int listen_fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    int fd = accept4(listen_fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        if (admit(net, fd, &address) != AMP_OK)
            (void)close(fd);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        pause_accepting(net, errno);
        return false;
    }
    return errno != EAGAIN && errno != EBADF && errno != EINVAL;
}

static void on_accept(evutil_socket_t listen_fd, short what, void *arg)
{
    struct amp_net *net = arg;
    amp_net_flow_work(net, &net->strangers);
    for (int i = 0; i < ACCEPTS_PER_TURN && accept_one(net, listen_fd); i++)
        continue;
}

/* With `err`, from outside any event of the connection. */
static void refuse_now(struct amp_net_conn *conn, enum amp_err err)
{
    amp_net_conn_refuse(conn, err);
    (void)amp_net_conn_send(conn);
    amp_net_conn_settle(conn);
}

/* It was us who kept it waiting: that is no offence, and its time begins anew, unless that has gone on for too long. */
static void end_deferred(struct amp_net_conn *conn)
{
    struct amp_net *net = conn->net;
    if (net->now_ms - conn->deferred_ms < net->limits.idle_ms) {
        amp_net_phase_enter(conn, conn->phase, true);
    } else if (conn->phase == AMP_NET_HANDSHAKE) {
        conn->said = true; /* it would have, and is not to be taken for a handshake for nothing */
        amp_net_conn_break(conn);
        amp_net_conn_close(conn);
    } else if (conn->phase == AMP_NET_WRITE) {
        amp_net_conn_abandon(conn);
    } else {
        refuse_now(conn, AMP_ERR_OVERLOADED);
    }
}

static bool is_kept_waiting(const struct amp_net_conn *conn)
{
    enum amp_net_phase phase = conn->phase;
    return conn->deferred &&
           (phase == AMP_NET_HANDSHAKE || phase == AMP_NET_HEAD || phase == AMP_NET_BODY || phase == AMP_NET_WRITE);
}

static void end_phase(struct amp_net_conn *conn)
{
    switch (conn->phase) {
    case AMP_NET_HANDSHAKE:
        amp_net_conn_offend(conn, AMP_OFFENCE_DEADLINE);
        amp_net_conn_break(conn);
        amp_net_conn_close(conn);
        return;
    case AMP_NET_IDLE:
        amp_net_conn_rest(conn);
        return;
    case AMP_NET_DORMANT:
        amp_net_conn_part(conn);
        return;
    case AMP_NET_HEAD:
    case AMP_NET_BODY:
        refuse_now(conn, AMP_ERR_REQUEST_TIMEOUT);
        return;
    case AMP_NET_ANSWER:
    case AMP_NET_PARKED:
        refuse_now(conn, AMP_ERR_OVERLOADED);
        return;
    case AMP_NET_WRITE:
        amp_net_conn_offend(conn, AMP_OFFENCE_DEADLINE);
        amp_net_conn_abandon(conn);
        return;
    case AMP_NET_LINGER:
        amp_net_conn_close(conn);
        return;
    case AMP_NET_PHASE_COUNT_:
        break;
    }
    amp_fatal("a connection is in no phase");
}

static void part_stale(struct amp_net *net)
{
    if (!amp_net_is_crowded(net))
        return;
    for (struct amp_net_conn *conn = net->queues[AMP_NET_DORMANT].first, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (!conn->deferred && amp_net_flow_is_stale(conn))
            amp_net_conn_part(conn);
    }
}

/* False where none of `phase` is overdue. */
static bool end_overdue(struct amp_net *net, enum amp_net_phase phase)
{
    struct amp_net_conn *conn = amp_net_phase_overdue(net, phase);
    if (conn == NULL)
        return false;
    amp_net_flow_work(net, conn->flow);
    is_kept_waiting(conn) && !amp_net_phase_is_cut_short(net, phase) ? end_deferred(conn) : end_phase(conn);
    return true;
}

/* One of each phase in turn, from where it stopped: of some phases strangers decide how many are overdue, and nobody
 * else's time is to go on because of them. */
void amp_net_sweep_on(struct amp_net *net)
{
    amp_net_flow_work(net, NULL);
    int64_t until_ns = net->since_ns + SWEEP_NS;
    for (int in_vain = 0; in_vain < AMP_NET_PHASE_COUNT_ && net->since_ns < until_ns;) {
        in_vain = end_overdue(net, net->sweep_phase) ? 0 : in_vain + 1;
        net->sweep_phase = (net->sweep_phase + 1) % AMP_NET_PHASE_COUNT_;
    }
    net->sweeping = net->since_ns >= until_ns;
}

void amp_net_sweep(struct amp_net *net)
{
    amp_net_sweep_on(net);
    amp_net_date_set(&net->date, amp_clock_unix_ms(&net->clock));
    part_stale(net);
    if (net->accept_paused)
        go_on_accepting(net);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    amp_net_sweep(arg);
}

/* Accepted sockets inherit both. Who takes no answers is not to hold megabytes of them in the kernel, sealed for
 * nobody: what was not sent yet stays short. */
static void set_sending(int listen_fd)
{
    static const int on = 1, unsent = UNSENT_BYTES;
    (void)setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(listen_fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

/* The loop has turned: amp_net_turn does the rest. */
static void on_pace(evutil_socket_t fd, short what, void *arg)
{
}

static enum amp_err start_events(struct amp_net *net)
{
    static const struct timeval sweep_period = {.tv_usec = SWEEP_MS * 1000};
    net->sweep_event = event_new(net->base, -1, EV_PERSIST, on_sweep, net);
    net->pace_event = event_new(net->base, -1, 0, on_pace, net);
    if (net->sweep_event == NULL || net->pace_event == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    return event_add(net->sweep_event, &sweep_period) == 0 ? AMP_OK : AMP_ERR_IO;
}

enum amp_err amp_net_new(struct amp_net **out, struct amp_net_commons *commons, struct event_base *base,
                         struct amp_clock clock, struct amp_tls *tls, const struct amp_net_limits *limits,
                         const struct amp_net_handler *handler)
{
    struct amp_net *net = calloc(1, sizeof(*net));
    if (net == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    *net = (struct amp_net){.commons = commons,
                            .base = base,
                            .clock = clock,
                            .tls = amp_tls_ref(tls),
                            .limits = *limits,
                            .handler = *handler,
                            .date = {.unix_s = -1}};
    net->drained_ms = INT64_MAX;
    amp_wheel_init(&net->parked, amp_clock_mono_ms(&clock));
    amp_net_flows_init(net);
    enum amp_err err = start_events(net);
    if (err == AMP_OK)
        err = amp_random(&net->next_request, sizeof(net->next_request));
    if (err != AMP_OK) {
        amp_net_free(net);
        return err;
    }
    amp_net_sweep(net);
    *out = net;
    return AMP_OK;
}

enum amp_err amp_net_listen(struct amp_net *net, int listen_fd)
{
    struct amp_net_listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL) {
        (void)close(listen_fd);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    set_sending(listen_fd);
    (void)event_assign(&listener->event, net->base, listen_fd, EV_READ | EV_PERSIST, on_accept, net);
    listener->next = net->listeners;
    net->listeners = listener;
    return event_add(&listener->event, NULL) == 0 ? AMP_OK : AMP_ERR_IO;
}

void amp_net_reload(struct amp_net *net, struct amp_tls *tls, const struct amp_net_limits *limits)
{
    struct amp_tls *old = net->tls;
    net->tls = amp_tls_ref(tls);
    net->limits = *limits;
    amp_tls_unref(old);
}

static void stop_listening(struct amp_net *net)
{
    for (struct amp_net_listener *listener = net->listeners, *next; listener != NULL; listener = next) {
        next = listener->next;
        (void)event_del(&listener->event);
        (void)close(event_get_fd(&listener->event));
        free(listener);
    }
    net->listeners = NULL;
}

/* Those that have something under way see at its end that nobody listens any more. */
void amp_net_drain(struct amp_net *net)
{
    static const enum amp_net_phase resting[] = {AMP_NET_IDLE, AMP_NET_DORMANT};
    stop_listening(net);
    net->drained_ms = amp_clock_mono_ms(&net->clock);
    for (size_t i = 0; i < sizeof(resting) / sizeof(resting[0]); i++) {
        for (struct amp_net_conn *conn = net->queues[resting[i]].first, *next; conn != NULL; conn = next) {
            next = conn->next;
            if (!conn->driving && !conn->deferred)
                amp_net_conn_part(conn);
        }
    }
}

size_t amp_net_connections(const struct amp_net *net)
{
    return atomic_load_explicit(&net->connections, memory_order_relaxed);
}

void amp_net_free(struct amp_net *net)
{
    if (net == NULL)
        return;
    for (enum amp_net_phase phase = 0; phase < AMP_NET_PHASE_COUNT_; phase++) {
        while (net->queues[phase].first != NULL)
            amp_net_conn_close(net->queues[phase].first);
    }
    amp_net_exchanges_fini(net);
    amp_net_spares_fini(&net->spares);
    stop_listening(net);
    if (net->sweep_event != NULL)
        event_free(net->sweep_event);
    if (net->pace_event != NULL)
        event_free(net->pace_event);
    amp_tls_unref(net->tls);
    free(net);
}
