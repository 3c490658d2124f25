#include "store/meter.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "secret/secret.h"

void amp_meter_init(struct amp_meter *meter, struct amp_budget *budget, unsigned caps)
{
    meter->caps = caps;
    meter->budget = budget;
    atomic_init(&meter->bytes, 0);
}

size_t amp_meter_bytes(const struct amp_meter *meter)
{
    return atomic_load_explicit(&meter->bytes, memory_order_relaxed);
}

static size_t limit_of(const struct amp_meter *meter)
{
    size_t limit;
    return amp_size_mul(meter->budget->cap_bytes, meter->caps, &limit) ? limit : SIZE_MAX;
}

enum amp_err amp_meter_take(struct amp_meter *meter, size_t bytes)
{
    if (!amp_budget_take_up_to(meter->budget, bytes, limit_of(meter)))
        return AMP_ERR_VAULT_FULL;
    atomic_fetch_add_explicit(&meter->bytes, bytes, memory_order_relaxed);
    return AMP_OK;
}

bool amp_meter_fits(const struct amp_meter *meter, size_t bytes)
{
    size_t limit = limit_of(meter), used = atomic_load_explicit(&meter->budget->used_bytes, memory_order_relaxed);
    return used <= limit && bytes <= limit - used;
}

/* The budget is asked once the allocator has told what it gives, so a refusal costs a malloc and a free. */
static enum amp_err alloc(struct amp_meter *meter, size_t size, bool beyond, void **out)
{
    *out = NULL;
    void *ptr = malloc(size);
    if (ptr == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    size_t usable = malloc_usable_size(ptr);
    if (beyond) {
        atomic_fetch_add_explicit(&meter->budget->used_bytes, usable, memory_order_relaxed);
    } else if (!amp_budget_take_up_to(meter->budget, usable, limit_of(meter))) {
        free(ptr);
        return AMP_ERR_VAULT_FULL;
    }
    atomic_fetch_add_explicit(&meter->bytes, usable, memory_order_relaxed);
    memset(ptr, 0, size);
    *out = ptr;
    return AMP_OK;
}

enum amp_err amp_meter_alloc(struct amp_meter *meter, size_t size, void **out)
{
    return alloc(meter, size, false, out);
}

enum amp_err amp_meter_alloc_beyond(struct amp_meter *meter, size_t size, void **out)
{
    return alloc(meter, size, true, out);
}

size_t amp_meter_size(const void *ptr)
{
    return malloc_usable_size((void *)(uintptr_t)ptr);
}

size_t amp_meter_free_uncounted(void *ptr, size_t wipe)
{
    if (ptr == NULL)
        return 0;
    size_t usable = malloc_usable_size(ptr);
    if (wipe != 0)
        amp_wipe(ptr, wipe);
    free(ptr);
    return usable;
}

void amp_meter_give(struct amp_meter *meter, size_t bytes)
{
    atomic_fetch_sub_explicit(&meter->bytes, bytes, memory_order_relaxed);
    amp_budget_give(meter->budget, bytes);
}

void amp_meter_free(struct amp_meter *meter, void *ptr, size_t wipe)
{
    amp_meter_give(meter, amp_meter_free_uncounted(ptr, wipe));
}
