/* Names, defaults and tags of queues. */
#include "house.h"

static void names_are_one_to_eighty_of_a_few_characters(void **state)
{
    static const char *const good[] = {
        "q",
        "A-Z_09",
        "payments.fifo",
        "a.fifo",
        "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
        "123456789012345678901234567890123456789012345678901234567890123456789012345.fifo",
    };
    static const char *const bad[] = {
        "",
        ".fifo",
        "a.b",
        "a.fifo.fifo",
        "a.FIFO",
        "a b",
        "a/b",
        "\xc3\xa4",
        "a.fif",
        "a\n",
        "123456789012345678901234567890123456789012345678901234567890123456789012345678901",
        "1234567890123456789012345678901234567890123456789012345678901234567890123456.fifo",
    };
    struct amp_queue_name name;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(amp_queue_name_parse(&name, text(good[i])), AMP_OK);
        assert_true(amp_slice_is(amp_queue_name_slice(&name), good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(amp_queue_name_parse(&name, text(bad[i])), AMP_ERR_QUEUE_INVALID);
        assert_int_equal(name.len, 0);
    }
    assert_int_equal(amp_queue_name_parse(&name, amp_slice("a\0b", 3)), AMP_ERR_QUEUE_INVALID);
}

static void a_name_tells_its_kind(void **state)
{
    assert_true(amp_queue_name_is_fifo(text("a.fifo")));
    assert_false(amp_queue_name_is_fifo(text(".fifo")));
    assert_false(amp_queue_name_is_fifo(text("fifo")));
    assert_false(amp_queue_name_is_fifo(text("a.fifo2")));
    assert_false(amp_queue_name_is_fifo(amp_slice(NULL, 0)));
}

static void defaults_are_those_of_aws(void **state)
{
    struct amp_queue_settings settings;
    amp_queue_settings_default(&settings, true);
    assert_true(settings.fifo);
    assert_int_equal(settings.delay_s, 0);
    assert_int_equal(settings.max_message_bytes, 1048576);
    assert_int_equal(settings.retention_s, 345600);
    assert_int_equal(settings.wait_s, 0);
    assert_int_equal(settings.visibility_s, 30);
    assert_int_equal(settings.dead_letter.len, 0);
    assert_int_equal(amp_queue_life_ms(&settings), 345600000);
    settings.ttl_ms = 1500;
    assert_int_equal(amp_queue_life_ms(&settings), 1500);
    amp_queue_settings_default(&settings, false);
    assert_false(settings.fifo);
}

static void set(struct amp_queue_tags *tags, const char *key, const char *value)
{
    assert_int_equal(amp_queue_tags_set(tags, text(key), text(value)), AMP_OK);
}

static void assert_tags(const struct amp_queue_tags *tags, const char *wanted)
{
    char got[200] = "";
    size_t len = 0, at = 0;
    uint32_t count = 0;
    struct amp_slice key, value;
    for (; amp_queue_tags_next(tags, &at, &key, &value); count++)
        len += (size_t)snprintf(got + len, sizeof got - len, "%.*s=%.*s ", (int)key.len, (const char *)key.ptr,
                                (int)value.len, (const char *)value.ptr);
    assert_string_equal(got, wanted);
    assert_int_equal(count, tags->count);
}

static void tags_are_sorted_by_key_and_no_key_is_there_twice(void **state)
{
    struct amp_queue_tags tags = {0};
    assert_tags(&tags, "");
    set(&tags, "b", "2");
    set(&tags, "", "empty");
    set(&tags, "bb", "");
    set(&tags, "a", "1");
    assert_tags(&tags, "=empty a=1 b=2 bb= ");
    set(&tags, "b", "a longer one");
    set(&tags, "", "");
    assert_tags(&tags, "= a=1 b=a longer one bb= ");
    amp_queue_tags_remove(&tags, text("c"));
    amp_queue_tags_remove(&tags, text("a"));
    amp_queue_tags_remove(&tags, text("bb"));
    assert_tags(&tags, "= b=a longer one ");
    amp_queue_tags_remove(&tags, text(""));
    amp_queue_tags_remove(&tags, text("b"));
    assert_tags(&tags, "");
    set(&tags, "z", "again");
    assert_tags(&tags, "z=again ");
    amp_secret_buf_free(&tags.packed);
}

static void there_are_fifty_tags_and_no_more(void **state)
{
    struct amp_queue_tags tags = {0};
    char key[16];
    static char long_text[2000];
    memset(long_text, 'x', sizeof long_text);
    for (int i = 0; i < AMP_QUEUE_TAGS_MAX; i++) {
        snprintf(key, sizeof key, "%d", i);
        set(&tags, key, "v");
    }
    size_t len = tags.packed.len;
    assert_int_equal(amp_queue_tags_set(&tags, text("more"), text("v")), AMP_ERR_OVER_LIMIT);
    assert_int_equal(tags.packed.len, len);
    set(&tags, "7", "w");
    assert_int_equal(amp_queue_tags_set(&tags, text("7"), amp_slice(long_text, 1025)), AMP_ERR_OVER_LIMIT);
    assert_int_equal(amp_queue_tags_set(&tags, text("7"), amp_slice(long_text, 1024)), AMP_OK);
    amp_queue_tags_remove(&tags, text("7"));
    assert_int_equal(amp_queue_tags_set(&tags, amp_slice(long_text, 513), text("")), AMP_ERR_OVER_LIMIT);
    assert_int_equal(amp_queue_tags_set(&tags, amp_slice(long_text, 512), text("")), AMP_OK);
    assert_int_equal(tags.count, AMP_QUEUE_TAGS_MAX);
    amp_secret_buf_free(&tags.packed);
}

static void tags_that_find_no_memory_stay_as_they_were(void **state)
{
    struct amp_queue_tags tags = {0};
    enum amp_err err = AMP_OK;
    void *hoard[64] = {NULL};
    size_t held = 0;
    set(&tags, "key", "value");
    for (size_t len = (size_t)1 << 20; len >= 16; len /= 2) { /* takes all the pool has */
        while (held < 64 && (hoard[held] = amp_secret_alloc(len)) != NULL)
            held++;
    }
    for (int i = 0; i < 40 && err == AMP_OK; i++) {
        static const char value[1000];
        err = amp_queue_tags_set(&tags, amp_slice(&"0123456789012345678901234567890123456789"[i], 40 - (size_t)i),
                                 amp_slice(value, sizeof value));
    }
    assert_int_equal(err, AMP_ERR_OUT_OF_MEMORY);
    struct amp_slice key, value;
    for (size_t at = 0; amp_queue_tags_next(&tags, &at, &key, &value);)
        ; /* to the last: digits come before letters */
    assert_true(amp_slice_is(key, "key"));
    assert_true(amp_slice_is(value, "value"));
    while (held != 0)
        amp_secret_free(hoard[--held]);
    amp_secret_buf_free(&tags.packed);
}

static int start_small(void **state)
{
    return amp_secret_init((size_t)1 << 20, false) == AMP_OK ? 0 : -1;
}

static int end_small(void **state)
{
    int left = amp_secret_used() != 0;
    amp_secret_fini();
    return left;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_one_to_eighty_of_a_few_characters),
        cmocka_unit_test(a_name_tells_its_kind),
        cmocka_unit_test(defaults_are_those_of_aws),
        cmocka_unit_test(tags_are_sorted_by_key_and_no_key_is_there_twice),
        cmocka_unit_test(there_are_fifty_tags_and_no_more),
        cmocka_unit_test(tags_that_find_no_memory_stay_as_they_were),
    };
    return cmocka_run_group_tests(tests, start_small, end_small);
}
