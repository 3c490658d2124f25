/*
 * Each queue's subscriptions hang in one chain, in order of their making. Beside each chain stands how many of it are
 * active: a queue that nobody subscribed to, as most are, is known for one without taking the lock.
 */
#include "api/subscribers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define CHAINS 1024
/* While they are told anew, those that are gone still stand beside those that are there. */
#define ENTRIES_MAX (2 * AMP_SUBSCRIPTIONS_MAX)

typedef bool visit(void *ctx, const struct amp_subscription *subscription, const struct amp_jwk *jwk);

struct entry {
    struct entry *next; /* of its chain */
    uint64_t told;      /* in which telling it was put last */
    bool has_jwk;
    struct amp_jwk jwk;
    struct amp_subscription subscription;
};

struct amp_subscribers {
    pthread_rwlock_t lock;
    atomic_bool known;
    uint64_t telling;
    size_t count;
    struct entry *entries[ENTRIES_MAX]; /* in order of their making */
    struct entry *chains[CHAINS];
    atomic_uint active[CHAINS];
};

/* FNV-1a. Who may name queues that collide slows down those alone. */
static size_t chain_of(struct amp_slice queue)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < queue.len; i++)
        hash = (hash ^ queue.ptr[i]) * 16777619u;
    return (hash ^ hash >> 16) % CHAINS;
}

static struct amp_slice queue_of(const struct entry *entry)
{
    return amp_slice(entry->subscription.queue, entry->subscription.queue_len);
}

static bool is_active(const struct entry *entry)
{
    return entry->subscription.state == AMP_SUBSCRIPTION_ACTIVE;
}

enum amp_err amp_subscribers_new(struct amp_subscribers **out)
{
    pthread_rwlockattr_t attributes;
    *out = NULL;
    struct amp_subscribers *subscribers = calloc(1, sizeof *subscribers);
    if (subscribers == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    /* A change may not wait for ever behind workers that seal one card after another. */
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&subscribers->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    *out = subscribers;
    return AMP_OK;
}

static void entry_free(struct entry *entry)
{
    if (entry == NULL)
        return;
    if (entry->has_jwk)
        amp_jwk_fini(&entry->jwk);
    free(entry);
}

void amp_subscribers_free(struct amp_subscribers *subscribers)
{
    if (subscribers == NULL)
        return;
    for (size_t i = 0; i < subscribers->count; i++)
        entry_free(subscribers->entries[i]);
    pthread_rwlock_destroy(&subscribers->lock);
    free(subscribers);
}

static enum amp_err entry_new(struct entry **out, const struct amp_subscription *subscription)
{
    uint8_t text[AMP_JWK_MAX];
    *out = NULL;
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    entry->subscription = *subscription;
    if (subscription->jwk_len != 0) {
        memcpy(text, subscription->jwk, subscription->jwk_len); /* parsing writes to it */
        enum amp_err err = amp_jwk_parse(&entry->jwk, text, subscription->jwk_len, false);
        if (err != AMP_OK) {
            free(entry);
            return err;
        }
        entry->has_jwk = true;
    }
    *out = entry;
    return AMP_OK;
}

/* Two of one millisecond stand in some order, and always in the same. */
static bool is_before(const struct entry *a, const struct entry *b)
{
    const struct amp_subscription *left = &a->subscription, *right = &b->subscription;
    if (left->created_unix_ms != right->created_unix_ms)
        return left->created_unix_ms < right->created_unix_ms;
    return memcmp(left->id, right->id, sizeof left->id) < 0;
}

/* Where it stands; `count` where there is none of this id. */
static size_t find(const struct amp_subscribers *subscribers, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN])
{
    size_t i = 0;
    while (i < subscribers->count && memcmp(subscribers->entries[i]->subscription.id, id, AMP_SUBSCRIPTION_ID_LEN) != 0)
        i++;
    return i;
}

static void put_in(struct amp_subscribers *subscribers, struct entry *entry)
{
    size_t chain = chain_of(queue_of(entry));
    struct entry **place = &subscribers->chains[chain];
    size_t i = subscribers->count++;
    for (; i > 0 && is_before(entry, subscribers->entries[i - 1]); i--)
        subscribers->entries[i] = subscribers->entries[i - 1];
    subscribers->entries[i] = entry;
    while (*place != NULL && is_before(*place, entry))
        place = &(*place)->next;
    entry->next = *place;
    *place = entry;
    if (is_active(entry))
        atomic_fetch_add(&subscribers->active[chain], 1);
}

static struct entry *take_out(struct amp_subscribers *subscribers, size_t i)
{
    struct entry *entry = subscribers->entries[i];
    size_t chain = chain_of(queue_of(entry));
    struct entry **place = &subscribers->chains[chain];
    subscribers->count--;
    memmove(&subscribers->entries[i], &subscribers->entries[i + 1],
            (subscribers->count - i) * sizeof subscribers->entries[0]);
    while (*place != entry)
        place = &(*place)->next;
    *place = entry->next;
    if (is_active(entry))
        atomic_fetch_sub(&subscribers->active[chain], 1);
    return entry;
}

enum amp_err amp_subscribers_put(struct amp_subscribers *subscribers, const struct amp_subscription *subscription)
{
    struct entry *entry, *unwanted = NULL;
    enum amp_err err = entry_new(&entry, subscription);
    if (err != AMP_OK)
        return err;
    pthread_rwlock_wrlock(&subscribers->lock);
    entry->told = subscribers->telling;
    size_t i = find(subscribers, subscription->id);
    if (i < subscribers->count)
        unwanted = take_out(subscribers, i);
    if (subscribers->count < ENTRIES_MAX) {
        put_in(subscribers, entry);
    } else {
        unwanted = entry;
        err = AMP_ERR_OUT_OF_MEMORY;
    }
    pthread_rwlock_unlock(&subscribers->lock);
    entry_free(unwanted);
    return err;
}

void amp_subscribers_remove(struct amp_subscribers *subscribers, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN])
{
    struct entry *gone = NULL;
    pthread_rwlock_wrlock(&subscribers->lock);
    size_t i = find(subscribers, id);
    if (i < subscribers->count)
        gone = take_out(subscribers, i);
    pthread_rwlock_unlock(&subscribers->lock);
    entry_free(gone);
}

void amp_subscribers_retell(struct amp_subscribers *subscribers)
{
    pthread_rwlock_wrlock(&subscribers->lock);
    subscribers->telling++;
    pthread_rwlock_unlock(&subscribers->lock);
}

void amp_subscribers_told(struct amp_subscribers *subscribers)
{
    pthread_rwlock_wrlock(&subscribers->lock);
    for (size_t i = subscribers->count; i-- > 0;) {
        if (subscribers->entries[i]->told != subscribers->telling)
            entry_free(take_out(subscribers, i));
    }
    pthread_rwlock_unlock(&subscribers->lock);
    atomic_store(&subscribers->known, true);
}

bool amp_subscribers_known(const struct amp_subscribers *subscribers)
{
    return atomic_load(&subscribers->known);
}

static bool tell(const struct entry *entry, visit *each, void *ctx)
{
    return each(ctx, &entry->subscription, entry->has_jwk ? &entry->jwk : NULL);
}

static void tell_all(const struct amp_subscribers *subscribers, visit *each, void *ctx)
{
    for (size_t i = 0; i < subscribers->count; i++) {
        if (!tell(subscribers->entries[i], each, ctx))
            return;
    }
}

static void tell_queue(const struct amp_subscribers *subscribers, struct amp_slice queue, visit *each, void *ctx)
{
    for (const struct entry *it = subscribers->chains[chain_of(queue)]; it != NULL; it = it->next) {
        if (amp_slice_equal(queue_of(it), queue) && !tell(it, each, ctx))
            return;
    }
}

void amp_subscribers_each(struct amp_subscribers *subscribers, struct amp_slice queue,
                          bool (*each)(void *ctx, const struct amp_subscription *subscription,
                                       const struct amp_jwk *jwk),
                          void *ctx)
{
    pthread_rwlock_rdlock(&subscribers->lock);
    if (queue.len == 0)
        tell_all(subscribers, each, ctx);
    else
        tell_queue(subscribers, queue, each, ctx);
    pthread_rwlock_unlock(&subscribers->lock);
}

int amp_subscribers_act(struct amp_subscribers *subscribers, struct amp_slice queue,
                        int (*act)(void *ctx, const uint8_t (*ids)[AMP_SUBSCRIPTION_ID_LEN], size_t count), void *ctx)
{
    uint8_t ids[AMP_SUBSCRIPTIONS_PER_QUEUE_MAX][AMP_SUBSCRIPTION_ID_LEN];
    size_t chain = chain_of(queue), count = 0;
    int done = 0;
    if (atomic_load(&subscribers->active[chain]) == 0)
        return 0;
    pthread_rwlock_rdlock(&subscribers->lock);
    for (const struct entry *it = subscribers->chains[chain]; it != NULL; it = it->next) {
        if (count < AMP_SUBSCRIPTIONS_PER_QUEUE_MAX && is_active(it) && amp_slice_equal(queue_of(it), queue))
            memcpy(ids[count++], it->subscription.id, AMP_SUBSCRIPTION_ID_LEN);
    }
    if (count > 0)
        done = act(ctx, (const uint8_t(*)[AMP_SUBSCRIPTION_ID_LEN])ids, count);
    pthread_rwlock_unlock(&subscribers->lock);
    return done;
}

enum amp_err amp_subscribers_get(struct amp_subscribers *subscribers, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN],
                                 struct amp_subscription *out)
{
    pthread_rwlock_rdlock(&subscribers->lock);
    size_t i = find(subscribers, id);
    bool found = i < subscribers->count;
    if (found)
        *out = subscribers->entries[i]->subscription;
    pthread_rwlock_unlock(&subscribers->lock);
    return found ? AMP_OK : AMP_ERR_SUBSCRIPTION_UNKNOWN;
}

bool amp_subscribers_any(struct amp_subscribers *subscribers, struct amp_slice queue)
{
    size_t chain = chain_of(queue);
    bool any = false;
    if (atomic_load(&subscribers->active[chain]) == 0)
        return false;
    pthread_rwlock_rdlock(&subscribers->lock);
    for (const struct entry *it = subscribers->chains[chain]; !any && it != NULL; it = it->next)
        any = is_active(it) && amp_slice_equal(queue_of(it), queue);
    pthread_rwlock_unlock(&subscribers->lock);
    return any;
}

size_t amp_subscribers_count(struct amp_subscribers *subscribers)
{
    pthread_rwlock_rdlock(&subscribers->lock);
    size_t count = subscribers->count;
    pthread_rwlock_unlock(&subscribers->lock);
    return count;
}
