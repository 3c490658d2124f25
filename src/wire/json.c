#include "wire/json.h"

#include "base/text.h"
#include "wire/chars.h"
#include "wire/json_lex.h"
#include "wire/json_names.h"

#define MAX_MEMBERS 32

/* Written before it is read: zeroing it first (-ftrivial-auto-var-init) would cost more than the work itself. */
#define UNINITIALIZED __attribute__((uninitialized))

void amp_json_init(struct amp_json *json, uint8_t *text, size_t len)
{
    *json = (struct amp_json){.text = text, .len = len, .err = AMP_OK};
}

enum amp_json_type amp_json_peek(struct amp_json *json)
{
    if (json->err != AMP_OK)
        return AMP_JSON_NONE;
    amp_json_skip_space(json);
    uint8_t c = json->pos < json->len ? json->text[json->pos] : 0;
    if (c == '-' || (c >= '0' && c <= '9'))
        return AMP_JSON_NUMBER;
    switch (c) {
    case '{':
        return AMP_JSON_OBJECT;
    case '[':
        return AMP_JSON_ARRAY;
    case '"':
        return AMP_JSON_STRING;
    case 't':
    case 'f':
        return AMP_JSON_BOOL;
    case 'n':
        return AMP_JSON_NULL;
    default:
        return AMP_JSON_NONE;
    }
}

/* AMP_OK where a value of `type` comes next. */
static enum amp_err expect_type(struct amp_json *json, enum amp_json_type type)
{
    enum amp_json_type next = amp_json_peek(json);
    if (next == type)
        return json->err;
    return amp_json_fail(json, next == AMP_JSON_NONE ? AMP_ERR_MALFORMED_JSON : AMP_ERR_WRONG_TYPE);
}

/* Reads a string from its opening quote on. What an escape stands for is never longer than the escape. */
static enum amp_err unescape(struct amp_json *json, struct amp_slice *out)
{
    json->pos++;
    uint8_t *start = json->text + json->pos;
    uint8_t *end = start;
    for (;;) {
        struct amp_slice run;
        if (amp_json_take_run(json, &run) != AMP_OK)
            return json->err;
        if (run.ptr != end)
            memmove(end, run.ptr, run.len);
        end += run.len;
        if (amp_json_take(json, '"'))
            break;
        uint8_t utf8[AMP_JSON_MAX_CHAR];
        size_t len;
        if (json->pos == json->len)
            return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
        if (amp_json_take_escape(json, utf8, &len) != AMP_OK)
            return json->err;
        memcpy(end, utf8, len);
        end += len;
    }
    *out = amp_slice(start, (size_t)(end - start));
    return AMP_OK;
}

enum amp_err amp_json_read_string(struct amp_json *json, struct amp_slice *out)
{
    *out = amp_slice(NULL, 0);
    enum amp_err err = expect_type(json, AMP_JSON_STRING);
    return err != AMP_OK ? err : unescape(json, out);
}

enum amp_err amp_json_read_text(struct amp_json *json, struct amp_slice *out)
{
    json->any_text = true;
    enum amp_err err = amp_json_read_string(json, out);
    json->any_text = false;
    return err;
}

/* The digits of a whole number, with their sign, as a number; false where it is out of range. */
static bool to_i64(struct amp_slice text, int64_t *out)
{
    bool negative = text.ptr[0] == '-';
    uint64_t magnitude;
    struct amp_slice digits = negative ? amp_slice(text.ptr + 1, text.len - 1) : text;
    uint64_t max = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    if (amp_u64_parse(&magnitude, digits, max) != AMP_OK)
        return false;
    *out = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

enum amp_err amp_json_read_i64(struct amp_json *json, int64_t *out)
{
    struct amp_slice text;
    bool whole;
    *out = 0;
    enum amp_err err = expect_type(json, AMP_JSON_NUMBER);
    if (err == AMP_OK)
        err = amp_json_take_number(json, &text, &whole);
    if (err == AMP_OK && (!whole || !to_i64(text, out)))
        err = amp_json_fail(json, AMP_ERR_WRONG_TYPE);
    return err;
}

enum amp_err amp_json_read_bool(struct amp_json *json, bool *out)
{
    *out = false;
    enum amp_err err = expect_type(json, AMP_JSON_BOOL);
    if (err != AMP_OK)
        return err;
    *out = json->text[json->pos] == 't';
    return amp_json_take_literal(json, *out ? AMP_SLICE_LIT("true") : AMP_SLICE_LIT("false"));
}

/* Index of the member called `name`, or `count`. */
static size_t find_member(const struct amp_json_member *members, size_t count, struct amp_slice name)
{
    size_t i = 0;
    while (i < count && !amp_slice_is(name, members[i].name))
        i++;
    return i;
}

/* A member's name and its colon. */
static enum amp_err take_name(struct amp_json *json, struct amp_slice *name)
{
    if (!(json->pos < json->len && json->text[json->pos] == '"'))
        return amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
    if (unescape(json, name) != AMP_OK)
        return json->err;
    amp_json_skip_space(json);
    return amp_json_take(json, ':') ? AMP_OK : amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
}

/* A name of the table, not seen yet, and its colon. */
static enum amp_err read_name(struct amp_json *json, const struct amp_json_member *members, size_t count,
                              uint32_t *seen, size_t *index)
{
    struct amp_slice name = {NULL, 0};
    if (take_name(json, &name) != AMP_OK)
        return json->err;
    *index = find_member(members, count, name);
    if (*index == count)
        return amp_json_fail(json, AMP_ERR_UNKNOWN_FIELD);
    if ((*seen & UINT32_C(1) << *index) != 0)
        return amp_json_fail(json, AMP_ERR_JSON_DUPLICATE_KEY);
    *seen |= UINT32_C(1) << *index;
    return AMP_OK;
}

enum amp_err amp_json_read_object(struct amp_json *json, const struct amp_json_member *members, size_t count,
                                  void *into)
{
    uint32_t seen = 0;
    size_t index = count;
    if (count > MAX_MEMBERS)
        return amp_json_fail(json, AMP_ERR_INTERNAL);
    if (expect_type(json, AMP_JSON_OBJECT) != AMP_OK || amp_json_open(json) != AMP_OK)
        return json->err;
    for (bool first = true; amp_json_next(json, '}', first); first = false) {
        if (read_name(json, members, count, &seen, &index) != AMP_OK)
            return json->err;
        enum amp_err err = members[index].read(json, into);
        if (err != AMP_OK)
            return amp_json_fail(json, err);
    }
    for (size_t i = 0; json->err == AMP_OK && i < count; i++) {
        if (members[i].required && (seen & UINT32_C(1) << i) == 0)
            amp_json_fail(json, AMP_ERR_MISSING_FIELD);
    }
    return json->err;
}

/* The names an object has used: the first few as they are, which is all that most objects have; of more than that each
 * is hashed, so that many cost no more than linear time. */
#define FEW_NAMES 8
struct used_names {
    size_t count;
    struct amp_slice few[FEW_NAMES];
    struct amp_json_names many;
};

static enum amp_err hash_name(struct used_names *used, struct amp_slice name)
{
    struct amp_json_name hash;
    amp_json_name_start(&hash, 0);
    amp_json_name_add(&hash, name);
    return amp_json_names_insert(&used->many, &hash);
}

static enum amp_err use_name(struct used_names *used, struct amp_slice name)
{
    for (size_t i = 0; i < used->count && i < FEW_NAMES; i++) {
        if (amp_slice_equal(used->few[i], name))
            return AMP_ERR_JSON_DUPLICATE_KEY;
    }
    size_t index = used->count++;
    if (index < FEW_NAMES) {
        used->few[index] = name;
        return AMP_OK;
    }
    enum amp_err err = index == FEW_NAMES ? amp_json_names_init(&used->many) : AMP_OK;
    return err != AMP_OK ? err : hash_name(used, name);
}

enum amp_err amp_json_read_map(struct amp_json *json,
                               enum amp_err (*read)(struct amp_json *json, struct amp_slice name, void *into),
                               void *into)
{
    struct used_names used UNINITIALIZED;
    struct amp_slice name = {NULL, 0};
    used.count = 0;
    if (expect_type(json, AMP_JSON_OBJECT) != AMP_OK || amp_json_open(json) != AMP_OK)
        return json->err;
    for (bool first = true; amp_json_next(json, '}', first); first = false) {
        enum amp_err err = take_name(json, &name);
        if (err == AMP_OK)
            err = use_name(&used, name);
        if (err == AMP_OK)
            err = read(json, name, into);
        if (err != AMP_OK)
            amp_json_fail(json, err);
    }
    if (used.count > FEW_NAMES)
        amp_json_names_free(&used.many);
    return json->err;
}

enum amp_err amp_json_read_array(struct amp_json *json,
                                 enum amp_err (*read)(struct amp_json *json, size_t index, void *into), void *into)
{
    if (expect_type(json, AMP_JSON_ARRAY) != AMP_OK || amp_json_open(json) != AMP_OK)
        return json->err;
    for (size_t index = 0; amp_json_next(json, ']', index == 0); index++) {
        enum amp_err err = read(json, index, into);
        if (err != AMP_OK)
            return amp_json_fail(json, err);
    }
    return json->err;
}

enum amp_err amp_json_finish(struct amp_json *json)
{
    if (json->err != AMP_OK)
        return json->err;
    amp_json_skip_space(json);
    return json->pos == json->len ? AMP_OK : amp_json_fail(json, AMP_ERR_MALFORMED_JSON);
}

/* RFC 8259 section 7: what must be escaped, and nothing else. */
static void write_escaped(struct amp_out *out, uint8_t c)
{
    if (c == '"' || c == '\\') {
        amp_out_byte(out, '\\');
        amp_out_byte(out, c);
        return;
    }
    amp_out_str(out, "\\u00");
    amp_out_hex(out, &c, 1);
}

/* The first byte from `at` on that needs escaping; the end where there is none. */
static size_t find_escape(struct amp_slice text, size_t at)
{
    bool unused;
    return at == text.len ? at : at + amp_json_plain_len(amp_slice(text.ptr + at, text.len - at), &unused);
}

void amp_json_write_string(struct amp_out *out, struct amp_slice text)
{
    size_t start = 0;
    amp_out_byte(out, '"');
    for (size_t i = find_escape(text, 0); i < text.len; i = find_escape(text, i + 1)) {
        uint8_t c = text.ptr[i];
        amp_out_bytes(out, text.ptr + start, i - start);
        write_escaped(out, c);
        start = i + 1;
    }
    if (start < text.len)
        amp_out_bytes(out, text.ptr + start, text.len - start);
    amp_out_byte(out, '"');
}
