/* The ground of the pool: which pages a run gets, and what finding them costs. */
#include <time.h>

#include "../support.h"
#include "secret/arena.h"

enum { PAGES = 400, RUNS = 64, SIZE_MOST = 100, STEPS = 100000, MANY = 8000, LOOKS = 200 };

static size_t page_of(const struct amp_arena_run *run, const uint8_t *ground)
{
    return (size_t)(run->base - ground) / AMP_ARENA_PAGE;
}

/* The first row of free pages, found the slow way; 0 where there is none. */
static size_t first_fit(const bool *taken, size_t wanted)
{
    for (size_t first = 1; first + wanted <= PAGES; first++) {
        size_t free_ones = 0;
        while (free_ones < wanted && !taken[first + free_ones])
            free_ones++;
        if (free_ones == wanted)
            return first;
    }
    return 0;
}

static void mark(bool *taken, size_t first, size_t pages, bool value)
{
    for (size_t i = 0; i < pages; i++)
        taken[first + i] = value;
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void toggle(struct amp_arena_run *run, bool *taken, const uint8_t *ground, size_t pages)
{
    if (run->base != NULL) {
        mark(taken, page_of(run, ground), run->pages + 1, false);
        amp_arena_close(run);
        run->base = NULL;
        return;
    }
    run->pages = pages;
    const size_t first = first_fit(taken, pages + 1);
    assert_int_equal(amp_arena_open(run), first != 0);
    if (first == 0)
        return;
    assert_int_equal(page_of(run, ground), first);
    mark(taken, first, pages + 1, true);
}

/* Small runs and large ones, opened and closed in any order. */
static void a_run_begins_at_the_first_row_of_free_pages(void **state)
{
    static bool taken[PAGES];
    static struct amp_arena_run runs[RUNS];
    struct amp_arena_run probe = {.pages = 1};
    enum amp_secret_lock lock;
    uint32_t random = 1;
    assert_int_equal(amp_arena_init((PAGES - 1) * AMP_ARENA_PAGE, AMP_SECRET_UNLOCKED, &lock), AMP_OK);
    assert_int_equal(amp_arena_cap(), PAGES * AMP_ARENA_PAGE);
    assert_true(amp_arena_open(&probe));
    const uint8_t *ground = probe.base - AMP_ARENA_PAGE;
    amp_arena_close(&probe);
    for (int step = 0; step < STEPS; step++) {
        const size_t most = next(&random) % 8 == 0 ? SIZE_MOST : 6;
        toggle(&runs[next(&random) % RUNS], taken, ground, 1 + next(&random) % most);
    }
    amp_arena_fini();
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The quickest of many looks: nothing but the work itself is in all of them. */
static int64_t cost_ns(void)
{
    int64_t best = INT64_MAX;
    for (int look = 0; look < LOOKS; look++) {
        struct amp_arena_run run = {.pages = 1};
        const int64_t start = now_ns();
        assert_true(amp_arena_open(&run));
        amp_arena_close(&run);
        const int64_t took = now_ns() - start;
        best = took < best ? took : best;
    }
    return best;
}

/* Thousands of connections hold some runs each: a handshake beside them does not pass all of them again and again. */
static void a_run_costs_no_more_beside_thousands(void **state)
{
    static struct amp_arena_run runs[MANY];
    enum amp_secret_lock lock;
    assert_int_equal(amp_arena_init((size_t)3 * MANY * AMP_ARENA_PAGE, AMP_SECRET_UNLOCKED, &lock), AMP_OK);
    const int64_t alone = cost_ns();
    for (size_t i = 0; i < MANY; i++) {
        runs[i].pages = 1;
        assert_true(amp_arena_open(&runs[i]));
    }
    const int64_t beside = cost_ns();
    print_message("%lld ns alone, %lld beside %d\n", (long long)alone, (long long)beside, MANY);
    assert_true(beside < 4 * alone + 4000);
    amp_arena_fini();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_begins_at_the_first_row_of_free_pages),
        cmocka_unit_test(a_run_costs_no_more_beside_thousands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
