/*
 * Packed, a message is its parts one behind the other, each with its length before it; the body is what is left:
 *
 *   version 1 | flags | digest (16) | count, copies of the card { subscription (16), JWE } |
 *   count, attributes { binary (0, 1), name, type, value } | trace header | group id, deduplication id | body
 *
 * The flags tell what of it is there: most messages are a digest and a body, and there may be a million of them. A
 * deduplication id that is the body's hash is made anew by who reads it, and is empty here. Lengths are u32, counts and
 * the lengths of the two ids u8. What is authenticated beside it: length and name of the home queue, message id,
 * sender, expiry; the epoch is, by the seal itself.
 */
#include "api/message.h"

#include "base/text.h"

#define LABEL   "message"
#define VERSION 1
#define LEN_LEN 4 /* of a length */
#define AAD_MAX (1 + AMP_QUEUE_NAME_MAX + AMP_MESSAGE_ID_LEN + AMP_MESSAGE_SENDER_LEN + 8)

enum flag { OF_TOKEN = 1, DIGEST = 2, COPIES = 4, ATTRIBUTES = 8, TRACE = 16, IN_ORDER = 32, BY_BODY = 64 };

static unsigned flags_of(const struct amp_message *message)
{
    return (message->of_token ? OF_TOKEN : 0u) | (message->md5 != NULL ? DIGEST : 0u) |
           (message->sealed_count != 0 ? COPIES : 0u) | (message->attributes.count != 0 ? ATTRIBUTES : 0u) |
           (message->trace_header.len != 0 ? TRACE : 0u) |
           (message->group_id.len != 0 || message->deduplication_id.len != 0 ? IN_ORDER : 0u) |
           (message->deduplicated_by_body ? BY_BODY : 0u);
}

static void put_u32(struct amp_out *out, size_t value)
{
    for (unsigned i = 0; i < 4; i++)
        amp_out_byte(out, (uint8_t)(value >> (24 - 8 * i)));
}

static void put_part(struct amp_out *out, struct amp_slice part)
{
    put_u32(out, part.len);
    amp_out_slice(out, part);
}

/* One of a FIFO queue's. */
static void put_id(struct amp_out *out, struct amp_slice id)
{
    amp_out_byte(out, (uint8_t)id.len);
    amp_out_slice(out, id);
}

/* At most: of parts that are not there the few bytes of their counts and lengths are left over. */
static size_t packed_max(const struct amp_message *message)
{
    size_t len = 2 + AMP_MD5_LEN + 2 + 3 * LEN_LEN + message->body.len + message->trace_header.len +
                 message->group_id.len + message->deduplication_id.len;
    for (uint32_t i = 0; i < message->sealed_count; i++)
        len += AMP_SUBSCRIPTION_ID_LEN + LEN_LEN + message->sealed[i].jwe.len;
    for (uint32_t i = 0; i < message->attributes.count; i++) {
        const struct amp_sqs_attribute *attribute = &message->attributes.at[i];
        len += 1 + 3 * LEN_LEN + attribute->name.len + attribute->type.len + attribute->value.len;
    }
    return len;
}

static void put_copies(struct amp_out *out, const struct amp_message *message)
{
    amp_out_byte(out, (uint8_t)message->sealed_count);
    for (uint32_t i = 0; i < message->sealed_count; i++) {
        amp_out_bytes(out, message->sealed[i].subscription, AMP_SUBSCRIPTION_ID_LEN);
        put_part(out, message->sealed[i].jwe);
    }
}

static void put_attributes(struct amp_out *out, const struct amp_sqs_attributes *attributes)
{
    amp_out_byte(out, (uint8_t)attributes->count);
    for (uint32_t i = 0; i < attributes->count; i++) {
        const struct amp_sqs_attribute *attribute = &attributes->at[i];
        amp_out_byte(out, attribute->binary);
        put_part(out, attribute->name);
        put_part(out, attribute->type);
        put_part(out, attribute->value);
    }
}

static void pack(struct amp_out *out, const struct amp_message *message)
{
    unsigned flags = flags_of(message);
    amp_out_byte(out, VERSION);
    amp_out_byte(out, (uint8_t)flags);
    if ((flags & DIGEST) != 0)
        amp_out_bytes(out, message->md5, AMP_MD5_LEN);
    if ((flags & COPIES) != 0)
        put_copies(out, message);
    if ((flags & ATTRIBUTES) != 0)
        put_attributes(out, &message->attributes);
    if ((flags & TRACE) != 0)
        put_part(out, message->trace_header);
    if ((flags & IN_ORDER) != 0) {
        put_id(out, message->group_id);
        put_id(out, (flags & BY_BODY) != 0 ? amp_slice(NULL, 0) : message->deduplication_id);
    }
    amp_out_slice(out, message->body);
}

/* Reading what was packed. It verified, so any other form is a defect of ours. */
struct reading {
    struct amp_slice left;
    bool broken;
};

static struct amp_slice get_bytes(struct reading *reading, size_t len)
{
    struct amp_slice bytes = amp_slice(reading->left.ptr, len);
    if (reading->broken || len > reading->left.len) {
        reading->broken = true;
        return amp_slice(NULL, 0);
    }
    reading->left.ptr += len;
    reading->left.len -= len;
    return bytes;
}

static unsigned get_u8(struct reading *reading)
{
    struct amp_slice byte = get_bytes(reading, 1);
    return byte.len == 1 ? byte.ptr[0] : 0;
}

static struct amp_slice get_part(struct reading *reading)
{
    size_t len = 0;
    for (unsigned i = 0; i < LEN_LEN; i++)
        len = len << 8 | get_u8(reading);
    return get_bytes(reading, len);
}

static struct amp_slice get_id(struct reading *reading)
{
    return get_bytes(reading, get_u8(reading));
}

/* A count that the struct has room for. */
static uint32_t get_count(struct reading *reading, uint32_t most)
{
    uint32_t count = get_u8(reading);
    if (count <= most)
        return count;
    reading->broken = true;
    return 0;
}

static void get_copy(struct reading *reading, struct amp_message_sealed *sealed)
{
    struct amp_slice subscription = get_bytes(reading, AMP_SUBSCRIPTION_ID_LEN);
    if (subscription.len == AMP_SUBSCRIPTION_ID_LEN)
        memcpy(sealed->subscription, subscription.ptr, AMP_SUBSCRIPTION_ID_LEN);
    sealed->jwe = get_part(reading);
}

static void get_attribute(struct reading *reading, struct amp_sqs_attribute *attribute)
{
    attribute->binary = get_u8(reading) != 0;
    attribute->name = get_part(reading);
    attribute->type = get_part(reading);
    attribute->value = get_part(reading);
}

static void get_copies(struct reading *reading, struct amp_message *message)
{
    message->sealed_count = get_count(reading, AMP_SUBSCRIPTIONS_PER_QUEUE_MAX);
    for (uint32_t i = 0; i < message->sealed_count; i++)
        get_copy(reading, &message->sealed[i]);
}

static void get_attributes(struct reading *reading, struct amp_sqs_attributes *attributes)
{
    attributes->count = get_count(reading, AMP_SQS_ATTRIBUTES_MAX);
    for (uint32_t i = 0; i < attributes->count; i++)
        get_attribute(reading, &attributes->at[i]);
}

static enum amp_err unpack(struct amp_message *message, struct amp_slice packed)
{
    struct reading reading = {.left = packed};
    if (get_u8(&reading) != VERSION)
        return AMP_ERR_INTERNAL;
    unsigned flags = get_u8(&reading);
    message->of_token = (flags & OF_TOKEN) != 0;
    message->deduplicated_by_body = (flags & BY_BODY) != 0;
    message->md5 = (flags & DIGEST) != 0 ? get_bytes(&reading, AMP_MD5_LEN).ptr : NULL;
    message->sealed_count = 0;
    message->attributes.count = 0;
    message->trace_header = message->group_id = message->deduplication_id = amp_slice(NULL, 0);
    if ((flags & COPIES) != 0)
        get_copies(&reading, message);
    if ((flags & ATTRIBUTES) != 0)
        get_attributes(&reading, &message->attributes);
    if ((flags & TRACE) != 0)
        message->trace_header = get_part(&reading);
    if ((flags & IN_ORDER) != 0) {
        message->group_id = get_id(&reading);
        message->deduplication_id = get_id(&reading);
    }
    message->body = reading.left;
    return reading.broken ? AMP_ERR_INTERNAL : AMP_OK;
}

static struct amp_slice write_aad(uint8_t storage[AAD_MAX], struct amp_slice home, const uint8_t *id,
                                  const uint8_t *sender, int64_t expires_unix_ms)
{
    struct amp_out aad = amp_out(storage, AAD_MAX);
    amp_out_byte(&aad, (uint8_t)home.len);
    amp_out_slice(&aad, home);
    amp_out_bytes(&aad, id, AMP_MESSAGE_ID_LEN);
    amp_out_bytes(&aad, sender, AMP_MESSAGE_SENDER_LEN);
    put_u32(&aad, (uint64_t)expires_unix_ms >> 32);
    put_u32(&aad, (uint64_t)expires_unix_ms & UINT32_MAX);
    return amp_out_done(&aad);
}

/* Keyed, and kept apart by `label`. */
static enum amp_err hash(const struct amp_api *api, const char *label, const struct amp_slice *parts, size_t count,
                         uint8_t out[AMP_MESSAGE_HASH_LEN])
{
    uint8_t whole[AMP_SHA256_LEN];
    enum amp_err err = amp_token_keys_mac(api->config.token_keys, label, parts, count, whole);
    if (err == AMP_OK)
        memcpy(out, whole, AMP_MESSAGE_HASH_LEN);
    amp_wipe(whole, sizeof whole);
    return err;
}

enum amp_err amp_message_hash_attempt(const struct amp_api *api, struct amp_slice queue,
                                      const struct amp_principal *who, struct amp_slice attempt,
                                      uint8_t out[AMP_MESSAGE_HASH_LEN])
{
    const struct amp_slice parts[] = {queue, amp_slice(who->name, who->name_len), attempt};
    return hash(api, "attempt", parts, 3, out);
}

/* Leaves the sealed message in api->sealed. */
static enum amp_err seal(struct amp_api *api, const struct amp_message *message, struct amp_message_in *in)
{
    uint8_t aad_bytes[AAD_MAX];
    struct amp_secret_buf *plain = &api->plain, *sealed = &api->sealed;
    size_t len = packed_max(message);
    amp_secret_buf_clear(plain);
    amp_secret_buf_clear(sealed);
    enum amp_err err = amp_secret_buf_reserve(plain, len);
    if (err != AMP_OK)
        return err;
    struct amp_out out = amp_out(plain->ptr, len);
    pack(&out, message);
    plain->len = out.len;
    struct amp_slice aad = write_aad(aad_bytes, in->queue, in->id, in->sender, in->expires_unix_ms);
    err = out.overflow
              ? AMP_ERR_INTERNAL
              : amp_seal(api->config.epochs, LABEL, amp_slice(NULL, 0), aad, amp_out_done(&out), sealed, &in->epoch);
    amp_secret_buf_clear(plain);
    in->sealed = amp_slice(sealed->ptr, sealed->len);
    return err;
}

static enum amp_err hash_fifo(const struct amp_api *api, const struct amp_message *message, struct amp_message_in *in)
{
    if (!amp_queue_name_is_fifo(in->queue))
        return AMP_OK;
    const struct amp_slice group[] = {in->queue, message->group_id};
    const struct amp_slice deduplication[] = {in->queue, message->deduplication_id};
    enum amp_err err = hash(api, "group", group, 2, in->group);
    if (err == AMP_OK)
        err = hash(api, "deduplication", deduplication, 2, in->deduplication);
    return err;
}

enum amp_err amp_message_send(struct amp_api *api, const struct amp_message_order *order,
                              const struct amp_message *message, struct amp_message_sent *sent)
{
    const struct amp_queue_engine *queues = &api->config.queues;
    struct amp_message_in in = {
        .queue = order->queue,
        .sent_unix_ms = order->now_unix_ms,
        .expires_unix_ms = order->now_unix_ms + order->life_ms,
        .delay_ms = order->delay_ms,
    };
    memcpy(in.sender, order->sender, sizeof in.sender);
    if (message->group_id.len > AMP_MESSAGE_FIFO_ID_MAX || message->deduplication_id.len > AMP_MESSAGE_FIFO_ID_MAX)
        return AMP_ERR_INTERNAL;
    enum amp_err err = amp_random(in.id, sizeof in.id);
    if (err == AMP_OK)
        err = hash_fifo(api, message, &in);
    if (err == AMP_OK)
        err = seal(api, message, &in);
    if (err != AMP_OK)
        return err;
    err = queues->ops->send(queues->self, &in, sent);
    if (err != AMP_OK || sent->duplicate)
        amp_epochs_release(api->config.epochs, in.epoch);
    amp_secret_buf_clear(&api->sealed);
    return err;
}

enum amp_err amp_message_body_id(struct amp_slice body, char text[AMP_MESSAGE_BODY_ID_LEN])
{
    uint8_t hash[AMP_SHA256_LEN];
    enum amp_err err = amp_sha256(hash, &body, 1);
    if (err == AMP_OK)
        amp_hex_encode(text, hash, sizeof hash);
    amp_wipe(hash, sizeof hash);
    return err;
}

/* Behind what was opened, where `plain` has room for it. */
static enum amp_err append_body_id(struct amp_secret_buf *plain, struct amp_message *message)
{
    char *id = (char *)plain->ptr + plain->len;
    enum amp_err err = amp_message_body_id(message->body, id);
    if (err != AMP_OK)
        return err;
    plain->len += AMP_MESSAGE_BODY_ID_LEN;
    message->deduplication_id = amp_slice(id, AMP_MESSAGE_BODY_ID_LEN);
    return AMP_OK;
}

enum amp_err amp_message_open(struct amp_api *api, const struct amp_message_out *out, struct amp_slice sealed,
                              struct amp_secret_buf *plain, struct amp_message *message)
{
    uint8_t aad_bytes[AAD_MAX];
    size_t at = plain->len;
    struct amp_slice aad =
        write_aad(aad_bytes, amp_queue_name_slice(&out->home), out->receipt.id, out->sender, out->expires_unix_ms);
    enum amp_err err = amp_secret_buf_reserve(plain, sealed.len + AMP_MESSAGE_BODY_ID_LEN); /* it stays where it is */
    if (err == AMP_OK)
        err = amp_unseal(api->config.epochs, LABEL, amp_slice(NULL, 0), aad, sealed, plain);
    if (err == AMP_OK)
        err = unpack(message, amp_slice(plain->ptr + at, plain->len - at));
    if (err == AMP_OK && message->deduplicated_by_body)
        err = append_body_id(plain, message);
    return err;
}

size_t amp_message_body_len(const struct amp_message *message)
{
    size_t len = message->body.len + sizeof ",\"sealed\":[]}";
    for (uint32_t i = 0; i < message->sealed_count; i++)
        len += message->sealed[i].jwe.len + sizeof "\"\",";
    return len;
}

/* A compact JWE is base64url and dots: nothing of it needs escaping. */
static void write_jwe(struct amp_out *out, const struct amp_message_sealed *sealed)
{
    amp_out_byte(out, '"');
    amp_out_slice(out, sealed->jwe);
    amp_out_byte(out, '"');
}

static void write_all_sealed(struct amp_out *out, const struct amp_message *message)
{
    amp_out_str(out, ",\"sealed\":");
    if (message->sealed_count == 1) {
        write_jwe(out, &message->sealed[0]);
        return;
    }
    for (uint32_t i = 0; i < message->sealed_count; i++) {
        amp_out_byte(out, i == 0 ? '[' : ',');
        write_jwe(out, &message->sealed[i]);
    }
    amp_out_byte(out, ']');
}

static void write_own_sealed(struct amp_out *out, const struct amp_message *message, const uint8_t *subscription)
{
    for (uint32_t i = 0; i < message->sealed_count; i++) {
        if (memcmp(message->sealed[i].subscription, subscription, AMP_SUBSCRIPTION_ID_LEN) != 0)
            continue;
        amp_out_str(out, ",\"sealed\":");
        write_jwe(out, &message->sealed[i]);
        return;
    }
}

void amp_message_write_body(struct amp_out *out, const struct amp_message *message, const uint8_t *subscription)
{
    amp_out_slice(out, message->body);
    if (!message->of_token)
        return;
    if (subscription != NULL)
        write_own_sealed(out, message, subscription);
    else if (message->sealed_count > 0)
        write_all_sealed(out, message);
    amp_out_byte(out, '}');
}
