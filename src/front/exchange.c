/*
 * The way of a request: route, verify, act, record, answer. It is acted on in one place (amp_api_serve),
 * behind one verifier (amp_auth_check), and refused through one door (amp_api_refuse).
 */
#include <stdlib.h>

#include "base/log.h"
#include "front/internal.h"
#include "sandbox/sandbox.h"

#define KEEPER_WAIT_MAX_MS 5000
#define LOG_WAIT_MAX_MS    10000
#define NO_ASK             UINT64_MAX /* asks count from 1 */
/* What one request records, batches of tokens excepted: those take back what they cannot record. */
#define RECORDS_MAX 8

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/*
 * How long a request may wait for the keeper, and an answer for the log. Both together end before the connection's own
 * deadline: it would tell the peer that the request failed, while that could yet be carried out.
 */
static int64_t keeper_wait_ms(const struct amp_worker *worker)
{
    return least(KEEPER_WAIT_MAX_MS, worker->settings.limits.request_ms / 2);
}

static int64_t log_wait_ms(const struct amp_worker *worker)
{
    int64_t limit_ms = worker->settings.limits.request_ms, margin_ms = limit_ms / 4;

    return least(LOG_WAIT_MAX_MS, limit_ms - keeper_wait_ms(worker) - margin_ms);
}

/* What an honest peer hardly does, and a stranger could do without end: wrong, and not behind a good signature. */
static bool is_strike(enum amp_err err)
{
    return amp_err_status(err) < 500 && err != AMP_ERR_REQUEST_REPLAYED && err != AMP_ERR_SQS_REQUEST_THROTTLED &&
           err != AMP_ERR_RATE_LIMITED;
}

/*
 * What a source is penalised for. Not for a clock that is wrong, and not for a signature sent again: the one is what
 * every client of a server just started meets, the other what one that repeats does.
 */
static enum amp_offence offence_of(enum amp_err err)
{
    int status = amp_err_status(err);

    if (err == AMP_ERR_KEY_DISABLED || (status == 401 && err != AMP_ERR_CLOCK_SKEW))
        return AMP_OFFENCE_SIGNATURE;
    if (status == 404 || status == 405)
        return AMP_OFFENCE_STRAY;
    return status == 400 ? AMP_OFFENCE_MALFORMED : AMP_OFFENCE_NONE;
}

/*
 * Wrong in itself, for the most part: a client in good faith meets some of these, too (a receipt whose message is back
 * in its queue), and what he pays for it is bounded (net/flow.c).
 */
static bool is_faulty(int status)
{
    return status == 400 || status == 413 || status == 415 || status == 422;
}

static void send_answer(struct amp_worker *worker, struct amp_net_exchange *exchange, uint64_t request_id,
                        struct amp_api_response *response, enum amp_err refused)
{
    struct amp_net_response answer = {
        .status = response->status,
        .content_type = response->content_type,
        .body = amp_slice(response->body.ptr, response->body.len),
        .allow = response->allow,
        .query_error = response->query_error,
        .challenge = response->status == 401,
        .retry_after_s = response->retry_after_s,
        .faulty = is_faulty(response->status),
        .strike = refused != AMP_OK && is_strike(refused),
        .offence = offence_of(refused),
        .request_id = request_id,
        .amazon = response->amazon,
    };
    (void)amp_net_respond(exchange, &answer);
    amp_api_done(worker->api, response);
}

static struct amp_event event_of(struct amp_worker *worker, enum amp_act act, struct amp_slice source,
                                 uint64_t request_id)
{
    return (struct amp_event){
        .unix_ms = amp_clock_unix_ms(&worker->shared->clock),
        .act = act,
        .request_id = request_id,
        .source = source,
    };
}

struct amp_event amp_front_event(struct amp_worker *worker, enum amp_act act, const struct amp_net_request *request)
{
    return event_of(worker, act, request->source, request->request_id);
}

/* Before anybody is known to have signed it. The form of the refusal is the route's, where there is one. */
static void refuse(struct amp_worker *worker, struct amp_net_exchange *exchange, const struct amp_net_request *request,
                   const struct amp_route *route, enum amp_act act, enum amp_err err,
                   const struct amp_auth_result *auth, const char *allow)
{
    struct amp_api_response response;
    struct amp_event event = amp_front_event(worker, act, request);

    if (auth->claimed_id.len > 0 && auth->claimed_id.len <= AMP_EVENT_WHO_MAX) {
        event.who = auth->claimed_id;
        event.who_unverified = true;
    }
    amp_api_refuse(worker->api, route, request->head, &event, err, allow, auth->retry_after_s, &response);
    send_answer(worker, exchange, request->request_id, &response, err);
}

/* Holds an answer back until its record is durable (spec section 9: before the card leaves). */
static void gate(struct amp_worker *worker, struct amp_net_exchange *exchange, uint64_t request_id,
                 struct amp_api_response *response)
{
    struct gated *gated = malloc(sizeof *gated);

    if (gated == NULL) {
        amp_api_settle(worker->api, response, false);
        send_answer(worker, exchange, request_id, response, AMP_OK);
        return;
    }
    gated->exchange = exchange;
    gated->request_id = request_id;
    gated->response = *response;
    gated->until_mono_ms = amp_clock_mono_ms(&worker->shared->clock) + log_wait_ms(worker);
    amp_wipe(response, sizeof *response); /* it holds the claim */
    STAILQ_INSERT_TAIL(&worker->gated, gated, next);
}

static void park_for_keeper(struct amp_worker *worker, struct amp_net_exchange *exchange,
                            const struct amp_net_request *request, const struct amp_route *route, uint64_t ask,
                            int64_t until_mono_ms)
{
    struct waiting *waiting = malloc(sizeof *waiting);

    if (waiting == NULL) {
        refuse(worker, exchange, request, route, route->act, AMP_ERR_OUT_OF_MEMORY, &(struct amp_auth_result){0}, NULL);
        return;
    }
    *waiting = (struct waiting){
        .exchange = exchange,
        .route = route,
        .request = *request,
        .ask = ask,
        .until_mono_ms = until_mono_ms,
    };
    STAILQ_INSERT_TAIL(&worker->waiting, waiting, next);
}

void amp_front_conclude(struct amp_worker *worker, struct amp_net_exchange *exchange,
                        const struct amp_net_request *request, struct amp_api_response *response)
{
    if (response->err == AMP_ERR_KEEPER_UNAVAILABLE)
        amp_front_want_epoch(worker);
    if (response->gate != 0)
        gate(worker, exchange, request->request_id, response);
    else
        send_answer(worker, exchange, request->request_id, response, AMP_OK);
}

/* A verified request, or one to an open endpoint: act and answer, or wait. */
static void act(struct amp_worker *worker, struct amp_net_exchange *exchange, const struct amp_net_request *request,
                const struct amp_route *route, struct amp_slice id, const struct amp_principal *who)
{
    struct amp_api_response response;
    struct amp_api_request call = {
        .route = route,
        .id = id,
        .head = request->head,
        .who = who,
        .body = request->body,
        .body_len = request->body_len,
        .event = amp_front_event(worker, route->act, request),
    };
    if (who != NULL)
        call.event.who = amp_slice(who->key_id, sizeof who->key_id);
    amp_api_serve(worker->api, &call, &response);
    if (response.park.kind == AMP_PARK_NONE) {
        amp_front_conclude(worker, exchange, request, &response);
    } else if (amp_front_park(worker, exchange, &call, request, &response) != AMP_OK) {
        amp_api_response_fini(&response);
        refuse(worker, exchange, request, route, route->act, AMP_ERR_OUT_OF_MEMORY, &(struct amp_auth_result){0}, NULL);
    }
}

/* Verified: its connection is the principal's from now on, within what that may hold. */
static void act_for(struct amp_worker *worker, struct amp_net_exchange *exchange, const struct amp_net_request *request,
                    const struct amp_route *route, struct amp_slice id, const struct amp_principal *who)
{
    enum amp_err err = amp_net_verified(exchange, amp_slice(who->name, who->name_len));
    struct amp_auth_result refused = {.claimed_id = amp_slice(who->key_id, sizeof who->key_id), .retry_after_s = 1};

    if (err == AMP_OK)
        act(worker, exchange, request, route, id, who);
    else
        refuse(worker, exchange, request, route, route->act, err, &refused, NULL);
}

/* It may wait for the keeper until `until_mono_ms`, however often it has to ask. */
static void serve(struct amp_worker *worker, struct amp_net_exchange *exchange, const struct amp_net_request *request,
                  int64_t until_mono_ms)
{
    const struct amp_route *route = NULL;
    const char *allow = NULL;
    struct amp_slice id = {NULL, 0};
    struct amp_auth_result result = {0};
    enum amp_err err = amp_api_route(request->head->method, request->head->path, &route, &id, &allow);

    if (err != AMP_OK) {
        refuse(worker, exchange, request, route, AMP_ACT_REQUEST, err, &result, allow);
        return;
    }
    if (route->open) {
        act(worker, exchange, request, route, id, NULL);
        return;
    }
    if (!amp_recorder_ready(worker->recorder) || !amp_recorder_reserve(worker->recorder, RECORDS_MAX)) {
        refuse(worker, exchange, request, route, route->act, AMP_ERR_AUDIT_UNAVAILABLE, &result, NULL);
        return;
    }
    err = amp_auth_check(worker->auth,
                         &(struct amp_auth_request){.head = request->head,
                                                    .body = amp_slice(request->body, request->body_len),
                                                    .service = route->service,
                                                    .connection_id = request->connection_id},
                         &result);
    if (err == AMP_OK)
        act_for(worker, exchange, request, route, id, result.who);
    else if (err == AMP_ERR_AGAIN)
        park_for_keeper(worker, exchange, request, route, result.ask, until_mono_ms);
    else
        refuse(worker, exchange, request, route, route->act, err, &result, NULL);
}

static enum amp_err on_head(void *ctx, const struct amp_http1_head *head, size_t *max_body)
{
    const struct amp_route *route = NULL;
    const char *allow = NULL;
    struct amp_slice id;
    enum amp_err err = amp_api_route(head->method, head->path, &route, &id, &allow);

    /* The refusal itself is answered by serve(), with Allow, where no body follows. */
    *max_body = err == AMP_OK ? route->max_body : 0;
    return err != AMP_OK && (head->chunked || head->content_length > 0) ? err : AMP_OK;
}

static void on_request(void *ctx, struct amp_net_exchange *exchange, const struct amp_net_request *request)
{
    struct amp_worker *worker = ctx;

    serve(worker, exchange, request, amp_clock_mono_ms(&worker->shared->clock) + keeper_wait_ms(worker));
}

static void on_refused(void *ctx, enum amp_err err, struct amp_slice source, uint64_t request_id,
                       struct amp_net_response *response)
{
    struct amp_worker *worker = ctx;
    /* A connection that broke is not a request; whatever else comes here began to be one. */
    enum amp_act refused = err == AMP_ERR_IO ? AMP_ACT_CONNECTION : AMP_ACT_REQUEST;
    struct amp_event event = event_of(worker, refused, source, request_id);

    amp_api_response_fini(&worker->refusal);
    amp_api_refuse(worker->api, NULL, NULL, &event, err, NULL, 0, &worker->refusal);
    *response = (struct amp_net_response){
        .status = worker->refusal.status,
        .content_type = worker->refusal.content_type,
        .body = amp_slice(worker->refusal.body.ptr, worker->refusal.body.len),
        .retry_after_s = worker->refusal.retry_after_s,
        .close = true,
        .request_id = request_id,
    };
}

struct amp_net_handler amp_front_handler(struct amp_worker *worker)
{
    return (struct amp_net_handler){.ctx = worker, .head = on_head, .request = on_request, .refused = on_refused};
}

/* Moves to `taken` those that wait for `ask`, and those whose time is over at `due_mono_ms`. */
static void take_waiting(struct amp_worker *worker, uint64_t ask, int64_t due_mono_ms, struct waiting_list *taken)
{
    struct waiting_list rest = STAILQ_HEAD_INITIALIZER(rest);
    struct waiting *waiting;

    while ((waiting = STAILQ_FIRST(&worker->waiting)) != NULL) {
        STAILQ_REMOVE_HEAD(&worker->waiting, next);
        if (waiting->ask == ask || waiting->until_mono_ms <= due_mono_ms)
            STAILQ_INSERT_TAIL(taken, waiting, next);
        else
            STAILQ_INSERT_TAIL(&rest, waiting, next);
    }
    STAILQ_CONCAT(&worker->waiting, &rest);
}

void amp_front_answered(struct amp_worker *worker, uint64_t ask)
{
    struct waiting_list again = STAILQ_HEAD_INITIALIZER(again);
    struct waiting *waiting;

    take_waiting(worker, ask, INT64_MIN, &again);
    while ((waiting = STAILQ_FIRST(&again)) != NULL) {
        STAILQ_REMOVE_HEAD(&again, next);
        amp_net_work_for(worker->net, waiting->exchange);
        if (amp_net_alive(waiting->exchange))
            serve(worker, waiting->exchange, &waiting->request, waiting->until_mono_ms);
        else /* the peer is gone, or was told that it took too long: it must not be acted on behind that */
            refuse(worker, waiting->exchange, &waiting->request, NULL, AMP_ACT_CONNECTION, AMP_ERR_IO,
                   &(struct amp_auth_result){0}, NULL);
        free(waiting);
    }
}

/* What was taken from the vault stays taken only where the answer can still reach who asked for it. */
static void release(struct amp_worker *worker, struct gated *gated, bool durable)
{
    amp_api_settle(worker->api, &gated->response, durable && amp_net_alive(gated->exchange));
    send_answer(worker, gated->exchange, gated->request_id, &gated->response, AMP_OK);
    amp_wipe(gated, sizeof *gated);
    free(gated);
}

void amp_front_durable(void *ctx, uint64_t number)
{
    struct amp_worker *worker = ctx;
    struct gated *gated;

    amp_net_work_for(worker->net, NULL);
    while ((gated = STAILQ_FIRST(&worker->gated)) != NULL && gated->response.gate <= number) {
        STAILQ_REMOVE_HEAD(&worker->gated, next);
        release(worker, gated, true);
    }
}

void amp_front_expire(struct amp_worker *worker, int64_t now_mono_ms)
{
    struct waiting_list late = STAILQ_HEAD_INITIALIZER(late);
    struct waiting *waiting;
    struct gated *gated;

    while ((gated = STAILQ_FIRST(&worker->gated)) != NULL && gated->until_mono_ms <= now_mono_ms) {
        STAILQ_REMOVE_HEAD(&worker->gated, next);
        release(worker, gated, false);
    }
    take_waiting(worker, NO_ASK, now_mono_ms, &late);
    while ((waiting = STAILQ_FIRST(&late)) != NULL) {
        STAILQ_REMOVE_HEAD(&late, next);
        refuse(worker, waiting->exchange, &waiting->request, waiting->route, AMP_ACT_REQUEST,
               AMP_ERR_KEEPER_UNAVAILABLE, &(struct amp_auth_result){0}, NULL);
        free(waiting);
    }
}

enum amp_err amp_front_record(void *ctx, const struct amp_event *event, bool want_durable, uint64_t *number)
{
    struct amp_worker *worker = ctx;
    bool success = event->outcome == AMP_OUTCOME_SUCCESS;
    bool unsigned_for = !success && (event->who.len == 0 || event->who_unverified);
    enum amp_err err;

    /* Strangers must not fill what the records of others need. */
    if (unsigned_for &&
        !(amp_recorder_roomy(worker->recorder) && amp_discards_admit(worker->discards, event->source))) {
        amp_discards_count(worker->discards, event->code);
        *number = 0;
        return AMP_OK;
    }
    err = amp_recorder_add(worker->recorder, event, want_durable, number);
    if (err != AMP_OK && !success)
        amp_discards_count(worker->discards, event->code);
    return err;
}

void amp_front_readiness(void *ctx, struct amp_api_readiness *out)
{
    struct amp_worker *worker = ctx;

    *out = (struct amp_api_readiness){
        .dev = worker->shared->dev,
        .memory = worker->shared->memory,
        .log_writable = amp_recorder_ready(worker->recorder) && atomic_load(&worker->shared->served),
        .keeper_reachable = amp_front_keeper_answers(worker) && amp_subscribers_known(worker->shared->subscribers),
        .courier_reachable = atomic_load(&worker->shared->courier_here),
        .epoch_key = amp_epochs_count(worker->shared->epochs) > 0,
        .draining = atomic_load(&worker->shared->draining),
        .key_provider = worker->shared->key_provider,
        .sandbox = amp_sandbox_parts(),
    };
}

void amp_front_counts(void *ctx, struct amp_api_counts *out)
{
    struct amp_worker *worker = ctx;
    struct amp_front_shared *shared = worker->shared;
    struct amp_outbox_counts deliveries = amp_outbox_counts(shared->outbox);
    struct amp_net_counts net = amp_net_counts(shared->commons);

    amp_front_tell_connections(worker); /* who asks is one of them */
    *out = (struct amp_api_counts){
        .connections = atomic_load_explicit(&shared->connections, memory_order_relaxed),
        .startups = net.startups,
        .accepted = net.accepted,
        .refused_full = net.refused[AMP_NET_REFUSED_FULL],
        .refused_source = net.refused[AMP_NET_REFUSED_SOURCE],
        .refused_startups = net.refused[AMP_NET_REFUSED_STARTUPS],
        .refused_penalty = net.refused[AMP_NET_REFUSED_PENALTY],
        .parked = atomic_load_explicit(&shared->parked, memory_order_relaxed),
        .deliveries_pending = deliveries.pending,
        .deliveries_under_way = deliveries.under_way,
        .uptime_ms = (uint64_t)(amp_clock_mono_ms(&shared->clock) - shared->start_mono_ms),
    };
}
