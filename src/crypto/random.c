#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "crypto/crypto.h"

enum amp_err amp_random(void *out, size_t len)
{
    if (len > INT_MAX)
        return AMP_ERR_TOO_LARGE;
    if (len == 0 || RAND_priv_bytes(out, (int)len) == 1)
        return AMP_OK;
    ERR_clear_error();
    amp_wipe(out, len);
    return AMP_ERR_CRYPTO;
}
