/* The way of one call: checked, handled, answered or refused; parked where it has to wait, and gone on with. */
#include <stdlib.h>

#include "api/internal.h"

/* Scratch that grew beyond this for one large call is given back behind it. */
#define SCRATCH_KEPT 16384

enum amp_err amp_api_new(struct amp_api **out, const struct amp_api_config *config)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    (*out)->config = *config;
    (*out)->sqs = calloc(1, sizeof *(*out)->sqs); /* it points into bodies and holds nothing of them */
    if ((*out)->sqs == NULL) {
        amp_api_free(*out);
        *out = NULL;
        return AMP_ERR_OUT_OF_MEMORY;
    }
    return AMP_OK;
}

void amp_api_free(struct amp_api *api)
{
    if (api == NULL)
        return;
    amp_secret_buf_free(&api->plain);
    amp_secret_buf_free(&api->sealed);
    amp_secret_buf_free(&api->stored);
    amp_secret_buf_free(&api->spare);
    free(api->sqs);
    free(api);
}

void amp_api_rinse(struct amp_secret_buf *scratch)
{
    if (scratch->cap > SCRATCH_KEPT)
        amp_secret_buf_free(scratch);
    else
        amp_secret_buf_clear(scratch);
}

/* RFC 9110 section 8.3: application/json, whatever parameters follow (RFC 8259 section 11 knows none). */
static enum amp_err check_content_type(const struct amp_api_request *request)
{
    struct amp_slice value;
    enum amp_err err = amp_http1_single(request->head, "content-type", &value);
    if (err != AMP_OK)
        return err;
    if (value.ptr == NULL) /* a body that is not there has no type */
        return request->body_len == 0 ? AMP_OK : AMP_ERR_UNSUPPORTED_MEDIA_TYPE;
    size_t len = 0;
    while (len < value.len && value.ptr[len] != ';')
        len++;
    while (len > 0 && (value.ptr[len - 1] == ' ' || value.ptr[len - 1] == '\t'))
        len--;
    bool json = amp_slice_equal_nocase(amp_slice(value.ptr, len), AMP_SLICE_LIT("application/json"));
    return json ? AMP_OK : AMP_ERR_UNSUPPORTED_MEDIA_TYPE;
}

bool amp_route_is_sqs(const struct amp_route *route)
{
    return route->handle == amp_handle_sqs;
}

/* The SQS API reads its own content types, and knows no Idempotency-Key: FIFO queues deduplicate. */
static enum amp_err run(struct amp_api_call *call)
{
    const struct amp_route *route = call->request->route;
    if (!route->open && call->request->who == NULL)
        return AMP_ERR_NOT_SIGNED;
    if (!route->open && call->request->head->query.len != 0)
        return AMP_ERR_QUERY_REFUSED;
    if (route->method == AMP_METHOD_POST && !amp_route_is_sqs(route)) {
        enum amp_err err = amp_repeat_init(call);
        if (err == AMP_OK)
            err = check_content_type(call->request);
        if (err != AMP_OK)
            return err;
    }
    return route->handle(call);
}

enum amp_err amp_call_park(struct amp_api_call *call, enum amp_park_kind kind, amp_api_go_on *go_on, size_t state_len,
                           struct amp_api_parked **parked)
{
    const struct amp_principal *who = call->request->who;
    *parked = amp_secret_alloc(sizeof **parked + state_len); /* it holds the key of what was stored */
    if (*parked == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    **parked =
        (struct amp_api_parked){.idempotency = call->api->config.idempotency, .go_on = go_on, .state_len = state_len};
    call->response->park = (struct amp_park){.kind = kind, .state = *parked};
    memcpy(call->response->park.who, who->key_id, sizeof who->key_id);
    return AMP_OK;
}

enum amp_err amp_call_ask(struct amp_api_call *call, const struct amp_api_ask *ask, amp_api_go_on *go_on,
                          size_t state_len, struct amp_api_parked **parked)
{
    const struct amp_api_config *config = &call->api->config;
    enum amp_err err = amp_call_park(call, AMP_PARK_ASK, go_on, state_len, parked);
    if (err == AMP_OK)
        err = config->ask(config->ctx, ask, &call->response->park.ask);
    return err;
}

void amp_api_parked_free(struct amp_api_parked *parked)
{
    if (parked == NULL)
        return;
    /* Whoever asked went away before the answer: the Idempotency-Key is free again. */
    if (parked->repeat.owned)
        amp_idempotency_cancel(parked->idempotency, parked->repeat.key);
    amp_secret_free(parked);
}

/* A handler's refusal: nothing of the answer it may have begun remains. */
static void turn_away(struct amp_api_call *call, enum amp_err err)
{
    const struct amp_refusal refusal = {
        .route = call->request->route,
        .head = call->request->head,
        .event = &call->event,
        .err = err,
        .reason = call->reason,
    };
    amp_api_response_fini(call->response);
    amp_answer_refuse(call->api, &refusal, call->response);
}

/* What the call knows goes into its parked state. */
static void keep(struct amp_api_call *call)
{
    struct amp_api_parked *parked = call->response->park.state;
    parked->event = call->event;
    parked->repeat = call->repeat;
}

/* The end of each turn of a call: it waits, is answered, or is refused. */
static void end_turn(struct amp_api_call *call, enum amp_err err)
{
    struct amp_api *api = call->api;
    if (err == AMP_OK && call->response->park.kind != AMP_PARK_NONE) {
        keep(call);
        amp_secret_buf_free(&call->response->body); /* of an answer that was begun in vain */
    } else {
        if (err != AMP_OK || !call->response->settle.has_idempotency)
            amp_repeat_cancel(call);
        if (err != AMP_OK)
            turn_away(call, err);
    }
    amp_wipe(&call->repeat, sizeof call->repeat);
    amp_secret_buf_free(&call->view.sealed);
    amp_api_rinse(&api->plain);
    amp_api_rinse(&api->sealed);
    amp_api_rinse(&api->stored);
}

/* Of what a handler left below the frame that calls this, which was there before it. */
static inline __attribute__((always_inline)) void wipe_behind(const struct amp_api_call *call)
{
    if (call->deep)
        amp_wipe_stack_16k();
    else
        amp_wipe_stack_8k();
}

void amp_api_serve(struct amp_api *api, const struct amp_api_request *request, struct amp_api_response *response)
{
    struct amp_api_call call = {
        .api = api,
        .request = request,
        .response = response,
        .event = request->event,
        .deep = request->route->deep,
    };
    *response = (struct amp_api_response){0};
    end_turn(&call, run(&call));
    wipe_behind(&call);
}

void amp_api_resume(struct amp_api *api, const struct amp_api_request *request, enum amp_resume why,
                    const struct amp_api_answer *answer, struct amp_api_response *response)
{
    struct amp_park park = response->park;
    struct amp_api_parked *parked = park.state;
    struct amp_api_call call = {
        .api = api,
        .request = request,
        .response = response,
        .event = parked->event,
        .repeat = parked->repeat,
        .parked = parked,
        .deep = request->route->deep,
    };
    *response = (struct amp_api_response){0};
    call.event.unix_ms = amp_clock_unix_ms(&api->config.clock);
    call.event.who = request->event.who;
    call.event.source = request->event.source;
    parked->repeat.owned = false; /* it is the call's now */
    enum amp_err err = parked->go_on(&call, why, answer);
    if (err == AMP_ERR_AGAIN) {
        response->park = park;
        parked = NULL;
        err = AMP_OK;
    }
    end_turn(&call, err);
    amp_api_parked_free(parked); /* what is recorded may borrow from it */
    wipe_behind(&call);
}
