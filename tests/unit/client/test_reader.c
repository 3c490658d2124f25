/* Responses out of a buffer that fills bit by bit. */
#include "../support.h"

#include <string.h>

#include "client/reader.h"

#define MAX_BODY 64

struct outcome {
    enum amp_err err;
    struct amp_client_reader reader;
    size_t used;
    char body[256];
};

/* Feeds `len` bytes of `text`, `step` at a time. */
static struct outcome feed(const char *text, size_t len, size_t step)
{
    struct outcome outcome = {.err = AMP_ERR_TRUNCATED};
    struct amp_http1_response head;
    uint8_t bytes[1024] = {0};
    assert_true(len <= sizeof bytes);
    for (size_t have = 0; have < len && outcome.err == AMP_ERR_TRUNCATED;) {
        const size_t more = len - have < step ? len - have : step;
        memcpy(bytes + have, text + have, more);
        have += more;
        outcome.err = amp_client_reader_advance(&outcome.reader, &head, bytes, have, MAX_BODY, &outcome.used);
    }
    if (outcome.err == AMP_OK)
        memcpy(outcome.body, bytes + outcome.reader.head_len, outcome.reader.body_len);
    return outcome;
}

static void reads_a_response_however_it_is_cut(void **state)
{
    static const char text[] = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello";
    for (size_t step = 1; step <= sizeof text - 1; step++) {
        const struct outcome got = feed(text, sizeof text - 1, step);
        assert_int_equal(got.err, AMP_OK);
        assert_int_equal(got.reader.status, 201);
        assert_true(got.reader.keep_alive);
        assert_int_equal(got.used, sizeof text - 1);
        assert_string_equal(got.body, "hello");
    }
}

static void reads_chunks_however_they_are_cut(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    for (size_t step = 1; step <= sizeof text - 1; step++) {
        const struct outcome got = feed(text, sizeof text - 1, step);
        assert_int_equal(got.err, AMP_OK);
        assert_int_equal(got.used, sizeof text - 1);
        assert_string_equal(got.body, "hello");
    }
}

static void stops_at_the_end_of_one_response(void **state)
{
    static const char text[] = "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n";
    const struct outcome got = feed(text, sizeof text - 1, sizeof text - 1);
    assert_int_equal(got.err, AMP_OK);
    assert_int_equal(got.used, 27);
    assert_int_equal(got.reader.body_len, 0);
}

static void every_truncation_wants_more(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t len = 1; len < strlen(texts[i]); len++)
            assert_int_equal(feed(texts[i], len, len).err, AMP_ERR_TRUNCATED);
}

static void refuses_what_cannot_be_framed(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\n\r\n",                                                    /* ends with the connection */
        "HTTP/1.1 100 Continue\r\n\r\n",                                              /* not asked for */
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",                                   /* not asked for */
        "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n",                              /* above the limit */
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",            /* far above it */
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",         /* twice */
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", /* both */
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",                  /* RFC 9110 section 8.6 */
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n"
        "0123456789012345678901234567890123456789012345678901234567890123x\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct outcome got = feed(texts[i], strlen(texts[i]), strlen(texts[i]));
        assert_int_not_equal(got.err, AMP_OK);
        assert_int_not_equal(got.err, AMP_ERR_TRUNCATED);
    }
}

static void remembers_that_the_connection_ends(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    const struct outcome got = feed(text, sizeof text - 1, sizeof text - 1);
    assert_int_equal(got.err, AMP_OK);
    assert_false(got.reader.keep_alive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_response_however_it_is_cut), cmocka_unit_test(reads_chunks_however_they_are_cut),
        cmocka_unit_test(stops_at_the_end_of_one_response),   cmocka_unit_test(every_truncation_wants_more),
        cmocka_unit_test(refuses_what_cannot_be_framed),      cmocka_unit_test(remembers_that_the_connection_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
