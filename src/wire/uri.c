#include "wire/uri.h"

#include "secret/secret.h"
#include "wire/chars.h"
#include "wire/http1.h"

/* Longest an encoded byte can be. */
#define ENCODED_MAX 3

/* Large scratch that is written before it is read: zeroing it first (-ftrivial-auto-var-init) would cost more
 * than the work itself. */
#define UNINITIALIZED __attribute__((uninitialized))

static void write_encoded_byte(struct amp_out *out, uint8_t c)
{
    static const char hex[] = "0123456789ABCDEF";
    if (amp_char_is(c, AMP_CHAR_UNRESERVED)) {
        amp_out_byte(out, c);
        return;
    }
    const char encoded[ENCODED_MAX] = {'%', hex[c >> 4], hex[c & 15]};
    amp_out_bytes(out, encoded, sizeof(encoded));
}

static void write_encoded(struct amp_out *out, struct amp_slice text)
{
    if (amp_chars_all(text, AMP_CHAR_UNRESERVED)) {
        amp_out_slice(out, text);
        return;
    }
    for (size_t i = 0; i < text.len; i++)
        write_encoded_byte(out, text.ptr[i]);
}

/* Takes one byte off the front of *text, decoding it; false where a "%" begins no two hex digits. */
static bool take_decoded_byte(struct amp_slice *text, uint8_t *c)
{
    size_t used = 1;
    *c = text->ptr[0];
    if (*c == '%') {
        int high = text->len < ENCODED_MAX ? -1 : amp_char_hex(text->ptr[1]);
        int low = text->len < ENCODED_MAX ? -1 : amp_char_hex(text->ptr[2]);
        if (high < 0 || low < 0)
            return false;
        *c = (uint8_t)(high << 4 | low);
        used = ENCODED_MAX;
    }
    *text = amp_slice(text->ptr + used, text->len - used);
    return true;
}

enum amp_err amp_uri_decode(struct amp_out *out, struct amp_slice text)
{
    uint8_t c;
    while (text.len != 0) {
        if (!take_decoded_byte(&text, &c))
            return AMP_ERR_MALFORMED_REQUEST;
        amp_out_byte(out, c);
    }
    return AMP_OK;
}

bool amp_uri_next_param(struct amp_slice *rest, struct amp_slice *name, struct amp_slice *value)
{
    struct amp_slice param = {NULL, 0};
    while (param.len == 0) {
        if (rest->len == 0)
            return false;
        if (!amp_slice_cut(rest, '&', &param)) {
            param = *rest;
            *rest = amp_slice(NULL, 0);
        }
    }
    *value = param;
    if (!amp_slice_cut(value, '=', name)) {
        *name = param;
        *value = amp_slice(NULL, 0);
    }
    return true;
}

/* Takes back the last segment written behind `root`, where out holds a "/" that stays. */
static void drop_segment(struct amp_out *out, size_t root)
{
    while (out->len > root && out->ptr[out->len - 1] != '/')
        out->len--;
    if (out->len > root)
        out->len--;
}

void amp_uri_write_path(struct amp_out *out, struct amp_slice path)
{
    size_t root = out->len;
    bool slash_at_end = path.len != 0 && path.ptr[path.len - 1] == '/';
    struct amp_slice segment;
    bool more = true;
    while (more) {
        more = amp_slice_cut(&path, '/', &segment);
        if (!more)
            segment = path;
        if (amp_slice_is(segment, "..")) {
            drop_segment(out, root);
        } else if (segment.len != 0 && !amp_slice_is(segment, ".")) {
            amp_out_byte(out, '/');
            write_encoded(out, segment);
        }
    }
    if (out->len == root || slash_at_end)
        amp_out_byte(out, '/');
}

struct param {
    struct amp_slice name;
    struct amp_slice value;
};

/* By code point, a prefix before what it begins. */
static int compare(struct amp_slice a, struct amp_slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.ptr, b.ptr, shorter);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool sorts_before(const struct param *a, const struct param *b)
{
    int order = compare(a->name, b->name);
    return order < 0 || (order == 0 && compare(a->value, b->value) < 0);
}

/* Insertion keeps what most senders have sorted already linear; AMP_URI_MAX_PARAMS bounds the rest. */
static void insert_sorted(struct param *params, size_t count, struct param param)
{
    while (count > 0 && sorts_before(&param, &params[count - 1])) {
        params[count] = params[count - 1];
        count--;
    }
    params[count] = param;
}

/* Decodes and encodes anew into `out`; *encoded is what was written. */
static enum amp_err recode(struct amp_out *out, struct amp_slice text, struct amp_slice *encoded)
{
    size_t start = out->len;
    uint8_t c;
    while (text.len != 0) {
        if (!take_decoded_byte(&text, &c))
            return AMP_ERR_MALFORMED_REQUEST;
        write_encoded_byte(out, c);
    }
    *encoded = amp_slice(out->ptr + start, out->len - start);
    return out->overflow ? AMP_ERR_URI_TOO_LONG : AMP_OK;
}

/* Reads the query into params[], sorted, whose slices borrow from `recoded`. */
static enum amp_err read_sorted(struct amp_slice query, struct amp_out *recoded, struct param *params, size_t *count)
{
    struct amp_slice name, value;
    while (amp_uri_next_param(&query, &name, &value)) {
        struct param param;
        enum amp_err err = *count == AMP_URI_MAX_PARAMS ? AMP_ERR_URI_TOO_LONG : recode(recoded, name, &param.name);
        if (err == AMP_OK)
            err = recode(recoded, value, &param.value);
        if (err != AMP_OK)
            return err;
        insert_sorted(params, (*count)++, param);
    }
    return AMP_OK;
}

enum amp_err amp_uri_write_query(struct amp_out *out, struct amp_slice query)
{
    struct param params[AMP_URI_MAX_PARAMS] UNINITIALIZED;
    uint8_t storage[ENCODED_MAX * AMP_HTTP1_MAX_TARGET] UNINITIALIZED;
    struct amp_out recoded = amp_out(storage, sizeof(storage));
    size_t count = 0;
    enum amp_err err = read_sorted(query, &recoded, params, &count);
    for (size_t i = 0; err == AMP_OK && i < count; i++) {
        if (i != 0)
            amp_out_byte(out, '&');
        amp_out_slice(out, params[i].name);
        amp_out_byte(out, '=');
        amp_out_slice(out, params[i].value);
    }
    amp_wipe(storage, recoded.len); /* what strangers send as a query may be anything, also what should be nowhere */
    amp_wipe(params, count * sizeof(params[0]));
    return err;
}
