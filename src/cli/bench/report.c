#include <stdio.h>

#include "cli/bench/bench.h"

#define TIMELINE_POINTS 120

struct quantile {
    const char *name;
    double q;
};

static const struct quantile quantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1},
};

static double per_second(const struct bench_result *result, uint64_t count)
{
    return result->wall_ns > 0 ? (double)count * 1e9 / (double)result->wall_ns : 0;
}

/* What the operation makes, by its name. */
static const char *made_name(const struct bench_report *report)
{
    return bench_op_is_queue(report->plan->op) ? "messages" : "tokens";
}

static uint64_t made_count(const struct bench_result *result)
{
    return result->tokens + result->messages;
}

static double cpu_us_per_request(const struct bench_result *result)
{
    const uint64_t all = result->requests + result->failed;
    return all > 0 ? (double)result->cpu_ns / 1e3 / (double)all : 0;
}

/* Of the busiest thread: near 1 the generator, not the server, sets the pace. */
static double busy(const struct bench_result *result)
{
    return result->wall_ns > 0 ? (double)result->busiest_cpu_ns / (double)result->wall_ns : 0;
}

/* ---- JSON ---- */

static void json_span(const char *name, const char *made, const struct bench_result *result)
{
    printf("\"%s\":{\"start_unix_ns\":%lld,\"end_unix_ns\":%lld,\"duration_s\":%.6f,\"requests\":%llu,\"%s\":%llu,"
           "\"%s_per_s\":%.1f,\"failed\":%llu}",
           name, (long long)result->start_unix_ns, (long long)result->end_unix_ns, (double)result->wall_ns / 1e9,
           (unsigned long long)result->requests, made, (unsigned long long)made_count(result), made,
           per_second(result, made_count(result)), (unsigned long long)result->failed);
}

static void json_errors(const struct bench_result *result)
{
    printf("\"errors\":{");
    for (size_t i = 0; i < result->error_count; i++)
        printf("%s\"%s\":%llu", i > 0 ? "," : "", result->errors[i].name, (unsigned long long)result->errors[i].count);
    printf("}");
}

static void json_latency(const struct bench_histogram *latency)
{
    printf("\"latency_us\":{\"mean\":%.1f", bench_histogram_mean(latency) / 1e3);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        printf(",\"%s\":%.1f", quantiles[i].name, (double)bench_histogram_quantile(latency, quantiles[i].q) / 1e3);
    printf("}");
}

static void json_timeline(const struct bench_result *result)
{
    const size_t width = result->slots / TIMELINE_POINTS + 1;
    printf("\"timeline\":{\"interval_ms\":%llu,\"answers\":[",
           (unsigned long long)width * (unsigned long long)(BENCH_TIMELINE_SLOT_NS / 1000000));
    for (size_t i = 0; i < result->slots; i += width) {
        uint64_t sum = 0;
        for (size_t j = i; j < i + width && j < result->slots; j++)
            sum += result->timeline[j];
        printf("%s%llu", i > 0 ? "," : "", (unsigned long long)sum);
    }
    printf("]}");
}

static void print_json(const struct bench_report *report)
{
    const struct bench_plan *plan = report->plan;
    const struct bench_result *m = report->measured;
    printf("{\"version\":\"" AMP_VERSION "\",\"op\":\"%s\",\"url\":\"https://%s\",\"connections\":%zu,"
           "\"threads\":%zu,\"pipeline\":%zu,\"batch\":%zu,\"loop\":\"%s\",\"rate\":%.3f,\"signed\":%s,",
           bench_op_name(plan->op), plan->url.authority, plan->connections, plan->threads, plan->pipeline, plan->batch,
           plan->rate > 0 ? "open" : "closed", plan->rate, plan->is_unsigned ? "false" : "true");
    printf("\"requests\":%llu,\"failed\":%llu,", (unsigned long long)m->requests, (unsigned long long)m->failed);
    json_errors(m);
    printf(",\"%s\":%llu,\"duration_s\":%.6f,\"rps\":%.1f,\"%s_per_s\":%.1f,", made_name(report),
           (unsigned long long)made_count(m), (double)m->wall_ns / 1e9, per_second(m, m->requests), made_name(report),
           per_second(m, made_count(m)));
    json_latency(&m->latency);
    printf(",\"client_cpu_us_per_request\":%.3f,\"client_cpu_s\":%.6f,\"client_busy\":%.4f,", cpu_us_per_request(m),
           (double)m->cpu_ns / 1e9, busy(m));
    printf("\"bytes_in\":%llu,\"bytes_out\":%llu,\"connects\":%llu,\"pool_ran_dry\":%s,",
           (unsigned long long)m->bytes_in, (unsigned long long)m->bytes_out, (unsigned long long)m->connects,
           report->pool_ran_dry ? "true" : "false");
    json_timeline(m);
    printf(",\"phases\":{");
    if (report->fill != NULL) {
        json_span("fill", made_name(report), report->fill);
        printf(",");
    }
    json_span("measured", made_name(report), m);
    printf("}}\n");
}

/* ---- for people ---- */

static void print_duration(const char *name, double ns)
{
    if (ns >= 1e9)
        printf("   %s %.2f s", name, ns / 1e9);
    else if (ns >= 1e6)
        printf("   %s %.2f ms", name, ns / 1e6);
    else
        printf("   %s %.0f us", name, ns / 1e3);
}

static void print_text(const struct bench_report *report)
{
    const struct bench_plan *plan = report->plan;
    const struct bench_result *m = report->measured;
    printf("%s at https://%s: %zu connections, %zu thread%s, %s loop\n", bench_op_name(plan->op), plan->url.authority,
           plan->connections, plan->threads, plan->threads == 1 ? "" : "s", plan->rate > 0 ? "open" : "closed");
    if (report->fill != NULL)
        printf("  filled     %llu %s in %.2f s: %.0f/s\n", (unsigned long long)made_count(report->fill),
               made_name(report), (double)report->fill->wall_ns / 1e9,
               per_second(report->fill, made_count(report->fill)));
    printf("  answered   %llu in %.2f s: %.0f/s", (unsigned long long)m->requests, (double)m->wall_ns / 1e9,
           per_second(m, m->requests));
    if (plan->batch > 0 || plan->op == BENCH_OP_QUEUE)
        printf(", %.0f %s/s", per_second(m, made_count(m)), made_name(report));
    printf("\n  failed     %llu\n", (unsigned long long)m->failed);
    for (size_t i = 0; i < m->error_count; i++)
        printf("             %llu  %s\n", (unsigned long long)m->errors[i].count, m->errors[i].name);
    printf("  latency ");
    print_duration("mean", bench_histogram_mean(&m->latency));
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        print_duration(quantiles[i].name, (double)bench_histogram_quantile(&m->latency, quantiles[i].q));
    printf("\n  generator  %.1f us of CPU a request, busiest thread %.0f %% of a core\n", cpu_us_per_request(m),
           busy(m) * 100);
    printf("  traffic    %.1f MB out, %.1f MB in, %llu connections opened meanwhile\n", (double)m->bytes_out / 1e6,
           (double)m->bytes_in / 1e6, (unsigned long long)m->connects);
    if (report->pool_ran_dry)
        printf("  note       all tokens were used up before the time was: raise --fill to measure longer\n");
}

void bench_report_print(const struct bench_report *report, bool json)
{
    if (json)
        print_json(report);
    else
        print_text(report);
    fflush(stdout);
}
