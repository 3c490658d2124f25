/* What workers share. The outbox is watched: a subscription is removed just while a message is added for it. */
#include "../support.h"

#include <pthread.h>
#include <sched.h>

#include "base/config.h"
#include "crypto/crypto.h"
#include "front/outbox.h"
#include "front/shared.h"

#define LIFE_MS 60000

/* shared.c is compiled with the other name. */
#undef amp_outbox_add
enum amp_err amp_outbox_add(struct amp_outbox *outbox, struct amp_slice queue,
                            const uint8_t (*subscriptions)[AMP_SUBSCRIPTION_ID_LEN], size_t count,
                            const uint8_t message[AMP_MESSAGE_ID_LEN], int64_t expires_mono_ms);

static const uint8_t gone_id[AMP_SUBSCRIPTION_ID_LEN] = {1};
static struct amp_clock_fake hands = {.unix_ms = 1770000000000, .mono_ms = 5000};
static struct amp_front_shared shared;
static pthread_t remover;
static bool remove_meanwhile;
static atomic_bool begun, removed;

/* As the worker does that is told that the subscription is gone. */
static void *remove_it(void *ctx)
{
    atomic_store(&begun, true);
    amp_subscribers_remove(shared.subscribers, gone_id);
    atomic_store(&removed, true);
    amp_outbox_drop(shared.outbox, gone_id);
    return NULL;
}

enum amp_err watched_outbox_add(struct amp_outbox *outbox, struct amp_slice queue,
                                const uint8_t (*subscriptions)[AMP_SUBSCRIPTION_ID_LEN], size_t count,
                                const uint8_t message[AMP_MESSAGE_ID_LEN], int64_t expires_mono_ms)
{
    if (remove_meanwhile) {
        assert_int_equal(pthread_create(&remover, NULL, remove_it, NULL), 0);
        while (!atomic_load(&begun))
            sched_yield();
        for (int i = 0; i < 10000 && !atomic_load(&removed); i++)
            sched_yield(); /* it gets every chance */
    }
    return amp_outbox_add(outbox, queue, subscriptions, count, message, expires_mono_ms);
}

static int setup(void **state)
{
    struct amp_config config = {
        .workers = 1,
        .vault.memory_max = (size_t)16 << 20,
        .queue = {.memory_max = (size_t)16 << 20, .max_queues = 16},
        .auth = {.clock_skew_ms = 300000, .replay_max = 1000},
    };
    shared = (struct amp_front_shared){0};
    remove_meanwhile = false;
    atomic_store(&begun, false);
    atomic_store(&removed, false);
    const struct amp_key256 dek = {{7}};
    if (amp_front_open_shared(&shared, &config, amp_clock_fake(&hands)) != AMP_OK)
        return -1;
    return amp_epochs_add(shared.epochs, 1, &dek) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    amp_front_close_shared(&shared);
    return 0;
}

static void subscribe(void)
{
    struct amp_subscription it = {.state = AMP_SUBSCRIPTION_ACTIVE, .queue_len = 8};
    memcpy(it.id, gone_id, sizeof it.id);
    memcpy(it.queue, "payments", 8);
    assert_int_equal(amp_subscribers_put(shared.subscribers, &it), AMP_OK);
    amp_subscribers_told(shared.subscribers);
}

static enum amp_err send(void)
{
    struct amp_secret_buf sealed = {0};
    struct amp_queue_settings settings;
    struct amp_message_sent sent;
    bool existed;
    struct amp_message_in in = {
        .queue = AMP_SLICE_LIT("payments"),
        .sent_unix_ms = hands.unix_ms,
        .expires_unix_ms = hands.unix_ms + LIFE_MS,
        .delay_ms = -1,
    };
    assert_int_equal(
        amp_seal(shared.epochs, "message", amp_slice(NULL, 0), in.queue, AMP_SLICE_LIT("hello"), &sealed, &in.epoch),
        AMP_OK);
    in.sealed = amp_slice(sealed.ptr, sealed.len);
    amp_queue_settings_default(&settings, false);
    assert_int_equal(shared.queues.ops->create(shared.queues.self, in.queue, &settings, NULL, &existed), AMP_OK);
    enum amp_err err = shared.queues.ops->send(shared.queues.self, &in, &sent);
    if (err != AMP_OK)
        amp_epochs_release(shared.epochs, in.epoch);
    amp_secret_buf_free(&sealed);
    return err;
}

static void a_message_is_to_be_pushed_to_who_subscribed(void **state)
{
    subscribe();
    assert_int_equal(send(), AMP_OK);
    assert_int_equal(amp_outbox_counts(shared.outbox).pending, 1);
}

static void before_it_is_known_who_subscribed_none_is_sent(void **state)
{
    assert_int_equal(send(), AMP_ERR_VAULT_FULL);
    assert_int_equal(amp_outbox_counts(shared.outbox).pending, 0);
}

/* Whenever it goes, nothing remains for it in the outbox: neither the message until its end, nor its lane for ever. */
static void a_subscription_that_goes_meanwhile_leaves_nothing_behind(void **state)
{
    struct amp_delivery delivery;
    enum amp_err why;
    size_t work = 100;
    subscribe();
    remove_meanwhile = true;
    assert_int_equal(send(), AMP_OK);
    assert_int_equal(pthread_join(remover, NULL), 0);
    assert_false(amp_outbox_next(shared.outbox, &delivery));
    assert_true(amp_outbox_reap(shared.outbox, &delivery, &why, &work));
    assert_int_equal(why, AMP_ERR_SUBSCRIPTION_UNKNOWN);
    assert_int_equal(amp_outbox_counts(shared.outbox).pending, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_is_to_be_pushed_to_who_subscribed, setup, teardown),
        cmocka_unit_test_setup_teardown(before_it_is_known_who_subscribed_none_is_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_subscription_that_goes_meanwhile_leaves_nothing_behind, setup, teardown),
    };
    if (amp_secret_init((size_t)64 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
