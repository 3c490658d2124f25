/*
 * JSON Web Keys. What is accepted is of the kind asked for, and what is written of it is a public key of the same name
 * that is written alike.
 */
#include "fuzz.h"

#include "crypto/crypto.h"
#include "wire/jwe.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    FUZZ_CHECK(amp_secret_init(4u << 20, false) == AMP_OK && amp_crypto_init() == AMP_OK);
    return 0;
}

/* What only a private key does: tell its scalar, or find fault with a ciphertext and not with itself. */
static bool is_private(const struct amp_pkey *key)
{
    uint8_t x[AMP_EC_BYTES_MAX], y[AMP_EC_BYTES_MAX], d[AMP_EC_BYTES_MAX], plain[AMP_RSA_BYTES_MAX];
    size_t len;
    if (amp_pkey_is_rsa(key))
        return amp_rsa_oaep_decrypt(key, x, 0, plain, &len) == AMP_ERR_NOT_AUTHENTIC;
    return amp_pkey_ec_numbers(key, x, y, d) == AMP_OK;
}

static void check_written(const struct amp_jwk *jwk)
{
    uint8_t first[AMP_JWK_PUBLIC_MAX], read[AMP_JWK_PUBLIC_MAX], second[AMP_JWK_PUBLIC_MAX];
    struct amp_out a = amp_out(first, sizeof first), b = amp_out(second, sizeof second);
    struct amp_jwk again;
    FUZZ_CHECK(amp_jwk_write_public(&a, jwk) == AMP_OK);
    memcpy(read, first, a.len);
    enum amp_err err = amp_jwk_parse(&again, read, a.len, false);
    /* OpenSSL judges a modulus by Miller and Rabin's test, by chance: one of many primes may pass once only. */
    if (err == AMP_ERR_JWK_INVALID && amp_pkey_is_rsa(jwk->key))
        return;
    FUZZ_CHECK(err == AMP_OK);
    FUZZ_CHECK(!is_private(again.key) && memcmp(again.kid, jwk->kid, sizeof again.kid) == 0);
    FUZZ_CHECK(amp_jwk_write_public(&b, &again) == AMP_OK);
    FUZZ_CHECK(amp_slice_equal(amp_out_done(&a), amp_out_done(&b)));
    amp_jwk_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int want_private = 0; want_private <= 1; want_private++) {
        struct amp_jwk jwk;
        uint8_t *text = fuzz_copy(data, size);
        enum amp_err err = amp_jwk_parse(&jwk, text, size, want_private == 1);
        FUZZ_CHECK((err == AMP_OK) == (jwk.key != NULL));
        if (err == AMP_OK) {
            FUZZ_CHECK(is_private(jwk.key) == (want_private == 1));
            check_written(&jwk);
        } else {
            FUZZ_CHECK(err == AMP_ERR_JWK_INVALID || (err == AMP_ERR_JWK_PRIVATE && want_private == 0));
        }
        amp_jwk_fini(&jwk);
        free(text);
    }
    return 0;
}
