/* Error codes: one enum for the whole house, one table that gives each its stable name, HTTP status and sentence. */
#ifndef AMP_BASE_ERR_H
#define AMP_BASE_ERR_H

/*
 * X(SYMBOL, code, status, sentence)
 *   code     stable, for machines: the `code` of a problem document, the `code` of a log record
 *   status   the HTTP status that answers it
 *   sentence one helpful sentence for people; it never repeats what was sent
 */
/* clang-format off */
#define AMP_ERRORS(X)                                                                                                  \
    /* the request as HTTP */                                                                                          \
    X(MALFORMED_REQUEST, "malformed_request", 400, "The bytes sent are not one well-formed HTTP/1.1 request.")         \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, "Headers may hold at most 64 fields and 16 KiB.")                   \
    X(URI_TOO_LONG, "uri_too_long", 414, "The request target may be at most 2048 bytes long.")                         \
    X(BODY_TOO_LARGE, "body_too_large", 413, "The body is larger than this endpoint accepts.")                         \
    X(VERSION_NOT_SUPPORTED, "http_version_not_supported", 505, "Only HTTP/1.1 is spoken here.")                       \
    X(EXPECTATION_FAILED, "expectation_failed", 417, "The only expectation understood is 100-continue.")               \
    X(REQUEST_TIMEOUT, "request_timeout", 408, "The request did not arrive completely in time.")                       \
    X(NOT_FOUND, "not_found", 404, "There is no such endpoint; see /openapi.json.")                                    \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, "This endpoint does not take that method; see the Allow header.") \
    X(QUERY_REFUSED, "query_refused", 400, "This endpoint takes no query: everything travels in the body.")           \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415, "Send the body as application/json.")                     \
    /* who asks: authentication, replay, permission (spec 2) */                                                        \
    X(NOT_SIGNED, "not_signed", 401, "Sign the request with AWS Signature Version 4 in the Authorization header.")     \
    X(PRESIGNED_REFUSED, "presigned_refused", 401, "Signatures in the query string are refused: sign the headers.")    \
    X(MALFORMED_SIGNATURE, "malformed_signature", 401, "The Authorization header is not a well-formed SigV4 header.")  \
    X(SIGNATURE_MISMATCH, "signature_mismatch", 401, "The signature does not match: check the secret and that nothing " \
      "changed the request on its way.")                                                                               \
    X(CLOCK_SKEW, "clock_skew", 401, "x-amz-date is too far from this server's clock, or not the date of the scope.")  \
    X(UNKNOWN_KEY, "unknown_key", 401, "No such access key id.")                                                       \
    X(KEY_DISABLED, "key_disabled", 403, "This access key is disabled or has expired.")                                \
    X(BODY_NOT_SIGNED, "body_not_signed", 401, "The body must be covered by the signature: its SHA-256 is not what " \
      "was signed.")                                                                                                   \
    X(HEADER_NOT_SIGNED, "header_not_signed", 401, "host, x-amz-*, x-ampoule-* and idempotency-key must be signed.")   \
    X(WRONG_SCOPE, "wrong_scope", 401, "The credential scope must be <date>/<region>/ampoule/aws4_request.")           \
    X(REQUEST_REPLAYED, "request_replayed", 409, "This very request was already accepted: sign it anew.")              \
    X(NOT_PERMITTED, "not_permitted", 403, "This access key has no permission for that act on that queue.")            \
    X(RATE_LIMITED, "rate_limited", 429, "Too many requests for this access key: wait as Retry-After says.")           \
    /* the body as JSON */                                                                                             \
    X(MALFORMED_JSON, "malformed_json", 400, "The body is not one well-formed JSON object in UTF-8.")                  \
    X(JSON_TOO_DEEP, "json_too_deep", 400, "JSON may nest at most 16 levels deep.")                                    \
    X(JSON_DUPLICATE_KEY, "json_duplicate_key", 400, "An object names the same member twice.")                         \
    X(UNKNOWN_FIELD, "unknown_field", 400, "The body has a member that this call does not know.")                      \
    X(MISSING_FIELD, "missing_field", 400, "A required member is missing from the body.")                              \
    X(WRONG_TYPE, "wrong_type", 400, "A member of the body has the wrong JSON type.")                                  \
    /* what is asked: values */                                                                                        \
    X(CARD_NUMBER_MUST_BE_STRING, "card_number_must_be_string", 422, "card.number must be a JSON string: numbers lose " \
      "digits.")                                                                                                       \
    X(CARD_NUMBER_INVALID, "card_number_invalid", 422, "card.number must be 12 to 19 digits that pass the Luhn check.") \
    X(CARD_EXPIRY_INVALID, "card_expiry_invalid", 422, "exp_month must be 1 to 12 and exp_year four digits.")          \
    X(CARD_EXPIRED, "card_expired", 422, "The card's expiry date is past.")                                            \
    X(CARD_CVC_INVALID, "card_cvc_invalid", 422, "cvc must be a string of 3 digits, or 4 for American Express.")       \
    X(CARD_NAME_INVALID, "card_name_invalid", 422, "card.name may be at most 128 bytes of printable text.")            \
    X(CARD_OR_DATA, "card_or_data", 422, "Send either card or data, exactly one of them.")                             \
    X(QUEUE_INVALID, "queue_invalid", 422, "A queue name is 1 to 80 letters, digits, - or _, may end in .fifo, and " \
      "holds no card number.")                                                                                         \
    X(TTL_INVALID, "ttl_invalid", 422, "ttl_ms must be a whole number from 1 to the vault's maximum.")                 \
    X(LEASE_INVALID, "lease_invalid", 422, "lease_ms must be a whole number from 1 to 60000.")                         \
    X(METADATA_INVALID, "metadata_invalid", 422, "metadata takes at most 50 members: keys to 40, string values to 500 " \
      "bytes.")                                                                                                        \
    X(BATCH_SIZE, "batch_size", 422, "A batch holds 1 to 100 items.")                                                  \
    X(TOKEN_MALFORMED, "token_malformed", 422, "A token is tok_ and 43 base64url characters.")                         \
    X(CLAIM_MALFORMED, "claim_malformed", 422, "A claim is clm_ and 43 base64url characters.")                         \
    X(IDEMPOTENCY_KEY_INVALID, "idempotency_key_invalid", 400, "Idempotency-Key is 1 to 255 visible ASCII characters " \
      "without space.")                                                                                                \
    X(IDEMPOTENCY_MISMATCH, "idempotency_mismatch", 422, "This Idempotency-Key was used before with another request.") \
    X(IDEMPOTENCY_IN_FLIGHT, "idempotency_in_flight", 409, "A request with this Idempotency-Key is still being served.") \
    /* the state of things */                                                                                          \
    X(TOKEN_UNKNOWN, "token_unknown", 404, "No such token.")                                                           \
    X(TOKEN_GONE, "token_gone", 410, "This token was used, revoked or has expired; see reason.")                       \
    X(TOKEN_CLAIMED, "token_claimed", 409, "Somebody else holds a claim on this token.")                               \
    X(CLAIM_UNKNOWN, "claim_unknown", 404, "No such claim.")                                                           \
    X(CLAIM_GONE, "claim_gone", 410, "This claim was committed, aborted or its lease has ended; see reason.")          \
    /* what the service cannot do now: nothing already accepted is lost */                                             \
    X(VAULT_FULL, "vault_full", 503, "The vault's memory cap is reached: try again in a moment.")                      \
    X(REPLAY_MEMORY_FULL, "replay_memory_full", 503, "The replay memory is full: try again in a moment.")              \
    X(AUDIT_UNAVAILABLE, "audit_unavailable", 503, "The event log cannot be written, so no work is accepted.")         \
    X(KEEPER_UNAVAILABLE, "keeper_unavailable", 503, "The key keeper does not answer: try again in a moment.")         \
    X(OVERLOADED, "overloaded", 503, "Too many connections or requests at once: try again in a moment.")               \
    X(OUT_OF_MEMORY, "out_of_memory", 503, "No memory is left for this request: try again in a moment.")               \
    X(INTERNAL, "internal", 500, "An internal check failed; the request was not carried out.")                         \
    /* inside and at the command line: never an answer over HTTP */                                                    \
    X(AGAIN, "again", 500, "The operation would block.")                                                               \
    X(INVALID, "invalid", 500, "A value is not valid.")                                                                \
    X(TOO_LARGE, "too_large", 500, "A value does not fit.")                                                            \
    X(TRUNCATED, "truncated", 500, "The input ends too early.")                                                        \
    X(IO, "io", 500, "A system call failed.")                                                                          \
    X(CRYPTO, "crypto", 500, "The cryptographic library failed.")                                                      \
    X(NOT_AUTHENTIC, "not_authentic", 500, "Sealed bytes did not verify.")                                             \
    X(LOCK_REFUSED, "lock_refused", 500, "Memory cannot be locked; raise RLIMIT_MEMLOCK.")                             \
    X(NO_SUCH_PRINCIPAL, "no_such_principal", 404, "No principal has that access key id.")                             \
    X(KEYRING_FULL, "keyring_full", 507, "The keyring holds as many principals as it can.")

enum amp_err {
    AMP_OK = 0,
#define X(symbol, code, status, sentence) AMP_ERR_##symbol,
    AMP_ERRORS(X)
#undef X
    AMP_ERR_COUNT_
};
/* clang-format on */

#define AMP_MUST_USE __attribute__((warn_unused_result))

/* The stable name ("token_gone"); "ok" for AMP_OK. Static storage. */
const char *amp_err_code(enum amp_err err);
/* The HTTP status that answers it; 200 for AMP_OK. */
int amp_err_status(enum amp_err err);
/* One sentence for people. Static storage. */
const char *amp_err_sentence(enum amp_err err);

#endif
