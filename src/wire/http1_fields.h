/* What the heads of requests and responses have in common; private to the room's HTTP files. */
#ifndef AMP_WIRE_HTTP1_FIELDS_H
#define AMP_WIRE_HTTP1_FIELDS_H

#include "wire/http1.h"

/* What the fields say about the message itself. */
struct amp_http1_framing {
    struct amp_slice host; /* {NULL, 0} where absent */
    uint64_t content_length;
    bool has_length;
    bool chunked;
    bool keep_alive;
    bool expect_continue;
};

/*
 * Looks for the start line: *line is it without its CRLF. AMP_ERR_TRUNCATED where it is not complete within
 * `len` bytes, AMP_ERR_URI_TOO_LONG where not within `max`.
 */
enum amp_err amp_http1_find_line(struct amp_slice *line, const uint8_t *bytes, size_t len, size_t max) AMP_MUST_USE;

/*
 * Looks for the empty line that ends a head whose start line is `line`. *fields is what stands between the
 * two: lines that end in CRLF. *scanned as in amp_http1_parse_head.
 */
enum amp_err amp_http1_find_end(struct amp_slice *fields, const uint8_t *bytes, size_t len, struct amp_slice line,
                                size_t *scanned) AMP_MUST_USE;

/* Parses the lines of *lines into fields[AMP_HTTP1_MAX_FIELDS] and judges those that frame the message. */
enum amp_err amp_http1_parse_fields(struct amp_http1_field *fields, size_t *count, struct amp_http1_framing *framing,
                                    struct amp_slice lines) AMP_MUST_USE;

#endif
