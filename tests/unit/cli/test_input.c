/* First lines of files and pipes, as secrets are read. */
#include "../support.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/input.h"

#define MAX 8

/* A pipe in packet mode: each piece is a read of its own. */
static enum amp_err first_line(struct amp_secret_buf *line, const char *const *pieces)
{
    char path[32];
    int ends[2];
    assert_int_equal(pipe2(ends, O_DIRECT), 0);
    for (; *pieces != NULL; pieces++)
        assert_int_equal(write(ends[1], *pieces, strlen(*pieces)), strlen(*pieces));
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    *line = (struct amp_secret_buf){NULL, 0, 0};
    close(ends[1]);
    const enum amp_err err = cli_input_first_line(line, path, MAX);
    close(ends[0]);
    return err;
}

static void a_first_line_is_read_whole_whatever_its_pieces(void **state)
{
    static const struct {
        const char *pieces[4];
        const char *line;
    } cases[] = {
        {{"abc"}, "abc"},         {{"abc\n", "def\n"}, "abc"},    {{"a", "b", "c\n"}, "abc"},
        {{"abc\r", "\n"}, "abc"}, {{"1234567", "8"}, "12345678"}, {{"12345678\r\n"}, "12345678"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct amp_secret_buf line;
        assert_int_equal(first_line(&line, cases[i].pieces), AMP_OK);
        assert_string_equal((const char *)line.ptr, cases[i].line);
        assert_int_equal(line.len, strlen(cases[i].line));
        amp_secret_buf_free(&line);
    }
}

static void a_line_that_is_empty_or_too_long_is_not_taken_in_part(void **state)
{
    static const struct {
        const char *pieces[4];
        enum amp_err err;
    } cases[] = {
        {{NULL}, AMP_ERR_TRUNCATED},
        {{"\n", "abc\n"}, AMP_ERR_TRUNCATED},
        {{"\r\n"}, AMP_ERR_TRUNCATED},
        {{"123456789"}, AMP_ERR_TOO_LARGE},
        {{"12345678", "9\n"}, AMP_ERR_TOO_LARGE},
        {{"123456789\r\n"}, AMP_ERR_TOO_LARGE},
        {{"1234567890abc"}, AMP_ERR_TOO_LARGE},
    };
    struct amp_secret_buf line = {NULL, 0, 0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(first_line(&line, cases[i].pieces), cases[i].err);
        amp_secret_buf_free(&line);
    }
    assert_int_equal(cli_input_first_line(&line, "/nonexistent", MAX), AMP_ERR_IO);
    assert_int_equal(cli_input_first_line(&line, "/", MAX), AMP_ERR_IO);
    amp_secret_buf_free(&line);
}

static int start_pool(void **state)
{
    return amp_secret_init(1 << 20, false) == AMP_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_line_is_read_whole_whatever_its_pieces),
        cmocka_unit_test(a_line_that_is_empty_or_too_long_is_not_taken_in_part),
    };
    return cmocka_run_group_tests(tests, start_pool, NULL);
}
