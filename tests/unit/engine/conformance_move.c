/* From queue to queue: dead letters, and tasks that move them back. */
#include "conformance.h"

/* Has `count` messages, from number 1, in the dead-letter queue "dead" of "q". */
static void bury(struct house *house, uint64_t count)
{
    create_with_dead_letter(house, "q", "dead", 1);
    create(house, "dead");
    for (uint64_t i = 1; i <= count; i++) {
        send_message(house, "q", i);
        assert_int_equal(receive_for(house, "q", 1, 0), AMP_OK);
        assert_int_equal(house->count, 1);
        expect_none(house, "q");
    }
    assert_counts(house, "dead", count, 0, 0);
}

static void what_was_received_too_often_goes_to_the_dead_letter_queue(void **state)
{
    struct house *house = *state;
    create_with_dead_letter(house, "q", "dead", 3);
    create(house, "dead");
    send_message(house, "q", 1);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(receive_for(house, "q", 1, 0), AMP_OK);
        assert_int_equal(house->out[0].receives, i);
    }
    struct amp_receipt held = house->out[0].receipt;
    pass(house, 1000);
    send_message(house, "q", 2);
    expect(house, "q", 2); /* what lies behind it comes in the same receive */
    assert_counts(house, "q", 0, 1, 0);
    assert_counts(house, "dead", 1, 0, 0);
    assert_int_equal(house->dropped, 0);
    sweep(house);
    assert_int_equal(house->swept.dead_lettered, 1);
    assert_int_equal(DO(house, remove, text("dead"), &held), AMP_OK);
    expect(house, "dead", 1);
    assert_true(amp_slice_is(amp_queue_name_slice(&house->out[0].home), "q"));
    assert_true(amp_slice_is(amp_queue_name_slice(&house->out[0].source), "q"));
    assert_int_equal(house->out[0].sent_unix_ms, UNIX_MS);
    assert_int_equal(house->out[0].expires_unix_ms, UNIX_MS + LIFE_MS);
    assert_int_equal(house->out[0].receives, 4);
    assert_int_equal(remove_received(house, "dead", 0), AMP_OK);
    assert_int_equal(house->dropped, 1);
}

static void a_dead_letter_lives_no_longer_for_it(void **state)
{
    struct house *house = *state;
    bury(house, 1);
    pass(house, LIFE_MS - 1);
    assert_int_equal(peek(house, "dead", 1), AMP_OK);
    pass(house, 100);
    assert_int_equal(house->swept.expired, 1);
    expect_none(house, "dead");
}

static void many_dead_letters_hide_no_live_one(void **state)
{
    struct house *house = *state;
    create_with_dead_letter(house, "q", "dead", 1);
    create(house, "dead");
    for (uint64_t i = 1; i <= 100; i++)
        send_message(house, "q", i);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(receive_for(house, "q", 10, 1000), AMP_OK);
    pass(house, 1100);
    send_message(house, "q", 200);
    expect(house, "q", 200);
    assert_counts(house, "dead", 100, 0, 0);
}

static void without_its_dead_letter_queue_a_message_stays_and_is_received_on(void **state)
{
    struct house *house = *state;
    create_with_dead_letter(house, "q", "dead", 1);
    create_with_dead_letter(house, "q.fifo", "dead", 1); /* which is of the other kind */
    static const char *const queues[] = {"q", "q.fifo"};
    for (size_t i = 0; i < 2; i++) {
        for (uint64_t number = 1; number <= 3; number++)
            send_message(house, queues[i], number);
        for (uint32_t receives = 1; receives <= 4; receives++) {
            assert_int_equal(receive_for(house, queues[i], 10, 0), AMP_OK);
            assert_int_equal(house->count, 3);
            for (uint64_t number = 1; number <= 3; number++) {
                assert_is(house, &house->out[number - 1], number);
                assert_int_equal(house->out[number - 1].receives, receives);
            }
        }
        create(house, i == 0 ? "later" : "dead");
    }
    assert_int_equal(house->dropped, 0);
    expect_none(house, "q");
    assert_counts(house, "dead", 3, 0, 0);
    expect(house, "q.fifo", 1, 2, 3);
}

static void dead_letters_of_a_fifo_queue_keep_their_order_and_free_their_group(void **state)
{
    struct house *house = *state;
    create_with_dead_letter(house, "q.fifo", "dead.fifo", 2);
    create(house, "dead.fifo");
    for (uint64_t i = 1; i <= 6; i++)
        send_in_group(house, "q.fifo", i, i % 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(receive_for(house, "q.fifo", 10, 0), AMP_OK);
        assert_int_equal(house->count, 6);
    }
    send_in_group(house, "q.fifo", 7, 1);
    while (stats(house).messages == 7 && house->view.available != 6) {
        assert_int_equal(receive_for(house, "q.fifo", 10, 0), AMP_OK);
        look(house, "dead.fifo");
    }
    expect(house, "dead.fifo", 1, 3, 5, 2, 4, 6);
    assert_true(house->out[0].sequence < house->out[1].sequence);
    expect_none(house, "dead.fifo");
}

static void a_task_brings_dead_letters_back_to_where_they_came_from(void **state)
{
    struct house *house = *state;
    struct amp_move_task task;
    bury(house, 30);
    assert_int_equal(DO(house, move_start, text("dead"), text(""), 0, &task), AMP_OK);
    assert_int_equal(task.state, AMP_MOVE_RUNNING);
    assert_int_equal(task.to_move, 30);
    assert_int_equal(task.started_unix_ms, UNIX_MS);
    assert_true(amp_slice_is(amp_queue_name_slice(&task.source), "dead"));
    sweep(house);
    assert_int_equal(house->swept.moved, 30);
    assert_counts(house, "dead", 0, 0, 0);
    assert_int_equal(DO(house, move_find, task.id, &task), AMP_OK);
    assert_int_equal(task.state, AMP_MOVE_COMPLETED);
    assert_int_equal(task.moved, 30);
    expect(house, "q", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    assert_int_equal(house->out[0].receives, 1);
    assert_int_equal(house->out[0].source.len, 0);
    assert_true(amp_slice_is(amp_queue_name_slice(&house->out[0].home), "q"));
    assert_int_equal(house->dropped, 0);
}

static void a_task_keeps_to_its_rate(void **state)
{
    struct house *house = *state;
    struct amp_move_task task;
    bury(house, 30);
    create(house, "target");
    assert_int_equal(DO(house, move_start, text("dead"), text("target"), 10, &task), AMP_OK);
    sweep(house);
    assert_counts(house, "target", 1, 0, 0);
    pass(house, 1000);
    assert_counts(house, "target", 11, 0, 0);
    pass(house, 500);
    assert_counts(house, "target", 16, 0, 0);
    assert_int_equal(DO(house, move_find, task.id, &task), AMP_OK);
    assert_int_equal(task.state, AMP_MOVE_RUNNING);
    assert_int_equal(task.moved, 16);
    pass(house, 10000);
    assert_counts(house, "target", 30, 0, 0);
    assert_int_equal(DO(house, move_find, task.id, &task), AMP_OK);
    assert_int_equal(task.state, AMP_MOVE_COMPLETED);
}

static void a_cancelled_task_moves_nothing_more(void **state)
{
    struct house *house = *state;
    struct amp_move_task task;
    bury(house, 30);
    assert_int_equal(DO(house, move_start, text("dead"), text(""), 10, &task), AMP_OK);
    pass(house, 500);
    assert_int_equal(DO(house, move_cancel, task.id, &task), AMP_OK);
    assert_int_equal(task.state, AMP_MOVE_CANCELLED);
    assert_int_equal(task.moved, 6);
    assert_true(amp_slice_is(amp_queue_name_slice(&task.source), "dead"));
    pass(house, 5000);
    assert_counts(house, "dead", 24, 0, 0);
    assert_int_equal(DO(house, move_cancel, task.id, &task), AMP_ERR_RESOURCE_NOT_FOUND);
    assert_int_equal(DO(house, move_find, task.id, &task), AMP_OK);
    task.id[15] ^= 1;
    assert_int_equal(DO(house, move_find, task.id, &task), AMP_ERR_RESOURCE_NOT_FOUND);
    assert_int_equal(DO(house, move_cancel, task.id, &task), AMP_ERR_RESOURCE_NOT_FOUND);
}

static void a_task_starts_only_where_it_can_work(void **state)
{
    struct house *house = *state;
    struct amp_move_task task;
    bury(house, 1);
    create(house, "target");
    create(house, "t.fifo");
    assert_int_equal(DO(house, move_start, text("target"), text(""), 0, &task), AMP_ERR_MOVE_SOURCE_INVALID);
    assert_int_equal(DO(house, move_start, text("dead"), text("t.fifo"), 0, &task), AMP_ERR_MOVE_SOURCE_INVALID);
    assert_int_equal(DO(house, move_start, text("dead"), text("dead"), 0, &task), AMP_ERR_MOVE_SOURCE_INVALID);
    assert_int_equal(DO(house, move_start, text("dead"), text("none"), 0, &task), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, move_start, text("dead"), text("target"), 0, &task), AMP_OK);
    assert_int_equal(DO(house, move_start, text("dead"), text("target"), 0, &task), AMP_ERR_MOVE_SOURCE_INVALID);
    sweep(house);
    assert_int_equal(DO(house, move_start, text("dead"), text("target"), 0, &task), AMP_OK);
    assert_int_equal(DO(house, destroy, text("q")), AMP_OK);
    sweep(house);
    assert_int_equal(DO(house, move_start, text("dead"), text("target"), 0, &task), AMP_ERR_MOVE_SOURCE_INVALID);
}

static void a_task_that_cannot_go_on_fails_and_loses_nothing(void **state)
{
    struct house *house = *state;
    struct amp_move_task task;
    bury(house, 20);
    send_message(house, "dead", 100); /* which came from nowhere */
    assert_int_equal(DO(house, move_start, text("dead"), text(""), 0, &task), AMP_OK);
    sweep(house);
    assert_int_equal(DO(house, move_find, task.id, &task), AMP_OK);
    assert_int_equal(task.state, AMP_MOVE_FAILED);
    assert_int_equal(task.moved, 20);
    expect(house, "dead", 100);
    assert_int_equal(hide(house, "dead", 0, 0), AMP_OK);
    create(house, "target");
    assert_int_equal(DO(house, move_start, text("dead"), text("target"), 0, &task), AMP_OK);
    assert_int_equal(DO(house, destroy, text("target")), AMP_OK);
    sweep(house);
    assert_int_equal(DO(house, move_find, task.id, &task), AMP_OK);
    assert_int_equal(task.state, AMP_MOVE_FAILED);
    expect(house, "dead", 100);
}

static enum amp_err forget_dead_letters(void *ctx, struct amp_queue_settings *settings, struct amp_queue_tags *tags)
{
    settings->dead_letter.len = 0;
    return AMP_OK;
}

static void nothing_is_moved_home_to_a_queue_that_has_another_dead_letter_queue_by_now(void **state)
{
    struct house *house = *state;
    struct amp_move_task task;
    bury(house, 3);
    create_with_dead_letter(house, "other", "dead", 1); /* so that a task may start */
    assert_int_equal(DO(house, change, text("q"), forget_dead_letters, NULL), AMP_OK);
    assert_int_equal(DO(house, move_start, text("dead"), text(""), 0, &task), AMP_OK);
    sweep(house);
    assert_int_equal(DO(house, move_find, task.id, &task), AMP_OK);
    assert_int_equal(task.state, AMP_MOVE_FAILED);
    assert_int_equal(task.moved, 0);
    assert_counts(house, "q", 0, 0, 0);
    assert_counts(house, "dead", 3, 0, 0);
    assert_int_equal(DO(house, move_start, text("dead"), text("q"), 0, &task), AMP_OK); /* by its name */
    sweep(house);
    expect(house, "q", 1, 2, 3);
    assert_int_equal(house->out[0].source.len, 0);
}

static void a_task_goes_on_behind_many_that_expired(void **state)
{
    enum { EXPIRED = 3000, LIVE = 20 };
    struct house *house = *state;
    struct amp_move_task task;
    bury(house, 0);
    create(house, "target");
    for (uint64_t i = 0; i < EXPIRED; i++)
        send_for(house, "dead", i, 10000);
    for (uint64_t i = 0; i < LIVE; i++)
        send_message(house, "dead", EXPIRED + i);
    assert_int_equal(DO(house, move_start, text("dead"), text("target"), 0, &task), AMP_OK);
    pass_unswept(house, 10000); /* expired, and not yet due to the wheel's tick */
    sweep(house);
    assert_int_equal(DO(house, move_find, task.id, &task), AMP_OK);
    assert_int_equal(task.state, AMP_MOVE_COMPLETED);
    assert_int_equal(task.moved, LIVE);
    assert_int_equal(house->dropped, EXPIRED);
    assert_counts(house, "target", LIVE, 0, 0);
}

static void a_task_leaves_expiry_its_time(void **state)
{
    struct house *house = *state;
    struct amp_move_task task;
    bury(house, 0);
    create(house, "target");
    for (uint64_t i = 0; i < 3000; i++)
        send_message(house, "dead", i);
    for (uint64_t i = 3000; i < 3050; i++)
        send_for(house, "dead", i, 1000);
    assert_int_equal(DO(house, move_start, text("dead"), text("target"), 0, &task), AMP_OK);
    pass_unswept(house, 1100);
    assert_true(DO(house, sweep, 0, 1, 100, &house->swept));
    assert_int_equal(house->swept.expired, 50);
    assert_true(house->swept.moved >= 50 && house->swept.moved < 100);
}

static void no_task_waits_for_the_others(void **state)
{
    enum { TASKS = 80, EACH = 40 }; /* more than there are stripes, so that some share one */
    struct house *house = *state;
    struct amp_queue_engine usual = house->engine;
    struct amp_engine_config config = {.clock = amp_clock_fake(&house->clock),
                                       .budget = &house->budget,
                                       .max_queues = 1000,
                                       .ctx = house,
                                       .dropped = count_dropped};
    assert_int_equal(tested_engine()(&house->engine, &config), AMP_OK);
    struct amp_move_task tasks[TASKS];
    char name[16], dead[16];
    create(house, "target");
    for (uint64_t i = 0; i < TASKS; i++) {
        snprintf(name, sizeof name, "q%u", (unsigned)i);
        snprintf(dead, sizeof dead, "dead%u", (unsigned)i);
        create_with_dead_letter(house, name, dead, 1);
        create(house, dead);
        for (uint64_t k = 0; k < EACH; k++)
            send_message(house, dead, i * EACH + k);
        assert_int_equal(DO(house, move_start, text(dead), text("target"), i % 2 == 0 ? 1 : 0, &tasks[i]), AMP_OK);
    }
    for (unsigned i = 0; i < 64; i++) /* each stripe has its turn twice */
        DO(house, sweep, 0, 1, 100, &house->swept);
    for (size_t i = 0; i < TASKS; i++) {
        assert_int_equal(DO(house, move_find, tasks[i].id, &tasks[i]), AMP_OK);
        assert_int_equal(tasks[i].moved, i % 2 == 0 ? 1 : EACH);
    }
    house->engine.ops->close(house->engine.self);
    house->engine = usual;
}

static void one_receive_sorts_out_so_many_dead_letters_and_no_more(void **state)
{
    struct house *house = *state;
    struct amp_queue_waiter waiter = {0};
    create_with_dead_letter(house, "q", "dead", 1);
    create(house, "dead");
    for (uint64_t i = 0; i < 300; i++)
        send_message(house, "q", i);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(receive_for(house, "q", 10, 1000), AMP_OK);
    pass(house, 1100);
    for (uint64_t i = 1; i <= 3; i++) {
        expect_none(house, "q");
        assert_counts(house, "dead", i * AMP_RECEIVE_DEAD_MAX < 300 ? i * AMP_RECEIVE_DEAD_MAX : 300, 0, 0);
        enum amp_err waits = DO(house, wait, text("q"), &waiter);
        assert_int_equal(waits, i < 3 ? AMP_ERR_AGAIN : AMP_OK);
    }
    DO(house, unwait, &waiter);
}

static void the_latest_tasks_are_listed(void **state)
{
    struct house *house = *state;
    struct amp_move_task task, tasks[AMP_MOVE_TASKS_KEPT];
    size_t count;
    bury(house, 1);
    create_with_dead_letter(house, "q2", "dead2", 1);
    create(house, "dead2");
    assert_int_equal(DO(house, move_list, text("dead"), tasks, &count), AMP_OK);
    assert_int_equal(count, 0);
    for (unsigned i = 0; i < 13; i++) {
        assert_int_equal(DO(house, move_start, text("dead"), text(""), i, &task), AMP_OK);
        pass(house, 1000);
        assert_int_equal(DO(house, move_start, text("dead2"), text(""), i, &task), AMP_OK);
        sweep(house);
    }
    assert_int_equal(DO(house, move_list, text("dead"), tasks, &count), AMP_OK);
    assert_int_equal(count, AMP_MOVE_TASKS_KEPT);
    for (unsigned i = 0; i < AMP_MOVE_TASKS_KEPT; i++) {
        assert_int_equal(tasks[i].per_second, 12 - i);
        assert_int_equal(tasks[i].state, AMP_MOVE_COMPLETED);
    }
    assert_int_equal(DO(house, destroy, text("dead")), AMP_OK);
    assert_int_equal(DO(house, move_find, tasks[0].id, &task), AMP_ERR_RESOURCE_NOT_FOUND);
}

static void a_task_moves_fifo_messages_in_order(void **state)
{
    struct house *house = *state;
    struct amp_move_task task;
    create_with_dead_letter(house, "q.fifo", "dead.fifo", 1);
    create(house, "dead.fifo");
    for (uint64_t i = 1; i <= 8; i++)
        send_in_group(house, "dead.fifo", i, i % 2);
    create(house, "target.fifo");
    assert_int_equal(DO(house, move_start, text("dead.fifo"), text("target.fifo"), 0, &task), AMP_OK);
    sweep(house);
    assert_int_equal(DO(house, move_find, task.id, &task), AMP_OK);
    assert_int_equal(task.moved, 8);
    assert_int_equal(task.state, AMP_MOVE_COMPLETED);
    expect(house, "target.fifo", 1, 3, 5, 7, 2, 4, 6, 8);
}

static const struct CMUnitTest move_tests[] = {
    TEST(what_was_received_too_often_goes_to_the_dead_letter_queue),
    TEST(a_dead_letter_lives_no_longer_for_it),
    TEST(many_dead_letters_hide_no_live_one),
    TEST(without_its_dead_letter_queue_a_message_stays_and_is_received_on),
    TEST(dead_letters_of_a_fifo_queue_keep_their_order_and_free_their_group),
    TEST(a_task_brings_dead_letters_back_to_where_they_came_from),
    TEST(a_task_keeps_to_its_rate),
    TEST(a_cancelled_task_moves_nothing_more),
    TEST(a_task_starts_only_where_it_can_work),
    TEST(a_task_that_cannot_go_on_fails_and_loses_nothing),
    TEST(nothing_is_moved_home_to_a_queue_that_has_another_dead_letter_queue_by_now),
    TEST(a_task_goes_on_behind_many_that_expired),
    TEST(a_task_leaves_expiry_its_time),
    TEST(no_task_waits_for_the_others),
    TEST(one_receive_sorts_out_so_many_dead_letters_and_no_more),
    TEST(the_latest_tasks_are_listed),
    TEST(a_task_moves_fifo_messages_in_order),
};
const struct suite suite_move = SUITE(move);
