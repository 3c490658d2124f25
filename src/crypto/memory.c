/*
 * OpenSSL's memory: key schedules, HMAC states, private keys, plaintext of TLS records. Its secure heap takes private
 * keys alone, so all of it lies in the pool.
 */
#include <openssl/crypto.h>

#include "crypto/crypto.h"

static _Atomic bool in_pool;

static void *take(size_t len, const char *file, int line)
{
    return amp_secret_alloc(len);
}

static void *resize(void *ptr, size_t len, const char *file, int line)
{
    if (len == 0) {
        amp_secret_free(ptr);
        return NULL;
    }
    return amp_secret_resize(ptr, len);
}

static void give(void *ptr, const char *file, int line)
{
    amp_secret_free(ptr);
}

enum amp_err amp_crypto_use_pool(void)
{
    if (CRYPTO_set_mem_functions(take, resize, give) != 1)
        return AMP_ERR_CRYPTO;
    in_pool = true;
    return AMP_OK;
}

void amp_crypto_fini(void)
{
    amp_crypto_thread_fini();
    if (in_pool)
        OPENSSL_cleanup();
}
