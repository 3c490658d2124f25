#include "wire_support.h"

#define NO_LIMIT SIZE_MAX

struct row {
    const char *what;
    const char *text;
    const char *body; /* NULL where it is refused */
};

static const struct row rows[] = {
    {"empty body", "0\r\n\r\n", ""},
    {"one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"},
    {"two chunks", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"},
    {"hex of either case", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
    {"leading zeros to 16 digits", "0000000000000001\r\nx\r\n0000000000000000\r\n\r\n", "x"},
    {"data that looks like a chunk", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"},
    {"17 digits", "00000000000000001\r\nx\r\n0\r\n\r\n", NULL},
    {"extension", "1;a=b\r\nx\r\n0\r\n\r\n", NULL},
    {"extension without a name", "1;\r\nx\r\n0\r\n\r\n", NULL},
    {"space behind the size", "1 \r\nx\r\n0\r\n\r\n", NULL},
    {"space before the size", " 1\r\nx\r\n0\r\n\r\n", NULL},
    {"plus", "+1\r\nx\r\n0\r\n\r\n", NULL},
    {"minus", "-1\r\nx\r\n0\r\n\r\n", NULL},
    {"0x", "0x1\r\nx\r\n0\r\n\r\n", NULL},
    {"no size of the last chunk", "\r\n\r\n", NULL},
    {"no size", "\r\nx\r\n0\r\n\r\n", NULL},
    {"bare LF behind the size", "1\nx\r\n0\r\n\r\n", NULL},
    {"bare CR behind the size", "1\rx\r\n0\r\n\r\n", NULL},
    {"bare LF behind the data", "1\r\nx\n0\r\n\r\n", NULL},
    {"data longer than its size", "1\r\nxy\r\n0\r\n\r\n", NULL},
    {"data shorter than its size", "3\r\nxy\r\n0\r\n\r\n", NULL},
    {"trailer", "0\r\nX: y\r\n\r\n", NULL},
    {"bare LF at the end", "0\r\n\n", NULL},
};

/* Feeds `step` bytes at a time, in place. */
static enum amp_err feed(const char *text, size_t step, size_t max_body, uint8_t *body, size_t *body_len, size_t *used,
                         bool *done)
{
    struct amp_http1_chunked state = {0};
    enum amp_err err = AMP_OK;
    size_t len = strlen(text);
    *body_len = 0;
    *used = 0;
    *done = false;
    while (*used < len && err == AMP_OK && !*done) {
        size_t consumed = 0, written = 0;
        size_t part = len - *used < step ? len - *used : step;
        uint8_t *bytes = exact_copy(text + *used, part);
        err = amp_http1_chunked_feed(&state, bytes, part, bytes, max_body, &consumed, &written, done);
        memcpy(body + *body_len, bytes, written);
        *body_len += written;
        *used += consumed;
        assert_true(consumed <= part && written <= consumed);
        assert_int_equal(*body_len, state.body_len);
        free(bytes);
    }
    return err;
}

static void every_row_is_judged_alike_however_it_is_cut(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t step = 1; step < 48; step++) {
            uint8_t body[64];
            size_t body_len, used;
            bool done;
            enum amp_err err = feed(rows[i].text, step, NO_LIMIT, body, &body_len, &used, &done);
            if (rows[i].body == NULL) {
                assert_err(err, AMP_ERR_MALFORMED_REQUEST, rows[i].what);
                assert_false(done);
                continue;
            }
            assert_err(err, AMP_OK, rows[i].what);
            assert_true(done);
            assert_slice(amp_slice(body, body_len), rows[i].body);
            assert_int_equal(used, strlen(rows[i].text));
        }
    }
}

static void a_prefix_is_never_done(void **state)
{
    static const char text[] = "5\r\nhello\r\n0\r\n\r\n";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char prefix[sizeof(text)] = {0};
        uint8_t body[64];
        size_t body_len, used;
        bool done;
        memcpy(prefix, text, len);
        assert_int_equal(feed(prefix, 64, NO_LIMIT, body, &body_len, &used, &done), AMP_OK);
        assert_false(done);
    }
}

static void what_follows_the_body_is_left_alone(void **state)
{
    static const char text[] = "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
    struct amp_http1_chunked chunked = {0};
    uint8_t out[64];
    size_t consumed, written;
    bool done;
    assert_int_equal(amp_http1_chunked_feed(&chunked, (const uint8_t *)text, sizeof(text) - 1, out, NO_LIMIT, &consumed,
                                            &written, &done),
                     AMP_OK);
    assert_true(done);
    assert_int_equal(consumed, strlen("1\r\nx\r\n0\r\n\r\n"));
    assert_int_equal(written, 1);
}

static void the_body_limit_holds_before_the_data_comes(void **state)
{
    uint8_t body[64];
    size_t body_len, used;
    bool done;
    assert_int_equal(feed("3\r\nabc\r\n0\r\n\r\n", 64, 3, body, &body_len, &used, &done), AMP_OK);
    assert_int_equal(feed("4\r\n", 64, 3, body, &body_len, &used, &done), AMP_ERR_BODY_TOO_LARGE);
    assert_int_equal(feed("2\r\nab\r\n2\r\n", 64, 3, body, &body_len, &used, &done), AMP_ERR_BODY_TOO_LARGE);
    assert_int_equal(feed("ffffffffffffffff\r\n", 64, 3, body, &body_len, &used, &done), AMP_ERR_BODY_TOO_LARGE);
    assert_int_equal(feed("1\r\na\r\nffffffffffffffff\r\n", 64, NO_LIMIT, body, &body_len, &used, &done),
                     AMP_ERR_BODY_TOO_LARGE);
}

static void decoding_in_place_never_overtakes_reading(void **state)
{
    char text[] = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    uint8_t *bytes = exact_copy(text, sizeof(text) - 1);
    struct amp_http1_chunked chunked = {0};
    size_t consumed, written;
    bool done;
    assert_int_equal(
        amp_http1_chunked_feed(&chunked, bytes, sizeof(text) - 1, bytes, NO_LIMIT, &consumed, &written, &done), AMP_OK);
    assert_true(done);
    assert_slice(amp_slice(bytes, written), "abcde");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_judged_alike_however_it_is_cut),
        cmocka_unit_test(a_prefix_is_never_done),
        cmocka_unit_test(what_follows_the_body_is_left_alone),
        cmocka_unit_test(the_body_limit_holds_before_the_data_comes),
        cmocka_unit_test(decoding_in_place_never_overtakes_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
