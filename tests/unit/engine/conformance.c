/* Runs every suite against every engine. */
#include "conformance.h"

static const struct {
    const char *name;
    engine_open open;
} engines[] = {
    {"memory", amp_engine_memory_open},
};

static size_t at; /* the engine being tested */

engine_open tested_engine(void)
{
    return engines[at].open;
}

int enter_house(void **state)
{
    static struct house house;
    *state = &house;
    if (house_open(&house, tested_engine(), (size_t)64 << 20) != AMP_OK)
        return -1;
    return strcmp(house.engine.ops->name, engines[at].name);
}

int leave_house(void **state)
{
    struct house *house = *state;
    house_close(house);
    return house->budget.used_bytes == 0 ? 0 : -1;
}

int main(void)
{
    const struct suite *const suites[] = {&suite_queue, &suite_standard, &suite_fifo,  &suite_wait,
                                          &suite_push,  &suite_move,     &suite_limits};
    int failed = 0;
    for (at = 0; at < sizeof engines / sizeof engines[0]; at++) {
        for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
            failed +=
                _cmocka_run_group_tests(suites[i]->name, suites[i]->tests, suites[i]->count, start_rooms, end_rooms);
    }
    return failed;
}
