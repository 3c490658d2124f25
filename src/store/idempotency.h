/*
 * What was answered to an Idempotency-Key: keyed hash of (principal, route, key) -> keyed hash of the body
 * and a small sealed answer. Any thread. Holds no key and no plaintext: the caller hashes and seals.
 */
#ifndef AMP_STORE_IDEMPOTENCY_H
#define AMP_STORE_IDEMPOTENCY_H

#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "secret/secret.h"

#define AMP_IDEMPOTENCY_HASH_LEN 16

struct amp_idempotency;
enum amp_err amp_idempotency_new(struct amp_idempotency **out, struct amp_clock clock,
                                 struct amp_budget *budget) AMP_MUST_USE;
/* Wipes all. NULL does nothing. */
void amp_idempotency_free(struct amp_idempotency *table);

/* What the request does to the vault. */
enum amp_idempotency_kind {
    AMP_IDEMPOTENCY_FILLS,   /* refused at the budget */
    AMP_IDEMPOTENCY_EMPTIES, /* refused at twice the budget's cap: a full vault must still empty */
};

enum amp_idempotency_state {
    AMP_IDEMPOTENCY_NEW,      /* the caller owns the key now: finish or cancel it */
    AMP_IDEMPOTENCY_REPEATED, /* *answer (cleared first) is what was finished before */
};
/*
 * AMP_ERR_IDEMPOTENCY_MISMATCH: same key, other body. AMP_ERR_IDEMPOTENCY_IN_FLIGHT: owned by another request
 * now. AMP_ERR_VAULT_FULL as `kind` says, AMP_ERR_OUT_OF_MEMORY. An owner that neither finishes nor cancels
 * loses the key after 60 s.
 */
enum amp_err amp_idempotency_begin(struct amp_idempotency *table, const uint8_t key[AMP_IDEMPOTENCY_HASH_LEN],
                                   const uint8_t body[AMP_IDEMPOTENCY_HASH_LEN], enum amp_idempotency_kind kind,
                                   enum amp_idempotency_state *state, struct amp_secret_buf *answer) AMP_MUST_USE;
/*
 * Stores the answer (copied) for `ttl_ms`, 1 ms to a year; `kind` as at begin. On any error the key is free
 * again: AMP_ERR_INVALID where the key is not owned (any more) or the ttl is out of range; and, but for an empty
 * answer, which needs no memory, AMP_ERR_VAULT_FULL as `kind` says, AMP_ERR_OUT_OF_MEMORY.
 */
enum amp_err amp_idempotency_finish(struct amp_idempotency *table, const uint8_t key[AMP_IDEMPOTENCY_HASH_LEN],
                                    enum amp_idempotency_kind kind, struct amp_slice answer,
                                    int64_t ttl_ms) AMP_MUST_USE;
/* Gives the key up; nothing happens where it is not owned. */
void amp_idempotency_cancel(struct amp_idempotency *table, const uint8_t key[AMP_IDEMPOTENCY_HASH_LEN]);
/*
 * Wipes entries whose time has come, touching at most `limit`; true where more may be due. Call several times
 * a second.
 */
bool amp_idempotency_sweep(struct amp_idempotency *table, size_t limit);
size_t amp_idempotency_count(const struct amp_idempotency *table);

#endif
