/*
 * The part of a gateway that webhooks are pushed to, without its HTTP server: it gives the secret, three fields and the
 * body of a request to verify, and its key to open what was encrypted to it.
 *
 *     cc webhook.c -o webhook $(pkg-config --cflags --libs libampoule)
 *     WEBHOOK_SECRET=whsec_... ./webhook ID TIMESTAMP SIGNATURE private.jwk <BODY
 *
 * It prints the status to answer with, and what came.
 */
#include <ampoule.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Up to the end; NUL-terminated. */
static size_t read_all(int fd, char *into, size_t cap)
{
    size_t len = 0;
    ssize_t got = 0;
    while (len + 1 < cap && (got = read(fd, into + len, cap - 1 - len)) > 0)
        len += (size_t)got;
    into[len] = '\0';
    return len;
}

/* Made once, when the gateway starts; the file's text is wiped. */
static struct amp_client_jwk *read_key(const char *path)
{
    struct amp_client_jwk *key = NULL;
    char text[8192];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    (void)read_all(fd, text, sizeof text);
    close(fd);
    const enum amp_client_status status = amp_client_jwk_new(&key, text);
    amp_client_wipe(text, sizeof text);
    if (status != AMP_CLIENT_OK)
        fprintf(stderr, "the key: %s\n", amp_client_status_name(status));
    return key;
}

/* Only here does card data exist, for as long as the reply does. */
static void open_card(const struct amp_client_jwk *key, const char *sealed)
{
    struct amp_client_reply *card = NULL;
    const enum amp_client_status status = amp_client_jwe_open(key, sealed, &card);
    const char *name = status == AMP_CLIENT_OK ? amp_client_reply_text(card, "card.name") : NULL;
    printf("card of %s: %s\n", name != NULL ? name : "?", amp_client_status_name(status));
    amp_client_reply_free(card);
}

/* Nothing of a webhook is believed before; the sender comes again after every other answer than 2xx. */
static int answer(const struct amp_client_jwk *key, char **fields, const char *body, size_t len)
{
    struct amp_client_reply *message = NULL;
    const enum amp_client_status status =
        amp_client_webhook_verify(getenv("WEBHOOK_SECRET"), fields[0], fields[1], fields[2], body, len, &message);
    if (status != AMP_CLIENT_OK) {
        fprintf(stderr, "not believed: %s\n", amp_client_status_name(status));
        return status == AMP_CLIENT_MEMORY ? 503 : 401;
    }
    const char *last4 = amp_client_reply_text(message, "card.last4");
    const char *sealed = amp_client_reply_text(message, "sealed");
    printf("token of a card that ends in %s\n", last4 != NULL ? last4 : "?");
    if (sealed != NULL)
        open_card(key, sealed);
    amp_client_reply_free(message);
    return 204;
}

int main(int argc, char **argv)
{
    static char body[1 << 20];
    if (argc != 5) {
        fprintf(stderr, "usage: WEBHOOK_SECRET=whsec_... webhook ID TIMESTAMP SIGNATURE private.jwk <BODY\n");
        return EXIT_FAILURE;
    }
    struct amp_client_jwk *key = read_key(argv[4]);
    if (key == NULL)
        return EXIT_FAILURE;
    const size_t len = read_all(STDIN_FILENO, body, sizeof body);
    const int status = answer(key, argv + 1, body, len);
    printf("%d\n", status);
    amp_client_jwk_free(key);
    return status == 204 ? EXIT_SUCCESS : EXIT_FAILURE;
}
