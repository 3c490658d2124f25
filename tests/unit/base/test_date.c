#include <string.h>
#include <time.h>

#include "../support.h"
#include "base/text.h"

static const struct {
    const char *text;
    int64_t unix_s;
} known[] = {
    {"19700101T000000Z", 0},          {"19991231T235959Z", 946684799},    {"20000229T120000Z", 951825600},
    {"20150830T123600Z", 1440938160}, {"20240229T235959Z", 1709251199},   {"20240301T000000Z", 1709251200},
    {"21000301T000000Z", 4107542400}, {"99991231T235959Z", 253402300799},
};

static void date_parses_known_moments(void **state)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        int64_t unix_s = -1;
        assert_int_equal(amp_date_parse_basic(&unix_s, amp_slice_str(known[i].text)), AMP_OK);
        assert_true(unix_s == known[i].unix_s);
    }
}

static void date_formats_known_moments(void **state)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        char out[17] = "";
        amp_date_format_basic(out, known[i].unix_s);
        assert_string_equal(out, known[i].text);
    }
}

/* Another implementation, the C library's, over every day of the range. */
static void date_agrees_with_the_c_library_on_every_day(void **state)
{
    for (int64_t unix_s = 86399; unix_s <= 253402300799; unix_s += 86400) {
        char out[17] = "", expected[64];
        time_t when = (time_t)unix_s;
        struct tm tm;
        assert_non_null(gmtime_r(&when, &tm));
        assert_int_equal(strftime(expected, sizeof(expected), "%Y%m%dT%H%M%SZ", &tm), 16);
        amp_date_format_basic(out, unix_s);
        assert_string_equal(out, expected);
        int64_t back = -1;
        assert_int_equal(amp_date_parse_basic(&back, amp_slice(out, 16)), AMP_OK);
        assert_true(back == unix_s);
    }
}

static void date_refuses_what_is_no_moment(void **state)
{
    static const char *const wrong[] = {
        "",
        "20260131T235959",
        "20260131T235959Z ",
        "20260131t235959Z",
        "20260131T235959z",
        "20260131 235959Z",
        "20261301T000000Z",
        "20260001T000000Z",
        "20260100T000000Z",
        "20260132T000000Z",
        "20260431T000000Z",
        "20260229T000000Z",
        "21000229T000000Z",
        "20260131T240000Z",
        "20260131T006000Z",
        "20260131T000060Z",
        "19691231T235959Z",
        "2026013+T000000Z",
        " 0260131T000000Z",
        "2026-131T000000Z",
        "20260131T0000 0Z",
        "00000101T000000Z",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int64_t unix_s = -1;
        assert_int_equal(amp_date_parse_basic(&unix_s, amp_slice_str(wrong[i])), AMP_ERR_INVALID);
        assert_true(unix_s == -1);
    }
}

static void time_is_written_as_rfc3339_with_milliseconds(void **state)
{
    char text[25] = "";
    struct amp_out out = amp_out(text, 24);
    amp_out_time(&out, 1709251199007);
    assert_false(out.overflow);
    assert_string_equal(text, "2024-02-29T23:59:59.007Z");
}

static void times_are_written_in_any_order(void **state)
{
    static const struct {
        int64_t unix_ms;
        const char *text;
    } times[] = {
        {1709251199007, "2024-02-29T23:59:59.007Z"},
        {1709251199999, "2024-02-29T23:59:59.999Z"},
        {1709251200000, "2024-03-01T00:00:00.000Z"},
        {1709251199008, "2024-02-29T23:59:59.008Z"},
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.999Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        uint8_t text[24];
        struct amp_out out = amp_out(text, sizeof(text));
        amp_out_time(&out, times[i].unix_ms);
        assert_false(out.overflow);
        assert_memory_equal(text, times[i].text, sizeof(text));
    }
}

static void time_that_does_not_fit_writes_nothing(void **state)
{
    char text[23] = "";
    struct amp_out out = amp_out(text, sizeof(text));
    amp_out_time(&out, 0);
    assert_true(out.overflow);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(date_parses_known_moments),
        cmocka_unit_test(date_formats_known_moments),
        cmocka_unit_test(date_agrees_with_the_c_library_on_every_day),
        cmocka_unit_test(date_refuses_what_is_no_moment),
        cmocka_unit_test(time_is_written_as_rfc3339_with_milliseconds),
        cmocka_unit_test(times_are_written_in_any_order),
        cmocka_unit_test(time_that_does_not_fit_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
