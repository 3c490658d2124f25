#include "cli/bench/histogram.h"

#include <math.h>
#include <stddef.h>

#define SUB_BITS 7

/* Values below 2^8 have a bucket each; above, the value is shifted right until 8 significant bits are left. */
static size_t bucket_of(int64_t ns)
{
    const uint64_t value = (uint64_t)ns;
    if (value < (1u << (SUB_BITS + 1)))
        return (size_t)value;
    const unsigned shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return ((size_t)shift << SUB_BITS) + (size_t)(value >> shift);
}

/* The middle of a bucket. */
static int64_t value_of(size_t bucket)
{
    if (bucket < (1u << (SUB_BITS + 1)))
        return (int64_t)bucket;
    const unsigned shift = (unsigned)(bucket >> SUB_BITS) - 1;
    const uint64_t low = (uint64_t)(bucket - ((size_t)shift << SUB_BITS)) << shift;
    return (int64_t)(low + ((UINT64_C(1) << shift) >> 1));
}

void bench_histogram_add(struct bench_histogram *histogram, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    if (ns > BENCH_HISTOGRAM_MAX)
        ns = BENCH_HISTOGRAM_MAX;
    histogram->counts[bucket_of(ns)]++;
    histogram->total++;
    histogram->sum_ns += (double)ns;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from)
{
    for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
}

int64_t bench_histogram_quantile(const struct bench_histogram *histogram, double q)
{
    const uint64_t wanted = (uint64_t)ceil(q * (double)histogram->total);
    uint64_t seen = 0;
    for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS && wanted < histogram->total; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted && seen > 0) {
            const int64_t value = value_of(i);
            return value < histogram->max_ns ? value : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}

double bench_histogram_mean(const struct bench_histogram *histogram)
{
    return histogram->total > 0 ? histogram->sum_ns / (double)histogram->total : 0;
}
