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

/* Not zero where one of eight bytes is a control character, a quote or a backslash. */
static uint64_t special_in(uint64_t word)
{
    return amp_word_below(word, 0x20) | amp_word_has(word, '"') | amp_word_has(word, '\\');
}

enum amp_err amp_json_take_run(struct amp_json *json, struct amp_slice *run)
{
    size_t at = json->pos;
    uint64_t word, special = 0;
    uint64_t bits = 0;
    while (special == 0 && json->len - at >= sizeof(word)) {
        memcpy(&word, json->text + at, sizeof(word));
        special = special_in(le64toh(word));
        bits |= le64toh(word) & ((special & -special) - 1); /* of what is before the first special one */
        at += amp_word_first(special);
    }
    while (special == 0 && at < json->len && json->text[at] >= 0x20 && json->text[at] != '"' && json->text[at] != '\\')
        bits |= json->text[at++];
    *run = amp_slice(json->text + json->pos, at - json->pos);
    json->pos = at;
    if (at < json->len && json->text[at] < 0x20)
        return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
    if ((bits & AMP_EACH_BYTE(0x80)) != 0 && !amp_utf8_valid(*run))
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
