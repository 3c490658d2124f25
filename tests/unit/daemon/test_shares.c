/* One number is divided: what nobody named is derived, what somebody named is held against it. */
#include <string.h>

#include "../support.h"
#include "daemon/shares.h"
#include "ipc/recorder.h"

#define MIB ((uint64_t)1 << 20)

static char said[512];

static bool share_with(struct amp_config *config, uint64_t open_files)
{
    struct amp_out why = amp_out(said, sizeof(said) - 1);
    bool fits = amp_shares_of_files(config, open_files, &why) && amp_shares_of_memory(config, &why);
    assert_false(why.overflow);
    said[why.len] = '\0';
    return fits;
}

static bool share(struct amp_config *config)
{
    return share_with(config, UINT64_MAX);
}

/* All that was derived or named, as OPERATIONS.md adds it up. */
static uint64_t sum(const struct amp_config *config)
{
    return 2 * config->vault.memory_max + config->queue.memory_max + 72 * (uint64_t)config->auth.replay_max +
           4096 * (uint64_t)config->limits.max_connections + config->memory.front_pool + config->memory.courier_pool +
           config->workers * AMP_RECORDER_BYTES_MAX + 32 * MIB;
}

static void shares_fill_the_cap_and_never_pass_it(void **state)
{
    for (uint64_t mib = 280; mib < 20000; mib = mib * 5 / 4) {
        struct amp_config config = {.workers = 1 + (uint32_t)mib % 4, .memory.cap = mib * MIB};
        assert_true(share(&config));
        assert_true(sum(&config) <= mib * MIB);
        if (mib <= 2048)
            assert_true(sum(&config) > (mib - 1) * MIB); /* behind that some have the most that they may */
    }
}

static void all_that_is_derived_grows_with_the_cap(void **state)
{
    struct amp_config little = {.workers = 2, .memory.cap = 256 * MIB}, much = {.workers = 2, .memory.cap = 512 * MIB};
    assert_true(share(&little) && share(&much));
    assert_true(little.vault.memory_max < much.vault.memory_max);
    assert_true(little.queue.memory_max < much.queue.memory_max);
    assert_true(little.auth.replay_max < much.auth.replay_max);
    assert_true(little.limits.max_connections < much.limits.max_connections);
    assert_true(little.memory.bodies < much.memory.bodies);
    assert_true(little.memory.courier_pool < much.memory.courier_pool);
    assert_int_equal(little.memory.front_pool, 32768 * (uint64_t)little.limits.max_connections + little.memory.bodies);
}

static void the_default_carries_what_the_manual_promises(void **state)
{
    struct amp_config config = {.workers = 2, .memory.cap = 2048 * MIB};
    assert_true(share(&config));
    assert_true(config.auth.replay_max >= 6000000); /* 10,000 requests a second at a clock_skew of 300 s */
    assert_true(config.limits.max_connections >= 10000);
    assert_true(config.memory.bodies >= 256 * MIB);
}

static void what_is_named_is_kept_and_the_others_make_room(void **state)
{
    struct amp_config config = {.workers = 1,
                                .memory.cap = 1024 * MIB,
                                .vault.memory_max = 300 * MIB,
                                .queue.memory_max = 5 * MIB,
                                .auth.replay_max = 1234,
                                .limits.max_connections = 77};
    assert_true(share(&config));
    assert_int_equal(config.vault.memory_max, 300 * MIB);
    assert_int_equal(config.queue.memory_max, 5 * MIB);
    assert_int_equal(config.auth.replay_max, 1234);
    assert_int_equal(config.limits.max_connections, 77);
    assert_true(sum(&config) <= 1024 * MIB);
    config.vault.memory_max = 400 * MIB;
    uint64_t before = config.memory.bodies;
    assert_true(share(&config));
    assert_true(config.memory.bodies < before);
}

static void what_does_not_fit_is_told_with_names_and_numbers(void **state)
{
    struct amp_config config = {
        .workers = 3, .memory.cap = 512 * MIB, .vault.memory_max = 200 * MIB, .limits.max_connections = 2048};
    assert_false(share(&config));
    assert_non_null(strstr(said, "512 MiB is too little"));
    assert_non_null(strstr(said, "vault.memory_max takes 400 MiB"));
    assert_non_null(strstr(said, "limits.max_connections takes 72 MiB"));
    assert_non_null(strstr(said, "3 workers take 96 MiB"));
    assert_non_null(strstr(said, "701 MiB are needed"));
    assert_null(strstr(said, "queue.memory_max"));
    config.memory.cap = 701 * MIB;
    assert_true(share(&config));
}

static void the_least_is_exact_and_less_is_refused(void **state)
{
    struct amp_config config = {.workers = 1, .memory.cap = 175 * MIB};
    assert_true(share(&config));
    config = (struct amp_config){.workers = 1, .memory.cap = 174 * MIB};
    assert_false(share(&config));
    config = (struct amp_config){.workers = 64, .memory.cap = 2048 * MIB};
    assert_false(share(&config));
}

static void there_are_no_more_connections_than_descriptors(void **state)
{
    struct amp_config unlimited = {.workers = 2, .listen.address_count = 1, .memory.cap = 2048 * MIB};
    assert_true(share(&unlimited));
    uint64_t others = 64 + 2 * (16 + 1);
    for (uint64_t room = 64; room < 1000000; room *= 3) {
        struct amp_config config = {.workers = 2, .listen.address_count = 1, .memory.cap = 2048 * MIB};
        uint32_t usual = unlimited.limits.max_connections;
        assert_true(share_with(&config, others + room));
        assert_int_equal(config.limits.max_connections, room < usual ? room : usual);
        assert_int_equal(config.limits.connections_room, room);
        assert_int_equal(config.memory.front_pool,
                         32768 * (uint64_t)config.limits.max_connections + config.memory.bodies);
    }
    struct amp_config config = {.workers = 2, .listen.address_count = 1, .memory.cap = 2048 * MIB};
    assert_false(share_with(&config, others + 63));
    assert_string_equal(said,
                        "of 64 is too much: RLIMIT_NOFILE allows 161 open files, and 98 of them are for other things");
    assert_false(share_with(&config, 0));
}

static void named_connections_without_descriptors_are_refused(void **state)
{
    struct amp_config config = {
        .workers = 1, .listen.address_count = 2, .limits.max_connections = 20, .memory.cap = 2048 * MIB};
    assert_true(share_with(&config, 64 + 18 + 20));
    assert_int_equal(config.limits.max_connections, 20);
    assert_false(share_with(&config, 64 + 18 + 19));
    assert_string_equal(said,
                        "of 20 is too much: RLIMIT_NOFILE allows 101 open files, and 82 of them are for other things");
}

static void nobody_new_and_no_source_gets_all_connections(void **state)
{
    for (uint32_t all = 2; all <= 1000000; all *= 7) {
        struct amp_config_limits limits = {.max_connections = all};
        amp_shares_of_connections(&limits);
        assert_true(limits.startups.start >= 1 && limits.startups.start < limits.startups.full);
        assert_true(limits.startups.full <= all);
        assert_int_equal(limits.startups.rate, 30);
        assert_true(limits.max_connections_per_source >= 1 && limits.max_connections_per_source < all);
        assert_true(limits.max_connections_per_principal >= 1 && limits.max_connections_per_principal < all);
        assert_true(limits.max_requests_per_principal >= 1);
    }
    struct amp_config_limits named = {.max_connections = 100,
                                      .max_connections_per_source = 1,
                                      .max_connections_per_principal = 2,
                                      .max_requests_per_principal = 3,
                                      .startups = {4, 5, 6}};
    struct amp_config_limits before = named;
    amp_shares_of_connections(&named);
    assert_memory_equal(&named, &before, sizeof(named));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_fill_the_cap_and_never_pass_it),
        cmocka_unit_test(all_that_is_derived_grows_with_the_cap),
        cmocka_unit_test(the_default_carries_what_the_manual_promises),
        cmocka_unit_test(what_is_named_is_kept_and_the_others_make_room),
        cmocka_unit_test(what_does_not_fit_is_told_with_names_and_numbers),
        cmocka_unit_test(the_least_is_exact_and_less_is_refused),
        cmocka_unit_test(there_are_no_more_connections_than_descriptors),
        cmocka_unit_test(named_connections_without_descriptors_are_refused),
        cmocka_unit_test(nobody_new_and_no_source_gets_all_connections),
    };
    return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
