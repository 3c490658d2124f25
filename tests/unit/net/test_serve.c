/* Requests in, answers out: keep-alive, pipelining, every way to cut the bytes, bodies, refusals. */
#include "rig.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

#define GET(path)          "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(length, body) "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: " length "\r\n\r\n" body
#define CHUNKED            "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

static struct rig rig;
static struct peer peer;

static size_t used_before; /* of the pool, by others */

static void assert_spares_are_all_that_is_held(void)
{
    assert_int_equal(amp_secret_used() - used_before, rig.net->spares.count * AMP_NET_SPARE_BYTES);
}

static int start(void **state)
{
    rig_start(&rig, NULL, NULL);
    used_before = amp_secret_used();
    peer_open(&peer, &rig);
    return 0;
}

static int stop(void **state)
{
    peer_close(&peer);
    assert_int_equal(amp_net_connections(rig.net), 0);
    assert_spares_are_all_that_is_held();
    rig_stop(&rig);
    return 0;
}

static void expect_echo(const void *body, size_t len)
{
    struct reply reply = peer_take(&peer, false);
    assert_int_equal(reply.head.status, 201);
    assert_int_equal(reply.body.len, len);
    if (len != 0)
        assert_memory_equal(reply.body.ptr, body, len);
}

static void keeps_a_connection_alive(void **state)
{
    uint64_t connection = 0, request = 0;
    for (int i = 0; i < 10; i++) {
        peer_send(&peer, POST("5", "hello"));
        struct reply reply = peer_take(&peer, false);
        assert_int_equal(reply.head.status, 201);
        assert_true(reply.head.keep_alive);
        assert_true(amp_slice_is(reply.body, "made"));
        assert_true(amp_slice_is(reply_field(&reply, "Date"), "Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_true(amp_slice_is(reply_field(&reply, "Cache-Control"), "no-store"));
        assert_int_equal(reply_field(&reply, "X-Request-Id").len, 16);
        assert_true(connection == 0 || connection == rig.connection_id);
        assert_int_not_equal(request, rig.request_id);
        connection = rig.connection_id;
        request = rig.request_id;
    }
    assert_int_equal(rig.heads, 10);
    assert_int_equal(rig.requests, 10);
    assert_string_equal(rig.path, "/p");
    assert_memory_equal(rig.source, "127.0.0.1:", 10);
}

static void an_idle_connection_holds_no_buffer(void **state)
{
    peer_send(&peer, POST("5", "hello"));
    peer_expect(&peer, 201);
    struct amp_net_conn *conn = rig.net->queues[AMP_NET_IDLE].first;
    assert_non_null(conn);
    assert_null(conn->in.buf.ptr);
    assert_null(conn->out.buf.ptr);
    assert_int_equal(rig.net->unanswered, 0);
    rig_pass(&rig, 1000);
    assert_ptr_equal(rig.net->queues[AMP_NET_DORMANT].first, conn);
    peer_send(&peer, POST("5", "hello"));
    peer_expect(&peer, 201);
    assert_ptr_equal(rig.net->queues[AMP_NET_IDLE].first, conn);
}

/* Request and answer lay in storage that is now spare: it must be wiped to the last byte. */
static void wipes_requests_and_answers(void **state)
{
    static const uint8_t zeros[AMP_NET_SPARE_BYTES];
    rig.echo = true;
    peer_send(&peer, POST("16", "4111111111111111"));
    expect_echo("4111111111111111", 16);
    peer_send(&peer, CHUNKED "8\r\n41111111\r\n8\r\n11111111\r\n0\r\n\r\n");
    expect_echo("4111111111111111", 16);
    assert_int_equal(rig.net->spares.count, 2);
    for (size_t i = 0; i < rig.net->spares.count; i++)
        assert_memory_equal(rig.net->spares.storage[i], zeros, sizeof(zeros));
}

static void answers_a_hundred_pipelined_requests_in_order(void **state)
{
    char text[16384];
    struct amp_out out = amp_out(text, sizeof(text));
    rig.echo = true;
    for (unsigned i = 0; i < 100; i++) {
        char digits[3] = {(char)('0' + i / 10), (char)('0' + i % 10), '\0'};
        amp_out_str(&out, i % 2 == 0 ? POST("2", "") : CHUNKED "2\r\n");
        amp_out_str(&out, digits);
        amp_out_str(&out, i % 2 == 0 ? "" : "\r\n0\r\n\r\n");
    }
    assert_false(out.overflow);
    peer_send_bytes(&peer, text, out.len);
    for (unsigned i = 0; i < 100; i++) {
        char digits[2] = {(char)('0' + i / 10), (char)('0' + i % 10)};
        expect_echo(digits, 2);
    }
    assert_int_equal(rig.requests, 100);
}

static void coalesces_pipelined_answers(void **state)
{
    peer_send(&peer, GET("/1") GET("/2") GET("/3"));
    peer_expect(&peer, 201);
    assert_int_equal(SSL_pending(peer.ssl), 0);
    struct reply reply = peer_take(&peer, false);
    assert_int_equal(reply.head.status, 201);
    size_t got = peer.got_len;
    peer_expect(&peer, 201);
    assert_int_equal(peer.got_len, got); /* the third came in the same record as the first */
}

static void send_by_bytes(const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        peer_send_bytes(&peer, text + i, 1);
        rig_turn(&rig);
    }
}

static void takes_requests_byte_by_byte(void **state)
{
    rig.echo = true;
    send_by_bytes(POST("5", "hello"));
    expect_echo("hello", 5);
    send_by_bytes(CHUNKED "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    expect_echo("hello world", 11);
    send_by_bytes(GET("/third"));
    expect_echo("", 0);
    assert_string_equal(rig.path, "/third");
    assert_int_equal(rig.heads, 3);
}

/* Slow senders hold about what they sent, not a worker's whole buffer. */
static void a_slow_sender_holds_little(void **state)
{
    send_by_bytes("POST /p HTTP/1.1\r\nHost:");
    struct amp_net_conn *conn = rig.net->queues[AMP_NET_HEAD].first;
    assert_non_null(conn);
    assert_true(conn->in.buf.cap <= 256);
}

static void takes_two_requests_cut_anywhere(void **state)
{
    static const char both[] = POST("5", "hello") CHUNKED "3\r\nabc\r\n0\r\n\r\n";
    rig.echo = true;
    for (size_t cut = 1; cut < sizeof(both) - 1; cut++) {
        peer_send_bytes(&peer, both, cut);
        rig_turn(&rig);
        peer_send_bytes(&peer, both + cut, sizeof(both) - 1 - cut);
        expect_echo("hello", 5);
        expect_echo("abc", 3);
    }
    assert_int_equal(rig.requests, 2 * (sizeof(both) - 2));
}

static void takes_bodies_up_to_the_limit_and_none_beyond(void **state)
{
    static char body[256 * 1024 + 1];
    memset(body, 'x', sizeof(body));
    rig.echo = true;
    peer_send(&peer, POST("262144", ""));
    peer_send_bytes(&peer, body, sizeof(body) - 1);
    expect_echo(body, sizeof(body) - 1);
    peer_send(&peer, CHUNKED "40000\r\n");
    peer_send_bytes(&peer, body, sizeof(body) - 1);
    peer_send(&peer, "\r\n0\r\n\r\n");
    expect_echo(body, sizeof(body) - 1);
    assert_spares_are_all_that_is_held();

    peer_send(&peer, POST("262145", ""));
    peer_send_bytes(&peer, body, sizeof(body));
    peer_expect(&peer, 413);
    peer_expect_end(&peer);
    assert_int_equal(rig.requests, 2);
    assert_int_equal(rig.refused, AMP_ERR_BODY_TOO_LARGE);
}

/* The largest request of SQS: 1 MiB of text with each byte percent-encoded. It comes in pieces, and nothing of it
 * stays. */
static void takes_bodies_as_large_as_those_of_sqs(void **state)
{
    static char body[3328 * 1024];
    memset(body, 'x', sizeof(body));
    rig.max_body = sizeof(body);
    rig.echo = true;
    for (int chunked = 0; chunked < 2; chunked++) {
        peer_send(&peer, chunked ? CHUNKED "340000\r\n" : POST("3407872", ""));
        for (size_t at = 0; at < sizeof(body); at += 65536) {
            peer_send_bytes(&peer, body + at, 65536);
            rig_turn(&rig);
        }
        if (chunked)
            peer_send(&peer, "\r\n0\r\n\r\n");
        else
            assert_true(rig.net->pending_bytes <= 4 << 20);
        expect_echo(body, sizeof(body));
        assert_int_equal(rig.net->pending_bytes, 0);
        assert_spares_are_all_that_is_held();
    }
}

static void refuses_a_chunked_body_beyond_the_limit(void **state)
{
    rig.max_body = 10;
    peer_send(&peer, CHUNKED "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n");
    peer_expect(&peer, 413);
    peer_expect_end(&peer);
    assert_int_equal(rig.requests, 0);
}

static void refuses_a_body_where_none_is_taken(void **state)
{
    rig.max_body = 0;
    peer_send(&peer, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
    peer_expect(&peer, 413);
    peer_expect_end(&peer);
}

static void invites_the_body_of_who_waits(void **state)
{
    static const char head[] = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    rig.echo = true;
    peer_send(&peer, head);
    struct reply interim = peer_take(&peer, true);
    assert_int_equal(interim.head.status, 100);
    peer_send(&peer, "hello");
    expect_echo("hello", 5);

    char whole[256];
    struct amp_out out = amp_out(whole, sizeof(whole));
    amp_out_str(&out, head);
    amp_out_str(&out, "hello");
    peer_send_bytes(&peer, whole, out.len);
    expect_echo("hello", 5); /* at once */

    rig.head_verdict = AMP_ERR_NOT_FOUND;
    peer_send(&peer, head);
    peer_expect(&peer, 404);
    peer_expect_end(&peer);
    assert_int_equal(rig.requests, 2);
}

static void goes_on_behind_a_refused_head_without_body(void **state)
{
    rig.head_verdict = AMP_ERR_NOT_FOUND;
    peer_send(&peer, GET("/a") GET("/b"));
    peer_expect(&peer, 404);
    peer_expect(&peer, 404);
    rig.head_verdict = AMP_OK;
    peer_send(&peer, GET("/c"));
    peer_expect(&peer, 201);
    assert_int_equal(rig.refusals, 2);
    assert_int_equal(rig.requests, 1);
}

static void closes_behind_a_refused_head_with_body(void **state)
{
    rig.head_verdict = AMP_ERR_METHOD_NOT_ALLOWED;
    peer_send(&peer, POST("5", "hello") GET("/smuggled"));
    peer_expect(&peer, 405);
    peer_expect_end(&peer);
    assert_int_equal(rig.heads, 1);
}

static void answers_head_without_body(void **state)
{
    peer_send(&peer, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" GET("/"));
    struct reply reply = peer_take(&peer, true);
    assert_int_equal(reply.head.status, 201);
    assert_int_equal(reply.head.content_length, 4);
    peer_expect(&peer, 201);
    rig.head_verdict = AMP_ERR_NOT_FOUND;
    peer_send(&peer, "HEAD /none HTTP/1.1\r\nHost: h\r\n\r\n" GET("/none"));
    reply = peer_take(&peer, true);
    assert_int_equal(reply.head.status, 404);
    peer_expect(&peer, 404);
}

static void answers_204_without_length(void **state)
{
    rig.answer = (struct amp_net_response){.status = 204};
    peer_send(&peer, GET("/") GET("/"));
    for (int i = 0; i < 2; i++) {
        struct reply reply = peer_take(&peer, true);
        assert_int_equal(reply.head.status, 204);
        assert_false(reply.head.has_length);
    }
}

static void answers_the_good_before_it_refuses_the_bad(void **state)
{
    peer_send(&peer, GET("/good") "GET / HTTP/1.1\r\nHost : h\r\n\r\n" GET("/never"));
    peer_expect(&peer, 201);
    struct reply reply = peer_take(&peer, false);
    assert_int_equal(reply.head.status, 400);
    assert_true(amp_slice_is(reply_field(&reply, "Connection"), "close"));
    assert_true(amp_slice_is(reply.body, "malformed_request"));
    peer_expect_end(&peer);
    assert_true(peer.ended);
    assert_int_equal(rig.requests, 1);
}

static void refuses_what_is_no_request(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost: h\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\nExpect: cookies\r\nContent-Length: 1\r\n\r\nx", 417},
        {CHUNKED "x\r\n", 400},
        {CHUNKED "1;ext\r\nx\r\n0\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peer_send(&peer, cases[i].text);
        peer_expect(&peer, cases[i].status);
        peer_expect_end(&peer);
        peer_close(&peer);
        peer_open(&peer, &rig);
    }
    assert_int_equal(rig.requests, 0);
}

static void refuses_endless_heads(void **state)
{
    static char filler[20000];
    memset(filler, 'a', sizeof(filler));
    peer_send(&peer, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
    peer_send_bytes(&peer, filler, sizeof(filler));
    peer_expect(&peer, 431);
    peer_expect_end(&peer);
}

static void closes_where_the_client_asks(void **state)
{
    peer_send(&peer, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" GET("/late"));
    struct reply reply = peer_take(&peer, false);
    assert_int_equal(reply.head.status, 201);
    assert_true(amp_slice_is(reply_field(&reply, "Connection"), "close"));
    peer_expect_end(&peer);
    assert_true(peer.ended);
    assert_int_equal(rig.requests, 1);
    assert_int_equal(amp_net_connections(rig.net), 1); /* lingers until the client closes too */
    peer_close(&peer);
    assert_int_equal(amp_net_connections(rig.net), 0);
}

static void closes_where_the_handler_asks(void **state)
{
    rig.answer.close = true;
    peer_send(&peer, GET("/"));
    struct reply reply = peer_take(&peer, false);
    assert_true(amp_slice_is(reply_field(&reply, "Connection"), "close"));
    peer_expect_end(&peer);
}

/* A client that sends all its body before it reads must find the refusal, and not a reset, when it reads. */
static void lingers_for_who_sends_on(void **state)
{
    static char body[1024 * 1024];
    rig.max_body = 100;
    peer_send(&peer, POST("1048576", ""));
    for (size_t at = 0; at < sizeof(body); at += 4096)
        peer_send_bytes(&peer, body + at, 4096);
    peer_expect(&peer, 413);
    peer_expect_end(&peer);
    assert_true(peer.ended);
}

static void answers_who_ends_at_once(void **state)
{
    peer_send(&peer, GET("/") GET("/"));
    assert_int_equal(SSL_shutdown(peer.ssl), 0);
    peer_expect(&peer, 201);
    peer_expect(&peer, 201);
    peer_expect_end(&peer);
    assert_int_equal(amp_net_connections(rig.net), 0);
    assert_int_equal(rig.refusals, 0);
}

static void notices_clients_that_go_in_the_middle(void **state)
{
    static const char whole[] = POST("5", "hello");
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        unsigned refusals = rig.refusals;
        peer_send_bytes(&peer, whole, len);
        rig_turn(&rig);
        peer_close(&peer);
        assert_int_equal(amp_net_connections(rig.net), 0);
        assert_int_equal(rig.refusals - refusals, len == 0 ? 0 : 1);
        peer_open(&peer, &rig);
    }
    assert_int_equal(rig.refused, AMP_ERR_IO);
    assert_int_equal(rig.requests, 0);
}

/* A reset instead of an end. */
static void notices_resets(void **state)
{
    struct linger at_once = {.l_onoff = 1};
    for (int i = 0; i < 2; i++) {
        peer_send(&peer, i == 0 ? "" : "POST");
        rig_turn(&rig);
        assert_int_equal(setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
        peer_close(&peer);
        assert_int_equal(amp_net_connections(rig.net), 0);
        peer_open(&peer, &rig);
    }
    assert_int_equal(rig.refusals, 1);
}

static void large_answers_reach_slow_readers(void **state)
{
    static char body[10 * 1024 * 1024];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i * 7 % 26);
    rig.answer.body = amp_slice(body, sizeof(body));
    peer_send(&peer, GET("/"));
    rig_await_requests(&rig, 1);
    assert_int_equal(rig.net->queues[AMP_NET_WRITE].count, 1);
    peer_send(&peer, GET("/")); /* waits for the first to be taken */
    rig_turn(&rig);
    assert_int_equal(rig.requests, 1);
    for (int i = 0; i < 2; i++) {
        struct reply reply = peer_take(&peer, false);
        assert_int_equal(reply.body.len, sizeof(body));
        assert_memory_equal(reply.body.ptr, body, sizeof(body));
    }
    assert_int_equal(rig.net->queues[AMP_NET_IDLE].count, 1);
    assert_spares_are_all_that_is_held();
}

static void much_pipelining_is_answered_piece_by_piece(void **state)
{
    static char body[20000];
    memset(body, 'b', sizeof(body));
    rig.answer.body = amp_slice(body, sizeof(body));
    for (int i = 0; i < 50; i++)
        peer_send(&peer, GET("/"));
    for (int i = 0; i < 50; i++) {
        struct reply reply = peer_take(&peer, false);
        assert_int_equal(reply.body.len, sizeof(body));
    }
    assert_int_equal(rig.requests, 50);
}

/* At the pool's cap connections end that need more of it, and nothing else does. */
static void survives_the_end_of_secret_memory(void **state)
{
    static void *held[65536];
    size_t count = 0;
    struct peer other;
    peer_open(&other, &rig);
    peer_send(&other, GET("/"));
    peer_expect(&other, 201);
    for (size_t len = 1024 * 1024; len >= 64; len /= 2) {
        while (count < 65536 && (held[count] = amp_secret_alloc(len)) != NULL)
            count++;
    }
    peer_send(&other, POST("200000", ""));
    static char body[200000];
    peer_send_bytes(&other, body, sizeof(body));
    peer_expect(&other, 503); /* for that there was a spare */
    peer_expect_end(&other);
    assert_int_equal(rig.refused, AMP_ERR_OUT_OF_MEMORY);
    peer_send(&peer, GET("/"));
    peer_expect(&peer, 201);
    while (count > 0)
        amp_secret_free(held[--count]);
    peer_close(&other);
    peer_send(&peer, POST("5", "hello"));
    peer_expect(&peer, 201);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(keeps_a_connection_alive),
        TEST(an_idle_connection_holds_no_buffer),
        TEST(wipes_requests_and_answers),
        TEST(answers_a_hundred_pipelined_requests_in_order),
        TEST(coalesces_pipelined_answers),
        TEST(takes_requests_byte_by_byte),
        TEST(a_slow_sender_holds_little),
        TEST(takes_two_requests_cut_anywhere),
        TEST(takes_bodies_up_to_the_limit_and_none_beyond),
        TEST(takes_bodies_as_large_as_those_of_sqs),
        TEST(refuses_a_chunked_body_beyond_the_limit),
        TEST(refuses_a_body_where_none_is_taken),
        TEST(invites_the_body_of_who_waits),
        TEST(goes_on_behind_a_refused_head_without_body),
        TEST(closes_behind_a_refused_head_with_body),
        TEST(answers_head_without_body),
        TEST(answers_204_without_length),
        TEST(answers_the_good_before_it_refuses_the_bad),
        TEST(refuses_what_is_no_request),
        TEST(refuses_endless_heads),
        TEST(closes_where_the_client_asks),
        TEST(closes_where_the_handler_asks),
        TEST(lingers_for_who_sends_on),
        TEST(answers_who_ends_at_once),
        TEST(notices_clients_that_go_in_the_middle),
        TEST(notices_resets),
        TEST(large_answers_reach_slow_readers),
        TEST(much_pipelining_is_answered_piece_by_piece),
        TEST(survives_the_end_of_secret_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
