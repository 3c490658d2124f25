#include "wire/chars.h"
#include "wire/http1_fields.h"

#define MAX_STATUS_LINE 1024

/* status-line = HTTP-version SP 3DIGIT SP [reason-phrase]: RFC 9112 section 4. */
static enum amp_err parse_status_line(struct amp_http1_response *response, struct amp_slice line)
{
    struct amp_slice version, status;
    if (!amp_slice_cut(&line, ' ', &version) || !amp_slice_cut(&line, ' ', &status))
        return AMP_ERR_MALFORMED_REQUEST;
    if (!amp_slice_is(version, "HTTP/1.1") || status.len != 3 || !amp_chars_all(status, AMP_CHAR_DIGIT) ||
        !amp_chars_all(line, AMP_CHAR_VALUE))
        return AMP_ERR_MALFORMED_REQUEST;
    response->status = (status.ptr[0] - '0') * 100 + (status.ptr[1] - '0') * 10 + (status.ptr[2] - '0');
    return response->status >= 100 && response->status < 600 ? AMP_OK : AMP_ERR_MALFORMED_REQUEST;
}

enum amp_err amp_http1_parse_response(struct amp_http1_response *response, const uint8_t *bytes, size_t len,
                                      size_t *head_len, size_t *scanned)
{
    struct amp_slice line, fields;
    enum amp_err err = amp_http1_find_line(&line, bytes, len, MAX_STATUS_LINE);
    if (err != AMP_OK)
        return err == AMP_ERR_TRUNCATED ? err : AMP_ERR_MALFORMED_REQUEST;
    if ((err = parse_status_line(response, line)) != AMP_OK)
        return err;
    if ((err = amp_http1_find_end(&fields, bytes, len, line, scanned)) != AMP_OK)
        return err;
    struct amp_http1_framing framing;
    err = amp_http1_parse_fields(response->fields, &response->field_count, &framing, fields);
    if (err != AMP_OK)
        return err;
    response->content_length = framing.content_length;
    response->has_length = framing.has_length;
    response->chunked = framing.chunked;
    response->keep_alive = framing.keep_alive;
    *head_len = line.len + 2 + fields.len + 2;
    return AMP_OK;
}
