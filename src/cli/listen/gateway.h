/* What a gateway does with a webhook: verifies it, then redeems its token or opens its JWE, and tells of it, masked. */
#ifndef AMP_CLI_LISTEN_GATEWAY_H
#define AMP_CLI_LISTEN_GATEWAY_H

#include "cli/session.h"
#include "wire/http1.h"

#define CLI_GATEWAY_SEEN   256 /* webhook-ids remembered: one may come more than once */
#define CLI_GATEWAY_ID_MAX 128

/* Set what stands above the line, all else zero. All borrowed. */
struct cli_gateway {
    struct cli *cli;
    struct amp_client *client;
    const char *secret;               /* "whsec_..." */
    const struct amp_client_jwk *key; /* opens JWEs; NULL: they are left */
    bool redeem;
    bool show;       /* messages that are no tokens as they are, not how long they are alone */
    uint64_t wanted; /* finished after so many; 0: never */
    /* ---- */
    uint64_t taken;
    bool finished;
    int exit_code; /* CLI_REFUSED where what was verified could not be redeemed or opened */
    char seen[CLI_GATEWAY_SEEN][CLI_GATEWAY_ID_MAX + 1];
    size_t next_seen;
};

/* cli_server_job.handle; `ctx`: the gateway. */
int cli_gateway_handle(void *ctx, const struct amp_http1_head *head, struct amp_slice body);

#endif
