/* What the tests of the wire formats share: texts as bytes in blocks of their own, so that sanitizers see every byte
 * read past the end. */
#ifndef AMP_TESTS_WIRE_SUPPORT_H
#define AMP_TESTS_WIRE_SUPPORT_H

#include "../support.h"

#include "base/slice.h"
#include "wire/http1.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A copy of exactly `len` bytes; free it. */
static inline uint8_t *exact_copy(const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    return copy;
}

static inline void assert_slice(struct amp_slice s, const char *expected)
{
    if (!amp_slice_is(s, expected))
        fail_msg("expected \"%s\", got \"%.*s\"", expected, (int)s.len, s.ptr == NULL ? "" : (const char *)s.ptr);
}

/* Errors by their names, so that a failure says what it is. */
static inline void assert_err(enum amp_err got, enum amp_err expected, const char *what)
{
    if (got != expected)
        fail_msg("%s: expected %s, got %s", what, amp_err_code(expected), amp_err_code(got));
}

/* A head of `len` bytes parsed at once. */
static inline enum amp_err parse_whole(struct amp_http1_head *head, const void *bytes, size_t len, size_t *head_len)
{
    size_t scanned = 0;
    return amp_http1_parse_head(head, bytes, len, head_len, &scanned);
}

#endif
