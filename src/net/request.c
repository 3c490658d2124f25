/* From bytes to exchanges, and from responses to bytes. */
#include <stdlib.h>

#include "base/log.h"
#include "net/conn.h"

enum { REQUEST_NS = 5000, BODY_BYTE_NS = 2, BODY_READ_NS = 2 }; /* of work, see flow.c */

static struct amp_slice source_of(const struct amp_net_conn *conn)
{
    return amp_slice(conn->source.text, conn->source.text_len);
}

/* The exchange that heads are parsed into. It stays spare until a whole request takes it. */
static struct amp_net_exchange *spare_exchange(struct amp_net *net)
{
    if (net->spare_exchanges == NULL) {
        net->spare_exchanges = calloc(1, sizeof(*net->spare_exchanges));
        net->spare_exchange_count = net->spare_exchanges != NULL;
    }
    return net->spare_exchanges;
}

static struct amp_net_exchange *take_exchange(struct amp_net_conn *conn)
{
    struct amp_net *net = conn->net;
    struct amp_net_exchange *exchange = net->spare_exchanges;
    net->spare_exchanges = exchange->next_spare;
    net->spare_exchange_count--;
    net->unanswered++;
    exchange->net = net;
    exchange->conn = conn;
    exchange->due_ms = 0;
    exchange->gone = NULL;
    exchange->counted_by = NULL;
    conn->exchange = exchange;
    return exchange;
}

static void give_exchange(struct amp_net_exchange *exchange)
{
    struct amp_net *net = exchange->net;
    amp_net_flow_count_answered(exchange);
    exchange->conn->exchange = NULL;
    exchange->conn = NULL;
    net->unanswered--;
    if (net->spare_exchange_count == AMP_NET_SPARE_EXCHANGES_MAX) {
        free(exchange);
        return;
    }
    exchange->next_spare = net->spare_exchanges;
    net->spare_exchanges = exchange;
    net->spare_exchange_count++;
}

void amp_net_exchanges_fini(struct amp_net *net)
{
    if (net->unanswered != 0)
        amp_fatal("a server was freed while its requests were being served");
    for (struct amp_net_exchange *exchange = net->spare_exchanges, *next; exchange != NULL; exchange = next) {
        next = exchange->next_spare;
        free(exchange);
    }
}

/* Room for `len` more bytes of answers. */
static enum amp_err reserve_out(struct amp_net_conn *conn, size_t len)
{
    enum amp_err err = amp_net_window_open(&conn->net->spares, &conn->out);
    if (err == AMP_OK)
        err = amp_net_window_reserve(&conn->out, len);
    amp_net_conn_charge(conn);
    return err;
}

static bool append(struct amp_net_conn *conn, const void *bytes, size_t len)
{
    if (reserve_out(conn, len) != AMP_OK)
        return false;
    memcpy(conn->out.buf.ptr + conn->out.buf.len, bytes, len);
    conn->out.buf.len += len;
    return true;
}

/* False where memory is short; the connection is broken then. */
static bool write_answer(struct amp_net_conn *conn, const struct amp_net_response *response, bool to_head)
{
    struct amp_net *net = conn->net;
    struct amp_net_answer answer = {response, &net->date, to_head, conn->closing};
    struct amp_secret_buf *buf = &conn->out.buf;
    if (reserve_out(conn, amp_net_answer_max(&answer)) != AMP_OK) {
        conn->broken = true;
        return false;
    }
    struct amp_out out = amp_out(buf->ptr + buf->len, buf->cap - buf->len);
    amp_net_answer_write(&out, &answer);
    if (out.overflow)
        amp_fatal("an answer is longer than its bound");
    buf->len += out.len;
    conn->answered = true;
    return true;
}

/* Steps behind the request at the start of `in`, or behind its first `len` bytes. */
static void consume_request(struct amp_net_conn *conn, size_t len)
{
    amp_net_window_consume(&conn->in, len);
    conn->head_len = 0;
    conn->scanned = 0;
}

/* What was no request, came late, or asked for what is not there. What we lack is nobody's offence. */
static enum amp_offence offence_of(enum amp_err err)
{
    int status = amp_err_status(err);
    if (err == AMP_ERR_REQUEST_TIMEOUT)
        return AMP_OFFENCE_DEADLINE;
    if (status == 404 || status == 405)
        return AMP_OFFENCE_STRAY;
    return status < 500 || err == AMP_ERR_VERSION_NOT_SUPPORTED ? AMP_OFFENCE_MALFORMED : AMP_OFFENCE_NONE;
}

static void answer_refusal(struct amp_net_conn *conn, enum amp_err err, bool to_head)
{
    const struct amp_net_handler *handler = &conn->net->handler;
    uint64_t id = amp_net_next_request_id(conn->net);
    struct amp_net_response response = {.status = amp_err_status(err), .request_id = id};
    amp_net_conn_offend(conn, offence_of(err));
    handler->refused(handler->ctx, err, source_of(conn), id, &response);
    conn->closing |= response.close || conn->net->listeners == NULL || amp_net_flow_is_stale(conn);
    (void)write_answer(conn, &response, to_head);
}

void amp_net_conn_refuse(struct amp_net_conn *conn, enum amp_err err)
{
    conn->closing = true;
    amp_net_conn_tell_gone(conn);
    answer_refusal(conn, err, false);
    if (conn->exchange == NULL) /* otherwise its bytes stay until it is answered */
        consume_request(conn, amp_net_window_len(&conn->in));
}

/* The handler would not have it. Where no body follows, the next request can be told from this one. */
static void refuse_head(struct amp_net_conn *conn, const struct amp_http1_head *head, enum amp_err err)
{
    bool body_follows = head->chunked || head->content_length != 0;
    conn->closing = body_follows || !head->keep_alive;
    answer_refusal(conn, err, head->method == AMP_METHOD_HEAD);
    consume_request(conn, conn->closing ? amp_net_window_len(&conn->in) : conn->head_len);
}

static enum amp_err parse_head(struct amp_net_conn *conn, struct amp_http1_head *head)
{
    return amp_http1_parse_head(head, amp_net_window_ptr(&conn->in), amp_net_window_len(&conn->in), &conn->head_len,
                                &conn->scanned);
}

/* RFC 9110 section 10.1.1: the interim answer is for who waits with the body; who sent of it does not. */
static void invite_body(struct amp_net_conn *conn, const struct amp_http1_head *head)
{
    bool body_follows = head->chunked || head->content_length != 0;
    bool waits = amp_net_window_len(&conn->in) == conn->head_len;
    if (head->expect_continue && body_follows && waits)
        conn->broken |= !append(conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

/* True where the head is there and its body may come. */
static bool take_head(struct amp_net_conn *conn, struct amp_http1_head *head)
{
    const struct amp_net_handler *handler = &conn->net->handler;
    enum amp_err err = parse_head(conn, head);
    if (err == AMP_ERR_TRUNCATED)
        return false;
    if (err != AMP_OK) {
        amp_net_conn_refuse(conn, err);
        amp_wipe(head, sizeof(*head));
        return false;
    }
    conn->scanned = 0;
    conn->max_body = 0;
    err = handler->head(handler->ctx, head, &conn->max_body);
    if (err == AMP_OK && head->content_length > conn->max_body)
        err = AMP_ERR_BODY_TOO_LARGE;
    if (err != AMP_OK) {
        refuse_head(conn, head, err);
        amp_wipe(head, sizeof(*head)); /* a card number may be given as a length, too */
        return false;
    }
    conn->is_chunked = head->chunked;
    conn->chunked = (struct amp_http1_chunked){0};
    conn->body_len = (size_t)head->content_length;
    invite_body(conn, head);
    return true;
}

/*
 * Decodes what came of a chunked body: bytes behind what was decoded so far move to its end, and what follows the body
 * moves up behind it. True once it is whole.
 */
static bool decode_body(struct amp_net_conn *conn)
{
    struct amp_net_window *in = &conn->in;
    uint8_t *encoded = amp_net_window_ptr(in) + conn->head_len + conn->body_len;
    size_t len = amp_net_window_len(in) - conn->head_len - conn->body_len, consumed, written;
    bool done;
    enum amp_err err =
        amp_http1_chunked_feed(&conn->chunked, encoded, len, encoded, conn->max_body, &consumed, &written, &done);
    if (err != AMP_OK) {
        amp_net_conn_refuse(conn, err);
        return false;
    }
    memmove(encoded + written, encoded + consumed, len - consumed);
    amp_net_window_cut(in, consumed - written);
    conn->body_len += written;
    return done;
}

static bool body_is_whole(struct amp_net_conn *conn)
{
    if (conn->is_chunked)
        return decode_body(conn);
    return amp_net_window_len(&conn->in) - conn->head_len >= conn->body_len;
}

static void hand_over(struct amp_net_conn *conn)
{
    const struct amp_net_handler *handler = &conn->net->handler;
    struct amp_net_exchange *exchange = take_exchange(conn);
    conn->said = true;
    amp_net_flow_guess(conn, REQUEST_NS + BODY_BYTE_NS * (int64_t)conn->body_len);
    exchange->request = (struct amp_net_request){
        .head = &exchange->head,
        .body = amp_net_window_ptr(&conn->in) + conn->head_len,
        .body_len = conn->body_len,
        .connection_id = conn->id,
        .request_id = amp_net_next_request_id(conn->net),
        .source = source_of(conn),
    };
    amp_clock_hold();
    handler->request(handler->ctx, exchange, &exchange->request);
    amp_clock_let_go();
    if (conn->exchange == exchange)
        amp_net_flow_count_waiting(exchange);
}

/* False where nothing more can be served now. */
static bool serve_one(struct amp_net_conn *conn)
{
    struct amp_net_exchange *exchange = spare_exchange(conn->net);
    if (exchange == NULL) {
        amp_net_conn_refuse(conn, AMP_ERR_OUT_OF_MEMORY);
        return false;
    }
    bool begun_before = conn->head_len != 0;
    size_t len = amp_net_window_len(&conn->in);
    if (!begun_before && !take_head(conn, &exchange->head))
        return amp_net_window_len(&conn->in) != len; /* refused, and the next may be served */
    if (!body_is_whole(conn))
        return false;
    /* What was parsed when the head came is gone: it was only lent, and the bytes may have moved. */
    if (begun_before && parse_head(conn, &exchange->head) != AMP_OK)
        amp_fatal("a head was read in two ways");
    hand_over(conn);
    return true;
}

void amp_net_conn_serve(struct amp_net_conn *conn)
{
    while (conn->exchange == NULL && !conn->closing && !conn->broken && amp_net_window_len(&conn->in) > 0 &&
           amp_net_window_len(&conn->out) < AMP_NET_SEND_AT && !amp_net_flow_is_spent(conn) && serve_one(conn))
        continue;
}

/* The exchange of a connection that was closed, or that the peer or a deadline has ended: nobody waits for an answer.
 */
static void drop(struct amp_net_conn *conn)
{
    consume_request(conn, amp_net_window_len(&conn->in));
    if (conn->fd < 0) {
        amp_net_conn_close(conn);
    } else if (!conn->driving) {
        amp_net_window_close(&conn->net->spares, &conn->in);
        amp_net_conn_charge(conn);
    }
}

bool amp_net_respond(struct amp_net_exchange *exchange, const struct amp_net_response *response)
{
    struct amp_net_conn *conn = exchange->conn;
    bool to_head = exchange->head.method == AMP_METHOD_HEAD, keep_alive = exchange->head.keep_alive;
    if (!amp_net_alive(exchange)) {
        give_exchange(exchange);
        drop(conn);
        return false;
    }
    if (!conn->driving)
        amp_net_flow_work(conn->net, conn->flow);
    conn->strikes += response->strike;
    if (response->faulty)
        amp_net_flow_fine(conn, BODY_READ_NS * (int64_t)exchange->request.body_len);
    if (response->offence != AMP_OFFENCE_NONE)
        amp_net_conn_offend(conn, response->offence);
    conn->closing = response->close || !keep_alive || conn->unwelcome || conn->net->listeners == NULL ||
                    conn->strikes >= AMP_NET_STRIKES_MAX || amp_net_flow_is_stale(conn);
    (void)write_answer(conn, response, to_head);
    consume_request(conn, conn->head_len + conn->body_len);
    give_exchange(exchange);
    if (conn->driving)
        return !conn->broken;

    (void)amp_net_conn_send(conn);
    bool stands = !conn->broken;
    conn->resumes =
        stands && (amp_net_window_len(&conn->in) > 0 || SSL_has_pending(conn->ssl) == 1 || conn->peer_ended);
    amp_net_conn_settle(conn);
    return stands;
}

bool amp_net_alive(const struct amp_net_exchange *exchange)
{
    return !exchange->conn->closing && !exchange->conn->broken;
}

void amp_net_conn_tell_gone(struct amp_net_conn *conn)
{
    struct amp_net_exchange *exchange = conn->exchange;
    if (exchange == NULL || exchange->gone == NULL)
        return;
    void (*gone)(void *ctx) = exchange->gone;
    exchange->gone = NULL;
    gone(exchange->gone_ctx);
}

void amp_net_on_gone(struct amp_net_exchange *exchange, void (*gone)(void *ctx), void *ctx)
{
    exchange->gone = gone;
    exchange->gone_ctx = ctx;
    if (!amp_net_alive(exchange))
        amp_net_conn_tell_gone(exchange->conn);
}

/* One that drives, or that has something to send, is settled in its new phase when that is done. */
void amp_net_extend(struct amp_net_exchange *exchange, int64_t ms)
{
    struct amp_net_conn *conn = exchange->conn;
    if (!amp_net_alive(exchange))
        return;
    conn->net->now_ms = amp_clock_mono_ms(&conn->net->clock);
    exchange->due_ms = conn->net->now_ms + ms;
    if (conn->phase == AMP_NET_PARKED) {
        amp_net_phase_leave(conn);
        conn->phase = AMP_NET_PHASE_COUNT_;
    }
    if (conn->phase == AMP_NET_PHASE_COUNT_ || conn->phase == AMP_NET_ANSWER)
        amp_net_phase_enter(conn, AMP_NET_PARKED, true);
}
