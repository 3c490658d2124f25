/*
 * `ampoule bench`: a load generator that signs every request.
 *
 *   options.c  the command line -> struct bench_plan
 *   run.c      phases (connect, fill, warm up, measure) over the workers
 *   worker.c   one thread: an epoll loop that keeps its connections busy, closed or open loop
 *   link.c     one TLS connection without blocking
 *   request.c  requests as templates: a few bytes are patched, then signed
 *   body.c     their bodies
 *   report.c, plot.c   struct bench_result -> text, JSON, SVG
 */
#ifndef AMP_CLI_BENCH_BENCH_H
#define AMP_CLI_BENCH_BENCH_H

#include <openssl/ssl.h>

#include "cli/bench/histogram.h"
#include "cli/cli.h"
#include "client/url.h"

/* What is measured. */
enum bench_op {
    BENCH_OP_TOKENIZE,
    BENCH_OP_REDEEM,
    BENCH_OP_CLAIM,
    BENCH_OP_INSPECT,
    BENCH_OP_SEND,  /* messages into a queue */
    BENCH_OP_QUEUE, /* through it: sent, received, deleted, ten at a time */
    BENCH_OP_GET,
    BENCH_OP_COUNT_
};
const char *bench_op_name(enum bench_op op);
/* It speaks the SQS API. */
static inline bool bench_op_is_queue(enum bench_op op)
{
    return op == BENCH_OP_SEND || op == BENCH_OP_QUEUE;
}

struct bench_plan {
    enum bench_op op;
    struct amp_client_url url;
    const struct cli_connection *connection;
    SSL_CTX *tls;
    const char *queue;
    const char *method; /* BENCH_OP_GET */
    const char *path;
    bool is_unsigned;
    bool insecure;
    bool spin;              /* never sleep */
    bool hold;              /* after the fill send nothing: only keep the connections */
    bool deduplication_ids; /* given, not made of the body by the queue */
    bool fixed_gaps;        /* open loop: even gaps, not Poisson's */
    size_t threads;
    size_t connections;
    size_t pipeline;
    size_t batch;      /* items per tokenize or send request; 0: the single call */
    size_t body_size;  /* 0: natural; of queues: of each message */
    uint64_t groups;   /* of a FIFO queue, that messages are spread over */
    uint64_t fill;     /* tokens or messages to make before the measured phase */
    uint64_t requests; /* 0: as many as fit into the duration */
    uint64_t reconnect_every;
    uint64_t ttl_ms;
    int64_t duration_ns;
    int64_t warmup_ns;
    int64_t think_ns;
    int64_t timeout_ns;
    double rate; /* requests per second over all; 0: closed loop */
};

static inline bool bench_plan_is_fifo(const struct bench_plan *plan)
{
    static const char suffix[] = ".fifo";
    const size_t len = plan->queue == NULL ? 0 : strlen(plan->queue);
    return bench_op_is_queue(plan->op) && len >= sizeof suffix &&
           strcmp(plan->queue + len - sizeof suffix + 1, suffix) == 0;
}

#define BENCH_TIMELINE_SLOT_NS INT64_C(100000000)
#define BENCH_TIMELINE_SLOTS   36000
#define BENCH_ERROR_KINDS      32

struct bench_error {
    char name[56]; /* "429 rate_limited", "connection closed" */
    uint64_t count;
};

/* What one phase gave: of one worker, or merged. */
struct bench_result {
    struct bench_histogram latency;
    uint64_t requests; /* answered with 2xx */
    uint64_t failed;   /* everything else */
    uint64_t tokens;   /* made */
    uint64_t messages; /* sent; with BENCH_OP_QUEUE: sent, received and deleted */
    uint64_t connects; /* connections opened within the phase */
    uint64_t bytes_in; /* inside TLS */
    uint64_t bytes_out;
    struct bench_error errors[BENCH_ERROR_KINDS];
    size_t error_count;
    int64_t cpu_ns;
    int64_t busiest_cpu_ns; /* of the busiest thread */
    int64_t start_unix_ns;
    int64_t end_unix_ns;
    int64_t wall_ns;
    uint32_t timeline[BENCH_TIMELINE_SLOTS]; /* answers per slot */
    size_t slots;
};

void bench_result_count_error(struct bench_result *result, const char *name, uint64_t count);
void bench_result_merge(struct bench_result *into, const struct bench_result *from);

struct bench_report {
    const struct bench_plan *plan;
    const struct bench_result *fill;     /* NULL where nothing was filled */
    const struct bench_result *measured; /* all zero with --hold */
    bool pool_ran_dry;                   /* the phase ended early: no tokens were left */
};

/* Runs all phases; `phase_fd`: where "start\n" and "end\n" of the measured phase are written, or -1. Prints the report
 * and writes the plot (NULL: none). Returns the exit code. */
int bench_run(struct cli *cli, const struct bench_plan *plan, int phase_fd, const char *svg_path);

void bench_report_print(const struct bench_report *report, bool json);
enum amp_err bench_plot_write(const struct bench_report *report, const char *path) AMP_MUST_USE;

/* cli/bench/options.c: the command. */
int cli_bench(struct cli *cli, int argc, char **argv);

#endif
