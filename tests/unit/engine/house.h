/* An engine over a clock that stands still, and short words for what is done to it. Messages go by number. */
#ifndef AMP_TESTS_ENGINE_HOUSE_H
#define AMP_TESTS_ENGINE_HOUSE_H

#include <string.h>

#include "../support.h"
#include "base/clock.h"
#include "base/size.h"
#include "crypto/crypto.h"
#include "engine/engine.h"

#define UNIX_MS 1700000000000
#define LIFE_MS 600000 /* of a message, where nothing else is said */
#define MINUTE  60000

typedef enum amp_err (*engine_open)(struct amp_queue_engine *out, const struct amp_engine_config *config);

/* What `available` was told last, and what it shall answer. */
struct ear {
    int answer;
    uint64_t told;
    struct amp_queue_name queue;
    uint8_t id[AMP_MESSAGE_ID_LEN];
    int64_t expires_mono_ms;
};

struct house {
    struct amp_clock_fake clock;
    struct amp_budget budget;
    struct amp_queue_engine engine;
    uint64_t dropped;
    uint32_t last_dropped;
    struct ear ear;
    struct amp_engine_swept swept;
    /* what was received last */
    size_t count;
    struct amp_message_out out[AMP_RECEIVE_MAX];
    struct amp_secret_buf sealed;
    struct amp_message_sent sent;
    struct amp_queue_view view;
};

static inline struct amp_slice text(const char *s)
{
    return amp_slice_str(s);
}

/* SplitMix64: an id like a random one, the same for the same number. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline void id_from(uint8_t id[16], uint64_t number)
{
    uint64_t state = number * 0x2545f4914f6cdd1du;
    uint64_t words[2] = {next_random(&state), next_random(&state)};
    memcpy(id, words, sizeof words);
}

static inline void count_dropped(void *ctx, uint32_t epoch)
{
    struct house *house = ctx;
    house->dropped++;
    house->last_dropped = epoch;
}

static inline int listen_to(void *ctx, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN],
                            int64_t expires_mono_ms)
{
    struct ear *ear = &((struct house *)ctx)->ear;
    ear->told++;
    assert_int_equal(amp_queue_name_parse(&ear->queue, queue), AMP_OK);
    memcpy(ear->id, id, sizeof ear->id);
    ear->expires_mono_ms = expires_mono_ms;
    return ear->answer;
}

static inline enum amp_err house_open(struct house *house, engine_open open, size_t cap_bytes)
{
    *house = (struct house){.clock = {.unix_ms = UNIX_MS, .mono_ms = 5000}};
    amp_budget_init(&house->budget, cap_bytes);
    const struct amp_engine_config config = {
        .clock = amp_clock_fake(&house->clock),
        .budget = &house->budget,
        .max_queues = 100,
        .ctx = house,
        .dropped = count_dropped,
        .available = listen_to,
    };
    return open(&house->engine, &config);
}

static inline void house_close(struct house *house)
{
    house->engine.ops->close(house->engine.self);
    house->engine.self = NULL;
    amp_secret_buf_free(&house->sealed);
}

/* The calls, by their names. */
#define DO(house, op, ...) ((house)->engine.ops->op((house)->engine.self, __VA_ARGS__))

static inline enum amp_err create_with(struct house *house, const char *name, const struct amp_queue_settings *settings)
{
    bool existed;
    return DO(house, create, text(name), settings, NULL, &existed);
}

static inline void create(struct house *house, const char *name)
{
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, amp_queue_name_is_fifo(text(name)));
    assert_int_equal(create_with(house, name, &settings), AMP_OK);
}

/* A queue whose messages go to another one when they were received `max_receives` times. */
static inline void create_with_dead_letter(struct house *house, const char *name, const char *dead_letter,
                                           uint32_t max_receives)
{
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, amp_queue_name_is_fifo(text(name)));
    assert_int_equal(amp_queue_name_parse(&settings.dead_letter, text(dead_letter)), AMP_OK);
    settings.max_receives = max_receives;
    assert_int_equal(create_with(house, name, &settings), AMP_OK);
}

/* Message `number`: its id, sealed bytes "sealed NUMBER", and for FIFO queues a deduplication id come from that. */
struct draft {
    struct amp_message_in in;
    char sealed[32];
};

static inline void draft(struct draft *draft, const struct house *house, const char *queue, uint64_t number)
{
    snprintf(draft->sealed, sizeof draft->sealed, "sealed %llu", (unsigned long long)number);
    draft->in = (struct amp_message_in){.queue = text(queue),
                                        .sealed = text(draft->sealed),
                                        .epoch = (uint32_t)number,
                                        .sent_unix_ms = house->clock.unix_ms,
                                        .expires_unix_ms = house->clock.unix_ms + LIFE_MS,
                                        .delay_ms = -1};
    id_from(draft->in.id, number);
    id_from(draft->in.deduplication, number + 1000000);
    memcpy(draft->in.sender, "AMPKAAAAAAAAAAAAAAAA", sizeof draft->in.sender);
}

static inline enum amp_err send_draft(struct house *house, const struct draft *draft)
{
    return DO(house, send, &draft->in, &house->sent);
}

static inline enum amp_err try_send(struct house *house, const char *queue, uint64_t number)
{
    struct draft d;
    draft(&d, house, queue, number);
    return send_draft(house, &d);
}

static inline void send_message(struct house *house, const char *queue, uint64_t number)
{
    assert_int_equal(try_send(house, queue, number), AMP_OK);
}

static inline void send_for(struct house *house, const char *queue, uint64_t number, int64_t life_ms)
{
    struct draft d;
    draft(&d, house, queue, number);
    d.in.expires_unix_ms = d.in.sent_unix_ms + life_ms;
    assert_int_equal(send_draft(house, &d), AMP_OK);
}

static inline void send_delayed(struct house *house, const char *queue, uint64_t number, int64_t delay_ms)
{
    struct draft d;
    draft(&d, house, queue, number);
    d.in.delay_ms = delay_ms;
    assert_int_equal(send_draft(house, &d), AMP_OK);
}

static inline void send_in_group(struct house *house, const char *queue, uint64_t number, uint64_t group)
{
    struct draft d;
    draft(&d, house, queue, number);
    id_from(d.in.group, group + 2000000);
    assert_int_equal(send_draft(house, &d), AMP_OK);
}

static inline enum amp_err receive_for(struct house *house, const char *queue, uint32_t most, int64_t visibility_ms)
{
    const struct amp_receive receive = {.queue = text(queue), .most = most, .visibility_ms = visibility_ms};
    amp_secret_buf_clear(&house->sealed);
    return DO(house, receive, &receive, house->out, &house->count, &house->sealed);
}

static inline void assert_is(const struct house *house, const struct amp_message_out *out, uint64_t number)
{
    struct draft d;
    draft(&d, house, "q", number);
    assert_memory_equal(out->receipt.id, d.in.id, sizeof d.in.id);
    assert_int_equal(out->sealed_len, d.in.sealed.len);
    assert_true(out->sealed_at + out->sealed_len <= house->sealed.len);
    assert_memory_equal(house->sealed.ptr + out->sealed_at, d.in.sealed.ptr, d.in.sealed.len);
    assert_memory_equal(out->sender, d.in.sender, sizeof d.in.sender);
    assert_int_equal(out->epoch, d.in.epoch);
}

/* Receives up to 10 for the queue's own time, and gets these numbers in this order. */
#define expect(house, queue, ...)                                                                                      \
    expect_these(house, queue, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / 8)

static inline void expect_these(struct house *house, const char *queue, const uint64_t *numbers, size_t count)
{
    assert_int_equal(receive_for(house, queue, AMP_RECEIVE_MAX, -1), AMP_OK);
    for (size_t i = 0; i < house->count && i < count; i++)
        assert_is(house, &house->out[i], numbers[i]);
    assert_int_equal(house->count, count);
}

static inline void expect_none(struct house *house, const char *queue)
{
    expect_these(house, queue, NULL, 0);
}

static inline enum amp_err remove_received(struct house *house, const char *queue, size_t i)
{
    return DO(house, remove, text(queue), &house->out[i].receipt);
}

static inline enum amp_err hide(struct house *house, const char *queue, size_t i, int64_t visibility_ms)
{
    return DO(house, change_visibility, text(queue), &house->out[i].receipt, visibility_ms);
}

static inline enum amp_err peek(struct house *house, const char *queue, uint64_t number)
{
    uint8_t id[AMP_MESSAGE_ID_LEN];
    id_from(id, number);
    amp_secret_buf_clear(&house->sealed);
    return DO(house, peek, text(queue), id, &house->out[0], &house->sealed);
}

static inline void deliver(struct house *house, const char *queue, uint64_t number, bool acknowledged)
{
    uint8_t id[AMP_MESSAGE_ID_LEN];
    id_from(id, number);
    DO(house, delivered, text(queue), id, acknowledged);
}

static inline struct amp_engine_stats stats(const struct house *house)
{
    struct amp_engine_stats stats;
    DO(house, stats, &stats);
    return stats;
}

static inline void sweep(struct house *house)
{
    while (DO(house, sweep, 0, 1, 100, &house->swept))
        ;
}

/* Time passes, and no sweep comes by. */
static inline void pass_unswept(struct house *house, int64_t ms)
{
    amp_clock_fake_advance(&house->clock, ms);
}

static inline void pass(struct house *house, int64_t ms)
{
    pass_unswept(house, ms);
    sweep(house);
}

static inline const struct amp_queue_view *look(struct house *house, const char *queue)
{
    assert_int_equal(DO(house, look, text(queue), &house->view), AMP_OK);
    return &house->view;
}

static inline void assert_counts(struct house *house, const char *queue, uint64_t available, uint64_t in_flight,
                                 uint64_t delayed)
{
    look(house, queue);
    assert_int_equal(house->view.available, available);
    assert_int_equal(house->view.in_flight, in_flight);
    assert_int_equal(house->view.delayed, delayed);
}

static inline int start_rooms(void **state)
{
    return amp_secret_init((size_t)64 << 20, false) == AMP_OK && amp_crypto_init() == AMP_OK ? 0 : -1;
}

static inline int end_rooms(void **state)
{
    amp_crypto_thread_fini();
    int left = amp_secret_used() != 0;
    amp_secret_fini();
    return left;
}

#endif
