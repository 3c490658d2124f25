#include "wire_support.h"

#include "wire/card.h"

#define NOW INT64_C(1769860800000) /* 2026-01-31T12:00:00Z */

static void numbers_pass_luhn_or_not(void **state)
{
    static const struct {
        const char *digits;
        bool passes;
    } cases[] = {
        {"4111111111111111", true}, {"4111111111111112", false}, {"5555555555554444", true}, {"378282246310005", true},
        {"378282246310006", false}, {"6011111111111117", true},  {"30569309025904", true},   {"3530111333300000", true},
        {"000000000000", true},     {"79927398713", true},       {"79927398710", false},     {"", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(amp_card_luhn(amp_slice_str(cases[i].digits)), cases[i].passes);
}

static void every_single_wrong_digit_fails_luhn(void **state)
{
    char digits[] = "4111111111111111";
    for (size_t at = 0; at < sizeof(digits) - 1; at++) {
        for (char digit = '0'; digit <= '9'; digit++) {
            char right = digits[at];
            digits[at] = digit;
            assert_int_equal(amp_card_luhn(amp_slice_str(digits)), digit == right);
            digits[at] = right;
        }
    }
}

static void brands_are_told_by_iin_and_length(void **state)
{
    static const struct {
        const char *digits;
        enum amp_brand brand;
    } cases[] = {
        {"4111111111111111", AMP_BRAND_VISA},
        {"4222222222222", AMP_BRAND_VISA},
        {"4000000000000000006", AMP_BRAND_VISA},
        {"411111111111", AMP_BRAND_UNKNOWN}, /* of 12 digits there is none */
        {"5100000000000000", AMP_BRAND_MASTERCARD},
        {"5599999999999999", AMP_BRAND_MASTERCARD},
        {"2220999999999999", AMP_BRAND_UNKNOWN},
        {"2221000000000000", AMP_BRAND_MASTERCARD},
        {"2720999999999999", AMP_BRAND_MASTERCARD},
        {"2721000000000000", AMP_BRAND_UNKNOWN},
        {"340000000000000", AMP_BRAND_AMEX},
        {"379999999999999", AMP_BRAND_AMEX},
        {"350000000000000", AMP_BRAND_UNKNOWN},
        {"3400000000000000", AMP_BRAND_UNKNOWN},
        {"6011000000000000", AMP_BRAND_DISCOVER},
        {"6440000000000000", AMP_BRAND_DISCOVER},
        {"6599999999999999", AMP_BRAND_DISCOVER},
        {"6221260000000000", AMP_BRAND_UNIONPAY},
        {"6299999999999999", AMP_BRAND_UNIONPAY},
        {"8100000000000000", AMP_BRAND_UNIONPAY},
        {"8172000000000000", AMP_BRAND_UNKNOWN},
        {"30000000000000", AMP_BRAND_DINERS},
        {"30599999999999", AMP_BRAND_DINERS},
        {"30600000000000", AMP_BRAND_UNKNOWN},
        {"30950000000000", AMP_BRAND_DINERS},
        {"36000000000000", AMP_BRAND_DINERS},
        {"38000000000000", AMP_BRAND_DINERS},
        {"39999999999999", AMP_BRAND_DINERS},
        {"3527990000000000", AMP_BRAND_UNKNOWN},
        {"3528000000000000", AMP_BRAND_JCB},
        {"3589999999999999", AMP_BRAND_JCB},
        {"3590000000000000", AMP_BRAND_UNKNOWN},
        {"500000000000", AMP_BRAND_MAESTRO},
        {"5612345678901234", AMP_BRAND_MAESTRO},
        {"5899999999999999999", AMP_BRAND_MAESTRO},
        {"6304000000000000", AMP_BRAND_MAESTRO},
        {"6759000000000000", AMP_BRAND_MAESTRO},
        {"6763000000000", AMP_BRAND_MAESTRO},
        {"9999999999999999", AMP_BRAND_UNKNOWN},
        {"0000000000000000", AMP_BRAND_UNKNOWN},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum amp_brand brand = amp_card_brand(amp_slice_str(cases[i].digits));
        if (brand != cases[i].brand)
            fail_msg("%s: expected %s, got %s", cases[i].digits, amp_brand_name(cases[i].brand), amp_brand_name(brand));
    }
}

/* The text is unescaped in place: `storage` keeps what the card borrows. */
static enum amp_err read_card(const char *text, int64_t now, uint8_t *storage, struct amp_card *card)
{
    struct amp_json json;
    memcpy(storage, text, strlen(text));
    amp_json_init(&json, storage, strlen(text));
    enum amp_err err = amp_card_read(card, &json, now);
    return err != AMP_OK ? err : amp_json_finish(&json);
}

#define VISA       "\"number\":\"4111111111111111\""
#define AMEX       "\"number\":\"378282246310005\""
#define UNKNOWN    "\"number\":\"9999999999999995\""
#define EXPIRY     "\"exp_month\":12,\"exp_year\":2030"
#define NAME_OF_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void each_rule_has_its_own_error(void **state)
{
    static const struct {
        const char *text;
        enum amp_err err;
    } cases[] = {
        {"{" VISA "," EXPIRY "}", AMP_OK},
        {"{" VISA "," EXPIRY ",\"cvc\":\"123\",\"name\":\"J DOE\"}", AMP_OK},
        {"{\"number\":\"4\\u0031\\u003111111111111111\"," EXPIRY "}", AMP_ERR_CARD_NUMBER_INVALID},
        {"{\"number\":\"\\u0034111111111111111\"," EXPIRY "}", AMP_OK},
        {"{\"number\":4111111111111111," EXPIRY "}", AMP_ERR_CARD_NUMBER_MUST_BE_STRING},
        {"{\"number\":-1.5e3," EXPIRY "}", AMP_ERR_CARD_NUMBER_MUST_BE_STRING},
        {"{\"number\":null," EXPIRY "}", AMP_ERR_WRONG_TYPE},
        {"{\"number\":[\"4111111111111111\"]," EXPIRY "}", AMP_ERR_WRONG_TYPE},
        {"{\"number\":\"4111111111111112\"," EXPIRY "}", AMP_ERR_CARD_NUMBER_INVALID},
        {"{\"number\":\"\"," EXPIRY "}", AMP_ERR_CARD_NUMBER_INVALID},
        {"{\"number\":\"00000000000\"," EXPIRY "}", AMP_ERR_CARD_NUMBER_INVALID},
        {"{\"number\":\"000000000000\"," EXPIRY "}", AMP_OK},
        {"{\"number\":\"0000000000000000000\"," EXPIRY "}", AMP_OK},
        {"{\"number\":\"00000000000000000000\"," EXPIRY "}", AMP_ERR_CARD_NUMBER_INVALID},
        {"{\"number\":\"4111 1111 1111 1111\"," EXPIRY "}", AMP_ERR_CARD_NUMBER_INVALID},
        {"{\"number\":\"4111-1111-1111-1111\"," EXPIRY "}", AMP_ERR_CARD_NUMBER_INVALID},
        {"{\"number\":\"41111111111111x1\"," EXPIRY "}", AMP_ERR_CARD_NUMBER_INVALID},
        {"{\"number\":\"\xef\xbc\x94"
         "1111111111111\"," EXPIRY "}",
         AMP_ERR_CARD_NUMBER_INVALID},
        {"{" EXPIRY "}", AMP_ERR_MISSING_FIELD},
        {"{" VISA ",\"exp_month\":12}", AMP_ERR_MISSING_FIELD},
        {"{" VISA ",\"exp_year\":2030}", AMP_ERR_MISSING_FIELD},
        {"{" VISA "," VISA "," EXPIRY "}", AMP_ERR_JSON_DUPLICATE_KEY},
        {"{" VISA "," EXPIRY ",\"cvv\":\"123\"}", AMP_ERR_UNKNOWN_FIELD},
        {"\"4111111111111111\"", AMP_ERR_WRONG_TYPE},
        {"{" VISA ",\"exp_month\":0,\"exp_year\":2030}", AMP_ERR_CARD_EXPIRY_INVALID},
        {"{" VISA ",\"exp_month\":13,\"exp_year\":2030}", AMP_ERR_CARD_EXPIRY_INVALID},
        {"{" VISA ",\"exp_month\":-1,\"exp_year\":2030}", AMP_ERR_CARD_EXPIRY_INVALID},
        {"{" VISA ",\"exp_month\":\"12\",\"exp_year\":2030}", AMP_ERR_WRONG_TYPE},
        {"{" VISA ",\"exp_month\":1.0,\"exp_year\":2030}", AMP_ERR_WRONG_TYPE},
        {"{" VISA ",\"exp_month\":12,\"exp_year\":30}", AMP_ERR_CARD_EXPIRY_INVALID},
        {"{" VISA ",\"exp_month\":12,\"exp_year\":999}", AMP_ERR_CARD_EXPIRY_INVALID},
        {"{" VISA ",\"exp_month\":12,\"exp_year\":10000}", AMP_ERR_CARD_EXPIRY_INVALID},
        {"{" VISA ",\"exp_month\":12,\"exp_year\":1000}", AMP_ERR_CARD_EXPIRED},
        {"{" VISA ",\"exp_month\":12,\"exp_year\":9999}", AMP_OK},
        {"{" VISA ",\"exp_month\":12,\"exp_year\":\"2030\"}", AMP_ERR_WRONG_TYPE},
        {"{" VISA "," EXPIRY ",\"cvc\":\"\"}", AMP_ERR_CARD_CVC_INVALID},
        {"{" VISA "," EXPIRY ",\"cvc\":\"12\"}", AMP_ERR_CARD_CVC_INVALID},
        {"{" VISA "," EXPIRY ",\"cvc\":\"1234\"}", AMP_ERR_CARD_CVC_INVALID},
        {"{" VISA "," EXPIRY ",\"cvc\":\"12a\"}", AMP_ERR_CARD_CVC_INVALID},
        {"{" VISA "," EXPIRY ",\"cvc\":123}", AMP_ERR_CARD_CVC_INVALID},
        {"{" VISA "," EXPIRY ",\"cvc\":null}", AMP_ERR_WRONG_TYPE},
        {"{" AMEX "," EXPIRY ",\"cvc\":\"1234\"}", AMP_OK},
        {"{" AMEX "," EXPIRY ",\"cvc\":\"123\"}", AMP_ERR_CARD_CVC_INVALID},
        {"{" UNKNOWN "," EXPIRY ",\"cvc\":\"123\"}", AMP_OK},
        {"{" UNKNOWN "," EXPIRY ",\"cvc\":\"1234\"}", AMP_OK},
        {"{" UNKNOWN "," EXPIRY ",\"cvc\":\"12345\"}", AMP_ERR_CARD_CVC_INVALID},
        {"{" VISA "," EXPIRY ",\"name\":\"" NAME_OF_64 NAME_OF_64 "\"}", AMP_OK},
        {"{" VISA "," EXPIRY ",\"name\":\"" NAME_OF_64 NAME_OF_64 "a\"}", AMP_ERR_CARD_NAME_INVALID},
        {"{" VISA "," EXPIRY ",\"name\":\"\"}", AMP_ERR_CARD_NAME_INVALID},
        {"{" VISA "," EXPIRY ",\"name\":\"a\\nb\"}", AMP_ERR_CARD_NAME_INVALID},
        {"{" VISA "," EXPIRY ",\"name\":\"a\\u007f\"}", AMP_ERR_CARD_NAME_INVALID},
        {"{" VISA "," EXPIRY ",\"name\":\"a\\u0085\"}", AMP_ERR_CARD_NAME_INVALID},
        {"{" VISA "," EXPIRY ",\"name\":\"Jos\xc3\xa9 \xc2\xa0\"}", AMP_OK},
        {"{" VISA "," EXPIRY ",\"name\":7}", AMP_ERR_WRONG_TYPE},
        {"{" VISA "," EXPIRY "", AMP_ERR_MALFORMED_JSON},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t storage[512];
        struct amp_card card;
        enum amp_err err = read_card(cases[i].text, NOW, storage, &card);
        assert_err(err, cases[i].err, cases[i].text);
        assert_int_equal(card.number.ptr == NULL, err != AMP_OK); /* a refusal leaves nothing */
    }
}

static void a_card_is_good_to_the_end_of_its_month_where_it_is_latest(void **state)
{
    /* 2026-03-01T12:00:00Z is midnight at UTC-12: until then it is February somewhere. */
    static const int64_t march_ms = INT64_C(1772366400000);
    static const char february[] = "{" VISA ",\"exp_month\":2,\"exp_year\":2026}";
    static const char december[] = "{" VISA ",\"exp_month\":12,\"exp_year\":2025}";
    uint8_t storage[128];
    struct amp_card card;
    assert_int_equal(read_card(february, march_ms - 1, storage, &card), AMP_OK);
    assert_int_equal(read_card(february, march_ms, storage, &card), AMP_ERR_CARD_EXPIRED);
    assert_int_equal(read_card(december, march_ms, storage, &card), AMP_ERR_CARD_EXPIRED);
    assert_int_equal(read_card(december, 0, storage, &card), AMP_OK);
}

static void a_card_is_masked(void **state)
{
    static const struct {
        const char *number;
        bool bin8;
        const char *masked;
    } cases[] = {
        {"4111111111111111", false,
         "{\"brand\":\"visa\",\"bin\":\"411111\",\"last4\":\"1111\",\"exp_month\":12,\"exp_year\":2030}"},
        {"5555555555554444", true,
         "{\"brand\":\"mastercard\",\"bin\":\"55555555\",\"last4\":\"4444\",\"exp_month\":12,\"exp_year\":2030}"},
        {"378282246310005", true,
         "{\"brand\":\"amex\",\"bin\":\"378282\",\"last4\":\"0005\",\"exp_month\":12,\"exp_year\":2030}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t storage[256], text[256];
        char json[256];
        struct amp_card card;
        snprintf(json, sizeof(json), "{\"number\":\"%s\"," EXPIRY ",\"name\":\"J\"}", cases[i].number);
        assert_int_equal(read_card(json, NOW, storage, &card), AMP_OK);
        struct amp_out out = amp_out(text, sizeof(text));
        amp_card_write_masked(&out, &card, cases[i].bin8);
        assert_slice(amp_out_done(&out), cases[i].masked);
    }
}

static void a_card_written_is_the_card_read(void **state)
{
    static const char *const cases[] = {
        "{\"number\":\"4111111111111111\",\"exp_month\":1,\"exp_year\":2031}",
        "{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":2030,\"cvc\":\"012\",\"name\":\"J \\\"D\\\" "
        "\xc3\xa9\"}",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t storage[256], text[256];
        struct amp_card card;
        assert_int_equal(read_card(cases[i], NOW, storage, &card), AMP_OK);
        struct amp_out out = amp_out(text, sizeof(text));
        amp_card_write(&out, &card);
        assert_slice(amp_out_done(&out), cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_pass_luhn_or_not),
        cmocka_unit_test(every_single_wrong_digit_fails_luhn),
        cmocka_unit_test(brands_are_told_by_iin_and_length),
        cmocka_unit_test(each_rule_has_its_own_error),
        cmocka_unit_test(a_card_is_good_to_the_end_of_its_month_where_it_is_latest),
        cmocka_unit_test(a_card_is_masked),
        cmocka_unit_test(a_card_written_is_the_card_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
