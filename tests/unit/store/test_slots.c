/* The set of records and the ring of tombstones, against naive models. */
#include <stdbool.h>

#include "store/graves.h"
#include "store/slots.h"
#include "store_support.h"

struct entry {
    uint8_t id[16];
    uint64_t number;
};

#define ENTRIES 3000

static struct amp_budget budget;
static struct amp_meter meter;

static int fresh_meter(void **state)
{
    amp_budget_init(&budget, (size_t)1 << 30);
    amp_meter_init(&meter, &budget, 1);
    return 0;
}

static int nothing_left(void **state)
{
    return budget.used_bytes != 0 || amp_meter_bytes(&meter) != 0;
}

static struct entry *entry_new(uint64_t number)
{
    struct entry *entry = malloc(sizeof *entry);
    assert_non_null(entry);
    id_from(entry->id, number);
    entry->number = number;
    return entry;
}

static void slots_agree_with_an_array(void **state)
{
    struct amp_slots slots = {0};
    static struct entry *model[ENTRIES];
    size_t count = 0;
    uint64_t seed = 7;
    for (int step = 0; step < 200000; step++) {
        bool growing = step / 20000 % 2 == 0;
        size_t i = next_random(&seed) % ENTRIES;
        uint8_t id[16];
        id_from(id, i);
        assert_ptr_equal(amp_slots_find(&slots, id), model[i]);
        if (model[i] == NULL && (growing || next_random(&seed) % 8 == 0)) {
            model[i] = entry_new(i);
            assert_int_equal(amp_slots_insert(&slots, &meter, model[i]), AMP_OK);
            count++;
        } else if (model[i] != NULL && (!growing || next_random(&seed) % 8 == 0)) {
            amp_slots_remove(&slots, &meter, model[i]);
            free(model[i]);
            model[i] = NULL;
            count--;
        }
        assert_int_equal(slots.count, count);
    }
    for (struct entry *entry; (entry = amp_slots_drain(&slots, &meter)) != NULL; count--)
        free(entry);
    assert_int_equal(count, 0);
}

static void slots_refuse_an_id_twice(void **state)
{
    struct amp_slots slots = {0};
    struct entry *first = entry_new(1), *second = entry_new(1);
    assert_int_equal(amp_slots_insert(&slots, &meter, first), AMP_OK);
    assert_int_equal(amp_slots_insert(&slots, &meter, second), AMP_ERR_INTERNAL);
    assert_ptr_equal(amp_slots_find(&slots, first->id), first);
    amp_slots_replace(&slots, first, second);
    assert_ptr_equal(amp_slots_find(&slots, first->id), second);
    amp_slots_remove(&slots, &meter, second);
    assert_null(amp_slots_find(&slots, first->id));
    assert_null(amp_slots_drain(&slots, &meter));
    free(first);
    free(second);
}

static void entries_that_share_every_tag_bit_are_told_apart(void **state)
{
    struct amp_slots slots = {0};
    struct entry *entries[12];
    for (size_t i = 0; i < 12; i++) {
        entries[i] = entry_new(i);
        memset(entries[i]->id, 0xff, 15);
        entries[i]->id[15] = (uint8_t)i;
        assert_int_equal(amp_slots_insert(&slots, &meter, entries[i]), AMP_OK);
    }
    for (size_t i = 0; i < 12; i++)
        assert_ptr_equal(amp_slots_find(&slots, entries[i]->id), entries[i]);
    for (size_t i = 0; i < 12; i += 2)
        amp_slots_remove(&slots, &meter, entries[i]);
    for (size_t i = 0; i < 12; i++)
        assert_ptr_equal(amp_slots_find(&slots, entries[i]->id), i % 2 == 0 ? NULL : entries[i]);
    while (amp_slots_drain(&slots, &meter) != NULL)
        ;
    for (size_t i = 0; i < 12; i++)
        free(entries[i]);
}

static void slots_give_memory_back_after_a_burst(void **state)
{
    struct amp_slots slots = {0};
    static struct entry *entries[ENTRIES];
    for (size_t i = 0; i < ENTRIES; i++) {
        entries[i] = entry_new(i);
        assert_int_equal(amp_slots_insert(&slots, &meter, entries[i]), AMP_OK);
    }
    assert_true(amp_meter_bytes(&meter) >= ENTRIES * 8);
    for (size_t i = 0; i < ENTRIES; i++) {
        amp_slots_remove(&slots, &meter, entries[i]);
        free(entries[i]);
    }
    assert_true(amp_meter_bytes(&meter) <= 256);
    assert_null(amp_slots_drain(&slots, &meter));
}

static void slots_stay_whole_where_the_budget_ends(void **state)
{
    struct amp_slots slots = {0};
    struct entry *entries[100];
    size_t held = 0;
    budget.cap_bytes = 1000;
    for (size_t i = 0; i < 100; i++) {
        entries[i] = entry_new(i);
        enum amp_err err = amp_slots_insert(&slots, &meter, entries[i]);
        assert_int_equal(err, i < 48 ? (int)AMP_OK : (int)AMP_ERR_VAULT_FULL);
        held += err == AMP_OK;
    }
    for (size_t i = 0; i < held; i++)
        assert_ptr_equal(amp_slots_find(&slots, entries[i]->id), entries[i]);
    while (amp_slots_drain(&slots, &meter) != NULL)
        ;
    for (size_t i = 0; i < 100; i++)
        free(entries[i]);
}

static void graves_remember_the_youngest_and_forget_in_order(void **state)
{
    struct amp_graves graves;
    amp_graves_init(&graves, 100);
    uint8_t id[16];
    for (uint64_t i = 0; i < 1000; i++) {
        id_from(id, i);
        amp_graves_add(&graves, &meter, id, (int64_t)i + 1000, (unsigned)(i % 3), (uint32_t)i);
        for (uint64_t j = i < 150 ? 0 : i - 150; j <= i; j++) {
            id_from(id, j);
            const struct amp_grave *grave = amp_graves_find(&graves, id, 0);
            assert_int_equal(grave != NULL, j + 100 > i);
            if (grave != NULL) {
                assert_int_equal(amp_grave_reason(grave), j % 3);
                assert_int_equal(grave->mark, j);
            }
        }
    }
    id_from(id, 950);
    assert_non_null(amp_graves_find(&graves, id, 1949));
    assert_null(amp_graves_find(&graves, id, 1950));
    assert_int_equal(amp_graves_purge(&graves, &meter, 1950, 7), 7);
    assert_int_equal(amp_graves_purge(&graves, &meter, 1950, 1000), 44);
    assert_int_equal(graves.count, 49);
    assert_int_equal(amp_graves_purge(&graves, &meter, 5000, 1000), 49);
    assert_int_equal(amp_meter_bytes(&meter), 0);
}

static void graves_give_way_where_the_budget_ends(void **state)
{
    struct amp_graves graves;
    amp_graves_init(&graves, 1000);
    budget.cap_bytes = 1000;
    uint8_t id[16];
    for (uint64_t i = 0; i < 300; i++) {
        id_from(id, i);
        amp_graves_add(&graves, &meter, id, 1000, 0, 0);
        assert_non_null(amp_graves_find(&graves, id, 0));
    }
    assert_in_range(graves.count, 8, 16);
    amp_graves_fini(&graves, &meter);
    budget.cap_bytes = 0;
    for (uint64_t i = 0; i < 20; i++) { /* a few find room though there is none */
        id_from(id, i);
        amp_graves_add(&graves, &meter, id, 1000, 0, 0);
        assert_non_null(amp_graves_find(&graves, id, 0));
    }
    assert_int_equal(graves.count, 8);
    amp_graves_fini(&graves, &meter);
}

static void graves_yield_the_oldest_half_by_half(void **state)
{
    struct amp_graves graves;
    amp_graves_init(&graves, 1000);
    uint8_t id[16];
    for (uint64_t i = 0; i < 40; i++) {
        id_from(id, i);
        amp_graves_add(&graves, &meter, id, 1000, 0, 0);
    }
    budget.cap_bytes = 0; /* to shrink, it may pass the cap for a moment */
    for (uint32_t most = 32; most >= 8; most /= 2) {
        size_t before = amp_meter_bytes(&meter);
        assert_true(amp_graves_yield(&graves, &meter));
        assert_true(amp_meter_bytes(&meter) < before);
        assert_int_equal(graves.count, most);
        for (uint64_t i = 0; i < 40; i++) {
            id_from(id, i);
            assert_int_equal(amp_graves_find(&graves, id, 0) != NULL, i >= 40 - most);
        }
    }
    assert_true(amp_graves_yield(&graves, &meter));
    assert_int_equal(amp_meter_bytes(&meter), 0);
    assert_false(amp_graves_yield(&graves, &meter));
}

static void graves_shrink_again(void **state)
{
    struct amp_graves graves;
    amp_graves_init(&graves, 100000);
    uint8_t id[16];
    for (uint64_t i = 0; i < 5000; i++) {
        id_from(id, i);
        amp_graves_add(&graves, &meter, id, (int64_t)i, 0, 0);
    }
    size_t most = amp_meter_bytes(&meter);
    for (int64_t now_ms = 0; now_ms < 4990; now_ms += 10)
        amp_graves_purge(&graves, &meter, now_ms, 100);
    assert_true(amp_meter_bytes(&meter) < most / 50);
    for (uint64_t i = 4990; i < 5000; i++) {
        id_from(id, i);
        assert_non_null(amp_graves_find(&graves, id, 0));
    }
    amp_graves_fini(&graves, &meter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slots_agree_with_an_array, fresh_meter, nothing_left),
        cmocka_unit_test_setup_teardown(slots_refuse_an_id_twice, fresh_meter, nothing_left),
        cmocka_unit_test_setup_teardown(entries_that_share_every_tag_bit_are_told_apart, fresh_meter, nothing_left),
        cmocka_unit_test_setup_teardown(slots_give_memory_back_after_a_burst, fresh_meter, nothing_left),
        cmocka_unit_test_setup_teardown(slots_stay_whole_where_the_budget_ends, fresh_meter, nothing_left),
        cmocka_unit_test_setup_teardown(graves_remember_the_youngest_and_forget_in_order, fresh_meter, nothing_left),
        cmocka_unit_test_setup_teardown(graves_give_way_where_the_budget_ends, fresh_meter, nothing_left),
        cmocka_unit_test_setup_teardown(graves_yield_the_oldest_half_by_half, fresh_meter, nothing_left),
        cmocka_unit_test_setup_teardown(graves_shrink_again, fresh_meter, nothing_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
