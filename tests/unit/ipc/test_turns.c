/* What a handler leaves on the stack is gone when the next turn begins. */
#include <event2/event.h>
#include <string.h>

#include "../support.h"
#include "ipc/role.h"

#define PAN "4539578763621486"

/* Libraries beneath a handler leave things this deep. */
enum { DEPTH = 24 * 1024, LITTER = 512 };

static struct event_base *base;
static struct event *second;
static size_t found;
static uintptr_t litter_place;
static bool wiped_by_nobody;

__attribute__((noinline, no_sanitize("address"))) static void litter(void)
{
    volatile uint8_t bytes[DEPTH];
    for (size_t i = 0; i < LITTER; i++)
        bytes[i] = (uint8_t)PAN[i % 16];
    litter_place = (uintptr_t)&bytes;
}

__attribute__((noinline, no_sanitize("address"))) static size_t count_litter(void)
{
    size_t count = 0;
    for (size_t i = 0; i < LITTER; i++)
        count += ((volatile const uint8_t *)litter_place)[i] == (uint8_t)PAN[i % 16];
    return count;
}

static void on_second(evutil_socket_t fd, short what, void *ctx)
{
    found = count_litter();
    (void)event_base_loopbreak(base);
}

static void on_first(evutil_socket_t fd, short what, void *ctx)
{
    litter();
    wiped_by_nobody = count_litter() == LITTER; /* else this test could not fail */
    static const struct timeval soon = {0, 1000};
    (void)event_add(second, &soon); /* in a turn of its own */
}

static void what_a_handler_left_is_gone_in_the_next_turn(void **state)
{
    static const struct timeval at_once = {0, 0};
    base = event_base_new();
    struct event *first = event_new(base, -1, 0, on_first, NULL);
    second = event_new(base, -1, 0, on_second, NULL);
    assert_int_equal(event_add(first, &at_once), 0);
    amp_role_serve(base);
    assert_true(wiped_by_nobody);
    assert_int_equal(found, 0);
    event_free(first);
    event_free(second);
    event_base_free(base);
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("skipped: a sanitizer keeps stacks of its own\n");
    return 77;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_handler_left_is_gone_in_the_next_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
