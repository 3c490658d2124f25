#include "engine/index.h"

#include <string.h>

#define MIN_BITS 3
#define MAX_BITS 28

static size_t chains_of(const struct amp_index_shard *shard)
{
    return (size_t)1 << shard->bits;
}

/* Byte 0 chose the shard. Bytes 6 and 8 of a UUID are not all random. */
static struct amp_index_entry **chain_of(struct amp_index_shard *shard, const uint8_t *id)
{
    uint32_t hash;
    memcpy(&hash, id + 1, sizeof hash);
    return shard->bits == 0 ? &shard->only : &shard->chains[hash & (chains_of(shard) - 1)];
}

static struct amp_index_shard *shard_of(struct amp_index *index, const uint8_t *id)
{
    return &index->shards[id[0] % AMP_INDEX_SHARDS];
}

static bool crowded(const struct amp_index_shard *shard)
{
    return shard->bits == 0 ? shard->count >= 4 : shard->bits < MAX_BITS && shard->count >= 2 * chains_of(shard);
}

static bool sparse(const struct amp_index_shard *shard)
{
    return shard->bits == MIN_BITS ? shard->count < 2 : shard->bits != 0 && shard->count < chains_of(shard) / 2;
}

static void rehash(struct amp_index_shard *from, struct amp_index_shard *to)
{
    for (size_t i = 0; i < chains_of(from); i++) {
        struct amp_index_entry *entry = from->bits == 0 ? from->only : from->chains[i];
        while (entry != NULL) {
            struct amp_index_entry *next = entry->next;
            struct amp_index_entry **chain = chain_of(to, entry->id);
            if (next != NULL)
                __builtin_prefetch(next);
            entry->next = *chain;
            *chain = entry;
            entry = next;
        }
    }
}

/* Without memory the table stays as it is, and serves on. */
static void resize(struct amp_index_shard *shard, struct amp_meter *meter, uint32_t bits)
{
    struct amp_index_shard other = {.count = shard->count, .bits = bits};
    if (bits != 0) {
        void *fresh;
        size_t size = sizeof other.chains[0] << bits;
        bool grows = bits > shard->bits; /* a smaller table is good for a full budget */
        enum amp_err err = grows ? amp_meter_alloc(meter, size, &fresh) : amp_meter_alloc_beyond(meter, size, &fresh);
        if (err != AMP_OK)
            return;
        other.chains = fresh;
    }
    rehash(shard, &other);
    if (shard->bits != 0)
        amp_meter_free(meter, shard->chains, 0);
    *shard = other;
}

struct amp_index_entry *amp_index_find(const struct amp_index *index, const uint8_t id[AMP_INDEX_ID_LEN])
{
    struct amp_index_shard shard = index->shards[id[0] % AMP_INDEX_SHARDS];
    struct amp_index_entry *entry = *chain_of(&shard, id);
    while (entry != NULL && memcmp(entry->id, id, AMP_INDEX_ID_LEN) != 0)
        entry = entry->next;
    return entry;
}

void amp_index_prefetch_chain(const struct amp_index *index, const uint8_t id[AMP_INDEX_ID_LEN])
{
    struct amp_index_shard shard = index->shards[id[0] % AMP_INDEX_SHARDS];
    if (shard.bits != 0)
        __builtin_prefetch(chain_of(&shard, id));
}

void amp_index_prefetch_first(const struct amp_index *index, const uint8_t id[AMP_INDEX_ID_LEN])
{
    struct amp_index_shard shard = index->shards[id[0] % AMP_INDEX_SHARDS];
    __builtin_prefetch(*chain_of(&shard, id));
}

void amp_index_insert(struct amp_index *index, struct amp_meter *meter, struct amp_index_entry *entry)
{
    struct amp_index_shard *shard = shard_of(index, entry->id);
    if (crowded(shard))
        resize(shard, meter, shard->bits == 0 ? MIN_BITS : shard->bits + 1);
    struct amp_index_entry **chain = chain_of(shard, entry->id);
    entry->next = *chain;
    *chain = entry;
    shard->count++;
}

void amp_index_remove(struct amp_index *index, struct amp_meter *meter, struct amp_index_entry *entry)
{
    struct amp_index_shard *shard = shard_of(index, entry->id);
    struct amp_index_entry **at = chain_of(shard, entry->id);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    entry->next = NULL;
    shard->count--;
    if (sparse(shard))
        resize(shard, meter, shard->bits == MIN_BITS ? 0 : shard->bits - 1);
}
