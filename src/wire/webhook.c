#include "wire/webhook.h"

#include "base/text.h"
#include "wire/chars.h"

#define SECRET_PREFIX "whsec_"
#define VERSION       "v1,"

enum { SECRET_MIN = 24, SIGNATURES_MAX = 16 };

enum amp_err amp_webhook_secret_new(struct amp_webhook_secret *secret)
{
    *secret = (struct amp_webhook_secret){.len = 0};
    enum amp_err err = amp_random(secret->bytes, AMP_WEBHOOK_SECRET_LEN);
    if (err == AMP_OK)
        secret->len = AMP_WEBHOOK_SECRET_LEN;
    return err;
}

void amp_webhook_secret_format(char *out, size_t *len, const struct amp_webhook_secret *secret)
{
    const size_t prefix = sizeof SECRET_PREFIX - 1;
    memcpy(out, SECRET_PREFIX, prefix);
    amp_base64_encode(out + prefix, secret->bytes, secret->len);
    *len = prefix + AMP_BASE64_LEN(secret->len);
}

enum amp_err amp_webhook_secret_parse(struct amp_webhook_secret *secret, struct amp_slice text)
{
    const size_t prefix = sizeof SECRET_PREFIX - 1;
    *secret = (struct amp_webhook_secret){.len = 0};
    if (text.len < prefix || !amp_slice_is(amp_slice(text.ptr, prefix), SECRET_PREFIX))
        return AMP_ERR_INVALID;
    secret->len = sizeof secret->bytes;
    enum amp_err err = amp_base64_decode(secret->bytes, &secret->len, amp_slice(text.ptr + prefix, text.len - prefix));
    if (err == AMP_OK && secret->len >= SECRET_MIN)
        return AMP_OK;
    amp_wipe(secret, sizeof *secret);
    return AMP_ERR_INVALID;
}

/* Visible ASCII without '.': else "a.1" signed at 2 would read as "a" signed at 1. */
static bool is_id(struct amp_slice id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~' || id.ptr[i] == '.')
            return false;
    }
    return id.len != 0 && id.len <= AMP_WEBHOOK_ID_MAX;
}

static enum amp_err write_signature(char out[AMP_WEBHOOK_SIGNATURE_LEN], const struct amp_webhook_secret *secret,
                                    struct amp_slice id, struct amp_slice timestamp, struct amp_slice body)
{
    const size_t version = sizeof VERSION - 1;
    const struct amp_slice dot = AMP_SLICE_LIT(".");
    const struct amp_slice parts[] = {id, dot, timestamp, dot, body};
    uint8_t mac[AMP_SHA256_LEN];
    enum amp_err err = amp_hmac_sha256(mac, amp_slice(secret->bytes, secret->len), parts, sizeof parts / sizeof *parts);
    if (err == AMP_OK) {
        memcpy(out, VERSION, version);
        amp_base64_encode(out + version, mac, sizeof mac);
    }
    amp_wipe(mac, sizeof mac);
    return err;
}

enum amp_err amp_webhook_sign(struct amp_out *out, const struct amp_webhook_secret *secrets, size_t count,
                              struct amp_slice id, int64_t unix_s, struct amp_slice body)
{
    uint8_t digits[20];
    char signature[AMP_WEBHOOK_SIGNATURE_LEN];
    struct amp_out timestamp = amp_out(digits, sizeof digits);
    if (count == 0 || count > AMP_WEBHOOK_SECRETS_MAX || unix_s < 0 || !is_id(id))
        return AMP_ERR_INVALID;
    amp_out_i64(&timestamp, unix_s);
    for (size_t i = 0; i < count; i++) {
        enum amp_err err = write_signature(signature, &secrets[i], id, amp_out_done(&timestamp), body);
        if (err != AMP_OK)
            return err;
        if (i > 0)
            amp_out_byte(out, ' ');
        amp_out_bytes(out, signature, sizeof signature);
    }
    return out->overflow ? AMP_ERR_TOO_LARGE : AMP_OK;
}

/* The next of the signatures, which have spaces between them; false where there is none. */
static bool next_signature(struct amp_slice *rest, struct amp_slice *signature)
{
    *rest = amp_slice_trim(*rest);
    if (rest->len == 0)
        return false;
    if (!amp_slice_cut(rest, ' ', signature)) {
        *signature = *rest;
        *rest = amp_slice(NULL, 0);
    }
    return true;
}

/* Each that is there is looked at, so that nothing tells which of them it was. */
static enum amp_err compare(struct amp_slice signatures, const char expected[AMP_WEBHOOK_SIGNATURE_LEN])
{
    struct amp_slice one;
    bool any = false, matches = false;
    for (size_t i = 0; i < SIGNATURES_MAX && next_signature(&signatures, &one); i++) {
        if (one.len < sizeof VERSION - 1 || memcmp(one.ptr, VERSION, sizeof VERSION - 1) != 0)
            continue; /* of a version that is not known here */
        any = true;
        if (one.len == AMP_WEBHOOK_SIGNATURE_LEN)
            matches |= amp_secret_equal(one.ptr, expected, AMP_WEBHOOK_SIGNATURE_LEN);
    }
    if (!any)
        return AMP_ERR_WEBHOOK_UNSIGNED;
    return matches ? AMP_OK : AMP_ERR_WEBHOOK_MISMATCH;
}

enum amp_err amp_webhook_verify(const struct amp_webhook_fields *fields, const struct amp_webhook_secret *secret,
                                int64_t now_s, struct amp_slice body)
{
    char expected[AMP_WEBHOOK_SIGNATURE_LEN];
    uint64_t signed_s;
    if (!is_id(fields->id) || amp_u64_parse(&signed_s, fields->timestamp, INT64_MAX) != AMP_OK ||
        fields->signature.len == 0)
        return AMP_ERR_WEBHOOK_UNSIGNED;
    uint64_t now = now_s < 0 ? 0 : (uint64_t)now_s;
    if ((signed_s > now ? signed_s - now : now - signed_s) > AMP_WEBHOOK_TOLERANCE_S)
        return AMP_ERR_WEBHOOK_TOO_OLD;
    enum amp_err err = write_signature(expected, secret, fields->id, fields->timestamp, body);
    if (err == AMP_OK)
        err = compare(fields->signature, expected);
    amp_wipe(expected, sizeof expected);
    return err;
}
