#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>

#include "base/text.h"

static const char help[] =
    "Usage: ampouled --config FILE [--check-config] [--starters DIR]\n"
    "       ampouled --dev --state DIR [--listen ADDRESS:PORT] [--workers N]\n"
    "\n"
    "Moves cardholder data between systems without leaving it readable, forgeable or lying around.\n"
    "\n"
    "  --config FILE          serve as FILE (YAML) says\n"
    "  --check-config         say whether FILE is good, and end\n"
    "  --starters DIR         have each role started by who listens on DIR/ROLE, as a user of its own: by systemd\n"
    "  --starter ROLE         be what such a unit runs, standard input its connection\n"
    "  --dev                  development mode: loopback only, keys that die with the process, a first key in dev.env\n"
    "  --state DIR            development mode's directory, made where it does not exist\n"
    "  --listen ADDRESS:PORT  development mode's address (127.0.0.1:8443); port 0 picks a free one\n"
    "  --workers N            development mode's event loops (one for each processor)\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM finishes what is under way and ends; SIGHUP reads FILE and the TLS files again.\n"
    "Exit status: 0 ended as asked, 1 failed, 2 wrong usage or configuration.\n";

void amp_options_print_help(void)
{
    fputs(help, stdout);
}

enum option_id {
    OPTION_CONFIG = 256,
    OPTION_CHECK,
    OPTION_DEV,
    OPTION_STATE,
    OPTION_LISTEN,
    OPTION_WORKERS,
    OPTION_STARTERS,
    OPTION_STARTER,
    OPTION_ROLE,
    OPTION_RESUME,
    OPTION_USER,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option table[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"check-config", no_argument, NULL, OPTION_CHECK},
    {"dev", no_argument, NULL, OPTION_DEV},
    {"state", required_argument, NULL, OPTION_STATE},
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"workers", required_argument, NULL, OPTION_WORKERS},
    {"starters", required_argument, NULL, OPTION_STARTERS},
    {"starter", required_argument, NULL, OPTION_STARTER},
    {"role", required_argument, NULL, OPTION_ROLE},
    {"resume", required_argument, NULL, OPTION_RESUME},
    {"user", required_argument, NULL, OPTION_USER},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static void wrong(struct amp_options *options, const char *why)
{
    options->wish = AMP_WISH_ERROR;
    fprintf(stderr, "ampouled: %s\nTry 'ampouled --help'.\n", why);
}

static void take(struct amp_options *options, int id)
{
    uint64_t number;
    switch (id) {
    case OPTION_CONFIG:
        options->config = optarg;
        return;
    case OPTION_CHECK:
        options->wish = AMP_WISH_CHECK;
        return;
    case OPTION_DEV:
        options->dev = true;
        return;
    case OPTION_STATE:
        options->state = optarg;
        return;
    case OPTION_LISTEN:
        options->listen = optarg;
        return;
    case OPTION_WORKERS:
        if (amp_u64_parse(&number, amp_slice_str(optarg), AMP_CONFIG_WORKERS_MAX) != AMP_OK || number == 0)
            wrong(options, "--workers takes a number from 1 to 64");
        else
            options->workers = (uint32_t)number;
        return;
    case OPTION_STARTERS:
        options->starters = optarg;
        return;
    case OPTION_STARTER:
        options->wish = AMP_WISH_STARTER;
        options->role = optarg;
        return;
    case OPTION_ROLE:
        options->wish = AMP_WISH_ROLE;
        options->role = optarg;
        return;
    case OPTION_RESUME:
        options->resume = optarg;
        return;
    case OPTION_USER:
        options->user = optarg;
        return;
    case OPTION_HELP:
        options->wish = AMP_WISH_HELP;
        return;
    case OPTION_VERSION:
        options->wish = AMP_WISH_VERSION;
        return;
    default:
        options->wish = AMP_WISH_ERROR; /* getopt has said why */
        return;
    }
}

static void check_whole(struct amp_options *options)
{
    if (options->dev && options->config != NULL)
        wrong(options, "--dev and --config exclude each other");
    else if (!options->dev && options->config == NULL)
        wrong(options, "either --config FILE or --dev --state DIR is needed");
    else if (options->dev && options->state == NULL)
        wrong(options, "--dev needs --state DIR");
    else if (!options->dev && (options->state != NULL || options->listen != NULL || options->workers != 0))
        wrong(options, "--state, --listen and --workers belong to --dev: the configuration file says it otherwise");
    else if (options->dev && options->starters != NULL)
        wrong(options, "--starters is not for development mode");
    else if (options->resume != NULL || options->user != NULL)
        wrong(options, "--resume and --user belong to --role, which is the supervisor's own");
    else if (options->dev && options->wish == AMP_WISH_CHECK)
        wrong(options, "--check-config needs --config FILE");
}

void amp_options_parse(struct amp_options *out, int argc, char **argv)
{
    *out = (struct amp_options){.wish = AMP_WISH_SERVE};
    int id;
    while (out->wish != AMP_WISH_ERROR && (id = getopt_long(argc, argv, "", table, NULL)) != -1)
        take(out, id);
    if (out->wish != AMP_WISH_ERROR && optind < argc)
        wrong(out, "there are no arguments beside the options");
    if (out->wish == AMP_WISH_SERVE || out->wish == AMP_WISH_CHECK)
        check_whole(out);
    if (out->dev && out->listen == NULL)
        out->listen = "127.0.0.1:8443";
}
