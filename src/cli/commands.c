#include "cli/commands.h"

#include <stdio.h>

#include "cli/bench/bench.h"

static int run_help(struct cli *cli, int argc, char **argv);

const struct cli_command cli_commands[] = {
    {"tokenize", "exchange a card for a single-use token", cli_tokenize},
    {"redeem", "take the card behind a token, once", cli_redeem},
    {"claim", "take a token for a while, with its card", cli_claim},
    {"commit", "end a claim: destroy the content", cli_commit},
    {"abort", "end a claim: free the token again", cli_abort},
    {"inspect", "show a token's masked card and state", cli_inspect},
    {"revoke", "destroy a token", cli_revoke},
    {"send", "put a message into a queue", cli_send},
    {"receive", "take messages out of a queue", cli_receive},
    {"queue", "create, list, change, empty and delete queues", cli_queue},
    {"subscribe", "have a queue pushed as signed webhooks", cli_subscribe},
    {"listen", "a gateway for trying webhooks", cli_listen},
    {"stats", "how much of everything there is in the daemon", cli_stats},
    {"key", "create, list, rotate and disable access keys", cli_key},
    {"bench", "load a server with signed requests and measure", cli_bench},
    {"version", "print the version", cli_version},
    {"help", "this overview, or a command's own", run_help},
};
const size_t cli_command_count = sizeof cli_commands / sizeof cli_commands[0];

static void print_overview(FILE *to)
{
    fprintf(to, "usage: ampoule COMMAND [options]\n\n"
                "Exchanges cards for single-use tokens and back, and moves messages, over requests signed with your "
                "own key.\n\ncommands:\n");
    for (size_t i = 0; i < cli_command_count; i++)
        fprintf(to, "  %-10s %s\n", cli_commands[i].name, cli_commands[i].summary);
    fprintf(
        to,
        "\nThe daemon and the key are taken from AMPOULE_URL, AMPOULE_CA, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY\n"
        "and AWS_REGION, or from options. `ampoule COMMAND --help` says more about each.\n\n"
        "examples:\n"
        "  ampoule tokenize <card.json          a card in, a token out\n"
        "  ampoule redeem tok_...               the card, once\n"
        "  ampoule listen --queue payments      a gateway: shows the webhooks of a queue\n"
        "  ampoule key create --name shop --may tokenize:payments --state DIR\n"
        "  ampoule bench --duration 10          how fast is it here?\n\n"
        "exit code: 0 done, 1 refused, 2 wrong usage, 3 unreachable\n");
}

static const struct cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (strcmp(cli_commands[i].name, name) == 0)
            return &cli_commands[i];
    return NULL;
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
    struct cli cli = {.command = command};
    const int code = command->run(&cli, argc, argv);
    amp_secret_buf_free(&cli.secret_storage);
    return code;
}

static int run_help(struct cli *cli, int argc, char **argv)
{
    const struct cli_command *command = argc > 1 ? find_command(argv[1]) : NULL;
    char option[] = "--help";
    if (command != NULL && command != cli->command) {
        char *args[] = {argv[1], option, NULL};
        return run_command(command, 2, args);
    }
    if (argc > 1 && command == NULL && argv[1][0] != '-')
        return cli_unknown(cli, "command", argv[1], "`ampoule help`");
    print_overview(stdout);
    return CLI_DONE;
}

int cli_version(struct cli *cli, int argc, char **argv)
{
    static const struct cli_manual manual = {.usage = "[options]", .about = "Prints the version."};
    int code;
    if (!cli_parse(cli, &manual, NULL, 0, argc, argv, &code))
        return code;
    if (cli->arg_count != 0)
        return cli_usage(cli, "that takes no arguments");
    printf(cli->json ? "{\"version\":\"%s\"}\n" : "ampoule %s\n", AMP_VERSION);
    return CLI_DONE;
}

static int run_nothing(int argc, char **argv)
{
    struct cli cli = {.command = NULL};
    for (int i = 1; i < argc; i++)
        cli.json = cli.json || strcmp(argv[i], "--json") == 0;
    if (argc > 1)
        return cli_unknown(&cli, "command", argv[1], "`ampoule help`");
    const int code = cli_usage(&cli, "give a command");
    fputs("\n", stderr);
    print_overview(stderr);
    return code;
}

int cli_run(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_overview(stdout);
        return CLI_DONE;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("ampoule %s\n", AMP_VERSION);
        return CLI_DONE;
    }
    const struct cli_command *command = argc > 1 ? find_command(argv[1]) : NULL;
    return command != NULL ? run_command(command, argc - 1, argv + 1) : run_nothing(argc, argv);
}
