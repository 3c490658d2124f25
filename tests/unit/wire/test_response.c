#include "wire_support.h"

struct row {
    const char *what;
    const char *text;
    enum amp_err err;
};

static const struct row rows[] = {
    {"with a reason", "HTTP/1.1 200 OK\r\n\r\n", AMP_OK},
    {"reason of several words", "HTTP/1.1 404 Not Found\r\n\r\n", AMP_OK},
    {"empty reason", "HTTP/1.1 204 \r\n\r\n", AMP_OK},
    {"no reason", "HTTP/1.1 204\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
    {"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
    {"HTTP/2", "HTTP/2 200 OK\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
    {"two digits", "HTTP/1.1 20 OK\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
    {"four digits", "HTTP/1.1 2000 OK\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
    {"status 099", "HTTP/1.1 099 OK\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
    {"status 600", "HTTP/1.1 600 OK\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
    {"status with letters", "HTTP/1.1 2x0 OK\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
    {"control in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
    {"bare LF", "HTTP/1.1 200 OK\n\n", AMP_ERR_MALFORMED_REQUEST},
    {"obs-fold", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
    {"both framings", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     AMP_ERR_MALFORMED_REQUEST},
    {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", AMP_ERR_MALFORMED_REQUEST},
};

static void every_row_is_judged_alike_whole_and_in_bytes(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct amp_http1_response response;
        size_t head_len, scanned = 0;
        size_t whole = strlen(rows[i].text);
        uint8_t *bytes = exact_copy(rows[i].text, whole);
        assert_err(amp_http1_parse_response(&response, bytes, whole, &head_len, &scanned), rows[i].err, rows[i].what);
        enum amp_err err = AMP_ERR_TRUNCATED;
        scanned = 0;
        for (size_t len = 0; len <= whole && err == AMP_ERR_TRUNCATED; len++)
            err = amp_http1_parse_response(&response, bytes, len, &head_len, &scanned);
        assert_err(err, rows[i].err, rows[i].what);
        free(bytes);
    }
}

static void the_parts_of_a_response_are_found(void **state)
{
    static const char text[] = "HTTP/1.1 201 Created\r\nContent-Length: 3\r\nConnection: close\r\nX: y\r\n\r\nabc";
    struct amp_http1_response response;
    size_t head_len, scanned = 0;
    assert_int_equal(amp_http1_parse_response(&response, (const uint8_t *)text, sizeof(text) - 1, &head_len, &scanned),
                     AMP_OK);
    assert_int_equal(head_len, sizeof(text) - 1 - 3);
    assert_int_equal(response.status, 201);
    assert_int_equal(response.field_count, 3);
    assert_slice(response.fields[2].value, "y");
    assert_true(response.has_length && response.content_length == 3 && !response.chunked && !response.keep_alive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_judged_alike_whole_and_in_bytes),
        cmocka_unit_test(the_parts_of_a_response_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
