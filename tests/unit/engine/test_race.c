/* Threads that meet in the engine. To be run under ThreadSanitizer too. */
#include <sched.h>
#include <semaphore.h>

#include "../threads.h"
#include "house.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 1000
#else
#define ROUNDS 10000
#endif
#define THREADS 8
#define QUEUES  5
#define GROUPS  3
#define HOUR_MS 3600000

/* A clock that threads move while others read it. */
static _Atomic int64_t hand_ms;

static int64_t hand(void *ctx)
{
    return atomic_load_explicit(&hand_ms, memory_order_relaxed);
}

struct arena {
    struct amp_budget budget;
    struct amp_queue_engine engine;
    int64_t life_ms; /* of each message */
    _Atomic uint64_t dropped;
    _Atomic uint64_t told;
    _Atomic uint64_t sent;
};

static void count_one(void *ctx, uint32_t epoch)
{
    atomic_fetch_add(&((struct arena *)ctx)->dropped, 1);
}

/* Says now and then that it cannot take one. */
static int tell_some(void *ctx, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN], int64_t expires_mono_ms)
{
    return (int)(atomic_fetch_add(&((struct arena *)ctx)->told, 1) % 7) - 1;
}

static void arena_open(struct arena *arena, int64_t life_ms)
{
    static const struct amp_clock_ops ops = {.unix_ms = hand, .mono_ms = hand};
    memset(arena, 0, sizeof *arena);
    arena->life_ms = life_ms;
    atomic_store(&hand_ms, 1000);
    amp_budget_init(&arena->budget, (size_t)1 << 30);
    const struct amp_engine_config config = {.clock = {&ops, NULL},
                                             .budget = &arena->budget,
                                             .max_queues = 100,
                                             .ctx = arena,
                                             .dropped = count_one,
                                             .available = tell_some};
    assert_int_equal(amp_engine_memory_open(&arena->engine, &config), AMP_OK);
}

static void arena_close(struct arena *arena)
{
    arena->engine.ops->close(arena->engine.self);
    assert_int_equal(arena->budget.used_bytes, 0);
    assert_int_equal(arena->dropped, arena->sent);
}

static enum amp_err make(struct arena *arena, const char *name, const char *dead_letter)
{
    struct amp_queue_settings settings;
    bool existed;
    amp_queue_settings_default(&settings, amp_queue_name_is_fifo(text(name)));
    if (dead_letter != NULL && amp_queue_name_parse(&settings.dead_letter, text(dead_letter)) != AMP_OK)
        return AMP_ERR_INVALID;
    settings.max_receives = 2;
    return DO(arena, create, text(name), &settings, NULL, &existed);
}

/* Message `number` of a queue's group. */
static enum amp_err put(struct arena *arena, const char *queue, uint64_t number, uint64_t group, int64_t delay_ms)
{
    struct amp_message_sent sent;
    int64_t now_ms = hand(NULL);
    struct amp_message_in in = {.queue = text(queue),
                                .sealed = amp_slice(&number, sizeof number),
                                .sent_unix_ms = now_ms,
                                .expires_unix_ms = now_ms + arena->life_ms,
                                .delay_ms = delay_ms};
    id_from(in.id, number);
    memcpy(in.deduplication, in.id, sizeof in.id);
    id_from(in.group, group);
    enum amp_err err = DO(arena, send, &in, &sent);
    if (err == AMP_OK)
        atomic_fetch_add(&arena->sent, 1);
    return err;
}

/* Everybody sends to all queues and receives from all. */

struct market {
    struct arena arena;
    _Atomic uint8_t held[THREADS * ROUNDS]; /* by number: 1 while in somebody's hand, 2 when deleted */
    _Atomic uint64_t last[QUEUES][GROUPS];  /* sequences deleted */
    _Atomic uint64_t faults, deleted;
};

static const char *const names[QUEUES] = {"a", "b", "c.fifo", "d.fifo", "e"};

static void take_in_hand(struct market *market, const uint8_t *sealed, uint64_t *number)
{
    memcpy(number, sealed, sizeof *number);
    uint8_t free_now = 0;
    if (!atomic_compare_exchange_strong(&market->held[*number], &free_now, 1))
        atomic_fetch_add(&market->faults, 1);
}

static void finish(struct market *market, unsigned queue, const struct amp_message_out *out, uint64_t number)
{
    if (amp_queue_name_is_fifo(text(names[queue]))) {
        uint64_t before = atomic_exchange(&market->last[queue][number % GROUPS], out->sequence);
        market->faults += before >= out->sequence;
    }
    atomic_store(&market->held[number], 2);
    market->faults += DO(&market->arena, remove, text(names[queue]), &out->receipt) != AMP_OK;
    atomic_fetch_add(&market->deleted, 1);
}

static void shop(struct market *market, uint64_t dice)
{
    struct amp_message_out out[AMP_RECEIVE_MAX];
    struct amp_secret_buf sealed = {0};
    size_t count;
    unsigned queue = (unsigned)(dice % QUEUES);
    const struct amp_receive receive = {
        .queue = text(names[queue]), .most = 1 + (uint32_t)(dice >> 8) % 10, .visibility_ms = 12 * HOUR_MS};
    market->faults += DO(&market->arena, receive, &receive, out, &count, &sealed) != AMP_OK;
    bool finishes = (dice >> 16) % 3 != 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        take_in_hand(market, sealed.ptr + out[i].sealed_at, &number);
        if (finishes) {
            finish(market, queue, &out[i], number);
        } else {
            atomic_store(&market->held[number], 0);
            market->faults += DO(&market->arena, change_visibility, text(names[queue]), &out[i].receipt, 0) != AMP_OK;
        }
    }
    amp_secret_buf_free(&sealed);
}

static void trade(void *ctx, unsigned me)
{
    struct market *market = ctx;
    struct amp_engine_swept swept = {0};
    uint64_t seed = me;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t dice = next_random(&seed);
        uint64_t number = me * ROUNDS + i;
        while (put(&market->arena, names[dice % QUEUES], number, number % GROUPS, (dice >> 8) % 8 == 0 ? 30 : 0) !=
               AMP_OK)
            sched_yield();
        shop(market, dice >> 20);
        if ((dice >> 50) % 8 == 0) {
            atomic_fetch_add(&hand_ms, 1);
            DO(&market->arena, sweep, 0, 1, 50, &swept);
        }
    }
    while (market->deleted < THREADS * ROUNDS && market->faults == 0) {
        shop(market, next_random(&seed));
        atomic_fetch_add(&hand_ms, 1);
        DO(&market->arena, sweep, 0, 1, 50, &swept);
    }
}

static void nothing_is_lost_or_in_two_hands_and_groups_keep_their_order(void **state)
{
    static struct market market;
    arena_open(&market.arena, AMP_QUEUE_RETENTION_MAX_S * INT64_C(1000));
    for (size_t i = 0; i < QUEUES; i++)
        assert_int_equal(make(&market.arena, names[i], NULL), AMP_OK);
    run_threads(THREADS, trade, &market);
    assert_int_equal(market.faults, 0);
    assert_int_equal(market.deleted, THREADS * ROUNDS);
    assert_int_equal(market.arena.dropped, THREADS * ROUNDS);
    arena_close(&market.arena);
}

/* Everything at once, with queues that come and go. */

struct crowd {
    struct arena arena;
    _Atomic uint64_t number;
    uint8_t tasks[THREADS][16];
};

static void wake_nobody(struct amp_queue_waiter *waiter)
{
    (void)waiter;
}

static void take_some(struct arena *arena, const char *queue, uint64_t dice)
{
    struct amp_message_out out[AMP_RECEIVE_MAX];
    struct amp_secret_buf sealed = {0};
    size_t count;
    const struct amp_receive receive = {.queue = text(queue), .most = 10, .visibility_ms = (int64_t)(dice >> 8) % 3};
    (void)DO(arena, receive, &receive, out, &count, &sealed);
    for (size_t i = 0; i < count && dice % 4 == 0; i++)
        (void)DO(arena, remove, text(queue), &out[i].receipt);
    for (size_t i = 0; i < count && dice % 4 == 1; i++)
        DO(arena, delivered, text(queue), out[i].receipt.id, true);
    amp_secret_buf_free(&sealed);
}

static void move_some(struct arena *arena, const char *queue, uint8_t running[16])
{
    struct amp_move_task task, tasks[AMP_MOVE_TASKS_KEPT];
    size_t count;
    if (DO(arena, move_start, text(queue), text(""), 0, &task) == AMP_OK)
        memcpy(running, task.id, sizeof task.id);
    else
        (void)DO(arena, move_cancel, running, &task);
    (void)DO(arena, move_list, text(queue), tasks, &count);
}

static void wait_a_little(struct arena *arena, const char *queue)
{
    struct amp_queue_waiter waiter = {.wake = wake_nobody};
    (void)DO(arena, wait, text(queue), &waiter);
    DO(arena, nudge, text(queue));
    DO(arena, unwait, &waiter);
}

static void act(struct crowd *crowd, unsigned me, uint64_t dice)
{
    static const char *const all[] = {"q", "dead", "q.fifo", "dead.fifo"};
    struct arena *arena = &crowd->arena;
    const char *queue = all[dice % 4];
    struct amp_engine_swept swept = {0};
    static const struct amp_queue_query everything = {.prefix = {NULL, 0}};
    struct amp_queue_name listed[3];
    size_t count;
    uint64_t purged;
    bool more;
    switch ((dice >> 8) % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
        (void)put(arena, queue, atomic_fetch_add(&crowd->number, 1), dice >> 16 & 7, (int64_t)(dice >> 30 & 1) * 5);
        break;
    case 4:
    case 5:
    case 6:
        take_some(arena, queue, dice >> 20);
        break;
    case 7:
        (void)((dice >> 20) % 16 == 0 ? DO(arena, purge, text(queue), &purged) : AMP_OK);
        break;
    case 8:
        (void)((dice >> 20) % 64 == 0 ? DO(arena, destroy, text(queue)) : AMP_OK);
        break;
    case 9:
        (void)make(arena, queue, dice % 4 == 0 ? "dead" : dice % 4 == 2 ? "dead.fifo" : NULL);
        break;
    case 10:
    case 11:
        move_some(arena, queue, crowd->tasks[me]);
        break;
    case 12:
        wait_a_little(arena, queue);
        break;
    case 13:
        (void)DO(arena, list, &everything, listed, 3, &count, &more);
        break;
    default:
        atomic_fetch_add(&hand_ms, (int64_t)(dice >> 30) % 100);
        DO(arena, sweep, me % 2, 2, 100, &swept);
        break;
    }
}

static void mill_about(void *ctx, unsigned me)
{
    uint64_t seed = 100 + me;
    for (int i = 0; i < ROUNDS * 3; i++)
        act(ctx, me, next_random(&seed));
}

static void whatever_was_sent_ends_exactly_once(void **state)
{
    static struct crowd crowd;
    arena_open(&crowd.arena, 1000);
    run_threads(THREADS, mill_about, &crowd);
    assert_true(crowd.arena.sent > ROUNDS);
    arena_close(&crowd.arena);
}

/* Half of the threads send, the other half sleeps until woken. */

struct bell {
    struct amp_queue_waiter waiter;
    sem_t rung;
};

static void ring(struct amp_queue_waiter *waiter)
{
    sem_post(&((struct bell *)(void *)waiter)->rung);
}

struct station {
    struct arena arena;
    _Atomic uint64_t got;
};

static void send_all(struct station *station, unsigned me)
{
    for (uint64_t i = 0; i < ROUNDS; i++) {
        while (put(&station->arena, "q", me * ROUNDS + i, 0, 0) != AMP_OK)
            sched_yield();
    }
    while (station->got < THREADS / 2 * ROUNDS)
        sched_yield();
    if (me == 0)
        assert_int_equal(DO(&station->arena, destroy, text("q")), AMP_OK);
}

static void receive_all(struct station *station)
{
    struct bell bell = {.waiter.wake = ring};
    const struct amp_receive receive = {.queue = text("q"), .most = 3, .visibility_ms = -1};
    struct amp_message_out out[AMP_RECEIVE_MAX];
    struct amp_secret_buf sealed = {0};
    size_t count;
    sem_init(&bell.rung, 0, 0);
    while (DO(&station->arena, receive, &receive, out, &count, &sealed) == AMP_OK) {
        for (size_t i = 0; i < count; i++)
            (void)DO(&station->arena, remove, text("q"), &out[i].receipt);
        atomic_fetch_add(&station->got, count);
        amp_secret_buf_clear(&sealed);
        if (count == 0 && DO(&station->arena, wait, text("q"), &bell.waiter) == AMP_OK)
            sem_wait(&bell.rung);
    }
    sem_destroy(&bell.rung);
    amp_secret_buf_free(&sealed);
}

static void come_and_go(void *ctx, unsigned me)
{
    if (me < THREADS / 2)
        send_all(ctx, me);
    else
        receive_all(ctx);
}

/* With a waking lost somewhere, this never ends. */
static void no_message_lies_there_while_all_sleep(void **state)
{
    static struct station station;
    arena_open(&station.arena, LIFE_MS);
    assert_int_equal(make(&station.arena, "q", NULL), AMP_OK);
    run_threads(THREADS, come_and_go, &station);
    assert_int_equal(station.got, THREADS / 2 * ROUNDS);
    arena_close(&station.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_or_in_two_hands_and_groups_keep_their_order),
        cmocka_unit_test(whatever_was_sent_ends_exactly_once),
        cmocka_unit_test(no_message_lies_there_while_all_sleep),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
