/* Which steps of the wall clock are an alarm, and that those of a slow clock are none. */
#include "../support.h"

#include "scribe/watch.h"

struct scene {
    struct amp_clock_fake time;
    struct amp_clock_watch watch;
    struct amp_event event;
};

static int setup(void **state)
{
    static struct scene scene;
    scene = (struct scene){.time = {.unix_ms = 1700000000000, .mono_ms = 5000}};
    amp_clock_watch_init(&scene.watch, amp_clock_fake(&scene.time));
    *state = &scene;
    return 0;
}

/* A second goes by, and somebody sets the wall clock `step_ms` further. */
static bool jumps(struct scene *scene, int64_t step_ms)
{
    amp_clock_fake_advance(&scene->time, 1000);
    scene->time.unix_ms += step_ms;
    return amp_clock_watch_look(&scene->watch, &scene->event);
}

static void time_that_goes_by_is_no_jump(void **state)
{
    struct scene *scene = *state;
    for (int i = 0; i < 100; i++)
        assert_false(jumps(scene, 0));
    amp_clock_fake_advance(&scene->time, INT64_C(30) * 24 * 3600 * 1000); /* a machine that slept */
    assert_false(amp_clock_watch_look(&scene->watch, &scene->event));
}

static void a_step_is_an_alarm_in_either_direction(void **state)
{
    struct scene *scene = *state;
    static const int64_t steps_ms[] = {AMP_CLOCK_JUMP_MS, -AMP_CLOCK_JUMP_MS, 86400000, -86400000};
    for (size_t i = 0; i < sizeof(steps_ms) / sizeof(steps_ms[0]); i++) {
        assert_true(jumps(scene, steps_ms[i]));
        assert_int_equal(scene->event.act, AMP_ACT_CLOCK_JUMP);
        assert_int_equal(scene->event.outcome, AMP_OUTCOME_FAILURE);
        assert_true(scene->event.alarm);
        assert_true(scene->event.unix_ms == scene->time.unix_ms);
        assert_true(scene->event.count == (uint64_t)(steps_ms[i] < 0 ? -steps_ms[i] : steps_ms[i]));
        assert_false(jumps(scene, 0)); /* told once */
    }
}

static void a_smaller_step_is_none_however_often_it_comes(void **state)
{
    struct scene *scene = *state;
    for (int i = 0; i < 100; i++)
        assert_false(jumps(scene, AMP_CLOCK_JUMP_MS - 1));
    for (int i = 0; i < 100; i++)
        assert_false(jumps(scene, 1 - AMP_CLOCK_JUMP_MS));
}

static void a_jump_while_nobody_looked_is_told_at_the_next_look(void **state)
{
    struct scene *scene = *state;
    scene->time.unix_ms += 2 * AMP_CLOCK_JUMP_MS;
    amp_clock_fake_advance(&scene->time, 3600000);
    assert_true(amp_clock_watch_look(&scene->watch, &scene->event));
    assert_true(scene->event.count == 2 * AMP_CLOCK_JUMP_MS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(time_that_goes_by_is_no_jump, setup),
        cmocka_unit_test_setup(a_step_is_an_alarm_in_either_direction, setup),
        cmocka_unit_test_setup(a_smaller_step_is_none_however_often_it_comes, setup),
        cmocka_unit_test_setup(a_jump_while_nobody_looked_is_told_at_the_next_look, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
