/*
 * RFC 4648 sections 4 and 5. Tokens, claims and keys are written this way, so a character is computed, not
 * looked up: neither a branch nor an address depends on the bytes.
 */
#include "base/text.h"

#include <endian.h>

#include "base/ct.h"

/* The two alphabets differ in their last two characters. */
struct alphabet {
    uint8_t c62;
    uint8_t c63;
};

static const struct alphabet standard = {'+', '/'};
static const struct alphabet urlsafe = {'-', '_'};

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* 1 in each byte that is at least `bound`; all are below 64, so the sum carries into no other byte. */
static uint64_t reaching(uint64_t values, uint8_t bound)
{
    return (values + EACH_BYTE(0x80u - bound)) >> 7 & EACH_BYTE(1);
}

/*
 * The digits of eight values, each in a byte. Where a range begins, the way from value to character changes by a step;
 * what is added is added first, and each byte stays below 256 and ends as a character, so that bytes do not meet.
 */
static uint64_t digits_of(uint64_t values, struct alphabet alphabet)
{
    uint64_t from_26 = reaching(values, 26), from_52 = reaching(values, 52), from_62 = reaching(values, 62);
    uint64_t is_63 = reaching(values, 63);
    uint64_t digits = values + EACH_BYTE('A') + from_26 * ('a' - 'A' - 26);
    digits -= from_52 * ('a' - '0' + 26);
    digits -= (from_62 ^ is_63) * ('0' + 10u - alphabet.c62);
    return digits + is_63 * alphabet.c63 - is_63 * ('0' + 11);
}

/* Six bytes, first in the highest, as eight values. */
static uint64_t values_of(uint64_t six)
{
    uint64_t halves = six >> 24 << 32 | (six & 0xffffff);
    uint64_t quarters = (halves & UINT64_C(0x00fff00000fff000)) << 4 | (halves & UINT64_C(0x00000fff00000fff));
    return (quarters & UINT64_C(0x0fc00fc00fc00fc0)) << 2 | (quarters & UINT64_C(0x003f003f003f003f));
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

enum { GROUP = 6, DIGITS = 8 };

/*
 * Up to six bytes, read before the digits are written: the two may overlap. Where eight are there they are read at
 * once: a word that is put together of parts waits for them to reach the cache.
 */
static void encode_group(char *out, const uint8_t *bytes, size_t left, struct alphabet alphabet)
{
    uint64_t group = 0;
    size_t len = left < GROUP ? left : GROUP;
    memcpy(&group, bytes, left >= sizeof(group) ? sizeof(group) : len);
    uint64_t digits = htobe64(digits_of(values_of(be64toh(group) >> 16), alphabet));
    memcpy(out, &digits, AMP_BASE64URL_LEN(len));
}

/* Writes the digits without padding; returns how many. */
static size_t encode(char *out, const uint8_t *bytes, size_t len, struct alphabet alphabet)
{
    size_t at = 0, written = 0;
    for (; len - at >= GROUP; at += GROUP, written += DIGITS)
        encode_group(out + written, bytes + at, len - at, alphabet);
    encode_group(out + written, bytes + at, len - at, alphabet);
    return written + AMP_BASE64URL_LEN(len - at);
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
    return amp_ct_opaque(refused) != 0 ? AMP_ERR_INVALID : AMP_OK;
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
