/*
 * The attributes of queues: one table says how each is read, where it may be set, and how it is told. Sources: SQS API
 * Reference, SetQueueAttributes and GetQueueAttributes.
 */
#include "api/sqs.h"

/* A policy that names the most queues with the longest names is shorter. */
#define VALUE_MAX            4096
#define MAX_RECEIVES_DEFAULT 10

struct attribute;

/* What is read into, and told from. */
struct subject {
    const struct amp_sqs_call *sqs;
    struct amp_queue_settings *settings;
    const struct amp_queue_view *view; /* where told; NULL: settings alone are known */
};

struct attribute {
    const char *name;
    /* NULL: it cannot be set. */
    enum amp_err (*read)(const struct attribute *attribute, const struct subject *subject, struct amp_slice value);
    /* Writes nothing where the queue has none. */
    void (*tell)(const struct attribute *attribute, const struct subject *subject, struct amp_out *out);
    bool fifo; /* of FIFO queues alone */
    size_t offset;
    uint32_t least;
    uint32_t most;
};

static enum amp_err invalid(const struct subject *subject, const char *sentence)
{
    return amp_sqs_refuse(subject->sqs, AMP_ERR_SQS_PARAMETER_INVALID, sentence);
}

/* Numbers */

static enum amp_err read_number(const struct attribute *attribute, const struct subject *subject,
                                struct amp_slice value)
{
    uint64_t number;
    if (amp_u64_parse(&number, value, attribute->most) != AMP_OK || number < attribute->least)
        return AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID;
    *(uint32_t *)(void *)((uint8_t *)subject->settings + attribute->offset) = (uint32_t)number;
    return AMP_OK;
}

static void tell_number(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
    const uint8_t *settings = (const uint8_t *)subject->settings;
    amp_out_u64(out, *(const uint32_t *)(const void *)(settings + attribute->offset));
}

static void tell_count(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
    const uint8_t *view = (const uint8_t *)subject->view;
    if (view != NULL)
        amp_out_u64(out, *(const uint64_t *)(const void *)(view + attribute->offset));
}

static void tell_time(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
    const uint8_t *view = (const uint8_t *)subject->view;
    if (view != NULL)
        amp_out_i64(out, *(const int64_t *)(const void *)(view + attribute->offset) / 1000);
}

/* Switches */

static enum amp_err read_bool(const struct attribute *attribute, const struct subject *subject, struct amp_slice value)
{
    bool on = amp_slice_is(value, "true");
    if (!on && !amp_slice_is(value, "false"))
        return AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID;
    *(bool *)((uint8_t *)subject->settings + attribute->offset) = on;
    return AMP_OK;
}

static void tell_bool(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
    const uint8_t *settings = (const uint8_t *)subject->settings;
    amp_out_str(out, *(const bool *)(settings + attribute->offset) ? "true" : "false");
}

/* What the name says already, and nothing changes. */
static enum amp_err read_fifo(const struct attribute *attribute, const struct subject *subject, struct amp_slice value)
{
    return amp_slice_is(value, subject->settings->fifo ? "true" : "false") ? AMP_OK
                                                                           : AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID;
}

/* Messages always rest sealed. */
static enum amp_err read_sealed(const struct attribute *attribute, const struct subject *subject,
                                struct amp_slice value)
{
    return amp_slice_is(value, "true") ? AMP_OK : AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID;
}

static void tell_sealed(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
    amp_out_str(out, "true");
}

/* Permissions are principals', keys the keeper's: SDKs may say that they set neither. */
static enum amp_err read_foreign(const struct attribute *attribute, const struct subject *subject,
                                 struct amp_slice value)
{
    return value.len == 0 ? AMP_OK : AMP_ERR_SQS_UNSUPPORTED;
}

static void tell_nothing(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
}

/* One of two words, which stand for off and on. */
static enum amp_err read_word(struct amp_slice value, const char *off, const char *on, bool *is_on)
{
    *is_on = amp_slice_is(value, on);
    return *is_on || amp_slice_is(value, off) ? AMP_OK : AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID;
}

static enum amp_err read_scope(const struct attribute *attribute, const struct subject *subject, struct amp_slice value)
{
    return read_word(value, "queue", "messageGroup", &subject->settings->deduplicate_per_group);
}

static void tell_scope(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
    amp_out_str(out, subject->settings->deduplicate_per_group ? "messageGroup" : "queue");
}

static enum amp_err read_throughput(const struct attribute *attribute, const struct subject *subject,
                                    struct amp_slice value)
{
    return read_word(value, "perQueue", "perMessageGroupId", &subject->settings->throughput_per_group);
}

static void tell_throughput(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
    amp_out_str(out, subject->settings->throughput_per_group ? "perMessageGroupId" : "perQueue");
}

static void tell_arn(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
    if (subject->view != NULL)
        amp_sqs_write_arn(out, amp_sqs_region(subject->sqs->call), subject->sqs->queue);
}

/* Policies: JSON in a text. It is unescaped in a copy, for the value may be read a second time. */
static enum amp_err read_policy(struct amp_slice value, const struct amp_json_member *members, size_t count, void *into,
                                uint8_t copy[VALUE_MAX])
{
    struct amp_json json;
    if (value.len > VALUE_MAX)
        return AMP_ERR_SQS_PARAMETER_INVALID;
    memcpy(copy, value.ptr, value.len);
    amp_json_init(&json, copy, value.len);
    enum amp_err err = amp_json_read_object(&json, members, count, into);
    if (err == AMP_OK)
        err = amp_json_finish(&json);
    return err == AMP_OK ? AMP_OK : AMP_ERR_SQS_PARAMETER_INVALID;
}

static enum amp_err read_arn(struct amp_json *json, struct amp_queue_name *name)
{
    struct amp_slice arn, queue;
    enum amp_err err = amp_json_read_string(json, &arn);
    if (err == AMP_OK)
        err = amp_sqs_arn_parse(arn, &queue);
    return err == AMP_OK ? amp_queue_name_parse(name, queue) : err;
}

struct redrive {
    struct amp_queue_name target;
    int64_t max_receives;
};

static enum amp_err read_target(struct amp_json *json, void *into)
{
    struct redrive *redrive = into;
    return read_arn(json, &redrive->target);
}

/* AWS takes a number and a text of one alike. */
static enum amp_err read_max_receives(struct amp_json *json, void *into)
{
    struct redrive *redrive = into;
    struct amp_slice text;
    uint64_t number;
    if (amp_json_peek(json) != AMP_JSON_STRING)
        return amp_json_read_i64(json, &redrive->max_receives);
    enum amp_err err = amp_json_read_string(json, &text);
    if (err == AMP_OK)
        err = amp_u64_parse(&number, text, INT32_MAX);
    if (err == AMP_OK)
        redrive->max_receives = (int64_t)number;
    return err;
}

static enum amp_err read_redrive(const struct attribute *attribute, const struct subject *subject,
                                 struct amp_slice value)
{
    static const struct amp_json_member members[] = {
        {"deadLetterTargetArn", read_target, true},
        {"maxReceiveCount", read_max_receives, false},
    };
    uint8_t copy[VALUE_MAX];
    struct redrive redrive = {.max_receives = MAX_RECEIVES_DEFAULT};
    struct amp_queue_settings *settings = subject->settings;
    if (value.len == 0) {
        settings->dead_letter.len = 0;
        return AMP_OK;
    }
    if (read_policy(value, members, 2, &redrive, copy) != AMP_OK)
        return invalid(subject, "The value for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a "
                                "valid JSON map of deadLetterTargetArn and maxReceiveCount.");
    if (redrive.max_receives < (int64_t)attribute->least || redrive.max_receives > (int64_t)attribute->most)
        return invalid(subject, "The value for parameter RedrivePolicy is invalid. Reason: Invalid value for "
                                "maxReceiveCount, valid values are from 1 to 1000 both inclusive.");
    settings->dead_letter = redrive.target;
    settings->max_receives = (uint32_t)redrive.max_receives;
    return AMP_OK;
}

static void tell_redrive(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
    const struct amp_queue_settings *settings = subject->settings;
    if (settings->dead_letter.len == 0)
        return;
    amp_out_str(out, "{\"deadLetterTargetArn\":\"");
    amp_sqs_write_arn(out, amp_sqs_region(subject->sqs->call), amp_queue_name_slice(&settings->dead_letter));
    amp_out_str(out, "\",\"maxReceiveCount\":");
    amp_out_u64(out, settings->max_receives);
    amp_out_byte(out, '}');
}

static const char *const allow_names[] = {
    [AMP_REDRIVE_ALLOW_ALL] = "allowAll",
    [AMP_REDRIVE_DENY_ALL] = "denyAll",
    [AMP_REDRIVE_BY_QUEUE] = "byQueue",
};
#define ALLOW_COUNT (sizeof allow_names / sizeof allow_names[0])

struct allowing {
    unsigned allow;
    uint32_t count;
    struct amp_queue_name queues[AMP_QUEUE_ALLOWED_MAX];
};

static enum amp_err read_allow(struct amp_json *json, void *into)
{
    struct allowing *allowing = into;
    struct amp_slice word;
    enum amp_err err = amp_json_read_string(json, &word);
    if (err != AMP_OK)
        return err;
    for (allowing->allow = AMP_REDRIVE_ALLOW_ALL; allowing->allow < ALLOW_COUNT; allowing->allow++) {
        if (amp_slice_is(word, allow_names[allowing->allow]))
            return AMP_OK;
    }
    return AMP_ERR_INVALID;
}

static enum amp_err read_allowed(struct amp_json *json, size_t index, void *into)
{
    struct allowing *allowing = into;
    if (index >= AMP_QUEUE_ALLOWED_MAX)
        return AMP_ERR_INVALID;
    allowing->count = (uint32_t)index + 1;
    return read_arn(json, &allowing->queues[index]);
}

static enum amp_err read_allowed_list(struct amp_json *json, void *into)
{
    return amp_json_read_array(json, read_allowed, into);
}

static enum amp_err read_redrive_allow(const struct attribute *attribute, const struct subject *subject,
                                       struct amp_slice value)
{
    static const struct amp_json_member members[] = {
        {"redrivePermission", read_allow, true},
        {"sourceQueueArns", read_allowed_list, false},
    };
    uint8_t copy[VALUE_MAX];
    struct allowing allowing = {.count = 0};
    struct amp_queue_settings *settings = subject->settings;
    enum amp_err err = value.len == 0 ? AMP_OK : read_policy(value, members, 2, &allowing, copy);
    if (err != AMP_OK || (allowing.allow == AMP_REDRIVE_BY_QUEUE) != (allowing.count > 0))
        return invalid(subject, "The value for parameter RedriveAllowPolicy is invalid. Reason: It is a JSON map of "
                                "redrivePermission (allowAll, denyAll or byQueue) and, for byQueue alone, "
                                "sourceQueueArns, 1 to 10 of them.");
    settings->redrive_allow = (enum amp_redrive_allow)allowing.allow;
    settings->allowed_count = allowing.count;
    memcpy(settings->allowed, allowing.queues, allowing.count * sizeof allowing.queues[0]);
    return AMP_OK;
}

static void tell_redrive_allow(const struct attribute *attribute, const struct subject *subject, struct amp_out *out)
{
    const struct amp_queue_settings *settings = subject->settings;
    if (settings->redrive_allow == AMP_REDRIVE_UNSAID)
        return;
    amp_out_str(out, "{\"redrivePermission\":\"");
    amp_out_str(out, allow_names[settings->redrive_allow]);
    amp_out_byte(out, '"');
    for (uint32_t i = 0; i < settings->allowed_count; i++) {
        amp_out_str(out, i == 0 ? ",\"sourceQueueArns\":[\"" : ",\"");
        amp_sqs_write_arn(out, amp_sqs_region(subject->sqs->call), amp_queue_name_slice(&settings->allowed[i]));
        amp_out_byte(out, '"');
    }
    if (settings->allowed_count > 0)
        amp_out_byte(out, ']');
    amp_out_byte(out, '}');
}

#define SETTING(member) offsetof(struct amp_queue_settings, member)
#define VIEW(member)    offsetof(struct amp_queue_view, member)

static const struct attribute attributes[] = {
    {"VisibilityTimeout", read_number, tell_number, false, SETTING(visibility_s), 0, 43200},
    {"MaximumMessageSize", read_number, tell_number, false, SETTING(max_message_bytes), 1024, AMP_SQS_MAX_BODY},
    {"MessageRetentionPeriod", read_number, tell_number, false, SETTING(retention_s), 60, AMP_QUEUE_RETENTION_MAX_S},
    {"DelaySeconds", read_number, tell_number, false, SETTING(delay_s), 0, 900},
    {"ReceiveMessageWaitTimeSeconds", read_number, tell_number, false, SETTING(wait_s), 0, 20},
    {"RedrivePolicy", read_redrive, tell_redrive, false, 0, 1, 1000},
    {"RedriveAllowPolicy", read_redrive_allow, tell_redrive_allow, false, 0, 0, 0},
    {"FifoQueue", read_fifo, tell_bool, true, SETTING(fifo), 0, 0},
    {"ContentBasedDeduplication", read_bool, tell_bool, true, SETTING(content_based_deduplication), 0, 0},
    {"DeduplicationScope", read_scope, tell_scope, true, 0, 0, 0},
    {"FifoThroughputLimit", read_throughput, tell_throughput, true, 0, 0, 0},
    {"SqsManagedSseEnabled", read_sealed, tell_sealed, false, 0, 0, 0},
    {"Policy", read_foreign, tell_nothing, false, 0, 0, 0},
    {"KmsMasterKeyId", read_foreign, tell_nothing, false, 0, 0, 0},
    {"KmsDataKeyReusePeriodSeconds", read_foreign, tell_nothing, false, 0, 0, 0},
    {"ApproximateNumberOfMessages", NULL, tell_count, false, VIEW(available), 0, 0},
    {"ApproximateNumberOfMessagesNotVisible", NULL, tell_count, false, VIEW(in_flight), 0, 0},
    {"ApproximateNumberOfMessagesDelayed", NULL, tell_count, false, VIEW(delayed), 0, 0},
    {"CreatedTimestamp", NULL, tell_time, false, VIEW(created_unix_ms), 0, 0},
    {"LastModifiedTimestamp", NULL, tell_time, false, VIEW(modified_unix_ms), 0, 0},
    {"QueueArn", NULL, tell_arn, false, 0, 0, 0},
};
#define COUNT (sizeof attributes / sizeof attributes[0])

static const struct attribute *find(struct amp_slice name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (amp_slice_is(name, attributes[i].name))
            return &attributes[i];
    }
    return NULL;
}

const struct amp_sqs_pair *amp_sqs_pairs_find(const struct amp_sqs_pairs *pairs, const char *name)
{
    for (uint32_t i = 0; i < pairs->count; i++) {
        if (amp_slice_is(pairs->at[i].name, name))
            return &pairs->at[i];
    }
    return NULL;
}

/* Of a standard queue it may be said that it is no FIFO queue, and nothing else that belongs to those. */
static bool is_of_kind(const struct attribute *attribute, const struct subject *subject, struct amp_slice value)
{
    return !attribute->fifo || subject->settings->fifo ||
           (attribute->read == read_fifo && amp_slice_is(value, "false"));
}

static enum amp_err apply(const struct subject *subject, const struct amp_sqs_pair *pair)
{
    const struct attribute *attribute = find(pair->name);
    if (attribute == NULL || attribute->read == NULL || !is_of_kind(attribute, subject, pair->value))
        return AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID;
    return attribute->read(attribute, subject, pair->value);
}

enum amp_err amp_sqs_attributes_apply(const struct amp_sqs_call *sqs, const struct amp_sqs_pairs *pairs,
                                      struct amp_queue_settings *settings)
{
    const struct subject subject = {.sqs = sqs, .settings = settings};
    for (uint32_t i = 0; i < pairs->count; i++) {
        enum amp_err err = apply(&subject, &pairs->at[i]);
        if (err != AMP_OK)
            return err;
    }
    /* SQS Developer Guide, "high throughput for FIFO queues": the one is nothing without the other. */
    if (settings->throughput_per_group && !settings->deduplicate_per_group)
        return AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID;
    return AMP_OK;
}

bool amp_sqs_attributes_agree(const struct amp_sqs_call *sqs, const struct amp_sqs_pairs *pairs,
                              const struct amp_queue_settings *a, const struct amp_queue_settings *b)
{
    uint8_t told_a[VALUE_MAX], told_b[VALUE_MAX];
    struct amp_queue_settings settings[] = {*a, *b};
    for (uint32_t i = 0; i < pairs->count; i++) {
        const struct attribute *attribute = find(pairs->at[i].name);
        struct amp_out out_a = amp_out(told_a, sizeof told_a), out_b = amp_out(told_b, sizeof told_b);
        if (attribute == NULL)
            return false; /* not among those that were applied */
        attribute->tell(attribute, &(struct subject){.sqs = sqs, .settings = &settings[0]}, &out_a);
        attribute->tell(attribute, &(struct subject){.sqs = sqs, .settings = &settings[1]}, &out_b);
        if (!amp_slice_equal(amp_out_done(&out_a), amp_out_done(&out_b)))
            return false;
    }
    return true;
}

static bool allows(const struct amp_queue_settings *target, struct amp_slice source)
{
    for (uint32_t i = 0; i < target->allowed_count; i++) {
        if (amp_slice_equal(amp_queue_name_slice(&target->allowed[i]), source))
            return true;
    }
    return target->redrive_allow == AMP_REDRIVE_UNSAID || target->redrive_allow == AMP_REDRIVE_ALLOW_ALL;
}

/* Whoever sets it makes messages go there: it takes the permission of one who may send there, or manage it. */
enum amp_err amp_sqs_attributes_check(const struct amp_sqs_call *sqs, const struct amp_sqs_pairs *pairs,
                                      const struct amp_queue_settings *settings)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_slice target = amp_queue_name_slice(&settings->dead_letter);
    struct amp_queue_view view;
    if (target.len == 0 || amp_sqs_pairs_find(pairs, "RedrivePolicy") == NULL)
        return AMP_OK;
    if (!amp_sqs_may(sqs->call, AMP_MAY_SEND | AMP_MAY_MANAGE, target))
        return AMP_ERR_NOT_PERMITTED;
    enum amp_err err = queues->ops->look(queues->self, target, &view);
    if (err == AMP_ERR_QUEUE_UNKNOWN || amp_slice_equal(target, sqs->queue))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not "
                              "exist.");
    if (err != AMP_OK)
        return err;
    if (view.settings.fifo != settings->fifo)
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The value for parameter RedrivePolicy is invalid. Reason: Dead-letter queue must be "
                              "same type of queue as the source.");
    if (!allows(&view.settings, sqs->queue))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                              "The value for parameter RedrivePolicy is invalid. Reason: The dead-letter queue's "
                              "RedriveAllowPolicy does not allow this source queue.");
    return AMP_OK;
}

static enum amp_err edit(void *ctx, struct amp_queue_settings *settings, struct amp_queue_tags *tags)
{
    const struct amp_sqs_call *sqs = ctx;
    return amp_sqs_attributes_apply(sqs, &sqs->asked->attributes, settings);
}

/* What can be refused is, before the queue is locked: another one must be looked at. */
enum amp_err amp_sqs_attributes_set(const struct amp_sqs_call *sqs)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_sqs_call ctx = *sqs;
    struct amp_queue_view view;
    uint64_t number;
    enum amp_err err = queues->ops->look(queues->self, sqs->queue, &view);
    if (err == AMP_OK)
        err = amp_sqs_attributes_apply(sqs, &sqs->asked->attributes, &view.settings);
    if (err == AMP_OK)
        err = amp_sqs_attributes_check(sqs, &sqs->asked->attributes, &view.settings);
    if (err == AMP_OK)
        err = amp_sqs_answer_done(sqs);
    if (err == AMP_OK)
        err = queues->ops->change(queues->self, sqs->queue, edit, &ctx);
    return err != AMP_OK ? err : amp_call_record(sqs->call, false, &number);
}

/* Which of the table were asked for; AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID for a name that is none. */
static enum amp_err read_names(const struct amp_sqs_names *names, bool wanted[COUNT])
{
    memset(wanted, 0, COUNT * sizeof wanted[0]);
    for (uint32_t i = 0; i < names->count; i++) {
        const struct attribute *attribute = find(names->at[i]);
        bool all = amp_slice_is(names->at[i], "All");
        if (attribute == NULL && !all)
            return AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID;
        for (size_t a = 0; a < COUNT; a++)
            wanted[a] = wanted[a] || all || &attributes[a] == attribute;
    }
    return AMP_OK;
}

static enum amp_err tell_wanted(struct amp_sqs_answer *answer, const struct subject *subject, const bool wanted[COUNT])
{
    uint8_t value[VALUE_MAX];
    bool begun = false;
    for (size_t a = 0; a < COUNT; a++) {
        struct amp_out out = amp_out(value, sizeof value);
        if (wanted[a] && (!attributes[a].fifo || subject->settings->fifo))
            attributes[a].tell(&attributes[a], subject, &out);
        if (out.len == 0)
            continue;
        enum amp_err err = amp_sqs_answer_reserve(
            answer, 2 * AMP_SQS_AROUND + amp_sqs_escaped_len(answer->writer.protocol, amp_out_done(&out)));
        if (err != AMP_OK)
            return err;
        if (!begun)
            amp_sqs_map_begin(&answer->writer, "Attributes");
        begun = true;
        amp_sqs_map_text(&answer->writer, "Attribute", "Name", amp_slice_str(attributes[a].name), amp_out_done(&out));
    }
    if (begun)
        amp_sqs_map_end(&answer->writer);
    return AMP_OK;
}

enum amp_err amp_sqs_attributes_get(const struct amp_sqs_call *sqs)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_sqs_answer answer;
    struct amp_queue_view view;
    bool wanted[COUNT];
    uint64_t number;
    const struct subject subject = {.sqs = sqs, .settings = &view.settings, .view = &view};
    enum amp_err err = queues->ops->look(queues->self, sqs->queue, &view);
    if (err == AMP_OK)
        err = read_names(&sqs->asked->attribute_names, wanted);
    if (err == AMP_OK)
        err = amp_sqs_answer_begin(&answer, sqs->call, sqs->asked->protocol, sqs->asked->action, 0);
    if (err == AMP_OK)
        err = tell_wanted(&answer, &subject, wanted);
    if (err == AMP_OK)
        err = amp_sqs_answer_send(&answer);
    return err != AMP_OK ? err : amp_call_record(sqs->call, false, &number);
}
