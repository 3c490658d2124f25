#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "crypto/crypto.h"
#include "crypto/pkey_internal.h"

enum { BITS_MIN = 2048, E_MIN = 3 };

/* n, e; and of a private key d, its primes, and what is computed of them (RFC 8017 section 3.2). */
struct numbers {
    BIGNUM *n, *e, *d, *p, *q, *dp, *dq, *qi;
};

static void numbers_free(struct numbers *of)
{
    BN_free(of->n);
    BN_free(of->e);
    BN_clear_free(of->d);
    BN_clear_free(of->p);
    BN_clear_free(of->q);
    BN_clear_free(of->dp);
    BN_clear_free(of->dq);
    BN_clear_free(of->qi);
}

static bool take(BIGNUM **out, struct amp_slice bytes, bool secret)
{
    if (bytes.len == 0 || bytes.len > AMP_RSA_BYTES_MAX + 1) /* some writers put a zero in front */
        return false;
    *out = secret ? BN_secure_new() : BN_new();
    return *out != NULL && BN_bin2bn(bytes.ptr, (int)bytes.len, *out) != NULL;
}

/* The exponent of one prime: d mod (prime - 1), and e * that must be 1. */
static bool reduce(BIGNUM **out, const struct numbers *of, const BIGNUM *prime, BN_CTX *ctx)
{
    BN_CTX_start(ctx);
    BIGNUM *order = BN_CTX_get(ctx), *product = BN_CTX_get(ctx);
    *out = BN_secure_new();
    bool good = product != NULL && *out != NULL && BN_sub(order, prime, BN_value_one()) == 1;
    if (good) {
        BN_set_flags(order, BN_FLG_CONSTTIME);
        good = BN_mod(*out, of->d, order, ctx) == 1 && BN_mod_mul(product, *out, of->e, order, ctx) == 1 &&
               BN_is_one(product);
    }
    BN_CTX_end(ctx);
    return good;
}

/* Do n, e, d, p and q belong together? Then the numbers of the Chinese remainder theorem are there as well. */
static bool complete(struct numbers *of)
{
    BN_CTX *ctx = BN_CTX_secure_new();
    BIGNUM *product = BN_secure_new();
    bool good = ctx != NULL && product != NULL && BN_is_odd(of->p) && BN_is_odd(of->q) && !BN_is_one(of->p) &&
                !BN_is_one(of->q) && BN_mul(product, of->p, of->q, ctx) == 1 && BN_cmp(product, of->n) == 0 &&
                BN_cmp(of->d, of->n) < 0;
    if (good) {
        BN_set_flags(of->p, BN_FLG_CONSTTIME);
        BN_set_flags(of->q, BN_FLG_CONSTTIME);
        of->qi = BN_secure_new();
        good = reduce(&of->dp, of, of->p, ctx) && reduce(&of->dq, of, of->q, ctx) && of->qi != NULL &&
               BN_mod_inverse(of->qi, of->q, of->p, ctx) != NULL;
    }
    BN_clear_free(product);
    BN_CTX_free(ctx);
    return good;
}

/*
 * Nemec et al., The Return of Coppersmith's Attack (2017), section 3: primes of the faulty generator are k * M +
 * 65537^a mod M, M a product of the first primes, so their products are powers of 65537 modulo each of these. A modulus
 * from elsewhere is one modulo all of them with a chance below 2^-27.
 */
static bool is_roca(const BIGNUM *n)
{
    static const uint8_t primes[] = {3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
                                     47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
                                     107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};
    for (size_t i = 0; i < sizeof(primes); i++) {
        unsigned prime = primes[i], rest = (unsigned)BN_mod_word(n, prime), power = 1;
        do {
            power = power * (65537 % prime) % prime;
        } while (power != rest && power != 1);
        if (power != rest)
            return false;
    }
    return true;
}

static bool sizes_fit(const struct numbers *of)
{
    int bits = BN_num_bits(of->n);
    return bits >= BITS_MIN && bits <= AMP_RSA_BYTES_MAX * 8 && BN_is_odd(of->n) && BN_is_odd(of->e) &&
           BN_num_bytes(of->e) <= AMP_RSA_E_BYTES_MAX && BN_get_word(of->e) >= E_MIN;
}

static bool push(OSSL_PARAM_BLD *to, const struct numbers *of)
{
    if (OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_RSA_N, of->n) != 1 ||
        OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_RSA_E, of->e) != 1)
        return false;
    if (of->d == NULL)
        return true;
    return OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_RSA_D, of->d) == 1 &&
           OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_RSA_FACTOR1, of->p) == 1 &&
           OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_RSA_FACTOR2, of->q) == 1 &&
           OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_RSA_EXPONENT1, of->dp) == 1 &&
           OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_RSA_EXPONENT2, of->dq) == 1 &&
           OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, of->qi) == 1;
}

static EVP_PKEY *build(const struct numbers *of)
{
    OSSL_PARAM_BLD *params = OSSL_PARAM_BLD_new();
    EVP_PKEY *evp = params != NULL && push(params, of)
                        ? amp_pkey_build("RSA", params, of->d != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY)
                        : NULL;
    OSSL_PARAM_BLD_free(params);
    if (evp != NULL && amp_pkey_passes(evp, EVP_PKEY_public_check))
        return evp;
    EVP_PKEY_free(evp);
    return NULL;
}

enum amp_err amp_pkey_rsa(struct amp_pkey **out, const struct amp_rsa_numbers *numbers)
{
    struct amp_pkey key = {.is_rsa = true, .is_private = numbers->d.len != 0};
    struct numbers of = {.n = NULL};
    *out = NULL;
    bool good = take(&of.n, numbers->n, false) && take(&of.e, numbers->e, false) && sizes_fit(&of) && !is_roca(of.n);
    if (good && key.is_private)
        good = take(&of.d, numbers->d, true) && take(&of.p, numbers->p, true) && take(&of.q, numbers->q, true) &&
               complete(&of);
    if (good)
        key.evp = build(&of);
    numbers_free(&of);
    if (key.evp != NULL)
        return amp_pkey_wrap(out, key);
    ERR_clear_error();
    return AMP_ERR_JWK_INVALID;
}

static bool write_number(const EVP_PKEY *evp, const char *name, uint8_t *out, size_t cap, size_t *len)
{
    BIGNUM *number = NULL;
    bool good = EVP_PKEY_get_bn_param(evp, name, &number) == 1 && (size_t)BN_num_bytes(number) <= cap;
    if (good)
        *len = (size_t)BN_bn2bin(number, out);
    BN_free(number);
    return good;
}

enum amp_err amp_pkey_rsa_numbers(const struct amp_pkey *key, uint8_t *n, size_t *n_len, uint8_t *e, size_t *e_len)
{
    if (!key->is_rsa)
        return AMP_ERR_JWK_INVALID;
    if (write_number(key->evp, OSSL_PKEY_PARAM_RSA_N, n, AMP_RSA_BYTES_MAX, n_len) &&
        write_number(key->evp, OSSL_PKEY_PARAM_RSA_E, e, AMP_RSA_E_BYTES_MAX, e_len))
        return AMP_OK;
    ERR_clear_error();
    return AMP_ERR_CRYPTO;
}

/* RFC 7518 section 4.3: both digests SHA-256, no label. */
static EVP_PKEY_CTX *start(const struct amp_pkey *key, int (*init)(EVP_PKEY_CTX *ctx, const OSSL_PARAM params[]))
{
    char pad[] = OSSL_PKEY_RSA_PAD_MODE_OAEP, digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, pad, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, digest, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->evp, NULL);
    if (ctx != NULL && init(ctx, params) == 1)
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return NULL;
}

enum amp_err amp_rsa_oaep_encrypt(const struct amp_pkey *key, const uint8_t *in, size_t len, uint8_t *out,
                                  size_t *out_len)
{
    enum { PADDING = 2 * AMP_SHA256_LEN + 2 }; /* RFC 8017 section 7.1.1 */
    *out_len = 0;
    if (!key->is_rsa)
        return AMP_ERR_JWK_INVALID;
    if (len + PADDING > (size_t)EVP_PKEY_get_size(key->evp))
        return AMP_ERR_TOO_LARGE;
    EVP_PKEY_CTX *ctx = start(key, EVP_PKEY_encrypt_init_ex);
    size_t written = AMP_RSA_BYTES_MAX;
    bool encrypted = ctx != NULL && EVP_PKEY_encrypt(ctx, out, &written, in, len) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!encrypted) {
        ERR_clear_error();
        return AMP_ERR_CRYPTO;
    }
    *out_len = written;
    return AMP_OK;
}

enum amp_err amp_rsa_oaep_decrypt(const struct amp_pkey *key, const uint8_t *in, size_t len, uint8_t *out,
                                  size_t *out_len)
{
    *out_len = 0;
    if (!key->is_rsa || !key->is_private)
        return AMP_ERR_JWK_INVALID;
    if (len != (size_t)EVP_PKEY_get_size(key->evp))
        return AMP_ERR_NOT_AUTHENTIC;
    EVP_PKEY_CTX *ctx = start(key, EVP_PKEY_decrypt_init_ex);
    if (ctx == NULL)
        return AMP_ERR_CRYPTO;
    size_t written = AMP_RSA_BYTES_MAX;
    bool decrypted = EVP_PKEY_decrypt(ctx, out, &written, in, len) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!decrypted) {
        ERR_clear_error();
        amp_wipe(out, AMP_RSA_BYTES_MAX);
        return AMP_ERR_NOT_AUTHENTIC;
    }
    *out_len = written;
    return AMP_OK;
}
