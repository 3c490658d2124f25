/* The deadline of every phase, the caps, draining and reloading. */
#include "rig.h"

#include <sys/resource.h>
#include <unistd.h>

#include "net/conn.h"

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

static struct rig rig;
static struct peer peer;

static int start(void **state)
{
    rig_start(&rig, NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    rig_stop(&rig);
    return 0;
}

static void expect_refusal(enum amp_err err)
{
    struct reply reply = peer_take(&peer, false);
    assert_int_equal(reply.head.status, amp_err_status(err));
    assert_true(amp_slice_is(reply_field(&reply, "Connection"), "close"));
    peer_expect_end(&peer);
    assert_true(peer.ended);
    assert_int_equal(rig.refused, err);
    peer_close(&peer);
    assert_int_equal(amp_net_connections(rig.net), 0);
}

static void ends_handshakes_that_take_too_long(void **state)
{
    peer_connect(&peer, &rig);
    rig_turn(&rig);
    rig_pass(&rig, 4999);
    assert_int_equal(amp_net_connections(rig.net), 1);
    rig_pass(&rig, 1);
    assert_int_equal(amp_net_connections(rig.net), 0);
    assert_int_equal(rig.refused, AMP_ERR_IO);
    peer_close(&peer);
}

static void ends_connections_that_stay_idle(void **state)
{
    peer_open(&peer, &rig);
    rig_pass(&rig, 59000);
    peer_send(&peer, GET);
    peer_expect(&peer, 201);
    rig_pass(&rig, 30000);
    rig_pass(&rig, 29999);
    assert_int_equal(amp_net_connections(rig.net), 1);
    rig_pass(&rig, 1);
    peer_expect_end(&peer);
    assert_true(peer.ended);
    assert_int_equal(rig.refusals, 0);
    assert_int_equal(amp_net_connections(rig.net), 0);
    peer_close(&peer);
}

static void refuses_heads_that_take_too_long(void **state)
{
    peer_open(&peer, &rig);
    for (int i = 0; i < 5; i++) {
        peer_send(&peer, i == 0 ? "G" : "E");
        rig_turn(&rig);
        rig_pass(&rig, i < 4 ? 1000 : 999);
    }
    assert_int_equal(rig.refusals, 0);
    rig_pass(&rig, 1);
    expect_refusal(AMP_ERR_REQUEST_TIMEOUT);
}

/* Half a TLS record is the beginning of a head as well. */
static void refuses_records_that_take_too_long(void **state)
{
    peer_open(&peer, &rig);
    BIO *wire = BIO_new(BIO_s_mem());
    SSL_set0_wbio(peer.ssl, wire);
    peer_send(&peer, GET);
    char *record;
    long len = BIO_get_mem_data(wire, &record);
    assert_int_equal(write(peer.fd, record, (size_t)len - 1), len - 1);
    rig_turn(&rig);
    assert_int_equal(rig.net->queues[AMP_NET_HEAD].count, 1);
    rig_pass(&rig, 5000);
    expect_refusal(AMP_ERR_REQUEST_TIMEOUT);
}

static void refuses_bodies_that_take_too_long(void **state)
{
    peer_open(&peer, &rig);
    peer_send(&peer, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n");
    rig_turn(&rig);
    for (int i = 0; i < 9; i++) {
        rig_pass(&rig, 1000);
        peer_send(&peer, "x");
    }
    rig_pass(&rig, 999);
    assert_int_equal(rig.refusals, 0);
    rig_pass(&rig, 1);
    expect_refusal(AMP_ERR_REQUEST_TIMEOUT);
}

static void each_pipelined_head_has_its_own_time(void **state)
{
    peer_open(&peer, &rig);
    peer_send(&peer, "GET");
    rig_pass(&rig, 4000);
    peer_send(&peer, " / HTTP/1.1\r\nHost: h\r\n\r\nGET");
    peer_expect(&peer, 201);
    rig_pass(&rig, 4000);
    assert_int_equal(rig.refusals, 0);
    rig_pass(&rig, 1000);
    expect_refusal(AMP_ERR_REQUEST_TIMEOUT);
}

static void answers_where_the_handler_does_not_in_time(void **state)
{
    rig.park = true;
    peer_open(&peer, &rig);
    peer_send(&peer, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    rig_await_requests(&rig, 1);
    rig_pass(&rig, 14999);
    assert_true(amp_net_alive(rig.parked[0]));
    rig_pass(&rig, 1);
    assert_false(amp_net_alive(rig.parked[0]));
    assert_memory_equal(rig.body, "hello", 5); /* the handler may be reading it yet */
    expect_refusal(AMP_ERR_OVERLOADED);
    assert_memory_equal(rig.body, "hello", 5);
    assert_false(rig_answer(&rig));
}

static void the_late_answer_may_come_while_the_peer_lingers(void **state)
{
    rig.park = true;
    peer_open(&peer, &rig);
    peer_send(&peer, GET);
    rig_await_requests(&rig, 1);
    rig_pass(&rig, 15000);
    assert_false(rig_answer(&rig));
    assert_int_equal(rig.net->queues[AMP_NET_LINGER].count, 1);
    expect_refusal(AMP_ERR_OVERLOADED);
}

static void resets_who_does_not_take_an_answer(void **state)
{
    static char body[8 * 1024 * 1024];
    rig.answer.body = amp_slice(body, sizeof(body));
    peer_open(&peer, &rig);
    peer_send(&peer, GET);
    rig_await_requests(&rig, 1);
    rig_pass(&rig, 9999);
    assert_int_equal(amp_net_connections(rig.net), 1);
    rig_pass(&rig, 1);
    assert_int_equal(amp_net_connections(rig.net), 0);
    assert_int_equal(rig.refused, AMP_ERR_IO);
    peer_read(&peer);
    assert_true(peer.dropped);
    assert_false(peer.ended);
    peer_close(&peer);
}

static void lingers_only_so_long(void **state)
{
    peer_open(&peer, &rig);
    peer_send(&peer, "nonsense\r\n\r\n");
    peer_expect(&peer, 400);
    rig_pass(&rig, 1999);
    assert_int_equal(amp_net_connections(rig.net), 1);
    rig_pass(&rig, 1);
    assert_int_equal(amp_net_connections(rig.net), 0);
    peer_close(&peer);
}

static void lingers_only_for_so_much(void **state)
{
    static char chunk[65536];
    peer_open(&peer, &rig);
    peer_send(&peer, "nonsense\r\n\r\n");
    peer_expect(&peer, 400);
    for (int i = 0; i < 4096 && amp_net_connections(rig.net) != 0; i++) {
        (void)!write(peer.fd, chunk, sizeof(chunk));
        rig_turn(&rig);
    }
    assert_int_equal(amp_net_connections(rig.net), 0);
    peer_close(&peer);
}

static void holds_to_its_number_of_connections(void **state)
{
    struct peer peers[4];
    struct amp_net_limits limits = rig_limits();
    limits.max_connections = 3;
    amp_net_reload(rig.net, rig.net->tls, &limits);
    for (int i = 0; i < 3; i++)
        peer_open(&peers[i], &rig);
    peer_connect(&peers[3], &rig);
    assert_false(peer_handshake(&peers[3]));
    assert_int_equal(amp_net_connections(rig.net), 3);
    assert_int_equal(amp_net_counts(rig.commons).accepted, 3);
    assert_int_equal(amp_net_counts(rig.commons).refused[AMP_NET_REFUSED_FULL], 1);
    peer_close(&peers[3]);
    peer_close(&peers[0]);
    peer_open(&peers[3], &rig);
    for (int i = 1; i < 4; i++)
        peer_close(&peers[i]);
}

static void holds_each_source_to_its_number(void **state)
{
    struct peer peers[3];
    struct amp_net_limits limits = rig_limits();
    limits.max_connections_per_source = 2;
    amp_net_reload(rig.net, rig.net->tls, &limits);
    peer_open(&peers[0], &rig);
    peer_open(&peers[1], &rig);
    peer_connect(&peers[2], &rig);
    assert_false(peer_handshake(&peers[2]));
    assert_int_equal(amp_net_counts(rig.commons).refused[AMP_NET_REFUSED_SOURCE], 1);
    peer_close(&peers[2]);
    peer_close(&peers[0]);
    peer_open(&peers[2], &rig);
    peer_close(&peers[1]);
    peer_close(&peers[2]);
}

/* Out of descriptors: whoever connects waits in the backlog, and the loop does not spin over it. */
static void accepting_pauses_where_descriptors_run_out(void **state)
{
    struct rlimit usual, low;
    peer_connect(&peer, &rig);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    low = (struct rlimit){(rlim_t)peer.fd + 1, usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    rig_turn(&rig);
    assert_true(rig.net->accept_paused);
    rig_pass(&rig, 250);
    assert_true(rig.net->accept_paused);
    assert_int_equal(amp_net_connections(rig.net), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    rig_pass(&rig, 250);
    assert_false(rig.net->accept_paused);
    assert_true(peer_handshake(&peer));
    peer_close(&peer);
}

static void new_limits_hold_for_old_connections(void **state)
{
    struct amp_net_limits limits = rig_limits();
    peer_open(&peer, &rig);
    rig_pass(&rig, 10000);
    limits.idle_ms = 20000;
    amp_net_reload(rig.net, rig.net->tls, &limits);
    rig_pass(&rig, 9999);
    assert_int_equal(amp_net_connections(rig.net), 1);
    rig_pass(&rig, 1);
    assert_int_equal(amp_net_connections(rig.net), 0);
    peer_close(&peer);
}

static void no_more_than_so_many_idle_connections_keep_tls_buffers(void **state)
{
    static struct peer peers[AMP_NET_IDLE_MAX + 20];
    for (size_t i = 0; i < AMP_NET_IDLE_MAX + 20; i++)
        peer_open(&peers[i], &rig);
    assert_int_equal(rig.net->queues[AMP_NET_IDLE].count, AMP_NET_IDLE_MAX);
    assert_int_equal(rig.net->queues[AMP_NET_DORMANT].count, 20);
    rig_pass(&rig, 1000);
    assert_int_equal(rig.net->queues[AMP_NET_DORMANT].count, AMP_NET_IDLE_MAX + 20);
    for (size_t i = 0; i < AMP_NET_IDLE_MAX + 20; i++) {
        peer_send(&peers[i], GET);
        peer_expect(&peers[i], 201);
    }
    assert_int_equal(rig.net->queues[AMP_NET_IDLE].count, AMP_NET_IDLE_MAX);
    for (size_t i = 0; i < AMP_NET_IDLE_MAX + 20; i++)
        peer_close(&peers[i]);
    assert_int_equal(rig.net->queues[AMP_NET_IDLE].count, 0);
}

static void draining_closes_the_idle_now_and_the_others_behind_their_answer(void **state)
{
    struct peer idle, dormant, parked, halfway;
    peer_open(&dormant, &rig);
    rig_pass(&rig, 1000);
    peer_open(&idle, &rig);
    rig.park = true;
    peer_open(&parked, &rig);
    peer_send(&parked, GET);
    rig_await_requests(&rig, 1);
    rig.park = false;
    peer_open(&halfway, &rig);
    peer_send(&halfway, "GET / HT");
    rig_turn(&rig);

    amp_net_drain(rig.net);
    assert_int_equal(amp_net_connections(rig.net), 2);
    peer_expect_end(&idle);
    peer_expect_end(&dormant);
    assert_true(idle.ended && dormant.ended);

    assert_true(rig_answer(&rig));
    peer_send(&halfway, "TP/1.1\r\nHost: h\r\n\r\n");
    struct peer *both[] = {&parked, &halfway};
    for (int i = 0; i < 2; i++) {
        struct reply reply = peer_take(both[i], false);
        assert_int_equal(reply.head.status, 201);
        assert_true(amp_slice_is(reply_field(&reply, "Connection"), "close"));
        peer_expect_end(both[i]);
    }
    peer_close(&idle);
    peer_close(&dormant);
    peer_close(&parked);
    peer_close(&halfway);
    assert_int_equal(amp_net_connections(rig.net), 0);
}

/* However long their phases may take: whoever stops the service waits for it to end. */
static void draining_waits_for_no_peer(void **state)
{
    static char body[8 * 1024 * 1024];
    const int64_t hour_ms = 3600 * 1000;
    struct peer shaking, uploading, unread, parked;
    rig.net->limits.handshake_ms = rig.net->limits.body_ms = rig.net->limits.write_ms = hour_ms;
    rig.net->limits.request_ms = hour_ms;
    peer_open(&uploading, &rig);
    peer_send(&uploading, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    peer_open(&unread, &rig);
    rig.answer.body = amp_slice(body, sizeof(body));
    peer_send(&unread, GET);
    rig_await_requests(&rig, 1);
    rig.park = true;
    peer_open(&parked, &rig);
    peer_send(&parked, GET);
    rig_await_requests(&rig, 2);
    peer_connect(&shaking, &rig);
    rig_turn(&rig);
    assert_int_equal(rig.net->queues[AMP_NET_WRITE].count, 1);

    amp_net_drain(rig.net);
    rig_pass(&rig, 9999);
    assert_int_equal(amp_net_connections(rig.net), 4);
    rig_pass(&rig, 1);
    struct reply reply = peer_take(&uploading, false);
    assert_int_equal(reply.head.status, 408);
    peer_expect_end(&uploading);
    peer_close(&uploading);
    rig_turn(&rig);
    assert_int_equal(amp_net_connections(rig.net), 1);
    rig_pass(&rig, 9999);
    assert_int_equal(amp_net_connections(rig.net), 1);
    rig_pass(&rig, 1);
    reply = peer_take(&parked, false);
    assert_int_equal(reply.head.status, 503);
    assert_false(rig_answer(&rig));
    peer_expect_end(&parked);
    peer_close(&parked);
    peer_close(&unread);
    peer_close(&shaking);
    assert_int_equal(amp_net_connections(rig.net), 0);
}

static void drain_from_the_handler(struct rig *on)
{
    amp_net_drain(on->net);
}

static void draining_from_within_a_request_is_safe(void **state)
{
    rig.on_request = drain_from_the_handler;
    peer_open(&peer, &rig);
    peer_send(&peer, GET GET);
    struct reply reply = peer_take(&peer, false);
    assert_int_equal(reply.head.status, 201);
    assert_true(amp_slice_is(reply_field(&reply, "Connection"), "close"));
    peer_expect_end(&peer);
    assert_int_equal(rig.requests, 1);
    peer_close(&peer);
}

static void freeing_closes_whatever_is_under_way(void **state)
{
    struct peer shaking, idle, halfway, lingering;
    peer_connect(&shaking, &rig);
    peer_open(&idle, &rig);
    peer_open(&halfway, &rig);
    peer_send(&halfway, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
    peer_open(&lingering, &rig);
    peer_send(&lingering, "nonsense\r\n\r\n");
    peer_expect(&lingering, 400);
    assert_int_equal(amp_net_connections(rig.net), 4);
    rig_stop(&rig);
    rig_start(&rig, NULL, NULL);
    peer_close(&shaking);
    peer_close(&idle);
    peer_close(&halfway);
    peer_close(&lingering);
}

/* Bodies that never end hold a bounded part of the pool; who sends little, or came before, is served. */
static void unfinished_bodies_hold_no_more_than_their_share(void **state)
{
    static struct peer peers[8];
    static char filler[60000];
    memset(filler, 'x', sizeof(filler));
    size_t most = rig.net->limits.max_pending_bytes = 4 * 65536;
    rig.max_body = 256 * 1024;
    for (size_t i = 0; i < 8; i++) {
        peer_open(&peers[i], &rig);
        peer_send(&peers[i], "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 60001\r\n\r\n");
        peer_send_bytes(&peers[i], filler, sizeof(filler));
        for (int turns = 0; turns < 20; turns++)
            rig_turn(&rig);
        assert_true(rig.net->pending_bytes <= most);
    }
    assert_true(rig.refusals > 0 && rig.refusals < 8);
    assert_int_equal(rig.refused, AMP_ERR_OVERLOADED);
    struct peer small;
    peer_open(&small, &rig);
    peer_send(&small, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    peer_expect(&small, 201);
    peer_close(&small);
    peer_send(&peers[0], "x");
    peer_expect(&peers[0], 201);
    for (size_t i = 0; i < 8; i++)
        peer_close(&peers[i]);
    assert_int_equal(rig.net->pending_bytes, 0);
}

/* Who does not take its answers is cut off where others need the room, the one longest at it first. */
static void untaken_answers_hold_no_more_than_their_share(void **state)
{
    static struct peer peers[8];
    static char body[1024 * 1024];
    size_t most = rig.net->limits.max_untaken_bytes = 4 * sizeof(body);
    rig.answer.body = amp_slice(body, sizeof(body));
    for (size_t i = 0; i < 8; i++) {
        peer_open(&peers[i], &rig);
        peer_send(&peers[i], GET);
        rig_await_requests(&rig, (unsigned)i + 1);
        assert_true(rig.net->untaken_bytes <= most);
    }
    assert_true(rig.refusals > 0 && rig.refusals < 8);
    assert_int_equal(rig.refused, AMP_ERR_IO);
    assert_int_equal(amp_net_connections(rig.net), 8 - rig.refusals);
    peer_expect(&peers[7], 201);
    peer_read(&peers[0]);
    assert_true(peers[0].dropped);
    for (size_t i = 0; i < 8; i++)
        peer_close(&peers[i]);
    assert_int_equal(rig.net->untaken_bytes, 0);
}

/* Requests that drip in keep no buffers of TLS between two drops, where they are many. */
static void many_slow_requests_are_served_all_the_same(void **state)
{
    static struct peer peers[AMP_NET_IDLE_MAX + 20];
    for (size_t i = 0; i < AMP_NET_IDLE_MAX + 20; i++) {
        peer_open(&peers[i], &rig);
        peer_send(&peers[i], "GET / HTTP/1.1\r\nHo");
    }
    rig_turn(&rig);
    for (size_t i = 0; i < AMP_NET_IDLE_MAX + 20; i++) {
        peer_send(&peers[i], "st: h\r\n\r\n");
        peer_expect(&peers[i], 201);
        peer_close(&peers[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(ends_handshakes_that_take_too_long),
        TEST(ends_connections_that_stay_idle),
        TEST(refuses_heads_that_take_too_long),
        TEST(refuses_records_that_take_too_long),
        TEST(refuses_bodies_that_take_too_long),
        TEST(each_pipelined_head_has_its_own_time),
        TEST(answers_where_the_handler_does_not_in_time),
        TEST(the_late_answer_may_come_while_the_peer_lingers),
        TEST(resets_who_does_not_take_an_answer),
        TEST(lingers_only_so_long),
        TEST(lingers_only_for_so_much),
        TEST(holds_to_its_number_of_connections),
        TEST(holds_each_source_to_its_number),
        TEST(accepting_pauses_where_descriptors_run_out),
        TEST(new_limits_hold_for_old_connections),
        TEST(no_more_than_so_many_idle_connections_keep_tls_buffers),
        TEST(draining_closes_the_idle_now_and_the_others_behind_their_answer),
        TEST(draining_waits_for_no_peer),
        TEST(draining_from_within_a_request_is_safe),
        TEST(freeing_closes_whatever_is_under_way),
        TEST(unfinished_bodies_hold_no_more_than_their_share),
        TEST(untaken_answers_hold_no_more_than_their_share),
        TEST(many_slow_requests_are_served_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
