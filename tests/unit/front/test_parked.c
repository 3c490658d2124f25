/*
 * Calls that wait: woken, late, ended, gone, asked for. The engine, the network and the api are played here; parked.c
 * and ask.c are compiled with this file.
 */
#include "../support.h"

#include <pthread.h>

#include "front/internal.h"

#define POLLS_MAX 2000
#define KEY       "AMPKAAAAAAAAAAAAAAAA"
#define OTHER_KEY "AMPKBBBBBBBBBBBBBBBB"

/* The network's side of a call. */
struct amp_net_exchange {
    bool alive, answered;
    int64_t extended_ms;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

static struct amp_clock_fake hands;
static struct amp_front_shared shared;
static struct amp_worker worker;
static struct amp_net_exchange exchanges[POLLS_MAX];
static const struct amp_route route = {.act = AMP_ACT_MESSAGE_RECEIVE};
static _Atomic unsigned rings;

static const struct amp_net_exchange *works_for; /* as the network was told */

/* What the api was told, and shall do. */
static unsigned resumptions, finis;
static enum amp_resume last_why;
static struct amp_api_answer last_answer;
static char last_secret[32];
static bool parks_again;
static enum amp_err ask_err;

/* The engine's. */
static pthread_mutex_t engine_lock = PTHREAD_MUTEX_INITIALIZER;
static struct amp_queue_waiter *waiters;
static unsigned waits, nudges;
static enum amp_err wait_err;

void amp_net_work_for(struct amp_net *net, const struct amp_net_exchange *exchange)
{
    works_for = exchange;
}

bool amp_net_alive(const struct amp_net_exchange *exchange)
{
    return exchange->alive;
}

void amp_net_extend(struct amp_net_exchange *exchange, int64_t ms)
{
    exchange->extended_ms = ms;
}

void amp_net_on_gone(struct amp_net_exchange *exchange, void (*gone)(void *ctx), void *ctx)
{
    exchange->gone = gone;
    exchange->gone_ctx = ctx;
}

bool amp_net_respond(struct amp_net_exchange *exchange, const struct amp_net_response *response)
{
    assert_false(exchange->answered);
    assert_non_null(response);
    exchange->answered = true;
    return exchange->alive;
}

void amp_api_response_fini(struct amp_api_response *response)
{
    assert_non_null(response);
    finis++;
}

void amp_api_resume(struct amp_api *api, const struct amp_api_request *request, enum amp_resume why,
                    const struct amp_api_answer *answer, struct amp_api_response *response)
{
    assert_null(api);
    assert_ptr_equal(request->route, &route);
    assert_null(request->who);
    assert_memory_equal(request->event.who.ptr, response->park.who, AMP_PRINCIPAL_KEY_ID_LEN);
    assert_non_null(works_for);
    resumptions++;
    last_why = why;
    if (answer != NULL) {
        last_answer = *answer;
        assert_true(answer->secret.len < sizeof last_secret);
        if (answer->secret.len > 0)
            memcpy(last_secret, answer->secret.ptr, answer->secret.len);
        last_secret[answer->secret.len] = '\0';
    }
    if (!parks_again || why == AMP_RESUME_ENDING || why == AMP_RESUME_LATE)
        response->park.kind = AMP_PARK_NONE;
}

struct amp_event amp_front_event(struct amp_worker *by, enum amp_act act, const struct amp_net_request *request)
{
    assert_ptr_equal(by, &worker);
    assert_non_null(request);
    return (struct amp_event){.act = act};
}

void amp_front_conclude(struct amp_worker *by, struct amp_net_exchange *exchange, const struct amp_net_request *request,
                        struct amp_api_response *response)
{
    assert_ptr_equal(by, &worker);
    assert_non_null(request);
    assert_int_equal(response->park.kind, AMP_PARK_NONE);
    assert_ptr_equal(exchange, works_for);
    works_for = NULL;
    (void)amp_net_respond(exchange, &(struct amp_net_response){.status = 200});
}

void amp_front_ring(struct amp_worker *at)
{
    assert_ptr_equal(at, &worker);
    rings++;
}

enum amp_err amp_link_send(struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    assert_non_null(link);
    assert_int_equal(fd, -1);
    assert_true(type == AMP_IPC_SUBSCRIPTION_CREATE || payload.len == 44);
    return ask_err;
}

static enum amp_err engine_wait(void *self, struct amp_slice queue, struct amp_queue_waiter *waiter)
{
    assert_null(self);
    assert_true(amp_slice_is(queue, "payments"));
    waits++;
    if (wait_err != AMP_OK)
        return wait_err;
    pthread_mutex_lock(&engine_lock);
    waiter->next = waiters;
    waiter->link = &waiters;
    if (waiters != NULL)
        waiters->link = &waiter->next;
    waiters = waiter;
    pthread_mutex_unlock(&engine_lock);
    return AMP_OK;
}

static void take_out(struct amp_queue_waiter *waiter)
{
    *waiter->link = waiter->next;
    if (waiter->next != NULL)
        waiter->next->link = waiter->link;
    waiter->link = NULL;
}

static void engine_unwait(void *self, struct amp_queue_waiter *waiter)
{
    assert_null(self);
    pthread_mutex_lock(&engine_lock);
    if (waiter->link != NULL)
        take_out(waiter);
    pthread_mutex_unlock(&engine_lock);
}

/* A message came: one of those that wait is woken. */
static bool message_comes(void)
{
    pthread_mutex_lock(&engine_lock);
    struct amp_queue_waiter *waiter = waiters;
    if (waiter != NULL) {
        take_out(waiter);
        waiter->wake(waiter);
    }
    pthread_mutex_unlock(&engine_lock);
    return waiter != NULL;
}

static void engine_nudge(void *self, struct amp_slice queue)
{
    assert_null(self);
    assert_true(amp_slice_is(queue, "payments"));
    nudges++;
}

static const struct amp_queue_engine_ops engine = {
    .name = "fake", .wait = engine_wait, .unwait = engine_unwait, .nudge = engine_nudge};

static int setup(void **state)
{
    (void)state;
    hands = (struct amp_clock_fake){.mono_ms = 100000};
    memset(&shared, 0, sizeof shared);
    shared.clock = amp_clock_fake(&hands);
    shared.queues.ops = &engine;
    memset(&worker, 0, sizeof worker);
    worker.shared = &shared;
    worker.settings.limits.request_ms = 15000;
    worker.keeper = (struct amp_link *)&worker; /* there is one */
    amp_wheel_init(&worker.due, hands.mono_ms);
    memset(exchanges, 0, sizeof exchanges);
    rings = resumptions = finis = waits = nudges = 0;
    parks_again = false;
    ask_err = wait_err = AMP_OK;
    waiters = NULL;
    last_secret[0] = '\0';
    return amp_subscribers_new(&shared.subscribers) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    assert_true(LIST_EMPTY(&worker.polls) && LIST_EMPTY(&worker.asking));
    assert_int_equal(shared.parked, 0);
    assert_int_equal(worker.due.count, 0);
    assert_null(waiters);
    amp_subscribers_free(shared.subscribers);
    return 0;
}

static void park(size_t i, struct amp_park how, const char *key)
{
    struct amp_api_request call = {.route = &route};
    struct amp_net_request request = {.request_id = i + 1};
    struct amp_api_response response = {.park = how};

    memcpy(response.park.who, key, sizeof response.park.who);
    memcpy(response.park.queue.text, "payments", 8);
    response.park.queue.len = 8;
    exchanges[i].alive = true;
    assert_int_equal(amp_front_park(&worker, &exchanges[i], &call, &request, &response), AMP_OK);
}

static void poll_as(size_t i, const char *key)
{
    park(i, (struct amp_park){.kind = AMP_PARK_POLL, .until_mono_ms = hands.mono_ms + 20000}, key);
}

static void poll(size_t i)
{
    poll_as(i, KEY);
}

static void pass(int64_t ms)
{
    amp_clock_fake_advance(&hands, ms);
    amp_front_end_late(&worker, hands.mono_ms);
}

static void a_message_wakes_a_poll(void **state)
{
    (void)state;
    poll(0);
    assert_int_equal(shared.parked, 1);
    assert_int_equal(exchanges[0].extended_ms, 35000);
    assert_int_equal(rings, 0);
    assert_true(message_comes());
    assert_int_equal(rings, 1);
    assert_int_equal(resumptions, 0); /* its own thread goes on with it */
    amp_front_wake_up(&worker);
    assert_int_equal(resumptions, 1);
    assert_int_equal(last_why, AMP_RESUME_WOKEN);
    assert_true(exchanges[0].answered);
    amp_front_wake_up(&worker);
    assert_int_equal(resumptions, 1);
}

static void the_bell_rings_once_for_many(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++)
        poll(i);
    while (message_comes())
        continue;
    assert_int_equal(rings, 1);
    amp_front_wake_up(&worker);
    assert_int_equal(resumptions, 10);
    poll(10);
    assert_true(message_comes());
    assert_int_equal(rings, 2);
    amp_front_wake_up(&worker);
}

static void one_that_finds_nothing_waits_on_until_its_time(void **state)
{
    (void)state;
    poll(0);
    parks_again = true;
    for (unsigned i = 1; i <= 3; i++) {
        assert_true(message_comes());
        amp_front_wake_up(&worker);
        assert_int_equal(resumptions, i);
        assert_false(exchanges[0].answered);
    }
    pass(20000);
    amp_front_wake_up(&worker);
    assert_int_equal(last_why, AMP_RESUME_LATE);
    assert_true(exchanges[0].answered);
}

static void what_is_there_already_is_fetched_at_once(void **state)
{
    (void)state;
    wait_err = AMP_ERR_AGAIN;
    poll(0);
    assert_int_equal(rings, 1);
    amp_front_wake_up(&worker);
    assert_int_equal(last_why, AMP_RESUME_WOKEN);
    wait_err = AMP_ERR_QUEUE_UNKNOWN;
    poll(1);
    amp_front_wake_up(&worker);
    assert_int_equal(resumptions, 2);
}

static void each_ends_at_its_time_and_costs_next_to_nothing_until_then(void **state)
{
    size_t work = POLLS_MAX + 1; /* each is touched once on its way, and not with every tick */

    (void)state;
    for (size_t i = 0; i < POLLS_MAX; i++)
        poll(i);
    assert_int_equal(shared.parked, POLLS_MAX);
    for (int64_t ms = 0; ms < 19900; ms += 50) {
        amp_clock_fake_advance(&hands, 50);
        assert_null(amp_wheel_take(&worker.due, hands.mono_ms, &work));
        assert_true(work > 0);
    }
    pass(300);
    assert_int_equal(rings, 1);
    amp_front_wake_up(&worker);
    assert_int_equal(resumptions, POLLS_MAX);
    assert_int_equal(last_why, AMP_RESUME_LATE);
    assert_int_equal(nudges, 0);
}

static void one_woken_in_its_last_moment_looks_for_its_message(void **state)
{
    (void)state;
    poll(0);
    pass(20100);
    assert_true(message_comes());
    amp_front_wake_up(&worker);
    assert_int_equal(resumptions, 1);
    assert_int_equal(last_why, AMP_RESUME_WOKEN);
}

static void one_whose_peer_is_gone_passes_the_message_on(void **state)
{
    (void)state;
    poll(0);
    assert_true(message_comes());
    exchanges[0].alive = false;
    amp_front_wake_up(&worker);
    assert_int_equal(resumptions, 0);
    assert_int_equal(finis, 1);
    assert_int_equal(nudges, 1);
    assert_true(exchanges[0].answered);
}

static void one_whose_peer_goes_waits_no_longer(void **state)
{
    (void)state;
    poll(0);
    exchanges[0].alive = false;
    exchanges[0].gone(exchanges[0].gone_ctx);
    assert_int_equal(rings, 1);
    assert_true(message_comes()); /* before its thread came round */
    amp_front_wake_up(&worker);
    assert_int_equal(finis, 1);
    assert_int_equal(nudges, 1);
    assert_false(message_comes());
}

static void polls_of_a_key_that_changed_end(void **state)
{
    (void)state;
    poll_as(0, KEY);
    poll_as(1, OTHER_KEY);
    poll_as(2, KEY);
    amp_front_end_polls(&worker, (const uint8_t *)KEY);
    amp_front_wake_up(&worker);
    assert_int_equal(resumptions, 2);
    assert_int_equal(last_why, AMP_RESUME_ENDING);
    assert_false(exchanges[1].answered);
    amp_front_end_polls(&worker, NULL);
    amp_front_wake_up(&worker);
    assert_true(exchanges[1].answered);
}

/* What its message was woken for goes to another. */
static void an_ended_poll_takes_no_message(void **state)
{
    (void)state;
    poll(0);
    assert_true(message_comes());
    amp_front_end_polls(&worker, NULL);
    amp_front_wake_up(&worker);
    assert_int_equal(last_why, AMP_RESUME_ENDING);
    assert_int_equal(nudges, 1);
}

static void nobody_waits_while_draining_or_without_a_keeper(void **state)
{
    (void)state;
    worker.draining = true;
    poll(0);
    amp_front_wake_up(&worker);
    assert_int_equal(last_why, AMP_RESUME_ENDING);
    worker.draining = false;
    worker.keeper = NULL;
    poll(1);
    amp_front_wake_up(&worker);
    assert_int_equal(resumptions, 2);
    assert_int_equal(waits, 0);
}

/* Asks. */

static const uint8_t some_id[AMP_SUBSCRIPTION_ID_LEN] = {5};

static uint64_t ask(size_t i, enum amp_api_ask_kind kind)
{
    struct amp_subscription wanted = {.queue_len = 8, .queue = "payments", .url_len = 9, .url = "https://a"};
    struct amp_api_ask what = {.kind = kind, .wanted = &wanted, .who = (const uint8_t *)KEY};
    uint64_t number;

    memcpy(what.subscription, some_id, sizeof some_id);
    assert_int_equal(amp_front_ask(&worker, &what, &number), AMP_OK);
    park(i, (struct amp_park){.kind = AMP_PARK_ASK, .ask = number, .until_mono_ms = hands.mono_ms + 5000}, KEY);
    return number;
}

static bool done(uint64_t number, enum amp_err err, const char *secret)
{
    uint8_t storage[160];
    struct amp_out out = amp_out(storage, sizeof storage);
    struct amp_ipc_in in;

    amp_ipc_put_u64(&out, number);
    amp_ipc_put_u32(&out, (uint32_t)err);
    amp_out_bytes(&out, some_id, sizeof some_id);
    amp_ipc_put_u64(&out, 0);
    amp_ipc_put_bytes(&out, amp_slice_str(secret));
    in = (struct amp_ipc_in){.left = amp_out_done(&out)};
    return amp_front_take_done(&worker, &in);
}

static void know(enum amp_subscription_state subscription_state)
{
    struct amp_subscription known = {.state = subscription_state, .queue_len = 8, .queue = "payments"};

    memcpy(known.id, some_id, sizeof some_id);
    assert_int_equal(amp_subscribers_put(shared.subscribers, &known), AMP_OK);
}

static void the_keepers_refusal_reaches_who_asked(void **state)
{
    uint64_t first, second;

    (void)state;
    first = ask(0, AMP_API_ASK_SUBSCRIPTION_CREATE);
    second = ask(1, AMP_API_ASK_SUBSCRIPTION_DELETE);
    assert_int_not_equal(first, second);
    assert_true(done(second, AMP_ERR_SUBSCRIPTION_UNKNOWN, ""));
    assert_true(exchanges[1].answered);
    assert_false(exchanges[0].answered);
    assert_int_equal(last_why, AMP_RESUME_ANSWER);
    assert_int_equal(last_answer.err, AMP_ERR_SUBSCRIPTION_UNKNOWN);
    assert_true(done(first, AMP_ERR_OVER_LIMIT, ""));
    assert_true(exchanges[0].answered);
    assert_true(done(first, AMP_ERR_OVER_LIMIT, "")); /* nobody waits for it any more */
    assert_int_equal(resumptions, 2);
}

/* Worker 0 may hear of it later than the one who asked. */
static void success_is_told_when_it_is_in_force(void **state)
{
    uint64_t number;

    (void)state;
    number = ask(0, AMP_API_ASK_SUBSCRIPTION_CREATE);
    assert_true(done(number, AMP_OK, "whsec_abc"));
    amp_front_tell_held(&worker);
    assert_int_equal(resumptions, 0);
    know(AMP_SUBSCRIPTION_ACTIVE);
    amp_front_tell_held(&worker);
    assert_int_equal(resumptions, 1);
    assert_string_equal(last_secret, "whsec_abc");
    assert_memory_equal(last_answer.subscription, some_id, sizeof some_id);
    assert_true(exchanges[0].answered);

    know(AMP_SUBSCRIPTION_FAILING);
    assert_true(done(ask(1, AMP_API_ASK_SUBSCRIPTION_ROTATE), AMP_OK, "whsec_def"));
    assert_int_equal(resumptions, 1);
    know(AMP_SUBSCRIPTION_ACTIVE);
    assert_true(done(ask(2, AMP_API_ASK_SUBSCRIPTION_DELETE), AMP_OK, ""));
    amp_front_tell_held(&worker);
    assert_true(exchanges[1].answered);
    assert_false(exchanges[2].answered);
    amp_subscribers_remove(shared.subscribers, some_id);
    amp_front_tell_held(&worker);
    assert_true(exchanges[2].answered);
}

static void an_ask_ends_at_its_time(void **state)
{
    uint64_t number;

    (void)state;
    number = ask(0, AMP_API_ASK_SUBSCRIPTION_CREATE);
    assert_true(done(number, AMP_OK, "whsec_abc")); /* held, and never in force */
    pass(5100);
    know(AMP_SUBSCRIPTION_ACTIVE);
    amp_front_tell_held(&worker);
    amp_front_wake_up(&worker);
    assert_int_equal(resumptions, 1);
    assert_int_equal(last_why, AMP_RESUME_LATE);
}

static void asks_of_a_keeper_that_goes_fail(void **state)
{
    uint64_t number;

    (void)state;
    (void)ask(0, AMP_API_ASK_SUBSCRIPTION_CREATE);
    (void)ask(1, AMP_API_ASK_SUBSCRIPTION_ROTATE);
    amp_front_lose_keeper(&worker);
    assert_int_equal(resumptions, 2);
    assert_int_equal(last_answer.err, AMP_ERR_KEEPER_UNAVAILABLE);
    ask_err = AMP_ERR_IO;
    assert_int_equal(
        amp_front_ask(&worker,
                      &(struct amp_api_ask){.kind = AMP_API_ASK_SUBSCRIPTION_DELETE, .who = (const uint8_t *)KEY},
                      &number),
        AMP_ERR_KEEPER_UNAVAILABLE);
}

static void malformed_words_of_the_keeper_are_refused(void **state)
{
    uint8_t storage[39] = {0};

    (void)state;
    for (size_t len = 0; len <= sizeof storage; len++) {
        struct amp_ipc_in in = {.left = amp_slice(storage, len)};

        assert_true(amp_front_take_done(&worker, &in) == (len == 38));
    }
    assert_false(done(4, AMP_ERR_COUNT_, ""));
    assert_false(done(4 | AMP_API_ASK_SUBSCRIPTION_TEST, AMP_OK, "")); /* of no number that it was asked by */
}

static void tests_travel_to_worker_0_and_back(void **state)
{
    struct amp_api_ask what = {.kind = AMP_API_ASK_SUBSCRIPTION_TEST, .body = AMP_SLICE_LIT("{}")};
    struct amp_push_test *test;
    uint64_t number;

    (void)state;
    assert_int_equal(amp_front_ask(&worker, &what, &number), AMP_ERR_OVERLOADED);
    shared.pusher = &worker;
    assert_int_equal(amp_front_ask(&worker, &what, &number), AMP_ERR_OVERLOADED);
    shared.courier_here = true;
    assert_int_equal(amp_front_ask(&worker, &what, &number), AMP_OK);
    park(0, (struct amp_park){.kind = AMP_PARK_ASK, .ask = number, .until_mono_ms = hands.mono_ms + 12000}, KEY);
    assert_int_equal(rings, 1);
    test = worker.mail;
    worker.mail = NULL;
    assert_true(amp_slice_is(amp_slice(test->body.ptr, test->body.len), "{}"));
    test->done = true;
    test->err = AMP_ERR_PUSH_REFUSED;
    test->http_status = 418;
    amp_front_post(test->from, test);
    amp_front_read_mail(&worker);
    assert_int_equal(resumptions, 1);
    assert_int_equal(last_answer.err, AMP_ERR_PUSH_REFUSED);
    assert_int_equal(last_answer.http_status, 418);
    shared.draining = true;
    assert_int_equal(amp_front_ask(&worker, &what, &number), AMP_ERR_OVERLOADED);
}

void amp_push_take_test(struct amp_push *push, struct amp_push_test *test)
{
    assert_null(push);
    amp_push_test_free(test);
}

enum amp_err amp_push_test_new(struct amp_push_test **out, struct amp_slice body)
{
    *out = calloc(1, sizeof **out);
    assert_non_null(*out);
    return amp_secret_buf_append(&(*out)->body, body.ptr, body.len);
}

void amp_push_test_free(struct amp_push_test *test)
{
    amp_secret_buf_free(&test->body);
    free(test);
}

/* Messages come from another thread while polls are parked, woken and late. */
static _Atomic bool sending;

static void *send_messages(void *ctx)
{
    (void)ctx;
    while (sending)
        (void)message_comes();
    return NULL;
}

static void wake_ups_from_another_thread_lose_and_double_nothing(void **state)
{
    pthread_t thread;

    (void)state;
    sending = true;
    assert_int_equal(pthread_create(&thread, NULL, send_messages, NULL), 0);
    for (unsigned round = 0; round < 200; round++) {
        memset(exchanges, 0, sizeof exchanges[0] * 20);
        for (size_t i = 0; i < 20; i++)
            poll(i);
        amp_front_wake_up(&worker);
        if (round % 3 == 0)
            pass(20100);
        if (round % 5 == 0)
            amp_front_end_polls(&worker, NULL);
        while (shared.parked > 0)
            amp_front_wake_up(&worker);
        for (size_t i = 0; i < 20; i++)
            assert_true(exchanges[i].answered);
    }
    sending = false;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(resumptions, 200 * 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_message_wakes_a_poll),
        TEST(the_bell_rings_once_for_many),
        TEST(one_that_finds_nothing_waits_on_until_its_time),
        TEST(what_is_there_already_is_fetched_at_once),
        TEST(each_ends_at_its_time_and_costs_next_to_nothing_until_then),
        TEST(one_woken_in_its_last_moment_looks_for_its_message),
        TEST(one_whose_peer_is_gone_passes_the_message_on),
        TEST(one_whose_peer_goes_waits_no_longer),
        TEST(polls_of_a_key_that_changed_end),
        TEST(an_ended_poll_takes_no_message),
        TEST(nobody_waits_while_draining_or_without_a_keeper),
        TEST(the_keepers_refusal_reaches_who_asked),
        TEST(success_is_told_when_it_is_in_force),
        TEST(an_ask_ends_at_its_time),
        TEST(asks_of_a_keeper_that_goes_fail),
        TEST(malformed_words_of_the_keeper_are_refused),
        TEST(tests_travel_to_worker_0_and_back),
        TEST(wake_ups_from_another_thread_lose_and_double_nothing),
    };
    if (amp_secret_init(64 << 20, false) != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
