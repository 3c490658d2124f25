/* Requests on the wire: laid out, and signed with AWS Signature Version 4. */
#ifndef AMP_CLIENT_SIGN_H
#define AMP_CLIENT_SIGN_H

#include "wire/sigv4.h"

#define AMP_CLIENT_NONCE_LEN   32
#define AMP_CLIENT_SERVICE     "ampoule" /* of the native API; that of the other is "sqs" */
#define AMP_CLIENT_SERVICE_MAX 16

/* Who signs. Slices are borrowed. */
struct amp_client_identity {
    struct amp_slice key_id;
    struct amp_slice secret;
    struct amp_slice region;
    struct amp_key256 *day_key;               /* in secret memory; kept for a day */
    char day[8];                              /* of day_key; zeros where there is none yet */
    char service[AMP_CLIENT_SERVICE_MAX + 1]; /* of day_key */
};

/* What is asked. Slices are borrowed. */
struct amp_client_message {
    const char *method;
    const char *target;
    const char *authority;
    const char *service;         /* of the scope: lower-case letters */
    const char *amz_target;      /* x-amz-target, or NULL */
    const char *content_type;    /* of a body */
    const char *idempotency_key; /* or NULL */
    struct amp_slice body;
    uint32_t wait_ms; /* how long the server is asked to wait before it answers; not signed */
};

/*
 * Appends the whole request, head and body, to `wire`, signed at `unix_ms` with this nonce (lower-case hex). The head
 * holds host, user-agent, content-type and content-length (where there is a body), idempotency-key, x-amz-date,
 * x-amz-target, x-ampoule-nonce and authorization; all but user-agent and content-length are signed.
 * AMP_ERR_INVALID, or what the strict parser says, where a value cannot stand in a head.
 */
enum amp_err amp_client_sign(struct amp_secret_buf *wire, struct amp_client_identity *identity,
                             const struct amp_client_message *message, int64_t unix_ms,
                             const char nonce[AMP_CLIENT_NONCE_LEN]) AMP_MUST_USE;

#endif
