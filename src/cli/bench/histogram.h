/* Latencies in log-linear buckets: 128 per power of two, so every value is known to better than 0.8 %. */
#ifndef AMP_CLI_BENCH_HISTOGRAM_H
#define AMP_CLI_BENCH_HISTOGRAM_H

#include <stdint.h>

#define BENCH_HISTOGRAM_BUCKETS (128 * 35)
#define BENCH_HISTOGRAM_MAX     ((INT64_C(1) << 41) - 1) /* ns: 36 minutes; longer counts as that */

struct bench_histogram {
    uint64_t counts[BENCH_HISTOGRAM_BUCKETS];
    uint64_t total;
    double sum_ns;
    int64_t max_ns;
};

void bench_histogram_add(struct bench_histogram *histogram, int64_t ns);
void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from);
/* The latency that the fraction `q` (0 to 1) of all stayed at or below; 0 where there is none. */
int64_t bench_histogram_quantile(const struct bench_histogram *histogram, double q);
double bench_histogram_mean(const struct bench_histogram *histogram);

#endif
