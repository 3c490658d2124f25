/* The tokens of JSON that reading in place and validating share; private to the room's JSON files. */
#ifndef AMP_WIRE_JSON_LEX_H
#define AMP_WIRE_JSON_LEX_H

#include "wire/json.h"

/* Longest UTF-8 sequence. */
#define AMP_JSON_MAX_CHAR 4

/* True, and passed over, where `c` comes next. Fails and passes over nothing otherwise; no error is set. */
bool amp_json_take(struct amp_json *json, uint8_t c);
void amp_json_skip_space(struct amp_json *json);
/* Sets the sticky error, if none is set yet, and returns it. */
enum amp_err amp_json_fail(struct amp_json *json, enum amp_err err);

/* How many bytes are in front of the first control character, quote or backslash; whether they are ASCII. */
size_t amp_json_plain_len(struct amp_slice text, bool *ascii);

/*
 * The plain bytes of a string from the reading position on: up to its quote, a backslash, or the text's end.
 * Passes over them. AMP_ERR_MALFORMED_JSON where they hold a control character or no UTF-8.
 */
enum amp_err amp_json_take_run(struct amp_json *json, struct amp_slice *run) AMP_MUST_USE;
/* Passes over the escape that begins with the backslash at the reading position; its character goes to
 * utf8[0..*len). */
enum amp_err amp_json_take_escape(struct amp_json *json, uint8_t utf8[AMP_JSON_MAX_CHAR], size_t *len) AMP_MUST_USE;

/* Passes over a number (RFC 8259 section 6); *whole where it has neither fraction nor exponent. */
enum amp_err amp_json_take_number(struct amp_json *json, struct amp_slice *text, bool *whole) AMP_MUST_USE;
/* Passes over `true`, `false` or `null`. */
enum amp_err amp_json_take_literal(struct amp_json *json, struct amp_slice literal) AMP_MUST_USE;

/*
 * Objects and arrays: `open` goes one level down, AMP_ERR_JSON_TOO_DEEP behind the last; `next` says whether
 * one more element comes, passing over the comma before it, or the closing bracket and up again. `first` is
 * true before the first.
 */
enum amp_err amp_json_open(struct amp_json *json) AMP_MUST_USE;
bool amp_json_next(struct amp_json *json, uint8_t close, bool first);

#endif
