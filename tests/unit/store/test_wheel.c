/* The timing wheel against a naive model: a list that is searched. */
#include <stdbool.h>

#include "store/wheel.h"
#include "store_support.h"

#define NODES 512

struct world {
    struct amp_wheel wheel;
    struct amp_wheel_node nodes[NODES];
    bool inside[NODES];
    int64_t owed_ms[NODES]; /* when a perfect wheel would hand it out */
    int64_t now_ms;
};

static void insert(struct world *world, size_t i, int64_t due_ms)
{
    amp_wheel_insert(&world->wheel, &world->nodes[i], due_ms);
    world->inside[i] = true;
    world->owed_ms[i] = due_ms > world->now_ms ? due_ms : world->now_ms;
}

static size_t number_of(const struct world *world, const struct amp_wheel_node *node)
{
    size_t i = (size_t)(node - world->nodes);
    assert_true(i < NODES);
    return i;
}

/* Takes what is due with `work` at a time, and checks each. */
static size_t take_all(struct world *world, size_t work_at_once)
{
    size_t taken = 0;
    for (;;) {
        size_t work = work_at_once;
        struct amp_wheel_node *node;
        while ((node = amp_wheel_take(&world->wheel, world->now_ms, &work)) != NULL) {
            size_t i = number_of(world, node);
            assert_true(world->inside[i]);
            assert_true(node->due_ms <= world->now_ms);
            world->inside[i] = false;
            taken++;
        }
        if (work != 0)
            return taken;
    }
}

static void assert_nothing_late(const struct world *world)
{
    size_t inside = 0;
    for (size_t i = 0; i < NODES; i++) {
        inside += world->inside[i];
        if (world->inside[i])
            assert_true(world->owed_ms[i] > world->now_ms - AMP_WHEEL_TICK_MS);
    }
    assert_int_equal(inside, world->wheel.count);
}

static int64_t random_span(uint64_t *seed)
{
    static const int64_t spans_ms[] = {1, 64, 700, 5000, 300000, 20000000, 3000000000};
    int64_t span_ms = spans_ms[next_random(seed) % 7];
    return (int64_t)(next_random(seed) % (uint64_t)span_ms);
}

static void play(struct world *world, uint64_t seed, int steps)
{
    *world = (struct world){.now_ms = random_span(&seed)};
    amp_wheel_init(&world->wheel, world->now_ms);
    for (int step = 0; step < steps; step++) {
        size_t i = next_random(&seed) % NODES;
        if (world->inside[i] && next_random(&seed) % 3 == 0) {
            amp_wheel_cancel(&world->wheel, &world->nodes[i]);
            world->inside[i] = false;
        } else if (!world->inside[i]) {
            int64_t past_ms = world->now_ms < 200 ? world->now_ms : 200;
            insert(world, i, world->now_ms - past_ms + random_span(&seed));
        }
        if (next_random(&seed) % 8 == 0) {
            world->now_ms += random_span(&seed) / (int64_t)(1 + next_random(&seed) % 1000);
            /* now and then leave it half done, as a bounded sweep does, and go on inserting */
            size_t some = next_random(&seed) % 4;
            struct amp_wheel_node *node = amp_wheel_take(&world->wheel, world->now_ms, &some);
            if (node != NULL)
                world->inside[number_of(world, node)] = false;
            if (next_random(&seed) % 2 == 0) {
                take_all(world, 1 + next_random(&seed) % 50);
                assert_nothing_late(world);
            }
        }
    }
}

static void wheel_agrees_with_a_list_that_is_searched(void **state)
{
    static struct world world;
    for (uint64_t seed = 1; seed <= (SANITIZED ? 20 : 100); seed++)
        play(&world, seed, 20000);
}

static void nothing_is_early_and_nothing_over_a_tick_late(void **state)
{
    static struct world world;
    for (int64_t due_ms = 1; due_ms < 300000; due_ms = due_ms * 5 / 4 + 1) {
        world = (struct world){.now_ms = 0};
        amp_wheel_init(&world.wheel, 0);
        insert(&world, 0, due_ms);
        world.now_ms = due_ms - 1;
        assert_int_equal(take_all(&world, 10), 0);
        world.now_ms = due_ms + AMP_WHEEL_TICK_MS - 1;
        assert_int_equal(take_all(&world, 10), 1);
    }
}

static void a_time_beyond_the_last_level_waits(void **state)
{
    static struct world world;
    const int64_t month_ms = INT64_C(30) * 86400 * 1000;
    world = (struct world){.now_ms = 12345};
    amp_wheel_init(&world.wheel, world.now_ms);
    insert(&world, 0, month_ms);
    for (world.now_ms = 20000; world.now_ms < month_ms; world.now_ms += 3600 * 1000)
        assert_int_equal(take_all(&world, 10), 0);
    world.now_ms = month_ms + AMP_WHEEL_TICK_MS;
    assert_int_equal(take_all(&world, 10), 1);
}

static void work_is_bounded(void **state)
{
    static struct world world;
    world = (struct world){.now_ms = 0};
    amp_wheel_init(&world.wheel, 0);
    for (size_t i = 0; i < NODES; i++)
        insert(&world, i, 100000);
    size_t calls = 0, taken = 0;
    for (; taken < NODES; calls++) {
        size_t work = 10;
        while (amp_wheel_take(&world.wheel, 200000, &work) != NULL)
            taken++;
        assert_true(calls < 2 * NODES);
    }
    assert_true(calls >= 2 * NODES / 10); /* each was moved down once and taken once */
}

static void an_idle_year_costs_nothing(void **state)
{
    static struct world world;
    world = (struct world){.now_ms = 0};
    amp_wheel_init(&world.wheel, 0);
    world.now_ms = INT64_C(365) * 86400 * 1000;
    assert_int_equal(take_all(&world, 1), 0);
    insert(&world, 0, world.now_ms + 100);
    world.now_ms += 200;
    assert_int_equal(take_all(&world, 10), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wheel_agrees_with_a_list_that_is_searched),
        cmocka_unit_test(nothing_is_early_and_nothing_over_a_tick_late),
        cmocka_unit_test(a_time_beyond_the_last_level_waits),
        cmocka_unit_test(work_is_bounded),
        cmocka_unit_test(an_idle_year_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
