#include "wire_support.h"

#define HOST "Host: example.com\r\n"
#define REST HOST "\r\n"

/* A row's text may hold NUL bytes, so it carries its length. */
struct row {
    const char *what;
    const char *text;
    size_t len;
    enum amp_err err;
};
#define ROW(what, text, err)                                                                                           \
    {                                                                                                                  \
        what, text, sizeof(text) - 1, AMP_##err                                                                        \
    }

static const struct row rows[] = {
    ROW("least request", "GET / HTTP/1.1\r\n" REST, OK),
    ROW("no white space behind the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", OK),
    ROW("tabs and spaces around a value", "GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", OK),
    ROW("empty value", "GET / HTTP/1.1\r\n" HOST "X:\r\n\r\n", OK),
    ROW("obs-text in a value", "GET / HTTP/1.1\r\n" HOST "X: \xc3\xa9\xff\r\n\r\n", OK),
    ROW("unknown method", "BREW /pot HTTP/1.1\r\n" REST, OK),
    ROW("host with port", "GET / HTTP/1.1\r\nHost: a:8443\r\n\r\n", OK),
    ROW("host as IPv6 address", "GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", OK),
    ROW("chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", OK),
    ROW("length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\n", OK),

    /* the request line */
    ROW("empty line first", "\r\nGET / HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("bare LF first", "\nGET / HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("HTTP/0.9", "GET /\r\n", ERR_MALFORMED_REQUEST),
    ROW("HTTP/0.9 with an empty line", "GET /\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("HTTP/1.0", "GET / HTTP/1.0\r\n" REST, ERR_VERSION_NOT_SUPPORTED),
    ROW("HTTP/1.2", "GET / HTTP/1.2\r\n" REST, ERR_VERSION_NOT_SUPPORTED),
    ROW("HTTP/2.0", "GET / HTTP/2.0\r\n" REST, ERR_VERSION_NOT_SUPPORTED),
    ROW("version with more digits", "GET / HTTP/1.10\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("version in lower case", "GET / http/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("no version", "GET / \r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("something behind the version", "GET / HTTP/1.1 \r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("two spaces", "GET  / HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("tab for space", "GET\t/ HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("space in the target", "GET /a b HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("no method", " / HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("method that is no token", "GE(T / HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("method of 33 letters", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("absolute-form", "GET http://example.com/ HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("absolute-form with another host", "GET http://evil.com/ HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("authority-form", "CONNECT example.com:443 HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("asterisk-form", "OPTIONS * HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("fragment", "GET /#a HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("backslash in the target", "GET /a\\b HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("raw UTF-8 in the target", "GET /\xc3\xa9 HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("NUL in the target", "GET /\0 HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("percent without digits", "GET /% HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("percent with one digit", "GET /%4 HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("percent with no hex digit", "GET /%4g HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("bare CR in the request line", "GET /\r HTTP/1.1\r\n" REST, ERR_MALFORMED_REQUEST),
    ROW("bare LF behind the request line", "GET / HTTP/1.1\n" REST, ERR_MALFORMED_REQUEST),

    /* fields */
    ROW("bare LF behind a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", ERR_MALFORMED_REQUEST),
    ROW("bare CR in a value", "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("bare CR at a value's end", "GET / HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("NUL in a value", "GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("control in a value", "GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("DEL in a value", "GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("DEL in a long value",
        "GET / HTTP/1.1\r\n" HOST "X: 0123\x7f"
        "56789abcdef\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("NUL in a long value",
        "GET / HTTP/1.1\r\n" HOST "X: 0123\0"
        "56789abcdef\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("tab and obs-text in a long value",
        "GET / HTTP/1.1\r\n" HOST "X: 0123\t56789\xff"
        "bcdef\r\n\r\n",
        OK),
    ROW("tab and control in a long value",
        "GET / HTTP/1.1\r\n" HOST "X: 0123\t56789\x1f"
        "bcdef\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("NUL in a name", "GET / HTTP/1.1\r\n" HOST "X\0: a\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("obs-fold", "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("obs-fold by a tab", "GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("white space before the first field", "GET / HTTP/1.1\r\n " REST, ERR_MALFORMED_REQUEST),
    ROW("space before the colon", "GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("tab before the colon", "GET / HTTP/1.1\r\n" HOST "X\t: a\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("empty name", "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("no colon", "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("name that is no token", "GET / HTTP/1.1\r\n" HOST "X(: a\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("name beyond ASCII", "GET / HTTP/1.1\r\n" HOST "\xc3\xa9: a\r\n\r\n", ERR_MALFORMED_REQUEST),

    /* Host */
    ROW("no Host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("no field at all", "GET / HTTP/1.1\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("two Hosts alike", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", ERR_MALFORMED_REQUEST),
    ROW("two Hosts in other letters", "GET / HTTP/1.1\r\n" HOST "hOST: b\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("empty Host, then another", "GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("host with an empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("host with letters for a port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("bracket left open", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("empty brackets", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", ERR_MALFORMED_REQUEST),

    /* framing: what request smuggling is made of */
    ROW("CL.TE", "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("TE.CL", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("TE with a length of 0", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("TE twice", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("TE in capitals", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: CHUNKED\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("TE xchunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("TE list", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("TE chunked, identity", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("TE identity", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("TE quoted", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("TE with a parameter", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked;q=1\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("TE empty", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("TE with a vertical tab", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \vchunked\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("TE with space before the colon", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("TE folded", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("TE behind a bare LF", "POST / HTTP/1.1\r\n" HOST "X: a\nTransfer-Encoding: chunked\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("lengths alike", "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 4\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("lengths that differ", "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 5\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("list of lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 4, 4\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("empty length", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("length with plus", "POST / HTTP/1.1\r\n" HOST "Content-Length: +4\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("length with minus", "POST / HTTP/1.1\r\n" HOST "Content-Length: -4\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("length in hex", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x4\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("length with leading zero", "POST / HTTP/1.1\r\n" HOST "Content-Length: 04\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("length with a fraction", "POST / HTTP/1.1\r\n" HOST "Content-Length: 4.0\r\n\r\n", ERR_MALFORMED_REQUEST),
    ROW("length of 2^63", "POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n",
        ERR_MALFORMED_REQUEST),
    ROW("length of 2^64 + 4", "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551620\r\n\r\n",
        ERR_MALFORMED_REQUEST),

    ROW("expectation", "POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\n\r\n", OK),
    ROW("unknown expectation", "POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n\r\n", ERR_EXPECTATION_FAILED),
    ROW("expectation twice", "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n",
        ERR_EXPECTATION_FAILED),
};

static void every_row_is_judged_as_the_table_says(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct amp_http1_head head;
        size_t head_len = 0;
        uint8_t *bytes = exact_copy(rows[i].text, rows[i].len);
        assert_err(parse_whole(&head, bytes, rows[i].len, &head_len), rows[i].err, rows[i].what);
        if (rows[i].err == AMP_OK)
            assert_int_equal(head_len, rows[i].len);
        free(bytes);
    }
}

static void a_byte_at_a_time_gives_the_same_verdict(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct amp_http1_head head;
        size_t head_len = 0;
        size_t scanned = 0;
        enum amp_err err = AMP_ERR_TRUNCATED;
        for (size_t len = 0; len <= rows[i].len && err == AMP_ERR_TRUNCATED; len++) {
            uint8_t *bytes = exact_copy(rows[i].text, len);
            err = amp_http1_parse_head(&head, bytes, len, &head_len, &scanned);
            free(bytes);
        }
        assert_err(err, rows[i].err, rows[i].what);
    }
}

static void every_prefix_of_a_good_head_is_truncated(void **state)
{
    static const char text[] =
        "POST /v1/tokens?a=b HTTP/1.1\r\nHost: example.com:8443\r\nContent-Length: 2\r\nX: y\r\n\r\n{}";
    struct amp_http1_head head;
    size_t head_len;
    size_t whole = sizeof(text) - 1 - 2;
    for (size_t len = 0; len < whole; len++) {
        uint8_t *bytes = exact_copy(text, len);
        assert_int_equal(parse_whole(&head, bytes, len, &head_len), AMP_ERR_TRUNCATED);
        free(bytes);
    }
    assert_int_equal(parse_whole(&head, text, sizeof(text) - 1, &head_len), AMP_OK);
    assert_int_equal(head_len, whole);
}

static void the_parts_of_a_head_are_found(void **state)
{
    static const char text[] = "POST /a/b?c=d?e HTTP/1.1\r\nHost: h:1\r\nContent-LENGTH: 17\r\nX-Y:  z w \r\n\r\n";
    struct amp_http1_head head;
    size_t head_len;
    assert_int_equal(parse_whole(&head, text, sizeof(text) - 1, &head_len), AMP_OK);
    assert_int_equal(head.method, AMP_METHOD_POST);
    assert_slice(head.method_text, "POST");
    assert_slice(head.target, "/a/b?c=d?e");
    assert_slice(head.path, "/a/b");
    assert_slice(head.query, "c=d?e");
    assert_slice(head.host, "h:1");
    assert_int_equal(head.field_count, 3);
    assert_slice(head.fields[2].name, "X-Y");
    assert_slice(head.fields[2].value, "z w");
    assert_true(head.has_length && head.content_length == 17);
    assert_true(!head.chunked && head.keep_alive && !head.expect_continue);
}

static void nothing_of_an_earlier_request_is_left_in_the_head(void **state)
{
    static const char first[] =
        "POST /a?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
        "Connection: close\r\n\r\n";
    static const char second[] = "GET / HTTP/1.1\r\nHost: i\r\n\r\n";
    struct amp_http1_head head;
    size_t head_len;
    assert_int_equal(parse_whole(&head, first, sizeof(first) - 1, &head_len), AMP_OK);
    assert_true(head.chunked && head.expect_continue && !head.keep_alive);
    assert_int_equal(parse_whole(&head, second, sizeof(second) - 1, &head_len), AMP_OK);
    assert_true(!head.chunked && !head.expect_continue && head.keep_alive && !head.has_length);
    assert_int_equal(head.content_length, 0);
    assert_int_equal(head.field_count, 1);
    assert_int_equal(head.query.len, 0);
}

static void connection_options_are_a_list(void **state)
{
    static const struct {
        const char *fields;
        bool keep_alive;
    } cases[] = {
        {"Connection: keep-alive\r\n", true},
        {"Connection: close\r\n", false},
        {"Connection: CLOSE\r\n", false},
        {"Connection: x, close ,y\r\n", false},
        {"Connection: x\r\nConnection: close\r\n", false},
        {"Connection: closed\r\n", true},
        {"Connection: ,\r\n", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct amp_http1_head head;
        size_t head_len;
        char text[128];
        int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", cases[i].fields);
        assert_int_equal(parse_whole(&head, text, (size_t)len, &head_len), AMP_OK);
        assert_int_equal(head.keep_alive, cases[i].keep_alive);
    }
}

static void methods_are_named_in_capitals_only(void **state)
{
    static const struct {
        const char *line;
        enum amp_method method;
    } cases[] = {
        {"GET", AMP_METHOD_GET},     {"HEAD", AMP_METHOD_HEAD},     {"POST", AMP_METHOD_POST},
        {"PUT", AMP_METHOD_PUT},     {"DELETE", AMP_METHOD_DELETE}, {"OPTIONS", AMP_METHOD_OPTIONS},
        {"PATCH", AMP_METHOD_PATCH}, {"post", AMP_METHOD_OTHER},    {"POSTS", AMP_METHOD_OTHER},
        {"OTHER", AMP_METHOD_OTHER}, {"GETS", AMP_METHOD_OTHER},    {"G", AMP_METHOD_OTHER},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct amp_http1_head head;
        size_t head_len;
        char text[128];
        int len = snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: h\r\n\r\n", cases[i].line);
        assert_int_equal(parse_whole(&head, text, (size_t)len, &head_len), AMP_OK);
        assert_int_equal(head.method, cases[i].method);
        assert_slice(head.method_text, cases[i].line);
    }
    assert_string_equal(amp_method_name(AMP_METHOD_DELETE), "DELETE");
}

/* A request with `fields` fields besides Host, a target of `target` bytes, and a head of `total` bytes where it is not
 * 0, in a block of its own. */
static uint8_t *make_request(size_t target, size_t fields, size_t total, size_t *len)
{
    size_t cap = target + 16 * fields + total + 256;
    uint8_t *bytes = malloc(cap);
    assert_non_null(bytes);
    struct amp_out out = amp_out(bytes, cap);
    amp_out_str(&out, "GET /");
    for (size_t i = 1; i < target; i++)
        amp_out_byte(&out, 'a');
    amp_out_str(&out, " HTTP/1.1\r\nHost: h\r\n");
    for (size_t i = 0; i < fields; i++)
        amp_out_str(&out, "X: y\r\n");
    if (total != 0) {
        amp_out_str(&out, "P: ");
        while (out.len < total - 4)
            amp_out_byte(&out, 'p');
        amp_out_str(&out, "\r\n");
    }
    amp_out_str(&out, "\r\n");
    assert_false(out.overflow);
    *len = out.len;
    return bytes;
}

static enum amp_err judge_request(size_t target, size_t fields, size_t total)
{
    struct amp_http1_head head;
    size_t head_len, len;
    uint8_t *bytes = make_request(target, fields, total, &len);
    enum amp_err err = parse_whole(&head, bytes, len, &head_len);
    free(bytes);
    return err;
}

static void each_limit_holds_to_the_byte(void **state)
{
    assert_int_equal(judge_request(AMP_HTTP1_MAX_TARGET, 0, 0), AMP_OK);
    assert_int_equal(judge_request(AMP_HTTP1_MAX_TARGET + 1, 0, 0), AMP_ERR_URI_TOO_LONG);
    assert_int_equal(judge_request(100 * 1024, 0, 0), AMP_ERR_URI_TOO_LONG);
    assert_int_equal(judge_request(1, AMP_HTTP1_MAX_FIELDS - 1, 0), AMP_OK);
    assert_int_equal(judge_request(1, AMP_HTTP1_MAX_FIELDS, 0), AMP_ERR_HEADERS_TOO_LARGE);
    assert_int_equal(judge_request(1, 0, AMP_HTTP1_MAX_HEAD), AMP_OK);
    assert_int_equal(judge_request(1, 0, AMP_HTTP1_MAX_HEAD + 1), AMP_ERR_HEADERS_TOO_LARGE);
}

static void a_head_without_end_is_refused_at_the_limit(void **state)
{
    uint8_t *bytes = malloc(AMP_HTTP1_MAX_HEAD);
    assert_non_null(bytes);
    struct amp_out out = amp_out(bytes, AMP_HTTP1_MAX_HEAD);
    amp_out_str(&out, "GET / HTTP/1.1\r\nX: ");
    memset(bytes + out.len, 'x', AMP_HTTP1_MAX_HEAD - out.len);
    struct amp_http1_head head;
    size_t head_len;
    assert_int_equal(parse_whole(&head, bytes, AMP_HTTP1_MAX_HEAD - 1, &head_len), AMP_ERR_TRUNCATED);
    assert_int_equal(parse_whole(&head, bytes, AMP_HTTP1_MAX_HEAD, &head_len), AMP_ERR_HEADERS_TOO_LARGE);
    free(bytes);
}

static void a_request_line_without_end_is_refused_early(void **state)
{
    uint8_t bytes[4096];
    struct amp_http1_head head;
    size_t head_len;
    memset(bytes, 'a', sizeof(bytes));
    assert_int_equal(parse_whole(&head, bytes, 2048, &head_len), AMP_ERR_TRUNCATED);
    assert_int_equal(parse_whole(&head, bytes, sizeof(bytes), &head_len), AMP_ERR_URI_TOO_LONG);
}

static void a_wrong_request_line_is_refused_before_its_fields_come(void **state)
{
    static const char text[] = "GET / HTTP/1.0\r\nHos";
    struct amp_http1_head head;
    size_t head_len;
    assert_int_equal(parse_whole(&head, text, sizeof(text) - 1, &head_len), AMP_ERR_VERSION_NOT_SUPPORTED);
}

static void a_field_that_may_stand_once_is_refused_twice(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\na: 3\r\n\r\n";
    struct amp_http1_head head;
    struct amp_slice value;
    size_t head_len;
    assert_int_equal(parse_whole(&head, text, sizeof(text) - 1, &head_len), AMP_OK);
    assert_int_equal(amp_http1_single(&head, "b", &value), AMP_OK);
    assert_slice(value, "2");
    assert_int_equal(amp_http1_single(&head, "c", &value), AMP_OK);
    assert_null(value.ptr);
    assert_int_equal(amp_http1_single(&head, "A", &value), AMP_ERR_MALFORMED_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_judged_as_the_table_says),
        cmocka_unit_test(a_byte_at_a_time_gives_the_same_verdict),
        cmocka_unit_test(every_prefix_of_a_good_head_is_truncated),
        cmocka_unit_test(the_parts_of_a_head_are_found),
        cmocka_unit_test(nothing_of_an_earlier_request_is_left_in_the_head),
        cmocka_unit_test(connection_options_are_a_list),
        cmocka_unit_test(methods_are_named_in_capitals_only),
        cmocka_unit_test(each_limit_holds_to_the_byte),
        cmocka_unit_test(a_head_without_end_is_refused_at_the_limit),
        cmocka_unit_test(a_request_line_without_end_is_refused_early),
        cmocka_unit_test(a_wrong_request_line_is_refused_before_its_fields_come),
        cmocka_unit_test(a_field_that_may_stand_once_is_refused_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
