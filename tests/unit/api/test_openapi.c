/* docs/openapi.json describes exactly what is served: the same routes, the same codes, and it is served itself. */
#include "fixture.h"

#include <string.h>

#include "wire/sqs.h"

static json_t *document;

static int load(void **state)
{
    if (fixture_setup(state) != 0)
        return -1;
    assert_int_equal(get("/openapi.json"), 200);
    document = json_incref(answer.json);
    return 0;
}

static int unload(void **state)
{
    json_decref(document);
    return fixture_teardown(state);
}

/* What a "#/a/b" points to; the thing itself where it is no reference. */
static const json_t *resolve(const json_t *thing)
{
    const char *ref = json_string_value(json_object_get(thing, "$ref"));
    char part[128];
    if (ref == NULL)
        return thing;
    assert_memory_equal(ref, "#/", 2);
    const json_t *at = document;
    for (const char *p = ref + 2; *p != '\0'; p += *p == '/') {
        size_t len = strcspn(p, "/");
        (void)snprintf(part, sizeof part, "%.*s", (int)len, p);
        at = json_object_get(at, part);
        p += len;
    }
    if (at == NULL)
        fail_msg("%s points nowhere", ref);
    return at;
}

static void every_reference_points_somewhere(const json_t *thing)
{
    const char *name;
    json_t *value;
    size_t i;
    (void)resolve(thing);
    if (json_is_object(thing)) {
        json_object_foreach((json_t *)(uintptr_t)thing, name, value) every_reference_points_somewhere(value);
    }
    json_array_foreach((json_t *)(uintptr_t)thing, i, value) every_reference_points_somewhere(value);
}

static void references_resolve(void **state)
{
    every_reference_points_somewhere(document);
    assert_string_equal(json_string_value(json_object_get(document, "openapi")), "3.1.0");
    const json_t *info = json_object_get(document, "info");
    assert_string_equal(json_string_value(json_object_get(info, "version")), AMP_VERSION);
}

static const json_t *operation(const char *path, const char *method)
{
    return json_object_get(json_object_get(json_object_get(document, "paths"), path), method);
}

static const char *method_of(const struct amp_route *route)
{
    if (route->method == AMP_METHOD_GET)
        return "get";
    return route->method == AMP_METHOD_DELETE ? "delete" : "post";
}

static const json_t *operation_of(const struct amp_route *route)
{
    return operation(route->path, method_of(route));
}

static bool is_sqs(const struct amp_route *route)
{
    return strcmp(route->service, "sqs") == 0;
}

static void the_document_has_the_routes_of_the_table_and_no_other(void **state)
{
    const char *path, *method;
    json_t *item, *operations;
    size_t described = 0, served = 0;
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *route = &amp_api_routes[i];
        bool is_get = route->method == AMP_METHOD_GET;
        assert_non_null(operation_of(route));
        if (is_get)
            assert_non_null(operation(route->path, "head"));
        served += is_get ? 2 : 1;
    }
    json_object_foreach(json_object_get(document, "paths"), path, operations)
    {
        json_object_foreach(operations, method, item) described++;
    }
    assert_int_equal(described, served);
}

static void open_routes_ask_for_no_signature(void **state)
{
    assert_int_equal(json_array_size(json_object_get(document, "security")), 1);
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *route = &amp_api_routes[i];
        const json_t *it = operation_of(route);
        const json_t *security = json_object_get(it, "security");
        assert_int_equal(route->open, security != NULL && json_array_size(security) == 0);
        const char *scheme = is_sqs(route) ? "sigv4sqs" : "sigv4"; /* the document's own, where none is named */
        const json_t *own = json_array_get(security != NULL ? security : json_object_get(document, "security"), 0);
        assert_true(route->open || json_object_get(own, scheme) != NULL);
        assert_int_equal(route->method == AMP_METHOD_POST, json_object_get(it, "requestBody") != NULL);
    }
}

static enum amp_err error_of(const char *name)
{
    for (int i = 1; i < AMP_ERR_COUNT_; i++) {
        if (strcmp(amp_err_code((enum amp_err)i), name) == 0)
            return (enum amp_err)i;
    }
    fail_msg("the document knows a code %s that no error has", name);
    return AMP_OK;
}

/* Marks what the responses list, and checks that each code stands under its own status. */
static void mark_codes(const json_t *responses, const char *path, bool marked[AMP_ERR_COUNT_])
{
    const char *status;
    json_t *response, *name;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)responses, status, response)
    {
        const json_t *codes = json_object_get(resolve(response), "x-ampoule-codes");
        json_array_foreach((json_t *)(uintptr_t)codes, i, name)
        {
            enum amp_err err = error_of(json_string_value(name));
            char own[8];
            (void)snprintf(own, sizeof own, "%d", amp_err_status(err));
            if (strcmp(own, status) != 0)
                fail_msg("%s: %s stands under %s", path, json_string_value(name), status);
            assert_false(marked[err]);
            marked[err] = true;
        }
        assert_true(status[0] == '2' || json_array_size(codes) > 0);
    }
}

static void each_route_lists_the_codes_it_answers(void **state)
{
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *route = &amp_api_routes[i];
        if (is_sqs(route))
            continue;
        bool is_get = route->method == AMP_METHOD_GET;
        for (int head = 0; head <= (is_get ? 1 : 0); head++) {
            bool marked[AMP_ERR_COUNT_] = {false};
            const json_t *it = operation(route->path, head ? "head" : method_of(route));
            mark_codes(json_object_get(it, "responses"), route->path, marked);
            for (int e = 1; e < AMP_ERR_COUNT_; e++) {
                if (marked[e] != code_is_listed(route, (enum amp_err)e))
                    fail_msg("%s: %s %s", route->path, amp_err_code((enum amp_err)e),
                             marked[e] ? "is described and never answered" : "is answered and not described");
            }
        }
    }
}

static bool has_text(const json_t *array, const char *wanted)
{
    json_t *text;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)array, i, text)
    {
        if (strcmp(json_string_value(text), wanted) == 0)
            return true;
    }
    return false;
}

/* How many names of errors the responses list. */
static size_t aws_errors(const json_t *responses)
{
    const char *status;
    json_t *response;
    size_t count = 0;
    json_object_foreach((json_t *)(uintptr_t)responses, status, response) count +=
        json_array_size(json_object_get(response, "x-aws-errors"));
    return count;
}

/* Errors of ours that AWS has one name for stand there once. */
static void sqs_routes_list_the_errors_by_aws_names(void **state)
{
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *route = &amp_api_routes[i];
        const json_t *responses = json_object_get(operation_of(route), "responses");
        json_t *seen = json_object();
        for (int e = 1; is_sqs(route) && e < AMP_ERR_COUNT_; e++) {
            struct amp_sqs_error error = amp_sqs_error_of((enum amp_err)e);
            char key[128], status[8];
            if (!code_is_listed(route, (enum amp_err)e))
                continue;
            (void)snprintf(status, sizeof status, "%d", error.status);
            (void)snprintf(key, sizeof key, "%s %s", status, error.name);
            if (!has_text(json_object_get(json_object_get(responses, status), "x-aws-errors"), error.name))
                fail_msg("%s: %s is answered and not described", route->path, key);
            json_object_set_new(seen, key, json_true());
        }
        assert_int_equal(json_object_size(seen), aws_errors(responses));
        json_decref(seen);
    }
}

static void the_sqs_actions_are_named(void **state)
{
    const json_t *components = json_object_get(document, "components");
    const json_t *target = json_object_get(json_object_get(components, "parameters"), "AmzTarget");
    const json_t *targets = json_object_get(json_object_get(target, "schema"), "enum");
    const json_t *form = json_object_get(json_object_get(components, "schemas"), "SqsForm");
    const json_t *actions = json_object_get(json_object_get(json_object_get(form, "properties"), "Action"), "enum");
    assert_int_equal(json_array_size(targets), AMP_SQS_ACTION_COUNT_);
    assert_int_equal(json_array_size(actions), AMP_SQS_ACTION_COUNT_);
    for (int i = 0; i < AMP_SQS_ACTION_COUNT_; i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "AmazonSQS.%s", amp_sqs_action_name((enum amp_sqs_action)i));
        assert_true(has_text(targets, name));
        assert_true(has_text(actions, amp_sqs_action_name((enum amp_sqs_action)i)));
    }
}

static const json_t *schema(const char *name)
{
    return json_object_get(json_object_get(json_object_get(document, "components"), "schemas"), name);
}

static void assert_enum(const json_t *codes, bool (*listed)(enum amp_err err))
{
    bool marked[AMP_ERR_COUNT_] = {false};
    json_t *name;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)codes, i, name) marked[error_of(json_string_value(name))] = true;
    for (int e = 1; e < AMP_ERR_COUNT_; e++) {
        if (marked[e] != listed((enum amp_err)e))
            fail_msg("%s: %d", amp_err_code((enum amp_err)e), marked[e]);
    }
}

static bool is_public(enum amp_err err)
{
    return err < AMP_ERR_AGAIN;
}

static void problems_have_every_public_code(void **state)
{
    const json_t *code_of = json_object_get(json_object_get(schema("Problem"), "properties"), "code");
    assert_enum(json_object_get(code_of, "enum"), is_public);
}

static void batch_items_have_their_codes(void **state)
{
    const json_t *error = json_object_get(json_object_get(schema("BatchError"), "properties"), "error");
    assert_enum(json_object_get(json_object_get(json_object_get(error, "properties"), "code"), "enum"),
                item_code_is_listed);
}

/* Every public error is told somewhere: by a route, or by the answers that precede routing. */
static void no_public_code_is_left_out(void **state)
{
    bool marked[AMP_ERR_COUNT_] = {false};
    const char *name;
    json_t *response, *text;
    size_t i;
    for (size_t r = 0; r < amp_api_route_count; r++) {
        for (int e = 1; e < AMP_ERR_COUNT_; e++)
            marked[e] = marked[e] || code_is_listed(&amp_api_routes[r], (enum amp_err)e);
    }
    /* What a test delivery tells of its endpoint. */
    const json_t *of_test = json_object_get(json_object_get(schema("SubscriptionTested"), "properties"), "code");
    json_array_foreach(json_object_get(of_test, "enum"), i, text) marked[error_of(json_string_value(text))] |=
        is_public(error_of(json_string_value(text)));
    json_object_foreach(json_object_get(json_object_get(document, "components"), "responses"), name, response)
    {
        json_array_foreach(json_object_get(response, "x-ampoule-codes"), i, text)
            marked[error_of(json_string_value(text))] = true;
    }
    for (int e = 1; e < AMP_ERR_COUNT_; e++) {
        if (marked[e] != is_public((enum amp_err)e))
            fail_msg("%s: %d", amp_err_code((enum amp_err)e), marked[e]);
    }
}

/* Enough of JSON Schema for our own: the members an object may and must have, and their types. */
static void assert_fits(const json_t *value, const json_t *wanted)
{
    const char *name;
    json_t *member_value, *text;
    size_t i;
    wanted = resolve(wanted);
    const char *type = json_string_value(json_object_get(wanted, "type"));
    if (type != NULL && strcmp(type, "string") == 0)
        assert_true(json_is_string(value));
    if (type != NULL && strcmp(type, "integer") == 0)
        assert_true(json_is_integer(value));
    if (type == NULL || strcmp(type, "object") != 0)
        return;
    assert_true(json_is_object(value));
    const json_t *properties = json_object_get(wanted, "properties");
    json_array_foreach(json_object_get(wanted, "required"), i, text)
        assert_non_null(json_object_get(value, json_string_value(text)));
    if (properties == NULL)
        return;
    json_object_foreach((json_t *)(uintptr_t)value, name, member_value)
    {
        if (json_object_get(properties, name) == NULL)
            fail_msg("\"%s\" is answered and not described", name);
        assert_fits(member_value, json_object_get(properties, name));
    }
}

/* The schema of a route's answer with this status. */
static const json_t *answer_schema(const char *path, const char *method, const char *status, const char *type)
{
    const json_t *responses = json_object_get(operation(path, method), "responses");
    const json_t *content = json_object_get(resolve(json_object_get(responses, status)), "content");
    const json_t *it = json_object_get(json_object_get(content, type), "schema");
    assert_non_null(it);
    return it;
}

static void answers_are_as_described(void **state)
{
    char *token = new_token();
    assert_fits(answer.json, answer_schema("/v1/tokens", "post", "201", "application/json"));
    assert_int_equal(post("/v1/inspect", body("token", token)), 200);
    assert_fits(answer.json, answer_schema("/v1/inspect", "post", "200", "application/json"));
    assert_int_equal(post("/v1/claim", body("token", token)), 200);
    assert_fits(answer.json, answer_schema("/v1/claim", "post", "200", "application/json"));
    assert_int_equal(post("/v1/redeem", body("token", token)), 409);
    assert_fits(answer.json, answer_schema("/v1/redeem", "post", "409", "application/problem+json"));
    assert_int_equal(post("/v1/redeem", body("token", new_token())), 200);
    assert_fits(answer.json, answer_schema("/v1/redeem", "post", "200", "application/json"));
    assert_int_equal(get("/readyz"), 503);
    assert_fits(answer.json, answer_schema("/readyz", "get", "503", "application/json"));
    assert_int_equal(get("/healthz"), 200);
    assert_fits(answer.json, answer_schema("/healthz", "get", "200", "application/json"));
    assert_int_equal(post("/v1/tokens/batch", "{\"items\":[" ORDER ",1]}"), 200);
    const json_t *results = json_object_get(answer.json, "results");
    assert_fits(json_array_get(results, 0), schema("Issued"));
    assert_fits(json_array_get(results, 1), schema("BatchError"));
    fx.budget.cap_bytes = 0;
    assert_int_equal(post("/v1/tokens", ORDER), 503);
    assert_fits(answer.json, answer_schema("/v1/tokens", "post", "503", "application/problem+json"));
}

/* What keeper or courier answers to what was asked, if anything was. */
static void let_them_answer(enum amp_err err, uint32_t http_status)
{
    struct amp_api_answer told = {.err = err, .http_status = http_status};
    if (err == AMP_OK)
        told.secret = AMP_SLICE_LIT("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw3mN7sT1vXyA=");
    if (answer.response.park.kind == AMP_PARK_ASK)
        (void)resume(AMP_RESUME_ANSWER, &told);
}

static void answers_about_subscriptions_are_as_described(void **state)
{
    static const char order[] = "{\"queue\":\"payments\",\"url\":\"https://gateway.example/\",\"jwk\":" JWK "}";
    struct amp_subscription known = subscription_of(0, "payments", JWK);
    (void)post("/v1/subscriptions", order);
    let_them_answer(AMP_OK, 0);
    assert_fits(answer.json, answer_schema("/v1/subscriptions", "post", "201", "application/json"));
    assert_int_equal(amp_subscribers_put(fx.subscribers, &known), AMP_OK);
    assert_int_equal(get("/v1/subscriptions"), 200);
    assert_fits(answer.json, answer_schema("/v1/subscriptions", "get", "200", "application/json"));
    assert_fits(json_array_get(json_object_get(answer.json, "subscriptions"), 0), schema("Subscription"));
    (void)post("/v1/subscriptions/sub_AAAAAAAAAAAAAAAAAAAAAA/rotate", "");
    let_them_answer(AMP_OK, 0);
    assert_fits(answer.json, answer_schema("/v1/subscriptions/{id}/rotate", "post", "200", "application/json"));
    (void)post("/v1/subscriptions/sub_AAAAAAAAAAAAAAAAAAAAAA/test", "");
    let_them_answer(AMP_ERR_PUSH_REFUSED, 500);
    assert_fits(answer.json, answer_schema("/v1/subscriptions/{id}/test", "post", "200", "application/json"));
    assert_int_equal(get("/v1/stats"), 200);
    assert_fits(answer.json, answer_schema("/v1/stats", "get", "200", "application/json"));
}

static void serve_example(const struct amp_route *route, const json_t *value)
{
    char path[128], *text = json_dumps(value, 0);
    const char *hole = strstr(route->path, "{id}");
    assert_non_null(text);
    (void)snprintf(path, sizeof path, "%.*s%s%s", hole != NULL ? (int)(hole - route->path) : 127, route->path,
                   hole != NULL ? "sub_AAAAAAAAAAAAAAAAAAAAAA" : "", hole != NULL ? hole + 4 : "");
    (void)post(path, text);
    let_them_answer(AMP_OK, 0);
    free(text);
    int status = answer.response.status;
    if (status != 200 && status != 201 && status != 404)
        fail_msg("%s: the example is answered %s", path, answer.text);
    if (strstr(path, "tokens") != NULL || strcmp(path, "/v1/subscriptions") == 0)
        assert_int_equal(status / 100, 2);
}

/* The requests that the document gives as examples are served (those of made-up things answer that they are unknown).
 */
static void the_examples_work(void **state)
{
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *route = &amp_api_routes[i];
        const char *name;
        if (route->method != AMP_METHOD_POST || is_sqs(route))
            continue;
        const json_t *content = json_object_get(json_object_get(operation_of(route), "requestBody"), "content");
        const json_t *media = json_object_get(content, "application/json");
        json_t *examples = json_object_get(media, "examples"), *example, *one = json_object();
        json_object_set_new(one, "one", json_pack("{sO?}", "value", json_object_get(media, "example")));
        json_object_foreach(examples != NULL ? examples : one, name, example)
            serve_example(route, json_object_get(example, "value"));
        json_decref(one);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, load, unload)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(references_resolve),
        T(the_document_has_the_routes_of_the_table_and_no_other),
        T(open_routes_ask_for_no_signature),
        T(each_route_lists_the_codes_it_answers),
        T(sqs_routes_list_the_errors_by_aws_names),
        T(the_sqs_actions_are_named),
        T(problems_have_every_public_code),
        T(batch_items_have_their_codes),
        T(no_public_code_is_left_out),
        T(answers_are_as_described),
        T(answers_about_subscriptions_are_as_described),
        T(the_examples_work),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
