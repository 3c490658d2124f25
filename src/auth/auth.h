/*
 * The one verifier. Every request but those to open endpoints passes here, once, before anything acts on it:
 * form, window, key, coverage, body, signature, replay, rate (spec section 2). One per worker thread; it
 * holds derived day keys only, in secret memory: the pre-shared secrets never leave the keeper.
 */
#ifndef AMP_AUTH_AUTH_H
#define AMP_AUTH_AUTH_H

#include "base/clock.h"
#include "keys/principal.h"
#include "store/rate.h"
#include "store/replay.h"
#include "wire/sigv4.h"

struct amp_auth;
struct amp_auth_config {
    struct amp_clock clock;
    int64_t skew_s;
    struct amp_replay *replay; /* shared, borrowed */
    struct amp_rate *rate;     /* shared, borrowed */
    void *ctx;
    /* Asks the keeper for a day key; the answer comes to amp_auth_answer with the same `ask`. */
    enum amp_err (*ask)(void *ctx, uint64_t ask, const struct amp_sigv4 *scope);
};
enum amp_err amp_auth_new(struct amp_auth **out, const struct amp_auth_config *config) AMP_MUST_USE;
void amp_auth_free(struct amp_auth *auth);

struct amp_auth_request {
    const struct amp_http1_head *head;
    struct amp_slice body;
    const char *service; /* the scope's service this route demands: "ampoule" or "sqs" */
    uint64_t connection_id;
};

struct amp_auth_result {
    const struct amp_principal *who; /* where AMP_OK; valid until the loop turns */
    struct amp_slice claimed_id;     /* else: the key id the request claimed, in the head; empty where it has no such
                                        form: what may be any text, a card number too, is for no log */
    uint32_t retry_after_s;          /* where AMP_ERR_RATE_LIMITED */
    uint64_t ask;                    /* where AMP_ERR_AGAIN */
};
/*
 * AMP_OK once and only once per signature; for service "sqs" again on the same connection, where SDKs sign two
 * identical requests of one second alike, and AMP_ERR_SQS_REQUEST_THROTTLED on another one. AMP_ERR_AGAIN: the day key
 * was asked for; check again when amp_auth_answer has seen result->ask (nothing is remembered until then). Any other:
 * the refusal. Where it is not AMP_OK the stack below is wiped: a request may carry anything in its target and fields.
 */
enum amp_err amp_auth_check(struct amp_auth *auth, const struct amp_auth_request *request,
                            struct amp_auth_result *result) AMP_MUST_USE;

/*
 * The keeper's answer to `ask`: err AMP_OK with key and principal (copied), AMP_ERR_UNKNOWN_KEY,
 * AMP_ERR_KEY_DISABLED, or AMP_ERR_KEEPER_UNAVAILABLE where it will not come. False for an `ask` nobody made.
 */
bool amp_auth_answer(struct amp_auth *auth, uint64_t ask, enum amp_err err, const struct amp_key256 *day_key,
                     const struct amp_principal *principal);
/* Forgets what is known of one key id: it changed. */
void amp_auth_forget(struct amp_auth *auth, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN]);
/* Forgets everything and fails what is asked: the keeper is gone. */
void amp_auth_forget_all(struct amp_auth *auth);

#endif
