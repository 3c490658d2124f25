#include "cli/subscriptions.h"

#include <stdio.h>

#include "client/draft.h"
#include "client/key.h"

#define PREFIX         "sub_"
#define PATH_MAX_BYTES 128

int cli_subscription_create(struct cli *cli, struct amp_client *client, const struct cli_subscription *wanted,
                            struct amp_client_reply **reply)
{
    struct amp_client_request request = AMP_CLIENT_REQUEST_INIT;
    struct amp_client_draft draft = {.bad = false};
    char key[AMP_CLIENT_KEY_LEN + 1];
    amp_client_draft_open(&draft, NULL, '{');
    amp_client_draft_string(&draft, "queue", wanted->queue);
    amp_client_draft_string(&draft, "url", wanted->url);
    amp_client_draft_json(&draft, "jwk", wanted->jwk);
    amp_client_draft_string(&draft, "description", wanted->description);
    if (wanted->ordered)
        amp_client_draft_bool(&draft, "ordered", true);
    amp_client_draft_close(&draft, '}');
    request.target = "/v1/subscriptions";
    request.idempotency_key = amp_client_key_make(key);
    return cli_session_call(cli, client, &request, &draft, "a value is not UTF-8, or the key is not JSON", reply);
}

bool cli_subscription_id_valid(const char *id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const size_t len = strspn(id, allowed);
    return id[len] == '\0' && len > sizeof PREFIX - 1 && len <= CLI_SUBSCRIPTION_ID_MAX &&
           memcmp(id, PREFIX, sizeof PREFIX - 1) == 0;
}

enum amp_client_status cli_subscription_delete(struct amp_client *client, const char *id)
{
    struct amp_client_request request = AMP_CLIENT_REQUEST_INIT;
    char target[PATH_MAX_BYTES];
    snprintf(target, sizeof target, "/v1/subscriptions/%.*s", CLI_SUBSCRIPTION_ID_MAX, id);
    request.method = "DELETE";
    request.target = target;
    return amp_client_call(client, &request, NULL);
}
