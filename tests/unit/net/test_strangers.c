/* Connections that nobody has signed on: how many, at what price for their source, and behind whom. */
#include "rig.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

#define GET  "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define MANY 30

static struct rig rig;
static struct peer peer, peers[MANY];

static struct amp_net_limits usual(void)
{
    struct amp_net_limits limits = rig_limits();
    limits.penalty_min_ms = 15000;
    limits.penalty_max_ms = 600000;
    return limits;
}

static int start(void **state)
{
    struct amp_net_limits limits = usual();
    rig_start(&rig, &limits, NULL);
    return 0;
}

static int stop(void **state)
{
    rig_stop(&rig);
    return 0;
}

static uint64_t refused(enum amp_net_refusal why)
{
    return amp_net_counts(rig.commons).refused[why];
}

static void startups_are_refused_as_openssh_does(void **state)
{
    static const struct amp_net_startups limit = {10, 30, 100};
    static const struct {
        size_t startups;
        uint32_t refused;
    } cases[] = {{0, 0}, {9, 0}, {10, 30}, {55, 65}, {99, 99}, {100, 100}, {5000, 100}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(amp_net_startups_refused(&limit, cases[i].startups), cases[i].refused);
    assert_int_equal(amp_net_startups_refused(&(struct amp_net_startups){10, 100, 100}, 10), 100);
    assert_int_equal(amp_net_startups_refused(&(struct amp_net_startups){10, 0, 100}, 10), 0);
}

static void use_startups(uint32_t start_at, uint32_t full)
{
    struct amp_net_limits limits = usual();
    limits.startups = (struct amp_net_startups){start_at, 30, full};
    amp_net_reload(rig.net, rig.net->tls, &limits);
}

static void nobody_new_is_let_in_where_startups_are_full(void **state)
{
    use_startups(2, 3);
    for (int i = 0; i < 2; i++)
        peer_open(&peers[i], &rig);
    int open = 2;
    while (open < 3) { /* luck has it, or not */
        peer_connect(&peers[open], &rig);
        if (peer_handshake(&peers[open]))
            open++;
        else
            peer_close(&peers[open]);
    }
    assert_int_equal(amp_net_counts(rig.commons).startups, 3);
    uint64_t before = refused(AMP_NET_REFUSED_STARTUPS);
    for (int i = 0; i < 20; i++) {
        peer_connect(&peer, &rig);
        assert_false(peer_handshake(&peer));
        peer_close(&peer);
    }
    assert_int_equal(refused(AMP_NET_REFUSED_STARTUPS), before + 20);
    for (int i = 0; i < 3; i++)
        peer_close(&peers[i]);
    rig_turn(&rig);
    assert_int_equal(amp_net_counts(rig.commons).startups, 0);
}

static void some_are_let_in_before(void **state)
{
    unsigned in = 0;
    struct amp_net_limits limits = rig_limits(); /* nobody is penalised: those that are let in leave at once */
    limits.startups = (struct amp_net_startups){1, 30, 1000000};
    amp_net_reload(rig.net, rig.net->tls, &limits);
    peer_open(&peers[0], &rig);
    for (int i = 0; i < 200; i++) {
        peer_connect(&peer, &rig);
        in += peer_handshake(&peer);
        peer_close(&peer);
        rig_turn(&rig);
    }
    assert_in_range(in, 100, 180); /* 140: 30 % are refused; ten standard deviations would be 65 */
    peer_close(&peers[0]);
}

static void a_signature_ends_a_startup_and_makes_its_source_known(void **state)
{
    rig.signs = true;
    peer_open(&peers[0], &rig);
    assert_int_equal(amp_net_counts(rig.commons).startups, 1);
    peer_send(&peers[0], GET);
    peer_expect(&peers[0], 201);
    assert_int_equal(amp_net_counts(rig.commons).startups, 0);
    use_startups(1, 2);
    for (int i = 1; i < 10; i++) /* more than full, and of a source that a principal was heard from */
        peer_open(&peers[i], &rig);
    assert_int_equal(amp_net_counts(rig.commons).startups, 9);
    for (int i = 0; i < 10; i++)
        peer_close(&peers[i]);
    rig_turn(&rig);
    assert_int_equal(amp_net_counts(rig.commons).startups, 0);
}

/* `offences` times `offend` are forgiven; one more is refused at accept, before any TLS. */
static void expect_penalty(void (*offend)(void), unsigned forgiven)
{
    for (unsigned i = 0; i < forgiven; i++)
        offend();
    peer_open(&peer, &rig);
    peer_send(&peer, GET);
    peer_expect(&peer, 201);
    offend();
    uint64_t accepted = amp_net_counts(rig.commons).accepted;
    peer_connect(&peers[0], &rig);
    assert_false(peer_handshake(&peers[0]));
    peer_close(&peers[0]);
    assert_int_equal(refused(AMP_NET_REFUSED_PENALTY), 1);
    assert_int_equal(amp_net_counts(rig.commons).accepted, accepted);
    peer_send(&peer, GET); /* who is there already stays */
    peer_expect(&peer, 201);
    peer_close(&peer);
    rig_turn(&rig);
    rig_pass(&rig, 30000);
    peer_open(&peer, &rig);
    peer_close(&peer);
}

static void sign_wrongly(void)
{
    struct peer one;
    peer_open(&one, &rig);
    rig.answer.offence = AMP_OFFENCE_SIGNATURE;
    peer_send(&one, GET);
    peer_expect(&one, 201);
    rig.answer.offence = AMP_OFFENCE_NONE;
    peer_close(&one);
    rig_turn(&rig);
}

static void send_nonsense(void)
{
    struct peer one;
    peer_open(&one, &rig);
    peer_send(&one, "nonsense\r\n\r\n");
    peer_expect(&one, 400);
    peer_close(&one);
    rig_turn(&rig);
}

static void send_half_a_head(void)
{
    struct peer one;
    peer_open(&one, &rig);
    peer_send(&one, "GET");
    rig_turn(&rig);
    /* The clock goes on, and forgives 5 s: for the sum to be what is told, penalties are looked at together. */
    rig_pass(&rig, 5000);
    peer_expect(&one, 408);
    peer_close(&one);
    rig_turn(&rig);
}

static void send_no_tls(void)
{
    struct peer one;
    peer_connect(&one, &rig);
    assert_int_equal(send(one.fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    rig_turn(&rig);
    peer_close(&one);
    rig_turn(&rig);
}

static void shake_hands_for_nothing(void)
{
    struct peer one;
    peer_open(&one, &rig);
    peer_close(&one);
    rig_turn(&rig);
}

static void ask_for_nothing_there(void)
{
    struct peer one;
    peer_open(&one, &rig);
    rig.head_verdict = AMP_ERR_NOT_FOUND;
    peer_send(&one, GET);
    peer_expect(&one, 404);
    rig.head_verdict = AMP_OK;
    peer_close(&one);
    rig_turn(&rig);
}

static void leave_an_answer(void)
{
    static char body[1024 * 1024];
    struct peer one;
    struct amp_slice usual_body = rig.answer.body;
    rig.net->limits.max_untaken_bytes = sizeof(body) / 4;
    rig.answer.body = amp_slice(body, sizeof(body));
    peer_open(&one, &rig);
    peer_send(&one, GET);
    rig_turn(&rig);
    rig.answer.body = usual_body;
    peer_close(&one);
    rig_turn(&rig);
}

static void bad_signatures_are_penalised(void **state)
{
    expect_penalty(sign_wrongly, 3);
}

static void nonsense_is_penalised(void **state)
{
    expect_penalty(send_nonsense, 3);
}

static void deadlines_are_penalised(void **state)
{
    expect_penalty(send_half_a_head, 2); /* 10 - 0, + 10 - 5 = 15, + 10 - 5 = 20 */
}

static void what_is_no_tls_is_penalised(void **state)
{
    expect_penalty(send_no_tls, 15);
}

static void handshakes_for_nothing_are_penalised(void **state)
{
    expect_penalty(shake_hands_for_nothing, 15);
}

static void scanning_is_penalised(void **state)
{
    expect_penalty(ask_for_nothing_there, 15);
}

static void answers_not_taken_are_penalised(void **state)
{
    expect_penalty(leave_an_answer, 15);
}

static void handshakes_that_do_not_come_are_penalised(void **state)
{
    for (int i = 0; i < 2; i++)
        peer_connect(&peers[i], &rig);
    rig_turn(&rig);
    rig_pass(&rig, 5000);
    peer_connect(&peer, &rig);
    assert_false(peer_handshake(&peer));
    assert_int_equal(refused(AMP_NET_REFUSED_PENALTY), 1);
    peer_close(&peer);
    for (int i = 0; i < 2; i++)
        peer_close(&peers[i]);
}

/* A health check that only connects is nobody's offence. */
static void looking_at_the_port_is_free(void **state)
{
    for (int i = 0; i < 100; i++) {
        peer_connect(&peer, &rig);
        rig_turn(&rig);
        peer_close(&peer);
        rig_turn(&rig);
    }
    peer_open(&peer, &rig);
    peer_close(&peer);
}

static void a_connection_that_a_principal_is_known_on_costs_its_source_nothing(void **state)
{
    peer_open(&peer, &rig);
    rig.signs = true;
    peer_send(&peer, GET);
    peer_expect(&peer, 201);
    rig.signs = false;
    rig.answer.offence = AMP_OFFENCE_SIGNATURE;
    for (int i = 0; i < 100; i++) {
        peer_send(&peer, GET);
        peer_expect(&peer, 201);
    }
    peer_send(&peer, "nonsense\r\n\r\n");
    peer_expect(&peer, 400);
    peer_close(&peer);
    rig_turn(&rig);
    peer_open(&peer, &rig);
    peer_close(&peer);
}

static void exempt_sources_are_never_taken_for_one(void **state)
{
    struct amp_net_limits limits = usual();
    limits.max_connections_per_source = 1;
    limits.max_pending_bytes_per_source = 1;
    limits.exempt_count = 1;
    assert_int_equal(amp_address_rule_parse(&limits.exempt[0], AMP_SLICE_LIT("127.0.0.0/8")), AMP_OK);
    amp_net_reload(rig.net, rig.net->tls, &limits);
    for (int i = 0; i < 20; i++)
        sign_wrongly();
    for (int i = 0; i < 3; i++)
        peer_open(&peers[i], &rig);
    peer_send(&peers[0], "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n");
    for (int i = 0; i < 20; i++)
        peer_send_bytes(&peers[0], (char[1000]){0}, 1000);
    peer_expect(&peers[0], 201);
    for (int i = 0; i < 3; i++)
        peer_close(&peers[i]);
}

/* One source may not take the memory for unfinished requests from others. */
static void bytes_of_a_source_are_capped(void **state)
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n";
    struct amp_net_limits limits = usual();
    limits.max_pending_bytes_per_source = 100 * 1024;
    amp_net_reload(rig.net, rig.net->tls, &limits);
    for (int i = 0; i < 2; i++) {
        peer_open(&peers[i], &rig);
        peer_send(&peers[i], head);
        for (int j = 0; j < 50; j++)
            peer_send_bytes(&peers[i], (char[1000]){0}, 1000);
        rig_turn(&rig);
    }
    peer_expect(&peers[1], 503); /* the first holds 64 KiB */
    for (int j = 0; j < 10; j++)
        peer_send_bytes(&peers[0], (char[1000]){0}, 1000);
    peer_expect(&peers[0], 201);
    peer_close(&peers[0]);
    peer_close(&peers[1]);
    rig_turn(&rig);
    peer_open(&peers[0], &rig); /* and all was given back */
    peer_send(&peers[0], head);
    for (int j = 0; j < 60; j++)
        peer_send_bytes(&peers[0], (char[1000]){0}, 1000);
    peer_expect(&peers[0], 201);
    peer_close(&peers[0]);
}

/* A handshake's first flight, and no more of it. */
static void begin_handshake(struct peer *one)
{
    one->ssl = SSL_new(one->context);
    SSL_set_fd(one->ssl, one->fd);
    SSL_set_connect_state(one->ssl);
    (void)SSL_do_handshake(one->ssl);
}

static void make_known(struct peer *one)
{
    rig.signs = true;
    peer_open(one, &rig);
    peer_send(one, GET);
    peer_expect(one, 201);
    rig.signs = false;
    rig_pass(&rig, 1000); /* it is not busy: strangers wait for nobody */
}

/* The rig's OpenSSL has its memory elsewhere: what handshakes would hold of the pool is taken for them. */
static void unfinished_handshakes_do_not_fill_the_pool(void **state)
{
    enum { BEGUN = 10, SHARE = 80 * 1024 };
    struct peer known, late;
    make_known(&known);
    void *shares[BEGUN];
    for (int i = 0; i < MANY; i++)
        peer_connect_from(&peers[i], &rig, "127.0.0.9");
    rig_turn(&rig);
    rig.net->limits.max_secret_bytes_of_strangers = amp_secret_held() + BEGUN * SHARE;
    for (int i = 0; i < MANY; i++) { /* all were let in, while there was room */
        begin_handshake(&peers[i]);
        rig_turn(&rig);
        if (i < BEGUN)
            shares[i] = amp_secret_alloc(SHARE);
    }
    assert_int_equal(refused(AMP_NET_REFUSED_STARTUPS), MANY - BEGUN);
    peer_connect_from(&late, &rig, "127.0.0.10");
    uint64_t accepted = amp_net_counts(rig.commons).accepted;
    assert_false(peer_handshake(&late));
    assert_int_equal(amp_net_counts(rig.commons).accepted, accepted);
    peer_close(&late);
    peer_open(&peer, &rig); /* of a source that a principal was heard from */
    peer_send(&peer, GET);
    peer_expect(&peer, 201);
    for (int i = 0; i < BEGUN; i++)
        amp_secret_free(shares[i]);
    for (int i = 0; i < MANY; i++)
        peer_close(&peers[i]);
    rig_pass(&rig, 1000);
    peer_connect_from(&late, &rig, "127.0.0.9"); /* it was us: nothing of it was an offence, but what had begun */
    assert_true(peer_handshake(&late));
    peer_close(&late);
    peer_close(&peer);
    peer_close(&known);
}

/* Asks for what needs no signature, again and again, to keep its place. */
static void ask_all(int count)
{
    for (int i = 0; i < count; i++) {
        peer_send(&peers[i], GET);
        peer_expect(&peers[i], 201);
    }
}

static void a_place_without_a_signature_is_for_a_minute(void **state)
{
    struct peer known;
    make_known(&known);
    for (int i = 0; i < 9; i++)
        peer_connect_from(&peers[i], &rig, "127.0.0.9");
    for (int i = 0; i < 9; i++)
        assert_true(peer_handshake(&peers[i]));
    use_startups(8, 9);
    rig_pass(&rig, 50000);
    ask_all(8);
    peer_send(&known, GET);
    peer_expect(&known, 201);
    peer_connect_from(&peer, &rig, "127.0.0.10");
    assert_false(peer_handshake(&peer));
    peer_close(&peer);
    rig_pass(&rig, 2000);
    rig_pass(&rig, 8000);
    assert_int_equal(amp_net_counts(rig.commons).startups, 7); /* as many ended as were too many */
    peer_connect_from(&peer, &rig, "127.0.0.10");
    assert_true(peer_handshake(&peer));
    peer_close(&peer);
    for (int i = 0; i < 9; i++)
        peer_close(&peers[i]);
    peer_send(&known, GET); /* a principal's is not counted, and stays */
    peer_expect(&known, 201);
    peer_close(&known);
}

/* While there are few, nobody is in anybody's way. Where there are many the place ends with an answer, which says so.
 */
static void a_place_ends_behind_an_answer(void **state)
{
    for (int i = 0; i < 3; i++)
        peer_open(&peers[i], &rig);
    for (int i = 0; i < 3; i++) {
        rig_pass(&rig, 50000);
        ask_all(3);
    }
    use_startups(3, 4);
    peer_send(&peers[0], GET GET);
    struct reply reply = peer_take(&peers[0], false);
    assert_true(amp_slice_equal(reply_field(&reply, "Connection"), AMP_SLICE_LIT("close")));
    peer_expect_end(&peers[0]);
    rig_turn(&rig);
    peer_send(&peers[1], GET); /* one fewer is not too many */
    peer_close(&peers[0]);
    rig_turn(&rig);
    peer_expect(&peers[1], 201);
    for (int i = 1; i < 3; i++)
        peer_close(&peers[i]);
}

static unsigned shaken(void)
{
    return (unsigned)(rig.net->queues[AMP_NET_IDLE].count - 1);
}

/* Handshakes wait behind a principal that is at work, and behind nobody else. */
static void handshakes_are_paced_while_a_principal_works(void **state)
{
    rig.signs = true;
    peer_open(&peer, &rig);
    peer_send(&peer, GET);
    peer_expect(&peer, 201);
    rig_pass(&rig, 1000);
    /* Other addresses are strangers: 127.0.0.1 is known by now. */
    for (int i = 0; i < MANY; i++) {
        peer_connect_from(&peers[i], &rig, "127.0.0.9");
        begin_handshake(&peers[i]);
    }
    peer_send(&peer, GET);
    peer_expect(&peer, 201);
    for (int i = 0; i < 20; i++)
        rig_turn(&rig);
    int64_t spent_ns = rig.net->spent_ns;
    assert_false(rig.more); /* nobody spins: what is left waits for time to pass */
    assert_false(TAILQ_EMPTY(&rig.net->strangers.deferred));
    peer_send(&peer, GET);
    peer_expect(&peer, 201); /* at once */
    rig_turn(&rig);
    assert_in_range(rig.net->spent_ns - spent_ns, 5000, 40000);
    rig_pass(&rig, 1);
    assert_in_range(rig.net->spent_ns - spent_ns, 80000, 800000);
    assert_int_equal(shaken(), 0);
    rig_pass(&rig, 6); /* it is idle: strangers have all they want */
    for (int i = 0; i < 20; i++)
        rig_turn(&rig);
    assert_true(TAILQ_EMPTY(&rig.net->strangers.deferred));
    for (int i = 0; i < MANY; i++)
        peer_close(&peers[i]);
    peer_close(&peer);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(startups_are_refused_as_openssh_does),
        CASE(nobody_new_is_let_in_where_startups_are_full),
        CASE(some_are_let_in_before),
        CASE(a_signature_ends_a_startup_and_makes_its_source_known),
        CASE(bad_signatures_are_penalised),
        CASE(nonsense_is_penalised),
        CASE(deadlines_are_penalised),
        CASE(what_is_no_tls_is_penalised),
        CASE(handshakes_for_nothing_are_penalised),
        CASE(scanning_is_penalised),
        CASE(answers_not_taken_are_penalised),
        CASE(handshakes_that_do_not_come_are_penalised),
        CASE(looking_at_the_port_is_free),
        CASE(a_connection_that_a_principal_is_known_on_costs_its_source_nothing),
        CASE(exempt_sources_are_never_taken_for_one),
        CASE(bytes_of_a_source_are_capped),
        CASE(unfinished_handshakes_do_not_fill_the_pool),
        CASE(a_place_without_a_signature_is_for_a_minute),
        CASE(a_place_ends_behind_an_answer),
        CASE(handshakes_are_paced_while_a_principal_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
