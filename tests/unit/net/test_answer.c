/* Answers as bytes: the fields every answer has, the rare ones, and those that have no body. */
#include "../support.h"

#include "net/answer.h"

static char text[4096];

static const char *written(const struct amp_net_response *response, bool to_head, bool close)
{
    struct amp_net_date date = {.unix_s = -1};
    amp_net_date_set(&date, 784111777000);
    struct amp_net_answer answer = {response, &date, to_head, close};
    size_t max = amp_net_answer_max(&answer);
    assert_true(max < sizeof(text));
    struct amp_out out = amp_out(text, max);
    amp_net_answer_write(&out, &answer);
    assert_false(out.overflow);
    text[out.len] = '\0';
    return text;
}

static void writes_all_fields_of_an_ordinary_answer(void **state)
{
    struct amp_net_response response = {.status = 201,
                                        .content_type = "application/json",
                                        .body = AMP_SLICE_LIT("{}"),
                                        .request_id = 0x0123456789abcdef};
    assert_string_equal(written(&response, false, false), "HTTP/1.1 201 Created\r\n"
                                                          "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                                          "Content-Type: application/json\r\n"
                                                          "Content-Length: 2\r\n"
                                                          "Cache-Control: no-store\r\n"
                                                          "X-Request-Id: 0123456789abcdef\r\n"
                                                          "\r\n"
                                                          "{}");
}

static void names_the_request_as_aws_does_where_asked(void **state)
{
    struct amp_net_response response = {.status = 200, .request_id = 0x0123456789abcdef};
    assert_null(strcasestr(written(&response, false, false), "x-amzn-RequestId"));
    response.amazon = true;
    assert_non_null(strstr(written(&response, false, false),
                           "\r\nX-Request-Id: 0123456789abcdef\r\nx-amzn-RequestId: 0123456789abcdef\r\n"));
}

static void writes_rare_fields_where_asked(void **state)
{
    struct amp_net_response response = {.status = 401,
                                        .allow = "GET, HEAD",
                                        .query_error = "AWS.SimpleQueueService.NonExistentQueue;Sender",
                                        .challenge = true,
                                        .retry_after_s = 7};
    const char *answer = written(&response, false, true);
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    assert_non_null(strstr(answer, "\r\nx-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n"));
    assert_non_null(strstr(answer, "\r\nWWW-Authenticate: AWS4-HMAC-SHA256\r\n"));
    assert_non_null(strstr(answer, "\r\nRetry-After: 7\r\n"));
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(answer, "\r\nContent-Length: 0\r\n"));
    assert_null(strstr(answer, "Content-Type"));
}

static void answers_head_without_the_body_but_with_its_length(void **state)
{
    struct amp_net_response response = {.status = 200, .content_type = "text/plain", .body = AMP_SLICE_LIT("12345")};
    const char *answer = written(&response, true, false);
    assert_non_null(strstr(answer, "\r\nContent-Length: 5\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}

static void gives_204_neither_length_nor_body(void **state)
{
    struct amp_net_response response = {.status = 204, .content_type = "text/plain", .body = AMP_SLICE_LIT("no")};
    const char *answer = written(&response, false, false);
    assert_null(strstr(answer, "Content-"));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}

static void knows_a_phrase_for_every_status_of_the_error_table(void **state)
{
    for (enum amp_err err = AMP_OK; err < AMP_ERR_COUNT_; err++) {
        struct amp_net_response response = {.status = amp_err_status(err)};
        const char *answer = written(&response, false, false);
        assert_true(strcspn(answer, "\r") > strlen("HTTP/1.1 500 "));
    }
}

static void fits_its_bound_with_everything_at_its_longest(void **state)
{
    struct amp_net_response response = {.status = 431,
                                        .content_type = "application/problem+json",
                                        .allow = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH",
                                        .query_error = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest;Sender",
                                        .challenge = true,
                                        .retry_after_s = UINT32_MAX,
                                        .request_id = UINT64_MAX};
    (void)written(&response, false, true);
}

static void dates_are_right_on_every_weekday_and_month(void **state)
{
    static const struct {
        int64_t unix_s;
        const char *field;
    } cases[] = {
        {0, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"},
        {951782400, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n"},
        {1767139199, "Date: Tue, 30 Dec 2025 23:59:59 GMT\r\n"},
        {1785542400, "Date: Sat, 01 Aug 2026 00:00:00 GMT\r\n"},
        {4102444800, "Date: Fri, 01 Jan 2100 00:00:00 GMT\r\n"},
    };
    struct amp_net_date date = {.unix_s = -1};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        amp_net_date_set(&date, cases[i].unix_s * 1000 + 999);
        assert_memory_equal(date.field, cases[i].field, AMP_NET_DATE_LEN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_all_fields_of_an_ordinary_answer),
        cmocka_unit_test(names_the_request_as_aws_does_where_asked),
        cmocka_unit_test(writes_rare_fields_where_asked),
        cmocka_unit_test(answers_head_without_the_body_but_with_its_length),
        cmocka_unit_test(gives_204_neither_length_nor_body),
        cmocka_unit_test(knows_a_phrase_for_every_status_of_the_error_table),
        cmocka_unit_test(fits_its_bound_with_everything_at_its_longest),
        cmocka_unit_test(dates_are_right_on_every_weekday_and_month),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
