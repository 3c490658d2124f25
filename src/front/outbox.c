/*
 * A subscription is a lane: its pending deliveries in order, and those under way, in the order they were sent. Lanes
 * that have something to send and room for it stand in `ready`, in turn. Pending deliveries hang in a timing wheel, so
 * that each goes when its message does, wherever it stands. A delivery under way has a slot, which its number names:
 * place and generation, so that the courier's word for one that is over finds nothing.
 */
#include "front/outbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "store/meter.h"
#include "store/wheel.h"

#define BUCKETS    1024u
#define SHARE      2u /* see fits_share */
#define NO_SLOT    UINT32_MAX
#define SLOTS_MAX  (1u << 20)
#define GENERATION 0x7fffffffu /* numbers stay below 2^63 */

struct entry {
    struct amp_wheel_node due; /* while it is pending */
    TAILQ_ENTRY(entry) next;   /* in its lane */
    struct lane *lane;
    uint8_t message[AMP_MESSAGE_ID_LEN];
    int64_t expires_mono_ms;
    uint32_t bytes; /* of its body, once it was opened; 0: not known */
    uint32_t slot;  /* while it is under way */
};
TAILQ_HEAD(entries, entry);

struct lane {
    SLIST_ENTRY(lane) in_bucket;
    TAILQ_ENTRY(lane) next; /* in `ready`, or among the dropped */
    uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN];
    struct amp_queue_name queue;
    struct entries pending;
    struct entries under_way;
    size_t under_way_count;
    size_t under_way_bytes;
    bool ready;
    bool dropped; /* out of its bucket: one that comes after it has the same name */
};

struct slot {
    struct entry *entry; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct amp_outbox {
    struct amp_outbox_config config;
    pthread_mutex_t lock;
    struct amp_meter meter;
    struct amp_wheel due;
    SLIST_HEAD(, lane) buckets[BUCKETS];
    TAILQ_HEAD(lanes, lane) ready;
    struct lanes dropped;
    struct slot *slots;
    uint32_t slot_count;
    uint32_t free_slot; /* NO_SLOT: none */
    size_t under_way_bytes;
    size_t shared; /* of what is under way: what lanes have beyond their reserves */
    size_t shared_bytes;
    struct amp_outbox_counts counts;
};

enum amp_err amp_outbox_new(struct amp_outbox **out, const struct amp_outbox_config *config)
{
    struct amp_outbox *outbox = calloc(1, sizeof *outbox);

    *out = NULL;
    if (outbox == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    outbox->config = *config;
    outbox->free_slot = NO_SLOT;
    TAILQ_INIT(&outbox->ready);
    TAILQ_INIT(&outbox->dropped);
    amp_meter_init(&outbox->meter, config->budget, 1);
    amp_wheel_init(&outbox->due, amp_clock_mono_ms(&config->clock));
    pthread_mutex_init(&outbox->lock, NULL);
    *out = outbox;
    return AMP_OK;
}

static void free_entries(struct amp_outbox *outbox, struct entries *entries)
{
    struct entry *entry;

    while ((entry = TAILQ_FIRST(entries)) != NULL) {
        TAILQ_REMOVE(entries, entry, next);
        amp_meter_free(&outbox->meter, entry, 0);
    }
}

static void lane_free(struct amp_outbox *outbox, struct lane *lane)
{
    free_entries(outbox, &lane->pending);
    free_entries(outbox, &lane->under_way);
    amp_meter_free(&outbox->meter, lane, 0);
}

void amp_outbox_free(struct amp_outbox *outbox)
{
    struct lane *lane;
    size_t i;

    if (outbox == NULL)
        return;
    for (i = 0; i < BUCKETS; i++) {
        while ((lane = SLIST_FIRST(&outbox->buckets[i])) != NULL) {
            SLIST_REMOVE_HEAD(&outbox->buckets[i], in_bucket);
            lane_free(outbox, lane);
        }
    }
    while ((lane = TAILQ_FIRST(&outbox->dropped)) != NULL) {
        TAILQ_REMOVE(&outbox->dropped, lane, next);
        lane_free(outbox, lane);
    }
    pthread_mutex_destroy(&outbox->lock);
    free(outbox->slots);
    free(outbox);
}

/* Ids are random. */
static size_t bucket_of(const uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN])
{
    return (subscription[0] | (size_t)subscription[1] << 8) % BUCKETS;
}

static struct lane *find_lane(struct amp_outbox *outbox, const uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN])
{
    struct lane *lane;

    SLIST_FOREACH(lane, &outbox->buckets[bucket_of(subscription)], in_bucket)
    {
        if (memcmp(lane->subscription, subscription, sizeof lane->subscription) == 0)
            return lane;
    }
    return NULL;
}

static enum amp_err open_lane(struct amp_outbox *outbox, struct amp_slice queue,
                              const uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN], struct lane **out)
{
    struct lane *lane = find_lane(outbox, subscription);
    void *memory;
    enum amp_err err;

    *out = lane;
    if (lane != NULL)
        return AMP_OK;
    if (queue.len > sizeof lane->queue.text)
        return AMP_ERR_INVALID;
    err = amp_meter_alloc(&outbox->meter, sizeof *lane, &memory);
    if (err != AMP_OK)
        return err;
    *out = lane = memory;
    memcpy(lane->subscription, subscription, sizeof lane->subscription);
    memcpy(lane->queue.text, queue.ptr, queue.len);
    lane->queue.len = (uint8_t)queue.len;
    TAILQ_INIT(&lane->pending);
    TAILQ_INIT(&lane->under_way);
    SLIST_INSERT_HEAD(&outbox->buckets[bucket_of(subscription)], lane, in_bucket);
    return AMP_OK;
}

/* Its first pending delivery may be sent, as far as its own window goes. */
static bool has_room(const struct amp_outbox *outbox, const struct lane *lane)
{
    const struct amp_outbox_config *config = &outbox->config;
    const struct entry *first = TAILQ_FIRST(&lane->pending);

    return first != NULL && !lane->dropped && lane->under_way_count < config->window &&
           lane->under_way_bytes < config->window_bytes && first->bytes <= config->window_bytes - lane->under_way_bytes;
}

/* Call where anything changed that has_room looks at. */
static void line_up(struct amp_outbox *outbox, struct lane *lane)
{
    bool ready = has_room(outbox, lane);

    if (ready == lane->ready)
        return;
    lane->ready = ready;
    if (ready)
        TAILQ_INSERT_TAIL(&outbox->ready, lane, next);
    else
        TAILQ_REMOVE(&outbox->ready, lane, next);
}

static void make_pending(struct amp_outbox *outbox, struct entry *entry, bool first)
{
    struct lane *lane = entry->lane;

    if (first)
        TAILQ_INSERT_HEAD(&lane->pending, entry, next);
    else
        TAILQ_INSERT_TAIL(&lane->pending, entry, next);
    amp_wheel_insert(&outbox->due, &entry->due, entry->expires_mono_ms);
    outbox->counts.pending++;
}

static void unmake_pending(struct amp_outbox *outbox, struct entry *entry)
{
    TAILQ_REMOVE(&entry->lane->pending, entry, next);
    if (entry->due.link != NULL)
        amp_wheel_cancel(&outbox->due, &entry->due);
    outbox->counts.pending--;
}

enum amp_err amp_outbox_add(struct amp_outbox *outbox, struct amp_slice queue,
                            const uint8_t (*subscriptions)[AMP_SUBSCRIPTION_ID_LEN], size_t count,
                            const uint8_t message[AMP_MESSAGE_ID_LEN], int64_t expires_mono_ms)
{
    struct entries made = TAILQ_HEAD_INITIALIZER(made);
    enum amp_err err = AMP_OK;
    struct entry *entry;
    size_t i;

    (void)pthread_mutex_lock(&outbox->lock);
    for (i = 0; i < count && err == AMP_OK; i++) {
        void *memory = NULL;
        struct lane *lane;

        err = open_lane(outbox, queue, subscriptions[i], &lane);
        if (err == AMP_OK)
            err = amp_meter_alloc(&outbox->meter, sizeof *entry, &memory);
        if (err != AMP_OK)
            break;
        entry = memory;
        entry->lane = lane;
        entry->expires_mono_ms = expires_mono_ms;
        memcpy(entry->message, message, sizeof entry->message);
        TAILQ_INSERT_TAIL(&made, entry, next);
    }
    while (err == AMP_OK && (entry = TAILQ_FIRST(&made)) != NULL) {
        TAILQ_REMOVE(&made, entry, next);
        make_pending(outbox, entry, false);
        line_up(outbox, entry->lane);
    }
    free_entries(outbox, &made);
    (void)pthread_mutex_unlock(&outbox->lock);
    return err;
}

static bool grow_slots(struct amp_outbox *outbox)
{
    uint32_t count = outbox->slot_count == 0 ? 256 : 2 * outbox->slot_count;
    struct slot *slots = count > SLOTS_MAX ? NULL : calloc(count, sizeof *slots);

    if (slots == NULL)
        return false;
    if (outbox->slots != NULL)
        memcpy(slots, outbox->slots, outbox->slot_count * sizeof *slots);
    free(outbox->slots);
    for (uint32_t i = outbox->slot_count; i < count; i++)
        slots[i] = (struct slot){.next_free = i + 1 < count ? i + 1 : NO_SLOT};
    outbox->free_slot = outbox->slot_count;
    outbox->slot_count = count;
    outbox->slots = slots;
    return true;
}

static bool take_slot(struct amp_outbox *outbox, struct entry *entry)
{
    struct slot *slot;

    if (outbox->free_slot == NO_SLOT && !grow_slots(outbox))
        return false;
    entry->slot = outbox->free_slot;
    slot = &outbox->slots[entry->slot];
    outbox->free_slot = slot->next_free;
    slot->entry = entry;
    return true;
}

static void give_slot(struct amp_outbox *outbox, struct entry *entry)
{
    struct slot *slot = &outbox->slots[entry->slot];

    slot->entry = NULL;
    slot->generation = (slot->generation + 1) & GENERATION;
    slot->next_free = outbox->free_slot;
    outbox->free_slot = entry->slot;
}

static uint64_t ask_of(const struct amp_outbox *outbox, const struct entry *entry)
{
    return (uint64_t)outbox->slots[entry->slot].generation << 32 | (entry->slot + 1);
}

/* What is under way by this number; NULL where nothing is. */
static struct entry *find_asked(const struct amp_outbox *outbox, uint64_t ask)
{
    uint32_t place = (uint32_t)ask - 1;

    if (place >= outbox->slot_count || outbox->slots[place].generation != ask >> 32)
        return NULL;
    return outbox->slots[place].entry;
}

static void describe(const struct amp_outbox *outbox, const struct entry *entry, struct amp_delivery *delivery)
{
    const struct lane *lane = entry->lane;

    *delivery = (struct amp_delivery){.queue = lane->queue, .expires_mono_ms = entry->expires_mono_ms};
    memcpy(delivery->subscription, lane->subscription, sizeof delivery->subscription);
    memcpy(delivery->message, entry->message, sizeof delivery->message);
}

static size_t beyond(size_t own, size_t reserve)
{
    return own > reserve ? own - reserve : 0;
}

/* All that changes what is under way goes through here. */
static void set_under_way(struct amp_outbox *outbox, struct lane *lane, size_t count, size_t bytes)
{
    const struct amp_outbox_config *config = &outbox->config;

    outbox->shared -= beyond(lane->under_way_count, config->reserve);
    outbox->shared_bytes -= beyond(lane->under_way_bytes, config->reserve_bytes);
    outbox->counts.under_way += count - lane->under_way_count;
    outbox->under_way_bytes += bytes - lane->under_way_bytes;
    lane->under_way_count = count;
    lane->under_way_bytes = bytes;
    outbox->shared += beyond(count, config->reserve);
    outbox->shared_bytes += beyond(bytes, config->reserve_bytes);
}

/*
 * The dynamic threshold of shared-memory switches (Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2),
 * 1998): who takes `more` of what is shared has in the end no more of it than half of what then is free. A fixed total
 * alone is one tenant's to fill, with endpoints that never answer; N of them together, filling up in turn, hold N / (N
 * + 2) of it. What switches soon send on stays here for a message's life: those who come one after the other leave less
 * and less. So the reserve, which is nobody else's, comes first.
 */
static bool fits_share(size_t own, size_t more, size_t reserve, size_t shared, size_t most)
{
    size_t after = beyond(own + more, reserve);

    shared += after - beyond(own, reserve);
    return more == 0 || after == 0 || (shared <= most && after <= (most - shared) / SHARE);
}

static bool fits_total(const struct amp_outbox *outbox, const struct lane *lane, size_t count, size_t bytes)
{
    const struct amp_outbox_config *config = &outbox->config;
    size_t shared = config->total - config->subscriptions * config->reserve;
    size_t shared_bytes = config->total_bytes - config->subscriptions * config->reserve_bytes;

    return outbox->counts.under_way + count <= config->total &&
           outbox->under_way_bytes + bytes <= config->total_bytes &&
           fits_share(lane->under_way_count, count, config->reserve, outbox->shared, shared) &&
           fits_share(lane->under_way_bytes, bytes, config->reserve_bytes, outbox->shared_bytes, shared_bytes);
}

/* Of the lanes that are ready the first whose first delivery may be under way, as far as others leave room. */
static struct lane *choose_lane(const struct amp_outbox *outbox)
{
    struct lane *lane;

    TAILQ_FOREACH(lane, &outbox->ready, next)
    {
        if (fits_total(outbox, lane, 1, TAILQ_FIRST(&lane->pending)->bytes))
            return lane;
    }
    return NULL;
}

static bool start_next(struct amp_outbox *outbox, struct amp_delivery *delivery)
{
    struct lane *lane = choose_lane(outbox);
    struct entry *entry;

    if (lane == NULL)
        return false;
    entry = TAILQ_FIRST(&lane->pending);
    if (!take_slot(outbox, entry))
        return false;
    unmake_pending(outbox, entry);
    TAILQ_INSERT_TAIL(&lane->under_way, entry, next);
    set_under_way(outbox, lane, lane->under_way_count + 1, lane->under_way_bytes + entry->bytes);
    TAILQ_REMOVE(&outbox->ready, lane, next); /* it is others' turn */
    lane->ready = false;
    line_up(outbox, lane);
    describe(outbox, entry, delivery);
    delivery->ask = ask_of(outbox, entry);
    return true;
}

bool amp_outbox_next(struct amp_outbox *outbox, struct amp_delivery *delivery)
{
    bool found;

    (void)pthread_mutex_lock(&outbox->lock);
    found = start_next(outbox, delivery);
    (void)pthread_mutex_unlock(&outbox->lock);
    return found;
}

/* The entry is in neither list then. */
static void stop(struct amp_outbox *outbox, struct entry *entry)
{
    struct lane *lane = entry->lane;

    give_slot(outbox, entry);
    TAILQ_REMOVE(&lane->under_way, entry, next);
    set_under_way(outbox, lane, lane->under_way_count - 1, lane->under_way_bytes - entry->bytes);
}

static void take_back(struct amp_outbox *outbox, struct entry *entry)
{
    stop(outbox, entry);
    make_pending(outbox, entry, true);
    line_up(outbox, entry->lane);
}

bool amp_outbox_fits(struct amp_outbox *outbox, uint64_t ask, size_t bytes)
{
    const struct amp_outbox_config *config = &outbox->config;
    struct entry *entry;
    struct lane *lane;
    bool fits = false;

    (void)pthread_mutex_lock(&outbox->lock);
    entry = find_asked(outbox, ask);
    if (entry != NULL && bytes <= UINT32_MAX) {
        lane = entry->lane;
        set_under_way(outbox, lane, lane->under_way_count, lane->under_way_bytes - entry->bytes);
        fits = bytes <= config->window_bytes - lane->under_way_bytes && fits_total(outbox, lane, 0, bytes);
        set_under_way(outbox, lane, lane->under_way_count, lane->under_way_bytes + bytes);
        entry->bytes = (uint32_t)bytes;
        if (fits)
            line_up(outbox, lane);
        else
            take_back(outbox, entry);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return fits;
}

void amp_outbox_put_back(struct amp_outbox *outbox, uint64_t ask)
{
    struct entry *entry;

    (void)pthread_mutex_lock(&outbox->lock);
    entry = find_asked(outbox, ask);
    if (entry != NULL)
        take_back(outbox, entry);
    (void)pthread_mutex_unlock(&outbox->lock);
}

static void free_lane_if_over(struct amp_outbox *outbox, struct lane *lane)
{
    if (!lane->dropped || !TAILQ_EMPTY(&lane->pending) || !TAILQ_EMPTY(&lane->under_way))
        return;
    TAILQ_REMOVE(&outbox->dropped, lane, next);
    lane_free(outbox, lane);
}

static void finish(struct amp_outbox *outbox, struct entry *entry, struct amp_delivery *delivery)
{
    struct lane *lane = entry->lane;

    describe(outbox, entry, delivery);
    amp_meter_free(&outbox->meter, entry, 0);
    line_up(outbox, lane);
    free_lane_if_over(outbox, lane);
}

enum amp_err amp_outbox_end(struct amp_outbox *outbox, uint64_t ask, struct amp_delivery *delivery)
{
    struct entry *entry;

    (void)pthread_mutex_lock(&outbox->lock);
    entry = find_asked(outbox, ask);
    if (entry != NULL) {
        stop(outbox, entry);
        finish(outbox, entry, delivery);
        delivery->ask = ask;
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return entry != NULL ? AMP_OK : AMP_ERR_NOT_FOUND;
}

/* The last sent goes back first, so that each is before those that were sent behind it. */
static void recall_lane(struct amp_outbox *outbox, struct lane *lane)
{
    struct entry *entry;

    while ((entry = TAILQ_LAST(&lane->under_way, entries)) != NULL)
        take_back(outbox, entry);
}

void amp_outbox_recall(struct amp_outbox *outbox)
{
    struct lane *lane;
    size_t i;

    (void)pthread_mutex_lock(&outbox->lock);
    for (i = 0; i < BUCKETS; i++) {
        SLIST_FOREACH(lane, &outbox->buckets[i], in_bucket)
        recall_lane(outbox, lane);
    }
    TAILQ_FOREACH(lane, &outbox->dropped, next)
    recall_lane(outbox, lane);
    (void)pthread_mutex_unlock(&outbox->lock);
}

static void drop(struct amp_outbox *outbox, struct lane *lane)
{
    SLIST_REMOVE(&outbox->buckets[bucket_of(lane->subscription)], lane, lane, in_bucket);
    lane->dropped = true;
    line_up(outbox, lane);
    TAILQ_INSERT_TAIL(&outbox->dropped, lane, next);
    free_lane_if_over(outbox, lane);
}

void amp_outbox_drop(struct amp_outbox *outbox, const uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN])
{
    struct lane *lane;

    (void)pthread_mutex_lock(&outbox->lock);
    lane = find_lane(outbox, subscription);
    if (lane != NULL)
        drop(outbox, lane);
    (void)pthread_mutex_unlock(&outbox->lock);
}

void amp_outbox_retain(struct amp_outbox *outbox,
                       bool (*keep)(void *ctx, const uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN]), void *ctx)
{
    struct lane *lane, *next;
    size_t i;

    (void)pthread_mutex_lock(&outbox->lock);
    for (i = 0; i < BUCKETS; i++) {
        for (lane = SLIST_FIRST(&outbox->buckets[i]); lane != NULL; lane = next) {
            next = SLIST_NEXT(lane, in_bucket);
            if (!keep(ctx, lane->subscription))
                drop(outbox, lane);
        }
    }
    (void)pthread_mutex_unlock(&outbox->lock);
}

static struct entry *first_dropped(const struct amp_outbox *outbox)
{
    const struct lane *lane;

    TAILQ_FOREACH(lane, &outbox->dropped, next)
    {
        if (!TAILQ_EMPTY(&lane->pending))
            return TAILQ_FIRST(&lane->pending);
    }
    return NULL;
}

static struct entry *first_expired(struct amp_outbox *outbox, size_t *work)
{
    struct amp_wheel_node *node = amp_wheel_take(&outbox->due, amp_clock_mono_ms(&outbox->config.clock), work);

    return node == NULL ? NULL : (struct entry *)(void *)((uint8_t *)node - offsetof(struct entry, due));
}

bool amp_outbox_reap(struct amp_outbox *outbox, struct amp_delivery *delivery, enum amp_err *why, size_t *work)
{
    struct entry *entry = NULL;

    (void)pthread_mutex_lock(&outbox->lock);
    *why = AMP_ERR_SUBSCRIPTION_UNKNOWN;
    if (*work > 0)
        entry = first_dropped(outbox);
    if (entry != NULL) {
        --*work;
    } else if (*work > 0) {
        *why = AMP_ERR_PUSH_EXPIRED;
        entry = first_expired(outbox, work);
    }
    if (entry != NULL) {
        unmake_pending(outbox, entry);
        finish(outbox, entry, delivery);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return entry != NULL;
}

struct amp_outbox_counts amp_outbox_counts(struct amp_outbox *outbox)
{
    struct amp_outbox_counts counts;

    (void)pthread_mutex_lock(&outbox->lock);
    counts = outbox->counts;
    (void)pthread_mutex_unlock(&outbox->lock);
    return counts;
}
