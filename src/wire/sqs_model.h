/*
 * What AWS's service model says of requests, as tables: which members there are, what each is called in either
 * protocol and where it goes, and which of them each action takes. Private to the room's SQS files.
 */
#ifndef AMP_WIRE_SQS_MODEL_H
#define AMP_WIRE_SQS_MODEL_H

#include "wire/sqs.h"

enum amp_sqs_kind {
    AMP_SQS_TEXT,
    AMP_SQS_NUMBER,
    AMP_SQS_PAIRS,
    AMP_SQS_NAMES,
    AMP_SQS_ATTRS,
    AMP_SQS_ENTRIES,
    AMP_SQS_IGNORED,       /* a text that nothing here asks for */
    AMP_SQS_IGNORED_NAMES, /* a list of such */
};

/*
 * X(SYMBOL, kind, name in JSON, name in the query protocol, where it goes). Lists and maps are numbered behind their
 * query name: "AttributeName.1"; that of the batch entries is the action's name with "RequestEntry" behind.
 */
#define AMP_SQS_REQUEST_MEMBERS(X)                                                                                     \
    X(ACTION, IGNORED, "", "Action", queue_url)                                                                        \
    X(VERSION, IGNORED, "", "Version", queue_url)                                                                      \
    X(QUEUE_URL, TEXT, "QueueUrl", "QueueUrl", queue_url)                                                              \
    X(QUEUE_NAME, TEXT, "QueueName", "QueueName", queue_name)                                                          \
    X(QUEUE_NAME_PREFIX, TEXT, "QueueNamePrefix", "QueueNamePrefix", queue_name_prefix)                                \
    X(QUEUE_OWNER, TEXT, "QueueOwnerAWSAccountId", "QueueOwnerAWSAccountId", queue_owner)                              \
    X(NEXT_TOKEN, TEXT, "NextToken", "NextToken", next_token)                                                          \
    X(SOURCE_ARN, TEXT, "SourceArn", "SourceArn", source_arn)                                                          \
    X(DESTINATION_ARN, TEXT, "DestinationArn", "DestinationArn", destination_arn)                                      \
    X(TASK_HANDLE, TEXT, "TaskHandle", "TaskHandle", task_handle)                                                      \
    X(ATTEMPT_ID, TEXT, "ReceiveRequestAttemptId", "ReceiveRequestAttemptId", attempt_id)                              \
    X(MAX_RESULTS, NUMBER, "MaxResults", "MaxResults", max_results)                                                    \
    X(MAX_MESSAGES, NUMBER, "MaxNumberOfMessages", "MaxNumberOfMessages", max_messages)                                \
    X(MAX_PER_SECOND, NUMBER, "MaxNumberOfMessagesPerSecond", "MaxNumberOfMessagesPerSecond", max_per_second)          \
    X(WAIT, NUMBER, "WaitTimeSeconds", "WaitTimeSeconds", wait_s)                                                      \
    X(QUEUE_ATTRIBUTES, PAIRS, "Attributes", "Attribute", attributes)                                                  \
    X(TAGS, PAIRS, "Tags", "Tag", tags)                                                                                \
    X(CREATION_TAGS, PAIRS, "tags", "Tag", tags)                                                                       \
    X(ATTRIBUTE_NAMES, NAMES, "AttributeNames", "AttributeName", attribute_names)                                      \
    X(SYSTEM_NAMES, NAMES, "MessageSystemAttributeNames", "MessageSystemAttributeName", attribute_names)               \
    X(MESSAGE_NAMES, NAMES, "MessageAttributeNames", "MessageAttributeName", message_attribute_names)                  \
    X(TAG_KEYS, NAMES, "TagKeys", "TagKey", tag_keys)                                                                  \
    X(ENTRIES, ENTRIES, "Entries", "Entries", entries)                                                                 \
    X(LABEL, IGNORED, "Label", "Label", queue_url)                                                                     \
    X(ACCOUNT_IDS, IGNORED_NAMES, "AWSAccountIds", "AWSAccountId", queue_url)                                          \
    X(ACTION_NAMES, IGNORED_NAMES, "Actions", "ActionName", queue_url)

/* Members of a message: of each entry where the action is a batch, else of the request. */
#define AMP_SQS_ENTRY_MEMBERS(X)                                                                                       \
    X(ID, TEXT, "Id", "Id", id)                                                                                        \
    X(BODY, TEXT, "MessageBody", "MessageBody", body)                                                                  \
    X(RECEIPT, TEXT, "ReceiptHandle", "ReceiptHandle", receipt_handle)                                                 \
    X(GROUP, TEXT, "MessageGroupId", "MessageGroupId", group_id)                                                       \
    X(DEDUPLICATION, TEXT, "MessageDeduplicationId", "MessageDeduplicationId", deduplication_id)                       \
    X(DELAY, NUMBER, "DelaySeconds", "DelaySeconds", delay_s)                                                          \
    X(VISIBILITY, NUMBER, "VisibilityTimeout", "VisibilityTimeout", visibility_s)                                      \
    X(MESSAGE_ATTRIBUTES, ATTRS, "MessageAttributes", "MessageAttribute", attributes)                                  \
    X(SYSTEM_ATTRIBUTES, ATTRS, "MessageSystemAttributes", "MessageSystemAttribute", system_attributes)

enum amp_sqs_member {
#define X(symbol, kind, json, query, field) AMP_SQS_M_##symbol,
    AMP_SQS_REQUEST_MEMBERS(X) AMP_SQS_ENTRY_MEMBERS(X)
#undef X
        AMP_SQS_MEMBER_COUNT_
};

/* A set of members. */
typedef uint64_t amp_sqs_members;
#define AMP_SQS_BIT(member) (UINT64_C(1) << (member))
_Static_assert(AMP_SQS_MEMBER_COUNT_ <= 64, "a set of members is one word");

/* Those that stand in each entry of a batch. */
#define AMP_SQS_OF_ENTRIES (~UINT64_C(0) << AMP_SQS_M_ID)

struct amp_sqs_member_row {
    enum amp_sqs_kind kind;
    uint32_t offset; /* in struct amp_sqs_entry for members of entries, else in struct amp_sqs_request */
    struct amp_slice json;
    struct amp_slice query;
};
extern const struct amp_sqs_member_row amp_sqs_member_rows[AMP_SQS_MEMBER_COUNT_];

struct amp_sqs_action_row {
    struct amp_slice name;
    amp_sqs_members takes;
    amp_sqs_members requires;
    bool has_result; /* in the query protocol */
};
extern const struct amp_sqs_action_row amp_sqs_action_rows[AMP_SQS_ACTION_COUNT_];

static inline bool amp_sqs_is_batch(enum amp_sqs_action action)
{
    return (amp_sqs_action_rows[action].takes & AMP_SQS_BIT(AMP_SQS_M_ENTRIES)) != 0;
}

/* Of `members`, those that stand in the request itself; the others stand in its entries. */
static inline amp_sqs_members amp_sqs_top(enum amp_sqs_action action, amp_sqs_members members)
{
    return amp_sqs_is_batch(action) ? members & ~AMP_SQS_OF_ENTRIES : members;
}

/* The action of that name; false where there is none. */
bool amp_sqs_action_find(struct amp_slice name, enum amp_sqs_action *action);
/* The one of `members` with that name in JSON, or in the query protocol; AMP_SQS_MEMBER_COUNT_ where none has it. */
enum amp_sqs_member amp_sqs_member_in_json(amp_sqs_members members, struct amp_slice name);
enum amp_sqs_member amp_sqs_member_in_query(amp_sqs_members members, struct amp_slice name);

/* Where a member goes. */
static inline void *amp_sqs_field(struct amp_sqs_request *request, struct amp_sqs_entry *entry,
                                  enum amp_sqs_member member)
{
    size_t offset = amp_sqs_member_rows[member].offset;
    return member >= AMP_SQS_M_ID ? (uint8_t *)entry + offset : (uint8_t *)request + offset;
}

/* Nothing present. Leaves what counts hide as it was: a request is 20 KiB, most of it empty. */
void amp_sqs_entry_reset(struct amp_sqs_entry *entry);
/* The text of a whole number: AMP_SQS_NO_NUMBER where it is none that fits. */
amp_sqs_number amp_sqs_number_of(struct amp_slice text);

/* What of an attribute was seen. */
enum { AMP_SQS_HAS_NAME = 1, AMP_SQS_HAS_TYPE = 2, AMP_SQS_HAS_VALUE = 4, AMP_SQS_HAS_ALL = 7 };
/* Checks an attribute that has all, and decodes a binary value in place; `body` is the writable buffer that it lies in.
 * AMP_ERR_SQS_ATTRIBUTE_INVALID. */
enum amp_err amp_sqs_attribute_finish(struct amp_sqs_attribute *attribute, uint8_t *body) AMP_MUST_USE;

/* Both expect the request reset, its protocol set; in JSON its action too. */
enum amp_err amp_sqs_decode_json(struct amp_sqs_request *request, uint8_t *body, size_t len) AMP_MUST_USE;
enum amp_err amp_sqs_decode_query(struct amp_sqs_request *request, uint8_t *body, size_t len) AMP_MUST_USE;

#endif
