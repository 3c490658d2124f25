#include "cli/commands.h"
#include "cli/sqs.h"

#include <stdio.h>

#define MOST_AT_ONCE 10
#define FOLLOW_S     20 /* longest wait of the API */
#define NO_NUMBER    UINT64_MAX

struct wish {
    uint64_t max;
    uint64_t wait_s;
    uint64_t visibility_s;
    bool delete;
    bool follow;
};

static const struct cli_manual manual = {
    .usage = "QUEUE [options]",
    .about = "Takes messages out of a queue and prints their bodies, each with a newline behind it; with --json each\n"
             "message whole, as one line of JSON. Without --delete they stay in the queue and can be received again\n"
             "when their visibility timeout is over; with it, each is deleted once it was printed.",
    .examples = "  ampoule receive orders\n"
                "  ampoule receive orders --max 10 --wait 20 --delete\n"
                "  ampoule receive orders --follow --delete --json | while read -r message; do ...; done\n",
    .connects = true,
};

static void put_all(struct amp_client_draft *draft, const char *name)
{
    amp_client_draft_open(draft, name, '[');
    amp_client_draft_string(draft, NULL, "All");
    amp_client_draft_close(draft, ']');
}

static int receive(struct cli *cli, struct amp_client *client, const struct wish *wish, struct amp_client_reply **reply)
{
    struct amp_client_draft draft = {.bad = false};
    cli_sqs_begin(&draft, cli, cli->args[0]);
    amp_client_draft_number(&draft, "MaxNumberOfMessages", wish->max);
    amp_client_draft_number(&draft, "WaitTimeSeconds", wish->wait_s);
    if (wish->visibility_s != NO_NUMBER)
        amp_client_draft_number(&draft, "VisibilityTimeout", wish->visibility_s);
    put_all(&draft, "AttributeNames");
    put_all(&draft, "MessageAttributeNames");
    return cli_sqs_call(cli, client, AMP_SQS_RECEIVE_MESSAGE, &draft, (uint32_t)wish->wait_s, reply);
}

static const char *member(struct amp_client_reply *reply, size_t i, const char *name)
{
    char path[48];
    snprintf(path, sizeof path, "Messages.%zu%s", i, name);
    return amp_client_reply_text(reply, path);
}

/* One message to standard output; deleted only when it is there. */
static int take(struct cli *cli, struct amp_client *client, const struct wish *wish, struct amp_client_reply *reply,
                size_t i)
{
    struct amp_client_draft draft = {.bad = false};
    struct amp_client_reply *deleted = NULL;
    const char *text = member(reply, i, cli->json ? "" : ".Body");
    const char *receipt = member(reply, i, ".ReceiptHandle");
    if (text == NULL || receipt == NULL)
        return cli_fail(cli, CLI_UNREACHABLE, "malformed_answer", "a message in the answer lacks its body or receipt");
    int code = cli_print_line(cli, text);
    if (code != CLI_DONE || !wish->delete)
        return code;
    cli_sqs_begin(&draft, cli, cli->args[0]);
    amp_client_draft_string(&draft, "ReceiptHandle", receipt);
    code = cli_sqs_call(cli, client, AMP_SQS_DELETE_MESSAGE, &draft, 0, &deleted);
    amp_client_reply_free(deleted);
    return code;
}

static int receive_once(struct cli *cli, struct amp_client *client, const struct wish *wish)
{
    struct amp_client_reply *reply = NULL;
    int code = receive(cli, client, wish, &reply);
    for (size_t i = 0; code == CLI_DONE && member(reply, i, "") != NULL; i++)
        code = take(cli, client, wish, reply, i);
    amp_client_reply_free(reply);
    return code;
}

int cli_receive(struct cli *cli, int argc, char **argv)
{
    struct wish wish = {.max = 1, .wait_s = NO_NUMBER, .visibility_s = NO_NUMBER};
    const struct cli_option options[] = {
        CLI_OPTION_NUMBER("max", "N", "most messages at a time; default 1", &wish.max, 1, MOST_AT_ONCE),
        CLI_OPTION_NUMBER("wait", "S", "wait for the first; default 0, with --follow 20", &wish.wait_s, 0, FOLLOW_S),
        CLI_OPTION_NUMBER("visibility", "S", "hide them from others that long; default as the queue says",
                          &wish.visibility_s, 0, 43200),
        CLI_OPTION_FLAG("delete", "delete each once it was printed", &wish.delete),
        CLI_OPTION_FLAG("follow", "go on until Ctrl-C", &wish.follow),
    };
    int code;
    if (!cli_parse(cli, &manual, options, sizeof options / sizeof options[0], argc, argv, &code))
        return code;
    if (cli->arg_count != 1 || cli->args[0][0] == '\0')
        return cli_usage(cli, "give one queue");
    if (wish.follow && wish.wait_s == 0)
        return cli_usage(cli, "--follow has to wait: --wait 1 or more");
    if (wish.wait_s == NO_NUMBER)
        wish.wait_s = wish.follow ? FOLLOW_S : 0;
    struct amp_client *client = cli_session_open(cli, &code);
    if (client == NULL)
        return code;
    do
        code = receive_once(cli, client, &wish);
    while (code == CLI_DONE && wish.follow);
    amp_client_free(client);
    return code;
}
