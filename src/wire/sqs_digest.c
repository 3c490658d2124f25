#include "crypto/pkey.h"
#include "wire/sqs.h"

enum amp_err amp_sqs_md5_body(uint8_t out[AMP_MD5_LEN], struct amp_slice body)
{
    return amp_md5(out, &body, 1);
}

/* Length, name, length, type, transport type, length, value. */
#define PARTS  7
#define PREFIX 4
#define STRING 1
#define BINARY 2

/* By name, in the order of its bytes (names are ASCII). */
static void sort(const struct amp_sqs_attribute *sorted[], const struct amp_sqs_attributes *attributes)
{
    for (uint32_t i = 0; i < attributes->count; i++) {
        const struct amp_sqs_attribute *attribute = &attributes->at[i];
        uint32_t at = i;
        for (; at > 0; at--) {
            struct amp_slice before = sorted[at - 1]->name;
            size_t shorter = before.len < attribute->name.len ? before.len : attribute->name.len;
            int order = memcmp(before.ptr, attribute->name.ptr, shorter);
            if (order < 0 || (order == 0 && before.len <= attribute->name.len))
                break;
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = attribute;
    }
}

/* A part and, before it, its length as four bytes, big-endian. */
static struct amp_slice *add(struct amp_slice *parts, uint8_t prefix[PREFIX], struct amp_slice part)
{
    for (unsigned i = 0; i < PREFIX; i++)
        prefix[i] = (uint8_t)(part.len >> (8 * (PREFIX - 1 - i)));
    parts[0] = amp_slice(prefix, PREFIX);
    parts[1] = part;
    return parts + 2;
}

enum amp_err amp_sqs_md5_attributes(uint8_t out[AMP_MD5_LEN], const struct amp_sqs_attributes *attributes)
{
    static const uint8_t transport[] = {STRING, BINARY};
    const struct amp_sqs_attribute *sorted[AMP_SQS_ATTRIBUTES_MAX];
    uint8_t prefixes[AMP_SQS_ATTRIBUTES_MAX][3][PREFIX];
    struct amp_slice parts[AMP_SQS_ATTRIBUTES_MAX * PARTS];
    struct amp_slice *end = parts;
    sort(sorted, attributes);
    for (uint32_t i = 0; i < attributes->count; i++) {
        end = add(end, prefixes[i][0], sorted[i]->name);
        end = add(end, prefixes[i][1], sorted[i]->type);
        *end++ = amp_slice(&transport[sorted[i]->binary ? 1 : 0], 1);
        end = add(end, prefixes[i][2], sorted[i]->value);
    }
    return amp_md5(out, parts, (size_t)(end - parts));
}
