/* Reads HTTP responses out of a buffer that fills bit by bit. Sans-I/O; holds offsets alone, never a byte. */
#ifndef AMP_CLIENT_READER_H
#define AMP_CLIENT_READER_H

#include "wire/http1.h"

/* All zero before the first byte of a response. */
struct amp_client_reader {
    size_t scanned;
    size_t head_len; /* 0 while the head is not complete */
    size_t raw_at;   /* first byte behind what was decoded: chunked bodies only */
    size_t body_len; /* decoded so far */
    uint64_t content_length;
    struct amp_http1_chunked chunked;
    bool is_chunked;
    bool keep_alive;
    int status;
};

/*
 * `bytes` holds the `len` bytes received since the response began; chunked bodies are decoded in place.
 * AMP_OK            complete: the body is reader->body_len bytes at bytes + reader->head_len, and *used bytes belong to
 *                   this response; set *reader to zero and move the rest to the front for the next one
 * AMP_ERR_TRUNCATED read more behind len and call again
 * otherwise         not a response that can be trusted: close the connection. Interim (1xx) responses were not asked
 *                   for and bodies that end with the connection cannot be told from cut ones: both are refused
 * `head` is filled once, when the head is complete; its slices point into `bytes` and die when that moves.
 */
enum amp_err amp_client_reader_advance(struct amp_client_reader *reader, struct amp_http1_response *head,
                                       uint8_t *bytes, size_t len, size_t max_body, size_t *used) AMP_MUST_USE;

#endif
