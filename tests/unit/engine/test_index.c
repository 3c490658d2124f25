/* The table of entries: against a plain array as its model. */
#include "engine/index.h"
#include "house.h"

enum { MANY = 20000 };

static struct amp_index_entry *entries_new(void)
{
    struct amp_index_entry *entries = calloc(MANY, sizeof *entries);
    assert_non_null(entries);
    for (uint64_t i = 0; i < MANY; i++)
        id_from(entries[i].id, i);
    return entries;
}

static void whatever_comes_and_goes_is_found_exactly_while_inside(void **state)
{
    struct amp_index index = {0};
    struct amp_budget budget;
    struct amp_meter meter;
    struct amp_index_entry *entries = entries_new();
    static bool inside[MANY];
    uint64_t seed = 7;
    amp_budget_init(&budget, (size_t)1 << 30);
    amp_meter_init(&meter, &budget, 1);
    memset(inside, 0, sizeof inside);
    for (int phase = 0; phase < 6; phase++) {
        /* mostly in, then mostly out */
        for (int step = 0; step < MANY; step++) {
            uint64_t dice = next_random(&seed);
            size_t i = dice % MANY;
            bool wanted = dice >> 32 & 7 ? phase % 2 == 0 : phase % 2 != 0;
            if (wanted == inside[i])
                continue;
            if (wanted)
                amp_index_insert(&index, &meter, &entries[i]);
            else
                amp_index_remove(&index, &meter, &entries[i]);
            inside[i] = wanted;
        }
        for (size_t i = 0; i < MANY; i++)
            assert_ptr_equal(amp_index_find(&index, entries[i].id), inside[i] ? &entries[i] : NULL);
    }
    for (size_t i = 0; i < MANY; i++) {
        if (inside[i])
            amp_index_remove(&index, &meter, &entries[i]);
    }
    assert_int_equal(budget.used_bytes, 0);
    free(entries);
}

static void it_costs_few_bytes_an_entry_and_nothing_when_empty(void **state)
{
    struct amp_index index = {0};
    struct amp_budget budget;
    struct amp_meter meter;
    struct amp_index_entry *entries = entries_new();
    amp_budget_init(&budget, (size_t)1 << 30);
    amp_meter_init(&meter, &budget, 1);
    for (size_t i = 0; i < MANY; i++) {
        amp_index_insert(&index, &meter, &entries[i]);
        if (i > 1000)
            assert_true(budget.used_bytes <= (i + 1) * 9);
    }
    for (size_t i = 0; i < MANY; i++) {
        amp_index_remove(&index, &meter, &entries[i]);
        assert_true(budget.used_bytes <= (MANY - i) * 32 + 4096);
    }
    assert_int_equal(budget.used_bytes, 0);
    free(entries);
}

static void without_memory_to_grow_it_serves_on(void **state)
{
    struct amp_index index = {0};
    struct amp_budget budget;
    struct amp_meter meter;
    struct amp_index_entry *entries = entries_new();
    amp_budget_init(&budget, 0);
    amp_meter_init(&meter, &budget, 1);
    for (size_t i = 0; i < 500; i++)
        amp_index_insert(&index, &meter, &entries[i]);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(amp_index_find(&index, entries[i].id), i < 500 ? &entries[i] : NULL);
    budget.cap_bytes = (size_t)1 << 30;
    for (size_t i = 500; i < MANY; i++)
        amp_index_insert(&index, &meter, &entries[i]);
    budget.cap_bytes = 0; /* getting smaller is allowed at any cap */
    for (size_t i = 0; i < MANY; i++) {
        assert_ptr_equal(amp_index_find(&index, entries[i].id), &entries[i]);
        amp_index_remove(&index, &meter, &entries[i]);
        assert_null(amp_index_find(&index, entries[i].id));
    }
    assert_int_equal(budget.used_bytes, 0);
    free(entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_comes_and_goes_is_found_exactly_while_inside),
        cmocka_unit_test(it_costs_few_bytes_an_entry_and_nothing_when_empty),
        cmocka_unit_test(without_memory_to_grow_it_serves_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
