#include "cli/commands.h"
#include "cli/input.h"
#include "cli/session.h"

#include <stdio.h>

#include "base/text.h"
#include "client/key.h"
#include "client/path.h"
#include "wire/json.h"

#define BATCH_MAX  100
#define EXTRA_ROOM 16384 /* members that come from options */

struct wish {
    const char *queue;
    const char *idempotency_key;
    uint64_t ttl_ms;
    struct cli_list metadata;
    bool batch;
};

static const struct cli_manual manual = {
    .usage = "[options] <CARD.json",
    .about =
        "Exchanges a card for a single-use token. The card is read from standard input, never from arguments: a card\n"
        "object {\"number\":\"...\",\"exp_month\":12,\"exp_year\":2030,\"cvc\":\"...\"}, or a whole request with "
        "\"card\" or\n"
        "\"data\" (any JSON). At a terminal it asks for the card. With --batch, standard input is a JSON array of "
        "them,\n"
        "or one on each line, 100 at most.",
    .examples = "  ampoule tokenize <card.json\n"
                "  ampoule tokenize --queue payments --ttl-ms 30000 --metadata order=42 <card.json\n"
                "  echo '{\"data\":{\"iban\":\"DE00...\"}}' | ampoule tokenize --json\n"
                "  ampoule tokenize --batch <cards.jsonl\n",
    .connects = true,
};

/* ---- options into JSON members ---- */

static bool write_metadata(struct amp_out *out, const struct cli_list *metadata)
{
    amp_out_str(out, ",\"metadata\":{");
    for (size_t i = 0; i < metadata->count; i++) {
        const char *entry = metadata->entries[i];
        const char *equals = strchr(entry, '=');
        if (equals == NULL || equals == entry || !amp_utf8_valid(amp_slice_str(entry)))
            return false;
        amp_out_str(out, i > 0 ? "," : "");
        amp_json_write_string(out, amp_slice(entry, (size_t)(equals - entry)));
        amp_out_str(out, ":");
        amp_json_write_string(out, amp_slice_str(equals + 1));
    }
    amp_out_str(out, "}");
    return true;
}

/* `,"queue":...` and so on; NULL, or what is wrong. */
static const char *write_extra(struct amp_out *out, const struct wish *wish)
{
    if (wish->queue != NULL) {
        if (!amp_utf8_valid(amp_slice_str(wish->queue)))
            return "--queue is not UTF-8";
        amp_out_str(out, ",\"queue\":");
        amp_json_write_string(out, amp_slice_str(wish->queue));
    }
    if (wish->ttl_ms != 0) {
        amp_out_str(out, ",\"ttl_ms\":");
        amp_out_u64(out, wish->ttl_ms);
    }
    if (wish->metadata.count > 0 && !write_metadata(out, &wish->metadata))
        return "--metadata takes NAME=VALUE";
    return out->overflow ? "that is more metadata than a request may have" : NULL;
}

/* ---- standard input into a request ---- */

static enum amp_err append_slice(struct amp_secret_buf *buf, struct amp_slice slice)
{
    return amp_secret_buf_append(buf, slice.ptr, slice.len);
}

/* One item: a card object is wrapped, a request stays; the members from options stand behind. AMP_ERR_INVALID where it
 * is neither. */
static enum amp_err append_item(struct amp_secret_buf *body, struct amp_slice item, struct amp_slice extra)
{
    struct amp_slice found;
    enum amp_err err;
    if (!amp_client_path_valid(item))
        return AMP_ERR_INVALID;
    if (amp_client_path_find(item, "number", &found)) {
        if ((err = amp_secret_buf_append(body, "{\"card\":", 8)) == AMP_OK)
            err = append_slice(body, item);
    } else if (amp_client_path_find(item, "card", &found) || amp_client_path_find(item, "data", &found)) {
        while (item.len > 0 && item.ptr[item.len - 1] != '}')
            item.len--; /* white space behind the object */
        err = append_slice(body, amp_slice(item.ptr, item.len - 1));
    } else {
        return AMP_ERR_INVALID;
    }
    if (err == AMP_OK)
        err = append_slice(body, extra);
    return err == AMP_OK ? amp_secret_buf_append(body, "}", 1) : err;
}

static struct amp_slice next_line(struct amp_slice *rest)
{
    const uint8_t *end = memchr(rest->ptr, '\n', rest->len);
    const size_t len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
    const struct amp_slice line = amp_slice(rest->ptr, len);
    *rest = end != NULL ? amp_slice(end + 1, rest->len - len - 1) : amp_slice(rest->ptr + len, 0);
    return line;
}

static bool is_blank(struct amp_slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r')
            return false;
    return true;
}

/* The index-th element of an array, or the next line that is not blank. */
static bool next_item(struct amp_slice input, bool is_array, size_t index, struct amp_slice *rest,
                      struct amp_slice *item)
{
    char path[24];
    if (is_array) {
        snprintf(path, sizeof path, "%zu", index);
        return amp_client_path_find(input, path, item);
    }
    while (rest->len > 0) {
        *item = next_line(rest);
        if (!is_blank(*item))
            return true;
    }
    return false;
}

static enum amp_err append_batch(struct amp_secret_buf *body, struct amp_slice input, struct amp_slice extra)
{
    struct amp_slice rest = input;
    struct amp_slice item;
    size_t count = 0;
    static const char before_array[] = {'[', ' ', '\t', '\r', '\n'};
    const bool is_array =
        amp_client_path_valid(input) && memchr(before_array, input.ptr[0], sizeof before_array) != NULL;
    enum amp_err err = amp_secret_buf_append(body, "{\"items\":[", 10);
    while (err == AMP_OK && next_item(input, is_array, count, &rest, &item)) {
        if (count > 0)
            err = amp_secret_buf_append(body, ",", 1);
        if (err == AMP_OK)
            err = append_item(body, item, extra);
        if (++count > BATCH_MAX)
            return AMP_ERR_BATCH_SIZE;
    }
    if (err != AMP_OK)
        return err;
    return count > 0 ? amp_secret_buf_append(body, "]}", 2) : AMP_ERR_BATCH_SIZE;
}

/* ---- asking at a terminal ---- */

static enum amp_err append_text(struct amp_secret_buf *body, const char *text)
{
    return amp_secret_buf_append(body, text, strlen(text));
}

/* "12/2030", "12/30", "1230" -> month and year */
static bool parse_expiry(const struct amp_secret_buf *answer, unsigned *month, unsigned *year)
{
    unsigned digits[6];
    size_t count = 0;
    for (size_t i = 0; i < answer->len; i++) {
        if (answer->ptr[i] >= '0' && answer->ptr[i] <= '9' && count < 6)
            digits[count++] = (unsigned)(answer->ptr[i] - '0');
        else if (answer->ptr[i] != '/' && answer->ptr[i] != ' ')
            return false;
    }
    if (count != 4 && count != 6)
        return false;
    *month = digits[0] * 10 + digits[1];
    *year = count == 4 ? 2000 + digits[2] * 10 + digits[3]
                       : digits[2] * 1000 + digits[3] * 100 + digits[4] * 10 + digits[5];
    return true;
}

static enum amp_err append_digits(struct amp_secret_buf *into, const struct amp_secret_buf *answer)
{
    enum amp_err err = AMP_OK;
    for (size_t i = 0; err == AMP_OK && i < answer->len; i++) {
        const uint8_t c = answer->ptr[i];
        if (c >= '0' && c <= '9')
            err = amp_secret_buf_append(into, &c, 1);
        else if (c != ' ' && c != '-')
            err = AMP_ERR_INVALID;
    }
    return err;
}

static enum amp_err ask_card(struct amp_secret_buf *input)
{
    struct amp_secret_buf answer = {NULL, 0, 0};
    unsigned month = 0;
    unsigned year = 0;
    char expiry[64];
    enum amp_err err = append_text(input, "{\"number\":\"");
    if (err != AMP_OK || (err = cli_input_ask(&answer, "card number (not shown): ", true)) != AMP_OK ||
        (err = append_digits(input, &answer)) != AMP_OK)
        goto out;
    amp_secret_buf_clear(&answer);
    if ((err = cli_input_ask(&answer, "expiry (MM/YYYY): ", false)) != AMP_OK)
        goto out;
    err = AMP_ERR_INVALID;
    if (!parse_expiry(&answer, &month, &year))
        goto out;
    amp_secret_buf_clear(&answer);
    snprintf(expiry, sizeof expiry, "\",\"exp_month\":%u,\"exp_year\":%u", month, year);
    if ((err = append_text(input, expiry)) != AMP_OK ||
        (err = cli_input_ask(&answer, "verification code (not shown, may be empty): ", true)) != AMP_OK)
        goto out;
    if (answer.len > 0 &&
        ((err = append_text(input, ",\"cvc\":\"")) != AMP_OK || (err = append_digits(input, &answer)) != AMP_OK ||
         (err = append_text(input, "\"")) != AMP_OK))
        goto out;
    err = append_text(input, "}");
out:
    amp_secret_buf_free(&answer);
    return err;
}

/* ---- the command ---- */

static int say_input_error(const struct cli *cli, enum amp_err err, bool batch)
{
    if (err == AMP_ERR_TOO_LARGE)
        return cli_usage(cli, "standard input holds more than the 256 KiB that one request may have");
    if (err == AMP_ERR_BATCH_SIZE)
        return cli_usage(cli, "a batch holds 1 to 100 items");
    if (err == AMP_ERR_OUT_OF_MEMORY)
        return cli_fail(cli, CLI_REFUSED, "out_of_memory", "no secret memory is left");
    if (err == AMP_ERR_IO)
        return cli_fail(cli, CLI_REFUSED, "io", "standard input cannot be read");
    return cli_usage(cli, batch ? "each item must be a JSON object with \"number\", \"card\" or \"data\""
                                : "standard input must be one JSON object with \"number\", \"card\" or \"data\"");
}

static int make_body(struct cli *cli, const struct wish *wish, struct amp_secret_buf *body)
{
    struct amp_secret_buf input = {NULL, 0, 0};
    uint8_t storage[EXTRA_ROOM];
    struct amp_out extra = amp_out(storage, sizeof storage);
    const char *wrong = write_extra(&extra, wish);
    if (wrong != NULL)
        return cli_usage(cli, wrong);
    enum amp_err err =
        cli_input_is_terminal() && !wish->batch ? ask_card(&input) : cli_input_all(&input, CLI_INPUT_MAX);
    const struct amp_slice text = amp_slice(input.ptr, input.len);
    if (err == AMP_OK && text.len == 0)
        err = AMP_ERR_INVALID;
    if (err == AMP_OK)
        err = wish->batch ? append_batch(body, text, amp_out_done(&extra))
                          : append_item(body, text, amp_out_done(&extra));
    amp_secret_buf_free(&input);
    return err == AMP_OK ? CLI_DONE : say_input_error(cli, err, wish->batch);
}

static void show_token(struct cli_page *page, struct amp_client_reply *reply)
{
    cli_page_row(page, "token", amp_client_reply_text(reply, "token"));
    cli_page_card(page, reply, "card");
    cli_page_row(page, "queue", amp_client_reply_text(reply, "queue"));
    cli_page_row(page, "expires", amp_client_reply_text(reply, "expires_at"));
}

/* A line for each item, in order; false where one was refused. */
static bool show_batch(struct cli_page *page, struct amp_client_reply *reply)
{
    bool all = true;
    for (size_t i = 0; i < BATCH_MAX; i++) {
        char path[48];
        snprintf(path, sizeof path, "results.%zu.token", i);
        const char *token = amp_client_reply_text(reply, path);
        if (token != NULL) {
            cli_page_text(page, token);
            cli_page_text(page, "\n");
            continue;
        }
        snprintf(path, sizeof path, "results.%zu.error.code", i);
        const char *code = amp_client_reply_text(reply, path);
        if (code == NULL)
            break;
        all = false;
        cli_page_text(page, "refused: ");
        cli_page_text(page, code);
        cli_page_text(page, "\n");
    }
    return all;
}

static int show(struct cli *cli, const struct wish *wish, struct amp_client_reply *reply)
{
    struct cli_page page = {.failed = false};
    bool all = true;
    if (wish->batch)
        all = show_batch(&page, reply);
    else
        show_token(&page, reply);
    int code;
    if (cli->json) {
        amp_secret_buf_free(&page.buf);
        code = cli_print_json(cli, reply);
    } else {
        code = cli_page_end(cli, &page);
    }
    return code == CLI_DONE && !all ? CLI_REFUSED : code;
}

static int tokenize(struct cli *cli, const struct wish *wish)
{
    struct amp_client_request request = AMP_CLIENT_REQUEST_INIT;
    struct amp_client_reply *reply = NULL;
    struct amp_secret_buf body = {NULL, 0, 0};
    char made[AMP_CLIENT_KEY_LEN + 1];
    int code;
    struct amp_client *client = cli_session_open(cli, &code);
    if (client == NULL)
        return code;
    if ((code = make_body(cli, wish, &body)) != CLI_DONE)
        goto out;
    request.target = wish->batch ? "/v1/tokens/batch" : "/v1/tokens";
    request.body = body.ptr;
    request.body_len = body.len;
    request.idempotency_key = wish->idempotency_key != NULL ? wish->idempotency_key : amp_client_key_make(made);
    const enum amp_client_status status = amp_client_call(client, &request, &reply);
    code = status == AMP_CLIENT_OK ? show(cli, wish, reply) : cli_session_failed(cli, client, status);
out:
    amp_client_reply_free(reply);
    amp_client_free(client);
    amp_secret_buf_free(&body);
    return code;
}

int cli_tokenize(struct cli *cli, int argc, char **argv)
{
    struct wish wish = {.queue = NULL};
    const struct cli_option options[] = {
        CLI_OPTION_TEXT("queue", "NAME", "queue that gateways learn of the token from", &wish.queue),
        CLI_OPTION_NUMBER("ttl-ms", "MS", "life of the token; default as the server says", &wish.ttl_ms, 1, 86400000),
        CLI_OPTION_LIST("metadata", "NAME=VALUE", "goes with the token, not secret; may be repeated", &wish.metadata),
        CLI_OPTION_TEXT("idempotency-key", "KEY", "the same key and card again give the same token",
                        &wish.idempotency_key),
        CLI_OPTION_FLAG("batch", "standard input holds several", &wish.batch),
    };
    int code;
    if (!cli_parse(cli, &manual, options, sizeof options / sizeof options[0], argc, argv, &code))
        return code;
    if (cli->arg_count > 0)
        return cli_usage(cli,
                         "card data is read from standard input only: other users of this machine can see arguments");
    return tokenize(cli, &wish);
}
