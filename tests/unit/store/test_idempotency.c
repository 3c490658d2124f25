/* Repeated requests: the same answer, or the right refusal. */
#include "store/idempotency.h"
#include "store_support.h"

static struct amp_clock_fake now;
static struct amp_budget budget;
static struct amp_idempotency *table;
static struct amp_secret_buf answer;
static enum amp_idempotency_kind kind;

static int open_table(void **state)
{
    now = (struct amp_clock_fake){.mono_ms = 1000};
    amp_budget_init(&budget, (size_t)1 << 20);
    kind = AMP_IDEMPOTENCY_FILLS;
    return amp_idempotency_new(&table, amp_clock_fake(&now), &budget) == AMP_OK ? 0 : -1;
}

static int close_table(void **state)
{
    amp_idempotency_free(table);
    amp_secret_buf_free(&answer);
    return budget.used_bytes != 0;
}

static enum amp_err begin(uint64_t key_number, uint64_t body_number, enum amp_idempotency_state *got)
{
    uint8_t key[16], body[16];
    id_from(key, key_number);
    id_from(body, body_number);
    return amp_idempotency_begin(table, key, body, kind, got, &answer);
}

static enum amp_err finish(uint64_t key_number, int64_t ttl_ms)
{
    uint8_t key[16];
    id_from(key, key_number);
    return amp_idempotency_finish(table, key, kind, AMP_SLICE_LIT("answer"), ttl_ms);
}

static void cancel(uint64_t key_number)
{
    uint8_t key[16];
    id_from(key, key_number);
    amp_idempotency_cancel(table, key);
}

#define assert_new(key, body)                                                                                          \
    do {                                                                                                               \
        enum amp_idempotency_state got = AMP_IDEMPOTENCY_REPEATED;                                                     \
        assert_int_equal(begin(key, body, &got), AMP_OK);                                                              \
        assert_int_equal(got, AMP_IDEMPOTENCY_NEW);                                                                    \
    } while (0)

#define assert_repeated(key, body)                                                                                     \
    do {                                                                                                               \
        enum amp_idempotency_state got = AMP_IDEMPOTENCY_NEW;                                                          \
        assert_int_equal(begin(key, body, &got), AMP_OK);                                                              \
        assert_int_equal(got, AMP_IDEMPOTENCY_REPEATED);                                                               \
        assert_true(amp_slice_is(amp_slice(answer.ptr, answer.len), "answer"));                                        \
    } while (0)

static enum amp_err refusal(uint64_t key, uint64_t body)
{
    enum amp_idempotency_state got;
    return begin(key, body, &got);
}

static void the_same_request_gets_the_same_answer_while_it_lives(void **state)
{
    assert_new(1, 1);
    assert_int_equal(finish(1, 10000), AMP_OK);
    assert_repeated(1, 1);
    amp_clock_fake_advance(&now, 9999);
    assert_repeated(1, 1);
    amp_clock_fake_advance(&now, 1);
    assert_new(1, 1);
}

static void another_body_is_a_mismatch_finished_or_not(void **state)
{
    assert_new(1, 1);
    assert_int_equal(refusal(1, 2), AMP_ERR_IDEMPOTENCY_MISMATCH);
    assert_int_equal(finish(1, 10000), AMP_OK);
    assert_int_equal(refusal(1, 2), AMP_ERR_IDEMPOTENCY_MISMATCH);
    assert_repeated(1, 1);
}

static void a_request_in_flight_is_told_so(void **state)
{
    assert_new(1, 1);
    assert_int_equal(refusal(1, 1), AMP_ERR_IDEMPOTENCY_IN_FLIGHT);
    cancel(1);
    assert_new(1, 2);
}

static void an_owner_who_is_lost_frees_the_key_after_a_minute(void **state)
{
    assert_new(1, 1);
    amp_clock_fake_advance(&now, 59999);
    assert_int_equal(refusal(1, 1), AMP_ERR_IDEMPOTENCY_IN_FLIGHT);
    amp_clock_fake_advance(&now, 1);
    assert_int_equal(finish(1, 1000), AMP_ERR_INVALID);
    assert_new(1, 2);
}

static void nobody_finishes_or_cancels_what_he_does_not_own(void **state)
{
    assert_int_equal(finish(1, 1000), AMP_ERR_INVALID);
    cancel(1);
    assert_new(1, 1);
    assert_int_equal(finish(1, 1000), AMP_OK);
    assert_int_equal(finish(1, 1000), AMP_ERR_INVALID);
    cancel(1);
    assert_repeated(1, 1);
}

static void a_finish_that_fails_frees_the_key(void **state)
{
    assert_new(1, 1);
    assert_int_equal(finish(1, 0), AMP_ERR_INVALID);
    assert_new(1, 1);
    budget.cap_bytes = budget.used_bytes;
    assert_int_equal(finish(1, 1000), AMP_ERR_VAULT_FULL);
    assert_int_equal(amp_idempotency_count(table), 0);
    assert_int_equal(refusal(1, 2), AMP_OK);
    assert_int_equal(refusal(3, 3), AMP_ERR_VAULT_FULL);
    assert_int_equal(amp_idempotency_count(table), 1);
}

static void the_sweep_wipes_in_turn_and_within_its_limit(void **state)
{
    for (uint64_t i = 0; i < 1000; i++) {
        assert_new(i, i);
        assert_int_equal(finish(i, 5000), AMP_OK);
    }
    assert_int_equal(amp_idempotency_count(table), 1000);
    amp_clock_fake_advance(&now, 5100);
    size_t left = 1000;
    for (bool more = true; more; left = amp_idempotency_count(table)) {
        more = amp_idempotency_sweep(table, 10);
        assert_true(left - amp_idempotency_count(table) <= 10);
    }
    assert_int_equal(left, 0);
    assert_true(budget.used_bytes < 64 * 200);
    assert_false(amp_idempotency_sweep(table, 10));
}

/* A full vault must still empty, whoever repeats; but not for ever. */
static void what_empties_is_refused_at_twice_the_cap(void **state)
{
    uint8_t key[16];
    uint64_t i = 1;
    id_from(key, 1);
    budget.cap_bytes = budget.used_bytes;
    assert_int_equal(refusal(1, 1), AMP_ERR_VAULT_FULL);
    budget.cap_bytes = 1 << 16;
    atomic_store(&budget.used_bytes, budget.cap_bytes);
    assert_int_equal(refusal(1, 1), AMP_ERR_VAULT_FULL);
    kind = AMP_IDEMPOTENCY_EMPTIES;
    assert_new(1, 1);
    assert_int_equal(finish(1, 1000), AMP_OK);
    assert_repeated(1, 1);
    while (refusal(++i, 1) == AMP_OK)
        ;
    assert_int_equal(refusal(i, 1), AMP_ERR_VAULT_FULL);
    assert_in_range(budget.used_bytes, 2 * budget.cap_bytes - 4096, 2 * budget.cap_bytes);
    atomic_fetch_sub(&budget.used_bytes, budget.cap_bytes);
}

static void an_empty_answer_needs_no_memory(void **state)
{
    uint8_t key[16];
    enum amp_idempotency_state known;
    id_from(key, 1);
    assert_new(1, 1);
    size_t before = budget.used_bytes;
    budget.cap_bytes = 0;
    assert_int_equal(amp_idempotency_finish(table, key, kind, amp_slice(NULL, 0), 1000), AMP_OK);
    assert_int_equal(budget.used_bytes, before);
    assert_int_equal(begin(1, 1, &known), AMP_OK);
    assert_int_equal(known, AMP_IDEMPOTENCY_REPEATED);
    assert_int_equal(answer.len, 0);
    amp_clock_fake_advance(&now, 1000);
    assert_int_equal(refusal(1, 2), AMP_ERR_VAULT_FULL); /* its time was set anew: it is gone */
    assert_int_equal(amp_idempotency_count(table), 0);
}

static void freeing_the_table_drops_the_answers(void **state)
{
    assert_new(1, 1);
    assert_int_equal(finish(1, 5000), AMP_OK);
    assert_new(2, 2);
    amp_idempotency_free(table);
    assert_int_equal(budget.used_bytes, 0);
    table = NULL;
    amp_idempotency_free(NULL);
}

#define opened(test) cmocka_unit_test_setup_teardown(test, open_table, close_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        opened(the_same_request_gets_the_same_answer_while_it_lives),
        opened(another_body_is_a_mismatch_finished_or_not),
        opened(a_request_in_flight_is_told_so),
        opened(an_owner_who_is_lost_frees_the_key_after_a_minute),
        opened(nobody_finishes_or_cancels_what_he_does_not_own),
        opened(a_finish_that_fails_frees_the_key),
        opened(the_sweep_wipes_in_turn_and_within_its_limit),
        opened(what_empties_is_refused_at_twice_the_cap),
        opened(an_empty_answer_needs_no_memory),
        opened(freeing_the_table_drops_the_answers),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
