/* What a queue is called, how it is set, and its tags: pure values. */
#include "engine/engine.h"

#define FIFO_SUFFIX AMP_SLICE_LIT(".fifo")

bool amp_queue_name_is_fifo(struct amp_slice name)
{
    struct amp_slice suffix = FIFO_SUFFIX;
    return name.len > suffix.len && amp_slice_equal(amp_slice(name.ptr + name.len - suffix.len, suffix.len), suffix);
}

static bool is_name_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

enum amp_err amp_queue_name_parse(struct amp_queue_name *name, struct amp_slice text)
{
    *name = (struct amp_queue_name){0};
    if (text.len == 0 || text.len > AMP_QUEUE_NAME_MAX)
        return AMP_ERR_QUEUE_INVALID;
    size_t stem = amp_queue_name_is_fifo(text) ? text.len - FIFO_SUFFIX.len : text.len;
    for (size_t i = 0; i < stem; i++) {
        if (!is_name_char(text.ptr[i]))
            return AMP_ERR_QUEUE_INVALID;
    }
    memcpy(name->text, text.ptr, text.len);
    name->len = (uint8_t)text.len;
    return AMP_OK;
}

void amp_queue_settings_default(struct amp_queue_settings *settings, bool fifo)
{
    *settings = (struct amp_queue_settings){
        .fifo = fifo,
        .max_message_bytes = 1024 * 1024,
        .retention_s = 4 * 24 * 60 * 60,
        .visibility_s = 30,
    };
}

int64_t amp_queue_life_ms(const struct amp_queue_settings *settings)
{
    return settings->ttl_ms != 0 ? settings->ttl_ms : (int64_t)settings->retention_s * 1000;
}

/* Tags. */

enum { LENGTH_LEN = 2, KEY_BYTES_MAX = 4 * AMP_QUEUE_TAG_KEY_MAX, VALUE_BYTES_MAX = 4 * AMP_QUEUE_TAG_VALUE_MAX };

static struct amp_slice text_at(const struct amp_queue_tags *tags, size_t *at)
{
    const uint8_t *ptr = tags->packed.ptr + *at;
    size_t len = (size_t)ptr[0] << 8 | ptr[1];
    *at += LENGTH_LEN + len;
    return amp_slice(ptr + LENGTH_LEN, len);
}

bool amp_queue_tags_next(const struct amp_queue_tags *tags, size_t *at, struct amp_slice *key, struct amp_slice *value)
{
    if (*at >= tags->packed.len)
        return false;
    *key = text_at(tags, at);
    *value = text_at(tags, at);
    return true;
}

static int compare(struct amp_slice a, struct amp_slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Where a key's pair stands, or would; *end: behind it. */
static bool locate(const struct amp_queue_tags *tags, struct amp_slice key, size_t *start, size_t *end)
{
    struct amp_slice k, v;
    *start = 0;
    *end = 0;
    while (amp_queue_tags_next(tags, end, &k, &v)) {
        int order = compare(k, key);
        if (order == 0)
            return true;
        if (order > 0)
            break;
        *start = *end;
    }
    *end = *start;
    return false;
}

/* Room was reserved. */
static void put_text(struct amp_out *out, struct amp_slice text)
{
    amp_out_byte(out, (uint8_t)(text.len >> 8));
    amp_out_byte(out, (uint8_t)text.len);
    amp_out_slice(out, text);
}

enum amp_err amp_queue_tags_set(struct amp_queue_tags *tags, struct amp_slice key, struct amp_slice value)
{
    size_t start, end;
    bool replaces = locate(tags, key, &start, &end);
    if (key.len > KEY_BYTES_MAX || value.len > VALUE_BYTES_MAX || (!replaces && tags->count >= AMP_QUEUE_TAGS_MAX))
        return AMP_ERR_OVER_LIMIT;
    struct amp_secret_buf packed = {0};
    enum amp_err err =
        amp_secret_buf_reserve(&packed, tags->packed.len - (end - start) + 2 * LENGTH_LEN + key.len + value.len);
    if (err != AMP_OK)
        return err;
    struct amp_out out = amp_out(packed.ptr, packed.cap);
    amp_out_bytes(&out, tags->packed.ptr, start);
    put_text(&out, key);
    put_text(&out, value);
    if (end < tags->packed.len)
        amp_out_bytes(&out, tags->packed.ptr + end, tags->packed.len - end);
    packed.len = out.len;
    amp_secret_buf_free(&tags->packed);
    amp_secret_buf_take(&tags->packed, &packed);
    tags->count += !replaces;
    return AMP_OK;
}

void amp_queue_tags_remove(struct amp_queue_tags *tags, struct amp_slice key)
{
    size_t start, end;
    if (!locate(tags, key, &start, &end))
        return;
    memmove(tags->packed.ptr + start, tags->packed.ptr + end, tags->packed.len - end);
    tags->packed.len -= end - start;
    tags->count--;
}
