#include "base/text.h"
#include "seal/seal.h"

#define PREFIX_LEN 4

_Static_assert(AMP_TOKEN_TEXT_LEN == PREFIX_LEN + AMP_BASE64URL_LEN(AMP_TOKEN_LEN), "a token's text is its prefix and "
                                                                                    "its bytes");

struct amp_token_keys {
    struct amp_hmac_key hash;
    struct amp_key256 tag;
};

enum amp_err amp_token_keys_new(struct amp_token_keys **out)
{
    *out = NULL;
    struct amp_token_keys *keys = amp_secret_alloc(sizeof *keys);
    if (keys == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    struct amp_key256 hash = {{0}};
    enum amp_err err = amp_random(hash.bytes, sizeof hash.bytes);
    amp_hmac_key_make(&keys->hash, &hash);
    amp_wipe(&hash, sizeof hash);
    if (err == AMP_OK)
        err = amp_random(keys->tag.bytes, sizeof keys->tag.bytes);
    if (err != AMP_OK) {
        amp_secret_free(keys);
        return err;
    }
    *out = keys;
    return AMP_OK;
}

void amp_token_keys_free(struct amp_token_keys *keys)
{
    amp_secret_free(keys);
}

static enum amp_err mac(const struct amp_token_keys *keys, const struct amp_slice *parts, size_t count,
                        uint8_t out[AMP_SHA256_LEN])
{
    return amp_hmac_sha256_under(out, &keys->hash, parts, count);
}

enum amp_err amp_token_new(uint8_t token[AMP_TOKEN_LEN])
{
    return amp_random(token, AMP_TOKEN_LEN);
}

/*
 * What is hashed begins with 0, as no label does: a token that a stranger makes up is never another thing's
 * hash.
 */
enum amp_err amp_token_hash(const struct amp_token_keys *keys, const uint8_t token[AMP_TOKEN_LEN], uint8_t index[16])
{
    const struct amp_slice parts[] = {AMP_SLICE_LIT("\0"), amp_slice(token, AMP_TOKEN_LEN)};
    uint8_t whole[AMP_SHA256_LEN];
    enum amp_err err = mac(keys, parts, 2, whole);
    if (err == AMP_OK)
        memcpy(index, whole, 16);
    amp_wipe(whole, sizeof whole);
    return err;
}

enum amp_err amp_token_keys_mac(const struct amp_token_keys *keys, const char *label, const struct amp_slice *parts,
                                size_t count, uint8_t out[AMP_SHA256_LEN])
{
    if (count > AMP_TOKEN_MAC_PARTS || label[0] == '\0')
        return AMP_ERR_INVALID;
    uint64_t lengths[AMP_TOKEN_MAC_PARTS]; /* never leave this process, so in its own byte order */
    struct amp_slice hashed[1 + 2 * AMP_TOKEN_MAC_PARTS] = {amp_slice(label, strlen(label) + 1)};
    for (size_t i = 0; i < count; i++) {
        lengths[i] = parts[i].len;
        hashed[1 + 2 * i] = amp_slice(&lengths[i], sizeof lengths[i]);
        hashed[2 + 2 * i] = parts[i];
    }
    return mac(keys, hashed, 1 + 2 * count, out);
}

enum amp_err amp_token_keys_tag(const struct amp_token_keys *keys, const char *label, struct amp_slice first,
                                struct amp_slice second, uint8_t out[AMP_TOKEN_TAG_LEN])
{
    const uint64_t lengths[] = {first.len, second.len};
    uint8_t text[AMP_TOKEN_TAG_MAX], whole[AMP_SHA256_LEN];
    struct amp_out hashed = amp_out(text, sizeof text);
    amp_out_bytes(&hashed, keys->tag.bytes, sizeof keys->tag.bytes);
    amp_out_bytes(&hashed, label, strlen(label) + 1);
    amp_out_bytes(&hashed, lengths, sizeof lengths);
    amp_out_slice(&hashed, first);
    amp_out_slice(&hashed, second);
    const struct amp_slice part = amp_out_done(&hashed);
    enum amp_err err = hashed.overflow ? AMP_ERR_INVALID : amp_sha256(whole, &part, 1);
    if (err == AMP_OK)
        memcpy(out, whole, AMP_TOKEN_TAG_LEN);
    amp_wipe(text, sizeof text);
    amp_wipe(whole, sizeof whole);
    return err;
}

void amp_token_format(char out[AMP_TOKEN_TEXT_LEN], const char prefix[5], const uint8_t token[AMP_TOKEN_LEN])
{
    memcpy(out, prefix, PREFIX_LEN);
    amp_base64url_encode(out + PREFIX_LEN, token, AMP_TOKEN_LEN);
}

enum amp_err amp_token_parse(uint8_t token[AMP_TOKEN_LEN], const char prefix[5], struct amp_slice text)
{
    if (text.len != AMP_TOKEN_TEXT_LEN ||
        !amp_slice_equal(amp_slice(text.ptr, PREFIX_LEN), amp_slice(prefix, PREFIX_LEN)))
        return AMP_ERR_INVALID;
    return amp_base64url_decode(token, AMP_TOKEN_LEN, amp_slice(text.ptr + PREFIX_LEN, text.len - PREFIX_LEN));
}
