/* Error table, slices, budget, clock and log. */
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../support.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "base/slice.h"

static void every_error_has_code_status_and_sentence(void **state)
{
    for (int err = AMP_OK; err < AMP_ERR_COUNT_; err++) {
        const char *code = amp_err_code((enum amp_err)err);
        assert_true(strlen(code) > 1);
        assert_int_equal(strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(code));
        assert_in_range(amp_err_status((enum amp_err)err), 200, 599);
        const char *sentence = amp_err_sentence((enum amp_err)err);
        assert_int_equal(sentence[strlen(sentence) - 1], '.');
        for (int other = AMP_OK; other < err; other++)
            assert_string_not_equal(code, amp_err_code((enum amp_err)other));
    }
}

static void known_errors_have_their_status(void **state)
{
    assert_int_equal(amp_err_status(AMP_OK), 200);
    assert_int_equal(amp_err_status(AMP_ERR_TOKEN_GONE), 410);
    assert_string_equal(amp_err_code(AMP_ERR_TOKEN_GONE), "token_gone");
    assert_int_equal(amp_err_status(AMP_ERR_SIGNATURE_MISMATCH), 401);
}

static void a_number_that_is_no_error_answers_as_internal(void **state)
{
    assert_string_equal(amp_err_code(AMP_ERR_COUNT_), "internal");
    assert_string_equal(amp_err_code((enum amp_err) - 1), "internal");
    assert_int_equal(amp_err_status((enum amp_err)100000), 500);
}

static void slices_compare_whole(void **state)
{
    assert_true(amp_slice_is(AMP_SLICE_LIT("abc"), "abc"));
    assert_false(amp_slice_is(AMP_SLICE_LIT("abc"), "abcd"));
    assert_false(amp_slice_is(AMP_SLICE_LIT("abc"), "abC"));
    assert_true(amp_slice_equal(amp_slice(NULL, 0), AMP_SLICE_LIT("")));
}

static void header_names_compare_without_ascii_case(void **state)
{
    assert_true(amp_slice_equal_nocase(AMP_SLICE_LIT("Content-Length"), AMP_SLICE_LIT("cONTENT-lENGTH")));
    assert_false(amp_slice_equal_nocase(AMP_SLICE_LIT("host"), AMP_SLICE_LIT("hosts")));
    assert_false(amp_slice_equal_nocase(AMP_SLICE_LIT("a@b"), AMP_SLICE_LIT("a`b"))); /* 0x40 and 0x60 */
    assert_false(amp_slice_equal_nocase(AMP_SLICE_LIT("[\xc0]"), AMP_SLICE_LIT("{\xe0}")));
    assert_true(amp_slice_equal_nocase(amp_slice(NULL, 0), amp_slice(NULL, 0)));
}

static void out_writes_numbers_at_their_bounds(void **state)
{
    char text[128];
    struct amp_out out = amp_out(text, sizeof(text));
    amp_out_u64(&out, 0);
    amp_out_byte(&out, ' ');
    amp_out_u64(&out, UINT64_MAX);
    amp_out_byte(&out, ' ');
    amp_out_i64(&out, INT64_MIN);
    amp_out_byte(&out, ' ');
    amp_out_i64(&out, INT64_MAX);
    amp_out_byte(&out, ' ');
    amp_out_hex(&out, "\x0f\xa0", 2);
    amp_out_hex(&out, NULL, 0);
    assert_false(out.overflow);
    assert_true(
        amp_slice_is(amp_out_done(&out), "0 18446744073709551615 -9223372036854775808 9223372036854775807 0fa0"));
}

static void out_never_passes_its_capacity_and_remembers(void **state)
{
    char text[6] = "......";
    struct amp_out out = amp_out(text, 5);
    amp_out_hex(&out, "abc", 3);
    assert_true(out.overflow);
    assert_int_equal(out.len, 0);
    amp_out_str(&out, "12345");
    amp_out_byte(&out, '6');
    amp_out_i64(&out, -1);
    assert_true(out.overflow);
    assert_memory_equal(text, "12345.", 6);
}

static void budget_stops_at_its_cap(void **state)
{
    struct amp_budget budget;
    amp_budget_init(&budget, 100);
    assert_true(amp_budget_take(&budget, 60));
    assert_false(amp_budget_take(&budget, 41));
    assert_false(amp_budget_take(&budget, SIZE_MAX));
    assert_true(amp_budget_take(&budget, 40));
    assert_false(amp_budget_take(&budget, 1));
    amp_budget_give(&budget, 60);
    assert_true(amp_budget_take(&budget, 60));
}

static void checked_sizes_refuse_overflow(void **state)
{
    size_t result = 0;
    assert_true(amp_size_add(1, 2, &result));
    assert_int_equal(result, 3);
    assert_false(amp_size_add(SIZE_MAX, 1, &result));
    assert_true(amp_size_mul(3, 4, &result));
    assert_int_equal(result, 12);
    assert_false(amp_size_mul(SIZE_MAX / 2, 3, &result));
}

static void let_time_pass(void)
{
    /* lint: allow sleep, the system's own clock is what is tested */
    assert_int_equal(nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL), 0);
}

static void a_held_clock_stands_still_in_its_thread(void **state)
{
    struct amp_clock clock = amp_clock_system();
    int64_t before_ms = amp_clock_mono_ms(&clock);
    amp_clock_hold();
    int64_t mono_ms = amp_clock_mono_ms(&clock), unix_ms = amp_clock_unix_ms(&clock);
    assert_true(mono_ms >= before_ms);
    let_time_pass();
    assert_int_equal(amp_clock_mono_ms(&clock), mono_ms);
    assert_int_equal(amp_clock_unix_ms(&clock), unix_ms);
    amp_clock_hold();
    assert_true(amp_clock_mono_ms(&clock) > mono_ms);
    mono_ms = amp_clock_mono_ms(&clock);
    amp_clock_let_go();
    let_time_pass();
    assert_true(amp_clock_mono_ms(&clock) > mono_ms);
}

static void fake_clock_moves_only_when_told(void **state)
{
    struct amp_clock_fake fake = {.unix_ms = 1000, .mono_ms = 5};
    struct amp_clock clock = amp_clock_fake(&fake);
    assert_int_equal(amp_clock_unix_ms(&clock), 1000);
    assert_int_equal(amp_clock_mono_ms(&clock), 5);
    amp_clock_fake_advance(&fake, 250);
    assert_int_equal(amp_clock_unix_ms(&clock), 1250);
    assert_int_equal(amp_clock_mono_ms(&clock), 255);
}

static void system_clock_is_sane_and_never_steps_back(void **state)
{
    struct amp_clock clock = amp_clock_system();
    assert_true(amp_clock_unix_ms(&clock) > INT64_C(1700000000000));
    int64_t last = amp_clock_mono_ms(&clock);
    for (int i = 0; i < 1000; i++) {
        int64_t now = amp_clock_mono_ms(&clock);
        assert_true(now >= last);
        last = now;
    }
}

/* Runs `say` with standard error on a pipe; what it wrote comes back, NUL-terminated. */
static void capture_stderr(void (*say)(void), char *text, size_t cap)
{
    int fds[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    say();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    size_t len = 0;
    for (ssize_t n; len < cap - 1 && (n = read(fds[0], text + len, cap - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    close(fds[0]);
}

static void say_hostile_text(void)
{
    amp_log_text(AMP_LOG_WARN, "odd name", "path", "a\"b\\c\n{\x1b[31m\xc3\xa9");
}

static void log_escapes_what_could_forge_a_line(void **state)
{
    char text[5000];
    capture_stderr(say_hostile_text, text, sizeof(text));
    assert_non_null(strstr(text, "\"who\":\"tester\",\"level\":\"warn\",\"message\":\"odd name\","
                                 "\"path\":\"a\\u0022b\\u005cc\\u000a{\\u001b[31m\\u00c3\\u00a9\"}\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void say_much(void)
{
    char value[3000];
    memset(value, '\n', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    amp_log_text(AMP_LOG_ERROR, "long", "value", value);
}

static void log_clips_a_long_text_and_closes_the_line(void **state)
{
    char text[5000];
    capture_stderr(say_much, text, sizeof(text));
    assert_true(strlen(text) < 4096);
    assert_string_equal(text + strlen(text) - 9, "\\u000a\"}\n");
}

static void say_below_and_at_level(void)
{
    amp_log(AMP_LOG_DEBUG, "not wanted");
    amp_log_num(AMP_LOG_INFO, "workers started", "count", -2);
    amp_log_errno(AMP_LOG_ERROR, "cannot open", 2);
    amp_log_text_errno(AMP_LOG_DEBUG, "not wanted", "role", "front", 2);
    amp_log_text_errno(AMP_LOG_ERROR, "cannot begin", "role", "front", 2);
}

static void log_drops_what_is_below_its_level(void **state)
{
    char text[5000];
    capture_stderr(say_below_and_at_level, text, sizeof(text));
    assert_null(strstr(text, "not wanted"));
    assert_non_null(strstr(text, "\"message\":\"workers started\",\"count\":-2}\n"));
    assert_non_null(strstr(text, "\"cannot open\",\"error\":\"No such file or directory\"}\n"));
    assert_non_null(strstr(text, "\"cannot begin\",\"role\":\"front\",\"error\":\"No such file or directory\"}\n"));
}

static void fatal_aborts(void **state)
{
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        amp_fatal("a broken invariant");
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    amp_log_init("tester", AMP_LOG_INFO);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_code_status_and_sentence),
        cmocka_unit_test(known_errors_have_their_status),
        cmocka_unit_test(a_number_that_is_no_error_answers_as_internal),
        cmocka_unit_test(slices_compare_whole),
        cmocka_unit_test(header_names_compare_without_ascii_case),
        cmocka_unit_test(out_writes_numbers_at_their_bounds),
        cmocka_unit_test(out_never_passes_its_capacity_and_remembers),
        cmocka_unit_test(budget_stops_at_its_cap),
        cmocka_unit_test(checked_sizes_refuse_overflow),
        cmocka_unit_test(a_held_clock_stands_still_in_its_thread),
        cmocka_unit_test(fake_clock_moves_only_when_told),
        cmocka_unit_test(system_clock_is_sane_and_never_steps_back),
        cmocka_unit_test(log_escapes_what_could_forge_a_line),
        cmocka_unit_test(log_clips_a_long_text_and_closes_the_line),
        cmocka_unit_test(log_drops_what_is_below_its_level),
        cmocka_unit_test(fatal_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
