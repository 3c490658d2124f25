/* Deliveries over the link to the courier, who is played here: what it gets, and what becomes of what it says. */
#include "../support.h"

#include <event2/event.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "front/push.h"

#define QUEUE    AMP_SLICE_LIT("payments")
#define BODY_MAX (1024 * 1024)
#define MANY     600

static struct amp_clock_fake hands;
static struct event_base *base;
static struct amp_budget budget;
static struct amp_outbox *outbox;
static struct amp_push *push;

/* What front's side was told to do, and did. */
static size_t body_len;
static enum amp_err open_err, record_err;
static unsigned opened, ended, acknowledged, losses, heard;
static bool violated;
static struct amp_event last_event;
static char last_subject[AMP_SUBSCRIPTION_ID_TEXT_LEN];
static uint64_t recorded[AMP_ERR_COUNT_], counted[AMP_ERR_COUNT_];
static struct amp_push_test *tested;

/* The courier: what it got. */
static struct amp_link *courier;
static struct got {
    uint64_t ask;
    uint8_t message;
    bool test;
    size_t len;
    int64_t expires_mono_ms;
} got[MANY];
static size_t got_count, left;

static uint8_t byte_at(size_t message, size_t i)
{
    return (uint8_t)(message * 31 + i * 7 + i / 251);
}

static enum amp_err open_delivery(void *ctx, const struct amp_delivery *delivery, struct amp_secret_buf *body)
{
    assert_ptr_equal(ctx, &budget);
    assert_int_equal(body->len, 0);
    opened++;
    if (open_err != AMP_OK)
        return open_err;
    assert_int_equal(amp_secret_buf_reserve(body, body_len), AMP_OK);
    for (size_t i = 0; i < body_len; i++)
        body->ptr[i] = byte_at(delivery->message[0], i);
    body->len = body_len;
    return AMP_OK;
}

static enum amp_err record(void *ctx, const struct amp_event *event)
{
    (void)ctx;
    assert_int_equal(event->act, AMP_ACT_PUSH);
    assert_int_equal(event->outcome, AMP_OUTCOME_FAILURE);
    if (record_err != AMP_OK)
        return record_err;
    last_event = *event;
    if (event->count > 0) {
        counted[event->code] += event->count;
        return AMP_OK;
    }
    assert_true(event->has_message);
    assert_int_equal(event->subject.len, sizeof last_subject);
    memcpy(last_subject, event->subject.ptr, sizeof last_subject);
    recorded[event->code]++;
    return AMP_OK;
}

static void on_heard(void *ctx)
{
    assert_ptr_equal(ctx, &budget);
    heard++;
}

static void on_tested(void *ctx, struct amp_push_test *test)
{
    (void)ctx;
    assert_null(tested);
    tested = test;
}

static void on_gone(void *ctx, bool violation)
{
    (void)ctx;
    losses++;
    violated = violation;
}

static void delivered(void *self, struct amp_slice queue, const uint8_t *id, bool well)
{
    assert_ptr_equal(self, &budget);
    assert_true(amp_slice_is(queue, "payments"));
    assert_non_null(id);
    ended++;
    acknowledged += well;
}

static const struct amp_queue_engine_ops engine = {.name = "fake", .delivered = delivered};

static void check_bytes(const struct got *one, size_t at, struct amp_slice bytes)
{
    for (size_t i = 0; i < bytes.len && !one->test; i++)
        assert_int_equal(bytes.ptr[i], byte_at(one->message, at + i));
}

static bool courier_gets(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct amp_ipc_in in = {.left = payload};
    struct got *one = &got[got_count];
    struct amp_slice bytes;
    uint8_t subscription[16], message[16];

    (void)ctx;
    (void)link;
    (void)fd;
    if (type == AMP_IPC_DELIVER) {
        assert_int_equal(left, 0);
        one->ask = amp_ipc_get_u64(&in);
        amp_ipc_get_fixed(&in, subscription, sizeof subscription);
        amp_ipc_get_fixed(&in, message, sizeof message);
        one->message = message[0];
        one->expires_mono_ms = (int64_t)amp_ipc_get_u64(&in);
        one->test = amp_ipc_get_u8(&in) == 1;
        one->len = left = amp_ipc_get_u32(&in);
    } else {
        assert_int_equal(type, AMP_IPC_DELIVER_MORE);
        assert_int_not_equal(left, 0);
    }
    bytes = amp_ipc_get_bytes(&in, AMP_IPC_MAX_PAYLOAD);
    assert_true(amp_ipc_end(&in));
    assert_true(bytes.len > 0 && bytes.len <= left);
    check_bytes(one, one->len - left, bytes);
    left -= bytes.len;
    got_count += left == 0;
    assert_true(got_count < MANY);
    return true;
}

static void courier_ends(void *ctx, struct amp_link *link, bool violation)
{
    (void)ctx;
    (void)link;
    (void)violation;
}

static void attach(void)
{
    struct amp_link_config config = {.base = base,
                                     .self = AMP_ROLE_COURIER,
                                     .peer = AMP_ROLE_FRONT,
                                     .message = courier_gets,
                                     .closed = courier_ends};
    int fds[2];

    amp_link_free(courier);
    left = 0;
    assert_int_equal(amp_link_pair(fds), AMP_OK);
    assert_int_equal(amp_link_new(&courier, &config, fds[0]), AMP_OK);
    amp_push_attach(push, fds[1]);
    assert_true(amp_push_attached(push));
}

static int setup(void **state)
{
    struct amp_outbox_config boxed = {.clock = amp_clock_fake(&hands),
                                      .budget = &budget,
                                      .window = AMP_COURIER_WINDOW,
                                      .window_bytes = 64 << 20,
                                      .total = AMP_COURIER_TOTAL,
                                      .total_bytes = 192 << 20};
    struct amp_push_config config = {.clock = amp_clock_fake(&hands),
                                     .queues = {&engine, &budget},
                                     .ctx = &budget,
                                     .open = open_delivery,
                                     .record = record,
                                     .heard = on_heard,
                                     .tested = on_tested,
                                     .gone = on_gone};

    (void)state;
    hands = (struct amp_clock_fake){.unix_ms = 1769904000000, .mono_ms = 5000};
    amp_budget_init(&budget, 64 << 20);
    body_len = 300;
    open_err = record_err = AMP_OK;
    opened = ended = acknowledged = losses = 0;
    violated = false;
    memset(recorded, 0, sizeof recorded);
    memset(counted, 0, sizeof counted);
    tested = NULL;
    got_count = left = 0;
    base = event_base_new();
    if (base == NULL || amp_outbox_new(&outbox, &boxed) != AMP_OK)
        return -1;
    config.base = base;
    config.outbox = outbox;
    return amp_push_new(&push, &config) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    amp_link_free(courier);
    courier = NULL;
    amp_push_free(push);
    amp_outbox_free(outbox);
    amp_push_test_free(tested);
    event_base_free(base);
    return 0;
}

static void add(uint8_t subscription, uint8_t message)
{
    uint8_t subscriptions[1][16] = {{subscription}}, id[16] = {message};

    assert_int_equal(amp_outbox_add(outbox, QUEUE, subscriptions, 1, id, 65000), AMP_OK);
}

/* All that can happen happens. */
static void turn(void)
{
    for (int idle = 0; idle < 3; idle++) {
        size_t before = got_count;

        while (amp_push_go(push))
            continue;
        assert_true(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
        if (got_count != before || left != 0)
            idle = 0;
    }
}

static void say(uint64_t ask, enum amp_err err)
{
    uint8_t storage[20];
    struct amp_out payload = amp_out(storage, sizeof storage);
    unsigned before = heard;

    amp_ipc_put_u64(&payload, ask);
    amp_ipc_put_u32(&payload, (uint32_t)err);
    amp_ipc_put_u32(&payload, err == AMP_OK ? 204 : 500);
    amp_ipc_put_u32(&payload, 1);
    assert_int_equal(amp_link_send(courier, AMP_IPC_DELIVERED, amp_out_done(&payload), -1), AMP_OK);
    turn();
    assert_int_equal(heard, before + 1);
}

static void assert_counts(uint64_t pending, uint64_t under_way)
{
    struct amp_outbox_counts counts = amp_outbox_counts(outbox);

    assert_int_equal(counts.pending, pending);
    assert_int_equal(counts.under_way, under_way);
}

static void what_is_pending_waits_for_the_courier(void **state)
{
    (void)state;
    add(1, 1);
    turn();
    assert_int_equal(opened, 0);
    attach();
    turn();
    assert_int_equal(got_count, 1);
    assert_int_equal(got[0].len, 300);
    assert_int_equal(got[0].expires_mono_ms, 65000);
    assert_false(got[0].test);
    assert_counts(0, 1);
}

static void an_acknowledged_delivery_ends_its_message(void **state)
{
    (void)state;
    attach();
    add(1, 7);
    turn();
    say(got[0].ask, AMP_OK);
    assert_int_equal(ended, 1);
    assert_int_equal(acknowledged, 1);
    assert_counts(0, 0);
    assert_int_equal(losses, 0);
}

static void a_failed_delivery_ends_unacknowledged(void **state)
{
    (void)state;
    attach();
    add(1, 1);
    turn();
    say(got[0].ask, AMP_ERR_PUSH_EXPIRED);
    assert_int_equal(ended, 1);
    assert_int_equal(acknowledged, 0);
    assert_int_equal(recorded[AMP_ERR_PUSH_EXPIRED], 0); /* the courier has recorded it */
}

/* The link's queue holds 4 MiB: what does not fit waits, and nothing is torn or mixed. */
static void long_bodies_arrive_whole_and_in_order(void **state)
{
    (void)state;
    attach();
    body_len = BODY_MAX;
    for (uint8_t i = 0; i < 20; i++)
        add((uint8_t)(i % 3 + 1), i);
    assert_false(amp_push_go(push));
    assert_true(opened < 20);
    turn();
    assert_int_equal(got_count, 20);
    assert_counts(0, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(got[i].len, BODY_MAX);
        say(got[i].ask, AMP_OK);
    }
    assert_int_equal(acknowledged, 20);
}

static void bodies_of_every_length_around_a_packet_arrive(void **state)
{
    (void)state;
    attach();
    for (size_t len = AMP_IPC_MAX_PAYLOAD - 60; len < AMP_IPC_MAX_PAYLOAD + 10; len++) {
        body_len = len;
        got_count = 0;
        add(1, (uint8_t)len);
        turn();
        assert_int_equal(got_count, 1);
        assert_int_equal(got[0].len, len);
        say(got[0].ask, AMP_OK);
    }
}

static void what_was_under_way_is_sent_again_to_the_next_courier(void **state)
{
    (void)state;
    attach();
    for (uint8_t i = 0; i < 5; i++)
        add(1, i);
    turn();
    say(got[1].ask, AMP_OK);
    amp_link_free(courier);
    courier = NULL;
    turn();
    assert_int_equal(losses, 1);
    assert_false(violated);
    assert_false(amp_push_attached(push));
    assert_counts(4, 0);
    got_count = 0;
    attach();
    turn();
    assert_int_equal(got_count, 4);
    assert_int_equal(got[0].message, 0);
    assert_int_equal(got[1].message, 2);
    assert_int_equal(got[3].message, 4);
    assert_int_equal(ended, 1);
}

/* In the middle of a body. */
static void a_courier_that_goes_mid_way_gets_nothing_torn_when_it_is_back(void **state)
{
    (void)state;
    attach();
    body_len = BODY_MAX;
    for (uint8_t i = 0; i < 10; i++)
        add(1, i);
    (void)amp_push_go(push);
    attach();
    got_count = 0;
    turn();
    assert_int_equal(got_count, 10);
    for (uint8_t i = 0; i < 10; i++)
        assert_int_equal(got[i].message, i);
}

static void a_message_that_is_gone_is_not_sent_nor_recorded(void **state)
{
    (void)state;
    attach();
    add(1, 1);
    open_err = AMP_ERR_NOT_FOUND;
    turn();
    assert_int_equal(got_count, 0);
    assert_int_equal(ended, 1);
    assert_int_equal(recorded[AMP_ERR_NOT_FOUND], 0);
    assert_true(amp_push_all_told(push));
    assert_counts(0, 0);
}

static void one_that_the_engine_wiped_first_has_expired(void **state)
{
    (void)state;
    attach();
    add(1, 1);
    hands.mono_ms = 66000;
    open_err = AMP_ERR_NOT_FOUND;
    turn();
    assert_int_equal(got_count, 0);
    assert_int_equal(ended, 1);
    assert_int_equal(recorded[AMP_ERR_PUSH_EXPIRED], 1);
}

static void a_message_that_does_not_open_is_recorded(void **state)
{
    static const uint8_t id[16] = {7};

    (void)state;
    attach();
    add(1, 7);
    open_err = AMP_ERR_NOT_AUTHENTIC;
    turn();
    assert_int_equal(ended, 1);
    assert_int_equal(recorded[AMP_ERR_NOT_AUTHENTIC], 1);
    assert_memory_equal(last_event.token_reference, id, 16);
    assert_memory_equal(last_subject, "sub_", 4);
}

static void without_memory_it_waits(void **state)
{
    (void)state;
    attach();
    add(1, 1);
    open_err = AMP_ERR_OUT_OF_MEMORY;
    turn();
    assert_counts(1, 0);
    open_err = AMP_OK;
    turn();
    assert_int_equal(got_count, 1);
    assert_int_equal(ended, 0);
}

static void expired_ones_are_recorded_one_by_one_up_to_a_rate_and_counted_then(void **state)
{
    uint64_t one_by_one;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        add(1, (uint8_t)i);
    hands.mono_ms = 66000;
    assert_false(amp_push_reap(push));
    assert_int_equal(ended, 100);
    one_by_one = recorded[AMP_ERR_PUSH_EXPIRED];
    assert_true(one_by_one > 0 && one_by_one < 100);
    assert_false(amp_push_all_told(push));
    amp_push_fold(push);
    assert_int_equal(counted[AMP_ERR_PUSH_EXPIRED], 100 - one_by_one);
    assert_true(amp_push_all_told(push));
}

static void what_the_log_does_not_take_is_told_later(void **state)
{
    (void)state;
    attach();
    add(1, 1);
    open_err = AMP_ERR_NOT_AUTHENTIC;
    record_err = AMP_ERR_AUDIT_UNAVAILABLE;
    turn();
    assert_int_equal(ended, 1);
    amp_push_fold(push);
    assert_false(amp_push_all_told(push));
    record_err = AMP_OK;
    amp_push_fold(push);
    assert_int_equal(counted[AMP_ERR_NOT_AUTHENTIC], 1);
    assert_true(amp_push_all_told(push));
}

static void assert_violates(uint64_t ask, enum amp_err err)
{
    say(ask, err);
    assert_int_equal(losses, 1);
    assert_true(violated);
    assert_false(amp_push_attached(push));
}

static void an_answer_to_nothing_is_a_violation(void **state)
{
    (void)state;
    attach();
    assert_violates(1, AMP_OK);
}

static void a_second_answer_is_a_violation(void **state)
{
    (void)state;
    attach();
    add(1, 1);
    turn();
    say(got[0].ask, AMP_OK);
    assert_violates(got[0].ask, AMP_OK);
    assert_int_equal(ended, 1);
}

static void an_unknown_error_is_a_violation(void **state)
{
    (void)state;
    attach();
    add(1, 1);
    turn();
    assert_violates(got[0].ask, (enum amp_err)AMP_ERR_COUNT_);
    assert_int_equal(ended, 0);
    assert_counts(1, 0);
}

static struct amp_push_test *test_of(const char *body)
{
    struct amp_push_test *test;

    assert_int_equal(amp_push_test_new(&test, amp_slice_str(body)), AMP_OK);
    test->subscription[0] = 9;
    test->number = 77;
    return test;
}

static void a_test_goes_at_once_and_is_answered(void **state)
{
    (void)state;
    attach();
    amp_push_take_test(push, test_of("{\"test\":true}"));
    turn();
    assert_int_equal(got_count, 1);
    assert_true(got[0].test);
    assert_int_equal(got[0].len, 13);
    assert_null(tested);
    say(got[0].ask, AMP_ERR_PUSH_REFUSED);
    assert_non_null(tested);
    assert_true(tested->done);
    assert_int_equal(tested->err, AMP_ERR_PUSH_REFUSED);
    assert_int_equal(tested->http_status, 500);
    assert_int_equal(tested->number, 77);
    assert_int_equal(ended, 0);
}

static void a_test_without_a_courier_is_told_so(void **state)
{
    (void)state;
    amp_push_take_test(push, test_of("{}"));
    assert_non_null(tested);
    assert_int_equal(tested->err, AMP_ERR_OVERLOADED);
}

static void tests_have_a_window_of_their_own(void **state)
{
    static char body[AMP_COURIER_TEST_BYTES + 2];

    (void)state;
    attach();
    memset(body, 'x', AMP_COURIER_TEST_BYTES);
    for (unsigned i = 0; i < AMP_COURIER_TESTS; i++)
        amp_push_take_test(push, test_of(body));
    turn();
    assert_int_equal(got_count, AMP_COURIER_TESTS);
    assert_null(tested);
    amp_push_take_test(push, test_of("{}")); /* one too many */
    assert_non_null(tested);
    assert_int_equal(tested->err, AMP_ERR_OVERLOADED);
    amp_push_test_free(tested);
    tested = NULL;
    say(got[0].ask, AMP_OK);
    amp_push_test_free(tested);
    tested = NULL;
    body[AMP_COURIER_TEST_BYTES] = 'x'; /* too long */
    amp_push_take_test(push, test_of(body));
    assert_non_null(tested);
    assert_int_equal(tested->err, AMP_ERR_OVERLOADED);
    amp_push_test_free(tested);
    tested = NULL;
    amp_push_take_test(push, test_of("{}"));
    turn();
    assert_int_equal(got_count, AMP_COURIER_TESTS + 1);
    assert_null(tested);
}

static void a_test_ends_with_its_courier(void **state)
{
    (void)state;
    attach();
    amp_push_take_test(push, test_of("{}"));
    turn();
    amp_link_free(courier);
    courier = NULL;
    turn();
    assert_non_null(tested);
    assert_int_equal(tested->err, AMP_ERR_OVERLOADED);
}

static void what_is_given_up_is_counted(void **state)
{
    (void)state;
    attach();
    for (uint8_t i = 0; i < 5; i++)
        add(1, i);
    turn();
    for (uint8_t i = 5; i < 8; i++)
        add(1, i);
    amp_push_give_up(push);
    amp_push_fold(push);
    assert_int_equal(counted[AMP_ERR_PUSH_UNREACHABLE], 3); /* the courier records the five that it has */
    assert_true(amp_push_all_told(push));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_pending_waits_for_the_courier),
        TEST(an_acknowledged_delivery_ends_its_message),
        TEST(a_failed_delivery_ends_unacknowledged),
        TEST(long_bodies_arrive_whole_and_in_order),
        TEST(bodies_of_every_length_around_a_packet_arrive),
        TEST(what_was_under_way_is_sent_again_to_the_next_courier),
        TEST(a_courier_that_goes_mid_way_gets_nothing_torn_when_it_is_back),
        TEST(a_message_that_is_gone_is_not_sent_nor_recorded),
        TEST(one_that_the_engine_wiped_first_has_expired),
        TEST(a_message_that_does_not_open_is_recorded),
        TEST(without_memory_it_waits),
        TEST(expired_ones_are_recorded_one_by_one_up_to_a_rate_and_counted_then),
        TEST(what_the_log_does_not_take_is_told_later),
        TEST(an_answer_to_nothing_is_a_violation),
        TEST(a_second_answer_is_a_violation),
        TEST(an_unknown_error_is_a_violation),
        TEST(a_test_goes_at_once_and_is_answered),
        TEST(a_test_without_a_courier_is_told_so),
        TEST(tests_have_a_window_of_their_own),
        TEST(a_test_ends_with_its_courier),
        TEST(what_is_given_up_is_counted),
    };
    if (amp_secret_init(64 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
