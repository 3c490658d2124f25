#include "base/slice.h"

#include "base/text.h"

/* ASCII alone: the C library's tolower follows the locale. */
static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool amp_slice_equal_nocase(struct amp_slice a, struct amp_slice b)
{
    if (amp_slice_equal(a, b))
        return true; /* most are spelled alike */
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

void amp_out_u64(struct amp_out *out, uint64_t value)
{
    char digits[20]; /* UINT64_MAX has 20 */
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    amp_out_bytes(out, digits + at, sizeof(digits) - at);
}

void amp_out_i64(struct amp_out *out, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        amp_out_byte(out, '-');
        magnitude = 0 - magnitude; /* right for INT64_MIN too */
    }
    amp_out_u64(out, magnitude);
}

void amp_out_hex(struct amp_out *out, const void *bytes, size_t len)
{
    if (len > (out->cap - out->len) / 2) {
        out->overflow = true;
        return;
    }
    if (len != 0)
        amp_hex_encode((char *)out->ptr + out->len, bytes, len);
    out->len += 2 * len;
}
