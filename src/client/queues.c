/* The SQS API, spoken as AWS JSON 1.0: what most need of it. Whoever needs more has amp_client_call. */
#include <stdio.h>

#include "client/internal.h"

#define ACCOUNT_PATH  "/000000000000/"
#define URL_MAX       512
#define RECEIVE_MAX   10
#define WAIT_MAX_S    20
#define MS_PER_SECOND 1000u

/* `{"QueueUrl":...`. The daemon takes the name out of it. */
static void begin(struct amp_client_draft *draft, const struct amp_client *client, const char *queue)
{
    char url[URL_MAX];
    const int len =
        snprintf(url, sizeof url, "https://%s" ACCOUNT_PATH "%s", client->url.authority, queue != NULL ? queue : "");
    draft->bad = queue == NULL || queue[0] == '\0' || len < 0 || (size_t)len >= sizeof url;
    amp_client_draft_open(draft, NULL, '{');
    if (!draft->bad)
        amp_client_draft_string(draft, "QueueUrl", url);
}

/* Ends the draft and sends it. */
static enum amp_client_status ask(struct amp_client *client, const char *action, struct amp_client_draft *draft,
                                  uint32_t wait_s, bool repeatable, struct amp_client_reply **reply)
{
    const struct amp_client_message message = {
        .method = "POST",
        .target = "/",
        .service = "sqs",
        .amz_target = action,
        .content_type = AMP_CLIENT_SQS_JSON,
        .wait_ms = wait_s * MS_PER_SECOND,
    };
    if (reply != NULL)
        *reply = NULL;
    amp_client_draft_close(draft, '}');
    return amp_client_exchange_draft(client, &message, draft, repeatable, reply);
}

enum amp_client_status amp_client_send(struct amp_client *client, const char *queue, const void *body, size_t body_len,
                                       const char *group_id, const char *deduplication_id,
                                       struct amp_client_reply **reply)
{
    struct amp_client_draft draft = {.bad = false};
    begin(&draft, client, queue);
    draft.bad = draft.bad || body == NULL;
    if (!draft.bad)
        amp_client_draft_text(&draft, "MessageBody", amp_slice(body, body_len));
    amp_client_draft_string(&draft, "MessageGroupId", group_id);
    amp_client_draft_string(&draft, "MessageDeduplicationId", deduplication_id);
    return ask(client, "AmazonSQS.SendMessage", &draft, 0, deduplication_id != NULL, reply);
}

enum amp_client_status amp_client_receive(struct amp_client *client, const char *queue, uint32_t max, uint32_t wait_s,
                                          struct amp_client_reply **reply)
{
    struct amp_client_draft draft = {.bad = false};
    begin(&draft, client, queue);
    draft.bad = draft.bad || max == 0 || max > RECEIVE_MAX || wait_s > WAIT_MAX_S;
    amp_client_draft_number(&draft, "MaxNumberOfMessages", max);
    amp_client_draft_number(&draft, "WaitTimeSeconds", wait_s);
    amp_client_draft_open(&draft, "AttributeNames", '[');
    amp_client_draft_string(&draft, NULL, "All");
    amp_client_draft_close(&draft, ']');
    amp_client_draft_open(&draft, "MessageAttributeNames", '[');
    amp_client_draft_string(&draft, NULL, "All");
    amp_client_draft_close(&draft, ']');
    return ask(client, "AmazonSQS.ReceiveMessage", &draft, draft.bad ? 0 : wait_s, false, reply);
}

enum amp_client_status amp_client_delete_message(struct amp_client *client, const char *queue, const char *receipt)
{
    struct amp_client_draft draft = {.bad = false};
    begin(&draft, client, queue);
    draft.bad = draft.bad || receipt == NULL;
    amp_client_draft_string(&draft, "ReceiptHandle", receipt);
    return ask(client, "AmazonSQS.DeleteMessage", &draft, 0, true, NULL);
}
