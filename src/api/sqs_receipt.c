/* What who received a message may do to it: delete it, or change how long it stays hidden. */
#include "api/sqs.h"

#define VISIBILITY_MAX_S 43200

static enum amp_err read_receipt(const struct amp_sqs_call *sqs, const struct amp_sqs_entry *entry,
                                 struct amp_receipt *receipt, struct amp_sqs_done *done)
{
    enum amp_err err = amp_sqs_receipt_read(sqs->call->api, sqs->queue, entry->receipt_handle, receipt);
    if (err == AMP_OK)
        memcpy(done->message, receipt->id, AMP_MESSAGE_ID_LEN);
    return err;
}

/* Without a queue there is nothing to hold a receipt of. */
static enum amp_err check_queue(const struct amp_sqs_call *sqs)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_queue_view view;
    return queues->ops->look(queues->self, sqs->queue, &view);
}

static enum amp_err remove_message(const struct amp_sqs_call *sqs, const void *ctx, const struct amp_sqs_entry *entry,
                                   struct amp_sqs_done *done)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_receipt receipt;
    enum amp_err err = read_receipt(sqs, entry, &receipt, done);
    if (err != AMP_OK)
        return err;
    err = queues->ops->remove(queues->self, sqs->queue, &receipt);
    return err != AMP_ERR_RECEIPT_INVALID ? err : amp_sqs_refuse(sqs, err, "The receipt handle has expired.");
}

static enum amp_err hide(const struct amp_sqs_call *sqs, const void *ctx, const struct amp_sqs_entry *entry,
                         struct amp_sqs_done *done)
{
    static const char sentence[] = "The value for parameter VisibilityTimeout is invalid. Reason: Must be between 0 "
                                   "and 43200.";
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_receipt receipt;
    int64_t visibility_s;
    if (entry->visibility_s == AMP_SQS_ABSENT)
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_MISSING_PARAMETER,
                              "The request must contain the parameter VisibilityTimeout.");
    enum amp_err err = amp_sqs_number_in(sqs, entry->visibility_s, 0, VISIBILITY_MAX_S, 0, sentence, &visibility_s);
    if (err == AMP_OK)
        err = read_receipt(sqs, entry, &receipt, done);
    return err != AMP_OK ? err
                         : queues->ops->change_visibility(queues->self, sqs->queue, &receipt, visibility_s * 1000);
}

static enum amp_err one(const struct amp_sqs_call *sqs, amp_sqs_act *act)
{
    enum amp_err err = check_queue(sqs);
    return err != AMP_OK ? err : amp_sqs_one(sqs, NULL, act, NULL);
}

static enum amp_err batch(const struct amp_sqs_call *sqs, amp_sqs_act *act)
{
    enum amp_err err = check_queue(sqs);
    if (err == AMP_OK)
        err = amp_sqs_batch_check(sqs);
    return err != AMP_OK ? err : amp_sqs_batch(sqs, NULL, act, NULL);
}

enum amp_err amp_sqs_delete_one(const struct amp_sqs_call *sqs)
{
    return one(sqs, remove_message);
}

enum amp_err amp_sqs_delete_batch(const struct amp_sqs_call *sqs)
{
    return batch(sqs, remove_message);
}

enum amp_err amp_sqs_hide_one(const struct amp_sqs_call *sqs)
{
    return one(sqs, hide);
}

enum amp_err amp_sqs_hide_batch(const struct amp_sqs_call *sqs)
{
    return batch(sqs, hide);
}
