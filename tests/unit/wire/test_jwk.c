#include "jwk_support.h"

#include "base/text.h"

/* RFC 7638 section 3.1, but for its alg, which signs. */
#define RFC7638_N                                                                                                      \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj" \
    "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ" \
    "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK" \
    "nqDKgw"

static bool is_private(const struct amp_pkey *key)
{
    uint8_t x[AMP_EC_BYTES_MAX], y[AMP_EC_BYTES_MAX], d[AMP_EC_BYTES_MAX], plain[AMP_RSA_BYTES_MAX];
    size_t len;
    if (amp_pkey_is_rsa(key))
        return amp_rsa_oaep_decrypt(key, x, 0, plain, &len) == AMP_ERR_NOT_AUTHENTIC; /* not of this length */
    return amp_pkey_ec_numbers(key, x, y, d) == AMP_OK;
}

static void the_thumbprint_is_that_of_rfc7638(void **state)
{
    struct amp_jwk jwk =
        good_jwk("{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\",\"kid\":\"2011-04-29\"}", false);
    assert_slice(amp_slice(jwk.kid, sizeof jwk.kid), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_false(is_private(jwk.key));
    amp_jwk_fini(&jwk);
}

static void a_private_key_has_the_name_of_its_public_one(void **state)
{
    static const char *const pairs[][2] = {
        {RSA_PUBLIC, RSA_PRIVATE}, {P256_PUBLIC, P256_PRIVATE}, {P384_PUBLIC, P384_PRIVATE}};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct amp_jwk public = good_jwk(pairs[i][0], false), private = good_jwk(pairs[i][1], true);
        assert_memory_equal(public.kid, private.kid, sizeof public.kid);
        assert_false(is_private(public.key));
        assert_true(is_private(private.key));
        amp_jwk_fini(&public);
        amp_jwk_fini(&private);
    }
}

static void what_is_written_is_canonical_and_public(void **state)
{
    static const char *const pairs[][2] = {
        {RSA_PRIVATE, "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}"},
        {P256_PRIVATE, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" P256_X "\",\"y\":\"" P256_Y "\"}"},
        {P384_PRIVATE, "{\"crv\":\"P-384\",\"kty\":\"EC\",\"x\":\"" P384_X "\",\"y\":\"" P384_Y "\"}"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        uint8_t text[AMP_JWK_PUBLIC_MAX];
        struct amp_jwk jwk = good_jwk(pairs[i][0], true);
        struct amp_out out = amp_out(text, sizeof text);
        assert_err(amp_jwk_write_public(&out, &jwk), AMP_OK, pairs[i][1]);
        assert_slice(amp_out_done(&out), pairs[i][1]);
        out = amp_out(text, strlen(pairs[i][1]) - 1);
        assert_err(amp_jwk_write_public(&out, &jwk), AMP_ERR_TOO_LARGE, "one byte too few");
        amp_jwk_fini(&jwk);
    }
}

#define EC(more)      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_X "\",\"y\":\"" P256_Y "\"" more "}"
#define RSA(more)     "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"" more "}"
#define PRIVATE(more) ",\"d\":\"" P256_D "\"" more

struct told {
    const char *json;
    bool want_private;
    enum amp_err err;
};

static void check_all(const struct told *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct amp_jwk jwk;
        assert_err(parse_jwk(&jwk, cases[i].json, cases[i].want_private), cases[i].err, cases[i].json);
        assert_true((jwk.key != NULL) == (cases[i].err == AMP_OK));
        amp_jwk_fini(&jwk);
    }
}

static void what_a_key_is_for_is_honoured(void **state)
{
    static const struct told cases[] = {
        {EC(",\"use\":\"enc\""), false, AMP_OK},
        {EC(",\"use\":\"sig\""), false, AMP_ERR_JWK_INVALID},
        {EC(",\"use\":\"\""), false, AMP_ERR_JWK_INVALID},
        {EC(",\"alg\":\"ECDH-ES\""), false, AMP_OK},
        {EC(",\"alg\":\"ECDH-ES+A256KW\""), false, AMP_ERR_JWK_INVALID},
        {EC(",\"alg\":\"RSA-OAEP-256\""), false, AMP_ERR_JWK_INVALID},
        {EC(",\"alg\":\"ES256\""), false, AMP_ERR_JWK_INVALID},
        {RSA(",\"alg\":\"RSA-OAEP-256\""), false, AMP_OK},
        {RSA(",\"alg\":\"RSA-OAEP\""), false, AMP_ERR_JWK_INVALID},
        {RSA(",\"alg\":\"RSA1_5\""), false, AMP_ERR_JWK_INVALID},
        {RSA(",\"alg\":\"ECDH-ES\""), false, AMP_ERR_JWK_INVALID},
        {RSA(",\"key_ops\":[\"encrypt\"]"), false, AMP_OK},
        {RSA(",\"key_ops\":[\"wrapKey\",\"unheard-of\"]"), false, AMP_OK},
        {RSA(",\"key_ops\":[\"decrypt\"]"), false, AMP_ERR_JWK_INVALID},
        {RSA(",\"key_ops\":[\"verify\"]"), false, AMP_ERR_JWK_INVALID},
        {RSA(",\"key_ops\":[\"encrypt\",\"encrypt\"]"), false, AMP_ERR_JWK_INVALID},
        {RSA(",\"key_ops\":\"encrypt\""), false, AMP_ERR_JWK_INVALID},
        {RSA(",\"key_ops\":[1]"), false, AMP_ERR_JWK_INVALID},
        {EC(",\"key_ops\":[],\"ext\":true"), false, AMP_OK},
        {EC(PRIVATE(",\"key_ops\":[\"deriveBits\"]")), true, AMP_OK},
        {EC(PRIVATE(",\"key_ops\":[\"unwrapKey\"]")), true, AMP_OK},
        {EC(PRIVATE(",\"key_ops\":[\"wrapKey\"]")), true, AMP_ERR_JWK_INVALID},
    };
    check_all(cases, COUNT(cases));
}

static void private_parts_are_told_apart(void **state)
{
    static const struct told cases[] = {
        {P256_PRIVATE, false, AMP_ERR_JWK_PRIVATE},
        {RSA_PRIVATE, false, AMP_ERR_JWK_PRIVATE},
        {RSA(",\"p\":\"" RSA_P "\""), false, AMP_ERR_JWK_PRIVATE},
        {RSA(",\"q\":\"" RSA_Q "\""), false, AMP_ERR_JWK_PRIVATE},
        {RSA(",\"dp\":\"" RSA_DP "\""), false, AMP_ERR_JWK_PRIVATE},
        {RSA(",\"dq\":\"" RSA_DQ "\""), false, AMP_ERR_JWK_PRIVATE},
        {RSA(",\"qi\":\"" RSA_QI "\""), false, AMP_ERR_JWK_PRIVATE},
        {RSA(",\"oth\":[]"), false, AMP_ERR_JWK_PRIVATE},
        {EC(",\"d\":\"AA\""), false, AMP_ERR_JWK_PRIVATE}, /* whatever else is wrong with it */
        {P256_PUBLIC, true, AMP_ERR_JWK_INVALID},
        {RSA_PUBLIC, true, AMP_ERR_JWK_INVALID},
        {RSA(",\"d\":\"" RSA_D "\""), true, AMP_ERR_JWK_INVALID}, /* the primes are needed */
        {RSA(",\"d\":\"" RSA_D "\",\"p\":\"" RSA_P "\",\"q\":\"" RSA_Q "\""), true, AMP_OK},
        {RSA(",\"d\":\"" RSA_D "\",\"p\":\"" RSA_P "\",\"q\":\"" RSA_Q "\",\"oth\":[]"), true, AMP_ERR_JWK_INVALID},
        {RSA(",\"d\":\"" RSA_D "\",\"p\":\"" RSA_P "\",\"q\":\"" RSA_P "\""), true, AMP_ERR_JWK_INVALID},
        {RSA(",\"d\":\"" RSA_P "\",\"p\":\"" RSA_P "\",\"q\":\"" RSA_Q "\""), true, AMP_ERR_JWK_INVALID},
        {RSA(",\"d\":\"" RSA_N "\",\"p\":\"" RSA_P "\",\"q\":\"" RSA_Q "\""), true, AMP_ERR_JWK_INVALID},
        {RSA(",\"d\":\"" RSA_D "\",\"p\":\"AQ\",\"q\":\"" RSA_N "\""), true, AMP_ERR_JWK_INVALID},
        {EC(",\"d\":\"gGbhsBSyjUQead3NmX1QTRCvrKWkqH85t_8odhYjupE\""), true,
         AMP_ERR_JWK_INVALID}, /* not of this point */
        {EC(",\"d\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""), true, AMP_ERR_JWK_INVALID},
        {EC(",\"d\":\"" P384_D "\""), true, AMP_ERR_JWK_INVALID},
    };
    check_all(cases, COUNT(cases));
}

#define POINT(curve, x, y) "{\"kty\":\"EC\",\"crv\":\"" curve "\",\"x\":\"" x "\",\"y\":\"" y "\"}"
#define ZERO               "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void points_lie_on_their_curve(void **state)
{
    static const struct told cases[] = {
        {POINT("P-256", P256_X, P256_Y), false, AMP_OK},
        {POINT("P-256", P256_Y, P256_X), false, AMP_ERR_JWK_INVALID},
        {POINT("P-256", P256_X, P256_X), false, AMP_ERR_JWK_INVALID},
        {POINT("P-256", ZERO, ZERO), false, AMP_ERR_JWK_INVALID},
        {POINT("P-256", P384_X, P384_Y), false, AMP_ERR_JWK_INVALID},
        {POINT("P-384", P256_X, P256_Y), false, AMP_ERR_JWK_INVALID},
        {POINT("P-521", P256_X, P256_Y), false, AMP_ERR_JWK_INVALID},
        {POINT("secp256k1", P256_X, P256_Y), false, AMP_ERR_JWK_INVALID},
        {POINT("p-256", P256_X, P256_Y), false, AMP_ERR_JWK_INVALID},
        /* p and beyond are no coordinates: x = p, and the point's x + p would not fit */
        {POINT("P-256", "_____wAAAAEAAAAAAAAAAAAAAAD_______________8", ZERO), false, AMP_ERR_JWK_INVALID},
        {POINT("P-256", "", ""), false, AMP_ERR_JWK_INVALID},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_X "\"}", false, AMP_ERR_JWK_INVALID},
        {"{\"kty\":\"EC\",\"x\":\"" P256_X "\",\"y\":\"" P256_Y "\"}", false, AMP_ERR_JWK_INVALID},
    };
    check_all(cases, COUNT(cases));
}

static void the_text_is_read_strictly(void **state)
{
    static const struct told cases[] = {
        {"", false, AMP_ERR_JWK_INVALID},
        {"{}", false, AMP_ERR_JWK_INVALID},
        {"[]", false, AMP_ERR_JWK_INVALID},
        {"null", false, AMP_ERR_JWK_INVALID},
        {P256_PUBLIC " ", false, AMP_OK},
        {P256_PUBLIC "x", false, AMP_ERR_JWK_INVALID},
        {EC(",\"kid\":\"a\",\"x5c\":[{\"deep\":[1,2]}]"), false, AMP_OK},
        {EC(",\"kid\":\"a\",\"kid\":\"a\""), false, AMP_ERR_JWK_INVALID},
        {EC(",\"kty\":\"EC\""), false, AMP_ERR_JWK_INVALID},
        {EC(",\"k\\u0074y\":\"RSA\""), false, AMP_ERR_JWK_INVALID},
        {EC(",\"a\":{\"b\":1,\"b\":2}"), false, AMP_ERR_JWK_INVALID},
        {EC(",\"n\":\"=\""), false, AMP_ERR_JWK_INVALID},
        {"{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", false, AMP_ERR_JWK_INVALID},
        {"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" P256_X "\"}", false, AMP_ERR_JWK_INVALID},
        {"{\"kty\":\"RSA\",\"n\":\"AA" RSA_N "\",\"e\":\"AQAB\"}", false, AMP_ERR_JWK_INVALID},
        {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}", false, AMP_ERR_JWK_INVALID},
        {"{\"kty\":\"RSA\",\"e\":\"AQAB\"}", false, AMP_ERR_JWK_INVALID},
        {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "==\",\"e\":\"AQAB\"}", false, AMP_ERR_JWK_INVALID},
        {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}", false, AMP_ERR_JWK_INVALID},         /* 1 */
        {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"Ag\"}", false, AMP_ERR_JWK_INVALID},         /* even */
        {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"Aw\"}", false, AMP_OK},                      /* 3 */
        {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"_____w\"}", false, AMP_OK},                  /* 2^32 - 1 */
        {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAAAAE\"}", false, AMP_ERR_JWK_INVALID},    /* 2^32 + 1 */
        {"{\"kty\":\"RSA\",\"n\":\"" RSA_P "\",\"e\":\"AQAB\"}", false, AMP_ERR_JWK_INVALID},       /* 1024 bits */
        {"{\"kty\":\"RSA\",\"n\":\"" RSA_N RSA_P "\",\"e\":\"AQAB\"}", false, AMP_ERR_JWK_INVALID}, /* even */
    };
    check_all(cases, COUNT(cases));
}

static void what_is_cut_off_or_too_long_is_refused(void **state)
{
    static const char *const keys[] = {RSA_PUBLIC, P256_PUBLIC, P384_PUBLIC};
    for (size_t i = 0; i < COUNT(keys); i++) {
        for (size_t len = 0; len < strlen(keys[i]); len++) {
            struct amp_jwk jwk;
            uint8_t *copy = exact_copy(keys[i], len);
            assert_err(amp_jwk_parse(&jwk, copy, len, false), AMP_ERR_JWK_INVALID, keys[i]);
            free(copy);
        }
    }
    static uint8_t padded[AMP_JWK_MAX + 1];
    struct amp_jwk jwk;
    memset(padded, ' ', sizeof padded);
    memcpy(padded, P256_PUBLIC, sizeof P256_PUBLIC - 1);
    assert_err(amp_jwk_parse(&jwk, padded, sizeof padded, false), AMP_ERR_JWK_INVALID, "one byte too many");
    memcpy(padded, P256_PUBLIC, sizeof P256_PUBLIC - 1);
    assert_err(amp_jwk_parse(&jwk, padded, sizeof padded - 1, false), AMP_OK, "as many as may be");
    amp_jwk_fini(&jwk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_thumbprint_is_that_of_rfc7638),
        cmocka_unit_test(a_private_key_has_the_name_of_its_public_one),
        cmocka_unit_test(what_is_written_is_canonical_and_public),
        cmocka_unit_test(what_a_key_is_for_is_honoured),
        cmocka_unit_test(private_parts_are_told_apart),
        cmocka_unit_test(points_lie_on_their_curve),
        cmocka_unit_test(the_text_is_read_strictly),
        cmocka_unit_test(what_is_cut_off_or_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, start_crypto, stop_crypto);
}
