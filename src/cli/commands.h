/* The commands that the table of commands.c names. Each reads its own options; all return the exit code. */
#ifndef AMP_CLI_COMMANDS_H
#define AMP_CLI_COMMANDS_H

#include "cli/cli.h"

int cli_tokenize(struct cli *cli, int argc, char **argv);
int cli_redeem(struct cli *cli, int argc, char **argv);
int cli_claim(struct cli *cli, int argc, char **argv);
int cli_commit(struct cli *cli, int argc, char **argv);
int cli_abort(struct cli *cli, int argc, char **argv);
int cli_inspect(struct cli *cli, int argc, char **argv);
int cli_revoke(struct cli *cli, int argc, char **argv);
int cli_send(struct cli *cli, int argc, char **argv);
int cli_receive(struct cli *cli, int argc, char **argv);
int cli_queue(struct cli *cli, int argc, char **argv);
int cli_subscribe(struct cli *cli, int argc, char **argv);
int cli_listen(struct cli *cli, int argc, char **argv);
int cli_stats(struct cli *cli, int argc, char **argv);
int cli_key(struct cli *cli, int argc, char **argv);
int cli_version(struct cli *cli, int argc, char **argv);

#endif
