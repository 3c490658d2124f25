#include "store/idempotency.h"

#include <pthread.h>
#include <stdlib.h>

#include "store/meter.h"
#include "store/slots.h"
#include "store/wheel.h"

#define STRIPES      64
#define IN_FLIGHT_MS 60000
#define MAX_TTL_MS   (INT64_C(366) * 86400 * 1000)

struct entry {
    uint8_t key[AMP_IDEMPOTENCY_HASH_LEN]; /* first: slots look here */
    uint8_t body[AMP_IDEMPOTENCY_HASH_LEN];
    struct amp_wheel_node due;
    uint32_t answer_len;
    uint8_t kind;
    bool finished;
    uint8_t answer[];
};

_Static_assert(AMP_SLOTS_ID_LEN == AMP_IDEMPOTENCY_HASH_LEN, "slots find entries by their key");

struct stripe {
    pthread_mutex_t lock;
    struct amp_slots slots;
    struct amp_wheel wheel;
};

struct amp_idempotency {
    struct amp_clock clock;
    struct amp_meter meters[2]; /* of entries, by kind; tables of slots are the emptying ones' too */
    _Atomic size_t count;
    _Atomic size_t next_swept;
    struct stripe stripes[STRIPES];
};

static struct entry *entry_of(struct amp_wheel_node *due)
{
    return (struct entry *)(void *)((uint8_t *)due - offsetof(struct entry, due));
}

static struct stripe *stripe_of(struct amp_idempotency *table, const uint8_t *key)
{
    return &table->stripes[key[0] % STRIPES];
}

static struct amp_meter *slots_meter(struct amp_idempotency *table)
{
    return &table->meters[AMP_IDEMPOTENCY_EMPTIES];
}

static enum amp_err entry_new(struct amp_idempotency *table, enum amp_idempotency_kind kind, size_t answer_len,
                              struct entry **out)
{
    void *block;
    enum amp_err err = amp_meter_alloc(&table->meters[kind], offsetof(struct entry, answer) + answer_len, &block);
    *out = block;
    if (err != AMP_OK)
        return err;
    (*out)->answer_len = (uint32_t)answer_len;
    (*out)->kind = (uint8_t)kind;
    return AMP_OK;
}

/* Under no lock. */
static void entry_free(struct amp_idempotency *table, struct entry *entry)
{
    if (entry != NULL)
        amp_meter_free(&table->meters[entry->kind], entry, offsetof(struct entry, answer) + entry->answer_len);
}

/* Under the stripe's lock, with the entry's node out of the wheel. */
static void take_out(struct amp_idempotency *table, struct stripe *stripe, struct entry *entry)
{
    amp_slots_remove(&stripe->slots, slots_meter(table), entry);
    atomic_fetch_sub_explicit(&table->count, 1, memory_order_relaxed);
}

/* The entry whose time has not come. One whose time has is taken out, into *dead. */
static struct entry *find(struct amp_idempotency *table, struct stripe *stripe, const uint8_t *key, int64_t now_ms,
                          struct entry **dead)
{
    struct entry *entry = amp_slots_find(&stripe->slots, key);
    if (entry == NULL || entry->due.due_ms > now_ms)
        return entry;
    amp_wheel_cancel(&stripe->wheel, &entry->due);
    take_out(table, stripe, entry);
    *dead = entry;
    return NULL;
}

static enum amp_err answer_from(const struct entry *entry, const uint8_t *body, struct amp_secret_buf *answer)
{
    if (memcmp(entry->body, body, sizeof entry->body) != 0)
        return AMP_ERR_IDEMPOTENCY_MISMATCH;
    if (!entry->finished)
        return AMP_ERR_IDEMPOTENCY_IN_FLIGHT;
    amp_secret_buf_clear(answer);
    return amp_secret_buf_append(answer, entry->answer, entry->answer_len);
}

static enum amp_err own(struct amp_idempotency *table, struct stripe *stripe, const uint8_t *key, const uint8_t *body,
                        enum amp_idempotency_kind kind, int64_t now_ms)
{
    struct entry *entry;
    enum amp_err err = entry_new(table, kind, 0, &entry);
    if (err != AMP_OK)
        return err;
    memcpy(entry->key, key, sizeof entry->key);
    memcpy(entry->body, body, sizeof entry->body);
    err = amp_slots_insert(&stripe->slots, slots_meter(table), entry);
    if (err != AMP_OK) {
        entry_free(table, entry);
        return err;
    }
    amp_wheel_insert(&stripe->wheel, &entry->due, now_ms + IN_FLIGHT_MS);
    atomic_fetch_add_explicit(&table->count, 1, memory_order_relaxed);
    return AMP_OK;
}

enum amp_err amp_idempotency_begin(struct amp_idempotency *table, const uint8_t key[AMP_IDEMPOTENCY_HASH_LEN],
                                   const uint8_t body[AMP_IDEMPOTENCY_HASH_LEN], enum amp_idempotency_kind kind,
                                   enum amp_idempotency_state *state, struct amp_secret_buf *answer)
{
    struct stripe *stripe = stripe_of(table, key);
    struct entry *dead = NULL;
    pthread_mutex_lock(&stripe->lock);
    int64_t now_ms = amp_clock_mono_ms(&table->clock);
    const struct entry *known = find(table, stripe, key, now_ms, &dead);
    enum amp_err err = known != NULL ? answer_from(known, body, answer) : own(table, stripe, key, body, kind, now_ms);
    *state = known != NULL ? AMP_IDEMPOTENCY_REPEATED : AMP_IDEMPOTENCY_NEW;
    pthread_mutex_unlock(&stripe->lock);
    entry_free(table, dead);
    return err;
}

/* The owner's entry, in flight; NULL where there is none. */
static struct entry *find_owned(struct amp_idempotency *table, struct stripe *stripe, const uint8_t *key,
                                int64_t now_ms, struct entry **dead)
{
    struct entry *entry = find(table, stripe, key, now_ms, dead);
    return entry != NULL && !entry->finished ? entry : NULL;
}

/* Puts `fresh`, with the answer, where `owned` was. */
static struct entry *replace(struct stripe *stripe, const struct entry *owned, struct entry *fresh,
                             struct amp_slice answer)
{
    memcpy(fresh->key, owned->key, sizeof fresh->key);
    memcpy(fresh->body, owned->body, sizeof fresh->body);
    memcpy(fresh->answer, answer.ptr, answer.len);
    amp_slots_replace(&stripe->slots, owned, fresh);
    return fresh;
}

enum amp_err amp_idempotency_finish(struct amp_idempotency *table, const uint8_t key[AMP_IDEMPOTENCY_HASH_LEN],
                                    enum amp_idempotency_kind kind, struct amp_slice answer, int64_t ttl_ms)
{
    struct entry *fresh = NULL;
    bool valid = ttl_ms >= 1 && ttl_ms <= MAX_TTL_MS && answer.len <= UINT32_MAX / 2;
    enum amp_err err = valid ? AMP_OK : AMP_ERR_INVALID;
    if (valid && answer.len != 0)
        err = entry_new(table, kind, answer.len, &fresh);
    if (err != AMP_OK) {
        amp_idempotency_cancel(table, key);
        return err;
    }
    struct stripe *stripe = stripe_of(table, key);
    struct entry *dead = NULL;
    pthread_mutex_lock(&stripe->lock);
    int64_t now_ms = amp_clock_mono_ms(&table->clock);
    struct entry *owned = find_owned(table, stripe, key, now_ms, &dead);
    if (owned != NULL) {
        amp_wheel_cancel(&stripe->wheel, &owned->due);
        struct entry *finished = fresh != NULL ? replace(stripe, owned, fresh, answer) : owned;
        finished->finished = true;
        amp_wheel_insert(&stripe->wheel, &finished->due, now_ms + ttl_ms);
        fresh = finished != owned ? owned : NULL;
    }
    pthread_mutex_unlock(&stripe->lock);
    entry_free(table, dead);
    entry_free(table, fresh);
    return owned != NULL ? AMP_OK : AMP_ERR_INVALID;
}

void amp_idempotency_cancel(struct amp_idempotency *table, const uint8_t key[AMP_IDEMPOTENCY_HASH_LEN])
{
    struct stripe *stripe = stripe_of(table, key);
    struct entry *dead = NULL;
    pthread_mutex_lock(&stripe->lock);
    struct entry *owned = find_owned(table, stripe, key, amp_clock_mono_ms(&table->clock), &dead);
    if (owned != NULL) {
        amp_wheel_cancel(&stripe->wheel, &owned->due);
        take_out(table, stripe, owned);
        dead = owned;
    }
    pthread_mutex_unlock(&stripe->lock);
    entry_free(table, dead);
}

static void sweep_stripe(struct amp_idempotency *table, struct stripe *stripe, size_t *work)
{
    struct amp_wheel_node *dead = NULL;
    pthread_mutex_lock(&stripe->lock);
    int64_t now_ms = amp_clock_mono_ms(&table->clock);
    for (struct amp_wheel_node *due; (due = amp_wheel_take(&stripe->wheel, now_ms, work)) != NULL;) {
        take_out(table, stripe, entry_of(due));
        due->next = dead;
        dead = due;
    }
    pthread_mutex_unlock(&stripe->lock);
    while (dead != NULL) {
        struct entry *entry = entry_of(dead);
        dead = dead->next;
        entry_free(table, entry);
    }
}

/* Begins where the last sweep ended, so that a small limit serves every stripe in turn. */
bool amp_idempotency_sweep(struct amp_idempotency *table, size_t limit)
{
    size_t work = limit;
    size_t first = atomic_load_explicit(&table->next_swept, memory_order_relaxed);
    size_t swept = 0;
    while (swept < STRIPES && work != 0)
        sweep_stripe(table, &table->stripes[(first + swept++) % STRIPES], &work);
    size_t next = work == 0 ? first + swept - 1 : first;
    atomic_store_explicit(&table->next_swept, next % STRIPES, memory_order_relaxed);
    return work == 0;
}

size_t amp_idempotency_count(const struct amp_idempotency *table)
{
    return atomic_load_explicit(&table->count, memory_order_relaxed);
}

enum amp_err amp_idempotency_new(struct amp_idempotency **out, struct amp_clock clock, struct amp_budget *budget)
{
    struct amp_idempotency *table = calloc(1, sizeof *table);
    *out = table;
    if (table == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    table->clock = clock;
    amp_meter_init(&table->meters[AMP_IDEMPOTENCY_FILLS], budget, 1);
    amp_meter_init(&table->meters[AMP_IDEMPOTENCY_EMPTIES], budget, 2);
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&table->stripes[i].lock, NULL);
        amp_wheel_init(&table->stripes[i].wheel, amp_clock_mono_ms(&clock));
    }
    return AMP_OK;
}

void amp_idempotency_free(struct amp_idempotency *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *stripe = &table->stripes[i];
        for (struct entry *entry; (entry = amp_slots_drain(&stripe->slots, slots_meter(table))) != NULL;)
            entry_free(table, entry);
        pthread_mutex_destroy(&stripe->lock);
    }
    free(table);
}
