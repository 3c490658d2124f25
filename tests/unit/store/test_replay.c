/* The memory of signatures: exact, and never forgetting inside the window. */
#include "store/replay.h"
#include "store_support.h"

#define SKEW_S  300
#define START_S 1700000000

static struct amp_replay *replay;
static uint64_t first_tag;

static int open_replay(void **state)
{
    return amp_replay_new(&replay, SKEW_S, 100000) == AMP_OK ? 0 : -1;
}

static int close_replay(void **state)
{
    amp_replay_free(replay);
    replay = NULL;
    return 0;
}

static enum amp_err remember(uint64_t number, int64_t date_s, int64_t now_s, uint64_t tag)
{
    uint8_t signature[32] = {0};
    id_from(signature, number);
    return amp_replay_remember(replay, signature, date_s, now_s, tag, &first_tag);
}

static void a_second_use_is_told_with_its_first_tag(void **state)
{
    assert_int_equal(remember(1, START_S, START_S, 11), AMP_OK);
    assert_int_equal(remember(1, START_S, START_S, 22), AMP_ERR_REQUEST_REPLAYED);
    assert_int_equal(first_tag, 11);
    assert_int_equal(remember(1, START_S, START_S + SKEW_S, 33), AMP_ERR_REQUEST_REPLAYED);
    assert_int_equal(first_tag, 11);
    assert_int_equal(remember(2, START_S, START_S, 22), AMP_OK);
    assert_int_equal(amp_replay_count(replay), 2);
}

static void a_tag_is_kept_whole(void **state)
{
    const uint64_t highest = (UINT64_C(1) << 48) - 1;
    for (uint64_t number = 1; number < 100; number++) {
        assert_int_equal(remember(number, START_S, START_S, highest + 1), AMP_ERR_INVALID);
        assert_int_equal(remember(number, START_S, START_S, highest - number), AMP_OK);
        assert_int_equal(remember(number, START_S, START_S, 0), AMP_ERR_REQUEST_REPLAYED);
        assert_int_equal(first_tag, highest - number);
    }
}

static void a_date_outside_the_window_is_skewed(void **state)
{
    assert_int_equal(remember(1, START_S - SKEW_S - 1, START_S, 0), AMP_ERR_CLOCK_SKEW);
    assert_int_equal(remember(1, START_S + SKEW_S + 1, START_S, 0), AMP_ERR_CLOCK_SKEW);
    assert_int_equal(remember(1, -1, 0, 0), AMP_ERR_CLOCK_SKEW);
    assert_int_equal(remember(1, INT64_MAX, INT64_MIN, 0), AMP_ERR_CLOCK_SKEW);
    assert_int_equal(remember(1, START_S - SKEW_S, START_S, 0), AMP_OK);
    assert_int_equal(remember(2, START_S + SKEW_S, START_S, 0), AMP_OK);
    assert_int_equal(amp_replay_count(replay), 2);
}

/* A second's table begins as large as the one before it came to be. */
static void busy_and_quiet_seconds_remember_alike(void **state)
{
    static const uint64_t counts[] = {3, 4000, 4000, 1, 0, 9000, 20, 20};
    for (uint64_t tag = 5; tag < 7; tag++) {
        for (size_t s = 0; s < sizeof counts / sizeof counts[0]; s++) {
            for (uint64_t i = 0; i < counts[s]; i++)
                assert_int_equal(remember(s * 100000 + i, START_S + (int64_t)s, START_S + 10, tag),
                                 tag == 5 ? AMP_OK : AMP_ERR_REQUEST_REPLAYED);
        }
    }
    assert_int_equal(amp_replay_count(replay), 3 + 4000 + 4000 + 1 + 9000 + 20 + 20);
}

static void nothing_in_the_window_is_ever_forgotten(void **state)
{
    /* one signature a second, dated to the window's far edge, over many turns of the ring */
    for (int64_t now_s = START_S; now_s < START_S + 5 * SKEW_S; now_s++) {
        assert_int_equal(remember((uint64_t)now_s, now_s + SKEW_S, now_s, 5), AMP_OK);
        amp_replay_sweep(replay, now_s);
        for (int64_t past_s = 0; past_s <= 2 * SKEW_S && now_s - past_s >= START_S; past_s += 37)
            assert_int_equal(remember((uint64_t)(now_s - past_s), now_s - past_s + SKEW_S, now_s, 6),
                             AMP_ERR_REQUEST_REPLAYED);
    }
    assert_int_equal(amp_replay_count(replay), 2 * SKEW_S + 1);
}

static void a_second_is_reused_even_when_nobody_sweeps(void **state)
{
    for (int64_t now_s = START_S; now_s < START_S + 5 * SKEW_S; now_s++) {
        for (uint64_t i = 0; i < 100; i++)
            assert_int_equal(remember((uint64_t)now_s * 128 + i, now_s, now_s, 5), AMP_OK);
    }
    /* one turn of the ring, and the few that nothing new in their shard has pushed out */
    assert_in_range(amp_replay_count(replay), 100 * (2 * SKEW_S + 2), 103 * (2 * SKEW_S + 2));
    assert_int_equal(
        remember((uint64_t)(START_S + 5 * SKEW_S - 1) * 128, START_S + 5 * SKEW_S - 1, START_S + 5 * SKEW_S - 1, 5),
        AMP_ERR_REQUEST_REPLAYED);
}

static void a_clock_set_back_opens_no_forgotten_second(void **state)
{
    assert_int_equal(remember(1, START_S, START_S, 0), AMP_OK);
    amp_replay_sweep(replay, START_S + 3600);
    assert_int_equal(amp_replay_count(replay), 0);
    assert_int_equal(remember(1, START_S, START_S, 0), AMP_ERR_CLOCK_SKEW);
    assert_int_equal(remember(1, START_S - 1, START_S, 0), AMP_ERR_CLOCK_SKEW);
    assert_int_equal(remember(1, START_S + 1, START_S, 0), AMP_OK);
}

static void a_clock_set_back_makes_nobody_forget_the_later_second(void **state)
{
    const int64_t ring_s = 2 * SKEW_S + 2;
    assert_int_equal(remember(1, START_S + ring_s, START_S + ring_s, 0), AMP_OK);
    assert_int_equal(remember(1, START_S, START_S, 0), AMP_ERR_CLOCK_SKEW); /* same place in the ring */
    assert_int_equal(remember(1, START_S + ring_s, START_S + ring_s, 0), AMP_ERR_REQUEST_REPLAYED);
}

static void full_means_refusal_and_room_returns(void **state)
{
    close_replay(NULL);
    assert_int_equal(amp_replay_new(&replay, SKEW_S, 10), AMP_OK);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(remember(i, START_S, START_S, 0), AMP_OK);
    assert_int_equal(remember(10, START_S, START_S, 0), AMP_ERR_REPLAY_MEMORY_FULL);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(remember(i, START_S, START_S, 0), AMP_ERR_REQUEST_REPLAYED);
    amp_replay_sweep(replay, START_S + SKEW_S);
    assert_int_equal(amp_replay_count(replay), 10);
    amp_replay_sweep(replay, START_S + SKEW_S + 1);
    assert_int_equal(amp_replay_count(replay), 0);
    assert_int_equal(remember(10, START_S + SKEW_S + 1, START_S + SKEW_S + 1, 0), AMP_OK);
}

static void a_busy_second_is_exact(void **state)
{
    const uint64_t many = 50000;
    for (uint64_t i = 0; i < many; i++)
        assert_int_equal(remember(i, START_S, START_S, i), AMP_OK);
    for (uint64_t i = 0; i < many; i++) {
        assert_int_equal(remember(i, START_S, START_S, 0), AMP_ERR_REQUEST_REPLAYED);
        assert_int_equal(first_tag, i);
    }
    assert_int_equal(amp_replay_count(replay), many);
}

static void signatures_differ_in_any_of_their_first_80_bits(void **state)
{
    uint8_t signature[32] = {0};
    assert_int_equal(amp_replay_remember(replay, signature, START_S, START_S, 0, &first_tag), AMP_OK);
    for (size_t bit = 0; bit < 80; bit++) {
        uint8_t other[32] = {0};
        other[bit / 8] = (uint8_t)(1u << bit % 8);
        if (bit == 0)
            continue; /* what an all-zero signature is remembered as */
        assert_int_equal(amp_replay_remember(replay, other, START_S, START_S, 0, &first_tag), AMP_OK);
    }
    assert_int_equal(amp_replay_remember(replay, signature, START_S, START_S, 0, &first_tag), AMP_ERR_REQUEST_REPLAYED);
}

static void what_an_earlier_life_may_have_accepted_is_refused(void **state)
{
    amp_replay_close(replay, START_S);
    assert_int_equal(remember(1, START_S, START_S, 0), AMP_ERR_CLOCK_SKEW);
    assert_int_equal(remember(1, START_S - SKEW_S, START_S, 0), AMP_ERR_CLOCK_SKEW);
    assert_int_equal(remember(1, START_S + 1, START_S, 0), AMP_OK);
    amp_replay_close(replay, START_S - 5);            /* never opens again */
    for (uint64_t number = 2; number < 100; number++) /* in every shard */
        assert_int_equal(remember(number, START_S, START_S, 0), AMP_ERR_CLOCK_SKEW);
}

static void the_horizon_is_the_highest_date_remembered(void **state)
{
    assert_int_equal(amp_replay_horizon(replay), 0);
    assert_int_equal(remember(1, START_S + 9, START_S, 0), AMP_OK);
    assert_int_equal(remember(2, START_S, START_S, 0), AMP_OK);
    assert_int_equal(remember(3, START_S + SKEW_S + 1, START_S, 0), AMP_ERR_CLOCK_SKEW);
    assert_int_equal(amp_replay_horizon(replay), START_S + 9);
    amp_replay_sweep(replay, START_S + 2 * SKEW_S);
    assert_int_equal(amp_replay_horizon(replay), START_S + 9);
}

static void the_window_must_be_sane(void **state)
{
    struct amp_replay *none;
    assert_int_equal(amp_replay_new(&none, 0, 10), AMP_ERR_INVALID);
    assert_int_equal(amp_replay_new(&none, 901, 10), AMP_ERR_INVALID);
    assert_null(none);
    amp_replay_free(NULL);
}

#define opened(test) cmocka_unit_test_setup_teardown(test, open_replay, close_replay)

int main(void)
{
    const struct CMUnitTest tests[] = {
        opened(a_second_use_is_told_with_its_first_tag),
        opened(a_tag_is_kept_whole),
        opened(a_date_outside_the_window_is_skewed),
        opened(busy_and_quiet_seconds_remember_alike),
        opened(nothing_in_the_window_is_ever_forgotten),
        opened(a_second_is_reused_even_when_nobody_sweeps),
        opened(a_clock_set_back_opens_no_forgotten_second),
        opened(a_clock_set_back_makes_nobody_forget_the_later_second),
        opened(full_means_refusal_and_room_returns),
        opened(a_busy_second_is_exact),
        opened(signatures_differ_in_any_of_their_first_80_bits),
        opened(what_an_earlier_life_may_have_accepted_is_refused),
        opened(the_horizon_is_the_highest_date_remembered),
        opened(the_window_must_be_sane),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
