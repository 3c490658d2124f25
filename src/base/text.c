/* Hex, decimal and UTF-8. Hex is constant time in the digits: keys and signatures pass through it. */
#include "base/text.h"

#include "base/ct.h"

static char hex_digit(uint32_t nibble)
{
    return (char)('0' + nibble + (amp_ct_less(9, nibble) & ('a' - '0' - 10)));
}

/* 0 to 15, or a value above 15 for what is no lower-case digit. */
static uint32_t hex_value(uint8_t c)
{
    uint32_t decimal = amp_ct_within(c, '0', '9');
    uint32_t letter = amp_ct_within(c, 'a', 'f');
    return (decimal & (c - (uint32_t)'0')) | (letter & (c - (uint32_t)'a' + 10)) | (~(decimal | letter) & 0xff);
}

void amp_hex_encode(char *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = hex_digit(bytes[i] >> 4);
        out[2 * i + 1] = hex_digit(bytes[i] & 15);
    }
}

enum amp_err amp_hex_decode(uint8_t *out, size_t len, struct amp_slice text)
{
    if (text.len % 2 != 0 || text.len / 2 != len)
        return AMP_ERR_INVALID;
    uint32_t seen = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t high = hex_value(text.ptr[2 * i]);
        uint32_t low = hex_value(text.ptr[2 * i + 1]);
        seen |= high | low;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return seen > 15 ? AMP_ERR_INVALID : AMP_OK;
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
