/*
 * Signed heads. Whatever the bytes: the canonical request of a head that the HTTP parser let pass always fits and
 * hashes to what canonical_hash says; the canonical query is its own canonical form; a signature made verifies, and no
 * other.
 */
#include "fuzz.h"

#include "wire/sigv4.h"
#include "wire/uri.h"

static struct amp_key256 day_key;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    FUZZ_CHECK(amp_crypto_init() == AMP_OK);
    FUZZ_CHECK(amp_sigv4_day_key(&day_key, amp_slice_str("secret"), amp_slice_str("20260131"), amp_slice_str("r"),
                                 amp_slice_str("ampoule")) == AMP_OK);
    return 0;
}

static void check_query(struct amp_slice query)
{
    static uint8_t first[4 * AMP_HTTP1_MAX_TARGET], second[4 * AMP_HTTP1_MAX_TARGET];
    struct amp_out once = amp_out(first, sizeof(first)), twice = amp_out(second, sizeof(second));
    if (amp_uri_write_query(&once, query) != AMP_OK)
        return;
    FUZZ_CHECK(!once.overflow);
    if (once.len > AMP_HTTP1_MAX_TARGET)
        return; /* longer than a target may be */
    FUZZ_CHECK(amp_uri_write_query(&twice, amp_out_done(&once)) == AMP_OK);
    FUZZ_CHECK(amp_slice_equal(amp_out_done(&once), amp_out_done(&twice)));
}

static void check_path(struct amp_slice path)
{
    static uint8_t storage[4 * AMP_HTTP1_MAX_TARGET];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_uri_write_path(&out, path);
    struct amp_slice s = amp_out_done(&out);
    FUZZ_CHECK(!out.overflow && s.len != 0 && s.ptr[0] == '/');
    FUZZ_CHECK(memmem(s.ptr, s.len, "//", 2) == NULL && memmem(s.ptr, s.len, "/./", 3) == NULL &&
               memmem(s.ptr, s.len, "/../", 4) == NULL);
}

static void check_signature(struct amp_sigv4 *auth, const struct amp_http1_head *head,
                            const uint8_t body_hash[AMP_SHA256_LEN])
{
    static uint8_t storage[AMP_HTTP1_MAX_HEAD + 4 * AMP_HTTP1_MAX_TARGET];
    uint8_t hash[AMP_SHA256_LEN], expected[AMP_SHA256_LEN];
    struct amp_out out = amp_out(storage, sizeof(storage));
    enum amp_err err = amp_sigv4_canonical_hash(hash, auth, head, body_hash);
    FUZZ_CHECK(amp_sigv4_canonical_request(&out, auth, head, body_hash) == err);
    FUZZ_CHECK(err == AMP_OK || err == AMP_ERR_URI_TOO_LONG); /* too many parameters */
    if (err != AMP_OK)
        return;
    struct amp_slice whole = amp_out_done(&out);
    FUZZ_CHECK(amp_sha256(expected, &whole, 1) == AMP_OK && memcmp(hash, expected, sizeof(hash)) == 0);
    FUZZ_CHECK(amp_sigv4_sign(auth->signature, &day_key, auth, hash) == AMP_OK);
    FUZZ_CHECK(amp_sigv4_verify(auth, head, body_hash, &day_key) == AMP_OK);
    auth->signature[hash[0] % AMP_SHA256_LEN] ^= (uint8_t)(1U << hash[1] % 8);
    FUZZ_CHECK(amp_sigv4_verify(auth, head, body_hash, &day_key) == AMP_ERR_SIGNATURE_MISMATCH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct amp_http1_head head;
    struct amp_sigv4 auth;
    uint8_t body_hash[AMP_SHA256_LEN];
    size_t head_len, scanned = 0;
    uint8_t *bytes = fuzz_copy(data, size);
    if (amp_http1_parse_head(&head, bytes, size, &head_len, &scanned) == AMP_OK) {
        struct amp_slice body = amp_slice(bytes + head_len, size - head_len);
        FUZZ_CHECK(amp_sha256(body_hash, &body, 1) == AMP_OK);
        check_query(head.query);
        check_path(head.path);
        if (amp_sigv4_parse(&auth, &head) == AMP_OK && amp_sigv4_check_coverage(&auth, &head, body_hash) == AMP_OK)
            check_signature(&auth, &head, body_hash);
    }
    free(bytes);
    return 0;
}
