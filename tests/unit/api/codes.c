/*
 * Which errors each route may answer with. test_openapi.c holds docs/openapi.json against this list, and every answer
 * that any test of this folder gets is held against it too (fixture.c).
 */
#include "fixture.h"

#define HTTP                                                                                                           \
    AMP_ERR_MALFORMED_REQUEST, AMP_ERR_HEADERS_TOO_LARGE, AMP_ERR_URI_TOO_LONG, AMP_ERR_BODY_TOO_LARGE,                \
        AMP_ERR_VERSION_NOT_SUPPORTED, AMP_ERR_EXPECTATION_FAILED, AMP_ERR_REQUEST_TIMEOUT, AMP_ERR_OVERLOADED,        \
        AMP_ERR_OUT_OF_MEMORY, AMP_ERR_INTERNAL
#define SIGNED                                                                                                         \
    HTTP, AMP_ERR_NOT_SIGNED, AMP_ERR_PRESIGNED_REFUSED, AMP_ERR_MALFORMED_SIGNATURE, AMP_ERR_SIGNATURE_MISMATCH,      \
        AMP_ERR_CLOCK_SKEW, AMP_ERR_UNKNOWN_KEY, AMP_ERR_KEY_DISABLED, AMP_ERR_BODY_NOT_SIGNED,                        \
        AMP_ERR_HEADER_NOT_SIGNED, AMP_ERR_WRONG_SCOPE, AMP_ERR_REQUEST_REPLAYED, AMP_ERR_RATE_LIMITED,                \
        AMP_ERR_REPLAY_MEMORY_FULL, AMP_ERR_AUDIT_UNAVAILABLE, AMP_ERR_KEEPER_UNAVAILABLE, AMP_ERR_NOT_PERMITTED
#define POSTED                                                                                                         \
    SIGNED, AMP_ERR_QUERY_REFUSED, AMP_ERR_UNSUPPORTED_MEDIA_TYPE, AMP_ERR_IDEMPOTENCY_KEY_INVALID,                    \
        AMP_ERR_MALFORMED_JSON, AMP_ERR_JSON_TOO_DEEP, AMP_ERR_JSON_DUPLICATE_KEY, AMP_ERR_UNKNOWN_FIELD,              \
        AMP_ERR_MISSING_FIELD, AMP_ERR_WRONG_TYPE
#define ONCE  POSTED, AMP_ERR_IDEMPOTENCY_MISMATCH, AMP_ERR_IDEMPOTENCY_IN_FLIGHT, AMP_ERR_VAULT_FULL
#define TOKEN AMP_ERR_TOKEN_MALFORMED, AMP_ERR_TOKEN_UNKNOWN, AMP_ERR_TOKEN_GONE
#define VALUES                                                                                                         \
    AMP_ERR_CARD_NUMBER_MUST_BE_STRING, AMP_ERR_CARD_NUMBER_INVALID, AMP_ERR_CARD_EXPIRY_INVALID,                      \
        AMP_ERR_CARD_EXPIRED, AMP_ERR_CARD_CVC_INVALID, AMP_ERR_CARD_NAME_INVALID, AMP_ERR_CARD_OR_DATA,               \
        AMP_ERR_QUEUE_INVALID, AMP_ERR_TTL_INVALID, AMP_ERR_METADATA_INVALID

static const enum amp_err open_get[] = {HTTP, AMP_OK};
static const enum amp_err tokenize[] = {ONCE, VALUES, AMP_ERR_TOKEN_UNKNOWN, AMP_ERR_TOKEN_GONE, AMP_OK};
static const enum amp_err batch[] = {ONCE, AMP_ERR_BATCH_SIZE, AMP_OK};
static const enum amp_err inspect[] = {POSTED, TOKEN, AMP_OK};
static const enum amp_err claim[] = {ONCE,  TOKEN, AMP_ERR_LEASE_INVALID, AMP_ERR_TOKEN_CLAIMED, AMP_ERR_CLAIM_GONE,
                                     AMP_OK};
static const enum amp_err end_claim[] = {ONCE, AMP_ERR_CLAIM_MALFORMED, AMP_ERR_CLAIM_UNKNOWN, AMP_ERR_CLAIM_GONE,
                                         AMP_OK};
static const enum amp_err take[] = {ONCE, TOKEN, AMP_ERR_TOKEN_CLAIMED, AMP_OK};
static const enum amp_err unrouted[] = {HTTP, AMP_ERR_NOT_FOUND, AMP_ERR_METHOD_NOT_ALLOWED, AMP_OK};
static const enum amp_err item[] = {
    VALUES,
    AMP_ERR_UNKNOWN_FIELD,
    AMP_ERR_MISSING_FIELD,
    AMP_ERR_WRONG_TYPE,
    AMP_ERR_NOT_PERMITTED,
    AMP_ERR_TOKEN_UNKNOWN,
    AMP_ERR_TOKEN_GONE,
    AMP_ERR_VAULT_FULL,
    AMP_ERR_AUDIT_UNAVAILABLE,
    AMP_ERR_KEEPER_UNAVAILABLE,
    AMP_ERR_OUT_OF_MEMORY,
    AMP_ERR_INTERNAL,
    AMP_OK,
};

static const struct {
    const char *path;
    const enum amp_err *codes;
} routes[] = {
    {"/healthz", open_get},      {"/readyz", open_get},    {"/openapi.json", open_get}, {"/v1/tokens", tokenize},
    {"/v1/tokens/batch", batch}, {"/v1/inspect", inspect}, {"/v1/claim", claim},        {"/v1/commit", end_claim},
    {"/v1/abort", end_claim},    {"/v1/redeem", take},     {"/v1/revoke", take},
};

static bool is_in(const enum amp_err *codes, enum amp_err err)
{
    while (*codes != AMP_OK && *codes != err)
        codes++;
    return *codes == err && err != AMP_OK;
}

bool item_code_is_listed(enum amp_err err)
{
    return is_in(item, err);
}

bool code_is_listed(const char *path, enum amp_err err)
{
    if (path == NULL)
        return is_in(unrouted, err);
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(routes[i].path, path) == 0)
            return is_in(routes[i].codes, err);
    }
    fail_msg("no list of codes for %s", path);
    return false;
}
