#include "store/shares.h"

#include "crypto/crypto.h"

#define SHARE 4 /* of what is left */

enum amp_err amp_shares_init(struct amp_shares *shares)
{
    return amp_random(shares->key, sizeof shares->key);
}

/* Two rounds with a key in each: which names meet depends on the key. */
uint16_t amp_share_of(const struct amp_shares *shares, struct amp_slice name)
{
    uint64_t hash = shares->key[0];
    for (size_t i = 0; i < name.len; i++) {
        hash = (hash ^ name.ptr[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    hash = (hash ^ shares->key[1]) * 0xbf58476d1ce4e5b9u;
    return name.len == 0 ? AMP_SHARE_NOBODY : (uint16_t)(hash >> (64 - AMP_SHARE_BITS));
}

bool amp_share_has_room(const struct amp_shares *shares, uint16_t share, size_t bytes, size_t left)
{
    size_t held = atomic_load_explicit(&shares->held[share], memory_order_relaxed);
    return share == AMP_SHARE_NOBODY || (held + bytes) / SHARE <= left;
}
