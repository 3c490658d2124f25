/* Requests as they go out. Expected signatures come from botocore 1.29, an independent signer. */
#include "../support.h"

#include "client/runtime.h"
#include "client/sign.h"

#define KEY_ID "AMPKABCDEFGHIJKLMNOP"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define NONCE  "0123456789abcdef0123456789abcdef"
#define NOW_MS INT64_C(1769903999000) /* 2026-01-31T23:59:59Z */

static struct amp_key256 day_key;

static struct amp_client_identity identity_of(const char *region)
{
    return (struct amp_client_identity){
        .key_id = AMP_SLICE_LIT(KEY_ID),
        .secret = AMP_SLICE_LIT(SECRET),
        .region = amp_slice_str(region),
        .day_key = &day_key,
    };
}

static struct amp_client_message message_of(const char *method, const char *target, const char *body)
{
    return (struct amp_client_message){
        .method = method,
        .target = target,
        .authority = "127.0.0.1:8443",
        .service = AMP_CLIENT_SERVICE,
        .content_type = "application/json",
        .body = amp_slice_str(body),
    };
}

static enum amp_err sign(struct amp_secret_buf *wire, const struct amp_client_message *message, int64_t now_ms)
{
    struct amp_client_identity identity = identity_of("eu-central-1");
    return amp_client_sign(wire, &identity, message, now_ms, NONCE);
}

static bool contains(const struct amp_secret_buf *wire, const char *text)
{
    return memmem(wire->ptr, wire->len, text, strlen(text)) != NULL;
}

static void signs_a_post_as_botocore_does(void **state)
{
    struct amp_secret_buf wire = {NULL, 0, 0};
    struct amp_client_message message = message_of("POST", "/v1/tokens", "{\"data\":1}");
    message.idempotency_key = "order-42";
    assert_int_equal(sign(&wire, &message, NOW_MS), AMP_OK);
    assert_true(contains(&wire, "POST /v1/tokens HTTP/1.1\r\nhost: 127.0.0.1:8443\r\n"));
    assert_true(contains(&wire,
                         "authorization: AWS4-HMAC-SHA256 Credential=" KEY_ID
                         "/20260131/eu-central-1/ampoule/aws4_request, SignedHeaders=content-type;host;"
                         "idempotency-key;x-ampoule-nonce;x-amz-date, Signature="
                         "6b066254862bb368b9241b5b3f840a8e8ae7dd76625525432595ec9ee5d9c09c\r\n\r\n{\"data\":1}"));
    amp_secret_buf_free(&wire);
}

static void signs_a_query_and_an_encoded_path_as_botocore_does(void **state)
{
    struct amp_secret_buf wire = {NULL, 0, 0};
    struct amp_client_message message = message_of("GET", "/v1/things%20here?b=2&a=1", "");
    message.authority = "vault.example.com";
    assert_int_equal(sign(&wire, &message, NOW_MS), AMP_OK);
    assert_true(contains(&wire, "Signature=0bc8096c98c07a4b632dc70bd62bc9774bbdd1dc66885cd7feb6a1b319241474\r\n\r\n"));
    assert_false(contains(&wire, "content-length"));
    amp_secret_buf_free(&wire);
}

static void signs_a_call_of_the_sqs_api_as_botocore_does(void **state)
{
    struct amp_secret_buf wire = {NULL, 0, 0};
    struct amp_client_message message = message_of("POST", "/", "{\"QueueName\":\"q\"}");
    message.service = "sqs";
    message.amz_target = "AmazonSQS.CreateQueue";
    message.content_type = "application/x-amz-json-1.0";
    assert_int_equal(sign(&wire, &message, NOW_MS), AMP_OK);
    assert_true(contains(&wire, "\r\nx-amz-target: AmazonSQS.CreateQueue\r\n"));
    assert_true(contains(&wire, "/eu-central-1/sqs/aws4_request, SignedHeaders=content-type;host;x-ampoule-nonce;"
                                "x-amz-date;x-amz-target, Signature="
                                "46213c0c91e6da29a7c943acc03f1d5db9876b63c8d59681a03636562e681454\r\n\r\n"));
    amp_secret_buf_free(&wire);
}

static void the_day_key_is_one_services(void **state)
{
    struct amp_secret_buf wire = {NULL, 0, 0};
    struct amp_client_identity identity = identity_of("eu-central-1");
    struct amp_client_message message = message_of("POST", "/", "{}");
    struct amp_key256 native;
    assert_int_equal(amp_client_sign(&wire, &identity, &message, NOW_MS, NONCE), AMP_OK);
    native = day_key;
    message.service = "sqs";
    assert_int_equal(amp_client_sign(&wire, &identity, &message, NOW_MS, NONCE), AMP_OK);
    assert_memory_not_equal(&native, &day_key, sizeof native);
    message.service = AMP_CLIENT_SERVICE;
    assert_int_equal(amp_client_sign(&wire, &identity, &message, NOW_MS, NONCE), AMP_OK);
    assert_memory_equal(&native, &day_key, sizeof native);
    amp_secret_buf_free(&wire);
}

static enum amp_err verify(const struct amp_secret_buf *wire, const struct amp_key256 *key)
{
    struct amp_http1_head head;
    struct amp_sigv4 auth;
    size_t head_len = 0;
    size_t scanned = 0;
    uint8_t hash[AMP_SHA256_LEN];
    enum amp_err err = amp_http1_parse_head(&head, wire->ptr, wire->len, &head_len, &scanned);
    if (err == AMP_OK)
        err = amp_sigv4_parse(&auth, &head);
    if (err != AMP_OK)
        return err;
    const struct amp_slice body = amp_slice(wire->ptr + head_len, wire->len - head_len);
    assert_int_equal(amp_sha256(hash, &body, 1), AMP_OK);
    if ((err = amp_sigv4_check_coverage(&auth, &head, hash)) != AMP_OK)
        return err;
    return amp_sigv4_verify(&auth, &head, hash, key);
}

static void the_servers_verifier_accepts_it_and_refuses_every_flipped_bit(void **state)
{
    /* what stands behind each of these, up to the line's end, is covered */
    static const char *const covered[] = {
        "POST ", "host: ", "content-type: ", "x-amz-date: ", "x-ampoule-nonce: ", "Signature=", "\r\n\r\n"};
    struct amp_secret_buf wire = {NULL, 0, 0};
    struct amp_key256 key;
    const struct amp_client_message message = message_of("POST", "/v1/redeem", "{\"token\":\"tok_x\"}");
    assert_int_equal(sign(&wire, &message, NOW_MS), AMP_OK);
    assert_int_equal(amp_sigv4_day_key(&key, AMP_SLICE_LIT(SECRET), AMP_SLICE_LIT("20260131"),
                                       AMP_SLICE_LIT("eu-central-1"), AMP_SLICE_LIT("ampoule")),
                     AMP_OK);
    assert_int_equal(verify(&wire, &key), AMP_OK);
    for (size_t i = 0; i < sizeof covered / sizeof covered[0]; i++) {
        uint8_t *at = memmem(wire.ptr, wire.len, covered[i], strlen(covered[i]));
        assert_non_null(at);
        at += strlen(covered[i]);
        for (; at < wire.ptr + wire.len && *at != '\r'; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                *at ^= (uint8_t)(1u << bit);
                assert_int_not_equal(verify(&wire, &key), AMP_OK);
                *at ^= (uint8_t)(1u << bit);
            }
        }
    }
    assert_int_equal(verify(&wire, &key), AMP_OK);
    amp_secret_buf_free(&wire);
}

static void the_day_key_follows_the_date(void **state)
{
    struct amp_secret_buf first = {NULL, 0, 0};
    struct amp_secret_buf again = {NULL, 0, 0};
    struct amp_client_identity identity = identity_of("eu-central-1");
    const struct amp_client_message message = message_of("POST", "/v1/tokens", "{}");
    assert_int_equal(amp_client_sign(&first, &identity, &message, NOW_MS, NONCE), AMP_OK);
    assert_int_equal(amp_client_sign(&again, &identity, &message, NOW_MS + 1000, NONCE), AMP_OK);
    assert_true(contains(&again, "/20260201/"));
    amp_secret_buf_clear(&again);
    assert_int_equal(amp_client_sign(&again, &identity, &message, NOW_MS, NONCE), AMP_OK);
    assert_int_equal(first.len, again.len);
    assert_memory_equal(first.ptr, again.ptr, first.len);
    amp_secret_buf_free(&first);
    amp_secret_buf_free(&again);
}

static void refuses_what_would_split_the_head(void **state)
{
    static const char *const targets[] = {"/a b", "/a\r\nx: y", "", "a", "/a\x01", "http://other/"};
    static const char *const keys[] = {"", "a b", "a\r\nx-evil: 1", "\x7f", "\xc3\xa4"};
    struct amp_secret_buf wire = {NULL, 0, 0};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        const struct amp_client_message message = message_of("POST", targets[i], "{}");
        assert_int_not_equal(sign(&wire, &message, NOW_MS), AMP_OK);
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct amp_client_message message = message_of("POST", "/v1/tokens", "{}");
        message.idempotency_key = keys[i];
        assert_int_not_equal(sign(&wire, &message, NOW_MS), AMP_OK);
    }
    struct amp_client_message message = message_of("POST", "/v1/tokens", "{}");
    message.content_type = "text/plain\r\nx-evil: 1\r\n\r\n";
    assert_int_not_equal(sign(&wire, &message, NOW_MS), AMP_OK);
    message = message_of("GE T", "/", "");
    assert_int_not_equal(sign(&wire, &message, NOW_MS), AMP_OK);
    static const char *const services[] = {"", "SQS", "sqs/aws4_request", "s q", "a-service-much-too-long"};
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        message = message_of("POST", "/", "{}");
        message.service = services[i];
        assert_int_not_equal(sign(&wire, &message, NOW_MS), AMP_OK);
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        message = message_of("POST", "/", "{}");
        message.amz_target = keys[i];
        assert_int_not_equal(sign(&wire, &message, NOW_MS), AMP_OK);
    }
    assert_int_equal(wire.len, 0);
    amp_secret_buf_free(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_a_post_as_botocore_does),
        cmocka_unit_test(signs_a_query_and_an_encoded_path_as_botocore_does),
        cmocka_unit_test(signs_a_call_of_the_sqs_api_as_botocore_does),
        cmocka_unit_test(the_day_key_is_one_services),
        cmocka_unit_test(the_servers_verifier_accepts_it_and_refuses_every_flipped_bit),
        cmocka_unit_test(the_day_key_follows_the_date),
        cmocka_unit_test(refuses_what_would_split_the_head),
    };
    if (amp_client_runtime_start() != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
