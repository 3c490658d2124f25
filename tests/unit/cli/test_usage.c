/* What is wrong before anything is sent: exit code 2, one sentence, and never the value that was given. */
#include "capture.h"

#define CARD "{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":2030}"

static int forget_environment(void **state)
{
    static const char *const names[] = {"AMPOULE_URL",           "AMPOULE_CA", "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AMPOULE_STATE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    return 0;
}

static void wants_a_command_that_exists(void **state)
{
    assert_int_equal(run_ampoule("", (const char *const[]){NULL})->exit_code, CLI_USAGE);
    assert_int_equal(RUN("", "fly")->exit_code, CLI_USAGE);
    assert_int_equal(RUN("", "")->exit_code, CLI_USAGE);
    const struct capture *got = RUN("", "fly", "--json");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_string_equal(got->out,
                        "{\"error\":{\"code\":\"usage\",\"message\":\"unknown command fly; see `ampoule help`\"}}\n");
    assert_string_equal(got->err, "ampoule: unknown command fly; see `ampoule help`\n");
    assert_string_equal(RUN("", "4111111111111111")->err, "ampoule: unknown command; see `ampoule help`\n");
    assert_string_equal(RUN("", "help", "fly")->err, "ampoule help: unknown command fly; see `ampoule help`\n");
    assert_string_equal(RUN("", "fly")->out, "");
    assert_int_equal(RUN("", "help")->exit_code, CLI_DONE);
    assert_int_equal(RUN("", "--help")->exit_code, CLI_DONE);
    assert_int_equal(RUN("", "--version")->exit_code, CLI_DONE);
}

static void every_command_explains_itself(void **state)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        const char *name = cli_commands[i].name;
        const struct capture *got = RUN("", "help", name);
        assert_int_equal(got->exit_code, CLI_DONE);
        assert_true(strlen(got->out) > 100);
        if (strcmp(name, "help") == 0)
            continue;
        assert_non_null(strstr(got->out, "usage: ampoule "));
        assert_non_null(strstr(got->out, "exit code:"));
        if (strcmp(name, "version") != 0)
            assert_non_null(strstr(got->out, "examples:"));
    }
}

static void card_data_is_no_argument(void **state)
{
    const struct capture *got = RUN(CARD, "tokenize", "4111111111111111");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_non_null(strstr(got->err, "standard input only"));
    assert_null(strstr(got->err, "4111"));
    got = RUN(CARD, "tokenize", "--number=4111111111111111");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_non_null(strstr(got->err, "--number"));
    assert_null(strstr(got->err, "4111"));
    got = RUN(CARD, "tokenize", "--4111111111111111", "--json");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_null(strstr(got->err, "4111"));
    assert_null(strstr(got->out, "4111"));
}

static void options_are_checked(void **state)
{
    static const char *const bad[][4] = {
        {"tokenize", "--ttl-ms", "ten", NULL},
        {"tokenize", "--ttl-ms", "-1", NULL},
        {"tokenize", "--ttl-ms", "0", NULL},
        {"tokenize", "--ttl-ms", "99999999999999999999", NULL},
        {"tokenize", "--ttl-ms", NULL, NULL},
        {"tokenize", "--frobnicate", NULL, NULL},
        {"bench", "--op", "fly", NULL},
        {"bench", "--tls", "1.1", NULL},
        {"bench", "--connections", "0", NULL},
        {"bench", "--duration", "nan", NULL},
        {"bench", "--duration", "1s", NULL},
        {"bench", "--path", "relative", NULL},
        {"bench", "--unsigned", NULL, NULL},
        {"bench", "--hold", NULL, NULL},
        {"bench", "surplus", NULL, NULL},
        {"key", "paint", NULL, NULL},
        {"key", NULL, NULL, NULL},
        {"key", "rotate", NULL, NULL},
        {"key", "disable", "AMPK", NULL},
        {"key", "create", NULL, NULL},
        {"redeem", "a", "b", NULL},
        {"version", "--url", "x", NULL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(run_ampoule("", bad[i])->exit_code, CLI_USAGE);
}

static void a_wrong_option_is_named(void **state)
{
    static const char *const said[][2] = {
        {"--frobnicate", "ampoule tokenize: unknown option --frobnicate; see --help\n"},
        {"--number=4111111111111111", "ampoule tokenize: unknown option --number; see --help\n"},
        {"--4111111111111111", "ampoule tokenize: unknown option; see --help\n"},
        {"-4111111111111111", "ampoule tokenize: unknown option; see --help\n"},
        {"-qpayments", "ampoule tokenize: unknown option -q; see --help\n"},
        {"-q", "ampoule tokenize: unknown option -q; see --help\n"},
        {"--batch=yes", "ampoule tokenize: --batch takes no value\n"},
        {"--queue", "ampoule tokenize: --queue lacks its value: NAME\n"},
    };
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        const struct capture *got = RUN("", "tokenize", said[i][0]);
        assert_int_equal(got->exit_code, CLI_USAGE);
        assert_string_equal(got->err, said[i][1]);
    }
}

static void a_missing_connection_is_named(void **state)
{
    const struct capture *got = RUN("", "redeem", "tok_x", "--json");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_non_null(strstr(got->err, "AMPOULE_URL"));
    assert_non_null(strstr(got->out, "{\"error\":{\"code\":\"usage\""));
    got = RUN("", "redeem", "tok_x", "--url", "https://localhost:1");
    assert_non_null(strstr(got->err, "AWS_ACCESS_KEY_ID"));
    got = RUN("", "redeem", "tok_x", "--url", "https://localhost:1", "--key-id", "AMPKA");
    assert_non_null(strstr(got->err, "AWS_SECRET_ACCESS_KEY"));
    got = RUN("", "redeem", "tok_x", "--url", "https://localhost:1", "--key-id", "AMPKA", "--secret-file",
              "/nonexistent");
    assert_int_equal(got->exit_code, CLI_USAGE);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    got = RUN("", "redeem", "tok_x", "--url", "http://localhost:1", "--key-id", "AMPKA");
    assert_int_equal(got->exit_code, CLI_USAGE);
    got = RUN("", "redeem", "tok_x", "--url", "https://localhost:1", "--key-id", "AMPKA", "--ca", "/nonexistent");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_non_null(strstr(got->err, "the CA file cannot be read"));
    got = RUN("", "redeem", "tok_x", "--url", "https://localhost:1", "--key-id", "AMPKA", "--ca", "/dev/null");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_non_null(strstr(got->err, "the CA file holds no certificate"));
}

static void a_key_needs_permissions_and_a_daemon(void **state)
{
    const struct capture *got = RUN("", "key", "create", "--name", "shop", "--state", "/nonexistent");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_non_null(strstr(got->err, "--may"));
    got = RUN("", "key", "create", "--name", "shop", "--may", "all");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_non_null(strstr(got->err, "AMPOULE_STATE"));
    static const char id[] = "AMPKAAAAAAAAAAAAAAAA";
    got = RUN("", "key", "rotate", id, "--may", "all", "--state", "/nonexistent");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_non_null(strstr(got->err, "--may, --rate and --burst go with create"));
    got = RUN("", "key", "disable", id, "--overlap-ms", "0", "--state", "/nonexistent");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_non_null(strstr(got->err, "--overlap-ms goes with rotate"));
    got = RUN("", "key", "list", "--env", "--state", "/nonexistent");
    assert_int_equal(got->exit_code, CLI_USAGE);
    got = RUN("", "key", "create", "--name", "shop", "--may", "all", "--burst", "5", "--state", "/nonexistent");
    assert_int_equal(got->exit_code, CLI_USAGE);
    assert_non_null(strstr(got->err, "--burst goes with --rate"));
    got = RUN("", "key", "list", "--state", "/nonexistent", "--json");
    assert_int_equal(got->exit_code, CLI_UNREACHABLE);
    assert_non_null(strstr(got->out, "\"code\":\"unreachable\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(wants_a_command_that_exists, forget_environment),
        cmocka_unit_test_setup(every_command_explains_itself, forget_environment),
        cmocka_unit_test_setup(card_data_is_no_argument, forget_environment),
        cmocka_unit_test_setup(options_are_checked, forget_environment),
        cmocka_unit_test_setup(a_wrong_option_is_named, forget_environment),
        cmocka_unit_test_setup(a_missing_connection_is_named, forget_environment),
        cmocka_unit_test_setup(a_key_needs_permissions_and_a_daemon, forget_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
