/*
 * What happens to the vault once the record of a claim is durable, or will not be. Until then the card has not left:
 * its answer is held back, so that no card is ever out without a record of who has it (spec section 9).
 */
#include "api/internal.h"

static void keep(struct amp_slice *slice, uint8_t *at, size_t cap)
{
    size_t len = slice->len <= cap ? slice->len : 0;
    if (len != 0)
        memcpy(at, slice->ptr, len);
    *slice = amp_slice(NULL, len);
}

void amp_settle_keep_event(struct amp_settle *settle, const struct amp_event *event)
{
    uint8_t *text = settle->event_text;
    settle->event = *event;
    keep(&settle->event.who, text, AMP_EVENT_WHO_MAX);
    keep(&settle->event.source, text + AMP_EVENT_WHO_MAX, AMP_EVENT_SOURCE_MAX);
    keep(&settle->event.queue, text + AMP_EVENT_WHO_MAX + AMP_EVENT_SOURCE_MAX, AMP_EVENT_QUEUE_MAX);
}

struct amp_event amp_settle_event(const struct amp_settle *settle)
{
    const uint8_t *text = settle->event_text;
    struct amp_event event = settle->event;
    event.who.ptr = text;
    event.source.ptr = text + AMP_EVENT_WHO_MAX;
    event.queue.ptr = text + AMP_EVENT_WHO_MAX + AMP_EVENT_SOURCE_MAX;
    return event;
}

/* Why a redemption whose lease ended cannot be: it named a token and knows of no claim. */
static enum amp_err fate_of_token(struct amp_api *api, const struct amp_settle *settle, struct amp_vault_view *view)
{
    enum amp_err err =
        amp_vault_inspect(api->config.vault, settle->claim, NULL, view); /* a claim begins with the index */
    amp_secret_buf_free(&view->sealed);
    if (err != AMP_OK)
        return err;
    return view->claimed ? AMP_ERR_TOKEN_CLAIMED : AMP_ERR_AUDIT_UNAVAILABLE; /* free: it was the log that was late */
}

/* Of a claim that nobody was told of no trace may be left in the vault: then its lease ran out. */
static enum amp_err check_claim(struct amp_api *api, const struct amp_settle *settle, struct amp_vault_view *view)
{
    enum amp_err err = amp_vault_holds(api->config.vault, settle->claim, settle->who, view);
    if (err != AMP_ERR_CLAIM_UNKNOWN)
        return err;
    view->gone = AMP_GONE_EXPIRED;
    return AMP_ERR_CLAIM_GONE;
}

/* Whether the card may leave: its claim must hold at this moment, and a redeemed token be destroyed first. */
static enum amp_err confirm(struct amp_api *api, const struct amp_settle *settle, struct amp_vault_view *view)
{
    switch (settle->kind) {
    case AMP_SETTLE_NONE:
        return AMP_OK;
    case AMP_SETTLE_CLAIM:
    case AMP_SETTLE_CLAIM_AGAIN:
        return check_claim(api, settle, view);
    case AMP_SETTLE_REDEEM:
        break;
    }
    enum amp_err err = amp_vault_commit(api->config.vault, settle->claim, settle->who, NULL, view);
    return err == AMP_OK ? AMP_OK : fate_of_token(api, settle, view);
}

static void store_answer(struct amp_api *api, const struct amp_settle *settle)
{
    struct amp_slice answer = amp_slice(settle->idempotent_answer.ptr, settle->idempotent_answer.len);
    if (!settle->has_idempotency)
        return;
    /* Where there is no room the key is free again, and the vault itself knows a claim's repetition by its mark. */
    (void)(amp_idempotency_finish(api->config.idempotency, settle->idempotency, AMP_IDEMPOTENCY_EMPTIES, answer,
                                  settle->idempotency_ttl_ms) == AMP_OK);
}

static void let_go(struct amp_api *api, const struct amp_settle *settle)
{
    if (settle->kind == AMP_SETTLE_CLAIM || settle->kind == AMP_SETTLE_REDEEM)
        (void)(amp_vault_abort(api->config.vault, settle->claim, settle->who, NULL, NULL) == AMP_OK);
    if (settle->has_idempotency)
        amp_idempotency_cancel(api->config.idempotency, settle->idempotency);
}

/* The answer does not leave: the token is free again, and the log says that the recorded act did not happen, and why.
 */
static void take_back(struct amp_api *api, struct amp_api_response *response, enum amp_err err, const char *reason)
{
    struct amp_settle settle = response->settle;
    response->settle.idempotent_answer = (struct amp_secret_buf){NULL, 0, 0};
    amp_api_response_fini(response);
    let_go(api, &settle);
    amp_secret_buf_free(&settle.idempotent_answer);
    struct amp_event event = amp_settle_event(&settle);
    amp_answer_refuse(api, &(struct amp_refusal){.event = &event, .err = err, .reason = reason}, response);
}

void amp_api_settle(struct amp_api *api, struct amp_api_response *response, bool durable)
{
    struct amp_vault_view view = {.gone = AMP_GONE_COUNT_};
    if (response->gate == 0)
        return;
    /* A lease that ended while the log was awaited may have gone to somebody else: then this answer is void too. */
    enum amp_err err = durable ? confirm(api, &response->settle, &view) : AMP_ERR_AUDIT_UNAVAILABLE;
    if (err != AMP_OK) {
        bool gone = err == AMP_ERR_CLAIM_GONE || err == AMP_ERR_TOKEN_GONE;
        take_back(api, response, err, gone ? amp_gone_reason_name(view.gone) : NULL);
        return;
    }
    store_answer(api, &response->settle);
    amp_secret_buf_free(&response->settle.idempotent_answer);
    response->settle = (struct amp_settle){.kind = AMP_SETTLE_NONE};
    response->gate = 0;
}
