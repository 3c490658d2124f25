/* One act on one message: alone, or on each entry of a batch. */
#include "api/sqs.h"

#define ID_MAX 80
/* What is answered of one entry at most: the longest member names in XML, an Id, three digests, a sentence. */
#define ENTRY_MAX 1024

static enum amp_err act_on(const struct amp_sqs_call *sqs, const void *ctx, amp_sqs_act *act,
                           const struct amp_sqs_entry *entry, struct amp_sqs_done *done)
{
    *done = (struct amp_sqs_done){.err = AMP_ERR_INTERNAL};
    sqs->call->reason = NULL;
    done->err = act(sqs, ctx, entry, done);
    done->sentence = sqs->call->reason;
    return done->err;
}

static void refer(struct amp_api_call *call, const struct amp_sqs_done *done)
{
    call->event.has_message = true;
    memcpy(call->event.token_reference, done->message, AMP_MESSAGE_ID_LEN);
}

enum amp_err amp_sqs_one(const struct amp_sqs_call *sqs, const void *ctx, amp_sqs_act *act, amp_sqs_write_done *write)
{
    struct amp_sqs_answer answer;
    struct amp_sqs_done done;
    uint64_t number;
    enum amp_err err = amp_sqs_answer_begin(&answer, sqs->call, sqs->asked->protocol, sqs->asked->action, ENTRY_MAX);
    if (err == AMP_OK)
        err = act_on(sqs, ctx, act, &sqs->asked->one, &done);
    if (err != AMP_OK)
        return err;
    refer(sqs->call, &done);
    err = amp_call_record(sqs->call, false, &number);
    if (err != AMP_OK)
        return err;
    if (write != NULL)
        write(&answer.writer, &done);
    return amp_sqs_answer_send(&answer);
}

static bool is_entry_id(struct amp_slice id)
{
    if (id.len == 0 || id.len > ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.ptr[i];
        bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!good)
            return false;
    }
    return true;
}

enum amp_err amp_sqs_batch_check(const struct amp_sqs_call *sqs)
{
    const struct amp_sqs_request *asked = sqs->asked;
    if (asked->entry_count == 0)
        return AMP_ERR_SQS_BATCH_EMPTY;
    if (asked->entry_count > AMP_SQS_BATCH_MAX)
        return AMP_ERR_SQS_BATCH_TOO_MANY;
    for (uint32_t i = 0; i < asked->entry_count; i++) {
        if (!is_entry_id(asked->entries[i].id))
            return AMP_ERR_SQS_BATCH_ID_INVALID;
    }
    for (uint32_t i = 1; i < asked->entry_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (amp_slice_equal(asked->entries[i].id, asked->entries[j].id))
                return AMP_ERR_SQS_BATCH_IDS_NOT_DISTINCT;
        }
    }
    return AMP_OK;
}

static const char *result_element(enum amp_sqs_action action)
{
    if (action == AMP_SQS_SEND_MESSAGE_BATCH)
        return "SendMessageBatchResultEntry";
    return action == AMP_SQS_DELETE_MESSAGE_BATCH ? "DeleteMessageBatchResultEntry"
                                                  : "ChangeMessageVisibilityBatchResultEntry";
}

static void write_successful(struct amp_sqs_writer *writer, const struct amp_sqs_call *sqs,
                             const struct amp_sqs_done *done, amp_sqs_write_done *write)
{
    const char *element = result_element(sqs->asked->action);
    amp_sqs_list_begin(writer, "Successful");
    for (uint32_t i = 0; i < sqs->asked->entry_count; i++) {
        if (done[i].err != AMP_OK)
            continue;
        amp_sqs_item_begin(writer, element);
        amp_sqs_put_text(writer, "Id", sqs->asked->entries[i].id);
        if (write != NULL)
            write(writer, &done[i]);
        amp_sqs_item_end(writer, element);
    }
    amp_sqs_list_end(writer);
}

static void write_failed(struct amp_sqs_writer *writer, const struct amp_sqs_call *sqs, const struct amp_sqs_done *done)
{
    static const char *const element = "BatchResultErrorEntry";
    amp_sqs_list_begin(writer, "Failed");
    for (uint32_t i = 0; i < sqs->asked->entry_count; i++) {
        if (done[i].err == AMP_OK)
            continue;
        const struct amp_sqs_error error = amp_sqs_error_of(amp_public_err(done[i].err));
        const char *sentence = done[i].sentence != NULL ? done[i].sentence : error.sentence;
        amp_sqs_item_begin(writer, element);
        amp_sqs_put_text(writer, "Id", sqs->asked->entries[i].id);
        amp_sqs_put_bool(writer, "SenderFault", error.sender);
        amp_sqs_put_text(writer, "Code", amp_slice_str(error.query_code));
        amp_sqs_put_text(writer, "Message", amp_slice_str(sentence));
        amp_sqs_item_end(writer, element);
    }
    amp_sqs_list_end(writer);
}

/* One record tells of those that were done, another, with the first one's reason, of those that were not. */
static enum amp_err record(struct amp_api_call *call, const struct amp_sqs_done *done, uint32_t count)
{
    uint64_t number;
    enum amp_err why = AMP_OK;
    uint32_t failed = 0;
    for (uint32_t i = 0; i < count; i++) {
        failed += done[i].err != AMP_OK;
        if (why == AMP_OK)
            why = done[i].err;
    }
    if (failed > 0) {
        call->event.count = failed;
        amp_record_refusal(call->api, &call->event, why);
    }
    call->event.count = count - failed;
    return failed < count ? amp_call_record(call, false, &number) : AMP_OK;
}

enum amp_err amp_sqs_batch(const struct amp_sqs_call *sqs, const void *ctx, amp_sqs_act *act, amp_sqs_write_done *write)
{
    struct amp_sqs_answer answer;
    struct amp_sqs_done done[AMP_SQS_BATCH_MAX];
    uint32_t count = sqs->asked->entry_count, failed = 0;
    enum amp_err err =
        amp_sqs_answer_begin(&answer, sqs->call, sqs->asked->protocol, sqs->asked->action, count * ENTRY_MAX);
    if (err != AMP_OK)
        return err;
    for (uint32_t i = 0; i < count; i++)
        failed += act_on(sqs, ctx, act, &sqs->asked->entries[i], &done[i]) != AMP_OK;
    sqs->call->reason = NULL;
    err = record(sqs->call, done, count);
    if (err != AMP_OK)
        return err;
    if (failed < count)
        write_successful(&answer.writer, sqs, done, write);
    if (failed > 0)
        write_failed(&answer.writer, sqs, done);
    return amp_sqs_answer_send(&answer);
}
