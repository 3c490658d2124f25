#include "wire/sqs_model.h"

const struct amp_sqs_member_row amp_sqs_member_rows[AMP_SQS_MEMBER_COUNT_] = {
#define ROW(symbol, member_kind, in_json, in_query, at)                                                                \
    [AMP_SQS_M_##symbol] = {.kind = AMP_SQS_##member_kind,                                                             \
                            .offset = (at),                                                                            \
                            .json = {(const uint8_t *)(in_json), sizeof(in_json) - 1},                                 \
                            .query = {(const uint8_t *)(in_query), sizeof(in_query) - 1}},
#define X(symbol, kind, json, query, field) ROW(symbol, kind, json, query, offsetof(struct amp_sqs_request, field))
    AMP_SQS_REQUEST_MEMBERS(X)
#undef X
#define X(symbol, kind, json, query, field) ROW(symbol, kind, json, query, offsetof(struct amp_sqs_entry, field))
        AMP_SQS_ENTRY_MEMBERS(X)
#undef X
};

#define M(symbol) AMP_SQS_BIT(AMP_SQS_M_##symbol)
#define MESSAGE   (M(BODY) | M(DELAY) | M(MESSAGE_ATTRIBUTES) | M(SYSTEM_ATTRIBUTES) | M(DEDUPLICATION) | M(GROUP))

/* X(SYMBOL, required, optional, has a result): what the models of both protocols say. */
#define ACTION_MEMBERS(X)                                                                                              \
    X(ADD_PERMISSION, M(QUEUE_URL) | M(LABEL) | M(ACCOUNT_IDS) | M(ACTION_NAMES), 0, false)                            \
    X(CANCEL_MESSAGE_MOVE_TASK, M(TASK_HANDLE), 0, true)                                                               \
    X(CHANGE_MESSAGE_VISIBILITY, M(QUEUE_URL) | M(RECEIPT) | M(VISIBILITY), 0, false)                                  \
    X(CHANGE_MESSAGE_VISIBILITY_BATCH, M(QUEUE_URL) | M(ENTRIES) | M(ID) | M(RECEIPT), M(VISIBILITY), true)            \
    X(CREATE_QUEUE, M(QUEUE_NAME), M(QUEUE_ATTRIBUTES) | M(CREATION_TAGS), true)                                       \
    X(DELETE_MESSAGE, M(QUEUE_URL) | M(RECEIPT), 0, false)                                                             \
    X(DELETE_MESSAGE_BATCH, M(QUEUE_URL) | M(ENTRIES) | M(ID) | M(RECEIPT), 0, true)                                   \
    X(DELETE_QUEUE, M(QUEUE_URL), 0, false)                                                                            \
    X(GET_QUEUE_ATTRIBUTES, M(QUEUE_URL), M(ATTRIBUTE_NAMES), true)                                                    \
    X(GET_QUEUE_URL, M(QUEUE_NAME), M(QUEUE_OWNER), true)                                                              \
    X(LIST_DEAD_LETTER_SOURCE_QUEUES, M(QUEUE_URL), M(NEXT_TOKEN) | M(MAX_RESULTS), true)                              \
    X(LIST_MESSAGE_MOVE_TASKS, M(SOURCE_ARN), M(MAX_RESULTS), true)                                                    \
    X(LIST_QUEUE_TAGS, M(QUEUE_URL), 0, true)                                                                          \
    X(LIST_QUEUES, 0, M(QUEUE_NAME_PREFIX) | M(NEXT_TOKEN) | M(MAX_RESULTS), true)                                     \
    X(PURGE_QUEUE, M(QUEUE_URL), 0, false)                                                                             \
    X(RECEIVE_MESSAGE, M(QUEUE_URL), RECEIVE, true)                                                                    \
    X(REMOVE_PERMISSION, M(QUEUE_URL) | M(LABEL), 0, false)                                                            \
    X(SEND_MESSAGE, M(QUEUE_URL) | M(BODY), MESSAGE, true)                                                             \
    X(SEND_MESSAGE_BATCH, M(QUEUE_URL) | M(ENTRIES) | M(ID) | M(BODY), MESSAGE, true)                                  \
    X(SET_QUEUE_ATTRIBUTES, M(QUEUE_URL) | M(QUEUE_ATTRIBUTES), 0, false)                                              \
    X(START_MESSAGE_MOVE_TASK, M(SOURCE_ARN), M(DESTINATION_ARN) | M(MAX_PER_SECOND), true)                            \
    X(TAG_QUEUE, M(QUEUE_URL) | M(TAGS), 0, false)                                                                     \
    X(UNTAG_QUEUE, M(QUEUE_URL) | M(TAG_KEYS), 0, false)

#define RECEIVE                                                                                                        \
    (M(ATTRIBUTE_NAMES) | M(SYSTEM_NAMES) | M(MESSAGE_NAMES) | M(MAX_MESSAGES) | M(VISIBILITY) | M(WAIT) |             \
     M(ATTEMPT_ID))

const struct amp_sqs_action_row amp_sqs_action_rows[AMP_SQS_ACTION_COUNT_] = {
#define X(symbol, action_name) [AMP_SQS_##symbol].name = {(const uint8_t *)(action_name), sizeof(action_name) - 1},
    AMP_SQS_ACTIONS(X)
#undef X
#define X(symbol, required, optional, result)                                                                          \
    [AMP_SQS_##symbol].takes = (required) | (optional), [AMP_SQS_##symbol].requires = (required),                      \
    [AMP_SQS_##symbol].has_result = (result),
        ACTION_MEMBERS(X)
#undef X
};

const char *amp_sqs_action_name(enum amp_sqs_action action)
{
    return (const char *)amp_sqs_action_rows[action].name.ptr;
}

bool amp_sqs_action_find(struct amp_slice name, enum amp_sqs_action *action)
{
    for (unsigned i = 0; i < AMP_SQS_ACTION_COUNT_; i++) {
        if (!amp_slice_equal(amp_sqs_action_rows[i].name, name))
            continue;
        *action = (enum amp_sqs_action)i;
        return true;
    }
    return false;
}

enum amp_sqs_member amp_sqs_member_in_json(amp_sqs_members members, struct amp_slice name)
{
    for (; members != 0; members &= members - 1) {
        int i = __builtin_ctzll(members);
        if (amp_slice_equal(amp_sqs_member_rows[i].json, name))
            return (enum amp_sqs_member)i;
    }
    return AMP_SQS_MEMBER_COUNT_;
}

enum amp_sqs_member amp_sqs_member_in_query(amp_sqs_members members, struct amp_slice name)
{
    for (; members != 0; members &= members - 1) {
        int i = __builtin_ctzll(members);
        if (amp_slice_equal(amp_sqs_member_rows[i].query, name))
            return (enum amp_sqs_member)i;
    }
    return AMP_SQS_MEMBER_COUNT_;
}
