#include "cli/bench/worker_parts.h"

#include <stdio.h>

#define REOPEN_AFTER_NS 10000000

void bench_list_push_back(struct bench_conn_list *list, struct bench_conn *conn)
{
    if (conn->listed)
        return;
    conn->listed = true;
    conn->next = NULL;
    if (list->last != NULL)
        list->last->next = conn;
    else
        list->first = conn;
    list->last = conn;
}

struct bench_conn *bench_list_pop(struct bench_conn_list *list)
{
    struct bench_conn *conn = list->first;
    list->first = conn->next;
    if (list->first == NULL)
        list->last = NULL;
    conn->listed = false;
    return conn;
}

void bench_list_remove(struct bench_conn_list *list, struct bench_conn *conn)
{
    struct bench_conn *before = NULL;
    for (struct bench_conn *at = list->first; at != NULL; before = at, at = at->next) {
        if (at != conn)
            continue;
        if (before != NULL)
            before->next = conn->next;
        else
            list->first = conn->next;
        if (list->last == conn)
            list->last = before;
        conn->listed = false;
        return;
    }
}

void bench_worker_give_up(struct bench_worker *worker, const char *why)
{
    if (worker->failure[0] == '\0')
        snprintf(worker->failure, sizeof worker->failure, "%s", why);
}

static void drop_flights(struct bench_worker *worker, struct bench_conn *conn)
{
    worker->in_flight -= conn->flight_count;
    conn->flight_first = 0;
    conn->flight_count = 0;
    conn->claim_count = 0;
    conn->turn = BENCH_ACT_SEND_BATCH;
    conn->issued = 0;
    conn->reader = (struct amp_client_reader){0};
}

static void bench_conn_close(struct bench_worker *worker, struct bench_conn *conn)
{
    if (conn->link.state == BENCH_LINK_OPEN)
        worker->open_count--;
    if (conn->listed) {
        bench_list_remove(&worker->ready, conn);
        bench_list_remove(&worker->thinking, conn);
    }
    bench_link_close(&conn->link);
    drop_flights(worker, conn);
}

void bench_conn_fail(struct bench_worker *worker, struct bench_conn *conn, const char *why, int64_t now)
{
    const uint64_t lost = conn->flight_count > 0 ? conn->flight_count : 1;
    worker->result->failed += lost;
    bench_result_count_error(worker->result, why, lost);
    if (worker->phase->connecting)
        bench_worker_give_up(worker, why);
    if (++worker->failures_in_a_row > 100 + 10 * worker->conn_count)
        bench_worker_give_up(worker, why);
    bench_conn_close(worker, conn);
    conn->wake_ns = now + REOPEN_AFTER_NS;
    bench_list_push_back(&worker->reopening, conn);
}

void bench_conn_open(struct bench_worker *worker, struct bench_conn *conn, int64_t now)
{
    worker->result->connects++;
    conn->moved_ns = now;
    if (bench_link_open(&conn->link, worker->plan, worker->address) != AMP_OK)
        bench_conn_fail(worker, conn, conn->link.failure, now);
}

void bench_conn_reopen(struct bench_worker *worker, struct bench_conn *conn, int64_t now)
{
    bench_conn_close(worker, conn);
    conn->wants_since_ns = now;
    bench_conn_open(worker, conn, now);
}

bool bench_conn_is_spent(const struct bench_worker *worker, const struct bench_conn *conn)
{
    return worker->plan->reconnect_every > 0 && conn->issued >= worker->plan->reconnect_every && conn->claim_count == 0;
}
