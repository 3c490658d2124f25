/* Threads that meet in the store. To be run under ThreadSanitizer too. */
#include <sched.h>

#include "../threads.h"
#include "store/idempotency.h"
#include "store/rate.h"
#include "store/replay.h"
#include "vault_support.h"

#define THREADS 8
#define ROUNDS  (SANITIZED ? 10000 : 100000)

/* A clock that one thread may move while others read it. */
static _Atomic int64_t hand_ms;

static int64_t hand(void *ctx)
{
    return atomic_load_explicit(&hand_ms, memory_order_relaxed);
}

static struct amp_clock moving_clock(void)
{
    static const struct amp_clock_ops ops = {.unix_ms = hand, .mono_ms = hand};
    atomic_store(&hand_ms, 1000);
    return (struct amp_clock){&ops, NULL};
}

struct arena {
    struct amp_budget budget;
    struct amp_vault *vault;
    _Atomic uint64_t dropped;
};

static void count_dropped_too(void *ctx, uint32_t epoch)
{
    atomic_fetch_add(&((struct arena *)ctx)->dropped, 1);
}

static void arena_open(struct arena *arena)
{
    amp_budget_init(&arena->budget, (size_t)1 << 30);
    atomic_init(&arena->dropped, 0);
    const struct amp_vault_config config = {.clock = moving_clock(),
                                            .budget = &arena->budget,
                                            .max_tombstones = 1000000,
                                            .tombstone_ms = 1000,
                                            .dropped = count_dropped_too,
                                            .dropped_ctx = arena};
    assert_int_equal(amp_vault_new(&arena->vault, &config), AMP_OK);
}

/* Two threads wait for each other before every round. */
struct pair {
    _Atomic unsigned arrived;
    unsigned wins[2];
    unsigned losses[2];
};

struct duel {
    struct arena arena;
    struct pair pairs[THREADS / 2];
};

static void meet(struct pair *pair, unsigned round)
{
    atomic_fetch_add(&pair->arrived, 1);
    while (atomic_load(&pair->arrived) < 2 * (round + 1))
        sched_yield();
}

static void fight(void *ctx, unsigned number)
{
    struct duel *duel = ctx;
    struct pair *pair = &duel->pairs[number / 2];
    struct amp_vault_view view = {0};
    uint8_t index[16], held[AMP_VAULT_CLAIM_LEN];
    for (unsigned round = 0; round < ROUNDS / (THREADS / 2); round++) {
        id_from(index, (uint64_t)(number / 2) << 32 | round);
        meet(pair, round);
        enum amp_err err = amp_vault_claim(duel->arena.vault, index, NULL, alice, 0, 1000, held, &view);
        pair->wins[number % 2] +=
            err == AMP_OK && amp_vault_commit(duel->arena.vault, held, alice, NULL, NULL) == AMP_OK;
        pair->losses[number % 2] += err == AMP_ERR_TOKEN_CLAIMED || err == AMP_ERR_TOKEN_GONE;
    }
    amp_secret_buf_free(&view.sealed);
}

static void of_two_claims_at_once_exactly_one_wins(void **state)
{
    static struct duel duel;
    arena_open(&duel.arena);
    for (uint64_t p = 0; p < THREADS / 2; p++) {
        for (uint64_t round = 0; round < ROUNDS / (THREADS / 2); round++) {
            struct amp_vault_item item = {.queue = AMP_SLICE_LIT("q"), .sealed = AMP_SLICE_LIT("s"), .ttl_ms = 10000};
            id_from(item.index, p << 32 | round);
            assert_int_equal(amp_vault_put(duel.arena.vault, &item), AMP_OK);
        }
    }
    run_threads(THREADS, fight, &duel);
    for (size_t p = 0; p < THREADS / 2; p++) {
        assert_int_equal(duel.pairs[p].wins[0] + duel.pairs[p].wins[1], ROUNDS / (THREADS / 2));
        assert_int_equal(duel.pairs[p].losses[0] + duel.pairs[p].losses[1], ROUNDS / (THREADS / 2));
    }
    assert_int_equal(duel.arena.dropped, ROUNDS);
    amp_vault_free(duel.arena.vault);
    assert_int_equal(duel.arena.budget.used_bytes, 0);
}

struct crowd {
    struct arena arena;
    _Atomic uint64_t put, committed, revoked, expired;
};

static void mill_about(void *ctx, unsigned number)
{
    struct crowd *crowd = ctx;
    struct amp_vault *vault = crowd->arena.vault;
    struct amp_vault_view view = {0};
    uint64_t seed = number, expired = 0, lapsed = 0;
    uint8_t held[AMP_VAULT_CLAIM_LEN];
    for (int i = 0; i < ROUNDS / 2; i++) {
        uint64_t dice = next_random(&seed);
        struct amp_vault_item item = {
            .queue = AMP_SLICE_LIT("q"), .sealed = AMP_SLICE_LIT("s"), .ttl_ms = 1 + (int64_t)(dice >> 20 & 127)};
        id_from(item.index, dice >> 32 & 63);
        switch (dice % 6) {
        case 0:
        case 1:
            crowd->put += amp_vault_put(vault, &item) == AMP_OK;
            break;
        case 2:
            if (amp_vault_claim(vault, item.index, NULL, alice, dice >> 40 & 1, 1 + (int64_t)(dice >> 8 & 63), held,
                                &view) != AMP_OK)
                break;
            if (dice >> 41 & 1)
                crowd->committed += amp_vault_commit(vault, held, alice, NULL, NULL) == AMP_OK;
            else if (dice >> 42 & 1)
                (void)(amp_vault_abort(vault, held, alice, NULL, &view) == AMP_OK);
            break;
        case 3:
            (void)(amp_vault_inspect(vault, item.index, NULL, &view) == AMP_OK);
            break;
        case 4:
            crowd->revoked += amp_vault_revoke(vault, item.index, NULL, NULL) == AMP_OK;
            break;
        case 5:
            atomic_fetch_add(&hand_ms, dice >> 50 & 1);
            (void)amp_vault_sweep(vault, dice >> 24, 16, &expired, &lapsed);
            break;
        }
    }
    crowd->expired += expired;
    amp_secret_buf_free(&view.sealed);
}

static void whatever_was_put_ends_exactly_once(void **state)
{
    static struct crowd crowd;
    arena_open(&crowd.arena);
    run_threads(THREADS, mill_about, &crowd);
    atomic_fetch_add(&hand_ms, 100000);
    uint64_t expired = 0, lapsed = 0;
    for (size_t i = 0; i < amp_vault_stripes(crowd.arena.vault); i++) {
        while (amp_vault_sweep(crowd.arena.vault, i, 100, &expired, &lapsed))
            ;
    }
    struct amp_vault_stats left;
    amp_vault_get_stats(crowd.arena.vault, &left);
    assert_int_equal(left.live, 0);
    assert_int_equal(left.claimed, 0);
    assert_true(crowd.put > 1000);
    assert_int_equal(crowd.put, crowd.arena.dropped);
    assert_int_equal(crowd.put, crowd.committed + crowd.revoked + crowd.expired + expired);
    amp_vault_free(crowd.arena.vault);
    assert_int_equal(crowd.arena.budget.used_bytes, 0);
}

struct chorus {
    struct amp_replay *replay;
    struct amp_idempotency *table;
    struct amp_rate *rate;
    _Atomic uint32_t firsts;
    _Atomic uint32_t owners;
    _Atomic uint32_t served;
};

static void sing_alike(void *ctx, unsigned number)
{
    struct chorus *chorus = ctx;
    for (uint64_t i = 0; i < ROUNDS / 10; i++) {
        uint8_t signature[32] = {0};
        uint64_t tag;
        uint32_t retry_s;
        enum amp_idempotency_state got;
        struct amp_secret_buf answer = {0};
        id_from(signature, i);
        chorus->firsts += amp_replay_remember(chorus->replay, signature, 1000, 1000, number, &tag) == AMP_OK;
        chorus->owners +=
            amp_idempotency_begin(chorus->table, signature, signature, AMP_IDEMPOTENCY_FILLS, &got, &answer) == AMP_OK;
        chorus->served += amp_rate_take(chorus->rate, AMP_SLICE_LIT("shop"), 1, ROUNDS / 10, 1, &retry_s) == AMP_OK;
    }
}

static void of_the_same_thing_from_all_threads_one_is_first(void **state)
{
    static struct chorus chorus;
    struct amp_budget budget;
    amp_budget_init(&budget, (size_t)1 << 30);
    assert_int_equal(amp_replay_new(&chorus.replay, 10, 1000000), AMP_OK);
    assert_int_equal(amp_idempotency_new(&chorus.table, moving_clock(), &budget), AMP_OK);
    assert_int_equal(amp_rate_new(&chorus.rate, moving_clock(), 10), AMP_OK);
    run_threads(THREADS, sing_alike, &chorus);
    assert_int_equal(chorus.firsts, ROUNDS / 10);
    assert_int_equal(chorus.owners, ROUNDS / 10);
    assert_int_equal(chorus.served, ROUNDS / 10);
    amp_replay_free(chorus.replay);
    amp_idempotency_free(chorus.table);
    amp_rate_free(chorus.rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_two_claims_at_once_exactly_one_wins),
        cmocka_unit_test(whatever_was_put_ends_exactly_once),
        cmocka_unit_test(of_the_same_thing_from_all_threads_one_is_first),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
