#include "net/answer.h"

#include "base/text.h"

#define HEAD_MAX           512 /* of all but what the response brings along */
#define LITERAL(out, text) amp_out_bytes(out, text, sizeof(text) - 1)

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

/* A phrase may be empty: RFC 9112 section 4. */
static const char *phrase_of(int status)
{
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    return "";
}

void amp_net_date_set(struct amp_net_date *date, int64_t unix_ms)
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t unix_s = unix_ms < 0 ? 0 : unix_ms / 1000;
    if (unix_s == date->unix_s)
        return;
    date->unix_s = unix_s;

    char basic[16]; /* "19941106T084937Z" */
    amp_date_format_basic(basic, unix_s);
    int month = (basic[4] - '0') * 10 + basic[5] - '0';
    struct amp_out out = amp_out(date->field, sizeof(date->field));
    LITERAL(&out, "Date: ");
    amp_out_bytes(&out, weekdays + unix_s / 86400 % 7 * 3, 3);
    LITERAL(&out, ", ");
    amp_out_bytes(&out, basic + 6, 2);
    LITERAL(&out, " ");
    amp_out_bytes(&out, months + (month - 1) * 3, 3);
    LITERAL(&out, " ");
    amp_out_bytes(&out, basic, 4);
    LITERAL(&out, " ");
    amp_out_bytes(&out, basic + 9, 2);
    LITERAL(&out, ":");
    amp_out_bytes(&out, basic + 11, 2);
    LITERAL(&out, ":");
    amp_out_bytes(&out, basic + 13, 2);
    LITERAL(&out, " GMT\r\n");
}

static void write_status(struct amp_out *out, int status)
{
    LITERAL(out, "HTTP/1.1 ");
    amp_out_u64(out, (uint64_t)status);
    amp_out_byte(out, ' ');
    amp_out_str(out, phrase_of(status));
    LITERAL(out, "\r\n");
}

static void write_text_field(struct amp_out *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    amp_out_str(out, name);
    LITERAL(out, ": ");
    amp_out_str(out, value);
    LITERAL(out, "\r\n");
}

/* RFC 9110 section 8.6: a 204 has no Content-Length. */
static bool has_content(int status)
{
    return status != 204;
}

static void write_content_fields(struct amp_out *out, const struct amp_net_response *response)
{
    if (!has_content(response->status))
        return;
    write_text_field(out, "Content-Type", response->content_type);
    LITERAL(out, "Content-Length: ");
    amp_out_u64(out, response->body.len);
    LITERAL(out, "\r\n");
}

static void write_request_id(struct amp_out *out, const struct amp_net_response *response)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(response->request_id >> (56 - 8 * i));
    LITERAL(out, "X-Request-Id: ");
    amp_out_hex(out, bytes, sizeof(bytes));
    if (response->amazon) {
        LITERAL(out, "\r\nx-amzn-RequestId: ");
        amp_out_hex(out, bytes, sizeof(bytes));
    }
    LITERAL(out, "\r\n");
}

static void write_rare_fields(struct amp_out *out, const struct amp_net_answer *answer)
{
    const struct amp_net_response *response = answer->response;
    write_text_field(out, "Allow", response->allow);
    write_text_field(out, "x-amzn-query-error", response->query_error);
    if (response->challenge)
        LITERAL(out, "WWW-Authenticate: AWS4-HMAC-SHA256\r\n");
    if (response->retry_after_s != 0) {
        LITERAL(out, "Retry-After: ");
        amp_out_u64(out, response->retry_after_s);
        LITERAL(out, "\r\n");
    }
    if (answer->close)
        LITERAL(out, "Connection: close\r\n");
}

static size_t length(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

size_t amp_net_answer_max(const struct amp_net_answer *answer)
{
    const struct amp_net_response *response = answer->response;
    return HEAD_MAX + length(response->content_type) + length(response->allow) + length(response->query_error) +
           response->body.len;
}

void amp_net_answer_write(struct amp_out *out, const struct amp_net_answer *answer)
{
    const struct amp_net_response *response = answer->response;
    write_status(out, response->status);
    amp_out_bytes(out, answer->date->field, AMP_NET_DATE_LEN);
    write_content_fields(out, response);
    LITERAL(out, "Cache-Control: no-store\r\n");
    write_request_id(out, response);
    write_rare_fields(out, answer);
    LITERAL(out, "\r\n");
    if (has_content(response->status) && !answer->to_head)
        amp_out_slice(out, response->body);
}
