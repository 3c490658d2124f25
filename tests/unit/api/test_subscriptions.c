/* /v1/subscriptions and /v1/stats (spec sections 3 and 5): what is asked of keeper and courier, and what is answered.
 */
#include "fixture.h"

#include <string.h>

#include "api/internal.h"

#define PATH   "/v1/subscriptions"
#define URL    "https://gateway.example/ampoule"
#define PLAIN  "{\"queue\":\"payments\",\"url\":\"" URL "\"}"
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw3mN7sT1vXyA="
#define SUB_A  "sub_YWFhYWFhYWFhYWFhYWFhYQ" /* sixteen times 'a' */
#define SUB_B  "sub_YmJiYmJiYmJiYmJiYmJiYg"

/* As the keeper answers: the id is of `id` throughout. */
static struct amp_api_answer told(enum amp_err err, uint8_t id)
{
    struct amp_api_answer it = {.err = err};
    memset(it.subscription, id, sizeof it.subscription);
    if (err == AMP_OK)
        it.secret = AMP_SLICE_LIT(SECRET);
    return it;
}

static int keeper_says(enum amp_err err)
{
    struct amp_api_answer it = told(err, 'a');
    return resume(AMP_RESUME_ANSWER, &it);
}

static int courier_says(enum amp_err err, uint32_t http_status)
{
    struct amp_api_answer it = {.err = err, .http_status = http_status};
    return resume(AMP_RESUME_ANSWER, &it);
}

static void assert_asked(enum amp_api_ask_kind kind)
{
    assert_int_equal(answer.response.park.kind, AMP_PARK_ASK);
    assert_int_equal(answer.response.park.ask, fx.ask_count);
    assert_memory_equal(answer.response.park.who, fx.who->key_id, AMP_PRINCIPAL_KEY_ID_LEN);
    assert_true(answer.response.park.until_mono_ms > fx.hands.mono_ms);
    assert_int_equal(fx.asked.kind, kind);
}

static void assert_no_ask(void)
{
    assert_int_equal(fx.ask_count, 0);
    assert_int_equal(answer.response.park.kind, AMP_PARK_NONE);
}

static void know(uint8_t id, const char *queue, enum amp_subscription_state as)
{
    struct amp_subscription it = subscription_of(id, queue, NULL);
    it.state = as;
    assert_int_equal(amp_subscribers_put(fx.subscribers, &it), AMP_OK);
}

static void assert_event(enum amp_act act, enum amp_err err, const char *queue, const char *subject)
{
    const struct recorded *last = last_event();
    assert_int_equal(last->event.act, act);
    assert_int_equal(last->event.code, err);
    assert_int_equal(last->event.outcome == AMP_OUTCOME_SUCCESS, err == AMP_OK);
    assert_string_equal(last->queue, queue);
    assert_string_equal(last->subject, subject);
    assert_string_equal(last->who, "AMPKAAAAAAAAAAAAAAAA");
}

static void assert_answer(const char *expected)
{
    assert_string_equal(answer.text, expected);
}

static void a_subscription_is_asked_of_the_keeper(void **state)
{
    assert_int_equal(post(PATH, PLAIN), 0);
    assert_asked(AMP_API_ASK_SUBSCRIPTION_CREATE);
    assert_memory_equal(fx.asked.wanted.owner, "AMPKAAAAAAAAAAAAAAAA", 20);
    assert_int_equal(fx.asked.wanted.queue_len, 8);
    assert_memory_equal(fx.asked.wanted.queue, "payments", 8);
    assert_int_equal(fx.asked.wanted.url_len, sizeof URL - 1);
    assert_memory_equal(fx.asked.wanted.url, URL, sizeof URL - 1);
    assert_int_equal(fx.asked.wanted.description_len, 0);
    assert_int_equal(fx.asked.wanted.jwk_len, 0);
    assert_false(fx.asked.wanted.ordered);
    assert_int_equal(amp_subscription_check(&fx.asked.wanted), AMP_OK);
    assert_int_equal(fx.event_count, 0);
    assert_int_equal(keeper_says(AMP_OK), 201);
    assert_answer("{\"id\":\"" SUB_A "\",\"secret\":\"" SECRET "\",\"queue\":\"payments\",\"url\":\"" URL
                  "\",\"ordered\":false}");
    assert_event(AMP_ACT_SUBSCRIPTION_CREATE, AMP_OK, "payments", SUB_A);
}

static void all_that_one_may_have_is_taken(void **state)
{
    assert_int_equal(post(PATH, "{\"jwk\":{\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"kid\":\"mine\","
                                "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"use\":\"enc\",\"kty\":\"EC\","
                                "\"crv\":\"P-256\"},\"description\":\"the \\\"gate\\u00e9\\\"\",\"ordered\":true,"
                                "\"url\":\"" URL "\",\"queue\":\"payments.fifo\"}"),
                     0);
    assert_asked(AMP_API_ASK_SUBSCRIPTION_CREATE);
    assert_int_equal(amp_subscription_check(&fx.asked.wanted), AMP_OK);
    assert_int_equal(fx.asked.wanted.jwk_len, sizeof JWK - 1);
    assert_memory_equal(fx.asked.wanted.jwk, JWK, sizeof JWK - 1);
    assert_true(fx.asked.wanted.ordered);
    assert_int_equal(keeper_says(AMP_OK), 201);
    assert_answer("{\"id\":\"" SUB_A "\",\"secret\":\"" SECRET "\",\"queue\":\"payments.fifo\",\"url\":\"" URL
                  "\",\"ordered\":true,\"description\":\"the \\\"gate\xc3\xa9\\\"\",\"kid\":\"" KID "\"}");
}

static void each_broken_order_has_its_own_error(void **state)
{
    static const struct {
        const char *order;
        const char *code;
    } rows[] = {
        {"{\"queue\":\"payments\"}", "missing_field"},
        {"{\"url\":\"" URL "\"}", "missing_field"},
        {"{\"queue\":\"pay ments\",\"url\":\"" URL "\"}", "queue_invalid"},
        {"{\"queue\":\"\",\"url\":\"" URL "\"}", "queue_invalid"},
        {"{\"queue\":\"*\",\"url\":\"" URL "\"}", "queue_invalid"},
        {"{\"queue\":\"" NUMBER "\",\"url\":\"" URL "\"}", "queue_invalid"},
        {"{\"queue\":\"payments\",\"url\":1}", "wrong_type"},
        {"{\"queue\":\"payments\",\"url\":\"\"}", "url_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"ftp://x/\"}", "url_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"https://u:p@x/\"}", "url_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"http://gateway.example/\"}", "url_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"http://127.0.0.1/\"}", "url_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"" URL "\",\"ordered\":\"yes\"}", "wrong_type"},
        {"{\"queue\":\"payments\",\"url\":\"" URL "\",\"description\":\"a\\nb\"}", "description_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"" URL "\",\"description\":\"\\u007f\"}", "description_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"" URL "\",\"description\":\"\\u0080\"}", "description_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"" URL "\",\"description\":\"a\xc2\x9b"
         "31m\"}",
         "description_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"" URL "\",\"jwk\":null}", "wrong_type"},
        {"{\"queue\":\"payments\",\"url\":\"" URL "\",\"jwk\":{}}", "jwk_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"" URL "\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}", "jwk_invalid"},
        {"{\"queue\":\"payments\",\"url\":\"" URL "\",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"d\":\"" JWK_D
         "\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
         "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}}",
         "jwk_private"},
        {"{\"queue\":\"payments\",\"url\":\"" URL "\",\"secret\":\"whsec_\"}", "unknown_field"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_not_equal(post(PATH, rows[i].order), 0);
        assert_string_equal(code(), rows[i].code);
        assert_null(strstr(answer.text, JWK_D)); /* what was sent is never repeated */
        assert_no_ask();
    }
}

static void texts_may_be_as_long_as_they_may_be(void **state)
{
    char order[8192], text[1100];
    memset(text, 'x', sizeof text);
    for (int over = 0; over < 2; over++) {
        (void)snprintf(order, sizeof order, "{\"queue\":\"payments\",\"url\":\"" URL "\",\"description\":\"%.*s\"}",
                       AMP_SUBSCRIPTION_DESCRIPTION_MAX + over, text);
        assert_int_equal(post(PATH, order), over == 0 ? 0 : 422);
        (void)snprintf(order, sizeof order, "{\"queue\":\"payments\",\"url\":\"https://x/%.*s\"}",
                       AMP_URL_MAX - 10 + over, text);
        assert_int_equal(post(PATH, order), over == 0 ? 0 : 422);
        if (over == 0)
            assert_int_equal(keeper_says(AMP_OK), 201);
    }
}

static void plain_http_goes_to_loopback_in_development_alone(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "127.9.8.7:8080", "localhost:1", "[::1]:8080"};
    static const char *const others[] = {"127.gateway.example", "128.0.0.1", "localhost.example", "[::2]", "gateway"};
    char order[256];
    fx.readiness.dev = true;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        (void)snprintf(order, sizeof order, "{\"queue\":\"payments\",\"url\":\"http://%s/x\"}", hosts[i]);
        assert_int_equal(post(PATH, order), 0);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        (void)snprintf(order, sizeof order, "{\"queue\":\"payments\",\"url\":\"http://%s/x\"}", others[i]);
        assert_int_equal(post(PATH, order), 422);
        assert_string_equal(code(), "url_invalid");
    }
}

static void the_queue_must_be_ones_own_to_manage(void **state)
{
    fx.who = &fx.gateway;
    assert_int_equal(post(PATH, PLAIN), 403);
    assert_string_equal(code(), "not_permitted");
    assert_string_equal(last_event()->queue, "payments");
    fx.gateway.grants[0].permissions |= AMP_MAY_MANAGE;
    assert_int_equal(post(PATH, PLAIN), 0);
    assert_int_equal(post(PATH, "{\"queue\":\"refunds\",\"url\":\"" URL "\"}"), 403);
}

static void who_has_copies_made_for_a_key_must_be_one_who_may_claim(void **state)
{
    static const char order[] = "{\"queue\":\"payments\",\"url\":\"" URL "\",\"jwk\":" JWK "}";
    fx.who = &fx.gateway;
    fx.gateway.grants[0].permissions = AMP_MAY_MANAGE;
    assert_int_equal(post(PATH, PLAIN), 0);
    assert_int_equal(post(PATH, order), 403);
    assert_string_equal(code(), "not_permitted");
    fx.gateway.grants[0].permissions = AMP_MAY_MANAGE | AMP_MAY_CLAIM;
    assert_int_equal(post(PATH, order), 0);
}

static void the_keepers_refusal_is_told(void **state)
{
    assert_int_equal(post(PATH, PLAIN), 0);
    assert_int_equal(keeper_says(AMP_ERR_OVER_LIMIT), 403);
    assert_string_equal(code(), "over_limit");
    assert_event(AMP_ACT_SUBSCRIPTION_CREATE, AMP_ERR_OVER_LIMIT, "payments", "");
    assert_int_equal(post(PATH, PLAIN), 0);
    assert_int_equal(keeper_says(AMP_ERR_IO), 500);
    assert_string_equal(code(), "internal");
}

static void a_keeper_that_does_not_answer_is_unavailable(void **state)
{
    assert_int_equal(post(PATH, PLAIN), 0);
    assert_int_equal(resume(AMP_RESUME_LATE, NULL), 503);
    assert_string_equal(code(), "keeper_unavailable");
    fx.ask_err = AMP_ERR_KEEPER_UNAVAILABLE;
    assert_int_equal(post(PATH, PLAIN), 503);
    assert_int_equal(answer.response.park.kind, AMP_PARK_NONE);
    assert_event(AMP_ACT_SUBSCRIPTION_CREATE, AMP_ERR_KEEPER_UNAVAILABLE, "payments", "");
}

/* A reload makes an api anew, while calls wait. */
static void a_call_that_waits_outlives_its_api(void **state)
{
    fx.key = "subscribe-1";
    assert_int_equal(post(PATH, PLAIN), 0);
    amp_wipe(&fx.api->config, sizeof fx.api->config); /* nobody may look there */
    amp_api_free(fx.api);
    assert_int_equal(amp_api_new(&fx.api, &fx.config), AMP_OK);
    amp_api_response_fini(&answer.response); /* who asked went away: the key is free again */
    assert_int_equal(post(PATH, PLAIN), 0);
    amp_wipe(&fx.api->config, sizeof fx.api->config);
    amp_api_free(fx.api);
    assert_int_equal(amp_api_new(&fx.api, &fx.config), AMP_OK);
    assert_int_equal(keeper_says(AMP_OK), 201);
}

static void what_cannot_be_recorded_is_not_told(void **state)
{
    assert_int_equal(post(PATH, PLAIN), 0);
    fx.record_fails_after = 0;
    assert_int_equal(keeper_says(AMP_OK), 503);
    assert_string_equal(code(), "audit_unavailable");
    assert_null(strstr(answer.text, "whsec_"));
}

static void whoever_goes_away_leaves_nothing(void **state)
{
    fx.key = "k";
    assert_int_equal(post(PATH, PLAIN), 0);
    amp_api_response_fini(&answer.response); /* as front does with a call whose peer is gone */
    assert_int_equal(post(PATH, PLAIN), 0);  /* the key is free */
    assert_int_equal(fx.ask_count, 2);
}

static void a_repeated_order_is_answered_alike(void **state)
{
    fx.key = "order-1";
    assert_int_equal(post(PATH, PLAIN), 0);
    assert_int_equal(keeper_says(AMP_OK), 201);
    char *first = keep(answer.text);
    assert_int_equal(post(PATH, PLAIN), 201);
    assert_string_equal(answer.text, first);
    assert_int_equal(fx.ask_count, 1);
    assert_event(AMP_ACT_SUBSCRIPTION_CREATE, AMP_OK, "payments", SUB_A);
    assert_int_equal(post(PATH, "{\"queue\":\"refunds\",\"url\":\"" URL "\"}"), 422);
    assert_string_equal(code(), "idempotency_mismatch");
    amp_clock_fake_advance(&fx.hands, 600001);
    assert_int_equal(post(PATH, PLAIN), 0);
}

static void a_refused_order_leaves_its_key_free(void **state)
{
    fx.key = "order-1";
    assert_int_equal(post(PATH, PLAIN), 0);
    assert_int_equal(keeper_says(AMP_ERR_OVER_LIMIT), 403);
    assert_int_equal(post(PATH, PLAIN), 0);
    assert_int_equal(fx.ask_count, 2);
}

static void they_are_listed(void **state)
{
    struct amp_subscription second = subscription_of('b', "refunds", JWK);
    assert_int_equal(get(PATH), 200);
    assert_answer("{\"subscriptions\":[]}");
    second.ordered = true;
    second.state = AMP_SUBSCRIPTION_GONE;
    second.description_len = 1;
    second.description[0] = '"';
    know('a', "payments", AMP_SUBSCRIPTION_ACTIVE);
    assert_int_equal(amp_subscribers_put(fx.subscribers, &second), AMP_OK);
    assert_int_equal(get(PATH), 200);
    assert_answer("{\"subscriptions\":["
                  "{\"id\":\"" SUB_A "\",\"queue\":\"payments\",\"url\":\"" URL "\",\"ordered\":false,"
                  "\"state\":\"active\",\"created_at\":\"2026-02-02T02:40:00.220Z\","
                  "\"owner\":\"AMPKAAAAAAAAAAAAAAAA\"},"
                  "{\"id\":\"" SUB_B "\",\"queue\":\"refunds\",\"url\":\"" URL "\",\"ordered\":true,"
                  "\"description\":\"\\\"\",\"kid\":\"" KID "\","
                  "\"state\":\"gone\",\"created_at\":\"2026-02-02T02:40:00.221Z\","
                  "\"owner\":\"AMPKAAAAAAAAAAAAAAAA\"}]}");
    assert_event(AMP_ACT_SUBSCRIPTION_LIST, AMP_OK, "", "");
    assert_int_equal(last_event()->event.count, 2);
}

static void only_those_of_ones_own_queues_are_listed(void **state)
{
    know('a', "refunds", AMP_SUBSCRIPTION_ACTIVE);
    know('b', "payments", AMP_SUBSCRIPTION_ACTIVE);
    know('c', "refunds", AMP_SUBSCRIPTION_ACTIVE);
    fx.who = &fx.gateway;
    assert_int_equal(get(PATH), 403);
    assert_string_equal(code(), "not_permitted");
    fx.gateway.grants[0].permissions |= AMP_MAY_MANAGE;
    assert_int_equal(get(PATH), 200);
    const json_t *list = json_object_get(answer.json, "subscriptions");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "id")), SUB_B);
}

static void as_many_as_there_may_be_are_listed(void **state)
{
    for (uint32_t i = 0; i < AMP_SUBSCRIPTIONS_MAX; i++) {
        struct amp_subscription it = subscription_of(0, "payments", NULL);
        memcpy(it.id, &i, sizeof i);
        it.url_len = AMP_URL_MAX;
        memset(it.url, '"', sizeof it.url); /* never so, and at worst */
        it.description_len = AMP_SUBSCRIPTION_DESCRIPTION_MAX;
        memset(it.description, '\\', sizeof it.description);
        assert_int_equal(amp_subscribers_put(fx.subscribers, &it), AMP_OK);
    }
    assert_int_equal(get(PATH), 200);
    assert_int_equal(json_array_size(json_object_get(answer.json, "subscriptions")), AMP_SUBSCRIPTIONS_MAX);
}

static void nothing_is_said_before_the_keeper_told_them(void **state)
{
    struct amp_subscribers *unknown;
    assert_int_equal(amp_subscribers_new(&unknown), AMP_OK);
    amp_subscribers_free(fx.subscribers);
    fx.subscribers = fx.config.subscribers = unknown;
    amp_api_free(fx.api);
    assert_int_equal(amp_api_new(&fx.api, &fx.config), AMP_OK);
    assert_int_equal(get(PATH), 503);
    assert_string_equal(code(), "keeper_unavailable");
    assert_int_equal(call_route(AMP_METHOD_DELETE, PATH "/" SUB_A, ""), 503);
    assert_int_equal(post("/v1/tokens", ORDER), 503); /* somebody may have subscribed */
    amp_subscribers_told(unknown);
    assert_int_equal(get(PATH), 200);
    assert_int_equal(post("/v1/tokens", ORDER), 201);
}

static void one_is_deleted_by_the_keeper(void **state)
{
    know('a', "payments", AMP_SUBSCRIPTION_ACTIVE);
    assert_int_equal(call_route(AMP_METHOD_DELETE, PATH "/" SUB_A, ""), 0);
    assert_asked(AMP_API_ASK_SUBSCRIPTION_DELETE);
    assert_memory_equal(fx.asked.subscription, "aaaaaaaaaaaaaaaa", 16);
    assert_string_equal(fx.asked.who, "AMPKAAAAAAAAAAAAAAAA");
    assert_int_equal(keeper_says(AMP_OK), 204);
    assert_answer("");
    assert_event(AMP_ACT_SUBSCRIPTION_DELETE, AMP_OK, "payments", SUB_A);
    assert_int_equal(call_route(AMP_METHOD_DELETE, PATH "/" SUB_A, ""), 0);
    assert_int_equal(keeper_says(AMP_ERR_SUBSCRIPTION_UNKNOWN), 404); /* somebody else was first */
    assert_event(AMP_ACT_SUBSCRIPTION_DELETE, AMP_ERR_SUBSCRIPTION_UNKNOWN, "payments", SUB_A);
}

static void each_of(const char *id, enum amp_act last, int status, const char *problem)
{
    char path[256];
    (void)snprintf(path, sizeof path, PATH "/%s", id);
    assert_int_equal(call_route(AMP_METHOD_DELETE, path, ""), status);
    assert_string_equal(code(), problem);
    (void)snprintf(path, sizeof path, PATH "/%s/test", id);
    assert_int_equal(post(path, "{}"), status);
    assert_string_equal(code(), problem);
    (void)snprintf(path, sizeof path, PATH "/%s/rotate", id);
    assert_int_equal(post(path, "{}"), status);
    assert_string_equal(code(), problem);
    assert_int_equal(last_event()->event.act, last);
    assert_no_ask();
}

static void unknown_ones_and_those_of_others_are_told_alike(void **state)
{
    const enum amp_act act = AMP_ACT_SUBSCRIPTION_ROTATE;
    know('a', "refunds", AMP_SUBSCRIPTION_ACTIVE);
    each_of(SUB_B, act, 404, "subscription_unknown");
    each_of("sub_YWFhYWFhYWFhYWFhYWFhYR", act, 404, "subscription_unknown"); /* bits that no id has */
    each_of("a", act, 404, "subscription_unknown");
    each_of(NUMBER, act, 404, "subscription_unknown");
    assert_string_equal(last_event()->subject, ""); /* what is no id is not for the log */
    fx.who = &fx.gateway;
    fx.gateway.grants[0].permissions |= AMP_MAY_MANAGE; /* of payments */
    each_of(SUB_A, act, 404, "subscription_unknown");
    assert_string_equal(last_event()->subject, SUB_A);
}

static void a_rotation_brings_a_new_secret(void **state)
{
    know('a', "payments", AMP_SUBSCRIPTION_FAILING);
    assert_int_equal(post(PATH "/" SUB_A "/rotate", "{}"), 0);
    assert_asked(AMP_API_ASK_SUBSCRIPTION_ROTATE);
    assert_string_equal(fx.asked.who, "AMPKAAAAAAAAAAAAAAAA");
    struct amp_api_answer it = told(AMP_OK, 'a');
    it.older_expires_unix_ms = fx.hands.unix_ms + AMP_SUBSCRIPTION_OVERLAP_MS;
    assert_int_equal(resume(AMP_RESUME_ANSWER, &it), 200);
    assert_answer("{\"id\":\"" SUB_A "\",\"secret\":\"" SECRET "\",\"older_expires_at\":\"2026-02-03T02:40:00.123Z\"}");
    assert_event(AMP_ACT_SUBSCRIPTION_ROTATE, AMP_OK, "payments", SUB_A);
}

/* What its owner before knew signs no more; and cards begin to flow again only by who might have let them. */
static void to_take_one_over_takes_what_making_it_would(void **state)
{
    struct amp_subscription it = subscription_of('a', "payments", JWK);
    it.state = AMP_SUBSCRIPTION_ORPHANED;
    assert_int_equal(amp_subscribers_put(fx.subscribers, &it), AMP_OK);
    fx.who = &fx.gateway;
    fx.gateway.grants[0].permissions = AMP_MAY_MANAGE;
    assert_int_equal(post(PATH "/" SUB_A "/rotate", "{}"), 403);
    assert_string_equal(code(), "not_permitted");
    assert_int_equal(fx.ask_count, 0);
    fx.gateway.grants[0].permissions = AMP_MAY_MANAGE | AMP_MAY_CLAIM;
    assert_int_equal(post(PATH "/" SUB_A "/rotate", "{}"), 0);
    assert_asked(AMP_API_ASK_SUBSCRIPTION_ROTATE);
    assert_int_equal(keeper_says(AMP_OK), 200);
    assert_answer("{\"id\":\"" SUB_A "\",\"secret\":\"" SECRET "\"}");
    it.state = AMP_SUBSCRIPTION_ACTIVE; /* nobody takes this one over */
    assert_int_equal(amp_subscribers_put(fx.subscribers, &it), AMP_OK);
    fx.gateway.grants[0].permissions = AMP_MAY_MANAGE;
    assert_int_equal(post(PATH "/" SUB_A "/rotate", ""), 0);
}

static void a_repeated_rotation_is_none(void **state)
{
    know('a', "payments", AMP_SUBSCRIPTION_ACTIVE);
    know('b', "payments", AMP_SUBSCRIPTION_ACTIVE);
    fx.key = "k";
    assert_int_equal(post(PATH "/" SUB_A "/rotate", ""), 0);
    assert_int_equal(keeper_says(AMP_OK), 200);
    char *first = keep(answer.text);
    assert_int_equal(post(PATH "/" SUB_A "/rotate", ""), 200);
    assert_string_equal(answer.text, first);
    assert_int_equal(fx.ask_count, 1);
    assert_int_equal(post(PATH "/" SUB_B "/rotate", ""), 0); /* another path */
}

static void bodies_that_say_nothing_may_be_empty(void **state)
{
    know('a', "payments", AMP_SUBSCRIPTION_ACTIVE);
    assert_int_equal(post(PATH "/" SUB_A "/rotate", ""), 0);
    assert_int_equal(post(PATH "/" SUB_A "/test", ""), 0);
    assert_int_equal(post(PATH "/" SUB_A "/test", " { } "), 0);
    assert_int_equal(post(PATH "/" SUB_A "/rotate", "{\"overlap\":1}"), 400);
    assert_string_equal(code(), "unknown_field");
    assert_int_equal(post(PATH "/" SUB_A "/rotate", "[]"), 400);
    assert_int_equal(post(PATH "/" SUB_A "/rotate", "{"), 400);
    fx.content_type = "text/plain";
    assert_int_equal(post(PATH "/" SUB_A "/rotate", ""), 415);
    fx.content_type = NULL; /* what is not there has no type */
    assert_int_equal(post(PATH "/" SUB_A "/rotate", ""), 0);
    assert_int_equal(post(PATH "/" SUB_A "/rotate", "{}"), 415);
}

static void a_test_is_pushed_by_the_courier(void **state)
{
    know('a', "payments", AMP_SUBSCRIPTION_ACTIVE);
    assert_int_equal(post(PATH "/" SUB_A "/test", "{}"), 0);
    assert_asked(AMP_API_ASK_SUBSCRIPTION_TEST);
    assert_memory_equal(fx.asked.subscription, "aaaaaaaaaaaaaaaa", 16);
    assert_string_equal(fx.asked.body,
                        "{\"type\":\"ampoule.test\",\"subscription\":\"" SUB_A "\",\"queue\":\"payments\","
                        "\"sent_at\":\"2026-02-02T02:40:00.123Z\"}");
    assert_int_equal(courier_says(AMP_OK, 204), 200);
    assert_answer("{\"delivered\":true,\"status\":204}");
    assert_event(AMP_ACT_SUBSCRIPTION_TEST, AMP_OK, "payments", SUB_A);
}

static void what_came_of_a_test_is_told(void **state)
{
    static const struct {
        enum amp_err err;
        uint32_t status;
        const char *text;
    } rows[] = {
        {AMP_ERR_PUSH_REFUSED, 500, "{\"delivered\":false,\"status\":500,\"code\":\"push_refused\"}"},
        {AMP_ERR_PUSH_REFUSED, 302, "{\"delivered\":false,\"status\":302,\"code\":\"push_refused\"}"},
        {AMP_ERR_PUSH_UNREACHABLE, 0, "{\"delivered\":false,\"code\":\"push_unreachable\"}"},
        {AMP_ERR_PUSH_EXPIRED, 0, "{\"delivered\":false,\"code\":\"push_expired\"}"},
        {AMP_ERR_URL_REFUSED, 0, "{\"delivered\":false,\"code\":\"url_refused\"}"},
    };
    know('a', "payments", AMP_SUBSCRIPTION_ACTIVE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(post(PATH "/" SUB_A "/test", "{}"), 0);
        assert_int_equal(courier_says(rows[i].err, rows[i].status), 200);
        assert_answer(rows[i].text);
        assert_event(AMP_ACT_SUBSCRIPTION_TEST, rows[i].err, "payments", SUB_A);
    }
    assert_int_equal(post(PATH "/" SUB_A "/test", "{}"), 0);
    assert_int_equal(resume(AMP_RESUME_LATE, NULL), 200);
    assert_answer("{\"delivered\":false,\"code\":\"push_unreachable\"}");
}

static void a_test_that_cannot_be_made_is_refused(void **state)
{
    know('a', "payments", AMP_SUBSCRIPTION_GONE);
    know('b', "payments", AMP_SUBSCRIPTION_ACTIVE);
    assert_int_equal(post(PATH "/" SUB_A "/test", "{}"), 409);
    assert_string_equal(code(), "subscription_disabled");
    assert_no_ask();
    assert_int_equal(post(PATH "/" SUB_B "/test", "{}"), 0);
    assert_int_equal(courier_says(AMP_ERR_OVERLOADED, 0), 503);
    fx.ask_err = AMP_ERR_OVERLOADED; /* the courier is away */
    assert_int_equal(post(PATH "/" SUB_B "/test", "{}"), 503);
    assert_string_equal(code(), "overloaded");
}

static void statistics_count_what_there_is(void **state)
{
    fx.counts = (struct amp_api_counts){.connections = 17,
                                        .startups = 5,
                                        .accepted = 4711,
                                        .refused_full = 21,
                                        .refused_source = 22,
                                        .refused_startups = 23,
                                        .refused_penalty = 24,
                                        .parked = 4,
                                        .deliveries_pending = 3,
                                        .deliveries_under_way = 2,
                                        .uptime_ms = 86400000};
    know('a', "payments", AMP_SUBSCRIPTION_GONE);
    (void)new_token();
    assert_int_equal(get("/v1/stats"), 200);
    const json_t *vault = json_object_get(answer.json, "vault"), *push = json_object_get(answer.json, "push");
    assert_int_equal(json_integer_value(json_object_get(vault, "live")), 1);
    assert_int_equal(json_integer_value(json_object_get(vault, "claimed")), 0);
    assert_true(json_integer_value(json_object_get(vault, "bytes")) > 0);
    assert_int_equal(json_integer_value(json_object_get(push, "subscriptions")), 1);
    assert_int_equal(json_integer_value(json_object_get(push, "pending")), 3);
    assert_int_equal(json_integer_value(json_object_get(push, "under_way")), 2);
    assert_int_equal(json_integer_value(json_object_get(answer.json, "connections")), 17);
    assert_int_equal(json_integer_value(json_object_get(answer.json, "startups")), 5);
    assert_int_equal(json_integer_value(json_object_get(answer.json, "accepted")), 4711);
    const json_t *refused = json_object_get(answer.json, "refused");
    assert_int_equal(json_integer_value(json_object_get(refused, "full")), 21);
    assert_int_equal(json_integer_value(json_object_get(refused, "source")), 22);
    assert_int_equal(json_integer_value(json_object_get(refused, "startups")), 23);
    assert_int_equal(json_integer_value(json_object_get(refused, "penalty")), 24);
    assert_int_equal(json_integer_value(json_object_get(answer.json, "parked")), 4);
    assert_int_equal(json_integer_value(json_object_get(answer.json, "uptime_ms")), 86400000);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(answer.json, "queues"), "messages")), 0);
    assert_event(AMP_ACT_STATS, AMP_OK, "", "");
}

static void statistics_are_for_who_manages_all(void **state)
{
    fx.who = &fx.gateway;
    fx.gateway.grants[0].permissions |= AMP_MAY_MANAGE;
    assert_int_equal(get("/v1/stats"), 403);
    assert_string_equal(code(), "not_permitted");
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_subscription_is_asked_of_the_keeper),
        T(all_that_one_may_have_is_taken),
        T(each_broken_order_has_its_own_error),
        T(texts_may_be_as_long_as_they_may_be),
        T(plain_http_goes_to_loopback_in_development_alone),
        T(the_queue_must_be_ones_own_to_manage),
        T(who_has_copies_made_for_a_key_must_be_one_who_may_claim),
        T(the_keepers_refusal_is_told),
        T(a_keeper_that_does_not_answer_is_unavailable),
        T(a_call_that_waits_outlives_its_api),
        T(what_cannot_be_recorded_is_not_told),
        T(whoever_goes_away_leaves_nothing),
        T(a_repeated_order_is_answered_alike),
        T(a_refused_order_leaves_its_key_free),
        T(they_are_listed),
        T(only_those_of_ones_own_queues_are_listed),
        T(as_many_as_there_may_be_are_listed),
        T(nothing_is_said_before_the_keeper_told_them),
        T(one_is_deleted_by_the_keeper),
        T(unknown_ones_and_those_of_others_are_told_alike),
        T(a_rotation_brings_a_new_secret),
        T(to_take_one_over_takes_what_making_it_would),
        T(a_repeated_rotation_is_none),
        T(bodies_that_say_nothing_may_be_empty),
        T(a_test_is_pushed_by_the_courier),
        T(what_came_of_a_test_is_told),
        T(a_test_that_cannot_be_made_is_refused),
        T(statistics_count_what_there_is),
        T(statistics_are_for_who_manages_all),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
