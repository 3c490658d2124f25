/* What is served without authentication. Each answer is the same for everybody. */
#include "api/internal.h"
#include "api/openapi_json.h"
#include "sandbox/sandbox.h"

#define READINESS_MAX 512

enum amp_err amp_handle_healthz(struct amp_api_call *call)
{
    struct amp_out out;
    enum amp_err err = amp_answer_begin(call, 32, &out);
    if (err != AMP_OK)
        return err;
    amp_out_str(&out, "{\"status\":\"ok\"}");
    return amp_answer_send(call, 200, &out);
}

/* {"name":true, or ,"name":true */
static void write_flag(struct amp_out *out, char before, const char *name, bool value)
{
    amp_out_byte(out, (uint8_t)before);
    amp_out_byte(out, '"');
    amp_out_str(out, name);
    amp_out_str(out, value ? "\":true" : "\":false");
}

/* The names of its parts, as a list. */
static void write_sandbox(struct amp_out *out, unsigned parts)
{
    const char *before = "[\"";
    for (unsigned part = 0; part < AMP_SANDBOX_PART_COUNT_; part++) {
        if ((parts & 1u << part) == 0)
            continue;
        amp_out_str(out, before);
        amp_out_str(out, amp_sandbox_part_name((enum amp_sandbox_part)part));
        before = "\",\"";
    }
    amp_out_str(out, before[0] == '[' ? "[]" : "\"]");
}

static void write_readiness(struct amp_out *out, const struct amp_api_readiness *state, bool ready)
{
    amp_out_str(out, ready ? "{\"status\":\"ready\"" : "{\"status\":\"not_ready\"");
    amp_out_str(out, state->dev ? ",\"mode\":\"development\"" : ",\"mode\":\"production\"");
    amp_out_str(out, ",\"key_provider\":");
    amp_json_write_string(out, amp_slice_str(state->key_provider != NULL ? state->key_provider : "none"));
    amp_out_str(out, ",\"protections\":");
    write_flag(out, '{', "memory_locked", state->memory != AMP_SECRET_UNLOCKED);
    amp_out_str(out, ",\"memory\":\"");
    amp_out_str(out, amp_secret_lock_name(state->memory));
    amp_out_str(out, "\",\"sandbox\":");
    write_sandbox(out, state->sandbox);
    amp_out_str(out, "},\"checks\":");
    write_flag(out, '{', "log_writable", state->log_writable);
    write_flag(out, ',', "keeper_reachable", state->keeper_reachable);
    write_flag(out, ',', "courier_reachable", state->courier_reachable);
    write_flag(out, ',', "epoch_key", state->epoch_key);
    write_flag(out, ',', "draining", state->draining);
    amp_out_str(out, "}}");
}

enum amp_err amp_handle_readyz(struct amp_api_call *call)
{
    const struct amp_api_config *config = &call->api->config;
    struct amp_api_readiness state = {0};
    struct amp_out out;
    config->readiness(config->ctx, &state);
    bool ready = (state.memory != AMP_SECRET_UNLOCKED || state.dev) && state.log_writable && state.keeper_reachable &&
                 state.epoch_key && !state.draining;
    enum amp_err err = amp_answer_begin(call, READINESS_MAX, &out);
    if (err != AMP_OK)
        return err;
    write_readiness(&out, &state, ready);
    return amp_answer_send(call, ready ? 200 : 503, &out);
}

enum amp_err amp_handle_openapi(struct amp_api_call *call)
{
    struct amp_out out;
    enum amp_err err = amp_answer_begin(call, amp_openapi_json_len, &out);
    if (err != AMP_OK)
        return err;
    amp_out_bytes(&out, amp_openapi_json, amp_openapi_json_len);
    return amp_answer_send(call, 200, &out);
}
