/* One thread of the load generator. */
#ifndef AMP_CLI_BENCH_WORKER_H
#define AMP_CLI_BENCH_WORKER_H

#include "cli/bench/link.h"
#include "cli/bench/request.h"

struct bench_phase {
    enum bench_act act;
    size_t items;        /* of a batch */
    uint64_t quota;      /* most requests to begin; 0 none at all, UINT64_MAX no limit */
    int64_t duration_ns; /* begin none later; 0: no limit */
    double rate;         /* this worker's share, per second; 0: closed loop */
    bool connecting;     /* ends when every connection is open; a failure is fatal */
    bool keep_tokens;    /* tokens made are for later phases */
    bool cycle;          /* each connection sends a batch, receives, deletes what came, and again */
    bool until_end;      /* lasts its duration even where nothing is to be sent */
};

struct bench_worker;

/* `connections`: how many are this worker's. `plan` and `address` are borrowed. */
enum amp_err bench_worker_new(struct bench_worker **out, const struct bench_plan *plan,
                              const struct bench_address *address, size_t connections) AMP_MUST_USE;
void bench_worker_free(struct bench_worker *worker);

/*
 * Runs a phase in the calling thread and waits for what is under way at its end. `result` (zeroed by the caller) gets
 * its numbers. False where it had to be given up: bench_worker_failure says why.
 */
bool bench_worker_run(struct bench_worker *worker, const struct bench_phase *phase, struct bench_result *result);
const char *bench_worker_failure(const struct bench_worker *worker);
/* Tokens were asked for and none was left. */
bool bench_worker_ran_dry(const struct bench_worker *worker);
/* Ends every connection in good order. */
void bench_worker_disconnect(struct bench_worker *worker);

#endif
