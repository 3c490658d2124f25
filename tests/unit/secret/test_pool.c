#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../child.h"
#include "secret/lock.h"

enum { CAP = 8 << 20 };

static const size_t sizes[] = {1,    15,   16,   17,   128,   129,   160,   161,   255,
                               1000, 4095, 4096, 4097, 16384, 16385, 20464, 20465, 70000};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

/* Reads memory that the sanitizer has been told nobody may read. */
__attribute__((no_sanitize("address"))) static bool all_are(const volatile uint8_t *bytes, size_t len, uint8_t value)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != value)
            return false;
    }
    return true;
}

__attribute__((no_sanitize("address"))) static void poke(volatile uint8_t *at)
{
    *at ^= 1;
}

/* Every test runs on each kind of pool that this kernel grants, as if it granted no better one. */
static enum amp_secret_lock kind;

static enum amp_err init(void)
{
    return amp_pool_init(CAP, false, kind);
}

static int start(void **state)
{
    return init() == AMP_OK ? 0 : -1;
}

static int stop(void **state)
{
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

static void memory_is_zeroed_aligned_and_writable_whole(void **state)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        uint8_t *ptr = amp_secret_alloc(sizes[i]);
        assert_non_null(ptr);
        assert_int_equal((uintptr_t)ptr % 16, 0);
        assert_true(all_are(ptr, sizes[i], 0));
        memset(ptr, 0xaa, sizes[i]);
        assert_int_equal(amp_secret_used(), sizes[i]);
        amp_secret_free(ptr);
    }
}

static void nothing_asked_for_is_still_an_object(void **state)
{
    void *a = amp_secret_alloc(0), *b = amp_secret_alloc(0);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    amp_secret_free(a);
    amp_secret_free(b);
    amp_secret_free(NULL);
}

static void small_memory_is_wiped_when_freed(void **state)
{
    for (size_t i = 0; i < SIZE_COUNT && sizes[i] <= 16384; i++) {
        uint8_t *ptr = amp_secret_alloc(sizes[i]);
        memset(ptr, 0xaa, sizes[i]);
        assert_true(all_are(ptr, sizes[i], 0xaa));
        amp_secret_free(ptr);
        assert_true(all_are(ptr, sizes[i], 0));
    }
}

static void reused_memory_is_zeroed(void **state)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        for (int round = 0; round < 3; round++) {
            uint8_t *ptr = amp_secret_alloc(sizes[i]);
            assert_true(all_are(ptr, sizes[i], 0));
            memset(ptr, 0xaa, sizes[i]);
            amp_secret_free(ptr);
        }
    }
}

static void resized_memory_keeps_its_beginning_and_the_rest_is_zero(void **state)
{
    static const size_t lens[] = {1, 16, 17, 300, 16384, 16385, 70000, 20464, 20465, 5000, 3};
    uint8_t *ptr = amp_secret_resize(NULL, 0);
    assert_non_null(ptr);
    for (size_t i = 0, kept = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        ptr = amp_secret_resize(ptr, lens[i]);
        if (kept > lens[i])
            kept = lens[i];
        assert_true(all_are(ptr, kept, 0xaa));
        assert_true(all_are(ptr + kept, lens[i] - kept, 0));
        assert_int_equal(amp_secret_used(), lens[i]);
        memset(ptr, 0xaa, lens[i]);
        kept = lens[i];
    }
    assert_null(amp_secret_resize(ptr, CAP + 1));
    assert_true(all_are(ptr, 3, 0xaa));
    amp_secret_free(ptr);
}

static void objects_never_overlap(void **state)
{
    enum { COUNT = 600 };
    static uint8_t *objects[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        objects[i] = amp_secret_alloc(i * 7);
        assert_non_null(objects[i]);
        memset(objects[i], (int)(i % 251), i * 7);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(all_are(objects[i], i * 7, (uint8_t)(i % 251)));
        amp_secret_free(objects[i]);
    }
}

/* TLS's buffers: three share a slab, so that none opens and fences pages of its own. */
static void what_holds_a_record_is_small(void **state)
{
    uint8_t *first = amp_secret_alloc(17 * 1024);
    size_t held = amp_secret_held();
    uint8_t *second = amp_secret_alloc(17 * 1024), *third = amp_secret_alloc(20464);
    assert_int_equal(amp_secret_held(), held);
    uint8_t *large = amp_secret_alloc(20465);
    assert_int_equal(amp_secret_held(), held + 6 * 4096);
    amp_secret_free(large);
    assert_int_equal(amp_secret_held(), held);
    assert_in_range(held, amp_secret_used(), amp_secret_cap());
    assert_in_range(amp_secret_cap(), CAP, CAP + 2 * 4096);
    amp_secret_free(first);
    amp_secret_free(second);
    amp_secret_free(third);
}

static size_t fill(void **objects, size_t max, size_t len)
{
    size_t count = 0;
    while (count < max && (objects[count] = amp_secret_alloc(len)) != NULL)
        count++;
    return count;
}

static void release(void **objects, size_t count)
{
    while (count != 0)
        amp_secret_free(objects[--count]);
}

static void cap_holds_and_full_pool_is_whole_again_after_frees(void **state)
{
    enum { MAX = CAP / 64 };
    void **objects = calloc(MAX, sizeof(*objects));
    static const size_t lens[] = {100, 4096, 5000, 16384, 17000, 100000, 100};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        size_t count = fill(objects, MAX, lens[i]);
        assert_in_range(count * lens[i], CAP / 2, CAP);
        assert_null(amp_secret_alloc(lens[i]));
        release(objects, count);
        assert_int_equal(fill(objects, MAX, lens[i]), count);
        release(objects, count);
    }
    free(objects);
}

static void what_was_freed_is_at_hand_and_empty(void **state)
{
    uint8_t *first = amp_secret_alloc(40);
    memset(first, 0xaa, 40);
    amp_secret_free(first);
    assert_int_equal(amp_secret_used(), 0);
    uint8_t *again = amp_secret_alloc(48);
    assert_ptr_equal(again, first);
    assert_true(all_are(again, 48, 0));
    amp_secret_free(again);
}

/* More than three slabs of them. */
enum { MANY = 700, MANY_LEN = 256 };

static void *take_and_free_many(void *unused)
{
    void *objects[MANY];
    assert_int_equal(fill(objects, MANY, MANY_LEN), MANY);
    release(objects, MANY);
    return NULL;
}

/* And what a thread frees for another is at hand to the one that freed it. */
static void a_thread_that_ends_keeps_nothing(void **state)
{
    void *objects[MANY];
    size_t held[3];
    for (size_t i = 0; i < 3; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, take_and_free_many, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(amp_secret_used(), 0);
        held[i] = amp_secret_held();
    }
    assert_in_range(held[0], 1, 2 * 16 * 4096); /* one empty slab is kept */
    assert_int_equal(held[1], held[0]);
    assert_int_equal(held[2], held[0]);
    assert_int_equal(fill(objects, MANY, MANY_LEN), MANY);
    release(objects, MANY);
    assert_int_equal(amp_secret_used(), 0);
}

static void more_than_the_cap_is_refused(void **state)
{
    assert_null(amp_secret_alloc(CAP + 1));
    assert_null(amp_secret_alloc(SIZE_MAX));
    assert_null(amp_secret_alloc(SIZE_MAX - 4095));
    void *small = amp_secret_alloc(32);
    assert_non_null(small);
    amp_secret_free(small);
}

static void init_in_child(void)
{
    if (init() != AMP_OK)
        _exit(99);
}

static void free_small_twice(void)
{
    init_in_child();
    void *ptr = amp_secret_alloc(100);
    amp_secret_free(ptr);
    amp_secret_free(ptr);
}

static void free_large_twice(void)
{
    init_in_child();
    void *ptr = amp_secret_alloc(100000);
    amp_secret_free(ptr);
    amp_secret_free(ptr);
}

static void free_foreign(void)
{
    static uint8_t foreign[64];
    init_in_child();
    amp_secret_free(foreign);
}

static void free_middle_of_small(void)
{
    init_in_child();
    uint8_t *ptr = amp_secret_alloc(100);
    amp_secret_free(ptr + 16);
}

static void free_middle_of_large(void)
{
    init_in_child();
    uint8_t *ptr = amp_secret_alloc(100000);
    amp_secret_free(ptr + 4096);
}

static void free_after_overrun_by_one(void)
{
    init_in_child();
    uint8_t *ptr = amp_secret_alloc(100);
    poke(ptr + 100);
    amp_secret_free(ptr);
}

static void free_after_overrun_of_exact_class(void)
{
    init_in_child();
    uint8_t *ptr = amp_secret_alloc(16384);
    poke(ptr + 16384);
    amp_secret_free(ptr);
}

static void init_twice(void)
{
    init_in_child();
    _exit(init() == AMP_OK ? 1 : 2);
}

static void misuse_aborts(void **state)
{
    assert_aborts(free_small_twice, "freed that is not in use");
    assert_aborts(free_large_twice, "no secret object");
    assert_aborts(free_foreign, "no secret object");
    assert_aborts(free_middle_of_small, "freed that is not in use");
    assert_aborts(free_middle_of_large, "freed from its middle");
    assert_aborts(free_after_overrun_by_one, "past its end");
    assert_aborts(free_after_overrun_of_exact_class, "past its end");
    assert_aborts(init_twice, "started twice");
}

static void write_behind_large(void)
{
    init_in_child();
    poke((uint8_t *)amp_secret_alloc(100000) + 100000);
}

static void write_page_before_large(void)
{
    init_in_child();
    uint8_t *ptr = amp_secret_alloc(24576);
    poke(ptr - 4096);
}

static void write_freed_large(void)
{
    init_in_child();
    uint8_t *ptr = amp_secret_alloc(24576);
    amp_secret_free(ptr);
    poke(ptr);
}

static void write_behind_slab(void)
{
    init_in_child();
    uint8_t *ptr = amp_secret_alloc(4096); /* the first slot of the first slab */
    poke(ptr + 15 * 4096);
}

static uint8_t *inherited;

static void look_for_parents_secret(void)
{
    _exit(all_are(inherited, 100, 0xaa) ? 1 : 0);
}

static void guard_pages_fault(void **state)
{
    assert_faults(write_behind_large);
    assert_faults(write_page_before_large);
    assert_faults(write_freed_large);
    assert_faults(write_behind_slab);
}

static void a_forked_child_has_no_copy(void **state)
{
    inherited = amp_secret_alloc(100);
    memset(inherited, 0xaa, 100);
    int status = status_of_child(look_for_parents_secret);
    /* A sanitizer may have put something of its own in the gap; else the read faults. */
    assert_true(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGSEGV);
    amp_secret_free(inherited);
}

/* The VmFlags line of the mapping that holds `ptr`, from /proc/self/smaps. */
static void read_vm_flags(const void *ptr, char *flags, size_t cap)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    assert_non_null(smaps);
    char line[512];
    bool here = false;
    flags[0] = '\0';
    while (fgets(line, sizeof(line), smaps) != NULL) {
        char *rest;
        unsigned long first = strtoul(line, &rest, 16);
        if (rest != line && *rest == '-')
            here = first <= (uintptr_t)ptr && (uintptr_t)ptr < strtoul(rest + 1, NULL, 16);
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            snprintf(flags, cap, "%s", line + 8);
    }
    fclose(smaps);
}

static void pages_stay_out_of_dumps_forks_and_swap(void **state)
{
    static const size_t lens[] = {100, 100000};
    for (size_t i = 0; i < 2; i++) {
        char flags[512];
        void *ptr = amp_secret_alloc(lens[i]);
        read_vm_flags(ptr, flags, sizeof(flags));
        assert_non_null(strstr(flags, " dd"));
        assert_non_null(strstr(flags, " dc"));
        assert_int_equal(strstr(flags, " lo") != NULL, amp_secret_state() != AMP_SECRET_UNLOCKED);
        amp_secret_free(ptr);
    }
}

/* As the kernel reads it for whoever may: a debugger, a scanner, root. -1 and errno, or what was read. */
static ssize_t read_by_kernel(const void *ptr, void *out, size_t len)
{
    int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t got = pread(fd, out, len, (off_t)(uintptr_t)ptr);
    int error = errno;
    close(fd);
    errno = error;
    return got;
}

static void secret_memory_is_read_by_nobody_but_this_process(void **state)
{
    static const size_t lens[] = {100, 100000};
    for (size_t i = 0; i < 2; i++) {
        uint8_t seen[100] = {0}, *ptr = amp_secret_alloc(lens[i]);
        memset(ptr, 0xaa, lens[i]);
        ssize_t got = read_by_kernel(ptr, seen, sizeof(seen));
        if (kind == AMP_SECRET_MEMFD) {
            assert_int_equal(got, -1);
            assert_int_equal(errno, EIO);
            assert_true(all_are(seen, sizeof(seen), 0));
        } else { /* else this test could not fail */
            assert_int_equal(got, sizeof(seen));
            assert_true(all_are(seen, sizeof(seen), 0xaa));
        }
        amp_secret_free(ptr);
    }
}

static size_t count_fds(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* Whoever could take it out of this process would have the pages. */
static void no_descriptor_of_the_pool_stays_open(void **state)
{
    size_t before = count_fds();
    assert_int_equal(init(), AMP_OK);
    assert_int_equal(count_fds(), before);
    amp_secret_free(amp_secret_alloc(100));
    assert_int_equal(count_fds(), before);
    amp_secret_fini();
}

static void the_pool_tells_what_it_got(void **state)
{
    static const char *const names[] = {"unlocked", "mlock", "secretmem"};
    assert_int_equal(amp_secret_state(), kind);
    assert_string_equal(amp_secret_lock_name(kind), names[kind]);
}

static void fini_in_use(void)
{
    init_in_child();
    void *small = amp_secret_alloc(10), *large = amp_secret_alloc(30000);
    if (small == NULL || large == NULL)
        _exit(1);
    amp_secret_fini();
    if (amp_secret_used() != 0 || amp_secret_alloc(10) != NULL || amp_secret_state() != AMP_SECRET_UNLOCKED)
        _exit(2);
    if (init() != AMP_OK || amp_secret_alloc(10) == NULL)
        _exit(3);
    amp_secret_fini();
}

static void fini_frees_all_and_init_starts_anew(void **state)
{
    assert_succeeds(fini_in_use);
}

enum { THREADS = 4, HELD = 64 };

static void *churn(void *seed)
{
    uint8_t *held[HELD] = {NULL};
    size_t len[HELD] = {0};
    uint32_t random = (uint32_t)(uintptr_t)seed;
    for (int round = 0; round < 20000; round++) {
        random = random * 1664525 + 1013904223;
        size_t i = random >> 26;
        if (held[i] != NULL && !all_are(held[i], len[i], (uint8_t)(uintptr_t)seed))
            return held[i];
        amp_secret_free(held[i]);
        len[i] = random % 97 == 0 ? random >> 16 : (random >> 8) % 700;
        held[i] = amp_secret_alloc(len[i]);
        if (held[i] != NULL && !all_are(held[i], len[i], 0))
            return held[i];
        if (held[i] != NULL)
            memset(held[i], (int)(uintptr_t)seed, len[i]);
    }
    for (size_t i = 0; i < HELD; i++)
        amp_secret_free(held[i]);
    return NULL;
}

static void threads_never_get_each_others_memory(void **state)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *trouble = NULL;
        pthread_join(threads[i], &trouble);
        assert_null(trouble);
    }
    assert_int_equal(amp_secret_used(), 0);
}

static void *free_it(void *ptr)
{
    amp_secret_free(ptr);
    return NULL;
}

static void one_thread_may_free_what_another_took(void **state)
{
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, free_it, amp_secret_alloc(i % 2 ? 50 : 50000)), 0);
        pthread_join(thread, NULL);
    }
    assert_int_equal(amp_secret_used(), 0);
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

/* Asked without the pool, which may not settle for less than it could have. */
static bool kernel_grants(enum amp_secret_lock wanted)
{
    enum { ASKED = CAP + 8192 };
    void *base = mmap(NULL, ASKED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool locks = mlock2(base, ASKED, MLOCK_ONFAULT) == 0;
    munmap(base, ASKED);
    if (wanted != AMP_SECRET_MEMFD)
        return locks || wanted == AMP_SECRET_UNLOCKED;
    int fd = (int)syscall(SYS_memfd_secret, 0);
    if (fd >= 0)
        close(fd);
    return locks && fd >= 0;
}

static int test_kind(enum amp_secret_lock wanted, const char *name)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(memory_is_zeroed_aligned_and_writable_whole),
        POOL_TEST(nothing_asked_for_is_still_an_object),
        POOL_TEST(small_memory_is_wiped_when_freed),
        POOL_TEST(reused_memory_is_zeroed),
        POOL_TEST(resized_memory_keeps_its_beginning_and_the_rest_is_zero),
        POOL_TEST(objects_never_overlap),
        POOL_TEST(cap_holds_and_full_pool_is_whole_again_after_frees),
        POOL_TEST(more_than_the_cap_is_refused),
        POOL_TEST(what_holds_a_record_is_small),
        POOL_TEST(what_was_freed_is_at_hand_and_empty),
        POOL_TEST(a_thread_that_ends_keeps_nothing),
        cmocka_unit_test(misuse_aborts),
        cmocka_unit_test(guard_pages_fault),
        POOL_TEST(a_forked_child_has_no_copy),
        POOL_TEST(pages_stay_out_of_dumps_forks_and_swap),
        POOL_TEST(the_pool_tells_what_it_got),
        POOL_TEST(secret_memory_is_read_by_nobody_but_this_process),
        cmocka_unit_test(no_descriptor_of_the_pool_stays_open),
        cmocka_unit_test(fini_frees_all_and_init_starts_anew),
        POOL_TEST(threads_never_get_each_others_memory),
        POOL_TEST(one_thread_may_free_what_another_took),
    };
    kind = wanted;
    if (!kernel_grants(wanted)) {
        print_message("skipped: this machine grants no pool of the kind %s\n", name);
        return 0;
    }
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return test_kind(AMP_SECRET_UNLOCKED, "unlocked") + test_kind(AMP_SECRET_MLOCK, "mlock") +
           test_kind(AMP_SECRET_MEMFD, "secretmem");
}
