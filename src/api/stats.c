/* GET /v1/stats: how much of everything there is now. */
#include "api/internal.h"

#define STATS_MAX 1024

/* "name":value, and a comma before it where `before` is one */
static void write_count(struct amp_out *out, char before, const char *name, uint64_t value)
{
    amp_out_byte(out, (uint8_t)before);
    amp_out_byte(out, '"');
    amp_out_str(out, name);
    amp_out_str(out, "\":");
    amp_out_u64(out, value);
}

static void write_vault(struct amp_out *out, const struct amp_api_config *config)
{
    struct amp_vault_stats vault;
    amp_vault_get_stats(config->vault, &vault);
    amp_out_str(out, "\"vault\":");
    write_count(out, '{', "live", vault.live);
    write_count(out, ',', "claimed", vault.claimed);
    write_count(out, ',', "tombstones", vault.tombstones);
    write_count(out, ',', "bytes", vault.bytes);
    amp_out_byte(out, '}');
}

static void write_queues(struct amp_out *out, const struct amp_api_config *config)
{
    struct amp_engine_stats queues = {0};
    config->queues.ops->stats(config->queues.self, &queues);
    amp_out_str(out, ",\"queues\":");
    write_count(out, '{', "count", queues.queues);
    write_count(out, ',', "messages", queues.messages);
    write_count(out, ',', "in_flight", queues.in_flight);
    write_count(out, ',', "waiting", queues.waiters);
    write_count(out, ',', "bytes", queues.bytes);
    amp_out_byte(out, '}');
}

static void write_front(struct amp_out *out, const struct amp_api_config *config)
{
    struct amp_api_counts counts = {0};
    config->counts(config->ctx, &counts);
    amp_out_str(out, ",\"push\":");
    write_count(out, '{', "subscriptions", amp_subscribers_count(config->subscribers));
    write_count(out, ',', "pending", counts.deliveries_pending);
    write_count(out, ',', "under_way", counts.deliveries_under_way);
    amp_out_byte(out, '}');
    write_count(out, ',', "connections", counts.connections);
    write_count(out, ',', "startups", counts.startups);
    write_count(out, ',', "accepted", counts.accepted);
    amp_out_str(out, ",\"refused\":");
    write_count(out, '{', "full", counts.refused_full);
    write_count(out, ',', "source", counts.refused_source);
    write_count(out, ',', "startups", counts.refused_startups);
    write_count(out, ',', "penalty", counts.refused_penalty);
    amp_out_byte(out, '}');
    write_count(out, ',', "parked", counts.parked);
    write_count(out, ',', "uptime_ms", counts.uptime_ms);
}

enum amp_err amp_handle_stats(struct amp_api_call *call)
{
    const struct amp_api_config *config = &call->api->config;
    struct amp_out out;
    uint64_t number;
    if (!amp_principal_may(call->request->who, AMP_MAY_MANAGE, AMP_SLICE_LIT("*")))
        return AMP_ERR_NOT_PERMITTED;
    enum amp_err err = amp_answer_begin(call, STATS_MAX, &out);
    if (err == AMP_OK)
        err = amp_call_record(call, false, &number);
    if (err != AMP_OK)
        return err;
    amp_out_byte(&out, '{');
    write_vault(&out, config);
    write_queues(&out, config);
    write_front(&out, config);
    amp_out_byte(&out, '}');
    return amp_answer_send(call, 200, &out);
}
