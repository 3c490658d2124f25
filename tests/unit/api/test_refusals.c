/* What is refused before anything is done, and that no refusal ever repeats what was sent (spec sections 2 and 3). */
#include "fixture.h"

#include <string.h>

#include "sandbox/sandbox.h"
#include "wire/http1.h"

/* The row's path with something where "{id}" stands. */
static const char *path_of(const struct amp_route *row)
{
    static char path[128];
    if (row->id_at == 0)
        return row->path;
    (void)snprintf(path, sizeof path, "%.*sx-1%s", (int)row->id_at, row->path, row->path + row->id_at + 4);
    return path;
}

static const struct amp_route *row_of(enum amp_method method, const char *path)
{
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *row = &amp_api_routes[i];
        bool method_is = method == row->method || (method == AMP_METHOD_HEAD && row->method == AMP_METHOD_GET);
        if (method_is && strcmp(row->path, path) == 0)
            return row;
    }
    return NULL;
}

static bool is_native(const struct amp_route *row)
{
    return strcmp(row->service, "ampoule") == 0;
}

static void every_route_is_found_by_its_method_and_path(void **state)
{
    const struct amp_route *route;
    struct amp_slice id;
    const char *allow;
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *row = &amp_api_routes[i];
        for (int m = 0; m < AMP_METHOD_COUNT_; m++) {
            const struct amp_route *wanted = row_of((enum amp_method)m, row->path);
            enum amp_err err = amp_api_route((enum amp_method)m, amp_slice_str(path_of(row)), &route, &id, &allow);
            assert_int_equal(err, wanted != NULL ? AMP_OK : AMP_ERR_METHOD_NOT_ALLOWED);
            if (wanted != NULL)
                assert_ptr_equal(route, wanted);
            else
                assert_string_equal(route->path, row->path); /* for the form of the refusal */
            assert_int_equal(id.len, row->id_at != 0 ? 3 : 0);
        }
    }
}

static void allow_lists_what_the_path_takes(void **state)
{
    static const struct {
        const char *path, *allow;
    } rows[] = {
        {"/v1/tokens", "POST"},
        {"/healthz", "GET, HEAD"},
        {"/v1/stats", "GET, HEAD"},
        {"/v1/subscriptions", "GET, HEAD, POST"},
        {"/v1/subscriptions/x", "DELETE"},
        {"/v1/subscriptions/x/test", "POST"},
        {"/", "POST"},
        {"/000000000000/x", "POST"},
    };
    const struct amp_route *route;
    struct amp_slice id;
    const char *allow;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(amp_api_route(AMP_METHOD_PUT, amp_slice_str(rows[i].path), &route, &id, &allow),
                         AMP_ERR_METHOD_NOT_ALLOWED);
        assert_string_equal(allow, rows[i].allow);
    }
}

static void an_id_is_one_segment(void **state)
{
    static const char *const none[] = {
        "/v1/subscriptions/",    "/v1/subscriptions//",       "/v1/subscriptions//test",
        "/v1/subscriptions/a/b", "/v1/subscriptions/a/test/", "/v1/subscriptions/a/b/test",
        "/000000000000/",        "/000000000000/a/b",         "/000000000000",
        "/000000000001/a",       "/v1/subscriptions/a/tes",   "/v1/subscriptions/a/rotates"};
    const struct amp_route *route;
    struct amp_slice id;
    const char *allow;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(amp_api_route(AMP_METHOD_POST, amp_slice_str(none[i]), &route, &id, &allow),
                         AMP_ERR_NOT_FOUND);
    assert_int_equal(amp_api_route(AMP_METHOD_POST, AMP_SLICE_LIT("/v1/subscriptions/test/test"), &route, &id, &allow),
                     AMP_OK);
    assert_true(amp_slice_is(id, "test"));
    assert_int_equal(amp_api_route(AMP_METHOD_POST, AMP_SLICE_LIT("/000000000000/{id}"), &route, &id, &allow), AMP_OK);
    assert_true(amp_slice_is(id, "{id}"));
}

static void other_paths_are_not_found(void **state)
{
    static const char *const paths[] = {"",           "//",        "/v1",       "/v1/tokens/",        "/v1/token",
                                        "/V1/tokens", "/healthz/", "//healthz", "/v1/tokens/batch/x", "/v1/%74okens",
                                        "/healthz?x"};
    const struct amp_route *route;
    struct amp_slice id;
    const char *allow;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_int_equal(amp_api_route(AMP_METHOD_GET, amp_slice_str(paths[i]), &route, &id, &allow),
                         AMP_ERR_NOT_FOUND);
}

static void limits_of_routes(void **state)
{
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *row = &amp_api_routes[i];
        size_t max_body = is_native(row) ? 256 * 1024 : 3328 * 1024;
        assert_int_equal(row->max_body, row->method == AMP_METHOD_POST ? max_body : 0);
        if (!is_native(row)) { /* its act is known when its body is */
            assert_false(row->open);
            continue;
        }
        assert_int_equal(row->open, strncmp(row->path, "/v1/", 4) != 0); /* deny by default */
        assert_int_equal(row->open, row->act == AMP_ACT_REQUEST);
    }
}

static void nobody_is_asked_into_a_signed_route(void **state)
{
    static struct amp_http1_head head = {.method = AMP_METHOD_POST};
    head.fields[0] = (struct amp_http1_field){AMP_SLICE_LIT("content-type"), AMP_SLICE_LIT("application/json")};
    head.fields[1] = (struct amp_http1_field){AMP_SLICE_LIT("idempotency-key"), AMP_SLICE_LIT("k")};
    head.field_count = 2;
    for (size_t i = 0; i < amp_api_route_count; i++) {
        uint8_t text[] = "{}";
        struct amp_api_response response;
        struct amp_api_request request = {
            .route = &amp_api_routes[i], .head = &head, .who = NULL, .body = text, .body_len = 2};
        if (amp_api_routes[i].open)
            continue;
        amp_api_serve(fx.api, &request, &response);
        assert_int_equal(response.status, is_native(&amp_api_routes[i]) ? 401 : 403); /* as AWS has it */
        assert_int_equal(response.err, AMP_ERR_NOT_SIGNED);
        amp_api_response_fini(&response);
    }
}

/* A body that would be served, for every signed route; "%" stands for a token, "!" for a claim. */
static const struct {
    const char *path;
    const char *body;
    enum amp_permission permission;
    int status;
} calls[] = {
    {"/v1/tokens", ORDER, AMP_MAY_TOKENIZE, 201},
    {"/v1/tokens/batch", "{\"items\":[" ORDER "]}", AMP_MAY_TOKENIZE, 200},
    {"/v1/inspect", "{\"token\":\"%\"}", AMP_MAY_INSPECT, 200},
    {"/v1/claim", "{\"token\":\"%\"}", AMP_MAY_CLAIM, 200},
    {"/v1/redeem", "{\"token\":\"%\"}", AMP_MAY_CLAIM, 200},
    {"/v1/revoke", "{\"token\":\"%\"}", AMP_MAY_REVOKE, 204},
    {"/v1/commit", "{\"claim\":\"!\"}", AMP_MAY_CLAIM, 204},
    {"/v1/abort", "{\"claim\":\"!\"}", AMP_MAY_CLAIM, 204},
};
#define CALLS (sizeof calls / sizeof calls[0])

/* The call's body with a fresh token, or a fresh claim of `who`. */
static char *prepared(size_t i, const struct amp_principal *who)
{
    char text[1024];
    const char *mark = strpbrk(calls[i].body, "%!");
    if (mark == NULL)
        return keep(calls[i].body);
    const char *value = new_token();
    if (*mark == '!') {
        struct amp_principal allowed = *who;
        allowed.grants[0] = (struct amp_grant){.permissions = AMP_MAY_CLAIM, .queue_len = 1, .queue = "*"};
        allowed.grant_count = 1;
        fx.who = &allowed;
        assert_int_equal(post("/v1/claim", body("token", value)), 200);
        value = member("claim");
    }
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - calls[i].body), calls[i].body, value, mark + 1);
    return keep(text);
}

/* Those of the SQS API and of subscriptions are tried in files of their own. */
static void every_signed_route_is_tried_here(void **state)
{
    for (size_t r = 0; r < amp_api_route_count; r++) {
        if (!is_native(&amp_api_routes[r]) || strncmp(amp_api_routes[r].path, "/v1/s", 5) == 0)
            continue;
        size_t i = 0;
        while (i < CALLS && strcmp(calls[i].path, amp_api_routes[r].path) != 0)
            i++;
        assert_int_equal(amp_api_routes[r].open, i == CALLS);
    }
}

static void without_a_grant_every_signed_route_refuses(void **state)
{
    for (size_t i = 0; i < CALLS; i++) {
        char *text = prepared(i, &fx.nobody);
        fx.who = &fx.nobody;
        assert_int_equal(post(calls[i].path, text), 403);
        assert_string_equal(code(), "not_permitted");
        assert_int_equal(last_event()->event.outcome, AMP_OUTCOME_REFUSED);
        if (i > 1) /* the token's queue, known to the vault alone */
            assert_string_equal(last_event()->queue, "payments");
    }
}

/* Each permission opens its own calls, on its own queue, and nothing else. */
static void a_grant_opens_its_act_on_its_queue_alone(void **state)
{
    struct amp_principal who = fx.nobody;
    who.grant_count = 1;
    for (size_t i = 0; i < CALLS; i++) {
        for (unsigned bit = 0; bit < 7; bit++) {
            for (int right_queue = 0; right_queue < 2; right_queue++) {
                char *text = prepared(i, &who);
                who.grants[0].permissions = 1u << bit;
                who.grants[0].queue_len = 8;
                memcpy(who.grants[0].queue, right_queue ? "payments" : "payment_", 8);
                fx.who = &who;
                bool may = 1u << bit == (unsigned)calls[i].permission && right_queue;
                int status = post(calls[i].path, text);
                if (i == 1 && 1u << bit == AMP_MAY_TOKENIZE && !right_queue)
                    assert_non_null(strstr(answer.text, "not_permitted")); /* told item by item */
                else
                    assert_int_equal(status, may ? calls[i].status : 403);
            }
        }
    }
}

static void signed_routes_take_no_query(void **state)
{
    char *order = body("token", new_token());
    static const char *const queries[] = {"a", "a=b", "token=" NO_SUCH, "&", "X-Trace=1"};
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *row = &amp_api_routes[i];
        if (row->open || !is_native(row))
            continue;
        for (size_t q = 0; q < sizeof queries / sizeof queries[0]; q++) {
            fx.query = queries[q];
            assert_int_equal(call_route(row->method, path_of(row), order), 400);
            assert_string_equal(code(), "query_refused");
        }
    }
    assert_int_equal(get("/healthz"), 200);
    fx.query = "";
    assert_int_equal(post("/v1/redeem", order), 200); /* nothing was done */
}

static void bodies_must_be_called_json(void **state)
{
    static const char *const good[] = {"application/json", "Application/JSON", "application/json; charset=utf-8",
                                       "application/json ;charset=UTF-8", "application/json;"};
    static const char *const bad[] = {NULL,
                                      "",
                                      "text/plain",
                                      "application/jsonx",
                                      "application/json+x",
                                      "application/x-www-form-urlencoded",
                                      "; application/json"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        fx.content_type = good[i];
        assert_int_equal(post("/v1/tokens", ORDER), 201);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t c = 0; c < CALLS; c++) {
            fx.content_type = bad[i];
            assert_int_equal(post(calls[c].path, calls[c].body), 415);
            assert_string_equal(code(), "unsupported_media_type");
        }
    }
}

static void the_key_is_judged_before_the_type_and_the_type_before_the_json(void **state)
{
    fx.key = "\x01";
    fx.content_type = "text/plain";
    fx.who = &fx.nobody;
    post("/v1/tokens", "{");
    assert_string_equal(code(), "idempotency_key_invalid");
    fx.key = "k";
    post("/v1/tokens", "{");
    assert_string_equal(code(), "unsupported_media_type");
    fx.content_type = "application/json";
    post("/v1/tokens", "{");
    assert_string_equal(code(), "malformed_json");
    post("/v1/tokens", "{\"data\":1}");
    assert_string_equal(code(), "not_permitted");
    assert_int_equal(amp_idempotency_count(fx.idempotency), 0);
}

/* Planted everywhere a sender may put text; no answer and no record may ever show it. */
#define CANARY        "ZQ7canaryZQ7"
#define CANARY_NUMBER "4929000000006"
static void no_refusal_repeats_what_was_sent(void **state)
{
    static const char *const bodies[] = {
        CANARY,
        "{\"" CANARY "\":1}",
        "{\"card\":{\"" CANARY "\":1}}",
        "{\"card\":{\"number\":\"" CANARY "\",\"exp_month\":1,\"exp_year\":2030}}",
        "{\"card\":{\"number\":" CANARY_NUMBER ",\"exp_month\":1,\"exp_year\":2030}}",
        "{\"card\":{\"number\":\"" CANARY_NUMBER "1\",\"exp_month\":1,\"exp_year\":2030,\"name\":\"" CANARY "\"}}",
        "{\"card\":{\"number\":\"" CANARY_NUMBER "\",\"exp_month\":1,\"exp_year\":2030,\"cvc\":\"" CANARY "\"}}",
        "{\"card\":{\"number\":\"" CANARY_NUMBER "\",\"exp_month\":77,\"exp_year\":2030}}",
        "{\"card\":{\"number\":\"" CANARY_NUMBER "\",\"exp_month\":1,\"exp_year\":2001,\"name\":\"" CANARY "\"}}",
        "{\"card\":{\"number\":\"" CANARY_NUMBER "\",\"exp_month\":1,\"exp_year\":2030,\"name\":\"" CANARY "\\n\"}}",
        "{\"card\":\"" CANARY "\"}",
        "{\"data\":\"" CANARY "\",\"queue\":\"" CANARY ".\"}",
        "{\"data\":\"" CANARY "\",\"queue\":7}",
        "{\"data\":\"" CANARY "\",\"ttl_ms\":\"" CANARY "\"}",
        "{\"data\":\"" CANARY "\",\"ttl_ms\":0}",
        "{\"data\":\"" CANARY "\",\"metadata\":\"" CANARY "\"}",
        "{\"data\":\"" CANARY "\",\"metadata\":{\"" CANARY "\":[\"" CANARY "\"]}}",
        "{\"data\":\"" CANARY "\",\"data\":\"" CANARY "\"}",
        "{\"data\":\"" CANARY "\"} " CANARY,
        "{\"items\":[\"" CANARY "\"],\"" CANARY "\":1}",
        "{\"items\":\"" CANARY "\"}",
        "{\"items\":[\"" CANARY "\"," CANARY "]}",
        "{\"items\":[{\"" CANARY "\":1},\"" CANARY "\",{\"data\":1,\"queue\":\"" CANARY "!\"},"
        "{\"card\":{\"number\":\"" CANARY_NUMBER "1\",\"exp_month\":1,\"exp_year\":2030}}]}",
        "{\"token\":\"" CANARY "\"}",
        "{\"token\":[\"" CANARY "\"]}",
        "{\"token\":\"tok_" CANARY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
        "{\"token\":\"tok_" CANARY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"lease_ms\":\"" CANARY "\"}",
        "{\"claim\":\"" CANARY "\"}",
        "{\"claim\":\"clm_" CANARY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
    };
    static const char *const keys[] = {NULL, CANARY, CANARY "\x01"};
    static const char *const types[] = {"application/json", CANARY, "application/json;" CANARY};
    for (size_t c = 0; c < CALLS; c++) {
        for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
            fx.event_count = 0;
            fx.key = keys[b % 3];
            fx.content_type = types[b % 7 == 6 ? 1 : b % 2 * 2];
            (void)post(calls[c].path, bodies[b]);
            assert_true(answer.response.err != AMP_OK || c == 1);
            assert_null(strstr(answer.text, "ZQ7"));
            assert_null(strstr(answer.text, "492900"));
            for (size_t e = 0; e < fx.event_count; e++)
                assert_null(strstr(fx.events[e].queue, "ZQ7"));
            assert_true(fx.event_count >= 1); /* every discard is recorded */
        }
    }
}

/* A wrong byte anywhere: something is refused or sealed, and nothing breaks. */
static void every_truncation_and_every_flipped_bit_is_answered(void **state)
{
    static char bent[sizeof ORDER];
    const size_t len = sizeof ORDER - 1;
    for (size_t cut = 0; cut < len; cut++) {
        int status = post_bytes("/v1/tokens", ORDER, cut);
        assert_true(status == 400 || status == 422); /* a year cut short is a wrong year */
        fx.event_count = 0;
    }
    for (size_t i = 0; i < 8 * len; i++) {
        memcpy(bent, ORDER, len);
        bent[i / 8] = (char)(bent[i / 8] ^ (1 << i % 8));
        int status = post_bytes("/v1/tokens", bent, len);
        assert_true(status == 201 || status == 400 || status == 422);
        fx.event_count = 0;
    }
}

static void no_memory_is_a_refusal_and_leaves_nothing(void **state)
{
    struct amp_vault_stats stats;
    void *hoard[4096];
    size_t count = 0;
    while (count < 4096 && (hoard[count] = amp_secret_alloc(16384)) != NULL)
        count++;
    for (size_t size = 8192; size >= 16; size /= 2) {
        while (count < 4096 && (hoard[count] = amp_secret_alloc(size)) != NULL)
            count++;
    }
    assert_true(count < 4096);
    amp_secret_free(hoard[--count]);
    int status = post("/v1/tokens", ORDER);
    assert_int_equal(status, 503);
    amp_vault_get_stats(fx.vault, &stats);
    assert_int_equal(stats.live, 0);
    /* Memory comes back bit by bit; from some point on the call is served, and before it nothing is half done. */
    while (status != 201 && count > 0) {
        amp_secret_free(hoard[--count]);
        fx.event_count = 0;
        status = post("/v1/tokens", ORDER);
        amp_vault_get_stats(fx.vault, &stats);
        assert_int_equal(stats.live, status == 201 ? 1 : 0);
    }
    assert_int_equal(status, 201);
    while (count > 0)
        amp_secret_free(hoard[--count]);
}

static void healthz_says_ok(void **state)
{
    assert_int_equal(get("/healthz"), 200);
    assert_string_equal(answer.text, "{\"status\":\"ok\"}");
    assert_int_equal(fx.event_count, 0);
}

static void readyz_says_what_is_missing(void **state)
{
    const struct amp_api_readiness ready = {.memory = AMP_SECRET_MEMFD,
                                            .log_writable = true,
                                            .keeper_reachable = true,
                                            .courier_reachable = true,
                                            .epoch_key = true,
                                            .key_provider = "file",
                                            .sandbox = 1u << AMP_SANDBOX_USER | 1u << AMP_SANDBOX_SECCOMP};
    fx.readiness = ready;
    assert_int_equal(get("/readyz"), 200);
    assert_string_equal(answer.text, "{\"status\":\"ready\",\"mode\":\"production\",\"key_provider\":\"file\","
                                     "\"protections\":{\"memory_locked\":true,\"memory\":\"secretmem\","
                                     "\"sandbox\":[\"user\",\"seccomp\"]},\"checks\":{\"log_writable\":true,"
                                     "\"keeper_reachable\":true,\"courier_reachable\":true,\"epoch_key\":true,"
                                     "\"draining\":false}}");
    bool *const switches[] = {&fx.readiness.log_writable, &fx.readiness.keeper_reachable, &fx.readiness.epoch_key,
                              &fx.readiness.draining};
    for (size_t i = 0; i < 4; i++) {
        fx.readiness = ready;
        *switches[i] = !*switches[i];
        assert_int_equal(get("/readyz"), 503);
        assert_string_equal(answer.response.content_type, "application/json");
        assert_string_equal(member("status"), "not_ready");
    }
    fx.readiness = ready;
    fx.readiness.courier_reachable = false; /* deliveries wait for the next one */
    assert_int_equal(get("/readyz"), 200);
    assert_true(json_is_false(json_object_get(json_object_get(answer.json, "checks"), "courier_reachable")));
    fx.readiness = ready;
    fx.readiness.memory = AMP_SECRET_MLOCK;
    assert_int_equal(get("/readyz"), 200);
    assert_non_null(strstr(answer.text, "{\"memory_locked\":true,\"memory\":\"mlock\",\"sandbox\":[\"user\","));
    fx.readiness.memory = AMP_SECRET_UNLOCKED;
    fx.readiness.sandbox = 0;
    assert_int_equal(get("/readyz"), 503);
    fx.readiness.dev = true;
    assert_int_equal(get("/readyz"), 200);
    assert_string_equal(member("mode"), "development");
    assert_non_null(strstr(answer.text, "{\"memory_locked\":false,\"memory\":\"unlocked\",\"sandbox\":[]}"));
}

static void a_refusal_tells_when_to_come_again(void **state)
{
    struct amp_event event = {.act = AMP_ACT_REQUEST, .request_id = 0x0123456789abcdef};
    struct amp_api_response response;
    amp_api_refuse(fx.api, NULL, NULL, &event, AMP_ERR_RATE_LIMITED, NULL, 7, &response);
    assert_int_equal(response.status, 429);
    assert_int_equal(response.retry_after_s, 7);
    amp_api_response_fini(&response);
    amp_api_refuse(fx.api, NULL, NULL, &event, AMP_ERR_METHOD_NOT_ALLOWED, "POST", 0, &response);
    assert_int_equal(response.status, 405);
    assert_string_equal(response.allow, "POST");
    assert_int_equal(response.retry_after_s, 0);
    assert_non_null(memmem(response.body.ptr, response.body.len, "0123456789abcdef", 16));
    amp_api_response_fini(&response);
}

static void what_happens_inside_is_told_as_internal(void **state)
{
    struct amp_event event = {.act = AMP_ACT_REQUEST};
    struct amp_api_response response;
    for (int i = AMP_ERR_AGAIN; i < AMP_ERR_COUNT_; i++) {
        amp_api_refuse(fx.api, NULL, NULL, &event, (enum amp_err)i, NULL, 0, &response);
        assert_int_equal(response.err, AMP_ERR_INTERNAL);
        assert_int_equal(response.status, 500);
        assert_int_equal(last_event()->event.code, i); /* the log knows better */
        amp_api_response_fini(&response);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_route_is_found_by_its_method_and_path),
        T(allow_lists_what_the_path_takes),
        T(an_id_is_one_segment),
        T(other_paths_are_not_found),
        T(limits_of_routes),
        T(nobody_is_asked_into_a_signed_route),
        T(every_signed_route_is_tried_here),
        T(without_a_grant_every_signed_route_refuses),
        T(a_grant_opens_its_act_on_its_queue_alone),
        T(signed_routes_take_no_query),
        T(bodies_must_be_called_json),
        T(the_key_is_judged_before_the_type_and_the_type_before_the_json),
        T(no_refusal_repeats_what_was_sent),
        T(every_truncation_and_every_flipped_bit_is_answered),
        T(no_memory_is_a_refusal_and_leaves_nothing),
        T(healthz_says_ok),
        T(readyz_says_what_is_missing),
        T(a_refusal_tells_when_to_come_again),
        T(what_happens_inside_is_told_as_internal),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
