/*
 * Two things know a record (record.h): its stripe's slots (by index) and its stripe's wheel (by the time that matters
 * next: its expiry, or while it is claimed its lease's end). It is taken out of both under the stripe's lock, and told
 * of, wiped and freed under none.
 */
#include "store/vault.h"

#include <pthread.h>
#include <string.h>

#include "crypto/crypto.h"
#include "store/graves.h"
#include "store/record.h"
#include "store/shares.h"
#include "store/slots.h"

/*
 * By byte 0 of the index. Enough that workers seldom meet, and so few that what each call touches of one stays in the
 * caches: with 256 of them, 8 KiB each, a tokenization cost 1.6 % more.
 */
#define STRIPES 32

_Static_assert(AMP_SLOTS_ID_LEN == AMP_VAULT_INDEX_LEN, "slots find records by their index");
_Static_assert(AMP_GONE_COUNT_ <= 4, "a grave has two bits for the reason");

struct stripe {
    pthread_mutex_t lock;
    struct amp_slots live;
    struct amp_wheel wheel;
    struct amp_graves graves;
    uint64_t claimed;
    uint64_t expired; /* since a sweep last told */
    uint64_t lapsed;
    struct amp_meter meter;
};

struct amp_vault {
    struct amp_vault_config config;
    struct amp_meter meter;
    struct amp_meter graves; /* what tombstones take: they give way, so it is left to all */
    struct amp_shares shares;
    _Atomic size_t next_to_yield;
    struct stripe *stripes;
};

const char *amp_gone_reason_name(enum amp_gone_reason reason)
{
    static const char *const names[AMP_GONE_COUNT_] = {
        [AMP_GONE_USED] = "used", [AMP_GONE_EXPIRED] = "expired", [AMP_GONE_REVOKED] = "revoked"};
    return names[reason];
}

static bool has_room(struct amp_vault *vault, const struct amp_vault_item *item)
{
    const struct amp_budget *budget = vault->config.budget;
    size_t used = atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
    size_t yielding = amp_meter_bytes(&vault->graves), staying = used > yielding ? used - yielding : 0;
    size_t left = staying < budget->cap_bytes ? budget->cap_bytes - staying : 0;
    return amp_share_has_room(&vault->shares, amp_share_of(&vault->shares, item->holder), item->sealed.len, left);
}

/* Returns the bytes to give back. */
static size_t forget(struct amp_vault *vault, struct amp_record *record)
{
    amp_share_give(&vault->shares, record->share, amp_meter_size(record));
    return amp_record_free(record);
}

/* What time and acts do to a record. All under the stripe's lock, with the record's node out of the wheel. */

/* Records taken out, chained through their nodes, to be freed when the lock is. */
struct dead {
    struct amp_wheel_node *first;
};

static void destroy(struct amp_vault *vault, struct stripe *stripe, struct amp_record *record,
                    enum amp_gone_reason reason, int64_t now_ms, struct dead *dead)
{
    amp_slots_remove(&stripe->live, &stripe->meter, record);
    amp_graves_add(&stripe->graves, &vault->graves, record->index, now_ms + vault->config.tombstone_ms, reason,
                   record->past_mark);
    record->due.next = dead->first;
    dead->first = &record->due;
    amp_record_expect_wiping(record);
}

/* Returns the token's own expiry, which counts again. */
static int64_t end_lease(struct stripe *stripe, struct amp_record *record)
{
    struct amp_lease *lease = record->lease;
    int64_t expires_ms = lease->expires_ms;
    record->past_mark = amp_record_mark(lease->nonce, lease->who);
    record->lease = NULL;
    amp_meter_free(&stripe->meter, lease, sizeof *lease);
    stripe->claimed--;
    return expires_ms;
}

/* Frees the token, or destroys it where its time has passed; true where it lives. */
static bool release(struct amp_vault *vault, struct stripe *stripe, struct amp_record *record, int64_t now_ms,
                    struct dead *dead)
{
    int64_t expires_ms = record->lease != NULL ? end_lease(stripe, record) : record->due.due_ms;
    if (expires_ms > now_ms) {
        amp_wheel_insert(&stripe->wheel, &record->due, expires_ms);
        return true;
    }
    stripe->expired++;
    destroy(vault, stripe, record, AMP_GONE_EXPIRED, now_ms, dead);
    return false;
}

/* For a record that is due. */
static bool ripen(struct amp_vault *vault, struct stripe *stripe, struct amp_record *record, int64_t now_ms,
                  struct dead *dead)
{
    bool leased = record->lease != NULL;
    bool lives = release(vault, stripe, record, now_ms, dead);
    if (leased && lives)
        stripe->lapsed++;
    return lives;
}

/* Under no lock. */
static void bury(struct amp_vault *vault, struct stripe *stripe, struct dead *dead)
{
    size_t bytes = 0;
    while (dead->first != NULL) {
        struct amp_record *record = amp_record_of(dead->first);
        dead->first = dead->first->next;
        uint32_t epoch = record->epoch;
        bytes += forget(vault, record);
        if (vault->config.dropped != NULL)
            vault->config.dropped(vault->config.dropped_ctx, epoch);
    }
    if (bytes != 0)
        amp_meter_give(&stripe->meter, bytes);
}

/* One call's stay in a stripe. */
struct visit {
    struct amp_vault *vault;
    struct stripe *stripe;
    int64_t now_ms;
    const uint8_t *index;
    struct amp_record *record; /* NULL where none lives */
    struct dead dead;
};

/* Locks, asks the time under the lock, and does to the record what time has done to it. */
static struct visit enter(struct amp_vault *vault, const uint8_t *index)
{
    struct visit visit = {.vault = vault, .stripe = &vault->stripes[index[0] % STRIPES], .index = index};
    pthread_mutex_lock(&visit.stripe->lock);
    visit.now_ms = amp_clock_mono_ms(&vault->config.clock);
    visit.record = amp_slots_find(&visit.stripe->live, index);
    if (visit.record != NULL && visit.record->due.due_ms <= visit.now_ms) {
        amp_wheel_cancel(&visit.stripe->wheel, &visit.record->due);
        if (!ripen(vault, visit.stripe, visit.record, visit.now_ms, &visit.dead))
            visit.record = NULL;
    }
    return visit;
}

static void leave(struct visit *visit)
{
    pthread_mutex_unlock(&visit->stripe->lock);
    bury(visit->vault, visit->stripe, &visit->dead);
}

static void describe(const struct visit *visit, struct amp_vault_view *view)
{
    const struct amp_record *record = visit->record;
    memcpy(view->queue, record->bytes, record->queue_len);
    view->queue_len = record->queue_len;
    view->epoch = record->epoch;
    view->claimed = record->lease != NULL;
    int64_t due_in_ms = record->due.due_ms - visit->now_ms;
    view->left_ms = due_in_ms;
    view->lease_left_ms = 0;
    if (record->lease != NULL) {
        int64_t own_ms = record->lease->expires_ms - visit->now_ms;
        view->left_ms = own_ms > due_in_ms ? own_ms : due_in_ms;
        view->lease_left_ms = due_in_ms;
    }
}

static enum amp_err copy_sealed(const struct amp_record *record, struct amp_vault_view *view)
{
    struct amp_slice sealed = amp_record_sealed(record);
    amp_secret_buf_clear(&view->sealed);
    return amp_secret_buf_append(&view->sealed, sealed.ptr, sealed.len);
}

static enum amp_err ask(const struct amp_vault_guard *guard, const struct amp_record *record)
{
    return guard == NULL || guard->may(guard->ctx, amp_record_queue(record)) ? AMP_OK : AMP_ERR_NOT_PERMITTED;
}

/* The record is there and the caller may act on it. */
static enum amp_err find_token(const struct visit *visit, const struct amp_vault_guard *guard,
                               struct amp_vault_view *view)
{
    if (visit->record != NULL) {
        describe(visit, view);
        return ask(guard, visit->record);
    }
    const struct amp_grave *grave = amp_graves_find(&visit->stripe->graves, visit->index, visit->now_ms);
    if (grave == NULL)
        return AMP_ERR_TOKEN_UNKNOWN;
    view->gone = (enum amp_gone_reason)amp_grave_reason(grave);
    return AMP_ERR_TOKEN_GONE;
}

static bool holds(const struct amp_lease *lease, const uint8_t *nonce, const uint8_t *who)
{
    bool same_nonce = amp_secret_equal(lease->nonce, nonce, AMP_LEASE_NONCE_LEN);
    bool same_holder = amp_secret_equal(lease->who, who, AMP_PRINCIPAL_ID_LEN);
    return same_nonce && same_holder;
}

/* The claim holds and the caller may act on its token. */
static enum amp_err find_claim(const struct visit *visit, const uint8_t *nonce, const uint8_t *who,
                               const struct amp_vault_guard *guard, struct amp_vault_view *view)
{
    const struct amp_record *record = visit->record;
    uint32_t past_mark = 0;
    view->gone = AMP_GONE_EXPIRED;
    if (record != NULL) {
        if (record->lease != NULL && holds(record->lease, nonce, who)) {
            describe(visit, view);
            return ask(guard, record);
        }
        past_mark = record->past_mark;
    } else {
        const struct amp_grave *grave = amp_graves_find(&visit->stripe->graves, visit->index, visit->now_ms);
        if (grave != NULL) {
            past_mark = grave->mark;
            view->gone = (enum amp_gone_reason)amp_grave_reason(grave);
        }
    }
    return past_mark == amp_record_mark(nonce, who) ? AMP_ERR_CLAIM_GONE : AMP_ERR_CLAIM_UNKNOWN;
}

/* The calls. */

static enum amp_err put(struct amp_vault *vault, const struct amp_vault_item *item)
{
    struct stripe *stripe = &vault->stripes[item->index[0] % STRIPES];
    struct amp_record *record;
    uint16_t share = amp_share_of(&vault->shares, item->holder);
    enum amp_err err = amp_record_new(&record, &stripe->meter, item, share);
    if (err != AMP_OK)
        return err;
    amp_share_take(&vault->shares, share, amp_meter_size(record));
    pthread_mutex_lock(&stripe->lock);
    err = amp_slots_insert(&stripe->live, &stripe->meter, record);
    if (err == AMP_OK)
        amp_wheel_insert(&stripe->wheel, &record->due, amp_clock_mono_ms(&vault->config.clock) + item->ttl_ms);
    pthread_mutex_unlock(&stripe->lock);
    if (err != AMP_OK)
        amp_meter_give(&stripe->meter, forget(vault, record));
    return err;
}

/* What is dead gives way to what lives; in turn, so that all stripes have forgotten about as much. */
static bool make_way(struct amp_vault *vault)
{
    bool made = false;
    for (size_t i = 0; i < STRIPES && !made; i++) {
        struct stripe *stripe = &vault->stripes[atomic_fetch_add(&vault->next_to_yield, 1) % STRIPES];
        pthread_mutex_lock(&stripe->lock);
        made = amp_graves_yield(&stripe->graves, &vault->graves);
        pthread_mutex_unlock(&stripe->lock);
    }
    return made;
}

void amp_vault_expect(struct amp_vault *vault, const uint8_t index[AMP_VAULT_INDEX_LEN])
{
    amp_slots_expect(&vault->stripes[index[0] % STRIPES].live, index);
}

enum amp_err amp_vault_put(struct amp_vault *vault, const struct amp_vault_item *item)
{
    if (!has_room(vault, item))
        return AMP_ERR_VAULT_FULL;
    enum amp_err err;
    do
        err = put(vault, item);
    while (err == AMP_ERR_VAULT_FULL && make_way(vault));
    return err;
}

enum amp_err amp_vault_inspect(struct amp_vault *vault, const uint8_t index[AMP_VAULT_INDEX_LEN],
                               const struct amp_vault_guard *guard, struct amp_vault_view *view)
{
    struct visit visit = enter(vault, index);
    enum amp_err err = find_token(&visit, guard, view);
    if (err == AMP_OK)
        err = copy_sealed(visit.record, view);
    leave(&visit);
    return err;
}

struct claimant {
    const uint8_t *who;
    uint64_t retry_mark;
    int64_t lease_ms;
};

/* Gives the record a lease with this nonce. The content is copied first, so a failure changes nothing. */
static enum amp_err lease_out(struct visit *visit, const struct claimant *claimant, const uint8_t *nonce,
                              struct amp_vault_view *view)
{
    struct amp_record *record = visit->record;
    enum amp_err err = copy_sealed(record, view);
    if (err != AMP_OK)
        return err;
    void *block;
    err = amp_meter_alloc_beyond(&visit->stripe->meter, sizeof(struct amp_lease), &block);
    if (err != AMP_OK)
        return err;
    struct amp_lease *lease = block;
    memcpy(lease->who, claimant->who, sizeof lease->who);
    memcpy(lease->nonce, nonce, sizeof lease->nonce);
    lease->retry_mark = claimant->retry_mark;
    lease->expires_ms = record->due.due_ms;
    record->lease = lease;
    visit->stripe->claimed++;
    amp_wheel_cancel(&visit->stripe->wheel, &record->due);
    amp_wheel_insert(&visit->stripe->wheel, &record->due, visit->now_ms + claimant->lease_ms);
    describe(visit, view);
    return AMP_OK;
}

static bool is_retry(const struct amp_lease *lease, const struct claimant *claimant)
{
    return claimant->retry_mark != 0 && lease->retry_mark == claimant->retry_mark &&
           amp_secret_equal(lease->who, claimant->who, AMP_PRINCIPAL_ID_LEN);
}

enum amp_err amp_vault_claim(struct amp_vault *vault, const uint8_t index[AMP_VAULT_INDEX_LEN],
                             const struct amp_vault_guard *guard, const uint8_t who[AMP_PRINCIPAL_ID_LEN],
                             uint64_t retry_mark, int64_t lease_ms, uint8_t claim[AMP_VAULT_CLAIM_LEN],
                             struct amp_vault_view *view)
{
    bool again = lease_ms == AMP_VAULT_LEASE_HELD && retry_mark != 0;
    if (!again && (lease_ms < 1 || lease_ms > AMP_RECORD_MAX_SPAN_MS))
        return AMP_ERR_LEASE_INVALID;
    struct claimant claimant = {.who = who, .retry_mark = retry_mark, .lease_ms = lease_ms};
    uint8_t nonce[AMP_LEASE_NONCE_LEN];
    enum amp_err err = amp_random(nonce, sizeof nonce);
    if (err != AMP_OK)
        return err;
    struct visit visit = enter(vault, index);
    err = find_token(&visit, guard, view);
    const struct amp_lease *held = err == AMP_OK ? visit.record->lease : NULL;
    if (held != NULL && is_retry(held, &claimant)) {
        memcpy(nonce, held->nonce, sizeof nonce);
        err = copy_sealed(visit.record, view);
    } else if (err == AMP_OK && again) {
        view->gone = AMP_GONE_EXPIRED;
        err = AMP_ERR_CLAIM_GONE;
    } else if (err == AMP_OK) {
        err = held != NULL ? AMP_ERR_TOKEN_CLAIMED : lease_out(&visit, &claimant, nonce, view);
    }
    leave(&visit);
    if (err == AMP_OK) {
        memcpy(claim, index, AMP_VAULT_INDEX_LEN);
        memcpy(claim + AMP_VAULT_INDEX_LEN, nonce, sizeof nonce);
    }
    amp_wipe(nonce, sizeof nonce);
    return err;
}

enum amp_err amp_vault_holds(struct amp_vault *vault, const uint8_t claim[AMP_VAULT_CLAIM_LEN],
                             const uint8_t who[AMP_PRINCIPAL_ID_LEN], struct amp_vault_view *view)
{
    struct visit visit = enter(vault, claim);
    enum amp_err err = find_claim(&visit, claim + AMP_VAULT_INDEX_LEN, who, NULL, view);
    leave(&visit);
    return err;
}

static enum amp_err end_claim(struct amp_vault *vault, const uint8_t *claim, const uint8_t *who,
                              const struct amp_vault_guard *guard, struct amp_vault_view *view, bool used)
{
    struct amp_vault_view unseen;
    struct visit visit = enter(vault, claim);
    enum amp_err err = find_claim(&visit, claim + AMP_VAULT_INDEX_LEN, who, guard, view != NULL ? view : &unseen);
    if (err == AMP_OK)
        amp_wheel_cancel(&visit.stripe->wheel, &visit.record->due);
    if (err == AMP_OK && used) {
        end_lease(visit.stripe, visit.record);
        destroy(vault, visit.stripe, visit.record, AMP_GONE_USED, visit.now_ms, &visit.dead);
    } else if (err == AMP_OK) {
        release(vault, visit.stripe, visit.record, visit.now_ms, &visit.dead);
    }
    leave(&visit);
    return err;
}

enum amp_err amp_vault_commit(struct amp_vault *vault, const uint8_t claim[AMP_VAULT_CLAIM_LEN],
                              const uint8_t who[AMP_PRINCIPAL_ID_LEN], const struct amp_vault_guard *guard,
                              struct amp_vault_view *view)
{
    return end_claim(vault, claim, who, guard, view, true);
}

enum amp_err amp_vault_abort(struct amp_vault *vault, const uint8_t claim[AMP_VAULT_CLAIM_LEN],
                             const uint8_t who[AMP_PRINCIPAL_ID_LEN], const struct amp_vault_guard *guard,
                             struct amp_vault_view *view)
{
    return end_claim(vault, claim, who, guard, view, false);
}

enum amp_err amp_vault_revoke(struct amp_vault *vault, const uint8_t index[AMP_VAULT_INDEX_LEN],
                              const struct amp_vault_guard *guard, struct amp_vault_view *view)
{
    struct amp_vault_view unseen;
    struct visit visit = enter(vault, index);
    enum amp_err err = find_token(&visit, guard, view != NULL ? view : &unseen);
    if (err == AMP_OK && visit.record->lease != NULL)
        err = AMP_ERR_TOKEN_CLAIMED;
    if (err == AMP_OK) {
        amp_wheel_cancel(&visit.stripe->wheel, &visit.record->due);
        destroy(vault, visit.stripe, visit.record, AMP_GONE_REVOKED, visit.now_ms, &visit.dead);
    }
    leave(&visit);
    return err;
}

size_t amp_vault_stripes(const struct amp_vault *vault)
{
    (void)vault;
    return STRIPES;
}

bool amp_vault_sweep(struct amp_vault *vault, size_t number, size_t limit, uint64_t *expired, uint64_t *lapsed)
{
    struct stripe *stripe = &vault->stripes[number % STRIPES];
    struct dead dead = {NULL};
    size_t work = limit;
    pthread_mutex_lock(&stripe->lock);
    int64_t now_ms = amp_clock_mono_ms(&vault->config.clock);
    for (struct amp_wheel_node *due; (due = amp_wheel_take(&stripe->wheel, now_ms, &work)) != NULL;)
        ripen(vault, stripe, amp_record_of(due), now_ms, &dead);
    size_t purged = amp_graves_purge(&stripe->graves, &vault->graves, now_ms, limit);
    *expired += stripe->expired;
    *lapsed += stripe->lapsed;
    stripe->expired = 0;
    stripe->lapsed = 0;
    pthread_mutex_unlock(&stripe->lock);
    bury(vault, stripe, &dead);
    return work == 0 || purged == limit;
}

void amp_vault_get_stats(const struct amp_vault *vault, struct amp_vault_stats *stats)
{
    *stats = (struct amp_vault_stats){.bytes = amp_meter_bytes(&vault->meter) + amp_meter_bytes(&vault->graves)};
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *stripe = &vault->stripes[i];
        pthread_mutex_lock(&stripe->lock);
        stats->live += stripe->live.count;
        stats->claimed += stripe->claimed;
        stats->tombstones += stripe->graves.count;
        pthread_mutex_unlock(&stripe->lock);
        stats->bytes += amp_meter_bytes(&stripe->meter);
    }
}

/* Birth and end. */

static void stripe_init(struct stripe *stripe, const struct amp_vault_config *config)
{
    size_t graves = config->max_tombstones / STRIPES + (config->max_tombstones % STRIPES != 0);
    pthread_mutex_init(&stripe->lock, NULL);
    amp_wheel_init(&stripe->wheel, amp_clock_mono_ms(&config->clock));
    amp_graves_init(&stripe->graves, graves < UINT32_MAX / 2 ? (uint32_t)graves : UINT32_MAX / 2);
    amp_meter_init(&stripe->meter, config->budget, 1);
}

enum amp_err amp_vault_new(struct amp_vault **out, const struct amp_vault_config *config)
{
    *out = NULL;
    struct amp_meter meter;
    amp_meter_init(&meter, config->budget, 1);
    void *vault_block = NULL;
    void *stripes_block = NULL;
    enum amp_err err = amp_meter_alloc(&meter, sizeof(struct amp_vault), &vault_block);
    if (err == AMP_OK)
        err = amp_shares_init(&((struct amp_vault *)vault_block)->shares);
    if (err == AMP_OK)
        err = amp_meter_alloc(&meter, STRIPES * sizeof(struct stripe), &stripes_block);
    if (err != AMP_OK) {
        amp_meter_free(&meter, vault_block, 0);
        return err;
    }
    struct amp_vault *vault = vault_block;
    vault->config = *config;
    vault->stripes = stripes_block;
    amp_meter_init(&vault->meter, config->budget, 1);
    amp_meter_init(&vault->graves, config->budget, 1);
    atomic_init(&vault->meter.bytes, amp_meter_bytes(&meter));
    for (size_t i = 0; i < STRIPES; i++)
        stripe_init(&vault->stripes[i], config);
    *out = vault;
    return AMP_OK;
}

static void stripe_fini(struct amp_vault *vault, struct stripe *stripe)
{
    struct dead dead = {NULL};
    for (struct amp_record *record; (record = amp_slots_drain(&stripe->live, &stripe->meter)) != NULL;) {
        record->due.next = dead.first;
        dead.first = &record->due;
    }
    bury(vault, stripe, &dead);
    amp_graves_fini(&stripe->graves, &vault->graves);
    pthread_mutex_destroy(&stripe->lock);
}

void amp_vault_free(struct amp_vault *vault)
{
    if (vault == NULL)
        return;
    for (size_t i = 0; i < STRIPES; i++)
        stripe_fini(vault, &vault->stripes[i]);
    struct amp_meter meter = {.budget = vault->config.budget};
    amp_meter_free(&meter, vault->stripes, 0);
    amp_meter_free(&meter, vault, 0);
}
