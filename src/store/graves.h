/*
 * Tombstones: what a token that is gone died of, remembered for a fixed time. A ring in order of death, so
 * that the oldest gives way, with a hash chain through it. 36 bytes each. No lock of its own.
 */
#ifndef AMP_STORE_GRAVES_H
#define AMP_STORE_GRAVES_H

#include "store/meter.h"

struct amp_grave {
    uint8_t id[16];
    uint64_t until_reason; /* milliseconds << 2 | reason */
    uint32_t mark;
    uint32_t next; /* ring position + 1 of the next one with the same hash; 0 ends the chain */
};

struct amp_graves {
    struct amp_grave *ring; /* `cap` graves, then `cap` chain heads; NULL while empty */
    uint32_t cap;           /* a power of two */
    uint32_t first;
    uint32_t count;
    uint32_t limit;
};

void amp_graves_init(struct amp_graves *graves, uint32_t limit);
void amp_graves_fini(struct amp_graves *graves, struct amp_meter *meter);

/*
 * `until_ms`: never earlier than the one added before; `reason` 0 to 3; `mark`: the caller's. Cannot fail:
 * where the limit, the budget or memory ends, the oldest gives way. A few are remembered at a full budget too; without
 * any memory nothing is.
 */
void amp_graves_add(struct amp_graves *graves, struct amp_meter *meter, const uint8_t id[16], int64_t until_ms,
                    unsigned reason, uint32_t mark);
/* NULL where there is none now. Valid until the next change. */
const struct amp_grave *amp_graves_find(const struct amp_graves *graves, const uint8_t id[16], int64_t now_ms);
static inline unsigned amp_grave_reason(const struct amp_grave *grave)
{
    return grave->until_reason & 3;
}
/* Forgets at most `limit` whose time has come and gives memory back; returns how many it forgot. */
size_t amp_graves_purge(struct amp_graves *graves, struct amp_meter *meter, int64_t now_ms, size_t limit);
/* Gives half its memory back, and forgets the oldest for it; false where there is none to give. */
bool amp_graves_yield(struct amp_graves *graves, struct amp_meter *meter);

#endif
