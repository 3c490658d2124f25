/*
 * Strict JSON (RFC 8259) read in place: no tree, no allocation, so card data is copied nowhere and a small body cannot
 * grow into a large one. Strings are unescaped inside the caller's buffer, which must therefore be writable.
 * Refused: nesting deeper than 16, repeated member names, invalid UTF-8, lone surrogates, \u0000, control characters,
 * bytes behind the value. The first error sticks; every later call does nothing and says false.
 */
#ifndef AMP_WIRE_JSON_H
#define AMP_WIRE_JSON_H

#include "base/err.h"
#include "base/slice.h"

#define AMP_JSON_MAX_DEPTH 16

struct amp_json {
    uint8_t *text;
    size_t len;
    size_t pos;
    unsigned depth;
    bool any_text; /* while amp_json_read_text reads */
    enum amp_err err;
};

enum amp_json_type {
    AMP_JSON_OBJECT,
    AMP_JSON_ARRAY,
    AMP_JSON_STRING,
    AMP_JSON_NUMBER,
    AMP_JSON_BOOL,
    AMP_JSON_NULL,
    AMP_JSON_NONE, /* no value starts here */
};

void amp_json_init(struct amp_json *json, uint8_t *text, size_t len);
/* The type of the value that comes next, without reading it. */
enum amp_json_type amp_json_peek(struct amp_json *json);

/* Each reads one value, or fails with AMP_ERR_WRONG_TYPE or a syntax error and returns it. */
enum amp_err amp_json_read_string(struct amp_json *json, struct amp_slice *out) AMP_MUST_USE;
/* A string for who judges its characters himself: \u0000 is NUL, and a lone surrogate the three bytes that UTF-8 has no
 * character for. */
enum amp_err amp_json_read_text(struct amp_json *json, struct amp_slice *out) AMP_MUST_USE;
/* Whole numbers without fraction or exponent; AMP_ERR_WRONG_TYPE for any other number or out of range. */
enum amp_err amp_json_read_i64(struct amp_json *json, int64_t *out) AMP_MUST_USE;
enum amp_err amp_json_read_bool(struct amp_json *json, bool *out) AMP_MUST_USE;
/* Any value, validated whole (duplicates at every level included), left as written: *out is its exact text. */
enum amp_err amp_json_read_raw(struct amp_json *json, struct amp_slice *out) AMP_MUST_USE;

/* One member an object may have. `read` reads exactly one value into `into`. */
struct amp_json_member {
    const char *name;
    enum amp_err (*read)(struct amp_json *json, void *into);
    bool required;
};
/*
 * Reads an object by a table of at most 32 members: AMP_ERR_UNKNOWN_FIELD, AMP_ERR_JSON_DUPLICATE_KEY,
 * AMP_ERR_MISSING_FIELD, AMP_ERR_WRONG_TYPE, or what a `read` returned.
 */
enum amp_err amp_json_read_object(struct amp_json *json, const struct amp_json_member *members, size_t count,
                                  void *into) AMP_MUST_USE;
/* The same where others may add members (RFC 7516, 7517): what the table does not name is validated, each name once,
 * and passed over. */
enum amp_err amp_json_read_known(struct amp_json *json, const struct amp_json_member *members, size_t count,
                                 void *into) AMP_MUST_USE;
/*
 * Reads an object whose names are the reader's affair: `read` is called once per member, with its name (which lives in
 * the text) and its value to read; AMP_ERR_* from it ends the reading. AMP_ERR_JSON_DUPLICATE_KEY.
 */
enum amp_err amp_json_read_map(struct amp_json *json,
                               enum amp_err (*read)(struct amp_json *json, struct amp_slice name, void *into),
                               void *into) AMP_MUST_USE;
/* Reads an array; `read` is called once per element with its index: AMP_ERR_* from it ends the reading. */
enum amp_err amp_json_read_array(struct amp_json *json,
                                 enum amp_err (*read)(struct amp_json *json, size_t index, void *into),
                                 void *into) AMP_MUST_USE;
/* Nothing but white space may follow. Returns the sticky error, or AMP_ERR_MALFORMED_JSON. */
enum amp_err amp_json_finish(struct amp_json *json) AMP_MUST_USE;

/* Writing: appends `text` (valid UTF-8) as a JSON string with its quotes. */
void amp_json_write_string(struct amp_out *out, struct amp_slice text);

#endif
