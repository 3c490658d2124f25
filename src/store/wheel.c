/*
 * Level 0 has a slot per tick, level n a slot per 256^n ticks. When the hand reaches a tick at which a slot of
 * an upper level begins, that slot's nodes move down before the tick is served. Moving is resumable: the hand
 * stands still until the slot is empty, and an insert in between cannot land in it, because a node goes to
 * level n only where its tick lies in a later slot of that level than the hand's. Level 0 is long enough for
 * the usual life of a token, so most nodes never move: each move of a node is a cache miss. A slot has two lists so
 * that a million nodes that are due at once are waited for two at a time: measured 300 ns a record against 360.
 */
#include "store/wheel.h"

#include <stdbool.h>

#define SLOT_BITS 8

_Static_assert(AMP_WHEEL_SLOTS == 1 << SLOT_BITS, "a level's slot is a digit of the tick");
_Static_assert(AMP_WHEEL_SLOTS % 64 == 0, "a level's slots are the bits of whole words");

#define RANGE_TICKS (INT64_C(1) << (SLOT_BITS * AMP_WHEEL_LEVELS))

void amp_wheel_init(struct amp_wheel *wheel, int64_t now_ms)
{
    *wheel = (struct amp_wheel){.tick = now_ms / AMP_WHEEL_TICK_MS};
}

static unsigned slot_of(int64_t tick, unsigned level)
{
    return (unsigned)(tick >> (SLOT_BITS * level)) % AMP_WHEEL_SLOTS;
}

static void note_empty(struct amp_wheel *wheel, unsigned level, unsigned slot)
{
    wheel->filled[level][slot / 64] &= ~(UINT64_C(1) << slot % 64);
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
    struct amp_wheel_node **head = &wheel->slots[level][slot][wheel->turn++ % AMP_WHEEL_LISTS];
    node->next = *head;
    node->link = head;
    if (node->next != NULL)
        node->next->link = &node->next;
    *head = node;
    wheel->filled[level][slot / 64] |= UINT64_C(1) << slot % 64;
}

/* A node of the slot, of its lists in turn. */
static struct amp_wheel_node *first_in(struct amp_wheel *wheel, unsigned level, unsigned slot)
{
    struct amp_wheel_node *node = NULL;
    for (unsigned i = 0; i < AMP_WHEEL_LISTS && node == NULL; i++)
        node = wheel->slots[level][slot][wheel->turn++ % AMP_WHEEL_LISTS];
    return node;
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
        for (struct amp_wheel_node *node; (node = first_in(wheel, level, slot)) != NULL; --*work) {
            if (*work == 0)
                return false;
            unlink_node(node);
            place(wheel, node);
        }
        note_empty(wheel, level, slot);
    }
    return *work != 0;
}

/* The next tick that may hold something: a filled slot of level 0, or where level 0 begins anew. */
static int64_t next_tick(const struct amp_wheel *wheel)
{
    unsigned slot = slot_of(wheel->tick, 0);
    unsigned next = slot + 1;
    while (next < AMP_WHEEL_SLOTS) {
        uint64_t later = wheel->filled[0][next / 64] >> next % 64;
        if (later != 0) {
            next += (unsigned)__builtin_ctzll(later);
            break;
        }
        next = (next / 64 + 1) * 64;
    }
    return wheel->tick + (next - slot);
}

struct amp_wheel_node *amp_wheel_take(struct amp_wheel *wheel, int64_t now_ms, size_t *work)
{
    int64_t now_tick = now_ms / AMP_WHEEL_TICK_MS;
    while (wheel->tick <= now_tick && wheel->count != 0 && *work != 0) {
        if (!cascade(wheel, work))
            return NULL;
        unsigned slot = slot_of(wheel->tick, 0);
        struct amp_wheel_node *node = first_in(wheel, 0, slot);
        if (node != NULL) {
            --*work;
            amp_wheel_cancel(wheel, node);
            return node;
        }
        note_empty(wheel, 0, slot);
        int64_t next = next_tick(wheel);
        if (next > now_tick + 1)
            next = now_tick + 1;
        wheel->tick = next;
    }
    if (wheel->count == 0 && wheel->tick < now_tick)
        wheel->tick = now_tick;
    return NULL;
}

struct amp_wheel_node *amp_wheel_peek(const struct amp_wheel *wheel, unsigned ahead)
{
    return wheel->slots[0][slot_of(wheel->tick, 0)][(wheel->turn + ahead) % AMP_WHEEL_LISTS];
}
