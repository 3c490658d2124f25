/* Names of a log's files, told before the first is opened. */
#include "chain_support.h"

#include <dirent.h>
#include <errno.h>

enum { NOW = 1769903999 }; /* 20260131T235959Z */

static void find(struct log *log)
{
    log->time.unix_ms = (int64_t)NOW * 1000;
    log_find_names(log);
}

static void an_empty_directory_has_names_for_what_will_be(void **state)
{
    struct log *log = *state;
    find(log);
    assert_int_equal(log->names.number, 0);
    assert_int_equal(log->names.before_count, 0);
    assert_string_equal(log->pins.next[0], "events-20260131T235959Z-000001.jsonl");
    assert_string_equal(log->pins.next[63], "events-20260131T235959Z-000064.jsonl");
}

static void the_newest_files_are_those_of_the_highest_numbers(void **state)
{
    struct log *log = *state;
    char name[64];
    for (unsigned i = 1; i <= 1 + AMP_LOG_BEFORE_MAX; i++) {
        unsigned number = i * 7 % 17; /* each from 1 to 16, in another order; time runs against them */
        snprintf(name, sizeof(name), "events-20260131T2300%02uZ-%06u.jsonl", 59 - number, number);
        tempdir_write(&log->dir, name, "", 0);
    }
    find(log);
    assert_int_equal(log->names.number, 16);
    assert_int_equal(log->names.start_s, NOW - 59 * 60 - 16);
    assert_string_equal(*log->pins.newest, "events-20260131T230043Z-000016.jsonl");
    assert_int_equal(log->names.before_count, AMP_LOG_BEFORE_MAX);
    assert_string_equal(log->pins.before[0], "events-20260131T230044Z-000015.jsonl");
    assert_string_equal(log->pins.before[14], "events-20260131T230058Z-000001.jsonl");
    assert_false(log->names.has_more);
    tempdir_write(&log->dir, "events-20260131T230000Z-000017.jsonl", "", 0);
    find(log);
    assert_true(log->names.has_more);
    assert_string_equal(log->pins.before[14], "events-20260131T230057Z-000002.jsonl");
    assert_string_equal(log->pins.next[0], "events-20260131T235959Z-000018.jsonl");
}

/* Put in the place of libc's by the linker: a directory that breaks off. */
static bool broken;
struct dirent *__wrap_readdir64(DIR *dir);
struct dirent *__real_readdir64(DIR *dir);
struct dirent *__wrap_readdir64(DIR *dir)
{
    if (!broken)
        return __real_readdir64(dir);
    errno = EIO;
    return NULL;
}

static void a_directory_that_cannot_be_read_to_its_end_is_not_taken_for_empty(void **state)
{
    struct log *log = *state;
    find(log);
    broken = true;
    enum amp_err err = amp_log_names_find(&log->names, log->dir.fd, NOW);
    broken = false;
    assert_int_equal(err, AMP_ERR_IO);
}

static void a_torn_line_goes_where_none_is(void **state)
{
    struct log *log = *state;
    tempdir_write(&log->dir, "events-20260131T230000Z-000017.jsonl", "", 0);
    tempdir_write(&log->dir, "torn-20260131T235959Z-000017.part", "", 0);
    tempdir_write(&log->dir, "torn-20260201T000000Z-000017.part", "", 0);
    find(log);
    assert_string_equal(*log->pins.torn, "torn-20260201T000001Z-000017.part");
}

static void too_many_empty_files_hide_where_the_log_ended(void **state)
{
    struct log *log = *state;
    char name[64];
    for (unsigned number = 1; number <= 2 + AMP_LOG_BEFORE_MAX; number++) {
        snprintf(name, sizeof(name), "events-20260131T230000Z-%06u.jsonl", number);
        tempdir_write(&log->dir, name, "", 0);
    }
    assert_int_equal(log_try_open(log), AMP_ERR_INVALID);
    assert_null(log->chain);
    assert_int_equal(unlinkat(log->dir.fd, "events-20260131T230000Z-000001.jsonl", 0), 0);
    assert_int_equal(log_try_open(log), AMP_OK);
}

static void the_last_file_that_has_a_name_goes_on(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    log->file_max_bytes = 1;
    log_begin(log);
    log->names.next_count = 3;
    for (int i = 0; i < 6; i++) {
        log_add(log, 1);
        assert_int_equal(amp_chain_sync(log->chain), AMP_OK);
    }
    log_end(log);
    assert_true(log_is_good(log, &reading));
    assert_int_equal(reading.files, 3);
    assert_int_equal(reading.lines, 8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_directory_has_names_for_what_will_be),
        TEST(the_newest_files_are_those_of_the_highest_numbers),
        TEST(a_directory_that_cannot_be_read_to_its_end_is_not_taken_for_empty),
        TEST(a_torn_line_goes_where_none_is),
        TEST(too_many_empty_files_hide_where_the_log_ended),
        TEST(the_last_file_that_has_a_name_goes_on),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
