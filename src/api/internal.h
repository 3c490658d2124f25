/* Inside room api: one call, from a verified request to its answer. Nothing here is for other rooms. */
#ifndef AMP_API_INTERNAL_H
#define AMP_API_INTERNAL_H

#include <stddef.h>

#include "api/api.h"
#include "wire/card.h"
#include "wire/sqs.h"

/* Where queues have their URLs: the account number that all of them share. */
#define AMP_SQS_ACCOUNT "000000000000"
#define AMP_SQS_PATH    "/" AMP_SQS_ACCOUNT "/"

#define AMP_LEASE_MAX_MS 60000

struct amp_api {
    struct amp_api_config config;
    /* Scratch of the one call being served; cleared behind it. */
    struct amp_secret_buf plain;  /* content about to be sealed, or just opened */
    struct amp_secret_buf sealed; /* the same, sealed */
    struct amp_secret_buf stored; /* what an Idempotency-Key was answered before */
    struct amp_secret_buf spare;  /* storage for the next answer, or none */
    struct amp_sqs_request *sqs;  /* the one being decoded: too large for the stack, and never cleared as a whole */
};

/* What an Idempotency-Key makes of the request that bears it (idempotent.c). */
struct amp_repeat {
    bool present;
    bool owned; /* the key is ours: to be finished, deferred or cancelled */
    uint8_t key[AMP_IDEMPOTENCY_HASH_LEN];
    uint8_t body[AMP_IDEMPOTENCY_HASH_LEN];
    struct amp_key256 seal;
};

/*
 * What a call that waits is gone on with. The slices of its event borrow from the request's head and body, which live
 * as long; so may those that a handler keeps in `state`. While it is gone on with they may borrow from `state`, too.
 */
typedef enum amp_err amp_api_go_on(struct amp_api_call *call, enum amp_resume why, const struct amp_api_answer *answer);
struct amp_api_parked {
    struct amp_idempotency *idempotency; /* for the key below; the api may be another one by then */
    /* Called by amp_api_resume; call->parked is this. AMP_ERR_AGAIN: it waits on, as response->park says by then. */
    amp_api_go_on *go_on;
    struct amp_event event;
    struct amp_repeat repeat;
    size_t state_len;
    _Alignas(max_align_t) uint8_t state[]; /* the handler's own */
};

struct amp_api_call {
    struct amp_api *api;
    const struct amp_api_request *request;
    struct amp_api_response *response;
    struct amp_event event; /* becomes the record; handlers add queue, token reference, alarm */
    const char *reason;     /* why a thing is gone, where that is the refusal */
    struct amp_repeat repeat;
    struct amp_vault_view view;
    struct amp_api_parked *parked; /* where the call was parked and is resumed */
    bool deep;                     /* see struct amp_route; the SQS API's handler knows better for an action */
};

/* serve.c */

/* Whether it speaks the SQS API, and errors are told in its form. */
bool amp_route_is_sqs(const struct amp_route *route);
/* Clears scratch for the next call; what grew large is given back. */
void amp_api_rinse(struct amp_secret_buf *scratch);

/*
 * Makes the call one that waits: parked->state has room for `state_len` bytes, zeroed; the caller then fills
 * response->park but for `state` and `who`. The handler must return AMP_OK behind it.
 */
enum amp_err amp_call_park(struct amp_api_call *call, enum amp_park_kind kind, amp_api_go_on *go_on, size_t state_len,
                           struct amp_api_parked **parked) AMP_MUST_USE;
/* Asks the keeper or the courier and waits for the answer; see amp_call_park. */
enum amp_err amp_call_ask(struct amp_api_call *call, const struct amp_api_ask *ask, amp_api_go_on *go_on,
                          size_t state_len, struct amp_api_parked **parked) AMP_MUST_USE;
void amp_api_parked_free(struct amp_api_parked *parked);

/* answer.c */

/* Room for `cap` bytes of answer; write into *out, then amp_answer_send. */
enum amp_err amp_answer_begin(struct amp_api_call *call, size_t cap, struct amp_out *out) AMP_MUST_USE;
/* Makes what was written the answer; AMP_ERR_INTERNAL where it did not fit. */
enum amp_err amp_answer_send(struct amp_api_call *call, int status, const struct amp_out *out) AMP_MUST_USE;
/* "name":"tok_..." */
void amp_answer_token(struct amp_out *out, const char *name, const char prefix[5], const uint8_t bytes[AMP_TOKEN_LEN]);
/* ,"name":"2026-01-31T23:59:59.123Z" */
void amp_answer_time(struct amp_out *out, const char *name, int64_t unix_ms);
/* ,"name":TEXT, where text is JSON already */
void amp_answer_raw(struct amp_out *out, const char *name, struct amp_slice text);
/* ,"name":"text" */
void amp_answer_string(struct amp_out *out, const char *name, struct amp_slice text);

/* A request's number as its answer tells it. */
void amp_answer_request_id(char text[16], uint64_t request_id);
/* Records the call's event as done; *number as amp_recorder_add. */
enum amp_err amp_call_record(struct amp_api_call *call, bool want_durable, uint64_t *number) AMP_MUST_USE;
/* What may be told over HTTP: an error from inside the house becomes AMP_ERR_INTERNAL. */
enum amp_err amp_public_err(enum amp_err err);
/* Records the call's event as refused or failed. */
void amp_record_refusal(struct amp_api *api, const struct amp_event *event, enum amp_err err);
/* Makes a refusal the answer, in the form of its route, and records it. */
struct amp_refusal {
    const struct amp_route *route; /* see amp_api_refuse */
    const struct amp_http1_head *head;
    const struct amp_event *event;
    enum amp_err err;
    const char *reason; /* why a thing is gone, or NULL */
    const char *allow;
    uint32_t retry_after_s;
};
void amp_answer_refuse(struct amp_api *api, const struct amp_refusal *refusal, struct amp_api_response *response);

/* settle.c */

/* Makes settle.event a copy of `event` that outlives the request; amp_settle_event gives it back. */
void amp_settle_keep_event(struct amp_settle *settle, const struct amp_event *event);
struct amp_event amp_settle_event(const struct amp_settle *settle);

/* idempotent.c */

/* Checks the form of Idempotency-Key, where there is one, and hashes it with the body as it was sent. */
enum amp_err amp_repeat_init(struct amp_api_call *call) AMP_MUST_USE;
/* Takes the key; or *repeated, and api->stored is what was stored. Does nothing without a key. */
enum amp_err amp_repeat_begin(struct amp_api_call *call, bool *repeated) AMP_MUST_USE;
/* Stores the answer now. */
enum amp_err amp_repeat_finish(struct amp_api_call *call, struct amp_slice answer, int64_t ttl_ms) AMP_MUST_USE;
/* Leaves it to amp_api_settle to store the answer, or to give up the key. */
enum amp_err amp_repeat_defer(struct amp_api_call *call, struct amp_slice answer, int64_t ttl_ms) AMP_MUST_USE;
/* Gives the key up, where it is still ours. */
void amp_repeat_cancel(struct amp_api_call *call);
/* Marks a claim as made under this key by this very body: not 0 where there is one. */
uint64_t amp_repeat_mark(const struct amp_api_call *call);

/* subject.c: the token or claim a call is about */

/* Decodes the body as one JSON object by a table of members. */
enum amp_err amp_call_decode(struct amp_api_call *call, const struct amp_json_member *members, size_t count,
                             void *into) AMP_MUST_USE;
enum amp_err amp_read_slice(struct amp_json *json, void *into) AMP_MUST_USE; /* into a struct amp_slice */
/* Where JSON has another number than a whole one, or the value is not within 1..max: `otherwise`. */
enum amp_err amp_read_count(struct amp_json *json, int64_t max, enum amp_err otherwise, int64_t *out) AMP_MUST_USE;

struct amp_subject {
    uint8_t token[AMP_TOKEN_LEN];
    uint8_t index[AMP_VAULT_INDEX_LEN];
};
/* From a token: its bytes, its index; from now on the event names it. */
enum amp_err amp_subject_of_token(struct amp_api_call *call, const uint8_t token[AMP_TOKEN_LEN],
                                  struct amp_subject *subject) AMP_MUST_USE;
enum amp_err amp_subject_parse(struct amp_api_call *call, struct amp_slice text,
                               struct amp_subject *subject) AMP_MUST_USE;
/* Names a token in the event by its index: a keyed hash, and all that a commit knows of the token. */
void amp_subject_refer(struct amp_api_call *call, const uint8_t index[AMP_VAULT_INDEX_LEN]);
/* What the vault knows the caller by. Two keys of one name are one principal. */
enum amp_err amp_subject_who(const struct amp_api_call *call, uint8_t who[AMP_PRINCIPAL_ID_LEN]) AMP_MUST_USE;

/* AMP_ERR_NOT_PERMITTED where the caller has this permission for no queue at all. */
enum amp_err amp_call_may_anywhere(const struct amp_api_call *call, enum amp_permission permission) AMP_MUST_USE;

struct amp_permit {
    const struct amp_principal *who;
    enum amp_permission permission;
};
struct amp_vault_guard amp_subject_guard(struct amp_permit *permit);
/* Behind each look into the vault: the event learns the queue, a refusal its reason. Returns `err`. */
enum amp_err amp_subject_seen(struct amp_api_call *call, enum amp_err err);
/* Opens call->view into api->plain; slices of *content borrow from there. */
enum amp_err amp_subject_open(struct amp_api_call *call, const struct amp_subject *subject,
                              struct amp_content *content) AMP_MUST_USE;

/* claims.c: what a redemption is answered, {"queue","card" or "data"[,"metadata"]}, and a subscriber's copy holds */

/* Room that it needs at most. */
size_t amp_taken_cap(const struct amp_content *content);
void amp_taken_write(struct amp_out *out, struct amp_slice queue, const struct amp_content *content);

/* raw.c: walking over JSON text that amp_json_read_raw accepted */

/* The next element of an array, or the next name or value of an object. *pos starts behind the opening bracket;
 * false, and *pos at the closing one, where there is none. */
bool amp_raw_next(struct amp_slice text, size_t *pos, struct amp_slice *value);
/* How many bytes of UTF-8 a string (with its quotes) stands for. */
size_t amp_raw_string_len(struct amp_slice string);

/* The handlers of the table in routes.c, and how those that asked somebody go on. */
enum amp_err amp_handle_healthz(struct amp_api_call *call);
enum amp_err amp_handle_readyz(struct amp_api_call *call);
enum amp_err amp_handle_openapi(struct amp_api_call *call);
enum amp_err amp_handle_tokenize(struct amp_api_call *call);
enum amp_err amp_handle_batch(struct amp_api_call *call);
enum amp_err amp_handle_inspect(struct amp_api_call *call);
enum amp_err amp_handle_claim(struct amp_api_call *call);
enum amp_err amp_handle_commit(struct amp_api_call *call);
enum amp_err amp_handle_abort(struct amp_api_call *call);
enum amp_err amp_handle_redeem(struct amp_api_call *call);
enum amp_err amp_handle_revoke(struct amp_api_call *call);
enum amp_err amp_handle_subscriptions_create(struct amp_api_call *call);
enum amp_err amp_handle_subscriptions_list(struct amp_api_call *call);
enum amp_err amp_handle_subscriptions_delete(struct amp_api_call *call);
enum amp_err amp_handle_subscriptions_rotate(struct amp_api_call *call);
enum amp_err amp_handle_subscriptions_test(struct amp_api_call *call);
enum amp_err amp_handle_stats(struct amp_api_call *call);
enum amp_err amp_handle_sqs(struct amp_api_call *call);
amp_api_go_on amp_resume_subscriptions_create;
amp_api_go_on amp_resume_subscriptions_delete;
amp_api_go_on amp_resume_subscriptions_rotate;
amp_api_go_on amp_resume_subscriptions_test;
amp_api_go_on amp_resume_poll;

#endif
