/* Objects whose names are the reader's affair. */
#include "wire_support.h"

#include "crypto/crypto.h"
#include "wire/json.h"

static int start_crypto(void **state)
{
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

/* What was read: "name=value;" */
struct seen {
    size_t count;
    struct amp_out out;
    uint8_t text[256];
};

static enum amp_err read_text(struct amp_json *json, struct amp_slice name, void *into)
{
    struct seen *seen = into;
    struct amp_slice value;
    enum amp_err err = amp_json_read_string(json, &value);
    if (err != AMP_OK)
        return err;
    seen->count++;
    amp_out_slice(&seen->out, name);
    amp_out_byte(&seen->out, '=');
    amp_out_slice(&seen->out, value);
    amp_out_byte(&seen->out, ';');
    return AMP_OK;
}

static enum amp_err read_map(struct seen *seen, const char *text)
{
    size_t len = strlen(text);
    uint8_t *storage = exact_copy(text, len);
    struct amp_json json;
    seen->count = 0;
    seen->out = amp_out(seen->text, sizeof(seen->text));
    amp_json_init(&json, storage, len);
    enum amp_err err = amp_json_read_map(&json, read_text, seen);
    if (err == AMP_OK)
        err = amp_json_finish(&json);
    free(storage);
    return err;
}

static void a_map_is_read_name_by_name(void **state)
{
    struct seen seen;
    assert_int_equal(read_map(&seen, "{}"), AMP_OK);
    assert_int_equal(seen.count, 0);
    assert_int_equal(read_map(&seen, " { \"a\" : \"1\" , \"b\\u0063\":\"\\n\",\"\":\"\" } "), AMP_OK);
    assert_slice(amp_out_done(&seen.out), "a=1;bc=\n;=;");
}

static void a_malformed_map_is_refused(void **state)
{
    static const struct {
        const char *text;
        enum amp_err err;
    } cases[] = {
        {"", AMP_ERR_MALFORMED_JSON},
        {"[]", AMP_ERR_WRONG_TYPE},
        {"null", AMP_ERR_WRONG_TYPE},
        {"{", AMP_ERR_MALFORMED_JSON},
        {"{,}", AMP_ERR_MALFORMED_JSON},
        {"{\"a\"}", AMP_ERR_MALFORMED_JSON},
        {"{\"a\":}", AMP_ERR_MALFORMED_JSON},
        {"{\"a\":\"1\",}", AMP_ERR_MALFORMED_JSON},
        {"{\"a\":\"1\" \"b\":\"2\"}", AMP_ERR_MALFORMED_JSON},
        {"{\"a\" \"1\"}", AMP_ERR_MALFORMED_JSON},
        {"{a:\"1\"}", AMP_ERR_MALFORMED_JSON},
        {"{1:\"1\"}", AMP_ERR_MALFORMED_JSON},
        {"{\"a\":\"1\"", AMP_ERR_MALFORMED_JSON},
        {"{\"a\":\"1\"}}", AMP_ERR_MALFORMED_JSON},
        {"{\"a\":1}", AMP_ERR_WRONG_TYPE},
        {"{\"a\":\"1\",\"a\":\"1\"}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"{\"a\":\"1\",\"\\u0061\":\"2\"}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"{\"\":\"1\",\"\":\"2\"}", AMP_ERR_JSON_DUPLICATE_KEY},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct seen seen;
        assert_err(read_map(&seen, cases[i].text), cases[i].err, cases[i].text);
    }
}

static enum amp_err refuse(struct amp_json *json, struct amp_slice name, void *into)
{
    return AMP_ERR_CARD_CVC_INVALID;
}

static void the_readers_refusal_sticks(void **state)
{
    uint8_t text[] = "{\"a\":1,\"b\":2}";
    struct amp_json json;
    amp_json_init(&json, text, sizeof(text) - 1);
    assert_int_equal(amp_json_read_map(&json, refuse, NULL), AMP_ERR_CARD_CVC_INVALID);
    assert_int_equal(amp_json_read_map(&json, refuse, NULL), AMP_ERR_CARD_CVC_INVALID);
    assert_int_equal(amp_json_finish(&json), AMP_ERR_CARD_CVC_INVALID);
}

static enum amp_err read_nested(struct amp_json *json, struct amp_slice name, void *into)
{
    size_t *deepest = into;
    ++*deepest;
    return amp_json_peek(json) == AMP_JSON_OBJECT ? amp_json_read_map(json, read_nested, into)
                                                  : amp_json_read_string(json, &name);
}

static void maps_nest_as_deep_as_json_may(void **state)
{
    for (size_t depth = AMP_JSON_MAX_DEPTH - 1; depth <= AMP_JSON_MAX_DEPTH + 1; depth++) {
        char text[256];
        struct amp_out out = amp_out(text, sizeof(text));
        struct amp_json json;
        size_t deepest = 0;
        for (size_t i = 0; i < depth; i++)
            amp_out_str(&out, "{\"a\":");
        amp_out_str(&out, "\"\"");
        for (size_t i = 0; i < depth; i++)
            amp_out_byte(&out, '}');
        amp_json_init(&json, out.ptr, out.len);
        assert_int_equal(amp_json_read_map(&json, read_nested, &deepest),
                         depth <= AMP_JSON_MAX_DEPTH ? AMP_OK : AMP_ERR_JSON_TOO_DEEP);
        assert_int_equal(deepest, depth <= AMP_JSON_MAX_DEPTH ? depth : AMP_JSON_MAX_DEPTH);
    }
}

static enum amp_err count_member(struct amp_json *json, struct amp_slice name, void *into)
{
    size_t *count = into;
    struct amp_slice value;
    ++*count;
    return amp_json_read_string(json, &value);
}

/* `twice` is written instead of the last name; 0: none is. */
static enum amp_err read_many(size_t names, size_t twice, size_t *count)
{
    size_t cap = 2 + names * 16;
    uint8_t *text = malloc(cap);
    assert_non_null(text);
    struct amp_out out = amp_out(text, cap);
    for (size_t i = 1; i <= names; i++) {
        amp_out_str(&out, i == 1 ? "{\"" : ",\"");
        amp_out_u64(&out, i == names && twice != 0 ? twice : i);
        amp_out_str(&out, "\":\"\"");
    }
    amp_out_byte(&out, '}');
    assert_false(out.overflow);
    struct amp_json json;
    amp_json_init(&json, text, out.len);
    *count = 0;
    enum amp_err err = amp_json_read_map(&json, count_member, count);
    free(text);
    return err;
}

/* Whichever comes twice, and however many there are. */
static void a_name_that_comes_twice_is_found(void **state)
{
    size_t count;
    for (size_t names = 2; names < 70; names++) {
        assert_int_equal(read_many(names, 0, &count), AMP_OK);
        assert_int_equal(count, names);
        for (size_t twice = 1; twice < names; twice++) {
            assert_int_equal(read_many(names, twice, &count), AMP_ERR_JSON_DUPLICATE_KEY);
            assert_int_equal(count, names - 1);
        }
    }
    assert_int_equal(read_many(200000, 0, &count), AMP_OK);
    assert_int_equal(count, 200000);
    assert_int_equal(read_many(200000, 199999, &count), AMP_ERR_JSON_DUPLICATE_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_is_read_name_by_name),       cmocka_unit_test(a_malformed_map_is_refused),
        cmocka_unit_test(the_readers_refusal_sticks),       cmocka_unit_test(maps_nest_as_deep_as_json_may),
        cmocka_unit_test(a_name_that_comes_twice_is_found),
    };
    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
