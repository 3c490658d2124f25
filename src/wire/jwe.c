#include "wire/jwe.h"

#include "base/text.h"
#include "wire/chars.h"
#include "wire/jwe_kdf.h"

#define ENC "A256GCM"

enum {
    OWN_HEADER_MAX = 260, /* of what is written here, with a point on P-384 */
    NONCE_TEXT_LEN = AMP_BASE64URL_LEN(AMP_GCM_NONCE_LEN),
    TAG_TEXT_LEN = AMP_BASE64URL_LEN(AMP_GCM_TAG_LEN),
};

static void write_u32(uint8_t out[4], size_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

enum amp_err amp_jwe_kdf(uint8_t out[AMP_SHA256_LEN], struct amp_slice shared, struct amp_slice algorithm,
                         uint32_t bits, const struct amp_jwe_parties *parties)
{
    static const uint8_t round[4] = {0, 0, 0, 1};
    uint8_t algorithm_len[4], u_len[4], v_len[4], key_bits[4];
    write_u32(algorithm_len, algorithm.len);
    write_u32(u_len, parties->u.len);
    write_u32(v_len, parties->v.len);
    write_u32(key_bits, bits);
    const struct amp_slice parts[] = {
        {round, 4}, shared,     {algorithm_len, 4}, algorithm,     {u_len, 4},
        parties->u, {v_len, 4}, parties->v,         {key_bits, 4},
    };
    return amp_sha256(out, parts, sizeof parts / sizeof parts[0]);
}

/* What one encryption or decryption must wipe; in secret memory. */
struct scratch {
    struct amp_key256 cek;
    uint8_t shared[AMP_EC_BYTES_MAX];
    uint8_t unwrapped[AMP_RSA_BYTES_MAX];
};

static enum amp_err agree(struct scratch *scratch, const struct amp_pkey *own, const struct amp_pkey *peer,
                          const struct amp_jwe_parties *parties)
{
    enum amp_err err = amp_ecdh(own, peer, scratch->shared);
    if (err != AMP_OK)
        return err;
    struct amp_slice shared = amp_slice(scratch->shared, amp_curve_bytes(amp_pkey_curve(own)));
    return amp_jwe_kdf(scratch->cek.bytes, shared, AMP_SLICE_LIT(ENC), 256, parties);
}

/* ---- encryption ---- */

size_t amp_jwe_len_max(size_t plain_len)
{
    return AMP_BASE64URL_LEN(OWN_HEADER_MAX) + 1 + AMP_BASE64URL_LEN(AMP_RSA_BYTES_MAX) + 1 + NONCE_TEXT_LEN + 1 +
           AMP_BASE64URL_LEN(plain_len) + 1 + TAG_TEXT_LEN;
}

static void encode(struct amp_out *out, struct amp_slice bytes)
{
    size_t len = AMP_BASE64URL_LEN(bytes.len);
    if (len > out->cap - out->len) {
        out->overflow = true;
        return;
    }
    amp_base64url_encode((char *)out->ptr + out->len, bytes.ptr, bytes.len);
    out->len += len;
}

/* `ephemeral`: NULL with RSA. *aad is the header as it is sent: RFC 7516 section 5.1, steps 13 and 14. */
static enum amp_err write_header(struct amp_out *out, const struct amp_jwk *to, const struct amp_jwk *ephemeral,
                                 struct amp_slice *aad)
{
    uint8_t text[OWN_HEADER_MAX];
    struct amp_out header = amp_out(text, sizeof text);
    enum amp_err err = AMP_OK;
    amp_out_str(&header, ephemeral == NULL ? "{\"alg\":\"RSA-OAEP-256\"" : "{\"alg\":\"ECDH-ES\"");
    amp_out_str(&header, ",\"enc\":\"" ENC "\",\"kid\":\"");
    amp_out_bytes(&header, to->kid, sizeof to->kid);
    amp_out_byte(&header, '"');
    if (ephemeral != NULL) {
        amp_out_str(&header, ",\"epk\":");
        err = amp_jwk_write_public(&header, ephemeral);
    }
    amp_out_byte(&header, '}');
    const size_t start = out->len;
    encode(out, amp_out_done(&header));
    *aad = amp_slice(out->ptr + start, out->len - start);
    return err;
}

static enum amp_err start_rsa(struct amp_out *out, const struct amp_jwk *to, struct scratch *scratch,
                              struct amp_slice *aad)
{
    uint8_t encrypted[AMP_RSA_BYTES_MAX];
    size_t len = 0;
    enum amp_err err = amp_random(scratch->cek.bytes, sizeof scratch->cek.bytes);
    if (err == AMP_OK)
        err = amp_rsa_oaep_encrypt(to->key, scratch->cek.bytes, sizeof scratch->cek.bytes, encrypted, &len);
    if (err == AMP_OK)
        err = write_header(out, to, NULL, aad);
    amp_out_byte(out, '.');
    encode(out, amp_slice(encrypted, len));
    return err;
}

/* RFC 7518 section 4.6: the key agreed on is the CEK, and the encrypted key is empty. */
static enum amp_err start_ec(struct amp_out *out, const struct amp_jwk *to, struct scratch *scratch,
                             struct amp_slice *aad)
{
    struct amp_jwk ephemeral = {.key = NULL};
    const struct amp_jwe_parties unnamed = {.u = {NULL, 0}};
    enum amp_err err = amp_pkey_ec_new(&ephemeral.key, amp_pkey_curve(to->key));
    if (err == AMP_OK)
        err = agree(scratch, ephemeral.key, to->key, &unnamed);
    if (err == AMP_OK)
        err = write_header(out, to, &ephemeral, aad);
    amp_out_byte(out, '.');
    amp_pkey_free(ephemeral.key);
    return err;
}

/* The ciphertext is made at the end of the room that its text takes, and encoded from there. */
static enum amp_err write_sealed(struct amp_out *out, const struct amp_key256 *cek, struct amp_slice aad,
                                 struct amp_slice plain)
{
    uint8_t nonce[AMP_GCM_NONCE_LEN], tag[AMP_GCM_TAG_LEN];
    enum amp_err err = amp_random(nonce, sizeof nonce);
    if (err != AMP_OK)
        return err;
    amp_out_byte(out, '.');
    encode(out, amp_slice(nonce, sizeof nonce));
    amp_out_byte(out, '.');
    size_t text_len = AMP_BASE64URL_LEN(plain.len);
    if (out->overflow || out->cap - out->len < text_len + 1 + TAG_TEXT_LEN)
        return AMP_ERR_TOO_LARGE;
    uint8_t *sealed = out->ptr + out->len + text_len - plain.len;
    err = amp_gcm_seal(sealed, cek, nonce, aad, plain.ptr, plain.len);
    if (err != AMP_OK)
        return err;
    memcpy(tag, sealed + plain.len, sizeof tag);
    encode(out, amp_slice(sealed, plain.len));
    amp_out_byte(out, '.');
    encode(out, amp_slice(tag, sizeof tag));
    return AMP_OK;
}

enum amp_err amp_jwe_encrypt(struct amp_out *out, const struct amp_jwk *to, struct amp_slice plain)
{
    const struct amp_out before = *out;
    struct amp_slice aad = {NULL, 0};
    if (plain.len > out->cap - out->len)
        return AMP_ERR_TOO_LARGE;
    struct scratch *scratch = amp_secret_alloc(sizeof *scratch);
    if (scratch == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = amp_pkey_is_rsa(to->key) ? start_rsa(out, to, scratch, &aad) : start_ec(out, to, scratch, &aad);
    if (err == AMP_OK)
        err = write_sealed(out, &scratch->cek, aad, plain);
    amp_secret_free(scratch);
    if (err != AMP_OK)
        *out = before;
    return err;
}

/* ---- decryption ---- */

/* RFC 7516 section 7.1, each in base64url. */
struct parts {
    struct amp_slice header, key, nonce, ciphertext, tag;
};

static bool cut(struct parts *parts, struct amp_slice compact)
{
    parts->tag = compact;
    return amp_slice_cut(&parts->tag, '.', &parts->header) && amp_slice_cut(&parts->tag, '.', &parts->key) &&
           amp_slice_cut(&parts->tag, '.', &parts->nonce) && amp_slice_cut(&parts->tag, '.', &parts->ciphertext);
}

struct header {
    struct amp_slice alg, enc;
    struct amp_jwe_parties parties;
    uint8_t *epk; /* JSON; NULL: none */
    size_t epk_len;
};

static enum amp_err read_alg(struct amp_json *json, void *into)
{
    return amp_json_read_string(json, &((struct header *)into)->alg);
}

static enum amp_err read_enc(struct amp_json *json, void *into)
{
    return amp_json_read_string(json, &((struct header *)into)->enc);
}

static uint8_t *writable(struct amp_json *json, struct amp_slice part)
{
    return json->text + (part.ptr - json->text);
}

static enum amp_err read_epk(struct amp_json *json, void *into)
{
    struct header *header = into;
    struct amp_slice text;
    enum amp_err err = amp_json_read_raw(json, &text);
    if (err != AMP_OK)
        return err;
    header->epk = writable(json, text);
    header->epk_len = text.len;
    return AMP_OK;
}

static enum amp_err read_party(struct amp_json *json, struct amp_slice *party)
{
    struct amp_slice text;
    enum amp_err err = amp_json_read_string(json, &text);
    if (err != AMP_OK)
        return err;
    size_t len = text.len;
    err = amp_base64url_decode_any(writable(json, text), &len, text);
    *party = amp_slice(text.ptr, err == AMP_OK ? len : 0);
    return err;
}

static enum amp_err read_apu(struct amp_json *json, void *into)
{
    return read_party(json, &((struct header *)into)->parties.u);
}

static enum amp_err read_apv(struct amp_json *json, void *into)
{
    return read_party(json, &((struct header *)into)->parties.v);
}

/* "crit" names what must be understood, and here nothing is; "zip" lets the length tell of the content. */
static enum amp_err refuse(struct amp_json *json, void *into)
{
    return AMP_ERR_JWE_INVALID;
}

static const struct amp_json_member members[] = {
    {"alg", read_alg, true},  {"enc", read_enc, true}, {"epk", read_epk, false}, {"apu", read_apu, false},
    {"apv", read_apv, false}, {"crit", refuse, false}, {"zip", refuse, false},
};

/* What is wrong with the text is told in one way; what is wrong here, as it is. */
static enum amp_err as_invalid(enum amp_err err)
{
    return err == AMP_OK || err == AMP_ERR_CRYPTO || err == AMP_ERR_OUT_OF_MEMORY ? err : AMP_ERR_JWE_INVALID;
}

static enum amp_err read_header(struct header *header, uint8_t *text, size_t len)
{
    struct amp_json json;
    *header = (struct header){.epk = NULL};
    amp_json_init(&json, text, len);
    enum amp_err err = amp_json_read_known(&json, members, sizeof members / sizeof members[0], header);
    if (err == AMP_OK)
        err = amp_json_finish(&json);
    if (err == AMP_OK && !amp_slice_is(header->enc, ENC))
        err = AMP_ERR_JWE_INVALID;
    return as_invalid(err);
}

/*
 * RFC 7516 section 11.5: a key that does not unwrap, or is none of ours, is replaced by a random one, so that it fails
 * where a wrong tag fails, and as late.
 */
static enum amp_err unwrap(struct scratch *scratch, const struct amp_pkey *own, struct amp_slice text)
{
    uint8_t encrypted[AMP_RSA_BYTES_MAX];
    size_t encrypted_len = sizeof encrypted, len = 0;
    if (amp_base64url_decode_any(encrypted, &encrypted_len, text) != AMP_OK)
        return AMP_ERR_JWE_INVALID;
    enum amp_err err = amp_random(scratch->cek.bytes, sizeof scratch->cek.bytes);
    if (err != AMP_OK)
        return err;
    err = amp_rsa_oaep_decrypt(own, encrypted, encrypted_len, scratch->unwrapped, &len);
    if (err == AMP_OK && len == sizeof scratch->cek.bytes)
        memcpy(scratch->cek.bytes, scratch->unwrapped, len);
    return err == AMP_ERR_NOT_AUTHENTIC ? AMP_OK : err;
}

static enum amp_err agree_with_sender(struct scratch *scratch, const struct amp_pkey *own, struct header *header)
{
    struct amp_jwk ephemeral = {.key = NULL};
    if (header->epk == NULL)
        return AMP_ERR_JWE_INVALID;
    enum amp_err err = as_invalid(amp_jwk_parse(&ephemeral, header->epk, header->epk_len, false));
    if (err == AMP_OK && amp_pkey_is_rsa(ephemeral.key))
        err = AMP_ERR_JWE_INVALID;
    if (err == AMP_OK && amp_pkey_curve(ephemeral.key) != amp_pkey_curve(own))
        err = AMP_ERR_NOT_AUTHENTIC; /* meant for another key */
    if (err == AMP_OK)
        err = agree(scratch, own, ephemeral.key, &header->parties);
    amp_jwk_fini(&ephemeral);
    return err;
}

static enum amp_err find_cek(struct scratch *scratch, const struct amp_pkey *own, struct header *header,
                             struct amp_slice encrypted_key)
{
    if (amp_slice_is(header->alg, "RSA-OAEP-256"))
        return amp_pkey_is_rsa(own) ? unwrap(scratch, own, encrypted_key) : AMP_ERR_NOT_AUTHENTIC;
    if (!amp_slice_is(header->alg, "ECDH-ES") || encrypted_key.len != 0)
        return AMP_ERR_JWE_INVALID;
    return amp_pkey_is_rsa(own) ? AMP_ERR_NOT_AUTHENTIC : agree_with_sender(scratch, own, header);
}

static enum amp_err open_sealed(struct amp_secret_buf *out, const struct amp_key256 *cek, const struct parts *parts)
{
    uint8_t nonce[AMP_GCM_NONCE_LEN];
    enum amp_err err = amp_secret_buf_reserve(out, parts->ciphertext.len + AMP_GCM_TAG_LEN);
    if (err != AMP_OK)
        return err;
    uint8_t *sealed = out->ptr + out->len;
    size_t len = parts->ciphertext.len;
    if (amp_base64url_decode(nonce, sizeof nonce, parts->nonce) != AMP_OK ||
        amp_base64url_decode_any(sealed, &len, parts->ciphertext) != AMP_OK ||
        amp_base64url_decode(sealed + len, AMP_GCM_TAG_LEN, parts->tag) != AMP_OK)
        return AMP_ERR_JWE_INVALID;
    err = amp_gcm_open(sealed, cek, nonce, parts->header, sealed, len + AMP_GCM_TAG_LEN);
    if (err == AMP_OK)
        out->len += len;
    return err;
}

enum amp_err amp_jwe_decrypt(struct amp_secret_buf *out, const struct amp_jwk *with, struct amp_slice compact)
{
    uint8_t text[AMP_JWE_HEADER_MAX];
    size_t len = sizeof text;
    struct parts parts;
    struct header header;
    if (!cut(&parts, compact) || amp_base64url_decode_any(text, &len, parts.header) != AMP_OK)
        return AMP_ERR_JWE_INVALID;
    enum amp_err err = read_header(&header, text, len);
    if (err != AMP_OK)
        return err;
    struct scratch *scratch = amp_secret_alloc(sizeof *scratch);
    if (scratch == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    err = find_cek(scratch, with->key, &header, parts.key);
    if (err == AMP_OK)
        err = open_sealed(out, &scratch->cek, &parts);
    amp_secret_free(scratch);
    return err;
}
