/*
 * Small wishes are served from a reserve that each thread keeps in secret memory and that is wiped as it is handed
 * out: a call of the library's DRBG costs 0.7 us whether it gives 32 bytes or a few hundred, and hardly more for some
 * thousand. A stolen image tells no
 * more by it: the DRBG's state, which gives the next bytes too, lies in the same memory.
 */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "crypto/context.h"

enum { RESERVE_LEN = 4096, SMALL_LEN = 64 };

static _Thread_local struct {
    uint8_t *bytes;
    size_t left;
} reserve;

static enum amp_err generate(void *out, size_t len)
{
    if (len > INT_MAX)
        return AMP_ERR_TOO_LARGE;
    if (len == 0 || RAND_priv_bytes(out, (int)len) == 1)
        return AMP_OK;
    ERR_clear_error();
    amp_wipe(out, len);
    return AMP_ERR_CRYPTO;
}

/* False where there is no pool (yet): then each wish goes to the library. */
static bool have_reserve(void)
{
    if (reserve.bytes == NULL)
        reserve.bytes = amp_secret_alloc(RESERVE_LEN);
    return reserve.bytes != NULL;
}

enum amp_err amp_random(void *out, size_t len)
{
    if (len == 0 || len > SMALL_LEN || !have_reserve())
        return generate(out, len);
    if (reserve.left < len) {
        enum amp_err err = generate(reserve.bytes, RESERVE_LEN);
        reserve.left = err == AMP_OK ? RESERVE_LEN : 0;
        if (err != AMP_OK)
            return err;
    }
    reserve.left -= len;
    memcpy(out, reserve.bytes + reserve.left, len);
    amp_wipe(reserve.bytes + reserve.left, len);
    return AMP_OK;
}

void amp_context_drop_reserve(void)
{
    amp_secret_free(reserve.bytes);
    reserve.bytes = NULL;
    reserve.left = 0;
}
