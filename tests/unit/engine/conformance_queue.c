/* Queues: making, looking, changing, listing, ending. */
#include "conformance.h"

static void a_new_queue_has_its_settings_and_nothing_in_it(void **state)
{
    struct house *house = *state;
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, false);
    settings.delay_s = 3;
    settings.ttl_ms = 10000;
    assert_int_equal(create_with(house, "payments", &settings), AMP_OK);
    look(house, "payments");
    assert_int_equal(house->view.settings.delay_s, 3);
    assert_int_equal(house->view.settings.ttl_ms, 10000);
    assert_int_equal(house->view.created_unix_ms, UNIX_MS);
    assert_int_equal(house->view.modified_unix_ms, UNIX_MS);
    assert_counts(house, "payments", 0, 0, 0);
    assert_int_equal(stats(house).queues, 1);
}

static void creating_it_again_just_alike_succeeds(void **state)
{
    struct house *house = *state;
    struct amp_queue_settings settings;
    struct amp_queue_tags tags = {0};
    bool existed = true;
    amp_queue_settings_default(&settings, false);
    assert_int_equal(amp_queue_tags_set(&tags, text("team"), text("red")), AMP_OK);
    assert_int_equal(DO(house, create, text("q"), &settings, &tags, &existed), AMP_OK);
    assert_false(existed);
    assert_int_equal(DO(house, create, text("q"), &settings, &tags, &existed), AMP_OK);
    assert_true(existed);
    assert_int_equal(DO(house, create, text("q"), &settings, NULL, &existed), AMP_ERR_QUEUE_NAME_EXISTS);
    assert_false(existed);
    settings.visibility_s++;
    assert_int_equal(DO(house, create, text("q"), &settings, &tags, &existed), AMP_ERR_QUEUE_NAME_EXISTS);
    assert_int_equal(stats(house).queues, 1);
    amp_secret_buf_free(&tags.packed);
}

static void every_setting_tells_two_queues_apart(void **state)
{
    struct house *house = *state;
    struct amp_queue_settings plain, other[12];
    amp_queue_settings_default(&plain, false);
    for (size_t i = 0; i < 12; i++)
        other[i] = plain;
    other[0].content_based_deduplication = true;
    other[1].deduplicate_per_group = true;
    other[2].throughput_per_group = true;
    other[3].delay_s++;
    other[4].max_message_bytes--;
    other[5].retention_s++;
    other[6].wait_s++;
    other[7].ttl_ms++;
    assert_int_equal(amp_queue_name_parse(&other[8].dead_letter, text("d")), AMP_OK);
    other[9].max_receives++;
    other[10].redrive_allow = AMP_REDRIVE_DENY_ALL;
    other[11].allowed_count = 1;
    assert_int_equal(amp_queue_name_parse(&other[11].allowed[0], text("a")), AMP_OK);
    assert_int_equal(create_with(house, "q", &plain), AMP_OK);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(create_with(house, "q", &other[i]), AMP_ERR_QUEUE_NAME_EXISTS);
    assert_int_equal(create_with(house, "r", &other[11]), AMP_OK);
    other[11].allowed[0].text[0] = 'b';
    assert_int_equal(create_with(house, "r", &other[11]), AMP_ERR_QUEUE_NAME_EXISTS);
}

static void a_name_says_whether_it_is_fifo(void **state)
{
    struct house *house = *state;
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, false);
    assert_int_equal(create_with(house, "q.fifo", &settings), AMP_ERR_QUEUE_INVALID);
    settings.fifo = true;
    assert_int_equal(create_with(house, "q", &settings), AMP_ERR_QUEUE_INVALID);
    assert_int_equal(create_with(house, "q.fifo", &settings), AMP_OK);
    assert_int_equal(create_with(house, "no good", &settings), AMP_ERR_QUEUE_INVALID);
}

static enum amp_err agree(void *ctx, struct amp_queue_settings *settings, struct amp_queue_tags *tags)
{
    return AMP_OK;
}

static void what_names_no_queue_is_told_so(void **state)
{
    struct house *house = *state;
    const struct amp_receipt receipt = {.stamp = 1};
    struct amp_queue_waiter waiter = {0};
    struct amp_queue_tags tags;
    struct amp_move_task task, tasks[AMP_MOVE_TASKS_KEPT];
    uint64_t purged;
    size_t count;
    assert_int_equal(try_send(house, "q", 1), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(try_send(house, "q.fifo", 1), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(receive_for(house, "q", 1, -1), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, destroy, text("q")), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, look, text("q"), &house->view), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, tags, text("q"), &tags), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, change, text("q"), agree, NULL), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, remove, text("q"), &receipt), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, change_visibility, text("q"), &receipt, 0), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, purge, text("q"), &purged), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(peek(house, "q", 1), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, wait, text("q"), &waiter), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, move_start, text("q"), text(""), 0, &task), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, move_list, text("q"), tasks, &count), AMP_ERR_QUEUE_UNKNOWN);
    DO(house, nudge, text("q"));
    deliver(house, "q", 1, true);
    assert_int_equal(house->dropped, 0);
    assert_int_equal(try_send(house, "", 1), AMP_ERR_QUEUE_UNKNOWN);
}

static void a_deleted_queue_is_gone_and_its_name_held_a_minute(void **state)
{
    struct house *house = *state;
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, false);
    create(house, "q");
    send_message(house, "q", 1);
    send_delayed(house, "q", 2, 5000);
    send_message(house, "q", 3);
    assert_int_equal(receive_for(house, "q", 1, -1), AMP_OK);
    assert_int_equal(DO(house, destroy, text("q")), AMP_OK);
    sweep(house);
    assert_int_equal(house->dropped, 3);
    assert_int_equal(stats(house).messages, 0);
    assert_int_equal(stats(house).queues, 0);
    assert_int_equal(receive_for(house, "q", 1, -1), AMP_ERR_QUEUE_UNKNOWN);
    assert_int_equal(DO(house, destroy, text("q")), AMP_ERR_QUEUE_UNKNOWN);
    pass(house, MINUTE - 1);
    assert_int_equal(create_with(house, "q", &settings), AMP_ERR_QUEUE_DELETED_RECENTLY);
    pass(house, 1);
    assert_int_equal(create_with(house, "q", &settings), AMP_OK);
    assert_counts(house, "q", 0, 0, 0);
    assert_int_equal(DO(house, destroy, text("q")), AMP_OK);
    pass_unswept(house, MINUTE);
    assert_int_equal(create_with(house, "q", &settings), AMP_OK);
}

static void there_are_so_many_queues_and_no_more(void **state)
{
    struct house *house = *state;
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, false);
    char name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "q%d", i);
        create(house, name);
    }
    assert_int_equal(create_with(house, "one-more", &settings), AMP_ERR_OVER_LIMIT);
    assert_int_equal(create_with(house, "q7", &settings), AMP_OK);
    assert_int_equal(DO(house, destroy, text("q7")), AMP_OK);
    assert_int_equal(create_with(house, "one-more", &settings), AMP_OK);
    assert_int_equal(stats(house).queues, 100);
}

static enum amp_err make_slower(void *ctx, struct amp_queue_settings *settings, struct amp_queue_tags *tags)
{
    settings->delay_s = 9;
    return amp_queue_tags_set(tags, AMP_SLICE_LIT("pace"), AMP_SLICE_LIT("slow"));
}

static enum amp_err spoil_and_refuse(void *ctx, struct amp_queue_settings *settings, struct amp_queue_tags *tags)
{
    settings->delay_s = 1;
    amp_queue_tags_remove(tags, AMP_SLICE_LIT("pace"));
    return AMP_ERR_OVER_LIMIT;
}

static enum amp_err turn_fifo(void *ctx, struct amp_queue_settings *settings, struct amp_queue_tags *tags)
{
    settings->fifo = !settings->fifo;
    return AMP_OK;
}

static void a_change_is_whole_or_not_at_all(void **state)
{
    struct house *house = *state;
    struct amp_queue_tags tags;
    struct amp_slice key, value;
    create(house, "q");
    pass(house, 1000);
    assert_int_equal(DO(house, change, text("q"), make_slower, NULL), AMP_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(look(house, "q")->settings.delay_s, 9);
        assert_int_equal(house->view.created_unix_ms, UNIX_MS);
        assert_int_equal(house->view.modified_unix_ms, UNIX_MS + 1000);
        assert_int_equal(DO(house, tags, text("q"), &tags), AMP_OK);
        assert_int_equal(tags.count, 1);
        size_t at = 0;
        assert_true(amp_queue_tags_next(&tags, &at, &key, &value));
        assert_true(amp_slice_is(key, "pace"));
        assert_true(amp_slice_is(value, "slow"));
        amp_secret_buf_free(&tags.packed);
        pass(house, 1000);
        assert_int_equal(DO(house, change, text("q"), spoil_and_refuse, NULL), AMP_ERR_OVER_LIMIT);
        assert_int_equal(DO(house, change, text("q"), turn_fifo, NULL), AMP_ERR_INVALID);
    }
}

static void a_shorter_life_ends_no_message_early(void **state)
{
    struct house *house = *state;
    create(house, "q");
    send_for(house, "q", 1, 5000);
    assert_int_equal(DO(house, change, text("q"), agree, NULL), AMP_OK);
    pass(house, 4999);
    expect(house, "q", 1);
}

/* Of names that begin with `but`, nobody shall learn. */
struct veil {
    char but;
    size_t asked;
};

static bool is_unveiled(void *ctx, struct amp_slice name)
{
    struct veil *veil = ctx;
    veil->asked++;
    return name.ptr[0] != veil->but;
}

static void assert_listed(struct house *house, const char *prefix, const char *sources_of, const char *after,
                          size_t most, const char *wanted, bool wants_more)
{
    struct amp_queue_name names[10];
    char got[200] = "";
    size_t count, len = 0;
    bool more;
    const struct amp_queue_query query = {.prefix = text(prefix), .sources_of = text(sources_of), .after = text(after)};
    assert_int_equal(DO(house, list, &query, names, most, &count, &more), AMP_OK);
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(got + len, sizeof got - len, "%.*s ", (int)names[i].len, (const char *)names[i].text);
    assert_string_equal(got, wanted);
    assert_int_equal(more, wants_more);
}

static void queues_are_listed_in_order_and_in_pages(void **state)
{
    struct house *house = *state;
    static const char *const names[] = {"b2", "a", "b10", "c", "B", "b1", "b.fifo", "b"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        create(house, names[i]);
    create_with_dead_letter(house, "s2", "a", 3);
    create_with_dead_letter(house, "s1", "a", 3);
    create(house, "z");
    assert_int_equal(DO(house, destroy, text("z")), AMP_OK);
    assert_listed(house, "", "", "", 10, "B a b b.fifo b1 b10 b2 c s1 s2 ", false);
    assert_listed(house, "", "", "", 9, "B a b b.fifo b1 b10 b2 c s1 ", true);
    assert_listed(house, "b", "", "", 2, "b b.fifo ", true);
    assert_listed(house, "b", "", "b.fifo", 2, "b1 b10 ", true);
    assert_listed(house, "b", "", "b10", 2, "b2 ", false);
    assert_listed(house, "", "a", "", 10, "s1 s2 ", false);
    assert_listed(house, "", "a", "s1", 10, "s2 ", false);
    assert_listed(house, "none", "", "", 10, "", false);
    assert_listed(house, "", "", "", 0, "", true);
}

static void one_pass_finds_the_few_that_a_caller_may_see(void **state)
{
    struct house *house = *state;
    struct veil veil = {.but = 'b'};
    const struct amp_queue_query query = {.after = text("a1"), .wanted = is_unveiled, .ctx = &veil};
    struct amp_queue_name found[3];
    char name[16];
    size_t count;
    bool more;
    for (int i = 0; i < 80; i++) {
        snprintf(name, sizeof name, "b%d", i);
        create(house, name);
    }
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%c%d", i < 2 ? 'a' : 'c', i);
        create(house, name);
    }
    assert_int_equal(DO(house, list, &query, found, 3, &count, &more), AMP_OK);
    assert_int_equal(count, 2);
    assert_true(amp_slice_is(amp_queue_name_slice(&found[0]), "c2"));
    assert_true(amp_slice_is(amp_queue_name_slice(&found[1]), "c3"));
    assert_false(more);
    assert_int_equal(veil.asked, 82); /* once of each behind a1 */
    assert_int_equal(DO(house, list, &query, found, 1, &count, &more), AMP_OK);
    assert_true(count == 1 && more && amp_slice_is(amp_queue_name_slice(&found[0]), "c2"));
    veil.but = 'c';
    assert_int_equal(DO(house, list, &query, found, 3, &count, &more), AMP_OK);
    assert_true(count == 3 && more && amp_slice_is(amp_queue_name_slice(&found[2]), "b10"));
}

static void a_purge_ends_what_is_there_and_may_come_once_a_minute(void **state)
{
    struct house *house = *state;
    uint64_t purged;
    create(house, "q");
    create(house, "other");
    send_message(house, "other", 9);
    send_message(house, "q", 1);
    send_message(house, "q", 2);
    send_delayed(house, "q", 3, 1000);
    assert_int_equal(receive_for(house, "q", 1, -1), AMP_OK);
    struct amp_receipt held = house->out[0].receipt;
    assert_int_equal(DO(house, purge, text("q"), &purged), AMP_OK);
    assert_int_equal(purged, 3);
    assert_counts(house, "q", 0, 0, 0);
    assert_int_equal(stats(house).messages, 1);
    assert_int_equal(stats(house).in_flight, 0);
    sweep(house);
    assert_int_equal(house->dropped, 3);
    assert_int_equal(house->swept.expired, 0);
    assert_int_equal(peek(house, "q", 2), AMP_ERR_NOT_FOUND);
    assert_int_equal(DO(house, remove, text("q"), &held), AMP_OK);
    assert_int_equal(DO(house, change_visibility, text("q"), &held, 1000), AMP_ERR_MESSAGE_NOT_INFLIGHT);
    send_message(house, "q", 4);
    assert_int_equal(DO(house, purge, text("q"), &purged), AMP_ERR_PURGE_IN_PROGRESS);
    pass(house, MINUTE - 1);
    assert_int_equal(DO(house, purge, text("q"), &purged), AMP_ERR_PURGE_IN_PROGRESS);
    assert_int_equal(purged, 0);
    pass(house, 1);
    assert_int_equal(DO(house, purge, text("q"), &purged), AMP_OK);
    assert_int_equal(purged, 1);
    expect(house, "other", 9);
}

static void a_purged_or_deleted_mass_is_wiped_by_and_by(void **state)
{
    struct house *house = *state;
    uint64_t purged;
    create(house, "q");
    create(house, "q.fifo");
    for (uint64_t i = 0; i < 5000; i++) {
        send_message(house, "q", i);
        send_in_group(house, "q.fifo", 10000 + i, i % 7);
    }
    assert_int_equal(DO(house, purge, text("q"), &purged), AMP_OK);
    assert_int_equal(purged, 5000);
    assert_int_equal(DO(house, destroy, text("q.fifo")), AMP_OK);
    assert_int_equal(stats(house).messages, 0);
    expect_none(house, "q");
    send_message(house, "q", 20000);
    sweep(house);
    assert_int_equal(house->dropped, 10000);
    expect(house, "q", 20000);
}

static const struct CMUnitTest queue_tests[] = {
    TEST(a_new_queue_has_its_settings_and_nothing_in_it),
    TEST(creating_it_again_just_alike_succeeds),
    TEST(every_setting_tells_two_queues_apart),
    TEST(a_name_says_whether_it_is_fifo),
    TEST(what_names_no_queue_is_told_so),
    TEST(a_deleted_queue_is_gone_and_its_name_held_a_minute),
    TEST(there_are_so_many_queues_and_no_more),
    TEST(a_change_is_whole_or_not_at_all),
    TEST(a_shorter_life_ends_no_message_early),
    TEST(queues_are_listed_in_order_and_in_pages),
    TEST(one_pass_finds_the_few_that_a_caller_may_see),
    TEST(a_purge_ends_what_is_there_and_may_come_once_a_minute),
    TEST(a_purged_or_deleted_mass_is_wiped_by_and_by),
};
const struct suite suite_queue = SUITE(queue);
