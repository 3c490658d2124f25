/*
 * Counted memory: what the allocator really hands out (its usable size, not what was asked for) is taken from
 * a budget that stores share, and added to the store's own count. Any thread.
 */
#ifndef AMP_STORE_METER_H
#define AMP_STORE_METER_H

#include "base/err.h"
#include "base/size.h"

struct amp_meter {
    struct amp_budget *budget; /* borrowed */
    _Atomic size_t bytes;
    unsigned caps; /* the budget may be used to so many times its cap */
};

/* `caps`: 1, or more for a store that must work on where others are refused. */
void amp_meter_init(struct amp_meter *meter, struct amp_budget *budget, unsigned caps);
size_t amp_meter_bytes(const struct amp_meter *meter);

/* Counts bytes that the caller allocates, until amp_meter_give: AMP_ERR_VAULT_FULL at the cap. */
enum amp_err amp_meter_take(struct amp_meter *meter, size_t bytes) AMP_MUST_USE;
/* Whether so much more could be counted now. */
bool amp_meter_fits(const struct amp_meter *meter, size_t bytes);
/* Zeroed, 16-byte aligned. AMP_ERR_VAULT_FULL at the cap, AMP_ERR_OUT_OF_MEMORY; *out is NULL then. */
enum amp_err amp_meter_alloc(struct amp_meter *meter, size_t size, void **out) AMP_MUST_USE;
/* The same, but it may pass any cap: for the little that is needed to empty a full store. */
enum amp_err amp_meter_alloc_beyond(struct amp_meter *meter, size_t size, void **out) AMP_MUST_USE;
/* What such a block counts for. */
size_t amp_meter_size(const void *ptr);
/* Wipes the first `wipe` bytes, then frees. NULL does nothing. */
void amp_meter_free(struct amp_meter *meter, void *ptr, size_t wipe);
/* The same for many blocks: frees each, and tells the bytes to give back once for all of them. */
size_t amp_meter_free_uncounted(void *ptr, size_t wipe);
void amp_meter_give(struct amp_meter *meter, size_t bytes);

#endif
