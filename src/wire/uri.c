#include "wire/uri.h"

#include "wire/chars.h"
#include "wire/http1.h"

/* Longest an encoded byte can be. */
#define ENCODED_MAX 3

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
    struct amp_slice param;
    if (rest->ptr == NULL || (rest->len == 0 && rest->ptr[-1] != '&'))
        return false;
    if (!amp_slice_cut(rest, '&', &param)) {
        param = *rest;
        *rest = amp_slice(NULL, 0);
    }
    *value = param;
    if (!amp_slice_cut(value, '=', name)) {
        *name = param;
        *value = amp_slice(param.ptr + param.len, 0);
    }
    return true;
}
