/*
 * Linear probing without gravestones: a removal moves later slots back, by the home that each slot's tag
 * tells.
 */
#include "store/slots.h"

#include <string.h>

#define TAG_BITS 20
#define MIN_BITS 4

static uint64_t tag_of(const uint8_t *id)
{
    return ((uint64_t)id[1] << 12 | (uint64_t)id[2] << 4 | id[3] >> 4) & ((UINT64_C(1) << TAG_BITS) - 1);
}

/* User space addresses have at most 48 bits here, and malloc aligns to 16 bytes. */
static uint64_t pack(void *entry, uint64_t tag)
{
    return tag << (64 - TAG_BITS) | (uint64_t)(uintptr_t)entry >> 4;
}

static void *entry_in(uint64_t slot)
{
    return (void *)(uintptr_t)(slot << TAG_BITS >> (TAG_BITS - 4));
}

static uint64_t tag_in(uint64_t slot)
{
    return slot >> (64 - TAG_BITS);
}

static size_t home_of(uint64_t tag, unsigned bits)
{
    return (size_t)(tag >> (TAG_BITS - bits));
}

static size_t mask_of(const struct amp_slots *slots)
{
    return ((size_t)1 << slots->bits) - 1;
}

/* Where the id is, or the empty slot where it would go. There is always one. */
static size_t position(const struct amp_slots *slots, const uint8_t *id)
{
    uint64_t tag = tag_of(id);
    size_t mask = mask_of(slots);
    size_t i = home_of(tag, slots->bits);
    for (; slots->at[i] != 0; i = (i + 1) & mask) {
        if (tag_in(slots->at[i]) == tag && memcmp(entry_in(slots->at[i]), id, AMP_SLOTS_ID_LEN) == 0)
            break;
    }
    return i;
}

void *amp_slots_find(const struct amp_slots *slots, const uint8_t id[AMP_SLOTS_ID_LEN])
{
    return slots->count == 0 ? NULL : entry_in(slots->at[position(slots, id)]);
}

/* Only for amp_slots_expect are these atomic: whoever else reads them has the owner's lock. */
static void set_table(struct amp_slots *slots, uint64_t *at, unsigned bits)
{
    __atomic_store_n(&slots->at, at, __ATOMIC_RELAXED);
    __atomic_store_n(&slots->bits, bits, __ATOMIC_RELAXED);
}

void amp_slots_expect(const struct amp_slots *slots, const uint8_t id[AMP_SLOTS_ID_LEN])
{
    uintptr_t at = (uintptr_t)__atomic_load_n(&slots->at, __ATOMIC_RELAXED);
    unsigned bits = __atomic_load_n(&slots->bits, __ATOMIC_RELAXED);
    if (at != 0)
        __builtin_prefetch((const void *)(at + home_of(tag_of(id), bits) * sizeof(uint64_t)), 1);
}

/* Reads the old slots only, never an entry. */
static enum amp_err resize(struct amp_slots *slots, struct amp_meter *meter, unsigned bits)
{
    if (bits > TAG_BITS)
        return AMP_ERR_OUT_OF_MEMORY; /* no tombstone that gives way makes room for it */
    void *fresh;
    size_t size = sizeof(uint64_t) << bits;
    bool shrinks = bits < slots->bits; /* which is good for a full budget */
    enum amp_err err = shrinks ? amp_meter_alloc_beyond(meter, size, &fresh) : amp_meter_alloc(meter, size, &fresh);
    if (err != AMP_OK)
        return err;
    struct amp_slots moved = {.at = fresh, .count = slots->count, .bits = bits};
    for (size_t i = 0; slots->at != NULL && i <= mask_of(slots); i++) {
        if (slots->at[i] == 0)
            continue;
        size_t to = home_of(tag_in(slots->at[i]), bits);
        while (moved.at[to] != 0)
            to = (to + 1) & mask_of(&moved);
        moved.at[to] = slots->at[i];
    }
    amp_meter_free(meter, slots->at, 0);
    set_table(slots, moved.at, bits);
    return AMP_OK;
}

/* Three quarters at most: a fruitless search then reads nine slots, a cache line or two. */
static enum amp_err make_room(struct amp_slots *slots, struct amp_meter *meter)
{
    if (slots->at == NULL)
        return resize(slots, meter, MIN_BITS);
    if (slots->count < (mask_of(slots) + 1) / 4 * 3)
        return AMP_OK;
    return resize(slots, meter, slots->bits + 1);
}

enum amp_err amp_slots_insert(struct amp_slots *slots, struct amp_meter *meter, void *entry)
{
    enum amp_err err = make_room(slots, meter);
    if (err != AMP_OK)
        return err;
    size_t i = position(slots, entry);
    if (slots->at[i] != 0)
        return AMP_ERR_INTERNAL;
    slots->at[i] = pack(entry, tag_of(entry));
    slots->count++;
    return AMP_OK;
}

/* The slot that holds this very entry; compares slots, so it touches no other entry. */
static size_t position_of_entry(const struct amp_slots *slots, const void *entry)
{
    uint64_t tag = tag_of(entry);
    size_t i = home_of(tag, slots->bits);
    while (tag_in(slots->at[i]) != tag || entry_in(slots->at[i]) != entry)
        i = (i + 1) & mask_of(slots);
    return i;
}

/* Empties slot `gap` by moving back whatever had to step over it. */
static void close_gap(struct amp_slots *slots, size_t gap)
{
    size_t mask = mask_of(slots);
    for (size_t i = (gap + 1) & mask; slots->at[i] != 0; i = (i + 1) & mask) {
        size_t from_home = (i - home_of(tag_in(slots->at[i]), slots->bits)) & mask;
        size_t from_gap = (i - gap) & mask;
        if (from_home >= from_gap) {
            slots->at[gap] = slots->at[i];
            gap = i;
        }
    }
    slots->at[gap] = 0;
}

void amp_slots_remove(struct amp_slots *slots, struct amp_meter *meter, const void *entry)
{
    close_gap(slots, position_of_entry(slots, entry));
    slots->count--;
    if (slots->bits > MIN_BITS && slots->count < (mask_of(slots) + 1) / 8) {
        /* Without memory for a smaller table this one serves on. */
        enum amp_err err = resize(slots, meter, slots->bits - 1);
        (void)err;
    }
}

void amp_slots_replace(struct amp_slots *slots, const void *entry, void *other)
{
    slots->at[position_of_entry(slots, entry)] = pack(other, tag_of(other));
}

void *amp_slots_drain(struct amp_slots *slots, struct amp_meter *meter)
{
    for (size_t i = 0; slots->count != 0; i++) {
        void *entry = entry_in(slots->at[i]);
        if (entry == NULL)
            continue;
        close_gap(slots, i);
        slots->count--;
        return entry;
    }
    amp_meter_free(meter, slots->at, 0);
    *slots = (struct amp_slots){0};
    return NULL;
}
