/* Wiping, comparing, growing buffers and hardening. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "../child.h"
#include "secret/secret.h"

static int start(void **state)
{
    return amp_secret_init(1 << 20, false) == AMP_OK ? 0 : -1;
}

static int stop(void **state)
{
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

static void wipe_clears_exactly_its_range(void **state)
{
    uint8_t bytes[64];
    memset(bytes, 0xaa, sizeof(bytes));
    amp_wipe(bytes + 8, 48);
    for (size_t i = 0; i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], i < 8 || i >= 56 ? 0xaa : 0);
    amp_wipe(NULL, 0);
}

enum { LITTER = 4096 };

static uintptr_t litter_place;

__attribute__((noinline, no_sanitize("address"))) static void litter_stack(void)
{
    volatile uint8_t litter[LITTER];
    for (size_t i = 0; i < LITTER; i++)
        litter[i] = 0xa5;
    litter_place = (uintptr_t)&litter;
}

/* Looks at the stack below, where litter_stack's frame was. */
__attribute__((noinline, no_sanitize("address"))) static size_t count_litter(void)
{
    size_t found = 0;
    for (size_t i = 0; i < LITTER; i++)
        found += ((volatile const uint8_t *)litter_place)[i] == 0xa5;
    return found;
}

static void stack_wipe_removes_what_earlier_calls_left(void **state)
{
    litter_stack();
    assert_true(count_litter() > LITTER / 2); /* else this test could not fail */
    litter_stack();
    amp_wipe_stack_8k();
#ifdef __OPTIMIZE__
    assert_int_equal(count_litter(), 0);
#else
    assert_true(count_litter() <= 16); /* unoptimised, the wiping call keeps its own variables there */
#endif
}

static void equal_sees_every_single_bit(void **state)
{
    uint8_t a[33], b[33];
    memset(a, 0x5a, sizeof(a));
    memcpy(b, a, sizeof(a));
    assert_true(amp_secret_equal(a, b, sizeof(a)));
    assert_true(amp_secret_equal(a, b, 0));
    for (size_t bit = 0; bit < sizeof(a) * 8; bit++) {
        b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(amp_secret_equal(a, b, sizeof(a)));
        b[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void buffer_grows_and_keeps_its_bytes(void **state)
{
    struct amp_secret_buf buf = {NULL, 0, 0};
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t byte = (uint8_t)(i * 7);
        assert_int_equal(amp_secret_buf_append(&buf, &byte, 1), AMP_OK);
    }
    assert_int_equal(buf.len, 5000);
    assert_true(buf.cap >= 5000);
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(buf.ptr[i], (uint8_t)(i * 7));
    amp_secret_buf_free(&buf);
    assert_null(buf.ptr);
    assert_int_equal(buf.len + buf.cap, 0);
    amp_secret_buf_free(&buf);
}

static void buffer_reserves_without_moving_when_there_is_room(void **state)
{
    struct amp_secret_buf buf = {NULL, 0, 0};
    assert_int_equal(amp_secret_buf_reserve(&buf, 0), AMP_OK);
    assert_int_equal(amp_secret_buf_append(&buf, NULL, 0), AMP_OK);
    assert_int_equal(amp_secret_buf_reserve(&buf, 1000), AMP_OK);
    const uint8_t *before = buf.ptr;
    assert_int_equal(amp_secret_buf_append(&buf, "abc", 3), AMP_OK);
    assert_int_equal(amp_secret_buf_reserve(&buf, 997), AMP_OK);
    assert_ptr_equal(buf.ptr, before);
    amp_secret_buf_free(&buf);
}

static void buffer_that_cannot_grow_stays_as_it_was(void **state)
{
    struct amp_secret_buf buf = {NULL, 0, 0};
    assert_int_equal(amp_secret_buf_append(&buf, "abc", 3), AMP_OK);
    struct amp_secret_buf before = buf;
    assert_int_equal(amp_secret_buf_reserve(&buf, 2 << 20), AMP_ERR_OUT_OF_MEMORY);
    assert_int_equal(amp_secret_buf_reserve(&buf, SIZE_MAX), AMP_ERR_OUT_OF_MEMORY);
    assert_memory_equal(&buf, &before, sizeof(buf));
    assert_memory_equal(buf.ptr, "abc", 3);
    amp_secret_buf_free(&buf);
}

static void buffer_is_wiped_when_cleared(void **state)
{
    struct amp_secret_buf buf = {NULL, 0, 0};
    assert_int_equal(amp_secret_buf_append(&buf, "4242424242424242", 16), AMP_OK);
    amp_secret_buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    static const uint8_t zeros[16];
    assert_memory_equal(buf.ptr, zeros, sizeof(zeros));
    amp_secret_buf_free(&buf);
}

static void buffer_moves_whole(void **state)
{
    struct amp_secret_buf from = {NULL, 0, 0}, to = {NULL, 0, 0};
    assert_int_equal(amp_secret_buf_append(&from, "abc", 3), AMP_OK);
    const uint8_t *bytes = from.ptr;
    amp_secret_buf_take(&to, &from);
    assert_ptr_equal(to.ptr, bytes);
    assert_int_equal(to.len, 3);
    assert_null(from.ptr);
    assert_int_equal(from.len + from.cap, 0);
    amp_secret_buf_free(&to);
}

static void move_over_another(void)
{
    uint8_t storage[2];
    struct amp_secret_buf from = {storage, 1, 1}, to = {storage + 1, 1, 1};
    amp_secret_buf_take(&to, &from);
}

static void buffer_move_over_another_aborts(void **state)
{
    assert_aborts(move_over_another, "moved over another");
}

static void harden(void)
{
    if (amp_secret_init(1 << 20, false) != AMP_OK)
        _exit(1);
    enum amp_secret_lock before = amp_secret_state();
    if (amp_secret_harden_process(false) != AMP_OK)
        _exit(2);
    struct rlimit core;
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0)
        _exit(3);
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        _exit(4);
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        _exit(5);
    if (amp_secret_state() == AMP_SECRET_MLOCK && before != AMP_SECRET_MLOCK)
        _exit(6);
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    static const int held[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGALRM, SIGUSR1, SIGPROF, SIGWINCH, SIGTSTP};
    for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
        if (!sigismember(&blocked, held[i]))
            _exit(7);
    }
    if (sigismember(&blocked, SIGABRT) || sigismember(&blocked, SIGSEGV) || sigismember(&blocked, SIGSYS))
        _exit(8);
}

static void hardened_process_has_no_cores_no_tracers_no_new_privileges_and_no_signals(void **state)
{
    assert_succeeds(harden);
}

/* As an ordinary user with RLIMIT_MEMLOCK 0: nothing can be locked. */
static void forbid_locking(void)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
        _exit(90);
    if (munlockall() != 0 || (mlock(&none, 1) == 0))
        _exit(77); /* this machine locks all the same */
}

static void init_unlocked(void)
{
    forbid_locking();
    if (amp_secret_init(1 << 20, true) != AMP_ERR_LOCK_REFUSED || amp_secret_alloc(1) != NULL)
        _exit(1);
    if (amp_secret_init(1 << 20, false) != AMP_OK)
        _exit(2);
    if (amp_secret_state() != AMP_SECRET_UNLOCKED || amp_secret_alloc(1) == NULL)
        _exit(3);
}

static void harden_unlocked(void)
{
    if (amp_secret_init(1 << 20, false) != AMP_OK)
        _exit(1);
    forbid_locking();
    if (amp_secret_harden_process(false) != AMP_OK)
        _exit(2);
    if (amp_secret_state() != AMP_SECRET_UNLOCKED)
        _exit(3);
    if (amp_secret_harden_process(true) != AMP_ERR_LOCK_REFUSED)
        _exit(4);
}

/* Sanitizers turn mlock into nothing, so that there is no refusal to see. */
static void assert_succeeds_where_locking_can_be_refused(void (*act)(void))
{
    int status = status_of_child(act);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void refused_lock_stops_production_and_is_told_in_development(void **state)
{
    assert_succeeds_where_locking_can_be_refused(init_unlocked);
}

static void refused_process_lock_is_told(void **state)
{
    assert_succeeds_where_locking_can_be_refused(harden_unlocked);
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wipe_clears_exactly_its_range),
        cmocka_unit_test(stack_wipe_removes_what_earlier_calls_left),
        cmocka_unit_test(equal_sees_every_single_bit),
        POOL_TEST(buffer_grows_and_keeps_its_bytes),
        POOL_TEST(buffer_reserves_without_moving_when_there_is_room),
        POOL_TEST(buffer_that_cannot_grow_stays_as_it_was),
        POOL_TEST(buffer_is_wiped_when_cleared),
        POOL_TEST(buffer_moves_whole),
        cmocka_unit_test(buffer_move_over_another_aborts),
        cmocka_unit_test(hardened_process_has_no_cores_no_tracers_no_new_privileges_and_no_signals),
        cmocka_unit_test(refused_lock_stops_production_and_is_told_in_development),
        cmocka_unit_test(refused_process_lock_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
