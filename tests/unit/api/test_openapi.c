/* docs/openapi.json describes exactly what is served: the same routes, the same codes, and it is served itself. */
#include "fixture.h"

#include <string.h>

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

static void the_document_has_the_routes_of_the_table_and_no_other(void **state)
{
    const char *path, *method;
    json_t *item, *operations;
    size_t described = 0, served = 0;
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *route = &amp_api_routes[i];
        bool is_get = route->method == AMP_METHOD_GET;
        assert_non_null(operation(route->path, is_get ? "get" : "post"));
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
        const json_t *it = operation(route->path, route->method == AMP_METHOD_GET ? "get" : "post");
        const json_t *security = json_object_get(it, "security");
        assert_int_equal(route->open, security != NULL && json_array_size(security) == 0);
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
        bool is_get = route->method == AMP_METHOD_GET;
        for (int head = 0; head <= (is_get ? 1 : 0); head++) {
            bool marked[AMP_ERR_COUNT_] = {false};
            const json_t *it = operation(route->path, head ? "head" : is_get ? "get" : "post");
            mark_codes(json_object_get(it, "responses"), route->path, marked);
            for (int e = 1; e < AMP_ERR_COUNT_; e++) {
                if (marked[e] != code_is_listed(route->path, (enum amp_err)e))
                    fail_msg("%s: %s %s", route->path, amp_err_code((enum amp_err)e),
                             marked[e] ? "is described and never answered" : "is answered and not described");
            }
        }
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
            marked[e] = marked[e] || code_is_listed(amp_api_routes[r].path, (enum amp_err)e);
    }
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

/* The requests that the document gives as examples are served (those with a made-up token answer that it is unknown).
 */
static void the_examples_work(void **state)
{
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const char *path = amp_api_routes[i].path, *name;
        if (amp_api_routes[i].method != AMP_METHOD_POST)
            continue;
        const json_t *content = json_object_get(json_object_get(operation(path, "post"), "requestBody"), "content");
        const json_t *media = json_object_get(content, "application/json");
        json_t *examples = json_object_get(media, "examples"), *example, *one = json_object();
        json_object_set_new(one, "one", json_pack("{sO?}", "value", json_object_get(media, "example")));
        json_object_foreach(examples != NULL ? examples : one, name, example)
        {
            char *text = json_dumps(json_object_get(example, "value"), 0);
            assert_non_null(text);
            int status = post(path, text);
            free(text);
            if (status != 200 && status != 201 && status != 404)
                fail_msg("%s: the example is answered %s", path, answer.text);
            if (strstr(path, "tokens") != NULL)
                assert_int_equal(status / 100, 2);
        }
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
        T(problems_have_every_public_code),
        T(batch_items_have_their_codes),
        T(no_public_code_is_left_out),
        T(answers_are_as_described),
        T(the_examples_work),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
