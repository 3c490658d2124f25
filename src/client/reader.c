#include "client/reader.h"

/* RFC 9110 section 6.4.1: these never have a body. */
static bool is_bodiless(int status)
{
    return status == 204 || status == 304;
}

static enum amp_err take_head(struct amp_client_reader *reader, struct amp_http1_response *head, const uint8_t *bytes,
                              size_t len, size_t max_body)
{
    size_t head_len = 0;
    const enum amp_err err = amp_http1_parse_response(head, bytes, len, &head_len, &reader->scanned);
    if (err != AMP_OK)
        return err;
    if (head->status < 200)
        return AMP_ERR_MALFORMED_REQUEST;
    if (is_bodiless(head->status)) {
        if (head->chunked || (head->has_length && head->content_length != 0 && head->status == 204))
            return AMP_ERR_MALFORMED_REQUEST;
    } else {
        if (!head->chunked && !head->has_length)
            return AMP_ERR_MALFORMED_REQUEST;
        reader->is_chunked = head->chunked;
        reader->content_length = head->content_length;
    }
    if (reader->content_length > max_body)
        return AMP_ERR_BODY_TOO_LARGE;
    reader->status = head->status;
    reader->keep_alive = head->keep_alive;
    reader->head_len = head_len;
    reader->raw_at = head_len;
    return AMP_OK;
}

static enum amp_err advance_chunked(struct amp_client_reader *reader, uint8_t *bytes, size_t len, size_t max_body,
                                    size_t *used)
{
    size_t consumed = 0;
    size_t written = 0;
    bool done = false;
    const enum amp_err err =
        amp_http1_chunked_feed(&reader->chunked, bytes + reader->raw_at, len - reader->raw_at,
                               bytes + reader->head_len + reader->body_len, max_body, &consumed, &written, &done);
    if (err != AMP_OK)
        return err;
    reader->raw_at += consumed;
    reader->body_len += written;
    *used = reader->raw_at;
    return done ? AMP_OK : AMP_ERR_TRUNCATED;
}

enum amp_err amp_client_reader_advance(struct amp_client_reader *reader, struct amp_http1_response *head,
                                       uint8_t *bytes, size_t len, size_t max_body, size_t *used)
{
    *used = 0;
    if (reader->head_len == 0) {
        const enum amp_err err = take_head(reader, head, bytes, len, max_body);
        if (err != AMP_OK)
            return err;
    }
    if (reader->is_chunked)
        return advance_chunked(reader, bytes, len, max_body, used);
    if (len - reader->head_len < reader->content_length)
        return AMP_ERR_TRUNCATED;
    reader->body_len = (size_t)reader->content_length;
    *used = reader->head_len + reader->body_len;
    return AMP_OK;
}
