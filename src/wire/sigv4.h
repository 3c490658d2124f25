/*
 * AWS Signature Version 4, header signatures with a signed body only (AWS General Reference, "Create a signed AWS API
 * request"). The canonical form is that of a normalizing service: path normalized, then encoded once more.
 */
#ifndef AMP_WIRE_SIGV4_H
#define AMP_WIRE_SIGV4_H

#include "crypto/crypto.h"
#include "wire/http1.h"

#define AMP_SIGV4_MAX_SIGNED 64

/* What the Authorization header says; slices borrow from the head. */
struct amp_sigv4 {
    struct amp_slice key_id;
    struct amp_slice date;           /* of the scope: YYYYMMDD */
    struct amp_slice region;         /* 1 to 32 of [a-z0-9-] */
    struct amp_slice service;        /* 1 to 32 of [a-z0-9-] */
    struct amp_slice signed_headers; /* as sent: amp_sigv4_check_coverage judges it */
    struct amp_slice amz_date;       /* x-amz-date as sent, 16 characters */
    int64_t date_s;                  /* x-amz-date in seconds since 1970 */
    uint8_t signature[AMP_SHA256_LEN];
};

/*
 * Reads Authorization and x-amz-date. Verifies nothing but form:
 * AMP_ERR_NOT_SIGNED (no Authorization), AMP_ERR_PRESIGNED_REFUSED (any X-Amz-Signature, X-Amz-Algorithm or
 * X-Amz-Credential in the query, with or without a header), AMP_ERR_MALFORMED_SIGNATURE (another scheme, repeated or
 * missing parts, repeated header, signature not 64 lower-case hex digits, scope not of four parts ending in
 * aws4_request), AMP_ERR_CLOCK_SKEW (scope date differs from x-amz-date's day).
 */
enum amp_err amp_sigv4_parse(struct amp_sigv4 *auth, const struct amp_http1_head *head) AMP_MUST_USE;

/*
 * Holds the signature's coverage to spec section 2: the signed names in lower case, ascending, none twice, each in the
 * head (AMP_ERR_MALFORMED_SIGNATURE); host and x-amz-date signed; every x-amz-*, x-ampoule-* and
 * idempotency-key field that is present signed (AMP_ERR_HEADER_NOT_SIGNED); every signed name present exactly as often
 * as the canonical form covers. x-amz-content-sha256, where present, equals the body's hash in lower-case hex
 * (AMP_ERR_BODY_NOT_SIGNED: also for UNSIGNED-PAYLOAD, STREAMING-*).
 */
enum amp_err amp_sigv4_check_coverage(const struct amp_sigv4 *auth, const struct amp_http1_head *head,
                                      const uint8_t body_sha256[AMP_SHA256_LEN]) AMP_MUST_USE;

/*
 * SHA-256 of the canonical request: nothing is allocated, the body is seen only as its hash.
 * AMP_ERR_MALFORMED_SIGNATURE as amp_sigv4_check_coverage, AMP_ERR_URI_TOO_LONG where the query has more than
 * AMP_URI_MAX_PARAMS parameters.
 */
enum amp_err amp_sigv4_canonical_hash(uint8_t out[AMP_SHA256_LEN], const struct amp_sigv4 *auth,
                                      const struct amp_http1_head *head,
                                      const uint8_t body_sha256[AMP_SHA256_LEN]) AMP_MUST_USE;

/* The canonical request itself, for tests and for the client's diagnosis. AMP_ERR_TOO_LARGE where it does not fit. */
enum amp_err amp_sigv4_canonical_request(struct amp_out *out, const struct amp_sigv4 *auth,
                                         const struct amp_http1_head *head,
                                         const uint8_t body_sha256[AMP_SHA256_LEN]) AMP_MUST_USE;

/* HMAC(HMAC(HMAC(HMAC("AWS4"+secret, date), region), service), "aws4_request"). */
enum amp_err amp_sigv4_day_key(struct amp_key256 *out, struct amp_slice secret, struct amp_slice date,
                               struct amp_slice region, struct amp_slice service) AMP_MUST_USE;

/* HMAC of the string to sign under the day's key. */
enum amp_err amp_sigv4_sign(uint8_t out[AMP_SHA256_LEN], const struct amp_key256 *day_key, const struct amp_sigv4 *auth,
                            const uint8_t canonical_hash[AMP_SHA256_LEN]) AMP_MUST_USE;

/*
 * The whole check: coverage (errors as amp_sigv4_check_coverage), then the signature, compared in constant time:
 * AMP_OK or AMP_ERR_SIGNATURE_MISMATCH (AMP_ERR_CRYPTO where it could not be checked).
 */
enum amp_err amp_sigv4_verify(const struct amp_sigv4 *auth, const struct amp_http1_head *head,
                              const uint8_t body_sha256[AMP_SHA256_LEN], const struct amp_key256 *day_key) AMP_MUST_USE;
/* The same, for who keeps the key ready. */
enum amp_err amp_sigv4_verify_under(const struct amp_sigv4 *auth, const struct amp_http1_head *head,
                                    const uint8_t body_sha256[AMP_SHA256_LEN],
                                    const struct amp_hmac_key *day_key) AMP_MUST_USE;

#endif
