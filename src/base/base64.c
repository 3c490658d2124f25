/*
 * RFC 4648 sections 4 and 5. Tokens, claims and keys are written this way, so a character is computed, not
 * looked up: neither a branch nor an address depends on the bytes.
 */
#include "base/text.h"

#include "base/ct.h"

/* The two alphabets differ in their last two characters. */
struct alphabet {
    uint8_t c62;
    uint8_t c63;
};

static const struct alphabet standard = {'+', '/'};
static const struct alphabet urlsafe = {'-', '_'};

static char digit_of(uint32_t value, struct alphabet alphabet)
{
    uint32_t c = amp_ct_within(value, 0, 25) & (value + 'A');
    c |= amp_ct_within(value, 26, 51) & (value - 26 + 'a');
    c |= amp_ct_within(value, 52, 61) & (value - 52 + '0');
    c |= amp_ct_within(value, 62, 62) & alphabet.c62;
    c |= amp_ct_within(value, 63, 63) & alphabet.c63;
    return (char)c;
}

/* 0 to 63, or UINT32_MAX for a character outside the alphabet: each range yields its value plus one. */
static uint32_t value_of(uint32_t c, struct alphabet alphabet)
{
    uint32_t plus_one = amp_ct_within(c, 'A', 'Z') & (c - 'A' + 1);
    plus_one |= amp_ct_within(c, 'a', 'z') & (c - 'a' + 27);
    plus_one |= amp_ct_within(c, '0', '9') & (c - '0' + 53);
    plus_one |= amp_ct_within(c, alphabet.c62, alphabet.c62) & 63;
    plus_one |= amp_ct_within(c, alphabet.c63, alphabet.c63) & 64;
    return plus_one - 1;
}

/* Writes the digits without padding; returns how many. */
static size_t encode(char *out, const uint8_t *bytes, size_t len, struct alphabet alphabet)
{
    uint32_t window = 0; /* the newest bits; older ones fall off the top */
    unsigned bits = 0;   /* of the window, not yet written */
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        window = window << 8 | bytes[i];
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            out[written++] = digit_of(window >> bits & 63, alphabet);
        }
    }
    if (bits != 0)
        out[written++] = digit_of(window << (6 - bits) & 63, alphabet);
    return written;
}

/* `digits` without padding, as many as len bytes need. */
static enum amp_err decode(uint8_t *out, const uint8_t *digits, size_t len, struct alphabet alphabet)
{
    uint32_t window = 0;
    unsigned bits = 0;
    uint32_t refused = 0;
    for (size_t i = 0, written = 0; i < AMP_BASE64URL_LEN(len); i++) {
        uint32_t value = value_of(digits[i], alphabet);
        refused |= value & ~(uint32_t)63;
        window = window << 6 | (value & 63);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[written++] = (uint8_t)(window >> bits);
        }
    }
    /* RFC 4648 section 3.5: pad bits that are not zero would give one value two spellings. */
    refused |= window & ((1u << bits) - 1);
    return refused != 0 ? AMP_ERR_INVALID : AMP_OK;
}

void amp_base64url_encode(char *out, const uint8_t *bytes, size_t len)
{
    encode(out, bytes, len, urlsafe);
}

enum amp_err amp_base64url_decode(uint8_t *out, size_t len, struct amp_slice text)
{
    if (len > SIZE_MAX / 8 || text.len != AMP_BASE64URL_LEN(len))
        return AMP_ERR_INVALID;
    return decode(out, text.ptr, len, urlsafe);
}

/* A last group of 1 character holds no byte: it fails as another length than that of its own encoding. */
enum amp_err amp_base64url_decode_any(uint8_t *out, size_t *len, struct amp_slice text)
{
    size_t decoded = text.len / 4 * 3 + text.len % 4 * 3 / 4;
    if (decoded > *len)
        return AMP_ERR_TOO_LARGE;
    *len = decoded;
    return amp_base64url_decode(out, decoded, text);
}

void amp_base64_encode(char *out, const uint8_t *bytes, size_t len)
{
    for (size_t at = encode(out, bytes, len, standard); at < AMP_BASE64_LEN(len); at++)
        out[at] = '=';
}

static size_t count_padding(struct amp_slice text)
{
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    return padding;
}

enum amp_err amp_base64_decode(uint8_t *out, size_t *len, struct amp_slice text)
{
    if (text.len % 4 != 0)
        return AMP_ERR_INVALID;
    size_t decoded = text.len / 4 * 3 - count_padding(text);
    if (decoded > *len)
        return AMP_ERR_TOO_LARGE;
    *len = decoded;
    return decode(out, text.ptr, decoded, standard);
}
