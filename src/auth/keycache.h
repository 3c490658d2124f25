/*
 * Day keys by scope (key id, date, region, service). Two shelves: what a stranger's words made us ask for
 * lies on a small one until a signature verified under it, so that a flood of invented scopes cannot push out
 * the keys in use.
 */
#ifndef AMP_AUTH_KEYCACHE_H
#define AMP_AUTH_KEYCACHE_H

#include "base/clock.h"
#include "keys/principal.h"
#include "wire/sigv4.h"

#define AMP_SCOPE_TEXT_MAX 96 /* a multiple of 8: it is hashed by words */

/* A scope as one flat text, so that it hashes and compares in one go. */
struct amp_scope {
    uint8_t len;
    uint8_t text[AMP_SCOPE_TEXT_MAX];
};

struct amp_keycache_entry {
    struct amp_keycache_entry *bucket_next;
    struct amp_keycache_entry *newer;
    struct amp_keycache_entry *older;
    uint64_t hash;
    struct amp_scope scope;
    bool proven;            /* a signature verified under it */
    enum amp_err err;       /* AMP_OK, or what the keeper said instead of a key */
    int64_t forget_mono_ms; /* where err is not AMP_OK: when to ask again */
    struct amp_hmac_key key;
    struct amp_principal principal;
};

struct amp_keycache;
enum amp_err amp_keycache_new(struct amp_keycache **out, struct amp_clock clock) AMP_MUST_USE;
void amp_keycache_free(struct amp_keycache *cache);
/* AMP_ERR_INVALID where the parts are longer than any valid scope. */
enum amp_err amp_scope_make(struct amp_scope *out, const struct amp_sigv4 *sig) AMP_MUST_USE;
bool amp_scope_equal(const struct amp_scope *a, const struct amp_scope *b);
/* NULL where unknown. Borrowed until the next call that changes the cache. */
struct amp_keycache_entry *amp_keycache_find(struct amp_keycache *cache, const struct amp_scope *scope);
/* Stores the keeper's answer unproven. AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_keycache_store(struct amp_keycache *cache, const struct amp_scope *scope, enum amp_err err,
                                const struct amp_key256 *key, const struct amp_principal *principal) AMP_MUST_USE;
/* Marks it as in use: proven, and newest. */
void amp_keycache_prove(struct amp_keycache *cache, struct amp_keycache_entry *entry);
void amp_keycache_forget(struct amp_keycache *cache, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN]);
void amp_keycache_forget_all(struct amp_keycache *cache);

#endif
