#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/input.h"

#define MAX_OPTIONS      64
#define FIRST_VALUE      256 /* getopt's results above every character */
#define MAX_SECRET_BYTES 256
#define DEFAULT_TIMEOUT  30000

static size_t common_options(struct cli *cli, bool connects, struct cli_option *into)
{
    const struct cli_option always[] = {
        CLI_OPTION_FLAG("json", "print JSON on standard output", &cli->json),
    };
    const struct cli_option connecting[] = {
        CLI_OPTION_TEXT("url", "URL", "where ampouled listens; default $AMPOULE_URL", &cli->connection.url),
        CLI_OPTION_TEXT("ca", "FILE", "certificates to trust (PEM); default $AMPOULE_CA, else the system's",
                        &cli->connection.ca_file),
        CLI_OPTION_TEXT("key-id", "ID", "access key id; default $AWS_ACCESS_KEY_ID", &cli->connection.key_id),
        CLI_OPTION_TEXT("secret-file", "FILE", "file that holds the secret; default $AWS_SECRET_ACCESS_KEY",
                        &cli->connection.secret_file),
        CLI_OPTION_TEXT("region", "NAME", "region of the signature; default $AWS_REGION, else us-east-1",
                        &cli->connection.region),
        CLI_OPTION_NUMBER("timeout-ms", "MS", "longest wait for an answer; default 30000", &cli->connection.timeout_ms,
                          1, 3600000),
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        into[count++] = always[i];
    for (size_t i = 0; connects && i < sizeof connecting / sizeof connecting[0]; i++)
        into[count++] = connecting[i];
    return count;
}

static void print_option(const struct cli_option *option)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", option->name, option->label != NULL ? " " : "",
             option->label != NULL ? option->label : "");
    printf("  %-24s %s\n", left, option->help);
}

static void print_help(const struct cli *cli, const struct cli_manual *manual, const struct cli_option *options,
                       size_t own, size_t count)
{
    printf("usage: ampoule %s %s\n\n%s\n", cli->command->name, manual->usage, manual->about);
    if (own > 0)
        printf("\noptions:\n");
    for (size_t i = 0; i < own; i++)
        print_option(&options[i]);
    printf("\n%s:\n", manual->connects ? "connection and output" : "output");
    for (size_t i = own; i < count; i++)
        print_option(&options[i]);
    printf("  %-24s this text\n", "--help");
    if (manual->examples != NULL)
        printf("\nexamples:\n%s", manual->examples);
    printf("\nexit code: 0 done, 1 refused, 2 wrong usage, 3 unreachable\n");
}

static bool parse_real(const char *text, uint64_t least, uint64_t most, double *out)
{
    char *end = NULL;
    errno = 0;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(value))
        return false;
    *out = value;
    return value >= (double)least && value <= (double)most;
}

static bool take_value(const struct cli_option *option, char *text)
{
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->into = true;
        return true;
    case CLI_TEXT:
        *(const char **)option->into = text;
        return true;
    case CLI_NUMBER:
        return amp_u64_parse(option->into, amp_slice_str(text), option->most) == AMP_OK &&
               *(uint64_t *)option->into >= option->least;
    case CLI_REAL:
        return parse_real(text, option->least, option->most, option->into);
    case CLI_LIST: {
        struct cli_list *list = option->into;
        if (list->count == CLI_LIST_MAX)
            return false;
        list->entries[list->count++] = text;
        return true;
    }
    }
    return false;
}

static int bad_value(const struct cli *cli, const struct cli_option *option)
{
    char text[160];
    if (option->kind == CLI_NUMBER || option->kind == CLI_REAL)
        snprintf(text, sizeof text, "--%s takes a number from %llu to %llu", option->name,
                 (unsigned long long)option->least, (unsigned long long)option->most);
    else
        snprintf(text, sizeof text, "--%s may be given at most %d times", option->name, CLI_LIST_MAX);
    return cli_usage(cli, text);
}

int cli_unknown(const struct cli *cli, const char *what, const char *given, const char *see)
{
    char text[128];
    size_t len = strspn(given, "abcdefghijklmnopqrstuvwxyz-");
    if (len > 32 || len == strspn(given, "-"))
        len = 0;
    snprintf(text, sizeof text, "unknown %s%s%.*s; see %s", what, len > 0 ? " " : "", (int)len, given, see);
    return cli_usage(cli, text);
}

static int lacks_value(const struct cli *cli, const struct cli_option *option)
{
    char text[96];
    snprintf(text, sizeof text, "--%s lacks its value: %s", option->name, option->label);
    return cli_usage(cli, text);
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static void connection_defaults(struct cli_connection *connection)
{
    connection->url = environment("AMPOULE_URL");
    connection->ca_file = environment("AMPOULE_CA");
    connection->key_id = environment("AWS_ACCESS_KEY_ID");
    connection->secret = environment("AWS_SECRET_ACCESS_KEY");
    connection->region = environment("AWS_REGION");
    if (connection->region == NULL)
        connection->region = "us-east-1";
    connection->timeout_ms = DEFAULT_TIMEOUT;
}

/* Behind getopt's "?": a long option that is none (optopt 0), one that takes no value, or a letter. */
static int wrong_option(const struct cli *cli, const struct cli_option *rows, const char *given)
{
    const char letter[] = {'-', (char)optopt, '\0'};
    char text[96];
    if (optopt < FIRST_VALUE)
        return cli_unknown(cli, "option", optopt != 0 ? letter : given, "--help");
    snprintf(text, sizeof text, "--%s takes no value", rows[optopt - FIRST_VALUE].name);
    return cli_usage(cli, text);
}

bool cli_parse(struct cli *cli, const struct cli_manual *manual, const struct cli_option *options, size_t count,
               int argc, char **argv, int *exit_code)
{
    struct cli_option rows[MAX_OPTIONS] = {0};
    struct option longs[MAX_OPTIONS + 2] = {0};
    size_t total = 0;
    int got;

    *exit_code = CLI_USAGE;
    connection_defaults(&cli->connection);
    for (; total < count; total++)
        rows[total] = options[total];
    total += common_options(cli, manual->connects, rows + total);
    for (size_t i = 0; i < total; i++)
        longs[i] = (struct option){rows[i].name, rows[i].label != NULL ? required_argument : no_argument, NULL,
                                   FIRST_VALUE + (int)i};
    longs[total] = (struct option){"help", no_argument, NULL, 'h'};

    /* --json counts for the messages about what stands before it, too. */
    for (int i = 1; i < argc; i++)
        cli->json = cli->json || strcmp(argv[i], "--json") == 0;
    opterr = 0; /* getopt's own messages repeat what was given */
    optind = 0;
    while ((got = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
        if (got == 'h') {
            print_help(cli, manual, rows, count, total);
            *exit_code = CLI_DONE;
            return false;
        }
        if (got == ':') {
            lacks_value(cli, &rows[optopt - FIRST_VALUE]);
            return false;
        }
        if (got < FIRST_VALUE) {
            wrong_option(cli, rows, argv[optind - 1]);
            return false;
        }
        if (!take_value(&rows[got - FIRST_VALUE], optarg)) {
            bad_value(cli, &rows[got - FIRST_VALUE]);
            return false;
        }
    }
    cli->args = argv + optind;
    cli->arg_count = argc - optind;
    return true;
}

/* The secret is the file's first line: what is wrong with it, or NULL. */
static const char *take_secret_file(struct cli *cli)
{
    const enum amp_err err = cli_input_first_line(&cli->secret_storage, cli->connection.secret_file, MAX_SECRET_BYTES);
    if (err == AMP_ERR_TOO_LARGE)
        return "the first line of --secret-file is longer than a secret may be, 256 bytes";
    if (err == AMP_ERR_OUT_OF_MEMORY)
        return "no secret memory is left for --secret-file";
    if (err != AMP_OK)
        return "--secret-file cannot be read or is empty";
    cli->connection.secret = (const char *)cli->secret_storage.ptr;
    return NULL;
}

int cli_connection_ready(struct cli *cli)
{
    struct cli_connection *connection = &cli->connection;
    if (connection->url == NULL)
        return cli_usage(cli, "where is ampouled? Set AMPOULE_URL or give --url https://HOST:PORT");
    if (connection->key_id == NULL)
        return cli_usage(cli, "who asks? Set AWS_ACCESS_KEY_ID or give --key-id");
    const char *wrong = connection->secret_file != NULL ? take_secret_file(cli) : NULL;
    if (wrong != NULL)
        return cli_usage(cli, wrong);
    if (connection->secret == NULL)
        return cli_usage(cli, "set AWS_SECRET_ACCESS_KEY or give --secret-file: the secret is never an argument");
    return CLI_DONE;
}
