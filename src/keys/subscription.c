#include "keys/subscription.h"

#include "base/text.h"
#include "keys/pack.h"

enum {
    TEXT_MAX = AMP_GRANT_QUEUE_MAX + AMP_URL_MAX + AMP_SUBSCRIPTION_DESCRIPTION_MAX + AMP_JWK_MAX,
    PACKED_MAX = AMP_SUBSCRIPTION_ID_LEN + 1 + 1 + 8 + 4 + AMP_PRINCIPAL_KEY_ID_LEN + 1 + 2 + 2 + 2 + TEXT_MAX,
    SECRETS_PACKED_MAX = 1 + AMP_WEBHOOK_SECRETS_MAX * (1 + AMP_WEBHOOK_SECRET_MAX) + 8,
    SECRET_MIN = 24,
};

_Static_assert((size_t)PACKED_MAX <= AMP_SUBSCRIPTION_PACKED_MAX, "the longest subscription fits");
_Static_assert((size_t)SECRETS_PACKED_MAX <= AMP_SUBSCRIPTION_SECRETS_PACKED_MAX, "the longest secrets fit");

static const struct amp_slice id_prefix = {(const uint8_t *)"sub_", 4};

const char *amp_subscription_state_name(enum amp_subscription_state state)
{
    static const char *const names[] = {"active", "gone", "failing", "owner_disabled"};
    return (size_t)state < AMP_SUBSCRIPTION_STATE_COUNT_ ? names[state] : "unknown";
}

void amp_subscription_id_format(char out[AMP_SUBSCRIPTION_ID_TEXT_LEN], const uint8_t id[AMP_SUBSCRIPTION_ID_LEN])
{
    memcpy(out, id_prefix.ptr, id_prefix.len);
    amp_base64url_encode(out + id_prefix.len, id, AMP_SUBSCRIPTION_ID_LEN);
}

enum amp_err amp_subscription_id_parse(uint8_t id[AMP_SUBSCRIPTION_ID_LEN], struct amp_slice text)
{
    if (text.len != AMP_SUBSCRIPTION_ID_TEXT_LEN || !amp_slice_equal(amp_slice(text.ptr, id_prefix.len), id_prefix) ||
        amp_base64url_decode(id, AMP_SUBSCRIPTION_ID_LEN,
                             amp_slice(text.ptr + id_prefix.len, text.len - id_prefix.len)) != AMP_OK)
        return AMP_ERR_SUBSCRIPTION_UNKNOWN;
    return AMP_OK;
}

static bool is_printable(struct amp_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    }
    return amp_utf8_valid(text);
}

/* An object in ASCII; whether it is a key is for those to say who encrypt to it. */
static bool jwk_is_good(struct amp_slice jwk)
{
    if (jwk.len == 0)
        return true;
    for (size_t i = 0; i < jwk.len; i++) {
        if (jwk.ptr[i] >= 0x7f)
            return false;
    }
    return is_printable(jwk) && jwk.ptr[0] == '{' && jwk.ptr[jwk.len - 1] == '}';
}

enum amp_err amp_subscription_check(const struct amp_subscription *subscription)
{
    struct amp_url url;
    bool fits = (unsigned)subscription->state < AMP_SUBSCRIPTION_STATE_COUNT_ && subscription->created_unix_ms >= 0 &&
                subscription->queue_len <= sizeof(subscription->queue) &&
                subscription->url_len <= sizeof(subscription->url) &&
                subscription->description_len <= sizeof(subscription->description) &&
                subscription->jwk_len <= sizeof(subscription->jwk);
    bool good = fits && amp_key_id_is_good(subscription->owner) &&
                amp_queue_name_is_good(amp_slice(subscription->queue, subscription->queue_len)) &&
                amp_url_parse(&url, amp_slice(subscription->url, subscription->url_len)) == AMP_OK &&
                is_printable(amp_slice(subscription->description, subscription->description_len)) &&
                jwk_is_good(amp_slice(subscription->jwk, subscription->jwk_len));
    return good ? AMP_OK : AMP_ERR_INVALID;
}

void amp_subscription_pack(struct amp_out *out, const struct amp_subscription *subscription)
{
    amp_out_bytes(out, subscription->id, sizeof(subscription->id));
    amp_pack_uint(out, subscription->state, 1);
    amp_pack_uint(out, subscription->ordered ? 1 : 0, 1);
    amp_pack_uint(out, (uint64_t)subscription->created_unix_ms, 8);
    amp_pack_uint(out, subscription->generation, 4);
    amp_out_bytes(out, subscription->owner, sizeof(subscription->owner));
    amp_pack_text(out, subscription->queue, subscription->queue_len, 2);
    amp_pack_text(out, subscription->url, subscription->url_len, 2);
    amp_pack_text(out, subscription->description, subscription->description_len, 2);
    amp_pack_text(out, subscription->jwk, subscription->jwk_len, 2);
}

enum amp_err amp_subscription_unpack(struct amp_subscription *subscription, struct amp_slice packed)
{
    struct amp_unpack in = {packed, false};
    *subscription = (struct amp_subscription){0};
    amp_unpack_bytes(&in, subscription->id, sizeof(subscription->id));
    uint64_t state = amp_unpack_uint(&in, 1);
    uint64_t ordered = amp_unpack_uint(&in, 1);
    subscription->created_unix_ms = (int64_t)amp_unpack_uint(&in, 8);
    subscription->generation = (uint32_t)amp_unpack_uint(&in, 4);
    amp_unpack_bytes(&in, subscription->owner, sizeof(subscription->owner));
    subscription->queue_len = (uint8_t)amp_unpack_text(&in, subscription->queue, sizeof(subscription->queue), 2);
    subscription->url_len = (uint16_t)amp_unpack_text(&in, subscription->url, sizeof(subscription->url), 2);
    subscription->description_len =
        (uint16_t)amp_unpack_text(&in, subscription->description, sizeof(subscription->description), 2);
    subscription->jwk_len = (uint16_t)amp_unpack_text(&in, subscription->jwk, sizeof(subscription->jwk), 2);
    bool good = amp_unpack_end(&in) && state < AMP_SUBSCRIPTION_STATE_COUNT_ && ordered <= 1;
    if (good) {
        subscription->state = (enum amp_subscription_state)state;
        subscription->ordered = ordered != 0;
        good = amp_subscription_check(subscription) == AMP_OK;
    }
    if (!good)
        *subscription = (struct amp_subscription){0};
    return good ? AMP_OK : AMP_ERR_INVALID;
}

void amp_subscription_secrets_pack(struct amp_out *out, const struct amp_subscription_secrets *secrets)
{
    amp_pack_uint(out, secrets->count, 1);
    for (uint32_t i = 0; i < secrets->count; i++) {
        amp_pack_text(out, secrets->secrets[i].bytes, secrets->secrets[i].len, 1);
    }
    amp_pack_uint(out, (uint64_t)secrets->older_expires_unix_ms, 8);
}

static void get_secret(struct amp_unpack *in, struct amp_webhook_secret *secret)
{
    secret->len = (size_t)amp_unpack_uint(in, 1);
    in->bad = in->bad || secret->len < SECRET_MIN || secret->len > sizeof(secret->bytes);
    if (!in->bad)
        amp_unpack_bytes(in, secret->bytes, secret->len);
}

enum amp_err amp_subscription_secrets_unpack(struct amp_subscription_secrets *secrets, struct amp_slice packed)
{
    struct amp_unpack in = {packed, false};
    amp_wipe(secrets, sizeof(*secrets));
    uint64_t count = amp_unpack_uint(&in, 1);
    in.bad = in.bad || count == 0 || count > AMP_WEBHOOK_SECRETS_MAX;
    for (uint64_t i = 0; !in.bad && i < count; i++)
        get_secret(&in, &secrets->secrets[i]);
    uint64_t expires = amp_unpack_uint(&in, 8);
    if (!amp_unpack_end(&in) || expires > INT64_MAX || (expires != 0) != (count == AMP_WEBHOOK_SECRETS_MAX)) {
        amp_wipe(secrets, sizeof(*secrets));
        return AMP_ERR_INVALID;
    }
    secrets->count = (uint32_t)count;
    secrets->older_expires_unix_ms = (int64_t)expires;
    return AMP_OK;
}
