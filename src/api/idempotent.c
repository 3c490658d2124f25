/*
 * Idempotency-Key. The table behind it knows keyed hashes and sealed answers only. An answer holds what cannot be made
 * again from the same body: above all the token, which must not lie in the same memory as what it opens. So its key is
 * derived from the text of the Idempotency-Key and from the body, and neither is kept: whoever repeats the request
 * brings both.
 */
#include "api/internal.h"

#define KEY_TEXT_MAX 255
#define SEALED_EXTRA (AMP_GCM_NONCE_LEN + AMP_GCM_TAG_LEN)

/* No space: runs of them are one in the canonical request, and two keys would share a signature. */
static bool key_is_valid(struct amp_slice text)
{
    if (text.len < 1 || text.len > KEY_TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= 0x20 || text.ptr[i] > 0x7e)
            return false;
    }
    return true;
}

/* The principal's name, not its access key id: a retry may be signed with the next key of a rotation. */
static enum amp_err hash_request(struct amp_api_call *call, struct amp_slice text)
{
    const struct amp_token_keys *keys = call->api->config.token_keys;
    const struct amp_api_request *request = call->request;
    struct amp_repeat *repeat = &call->repeat;
    uint8_t key[AMP_SHA256_LEN] = {0}, body[AMP_SHA256_LEN] = {0};
    const struct amp_slice parts[] = {
        amp_slice(request->who->name, request->who->name_len),
        request->head->path,
        text,
        amp_slice(request->body, request->body_len),
    };
    enum amp_err err = amp_token_keys_mac(keys, "idempotency", parts, 3, key);
    if (err == AMP_OK)
        err = amp_token_keys_mac(keys, "idempotency-body", parts, 4, body);
    if (err == AMP_OK) {
        const struct amp_slice unkept[] = {
            amp_slice(body + AMP_IDEMPOTENCY_HASH_LEN, sizeof body - AMP_IDEMPOTENCY_HASH_LEN), text};
        err = amp_token_keys_mac(keys, "idempotency-answer", unkept, 2, repeat->seal.bytes);
    }
    memcpy(repeat->key, key, sizeof repeat->key);
    memcpy(repeat->body, body, sizeof repeat->body);
    amp_wipe(body, sizeof body);
    return err;
}

enum amp_err amp_repeat_init(struct amp_api_call *call)
{
    struct amp_slice text;
    enum amp_err err = amp_http1_single(call->request->head, "idempotency-key", &text);
    if (err != AMP_OK)
        return AMP_ERR_IDEMPOTENCY_KEY_INVALID;
    if (text.ptr == NULL)
        return AMP_OK;
    if (!key_is_valid(text))
        return AMP_ERR_IDEMPOTENCY_KEY_INVALID;
    if (call->request->who == NULL)
        return AMP_OK;
    err = hash_request(call, text);
    call->repeat.present = err == AMP_OK;
    return err;
}

static enum amp_err open_stored(struct amp_api_call *call, struct amp_slice sealed)
{
    struct amp_secret_buf *stored = &call->api->stored;
    if (sealed.len == 0)
        return AMP_OK;
    if (sealed.len < SEALED_EXTRA)
        return AMP_ERR_NOT_AUTHENTIC;
    enum amp_err err = amp_secret_buf_reserve(stored, sealed.len);
    if (err == AMP_OK)
        err = amp_gcm_open(stored->ptr, &call->repeat.seal, sealed.ptr, amp_slice(NULL, 0),
                           sealed.ptr + AMP_GCM_NONCE_LEN, sealed.len - AMP_GCM_NONCE_LEN);
    if (err == AMP_OK)
        stored->len = sealed.len - SEALED_EXTRA;
    return err;
}

static enum amp_idempotency_kind kind_of(const struct amp_api_call *call)
{
    return call->request->route->act == AMP_ACT_TOKENIZE ? AMP_IDEMPOTENCY_FILLS : AMP_IDEMPOTENCY_EMPTIES;
}

enum amp_err amp_repeat_begin(struct amp_api_call *call, bool *repeated)
{
    enum amp_idempotency_state state;
    struct amp_secret_buf sealed = {NULL, 0, 0};
    *repeated = false;
    if (!call->repeat.present)
        return AMP_OK;
    enum amp_err err = amp_idempotency_begin(call->api->config.idempotency, call->repeat.key, call->repeat.body,
                                             kind_of(call), &state, &sealed);
    if (err == AMP_OK && state == AMP_IDEMPOTENCY_REPEATED) {
        *repeated = true;
        err = open_stored(call, amp_slice(sealed.ptr, sealed.len));
    } else if (err == AMP_OK) {
        call->repeat.owned = true;
    }
    amp_secret_buf_free(&sealed);
    return err;
}

static enum amp_err seal_answer(struct amp_api_call *call, struct amp_slice answer, struct amp_secret_buf *sealed)
{
    if (answer.len == 0)
        return AMP_OK;
    enum amp_err err = amp_secret_buf_reserve(sealed, answer.len + SEALED_EXTRA);
    if (err == AMP_OK)
        err = amp_random(sealed->ptr, AMP_GCM_NONCE_LEN);
    if (err == AMP_OK)
        err = amp_gcm_seal(sealed->ptr + AMP_GCM_NONCE_LEN, &call->repeat.seal, sealed->ptr, amp_slice(NULL, 0),
                           answer.ptr, answer.len);
    if (err == AMP_OK)
        sealed->len = answer.len + SEALED_EXTRA;
    return err;
}

enum amp_err amp_repeat_finish(struct amp_api_call *call, struct amp_slice answer, int64_t ttl_ms)
{
    struct amp_secret_buf sealed = {NULL, 0, 0};
    if (!call->repeat.owned)
        return AMP_OK;
    enum amp_err err = seal_answer(call, answer, &sealed);
    if (err == AMP_OK) {
        call->repeat.owned = false;
        err = amp_idempotency_finish(call->api->config.idempotency, call->repeat.key, kind_of(call),
                                     amp_slice(sealed.ptr, sealed.len), ttl_ms);
    }
    amp_secret_buf_free(&sealed);
    return err;
}

enum amp_err amp_repeat_defer(struct amp_api_call *call, struct amp_slice answer, int64_t ttl_ms)
{
    struct amp_settle *settle = &call->response->settle;
    if (!call->repeat.owned)
        return AMP_OK;
    enum amp_err err = seal_answer(call, answer, &settle->idempotent_answer);
    if (err != AMP_OK)
        return err;
    settle->has_idempotency = true;
    memcpy(settle->idempotency, call->repeat.key, sizeof settle->idempotency);
    settle->idempotency_ttl_ms = ttl_ms;
    return AMP_OK;
}

void amp_repeat_cancel(struct amp_api_call *call)
{
    if (call->repeat.owned)
        amp_idempotency_cancel(call->api->config.idempotency, call->repeat.key);
    call->repeat.owned = false;
}

uint64_t amp_repeat_mark(const struct amp_api_call *call)
{
    uint64_t mark;
    if (!call->repeat.present)
        return 0;
    memcpy(&mark, call->repeat.body, sizeof mark);
    return mark | 1;
}
