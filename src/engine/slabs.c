/*
 * A slab is a block of malloc's largest small sizes, which lie close together in runs of sixty KiB (see the allocator's
 * slab_sizes), so slabs need no mapping each and go back to the system like all else. Of two lengths the one that
 * leaves less over. Free blocks are linked by their places, in their own first bytes.
 */
#include "engine/slabs.h"

#include <stdlib.h>
#include <string.h>

#include "secret/secret.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#endif

/* So that a sanitizer sees what malloc would have shown it: the use of a block that was given back. */
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define FENCE(block, size)  ASAN_POISON_MEMORY_REGION(block, size)
#define UNLOCK(block, size) ASAN_UNPOISON_MEMORY_REGION(block, size)
#else
#define FENCE(block, size)  ((void)(block), (void)(size))
#define UNLOCK(block, size) ((void)(block), (void)(size))
#endif

#define LONG  ((size_t)12288)
#define SHORT ((size_t)10240)
#define NONE  UINT8_MAX

struct slab {
    struct amp_ring place; /* where it has room */
    uint16_t size;         /* of its blocks */
    uint16_t blocks;
    uint16_t used;
    uint16_t free;  /* the first free one of those that were used before, or NONE */
    uint16_t fresh; /* from here on none was ever used */
};

_Static_assert(sizeof(struct slab) % AMP_SLABS_STEP == 0, "blocks are aligned");
_Static_assert(LONG / AMP_SLABS_LEAST < NONE, "a place has one byte");

static size_t round_up(size_t size)
{
    size_t least = size < AMP_SLABS_LEAST ? AMP_SLABS_LEAST : size;
    return (least + AMP_SLABS_STEP - 1) / AMP_SLABS_STEP * AMP_SLABS_STEP;
}

static size_t blocks_in(size_t len, size_t size)
{
    return (len - sizeof(struct slab)) / size;
}

/* Of slabs whose blocks are so large: bytes for each block are fewest. */
static size_t len_for(size_t size)
{
    return LONG * blocks_in(SHORT, size) <= SHORT * blocks_in(LONG, size) ? LONG : SHORT;
}

static uint8_t *block_of(struct slab *slab, uint8_t at)
{
    return (uint8_t *)slab + sizeof *slab + (size_t)at * slab->size;
}

static struct slab *slab_of(void *block, size_t size, uint8_t at)
{
    return (struct slab *)(void *)((uint8_t *)block - (size_t)at * size - sizeof(struct slab));
}

static struct slab *slab_in(struct amp_ring *place)
{
    return (struct slab *)(void *)place;
}

void amp_slabs_init(struct amp_slabs *slabs, struct amp_meter *meter)
{
    pthread_mutex_init(&slabs->lock, NULL);
    slabs->meter = meter;
    for (size_t i = 0; i < sizeof slabs->with_room / sizeof slabs->with_room[0]; i++)
        amp_ring_init(&slabs->with_room[i]);
}

static void slab_free(struct slab *slab)
{
    amp_ring_remove(&slab->place);
    UNLOCK(slab, len_for(slab->size));
    free(slab);
}

void amp_slabs_fini(struct amp_slabs *slabs)
{
    for (size_t i = 0; i < sizeof slabs->with_room / sizeof slabs->with_room[0]; i++) {
        for (struct amp_ring *at; (at = amp_ring_first(&slabs->with_room[i])) != NULL;)
            slab_free(slab_in(at));
    }
    pthread_mutex_destroy(&slabs->lock);
}

static struct slab *slab_new(struct amp_ring *with_room, size_t size)
{
    struct slab *slab = malloc(len_for(size));
    if (slab == NULL)
        return NULL;
    *slab = (struct slab){.size = (uint16_t)size, .blocks = (uint8_t)blocks_in(len_for(size), size), .free = NONE};
    FENCE(slab + 1, len_for(size) - sizeof *slab);
    amp_ring_prepend(with_room, &slab->place);
    return slab;
}

static void *take_from(struct slab *slab, uint8_t *at)
{
    *at = (uint8_t)(slab->free != NONE ? slab->free : slab->fresh);
    uint8_t *block = block_of(slab, *at);
    UNLOCK(block, slab->size);
    if (slab->free != NONE)
        memcpy(&slab->free, block, sizeof slab->free);
    else
        slab->fresh++;
    if (++slab->used == slab->blocks)
        amp_ring_remove(&slab->place);
    return block;
}

enum amp_err amp_slabs_take(struct amp_slabs *slabs, size_t size, void **out, uint8_t *at)
{
    *at = 0;
    if (size > AMP_SLABS_MOST)
        return amp_meter_alloc(slabs->meter, size, out);
    *out = NULL;
    size_t cost = amp_slabs_cost(NULL, size);
    enum amp_err err = amp_meter_take(slabs->meter, cost);
    if (err != AMP_OK)
        return err;
    struct amp_ring *with_room = &slabs->with_room[round_up(size) / AMP_SLABS_STEP];
    pthread_mutex_lock(&slabs->lock);
    struct amp_ring *first = amp_ring_first(with_room);
    struct slab *slab = first != NULL ? slab_in(first) : slab_new(with_room, round_up(size));
    if (slab != NULL)
        *out = take_from(slab, at);
    pthread_mutex_unlock(&slabs->lock);
    if (slab != NULL)
        return AMP_OK;
    amp_meter_give(slabs->meter, cost);
    return AMP_ERR_OUT_OF_MEMORY;
}

static void give_to(struct amp_ring *with_room, struct slab *slab, uint8_t *block, uint8_t at)
{
    memcpy(block, &slab->free, sizeof slab->free);
    FENCE(block, slab->size);
    slab->free = at;
    if (slab->used-- == slab->blocks)
        amp_ring_prepend(with_room, &slab->place);
    bool others = amp_ring_first(with_room) != &slab->place || amp_ring_after(with_room, &slab->place) != NULL;
    if (slab->used == 0 && others)
        slab_free(slab);
}

void amp_slabs_give(struct amp_slabs *slabs, void *block, size_t size, uint8_t at)
{
    if (size > AMP_SLABS_MOST) {
        amp_meter_free(slabs->meter, block, size);
        return;
    }
    size_t rounded = round_up(size);
    amp_wipe(block, rounded);
    pthread_mutex_lock(&slabs->lock);
    give_to(&slabs->with_room[rounded / AMP_SLABS_STEP], slab_of(block, rounded, at), block, at);
    pthread_mutex_unlock(&slabs->lock);
    amp_meter_give(slabs->meter, amp_slabs_cost(NULL, size));
}

size_t amp_slabs_cost(const void *block, size_t size)
{
    if (size > AMP_SLABS_MOST)
        return amp_meter_size(block);
    size_t rounded = round_up(size), len = len_for(rounded), blocks = blocks_in(len, rounded);
    return (len + blocks - 1) / blocks;
}
