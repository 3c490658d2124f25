/* How answers are built, recorded, refused and, where they are gated, settled. */
#include "api/sqs.h"
#include "base/text.h"
#include "wire/problem.h"

/* Longest problem document, and longest error of the SQS API: sentences are fixed text. */
#define PROBLEM_MAX AMP_SQS_ERROR_MAX

/* In storage of an earlier answer, where there is some. */
static enum amp_err reserve_body(struct amp_api *api, struct amp_secret_buf *body, size_t cap)
{
    if (body->ptr == NULL) {
        *body = api->spare;
        api->spare = (struct amp_secret_buf){NULL, 0, 0};
    }
    return amp_secret_buf_reserve(body, cap);
}

enum amp_err amp_answer_begin(struct amp_api_call *call, size_t cap, struct amp_out *out)
{
    struct amp_secret_buf *body = &call->response->body;
    enum amp_err err = reserve_body(call->api, body, cap);
    *out = amp_out(body->ptr, err == AMP_OK ? body->cap : 0);
    return err;
}

enum amp_err amp_answer_send(struct amp_api_call *call, int status, const struct amp_out *out)
{
    call->response->body.len = out->len;
    if (out->overflow)
        return AMP_ERR_INTERNAL;
    call->response->status = status;
    call->response->content_type = "application/json";
    return AMP_OK;
}

void amp_answer_token(struct amp_out *out, const char *name, const char prefix[5], const uint8_t bytes[AMP_TOKEN_LEN])
{
    char text[AMP_TOKEN_TEXT_LEN];
    amp_token_format(text, prefix, bytes);
    amp_out_byte(out, '"');
    amp_out_str(out, name);
    amp_out_str(out, "\":\"");
    amp_out_bytes(out, text, sizeof text);
    amp_out_byte(out, '"');
    amp_wipe(text, sizeof text);
}

static void write_name(struct amp_out *out, const char *name)
{
    amp_out_str(out, ",\"");
    amp_out_str(out, name);
    amp_out_str(out, "\":");
}

void amp_answer_time(struct amp_out *out, const char *name, int64_t unix_ms)
{
    write_name(out, name);
    amp_out_byte(out, '"');
    amp_out_time(out, unix_ms);
    amp_out_byte(out, '"');
}

void amp_answer_raw(struct amp_out *out, const char *name, struct amp_slice text)
{
    write_name(out, name);
    amp_out_slice(out, text);
}

void amp_answer_string(struct amp_out *out, const char *name, struct amp_slice text)
{
    write_name(out, name);
    amp_json_write_string(out, text);
}

enum amp_err amp_call_record(struct amp_api_call *call, bool want_durable, uint64_t *number)
{
    const struct amp_api_config *config = &call->api->config;
    call->event.outcome = AMP_OUTCOME_SUCCESS;
    call->event.code = AMP_OK;
    return config->record(config->ctx, &call->event, want_durable, number);
}

enum amp_err amp_public_err(enum amp_err err)
{
    /* The table of errors ends with those that never leave the house. */
    return err >= AMP_ERR_AGAIN ? AMP_ERR_INTERNAL : err;
}

void amp_record_refusal(struct amp_api *api, const struct amp_event *made, enum amp_err err)
{
    struct amp_event event = *made;
    uint64_t number;
    event.outcome = amp_err_status(err) >= 500 ? AMP_OUTCOME_FAILURE : AMP_OUTCOME_REFUSED;
    event.code = err;
    /* Sealed bytes of our own that do not verify were changed by somebody. */
    event.alarm = event.alarm || err == AMP_ERR_NOT_AUTHENTIC;
    /* A refusal leaves even where it cannot be recorded: it tells nothing and changes nothing. */
    (void)api->config.record(api->config.ctx, &event, false, &number);
}

void amp_answer_request_id(char text[16], uint64_t request_id)
{
    uint8_t id[8];
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (uint8_t)(request_id >> (56 - 8 * i));
    amp_hex_encode(text, id, sizeof id);
}

void amp_answer_refuse(struct amp_api *api, const struct amp_refusal *refusal, struct amp_api_response *response)
{
    char request_id[16];
    amp_record_refusal(api, refusal->event, refusal->err);
    enum amp_err err = amp_public_err(refusal->err);
    uint32_t retry_after_s = refusal->retry_after_s;
    *response = (struct amp_api_response){
        .status = amp_err_status(err),
        .err = err,
        .retry_after_s = retry_after_s != 0 ? retry_after_s : amp_problem_retry_after_s(err),
        .allow = refusal->allow,
    };
    if (reserve_body(api, &response->body, PROBLEM_MAX) != AMP_OK)
        return; /* the status alone must do */
    struct amp_out out = amp_out(response->body.ptr, response->body.cap);
    amp_answer_request_id(request_id, refusal->event->request_id);
    if (refusal->route != NULL && amp_route_is_sqs(refusal->route)) {
        amp_sqs_answer_error(&out, refusal, err, amp_slice(request_id, sizeof request_id), response);
    } else {
        amp_problem_write(&out, err, refusal->reason, response->retry_after_s,
                          amp_slice(request_id, sizeof request_id));
        response->content_type = "application/problem+json";
    }
    response->body.len = out.len;
}

void amp_api_refuse(struct amp_api *api, const struct amp_route *route, const struct amp_http1_head *head,
                    const struct amp_event *event, enum amp_err err, const char *allow, uint32_t retry_after_s,
                    struct amp_api_response *response)
{
    const struct amp_refusal refusal = {
        .route = route, .head = head, .event = event, .err = err, .allow = allow, .retry_after_s = retry_after_s};
    amp_answer_refuse(api, &refusal, response);
}

void amp_api_done(struct amp_api *api, struct amp_api_response *response)
{
    if (api->spare.ptr == NULL) {
        api->spare = response->body;
        api->spare.len = api->spare.cap; /* all of it is wiped, whatever was written behind the end */
        response->body = (struct amp_secret_buf){NULL, 0, 0};
        amp_api_rinse(&api->spare);
    }
    amp_api_response_fini(response);
}

void amp_api_response_fini(struct amp_api_response *response)
{
    amp_secret_buf_free(&response->body);
    amp_secret_buf_free(&response->settle.idempotent_answer);
    amp_api_parked_free(response->park.state);
    *response = (struct amp_api_response){0};
}
