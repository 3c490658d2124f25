/*
 * Public-key encryption for JWE: RSA-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017 section 7.1), and ECDH on P-256 and
 * P-384 (SP 800-56A). Keys are made from numbers, as a JWK has them, and checked: a point lies on its curve, an RSA
 * modulus has 2048 to 4096 bits and an odd exponent from 3 to 2^32 - 1, and is no prime, has no small factor and not
 * the fingerprint of keys that can be factored (ROCA, CVE-2017-15361); the parts of a private key belong together.
 */
#ifndef AMP_CRYPTO_PKEY_H
#define AMP_CRYPTO_PKEY_H

#include "secret/secret.h"

#define AMP_RSA_BYTES_MAX 512 /* 4096 bits */
#define AMP_EC_BYTES_MAX  48  /* a coordinate on P-384 */

enum amp_curve { AMP_CURVE_P256, AMP_CURVE_P384 };
#define AMP_CURVE_COUNT 2
size_t amp_curve_bytes(enum amp_curve curve); /* 32, 48 */
/* "P-256", "P-384": the names of FIPS 186, which JOSE has too (RFC 7518 section 6.2.1.1). Static storage. */
const char *amp_curve_name(enum amp_curve curve);

/* A public or private key; immutable, any thread. */
struct amp_pkey;
void amp_pkey_free(struct amp_pkey *key);
/* Big-endian numbers. `d` empty: a public key; with `d`, `p` and `q` too. AMP_ERR_JWK_INVALID. */
#define AMP_RSA_E_BYTES_MAX 4
struct amp_rsa_numbers {
    struct amp_slice n, e, d, p, q;
};
enum amp_err amp_pkey_rsa(struct amp_pkey **out, const struct amp_rsa_numbers *numbers) AMP_MUST_USE;
/* Coordinates of exactly amp_curve_bytes. `d` empty: a public key. AMP_ERR_JWK_INVALID. */
enum amp_err amp_pkey_ec(struct amp_pkey **out, enum amp_curve curve, struct amp_slice x, struct amp_slice y,
                         struct amp_slice d) AMP_MUST_USE;
/* A fresh private key: for ECDH-ES, and for `ampoule listen`. */
enum amp_err amp_pkey_ec_new(struct amp_pkey **out, enum amp_curve curve) AMP_MUST_USE;
/* Writes amp_curve_bytes each. `d` may be NULL; else it is the private scalar, to be wiped. */
enum amp_err amp_pkey_ec_numbers(const struct amp_pkey *key, uint8_t *x, uint8_t *y, uint8_t *d) AMP_MUST_USE;
/* The public numbers without leading zeros; `n` has AMP_RSA_BYTES_MAX bytes, `e` AMP_RSA_E_BYTES_MAX. */
enum amp_err amp_pkey_rsa_numbers(const struct amp_pkey *key, uint8_t *n, size_t *n_len, uint8_t *e,
                                  size_t *e_len) AMP_MUST_USE;
bool amp_pkey_is_rsa(const struct amp_pkey *key);
enum amp_curve amp_pkey_curve(const struct amp_pkey *key); /* of an EC key */

/* `out` has AMP_RSA_BYTES_MAX bytes. AMP_ERR_TOO_LARGE for more than the modulus's bytes less 66. */
enum amp_err amp_rsa_oaep_encrypt(const struct amp_pkey *key, const uint8_t *in, size_t len, uint8_t *out,
                                  size_t *out_len) AMP_MUST_USE;
/* AMP_ERR_NOT_AUTHENTIC for any failure of padding or length, told in one way; `out` has AMP_RSA_BYTES_MAX bytes of
 * secret memory. */
enum amp_err amp_rsa_oaep_decrypt(const struct amp_pkey *key, const uint8_t *in, size_t len, uint8_t *out,
                                  size_t *out_len) AMP_MUST_USE;
/* The shared secret Z: amp_curve_bytes, to secret memory. Both on one curve: AMP_ERR_JWK_INVALID otherwise. */
enum amp_err amp_ecdh(const struct amp_pkey *own, const struct amp_pkey *peer,
                      uint8_t out[AMP_EC_BYTES_MAX]) AMP_MUST_USE;

/* MD5 (RFC 1321), for SQS's digests alone: nothing here relies on it. AMP_ERR_CRYPTO where the provider has none. */
enum amp_err amp_md5(uint8_t out[16], const struct amp_slice *parts, size_t count) AMP_MUST_USE;

#endif
