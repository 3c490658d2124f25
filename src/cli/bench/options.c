#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "cli/bench/link.h"
#include "cli/bench/request.h"
#include "client/runtime.h"

#define DEFAULT_FILL_PER_SECOND 40000
#define DEFAULT_INSPECT_FILL    1000
#define LONG_TTL_MS             900000 /* spec section 3: the most there is */
#define DEFAULT_TTL_MS          10000
#define SEND_TTL_MS             2000 /* messages that nobody takes: else they would be the measure */
#define MESSAGE_TTL_MIN_MS      1000
#define MESSAGE_BYTES           200

/* What is given, before it is judged. */
struct given {
    uint64_t connections, threads, requests, ttl_ms, batch, body_size, fill, groups, reconnect_every, pipeline,
        phase_fd;
    double duration, rate, think_ms, warmup;
    const char *op, *method, *path, *svg, *tls, *queue;
    bool is_unsigned, insecure, hold, fixed_gaps, spin, deduplication_ids;
};

static const struct cli_manual manual = {
    .usage = "[options]",
    .about =
        "Loads a server with signed requests and reports throughput, latency and what the generator itself cost.\n"
        "Every request has new test card data and is signed anew. Without --rate each connection sends its next\n"
        "request when the last was answered (closed loop); with --rate requests are due at their own times and\n"
        "latency counts from then, so that a slow server is not asked less (open loop). redeem, claim and inspect\n"
        "first make the tokens they need. send and queue speak the SQS API (AWS JSON 1.0): send puts messages into\n"
        "a queue, queue has each connection send ten, receive up to ten and delete those, in turn; the queue is\n"
        "made where there is none. Anything but 2xx counts as failed. --phase-fd writes \"start\" and \"end\"\n"
        "around the measured phase, for whoever measures the server meanwhile.",
    .examples = "  ampoule bench --duration 10 --connections 32\n"
                "  ampoule bench --op redeem --requests 100000 --json\n"
                "  ampoule bench --rate 5000 --duration 30 --svg latency.svg\n"
                "  ampoule bench --fill 1000000 --hold --duration 60        memory of a million live tokens\n"
                "  ampoule bench --op queue --connections 8 --duration 10\n"
                "  ampoule bench --op send --fill 1000000 --hold --duration 60   and of a million messages\n"
                "  ampoule bench --op get --path /healthz --unsigned\n",
    .connects = true,
};

static bool take_op(const char *name, enum bench_op *op)
{
    for (int i = 0; i < BENCH_OP_COUNT_; i++) {
        if (strcmp(bench_op_name((enum bench_op)i), name) == 0) {
            *op = (enum bench_op)i;
            return true;
        }
    }
    return false;
}

/* Visible ASCII that needs no quoting anywhere: it stands in a request line and in JSON. */
static bool is_plain(const char *text, const char *also)
{
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr(also, *text) == NULL)
            return false;
    return true;
}

static uint64_t default_fill(const struct bench_plan *plan)
{
    if (plan->op == BENCH_OP_INSPECT)
        return DEFAULT_INSPECT_FILL;
    if (plan->op != BENCH_OP_REDEEM && plan->op != BENCH_OP_CLAIM)
        return 0;
    const double per_second = plan->rate > 0 ? plan->rate * 1.1 : DEFAULT_FILL_PER_SECOND;
    const double warmup = (double)plan->warmup_ns / 1e9 * per_second;
    if (plan->requests > 0)
        return plan->requests + (uint64_t)ceil(warmup);
    return (uint64_t)ceil((double)plan->duration_ns / 1e9 * per_second + warmup);
}

/* What contradicts itself, as a sentence; NULL where all is well. */
static const char *judge(const struct given *given, struct bench_plan *plan, int *tls_version)
{
    if (!take_op(given->op, &plan->op))
        return "--op is one of tokenize, redeem, claim, inspect, send, queue, get";
    if (given->tls != NULL && strcmp(given->tls, "1.2") != 0 && strcmp(given->tls, "1.3") != 0)
        return "--tls is 1.2 or 1.3";
    if (given->path[0] != '/' || !is_plain(given->path, "/-._~?&=%+:,") || !is_plain(given->method, ""))
        return "--path starts with / and, like --method, has no blanks or quotes";
    if (strcmp(given->method, "HEAD") == 0)
        return "--method HEAD is not supported: its answers announce a body that never comes";
    if (given->queue != NULL && !is_plain(given->queue, "-_."))
        return "--queue is made of letters, digits, - and _";
    if (plan->think_ns > 0 && (plan->pipeline > 1 || plan->rate > 0))
        return "--think-ms goes with neither --pipeline nor --rate";
    if (plan->threads > plan->connections)
        return "every thread needs a connection: raise --connections";
    if (plan->batch > 0 && plan->op != BENCH_OP_TOKENIZE && plan->op != BENCH_OP_SEND)
        return "--batch goes with --op tokenize and --op send";
    if (plan->batch > BENCH_QUEUE_BATCH && plan->op == BENCH_OP_SEND)
        return "--batch is 10 at most with --op send";
    if (plan->pipeline > 1 && plan->op == BENCH_OP_QUEUE)
        return "--op queue takes one step at a time: no --pipeline";
    if (plan->ttl_ms > 0 && plan->ttl_ms < MESSAGE_TTL_MIN_MS && bench_op_is_queue(plan->op))
        return "messages live 1000 ms at least (--ttl-ms)";
    if ((plan->groups > 0 || plan->deduplication_ids) && !bench_plan_is_fifo(plan))
        return "--groups and --deduplication-ids go with --op send or queue and --queue NAME.fifo";
    if (plan->hold && plan->fill == 0)
        return "--hold keeps what --fill made: give --fill";
    if (plan->is_unsigned && plan->op != BENCH_OP_GET)
        return "--unsigned goes with --op get";
    *tls_version = given->tls == NULL ? 0 : strcmp(given->tls, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    return NULL;
}

static uint64_t default_ttl(const struct bench_plan *plan)
{
    if (plan->fill > 0)
        return LONG_TTL_MS;
    return plan->op == BENCH_OP_SEND ? SEND_TTL_MS : DEFAULT_TTL_MS;
}

static void plan_from(const struct given *given, const struct cli *cli, struct bench_plan *plan)
{
    *plan = (struct bench_plan){
        .connection = &cli->connection,
        .queue = given->queue,
        .method = given->method,
        .path = given->path,
        .is_unsigned = given->is_unsigned,
        .insecure = given->insecure,
        .hold = given->hold,
        .groups = given->groups,
        .deduplication_ids = given->deduplication_ids,
        .fixed_gaps = given->fixed_gaps,
        .spin = given->spin,
        .threads = (size_t)given->threads,
        .connections = (size_t)given->connections,
        .pipeline = (size_t)given->pipeline,
        .batch = (size_t)given->batch,
        .body_size = (size_t)given->body_size,
        .fill = given->fill,
        .requests = given->requests,
        .reconnect_every = given->reconnect_every,
        .ttl_ms = given->ttl_ms,
        .duration_ns = given->duration > 0 ? (int64_t)(given->duration * 1e9) : 0,
        .warmup_ns = (int64_t)(given->warmup * 1e9),
        .think_ns = (int64_t)(given->think_ms * 1e6),
        .timeout_ns = (int64_t)cli->connection.timeout_ms * 1000000,
        .rate = given->rate,
    };
    if (plan->requests == 0 && plan->duration_ns == 0)
        plan->duration_ns = 10000000000;
}

static int start(struct cli *cli, const struct given *given)
{
    struct bench_plan plan;
    int tls_version = 0;
    plan_from(given, cli, &plan);
    const char *wrong = judge(given, &plan, &tls_version);
    if (wrong != NULL)
        return cli_usage(cli, wrong);
    if (plan.queue == NULL)
        plan.queue = bench_op_is_queue(plan.op) ? "bench" : "payments";
    if (plan.fill == 0)
        plan.fill = default_fill(&plan);
    if (plan.ttl_ms == 0)
        plan.ttl_ms = default_ttl(&plan);
    if (plan.body_size == 0 && bench_op_is_queue(plan.op))
        plan.body_size = MESSAGE_BYTES;
    if (amp_client_runtime_start() != AMP_OK)
        return cli_fail(cli, CLI_REFUSED, "crypto", "the cryptographic library cannot be started");
    if (plan.is_unsigned && cli->connection.url == NULL)
        return cli_usage(cli, "where is the server? Set AMPOULE_URL or give --url https://HOST:PORT");
    if (!plan.is_unsigned) {
        const int code = cli_connection_ready(cli);
        if (code != CLI_DONE)
            return code;
    }
    if (amp_client_url_parse(&plan.url, cli->connection.url) != AMP_OK)
        return cli_usage(cli, "--url is https://HOST[:PORT]");
    if (bench_tls_new(&plan.tls, &cli->connection, plan.insecure, tls_version) != AMP_OK)
        return cli_usage(cli, "the CA file cannot be read, or holds no certificate (--ca, AMPOULE_CA)");
    const int code = bench_run(cli, &plan, given->phase_fd == UINT64_MAX ? -1 : (int)given->phase_fd, given->svg);
    SSL_CTX_free(plan.tls);
    return code;
}

int cli_bench(struct cli *cli, int argc, char **argv)
{
    struct given g = {
        .connections = 32,
        .threads = 1,
        .pipeline = 1,
        .phase_fd = UINT64_MAX,
        .op = "tokenize",
        .method = "GET",
        .path = "/healthz",
    };
    const struct cli_option options[] = {
        CLI_OPTION_TEXT("op", "NAME",
                        "tokenize, redeem, claim (and commit), inspect, send, queue, get; default tokenize", &g.op),
        CLI_OPTION_NUMBER("connections", "N", "connections over all threads; default 32", &g.connections, 1, 50000),
        CLI_OPTION_NUMBER("threads", "N", "threads; default 1", &g.threads, 1, 64),
        CLI_OPTION_REAL("duration", "S", "seconds to measure; default 10", &g.duration, 0, 86400),
        CLI_OPTION_NUMBER("requests", "N", "stop after so many instead", &g.requests, 1, 1000000000),
        CLI_OPTION_REAL("warmup", "S", "seconds of the same load before; default 0", &g.warmup, 0, 3600),
        CLI_OPTION_REAL("rate", "R", "open loop: requests per second over all", &g.rate, 0, 10000000),
        CLI_OPTION_FLAG("fixed-gaps", "open loop with even gaps instead of random (Poisson) ones", &g.fixed_gaps),
        CLI_OPTION_FLAG("spin", "never sleep: the server then does not pay for waking the generator", &g.spin),
        CLI_OPTION_REAL("think-ms", "MS", "closed loop: pause before each next request", &g.think_ms, 0, 3600000),
        CLI_OPTION_NUMBER("pipeline", "N", "requests under way on a connection; default 1", &g.pipeline, 1, 64),
        CLI_OPTION_NUMBER("reconnect-every", "N", "open a connection anew after so many requests", &g.reconnect_every,
                          1, 1000000000),
        CLI_OPTION_NUMBER("batch", "N", "tokenize (or send, up to 10) so many in a request", &g.batch, 1,
                          BENCH_BATCH_MAX),
        CLI_OPTION_NUMBER("fill", "N", "tokens or messages to make before measuring", &g.fill, 1, 100000000),
        CLI_OPTION_FLAG("hold", "then send nothing: only keep what was made, and the connections", &g.hold),
        CLI_OPTION_NUMBER("ttl-ms", "MS",
                          "life of tokens and messages; default 10000, 900000 where filled, 2000 of --op send",
                          &g.ttl_ms, 1, 86400000),
        CLI_OPTION_TEXT("queue", "NAME",
                        "queue of the tokens or messages; default payments, bench with --op send or queue", &g.queue),
        CLI_OPTION_NUMBER("body-size", "N",
                          "bytes of each request's body (seals data instead of a card); of each message, 200",
                          &g.body_size, 1, 1048576),
        CLI_OPTION_NUMBER("groups", "N", "groups that messages of a FIFO queue (NAME.fifo) are spread over; default 1",
                          &g.groups, 1, 100000),
        CLI_OPTION_FLAG("deduplication-ids", "give each of them an id, as long as a UUID; else it is its body's hash",
                        &g.deduplication_ids),
        CLI_OPTION_TEXT("method", "M", "of --op get; default GET", &g.method),
        CLI_OPTION_TEXT("path", "P", "of --op get; default /healthz", &g.path),
        CLI_OPTION_FLAG("unsigned", "do not sign (--op get)", &g.is_unsigned),
        CLI_OPTION_FLAG("insecure", "accept any certificate: to measure other servers", &g.insecure),
        CLI_OPTION_TEXT("tls", "V", "only TLS 1.2 or only 1.3", &g.tls),
        CLI_OPTION_TEXT("svg", "FILE", "plot latency percentiles and throughput", &g.svg),
        CLI_OPTION_NUMBER("phase-fd", "N", "descriptor for \"start\" and \"end\" of the measured phase", &g.phase_fd, 0,
                          1048576),
    };
    int code;
    if (!cli_parse(cli, &manual, options, sizeof options / sizeof options[0], argc, argv, &code))
        return code;
    if (cli->arg_count > 0)
        return cli_usage(cli, "bench takes options alone");
    return start(cli, &g);
}
