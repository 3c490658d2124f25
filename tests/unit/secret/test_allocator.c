/* The allocator that the executables are linked with. */
#include <openssl/crypto.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "../child.h"

static const size_t sizes[] = {8, 16, 64, 200, 1024, 4096, 16384};

static bool holds(const volatile uint8_t *bytes, size_t len, uint8_t value)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == value)
            return true;
    }
    return false;
}

/* The address is laundered: reading what was freed is the point of this test. */
static const volatile uint8_t *launder(void *ptr)
{
    __asm__ volatile("" : "+r"(ptr));
    return ptr;
}

static void freed_memory_is_overwritten(void **state)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *ptr = malloc(sizes[i]);
        const volatile uint8_t *look = launder(ptr);
        memset(ptr, 0xc3, sizes[i]);
        assert_true(holds(look, sizes[i], 0xc3));
        free(ptr);
        assert_false(holds(look, sizes[i], 0xc3));
    }
}

static void memory_left_by_realloc_is_overwritten(void **state)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *ptr = malloc(sizes[i]);
        const volatile uint8_t *look = launder(ptr);
        memset(ptr, 0xc3, sizes[i]);
        uint8_t *moved = realloc(ptr, sizes[i] * 5);
        assert_ptr_not_equal(moved, look);
        assert_false(holds(look, sizes[i], 0xc3));
        assert_int_equal(moved[0], 0xc3);
        assert_int_equal(moved[sizes[i] - 1], 0xc3);
        free(moved);
    }
}

/* A large object shrinks in place: the pages cut off go back to the allocator. */
static void memory_cut_off_by_realloc_is_overwritten(void **state)
{
    enum { LARGE = 1 << 20 };
    static const size_t kept[] = {LARGE / 2, 100, 1, 0};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        uint8_t *ptr = malloc(LARGE);
        const volatile uint8_t *look = launder(ptr);
        memset(ptr, 0xc3, LARGE);
        uint8_t *shrunk = realloc(ptr, kept[i]);
        assert_non_null(shrunk);
        assert_false(holds(look + (shrunk == look ? kept[i] : 0) + 1, 4095, 0xc3));
        assert_false(holds(look + LARGE - 4096, 4096, 0xc3));
        free(shrunk);
    }
    free(realloc(NULL, 10));
}

static void memory_freed_by_a_library_is_overwritten(void **state)
{
    uint8_t *ptr = OPENSSL_malloc(300);
    const volatile uint8_t *look = launder(ptr);
    memset(ptr, 0xc3, 300);
    ptr = OPENSSL_realloc(ptr, 9000);
    assert_false(holds(look, 300, 0xc3));
    look = launder(ptr);
    OPENSSL_free(ptr);
    assert_false(holds(look, 300, 0xc3));
}

static void start_with_wipe_switched_off(void)
{
    setenv("MALLOC_CONF", "junk:false", 1);
    execl("/proc/self/exe", "test_allocator", "exit", (char *)NULL);
    _exit(1);
}

static void start_as_is(void)
{
    execl("/proc/self/exe", "test_allocator", "exit", (char *)NULL);
    _exit(1);
}

static void a_program_that_would_not_wipe_does_not_start(void **state)
{
    assert_succeeds(start_as_is);
    assert_aborts(start_with_wipe_switched_off, "does not wipe freed memory");
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freed_memory_is_overwritten),
        cmocka_unit_test(memory_left_by_realloc_is_overwritten),
        cmocka_unit_test(memory_cut_off_by_realloc_is_overwritten),
        cmocka_unit_test(memory_freed_by_a_library_is_overwritten),
        cmocka_unit_test(a_program_that_would_not_wipe_does_not_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
