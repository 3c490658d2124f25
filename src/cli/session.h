/* A command's way to the daemon, and from its answers to standard output. */
#ifndef AMP_CLI_SESSION_H
#define AMP_CLI_SESSION_H

#include "ampoule.h"
#include "cli/cli.h"
#include "client/draft.h"

/* NULL with *exit_code where the connection is not fully described or cannot be used; it is said why. */
struct amp_client *cli_session_open(struct cli *cli, int *exit_code) AMP_MUST_USE;
/* The handle's last call gave `status`: says why it failed, as JSON too where asked, and returns the exit code. */
int cli_session_failed(const struct cli *cli, const struct amp_client *client, enum amp_client_status status);

/*
 * Sends the draft as the request's body and frees it. CLI_DONE and *reply, which the caller frees; or it is said why
 * not, `wrong` where the draft is bad, and the exit code is returned with *reply NULL.
 */
int cli_session_call(struct cli *cli, struct amp_client *client, struct amp_client_request *request,
                     struct amp_client_draft *draft, const char *wrong, struct amp_client_reply **reply) AMP_MUST_USE;

/* Output that may hold card data: made in secret memory and written without stdio. */
struct cli_page {
    struct amp_secret_buf buf;
    bool failed; /* sticky: out of memory */
};
void cli_page_text(struct cli_page *page, const char *text);
/* "label       text" on a line of its own; nothing where `text` is NULL. */
void cli_page_row(struct cli_page *page, const char *label, const char *text);
/* Several parts on one line behind the label. */
void cli_page_row_of(struct cli_page *page, const char *label, const char *const *parts);
/* Writes it to standard output, wipes it, and returns the exit code. */
int cli_page_end(struct cli *cli, struct cli_page *page);

/* The text and a newline, straight to standard output; the exit code. */
int cli_print_line(const struct cli *cli, const char *text);
/* With --json: the answer as the server sent it. */
int cli_print_json(const struct cli *cli, const struct amp_client_reply *reply);
/* The row of a masked card: "visa 411111...1111 12/2030". `at`: path of the card in the reply. */
void cli_page_card(struct cli_page *page, struct amp_client_reply *reply, const char *at);

#endif
