#include "auth/keycache.h"

#include <stdlib.h>

#define BUCKETS      1024u
#define PROVEN_MAX   1024u
#define UNPROVEN_MAX 128u
/* How long "no such key" is believed: short, since a key may be created at any moment. */
#define REFUSAL_MS 2000

struct shelf {
    struct amp_keycache_entry *newest;
    struct amp_keycache_entry *oldest;
    size_t count;
    size_t max;
};

struct amp_keycache {
    struct amp_clock clock;
    uint64_t seed;
    struct shelf shelves[2]; /* [proven] */
    struct amp_keycache_entry *buckets[BUCKETS];
};

enum amp_err amp_keycache_new(struct amp_keycache **out, struct amp_clock clock)
{
    enum amp_err err;
    struct amp_keycache *cache = calloc(1, sizeof *cache);

    *out = NULL;
    if (cache == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    err = amp_random(&cache->seed, sizeof cache->seed);
    if (err != AMP_OK) {
        free(cache);
        return err;
    }
    cache->clock = clock;
    cache->shelves[false].max = UNPROVEN_MAX;
    cache->shelves[true].max = PROVEN_MAX;
    *out = cache;
    return AMP_OK;
}

void amp_keycache_free(struct amp_keycache *cache)
{
    if (cache == NULL)
        return;
    amp_keycache_forget_all(cache);
    free(cache);
}

enum amp_err amp_scope_make(struct amp_scope *out, const struct amp_sigv4 *sig)
{
    struct amp_out text = amp_out(out->text, sizeof out->text);

    memset(out, 0, sizeof *out);
    amp_out_slice(&text, sig->key_id);
    amp_out_byte(&text, '/');
    amp_out_slice(&text, sig->date);
    amp_out_byte(&text, '/');
    amp_out_slice(&text, sig->region);
    amp_out_byte(&text, '/');
    amp_out_slice(&text, sig->service);
    out->len = (uint8_t)text.len;
    return text.overflow ? AMP_ERR_INVALID : AMP_OK;
}

bool amp_scope_equal(const struct amp_scope *a, const struct amp_scope *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/*
 * FNV-1a by words over a secret seed; behind its text a scope is zero. Chains are bounded by the shelves' sizes
 * whatever a stranger sends.
 */
static uint64_t hash_scope(const struct amp_keycache *cache, const struct amp_scope *scope)
{
    uint64_t hash = cache->seed ^ 0xcbf29ce484222325u, word;
    size_t at;

    for (at = 0; at < scope->len; at += sizeof word) {
        memcpy(&word, scope->text + at, sizeof word);
        hash = (hash ^ word) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return hash;
}

static void shelf_push(struct shelf *shelf, struct amp_keycache_entry *entry)
{
    entry->newer = NULL;
    entry->older = shelf->newest;
    if (shelf->newest != NULL)
        shelf->newest->newer = entry;
    else
        shelf->oldest = entry;
    shelf->newest = entry;
    shelf->count++;
}

static void shelf_remove(struct shelf *shelf, struct amp_keycache_entry *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        shelf->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        shelf->oldest = entry->newer;
    shelf->count--;
}

static void drop(struct amp_keycache *cache, struct amp_keycache_entry *entry)
{
    struct amp_keycache_entry **at = &cache->buckets[entry->hash % BUCKETS];

    while (*at != entry)
        at = &(*at)->bucket_next;
    *at = entry->bucket_next;
    shelf_remove(&cache->shelves[entry->proven], entry);
    amp_secret_free(entry);
}

struct amp_keycache_entry *amp_keycache_find(struct amp_keycache *cache, const struct amp_scope *scope)
{
    uint64_t hash = hash_scope(cache, scope);
    struct amp_keycache_entry *entry = cache->buckets[hash % BUCKETS];

    while (entry != NULL && (entry->hash != hash || !amp_scope_equal(&entry->scope, scope)))
        entry = entry->bucket_next;
    if (entry != NULL && entry->err != AMP_OK && amp_clock_mono_ms(&cache->clock) >= entry->forget_mono_ms) {
        drop(cache, entry);
        return NULL;
    }
    return entry;
}

enum amp_err amp_keycache_store(struct amp_keycache *cache, const struct amp_scope *scope, enum amp_err err,
                                const struct amp_key256 *key, const struct amp_principal *principal)
{
    struct amp_keycache_entry *entry = amp_keycache_find(cache, scope);
    struct shelf *shelf = &cache->shelves[false];

    if (entry != NULL)
        drop(cache, entry);
    if (shelf->count == shelf->max)
        drop(cache, shelf->oldest);
    entry = amp_secret_alloc(sizeof *entry);
    if (entry == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    entry->hash = hash_scope(cache, scope);
    entry->scope = *scope;
    entry->err = err;
    if (err == AMP_OK) {
        amp_hmac_key_make(&entry->key, key);
        entry->principal = *principal;
    } else {
        entry->forget_mono_ms = amp_clock_mono_ms(&cache->clock) + REFUSAL_MS;
    }
    entry->bucket_next = cache->buckets[entry->hash % BUCKETS];
    cache->buckets[entry->hash % BUCKETS] = entry;
    shelf_push(shelf, entry);
    return AMP_OK;
}

void amp_keycache_prove(struct amp_keycache *cache, struct amp_keycache_entry *entry)
{
    struct shelf *proven = &cache->shelves[true];

    if (proven->newest == entry)
        return;
    shelf_remove(&cache->shelves[entry->proven], entry);
    entry->proven = true;
    if (proven->count == proven->max)
        drop(cache, proven->oldest);
    shelf_push(proven, entry);
}

void amp_keycache_forget(struct amp_keycache *cache, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
    struct amp_keycache_entry *entry, *older;
    int proven;

    for (proven = 0; proven < 2; proven++) {
        for (entry = cache->shelves[proven].newest; entry != NULL; entry = older) {
            older = entry->older;
            if (memcmp(entry->scope.text, key_id, AMP_PRINCIPAL_KEY_ID_LEN) == 0)
                drop(cache, entry);
        }
    }
}

void amp_keycache_forget_all(struct amp_keycache *cache)
{
    int proven;

    for (proven = 0; proven < 2; proven++) {
        while (cache->shelves[proven].oldest != NULL)
            drop(cache, cache->shelves[proven].oldest);
    }
}
