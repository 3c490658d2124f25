/*
 * Hex, decimal and UTF-8. Hex is constant time in the digits, keys and signatures pass through it: sixteen bytes at a
 * time, without branch or table, and what is shorter is filled up.
 */
#include "base/text.h"

#include <emmintrin.h>

/* Each nibble's digit. */
static __m128i digits_of(__m128i nibbles)
{
    const __m128i letters = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
    const __m128i digits = _mm_add_epi8(nibbles, _mm_set1_epi8('0'));
    return _mm_add_epi8(digits, _mm_and_si128(letters, _mm_set1_epi8('a' - '0' - 10)));
}

static void encode_16(char out[32], const uint8_t bytes[16])
{
    const __m128i low_nibble = _mm_set1_epi8(0x0f);
    const __m128i both = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    const __m128i high = _mm_and_si128(_mm_srli_epi16(both, 4), low_nibble);
    const __m128i low = _mm_and_si128(both, low_nibble);
    _mm_storeu_si128((__m128i *)(void *)out, digits_of(_mm_unpacklo_epi8(high, low)));
    _mm_storeu_si128((__m128i *)(void *)(out + 16), digits_of(_mm_unpackhi_epi8(high, low)));
}

void amp_hex_encode(char *out, const uint8_t *bytes, size_t len)
{
    for (; len >= 16; len -= 16, bytes += 16, out += 32)
        encode_16(out, bytes);
    if (len != 0) {
        uint8_t last[16] = {0};
        char digits[32];
        memcpy(last, bytes, len);
        encode_16(digits, last);
        memcpy(out, digits, 2 * len);
    }
}

/* What 16 digits would be, each: whoever asks must see that digits_of gives the same digits back. */
static __m128i nibbles_of(__m128i digits)
{
    const __m128i letters = _mm_cmpgt_epi8(digits, _mm_set1_epi8('9'));
    const __m128i low = _mm_and_si128(digits, _mm_set1_epi8(0x0f));
    return _mm_and_si128(_mm_add_epi8(low, _mm_and_si128(letters, _mm_set1_epi8(9))), _mm_set1_epi8(0x0f));
}

/* Ones where the digits are good. */
static __m128i decode_16(uint8_t out[8], const uint8_t text[16])
{
    const __m128i digits = _mm_loadu_si128((const __m128i *)(const void *)text);
    const __m128i nibbles = nibbles_of(digits);
    const __m128i both = _mm_or_si128(_mm_slli_epi16(nibbles, 4), _mm_srli_epi16(nibbles, 8));
    const __m128i bytes = _mm_and_si128(both, _mm_set1_epi16(0xff));
    _mm_storel_epi64((__m128i *)(void *)out, _mm_packus_epi16(bytes, bytes));
    return _mm_cmpeq_epi8(digits_of(nibbles), digits);
}

enum amp_err amp_hex_decode(uint8_t *out, size_t len, struct amp_slice text)
{
    if (text.len % 2 != 0 || text.len / 2 != len)
        return AMP_ERR_INVALID;
    const uint8_t *at = text.ptr;
    __m128i right = _mm_set1_epi8(-1);
    for (; len >= 8; len -= 8, at += 16, out += 8)
        right = _mm_and_si128(right, decode_16(out, at));
    if (len != 0) {
        uint8_t last[16], decoded[8];
        memset(last, '0', sizeof(last));
        memcpy(last, at, 2 * len);
        right = _mm_and_si128(right, decode_16(decoded, last));
        memcpy(out, decoded, len);
    }
    return _mm_movemask_epi8(right) == 0xffff ? AMP_OK : AMP_ERR_INVALID;
}

enum amp_err amp_u64_parse(uint64_t *out, struct amp_slice text, uint64_t max)
{
    if (text.len == 0 || (text.len > 1 && text.ptr[0] == '0'))
        return AMP_ERR_INVALID;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c < '0' || c > '9')
            return AMP_ERR_INVALID;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, c - '0', &value))
            return AMP_ERR_INVALID;
    }
    if (value > max)
        return AMP_ERR_INVALID;
    *out = value;
    return AMP_OK;
}

/*
 * Length of the well-formed sequence at the start of s, 0 where there is none: RFC 3629 section 4. The bounds
 * of the second byte shut out overlong forms, surrogates and what lies above U+10FFFF.
 */
static size_t utf8_sequence_len(struct amp_slice s)
{
    uint8_t lead = s.ptr[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    size_t len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (s.len < len)
        return 0;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (s.ptr[1] < low || s.ptr[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((s.ptr[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool amp_utf8_valid(struct amp_slice text)
{
    while (text.len != 0) {
        size_t len = utf8_sequence_len(text);
        if (len == 0)
            return false;
        text = amp_slice(text.ptr + len, text.len - len);
    }
    return true;
}

bool amp_utf8_has_controls(struct amp_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool c1 = c == 0xc2 && i + 1 < text.len && text.ptr[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f || c1)
            return true;
    }
    return false;
}
