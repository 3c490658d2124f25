/*
 * What each queue holds, and may hold: the dynamic threshold of switches that share their memory (Choudhury and Hahne,
 * "Dynamic queue length thresholds for shared-memory packet switches", 1998). One queue alone fills four fifths; two
 * four ninths each. Whoever holds little finds room, whatever others send.
 */
#include "engine/memory.h"

#define SHARE 4 /* of what is left */

enum amp_err amp_account_new(struct amp_memory *memory, const void *first, struct account **out)
{
    void *block;
    enum amp_err err = amp_meter_alloc_beyond(&memory->meter, sizeof(struct account), &block);
    *out = block;
    if (err == AMP_OK)
        amp_account_add(*out, amp_meter_size(first));
    return err;
}

void amp_account_add(struct account *account, size_t bytes)
{
    account->bytes += bytes;
}

void amp_account_take(struct amp_memory *memory, struct account *account, size_t bytes)
{
    account->bytes -= bytes;
    if (account->bytes == 0)
        amp_meter_free(&memory->meter, account, 0);
}

bool amp_account_has_room(const struct amp_memory *memory, const struct account *account, size_t bytes)
{
    const struct amp_budget *budget = memory->config.budget;
    size_t used = atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
    size_t left = used < budget->cap_bytes ? budget->cap_bytes - used : 0;
    return (account->bytes + bytes) / SHARE <= left;
}
