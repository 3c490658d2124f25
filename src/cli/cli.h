/* What every command of `ampoule` shares: its options, its place in the table, its way to speak and to end. */
#ifndef AMP_CLI_CLI_H
#define AMP_CLI_CLI_H

#include "base/slice.h"
#include "secret/secret.h"

/* Exit codes (spec section 11). */
enum cli_exit { CLI_DONE = 0, CLI_REFUSED = 1, CLI_USAGE = 2, CLI_UNREACHABLE = 3 };

/* Where the daemon is and who asks. All texts are borrowed: from the environment, the arguments or `cli`. */
struct cli_connection {
    const char *url;
    const char *ca_file;
    const char *key_id;
    const char *secret; /* from AWS_SECRET_ACCESS_KEY, or read into secret memory from --secret-file */
    const char *secret_file;
    const char *region;
    uint64_t timeout_ms;
};

/* One run of one command. */
struct cli {
    const struct cli_command *command; /* NULL: none that exists */
    bool json;
    struct cli_connection connection;
    struct amp_secret_buf secret_storage;
    char **args; /* what is left behind the options */
    int arg_count;
};

struct cli_command {
    const char *name;
    const char *summary;
    /* argv[0] is the command's name. Returns the process's exit code. */
    int (*run)(struct cli *cli, int argc, char **argv);
};

extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

/* cli/main.c: finds the command in the table and runs it; the exit code. */
int cli_run(int argc, char **argv);

enum cli_kind {
    CLI_FLAG,   /* bool */
    CLI_TEXT,   /* const char *, borrowed from argv */
    CLI_NUMBER, /* uint64_t from `least` to `most` */
    CLI_REAL,   /* double from `least` to `most`, in decimal */
    CLI_LIST,   /* struct cli_list, given once per entry */
};

#define CLI_LIST_MAX 64
struct cli_list {
    const char *entries[CLI_LIST_MAX];
    size_t count;
};

/* One option of a command, as a row of its table. */
struct cli_option {
    const char *name;
    const char *label; /* of its value; NULL for flags */
    const char *help;
    enum cli_kind kind;
    void *into;
    uint64_t least;
    uint64_t most;
};

#define CLI_OPTION_FLAG(name, help, into)                                                                              \
    {                                                                                                                  \
        name, NULL, help, CLI_FLAG, into, 0, 0                                                                         \
    }
#define CLI_OPTION_TEXT(name, label, help, into)                                                                       \
    {                                                                                                                  \
        name, label, help, CLI_TEXT, into, 0, 0                                                                        \
    }
#define CLI_OPTION_NUMBER(name, label, help, into, min, max)                                                           \
    {                                                                                                                  \
        name, label, help, CLI_NUMBER, into, min, max                                                                  \
    }
#define CLI_OPTION_REAL(name, label, help, into, min, max)                                                             \
    {                                                                                                                  \
        name, label, help, CLI_REAL, into, min, max                                                                    \
    }
#define CLI_OPTION_LIST(name, label, help, into)                                                                       \
    {                                                                                                                  \
        name, label, help, CLI_LIST, into, 0, 0                                                                        \
    }

/* What `ampoule COMMAND --help` says. */
struct cli_manual {
    const char *usage; /* behind "ampoule COMMAND " */
    const char *about;
    const char *examples;
    bool connects; /* also takes the options that say where the daemon is */
};

/*
 * Reads the options (getopt_long) into the rows' places and leaves the rest in cli->args. False where the command is to
 * end now with *exit_code: help was asked for, or the usage is wrong. No value is ever repeated in a message.
 */
bool cli_parse(struct cli *cli, const struct cli_manual *manual, const struct cli_option *options, size_t count,
               int argc, char **argv, int *exit_code) AMP_MUST_USE;

/* Says why the usage is wrong (as JSON on standard output with --json) and returns CLI_USAGE. `sentence` repeats
 * nothing that was given. */
int cli_usage(const struct cli *cli, const char *sentence);
/* The same for a command or option (`what`) that is none. `given` is repeated only as far as it cannot be data given by
 * mistake, as in --number=4111...; `see` says what to read. */
int cli_unknown(const struct cli *cli, const char *what, const char *given, const char *see);
/* The same for any end: `code` is the stable word for machines. Returns `exit_code`. */
int cli_fail(const struct cli *cli, int exit_code, const char *code, const char *sentence);

/* Checks that url, key id and secret are there, reading --secret-file; otherwise says what is missing: the exit code.
 */
int cli_connection_ready(struct cli *cli) AMP_MUST_USE;

#endif
