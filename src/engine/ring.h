/*
 * Doubly linked list of intrusive nodes, closed to a ring by its head: whoever is in one can be taken out without
 * knowing which. The head is a node that is never taken for a member.
 */
#ifndef AMP_ENGINE_RING_H
#define AMP_ENGINE_RING_H

#include <stdbool.h>
#include <stddef.h>

struct amp_ring {
    struct amp_ring *next;
    struct amp_ring **link; /* what points here */
};

_Static_assert(offsetof(struct amp_ring, next) == 0, "what points to a node begins the one before it");

static inline void amp_ring_init(struct amp_ring *head)
{
    head->next = head;
    head->link = &head->next;
}

/* The member behind `at`, which is the head or a member; NULL where there is none. */
static inline struct amp_ring *amp_ring_after(const struct amp_ring *head, const struct amp_ring *at)
{
    return at->next == head ? NULL : at->next;
}

static inline struct amp_ring *amp_ring_first(const struct amp_ring *head)
{
    return amp_ring_after(head, head);
}

/* What stands before `at`, which is the head or a member: a member or the head. */
static inline struct amp_ring *amp_ring_before(const struct amp_ring *at)
{
    return (struct amp_ring *)(void *)at->link;
}

/* Puts `node` before `at`: at the end, where that is the head. */
static inline void amp_ring_insert(struct amp_ring *at, struct amp_ring *node)
{
    node->next = at;
    node->link = at->link;
    *at->link = node;
    at->link = &node->next;
}

static inline void amp_ring_append(struct amp_ring *head, struct amp_ring *node)
{
    amp_ring_insert(head, node);
}

static inline void amp_ring_prepend(struct amp_ring *head, struct amp_ring *node)
{
    amp_ring_insert(head->next, node);
}

static inline void amp_ring_remove(struct amp_ring *node)
{
    *node->link = node->next;
    node->next->link = node->link;
}

#endif
