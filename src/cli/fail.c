#include <stdio.h>

#include "cli/cli.h"

int cli_fail(const struct cli *cli, int exit_code, const char *code, const char *sentence)
{
    if (cli->json)
        printf("{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n", code, sentence);
    fprintf(stderr, "ampoule %s: %s\n", cli->command->name, sentence);
    return exit_code;
}

int cli_usage(const struct cli *cli, const char *sentence)
{
    return cli_fail(cli, CLI_USAGE, "usage", sentence);
}
