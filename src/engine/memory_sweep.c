/* What time does, stripe by stripe. */
#include "engine/memory.h"

static void free_gone(struct visit *visit)
{
    struct stripe *stripe = visit->stripe;
    for (struct amp_ring *oldest; (oldest = amp_ring_first(&stripe->gone)) != NULL;) {
        struct queue *queue = AMP_CONTAINER(oldest, struct queue, gone);
        if (queue->gone_until_ms > visit->now_ms)
            return;
        amp_memory_queue_free(visit, amp_memory_queue_at(visit, queue));
    }
}

static void wipe_doomed(struct visit *visit, size_t *work)
{
    const struct amp_ring *doomed = &visit->stripe->doomed;
    for (struct amp_ring *at = amp_ring_first(doomed), *next; at != NULL && *work != 0; at = next) {
        next = amp_ring_after(doomed, at);
        amp_stock_wipe(visit, AMP_CONTAINER(at, struct stock, doomed), work);
    }
}

static void tell(struct stripe *stripe, struct amp_engine_swept *swept)
{
    swept->expired += stripe->swept.expired;
    swept->dead_lettered += stripe->swept.dead_lettered;
    swept->moved += stripe->swept.moved;
    stripe->swept = (struct amp_engine_swept){0};
}

/* One stay; false where another is needed, because its news were many or *work was spent. */
static bool visit_once(struct amp_memory *memory, struct stripe *stripe, size_t *work, struct amp_engine_swept *swept)
{
    struct visit visit;
    amp_memory_enter_stripe(&visit, memory, stripe);
    bool done = amp_memory_message_tend(&visit, work) && amp_memo_tend(&visit, work);
    if (done) {
        wipe_doomed(&visit, work);
        free_gone(&visit);
    }
    tell(stripe, swept);
    amp_memory_leave(&visit);
    return done;
}

static void sweep_stripe(struct amp_memory *memory, struct stripe *stripe, size_t *work, struct amp_engine_swept *swept)
{
    while (!visit_once(memory, stripe, work, swept) && *work != 0)
        ;
}

static void tend_tasks(struct amp_memory *memory, struct stripe *stripe, size_t *work, struct amp_engine_swept *swept)
{
    size_t before = *work;
    amp_tasks_tend(memory, stripe, work);
    if (*work == before)
        return;
    pthread_mutex_lock(&stripe->lock);
    tell(stripe, swept);
    pthread_mutex_unlock(&stripe->lock);
}

bool amp_memory_sweep(void *self, unsigned part, unsigned parts, size_t limit, struct amp_engine_swept *swept)
{
    struct amp_memory *memory = self;
    if (part >= parts || part >= STRIPES)
        return false;
    size_t work = limit;
    unsigned mine = (STRIPES - part + parts - 1) / parts;
    unsigned first = atomic_fetch_add_explicit(&memory->turn, 1, memory_order_relaxed);
    for (unsigned i = 0; i < mine && work != 0; i++)
        sweep_stripe(memory, &memory->stripes[part + (first + i) % mine * parts], &work, swept);
    for (unsigned i = 0; i < mine && work != 0; i++) /* tasks have what expiry leaves them */
        tend_tasks(memory, &memory->stripes[part + (first + i) % mine * parts], &work, swept);
    return work == 0;
}
