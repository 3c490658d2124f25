/* What arrives at a gateway: signed webhooks, and cards encrypted to its key. */
#include <stdlib.h>

#include "base/clock.h"
#include "client/internal.h"
#include "client/runtime.h"
#include "wire/jwe.h"
#include "wire/webhook.h"

static struct amp_slice text_or_none(const char *text)
{
    return text == NULL ? amp_slice(NULL, 0) : amp_slice_str(text);
}

/* The rooms below have many errors, the caller of a library three decisions. */
static enum amp_client_status status_of(enum amp_err err)
{
    if (err == AMP_OK)
        return AMP_CLIENT_OK;
    if (err == AMP_ERR_WEBHOOK_UNSIGNED || err == AMP_ERR_JWE_INVALID)
        return AMP_CLIENT_MALFORMED;
    if (err == AMP_ERR_WEBHOOK_TOO_OLD)
        return AMP_CLIENT_TOO_OLD;
    if (err == AMP_ERR_WEBHOOK_MISMATCH || err == AMP_ERR_NOT_AUTHENTIC)
        return AMP_CLIENT_NOT_AUTHENTIC;
    if (err == AMP_ERR_JWK_INVALID)
        return AMP_CLIENT_USAGE;
    return AMP_CLIENT_MEMORY;
}

static enum amp_client_status give(struct amp_client_reply **reply, struct amp_slice bytes)
{
    if (reply == NULL)
        return AMP_CLIENT_OK;
    *reply = amp_client_reply_new(0, bytes);
    return *reply != NULL ? AMP_CLIENT_OK : AMP_CLIENT_MEMORY;
}

enum amp_client_status amp_client_webhook_verify(const char *secret, const char *id, const char *timestamp,
                                                 const char *signature, const void *body, size_t len,
                                                 struct amp_client_reply **reply)
{
    const struct amp_webhook_fields fields = {text_or_none(id), text_or_none(timestamp), text_or_none(signature)};
    const struct amp_clock clock = amp_clock_system();
    struct amp_webhook_secret key;
    if (reply != NULL)
        *reply = NULL;
    if (amp_client_runtime_start() != AMP_OK)
        return AMP_CLIENT_MEMORY;
    if ((body == NULL && len != 0) || amp_webhook_secret_parse(&key, text_or_none(secret)) != AMP_OK)
        return AMP_CLIENT_USAGE;
    const enum amp_err err = amp_webhook_verify(&fields, &key, amp_clock_unix_ms(&clock) / 1000, amp_slice(body, len));
    amp_wipe(&key, sizeof key);
    return err == AMP_OK ? give(reply, amp_slice(body, len)) : status_of(err);
}

struct amp_client_jwk {
    struct amp_jwk key;
};

/* Reading a key writes to its text, and leaves its numbers there. */
static enum amp_err parse_copy(struct amp_jwk *key, const char *text)
{
    struct amp_secret_buf copy = {NULL, 0, 0};
    enum amp_err err = amp_secret_buf_append(&copy, text, strlen(text));
    if (err == AMP_OK)
        err = amp_jwk_parse(key, copy.ptr, copy.len, true);
    amp_secret_buf_free(&copy);
    return err;
}

enum amp_client_status amp_client_jwk_new(struct amp_client_jwk **out, const char *jwk)
{
    *out = NULL;
    if (jwk == NULL || strlen(jwk) > AMP_JWK_MAX)
        return AMP_CLIENT_USAGE;
    if (amp_client_runtime_start() != AMP_OK)
        return AMP_CLIENT_MEMORY;
    struct amp_client_jwk *made = calloc(1, sizeof *made);
    if (made == NULL)
        return AMP_CLIENT_MEMORY;
    const enum amp_err err = parse_copy(&made->key, jwk);
    if (err != AMP_OK) {
        amp_client_jwk_free(made);
        return status_of(err);
    }
    *out = made;
    return AMP_CLIENT_OK;
}

void amp_client_jwk_free(struct amp_client_jwk *jwk)
{
    if (jwk == NULL)
        return;
    amp_jwk_fini(&jwk->key);
    free(jwk);
}

enum amp_client_status amp_client_jwe_open(const struct amp_client_jwk *jwk, const char *jwe,
                                           struct amp_client_reply **reply)
{
    struct amp_secret_buf opened = {NULL, 0, 0};
    if (reply != NULL)
        *reply = NULL;
    if (jwk == NULL || jwe == NULL)
        return AMP_CLIENT_USAGE;
    if (amp_client_runtime_start() != AMP_OK)
        return AMP_CLIENT_MEMORY;
    enum amp_client_status status = status_of(amp_jwe_decrypt(&opened, &jwk->key, amp_slice_str(jwe)));
    if (status == AMP_CLIENT_OK)
        status = give(reply, amp_slice(opened.ptr, opened.len));
    amp_secret_buf_free(&opened);
    return status;
}
