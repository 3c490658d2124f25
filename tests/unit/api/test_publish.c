/* How queues and subscribers learn of new tokens (spec sections 4 and 5), and what the courier is handed. */
#include "fixture.h"

#include <string.h>

#include "api/message.h"

#define QUEUE "payments"
#define PRIVATE                                                                                                        \
    "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","                         \
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"d\":\"" JWK_D "\"}"

static struct amp_slice slice(const char *text)
{
    return amp_slice_str(text);
}

static void make_queue(const char *name)
{
    struct amp_queue_settings settings;
    bool existed;
    amp_queue_settings_default(&settings, amp_queue_name_is_fifo(slice(name)));
    assert_int_equal(fx.queues.ops->create(fx.queues.self, slice(name), &settings, NULL, &existed), AMP_OK);
}

static void subscribe(uint8_t id, const char *queue, const char *jwk)
{
    struct amp_subscription it = subscription_of(id, queue, jwk);
    assert_int_equal(amp_subscribers_put(fx.subscribers, &it), AMP_OK);
    fx.available = 1;
}

static struct amp_engine_stats stats(void)
{
    struct amp_engine_stats found = {0};
    fx.queues.ops->stats(fx.queues.self, &found);
    return found;
}

static uint64_t live_tokens(void)
{
    struct amp_vault_stats found;
    amp_vault_get_stats(fx.vault, &found);
    return found.live;
}

/* The `back`-th last event, 0 the last. */
static const struct recorded *event(size_t back)
{
    assert_true(fx.event_count > back);
    return &fx.events[fx.event_count - 1 - back];
}

static const uint8_t *last_message(void)
{
    assert_int_equal(last_event()->event.act, AMP_ACT_MESSAGE_SEND);
    assert_true(last_event()->event.has_message);
    assert_false(last_event()->event.has_token);
    return last_event()->event.token_reference;
}

/* What is pushed of it to the subscription of this id; NULL where it is gone. */
static char *pushed(const char *queue, const uint8_t *message, uint8_t id)
{
    struct amp_secret_buf body = {NULL, 0, 0};
    struct amp_subscription to = subscription_of(id, queue, NULL);
    char *text = NULL;
    enum amp_err err = amp_api_open_for_push(fx.api, slice(queue), message, to.id, &body);
    if (err == AMP_OK) {
        assert_int_equal(amp_secret_buf_append(&body, "", 1), AMP_OK);
        text = keep((const char *)body.ptr);
    } else {
        assert_int_equal(err, AMP_ERR_NOT_FOUND);
        assert_int_equal(body.len, 0);
    }
    amp_secret_buf_free(&body);
    return text;
}

/* A JWE, opened with the subscriber's private key. */
static char *opened(const char *jwe)
{
    struct amp_jwk key;
    struct amp_secret_buf plain = {NULL, 0, 0};
    char text[] = PRIVATE;
    assert_int_equal(amp_jwk_parse(&key, (uint8_t *)text, sizeof text - 1, true), AMP_OK);
    assert_int_equal(amp_jwe_decrypt(&plain, &key, slice(jwe)), AMP_OK);
    assert_int_equal(amp_secret_buf_append(&plain, "", 1), AMP_OK);
    char *kept = keep((const char *)plain.ptr);
    amp_secret_buf_free(&plain);
    amp_jwk_fini(&key);
    return kept;
}

/* The member "sealed" of a pushed body, alone. */
static char *sealed_of(const char *body)
{
    json_t *json = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    const char *text = json_string_value(json_object_get(json, "sealed"));
    char *kept = text != NULL ? keep(text) : NULL;
    json_decref(json);
    return kept;
}

static void a_queue_that_is_not_there_gets_nothing(void **state)
{
    (void)new_token();
    assert_int_equal(fx.event_count, 1);
    assert_int_equal(stats().queues, 0);
    assert_int_equal(stats().messages, 0);
}

static void a_queue_that_is_there_gets_a_message(void **state)
{
    char want[1024];
    make_queue(QUEUE);
    char *token = new_token();
    assert_int_equal(stats().messages, 1);
    assert_int_equal(fx.event_count, 2);
    assert_int_equal(event(1)->event.act, AMP_ACT_TOKENIZE);
    assert_string_equal(event(0)->queue, QUEUE);
    assert_string_equal(event(0)->who, "AMPKAAAAAAAAAAAAAAAA");
    assert_int_equal(event(0)->event.request_id, event(1)->event.request_id);
    (void)snprintf(want, sizeof want,
                   "{\"token\":\"%s\",\"expires_at\":\"2026-02-02T02:40:10.123Z\",\"card\":" MASKED
                   ",\"metadata\":{\"order\":\"42\"}}",
                   token);
    assert_string_equal(pushed(QUEUE, last_message(), 'a'), want);
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
}

static void data_has_no_mask(void **state)
{
    char want[256];
    make_queue("default");
    assert_int_equal(post("/v1/tokens", "{\"data\":{\"secret\":\"canary\"}}"), 201);
    (void)snprintf(want, sizeof want, "{\"token\":\"%s\",\"expires_at\":\"%s\"}", member("token"),
                   member("expires_at"));
    assert_string_equal(pushed("default", last_message(), 'a'), want);
}

/* What XML cannot hold is written as JSON alone can. */
static void metadata_is_text_for_xml_too(void **state)
{
    make_queue("default");
    assert_int_equal(post("/v1/tokens", "{\"data\":1,\"metadata\":{\"a\":\"\xef\xbf\xbf<\xef\xbf\xbd\xef\xbf\xbe\"}}"),
                     201);
    const char *text = pushed("default", last_message(), 'a');
    assert_non_null(strstr(text, ",\"metadata\":{\"a\":\"\\uffff<\xef\xbf\xbd\\ufffe\"}}"));
    assert_int_equal(post("/v1/tokens", "{\"data\":1,\"metadata\":{\"a\":\"\xef\xbf\xbd\"}}"), 201);
    assert_non_null(strstr(pushed("default", last_message(), 'a'), "{\"a\":\"\xef\xbf\xbd\"}}"));
}

static void a_queue_that_is_subscribed_to_is_made(void **state)
{
    struct amp_queue_view view;
    subscribe('a', QUEUE, NULL);
    (void)new_token();
    assert_int_equal(fx.announced, 1);
    assert_int_equal(fx.event_count, 3);
    assert_int_equal(event(2)->event.act, AMP_ACT_QUEUE_CREATE);
    assert_string_equal(event(2)->queue, QUEUE);
    assert_false(event(2)->event.has_token);
    assert_int_equal(fx.queues.ops->look(fx.queues.self, slice(QUEUE), &view), AMP_OK);
    assert_int_equal(view.available, 1);
    assert_int_equal(view.settings.retention_s, 345600);
    (void)new_token();
    assert_int_equal(fx.event_count, 5); /* it is made once */
}

static void a_disabled_subscription_makes_no_queue(void **state)
{
    struct amp_subscription it = subscription_of('a', QUEUE, JWK);
    it.state = AMP_SUBSCRIPTION_FAILING;
    assert_int_equal(amp_subscribers_put(fx.subscribers, &it), AMP_OK);
    (void)new_token();
    assert_int_equal(stats().queues, 0);
    make_queue(QUEUE);
    (void)new_token();
    assert_null(sealed_of(pushed(QUEUE, last_message(), 'a'))); /* nor is anything encrypted to it */
}

static void each_subscriber_with_a_key_has_a_copy_of_its_own(void **state)
{
    subscribe('a', QUEUE, JWK);
    subscribe('b', QUEUE, NULL);
    subscribe('c', QUEUE, JWK);
    (void)new_token();
    const char *a = sealed_of(pushed(QUEUE, last_message(), 'a'));
    const char *c = sealed_of(pushed(QUEUE, last_message(), 'c'));
    assert_non_null(a);
    assert_non_null(c);
    assert_string_not_equal(a, c);
    assert_null(sealed_of(pushed(QUEUE, last_message(), 'b')));
    const char *want = "{\"queue\":\"payments\",\"card\":" CARD ",\"metadata\":{\"order\":\"42\"}}";
    assert_string_equal(opened(a), want);
    assert_string_equal(opened(c), want);
    assert_null(strstr(pushed(QUEUE, last_message(), 'a'), NUMBER));
}

static void a_copy_holds_what_a_redemption_tells(void **state)
{
    subscribe('a', "default", JWK);
    assert_int_equal(post("/v1/tokens", "{\"data\":[1,{\"x\":\"\\u00e9\"}],\"metadata\":{\"k\":\"v\"}}"), 201);
    char *token = keep(member("token"));
    char *copy = opened(sealed_of(pushed("default", last_message(), 'a')));
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
    assert_string_equal(copy, answer.text);
}

static void who_polls_sees_every_copy(void **state)
{
    struct amp_message_out found;
    struct amp_message message;
    struct amp_secret_buf sealed = {NULL, 0, 0}, plain = {NULL, 0, 0};
    char text[4096] = "";
    for (uint8_t id = 'a'; id <= 'b'; id++) {
        subscribe(id, QUEUE, JWK);
        (void)new_token();
        assert_int_equal(fx.queues.ops->peek(fx.queues.self, slice(QUEUE), last_message(), &found, &sealed), AMP_OK);
        assert_memory_equal(found.sender, "AMPKAAAAAAAAAAAAAAAA", 20);
        assert_int_equal(found.expires_unix_ms, NOW_MS + 10000);
        assert_int_equal(amp_message_open(fx.api, &found, amp_slice(sealed.ptr + found.sealed_at, found.sealed_len),
                                          &plain, &message),
                         AMP_OK);
        struct amp_out out = amp_out(text, sizeof text - 1);
        amp_message_write_body(&out, &message, NULL);
        text[out.len] = '\0';
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        const json_t *copies = json_object_get(json, "sealed");
        assert_true(id == 'a' ? json_is_string(copies) : json_array_size(copies) == 2);
        json_decref(json);
        amp_secret_buf_free(&sealed);
        amp_secret_buf_free(&plain);
    }
}

static void a_message_dies_with_its_token(void **state)
{
    make_queue(QUEUE);
    (void)new_token();
    uint8_t id[AMP_MESSAGE_ID_LEN];
    memcpy(id, last_message(), sizeof id);
    amp_clock_fake_advance(&fx.hands, 9999);
    assert_non_null(pushed(QUEUE, id, 'a'));
    amp_clock_fake_advance(&fx.hands, 1);
    assert_null(pushed(QUEUE, id, 'a'));
    assert_null(pushed("nowhere", id, 'a'));
}

/* FIFO queues forget what they saw within five minutes: no token may be taken for another. */
static void tokens_come_in_order_and_none_is_a_duplicate(void **state)
{
    static const char order[] = "{\"data\":1,\"queue\":\"payments.fifo\"}";
    struct amp_receive receive = {.queue = AMP_SLICE_LIT("payments.fifo"), .most = 10, .visibility_ms = -1};
    struct amp_message_out found[AMP_RECEIVE_MAX];
    struct amp_secret_buf sealed = {NULL, 0, 0};
    uint8_t sent[3][AMP_MESSAGE_ID_LEN];
    size_t count = 0;
    subscribe('a', "payments.fifo", NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(post("/v1/tokens", order), 201);
        memcpy(sent[i], last_message(), sizeof sent[i]);
    }
    assert_int_equal(stats().messages, 3);
    assert_int_equal(fx.queues.ops->receive(fx.queues.self, &receive, found, &count, &sealed), AMP_OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(found[i].receipt.id, sent[i], sizeof sent[i]);
    amp_secret_buf_free(&sealed);
}

static void what_cannot_be_put_is_no_token(void **state)
{
    subscribe('a', QUEUE, NULL);
    fx.available = -1; /* front can take no more deliveries now */
    assert_int_equal(post("/v1/tokens", ORDER), 503);
    assert_string_equal(code(), "vault_full");
    assert_int_equal(live_tokens(), 0);
    assert_int_equal(stats().messages, 0);
    assert_int_equal(last_event()->event.act, AMP_ACT_TOKENIZE);
    assert_int_equal(last_event()->event.outcome, AMP_OUTCOME_FAILURE);
    assert_true(last_event()->event.has_token);
}

static void a_queue_that_was_just_deleted_takes_no_token(void **state)
{
    subscribe('a', QUEUE, NULL);
    make_queue(QUEUE);
    assert_int_equal(fx.queues.ops->destroy(fx.queues.self, slice(QUEUE)), AMP_OK);
    assert_int_equal(post("/v1/tokens", ORDER), 409);
    assert_string_equal(code(), "queue_deleted_recently");
    assert_int_equal(live_tokens(), 0);
    amp_clock_fake_advance(&fx.hands, 60001);
    assert_int_equal(post("/v1/tokens", ORDER), 201);
}

/* An operator who says that messages of a queue live a second expects copies of cards in it to live no longer. */
static void a_message_lives_no_longer_than_its_queue_says(void **state)
{
    struct amp_queue_settings settings;
    bool existed;
    amp_queue_settings_default(&settings, false);
    settings.ttl_ms = 1000;
    assert_int_equal(fx.queues.ops->create(fx.queues.self, slice(QUEUE), &settings, NULL, &existed), AMP_OK);
    (void)new_token(); /* for 10 s */
    uint8_t id[AMP_MESSAGE_ID_LEN];
    memcpy(id, last_message(), sizeof id);
    amp_clock_fake_advance(&fx.hands, 999);
    assert_non_null(pushed(QUEUE, id, 'a'));
    amp_clock_fake_advance(&fx.hands, 1);
    assert_null(pushed(QUEUE, id, 'a'));
    assert_int_equal(live_tokens(), 1); /* which can be redeemed for as long as was said */
}

static void what_cannot_be_recorded_is_no_token(void **state)
{
    make_queue(QUEUE);
    for (long records = 0; records < 2; records++) { /* of the token, and of its message */
        fx.record_fails_after = records;
        assert_int_equal(post("/v1/tokens", ORDER), 503);
        assert_string_equal(code(), "audit_unavailable");
        assert_int_equal(live_tokens(), 0);
    }
}

/* Copies for all of them would be longer than any message may be. */
static void a_message_has_its_longest(void **state)
{
    static char order[200100];
    size_t len = (size_t)snprintf(order, sizeof order, "{\"queue\":\"payments\",\"data\":\"");
    memset(order + len, 'x', 200000);
    memcpy(order + len + 200000, "\"}", 3);
    for (uint8_t id = 'a'; id <= 'h'; id++) {
        subscribe(id, QUEUE, JWK);
        bool fits = id < 'd';
        assert_int_equal(post("/v1/tokens", order), fits ? 201 : 413);
        assert_int_equal(live_tokens(), fits ? (uint64_t)(id - 'a' + 1) : 3);
    }
    assert_string_equal(code(), "body_too_large");
    assert_int_equal(stats().messages, 3);
}

static void a_repetition_is_no_second_message(void **state)
{
    make_queue(QUEUE);
    fx.key = "order-1";
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    assert_int_equal(stats().messages, 1);
    fx.key = "batch-1";
    assert_int_equal(post("/v1/tokens/batch", "{\"items\":[" ORDER "," ORDER "]}"), 200);
    assert_int_equal(post("/v1/tokens/batch", "{\"items\":[" ORDER "," ORDER "]}"), 200);
    assert_int_equal(stats().messages, 3);
}

static void items_of_a_batch_stand_or_fall_alone(void **state)
{
    make_queue("refunds");
    assert_int_equal(fx.queues.ops->destroy(fx.queues.self, slice("refunds")), AMP_OK);
    subscribe('a', "refunds", NULL);
    make_queue(QUEUE);
    assert_int_equal(
        post("/v1/tokens/batch", "{\"items\":[" ORDER ",{\"data\":1,\"queue\":\"refunds\"}," ORDER ",{\"data\":1}]}"),
        200);
    const json_t *results = json_object_get(answer.json, "results");
    const json_t *error = json_object_get(json_array_get(results, 1), "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "queue_deleted_recently");
    assert_int_equal(stats().messages, 2);
    assert_int_equal(live_tokens(), 3); /* the one into no queue, too */
}

static void nothing_is_left_of_what_was_encrypted(void **state)
{
    subscribe('a', QUEUE, JWK);
    size_t before = amp_secret_used();
    (void)new_token();
    amp_clock_fake_advance(&fx.hands, 11000); /* a second behind it all is wiped */
    struct amp_engine_swept swept = {0};
    uint64_t expired = 0, lapsed = 0;
    while (fx.queues.ops->sweep(fx.queues.self, 0, 1, 1000, &swept))
        ;
    for (size_t i = 0; i < amp_vault_stripes(fx.vault); i++)
        (void)amp_vault_sweep(fx.vault, i, 1000, &expired, &lapsed);
    assert_int_equal(swept.expired, 1);
    assert_int_equal(expired, 1);
    /* Scratch that is kept for the next call is small. */
    assert_true(amp_secret_used() - before < 65536);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_queue_that_is_not_there_gets_nothing),
        T(a_queue_that_is_there_gets_a_message),
        T(data_has_no_mask),
        T(metadata_is_text_for_xml_too),
        T(a_queue_that_is_subscribed_to_is_made),
        T(a_disabled_subscription_makes_no_queue),
        T(each_subscriber_with_a_key_has_a_copy_of_its_own),
        T(a_copy_holds_what_a_redemption_tells),
        T(who_polls_sees_every_copy),
        T(a_message_dies_with_its_token),
        T(tokens_come_in_order_and_none_is_a_duplicate),
        T(what_cannot_be_put_is_no_token),
        T(a_queue_that_was_just_deleted_takes_no_token),
        T(a_message_lives_no_longer_than_its_queue_says),
        T(what_cannot_be_recorded_is_no_token),
        T(a_message_has_its_longest),
        T(a_repetition_is_no_second_message),
        T(items_of_a_batch_stand_or_fall_alone),
        T(nothing_is_left_of_what_was_encrypted),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
