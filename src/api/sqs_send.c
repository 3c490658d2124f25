/* SendMessage and SendMessageBatch. A message is checked whole before any of it is kept. */
#include "api/publish.h"
#include "api/sqs.h"

#define DELAY_MAX_S      900
#define TRACE_HEADER     "AWSTraceHeader"
#define TRACE_HEADER_MAX 512

struct sending {
    struct amp_queue_view view;
};

static size_t size_of(const struct amp_sqs_entry *entry)
{
    size_t size = entry->body.len;
    for (uint32_t i = 0; i < entry->attributes.count; i++) {
        const struct amp_sqs_attribute *attribute = &entry->attributes.at[i];
        size += attribute->name.len + attribute->type.len + attribute->value.len;
    }
    return size;
}

static enum amp_err check_content(const struct amp_sqs_call *sqs, const struct sending *sending,
                                  const struct amp_sqs_entry *entry)
{
    if (entry->body.len == 0)
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_MISSING_PARAMETER,
                              "The request must contain the parameter MessageBody.");
    if (size_of(entry) > sending->view.settings.max_message_bytes)
        return AMP_ERR_SQS_MESSAGE_TOO_LONG;
    return amp_sqs_text_valid(entry->body) ? AMP_OK : AMP_ERR_SQS_MESSAGE_INVALID;
}

/* The trace header counts for no size, so its own is bounded. */
static enum amp_err check_system_attributes(const struct amp_sqs_call *sqs, const struct amp_sqs_entry *entry,
                                            struct amp_slice *trace_header)
{
    const struct amp_sqs_attributes *given = &entry->system_attributes;
    *trace_header = amp_slice(NULL, 0);
    if (given->count == 0)
        return AMP_OK;
    const struct amp_sqs_attribute *first = &given->at[0];
    bool good = given->count == 1 && amp_slice_is(first->name, TRACE_HEADER) && amp_slice_is(first->type, "String") &&
                first->value.len <= TRACE_HEADER_MAX;
    if (!good)
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The only message system attribute that can be sent is AWSTraceHeader, a String.");
    *trace_header = first->value;
    return AMP_OK;
}

bool amp_sqs_is_fifo_id(struct amp_slice id)
{
    if (id.len == 0 || id.len > AMP_MESSAGE_FIFO_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= 0x20 || id.ptr[i] >= 0x7f)
            return false;
    }
    return true;
}

static enum amp_err check_fifo_ids(const struct amp_sqs_call *sqs, const struct amp_sqs_entry *entry)
{
    if (entry->deduplication_id.ptr != NULL && !amp_sqs_is_fifo_id(entry->deduplication_id))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The value for parameter MessageDeduplicationId is invalid. Reason: "
                              "MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to "
                              "128 in length.");
    if (entry->group_id.ptr != NULL && !amp_sqs_is_fifo_id(entry->group_id))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The value for parameter MessageGroupId is invalid. Reason: MessageGroupId can only "
                              "include alphanumeric and punctuation characters. 1 to 128 in length.");
    return AMP_OK;
}

static enum amp_err check_fifo(const struct amp_sqs_call *sqs, const struct sending *sending,
                               const struct amp_sqs_entry *entry)
{
    if (entry->group_id.ptr == NULL)
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_MISSING_PARAMETER,
                              "The request must contain the parameter MessageGroupId.");
    if (entry->deduplication_id.ptr == NULL && !sending->view.settings.content_based_deduplication)
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The queue should either have ContentBasedDeduplication enabled or "
                              "MessageDeduplicationId provided explicitly");
    if (entry->delay_s > 0)
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The value for parameter DelaySeconds is invalid. Reason: The request includes a "
                              "parameter that is not valid for this queue type.");
    return AMP_OK;
}

/* A group id is welcome in a standard queue (fair queues) and is told to who receives. */
static enum amp_err check_standard(const struct amp_sqs_call *sqs, const struct amp_sqs_entry *entry)
{
    if (entry->deduplication_id.ptr == NULL)
        return AMP_OK;
    return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                          "The value for parameter MessageDeduplicationId is invalid. Reason: The request includes a "
                          "parameter that is not valid for this queue type.");
}

static enum amp_err check(const struct amp_sqs_call *sqs, const struct sending *sending,
                          const struct amp_sqs_entry *entry, struct amp_message *message,
                          struct amp_message_order *order)
{
    static const char delay_sentence[] = "The value for parameter DelaySeconds is invalid. Reason: DelaySeconds must "
                                         "be >= 0 and <= 900.";
    bool fifo = sending->view.settings.fifo;
    int64_t delay_s;
    enum amp_err err = check_content(sqs, sending, entry);
    if (err == AMP_OK)
        err = check_system_attributes(sqs, entry, &message->trace_header);
    if (err == AMP_OK)
        err = check_fifo_ids(sqs, entry);
    if (err == AMP_OK)
        err = amp_sqs_number_in(sqs, entry->delay_s, 0, DELAY_MAX_S, -1, delay_sentence, &delay_s);
    if (err == AMP_OK)
        err = fifo ? check_fifo(sqs, sending, entry) : check_standard(sqs, entry);
    if (err != AMP_OK)
        return err;
    order->delay_ms = delay_s < 0 || fifo ? -1 : delay_s * 1000;
    message->body = entry->body;
    message->attributes = entry->attributes;
    message->group_id = entry->group_id;
    message->deduplication_id = entry->deduplication_id;
    return AMP_OK;
}

static enum amp_err digest(const struct amp_sqs_entry *entry, struct amp_sqs_done *done)
{
    enum amp_err err = amp_sqs_md5_body(done->md5_body, entry->body);
    done->has_attributes = entry->attributes.count > 0;
    if (err == AMP_OK && done->has_attributes)
        err = amp_sqs_md5_attributes(done->md5_attributes, &entry->attributes);
    done->has_system_attributes = entry->system_attributes.count > 0;
    if (err == AMP_OK && done->has_system_attributes)
        err = amp_sqs_md5_attributes(done->md5_system_attributes, &entry->system_attributes);
    return err;
}

static enum amp_err send(const struct amp_sqs_call *sqs, const void *ctx, const struct amp_sqs_entry *entry,
                         struct amp_sqs_done *done)
{
    const struct sending *sending = ctx;
    char id[AMP_MESSAGE_BODY_ID_LEN];
    struct amp_message message = {.of_token = false};
    struct amp_message_sent sent = {.sequence = 0};
    struct amp_message_order order = {
        .queue = sqs->queue,
        .sender = sqs->call->request->who->key_id,
        .now_unix_ms = sqs->call->event.unix_ms,
        .life_ms = amp_queue_life_ms(&sending->view.settings),
    };
    done->fifo = sending->view.settings.fifo;
    enum amp_err err = check(sqs, sending, entry, &message, &order);
    if (err == AMP_OK && done->fifo && message.deduplication_id.ptr == NULL) {
        err = amp_message_body_id(message.body, id);
        message.deduplicated_by_body = true;
        message.deduplication_id = amp_slice(id, sizeof id);
    }
    if (err == AMP_OK)
        err = digest(entry, done);
    message.md5 = done->md5_body;
    if (err == AMP_OK)
        err = amp_message_send(sqs->call->api, &order, &message, &sent);
    memcpy(done->message, sent.id, sizeof done->message);
    done->sequence = sent.sequence;
    amp_wipe(id, sizeof id); /* of a card number it is a hash without a key */
    return err;
}

void amp_sqs_write_sequence(struct amp_out *out, uint64_t sequence)
{
    char text[AMP_SQS_SEQUENCE_LEN];
    for (size_t i = sizeof text; i-- > 0; sequence /= 10)
        text[i] = (char)('0' + sequence % 10);
    amp_out_bytes(out, text, sizeof text);
}

static void write_sent(struct amp_sqs_writer *writer, const struct amp_sqs_done *done)
{
    char id[AMP_MESSAGE_ID_TEXT];
    uint8_t sequence[AMP_SQS_SEQUENCE_LEN];
    struct amp_out out = amp_out(sequence, sizeof sequence);
    amp_sqs_id_format(id, done->message);
    amp_sqs_put_text(writer, "MessageId", amp_slice(id, sizeof id));
    amp_sqs_put_md5(writer, "MD5OfMessageBody", done->md5_body);
    if (done->has_attributes)
        amp_sqs_put_md5(writer, "MD5OfMessageAttributes", done->md5_attributes);
    if (done->has_system_attributes)
        amp_sqs_put_md5(writer, "MD5OfMessageSystemAttributes", done->md5_system_attributes);
    if (done->fifo) {
        amp_sqs_write_sequence(&out, done->sequence);
        amp_sqs_put_text(writer, "SequenceNumber", amp_out_done(&out));
    }
}

/* A queue that is pushed need not have been made: it is, with what every queue has, by the first message. */
static enum amp_err begin(const struct amp_sqs_call *sqs, struct sending *sending)
{
    bool there;
    enum amp_err err = amp_publish_prepare(sqs->call, sqs->queue, &sending->view, &there);
    return err == AMP_OK && !there ? AMP_ERR_QUEUE_UNKNOWN : err;
}

enum amp_err amp_sqs_send_one(const struct amp_sqs_call *sqs)
{
    __attribute__((uninitialized)) struct sending sending; /* large, and filled before it is read */
    enum amp_err err = begin(sqs, &sending);
    return err != AMP_OK ? err : amp_sqs_one(sqs, &sending, send, write_sent);
}

enum amp_err amp_sqs_send_batch(const struct amp_sqs_call *sqs)
{
    struct sending sending;
    size_t size = 0;
    enum amp_err err = begin(sqs, &sending);
    if (err == AMP_OK)
        err = amp_sqs_batch_check(sqs);
    if (err != AMP_OK)
        return err;
    for (uint32_t i = 0; i < sqs->asked->entry_count; i++)
        size += size_of(&sqs->asked->entries[i]);
    return size > AMP_SQS_MAX_BODY ? AMP_ERR_SQS_BATCH_TOO_LONG : amp_sqs_batch(sqs, &sending, send, write_sent);
}
