/* Those who wait for a queue, first come first served. Their ring is closed by a waiter in the queue that is none. */
#include "engine/memory.h"

void amp_waiters_init(struct queue *queue)
{
    queue->waiters.next = &queue->waiters;
    queue->waiters.link = &queue->waiters.next;
}

static void take_out(struct stripe *stripe, struct amp_queue_waiter *waiter)
{
    *waiter->link = waiter->next;
    waiter->next->link = waiter->link;
    waiter->next = NULL;
    waiter->link = NULL;
    stripe->waiter_count--;
}

void amp_waiters_wake_one(struct visit *visit, struct queue *queue)
{
    if (queue == NULL || queue->waiters.next == &queue->waiters)
        return;
    struct amp_queue_waiter *waiter = queue->waiters.next;
    take_out(visit->stripe, waiter);
    waiter->wake(waiter);
}

void amp_waiters_wake_all(struct visit *visit, struct queue *queue)
{
    while (queue->waiters.next != &queue->waiters)
        amp_waiters_wake_one(visit, queue);
}

static bool has_something(struct visit *visit)
{
    size_t work = PROMPT_WORK;
    amp_memory_message_tend(visit, &work);
    return amp_memory_message_next(visit, NULL) != NULL || amp_memory_message_waits(visit->queue->stock);
}

enum amp_err amp_memory_wait(void *self, struct amp_slice queue, struct amp_queue_waiter *waiter)
{
    struct amp_memory *memory = self;
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, memory, queue);
    if (err != AMP_OK)
        return err;
    if (has_something(&visit)) {
        err = AMP_ERR_AGAIN;
    } else {
        struct amp_queue_waiter *end = &visit.queue->waiters;
        waiter->next = end;
        waiter->link = end->link;
        *end->link = waiter;
        end->link = &waiter->next;
        waiter->stripe = (uint32_t)(visit.stripe - memory->stripes);
        visit.stripe->waiter_count++;
    }
    amp_memory_leave(&visit);
    return err;
}

void amp_memory_unwait(void *self, struct amp_queue_waiter *waiter)
{
    struct amp_memory *memory = self;
    struct stripe *stripe = &memory->stripes[waiter->stripe % STRIPES];
    pthread_mutex_lock(&stripe->lock);
    if (waiter->link != NULL)
        take_out(stripe, waiter);
    pthread_mutex_unlock(&stripe->lock);
}

void amp_memory_nudge(void *self, struct amp_slice queue)
{
    struct visit visit;
    if (amp_memory_enter(&visit, self, queue) != AMP_OK)
        return;
    if (has_something(&visit))
        amp_waiters_wake_one(&visit, visit.queue);
    amp_memory_leave(&visit);
}
