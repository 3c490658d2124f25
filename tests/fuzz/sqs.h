/* What the fuzz targets of both SQS protocols check of whatever was accepted. */
#ifndef AMP_TESTS_FUZZ_SQS_H
#define AMP_TESTS_FUZZ_SQS_H

#include "fuzz.h"

#include "base/text.h"
#include "crypto/crypto.h"
#include "wire/http1.h"
#include "wire/sqs.h"

struct fuzz_body {
    const uint8_t *at;
    size_t len;
};

/* Within the body, and read to its end. */
static inline void check_slice(struct fuzz_body body, struct amp_slice s, bool text)
{
    if (s.ptr == NULL)
        return;
    FUZZ_CHECK(s.ptr >= body.at && s.len <= body.len && (size_t)(s.ptr - body.at) <= body.len - s.len);
    FUZZ_CHECK(!text || amp_utf8_valid(s));
}

static inline void check_pairs(struct fuzz_body body, const struct amp_sqs_pairs *pairs)
{
    FUZZ_CHECK(pairs->count <= AMP_SQS_PAIRS_MAX && (pairs->present || pairs->count == 0));
    for (uint32_t i = 0; i < pairs->count; i++) {
        check_slice(body, pairs->at[i].name, true);
        check_slice(body, pairs->at[i].value, true);
        FUZZ_CHECK(pairs->at[i].name.ptr != NULL && pairs->at[i].value.ptr != NULL);
        for (uint32_t j = 0; j < i; j++)
            FUZZ_CHECK(!amp_slice_equal(pairs->at[i].name, pairs->at[j].name));
    }
}

static inline void check_names(struct fuzz_body body, const struct amp_sqs_names *names)
{
    FUZZ_CHECK(names->count <= AMP_SQS_NAMES_MAX && (names->present || names->count == 0));
    for (uint32_t i = 0; i < names->count; i++) {
        FUZZ_CHECK(names->at[i].ptr != NULL);
        check_slice(body, names->at[i], true);
    }
}

static inline void check_attributes(struct fuzz_body body, const struct amp_sqs_attributes *attributes)
{
    uint8_t md5[AMP_MD5_LEN];
    FUZZ_CHECK(attributes->count <= AMP_SQS_ATTRIBUTES_MAX);
    for (uint32_t i = 0; i < attributes->count; i++) {
        const struct amp_sqs_attribute *attribute = &attributes->at[i];
        FUZZ_CHECK(attribute->name.len != 0 && attribute->type.len >= strlen("String") && attribute->value.len != 0);
        FUZZ_CHECK(attribute->binary == (attribute->type.ptr[0] == 'B'));
        FUZZ_CHECK(attribute->binary || amp_sqs_text_valid(attribute->value));
        check_slice(body, attribute->name, true);
        check_slice(body, attribute->type, true);
        check_slice(body, attribute->value, false);
    }
    FUZZ_CHECK(amp_sqs_md5_attributes(md5, attributes) == AMP_OK);
}

static inline void check_entry(struct fuzz_body body, const struct amp_sqs_entry *entry)
{
    check_slice(body, entry->id, true);
    check_slice(body, entry->body, amp_sqs_text_valid(entry->body)); /* which is judged by who puts it */
    check_slice(body, entry->receipt_handle, true);
    check_slice(body, entry->group_id, true);
    check_slice(body, entry->deduplication_id, true);
    FUZZ_CHECK(entry->delay_s >= AMP_SQS_NO_NUMBER && entry->visibility_s >= AMP_SQS_NO_NUMBER);
    check_attributes(body, &entry->attributes);
    check_attributes(body, &entry->system_attributes);
}

static inline void check_request(struct fuzz_body body, const struct amp_sqs_request *request)
{
    const struct amp_slice texts[] = {
        request->queue_url,       request->queue_name,  request->queue_name_prefix,
        request->queue_owner,     request->next_token,  request->source_arn,
        request->destination_arn, request->task_handle, request->attempt_id,
    };
    FUZZ_CHECK(request->action < AMP_SQS_ACTION_COUNT_);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check_slice(body, texts[i], true);
    check_pairs(body, &request->attributes);
    check_pairs(body, &request->tags);
    check_names(body, &request->attribute_names);
    check_names(body, &request->message_attribute_names);
    check_names(body, &request->tag_keys);
    check_entry(body, &request->one);
    FUZZ_CHECK(request->entry_count <= AMP_SQS_BATCH_MAX + 1 && (request->has_entries || request->entry_count == 0));
    for (uint32_t i = 0; i < request->entry_count && i < AMP_SQS_BATCH_MAX; i++)
        check_entry(body, &request->entries[i]);
}

/* Decodes a copy of exactly `len` bytes into a request that is garbage. */
static inline void fuzz_decode(const struct amp_http1_head *head, enum amp_sqs_protocol protocol, const uint8_t *data,
                               size_t len)
{
    struct amp_sqs_request *request = malloc(sizeof(*request));
    FUZZ_CHECK(request != NULL);
    memset(request, 0xa5, sizeof(*request));
    uint8_t *body = fuzz_copy(data, len);
    enum amp_err err = amp_sqs_decode(request, head, body, len);
    FUZZ_CHECK(request->protocol == protocol);
    if (err == AMP_OK)
        check_request((struct fuzz_body){body, len}, request);
    else
        FUZZ_CHECK(amp_sqs_error_of(err).status < 500);
    free(body);
    free(request);
}

#endif
