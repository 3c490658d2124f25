#include "cli/sqs.h"

#include <stdio.h>

#define ACCOUNT    "000000000000"
#define URL_MAX    512
#define TARGET_MAX 64

void cli_sqs_begin(struct amp_client_draft *draft, const struct cli *cli, const char *queue)
{
    const char *base = cli->connection.url;
    const bool slash = base[strlen(base) - 1] == '/';
    char url[URL_MAX];
    const int len = snprintf(url, sizeof url, "%s%s" ACCOUNT "/%s", base, slash ? "" : "/", queue);
    const bool is_url = strstr(queue, "://") != NULL;
    draft->bad = draft->bad || (!is_url && (len < 0 || (size_t)len >= sizeof url));
    amp_client_draft_open(draft, NULL, '{');
    if (!draft->bad)
        amp_client_draft_string(draft, "QueueUrl", is_url ? queue : url);
}

bool cli_sqs_arn(char arn[CLI_SQS_ARN_MAX], const struct cli *cli, const char *queue)
{
    const int len = snprintf(arn, CLI_SQS_ARN_MAX, "arn:aws:sqs:%s:" ACCOUNT ":%s", cli->connection.region, queue);
    return len > 0 && len < CLI_SQS_ARN_MAX;
}

bool cli_sqs_pair(struct amp_client_draft *draft, const char *entry)
{
    const char *equals = strchr(entry, '=');
    if (equals == NULL || equals == entry)
        return false;
    amp_client_draft_pair(draft, amp_slice(entry, (size_t)(equals - entry)), amp_slice_str(equals + 1));
    return true;
}

int cli_sqs_call(struct cli *cli, struct amp_client *client, enum amp_sqs_action action, struct amp_client_draft *draft,
                 uint32_t wait_s, struct amp_client_reply **reply)
{
    struct amp_client_request request = AMP_CLIENT_REQUEST_INIT;
    char target[TARGET_MAX];
    amp_client_draft_close(draft, '}');
    snprintf(target, sizeof target, "AmazonSQS.%s", amp_sqs_action_name(action));
    request.target = "/";
    request.service = "sqs";
    request.amz_target = target;
    request.wait_ms = wait_s * 1000;
    return cli_session_call(cli, client, &request, draft, "a value is too long or not UTF-8", reply);
}
