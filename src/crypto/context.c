#include "crypto/context.h"

#include <openssl/err.h>

struct amp_algorithms amp_algorithms;

static _Thread_local struct {
    EVP_MD_CTX *digest;
    EVP_CIPHER_CTX *cipher;
} mine;

enum amp_err amp_algorithms_fetch(void)
{
    struct amp_algorithms *a = &amp_algorithms;
    if (a->sha256 == NULL)
        a->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (a->aes_256_gcm == NULL)
        a->aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (a->aes_256_kwp == NULL)
        a->aes_256_kwp = EVP_CIPHER_fetch(NULL, "AES-256-WRAP-PAD", NULL);
    return a->sha256 != NULL && a->aes_256_gcm != NULL && a->aes_256_kwp != NULL ? AMP_OK : AMP_ERR_CRYPTO;
}

EVP_MD_CTX *amp_context_digest(void)
{
    if (mine.digest != NULL || amp_algorithms.sha256 == NULL)
        return mine.digest;
    mine.digest = EVP_MD_CTX_new();
    if (mine.digest != NULL && EVP_DigestInit_ex2(mine.digest, amp_algorithms.sha256, NULL) != 1)
        amp_context_drop_digest();
    return mine.digest;
}

void amp_context_drop_digest(void)
{
    EVP_MD_CTX_free(mine.digest);
    mine.digest = NULL;
    ERR_clear_error();
}

EVP_CIPHER_CTX *amp_context_cipher(void)
{
    if (mine.cipher == NULL)
        mine.cipher = EVP_CIPHER_CTX_new();
    return mine.cipher;
}

void amp_context_reset_cipher(EVP_CIPHER_CTX *ctx, bool failed)
{
    EVP_CIPHER_CTX_reset(ctx);
    /* SSL_get_error reads this thread's queue: an error left behind would fell the next connection. */
    if (failed)
        ERR_clear_error();
}

void amp_crypto_thread_fini(void)
{
    EVP_MD_CTX_free(mine.digest);
    EVP_CIPHER_CTX_free(mine.cipher);
    mine.digest = NULL;
    mine.cipher = NULL;
    amp_context_drop_reserve();
}
