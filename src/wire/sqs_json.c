/* AWS JSON 1.0 (smithy.io, "AWS JSON 1.0 protocol"): one object, whose members the model names. */
#include "wire/json_lex.h"
#include "wire/sqs_model.h"

/* An object being read: the request itself, or one entry of a batch. */
struct object {
    struct amp_sqs_request *request;
    struct amp_sqs_entry *entry;
    amp_sqs_members takes;
    amp_sqs_members seen;
};

static enum amp_err read_null(struct amp_json *json)
{
    return amp_json_take_literal(json, AMP_SLICE_LIT("null"));
}

static enum amp_err read_number(struct amp_json *json, amp_sqs_number *number)
{
    struct amp_slice text;
    bool whole;
    if (amp_json_peek(json) != AMP_JSON_NUMBER) {
        int64_t unused;
        return amp_json_read_i64(json, &unused); /* which tells what is wrong */
    }
    enum amp_err err = amp_json_take_number(json, &text, &whole);
    *number = err == AMP_OK && whole ? amp_sqs_number_of(text) : AMP_SQS_NO_NUMBER;
    return err;
}

static enum amp_err read_pair(struct amp_json *json, struct amp_slice name, void *into)
{
    struct amp_sqs_pairs *pairs = into;
    if (amp_json_peek(json) == AMP_JSON_NULL)
        return read_null(json);
    if (pairs->count == AMP_SQS_PAIRS_MAX)
        return AMP_ERR_SQS_PARAMETER_INVALID;
    struct amp_sqs_pair *pair = &pairs->at[pairs->count++];
    pair->name = name;
    return amp_json_read_string(json, &pair->value);
}

static enum amp_err read_name(struct amp_json *json, size_t index, void *into)
{
    struct amp_sqs_names *names = into;
    if (names->count == AMP_SQS_NAMES_MAX)
        return AMP_ERR_SQS_PARAMETER_INVALID;
    return amp_json_read_string(json, &names->at[names->count++]);
}

static enum amp_err read_ignored(struct amp_json *json, size_t index, void *into)
{
    struct amp_slice unused;
    return amp_json_read_string(json, &unused);
}

/* One attribute, and what of it was seen. */
struct attribute {
    struct amp_sqs_attribute *to;
    unsigned seen;
};

static enum amp_err refuse_element(struct amp_json *json, size_t index, void *into)
{
    return AMP_ERR_SQS_ATTRIBUTE_INVALID;
}

static enum amp_err read_attribute_member(struct amp_json *json, struct amp_slice name, void *into)
{
    struct attribute *attribute = into;
    bool binary = amp_slice_is(name, "BinaryValue");
    if (amp_json_peek(json) == AMP_JSON_NULL)
        return read_null(json);
    if (amp_slice_is(name, "DataType")) {
        attribute->seen |= AMP_SQS_HAS_TYPE;
        return amp_json_read_string(json, &attribute->to->type);
    }
    if (binary || amp_slice_is(name, "StringValue")) {
        if ((attribute->seen & AMP_SQS_HAS_VALUE) != 0)
            return AMP_ERR_SQS_ATTRIBUTE_INVALID;
        attribute->seen |= AMP_SQS_HAS_VALUE;
        attribute->to->binary = binary;
        return amp_json_read_text(json, &attribute->to->value);
    }
    /* Reserved by AWS: some SDKs send them, empty. */
    if (amp_slice_is(name, "StringListValues") || amp_slice_is(name, "BinaryListValues"))
        return amp_json_read_array(json, refuse_element, NULL);
    return AMP_ERR_UNKNOWN_FIELD;
}

static enum amp_err read_attribute(struct amp_json *json, struct amp_slice name, void *into)
{
    struct amp_sqs_attributes *attributes = into;
    if (amp_json_peek(json) == AMP_JSON_NULL)
        return read_null(json);
    if (attributes->count == AMP_SQS_ATTRIBUTES_MAX)
        return AMP_ERR_SQS_ATTRIBUTE_INVALID;
    struct attribute attribute = {.to = &attributes->at[attributes->count++], .seen = AMP_SQS_HAS_NAME};
    attribute.to->name = name;
    enum amp_err err = amp_json_read_map(json, read_attribute_member, &attribute);
    if (err != AMP_OK)
        return err;
    return attribute.seen == AMP_SQS_HAS_ALL ? amp_sqs_attribute_finish(attribute.to, json->text)
                                             : AMP_ERR_SQS_ATTRIBUTE_INVALID;
}

static enum amp_err read_entry(struct amp_json *json, size_t index, void *into);

static enum amp_err read_value(struct amp_json *json, enum amp_sqs_member member, struct object *object)
{
    struct amp_sqs_request *request = object->request;
    void *field = amp_sqs_field(request, object->entry, member);
    switch (amp_sqs_member_rows[member].kind) {
    case AMP_SQS_TEXT: /* which characters a message may hold has an error of its own */
        return member == AMP_SQS_M_BODY ? amp_json_read_text(json, field) : amp_json_read_string(json, field);
    case AMP_SQS_NUMBER:
        return read_number(json, field);
    case AMP_SQS_PAIRS:
        ((struct amp_sqs_pairs *)field)->present = true;
        return amp_json_read_map(json, read_pair, field);
    case AMP_SQS_NAMES:
        ((struct amp_sqs_names *)field)->present = true;
        return amp_json_read_array(json, read_name, field);
    case AMP_SQS_ATTRS:
        return amp_json_read_map(json, read_attribute, field);
    case AMP_SQS_ENTRIES:
        request->has_entries = true;
        return amp_json_read_array(json, read_entry, request);
    case AMP_SQS_IGNORED:
        return read_ignored(json, 0, NULL);
    case AMP_SQS_IGNORED_NAMES:
        return amp_json_read_array(json, read_ignored, NULL);
    }
    return AMP_ERR_INTERNAL;
}

static enum amp_err read_member(struct amp_json *json, struct amp_slice name, void *into)
{
    struct object *object = into;
    enum amp_sqs_member member = amp_sqs_member_in_json(object->takes, name);
    if (member == AMP_SQS_MEMBER_COUNT_)
        return AMP_ERR_UNKNOWN_FIELD;
    if (amp_json_peek(json) == AMP_JSON_NULL)
        return read_null(json);
    object->seen |= AMP_SQS_BIT(member);
    return read_value(json, member, object);
}

static enum amp_err read_object(struct amp_json *json, struct object *object, amp_sqs_members required)
{
    enum amp_err err = amp_json_read_map(json, read_member, object);
    if (err != AMP_OK)
        return err;
    return (required & ~object->seen) == 0 ? AMP_OK : AMP_ERR_SQS_MISSING_PARAMETER;
}

/* Behind the last entry that may be, the others are read to tell whether they are well-formed, and dropped. */
static enum amp_err read_entry(struct amp_json *json, size_t index, void *into)
{
    struct amp_sqs_request *request = into;
    struct amp_slice dropped;
    if (index >= AMP_SQS_BATCH_MAX) {
        request->entry_count = AMP_SQS_BATCH_MAX + 1;
        return amp_json_read_raw(json, &dropped);
    }
    const struct amp_sqs_action_row *row = &amp_sqs_action_rows[request->action];
    struct object object = {
        .request = request,
        .entry = &request->entries[request->entry_count++],
        .takes = row->takes & AMP_SQS_OF_ENTRIES,
    };
    amp_sqs_entry_reset(object.entry);
    return read_object(json, &object, row->requires & AMP_SQS_OF_ENTRIES);
}

enum amp_err amp_sqs_decode_json(struct amp_sqs_request *request, uint8_t *body, size_t len)
{
    const struct amp_sqs_action_row *row = &amp_sqs_action_rows[request->action];
    struct object object = {
        .request = request,
        .entry = &request->one,
        .takes = amp_sqs_top(request->action, row->takes),
    };
    struct amp_json json;
    amp_json_init(&json, body, len);
    enum amp_err err = read_object(&json, &object, amp_sqs_top(request->action, row->requires));
    /* That a member is missing is told only of a body that is well-formed to its end. */
    enum amp_err syntax = amp_json_finish(&json);
    return syntax != AMP_OK ? syntax : err;
}
