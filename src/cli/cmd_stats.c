#include "cli/commands.h"
#include "cli/session.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static const struct cli_manual manual = {
    .usage = "[options]",
    .about = "Shows how much of everything there is in the daemon now: tokens, messages, deliveries, connections.\n"
             "It takes a key that may manage every queue.",
    .examples = "  ampoule stats\n"
                "  ampoule stats --watch 2\n"
                "  ampoule stats --json\n",
    .connects = true,
};

static const struct row {
    const char *label;
    const char *path; /* NULL: a heading */
    const char *unit;
} rows[] = {
    {"tokens", NULL, NULL},
    {"  live", "vault.live", ""},
    {"  claimed", "vault.claimed", ""},
    {"  used or gone", "vault.tombstones", " remembered"},
    {"  memory", "vault.bytes", " bytes"},
    {"queues", "queues.count", ""},
    {"  messages", "queues.messages", ""},
    {"  in flight", "queues.in_flight", ""},
    {"  long polls", "queues.waiting", ""},
    {"  memory", "queues.bytes", " bytes"},
    {"push", NULL, NULL},
    {"  subscriptions", "push.subscriptions", ""},
    {"  pending", "push.pending", ""},
    {"  under way", "push.under_way", ""},
    {"connections", "connections", ""},
    {"  waiting", "parked", ""},
    {"uptime", "uptime_ms", " ms"},
};

#define LABEL_WIDTH 18

static void show_row(struct cli_page *page, struct amp_client_reply *reply, const struct row *row)
{
    const char *value = row->path != NULL ? amp_client_reply_text(reply, row->path) : "";
    if (value == NULL)
        return; /* a daemon of another version */
    cli_page_text(page, row->label);
    for (size_t i = strlen(row->label); row->path != NULL && i < LABEL_WIDTH; i++)
        cli_page_text(page, " ");
    cli_page_text(page, value);
    cli_page_text(page, row->path != NULL ? row->unit : "");
    cli_page_text(page, "\n");
}

static int show_once(struct cli *cli, struct amp_client *client, bool clear)
{
    struct amp_client_request request = AMP_CLIENT_REQUEST_INIT;
    struct amp_client_reply *reply = NULL;
    struct cli_page page = {.failed = false};
    int code;
    request.target = "/v1/stats";
    const enum amp_client_status status = amp_client_call(client, &request, &reply);
    if (status != AMP_CLIENT_OK) {
        code = cli_session_failed(cli, client, status);
    } else if (cli->json) {
        code = cli_print_json(cli, reply);
    } else {
        if (clear)
            cli_page_text(&page, "\x1b[H\x1b[2J");
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            show_row(&page, reply, &rows[i]);
        code = cli_page_end(cli, &page);
    }
    amp_client_reply_free(reply);
    return code;
}

int cli_stats(struct cli *cli, int argc, char **argv)
{
    uint64_t watch_s = 0;
    const struct cli_option options[] = {
        CLI_OPTION_NUMBER("watch", "S", "again every so many seconds, until Ctrl-C", &watch_s, 1, 3600),
    };
    int code;
    if (!cli_parse(cli, &manual, options, sizeof options / sizeof options[0], argc, argv, &code))
        return code;
    if (cli->arg_count > 0)
        return cli_usage(cli, "that takes options alone");
    struct amp_client *client = cli_session_open(cli, &code);
    if (client == NULL)
        return code;
    const bool clear = watch_s > 0 && !cli->json && isatty(STDOUT_FILENO) == 1;
    code = show_once(cli, client, clear);
    while (code == CLI_DONE && watch_s > 0 && poll(NULL, 0, (int)watch_s * 1000) == 0)
        code = show_once(cli, client, clear);
    amp_client_free(client);
    return code;
}
