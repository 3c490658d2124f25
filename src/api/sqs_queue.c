/* Queues come and go: made, found, emptied, deleted. */
#include "api/sqs.h"

#define FIFO_NAME_SENTENCE                                                                                             \
    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo " \
    "suffix and be 1 to 80 in length."

static enum amp_err answer_url(const struct amp_sqs_call *sqs)
{
    struct amp_sqs_answer answer;
    uint8_t storage[AMP_SQS_URL_MAX];
    struct amp_slice url;
    enum amp_err err = amp_sqs_answer_begin(&answer, sqs->call, sqs->asked->protocol, sqs->asked->action,
                                            AMP_SQS_AROUND + 6 * AMP_SQS_URL_MAX);
    if (err == AMP_OK)
        err = amp_sqs_put_url(&answer, sqs->queue, storage, &url);
    if (err != AMP_OK)
        return err;
    amp_sqs_put_text(&answer.writer, "QueueUrl", url);
    return amp_sqs_answer_send(&answer);
}

/* The answer is made before the act: what cannot be told is not done. */
static enum amp_err record(const struct amp_sqs_call *sqs)
{
    uint64_t number;
    return amp_call_record(sqs->call, false, &number);
}

/* Whether the queue that is there is the one that is wanted, as far as the request says what it wants. */
static enum amp_err compare(const struct amp_sqs_call *sqs, const struct amp_queue_settings *there,
                            const struct amp_queue_settings *wanted, const struct amp_queue_tags *wanted_tags)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_queue_tags tags = {0};
    if (!amp_sqs_attributes_agree(sqs, &sqs->asked->attributes, there, wanted))
        return AMP_ERR_QUEUE_NAME_EXISTS;
    if (sqs->asked->tags.count == 0)
        return AMP_OK;
    enum amp_err err = queues->ops->tags(queues->self, sqs->queue, &tags);
    if (err == AMP_OK && (tags.count != wanted_tags->count ||
                          !amp_slice_equal(amp_slice(tags.packed.ptr, tags.packed.len),
                                           amp_slice(wanted_tags->packed.ptr, wanted_tags->packed.len))))
        err = AMP_ERR_QUEUE_NAME_EXISTS;
    amp_secret_buf_free(&tags.packed);
    return err;
}

/* One that is there with what was asked for is as good as made (CreateQueue, API Reference). */
static enum amp_err make(const struct amp_sqs_call *sqs, const struct amp_queue_settings *wanted,
                         const struct amp_queue_tags *tags)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_queue_view view;
    bool existed;
    enum amp_err err = queues->ops->look(queues->self, sqs->queue, &view);
    if (err == AMP_OK)
        return compare(sqs, &view.settings, wanted, tags);
    return err == AMP_ERR_QUEUE_UNKNOWN ? queues->ops->create(queues->self, sqs->queue, wanted, tags, &existed) : err;
}

/* Name and attribute must both say that a queue is FIFO. */
static enum amp_err check_kind(const struct amp_sqs_call *sqs, bool fifo)
{
    const struct amp_sqs_pair *said = amp_sqs_pairs_find(&sqs->asked->attributes, "FifoQueue");
    if (fifo && said == NULL)
        return AMP_ERR_QUEUE_INVALID;
    if (!fifo && said != NULL && amp_slice_is(said->value, "true"))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID, FIFO_NAME_SENTENCE);
    return AMP_OK;
}

enum amp_err amp_sqs_queue_create(const struct amp_sqs_call *sqs)
{
    const struct amp_sqs_pairs *attributes = &sqs->asked->attributes;
    struct amp_queue_settings settings;
    struct amp_queue_tags tags = {0};
    bool fifo = amp_queue_name_is_fifo(sqs->queue);
    enum amp_err err = check_kind(sqs, fifo);
    amp_queue_settings_default(&settings, fifo);
    if (err == AMP_OK)
        err = amp_sqs_attributes_apply(sqs, attributes, &settings);
    if (err == AMP_OK)
        err = amp_sqs_attributes_check(sqs, attributes, &settings);
    if (err == AMP_OK)
        err = amp_sqs_tags_apply(sqs, &sqs->asked->tags, &tags, &settings);
    if (err == AMP_OK)
        err = answer_url(sqs);
    if (err == AMP_OK)
        err = make(sqs, &settings, &tags);
    amp_secret_buf_free(&tags.packed);
    return err != AMP_OK ? err : record(sqs);
}

/* One that is pushed, and not there yet, can be sent to: it has its URL. */
enum amp_err amp_sqs_queue_url(const struct amp_sqs_call *sqs)
{
    const struct amp_api_config *config = &sqs->call->api->config;
    struct amp_slice owner = sqs->asked->queue_owner;
    struct amp_queue_view view;
    if (owner.ptr != NULL && !amp_slice_is(owner, AMP_SQS_ACCOUNT))
        return AMP_ERR_QUEUE_UNKNOWN;
    enum amp_err err = config->queues.ops->look(config->queues.self, sqs->queue, &view);
    if (err == AMP_ERR_QUEUE_UNKNOWN && amp_subscribers_any(config->subscribers, sqs->queue))
        err = AMP_OK;
    if (err == AMP_OK)
        err = answer_url(sqs);
    return err != AMP_OK ? err : record(sqs);
}

enum amp_err amp_sqs_queue_delete(const struct amp_sqs_call *sqs)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_queue_view view;
    enum amp_err err = queues->ops->look(queues->self, sqs->queue, &view);
    if (err == AMP_OK)
        err = amp_sqs_answer_done(sqs);
    if (err == AMP_OK)
        err = queues->ops->destroy(queues->self, sqs->queue);
    if (err != AMP_OK)
        return err;
    sqs->call->event.count = view.available + view.in_flight + view.delayed;
    return record(sqs);
}

enum amp_err amp_sqs_queue_purge(const struct amp_sqs_call *sqs)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    enum amp_err err = amp_sqs_answer_done(sqs);
    if (err == AMP_OK)
        err = queues->ops->purge(queues->self, sqs->queue, &sqs->call->event.count);
    return err != AMP_OK ? err : record(sqs);
}
