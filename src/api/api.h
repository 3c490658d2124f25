/*
 * The native API (spec section 3) and the SQS API (section 4): a verified request in, an answer out, no sockets. One
 * struct amp_api per worker over the shared stores. Routes are rows of one table; docs/openapi.json describes exactly
 * these. What has to wait (a long poll, the keeper's or the courier's answer) is parked by who called, and resumed.
 */
#ifndef AMP_API_API_H
#define AMP_API_API_H

#include "api/subscribers.h"
#include "audit/event.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "keys/principal.h"
#include "seal/seal.h"
#include "store/idempotency.h"
#include "store/vault.h"
#include "wire/http1.h"

#define AMP_API_MAX_BODY (256 * 1024)

/* What is told by /readyz; front fills it before each call to that route. */
struct amp_api_readiness {
    bool dev;
    enum amp_secret_lock memory;
    bool log_writable;
    bool keeper_reachable;
    bool courier_reachable; /* where not, deliveries wait: the service is ready all the same */
    bool epoch_key;
    bool draining;
    const char *key_provider; /* "ephemeral", "file" */
    unsigned sandbox;         /* amp_sandbox_parts */
};

/* What only another role can do. The answer comes by amp_api_resume with the same number. */
enum amp_api_ask_kind {
    AMP_API_ASK_SUBSCRIPTION_CREATE, /* of the keeper */
    AMP_API_ASK_SUBSCRIPTION_DELETE,
    AMP_API_ASK_SUBSCRIPTION_ROTATE,
    AMP_API_ASK_SUBSCRIPTION_TEST, /* of the courier: one attempt at once, no retry */
};
struct amp_api_ask {
    enum amp_api_ask_kind kind;
    const struct amp_subscription *wanted;         /* CREATE: id, state and time are the keeper's to set */
    const uint8_t *who;                            /* DELETE, ROTATE: the asking access key id */
    uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN]; /* all but CREATE */
    struct amp_slice body;                         /* TEST */
};
struct amp_api_answer {
    enum amp_err err;
    uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN]; /* CREATE */
    struct amp_slice secret;                       /* CREATE, ROTATE: "whsec_...", shown once */
    int64_t older_expires_unix_ms;                 /* ROTATE: of the secret before; 0: it signs no more */
    uint32_t http_status;                          /* TEST: what the endpoint answered; 0: nothing */
};

/* What GET /v1/stats tells beyond the stores' own counts; front fills it. */
struct amp_api_counts {
    uint64_t connections;
    uint64_t startups; /* of those, on which no signature has verified */
    uint64_t accepted; /* since the start; and closed as they came: */
    uint64_t refused_full;
    uint64_t refused_source;
    uint64_t refused_startups;
    uint64_t refused_penalty;
    uint64_t parked; /* requests that wait */
    uint64_t deliveries_pending;
    uint64_t deliveries_under_way;
    uint64_t uptime_ms;
};

struct amp_api_config {
    struct amp_clock clock;
    struct amp_vault *vault;
    struct amp_queue_engine queues;
    struct amp_subscribers *subscribers;
    struct amp_epochs *epochs;
    struct amp_token_keys *token_keys;
    struct amp_idempotency *idempotency;
    int64_t ttl_ms; /* where the request names none */
    int64_t ttl_max_ms;
    bool mask_bin8;
    void *ctx;
    /* Records an event (amp_recorder_add); *number for the answer's gate. */
    enum amp_err (*record)(void *ctx, const struct amp_event *event, bool want_durable, uint64_t *number);
    void (*readiness)(void *ctx, struct amp_api_readiness *out);
    /* *number names the ask. AMP_ERR_KEEPER_UNAVAILABLE, AMP_ERR_OVERLOADED (the courier is away): not asked. */
    enum amp_err (*ask)(void *ctx, const struct amp_api_ask *ask, uint64_t *number);
    void (*counts)(void *ctx, struct amp_api_counts *out);
};

struct amp_api;
enum amp_err amp_api_new(struct amp_api **out, const struct amp_api_config *config) AMP_MUST_USE;
void amp_api_free(struct amp_api *api);

struct amp_api_request;
struct amp_api_response;

struct amp_api_call; /* private to the room */
struct amp_route {
    enum amp_method method;
    const char *path; /* exact, but that "{id}" stands for one segment that is not empty */
    size_t path_len;
    size_t id_at;        /* where "{id}" stands in it; 0: nowhere */
    const char *service; /* of the signature's scope: "ampoule" or "sqs"; it says too in whose form errors are told */
    enum amp_act act;    /* what a refusal of it is recorded as */
    bool open;           /* served without authentication */
    bool deep;           /* its handler may use more than 8 KiB of stack, 16 KiB at most */
    size_t max_body;
    /* For amp_api_serve alone: answers, or returns why the call is refused. */
    enum amp_err (*handle)(struct amp_api_call *call);
};
/* The table, for the router, for front and for the test that holds it against docs/openapi.json. */
extern const struct amp_route amp_api_routes[];
extern const size_t amp_api_route_count;
/*
 * AMP_OK, *route and *id (what stands for "{id}", borrowed from `path`; empty where the route has none);
 * AMP_ERR_NOT_FOUND; AMP_ERR_METHOD_NOT_ALLOWED and *allow ("GET, HEAD"; static storage), and *route is one of that
 * path, for the form of the refusal. HEAD is taken where GET is.
 */
enum amp_err amp_api_route(enum amp_method method, struct amp_slice path, const struct amp_route **route,
                           struct amp_slice *id, const char **allow) AMP_MUST_USE;

struct amp_api_request {
    const struct amp_route *route;
    struct amp_slice id; /* see amp_api_route */
    const struct amp_http1_head *head;
    const struct amp_principal *who; /* verified; NULL on open routes */
    uint8_t *body;                   /* writable: JSON is unescaped in place */
    size_t body_len;
    struct amp_event event; /* time, who, source, request id, act are filled; handlers copy it and add the outcome */
};

/* What must happen to the vault once the answer's record is durable, or will not be. */
enum amp_settle_kind {
    AMP_SETTLE_NONE,
    AMP_SETTLE_CLAIM,       /* the card may leave while the claim holds */
    AMP_SETTLE_CLAIM_AGAIN, /* the same; a claim told a second time stays, whatever becomes of this answer */
    AMP_SETTLE_REDEEM,
};
struct amp_settle {
    enum amp_settle_kind kind;
    uint8_t claim[AMP_VAULT_CLAIM_LEN];
    uint8_t who[AMP_PRINCIPAL_ID_LEN]; /* what the vault knows the principal by: a hash of its name */
    bool has_idempotency;
    uint8_t idempotency[AMP_IDEMPOTENCY_HASH_LEN];
    struct amp_secret_buf idempotent_answer; /* sealed; freed by amp_api_settle or amp_api_response_fini */
    int64_t idempotency_ttl_ms;
    struct amp_event event; /* the record made, for the one that takes it back; its slices give lengths alone, */
    uint8_t event_text[AMP_EVENT_WHO_MAX + AMP_EVENT_SOURCE_MAX + AMP_EVENT_QUEUE_MAX]; /* and here are their bytes */
};

/*
 * A call that waits. The request (head and body) must live until the call is done. Then: amp_api_resume with the very
 * same response; it may park again.
 */
enum amp_park_kind { AMP_PARK_NONE, AMP_PARK_POLL, AMP_PARK_ASK };
struct amp_api_parked; /* private to the room: what the call needs to go on */
struct amp_park {
    enum amp_park_kind kind;
    int64_t until_mono_ms;                 /* resume then with AMP_RESUME_LATE */
    struct amp_queue_name queue;           /* POLL: what to register a waiter for */
    uint64_t ask;                          /* ASK: the number of what was asked */
    uint8_t who[AMP_PRINCIPAL_KEY_ID_LEN]; /* whose call it is */
    struct amp_api_parked *state;          /* freed by the resumption that ends it, or by amp_api_response_fini */
};
enum amp_resume {
    AMP_RESUME_WOKEN,  /* POLL: there may be something now */
    AMP_RESUME_LATE,   /* its time is over */
    AMP_RESUME_ENDING, /* POLL: answer now with what there is: the daemon drains, or the caller's key has changed */
    AMP_RESUME_ANSWER, /* ASK */
};

/* May be moved by assignment; the body of an answer to HEAD is there and must not be sent. */
struct amp_api_response {
    struct amp_park park; /* kind not NONE: there is no answer yet, and nothing else here counts */
    int status;
    enum amp_err err;           /* AMP_OK, or what a problem document in the body says */
    const char *content_type;   /* NULL: no body */
    struct amp_secret_buf body; /* the caller frees it (wiped) */
    uint32_t retry_after_s;
    const char *allow;
    const char *query_error; /* x-amzn-query-error, or NULL; static storage */
    bool amazon;             /* of the SQS API: the request's number by AWS's name, too */
    uint64_t gate; /* not 0: hold the answer back until this event is durable, then amp_api_settle; 0 behind it */
    struct amp_settle settle;
};

/* Serves a verified request. The response is initialised here; free it with amp_api_response_fini. Card data that was
 * in `body` is wiped by the caller with the buffer. */
void amp_api_serve(struct amp_api *api, const struct amp_api_request *request, struct amp_api_response *response);
/* Goes on with a parked call. `answer`: with AMP_RESUME_ANSWER, else NULL. `request->who` may be NULL now. */
void amp_api_resume(struct amp_api *api, const struct amp_api_request *request, enum amp_resume why,
                    const struct amp_api_answer *answer, struct amp_api_response *response);
/*
 * Fills a response with the document for `err` and records the discard: the one door for refusals. `route` and `head`
 * (either may be NULL) say in whose form: a problem document, or the SQS protocol the request speaks.
 */
void amp_api_refuse(struct amp_api *api, const struct amp_route *route, const struct amp_http1_head *head,
                    const struct amp_event *event, enum amp_err err, const char *allow, uint32_t retry_after_s,
                    struct amp_api_response *response);
/*
 * What a subscription is to be sent of a message: appends the body to `body` and tells its queue's home. Records
 * nothing. AMP_ERR_NOT_FOUND where the message is gone or expired.
 */
enum amp_err amp_api_open_for_push(struct amp_api *api, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN],
                                   const uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN],
                                   struct amp_secret_buf *body) AMP_MUST_USE;
/*
 * For a gated response: `durable` true: commits (redeem) or makes sure that the claim still holds, and the answer may
 * leave. Where the lease ended while the log was awaited, the answer is replaced by a problem document that says what
 * became of it. `durable` false: the claim is aborted, the answer is replaced by audit_unavailable and the token is
 * free again.
 */
void amp_api_settle(struct amp_api *api, struct amp_api_response *response, bool durable);
void amp_api_response_fini(struct amp_api_response *response);
/* The same, and keeps the body's storage, wiped, for the next answer. */
void amp_api_done(struct amp_api *api, struct amp_api_response *response);

#endif
