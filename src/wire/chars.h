/* Which bytes may stand where in HTTP and URIs: one table, one bit a class. */
#ifndef AMP_WIRE_CHARS_H
#define AMP_WIRE_CHARS_H

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
 * Eight bytes at once, for runs where a special byte is rare. Each answers "does any byte": not zero where one is below
 * `bound` (at most 0x80), or is `c`. (x - k) borrows into the high bit of each byte below k; & ~x drops those that had
 * it of themselves. A borrow may mark the byte above a true one too, never one where there is none.
 */
#define AMP_EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

static inline uint64_t amp_word_below(uint64_t word, uint8_t bound)
{
    return (word - AMP_EACH_BYTE(bound)) & ~word & AMP_EACH_BYTE(0x80);
}

static inline uint64_t amp_word_has(uint64_t word, uint8_t c)
{
    return amp_word_below(word ^ AMP_EACH_BYTE(c), 1);
}

/* Which byte is the first that such an answer marks, for a word that was read as little-endian; 8 where none is. */
static inline size_t amp_word_first(uint64_t marks)
{
    return marks != 0 ? (size_t)__builtin_ctzll(marks) / 8 : 8;
}

/* Length of a run of ASCII at the start: as many as come in whole words, so that what is behind it may be ASCII too. */
static inline size_t amp_ascii_run(struct amp_slice s)
{
    size_t at = 0;
    uint64_t word;
    for (; s.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, s.ptr + at, sizeof(word));
        if ((word & AMP_EACH_BYTE(0x80)) != 0)
            break;
    }
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
