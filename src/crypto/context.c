#include "crypto/context.h"

#include <openssl/err.h>
#include <openssl/provider.h>

struct amp_algorithms amp_algorithms;

static _Thread_local struct {
    EVP_MD_CTX *digest;
    EVP_MD_CTX *md5;
    EVP_CIPHER_CTX *cipher;
    struct amp_key256 *key; /* in secret memory: what `cipher` is keyed with, where `keyed` */
    bool keyed;
    bool in_turns;
} mine;

static bool is_default(const EVP_MD *algorithm)
{
    const OSSL_PROVIDER *provider = algorithm != NULL ? EVP_MD_get0_provider(algorithm) : NULL;
    return provider != NULL && strcmp(OSSL_PROVIDER_get0_name(provider), "default") == 0;
}

enum amp_err amp_algorithms_fetch(void)
{
    struct amp_algorithms *a = &amp_algorithms;
    if (a->sha256 == NULL)
        a->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    a->sha256_is_default = is_default(a->sha256);
    if (a->aes_256_gcm == NULL)
        a->aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (a->aes_256_kwp == NULL)
        a->aes_256_kwp = EVP_CIPHER_fetch(NULL, "AES-256-WRAP-PAD", NULL);
    if (a->md5 == NULL)
        a->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    a->md5_is_default = is_default(a->md5);
    bool all = a->sha256 != NULL && a->aes_256_gcm != NULL && a->aes_256_kwp != NULL;
    for (unsigned curve = 0; curve < AMP_CURVE_COUNT; curve++) {
        if (a->curves[curve] == NULL)
            a->curves[curve] = amp_curve_fetch((enum amp_curve)curve);
        all = all && a->curves[curve] != NULL;
    }
    ERR_clear_error();
    return all ? AMP_OK : AMP_ERR_CRYPTO;
}

static void drop(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
    *ctx = NULL;
    ERR_clear_error();
}

static EVP_MD_CTX *ready(EVP_MD_CTX **ctx, const EVP_MD *algorithm)
{
    if (*ctx != NULL || algorithm == NULL)
        return *ctx;
    *ctx = EVP_MD_CTX_new();
    if (*ctx != NULL && EVP_DigestInit_ex2(*ctx, algorithm, NULL) != 1)
        drop(ctx);
    return *ctx;
}

EVP_MD_CTX *amp_context_digest(void)
{
    return ready(&mine.digest, amp_algorithms.sha256);
}

void amp_context_drop_digest(void)
{
    drop(&mine.digest);
}

EVP_MD_CTX *amp_context_md5(void)
{
    return ready(&mine.md5, amp_algorithms.md5);
}

void amp_context_drop_md5(void)
{
    drop(&mine.md5);
}

EVP_CIPHER_CTX *amp_context_cipher(void)
{
    amp_crypto_rest();
    if (mine.cipher == NULL)
        mine.cipher = EVP_CIPHER_CTX_new();
    return mine.cipher;
}

static void unkey(void)
{
    if (mine.keyed)
        amp_wipe(mine.key, sizeof(*mine.key));
    mine.keyed = false;
}

/* Remembers the key where the context keeps it: otherwise there is nothing to remember. */
static const uint8_t *key_to_set(const struct amp_key256 *key)
{
    if (mine.keyed && amp_secret_equal(mine.key->bytes, key->bytes, sizeof(key->bytes)))
        return NULL;
    if (mine.in_turns && mine.key == NULL)
        mine.key = amp_secret_alloc(sizeof(*mine.key));
    mine.keyed = mine.in_turns && mine.key != NULL;
    if (mine.keyed)
        *mine.key = *key;
    return key->bytes;
}

/* Naming the algorithm again would reset the context, so it is named only where it is not the present one. */
static EVP_CIPHER_CTX *gcm_context(void)
{
    EVP_CIPHER *gcm = amp_algorithms.aes_256_gcm;
    if (mine.cipher != NULL && EVP_CIPHER_CTX_get0_cipher(mine.cipher) == gcm)
        return mine.cipher;
    EVP_CIPHER_CTX *ctx = amp_context_cipher();
    if (ctx == NULL || EVP_CipherInit_ex2(ctx, gcm, NULL, NULL, 1, NULL) == 1)
        return ctx;
    amp_context_reset_cipher(ctx, true);
    return NULL;
}

EVP_CIPHER_CTX *amp_context_gcm(const struct amp_key256 *key, const uint8_t **set)
{
    EVP_CIPHER_CTX *ctx = gcm_context();
    *set = ctx != NULL ? key_to_set(key) : NULL;
    return ctx;
}

void amp_context_reset_cipher(EVP_CIPHER_CTX *ctx, bool failed)
{
    if (!mine.in_turns || failed) {
        unkey();
        EVP_CIPHER_CTX_reset(ctx);
    }
    /* SSL_get_error reads this thread's queue: an error left behind would fell the next connection. */
    if (failed)
        ERR_clear_error();
}

void amp_crypto_work_in_turns(void)
{
    mine.in_turns = true;
}

void amp_crypto_rest(void)
{
    unkey();
    if (mine.cipher != NULL && EVP_CIPHER_CTX_get0_cipher(mine.cipher) != NULL)
        EVP_CIPHER_CTX_reset(mine.cipher);
}

void amp_crypto_thread_fini(void)
{
    EVP_MD_CTX_free(mine.digest);
    EVP_MD_CTX_free(mine.md5);
    EVP_CIPHER_CTX_free(mine.cipher);
    amp_secret_free(mine.key);
    mine.key = NULL;
    mine.keyed = false;
    mine.digest = NULL;
    mine.md5 = NULL;
    mine.cipher = NULL;
    mine.in_turns = false;
    amp_context_drop_reserve();
}
