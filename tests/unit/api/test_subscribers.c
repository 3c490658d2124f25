/* What front knows of the subscriptions. */
#include "fixture.h"

#include <pthread.h>
#include <string.h>

static struct amp_subscribers *known;

static int setup(void **state)
{
    return amp_subscribers_new(&known) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    amp_subscribers_free(known);
    return 0;
}

static void put(uint8_t id, const char *queue)
{
    struct amp_subscription it = subscription_of(id, queue, NULL);
    assert_int_equal(amp_subscribers_put(known, &it), AMP_OK);
}

static bool any(const char *queue)
{
    return amp_subscribers_any(known, amp_slice_str(queue));
}

/* The ids that `each` was called with, as letters. */
struct seen {
    char ids[2 * AMP_SUBSCRIPTIONS_MAX + 1];
    size_t count;
    size_t most;
    const struct amp_jwk *jwk;
};

static bool on_each(void *ctx, const struct amp_subscription *subscription, const struct amp_jwk *jwk)
{
    struct seen *seen = ctx;
    seen->ids[seen->count++] = (char)subscription->id[0];
    seen->jwk = jwk;
    return seen->count < seen->most;
}

static struct seen look(const char *queue, size_t most)
{
    struct seen seen = {.most = most};
    amp_subscribers_each(known, amp_slice_str(queue), on_each, &seen);
    return seen;
}

static void assert_each(const char *queue, const char *ids)
{
    struct seen seen = look(queue, 1000);
    assert_string_equal(seen.ids, ids);
}

static void they_are_told_in_order_of_their_making(void **state)
{
    put('c', "payments");
    put('a', "payments");
    put('d', "refunds");
    put('b', "payments");
    assert_each("payments", "abc");
    assert_each("refunds", "d");
    assert_each("", "abcd");
    assert_each("payment", "");
    assert_int_equal(amp_subscribers_count(known), 4);
}

static void each_ends_where_it_is_told_to(void **state)
{
    put('a', "payments");
    put('b', "payments");
    put('c', "refunds");
    assert_string_equal(look("payments", 1).ids, "a");
    assert_string_equal(look("", 2).ids, "ab");
}

static void a_queue_has_any_where_one_is_active(void **state)
{
    struct amp_subscription it = subscription_of('a', "payments", NULL);
    assert_false(any("payments"));
    put('a', "payments");
    assert_true(any("payments"));
    assert_false(any("payment"));
    assert_false(any(""));
    it.state = AMP_SUBSCRIPTION_FAILING;
    assert_int_equal(amp_subscribers_put(known, &it), AMP_OK);
    assert_false(any("payments"));
    assert_each("payments", "a"); /* it is there all the same */
    put('b', "payments");
    assert_true(any("payments"));
    amp_subscribers_remove(known, subscription_of('b', "", NULL).id);
    assert_false(any("payments"));
}

static void one_that_is_put_again_is_changed(void **state)
{
    struct amp_subscription it = subscription_of('a', "payments", NULL), got;
    put('a', "payments");
    it.ordered = true;
    it.queue[0] = 'P'; /* never done by the keeper; it must do no harm */
    assert_int_equal(amp_subscribers_put(known, &it), AMP_OK);
    assert_int_equal(amp_subscribers_count(known), 1);
    assert_int_equal(amp_subscribers_get(known, it.id, &got), AMP_OK);
    assert_true(got.ordered);
    assert_false(any("payments"));
    assert_true(any("Payments"));
    assert_each("payments", "");
}

static void one_that_is_removed_is_unknown(void **state)
{
    struct amp_subscription it = subscription_of('a', "payments", NULL);
    put('a', "payments");
    amp_subscribers_remove(known, it.id);
    amp_subscribers_remove(known, it.id);
    assert_int_equal(amp_subscribers_get(known, it.id, &it), AMP_ERR_SUBSCRIPTION_UNKNOWN);
    assert_each("", "");
    assert_int_equal(amp_subscribers_count(known), 0);
}

static void what_a_new_telling_leaves_out_is_gone(void **state)
{
    assert_false(amp_subscribers_known(known));
    put('a', "payments");
    put('b', "payments");
    assert_false(amp_subscribers_known(known));
    amp_subscribers_told(known);
    assert_true(amp_subscribers_known(known));
    assert_each("", "ab");
    amp_subscribers_retell(known);
    put('b', "payments");
    put('c', "refunds");
    assert_each("", "abc"); /* until all is told nobody is forgotten */
    assert_true(amp_subscribers_known(known));
    amp_subscribers_told(known);
    assert_each("", "bc");
    put('d', "refunds"); /* made since */
    amp_subscribers_told(known);
    assert_each("", "bcd");
}

static void a_key_is_there_for_those_who_gave_one(void **state)
{
    struct amp_subscription with = subscription_of('a', "payments", JWK);
    assert_int_equal(amp_subscribers_put(known, &with), AMP_OK);
    put('b', "refunds");
    const struct amp_jwk *jwk = look("payments", 9).jwk;
    assert_non_null(jwk);
    assert_memory_equal(jwk->kid, KID, sizeof jwk->kid);
    assert_null(look("refunds", 9).jwk);
}

static void a_broken_key_is_refused_and_changes_nothing(void **state)
{
    static const char *const broken[] = {"{}", "[", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}"};
    put('a', "payments");
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct amp_subscription it = subscription_of('a', "payments", broken[i]);
        assert_int_equal(amp_subscribers_put(known, &it), AMP_ERR_JWK_INVALID);
    }
    struct amp_subscription private = subscription_of('a', "payments",
                                                      "{\"d\":\"" JWK_D "\",\"crv\":\"P-256\",\"kty\":\"EC\","
                                                      "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
                                                      "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}");
    assert_int_equal(amp_subscribers_put(known, &private), AMP_ERR_JWK_PRIVATE);
    assert_each("", "a");
    assert_null(look("payments", 9).jwk);
}

static struct amp_subscription numbered(uint32_t number, uint32_t queue)
{
    char name[32];
    (void)snprintf(name, sizeof name, "queue-%u", queue);
    struct amp_subscription it = subscription_of(0, name, NULL);
    memcpy(it.id, &number, sizeof number);
    it.created_unix_ms = NOW_MS + number;
    return it;
}

/* As many as there may be, four of each queue, come and go in another order than they were made in. */
static void as_many_as_there_may_be_are_kept_apart(void **state)
{
    const uint32_t count = AMP_SUBSCRIPTIONS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = i * 7 % count; /* 7 does not divide it: each once */
        struct amp_subscription it = numbered(number, number / 4);
        assert_int_equal(amp_subscribers_put(known, &it), AMP_OK);
    }
    assert_int_equal(amp_subscribers_count(known), count);
    for (uint32_t queue = 0; queue < count / 4; queue++) {
        char name[32];
        (void)snprintf(name, sizeof name, "queue-%u", queue);
        assert_true(any(name));
        assert_int_equal(look(name, 1000).count, 4);
    }
    for (uint32_t number = 0; number < count; number += 2)
        amp_subscribers_remove(known, numbered(number, 0).id);
    assert_int_equal(look("queue-7", 1000).count, 2);
    assert_int_equal(amp_subscribers_count(known), count / 2);
}

static void a_telling_of_all_others_has_room(void **state)
{
    for (uint32_t i = 0; i < 3 * AMP_SUBSCRIPTIONS_MAX; i++) {
        struct amp_subscription it = numbered(i, i);
        if (i % AMP_SUBSCRIPTIONS_MAX == 0)
            amp_subscribers_retell(known);
        assert_int_equal(amp_subscribers_put(known, &it), AMP_OK);
        if ((i + 1) % AMP_SUBSCRIPTIONS_MAX == 0)
            amp_subscribers_told(known);
    }
    assert_int_equal(amp_subscribers_count(known), AMP_SUBSCRIPTIONS_MAX);
    assert_false(any("queue-0"));
    assert_true(any("queue-2999"));
}

static void *ask_on(void *ctx)
{
    size_t *seen = ctx;
    for (int i = 0; i < 2000; i++) {
        *seen += any("queue-1");
        *seen += look("queue-1", 1000).count;
    }
    return NULL;
}

static void they_change_while_workers_ask(void **state)
{
    pthread_t workers[2];
    size_t seen[2] = {0, 0};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, ask_on, &seen[i]), 0);
    for (uint32_t i = 0; i < 2000; i++) {
        struct amp_subscription it = numbered(i % 8, i % 2);
        assert_int_equal(amp_subscribers_put(known, &it), AMP_OK);
        if (i % 3 == 0)
            amp_subscribers_remove(known, it.id);
    }
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(workers[i], NULL), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(they_are_told_in_order_of_their_making), T(each_ends_where_it_is_told_to),
        T(a_queue_has_any_where_one_is_active),    T(one_that_is_put_again_is_changed),
        T(one_that_is_removed_is_unknown),         T(what_a_new_telling_leaves_out_is_gone),
        T(a_key_is_there_for_those_who_gave_one),  T(a_broken_key_is_refused_and_changes_nothing),
        T(as_many_as_there_may_be_are_kept_apart), T(a_telling_of_all_others_has_room),
        T(they_change_while_workers_ask),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
