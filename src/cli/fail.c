#include <stdio.h>

#include "cli/cli.h"
#include "wire/json.h"

int cli_fail(const struct cli *cli, int exit_code, const char *code, const char *sentence)
{
    uint8_t storage[2048];
    struct amp_out out = amp_out(storage, sizeof storage);
    amp_out_str(&out, "{\"error\":{\"code\":");
    amp_json_write_string(&out, amp_slice_str(code));
    amp_out_str(&out, ",\"message\":");
    amp_json_write_string(&out, amp_slice_str(sentence));
    amp_out_str(&out, "}}");
    if (cli->json)
        printf("%.*s\n", (int)out.len, (const char *)out.ptr);
    if (cli->command != NULL)
        fprintf(stderr, "ampoule %s: %s\n", cli->command->name, sentence);
    else
        fprintf(stderr, "ampoule: %s\n", sentence);
    return exit_code;
}

int cli_usage(const struct cli *cli, const char *sentence)
{
    return cli_fail(cli, CLI_USAGE, "usage", sentence);
}
