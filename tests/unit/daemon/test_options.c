/* The command line: what is wished, and what is refused. */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "../support.h"
#include "daemon/options.h"

enum { ARGS_MAX = 12 };

/* Parses a line of words; what is said on standard error goes nowhere. */
static void parse(struct amp_options *options, const char *line)
{
    static char copy[256];
    static char *args[ARGS_MAX];
    int count = 1;
    args[0] = copy;
    snprintf(copy, sizeof(copy), "ampouled %s", line);
    for (char *at = copy; *at != '\0'; at++) {
        if (*at != ' ')
            continue;
        *at = '\0';
        if (at[1] != '\0' && count < ARGS_MAX - 1)
            args[count++] = at + 1;
    }
    args[count] = NULL;
    optind = 0; /* glibc: begin anew */
    int saved = dup(STDERR_FILENO);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
    amp_options_parse(options, count, args);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
}

static void good_lines_are_understood(void **state)
{
    struct amp_options options;
    parse(&options, "--config /etc/a.yaml");
    assert_int_equal(options.wish, AMP_WISH_SERVE);
    assert_string_equal(options.config, "/etc/a.yaml");
    parse(&options, "--check-config --config /etc/a.yaml");
    assert_int_equal(options.wish, AMP_WISH_CHECK);
    parse(&options, "--dev --state /s --listen 127.0.0.1:0 --workers 64");
    assert_int_equal(options.wish, AMP_WISH_SERVE);
    assert_true(options.dev);
    assert_string_equal(options.listen, "127.0.0.1:0");
    assert_int_equal(options.workers, 64);
    parse(&options, "--dev --state /s");
    assert_string_equal(options.listen, "127.0.0.1:8443");
    parse(&options, "--help");
    assert_int_equal(options.wish, AMP_WISH_HELP);
    parse(&options, "--version");
    assert_int_equal(options.wish, AMP_WISH_VERSION);
    parse(&options, "--role front");
    assert_int_equal(options.wish, AMP_WISH_ROLE);
    parse(&options, "--config /etc/a.yaml --starters /run/a");
    assert_int_equal(options.wish, AMP_WISH_SERVE);
    assert_string_equal(options.starters, "/run/a");
    parse(&options, "--starter keeper");
    assert_int_equal(options.wish, AMP_WISH_STARTER);
    assert_string_equal(options.role, "keeper");
}

static void wrong_lines_are_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "--dev",
        "--config",
        "--config a --dev --state s",
        "--config a --state s",
        "--config a --workers 2",
        "--config a --listen 127.0.0.1:1",
        "--dev --state s --workers 0",
        "--dev --state s --workers 65",
        "--dev --state s --workers two",
        "--dev --state s --check-config",
        "--dev --state s surplus",
        "--dev --state s --resume 5",
        "--dev --state s --starters /run/a",
        "--config a --resume 5",
        "--config a --user 1:1",
        "--check-config",
        "--nonsense",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct amp_options options;
        parse(&options, lines[i]);
        assert_int_equal(options.wish, AMP_WISH_ERROR);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lines_are_understood),
        cmocka_unit_test(wrong_lines_are_refused),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
