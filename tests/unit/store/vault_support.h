/* A vault over a clock that stands still, and short words for what is done to it. */
#ifndef AMP_TESTS_VAULT_SUPPORT_H
#define AMP_TESTS_VAULT_SUPPORT_H

#include "store/vault.h"
#include "store_support.h"

static const uint8_t alice[AMP_PRINCIPAL_ID_LEN + 1] = "AMPKAAAAAAAAAAAAAAAA";
static const uint8_t bob[AMP_PRINCIPAL_ID_LEN + 1] = "AMPKBBBBBBBBBBBBBBBB";

struct house {
    struct amp_clock_fake clock;
    struct amp_budget budget;
    struct amp_vault *vault;
    struct amp_vault_view view;
    uint64_t dropped;
    uint32_t last_dropped;
    uint64_t expired;
    uint64_t lapsed;
};

static inline void count_dropped(void *ctx, uint32_t epoch)
{
    struct house *house = ctx;
    house->dropped++;
    house->last_dropped = epoch;
}

static inline enum amp_err house_open(struct house *house, size_t cap_bytes, size_t max_tombstones)
{
    *house = (struct house){.clock = {.unix_ms = 1700000000000, .mono_ms = 5000}};
    amp_budget_init(&house->budget, cap_bytes);
    const struct amp_vault_config config = {
        .clock = amp_clock_fake(&house->clock),
        .budget = &house->budget,
        .max_tombstones = max_tombstones,
        .tombstone_ms = 600000,
        .dropped = count_dropped,
        .dropped_ctx = house,
    };
    return amp_vault_new(&house->vault, &config);
}

static inline void house_close(struct house *house)
{
    amp_secret_buf_free(&house->view.sealed);
    amp_vault_free(house->vault);
    house->vault = NULL;
}

static inline enum amp_err put(struct house *house, uint64_t number, int64_t ttl_ms)
{
    struct amp_vault_item item = {
        .queue = AMP_SLICE_LIT("payments"), .sealed = AMP_SLICE_LIT("sealed-content"), .epoch = 7, .ttl_ms = ttl_ms};
    id_from(item.index, number);
    return amp_vault_put(house->vault, &item);
}

static inline enum amp_err inspect(struct house *house, uint64_t number)
{
    uint8_t index[AMP_VAULT_INDEX_LEN];
    id_from(index, number);
    return amp_vault_inspect(house->vault, index, NULL, &house->view);
}

static inline enum amp_err claim_marked(struct house *house, uint64_t number, const uint8_t *who, uint64_t mark,
                                        int64_t lease_ms, uint8_t claim[AMP_VAULT_CLAIM_LEN])
{
    uint8_t index[AMP_VAULT_INDEX_LEN];
    id_from(index, number);
    return amp_vault_claim(house->vault, index, NULL, who, mark, lease_ms, claim, &house->view);
}

static inline enum amp_err claim(struct house *house, uint64_t number, const uint8_t *who, int64_t lease_ms,
                                 uint8_t out[AMP_VAULT_CLAIM_LEN])
{
    return claim_marked(house, number, who, 0, lease_ms, out);
}

static inline enum amp_err commit(struct house *house, const uint8_t *claim_id, const uint8_t *who)
{
    return amp_vault_commit(house->vault, claim_id, who, NULL, &house->view);
}

static inline enum amp_err abort_claim(struct house *house, const uint8_t *claim_id, const uint8_t *who)
{
    return amp_vault_abort(house->vault, claim_id, who, NULL, &house->view);
}

static inline enum amp_err revoke(struct house *house, uint64_t number)
{
    uint8_t index[AMP_VAULT_INDEX_LEN];
    id_from(index, number);
    return amp_vault_revoke(house->vault, index, NULL, &house->view);
}

static inline void pass(struct house *house, int64_t ms)
{
    amp_clock_fake_advance(&house->clock, ms);
}

/* Sweeps every stripe until nothing more is due. */
static inline void sweep(struct house *house)
{
    for (size_t i = 0; i < amp_vault_stripes(house->vault); i++) {
        while (amp_vault_sweep(house->vault, i, 100, &house->expired, &house->lapsed))
            ;
    }
}

static inline struct amp_vault_stats stats(const struct house *house)
{
    struct amp_vault_stats out;
    amp_vault_get_stats(house->vault, &out);
    return out;
}

#endif
