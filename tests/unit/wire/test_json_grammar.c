/* What JSON is and is not (RFC 8259), asked of the reader of raw values and of that of strings. */
#include "wire_support.h"

#include "crypto/crypto.h"
#include "wire/json.h"

static int start_crypto(void **state)
{
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

struct row {
    const char *text;
    size_t len;
    enum amp_err err;
};
#define GOOD(text)                                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1, AMP_OK                                                                                 \
    }
#define BAD(text, err)                                                                                                 \
    {                                                                                                                  \
        text, sizeof(text) - 1, AMP_ERR_##err                                                                          \
    }
#define NO(text)    BAD(text, MALFORMED_JSON)
#define TWICE(text) BAD(text, JSON_DUPLICATE_KEY)
#define DEEP16      "[[[[[[[[[[[[[[[["
#define SHALLOW16   "]]]]]]]]]]]]]]]]"

static const struct row rows[] = {
    /* literals, and what looks like them */
    GOOD("true"),
    GOOD("false"),
    GOOD("null"),
    GOOD(" \t\r\nnull \t\r\n"),
    NO(""),
    NO(" "),
    NO("True"),
    NO("nul"),
    NO("nullx"),
    NO("tru"),
    NO("NaN"),
    NO("Infinity"),
    NO("undefined"),
    NO("\xef\xbb\xbfnull"),
    NO("\xa0null"),
    NO("null\0"),
    NO("null null"),
    NO("\fnull"),
    NO("\vnull"),
    NO("'a'"),
    NO("/* c */ 1"),
    NO("1 // c"),

    /* numbers: RFC 8259 section 6 */
    GOOD("0"),
    GOOD("-0"),
    GOOD("1"),
    GOOD("-1"),
    GOOD("10"),
    GOOD("123456789012345678901234567890"),
    GOOD("0.0"),
    GOOD("-0.5"),
    GOOD("1.25"),
    GOOD("1e1"),
    GOOD("1E1"),
    GOOD("1e+1"),
    GOOD("1e-1"),
    GOOD("0e0"),
    GOOD("1.5e400"),
    NO("01"),
    NO("-01"),
    NO("00"),
    NO("+1"),
    NO("-"),
    NO("--1"),
    NO(".5"),
    NO("1."),
    NO("1.e1"),
    NO("1e"),
    NO("1e+"),
    NO("1e1.5"),
    NO("1e 1"),
    NO("- 1"),
    NO("0x1"),
    NO("1_000"),
    NO("1,000"),
    NO("-.5"),
    NO("\xef\xbc\x91"),

    /* strings: RFC 8259 section 7 */
    GOOD("\"\""),
    GOOD("\"a\""),
    GOOD("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    GOOD("\"\\u0001\\u001f\\u00e9\\u20ac\\uFFFF\""),
    GOOD("\"\\ud83d\\ude00\""),
    GOOD("\"\\uD800\\uDC00\\uDBFF\\uDFFF\""),
    GOOD("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
    GOOD("\"\x7f\""),
    GOOD("\"12345678901234567890123456789012\""),
    NO("\""),
    NO("\"a"),
    NO("\"\\\""),
    NO("\"\\"),
    NO("\"\\a\""),
    NO("\"\\'\""),
    NO("\"\\0\""),
    NO("\"\\x41\""),
    NO("\"\\U0041\""),
    NO("\"\\u\""),
    NO("\"\\u004\""),
    NO("\"\\u004g\""),
    NO("\"\\u+041\""),
    NO("\"\\u 041\""),
    NO("\"\\u0000\""),
    NO("\"\0\""),
    NO("\"\n\""),
    NO("\"\t\""),
    NO("\"1234567\x1f\""),
    NO("\"12345678\x1f\""),
    NO("\"\\ud83d\""),
    NO("\"\\ude00\""),
    NO("\"\\ude00\\ud83d\""),
    NO("\"\\ud83d\\ud83d\""),
    NO("\"\\ud83dx\""),
    NO("\"\\ud83d\\n\""),
    NO("\"\\ud83d\\u0041\""),
    NO("\"\\ud83d\\"),
    NO("\"\x80\""),
    NO("\"\xc3\""),
    NO("\"\xc3\\u00a9\""),
    NO("\"\\u00c3\xa9\""),
    NO("\"\xc0\xaf\""),
    NO("\"\xe0\x80\xaf\""),
    NO("\"\xed\xa0\x80\""),
    NO("\"\xf4\x90\x80\x80\""),
    NO("\"\xff\""),
    NO("\"12345678\xff\""),
    NO("\"1234\xff"
       "6789abcdefgh\""),

    /* arrays */
    GOOD("[]"),
    GOOD("[ ]"),
    GOOD("[1]"),
    GOOD("[1,2]"),
    GOOD(" [ 1 , \"a\" , [ ] , { } , null ] "),
    GOOD(DEEP16 SHALLOW16),
    GOOD("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]"),
    GOOD("[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]"),
    BAD(DEEP16 "[]" SHALLOW16, JSON_TOO_DEEP),
    BAD(DEEP16 "{}" SHALLOW16, JSON_TOO_DEEP),
    NO("["),
    NO("]"),
    NO("[1"),
    NO("[1,"),
    NO("[1,]"),
    NO("[,1]"),
    NO("[,]"),
    NO("[1,,2]"),
    NO("[1 2]"),
    NO("[1:2]"),
    NO("[1}"),
    NO("[]]"),

    /* objects */
    GOOD("{}"),
    GOOD("{ }"),
    GOOD("{\"a\":1}"),
    GOOD("{ \"a\" : 1 , \"b\" : { \"a\" : 2 } }"),
    GOOD("{\"\":1}"),
    GOOD("{\"a\":1,\"A\":2,\"a \":3,\"\\u0061a\":4}"),
    GOOD("[{\"a\":1},{\"a\":1}]"),
    GOOD("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}"),
    NO("{"),
    NO("}"),
    NO("{\"a\""),
    NO("{\"a\":"),
    NO("{\"a\":1"),
    NO("{\"a\":1,"),
    NO("{\"a\":1,}"),
    NO("{,}"),
    NO("{,\"a\":1}"),
    NO("{\"a\" 1}"),
    NO("{\"a\"::1}"),
    NO("{\"a\",1}"),
    NO("{\"a\":1 \"b\":2}"),
    NO("{\"a\":1;\"b\":2}"),
    NO("{a:1}"),
    NO("{1:1}"),
    NO("{null:1}"),
    NO("{\"a\":1]"),
    NO("{\"a\":}"),
    NO("{\"a\":1}}"),
    NO("{\"a\xff\":1}"),
    TWICE("{\"a\":1,\"a\":1}"),
    TWICE("{\"a\":1,\"b\":2,\"a\":3}"),
    TWICE("{\"\":1,\"\":2}"),
    TWICE("{\"a\":1,\"\\u0061\":2}"),
    TWICE("{\"\\u0061\":1,\"a\":2}"),
    TWICE("{\"/\":1,\"\\/\":2}"),
    TWICE("{\"\\n\":1,\"\\u000a\":2}"),
    TWICE("{\"\xc3\xa9\":1,\"\\u00E9\":2}"),
    TWICE("{\"\xf0\x9f\x98\x80\":1,\"\\uD83D\\uDE00\":2}"),
    TWICE("{\"abcdefgh\":1,\"abcdefg\\u0068\":2}"),
    TWICE("[[{\"a\":{\"b\":1,\"b\":2}}]]"),
    TWICE("{\"x\":{\"a\":1},\"y\":[{\"a\":1,\"a\":1}]}"),
};

/* Reads the text as any value; on success *out is a copy's slice, which `storage` keeps. */
static enum amp_err read_any(const char *text, size_t len, uint8_t *storage, struct amp_slice *out)
{
    struct amp_json json;
    memcpy(storage, text, len);
    amp_json_init(&json, storage, len);
    enum amp_err err = amp_json_read_raw(&json, out);
    return err != AMP_OK ? err : amp_json_finish(&json);
}

static void any_value_is_judged_by_the_grammar(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t *storage = exact_copy(rows[i].text, rows[i].len);
        struct amp_slice out;
        assert_err(read_any(rows[i].text, rows[i].len, storage, &out), rows[i].err, rows[i].text);
        assert_memory_equal(storage, rows[i].text, rows[i].len); /* left as written */
        free(storage);
    }
}

static void no_prefix_of_a_value_with_an_end_is_one(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].err != AMP_OK || strchr("{[\"tfn", rows[i].text[0]) == NULL)
            continue;
        for (size_t len = 0; len < rows[i].len; len++) {
            uint8_t *storage = exact_copy(rows[i].text, len);
            struct amp_slice out;
            assert_err(read_any(rows[i].text, len, storage, &out), AMP_ERR_MALFORMED_JSON, rows[i].text);
            free(storage);
        }
    }
}

static void a_raw_value_is_its_exact_text(void **state)
{
    uint8_t text[] = "  { \"a\" : [ 1 , \"\\u0062\" ] } , 5";
    struct amp_json json;
    struct amp_slice out;
    amp_json_init(&json, text, sizeof(text) - 1);
    assert_int_equal(amp_json_read_raw(&json, &out), AMP_OK);
    assert_slice(out, "{ \"a\" : [ 1 , \"\\u0062\" ] }");
    assert_int_equal(amp_json_finish(&json), AMP_ERR_MALFORMED_JSON);
}

/* {"0":0,"1":0,...} with one name twice where `twice` is set: across several growths of the set of names. */
static enum amp_err read_many_names(unsigned count, bool twice)
{
    size_t cap = 16 * (size_t)count + 32;
    uint8_t *text = malloc(cap);
    assert_non_null(text);
    struct amp_out out = amp_out(text, cap);
    for (unsigned i = 0; i < count; i++) {
        amp_out_str(&out, i == 0 ? "{\"" : ",\"");
        amp_out_u64(&out, i);
        amp_out_str(&out, "\":0");
    }
    amp_out_str(&out, twice ? ",\"\\u0030\":0}" : "}");
    assert_false(out.overflow);
    struct amp_json json;
    struct amp_slice raw;
    amp_json_init(&json, text, out.len);
    enum amp_err err = amp_json_read_raw(&json, &raw);
    free(text);
    return err;
}

static void duplicates_are_found_among_many_names(void **state)
{
    static const unsigned counts[] = {1, 2, 23, 24, 25, 26, 47, 48, 49, 100, 1000, 20000};
    for (size_t i = 0; i < COUNT(counts); i++) {
        assert_int_equal(read_many_names(counts[i], false), AMP_OK);
        assert_int_equal(read_many_names(counts[i], true), AMP_ERR_JSON_DUPLICATE_KEY);
    }
}

static void a_string_read_is_a_string_the_grammar_has(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].text[0] != '"')
            continue;
        uint8_t *storage = exact_copy(rows[i].text, rows[i].len);
        struct amp_json json;
        struct amp_slice value;
        amp_json_init(&json, storage, rows[i].len);
        enum amp_err err = amp_json_read_string(&json, &value);
        if (err == AMP_OK)
            err = amp_json_finish(&json);
        assert_err(err, rows[i].err, rows[i].text);
        free(storage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_value_is_judged_by_the_grammar),
        cmocka_unit_test(no_prefix_of_a_value_with_an_end_is_one),
        cmocka_unit_test(a_raw_value_is_its_exact_text),
        cmocka_unit_test(duplicates_are_found_among_many_names),
        cmocka_unit_test(a_string_read_is_a_string_the_grammar_has),
    };
    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
