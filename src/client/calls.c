/* The calls of ampoule.h: arguments into JSON in secret memory, then one exchange. */
#include "base/text.h"
#include "client/internal.h"
#include "client/key.h"
#include "client/path.h"
#include "wire/json.h"

#define MAX_BATCH   100
#define ITEM_ROOM   256 /* member names, numbers and braces of one item */
#define TEXT_GROWTH 6   /* most that escaping makes of one byte */

/* A body being written. Strings are checked before anything is sent. */
struct draft {
    struct amp_secret_buf buf;
    struct amp_out out;
    bool bad; /* an argument is not what it should be */
};

static size_t text_room(const char *text)
{
    return text != NULL ? strlen(text) * TEXT_GROWTH + 2 : 0;
}

static bool draft_init(struct draft *draft, size_t room)
{
    *draft = (struct draft){.bad = false};
    if (amp_secret_buf_reserve(&draft->buf, room) != AMP_OK)
        return false;
    draft->out = amp_out(draft->buf.ptr, draft->buf.cap);
    return true;
}

static void draft_fini(struct draft *draft)
{
    draft->buf.len = draft->out.len; /* wiped up to here */
    amp_secret_buf_free(&draft->buf);
}

/* `{"name":` or `,"name":` */
static void put_name(struct draft *draft, const char *name)
{
    const bool first = draft->out.len == 0 || draft->out.ptr[draft->out.len - 1] == '{';
    amp_out_str(&draft->out, first ? "\"" : ",\"");
    amp_out_str(&draft->out, name);
    amp_out_str(&draft->out, "\":");
}

static void put_string(struct draft *draft, const char *name, const char *text)
{
    if (text == NULL)
        return;
    const struct amp_slice slice = amp_slice_str(text);
    draft->bad = draft->bad || !amp_utf8_valid(slice);
    put_name(draft, name);
    if (!draft->bad)
        amp_json_write_string(&draft->out, slice);
}

static void put_number(struct draft *draft, const char *name, uint64_t number)
{
    put_name(draft, name);
    amp_out_u64(&draft->out, number);
}

/* A caller's JSON goes in only as one whole value, so that it cannot become two members. */
static void put_json(struct draft *draft, const char *name, const char *json)
{
    if (json == NULL)
        return;
    draft->bad = draft->bad || !amp_client_path_valid(amp_slice_str(json));
    put_name(draft, name);
    amp_out_str(&draft->out, json);
}

static void put_card(struct draft *draft, const struct amp_client_card *card)
{
    draft->bad = draft->bad || card->number == NULL || card->exp_month < 0 || card->exp_year < 0;
    if (draft->bad)
        return;
    put_name(draft, "card");
    amp_out_str(&draft->out, "{");
    put_string(draft, "number", card->number);
    put_number(draft, "exp_month", (uint64_t)card->exp_month);
    put_number(draft, "exp_year", (uint64_t)card->exp_year);
    put_string(draft, "cvc", card->cvc);
    put_string(draft, "name", card->name);
    amp_out_str(&draft->out, "}");
}

static size_t content_room(const struct amp_client_content *content)
{
    const struct amp_client_card *card = content->card;
    size_t room = ITEM_ROOM + text_room(content->data) + text_room(content->queue) + text_room(content->metadata);
    if (card != NULL)
        room += text_room(card->number) + text_room(card->cvc) + text_room(card->name);
    return room;
}

static void put_content(struct draft *draft, const struct amp_client_content *content)
{
    draft->bad = draft->bad || content->size != sizeof *content || (content->card == NULL) == (content->data == NULL);
    amp_out_str(&draft->out, "{");
    if (content->card != NULL)
        put_card(draft, content->card);
    put_json(draft, "data", content->data);
    put_string(draft, "queue", content->queue);
    if (content->ttl_ms != 0)
        put_number(draft, "ttl_ms", content->ttl_ms);
    put_json(draft, "metadata", content->metadata);
    amp_out_str(&draft->out, "}");
}

/* The caller's Idempotency-Key, or one of ours. */
static const char *get_key(const char *given, char made[AMP_CLIENT_KEY_LEN + 1])
{
    return given != NULL ? given : amp_client_key_make(made);
}

/* Sends the draft and frees it. `key`: Idempotency-Key or NULL. */
static enum amp_client_status post(struct amp_client *client, const char *target, struct draft *draft, const char *key,
                                   bool repeatable, struct amp_client_reply **reply)
{
    const struct amp_client_message message = {
        .method = "POST",
        .target = target,
        .authority = client->url.authority,
        .content_type = "application/json",
        .idempotency_key = key,
        .body = amp_out_done(&draft->out),
    };
    enum amp_client_status status;
    if (draft->bad || draft->out.overflow)
        status = amp_client_wrong(client, "an argument is missing, not UTF-8, or not JSON where JSON is expected");
    else
        status = amp_client_exchange(client, &message, repeatable || key != NULL, reply);
    draft_fini(draft);
    return status;
}

enum amp_client_status amp_client_tokenize(struct amp_client *client, const struct amp_client_content *content,
                                           const char *idempotency_key, struct amp_client_reply **reply)
{
    struct draft draft;
    char made[AMP_CLIENT_KEY_LEN + 1];
    if (reply != NULL)
        *reply = NULL;
    const char *key = get_key(idempotency_key, made);
    if (key == NULL || !draft_init(&draft, content_room(content)))
        return amp_client_no_memory(client);
    put_content(&draft, content);
    return post(client, "/v1/tokens", &draft, key, true, reply);
}

enum amp_client_status amp_client_tokenize_batch(struct amp_client *client, const struct amp_client_content *contents,
                                                 size_t count, const char *idempotency_key,
                                                 struct amp_client_reply **reply)
{
    struct draft draft;
    char made[AMP_CLIENT_KEY_LEN + 1];
    size_t room = ITEM_ROOM;
    if (reply != NULL)
        *reply = NULL;
    if (count == 0 || count > MAX_BATCH)
        return amp_client_wrong(client, "a batch holds 1 to 100 items");
    for (size_t i = 0; i < count; i++)
        room += content_room(&contents[i]);
    const char *key = get_key(idempotency_key, made);
    if (key == NULL || !draft_init(&draft, room))
        return amp_client_no_memory(client);
    amp_out_str(&draft.out, "{\"items\":[");
    for (size_t i = 0; i < count; i++) {
        amp_out_str(&draft.out, i > 0 ? "," : "");
        put_content(&draft, &contents[i]);
    }
    amp_out_str(&draft.out, "]}");
    return post(client, "/v1/tokens/batch", &draft, key, true, reply);
}

/* The calls that name one token or claim. `lease_ms`: 0 for none. */
static enum amp_client_status post_subject(struct amp_client *client, const char *target, const char *member,
                                           const char *subject, uint64_t lease_ms, const char *key, bool repeatable,
                                           struct amp_client_reply **reply)
{
    struct draft draft;
    if (reply != NULL)
        *reply = NULL;
    if (!draft_init(&draft, ITEM_ROOM + text_room(subject)))
        return amp_client_no_memory(client);
    draft.bad = subject == NULL || subject[0] == '\0';
    amp_out_str(&draft.out, "{");
    put_string(&draft, member, subject);
    if (lease_ms != 0)
        put_number(&draft, "lease_ms", lease_ms);
    amp_out_str(&draft.out, "}");
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

enum amp_client_status amp_client_call(struct amp_client *client, const struct amp_client_request *request,
                                       struct amp_client_reply **reply)
{
    const bool has_body = request->body_len > 0;
    const char *method = request->method != NULL ? request->method : has_body ? "POST" : "GET";
    const struct amp_client_message message = {
        .method = method,
        .target = request->target,
        .authority = client->url.authority,
        .content_type = request->content_type != NULL ? request->content_type : "application/json",
        .idempotency_key = request->idempotency_key,
        .body = amp_slice(request->body, request->body_len),
    };
    if (reply != NULL)
        *reply = NULL;
    if (request->size != sizeof *request || request->target == NULL || (request->body == NULL && has_body) ||
        strcmp(method, "HEAD") == 0)
        return amp_client_wrong(client, "a request needs a target, and its body where it names a length");
    const bool reads_only = strcmp(method, "GET") == 0;
    return amp_client_exchange(client, &message, reads_only || request->idempotency_key != NULL, reply);
}
