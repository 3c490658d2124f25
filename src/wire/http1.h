/*
 * HTTP/1.1 requests (RFC 9112), one reading of each: what two parsers could read differently is refused.
 * Sans-I/O: bytes in, values out; every slice borrows from the bytes given and lives as long as they do.
 */
#ifndef AMP_WIRE_HTTP1_H
#define AMP_WIRE_HTTP1_H

#include "base/err.h"
#include "base/slice.h"

#define AMP_HTTP1_MAX_FIELDS 64
#define AMP_HTTP1_MAX_HEAD   (16 * 1024)
#define AMP_HTTP1_MAX_TARGET 2048

enum amp_method {
    AMP_METHOD_GET,
    AMP_METHOD_HEAD,
    AMP_METHOD_POST,
    AMP_METHOD_PUT,
    AMP_METHOD_DELETE,
    AMP_METHOD_OPTIONS,
    AMP_METHOD_PATCH,
    AMP_METHOD_OTHER, /* a well-formed token that names none of these */
    AMP_METHOD_COUNT_
};
const char *amp_method_name(enum amp_method method);

struct amp_http1_field {
    struct amp_slice name;  /* as sent; compare with amp_slice_equal_nocase */
    struct amp_slice value; /* optional white space around it removed */
};

struct amp_http1_head {
    enum amp_method method;
    struct amp_slice method_text;
    struct amp_slice target; /* origin-form, as sent */
    struct amp_slice path;   /* target up to '?' */
    struct amp_slice query;  /* behind the first '?', empty where there is none */
    struct amp_slice host;   /* the one Host field's value */
    struct amp_http1_field fields[AMP_HTTP1_MAX_FIELDS];
    size_t field_count;
    uint64_t content_length; /* 0 where absent */
    bool has_length;
    bool chunked;
    bool keep_alive;
    bool expect_continue;
};

/*
 * Parses one head from the first of `len` bytes. Empty lines before the request line are refused.
 * AMP_OK            *head_len counts its bytes, the blank line included
 * AMP_ERR_TRUNCATED it is not complete and not yet wrong: call again with more bytes. *scanned (0 at first) remembers
 *                   how far the end was looked for, so that slow senders cost linear time
 * otherwise         the refusal to answer with; the connection must be closed behind it
 * Refused: what facts and RFC 9112 name as ambiguous: Transfer-Encoding with Content-Length, any Transfer-Encoding but
 * one exact `chunked`, repeated, empty, signed or non-decimal Content-Length, empty names, obs-fold, bare LF, bare CR,
 * NUL and other controls, space before the colon, absolute-form, missing or repeated Host, any version but HTTP/1.1.
 */
enum amp_err amp_http1_parse_head(struct amp_http1_head *head, const uint8_t *bytes, size_t len, size_t *head_len,
                                  size_t *scanned) AMP_MUST_USE;

/* The value of a field that may appear once: AMP_ERR_MALFORMED_REQUEST where twice; *value is {NULL,0} where absent. */
enum amp_err amp_http1_single(const struct amp_http1_head *head, const char *name,
                              struct amp_slice *value) AMP_MUST_USE;

/* Chunked bodies (RFC 9112 section 7.1), decoded in place. Extensions and trailers are refused. */
struct amp_http1_chunked {
    unsigned state;
    uint64_t left;   /* bytes missing of the chunk being read */
    unsigned digits; /* size digits seen */
    size_t body_len; /* bytes decoded so far */
};
/*
 * Consumes from bytes[0..len), writes decoded bytes to out (out <= bytes is allowed: decoding never overtakes reading).
 * *consumed counts the bytes read, *written the bytes decoded by this call; *done where the last chunk ended.
 * AMP_ERR_BODY_TOO_LARGE where body_len would pass max_body; AMP_ERR_MALFORMED_REQUEST for any other form.
 */
enum amp_err amp_http1_chunked_feed(struct amp_http1_chunked *state, const uint8_t *bytes, size_t len, uint8_t *out,
                                    size_t max_body, size_t *consumed, size_t *written, bool *done) AMP_MUST_USE;

/*
 * Client side: parses a response head the same strict way. Only what libampoule needs: status, Content-Length, chunked,
 * keep-alive, fields. Return values as amp_http1_parse_head; AMP_ERR_MALFORMED_REQUEST for a malformed response.
 */
struct amp_http1_response {
    int status;
    struct amp_http1_field fields[AMP_HTTP1_MAX_FIELDS];
    size_t field_count;
    uint64_t content_length;
    bool has_length;
    bool chunked;
    bool keep_alive;
};
enum amp_err amp_http1_parse_response(struct amp_http1_response *response, const uint8_t *bytes, size_t len,
                                      size_t *head_len, size_t *scanned) AMP_MUST_USE;

#endif
