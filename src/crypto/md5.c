/* Only SQS's digests are MD5, and only to show that a body arrived whole: a provider without it is no failure at start.
 */
#include "crypto/context.h"
#include "crypto/pkey.h"

static bool digest(EVP_MD_CTX *ctx, uint8_t out[16], const struct amp_slice *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len != 0 && EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len) != 1)
            return false;
    }
    return EVP_DigestFinal_ex(ctx, out, NULL) == 1 && EVP_DigestInit_ex2(ctx, NULL, NULL) == 1;
}

enum amp_err amp_md5(uint8_t out[16], const struct amp_slice *parts, size_t count)
{
    EVP_MD_CTX *ctx = amp_context_md5();
    if (ctx != NULL && digest(ctx, out, parts, count))
        return AMP_OK;
    amp_context_drop_md5();
    amp_wipe(out, 16);
    return AMP_ERR_CRYPTO;
}
