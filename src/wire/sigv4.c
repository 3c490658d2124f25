#include "wire/sigv4.h"

#include "wire/chars.h"
#include "wire/sigv4_names.h"

#define ALGORITHM          "AWS4-HMAC-SHA256"
#define TERMINATOR         "aws4_request"
#define MAX_SECRET         128
#define MAX_STRING_TO_SIGN 256 /* 17 + 17 + 9 + 33 + 33 + 13 + 64 at most */

static bool has_prefix_nocase(struct amp_slice s, struct amp_slice prefix)
{
    return s.len >= prefix.len && amp_slice_equal_nocase(amp_slice(s.ptr, prefix.len), prefix);
}

/* What changes the meaning of a request: whoever sends it unsigned lets anybody on the way change it. */
static bool must_be_signed(struct amp_slice name)
{
    return has_prefix_nocase(name, AMP_SLICE_LIT("x-amz-")) || has_prefix_nocase(name, AMP_SLICE_LIT("x-ampoule-")) ||
           amp_slice_equal_nocase(name, AMP_SLICE_LIT("idempotency-key"));
}

/* "UNSIGNED-PAYLOAD" and "STREAMING-..." are no body's hash, so they need no words of their own. */
static enum amp_err check_body_hash(const struct amp_http1_head *head, const uint8_t body_sha256[AMP_SHA256_LEN])
{
    struct amp_slice sent;
    if (amp_http1_single(head, "x-amz-content-sha256", &sent) != AMP_OK)
        return AMP_ERR_BODY_NOT_SIGNED;
    if (sent.ptr == NULL)
        return AMP_OK;
    uint8_t storage[2 * AMP_SHA256_LEN];
    struct amp_out expected = amp_out(storage, sizeof(storage));
    amp_out_hex(&expected, body_sha256, AMP_SHA256_LEN);
    return amp_slice_equal(sent, amp_out_done(&expected)) ? AMP_OK : AMP_ERR_BODY_NOT_SIGNED;
}

static enum amp_err check_coverage(const struct amp_sigv4_names *names, const struct amp_http1_head *head,
                                   const uint8_t body_sha256[AMP_SHA256_LEN])
{
    if (!amp_sigv4_names_has(names, AMP_SLICE_LIT("host")) || !amp_sigv4_names_has(names, AMP_SLICE_LIT("x-amz-date")))
        return AMP_ERR_HEADER_NOT_SIGNED;
    for (size_t i = 0; i < head->field_count; i++) {
        if (names->name_of[i] == AMP_SIGV4_NOT_SIGNED && must_be_signed(head->fields[i].name))
            return AMP_ERR_HEADER_NOT_SIGNED;
    }
    return check_body_hash(head, body_sha256);
}

enum amp_err amp_sigv4_check_coverage(const struct amp_sigv4 *auth, const struct amp_http1_head *head,
                                      const uint8_t body_sha256[AMP_SHA256_LEN])
{
    struct amp_sigv4_names names;
    enum amp_err err = amp_sigv4_names_of(&names, auth, head);
    return err != AMP_OK ? err : check_coverage(&names, head, body_sha256);
}

/* One step of the key's derivation. `out` may be the key's own storage. */
static enum amp_err derive(struct amp_key256 *out, struct amp_slice key, struct amp_slice text)
{
    struct amp_key256 next = {{0}};
    enum amp_err err = amp_hmac_sha256(next.bytes, key, &text, 1);
    if (err == AMP_OK)
        *out = next;
    amp_wipe(&next, sizeof(next));
    return err;
}

enum amp_err amp_sigv4_day_key(struct amp_key256 *out, struct amp_slice secret, struct amp_slice date,
                               struct amp_slice region, struct amp_slice service)
{
    uint8_t storage[4 + MAX_SECRET];
    struct amp_out first = amp_out(storage, sizeof(storage));
    amp_out_str(&first, "AWS4");
    amp_out_slice(&first, secret);
    const struct amp_slice so_far = amp_slice(out->bytes, sizeof(out->bytes));
    enum amp_err err = first.overflow ? AMP_ERR_TOO_LARGE : derive(out, amp_out_done(&first), date);
    if (err == AMP_OK)
        err = derive(out, so_far, region);
    if (err == AMP_OK)
        err = derive(out, so_far, service);
    if (err == AMP_OK)
        err = derive(out, so_far, AMP_SLICE_LIT(TERMINATOR));
    if (err != AMP_OK)
        amp_wipe(out, sizeof(*out));
    amp_wipe(storage, sizeof(storage));
    return err;
}

static void write_string_to_sign(struct amp_out *out, const struct amp_sigv4 *auth,
                                 const uint8_t canonical_hash[AMP_SHA256_LEN])
{
    amp_out_str(out, ALGORITHM "\n");
    amp_out_slice(out, auth->amz_date);
    amp_out_byte(out, '\n');
    amp_out_slice(out, auth->date);
    amp_out_byte(out, '/');
    amp_out_slice(out, auth->region);
    amp_out_byte(out, '/');
    amp_out_slice(out, auth->service);
    amp_out_str(out, "/" TERMINATOR "\n");
    amp_out_hex(out, canonical_hash, AMP_SHA256_LEN);
}

static enum amp_err sign_under(uint8_t out[AMP_SHA256_LEN], const struct amp_hmac_key *day_key,
                               const struct amp_sigv4 *auth, const uint8_t canonical_hash[AMP_SHA256_LEN])
{
    uint8_t storage[MAX_STRING_TO_SIGN];
    struct amp_out text = amp_out(storage, sizeof(storage));
    write_string_to_sign(&text, auth, canonical_hash);
    if (text.overflow)
        return AMP_ERR_TOO_LARGE;
    struct amp_slice whole = amp_out_done(&text);
    return amp_hmac_sha256_under(out, day_key, &whole, 1);
}

enum amp_err amp_sigv4_sign(uint8_t out[AMP_SHA256_LEN], const struct amp_key256 *day_key, const struct amp_sigv4 *auth,
                            const uint8_t canonical_hash[AMP_SHA256_LEN])
{
    struct amp_hmac_key ready;
    amp_hmac_key_make(&ready, day_key);
    enum amp_err err = sign_under(out, &ready, auth, canonical_hash);
    amp_wipe(&ready, sizeof(ready));
    return err;
}

enum amp_err amp_sigv4_verify_under(const struct amp_sigv4 *auth, const struct amp_http1_head *head,
                                    const uint8_t body_sha256[AMP_SHA256_LEN], const struct amp_hmac_key *day_key)
{
    __attribute__((uninitialized)) struct amp_sigv4_names names; /* large, and filled as far as it is read */
    uint8_t canonical_hash[AMP_SHA256_LEN];
    uint8_t expected[AMP_SHA256_LEN];
    enum amp_err err = amp_sigv4_names_of(&names, auth, head);
    if (err == AMP_OK)
        err = check_coverage(&names, head, body_sha256);
    if (err == AMP_OK)
        err = amp_sigv4_canonical_hash_of(canonical_hash, auth, &names, head, body_sha256);
    if (err == AMP_OK)
        err = sign_under(expected, day_key, auth, canonical_hash);
    if (err == AMP_OK && !amp_secret_equal(expected, auth->signature, sizeof(expected)))
        err = AMP_ERR_SIGNATURE_MISMATCH;
    amp_wipe(expected, sizeof(expected)); /* it is the right answer to a wrong question */
    return err;
}

enum amp_err amp_sigv4_verify(const struct amp_sigv4 *auth, const struct amp_http1_head *head,
                              const uint8_t body_sha256[AMP_SHA256_LEN], const struct amp_key256 *day_key)
{
    struct amp_hmac_key ready;
    amp_hmac_key_make(&ready, day_key);
    enum amp_err err = amp_sigv4_verify_under(auth, head, body_sha256, &ready);
    amp_wipe(&ready, sizeof(ready));
    return err;
}
