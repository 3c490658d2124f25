/* What the files of public-key encryption share. Private to the room. */
#ifndef AMP_CRYPTO_PKEY_INTERNAL_H
#define AMP_CRYPTO_PKEY_INTERNAL_H

#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "crypto/pkey.h"

struct amp_pkey {
    EVP_PKEY *evp;
    bool is_rsa;
    bool is_private;
    enum amp_curve curve;                /* of an EC key */
    uint8_t point[2 * AMP_EC_BYTES_MAX]; /* of an EC key: x, and y right behind it */
};

/* A key of type "RSA" or "EC" from its numbers, not yet checked; NULL where the library refuses them. `selection`:
 * EVP_PKEY_KEYPAIR, EVP_PKEY_PUBLIC_KEY or EVP_PKEY_KEY_PARAMETERS. */
EVP_PKEY *amp_pkey_build(const char *type, OSSL_PARAM_BLD *numbers, int selection);
bool amp_pkey_passes(EVP_PKEY *evp, int (*check)(EVP_PKEY_CTX *ctx));
/* Moves `key` to the heap. AMP_ERR_CRYPTO where its `evp` is NULL; frees that where it fails. */
enum amp_err amp_pkey_wrap(struct amp_pkey **out, struct amp_pkey key) AMP_MUST_USE;

#endif
