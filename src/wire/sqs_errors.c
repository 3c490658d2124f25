/*
 * Our errors by AWS's names. Sources: the service models of both protocols (names, query codes and statuses of what
 * the actions may answer), "Common errors" of the SQS API Reference (what any request may meet), and, for what SDKs do
 * with an error, their retry tables: botocore's (legacy mode retries RequestThrottled of SQS with status 403 alone),
 * and CLOCK_SKEW_ERROR_CODES and THROTTLING_ERROR_CODES of the AWS SDK for JavaScript v3, with which Java, Go and
 * .NET agree.
 *
 * A status of 5xx, and the names that stand for throttling and clock skew, make every SDK try again; no other does.
 */
#include "wire/sqs.h"

#define CODE(code) "AWS.SimpleQueueService." code

/* X(SYMBOL, name, code of the query protocol, status, sentence) */
/* clang-format off */
#define ERRORS(X)                                                                                                      \
    /* what actions answer */                                                                                          \
    X(QUEUE_UNKNOWN, "QueueDoesNotExist", CODE("NonExistentQueue"), 400, "The specified queue does not exist.")        \
    X(QUEUE_NAME_EXISTS, "QueueNameExists", "QueueAlreadyExists", 400, "A queue already exists with the same name "    \
      "and a different value for an attribute or tag.")                                                                \
    X(QUEUE_DELETED_RECENTLY, "QueueDeletedRecently", CODE("QueueDeletedRecently"), 400, "You must wait 60 seconds "   \
      "after deleting a queue before you can create another with the same name.")                                      \
    X(PURGE_IN_PROGRESS, "PurgeQueueInProgress", CODE("PurgeQueueInProgress"), 403, "Only one PurgeQueue operation "   \
      "on a queue is allowed every 60 seconds.")                                                                       \
    X(OVER_LIMIT, "OverLimit", "OverLimit", 403, "The specified action violates a limit.")                             \
    X(RECEIPT_INVALID, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 400, "The input receipt handle is invalid.") \
    X(MESSAGE_NOT_INFLIGHT, "MessageNotInflight", CODE("MessageNotInflight"), 400, "The specified message isn't in "   \
      "flight.")                                                                                                       \
    X(VISIBILITY_INVALID, PARAMETER_VALUE, 400, "The value for parameter VisibilityTimeout is invalid. Reason: Total " \
      "VisibilityTimeout for the message is beyond the limit [43200 seconds].")                                        \
    X(RESOURCE_NOT_FOUND, "ResourceNotFoundException", "ResourceNotFoundException", 404, "The resource that you "      \
      "specified for the task handle doesn't exist, or the task is not running.")                                      \
    X(MOVE_SOURCE_INVALID, PARAMETER_VALUE, 400, "Source queue must be configured as a Dead Letter Queue, and only "   \
      "one active task is allowed for a source queue at a given time.")                                                \
    X(QUEUE_INVALID, PARAMETER_VALUE, 400, "Can only include alphanumeric characters, hyphens, or underscores. 1 to "  \
      "80 in length; a FIFO queue's name ends in .fifo.")                                                              \
    X(SQS_ADDRESS_INVALID, "InvalidAddress", "InvalidAddress", 404, "The address is not valid for this endpoint.")     \
    X(SQS_UNSUPPORTED, "UnsupportedOperation", CODE("UnsupportedOperation"), 400, "This operation is not supported.")  \
    X(SQS_PARAMETER_INVALID, PARAMETER_VALUE, 400, "An invalid or out-of-range value was supplied for a parameter.")   \
    X(SQS_ATTRIBUTE_INVALID, PARAMETER_VALUE, 400, "A message attribute is invalid: it needs a name, a type of "       \
      "String, Number or Binary, and a non-empty value of that type; a message may have 10.")                          \
    X(SQS_ATTRIBUTE_NAME_INVALID, "InvalidAttributeName", "InvalidAttributeName", 400, "Unknown Attribute.")           \
    X(SQS_ATTRIBUTE_VALUE_INVALID, "InvalidAttributeValue", "InvalidAttributeValue", 400, "Invalid value for an "      \
      "attribute of the queue.")                                                                                       \
    X(SQS_MESSAGE_INVALID, "InvalidMessageContents", "InvalidMessageContents", 400, "Invalid character was found in "  \
      "the message body, the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "      \
      "#x10000 to #x10FFFF")                                                                                           \
    X(SQS_MESSAGE_TOO_LONG, PARAMETER_VALUE, 400, "One or more parameters are invalid. Reason: Message must be "       \
      "shorter than the queue's MaximumMessageSize.")                                                                  \
    X(SQS_BATCH_EMPTY, "EmptyBatchRequest", CODE("EmptyBatchRequest"), 400, "There should be at least one entry in "   \
      "the request.")                                                                                                  \
    X(SQS_BATCH_TOO_MANY, "TooManyEntriesInBatchRequest", CODE("TooManyEntriesInBatchRequest"), 400, "Maximum number " \
      "of entries per request are 10.")                                                                                \
    X(SQS_BATCH_TOO_LONG, "BatchRequestTooLong", CODE("BatchRequestTooLong"), 400, "Batch requests cannot be longer "  \
      "than 1048576 bytes.")                                                                                           \
    X(SQS_BATCH_IDS_NOT_DISTINCT, "BatchEntryIdsNotDistinct", CODE("BatchEntryIdsNotDistinct"), 400, "Two or more "    \
      "batch entries in the request have the same Id.")                                                                \
    X(SQS_BATCH_ID_INVALID, "InvalidBatchEntryId", CODE("InvalidBatchEntryId"), 400, "A batch entry id can only "      \
      "contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")                  \
    /* requests that are none */                                                                                       \
    X(SQS_INVALID_ACTION, "InvalidAction", "InvalidAction", 400, "The action or operation requested is invalid. "      \
      "Verify that the action is typed correctly.")                                                                    \
    X(SQS_MISSING_ACTION, "MissingAction", "MissingAction", 400, "The request is missing an action or a required "     \
      "parameter.")                                                                                                    \
    X(SQS_MISSING_PARAMETER, "MissingRequiredParameterException", "MissingParameter", 400, "A required parameter for " \
      "the specified action is not supplied.")                                                                         \
    X(MISSING_FIELD, "MissingRequiredParameterException", "MissingParameter", 400, "A required parameter for the "     \
      "specified action is not supplied.")                                                                             \
    X(MALFORMED_JSON, SERIALIZATION, 400, "The body is not one well-formed JSON object in UTF-8.")                     \
    X(JSON_TOO_DEEP, SERIALIZATION, 400, "JSON may nest at most 16 levels deep.")                                      \
    X(JSON_DUPLICATE_KEY, SERIALIZATION, 400, "An object names the same member twice.")                                \
    X(WRONG_TYPE, SERIALIZATION, 400, "A parameter has a value of the wrong JSON type.")                               \
    X(UNKNOWN_FIELD, "InvalidParameterCombinationException", "InvalidParameterCombination", 400, "The request has a "  \
      "parameter that the action does not take.")                                                                      \
    X(MALFORMED_REQUEST, SERIALIZATION, 400, "The request is not well-formed: each parameter must be encoded, in "     \
      "UTF-8, named once, and lists numbered from 1 without a gap.")                                                   \
    X(UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaTypeException", "UnsupportedMediaType", 415, "Send "                    \
      "application/x-amz-json-1.0 with X-Amz-Target, or application/x-www-form-urlencoded with Action.")               \
    X(BODY_TOO_LARGE, "RequestEntityTooLargeException", "RequestEntityTooLarge", 413, "The request is larger than "    \
      "any request may be.")                                                                                           \
    X(METHOD_NOT_ALLOWED, "UnsupportedOperation", CODE("UnsupportedOperation"), 405, "Send requests by POST.")         \
    X(QUERY_REFUSED, "MalformedQueryString", "MalformedQueryString", 400, "Parameters travel in the body, not in the " \
      "URL.")                                                                                                          \
    X(REQUEST_TIMEOUT, "RequestTimeoutException", "RequestTimeout", 408, "The request did not arrive completely in "   \
      "time.")                                                                                                         \
    /* who asks */                                                                                                     \
    X(NOT_SIGNED, "MissingAuthenticationTokenException", "MissingAuthenticationToken", 403, "The request must be "     \
      "signed with AWS Signature Version 4 in the Authorization header.")                                              \
    X(PRESIGNED_REFUSED, "IncompleteSignatureException", "IncompleteSignature", 400, "Signatures in the query string " \
      "or in the form are refused: sign the headers.")                                                                 \
    X(MALFORMED_SIGNATURE, "IncompleteSignatureException", "IncompleteSignature", 400, "The request signature does "   \
      "not conform to AWS standards.")                                                                                 \
    X(WRONG_SCOPE, SIGNATURE, 403, "Credential should be scoped to a valid date and the service sqs.")                 \
    X(SIGNATURE_MISMATCH, SIGNATURE, 403, "The request signature we calculated does not match the signature you "      \
      "provided. Check your AWS Secret Access Key and signing method.")                                                \
    X(BODY_NOT_SIGNED, SIGNATURE, 403, "The body must be covered by the signature.")                                   \
    X(HEADER_NOT_SIGNED, SIGNATURE, 403, "host and all x-amz-* headers must be covered by the signature.")             \
    X(CLOCK_SKEW, "RequestTimeTooSkewed", "RequestTimeTooSkewed", 403, "The difference between the request time and "  \
      "the current time is too large.")                                                                                \
    X(UNKNOWN_KEY, "UnrecognizedClientException", "InvalidClientTokenId", 403, "The security token included in the "   \
      "request is invalid.")                                                                                           \
    X(KEY_DISABLED, "UnrecognizedClientException", "InvalidClientTokenId", 403, "The access key is disabled or has "   \
      "expired.")                                                                                                      \
    X(NOT_PERMITTED, "AccessDeniedException", "AccessDenied", 403, "Access to the resource is denied.")                \
    X(REQUEST_REPLAYED, THROTTLED, 403, "This very request was accepted already: sign it anew.")                       \
    X(SQS_REQUEST_THROTTLED, THROTTLED, 403, "This very request was accepted on another connection: sign it anew.")    \
    X(RATE_LIMITED, THROTTLED, 403, "Rate exceeded for this access key.")
/* clang-format on */

#define PARAMETER_VALUE "InvalidParameterValueException", "InvalidParameterValue"
#define SERIALIZATION   "SerializationException", "MalformedInput"
#define SIGNATURE       "InvalidSignatureException", "SignatureDoesNotMatch"
#define THROTTLED       "RequestThrottled", "RequestThrottled"

/* Two steps, so that a macro that stands for name and code is two arguments. */
#define EXPAND(macro, ...) macro(__VA_ARGS__)
#define ROW(symbol, aws_name, code, http_status, text)                                                                 \
    [AMP_ERR_##symbol] = {                                                                                             \
        .name = (aws_name), .query_code = (code), .status = (http_status), .sender = true, .sentence = (text)},

static const struct amp_sqs_error errors[AMP_ERR_COUNT_] = {
#define X(...) EXPAND(ROW, __VA_ARGS__)
    ERRORS(X)
#undef X
};

struct amp_sqs_error amp_sqs_error_of(enum amp_err err)
{
    int status = amp_err_status(err);
    if (errors[err].name != NULL)
        return errors[err];
    if (status == 503)
        return (struct amp_sqs_error){"ServiceUnavailable", "ServiceUnavailable", 503, false, amp_err_sentence(err)};
    if (status >= 400 && status < 500)
        return (struct amp_sqs_error){amp_err_code(err), amp_err_code(err), status, true, amp_err_sentence(err)};
    return (struct amp_sqs_error){"InternalFailure", "InternalFailure", 500, false, amp_err_sentence(AMP_ERR_INTERNAL)};
}
