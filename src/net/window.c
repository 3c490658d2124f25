#include "net/window.h"

enum { TIGHT_SHARE = 4 }; /* bytes are moved where they fill less than this part of their storage */

void amp_net_spares_fini(struct amp_net_spares *spares)
{
    while (spares->count > 0)
        amp_secret_free(spares->storage[--spares->count]);
}

enum amp_err amp_net_window_open(struct amp_net_spares *spares, struct amp_net_window *window)
{
    if (window->buf.ptr != NULL)
        return AMP_OK;
    if (spares->count == 0)
        return amp_secret_buf_reserve(&window->buf, AMP_NET_SPARE_BYTES);
    window->buf = (struct amp_secret_buf){spares->storage[--spares->count], 0, AMP_NET_SPARE_BYTES};
    return AMP_OK;
}

void amp_net_window_close(struct amp_net_spares *spares, struct amp_net_window *window)
{
    if (window->buf.ptr == NULL)
        return;
    if (window->buf.cap != AMP_NET_SPARE_BYTES || spares->count == AMP_NET_SPARES_MAX) {
        amp_secret_buf_free(&window->buf);
    } else {
        amp_wipe(amp_net_window_ptr(window), amp_net_window_len(window));
        spares->storage[spares->count++] = window->buf.ptr;
        window->buf = (struct amp_secret_buf){NULL, 0, 0};
    }
    window->start = 0;
}

void amp_net_window_consume(struct amp_net_window *window, size_t len)
{
    amp_wipe(amp_net_window_ptr(window), len);
    window->start += len;
    if (window->start == window->buf.len)
        window->start = window->buf.len = 0;
}

void amp_net_window_cut(struct amp_net_window *window, size_t len)
{
    window->buf.len -= len;
    amp_wipe(window->buf.ptr + window->buf.len, len);
}

static void move_to_front(struct amp_net_window *window)
{
    size_t gap = window->start, len = amp_net_window_len(window);
    memmove(window->buf.ptr, window->buf.ptr + gap, len);
    window->start = 0;
    amp_net_window_cut(window, gap < len ? gap : len);
    window->buf.len = len;
}

enum amp_err amp_net_window_reserve(struct amp_net_window *window, size_t extra)
{
    if (extra <= amp_net_window_room(window))
        return AMP_OK;
    if (window->start != 0)
        move_to_front(window);
    return amp_secret_buf_reserve(&window->buf, extra);
}

void amp_net_window_tighten(struct amp_net_spares *spares, struct amp_net_window *window)
{
    size_t len = amp_net_window_len(window);
    if (window->buf.cap < AMP_NET_SPARE_BYTES || len > window->buf.cap / TIGHT_SHARE)
        return;
    struct amp_net_window tight = {{NULL, 0, 0}, 0};
    if (amp_secret_buf_append(&tight.buf, amp_net_window_ptr(window), len) != AMP_OK)
        return; /* the loose storage serves as well */
    amp_net_window_close(spares, window);
    *window = tight;
}
