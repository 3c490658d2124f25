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
        AMP_ERR_REPLAY_MEMORY_FULL, AMP_ERR_AUDIT_UNAVAILABLE, AMP_ERR_KEEPER_UNAVAILABLE, AMP_ERR_QUERY_REFUSED
/* A body that says nothing. */
#define CALLED                                                                                                         \
    SIGNED, AMP_ERR_UNSUPPORTED_MEDIA_TYPE, AMP_ERR_IDEMPOTENCY_KEY_INVALID, AMP_ERR_MALFORMED_JSON,                   \
        AMP_ERR_UNKNOWN_FIELD, AMP_ERR_WRONG_TYPE
#define POSTED     CALLED, AMP_ERR_NOT_PERMITTED, AMP_ERR_JSON_TOO_DEEP, AMP_ERR_JSON_DUPLICATE_KEY, AMP_ERR_MISSING_FIELD
#define REPEATABLE AMP_ERR_IDEMPOTENCY_MISMATCH, AMP_ERR_IDEMPOTENCY_IN_FLIGHT, AMP_ERR_VAULT_FULL
#define ONCE       POSTED, REPEATABLE
#define TOKEN      AMP_ERR_TOKEN_MALFORMED, AMP_ERR_TOKEN_UNKNOWN, AMP_ERR_TOKEN_GONE
#define VALUES                                                                                                         \
    AMP_ERR_CARD_NUMBER_MUST_BE_STRING, AMP_ERR_CARD_NUMBER_INVALID, AMP_ERR_CARD_EXPIRY_INVALID,                      \
        AMP_ERR_CARD_EXPIRED, AMP_ERR_CARD_CVC_INVALID, AMP_ERR_CARD_NAME_INVALID, AMP_ERR_CARD_OR_DATA,               \
        AMP_ERR_QUEUE_INVALID, AMP_ERR_TTL_INVALID, AMP_ERR_METADATA_INVALID
/* Why a queue that is subscribed to cannot be made. */
#define QUEUE AMP_ERR_OVER_LIMIT, AMP_ERR_QUEUE_DELETED_RECENTLY
/* What the SQS API tells in its own form. */
#define SQS                                                                                                            \
    AMP_ERR_OVERLOADED, AMP_ERR_OUT_OF_MEMORY, AMP_ERR_INTERNAL, AMP_ERR_NOT_SIGNED, AMP_ERR_PRESIGNED_REFUSED,        \
        AMP_ERR_MALFORMED_SIGNATURE, AMP_ERR_SIGNATURE_MISMATCH, AMP_ERR_CLOCK_SKEW, AMP_ERR_UNKNOWN_KEY,              \
        AMP_ERR_KEY_DISABLED, AMP_ERR_BODY_NOT_SIGNED, AMP_ERR_HEADER_NOT_SIGNED, AMP_ERR_WRONG_SCOPE,                 \
        AMP_ERR_SQS_REQUEST_THROTTLED, AMP_ERR_RATE_LIMITED, AMP_ERR_REPLAY_MEMORY_FULL, AMP_ERR_AUDIT_UNAVAILABLE,    \
        AMP_ERR_KEEPER_UNAVAILABLE, AMP_ERR_NOT_PERMITTED, AMP_ERR_QUERY_REFUSED, AMP_ERR_UNSUPPORTED_MEDIA_TYPE,      \
        AMP_ERR_MALFORMED_REQUEST, AMP_ERR_MALFORMED_JSON, AMP_ERR_JSON_TOO_DEEP, AMP_ERR_JSON_DUPLICATE_KEY,          \
        AMP_ERR_UNKNOWN_FIELD, AMP_ERR_MISSING_FIELD, AMP_ERR_WRONG_TYPE, AMP_ERR_VAULT_FULL, AMP_ERR_QUEUE_INVALID,   \
        AMP_ERR_QUEUE_UNKNOWN, AMP_ERR_QUEUE_NAME_EXISTS, AMP_ERR_QUEUE_DELETED_RECENTLY, AMP_ERR_OVER_LIMIT,          \
        AMP_ERR_PURGE_IN_PROGRESS, AMP_ERR_RECEIPT_INVALID, AMP_ERR_MESSAGE_NOT_INFLIGHT, AMP_ERR_VISIBILITY_INVALID,  \
        AMP_ERR_RESOURCE_NOT_FOUND, AMP_ERR_MOVE_SOURCE_INVALID, AMP_ERR_SQS_INVALID_ACTION,                           \
        AMP_ERR_SQS_MISSING_ACTION, AMP_ERR_SQS_MISSING_PARAMETER, AMP_ERR_SQS_PARAMETER_INVALID,                      \
        AMP_ERR_SQS_ATTRIBUTE_INVALID, AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID, AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID,        \
        AMP_ERR_SQS_MESSAGE_INVALID, AMP_ERR_SQS_MESSAGE_TOO_LONG, AMP_ERR_SQS_ADDRESS_INVALID,                        \
        AMP_ERR_SQS_BATCH_EMPTY, AMP_ERR_SQS_BATCH_TOO_MANY, AMP_ERR_SQS_BATCH_TOO_LONG,                               \
        AMP_ERR_SQS_BATCH_IDS_NOT_DISTINCT, AMP_ERR_SQS_BATCH_ID_INVALID, AMP_ERR_SQS_UNSUPPORTED

static const enum amp_err open_get[] = {HTTP, AMP_OK};
static const enum amp_err tokenize[] = {ONCE, VALUES, QUEUE, AMP_ERR_TOKEN_UNKNOWN, AMP_ERR_TOKEN_GONE, AMP_OK};
static const enum amp_err batch[] = {ONCE, AMP_ERR_BATCH_SIZE, AMP_OK};
static const enum amp_err inspect[] = {POSTED, TOKEN, AMP_OK};
static const enum amp_err claim[] = {ONCE,  TOKEN, AMP_ERR_LEASE_INVALID, AMP_ERR_TOKEN_CLAIMED, AMP_ERR_CLAIM_GONE,
                                     AMP_OK};
static const enum amp_err end_claim[] = {ONCE, AMP_ERR_CLAIM_MALFORMED, AMP_ERR_CLAIM_UNKNOWN, AMP_ERR_CLAIM_GONE,
                                         AMP_OK};
static const enum amp_err take[] = {ONCE, TOKEN, AMP_ERR_TOKEN_CLAIMED, AMP_OK};
static const enum amp_err subscribe[] = {ONCE,
                                         AMP_ERR_QUEUE_INVALID,
                                         AMP_ERR_URL_INVALID,
                                         AMP_ERR_JWK_INVALID,
                                         AMP_ERR_JWK_PRIVATE,
                                         AMP_ERR_DESCRIPTION_INVALID,
                                         AMP_ERR_OVER_LIMIT,
                                         AMP_OK};
static const enum amp_err look[] = {SIGNED, AMP_ERR_NOT_PERMITTED, AMP_OK};
static const enum amp_err unsubscribe[] = {SIGNED, AMP_ERR_NOT_PERMITTED, AMP_ERR_SUBSCRIPTION_UNKNOWN, AMP_OK};
static const enum amp_err rotate[] = {CALLED, REPEATABLE, AMP_ERR_NOT_PERMITTED, AMP_ERR_SUBSCRIPTION_UNKNOWN, AMP_OK};
static const enum amp_err test[] = {CALLED, AMP_ERR_SUBSCRIPTION_UNKNOWN, AMP_ERR_SUBSCRIPTION_DISABLED, AMP_OK};
static const enum amp_err sqs[] = {SQS, AMP_OK};
static const enum amp_err unrouted[] = {HTTP, AMP_ERR_NOT_FOUND, AMP_ERR_METHOD_NOT_ALLOWED, AMP_OK};
static const enum amp_err item[] = {
    VALUES,
    QUEUE,
    AMP_ERR_BODY_TOO_LARGE,
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
    enum amp_method method;
    const char *path;
    const enum amp_err *codes;
} routes[] = {
    {AMP_METHOD_GET, "/healthz", open_get},
    {AMP_METHOD_GET, "/readyz", open_get},
    {AMP_METHOD_GET, "/openapi.json", open_get},
    {AMP_METHOD_POST, "/v1/tokens", tokenize},
    {AMP_METHOD_POST, "/v1/tokens/batch", batch},
    {AMP_METHOD_POST, "/v1/inspect", inspect},
    {AMP_METHOD_POST, "/v1/claim", claim},
    {AMP_METHOD_POST, "/v1/commit", end_claim},
    {AMP_METHOD_POST, "/v1/abort", end_claim},
    {AMP_METHOD_POST, "/v1/redeem", take},
    {AMP_METHOD_POST, "/v1/revoke", take},
    {AMP_METHOD_POST, "/v1/subscriptions", subscribe},
    {AMP_METHOD_GET, "/v1/subscriptions", look},
    {AMP_METHOD_DELETE, "/v1/subscriptions/{id}", unsubscribe},
    {AMP_METHOD_POST, "/v1/subscriptions/{id}/rotate", rotate},
    {AMP_METHOD_POST, "/v1/subscriptions/{id}/test", test},
    {AMP_METHOD_GET, "/v1/stats", look},
    {AMP_METHOD_POST, "/", sqs},
    {AMP_METHOD_POST, "/000000000000/{id}", sqs},
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

bool code_is_listed(const struct amp_route *route, enum amp_err err)
{
    if (route == NULL)
        return is_in(unrouted, err);
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (routes[i].method == route->method && strcmp(routes[i].path, route->path) == 0)
            return is_in(routes[i].codes, err);
    }
    fail_msg("no list of codes for %s", route->path);
    return false;
}
