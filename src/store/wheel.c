/*
 * Level 0 has a slot per tick, level n a slot per 64^n ticks. When the hand reaches a tick at which a slot of
 * an upper level begins, that slot's nodes move down before the tick is served. Moving is resumable: the hand
 * stands still until the slot is empty, and an insert in between cannot land in it, because a node goes to
 * level n only where its tick lies in a later slot of that level than the hand's.
 */
#include "store/wheel.h"

#include <stdbool.h>

#define SLOT_BITS 6

_Static_assert(AMP_WHEEL_SLOTS == 1 << SLOT_BITS, "a level's slot is a digit of the tick");
_Static_assert(AMP_WHEEL_SLOTS == 64, "a level's slots are the bits of one word");

#define RANGE_TICKS (INT64_C(1) << (SLOT_BITS * AMP_WHEEL_LEVELS))

void amp_wheel_init(struct amp_wheel *wheel, int64_t now_ms)
{
    *wheel = (struct amp_wheel){.tick = now_ms / AMP_WHEEL_TICK_MS};
}

static unsigned slot_of(int64_t tick, unsigned level)
{
    return (unsigned)(tick >> (SLOT_BITS * level)) % AMP_WHEEL_SLOTS;
}

static void place(struct amp_wheel *wheel, struct amp_wheel_node *node)
{
    int64_t tick = node->due_ms / AMP_WHEEL_TICK_MS + (node->due_ms % AMP_WHEEL_TICK_MS != 0);
    int64_t ahead = tick - wheel->tick;
    if (ahead < 0)
        ahead = 0;
    if (ahead >= RANGE_TICKS)
        ahead = RANGE_TICKS - 1;
    unsigned level = 0;
    while (ahead >> (SLOT_BITS * (level + 1)) != 0)
        level++;
    unsigned slot = slot_of(wheel->tick + ahead, level);
    struct amp_wheel_node **head = &wheel->slots[level][slot];
    node->next = *head;
    node->link = head;
    if (node->next != NULL)
        node->next->link = &node->next;
    *head = node;
    wheel->filled[level] |= UINT64_C(1) << slot;
}

static void unlink_node(struct amp_wheel_node *node)
{
    *node->link = node->next;
    if (node->next != NULL) {
        node->next->link = node->link;
        __builtin_prefetch(node->next->next);
    }
    node->next = NULL;
    node->link = NULL;
}

void amp_wheel_insert(struct amp_wheel *wheel, struct amp_wheel_node *node, int64_t due_ms)
{
    node->due_ms = due_ms;
    place(wheel, node);
    wheel->count++;
}

void amp_wheel_cancel(struct amp_wheel *wheel, struct amp_wheel_node *node)
{
    unlink_node(node);
    wheel->count--;
}

/* Moves down the upper slots that begin at this tick; false where that spends the work. */
static bool cascade(struct amp_wheel *wheel, size_t *work)
{
    for (unsigned level = AMP_WHEEL_LEVELS - 1; level > 0; level--) {
        if ((wheel->tick & ((INT64_C(1) << (SLOT_BITS * level)) - 1)) != 0)
            continue;
        unsigned slot = slot_of(wheel->tick, level);
        for (struct amp_wheel_node *node; (node = wheel->slots[level][slot]) != NULL; --*work) {
            if (*work == 0)
                return false;
            unlink_node(node);
            place(wheel, node);
        }
        wheel->filled[level] &= ~(UINT64_C(1) << slot);
    }
    return *work != 0;
}

/*
 * The next tick that may hold something: a filled slot of level 0, or the tick at which upper slots move
 * down.
 */
static int64_t next_tick(const struct amp_wheel *wheel)
{
    unsigned slot = slot_of(wheel->tick, 0);
    uint64_t later = slot == AMP_WHEEL_SLOTS - 1 ? 0 : wheel->filled[0] >> (slot + 1);
    int64_t to_boundary = AMP_WHEEL_SLOTS - (int64_t)slot;
    int64_t to_filled = later == 0 ? to_boundary : __builtin_ctzll(later) + 1;
    return wheel->tick + (to_filled < to_boundary ? to_filled : to_boundary);
}

struct amp_wheel_node *amp_wheel_take(struct amp_wheel *wheel, int64_t now_ms, size_t *work)
{
    int64_t now_tick = now_ms / AMP_WHEEL_TICK_MS;
    while (wheel->tick <= now_tick && wheel->count != 0 && *work != 0) {
        if (!cascade(wheel, work))
            return NULL;
        unsigned slot = slot_of(wheel->tick, 0);
        struct amp_wheel_node *node = wheel->slots[0][slot];
        if (node != NULL) {
            --*work;
            amp_wheel_cancel(wheel, node);
            return node;
        }
        wheel->filled[0] &= ~(UINT64_C(1) << slot);
        int64_t next = next_tick(wheel);
        if (next > now_tick + 1)
            next = now_tick + 1;
        wheel->tick = next;
    }
    if (wheel->count == 0 && wheel->tick < now_tick)
        wheel->tick = now_tick;
    return NULL;
}
