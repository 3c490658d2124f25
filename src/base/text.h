/* Text encodings: hex, base64, base64url, strict decimal, UTF-8. Strict: one spelling decodes, every other is refused.
 */
#ifndef AMP_BASE_TEXT_H
#define AMP_BASE_TEXT_H

#include "base/err.h"
#include "base/slice.h"

/* Writes 2*len lower-case digits, no NUL. */
void amp_hex_encode(char *out, const uint8_t *bytes, size_t len);
/* Exactly 2*len lower-case digits; AMP_ERR_INVALID otherwise. */
enum amp_err amp_hex_decode(uint8_t *out, size_t len, struct amp_slice text) AMP_MUST_USE;

/* RFC 4648 section 5 without padding: ceil(len*4/3) characters, no NUL. Constant time in the bytes, which may be the
 * last `len` of the room they are encoded into: each is read before it is written over. */
#define AMP_BASE64URL_LEN(len) (((len)*4 + 2) / 3)
void amp_base64url_encode(char *out, const uint8_t *bytes, size_t len);
/* Decodes to exactly `len` bytes; unused trailing bits must be zero. Constant time in the characters, but for refusal.
 */
enum amp_err amp_base64url_decode(uint8_t *out, size_t len, struct amp_slice text) AMP_MUST_USE;
/* The same where the length is not known before: *len is capacity in; out, where it suffices, what the text's length
 * decodes to, whether or not it is well-formed. `out` may be text.ptr. */
enum amp_err amp_base64url_decode_any(uint8_t *out, size_t *len, struct amp_slice text) AMP_MUST_USE;

/* RFC 4648 section 4 with padding. */
#define AMP_BASE64_LEN(len) ((((len) + 2) / 3) * 4)
void amp_base64_encode(char *out, const uint8_t *bytes, size_t len);
/* *len as above. Constant time in the characters, but for padding and refusal. */
enum amp_err amp_base64_decode(uint8_t *out, size_t *len, struct amp_slice text) AMP_MUST_USE;

/* Decimal digits alone, no sign, no leading zero but "0" itself, at most `max`; AMP_ERR_INVALID otherwise. */
enum amp_err amp_u64_parse(uint64_t *out, struct amp_slice text, uint64_t max) AMP_MUST_USE;

/* "20260131T235959Z" (the form of x-amz-date) to seconds since 1970. Strict, proleptic Gregorian, years 1970-9999;
 * AMP_ERR_INVALID otherwise. */
enum amp_err amp_date_parse_basic(int64_t *unix_s, struct amp_slice text) AMP_MUST_USE;
/* The reverse: writes 16 characters, no NUL. A time outside of those years is written as the nearest in them. */
void amp_date_format_basic(char out[16], int64_t unix_s);

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool amp_utf8_valid(struct amp_slice text);
/* Whether UTF-8 holds a control character: U+0000 to U+001F, U+007F, or of C1, which terminals obey too, U+0080 to
 * U+009F. */
bool amp_utf8_has_controls(struct amp_slice text);

#endif
