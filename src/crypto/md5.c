/*
 * Only SQS's digests are MD5, and only to show that a body arrived whole: a provider without it is no failure at start.
 * The default provider's is called directly, as in hash.c.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>

#include "crypto/context.h"
#include "crypto/pkey.h"

static void own_digest(uint8_t out[16], const struct amp_slice *parts, size_t count)
{
    MD5_CTX state;
    MD5_Init(&state);
    for (size_t i = 0; i < count; i++)
        MD5_Update(&state, parts[i].ptr, parts[i].len);
    MD5_Final(out, &state);
    amp_wipe(&state, sizeof(state));
}

static bool library_digest(EVP_MD_CTX *ctx, uint8_t out[16], const struct amp_slice *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len != 0 && EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len) != 1)
            return false;
    }
    return EVP_DigestFinal_ex(ctx, out, NULL) == 1 && EVP_DigestInit_ex2(ctx, NULL, NULL) == 1;
}

enum amp_err amp_md5(uint8_t out[16], const struct amp_slice *parts, size_t count)
{
    if (amp_algorithms.md5_is_default) {
        own_digest(out, parts, count);
        return AMP_OK;
    }
    EVP_MD_CTX *ctx = amp_context_md5();
    if (ctx != NULL && library_digest(ctx, out, parts, count))
        return AMP_OK;
    amp_context_drop_md5();
    amp_wipe(out, 16);
    return AMP_ERR_CRYPTO;
}
