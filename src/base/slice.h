/* Borrowed runs of bytes. A slice owns nothing and is valid as long as what it points into. */
#ifndef AMP_BASE_SLICE_H
#define AMP_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct amp_slice {
    const uint8_t *ptr; /* may be NULL where len is 0 */
    size_t len;
};

#define AMP_SLICE_LIT(text) ((struct amp_slice){(const uint8_t *)(text), sizeof(text) - 1})

static inline struct amp_slice amp_slice(const void *ptr, size_t len)
{
    return (struct amp_slice){(const uint8_t *)ptr, len};
}

static inline struct amp_slice amp_slice_str(const char *text)
{
    return (struct amp_slice){(const uint8_t *)text, strlen(text)};
}

/* Equality of public bytes. Secrets are compared with amp_secret_equal. */
static inline bool amp_slice_equal(struct amp_slice a, struct amp_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool amp_slice_is(struct amp_slice a, const char *text)
{
    if (a.len != 0 && a.ptr[0] != (uint8_t)text[0])
        return false; /* as most are: the text need not be measured */
    return amp_slice_equal(a, amp_slice_str(text));
}

/* Equality that ignores ASCII case, for header names. */
bool amp_slice_equal_nocase(struct amp_slice a, struct amp_slice b);

/* A growing write into caller's fixed storage. What does not fit is left out whole and sets `overflow`, which is
 * sticky: check it once, at the end. */
struct amp_out {
    uint8_t *ptr;
    size_t len;
    size_t cap;
    bool overflow;
};

static inline struct amp_out amp_out(void *storage, size_t cap)
{
    return (struct amp_out){(uint8_t *)storage, 0, cap, false};
}

static inline void amp_out_bytes(struct amp_out *out, const void *bytes, size_t len)
{
    if (len > out->cap - out->len) {
        out->overflow = true;
        return;
    }
    if (len != 0) {
        memcpy(out->ptr + out->len, bytes, len);
        out->len += len;
    }
}

static inline void amp_out_slice(struct amp_out *out, struct amp_slice s)
{
    amp_out_bytes(out, s.ptr, s.len);
}

static inline void amp_out_str(struct amp_out *out, const char *text)
{
    amp_out_bytes(out, text, strlen(text));
}

static inline void amp_out_byte(struct amp_out *out, uint8_t byte)
{
    amp_out_bytes(out, &byte, 1);
}

/* Decimal, no format string. */
void amp_out_u64(struct amp_out *out, uint64_t value);
void amp_out_i64(struct amp_out *out, int64_t value);
/* Lower-case hex of `len` bytes. */
void amp_out_hex(struct amp_out *out, const void *bytes, size_t len);
/* RFC 3339 in UTC with milliseconds, "2026-01-31T23:59:59.123Z". Outside of 1970 to 9999: the nearest second in them.
 */
void amp_out_time(struct amp_out *out, int64_t unix_ms);

static inline struct amp_slice amp_out_done(const struct amp_out *out)
{
    return (struct amp_slice){out->ptr, out->len};
}

#endif
