#include "store/graves.h"

#include <string.h>

#define MIN_CAP 8

void amp_graves_init(struct amp_graves *graves, uint32_t limit)
{
    *graves = (struct amp_graves){.limit = limit};
}

void amp_graves_fini(struct amp_graves *graves, struct amp_meter *meter)
{
    amp_meter_free(meter, graves->ring, 0);
    *graves = (struct amp_graves){.limit = graves->limit};
}

static int64_t until_of(const struct amp_grave *grave)
{
    return (int64_t)(grave->until_reason >> 2);
}

/* Bytes 1 to 3 place a live record; these are independent of them. */
static uint32_t *chain_of(const struct amp_graves *graves, const uint8_t *id)
{
    uint32_t hash;
    memcpy(&hash, id + 4, sizeof hash);
    uint32_t *heads = (uint32_t *)(graves->ring + graves->cap);
    return &heads[hash & (graves->cap - 1)];
}

/* There is room. */
static void append(struct amp_graves *graves, const struct amp_grave *grave)
{
    uint32_t at = (graves->first + graves->count) & (graves->cap - 1);
    uint32_t *head = chain_of(graves, grave->id);
    graves->ring[at] = *grave;
    graves->ring[at].next = *head;
    *head = at + 1;
    graves->count++;
}

/* The oldest is the last of its chain, for a chain is in order of death, the youngest first. */
static void drop_oldest(struct amp_graves *graves)
{
    uint32_t *link = chain_of(graves, graves->ring[graves->first].id);
    while (*link != graves->first + 1)
        link = &graves->ring[*link - 1].next;
    *link = 0;
    graves->first = (graves->first + 1) & (graves->cap - 1);
    graves->count--;
}

/* False, and nothing has changed, without memory for it. */
static bool resize(struct amp_graves *graves, struct amp_meter *meter, uint32_t cap)
{
    void *fresh;
    size_t size = cap * (sizeof(struct amp_grave) + sizeof(uint32_t));
    bool little = cap == MIN_CAP || cap < graves->cap; /* which a full budget must bear */
    enum amp_err err = little ? amp_meter_alloc_beyond(meter, size, &fresh) : amp_meter_alloc(meter, size, &fresh);
    if (err != AMP_OK)
        return false;
    struct amp_graves moved = {.ring = fresh, .cap = cap, .limit = graves->limit};
    for (uint32_t i = 0; i < graves->count; i++)
        append(&moved, &graves->ring[(graves->first + i) & (graves->cap - 1)]);
    amp_meter_free(meter, graves->ring, 0);
    *graves = moved;
    return true;
}

static bool make_room(struct amp_graves *graves, struct amp_meter *meter)
{
    if (graves->count < graves->cap && graves->count < graves->limit)
        return true;
    if (graves->count < graves->limit && resize(graves, meter, graves->cap == 0 ? MIN_CAP : graves->cap * 2))
        return true;
    if (graves->count == 0)
        return false;
    drop_oldest(graves);
    return true;
}

void amp_graves_add(struct amp_graves *graves, struct amp_meter *meter, const uint8_t id[16], int64_t until_ms,
                    unsigned reason, uint32_t mark)
{
    if (!make_room(graves, meter))
        return;
    struct amp_grave grave = {.until_reason = (uint64_t)until_ms << 2 | reason, .mark = mark};
    memcpy(grave.id, id, sizeof grave.id);
    append(graves, &grave);
}

const struct amp_grave *amp_graves_find(const struct amp_graves *graves, const uint8_t id[16], int64_t now_ms)
{
    if (graves->count == 0)
        return NULL;
    for (uint32_t at = *chain_of(graves, id); at != 0; at = graves->ring[at - 1].next) {
        const struct amp_grave *grave = &graves->ring[at - 1];
        if (memcmp(grave->id, id, sizeof grave->id) == 0)
            return until_of(grave) > now_ms ? grave : NULL;
    }
    return NULL;
}

size_t amp_graves_purge(struct amp_graves *graves, struct amp_meter *meter, int64_t now_ms, size_t limit)
{
    size_t purged = 0;
    while (purged < limit && graves->count != 0 && until_of(&graves->ring[graves->first]) <= now_ms) {
        drop_oldest(graves);
        purged++;
    }
    if (graves->count == 0)
        amp_graves_fini(graves, meter);
    else if (purged != 0 && graves->cap > MIN_CAP && graves->count < graves->cap / 8)
        (void)resize(graves, meter, graves->cap / 2);
    return purged;
}

bool amp_graves_yield(struct amp_graves *graves, struct amp_meter *meter)
{
    uint32_t half = graves->cap / 2;
    if (graves->cap == 0)
        return false;
    while (graves->count > half)
        drop_oldest(graves);
    if (half < MIN_CAP || !resize(graves, meter, half))
        amp_graves_fini(graves, meter);
    return true;
}
