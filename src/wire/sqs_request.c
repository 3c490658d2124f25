/* What both protocols share: which of them is spoken, and a request that has nothing in it yet. */
#include "base/text.h"
#include "wire/chars.h"
#include "wire/http1.h"
#include "wire/sqs_model.h"

#define TARGET_PREFIX AMP_SLICE_LIT("AmazonSQS.")

/* AWS JSON 1.0: "AmazonSQS.SendMessage". */
static enum amp_err action_of(struct amp_slice target, enum amp_sqs_action *action)
{
    const struct amp_slice prefix = TARGET_PREFIX;
    if (target.ptr == NULL)
        return AMP_ERR_SQS_MISSING_ACTION;
    if (target.len < prefix.len || memcmp(target.ptr, prefix.ptr, prefix.len) != 0)
        return AMP_ERR_SQS_INVALID_ACTION;
    struct amp_slice name = amp_slice(target.ptr + prefix.len, target.len - prefix.len);
    return amp_sqs_action_find(name, action) ? AMP_OK : AMP_ERR_SQS_INVALID_ACTION;
}

/* Without parameters: a charset changes nothing, the bytes are UTF-8 or refused. */
static struct amp_slice media_type(struct amp_slice content_type)
{
    struct amp_slice type;
    return amp_slice_trim(amp_slice_cut(&content_type, ';', &type) ? type : content_type);
}

static enum amp_err protocol_and_action(const struct amp_http1_head *head, enum amp_sqs_protocol *protocol,
                                        enum amp_sqs_action *action)
{
    struct amp_slice type, target;
    *protocol = AMP_SQS_JSON;
    enum amp_err err = amp_http1_single(head, "content-type", &type);
    if (err == AMP_OK)
        err = amp_http1_single(head, "x-amz-target", &target);
    if (err != AMP_OK)
        return err;
    type = media_type(type);
    if (amp_name_is(type, AMP_SLICE_LIT("application/x-amz-json-1.0")) ||
        amp_name_is(type, AMP_SLICE_LIT("application/x-amz-json-1.1")))
        return action_of(target, action);
    if (target.ptr == NULL)
        *protocol = AMP_SQS_QUERY;
    return amp_name_is(type, AMP_SLICE_LIT("application/x-www-form-urlencoded")) && target.ptr == NULL
               ? AMP_OK
               : AMP_ERR_UNSUPPORTED_MEDIA_TYPE;
}

enum amp_err amp_sqs_protocol_of(const struct amp_http1_head *head, enum amp_sqs_protocol *protocol)
{
    enum amp_sqs_action action;
    return protocol_and_action(head, protocol, &action);
}

void amp_sqs_entry_reset(struct amp_sqs_entry *entry)
{
    const struct amp_slice absent = {NULL, 0};
    entry->id = absent;
    entry->body = absent;
    entry->receipt_handle = absent;
    entry->group_id = absent;
    entry->deduplication_id = absent;
    entry->delay_s = AMP_SQS_ABSENT;
    entry->visibility_s = AMP_SQS_ABSENT;
    entry->attributes.count = 0;
    entry->system_attributes.count = 0;
}

static void reset(struct amp_sqs_request *request)
{
    const struct amp_slice absent = {NULL, 0};
    request->queue_url = absent;
    request->queue_name = absent;
    request->queue_name_prefix = absent;
    request->queue_owner = absent;
    request->next_token = absent;
    request->source_arn = absent;
    request->destination_arn = absent;
    request->task_handle = absent;
    request->attempt_id = absent;
    request->max_results = AMP_SQS_ABSENT;
    request->max_messages = AMP_SQS_ABSENT;
    request->max_per_second = AMP_SQS_ABSENT;
    request->wait_s = AMP_SQS_ABSENT;
    request->attributes.present = request->tags.present = false;
    request->attributes.count = request->tags.count = 0;
    request->attribute_names.present = request->message_attribute_names.present = request->tag_keys.present = false;
    request->attribute_names.count = request->message_attribute_names.count = request->tag_keys.count = 0;
    request->has_entries = false;
    request->entry_count = 0;
    amp_sqs_entry_reset(&request->one);
}

enum amp_err amp_sqs_decode(struct amp_sqs_request *request, const struct amp_http1_head *head, uint8_t *body,
                            size_t len)
{
    reset(request);
    request->action = AMP_SQS_ACTION_COUNT_;
    enum amp_err err = protocol_and_action(head, &request->protocol, &request->action);
    if (err != AMP_OK)
        return err;
    return request->protocol == AMP_SQS_JSON ? amp_sqs_decode_json(request, body, len)
                                             : amp_sqs_decode_query(request, body, len);
}

amp_sqs_number amp_sqs_number_of(struct amp_slice text)
{
    uint64_t value;
    return amp_u64_parse(&value, text, INT64_MAX) == AMP_OK ? (amp_sqs_number)value : AMP_SQS_NO_NUMBER;
}
