/* The chain on a disk that fails, fills up, and is found again after a crash. */
#include "chain_support.h"

#include <errno.h>
#include <limits.h>
#include <sys/mount.h>

static void a_full_disk_loses_nothing_and_tears_no_line(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    log_begin(log);
    log_add(log, 5);
    assert_int_equal(amp_chain_sync(log->chain), AMP_OK);
    limit_files(3000);
    log_add(log, 20);
    assert_int_equal(amp_chain_write(log->chain), AMP_ERR_IO);
    assert_int_equal(amp_chain_sync(log->chain), AMP_ERR_IO);
    assert_true(log_is_good(log, &reading)); /* whole lines alone */
    assert_int_equal(reading.lines, 6);
    log_add(log, 3);
    limit_files(RLIM_INFINITY);
    log_end(log);
    assert_true(log_is_good(log, &reading));
    assert_int_equal(reading.lines, 1 + 5 + 20 + 3 + 1);
}

static void a_disk_without_reserve_is_told_before_it_is_full(void **state)
{
    struct log *log = *state;
    if (mount("tmpfs", log->dir.path, "tmpfs", 0, "size=1536k") != 0) {
        print_message("skipped: may not mount\n");
        skip();
    }
    close(log->dir.fd);
    log->dir.fd = open(log->dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    log_begin(log);
    assert_int_equal(amp_chain_sync(log->chain), AMP_OK);
    assert_true(amp_chain_reserved(log->chain)); /* the first megabyte */
    while (amp_chain_reserved(log->chain)) {
        log_add(log, 100);
        assert_int_equal(amp_chain_sync(log->chain), AMP_OK);
    }
    log_add(log, 100); /* there is room for what refusing has to record */
    assert_int_equal(amp_chain_sync(log->chain), AMP_OK);
    log_end(log);
    umount2(log->dir.path, MNT_DETACH);
}

static void reserved_space_is_no_content(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    log_begin(log);
    assert_int_equal(amp_chain_sync(log->chain), AMP_OK);
    assert_true(amp_chain_reserved(log->chain));
    assert_true(log_is_good(log, &reading));
    log_end(log);
    assert_true(log_is_good(log, &reading));
}

static void memory_for_waiting_records_is_bounded(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    const struct amp_event event = {.act = AMP_ACT_TOKENIZE};
    size_t appended = 0;
    log_begin(log);
    while (!amp_chain_full(log->chain)) {
        log_add(log, 1);
        appended++;
    }
    assert_true(amp_chain_pending(log->chain) < 8 << 20);
    enum amp_err err;
    while ((err = amp_chain_append(log->chain, &event, "front")) == AMP_OK)
        appended++;
    assert_int_equal(err, AMP_ERR_AUDIT_UNAVAILABLE);
    assert_int_equal(amp_chain_sync(log->chain), AMP_OK);
    assert_false(amp_chain_full(log->chain));
    log_end(log);
    assert_true(log_is_good(log, &reading));
    assert_int_equal(reading.lines, appended + 2);
}

/* The newest file's name. */
static void newest(const struct log *log, char name[256])
{
    size_t len;
    free(log_read_all(&log->dir, &len, name));
}

static size_t count_parts(const struct log *log)
{
    char command[160];
    unsigned count = 0;
    snprintf(command, sizeof(command), "ls %s | grep -c '^torn-.*[.]part$'", log->dir.path);
    FILE *answer = popen(command, "r");
    assert_non_null(answer);
    assert_int_equal(fscanf(answer, "%u", &count), 1);
    pclose(answer);
    return count;
}

static void a_torn_line_is_set_aside_and_recorded_whatever_its_length(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    char name[256];
    size_t len;
    log->time.unix_ms -= 3600 * 1000; /* far from midnight, which would begin a new file */
    log_begin(log);
    log_add(log, 3);
    log_end(log);
    newest(log, name);
    char *whole = tempdir_read(&log->dir, name, &len);
    size_t last_line = 0;
    for (size_t i = 0; i + 1 < len; i++) {
        if (whole[i] == '\n')
            last_line = i + 1;
    }
    for (size_t cut = len - 1; cut > last_line; cut -= 97 < cut - last_line ? 97 : cut - last_line) {
        tempdir_write(&log->dir, name, whole, cut);
        log->lives = 1;
        log->time.unix_ms += 1000; /* names differ */
        log_begin(log);
        log_end(log);
        assert_true(log_is_good(log, &reading));
        assert_int_equal(reading.lines, 4 + 3); /* log.start, log.torn, log.epoch */
        size_t all_len;
        char *all = log_read_all(&log->dir, &all_len, NULL);
        assert_non_null(strstr(all, "\"event\":\"log.torn\",\"outcome\":\"failure\""));
        free(all);
    }
    assert_true(count_parts(log) >= 3);
    free(whole);
}

/* Put in the place of libc's by the linker; offsets have 64 bits. */
static bool no_cutting;
int __wrap_ftruncate64(int fd, off_t len);
int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len)
{
    errno = EIO;
    return no_cutting ? -1 : __real_ftruncate64(fd, len);
}

static void a_torn_line_that_could_not_be_cut_off_is_set_aside_again(void **state)
{
    static const char half[] = "{\"v\":1,";
    struct log *log = *state;
    tempdir_write(&log->dir, "events-20260131T235959Z-000001.jsonl", half, sizeof(half) - 1);
    no_cutting = true;
    enum amp_err err = log_try_open(log);
    no_cutting = false;
    assert_int_equal(err, AMP_ERR_IO);
    assert_int_equal(log_try_again(log), AMP_OK);
    assert_int_equal(count_parts(log), 1);
}

static unsigned syncs_left = UINT_MAX;
int __wrap_fsync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd)
{
    errno = EIO;
    return syncs_left-- == 0 ? -1 : __real_fsync(fd);
}

/* Of three syncs, the part's, the log's and the directory's, each fails once. */
static void a_torn_line_is_recorded_although_the_disk_failed_meanwhile(void **state)
{
    static const char half[] = "{\"v\":1,";
    static const char name[] = "events-20260131T235959Z-000001.jsonl";
    struct log *log = *state;
    tempdir_write(&log->dir, name, half, sizeof(half) - 1);
    for (unsigned i = 0; i < 3; i++) {
        size_t len;
        syncs_left = i;
        enum amp_err err = i == 0 ? log_try_open(log) : log_try_again(log);
        syncs_left = UINT_MAX;
        assert_int_equal(err, AMP_ERR_IO);
        char *bytes = tempdir_read(&log->dir, name, &len);
        assert_int_equal(len, sizeof(half) - 1);
        free(bytes);
    }
    log_begin(log);
    log_end(log);
    size_t all_len;
    char *all = log_read_all(&log->dir, &all_len, NULL);
    assert_non_null(strstr(all, "\"event\":\"log.torn\",\"outcome\":\"failure\""));
    free(all);
    assert_int_equal(count_parts(log), 1);
}

static void zeros_behind_the_last_line_are_cut_off(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    char name[256];
    static const uint8_t zeros[200000];
    log_begin(log);
    log_add(log, 3);
    log_end(log);
    newest(log, name);
    int fd = openat(log->dir.fd, name, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
    close(fd);
    log_begin(log);
    log_end(log);
    assert_true(log_is_good(log, &reading));
}

static void an_empty_newest_file_does_not_hide_where_the_log_ended(void **state)
{
    struct log *log = *state;
    struct log_reading reading;
    log_begin(log);
    log_add(log, 3);
    log_end(log);
    tempdir_write(&log->dir, "events-20260131T235959Z-000002.jsonl", "", 0);
    tempdir_write(&log->dir, "events-20260131T235959Z-000003.jsonl", "{\"v\":1,\"s", 9);
    log_begin(log);
    log_end(log);
    assert_true(log_is_good(log, &reading));
    assert_int_equal(reading.starts, 2);
}

static void files_of_others_are_left_alone(void **state)
{
    static const char *const others[] = {"events-20260131T235959Z-9999999.jsonl.gz", "events-x-000009.jsonl",
                                         "events-20260131T235959Z-09.jsonl", "notes.txt",
                                         "events-20260231T235959Z-000009.jsonl"};
    struct log *log = *state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        tempdir_write(&log->dir, others[i], "other", 5);
    log_begin(log);
    log_end(log);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        size_t len;
        char *bytes = tempdir_read(&log->dir, others[i], &len);
        assert_string_equal(bytes, "other");
        free(bytes);
    }
}

static void a_last_line_that_is_not_ours_is_refused(void **state)
{
    static const char *const lines[] = {
        "hello\n",
        "\n",
        "{}\n",
        "{\"v\":1,\"seq\":1,\"prev\":\"\",\"epoch\":1,\"mac\":\"\"}\n",
        "{\"v\":2,\"seq\":1,\"time\":\"\",\"prev\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"epoch\":1,\"mac\":\"0000000000000000000000000000000000000000000000000000000000000000\"}\n",
        "{\"v\":1,\"seq\":01,\"time\":\"\",\"prev\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"epoch\":1,\"mac\":\"0000000000000000000000000000000000000000000000000000000000000000\"}\n",
    };
    struct log *log = *state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        tempdir_write(&log->dir, "events-20260131T235959Z-000001.jsonl", lines[i], strlen(lines[i]));
        assert_int_equal(log_try_open(log), AMP_ERR_INVALID);
        assert_null(log->chain);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_loses_nothing_and_tears_no_line),
        TEST(a_disk_without_reserve_is_told_before_it_is_full),
        TEST(reserved_space_is_no_content),
        TEST(memory_for_waiting_records_is_bounded),
        TEST(a_torn_line_is_set_aside_and_recorded_whatever_its_length),
        TEST(a_torn_line_that_could_not_be_cut_off_is_set_aside_again),
        TEST(a_torn_line_is_recorded_although_the_disk_failed_meanwhile),
        TEST(zeros_behind_the_last_line_are_cut_off),
        TEST(an_empty_newest_file_does_not_hide_where_the_log_ended),
        TEST(files_of_others_are_left_alone),
        TEST(a_last_line_that_is_not_ours_is_refused),
    };
#undef TEST
    return cmocka_run_group_tests_name("chain on disk", tests, NULL, NULL);
}
