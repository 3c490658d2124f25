/* A gateway for trying things: a subscription of its own, a server on loopback, and every webhook told of. */
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/listen/gateway.h"
#include "cli/listen/server.h"
#include "cli/subscriptions.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/text.h"
#include "client/draft.h"
#include "client/runtime.h"
#include "crypto/pkey.h"
#include "wire/webhook.h"

#define SECRET_MAX     128
#define COORDINATE     32
#define COORDINATE_MAX AMP_BASE64URL_LEN(COORDINATE)

struct wish {
    const char *address;
    const char *queue;
    const char *public_url;
    const char *webhook_secret_file;
    uint64_t count;
    uint64_t seconds;
    bool redeem;
    bool jwe;
    bool show;
    bool once;
};

static const struct cli_manual manual = {
    .usage = "--queue QUEUE [options]",
    .about =
        "A payment gateway for trying things: subscribes to a queue, receives its webhooks on loopback over plain\n"
        "HTTP, refuses those that do not verify (401), and shows the rest with cards masked; of messages that are no\n"
        "tokens it tells the size, and shows them with --show. With --redeem it takes each token's card; with --jwe "
        "it\n"
        "has the daemon encrypt each card to a key of its own and opens that. On Ctrl-C, and at its end, it deletes\n"
        "its subscription. A daemon in development mode pushes to loopback; any other needs https: give --public-url\n"
        "with a proxy that ends TLS before this.",
    .examples = "  ampoule listen --queue payments --redeem\n"
                "  ampoule listen --queue payments --jwe --once --json\n"
                "  ampoule listen --webhook-secret secret.txt --listen 127.0.0.1:9000\n"
                "then, elsewhere:\n"
                "  ampoule tokenize --queue payments <card.json\n",
    .connects = true,
};

/* What it holds while it runs. */
struct house {
    struct amp_client *client;
    struct cli_server *server;
    struct amp_client_reply *subscription; /* of its own; NULL: none */
    struct amp_client_jwk *key;
    struct amp_client_draft public_key;
    struct amp_secret_buf given_secret;
    int signals;
};

/* ---- its key ---- */

static void put_coordinate(struct amp_client_draft *draft, const char *name, const uint8_t bytes[COORDINATE])
{
    char text[COORDINATE_MAX];
    amp_base64url_encode(text, bytes, COORDINATE);
    amp_client_draft_text(draft, name, amp_slice(text, sizeof text));
    amp_wipe(text, sizeof text);
}

/* A JSON Web Key (RFC 7518 section 6.2); `d` NULL: its public half. */
static void put_jwk(struct amp_client_draft *draft, const uint8_t *x, const uint8_t *y, const uint8_t *d)
{
    amp_client_draft_open(draft, NULL, '{');
    amp_client_draft_string(draft, "kty", "EC");
    amp_client_draft_string(draft, "crv", "P-256");
    put_coordinate(draft, "x", x);
    put_coordinate(draft, "y", y);
    if (d != NULL)
        put_coordinate(draft, "d", d);
    amp_client_draft_close(draft, '}');
    draft->no_memory = draft->no_memory || amp_secret_buf_append(&draft->buf, "", 1) != AMP_OK; /* NUL */
}

/* A fresh key, in memory alone: what was encrypted to it can be opened by nobody once this has ended. */
static bool make_key(struct house *house)
{
    struct amp_client_draft private = {.bad = false};
    struct amp_pkey *key = NULL;
    uint8_t x[COORDINATE];
    uint8_t y[COORDINATE];
    uint8_t *d = amp_secret_alloc(COORDINATE);
    bool done = false;
    if (d == NULL || amp_pkey_ec_new(&key, AMP_CURVE_P256) != AMP_OK || amp_pkey_ec_numbers(key, x, y, d) != AMP_OK)
        goto out;
    put_jwk(&house->public_key, x, y, NULL);
    put_jwk(&private, x, y, d);
    done = !house->public_key.no_memory && !private.no_memory &&
           amp_client_jwk_new(&house->key, (const char *)private.buf.ptr) == AMP_CLIENT_OK;
out:
    amp_pkey_free(key);
    amp_secret_free(d);
    amp_client_draft_fini(&private);
    return done;
}

/* ---- its subscription ---- */

static int subscribe(struct cli *cli, const struct wish *wish, struct house *house)
{
    const struct cli_subscription wanted = {
        .queue = wish->queue,
        .url = wish->public_url != NULL ? wish->public_url : cli_server_url(house->server),
        .jwk = wish->jwe ? (const char *)house->public_key.buf.ptr : NULL,
        .description = "ampoule listen",
    };
    const int code = cli_subscription_create(cli, house->client, &wanted, &house->subscription);
    if (code == CLI_REFUSED && wish->public_url == NULL &&
        strcmp(amp_client_error_get(house->client)->code, "url_invalid") == 0)
        fprintf(stderr, "ampoule listen: only a daemon in development mode pushes to http on loopback; see --help\n");
    return code;
}

static const char *subscription_id(const struct house *house)
{
    return house->subscription != NULL ? amp_client_reply_text(house->subscription, "id") : NULL;
}

static int unsubscribe(struct cli *cli, struct house *house, int code)
{
    const char *id = subscription_id(house);
    if (id == NULL)
        return code;
    const enum amp_client_status status = cli_subscription_delete(house->client, id);
    if (status == AMP_CLIENT_OK)
        return code;
    const int failed = cli_session_failed(cli, house->client, status);
    fprintf(stderr, "ampoule listen: the subscription %s is left behind; see `ampoule subscribe delete`\n", id);
    return code != CLI_DONE ? code : failed;
}

/* The secret of a subscription that there is: the file's first line. */
static bool read_secret(const char *path, struct amp_secret_buf *secret)
{
    struct amp_webhook_secret parsed;
    if (cli_input_first_line(secret, path, SECRET_MAX) != AMP_OK)
        return false;
    const enum amp_err err = amp_webhook_secret_parse(&parsed, amp_slice(secret->ptr, secret->len));
    amp_wipe(&parsed, sizeof parsed);
    return err == AMP_OK;
}

/* ---- listening ---- */

static int announce(struct cli *cli, const struct house *house)
{
    struct cli_page page = {.failed = false};
    struct amp_client_draft draft = {.bad = false};
    const char *id = subscription_id(house);
    if (cli->json) {
        amp_client_draft_open(&draft, NULL, '{');
        amp_client_draft_string(&draft, "event", "listening");
        amp_client_draft_string(&draft, "url", cli_server_url(house->server));
        amp_client_draft_string(&draft, "subscription", id);
        amp_client_draft_close(&draft, '}');
        page.failed = draft.no_memory;
        amp_secret_buf_take(&page.buf, &draft.buf);
        cli_page_text(&page, "\n");
    } else {
        cli_page_row(&page, "listening", cli_server_url(house->server));
        cli_page_row(&page, "subscribed", id);
        cli_page_text(&page, "\n");
    }
    return cli_page_end(cli, &page);
}

static int listen_and_tell(struct cli *cli, const struct wish *wish, struct house *house)
{
    struct cli_gateway *gateway = calloc(1, sizeof *gateway);
    if (gateway == NULL)
        return cli_fail(cli, CLI_REFUSED, "out_of_memory", "no memory is left");
    *gateway = (struct cli_gateway){
        .cli = cli,
        .client = house->client,
        .secret = house->subscription != NULL ? amp_client_reply_text(house->subscription, "secret")
                                              : (const char *)house->given_secret.ptr,
        .key = house->key,
        .redeem = wish->redeem,
        .show = wish->show,
        .wanted = wish->once ? 1 : wish->count,
    };
    const struct cli_server_job job = {
        .ctx = gateway,
        .handle = cli_gateway_handle,
        .finished = &gateway->finished,
        .stop_fd = house->signals,
        .limit_ms = (int64_t)wish->seconds * 1000,
    };
    int code = CLI_DONE;
    switch (cli_server_run(house->server, &job)) {
    case CLI_SERVER_FINISHED:
        code = gateway->exit_code;
        break;
    case CLI_SERVER_STOPPED:
        break;
    case CLI_SERVER_TIMED_OUT:
        if (gateway->wanted > 0)
            code = cli_fail(cli, CLI_REFUSED, "timeout", "fewer webhooks came in that time than --count wants");
        break;
    case CLI_SERVER_FAILED:
        code = cli_fail(cli, CLI_REFUSED, "io", "a system call failed");
        break;
    }
    free(gateway);
    return code;
}

/* Blocked before there is a subscription, so that none is left behind: they are read where it is listened. */
static int watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

static int open_door(struct cli *cli, const struct wish *wish, struct house *house)
{
    const enum amp_err err = cli_server_new(&house->server, wish->address);
    if (err == AMP_ERR_INVALID)
        return cli_usage(cli, "--listen is an address of loopback and a port, as 127.0.0.1:9000");
    if (err != AMP_OK)
        return cli_fail(cli, CLI_REFUSED, "io",
                        errno == EADDRINUSE ? "another program listens at that port: choose another with --listen"
                                            : "that address cannot be listened at");
    if ((house->signals = watch_signals()) < 0)
        return cli_fail(cli, CLI_REFUSED, "io", "signals cannot be waited for");
    return CLI_DONE;
}

static int run(struct cli *cli, const struct wish *wish, struct house *house)
{
    int code = open_door(cli, wish, house);
    if (code != CLI_DONE)
        return code;
    if (wish->jwe && !make_key(house))
        return cli_fail(cli, CLI_REFUSED, "crypto", "no key could be made");
    if (wish->webhook_secret_file == NULL) {
        if ((code = subscribe(cli, wish, house)) != CLI_DONE)
            return code;
    } else if (!read_secret(wish->webhook_secret_file, &house->given_secret)) {
        return cli_usage(cli, "--webhook-secret names a file whose first line is whsec_ and base64");
    }
    if ((code = announce(cli, house)) == CLI_DONE)
        code = listen_and_tell(cli, wish, house);
    return unsubscribe(cli, house, code);
}

/* What contradicts itself, as a sentence; NULL where all is well. */
static const char *judge(const struct cli *cli, const struct wish *wish)
{
    if (cli->arg_count > 0)
        return "that takes options alone";
    if ((wish->queue == NULL) == (wish->webhook_secret_file == NULL))
        return "give --queue for a subscription of its own, or --webhook-secret of one that there is";
    if (wish->jwe && wish->webhook_secret_file != NULL)
        return "--jwe makes a key for a subscription of its own: it goes with --queue";
    if (wish->public_url != NULL && wish->webhook_secret_file != NULL)
        return "--public-url is for a subscription of its own: it goes with --queue";
    if (wish->once && wish->count > 0)
        return "--once is --count 1: give one of them";
    return NULL;
}

int cli_listen(struct cli *cli, int argc, char **argv)
{
    struct wish wish = {.address = "127.0.0.1:0"};
    const struct cli_option options[] = {
        CLI_OPTION_TEXT("queue", "QUEUE", "subscribe to this one, until the end", &wish.queue),
        CLI_OPTION_TEXT("listen", "ADDR:PORT", "on loopback; default 127.0.0.1:0, a port that is free", &wish.address),
        CLI_OPTION_FLAG("redeem", "take the card of each token (the key must be permitted to claim)", &wish.redeem),
        CLI_OPTION_FLAG("jwe", "have cards encrypted to a key of its own, and open them", &wish.jwe),
        CLI_OPTION_FLAG("show", "print messages that are no tokens, whatever they hold", &wish.show),
        CLI_OPTION_NUMBER("count", "N", "end after so many webhooks", &wish.count, 1, 1000000000),
        CLI_OPTION_FLAG("once", "end after the first", &wish.once),
        CLI_OPTION_NUMBER("for", "S", "end after so many seconds; 1 where --count was not reached", &wish.seconds, 1,
                          86400),
        CLI_OPTION_TEXT("public-url", "URL", "where the daemon pushes to, if a proxy stands before this",
                        &wish.public_url),
        CLI_OPTION_TEXT("webhook-secret", "FILE", "verify with the secret of a subscription that there is",
                        &wish.webhook_secret_file),
    };
    struct house house = {.signals = -1};
    int code;
    if (!cli_parse(cli, &manual, options, sizeof options / sizeof options[0], argc, argv, &code))
        return code;
    const char *wrong = judge(cli, &wish);
    if (wrong != NULL)
        return cli_usage(cli, wrong);
    house.client = cli_session_open(cli, &code);
    if (house.client != NULL)
        code = run(cli, &wish, &house);
    if (house.signals >= 0)
        close(house.signals);
    amp_client_jwk_free(house.key);
    amp_client_draft_fini(&house.public_key);
    amp_client_reply_free(house.subscription);
    cli_server_free(house.server);
    amp_secret_buf_free(&house.given_secret);
    amp_client_free(house.client);
    return code;
}
