/* Sources: connections, penalties, bytes, who is known; and what principals hold. */
#include "store/holders.h"
#include "store/sources.h"
#include "store_support.h"

static const struct amp_source_limits LIMITS = {
    .max_connections = 2, .penalty_min_ms = 15000, .penalty_max_ms = 600000};
static const struct amp_source_key ONE = {{0, 1}}, OTHER = {{0, 2}};

static struct amp_clock_fake now;
static struct amp_sources *sources;

static int open_sources(void **state)
{
    now = (struct amp_clock_fake){.mono_ms = 1000};
    return amp_sources_new(&sources, amp_clock_fake(&now)) == AMP_OK ? 0 : -1;
}

static int close_sources(void **state)
{
    amp_sources_free(sources);
    return 0;
}

static struct amp_source *take(const struct amp_source_key *key)
{
    struct amp_source *source = NULL;
    assert_int_equal(amp_source_take(&source, sources, key, &LIMITS), AMP_OK);
    return source;
}

static enum amp_err try(const struct amp_source_key *key)
{
    struct amp_source *source = NULL;
    enum amp_err err = amp_source_take(&source, sources, key, &LIMITS);
    if (err == AMP_OK)
        amp_source_give(sources, source, false);
    return err;
}

static void offend(const struct amp_source_key *key, enum amp_offence offence, unsigned times)
{
    struct amp_source *source = take(key);
    for (unsigned i = 0; i < times; i++)
        amp_source_penalise(sources, source, offence, &LIMITS);
    amp_source_give(sources, source, false);
}

static void each_source_is_held_to_its_number(void **state)
{
    struct amp_source *first = take(&ONE), *second = take(&ONE), *other = take(&OTHER);
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, other);
    assert_int_equal(try(&ONE), AMP_ERR_OVERLOADED);
    assert_int_equal(try(&OTHER), AMP_OK);
    amp_source_give(sources, first, false);
    assert_int_equal(try(&ONE), AMP_OK);
    amp_source_give(sources, second, false);
    amp_source_give(sources, other, false);
}

static void many_sources_are_counted_apart(void **state)
{
    static struct amp_source *taken[20000];
    for (uint64_t i = 0; i < 20000; i++)
        taken[i] = take(&(struct amp_source_key){{i, 7}});
    for (uint64_t i = 0; i < 20000; i++) {
        struct amp_source_key key = {{i, 7}};
        struct amp_source *second = take(&key);
        assert_int_equal(try(&key), AMP_ERR_OVERLOADED);
        amp_source_give(sources, second, false);
        amp_source_give(sources, taken[i], false);
    }
}

/* What each offence adds, and that 15 s are forgiven: of n, the first that passes them refuses. */
static void a_source_is_refused_above_the_minimum(void **state)
{
    static const struct {
        enum amp_offence offence;
        unsigned forgiven;
        int64_t until_ms; /* where one more came */
    } cases[] = {
        {AMP_OFFENCE_SIGNATURE, 3, 20000},
        {AMP_OFFENCE_MALFORMED, 3, 20000},
        {AMP_OFFENCE_DEADLINE, 1, 20000},
        {AMP_OFFENCE_STRAY, 15, 16000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct amp_source_key key = {{0, 10 + i}};
        offend(&key, cases[i].offence, cases[i].forgiven);
        assert_int_equal(try(&key), AMP_OK);
        offend(&key, cases[i].offence, 1);
        assert_int_equal(try(&key), AMP_ERR_SOURCE_PENALISED);
        assert_int_equal(try(&ONE), AMP_OK);
        amp_clock_fake_advance(&now, cases[i].until_ms - 1);
        assert_int_equal(try(&key), AMP_ERR_SOURCE_PENALISED);
        amp_clock_fake_advance(&now, 1);
        assert_int_equal(try(&key), AMP_OK);
    }
    offend(&OTHER, AMP_OFFENCE_NONE, 1000);
    assert_int_equal(try(&OTHER), AMP_OK);
}

static void penalties_end_at_the_maximum(void **state)
{
    offend(&ONE, AMP_OFFENCE_DEADLINE, 1000);
    amp_clock_fake_advance(&now, 599999);
    assert_int_equal(try(&ONE), AMP_ERR_SOURCE_PENALISED);
    amp_clock_fake_advance(&now, 1);
    assert_int_equal(try(&ONE), AMP_OK);
    offend(&ONE, AMP_OFFENCE_SIGNATURE, 3); /* it begins anew */
    assert_int_equal(try(&ONE), AMP_OK);
}

static void time_forgives(void **state)
{
    for (int i = 0; i < 1000; i++) {
        offend(&ONE, AMP_OFFENCE_SIGNATURE, 1);
        amp_clock_fake_advance(&now, 5000);
        assert_int_equal(try(&ONE), AMP_OK);
    }
}

static void without_a_maximum_nobody_is_refused(void **state)
{
    struct amp_source_limits none = LIMITS;
    struct amp_source *source;
    none.penalty_max_ms = 0;
    offend(&ONE, AMP_OFFENCE_DEADLINE, 100);
    assert_int_equal(amp_source_take(&source, sources, &ONE, &none), AMP_OK);
    amp_source_give(sources, source, false);
    assert_int_equal(try(&ONE), AMP_ERR_SOURCE_PENALISED);
}

/* A stranger with many addresses: memory stays bounded, and who stands is never forgotten. */
static void the_table_is_capped(void **state)
{
    struct amp_source *stands = take(&ONE);
    for (int i = 0; i < 4; i++)
        amp_source_penalise(sources, stands, AMP_OFFENCE_SIGNATURE, &LIMITS);
    unsigned remembered = 0;
    for (uint64_t i = 0; i < 3 * AMP_SOURCES_CHAINS * AMP_SOURCES_RESTING_MAX; i++)
        offend(&(struct amp_source_key){{i, 9}}, AMP_OFFENCE_DEADLINE, 2);
    for (uint64_t i = 0; i < 3 * AMP_SOURCES_CHAINS * AMP_SOURCES_RESTING_MAX; i++)
        remembered += try(&(struct amp_source_key){{i, 9}}) == AMP_ERR_SOURCE_PENALISED;
    assert_in_range(remembered, AMP_SOURCES_CHAINS * AMP_SOURCES_RESTING_MAX * 9 / 10,
                    AMP_SOURCES_CHAINS * AMP_SOURCES_RESTING_MAX);
    assert_int_equal(try(&ONE), AMP_ERR_SOURCE_PENALISED);
    amp_source_give(sources, stands, false);
}

static void a_source_is_known_while_a_principal_is_there_and_a_while_longer(void **state)
{
    struct amp_source *source = take(&ONE);
    assert_false(amp_source_known(sources, source));
    amp_source_vouch(sources, source);
    amp_clock_fake_advance(&now, INT64_C(100) * AMP_SOURCE_KNOWN_MS);
    assert_true(amp_source_known(sources, source));
    amp_source_give(sources, source, true);
    amp_clock_fake_advance(&now, AMP_SOURCE_KNOWN_MS - 1);
    source = take(&ONE);
    assert_true(amp_source_known(sources, source));
    amp_clock_fake_advance(&now, 1);
    assert_false(amp_source_known(sources, source));
    amp_source_give(sources, source, false);
}

/* A merchant and who offends behind one address: it is let in, among strangers. */
static void a_source_where_a_principal_stands_is_not_closed(void **state)
{
    struct amp_source *stands = take(&ONE);
    amp_source_vouch(sources, stands);
    offend(&ONE, AMP_OFFENCE_SIGNATURE, 4);
    struct amp_source *another = take(&ONE);
    assert_false(amp_source_known(sources, another));
    assert_int_equal(try(&ONE), AMP_ERR_OVERLOADED); /* its number holds as ever */
    amp_source_give(sources, another, false);
    amp_source_give(sources, stands, true);
    assert_int_equal(try(&ONE), AMP_ERR_SOURCE_PENALISED);
    amp_clock_fake_advance(&now, 20000);
    another = take(&ONE);
    assert_true(amp_source_known(sources, another));
    amp_source_give(sources, another, false);
}

static void who_is_known_is_forgotten_last(void **state)
{
    struct amp_source *known = take(&ONE);
    amp_source_vouch(sources, known);
    amp_source_give(sources, known, true);
    amp_clock_fake_advance(&now, AMP_SOURCE_KNOWN_MS - 1000);
    for (uint64_t i = 0; i < 3 * AMP_SOURCES_CHAINS * AMP_SOURCES_RESTING_MAX; i++)
        offend(&(struct amp_source_key){{i, 9}}, AMP_OFFENCE_DEADLINE, 2);
    known = take(&ONE);
    assert_true(amp_source_known(sources, known));
    amp_source_give(sources, known, false);
}

static void bytes_are_counted_over_all_connections(void **state)
{
    struct amp_source *first = take(&ONE), *second = take(&ONE), *other = take(&OTHER);
    amp_source_charge(first, 0, 60);
    amp_source_charge(second, 0, 40);
    amp_source_charge(other, 0, 7);
    assert_int_equal(amp_source_pending(first), 100);
    amp_source_charge(second, 40, 10);
    assert_int_equal(amp_source_pending(first), 70);
    amp_source_charge(first, 60, 0);
    assert_int_equal(amp_source_pending(second), 10);
    amp_source_give(sources, first, false);
    amp_source_give(sources, second, false);
    amp_source_give(sources, other, false);
}

static void principals_are_counted_by_name(void **state)
{
    struct amp_holders *holders;
    struct amp_holder *shop, *same, *gateway;
    assert_int_equal(amp_holders_new(&holders), AMP_OK);
    assert_int_equal(amp_holder_ref(&shop, holders, AMP_SLICE_LIT("shop")), AMP_OK);
    assert_int_equal(amp_holder_ref(&same, holders, AMP_SLICE_LIT("shop")), AMP_OK);
    assert_int_equal(amp_holder_ref(&gateway, holders, AMP_SLICE_LIT("gateway")), AMP_OK);
    assert_ptr_equal(shop, same);
    assert_ptr_not_equal(shop, gateway);
    assert_true(amp_budget_take_up_to(&shop->connections, 1, 1));
    assert_false(amp_budget_take_up_to(&same->connections, 1, 1));
    amp_holder_unref(holders, same);
    assert_int_equal(amp_holder_ref(&same, holders, AMP_SLICE_LIT("shop")), AMP_OK);
    assert_false(amp_budget_take_up_to(&same->connections, 1, 1));
    amp_holder_unref(holders, same);
    amp_holder_unref(holders, shop);
    amp_holder_unref(holders, gateway);
    assert_int_equal(amp_holder_ref(&shop, holders, AMP_SLICE_LIT("shop")), AMP_OK);
    assert_true(amp_budget_take_up_to(&shop->connections, 1, 1)); /* nobody held it: it was forgotten */
    amp_holder_unref(holders, shop);
    amp_holders_free(holders);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_sources, close_sources)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_source_is_held_to_its_number),
        CASE(many_sources_are_counted_apart),
        CASE(a_source_is_refused_above_the_minimum),
        CASE(penalties_end_at_the_maximum),
        CASE(time_forgives),
        CASE(without_a_maximum_nobody_is_refused),
        CASE(the_table_is_capped),
        CASE(a_source_is_known_while_a_principal_is_there_and_a_while_longer),
        CASE(a_source_where_a_principal_stands_is_not_closed),
        CASE(who_is_known_is_forgotten_last),
        CASE(bytes_are_counted_over_all_connections),
        cmocka_unit_test(principals_are_counted_by_name),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
