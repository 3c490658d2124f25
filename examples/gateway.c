/*
 * A gateway that takes tokens out of a queue and charges the cards behind them:
 *
 *     cc gateway.c -o gateway $(pkg-config --cflags --libs libampoule)
 *     ./gateway orders
 *     ./gateway tok_...
 *
 * with the environment of shop.c. It claims, charges and commits, so that neither a crash nor an answer that is lost
 * loses a card. A token that is given by hand is redeemed.
 */
#include <ampoule.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int explain(const struct amp_client *client, const char *what)
{
    const struct amp_client_error *error = amp_client_error_get(client);
    fprintf(stderr, "%s: %s: %s %s\n", what, error->code, error->message, error->reason);
    return EXIT_FAILURE;
}

/* Where the bank is spoken to. The texts live as long as the reply, in memory that is wiped. */
static int charge(struct amp_client_reply *claimed)
{
    const char *number = amp_client_reply_text(claimed, "card.number");
    const char *order = amp_client_reply_text(claimed, "metadata.order");
    if (number == NULL || strlen(number) < 12)
        return 0;
    printf("charged a card that ends in %s for order %s\n", number + strlen(number) - 4, order != NULL ? order : "?");
    return 1;
}

/* The answer may be lost: then it is asked again. That it was done the first time is no failure. */
static int commit(struct amp_client *client, const char *claim)
{
    enum amp_client_status status = AMP_CLIENT_UNREACHABLE;
    for (int i = 0; i < 5 && status != AMP_CLIENT_OK && status != AMP_CLIENT_REFUSED; i++)
        status = amp_client_commit(client, claim);
    const struct amp_client_error *error = amp_client_error_get(client);
    if (status == AMP_CLIENT_OK || (strcmp(error->code, "claim_gone") == 0 && strcmp(error->reason, "used") == 0))
        return EXIT_SUCCESS;
    return explain(client, "commit");
}

/* What is gone, used or expired, stays so: its message is dealt with. */
static int explain_no_claim(const struct amp_client *client)
{
    const int status = amp_client_error_get(client)->http_status;
    (void)explain(client, "claim");
    return status == 404 || status == 410 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The token is its own key here: whoever takes the message up again gets the same claim while that lasts. */
static int take(struct amp_client *client, const char *token)
{
    struct amp_client_reply *claimed = NULL;
    if (amp_client_claim(client, token, 30 * 1000, token, &claimed) != AMP_CLIENT_OK)
        return explain_no_claim(client);
    const char *claim = amp_client_reply_text(claimed, "claim");
    int code = EXIT_FAILURE;
    if (claim != NULL && charge(claimed))
        code = commit(client, claim);
    else if (claim != NULL && amp_client_abort(client, claim) != AMP_CLIENT_OK)
        code = explain(client, "abort");
    amp_client_reply_free(claimed);
    return code;
}

/* A message is deleted once it is dealt with: until then it comes again. */
static int work(struct amp_client *client, const char *queue)
{
    struct amp_client_reply *received = NULL;
    if (amp_client_receive(client, queue, 1, 20, &received) != AMP_CLIENT_OK)
        return explain(client, "receive");
    const char *token = amp_client_reply_text(received, "Messages.0.Body");
    const char *receipt = amp_client_reply_text(received, "Messages.0.ReceiptHandle");
    int code = token != NULL && receipt != NULL ? take(client, token) : EXIT_FAILURE;
    if (code == EXIT_SUCCESS && amp_client_delete_message(client, queue, receipt) != AMP_CLIENT_OK)
        code = explain(client, "delete_message");
    amp_client_reply_free(received);
    return code;
}

/* Whatever has no call of its own: here an action of the SQS API. */
static int count_left(struct amp_client *client, const char *queue)
{
    struct amp_client_request request = AMP_CLIENT_REQUEST_INIT;
    struct amp_client_reply *reply = NULL;
    char body[256];
    snprintf(body, sizeof body, "{\"QueueUrl\":\"%s/000000000000/%s\",\"AttributeNames\":[\"All\"]}",
             getenv("AMPOULE_URL"), queue);
    request.service = "sqs";
    request.target = "/";
    request.amz_target = "AmazonSQS.GetQueueAttributes";
    request.body = body;
    request.body_len = strlen(body);
    if (amp_client_call(client, &request, &reply) != AMP_CLIENT_OK)
        return explain(client, "GetQueueAttributes");
    printf("%s left\n", amp_client_reply_text(reply, "Attributes.ApproximateNumberOfMessages"));
    amp_client_reply_free(reply);
    return EXIT_SUCCESS;
}

/* Claim and commit in one. With a key of the caller's it may be asked again; without, a lost answer loses the card. */
static int redeem(struct amp_client *client, const char *token)
{
    struct amp_client_reply *reply = NULL;
    size_t len = 0;
    if (amp_client_redeem(client, token, token, &reply) != AMP_CLIENT_OK)
        return explain(client, "redeem");
    const char *json = amp_client_reply_json(reply, &len);
    printf("HTTP %d, %zu bytes of JSON, NUL behind them: %d\n", amp_client_reply_http_status(reply), len, json[len]);
    const int code = charge(reply) ? EXIT_SUCCESS : EXIT_FAILURE;
    amp_client_reply_free(reply);
    return code;
}

int main(int argc, char **argv)
{
    struct amp_client_config config = AMP_CLIENT_CONFIG_INIT;
    struct amp_client *client = NULL;
    config.url = getenv("AMPOULE_URL");
    config.ca_file = getenv("AMPOULE_CA");
    config.key_id = getenv("AWS_ACCESS_KEY_ID");
    config.secret = getenv("AWS_SECRET_ACCESS_KEY");
    const enum amp_client_status status = amp_client_new(&client, &config);
    if (status != AMP_CLIENT_OK || argc != 2) {
        fprintf(stderr, "usage: gateway QUEUE|TOKEN; a handle: %s\n", amp_client_status_name(status));
        amp_client_free(client);
        return EXIT_FAILURE;
    }
    int code;
    if (strncmp(argv[1], "tok_", 4) == 0)
        code = redeem(client, argv[1]);
    else if ((code = work(client, argv[1])) == EXIT_SUCCESS)
        code = count_left(client, argv[1]);
    amp_client_free(client);
    return code;
}
