/*
 * ReceiveMessage. Messages are opened one by one, so that no more plaintext lies about than is being written. A poll
 * that finds nothing is parked with what it asked for: its request is not decoded again, it was unescaped in place.
 */
#include "api/sqs.h"

#define VISIBILITY_MAX_S 43200
#define WAIT_MAX_S       20
#define NUMBER_MAX       24
/* Ids, receipt and digests of one message, with their names. */
#define MESSAGE_AROUND 768

enum system_attribute {
    SENDER_ID,
    SENT,
    RECEIVES,
    FIRST_RECEIVED,
    SEQUENCE,
    GROUP,
    DEDUPLICATION,
    TRACE,
    DEAD_LETTER_SOURCE,
    SYSTEM_ATTRIBUTE_COUNT,
};

static const char *const system_names[SYSTEM_ATTRIBUTE_COUNT] = {
    [SENDER_ID] = "SenderId",
    [SENT] = "SentTimestamp",
    [RECEIVES] = "ApproximateReceiveCount",
    [FIRST_RECEIVED] = "ApproximateFirstReceiveTimestamp",
    [SEQUENCE] = "SequenceNumber",
    [GROUP] = "MessageGroupId",
    [DEDUPLICATION] = "MessageDeduplicationId",
    [TRACE] = "AWSTraceHeader",
    [DEAD_LETTER_SOURCE] = "DeadLetterQueueSourceArn",
};

/* What was asked for, in a form that outlives the decoded request. The names borrow from the body. */
struct poll {
    enum amp_sqs_protocol protocol;
    struct amp_receive receive;
    bool fifo;
    unsigned system; /* a bit of each attribute */
    uint32_t name_count;
    struct amp_slice names[AMP_SQS_NAMES_MAX]; /* of message attributes; of a parked one only the first name_count */
};

static size_t poll_size(const struct poll *poll)
{
    return offsetof(struct poll, names) + poll->name_count * sizeof poll->names[0];
}

/* One answer being made of what one receive found. */
struct receiving {
    struct amp_api_call *call;
    const struct poll *poll;
    struct amp_sqs_answer answer;
    struct amp_message_out found[AMP_RECEIVE_MAX];
    size_t count;
    size_t told;
};

static enum amp_err read_system_names(const struct amp_sqs_call *sqs, unsigned *bits)
{
    const struct amp_sqs_names *names = &sqs->asked->attribute_names;
    *bits = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        unsigned bit = 0;
        for (unsigned a = 0; a < SYSTEM_ATTRIBUTE_COUNT; a++)
            bit |= amp_slice_is(names->at[i], system_names[a]) ? 1u << a : 0;
        if (amp_slice_is(names->at[i], "All"))
            bit = (1u << SYSTEM_ATTRIBUTE_COUNT) - 1;
        if (bit == 0)
            return AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID;
        *bits |= bit;
    }
    return AMP_OK;
}

static enum amp_err read_attempt(const struct amp_sqs_call *sqs, struct poll *poll)
{
    struct amp_slice id = sqs->asked->attempt_id;
    if (id.ptr == NULL)
        return AMP_OK;
    if (!poll->fifo || !amp_sqs_is_fifo_id(id))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The value for parameter ReceiveRequestAttemptId is invalid. Reason: It is for FIFO "
                              "queues, and can only include alphanumeric and punctuation characters. 1 to 128 in "
                              "length.");
    poll->receive.has_attempt = true;
    return amp_message_hash_attempt(sqs->call->api, sqs->queue, sqs->call->request->who, id, poll->receive.attempt);
}

static enum amp_err read_poll(const struct amp_sqs_call *sqs, struct poll *poll, int64_t *wait_s)
{
    const struct amp_sqs_request *asked = sqs->asked;
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_queue_view view;
    int64_t most, visibility_s;
    enum amp_err err = queues->ops->look(queues->self, sqs->queue, &view);
    if (err == AMP_OK)
        err = amp_sqs_number_in(sqs, asked->max_messages, 1, AMP_RECEIVE_MAX, 1,
                                "The value for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 "
                                "and 10, if provided.",
                                &most);
    if (err == AMP_OK)
        err = amp_sqs_number_in(sqs, asked->wait_s, 0, WAIT_MAX_S, view.settings.wait_s,
                                "The value for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, "
                                "if provided.",
                                wait_s);
    if (err == AMP_OK)
        err = amp_sqs_number_in(sqs, asked->one.visibility_s, 0, VISIBILITY_MAX_S, -1,
                                "The value for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and "
                                "43200, if provided.",
                                &visibility_s);
    if (err == AMP_OK)
        err = read_system_names(sqs, &poll->system);
    if (err != AMP_OK)
        return err;
    poll->protocol = asked->protocol;
    poll->fifo = view.settings.fifo;
    poll->receive = (struct amp_receive){
        .queue = sqs->queue,
        .most = (uint32_t)most,
        .visibility_ms = visibility_s < 0 ? -1 : visibility_s * 1000,
    };
    poll->name_count = asked->message_attribute_names.count;
    memcpy(poll->names, asked->message_attribute_names.at, poll->name_count * sizeof poll->names[0]);
    return read_attempt(sqs, poll);
}

/* "All" and ".*" want every attribute, "prefix.*" those that begin so, any other that one. */
static bool wants(struct amp_slice pattern, struct amp_slice name)
{
    const struct amp_slice star = AMP_SLICE_LIT(".*");
    if (amp_slice_is(pattern, "All"))
        return true;
    size_t stem = pattern.len - star.len;
    if (pattern.len < star.len || !amp_slice_equal(amp_slice(pattern.ptr + stem, star.len), star))
        return amp_slice_equal(pattern, name);
    return name.len >= stem && amp_slice_equal(amp_slice(name.ptr, stem), amp_slice(pattern.ptr, stem));
}

/* Leaves of the message's attributes those that were asked for. */
static void filter_attributes(const struct poll *poll, struct amp_sqs_attributes *attributes)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < attributes->count; i++) {
        bool wanted = false;
        for (uint32_t n = 0; n < poll->name_count && !wanted; n++)
            wanted = wants(poll->names[n], attributes->at[i].name);
        if (wanted)
            attributes->at[kept++] = attributes->at[i];
    }
    attributes->count = kept;
}

static void write_number(struct amp_out *out, uint64_t value)
{
    amp_out_u64(out, value);
}

/* The value of one; empty where the message has none. `storage` is for those that are made here. */
static struct amp_slice system_value(const struct receiving *receiving, enum system_attribute which,
                                     const struct amp_message_out *out, const struct amp_message *message,
                                     uint8_t storage[AMP_SQS_ARN_MAX])
{
    struct amp_out text = amp_out(storage, AMP_SQS_ARN_MAX);
    switch (which) {
    case SENDER_ID:
        return amp_slice(out->sender, sizeof out->sender);
    case SENT:
        write_number(&text, (uint64_t)out->sent_unix_ms);
        break;
    case RECEIVES:
        write_number(&text, out->receives);
        break;
    case FIRST_RECEIVED:
        write_number(&text, (uint64_t)out->first_received_unix_ms);
        break;
    case SEQUENCE:
        if (receiving->poll->fifo)
            amp_sqs_write_sequence(&text, out->sequence);
        break;
    case GROUP:
        return message->group_id;
    case DEDUPLICATION:
        return message->deduplication_id;
    case TRACE:
        return message->trace_header;
    case DEAD_LETTER_SOURCE:
        if (out->source.len != 0)
            amp_sqs_write_arn(&text, amp_sqs_region(receiving->call), amp_queue_name_slice(&out->source));
        break;
    case SYSTEM_ATTRIBUTE_COUNT:
        break;
    }
    return amp_out_done(&text);
}

static void write_system(struct receiving *receiving, const struct amp_message_out *out,
                         const struct amp_message *message)
{
    struct amp_sqs_writer *writer = &receiving->answer.writer;
    uint8_t storage[AMP_SQS_ARN_MAX];
    bool begun = false;
    for (unsigned a = 0; a < SYSTEM_ATTRIBUTE_COUNT; a++) {
        if ((receiving->poll->system & 1u << a) == 0)
            continue;
        struct amp_slice value = system_value(receiving, (enum system_attribute)a, out, message, storage);
        if (value.len == 0)
            continue;
        if (!begun)
            amp_sqs_map_begin(writer, "Attributes");
        begun = true;
        amp_sqs_map_text(writer, "Attribute", "Name", amp_slice_str(system_names[a]), value);
    }
    if (begun)
        amp_sqs_map_end(writer);
}

static void write_attributes(struct amp_sqs_writer *writer, const struct amp_sqs_attributes *attributes,
                             const uint8_t md5[AMP_MD5_LEN])
{
    if (attributes->count == 0)
        return;
    amp_sqs_put_md5(writer, "MD5OfMessageAttributes", md5);
    amp_sqs_map_begin(writer, "MessageAttributes");
    for (uint32_t i = 0; i < attributes->count; i++)
        amp_sqs_map_attribute(writer, &attributes->at[i]);
    amp_sqs_map_end(writer);
}

static size_t answer_len(const struct receiving *receiving, const struct amp_message *message, struct amp_slice body)
{
    enum amp_sqs_protocol protocol = receiving->poll->protocol;
    const struct amp_slice texts[] = {body, message->trace_header, message->group_id, message->deduplication_id};
    size_t len = MESSAGE_AROUND + SYSTEM_ATTRIBUTE_COUNT * AMP_SQS_AROUND + AMP_SQS_ARN_MAX;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        len += amp_sqs_escaped_len(protocol, texts[i]);
    for (uint32_t i = 0; i < message->attributes.count; i++) {
        const struct amp_sqs_attribute *attribute = &message->attributes.at[i];
        len += 4 * AMP_SQS_AROUND + attribute->name.len + attribute->type.len;
        len +=
            attribute->binary ? AMP_BASE64_LEN(attribute->value.len) : amp_sqs_escaped_len(protocol, attribute->value);
    }
    return len;
}

/* Writes nothing where it fails. */
static enum amp_err write_message(struct receiving *receiving, const struct amp_message_out *out,
                                  const struct amp_message *message, struct amp_slice body)
{
    struct amp_sqs_writer *writer = &receiving->answer.writer;
    char id[AMP_MESSAGE_ID_TEXT], receipt[AMP_SQS_HANDLE_MAX];
    uint8_t md5[AMP_MD5_LEN], md5_attributes[AMP_MD5_LEN];
    size_t receipt_len;
    enum amp_err err = amp_sqs_receipt_make(receiving->call->api, receiving->poll->receive.queue, &out->receipt,
                                            receipt, &receipt_len);
    if (err == AMP_OK && message->md5 == NULL)
        err = amp_sqs_md5_body(md5, body);
    if (err == AMP_OK && message->attributes.count > 0)
        err = amp_sqs_md5_attributes(md5_attributes, &message->attributes);
    if (err == AMP_OK)
        err = amp_sqs_answer_reserve(&receiving->answer, answer_len(receiving, message, body));
    if (err != AMP_OK)
        return err;
    amp_sqs_id_format(id, out->receipt.id);
    if (receiving->told == 0)
        amp_sqs_list_begin(writer, "Messages");
    amp_sqs_item_begin(writer, "Message");
    amp_sqs_put_text(writer, "MessageId", amp_slice(id, sizeof id));
    amp_sqs_put_text(writer, "ReceiptHandle", amp_slice(receipt, receipt_len));
    amp_sqs_put_md5(writer, "MD5OfBody", message->md5 != NULL ? message->md5 : md5);
    amp_sqs_put_text(writer, "Body", body);
    write_system(receiving, out, message);
    write_attributes(writer, &message->attributes, md5_attributes);
    amp_sqs_item_end(writer, "Message");
    return AMP_OK;
}

/* The body as it is read: what tells of a token is completed in the scratch for it. */
static enum amp_err body_of(struct amp_api *api, const struct amp_message *message, struct amp_slice *body)
{
    struct amp_secret_buf *whole = &api->stored;
    *body = message->body;
    if (!message->of_token)
        return AMP_OK;
    amp_secret_buf_clear(whole);
    enum amp_err err = amp_secret_buf_reserve(whole, amp_message_body_len(message));
    if (err != AMP_OK)
        return err;
    struct amp_out out = amp_out(whole->ptr, whole->cap);
    amp_message_write_body(&out, message, NULL);
    whole->len = out.len;
    *body = amp_out_done(&out);
    return out.overflow ? AMP_ERR_INTERNAL : AMP_OK;
}

static enum amp_err tell(struct receiving *receiving, const struct amp_message_out *out)
{
    struct amp_api *api = receiving->call->api;
    struct amp_slice sealed = amp_slice(api->sealed.ptr + out->sealed_at, out->sealed_len), body;
    struct amp_message message;
    enum amp_err err = amp_message_open(api, out, sealed, &api->plain, &message);
    if (err == AMP_OK)
        err = body_of(api, &message, &body);
    if (err == AMP_OK) {
        filter_attributes(receiving->poll, &message.attributes);
        err = write_message(receiving, out, &message, body);
    }
    amp_secret_buf_clear(&api->plain);
    return err;
}

/* What does not verify is nobody's message: it is taken out of the queue, and the log says so. */
static void discard(struct receiving *receiving, const struct amp_message_out *out)
{
    const struct amp_queue_engine *queues = &receiving->call->api->config.queues;
    struct amp_event event = receiving->call->event;
    event.has_message = true;
    memcpy(event.token_reference, out->receipt.id, sizeof event.token_reference);
    amp_record_refusal(receiving->call->api, &event, AMP_ERR_NOT_AUTHENTIC);
    queues->ops->discard(queues->self, receiving->poll->receive.queue, &out->receipt);
}

/* Those that could not be told were not received: what ails log or memory makes no dead letters. */
static void give_back(struct receiving *receiving, size_t from)
{
    const struct amp_queue_engine *queues = &receiving->call->api->config.queues;
    struct amp_receipt receipts[AMP_RECEIVE_MAX];
    size_t count = 0;
    for (size_t i = from; i < receiving->count; i++)
        receipts[count++] = receiving->found[i].receipt;
    if (count > 0)
        queues->ops->give_back(queues->self, receiving->poll->receive.queue, receipts, count);
}

/* Where one cannot be told for want of memory, those before it still are. */
static enum amp_err tell_all(struct receiving *receiving)
{
    struct amp_api_call *call = receiving->call;
    for (size_t i = 0; i < receiving->count; i++) {
        enum amp_err err = tell(receiving, &receiving->found[i]);
        if (err == AMP_ERR_NOT_AUTHENTIC) {
            discard(receiving, &receiving->found[i]);
            continue;
        }
        if (err != AMP_OK) {
            give_back(receiving, i);
            receiving->count = i;
            return receiving->told > 0 ? AMP_OK : err;
        }
        if (receiving->told++ == 0)
            memcpy(call->event.token_reference, receiving->found[i].receipt.id, sizeof call->event.token_reference);
    }
    return AMP_OK;
}

static enum amp_err record(struct receiving *receiving)
{
    struct amp_api_call *call = receiving->call;
    uint64_t number;
    call->event.has_message = receiving->told == 1;
    call->event.count = receiving->told > 1 ? receiving->told : 0;
    return amp_call_record(call, false, &number);
}

/* AMP_ERR_AGAIN: there is nothing now, and nothing was answered. */
static enum amp_err receive_now(struct amp_api_call *call, const struct poll *poll)
{
    const struct amp_queue_engine *queues = &call->api->config.queues;
    struct receiving receiving = {.call = call, .poll = poll};
    enum amp_err err =
        queues->ops->receive(queues->self, &poll->receive, receiving.found, &receiving.count, &call->api->sealed);
    if (err != AMP_OK || receiving.count == 0)
        return err != AMP_OK ? err : AMP_ERR_AGAIN;
    err = amp_sqs_answer_begin(&receiving.answer, call, poll->protocol, AMP_SQS_RECEIVE_MESSAGE, 0);
    if (err != AMP_OK)
        give_back(&receiving, 0);
    if (err == AMP_OK)
        err = tell_all(&receiving);
    amp_secret_buf_clear(&call->api->sealed);
    if (err != AMP_OK || receiving.told == 0)
        return err != AMP_OK ? err : AMP_ERR_AGAIN;
    amp_sqs_list_end(&receiving.answer.writer);
    err = amp_sqs_answer_send(&receiving.answer);
    if (err == AMP_OK)
        err = record(&receiving);
    if (err != AMP_OK)
        give_back(&receiving, 0); /* nobody learns of them without a record */
    return err;
}

static enum amp_err answer_empty(struct amp_api_call *call, const struct poll *poll)
{
    struct amp_sqs_answer answer;
    enum amp_err err = amp_sqs_answer_begin(&answer, call, poll->protocol, AMP_SQS_RECEIVE_MESSAGE, 0);
    return err != AMP_OK ? err : amp_sqs_answer_send(&answer);
}

static enum amp_err park(const struct amp_sqs_call *sqs, const struct poll *poll, int64_t wait_ms)
{
    struct amp_api_call *call = sqs->call;
    struct amp_api_parked *parked;
    enum amp_err err = amp_call_park(call, AMP_PARK_POLL, amp_resume_poll, poll_size(poll), &parked);
    if (err != AMP_OK)
        return err;
    memcpy(parked->state, poll, poll_size(poll));
    struct amp_park *park = &call->response->park;
    park->until_mono_ms = amp_clock_mono_ms(&call->api->config.clock) + wait_ms;
    return amp_queue_name_parse(&park->queue, sqs->queue);
}

enum amp_err amp_sqs_receive(const struct amp_sqs_call *sqs)
{
    struct poll poll;
    int64_t wait_s;
    enum amp_err err = read_poll(sqs, &poll, &wait_s);
    if (err != AMP_OK)
        return err;
    err = receive_now(sqs->call, &poll);
    if (err != AMP_ERR_AGAIN)
        return err;
    return wait_s > 0 ? park(sqs, &poll, wait_s * 1000) : answer_empty(sqs->call, &poll);
}

/* Who lost his key while he waited, or waits at a daemon that ends, is told of nothing more. */
enum amp_err amp_resume_poll(struct amp_api_call *call, enum amp_resume why, const struct amp_api_answer *answer)
{
    const struct poll *poll = (const struct poll *)(const void *)call->parked->state;
    const struct amp_queue_engine *queues = &call->api->config.queues;
    if (why == AMP_RESUME_ENDING)
        return answer_empty(call, poll);
    enum amp_err err = receive_now(call, poll);
    if (err == AMP_ERR_AGAIN)
        return why == AMP_RESUME_LATE ? answer_empty(call, poll) : AMP_ERR_AGAIN;
    if (err != AMP_OK)
        queues->ops->nudge(queues->self, poll->receive.queue);
    return err;
}
