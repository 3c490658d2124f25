/* Claim, commit, abort, redeem, revoke, and what becomes of an answer that waits for its record. */
#include "fixture.h"

#include <string.h>

static char *claim_order(const char *token, int lease_ms)
{
    char text[128];
    (void)snprintf(text, sizeof text, "{\"token\":\"%s\",\"lease_ms\":%d}", token, lease_ms);
    return keep(text);
}

/* The claim of a claimed token. */
static char *claimed(const char *token)
{
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
    return keep(member("claim"));
}

static void assert_gone(const char *token, const char *reason)
{
    assert_int_equal(post("/v1/redeem", body("token", token)), 410);
    assert_string_equal(code(), "token_gone");
    assert_string_equal(member("reason"), reason);
}

static void assert_content(void)
{
    json_t *card = json_loads(CARD, 0, NULL);
    json_t *metadata = json_loads("{\"order\":\"42\"}", 0, NULL);
    assert_true(json_equal(card, json_object_get(answer.json, "card")));
    assert_true(json_equal(metadata, json_object_get(answer.json, "metadata")));
    assert_string_equal(member("queue"), "payments");
    json_decref(card);
    json_decref(metadata);
}

static void redeem_tells_the_content_once(void **state)
{
    char *token = new_token();
    fx.who = &fx.gateway;
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
    assert_content();
    assert_int_equal(json_object_size(answer.json), 3);
    assert_gone(token, "used");
}

static void a_redemption_is_recorded_durably_before_the_card_leaves(void **state)
{
    char *token = new_token();
    struct amp_vault_stats stats;
    post_unsettled("/v1/redeem", body("token", token));
    assert_int_equal(answer.response.gate, 2); /* the second event */
    assert_true(last_event()->want_durable);
    assert_int_equal(last_event()->event.act, AMP_ACT_REDEEM);
    assert_int_equal(last_event()->event.outcome, AMP_OUTCOME_SUCCESS);
    assert_memory_equal(last_event()->event.token_reference, fx.events[0].event.token_reference, 16);
    assert_string_equal(last_event()->queue, "payments");
    amp_vault_get_stats(fx.vault, &stats);
    assert_int_equal(stats.live, 1); /* nothing is destroyed before the record is safe */
    settle(true);
    amp_vault_get_stats(fx.vault, &stats);
    assert_int_equal(stats.live, 0);
    assert_content();
}

static void a_redemption_whose_record_fails_leaves_the_token_free(void **state)
{
    char *token = new_token();
    post_unsettled("/v1/redeem", body("token", token));
    settle(false);
    assert_int_equal(answer.response.status, 503);
    assert_string_equal(code(), "audit_unavailable");
    assert_null(strstr(answer.text, NUMBER));
    assert_int_equal(last_event()->event.outcome, AMP_OUTCOME_FAILURE);
    assert_int_equal(last_event()->event.act, AMP_ACT_REDEEM);
    assert_string_equal(last_event()->who, "AMPKAAAAAAAAAAAAAAAA");
    assert_string_equal(last_event()->source, "192.0.2.1:4711");
    assert_string_equal(last_event()->queue, "payments");
    assert_memory_equal(last_event()->event.token_reference, fx.events[0].event.token_reference, 16);
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
}

static void nobody_else_gets_a_token_while_its_record_is_awaited(void **state)
{
    char *token = new_token();
    post_unsettled("/v1/redeem", body("token", token));
    struct amp_api_response waiting = answer.response;
    answer.response = (struct amp_api_response){0};
    assert_int_equal(post("/v1/redeem", body("token", token)), 409);
    amp_api_settle(fx.api, &waiting, true);
    assert_int_equal(waiting.status, 200);
    amp_api_response_fini(&waiting);
    assert_gone(token, "used");
}

static char *lasting_token(void)
{
    assert_int_equal(post("/v1/tokens", "{\"card\":" CARD ",\"ttl_ms\":900000}"), 201);
    return keep(member("token"));
}

static struct amp_api_response take_answer(void)
{
    struct amp_api_response waiting = answer.response;
    answer.response = (struct amp_api_response){0};
    return waiting;
}

static void give_back_and_settle(struct amp_api_response waiting)
{
    amp_api_response_fini(&answer.response);
    answer.response = waiting;
    settle(true);
}

static void assert_void(int status, const char *why, const char *reason)
{
    assert_int_equal(answer.response.status, status);
    assert_string_equal(code(), why);
    assert_null(strstr(answer.text, NUMBER));
    assert_null(strstr(answer.text, "clm_"));
    assert_int_equal(json_object_get(answer.json, "reason") != NULL, reason != NULL);
    if (reason != NULL)
        assert_string_equal(member("reason"), reason);
    assert_int_equal(last_event()->event.code, answer.response.err);
    assert_int_not_equal(last_event()->event.outcome, AMP_OUTCOME_SUCCESS);
}

/* The log took longer than the lease, and somebody else has the token now: the first answer must not leave. */
static void a_redemption_that_waited_too_long_says_what_became_of_the_token(void **state)
{
    char *token = lasting_token();
    post_unsettled("/v1/redeem", body("token", token));
    amp_clock_fake_advance(&fx.hands, 30000);
    settle(true);
    assert_void(503, "audit_unavailable", NULL); /* it is free again */

    post_unsettled("/v1/redeem", body("token", token));
    struct amp_api_response first = take_answer();
    amp_clock_fake_advance(&fx.hands, 30000);
    char *claim = claimed(token);
    give_back_and_settle(first);
    assert_void(409, "token_claimed", NULL);
    assert_int_equal(post("/v1/abort", body("claim", claim)), 204);

    post_unsettled("/v1/redeem", body("token", token));
    first = take_answer();
    amp_clock_fake_advance(&fx.hands, 30000);
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
    give_back_and_settle(first);
    assert_void(410, "token_gone", "used");
}

static void a_token_that_expired_while_its_record_was_awaited_is_not_told(void **state)
{
    char *token = new_token();
    post_unsettled("/v1/redeem", body("token", token));
    amp_clock_fake_advance(&fx.hands, 30000);
    settle(true);
    assert_void(410, "token_gone", "expired");
    token = new_token();
    post_unsettled("/v1/claim", claim_order(token, 20000));
    amp_clock_fake_advance(&fx.hands, 20000);
    settle(true);
    assert_void(410, "claim_gone", "expired");
    assert_gone(token, "expired");
}

static void a_claim_whose_lease_ended_while_its_record_was_awaited_is_not_told(void **state)
{
    char *token = lasting_token();
    post_unsettled("/v1/claim", claim_order(token, 1000));
    amp_clock_fake_advance(&fx.hands, 999);
    settle(true);
    assert_int_equal(answer.response.status, 200);
    amp_clock_fake_advance(&fx.hands, 1);
    post_unsettled("/v1/claim", claim_order(token, 1000));
    amp_clock_fake_advance(&fx.hands, 1000);
    settle(true);
    assert_void(410, "claim_gone", "expired");
    /* The same, with the token somebody else's by then, whose claim must not suffer. */
    post_unsettled("/v1/claim", claim_order(token, 1000));
    struct amp_api_response first = take_answer();
    amp_clock_fake_advance(&fx.hands, 1000);
    char *second = claimed(token);
    assert_int_equal(post("/v1/abort", body("claim", second)), 204);
    char *third = claimed(token);
    give_back_and_settle(first);
    assert_void(410, "claim_gone", "expired");
    assert_int_equal(post("/v1/commit", body("claim", third)), 204);
}

static void a_record_that_cannot_be_made_refuses_and_frees(void **state)
{
    static const char *const paths[] = {"/v1/redeem", "/v1/claim"};
    for (size_t i = 0; i < 2; i++) {
        char *token = new_token();
        fx.record_fails_after = 0;
        fx.key = "k";
        assert_int_equal(post(paths[i], body("token", token)), 503);
        assert_string_equal(code(), "audit_unavailable");
        assert_null(strstr(answer.text, NUMBER));
        fx.record_fails_after = -1;
        assert_int_equal(post(paths[i], body("token", token)), 200); /* token and key are free again */
        fx.key = NULL;
    }
}

static void claim_then_commit_destroys(void **state)
{
    char *token = new_token();
    fx.who = &fx.gateway;
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
    assert_content();
    assert_int_equal(json_object_size(answer.json), 5);
    assert_string_equal(member("lease_expires_at"), "2026-02-02T02:40:30.123Z");
    assert_int_equal(strlen(member("claim")), 47);
    char *claim = keep(member("claim"));
    assert_true(last_event()->want_durable);
    assert_int_equal(post("/v1/commit", body("claim", claim)), 204);
    assert_null(answer.response.content_type);
    assert_int_equal(last_event()->event.act, AMP_ACT_COMMIT);
    assert_string_equal(last_event()->queue, "payments");
    assert_memory_equal(last_event()->event.token_reference, fx.events[0].event.token_reference, 16);
    assert_gone(token, "used");
    assert_int_equal(post("/v1/commit", body("claim", claim)), 410);
    assert_string_equal(code(), "claim_gone");
    assert_string_equal(member("reason"), "used");
}

static void claim_then_abort_frees(void **state)
{
    char *token = new_token();
    char *claim = claimed(token);
    assert_int_equal(post("/v1/redeem", body("token", token)), 409);
    assert_int_equal(post("/v1/abort", body("claim", claim)), 204);
    assert_int_equal(last_event()->event.act, AMP_ACT_ABORT);
    assert_int_equal(post("/v1/abort", body("claim", claim)), 410);
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
}

static void a_claim_whose_record_fails_is_no_claim(void **state)
{
    char *token = new_token();
    post_unsettled("/v1/claim", body("token", token));
    char *claim = keep(member("claim"));
    settle(false);
    assert_string_equal(code(), "audit_unavailable");
    assert_null(strstr(answer.text, "clm_"));
    assert_int_equal(post("/v1/commit", body("claim", claim)), 410);
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
}

static void a_second_claim_is_refused_and_alarms(void **state)
{
    char *token = new_token();
    (void)claimed(token);
    fx.who = &fx.gateway;
    assert_int_equal(post("/v1/claim", body("token", token)), 409);
    assert_string_equal(code(), "token_claimed");
    assert_true(last_event()->event.alarm);
    assert_int_equal(last_event()->event.outcome, AMP_OUTCOME_REFUSED);
    assert_int_equal(post("/v1/redeem", body("token", token)), 409);
    assert_true(last_event()->event.alarm);
}

static void use_of_a_used_token_alarms_and_of_an_expired_one_does_not(void **state)
{
    char *used = new_token(), *expired = new_token();
    assert_int_equal(post("/v1/redeem", body("token", used)), 200);
    assert_false(last_event()->event.alarm);
    assert_gone(used, "used");
    assert_true(last_event()->event.alarm);
    assert_int_equal(post("/v1/claim", body("token", used)), 410);
    assert_true(last_event()->event.alarm);
    assert_int_equal(post("/v1/inspect", body("token", used)), 410);
    assert_false(last_event()->event.alarm);
    amp_clock_fake_advance(&fx.hands, 10000);
    assert_gone(expired, "expired");
    assert_false(last_event()->event.alarm);
}

static void a_claim_is_one_principals_own(void **state)
{
    char *claim = claimed(new_token());
    fx.who = &fx.gateway;
    assert_int_equal(post("/v1/commit", body("claim", claim)), 404);
    assert_string_equal(code(), "claim_unknown");
    assert_int_equal(post("/v1/abort", body("claim", claim)), 404);
    struct amp_principal alike = fx.shop;
    memcpy(alike.name, "shob", 4);
    fx.who = &alike;
    assert_int_equal(post("/v1/commit", body("claim", claim)), 404);
    fx.who = &fx.shop;
    assert_int_equal(post("/v1/commit", body("claim", claim)), 204);
}

static void a_rotated_key_of_the_same_name_commits(void **state)
{
    char *claim = claimed(new_token());
    struct amp_principal next = fx.shop;
    memcpy(next.key_id, "AMPKDDDDDDDDDDDDDDDD", sizeof next.key_id);
    fx.who = &next;
    assert_int_equal(post("/v1/commit", body("claim", claim)), 204);
}

static void a_lease_defers_expiry_to_its_end(void **state)
{
    char *token = new_token();
    assert_int_equal(post("/v1/claim", claim_order(token, 20000)), 200);
    assert_string_equal(member("lease_expires_at"), "2026-02-02T02:40:20.123Z");
    char *claim = keep(member("claim"));
    amp_clock_fake_advance(&fx.hands, 19999);
    assert_int_equal(post("/v1/inspect", body("token", token)), 200);
    amp_clock_fake_advance(&fx.hands, 1);
    assert_gone(token, "expired");
    assert_int_equal(post("/v1/commit", body("claim", claim)), 410);
    assert_string_equal(member("reason"), "expired");
}

static void leases_are_one_to_sixty_thousand_ms(void **state)
{
    char *token = new_token();
    static const char *const broken[] = {"0", "60001", "-1", "1.5", "1e3", "123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "{\"token\":\"%s\",\"lease_ms\":%s}", token, broken[i]);
        assert_int_equal(post("/v1/claim", text), 422);
        assert_string_equal(code(), "lease_invalid");
    }
    assert_int_equal(post("/v1/claim", claim_order(token, 60000)), 200);
    assert_int_equal(post("/v1/claim", claim_order(new_token(), 1)), 200);
}

static void expired_tokens_answer_nothing(void **state)
{
    static const char *const paths[] = {"/v1/inspect", "/v1/claim", "/v1/redeem", "/v1/revoke"};
    char *token = new_token();
    amp_clock_fake_advance(&fx.hands, 9999);
    assert_int_equal(post("/v1/inspect", body("token", token)), 200);
    amp_clock_fake_advance(&fx.hands, 1);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(post(paths[i], body("token", token)), 410);
        assert_string_equal(member("reason"), "expired");
    }
    amp_clock_fake_advance(&fx.hands, 600000);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(post(paths[i], body("token", token)), 404);
        assert_string_equal(code(), "token_unknown");
    }
}

static void revoke_destroys_what_is_free(void **state)
{
    char *token = new_token(), *other = new_token();
    assert_int_equal(post("/v1/revoke", body("token", token)), 204);
    assert_int_equal(last_event()->event.act, AMP_ACT_REVOKE);
    assert_string_equal(last_event()->queue, "payments");
    assert_gone(token, "revoked");
    (void)claimed(other);
    assert_int_equal(post("/v1/revoke", body("token", other)), 409);
    assert_string_equal(code(), "token_claimed");
}

static void tokens_and_claims_have_one_form(void **state)
{
    static const char *const broken[] = {"",
                                         "tok_",
                                         NO_SUCH "A",
                                         "clm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                         "TOK_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                         "tok_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
                                         "tok_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+A"};
    static const char *const paths[] = {"/v1/inspect", "/v1/claim", "/v1/redeem", "/v1/revoke"};
    for (size_t p = 0; p < 4; p++) {
        for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
            assert_int_equal(post(paths[p], body("token", broken[i])), 422);
            assert_string_equal(code(), "token_malformed");
        }
        assert_int_equal(post(paths[p], body("token", NO_SUCH)), 404);
        assert_int_equal(post(paths[p], "{}"), 400);
        assert_string_equal(code(), "missing_field");
        assert_int_equal(post(paths[p], "{\"token\":1}"), 400);
    }
    assert_int_equal(post("/v1/commit", body("claim", NO_SUCH)), 422);
    assert_string_equal(code(), "claim_malformed");
    assert_int_equal(post("/v1/abort", body("claim", "clm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), 404);
    assert_string_equal(code(), "claim_unknown");
}

/* Every bit of a claim matters. */
static void no_other_claim_than_the_one_told_commits(void **state)
{
    char claim[48];
    (void)snprintf(claim, sizeof claim, "%s", claimed(new_token()));
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 4; i < 47; i++) {
        char *bent = keep(claim);
        size_t at = (size_t)(strchr(letters, bent[i]) - letters);
        bent[i] = letters[i < 46 ? at ^ 1u : at ^ 4u]; /* the last character has two unused bits */
        assert_int_equal(post("/v1/commit", body("claim", bent)), 404);
    }
    assert_int_equal(post("/v1/commit", body("claim", claim)), 204);
}

static void content_changed_in_the_vault_is_refused_with_an_alarm(void **state)
{
    /* Another process's epoch keys: what is in the vault does not open under them. */
    char *token = new_token();
    struct amp_epochs *other;
    struct amp_epochs_config config = {amp_clock_fake(&fx.hands), 600000, 1 << 20, UINT64_C(1) << 36};
    struct amp_key256 dek = {{99}};
    assert_int_equal(amp_epochs_new(&other, &config), AMP_OK);
    assert_int_equal(amp_epochs_add(other, 1, &dek), AMP_OK);
    struct amp_api *right = fx.api;
    fx.config.epochs = other;
    assert_int_equal(amp_api_new(&fx.api, &fx.config), AMP_OK);
    static const char *const paths[] = {"/v1/inspect", "/v1/claim", "/v1/redeem"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(post(paths[i], body("token", token)), 500);
        assert_string_equal(code(), "internal");
        assert_int_equal(last_event()->event.code, AMP_ERR_NOT_AUTHENTIC);
        assert_true(last_event()->event.alarm);
    }
    amp_api_free(fx.api);
    fx.api = right;
    assert_int_equal(post("/v1/redeem", body("token", token)), 200); /* no lease was left behind */
    amp_epochs_free(other);
}

static void large_content_comes_back_whole(void **state)
{
    static char order[250000], want[250100];
    size_t len = (size_t)snprintf(order, sizeof order, "{\"data\":\"");
    memset(order + len, 'x', 240000);
    memcpy(order + len + 240000, "\"}", 3);
    assert_int_equal(post("/v1/tokens", order), 201);
    char *token = keep(member("token"));
    assert_int_equal(post("/v1/redeem", body("token", token)), 200);
    (void)snprintf(want, sizeof want, "{\"queue\":\"default\",%s", order + 1);
    assert_string_equal(answer.text, want);
}

static void names_are_escaped_on_their_way_out(void **state)
{
    char order[2048], name[800];
    size_t len = 0;
    for (int i = 0; i < 64; i++)
        len += (size_t)snprintf(name + len, sizeof name - len, "\\\"\\\\");
    (void)snprintf(order, sizeof order,
                   "{\"card\":{\"number\":\"" NUMBER "\",\"exp_month\":12,\"exp_year\":2030,\"name\":\"%s\"}}", name);
    assert_int_equal(post("/v1/tokens", order), 201);
    assert_int_equal(post("/v1/redeem", body("token", member("token"))), 200);
    assert_non_null(strstr(answer.text, name));
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(redeem_tells_the_content_once),
        T(a_redemption_is_recorded_durably_before_the_card_leaves),
        T(a_redemption_whose_record_fails_leaves_the_token_free),
        T(nobody_else_gets_a_token_while_its_record_is_awaited),
        T(a_redemption_that_waited_too_long_says_what_became_of_the_token),
        T(a_token_that_expired_while_its_record_was_awaited_is_not_told),
        T(a_claim_whose_lease_ended_while_its_record_was_awaited_is_not_told),
        T(a_record_that_cannot_be_made_refuses_and_frees),
        T(claim_then_commit_destroys),
        T(claim_then_abort_frees),
        T(a_claim_whose_record_fails_is_no_claim),
        T(a_second_claim_is_refused_and_alarms),
        T(use_of_a_used_token_alarms_and_of_an_expired_one_does_not),
        T(a_claim_is_one_principals_own),
        T(a_rotated_key_of_the_same_name_commits),
        T(a_lease_defers_expiry_to_its_end),
        T(leases_are_one_to_sixty_thousand_ms),
        T(expired_tokens_answer_nothing),
        T(revoke_destroys_what_is_free),
        T(tokens_and_claims_have_one_form),
        T(no_other_claim_than_the_one_told_commits),
        T(content_changed_in_the_vault_is_refused_with_an_alarm),
        T(large_content_comes_back_whole),
        T(names_are_escaped_on_their_way_out),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
