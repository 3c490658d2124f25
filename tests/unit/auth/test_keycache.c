/* The cache of day keys: bounded, and not to be flooded by strangers. */
#include "../support.h"

#include "auth/keycache.h"

static struct amp_clock_fake hands;
static struct amp_keycache *cache;

static struct amp_scope scope_of(const char *key_id, const char *region)
{
    struct amp_scope scope;
    struct amp_sigv4 sig = {
        .key_id = amp_slice_str(key_id),
        .date = AMP_SLICE_LIT("20260131"),
        .region = amp_slice_str(region),
        .service = AMP_SLICE_LIT("ampoule"),
    };
    assert_int_equal(amp_scope_make(&scope, &sig), AMP_OK);
    return scope;
}

static struct amp_scope numbered(unsigned n)
{
    char region[16];

    (void)snprintf(region, sizeof region, "r-%u", n);
    return scope_of("AMPKAAAAAAAAAAAAAAAA", region);
}

static struct amp_keycache_entry *put(const struct amp_scope *scope, enum amp_err err)
{
    static const struct amp_key256 key = {{1, 2, 3}};
    static const struct amp_principal principal = {.name_len = 1, .name = "p"};

    assert_int_equal(amp_keycache_store(cache, scope, err, &key, &principal), AMP_OK);
    return amp_keycache_find(cache, scope);
}

static int setup(void **state)
{
    (void)state;
    hands = (struct amp_clock_fake){.unix_ms = 1769900000000, .mono_ms = 1000};
    return amp_keycache_new(&cache, amp_clock_fake(&hands)) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    amp_keycache_free(cache);
    return 0;
}

static void keycache_finds_what_was_stored_and_nothing_else(void **state)
{
    struct amp_scope a = numbered(1), b = numbered(2);

    (void)state;
    assert_null(amp_keycache_find(cache, &a));
    assert_non_null(put(&a, AMP_OK));
    assert_null(amp_keycache_find(cache, &b));
    assert_int_equal(amp_keycache_find(cache, &a)->key.key.bytes[1], 2);
}

static void keycache_believes_a_refusal_for_two_seconds_only(void **state)
{
    struct amp_scope scope = numbered(1);

    (void)state;
    assert_int_equal(put(&scope, AMP_ERR_UNKNOWN_KEY)->err, AMP_ERR_UNKNOWN_KEY);
    amp_clock_fake_advance(&hands, 1999);
    assert_non_null(amp_keycache_find(cache, &scope));
    amp_clock_fake_advance(&hands, 1);
    assert_null(amp_keycache_find(cache, &scope));
}

static void keycache_keeps_proven_keys_through_a_flood_of_unproven_ones(void **state)
{
    struct amp_scope honest = scope_of("AMPKBBBBBBBBBBBBBBBB", "eu-1");
    unsigned n;

    (void)state;
    amp_keycache_prove(cache, put(&honest, AMP_OK));
    for (n = 0; n < 5000; n++) {
        struct amp_scope flood = numbered(n);
        assert_non_null(put(&flood, AMP_OK));
    }
    assert_non_null(amp_keycache_find(cache, &honest));
    assert_null(amp_keycache_find(cache, &(struct amp_scope){.len = numbered(0).len, .text = "AMPKAAAAAAAAAAAAAAAA"}));
}

static void keycache_lets_the_longest_unused_proven_key_go(void **state)
{
    struct amp_scope first = numbered(0), second = numbered(1);
    unsigned n;

    (void)state;
    for (n = 0; n < 1024; n++) {
        struct amp_scope scope = numbered(n);
        amp_keycache_prove(cache, put(&scope, AMP_OK));
    }
    amp_keycache_prove(cache, amp_keycache_find(cache, &first)); /* used again: the second is the oldest now */
    struct amp_scope one_more = numbered(1024);
    amp_keycache_prove(cache, put(&one_more, AMP_OK));
    assert_non_null(amp_keycache_find(cache, &first));
    assert_null(amp_keycache_find(cache, &second));
    assert_non_null(amp_keycache_find(cache, &one_more));
}

static void keycache_forgets_every_scope_of_one_key_id(void **state)
{
    struct amp_scope mine = numbered(1), mine_too = numbered(2), other = scope_of("AMPKBBBBBBBBBBBBBBBB", "r-1");

    (void)state;
    amp_keycache_prove(cache, put(&mine, AMP_OK));
    assert_non_null(put(&mine_too, AMP_OK));
    assert_non_null(put(&other, AMP_OK));
    amp_keycache_forget(cache, (const uint8_t *)"AMPKAAAAAAAAAAAAAAAA");
    assert_null(amp_keycache_find(cache, &mine));
    assert_null(amp_keycache_find(cache, &mine_too));
    assert_non_null(amp_keycache_find(cache, &other));
    amp_keycache_forget_all(cache);
    assert_null(amp_keycache_find(cache, &other));
}

static void keycache_refuses_a_scope_longer_than_any_valid_one(void **state)
{
    static const uint8_t longest[200];
    struct amp_scope scope;
    struct amp_sigv4 sig = {.key_id = amp_slice(longest, sizeof longest)};

    (void)state;
    assert_int_equal(amp_scope_make(&scope, &sig), AMP_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keycache_finds_what_was_stored_and_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(keycache_believes_a_refusal_for_two_seconds_only, setup, teardown),
        cmocka_unit_test_setup_teardown(keycache_keeps_proven_keys_through_a_flood_of_unproven_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(keycache_lets_the_longest_unused_proven_key_go, setup, teardown),
        cmocka_unit_test_setup_teardown(keycache_forgets_every_scope_of_one_key_id, setup, teardown),
        cmocka_unit_test_setup_teardown(keycache_refuses_a_scope_longer_than_any_valid_one, setup, teardown),
    };
    if (amp_secret_init(64 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
