#include <stdio.h>
#include <string.h>

#include "cli/bench/bench.h"
#include "cli/cli.h"

static int run_help(struct cli *cli, int argc, char **argv);

const struct cli_command cli_commands[] = {
    {"bench", "load a server with signed requests and measure", cli_bench},
    {"help", "this overview", run_help},
};
const size_t cli_command_count = sizeof cli_commands / sizeof cli_commands[0];

static void print_overview(FILE *to)
{
    fprintf(to, "usage: ampoule COMMAND [options]\n\ncommands:\n");
    for (size_t i = 0; i < cli_command_count; i++)
        fprintf(to, "  %-10s %s\n", cli_commands[i].name, cli_commands[i].summary);
    fprintf(to, "\n`ampoule COMMAND --help` says more.\n");
}

static int run_help(struct cli *cli, int argc, char **argv)
{
    print_overview(stdout);
    return CLI_DONE;
}

int cli_run(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < cli_command_count; i++) {
        if (strcmp(cli_commands[i].name, argv[1]) == 0) {
            struct cli cli = {.command = &cli_commands[i]};
            const int code = cli_commands[i].run(&cli, argc - 1, argv + 1);
            amp_secret_buf_free(&cli.secret_storage);
            return code;
        }
    }
    print_overview(stderr);
    return CLI_USAGE;
}
