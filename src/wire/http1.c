/*
 * Request heads. The request line is judged as soon as it is complete, so that what speaks another protocol
 * learns it at once; the fields are judged together when the empty line is there. Either way the verdict
 * depends on the bytes alone, never on how they were cut into calls.
 */
#include "wire/http1.h"

#include "wire/chars.h"
#include "wire/http1_fields.h"

#define MAX_METHOD       32
#define VERSION_LEN      8
#define MAX_REQUEST_LINE (MAX_METHOD + 1 + AMP_HTTP1_MAX_TARGET + 1 + VERSION_LEN + 2)

static const char *const method_names[AMP_METHOD_COUNT_] = {
    [AMP_METHOD_GET] = "GET",     [AMP_METHOD_HEAD] = "HEAD",     [AMP_METHOD_POST] = "POST",
    [AMP_METHOD_PUT] = "PUT",     [AMP_METHOD_DELETE] = "DELETE", [AMP_METHOD_OPTIONS] = "OPTIONS",
    [AMP_METHOD_PATCH] = "PATCH", [AMP_METHOD_OTHER] = "OTHER",
};

const char *amp_method_name(enum amp_method method)
{
    return (size_t)method < AMP_METHOD_COUNT_ ? method_names[method] : method_names[AMP_METHOD_OTHER];
}

/* Methods are case-sensitive: RFC 9110 section 9.1. */
static enum amp_method method_of(struct amp_slice text)
{
    enum amp_method method = AMP_METHOD_GET;
    while (method < AMP_METHOD_OTHER && !amp_slice_is(text, method_names[method]))
        method++;
    return method;
}

/* Each "%" begins two hex digits: RFC 3986 section 2.1. */
static bool percent_well_formed(struct amp_slice s)
{
    struct amp_slice plain;
    while (amp_slice_cut(&s, '%', &plain)) {
        if (s.len < 2 || amp_char_hex(s.ptr[0]) < 0 || amp_char_hex(s.ptr[1]) < 0)
            return false;
    }
    return true;
}

/* origin-form alone (RFC 9112 section 3.2.1): an origin server needs no other. */
static enum amp_err parse_target(struct amp_http1_head *head, struct amp_slice target)
{
    if (target.len > AMP_HTTP1_MAX_TARGET)
        return AMP_ERR_URI_TOO_LONG;
    if (target.len == 0 || target.ptr[0] != '/' || !amp_chars_all(target, AMP_CHAR_TARGET) ||
        !percent_well_formed(target))
        return AMP_ERR_MALFORMED_REQUEST;
    head->target = target;
    head->query = target;
    if (!amp_slice_cut(&head->query, '?', &head->path)) {
        head->path = target;
        head->query = amp_slice(NULL, 0);
    }
    return AMP_OK;
}

/* HTTP-name "/" DIGIT "." DIGIT: RFC 9112 section 2.3. */
static enum amp_err check_version(struct amp_slice version)
{
    if (amp_slice_is(version, "HTTP/1.1"))
        return AMP_OK;
    bool well_formed = version.len == VERSION_LEN && memcmp(version.ptr, "HTTP/", 5) == 0 &&
                       amp_char_is(version.ptr[5], AMP_CHAR_DIGIT) && version.ptr[6] == '.' &&
                       amp_char_is(version.ptr[7], AMP_CHAR_DIGIT);
    return well_formed ? AMP_ERR_VERSION_NOT_SUPPORTED : AMP_ERR_MALFORMED_REQUEST;
}

/* request-line = method SP request-target SP HTTP-version: RFC 9112 section 3. */
static enum amp_err parse_request_line(struct amp_http1_head *head, struct amp_slice line)
{
    struct amp_slice method, target;
    if (!amp_slice_cut(&line, ' ', &method) || !amp_slice_cut(&line, ' ', &target))
        return AMP_ERR_MALFORMED_REQUEST;
    if (method.len == 0 || method.len > MAX_METHOD || !amp_chars_all(method, AMP_CHAR_TOKEN))
        return AMP_ERR_MALFORMED_REQUEST;
    head->method = method_of(method);
    head->method_text = method;
    enum amp_err err = parse_target(head, target);
    return err != AMP_OK ? err : check_version(line);
}

static enum amp_err parse_fields(struct amp_http1_head *head, struct amp_slice lines)
{
    struct amp_http1_framing framing;
    enum amp_err err = amp_http1_parse_fields(head->fields, &head->field_count, &framing, lines);
    if (err != AMP_OK)
        return err;
    head->host = framing.host;
    head->content_length = framing.content_length;
    head->has_length = framing.has_length;
    head->chunked = framing.chunked;
    head->keep_alive = framing.keep_alive;
    head->expect_continue = framing.expect_continue;
    return framing.host.ptr != NULL ? AMP_OK : AMP_ERR_MALFORMED_REQUEST;
}

enum amp_err amp_http1_parse_head(struct amp_http1_head *head, const uint8_t *bytes, size_t len, size_t *head_len,
                                  size_t *scanned)
{
    struct amp_slice line, fields;
    enum amp_err err = amp_http1_find_line(&line, bytes, len, MAX_REQUEST_LINE);
    if (err != AMP_OK)
        return err;
    bool judged = *scanned != 0; /* by an earlier call, which went on to look for the end */
    if (!judged && (err = parse_request_line(head, line)) != AMP_OK)
        return err;
    if ((err = amp_http1_find_end(&fields, bytes, len, line, scanned)) != AMP_OK)
        return err;
    if (judged && (err = parse_request_line(head, line)) != AMP_OK)
        return err;
    if ((err = parse_fields(head, fields)) != AMP_OK)
        return err;
    *head_len = line.len + 2 + fields.len + 2;
    return AMP_OK;
}

enum amp_err amp_http1_single(const struct amp_http1_head *head, const char *name, struct amp_slice *value)
{
    struct amp_slice wanted = amp_slice_str(name);
    *value = amp_slice(NULL, 0);
    for (size_t i = 0; i < head->field_count; i++) {
        if (!amp_name_is(head->fields[i].name, wanted))
            continue;
        if (value->ptr != NULL)
            return AMP_ERR_MALFORMED_REQUEST;
        *value = head->fields[i].value;
    }
    return AMP_OK;
}
