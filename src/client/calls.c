/* The calls of ampoule.h: arguments into JSON in secret memory, then one exchange. */
#include "client/draft.h"
#include "client/internal.h"
#include "client/key.h"

#define MAX_BATCH 100

static void put_card(struct amp_client_draft *draft, const struct amp_client_card *card)
{
    draft->bad = draft->bad || card->number == NULL || card->exp_month < 0 || card->exp_year < 0;
    if (draft->bad)
        return;
    amp_client_draft_open(draft, "card", '{');
    amp_client_draft_string(draft, "number", card->number);
    amp_client_draft_number(draft, "exp_month", (uint64_t)card->exp_month);
    amp_client_draft_number(draft, "exp_year", (uint64_t)card->exp_year);
    amp_client_draft_string(draft, "cvc", card->cvc);
    amp_client_draft_string(draft, "name", card->name);
    amp_client_draft_close(draft, '}');
}

static void put_content(struct amp_client_draft *draft, const struct amp_client_content *content)
{
    draft->bad = draft->bad || content == NULL || content->size != sizeof *content ||
                 (content->card == NULL) == (content->data == NULL);
    if (draft->bad)
        return;
    amp_client_draft_open(draft, NULL, '{');
    if (content->card != NULL)
        put_card(draft, content->card);
    amp_client_draft_json(draft, "data", content->data);
    amp_client_draft_string(draft, "queue", content->queue);
    if (content->ttl_ms != 0)
        amp_client_draft_number(draft, "ttl_ms", content->ttl_ms);
    amp_client_draft_json(draft, "metadata", content->metadata);
    amp_client_draft_close(draft, '}');
}

/* The caller's Idempotency-Key, or one of ours. */
static const char *get_key(const char *given, char made[AMP_CLIENT_KEY_LEN + 1])
{
    return given != NULL ? given : amp_client_key_make(made);
}

/* Sends the draft and frees it. `key`: Idempotency-Key or NULL. */
static enum amp_client_status post(struct amp_client *client, const char *target, struct amp_client_draft *draft,
                                   const char *key, bool repeatable, struct amp_client_reply **reply)
{
    const struct amp_client_message message = {
        .method = "POST",
        .target = target,
        .service = AMP_CLIENT_SERVICE,
        .content_type = "application/json",
        .idempotency_key = key,
    };
    return amp_client_exchange_draft(client, &message, draft, repeatable || key != NULL, reply);
}

enum amp_client_status amp_client_tokenize(struct amp_client *client, const struct amp_client_content *content,
                                           const char *idempotency_key, struct amp_client_reply **reply)
{
    struct amp_client_draft draft = {.bad = false};
    char made[AMP_CLIENT_KEY_LEN + 1];
    if (reply != NULL)
        *reply = NULL;
    const char *key = get_key(idempotency_key, made);
    if (key == NULL)
        return amp_client_no_memory(client);
    put_content(&draft, content);
    return post(client, "/v1/tokens", &draft, key, true, reply);
}

enum amp_client_status amp_client_tokenize_batch(struct amp_client *client, const struct amp_client_content *contents,
                                                 size_t count, const char *idempotency_key,
                                                 struct amp_client_reply **reply)
{
    struct amp_client_draft draft = {.bad = false};
    char made[AMP_CLIENT_KEY_LEN + 1];
    if (reply != NULL)
        *reply = NULL;
    if (contents == NULL || count == 0 || count > MAX_BATCH)
        return amp_client_wrong(client, "a batch holds 1 to 100 items");
    const char *key = get_key(idempotency_key, made);
    if (key == NULL)
        return amp_client_no_memory(client);
    amp_client_draft_open(&draft, NULL, '{');
    amp_client_draft_open(&draft, "items", '[');
    for (size_t i = 0; i < count; i++)
        put_content(&draft, &contents[i]);
    amp_client_draft_close(&draft, ']');
    amp_client_draft_close(&draft, '}');
    return post(client, "/v1/tokens/batch", &draft, key, true, reply);
}

/* The calls that name one token or claim. `lease_ms`: 0 for none. */
static enum amp_client_status post_subject(struct amp_client *client, const char *target, const char *member,
                                           const char *subject, uint64_t lease_ms, const char *key, bool repeatable,
                                           struct amp_client_reply **reply)
{
    struct amp_client_draft draft = {.bad = subject == NULL || subject[0] == '\0'};
    if (reply != NULL)
        *reply = NULL;
    amp_client_draft_open(&draft, NULL, '{');
    amp_client_draft_string(&draft, member, subject);
    if (lease_ms != 0)
        amp_client_draft_number(&draft, "lease_ms", lease_ms);
    amp_client_draft_close(&draft, '}');
    return post(client, target, &draft, key, repeatable, reply);
}

enum amp_client_status amp_client_inspect(struct amp_client *client, const char *token, struct amp_client_reply **reply)
{
    return post_subject(client, "/v1/inspect", "token", token, 0, NULL, true, reply);
}

enum amp_client_status amp_client_claim(struct amp_client *client, const char *token, uint64_t lease_ms,
                                        const char *idempotency_key, struct amp_client_reply **reply)
{
    char made[AMP_CLIENT_KEY_LEN + 1];
    const char *key = get_key(idempotency_key, made);
    if (reply != NULL)
        *reply = NULL;
    if (key == NULL)
        return amp_client_no_memory(client);
    return post_subject(client, "/v1/claim", "token", token, lease_ms, key, true, reply);
}

enum amp_client_status amp_client_commit(struct amp_client *client, const char *claim)
{
    return post_subject(client, "/v1/commit", "claim", claim, 0, NULL, false, NULL);
}

enum amp_client_status amp_client_abort(struct amp_client *client, const char *claim)
{
    return post_subject(client, "/v1/abort", "claim", claim, 0, NULL, false, NULL);
}

enum amp_client_status amp_client_redeem(struct amp_client *client, const char *token, const char *idempotency_key,
                                         struct amp_client_reply **reply)
{
    return post_subject(client, "/v1/redeem", "token", token, 0, idempotency_key, false, reply);
}

enum amp_client_status amp_client_revoke(struct amp_client *client, const char *token)
{
    return post_subject(client, "/v1/revoke", "token", token, 0, NULL, false, NULL);
}

/* What an older caller does not have is as it was then. False where the size is none that there ever was. */
static bool take_request(struct amp_client_request *request, const struct amp_client_request *given)
{
    *request = (struct amp_client_request)AMP_CLIENT_REQUEST_INIT;
    if (given == NULL ||
        (given->size != sizeof *request && given->size != offsetof(struct amp_client_request, service)))
        return false;
    memcpy(request, given, given->size);
    return true;
}

enum amp_client_status amp_client_call(struct amp_client *client, const struct amp_client_request *given,
                                       struct amp_client_reply **reply)
{
    struct amp_client_request request;
    if (reply != NULL)
        *reply = NULL;
    if (!take_request(&request, given) || request.target == NULL || (request.body == NULL && request.body_len > 0))
        return amp_client_wrong(client, "a request needs a target, and its body where it names a length");
    const char *method = request.method != NULL ? request.method : request.body_len > 0 ? "POST" : "GET";
    const struct amp_client_message message = {
        .method = method,
        .target = request.target,
        .service = request.service != NULL ? request.service : AMP_CLIENT_SERVICE,
        .amz_target = request.amz_target,
        .content_type = request.content_type != NULL ? request.content_type
                        : request.amz_target != NULL ? AMP_CLIENT_SQS_JSON
                                                     : "application/json",
        .idempotency_key = request.idempotency_key,
        .body = amp_slice(request.body, request.body_len),
        .wait_ms = request.wait_ms,
    };
    if (strcmp(method, "HEAD") == 0)
        return amp_client_wrong(client, "HEAD is not supported");
    const bool reads_only = strcmp(method, "GET") == 0;
    return amp_client_exchange(client, &message, reads_only || request.idempotency_key != NULL, reply);
}
