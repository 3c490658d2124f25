/*
 * Epochs live in fixed places, so that sealing and opening take no lock: a hold is an increment of `holds`
 * from a value that is not 0. The room itself has one hold on the current key and one on the waiting one;
 * everything sealed has one; so has every seal and unseal while it runs. Whoever lets go last wipes the key
 * and then leaves the place to a new one. The lock is only for changing which key is current.
 */
#include "seal/epochs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "seal/derive.h"

struct keys {
    struct amp_hmac_key dek;
    struct amp_key256 message; /* derived from it for the label "message", bound to nothing */
};

struct amp_epoch {
    _Atomic uint64_t holds; /* 0: no key here */
    _Atomic bool taken;     /* from before the first hold until after the key is wiped */
    _Atomic uint32_t id;
    struct keys *keys;
    _Atomic size_t *alive; /* counts the keys of all places */
    _Atomic uint64_t uses;
    _Atomic uint64_t bytes;
    _Atomic int64_t since_ms; /* when it came */
} __attribute__((aligned(64)));

struct amp_epochs {
    struct amp_epochs_config config;
    pthread_mutex_t lock;
    _Atomic(struct amp_epoch *) current;
    _Atomic(struct amp_epoch *) next;
    _Atomic size_t alive;
    struct amp_epoch *places;
};

uint32_t amp_epoch_id(const struct amp_epoch *epoch)
{
    return atomic_load_explicit(&epoch->id, memory_order_relaxed);
}

const struct amp_hmac_key *amp_epoch_key(const struct amp_epoch *epoch)
{
    return &epoch->keys->dek;
}

const struct amp_key256 *amp_epoch_label_key(const struct amp_epoch *epoch, struct amp_slice label)
{
    return amp_slice_is(label, "message") ? &epoch->keys->message : NULL;
}

/* False where the key is gone or going. */
static bool hold(struct amp_epoch *epoch)
{
    uint64_t holds = atomic_load_explicit(&epoch->holds, memory_order_relaxed);
    do {
        if (holds == 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&epoch->holds, &holds, holds + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    return true;
}

void amp_epoch_let_go(struct amp_epoch *epoch)
{
    if (atomic_fetch_sub_explicit(&epoch->holds, 1, memory_order_acq_rel) != 1)
        return;
    amp_secret_free(epoch->keys);
    epoch->keys = NULL;
    atomic_fetch_sub_explicit(epoch->alive, 1, memory_order_relaxed);
    atomic_store_explicit(&epoch->taken, false, memory_order_release);
}

/* Ids come in order, so the first place looked at is nearly always the right one. */
struct amp_epoch *amp_epoch_hold(struct amp_epochs *epochs, uint32_t id)
{
    for (uint32_t i = 0; i < AMP_EPOCHS_MAX; i++) {
        struct amp_epoch *epoch = &epochs->places[(id + i) % AMP_EPOCHS_MAX];
        if (amp_epoch_id(epoch) != id || !hold(epoch))
            continue;
        if (amp_epoch_id(epoch) == id) /* the place may have changed hands before the hold */
            return epoch;
        amp_epoch_let_go(epoch);
    }
    return NULL;
}

static int64_t age_of(const struct amp_epochs *epochs, const struct amp_epoch *epoch)
{
    return amp_clock_mono_ms(&epochs->config.clock) - atomic_load_explicit(&epoch->since_ms, memory_order_relaxed);
}

static bool over_age(const struct amp_epochs *epochs, const struct amp_epoch *epoch)
{
    return age_of(epochs, epoch) >= epochs->config.max_age_ms;
}

/* Less than a quarter is left of some bound. */
static bool wanes(const struct amp_epochs *epochs, const struct amp_epoch *epoch)
{
    const struct amp_epochs_config *max = &epochs->config;
    return age_of(epochs, epoch) > max->max_age_ms - max->max_age_ms / 4 ||
           atomic_load_explicit(&epoch->uses, memory_order_relaxed) > max->max_uses - max->max_uses / 4 ||
           atomic_load_explicit(&epoch->bytes, memory_order_relaxed) > max->max_bytes - max->max_bytes / 4;
}

/* Charges first and looks then: of threads that meet at the bound none can pass it. */
static bool charge(const struct amp_epochs *epochs, struct amp_epoch *epoch, size_t bytes)
{
    if (over_age(epochs, epoch))
        return false;
    if (atomic_fetch_add_explicit(&epoch->uses, 1, memory_order_relaxed) >= epochs->config.max_uses)
        return false;
    uint64_t before = atomic_fetch_add_explicit(&epoch->bytes, bytes, memory_order_relaxed);
    return before <= epochs->config.max_bytes && bytes <= epochs->config.max_bytes - before;
}

/* Puts the next key in the place of `spent`, unless somebody has done so. */
static void retire(struct amp_epochs *epochs, struct amp_epoch *spent)
{
    pthread_mutex_lock(&epochs->lock);
    bool mine = atomic_load_explicit(&epochs->current, memory_order_relaxed) == spent;
    if (mine) {
        atomic_store_explicit(&epochs->current, atomic_load_explicit(&epochs->next, memory_order_relaxed),
                              memory_order_release);
        atomic_store_explicit(&epochs->next, NULL, memory_order_relaxed);
    }
    pthread_mutex_unlock(&epochs->lock);
    if (mine)
        amp_epoch_let_go(spent);
}

enum amp_err amp_epoch_hold_current(struct amp_epochs *epochs, size_t bytes, struct amp_epoch **out)
{
    *out = NULL;
    if (bytes > epochs->config.max_bytes)
        return AMP_ERR_TOO_LARGE;
    for (;;) {
        struct amp_epoch *epoch = atomic_load_explicit(&epochs->current, memory_order_acquire);
        if (epoch == NULL)
            return AMP_ERR_KEEPER_UNAVAILABLE;
        if (!hold(epoch))
            continue; /* it was retired since: another one is current */
        if (charge(epochs, epoch, bytes)) {
            *out = epoch;
            return AMP_OK;
        }
        retire(epochs, epoch);
        amp_epoch_let_go(epoch);
    }
}

/* Under the lock. */
static struct amp_epoch *free_place(struct amp_epochs *epochs, uint32_t id)
{
    for (uint32_t i = 0; i < AMP_EPOCHS_MAX; i++) {
        struct amp_epoch *epoch = &epochs->places[(id + i) % AMP_EPOCHS_MAX];
        if (!atomic_load_explicit(&epoch->taken, memory_order_acquire))
            return epoch;
    }
    return NULL;
}

static bool lives(struct amp_epochs *epochs, uint32_t id)
{
    struct amp_epoch *epoch = amp_epoch_hold(epochs, id);
    if (epoch != NULL)
        amp_epoch_let_go(epoch);
    return epoch != NULL;
}

static enum amp_err make_keys(const struct amp_key256 *dek, struct keys **out)
{
    struct keys *keys = amp_secret_alloc(sizeof *keys);
    *out = NULL;
    if (keys == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    amp_hmac_key_make(&keys->dek, dek);
    enum amp_err err = amp_seal_derive(&keys->message, &keys->dek, AMP_SLICE_LIT("message"), amp_slice(NULL, 0));
    if (err != AMP_OK)
        amp_secret_free(keys);
    else
        *out = keys;
    return err;
}

/* Under the lock. */
static enum amp_err add(struct amp_epochs *epochs, uint32_t id, const struct amp_key256 *dek)
{
    if (atomic_load_explicit(&epochs->next, memory_order_relaxed) != NULL || lives(epochs, id))
        return AMP_ERR_INVALID;
    struct amp_epoch *epoch = free_place(epochs, id);
    if (epoch == NULL)
        return AMP_ERR_OVERLOADED;
    enum amp_err err = make_keys(dek, &epoch->keys);
    if (err != AMP_OK)
        return err;
    epoch->alive = &epochs->alive;
    atomic_fetch_add_explicit(&epochs->alive, 1, memory_order_relaxed);
    atomic_store_explicit(&epoch->id, id, memory_order_relaxed);
    atomic_store_explicit(&epoch->uses, 0, memory_order_relaxed);
    atomic_store_explicit(&epoch->bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&epoch->since_ms, amp_clock_mono_ms(&epochs->config.clock), memory_order_relaxed);
    atomic_store_explicit(&epoch->taken, true, memory_order_relaxed);
    atomic_store_explicit(&epoch->holds, 1, memory_order_release);
    if (atomic_load_explicit(&epochs->current, memory_order_relaxed) == NULL)
        atomic_store_explicit(&epochs->current, epoch, memory_order_release);
    else
        atomic_store_explicit(&epochs->next, epoch, memory_order_relaxed);
    return AMP_OK;
}

enum amp_err amp_epochs_add(struct amp_epochs *epochs, uint32_t id, const struct amp_key256 *dek)
{
    pthread_mutex_lock(&epochs->lock);
    enum amp_err err = add(epochs, id, dek);
    pthread_mutex_unlock(&epochs->lock);
    return err;
}

bool amp_epochs_wants_next(struct amp_epochs *epochs)
{
    struct amp_epoch *epoch = atomic_load_explicit(&epochs->current, memory_order_acquire);
    if (atomic_load_explicit(&epochs->next, memory_order_relaxed) != NULL)
        return false;
    if (epoch == NULL || !hold(epoch))
        return true;
    bool wanted = wanes(epochs, epoch);
    amp_epoch_let_go(epoch);
    return wanted;
}

/* What is gone has still its hold, so the place cannot change hands while it is looked for. */
void amp_epochs_release(struct amp_epochs *epochs, uint32_t id)
{
    for (uint32_t i = 0; i < AMP_EPOCHS_MAX; i++) {
        struct amp_epoch *epoch = &epochs->places[(id + i) % AMP_EPOCHS_MAX];
        if (amp_epoch_id(epoch) == id && atomic_load_explicit(&epoch->holds, memory_order_relaxed) != 0) {
            amp_epoch_let_go(epoch);
            return;
        }
    }
    amp_fatal("an epoch was released more often than it sealed");
}

void amp_epochs_sweep(struct amp_epochs *epochs)
{
    struct amp_epoch *epoch = atomic_load_explicit(&epochs->current, memory_order_acquire);
    if (epoch == NULL || !hold(epoch))
        return;
    if (over_age(epochs, epoch))
        retire(epochs, epoch);
    amp_epoch_let_go(epoch);
}

size_t amp_epochs_count(struct amp_epochs *epochs)
{
    return atomic_load_explicit(&epochs->alive, memory_order_relaxed);
}

enum amp_err amp_epochs_new(struct amp_epochs **out, const struct amp_epochs_config *config)
{
    *out = NULL;
    struct amp_epochs *epochs = calloc(1, sizeof *epochs);
    struct amp_epoch *places = aligned_alloc(_Alignof(struct amp_epoch), AMP_EPOCHS_MAX * sizeof *places);
    if (epochs == NULL || places == NULL) {
        free(epochs);
        free(places);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    memset(places, 0, AMP_EPOCHS_MAX * sizeof *places);
    epochs->config = *config;
    epochs->places = places;
    pthread_mutex_init(&epochs->lock, NULL);
    *out = epochs;
    return AMP_OK;
}

void amp_epochs_free(struct amp_epochs *epochs)
{
    if (epochs == NULL)
        return;
    for (size_t i = 0; i < AMP_EPOCHS_MAX; i++)
        amp_secret_free(epochs->places[i].keys);
    pthread_mutex_destroy(&epochs->lock);
    free(epochs->places);
    free(epochs);
}
