/*
 * The vault: index (keyed hash of a token) -> sealed content, single use, with an expiry. Pure data over the
 * injected clock; it never sees a token, a key or plaintext. Striped by index, safe for any thread; no lock
 * is held while anything is sealed or opened. A stolen image of it opens nothing without the tokens (spec
 * section 3).
 */
#ifndef AMP_STORE_VAULT_H
#define AMP_STORE_VAULT_H

#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "base/slice.h"
#include "secret/secret.h"

#define AMP_VAULT_INDEX_LEN  16
#define AMP_VAULT_CLAIM_LEN  32 /* the token's index, then 16 random bytes */
#define AMP_VAULT_QUEUE_MAX  80
#define AMP_PRINCIPAL_ID_LEN 20 /* "AMPK" and 16 characters */

enum amp_gone_reason { AMP_GONE_USED, AMP_GONE_EXPIRED, AMP_GONE_REVOKED, AMP_GONE_COUNT_ };
/* "used", "expired", "revoked". */
const char *amp_gone_reason_name(enum amp_gone_reason reason);

struct amp_vault_config {
    struct amp_clock clock;
    struct amp_budget *budget; /* every byte the vault allocates counts here; borrowed */
    size_t max_tombstones;     /* shared out evenly to the stripes; the oldest gives way where more are wanted */
    int64_t tombstone_ms;      /* how long a gone token answers token_gone: 600000 */
    /*
     * Told, under no lock, each time a sealed record is wiped (by amp_vault_free too); `epoch` as given to
     * put. May be NULL.
     */
    void (*dropped)(void *ctx, uint32_t epoch);
    void *dropped_ctx;
};

struct amp_vault;
/* AMP_ERR_VAULT_FULL where the budget has not even room for it empty; AMP_ERR_CRYPTO: no randomness;
 * AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_vault_new(struct amp_vault **out, const struct amp_vault_config *config) AMP_MUST_USE;
/* Wipes all. NULL does nothing. */
void amp_vault_free(struct amp_vault *vault);

struct amp_vault_item {
    uint8_t index[AMP_VAULT_INDEX_LEN];
    struct amp_slice queue;  /* 1 to AMP_VAULT_QUEUE_MAX bytes, copied */
    struct amp_slice sealed; /* copied */
    struct amp_slice holder; /* the principal whose it is, by name; empty: nobody's, bounded by the cap alone */
    uint32_t epoch;          /* names the key that sealed it */
    int64_t ttl_ms;          /* from now, by the monotonic clock */
};
/*
 * AMP_ERR_VAULT_FULL at the cap, once no tombstone is left to give way, and where the holder has more than four times
 * what is left to all: one principal alone fills four fifths, and others still find room. AMP_ERR_OUT_OF_MEMORY;
 * AMP_ERR_INTERNAL where the index is taken (never, with random tokens); AMP_ERR_INVALID where a length or the ttl
 * (1 ms to a year) is not in its range. Nothing is half put.
 */
enum amp_err amp_vault_put(struct amp_vault *vault, const struct amp_vault_item *item) AMP_MUST_USE;
/* Fetches the index's place into the cache: for who has something else to do before the put. */
void amp_vault_expect(struct amp_vault *vault, const uint8_t index[AMP_VAULT_INDEX_LEN]);

/*
 * Asked under the stripe's lock, before anything changes: may the caller act on a token of this queue? NULL:
 * he may.
 */
struct amp_vault_guard {
    bool (*may)(void *ctx, struct amp_slice queue);
    void *ctx;
};

/*
 * A copy of a token's record. `sealed` is the caller's buffer, zero at first, grown as needed and to be freed by him,
 * and filled by inspect and claim alone. Where a record was found, all but `sealed` is filled also
 * when the answer is an error.
 */
struct amp_vault_view {
    struct amp_secret_buf sealed;
    uint8_t queue[AMP_VAULT_QUEUE_MAX];
    size_t queue_len;
    uint32_t epoch;
    int64_t left_ms; /* life left; where claimed, at least the lease's */
    bool claimed;
    int64_t lease_left_ms;     /* where claimed */
    enum amp_gone_reason gone; /* where the answer was AMP_ERR_TOKEN_GONE (or CLAIM_GONE) */
};

/*
 * Looks and changes nothing; where a token is claimed it says so. AMP_ERR_TOKEN_UNKNOWN, TOKEN_GONE
 * (view->gone), NOT_PERMITTED, OUT_OF_MEMORY.
 */
enum amp_err amp_vault_inspect(struct amp_vault *vault, const uint8_t index[AMP_VAULT_INDEX_LEN],
                               const struct amp_vault_guard *guard, struct amp_vault_view *view) AMP_MUST_USE;

/*
 * Takes the exclusive lease: of any number of callers at once exactly one gets AMP_OK, the others
 * AMP_ERR_TOKEN_CLAIMED. `who`: the principal, who alone may commit or abort. Expiry is deferred to the
 * lease's end, never past it. A caller that holds the lease already and brings the same non-zero `retry_mark`
 * (a keyed hash of its request and Idempotency-Key) gets AMP_OK and the same claim again, with the lease
 * unchanged. AMP_VAULT_LEASE_HELD for `lease_ms` asks for that alone and takes no lease: AMP_ERR_CLAIM_GONE
 * where it has ended. AMP_ERR_LEASE_INVALID where lease_ms is not 1 ms to a year, nor that with a retry_mark;
 * AMP_ERR_CRYPTO; other errors as inspect. Never refused at the budget: a full vault must still empty.
 */
#define AMP_VAULT_LEASE_HELD 0
enum amp_err amp_vault_claim(struct amp_vault *vault, const uint8_t index[AMP_VAULT_INDEX_LEN],
                             const struct amp_vault_guard *guard, const uint8_t who[AMP_PRINCIPAL_ID_LEN],
                             uint64_t retry_mark, int64_t lease_ms, uint8_t claim[AMP_VAULT_CLAIM_LEN],
                             struct amp_vault_view *view) AMP_MUST_USE;

/*
 * Does this claim hold at this moment? Changes nothing. Errors as commit, and `view` as there, with what is
 * left of the lease.
 */
enum amp_err amp_vault_holds(struct amp_vault *vault, const uint8_t claim[AMP_VAULT_CLAIM_LEN],
                             const uint8_t who[AMP_PRINCIPAL_ID_LEN], struct amp_vault_view *view) AMP_MUST_USE;
/*
 * Destroys the content; a tombstone ("used") stays. AMP_ERR_CLAIM_UNKNOWN: never was, or another principal's;
 * AMP_ERR_CLAIM_GONE: committed before, expired, or its lease ended or was aborted (view->gone says
 * AMP_GONE_EXPIRED then); AMP_ERR_NOT_PERMITTED. The token's own expiry is no matter while the lease lasts. `view`
 * tells the queue, for the record; may be NULL.
 */
enum amp_err amp_vault_commit(struct amp_vault *vault, const uint8_t claim[AMP_VAULT_CLAIM_LEN],
                              const uint8_t who[AMP_PRINCIPAL_ID_LEN], const struct amp_vault_guard *guard,
                              struct amp_vault_view *view) AMP_MUST_USE;
/* Frees the lease; the token is as before, or expired at once where its time has passed. Errors as commit. */
enum amp_err amp_vault_abort(struct amp_vault *vault, const uint8_t claim[AMP_VAULT_CLAIM_LEN],
                             const uint8_t who[AMP_PRINCIPAL_ID_LEN], const struct amp_vault_guard *guard,
                             struct amp_vault_view *view) AMP_MUST_USE;
/* Destroys a token that is free (AMP_ERR_TOKEN_CLAIMED where it is claimed); tombstone "revoked". Other errors as
 * inspect; `view` may be NULL. */
enum amp_err amp_vault_revoke(struct amp_vault *vault, const uint8_t index[AMP_VAULT_INDEX_LEN],
                              const struct amp_vault_guard *guard, struct amp_vault_view *view) AMP_MUST_USE;

/* How many stripes there are: worker w of n sweeps those with stripe % n == w. */
size_t amp_vault_stripes(const struct amp_vault *vault);
/*
 * Wipes what has expired in one stripe, touching at most `limit` records and as many tombstones. Adds to
 * *expired the records whose time had passed and to *lapsed the leases that ended and freed their token,
 * those counted too that some call met since the last sweep. True where more may be due: come back soon,
 * after serving others. To be called for every stripe several times a second.
 */
bool amp_vault_sweep(struct amp_vault *vault, size_t stripe, size_t limit, uint64_t *expired, uint64_t *lapsed);

struct amp_vault_stats {
    uint64_t live;
    uint64_t claimed;
    uint64_t tombstones;
    size_t bytes; /* all memory, tables included */
};
void amp_vault_get_stats(const struct amp_vault *vault, struct amp_vault_stats *stats);

#endif
