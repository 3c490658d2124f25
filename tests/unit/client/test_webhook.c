/* What a gateway receives: webhooks and JWEs, through the public calls. */
#include <pthread.h>
#include <string.h>

#include "../support.h"
#include "../wire/test_keys.h"

#include "ampoule.h"
#include "base/clock.h"
#include "crypto/crypto.h"
#include "wire/jwe.h"
#include "wire/webhook.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID     "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY   "{\"token\":\"tok_a\",\"card\":{\"last4\":\"1111\"}}"
#define CARD   "{\"card\":{\"number\":\"4111111111111111\",\"name\":\"J\\u00e4\"}}"

/* A webhook as it arrives. */
struct webhook {
    char timestamp[24];
    char signature[AMP_WEBHOOK_SIGNATURE_LEN + 1];
};

static struct webhook webhook_signed(int64_t ahead_s, const char *body)
{
    const struct amp_clock clock = amp_clock_system();
    const int64_t unix_s = amp_clock_unix_ms(&clock) / 1000 + ahead_s;
    struct webhook webhook = {.timestamp = ""};
    struct amp_webhook_secret secret;
    struct amp_out digits = amp_out(webhook.timestamp, sizeof webhook.timestamp - 1);
    struct amp_out out = amp_out(webhook.signature, AMP_WEBHOOK_SIGNATURE_LEN);
    assert_int_equal(amp_crypto_init(), AMP_OK);
    assert_int_equal(amp_webhook_secret_parse(&secret, AMP_SLICE_LIT(SECRET)), AMP_OK);
    amp_out_i64(&digits, unix_s);
    assert_int_equal(amp_webhook_sign(&out, &secret, 1, AMP_SLICE_LIT(ID), unix_s, amp_slice_str(body)), AMP_OK);
    return webhook;
}

static enum amp_client_status verify(const struct webhook *webhook, const char *body, struct amp_client_reply **reply)
{
    return amp_client_webhook_verify(SECRET, ID, webhook->timestamp, webhook->signature, body, strlen(body), reply);
}

/* Nothing is left in the pool but what the thread keeps until it ends. */
static int assert_pool_is_empty(void **state)
{
    amp_crypto_thread_fini();
    assert_int_equal(amp_secret_used(), 0);
    return 0;
}

static void a_signed_webhook_gives_its_body(void **state)
{
    const struct webhook webhook = webhook_signed(0, BODY);
    struct amp_client_reply *reply = NULL;
    size_t len;
    assert_int_equal(verify(&webhook, BODY, &reply), AMP_CLIENT_OK);
    assert_string_equal(amp_client_reply_json(reply, &len), BODY);
    assert_int_equal(len, strlen(BODY));
    assert_string_equal(amp_client_reply_text(reply, "token"), "tok_a");
    assert_string_equal(amp_client_reply_text(reply, "card.last4"), "1111");
    assert_null(amp_client_reply_text(reply, "sealed"));
    assert_int_equal(amp_client_reply_http_status(reply), 0);
    amp_client_reply_free(reply);
    assert_int_equal(verify(&webhook, BODY, NULL), AMP_CLIENT_OK);
}

static void an_empty_body_may_be_null(void **state)
{
    const struct webhook webhook = webhook_signed(0, "");
    struct amp_client_reply *reply = NULL;
    assert_int_equal(amp_client_webhook_verify(SECRET, ID, webhook.timestamp, webhook.signature, NULL, 0, &reply),
                     AMP_CLIENT_OK);
    assert_string_equal(amp_client_reply_json(reply, NULL), "");
    amp_client_reply_free(reply);
    assert_int_equal(amp_client_webhook_verify(SECRET, ID, webhook.timestamp, webhook.signature, NULL, 1, NULL),
                     AMP_CLIENT_USAGE);
}

static void a_webhook_that_does_not_verify_gives_nothing(void **state)
{
    const struct webhook good = webhook_signed(0, BODY);
    static const char other[] = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const struct {
        const char *secret, *id, *timestamp, *signature;
        enum amp_client_status status;
    } cases[] = {
        {other, ID, good.timestamp, good.signature, AMP_CLIENT_NOT_AUTHENTIC},
        {SECRET, "msg_other", good.timestamp, good.signature, AMP_CLIENT_NOT_AUTHENTIC},
        {SECRET, ID, good.timestamp, "v1,", AMP_CLIENT_NOT_AUTHENTIC},
        {SECRET, NULL, good.timestamp, good.signature, AMP_CLIENT_MALFORMED},
        {SECRET, ID, NULL, good.signature, AMP_CLIENT_MALFORMED},
        {SECRET, ID, good.timestamp, NULL, AMP_CLIENT_MALFORMED},
        {SECRET, ID, "now", good.signature, AMP_CLIENT_MALFORMED},
        {SECRET, ID, good.timestamp, "v1a,x", AMP_CLIENT_MALFORMED},
        {SECRET, ID, "1614265330", good.signature, AMP_CLIENT_TOO_OLD},
        {NULL, ID, good.timestamp, good.signature, AMP_CLIENT_USAGE},
        {"whsec_", ID, good.timestamp, good.signature, AMP_CLIENT_USAGE},
        {"secret", ID, good.timestamp, good.signature, AMP_CLIENT_USAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct amp_client_reply *reply = (struct amp_client_reply *)1;
        assert_int_equal(amp_client_webhook_verify(cases[i].secret, cases[i].id, cases[i].timestamp, cases[i].signature,
                                                   BODY, strlen(BODY), &reply),
                         cases[i].status);
        assert_null(reply);
    }
    assert_int_equal(verify(&good, BODY " ", NULL), AMP_CLIENT_NOT_AUTHENTIC);
}

static void a_webhook_is_good_for_five_minutes(void **state)
{
    static const struct {
        int64_t ahead_s;
        enum amp_client_status status;
    } cases[] = {{-295, AMP_CLIENT_OK}, {295, AMP_CLIENT_OK}, {-310, AMP_CLIENT_TOO_OLD}, {310, AMP_CLIENT_TOO_OLD}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct webhook webhook = webhook_signed(cases[i].ahead_s, BODY);
        assert_int_equal(verify(&webhook, BODY, NULL), cases[i].status);
    }
}

static const char *const keys[][2] = {
    {RSA_PUBLIC, RSA_PRIVATE}, {P256_PUBLIC, P256_PRIVATE}, {P384_PUBLIC, P384_PRIVATE}};

static struct amp_client_jwk *jwk_of(const char *text)
{
    struct amp_client_jwk *jwk = NULL;
    assert_int_equal(amp_client_jwk_new(&jwk, text), AMP_CLIENT_OK);
    return jwk;
}

/* What is encrypted to a public key; NUL-terminated. */
static void encrypt_to(char *compact, size_t cap, const char *public, const char *plain)
{
    struct amp_jwk to;
    uint8_t text[AMP_JWK_MAX];
    struct amp_out out = amp_out(compact, cap - 1);
    memcpy(text, public, strlen(public));
    assert_int_equal(amp_jwk_parse(&to, text, strlen(public), false), AMP_OK);
    assert_int_equal(amp_jwe_encrypt(&out, &to, amp_slice_str(plain)), AMP_OK);
    compact[out.len] = '\0';
    amp_jwk_fini(&to);
}

static void what_was_encrypted_to_a_key_opens_with_it_alone(void **state)
{
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            char compact[2048];
            struct amp_client_reply *reply = NULL;
            struct amp_client_jwk *jwk = jwk_of(keys[j][1]);
            encrypt_to(compact, sizeof compact, keys[i][0], CARD);
            assert_int_equal(amp_client_jwe_open(jwk, compact, &reply),
                             i == j ? AMP_CLIENT_OK : AMP_CLIENT_NOT_AUTHENTIC);
            assert_true((reply != NULL) == (i == j));
            if (reply != NULL) {
                assert_string_equal(amp_client_reply_text(reply, "card.number"), "4111111111111111");
                assert_string_equal(amp_client_reply_text(reply, "card.name"), "J\xc3\xa4");
                assert_string_equal(amp_client_reply_json(reply, NULL), CARD);
            }
            amp_client_reply_free(reply);
            amp_client_jwk_free(jwk);
        }
    }
}

static void what_is_no_jwe_or_was_changed_gives_nothing(void **state)
{
    char compact[2048];
    struct amp_client_jwk *jwk = jwk_of(P256_PRIVATE);
    struct amp_client_reply *reply = (struct amp_client_reply *)1;
    encrypt_to(compact, sizeof compact, P256_PUBLIC, CARD);
    char *last = compact + strlen(compact) - 22;
    *last = *last == 'A' ? 'B' : 'A';
    assert_int_equal(amp_client_jwe_open(jwk, compact, &reply), AMP_CLIENT_NOT_AUTHENTIC);
    assert_null(reply);
    *last = '\0';
    assert_int_equal(amp_client_jwe_open(jwk, compact, &reply), AMP_CLIENT_MALFORMED);
    assert_int_equal(amp_client_jwe_open(jwk, "", &reply), AMP_CLIENT_MALFORMED);
    assert_int_equal(amp_client_jwe_open(jwk, NULL, &reply), AMP_CLIENT_USAGE);
    assert_int_equal(amp_client_jwe_open(NULL, compact, &reply), AMP_CLIENT_USAGE);
    assert_null(reply);
    amp_client_jwk_free(jwk);
}

static void keys_that_cannot_open_are_refused(void **state)
{
    static char too_long[AMP_JWK_MAX + 2];
    memset(too_long, ' ', sizeof too_long - 1);
    memcpy(too_long, P256_PRIVATE, strlen(P256_PRIVATE));
    static const char *const texts[] = {NULL,    "", "{}", P256_PUBLIC, RSA_PUBLIC, "-----BEGIN PRIVATE KEY-----",
                                        too_long};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct amp_client_jwk *jwk = (struct amp_client_jwk *)1;
        assert_int_equal(amp_client_jwk_new(&jwk, texts[i]), AMP_CLIENT_USAGE);
        assert_null(jwk);
    }
    amp_client_jwk_free(NULL);
}

struct job {
    const struct amp_client_jwk *jwk;
    const char *compact;
    size_t opened;
};

static void *open_often(void *arg)
{
    struct job *job = arg;
    for (size_t i = 0; i < 20; i++) {
        struct amp_client_reply *reply = NULL;
        if (amp_client_jwe_open(job->jwk, job->compact, &reply) == AMP_CLIENT_OK &&
            strcmp(amp_client_reply_json(reply, NULL), CARD) == 0)
            job->opened++;
        amp_client_reply_free(reply);
    }
    return NULL;
}

static void threads_share_a_key(void **state)
{
    for (size_t i = 0; i < 2; i++) { /* RSA blinds, EC does not */
        char compact[2048];
        pthread_t threads[4];
        struct job jobs[4];
        struct amp_client_jwk *jwk = jwk_of(keys[i][1]);
        encrypt_to(compact, sizeof compact, keys[i][0], CARD);
        for (size_t t = 0; t < 4; t++) {
            jobs[t] = (struct job){jwk, compact, 0};
            assert_int_equal(pthread_create(&threads[t], NULL, open_often, &jobs[t]), 0);
        }
        for (size_t t = 0; t < 4; t++) {
            assert_int_equal(pthread_join(threads[t], NULL), 0);
            assert_int_equal(jobs[t].opened, 20);
        }
        amp_client_jwk_free(jwk);
    }
}

static void the_new_statuses_have_names(void **state)
{
    assert_string_equal(amp_client_status_name(AMP_CLIENT_MALFORMED), "malformed");
    assert_string_equal(amp_client_status_name(AMP_CLIENT_TOO_OLD), "too_old");
    assert_string_equal(amp_client_status_name(AMP_CLIENT_NOT_AUTHENTIC), "not_authentic");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_signed_webhook_gives_its_body, assert_pool_is_empty),
        cmocka_unit_test_teardown(an_empty_body_may_be_null, assert_pool_is_empty),
        cmocka_unit_test_teardown(a_webhook_that_does_not_verify_gives_nothing, assert_pool_is_empty),
        cmocka_unit_test_teardown(a_webhook_is_good_for_five_minutes, assert_pool_is_empty),
        cmocka_unit_test_teardown(what_was_encrypted_to_a_key_opens_with_it_alone, assert_pool_is_empty),
        cmocka_unit_test_teardown(what_is_no_jwe_or_was_changed_gives_nothing, assert_pool_is_empty),
        cmocka_unit_test_teardown(keys_that_cannot_open_are_refused, assert_pool_is_empty),
        cmocka_unit_test_teardown(threads_share_a_key, assert_pool_is_empty),
        cmocka_unit_test(the_new_statuses_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
