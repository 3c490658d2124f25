#include "courier/fields.h"

#include "base/text.h"

enum { UUID_LEN = 36, FIELD_MAX = 256 };

/* RFC 9562 section 4. */
static void format_uuid(char out[UUID_LEN], const uint8_t id[AMP_DELIVERY_MESSAGE_LEN])
{
    static const struct {
        uint8_t at;
        uint8_t from;
        uint8_t len;
    } groups[] = {{0, 0, 4}, {9, 4, 2}, {14, 6, 2}, {19, 8, 2}, {24, 10, 6}};
    memset(out, '-', UUID_LEN);
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        amp_hex_encode(out + groups[i].at, id + groups[i].from, groups[i].len);
}

/* Appends the line, NUL-terminated here. False, and the list freed: it did not fit. */
static bool append(struct curl_slist **list, struct amp_out *line)
{
    amp_out_byte(line, '\0');
    struct curl_slist *longer = line->overflow ? NULL : curl_slist_append(*list, (const char *)line->ptr);
    if (longer == NULL)
        curl_slist_free_all(*list);
    *list = longer;
    return longer != NULL;
}

struct curl_slist *amp_fields_new(const struct amp_attempt_order *order, int64_t unix_s)
{
    struct curl_slist *list = NULL;
    char uuid[UUID_LEN];
    uint8_t storage[3][FIELD_MAX];
    struct amp_out id = amp_out(storage[0], FIELD_MAX);
    struct amp_out timestamp = amp_out(storage[1], FIELD_MAX);
    struct amp_out signature = amp_out(storage[2], FIELD_MAX);
    struct amp_out type = amp_out((uint8_t[64]){0}, 64);
    struct amp_out expect = amp_out((uint8_t[64]){0}, 64);

    format_uuid(uuid, order->message);
    amp_out_str(&type, "Content-Type: application/json");
    amp_out_str(&expect, "Expect:"); /* none, however large the body: libcurl would ask first */
    amp_out_str(&id, "webhook-id: ");
    amp_out_bytes(&id, uuid, sizeof(uuid));
    amp_out_str(&timestamp, "webhook-timestamp: ");
    amp_out_i64(&timestamp, unix_s);
    amp_out_str(&signature, "webhook-signature: ");
    if (amp_webhook_sign(&signature, order->secrets, order->secret_count, amp_slice(uuid, sizeof(uuid)), unix_s,
                         order->body) != AMP_OK)
        return NULL;
    struct amp_out *lines[] = {&type, &expect, &id, &timestamp, &signature};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (!append(&list, lines[i]))
            return NULL;
    }
    return list;
}
