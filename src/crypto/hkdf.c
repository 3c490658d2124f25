/* RFC 5869. */
#include "crypto/crypto.h"

enum { ROUNDS_MAX = 255 };

/* Section 2.3: T(n) = HMAC(prk, T(n-1) | info | n), and T(0) is empty. */
static enum amp_err expand(uint8_t *out, size_t out_len, const uint8_t prk[AMP_SHA256_LEN], struct amp_slice info)
{
    uint8_t block[AMP_SHA256_LEN], round = 0;
    enum amp_err err = AMP_OK;
    for (size_t done = 0; done < out_len && err == AMP_OK;) {
        struct amp_slice previous = amp_slice(block, round == 0 ? 0 : sizeof(block));
        round++;
        const struct amp_slice parts[] = {previous, info, amp_slice(&round, 1)};
        err = amp_hmac_sha256(block, amp_slice(prk, AMP_SHA256_LEN), parts, 3);
        size_t take = out_len - done < sizeof(block) ? out_len - done : sizeof(block);
        memcpy(out + done, block, take);
        done += take;
    }
    amp_wipe(block, sizeof(block));
    return err;
}

enum amp_err amp_hkdf_sha256(uint8_t *out, size_t out_len, struct amp_slice key, struct amp_slice salt,
                             struct amp_slice info)
{
    if (out_len > (size_t)ROUNDS_MAX * AMP_SHA256_LEN)
        return AMP_ERR_TOO_LARGE;
    /* Section 2.2: PRK = HMAC(salt, key); an absent salt is 32 zeros, and so HMAC takes an empty key. */
    uint8_t prk[AMP_SHA256_LEN];
    enum amp_err err = amp_hmac_sha256(prk, salt, &key, 1);
    if (err == AMP_OK)
        err = expand(out, out_len, prk, info);
    amp_wipe(prk, sizeof(prk));
    if (err != AMP_OK)
        amp_wipe(out, out_len);
    return err;
}
