/* The commands that name one token or one claim. */
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/session.h"

#include <ctype.h>

#define SUBJECT_MAX 128

/* The token or claim: the one argument, or with none (or "-") the first line of standard input. */
static const char *take_subject(struct cli *cli, const char *what, struct amp_secret_buf *storage, int *exit_code)
{
    *exit_code = CLI_USAGE;
    if (cli->arg_count > 1 || (cli->arg_count == 1 && cli->args[0][0] == '\0')) {
        cli_usage(cli, "give one token or claim, or none to read it from standard input");
        return NULL;
    }
    if (cli->arg_count == 1 && strcmp(cli->args[0], "-") != 0)
        return cli->args[0];
    const enum amp_err err =
        cli_input_is_terminal() ? cli_input_ask(storage, what, false) : cli_input_all(storage, CLI_INPUT_MAX);
    size_t len = 0;
    while (err == AMP_OK && len < storage->len && isspace(storage->ptr[len]) == 0)
        len++;
    if (len == 0 || len > SUBJECT_MAX || amp_secret_buf_reserve(storage, 1) != AMP_OK) {
        cli_usage(cli, "nothing that could be a token or claim came on standard input");
        return NULL;
    }
    storage->ptr[len] = '\0';
    return (const char *)storage->ptr;
}

/* What one of these commands asks, and how it shows the answer to people. */
struct act {
    const char *question; /* at a terminal */
    enum amp_client_status (*ask)(struct amp_client *client, const char *subject, struct amp_client_reply **reply);
    void (*show)(struct cli_page *page, struct amp_client_reply *reply);
};

static int perform(struct cli *cli, const struct act *act)
{
    struct amp_secret_buf storage = {NULL, 0, 0};
    struct amp_client_reply *reply = NULL;
    struct cli_page page = {.failed = false};
    int code;
    struct amp_client *client = cli_session_open(cli, &code);
    if (client == NULL)
        return code;
    const char *subject = take_subject(cli, act->question, &storage, &code);
    if (subject == NULL)
        goto out;
    const enum amp_client_status status = act->ask(client, subject, &reply);
    if (status != AMP_CLIENT_OK) {
        code = cli_session_failed(cli, client, status);
    } else if (cli->json && reply != NULL) {
        code = cli_print_json(cli, reply);
    } else if (cli->json) {
        cli_page_text(&page, "{}\n");
        code = cli_page_end(cli, &page);
    } else {
        act->show(&page, reply);
        code = cli_page_end(cli, &page);
    }
out:
    amp_client_reply_free(reply);
    amp_client_free(client);
    amp_secret_buf_free(&storage);
    return code;
}

static int parse_and_perform(struct cli *cli, const struct cli_manual *manual, const struct act *act, int argc,
                             char **argv)
{
    int code;
    if (!cli_parse(cli, manual, NULL, 0, argc, argv, &code))
        return code;
    return perform(cli, act);
}

/* The sealed content as JSON: what the caller came for. */
static void show_content(struct cli_page *page, struct amp_client_reply *reply)
{
    const char *card = amp_client_reply_text(reply, "card");
    const char *data = card != NULL ? card : amp_client_reply_text(reply, "data");
    cli_page_text(page, data != NULL ? data : "null");
    cli_page_text(page, "\n");
}

static void show_nothing(struct cli_page *page, struct amp_client_reply *reply)
{
    (void)page;
    (void)reply;
}

/* ---- redeem ---- */

static enum amp_client_status ask_redeem(struct amp_client *client, const char *token, struct amp_client_reply **reply)
{
    return amp_client_redeem(client, token, NULL, reply);
}

int cli_redeem(struct cli *cli, int argc, char **argv)
{
    static const struct act act = {"token: ", ask_redeem, show_content};
    static const struct cli_manual manual = {
        .usage = "[TOKEN] [options]",
        .about =
            "Takes the card (or data) behind a token, once: then it is gone. Prints it as JSON on standard output.\n"
            "Without TOKEN, or with -, the token is read from standard input: arguments can be seen by other users.",
        .examples = "  ampoule redeem tok_...\n"
                    "  ampoule tokenize <card.json --json | jq -r .token | ampoule redeem | jq -r .number\n",
        .connects = true,
    };
    return parse_and_perform(cli, &manual, &act, argc, argv);
}

/* ---- claim, commit, abort ---- */

static uint64_t lease_ms;
static const char *claim_key;

static enum amp_client_status ask_claim(struct amp_client *client, const char *token, struct amp_client_reply **reply)
{
    return amp_client_claim(client, token, lease_ms, claim_key, reply);
}

static void show_claim(struct cli_page *page, struct amp_client_reply *reply)
{
    cli_page_row(page, "claim", amp_client_reply_text(reply, "claim"));
    cli_page_row(page, "lease until", amp_client_reply_text(reply, "lease_expires_at"));
    cli_page_row(page, "card", amp_client_reply_text(reply, "card"));
    cli_page_row(page, "data", amp_client_reply_text(reply, "data"));
    cli_page_row(page, "metadata", amp_client_reply_text(reply, "metadata"));
}

int cli_claim(struct cli *cli, int argc, char **argv)
{
    static const struct act act = {"token: ", ask_claim, show_claim};
    static const struct cli_manual manual = {
        .usage = "[TOKEN] [options]",
        .about =
            "Takes a token for a while: nobody else can claim it until the lease ends. Prints the claim and the card.\n"
            "Then `ampoule commit CLAIM` destroys the content, `ampoule abort CLAIM` frees the token again.",
        .examples = "  ampoule claim tok_... --lease-ms 30000\n",
        .connects = true,
    };
    const struct cli_option options[] = {
        CLI_OPTION_NUMBER("lease-ms", "MS", "how long; default and most as the server says", &lease_ms, 1, 3600000),
        CLI_OPTION_TEXT("idempotency-key", "KEY", "repeat the same claim safely", &claim_key),
    };
    int code;
    if (!cli_parse(cli, &manual, options, sizeof options / sizeof options[0], argc, argv, &code))
        return code;
    return perform(cli, &act);
}

static enum amp_client_status ask_commit(struct amp_client *client, const char *claim, struct amp_client_reply **reply)
{
    *reply = NULL;
    return amp_client_commit(client, claim);
}

int cli_commit(struct cli *cli, int argc, char **argv)
{
    static const struct act act = {"claim: ", ask_commit, show_nothing};
    static const struct cli_manual manual = {
        .usage = "[CLAIM] [options]",
        .about = "Ends a claim for good: the content is destroyed.",
        .examples = "  ampoule commit clm_...\n",
        .connects = true,
    };
    return parse_and_perform(cli, &manual, &act, argc, argv);
}

static enum amp_client_status ask_abort(struct amp_client *client, const char *claim, struct amp_client_reply **reply)
{
    *reply = NULL;
    return amp_client_abort(client, claim);
}

int cli_abort(struct cli *cli, int argc, char **argv)
{
    static const struct act act = {"claim: ", ask_abort, show_nothing};
    static const struct cli_manual manual = {
        .usage = "[CLAIM] [options]",
        .about = "Gives a claim back: the token can be claimed again, until it expires.",
        .examples = "  ampoule abort clm_...\n",
        .connects = true,
    };
    return parse_and_perform(cli, &manual, &act, argc, argv);
}

/* ---- inspect, revoke ---- */

static void show_inspected(struct cli_page *page, struct amp_client_reply *reply)
{
    cli_page_row(page, "state", amp_client_reply_text(reply, "state"));
    cli_page_card(page, reply, "card");
    cli_page_row(page, "queue", amp_client_reply_text(reply, "queue"));
    cli_page_row(page, "expires", amp_client_reply_text(reply, "expires_at"));
}

int cli_inspect(struct cli *cli, int argc, char **argv)
{
    static const struct act act = {"token: ", amp_client_inspect, show_inspected};
    static const struct cli_manual manual = {
        .usage = "[TOKEN] [options]",
        .about = "Shows a token's masked card, state and expiry. Consumes nothing.",
        .examples = "  ampoule inspect tok_...\n",
        .connects = true,
    };
    return parse_and_perform(cli, &manual, &act, argc, argv);
}

static enum amp_client_status ask_revoke(struct amp_client *client, const char *token, struct amp_client_reply **reply)
{
    *reply = NULL;
    return amp_client_revoke(client, token);
}

int cli_revoke(struct cli *cli, int argc, char **argv)
{
    static const struct act act = {"token: ", ask_revoke, show_nothing};
    static const struct cli_manual manual = {
        .usage = "[TOKEN] [options]",
        .about = "Destroys a token that nobody has claimed.",
        .examples = "  ampoule revoke tok_...\n",
        .connects = true,
    };
    return parse_and_perform(cli, &manual, &act, argc, argv);
}
