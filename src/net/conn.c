/*
 * Moving bytes. Every event of a connection, be it readable, writable or its turn, ends in amp_net_conn_drive, which
 * does all that can be done, and then in amp_net_conn_settle, which decides what to wait for. Nothing else touches its
 * events.
 */
#include "net/conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/tls.h"

enum {
    READS_PER_TURN = 16,  /* then others have their turn */
    HANDSHAKE_NS = 80000, /* of work, each time that one goes on */
    READ_NS = 5000,
    LINGER_BYTES = 4 * 1024 * 1024,
    DISCARD_AT_ONCE = 256 * 1024,
};

enum step { DONE, WAITS, FAILED, ENDED };

/* What became of a call of OpenSSL's that returned `result`, not above 0. */
static enum step step_of(struct amp_net_conn *conn, int result)
{
    int error = SSL_get_error(conn->ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        return WAITS;
    if (error == SSL_ERROR_WANT_WRITE) {
        conn->tls_waits_to_write = true;
        return WAITS;
    }
    ERR_clear_error();
    return error == SSL_ERROR_ZERO_RETURN ? ENDED : FAILED;
}

static void report(struct amp_net_conn *conn)
{
    const struct amp_net_handler *handler = &conn->net->handler;
    struct amp_net_response unused = {0};
    handler->refused(handler->ctx, AMP_ERR_IO, amp_slice(conn->source.text, conn->source.text_len),
                     amp_net_next_request_id(conn->net), &unused);
}

void amp_net_conn_break(struct amp_net_conn *conn)
{
    report(conn);
    conn->broken = true;
}

void amp_net_conn_offend(struct amp_net_conn *conn, enum amp_offence offence)
{
    struct amp_source_limits limits = amp_net_limits_of_source(conn->net, &conn->source);
    conn->said = true;
    if (conn->flow->holder == NULL && limits.penalty_max_ms > 0)
        amp_source_penalise(conn->net->commons->sources, conn->origin, offence, &limits);
}

/* Each step takes memory, up to 80 KiB before a peer has said who it is. */
static bool may_shake_hands(struct amp_net_conn *conn)
{
    struct amp_net *net = conn->net;
    if (conn->flow != &net->strangers || !amp_net_is_full_of_secrets(net))
        return true;
    amp_net_count_refused(net, AMP_NET_REFUSED_STARTUPS);
    conn->said = true; /* it would have, had we let it */
    conn->broken = true;
    return false;
}

/* True once the handshake is complete. One that ends before its first byte is a port being looked at: no news. */
static bool shake_hands(struct amp_net_conn *conn)
{
    if (!may_shake_hands(conn))
        return false;
    amp_net_flow_guess(conn, HANDSHAKE_NS);
    int result = SSL_do_handshake(conn->ssl);
    if (result == 1) {
        amp_net_phase_enter(conn, AMP_NET_IDLE, true);
        return true;
    }
    if (step_of(conn, result) == WAITS)
        return false;
    if (BIO_number_read(SSL_get_rbio(conn->ssl)) == 0) {
        conn->broken = true;
    } else {
        report(conn);
        amp_net_conn_offend(conn, AMP_OFFENCE_STRAY);
        conn->closing = true; /* the peer may read the alert yet */
    }
    return false;
}

bool amp_net_conn_send(struct amp_net_conn *conn)
{
    struct amp_net_window *out = &conn->out;
    while (!conn->broken && amp_net_window_len(out) > 0) {
        size_t sent;
        int result = SSL_write_ex(conn->ssl, amp_net_window_ptr(out), amp_net_window_len(out), &sent);
        if (result == 1)
            amp_net_window_consume(out, sent);
        else if (step_of(conn, result) == WAITS)
            return false;
        else
            amp_net_conn_break(conn);
    }
    return !conn->broken;
}

static size_t beyond_lent(const struct amp_net_window *window)
{
    return window->buf.cap > AMP_NET_SPARE_BYTES ? window->buf.cap : 0;
}

void amp_net_conn_charge(struct amp_net_conn *conn)
{
    struct amp_net *net = conn->net;
    size_t in = beyond_lent(&conn->in), out = beyond_lent(&conn->out);
    if (in != conn->charged)
        amp_source_charge(conn->origin, conn->charged, in);
    net->pending_bytes += in - conn->charged;
    net->untaken_bytes += out - conn->charged_out;
    conn->charged = in;
    conn->charged_out = out;
}

static bool may_hold(const struct amp_net_conn *conn, size_t bytes)
{
    const struct amp_net *net = conn->net;
    if (bytes <= AMP_NET_SPARE_BYTES)
        return true;
    return net->pending_bytes - conn->charged + bytes <= net->limits.max_pending_bytes &&
           (conn->source.exempt ||
            amp_source_pending(conn->origin) - conn->charged + bytes <= net->limits.max_pending_bytes_per_source);
}

/* Storage grows by doubling. What is within the lent size is always to be had: short requests go on. */
static enum amp_err grow(struct amp_net_conn *conn)
{
    if (!may_hold(conn, 2 * conn->in.buf.cap))
        return AMP_ERR_OVERLOADED;
    enum amp_err err = amp_net_window_reserve(&conn->in, 1);
    amp_net_conn_charge(conn);
    return err;
}

/* Room to read into. While an exchange is unanswered its bytes may not move, so there may be none. */
static bool make_room(struct amp_net_conn *conn)
{
    struct amp_net_window *in = &conn->in;
    if (amp_net_window_room(in) > 0)
        return true;
    if (conn->exchange != NULL)
        return false;
    enum amp_err err = in->buf.ptr == NULL ? amp_net_window_open(&conn->net->spares, in) : grow(conn);
    if (err != AMP_OK)
        amp_net_conn_refuse(conn, err);
    return err == AMP_OK;
}

/*
 * The peer has said, authentically, that it will say no more (RFC 8446 section 6.1): it may well wait for answers to
 * what it said before. Here all was served that came, but for what waits behind an unanswered exchange. A TCP
 * connection that just ends is a truncation, and the peer is gone: see failed_input.
 */
static void end_conversation(struct amp_net_conn *conn)
{
    if (conn->closing || conn->broken || conn->exchange != NULL)
        return;
    if (amp_net_window_len(&conn->in) > 0)
        report(conn); /* a part of a request */
    conn->closing = true;
}

static void failed_input(struct amp_net_conn *conn)
{
    bool idle = amp_net_window_len(&conn->in) == 0 && amp_net_window_len(&conn->out) == 0;
    if (idle || conn->exchange != NULL) /* the answer to an exchange will find out */
        conn->broken = true;
    else
        amp_net_conn_break(conn);
}

/* Reads one record, or what fits of it. True where there is something new. */
static bool receive(struct amp_net_conn *conn)
{
    if (!make_room(conn))
        return false;
    struct amp_secret_buf *buf = &conn->in.buf;
    size_t got;
    amp_net_flow_guess(conn, READ_NS);
    int result = SSL_read_ex(conn->ssl, buf->ptr + buf->len, buf->cap - buf->len, &got);
    if (result == 1) {
        buf->len += got;
        return true;
    }
    switch (step_of(conn, result)) {
    case ENDED:
        conn->peer_ended = true;
        return false;
    case FAILED:
        failed_input(conn);
        return false;
    case DONE:
    case WAITS:
        return false;
    }
    return false;
}

/* There may be something to serve that waits for nothing but its flow's turn. */
static bool goes_on_later(const struct amp_net_conn *conn)
{
    return conn->exchange == NULL && amp_net_flow_is_spent(conn) &&
           (amp_net_window_len(&conn->in) > 0 || SSL_has_pending(conn->ssl) == 1);
}

/* Pipelined answers gather in `out` and leave together, when all that arrived has been read or much has gathered. */
static void converse(struct amp_net_conn *conn)
{
    if (!amp_net_conn_send(conn))
        return;
    for (int reads = 0;; reads++) {
        amp_net_conn_serve(conn);
        while (amp_net_window_len(&conn->out) >= AMP_NET_SEND_AT) {
            if (!amp_net_conn_send(conn))
                return;
            amp_net_conn_serve(conn);
        }
        if (conn->closing || conn->broken)
            break;
        conn->resumes = goes_on_later(conn);
        if (conn->resumes || conn->peer_ended || (reads > 0 && SSL_has_pending(conn->ssl) == 0))
            break;
        if (reads == READS_PER_TURN) {
            conn->resumes = true;
            break;
        }
        if (!receive(conn))
            break;
    }
    if (conn->peer_ended && !conn->resumes)
        end_conversation(conn);
    (void)amp_net_conn_send(conn);
}

/* Discards what still comes, unread: recv(2) with MSG_TRUNC drops bytes of TCP without copying them. */
static void linger(struct amp_net_conn *conn)
{
    ssize_t got = recv(conn->fd, NULL, DISCARD_AT_ONCE, MSG_TRUNC | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || (size_t)got >= conn->linger_left)
        conn->broken = true;
    else
        conn->linger_left -= (size_t)got;
}

void amp_net_conn_drive(struct amp_net_conn *conn)
{
    amp_net_flow_work(conn->net, conn->flow);
    conn->driving = true;
    conn->tls_waits_to_write = false;
    if (conn->phase == AMP_NET_LINGER)
        linger(conn);
    else if (conn->phase != AMP_NET_HANDSHAKE || shake_hands(conn))
        converse(conn);
    conn->driving = false;
    amp_net_conn_settle(conn);
}

static void want(struct event *event, bool *added, bool wanted)
{
    if (*added == wanted)
        return;
    *added = wanted;
    if (wanted)
        (void)event_add(event, NULL);
    else
        (void)event_del(event);
}

/* One that is still deferred when it is told of again is not watched until its turn comes. */
static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct amp_net_conn *conn = arg;
    if (conn->deferred) {
        want(&conn->read_event, &conn->reading, false);
        want(&conn->write_event, &conn->writing, false);
    } else if (amp_net_flow_admits(conn)) {
        amp_net_conn_drive(conn);
    } else {
        amp_net_flow_defer(conn);
    }
}

/*
 * Reading stops while the peer does not take its answers, where there is no room behind an unanswered request, and for
 * good where the peer has ended. What has stopped reading comes back to everything else as well; what nothing stops
 * comes back with its flow's next turn.
 */
static void watch(struct amp_net_conn *conn)
{
    bool unsent = amp_net_window_len(&conn->out) > 0;
    bool full = conn->exchange != NULL && amp_net_window_room(&conn->in) == 0;
    want(&conn->read_event, &conn->reading, conn->phase == AMP_NET_LINGER || !(unsent || full || conn->peer_ended));
    want(&conn->write_event, &conn->writing, unsent || conn->tls_waits_to_write);
    if (conn->resumes && !unsent && !full)
        amp_net_flow_defer(conn);
    conn->resumes = false;
}

static void say_farewell(struct amp_net_conn *conn)
{
    if (SSL_is_init_finished(conn->ssl) == 1)
        (void)SSL_shutdown(conn->ssl);
    ERR_clear_error();
}

void amp_net_conn_part(struct amp_net_conn *conn)
{
    say_farewell(conn);
    amp_net_conn_close(conn);
}

/* The last answer was sent: say so, and wait for the peer to say so too (RFC 9112 section 9.6). */
static void start_lingering(struct amp_net_conn *conn)
{
    say_farewell(conn);
    if (conn->peer_ended || shutdown(conn->fd, SHUT_WR) != 0) {
        amp_net_conn_close(conn);
        return;
    }
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    conn->tls_waits_to_write = false;
    if (conn->exchange == NULL)
        amp_net_window_close(&conn->net->spares, &conn->in);
    amp_net_window_close(&conn->net->spares, &conn->out);
    amp_net_conn_charge(conn);
    conn->linger_left = LINGER_BYTES;
    amp_net_phase_enter(conn, AMP_NET_LINGER, true);
    watch(conn);
}

void amp_net_conn_abandon(struct amp_net_conn *conn)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    amp_net_conn_break(conn);
    amp_net_conn_close(conn);
}

/* Those that have been at their answers the longest make room for others' answers. */
static void shed_untaken(struct amp_net *net)
{
    for (struct amp_net_conn *conn = net->queues[AMP_NET_WRITE].first, *next;
         conn != NULL && net->untaken_bytes > net->limits.max_untaken_bytes; conn = next) {
        next = conn->next;
        if (conn->driving || conn->charged_out == 0)
            continue;
        amp_net_conn_offend(conn, AMP_OFFENCE_STRAY); /* once, nobody minds; again and again it is no slow line */
        amp_net_conn_abandon(conn);
    }
}

static enum amp_net_phase next_phase(const struct amp_net_conn *conn)
{
    if (conn->phase == AMP_NET_HANDSHAKE)
        return AMP_NET_HANDSHAKE;
    if (amp_net_window_len(&conn->out) > 0)
        return AMP_NET_WRITE;
    if (conn->exchange != NULL)
        return conn->exchange->due_ms != 0 ? AMP_NET_PARKED : AMP_NET_ANSWER;
    if (conn->head_len != 0)
        return AMP_NET_BODY;
    if (amp_net_window_len(&conn->in) > 0 || SSL_has_pending(conn->ssl) == 1)
        return AMP_NET_HEAD;
    return conn->phase == AMP_NET_DORMANT && !conn->answered ? AMP_NET_DORMANT : AMP_NET_IDLE;
}

static void settle_windows(struct amp_net_conn *conn)
{
    struct amp_net_spares *spares = &conn->net->spares;
    if (amp_net_window_len(&conn->out) == 0)
        amp_net_window_close(spares, &conn->out);
    if (conn->exchange == NULL && amp_net_window_len(&conn->in) == 0)
        amp_net_window_close(spares, &conn->in);
    else if (conn->exchange == NULL)
        amp_net_window_tighten(spares, &conn->in);
    amp_net_conn_charge(conn);
}

void amp_net_conn_rest(struct amp_net_conn *conn)
{
    (void)SSL_free_buffers(conn->ssl);
    amp_net_phase_enter(conn, AMP_NET_DORMANT, false);
}

/* The longest idle make room for those that are busy. Where many requests drip in, each gives its buffers back between
 * two drops. */
static void rest_beyond_max(struct amp_net *net, struct amp_net_conn *conn)
{
    struct amp_net_queue *idle = &net->queues[AMP_NET_IDLE];
    if (idle->count > AMP_NET_IDLE_MAX)
        amp_net_conn_rest(idle->first);
    if ((conn->phase == AMP_NET_HEAD || conn->phase == AMP_NET_BODY) &&
        net->queues[conn->phase].count > AMP_NET_IDLE_MAX)
        (void)SSL_free_buffers(conn->ssl);
}

void amp_net_conn_settle(struct amp_net_conn *conn)
{
    if (conn->broken) {
        amp_net_conn_close(conn);
        return;
    }
    if (conn->phase == AMP_NET_LINGER) {
        watch(conn); /* being deferred has ended that */
        return;
    }
    enum amp_net_phase next = next_phase(conn);
    bool resting = next == AMP_NET_IDLE || next == AMP_NET_DORMANT;
    if (conn->closing && next != AMP_NET_WRITE) {
        start_lingering(conn);
    } else if (resting && conn->net->listeners == NULL) {
        amp_net_conn_part(conn);
    } else {
        settle_windows(conn);
        amp_net_phase_enter(conn, next, conn->answered);
        conn->answered = false;
        if (next == AMP_NET_PARKED)
            (void)SSL_free_buffers(conn->ssl);
        watch(conn);
        rest_beyond_max(conn->net, conn);
        shed_untaken(conn->net);
    }
}

/* A stranger's handshake without a request behind it. Who has sent nothing at all may be looking whether we live. */
static bool was_for_nothing(const struct amp_net_conn *conn)
{
    return conn->flow == &conn->net->strangers && conn->net->listeners != NULL && conn->ssl != NULL &&
           BIO_number_read(SSL_get_rbio(conn->ssl)) != 0;
}

static void disconnect(struct amp_net_conn *conn)
{
    struct amp_net *net = conn->net;
    (void)event_del(&conn->read_event);
    (void)event_del(&conn->write_event);
    if (!conn->said && was_for_nothing(conn))
        amp_net_conn_offend(conn, AMP_OFFENCE_STRAY);
    amp_net_flow_undefer(conn);
    amp_net_phase_leave(conn);
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    (void)close(conn->fd);
    conn->fd = -1;
    conn->closing = true;
    amp_net_conn_tell_gone(conn);
    atomic_fetch_sub_explicit(&net->connections, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&net->commons->connections, 1, memory_order_relaxed);
}

void amp_net_conn_close(struct amp_net_conn *conn)
{
    conn->broken = true;
    if (conn->driving)
        return;
    if (conn->fd >= 0)
        disconnect(conn);
    amp_net_window_close(&conn->net->spares, &conn->out);
    if (conn->exchange == NULL)
        amp_net_window_close(&conn->net->spares, &conn->in);
    amp_net_conn_charge(conn);
    if (conn->exchange != NULL)
        return;
    amp_net_flow_leave(conn);
    free(conn);
}

enum amp_err amp_net_conn_new(struct amp_net *net, int fd, const struct amp_net_source *source,
                              struct amp_source *origin)
{
    static _Atomic uint64_t last_id;
    struct amp_net_conn *conn = calloc(1, sizeof(*conn));
    SSL *ssl = amp_tls_accept(net->tls, fd);
    if (conn == NULL || ssl == NULL) {
        ERR_clear_error();
        SSL_free(ssl);
        free(conn);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    *conn = (struct amp_net_conn){.net = net, .phase = AMP_NET_PHASE_COUNT_, .fd = fd, .ssl = ssl, .source = *source};
    conn->origin = origin;
    conn->accepted_ms = net->now_ms;
    conn->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    (void)event_assign(&conn->read_event, net->base, fd, EV_READ | EV_PERSIST, on_event, conn);
    (void)event_assign(&conn->write_event, net->base, fd, EV_WRITE | EV_PERSIST, on_event, conn);
    atomic_fetch_add_explicit(&net->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&net->commons->connections, 1, memory_order_relaxed);
    amp_net_flow_enter(conn);
    amp_net_phase_enter(conn, AMP_NET_HANDSHAKE, true);
    watch(conn);
    return AMP_OK;
}
