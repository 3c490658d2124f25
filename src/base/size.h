/* Checked sizes and a memory budget shared by the stores. */
#ifndef AMP_BASE_SIZE_H
#define AMP_BASE_SIZE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool amp_size_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool amp_size_mul(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* Bytes in use against a cap. Take before allocating, give back after freeing; any thread. */
struct amp_budget {
    _Atomic size_t used_bytes;
    size_t cap_bytes;
};

static inline void amp_budget_init(struct amp_budget *budget, size_t cap_bytes)
{
    atomic_init(&budget->used_bytes, 0);
    budget->cap_bytes = cap_bytes;
}

/* False, and nothing taken, where `limit_bytes` would be passed. */
static inline bool amp_budget_take_up_to(struct amp_budget *budget, size_t bytes, size_t limit_bytes)
{
    size_t used = atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
    do {
        if (bytes > limit_bytes || used > limit_bytes - bytes)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used_bytes, &used, used + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

/* False, and nothing taken, where the cap would be passed. */
static inline bool amp_budget_take(struct amp_budget *budget, size_t bytes)
{
    return amp_budget_take_up_to(budget, bytes, budget->cap_bytes);
}

static inline void amp_budget_give(struct amp_budget *budget, size_t bytes)
{
    atomic_fetch_sub_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
}

#endif
