#include <jansson.h>
#include <string.h>

#include "crypto/crypto.h"
#include "rsa_numbers.h"

static struct amp_slice member(const json_t *object, const char *name, struct bytes *bytes)
{
    const char *hex = json_string_value(json_object_get(object, name));
    assert_non_null(hex);
    bytes->len = strlen(hex) / 2;
    assert_true(bytes->len <= BYTES_MAX);
    assert_int_equal(amp_hex_decode(bytes->ptr, bytes->len, amp_slice_str(hex)), AMP_OK);
    return amp_slice(bytes->ptr, bytes->len);
}

/* With a label, what is valid there must fail here, where every label is empty. */
static bool opens(const json_t *test)
{
    return strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0 &&
           strcmp(json_string_value(json_object_get(test, "label")), "") == 0;
}

static void check_oaep(const struct amp_pkey *key, const json_t *test, size_t *opened)
{
    static struct bytes ct_bytes, msg_bytes;
    struct amp_slice ct = member(test, "ct", &ct_bytes), msg = member(test, "msg", &msg_bytes);
    uint8_t out[AMP_RSA_BYTES_MAX];
    size_t len = 99;
    enum amp_err err = amp_rsa_oaep_decrypt(key, ct.ptr, ct.len, out, &len);
    assert_int_equal(err, opens(test) ? AMP_OK : AMP_ERR_NOT_AUTHENTIC);
    if (err != AMP_OK) {
        assert_int_equal(len, 0);
        return;
    }
    assert_true(amp_slice_equal(amp_slice(out, len), msg));
    (*opened)++;
}

static void oaep_meets_wycheproof(void **state)
{
    static struct bytes n, e, d, p, q;
    char path[4096];
    snprintf(path, sizeof path, "%s/crypto/wycheproof/rsa_oaep_2048_sha256_mgf1sha256_test.json", vectors_dir());
    json_t *file = json_load_file(path, 0, NULL), *group, *test;
    size_t i, j, used = 0, opened = 0;
    assert_non_null(file);
    json_array_foreach(json_object_get(file, "testGroups"), i, group)
    {
        const json_t *key = json_object_get(group, "privateKey");
        const struct amp_rsa_numbers numbers = {
            member(key, "modulus", &n), member(key, "publicExponent", &e), member(key, "privateExponent", &d),
            member(key, "prime1", &p),  member(key, "prime2", &q),
        };
        struct amp_pkey *pkey;
        assert_int_equal(amp_pkey_rsa(&pkey, &numbers), AMP_OK);
        json_array_foreach(json_object_get(group, "tests"), j, test)
        {
            check_oaep(pkey, test, &opened);
            used++;
        }
        amp_pkey_free(pkey);
    }
    json_decref(file);
    print_message("used %zu vectors, of which %zu open\n", used, opened);
    assert_true(used >= 37);
    assert_true(opened >= 10);
}

static struct amp_pkey *own_key(bool is_private)
{
    struct amp_rsa_numbers numbers = own_numbers();
    struct amp_pkey *key;
    if (!is_private)
        numbers.d = numbers.p = numbers.q = amp_slice(NULL, 0);
    assert_int_equal(amp_pkey_rsa(&key, &numbers), AMP_OK);
    assert_true(amp_pkey_is_rsa(key));
    return key;
}

static void oaep_goes_there_and_back(void **state)
{
    struct amp_pkey *public = own_key(false), *private = own_key(true);
    uint8_t plain[191], sealed[AMP_RSA_BYTES_MAX], out[AMP_RSA_BYTES_MAX];
    size_t sealed_len, len;
    memset(plain, 0x5a, sizeof plain);
    for (size_t plain_len = 0; plain_len < sizeof plain; plain_len += 38) { /* up to 190, the most */
        assert_int_equal(amp_rsa_oaep_encrypt(public, plain, plain_len, sealed, &sealed_len), AMP_OK);
        assert_int_equal(sealed_len, 256);
        assert_int_equal(amp_rsa_oaep_decrypt(private, sealed, sealed_len, out, &len), AMP_OK);
        assert_int_equal(len, plain_len);
        assert_memory_equal(out, plain, len);
    }
    assert_int_equal(amp_rsa_oaep_encrypt(public, plain, 191, sealed, &sealed_len), AMP_ERR_TOO_LARGE);
    assert_int_equal(amp_rsa_oaep_encrypt(public, plain, 32, sealed, &sealed_len), AMP_OK);
    for (size_t cut = 0; cut < 256; cut += 15)
        assert_int_equal(amp_rsa_oaep_decrypt(private, sealed, cut, out, &len), AMP_ERR_NOT_AUTHENTIC);
    for (size_t bit = 0; bit < 256 * 8; bit += 37) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(amp_rsa_oaep_decrypt(private, sealed, 256, out, &len), AMP_ERR_NOT_AUTHENTIC);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(amp_rsa_oaep_decrypt(public, sealed, 256, out, &len), AMP_ERR_JWK_INVALID);
    amp_pkey_free(public);
    amp_pkey_free(private);
}

static void rsa_numbers_come_back(void **state)
{
    struct amp_pkey *key = own_key(true);
    uint8_t modulus[AMP_RSA_BYTES_MAX], exponent[AMP_RSA_E_BYTES_MAX];
    size_t modulus_len, exponent_len;
    assert_int_equal(amp_pkey_rsa_numbers(key, modulus, &modulus_len, exponent, &exponent_len), AMP_OK);
    assert_true(amp_slice_equal(amp_slice(modulus, modulus_len), amp_slice(own_n.ptr, own_n.len)));
    assert_true(amp_slice_equal(amp_slice(exponent, exponent_len), amp_slice(own_e, sizeof own_e)));
    assert_int_equal(amp_pkey_ec_numbers(key, modulus, modulus, NULL), AMP_ERR_JWK_INVALID);
    amp_pkey_free(key);
}

/* Each number with one bit changed belongs to no key, or to a weak one. */
static void rsa_numbers_must_belong_together(void **state)
{
    struct bytes *const changed[] = {&own_n, &own_d, &own_p, &own_q};
    for (size_t i = 0; i < 4; i++) {
        for (size_t at = 0; at < 8; at++) {
            struct amp_rsa_numbers numbers = own_numbers();
            struct amp_pkey *key;
            changed[i]->ptr[changed[i]->len - 1 - at * 16] ^= 0x10;
            assert_int_equal(amp_pkey_rsa(&key, &numbers), AMP_ERR_JWK_INVALID);
            assert_null(key);
        }
    }
}

static void moduli_with_small_factors_are_refused(void **state)
{
    struct amp_rsa_numbers numbers = own_numbers();
    struct amp_pkey *key;
    size_t refused = 0;
    numbers.d = amp_slice(NULL, 0);
    for (unsigned i = 0; i < 30; i++) { /* of any three odd numbers in a row one can be divided by 3 */
        own_n.ptr[own_n.len - 1] = (uint8_t)(own_n.ptr[own_n.len - 1] + 2);
        enum amp_err err = amp_pkey_rsa(&key, &numbers);
        assert_true(err == AMP_OK || err == AMP_ERR_JWK_INVALID);
        refused += err != AMP_OK;
        amp_pkey_free(key);
    }
    assert_true(refused >= 10);
}

static void fresh_ec_keys_agree(void **state)
{
    static const enum amp_curve curves[] = {AMP_CURVE_P256, AMP_CURVE_P384};
    for (size_t i = 0; i < 2; i++) {
        size_t len = amp_curve_bytes(curves[i]);
        uint8_t x[AMP_EC_BYTES_MAX], y[AMP_EC_BYTES_MAX], scalar[AMP_EC_BYTES_MAX];
        uint8_t z[2][AMP_EC_BYTES_MAX];
        struct amp_pkey *a, *b, *again, *public;
        assert_int_equal(amp_pkey_ec_new(&a, curves[i]), AMP_OK);
        assert_int_equal(amp_pkey_ec_new(&b, curves[i]), AMP_OK);
        assert_int_equal(amp_pkey_ec_numbers(a, x, y, scalar), AMP_OK);
        assert_int_equal(amp_pkey_ec(&again, curves[i], amp_slice(x, len), amp_slice(y, len), amp_slice(scalar, len)),
                         AMP_OK);
        assert_int_equal(amp_pkey_ec(&public, curves[i], amp_slice(x, len), amp_slice(y, len), amp_slice(NULL, 0)),
                         AMP_OK);
        assert_int_equal(amp_ecdh(again, b, z[0]), AMP_OK);
        assert_int_equal(amp_ecdh(b, public, z[1]), AMP_OK);
        assert_memory_equal(z[0], z[1], len);
        assert_int_equal(amp_ecdh(b, a, z[1]), AMP_OK);
        assert_memory_equal(z[0], z[1], len);
        assert_int_equal(amp_ecdh(public, b, z[0]), AMP_ERR_JWK_INVALID);
        assert_int_equal(amp_pkey_ec_numbers(public, x, y, scalar), AMP_ERR_JWK_INVALID);
        for (size_t bit = 0; bit < len * 8; bit++) { /* a point of the curve has no neighbour at the same y */
            x[bit / 8] ^= (uint8_t)(1u << bit % 8);
            struct amp_pkey *none;
            assert_int_equal(amp_pkey_ec(&none, curves[i], amp_slice(x, len), amp_slice(y, len), amp_slice(NULL, 0)),
                             AMP_ERR_JWK_INVALID);
            x[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        amp_pkey_free(a);
        amp_pkey_free(b);
        amp_pkey_free(again);
        amp_pkey_free(public);
    }
}

static void curves_are_not_mixed(void **state)
{
    struct amp_pkey *a, *b, *rsa = own_key(false);
    uint8_t z[AMP_EC_BYTES_MAX];
    assert_int_equal(amp_pkey_ec_new(&a, AMP_CURVE_P256), AMP_OK);
    assert_int_equal(amp_pkey_ec_new(&b, AMP_CURVE_P384), AMP_OK);
    assert_int_equal(amp_ecdh(a, b, z), AMP_ERR_JWK_INVALID);
    assert_int_equal(amp_ecdh(b, a, z), AMP_ERR_JWK_INVALID);
    assert_int_equal(amp_ecdh(a, rsa, z), AMP_ERR_JWK_INVALID);
    assert_int_equal(amp_ecdh(rsa, a, z), AMP_ERR_JWK_INVALID);
    amp_pkey_free(a);
    amp_pkey_free(b);
    amp_pkey_free(rsa);
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
        cmocka_unit_test(oaep_meets_wycheproof),
        cmocka_unit_test(oaep_goes_there_and_back),
        cmocka_unit_test(rsa_numbers_come_back),
        cmocka_unit_test(rsa_numbers_must_belong_together),
        cmocka_unit_test(moduli_with_small_factors_are_refused),
        cmocka_unit_test(fresh_ec_keys_agree),
        cmocka_unit_test(curves_are_not_mixed),
    };
    return cmocka_run_group_tests(tests, init, fini);
}
