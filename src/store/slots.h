/*
 * Open-addressing set of pointers to entries that begin with a random 16-byte id (a keyed hash: nobody
 * outside can steer where it lands). Eight bytes a slot: 44 bits of pointer and 20 bits of the id, so that
 * searching, growing and closing gaps read no entry but the one that is wanted. No lock of its own. Byte 0 of
 * the id is left to the caller to choose a stripe with.
 */
#ifndef AMP_STORE_SLOTS_H
#define AMP_STORE_SLOTS_H

#include "store/meter.h"

#define AMP_SLOTS_ID_LEN 16

struct amp_slots {
    uint64_t *at; /* NULL until the first insert */
    uint32_t count;
    unsigned bits; /* 1 << bits slots */
};

/* The entry with this id, or NULL. */
void *amp_slots_find(const struct amp_slots *slots, const uint8_t id[AMP_SLOTS_ID_LEN]);
/*
 * Fetches the place of this id into the cache, for who will look there soon. Needs no lock: a table that is being
 * exchanged has an address in vain, and nothing is read there.
 */
void amp_slots_expect(const struct amp_slots *slots, const uint8_t id[AMP_SLOTS_ID_LEN]);
/*
 * `entry`: 16-byte aligned, begins with its id, stays where it is while inside. AMP_ERR_INTERNAL where the id
 * is taken; AMP_ERR_OUT_OF_MEMORY beyond 786,432 entries; errors of amp_meter_alloc where the table would have to grow
 * and cannot.
 */
enum amp_err amp_slots_insert(struct amp_slots *slots, struct amp_meter *meter, void *entry) AMP_MUST_USE;
/* Takes out an entry that is inside. Gives memory back where much is empty. */
void amp_slots_remove(struct amp_slots *slots, struct amp_meter *meter, const void *entry);
/* Exchanges an entry for another one with the same id. */
void amp_slots_replace(struct amp_slots *slots, const void *entry, void *other);
/* Takes out any entry; NULL, and the table is freed, where none is left. For the end of life. */
void *amp_slots_drain(struct amp_slots *slots, struct amp_meter *meter);

#endif
