#include "wire_support.h"

#include "crypto/crypto.h"
#include "wire/json.h"

static int start_crypto(void **state)
{
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

static void strings_are_unescaped_in_place(void **state)
{
    static const struct {
        const char *text;
        const char *value;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"a\\nb\"", "a\nb"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"},
        {"\"x\\ud83d\\ude00y\"", "x\xf0\x9f\x98\x80y"},
        {"\"\\ud800\\udc00\\udbff\\udfff\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        {"\"\\u07ff\\u0800\\uffff\"", "\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
        {"\"0123456789abcdef\\t0123456789abcdef\"", "0123456789abcdef\t0123456789abcdef"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = strlen(cases[i].text);
        uint8_t *storage = exact_copy(cases[i].text, len);
        struct amp_json json;
        struct amp_slice value;
        amp_json_init(&json, storage, len);
        assert_err(amp_json_read_string(&json, &value), AMP_OK, cases[i].text);
        assert_slice(value, cases[i].value);
        assert_true(value.ptr >= storage && value.ptr + value.len <= storage + len);
        assert_int_equal(amp_json_finish(&json), AMP_OK);
        free(storage);
    }
}

/* What RFC 8259 can write and this reader takes nowhere else. */
/* A string is read by sixteens: it ends at its quote, wherever that stands in them, and so does what must be UTF-8. */
static void a_string_ends_at_its_quote(void **state)
{
    static const uint8_t wrong[] = {0x80, 0xff, 0x1f, 0x00};
    uint8_t text[128];
    for (size_t len = 0; len < 70; len++) {
        for (size_t behind = 0; behind < 32; behind++) {
            struct amp_json json;
            struct amp_slice value;
            memset(text, 'a', sizeof(text));
            text[0] = text[len + 1] = '"';
            memset(text + len + 2, 0xff, behind);
            amp_json_init(&json, text, len + 2 + behind);
            assert_int_equal(amp_json_read_string(&json, &value), AMP_OK);
            assert_int_equal(value.len, len);
            for (size_t i = 0; i < COUNT(wrong) && len != 0; i++) {
                text[len] = wrong[i];
                amp_json_init(&json, text, len + 2 + behind);
                assert_int_equal(amp_json_read_string(&json, &value), AMP_ERR_MALFORMED_JSON);
                text[len] = 'a';
                text[(len + 1) / 2] = wrong[i];
                amp_json_init(&json, text, len + 2 + behind);
                assert_int_equal(amp_json_read_string(&json, &value), AMP_ERR_MALFORMED_JSON);
                text[(len + 1) / 2] = 'a';
            }
        }
    }
}

static void text_may_hold_nul_and_lone_surrogates(void **state)
{
    static const uint8_t expected[] = "a\0\xed\xa0\x80"
                                      "A\xed\xbf\xbf\xed\xaf\xbf\xf4\x8f\xbf\xbf";
    uint8_t text[] = "[\"a\\u0000\\ud800\\u0041\\udfff\\udbff\\udbff\\udfff\",\"\\u0000\"]";
    struct amp_json json;
    struct amp_slice value;
    amp_json_init(&json, text + 1, sizeof text - 2);
    assert_int_equal(amp_json_read_text(&json, &value), AMP_OK);
    assert_int_equal(value.len, sizeof expected - 1);
    assert_memory_equal(value.ptr, expected, value.len);
    json.pos++;
    assert_int_equal(amp_json_read_string(&json, &value), AMP_ERR_MALFORMED_JSON); /* the next one may not */
}

static enum amp_err read_i64(const char *text, int64_t *value)
{
    uint8_t *storage = exact_copy(text, strlen(text));
    struct amp_json json;
    amp_json_init(&json, storage, strlen(text));
    enum amp_err err = amp_json_read_i64(&json, value);
    if (err == AMP_OK)
        err = amp_json_finish(&json);
    free(storage);
    return err;
}

static void whole_numbers_are_read_to_the_bounds_of_int64(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
        enum amp_err err;
    } cases[] = {
        {"0", 0, AMP_OK},
        {"-0", 0, AMP_OK},
        {"12", 12, AMP_OK},
        {"-12", -12, AMP_OK},
        {"9223372036854775807", INT64_MAX, AMP_OK},
        {"-9223372036854775808", INT64_MIN, AMP_OK},
        {"9223372036854775808", 0, AMP_ERR_WRONG_TYPE},
        {"-9223372036854775809", 0, AMP_ERR_WRONG_TYPE},
        {"18446744073709551616", 0, AMP_ERR_WRONG_TYPE},
        {"99999999999999999999999999", 0, AMP_ERR_WRONG_TYPE},
        {"1.0", 0, AMP_ERR_WRONG_TYPE},
        {"1e3", 0, AMP_ERR_WRONG_TYPE},
        {"\"1\"", 0, AMP_ERR_WRONG_TYPE},
        {"null", 0, AMP_ERR_WRONG_TYPE},
        {"01", 0, AMP_ERR_MALFORMED_JSON},
        {"-", 0, AMP_ERR_MALFORMED_JSON},
        {"", 0, AMP_ERR_MALFORMED_JSON},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t value = 0;
        assert_err(read_i64(cases[i].text, &value), cases[i].err, cases[i].text);
        if (cases[i].err == AMP_OK)
            assert_true(value == cases[i].value);
    }
}

static void booleans_are_read(void **state)
{
    static const struct {
        const char *text;
        bool value;
        enum amp_err err;
    } cases[] = {
        {"true", true, AMP_OK},
        {"false", false, AMP_OK},
        {"truE", false, AMP_ERR_MALFORMED_JSON},
        {"t", false, AMP_ERR_MALFORMED_JSON},
        {"1", false, AMP_ERR_WRONG_TYPE},
        {"null", false, AMP_ERR_WRONG_TYPE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t *storage = exact_copy(cases[i].text, strlen(cases[i].text));
        struct amp_json json;
        bool value;
        amp_json_init(&json, storage, strlen(cases[i].text));
        assert_err(amp_json_read_bool(&json, &value), cases[i].err, cases[i].text);
        if (cases[i].err == AMP_OK)
            assert_int_equal(value, cases[i].value);
        free(storage);
    }
}

/* ---- objects by a table ---- */

struct thing {
    struct amp_slice name;
    int64_t size;
    struct amp_slice rest;
    struct thing *inner;
};

static enum amp_err read_name(struct amp_json *json, void *into)
{
    struct thing *thing = into;
    return amp_json_read_string(json, &thing->name);
}

static enum amp_err read_size(struct amp_json *json, void *into)
{
    struct thing *thing = into;
    enum amp_err err = amp_json_read_i64(json, &thing->size);
    return err == AMP_OK && thing->size < 0 ? AMP_ERR_TTL_INVALID : err;
}

static enum amp_err read_rest(struct amp_json *json, void *into)
{
    struct thing *thing = into;
    return amp_json_read_raw(json, &thing->rest);
}

static enum amp_err read_inner(struct amp_json *json, void *into);

static const struct amp_json_member thing_members[] = {
    {"name", read_name, true},
    {"size", read_size, false},
    {"rest", read_rest, false},
    {"inner", read_inner, false},
};

static enum amp_err read_thing(struct amp_json *json, void *into)
{
    return amp_json_read_object(json, thing_members, COUNT(thing_members), into);
}

static enum amp_err read_inner(struct amp_json *json, void *into)
{
    struct thing *thing = into;
    return thing->inner == NULL ? AMP_ERR_INTERNAL : read_thing(json, thing->inner);
}

static void an_object_is_read_by_its_table(void **state)
{
    static const struct {
        const char *text;
        enum amp_err err;
    } cases[] = {
        {"{\"name\":\"a\"}", AMP_OK},
        {" { \"size\" : 3 , \"name\" : \"a\" } ", AMP_OK},
        {"{\"n\\u0061me\":\"a\"}", AMP_OK},
        {"{\"name\":\"a\",\"rest\":{\"x\":[1,{}]}}", AMP_OK},
        {"{\"name\":\"a\",\"inner\":{\"name\":\"b\"}}", AMP_OK},
        {"{}", AMP_ERR_MISSING_FIELD},
        {"{\"size\":3}", AMP_ERR_MISSING_FIELD},
        {"{\"name\":\"a\",\"inner\":{}}", AMP_ERR_MISSING_FIELD},
        {"{\"name\":\"a\",\"other\":1}", AMP_ERR_UNKNOWN_FIELD},
        {"{\"Name\":\"a\"}", AMP_ERR_UNKNOWN_FIELD},
        {"{\"\":1}", AMP_ERR_UNKNOWN_FIELD},
        {"{\"name\":\"a\",\"name\":\"a\"}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"{\"name\":\"a\",\"\\u006eame\":\"a\"}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"{\"name\":\"a\",\"rest\":{\"x\":1,\"x\":1}}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"{\"name\":1}", AMP_ERR_WRONG_TYPE},
        {"{\"name\":null}", AMP_ERR_WRONG_TYPE},
        {"{\"name\":\"a\",\"size\":\"3\"}", AMP_ERR_WRONG_TYPE},
        {"{\"name\":\"a\",\"size\":-3}", AMP_ERR_TTL_INVALID},
        {"[]", AMP_ERR_WRONG_TYPE},
        {"\"a\"", AMP_ERR_WRONG_TYPE},
        {"null", AMP_ERR_WRONG_TYPE},
        {"", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\"", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\",}", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":}", AMP_ERR_MALFORMED_JSON},
        {"{\"name\" \"a\"}", AMP_ERR_MALFORMED_JSON},
        {"{name:\"a\"}", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\"}x", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\"}{}", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\",\"rest\":[1,}", AMP_ERR_MALFORMED_JSON},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct thing inner = {0};
        struct thing thing = {.inner = &inner};
        uint8_t *storage = exact_copy(cases[i].text, strlen(cases[i].text));
        struct amp_json json;
        amp_json_init(&json, storage, strlen(cases[i].text));
        enum amp_err err = read_thing(&json, &thing);
        if (err == AMP_OK)
            err = amp_json_finish(&json);
        assert_err(err, cases[i].err, cases[i].text);
        if (err == AMP_OK)
            assert_slice(thing.name, "a");
        free(storage);
    }
}

static enum amp_err read_element(struct amp_json *json, size_t index, void *into)
{
    int64_t value;
    int64_t *sum = into;
    enum amp_err err = amp_json_read_i64(json, &value);
    if (err != AMP_OK)
        return err;
    *sum = *sum * 10 + value;
    return value == (int64_t)index ? AMP_OK : AMP_ERR_BATCH_SIZE;
}

static void members_unknown_to_an_open_table_are_passed_over(void **state)
{
    static const struct {
        const char *text;
        enum amp_err err;
    } cases[] = {
        {"{\"name\":\"a\"}", AMP_OK},
        {"{\"x\":[{\"name\":1}],\"name\":\"a\",\"\":null , \"y\" : 1e9 }", AMP_OK},
        {"{\"n\\u0061me\":\"a\",\"Name\":1}", AMP_OK},
        {"{}", AMP_ERR_MISSING_FIELD},
        {"{\"x\":{\"name\":\"a\"}}", AMP_ERR_MISSING_FIELD},
        {"{\"name\":1}", AMP_ERR_WRONG_TYPE},
        {"[]", AMP_ERR_WRONG_TYPE},
        {"\"name\"", AMP_ERR_WRONG_TYPE},
        {"", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\",\"name\":\"a\"}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"{\"name\":\"a\",\"x\":1,\"\\u0078\":1}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"{\"name\":\"a\",\"x\":{\"y\":1,\"y\":1}}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"{\"name\":\"a\",}", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\",\"x\"}", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\",\"x\":}", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\",\"x\":\"\\q\"}", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\"", AMP_ERR_MALFORMED_JSON},
        {"{\"name\":\"a\"}}", AMP_ERR_MALFORMED_JSON},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct thing thing = {.size = -1};
        struct amp_json json;
        size_t len = strlen(cases[i].text);
        uint8_t *copy = exact_copy(cases[i].text, len);
        amp_json_init(&json, copy, len);
        enum amp_err err = amp_json_read_known(&json, thing_members, COUNT(thing_members), &thing);
        if (err == AMP_OK)
            err = amp_json_finish(&json);
        assert_err(err, cases[i].err, cases[i].text);
        if (err == AMP_OK)
            assert_slice(thing.name, "a");
        free(copy);
    }
}

static void an_array_is_read_element_by_element(void **state)
{
    static const struct {
        const char *text;
        enum amp_err err;
        int64_t sum;
    } cases[] = {
        {"[]", AMP_OK, 0},
        {"[0,1,2]", AMP_OK, 12},
        {"[ 0 , 1 ] ", AMP_OK, 1},
        {"[1]", AMP_ERR_BATCH_SIZE, 0},
        {"{}", AMP_ERR_WRONG_TYPE, 0},
        {"[0,]", AMP_ERR_MALFORMED_JSON, 0},
        {"[0", AMP_ERR_MALFORMED_JSON, 0},
        {"[,0]", AMP_ERR_MALFORMED_JSON, 0},
        {"[\"0\"]", AMP_ERR_WRONG_TYPE, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t sum = 0;
        uint8_t *storage = exact_copy(cases[i].text, strlen(cases[i].text));
        struct amp_json json;
        amp_json_init(&json, storage, strlen(cases[i].text));
        enum amp_err err = amp_json_read_array(&json, read_element, &sum);
        if (err == AMP_OK)
            err = amp_json_finish(&json);
        assert_err(err, cases[i].err, cases[i].text);
        if (err == AMP_OK)
            assert_int_equal(sum, cases[i].sum);
        free(storage);
    }
}

static void tables_and_raw_values_share_one_depth(void **state)
{
    struct thing things[AMP_JSON_MAX_DEPTH + 2] = {0};
    char text[1024];
    for (size_t levels = 1; levels <= AMP_JSON_MAX_DEPTH; levels++) {
        for (size_t raw = 0; raw <= AMP_JSON_MAX_DEPTH; raw++) {
            struct amp_out out = amp_out(text, sizeof(text));
            for (size_t i = 0; i < levels; i++) {
                things[i].inner = &things[i + 1];
                amp_out_str(&out, i + 1 < levels ? "{\"name\":\"a\",\"inner\":" : "{\"name\":\"a\",\"rest\":");
            }
            for (size_t i = 0; i < raw; i++)
                amp_out_byte(&out, '[');
            amp_out_str(&out, raw == 0 ? "1" : "");
            for (size_t i = 0; i < raw; i++)
                amp_out_byte(&out, ']');
            for (size_t i = 0; i < levels; i++)
                amp_out_byte(&out, '}');
            struct amp_json json;
            amp_json_init(&json, out.ptr, out.len);
            enum amp_err expected = levels + raw > AMP_JSON_MAX_DEPTH ? AMP_ERR_JSON_TOO_DEEP : AMP_OK;
            assert_err(read_thing(&json, &things[0]), expected, "depth");
        }
    }
}

static void the_first_error_sticks(void **state)
{
    uint8_t text[] = "1 2 \"a\" true [] {}";
    struct amp_json json;
    struct amp_slice value;
    int64_t number;
    bool flag;
    amp_json_init(&json, text, sizeof(text) - 1);
    assert_int_equal(amp_json_read_string(&json, &value), AMP_ERR_WRONG_TYPE);
    size_t pos = json.pos;
    assert_int_equal(amp_json_peek(&json), AMP_JSON_NONE);
    assert_int_equal(amp_json_read_i64(&json, &number), AMP_ERR_WRONG_TYPE);
    assert_int_equal(amp_json_read_string(&json, &value), AMP_ERR_WRONG_TYPE);
    assert_int_equal(amp_json_read_bool(&json, &flag), AMP_ERR_WRONG_TYPE);
    assert_int_equal(amp_json_read_raw(&json, &value), AMP_ERR_WRONG_TYPE);
    assert_int_equal(amp_json_read_array(&json, read_element, &number), AMP_ERR_WRONG_TYPE);
    assert_int_equal(amp_json_read_object(&json, thing_members, 1, &number), AMP_ERR_WRONG_TYPE);
    assert_int_equal(amp_json_finish(&json), AMP_ERR_WRONG_TYPE);
    assert_int_equal(json.pos, pos);
}

static void a_written_string_reads_back(void **state)
{
    for (unsigned c = 1; c < 0x80; c++) {
        const uint8_t plain[] = {'x', (uint8_t)c, 'y', (uint8_t)c};
        uint8_t text[64];
        struct amp_out out = amp_out(text, sizeof(text));
        struct amp_json json;
        struct amp_slice value;
        amp_json_write_string(&out, amp_slice(plain, sizeof(plain)));
        assert_false(out.overflow);
        amp_json_init(&json, text, out.len);
        assert_int_equal(amp_json_read_string(&json, &value), AMP_OK);
        assert_int_equal(amp_json_finish(&json), AMP_OK);
        assert_int_equal(value.len, sizeof(plain));
        assert_memory_equal(value.ptr, plain, sizeof(plain));
    }
}

static void strings_are_written_with_the_escapes_they_need(void **state)
{
    uint8_t text[64];
    struct amp_out out = amp_out(text, sizeof(text));
    amp_json_write_string(&out, amp_slice_str("a\"b\\c\n\x1f/\xc3\xa9\x7f"));
    assert_slice(amp_out_done(&out), "\"a\\\"b\\\\c\\u000a\\u001f/\xc3\xa9\x7f\"");
    out = amp_out(text, sizeof(text));
    amp_json_write_string(&out, amp_slice(NULL, 0));
    assert_slice(amp_out_done(&out), "\"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_unescaped_in_place),
        cmocka_unit_test(a_string_ends_at_its_quote),
        cmocka_unit_test(text_may_hold_nul_and_lone_surrogates),
        cmocka_unit_test(whole_numbers_are_read_to_the_bounds_of_int64),
        cmocka_unit_test(booleans_are_read),
        cmocka_unit_test(an_object_is_read_by_its_table),
        cmocka_unit_test(members_unknown_to_an_open_table_are_passed_over),
        cmocka_unit_test(an_array_is_read_element_by_element),
        cmocka_unit_test(tables_and_raw_values_share_one_depth),
        cmocka_unit_test(the_first_error_sticks),
        cmocka_unit_test(a_written_string_reads_back),
        cmocka_unit_test(strings_are_written_with_the_escapes_they_need),
    };
    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
