#include "keys/pack.h"

void amp_pack_uint(struct amp_out *out, uint64_t value, size_t bytes)
{
    for (size_t i = bytes; i-- > 0;)
        amp_out_byte(out, (uint8_t)(value >> (8 * i)));
}

void amp_pack_text(struct amp_out *out, const uint8_t *text, size_t len, size_t len_bytes)
{
    amp_pack_uint(out, len, len_bytes);
    amp_out_bytes(out, text, len);
}

void amp_unpack_bytes(struct amp_unpack *in, void *to, size_t len)
{
    if (in->bad || len > in->left.len) {
        in->bad = true;
        return;
    }
    if (len == 0)
        return;
    memcpy(to, in->left.ptr, len);
    in->left = amp_slice(in->left.ptr + len, in->left.len - len);
}

uint64_t amp_unpack_uint(struct amp_unpack *in, size_t bytes)
{
    uint8_t text[8] = {0};
    uint64_t value = 0;
    amp_unpack_bytes(in, text, bytes);
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | text[i];
    return value;
}

size_t amp_unpack_text(struct amp_unpack *in, uint8_t *text, size_t most, size_t len_bytes)
{
    size_t len = (size_t)amp_unpack_uint(in, len_bytes);
    in->bad = in->bad || len > most;
    if (in->bad)
        return 0;
    amp_unpack_bytes(in, text, len);
    return len;
}

bool amp_unpack_end(const struct amp_unpack *in)
{
    return !in->bad && in->left.len == 0;
}
