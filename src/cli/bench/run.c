#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/bench/crew.h"
#include "client/tls.h"

#define FILL_BATCH  100 /* tokens; messages go ten at a time */
#define UNREACHABLE "unreachable"

static const char *const op_names[BENCH_OP_COUNT_] = {
    [BENCH_OP_TOKENIZE] = "tokenize", [BENCH_OP_REDEEM] = "redeem", [BENCH_OP_CLAIM] = "claim",
    [BENCH_OP_INSPECT] = "inspect",   [BENCH_OP_SEND] = "send",     [BENCH_OP_QUEUE] = "queue",
    [BENCH_OP_GET] = "get",
};

const char *bench_op_name(enum bench_op op)
{
    return op_names[op];
}

/* ---- before the first phase ---- */

/* The first of the host's addresses that accepts. NULL, or why there is none: `code` where it was refused. */
static const char *find_address(const struct amp_client_url *url, struct bench_address *address, const char **code)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *failure = "the host's name has no address";
    if (getaddrinfo(url->host, url->port, &hints, &found) != 0)
        return failure;
    for (const struct addrinfo *at = found; at != NULL && failure != NULL; at = at->ai_next) {
        const int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
            memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
            address->len = at->ai_addrlen;
            failure = NULL;
        } else {
            *code = amp_client_connect_code(errno);
            failure = amp_client_connect_failure(errno);
        }
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(found);
    return failure;
}

static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int unreachable(struct cli *cli, const struct bench_plan *plan, const char *code, const char *why,
                       const char *hint)
{
    char text[512];
    snprintf(text, sizeof text, "cannot use https://%s: %s%s", plan->url.authority, why, hint);
    return cli_fail(cli, CLI_UNREACHABLE, code, text);
}

/* ---- the phases ---- */

static void announce(const struct cli *cli, const char *phase)
{
    if (!cli->json)
        fprintf(stderr, "ampoule bench: %s\n", phase);
}

static void tell(int fd, const char *line)
{
    if (fd >= 0 && write(fd, line, strlen(line)) < 0)
        fprintf(stderr, "ampoule bench: the phase descriptor cannot be written\n");
}

static enum bench_act plan_act(const struct bench_plan *plan)
{
    switch (plan->op) {
    case BENCH_OP_TOKENIZE:
        return plan->batch > 0 ? BENCH_ACT_BATCH : BENCH_ACT_TOKENIZE;
    case BENCH_OP_REDEEM:
        return BENCH_ACT_REDEEM;
    case BENCH_OP_CLAIM:
        return BENCH_ACT_CLAIM;
    case BENCH_OP_INSPECT:
        return BENCH_ACT_INSPECT;
    case BENCH_OP_SEND:
        return plan->batch > 0 ? BENCH_ACT_SEND_BATCH : BENCH_ACT_SEND;
    case BENCH_OP_QUEUE:
        return BENCH_ACT_SEND_BATCH;
    case BENCH_OP_GET:
    case BENCH_OP_COUNT_:
        break;
    }
    return BENCH_ACT_CUSTOM;
}

static const char *fill(struct bench_crew *crew, const struct bench_plan *plan, struct bench_result *result)
{
    const bool queue = bench_op_is_queue(plan->op);
    const uint64_t most = queue ? BENCH_QUEUE_BATCH : FILL_BATCH;
    const uint64_t items = plan->fill < most ? plan->fill : most;
    const struct bench_phase phase = {
        .act = queue ? BENCH_ACT_SEND_BATCH : BENCH_ACT_BATCH,
        .items = (size_t)items,
        .quota = (plan->fill + items - 1) / items,
        .keep_tokens = true,
    };
    const char *failure = bench_crew_run(crew, &phase, result);
    if (failure == NULL && result->tokens + result->messages == 0)
        failure = result->error_count > 0 ? result->errors[0].name : "no token came back";
    return failure;
}

/* The queue, where there is none yet, and how long its messages live. */
static const char *make_queue(struct bench_crew *crew, struct bench_result *scrap)
{
    static const enum bench_act acts[] = {BENCH_ACT_CREATE_QUEUE, BENCH_ACT_TAG_QUEUE};
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        const struct bench_phase phase = {.act = acts[i], .quota = 1};
        const char *failure = bench_crew_run(crew, &phase, scrap);
        if (failure != NULL || scrap->failed > 0)
            return failure != NULL ? failure : scrap->errors[0].name;
    }
    return NULL;
}

struct results {
    struct bench_result fill;
    struct bench_result scrap;
    struct bench_result measured;
};

/* NULL, or why a phase failed. */
static const char *run_phases(const struct cli *cli, const struct bench_plan *plan, struct bench_crew *crew,
                              int phase_fd, struct results *results)
{
    const struct bench_phase connect_phase = {.connecting = true};
    struct bench_phase phase = {
        .act = plan_act(plan),
        .items = plan->op == BENCH_OP_QUEUE ? BENCH_QUEUE_BATCH : plan->batch,
        .cycle = plan->op == BENCH_OP_QUEUE,
        .quota = UINT64_MAX,
        .duration_ns = plan->warmup_ns,
        .rate = plan->rate,
    };
    const char *failure = bench_crew_run(crew, &connect_phase, &results->scrap);
    if (failure == NULL && bench_op_is_queue(plan->op))
        failure = make_queue(crew, &results->scrap);
    if (failure == NULL && plan->fill > 0) {
        announce(cli, "filling");
        failure = fill(crew, plan, &results->fill);
    }
    if (failure == NULL && plan->warmup_ns > 0) {
        announce(cli, "warming up");
        failure = bench_crew_run(crew, &phase, &results->scrap);
    }
    if (failure != NULL)
        return failure;
    phase.duration_ns = plan->duration_ns;
    phase.until_end = plan->hold;
    phase.quota = plan->hold ? 0 : plan->requests > 0 ? plan->requests : UINT64_MAX;
    announce(cli, plan->hold ? "holding" : "measuring");
    tell(phase_fd, "start\n");
    failure = bench_crew_run(crew, &phase, &results->measured);
    tell(phase_fd, "end\n");
    return failure;
}

int bench_run(struct cli *cli, const struct bench_plan *plan, int phase_fd, const char *svg_path)
{
    struct bench_address address = {.len = 0};
    struct bench_crew *crew = NULL;
    struct results *results = calloc(1, sizeof *results);
    int code = CLI_DONE;

    signal(SIGPIPE, SIG_IGN);
    allow_many_files();
    const char *why = UNREACHABLE;
    const char *failure = find_address(&plan->url, &address, &why);
    if (failure != NULL) {
        code = unreachable(cli, plan, why, failure, "; is ampouled running?");
        goto out;
    }
    if (results == NULL || bench_crew_new(&crew, plan, &address) != AMP_OK) {
        code = cli_fail(cli, CLI_REFUSED, "out_of_memory", "out of memory for that many connections");
        goto out;
    }
    if ((failure = run_phases(cli, plan, crew, phase_fd, results)) != NULL) {
        code = unreachable(cli, plan, UNREACHABLE, failure, "");
        goto out;
    }
    const struct bench_report report = {
        .plan = plan,
        .fill = plan->fill > 0 ? &results->fill : NULL,
        .measured = &results->measured,
        .pool_ran_dry = bench_crew_ran_dry(crew),
    };
    bench_report_print(&report, cli->json);
    if (results->measured.failed > 0 && results->measured.requests == 0)
        code = CLI_REFUSED;
    if (svg_path != NULL && bench_plot_write(&report, svg_path) != AMP_OK)
        code = cli_fail(cli, CLI_REFUSED, "io", "the plot cannot be written");
out:
    bench_crew_free(crew);
    free(results);
    return code;
}
