/* Token buckets. */
#include "store/rate.h"
#include "store_support.h"

static struct amp_clock_fake now;
static struct amp_rate *rate;
static uint32_t retry_s;

static int open_rate(void **state)
{
    now = (struct amp_clock_fake){.mono_ms = 1000};
    return amp_rate_new(&rate, amp_clock_fake(&now), 100) == AMP_OK ? 0 : -1;
}

static int close_rate(void **state)
{
    amp_rate_free(rate);
    return 0;
}

static enum amp_err take(const char *name, uint32_t per_second, uint32_t burst, uint32_t cost)
{
    retry_s = 0;
    return amp_rate_take(rate, amp_slice_str(name), per_second, burst, cost, &retry_s);
}

static void a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    for (int i = 0; i < 20; i++)
        assert_int_equal(take("shop", 10, 20, 1), AMP_OK);
    assert_int_equal(take("shop", 10, 20, 1), AMP_ERR_RATE_LIMITED);
    assert_int_equal(retry_s, 1);
    amp_clock_fake_advance(&now, 99);
    assert_int_equal(take("shop", 10, 20, 1), AMP_ERR_RATE_LIMITED);
    amp_clock_fake_advance(&now, 1);
    assert_int_equal(take("shop", 10, 20, 1), AMP_OK);
    assert_int_equal(take("shop", 10, 20, 1), AMP_ERR_RATE_LIMITED);
}

static void no_fraction_is_lost_or_won(void **state)
{
    assert_int_equal(take("shop", 7, 50, 50), AMP_OK);
    unsigned served = 0;
    for (int ms = 0; ms < 100000; ms++) { /* asked every millisecond for 100 s */
        amp_clock_fake_advance(&now, 1);
        served += take("shop", 7, 50, 1) == AMP_OK;
    }
    assert_int_equal(served, 700);
}

static void a_bucket_never_holds_more_than_its_burst(void **state)
{
    assert_int_equal(take("shop", 1000, 5, 5), AMP_OK);
    amp_clock_fake_advance(&now, INT64_C(1) << 50);
    assert_int_equal(take("shop", UINT32_MAX, 5, 5), AMP_OK);
    assert_int_equal(take("shop", UINT32_MAX, 5, 1), AMP_ERR_RATE_LIMITED);
}

static void it_says_when_to_come_again(void **state)
{
    assert_int_equal(take("shop", 2, 10, 10), AMP_OK);
    assert_int_equal(take("shop", 2, 10, 9), AMP_ERR_RATE_LIMITED);
    assert_int_equal(retry_s, 5);
    amp_clock_fake_advance(&now, (int64_t)retry_s * 1000);
    assert_int_equal(take("shop", 2, 10, 9), AMP_OK);
    assert_int_equal(take("shop", 1, UINT32_MAX, UINT32_MAX), AMP_ERR_RATE_LIMITED);
    assert_int_equal(retry_s, UINT32_MAX - 1); /* one is there */
}

static void names_have_buckets_of_their_own(void **state)
{
    assert_int_equal(take("shop", 1, 1, 1), AMP_OK);
    assert_int_equal(take("shop", 1, 1, 1), AMP_ERR_RATE_LIMITED);
    assert_int_equal(take("shop2", 1, 1, 1), AMP_OK);
    assert_int_equal(take("sho", 1, 1, 1), AMP_OK);
    assert_int_equal(take("", 1, 1, 1), AMP_OK);
    assert_int_equal(take("", 1, 1, 1), AMP_ERR_RATE_LIMITED);
}

static void no_rate_means_no_limit(void **state)
{
    for (int i = 0; i < 1000; i++)
        assert_int_equal(take("shop", 0, 0, 1000), AMP_OK);
}

static void a_cost_above_the_burst_takes_a_whole_bucket(void **state)
{
    assert_int_equal(take("shop", 10, 5, 100), AMP_OK);
    assert_int_equal(take("shop", 10, 5, 1), AMP_ERR_RATE_LIMITED);
    assert_int_equal(take("shop", 10, 0, 100), AMP_ERR_RATE_LIMITED);
    amp_clock_fake_advance(&now, 100);
    assert_int_equal(take("shop", 10, 0, 100), AMP_OK); /* a burst of 0 is one of 1 */
}

static void a_bucket_follows_its_limits(void **state)
{
    assert_int_equal(take("shop", 10, 100, 1), AMP_OK);
    assert_int_equal(take("shop", 10, 5, 5), AMP_OK);
    assert_int_equal(take("shop", 10, 5, 1), AMP_ERR_RATE_LIMITED);
    amp_clock_fake_advance(&now, 1000);
    assert_int_equal(take("shop", 100, 5, 5), AMP_OK);
}

static void idle_full_buckets_make_room(void **state)
{
    char name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(take(name, 1, 2, 1), AMP_OK);
    }
    assert_int_equal(take("late", 1, 2, 1), AMP_ERR_OVERLOADED);
    assert_int_equal(take("p7", 1, 2, 1), AMP_OK);
    amp_clock_fake_advance(&now, 1000);
    assert_int_equal(take("late", 1, 2, 1), AMP_OK);
    assert_int_equal(take("p7", 1, 2, 1), AMP_OK); /* it was not full, and so not forgotten */
    assert_int_equal(take("p7", 1, 2, 1), AMP_ERR_RATE_LIMITED);
}

#define opened(test) cmocka_unit_test_setup_teardown(test, open_rate, close_rate)

int main(void)
{
    const struct CMUnitTest tests[] = {
        opened(a_bucket_gives_its_burst_and_then_its_rate),
        opened(no_fraction_is_lost_or_won),
        opened(a_bucket_never_holds_more_than_its_burst),
        opened(it_says_when_to_come_again),
        opened(names_have_buckets_of_their_own),
        opened(no_rate_means_no_limit),
        opened(a_cost_above_the_burst_takes_a_whole_bucket),
        opened(a_bucket_follows_its_limits),
        opened(idle_full_buckets_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
