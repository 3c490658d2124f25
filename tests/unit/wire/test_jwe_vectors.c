/* Project Wycheproof's JSON Web Encryption and JSON Web Key, as far as their keys are RSA or EC. */
#include "jwk_support.h"
#include "vectors_json.h"

#include "base/text.h"

/* The key without what it says it is for, so that nothing but what is asked of it can refuse it. */
static enum amp_err parse_any(struct amp_jwk *jwk, const json_t *key, bool want_private)
{
    json_t *bare = json_copy((json_t *)(uintptr_t)key);
    json_object_del(bare, "alg");
    json_object_del(bare, "use");
    json_object_del(bare, "key_ops");
    char *text = json_dumps(bare, JSON_COMPACT);
    assert_non_null(text);
    enum amp_err err = parse_jwk(jwk, text, want_private);
    free(text);
    json_decref(bare);
    return err;
}

/* What the header of a compact JWE says. */
static bool is_spoken(struct amp_slice compact)
{
    char header[1024];
    size_t len = sizeof header - 1;
    const uint8_t *dot = memchr(compact.ptr, '.', compact.len);
    if (dot == NULL || amp_base64url_decode_any((uint8_t *)header, &len,
                                                amp_slice(compact.ptr, (size_t)(dot - compact.ptr))) != AMP_OK)
        return false;
    header[len] = '\0';
    return (strstr(header, "\"alg\":\"RSA-OAEP-256\"") != NULL || strstr(header, "\"alg\":\"ECDH-ES\"") != NULL) &&
           strstr(header, "\"enc\":\"A256GCM\"") != NULL;
}

static void check_jwe(const struct amp_jwk *with, const json_t *test, size_t *opened)
{
    struct amp_secret_buf out = {NULL, 0, 0};
    struct amp_slice compact = text_of(test, "jwe");
    bool opens = is_valid(test) && is_spoken(compact);
    enum amp_err err = amp_jwe_decrypt(&out, with, compact);
    if ((err == AMP_OK) != opens)
        fail_msg("test %" JSON_INTEGER_FORMAT ": %s", json_integer_value(json_object_get(test, "tcId")),
                 amp_err_code(err));
    if (opens) {
        uint8_t plain[512];
        struct amp_slice hex = text_of(test, "pt");
        assert_int_equal(out.len, hex.len / 2);
        assert_int_equal(amp_hex_decode(plain, hex.len / 2, hex), AMP_OK);
        assert_memory_equal(out.ptr, plain, out.len);
        (*opened)++;
    }
    amp_secret_buf_free(&out);
}

static void jwe_meets_wycheproof(void **state)
{
    json_t *file = load_vectors("crypto/wycheproof/json_web_encryption_test.json"), *group, *test;
    size_t i, j, used = 0, opened = 0;
    json_array_foreach(json_object_get(file, "testGroups"), i, group)
    {
        const json_t *key = json_object_get(group, "private");
        struct amp_jwk jwk;
        if (amp_slice_is(text_of(key, "kty"), "oct"))
            continue;
        assert_err(parse_any(&jwk, key, true), AMP_OK, json_string_value(json_object_get(group, "comment")));
        json_array_foreach(json_object_get(group, "tests"), j, test)
        {
            check_jwe(&jwk, test, &opened);
            used++;
        }
        amp_jwk_fini(&jwk);
    }
    json_decref(file);
    print_message("used %zu vectors, of which %zu open\n", used, opened);
    assert_true(used >= 85);
    assert_int_equal(opened, 2);
}

/* The keys there sign, and one that may not be named so is as good as one that does not encrypt. */
static void keys_as_they_are_are_refused(void **state)
{
    json_t *file = load_vectors("crypto/wycheproof/json_web_key_test.json"), *group, *key;
    size_t i, j, used = 0;
    json_array_foreach(json_object_get(file, "testGroups"), i, group)
    {
        json_array_foreach(json_object_get(json_object_get(group, "public"), "keys"), j, key)
        {
            struct amp_jwk jwk;
            char *text = json_dumps(key, JSON_COMPACT);
            assert_err(parse_jwk(&jwk, text, false), AMP_ERR_JWK_INVALID, text);
            free(text);
            used++;
        }
    }
    json_decref(file);
    print_message("used %zu keys\n", used);
    assert_true(used >= 11);
}

/* By the names of the groups: what is wrong with the key itself, whatever it is used for. */
static void faulty_keys_are_refused(void **state)
{
    static const char *const faulty[] = {"jws_rsa_roca_key", "keysize_too_small", "exponentOne",
                                         "invalid_point",    "wrong_curve",       "wrong_kty"};
    json_t *file = load_vectors("crypto/wycheproof/json_web_key_test.json"), *group, *key;
    size_t i, j, refused = 0, taken = 0;
    json_array_foreach(json_object_get(file, "testGroups"), i, group)
    {
        const char *name = json_string_value(json_object_get(group, "comment"));
        bool is_faulty = false;
        for (size_t k = 0; k < COUNT(faulty); k++)
            is_faulty |= strcmp(name, faulty[k]) == 0;
        json_array_foreach(json_object_get(json_object_get(group, "public"), "keys"), j, key)
        {
            struct amp_jwk jwk;
            enum amp_err err = parse_any(&jwk, key, false);
            if (is_faulty)
                assert_err(err, AMP_ERR_JWK_INVALID, name);
            else
                assert_err(err, AMP_OK, name);
            refused += err != AMP_OK;
            taken += err == AMP_OK;
            amp_jwk_fini(&jwk);
        }
    }
    json_decref(file);
    print_message("used %zu keys: %zu refused\n", refused + taken, refused);
    assert_true(refused >= COUNT(faulty));
    assert_true(taken > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jwe_meets_wycheproof),
        cmocka_unit_test(keys_as_they_are_are_refused),
        cmocka_unit_test(faulty_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, start_crypto, stop_crypto);
}
