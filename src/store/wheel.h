/*
 * Hierarchical timing wheel of intrusive nodes: insert, cancel and expire in O(1). No clock and no lock of
 * its own. A node is handed out at the first tick that begins at or after its time: never early, at most
 * AMP_WHEEL_TICK_MS late.
 */
#ifndef AMP_STORE_WHEEL_H
#define AMP_STORE_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#define AMP_WHEEL_TICK_MS 64
#define AMP_WHEEL_LEVELS  2 /* 16 s and 70 min; what is due later waits in the last slot and is looked at again */
#define AMP_WHEEL_SLOTS   256
#define AMP_WHEEL_LISTS   2 /* in each slot, taken from in turn */

struct amp_wheel_node {
    struct amp_wheel_node *next;
    struct amp_wheel_node **link; /* what points here */
    int64_t due_ms;
};

struct amp_wheel {
    int64_t tick; /* being worked on: all earlier ones are empty */
    size_t count;
    unsigned turn;                                           /* counts what goes in and out, to choose a list */
    uint64_t filled[AMP_WHEEL_LEVELS][AMP_WHEEL_SLOTS / 64]; /* a bit per slot; clear means empty */
    struct amp_wheel_node *slots[AMP_WHEEL_LEVELS][AMP_WHEEL_SLOTS][AMP_WHEEL_LISTS];
};

void amp_wheel_init(struct amp_wheel *wheel, int64_t now_ms);
/* The node stays where it is in memory until taken or cancelled. `due_ms` >= 0; may be past. */
void amp_wheel_insert(struct amp_wheel *wheel, struct amp_wheel_node *node, int64_t due_ms);
/* Takes out a node that is in this wheel. */
void amp_wheel_cancel(struct amp_wheel *wheel, struct amp_wheel_node *node);
/*
 * Takes out and returns one node that is due, in no order within a tick; NULL where none is left or *work is
 * spent. Every node touched costs one of *work, so *work == 0 means that more may be due.
 */
struct amp_wheel_node *amp_wheel_take(struct amp_wheel *wheel, int64_t now_ms, size_t *work);
/* One that amp_wheel_take may hand out next (`ahead` 0) or behind that (1), or NULL: to have its memory fetched. */
struct amp_wheel_node *amp_wheel_peek(const struct amp_wheel *wheel, unsigned ahead);

#endif
