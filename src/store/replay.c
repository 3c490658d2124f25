/*
 * Shards by signature, each with a ring of seconds, each second an open-addressing table of its own that is
 * freed whole. The ring has two places more than the window has seconds, so a date that lies in the window of
 * one caller and the date in the same place can only be apart by more than a window: the older one of them
 * has left.
 */
#include "store/replay.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

#define SHARDS     16
#define MIN_BITS   3
#define MAX_SKEW_S 900
#define TAG_BITS   48
#define TAG_MAX    ((UINT64_C(1) << TAG_BITS) - 1)

/*
 * 80 bits of an HMAC: of 100,000 requests a second two share them once in some million years. Small, as each request
 * brings a slot into the caches that it never comes back to. No print, which has a bit set always: an empty slot.
 */
struct slot {
    uint64_t print;
    uint64_t more; /* print << 48 | tag */
};

struct second {
    int64_t date_s; /* of what is in it, where count is not 0 */
    struct slot *slots;
    size_t count;
    unsigned bits;
};

struct shard {
    pthread_mutex_t lock;
    int64_t closed_s; /* up to this date things were forgotten, so nothing dated so can be known to be new */
    int64_t highest_s;
    struct second *seconds;
};

struct amp_replay {
    int64_t skew_s;
    int64_t ring_len;
    uint64_t seed[2]; /* so that nobody can choose signatures that share a place */
    struct amp_budget entries;
    struct shard shards[SHARDS];
    struct second *seconds; /* SHARDS rings, one behind the other */
};

/* The slot of a signature, all but its tag. */
static struct slot print_of(const uint8_t signature[32])
{
    struct slot slot;
    uint16_t more;
    memcpy(&slot.print, signature, sizeof slot.print);
    memcpy(&more, signature + sizeof slot.print, sizeof more);
    slot.print |= slot.print == 0;
    slot.more = (uint64_t)more << TAG_BITS;
    return slot;
}

/* Multiply-shift hashing: the upper bits are the good ones. */
static uint64_t spread(const struct amp_replay *replay, const struct slot *print)
{
    uint64_t hash = (print->print ^ replay->seed[0]) * (replay->seed[1] | 1) ^ print->more >> TAG_BITS;
    return hash * (replay->seed[0] | 1);
}

static size_t home_of(const struct amp_replay *replay, const struct slot *print, unsigned bits)
{
    return (size_t)(spread(replay, print) << 4 >> (64 - bits));
}

static struct shard *shard_of(struct amp_replay *replay, const struct slot *print)
{
    return &replay->shards[spread(replay, print) >> 60];
}

static bool is_empty(const struct slot *slot)
{
    return slot->print == 0;
}

static bool is_print_of(const struct slot *slot, const struct slot *print)
{
    return slot->print == print->print && slot->more >> TAG_BITS == print->more >> TAG_BITS;
}

static struct slot *locate(const struct amp_replay *replay, const struct second *second, const struct slot *print)
{
    size_t mask = ((size_t)1 << second->bits) - 1;
    size_t i = home_of(replay, print, second->bits);
    while (!is_empty(&second->slots[i]) && !is_print_of(&second->slots[i], print))
        i = (i + 1) & mask;
    return &second->slots[i];
}

/* Only for amp_replay_expect are these atomic: whoever else reads them has the shard's lock. */
static void set_table(struct second *second, struct slot *slots, unsigned bits)
{
    __atomic_store_n(&second->slots, slots, __ATOMIC_RELAXED);
    __atomic_store_n(&second->bits, bits, __ATOMIC_RELAXED);
}

/*
 * A second is likely to bring as many as the one before, and a table that grows from nothing moves each entry twice. It
 * begins at half of what that one needed, so that a burst lends its size to one quiet second alone: an entry takes no
 * more than 72 bytes, whatever comes when.
 */
static unsigned first_bits(const struct amp_replay *replay, const struct shard *shard, int64_t date_s)
{
    const struct second *before = &shard->seconds[(date_s + replay->ring_len - 1) % replay->ring_len];
    if (before->slots == NULL || before->date_s != date_s - 1 || before->bits <= MIN_BITS)
        return MIN_BITS;
    return before->count > ((size_t)1 << before->bits) / 3 ? before->bits - 1 : MIN_BITS;
}

/* Two thirds full at most. */
static enum amp_err make_room(const struct amp_replay *replay, const struct shard *shard, struct second *second)
{
    size_t old_len = second->slots == NULL ? 0 : (size_t)1 << second->bits;
    if (second->count < old_len / 3 * 2)
        return AMP_OK;
    struct second grown = {.date_s = second->date_s, .count = second->count};
    grown.bits = old_len == 0 ? first_bits(replay, shard, second->date_s) : second->bits + 1;
    grown.slots = calloc((size_t)1 << grown.bits, sizeof *grown.slots);
    if (grown.slots == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < old_len; i++) {
        if (!is_empty(&second->slots[i]))
            *locate(replay, &grown, &second->slots[i]) = second->slots[i];
    }
    free(second->slots);
    set_table(second, grown.slots, grown.bits);
    return AMP_OK;
}

/* Under the shard's lock. */
static void forget(struct amp_replay *replay, struct shard *shard, struct second *second)
{
    if (second->count != 0) {
        amp_budget_give(&replay->entries, second->count);
        if (second->date_s > shard->closed_s)
            shard->closed_s = second->date_s;
    }
    free(second->slots);
    set_table(second, NULL, 0);
    second->date_s = 0;
    second->count = 0;
}

/*
 * The place for this date, with nothing of another date in it. NULL where that would forget something in the
 * window.
 */
static struct second *open_second(struct amp_replay *replay, struct shard *shard, int64_t date_s)
{
    struct second *second = &shard->seconds[date_s % replay->ring_len];
    if (second->count != 0 && second->date_s < date_s)
        forget(replay, shard, second);
    if (date_s <= shard->closed_s || (second->count != 0 && second->date_s != date_s))
        return NULL;
    second->date_s = date_s;
    return second;
}

void amp_replay_expect(struct amp_replay *replay, const uint8_t signature[32], int64_t date_s)
{
    const struct slot print = print_of(signature);
    const struct second *seconds = shard_of(replay, &print)->seconds;
    if (date_s < 0)
        return;
    const struct second *second = &seconds[date_s % replay->ring_len];
    uintptr_t slots = (uintptr_t)__atomic_load_n(&second->slots, __ATOMIC_RELAXED);
    unsigned bits = __atomic_load_n(&second->bits, __ATOMIC_RELAXED);
    if (slots != 0 && bits != 0)
        __builtin_prefetch((const void *)(slots + home_of(replay, &print, bits) * sizeof(struct slot)), 1);
}

/* Under the shard's lock. */
static enum amp_err remember(struct amp_replay *replay, const struct shard *shard, struct second *second,
                             const struct slot *print, uint64_t tag, uint64_t *first_tag)
{
    if (second->slots != NULL) {
        const struct slot *known = locate(replay, second, print);
        if (!is_empty(known)) {
            *first_tag = known->more & TAG_MAX;
            return AMP_ERR_REQUEST_REPLAYED;
        }
    }
    if (!amp_budget_take(&replay->entries, 1))
        return AMP_ERR_REPLAY_MEMORY_FULL;
    enum amp_err err = make_room(replay, shard, second);
    if (err != AMP_OK) {
        amp_budget_give(&replay->entries, 1);
        return err;
    }
    *locate(replay, second, print) = (struct slot){.print = print->print, .more = print->more | tag};
    second->count++;
    return AMP_OK;
}

enum amp_err amp_replay_remember(struct amp_replay *replay, const uint8_t signature[32], int64_t date_s, int64_t now_s,
                                 uint64_t tag, uint64_t *first_tag)
{
    int64_t ahead_s;
    if (tag > TAG_MAX)
        return AMP_ERR_INVALID;
    if (date_s < 0 || __builtin_sub_overflow(date_s, now_s, &ahead_s) || ahead_s > replay->skew_s ||
        ahead_s < -replay->skew_s)
        return AMP_ERR_CLOCK_SKEW;
    const struct slot print = print_of(signature);
    struct shard *shard = shard_of(replay, &print);
    pthread_mutex_lock(&shard->lock);
    struct second *second = open_second(replay, shard, date_s);
    enum amp_err err = second == NULL ? AMP_ERR_CLOCK_SKEW : remember(replay, shard, second, &print, tag, first_tag);
    if (err == AMP_OK && date_s > shard->highest_s)
        shard->highest_s = date_s;
    pthread_mutex_unlock(&shard->lock);
    return err;
}

void amp_replay_sweep(struct amp_replay *replay, int64_t now_s)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &replay->shards[i];
        pthread_mutex_lock(&shard->lock);
        for (int64_t place = 0; place < replay->ring_len; place++) {
            struct second *second = &shard->seconds[place];
            if (second->slots != NULL && second->date_s < now_s - replay->skew_s)
                forget(replay, shard, second);
        }
        pthread_mutex_unlock(&shard->lock);
    }
}

void amp_replay_close(struct amp_replay *replay, int64_t until_s)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &replay->shards[i];
        pthread_mutex_lock(&shard->lock);
        if (until_s > shard->closed_s)
            shard->closed_s = until_s;
        pthread_mutex_unlock(&shard->lock);
    }
}

int64_t amp_replay_horizon(struct amp_replay *replay)
{
    int64_t highest_s = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &replay->shards[i];
        pthread_mutex_lock(&shard->lock);
        if (shard->highest_s > highest_s)
            highest_s = shard->highest_s;
        pthread_mutex_unlock(&shard->lock);
    }
    return highest_s;
}

size_t amp_replay_count(const struct amp_replay *replay)
{
    return atomic_load_explicit(&replay->entries.used_bytes, memory_order_relaxed);
}

enum amp_err amp_replay_new(struct amp_replay **out, int64_t skew_s, size_t max_entries)
{
    *out = NULL;
    if (skew_s < 1 || skew_s > MAX_SKEW_S)
        return AMP_ERR_INVALID;
    int64_t ring_len = 2 * skew_s + 2;
    enum amp_err err = AMP_ERR_OUT_OF_MEMORY;
    struct amp_replay *replay = calloc(1, sizeof *replay);
    struct second *seconds = calloc(SHARDS * (size_t)ring_len, sizeof *seconds);
    if (replay != NULL && seconds != NULL)
        err = amp_random(replay->seed, sizeof replay->seed);
    if (err != AMP_OK) {
        free(seconds);
        free(replay);
        return err;
    }
    replay->skew_s = skew_s;
    replay->ring_len = ring_len;
    replay->seconds = seconds;
    amp_budget_init(&replay->entries, max_entries);
    for (size_t i = 0; i < SHARDS; i++) {
        replay->shards[i].closed_s = -1;
        replay->shards[i].seconds = seconds + i * (size_t)ring_len;
        pthread_mutex_init(&replay->shards[i].lock, NULL);
    }
    *out = replay;
    return AMP_OK;
}

void amp_replay_free(struct amp_replay *replay)
{
    if (replay == NULL)
        return;
    for (size_t i = 0; i < SHARDS * (size_t)replay->ring_len; i++)
        free(replay->seconds[i].slots);
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&replay->shards[i].lock);
    free(replay->seconds);
    free(replay);
}
