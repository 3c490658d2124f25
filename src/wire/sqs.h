/*
 * Both protocols of Amazon SQS (API version 2012-11-05): AWS JSON 1.0, where X-Amz-Target names the action, and the
 * query protocol, a form in and XML out. One table says which members each action takes and what they are called in
 * either protocol; one writer answers in either. Requests are read in place: nothing is allocated, values are unescaped
 * inside the request's own (writable, secret) buffer, and every slice borrows from it.
 * Source: AWS's service model (botocore data/sqs/2012-11-05), AWS JSON 1.0 and AWS query protocol (smithy.io).
 */
#ifndef AMP_WIRE_SQS_H
#define AMP_WIRE_SQS_H

#include "base/err.h"
#include "base/slice.h"
#include "crypto/crypto.h"

#define AMP_SQS_MAX_BODY       (1024 * 1024) /* of a message, and of a batch's messages together */
#define AMP_SQS_MAX_REQUEST    (3328 * 1024) /* that much where each byte is percent-encoded, and what is around it */
#define AMP_SQS_BATCH_MAX      10
#define AMP_SQS_ATTRIBUTES_MAX 10 /* of one message */
#define AMP_SQS_PAIRS_MAX      50 /* queue attributes, tags */
#define AMP_SQS_NAMES_MAX      50
#define AMP_MD5_LEN            16

/* X(SYMBOL, name): the actions, all 23. */
#define AMP_SQS_ACTIONS(X)                                                                                             \
    X(ADD_PERMISSION, "AddPermission")                                                                                 \
    X(CANCEL_MESSAGE_MOVE_TASK, "CancelMessageMoveTask")                                                               \
    X(CHANGE_MESSAGE_VISIBILITY, "ChangeMessageVisibility")                                                            \
    X(CHANGE_MESSAGE_VISIBILITY_BATCH, "ChangeMessageVisibilityBatch")                                                 \
    X(CREATE_QUEUE, "CreateQueue")                                                                                     \
    X(DELETE_MESSAGE, "DeleteMessage")                                                                                 \
    X(DELETE_MESSAGE_BATCH, "DeleteMessageBatch")                                                                      \
    X(DELETE_QUEUE, "DeleteQueue")                                                                                     \
    X(GET_QUEUE_ATTRIBUTES, "GetQueueAttributes")                                                                      \
    X(GET_QUEUE_URL, "GetQueueUrl")                                                                                    \
    X(LIST_DEAD_LETTER_SOURCE_QUEUES, "ListDeadLetterSourceQueues")                                                    \
    X(LIST_MESSAGE_MOVE_TASKS, "ListMessageMoveTasks")                                                                 \
    X(LIST_QUEUE_TAGS, "ListQueueTags")                                                                                \
    X(LIST_QUEUES, "ListQueues")                                                                                       \
    X(PURGE_QUEUE, "PurgeQueue")                                                                                       \
    X(RECEIVE_MESSAGE, "ReceiveMessage")                                                                               \
    X(REMOVE_PERMISSION, "RemovePermission")                                                                           \
    X(SEND_MESSAGE, "SendMessage")                                                                                     \
    X(SEND_MESSAGE_BATCH, "SendMessageBatch")                                                                          \
    X(SET_QUEUE_ATTRIBUTES, "SetQueueAttributes")                                                                      \
    X(START_MESSAGE_MOVE_TASK, "StartMessageMoveTask")                                                                 \
    X(TAG_QUEUE, "TagQueue")                                                                                           \
    X(UNTAG_QUEUE, "UntagQueue")

enum amp_sqs_action {
#define X(symbol, name) AMP_SQS_##symbol,
    AMP_SQS_ACTIONS(X)
#undef X
        AMP_SQS_ACTION_COUNT_
};
const char *amp_sqs_action_name(enum amp_sqs_action action);

enum amp_sqs_protocol { AMP_SQS_JSON, AMP_SQS_QUERY };

/* A name and a value: queue attributes, tags. */
struct amp_sqs_pair {
    struct amp_slice name;
    struct amp_slice value;
};
struct amp_sqs_pairs {
    bool present;
    uint32_t count;
    struct amp_sqs_pair at[AMP_SQS_PAIRS_MAX];
};
struct amp_sqs_names {
    bool present;
    uint32_t count;
    struct amp_slice at[AMP_SQS_NAMES_MAX];
};

/* One message attribute. Exactly one of the values is present, as its type demands (checked here). */
struct amp_sqs_attribute {
    struct amp_slice name;
    struct amp_slice type;  /* "String", "Number", "Binary", with or without ".label" */
    struct amp_slice value; /* text, or for Binary the bytes, decoded from base64 in place */
    bool binary;
};
struct amp_sqs_attributes {
    uint32_t count;
    struct amp_sqs_attribute at[AMP_SQS_ATTRIBUTES_MAX];
};

/* A whole number that may be absent. Form and range are not this room's: -1 absent, -2 present but no whole number that
 * fits (the handler answers with the error of that parameter). */
typedef int64_t amp_sqs_number;
#define AMP_SQS_ABSENT    (-1)
#define AMP_SQS_NO_NUMBER (-2)

/* What one message brings; a batch entry has an Id and, for deletes and visibility, a ReceiptHandle too. Absent texts
 * are {NULL, 0}; present and empty ones have a ptr. */
struct amp_sqs_entry {
    struct amp_slice id;
    struct amp_slice body;
    struct amp_slice receipt_handle;
    struct amp_slice group_id;
    struct amp_slice deduplication_id;
    amp_sqs_number delay_s;
    amp_sqs_number visibility_s;
    struct amp_sqs_attributes attributes;
    struct amp_sqs_attributes system_attributes; /* AWSTraceHeader alone may stand there: the handler checks */
};

/* One request. The action's own members are filled, all others absent. About 20 KiB: not for the stack. */
struct amp_sqs_request {
    enum amp_sqs_protocol protocol;
    enum amp_sqs_action action;
    struct amp_slice queue_url; /* the member QueueUrl; query protocol: where absent, the handler takes the path */
    struct amp_slice queue_name;
    struct amp_slice queue_name_prefix;
    struct amp_slice queue_owner;
    struct amp_slice next_token;
    struct amp_slice source_arn;
    struct amp_slice destination_arn;
    struct amp_slice task_handle;
    struct amp_slice attempt_id;
    amp_sqs_number max_results;
    amp_sqs_number max_messages;
    amp_sqs_number max_per_second;
    amp_sqs_number wait_s;
    struct amp_sqs_pairs attributes;
    struct amp_sqs_pairs tags;
    struct amp_sqs_names attribute_names; /* AttributeNames and MessageSystemAttributeNames, joined */
    struct amp_sqs_names message_attribute_names;
    struct amp_sqs_names tag_keys;
    bool has_entries;
    uint32_t entry_count;     /* more than AMP_SQS_BATCH_MAX: counted up to one more, and only the first are filled */
    struct amp_sqs_entry one; /* SendMessage, DeleteMessage, ChangeMessageVisibility; ReceiveMessage's visibility_s */
    struct amp_sqs_entry entries[AMP_SQS_BATCH_MAX];
};

/*
 * Which protocol, and which action where the header tells it. JSON: Content-Type application/x-amz-json-1.0 (or 1.1)
 * with X-Amz-Target AmazonSQS.ACTION. Query: application/x-www-form-urlencoded (charset tolerated).
 * AMP_ERR_UNSUPPORTED_MEDIA_TYPE; AMP_ERR_SQS_INVALID_ACTION for a target that names no action.
 */
struct amp_http1_head;
enum amp_err amp_sqs_protocol_of(const struct amp_http1_head *head, enum amp_sqs_protocol *protocol) AMP_MUST_USE;

/*
 * Decodes a request whole. `body` is written to. Unknown members are refused by AMP_ERR_UNKNOWN_FIELD in JSON and query
 * alike (query: Action, Version, and the AWSAccessKeyId family of old signatures excepted: the latter are refused as
 * AMP_ERR_PRESIGNED_REFUSED). AMP_ERR_SQS_INVALID_ACTION, AMP_ERR_SQS_MISSING_ACTION, AMP_ERR_SQS_MISSING_PARAMETER
 * (a required one), AMP_ERR_WRONG_TYPE, AMP_ERR_MALFORMED_JSON and its kin, AMP_ERR_MALFORMED_REQUEST (a form that is
 * none: bad percent-encoding, a name twice, invalid UTF-8, gaps in list numbering), AMP_ERR_SQS_ATTRIBUTE_INVALID (a
 * message attribute whose type and value do not go together, a name or type of wrong form, more than 10 of them),
 * AMP_ERR_SQS_PARAMETER_INVALID (more names or pairs than there may be).
 * JSON null is as absent. In the query protocol QueueUrl and the entries of a batch may be absent: see has_entries.
 * *request is filled as far as known also on failure: protocol always; action is AMP_SQS_ACTION_COUNT_ where none is
 * known.
 */
enum amp_err amp_sqs_decode(struct amp_sqs_request *request, const struct amp_http1_head *head, uint8_t *body,
                            size_t len) AMP_MUST_USE;

/* What may stand in a message: characters of XML 1.0 (section 2.2) in well-formed UTF-8. */
bool amp_sqs_text_valid(struct amp_slice text);
/* MD5 (RFC 1321) of the body. Not for security: SDKs check it. Of a PAN it would be an unkeyed hash of a PAN: never
 * log it. */
enum amp_err amp_sqs_md5_body(uint8_t out[AMP_MD5_LEN], struct amp_slice body) AMP_MUST_USE;
/* AWS's MD5 of message attributes: sorted by name, each part with its length (SQS Developer Guide, "Calculating the MD5
 * message digest for message attributes"). */
enum amp_err amp_sqs_md5_attributes(uint8_t out[AMP_MD5_LEN], const struct amp_sqs_attributes *attributes) AMP_MUST_USE;

/*
 * Writing an answer. The same calls make JSON or XML; lists and maps of the query protocol are flattened, as in AWS's
 * model. Room is the caller's: `out` must be sized before (amp_out's overflow is sticky and checked at the end).
 */
struct amp_sqs_writer {
    enum amp_sqs_protocol protocol;
    enum amp_sqs_action action;
    struct amp_out *out;
    unsigned depth;
    bool comma[8]; /* JSON: something stands before, at each depth */
};
/* {  or  <ACTIONResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"> and, where the action has a result,
 * <ACTIONResult>. */
void amp_sqs_begin(struct amp_sqs_writer *writer, enum amp_sqs_protocol protocol, enum amp_sqs_action action,
                   struct amp_out *out);
/* Ends it, in XML with ResponseMetadata/RequestId. JSON without any member: "{}". */
void amp_sqs_end(struct amp_sqs_writer *writer, struct amp_slice request_id);
/* "Name":"value" or <Name>value</Name>; escaped as each demands. */
void amp_sqs_put_text(struct amp_sqs_writer *writer, const char *name, struct amp_slice value);
/* 32 lower-case hex digits. */
void amp_sqs_put_md5(struct amp_sqs_writer *writer, const char *name, const uint8_t md5[AMP_MD5_LEN]);
/* A number: unquoted in JSON. (Attributes' values are texts even where they are digits.) */
void amp_sqs_put_number(struct amp_sqs_writer *writer, const char *name, int64_t value);
void amp_sqs_put_bool(struct amp_sqs_writer *writer, const char *name, bool value);
/* Bytes as base64. */
void amp_sqs_put_blob(struct amp_sqs_writer *writer, const char *name, struct amp_slice bytes);
/*
 * A list: "Name":[ ... ] in JSON; nothing around its items in XML, where each is an <Element>. Items that are
 * structures: item_begin, members, item_end. Items that are texts: amp_sqs_item_text.
 */
void amp_sqs_list_begin(struct amp_sqs_writer *writer, const char *json_name);
void amp_sqs_item_begin(struct amp_sqs_writer *writer, const char *element);
void amp_sqs_item_end(struct amp_sqs_writer *writer, const char *element);
void amp_sqs_item_text(struct amp_sqs_writer *writer, const char *element, struct amp_slice value);
void amp_sqs_list_end(struct amp_sqs_writer *writer);
/*
 * A map: "Name":{ "key": ... } in JSON; in XML each entry is <Element><Key>..</Key><Value>..</Value></Element> with the
 * names given ("Attribute" "Name" "Value"; "Tag" "Key" "Value").
 */
void amp_sqs_map_begin(struct amp_sqs_writer *writer, const char *json_name);
void amp_sqs_map_text(struct amp_sqs_writer *writer, const char *element, const char *key_element, struct amp_slice key,
                      struct amp_slice value);
/* A map's entry whose value is a message attribute. */
void amp_sqs_map_attribute(struct amp_sqs_writer *writer, const struct amp_sqs_attribute *attribute);
void amp_sqs_map_end(struct amp_sqs_writer *writer);

/*
 * How an error is told: AWS's own name, code of the query protocol, status and sentence for each of our errors that
 * this API can meet; others by their status (4xx: our code as the name, 5xx: InternalFailure or ServiceUnavailable).
 */
struct amp_sqs_error {
    const char *name;       /* JSON __type: com.amazonaws.sqs#NAME */
    const char *query_code; /* x-amzn-query-error: CODE;Sender, and <Code> */
    int status;
    bool sender; /* the sender's fault */
    const char *sentence;
};
struct amp_sqs_error amp_sqs_error_of(enum amp_err err);
/* The error document; `detail` NULL: the table's sentence. */
void amp_sqs_write_error(struct amp_out *out, enum amp_sqs_protocol protocol, enum amp_err err, const char *detail,
                         struct amp_slice request_id);

#endif
