/* The load generator's own signer against the server's verifier, its test cards, and its histogram. */
#include "../support.h"

#include <math.h>
#include <string.h>

#include "cli/bench/request.h"
#include "client/path.h"
#include "client/runtime.h"
#include "wire/card.h"
#include "wire/sigv4.h"

#define SECRET      "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TOKEN       "tok_0123456789012345678901234567890123456789012"
#define RECEIPT_LEN 5
#define RECEIPTS    "aaaaabbbbbccccc"

static const struct bench_shape one = {.items = 1};

static const struct cli_connection connection = {
    .key_id = "AMPKABCDEFGHIJKLMNOP", .secret = SECRET, .region = "test-1"};

static struct bench_plan plan_of(void)
{
    struct bench_plan plan = {
        .connection = &connection,
        .queue = "payments",
        .method = "GET",
        .path = "/v1/x?b=2&a=%20",
        .ttl_ms = 10000,
    };
    assert_int_equal(amp_client_url_parse(&plan.url, "https://127.0.0.1:8443"), AMP_OK);
    return plan;
}

/* Fails the test unless the server would accept the request; returns its body. */
static struct amp_slice verify(struct amp_slice request)
{
    static struct amp_http1_head head;
    struct amp_sigv4 auth;
    struct amp_key256 key;
    size_t head_len = 0;
    size_t scanned = 0;
    uint8_t hash[AMP_SHA256_LEN];
    assert_int_equal(amp_http1_parse_head(&head, request.ptr, request.len, &head_len, &scanned), AMP_OK);
    const struct amp_slice body = amp_slice(request.ptr + head_len, request.len - head_len);
    assert_int_equal(head.content_length, body.len);
    assert_int_equal(amp_sigv4_parse(&auth, &head), AMP_OK);
    assert_int_equal(amp_sha256(hash, &body, 1), AMP_OK);
    assert_int_equal(amp_sigv4_check_coverage(&auth, &head, hash), AMP_OK);
    assert_int_equal(amp_sigv4_day_key(&key, AMP_SLICE_LIT(SECRET), auth.date, auth.region, auth.service), AMP_OK);
    assert_int_equal(amp_sigv4_verify(&auth, &head, hash, &key), AMP_OK);
    return body;
}

static void every_request_verifies_and_differs(void **state)
{
    struct bench_plan plan = plan_of();
    struct bench_signer signer;
    assert_int_equal(bench_signer_init(&signer, &connection), AMP_OK);
    for (int act = 0; act < BENCH_ACT_COUNT_; act++) {
        struct bench_template *template = NULL;
        struct amp_slice first, second;
        uint8_t copy[65536];
        const bool deletes = act == BENCH_ACT_DELETE_BATCH;
        const struct bench_shape shape = {.items = deletes ? 3 : 7,
                                          .subject_len = deletes ? RECEIPT_LEN : BENCH_SUBJECT_LEN};
        const char *subjects = deletes ? RECEIPTS : TOKEN;
        assert_int_equal(bench_template_new(&template, &plan, (enum bench_act)act, &shape), AMP_OK);
        assert_int_equal(bench_template_make(template, &signer, 0, subjects, &first), AMP_OK);
        verify(first);
        memcpy(copy, first.ptr, first.len);
        first.ptr = copy;
        assert_int_equal(bench_template_make(template, &signer, 0, subjects, &second), AMP_OK);
        verify(second);
        assert_false(amp_slice_equal(first, second));
        bench_template_free(template);
    }
    bench_signer_fini(&signer);
}

static void cards_pass_the_servers_checks(void **state)
{
    struct bench_plan plan = plan_of();
    struct bench_signer signer;
    struct bench_template *template = NULL;
    struct amp_slice request;
    assert_int_equal(bench_signer_init(&signer, &connection), AMP_OK);
    assert_int_equal(bench_template_new(&template, &plan, BENCH_ACT_TOKENIZE, &one), AMP_OK);
    for (int i = 0; i < 1000; i++) {
        struct amp_json json;
        struct amp_card card;
        uint8_t text[512];
        assert_int_equal(bench_template_make(template, &signer, 0, NULL, &request), AMP_OK);
        const uint8_t *at = memmem(request.ptr, request.len, "{\"number\"", 9);
        const uint8_t *end = memchr(at, '}', (size_t)(request.ptr + request.len - at));
        const size_t len = (size_t)(end + 1 - at);
        memcpy(text, at, len);
        amp_json_init(&json, text, len);
        assert_int_equal(amp_card_read(&card, &json, INT64_C(1769903999000)), AMP_OK);
    }
    bench_template_free(template);
    bench_signer_fini(&signer);
}

static void a_body_has_the_size_asked_for(void **state)
{
    struct bench_plan plan = plan_of();
    struct bench_signer signer;
    assert_int_equal(bench_signer_init(&signer, &connection), AMP_OK);
    for (plan.body_size = 100; plan.body_size < 70000; plan.body_size = plan.body_size * 3 + 1) {
        struct bench_template *template = NULL;
        struct amp_slice request;
        assert_int_equal(bench_template_new(&template, &plan, BENCH_ACT_TOKENIZE, &one), AMP_OK);
        assert_int_equal(bench_template_make(template, &signer, 0, NULL, &request), AMP_OK);
        assert_int_equal(verify(request).len, plan.body_size);
        bench_template_free(template);
    }
    bench_signer_fini(&signer);
}

static bool contains(struct amp_slice bytes, const char *text)
{
    return memmem(bytes.ptr, bytes.len, text, strlen(text)) != NULL;
}

static void check_message(const struct bench_plan *plan, struct amp_slice body)
{
    const uint8_t *at = memmem(body.ptr, body.len, "\"MessageBody\":\"", 15);
    assert_non_null(at);
    const uint8_t *end = memchr(at + 15, '"', (size_t)(body.ptr + body.len - at - 15));
    assert_non_null(end);
    assert_int_equal(end - at - 15, plan->body_size);
}

static void messages_of_a_fifo_queue_have_a_group_and_where_wanted_an_id(void **state)
{
    struct bench_plan plan = plan_of();
    struct bench_signer signer;
    const struct bench_shape three = {.items = 3};
    plan.op = BENCH_OP_SEND;
    plan.queue = "in-order.fifo";
    plan.body_size = 40;
    assert_int_equal(bench_signer_init(&signer, &connection), AMP_OK);
    for (int ids = 0; ids < 2; ids++) {
        struct bench_template *template = NULL;
        struct amp_slice request;
        plan.deduplication_ids = ids != 0;
        plan.groups = ids != 0 ? 1 : 7;
        assert_int_equal(bench_template_new(&template, &plan, BENCH_ACT_SEND_BATCH, &three), AMP_OK);
        assert_int_equal(bench_template_make(template, &signer, 0, NULL, &request), AMP_OK);
        struct amp_slice body = verify(request);
        check_message(&plan, body);
        assert_true(contains(body, "\"MessageGroupId\":\"group-0000"));
        assert_int_equal(contains(body, "\"MessageGroupId\":\"group-00000\",\"MessageDeduplicationId\":\"bench-of"),
                         ids);
        bench_template_free(template);
        assert_int_equal(bench_template_new(&template, &plan, BENCH_ACT_CREATE_QUEUE, &one), AMP_OK);
        assert_int_equal(bench_template_make(template, &signer, 0, NULL, &request), AMP_OK);
        assert_true(contains(verify(request), "\"FifoQueue\":\"true\""));
        bench_template_free(template);
    }
    bench_signer_fini(&signer);
}

static void actions_of_queues_are_what_the_api_expects(void **state)
{
    struct bench_plan plan = plan_of();
    struct bench_signer signer;
    struct bench_template *template = NULL;
    struct amp_slice request;
    const struct bench_shape shape = {.items = 3, .subject_len = RECEIPT_LEN};
    plan.body_size = 200;
    assert_int_equal(bench_signer_init(&signer, &connection), AMP_OK);
    for (int act = BENCH_ACT_CREATE_QUEUE; act < BENCH_ACT_COUNT_; act++) {
        assert_int_equal(bench_template_new(&template, &plan, (enum bench_act)act, &shape), AMP_OK);
        assert_int_equal(bench_template_make(template, &signer, 0, RECEIPTS, &request), AMP_OK);
        const struct amp_slice body = verify(request);
        assert_true(amp_client_path_valid(body));
        assert_true(contains(request, "\r\nx-amz-target: AmazonSQS."));
        assert_true(contains(request, "\r\ncontent-type: application/x-amz-json-1.0\r\n"));
        if (act == BENCH_ACT_SEND || act == BENCH_ACT_SEND_BATCH)
            check_message(&plan, body);
        if (act == BENCH_ACT_DELETE_BATCH)
            assert_true(contains(body, "{\"Id\":\"2\",\"ReceiptHandle\":\"ccccc\"}]}"));
        bench_template_free(template);
    }
    bench_signer_fini(&signer);
}

static void quantiles_are_within_one_percent(void **state)
{
    static struct bench_histogram histogram;
    histogram = (struct bench_histogram){0};
    for (int64_t i = 1; i <= 1000000; i++)
        bench_histogram_add(&histogram, i * 1000);
    static const double qs[] = {0.01, 0.5, 0.9, 0.99, 0.999, 1};
    for (size_t i = 0; i < sizeof qs / sizeof qs[0]; i++) {
        const double exact = qs[i] * 1e9;
        const double got = (double)bench_histogram_quantile(&histogram, qs[i]);
        assert_true(fabs(got - exact) <= exact * 0.01);
    }
    assert_true(fabs(bench_histogram_mean(&histogram) - 500000500.0) < 1000);
    assert_int_equal(histogram.max_ns, 1000000000);
}

static void a_histogram_takes_every_value(void **state)
{
    static struct bench_histogram histogram;
    histogram = (struct bench_histogram){0};
    assert_int_equal(bench_histogram_quantile(&histogram, 0.5), 0);
    bench_histogram_add(&histogram, -1);
    bench_histogram_add(&histogram, 0);
    for (unsigned shift = 0; shift < 63; shift++)
        bench_histogram_add(&histogram, INT64_C(1) << shift);
    bench_histogram_add(&histogram, INT64_MAX);
    assert_int_equal(histogram.total, 66);
    assert_int_equal(bench_histogram_quantile(&histogram, 1), BENCH_HISTOGRAM_MAX);
    assert_int_equal(bench_histogram_quantile(&histogram, 0), 0);
}

static void errors_beyond_the_last_kind_are_still_counted(void **state)
{
    static struct bench_result result;
    uint64_t sum = 0;
    for (int i = 0; i < BENCH_ERROR_KINDS + 10; i++) {
        char name[24];
        snprintf(name, sizeof name, "kind %d", i);
        bench_result_count_error(&result, name, 2);
    }
    for (size_t i = 0; i < result.error_count; i++)
        sum += result.errors[i].count;
    assert_int_equal(result.error_count, BENCH_ERROR_KINDS);
    assert_int_equal(sum, 2 * (BENCH_ERROR_KINDS + 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_verifies_and_differs),
        cmocka_unit_test(cards_pass_the_servers_checks),
        cmocka_unit_test(a_body_has_the_size_asked_for),
        cmocka_unit_test(messages_of_a_fifo_queue_have_a_group_and_where_wanted_an_id),
        cmocka_unit_test(actions_of_queues_are_what_the_api_expects),
        cmocka_unit_test(quantiles_are_within_one_percent),
        cmocka_unit_test(a_histogram_takes_every_value),
        cmocka_unit_test(errors_beyond_the_last_kind_are_still_counted),
    };
    if (amp_client_runtime_start() != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
