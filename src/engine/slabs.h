/*
 * Blocks for what is many and lies long, cut from slabs of one size each, in steps of eight bytes: malloc's own sizes
 * stand so far apart that a tenth of a message's memory would be left over behind it. Counted in a meter, each with its
 * share of what its slab cannot use, and wiped when it is given back, before anybody can have it again. A slab without
 * blocks goes back to the system, but for a few (768 KiB of all). What lies idle in the others stays within the budget,
 * but for one slab of each size (2.8 MiB of all). Any thread.
 */
#ifndef AMP_ENGINE_SLABS_H
#define AMP_ENGINE_SLABS_H

#include <pthread.h>

#include "engine/chunks.h"
#include "store/meter.h"

#define AMP_SLABS_STEP  8
#define AMP_SLABS_LEAST 104
#define AMP_SLABS_MOST  1024 /* bytes; what is larger has a block of malloc's, where it matters less */

struct amp_slabs {
    pthread_mutex_t lock;
    struct amp_meter *meter;                                        /* borrowed */
    struct amp_ring with_room[AMP_SLABS_MOST / AMP_SLABS_STEP + 1]; /* slabs, by size */
    struct amp_chunks chunks;                                       /* where they come from */
    struct amp_ring spare;                                          /* empty ones */
    size_t spare_count;
    size_t slab_bytes;  /* of slabs with blocks out */
    size_t block_bytes; /* what those blocks count for */
};

void amp_slabs_init(struct amp_slabs *slabs, struct amp_meter *meter);
/* With no block out any more. */
void amp_slabs_fini(struct amp_slabs *slabs);

/* Not zeroed, 8-byte aligned. The caller keeps size and *at, which tell where it is. Errors of amp_meter_alloc;
 * AMP_ERR_VAULT_FULL also where it took one more slab, and what lies idle in them leaves no room for that. */
enum amp_err amp_slabs_take(struct amp_slabs *slabs, size_t size, void **out, uint8_t *at) AMP_MUST_USE;
/* Wipes it. */
void amp_slabs_give(struct amp_slabs *slabs, void *block, size_t size, uint8_t at);
/* What a block of that size counts for. */
size_t amp_slabs_cost(const void *block, size_t size);

#endif
