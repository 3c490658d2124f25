/* RFC 5649, SP 800-38F section 6.3. */
#include "crypto/context.h"

static bool start(EVP_CIPHER_CTX *ctx, const struct amp_key256 *kek, bool wrapping)
{
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    return EVP_CipherInit_ex2(ctx, amp_algorithms.aes_256_kwp, kek->bytes, NULL, wrapping, NULL) == 1;
}

static enum amp_err wrap(EVP_CIPHER_CTX *ctx, uint8_t *out, const struct amp_key256 *kek, const uint8_t *in, size_t len)
{
    int written = 0;
    if (!start(ctx, kek, true) || EVP_CipherUpdate(ctx, out, &written, in, (int)len) != 1)
        return AMP_ERR_CRYPTO;
    return (size_t)written == amp_kwp_len(len) ? AMP_OK : AMP_ERR_CRYPTO;
}

enum amp_err amp_kwp_wrap(uint8_t *out, const struct amp_key256 *kek, const uint8_t *in, size_t len)
{
    if (len == 0 || len > AMP_KWP_MAX)
        return AMP_ERR_INVALID;
    EVP_CIPHER_CTX *ctx = amp_context_cipher();
    if (ctx == NULL)
        return AMP_ERR_CRYPTO;
    enum amp_err err = wrap(ctx, out, kek, in, len);
    amp_context_reset_cipher(ctx, err != AMP_OK);
    if (err != AMP_OK)
        amp_wipe(out, amp_kwp_len(len));
    return err;
}

/*
 * The library writes the padding too, and where the check fails clears as many bytes of its output as it was
 * given input, 8 more than the longest result: so it works in room of our own.
 */
static enum amp_err unwrap(EVP_CIPHER_CTX *ctx, uint8_t *out, size_t *out_len, const struct amp_key256 *kek,
                           const uint8_t *in, size_t len)
{
    uint8_t room[AMP_KWP_MAX + 8];
    int written = 0;
    enum amp_err err = AMP_ERR_CRYPTO;
    if (!start(ctx, kek, false))
        goto out;
    err = AMP_ERR_NOT_AUTHENTIC;
    if (EVP_CipherUpdate(ctx, room, &written, in, (int)len) != 1 || written <= 0)
        goto out;
    err = AMP_ERR_TOO_LARGE;
    if ((size_t)written > *out_len)
        goto out;
    memcpy(out, room, (size_t)written);
    *out_len = (size_t)written;
    err = AMP_OK;
out:
    amp_wipe(room, len);
    return err;
}

enum amp_err amp_kwp_unwrap(uint8_t *out, size_t *out_len, const struct amp_key256 *kek, const uint8_t *in, size_t len)
{
    enum amp_err err = AMP_ERR_NOT_AUTHENTIC;
    if (len >= 16 && len % 8 == 0 && len <= AMP_KWP_MAX + 8) {
        EVP_CIPHER_CTX *ctx = amp_context_cipher();
        err = AMP_ERR_CRYPTO;
        if (ctx != NULL) {
            err = unwrap(ctx, out, out_len, kek, in, len);
            amp_context_reset_cipher(ctx, err != AMP_OK);
        }
    }
    if (err != AMP_OK)
        amp_wipe(out, *out_len);
    return err;
}
