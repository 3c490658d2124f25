/* What the files of the load generator's worker share; nobody else includes it. */
#ifndef AMP_CLI_BENCH_WORKER_PARTS_H
#define AMP_CLI_BENCH_WORKER_PARTS_H

#include "cli/bench/worker.h"
#include "client/reader.h"

/* A request on its way. */
struct bench_flight {
    int64_t intended_ns; /* when it was to be sent: what it waited since counts as latency */
    enum bench_act act;
    size_t items; /* how many tokens or messages it is about */
};

struct bench_conn {
    struct bench_link link;
    struct amp_client_reader reader;
    struct bench_flight *flights; /* ring of plan->pipeline */
    size_t flight_first;
    size_t flight_count;
    char (*claims)[BENCH_SUBJECT_LEN]; /* to be committed next; as many as flights */
    size_t claim_count;
    enum bench_act turn; /* of a cycle: what comes next */
    char *receipts;      /* of a cycle: what was received, one behind the other; NULL without cycles */
    struct bench_shape received;
    uint64_t issued;        /* since it was opened */
    int64_t wants_since_ns; /* it could not send before, for being reopened; 0: it could */
    int64_t moved_ns;       /* last sign of life */
    int64_t wake_ns;
    struct bench_conn *next;
    bool listed;
};

struct bench_conn_list {
    struct bench_conn *first;
    struct bench_conn *last;
};

struct bench_pool {
    char (*tokens)[BENCH_SUBJECT_LEN];
    size_t count;
    size_t cap;
    size_t next;
};

struct bench_worker {
    const struct bench_plan *plan;
    const struct bench_address *address;
    struct bench_signer signer;
    struct bench_template *templates[BENCH_ACT_COUNT_];
    struct bench_shape shapes[BENCH_ACT_COUNT_]; /* of the templates that are there */
    struct bench_conn *conns;
    size_t conn_count;
    size_t open_count;
    int epoll;
    struct bench_conn_list ready;
    struct bench_conn_list thinking;
    struct bench_conn_list reopening;
    struct bench_pool pool;
    struct amp_http1_response head; /* scratch of the reader */
    uint8_t *scratch;               /* requests that go out together */
    size_t scratch_len;
    size_t scratch_cap;

    const struct bench_phase *phase;
    struct bench_result *result;
    uint64_t quota;
    size_t in_flight;
    int64_t start_ns;
    int64_t deadline_ns;
    int64_t next_arrival_ns;
    int64_t next_tick_ns;
    uint64_t failures_in_a_row;
    bool dry;
    char failure[200];
};

/* worker_conns.c: the round of connections. */
void bench_list_push_back(struct bench_conn_list *list, struct bench_conn *conn);
struct bench_conn *bench_list_pop(struct bench_conn_list *list);
void bench_list_remove(struct bench_conn_list *list, struct bench_conn *conn);
/* The whole run is to end, and why. */
void bench_worker_give_up(struct bench_worker *worker, const char *why);
void bench_conn_open(struct bench_worker *worker, struct bench_conn *conn, int64_t now);
/* Counts what was under way as failed and opens it again a little later. */
void bench_conn_fail(struct bench_worker *worker, struct bench_conn *conn, const char *why, int64_t now);
/* In good order: the server wants it closed, or --reconnect-every does. */
void bench_conn_reopen(struct bench_worker *worker, struct bench_conn *conn, int64_t now);
/* It has sent as many requests as --reconnect-every lets it. */
bool bench_conn_is_spent(const struct bench_worker *worker, const struct bench_conn *conn);

/* worker_issue.c: fills the connection's pipeline with what is due, commits first. True where it is full (or failed).
 */
bool bench_conn_issue(struct bench_worker *worker, struct bench_conn *conn, int64_t now);
/* The same on every ready connection. */
void bench_worker_issue(struct bench_worker *worker, int64_t now);
/* No more requests begin in this phase. */
bool bench_worker_stopped(const struct bench_worker *worker, int64_t now);
/* Time until the next arrival of the open loop. */
int64_t bench_worker_draw_gap(struct bench_worker *worker);

/* worker_answer.c: something happened on a connection. */
void bench_conn_event(struct bench_worker *worker, struct bench_conn *conn, uint32_t events);

#endif
