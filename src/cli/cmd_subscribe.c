#include "cli/commands.h"
#include "cli/input.h"
#include "cli/subscriptions.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "client/key.h"
#include "client/path.h"

#define JWK_MAX        4096
#define PATH_MAX_BYTES 128
#define TEST_WAIT_MS   10000 /* the daemon gives the endpoint that long */

struct wish {
    const char *jwk_file;
    const char *description;
    bool ordered;
};

static const struct cli_manual manual = {
    .usage = "QUEUE URL [options]\n"
             "       ampoule subscribe list|delete|rotate|test [ID] [options]",
    .about = "Has the messages of a queue pushed to a URL, as signed webhooks (standardwebhooks.com).\n"
             "  QUEUE URL     a new subscription; its secret is shown once\n"
             "  list          every one of the queues that the key may manage\n"
             "  delete ID     ends one: nothing more is pushed\n"
             "  rotate ID     a new secret; the old one signs as well for a day\n"
             "  test ID       pushes a test message now and says what came of it",
    .examples = "  ampoule subscribe payments https://gateway.example.com/ampoule\n"
                "  ampoule subscribe payments https://gateway.example.com/ampoule --jwk public.jwk --ordered\n"
                "  ampoule subscribe test sub_...\n"
                "  ampoule listen --queue payments          a gateway for trying it out\n",
    .connects = true,
};

/* ---- a new one ---- */

/* The file's text, NUL-terminated; false where it cannot be read or is no JSON. */
static bool read_jwk(const char *path, char text[JWK_MAX + 1])
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = 0;
    if (fd < 0)
        return false;
    while (len < JWK_MAX && (got = read(fd, text + len, JWK_MAX - len)) > 0)
        len += (size_t)got;
    close(fd);
    text[len] = '\0';
    return got == 0 && len > 0 && amp_client_path_valid(amp_slice(text, len));
}

/*
 * A private key, or a secret one, does not belong in a request: the daemon would refuse it, but it would have left this
 * machine. Nor does a set of keys, which may hold one (RFC 7517 section 5, RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
 */
static bool is_private(const char *jwk)
{
    static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "keys"};
    struct amp_slice found;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (amp_client_path_find(amp_slice_str(jwk), members[i], &found))
            return true;
    return false;
}

/* What is wrong with the file, as a sentence; NULL where it holds what may be sent. */
static const char *take_jwk(const char *path, char jwk[JWK_MAX + 1])
{
    const char *wrong = NULL;
    if (!read_jwk(path, jwk))
        wrong = "--jwk names a file with one JSON Web Key, at most 4096 bytes";
    else if (is_private(jwk))
        wrong = "--jwk is a private key, a secret one or a set: give one public key, without d, p, q, dp, dq and qi";
    if (wrong != NULL)
        amp_wipe(jwk, JWK_MAX + 1);
    return wrong;
}

static void show_new(struct cli_page *page, struct amp_client_reply *reply)
{
    cli_page_row(page, "id", amp_client_reply_text(reply, "id"));
    cli_page_row(page, "secret", amp_client_reply_text(reply, "secret"));
    cli_page_row(page, "key", amp_client_reply_text(reply, "kid"));
    cli_page_row(page, "old until", amp_client_reply_text(reply, "older_expires_at"));
    cli_page_text(page, "\nThe secret is not shown again.\n");
}

static int show(struct cli *cli, struct amp_client_reply *reply)
{
    struct cli_page page = {.failed = false};
    if (cli->json)
        return cli_print_json(cli, reply);
    show_new(&page, reply);
    return cli_page_end(cli, &page);
}

/* One whose secret nobody has read is of no use to anybody. */
static int show_or_delete(struct cli *cli, struct amp_client *client, struct amp_client_reply *reply)
{
    const int code = show(cli, reply);
    const char *id = amp_client_reply_text(reply, "id");
    if (code != CLI_DONE && id != NULL && cli_subscription_id_valid(id))
        (void)(cli_subscription_delete(client, id) == AMP_CLIENT_OK);
    return code;
}

static int subscribe(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    char jwk[JWK_MAX + 1];
    struct amp_client_reply *reply = NULL;
    const char *wrong = wish->jwk_file != NULL ? take_jwk(wish->jwk_file, jwk) : NULL;
    if (wrong != NULL)
        return cli_usage(cli, wrong);
    const struct cli_subscription wanted = {
        .queue = cli->args[0],
        .url = cli->args[1],
        .jwk = wish->jwk_file != NULL ? jwk : NULL,
        .description = wish->description,
        .ordered = wish->ordered,
    };
    int code = cli_subscription_create(cli, client, &wanted, &reply);
    if (code == CLI_DONE)
        code = show_or_delete(cli, client, reply);
    amp_client_reply_free(reply);
    return code;
}

/* ---- those there are ---- */

static void show_listed(struct cli_page *page, struct amp_client_reply *reply, size_t i)
{
    static const char *const names[] = {"id", "state", "queue", "url", "description"};
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        char path[64];
        snprintf(path, sizeof path, "subscriptions.%zu.%s", i, names[n]);
        const char *text = amp_client_reply_text(reply, path);
        if (text == NULL)
            continue;
        cli_page_text(page, n > 0 ? "  " : "");
        cli_page_text(page, text);
    }
    cli_page_text(page, "\n");
}

static int list(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_request request = AMP_CLIENT_REQUEST_INIT;
    struct amp_client_reply *reply = NULL;
    struct cli_page page = {.failed = false};
    char path[48] = "subscriptions.0";
    (void)wish;
    request.target = "/v1/subscriptions";
    const enum amp_client_status status = amp_client_call(client, &request, &reply);
    if (status != AMP_CLIENT_OK)
        return cli_session_failed(cli, client, status);
    if (cli->json) {
        const int code = cli_print_json(cli, reply);
        amp_client_reply_free(reply);
        return code;
    }
    for (size_t i = 0; amp_client_reply_text(reply, path) != NULL;) {
        show_listed(&page, reply, i);
        snprintf(path, sizeof path, "subscriptions.%zu", ++i);
    }
    amp_client_reply_free(reply);
    return cli_page_end(cli, &page);
}

static int delete (struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    (void)wish;
    const enum amp_client_status status = cli_subscription_delete(client, cli->args[1]);
    if (status != AMP_CLIENT_OK)
        return cli_session_failed(cli, client, status);
    if (cli->json)
        printf("{}\n");
    return CLI_DONE;
}

static enum amp_client_status post(struct amp_client *client, const char *id, const char *what, const char *key,
                                   uint32_t wait_ms, struct amp_client_reply **reply)
{
    struct amp_client_request request = AMP_CLIENT_REQUEST_INIT;
    char target[PATH_MAX_BYTES];
    snprintf(target, sizeof target, "/v1/subscriptions/%s/%s", id, what);
    request.target = target;
    request.body = "{}";
    request.body_len = 2;
    request.idempotency_key = key;
    request.wait_ms = wait_ms;
    return amp_client_call(client, &request, reply);
}

static int rotate(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    char key[AMP_CLIENT_KEY_LEN + 1];
    struct amp_client_reply *reply = NULL;
    (void)wish;
    const enum amp_client_status status = post(client, cli->args[1], "rotate", amp_client_key_make(key), 0, &reply);
    const int code = status == AMP_CLIENT_OK ? show(cli, reply) : cli_session_failed(cli, client, status);
    amp_client_reply_free(reply);
    return code;
}

/* "delivered   204", or why not. */
static int show_test(struct cli *cli, struct amp_client_reply *reply)
{
    struct cli_page page = {.failed = false};
    const char *delivered = amp_client_reply_text(reply, "delivered");
    const char *http_status = amp_client_reply_text(reply, "status");
    const char *code = amp_client_reply_text(reply, "code");
    const bool done = delivered != NULL && strcmp(delivered, "true") == 0;
    const char *const parts[] = {
        done           ? ""
        : code != NULL ? code
                       : "",
        !done && http_status != NULL ? " " : "",
        http_status != NULL ? http_status : "",
        NULL,
    };
    int ended;
    if (cli->json) {
        ended = cli_print_json(cli, reply);
    } else {
        cli_page_row_of(&page, done ? "delivered" : "failed", parts);
        ended = cli_page_end(cli, &page);
    }
    return ended == CLI_DONE && !done ? CLI_REFUSED : ended;
}

static int test(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_reply *reply = NULL;
    (void)wish;
    const enum amp_client_status status = post(client, cli->args[1], "test", NULL, TEST_WAIT_MS, &reply);
    const int code = status == AMP_CLIENT_OK ? show_test(cli, reply) : cli_session_failed(cli, client, status);
    amp_client_reply_free(reply);
    return code;
}

/* ---- the command ---- */

static const struct verb {
    const char *name;
    bool takes_id;
    int (*run)(struct cli *cli, const struct wish *wish, struct amp_client *client);
} verbs[] = {
    {"list", false, list},
    {"delete", true, delete},
    {"rotate", true, rotate},
    {"test", true, test},
};
static const struct verb make = {"", false, subscribe};

/* Whatever the queue is called: a URL behind it says that it is one. */
static const struct verb *find_verb(const struct cli *cli)
{
    if (cli->arg_count == 2 && strstr(cli->args[1], "://") != NULL)
        return &make;
    for (size_t i = 0; cli->arg_count > 0 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, cli->args[0]) == 0)
            return &verbs[i];
    return NULL;
}

/* What is wrong, as a sentence; NULL where all is well. */
static const char *judge(const struct cli *cli, const struct verb *verb, const struct wish *wish)
{
    if (verb == NULL)
        return "give QUEUE and URL, or list, delete ID, rotate ID, test ID";
    if (verb != &make && cli->arg_count != (verb->takes_id ? 2 : 1))
        return verb->takes_id ? "give one subscription's id" : "that takes options alone";
    if (verb->takes_id && !cli_subscription_id_valid(cli->args[1]))
        return "a subscription's id is sub_ and letters and digits; see `ampoule subscribe list`";
    if (verb != &make && (wish->jwk_file != NULL || wish->description != NULL || wish->ordered))
        return "--jwk, --description and --ordered go with a new subscription";
    return NULL;
}

int cli_subscribe(struct cli *cli, int argc, char **argv)
{
    struct wish wish = {.jwk_file = NULL};
    const struct cli_option options[] = {
        CLI_OPTION_TEXT("jwk", "FILE", "public key that cards are encrypted to (JSON Web Key: RSA, P-256 or P-384)",
                        &wish.jwk_file),
        CLI_OPTION_FLAG("ordered", "one message at a time, in their order", &wish.ordered),
        CLI_OPTION_TEXT("description", "TEXT", "for people", &wish.description),
    };
    int code;
    if (!cli_parse(cli, &manual, options, sizeof options / sizeof options[0], argc, argv, &code))
        return code;
    const struct verb *verb = find_verb(cli);
    const char *wrong = judge(cli, verb, &wish);
    if (wrong != NULL)
        return cli_usage(cli, wrong);
    struct amp_client *client = cli_session_open(cli, &code);
    if (client != NULL)
        code = verb->run(cli, &wish, client);
    amp_client_free(client);
    return code;
}
