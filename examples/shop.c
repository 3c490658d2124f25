/*
 * A shop: it hands cards over as soon as it has them and keeps the tokens. The card comes on standard input, as it
 * would from a form:
 *
 *     cc shop.c -o shop $(pkg-config --cflags --libs libampoule)
 *     echo '4111111111111111' | ./shop orders
 *
 * with AMPOULE_URL, AMPOULE_CA, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment. It prints the token and
 * puts it into the queue that was named, where gateway.c takes it from.
 */
#include <ampoule.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int explain(const struct amp_client *client, const char *what)
{
    const struct amp_client_error *error = amp_client_error_get(client);
    fprintf(stderr, "%s: %s: %s %s\n", what, error->code, error->message, error->reason);
    return EXIT_FAILURE;
}

/* Digits up to the end of the line; read(2), for stdio would keep a copy in its buffer. */
static int read_number(char *number, size_t cap)
{
    size_t len = 0;
    while (len + 1 < cap && read(STDIN_FILENO, number + len, 1) == 1 && number[len] != '\n')
        len++;
    number[len] = '\0';
    return len > 0;
}

/* The order's own key: should this process die and ask again, it gets the same token and not a second one. */
static int tokenize(struct amp_client *client, const char *number, struct amp_client_reply **reply)
{
    const struct amp_client_card card = {.number = number, .exp_month = 12, .exp_year = 2030, .name = "J DOE"};
    struct amp_client_content content = AMP_CLIENT_CONTENT_INIT;
    content.card = &card;
    content.ttl_ms = 60 * 1000;
    content.metadata = "{\"order\":\"42\"}";
    if (amp_client_tokenize(client, &content, "order-42", reply) != AMP_CLIENT_OK)
        return explain(client, "tokenize");
    printf("%s %s...%s\n", amp_client_reply_text(*reply, "card.brand"), amp_client_reply_text(*reply, "card.bin"),
           amp_client_reply_text(*reply, "card.last4"));
    return EXIT_SUCCESS;
}

/* Not only cards: any JSON. Of a batch some may be refused. */
static int tokenize_accounts(struct amp_client *client)
{
    struct amp_client_content contents[2] = {AMP_CLIENT_CONTENT_INIT, AMP_CLIENT_CONTENT_INIT};
    struct amp_client_reply *reply = NULL;
    contents[0].data = "{\"iban\":\"DE02120300000000202051\"}";
    contents[1].data = "{\"iban\":\"DE02500105170137075030\"}";
    if (amp_client_tokenize_batch(client, contents, 2, NULL, &reply) != AMP_CLIENT_OK)
        return explain(client, "tokenize_batch");
    for (int i = 0; i < 2; i++) {
        char path[32];
        snprintf(path, sizeof path, "results.%d.token", i);
        const char *token = amp_client_reply_text(reply, path);
        if (token == NULL || amp_client_revoke(client, token) != AMP_CLIENT_OK)
            fprintf(stderr, "account %d was refused, or is in use\n", i);
    }
    amp_client_reply_free(reply);
    return EXIT_SUCCESS;
}

static int run(struct amp_client *client, const char *queue, const char *number)
{
    struct amp_client_reply *made = NULL, *seen = NULL;
    int code = tokenize(client, number, &made);
    if (code == EXIT_SUCCESS)
        code = tokenize_accounts(client);
    const char *token = code == EXIT_SUCCESS ? amp_client_reply_text(made, "token") : NULL;
    if (token != NULL && amp_client_inspect(client, token, &seen) != AMP_CLIENT_OK)
        code = explain(client, "inspect");
    else if (token != NULL)
        printf("%s is %s\n", token, amp_client_reply_text(seen, "state"));
    if (code == EXIT_SUCCESS && token != NULL &&
        amp_client_send(client, queue, token, strlen(token), NULL, NULL, NULL) != AMP_CLIENT_OK)
        code = explain(client, "send");
    amp_client_reply_free(seen);
    amp_client_reply_free(made);
    return code;
}

int main(int argc, char **argv)
{
    struct amp_client_config config = AMP_CLIENT_CONFIG_INIT;
    struct amp_client *client = NULL;
    char number[20];
    config.url = getenv("AMPOULE_URL");
    config.ca_file = getenv("AMPOULE_CA");
    config.key_id = getenv("AWS_ACCESS_KEY_ID");
    config.secret = getenv("AWS_SECRET_ACCESS_KEY");
    const enum amp_client_status status = amp_client_new(&client, &config);
    if (status != AMP_CLIENT_OK || argc != 2) {
        fprintf(stderr, "usage: shop QUEUE <NUMBER; a handle: %s\n", amp_client_status_name(status));
        amp_client_free(client);
        return EXIT_FAILURE;
    }
    const int code = read_number(number, sizeof number) ? run(client, argv[1], number) : EXIT_FAILURE;
    amp_client_wipe(number, sizeof number);
    amp_client_free(client);
    return code;
}
