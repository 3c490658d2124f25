/* Requests that are answered later: what they may rely on meanwhile, and what if the peer goes. */
#include "rig.h"

#include <sys/socket.h>

#include "net/conn.h"

#define GET(path)          "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(length, body) "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: " length "\r\n\r\n" body

static struct rig rig;
static struct peer peer;
static size_t used_before;

static int start(void **state)
{
    rig_start(&rig, NULL, NULL);
    used_before = amp_secret_used();
    rig.park = true;
    peer_open(&peer, &rig);
    return 0;
}

static int stop(void **state)
{
    peer_close(&peer);
    assert_int_equal(amp_net_connections(rig.net), 0);
    assert_int_equal(rig.parked_count, rig.net->unanswered);
    assert_int_equal(amp_secret_used() - used_before, rig.net->spares.count * AMP_NET_SPARE_BYTES);
    rig_stop(&rig);
    return 0;
}

static void is_answered_later(void **state)
{
    for (unsigned i = 1; i <= 3; i++) {
        peer_send(&peer, POST("5", "hello"));
        rig_await_requests(&rig, i);
        rig_turn(&rig);
        assert_true(amp_net_alive(rig.parked[0]));
        assert_memory_equal(rig.body, "hello", 5);
        assert_true(rig_answer(&rig));
        peer_expect(&peer, 201);
    }
}

/* What arrives meanwhile must not move the bytes that are lent to the handler, however much it is. */
static void its_bytes_stay_while_more_arrive(void **state)
{
    static char filler[AMP_NET_SPARE_BYTES * 8];
    memset(filler, 'x', sizeof(filler));
    peer_send(&peer, POST("5", "hello"));
    rig_await_requests(&rig, 1);
    const uint8_t *body = rig.body;
    const struct amp_http1_head *head = rig.parked[0]->request.head;
    peer_send(&peer, POST("65536", ""));
    for (size_t at = 0; at < sizeof(filler); at += 1024) {
        peer_send_bytes(&peer, filler + at, 1024);
        rig_turn(&rig);
        assert_memory_equal(body, "hello", 5);
        assert_true(amp_slice_is(head->path, "/p"));
    }
    assert_int_equal(rig.requests, 1);
    assert_int_equal(rig.heads, 1);
    assert_true(rig_answer(&rig));
    peer_expect(&peer, 201);
    rig_await_requests(&rig, 2);
    assert_int_equal(rig.body_len, sizeof(filler));
    assert_memory_equal(rig.body, filler, sizeof(filler));
    assert_true(rig_answer(&rig));
    peer_expect(&peer, 201);
}

static void pipelined_requests_wait_for_it(void **state)
{
    peer_send(&peer, GET("/1") GET("/2") GET("/3"));
    for (unsigned i = 1; i <= 3; i++) {
        rig_await_requests(&rig, i);
        rig_turn(&rig);
        assert_int_equal(rig.requests, i);
        assert_int_equal(rig.path[1], '0' + (int)i);
        assert_true(rig_answer(&rig));
        peer_expect(&peer, 201);
    }
}

static void what_was_answered_before_it_is_not_held_back(void **state)
{
    rig.park = false;
    peer_send(&peer, GET("/1"));
    peer_expect(&peer, 201);
    rig.park = true;
    peer_send(&peer, GET("/2"));
    rig_await_requests(&rig, 2);
    assert_true(rig_answer(&rig));
    peer_expect(&peer, 201);
}

static void many_are_answered_in_any_order(void **state)
{
    static struct peer peers[100];
    for (size_t i = 0; i < 100; i++) {
        peer_open(&peers[i], &rig);
        peer_send(&peers[i], POST("5", "hello"));
    }
    rig_await_requests(&rig, 100);
    for (size_t i = 0; i < 100; i++) { /* deal the parked ones anew */
        struct amp_net_exchange *other = rig.parked[i * 37 % 100];
        rig.parked[i * 37 % 100] = rig.parked[i];
        rig.parked[i] = other;
    }
    for (size_t i = 0; i < 100; i++)
        assert_true(rig_answer(&rig));
    for (size_t i = 0; i < 100; i++) {
        peer_expect(&peers[i], 201);
        peer_close(&peers[i]);
    }
}

static void assert_gone(void)
{
    for (int i = 0; i < 100 && amp_net_alive(rig.parked[0]); i++)
        rig_turn(&rig);
    assert_false(amp_net_alive(rig.parked[0]));
    assert_int_equal(amp_net_connections(rig.net), 0);
    assert_memory_equal(rig.body, "hello", 5); /* lent until answered, and the source too */
    assert_memory_equal(rig.parked[0]->request.source.ptr, "127.0.0.1:", 10);
    assert_false(rig_answer(&rig));
}

static void learns_that_its_peer_vanished(void **state)
{
    peer_send(&peer, POST("5", "hello"));
    rig_await_requests(&rig, 1);
    peer_close(&peer);
    assert_gone();
}

static void learns_that_its_peer_reset(void **state)
{
    struct linger at_once = {.l_onoff = 1};
    peer_send(&peer, POST("5", "hello"));
    rig_await_requests(&rig, 1);
    assert_int_equal(setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    peer_close(&peer);
    assert_gone();
}

/* It ends its own side and waits: for this answer, and for those to what it had pipelined. */
static void is_answered_to_a_peer_that_said_farewell(void **state)
{
    peer_send(&peer, POST("5", "hello") GET("/2") GET("/3"));
    rig_await_requests(&rig, 1);
    assert_int_equal(SSL_shutdown(peer.ssl), 0);
    assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
    for (unsigned i = 1; i <= 3; i++) {
        rig_await_requests(&rig, i);
        for (int turns = 0; turns < 20; turns++)
            rig_turn(&rig);
        assert_true(amp_net_alive(rig.parked[0]));
        assert_int_equal(rig.net->queues[AMP_NET_ANSWER].count, 1);
        assert_true(rig_answer(&rig));
        peer_expect(&peer, 201);
    }
    peer_expect_end(&peer);
    assert_true(peer.ended);
    assert_int_equal(rig.refusals, 0);
}

static void is_answered_at_once_to_a_peer_that_said_farewell(void **state)
{
    rig.park = false;
    peer_send(&peer, GET("/1") GET("/2"));
    assert_int_equal(SSL_shutdown(peer.ssl), 0);
    peer_expect(&peer, 201);
    peer_expect(&peer, 201);
    peer_expect_end(&peer);
    assert_int_equal(rig.refusals, 0);
}

/* A part of a request behind the last whole one is reported, and does not keep the answer back. */
static void a_farewell_in_the_middle_of_a_request_is_reported(void **state)
{
    peer_send(&peer, GET("/1") "GET /2 HT");
    rig_await_requests(&rig, 1);
    assert_int_equal(SSL_shutdown(peer.ssl), 0);
    for (int turns = 0; turns < 20; turns++)
        rig_turn(&rig);
    assert_true(rig_answer(&rig));
    peer_expect(&peer, 201);
    peer_expect_end(&peer);
    assert_int_equal(rig.refusals, 1);
    assert_int_equal(rig.refused, AMP_ERR_IO);
    assert_int_equal(rig.requests, 1);
}

/* The peer takes a large answer late, and waits for another behind it. */
static void a_farewell_does_not_cut_a_large_answer(void **state)
{
    static char body[4 * 1024 * 1024];
    rig.park = false;
    rig.answer.body = amp_slice(body, sizeof(body));
    peer_send(&peer, GET("/1") GET("/2"));
    assert_int_equal(SSL_shutdown(peer.ssl), 0);
    rig_await_requests(&rig, 1);
    for (int i = 0; i < 2; i++) {
        struct reply reply = peer_take(&peer, false);
        assert_int_equal(reply.body.len, sizeof(body));
    }
    peer_expect_end(&peer);
}

/* The loop did not turn since the peer went: only the write finds out, or not even that. */
static void is_answered_to_a_peer_that_just_went(void **state)
{
    peer_send(&peer, POST("5", "hello"));
    rig_await_requests(&rig, 1);
    SSL_free(peer.ssl);
    peer.ssl = NULL;
    shutdown(peer.fd, SHUT_RDWR);
    (void)rig_answer(&rig);
    rig_turn(&rig);
}

static void a_large_answer_is_sent_behind_others(void **state)
{
    static char body[4 * 1024 * 1024];
    rig.park = false;
    rig.answer.body = amp_slice(body, sizeof(body));
    peer_send(&peer, GET("/1"));
    rig_await_requests(&rig, 1);
    assert_int_equal(rig.net->queues[AMP_NET_WRITE].count, 1);
    rig.park = true;
    peer_send(&peer, GET("/2"));
    struct reply reply = peer_take(&peer, false);
    assert_int_equal(reply.body.len, sizeof(body));
    rig_await_requests(&rig, 2);
    assert_true(rig_answer(&rig));
    reply = peer_take(&peer, false);
    assert_int_equal(reply.body.len, sizeof(body));
}

/* Long polling: serving one connection answers the exchange of another. */
static void answer_the_other(struct rig *on)
{
    if (on->parked_count > 0) {
        on->park = false;
        assert_true(rig_answer(on));
    }
}

static void may_be_answered_from_within_another_request(void **state)
{
    struct peer other;
    peer_open(&other, &rig);
    peer_send(&peer, GET("/poll"));
    rig_await_requests(&rig, 1);
    rig.on_request = answer_the_other;
    peer_send(&other, GET("/a") GET("/b") GET("/c"));
    peer_expect(&peer, 201);
    for (int i = 0; i < 3; i++)
        peer_expect(&other, 201);
    peer_close(&other);
}

static void answers_may_close(void **state)
{
    rig.answer.close = true;
    peer_send(&peer, GET("/1") GET("/2"));
    rig_await_requests(&rig, 1);
    assert_true(rig_answer(&rig));
    peer_expect(&peer, 201);
    peer_expect_end(&peer);
    assert_int_equal(rig.requests, 1);
}

/* Pipelined, so that the last of them is decided while more wait behind it. */
static void closes_behind_the_tenth_strike(void **state)
{
    rig.park = false;
    rig.answer.strike = true;
    for (int i = 1; i < AMP_NET_STRIKES_MAX; i++)
        peer_send(&peer, GET("/x"));
    for (int i = 1; i < AMP_NET_STRIKES_MAX; i++)
        peer_expect(&peer, 201);
    rig.answer.strike = false;
    peer_send(&peer, GET("/good"));
    peer_expect(&peer, 201);
    rig.answer.strike = true;
    peer_send(&peer, GET("/x") GET("/y"));
    struct reply reply = peer_take(&peer, false);
    assert_true(amp_slice_is(reply_field(&reply, "connection"), "close"));
    peer_expect_end(&peer);
    assert_int_equal(rig.requests, AMP_NET_STRIKES_MAX + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(is_answered_later),
        TEST(its_bytes_stay_while_more_arrive),
        TEST(pipelined_requests_wait_for_it),
        TEST(what_was_answered_before_it_is_not_held_back),
        TEST(many_are_answered_in_any_order),
        TEST(learns_that_its_peer_vanished),
        TEST(learns_that_its_peer_reset),
        TEST(is_answered_to_a_peer_that_said_farewell),
        TEST(is_answered_at_once_to_a_peer_that_said_farewell),
        TEST(a_farewell_in_the_middle_of_a_request_is_reported),
        TEST(a_farewell_does_not_cut_a_large_answer),
        TEST(is_answered_to_a_peer_that_just_went),
        TEST(a_large_answer_is_sent_behind_others),
        TEST(may_be_answered_from_within_another_request),
        TEST(answers_may_close),
        TEST(closes_behind_the_tenth_strike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
