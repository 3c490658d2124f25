/*
 * The AWS query protocol (smithy.io, "AWS query protocol"): a form of application/x-www-form-urlencoded, where lists
 * and maps are numbered from 1: "SendMessageBatchRequestEntry.1.MessageAttribute.2.Value.StringValue". Parameters may
 * come in any order; each goes to its place at once, what was seen is remembered in sets of bits, and at the end the
 * sets tell whether something is missing. Names must be spelled without percent-encoding, as all SDKs do.
 */
#include "base/text.h"
#include "wire/chars.h"
#include "wire/sqs_model.h"
#include "wire/uri.h"

#define NO_INDEX SIZE_MAX

/* Which numbers of a list, or of the two halves of a map, were seen: bit n - 1. */
struct numbers {
    uint64_t names;
    uint64_t values;
};

/* What of a message was seen. */
struct message_seen {
    amp_sqs_members members;
    uint8_t attributes[AMP_SQS_ATTRIBUTES_MAX]; /* AMP_SQS_HAS_* */
    uint8_t system[AMP_SQS_ATTRIBUTES_MAX];
};

struct form {
    struct amp_sqs_request *request;
    uint8_t *body;
    amp_sqs_members takes;       /* of the request itself */
    amp_sqs_members entry_takes; /* of each entry */
    size_t entry_name_len;       /* of "SendMessageBatchRequestEntry"; 0: no batch */
    struct message_seen top;     /* and of all other members of the request */
    struct numbers lists[AMP_SQS_M_ID];
    uint64_t entries;
    bool more_entries; /* behind the last that may be */
    struct message_seen entry[AMP_SQS_BATCH_MAX];
};

/* The part up to the next period, which is passed over. */
static struct amp_slice take_part(struct amp_slice *path)
{
    struct amp_slice part = *path;
    if (!amp_slice_cut(path, '.', &part))
        *path = amp_slice(NULL, 0);
    return part;
}

/* A number from 1 as an index from 0; NO_INDEX where it is none. */
static size_t take_index(struct amp_slice *path)
{
    uint64_t number;
    if (amp_u64_parse(&number, take_part(path), UINT32_MAX) != AMP_OK || number == 0)
        return NO_INDEX;
    return (size_t)number - 1;
}

/* True for the first time. */
static bool mark(uint64_t *set, size_t index)
{
    uint64_t bit = UINT64_C(1) << index;
    if ((*set & bit) != 0)
        return false;
    *set |= bit;
    return true;
}

static enum amp_err once(amp_sqs_members *seen, enum amp_sqs_member member, struct amp_slice path)
{
    if (path.ptr != NULL)
        return AMP_ERR_UNKNOWN_FIELD;
    return mark(seen, member) ? AMP_OK : AMP_ERR_MALFORMED_REQUEST;
}

static enum amp_err put_name(struct numbers *numbers, struct amp_sqs_names *names, struct amp_slice path,
                             struct amp_slice value)
{
    size_t index = take_index(&path);
    if (path.ptr != NULL)
        return AMP_ERR_UNKNOWN_FIELD;
    if (index == NO_INDEX)
        return AMP_ERR_MALFORMED_REQUEST;
    if (index >= AMP_SQS_NAMES_MAX || names->count == AMP_SQS_NAMES_MAX)
        return AMP_ERR_SQS_PARAMETER_INVALID;
    if (!mark(&numbers->names, index))
        return AMP_ERR_MALFORMED_REQUEST;
    names->present = true;
    names->at[names->count++] = value; /* in which order does not matter */
    return AMP_OK;
}

static enum amp_err put_pair(struct numbers *numbers, struct amp_sqs_pairs *pairs, bool tag, struct amp_slice path,
                             struct amp_slice value)
{
    size_t index = take_index(&path);
    bool is_value = amp_slice_is(path, "Value");
    if (index == NO_INDEX)
        return AMP_ERR_MALFORMED_REQUEST;
    if (!is_value && !amp_slice_is(path, tag ? "Key" : "Name"))
        return AMP_ERR_UNKNOWN_FIELD;
    if (index >= AMP_SQS_PAIRS_MAX)
        return AMP_ERR_SQS_PARAMETER_INVALID;
    if (!mark(is_value ? &numbers->values : &numbers->names, index))
        return AMP_ERR_MALFORMED_REQUEST;
    pairs->present = true;
    *(is_value ? &pairs->at[index].value : &pairs->at[index].name) = value;
    return AMP_OK;
}

/* Which part of an attribute `path` names; 0 where it names none. */
static uint8_t attribute_part(struct amp_slice path, bool *binary)
{
    *binary = amp_slice_is(path, "Value.BinaryValue");
    if (*binary || amp_slice_is(path, "Value.StringValue"))
        return AMP_SQS_HAS_VALUE;
    if (amp_slice_is(path, "Value.DataType"))
        return AMP_SQS_HAS_TYPE;
    return amp_slice_is(path, "Name") ? AMP_SQS_HAS_NAME : 0;
}

/* Reserved by AWS, as in JSON: SDKs send the lists that a received attribute came with, empty. */
static bool is_reserved_list(struct amp_slice path)
{
    return amp_slice_is(path, "Value.StringListValue") || amp_slice_is(path, "Value.BinaryListValue");
}

static enum amp_err put_attribute(uint8_t seen[AMP_SQS_ATTRIBUTES_MAX], struct amp_sqs_attributes *attributes,
                                  struct amp_slice path, struct amp_slice value)
{
    size_t index = take_index(&path);
    bool binary;
    uint8_t part = attribute_part(path, &binary);
    if (index == NO_INDEX)
        return AMP_ERR_MALFORMED_REQUEST;
    if (is_reserved_list(path))
        return value.len == 0 ? AMP_OK : AMP_ERR_SQS_ATTRIBUTE_INVALID;
    if (part == 0)
        return AMP_ERR_UNKNOWN_FIELD;
    if (index >= AMP_SQS_ATTRIBUTES_MAX)
        return AMP_ERR_SQS_ATTRIBUTE_INVALID;
    if ((seen[index] & part) != 0)
        return part == AMP_SQS_HAS_VALUE ? AMP_ERR_SQS_ATTRIBUTE_INVALID : AMP_ERR_MALFORMED_REQUEST;
    seen[index] |= part;
    struct amp_sqs_attribute *attribute = &attributes->at[index];
    if (part == AMP_SQS_HAS_VALUE)
        attribute->binary = binary;
    *(part == AMP_SQS_HAS_NAME   ? &attribute->name
      : part == AMP_SQS_HAS_TYPE ? &attribute->type
                                 : &attribute->value) = value;
    return AMP_OK;
}

/* `path` is what stands behind the member's name; its ptr is NULL where nothing does. */
static enum amp_err put_member(struct form *form, struct message_seen *seen, struct amp_sqs_entry *entry,
                               enum amp_sqs_member member, struct amp_slice path, struct amp_slice value)
{
    const struct amp_sqs_member_row *row = &amp_sqs_member_rows[member];
    void *field = amp_sqs_field(form->request, entry, member);
    enum amp_err err = AMP_OK;
    switch (row->kind) {
    case AMP_SQS_TEXT:
        *(struct amp_slice *)field = value;
        return once(&seen->members, member, path);
    case AMP_SQS_NUMBER:
        *(amp_sqs_number *)field = amp_sqs_number_of(value);
        return once(&seen->members, member, path);
    case AMP_SQS_IGNORED:
        return once(&seen->members, member, path);
    case AMP_SQS_PAIRS:
        err = put_pair(&form->lists[member], field, row->query.len == strlen("Tag"), path, value);
        break;
    case AMP_SQS_NAMES:
        err = put_name(&form->lists[member], field, path, value);
        break;
    case AMP_SQS_ATTRS:
        err =
            put_attribute(member == AMP_SQS_M_SYSTEM_ATTRIBUTES ? seen->system : seen->attributes, field, path, value);
        break;
    case AMP_SQS_ENTRIES:
    case AMP_SQS_IGNORED_NAMES:
        break;
    }
    seen->members |= AMP_SQS_BIT(member);
    return err;
}

/* A list without elements is sent by its name in the model, without a value. */
static enum amp_err put_empty_list(struct form *form, struct amp_slice name, struct amp_slice value)
{
    enum amp_sqs_member member = amp_sqs_member_in_json(form->takes, name);
    if (member == AMP_SQS_MEMBER_COUNT_ || value.len != 0)
        return AMP_ERR_UNKNOWN_FIELD;
    enum amp_sqs_kind kind = amp_sqs_member_rows[member].kind;
    if (kind != AMP_SQS_NAMES && kind != AMP_SQS_ENTRIES)
        return AMP_ERR_UNKNOWN_FIELD;
    if (kind == AMP_SQS_NAMES)
        ((struct amp_sqs_names *)amp_sqs_field(form->request, &form->request->one, member))->present = true;
    else
        form->request->has_entries = true;
    return once(&form->top.members, member, amp_slice(NULL, 0));
}

static enum amp_err put_entry(struct form *form, struct amp_slice path, struct amp_slice value)
{
    size_t index = take_index(&path);
    if (index == NO_INDEX)
        return AMP_ERR_MALFORMED_REQUEST;
    enum amp_sqs_member member = amp_sqs_member_in_query(form->entry_takes, take_part(&path));
    if (member == AMP_SQS_MEMBER_COUNT_)
        return AMP_ERR_UNKNOWN_FIELD;
    form->request->has_entries = true;
    if (index >= AMP_SQS_BATCH_MAX) {
        form->more_entries = true;
        return AMP_OK;
    }
    struct amp_sqs_entry *entry = &form->request->entries[index];
    if (mark(&form->entries, index))
        amp_sqs_entry_reset(entry);
    return put_member(form, &form->entry[index], entry, member, path, value);
}

/* "SendMessageBatchRequestEntry" */
static bool is_entry_name(const struct form *form, struct amp_slice name)
{
    const struct amp_slice action = amp_sqs_action_rows[form->request->action].name;
    return form->entry_name_len != 0 && name.len == form->entry_name_len &&
           memcmp(name.ptr, action.ptr, action.len) == 0 &&
           memcmp(name.ptr + action.len, "RequestEntry", name.len - action.len) == 0;
}

/* Names of AWS's signatures before version 4, and of those in the query. */
static bool is_of_old_signature(struct amp_slice name)
{
    static const char *const names[] = {
        "AWSAccessKeyId", "Signature",       "SignatureMethod",     "SignatureVersion",     "Timestamp",
        "Expires",        "SecurityToken",   "X-Amz-Algorithm",     "X-Amz-Credential",     "X-Amz-Date",
        "X-Amz-Expires",  "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Security-Token",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (amp_slice_is(name, names[i]))
            return true;
    }
    return false;
}

static enum amp_err put(struct form *form, struct amp_slice name, struct amp_slice value)
{
    struct amp_slice path = name;
    struct amp_slice first = take_part(&path);
    if (is_entry_name(form, first))
        return put_entry(form, path, value);
    enum amp_sqs_member member = amp_sqs_member_in_query(form->takes, first);
    if (member != AMP_SQS_MEMBER_COUNT_ && !(member == AMP_SQS_M_ENTRIES))
        return put_member(form, &form->top, &form->request->one, member, path, value);
    if (is_of_old_signature(name))
        return AMP_ERR_PRESIGNED_REFUSED;
    return put_empty_list(form, name, value);
}

/* Up to the next "%" or "+". */
static size_t plain_len(const uint8_t *text, size_t len)
{
    size_t at = 0, plain = AMP_BLOCK_LEN;
    while (plain == AMP_BLOCK_LEN && len - at >= AMP_BLOCK_LEN) {
        const __m128i block = amp_block_at(text + at);
        plain = amp_block_unmarked(amp_block_marks(amp_block_has(block, '%') | amp_block_has(block, '+')));
        at += plain;
    }
    while (at < len && text[at] != '%' && text[at] != '+')
        at++;
    return at;
}

/* Takes what stands for one byte off the front; false where "%" begins no two hex digits. */
static bool take_encoded(const uint8_t **from, const uint8_t *end, uint8_t *byte)
{
    if (**from == '+') { /* URL Standard section 5.1: in a form, a space */
        *byte = ' ';
        *from += 1;
        return true;
    }
    int high = end - *from < 3 ? -1 : amp_char_hex((*from)[1]);
    int low = end - *from < 3 ? -1 : amp_char_hex((*from)[2]);
    if (high < 0 || low < 0)
        return false;
    *byte = (uint8_t)(high << 4 | low);
    *from += 3;
    return true;
}

/* Decodes in place: what an encoding stands for is never longer than it. */
static bool decode_value(uint8_t *body, struct amp_slice *value)
{
    uint8_t *start = body + (value->ptr - body);
    uint8_t *to = start;
    const uint8_t *from = start;
    const uint8_t *end = start + value->len;
    for (;;) {
        size_t plain = plain_len(from, (size_t)(end - from));
        if (to != from)
            memmove(to, from, plain);
        to += plain;
        from += plain;
        if (from == end)
            break;
        if (!take_encoded(&from, end, to))
            return false;
        to++;
    }
    *value = amp_slice(start, (size_t)(to - start));
    size_t ascii = amp_ascii_run(*value);
    return amp_utf8_valid(amp_slice(start + ascii, value->len - ascii));
}

static enum amp_err read_params(struct form *form, size_t len)
{
    struct amp_slice rest = amp_slice(form->body, len);
    struct amp_slice name, value;
    while (amp_uri_next_param(&rest, &name, &value)) {
        bool has_value = value.ptr != NULL; /* "name" and "name=" are not two spellings of one thing */
        if (!has_value || !decode_value(form->body, &value))
            return AMP_ERR_MALFORMED_REQUEST;
        enum amp_err err = put(form, name, value);
        if (err != AMP_OK)
            return err;
    }
    return AMP_OK;
}

/* The action's name, before anything is decoded: parameters may stand in any order. */
static enum amp_err find_action(struct amp_slice rest, enum amp_sqs_action *action)
{
    struct amp_slice name, value;
    while (amp_uri_next_param(&rest, &name, &value)) {
        if (amp_slice_is(name, "Action"))
            return amp_sqs_action_find(value, action) ? AMP_OK : AMP_ERR_SQS_INVALID_ACTION;
    }
    return AMP_ERR_SQS_MISSING_ACTION;
}

/* From 1 on without a gap; *count of them. */
static bool whole_list(uint64_t numbers, uint32_t *count)
{
    *count = (uint32_t)__builtin_popcountll(numbers);
    return (numbers & (numbers + 1)) == 0;
}

static bool has_twice(const struct amp_sqs_pairs *pairs)
{
    for (uint32_t i = 1; i < pairs->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (amp_slice_equal(pairs->at[i].name, pairs->at[j].name))
                return true;
        }
    }
    return false;
}

static enum amp_err finish_pairs(const struct numbers *numbers, struct amp_sqs_pairs *pairs)
{
    if (!whole_list(numbers->names | numbers->values, &pairs->count))
        return AMP_ERR_MALFORMED_REQUEST;
    if (numbers->names != numbers->values)
        return AMP_ERR_SQS_MISSING_PARAMETER;
    return has_twice(pairs) ? AMP_ERR_MALFORMED_REQUEST : AMP_OK;
}

static enum amp_err finish_attributes(struct form *form, const uint8_t seen[AMP_SQS_ATTRIBUTES_MAX],
                                      struct amp_sqs_attributes *attributes)
{
    uint32_t count = 0;
    while (count < AMP_SQS_ATTRIBUTES_MAX && seen[count] != 0)
        count++;
    for (uint32_t i = count; i < AMP_SQS_ATTRIBUTES_MAX; i++) {
        if (seen[i] != 0)
            return AMP_ERR_MALFORMED_REQUEST;
    }
    attributes->count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (seen[i] != AMP_SQS_HAS_ALL || amp_sqs_attribute_finish(&attributes->at[i], form->body) != AMP_OK)
            return AMP_ERR_SQS_ATTRIBUTE_INVALID;
        for (uint32_t j = 0; j < i; j++) {
            if (amp_slice_equal(attributes->at[i].name, attributes->at[j].name))
                return AMP_ERR_SQS_ATTRIBUTE_INVALID;
        }
    }
    return AMP_OK;
}

static enum amp_err finish_message(struct form *form, const struct message_seen *seen, struct amp_sqs_entry *entry,
                                   amp_sqs_members required)
{
    if ((required & ~seen->members) != 0)
        return AMP_ERR_SQS_MISSING_PARAMETER;
    enum amp_err err = finish_attributes(form, seen->attributes, &entry->attributes);
    return err != AMP_OK ? err : finish_attributes(form, seen->system, &entry->system_attributes);
}

static enum amp_err finish_entries(struct form *form, amp_sqs_members required)
{
    struct amp_sqs_request *request = form->request;
    uint32_t count;
    if (!whole_list(form->entries, &count) || (form->more_entries && count < AMP_SQS_BATCH_MAX))
        return AMP_ERR_MALFORMED_REQUEST;
    request->entry_count = count + (form->more_entries ? 1 : 0);
    for (uint32_t i = 0; i < count; i++) {
        enum amp_err err = finish_message(form, &form->entry[i], &request->entries[i], required & AMP_SQS_OF_ENTRIES);
        if (err != AMP_OK)
            return err;
    }
    return AMP_OK;
}

static enum amp_err finish_lists(struct form *form)
{
    for (unsigned i = 0; i < AMP_SQS_M_ID; i++) {
        enum amp_sqs_kind kind = amp_sqs_member_rows[i].kind;
        uint32_t count;
        enum amp_err err = AMP_OK;
        if ((form->top.members & AMP_SQS_BIT(i)) == 0)
            continue;
        if (kind == AMP_SQS_PAIRS)
            err = finish_pairs(&form->lists[i],
                               amp_sqs_field(form->request, &form->request->one, (enum amp_sqs_member)i));
        else if (kind == AMP_SQS_NAMES && !whole_list(form->lists[i].names, &count))
            err = AMP_ERR_MALFORMED_REQUEST;
        if (err != AMP_OK)
            return err;
    }
    return AMP_OK;
}

/* The queue may be named by the path instead, and a list without elements may not be there at all. */
#define NOT_REQUIRED (AMP_SQS_BIT(AMP_SQS_M_QUEUE_URL) | AMP_SQS_BIT(AMP_SQS_M_ENTRIES))

static enum amp_err finish(struct form *form)
{
    struct amp_sqs_request *request = form->request;
    amp_sqs_members required = amp_sqs_action_rows[request->action].requires & ~NOT_REQUIRED;
    enum amp_err err = finish_lists(form);
    if (err == AMP_OK)
        err = finish_message(form, &form->top, &request->one, amp_sqs_top(request->action, required));
    return err != AMP_OK ? err : finish_entries(form, required);
}

enum amp_err amp_sqs_decode_query(struct amp_sqs_request *request, uint8_t *body, size_t len)
{
    enum amp_err err = find_action(amp_slice(body, len), &request->action);
    if (err != AMP_OK)
        return err;
    const struct amp_sqs_action_row *row = &amp_sqs_action_rows[request->action];
    struct form form = {
        .request = request,
        .body = body,
        .takes =
            amp_sqs_top(request->action, row->takes) | AMP_SQS_BIT(AMP_SQS_M_ACTION) | AMP_SQS_BIT(AMP_SQS_M_VERSION),
        .entry_takes = row->takes & AMP_SQS_OF_ENTRIES,
        .entry_name_len = amp_sqs_is_batch(request->action) ? row->name.len + strlen("RequestEntry") : 0,
    };
    err = read_params(&form, len);
    return err != AMP_OK ? err : finish(&form);
}
