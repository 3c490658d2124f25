/*
 * What ends a token's life: claim with commit or abort, redeem, revoke. A card leaves only behind its durable record:
 * claim and redeem are answered through the gate, and amp_api_settle does the rest.
 */
#include "api/internal.h"

#define LEASE_DEFAULT_MS 30000
/* A redeem holds its token this long for the log to become durable. */
#define REDEEM_LEASE_MS 30000
/* How long an empty answer is remembered for its Idempotency-Key. */
#define DONE_TTL_MS 600000
/* What an answer holds beside the content: names, claim, time, queue, braces. */
#define CLAIMED_MAX 1024

/* One taking of a token. As an Idempotency-Key stores it: which claim, until when. */
struct lease {
    uint8_t claim[AMP_VAULT_CLAIM_LEN];
    int64_t expires_unix_ms;
};

struct claiming {
    struct amp_slice token;
    int64_t lease_ms;
    bool redeem;
    bool repeated;
    struct amp_subject subject;
    uint8_t who[AMP_PRINCIPAL_ID_LEN];
    struct lease lease;
};

static enum amp_err read_lease(struct amp_json *json, void *into)
{
    struct claiming *claiming = into;
    return amp_read_count(json, AMP_LEASE_MAX_MS, AMP_ERR_LEASE_INVALID, &claiming->lease_ms);
}

static enum amp_err read_token(struct amp_json *json, void *into)
{
    struct claiming *claiming = into;
    return amp_json_read_string(json, &claiming->token);
}

/* Frees a lease that nobody is told of. */
static void let_go(struct amp_api_call *call, const struct claiming *claiming)
{
    struct amp_permit permit = {call->request->who, AMP_MAY_CLAIM};
    struct amp_vault_guard guard = amp_subject_guard(&permit);
    (void)(amp_vault_abort(call->api->config.vault, claiming->lease.claim, claiming->who, &guard, NULL) == AMP_OK);
}

/* Somebody tries what somebody else did or does: a copied token, or two who believe it theirs (spec section 9). */
static bool is_alarming(const struct amp_api_call *call, const struct claiming *claiming, enum amp_err err)
{
    if (claiming->repeated)
        return false;
    return err == AMP_ERR_TOKEN_CLAIMED || (err == AMP_ERR_TOKEN_GONE && call->view.gone == AMP_GONE_USED);
}

/* Where the same claim is asked for again, the stored answer says which it was. */
static enum amp_err compare_stored(struct amp_api_call *call, struct claiming *claiming)
{
    const struct amp_secret_buf *stored = &call->api->stored;
    struct lease before;
    if (stored->len != sizeof before)
        return AMP_ERR_INTERNAL;
    memcpy(&before, stored->ptr, sizeof before);
    if (!amp_secret_equal(before.claim, claiming->lease.claim, sizeof before.claim))
        return AMP_ERR_CLAIM_GONE;
    claiming->lease.expires_unix_ms = before.expires_unix_ms;
    return AMP_OK;
}

static enum amp_err take_lease(struct amp_api_call *call, struct claiming *claiming)
{
    const struct amp_api_config *config = &call->api->config;
    struct amp_permit permit = {call->request->who, AMP_MAY_CLAIM};
    struct amp_vault_guard guard = amp_subject_guard(&permit);
    bool again = claiming->repeated && !claiming->redeem; /* then the lease that was taken, and no other */
    uint64_t mark = claiming->redeem ? 0 : amp_repeat_mark(call);
    enum amp_err err = amp_subject_who(call, claiming->who);
    if (err != AMP_OK)
        return err;
    err = amp_vault_claim(config->vault, claiming->subject.index, &guard, claiming->who, mark,
                          again ? AMP_VAULT_LEASE_HELD : claiming->lease_ms, claiming->lease.claim, &call->view);
    if (err == AMP_ERR_TOKEN_GONE && again)
        err = AMP_ERR_CLAIM_GONE; /* the claim that was asked for again ended together with its token */
    err = amp_subject_seen(call, err);
    call->event.alarm = is_alarming(call, claiming, err);
    if (err != AMP_OK)
        return err;
    claiming->lease.expires_unix_ms = amp_clock_unix_ms(&config->clock) + call->view.lease_left_ms;
    return again ? compare_stored(call, claiming) : AMP_OK;
}

/* At worst every byte of the name is escaped; all else is written as it was read. */
size_t amp_taken_cap(const struct amp_content *content)
{
    return CLAIMED_MAX + 6 * content->card.name.len + content->data.len + content->metadata.len;
}

static void write_content(struct amp_out *out, const struct amp_content *content)
{
    if (content->is_card) {
        amp_out_str(out, ",\"card\":");
        amp_card_write(out, &content->card);
    } else {
        amp_answer_raw(out, "data", content->data);
    }
    if (content->metadata.len > 0)
        amp_answer_raw(out, "metadata", content->metadata);
    amp_out_byte(out, '}');
}

void amp_taken_write(struct amp_out *out, struct amp_slice queue, const struct amp_content *content)
{
    amp_out_str(out, "{\"queue\":");
    amp_json_write_string(out, queue);
    write_content(out, content);
}

static enum amp_err write_taken(struct amp_api_call *call, const struct claiming *claiming)
{
    const struct amp_slice queue = amp_slice(call->view.queue, call->view.queue_len);
    struct amp_content content = {.is_card = false};
    struct amp_out out;
    enum amp_err err = amp_subject_open(call, &claiming->subject, &content);
    if (err == AMP_OK)
        err = amp_answer_begin(call, amp_taken_cap(&content), &out);
    if (err != AMP_OK)
        return err;
    if (claiming->redeem) {
        amp_taken_write(&out, queue, &content);
    } else {
        amp_out_byte(&out, '{');
        amp_answer_token(&out, "claim", "clm_", claiming->lease.claim);
        amp_answer_time(&out, "lease_expires_at", claiming->lease.expires_unix_ms);
        amp_answer_string(&out, "queue", queue);
        write_content(&out, &content);
    }
    return amp_answer_send(call, 200, &out);
}

/* The record goes before the card: the answer waits for it. */
static enum amp_err gate(struct amp_api_call *call, const struct claiming *claiming)
{
    struct amp_settle *settle = &call->response->settle;
    struct amp_slice answer = amp_slice(&claiming->lease, sizeof claiming->lease);
    enum amp_err err = claiming->redeem ? amp_repeat_defer(call, amp_slice(NULL, 0), DONE_TTL_MS)
                                        : amp_repeat_defer(call, answer, claiming->lease_ms);
    if (err == AMP_OK)
        err = amp_call_record(call, true, &call->response->gate);
    if (err != AMP_OK)
        return err;
    settle->kind = claiming->repeated ? AMP_SETTLE_CLAIM_AGAIN : AMP_SETTLE_CLAIM;
    if (claiming->redeem)
        settle->kind = AMP_SETTLE_REDEEM;
    memcpy(settle->claim, claiming->lease.claim, sizeof settle->claim);
    memcpy(settle->who, claiming->who, sizeof settle->who);
    amp_settle_keep_event(settle, &call->event);
    return AMP_OK;
}

static enum amp_err take(struct amp_api_call *call, struct claiming *claiming)
{
    enum amp_err err = amp_subject_parse(call, claiming->token, &claiming->subject);
    if (err == AMP_OK)
        err = amp_repeat_begin(call, &claiming->repeated);
    if (err == AMP_OK)
        err = take_lease(call, claiming);
    if (err != AMP_OK)
        return err;
    err = write_taken(call, claiming);
    if (err == AMP_OK)
        err = gate(call, claiming);
    if (err != AMP_OK && (claiming->redeem || !claiming->repeated))
        let_go(call, claiming);
    return err;
}

enum amp_err amp_handle_claim(struct amp_api_call *call)
{
    static const struct amp_json_member members[] = {{"token", read_token, true}, {"lease_ms", read_lease, false}};
    struct claiming claiming = {.lease_ms = LEASE_DEFAULT_MS};
    enum amp_err err = amp_call_decode(call, members, 2, &claiming);
    if (err == AMP_OK)
        err = take(call, &claiming);
    amp_wipe(&claiming, sizeof claiming);
    return err;
}

enum amp_err amp_handle_redeem(struct amp_api_call *call)
{
    static const struct amp_json_member members[] = {{"token", read_token, true}};
    struct claiming claiming = {.lease_ms = REDEEM_LEASE_MS, .redeem = true};
    enum amp_err err = amp_call_decode(call, members, 1, &claiming);
    if (err == AMP_OK)
        err = take(call, &claiming);
    amp_wipe(&claiming, sizeof claiming);
    return err;
}

/* 204, with the key of an idempotent call remembered as done. What was done stays done, also where that fails. */
static enum amp_err answer_done(struct amp_api_call *call)
{
    call->response->status = 204;
    (void)(amp_repeat_finish(call, amp_slice(NULL, 0), DONE_TTL_MS) == AMP_OK);
    return AMP_OK;
}

typedef enum amp_err claim_end(struct amp_vault *vault, const uint8_t claim[AMP_VAULT_CLAIM_LEN],
                               const uint8_t who[AMP_PRINCIPAL_ID_LEN], const struct amp_vault_guard *guard,
                               struct amp_vault_view *view);

static enum amp_err end_claim(struct amp_api_call *call, claim_end *end)
{
    static const struct amp_json_member members[] = {{"claim", amp_read_slice, true}};
    struct amp_permit permit = {call->request->who, AMP_MAY_CLAIM};
    struct amp_vault_guard guard = amp_subject_guard(&permit);
    struct amp_slice text = {NULL, 0};
    uint8_t claim[AMP_VAULT_CLAIM_LEN], who[AMP_PRINCIPAL_ID_LEN];
    uint64_t number;
    bool repeated = false;
    enum amp_err err = amp_call_decode(call, members, 1, &text);
    if (err == AMP_OK && amp_token_parse(claim, "clm_", text) != AMP_OK)
        err = AMP_ERR_CLAIM_MALFORMED;
    if (err == AMP_OK)
        amp_subject_refer(call, claim); /* it begins with the token's index */
    if (err == AMP_OK)
        err = amp_subject_who(call, who);
    if (err == AMP_OK)
        err = amp_repeat_begin(call, &repeated);
    if (err == AMP_OK && !repeated)
        err = amp_subject_seen(call, end(call->api->config.vault, claim, who, &guard, &call->view));
    if (err == AMP_OK && !repeated)
        err = amp_call_record(call, false, &number);
    return err != AMP_OK ? err : answer_done(call);
}

enum amp_err amp_handle_commit(struct amp_api_call *call)
{
    return end_claim(call, amp_vault_commit);
}

enum amp_err amp_handle_abort(struct amp_api_call *call)
{
    return end_claim(call, amp_vault_abort);
}

enum amp_err amp_handle_revoke(struct amp_api_call *call)
{
    static const struct amp_json_member members[] = {{"token", amp_read_slice, true}};
    struct amp_permit permit = {call->request->who, AMP_MAY_REVOKE};
    struct amp_vault_guard guard = amp_subject_guard(&permit);
    struct amp_slice text = {NULL, 0};
    struct amp_subject subject;
    uint64_t number;
    bool repeated = false;
    enum amp_err err = amp_call_decode(call, members, 1, &text);
    if (err == AMP_OK)
        err = amp_subject_parse(call, text, &subject);
    if (err == AMP_OK)
        err = amp_repeat_begin(call, &repeated);
    if (err == AMP_OK && !repeated)
        err = amp_subject_seen(call, amp_vault_revoke(call->api->config.vault, subject.index, &guard, &call->view));
    if (err == AMP_OK && !repeated)
        err = amp_call_record(call, false, &number);
    return err != AMP_OK ? err : answer_done(call);
}
