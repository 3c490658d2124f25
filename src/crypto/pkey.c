#include "crypto/pkey_internal.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <stdlib.h>

size_t amp_curve_bytes(enum amp_curve curve)
{
    switch (curve) {
    case AMP_CURVE_P256:
        return 32;
    case AMP_CURVE_P384:
        return 48;
    }
    abort();
}

const char *amp_curve_name(enum amp_curve curve)
{
    switch (curve) {
    case AMP_CURVE_P256:
        return "P-256";
    case AMP_CURVE_P384:
        return "P-384";
    }
    abort();
}

enum amp_err amp_pkey_wrap(struct amp_pkey **out, struct amp_pkey key)
{
    *out = key.evp != NULL ? malloc(sizeof **out) : NULL;
    if (*out != NULL) {
        **out = key;
        return AMP_OK;
    }
    enum amp_err err = key.evp != NULL ? AMP_ERR_OUT_OF_MEMORY : AMP_ERR_CRYPTO;
    EVP_PKEY_free(key.evp);
    return err;
}

EVP_PKEY *amp_pkey_build(const char *type, OSSL_PARAM_BLD *numbers, int selection)
{
    EVP_PKEY *evp = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(numbers);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &evp, selection, params) != 1)
        evp = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return evp;
}

bool amp_pkey_passes(EVP_PKEY *evp, int (*check)(EVP_PKEY_CTX *ctx))
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, evp, NULL);
    bool passed = ctx != NULL && check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    return passed;
}

void amp_pkey_free(struct amp_pkey *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->evp);
    free(key);
}

bool amp_pkey_is_rsa(const struct amp_pkey *key)
{
    return key->is_rsa;
}
