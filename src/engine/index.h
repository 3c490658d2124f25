/*
 * Hash table of entries that begin with a link and a 16-byte id, which is random or a keyed hash: nobody outside can
 * steer where it lands. Made for a million small entries: 4 to 8 bytes each beside the link in the entry, and putting
 * one in cannot fail, because without memory to grow its chains get longer. An empty one holds no memory. Its shards
 * grow one by one, so that no call waits long. No lock of its own.
 */
#ifndef AMP_ENGINE_INDEX_H
#define AMP_ENGINE_INDEX_H

#include "store/meter.h"

#define AMP_INDEX_ID_LEN 16
#define AMP_INDEX_SHARDS 32

struct amp_index_entry {
    struct amp_index_entry *next;
    uint8_t id[AMP_INDEX_ID_LEN];
};

struct amp_index_shard {
    union {
        struct amp_index_entry *only;    /* the one chain of a small shard, where bits is 0 */
        struct amp_index_entry **chains; /* 1 << bits of them */
    };
    uint32_t count;
    uint32_t bits;
};

/* Zeroed: empty. */
struct amp_index {
    struct amp_index_shard shards[AMP_INDEX_SHARDS];
};

/* The entry with this id, or NULL. */
struct amp_index_entry *amp_index_find(const struct amp_index *index, const uint8_t id[AMP_INDEX_ID_LEN]);
/* The entry stays where it is in memory while inside. */
void amp_index_insert(struct amp_index *index, struct amp_meter *meter, struct amp_index_entry *entry);
/* Ask the memory for what the entry with this id is put in or taken out by: where its chain begins and, once that has
 * come, what it begins with. */
void amp_index_prefetch_chain(const struct amp_index *index, const uint8_t id[AMP_INDEX_ID_LEN]);
void amp_index_prefetch_first(const struct amp_index *index, const uint8_t id[AMP_INDEX_ID_LEN]);
/* Takes out an entry that is inside. Gives memory back where much is empty. */
void amp_index_remove(struct amp_index *index, struct amp_meter *meter, struct amp_index_entry *entry);

#endif
