/* Which bytes may stand where in HTTP and URIs: one table, one bit a class. */
#ifndef AMP_WIRE_CHARS_H
#define AMP_WIRE_CHARS_H

#include <emmintrin.h>

#include "base/slice.h"

enum amp_char_class {
    AMP_CHAR_TOKEN = 1,      /* tchar: RFC 9110 section 5.6.2 */
    AMP_CHAR_VALUE = 2,      /* field-vchar, SP, HTAB: RFC 9110 section 5.5 */
    AMP_CHAR_TARGET = 4,     /* of an absolute path and query, "%" included: RFC 3986 sections 3.3 and 3.4 */
    AMP_CHAR_UNRESERVED = 8, /* RFC 3986 section 2.3 */
    AMP_CHAR_DIGIT = 16,
    AMP_CHAR_LOWER_TOKEN = 32, /* tchar but A to Z */
};

extern const uint8_t amp_char_classes[256];

/* True where each byte is of the class; true of an empty slice. */
static inline bool amp_chars_all(struct amp_slice s, enum amp_char_class class)
{
    unsigned all = class;
    for (size_t i = 0; i < s.len; i++)
        all &= amp_char_classes[s.ptr[i]];
    return all != 0;
}

static inline bool amp_char_is(uint8_t c, enum amp_char_class class)
{
    return (amp_char_classes[c] & class) != 0;
}

/* amp_slice_equal_nocase for names of which most differ in length. */
static inline bool amp_name_is(struct amp_slice name, struct amp_slice wanted)
{
    return name.len == wanted.len && amp_slice_equal_nocase(name, wanted);
}

/* ASCII alone, whatever the locale. */
static inline uint8_t amp_char_lower(uint8_t c)
{
    return (uint8_t)(c - 'A') < 26 ? (uint8_t)(c | 0x20) : c;
}

/* The value of a hex digit of either case, or -1. */
static inline int amp_char_hex(uint8_t c)
{
    if (amp_char_is(c, AMP_CHAR_DIGIT))
        return c - '0';
    uint8_t letter = (uint8_t)(amp_char_lower(c) - 'a');
    return letter < 6 ? letter + 10 : -1;
}

/*
 * Sixteen bytes at once, for runs where a special byte is rare. The predicates mark bytes that are below `bound` (not
 * 0), or are `c`; they may be joined by "|". amp_block_marks gives them as bits, the first byte's the lowest.
 */
#define AMP_BLOCK_LEN sizeof(__m128i)

static inline __m128i amp_block_at(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

static inline __m128i amp_block_below(__m128i block, uint8_t bound)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8((char)(bound - 1))), block);
}

static inline __m128i amp_block_has(__m128i block, uint8_t c)
{
    return _mm_cmpeq_epi8(block, _mm_set1_epi8((char)c));
}

static inline unsigned amp_block_marks(__m128i marked)
{
    return (unsigned)_mm_movemask_epi8(marked);
}

/* Those that are not ASCII: their high bit is their mark. */
static inline unsigned amp_block_marks_beyond_ascii(__m128i block)
{
    return amp_block_marks(block);
}

/* How many bytes are in front of the first that is marked; all where none is. */
static inline size_t amp_block_unmarked(unsigned marks)
{
    return (size_t)__builtin_ctz(marks | 1u << AMP_BLOCK_LEN);
}

/* Length of a run of ASCII at the start: as many as come in whole blocks, so that what is behind it may be ASCII too.
 */
static inline size_t amp_ascii_run(struct amp_slice s)
{
    size_t at = 0;
    while (s.len - at >= AMP_BLOCK_LEN && amp_block_marks_beyond_ascii(amp_block_at(s.ptr + at)) == 0)
        at += AMP_BLOCK_LEN;
    return at;
}

/* The bytes up to the first `delimiter`, which is passed over with them; false where none is left. */
static inline bool amp_slice_cut(struct amp_slice *rest, uint8_t delimiter, struct amp_slice *head)
{
    const uint8_t *at = rest->len == 0 ? NULL : (const uint8_t *)memchr(rest->ptr, delimiter, rest->len);
    if (at == NULL)
        return false;
    *head = amp_slice(rest->ptr, (size_t)(at - rest->ptr));
    *rest = amp_slice(at + 1, rest->len - head->len - 1);
    return true;
}

/* Without the spaces and tabs around it. */
static inline struct amp_slice amp_slice_trim(struct amp_slice s)
{
    while (s.len != 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = amp_slice(s.ptr + 1, s.len - 1);
    while (s.len != 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

#endif
