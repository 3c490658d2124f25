/* URLs, paths into JSON, and what is taken from a problem document. */
#include "../support.h"

#include <stdio.h>

#include <string.h>

#include "client/fault.h"
#include "client/path.h"
#include "client/url.h"

static void takes_urls_apart(void **state)
{
    static const struct {
        const char *text, *host, *port, *authority;
        bool is_address;
    } good[] = {
        {"https://localhost:8443", "localhost", "8443", "localhost:8443", false},
        {"https://vault.example.com", "vault.example.com", "443", "vault.example.com", false},
        {"HTTPS://127.0.0.1:1/", "127.0.0.1", "1", "127.0.0.1:1", true},
        {"https://[::1]:8443", "::1", "8443", "[::1]:8443", true},
        {"https://[2001:db8::1]", "2001:db8::1", "443", "[2001:db8::1]", true},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct amp_client_url url;
        assert_int_equal(amp_client_url_parse(&url, good[i].text), AMP_OK);
        assert_string_equal(url.host, good[i].host);
        assert_string_equal(url.port, good[i].port);
        assert_string_equal(url.authority, good[i].authority);
        assert_int_equal(url.is_address, good[i].is_address);
    }
}

static void refuses_other_urls(void **state)
{
    static const char *const bad[] = {
        "",
        "https://",
        "http://a",
        "https:/a",
        "https://a:0",
        "https://a:65536",
        "https://a:",
        "https://a:08443",
        "https://a/b",
        "https://a?x=1",
        "https://u@a",
        "https://u:p@a",
        "https://a b",
        "https://a\r\nx: y",
        "https://[::1",
        "https://[::1]x",
        "https://[a]:1",
        "https://a_b",
        "https://::1",
        "https://a#x",
        "https://[1.2.3.4]",
        "https://a:1:2",
        "https://a:+1",
        "https://:8443",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct amp_client_url url;
        assert_int_equal(amp_client_url_parse(&url, bad[i]), AMP_ERR_INVALID);
    }
    char longest[600];
    struct amp_client_url url;
    memset(longest, 'a', sizeof longest - 1);
    memcpy(longest, "https://", 8);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(amp_client_url_parse(&url, longest), AMP_ERR_INVALID);
}

static void finds_members_by_path(void **state)
{
    static const char json[] =
        " { \"a\" : [ 1 , {\"b\":\"x]}\\\"\"} ,[],{} ] , \"c\":{\"d\":null,\"e\":-1.5e3} , \"f\" : true }";
    static const struct {
        const char *path, *value;
    } found[] = {
        {"a.0", "1"},    {"a.1.b", "\"x]}\\\"\""}, {"a.2", "[]"}, {"a.3", "{}"},
        {"c.d", "null"}, {"c.e", "-1.5e3"},        {"f", "true"}, {"c", "{\"d\":null,\"e\":-1.5e3}"},
    };
    static const char *const absent[] = {"b", "a.4", "a.-1", "a.x", "c.f", "f.g", "a.0.0", "a.2.0", "c.e.x", "a.00"};
    const struct amp_slice text = amp_slice_str(json);
    struct amp_slice value;
    assert_true(amp_client_path_valid(text));
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        assert_true(amp_client_path_find(text, found[i].path, &value));
        assert_true(amp_slice_is(value, found[i].value));
    }
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        assert_false(amp_client_path_find(text, absent[i], &value));
    assert_true(amp_client_path_find(text, "", &value));
    assert_int_equal(value.ptr[value.len - 1], '}');
}

static void only_one_whole_value_is_valid(void **state)
{
    static const char *const bad[] = {"",    " ",    "{",          "{}{}", "1,\"ttl_ms\":1", "{\"a\":1,\"a\":2}",
                                      "nul", "[1,]", "\"\\ud800\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(amp_client_path_valid(amp_slice_str(bad[i])));
}

static enum amp_client_status refuse(struct amp_client_fault *fault, int http_status, const char *body,
                                     uint32_t retry_after_s)
{
    const struct amp_client_refusal refusal = {
        .http_status = http_status,
        .retry_after_s = retry_after_s,
        .request_id = AMP_SLICE_LIT("\x1b[2Jbeef"),
        .body = amp_slice_str(body),
    };
    return amp_client_fault_refused(fault, &refusal);
}

static void takes_what_a_problem_says(void **state)
{
    struct amp_client_fault fault;
    static const char body[] = "{\"type\":\"x\",\"title\":\"t\",\"status\":410,\"code\":\"token_gone\",\"detail\":"
                               "\"It is gone.\",\"request_id\":\"00ff\",\"reason\":\"used\"}";
    assert_int_equal(refuse(&fault, 410, body, 3), AMP_CLIENT_REFUSED);
    assert_int_equal(fault.error.http_status, 410);
    assert_string_equal(fault.error.code, "token_gone");
    assert_string_equal(fault.error.message, "It is gone.");
    assert_string_equal(fault.error.reason, "used");
    assert_string_equal(fault.error.request_id, "00ff");
    assert_int_equal(fault.error.retry_after_s, 3);
}

static void takes_what_an_error_of_the_sqs_api_says(void **state)
{
    static const char *const types[] = {"com.amazonaws.sqs#QueueDoesNotExist", "QueueDoesNotExist"};
    for (size_t i = 0; i < 2; i++) {
        struct amp_client_fault fault;
        char body[256];
        snprintf(body, sizeof body, "{\"__type\":\"%s\",\"message\":\"There is none.\"}", types[i]);
        assert_int_equal(refuse(&fault, 400, body, 0), AMP_CLIENT_REFUSED);
        assert_string_equal(fault.error.code, "QueueDoesNotExist");
        assert_string_equal(fault.error.message, "There is none.");
        assert_string_equal(fault.error.request_id, "[2Jbeef"); /* the head's */
    }
}

static void a_refusal_that_explains_nothing_still_has_a_code(void **state)
{
    static const char *const bodies[] = {
        "", "<html>", "{}", "[]", "{\"code\":7}", "{\"code\":\"\"}", "{\"__type\":\"a#\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct amp_client_fault fault;
        assert_int_equal(refuse(&fault, 502, bodies[i], 0), AMP_CLIENT_REFUSED);
        assert_string_equal(fault.error.code, "http_502");
        assert_true(fault.error.message[0] != '\0');
    }
}

static void a_hostile_message_cannot_drive_the_terminal(void **state)
{
    struct amp_client_fault fault;
    char body[2048] = "{\"code\":\"x\",\"detail\":\"\xc2\x9b[2J\\u001b[2J";
    memset(body + strlen(body), 'a', 1500);
    memcpy(body + strlen(body), "\"}", 3);
    assert_int_equal(refuse(&fault, 400, body, 0), AMP_CLIENT_REFUSED);
    assert_true(strlen(fault.error.message) < sizeof fault.message);
    for (const char *c = fault.error.message; *c != '\0'; c++)
        assert_true(*c >= 0x20 && *c < 0x7f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_urls_apart),
        cmocka_unit_test(refuses_other_urls),
        cmocka_unit_test(finds_members_by_path),
        cmocka_unit_test(only_one_whole_value_is_valid),
        cmocka_unit_test(takes_what_a_problem_says),
        cmocka_unit_test(takes_what_an_error_of_the_sqs_api_says),
        cmocka_unit_test(a_refusal_that_explains_nothing_still_has_a_code),
        cmocka_unit_test(a_hostile_message_cannot_drive_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
