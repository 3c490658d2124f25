/*
 * Every allocation of the store fails once, and every block it frees is searched for what should have been wiped. The
 * linker puts the functions below in place of the allocator's (--wrap).
 */
#include <malloc.h>

#include "store/idempotency.h"
#include "store/rate.h"
#include "store/replay.h"
#include "vault_support.h"

#define MARK   "sealed-content"
#define ANSWER "sealed-answer!"

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void __real_free(void *ptr);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void __wrap_free(void *ptr);

static long fail_at; /* the allocation that fails, counted from 1; 0 for none */
static long allocations;
static long living;
static unsigned unwiped;
static unsigned searched;

static bool fails(void)
{
    if (++allocations == fail_at)
        return true;
    living++;
    return false;
}

void *__wrap_malloc(size_t len)
{
    return fails() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t len)
{
    return fails() ? NULL : __real_calloc(count, len);
}

void __wrap_free(void *ptr)
{
    if (ptr != NULL) {
        size_t len = malloc_usable_size(ptr);
        unwiped += memmem(ptr, len, MARK, strlen(MARK)) != NULL;
        unwiped += memmem(ptr, len, ANSWER, strlen(ANSWER)) != NULL;
        unwiped += memmem(ptr, len, "AMPKAAAA", 8) != NULL; /* the holder in a lease */
        searched++;
        living--;
    }
    __real_free(ptr);
}

/* Plays the scene once without failure, and then with each of its allocations failing in turn. */
static void fail_each(void (*scene)(bool whole))
{
    long count_of_whole = 0;
    for (fail_at = 0; fail_at <= count_of_whole; fail_at++) {
        allocations = 0;
        living = 0;
        unwiped = 0;
        searched = 0;
        scene(fail_at == 0);
        assert_int_equal(living, 0);
        assert_int_equal(unwiped, 0);
        if (fail_at == 0)
            count_of_whole = allocations;
        if (fail_at == 0)
            assert_true(searched > 0);
    }
    fail_at = 0;
    assert_true(count_of_whole > 3);
}

static bool spared(enum amp_err err, bool whole)
{
    if (err == AMP_OK)
        return true;
    assert_false(whole);
    assert_int_equal(err, AMP_ERR_OUT_OF_MEMORY);
    return false;
}

enum { TOKENS = 24 };

static struct house house;

/* All tokens in one stripe, so that its table grows. */
static void neighbours(uint8_t index[16], uint64_t number)
{
    id_from(index, number);
    index[0] = 9;
}

static bool put_neighbour(uint64_t number, bool whole)
{
    struct amp_vault_item item = {
        .queue = AMP_SLICE_LIT("q"), .sealed = AMP_SLICE_LIT(MARK), .epoch = 1, .ttl_ms = 1000 + (int64_t)number};
    neighbours(item.index, number);
    uint64_t before = stats(&house).live;
    bool there = spared(amp_vault_put(house.vault, &item), whole);
    assert_int_equal(amp_vault_inspect(house.vault, item.index, NULL, &house.view),
                     there ? (int)AMP_OK : (int)AMP_ERR_TOKEN_UNKNOWN);
    assert_int_equal(stats(&house).live, before + there);
    return there;
}

/* A third is committed, a third aborted, a third lapses; the first claim that fails for memory leaves a free token. */
static void claim_neighbour(uint64_t number, bool whole)
{
    uint8_t index[16], held[AMP_VAULT_CLAIM_LEN];
    neighbours(index, number);
    enum amp_err err = amp_vault_claim(house.vault, index, NULL, alice, 0, 100, held, &house.view);
    if (!spared(err, whole)) {
        assert_int_equal(stats(&house).claimed, 0);
        assert_int_equal(amp_vault_claim(house.vault, index, NULL, alice, 0, 100, held, &house.view), AMP_OK);
    }
    if (number % 3 == 0)
        assert_int_equal(amp_vault_commit(house.vault, held, alice, NULL, NULL), AMP_OK);
    else if (number % 3 == 1)
        assert_int_equal(amp_vault_abort(house.vault, held, alice, NULL, NULL), AMP_OK);
    else
        pass(&house, 200);
    sweep(&house);
}

static void vault_scene(bool whole)
{
    if (spared(house_open(&house, (size_t)1 << 30, 100000), whole)) {
        bool there[TOKENS];
        uint64_t held = 0;
        for (uint64_t i = 0; i < TOKENS; i++)
            held += there[i] = put_neighbour(i, whole);
        for (uint64_t i = 0; i < 6; i++) {
            if (there[i])
                claim_neighbour(i, whole);
        }
        for (uint64_t i = 6; i < 9; i++) {
            uint8_t index[16];
            neighbours(index, i);
            if (there[i])
                (void)(amp_vault_revoke(house.vault, index, NULL, NULL) == AMP_OK);
        }
        uint64_t left = stats(&house).live;
        assert_true(left > 0);
        house_close(&house);
        assert_int_equal(house.dropped, held);
    }
    assert_null(house.vault);
    assert_int_equal(house.budget.used_bytes, 0);
}

static void idempotency_scene(bool whole)
{
    struct amp_clock_fake now = {.mono_ms = 1};
    struct amp_budget budget;
    struct amp_idempotency *table;
    struct amp_secret_buf answer = {0};
    amp_budget_init(&budget, (size_t)1 << 30);
    if (spared(amp_idempotency_new(&table, amp_clock_fake(&now), &budget), whole)) {
        for (uint64_t i = 0; i < 20; i++) {
            uint8_t key[16];
            enum amp_idempotency_state got;
            neighbours(key, i);
            if (!spared(amp_idempotency_begin(table, key, key, AMP_IDEMPOTENCY_FILLS, &got, &answer), whole))
                continue;
            assert_int_equal(got, AMP_IDEMPOTENCY_NEW);
            if (!spared(amp_idempotency_finish(table, key, AMP_IDEMPOTENCY_FILLS, AMP_SLICE_LIT(ANSWER), 1000),
                        whole)) {
                assert_int_equal(amp_idempotency_begin(table, key, key, AMP_IDEMPOTENCY_FILLS, &got, &answer), AMP_OK);
                assert_int_equal(got, AMP_IDEMPOTENCY_NEW);
            }
        }
        amp_clock_fake_advance(&now, 1100);
        while (amp_idempotency_sweep(table, 100))
            ;
    }
    amp_idempotency_free(table);
    amp_secret_buf_free(&answer);
    assert_int_equal(budget.used_bytes, 0);
}

static void replay_scene(bool whole)
{
    struct amp_replay *replay;
    if (spared(amp_replay_new(&replay, 10, 1000), whole)) {
        for (uint64_t i = 0; i < 300; i++) {
            uint8_t signature[32] = {0};
            uint64_t tag;
            id_from(signature, i);
            if (!spared(amp_replay_remember(replay, signature, 1000, 1000, 0, &tag), whole))
                assert_int_equal(amp_replay_remember(replay, signature, 1000, 1000, 0, &tag), AMP_OK);
            assert_int_equal(amp_replay_remember(replay, signature, 1000, 1000, 0, &tag), AMP_ERR_REQUEST_REPLAYED);
        }
        assert_int_equal(amp_replay_count(replay), 300);
    }
    amp_replay_free(replay);
}

static void rate_scene(bool whole)
{
    struct amp_clock_fake now = {.mono_ms = 1};
    struct amp_rate *rate;
    uint32_t retry_s;
    if (spared(amp_rate_new(&rate, amp_clock_fake(&now), 4), whole)) {
        static const char *const names[] = {"a", "b", "c", "d"};
        for (size_t i = 0; i < 4; i++) {
            if (!spared(amp_rate_take(rate, amp_slice_str(names[i]), 1, 1, 1, &retry_s), whole))
                assert_int_equal(amp_rate_take(rate, amp_slice_str(names[i]), 1, 1, 1, &retry_s), AMP_OK);
        }
    }
    amp_rate_free(rate);
}

static void a_vault_without_memory_leaks_and_halves_nothing(void **state)
{
    fail_each(vault_scene);
}

static void idempotency_without_memory_leaks_and_halves_nothing(void **state)
{
    fail_each(idempotency_scene);
}

static void a_replay_memory_without_memory_still_tells(void **state)
{
    fail_each(replay_scene);
}

static void rate_buckets_without_memory_leak_nothing(void **state)
{
    fail_each(rate_scene);
}

static void the_search_finds_what_was_not_wiped(void **state)
{
    unwiped = 0;
    char *block = __wrap_malloc(64);
    assert_non_null(block);
    memcpy(block + 20, MARK, strlen(MARK));
    __wrap_free(block);
    assert_int_equal(unwiped, 1);
}

/* Below the store: these take what they need of the allocator now, and keep it. */
static struct amp_secret_buf warm;

static int start_warm(void **state)
{
    uint8_t byte;
    return start_rooms(state) == 0 && amp_secret_buf_reserve(&warm, 1) == AMP_OK && amp_random(&byte, 1) == AMP_OK ? 0
                                                                                                                   : -1;
}

static int end_warm(void **state)
{
    amp_secret_buf_free(&warm);
    return end_rooms(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vault_without_memory_leaks_and_halves_nothing),
        cmocka_unit_test(idempotency_without_memory_leaks_and_halves_nothing),
        cmocka_unit_test(a_replay_memory_without_memory_still_tells),
        cmocka_unit_test(rate_buckets_without_memory_leak_nothing),
        cmocka_unit_test(the_search_finds_what_was_not_wiped),
    };
    return cmocka_run_group_tests(tests, start_warm, end_warm);
}
