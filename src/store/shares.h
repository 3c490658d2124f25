/*
 * What each principal has of memory that many share, and may have: the dynamic threshold that queues have among
 * themselves too (engine/memory_account.c). Who has more than four times what is left to all gets no more: one alone
 * fills four fifths, two four ninths each, and whoever has little finds room, whatever others put.
 *
 * Names are hashed under a random key into a fixed number of shares: nothing to allocate, and which names meet in one
 * nobody can choose. Counting is without locks.
 */
#ifndef AMP_STORE_SHARES_H
#define AMP_STORE_SHARES_H

#include "base/err.h"
#include "base/slice.h"

#include <stdatomic.h>
#include <stdbool.h>

#define AMP_SHARE_BITS   12
#define AMP_SHARE_NOBODY (1 << AMP_SHARE_BITS) /* of no name: counted, never refused */

struct amp_shares {
    uint64_t key[2];
    _Atomic size_t held[AMP_SHARE_NOBODY + 1];
};

/* `shares` is zeroed memory. AMP_ERR_CRYPTO: no randomness. */
enum amp_err amp_shares_init(struct amp_shares *shares) AMP_MUST_USE;
uint16_t amp_share_of(const struct amp_shares *shares, struct amp_slice name);
/* May it have `bytes` more, where `left` are left to all? */
bool amp_share_has_room(const struct amp_shares *shares, uint16_t share, size_t bytes, size_t left);

/* As amp_budget_take, but it counts and never refuses: ask amp_share_has_room before. */
static inline void amp_share_take(struct amp_shares *shares, uint16_t share, size_t bytes)
{
    atomic_fetch_add_explicit(&shares->held[share], bytes, memory_order_relaxed);
}

static inline void amp_share_give(struct amp_shares *shares, uint16_t share, size_t bytes)
{
    atomic_fetch_sub_explicit(&shares->held[share], bytes, memory_order_relaxed);
}

#endif
