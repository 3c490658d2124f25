/*
 * Standard Webhooks (standardwebhooks.com, specification 1.0): webhook-id, webhook-timestamp and webhook-signature,
 * "v1," and the base64 of HMAC-SHA256 over "ID.TIMESTAMP.BODY". The receiver's side is here as well: for `ampoule
 * listen`, for libampoule and for the tests.
 */
#ifndef AMP_WIRE_WEBHOOK_H
#define AMP_WIRE_WEBHOOK_H

#include "crypto/crypto.h"

#define AMP_WEBHOOK_SECRET_LEN      32 /* bytes of the secrets made here; 24 to 64 are taken from elsewhere */
#define AMP_WEBHOOK_SECRET_TEXT_LEN 50 /* "whsec_" and 44 characters of base64, no NUL */
#define AMP_WEBHOOK_SECRET_MAX      64
#define AMP_WEBHOOK_SIGNATURE_LEN   47 /* "v1," and 44 characters */
#define AMP_WEBHOOK_SECRETS_MAX     2  /* while one rotates */
#define AMP_WEBHOOK_TOLERANCE_S     300
#define AMP_WEBHOOK_ID_MAX          128

struct amp_webhook_secret {
    uint8_t bytes[AMP_WEBHOOK_SECRET_MAX];
    size_t len;
};
/* Random. */
enum amp_err amp_webhook_secret_new(struct amp_webhook_secret *secret) AMP_MUST_USE;
/* `out` has room for 6 + AMP_BASE64_LEN(secret->len); *len tells how much was written. */
void amp_webhook_secret_format(char *out, size_t *len, const struct amp_webhook_secret *secret);
/* "whsec_" and base64 (24 to 64 bytes); AMP_ERR_INVALID. */
enum amp_err amp_webhook_secret_parse(struct amp_webhook_secret *secret, struct amp_slice text) AMP_MUST_USE;

/* Appends "v1,..." for each secret, a space between: the value of webhook-signature. `id` holds no '.'. */
enum amp_err amp_webhook_sign(struct amp_out *out, const struct amp_webhook_secret *secrets, size_t count,
                              struct amp_slice id, int64_t unix_s, struct amp_slice body) AMP_MUST_USE;

/* The three fields as they arrived; {NULL, 0} where absent. */
struct amp_webhook_fields {
    struct amp_slice id;
    struct amp_slice timestamp;
    struct amp_slice signature;
};
/*
 * AMP_OK where any of the signatures verifies under the secret (whole, in constant time: "v1," alone or a prefix never
 * does) and the timestamp is within AMP_WEBHOOK_TOLERANCE_S of now. AMP_ERR_WEBHOOK_UNSIGNED (a field missing or
 * malformed), AMP_ERR_WEBHOOK_TOO_OLD (outside the tolerance, either way), AMP_ERR_WEBHOOK_MISMATCH.
 */
enum amp_err amp_webhook_verify(const struct amp_webhook_fields *fields, const struct amp_webhook_secret *secret,
                                int64_t now_s, struct amp_slice body) AMP_MUST_USE;

#endif
