/* Commands against a server that plays a script: what is sent, what is printed, how it ends. */
#include "capture.h"

#include "../client/tls_server.h"

#define CARD   "{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":2030}"
#define TOKEN  "tok_0123456789012345678901234567890123456789012"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static char answer[4096];
static struct tls_step step;
static struct tls_server *server;

/* Serves one body with its length. */
static void serve(const char *status, const char *body)
{
    snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\ncontent-length: %zu\r\n\r\n%s", status, strlen(body), body);
    step = (struct tls_step){.answer = answer};
    server = tls_server_start(&step, 1, "127.0.0.1");
    setenv("AMPOULE_URL", tls_server_url(server), 1);
    setenv("AMPOULE_CA", tls_server_ca(server), 1);
    setenv("AWS_ACCESS_KEY_ID", "AMPKABCDEFGHIJKLMNOP", 1);
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    unsetenv("AWS_REGION");
}

static int stop(void **state)
{
    tls_server_stop(server);
    server = NULL;
    return 0;
}

static const char *sent(void)
{
    assert_int_equal(tls_server_requests(server), 1);
    return tls_server_request(server, 0);
}

#define ISSUED                                                                                                         \
    "{\"token\":\"" TOKEN "\",\"expires_at\":\"2030-01-01T00:00:00.000Z\",\"queue\":\"payments\",\"card\":{\"brand\":" \
    "\"visa\",\"bin\":\"411111\",\"last4\":\"1111\",\"exp_month\":12,\"exp_year\":2030},\"new\":1}"

static void tokenize_wraps_a_card(void **state)
{
    serve("201 Created", ISSUED);
    const struct capture *got = RUN(CARD "\n", "tokenize", "--queue", "payments", "--ttl-ms", "500", "--metadata",
                                    "order=4\"2", "--metadata", "a==");
    assert_int_equal(got->exit_code, CLI_DONE);
    assert_string_equal(got->out, "token       " TOKEN "\ncard        visa 411111...1111  12/2030\n"
                                  "queue       payments\nexpires     2030-01-01T00:00:00.000Z\n");
    assert_non_null(strstr(sent(), "\r\n\r\n{\"card\":" CARD "\n,\"queue\":\"payments\",\"ttl_ms\":500,"
                                   "\"metadata\":{\"order\":\"4\\\"2\",\"a\":\"=\"}}"));
    assert_non_null(strstr(sent(), "idempotency-key: "));
}

static void tokenize_takes_a_whole_request(void **state)
{
    serve("201 Created", ISSUED);
    const struct capture *got =
        RUN(" {\"data\":{\"number\":7} , \"queue\":\"q\"}\n ", "tokenize", "--json", "--idempotency-key", "order-42");
    assert_int_equal(got->exit_code, CLI_DONE);
    assert_string_equal(got->out, ISSUED "\n");
    assert_non_null(strstr(sent(), "\r\n\r\n {\"data\":{\"number\":7} , \"queue\":\"q\"}"));
    assert_non_null(strstr(sent(), "idempotency-key: order-42\r\n"));
}

static void tokenize_batches_lines_and_arrays(void **state)
{
    static const char results[] = "{\"results\":[{\"token\":\"" TOKEN "\"},{\"error\":{\"code\":\"card_expired\"}}]}";
    static const char *const inputs[] = {CARD "\n\n{\"data\":1}\n", " [" CARD ", {\"data\":1}]\n"};
    for (size_t i = 0; i < 2; i++) {
        serve("200 OK", results);
        const struct capture *got = RUN(inputs[i], "tokenize", "--batch", "--queue", "q");
        assert_int_equal(got->exit_code, CLI_REFUSED); /* one item was */
        assert_string_equal(got->out, TOKEN "\nrefused: card_expired\n");
        assert_non_null(strstr(sent(), "POST /v1/tokens/batch "));
        assert_non_null(
            strstr(sent(), "{\"items\":[{\"card\":" CARD ",\"queue\":\"q\"},{\"data\":1,\"queue\":\"q\"}]}"));
        stop(NULL);
    }
}

static void tokenize_refuses_other_input(void **state)
{
    static const char *const bad[] = {
        "", "\n", "4111111111111111", "[]", "{}", "{\"number\":\"4\"", CARD CARD, "{\"pan\":\"4111111111111111\"}"};
    serve("201 Created", ISSUED);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct capture *got = RUN(bad[i], "tokenize");
        assert_int_equal(got->exit_code, CLI_USAGE);
        assert_null(strstr(got->err, "4111"));
        assert_int_equal(RUN(bad[i], "tokenize", "--batch")->exit_code, CLI_USAGE);
    }
    assert_int_equal(RUN(CARD, "tokenize", "--metadata", "novalue")->exit_code, CLI_USAGE);
    assert_int_equal(tls_server_requests(server), 0);
}

static void redeem_prints_the_card(void **state)
{
    serve("200 OK", "{\"card\":" CARD ",\"metadata\":{}}");
    const struct capture *got = RUN(TOKEN "\n", "redeem");
    assert_int_equal(got->exit_code, CLI_DONE);
    assert_string_equal(got->out, CARD "\n");
    assert_non_null(strstr(sent(), "\r\n\r\n{\"token\":\"" TOKEN "\"}"));
}

static void claim_prints_the_claim_and_the_content(void **state)
{
    serve("200 OK", "{\"claim\":\"clm_x\",\"lease_expires_at\":\"2030-01-01T00:00:00.000Z\",\"data\":[1]}");
    const struct capture *got = RUN("", "claim", TOKEN, "--lease-ms", "2000");
    assert_int_equal(got->exit_code, CLI_DONE);
    assert_string_equal(got->out, "claim       clm_x\nlease until 2030-01-01T00:00:00.000Z\ndata        [1]\n");
    assert_non_null(strstr(sent(), "\"lease_ms\":2000}"));
}

static void quiet_commands_say_nothing(void **state)
{
    static const char *const names[] = {"commit", "abort", "revoke"};
    for (size_t i = 0; i < 3; i++) {
        serve("204 No Content", "");
        snprintf(answer, sizeof answer, "HTTP/1.1 204 No Content\r\n\r\n");
        const struct capture *got = RUN("", names[i], "clm_x");
        assert_int_equal(got->exit_code, CLI_DONE);
        assert_string_equal(got->out, "");
        assert_string_equal(RUN("", names[i], "clm_x", "--json")->out, "{}\n");
        stop(NULL);
    }
}

static void a_refusal_ends_with_one(void **state)
{
    serve("410 Gone",
          "{\"code\":\"token_gone\",\"detail\":\"It is gone.\",\"reason\":\"used\",\"request_id\":\"00ff\"}");
    const struct capture *got = RUN("", "redeem", TOKEN, "--json");
    assert_int_equal(got->exit_code, CLI_REFUSED);
    assert_string_equal(got->out,
                        "{\"error\":{\"code\":\"token_gone\",\"message\":\"It is gone.\",\"status\":410,\"reason\":"
                        "\"used\",\"request_id\":\"00ff\"}}\n");
    assert_string_equal(got->err, "ampoule redeem: refused: token_gone (used): It is gone. [request 00ff]\n");
}

static void nobody_there_ends_with_three(void **state)
{
    serve("200 OK", "{}");
    stop(NULL);
    setenv("AMPOULE_CA", "", 1); /* its file went with the server */
    const struct capture *got = RUN("", "inspect", TOKEN);
    assert_int_equal(got->exit_code, CLI_UNREACHABLE);
    assert_non_null(strstr(got->err, "connection refused; is ampouled running?"));
    got = RUN("", "bench", "--requests", "1");
    assert_int_equal(got->exit_code, CLI_UNREACHABLE);
}

static void an_untrusted_certificate_ends_with_three(void **state)
{
    serve("200 OK", "{}");
    setenv("AMPOULE_CA", "", 1);
    assert_int_equal(RUN("", "inspect", TOKEN)->exit_code, CLI_UNREACHABLE);
    assert_int_equal(RUN("", "bench", "--requests", "1", "--connections", "1")->exit_code, CLI_UNREACHABLE);
    assert_int_equal(tls_server_requests(server), 0);
}

static void the_secret_may_come_from_a_file(void **state)
{
    char path[] = "/tmp/ampoule-test-secret-XXXXXX";
    serve("200 OK", "{\"state\":\"active\"}");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    const int fd = mkstemp(path);
    assert_int_equal(write(fd, SECRET "\n", sizeof SECRET), sizeof SECRET);
    close(fd);
    const struct capture *got = RUN("", "inspect", TOKEN, "--secret-file", path);
    unlink(path);
    assert_int_equal(got->exit_code, CLI_DONE);
    assert_string_equal(got->out, "state       active\n");
}

static void bench_counts_answers_and_refusals(void **state)
{
    serve("201 Created", ISSUED);
    const struct capture *got = RUN("", "bench", "--requests", "20", "--connections", "1", "--json");
    assert_int_equal(got->exit_code, CLI_DONE);
    assert_non_null(strstr(got->out, "\"requests\":20,\"failed\":0,\"errors\":{},\"tokens\":20,"));
    stop(NULL);
    serve("429 Too Many Requests", "{\"code\":\"rate_limited\"}");
    got = RUN("", "bench", "--requests", "20", "--connections", "1", "--json");
    assert_int_equal(got->exit_code, CLI_REFUSED);
    assert_non_null(strstr(got->out, "\"requests\":0,\"failed\":20,\"errors\":{\"429 rate_limited\":20}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(tokenize_wraps_a_card, stop),
        cmocka_unit_test_teardown(tokenize_takes_a_whole_request, stop),
        cmocka_unit_test_teardown(tokenize_batches_lines_and_arrays, stop),
        cmocka_unit_test_teardown(tokenize_refuses_other_input, stop),
        cmocka_unit_test_teardown(redeem_prints_the_card, stop),
        cmocka_unit_test_teardown(claim_prints_the_claim_and_the_content, stop),
        cmocka_unit_test_teardown(quiet_commands_say_nothing, stop),
        cmocka_unit_test_teardown(a_refusal_ends_with_one, stop),
        cmocka_unit_test_teardown(nobody_there_ends_with_three, stop),
        cmocka_unit_test_teardown(an_untrusted_certificate_ends_with_three, stop),
        cmocka_unit_test_teardown(the_secret_may_come_from_a_file, stop),
        cmocka_unit_test_teardown(bench_counts_answers_and_refusals, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
