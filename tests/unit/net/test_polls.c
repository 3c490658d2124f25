/* Requests that may wait longer than others, each for its own time, and who learns that nobody waits any more. */
#include "rig.h"

#include "net/conn.h"

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

static struct rig rig;
static struct peer peer;
static unsigned told;

static int start(void **state)
{
    rig_start(&rig, NULL, NULL);
    rig.park = true;
    told = 0;
    peer_open(&peer, &rig);
    return 0;
}

static int stop(void **state)
{
    peer_close(&peer);
    rig_stop(&rig);
    return 0;
}

static void on_gone(void *ctx)
{
    assert_ptr_equal(ctx, &rig);
    assert_false(amp_net_alive(rig.parked[0]));
    told++;
}

static void poll_for(int64_t ms)
{
    peer_send(&peer, GET);
    rig_await_requests(&rig, rig.requests + 1);
    amp_net_extend(rig.parked[rig.parked_count - 1], ms);
    amp_net_on_gone(rig.parked[rig.parked_count - 1], on_gone, &rig);
    rig_turn(&rig);
}

static void pass(int64_t ms)
{
    for (; ms > 0; ms -= 250)
        rig_pass(&rig, ms < 250 ? ms : 250);
}

static void an_extended_one_outlives_the_limit(void **state)
{
    poll_for(30000);
    assert_int_equal(rig.net->queues[AMP_NET_PARKED].count, 1);
    pass(29900);
    assert_true(amp_net_alive(rig.parked[0]));
    assert_int_equal(rig.refusals, 0);
    assert_int_equal(told, 0);
    assert_true(rig_answer(&rig));
    peer_expect(&peer, 201);
    assert_int_equal(rig.net->parked.count, 0);
    assert_int_equal(told, 0);
}

static void it_ends_at_its_own_time(void **state)
{
    poll_for(30000);
    pass(30250);
    peer_expect(&peer, 503);
    peer_expect_end(&peer);
    assert_int_equal(rig.refused, AMP_ERR_OVERLOADED);
    assert_int_equal(told, 1);
    assert_false(rig_answer(&rig));
    assert_int_equal(rig.net->parked.count, 0);
}

static void it_may_be_extended_again(void **state)
{
    poll_for(10000);
    pass(9000);
    amp_net_extend(rig.parked[0], 20000);
    pass(19900);
    assert_true(amp_net_alive(rig.parked[0]));
    amp_net_extend(rig.parked[0], 1000);
    pass(1250);
    peer_expect(&peer, 503);
    assert_int_equal(told, 1);
    assert_false(rig_answer(&rig));
}

static void each_has_its_own_time(void **state)
{
    static struct peer others[8];
    for (size_t i = 0; i < 8; i++) {
        peer_open(&others[i], &rig);
        peer_send(&others[i], GET);
        rig_await_requests(&rig, rig.requests + 1);
        amp_net_extend(rig.parked[i], (int64_t)(8 - i) * 10000);
    }
    for (size_t i = 8; i-- > 0;) {
        pass(9000);
        assert_true(amp_net_alive(rig.parked[i]));
        pass(1250 - 8 * 20);
        peer_expect(&others[i], 503);
        assert_false(amp_net_alive(rig.parked[i]));
        assert_int_equal(rig.net->parked.count, i);
    }
    for (size_t i = 0; i < 8; i++) {
        assert_false(rig_answer(&rig));
        peer_close(&others[i]);
    }
}

/* The next request on the connection has the ordinary limit again. */
static void it_is_the_request_that_is_extended_not_the_connection(void **state)
{
    poll_for(60000);
    assert_true(rig_answer(&rig));
    peer_expect(&peer, 201);
    peer_send(&peer, GET);
    rig_await_requests(&rig, 2);
    rig_turn(&rig);
    assert_int_equal(rig.net->queues[AMP_NET_ANSWER].count, 1);
    pass(15000);
    peer_expect(&peer, 503);
    assert_int_equal(told, 0);
    assert_false(rig_answer(&rig));
}

static void extend_within(struct rig *on)
{
    on->on_request = NULL;
}

/* As front does: from within the request callback, for one of several that are pipelined. */
static void the_first_of_a_pipeline_may_wait(void **state)
{
    rig.on_request = extend_within;
    peer_send(&peer, GET GET);
    rig_await_requests(&rig, 1);
    amp_net_extend(rig.parked[0], 60000);
    pass(40000);
    assert_true(rig_answer(&rig));
    rig_await_requests(&rig, 2);
    assert_true(rig_answer(&rig));
    peer_expect(&peer, 201);
    peer_expect(&peer, 201);
}

static void a_peer_that_goes_is_told_once(void **state)
{
    poll_for(60000);
    peer_close(&peer);
    for (int i = 0; i < 100 && told == 0; i++)
        rig_turn(&rig);
    assert_int_equal(told, 1);
    pass(61000);
    assert_int_equal(told, 1);
    assert_false(rig_answer(&rig));
    assert_int_equal(rig.net->parked.count, 0);
}

static void who_asks_late_is_told_at_once(void **state)
{
    peer_send(&peer, GET);
    rig_await_requests(&rig, 1);
    peer_close(&peer);
    for (int i = 0; i < 100 && amp_net_alive(rig.parked[0]); i++)
        rig_turn(&rig);
    amp_net_extend(rig.parked[0], 1000);
    amp_net_on_gone(rig.parked[0], on_gone, &rig);
    assert_int_equal(told, 1);
    assert_false(rig_answer(&rig));
}

static void a_peer_that_only_said_farewell_waits_on(void **state)
{
    poll_for(60000);
    assert_int_equal(SSL_shutdown(peer.ssl), 0);
    pass(30000);
    assert_int_equal(told, 0);
    assert_true(rig_answer(&rig));
    peer_expect(&peer, 201);
    peer_expect_end(&peer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(an_extended_one_outlives_the_limit),
        TEST(it_ends_at_its_own_time),
        TEST(it_may_be_extended_again),
        TEST(each_has_its_own_time),
        TEST(it_is_the_request_that_is_extended_not_the_connection),
        TEST(the_first_of_a_pipeline_may_wait),
        TEST(a_peer_that_goes_is_told_once),
        TEST(who_asks_late_is_told_at_once),
        TEST(a_peer_that_only_said_farewell_waits_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
