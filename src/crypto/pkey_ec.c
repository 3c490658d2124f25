/*
 * P-256 and P-384. Their cofactor is 1, so a point on the curve that is not infinity is in the right group (SP 800-56A
 * revision 3, section 5.6.2.3.4): what lies on the curve is found when a key is made, and not asked again at each use.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>

#include "crypto/context.h"
#include "crypto/pkey_internal.h"

enum { UNCOMPRESSED = 0x04, POINT_MAX = 1 + 2 * AMP_EC_BYTES_MAX }; /* SEC 1 section 2.3.3 */

static EVP_PKEY *build(const struct amp_pkey *key, BIGNUM *d)
{
    uint8_t encoded[POINT_MAX] = {UNCOMPRESSED};
    size_t len = 2 * amp_curve_bytes(key->curve);
    memcpy(encoded + 1, key->point, len);
    OSSL_PARAM_BLD *numbers = OSSL_PARAM_BLD_new();
    EVP_PKEY *evp = NULL;
    if (numbers != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(numbers, OSSL_PKEY_PARAM_GROUP_NAME, amp_curve_name(key->curve), 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(numbers, OSSL_PKEY_PARAM_PUB_KEY, encoded, 1 + len) == 1 &&
        (d == NULL || OSSL_PARAM_BLD_push_BN(numbers, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1))
        evp = amp_pkey_build("EC", numbers, d != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY);
    OSSL_PARAM_BLD_free(numbers);
    return evp;
}

enum amp_err amp_pkey_ec(struct amp_pkey **out, enum amp_curve curve, struct amp_slice x, struct amp_slice y,
                         struct amp_slice d)
{
    size_t len = amp_curve_bytes(curve);
    struct amp_pkey key = {.curve = curve, .is_private = d.len != 0};
    *out = NULL;
    if (x.len != len || y.len != len || (d.len != 0 && d.len != len))
        return AMP_ERR_JWK_INVALID;
    memcpy(key.point, x.ptr, len);
    memcpy(key.point + len, y.ptr, len);
    BIGNUM *scalar = NULL;
    if (d.len != 0) {
        scalar = BN_secure_new();
        if (scalar == NULL || BN_bin2bn(d.ptr, (int)d.len, scalar) == NULL) {
            BN_clear_free(scalar);
            return AMP_ERR_OUT_OF_MEMORY;
        }
    }
    key.evp = build(&key, scalar);
    BN_clear_free(scalar);
    if (key.evp != NULL && amp_pkey_passes(key.evp, d.len != 0 ? EVP_PKEY_check : EVP_PKEY_public_check_quick))
        return amp_pkey_wrap(out, key);
    EVP_PKEY_free(key.evp);
    ERR_clear_error();
    return AMP_ERR_JWK_INVALID;
}

/* Reads the point of a key that was made here. */
static bool take_point(struct amp_pkey *key)
{
    uint8_t encoded[POINT_MAX];
    size_t len = 2 * amp_curve_bytes(key->curve), got = 0;
    if (EVP_PKEY_get_octet_string_param(key->evp, OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof(encoded), &got) != 1 ||
        got != 1 + len || encoded[0] != UNCOMPRESSED)
        return false;
    memcpy(key->point, encoded + 1, len);
    return true;
}

EVP_PKEY *amp_curve_fetch(enum amp_curve curve)
{
    OSSL_PARAM_BLD *group = OSSL_PARAM_BLD_new();
    EVP_PKEY *evp = NULL;
    if (group != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(group, OSSL_PKEY_PARAM_GROUP_NAME, amp_curve_name(curve), 0) == 1)
        evp = amp_pkey_build("EC", group, EVP_PKEY_KEY_PARAMETERS);
    OSSL_PARAM_BLD_free(group);
    return evp;
}

enum amp_err amp_pkey_ec_new(struct amp_pkey **out, enum amp_curve curve)
{
    struct amp_pkey key = {.curve = curve, .is_private = true};
    *out = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, amp_algorithms.curves[curve], NULL);
    bool made = ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_generate(ctx, &key.evp) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (made && take_point(&key))
        return amp_pkey_wrap(out, key);
    EVP_PKEY_free(key.evp);
    ERR_clear_error();
    return AMP_ERR_CRYPTO;
}

static enum amp_err take_scalar(const struct amp_pkey *key, uint8_t *d)
{
    BIGNUM *scalar = BN_secure_new();
    size_t len = amp_curve_bytes(key->curve);
    bool taken = scalar != NULL && EVP_PKEY_get_bn_param(key->evp, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
                 BN_bn2binpad(scalar, d, (int)len) == (int)len;
    BN_clear_free(scalar);
    if (taken)
        return AMP_OK;
    ERR_clear_error();
    amp_wipe(d, len);
    return AMP_ERR_CRYPTO;
}

enum amp_err amp_pkey_ec_numbers(const struct amp_pkey *key, uint8_t *x, uint8_t *y, uint8_t *d)
{
    if (key->is_rsa || (d != NULL && !key->is_private))
        return AMP_ERR_JWK_INVALID;
    size_t len = amp_curve_bytes(key->curve);
    memcpy(x, key->point, len);
    memcpy(y, key->point + len, len);
    return d != NULL ? take_scalar(key, d) : AMP_OK;
}

enum amp_curve amp_pkey_curve(const struct amp_pkey *key)
{
    return key->curve;
}

enum amp_err amp_ecdh(const struct amp_pkey *own, const struct amp_pkey *peer, uint8_t out[AMP_EC_BYTES_MAX])
{
    if (own->is_rsa || peer->is_rsa || own->curve != peer->curve || !own->is_private)
        return AMP_ERR_JWK_INVALID;
    size_t len = AMP_EC_BYTES_MAX;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own->evp, NULL);
    bool derived = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
                   EVP_PKEY_derive_set_peer_ex(ctx, peer->evp, 0) == 1 && EVP_PKEY_derive(ctx, out, &len) == 1 &&
                   len == amp_curve_bytes(own->curve);
    EVP_PKEY_CTX_free(ctx);
    if (derived)
        return AMP_OK;
    ERR_clear_error();
    amp_wipe(out, AMP_EC_BYTES_MAX);
    return AMP_ERR_CRYPTO;
}
