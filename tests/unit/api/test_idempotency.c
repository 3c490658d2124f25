/* Idempotency-Key: same key, principal, route and body, same answer; other body, refused (spec section 3). */
#include "fixture.h"

#include <string.h>

static void a_repeated_order_gets_the_same_answer(void **state)
{
    struct amp_vault_stats stats;
    fx.key = "order-42";
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    char *first = keep(answer.text);
    amp_clock_fake_advance(&fx.hands, 5000);
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    assert_string_equal(answer.text, first);
    amp_vault_get_stats(fx.vault, &stats);
    assert_int_equal(stats.live, 1);
    assert_int_equal(fx.event_count, 2);
    assert_memory_equal(fx.events[0].event.token_reference, fx.events[1].event.token_reference, 16);
}

static void another_body_is_refused(void **state)
{
    fx.key = "order-42";
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    assert_int_equal(post("/v1/tokens", "{\"data\":1}"), 422);
    assert_string_equal(code(), "idempotency_mismatch");
    assert_int_equal(post("/v1/tokens", ORDER " "), 422); /* bytes, not meaning, are compared */
}

static void keys_are_each_principals_and_each_routes_own(void **state)
{
    fx.key = "k";
    assert_int_equal(post("/v1/tokens", "{\"data\":1}"), 201);
    char *first = keep(member("token"));
    struct amp_principal other = fx.shop;
    memcpy(other.name, "shob", 4);
    fx.who = &other;
    assert_int_equal(post("/v1/tokens", "{\"data\":1}"), 201);
    assert_string_not_equal(member("token"), first);
    fx.who = &fx.shop;
    assert_int_equal(post("/v1/redeem", body("token", first)), 200);
    fx.key = "K";
    assert_int_equal(post("/v1/tokens", "{\"data\":1}"), 201);
    assert_string_not_equal(member("token"), first);
}

static void a_rotated_key_of_the_same_name_repeats(void **state)
{
    struct amp_principal next = fx.shop;
    memcpy(next.key_id, "AMPKDDDDDDDDDDDDDDDD", sizeof next.key_id);
    fx.key = "k";
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    char *first = keep(answer.text);
    fx.who = &next;
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    assert_string_equal(answer.text, first);
}

/* A lease defers the token's end: while it lives there must be no second one. */
static void the_answer_lasts_as_long_as_a_lease_may_keep_the_token(void **state)
{
    static const char *const paths[] = {"/v1/tokens", "/v1/tokens/batch"};
    static const char *const orders[] = {ORDER, "{\"items\":[" ORDER "]}"};
    for (size_t i = 0; i < 2; i++) {
        char lease[128];
        fx.key = "k";
        assert_int_equal(post(paths[i], orders[i]), i == 0 ? 201 : 200);
        char *first = keep(answer.text);
        (void)snprintf(lease, sizeof lease, "{\"token\":\"%.47s\",\"lease_ms\":60000}", strstr(first, "tok_"));
        amp_clock_fake_advance(&fx.hands, 9999);
        fx.key = NULL;
        assert_int_equal(post("/v1/claim", lease), 200);
        fx.key = "k";
        amp_clock_fake_advance(&fx.hands, 59999);
        assert_int_equal(post(paths[i], orders[i]), i == 0 ? 201 : 200);
        assert_string_equal(answer.text, first);
        amp_clock_fake_advance(&fx.hands, 1);
        (void)post(paths[i], orders[i]);
        assert_non_null(strstr(answer.text, "token_gone"));
        assert_non_null(strstr(answer.text, "expired"));
    }
}

static void the_answer_lasts_as_long_as_the_token(void **state)
{
    fx.key = "k";
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    char *token = keep(member("token"));
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
    assert_int_equal(post("/v1/tokens", ORDER), 410);
    assert_string_equal(member("reason"), "used");
    assert_false(last_event()->event.alarm);
    amp_clock_fake_advance(&fx.hands, 69999);
    assert_int_equal(post("/v1/tokens", ORDER), 410);
    amp_clock_fake_advance(&fx.hands, 1);
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    assert_string_not_equal(member("token"), token);
}

static void permission_lost_meanwhile_is_lost(void **state)
{
    fx.key = "k";
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    fx.shop.grants[0].permissions = AMP_MAY_CLAIM;
    assert_int_equal(post("/v1/tokens", ORDER), 403);
}

static void a_refused_order_frees_its_key(void **state)
{
    fx.key = "k";
    fx.record_fails_after = 0;
    assert_int_equal(post("/v1/tokens", ORDER), 503);
    fx.record_fails_after = -1;
    assert_int_equal(post("/v1/tokens", "{\"data\":1}"), 201);
    assert_int_equal(amp_idempotency_count(fx.idempotency), 1);
}

/* Where the answer cannot be stored for its repetition there must be no token either. */
static void an_order_whose_answer_finds_no_room_leaves_no_token(void **state)
{
    struct amp_vault_stats before, stats;
    size_t cap = fx.budget.cap_bytes;
    bool refused = false, done = false;
    char *order = keep(ORDER);
    for (size_t room = 0; !done; room += 16) {
        char key[32];
        (void)snprintf(key, sizeof key, "k%zu", room);
        fx.key = key;
        amp_vault_get_stats(fx.vault, &before);
        fx.budget.cap_bytes = fx.budget.used_bytes + room;
        done = post("/v1/tokens", order) == 201;
        fx.budget.cap_bytes = cap;
        amp_vault_get_stats(fx.vault, &stats);
        refused = refused || !done;
        assert_int_equal(stats.live, before.live + (done ? 1 : 0));
    }
    assert_true(refused);
    assert_int_equal(amp_idempotency_count(fx.idempotency), 1);
}

static void a_batch_repeats_item_by_item(void **state)
{
    const char *batch = "{\"items\":[" ORDER ",{\"data\":1,\"queue\":\"?\"},{\"data\":2,\"ttl_ms\":60000}]}";
    fx.key = "b";
    assert_int_equal(post("/v1/tokens/batch", batch), 200);
    char *first = keep(answer.text);
    const json_t *results = json_object_get(answer.json, "results");
    char *token = keep(json_string_value(json_object_get(json_array_get(results, 0), "token")));
    assert_int_equal(post("/v1/tokens/batch", batch), 200);
    assert_string_equal(answer.text, first);
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
    assert_int_equal(post("/v1/tokens/batch", batch), 200);
    results = json_object_get(answer.json, "results");
    const json_t *error = json_object_get(json_array_get(results, 0), "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "token_gone");
    assert_string_equal(json_string_value(json_object_get(error, "reason")), "used");
    assert_non_null(json_object_get(json_array_get(results, 2), "token"));
    assert_int_equal(post("/v1/tokens/batch", "{\"items\":[1]}"), 422);
    assert_string_equal(code(), "idempotency_mismatch");
}

static void a_batch_without_a_token_keeps_nothing(void **state)
{
    fx.key = "b";
    assert_int_equal(post("/v1/tokens/batch", "{\"items\":[1]}"), 200);
    assert_int_equal(amp_idempotency_count(fx.idempotency), 0);
}

static void a_batch_whose_answer_finds_no_room_leaves_no_token(void **state)
{
    struct amp_vault_stats stats;
    size_t cap = fx.budget.cap_bytes;
    int status = 0;
    char *batch = keep("{\"items\":[{\"data\":1,\"ttl_ms\":1000},{\"data\":2}]}");
    fx.key = "b";
    for (size_t room = 0; status != 200; room += 32) {
        fx.budget.cap_bytes = fx.budget.used_bytes + room;
        status = post("/v1/tokens/batch", batch);
        fx.budget.cap_bytes = cap;
        amp_vault_get_stats(fx.vault, &stats);
        if (status != 200)
            assert_int_equal(stats.live, 0);
        else if (stats.live == 0)
            status = 0; /* both items said vault_full */
    }
}

static void a_repeated_claim_gets_the_same_claim(void **state)
{
    char *token = new_token();
    fx.key = "c";
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
    char *first = keep(answer.text);
    amp_clock_fake_advance(&fx.hands, 7000);
    fx.hands.unix_ms += 3; /* the clocks are not one */
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
    assert_string_equal(answer.text, first);
    assert_true(last_event()->want_durable);
    assert_false(last_event()->event.alarm);
    fx.key = "d";
    assert_int_equal(post("/v1/claim", body("token", token)), 409);
    assert_true(last_event()->event.alarm);
    fx.key = NULL;
    assert_int_equal(post("/v1/claim", body("token", token)), 409);
    fx.key = "c";
    fx.who = &fx.gateway;
    assert_int_equal(post("/v1/claim", body("token", token)), 409);
}

static void a_claim_told_again_stays_though_its_second_record_fails(void **state)
{
    char *token = new_token();
    fx.key = "c";
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
    char *claim = keep(member("claim"));
    post_unsettled("/v1/claim", body("token", token));
    settle(false);
    assert_int_equal(answer.response.status, 503);
    fx.record_fails_after = 0;
    assert_int_equal(post("/v1/claim", body("token", token)), 503);
    fx.record_fails_after = -1;
    fx.key = NULL;
    assert_int_equal(post("/v1/commit", body("claim", claim)), 204);
}

static char *short_claim(const char *token)
{
    char text[128];
    (void)snprintf(text, sizeof text, "{\"token\":\"%s\",\"lease_ms\":1000}", token);
    return keep(text);
}

static void a_claim_told_again_is_not_told_once_its_lease_has_ended(void **state)
{
    char *token = new_token();
    char *order = short_claim(token);
    fx.key = "c";
    assert_int_equal(post("/v1/claim", order), 200);
    post_unsettled("/v1/claim", order);
    assert_int_equal(answer.response.status, 200);
    amp_clock_fake_advance(&fx.hands, 1000);
    settle(true);
    assert_int_equal(answer.response.status, 410);
    assert_string_equal(code(), "claim_gone");
    assert_null(strstr(answer.text, NUMBER));
}

/* The claim's answer lasts a little longer than its lease: asking again in between must not hold the token anew. */
static void a_key_whose_lease_lapsed_takes_no_lease(void **state)
{
    struct amp_vault_stats stats;
    char *token = new_token();
    char *order = short_claim(token);
    fx.key = "c";
    post_unsettled("/v1/claim", order);
    amp_clock_fake_advance(&fx.hands, 999);
    settle(true);
    amp_clock_fake_advance(&fx.hands, 1);
    fx.key = NULL;
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
    fx.key = "c";
    assert_int_equal(post("/v1/claim", order), 410);
    assert_string_equal(code(), "claim_gone");
    assert_string_equal(member("reason"), "expired");
    amp_vault_get_stats(fx.vault, &stats);
    assert_int_equal(stats.claimed, 1);
}

/* Where the answer of a claim was not kept, the vault knows its repetition: by key and body. */
static void a_claim_whose_answer_was_lost_is_told_again_to_the_same_body_alone(void **state)
{
    char *token = new_token();
    char *order = short_claim(token);
    fx.key = "c";
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
    char *claim = keep(member("claim"));
    struct amp_idempotency *lost = fx.idempotency;
    assert_int_equal(amp_idempotency_new(&fx.idempotency, amp_clock_fake(&fx.hands), &fx.budget), AMP_OK);
    fx.config.idempotency = fx.idempotency;
    amp_api_free(fx.api);
    assert_int_equal(amp_api_new(&fx.api, &fx.config), AMP_OK);
    amp_idempotency_free(lost);
    assert_int_equal(post("/v1/claim", order), 409);
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
    assert_string_equal(member("claim"), claim);
}

static void a_key_whose_claim_has_ended_starts_no_other(void **state)
{
    char *token = new_token();
    fx.key = "c";
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
    assert_int_equal(post("/v1/abort", body("claim", member("claim"))), 204);
    assert_int_equal(post("/v1/claim", body("token", token)), 410);
    assert_string_equal(code(), "claim_gone");
    fx.key = NULL;
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
    fx.key = "c";
    assert_int_equal(post("/v1/claim", body("token", token)), 410);
    assert_string_equal(code(), "claim_gone");
}

static void two_at_once_with_one_key_are_kept_apart(void **state)
{
    char *token = new_token();
    fx.key = "c";
    post_unsettled("/v1/claim", body("token", token));
    struct amp_api_response waiting = answer.response;
    answer.response = (struct amp_api_response){0};
    assert_int_equal(post("/v1/claim", body("token", token)), 409);
    assert_string_equal(code(), "idempotency_in_flight");
    amp_api_settle(fx.api, &waiting, true);
    amp_api_response_fini(&waiting);
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
}

static void a_claim_that_was_taken_back_frees_its_key(void **state)
{
    char *token = new_token();
    fx.key = "c";
    post_unsettled("/v1/claim", body("token", token));
    settle(false);
    assert_int_equal(amp_idempotency_count(fx.idempotency), 0);
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
}

static void a_dropped_answer_leaks_nothing(void **state)
{
    fx.key = "c";
    post_unsettled("/v1/claim", body("token", new_token()));
    /* The fixture frees it unsettled and counts what is left in the pool. */
}

static void ends_of_claims_repeat_as_done(void **state)
{
    static const char *const ends[] = {"/v1/commit", "/v1/abort"};
    for (size_t i = 0; i < 2; i++) {
        char *token = new_token();
        fx.key = NULL;
        assert_int_equal(post("/v1/claim", body("token", token)), 200);
        char *claim = keep(member("claim"));
        fx.key = "e";
        assert_int_equal(post(ends[i], body("claim", claim)), 204);
        size_t events = fx.event_count;
        assert_int_equal(post(ends[i], body("claim", claim)), 204);
        assert_int_equal(fx.event_count, events); /* nothing was done */
        assert_int_equal(post(ends[i], body("claim", "clm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), 422);
        amp_clock_fake_advance(&fx.hands, 599999);
        assert_int_equal(post(ends[i], body("claim", claim)), 204);
        amp_clock_fake_advance(&fx.hands, 1);
        assert_int_not_equal(post(ends[i], body("claim", claim)), 204); /* asked anew, and long gone */
        struct amp_key256 dek = {{1}};
        assert_int_equal(amp_epochs_add(fx.epochs, (uint32_t)i + 2, &dek), AMP_OK);
    }
    char *token = new_token();
    fx.key = "r";
    assert_int_equal(post("/v1/revoke", body("token", token)), 204);
    assert_int_equal(post("/v1/revoke", body("token", token)), 204);
    fx.key = NULL;
    assert_int_equal(post("/v1/revoke", body("token", token)), 410);
}

/* Whoever empties a full vault must be let, with an Idempotency-Key too. */
static void a_full_vault_empties_under_keys(void **state)
{
    static const char *const tokens[] = {"a", "b", "c", "d"};
    char *token[4];
    for (size_t i = 0; i < 4; i++)
        token[i] = new_token();
    size_t cap = fx.budget.cap_bytes;
    fx.budget.cap_bytes = fx.budget.used_bytes;
    fx.key = "full";
    assert_int_equal(post("/v1/tokens", ORDER), 503);
    assert_string_equal(code(), "vault_full");
    for (size_t i = 0; i < 2; i++) {
        fx.key = tokens[i];
        assert_int_equal(post("/v1/claim", body("token", token[i])), 200);
        char *claim = keep(member("claim"));
        assert_int_equal(post("/v1/claim", body("token", token[i])), 200);
        assert_int_equal(post(i == 0 ? "/v1/commit" : "/v1/abort", body("claim", claim)), 204);
        assert_int_equal(post(i == 0 ? "/v1/commit" : "/v1/abort", body("claim", claim)), 204);
    }
    fx.key = tokens[2];
    assert_int_equal(post("/v1/redeem", body("token", token[2])), 200);
    assert_int_equal(post("/v1/redeem", body("token", token[2])), 410);
    assert_false(last_event()->event.alarm);
    assert_int_equal(post("/v1/revoke", body("token", token[3])), 204);
    assert_int_equal(post("/v1/revoke", body("token", token[3])), 204);
    fx.budget.cap_bytes = cap;
}

static void a_redemption_is_never_told_again(void **state)
{
    char *token = new_token();
    fx.key = "r";
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
    assert_int_equal(post("/v1/redeem", body("token", token)), 410);
    assert_string_equal(code(), "token_gone");
    assert_false(last_event()->event.alarm); /* an honest retry */
    assert_int_equal(post("/v1/redeem", body("token", NO_SUCH)), 422);
    assert_string_equal(code(), "idempotency_mismatch");
}

static void keys_have_a_form(void **state)
{
    static char longest[257];
    memset(longest, 'k', 255);
    static const char *const broken[] = {"", "caf\xc3\xa9", "tab\tbed", "\x7f", "a b", "a   b", " ", "k "};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        fx.key = broken[i];
        assert_int_equal(post("/v1/tokens", ORDER), 400);
        assert_string_equal(code(), "idempotency_key_invalid");
        assert_int_equal(post("/v1/inspect", body("token", NO_SUCH)), 400);
    }
    fx.key = longest;
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    longest[255] = 'k';
    assert_int_equal(post("/v1/tokens", ORDER), 400);
    fx.key = "!~\"";
    assert_int_equal(post("/v1/tokens", ORDER), 201);
}

static void inspect_keeps_no_key(void **state)
{
    char *token = new_token();
    fx.key = "i";
    assert_int_equal(post("/v1/inspect", body("token", token)), 200);
    assert_int_equal(post("/v1/inspect", body("token", NO_SUCH)), 404);
    assert_int_equal(amp_idempotency_count(fx.idempotency), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_repeated_order_gets_the_same_answer),
        T(another_body_is_refused),
        T(keys_are_each_principals_and_each_routes_own),
        T(a_rotated_key_of_the_same_name_repeats),
        T(the_answer_lasts_as_long_as_a_lease_may_keep_the_token),
        T(the_answer_lasts_as_long_as_the_token),
        T(permission_lost_meanwhile_is_lost),
        T(a_refused_order_frees_its_key),
        T(an_order_whose_answer_finds_no_room_leaves_no_token),
        T(a_batch_repeats_item_by_item),
        T(a_batch_without_a_token_keeps_nothing),
        T(a_batch_whose_answer_finds_no_room_leaves_no_token),
        T(a_repeated_claim_gets_the_same_claim),
        T(a_claim_told_again_stays_though_its_second_record_fails),
        T(a_claim_told_again_is_not_told_once_its_lease_has_ended),
        T(a_key_whose_lease_lapsed_takes_no_lease),
        T(a_claim_whose_answer_was_lost_is_told_again_to_the_same_body_alone),
        T(a_key_whose_claim_has_ended_starts_no_other),
        T(two_at_once_with_one_key_are_kept_apart),
        T(a_claim_that_was_taken_back_frees_its_key),
        T(a_dropped_answer_leaks_nothing),
        T(ends_of_claims_repeat_as_done),
        T(a_full_vault_empties_under_keys),
        T(a_redemption_is_never_told_again),
        T(keys_have_a_form),
        T(inspect_keeps_no_key),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
