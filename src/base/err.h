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
    /* queues and subscriptions */                                                                                     \
    X(QUEUE_UNKNOWN, "queue_unknown", 404, "There is no such queue.")                                                  \
    X(QUEUE_NAME_EXISTS, "queue_name_exists", 409, "A queue of this name exists already with other attributes " \
      "or tags.")                                                                                                      \
    X(QUEUE_DELETED_RECENTLY, "queue_deleted_recently", 409, "A queue of this name was deleted a moment ago: " \
      "wait 60 seconds.")                                                                                              \
    X(OVER_LIMIT, "over_limit", 403, "There are as many of these as there may be: delete some first.")                 \
    X(PURGE_IN_PROGRESS, "purge_in_progress", 403, "This queue was purged within the last 60 seconds.")                \
    X(RECEIPT_INVALID, "receipt_invalid", 422, "This receipt handle is malformed or no longer holds the message.")     \
    X(MESSAGE_NOT_INFLIGHT, "message_not_inflight", 409, "This message is not in flight under that receipt handle.")   \
    X(VISIBILITY_INVALID, "visibility_invalid", 422, "A visibility timeout is 0 to 43200 seconds, counted from " \
      "when the message was received.")                                                                                \
    X(RESOURCE_NOT_FOUND, "resource_not_found", 404, "There is no such move task, or it has ended.")                   \
    X(MOVE_SOURCE_INVALID, "move_source_invalid", 422, "Messages can be moved only from a dead-letter queue, by " \
      "one task at a time.")                                                                                           \
    X(SUBSCRIPTION_UNKNOWN, "subscription_unknown", 404, "There is no such subscription.")                             \
    X(SUBSCRIPTION_DISABLED, "subscription_disabled", 409, "This subscription is disabled: rotate its secret to " \
      "make it active again.")                                                                                         \
    X(URL_INVALID, "url_invalid", 422, "url must be an https URL with a plain host, without user, password or " \
      "fragment.")                                                                                                     \
    X(URL_REFUSED, "url_refused", 422, "That address may not be pushed to: it is private, local or reserved, " \
      "and push.allow does not list it.")                                                                              \
    X(JWK_INVALID, "jwk_invalid", 422, "jwk must be a public key: RSA of 2048 to 4096 bits, or EC on P-256 or " \
      "P-384, for encryption.")                                                                                        \
    X(JWK_PRIVATE, "jwk_private", 422, "jwk holds a private key, which must stay with its owner: make a new key " \
      "and send its public half.")                                                                                     \
    X(DESCRIPTION_INVALID, "description_invalid", 422, "description may be at most 256 bytes of printable text.")      \
    /* the SQS API, which tells them by AWS's names */                                                                 \
    X(SQS_INVALID_ACTION, "sqs_invalid_action", 400, "That action is none of the SQS API.")                            \
    X(SQS_MISSING_ACTION, "sqs_missing_action", 400, "The request names no action.")                                   \
    X(SQS_MISSING_PARAMETER, "sqs_missing_parameter", 400, "A required parameter is missing.")                         \
    X(SQS_PARAMETER_INVALID, "sqs_parameter_invalid", 400, "A parameter has a value that it may not have.")            \
    X(SQS_ATTRIBUTE_INVALID, "sqs_attribute_invalid", 400, "A message attribute is malformed: its type and " \
      "value do not go together, or there are too many.")                                                              \
    X(SQS_ATTRIBUTE_NAME_INVALID, "sqs_attribute_name_invalid", 400, "That is no attribute of a queue, or not " \
      "one that can be set.")                                                                                          \
    X(SQS_ATTRIBUTE_VALUE_INVALID, "sqs_attribute_value_invalid", 400, "An attribute of the queue has a value " \
      "that it may not have.")                                                                                         \
    X(SQS_MESSAGE_INVALID, "sqs_message_invalid", 400, "The message holds characters that XML 1.0 does not " \
      "allow, or nothing.")                                                                                            \
    X(SQS_MESSAGE_TOO_LONG, "sqs_message_too_long", 400, "The message is longer than this queue allows.")              \
    X(SQS_ADDRESS_INVALID, "sqs_address_invalid", 400, "The queue URL or ARN is malformed.")                           \
    X(SQS_BATCH_EMPTY, "sqs_batch_empty", 400, "A batch must have at least one entry.")                                \
    X(SQS_BATCH_TOO_MANY, "sqs_batch_too_many", 400, "A batch may have at most 10 entries.")                           \
    X(SQS_BATCH_TOO_LONG, "sqs_batch_too_long", 400, "The messages of a batch may hold at most 1048576 bytes " \
      "together.")                                                                                                     \
    X(SQS_BATCH_IDS_NOT_DISTINCT, "sqs_batch_ids_not_distinct", 400, "Two entries of the batch have the same Id.")     \
    X(SQS_BATCH_ID_INVALID, "sqs_batch_id_invalid", 400, "The Id of a batch entry is 1 to 80 letters, digits, - " \
      "or _.")                                                                                                         \
    X(SQS_UNSUPPORTED, "sqs_unsupported", 400, "That operation is not supported here.")                                \
    X(SQS_REQUEST_THROTTLED, "sqs_request_throttled", 403, "This very request was accepted on another " \
      "connection: sign it anew.")                                                                                     \
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
    X(SANDBOX_REFUSED, "sandbox_refused", 500, "The kernel or the process's privileges do not allow the sandbox.")     \
    X(SANDBOX_VIOLATION, "sandbox_violation", 500, "A role made a system call that its sandbox does not allow.")       \
    X(NO_SUCH_PRINCIPAL, "no_such_principal", 404, "No principal has that access key id.")                             \
    X(KEY_ROTATED, "key_rotated", 409, "This access key was rotated already: rotate the one that follows it.")         \
    X(KEY_IN_USE, "key_in_use", 409, "This access key may sign still, or a subscription is its: end it first, or " \
      "delete that.")                                                                                                  \
    X(KEYRING_FULL, "keyring_full", 507, "The keyring holds as many principals as it can.")                            \
    X(WEBHOOK_UNSIGNED, "webhook_unsigned", 401, "The webhook lacks a well-formed webhook-id, webhook-timestamp " \
      "or webhook-signature.")                                                                                         \
    X(WEBHOOK_TOO_OLD, "webhook_too_old", 401, "The webhook was signed more than 5 minutes from now.")                 \
    X(WEBHOOK_MISMATCH, "webhook_mismatch", 401, "No signature of the webhook matches the secret.")                    \
    X(JWE_INVALID, "jwe_invalid", 400, "Not a compact JWE of RSA-OAEP-256 or ECDH-ES with A256GCM.")                   \
    X(PUSH_REFUSED, "push_refused", 502, "The endpoint answered with another status than 2xx.")                        \
    X(PUSH_UNREACHABLE, "push_unreachable", 502, "The endpoint could not be reached, or not in time.")                 \
    X(PUSH_EXPIRED, "push_expired", 410, "The message expired before its endpoint took it.")                           \
    X(SOURCE_PENALISED, "source_penalised", 429, "This address failed too often lately: its connections are closed.")

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
