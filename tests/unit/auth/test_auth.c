/* The one verifier, driven by requests that are signed here and then bent. */
#include "../support.h"

#include <pthread.h>

#include "auth/auth.h"
#include "base/text.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define KEY_ID "AMPKAAAAAAAAAAAAAAAA"
#define NOW_MS 1769904000000 /* 2026-02-01T00:00:00Z */
#define BODY   "{\"token\":\"x\"}"

static struct amp_clock_fake hands;
static struct amp_auth *auth;
static struct amp_replay *replay;
static struct amp_rate *rate;
static unsigned asked;
static enum amp_err ask_answer;
static uint64_t last_ask;
static struct amp_principal principal;

/* A request as text, signed: what a client would send. */
struct signed_request {
    char text[2048];
    struct amp_http1_head head;
    struct amp_slice body;
};

static enum amp_err on_ask(void *ctx, uint64_t ask, const struct amp_sigv4 *scope)
{
    (void)ctx;
    (void)scope;
    asked++;
    last_ask = ask;
    return ask_answer;
}

static void parse(struct signed_request *request)
{
    size_t head_len = 0, scanned = 0;

    assert_int_equal(amp_http1_parse_head(&request->head, (const uint8_t *)request->text, strlen(request->text),
                                          &head_len, &scanned),
                     AMP_OK);
}

static void sign(struct signed_request *request, int64_t date_s, const char *service, const char *extra,
                 const char *extra_signed, const char *body)
{
    char date[17] = {0}, signature[65] = {0};
    uint8_t body_hash[32], canonical[32], mac[32];
    struct amp_sigv4 sig;
    struct amp_key256 key;

    request->body = amp_slice_str(body);
    amp_date_format_basic(date, date_s);
    memset(signature, '0', 64);
    for (int pass = 0; pass < 2; pass++) {
        (void)snprintf(request->text, sizeof request->text,
                       "POST /v1/redeem HTTP/1.1\r\nHost: localhost\r\nX-Amz-Date: %s\r\n%sContent-Length: %zu\r\n"
                       "Authorization: AWS4-HMAC-SHA256 Credential=" KEY_ID "/%.8s/eu-1/%s/aws4_request, "
                       "SignedHeaders=host;%sx-amz-date, Signature=%s\r\n\r\n",
                       date, extra, request->body.len, date, service, extra_signed, signature);
        parse(request);
        if (pass == 1)
            break;
        assert_int_equal(amp_sigv4_parse(&sig, &request->head), AMP_OK);
        assert_int_equal(amp_sha256(body_hash, &request->body, 1), AMP_OK);
        assert_int_equal(amp_sigv4_canonical_hash(canonical, &sig, &request->head, body_hash), AMP_OK);
        assert_int_equal(amp_sigv4_day_key(&key, AMP_SLICE_LIT(SECRET), sig.date, sig.region, sig.service), AMP_OK);
        assert_int_equal(amp_sigv4_sign(mac, &key, &sig, canonical), AMP_OK);
        amp_hex_encode(signature, mac, sizeof mac);
    }
}

static struct amp_auth_result result;

static enum amp_err check_for(const struct signed_request *request, const char *service, uint64_t connection_id)
{
    struct amp_auth_request asked_for = {
        .head = &request->head, .body = request->body, .service = service, .connection_id = connection_id};

    return amp_auth_check(auth, &asked_for, &result);
}

static enum amp_err check(const struct signed_request *request)
{
    return check_for(request, "ampoule", 7);
}

static void answer(enum amp_err err, const char *date, const char *service)
{
    struct amp_key256 key;

    assert_int_equal(amp_sigv4_day_key(&key, AMP_SLICE_LIT(SECRET), amp_slice_str(date), AMP_SLICE_LIT("eu-1"),
                                       amp_slice_str(service)),
                     AMP_OK);
    assert_true(amp_auth_answer(auth, last_ask, err, &key, &principal));
}

/* Asks, has the keeper answer, and checks again. */
static enum amp_err check_answered(const struct signed_request *request)
{
    enum amp_err err = check(request);

    if (err != AMP_ERR_AGAIN)
        return err;
    answer(AMP_OK, "20260201", "ampoule");
    return check(request);
}

static int setup(void **state)
{
    struct amp_auth_config config;

    (void)state;
    hands = (struct amp_clock_fake){.unix_ms = NOW_MS, .mono_ms = 5000};
    asked = 0;
    ask_answer = AMP_OK;
    principal = (struct amp_principal){.name_len = 4, .name = "shop", .key_id = KEY_ID};
    if (amp_replay_new(&replay, 300, 1000) != AMP_OK || amp_rate_new(&rate, amp_clock_fake(&hands), 10) != AMP_OK)
        return -1;
    config = (struct amp_auth_config){
        .clock = amp_clock_fake(&hands), .skew_s = 300, .replay = replay, .rate = rate, .ask = on_ask};
    return amp_auth_new(&auth, &config) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    amp_auth_free(auth);
    amp_rate_free(rate);
    amp_replay_free(replay);
    return 0;
}

static void auth_accepts_a_signed_request_once(void **state)
{
    struct signed_request request;

    (void)state;
    sign(&request, NOW_MS / 1000, "ampoule", "", "", BODY);
    assert_int_equal(check_answered(&request), AMP_OK);
    assert_memory_equal(result.who->key_id, KEY_ID, 20);
    assert_int_equal(check(&request), AMP_ERR_REQUEST_REPLAYED);
    assert_null(result.who);
}

static void auth_asks_the_keeper_once_for_all_who_wait(void **state)
{
    struct signed_request one, other;

    (void)state;
    sign(&one, NOW_MS / 1000, "ampoule", "", "", BODY);
    sign(&other, NOW_MS / 1000, "ampoule", "", "", "{}");
    assert_int_equal(check(&one), AMP_ERR_AGAIN);
    assert_int_equal(check(&other), AMP_ERR_AGAIN);
    assert_int_equal(asked, 1);
    answer(AMP_OK, "20260201", "ampoule");
    assert_int_equal(check(&one), AMP_OK);
    assert_int_equal(check(&other), AMP_OK);
    assert_int_equal(asked, 1);
}

static void auth_refuses_every_flipped_bit_of_the_body(void **state)
{
    struct signed_request good;
    uint8_t body[sizeof BODY - 1];
    size_t i;

    (void)state;
    sign(&good, NOW_MS / 1000, "ampoule", "", "", BODY);
    for (i = 0; i < 8 * sizeof body; i++) {
        memcpy(body, BODY, sizeof body);
        body[i / 8] ^= (uint8_t)(1u << (i % 8));
        good.body = amp_slice(body, sizeof body);
        assert_int_equal(check_answered(&good), AMP_ERR_SIGNATURE_MISMATCH);
        assert_null(result.who);
    }
    good.body = AMP_SLICE_LIT(BODY);
    assert_int_equal(check(&good), AMP_OK); /* nothing of the above was remembered */
}

static void auth_refuses_every_flipped_bit_of_the_signature(void **state)
{
    struct signed_request good, bent;
    size_t at, bit;

    (void)state;
    sign(&good, NOW_MS / 1000, "ampoule", "", "", BODY);
    at = (size_t)(strstr(good.text, "Signature=") - good.text) + strlen("Signature=");
    for (bit = 0; bit < 64 * 8; bit++) {
        bent = good;
        bent.text[at + bit / 8] = (char)(bent.text[at + bit / 8] ^ (1 << (bit % 8)));
        size_t head_len = 0, scanned = 0;
        if (amp_http1_parse_head(&bent.head, (const uint8_t *)bent.text, strlen(bent.text), &head_len, &scanned) !=
            AMP_OK)
            continue; /* not even HTTP any more */
        enum amp_err err = check_answered(&bent);
        assert_true(err == AMP_ERR_SIGNATURE_MISMATCH || err == AMP_ERR_MALFORMED_SIGNATURE);
    }
    assert_int_equal(check(&good), AMP_OK);
}

static void auth_refuses_dates_outside_the_window_and_takes_its_edges(void **state)
{
    static const struct {
        int64_t offset_s;
        enum amp_err expected;
    } cases[] = {{-301, AMP_ERR_CLOCK_SKEW}, {301, AMP_ERR_CLOCK_SKEW}, {300, AMP_OK}, {100000, AMP_ERR_CLOCK_SKEW}};
    struct signed_request request;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sign(&request, NOW_MS / 1000 + cases[i].offset_s, "ampoule", "", "", BODY);
        assert_int_equal(check_answered(&request), cases[i].expected);
    }
}

static void auth_refuses_another_service(void **state)
{
    struct signed_request request;

    (void)state;
    sign(&request, NOW_MS / 1000, "sqs", "", "", BODY);
    assert_int_equal(check(&request), AMP_ERR_WRONG_SCOPE);
    assert_int_equal(asked, 0);
}

/* A request signed for one API opens nothing of the other. */
static void auth_refuses_the_native_scope_on_a_route_of_sqs(void **state)
{
    struct signed_request request;

    (void)state;
    sign(&request, NOW_MS / 1000, "ampoule", "", "", BODY);
    assert_int_equal(check_for(&request, "sqs", 7), AMP_ERR_WRONG_SCOPE);
    assert_int_equal(check_answered(&request), AMP_OK); /* and nothing was remembered of it */
}

static void auth_takes_an_sqs_request_again_on_its_connection_alone(void **state)
{
    struct signed_request request;
    uint64_t other;

    (void)state;
    sign(&request, NOW_MS / 1000, "sqs", "", "", BODY);
    assert_int_equal(check_for(&request, "sqs", 7), AMP_ERR_AGAIN);
    answer(AMP_OK, "20260201", "sqs");
    assert_int_equal(check_for(&request, "sqs", 7), AMP_OK);
    for (other = 8; other < 11; other++) {
        assert_int_equal(check_for(&request, "sqs", other), AMP_ERR_SQS_REQUEST_THROTTLED);
        assert_null(result.who);
        assert_int_equal(check_for(&request, "sqs", 7), AMP_OK);
        assert_memory_equal(result.who->key_id, KEY_ID, 20);
    }
    amp_clock_fake_advance(&hands, 301 * 1000);
    assert_int_equal(check_for(&request, "sqs", 7), AMP_ERR_CLOCK_SKEW);
}

/* Who repeats himself on his connection pays for each. */
static void auth_limits_the_rate_of_repeated_sqs_requests(void **state)
{
    struct signed_request request;

    (void)state;
    principal.rate_per_second = 1;
    principal.rate_burst = 2;
    sign(&request, NOW_MS / 1000, "sqs", "", "", BODY);
    assert_int_equal(check_for(&request, "sqs", 7), AMP_ERR_AGAIN);
    answer(AMP_OK, "20260201", "sqs");
    assert_int_equal(check_for(&request, "sqs", 7), AMP_OK);
    assert_int_equal(check_for(&request, "sqs", 7), AMP_OK);
    assert_int_equal(check_for(&request, "sqs", 7), AMP_ERR_RATE_LIMITED);
}

static void auth_refuses_unsigned_headers_that_matter(void **state)
{
    static const char *const headers[] = {"X-Amz-Security-Token: t\r\n", "X-Ampoule-Nonce: n\r\n",
                                          "Idempotency-Key: k\r\n", "X-Amz-Target: AmazonSQS.SendMessage\r\n"};
    struct signed_request request;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        sign(&request, NOW_MS / 1000, "ampoule", headers[i], "", BODY);
        assert_int_equal(check_answered(&request), AMP_ERR_HEADER_NOT_SIGNED);
    }
}

static void auth_refuses_a_payload_that_is_not_the_one_declared(void **state)
{
    static const char *const headers[] = {
        "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\n", "X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n",
        "X-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"};
    struct signed_request request;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        sign(&request, NOW_MS / 1000, "ampoule", headers[i], "x-amz-content-sha256;", BODY);
        assert_int_equal(check_answered(&request), AMP_ERR_BODY_NOT_SIGNED);
    }
}

static void auth_says_why_a_key_is_refused(void **state)
{
    struct signed_request request;

    (void)state;
    sign(&request, NOW_MS / 1000, "ampoule", "", "", BODY);
    assert_int_equal(check(&request), AMP_ERR_AGAIN);
    answer(AMP_ERR_UNKNOWN_KEY, "20260201", "ampoule");
    assert_int_equal(check(&request), AMP_ERR_UNKNOWN_KEY);
    assert_true(amp_slice_is(result.claimed_id, KEY_ID));
    amp_clock_fake_advance(&hands, 2000); /* the refusal is forgotten: the key may exist now */
    assert_int_equal(check(&request), AMP_ERR_AGAIN);
    answer(AMP_ERR_KEY_DISABLED, "20260201", "ampoule");
    assert_int_equal(check(&request), AMP_ERR_KEY_DISABLED);
}

static void auth_ends_an_expiring_key_at_its_time(void **state)
{
    struct signed_request before, after;

    (void)state;
    principal.state = AMP_PRINCIPAL_EXPIRING;
    principal.expires_unix_ms = NOW_MS + 1000;
    sign(&before, NOW_MS / 1000, "ampoule", "", "", BODY);
    assert_int_equal(check_answered(&before), AMP_OK);
    amp_clock_fake_advance(&hands, 1000);
    sign(&after, NOW_MS / 1000 + 1, "ampoule", "", "", BODY);
    assert_int_equal(check_answered(&after), AMP_ERR_KEY_DISABLED);
}

static void auth_forgets_a_key_that_changed(void **state)
{
    struct signed_request request;

    (void)state;
    sign(&request, NOW_MS / 1000, "ampoule", "", "", BODY);
    assert_int_equal(check_answered(&request), AMP_OK);
    amp_auth_forget(auth, (const uint8_t *)KEY_ID);
    sign(&request, NOW_MS / 1000, "ampoule", "", "", "{}");
    assert_int_equal(check(&request), AMP_ERR_AGAIN);
}

static void auth_limits_the_rate_of_a_principal(void **state)
{
    struct signed_request request;
    char body[32];
    int i;

    (void)state;
    principal.rate_per_second = 1;
    principal.rate_burst = 2;
    for (i = 0; i < 3; i++) {
        (void)snprintf(body, sizeof body, "{\"n\":%d}", i);
        sign(&request, NOW_MS / 1000, "ampoule", "", "", body);
        assert_int_equal(check_answered(&request), i < 2 ? AMP_OK : AMP_ERR_RATE_LIMITED);
    }
    assert_true(result.retry_after_s >= 1);
}

static void auth_fails_closed_without_the_keeper(void **state)
{
    struct signed_request request;

    (void)state;
    ask_answer = AMP_ERR_IO;
    sign(&request, NOW_MS / 1000, "ampoule", "", "", BODY);
    assert_int_equal(check(&request), AMP_ERR_KEEPER_UNAVAILABLE);
    assert_false(amp_auth_answer(auth, 99, AMP_ERR_UNKNOWN_KEY, NULL, NULL));
    assert_false(amp_auth_answer(auth, 0, AMP_ERR_UNKNOWN_KEY, NULL, NULL));
}

static void auth_never_asks_for_a_key_id_that_was_never_given_out(void **state)
{
    struct signed_request request;
    char *at;

    (void)state;
    sign(&request, NOW_MS / 1000, "ampoule", "", "", BODY);
    at = strstr(request.text, KEY_ID);
    at[5] = '1';
    parse(&request);
    assert_int_equal(check(&request), AMP_ERR_UNKNOWN_KEY);
    assert_int_equal(asked, 0);
}

/* What claims to be a key id stands in the event log: a card number in its place must not. */
static void auth_tells_no_claimed_id_of_another_form(void **state)
{
    static const char *const claims[] = {"4539578763621486", "AMPK4539578763621486", "ampkaaaaaaaaaaaaaaaa",
                                         "AMPKAAAAAAAAAAAAAAA", "AMPKAAAAAAAAAAAAAAAAA"};
    struct signed_request request;

    (void)state;
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        sign(&request, NOW_MS / 1000, "ampoule", "", "", BODY);
        char *at = strstr(request.text, KEY_ID), rest[1024];
        (void)snprintf(rest, sizeof rest, "%s%s", claims[i], at + strlen(KEY_ID));
        (void)snprintf(at, sizeof request.text - (size_t)(at - request.text), "%s", rest);
        parse(&request);
        assert_int_equal(check(&request), AMP_ERR_UNKNOWN_KEY);
        assert_int_equal(result.claimed_id.len, 0);
    }
}

#define PAN       "4539578763621486"
#define STACK_LEN (1u << 20)

static void *check_elsewhere(void *request)
{
    (void)check(request);
    amp_crypto_thread_fini();
    return NULL;
}

/* Runs the check on a stack of our own and looks for any eight digits of the number there. */
static bool leaves_residue(struct signed_request *request)
{
    uint8_t *stack = aligned_alloc(4096, STACK_LEN);
    pthread_attr_t attr;
    pthread_t thread;
    bool found = false;

    assert_non_null(stack);
    memset(stack, 0, STACK_LEN);
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstack(&attr, stack, STACK_LEN), 0);
    assert_int_equal(pthread_create(&thread, &attr, check_elsewhere, request), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)pthread_attr_destroy(&attr);
    for (size_t i = 0; i + 8 <= sizeof PAN - 1; i++)
        found = found || memmem(stack, STACK_LEN, PAN + i, 8) != NULL;
    free(stack);
    return found;
}

static void auth_leaves_nothing_of_a_refused_request_on_the_stack(void **state)
{
    struct signed_request request;

    (void)state;
    sign(&request, NOW_MS / 1000, "ampoule", "X-Ampoule-Card:   " PAN "   " PAN "\r\n", "x-ampoule-card;", BODY);
    assert_int_equal(check_answered(&request), AMP_OK);
    char *space = strchr(request.text, ' ') + 1;
    char with_query[sizeof request.text];
    (void)snprintf(with_query, sizeof with_query, "POST /v1/%%34/../redeem?b=" PAN "&card=" PAN "&a=%%3" PAN "%s",
                   strchr(space, ' '));
    memcpy(request.text, with_query, sizeof with_query);
    parse(&request);
    assert_int_equal(check(&request), AMP_ERR_SIGNATURE_MISMATCH);
    assert_false(leaves_residue(&request));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(auth_accepts_a_signed_request_once),
        TEST(auth_asks_the_keeper_once_for_all_who_wait),
        TEST(auth_refuses_every_flipped_bit_of_the_body),
        TEST(auth_refuses_every_flipped_bit_of_the_signature),
        TEST(auth_refuses_dates_outside_the_window_and_takes_its_edges),
        TEST(auth_refuses_another_service),
        TEST(auth_refuses_the_native_scope_on_a_route_of_sqs),
        TEST(auth_takes_an_sqs_request_again_on_its_connection_alone),
        TEST(auth_limits_the_rate_of_repeated_sqs_requests),
        TEST(auth_refuses_unsigned_headers_that_matter),
        TEST(auth_refuses_a_payload_that_is_not_the_one_declared),
        TEST(auth_says_why_a_key_is_refused),
        TEST(auth_ends_an_expiring_key_at_its_time),
        TEST(auth_forgets_a_key_that_changed),
        TEST(auth_limits_the_rate_of_a_principal),
        TEST(auth_fails_closed_without_the_keeper),
        TEST(auth_never_asks_for_a_key_id_that_was_never_given_out),
        TEST(auth_tells_no_claimed_id_of_another_form),
        TEST(auth_leaves_nothing_of_a_refused_request_on_the_stack),
    };
    if (amp_secret_init(64 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
