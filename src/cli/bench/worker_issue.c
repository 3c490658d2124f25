#include "cli/bench/worker_parts.h"

#include <math.h>
#include <stdlib.h>

static struct bench_shape shape_of(const struct bench_worker *worker, const struct bench_conn *conn, enum bench_act act)
{
    switch (act) {
    case BENCH_ACT_BATCH:
    case BENCH_ACT_SEND_BATCH:
        return (struct bench_shape){.items = worker->phase->items};
    case BENCH_ACT_REDEEM:
    case BENCH_ACT_CLAIM:
    case BENCH_ACT_COMMIT:
    case BENCH_ACT_INSPECT:
        return (struct bench_shape){.items = 1, .subject_len = BENCH_SUBJECT_LEN};
    case BENCH_ACT_DELETE_BATCH:
        return conn->received;
    case BENCH_ACT_TOKENIZE:
    case BENCH_ACT_CUSTOM:
    case BENCH_ACT_CREATE_QUEUE:
    case BENCH_ACT_TAG_QUEUE:
    case BENCH_ACT_SEND:
    case BENCH_ACT_RECEIVE:
    case BENCH_ACT_COUNT_:
        break;
    }
    return (struct bench_shape){.items = 1};
}

/* The one that is there serves as long as the form stays the same, which it nearly always does. */
static enum amp_err get_template(struct bench_worker *worker, const struct bench_conn *conn, enum bench_act act,
                                 struct bench_template **out)
{
    const struct bench_shape shape = shape_of(worker, conn, act);
    struct bench_shape *there = &worker->shapes[act];
    struct bench_template **place = &worker->templates[act];
    enum amp_err err = AMP_OK;
    if (*place != NULL && (there->items != shape.items || there->subject_len != shape.subject_len)) {
        bench_template_free(*place);
        *place = NULL;
    }
    if (*place == NULL)
        err = bench_template_new(place, worker->plan, act, &shape);
    *there = shape;
    *out = *place;
    return err;
}

static enum amp_err append(struct bench_worker *worker, struct amp_slice bytes)
{
    if (worker->scratch_cap - worker->scratch_len < bytes.len) {
        const size_t cap = (worker->scratch_len + bytes.len) * 2;
        uint8_t *grown = realloc(worker->scratch, cap);
        if (grown == NULL)
            return AMP_ERR_OUT_OF_MEMORY;
        worker->scratch = grown;
        worker->scratch_cap = cap;
    }
    memcpy(worker->scratch + worker->scratch_len, bytes.ptr, bytes.len);
    worker->scratch_len += bytes.len;
    return AMP_OK;
}

bool bench_worker_stopped(const struct bench_worker *worker, int64_t now)
{
    return worker->failure[0] != '\0' || now >= worker->deadline_ns ||
           (!worker->phase->until_end && (worker->quota == 0 || worker->dry));
}

static bool needs_token(enum bench_act act)
{
    return act == BENCH_ACT_REDEEM || act == BENCH_ACT_CLAIM || act == BENCH_ACT_INSPECT;
}

/* Inspecting consumes nothing, so its tokens go round. */
static const char *next_token(struct bench_worker *worker, enum bench_act act)
{
    struct bench_pool *pool = &worker->pool;
    if (pool->next == pool->count && act == BENCH_ACT_INSPECT)
        pool->next = 0;
    if (pool->next == pool->count) {
        worker->dry = true;
        return NULL;
    }
    return pool->tokens[pool->next++];
}

int64_t bench_worker_draw_gap(struct bench_worker *worker)
{
    const double mean = 1e9 / worker->phase->rate;
    if (worker->plan->fixed_gaps)
        return (int64_t)mean;
    /* Poisson arrivals: gaps are exponential; the draw is in (0, 1] */
    const double uniform = ((double)(bench_signer_draw(&worker->signer) >> 11) + 1) / 9007199254740992.0;
    return (int64_t)(-log(uniform) * mean);
}

/* What this connection sends next, and since when it wanted to; false where it is nobody's turn now. */
static bool choose(struct bench_worker *worker, struct bench_conn *conn, int64_t now, struct bench_flight *flight,
                   const char **subject)
{
    const struct bench_phase *phase = worker->phase;
    *subject = NULL;
    *flight = (struct bench_flight){now, phase->cycle ? conn->turn : phase->act, 1};
    if (conn->claim_count > 0) {
        flight->act = BENCH_ACT_COMMIT;
        *subject = conn->claims[--conn->claim_count];
        return true;
    }
    if (bench_worker_stopped(worker, now) || worker->quota == 0)
        return false;
    if (phase->rate > 0) {
        if (worker->next_arrival_ns > now)
            return false;
        flight->intended_ns = worker->next_arrival_ns;
    } else if (conn->wants_since_ns != 0) {
        flight->intended_ns = conn->wants_since_ns;
    }
    if (flight->act == BENCH_ACT_DELETE_BATCH)
        *subject = conn->receipts;
    if (needs_token(phase->act) && (*subject = next_token(worker, phase->act)) == NULL)
        return false;
    if (phase->rate > 0)
        worker->next_arrival_ns += bench_worker_draw_gap(worker);
    if (worker->quota != UINT64_MAX)
        worker->quota--;
    return true;
}

bool bench_conn_issue(struct bench_worker *worker, struct bench_conn *conn, int64_t now)
{
    const size_t depth = worker->plan->pipeline;
    struct bench_flight flight;
    const char *subject;
    worker->scratch_len = 0;
    while (conn->flight_count < depth && !bench_conn_is_spent(worker, conn) &&
           choose(worker, conn, now, &flight, &subject)) {
        struct bench_template *template;
        struct amp_slice bytes;
        if (get_template(worker, conn, flight.act, &template) != AMP_OK ||
            bench_template_make(template, &worker->signer, now, subject, &bytes) != AMP_OK ||
            append(worker, bytes) != AMP_OK) {
            bench_worker_give_up(worker, "a request could not be made");
            return false;
        }
        flight.items = worker->shapes[flight.act].items;
        if (conn->flight_count == 0)
            conn->moved_ns = now;
        conn->wants_since_ns = 0;
        conn->flights[(conn->flight_first + conn->flight_count++) % depth] = flight;
        conn->issued++;
        worker->in_flight++;
    }
    const bool full = conn->flight_count == depth || bench_conn_is_spent(worker, conn);
    worker->result->bytes_out += worker->scratch_len;
    if (worker->scratch_len > 0 && bench_link_write(&conn->link, worker->scratch, worker->scratch_len) != AMP_OK) {
        bench_list_remove(&worker->ready, conn);
        bench_conn_fail(worker, conn, conn->link.failure, now);
        return true;
    }
    return full;
}

void bench_worker_issue(struct bench_worker *worker, int64_t now)
{
    struct bench_conn *conn;
    while ((conn = worker->ready.first) != NULL && worker->failure[0] == '\0') {
        if (!bench_conn_issue(worker, conn, now))
            return; /* nothing is due for anybody */
        if (worker->ready.first == conn)
            bench_list_pop(&worker->ready);
    }
}
