/* What every engine must do: suites of tests, each run against each engine. `*state` is an open house. */
#ifndef AMP_TESTS_ENGINE_CONFORMANCE_H
#define AMP_TESTS_ENGINE_CONFORMANCE_H

#include "house.h"

struct suite {
    const char *name;
    const struct CMUnitTest *tests;
    size_t count;
};

extern const struct suite suite_queue, suite_standard, suite_fifo, suite_wait, suite_push, suite_move, suite_limits;

/* How the engine that is being tested is opened. */
engine_open tested_engine(void);

/* Around each test: an empty engine, and afterwards no byte of it left. */
int enter_house(void **state);
int leave_house(void **state);
#define TEST(function) cmocka_unit_test_setup_teardown(function, enter_house, leave_house)
#define SUITE(what)                                                                                                    \
    {                                                                                                                  \
#what, what##_tests, sizeof what##_tests / sizeof what##_tests[0]                                              \
    }

#endif
