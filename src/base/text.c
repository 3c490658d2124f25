/* Hex, decimal and UTF-8. Hex is constant time in the digits: keys and signatures pass through it. */
#include "base/text.h"

#include <emmintrin.h>

/*
 * Eight digits at a time, without branch or table. Bytes and digits stand in words as they are read: the first is the
 * most significant.
 */
#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* The digits of four bytes. */
static uint64_t hex_of(uint32_t bytes)
{
    uint64_t nibbles = bytes;
    nibbles = (nibbles << 16 | nibbles) & UINT64_C(0x0000ffff0000ffff);
    nibbles = (nibbles << 8 | nibbles) & UINT64_C(0x00ff00ff00ff00ff);
    nibbles = (nibbles << 4 | nibbles) & EACH_BYTE(0x0f);
    uint64_t letters = ((nibbles + EACH_BYTE(6)) >> 4) & EACH_BYTE(1); /* 1 where above 9 */
    return nibbles + EACH_BYTE('0') + letters * ('a' - '0' - 10);
}

/* Four bytes of what may be their digits: whoever asks must see that hex_of gives the same digits back. */
static uint32_t bytes_of(uint64_t digits)
{
    uint64_t letters = (digits >> 6) & EACH_BYTE(1);
    uint64_t nibbles = ((digits & EACH_BYTE(0x0f)) + letters * 9) & EACH_BYTE(0x0f);
    nibbles = (nibbles >> 4 | nibbles) & UINT64_C(0x00ff00ff00ff00ff);
    nibbles = (nibbles >> 8 | nibbles) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(nibbles >> 16 | nibbles);
}

static uint64_t load_digits(const uint8_t *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    return __builtin_bswap64(word);
}

/* The digits of 16 bytes, as hex_of: 2 ns, where four times four bytes take 11. */
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
    for (; len >= 4; len -= 4, bytes += 4, out += 8) {
        uint32_t word;
        memcpy(&word, bytes, sizeof(word));
        uint64_t digits = __builtin_bswap64(hex_of(__builtin_bswap32(word)));
        memcpy(out, &digits, sizeof(digits));
    }
    for (; len > 0; len--, bytes++, out += 2) {
        uint64_t digits = hex_of(*bytes);
        out[0] = (char)(digits >> 8 & 0xff);
        out[1] = (char)(digits & 0xff);
    }
}

enum amp_err amp_hex_decode(uint8_t *out, size_t len, struct amp_slice text)
{
    if (text.len % 2 != 0 || text.len / 2 != len)
        return AMP_ERR_INVALID;
    const uint8_t *at = text.ptr;
    uint64_t wrong = 0;
    for (; len >= 4; len -= 4, at += 8, out += 4) {
        uint64_t digits = load_digits(at);
        uint32_t bytes = bytes_of(digits);
        wrong |= digits ^ hex_of(bytes);
        bytes = __builtin_bswap32(bytes);
        memcpy(out, &bytes, sizeof(bytes));
    }
    for (; len > 0; len--, at += 2, out++) {
        uint64_t digits = EACH_BYTE('0') << 16 | (uint64_t)at[0] << 8 | at[1];
        uint32_t byte = bytes_of(digits);
        wrong |= digits ^ hex_of(byte);
        *out = (uint8_t)byte;
    }
    return wrong == 0 ? AMP_OK : AMP_ERR_INVALID;
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
