/* Queues: making, looking, changing, listing, and their end. */
#include "engine/memory.h"

#include "crypto/crypto.h"

static bool same_name(const struct amp_queue_name *a, const struct amp_queue_name *b)
{
    return amp_slice_equal(amp_queue_name_slice(a), amp_queue_name_slice(b));
}

static bool same_settings(const struct amp_queue_settings *a, const struct amp_queue_settings *b)
{
    if (a->allowed_count != b->allowed_count || a->allowed_count > AMP_QUEUE_ALLOWED_MAX)
        return false;
    for (uint32_t i = 0; i < a->allowed_count; i++) {
        if (!same_name(&a->allowed[i], &b->allowed[i]))
            return false;
    }
    return a->fifo == b->fifo && a->content_based_deduplication == b->content_based_deduplication &&
           a->deduplicate_per_group == b->deduplicate_per_group && a->throughput_per_group == b->throughput_per_group &&
           a->delay_s == b->delay_s && a->max_message_bytes == b->max_message_bytes &&
           a->retention_s == b->retention_s && a->wait_s == b->wait_s && a->visibility_s == b->visibility_s &&
           a->ttl_ms == b->ttl_ms && same_name(&a->dead_letter, &b->dead_letter) &&
           a->max_receives == b->max_receives && a->redrive_allow == b->redrive_allow;
}

/* Tags. */

static struct amp_slice tags_of(const struct queue *queue)
{
    return amp_slice(queue->tags, queue->tags_len);
}

static bool same_tags(const struct queue *queue, const struct amp_queue_tags *tags)
{
    struct amp_slice packed = tags == NULL ? amp_slice(NULL, 0) : amp_slice(tags->packed.ptr, tags->packed.len);
    return amp_slice_equal(tags_of(queue), packed);
}

static enum amp_err set_tags(struct amp_memory *memory, struct queue *queue, const struct amp_queue_tags *tags)
{
    void *packed = NULL;
    size_t len = tags == NULL ? 0 : tags->packed.len;
    if (len != 0) {
        enum amp_err err = amp_meter_alloc(&memory->meter, len, &packed);
        if (err != AMP_OK)
            return err;
        memcpy(packed, tags->packed.ptr, len);
    }
    amp_meter_free(&memory->meter, queue->tags, queue->tags_len);
    queue->tags = packed;
    queue->tags_len = (uint32_t)len;
    queue->tag_count = tags == NULL ? 0 : tags->count;
    return AMP_OK;
}

static enum amp_err copy_tags(const struct queue *queue, struct amp_queue_tags *out)
{
    *out = (struct amp_queue_tags){0};
    enum amp_err err = AMP_OK;
    if (queue->tags_len != 0)
        err = amp_secret_buf_append(&out->packed, queue->tags, queue->tags_len);
    if (err == AMP_OK)
        out->count = queue->tag_count;
    return err;
}

/* Making. */

static enum amp_err count_one(struct amp_memory *memory)
{
    uint32_t before = atomic_fetch_add(&memory->queues, 1);
    if (before < memory->config.max_queues)
        return AMP_OK;
    atomic_fetch_sub(&memory->queues, 1);
    return AMP_ERR_OVER_LIMIT;
}

static enum amp_err queue_new(struct amp_memory *memory, const struct amp_queue_name *name,
                              const struct amp_queue_settings *settings, const struct amp_queue_tags *tags,
                              struct queue **out)
{
    void *block;
    enum amp_err err = amp_meter_alloc(&memory->meter, sizeof(struct queue), &block);
    *out = block;
    if (err != AMP_OK)
        return err;
    struct queue *queue = block;
    queue->name = *name;
    queue->settings = *settings;
    queue->created_unix_ms = amp_clock_unix_ms(&memory->config.clock);
    queue->modified_unix_ms = queue->created_unix_ms;
    amp_waiters_init(queue);
    err = amp_random(queue->salt, sizeof queue->salt);
    if (err == AMP_OK)
        err = set_tags(memory, queue, tags);
    if (err == AMP_OK)
        err = amp_account_new(memory, queue, &queue->account);
    if (err == AMP_OK)
        err = amp_stock_new(memory, queue, &queue->stock);
    if (err != AMP_OK) {
        if (queue->account != NULL)
            amp_account_take(memory, queue->account, amp_meter_size(queue));
        amp_meter_free(&memory->meter, queue->tags, queue->tags_len);
        amp_meter_free(&memory->meter, queue, sizeof *queue);
        *out = NULL;
    }
    return err;
}

static enum amp_err add(struct visit *visit, struct queue **chain, const struct amp_queue_name *name,
                        const struct amp_queue_settings *settings, const struct amp_queue_tags *tags)
{
    enum amp_err err = count_one(visit->memory);
    if (err != AMP_OK)
        return err;
    struct queue *queue;
    err = queue_new(visit->memory, name, settings, tags, &queue);
    if (err != AMP_OK) {
        atomic_fetch_sub(&visit->memory->queues, 1);
        return err;
    }
    queue->next = *chain;
    *chain = queue;
    visit->stripe->queue_count++;
    return AMP_OK;
}

enum amp_err amp_memory_create(void *self, struct amp_slice text, const struct amp_queue_settings *settings,
                               const struct amp_queue_tags *tags, bool *existed)
{
    *existed = false;
    struct amp_queue_name name;
    enum amp_err err = amp_queue_name_parse(&name, text);
    if (err != AMP_OK)
        return err;
    if (settings->fifo != amp_queue_name_is_fifo(text))
        return AMP_ERR_QUEUE_INVALID;
    struct visit visit;
    struct queue **chain = amp_memory_enter_any(&visit, self, text);
    struct queue *queue = visit.queue;
    if (queue != NULL && queue->gone_until_ms == 0) {
        *existed = same_settings(&queue->settings, settings) && same_tags(queue, tags);
        err = *existed ? AMP_OK : AMP_ERR_QUEUE_NAME_EXISTS;
    } else if (queue != NULL && queue->gone_until_ms > visit.now_ms) {
        err = AMP_ERR_QUEUE_DELETED_RECENTLY;
    } else {
        if (queue != NULL)
            amp_memory_queue_free(&visit, chain);
        err = add(&visit, chain, &name, settings, tags);
    }
    amp_memory_leave(&visit);
    return err;
}

/* The end. */

/* Its name alone is left. */
static void close_queue(struct visit *visit, struct queue *queue, int64_t held_until_ms, size_t work)
{
    amp_waiters_wake_all(visit, queue);
    amp_tasks_free_of(visit, queue);
    amp_stock_doom(visit, queue->stock, &work);
    amp_meter_free(&visit->memory->meter, queue->tags, queue->tags_len);
    queue->stock = NULL;
    queue->tags = NULL;
    queue->tags_len = 0;
    queue->gone_until_ms = held_until_ms;
    amp_ring_append(&visit->stripe->gone, &queue->gone);
    visit->stripe->queue_count--;
    atomic_fetch_sub(&visit->memory->queues, 1);
}

void amp_memory_queue_free(struct visit *visit, struct queue **at)
{
    struct queue *queue = *at;
    if (queue->gone_until_ms == 0)
        close_queue(visit, queue, visit->now_ms, SIZE_MAX);
    amp_ring_remove(&queue->gone);
    *at = queue->next;
    amp_account_take(visit->memory, queue->account, amp_meter_size(queue));
    amp_meter_free(&visit->memory->meter, queue, sizeof *queue);
}

enum amp_err amp_memory_destroy(void *self, struct amp_slice name)
{
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, self, name);
    if (err != AMP_OK)
        return err;
    close_queue(&visit, visit.queue, visit.now_ms + AMP_QUEUE_NAME_HELD_MS, WIPE_AT_ONCE);
    amp_memory_leave(&visit);
    return AMP_OK;
}

enum amp_err amp_memory_purge(void *self, struct amp_slice name, uint64_t *purged)
{
    *purged = 0;
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, self, name);
    if (err != AMP_OK)
        return err;
    struct queue *queue = visit.queue;
    struct stock *fresh = NULL;
    if (queue->purge_again_ms > visit.now_ms)
        err = AMP_ERR_PURGE_IN_PROGRESS;
    if (err == AMP_OK)
        err = amp_stock_new(visit.memory, queue, &fresh);
    if (err == AMP_OK) {
        size_t work = WIPE_AT_ONCE;
        struct stock *old = queue->stock;
        queue->stock = fresh;
        queue->purge_again_ms = visit.now_ms + AMP_QUEUE_NAME_HELD_MS;
        *purged = amp_stock_doom(&visit, old, &work);
    }
    amp_memory_leave(&visit);
    return err;
}

/* Looking and changing. */

enum amp_err amp_memory_look(void *self, struct amp_slice name, struct amp_queue_view *view)
{
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, self, name);
    if (err != AMP_OK)
        return err;
    size_t work = PROMPT_WORK;
    amp_memory_message_tend(&visit, &work);
    const struct queue *queue = visit.queue;
    view->settings = queue->settings;
    view->created_unix_ms = queue->created_unix_ms;
    view->modified_unix_ms = queue->modified_unix_ms;
    view->available = queue->stock->count[MESSAGE_AVAILABLE];
    view->in_flight = queue->stock->count[MESSAGE_IN_FLIGHT];
    view->delayed = queue->stock->count[MESSAGE_DELAYED];
    amp_memory_leave(&visit);
    return AMP_OK;
}

enum amp_err amp_memory_tags(void *self, struct amp_slice name, struct amp_queue_tags *out)
{
    *out = (struct amp_queue_tags){0};
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, self, name);
    if (err != AMP_OK)
        return err;
    err = copy_tags(visit.queue, out);
    amp_memory_leave(&visit);
    return err;
}

enum amp_err amp_memory_change(void *self, struct amp_slice name,
                               enum amp_err (*edit)(void *ctx, struct amp_queue_settings *settings,
                                                    struct amp_queue_tags *tags),
                               void *ctx)
{
    struct amp_memory *memory = self;
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, memory, name);
    if (err != AMP_OK)
        return err;
    struct queue *queue = visit.queue;
    struct amp_queue_settings settings = queue->settings;
    struct amp_queue_tags tags;
    err = copy_tags(queue, &tags);
    if (err == AMP_OK)
        err = edit(ctx, &settings, &tags);
    if (err == AMP_OK && settings.fifo != queue->settings.fifo)
        err = AMP_ERR_INVALID;
    if (err == AMP_OK && !same_tags(queue, &tags))
        err = set_tags(memory, queue, &tags);
    if (err == AMP_OK) {
        queue->settings = settings;
        queue->modified_unix_ms = amp_clock_unix_ms(&memory->config.clock);
    }
    amp_memory_leave(&visit);
    amp_secret_buf_free(&tags.packed);
    return err;
}

/* Listing: the smallest names found so far are a heap with the largest of them on top. */

static int order(const struct amp_queue_name *a, const struct amp_queue_name *b)
{
    size_t common = a->len < b->len ? a->len : b->len;
    int first = memcmp(a->text, b->text, common);
    return first != 0 ? first : a->len - b->len;
}

static void swap(struct amp_queue_name *a, struct amp_queue_name *b)
{
    struct amp_queue_name held = *a;
    *a = *b;
    *b = held;
}

static void sift_down(struct amp_queue_name *heap, size_t count)
{
    for (size_t at = 0, child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && order(&heap[child], &heap[child + 1]) < 0)
            child++;
        if (order(&heap[at], &heap[child]) >= 0)
            return;
        swap(&heap[at], &heap[child]);
    }
}

static void sift_up(struct amp_queue_name *heap, size_t at)
{
    for (; at != 0 && order(&heap[(at - 1) / 2], &heap[at]) < 0; at = (at - 1) / 2)
        swap(&heap[(at - 1) / 2], &heap[at]);
}

#define ABREAST 16 /* chains */

_Static_assert(CHAINS % ABREAST == 0, "chains are walked so many abreast");

struct listing {
    const struct amp_queue_query *query;
    struct amp_queue_name after;
    struct amp_queue_name *names;
    size_t most;
    size_t count;
    bool more;
};

static bool is_wanted(const struct listing *listing, const struct queue *queue)
{
    const struct amp_queue_query *query = listing->query;
    struct amp_slice name = amp_queue_name_slice(&queue->name);
    return queue->gone_until_ms == 0 && name.len >= query->prefix.len &&
           amp_slice_equal(amp_slice(name.ptr, query->prefix.len), query->prefix) &&
           order(&queue->name, &listing->after) > 0 &&
           (query->sources_of.len == 0 ||
            amp_slice_equal(amp_queue_name_slice(&queue->settings.dead_letter), query->sources_of)) &&
           (query->wanted == NULL || query->wanted(query->ctx, name));
}

/* Nothing new would be learned of it: others are known to follow those found, and it would be one of them. */
static bool is_beyond(const struct listing *listing, const struct queue *queue)
{
    return listing->more && (listing->most == 0 || order(&queue->name, &listing->names[0]) > 0);
}

static void list_one(struct listing *listing, const struct queue *queue)
{
    if (is_beyond(listing, queue) || !is_wanted(listing, queue))
        return;
    if (listing->count < listing->most) {
        listing->names[listing->count] = queue->name;
        sift_up(listing->names, listing->count++);
        return;
    }
    listing->more = true;
    if (listing->most != 0 && order(&queue->name, &listing->names[0]) < 0) {
        listing->names[0] = queue->name;
        sift_down(listing->names, listing->count);
    }
}

/* Where there are many queues most are in no cache: while one is looked at, the next of each other chain come in. */
static void list_chains(struct listing *listing, struct queue *const chains[ABREAST])
{
    const struct queue *at[ABREAST];
    size_t live = ABREAST;
    memcpy(at, chains, sizeof at);
    while (live != 0) {
        live = 0;
        for (size_t i = 0; i < ABREAST; i++) {
            const struct queue *queue = at[i];
            if (queue == NULL)
                continue;
            live++;
            at[i] = queue->next;
            __builtin_prefetch(at[i]);
            list_one(listing, queue);
        }
    }
}

/* The lock is open now and then: others need not wait for the whole pass. */
static void list_stripe(struct listing *listing, struct stripe *stripe)
{
    for (size_t i = 0; i < CHAINS; i += ABREAST) {
        pthread_mutex_lock(&stripe->lock);
        list_chains(listing, &stripe->queues[i]);
        pthread_mutex_unlock(&stripe->lock);
    }
}

enum amp_err amp_memory_list(void *self, const struct amp_queue_query *query, struct amp_queue_name *names, size_t most,
                             size_t *count, bool *more)
{
    struct amp_memory *memory = self;
    struct amp_slice after = query->after;
    struct listing listing = {.query = query, .names = names, .most = most};
    listing.after.len = (uint8_t)(after.len < AMP_QUEUE_NAME_MAX ? after.len : AMP_QUEUE_NAME_MAX);
    if (after.len != 0)
        memcpy(listing.after.text, after.ptr, listing.after.len);
    for (size_t i = 0; i < STRIPES; i++)
        list_stripe(&listing, &memory->stripes[i]);
    for (size_t left = listing.count; left > 1; left--) {
        swap(&names[0], &names[left - 1]);
        sift_down(names, left - 1);
    }
    *count = listing.count;
    *more = listing.more;
    return AMP_OK;
}
