/*
 * What was answered to an Idempotency-Key: keyed hash of (principal, route, key) -> keyed hash of the body and a small
 * sealed answer. Any thread. Holds no key and no plaintext: the caller hashes and seals.
 */
#ifndef AMP_STORE_IDEMPOTENCY_H
#define AMP_STORE_IDEMPOTENCY_H

#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "secret/secret.h"

#define AMP_IDEMPOTENCY_HASH_LEN 16

struct amp_idempotency;
enum amp_err amp_idempotency_new(struct amp_idempotency **out, struct amp_clock clock, struct amp_budget *budget)
    AMP_MUST_USE;
void amp_idempotency_free(struct amp_idempotency *table);

enum amp_idempotency_state {
    AMP_IDEMPOTENCY_NEW,      /* the caller owns the key now: finish or cancel it */
    AMP_IDEMPOTENCY_REPEATED, /* *answer is what was finished before */
};
/*
 * AMP_ERR_IDEMPOTENCY_MISMATCH: same key, other body. AMP_ERR_IDEMPOTENCY_IN_FLIGHT: owned by another request now.
 * AMP_ERR_VAULT_FULL at the budget. An owner that neither finishes nor cancels loses the key after 60 s.
 */
enum amp_err amp_idempotency_begin(struct amp_idempotency *table, const uint8_t key[AMP_IDEMPOTENCY_HASH_LEN],
                                   const uint8_t body[AMP_IDEMPOTENCY_HASH_LEN], enum amp_idempotency_state *state,
                                   struct amp_secret_buf *answer) AMP_MUST_USE;
/* Stores the answer (copied) for `ttl_ms`. AMP_ERR_VAULT_FULL at the budget, and the key is free again. */
enum amp_err amp_idempotency_finish(struct amp_idempotency *table, const uint8_t key[AMP_IDEMPOTENCY_HASH_LEN],
                                    struct amp_slice answer, int64_t ttl_ms) AMP_MUST_USE;
void amp_idempotency_cancel(struct amp_idempotency *table, const uint8_t key[AMP_IDEMPOTENCY_HASH_LEN]);
/* Wipes at most `limit` entries whose time has come; true where more are due. */
bool amp_idempotency_sweep(struct amp_idempotency *table, size_t limit);
size_t amp_idempotency_count(const struct amp_idempotency *table);

#endif
