/*
 * Every allocation of the engine fails once, and every block it frees is searched for what should have been wiped. The
 * linker puts the functions below in place of the allocator's (--wrap).
 */
#include <malloc.h>
#include <sys/mman.h>

#include "house.h"

void *__real_malloc(size_t len);
void __real_free(void *ptr);
__attribute__((noinline)) void *__wrap_malloc(size_t len); /* else the compiler sees through it, and warns */
void __wrap_free(void *ptr);

static bool plays; /* the scene, and not what is around it */
static long fail_at;
static long allocations;
static long living;
static unsigned unwiped;
static unsigned searched;
static unsigned searched_pages;

void *__wrap_malloc(size_t len)
{
    if (plays && ++allocations == fail_at)
        return NULL;
    living += plays;
    return __real_malloc(len);
}

void __wrap_free(void *ptr)
{
    if (ptr != NULL && plays) {
        unwiped += memmem(ptr, malloc_usable_size(ptr), "sealed ", 7) != NULL;
        searched++;
        living--;
    }
    __real_free(ptr);
}

/* Pages of messages. */
void *__real_mmap64(void *at, size_t len, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t len);
int __real_madvise(void *at, size_t len, int advice);
void *__wrap_mmap64(void *at, size_t len, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t len);
int __wrap_madvise(void *at, size_t len, int advice);

void *__wrap_mmap64(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    if (plays && ++allocations == fail_at)
        return MAP_FAILED;
    living += plays;
    return __real_mmap64(at, len, protection, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t len)
{
    living -= plays;
    return __real_munmap(at, len);
}

/* Where a slab's memory goes back. */
int __wrap_madvise(void *at, size_t len, int advice)
{
    if (plays) {
        unwiped += memmem(at, len, "sealed ", 7) != NULL;
        searched_pages++;
    }
    return __real_madvise(at, len, advice);
}

/* True where it went well; where not, it was for want of memory. */
static bool spared(enum amp_err err)
{
    if (err == AMP_OK)
        return true;
    assert_true(fail_at != 0);
    assert_int_equal(err, AMP_ERR_OUT_OF_MEMORY);
    return false;
}

static struct house house;

static bool make(const char *name, const char *dead_letter)
{
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, amp_queue_name_is_fifo(text(name)));
    if (dead_letter != NULL)
        assert_int_equal(amp_queue_name_parse(&settings.dead_letter, text(dead_letter)), AMP_OK);
    settings.max_receives = 1;
    uint64_t before = stats(&house).queues;
    bool made = spared(create_with(&house, name, &settings));
    assert_int_equal(stats(&house).queues, before + made);
    return made;
}

static void sends(const char *queue)
{
    for (uint64_t i = 0; i < 12; i++) {
        struct draft d;
        draft(&d, &house, queue, i);
        id_from(d.in.group, i % 4);
        d.in.sender[0] = (uint8_t)('a' + i % 3);
        d.in.delay_ms = i == 5 ? 1000 : -1;
        uint64_t before = stats(&house).messages;
        bool sent = spared(send_draft(&house, &d));
        assert_false(house.sent.duplicate);
        assert_int_equal(stats(&house).messages, before + sent);
        assert_int_equal(peek(&house, queue, i), sent ? AMP_OK : AMP_ERR_NOT_FOUND);
        if (!sent) /* nothing of the first try is in the way of the second */
            assert_int_equal(send_draft(&house, &d), AMP_OK);
    }
}

/* Whatever fails: each message is in its queue, in flight, or in the dead-letter queue. */
static void plays_with(const char *queue, const char *dead)
{
    struct amp_receive receive = {.queue = text(queue), .most = 10, .visibility_ms = 0, .has_attempt = true};
    uint64_t all = stats(&house).messages;
    for (int i = 0; i < 6; i++) {
        amp_secret_buf_clear(&house.sealed);
        receive.attempt[0] = (uint8_t)i;
        spared(DO(&house, receive, &receive, house.out, &house.count, &house.sealed));
        assert_int_equal(stats(&house).messages, all);
        if (house.count > 2 && i < 2) {
            DO(&house, discard, text(queue), &house.out[0].receipt);
            all--;
        }
    }
    pass(&house, 2000);
    struct amp_move_task task;
    spared(DO(&house, move_start, text(dead), text(""), 0, &task));
    sweep(&house);
    assert_int_equal(stats(&house).messages, all);
}

static enum amp_err add_tag(void *ctx, struct amp_queue_settings *settings, struct amp_queue_tags *tags)
{
    return amp_queue_tags_set(tags, AMP_SLICE_LIT("key"), AMP_SLICE_LIT("value"));
}

static void scene(const char *queue, const char *dead)
{
    if (!spared(house_open(&house, amp_engine_memory_open, (size_t)1 << 30)))
        return;
    if (make(dead, NULL) && make(queue, dead)) {
        sends(queue);
        uint64_t before = house.dropped, purged;
        plays_with(queue, dead);
        spared(DO(&house, change, text(queue), add_tag, NULL));
        spared(DO(&house, purge, text(queue), &purged));
        assert_int_equal(house.dropped - before + stats(&house).messages, 12);
    }
    house_close(&house);
}

/* Plays the scene once without failure, and then with each of its allocations failing in turn. */
static void fail_each(const char *queue, const char *dead)
{
    long whole = 0;
    for (fail_at = 0; fail_at <= whole; fail_at++) {
        allocations = 0;
        living = 0;
        unwiped = 0;
        searched = 0;
        searched_pages = 0;
        plays = true;
        scene(queue, dead);
        plays = false;
        assert_int_equal(living, 0);
        assert_int_equal(unwiped, 0);
        assert_int_equal(house.budget.used_bytes, 0);
        if (fail_at == 0)
            whole = allocations;
        assert_true(fail_at != 0 || (searched > 5 && searched_pages > 0)); /* messages lie in pages */
    }
    fail_at = 0;
    assert_true(whole > 15);
}

static void standard_queues_without_memory_lose_and_leak_nothing(void **state)
{
    fail_each("q", "dead");
}

static void fifo_queues_without_memory_lose_and_leak_nothing(void **state)
{
    fail_each("q.fifo", "dead.fifo");
}

static void the_search_finds_what_was_not_wiped(void **state)
{
    unwiped = 0;
    plays = true;
    char *block = __wrap_malloc(64);
    assert_non_null(block);
    memcpy(block + 20, "sealed 1", 8);
    __wrap_free(block);
    plays = false;
    assert_int_equal(unwiped, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_queues_without_memory_lose_and_leak_nothing),
        cmocka_unit_test(fifo_queues_without_memory_lose_and_leak_nothing),
        cmocka_unit_test(the_search_finds_what_was_not_wiped),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
