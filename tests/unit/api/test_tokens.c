/* Tokenize, batch and inspect (spec section 3). */
#include "fixture.h"

#include <string.h>

static void assert_json(const char *expected, const json_t *got)
{
    json_t *want = json_loads(expected, 0, NULL);
    assert_non_null(want);
    if (!json_equal(want, got))
        fail_msg("expected %s in %s", expected, answer.text);
    json_decref(want);
}

static int tokenize(const char *order)
{
    return post("/v1/tokens", order);
}

static void a_card_becomes_a_token_and_its_mask(void **state)
{
    assert_int_equal(tokenize(ORDER), 201);
    assert_string_equal(answer.response.content_type, "application/json");
    assert_int_equal(strlen(member("token")), 47);
    assert_memory_equal(member("token"), "tok_", 4);
    assert_string_equal(member("expires_at"), "2026-02-02T02:40:10.123Z");
    assert_string_equal(member("queue"), "payments");
    assert_json(MASKED, json_object_get(answer.json, "card"));
    assert_int_equal(json_object_size(answer.json), 4);
    assert_null(strstr(answer.text, NUMBER));
}

static void the_same_card_twice_gives_two_tokens(void **state)
{
    const char *first = new_token();
    assert_string_not_equal(first, new_token());
}

/* A queue's name is told to the event log. */
static void a_card_number_is_no_queue_name(void **state)
{
    static const char *const broken[] = {
        NUMBER,           "q" NUMBER "q",    "4111-1111-1111-1111", "cards_4111_1111-11111111.fifo",
        "99" NUMBER "99", "378282246310005", "6304000000000000000", "630400000000"};
    static const char *const fine[] = {"411111111111111", "4111111111111114", "41111111x11111111",
                                       "2026-02-02_payments", "79927398713"};
    char order[256];
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        (void)snprintf(order, sizeof order, "{\"data\":1,\"queue\":\"%s\"}", broken[i]);
        assert_int_equal(post("/v1/tokens", order), 422);
        assert_string_equal(code(), "queue_invalid");
        assert_int_equal(last_event()->event.queue.len, 0);
    }
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        (void)snprintf(order, sizeof order, "{\"data\":1,\"queue\":\"%s\"}", fine[i]);
        assert_int_equal(post("/v1/tokens", order), 201);
    }
}

static void queue_and_ttl_have_defaults(void **state)
{
    assert_int_equal(tokenize("{\"card\":" CARD "}"), 201);
    assert_string_equal(member("queue"), "default");
    assert_string_equal(member("expires_at"), "2026-02-02T02:40:10.123Z");
}

static void data_of_any_json_is_sealed_without_a_mask(void **state)
{
    static const char *const texts[] = {"null", "true", "0.5e3", "\"x\"", "[]", "{\"a\":[1,{\"b\":\"\\u00e9\"}]}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char order[256];
        (void)snprintf(order, sizeof order, "{\"data\":%s}", texts[i]);
        assert_int_equal(tokenize(order), 201);
        assert_null(json_object_get(answer.json, "card"));
        assert_int_equal(post("/v1/redeem", body("token", member("token"))), 200);
        char want[256];
        (void)snprintf(want, sizeof want, "{\"queue\":\"default\",\"data\":%s}", texts[i]);
        assert_string_equal(answer.text, want); /* byte for byte as it was sent */
    }
}

static void tokenizing_is_recorded_with_who_where_and_which(void **state)
{
    (void)new_token();
    const struct recorded *made = last_event();
    assert_int_equal(fx.event_count, 1);
    assert_int_equal(made->event.act, AMP_ACT_TOKENIZE);
    assert_int_equal(made->event.outcome, AMP_OUTCOME_SUCCESS);
    assert_true(made->event.has_token);
    assert_int_equal(made->event.unix_ms, NOW_MS);
    assert_int_equal(made->event.request_id, 0xdeadbeef);
    assert_string_equal(made->queue, "payments");
    assert_string_equal(made->who, "AMPKAAAAAAAAAAAAAAAA");
    assert_string_equal(made->source, "192.0.2.1:4711");
}

static void each_broken_order_has_its_own_error(void **state)
{
    static const struct {
        const char *order;
        const char *code;
    } broken[] = {
        {"{\"card\":{\"number\":4111111111111111,\"exp_month\":12,\"exp_year\":2030}}", "card_number_must_be_string"},
        {"{\"card\":{\"number\":\"4111111111111112\",\"exp_month\":12,\"exp_year\":2030}}", "card_number_invalid"},
        {"{\"card\":{\"number\":\"411111111111111a\",\"exp_month\":12,\"exp_year\":2030}}", "card_number_invalid"},
        {"{\"card\":{\"number\":\"4111111111111111\",\"exp_month\":13,\"exp_year\":2030}}", "card_expiry_invalid"},
        {"{\"card\":{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":30}}", "card_expiry_invalid"},
        {"{\"card\":{\"number\":\"4111111111111111\",\"exp_month\":1,\"exp_year\":2026}}", "card_expired"},
        {"{\"card\":{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":2030,\"cvc\":\"12\"}}",
         "card_cvc_invalid"},
        {"{\"card\":{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":2030,\"name\":\"a\\nb\"}}",
         "card_name_invalid"},
        {"{\"card\":{\"number\":\"4111111111111111\",\"exp_month\":12}}", "missing_field"},
        {"{\"card\":{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":2030,\"pin\":\"1\"}}",
         "unknown_field"},
        {"{}", "card_or_data"},
        {"{\"queue\":\"payments\"}", "card_or_data"},
        {"{\"card\":" CARD ",\"data\":1}", "card_or_data"},
        {"{\"card\":null}", "wrong_type"},
        {"{\"data\":1,\"queue\":\"\"}", "queue_invalid"},
        {"{\"data\":1,\"queue\":\".fifo\"}", "queue_invalid"},
        {"{\"data\":1,\"queue\":\"a.b\"}", "queue_invalid"},
        {"{\"data\":1,\"queue\":\"a.fifo.fifo\"}", "queue_invalid"},
        {"{\"data\":1,\"queue\":\"caf\\u00e9\"}", "queue_invalid"},
        {"{\"data\":1,\"queue\":7}", "wrong_type"},
        {"{\"data\":1,\"ttl_ms\":0}", "ttl_invalid"},
        {"{\"data\":1,\"ttl_ms\":-5}", "ttl_invalid"},
        {"{\"data\":1,\"ttl_ms\":1.5}", "ttl_invalid"},
        {"{\"data\":1,\"ttl_ms\":900001}", "ttl_invalid"},
        {"{\"data\":1,\"ttl_ms\":99999999999999999999}", "ttl_invalid"},
        {"{\"data\":1,\"ttl_ms\":\"5\"}", "wrong_type"},
        {"{\"data\":1,\"metadata\":[]}", "wrong_type"},
        {"{\"data\":1,\"metadata\":{\"a\":1}}", "metadata_invalid"},
        {"{\"data\":1,\"metadata\":{\"a\":{\"b\":\"c\"}}}", "metadata_invalid"},
        {"{\"data\":1,\"metadata\":{\"a\":\"1\",\"\\u0061\":\"2\"}}", "json_duplicate_key"},
        {"{\"data\":1,\"data\":1}", "json_duplicate_key"},
        {"{\"data\":1,\"colour\":1}", "unknown_field"},
        {"{\"data\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", "json_too_deep"},
        {"{\"data\":1}x", "malformed_json"},
        {"{\"data\":1", "malformed_json"},
        {"", "malformed_json"},
        {"[]", "wrong_type"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        tokenize(broken[i].order);
        if (strcmp(code(), broken[i].code) != 0)
            fail_msg("%s: %s, not %s", broken[i].order, code(), broken[i].code);
        assert_int_equal(last_event()->event.outcome, AMP_OUTCOME_REFUSED);
        assert_string_equal(amp_err_code(last_event()->event.code), broken[i].code);
    }
    struct amp_vault_stats stats;
    amp_vault_get_stats(fx.vault, &stats);
    assert_int_equal(stats.live, 0);
}

static void queue_names_reach_eighty_bytes_and_may_end_in_fifo(void **state)
{
    char order[256], name[128];
    memset(name, 'q', sizeof name);
    memcpy(name + 75, ".fifo", 6);
    (void)snprintf(order, sizeof order, "{\"data\":1,\"queue\":\"%s\"}", name);
    assert_int_equal(tokenize(order), 201);
    assert_string_equal(member("queue"), name);
    memset(name, 'q', sizeof name);
    memcpy(name + 76, ".fifo", 6);
    (void)snprintf(order, sizeof order, "{\"data\":1,\"queue\":\"%s\"}", name);
    assert_int_equal(tokenize(order), 422);
}

static void ttl_is_taken_at_both_ends(void **state)
{
    assert_int_equal(tokenize("{\"data\":1,\"ttl_ms\":1}"), 201);
    assert_string_equal(member("expires_at"), "2026-02-02T02:40:00.124Z");
    assert_int_equal(tokenize("{\"data\":1,\"ttl_ms\":900000}"), 201);
    assert_string_equal(member("expires_at"), "2026-02-02T02:55:00.123Z");
}

/* {"data":1,"metadata":{...}} with `members` of key and value lengths as given, each character `unit`. */
static int with_metadata(int members, int key_units, int value_units, const char *unit)
{
    static char order[200000];
    size_t len = (size_t)snprintf(order, sizeof order, "{\"data\":1,\"metadata\":{");
    for (int i = 0; i < members; i++) {
        len += (size_t)snprintf(order + len, sizeof order - len, "%s\"", i > 0 ? " , " : " ");
        for (int k = 2; k < key_units; k++)
            len += (size_t)snprintf(order + len, sizeof order - len, "%s", unit);
        len += (size_t)snprintf(order + len, sizeof order - len, "%02d\" : \"", i);
        for (int v = 0; v < value_units; v++)
            len += (size_t)snprintf(order + len, sizeof order - len, "%s", unit);
        len += (size_t)snprintf(order + len, sizeof order - len, "\"");
    }
    (void)snprintf(order + len, sizeof order - len, "}}");
    return tokenize(order);
}

static void metadata_is_bounded_in_the_bytes_it_stands_for(void **state)
{
    assert_int_equal(with_metadata(0, 0, 0, ""), 201);
    assert_int_equal(with_metadata(50, 40, 500, "a"), 201);
    assert_int_equal(with_metadata(51, 2, 1, "a"), 422);
    assert_string_equal(code(), "metadata_invalid");
    assert_int_equal(with_metadata(1, 41, 1, "a"), 422);
    assert_int_equal(with_metadata(1, 2, 501, "a"), 422);
    assert_int_equal(with_metadata(1, 2, 500, "\\n"), 201);
    assert_int_equal(with_metadata(1, 2, 501, "\\\""), 422);
    assert_int_equal(with_metadata(1, 2, 500, "\\u0041"), 201);
    assert_int_equal(with_metadata(1, 2, 250, "\\u00e9"), 201);
    assert_int_equal(with_metadata(1, 2, 251, "\\u00E9"), 422);
    assert_int_equal(with_metadata(1, 2, 166, "\\u20ac"), 201);
    assert_int_equal(with_metadata(1, 2, 167, "\\u20ac"), 422);
    assert_int_equal(with_metadata(1, 2, 125, "\\ud83d\\ude00"), 201);
    assert_int_equal(with_metadata(1, 2, 126, "\\ud83d\\ude00"), 422);
    assert_int_equal(with_metadata(1, 2, 250, "\xc3\xa9"), 201);
    assert_int_equal(with_metadata(1, 2, 251, "\xc3\xa9"), 422);
}

static void a_full_vault_refuses_and_keeps_what_it_has(void **state)
{
    char *token = new_token();
    size_t cap = fx.budget.cap_bytes;
    fx.budget.cap_bytes = fx.budget.used_bytes;
    assert_int_equal(tokenize(ORDER), 503);
    assert_string_equal(code(), "vault_full");
    assert_int_equal(answer.response.retry_after_s, 1);
    assert_int_equal(last_event()->event.outcome, AMP_OUTCOME_FAILURE);
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
    fx.budget.cap_bytes = cap;
    assert_int_equal(tokenize(ORDER), 201);
}

static void without_an_epoch_key_nothing_is_sealed(void **state)
{
    amp_clock_fake_advance(&fx.hands, 600001);
    amp_epochs_sweep(fx.epochs);
    assert_int_equal(tokenize(ORDER), 503);
    assert_string_equal(code(), "keeper_unavailable");
    struct amp_key256 dek = {{8}};
    assert_int_equal(amp_epochs_add(fx.epochs, 2, &dek), AMP_OK);
    assert_int_equal(tokenize(ORDER), 201);
}

static void a_token_that_cannot_be_recorded_does_not_exist(void **state)
{
    struct amp_vault_stats stats;
    fx.record_fails_after = 0;
    assert_int_equal(tokenize(ORDER), 503);
    assert_string_equal(code(), "audit_unavailable");
    assert_null(strstr(answer.text, "tok_"));
    amp_vault_get_stats(fx.vault, &stats);
    assert_int_equal(stats.live, 0);
}

/* Every epoch use is given back, so that a retired key is wiped when the last token is gone. */
static void epoch_keys_die_with_their_last_token(void **state)
{
    struct amp_key256 dek = {{9}};
    char *token = new_token();
    fx.record_fails_after = 0;
    tokenize(ORDER);
    fx.record_fails_after = -1;
    size_t cap = fx.budget.cap_bytes;
    fx.budget.cap_bytes = 0;
    tokenize(ORDER);
    fx.budget.cap_bytes = cap;
    fx.key = "epoch-test";
    assert_int_equal(tokenize("{\"data\":1,\"ttl_ms\":900000}"), 201);
    char *other = keep(member("token"));
    fx.key = NULL;
    amp_clock_fake_advance(&fx.hands, 500000);
    assert_int_equal(amp_epochs_add(fx.epochs, 2, &dek), AMP_OK);
    amp_clock_fake_advance(&fx.hands, 100001);
    amp_epochs_sweep(fx.epochs);
    assert_int_equal(amp_epochs_count(fx.epochs), 2);
    assert_int_equal(post("/v1/redeem", body("token", token)), 410);
    assert_int_equal(post("/v1/revoke", body("token", other)), 204);
    amp_epochs_sweep(fx.epochs);
    assert_int_equal(amp_epochs_count(fx.epochs), 1);
}

static void a_batch_answers_each_item_in_order(void **state)
{
    assert_int_equal(post("/v1/tokens/batch",
                          " { \"items\" : [ " ORDER " , {\"card\":{\"number\":\"4111111111111112\",\"exp_month\":1,"
                          "\"exp_year\":2031}}, 7 ,{\"data\":[\"}],\\\"\"],\"queue\":\"b.fifo\"},{\"x\":1},[]]}"),
                     200);
    const json_t *results = json_object_get(answer.json, "results");
    assert_int_equal(json_array_size(results), 6);
    assert_json(MASKED, json_object_get(json_array_get(results, 0), "card"));
    assert_json("{\"error\":{\"code\":\"card_number_invalid\",\"status\":422,\"detail\":\"card.number must be 12 to 19 "
                "digits that pass the Luhn check.\"}}",
                json_array_get(results, 1));
    static const char *const codes[] = {NULL, "card_number_invalid", "wrong_type", NULL, "unknown_field", "wrong_type"};
    for (size_t i = 0; i < 6; i++) {
        const json_t *error = json_object_get(json_array_get(results, i), "error");
        const char *got = json_string_value(json_object_get(error, "code"));
        assert_int_equal(fx.events[i].event.outcome, codes[i] == NULL ? AMP_OUTCOME_SUCCESS : AMP_OUTCOME_REFUSED);
        assert_int_equal(fx.events[i].event.act, AMP_ACT_TOKENIZE);
        assert_int_equal(fx.events[i].event.has_token, codes[i] == NULL);
        if (codes[i] != NULL)
            assert_string_equal(got, codes[i]);
        else
            assert_null(error);
    }
    assert_int_equal(fx.event_count, 6);
    assert_string_equal(fx.events[3].queue, "b.fifo");
    assert_string_equal(fx.events[1].queue, "");
    char *token = keep(json_string_value(json_object_get(json_array_get(results, 3), "token")));
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
    assert_string_equal(answer.text, "{\"queue\":\"b.fifo\",\"data\":[\"}],\\\"\"]}");
}

/* {"items":[1,1,...]} */
static int batch_of(size_t count)
{
    static char text[4096];
    size_t len = (size_t)snprintf(text, sizeof text, "{\"items\":[");
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s{\"data\":%zu}", i > 0 ? "," : "", i);
    (void)snprintf(text + len, sizeof text - len, "]}");
    return post("/v1/tokens/batch", text);
}

static void a_batch_holds_one_to_a_hundred_items(void **state)
{
    assert_int_equal(batch_of(0), 422);
    assert_string_equal(code(), "batch_size");
    assert_int_equal(batch_of(101), 422);
    assert_string_equal(code(), "batch_size");
    assert_int_equal(batch_of(1), 200);
    assert_int_equal(batch_of(100), 200);
    const json_t *results = json_object_get(answer.json, "results");
    assert_int_equal(json_array_size(results), 100);
    for (size_t i = 0; i < 100; i++)
        assert_non_null(json_object_get(json_array_get(results, i), "token"));
}

static void a_batch_that_is_no_json_is_refused_whole(void **state)
{
    struct amp_vault_stats stats;
    static const struct {
        const char *text;
        const char *code;
    } broken[] = {
        {"{\"items\":[" ORDER ",{\"data\":}]}", "malformed_json"},
        {"{\"items\":[" ORDER ",{\"data\":1,\"data\":2}]}", "json_duplicate_key"},
        {"{\"items\":[" ORDER "],\"more\":1}", "unknown_field"},
        {"{\"items\":{}}", "wrong_type"},
        {"{}", "missing_field"},
        {"{\"items\":[" ORDER "]} {", "malformed_json"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        post("/v1/tokens/batch", broken[i].text);
        assert_string_equal(code(), broken[i].code);
    }
    amp_vault_get_stats(fx.vault, &stats);
    assert_int_equal(stats.live, 0);
}

static void a_batch_asks_permission_for_every_item(void **state)
{
    fx.gateway.grants[0].permissions = AMP_MAY_TOKENIZE;
    fx.who = &fx.gateway;
    assert_int_equal(post("/v1/tokens/batch", "{\"items\":[{\"data\":1,\"queue\":\"payments\"},{\"data\":2}]}"), 200);
    const json_t *results = json_object_get(answer.json, "results");
    assert_non_null(json_object_get(json_array_get(results, 0), "token"));
    const json_t *error = json_object_get(json_array_get(results, 1), "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "not_permitted");
    assert_string_equal(last_event()->queue, "default");
}

static void a_batch_outlives_a_full_vault_item_by_item(void **state)
{
    fx.record_fails_after = 1;
    assert_int_equal(batch_of(3), 200);
    const json_t *results = json_object_get(answer.json, "results");
    assert_non_null(json_object_get(json_array_get(results, 0), "token"));
    for (size_t i = 1; i < 3; i++) {
        const json_t *error = json_object_get(json_array_get(results, i), "error");
        assert_string_equal(json_string_value(json_object_get(error, "code")), "audit_unavailable");
    }
    struct amp_vault_stats stats;
    amp_vault_get_stats(fx.vault, &stats);
    assert_int_equal(stats.live, 1);
}

static void inspect_tells_the_mask_and_consumes_nothing(void **state)
{
    char *token = new_token();
    amp_clock_fake_advance(&fx.hands, 4000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(post("/v1/inspect", body("token", token)), 200);
        assert_json("{\"state\":\"active\",\"expires_at\":\"2026-02-02T02:40:10.123Z\",\"queue\":\"payments\","
                    "\"kind\":\"card\",\"card\":" MASKED "}",
                    answer.json);
        assert_int_equal(last_event()->event.act, AMP_ACT_INSPECT);
        assert_memory_equal(last_event()->event.token_reference, fx.events[0].event.token_reference, 16);
    }
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
}

static void inspect_tells_of_data_nothing_but_that(void **state)
{
    assert_int_equal(tokenize("{\"data\":{\"iban\":\"CANARY\"},\"metadata\":{\"m\":\"CANARY\"}}"), 201);
    char *token = keep(member("token"));
    assert_int_equal(post("/v1/inspect", body("token", token)), 200);
    assert_json("{\"state\":\"active\",\"expires_at\":\"2026-02-02T02:40:10.123Z\",\"queue\":\"default\","
                "\"kind\":\"data\"}",
                answer.json);
}

static void inspect_sees_a_claim(void **state)
{
    char *token = new_token();
    char text[256];
    (void)snprintf(text, sizeof text, "{\"token\":\"%s\",\"lease_ms\":60000}", token);
    assert_int_equal(post("/v1/claim", text), 200);
    assert_int_equal(post("/v1/inspect", body("token", token)), 200);
    assert_string_equal(member("state"), "claimed");
    assert_string_equal(member("expires_at"), "2026-02-02T02:41:00.123Z");
}

static void inspect_is_refused_where_it_cannot_be_recorded(void **state)
{
    char *token = new_token();
    fx.record_fails_after = 0;
    assert_int_equal(post("/v1/inspect", body("token", token)), 503);
    assert_null(strstr(answer.text, "1111"));
}

static void bin_has_eight_digits_where_configured(void **state)
{
    fx.config.mask_bin8 = true;
    amp_api_free(fx.api);
    assert_int_equal(amp_api_new(&fx.api, &fx.config), AMP_OK);
    assert_int_equal(tokenize(ORDER), 201);
    assert_string_equal(json_string_value(json_object_get(json_object_get(answer.json, "card"), "bin")), "41111111");
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_card_becomes_a_token_and_its_mask),
        T(the_same_card_twice_gives_two_tokens),
        T(a_card_number_is_no_queue_name),
        T(queue_and_ttl_have_defaults),
        T(data_of_any_json_is_sealed_without_a_mask),
        T(tokenizing_is_recorded_with_who_where_and_which),
        T(each_broken_order_has_its_own_error),
        T(queue_names_reach_eighty_bytes_and_may_end_in_fifo),
        T(ttl_is_taken_at_both_ends),
        T(metadata_is_bounded_in_the_bytes_it_stands_for),
        T(a_full_vault_refuses_and_keeps_what_it_has),
        T(without_an_epoch_key_nothing_is_sealed),
        T(a_token_that_cannot_be_recorded_does_not_exist),
        T(epoch_keys_die_with_their_last_token),
        T(a_batch_answers_each_item_in_order),
        T(a_batch_holds_one_to_a_hundred_items),
        T(a_batch_that_is_no_json_is_refused_whole),
        T(a_batch_asks_permission_for_every_item),
        T(a_batch_outlives_a_full_vault_item_by_item),
        T(inspect_tells_the_mask_and_consumes_nothing),
        T(inspect_tells_of_data_nothing_but_that),
        T(inspect_sees_a_claim),
        T(inspect_is_refused_where_it_cannot_be_recorded),
        T(bin_has_eight_digits_where_configured),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
