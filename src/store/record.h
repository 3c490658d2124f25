/*
 * What the vault keeps of one token: one block of header, queue name and sealed bytes, and while it is claimed a lease
 * beside it. Private to the room; no lock of its own.
 */
#ifndef AMP_STORE_RECORD_H
#define AMP_STORE_RECORD_H

#include "store/meter.h"
#include "store/vault.h"
#include "store/wheel.h"

#define AMP_LEASE_NONCE_LEN (AMP_VAULT_CLAIM_LEN - AMP_VAULT_INDEX_LEN)

/* No ttl or lease is longer, so no sum of times overflows. */
#define AMP_RECORD_MAX_SPAN_MS (INT64_C(366) * 86400 * 1000)

struct amp_lease {
    uint8_t who[AMP_PRINCIPAL_ID_LEN];
    uint8_t nonce[AMP_LEASE_NONCE_LEN];
    uint64_t retry_mark;
    int64_t expires_ms; /* the token's own expiry, which waits */
};

struct amp_record {
    uint8_t index[AMP_VAULT_INDEX_LEN]; /* first: slots look here */
    struct amp_wheel_node due;
    struct amp_lease *lease; /* NULL where free */
    uint32_t epoch;
    uint32_t sealed_len;
    uint32_t past_mark; /* of the last claim that ended; 0 for none */
    uint16_t share;     /* of the vault's: whose it is */
    uint8_t queue_len;
    uint8_t bytes[]; /* queue, then sealed */
};

/* A copy of `item`; in no wheel, and not leased. AMP_ERR_INVALID; as amp_meter_alloc. */
enum amp_err amp_record_new(struct amp_record **out, struct amp_meter *meter, const struct amp_vault_item *item,
                            uint16_t share) AMP_MUST_USE;
/* Wipes it, its lease too. Returns the bytes to give back to its meter. */
size_t amp_record_free(struct amp_record *record);
/* It will be freed soon: its cache lines may come in until then. */
void amp_record_expect_wiping(const struct amp_record *record);

struct amp_record *amp_record_of(struct amp_wheel_node *due);
struct amp_slice amp_record_queue(const struct amp_record *record);
struct amp_slice amp_record_sealed(const struct amp_record *record);
/* Tells a past claim from one that never was; never 0. It only chooses between two refusals. */
uint32_t amp_record_mark(const uint8_t nonce[AMP_LEASE_NONCE_LEN], const uint8_t who[AMP_PRINCIPAL_ID_LEN]);

#endif
