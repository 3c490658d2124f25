/* The memory engine as a whole: its stripes, coming and going, birth and end. */
#include "engine/memory.h"

#include "crypto/crypto.h"

_Static_assert(AMP_INDEX_ID_LEN == AMP_MESSAGE_ID_LEN, "indexes find messages by their ids");

/* Keyed by a random seed. Names are made by who may manage queues, and there are few, so it need not be stronger. */
static uint64_t hash_of(const struct amp_memory *memory, struct amp_slice name)
{
    uint64_t hash = memory->seed ^ name.len;
    while (name.len != 0) {
        uint64_t word = 0;
        size_t len = name.len < sizeof word ? name.len : sizeof word;
        memcpy(&word, name.ptr, len);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
        name = amp_slice(name.ptr + len, name.len - len);
    }
    return hash;
}

/* Coming. */

void amp_memory_enter_stripe(struct visit *visit, struct amp_memory *memory, struct stripe *stripe)
{
    visit->memory = memory;
    visit->stripe = stripe;
    visit->queue = NULL;
    visit->dead = NULL;
    visit->news_count = 0;
    pthread_mutex_lock(&stripe->lock);
    visit->now_ms = amp_clock_mono_ms(&memory->config.clock);
}

static struct queue **chain_of(struct stripe *stripe, uint64_t hash)
{
    return &stripe->queues[hash / STRIPES % CHAINS];
}

struct queue **amp_memory_enter_any(struct visit *visit, struct amp_memory *memory, struct amp_slice name)
{
    uint64_t hash = hash_of(memory, name);
    amp_memory_enter_stripe(visit, memory, &memory->stripes[hash % STRIPES]);
    struct queue **chain = chain_of(visit->stripe, hash);
    while (*chain != NULL && !amp_slice_equal(amp_queue_name_slice(&(*chain)->name), name))
        chain = &(*chain)->next;
    visit->queue = *chain;
    return chain;
}

enum amp_err amp_memory_enter(struct visit *visit, struct amp_memory *memory, struct amp_slice name)
{
    amp_memory_enter_any(visit, memory, name);
    if (visit->queue != NULL && visit->queue->gone_until_ms == 0)
        return AMP_OK;
    pthread_mutex_unlock(&visit->stripe->lock);
    return AMP_ERR_QUEUE_UNKNOWN;
}

struct queue **amp_memory_queue_at(struct visit *visit, const struct queue *queue)
{
    struct queue **at = chain_of(visit->stripe, hash_of(visit->memory, amp_queue_name_slice(&queue->name)));
    while (*at != queue)
        at = &(*at)->next;
    return at;
}

/* Going. */

static void bury(struct visit *visit)
{
    struct amp_memory *memory = visit->memory;
    while (visit->dead != NULL) {
        struct message *message = AMP_CONTAINER(visit->dead, struct message, due);
        uint32_t epoch = (uint32_t)message->due.due_ms; /* amp_memory_message_destroy left it there */
        visit->dead = visit->dead->next;
        amp_memory_message_free(memory, message);
        if (memory->config.dropped != NULL)
            memory->config.dropped(memory->config.ctx, epoch);
    }
}

static void ask(struct amp_memory *memory, const struct news *news)
{
    struct amp_slice queue = amp_queue_name_slice(&news->queue);
    int taken = memory->config.available(memory->config.ctx, queue, news->id, news->deadline_ms);
    struct visit visit;
    if (taken == 0 || amp_memory_enter(&visit, memory, queue) != AMP_OK)
        return;
    amp_memory_told(&visit, news->id, taken);
    amp_memory_leave(&visit);
}

void amp_memory_leave(struct visit *visit)
{
    pthread_mutex_unlock(&visit->stripe->lock);
    bury(visit);
    for (unsigned i = 0; i < visit->news_count; i++)
        ask(visit->memory, &visit->news[i]);
}

static void get_stats(void *self, struct amp_engine_stats *stats)
{
    struct amp_memory *memory = self;
    *stats = (struct amp_engine_stats){.bytes = amp_meter_bytes(&memory->meter)};
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *stripe = &memory->stripes[i];
        pthread_mutex_lock(&stripe->lock);
        stats->queues += stripe->queue_count;
        stats->messages += stripe->message_count;
        stats->in_flight += stripe->in_flight;
        stats->waiters += stripe->waiter_count;
        pthread_mutex_unlock(&stripe->lock);
    }
}

/* Birth and end. */

static void stripe_init(struct stripe *stripe, const struct amp_clock *clock)
{
    pthread_mutex_init(&stripe->lock, NULL);
    amp_wheel_init(&stripe->wheel, amp_clock_mono_ms(clock));
    amp_ring_init(&stripe->memos_by_age);
    amp_ring_init(&stripe->doomed);
    amp_ring_init(&stripe->gone);
    amp_ring_init(&stripe->travellers);
    amp_ring_init(&stripe->tasks);
    amp_ring_init(&stripe->at_work);
}

static void stripe_fini(struct amp_memory *memory, struct stripe *stripe)
{
    size_t all = SIZE_MAX;
    struct visit visit;
    amp_memory_enter_stripe(&visit, memory, stripe);
    for (size_t i = 0; i < CHAINS; i++) {
        while (stripe->queues[i] != NULL)
            amp_memory_queue_free(&visit, &stripe->queues[i]);
    }
    for (struct amp_ring *at; (at = amp_ring_first(&stripe->doomed)) != NULL;)
        amp_stock_wipe(&visit, AMP_CONTAINER(at, struct stock, doomed), &all);
    for (struct amp_ring *at; (at = amp_ring_first(&stripe->memos_by_age)) != NULL;)
        amp_memo_remove(&visit, AMP_CONTAINER(at, struct memo, by_age));
    amp_memory_leave(&visit);
    pthread_mutex_destroy(&stripe->lock);
}

static void memory_close(void *self)
{
    struct amp_memory *memory = self;
    if (memory == NULL)
        return;
    for (size_t i = 0; i < STRIPES; i++)
        stripe_fini(memory, &memory->stripes[i]);
    amp_slabs_fini(&memory->slabs);
    struct amp_meter meter = {.budget = memory->config.budget};
    amp_meter_free(&meter, memory, 0);
}

static const struct amp_queue_engine_ops memory_ops = {
    .name = "memory",
    .close = memory_close,
    .create = amp_memory_create,
    .destroy = amp_memory_destroy,
    .look = amp_memory_look,
    .tags = amp_memory_tags,
    .change = amp_memory_change,
    .list = amp_memory_list,
    .send = amp_memory_send,
    .receive = amp_memory_receive,
    .remove = amp_memory_remove,
    .discard = amp_memory_discard,
    .give_back = amp_memory_give_back,
    .change_visibility = amp_memory_change_visibility,
    .purge = amp_memory_purge,
    .peek = amp_memory_peek,
    .delivered = amp_memory_delivered,
    .wait = amp_memory_wait,
    .unwait = amp_memory_unwait,
    .nudge = amp_memory_nudge,
    .move_start = amp_memory_move_start,
    .move_cancel = amp_memory_move_cancel,
    .move_find = amp_memory_move_find,
    .move_list = amp_memory_move_list,
    .sweep = amp_memory_sweep,
    .stats = get_stats,
};

enum amp_err amp_engine_memory_open(struct amp_queue_engine *out, const struct amp_engine_config *config)
{
    *out = (struct amp_queue_engine){.ops = &memory_ops};
    struct amp_meter meter;
    amp_meter_init(&meter, config->budget, 1);
    uint64_t seed;
    enum amp_err err = amp_random(&seed, sizeof seed);
    if (err != AMP_OK)
        return err;
    void *block;
    err = amp_meter_alloc(&meter, sizeof(struct amp_memory), &block);
    if (err != AMP_OK)
        return err;
    struct amp_memory *memory = block;
    memory->config = *config;
    memory->seed = seed;
    amp_meter_init(&memory->meter, config->budget, 1);
    atomic_init(&memory->meter.bytes, amp_meter_bytes(&meter));
    amp_slabs_init(&memory->slabs, &memory->meter);
    for (size_t i = 0; i < STRIPES; i++)
        stripe_init(&memory->stripes[i], &config->clock);
    out->self = memory;
    return AMP_OK;
}
