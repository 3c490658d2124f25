#include "base/log.h"
#include "base/size.h"
#include "secret/secret.h"

enum { FIRST_CAP = 256 };

static size_t grown_cap(size_t cap, size_t needed)
{
    size_t doubled;
    if (cap < FIRST_CAP / 2)
        doubled = FIRST_CAP;
    else if (!amp_size_mul(cap, 2, &doubled))
        return needed;
    return doubled < needed ? needed : doubled;
}

enum amp_err amp_secret_buf_reserve(struct amp_secret_buf *buf, size_t extra)
{
    size_t needed;
    if (!amp_size_add(buf->len, extra, &needed))
        return AMP_ERR_OUT_OF_MEMORY;
    if (needed <= buf->cap)
        return AMP_OK;
    size_t cap = grown_cap(buf->cap, needed);
    uint8_t *grown = amp_secret_alloc(cap);
    if (grown == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    if (buf->len != 0)
        memcpy(grown, buf->ptr, buf->len);
    amp_secret_free(buf->ptr);
    buf->ptr = grown;
    buf->cap = cap;
    return AMP_OK;
}

enum amp_err amp_secret_buf_append(struct amp_secret_buf *buf, const void *bytes, size_t len)
{
    enum amp_err err = amp_secret_buf_reserve(buf, len);
    if (err != AMP_OK || len == 0)
        return err;
    memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    return AMP_OK;
}

void amp_secret_buf_clear(struct amp_secret_buf *buf)
{
    amp_wipe(buf->ptr, buf->len);
    buf->len = 0;
}

void amp_secret_buf_free(struct amp_secret_buf *buf)
{
    amp_secret_free(buf->ptr);
    *buf = (struct amp_secret_buf){NULL, 0, 0};
}

void amp_secret_buf_take(struct amp_secret_buf *to, struct amp_secret_buf *from)
{
    if (to->ptr != NULL)
        amp_fatal("a secret buffer was moved over another");
    *to = *from;
    *from = (struct amp_secret_buf){NULL, 0, 0};
}
