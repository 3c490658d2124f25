/*
 * A slab is pages of its own, so what is empty goes back to the system at once, whichever thread empties it: an
 * allocator gives back what it cached when somebody allocates there again. A few are kept, for what comes and goes.
 * Free blocks are linked by their places, in their own first byte.
 */
#include "engine/slabs.h"

#include <string.h>

#include "engine/fence.h"
#include "secret/secret.h"

#define SLAB_LEN   AMP_CHUNK_RUN
#define SPARE_MOST 32
#define NONE       UINT8_MAX
/* One slab of each size: so much may lie idle whatever the budget says, or a small one would not do for a few sizes. */
#define IDLE_LEAST (SLAB_LEN * ((AMP_SLABS_MOST - AMP_SLABS_LEAST) / AMP_SLABS_STEP + 1))

struct slab {
    struct amp_ring place; /* where it has room, or among the spare ones */
    struct amp_chunk *chunk;
    uint16_t size; /* of its blocks */
    uint8_t blocks;
    uint8_t used;
    uint8_t free;  /* the first free one of those that were used before, or NONE */
    uint8_t fresh; /* from here on none was ever used */
};

_Static_assert(sizeof(struct slab) % AMP_SLABS_STEP == 0, "blocks are aligned");
_Static_assert(SLAB_LEN / AMP_SLABS_LEAST < NONE, "a place has one byte");

static size_t round_up(size_t size)
{
    size_t least = size < AMP_SLABS_LEAST ? AMP_SLABS_LEAST : size;
    return (least + AMP_SLABS_STEP - 1) / AMP_SLABS_STEP * AMP_SLABS_STEP;
}

static size_t blocks_of(size_t size)
{
    return (SLAB_LEN - sizeof(struct slab)) / size;
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
    slabs->spare_count = 0;
    slabs->slab_bytes = 0;
    slabs->block_bytes = 0;
    amp_chunks_init(&slabs->chunks);
    amp_ring_init(&slabs->spare);
    for (size_t i = 0; i < sizeof slabs->with_room / sizeof slabs->with_room[0]; i++)
        amp_ring_init(&slabs->with_room[i]);
}

static struct slab *spare_take(struct amp_slabs *slabs)
{
    struct amp_ring *spare = amp_ring_first(&slabs->spare);
    if (spare == NULL)
        return NULL;
    amp_ring_remove(spare);
    slabs->spare_count--;
    return slab_in(spare);
}

static struct slab *furnish(struct amp_slabs *slabs)
{
    struct amp_chunk *chunk;
    struct slab *slab = amp_chunks_take(&slabs->chunks, &chunk);
    if (slab == NULL)
        return NULL;
    AMP_UNLOCK(slab, sizeof *slab);
    slab->chunk = chunk;
    return slab;
}

void amp_slabs_fini(struct amp_slabs *slabs)
{
    for (struct slab *slab; (slab = spare_take(slabs)) != NULL;)
        amp_chunks_give(&slabs->chunks, slab, slab->chunk);
    pthread_mutex_destroy(&slabs->lock);
}

/*
 * Who gives back all but a block of each slab, size by size, would have as many slabs as the budget has blocks. So what
 * lies idle in them must fit the budget too before there is one more. The block is counted already.
 */
static bool may_grow(const struct amp_slabs *slabs)
{
    size_t slab_bytes = slabs->slab_bytes + SLAB_LEN;
    size_t idle = slab_bytes > slabs->block_bytes ? slab_bytes - slabs->block_bytes : 0;
    return idle <= IDLE_LEAST || amp_meter_fits(slabs->meter, idle - IDLE_LEAST);
}

static enum amp_err slab_new(struct amp_slabs *slabs, size_t size, struct slab **out)
{
    if (!may_grow(slabs))
        return AMP_ERR_VAULT_FULL;
    struct slab *slab = spare_take(slabs);
    if (slab == NULL && (slab = furnish(slabs)) == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    *slab =
        (struct slab){.chunk = slab->chunk, .size = (uint16_t)size, .blocks = (uint8_t)blocks_of(size), .free = NONE};
    slabs->slab_bytes += SLAB_LEN;
    amp_ring_append(&slabs->with_room[size / AMP_SLABS_STEP], &slab->place);
    *out = slab;
    return AMP_OK;
}

/* Empty. What the system does not take is kept too. */
static void slab_free(struct amp_slabs *slabs, struct slab *slab)
{
    amp_ring_remove(&slab->place);
    slabs->slab_bytes -= SLAB_LEN;
    if (slabs->spare_count >= SPARE_MOST) {
        if (amp_chunks_give(&slabs->chunks, slab, slab->chunk))
            return;
        AMP_FENCE(slab + 1, SLAB_LEN - sizeof *slab);
    }
    amp_ring_prepend(&slabs->spare, &slab->place);
    slabs->spare_count++;
}

static void *take_from(struct slab *slab, uint8_t *at)
{
    *at = (uint8_t)(slab->free != NONE ? slab->free : slab->fresh);
    uint8_t *block = block_of(slab, *at);
    AMP_UNLOCK(block, slab->size);
    if (slab->free != NONE)
        slab->free = *block;
    else
        slab->fresh++;
    if (++slab->used == slab->blocks)
        amp_ring_remove(&slab->place);
    return block;
}

static enum amp_err take(struct amp_slabs *slabs, size_t size, size_t cost, void **out, uint8_t *at)
{
    struct amp_ring *first = amp_ring_first(&slabs->with_room[size / AMP_SLABS_STEP]);
    struct slab *slab = first != NULL ? slab_in(first) : NULL;
    slabs->block_bytes += cost;
    enum amp_err err = slab != NULL ? AMP_OK : slab_new(slabs, size, &slab);
    if (err == AMP_OK)
        *out = take_from(slab, at);
    else
        slabs->block_bytes -= cost;
    return err;
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
    pthread_mutex_lock(&slabs->lock);
    err = take(slabs, round_up(size), cost, out, at);
    pthread_mutex_unlock(&slabs->lock);
    if (err != AMP_OK)
        amp_meter_give(slabs->meter, cost);
    return err;
}

static void give_to(struct amp_slabs *slabs, struct slab *slab, uint8_t *block, uint8_t at)
{
    *block = slab->free;
    AMP_FENCE(block, slab->size);
    slab->free = at;
    if (slab->used-- == slab->blocks)
        amp_ring_prepend(&slabs->with_room[slab->size / AMP_SLABS_STEP], &slab->place);
    if (slab->used == 0)
        slab_free(slabs, slab);
}

void amp_slabs_give(struct amp_slabs *slabs, void *block, size_t size, uint8_t at)
{
    if (size > AMP_SLABS_MOST) {
        amp_meter_free(slabs->meter, block, size);
        return;
    }
    size_t rounded = round_up(size), cost = amp_slabs_cost(NULL, size);
    amp_wipe(block, rounded);
    pthread_mutex_lock(&slabs->lock);
    slabs->block_bytes -= cost;
    give_to(slabs, slab_of(block, rounded, at), block, at);
    pthread_mutex_unlock(&slabs->lock);
    amp_meter_give(slabs->meter, cost);
}

size_t amp_slabs_cost(const void *block, size_t size)
{
    if (size > AMP_SLABS_MOST)
        return amp_meter_size(block);
    size_t blocks = blocks_of(round_up(size));
    return (SLAB_LEN + blocks - 1) / blocks;
}
