/* The token or claim a call is about: read, looked up, permitted, opened. */
#include "api/internal.h"

enum amp_err amp_call_decode(struct amp_api_call *call, const struct amp_json_member *members, size_t count, void *into)
{
    struct amp_json json;
    amp_json_init(&json, call->request->body, call->request->body_len);
    enum amp_err err = amp_json_read_object(&json, members, count, into);
    return err != AMP_OK ? err : amp_json_finish(&json);
}

enum amp_err amp_read_slice(struct amp_json *json, void *into)
{
    return amp_json_read_string(json, into);
}

enum amp_err amp_read_count(struct amp_json *json, int64_t max, enum amp_err otherwise, int64_t *out)
{
    bool number = amp_json_peek(json) == AMP_JSON_NUMBER;
    enum amp_err err = amp_json_read_i64(json, out);
    if (err == AMP_ERR_WRONG_TYPE && number)
        return json->err = otherwise; /* what sticks is what was meant */
    if (err != AMP_OK)
        return err;
    return *out >= 1 && *out <= max ? AMP_OK : otherwise;
}

void amp_subject_refer(struct amp_api_call *call, const uint8_t index[AMP_VAULT_INDEX_LEN])
{
    call->event.has_token = true;
    memcpy(call->event.token_reference, index, sizeof call->event.token_reference);
}

enum amp_err amp_subject_of_token(struct amp_api_call *call, const uint8_t token[AMP_TOKEN_LEN],
                                  struct amp_subject *subject)
{
    memcpy(subject->token, token, AMP_TOKEN_LEN);
    enum amp_err err = amp_token_hash(call->api->config.token_keys, token, subject->index);
    if (err == AMP_OK)
        amp_subject_refer(call, subject->index);
    return err;
}

enum amp_err amp_subject_parse(struct amp_api_call *call, struct amp_slice text, struct amp_subject *subject)
{
    uint8_t token[AMP_TOKEN_LEN];
    if (amp_token_parse(token, "tok_", text) != AMP_OK)
        return AMP_ERR_TOKEN_MALFORMED;
    enum amp_err err = amp_subject_of_token(call, token, subject);
    amp_wipe(token, sizeof token);
    return err;
}

enum amp_err amp_subject_who(const struct amp_api_call *call, uint8_t who[AMP_PRINCIPAL_ID_LEN])
{
    uint8_t hash[AMP_SHA256_LEN];
    const struct amp_slice name = amp_slice(call->request->who->name, call->request->who->name_len);
    enum amp_err err = amp_sha256(hash, &name, 1);
    if (err == AMP_OK)
        memcpy(who, hash, AMP_PRINCIPAL_ID_LEN);
    return err;
}

enum amp_err amp_call_may_anywhere(const struct amp_api_call *call, enum amp_permission permission)
{
    const struct amp_principal *who = call->request->who;
    for (uint32_t i = 0; i < who->grant_count; i++) {
        if ((who->grants[i].permissions & permission) != 0)
            return AMP_OK;
    }
    return AMP_ERR_NOT_PERMITTED;
}

static bool permitted(void *ctx, struct amp_slice queue)
{
    const struct amp_permit *permit = ctx;
    return amp_principal_may(permit->who, permit->permission, queue);
}

struct amp_vault_guard amp_subject_guard(struct amp_permit *permit)
{
    return (struct amp_vault_guard){.may = permitted, .ctx = permit};
}

enum amp_err amp_subject_seen(struct amp_api_call *call, enum amp_err err)
{
    const struct amp_vault_view *view = &call->view;
    if (err == AMP_ERR_TOKEN_GONE || err == AMP_ERR_CLAIM_GONE)
        call->reason = amp_gone_reason_name(view->gone);
    else if (view->queue_len != 0)
        call->event.queue = amp_slice(view->queue, view->queue_len);
    return err;
}

enum amp_err amp_subject_open(struct amp_api_call *call, const struct amp_subject *subject, struct amp_content *content)
{
    const struct amp_vault_view *view = &call->view;
    struct amp_secret_buf *plain = &call->api->plain;
    enum amp_err err =
        amp_unseal(call->api->config.epochs, "token", amp_slice(subject->token, AMP_TOKEN_LEN),
                   amp_slice(view->queue, view->queue_len), amp_slice(view->sealed.ptr, view->sealed.len), plain);
    if (err == AMP_OK)
        err = amp_content_unpack(content, amp_slice(plain->ptr, plain->len));
    return err;
}
