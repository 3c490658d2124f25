/* What the tests of the SQS codecs share: requests decoded from blocks of exactly their size, and shown as text. */
#ifndef AMP_TESTS_SQS_SUPPORT_H
#define AMP_TESTS_SQS_SUPPORT_H

#include "wire_support.h"

#include "crypto/crypto.h"
#include "wire/sqs.h"

#define JSON_TYPE "application/x-amz-json-1.0"
#define FORM_TYPE "application/x-www-form-urlencoded; charset=utf-8"

struct golden_request {
    enum amp_sqs_action action;
    const char *target;
    const char *json;
    const char *form;
    const char *shown;
};

#define GOLDEN(text)                                                                                                   \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }
struct golden_digest {
    const char *md5;
    uint32_t count;
    struct amp_sqs_attribute at[AMP_SQS_ATTRIBUTES_MAX];
};

struct golden_answer {
    const char *json;
    const char *xml;
};

#include "sqs_golden.h"

static inline int start_crypto(void **state)
{
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

/* A request, and the body it borrows from. */
struct decoded {
    struct amp_sqs_request *request;
    uint8_t *body;
};

static inline void decoded_free(struct decoded *decoded)
{
    free(decoded->request);
    free(decoded->body);
}

/* `target` NULL: no such header. What a request does not fill is garbage, so that whatever reads it is found out. */
static inline enum amp_err decode_bytes(struct decoded *decoded, const char *type, const char *target, const void *body,
                                        size_t len)
{
    struct amp_http1_head *head = calloc(1, sizeof(*head));
    assert_non_null(head);
    head->fields[head->field_count++] = (struct amp_http1_field){AMP_SLICE_LIT("Content-Type"), amp_slice_str(type)};
    if (target != NULL)
        head->fields[head->field_count++] =
            (struct amp_http1_field){AMP_SLICE_LIT("X-Amz-Target"), amp_slice_str(target)};
    decoded->request = malloc(sizeof(*decoded->request));
    assert_non_null(decoded->request);
    memset(decoded->request, 0xa5, sizeof(*decoded->request));
    decoded->body = exact_copy(body, len);
    enum amp_err err = amp_sqs_decode(decoded->request, head, decoded->body, len);
    free(head);
    return err;
}

static inline enum amp_err decode_json(struct decoded *decoded, const char *action, const char *body)
{
    char target[80];
    snprintf(target, sizeof(target), "AmazonSQS.%s", action);
    return decode_bytes(decoded, JSON_TYPE, target, body, strlen(body));
}

static inline enum amp_err decode_form(struct decoded *decoded, const char *form)
{
    return decode_bytes(decoded, FORM_TYPE, NULL, form, strlen(form));
}

static inline enum amp_err json_error(const char *action, const char *body)
{
    struct decoded decoded;
    enum amp_err err = decode_json(&decoded, action, body);
    decoded_free(&decoded);
    return err;
}

static inline enum amp_err form_error(const char *form)
{
    struct decoded decoded;
    enum amp_err err = decode_form(&decoded, form);
    decoded_free(&decoded);
    return err;
}

static inline void show_text(struct amp_out *out, const char *name, struct amp_slice value)
{
    if (value.ptr == NULL)
        return;
    amp_out_str(out, name);
    amp_out_byte(out, '=');
    amp_out_slice(out, value);
    amp_out_byte(out, ';');
}

static inline void show_number(struct amp_out *out, const char *name, amp_sqs_number value)
{
    if (value == AMP_SQS_ABSENT)
        return;
    amp_out_str(out, name);
    amp_out_byte(out, '=');
    if (value == AMP_SQS_NO_NUMBER)
        amp_out_str(out, "none");
    else
        amp_out_i64(out, value);
    amp_out_byte(out, ';');
}

static inline void show_pairs(struct amp_out *out, const char *name, const struct amp_sqs_pairs *pairs)
{
    if (!pairs->present)
        return;
    amp_out_str(out, name);
    amp_out_byte(out, '{');
    for (uint32_t i = 0; i < pairs->count; i++) {
        amp_out_slice(out, pairs->at[i].name);
        amp_out_byte(out, '=');
        amp_out_slice(out, pairs->at[i].value);
        amp_out_byte(out, ',');
    }
    amp_out_byte(out, '}');
}

static inline void show_names(struct amp_out *out, const char *name, const struct amp_sqs_names *names)
{
    if (!names->present)
        return;
    amp_out_str(out, name);
    amp_out_byte(out, '[');
    for (uint32_t i = 0; i < names->count; i++) {
        amp_out_slice(out, names->at[i]);
        amp_out_byte(out, ',');
    }
    amp_out_byte(out, ']');
}

static inline void show_attributes(struct amp_out *out, const char *name, const struct amp_sqs_attributes *attributes)
{
    if (attributes->count == 0)
        return;
    amp_out_str(out, name);
    amp_out_byte(out, '{');
    for (uint32_t i = 0; i < attributes->count; i++) {
        const struct amp_sqs_attribute *attribute = &attributes->at[i];
        amp_out_slice(out, attribute->name);
        amp_out_byte(out, '(');
        amp_out_slice(out, attribute->type);
        amp_out_str(out, ")=");
        if (attribute->binary)
            amp_out_hex(out, attribute->value.ptr, attribute->value.len);
        else
            amp_out_slice(out, attribute->value);
        amp_out_byte(out, ',');
    }
    amp_out_byte(out, '}');
}

static inline void show_entry(struct amp_out *out, const struct amp_sqs_entry *entry)
{
    show_text(out, "Id", entry->id);
    show_text(out, "MessageBody", entry->body);
    show_text(out, "ReceiptHandle", entry->receipt_handle);
    show_text(out, "MessageGroupId", entry->group_id);
    show_text(out, "MessageDeduplicationId", entry->deduplication_id);
    show_number(out, "DelaySeconds", entry->delay_s);
    show_number(out, "VisibilityTimeout", entry->visibility_s);
    show_attributes(out, "MessageAttributes", &entry->attributes);
    show_attributes(out, "MessageSystemAttributes", &entry->system_attributes);
}

/* What a request holds, and that it holds nothing else. */
static inline void show(struct amp_out *out, const struct amp_sqs_request *request)
{
    show_text(out, "QueueUrl", request->queue_url);
    show_text(out, "QueueName", request->queue_name);
    show_text(out, "QueueNamePrefix", request->queue_name_prefix);
    show_text(out, "QueueOwnerAWSAccountId", request->queue_owner);
    show_text(out, "NextToken", request->next_token);
    show_text(out, "SourceArn", request->source_arn);
    show_text(out, "DestinationArn", request->destination_arn);
    show_text(out, "TaskHandle", request->task_handle);
    show_text(out, "ReceiveRequestAttemptId", request->attempt_id);
    show_number(out, "MaxResults", request->max_results);
    show_number(out, "MaxNumberOfMessages", request->max_messages);
    show_number(out, "MaxNumberOfMessagesPerSecond", request->max_per_second);
    show_number(out, "WaitTimeSeconds", request->wait_s);
    show_pairs(out, "Attributes", &request->attributes);
    show_pairs(out, "Tags", &request->tags);
    show_names(out, "AttributeNames", &request->attribute_names);
    show_names(out, "MessageAttributeNames", &request->message_attribute_names);
    show_names(out, "TagKeys", &request->tag_keys);
    show_entry(out, &request->one);
    if (!request->has_entries)
        return;
    amp_out_str(out, "Entries[");
    for (uint32_t i = 0; i < request->entry_count && i < AMP_SQS_BATCH_MAX; i++) {
        show_entry(out, &request->entries[i]);
        amp_out_byte(out, '|');
    }
    amp_out_byte(out, ']');
}

static inline void assert_shown(const struct decoded *decoded, const char *expected)
{
    static uint8_t storage[64 * 1024];
    struct amp_out out = amp_out(storage, sizeof(storage));
    show(&out, decoded->request);
    assert_false(out.overflow);
    assert_slice(amp_out_done(&out), expected);
}

#endif
