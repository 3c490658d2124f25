#include "cli/session.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "client/runtime.h"
#include "client/tls.h"
#include "client/url.h"
#include "wire/json.h"

#define LABEL_WIDTH 12

static bool holds_certificates(const char *ca_file)
{
    SSL_CTX *tls = NULL;
    const enum amp_err err = amp_client_tls_new(&tls, ca_file);
    SSL_CTX_free(tls);
    return err != AMP_ERR_INVALID;
}

struct amp_client *cli_session_open(struct cli *cli, int *exit_code)
{
    struct amp_client_config config = AMP_CLIENT_CONFIG_INIT;
    struct amp_client_url url;
    struct amp_client *client = NULL;
    *exit_code = CLI_REFUSED;
    if (amp_client_runtime_start() != AMP_OK) {
        *exit_code = cli_fail(cli, CLI_REFUSED, "crypto", "the cryptographic library cannot be started");
        return NULL;
    }
    if ((*exit_code = cli_connection_ready(cli)) != CLI_DONE)
        return NULL;
    if (amp_client_url_parse(&url, cli->connection.url) != AMP_OK) {
        *exit_code = cli_usage(cli, "the URL is https://HOST[:PORT] (--url, AMPOULE_URL)");
        return NULL;
    }
    config.url = cli->connection.url;
    config.ca_file = cli->connection.ca_file;
    config.key_id = cli->connection.key_id;
    config.secret = cli->connection.secret;
    config.region = cli->connection.region;
    config.timeout_ms = (uint32_t)cli->connection.timeout_ms;
    if (cli->connection.ca_file != NULL && access(cli->connection.ca_file, R_OK) != 0)
        *exit_code = cli_usage(cli, "the CA file cannot be read (--ca, AMPOULE_CA)");
    else if (cli->connection.ca_file != NULL && !holds_certificates(cli->connection.ca_file))
        *exit_code = cli_usage(cli, "the CA file holds no certificate in PEM (--ca, AMPOULE_CA)");
    else if (amp_client_new(&client, &config) != AMP_CLIENT_OK)
        *exit_code = cli_usage(cli, "the key id, secret or region is malformed");
    return client;
}

static int exit_code_of(enum amp_client_status status)
{
    switch (status) {
    case AMP_CLIENT_OK:
        return CLI_DONE;
    case AMP_CLIENT_REFUSED:
    case AMP_CLIENT_MEMORY:
    case AMP_CLIENT_MALFORMED:
    case AMP_CLIENT_TOO_OLD:
    case AMP_CLIENT_NOT_AUTHENTIC:
        return CLI_REFUSED;
    case AMP_CLIENT_USAGE:
        return CLI_USAGE;
    case AMP_CLIENT_UNREACHABLE:
    case AMP_CLIENT_TLS:
    case AMP_CLIENT_TIMEOUT:
    case AMP_CLIENT_PROTOCOL:
        return CLI_UNREACHABLE;
    }
    return CLI_REFUSED;
}

/* What to do about the refusals that people meet first. */
static const char *hint_for(const char *code)
{
    static const struct {
        const char *code;
        const char *hint;
    } hints[] = {
        {"unknown_key", " Check AWS_ACCESS_KEY_ID, or see `ampoule key list`."},
        {"UnrecognizedClientException", " Check AWS_ACCESS_KEY_ID, or see `ampoule key list`."},
        {"signature_mismatch", " Is AWS_SECRET_ACCESS_KEY the one of this key id?"},
        {"clock_skew", " Check this machine's clock; where the daemon was just started, ask again."},
        {"RequestTimeTooSkewed", " Check this machine's clock; where the daemon was just started, ask again."},
        {"not_permitted", " `ampoule key list` shows what each key may do."},
        {"AccessDeniedException", " `ampoule key list` shows what each key may do."},
        {"QueueDoesNotExist", " `ampoule queue list` shows those there are, `ampoule queue create` makes one."},
        {"unknown_host", " (--url or AMPOULE_URL)"},
        {"malformed_answer", " (--url or AMPOULE_URL)"},
        {"tls_failed", " (--ca or AMPOULE_CA names the certificate to trust)"},
    };
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (strcmp(hints[i].code, code) == 0)
            return hints[i].hint;
    return "";
}

static void print_error_json(const struct amp_client_error *error)
{
    uint8_t storage[2048];
    struct amp_out out = amp_out(storage, sizeof storage);
    amp_out_str(&out, "{\"error\":{\"code\":");
    amp_json_write_string(&out, amp_slice_str(error->code));
    amp_out_str(&out, ",\"message\":");
    amp_json_write_string(&out, amp_slice_str(error->message));
    if (error->http_status != 0) {
        amp_out_str(&out, ",\"status\":");
        amp_out_i64(&out, error->http_status);
    }
    if (error->reason[0] != '\0') {
        amp_out_str(&out, ",\"reason\":");
        amp_json_write_string(&out, amp_slice_str(error->reason));
    }
    if (error->request_id[0] != '\0') {
        amp_out_str(&out, ",\"request_id\":");
        amp_json_write_string(&out, amp_slice_str(error->request_id));
    }
    if (error->retry_after_s != 0) {
        amp_out_str(&out, ",\"retry_after\":");
        amp_out_u64(&out, error->retry_after_s);
    }
    amp_out_str(&out, "}}");
    printf("%.*s\n", (int)out.len, (const char *)out.ptr);
}

int cli_session_failed(const struct cli *cli, const struct amp_client *client, enum amp_client_status status)
{
    const struct amp_client_error *error = amp_client_error_get(client);
    if (cli->json)
        print_error_json(error);
    fprintf(stderr, "ampoule %s: ", cli->command->name);
    if (status == AMP_CLIENT_REFUSED)
        fprintf(stderr, "refused: %s", error->code);
    if (status == AMP_CLIENT_REFUSED && error->reason[0] != '\0')
        fprintf(stderr, " (%s)", error->reason);
    fprintf(stderr, "%s%s%s", status == AMP_CLIENT_REFUSED ? ": " : "", error->message, hint_for(error->code));
    if (error->request_id[0] != '\0')
        fprintf(stderr, " [request %s]", error->request_id);
    fprintf(stderr, "\n");
    return exit_code_of(status);
}

int cli_session_call(struct cli *cli, struct amp_client *client, struct amp_client_request *request,
                     struct amp_client_draft *draft, const char *wrong, struct amp_client_reply **reply)
{
    int code;
    *reply = NULL;
    request->body = draft->buf.ptr;
    request->body_len = draft->buf.len;
    if (draft->bad) {
        code = cli_usage(cli, wrong);
    } else if (draft->no_memory) {
        code = cli_fail(cli, CLI_REFUSED, "out_of_memory", "no secret memory is left");
    } else {
        const enum amp_client_status status = amp_client_call(client, request, reply);
        code = status == AMP_CLIENT_OK ? CLI_DONE : cli_session_failed(cli, client, status);
    }
    amp_client_draft_fini(draft);
    return code;
}

/* ---- pages ---- */

void cli_page_text(struct cli_page *page, const char *text)
{
    if (amp_secret_buf_append(&page->buf, text, strlen(text)) != AMP_OK)
        page->failed = true;
}

void cli_page_row_of(struct cli_page *page, const char *label, const char *const *parts)
{
    size_t width = strlen(label);
    cli_page_text(page, label);
    do
        cli_page_text(page, " ");
    while (++width < LABEL_WIDTH);
    for (; *parts != NULL; parts++)
        cli_page_text(page, *parts);
    cli_page_text(page, "\n");
}

void cli_page_row(struct cli_page *page, const char *label, const char *text)
{
    const char *const parts[] = {text, NULL};
    if (text != NULL)
        cli_page_row_of(page, label, parts);
}

static const char *member(struct amp_client_reply *reply, const char *at, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%s%s%s", at, at[0] != '\0' ? "." : "", name);
    const char *text = amp_client_reply_text(reply, path);
    return text != NULL ? text : "?";
}

void cli_page_card(struct cli_page *page, struct amp_client_reply *reply, const char *at)
{
    if (amp_client_reply_text(reply, at) == NULL)
        return;
    const char *const parts[] = {
        member(reply, at, "brand"),     " ", member(reply, at, "bin"),      "...", member(reply, at, "last4"), "  ",
        member(reply, at, "exp_month"), "/", member(reply, at, "exp_year"), NULL,
    };
    cli_page_row_of(page, "card", parts);
}

static bool write_all(const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        const ssize_t done = write(STDOUT_FILENO, bytes, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        len -= (size_t)done;
    }
    return true;
}

int cli_page_end(struct cli *cli, struct cli_page *page)
{
    const bool done = !page->failed && write_all(page->buf.ptr, page->buf.len);
    amp_secret_buf_free(&page->buf);
    return done ? CLI_DONE : cli_fail(cli, CLI_REFUSED, "io", "the answer cannot be written to standard output");
}

int cli_print_line(const struct cli *cli, const char *text)
{
    const bool done = write_all((const uint8_t *)text, strlen(text)) && write_all((const uint8_t *)"\n", 1);
    return done ? CLI_DONE : cli_fail(cli, CLI_REFUSED, "io", "the answer cannot be written to standard output");
}

int cli_print_json(const struct cli *cli, const struct amp_client_reply *reply)
{
    size_t len = 0;
    const char *json = amp_client_reply_json(reply, &len);
    return cli_print_line(cli, len > 0 ? json : "{}");
}
