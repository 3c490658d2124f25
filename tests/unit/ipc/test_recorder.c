/* The recorder before a scribe that answers as the test wishes. */
#include <unistd.h>

#include <event2/event.h>

#include "../support.h"
#include "ipc/recorder.h"

struct scene {
    struct event_base *base;
    struct amp_recorder *recorder;
    struct amp_clock_fake clock;
    struct amp_link *scribe; /* the other end */
    uint64_t durable;        /* as told to the recorder's owner */
    size_t durable_calls;
    bool violated;
    uint64_t first; /* of the last RECORDS */
    uint8_t sync;
    size_t packets;
    uint64_t counts[4096]; /* of the events received, which the test numbers by their `count` */
    size_t events;
};

static bool on_records(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct scene *scene = ctx;
    struct amp_ipc_in in = {payload, false};
    assert_int_equal(type, AMP_IPC_RECORDS);
    scene->packets++;
    scene->first = amp_ipc_get_u64(&in);
    scene->sync = amp_ipc_get_u8(&in);
    while (in.left.len != 0) {
        struct amp_event event;
        size_t used;
        assert_int_equal(amp_event_unpack(&event, in.left, &used), AMP_OK);
        if (scene->events < sizeof(scene->counts) / sizeof(scene->counts[0]))
            scene->counts[scene->events] = event.count;
        scene->events++;
        in.left = amp_slice(in.left.ptr + used, in.left.len - used);
    }
    return true;
}

static void on_scribe_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct scene *scene = ctx;
    amp_link_free(link);
    scene->scribe = NULL;
}

static void on_durable(void *ctx, uint64_t number)
{
    struct scene *scene = ctx;
    assert_true(number > scene->durable);
    scene->durable = number;
    scene->durable_calls++;
}

static void on_violation(void *ctx)
{
    ((struct scene *)ctx)->violated = true;
}

static void turn(struct scene *scene)
{
    for (int i = 0; i < 4; i++)
        event_base_loop(scene->base, EVLOOP_NONBLOCK);
}

static void attach(struct scene *scene)
{
    int fds[2];
    assert_int_equal(amp_link_pair(fds), AMP_OK);
    amp_link_free(scene->scribe);
    const struct amp_link_config config = {.base = scene->base,
                                           .self = AMP_ROLE_SCRIBE,
                                           .peer = AMP_ROLE_FRONT,
                                           .ctx = scene,
                                           .message = on_records,
                                           .closed = on_scribe_closed};
    assert_int_equal(amp_link_new(&scene->scribe, &config, fds[1]), AMP_OK);
    amp_recorder_attach(scene->recorder, AMP_ROLE_FRONT, fds[0]);
    turn(scene);
}

static void answer(struct scene *scene, uint64_t written, uint64_t durable, uint8_t writable)
{
    uint8_t storage[17];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_ipc_put_u64(&out, written);
    amp_ipc_put_u64(&out, durable);
    amp_ipc_put_u8(&out, writable);
    assert_int_equal(amp_link_send(scene->scribe, AMP_IPC_RECORDED, amp_out_done(&out), -1), AMP_OK);
    turn(scene);
}

static enum amp_err add(struct scene *scene, uint64_t mark, bool durable)
{
    const struct amp_event event = {.act = AMP_ACT_REDEEM, .count = mark};
    uint64_t number;
    return amp_recorder_add(scene->recorder, &event, durable, &number);
}

static int open_scene(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL || amp_secret_init(16 << 20, false) != AMP_OK)
        return -1;
    scene->base = event_base_new();
    if (scene->base == NULL || amp_recorder_new(&scene->recorder, scene->base, on_durable, scene) != AMP_OK)
        return -1;
    scene->clock.mono_ms = 1000;
    amp_recorder_set_clock(scene->recorder, amp_clock_fake(&scene->clock));
    amp_recorder_on_violation(scene->recorder, on_violation, scene);
    *state = scene;
    return 0;
}

static int close_scene(void **state)
{
    struct scene *scene = *state;
    amp_recorder_free(scene->recorder);
    amp_link_free(scene->scribe);
    event_base_free(scene->base);
    free(scene);
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

static void recorder_is_ready_once_a_writable_log_has_answered(void **state)
{
    struct scene *scene = *state;
    assert_false(amp_recorder_ready(scene->recorder));
    attach(scene);
    assert_int_equal(scene->packets, 1); /* the hello */
    assert_int_equal(scene->first, 1);
    assert_false(amp_recorder_ready(scene->recorder));
    answer(scene, 0, 0, 0);
    assert_false(amp_recorder_ready(scene->recorder));
    answer(scene, 0, 0, 1);
    assert_true(amp_recorder_ready(scene->recorder));
    amp_link_free(scene->scribe);
    scene->scribe = NULL;
    turn(scene);
    assert_false(amp_recorder_ready(scene->recorder));
}

/* Events that nobody waits for are sent by a timer of the recorder's. */
static void until_packets(struct scene *scene, unsigned packets)
{
    while (scene->packets < packets)
        assert_int_equal(event_base_loop(scene->base, EVLOOP_ONCE), 0);
}

static void events_nobody_waits_for_gather_over_several_turns(void **state)
{
    struct scene *scene = *state;
    attach(scene);
    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(add(scene, i, false), AMP_OK);
        amp_recorder_flush(scene->recorder);
    }
    until_packets(scene, 2);
    assert_int_equal(scene->sync, 0);
    assert_int_equal(scene->events, 100);
    for (uint64_t i = 1; i <= 100; i++)
        assert_true(scene->counts[i - 1] == i);
}

/* Without a turn of the loop, and though its sender is gone. */
static void what_was_sent_reaches_the_scribe(void **state)
{
    struct scene *scene = *state;
    attach(scene);
    assert_int_equal(add(scene, 1, false), AMP_OK);
    amp_recorder_send(scene->recorder);
    amp_recorder_free(scene->recorder);
    scene->recorder = NULL;
    turn(scene);
    assert_int_equal(scene->packets, 2);
    assert_int_equal(scene->events, 1);
}

static void many_events_are_cut_into_packets_that_fit(void **state)
{
    struct scene *scene = *state;
    attach(scene);
    for (uint64_t i = 1; i <= 4000; i++)
        assert_int_equal(add(scene, i, i == 3999), AMP_OK);
    amp_recorder_flush(scene->recorder);
    turn(scene);
    assert_int_equal(scene->events, 4000);
    assert_true(scene->packets > 3);
    assert_int_equal(scene->sync, 1); /* the last packet holds the one that cannot wait */
    for (uint64_t i = 1; i <= 4000; i++)
        assert_true(scene->counts[i - 1] == i);
}

static void durable_numbers_are_told_once(void **state)
{
    struct scene *scene = *state;
    attach(scene);
    assert_int_equal(add(scene, 1, true), AMP_OK);
    assert_int_equal(add(scene, 2, true), AMP_OK);
    amp_recorder_flush(scene->recorder);
    turn(scene);
    assert_int_equal(scene->sync, 1);
    assert_false(amp_recorder_idle(scene->recorder));
    answer(scene, 2, 0, 1);
    assert_int_equal(scene->durable_calls, 0);
    answer(scene, 2, 1, 1);
    answer(scene, 2, 1, 1);
    assert_int_equal(scene->durable_calls, 1);
    answer(scene, 2, 2, 1);
    assert_int_equal(scene->durable, 2);
    assert_true(amp_recorder_idle(scene->recorder));
}

static void a_new_scribe_gets_what_was_not_durable_and_no_more(void **state)
{
    struct scene *scene = *state;
    attach(scene);
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(add(scene, i, false), AMP_OK);
    amp_recorder_flush(scene->recorder);
    until_packets(scene, 2);
    answer(scene, 4, 4, 1);
    scene->events = 0;
    attach(scene);
    assert_int_equal(scene->first, 5);
    assert_int_equal(scene->events, 6);
    assert_true(scene->counts[0] == 5 && scene->counts[5] == 10);
    answer(scene, 10, 10, 1);
    assert_int_equal(scene->durable, 10);
}

static void what_is_added_without_a_scribe_waits_for_one(void **state)
{
    struct scene *scene = *state;
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(add(scene, i, true), AMP_OK);
    amp_recorder_flush(scene->recorder);
    attach(scene);
    assert_int_equal(scene->events, 3);
    assert_int_equal(scene->sync, 1);
}

/* What was written can be lost with the scribe that could not sync it. */
static void a_written_event_that_is_not_durable_is_sent_to_the_next_scribe(void **state)
{
    struct scene *scene = *state;
    attach(scene);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(add(scene, i, true), AMP_OK);
    amp_recorder_flush(scene->recorder);
    turn(scene);
    answer(scene, 3, 1, 1);
    scene->events = 0;
    attach(scene);
    assert_int_equal(scene->first, 2);
    assert_int_equal(scene->events, 2);
    assert_true(scene->counts[0] == 2 && scene->counts[1] == 3);
    answer(scene, 1, 1, 1);
    answer(scene, 3, 3, 1);
    assert_int_equal(scene->durable, 3);
    assert_true(amp_recorder_idle(scene->recorder));
}

/* Its order survives blocks that fill, links that end in the middle of them and a scribe that syncs now and then. */
static void much_is_sent_again_in_order(void **state)
{
    struct scene *scene = *state;
    uint64_t added = 0;
    for (int life = 0; life < 5; life++) {
        attach(scene);
        scene->events = 0;
        for (int i = 0; i < 3000; i++)
            assert_int_equal(add(scene, ++added, true), AMP_OK);
        amp_recorder_flush(scene->recorder);
        for (int i = 0; i < 20; i++)
            turn(scene);
        uint64_t first = scene->durable + 1, sent = added - scene->durable;
        assert_true(scene->events <= sent);
        scene->events = 0;
        attach(scene);
        for (int i = 0; i < 20; i++)
            turn(scene);
        assert_int_equal(scene->events, sent);
        for (size_t i = 0; i < sent && i < 4096; i++)
            assert_true(scene->counts[i] == first + i);
        answer(scene, added - 100, added - 1000 + (uint64_t)life, 1);
    }
    answer(scene, added, added, 1);
    assert_true(amp_recorder_idle(scene->recorder));
}

/* A disk that hangs holds the scribe in its write: nothing says so but that no answer comes. */
static void a_scribe_that_does_not_answer_is_not_ready(void **state)
{
    struct scene *scene = *state;
    attach(scene);
    answer(scene, 0, 0, 1);
    amp_clock_fake_advance(&scene->clock, 3600 * 1000);
    assert_true(amp_recorder_ready(scene->recorder)); /* it was not asked anything */
    assert_int_equal(add(scene, 1, true), AMP_OK);
    amp_recorder_flush(scene->recorder);
    amp_clock_fake_advance(&scene->clock, 2000);
    assert_int_equal(add(scene, 2, true), AMP_OK);
    amp_recorder_flush(scene->recorder);
    amp_clock_fake_advance(&scene->clock, 1000);
    assert_true(amp_recorder_ready(scene->recorder));
    amp_clock_fake_advance(&scene->clock, 1);
    amp_recorder_flush(scene->recorder);
    assert_false(amp_recorder_ready(scene->recorder));
    turn(scene);
    answer(scene, 1, 0, 1); /* slow, but it lives */
    assert_true(amp_recorder_ready(scene->recorder));
    amp_clock_fake_advance(&scene->clock, 3001);
    assert_false(amp_recorder_ready(scene->recorder));
    answer(scene, 2, 0, 1); /* syncing may take its time */
    amp_clock_fake_advance(&scene->clock, 60 * 1000);
    assert_true(amp_recorder_ready(scene->recorder));
}

static void waiting_events_are_bounded_and_order_survives_the_bound(void **state)
{
    struct scene *scene = *state;
    uint64_t added = 0;
    while (add(scene, added + 1, false) == AMP_OK)
        added++;
    assert_true(added > 200000);
    assert_int_equal(add(scene, 0, true), AMP_ERR_AUDIT_UNAVAILABLE);
    assert_false(amp_recorder_roomy(scene->recorder));
    assert_false(amp_recorder_reserve(scene->recorder, 64));
    attach(scene);
    uint64_t got = 0;
    while (got < added) {
        turn(scene);
        assert_true(scene->events > got);
        got = scene->events;
        answer(scene, got, got, 1);
    }
    assert_int_equal(scene->durable, added);
    assert_true(amp_recorder_roomy(scene->recorder));
    assert_int_equal(add(scene, 1, true), AMP_OK);
}

/* A block that was taken ahead stays empty while the one before it is sent, told durable, or sent again. */
static void reserving_changes_nothing_of_what_is_sent(void **state)
{
    enum { MANY = 4000 };
    struct scene *scene = *state;
    uint64_t forgotten = 0;
    attach(scene);
    answer(scene, 0, 0, 1);
    for (uint64_t i = 1; i <= MANY; i++) {
        assert_int_equal(add(scene, i, true), AMP_OK);
        assert_true(amp_recorder_reserve(scene->recorder, 64));
        if (i % 97 == 0)
            amp_recorder_flush(scene->recorder);
        turn(scene);
        if (i % 500 == 0 && scene->events > forgotten) {
            forgotten = scene->events;
            answer(scene, forgotten, forgotten, 1);
        }
    }
    amp_recorder_flush(scene->recorder);
    turn(scene);
    assert_int_equal(scene->events, MANY);
    for (uint64_t i = 1; i <= MANY; i++)
        assert_true(scene->counts[i - 1] == i);
    attach(scene); /* another scribe: what is not durable comes again, up to the end */
    turn(scene);
    assert_int_equal(scene->events, MANY + MANY - forgotten);
    answer(scene, MANY, MANY, 1);
    assert_true(amp_recorder_idle(scene->recorder));
    assert_false(scene->violated);
}

static void a_lying_scribe_is_a_violation(void **state)
{
    static const struct {
        uint64_t written;
        uint64_t durable;
        uint8_t writable;
    } lies[] = {{3, 0, 1}, {2, 3, 1}, {0, 1, 1}, {UINT64_MAX, 0, 1}, {2, 2, 2}};
    struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        scene->violated = false;
        attach(scene);
        if (i == 0) {
            assert_int_equal(add(scene, 1, true), AMP_OK);
            assert_int_equal(add(scene, 2, true), AMP_OK);
            amp_recorder_flush(scene->recorder);
            turn(scene);
        }
        answer(scene, lies[i].written, lies[i].durable, lies[i].writable);
        assert_true(scene->violated);
        assert_int_equal(scene->durable, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        TEST(recorder_is_ready_once_a_writable_log_has_answered),
        TEST(events_nobody_waits_for_gather_over_several_turns),
        TEST(what_was_sent_reaches_the_scribe),
        TEST(many_events_are_cut_into_packets_that_fit),
        TEST(durable_numbers_are_told_once),
        TEST(a_new_scribe_gets_what_was_not_durable_and_no_more),
        TEST(what_is_added_without_a_scribe_waits_for_one),
        TEST(a_written_event_that_is_not_durable_is_sent_to_the_next_scribe),
        TEST(much_is_sent_again_in_order),
        TEST(a_scribe_that_does_not_answer_is_not_ready),
        TEST(waiting_events_are_bounded_and_order_survives_the_bound),
        TEST(reserving_changes_nothing_of_what_is_sent),
        TEST(a_lying_scribe_is_a_violation),
    };
#undef TEST
    return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
