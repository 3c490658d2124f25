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

/* The same with several answers, one after the other; the last repeats. */
static void serve_all(const char *const *bodies, size_t count)
{
    static char answers[4][4096];
    static struct tls_step steps[4];
    assert_true(count <= 4);
    serve("200 OK", "");
    tls_server_stop(server);
    for (size_t i = 0; i < count; i++) {
        snprintf(answers[i], sizeof answers[i], "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s", strlen(bodies[i]),
                 bodies[i]);
        steps[i] = (struct tls_step){.answer = answers[i]};
    }
    server = tls_server_start(steps, count, "127.0.0.1");
    setenv("AMPOULE_URL", tls_server_url(server), 1);
    setenv("AMPOULE_CA", tls_server_ca(server), 1);
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

#define RECEIVED                                                                                                       \
    "{\"Messages\":[{\"MessageId\":\"1\",\"ReceiptHandle\":\"first\",\"Body\":\"a\\\"b\"},"                            \
    "{\"MessageId\":\"2\",\"ReceiptHandle\":\"second\",\"Body\":\"\"}]}"

static void send_puts_everything_into_one_message(void **state)
{
    serve("200 OK", "{\"MessageId\":\"m-1\",\"SequenceNumber\":\"7\"}");
    const struct capture *got = RUN("say \"hi\"\n", "send", "q.fifo", "--group", "g", "--dedup", "d", "--delay", "0",
                                    "--attribute", "kind=a=b");
    assert_int_equal(got->exit_code, CLI_DONE);
    assert_string_equal(got->out, "m-1\n");
    assert_non_null(strstr(sent(), "\r\nx-amz-target: AmazonSQS.SendMessage\r\n"));
    assert_non_null(strstr(sent(),
                           "/000000000000/q.fifo\",\"MessageBody\":\"say \\\"hi\\\"\",\"MessageGroupId\":\"g\","
                           "\"MessageDeduplicationId\":\"d\",\"DelaySeconds\":0,\"MessageAttributes\":{\"kind\":"
                           "{\"DataType\":\"String\",\"StringValue\":\"a=b\"}}}"));
}

static void a_whole_queue_url_is_taken_as_it_is(void **state)
{
    serve("200 OK", "{\"MessageId\":\"m-1\"}");
    assert_int_equal(RUN("x", "send", "https://other/000000000000/q")->exit_code, CLI_DONE);
    assert_non_null(strstr(sent(), "{\"QueueUrl\":\"https://other/000000000000/q\","));
}

static void receive_deletes_only_what_it_printed(void **state)
{
    static const char *const bodies[] = {RECEIVED, "{}"};
    serve_all(bodies, 2);
    const struct capture *got = RUN("", "receive", "q", "--max", "10", "--delete");
    assert_int_equal(got->exit_code, CLI_DONE);
    assert_string_equal(got->out, "a\"b\n\n");
    assert_int_equal(tls_server_requests(server), 3);
    assert_non_null(strstr(tls_server_request(server, 1), "\"ReceiptHandle\":\"first\"}"));
    assert_non_null(strstr(tls_server_request(server, 2), "\"ReceiptHandle\":\"second\"}"));
    stop(NULL);
    serve_all(bodies, 2);
    got = RUN("", "receive", "q", "--json");
    assert_string_equal(got->out, "{\"MessageId\":\"1\",\"ReceiptHandle\":\"first\",\"Body\":\"a\\\"b\"}\n"
                                  "{\"MessageId\":\"2\",\"ReceiptHandle\":\"second\",\"Body\":\"\"}\n");
    assert_int_equal(tls_server_requests(server), 1);
}

static void queue_list_follows_its_pages(void **state)
{
    static const char *const bodies[] = {
        "{\"QueueUrls\":[\"https://h/000000000000/a\",\"https://h/000000000000/b\"],\"NextToken\":\"n-1\"}",
        "{\"QueueUrls\":[\"https://h/000000000000/c\"]}",
    };
    serve_all(bodies, 2);
    assert_string_equal(RUN("", "queue", "list", "pre")->out, "a\nb\nc\n");
    assert_null(strstr(tls_server_request(server, 0), "NextToken"));
    assert_non_null(strstr(tls_server_request(server, 1), "\"QueueNamePrefix\":\"pre\",\"NextToken\":\"n-1\"}"));
    stop(NULL);
    serve_all(bodies, 2);
    assert_string_equal(RUN("", "queue", "list", "--json")->out, "{\"queues\":[\"a\",\"b\",\"c\"]}\n");
}

static void queue_create_writes_attributes_and_tags(void **state)
{
    serve("200 OK", "{\"QueueUrl\":\"https://h/000000000000/q.fifo\"}");
    const struct capture *got = RUN("", "queue", "create", "q.fifo", "DelaySeconds=5", "--dead-letter", "d.fifo",
                                    "--max-receives", "3", "--ttl-ms", "2000", "--tag", "a=b");
    assert_string_equal(got->out, "https://h/000000000000/q.fifo\n");
    assert_non_null(strstr(
        sent(),
        "{\"QueueName\":\"q.fifo\",\"Attributes\":{\"FifoQueue\":\"true\",\"RedrivePolicy\":"
        "\"{\\\"deadLetterTargetArn\\\":\\\"arn:aws:sqs:us-east-1:000000000000:d.fifo\\\",\\\"maxReceiveCount\\\":"
        "3}\",\"DelaySeconds\":\"5\"},\"tags\":{\"ampoule:ttl-ms\":\"2000\",\"a\":\"b\"}}"));
}

static void subscribe_shows_the_secret_once(void **state)
{
    serve("201 Created", "{\"id\":\"sub_a\",\"secret\":\"whsec_x\",\"queue\":\"list\"}");
    const struct capture *got = RUN("", "subscribe", "list", "https://g.example/", "--ordered");
    assert_int_equal(got->exit_code, CLI_DONE);
    assert_string_equal(got->out, "id          sub_a\nsecret      whsec_x\n\nThe secret is not shown again.\n");
    assert_non_null(strstr(sent(), "{\"queue\":\"list\",\"url\":\"https://g.example/\",\"ordered\":true}"));
    assert_non_null(strstr(sent(), "\r\nidempotency-key: "));
}

static void bench_cycles_messages_through_a_queue(void **state)
{
    /* one answer for all: of a receive; each connection creates, tags, then goes round */
    serve("200 OK", RECEIVED);
    const struct capture *got = RUN("", "bench", "--op", "queue", "--requests", "6", "--connections", "1", "--json");
    assert_int_equal(got->exit_code, CLI_DONE);
    assert_int_equal(tls_server_requests(server), 8);
    assert_non_null(strstr(tls_server_request(server, 0), "AmazonSQS.CreateQueue"));
    assert_non_null(strstr(tls_server_request(server, 1), "\"Tags\":{\"ampoule:ttl-ms\":\"10000\"}"));
    assert_non_null(strstr(tls_server_request(server, 2), "AmazonSQS.SendMessageBatch"));
    assert_non_null(strstr(tls_server_request(server, 3), "AmazonSQS.ReceiveMessage"));
    assert_non_null(strstr(tls_server_request(server, 4), "{\"Id\":\"0\",\"ReceiptHandle\":\"first\"}]}"));
    assert_non_null(strstr(tls_server_request(server, 5), "AmazonSQS.SendMessageBatch"));
    assert_non_null(strstr(got->out, "\"requests\":6,\"failed\":0,\"errors\":{},\"messages\":2,"));
    stop(NULL);
    serve("400 Bad Request", "{\"__type\":\"com.amazonaws.sqs#AccessDenied\",\"message\":\"no\"}");
    got = RUN("", "bench", "--op", "send", "--requests", "5", "--connections", "1", "--json");
    assert_int_equal(got->exit_code, CLI_UNREACHABLE);
    assert_non_null(strstr(got->err, "400 AccessDenied"));
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
        cmocka_unit_test_teardown(send_puts_everything_into_one_message, stop),
        cmocka_unit_test_teardown(a_whole_queue_url_is_taken_as_it_is, stop),
        cmocka_unit_test_teardown(receive_deletes_only_what_it_printed, stop),
        cmocka_unit_test_teardown(queue_list_follows_its_pages, stop),
        cmocka_unit_test_teardown(queue_create_writes_attributes_and_tags, stop),
        cmocka_unit_test_teardown(subscribe_shows_the_secret_once, stop),
        cmocka_unit_test_teardown(bench_cycles_messages_through_a_queue, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
