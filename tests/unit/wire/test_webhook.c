#include "vectors_json.h"
#include "wire_support.h"

#include "base/text.h"
#include "wire/webhook.h"

#define NOW    INT64_C(1614265330)
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID     "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY   "{\"test\": 2432232314}"
#define SIGNED "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define OTHER  "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
#define ZEROS  "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static struct amp_webhook_secret secret_of(const char *text)
{
    struct amp_webhook_secret secret;
    assert_err(amp_webhook_secret_parse(&secret, amp_slice_str(text)), AMP_OK, text);
    return secret;
}

static enum amp_err verify(struct amp_slice id, struct amp_slice timestamp, struct amp_slice signature,
                           struct amp_slice body)
{
    struct amp_webhook_secret secret = secret_of(SECRET);
    const struct amp_webhook_fields fields = {id, timestamp, signature};
    return amp_webhook_verify(&fields, &secret, NOW, body);
}

static enum amp_err verify_signature(struct amp_slice signature)
{
    return verify(AMP_SLICE_LIT(ID), AMP_SLICE_LIT("1614265330"), signature, AMP_SLICE_LIT(BODY));
}

/* A vector's timestamp is a number, or what is none. */
static struct amp_slice timestamp_of(const json_t *vector, char digits[24])
{
    const json_t *timestamp = json_object_get(vector, "timestamp");
    if (!json_is_integer(timestamp))
        return text_of(vector, "timestamp");
    snprintf(digits, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(timestamp));
    return amp_slice_str(digits);
}

static void check_vector(const json_t *vector)
{
    char digits[24];
    struct amp_webhook_secret secret = secret_of(json_string_value(json_object_get(vector, "secret")));
    const struct amp_webhook_fields fields = {text_of(vector, "id"), timestamp_of(vector, digits),
                                              text_of(vector, "signature")};
    const json_t *now = json_object_get(vector, "receiver_now");
    int64_t now_s = now == NULL ? NOW : json_integer_value(now);
    const char *note = json_string_value(json_object_get(vector, "note"));
    enum amp_err err = amp_webhook_verify(&fields, &secret, now_s, text_of(vector, "body"));
    if ((err == AMP_OK) != is_valid(vector))
        fail_msg("%s: %s", note == NULL ? "valid" : note, amp_err_code(err));
}

static void verifies_what_standard_webhooks_publishes(void **state)
{
    json_t *file = load_vectors("webhooks/vectors.json"), *vector;
    size_t i, used = 0, valid = 0;
    json_array_foreach(json_object_get(file, "standard_webhooks"), i, vector)
    {
        check_vector(vector);
        used++;
        valid += is_valid(vector);
    }
    /* Svix's is signed with Ed25519 ("v1a"), which nobody here can check: it must not be taken for verified. */
    json_array_foreach(json_object_get(file, "svix"), i, vector)
    {
        assert_err(verify_signature(text_of(vector, "signature")), AMP_ERR_WEBHOOK_UNSIGNED, "svix");
        used++;
    }
    json_decref(file);
    print_message("used %zu vectors, of which %zu are valid\n", used, valid);
    assert_true(used >= 12 && valid >= 2);
}

static void the_signature_is_that_of_the_reference(void **state)
{
    char text[AMP_WEBHOOK_SIGNATURE_LEN + 1];
    struct amp_out out = amp_out(text, sizeof text);
    struct amp_webhook_secret secret = secret_of(SECRET);
    assert_int_equal(amp_webhook_sign(&out, &secret, 1, AMP_SLICE_LIT(ID), NOW, AMP_SLICE_LIT(BODY)), AMP_OK);
    assert_slice(amp_out_done(&out), SIGNED);
    assert_err(verify_signature(amp_out_done(&out)), AMP_OK, "its own");
}

static void both_secrets_of_a_rotation_sign(void **state)
{
    char text[2 * AMP_WEBHOOK_SIGNATURE_LEN + 1];
    struct amp_out out = amp_out(text, sizeof text);
    struct amp_webhook_secret secrets[2] = {secret_of(SECRET)};
    assert_int_equal(amp_webhook_secret_new(&secrets[1]), AMP_OK);
    assert_int_equal(secrets[1].len, AMP_WEBHOOK_SECRET_LEN);
    assert_int_equal(amp_webhook_sign(&out, secrets, 2, AMP_SLICE_LIT(ID), NOW, AMP_SLICE_LIT(BODY)), AMP_OK);
    assert_int_equal(out.len, sizeof text);
    const struct amp_webhook_fields fields = {AMP_SLICE_LIT(ID), AMP_SLICE_LIT("1614265330"), amp_out_done(&out)};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(amp_webhook_verify(&fields, &secrets[i], NOW, AMP_SLICE_LIT(BODY)), AMP_OK);
    struct amp_webhook_secret third;
    assert_int_equal(amp_webhook_secret_new(&third), AMP_OK);
    assert_int_equal(amp_webhook_verify(&fields, &third, NOW, AMP_SLICE_LIT(BODY)), AMP_ERR_WEBHOOK_MISMATCH);
}

static void signing_refuses_what_could_not_be_verified(void **state)
{
    char text[3 * AMP_WEBHOOK_SIGNATURE_LEN], long_id[AMP_WEBHOOK_ID_MAX + 1];
    struct amp_webhook_secret secrets[3] = {secret_of(SECRET), secret_of(SECRET), secret_of(SECRET)};
    struct amp_slice body = AMP_SLICE_LIT(BODY);
    memset(long_id, 'a', sizeof long_id);
    struct amp_out out = amp_out(text, sizeof text);
    assert_int_equal(amp_webhook_sign(&out, secrets, 0, AMP_SLICE_LIT(ID), NOW, body), AMP_ERR_INVALID);
    assert_int_equal(amp_webhook_sign(&out, secrets, 3, AMP_SLICE_LIT(ID), NOW, body), AMP_ERR_INVALID);
    assert_int_equal(amp_webhook_sign(&out, secrets, 1, AMP_SLICE_LIT(ID), -1, body), AMP_ERR_INVALID);
    assert_int_equal(amp_webhook_sign(&out, secrets, 1, AMP_SLICE_LIT(""), NOW, body), AMP_ERR_INVALID);
    assert_int_equal(amp_webhook_sign(&out, secrets, 1, AMP_SLICE_LIT("a.1"), NOW, body), AMP_ERR_INVALID);
    assert_int_equal(amp_webhook_sign(&out, secrets, 1, AMP_SLICE_LIT("a b"), NOW, body), AMP_ERR_INVALID);
    assert_int_equal(amp_webhook_sign(&out, secrets, 1, amp_slice(long_id, sizeof long_id), NOW, body),
                     AMP_ERR_INVALID);
    assert_int_equal(out.len, 0);
    assert_int_equal(amp_webhook_sign(&out, secrets, 1, amp_slice(long_id, sizeof long_id - 1), NOW, body), AMP_OK);
    out = amp_out(text, AMP_WEBHOOK_SIGNATURE_LEN - 1);
    assert_int_equal(amp_webhook_sign(&out, secrets, 1, AMP_SLICE_LIT(ID), NOW, body), AMP_ERR_TOO_LARGE);
}

static void no_bit_can_be_flipped(void **state)
{
    struct amp_slice right[4] = {AMP_SLICE_LIT(ID), AMP_SLICE_LIT("1614265330"), AMP_SLICE_LIT(SIGNED),
                                 AMP_SLICE_LIT(BODY)};
    for (size_t i = 0; i < 4; i++) {
        for (size_t bit = 0; bit < right[i].len * 8; bit++) {
            struct amp_slice s[4] = {right[0], right[1], right[2], right[3]};
            uint8_t *copy = exact_copy(right[i].ptr, right[i].len);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            s[i] = amp_slice(copy, right[i].len);
            assert_int_not_equal(verify(s[0], s[1], s[2], s[3]), AMP_OK);
            free(copy);
        }
    }
}

static void no_part_of_anything_verifies(void **state)
{
    struct amp_slice right[4] = {AMP_SLICE_LIT(ID), AMP_SLICE_LIT("1614265330"), AMP_SLICE_LIT(SIGNED),
                                 AMP_SLICE_LIT(BODY)};
    for (size_t i = 0; i < 4; i++) {
        for (size_t len = 0; len < right[i].len; len++) {
            struct amp_slice s[4] = {right[0], right[1], right[2], right[3]};
            uint8_t *copy = exact_copy(right[i].ptr, len);
            s[i] = amp_slice(copy, len);
            assert_int_not_equal(verify(s[0], s[1], s[2], s[3]), AMP_OK);
            free(copy);
        }
    }
}

static void one_right_signature_among_others_is_enough(void **state)
{
    static const struct {
        const char *signature;
        enum amp_err err;
    } cases[] = {
        {SIGNED, AMP_OK},
        {OTHER " " SIGNED, AMP_OK},
        {SIGNED " " OTHER, AMP_OK},
        {"v1a,hnO3f9T8Ytu9 " SIGNED, AMP_OK},
        {"v2,x , " SIGNED " y", AMP_OK},
        {"  " SIGNED "  " OTHER " ", AMP_OK},
        {OTHER, AMP_ERR_WEBHOOK_MISMATCH},
        {ZEROS, AMP_ERR_WEBHOOK_MISMATCH},
        {"v1,", AMP_ERR_WEBHOOK_MISMATCH},
        {"v1, v1,", AMP_ERR_WEBHOOK_MISMATCH},
        {SIGNED "x", AMP_ERR_WEBHOOK_MISMATCH},
        {SIGNED "," OTHER, AMP_ERR_WEBHOOK_MISMATCH},
        {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", AMP_ERR_WEBHOOK_MISMATCH},  /* no padding */
        {"v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE=", AMP_ERR_WEBHOOK_MISMATCH}, /* base64url */
        {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=", AMP_ERR_WEBHOOK_MISMATCH}, /* bits behind the end */
        {"V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", AMP_ERR_WEBHOOK_UNSIGNED},
        {"v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", AMP_ERR_WEBHOOK_UNSIGNED},
        {"v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", AMP_ERR_WEBHOOK_UNSIGNED},
        {"g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", AMP_ERR_WEBHOOK_UNSIGNED},
        {"v1", AMP_ERR_WEBHOOK_UNSIGNED},
        {" ", AMP_ERR_WEBHOOK_UNSIGNED},
        {"", AMP_ERR_WEBHOOK_UNSIGNED},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_err(verify_signature(amp_slice_str(cases[i].signature)), cases[i].err, cases[i].signature);
}

static void sixteen_signatures_are_tried(void **state)
{
    char text[17 * (AMP_WEBHOOK_SIGNATURE_LEN + 1)];
    struct amp_out out = amp_out(text, sizeof text);
    for (size_t i = 0; i < 15; i++)
        amp_out_str(&out, OTHER " ");
    amp_out_str(&out, SIGNED);
    assert_err(verify_signature(amp_out_done(&out)), AMP_OK, "the 16th");
    out = amp_out(text, sizeof text);
    for (size_t i = 0; i < 16; i++)
        amp_out_str(&out, OTHER " ");
    amp_out_str(&out, SIGNED);
    assert_err(verify_signature(amp_out_done(&out)), AMP_ERR_WEBHOOK_MISMATCH, "the 17th");
}

static void the_time_is_checked(void **state)
{
    static const struct {
        int64_t now_s;
        const char *timestamp;
        enum amp_err err;
    } cases[] = {
        {NOW + 300, "1614265330", AMP_OK},
        {NOW - 300, "1614265330", AMP_OK},
        {NOW + 301, "1614265330", AMP_ERR_WEBHOOK_TOO_OLD},
        {NOW - 301, "1614265330", AMP_ERR_WEBHOOK_TOO_OLD},
        {0, "1614265330", AMP_ERR_WEBHOOK_TOO_OLD},
        {-1, "1614265330", AMP_ERR_WEBHOOK_TOO_OLD},
        {INT64_MAX, "1614265330", AMP_ERR_WEBHOOK_TOO_OLD},
        {NOW, "9223372036854775807", AMP_ERR_WEBHOOK_TOO_OLD},
        {NOW, "9223372036854775808", AMP_ERR_WEBHOOK_UNSIGNED},
        {NOW, "1614265331", AMP_ERR_WEBHOOK_MISMATCH},
        {NOW, "01614265330", AMP_ERR_WEBHOOK_UNSIGNED},
        {NOW, "+1614265330", AMP_ERR_WEBHOOK_UNSIGNED},
        {NOW, "1614265330 ", AMP_ERR_WEBHOOK_UNSIGNED},
        {NOW, "1614265330.0", AMP_ERR_WEBHOOK_UNSIGNED},
        {NOW, "-1", AMP_ERR_WEBHOOK_UNSIGNED},
        {NOW, "", AMP_ERR_WEBHOOK_UNSIGNED},
    };
    struct amp_webhook_secret secret = secret_of(SECRET);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct amp_webhook_fields fields = {AMP_SLICE_LIT(ID), amp_slice_str(cases[i].timestamp),
                                                  AMP_SLICE_LIT(SIGNED)};
        assert_err(amp_webhook_verify(&fields, &secret, cases[i].now_s, AMP_SLICE_LIT(BODY)), cases[i].err,
                   cases[i].timestamp);
    }
}

/* What is signed is one text: an id with a '.' could take what follows from the timestamp. */
static void an_id_has_no_dot(void **state)
{
    char text[AMP_WEBHOOK_SIGNATURE_LEN];
    struct amp_out out = amp_out(text, sizeof text);
    struct amp_webhook_secret secret = secret_of(SECRET);
    struct amp_slice body = AMP_SLICE_LIT("1614265330.{}");
    assert_int_equal(amp_webhook_sign(&out, &secret, 1, AMP_SLICE_LIT("a"), NOW, body), AMP_OK);
    struct amp_slice timestamp = AMP_SLICE_LIT("1614265330");
    assert_err(verify(AMP_SLICE_LIT("a"), timestamp, amp_out_done(&out), body), AMP_OK, "as it was signed");
    assert_err(verify(AMP_SLICE_LIT("a.1614265330"), timestamp, amp_out_done(&out), AMP_SLICE_LIT("{}")),
               AMP_ERR_WEBHOOK_UNSIGNED, "the same text, cut elsewhere");
}

static void fields_that_are_not_there_are_missed(void **state)
{
    struct amp_slice none = {NULL, 0}, id = AMP_SLICE_LIT(ID), timestamp = AMP_SLICE_LIT("1614265330");
    struct amp_slice signature = AMP_SLICE_LIT(SIGNED), body = AMP_SLICE_LIT(BODY);
    assert_err(verify(none, timestamp, signature, body), AMP_ERR_WEBHOOK_UNSIGNED, "id");
    assert_err(verify(id, none, signature, body), AMP_ERR_WEBHOOK_UNSIGNED, "timestamp");
    assert_err(verify(id, timestamp, none, body), AMP_ERR_WEBHOOK_UNSIGNED, "signature");
    assert_err(verify(id, timestamp, signature, none), AMP_ERR_WEBHOOK_MISMATCH, "body");
}

static void secrets_are_written_as_they_are_read(void **state)
{
    for (size_t len = 24; len <= AMP_WEBHOOK_SECRET_MAX; len++) {
        struct amp_webhook_secret secret = {.len = len}, again;
        char text[6 + AMP_BASE64_LEN(AMP_WEBHOOK_SECRET_MAX)];
        size_t text_len;
        for (size_t i = 0; i < len; i++)
            secret.bytes[i] = (uint8_t)(len * 31 + i * 7);
        amp_webhook_secret_format(text, &text_len, &secret);
        assert_int_equal(text_len, 6 + AMP_BASE64_LEN(len));
        assert_int_equal(amp_webhook_secret_parse(&again, amp_slice(text, text_len)), AMP_OK);
        assert_int_equal(again.len, len);
        assert_memory_equal(again.bytes, secret.bytes, len);
    }
    struct amp_webhook_secret fresh;
    char text[AMP_WEBHOOK_SECRET_TEXT_LEN];
    size_t len;
    assert_int_equal(amp_webhook_secret_new(&fresh), AMP_OK);
    amp_webhook_secret_format(text, &len, &fresh);
    assert_int_equal(len, AMP_WEBHOOK_SECRET_TEXT_LEN);
}

static void secrets_of_another_form_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "whsec_",
        "whsec",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", /* 22 bytes */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaU=", /* 23 */
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSww",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPY=", /* 65 */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa_-",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct amp_webhook_secret secret, zero = {.len = 0};
        assert_err(amp_webhook_secret_parse(&secret, amp_slice_str(texts[i])), AMP_ERR_INVALID, texts[i]);
        assert_memory_equal(&secret, &zero, sizeof secret);
    }
}

static int init(void **state)
{
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

static int fini(void **state)
{
    amp_crypto_thread_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_what_standard_webhooks_publishes),
        cmocka_unit_test(the_signature_is_that_of_the_reference),
        cmocka_unit_test(both_secrets_of_a_rotation_sign),
        cmocka_unit_test(signing_refuses_what_could_not_be_verified),
        cmocka_unit_test(no_bit_can_be_flipped),
        cmocka_unit_test(no_part_of_anything_verifies),
        cmocka_unit_test(one_right_signature_among_others_is_enough),
        cmocka_unit_test(sixteen_signatures_are_tried),
        cmocka_unit_test(the_time_is_checked),
        cmocka_unit_test(an_id_has_no_dot),
        cmocka_unit_test(fields_that_are_not_there_are_missed),
        cmocka_unit_test(secrets_are_written_as_they_are_read),
        cmocka_unit_test(secrets_of_another_form_are_refused),
    };
    return cmocka_run_group_tests(tests, init, fini);
}
