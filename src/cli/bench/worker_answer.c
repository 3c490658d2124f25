#include "cli/bench/worker_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "cli/bench/stopwatch.h"

#define MAX_BODY     (16u << 20)
#define TOKEN_MARK   "\"tok_"
#define CLAIM_MARK   "\"clm_"
#define CODE_MARK    "\"code\":\""
#define TYPE_MARK    "\"__type\":\""   /* of AWS JSON 1.0 */
#define FAILED_MARK  "\"SenderFault\"" /* stands in each entry of a batch that failed */
#define RECEIPT_MARK "\"ReceiptHandle\":"

static bool keep_token(struct bench_worker *worker, const char *token)
{
    struct bench_pool *pool = &worker->pool;
    if (pool->count == pool->cap) {
        const size_t cap = pool->cap == 0 ? 4096 : pool->cap * 2;
        void *grown = reallocarray(pool->tokens, cap, sizeof *pool->tokens);
        if (grown == NULL)
            return false;
        pool->tokens = grown;
        pool->cap = cap;
    }
    memcpy(pool->tokens[pool->count++], token, BENCH_SUBJECT_LEN);
    return true;
}

static uint64_t take_tokens(struct bench_worker *worker, struct amp_slice body)
{
    uint64_t found = 0;
    const uint8_t *end = body.ptr + body.len;
    const uint8_t *at = body.ptr;
    while ((at = memmem(at, (size_t)(end - at), TOKEN_MARK, sizeof TOKEN_MARK - 1)) != NULL &&
           (size_t)(end - at) > BENCH_SUBJECT_LEN) {
        if (worker->phase->keep_tokens && !keep_token(worker, (const char *)at + 1))
            bench_worker_give_up(worker, "out of memory for tokens");
        at += BENCH_SUBJECT_LEN;
        found++;
    }
    worker->result->tokens += found;
    return found;
}

static void take_claim(struct bench_conn *conn, struct amp_slice body)
{
    const uint8_t *at = memmem(body.ptr, body.len, CLAIM_MARK, sizeof CLAIM_MARK - 1);
    if (at != NULL && (size_t)(body.ptr + body.len - at) > BENCH_SUBJECT_LEN)
        memcpy(conn->claims[conn->claim_count++], at + 1, BENCH_SUBJECT_LEN);
}

/* ---- queues ---- */

static size_t count_marks(struct amp_slice body, const char *text)
{
    const struct amp_slice mark = amp_slice_str(text);
    const uint8_t *end = body.ptr + body.len;
    const uint8_t *at = body.ptr;
    size_t found = 0;
    while (at < end && (at = memmem(at, (size_t)(end - at), mark.ptr, mark.len)) != NULL) {
        found++;
        at += mark.len;
    }
    return found;
}

/* A string as it stands in the JSON: what it was escaped with goes back the same way. */
static struct amp_slice quoted_behind(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *open = memchr(at, '"', (size_t)(end - at));
    const uint8_t *close = open != NULL ? memchr(open + 1, '"', (size_t)(end - open - 1)) : NULL;
    return close != NULL ? amp_slice(open + 1, (size_t)(close - open - 1)) : amp_slice(NULL, 0);
}

/* Receipts of one length are deleted in one batch; others wait until they can be received again. */
static void take_receipts(struct bench_conn *conn, struct amp_slice body)
{
    const uint8_t *end = body.ptr + body.len;
    const uint8_t *at = body.ptr;
    conn->received = (struct bench_shape){.items = 0};
    while (at < end && (at = memmem(at, (size_t)(end - at), RECEIPT_MARK, sizeof RECEIPT_MARK - 1)) != NULL) {
        at += sizeof RECEIPT_MARK - 1;
        const struct amp_slice receipt = quoted_behind(at, end);
        if (conn->received.items == 0 && receipt.len <= BENCH_RECEIPT_LEN_MAX)
            conn->received.subject_len = receipt.len;
        if (receipt.len == 0 || receipt.len != conn->received.subject_len || conn->received.items == BENCH_QUEUE_BATCH)
            continue;
        memcpy(conn->receipts + conn->received.items++ * receipt.len, receipt.ptr, receipt.len);
    }
}

static enum bench_act next_turn(const struct bench_conn *conn, enum bench_act done, bool refused)
{
    if (done == BENCH_ACT_SEND_BATCH)
        return BENCH_ACT_RECEIVE;
    if (done == BENCH_ACT_RECEIVE && !refused && conn->received.items > 0)
        return BENCH_ACT_DELETE_BATCH;
    return BENCH_ACT_SEND_BATCH;
}

static void count_messages(struct bench_worker *worker, const struct bench_flight *flight, struct amp_slice body)
{
    const size_t failed = count_marks(body, FAILED_MARK);
    const bool last = !worker->phase->cycle || flight->act == BENCH_ACT_DELETE_BATCH;
    if (failed > 0)
        bench_result_count_error(worker->result, "entry refused", failed);
    if (last && failed <= flight->items)
        worker->result->messages += flight->items - failed;
}

/* ---- every answer ---- */

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The word that a refusal has for programs, in either API's form; empty where there is none. */
static struct amp_slice refusal_word(struct amp_slice body)
{
    const uint8_t *end = body.ptr + body.len;
    const uint8_t *at = body.len > 0 ? memmem(body.ptr, body.len, CODE_MARK, sizeof CODE_MARK - 1) : NULL;
    size_t len = 0;
    if (at != NULL) {
        at += sizeof CODE_MARK - 1;
    } else if (body.len > 0 && (at = memmem(body.ptr, body.len, TYPE_MARK, sizeof TYPE_MARK - 1)) != NULL) {
        const uint8_t *hash = memchr(at, '#', (size_t)(end - at));
        at = hash != NULL ? hash + 1 : at + sizeof TYPE_MARK - 1;
    }
    while (at != NULL && len < 40 && at + len < end && is_word(at[len]))
        len++;
    return amp_slice(at, len);
}

static void count_refusal(struct bench_worker *worker, int status, struct amp_slice body)
{
    char name[sizeof worker->result->errors[0].name];
    const struct amp_slice word = refusal_word(body);
    snprintf(name, sizeof name, "%d%s%.*s", status, word.len > 0 ? " " : "", (int)word.len,
             word.len > 0 ? (const char *)word.ptr : "");
    worker->result->failed++;
    bench_result_count_error(worker->result, name, 1);
}

static void count_success(struct bench_worker *worker, struct bench_conn *conn, const struct bench_flight *flight,
                          struct amp_slice body)
{
    uint64_t made;
    worker->result->requests++;
    switch (flight->act) {
    case BENCH_ACT_TOKENIZE:
    case BENCH_ACT_BATCH:
        made = take_tokens(worker, body);
        if (made < flight->items)
            bench_result_count_error(worker->result, "item refused", flight->items - made);
        return;
    case BENCH_ACT_CLAIM:
        take_claim(conn, body);
        return;
    case BENCH_ACT_RECEIVE:
        take_receipts(conn, body);
        return;
    case BENCH_ACT_SEND:
    case BENCH_ACT_SEND_BATCH:
    case BENCH_ACT_DELETE_BATCH:
        count_messages(worker, flight, body);
        return;
    case BENCH_ACT_REDEEM:
    case BENCH_ACT_COMMIT:
    case BENCH_ACT_INSPECT:
    case BENCH_ACT_CUSTOM:
    case BENCH_ACT_CREATE_QUEUE:
    case BENCH_ACT_TAG_QUEUE:
    case BENCH_ACT_COUNT_:
        return;
    }
}

static void count_answer(struct bench_worker *worker, struct bench_conn *conn, const struct bench_flight *flight,
                         struct amp_slice body)
{
    const int status = conn->reader.status;
    const bool refused = status < 200 || status > 299;
    if (refused)
        count_refusal(worker, status, body);
    else
        count_success(worker, conn, flight, body);
    if (worker->phase->cycle)
        conn->turn = next_turn(conn, flight->act, refused);
}

static void time_answer(struct bench_worker *worker, const struct bench_flight *flight, int64_t now)
{
    struct bench_result *result = worker->result;
    size_t slot = (size_t)((now - worker->start_ns) / BENCH_TIMELINE_SLOT_NS);
    if (slot >= BENCH_TIMELINE_SLOTS)
        slot = BENCH_TIMELINE_SLOTS - 1;
    bench_histogram_add(&result->latency, now - flight->intended_ns);
    result->timeline[slot]++;
    if (slot >= result->slots)
        result->slots = slot + 1;
}

static void complete(struct bench_worker *worker, struct bench_conn *conn, struct amp_slice body, int64_t now)
{
    const struct bench_flight flight = conn->flights[conn->flight_first];
    conn->flight_first = (conn->flight_first + 1) % worker->plan->pipeline;
    conn->flight_count--;
    conn->moved_ns = now;
    worker->in_flight--;
    worker->failures_in_a_row = 0;
    time_answer(worker, &flight, now);
    count_answer(worker, conn, &flight, body);
}

/* The connection has room in its pipeline again. */
static void rest(struct bench_worker *worker, struct bench_conn *conn, int64_t now)
{
    if (conn->claim_count > 0 && bench_conn_issue(worker, conn, now))
        return; /* its commit went out at once */
    if (bench_conn_is_spent(worker, conn)) {
        if (conn->flight_count == 0)
            bench_conn_reopen(worker, conn, now);
    } else if (worker->plan->think_ns > 0 && worker->phase->rate <= 0) {
        conn->wake_ns = now + worker->plan->think_ns;
        bench_list_push_back(&worker->thinking, conn);
    } else {
        bench_list_push_back(&worker->ready, conn);
    }
}

/* Reads every complete answer received. False where the connection was closed over it. */
static bool take_answers(struct bench_worker *worker, struct bench_conn *conn, int64_t now)
{
    while (conn->link.in_len > 0) {
        size_t used = 0;
        const enum amp_err err =
            amp_client_reader_advance(&conn->reader, &worker->head, conn->link.in, conn->link.in_len, MAX_BODY, &used);
        if (err == AMP_ERR_TRUNCATED)
            return true;
        if (err != AMP_OK || conn->flight_count == 0) {
            bench_conn_fail(worker, conn, "malformed answer", now);
            return false;
        }
        complete(worker, conn, amp_slice(conn->link.in + conn->reader.head_len, conn->reader.body_len), now);
        const bool keep_alive = conn->reader.keep_alive;
        conn->reader = (struct amp_client_reader){0};
        bench_link_consume(&conn->link, used);
        if (!keep_alive) {
            /* what was pipelined behind it is lost */
            if (conn->flight_count > 0)
                bench_conn_fail(worker, conn, "connection closed", now);
            else
                bench_conn_reopen(worker, conn, now);
            return false;
        }
        rest(worker, conn, now);
        if (conn->link.state != BENCH_LINK_OPEN)
            return false;
    }
    return true;
}

static void receive(struct bench_worker *worker, struct bench_conn *conn)
{
    do {
        const size_t before = conn->link.in_len;
        const enum amp_err err = bench_link_read(&conn->link);
        if (err == AMP_ERR_AGAIN)
            return;
        const int64_t now = bench_now_ns();
        if (err != AMP_OK) {
            /* a server may close what has served and has nothing under way; that is no error */
            if (conn->flight_count > 0 || conn->issued == 0)
                bench_conn_fail(worker, conn, conn->link.failure != NULL ? conn->link.failure : "out of memory", now);
            else
                bench_conn_reopen(worker, conn, now);
            return;
        }
        worker->result->bytes_in += conn->link.in_len - before;
        if (!take_answers(worker, conn, now))
            return;
    } while (SSL_has_pending(conn->link.ssl)); /* a read() that would only say EAGAIN is saved */
}

static void opened(struct bench_worker *worker, struct bench_conn *conn)
{
    worker->open_count++;
    conn->issued = 0;
    bench_list_push_back(&worker->ready, conn);
}

void bench_conn_event(struct bench_worker *worker, struct bench_conn *conn, uint32_t events)
{
    struct bench_link *link = &conn->link;
    enum amp_err err;
    switch (link->state) {
    case BENCH_LINK_CLOSED:
        return;
    case BENCH_LINK_CONNECTING:
    case BENCH_LINK_HANDSHAKING:
        err = bench_link_progress(link);
        if (err == AMP_OK)
            opened(worker, conn);
        else if (err != AMP_ERR_AGAIN)
            bench_conn_fail(worker, conn, link->failure, bench_now_ns());
        return;
    case BENCH_LINK_OPEN:
        if ((events & EPOLLOUT) != 0 && bench_link_flush(link) != AMP_OK)
            bench_conn_fail(worker, conn, link->failure, bench_now_ns());
        else if ((events & ~(uint32_t)EPOLLOUT) != 0)
            receive(worker, conn);
        return;
    }
}
