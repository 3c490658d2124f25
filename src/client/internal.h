/* What the files of libampoule share behind ampoule.h. */
#ifndef AMP_CLIENT_INTERNAL_H
#define AMP_CLIENT_INTERNAL_H

#include "client/draft.h"
#include "client/fault.h"
#include "client/sign.h"
#include "client/transport.h"

#define AMP_CLIENT_MAX_BODY (2u << 20) /* of an answer: a message of 1 MiB fits */
#define AMP_CLIENT_SQS_JSON "application/x-amz-json-1.0"

struct amp_client {
    struct amp_client_url url;
    struct amp_client_transport transport;
    struct amp_client_identity identity;
    char *key_id; /* owned, like region; the secret is in secret memory */
    char *region;
    char *secret;
    int64_t connect_timeout_ms;
    int64_t timeout_ms;
    struct amp_secret_buf wire; /* the request being sent */
    struct amp_secret_buf in;   /* the answer being read */
    struct amp_client_fault fault;
};

/* client/exchange.c: one request and its answer. `repeatable`: asking twice does no harm. The authority is filled in.
 */
enum amp_client_status amp_client_exchange(struct amp_client *client, const struct amp_client_message *message,
                                           bool repeatable, struct amp_client_reply **reply) AMP_MUST_USE;
/* The same with the draft as the body, which is freed. */
enum amp_client_status amp_client_exchange_draft(struct amp_client *client, const struct amp_client_message *message,
                                                 struct amp_client_draft *draft, bool repeatable,
                                                 struct amp_client_reply **reply) AMP_MUST_USE;

/* client/reply.c: copies `body` to secret memory. NULL where none is left. */
struct amp_client_reply *amp_client_reply_new(int http_status, struct amp_slice body) AMP_MUST_USE;

/* Nothing was sent: AMP_CLIENT_USAGE, or AMP_CLIENT_MEMORY. */
enum amp_client_status amp_client_wrong(struct amp_client *client, const char *sentence);
enum amp_client_status amp_client_no_memory(struct amp_client *client);

#endif
