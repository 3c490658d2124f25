#include "base/text.h"
#include "crypto/crypto.h"
#include "wire/jwe.h"

enum op_side { OP_PUBLIC = 1, OP_PRIVATE = 2, OP_BOTH = 3 };

/* RFC 7517 section 4.3: the operations that encryption here is made of, and whose they are. */
static const struct {
    const char *name;
    enum op_side side;
} ops[] = {
    {"encrypt", OP_PUBLIC},    {"wrapKey", OP_PUBLIC}, {"decrypt", OP_PRIVATE},
    {"unwrapKey", OP_PRIVATE}, {"deriveKey", OP_BOTH}, {"deriveBits", OP_BOTH},
};
enum { OPS_COUNT = sizeof ops / sizeof ops[0] };

/* A JWK as it is written; numbers are decoded where they stand. */
struct written {
    struct amp_slice kty, use, alg, crv;
    struct amp_slice n, e, x, y;
    struct amp_slice d, p, q, dp, dq, qi;
    bool has_other_primes; /* "oth" */
    bool has_ops;          /* "key_ops", and it is not empty */
    unsigned op_sides;     /* whose operations it names */
    unsigned ops_seen;
};

#define TEXT_MEMBER(name)                                                                                              \
    static enum amp_err read_##name(struct amp_json *json, void *into)                                                 \
    {                                                                                                                  \
        return amp_json_read_string(json, &((struct written *)into)->name);                                            \
    }
TEXT_MEMBER(kty)
TEXT_MEMBER(use)
TEXT_MEMBER(alg)
TEXT_MEMBER(crv)

/* Base64url of at least one byte. */
static enum amp_err read_number(struct amp_json *json, struct amp_slice *number)
{
    struct amp_slice text;
    enum amp_err err = amp_json_read_string(json, &text);
    if (err != AMP_OK)
        return err;
    uint8_t *at = json->text + (text.ptr - json->text);
    size_t len = text.len;
    err = amp_base64url_decode_any(at, &len, text);
    if (err == AMP_OK)
        *number = amp_slice(at, len);
    return err == AMP_OK && len == 0 ? AMP_ERR_INVALID : err;
}

#define NUMBER_MEMBER(name)                                                                                            \
    static enum amp_err read_##name(struct amp_json *json, void *into)                                                 \
    {                                                                                                                  \
        return read_number(json, &((struct written *)into)->name);                                                     \
    }
NUMBER_MEMBER(n)
NUMBER_MEMBER(e)
NUMBER_MEMBER(x)
NUMBER_MEMBER(y)
NUMBER_MEMBER(d)
NUMBER_MEMBER(p)
NUMBER_MEMBER(q)
NUMBER_MEMBER(dp)
NUMBER_MEMBER(dq)
NUMBER_MEMBER(qi)

static enum amp_err read_oth(struct amp_json *json, void *into)
{
    struct amp_slice passed;
    ((struct written *)into)->has_other_primes = true;
    return amp_json_read_raw(json, &passed);
}

static enum amp_err read_op(struct amp_json *json, size_t index, void *into)
{
    struct written *key = into;
    struct amp_slice text;
    enum amp_err err = amp_json_read_string(json, &text);
    if (err != AMP_OK)
        return err;
    key->has_ops = true;
    for (unsigned i = 0; i < OPS_COUNT; i++) {
        if (!amp_slice_is(text, ops[i].name))
            continue;
        if ((key->ops_seen & 1u << i) != 0)
            return AMP_ERR_INVALID; /* "Duplicate key operation values MUST NOT be present" */
        key->ops_seen |= 1u << i;
        key->op_sides |= ops[i].side;
    }
    return AMP_OK;
}

static enum amp_err read_key_ops(struct amp_json *json, void *into)
{
    return amp_json_read_array(json, read_op, into);
}

static const struct amp_json_member members[] = {
    {"kty", read_kty, true},  {"use", read_use, false}, {"key_ops", read_key_ops, false},
    {"alg", read_alg, false}, {"crv", read_crv, false}, {"n", read_n, false},
    {"e", read_e, false},     {"x", read_x, false},     {"y", read_y, false},
    {"d", read_d, false},     {"p", read_p, false},     {"q", read_q, false},
    {"dp", read_dp, false},   {"dq", read_dq, false},   {"qi", read_qi, false},
    {"oth", read_oth, false},
};

static bool has_private_part(const struct written *key)
{
    return key->d.len + key->p.len + key->q.len + key->dp.len + key->dq.len + key->qi.len != 0 || key->has_other_primes;
}

/* May it be used for this? What is not said forbids nothing. */
static bool is_meant(const struct written *key, const char *alg, bool is_private)
{
    enum op_side side = is_private ? OP_PRIVATE : OP_PUBLIC;
    return (key->use.ptr == NULL || amp_slice_is(key->use, "enc")) &&
           (key->alg.ptr == NULL || amp_slice_is(key->alg, alg)) && (!key->has_ops || (key->op_sides & side) != 0);
}

/* RFC 7518 section 2, Base64urlUInt: of the octets as few as there can be. */
static bool is_shortest(struct amp_slice number)
{
    return number.len != 0 && number.ptr[0] != 0;
}

static enum amp_err make_rsa(struct amp_pkey **out, const struct written *key)
{
    const struct amp_rsa_numbers numbers = {key->n, key->e, key->d, key->p, key->q};
    if (!is_meant(key, "RSA-OAEP-256", key->d.len != 0) || !is_shortest(key->n) || !is_shortest(key->e) ||
        key->has_other_primes)
        return AMP_ERR_JWK_INVALID;
    return amp_pkey_rsa(out, &numbers);
}

static enum amp_err make_ec(struct amp_pkey **out, const struct written *key)
{
    if (!is_meant(key, "ECDH-ES", key->d.len != 0))
        return AMP_ERR_JWK_INVALID;
    if (amp_slice_is(key->crv, "P-256"))
        return amp_pkey_ec(out, AMP_CURVE_P256, key->x, key->y, key->d);
    if (amp_slice_is(key->crv, "P-384"))
        return amp_pkey_ec(out, AMP_CURVE_P384, key->x, key->y, key->d);
    return AMP_ERR_JWK_INVALID;
}

/* RFC 7638 section 3. */
static enum amp_err name(struct amp_jwk *jwk)
{
    uint8_t text[AMP_JWK_PUBLIC_MAX], digest[AMP_SHA256_LEN];
    struct amp_out out = amp_out(text, sizeof text);
    enum amp_err err = amp_jwk_write_public(&out, jwk);
    struct amp_slice whole = amp_out_done(&out);
    if (err == AMP_OK)
        err = amp_sha256(digest, &whole, 1);
    if (err == AMP_OK)
        amp_base64url_encode(jwk->kid, digest, sizeof digest);
    return err;
}

enum amp_err amp_jwk_parse(struct amp_jwk *jwk, uint8_t *text, size_t len, bool want_private)
{
    struct written key = {.kty = {NULL, 0}};
    struct amp_json json;
    *jwk = (struct amp_jwk){.key = NULL};
    if (len > AMP_JWK_MAX)
        return AMP_ERR_JWK_INVALID;
    amp_json_init(&json, text, len);
    if (amp_json_read_known(&json, members, sizeof members / sizeof members[0], &key) != AMP_OK ||
        amp_json_finish(&json) != AMP_OK)
        return json.err == AMP_ERR_OUT_OF_MEMORY || json.err == AMP_ERR_CRYPTO ? json.err : AMP_ERR_JWK_INVALID;
    if (!want_private && has_private_part(&key))
        return AMP_ERR_JWK_PRIVATE;
    enum amp_err err = AMP_ERR_JWK_INVALID;
    if (want_private && key.d.len == 0)
        return err;
    if (amp_slice_is(key.kty, "RSA"))
        err = make_rsa(&jwk->key, &key);
    else if (amp_slice_is(key.kty, "EC"))
        err = make_ec(&jwk->key, &key);
    if (err == AMP_OK)
        err = name(jwk);
    if (err != AMP_OK)
        amp_jwk_fini(jwk);
    return err;
}

void amp_jwk_fini(struct amp_jwk *jwk)
{
    amp_pkey_free(jwk->key);
    *jwk = (struct amp_jwk){.key = NULL};
}

static void write_number(struct amp_out *out, const char *before, const uint8_t *bytes, size_t len)
{
    char text[AMP_BASE64URL_LEN(AMP_RSA_BYTES_MAX)];
    amp_base64url_encode(text, bytes, len);
    amp_out_str(out, before);
    amp_out_bytes(out, text, AMP_BASE64URL_LEN(len));
    amp_out_byte(out, '"');
}

static enum amp_err write_rsa(struct amp_out *out, const struct amp_pkey *key)
{
    uint8_t n[AMP_RSA_BYTES_MAX], e[AMP_RSA_E_BYTES_MAX];
    size_t n_len, e_len;
    enum amp_err err = amp_pkey_rsa_numbers(key, n, &n_len, e, &e_len);
    if (err != AMP_OK)
        return err;
    write_number(out, "{\"e\":\"", e, e_len);
    write_number(out, ",\"kty\":\"RSA\",\"n\":\"", n, n_len);
    amp_out_byte(out, '}');
    return AMP_OK;
}

static enum amp_err write_ec(struct amp_out *out, const struct amp_pkey *key)
{
    uint8_t x[AMP_EC_BYTES_MAX], y[AMP_EC_BYTES_MAX];
    enum amp_curve curve = amp_pkey_curve(key);
    enum amp_err err = amp_pkey_ec_numbers(key, x, y, NULL);
    if (err != AMP_OK)
        return err;
    amp_out_str(out, "{\"crv\":\"");
    amp_out_str(out, amp_curve_name(curve));
    write_number(out, "\",\"kty\":\"EC\",\"x\":\"", x, amp_curve_bytes(curve));
    write_number(out, ",\"y\":\"", y, amp_curve_bytes(curve));
    amp_out_byte(out, '}');
    return AMP_OK;
}

enum amp_err amp_jwk_write_public(struct amp_out *out, const struct amp_jwk *jwk)
{
    enum amp_err err = amp_pkey_is_rsa(jwk->key) ? write_rsa(out, jwk->key) : write_ec(out, jwk->key);
    return err == AMP_OK && out->overflow ? AMP_ERR_TOO_LARGE : err;
}
