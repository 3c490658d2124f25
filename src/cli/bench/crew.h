/* The workers, each in a thread of its own, which all run the same phase between two barriers. */
#ifndef AMP_CLI_BENCH_CREW_H
#define AMP_CLI_BENCH_CREW_H

#include "cli/bench/worker.h"

struct bench_crew;

/* plan->threads workers share plan->connections. `plan` and `address` are borrowed. */
enum amp_err bench_crew_new(struct bench_crew **out, const struct bench_plan *plan,
                            const struct bench_address *address) AMP_MUST_USE;
/* Closes every connection and joins every thread. NULL does nothing. */
void bench_crew_free(struct bench_crew *crew);

/* Runs one phase on all workers, its quota and rate divided among them, and adds up what they found. NULL, or why it
 * failed: borrowed from the crew. */
const char *bench_crew_run(struct bench_crew *crew, const struct bench_phase *phase, struct bench_result *merged);
/* In the last phase some worker wanted a token and had none left. */
bool bench_crew_ran_dry(const struct bench_crew *crew);

#endif
