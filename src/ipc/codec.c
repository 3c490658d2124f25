#include "ipc/ipc.h"

static void put_uint(struct amp_out *out, uint64_t value, size_t bytes)
{
    uint8_t text[8];
    for (size_t i = 0; i < bytes; i++)
        text[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    amp_out_bytes(out, text, bytes);
}

void amp_ipc_put_u8(struct amp_out *out, uint8_t value)
{
    amp_out_byte(out, value);
}

void amp_ipc_put_u32(struct amp_out *out, uint32_t value)
{
    put_uint(out, value, 4);
}

void amp_ipc_put_u64(struct amp_out *out, uint64_t value)
{
    put_uint(out, value, 8);
}

void amp_ipc_put_bytes(struct amp_out *out, struct amp_slice bytes)
{
    if (bytes.len > UINT16_MAX) {
        out->overflow = true;
        return;
    }
    put_uint(out, bytes.len, 2);
    amp_out_slice(out, bytes);
}

/* The next `len` bytes, or NULL and bad for good. */
static const uint8_t *take(struct amp_ipc_in *in, size_t len)
{
    if (in->bad || len > in->left.len) {
        in->bad = true;
        return NULL;
    }
    const uint8_t *bytes = in->left.ptr;
    in->left = amp_slice(bytes + len, in->left.len - len);
    return bytes;
}

static uint64_t get_uint(struct amp_ipc_in *in, size_t bytes)
{
    const uint8_t *text = take(in, bytes);
    uint64_t value = 0;
    for (size_t i = 0; text != NULL && i < bytes; i++)
        value = value << 8 | text[i];
    return value;
}

uint8_t amp_ipc_get_u8(struct amp_ipc_in *in)
{
    return (uint8_t)get_uint(in, 1);
}

uint32_t amp_ipc_get_u32(struct amp_ipc_in *in)
{
    return (uint32_t)get_uint(in, 4);
}

uint64_t amp_ipc_get_u64(struct amp_ipc_in *in)
{
    return get_uint(in, 8);
}

struct amp_slice amp_ipc_get_bytes(struct amp_ipc_in *in, size_t most)
{
    size_t len = (size_t)get_uint(in, 2);
    if (len > most)
        in->bad = true;
    const uint8_t *bytes = take(in, len);
    return bytes != NULL ? amp_slice(bytes, len) : amp_slice(NULL, 0);
}

void amp_ipc_get_fixed(struct amp_ipc_in *in, void *out, size_t len)
{
    const uint8_t *bytes = take(in, len);
    if (bytes != NULL)
        memcpy(out, bytes, len);
    else
        memset(out, 0, len);
}

bool amp_ipc_end(const struct amp_ipc_in *in)
{
    return !in->bad && in->left.len == 0;
}
