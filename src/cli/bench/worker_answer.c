#include "cli/bench/worker_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "cli/bench/stopwatch.h"

#define MAX_BODY   (1u << 20)
#define TOKEN_MARK "\"tok_"
#define CLAIM_MARK "\"clm_"
#define CODE_MARK  "\"code\":\""

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

static void count_refusal(struct bench_worker *worker, int status, struct amp_slice body)
{
    char name[sizeof worker->result->errors[0].name];
    const uint8_t *code = body.len > 0 ? memmem(body.ptr, body.len, CODE_MARK, sizeof CODE_MARK - 1) : NULL;
    int len = 0;
    if (code != NULL) {
        code += sizeof CODE_MARK - 1;
        while (len < 40 && code + len < body.ptr + body.len &&
               ((code[len] >= 'a' && code[len] <= 'z') || code[len] == '_'))
            len++;
    }
    snprintf(name, sizeof name, "%d%s%.*s", status, len > 0 ? " " : "", len, code != NULL ? (const char *)code : "");
    worker->result->failed++;
    bench_result_count_error(worker->result, name, 1);
}

static void count_answer(struct bench_worker *worker, struct bench_conn *conn, const struct bench_flight *flight,
                         struct amp_slice body)
{
    const int status = conn->reader.status;
    struct bench_result *result = worker->result;
    if (status < 200 || status > 299) {
        count_refusal(worker, status, body);
        return;
    }
    result->requests++;
    if (flight->act == BENCH_ACT_TOKENIZE || flight->act == BENCH_ACT_BATCH) {
        const uint64_t made = take_tokens(worker, body);
        const uint64_t asked = flight->act == BENCH_ACT_BATCH ? worker->phase->items : 1;
        if (made < asked)
            bench_result_count_error(result, "item refused", asked - made);
    } else if (flight->act == BENCH_ACT_CLAIM) {
        take_claim(conn, body);
    }
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
