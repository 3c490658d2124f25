#include <stdio.h>

#include "cli/bench/bench.h"

void bench_result_count_error(struct bench_result *result, const char *name, uint64_t count)
{
    size_t i = 0;
    while (i < result->error_count && strcmp(result->errors[i].name, name) != 0)
        i++;
    if (i == BENCH_ERROR_KINDS)
        i--; /* the last kind takes what does not fit */
    if (i == result->error_count) {
        snprintf(result->errors[i].name, sizeof result->errors[i].name, "%s", name);
        result->error_count++;
    }
    result->errors[i].count += count;
}

void bench_result_merge(struct bench_result *into, const struct bench_result *from)
{
    bench_histogram_merge(&into->latency, &from->latency);
    into->requests += from->requests;
    into->failed += from->failed;
    into->tokens += from->tokens;
    into->messages += from->messages;
    into->connects += from->connects;
    into->bytes_in += from->bytes_in;
    into->bytes_out += from->bytes_out;
    into->cpu_ns += from->cpu_ns;
    if (from->busiest_cpu_ns > into->busiest_cpu_ns)
        into->busiest_cpu_ns = from->busiest_cpu_ns;
    if (from->wall_ns > into->wall_ns)
        into->wall_ns = from->wall_ns;
    for (size_t i = 0; i < from->error_count; i++)
        bench_result_count_error(into, from->errors[i].name, from->errors[i].count);
    for (size_t i = 0; i < from->slots; i++)
        into->timeline[i] += from->timeline[i];
    if (from->slots > into->slots)
        into->slots = from->slots;
}
