/* What a message may hold: its text, and its attributes (SQS Developer Guide, "Amazon SQS message metadata"). */
#include "base/text.h"
#include "wire/chars.h"
#include "wire/sqs_model.h"

#define NAME_MAX_LEN 256
#define TYPE_MAX_LEN 256

/* XML 1.0 section 2.2: no other controls than tab, LF and CR, and neither U+FFFE nor U+FFFF. UTF-8 has no surrogates.
 */
static bool is_xml(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] < 0x20 && text[i] != '\t' && text[i] != '\n' && text[i] != '\r')
            return false;
        if (text[i] == 0xef && len - i >= 3 && text[i + 1] == 0xbf && text[i + 2] >= 0xbe)
            return false;
    }
    return true;
}

bool amp_sqs_text_valid(struct amp_slice text)
{
    size_t at = 0;
    for (; text.len - at >= AMP_BLOCK_LEN; at += AMP_BLOCK_LEN) {
        const __m128i block = amp_block_at(text.ptr + at);
        if (amp_block_marks_beyond_ascii(block) != 0)
            break;
        if (amp_block_marks(amp_block_below(block, 0x20)) != 0 && !is_xml(text.ptr + at, AMP_BLOCK_LEN))
            return false;
    }
    struct amp_slice rest = at == text.len ? amp_slice(NULL, 0) : amp_slice(text.ptr + at, text.len - at);
    return amp_utf8_valid(rest) && is_xml(rest.ptr, rest.len);
}

/* Letters, digits, "_", "-" and ".". */
static bool is_plain(struct amp_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!amp_char_is(text.ptr[i], AMP_CHAR_UNRESERVED) || text.ptr[i] == '~')
            return false;
    }
    return true;
}

static bool begins_with(struct amp_slice text, struct amp_slice prefix)
{
    return text.len >= prefix.len && amp_slice_equal_nocase(amp_slice(text.ptr, prefix.len), prefix);
}

/* Periods part a name, so they neither begin nor end it nor follow each other; AWS keeps "AWS." and "Amazon.". */
static bool name_valid(struct amp_slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_LEN || !is_plain(name))
        return false;
    if (name.ptr[0] == '.' || name.ptr[name.len - 1] == '.' || memmem(name.ptr, name.len, "..", 2) != NULL)
        return false;
    return !begins_with(name, AMP_SLICE_LIT("AWS.")) && !begins_with(name, AMP_SLICE_LIT("Amazon."));
}

enum family { STRING, NUMBER, BINARY, NO_FAMILY };

/* "Number" or "Number.label". */
static bool is_of(struct amp_slice type, struct amp_slice family)
{
    return type.len >= family.len && memcmp(type.ptr, family.ptr, family.len) == 0 &&
           (type.len == family.len || (type.ptr[family.len] == '.' && type.len > family.len + 1));
}

static enum family family_of(struct amp_slice type)
{
    if (type.len > TYPE_MAX_LEN || !is_plain(type))
        return NO_FAMILY;
    if (is_of(type, AMP_SLICE_LIT("String")))
        return STRING;
    if (is_of(type, AMP_SLICE_LIT("Number")))
        return NUMBER;
    return is_of(type, AMP_SLICE_LIT("Binary")) ? BINARY : NO_FAMILY;
}

static size_t skip_digits(struct amp_slice text, size_t at)
{
    while (at < text.len && amp_char_is(text.ptr[at], AMP_CHAR_DIGIT))
        at++;
    return at;
}

static size_t skip_sign(struct amp_slice text, size_t at)
{
    return at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+') ? at + 1 : at;
}

/* A decimal number with or without sign, fraction and exponent. */
static bool is_number(struct amp_slice text)
{
    size_t start = skip_sign(text, 0);
    size_t at = skip_digits(text, start);
    size_t digits = at - start;
    if (at < text.len && text.ptr[at] == '.') {
        size_t end = skip_digits(text, at + 1);
        digits += end - (at + 1);
        at = end;
    }
    if (digits == 0)
        return false;
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        size_t exponent = skip_sign(text, at + 1);
        at = skip_digits(text, exponent);
        if (at == exponent)
            return false;
    }
    return at == text.len;
}

/* In place: decoding never overtakes reading. */
static bool decode_binary(struct amp_slice *value, uint8_t *body)
{
    uint8_t *bytes = body + (value->ptr - body);
    size_t len = value->len;
    if (amp_base64_decode(bytes, &len, *value) != AMP_OK)
        return false;
    *value = amp_slice(bytes, len);
    return true;
}

static bool value_valid(struct amp_sqs_attribute *attribute, uint8_t *body)
{
    if (attribute->value.len == 0)
        return false;
    switch (family_of(attribute->type)) {
    case STRING:
        return !attribute->binary && amp_sqs_text_valid(attribute->value);
    case NUMBER:
        return !attribute->binary && is_number(attribute->value);
    case BINARY:
        return attribute->binary && decode_binary(&attribute->value, body);
    case NO_FAMILY:
        break;
    }
    return false;
}

enum amp_err amp_sqs_attribute_finish(struct amp_sqs_attribute *attribute, uint8_t *body)
{
    return name_valid(attribute->name) && value_valid(attribute, body) ? AMP_OK : AMP_ERR_SQS_ATTRIBUTE_INVALID;
}
