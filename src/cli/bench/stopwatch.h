/* Stopwatches for measuring. The house's clock counts milliseconds and can be faked; a benchmark wants neither. */
#ifndef AMP_CLI_BENCH_STOPWATCH_H
#define AMP_CLI_BENCH_STOPWATCH_H

#include <stdint.h>
#include <time.h>

static inline int64_t bench_clock_ns(clockid_t id)
{
    struct timespec t = {0};
    clock_gettime(id, &t); /* lint: allow raw-clock, nanoseconds for latencies and CPU time */
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t bench_now_ns(void)
{
    return bench_clock_ns(CLOCK_MONOTONIC);
}

static inline int64_t bench_cpu_ns(void)
{
    return bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline int64_t bench_unix_ns(void)
{
    return bench_clock_ns(CLOCK_REALTIME);
}

#endif
