/* What FIFO queues promise: order within each group, and nothing twice within five minutes. */
#include "conformance.h"

#define Q "q.fifo"

static void messages_of_a_group_come_in_order_and_block_it(void **state)
{
    struct house *house = *state;
    create(house, Q);
    for (uint64_t i = 1; i <= 5; i++)
        send_in_group(house, Q, i, 1);
    assert_int_equal(receive_for(house, Q, 2, -1), AMP_OK);
    assert_int_equal(house->count, 2);
    assert_is(house, &house->out[0], 1);
    assert_is(house, &house->out[1], 2);
    struct amp_receipt held[2] = {house->out[0].receipt, house->out[1].receipt};
    expect_none(house, Q);
    assert_counts(house, Q, 3, 2, 0);
    assert_int_equal(DO(house, remove, text(Q), &held[0]), AMP_OK);
    expect_none(house, Q);
    assert_int_equal(DO(house, remove, text(Q), &held[1]), AMP_OK);
    expect(house, Q, 3, 4, 5);
}

static void one_group_does_not_wait_for_another(void **state)
{
    struct house *house = *state;
    create(house, Q);
    send_in_group(house, Q, 1, 1);
    send_in_group(house, Q, 2, 1);
    assert_int_equal(receive_for(house, Q, 1, -1), AMP_OK);
    struct amp_receipt held = house->out[0].receipt;
    send_in_group(house, Q, 3, 2);
    send_in_group(house, Q, 4, 1);
    send_in_group(house, Q, 5, 2);
    expect(house, Q, 3, 5);
    assert_int_equal(DO(house, remove, text(Q), &held), AMP_OK);
    expect(house, Q, 2, 4);
}

static void what_comes_back_comes_back_to_its_place(void **state)
{
    struct house *house = *state;
    create(house, Q);
    for (uint64_t i = 1; i <= 4; i++)
        send_in_group(house, Q, i, 1);
    assert_int_equal(receive_for(house, Q, 3, -1), AMP_OK);
    assert_int_equal(hide(house, Q, 1, 0), AMP_OK);
    expect_none(house, Q);
    assert_int_equal(hide(house, Q, 0, 0), AMP_OK);
    assert_int_equal(hide(house, Q, 2, 0), AMP_OK);
    expect(house, Q, 1, 2, 3, 4);
    pass(house, 30100);
    assert_int_equal(receive_for(house, Q, 10, 0), AMP_OK);
    assert_int_equal(house->count, 4);
    expect(house, Q, 1, 2, 3, 4);
    assert_int_equal(house->out[0].receives, 4);
}

static void sequences_rise_also_through_a_purge(void **state)
{
    struct house *house = *state;
    uint64_t before = 0, purged;
    create(house, Q);
    for (uint64_t i = 1; i <= 30; i++) {
        send_in_group(house, Q, i, i % 3);
        assert_true(house->sent.sequence > before);
        before = house->sent.sequence;
        if (i == 10)
            assert_int_equal(DO(house, purge, text(Q), &purged), AMP_OK);
    }
    expect(house, Q, 11, 14, 17, 20, 23, 26, 29, 12, 15, 18);
    assert_int_equal(house->out[0].sequence, 11);
}

static void a_duplicate_is_not_put_and_told_the_first_ones_id(void **state)
{
    struct house *house = *state;
    struct draft first, again;
    create(house, Q);
    draft(&first, house, Q, 1);
    assert_int_equal(send_draft(house, &first), AMP_OK);
    uint64_t sequence = house->sent.sequence;
    draft(&again, house, Q, 2);
    memcpy(again.in.deduplication, first.in.deduplication, sizeof again.in.deduplication);
    id_from(again.in.group, 5); /* the id counts in the whole queue */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send_draft(house, &again), AMP_OK);
        assert_true(house->sent.duplicate);
        assert_memory_equal(house->sent.id, first.in.id, sizeof first.in.id);
        assert_int_equal(house->sent.sequence, sequence);
        if (i == 0) {
            expect(house, Q, 1);
            assert_int_equal(remove_received(house, Q, 0), AMP_OK);
        }
        pass(house, 100000);
    }
    assert_int_equal(house->dropped, 1);
    assert_int_equal(send_draft(house, &again), AMP_OK);
    assert_false(house->sent.duplicate);
    expect(house, Q, 2);
}

static void five_minutes_end_also_without_a_sweep(void **state)
{
    struct house *house = *state;
    create(house, Q);
    send_in_group(house, Q, 1, 1);
    pass_unswept(house, AMP_DEDUPLICATION_MS - 1);
    send_in_group(house, Q, 1, 1);
    assert_true(house->sent.duplicate);
    pass_unswept(house, 1);
    send_in_group(house, Q, 1, 1);
    assert_false(house->sent.duplicate);
    send_in_group(house, Q, 1, 1);
    assert_true(house->sent.duplicate);
}

static void duplicates_can_count_per_group(void **state)
{
    struct house *house = *state;
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, true);
    settings.deduplicate_per_group = true;
    assert_int_equal(create_with(house, Q, &settings), AMP_OK);
    struct draft first, other;
    draft(&first, house, Q, 1);
    draft(&other, house, Q, 2);
    memcpy(other.in.deduplication, first.in.deduplication, sizeof other.in.deduplication);
    id_from(other.in.group, 5);
    assert_int_equal(send_draft(house, &first), AMP_OK);
    assert_int_equal(send_draft(house, &other), AMP_OK);
    assert_false(house->sent.duplicate);
    assert_int_equal(send_draft(house, &other), AMP_OK);
    assert_true(house->sent.duplicate);
    /* the same text as group and as id, crosswise */
    memcpy(other.in.deduplication, first.in.group, sizeof other.in.deduplication);
    memcpy(other.in.group, first.in.deduplication, sizeof other.in.group);
    assert_int_equal(send_draft(house, &other), AMP_OK);
    assert_false(house->sent.duplicate);
}

static void another_queue_and_a_queue_made_anew_know_nothing_of_it(void **state)
{
    struct house *house = *state;
    create(house, Q);
    create(house, "other.fifo");
    send_in_group(house, Q, 1, 1);
    send_in_group(house, "other.fifo", 1, 1);
    assert_false(house->sent.duplicate);
    assert_int_equal(DO(house, destroy, text(Q)), AMP_OK);
    pass(house, MINUTE);
    create(house, Q);
    send_in_group(house, Q, 1, 1);
    assert_false(house->sent.duplicate);
    expect(house, Q, 1);
}

static enum amp_err attempt(struct house *house, uint64_t number, uint32_t most, int64_t visibility_ms)
{
    struct amp_receive receive = {.queue = text(Q), .most = most, .visibility_ms = visibility_ms, .has_attempt = true};
    id_from(receive.attempt, number);
    amp_secret_buf_clear(&house->sealed);
    return DO(house, receive, &receive, house->out, &house->count, &house->sealed);
}

static void the_same_attempt_gets_the_same_messages_hidden_anew(void **state)
{
    struct house *house = *state;
    create(house, Q);
    for (uint64_t i = 1; i <= 4; i++)
        send_in_group(house, Q, i, i / 3);
    assert_int_equal(attempt(house, 7, 3, -1), AMP_OK);
    assert_int_equal(house->count, 3);
    struct amp_message_out first = house->out[0];
    pass(house, 20000);
    assert_int_equal(attempt(house, 7, 3, -1), AMP_OK);
    assert_int_equal(house->count, 3);
    for (uint64_t i = 0; i < 3; i++)
        assert_is(house, &house->out[i], i + 1);
    assert_memory_equal(&house->out[0].receipt, &first.receipt, sizeof first.receipt);
    assert_int_equal(house->out[0].receives, 1);
    assert_int_equal(attempt(house, 8, 3, -1), AMP_OK);
    assert_int_equal(house->count, 0);
    pass(house, 29999);
    expect_none(house, Q);
    assert_int_equal(attempt(house, 7, 3, -1), AMP_OK);
    assert_int_equal(house->count, 3);
}

static void no_attempt_hides_longer_than_twelve_hours(void **state)
{
    struct house *house = *state;
    create(house, Q);
    send_for(house, Q, 1, (int64_t)24 * 60 * MINUTE);
    assert_int_equal(attempt(house, 7, 1, (int64_t)12 * 60 * MINUTE), AMP_OK);
    assert_int_equal(house->count, 1);
    pass(house, 4 * MINUTE);
    assert_int_equal(attempt(house, 7, 1, (int64_t)12 * 60 * MINUTE), AMP_OK);
    assert_int_equal(house->count, 1);
    pass(house, (int64_t)(12 * 60 - 4) * MINUTE - 1);
    assert_counts(house, Q, 0, 1, 0);
    pass(house, 100);
    assert_counts(house, Q, 1, 0, 0);
}

static void an_attempt_tells_no_more_of_what_was_deleted_or_came_back(void **state)
{
    struct house *house = *state;
    create(house, Q);
    for (uint64_t i = 1; i <= 3; i++)
        send_in_group(house, Q, i, i);
    assert_int_equal(attempt(house, 7, 2, -1), AMP_OK);
    assert_int_equal(remove_received(house, Q, 0), AMP_OK);
    assert_int_equal(attempt(house, 7, 2, -1), AMP_OK);
    assert_int_equal(house->count, 1);
    assert_is(house, &house->out[0], 2);
    assert_int_equal(hide(house, Q, 0, 0), AMP_OK);
    assert_int_equal(attempt(house, 7, 2, -1), AMP_OK);
    assert_int_equal(house->count, 2);
    assert_is(house, &house->out[0], 3);
    assert_is(house, &house->out[1], 2);
    assert_int_equal(house->out[1].receives, 2);
    pass(house, AMP_DEDUPLICATION_MS);
    assert_int_equal(attempt(house, 7, 2, -1), AMP_OK);
    assert_int_equal(house->count, 2);
    assert_int_equal(house->out[0].receives + house->out[1].receives, 5);
}

static void a_receipt_of_an_earlier_receive_is_refused(void **state)
{
    struct house *house = *state;
    create(house, Q);
    send_in_group(house, Q, 1, 1);
    expect(house, Q, 1);
    struct amp_receipt old = house->out[0].receipt;
    pass(house, 30100);
    expect(house, Q, 1);
    assert_int_equal(DO(house, remove, text(Q), &old), AMP_ERR_RECEIPT_INVALID);
    assert_int_equal(remove_received(house, Q, 0), AMP_OK);
    assert_int_equal(DO(house, remove, text(Q), &old), AMP_OK);
}

static void a_receipt_ends_with_the_visibility_timeout(void **state)
{
    struct house *house = *state;
    create(house, Q);
    send_in_group(house, Q, 1, 1);
    expect(house, Q, 1);
    pass(house, 30100);
    assert_int_equal(remove_received(house, Q, 0), AMP_ERR_RECEIPT_INVALID);
    assert_int_equal(receive_for(house, Q, 1, 0), AMP_OK);
    assert_int_equal(remove_received(house, Q, 0), AMP_ERR_RECEIPT_INVALID);
    expect(house, Q, 1);
    assert_int_equal(remove_received(house, Q, 0), AMP_OK);
    assert_counts(house, Q, 0, 0, 0);
}

static void what_is_discarded_is_gone_in_any_state(void **state)
{
    struct house *house = *state;
    create(house, Q);
    for (uint64_t i = 1; i <= 2; i++)
        send_in_group(house, Q, i, i);
    assert_int_equal(receive_for(house, Q, 1, 0), AMP_OK);
    struct amp_receipt wrong = house->out[0].receipt;
    wrong.stamp ^= 2;
    DO(house, discard, text(Q), &wrong);
    assert_counts(house, Q, 2, 0, 0);
    DO(house, discard, text(Q), &house->out[0].receipt);
    assert_counts(house, Q, 1, 0, 0);
    assert_int_equal(receive_for(house, Q, 1, -1), AMP_OK);
    DO(house, discard, text(Q), &house->out[0].receipt);
    assert_counts(house, Q, 0, 0, 0);
    DO(house, discard, text("none.fifo"), &wrong);
}

static void the_queues_delay_holds_and_not_the_messages(void **state)
{
    struct house *house = *state;
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, true);
    settings.delay_s = 5;
    assert_int_equal(create_with(house, Q, &settings), AMP_OK);
    send_delayed(house, Q, 1, 0);
    send_delayed(house, Q, 2, 1000);
    assert_counts(house, Q, 0, 0, 2);
    pass(house, 4999);
    expect_none(house, Q);
    pass(house, 100);
    expect(house, Q, 1, 2);
}

static enum amp_err end_delay(void *ctx, struct amp_queue_settings *settings, struct amp_queue_tags *tags)
{
    settings->delay_s = 0;
    return AMP_OK;
}

static void a_delayed_message_keeps_those_behind_it_in_its_group_waiting(void **state)
{
    struct house *house = *state;
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, true);
    settings.delay_s = 5;
    assert_int_equal(create_with(house, Q, &settings), AMP_OK);
    send_in_group(house, Q, 1, 1);
    assert_int_equal(DO(house, change, text(Q), end_delay, NULL), AMP_OK);
    send_in_group(house, Q, 2, 1);
    send_in_group(house, Q, 3, 2);
    assert_counts(house, Q, 2, 0, 1);
    expect(house, Q, 3);
    pass(house, 5100);
    expect(house, Q, 1, 2);
}

static void what_expired_blocks_no_group(void **state)
{
    struct house *house = *state;
    create(house, Q);
    send_for(house, Q, 1, 1000);
    send_for(house, Q, 2, 2000);
    send_for(house, Q, 3, 60000);
    assert_int_equal(receive_for(house, Q, 1, 50000), AMP_OK);
    assert_int_equal(house->count, 1);
    expect_none(house, Q);
    pass_unswept(house, 2100);
    expect(house, Q, 3);
    assert_int_equal(house->dropped, 2);
}

static const struct CMUnitTest fifo_tests[] = {
    TEST(messages_of_a_group_come_in_order_and_block_it),
    TEST(one_group_does_not_wait_for_another),
    TEST(what_comes_back_comes_back_to_its_place),
    TEST(sequences_rise_also_through_a_purge),
    TEST(a_duplicate_is_not_put_and_told_the_first_ones_id),
    TEST(five_minutes_end_also_without_a_sweep),
    TEST(duplicates_can_count_per_group),
    TEST(another_queue_and_a_queue_made_anew_know_nothing_of_it),
    TEST(the_same_attempt_gets_the_same_messages_hidden_anew),
    TEST(no_attempt_hides_longer_than_twelve_hours),
    TEST(an_attempt_tells_no_more_of_what_was_deleted_or_came_back),
    TEST(a_receipt_of_an_earlier_receive_is_refused),
    TEST(a_receipt_ends_with_the_visibility_timeout),
    TEST(what_is_discarded_is_gone_in_any_state),
    TEST(the_queues_delay_holds_and_not_the_messages),
    TEST(a_delayed_message_keeps_those_behind_it_in_its_group_waiting),
    TEST(what_expired_blocks_no_group),
};
const struct suite suite_fifo = SUITE(fifo);
