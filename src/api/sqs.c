/*
 * The SQS API: from a request to the row of its action. The row says whose permission it takes and how it names its
 * queue; permission is asked before the queue is, so that nobody learns which queues there are.
 */
#include "api/sqs.h"

enum naming {
    BY_URL,  /* QueueUrl, or in the query protocol the path */
    BY_NAME, /* QueueName */
    BY_ARN,  /* SourceArn */
    BY_NONE, /* by nothing: the handler asks for permission itself */
};

struct row {
    amp_sqs_handle_fn *handle;
    enum amp_act act;
    enum naming naming;
    unsigned permissions; /* any of them */
};

static enum amp_err unsupported(const struct amp_sqs_call *sqs)
{
    return AMP_ERR_SQS_UNSUPPORTED; /* permissions are principals', not queues' */
}

static const struct row rows[AMP_SQS_ACTION_COUNT_] = {
    [AMP_SQS_ADD_PERMISSION] = {unsupported, AMP_ACT_QUEUE_CHANGE, BY_URL, AMP_MAY_MANAGE},
    [AMP_SQS_CANCEL_MESSAGE_MOVE_TASK] = {amp_sqs_move_cancel, AMP_ACT_QUEUE_MOVE, BY_NONE, 0},
    [AMP_SQS_CHANGE_MESSAGE_VISIBILITY] = {amp_sqs_hide_one, AMP_ACT_MESSAGE_HIDE, BY_URL, AMP_MAY_RECEIVE},
    [AMP_SQS_CHANGE_MESSAGE_VISIBILITY_BATCH] = {amp_sqs_hide_batch, AMP_ACT_MESSAGE_HIDE, BY_URL, AMP_MAY_RECEIVE},
    [AMP_SQS_CREATE_QUEUE] = {amp_sqs_queue_create, AMP_ACT_QUEUE_CREATE, BY_NAME, AMP_MAY_MANAGE},
    [AMP_SQS_DELETE_MESSAGE] = {amp_sqs_delete_one, AMP_ACT_MESSAGE_DELETE, BY_URL, AMP_MAY_RECEIVE},
    [AMP_SQS_DELETE_MESSAGE_BATCH] = {amp_sqs_delete_batch, AMP_ACT_MESSAGE_DELETE, BY_URL, AMP_MAY_RECEIVE},
    [AMP_SQS_DELETE_QUEUE] = {amp_sqs_queue_delete, AMP_ACT_QUEUE_DELETE, BY_URL, AMP_MAY_MANAGE},
    [AMP_SQS_GET_QUEUE_ATTRIBUTES] = {amp_sqs_attributes_get, AMP_ACT_QUEUE_READ, BY_URL, AMP_SQS_MAY_SEE},
    [AMP_SQS_GET_QUEUE_URL] = {amp_sqs_queue_url, AMP_ACT_QUEUE_READ, BY_NAME, AMP_SQS_MAY_SEE},
    [AMP_SQS_LIST_DEAD_LETTER_SOURCE_QUEUES] = {amp_sqs_list_sources, AMP_ACT_QUEUE_READ, BY_URL, AMP_SQS_MAY_SEE},
    [AMP_SQS_LIST_MESSAGE_MOVE_TASKS] = {amp_sqs_move_list, AMP_ACT_QUEUE_READ, BY_ARN, AMP_SQS_MAY_SEE},
    [AMP_SQS_LIST_QUEUE_TAGS] = {amp_sqs_tags_list, AMP_ACT_QUEUE_READ, BY_URL, AMP_SQS_MAY_SEE},
    [AMP_SQS_LIST_QUEUES] = {amp_sqs_list_queues, AMP_ACT_QUEUE_READ, BY_NONE, 0},
    [AMP_SQS_PURGE_QUEUE] = {amp_sqs_queue_purge, AMP_ACT_QUEUE_PURGE, BY_URL, AMP_MAY_MANAGE},
    [AMP_SQS_RECEIVE_MESSAGE] = {amp_sqs_receive, AMP_ACT_MESSAGE_RECEIVE, BY_URL, AMP_MAY_RECEIVE},
    [AMP_SQS_REMOVE_PERMISSION] = {unsupported, AMP_ACT_QUEUE_CHANGE, BY_URL, AMP_MAY_MANAGE},
    [AMP_SQS_SEND_MESSAGE] = {amp_sqs_send_one, AMP_ACT_MESSAGE_SEND, BY_URL, AMP_MAY_SEND},
    [AMP_SQS_SEND_MESSAGE_BATCH] = {amp_sqs_send_batch, AMP_ACT_MESSAGE_SEND, BY_URL, AMP_MAY_SEND},
    [AMP_SQS_SET_QUEUE_ATTRIBUTES] = {amp_sqs_attributes_set, AMP_ACT_QUEUE_CHANGE, BY_URL, AMP_MAY_MANAGE},
    [AMP_SQS_START_MESSAGE_MOVE_TASK] = {amp_sqs_move_start, AMP_ACT_QUEUE_MOVE, BY_ARN, AMP_MAY_MANAGE},
    [AMP_SQS_TAG_QUEUE] = {amp_sqs_tags_set, AMP_ACT_QUEUE_CHANGE, BY_URL, AMP_MAY_MANAGE},
    [AMP_SQS_UNTAG_QUEUE] = {amp_sqs_tags_remove, AMP_ACT_QUEUE_CHANGE, BY_URL, AMP_MAY_MANAGE},
};

bool amp_sqs_may(const struct amp_api_call *call, unsigned permissions, struct amp_slice queue)
{
    return amp_principal_may(call->request->who, (enum amp_permission)permissions, queue);
}

enum amp_err amp_sqs_refuse(const struct amp_sqs_call *sqs, enum amp_err err, const char *sentence)
{
    sqs->call->reason = sentence;
    return err;
}

enum amp_err amp_sqs_number_in(const struct amp_sqs_call *sqs, amp_sqs_number asked, int64_t least, int64_t most,
                               int64_t otherwise, const char *sentence, int64_t *out)
{
    *out = otherwise;
    if (asked == AMP_SQS_ABSENT)
        return AMP_OK;
    if (asked < least || asked > most)
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID, sentence);
    *out = asked;
    return AMP_OK;
}

/* QueueUrl and the path, where both name a queue, name the same. */
static enum amp_err name_by_url(struct amp_sqs_call *sqs)
{
    struct amp_slice url = sqs->asked->queue_url, path = sqs->call->request->id;
    if (url.ptr == NULL && path.len == 0)
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_MISSING_PARAMETER, "The request must contain the parameter QueueUrl.");
    if (url.ptr == NULL) {
        sqs->queue = path;
        return AMP_OK;
    }
    enum amp_err err = amp_sqs_url_parse(url, &sqs->queue);
    if (err == AMP_OK && path.len != 0 && !amp_slice_equal(path, sqs->queue))
        err = AMP_ERR_SQS_ADDRESS_INVALID;
    return err;
}

static enum amp_err name_by_name(struct amp_sqs_call *sqs)
{
    sqs->queue = sqs->asked->queue_name;
    if (amp_order_may_name(sqs->queue))
        return AMP_OK;
    if (!amp_queue_name_is_good(sqs->queue))
        return AMP_ERR_QUEUE_INVALID;
    return amp_sqs_refuse(sqs, AMP_ERR_QUEUE_INVALID,
                          "A queue's name must not hold what may be a card number: 12 to 19 digits, with or without "
                          "hyphens and underscores between them, that pass the Luhn check.");
}

static enum amp_err name_by_arn(struct amp_sqs_call *sqs)
{
    if (amp_sqs_arn_parse(sqs->asked->source_arn, &sqs->queue) == AMP_OK)
        return AMP_OK;
    return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                          "You must use this format to specify the SourceArn: "
                          "arn:<partition>:<service>:<region>:<account-id>:<resource-id>");
}

static enum amp_err name_queue(struct amp_sqs_call *sqs, enum naming naming)
{
    switch (naming) {
    case BY_URL:
        break;
    case BY_NAME:
        return name_by_name(sqs);
    case BY_ARN:
        return name_by_arn(sqs);
    case BY_NONE:
        return AMP_OK;
    }
    enum amp_err err = name_by_url(sqs);
    if (err == AMP_OK && !amp_order_may_name(sqs->queue))
        err = AMP_ERR_QUEUE_UNKNOWN; /* none of this name can be */
    return err;
}

enum amp_err amp_handle_sqs(struct amp_api_call *call)
{
    struct amp_sqs_request *asked = call->api->sqs;
    struct amp_sqs_call sqs = {.call = call, .asked = asked};
    const struct amp_api_request *request = call->request;
    enum amp_err err = amp_sqs_decode(asked, request->head, request->body, request->body_len);
    if (asked->action < AMP_SQS_ACTION_COUNT_)
        call->event.act = rows[asked->action].act;
    if (err != AMP_OK)
        return err;
    const struct row *row = &rows[asked->action];
    call->deep = asked->action != AMP_SQS_SEND_MESSAGE; /* the most frequent: 8 KiB of stack do for it */
    err = name_queue(&sqs, row->naming);
    if (err != AMP_OK)
        return err;
    call->event.queue = sqs.queue;
    if (row->naming != BY_NONE && !amp_sqs_may(call, row->permissions, sqs.queue))
        return AMP_ERR_NOT_PERMITTED;
    return row->handle(&sqs);
}
