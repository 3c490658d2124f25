#include "cli/listen/gateway.h"

#include <stdio.h>

#include "client/draft.h"
#include "seal/seal.h"

#define FIELD_MAX    1024
#define MASKED_MAX   32
#define DIGITS_SHOWN 10 /* of a card's number: the first six, the last four (PCI DSS 3.4.1) */

/* What is said of one webhook: rows for people, or one line of JSON. */
struct telling {
    bool json;
    struct cli_page page;
    struct amp_client_draft draft;
};

static void tell_begin(struct telling *telling, const struct cli_gateway *gateway, const char *event)
{
    *telling = (struct telling){.json = gateway->cli->json};
    amp_client_draft_open(&telling->draft, NULL, '{');
    amp_client_draft_string(&telling->draft, "event", event);
}

static void tell(struct telling *telling, const char *label, const char *name, const char *text)
{
    if (telling->json)
        amp_client_draft_string(&telling->draft, name, text);
    else
        cli_page_row(&telling->page, label, text);
}

static void tell_raw(struct telling *telling, const char *label, const char *name, const char *json)
{
    if (telling->json)
        amp_client_draft_json(&telling->draft, name, json);
    else
        cli_page_row(&telling->page, label, json);
}

/* What others wrote may hold what moves a terminal's cursor or names its window: such bytes are shown as "?". */
static void blank_controls(struct amp_secret_buf *text)
{
    for (size_t i = 0; i < text->len; i++) {
        uint8_t c = text->ptr[i];
        bool c1 = c == 0xc2 && i + 1 < text->len && text->ptr[i + 1] < 0xa0; /* U+0080 to U+009F */
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || c1)
            text->ptr[i] = '?';
        if (c1)
            text->ptr[++i] = '?';
    }
}

static int tell_end(struct telling *telling, struct cli *cli)
{
    struct cli_page *page = &telling->page;
    if (telling->json) {
        amp_client_draft_close(&telling->draft, '}');
        page->failed = telling->draft.bad || telling->draft.no_memory;
        amp_secret_buf_take(&page->buf, &telling->draft.buf);
    } else {
        blank_controls(&page->buf);
    }
    amp_client_draft_fini(&telling->draft);
    cli_page_text(page, "\n");
    return cli_page_end(cli, page);
}

/* ---- a card that came whole, shown as it may be shown ---- */

static void mask(char masked[MASKED_MAX], const char *number)
{
    const size_t len = strlen(number);
    if (len <= DIGITS_SHOWN)
        snprintf(masked, MASKED_MAX, "...");
    else
        snprintf(masked, MASKED_MAX, "%.6s...%.4s", number, number + len - 4);
}

static void tell_masked(struct telling *telling, const char *label, struct amp_client_reply *content)
{
    const char *number = amp_client_reply_text(content, "card.number");
    const char *month = amp_client_reply_text(content, "card.exp_month");
    const char *year = amp_client_reply_text(content, "card.exp_year");
    const bool has_code = amp_client_reply_text(content, "card.cvc") != NULL;
    char masked[MASKED_MAX];
    if (number == NULL || month == NULL || year == NULL) {
        tell(telling, label, label, "data that is no card: not shown");
        return;
    }
    mask(masked, number);
    if (telling->json) {
        amp_client_draft_open(&telling->draft, label, '{');
        amp_client_draft_string(&telling->draft, "number", masked);
        amp_client_draft_json(&telling->draft, "exp_month", month);
        amp_client_draft_json(&telling->draft, "exp_year", year);
        amp_client_draft_bool(&telling->draft, "cvc", has_code);
        amp_client_draft_close(&telling->draft, '}');
    } else {
        const char *const parts[] = {
            masked, "  ", month, "/", year, has_code ? "  and its verification code" : "", NULL,
        };
        cli_page_row_of(&telling->page, label, parts);
    }
}

/* ---- what verified ---- */

static bool has_seen(const struct cli_gateway *gateway, const char *id)
{
    for (size_t i = 0; i < CLI_GATEWAY_SEEN; i++)
        if (strcmp(gateway->seen[i], id) == 0)
            return true;
    return false;
}

static void remember(struct cli_gateway *gateway, const char *id)
{
    char *place = gateway->seen[gateway->next_seen++ % CLI_GATEWAY_SEEN];
    snprintf(place, CLI_GATEWAY_ID_MAX + 1, "%s", id);
}

/* NULL: the message is of no token, whatever its members are called. */
static const char *token_of(struct amp_client_reply *message)
{
    uint8_t token[AMP_TOKEN_LEN];
    const char *text = amp_client_reply_text(message, "token");
    const bool is_token = text != NULL && amp_token_parse(token, "tok_", amp_slice_str(text)) == AMP_OK;
    amp_wipe(token, sizeof token);
    return is_token ? text : NULL;
}

/* What somebody sent, whatever it holds. No digest either: who knows how a card number looks finds it by its digest. */
static void tell_unknown(struct telling *telling, struct amp_client_reply *message, bool show)
{
    size_t len;
    const char *text = amp_client_reply_json(message, &len);
    char size[64];
    if (show) {
        tell(telling, "message", "message", text);
    } else if (telling->json) {
        amp_client_draft_number(&telling->draft, "message_bytes", len);
    } else {
        snprintf(size, sizeof size, "%zu bytes that are no token: see --show", len);
        tell(telling, "message", "message", size);
    }
}

static void tell_message(struct telling *telling, struct amp_client_reply *message, bool show)
{
    const char *token = token_of(message);
    if (token == NULL) {
        tell_unknown(telling, message, show);
        return;
    }
    tell(telling, "token", "token", token);
    tell(telling, "expires", "expires_at", amp_client_reply_text(message, "expires_at"));
    if (telling->json)
        amp_client_draft_json(&telling->draft, "card", amp_client_reply_text(message, "card"));
    else
        cli_page_card(&telling->page, message, "card");
    tell_raw(telling, "metadata", "metadata", amp_client_reply_text(message, "metadata"));
}

/* Opens the copy that was encrypted to this gateway's key. */
static int open_copy(struct cli_gateway *gateway, struct telling *telling, struct amp_client_reply *message)
{
    struct amp_client_reply *content = NULL;
    const char *jwe = amp_client_reply_text(message, "sealed");
    if (jwe == NULL || token_of(message) == NULL)
        return 204; /* nothing was sealed: a message that somebody sent */
    const enum amp_client_status status = amp_client_jwe_open(gateway->key, jwe, &content);
    if (status == AMP_CLIENT_OK) {
        tell_masked(telling, "opened", content);
    } else {
        tell(telling, "not opened", "not_opened", amp_client_status_name(status));
        gateway->exit_code = CLI_REFUSED;
    }
    amp_client_reply_free(content);
    return status == AMP_CLIENT_OK ? 204 : status == AMP_CLIENT_MEMORY ? 503 : 422;
}

/* A daemon that has no time, or no log to write to, says no for now (PROTOCOL 5: 429 and 5xx). */
static bool is_final(const struct cli_gateway *gateway, enum amp_client_status status)
{
    const int answered = amp_client_error_get(gateway->client)->http_status;
    return status == AMP_CLIENT_REFUSED && answered != 429 && answered < 500;
}

/* 204 also where the token is gone: that will not change. 503 asks for the webhook again. */
static int redeem(struct cli_gateway *gateway, struct telling *telling, struct amp_client_reply *message)
{
    struct amp_client_reply *content = NULL;
    const char *token = token_of(message);
    int answer = 204;
    if (token == NULL)
        return answer;
    const enum amp_client_status status = amp_client_redeem(gateway->client, token, NULL, &content);
    if (status == AMP_CLIENT_OK) {
        tell_masked(telling, "redeemed", content);
    } else {
        tell(telling, "not redeemed", "not_redeemed", amp_client_error_get(gateway->client)->code);
        if (is_final(gateway, status))
            gateway->exit_code = CLI_REFUSED;
        else
            answer = 503;
    }
    amp_client_reply_free(content);
    return answer;
}

static int accept_webhook(struct cli_gateway *gateway, const char *id, struct amp_client_reply *message)
{
    struct telling telling;
    int status = 204;
    if (has_seen(gateway, id)) {
        tell_begin(&telling, gateway, "repeated");
        tell(&telling, "repeated", "id", id);
        return tell_end(&telling, gateway->cli) == CLI_DONE ? 204 : 503;
    }
    tell_begin(&telling, gateway, "webhook");
    tell(&telling, "webhook", "id", id);
    tell(&telling, "signature", "signature", "verified");
    tell_message(&telling, message, gateway->show);
    if (gateway->key != NULL)
        status = open_copy(gateway, &telling, message);
    if (status == 204 && gateway->redeem)
        status = redeem(gateway, &telling, message);
    if (tell_end(&telling, gateway->cli) != CLI_DONE) {
        gateway->exit_code = CLI_REFUSED;
        gateway->finished = true; /* nobody reads what is said */
    }
    if (status != 204)
        return status;
    remember(gateway, id);
    gateway->taken++;
    gateway->finished = gateway->finished || gateway->taken == gateway->wanted;
    return status;
}

/* ---- what did not ---- */

static const char *why(enum amp_client_status status)
{
    if (status == AMP_CLIENT_TOO_OLD)
        return "its timestamp is more than 5 minutes from now";
    if (status == AMP_CLIENT_NOT_AUTHENTIC)
        return "its signature does not match: forged, changed, or of another secret";
    return "it lacks a well-formed webhook-id, webhook-timestamp or webhook-signature";
}

static int refuse(struct cli_gateway *gateway, enum amp_client_status status)
{
    struct telling telling;
    tell_begin(&telling, gateway, "refused");
    tell(&telling, "refused", "code", amp_client_status_name(status));
    tell(&telling, "because", "message", why(status));
    tell(&telling, "answered", "status", "401");
    if (tell_end(&telling, gateway->cli) != CLI_DONE)
        gateway->finished = true;
    return 401;
}

/* A field that may come once, as text; NULL where it is absent, repeated or too long. */
static const char *field(const struct amp_http1_head *head, const char *name, char storage[FIELD_MAX])
{
    struct amp_slice value;
    if (amp_http1_single(head, name, &value) != AMP_OK || value.ptr == NULL || value.len >= FIELD_MAX)
        return NULL;
    memcpy(storage, value.ptr, value.len);
    storage[value.len] = '\0';
    return storage;
}

int cli_gateway_handle(void *ctx, const struct amp_http1_head *head, struct amp_slice body)
{
    struct cli_gateway *gateway = ctx;
    struct amp_client_reply *message = NULL;
    char storage[3][FIELD_MAX];
    const char *id = field(head, "webhook-id", storage[0]);
    if (head->method != AMP_METHOD_POST)
        return 405;
    enum amp_client_status status =
        amp_client_webhook_verify(gateway->secret, id, field(head, "webhook-timestamp", storage[1]),
                                  field(head, "webhook-signature", storage[2]), body.ptr, body.len, &message);
    if (status == AMP_CLIENT_OK && (id == NULL || id[0] == '\0' || strlen(id) > CLI_GATEWAY_ID_MAX))
        status = AMP_CLIENT_MALFORMED;
    const int answer = status == AMP_CLIENT_OK       ? accept_webhook(gateway, id, message)
                       : status == AMP_CLIENT_MEMORY ? 503
                                                     : refuse(gateway, status);
    amp_client_reply_free(message);
    return answer;
}
