/* The life of a message in a standard queue. */
#include "conformance.h"

static void what_was_sent_is_received_with_all_that_was_said(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    struct draft d;
    draft(&d, house, "q", 1);
    assert_memory_equal(house->sent.id, d.in.id, sizeof d.in.id);
    assert_int_equal(house->sent.sequence, 0);
    assert_false(house->sent.duplicate);
    pass(house, 250);
    expect(house, "q", 1);
    const struct amp_message_out *out = &house->out[0];
    assert_true(amp_slice_is(amp_queue_name_slice(&out->home), "q"));
    assert_int_equal(out->source.len, 0);
    assert_int_equal(out->sent_unix_ms, UNIX_MS);
    assert_int_equal(out->expires_unix_ms, UNIX_MS + LIFE_MS);
    assert_int_equal(out->first_received_unix_ms, UNIX_MS + 250);
    assert_int_equal(out->receives, 1);
    assert_int_equal(out->sequence, 0);
    assert_true(out->receipt.stamp != 0);
}

static void sealed_bytes_are_appended_behind_what_is_there(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    assert_int_equal(amp_secret_buf_append(&house->sealed, "before", 6), AMP_OK);
    const struct amp_receive receive = {.queue = text("q"), .most = 10, .visibility_ms = -1};
    assert_int_equal(DO(house, receive, &receive, house->out, &house->count, &house->sealed), AMP_OK);
    assert_int_equal(house->out[0].sealed_at, 6);
    assert_memory_equal(house->sealed.ptr, "beforesealed 1", 14);
}

static void the_oldest_goes_first_and_no_more_than_wanted(void **state)
{
    struct house *house = *state;
    create(house, "q");
    for (uint64_t i = 1; i <= 25; i++)
        send_message(house, "q", i);
    expect(house, "q", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    assert_int_equal(receive_for(house, "q", 1, -1), AMP_OK);
    assert_int_equal(house->count, 1);
    assert_is(house, &house->out[0], 11);
    expect(house, "q", 12, 13, 14, 15, 16, 17, 18, 19, 20, 21);
    expect(house, "q", 22, 23, 24, 25);
    expect_none(house, "q");
    assert_counts(house, "q", 0, 25, 0);
    assert_int_equal(stats(house).in_flight, 25);
    assert_int_equal(receive_for(house, "q", 0, -1), AMP_ERR_INVALID);
    assert_int_equal(receive_for(house, "q", 11, -1), AMP_ERR_INVALID);
}

static void what_is_in_flight_is_hidden_for_its_time_and_then_takes_turns_with_the_newer(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    pass(house, 1);
    send_message(house, "q", 2);
    assert_int_equal(receive_for(house, "q", 1, 10000), AMP_OK);
    uint64_t stamp = house->out[0].receipt.stamp;
    pass(house, 9999);
    assert_counts(house, "q", 1, 1, 0);
    pass(house, 100);
    assert_counts(house, "q", 2, 0, 0);
    expect(house, "q", 1, 2);
    assert_int_equal(house->out[0].receives, 2);
    assert_int_equal(house->out[0].first_received_unix_ms, UNIX_MS + 1);
    assert_true(house->out[0].receipt.stamp != stamp);
    pass(house, 29999);
    expect_none(house, "q");
    send_message(house, "q", 3);
    pass(house, 100);
    expect(house, "q", 1, 3, 2);
}

static void what_comes_back_at_once_again_and_again_keeps_nobody_waiting(void **state)
{
    struct house *house = *state;
    create(house, "q");
    for (uint64_t i = 1; i <= 3; i++)
        send_message(house, "q", i);
    assert_int_equal(receive_for(house, "q", 3, 1000), AMP_OK); /* and these return in a while */
    send_message(house, "q", 100);
    send_message(house, "q", 101);
    assert_int_equal(receive_for(house, "q", 2, -1), AMP_OK);
    for (uint64_t i = 0; i < 2; i++)
        assert_int_equal(hide(house, "q", i, 0), AMP_OK);
    pass_unswept(house, 1100);
    for (uint64_t i = 4; i <= 8; i++)
        send_message(house, "q", i);
    bool got[9] = {false};
    for (unsigned i = 0; i < 2 * 8 + 2; i++) {
        assert_int_equal(receive_for(house, "q", 1, -1), AMP_OK);
        uint32_t number = house->out[0].epoch;
        if (number >= 100)
            assert_int_equal(hide(house, "q", 0, 0), AMP_OK);
        else
            got[number] = true;
    }
    for (size_t i = 1; i <= 8; i++)
        assert_true(got[i]);
}

static void what_is_given_back_is_there_as_if_it_had_never_been_received(void **state)
{
    struct house *house = *state;
    create_with_dead_letter(house, "q", "dead", 2);
    create(house, "dead");
    for (uint64_t i = 1; i <= 4; i++) {
        send_message(house, "q", i);
        pass(house, 1);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(receive_for(house, "q", 3, i % 2 == 0 ? -1 : 0), AMP_OK);
        struct amp_receipt receipts[3];
        for (size_t k = 0; k < 3; k++) {
            assert_is(house, &house->out[k], k + 1);
            assert_int_equal(house->out[k].receives, 1);
            receipts[k] = house->out[k].receipt;
        }
        pass(house, 1000);
        DO(house, give_back, text("q"), receipts, 3);
        assert_counts(house, "q", 4, 0, 0);
        assert_int_equal(DO(house, remove, text("q"), &receipts[0]), AMP_OK); /* of no receive */
        DO(house, give_back, text("q"), receipts, 3);
    }
    expect(house, "q", 1, 2, 3, 4);
    assert_int_equal(house->out[0].receives, 1);
    assert_int_equal(house->out[0].first_received_unix_ms, house->clock.unix_ms);
    struct amp_receipt held = house->out[0].receipt;
    pass(house, 30100);
    expect(house, "q", 1, 2, 3, 4);
    DO(house, give_back, text("q"), &held, 1); /* another has it now */
    assert_counts(house, "q", 0, 4, 0);
    assert_int_equal(remove_received(house, "q", 0), AMP_OK);
    DO(house, give_back, text("q"), &house->out[0].receipt, 1);
    DO(house, give_back, text("none"), &house->out[0].receipt, 1);
    DO(house, give_back, text("q"), &house->out[1].receipt, 1);
    expect(house, "q", 2);
    assert_int_equal(house->out[0].receives, 2);
    assert_counts(house, "dead", 0, 0, 0);
}

static void it_returns_also_where_no_sweep_comes_by(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    expect(house, "q", 1);
    pass_unswept(house, 30100);
    expect(house, "q", 1);
}

static void what_is_not_hidden_at_all_comes_once_in_a_receive_and_again_in_the_next(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    send_message(house, "q", 2);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(receive_for(house, "q", 10, 0), AMP_OK);
        assert_int_equal(house->count, 2);
        assert_is(house, &house->out[0], 1);
        assert_is(house, &house->out[1], 2);
        assert_int_equal(house->out[0].receives, i);
    }
    assert_counts(house, "q", 2, 0, 0);
    assert_int_equal(hide(house, "q", 0, 1000), AMP_ERR_MESSAGE_NOT_INFLIGHT);
    assert_int_equal(remove_received(house, "q", 0), AMP_OK);
    expect(house, "q", 2);
}

static void what_is_deleted_is_wiped_at_once_and_deleting_it_again_succeeds(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 77);
    expect(house, "q", 77);
    assert_int_equal(remove_received(house, "q", 0), AMP_OK);
    assert_int_equal(house->dropped, 1);
    assert_int_equal(house->last_dropped, 77);
    assert_int_equal(remove_received(house, "q", 0), AMP_OK);
    assert_int_equal(house->dropped, 1);
    assert_int_equal(hide(house, "q", 0, 1000), AMP_ERR_MESSAGE_NOT_INFLIGHT);
    pass(house, LIFE_MS);
    expect_none(house, "q");
    assert_int_equal(house->swept.expired, 0);
}

static void the_receipt_of_an_earlier_receive_deletes_nothing(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    expect(house, "q", 1);
    struct amp_receipt old = house->out[0].receipt;
    pass(house, 30100);
    expect(house, "q", 1);
    assert_int_equal(DO(house, remove, text("q"), &old), AMP_OK);
    assert_int_equal(house->dropped, 0);
    assert_int_equal(DO(house, change_visibility, text("q"), &old, 0), AMP_ERR_MESSAGE_NOT_INFLIGHT);
    assert_counts(house, "q", 0, 1, 0);
    assert_int_equal(remove_received(house, "q", 0), AMP_OK);
    assert_int_equal(house->dropped, 1);
}

static void a_receipt_holds_beyond_its_time_while_nobody_else_received(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    expect(house, "q", 1);
    pass(house, 30100);
    assert_counts(house, "q", 1, 0, 0);
    assert_int_equal(hide(house, "q", 0, 1000), AMP_ERR_MESSAGE_NOT_INFLIGHT);
    assert_int_equal(remove_received(house, "q", 0), AMP_OK);
    assert_int_equal(house->dropped, 1);
}

static void no_receipt_deletes_what_was_never_received(void **state)
{
    struct house *house = *state;
    create(house, "q");
    create(house, "other");
    send_message(house, "q", 1);
    struct amp_receipt forged = {.stamp = 0};
    id_from(forged.id, 1);
    for (int bit = -1; bit < 64; bit++) {
        forged.stamp = bit < 0 ? 0 : UINT64_C(1) << bit;
        assert_int_equal(DO(house, remove, text("q"), &forged), AMP_OK);
        assert_int_equal(DO(house, change_visibility, text("q"), &forged, 1), AMP_ERR_MESSAGE_NOT_INFLIGHT);
    }
    expect(house, "q", 1);
    struct amp_receipt right = house->out[0].receipt;
    assert_int_equal(DO(house, remove, text("other"), &right), AMP_OK);
    for (int bit = 0; bit < 64; bit++) {
        forged = right;
        forged.stamp ^= UINT64_C(1) << bit;
        assert_int_equal(DO(house, remove, text("q"), &forged), AMP_OK);
        assert_int_equal(DO(house, change_visibility, text("q"), &forged, 1), AMP_ERR_MESSAGE_NOT_INFLIGHT);
    }
    assert_int_equal(house->dropped, 0);
    assert_int_equal(DO(house, remove, text("q"), &right), AMP_OK);
    assert_int_equal(house->dropped, 1);
}

static void visibility_is_changed_from_now_on(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    expect(house, "q", 1);
    pass(house, 20000);
    assert_int_equal(hide(house, "q", 0, 60000), AMP_OK);
    pass(house, 59999);
    expect_none(house, "q");
    assert_counts(house, "q", 0, 1, 0);
    pass(house, 100);
    expect(house, "q", 1);
}

static void an_aborted_message_is_there_at_once(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    expect(house, "q", 1);
    assert_int_equal(hide(house, "q", 0, 0), AMP_OK);
    assert_counts(house, "q", 1, 0, 0);
    expect(house, "q", 1);
    assert_int_equal(house->out[0].receives, 2);
}

static void nothing_is_hidden_longer_than_twelve_hours(void **state)
{
    enum { HOUR = 60 * MINUTE };
    struct house *house = *state;
    create(house, "q");
    send_for(house, "q", 1, (int64_t)100 * HOUR);
    assert_int_equal(receive_for(house, "q", 1, 12 * HOUR + 1), AMP_ERR_VISIBILITY_INVALID);
    assert_int_equal(receive_for(house, "q", 1, 12 * HOUR), AMP_OK);
    assert_int_equal(house->count, 1);
    pass(house, 2 * HOUR);
    assert_int_equal(hide(house, "q", 0, 10 * HOUR + 1), AMP_ERR_VISIBILITY_INVALID);
    assert_int_equal(hide(house, "q", 0, -1), AMP_ERR_VISIBILITY_INVALID);
    assert_int_equal(hide(house, "q", 0, INT64_MAX), AMP_ERR_VISIBILITY_INVALID);
    assert_int_equal(hide(house, "q", 0, 10 * HOUR), AMP_OK);
    pass(house, 10 * HOUR - 1);
    expect_none(house, "q");
    pass(house, 100);
    expect(house, "q", 1);
    assert_int_equal(hide(house, "q", 0, 12 * HOUR), AMP_OK);
}

static void a_delayed_message_waits(void **state)
{
    struct house *house = *state;
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, false);
    settings.delay_s = 20;
    assert_int_equal(create_with(house, "q", &settings), AMP_OK);
    send_message(house, "q", 1);
    send_delayed(house, "q", 2, 5000);
    send_delayed(house, "q", 3, 0);
    assert_counts(house, "q", 1, 0, 2);
    expect(house, "q", 3);
    pass(house, 4999);
    expect_none(house, "q");
    pass(house, 100);
    expect(house, "q", 2);
    pass(house, 14800);
    assert_counts(house, "q", 0, 2, 1);
    pass_unswept(house, 250);
    expect(house, "q", 1);
}

static void what_expired_is_handed_out_to_nobody_also_before_the_sweep(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_for(house, "q", 1, 1000);
    send_for(house, "q", 2, 5000);
    pass_unswept(house, 999);
    assert_int_equal(peek(house, "q", 1), AMP_OK);
    pass_unswept(house, 1);
    assert_int_equal(peek(house, "q", 1), AMP_ERR_NOT_FOUND);
    expect(house, "q", 2);
    pass_unswept(house, 3999);
    assert_int_equal(hide(house, "q", 0, 60000), AMP_OK);
    pass_unswept(house, 1);
    assert_int_equal(hide(house, "q", 0, 60000), AMP_ERR_MESSAGE_NOT_INFLIGHT);
    assert_int_equal(remove_received(house, "q", 0), AMP_OK);
    expect_none(house, "q");
    sweep(house);
    assert_int_equal(house->swept.expired, 2);
    assert_int_equal(house->dropped, 2);
}

static void the_sweep_wipes_what_expired_in_whatever_state(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_for(house, "q", 1, 1000);
    assert_int_equal(receive_for(house, "q", 1, 50000), AMP_OK);
    send_for(house, "q", 2, 1000);
    send_delayed(house, "q", 3, 900000);
    pass(house, 1100);
    assert_int_equal(house->swept.expired, 2);
    assert_int_equal(house->dropped, 2);
    assert_counts(house, "q", 0, 0, 1);
    pass(house, LIFE_MS);
    assert_int_equal(house->swept.expired, 3);
    assert_int_equal(stats(house).messages, 0);
}

static void a_life_of_none_or_of_months_is_no_life(void **state)
{
    struct house *house = *state;
    struct draft d;
    create(house, "q");
    draft(&d, house, "q", 1);
    static const int64_t lives[] = {0, -1, (int64_t)UINT32_MAX + 1, INT64_MAX / 2};
    for (size_t i = 0; i < 4; i++) {
        d.in.expires_unix_ms = d.in.sent_unix_ms + lives[i];
        assert_int_equal(send_draft(house, &d), AMP_ERR_INVALID);
    }
    d.in.expires_unix_ms = d.in.sent_unix_ms + AMP_QUEUE_RETENTION_MAX_S * INT64_C(1000);
    assert_int_equal(send_draft(house, &d), AMP_OK);
    expect(house, "q", 1);
    assert_int_equal(house->out[0].expires_unix_ms, d.in.expires_unix_ms);
}

static void the_wall_clock_may_step_as_it_likes(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_for(house, "q", 1, 10000);
    house->clock.unix_ms += 1000000;
    expect(house, "q", 1);
    assert_int_equal(house->out[0].expires_unix_ms, UNIX_MS + 10000);
    assert_int_equal(hide(house, "q", 0, 0), AMP_OK);
    house->clock.unix_ms -= 5000000;
    pass(house, 9999);
    expect(house, "q", 1);
}

static void a_message_that_was_long_on_its_way_lives_no_longer_for_it(void **state)
{
    struct house *house = *state;
    struct draft d;
    create(house, "q");
    draft(&d, house, "q", 1);
    d.in.expires_unix_ms = d.in.sent_unix_ms + 10000;
    pass(house, 4000);
    assert_int_equal(send_draft(house, &d), AMP_OK);
    pass(house, 5999);
    expect(house, "q", 1);
    assert_int_equal(house->out[0].first_received_unix_ms, house->clock.unix_ms);
    pass(house, 1);
    assert_int_equal(peek(house, "q", 1), AMP_ERR_NOT_FOUND);
    draft(&d, house, "q", 2);
    d.in.expires_unix_ms = d.in.sent_unix_ms + 10000;
    pass(house, 10000);
    assert_int_equal(send_draft(house, &d), AMP_ERR_INVALID);
    house->clock.unix_ms -= 1000000; /* whoever steps the wall clock back lengthens no life */
    assert_int_equal(send_draft(house, &d), AMP_OK);
    pass(house, 10000);
    assert_int_equal(peek(house, "q", 2), AMP_ERR_NOT_FOUND);
}

static void peeking_changes_nothing(void **state)
{
    struct house *house = *state;
    create(house, "q");
    create(house, "other");
    send_message(house, "q", 1);
    send_delayed(house, "q", 2, 1000);
    for (int i = 0; i < 2; i++) {
        for (uint64_t number = 1; number <= 2; number++) {
            assert_int_equal(peek(house, "q", number), AMP_OK);
            assert_is(house, &house->out[0], number);
            assert_int_equal(house->out[0].receipt.stamp, 0);
            assert_int_equal(house->out[0].receives, 0);
        }
    }
    assert_int_equal(peek(house, "q", 3), AMP_ERR_NOT_FOUND);
    assert_int_equal(peek(house, "other", 1), AMP_ERR_NOT_FOUND);
    expect(house, "q", 1);
    assert_int_equal(house->out[0].receives, 1);
    struct amp_receipt held = house->out[0].receipt;
    assert_int_equal(peek(house, "q", 1), AMP_OK);
    assert_int_equal(house->out[0].receipt.stamp, 0);
    assert_int_equal(DO(house, change_visibility, text("q"), &held, 1000), AMP_OK);
}

static void each_sender_is_told_of_its_own(void **state)
{
    struct house *house = *state;
    create(house, "q");
    for (uint64_t i = 0; i < 60; i++) {
        struct draft d;
        draft(&d, house, "q", i);
        d.in.sender[19] = (uint8_t)('a' + i % 5);
        assert_int_equal(send_draft(house, &d), AMP_OK);
    }
    for (uint64_t i = 0; i < 60; i += house->count) {
        assert_int_equal(receive_for(house, "q", 7, -1), AMP_OK);
        assert_true(house->count > 0);
        for (size_t k = 0; k < house->count; k++) {
            assert_int_equal(house->out[k].epoch, i + k);
            assert_int_equal(house->out[k].sender[19], 'a' + (i + k) % 5);
            if (k % 2 == 0)
                assert_int_equal(remove_received(house, "q", k), AMP_OK);
        }
    }
}

static void an_empty_message_is_one_too(void **state)
{
    struct house *house = *state;
    struct draft d;
    create(house, "q");
    draft(&d, house, "q", 1);
    d.in.sealed = amp_slice(NULL, 0);
    assert_int_equal(send_draft(house, &d), AMP_OK);
    assert_int_equal(receive_for(house, "q", 10, -1), AMP_OK);
    assert_int_equal(house->count, 1);
    assert_int_equal(house->out[0].sealed_len, 0);
}

/* Around each moment at which 32 bits of milliseconds are over, on either clock. */
static void times_are_told_right_whenever_it_is(void **state)
{
    struct house *house = *state;
    const int64_t turn = INT64_C(1) << 32, turns[] = {2 * turn - 50, 3 * turn - LIFE_MS - 50};
    create(house, "q");
    for (uint64_t i = 0; i < 8; i++) {
        house->clock.mono_ms = turns[i % 2] + (int64_t)(i / 2 * 2) * turn;
        house->clock.unix_ms = 400 * turn + (int64_t)i * turn - (i < 4 ? 70 : LIFE_MS + 70);
        for (uint64_t k = 1; k <= 2; k++) {
            const int64_t sent_unix_ms = house->clock.unix_ms;
            send_message(house, "q", 10 * i + k);
            pass(house, 100);
            assert_int_equal(receive_for(house, "q", 1, 1000000), AMP_OK);
            assert_int_equal(house->count, 1);
            assert_int_equal(house->out[0].sent_unix_ms, sent_unix_ms);
            assert_int_equal(house->out[0].expires_unix_ms, sent_unix_ms + LIFE_MS);
            assert_int_equal(house->out[0].first_received_unix_ms, sent_unix_ms + 100);
            assert_int_equal(house->out[0].epoch, 10 * i + k);
        }
        pass(house, LIFE_MS - 201);
        assert_int_equal(stats(house).messages, 2);
        pass(house, 1000);
        assert_int_equal(stats(house).messages, 0);
    }
}

static void receives_are_counted_as_far_as_65535(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_message(house, "q", 1);
    for (uint32_t i = 1; i <= UINT16_MAX + 3; i++) {
        amp_secret_buf_clear(&house->sealed);
        assert_int_equal(receive_for(house, "q", 1, 0), AMP_OK);
        assert_int_equal(house->count, 1);
        assert_int_equal(house->out[0].receives, i < UINT16_MAX ? i : UINT16_MAX);
    }
    assert_int_equal(remove_received(house, "q", 0), AMP_OK);
}

static const struct CMUnitTest standard_tests[] = {
    TEST(times_are_told_right_whenever_it_is),
    TEST(receives_are_counted_as_far_as_65535),
    TEST(what_was_sent_is_received_with_all_that_was_said),
    TEST(sealed_bytes_are_appended_behind_what_is_there),
    TEST(the_oldest_goes_first_and_no_more_than_wanted),
    TEST(what_is_in_flight_is_hidden_for_its_time_and_then_takes_turns_with_the_newer),
    TEST(what_comes_back_at_once_again_and_again_keeps_nobody_waiting),
    TEST(what_is_given_back_is_there_as_if_it_had_never_been_received),
    TEST(it_returns_also_where_no_sweep_comes_by),
    TEST(what_is_not_hidden_at_all_comes_once_in_a_receive_and_again_in_the_next),
    TEST(what_is_deleted_is_wiped_at_once_and_deleting_it_again_succeeds),
    TEST(the_receipt_of_an_earlier_receive_deletes_nothing),
    TEST(a_receipt_holds_beyond_its_time_while_nobody_else_received),
    TEST(no_receipt_deletes_what_was_never_received),
    TEST(visibility_is_changed_from_now_on),
    TEST(an_aborted_message_is_there_at_once),
    TEST(nothing_is_hidden_longer_than_twelve_hours),
    TEST(a_delayed_message_waits),
    TEST(what_expired_is_handed_out_to_nobody_also_before_the_sweep),
    TEST(the_sweep_wipes_what_expired_in_whatever_state),
    TEST(a_life_of_none_or_of_months_is_no_life),
    TEST(the_wall_clock_may_step_as_it_likes),
    TEST(a_message_that_was_long_on_its_way_lives_no_longer_for_it),
    TEST(peeking_changes_nothing),
    TEST(each_sender_is_told_of_its_own),
    TEST(an_empty_message_is_one_too),
};
const struct suite suite_standard = SUITE(standard);
