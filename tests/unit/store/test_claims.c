/* Leases: who holds a token, how long, and what becomes of it. */
#include "vault_support.h"

static struct house house;
static uint8_t first[AMP_VAULT_CLAIM_LEN], second[AMP_VAULT_CLAIM_LEN];

static int open_house(void **state)
{
    return house_open(&house, (size_t)1 << 30, 100000) == AMP_OK && put(&house, 1, 10000) == AMP_OK ? 0 : -1;
}

static int close_house(void **state)
{
    house_close(&house);
    return house.budget.used_bytes != 0;
}

#define assert_claim_gone(act, why)                                                                                    \
    do {                                                                                                               \
        house.view.gone = AMP_GONE_COUNT_;                                                                             \
        assert_int_equal(act, AMP_ERR_CLAIM_GONE);                                                                     \
        assert_int_equal(house.view.gone, why);                                                                        \
    } while (0)

static void one_holds_it_and_the_others_are_told(void **state)
{
    assert_int_equal(claim(&house, 1, alice, 30000, first), AMP_OK);
    assert_true(amp_slice_is(amp_slice(house.view.sealed.ptr, house.view.sealed.len), "sealed-content"));
    assert_true(house.view.claimed);
    assert_int_equal(house.view.lease_left_ms, 30000);
    assert_int_equal(house.view.left_ms, 30000);
    assert_int_equal(claim(&house, 1, bob, 30000, second), AMP_ERR_TOKEN_CLAIMED);
    assert_int_equal(claim(&house, 1, alice, 30000, second), AMP_ERR_TOKEN_CLAIMED);
    assert_int_equal(revoke(&house, 1), AMP_ERR_TOKEN_CLAIMED);
    assert_int_equal(inspect(&house, 1), AMP_OK);
    assert_true(house.view.claimed);
    assert_int_equal(stats(&house).claimed, 1);
}

static void a_lease_shorter_than_life_leaves_life_as_it_was(void **state)
{
    assert_int_equal(claim(&house, 1, alice, 1000, first), AMP_OK);
    assert_int_equal(house.view.left_ms, 10000);
    assert_int_equal(house.view.lease_left_ms, 1000);
    pass(&house, 999);
    assert_int_equal(claim(&house, 1, bob, 1000, second), AMP_ERR_TOKEN_CLAIMED);
    pass(&house, 1);
    assert_int_equal(inspect(&house, 1), AMP_OK);
    assert_false(house.view.claimed);
    assert_int_equal(house.view.left_ms, 9000);
    assert_claim_gone(commit(&house, first, alice), AMP_GONE_EXPIRED);
    assert_claim_gone(abort_claim(&house, first, alice), AMP_GONE_EXPIRED);
    assert_int_equal(commit(&house, first, bob), AMP_ERR_CLAIM_UNKNOWN);
    assert_int_equal(claim(&house, 1, bob, 1000, second), AMP_OK);
    assert_claim_gone(commit(&house, first, alice), AMP_GONE_EXPIRED);
    assert_int_equal(commit(&house, second, bob), AMP_OK);
    sweep(&house);
    assert_int_equal(house.lapsed, 1);
    assert_int_equal(house.expired, 0);
}

static void a_lease_defers_expiry_to_its_end_and_never_past_it(void **state)
{
    pass(&house, 9999);
    assert_int_equal(claim(&house, 1, alice, 5000, first), AMP_OK);
    pass(&house, 4999);
    sweep(&house);
    assert_int_equal(inspect(&house, 1), AMP_OK);
    assert_int_equal(house.view.left_ms, 1);
    pass(&house, 1);
    assert_int_equal(inspect(&house, 1), AMP_ERR_TOKEN_GONE);
    assert_int_equal(house.view.gone, AMP_GONE_EXPIRED);
    assert_int_equal(house.dropped, 1);
    assert_claim_gone(commit(&house, first, alice), AMP_GONE_EXPIRED);
    assert_int_equal(stats(&house).claimed, 0);
    sweep(&house);
    assert_int_equal(house.expired, 1);
    assert_int_equal(house.lapsed, 0);
}

static void the_sweep_ends_leases_too(void **state)
{
    assert_int_equal(claim(&house, 1, alice, 1000, first), AMP_OK);
    pass(&house, 1100);
    sweep(&house);
    assert_int_equal(house.lapsed, 1);
    assert_int_equal(house.expired, 0);
    assert_int_equal(stats(&house).claimed, 0);
    assert_int_equal(stats(&house).live, 1);
    pass(&house, 9000);
    sweep(&house);
    assert_int_equal(house.expired, 1);
    assert_int_equal(stats(&house).live, 0);
    assert_claim_gone(commit(&house, first, alice), AMP_GONE_EXPIRED);
}

static void commit_destroys_and_a_second_one_is_told_used(void **state)
{
    assert_int_equal(claim(&house, 1, alice, 1000, first), AMP_OK);
    assert_int_equal(commit(&house, first, bob), AMP_ERR_CLAIM_UNKNOWN);
    assert_int_equal(house.dropped, 0);
    assert_int_equal(commit(&house, first, alice), AMP_OK);
    assert_int_equal(house.view.epoch, 7);
    assert_true(amp_slice_is(amp_slice(house.view.queue, house.view.queue_len), "payments"));
    assert_int_equal(house.dropped, 1);
    assert_int_equal(stats(&house).live, 0);
    assert_int_equal(stats(&house).claimed, 0);
    assert_claim_gone(commit(&house, first, alice), AMP_GONE_USED);
    assert_claim_gone(abort_claim(&house, first, alice), AMP_GONE_USED);
    assert_int_equal(commit(&house, first, bob), AMP_ERR_CLAIM_UNKNOWN);
    assert_int_equal(inspect(&house, 1), AMP_ERR_TOKEN_GONE);
    assert_int_equal(house.view.gone, AMP_GONE_USED);
    pass(&house, 600000);
    assert_int_equal(commit(&house, first, alice), AMP_ERR_CLAIM_UNKNOWN);
}

static void commit_is_good_until_the_lease_ends_whatever_the_ttl(void **state)
{
    pass(&house, 5000);
    assert_int_equal(claim(&house, 1, alice, 30000, first), AMP_OK);
    pass(&house, 29999);
    sweep(&house);
    assert_int_equal(commit(&house, first, alice), AMP_OK);
}

static void abort_frees_it_as_it_was(void **state)
{
    assert_int_equal(claim(&house, 1, alice, 5000, first), AMP_OK);
    pass(&house, 2000);
    assert_int_equal(abort_claim(&house, first, bob), AMP_ERR_CLAIM_UNKNOWN);
    assert_int_equal(abort_claim(&house, first, alice), AMP_OK);
    assert_int_equal(inspect(&house, 1), AMP_OK);
    assert_int_equal(house.view.left_ms, 8000);
    assert_false(house.view.claimed);
    assert_claim_gone(abort_claim(&house, first, alice), AMP_GONE_EXPIRED);
    assert_claim_gone(commit(&house, first, alice), AMP_GONE_EXPIRED);
    assert_int_equal(claim(&house, 1, bob, 5000, second), AMP_OK);
    assert_memory_not_equal(first, second, AMP_VAULT_CLAIM_LEN);
    pass(&house, 20000);
    sweep(&house);
    assert_int_equal(house.lapsed, 0);
    assert_int_equal(house.expired, 1);
}

static void abort_after_its_time_expires_it_at_once(void **state)
{
    assert_int_equal(claim(&house, 1, alice, 30000, first), AMP_OK);
    pass(&house, 10000);
    assert_int_equal(abort_claim(&house, first, alice), AMP_OK);
    assert_int_equal(house.dropped, 1);
    assert_int_equal(inspect(&house, 1), AMP_ERR_TOKEN_GONE);
    assert_int_equal(house.view.gone, AMP_GONE_EXPIRED);
}

static void the_same_retry_gets_the_same_claim(void **state)
{
    assert_int_equal(claim_marked(&house, 1, alice, 42, 5000, first), AMP_OK);
    pass(&house, 1000);
    assert_int_equal(claim_marked(&house, 1, alice, 42, 5000, second), AMP_OK);
    assert_memory_equal(first, second, AMP_VAULT_CLAIM_LEN);
    assert_int_equal(house.view.lease_left_ms, 4000); /* unchanged */
    assert_true(amp_slice_is(amp_slice(house.view.sealed.ptr, house.view.sealed.len), "sealed-content"));
    assert_int_equal(claim_marked(&house, 1, alice, 43, 5000, second), AMP_ERR_TOKEN_CLAIMED);
    assert_int_equal(claim_marked(&house, 1, bob, 42, 5000, second), AMP_ERR_TOKEN_CLAIMED);
    assert_int_equal(commit(&house, first, alice), AMP_OK);
}

static void without_a_mark_nothing_is_a_retry(void **state)
{
    assert_int_equal(claim_marked(&house, 1, alice, 0, 5000, first), AMP_OK);
    assert_int_equal(claim_marked(&house, 1, alice, 0, 5000, second), AMP_ERR_TOKEN_CLAIMED);
}

static void a_claim_with_any_bit_flipped_is_unknown(void **state)
{
    assert_int_equal(claim(&house, 1, alice, 5000, first), AMP_OK);
    for (size_t bit = 0; bit < 8 * AMP_VAULT_CLAIM_LEN; bit++) {
        memcpy(second, first, sizeof second);
        second[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(commit(&house, second, alice), AMP_ERR_CLAIM_UNKNOWN);
        assert_int_equal(abort_claim(&house, second, alice), AMP_ERR_CLAIM_UNKNOWN);
    }
    uint8_t who[AMP_PRINCIPAL_ID_LEN];
    for (size_t bit = 0; bit < 8 * sizeof who; bit++) {
        memcpy(who, alice, sizeof who);
        who[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(commit(&house, first, who), AMP_ERR_CLAIM_UNKNOWN);
    }
    assert_int_equal(commit(&house, first, alice), AMP_OK);
}

static void a_claim_of_an_unknown_token_is_unknown(void **state)
{
    uint8_t index[16];
    memset(first, 0, sizeof first);
    assert_int_equal(commit(&house, first, alice), AMP_ERR_CLAIM_UNKNOWN);
    id_from(index, 1); /* alive, but never claimed */
    memcpy(first, index, sizeof index);
    assert_int_equal(commit(&house, first, alice), AMP_ERR_CLAIM_UNKNOWN);
    assert_int_equal(revoke(&house, 1), AMP_OK); /* gone, but never claimed */
    assert_int_equal(commit(&house, first, alice), AMP_ERR_CLAIM_UNKNOWN);
    assert_int_equal(claim(&house, 99, alice, 1000, first), AMP_ERR_TOKEN_UNKNOWN);
}

static void a_lease_must_have_a_length(void **state)
{
    assert_int_equal(claim(&house, 1, alice, 0, first), AMP_ERR_LEASE_INVALID);
    assert_int_equal(claim_marked(&house, 1, alice, 5, -1, first), AMP_ERR_LEASE_INVALID);
    assert_int_equal(claim(&house, 1, alice, -1, first), AMP_ERR_LEASE_INVALID);
    assert_int_equal(claim(&house, 1, alice, INT64_MAX, first), AMP_ERR_LEASE_INVALID);
    assert_int_equal(claim(&house, 1, alice, 1, first), AMP_OK);
}

static void only_the_lease_that_is_held_is_asked_for(void **state)
{
    assert_int_equal(claim_marked(&house, 1, alice, 5, AMP_VAULT_LEASE_HELD, second), AMP_ERR_CLAIM_GONE);
    assert_int_equal(house.view.gone, AMP_GONE_EXPIRED);
    assert_int_equal(stats(&house).claimed, 0);
    assert_int_equal(claim_marked(&house, 1, alice, 5, 1000, first), AMP_OK);
    assert_int_equal(claim_marked(&house, 1, alice, 5, AMP_VAULT_LEASE_HELD, second), AMP_OK);
    assert_memory_equal(second, first, sizeof first);
    assert_int_equal(claim_marked(&house, 1, alice, 6, AMP_VAULT_LEASE_HELD, second), AMP_ERR_CLAIM_GONE);
    assert_int_equal(claim_marked(&house, 1, bob, 5, AMP_VAULT_LEASE_HELD, second), AMP_ERR_CLAIM_GONE);
    pass(&house, 1000);
    assert_int_equal(claim_marked(&house, 1, alice, 5, AMP_VAULT_LEASE_HELD, second), AMP_ERR_CLAIM_GONE);
    assert_int_equal(stats(&house).claimed, 0);
}

static void a_claim_holds_until_its_lease_ends(void **state)
{
    assert_int_equal(claim(&house, 1, alice, 1000, first), AMP_OK);
    assert_int_equal(amp_vault_holds(house.vault, first, alice, &house.view), AMP_OK);
    assert_int_equal(house.view.lease_left_ms, 1000);
    assert_int_equal(amp_vault_holds(house.vault, first, bob, &house.view), AMP_ERR_CLAIM_UNKNOWN);
    pass(&house, 999);
    assert_int_equal(amp_vault_holds(house.vault, first, alice, &house.view), AMP_OK);
    pass(&house, 1);
    assert_int_equal(amp_vault_holds(house.vault, first, alice, &house.view), AMP_ERR_CLAIM_GONE);
    assert_int_equal(house.view.gone, AMP_GONE_EXPIRED);
    assert_int_equal(claim(&house, 1, alice, 1000, second), AMP_OK);
    assert_int_equal(amp_vault_holds(house.vault, first, alice, &house.view), AMP_ERR_CLAIM_GONE);
    assert_int_equal(commit(&house, second, alice), AMP_OK);
    assert_int_equal(amp_vault_holds(house.vault, second, alice, &house.view), AMP_ERR_CLAIM_GONE);
    assert_int_equal(house.view.gone, AMP_GONE_USED);
}

static void a_lease_costs_memory_only_while_it_lasts(void **state)
{
    size_t before = stats(&house).bytes;
    assert_int_equal(claim(&house, 1, alice, 1000, first), AMP_OK);
    assert_in_range(stats(&house).bytes - before, 40, 96);
    assert_int_equal(abort_claim(&house, first, alice), AMP_OK);
    assert_int_equal(stats(&house).bytes, before);
}

#define housed(test) cmocka_unit_test_setup_teardown(test, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        housed(one_holds_it_and_the_others_are_told),
        housed(a_lease_shorter_than_life_leaves_life_as_it_was),
        housed(a_lease_defers_expiry_to_its_end_and_never_past_it),
        housed(the_sweep_ends_leases_too),
        housed(commit_destroys_and_a_second_one_is_told_used),
        housed(commit_is_good_until_the_lease_ends_whatever_the_ttl),
        housed(abort_frees_it_as_it_was),
        housed(abort_after_its_time_expires_it_at_once),
        housed(the_same_retry_gets_the_same_claim),
        housed(without_a_mark_nothing_is_a_retry),
        housed(a_claim_with_any_bit_flipped_is_unknown),
        housed(a_claim_of_an_unknown_token_is_unknown),
        housed(a_lease_must_have_a_length),
        housed(only_the_lease_that_is_held_is_asked_for),
        housed(a_claim_holds_until_its_lease_ends),
        housed(a_lease_costs_memory_only_while_it_lasts),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
