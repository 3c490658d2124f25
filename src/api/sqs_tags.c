/* Tags of queues. Those of our own mean something; of "ampoule:" there are no others. */
#include "api/sqs.h"

#define TTL_TAG    "ampoule:ttl-ms"
#define TTL_MIN_MS 1000
#define TTL_MAX_MS 1209600000

static size_t characters(struct amp_slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += (text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static bool begins(struct amp_slice text, const char *head)
{
    size_t len = strlen(head);
    return text.len >= len && amp_slice_equal_nocase(amp_slice(text.ptr, len), amp_slice(head, len));
}

static enum amp_err check_tag(const struct amp_sqs_call *sqs, const struct amp_sqs_pair *tag)
{
    if (tag->name.len == 0 || characters(tag->name) > AMP_QUEUE_TAG_KEY_MAX || !amp_sqs_text_valid(tag->name))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "Tag keys must be between 1 and 128 characters in "
                              "length.");
    if (characters(tag->value) > AMP_QUEUE_TAG_VALUE_MAX || !amp_sqs_text_valid(tag->value))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "Tag values must be between 0 and 256 characters in "
                              "length.");
    if (begins(tag->name, "aws:"))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID, "Tag keys that begin with aws: are reserved.");
    return AMP_OK;
}

/* A misspelt one that were only kept would leave messages alive for days that were to live for seconds. */
static enum amp_err apply_own(const struct amp_sqs_call *sqs, const struct amp_sqs_pair *tag,
                              struct amp_queue_settings *settings)
{
    uint64_t ttl_ms;
    if (!begins(tag->name, "ampoule:"))
        return AMP_OK;
    if (!amp_slice_is(tag->name, TTL_TAG))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The only tag that begins with ampoule: is "
                              "ampoule:ttl-ms.");
    if (amp_u64_parse(&ttl_ms, tag->value, TTL_MAX_MS) != AMP_OK || ttl_ms < TTL_MIN_MS)
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The tag ampoule:ttl-ms must be a whole number "
                              "between 1000 and 1209600000.");
    settings->ttl_ms = (int64_t)ttl_ms;
    return AMP_OK;
}

enum amp_err amp_sqs_tags_apply(const struct amp_sqs_call *sqs, const struct amp_sqs_pairs *pairs,
                                struct amp_queue_tags *tags, struct amp_queue_settings *settings)
{
    for (uint32_t i = 0; i < pairs->count; i++) {
        const struct amp_sqs_pair *tag = &pairs->at[i];
        enum amp_err err = check_tag(sqs, tag);
        if (err == AMP_OK)
            err = apply_own(sqs, tag, settings);
        if (err == AMP_OK)
            err = amp_queue_tags_set(tags, tag->name, tag->value);
        if (err == AMP_ERR_OVER_LIMIT)
            err = amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID, "Too many tags: a queue may have 50.");
        if (err != AMP_OK)
            return err;
    }
    return AMP_OK;
}

static enum amp_err set(void *ctx, struct amp_queue_settings *settings, struct amp_queue_tags *tags)
{
    const struct amp_sqs_call *sqs = ctx;
    return amp_sqs_tags_apply(sqs, &sqs->asked->tags, tags, settings);
}

static enum amp_err remove_keys(void *ctx, struct amp_queue_settings *settings, struct amp_queue_tags *tags)
{
    const struct amp_sqs_call *sqs = ctx;
    for (uint32_t i = 0; i < sqs->asked->tag_keys.count; i++) {
        amp_queue_tags_remove(tags, sqs->asked->tag_keys.at[i]);
        if (amp_slice_is(sqs->asked->tag_keys.at[i], TTL_TAG))
            settings->ttl_ms = 0;
    }
    return AMP_OK;
}

static enum amp_err change(const struct amp_sqs_call *sqs,
                           enum amp_err (*edit)(void *ctx, struct amp_queue_settings *settings,
                                                struct amp_queue_tags *tags))
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_sqs_call ctx = *sqs;
    uint64_t number;
    enum amp_err err = amp_sqs_answer_done(sqs);
    if (err == AMP_OK)
        err = queues->ops->change(queues->self, sqs->queue, edit, &ctx);
    return err != AMP_OK ? err : amp_call_record(sqs->call, false, &number);
}

enum amp_err amp_sqs_tags_set(const struct amp_sqs_call *sqs)
{
    return change(sqs, set);
}

enum amp_err amp_sqs_tags_remove(const struct amp_sqs_call *sqs)
{
    return change(sqs, remove_keys);
}

static size_t tags_len(const struct amp_sqs_call *sqs, const struct amp_queue_tags *tags)
{
    struct amp_slice key, value;
    size_t at = 0, len = AMP_SQS_AROUND;
    while (amp_queue_tags_next(tags, &at, &key, &value))
        len += AMP_SQS_AROUND + amp_sqs_escaped_len(sqs->asked->protocol, key) +
               amp_sqs_escaped_len(sqs->asked->protocol, value);
    return len;
}

static enum amp_err write_tags(const struct amp_sqs_call *sqs, const struct amp_queue_tags *tags)
{
    struct amp_sqs_answer answer;
    struct amp_slice key, value;
    size_t at = 0;
    enum amp_err err =
        amp_sqs_answer_begin(&answer, sqs->call, sqs->asked->protocol, sqs->asked->action, tags_len(sqs, tags));
    if (err != AMP_OK)
        return err;
    if (tags->count > 0) {
        amp_sqs_map_begin(&answer.writer, "Tags");
        while (amp_queue_tags_next(tags, &at, &key, &value))
            amp_sqs_map_text(&answer.writer, "Tag", "Key", key, value);
        amp_sqs_map_end(&answer.writer);
    }
    return amp_sqs_answer_send(&answer);
}

enum amp_err amp_sqs_tags_list(const struct amp_sqs_call *sqs)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_queue_tags tags = {0};
    uint64_t number;
    enum amp_err err = queues->ops->tags(queues->self, sqs->queue, &tags);
    if (err == AMP_OK)
        err = write_tags(sqs, &tags);
    amp_secret_buf_free(&tags.packed);
    return err != AMP_OK ? err : amp_call_record(sqs->call, false, &number);
}
