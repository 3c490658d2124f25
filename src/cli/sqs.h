/* How commands speak the SQS API: a draft that names the queue, an action, an answer. */
#ifndef AMP_CLI_SQS_H
#define AMP_CLI_SQS_H

#include "cli/session.h"
#include "client/draft.h"
#include "wire/sqs.h"

/* `{"QueueUrl":...`: of a queue's name at the daemon of --url, or a whole QueueUrl as it is. */
void cli_sqs_begin(struct amp_client_draft *draft, const struct cli *cli, const char *queue);
/* The ARN of a queue of this daemon: "arn:aws:sqs:REGION:000000000000:NAME". */
#define CLI_SQS_ARN_MAX 160
bool cli_sqs_arn(char arn[CLI_SQS_ARN_MAX], const struct cli *cli, const char *queue) AMP_MUST_USE;
/* "NAME=VALUE" as a member; false where it has no '=' or no name. */
bool cli_sqs_pair(struct amp_client_draft *draft, const char *entry) AMP_MUST_USE;

/*
 * Closes the draft, sends it as the body of this action and frees it. `wait_s`: of a long poll.
 * CLI_DONE and *reply, which the caller frees; or it is said why not, and the exit code is returned with *reply NULL.
 */
int cli_sqs_call(struct cli *cli, struct amp_client *client, enum amp_sqs_action action, struct amp_client_draft *draft,
                 uint32_t wait_s, struct amp_client_reply **reply) AMP_MUST_USE;

#endif
