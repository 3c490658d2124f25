/* Shares of a worker's time, and what each principal may hold. */
#include "rig.h"

#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "net/conn.h"

#define FLOOD 40

static struct rig rig;
static struct peer flood[FLOOD], honest;

static int start(void **state)
{
    rig_start(&rig, NULL, NULL);
    rig.signs = true;
    return 0;
}

static int stop(void **state)
{
    rig_stop(&rig);
    return 0;
}

/* The server's end; NULL before it was accepted. */
static struct amp_net_conn *conn_of(const struct peer *peer)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    struct amp_net_source source;
    assert_int_equal(getsockname(peer->fd, (struct sockaddr *)&address, &len), 0);
    amp_net_source_of(&source, &address);
    for (enum amp_net_phase phase = 0; phase < AMP_NET_PHASE_COUNT_; phase++) {
        for (struct amp_net_conn *conn = rig.net->queues[phase].first; conn != NULL; conn = conn->next) {
            if (conn->fd >= 0 && strcmp(conn->source.text, source.text) == 0)
                return conn;
        }
    }
    return NULL;
}

/* What was written is with the server, though not read: a busy kernel takes its time even on loopback, and these tests
 * count turns. */
static void await_arrival(const struct peer *peer)
{
    static const struct timespec pause = {0, 1000000};
    struct amp_net_conn *conn = conn_of(peer);
    for (int waited_ms = 0; conn != NULL && waited_ms < 10000; waited_ms++) {
        int unread = 0;
        assert_int_equal(ioctl(conn->fd, FIONREAD, &unread), 0);
        if (BIO_number_read(SSL_get_rbio(conn->ssl)) + (uint64_t)unread >= BIO_number_written(SSL_get_wbio(peer->ssl)))
            return;
        /* lint: allow sleep, the kernel has no clock of ours */
        nanosleep(&pause, NULL);
    }
}

static void tell(struct peer *peer, const char *text)
{
    peer_send(peer, text);
    await_arrival(peer);
}

static void ask(struct peer *peer, char principal, unsigned times)
{
    static const char form[] = "GET /- HTTP/1.1\r\nHost: h\r\n\r\n";
    char text[sizeof(form)];
    memcpy(text, form, sizeof(form));
    text[5] = principal;
    for (unsigned i = 0; i < times; i++)
        peer_send(peer, text);
    await_arrival(peer);
}

/* Its connection is its principal's. */
static void open_as(struct peer *peer, char principal)
{
    peer_open(peer, &rig);
    ask(peer, principal, 1);
    peer_expect(peer, 201);
}

/* One turn of the loop. */
static void turn(void)
{
    assert_true(event_base_loop(rig.base, EVLOOP_NONBLOCK) >= 0);
    rig.more = amp_net_turn(rig.net);
}

static size_t count_of(char principal)
{
    size_t count = 0;
    for (size_t i = 0; i < rig.requests; i++)
        count += rig.order[i] == principal;
    return count;
}

static size_t first_of(char principal)
{
    const char *first = memchr(rig.order, principal, rig.requests);
    assert_non_null(first);
    return (size_t)(first - rig.order);
}

static void open_flood(void)
{
    for (int i = 0; i < FLOOD; i++)
        open_as(&flood[i], 'f');
    open_as(&honest, 'h');
    rig.requests = 0;
}

static void close_all(void)
{
    for (int i = 0; i < FLOOD; i++)
        peer_close(&flood[i]);
    peer_close(&honest);
}

static void a_flood_lets_others_in_between(void **state)
{
    open_flood();
    for (int i = 0; i < FLOOD; i++)
        ask(&flood[i], 'f', 20);
    ask(&honest, 'h', 1);
    turn();
    assert_in_range(first_of('h'), 0, 40);
    assert_true(rig.more);
    for (int round = 0; round < 3; round++) { /* and again, when it has its answer */
        peer_expect(&honest, 201);
        rig.requests = 0;
        ask(&honest, 'h', 1);
        turn();
        assert_in_range(first_of('h'), 0, 40);
    }
    while (rig.more)
        turn();
    for (int i = 0; i < FLOOD; i++) {
        for (int j = 0; j < 20; j++)
            peer_expect(&flood[i], 201);
    }
    close_all();
}

/* Forty connections against one, and both get the same, as long as both have something to ask. */
static void two_that_flood_get_the_same(void **state)
{
    open_flood();
    for (int i = 0; i < FLOOD; i++)
        ask(&flood[i], 'f', 20);
    ask(&honest, 'h', 200);
    while (rig.requests < 300)
        turn();
    assert_in_range(count_of('h'), 120, 180);
    while (rig.requests < 1000)
        turn();
    close_all();
}

/* What 'd' asks takes as long as a hundred requests of others. */
static void be_dear(struct rig *served)
{
    served->clock.work_ns += served->path[1] == 'd' ? 1000 * 1000 : 10 * 1000;
}

static void flood_dearly(void)
{
    for (int i = 0; i < FLOOD; i++)
        open_as(&flood[i], 'd');
    open_as(&honest, 'h');
    rig.on_request = be_dear;
    rig.requests = 0;
    for (int i = 0; i < FLOOD; i++)
        ask(&flood[i], 'd', 5);
}

static void what_is_dear_counts_for_what_it_takes(void **state)
{
    flood_dearly();
    ask(&honest, 'h', 200);
    while (count_of('h') < 200)
        turn();
    assert_in_range(count_of('d'), 1, 10);
    while (rig.requests < 200 + 5 * FLOOD)
        turn();
    close_all();
}

/* It is not kept waiting by another one's long request, where its own is there already. */
static void who_had_less_is_looked_for_first(void **state)
{
    flood_dearly();
    turn();
    for (int round = 0; round < 3; round++) {
        rig.requests = 0;
        ask(&honest, 'h', 1);
        turn();
        assert_int_equal(count_of('h'), 1);
        assert_int_equal(count_of('d'), 0);
        assert_true(rig.more);
        turn();
        assert_in_range(count_of('d'), 1, 8);
        peer_read(&honest);
    }
    while (rig.more)
        turn();
    close_all();
}

static void fault_f(struct rig *served)
{
    served->answer.faulty = served->path[1] == 'f';
}

static void work_in_vain_counts_several_times(void **state)
{
    open_flood();
    rig.on_request = fault_f;
    for (int i = 0; i < FLOOD; i++)
        ask(&flood[i], 'f', 20);
    ask(&honest, 'h', 200);
    while (count_of('h') < 200)
        turn();
    assert_in_range(count_of('f'), 25, 110);
    while (rig.requests < 200 + 20 * FLOOD)
        turn();
    close_all();
}

static void be_the_same(struct rig *served)
{
    served->clock.work_ns += 100 * 1000;
}

/* A principal whose last connection ends, and that comes again for every few requests. */
static void who_comes_anew_catches_up_no_more_than_once(void **state)
{
    enum { TIMES = 6, AT_ONCE = 60 };
    for (int i = 0; i < TIMES; i++)
        peer_open(&flood[i], &rig);
    open_as(&honest, 'h');
    rig.on_request = be_the_same;
    rig.requests = 0;
    ask(&honest, 'h', 600);
    for (size_t i = 0; i < TIMES; i++) {
        ask(&flood[i], 'f', AT_ONCE);
        while (count_of('f') < (i + 1) * AT_ONCE)
            turn();
        assert_int_equal(shutdown(flood[i].fd, SHUT_RDWR), 0);
        while (amp_net_connections(rig.net) > TIMES - i)
            turn();
    }
    assert_in_range(count_of('h'), TIMES * AT_ONCE * 3 / 4, 600);
    while (rig.more)
        turn();
    for (int i = 0; i < TIMES; i++)
        peer_close(&flood[i]);
    peer_close(&honest);
}

/* What ends a connection comes with its last request: that was work, too. */
static void what_was_done_before_the_end_counts(void **state)
{
    open_as(&flood[0], 'f');
    rig_turn(&rig);
    rig.on_request = be_the_same;
    int64_t spent_ns = rig.net->spent_ns;
    ask(&flood[0], 'f', 1);
    assert_int_equal(send(flood[0].fd, "this is no record", 17, MSG_NOSIGNAL), 17);
    while (amp_net_connections(rig.net) > 0)
        turn();
    assert_in_range(rig.net->spent_ns - spent_ns, 100 * 1000, 1000 * 1000);
    peer_close(&flood[0]);
}

/* Whoever was served last pays neither for other events nor for a late answer, which its own flow pays for. */
static void work_behind_a_request_is_charged_to_whom_it_is_for(void **state)
{
    open_as(&flood[0], 'f');
    open_as(&honest, 'h');
    rig.requests = 0;
    rig.park = true;
    tell(&honest, "POST /h HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nmisspelt.");
    rig_await_requests(&rig, 1);
    ask(&flood[0], 'f', 1);
    while (rig.requests < 2) /* and no turn's end, which charges nobody from there on */
        assert_true(event_base_loop(rig.base, EVLOOP_NONBLOCK) >= 0);
    amp_net_work_for(rig.net, NULL);
    const struct amp_net_flow *f = rig.parked[1]->conn->flow, *h = rig.parked[0]->conn->flow;
    int64_t f_ns = f->served_ns, h_ns = h->served_ns;
    rig.clock.work_ns += 1000 * 1000;
    amp_net_work_for(rig.net, rig.parked[1]);
    assert_int_equal(f->served_ns, f_ns);
    assert_int_equal(h->served_ns, h_ns);
    rig.clock.work_ns += 100 * 1000;
    rig.answer.faulty = true;
    assert_true(rig_answer(&rig));
    amp_net_work_for(rig.net, NULL);
    assert_int_equal(f->served_ns, f_ns + 100 * 1000);
    assert_true(h->served_ns > h_ns);
    peer_close(&flood[0]);
    peer_close(&honest);
}

/* Whoever comes by another socket of the same worker. */
static void sockets_share_a_worker(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(amp_net_listen(rig.net, fd), AMP_OK);
    open_as(&flood[0], 'f');
    rig.port = ntohs(address.sin_port);
    open_as(&honest, 'h');
    rig.requests = 0;
    ask(&flood[0], 'f', 200);
    ask(&honest, 'h', 200);
    while (rig.requests < 200)
        turn();
    assert_in_range(count_of('h'), 60, 140);
    while (rig.requests < 400)
        turn();
    peer_close(&flood[0]);
    peer_close(&honest);
}

/* Their time is over at once, and between their refusals others are heard. */
static void deadlines_are_ended_a_few_at_a_time(void **state)
{
    rig.signs = false;
    for (int i = 0; i < 20; i++) {
        peer_open(&flood[i], &rig);
        tell(&flood[i], "GET /a HTTP/1.1\r\n");
    }
    rig_turn(&rig);
    rig.refusal_ns = 100 * 1000;
    rig.clock.mono_ms += 5001;
    amp_net_sweep(rig.net);
    assert_in_range(rig.refusals, 1, 5);
    turn();
    assert_in_range(rig.refusals, 2, 10);
    assert_true(rig.more);
    while (rig.more)
        turn();
    assert_int_equal(rig.refusals, 20);
    for (int i = 0; i < 20; i++)
        peer_close(&flood[i]);
}

/* However many handshakes are overdue, which strangers decide, other phases have their ends in the same turns. */
static void no_phase_waits_for_all_of_another(void **state)
{
    struct amp_net_queue *queues = rig.net->queues;
    rig.signs = false;
    for (int i = 0; i < 2; i++)
        peer_open(&flood[i], &rig);
    tell(&flood[0], "GET /a HTTP/1.1\r\n");
    tell(&flood[1], "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    for (int i = 2; i < 20; i++)
        peer_connect(&flood[i], &rig);
    while (queues[AMP_NET_HEAD].count < 1 || queues[AMP_NET_BODY].count < 1 || queues[AMP_NET_HANDSHAKE].count < 18)
        rig_turn(&rig);          /* a busy machine may deliver late, even to itself */
    rig.refusal_ns = 400 * 1000; /* more than a turn has for it: each turn ends one */
    rig.clock.mono_ms += 10001;
    amp_net_sweep(rig.net);
    turn();
    turn();
    assert_int_equal(queues[AMP_NET_HEAD].count, 0);
    assert_int_equal(queues[AMP_NET_BODY].count, 0);
    assert_in_range(queues[AMP_NET_HANDSHAKE].count, 1, 17);
    while (rig.more)
        turn();
    assert_int_equal(rig.refusals, 20);
    for (int i = 0; i < 20; i++)
        peer_close(&flood[i]);
}

static void who_is_alone_waits_for_nobody(void **state)
{
    open_flood();
    for (int i = 0; i < FLOOD; i++)
        ask(&flood[i], 'f', 2);
    turn();
    assert_int_equal(rig.requests, 2 * FLOOD);
    assert_false(rig.more);
    close_all();
}

/* One that waits over a turn is not watched, and forgotten neither. */
static void deferred_connections_come_and_go(void **state)
{
    open_flood();
    for (int i = 0; i < FLOOD; i++)
        ask(&flood[i], 'f', 20);
    ask(&honest, 'h', 10);
    turn();
    turn();
    assert_true(rig.more);
    for (int i = 0; i < FLOOD; i += 2)
        peer_close(&flood[i]);
    peer_close(&honest);
    while (rig.more)
        turn();
    rig_turn(&rig);
    assert_int_equal(amp_net_connections(rig.net), FLOOD / 2);
    for (int i = 1; i < FLOOD; i += 2) {
        for (int j = 0; j < 20; j++)
            peer_expect(&flood[i], 201);
        peer_close(&flood[i]);
    }
}

static void a_server_may_end_while_some_wait(void **state)
{
    open_flood();
    for (int i = 0; i < FLOOD; i++)
        ask(&flood[i], 'f', 20);
    ask(&honest, 'h', 10);
    turn();
    assert_true(rig.more);
    amp_net_drain(rig.net);
    for (int i = 0; i < 1000; i++)
        turn();
    close_all();
}

static void a_principal_is_held_to_its_connections(void **state)
{
    struct amp_net_limits limits = rig_limits();
    limits.max_connections_per_principal = 2;
    amp_net_reload(rig.net, rig.net->tls, &limits);
    for (int i = 0; i < 3; i++) {
        peer_open(&flood[i], &rig);
        ask(&flood[i], 'f', 1);
        peer_expect(&flood[i], 201); /* whatever the handler says of it */
        assert_int_equal(rig.verdict, i < 2 ? AMP_OK : AMP_ERR_RATE_LIMITED);
    }
    peer_expect_end(&flood[2]);
    open_as(&honest, 'h');
    assert_int_equal(rig.verdict, AMP_OK);
    ask(&flood[1], 'h', 1); /* it is the other's now */
    peer_expect(&flood[1], 201);
    assert_int_equal(rig.verdict, AMP_OK);
    open_as(&flood[3], 'f');
    assert_int_equal(rig.verdict, AMP_OK);
    ask(&flood[1], 'f', 1);
    peer_expect(&flood[1], 201);
    assert_int_equal(rig.verdict, AMP_ERR_RATE_LIMITED);
    for (int i = 0; i < 4; i++)
        peer_close(&flood[i]);
    peer_close(&honest);
}

static void a_principal_is_held_to_its_waiting_requests(void **state)
{
    struct amp_net_limits limits = rig_limits();
    limits.max_requests_per_principal = 2;
    amp_net_reload(rig.net, rig.net->tls, &limits);
    for (int i = 0; i < 3; i++)
        peer_open(&flood[i], &rig);
    peer_open(&honest, &rig);
    rig.park = true;
    for (unsigned i = 0; i < 3; i++) {
        ask(&flood[i], 'f', 1);
        rig_await_requests(&rig, i + 1);
        assert_int_equal(rig.verdict, i < 2 ? AMP_OK : AMP_ERR_RATE_LIMITED);
    }
    ask(&honest, 'h', 1);
    rig_await_requests(&rig, 4);
    assert_int_equal(rig.verdict, AMP_OK);
    while (rig.parked_count > 0)
        assert_true(rig_answer(&rig));
    rig.park = false;
    peer_expect(&flood[0], 201);
    ask(&flood[0], 'f', 1);
    peer_expect(&flood[0], 201);
    assert_int_equal(rig.verdict, AMP_OK);
    for (int i = 0; i < 3; i++)
        peer_close(&flood[i]);
    peer_close(&honest);
}

/* The connection is one principal's; the next request on it is another's, whose key has to be fetched first. */
static void a_principal_may_follow_another_while_its_key_is_awaited(void **state)
{
    struct amp_net_limits limits = rig_limits();
    limits.max_requests_per_principal = 1;
    amp_net_reload(rig.net, rig.net->tls, &limits);
    open_as(&honest, 'a');
    rig.signs = false;
    rig.park = true;
    ask(&honest, 'b', 1);
    rig_await_requests(&rig, 2);
    rig_turn(&rig);
    assert_int_equal(amp_net_verified(rig.parked[0], AMP_SLICE_LIT("b")), AMP_OK);
    struct amp_holder *holder;
    assert_int_equal(amp_holder_ref(&holder, rig.commons->holders, AMP_SLICE_LIT("b")), AMP_OK);
    assert_int_equal(atomic_load(&holder->waiting.used_bytes), 1);
    rig_answer(&rig);
    peer_expect(&honest, 201);
    assert_int_equal(atomic_load(&holder->waiting.used_bytes), 0);
    amp_holder_unref(rig.commons->holders, holder);
    peer_close(&honest);
}

/* What waited for its key is no other request than itself. */
static void a_request_is_not_in_its_own_way(void **state)
{
    struct amp_net_limits limits = rig_limits();
    limits.max_requests_per_principal = 1;
    amp_net_reload(rig.net, rig.net->tls, &limits);
    open_as(&flood[0], 'f');
    open_as(&flood[1], 'f');
    rig.signs = false;
    rig.park = true;
    ask(&flood[0], 'f', 1);
    rig_await_requests(&rig, 3);
    rig_turn(&rig);
    assert_int_equal(amp_net_verified(rig.parked[0], AMP_SLICE_LIT("f")), AMP_OK);
    ask(&flood[1], 'f', 1);
    rig_await_requests(&rig, 4);
    rig_turn(&rig);
    assert_int_equal(amp_net_verified(rig.parked[1], AMP_SLICE_LIT("f")), AMP_ERR_RATE_LIMITED);
    for (int i = 0; i < 2; i++) {
        assert_true(rig_answer(&rig));
        peer_expect(&flood[i], 201);
        peer_close(&flood[i]);
    }
}

/* Strangers have no more credit, and somebody works: whatever comes of them waits. */
static void hold_strangers_up(void)
{
    struct amp_net *net = rig.net;
    amp_net_flow_work(net, NULL);
    net->busy_ns = net->since_ns;
    net->credit_ns = -1000 * 1000;
}

static void let_strangers_go_on(void)
{
    rig.net->busy_ns = INT64_MIN / 2;
}

static void expect_no_penalty(void)
{
    assert_int_equal(amp_net_counts(rig.commons).refused[AMP_NET_REFUSED_PENALTY], 0);
    struct peer peer;
    peer_open(&peer, &rig);
    peer_close(&peer);
    assert_int_equal(amp_net_counts(rig.commons).refused[AMP_NET_REFUSED_PENALTY], 0);
}

static void limit_penalties(void)
{
    struct amp_net_limits limits = rig_limits();
    limits.penalty_min_ms = 15000;
    limits.penalty_max_ms = 600000;
    amp_net_reload(rig.net, rig.net->tls, &limits);
}

/* Its end is there, and was not heard: it is late because of us. */
static void who_is_kept_waiting_is_not_late(void **state)
{
    rig.signs = false;
    limit_penalties();
    for (int i = 0; i < 2; i++) {
        peer_open(&flood[i], &rig);
        tell(&flood[i], "GET /a HTTP/1.1\r\n");
        rig_turn(&rig);
    }
    hold_strangers_up();
    for (int i = 0; i < 2; i++)
        tell(&flood[i], "Host: h\r\n\r\n");
    turn();
    turn();
    assert_true(rig.net->queues[AMP_NET_HEAD].first->deferred);
    rig.clock.mono_ms += 5001;
    amp_net_sweep(rig.net);
    let_strangers_go_on();
    for (int i = 0; i < 2; i++) {
        peer_expect(&flood[i], 201);
        peer_close(&flood[i]);
    }
    expect_no_penalty();
}

/* That has an end too, and is no offence either; by then it is told that it was us. */
static void nobody_is_kept_waiting_for_ever(void **state)
{
    rig.signs = false;
    limit_penalties();
    for (int i = 0; i < 2; i++) {
        peer_open(&flood[i], &rig);
        tell(&flood[i], "GET /a HTTP/1.1\r\n");
        rig_turn(&rig);
    }
    for (int i = 2; i < 20; i++)
        peer_connect(&flood[i], &rig);
    rig_turn(&rig);
    hold_strangers_up();
    for (int i = 0; i < 2; i++)
        tell(&flood[i], "Host: h\r\n\r\n");
    for (int i = 2; i < 20; i++) /* a record's head */
        assert_int_equal(send(flood[i].fd, "\26\3\1\2\0\1", 6, MSG_NOSIGNAL), 6);
    turn();
    turn();
    for (int i = 0; i < 13; i++) {
        rig.clock.mono_ms += 5001;
        amp_net_sweep(rig.net);
    }
    for (int i = 0; i < 2; i++)
        peer_expect(&flood[i], 503);
    for (int i = 0; i < 20; i++)
        peer_close(&flood[i]);
    let_strangers_go_on();
    rig_turn(&rig);
    expect_no_penalty();
}

/* One that was deferred is watched again, and its end is heard. */
static void a_lingering_connection_keeps_its_watch(void **state)
{
    rig.signs = false;
    peer_open(&honest, &rig);
    tell(&honest, "nonsense\r\n\r\n");
    peer_expect(&honest, 400);
    assert_int_equal(rig.net->queues[AMP_NET_LINGER].count, 1);
    hold_strangers_up();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send(honest.fd, "more", 4, MSG_NOSIGNAL), 4);
        turn();
        turn();
    }
    assert_true(rig.net->queues[AMP_NET_LINGER].first->deferred);
    let_strangers_go_on();
    turn();
    assert_int_equal(rig.net->queues[AMP_NET_LINGER].count, 1);
    peer_close(&honest);
    rig_turn(&rig);
    assert_int_equal(amp_net_connections(rig.net), 0);
}

/* Two workers, one count. */
static void a_principal_is_one_for_all_workers(void **state)
{
    struct amp_net_commons *commons = rig.commons;
    struct amp_holder *holder;
    open_as(&honest, 'h');
    assert_int_equal(amp_holder_ref(&holder, commons->holders, AMP_SLICE_LIT("h")), AMP_OK);
    assert_int_equal(atomic_load(&holder->connections.used_bytes), 1);
    peer_close(&honest);
    rig_turn(&rig);
    assert_int_equal(atomic_load(&holder->connections.used_bytes), 0);
    amp_holder_unref(commons->holders, holder);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_flood_lets_others_in_between),
        CASE(two_that_flood_get_the_same),
        CASE(what_is_dear_counts_for_what_it_takes),
        CASE(who_had_less_is_looked_for_first),
        CASE(work_in_vain_counts_several_times),
        CASE(who_comes_anew_catches_up_no_more_than_once),
        CASE(what_was_done_before_the_end_counts),
        CASE(work_behind_a_request_is_charged_to_whom_it_is_for),
        CASE(sockets_share_a_worker),
        CASE(deadlines_are_ended_a_few_at_a_time),
        CASE(no_phase_waits_for_all_of_another),
        CASE(who_is_alone_waits_for_nobody),
        CASE(deferred_connections_come_and_go),
        CASE(a_server_may_end_while_some_wait),
        CASE(a_principal_is_held_to_its_connections),
        CASE(a_principal_is_held_to_its_waiting_requests),
        CASE(a_principal_may_follow_another_while_its_key_is_awaited),
        CASE(a_request_is_not_in_its_own_way),
        CASE(who_is_kept_waiting_is_not_late),
        CASE(nobody_is_kept_waiting_for_ever),
        CASE(a_lingering_connection_keeps_its_watch),
        CASE(a_principal_is_one_for_all_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
