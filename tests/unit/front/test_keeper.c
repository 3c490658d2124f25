/* The link to the keeper, which ends. Worker, api and auth are played here; keeper.c is compiled with this file. */
#include "../support.h"

#include <sys/socket.h>
#include <unistd.h>

#include "front/internal.h"

static struct amp_clock_fake hands;
static struct amp_front_shared shared;
static struct amp_worker worker;
static unsigned forgotten, accusations, retellings, for_nobody;

bool amp_auth_answer(struct amp_auth *auth, uint64_t ask, enum amp_err err, const struct amp_key256 *key,
                     const struct amp_principal *principal)
{
    return false;
}

void amp_auth_forget(struct amp_auth *auth, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
}

void amp_auth_forget_all(struct amp_auth *auth)
{
    forgotten++;
}

enum amp_err amp_epochs_add(struct amp_epochs *epochs, uint32_t id, const struct amp_key256 *dek)
{
    return AMP_OK;
}

bool amp_epochs_wants_next(struct amp_epochs *epochs)
{
    return false;
}

void amp_subscribers_retell(struct amp_subscribers *subscribers)
{
    retellings++;
}

void amp_net_work_for(struct amp_net *net, const struct amp_net_exchange *exchange)
{
    assert_null(exchange);
    for_nobody++;
}

void amp_front_answered(struct amp_worker *by, uint64_t ask)
{
}

void amp_front_end_polls(struct amp_worker *by, const uint8_t *key_id)
{
}

void amp_front_lose_keeper(struct amp_worker *by)
{
}

void amp_front_report(struct amp_worker *by, enum amp_role violator)
{
    assert_ptr_equal(by, &worker);
    assert_int_equal(violator, AMP_ROLE_KEEPER);
    accusations++;
}

bool amp_front_take_done(struct amp_worker *by, struct amp_ipc_in *in)
{
    return false;
}

bool amp_front_take_subscription(struct amp_worker *by, struct amp_ipc_in *in)
{
    return true;
}

bool amp_front_take_subscription_gone(struct amp_worker *by, struct amp_ipc_in *in)
{
    return true;
}

bool amp_front_take_subscriptions_told(struct amp_worker *by)
{
    return true;
}

static int begin(void **state)
{
    (void)state;
    hands = (struct amp_clock_fake){.mono_ms = 1000};
    shared = (struct amp_front_shared){.clock = amp_clock_fake(&hands)};
    worker = (struct amp_worker){.shared = &shared, .base = event_base_new()};
    STAILQ_INIT(&worker.waiting);
    forgotten = accusations = retellings = for_nobody = 0;
    return worker.base == NULL || amp_secret_init(8 << 20, false) != AMP_OK;
}

static int finish(void **state)
{
    (void)state;
    amp_link_free(worker.keeper);
    event_base_free(worker.base);
    amp_secret_fini();
    return 0;
}

static void turn(void)
{
    assert_true(event_base_loop(worker.base, EVLOOP_NONBLOCK) >= 0);
}

/* Gives it a link; returns the keeper's end. */
static int attach(void)
{
    int fds[2];
    assert_int_equal(amp_link_pair(fds), AMP_OK);
    amp_front_attach_keeper(&worker, fds[0]);
    return fds[1];
}

static void wait_ms(int64_t ms)
{
    hands.mono_ms += ms;
    amp_front_miss_keeper(&worker, hands.mono_ms);
}

static void the_first_keeper_is_waited_for(void **state)
{
    (void)state;
    wait_ms(3600 * 1000);
    assert_int_equal(accusations, 0);
    close(attach());
}

static void a_keeper_that_is_started_again_in_time_is_not_missed(void **state)
{
    (void)state;
    close(attach());
    turn();
    assert_null(worker.keeper);
    assert_int_equal(forgotten, 1);
    wait_ms(AMP_KEEPER_PATIENCE_S * 1000 - 1);
    int keeper = attach();
    wait_ms(3600 * 1000);
    turn();
    assert_int_equal(accusations, 0);
    assert_non_null(worker.keeper);
    close(keeper);
}

static void a_link_that_is_cut_and_not_made_again_is_told_of(void **state)
{
    (void)state;
    close(attach());
    turn();
    wait_ms(AMP_KEEPER_PATIENCE_S * 1000);
    assert_int_equal(accusations, 1);
    wait_ms(1);
    assert_int_equal(accusations, 1); /* once, for some time */
    wait_ms(AMP_KEEPER_PATIENCE_S * 1000);
    assert_int_equal(accusations, 2);
}

static void who_drains_misses_no_keeper(void **state)
{
    (void)state;
    close(attach());
    turn();
    worker.draining = true;
    wait_ms(3600 * 1000);
    assert_int_equal(accusations, 0);
}

static void the_list_may_be_told_again_on_one_link(void **state)
{
    (void)state;
    const uint8_t telling = AMP_IPC_SUBSCRIPTIONS_TELLING;
    int keeper = attach();
    worker.push = (struct amp_push *)(void *)&worker; /* no more than a mark here */
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(send(keeper, &telling, 1, 0), 1);
        turn();
        assert_int_equal(retellings, i);
        assert_int_equal(for_nobody, i);
    }
    worker.push = NULL;
    assert_int_equal(send(keeper, &telling, 1, 0), 1);
    turn();
    assert_null(worker.keeper); /* no news for other workers */
    close(keeper);
}

static void second(void)
{
    hands.mono_ms += 1000;
    amp_front_ping_keeper(&worker);
    turn();
}

static void hear_ping(int keeper)
{
    uint8_t heard[2];
    assert_int_equal(recv(keeper, heard, sizeof(heard), MSG_DONTWAIT), 1);
    assert_int_equal(heard[0], AMP_IPC_PING);
}

static void say_pong(int keeper)
{
    const uint8_t pong = AMP_IPC_PONG;
    assert_int_equal(send(keeper, &pong, 1, 0), 1);
    turn();
}

static void a_keeper_of_which_nothing_is_asked_is_asked_whether_it_is_well(void **state)
{
    (void)state;
    assert_false(amp_front_keeper_answers(&worker));
    second(); /* nobody is there to be asked */
    int keeper = attach();
    for (int i = 0; i < 5; i++) {
        second();
        hear_ping(keeper);
        say_pong(keeper);
        assert_true(amp_front_keeper_answers(&worker));
    }
    close(keeper);
}

static void a_keeper_that_hangs_is_noticed_until_it_answers(void **state)
{
    (void)state;
    uint8_t heard[2];
    int keeper = attach();
    second();
    hear_ping(keeper);
    for (int i = 0; i < 3; i++) {
        second();
        assert_true(amp_front_keeper_answers(&worker));
    }
    assert_int_equal(recv(keeper, heard, sizeof(heard), MSG_DONTWAIT), -1); /* one ping is enough for so long */
    hands.mono_ms++;
    assert_false(amp_front_keeper_answers(&worker));
    say_pong(keeper);
    assert_true(amp_front_keeper_answers(&worker));
    close(keeper);
}

/* Its answer, or the question, may have found no room on the link. */
static void a_silent_keeper_is_asked_again(void **state)
{
    (void)state;
    int keeper = attach();
    second();
    hear_ping(keeper); /* and its answer is lost */
    for (int i = 0; i < 4; i++)
        second();
    assert_false(amp_front_keeper_answers(&worker));
    hear_ping(keeper);
    say_pong(keeper);
    assert_true(amp_front_keeper_answers(&worker));
    say_pong(keeper); /* the first one's, late */
    assert_non_null(worker.keeper);
    second();
    hear_ping(keeper);
    close(keeper);
}

static void the_next_keeper_owes_no_answer_of_the_one_before(void **state)
{
    (void)state;
    int before = attach();
    second();
    hands.mono_ms += 3600 * 1000;
    assert_false(amp_front_keeper_answers(&worker));
    int keeper = attach();
    assert_true(amp_front_keeper_answers(&worker));
    second();
    hear_ping(keeper);
    close(keeper);
    turn();
    assert_false(amp_front_keeper_answers(&worker));
    close(before);
}

static void an_answer_that_nothing_was_asked_for_breaks_the_table(void **state)
{
    (void)state;
    int keeper = attach();
    say_pong(keeper);
    assert_null(worker.keeper);
    assert_int_equal(accusations, 1);
    close(keeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_keeper_is_waited_for, begin, finish),
        cmocka_unit_test_setup_teardown(a_keeper_that_is_started_again_in_time_is_not_missed, begin, finish),
        cmocka_unit_test_setup_teardown(a_link_that_is_cut_and_not_made_again_is_told_of, begin, finish),
        cmocka_unit_test_setup_teardown(who_drains_misses_no_keeper, begin, finish),
        cmocka_unit_test_setup_teardown(the_list_may_be_told_again_on_one_link, begin, finish),
        cmocka_unit_test_setup_teardown(a_keeper_of_which_nothing_is_asked_is_asked_whether_it_is_well, begin, finish),
        cmocka_unit_test_setup_teardown(a_keeper_that_hangs_is_noticed_until_it_answers, begin, finish),
        cmocka_unit_test_setup_teardown(a_silent_keeper_is_asked_again, begin, finish),
        cmocka_unit_test_setup_teardown(the_next_keeper_owes_no_answer_of_the_one_before, begin, finish),
        cmocka_unit_test_setup_teardown(an_answer_that_nothing_was_asked_for_breaks_the_table, begin, finish),
    };
    return cmocka_run_group_tests_name("front keeper", tests, NULL, NULL);
}
