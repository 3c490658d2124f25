/* What the servers of all workers have in common: who is let in at all. */
#include <stdlib.h>

#include "net/conn.h"

enum amp_err amp_net_commons_new(struct amp_net_commons **out, struct amp_clock clock)
{
    *out = NULL;
    struct amp_net_commons *commons = calloc(1, sizeof(*commons));
    if (commons == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = amp_sources_new(&commons->sources, clock);
    if (err == AMP_OK)
        err = amp_holders_new(&commons->holders);
    if (err != AMP_OK) {
        amp_net_commons_free(commons);
        return err;
    }
    *out = commons;
    return AMP_OK;
}

void amp_net_commons_free(struct amp_net_commons *commons)
{
    if (commons == NULL)
        return;
    amp_sources_free(commons->sources);
    amp_holders_free(commons->holders);
    free(commons);
}

struct amp_net_counts amp_net_counts(const struct amp_net_commons *commons)
{
    struct amp_net_counts counts = {
        .startups = atomic_load_explicit(&commons->startups, memory_order_relaxed),
        .accepted = atomic_load_explicit(&commons->accepted, memory_order_relaxed),
    };
    for (size_t i = 0; i < AMP_NET_REFUSED_COUNT_; i++)
        counts.refused[i] = atomic_load_explicit(&commons->refused[i], memory_order_relaxed);
    return counts;
}

uint32_t amp_net_startups_refused(const struct amp_net_startups *limit, size_t startups)
{
    if (startups < limit->start)
        return 0;
    if (startups >= limit->full)
        return 100;
    uint64_t rise = (100 - limit->rate) * (uint64_t)(startups - limit->start);
    return limit->rate + (uint32_t)(rise / (limit->full - limit->start));
}

bool amp_net_is_crowded(const struct amp_net *net)
{
    return atomic_load_explicit(&net->commons->startups, memory_order_relaxed) >= net->limits.startups.start;
}

bool amp_net_is_full_of_secrets(const struct amp_net *net)
{
    return amp_secret_held() > net->limits.max_secret_bytes_of_strangers;
}

void amp_net_count_refused(struct amp_net *net, enum amp_net_refusal why)
{
    atomic_fetch_add_explicit(&net->commons->refused[why], 1, memory_order_relaxed);
}

struct amp_source_limits amp_net_limits_of_source(const struct amp_net *net, const struct amp_net_source *source)
{
    return (struct amp_source_limits){
        .max_connections = source->exempt ? SIZE_MAX : net->limits.max_connections_per_source,
        .penalty_min_ms = net->limits.penalty_min_ms,
        .penalty_max_ms = source->exempt ? 0 : net->limits.penalty_max_ms,
    };
}
