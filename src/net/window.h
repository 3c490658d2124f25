/*
 * The bytes a connection holds: requests on their way in, answers on their way out. Storage is secret memory that a
 * connection borrows from its worker while it has bytes to hold and gives back when it has none. Whatever lies outside
 * a window is wiped already: what was consumed leaves nothing behind. Private to the room.
 */
#ifndef AMP_NET_WINDOW_H
#define AMP_NET_WINDOW_H

#include "secret/secret.h"

#define AMP_NET_SPARE_BYTES 8192
#define AMP_NET_SPARES_MAX  32

/* Storage of AMP_NET_SPARE_BYTES each, wiped, ready to be lent; the one given back last is lent first (it is warm). */
struct amp_net_spares {
    uint8_t *storage[AMP_NET_SPARES_MAX];
    size_t count;
};
void amp_net_spares_fini(struct amp_net_spares *spares);

/* buf.ptr[start..buf.len) */
struct amp_net_window {
    struct amp_secret_buf buf;
    size_t start;
};

static inline size_t amp_net_window_len(const struct amp_net_window *window)
{
    return window->buf.len - window->start;
}

static inline uint8_t *amp_net_window_ptr(const struct amp_net_window *window)
{
    return window->buf.ptr + window->start;
}

static inline size_t amp_net_window_room(const struct amp_net_window *window)
{
    return window->buf.cap - window->buf.len;
}

/* Lends storage where the window has none. */
enum amp_err amp_net_window_open(struct amp_net_spares *spares, struct amp_net_window *window) AMP_MUST_USE;
/* Wipes, and gives the storage back. */
void amp_net_window_close(struct amp_net_spares *spares, struct amp_net_window *window);
/* Wipes the first `len` bytes and steps behind them. */
void amp_net_window_consume(struct amp_net_window *window, size_t len);
/* Wipes the last `len` bytes and cuts them off. */
void amp_net_window_cut(struct amp_net_window *window, size_t len);
/* Room for `extra` more bytes behind; the bytes may move. */
enum amp_err amp_net_window_reserve(struct amp_net_window *window, size_t extra) AMP_MUST_USE;
/*
 * For bytes that will stay a while: where few of them hold much storage, they move to as much as they need. Slow
 * senders are to hold no more of the pool than they sent.
 */
void amp_net_window_tighten(struct amp_net_spares *spares, struct amp_net_window *window);

#endif
