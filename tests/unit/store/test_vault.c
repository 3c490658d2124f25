/* Tokens in the vault: life, expiry, tombstones, the budget. Claims have a file of their own. */
#include "vault_support.h"

#define ROOMY ((size_t)1 << 30)

static struct house house;

static int open_house(void **state)
{
    return house_open(&house, ROOMY, 100000) == AMP_OK ? 0 : -1;
}

static int close_house(void **state)
{
    house_close(&house);
    return house.budget.used_bytes != 0;
}

#define assert_gone(act, why)                                                                                          \
    do {                                                                                                               \
        house.view.gone = AMP_GONE_COUNT_;                                                                             \
        assert_int_equal(act, AMP_ERR_TOKEN_GONE);                                                                     \
        assert_int_equal(house.view.gone, why);                                                                        \
    } while (0)

static void a_token_is_seen_as_it_was_put(void **state)
{
    assert_int_equal(put(&house, 1, 10000), AMP_OK);
    pass(&house, 400);
    assert_int_equal(inspect(&house, 1), AMP_OK);
    assert_true(amp_slice_is(amp_slice(house.view.sealed.ptr, house.view.sealed.len), "sealed-content"));
    assert_true(amp_slice_is(amp_slice(house.view.queue, house.view.queue_len), "payments"));
    assert_int_equal(house.view.epoch, 7);
    assert_int_equal(house.view.left_ms, 9600);
    assert_false(house.view.claimed);
    assert_int_equal(inspect(&house, 1), AMP_OK); /* it consumed nothing */
    assert_int_equal(house.view.sealed.len, strlen("sealed-content"));
    assert_int_equal(inspect(&house, 2), AMP_ERR_TOKEN_UNKNOWN);
}

static void put_refuses_what_is_out_of_range(void **state)
{
    struct amp_vault_item item = {.queue = AMP_SLICE_LIT("q"), .ttl_ms = 1000};
    char long_queue[AMP_VAULT_QUEUE_MAX + 1];
    memset(long_queue, 'q', sizeof long_queue);
    item.queue = amp_slice(long_queue, sizeof long_queue);
    assert_int_equal(amp_vault_put(house.vault, &item), AMP_ERR_INVALID);
    item.queue.len = 0;
    assert_int_equal(amp_vault_put(house.vault, &item), AMP_ERR_INVALID);
    item.queue.len = AMP_VAULT_QUEUE_MAX;
    item.ttl_ms = 0;
    assert_int_equal(amp_vault_put(house.vault, &item), AMP_ERR_INVALID);
    item.ttl_ms = INT64_MAX;
    assert_int_equal(amp_vault_put(house.vault, &item), AMP_ERR_INVALID);
    item.ttl_ms = 1;
    assert_int_equal(amp_vault_put(house.vault, &item), AMP_OK);
    assert_int_equal(amp_vault_inspect(house.vault, item.index, NULL, &house.view), AMP_OK);
    assert_memory_equal(house.view.queue, long_queue, AMP_VAULT_QUEUE_MAX);
    assert_int_equal(house.view.sealed.len, 0);
}

static void a_taken_index_is_refused_and_the_first_stays(void **state)
{
    assert_int_equal(put(&house, 1, 10000), AMP_OK);
    size_t bytes = stats(&house).bytes;
    assert_int_equal(put(&house, 1, 99), AMP_ERR_INTERNAL);
    assert_int_equal(stats(&house).bytes, bytes);
    assert_int_equal(inspect(&house, 1), AMP_OK);
    assert_int_equal(house.view.left_ms, 10000);
    assert_int_equal(house.dropped, 0);
}

static void a_token_is_gone_at_the_very_millisecond(void **state)
{
    assert_int_equal(put(&house, 1, 10000), AMP_OK);
    pass(&house, 9999);
    assert_int_equal(inspect(&house, 1), AMP_OK);
    assert_int_equal(house.view.left_ms, 1);
    pass(&house, 1);
    assert_gone(inspect(&house, 1), AMP_GONE_EXPIRED); /* no sweep had a chance */
    assert_int_equal(house.dropped, 1);
    assert_int_equal(stats(&house).live, 0);
    sweep(&house);
    assert_int_equal(house.expired, 1); /* the sweep tells what the call met */
    uint8_t claimed[AMP_VAULT_CLAIM_LEN];
    assert_gone(claim(&house, 1, alice, 1000, claimed), AMP_GONE_EXPIRED);
    assert_gone(revoke(&house, 1), AMP_GONE_EXPIRED);
}

static void the_sweep_wipes_within_a_tick(void **state)
{
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(put(&house, i, 1000 + (int64_t)i), AMP_OK);
    for (int i = 0; i < 40; i++) {
        pass(&house, 50);
        sweep(&house);
        uint64_t past_ms = 50 * ((uint64_t)i + 1);
        uint64_t due = past_ms < 1000 ? 0 : past_ms - 1000 + 1;
        due = due > 1000 ? 1000 : due;
        assert_in_range(house.dropped, due > 64 ? due - 64 : 0, due);
    }
    pass(&house, 64);
    sweep(&house);
    assert_int_equal(house.dropped, 1000);
    assert_int_equal(house.expired, 1000);
    assert_int_equal(house.lapsed, 0);
    assert_int_equal(stats(&house).live, 0);
    assert_int_equal(stats(&house).tombstones, 1000);
}

static void a_sweep_does_no_more_than_it_may(void **state)
{
    for (uint64_t i = 0; i < 5000; i++)
        assert_int_equal(put(&house, i, 1000), AMP_OK);
    pass(&house, 2000);
    uint64_t before = 0;
    for (size_t stripe = 0; stripe < amp_vault_stripes(house.vault); stripe++) {
        bool more;
        do {
            more = amp_vault_sweep(house.vault, stripe, 3, &house.expired, &house.lapsed);
            assert_true(house.expired - before <= 3);
            before = house.expired;
        } while (more);
    }
    assert_int_equal(house.expired, 5000);
}

static void revoked_tokens_say_so(void **state)
{
    assert_int_equal(put(&house, 1, 10000), AMP_OK);
    assert_int_equal(revoke(&house, 1), AMP_OK);
    assert_true(amp_slice_is(amp_slice(house.view.queue, house.view.queue_len), "payments"));
    assert_int_equal(house.dropped, 1);
    assert_int_equal(house.last_dropped, 7);
    assert_gone(inspect(&house, 1), AMP_GONE_REVOKED);
    assert_gone(revoke(&house, 1), AMP_GONE_REVOKED);
    assert_string_equal(amp_gone_reason_name(AMP_GONE_REVOKED), "revoked");
    assert_string_equal(amp_gone_reason_name(AMP_GONE_USED), "used");
    assert_string_equal(amp_gone_reason_name(AMP_GONE_EXPIRED), "expired");
}

static void a_tombstone_lasts_its_time_and_no_longer(void **state)
{
    assert_int_equal(put(&house, 1, 10000), AMP_OK);
    assert_int_equal(revoke(&house, 1), AMP_OK);
    pass(&house, 599999);
    sweep(&house);
    assert_gone(inspect(&house, 1), AMP_GONE_REVOKED);
    pass(&house, 1);
    assert_int_equal(inspect(&house, 1), AMP_ERR_TOKEN_UNKNOWN);
    assert_int_equal(stats(&house).tombstones, 1);
    sweep(&house);
    assert_int_equal(stats(&house).tombstones, 0);
}

static void the_oldest_tombstone_gives_way(void **state)
{
    uint32_t stripes = (uint32_t)amp_vault_stripes(house.vault);
    house_close(&house);
    assert_int_equal(house_open(&house, ROOMY, stripes), AMP_OK); /* one for each */
    uint64_t first = 1, second = 2;
    uint8_t a[16], b[16];
    id_from(a, first);
    do
        id_from(b, ++second);
    while (a[0] != b[0]);
    assert_int_equal(put(&house, first, 10000), AMP_OK);
    assert_int_equal(put(&house, second, 10000), AMP_OK);
    assert_int_equal(revoke(&house, first), AMP_OK);
    assert_gone(inspect(&house, first), AMP_GONE_REVOKED);
    assert_int_equal(revoke(&house, second), AMP_OK);
    assert_gone(inspect(&house, second), AMP_GONE_REVOKED);
    assert_int_equal(inspect(&house, first), AMP_ERR_TOKEN_UNKNOWN);
}

static bool only_refunds(void *ctx, struct amp_slice queue)
{
    ++*(int *)ctx;
    return amp_slice_is(queue, "refunds");
}

static void the_guard_is_asked_before_anything_changes(void **state)
{
    int asked = 0;
    const struct amp_vault_guard guard = {.may = only_refunds, .ctx = &asked};
    uint8_t index[16], claimed[AMP_VAULT_CLAIM_LEN];
    id_from(index, 1);
    assert_int_equal(put(&house, 1, 10000), AMP_OK);
    assert_int_equal(amp_vault_inspect(house.vault, index, &guard, &house.view), AMP_ERR_NOT_PERMITTED);
    assert_true(amp_slice_is(amp_slice(house.view.queue, house.view.queue_len), "payments"));
    assert_int_equal(house.view.sealed.len, 0);
    assert_int_equal(amp_vault_claim(house.vault, index, &guard, alice, 0, 1000, claimed, &house.view),
                     AMP_ERR_NOT_PERMITTED);
    assert_int_equal(amp_vault_revoke(house.vault, index, &guard, &house.view), AMP_ERR_NOT_PERMITTED);
    assert_int_equal(amp_vault_claim(house.vault, index, NULL, alice, 0, 1000, claimed, &house.view), AMP_OK);
    assert_int_equal(amp_vault_commit(house.vault, claimed, alice, &guard, NULL), AMP_ERR_NOT_PERMITTED);
    assert_int_equal(amp_vault_abort(house.vault, claimed, alice, &guard, NULL), AMP_ERR_NOT_PERMITTED);
    assert_int_equal(asked, 5);
    assert_int_equal(amp_vault_commit(house.vault, claimed, alice, NULL, NULL), AMP_OK);
}

static void a_full_vault_refuses_and_still_empties(void **state)
{
    house.budget.cap_bytes = house.budget.used_bytes + 100000;
    uint64_t held = 0;
    while (put(&house, held, 10000) == AMP_OK)
        held++;
    assert_true(held > 100);
    assert_int_equal(put(&house, held, 10000), AMP_ERR_VAULT_FULL);
    assert_true(house.budget.used_bytes <= house.budget.cap_bytes);
    assert_int_equal(stats(&house).live, held);
    assert_int_equal(stats(&house).bytes, house.budget.used_bytes);
    uint8_t claimed[AMP_VAULT_CLAIM_LEN];
    for (uint64_t i = 0; i < held; i++) {
        assert_int_equal(claim(&house, i, alice, 1000, claimed), AMP_OK);
        assert_int_equal(commit(&house, claimed, alice), AMP_OK);
    }
    assert_int_equal(stats(&house).live, 0);
    assert_int_equal(put(&house, held, 10000), AMP_OK);
}

static void tombstones_give_way_to_what_lives(void **state)
{
    enum { PAST = 20000, LAST = PAST - 1 };
    for (uint64_t i = 0; i < PAST; i++) {
        assert_int_equal(put(&house, i, 10000), AMP_OK);
        assert_int_equal(revoke(&house, i), AMP_OK);
    }
    uint64_t live = 0, remembered = stats(&house).tombstones;
    house.budget.cap_bytes = house.budget.used_bytes;
    assert_int_equal(remembered, PAST);
    assert_int_equal(put(&house, PAST, 10000), AMP_OK);
    assert_in_range(stats(&house).tombstones, PAST - PAST / 64, PAST - 1); /* no more than was wanted */
    assert_gone(inspect(&house, LAST), AMP_GONE_REVOKED);                  /* the youngest */
    while (put(&house, PAST + ++live, 10000) == AMP_OK)
        assert_true(house.budget.used_bytes <= house.budget.cap_bytes);
    assert_int_equal(stats(&house).tombstones, 0);
    assert_int_equal(stats(&house).live, live);
    assert_true(live > PAST / 16);
    assert_int_equal(stats(&house).bytes, house.budget.used_bytes);
    uint64_t oldest_kept = PAST;
    assert_int_equal(inspect(&house, 0), AMP_ERR_TOKEN_UNKNOWN);
    assert_int_equal(inspect(&house, oldest_kept), AMP_OK);
}

static void memory_returns_after_a_burst(void **state)
{
    size_t empty = stats(&house).bytes;
    const uint64_t burst = SANITIZED ? 20000 : 200000;
    for (uint64_t i = 0; i < burst; i++)
        assert_int_equal(put(&house, i, 1000), AMP_OK);
    assert_int_equal(stats(&house).live, burst);
    pass(&house, 2000);
    sweep(&house);
    pass(&house, 600001);
    sweep(&house);
    assert_true(stats(&house).bytes - empty < amp_vault_stripes(house.vault) * 300);
}

static void a_live_token_costs_at_most_160_bytes(void **state)
{
    if (SANITIZED)
        skip(); /* their allocator rounds otherwise */
    size_t empty = stats(&house).bytes;
    struct amp_vault_item item = {.queue = AMP_SLICE_LIT("payments"), .epoch = 1, .ttl_ms = 10000};
    uint8_t content[280] = {0};
    const uint64_t tokens = 200000;
    for (uint64_t i = 0; i < tokens; i++) {
        item.sealed = amp_slice(content, 200 + i % 80);
        id_from(item.index, i);
        assert_int_equal(amp_vault_put(house.vault, &item), AMP_OK);
    }
    double each = (double)(stats(&house).bytes - empty) / (double)tokens - 239.5;
    print_message("beyond its content: %.1f bytes a token\n", each);
    assert_true(each <= 160);
}

static enum amp_err put_of(const char *holder, uint64_t id)
{
    static const uint8_t content[16 * 1024];
    struct amp_vault_item item = {.queue = AMP_SLICE_LIT("payments"),
                                  .sealed = amp_slice(content, sizeof content),
                                  .holder = amp_slice_str(holder),
                                  .ttl_ms = 10000};
    id_from(item.index, id);
    return amp_vault_put(house.vault, &item);
}

/* Whoever floods is refused first; others find room, and room that was given back is room. */
static void one_holder_alone_does_not_fill_the_vault(void **state)
{
    uint64_t id = 0;
    house.budget.cap_bytes = house.budget.used_bytes + 4 * 1024 * 1024;
    size_t before = house.budget.used_bytes;
    while (put_of("flood", id) == AMP_OK)
        id++;
    size_t flooded = house.budget.used_bytes - before;
    assert_true(flooded > 3 * 1024 * 1024 && flooded < 3600 * 1024);
    assert_int_equal(put_of("flood", id), AMP_ERR_VAULT_FULL);
    unsigned honest = 0;
    for (uint64_t i = 0; i < 10; i++) { /* one of them may chance to share with the flood, and hardly more */
        char name[16];
        snprintf(name, sizeof name, "honest-%u", (unsigned)i);
        honest += put_of(name, 1000000 + i) == AMP_OK;
    }
    assert_in_range(honest, 6, 10);
    pass(&house, 11000);
    sweep(&house);
    assert_int_equal(put_of("flood", id), AMP_OK);
}

static void freeing_the_vault_drops_everything(void **state)
{
    for (uint64_t i = 0; i < 500; i++)
        assert_int_equal(put(&house, i, 1000), AMP_OK);
    uint8_t claimed[AMP_VAULT_CLAIM_LEN];
    assert_int_equal(claim(&house, 3, alice, 1000, claimed), AMP_OK);
    house_close(&house);
    assert_int_equal(house.dropped, 500);
    assert_int_equal(house.budget.used_bytes, 0);
    amp_vault_free(NULL);
}

#define housed(test) cmocka_unit_test_setup_teardown(test, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        housed(a_token_is_seen_as_it_was_put),
        housed(put_refuses_what_is_out_of_range),
        housed(a_taken_index_is_refused_and_the_first_stays),
        housed(a_token_is_gone_at_the_very_millisecond),
        housed(the_sweep_wipes_within_a_tick),
        housed(a_sweep_does_no_more_than_it_may),
        housed(revoked_tokens_say_so),
        housed(a_tombstone_lasts_its_time_and_no_longer),
        housed(the_oldest_tombstone_gives_way),
        housed(the_guard_is_asked_before_anything_changes),
        housed(a_full_vault_refuses_and_still_empties),
        housed(tombstones_give_way_to_what_lives),
        housed(memory_returns_after_a_burst),
        housed(a_live_token_costs_at_most_160_bytes),
        housed(one_holder_alone_does_not_fill_the_vault),
        housed(freeing_the_vault_drops_everything),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
