#include <limits.h>

#include <openssl/core_names.h>

#include "crypto/context.h"

static bool lengths_fit(size_t len, struct amp_slice aad)
{
    return len <= INT_MAX - AMP_GCM_TAG_LEN && aad.len <= INT_MAX;
}

static bool seal(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *key, const uint8_t *nonce, struct amp_slice aad,
                 const uint8_t *in, size_t len)
{
    int n;
    OSSL_PARAM tag[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, out + len, AMP_GCM_TAG_LEN),
                        OSSL_PARAM_construct_end()};
    if (EVP_EncryptInit_ex2(ctx, NULL, key, nonce, NULL) != 1)
        return false;
    if (aad.len != 0 && EVP_EncryptUpdate(ctx, NULL, &n, aad.ptr, (int)aad.len) != 1)
        return false;
    if (len != 0 && EVP_EncryptUpdate(ctx, out, &n, in, (int)len) != 1)
        return false;
    return EVP_EncryptFinal_ex(ctx, out + len, &n) == 1 && EVP_CIPHER_CTX_get_params(ctx, tag) == 1;
}

enum amp_err amp_gcm_seal(uint8_t *out, const struct amp_key256 *key, const uint8_t nonce[AMP_GCM_NONCE_LEN],
                          struct amp_slice aad, const uint8_t *in, size_t len)
{
    if (!lengths_fit(len, aad))
        return AMP_ERR_TOO_LARGE;
    const uint8_t *set;
    EVP_CIPHER_CTX *ctx = amp_context_gcm(key, &set);
    if (ctx == NULL)
        return AMP_ERR_CRYPTO;
    bool sealed = seal(ctx, out, set, nonce, aad, in, len);
    amp_context_reset_cipher(ctx, !sealed);
    if (!sealed)
        amp_wipe(out, len + AMP_GCM_TAG_LEN);
    return sealed ? AMP_OK : AMP_ERR_CRYPTO;
}

/* The tag is copied because the library's call takes no constant; `rest` is for a last block that GCM never
 * has. */
static enum amp_err open_with(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *key, const uint8_t *nonce,
                              struct amp_slice aad, const uint8_t *in, size_t len)
{
    uint8_t tag[AMP_GCM_TAG_LEN], rest[AMP_GCM_TAG_LEN];
    int n;
    memcpy(tag, in + len, sizeof(tag));
    if (EVP_DecryptInit_ex2(ctx, NULL, key, nonce, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AMP_GCM_TAG_LEN, tag) != 1)
        return AMP_ERR_CRYPTO;
    if (aad.len != 0 && EVP_DecryptUpdate(ctx, NULL, &n, aad.ptr, (int)aad.len) != 1)
        return AMP_ERR_CRYPTO;
    if (len != 0 && EVP_DecryptUpdate(ctx, out, &n, in, (int)len) != 1)
        return AMP_ERR_CRYPTO;
    return EVP_DecryptFinal_ex(ctx, rest, &n) == 1 ? AMP_OK : AMP_ERR_NOT_AUTHENTIC;
}

enum amp_err amp_gcm_open(uint8_t *out, const struct amp_key256 *key, const uint8_t nonce[AMP_GCM_NONCE_LEN],
                          struct amp_slice aad, const uint8_t *in, size_t len)
{
    if (len < AMP_GCM_TAG_LEN)
        return AMP_ERR_NOT_AUTHENTIC;
    len -= AMP_GCM_TAG_LEN;
    enum amp_err err = AMP_ERR_TOO_LARGE;
    EVP_CIPHER_CTX *ctx = NULL;
    const uint8_t *set = NULL;
    if (lengths_fit(len, aad)) {
        ctx = amp_context_gcm(key, &set);
        err = AMP_ERR_CRYPTO;
    }
    if (ctx != NULL) {
        err = open_with(ctx, out, set, nonce, aad, in, len);
        amp_context_reset_cipher(ctx, err != AMP_OK);
    }
    if (err != AMP_OK)
        amp_wipe(out, len);
    return err;
}
