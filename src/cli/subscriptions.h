/* Making and ending subscriptions: for `ampoule subscribe`, and for `ampoule listen`, which makes one of its own. */
#ifndef AMP_CLI_SUBSCRIPTIONS_H
#define AMP_CLI_SUBSCRIPTIONS_H

#include "cli/session.h"

/* What a new one shall be. */
struct cli_subscription {
    const char *queue;
    const char *url;
    const char *jwk; /* JSON of a public key; NULL: none */
    const char *description;
    bool ordered;
};

/* CLI_DONE and *reply (id, secret ...), which the caller frees; or it is said why not, and *reply is NULL. */
int cli_subscription_create(struct cli *cli, struct amp_client *client, const struct cli_subscription *wanted,
                            struct amp_client_reply **reply) AMP_MUST_USE;

#define CLI_SUBSCRIPTION_ID_MAX 64
/* "sub_" and letters, digits, '-' and '_': nothing that could change a path. */
bool cli_subscription_id_valid(const char *id);
/* Says nothing. `id` is valid. */
enum amp_client_status cli_subscription_delete(struct amp_client *client, const char *id) AMP_MUST_USE;

#endif
