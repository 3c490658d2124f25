#include "wire/json_lex.h"

#include <endian.h>

#include "base/text.h"
#include "wire/chars.h"

enum amp_err amp_json_fail(struct amp_json *json, enum amp_err err)
{
    if (json->err == AMP_OK)
        json->err = err;
    return json->err;
}

bool amp_json_take(struct amp_json *json, uint8_t c)
{
    if (json->pos == json->len || json->text[json->pos] != c)
        return false;
    json->pos++;
    return true;
}

/* RFC 8259 section 2. */
void amp_json_skip_space(struct amp_json *json)
{
    while (json->pos < json->len) {
        uint8_t c = json->text[json->pos];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        json->pos++;
    }
}

static bool is_special(uint8_t c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

size_t amp_json_plain_len(struct amp_slice text, bool *ascii)
{
    size_t at = 0, plain = AMP_BLOCK_LEN;
    unsigned beyond = 0;
    while (plain == AMP_BLOCK_LEN && text.len - at >= AMP_BLOCK_LEN) {
        const __m128i block = amp_block_at(text.ptr + at);
        const __m128i special = amp_block_below(block, 0x20) | amp_block_has(block, '"') | amp_block_has(block, '\\');
        plain = amp_block_unmarked(amp_block_marks(special));
        beyond |= amp_block_marks_beyond_ascii(block) & ((1u << plain) - 1);
        at += plain;
    }
    while (plain == AMP_BLOCK_LEN && at < text.len && !is_special(text.ptr[at]))
        beyond |= text.ptr[at++] & 0x80u;
    *ascii = beyond == 0;
    return at;
}

enum amp_err amp_json_take_run(struct amp_json *json, struct amp_slice *run)
{
    const struct amp_slice left = amp_slice(json->text + json->pos, json->len - json->pos);
    bool ascii;
    *run = amp_slice(left.ptr, amp_json_plain_len(left, &ascii));
    json->pos += run->len;
    if (run->len < left.len && left.ptr[run->len] < 0x20)
        return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
    if (!ascii && !amp_utf8_valid(*run))
        return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
    return AMP_OK;
}

/* The character that "\c" stands for, or 0 (RFC 8259 section 7). */
static uint8_t short_escape(uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

/* The four digits behind "\u"; false where they are not. */
static bool take_code_unit(struct amp_json *json, uint32_t *unit)
{
    if (json->len - json->pos < 4)
        return false;
    *unit = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = amp_char_hex(json->text[json->pos + i]);
        if (digit < 0)
            return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    json->pos += 4;
    return true;
}

/* The second of a pair of surrogates; where none follows, false, and nothing is passed over. */
static bool take_low_surrogate(struct amp_json *json, uint32_t *low)
{
    size_t start = json->pos;
    if (amp_json_take(json, '\\') && amp_json_take(json, 'u') && take_code_unit(json, low) && *low >= 0xdc00 &&
        *low <= 0xdfff)
        return true;
    json->pos = start;
    return false;
}

/* One character written as one or two \u escapes. But where any text is taken: surrogates in pairs only, and no NUL, at
 * which C programs behind would cut the string. */
static bool take_code_point(struct amp_json *json, uint32_t *code)
{
    uint32_t low;
    if (!take_code_unit(json, code))
        return false;
    if (*code >= 0xd800 && *code <= 0xdbff && take_low_surrogate(json, &low)) {
        *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
        return true;
    }
    return json->any_text || (*code != 0 && (*code < 0xd800 || *code > 0xdfff));
}

/* RFC 3629 section 3. */
static size_t encode_utf8(uint8_t out[AMP_JSON_MAX_CHAR], uint32_t code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (uint8_t)((0xf0U << (4 - len)) | code);
    return len;
}

enum amp_err amp_json_take_escape(struct amp_json *json, uint8_t utf8[AMP_JSON_MAX_CHAR], size_t *len)
{
    uint32_t code;
    json->pos++; /* the backslash */
    if (amp_json_take(json, 'u')) {
        if (!take_code_point(json, &code))
            return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
        *len = encode_utf8(utf8, code);
        return AMP_OK;
    }
    utf8[0] = json->pos < json->len ? short_escape(json->text[json->pos]) : 0;
    if (utf8[0] == 0)
        return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
    json->pos++;
    *len = 1;
    return AMP_OK;
}

/* Passes over digits; false where there is none. */
static bool take_digits(struct amp_json *json)
{
    size_t start = json->pos;
    while (json->pos < json->len && amp_char_is(json->text[json->pos], AMP_CHAR_DIGIT))
        json->pos++;
    return json->pos != start;
}

/* [ minus ] int [ frac ] [ exp ] */
static bool take_number(struct amp_json *json, bool *whole)
{
    *whole = true;
    (void)amp_json_take(json, '-');
    if (!amp_json_take(json, '0') && !take_digits(json))
        return false;
    if (amp_json_take(json, '.')) {
        *whole = false;
        if (!take_digits(json))
            return false;
    }
    if (amp_json_take(json, 'e') || amp_json_take(json, 'E')) {
        *whole = false;
        if (!amp_json_take(json, '-'))
            (void)amp_json_take(json, '+');
        return take_digits(json);
    }
    return true;
}

enum amp_err amp_json_take_number(struct amp_json *json, struct amp_slice *text, bool *whole)
{
    size_t start = json->pos;
    if (!take_number(json, whole))
        return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
    *text = amp_slice(json->text + start, json->pos - start);
    return AMP_OK;
}

enum amp_err amp_json_take_literal(struct amp_json *json, struct amp_slice literal)
{
    if (json->len - json->pos < literal.len || memcmp(json->text + json->pos, literal.ptr, literal.len) != 0)
        return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
    json->pos += literal.len;
    return AMP_OK;
}

enum amp_err amp_json_open(struct amp_json *json)
{
    if (json->depth == AMP_JSON_MAX_DEPTH)
        return amp_json_fail(json, AMP_ERR_JSON_TOO_DEEP);
    json->depth++;
    json->pos++; /* the bracket that amp_json_peek saw */
    return AMP_OK;
}

bool amp_json_next(struct amp_json *json, uint8_t close, bool first)
{
    if (json->err != AMP_OK)
        return false;
    amp_json_skip_space(json);
    if (amp_json_take(json, close)) {
        json->depth--;
        return false;
    }
    if (first)
        return true;
    if (!amp_json_take(json, ',')) {
        amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
        return false;
    }
    amp_json_skip_space(json);
    return true; /* a bracket behind a comma starts no element: its reader refuses it */
}
