/*
 * Levels are thousandths of a token, so that one millisecond at one per second is one unit: no fraction, no
 * drift.
 */
#include "store/rate.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/size.h"

#define STRIPES 16
#define UNITS   1000u

struct bucket {
    struct bucket *next;
    int64_t filled_ms; /* when `level` was right */
    uint64_t level;
    uint32_t per_second;
    uint32_t burst;
    size_t name_len;
    uint8_t name[];
};

struct stripe {
    pthread_mutex_t lock;
    struct bucket **chains;
};

struct amp_rate {
    struct amp_clock clock;
    struct amp_budget buckets;
    size_t chains_per_stripe; /* a power of two */
    struct bucket **chains;
    struct stripe stripes[STRIPES];
};

/* FNV-1a. Names are those of principals, set by an operator: nobody outside can choose colliding ones. */
static uint64_t hash_of(struct amp_slice name)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name.ptr[i]) * 1099511628211u;
    return hash ^ hash >> 32;
}

static uint64_t capacity_of(const struct bucket *bucket)
{
    return (uint64_t)bucket->burst * UNITS;
}

static void fill(struct bucket *bucket, int64_t now_ms)
{
    uint64_t flow;
    uint64_t room = capacity_of(bucket) - bucket->level;
    bool flood = __builtin_mul_overflow((uint64_t)(now_ms - bucket->filled_ms), bucket->per_second, &flow);
    bucket->level += flood || flow > room ? room : flow;
    bucket->filled_ms = now_ms;
}

static void set_limits(struct bucket *bucket, uint32_t per_second, uint32_t burst)
{
    bucket->per_second = per_second;
    bucket->burst = burst;
    if (bucket->level > capacity_of(bucket))
        bucket->level = capacity_of(bucket);
}

static struct bucket **find(struct bucket **chain, struct amp_slice name)
{
    while (*chain != NULL && !amp_slice_equal(amp_slice((*chain)->name, (*chain)->name_len), name))
        chain = &(*chain)->next;
    return chain;
}

static enum amp_err bucket_new(struct amp_rate *rate, struct amp_slice name, uint32_t per_second, uint32_t burst,
                               int64_t now_ms, struct bucket **out)
{
    *out = NULL;
    if (!amp_budget_take(&rate->buckets, 1))
        return AMP_ERR_OVERLOADED;
    struct bucket *bucket = malloc(sizeof *bucket + name.len);
    if (bucket == NULL) {
        amp_budget_give(&rate->buckets, 1);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    *bucket = (struct bucket){.filled_ms = now_ms, .per_second = per_second, .burst = burst, .name_len = name.len};
    bucket->level = capacity_of(bucket);
    if (name.len != 0)
        memcpy(bucket->name, name.ptr, name.len);
    *out = bucket;
    return AMP_OK;
}

static enum amp_err pay(struct bucket *bucket, uint32_t cost, uint32_t *retry_after_s)
{
    uint64_t price = (uint64_t)(cost < bucket->burst ? cost : bucket->burst) * UNITS;
    if (price <= bucket->level) {
        bucket->level -= price;
        return AMP_OK;
    }
    uint64_t per_second = (uint64_t)bucket->per_second * UNITS;
    uint64_t wait_s = (price - bucket->level + per_second - 1) / per_second;
    *retry_after_s = wait_s < UINT32_MAX ? (uint32_t)wait_s : UINT32_MAX;
    return AMP_ERR_RATE_LIMITED;
}

static enum amp_err take(struct amp_rate *rate, struct amp_slice name, uint32_t per_second, uint32_t burst,
                         uint32_t cost, uint32_t *retry_after_s)
{
    uint64_t hash = hash_of(name);
    struct stripe *stripe = &rate->stripes[hash % STRIPES];
    enum amp_err err = AMP_OK;
    pthread_mutex_lock(&stripe->lock);
    int64_t now_ms = amp_clock_mono_ms(&rate->clock);
    struct bucket **place = find(&stripe->chains[hash / STRIPES % rate->chains_per_stripe], name);
    if (*place == NULL)
        err = bucket_new(rate, name, per_second, burst, now_ms, place);
    if (err == AMP_OK) {
        fill(*place, now_ms);
        set_limits(*place, per_second, burst);
        err = pay(*place, cost, retry_after_s);
    }
    pthread_mutex_unlock(&stripe->lock);
    return err;
}

/* Frees the buckets that have filled up again: a new one would be just the same. */
static size_t reclaim(struct amp_rate *rate, struct stripe *stripe)
{
    size_t freed = 0;
    pthread_mutex_lock(&stripe->lock);
    int64_t now_ms = amp_clock_mono_ms(&rate->clock);
    for (size_t i = 0; i < rate->chains_per_stripe; i++) {
        for (struct bucket **place = &stripe->chains[i]; *place != NULL;) {
            struct bucket *bucket = *place;
            fill(bucket, now_ms);
            if (bucket->level < capacity_of(bucket)) {
                place = &bucket->next;
                continue;
            }
            *place = bucket->next;
            free(bucket);
            freed++;
        }
    }
    pthread_mutex_unlock(&stripe->lock);
    amp_budget_give(&rate->buckets, freed);
    return freed;
}

enum amp_err amp_rate_take(struct amp_rate *rate, struct amp_slice name, uint32_t per_second, uint32_t burst,
                           uint32_t cost, uint32_t *retry_after_s)
{
    if (per_second == 0)
        return AMP_OK;
    burst = burst == 0 ? 1 : burst;
    enum amp_err err = take(rate, name, per_second, burst, cost, retry_after_s);
    if (err != AMP_ERR_OVERLOADED)
        return err;
    size_t freed = 0;
    for (size_t i = 0; i < STRIPES; i++)
        freed += reclaim(rate, &rate->stripes[i]);
    return freed == 0 ? err : take(rate, name, per_second, burst, cost, retry_after_s);
}

enum amp_err amp_rate_new(struct amp_rate **out, struct amp_clock clock, size_t max_buckets)
{
    *out = NULL;
    size_t chains_per_stripe = 4;
    while (chains_per_stripe * STRIPES < max_buckets && chains_per_stripe < 1 << 16)
        chains_per_stripe *= 2;
    struct amp_rate *rate = calloc(1, sizeof *rate);
    struct bucket **chains = calloc(STRIPES * chains_per_stripe, sizeof(struct bucket *));
    if (rate == NULL || chains == NULL) {
        free(rate);
        free(chains);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    rate->clock = clock;
    rate->chains_per_stripe = chains_per_stripe;
    rate->chains = chains;
    amp_budget_init(&rate->buckets, max_buckets);
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&rate->stripes[i].lock, NULL);
        rate->stripes[i].chains = chains + i * chains_per_stripe;
    }
    *out = rate;
    return AMP_OK;
}

static void chain_free(struct bucket *bucket)
{
    while (bucket != NULL) {
        struct bucket *next = bucket->next;
        free(bucket);
        bucket = next;
    }
}

void amp_rate_free(struct amp_rate *rate)
{
    if (rate == NULL)
        return;
    for (size_t i = 0; i < STRIPES * rate->chains_per_stripe; i++)
        chain_free(rate->chains[i]);
    for (size_t i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&rate->stripes[i].lock);
    free(rate->chains);
    free(rate);
}
