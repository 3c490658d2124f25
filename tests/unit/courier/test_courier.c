/* The courier in a thread; the test is its supervisor, front, keeper, scribe, and the endpoint. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../peer.h"
#include "../support.h"
#include "audit/event.h"
#include "courier/courier.h"
#include "courier/resolver.h"
#include "crypto/crypto.h"
#include "ipc/table.h"
#include "keys/subscription.h"
#include "web_server.h"

enum { PACKET_MAX = 1 + AMP_IPC_MAX_PAYLOAD, LIFE_MS = 60000 };

struct scene {
    struct amp_config config;
    struct amp_role_env env;
    struct amp_clock clock;
    pthread_t thread;
    bool running;
    int control;
    int front;
    int keeper;
    int log;
    uint64_t logged; /* events the scribe was told of */
    struct web_server *server;
    uint8_t packet[PACKET_MAX];
    struct amp_slice payload; /* of the last packet received */
    struct {
        uint64_t ask;
        enum amp_err err;
        uint32_t status;
        uint32_t attempts;
    } delivered;
};

static struct scene scene;

static enum amp_err no_config(struct amp_config *out, int fd)
{
    return AMP_ERR_INVALID;
}

struct event;

/* Put in the place of libevent's by the linker: where `hasty`, the wait for a new keeper, and no other, is over in a
 * second. */
static _Atomic bool hasty;
int __wrap_event_add(struct event *event, const struct timeval *timeout);
int __real_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout)
{
    static const struct timeval moment = {.tv_sec = 1};
    bool patient = hasty && timeout != NULL && timeout->tv_sec == AMP_KEEPER_PATIENCE_S && timeout->tv_usec == 0;
    return __real_event_add(event, patient ? &moment : timeout);
}

static void *run(void *ctx)
{
    int status = amp_courier_main(ctx);
    amp_crypto_thread_fini();
    return (void *)(intptr_t)status;
}

static void hear(int from, enum amp_ipc_type expected)
{
    ssize_t n = recv(from, scene.packet, sizeof(scene.packet), 0);
    assert_true(n >= 1);
    assert_string_equal(amp_ipc_row((enum amp_ipc_type)scene.packet[0])->name, amp_ipc_row(expected)->name);
    scene.payload = amp_slice(scene.packet + 1, (size_t)n - 1);
}

static void give_link(enum amp_role role, int *ours)
{
    const uint8_t payload[2] = {(uint8_t)role, 0};
    int theirs;
    if (*ours >= 0)
        close(*ours);
    peer_pair(ours, &theirs);
    peer_say(scene.control, AMP_IPC_LINK, amp_slice(payload, sizeof(payload)), theirs);
    close(theirs);
}

/* Everything the scribe was told is durable, and its log can be written. */
static void confirm_records(void)
{
    uint8_t storage[17];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_ipc_put_u64(&out, scene.logged);
    amp_ipc_put_u64(&out, scene.logged);
    amp_ipc_put_u8(&out, 1);
    peer_say(scene.log, AMP_IPC_RECORDED, amp_out_done(&out), -1);
}

/* The next event recorded; borrows from the last packet. */
static struct amp_event hear_event(void)
{
    struct amp_event event;
    size_t used;
    hear(scene.log, AMP_IPC_RECORDS);
    struct amp_ipc_in in = {scene.payload, false};
    assert_int_equal(amp_ipc_get_u64(&in), scene.logged + 1);
    amp_ipc_get_u8(&in);
    assert_int_equal(amp_event_unpack(&event, in.left, &used), AMP_OK);
    assert_int_equal(used, in.left.len);
    scene.logged++;
    confirm_records();
    return event;
}

static void attach_log(void)
{
    give_link(AMP_ROLE_SCRIBE, &scene.log);
    hear(scene.log, AMP_IPC_RECORDS); /* the hello */
    confirm_records();
}

static void tell_subscription(uint8_t n, enum amp_subscription_state as)
{
    static const char text[] = "0123456789abcdef";
    struct amp_subscription subscription = {
        .id = {n}, .state = as, .generation = n + 6u, .queue_len = 5, .queue = "cards", .created_unix_ms = 1};
    struct amp_subscription_secrets secrets = {.count = 1};
    uint8_t packed[AMP_SUBSCRIPTION_PACKED_MAX];
    uint8_t packed_secrets[AMP_SUBSCRIPTION_SECRETS_PACKED_MAX];
    uint8_t storage[8192];
    struct amp_out out = amp_out(packed, sizeof(packed));
    struct amp_out out_secrets = amp_out(packed_secrets, sizeof(packed_secrets));
    struct amp_out payload = amp_out(storage, sizeof(storage));
    for (size_t i = 0; i < sizeof(subscription.owner); i++)
        subscription.owner[i] = (uint8_t) "AMPKAAAAAAAAAAAAAAAA"[i];
    subscription.url_len = (uint16_t)snprintf((char *)subscription.url, sizeof(subscription.url),
                                              "http://127.0.0.1:%u/%c", web_server_port(scene.server), text[n & 15]);
    secrets.secrets[0] = (struct amp_webhook_secret){.bytes = {n}, .len = AMP_WEBHOOK_SECRET_LEN};
    amp_subscription_pack(&out, &subscription);
    amp_subscription_secrets_pack(&out_secrets, &secrets);
    amp_ipc_put_bytes(&payload, amp_out_done(&out));
    amp_ipc_put_bytes(&payload, amp_out_done(&out_secrets));
    peer_say(scene.keeper, AMP_IPC_SUBSCRIPTION, amp_out_done(&payload), -1);
}

static void attach_keeper(void)
{
    give_link(AMP_ROLE_KEEPER, &scene.keeper);
    peer_say(scene.keeper, AMP_IPC_SUBSCRIPTIONS_TELLING, amp_slice(NULL, 0), -1);
    tell_subscription(1, AMP_SUBSCRIPTION_ACTIVE);
    peer_say(scene.keeper, AMP_IPC_SUBSCRIPTIONS_TOLD, amp_slice(NULL, 0), -1);
}

static void deliver(uint8_t to, uint64_t ask, size_t body_len, size_t here)
{
    static uint8_t body[AMP_IPC_MAX_PAYLOAD];
    static uint8_t storage[AMP_IPC_MAX_PAYLOAD];
    const uint8_t id[AMP_SUBSCRIPTION_ID_LEN] = {to};
    struct amp_out out = amp_out(storage, sizeof(storage));
    memset(body, 'b', sizeof(body));
    amp_ipc_put_u64(&out, ask);
    amp_out_bytes(&out, id, sizeof(id));
    amp_out_bytes(&out, "message.........", 16);
    amp_ipc_put_u64(&out, (uint64_t)(amp_clock_mono_ms(&scene.clock) + LIFE_MS));
    amp_ipc_put_u8(&out, 0);
    amp_ipc_put_u32(&out, (uint32_t)body_len);
    amp_ipc_put_bytes(&out, amp_slice(body, here));
    peer_say(scene.front, AMP_IPC_DELIVER, amp_out_done(&out), -1);
}

static void hear_delivered(uint64_t ask, enum amp_err err, uint32_t status, uint32_t attempts)
{
    hear(scene.front, AMP_IPC_DELIVERED);
    struct amp_ipc_in in = {scene.payload, false};
    assert_int_equal(amp_ipc_get_u64(&in), ask);
    assert_string_equal(amp_err_code((enum amp_err)amp_ipc_get_u32(&in)), amp_err_code(err));
    assert_int_equal(amp_ipc_get_u32(&in), status);
    assert_int_equal(amp_ipc_get_u32(&in), attempts);
    assert_true(amp_ipc_end(&in));
}

static void start(const struct web_step *steps, size_t count)
{
    int theirs;
    scene.server = web_server_start(steps, count);
    peer_pair(&scene.control, &theirs);
    scene.env = (struct amp_role_env){
        .config = &scene.config, .control_fd = theirs, .state_fd = -1, .push_ca_fd = -1, .config_read = no_config};
    assert_int_equal(amp_resolver_new(&scene.env.resolver, NULL), AMP_OK);
    assert_int_equal(pthread_create(&scene.thread, NULL, run, &scene.env), 0);
    scene.running = true;
    hear(scene.control, AMP_IPC_READY);
}

static void start_with_links(const struct web_step *steps, size_t count)
{
    start(steps, count);
    attach_log();
    attach_keeper();
    give_link(AMP_ROLE_FRONT, &scene.front);
}

static int join(void)
{
    void *status;
    assert_int_equal(pthread_join(scene.thread, &status), 0);
    scene.running = false;
    return (int)(intptr_t)status;
}

static int begin(void **state)
{
    memset(&scene, 0, sizeof(scene));
    hasty = false;
    scene.clock = amp_clock_system();
    scene.control = scene.front = scene.keeper = scene.log = -1;
    scene.config.dev = true;
    scene.config.push.connect_ms = 5000;
    scene.config.push.timeout_ms = 10000;
    scene.config.push.disable_after_ms = 3600 * 1000;
    scene.config.push.concurrency = 4;
    return 0;
}

static int finish(void **state)
{
    const int ends[] = {scene.control, scene.front, scene.keeper, scene.log};
    for (size_t i = 0; i < 4; i++) {
        if (ends[i] >= 0)
            shutdown(ends[i], SHUT_RDWR);
    }
    if (scene.running)
        join();
    for (size_t i = 0; i < 4; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
    }
    web_server_stop(scene.server);
    return 0;
}

static const struct web_step accepts = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
static const struct web_step stalls = {.answer = NULL};
static const struct web_step gone = {.answer = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"};

static void courier_delivers_and_records(void **state)
{
    static const struct web_step steps[] = {{.answer = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"},
                                            {.answer = "HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n"}};
    start_with_links(steps, 2);
    deliver(1, 42, 1000, 1000);
    hear_delivered(42, AMP_OK, 201, 2);
    struct amp_event event = hear_event();
    assert_int_equal(event.act, AMP_ACT_PUSH);
    assert_int_equal(event.outcome, AMP_OUTCOME_SUCCESS);
    assert_true(event.has_message && !event.has_token && !event.alarm);
    assert_memory_equal(event.token_reference, "message.........", 16);
    assert_int_equal(event.count, 2);
    assert_true(amp_slice_is(event.queue, "cards"));
    assert_true(amp_slice_is(event.subject, "sub_AQAAAAAAAAAAAAAAAAAAAA"));
    assert_true(amp_slice_is(event.who, "courier"));
    const char *request = web_server_request(scene.server, 0);
    assert_memory_equal(request, "POST /1 HTTP/1.1\r\n", 18);
    assert_int_equal(strlen(strstr(request, "\r\n\r\n") + 4), 1000);
}

static void courier_puts_large_bodies_together(void **state)
{
    uint8_t storage[2 + 60000];
    static const uint8_t part[60000];
    start_with_links(&accepts, 1);
    deliver(1, 1, 1 + 3 * sizeof(part), 1);
    for (int i = 0; i < 3; i++) {
        struct amp_out out = amp_out(storage, sizeof(storage));
        amp_ipc_put_bytes(&out, amp_slice(part, sizeof(part)));
        peer_say(scene.front, AMP_IPC_DELIVER_MORE, amp_out_done(&out), -1);
    }
    hear_delivered(1, AMP_OK, 200, 1);
    assert_non_null(strstr(web_server_request(scene.server, 0), "Content-Length: 180001\r\n"));
}

static void courier_lets_front_wait_until_it_was_told(void **state)
{
    start(&accepts, 1);
    attach_log();
    give_link(AMP_ROLE_FRONT, &scene.front);
    deliver(1, 1, 10, 10);
    assert_int_equal(web_server_requests(scene.server), 0);
    attach_keeper();
    hear_delivered(1, AMP_OK, 200, 1);
    deliver(2, 2, 10, 10);
    hear_delivered(2, AMP_ERR_SUBSCRIPTION_UNKNOWN, 0, 0);
}

static void courier_attempts_nothing_while_the_log_cannot_be_written(void **state)
{
    start(&accepts, 1);
    attach_keeper();
    give_link(AMP_ROLE_FRONT, &scene.front);
    deliver(1, 1, 10, 10);
    deliver(2, 2, 10, 10);
    hear_delivered(2, AMP_ERR_SUBSCRIPTION_UNKNOWN, 0, 0); /* so the other would have been attempted by now */
    assert_int_equal(web_server_requests(scene.server), 0);
    attach_log();
    hear_delivered(1, AMP_OK, 200, 1);
}

static void courier_tells_the_keeper_what_is_gone(void **state)
{
    start_with_links(&gone, 1);
    deliver(1, 1, 10, 10);
    hear_delivered(1, AMP_ERR_SUBSCRIPTION_DISABLED, 410, 1);
    hear(scene.keeper, AMP_IPC_SUBSCRIPTION_FAILED);
    const uint8_t failed[24] = {[0] = 1, [19] = AMP_SUBSCRIPTION_GONE, [23] = 7};
    assert_int_equal(scene.payload.len, sizeof(failed));
    assert_memory_equal(scene.payload.ptr, failed, sizeof(failed));
    attach_keeper(); /* a keeper that died before it heard */
    hear(scene.keeper, AMP_IPC_SUBSCRIPTION_FAILED);
    assert_memory_equal(scene.payload.ptr, failed, sizeof(failed));
    tell_subscription(1, AMP_SUBSCRIPTION_GONE);
    peer_say(scene.keeper, AMP_IPC_SUBSCRIPTION_GONE, amp_slice(failed, AMP_SUBSCRIPTION_ID_LEN), -1);
    deliver(1, 2, 10, 10);
    hear_delivered(2, AMP_ERR_SUBSCRIPTION_UNKNOWN, 0, 0);
}

static void courier_is_told_the_list_again_on_the_same_link(void **state)
{
    const struct web_step steps[] = {accepts, accepts};
    start_with_links(steps, 2);
    tell_subscription(2, AMP_SUBSCRIPTION_ACTIVE);
    deliver(2, 1, 10, 10);
    hear_delivered(1, AMP_OK, 200, 1);
    hear_event();
    peer_say(scene.keeper, AMP_IPC_SUBSCRIPTIONS_TELLING, amp_slice(NULL, 0), -1);
    tell_subscription(1, AMP_SUBSCRIPTION_ACTIVE);
    peer_say(scene.keeper, AMP_IPC_SUBSCRIPTIONS_TOLD, amp_slice(NULL, 0), -1);
    deliver(2, 2, 10, 10);
    hear_delivered(2, AMP_ERR_SUBSCRIPTION_UNKNOWN, 0, 0);
    hear_event();
    deliver(1, 3, 10, 10);
    hear_delivered(3, AMP_OK, 200, 1);
}

/* Returns when the courier knows. */
static void end_keeper(void)
{
    uint8_t byte;
    shutdown(scene.keeper, SHUT_WR);
    assert_int_equal(recv(scene.keeper, &byte, 1, 0), 0);
}

static void courier_attempts_nothing_without_a_keeper(void **state)
{
    const struct web_step steps[] = {accepts, accepts};
    start_with_links(steps, 2);
    deliver(1, 1, 10, 10);
    hear_delivered(1, AMP_OK, 200, 1);
    hear_event();
    end_keeper();
    deliver(1, 2, 10, 10);
    deliver(2, 3, 10, 10);
    hear_delivered(3, AMP_ERR_SUBSCRIPTION_UNKNOWN, 0, 0); /* so the other would have been attempted by now */
    hear_event();
    assert_int_equal(web_server_requests(scene.server), 1);
    attach_keeper();
    hear_delivered(2, AMP_OK, 200, 1);
}

/* The keeper cut the link and lives: its patience is a moment here. */
static void courier_ends_where_no_new_keeper_comes(void **state)
{
    hasty = true;
    start_with_links(&accepts, 1);
    end_keeper();
    assert_int_equal(join(), 1);
}

static void courier_cuts_a_front_that_breaks_the_table(void **state)
{
    start_with_links(&stalls, 1);
    for (int way = 0; way < 3; way++) {
        if (way == 0)
            deliver(1, 1, 9, 10); /* longer than it says */
        if (way == 1)
            peer_say(scene.front, AMP_IPC_DELIVER_MORE, amp_slice("\0\1x", 3), -1); /* of nothing */
        for (uint64_t ask = 0; way == 2 && ask <= AMP_COURIER_WINDOW; ask++)
            deliver(1, ask, 10, 10);
        hear(scene.control, AMP_IPC_VIOLATION);
        assert_int_equal(scene.payload.ptr[0], AMP_ROLE_FRONT);
        assert_int_equal(recv(scene.front, scene.packet, sizeof(scene.packet), 0), 0);
        give_link(AMP_ROLE_FRONT, &scene.front);
    }
}

static void courier_cuts_a_keeper_that_breaks_the_table(void **state)
{
    start_with_links(&accepts, 1);
    peer_say(scene.keeper, AMP_IPC_SUBSCRIPTION, amp_slice("\0\1x\0\1x", 6), -1);
    hear(scene.control, AMP_IPC_VIOLATION);
    assert_int_equal(scene.payload.ptr[0], AMP_ROLE_KEEPER);
}

static void courier_drains(void **state)
{
    start_with_links(&stalls, 1);
    for (uint64_t ask = 1; ask <= 5; ask++)
        deliver(1, ask, 10, 10);
    web_server_await(scene.server, 4);
    peer_say(scene.control, AMP_IPC_DRAIN, amp_slice(NULL, 0), -1);
    hear_delivered(5, AMP_ERR_PUSH_UNREACHABLE, 0, 0);
    deliver(1, 6, 10, 10);
    hear_delivered(6, AMP_ERR_PUSH_UNREACHABLE, 0, 0);
    for (uint64_t ask = 1; ask <= 4; ask++)
        hear_delivered(ask, AMP_ERR_PUSH_UNREACHABLE, 0, 1); /* once the patience with their endpoint was over */
    while (scene.logged < 6) {
        hear(scene.log, AMP_IPC_RECORDS);
        struct amp_ipc_in in = {scene.payload, false};
        struct amp_event event;
        amp_ipc_get_u64(&in);
        amp_ipc_get_u8(&in);
        for (size_t used; in.left.len != 0; in.left = amp_slice(in.left.ptr + used, in.left.len - used)) {
            assert_int_equal(amp_event_unpack(&event, in.left, &used), AMP_OK);
            assert_int_equal(event.outcome, AMP_OUTCOME_FAILURE);
            scene.logged++;
        }
        confirm_records();
    }
    assert_int_equal(join(), 0);
}

static void courier_drains_at_once_where_nothing_is_under_way(void **state)
{
    start_with_links(&accepts, 1);
    deliver(1, 1, 10, 10);
    hear_delivered(1, AMP_OK, 200, 1);
    hear_event();
    peer_say(scene.control, AMP_IPC_DRAIN, amp_slice(NULL, 0), -1);
    assert_int_equal(join(), 0);
}

static void courier_ends_with_its_supervisor(void **state)
{
    start_with_links(&stalls, 1);
    deliver(1, 1, 10, 10);
    shutdown(scene.control, SHUT_RDWR);
    assert_int_equal(join(), 1);
}

static void courier_answers_no_front_for_another(void **state)
{
    static const struct web_step steps[] = {{.answer = NULL},
                                            {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}};
    scene.config.push.timeout_ms = 2000; /* long enough for another front to come meanwhile */
    start_with_links(steps, 2);
    deliver(1, 1, 10, 10);
    web_server_await(scene.server, 1);
    give_link(AMP_ROLE_FRONT, &scene.front);
    struct amp_event event = hear_event(); /* the attempt under way ended, and was the last */
    assert_int_equal(event.outcome, AMP_OUTCOME_FAILURE);
    assert_int_equal(event.count, 1);
    deliver(1, 2, 10, 10);
    hear_delivered(2, AMP_OK, 200, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        TEST(courier_delivers_and_records),
        TEST(courier_puts_large_bodies_together),
        TEST(courier_lets_front_wait_until_it_was_told),
        TEST(courier_attempts_nothing_while_the_log_cannot_be_written),
        TEST(courier_tells_the_keeper_what_is_gone),
        TEST(courier_is_told_the_list_again_on_the_same_link),
        TEST(courier_attempts_nothing_without_a_keeper),
        TEST(courier_ends_where_no_new_keeper_comes),
        TEST(courier_cuts_a_front_that_breaks_the_table),
        TEST(courier_cuts_a_keeper_that_breaks_the_table),
        TEST(courier_drains),
        TEST(courier_drains_at_once_where_nothing_is_under_way),
        TEST(courier_ends_with_its_supervisor),
        TEST(courier_answers_no_front_for_another),
    };
#undef TEST
    if (amp_secret_init((size_t)64 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return 1;
    return cmocka_run_group_tests_name("courier", tests, NULL, NULL);
}
