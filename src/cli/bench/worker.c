/*
 * How a connection goes round: ready -> (requests issued until its pipeline is full) -> busy -> (answers) -> ready, or
 * through one of two queues of sleepers: thinking, or reopening after a failure. Both queues are first in, first out,
 * since every sleeper of a queue sleeps equally long.
 */
#include "cli/bench/worker_parts.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cli/bench/stopwatch.h"

#define EVENTS_AT_ONCE 256
#define TICK_NS        1000000000

enum amp_err bench_worker_new(struct bench_worker **out, const struct bench_plan *plan,
                              const struct bench_address *address, size_t connections)
{
    struct bench_worker *worker = calloc(1, sizeof *worker);
    enum amp_err err = AMP_ERR_OUT_OF_MEMORY;
    *out = NULL;
    if (worker == NULL)
        return err;
    worker->plan = plan;
    worker->address = address;
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->conns = calloc(connections, sizeof *worker->conns);
    if (worker->epoll < 0 || worker->conns == NULL)
        goto out;
    while (worker->conn_count < connections) {
        struct bench_conn *conn = &worker->conns[worker->conn_count++];
        bench_link_init(&conn->link, worker->epoll, conn);
        conn->flights = calloc(plan->pipeline, sizeof *conn->flights);
        conn->claims = calloc(plan->pipeline, sizeof *conn->claims);
        if (plan->op == BENCH_OP_QUEUE)
            conn->receipts = malloc(BENCH_QUEUE_BATCH * BENCH_RECEIPT_LEN_MAX);
        conn->turn = BENCH_ACT_SEND_BATCH;
        if (conn->flights == NULL || conn->claims == NULL || (conn->receipts == NULL && plan->op == BENCH_OP_QUEUE))
            goto out;
    }
    if ((err = bench_signer_init(&worker->signer, plan->connection)) != AMP_OK)
        goto out;
    *out = worker;
    return AMP_OK;
out:
    bench_worker_free(worker);
    return err;
}

void bench_worker_free(struct bench_worker *worker)
{
    if (worker == NULL)
        return;
    for (size_t i = 0; worker->conns != NULL && i < worker->conn_count; i++) {
        bench_link_fini(&worker->conns[i].link);
        free(worker->conns[i].flights);
        free(worker->conns[i].claims);
        free(worker->conns[i].receipts);
    }
    for (size_t i = 0; i < BENCH_ACT_COUNT_; i++)
        bench_template_free(worker->templates[i]);
    bench_signer_fini(&worker->signer);
    if (worker->epoll >= 0)
        close(worker->epoll);
    free(worker->conns);
    free(worker->pool.tokens);
    free(worker->scratch);
    free(worker);
}

static void wake(struct bench_worker *worker, int64_t now)
{
    while (worker->thinking.first != NULL && worker->thinking.first->wake_ns <= now)
        bench_list_push_back(&worker->ready, bench_list_pop(&worker->thinking));
    while (worker->reopening.first != NULL && worker->reopening.first->wake_ns <= now)
        bench_conn_open(worker, bench_list_pop(&worker->reopening), now);
    if (now < worker->next_tick_ns)
        return;
    worker->next_tick_ns = now + TICK_NS;
    for (size_t i = 0; i < worker->conn_count; i++) {
        struct bench_conn *conn = &worker->conns[i];
        const bool waits = conn->flight_count > 0 || conn->link.state == BENCH_LINK_CONNECTING ||
                           conn->link.state == BENCH_LINK_HANDSHAKING;
        if (waits && now - conn->moved_ns > worker->plan->timeout_ns)
            bench_conn_fail(worker, conn, "timeout", now);
    }
}

static void earlier(int64_t *least, int64_t at)
{
    if (at < *least)
        *least = at;
}

static struct timespec wait_time(const struct bench_worker *worker, int64_t now)
{
    int64_t until = worker->next_tick_ns;
    if (worker->plan->spin)
        return (struct timespec){0, 0};
    if (now < worker->deadline_ns)
        earlier(&until, worker->deadline_ns);
    if (worker->thinking.first != NULL)
        earlier(&until, worker->thinking.first->wake_ns);
    if (worker->reopening.first != NULL)
        earlier(&until, worker->reopening.first->wake_ns);
    if (worker->phase->rate > 0 && worker->ready.first != NULL && !bench_worker_stopped(worker, now))
        earlier(&until, worker->next_arrival_ns);
    const int64_t wait = until > now ? until - now : 0;
    return (struct timespec){wait / 1000000000, wait % 1000000000};
}

static bool finished(const struct bench_worker *worker, int64_t now)
{
    if (worker->failure[0] != '\0')
        return true;
    if (worker->phase->connecting)
        return worker->open_count == worker->conn_count;
    return bench_worker_stopped(worker, now) && worker->in_flight == 0;
}

static void loop(struct bench_worker *worker)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    for (;;) {
        const int64_t now = bench_now_ns();
        wake(worker, now);
        bench_worker_issue(worker, now);
        if (finished(worker, now))
            return;
        const struct timespec wait = wait_time(worker, now);
        const int count = epoll_pwait2(worker->epoll, events, EVENTS_AT_ONCE, &wait, NULL);
        for (int i = 0; i < count; i++) {
            bench_conn_event(worker, events[i].data.ptr, events[i].events);
            /* answered at once, so that neither side waits for the other's whole turn */
            if (worker->phase->rate <= 0 && worker->ready.first != NULL)
                bench_worker_issue(worker, bench_now_ns());
        }
    }
}

bool bench_worker_run(struct bench_worker *worker, const struct bench_phase *phase, struct bench_result *result)
{
    const int64_t cpu_start = bench_cpu_ns();
    worker->phase = phase;
    worker->result = result;
    worker->quota = phase->connecting ? 0 : phase->quota;
    worker->dry = false;
    worker->start_ns = bench_now_ns();
    worker->deadline_ns = phase->duration_ns > 0 ? worker->start_ns + phase->duration_ns : INT64_MAX;
    worker->next_tick_ns = worker->start_ns + TICK_NS;
    worker->next_arrival_ns = worker->start_ns;
    if (phase->rate > 0)
        worker->next_arrival_ns += bench_worker_draw_gap(worker);
    for (size_t i = 0; phase->connecting && i < worker->conn_count; i++)
        bench_conn_open(worker, &worker->conns[i], worker->start_ns);
    loop(worker);
    result->wall_ns = bench_now_ns() - worker->start_ns;
    result->cpu_ns = bench_cpu_ns() - cpu_start;
    result->busiest_cpu_ns = result->cpu_ns;
    return worker->failure[0] == '\0';
}

const char *bench_worker_failure(const struct bench_worker *worker)
{
    return worker->failure;
}

bool bench_worker_ran_dry(const struct bench_worker *worker)
{
    return worker->dry;
}

void bench_worker_disconnect(struct bench_worker *worker)
{
    for (size_t i = 0; i < worker->conn_count; i++)
        bench_link_close(&worker->conns[i].link);
}
