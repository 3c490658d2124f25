/*
 * JSON Web Keys (RFC 7517, 7518) and compact JWE (RFC 7516) as Ampoule speaks them: RSA-OAEP-256, or ECDH-ES on P-256
 * or P-384 (direct key agreement, RFC 7518 section 4.6), with A256GCM. Nothing else is taken: no PBES2, no zip, no
 * RSA1_5, no `crit`.
 */
#ifndef AMP_WIRE_JWE_H
#define AMP_WIRE_JWE_H

#include "crypto/pkey.h"
#include "wire/json.h"

#define AMP_JWK_MAX            4096 /* bytes of JSON */
#define AMP_JWE_HEADER_MAX     4096 /* bytes of JSON */
#define AMP_JWK_THUMBPRINT_LEN 43   /* base64url of SHA-256: RFC 7638 */

struct amp_jwk {
    struct amp_pkey *key;
    char kid[AMP_JWK_THUMBPRINT_LEN]; /* the RFC 7638 thumbprint, whatever `kid` the key itself has; no NUL */
};
/*
 * Reads a public or private JWK ("kty" RSA, or EC with crv P-256 or P-384). Members of RFC 7517 that say what a key is
 * for are honoured: `use` other than "enc", `key_ops` without any of encrypt, wrapKey, deriveKey, deriveBits (private:
 * their reverses) unless it is empty, as Web Crypto exports public ECDH keys, `alg` other than RSA-OAEP-256 (RSA) or
 * ECDH-ES (EC) are refused. Unknown members are ignored, as RFC 7517 section 4 demands. A private RSA key needs `p` and
 * `q` and has no `oth`. AMP_ERR_JWK_INVALID; AMP_ERR_JWK_PRIVATE where `want_private` is false and the key has a
 * private part: who sends it should make a new one. `json` is written to, and holds the private numbers afterwards: of
 * a private key it belongs in secret memory.
 */
enum amp_err amp_jwk_parse(struct amp_jwk *jwk, uint8_t *json, size_t len, bool want_private) AMP_MUST_USE;
void amp_jwk_fini(struct amp_jwk *jwk);
/* The canonical public JWK, members as RFC 7638 orders them; at most AMP_JWK_PUBLIC_MAX bytes. AMP_ERR_TOO_LARGE where
 * `out` is too small. */
#define AMP_JWK_PUBLIC_MAX 736
enum amp_err amp_jwk_write_public(struct amp_out *out, const struct amp_jwk *jwk) AMP_MUST_USE;

/* Room that encrypting `plain_len` bytes needs at most. */
size_t amp_jwe_len_max(size_t plain_len);
/* Appends the compact form: header {"alg","enc":"A256GCM","kid"[,"epk"]}. A fresh CEK, or a fresh ephemeral key, and a
 * fresh nonce each time. AMP_ERR_TOO_LARGE where `out` is too small: nothing is appended then. */
enum amp_err amp_jwe_encrypt(struct amp_out *out, const struct amp_jwk *to, struct amp_slice plain) AMP_MUST_USE;
/*
 * Opens a compact JWE with a private key; appends to `out`. The header's `kid` is a hint that nothing follows; members
 * unknown here are ignored (RFC 7516 section 4), and a name given twice is refused. AMP_ERR_JWE_INVALID: not of this
 * form, or of algorithms that are not spoken here; AMP_ERR_NOT_AUTHENTIC: it does not verify, or was encrypted to
 * another key.
 */
enum amp_err amp_jwe_decrypt(struct amp_secret_buf *out, const struct amp_jwk *with,
                             struct amp_slice compact) AMP_MUST_USE;

#endif
