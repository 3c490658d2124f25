/* Blocks out of slabs: what they are, what they count for, that they are wiped, and that their memory comes back. */
#include "../support.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/size.h"
#include "engine/slabs.h"

#define CAP    ((size_t)64 << 20)
#define BLOCKS 5000

struct block {
    uint8_t *ptr;
    size_t size;
    uint8_t at;
};

static struct amp_budget budget;
static struct amp_meter meter;
static struct amp_slabs slabs;
static struct block blocks[BLOCKS];

static int setup(void **state)
{
    amp_budget_init(&budget, CAP);
    amp_meter_init(&meter, &budget, 1);
    amp_slabs_init(&slabs, &meter);
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(amp_meter_bytes(&meter), 0);
    assert_int_equal(budget.used_bytes, 0);
    amp_slabs_fini(&slabs);
    return 0;
}

static struct block take(size_t size)
{
    struct block block = {.size = size};
    void *ptr;
    assert_int_equal(amp_slabs_take(&slabs, size, &ptr, &block.at), AMP_OK);
    block.ptr = ptr;
    return block;
}

static void give(struct block *block)
{
    amp_slabs_give(&slabs, block->ptr, block->size, block->at);
    block->ptr = NULL;
}

static bool is_filled_with(const struct block *block, uint8_t byte)
{
    for (size_t i = 0; i < block->size; i++) {
        if (block->ptr[i] != byte)
            return false;
    }
    return true;
}

/* All sizes, taken and given back in an order that mixes them: nobody writes into another's. */
static void blocks_do_not_overlap(void **state)
{
    size_t counted = 0;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            struct block *block = &blocks[i * 7919 % BLOCKS];
            if (block->ptr != NULL)
                continue;
            *block = take(1 + i * 31 % (AMP_SLABS_MOST + 100));
            assert_int_equal((uintptr_t)block->ptr % AMP_SLABS_STEP, 0);
            counted += amp_slabs_cost(block->ptr, block->size);
            memset(block->ptr, (int)((size_t)(block - blocks) % 251), block->size);
        }
        assert_int_equal(amp_meter_bytes(&meter), counted);
        assert_int_equal(budget.used_bytes, counted);
        for (size_t i = 0; i < BLOCKS; i++)
            assert_true(is_filled_with(&blocks[i], (uint8_t)(i % 251)));
        for (size_t i = (size_t)round; i < BLOCKS; i += round < 2 ? 3 : 1) {
            if (blocks[i].ptr == NULL)
                continue;
            counted -= amp_slabs_cost(blocks[i].ptr, blocks[i].size);
            give(&blocks[i]);
        }
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].ptr != NULL)
            give(&blocks[i]);
    }
}

/* The last block given is the next one taken: but for the byte that linked it, nothing of it is left. */
static void what_is_given_back_is_wiped(void **state)
{
    for (size_t size = 104; size <= AMP_SLABS_MOST; size += 8) {
        struct block stays = take(size), goes = take(size);
        const uint8_t *was = goes.ptr;
        memset(goes.ptr, 0x5c, size);
        give(&goes);
        goes = take(size);
        assert_ptr_equal(goes.ptr, was);
        for (size_t i = 1; i < size; i++)
            assert_int_equal(goes.ptr[i], 0);
        give(&goes);
        give(&stays);
    }
}

static size_t resident(void)
{
    size_t size, pages;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &size, &pages), 2);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t mappings(void)
{
    size_t lines = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    assert_non_null(file);
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

/* As front's memory is, where it may be. */
static bool lock(void)
{
    if (mlockall(MCL_FUTURE | MCL_ONFAULT) != 0)
        return false;
    void *probe = mmap(NULL, CAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED) { /* RLIMIT_MEMLOCK */
        munlockall();
        return false;
    }
    munmap(probe, CAP);
    return true;
}

/* Every other slab is emptied: half of the memory comes back, and the kernel has no more mappings to remember. */
static void holes_are_given_back_without_mappings(void **state)
{
    enum { MANY = 40000, OF_ONE = 23 };
    static struct block many[MANY];
    bool locked = lock();
    size_t before = mappings();
    for (size_t i = 0; i < MANY; i++) {
        many[i] = take(AMP_SLABS_MOST);
        memset(many[i].ptr, 1, AMP_SLABS_MOST);
    }
    size_t full = resident();
    for (size_t i = 0; i < MANY; i++) {
        if (i / OF_ONE % 2 == 0)
            give(&many[i]);
    }
    assert_true(resident() + MANY / 2 * AMP_SLABS_MOST < full + ((size_t)4 << 20));
    assert_true(mappings() < before + 60);
    for (size_t i = 0; i < MANY; i++) {
        if (many[i].ptr != NULL)
            give(&many[i]);
    }
    assert_true(resident() + MANY * AMP_SLABS_MOST < full + ((size_t)4 << 20));
    assert_int_equal(locked ? munlockall() : 0, 0);
}

/* Of 200 bytes of text with what lies around it in a queue: 360. A step or two of eight, no more. */
static void little_is_lost_around_a_block(void **state)
{
    for (size_t size = 128; size <= 512; size += 8)
        assert_in_range(amp_slabs_cost(NULL, size), size, size + size / 20);
    assert_in_range(amp_slabs_cost(NULL, 360), 360, 362);
    assert_int_equal(amp_slabs_cost(NULL, 353), amp_slabs_cost(NULL, 360));
}

static void at_the_cap_nothing_is_taken(void **state)
{
    for (size_t size = 100; size <= 2 * AMP_SLABS_MOST; size += 1948) {
        void *ptr = &ptr;
        uint8_t at;
        budget.cap_bytes = 99;
        assert_int_equal(amp_slabs_take(&slabs, size, &ptr, &at), AMP_ERR_VAULT_FULL);
        assert_null(ptr);
        assert_int_equal(budget.used_bytes, 0);
        budget.cap_bytes = CAP;
    }
}

/* All but one block of each slab is given back, size by size: what is mapped for them stays within the budget. */
static void what_lies_idle_is_within_the_budget(void **state)
{
    const size_t slab_len = 24 * 1024, cap = (size_t)4 << 20, idle_least = (size_t)3 << 20;
    size_t kept = 0, refused = 0;
    budget.cap_bytes = cap;
    for (size_t size = AMP_SLABS_LEAST; size <= AMP_SLABS_MOST; size += AMP_SLABS_STEP) {
        struct block block = {.size = size};
        size_t end = kept;
        void *ptr;
        for (; end < BLOCKS && amp_slabs_take(&slabs, size, &ptr, &block.at) == AMP_OK; end++) {
            block.ptr = ptr;
            blocks[end] = block;
        }
        refused += end < BLOCKS;
        for (size_t i = kept; i < end; i++) {
            block = blocks[i];
            if (block.at == 0)
                blocks[kept++] = block;
            else
                give(&block);
        }
        assert_true(kept * slab_len <= cap + idle_least);
    }
    assert_true(refused > 0);
    for (size_t i = 0; i < kept; i++)
        give(&blocks[i]);
    memset(blocks, 0, sizeof blocks);
    budget.cap_bytes = CAP;
    struct block again = take(AMP_SLABS_MOST);
    give(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_do_not_overlap, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_given_back_is_wiped, setup, teardown),
        cmocka_unit_test_setup_teardown(holes_are_given_back_without_mappings, setup, teardown),
        cmocka_unit_test_setup_teardown(little_is_lost_around_a_block, setup, teardown),
        cmocka_unit_test_setup_teardown(at_the_cap_nothing_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(what_lies_idle_is_within_the_budget, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
