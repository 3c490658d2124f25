/*
 * A small HTTP/1.1 server for one gateway on loopback: strict (wire/http1.h), few connections, bounded bodies, all of
 * what comes in secret memory. Requests are handled one after the other.
 */
#ifndef AMP_CLI_LISTEN_SERVER_H
#define AMP_CLI_LISTEN_SERVER_H

#include "secret/secret.h"
#include "wire/http1.h"

#define CLI_SERVER_MAX_BODY (1024u * 1024) /* as large as a message may be */

struct cli_server;
/* `address`: "127.0.0.1:PORT", "[::1]:PORT" or another loopback address; port 0: one that is free. AMP_ERR_INVALID for
 * any other; AMP_ERR_IO with errno where it cannot be listened at; AMP_ERR_OUT_OF_MEMORY. */
enum amp_err cli_server_new(struct cli_server **out, const char *address) AMP_MUST_USE;
void cli_server_free(struct cli_server *server);
/* "http://127.0.0.1:4242/" */
const char *cli_server_url(const struct cli_server *server);

struct cli_server_job {
    void *ctx;
    /* Answers a whole request with a status (204, 4xx or 5xx). What it is given lives until it returns. */
    int (*handle)(void *ctx, const struct amp_http1_head *head, struct amp_slice body);
    const bool *finished; /* looked at behind every request */
    int stop_fd;          /* readable: end now */
    int64_t limit_ms;     /* longest run; 0: no limit */
};
enum cli_server_end {
    CLI_SERVER_FINISHED,
    CLI_SERVER_STOPPED,
    CLI_SERVER_TIMED_OUT,
    CLI_SERVER_FAILED, /* errno */
};
/* Serves until one of these. What was answered has been sent. */
enum cli_server_end cli_server_run(struct cli_server *server, const struct cli_server_job *job);

#endif
