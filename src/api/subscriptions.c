/*
 * Subscriptions: where queues are pushed. The keeper makes, changes and forgets them, the courier tries them out; here
 * is asked, and told what came of it. Which there are is looked up in what the keeper told before.
 */
#include "api/order.h"

#include "base/text.h"

/* How long the keeper, and the courier with an endpoint, are waited for. */
#define KEEPER_MS 10000
#define TEST_MS   30000
/* How long the answer to an Idempotency-Key is remembered. */
#define REPEAT_TTL_MS 600000
/* What an answer holds beside texts of no fixed length: names, id, secret, queue, key ids, times. */
#define FIXED_MAX 640
#define TEST_MAX  384
/* Each answer with a secret begins with the id. */
#define ANSWER_BEGIN "{\"id\":\""

/* One subscription, as a call that waits for somebody's answer knows it. */
struct asked {
    char id[AMP_SUBSCRIPTION_ID_TEXT_LEN];
    uint8_t queue_len;
    uint8_t queue[AMP_GRANT_QUEUE_MAX];
};

/* What a new one shall be. Slices borrow from the body. */
struct created {
    struct amp_slice queue;
    struct amp_slice url;
    struct amp_slice description;
    struct amp_slice jwk; /* as it was sent */
    bool ordered;
    char kid[AMP_JWK_THUMBPRINT_LEN]; /* where there is a jwk */
    char id[AMP_SUBSCRIPTION_ID_TEXT_LEN];
};

static enum amp_err check_known(const struct amp_api_call *call)
{
    return amp_subscribers_known(call->api->config.subscribers) ? AMP_OK : AMP_ERR_KEEPER_UNAVAILABLE;
}

static bool may_manage(const struct amp_api_call *call, struct amp_slice queue)
{
    return amp_principal_may(call->request->who, AMP_MAY_MANAGE, queue);
}

/* Who holds the key reads each card: that is a gateway's right, and managing queues does not bring it along. */
static enum amp_err may_make(const struct amp_api_call *call, struct amp_slice queue, bool reads_cards)
{
    bool may = may_manage(call, queue) && (!reads_cards || amp_principal_may(call->request->who, AMP_MAY_CLAIM, queue));
    return may ? AMP_OK : AMP_ERR_NOT_PERMITTED;
}

/* The one that the path names. Whose queue the caller may not manage, is none for him. */
static enum amp_err find(struct amp_api_call *call, struct amp_subscription *subscription, struct asked *asked)
{
    uint8_t id[AMP_SUBSCRIPTION_ID_LEN];
    enum amp_err err = check_known(call);
    if (err == AMP_OK)
        err = amp_subscription_id_parse(id, call->request->id);
    if (err != AMP_OK)
        return err;
    call->event.subject = call->request->id;
    err = amp_subscribers_get(call->api->config.subscribers, id, subscription);
    if (err == AMP_OK && !may_manage(call, amp_slice(subscription->queue, subscription->queue_len)))
        err = AMP_ERR_SUBSCRIPTION_UNKNOWN;
    if (err != AMP_OK)
        return err;
    memcpy(asked->id, call->request->id.ptr, sizeof asked->id);
    asked->queue_len = subscription->queue_len;
    memcpy(asked->queue, subscription->queue, sizeof asked->queue);
    return AMP_OK;
}

/* Asks, and waits for `wait_ms`; `state` is what the call goes on with. */
static enum amp_err ask(struct amp_api_call *call, const struct amp_api_ask *ask, amp_api_go_on *go_on, int64_t wait_ms,
                        const void *state, size_t state_len)
{
    struct amp_api_parked *parked;
    enum amp_err err = amp_call_ask(call, ask, go_on, state_len, &parked);
    if (err != AMP_OK)
        return err;
    memcpy(parked->state, state, state_len);
    call->response->park.until_mono_ms = amp_clock_mono_ms(&call->api->config.clock) + wait_ms;
    return AMP_OK;
}

/* What the keeper says. Where it says nothing, it may have done what was asked all the same. */
static enum amp_err heard(enum amp_resume why, const struct amp_api_answer *answer)
{
    return why == AMP_RESUME_ANSWER ? answer->err : AMP_ERR_KEEPER_UNAVAILABLE;
}

/* The call goes on about the one it asked about. */
static const struct asked *resume(struct amp_api_call *call)
{
    const struct asked *asked = (const void *)call->parked->state;
    call->event.queue = amp_slice(asked->queue, asked->queue_len);
    return asked;
}

/* An answer that holds a secret, told again to who repeats the request. */
static enum amp_err answer_again(struct amp_api_call *call, int status)
{
    const struct amp_secret_buf *stored = &call->api->stored;
    struct amp_out out;
    uint64_t number;
    if (stored->len < sizeof ANSWER_BEGIN + AMP_SUBSCRIPTION_ID_TEXT_LEN)
        return AMP_ERR_INTERNAL;
    call->event.subject = amp_slice(stored->ptr + sizeof ANSWER_BEGIN - 1, AMP_SUBSCRIPTION_ID_TEXT_LEN);
    enum amp_err err = amp_answer_begin(call, stored->len, &out);
    if (err == AMP_OK)
        err = amp_call_record(call, false, &number);
    if (err != AMP_OK)
        return err;
    amp_out_bytes(&out, stored->ptr, stored->len);
    return amp_answer_send(call, status, &out);
}

/* Sends it, and remembers it for the Idempotency-Key; what was done stays done, also where that fails. */
static enum amp_err answer_once(struct amp_api_call *call, int status, const struct amp_out *out)
{
    enum amp_err err = amp_answer_send(call, status, out);
    if (err == AMP_OK)
        (void)(amp_repeat_finish(call, amp_out_done(out), REPEAT_TTL_MS) == AMP_OK);
    return err;
}

static void write_id(struct amp_out *out, const char id[AMP_SUBSCRIPTION_ID_TEXT_LEN])
{
    amp_out_str(out, ANSWER_BEGIN);
    amp_out_bytes(out, id, AMP_SUBSCRIPTION_ID_TEXT_LEN);
    amp_out_byte(out, '"');
}

/* ,"queue":...,"url":...,"ordered":...[,"description":...][,"kid":...] */
static void write_wanted(struct amp_out *out, const struct created *it)
{
    amp_answer_string(out, "queue", it->queue);
    amp_answer_string(out, "url", it->url);
    amp_answer_raw(out, "ordered", it->ordered ? AMP_SLICE_LIT("true") : AMP_SLICE_LIT("false"));
    if (it->description.len != 0)
        amp_answer_string(out, "description", it->description);
    if (it->jwk.len != 0)
        amp_answer_string(out, "kid", amp_slice(it->kid, sizeof it->kid));
}

/* At worst every byte of a text is escaped. */
static size_t answer_cap(const struct created *it)
{
    return FIXED_MAX + 6 * (it->url.len + it->description.len);
}

static enum amp_err read_queue(struct amp_json *json, void *into)
{
    struct created *it = into;
    return amp_order_read_queue(json, &it->queue);
}

static enum amp_err read_url(struct amp_json *json, void *into)
{
    struct created *it = into;
    return amp_json_read_string(json, &it->url);
}

static enum amp_err read_description(struct amp_json *json, void *into)
{
    struct created *it = into;
    return amp_json_read_string(json, &it->description);
}

static enum amp_err read_ordered(struct amp_json *json, void *into)
{
    struct created *it = into;
    return amp_json_read_bool(json, &it->ordered);
}

static enum amp_err read_jwk(struct amp_json *json, void *into)
{
    struct created *it = into;
    bool object = amp_json_peek(json) == AMP_JSON_OBJECT;
    enum amp_err err = amp_json_read_raw(json, &it->jwk);
    if (err != AMP_OK)
        return err;
    return object ? AMP_OK : AMP_ERR_WRONG_TYPE;
}

static bool is_loopback(const struct amp_url *url)
{
    if (url->ipv4)
        return url->host.len > 4 && memcmp(url->host.ptr, "127.", 4) == 0;
    return amp_slice_is(url->host, url->ipv6 ? "::1" : "localhost");
}

/* Which addresses may be pushed to is decided where it is connected to them. */
static enum amp_err check_url(const struct amp_api_call *call, struct amp_slice text)
{
    const struct amp_api_config *config = &call->api->config;
    struct amp_api_readiness state = {0};
    struct amp_url url;
    enum amp_err err = amp_url_parse(&url, text);
    if (err != AMP_OK || url.https)
        return err;
    config->readiness(config->ctx, &state);
    return state.dev && is_loopback(&url) ? AMP_OK : AMP_ERR_URL_INVALID;
}

static enum amp_err check_description(struct amp_slice text)
{
    bool good = text.len <= AMP_SUBSCRIPTION_DESCRIPTION_MAX && !amp_utf8_has_controls(text);
    return good ? AMP_OK : AMP_ERR_DESCRIPTION_INVALID;
}

/* Keeps what is public of the key, as RFC 7638 writes it. */
static enum amp_err take_jwk(struct amp_api_call *call, struct created *it, struct amp_subscription *wanted)
{
    struct amp_jwk jwk;
    struct amp_out out = amp_out(wanted->jwk, sizeof wanted->jwk);
    if (it->jwk.len == 0)
        return AMP_OK;
    if (it->jwk.len > AMP_JWK_MAX)
        return AMP_ERR_JWK_INVALID;
    uint8_t *writable = call->request->body + (it->jwk.ptr - call->request->body);
    enum amp_err err = amp_jwk_parse(&jwk, writable, it->jwk.len, false);
    if (err != AMP_OK)
        return err;
    memcpy(it->kid, jwk.kid, sizeof it->kid);
    err = amp_jwk_write_public(&out, &jwk);
    wanted->jwk_len = (uint16_t)out.len;
    amp_jwk_fini(&jwk);
    return err == AMP_OK && out.overflow ? AMP_ERR_JWK_INVALID : err;
}

static enum amp_err take_wanted(struct amp_api_call *call, struct created *it, struct amp_subscription *wanted)
{
    enum amp_err err = check_url(call, it->url);
    if (err == AMP_OK)
        err = check_description(it->description);
    if (err == AMP_OK)
        err = take_jwk(call, it, wanted);
    if (err != AMP_OK)
        return err;
    wanted->ordered = it->ordered;
    memcpy(wanted->owner, call->request->who->key_id, sizeof wanted->owner);
    wanted->queue_len = (uint8_t)it->queue.len;
    memcpy(wanted->queue, it->queue.ptr, it->queue.len);
    wanted->url_len = (uint16_t)it->url.len;
    memcpy(wanted->url, it->url.ptr, it->url.len);
    wanted->description_len = (uint16_t)it->description.len;
    if (it->description.len != 0)
        memcpy(wanted->description, it->description.ptr, it->description.len);
    return AMP_OK;
}

static enum amp_err decode_created(struct amp_api_call *call, struct created *it)
{
    static const struct amp_json_member members[] = {
        {"queue", read_queue, true},      {"url", read_url, true},
        {"jwk", read_jwk, false},         {"description", read_description, false},
        {"ordered", read_ordered, false},
    };
    enum amp_err err = amp_call_decode(call, members, sizeof members / sizeof members[0], it);
    if (err != AMP_OK)
        return err;
    call->event.queue = it->queue;
    return may_make(call, it->queue, it->jwk.len != 0);
}

enum amp_err amp_handle_subscriptions_create(struct amp_api_call *call)
{
    struct created it = {.ordered = false};
    struct amp_subscription wanted = {.state = AMP_SUBSCRIPTION_ACTIVE};
    const struct amp_api_ask create = {.kind = AMP_API_ASK_SUBSCRIPTION_CREATE, .wanted = &wanted};
    bool repeated;
    enum amp_err err = decode_created(call, &it);
    if (err == AMP_OK)
        err = take_wanted(call, &it, &wanted);
    if (err == AMP_OK)
        err = amp_repeat_begin(call, &repeated);
    if (err != AMP_OK)
        return err;
    return repeated ? answer_again(call, 201)
                    : ask(call, &create, amp_resume_subscriptions_create, KEEPER_MS, &it, sizeof it);
}

enum amp_err amp_resume_subscriptions_create(struct amp_api_call *call, enum amp_resume why,
                                             const struct amp_api_answer *answer)
{
    struct created *it = (void *)call->parked->state;
    struct amp_out out;
    uint64_t number;
    enum amp_err err = heard(why, answer);
    if (err != AMP_OK)
        return err;
    amp_subscription_id_format(it->id, answer->subscription);
    call->event.subject = amp_slice(it->id, sizeof it->id);
    err = amp_answer_begin(call, answer_cap(it), &out);
    if (err == AMP_OK)
        err = amp_call_record(call, false, &number);
    if (err != AMP_OK)
        return err;
    write_id(&out, it->id);
    amp_answer_string(&out, "secret", answer->secret);
    write_wanted(&out, it);
    amp_out_byte(&out, '}');
    return answer_once(call, 201, &out);
}

struct listing {
    struct amp_api_call *call;
    enum amp_err err;
};

static void write_listed(struct amp_out *out, const struct created *it, const struct amp_subscription *subscription)
{
    char id[AMP_SUBSCRIPTION_ID_TEXT_LEN];
    amp_subscription_id_format(id, subscription->id);
    write_id(out, id);
    write_wanted(out, it);
    amp_answer_string(out, "state", amp_slice_str(amp_subscription_state_name(subscription->state)));
    amp_answer_time(out, "created_at", subscription->created_unix_ms);
    amp_answer_string(out, "owner", amp_slice(subscription->owner, sizeof subscription->owner));
    amp_out_byte(out, '}');
}

/* The answer grows with each: how many there are is known when all have been seen. */
static bool list_one(void *ctx, const struct amp_subscription *subscription, const struct amp_jwk *jwk)
{
    struct listing *listing = ctx;
    struct amp_secret_buf *body = &listing->call->response->body;
    struct created it = {
        .queue = amp_slice(subscription->queue, subscription->queue_len),
        .url = amp_slice(subscription->url, subscription->url_len),
        .description = amp_slice(subscription->description, subscription->description_len),
        .jwk = amp_slice(subscription->jwk, subscription->jwk_len),
        .ordered = subscription->ordered,
    };
    if (!may_manage(listing->call, it.queue))
        return true;
    if (jwk != NULL)
        memcpy(it.kid, jwk->kid, sizeof it.kid);
    listing->err = amp_secret_buf_reserve(body, answer_cap(&it) + 1);
    if (listing->err != AMP_OK)
        return false;
    struct amp_out out = amp_out(body->ptr + body->len, body->cap - body->len);
    if (listing->call->event.count++ != 0)
        amp_out_byte(&out, ',');
    write_listed(&out, &it, subscription);
    body->len += out.len;
    listing->err = out.overflow ? AMP_ERR_INTERNAL : AMP_OK;
    return !out.overflow;
}

/* Around the list: its beginning, or its end. */
static enum amp_err append(struct amp_api_call *call, const char *text)
{
    return amp_secret_buf_append(&call->response->body, text, strlen(text));
}

enum amp_err amp_handle_subscriptions_list(struct amp_api_call *call)
{
    struct listing listing = {.call = call, .err = AMP_OK};
    struct amp_secret_buf *body = &call->response->body;
    uint64_t number;
    enum amp_err err = check_known(call);
    if (err == AMP_OK)
        err = amp_call_may_anywhere(call, AMP_MAY_MANAGE);
    if (err == AMP_OK)
        err = append(call, "{\"subscriptions\":[");
    if (err != AMP_OK)
        return err;
    amp_subscribers_each(call->api->config.subscribers, amp_slice(NULL, 0), list_one, &listing);
    err = listing.err;
    if (err == AMP_OK)
        err = append(call, "]}");
    if (err == AMP_OK)
        err = amp_call_record(call, false, &number);
    if (err != AMP_OK)
        return err;
    return amp_answer_send(call, 200, &(struct amp_out){.ptr = body->ptr, .len = body->len, .cap = body->cap});
}

enum amp_err amp_handle_subscriptions_delete(struct amp_api_call *call)
{
    struct amp_subscription subscription;
    struct asked asked;
    struct amp_api_ask forget = {.kind = AMP_API_ASK_SUBSCRIPTION_DELETE, .who = call->request->who->key_id};
    enum amp_err err = find(call, &subscription, &asked);
    if (err != AMP_OK)
        return err;
    memcpy(forget.subscription, subscription.id, sizeof forget.subscription);
    return ask(call, &forget, amp_resume_subscriptions_delete, KEEPER_MS, &asked, sizeof asked);
}

enum amp_err amp_resume_subscriptions_delete(struct amp_api_call *call, enum amp_resume why,
                                             const struct amp_api_answer *answer)
{
    uint64_t number;
    (void)resume(call);
    enum amp_err err = heard(why, answer);
    if (err == AMP_OK)
        err = amp_call_record(call, false, &number);
    if (err == AMP_OK)
        call->response->status = 204;
    return err;
}

/* The body says nothing: it is an object without members, or not there. */
static enum amp_err decode_nothing(struct amp_api_call *call)
{
    return call->request->body_len == 0 ? AMP_OK : amp_call_decode(call, NULL, 0, NULL);
}

enum amp_err amp_handle_subscriptions_rotate(struct amp_api_call *call)
{
    struct amp_subscription subscription = {0};
    struct asked asked = {0};
    struct amp_api_ask rotate = {.kind = AMP_API_ASK_SUBSCRIPTION_ROTATE, .who = call->request->who->key_id};
    bool repeated;
    enum amp_err err = decode_nothing(call);
    if (err == AMP_OK)
        err = find(call, &subscription, &asked);
    if (err == AMP_OK && subscription.state == AMP_SUBSCRIPTION_ORPHANED) /* it is the caller's from now on */
        err = may_make(call, amp_slice(asked.queue, asked.queue_len), subscription.jwk_len != 0);
    if (err == AMP_OK)
        err = amp_repeat_begin(call, &repeated);
    if (err != AMP_OK)
        return err;
    if (repeated)
        return answer_again(call, 200);
    memcpy(rotate.subscription, subscription.id, sizeof rotate.subscription);
    return ask(call, &rotate, amp_resume_subscriptions_rotate, KEEPER_MS, &asked, sizeof asked);
}

enum amp_err amp_resume_subscriptions_rotate(struct amp_api_call *call, enum amp_resume why,
                                             const struct amp_api_answer *answer)
{
    const struct asked *asked = resume(call);
    struct amp_out out;
    uint64_t number;
    enum amp_err err = heard(why, answer);
    if (err == AMP_OK)
        err = amp_answer_begin(call, FIXED_MAX, &out);
    if (err == AMP_OK)
        err = amp_call_record(call, false, &number);
    if (err != AMP_OK)
        return err;
    write_id(&out, asked->id);
    amp_answer_string(&out, "secret", answer->secret);
    if (answer->older_expires_unix_ms != 0)
        amp_answer_time(&out, "older_expires_at", answer->older_expires_unix_ms);
    amp_out_byte(&out, '}');
    return answer_once(call, 200, &out);
}

static void write_test(struct amp_out *out, const struct amp_api_call *call, const struct asked *asked)
{
    amp_out_str(out, "{\"type\":\"ampoule.test\"");
    amp_answer_string(out, "subscription", amp_slice(asked->id, sizeof asked->id));
    amp_answer_string(out, "queue", amp_slice(asked->queue, asked->queue_len));
    amp_answer_time(out, "sent_at", call->event.unix_ms);
    amp_out_byte(out, '}');
}

enum amp_err amp_handle_subscriptions_test(struct amp_api_call *call)
{
    struct amp_subscription subscription;
    struct asked asked;
    uint8_t text[TEST_MAX];
    struct amp_out body = amp_out(text, sizeof text);
    struct amp_api_ask test = {.kind = AMP_API_ASK_SUBSCRIPTION_TEST};
    enum amp_err err = decode_nothing(call);
    if (err == AMP_OK)
        err = find(call, &subscription, &asked);
    if (err == AMP_OK && subscription.state != AMP_SUBSCRIPTION_ACTIVE)
        err = AMP_ERR_SUBSCRIPTION_DISABLED;
    if (err != AMP_OK)
        return err;
    write_test(&body, call, &asked);
    memcpy(test.subscription, subscription.id, sizeof test.subscription);
    test.body = amp_out_done(&body);
    return ask(call, &test, amp_resume_subscriptions_test, TEST_MS, &asked, sizeof asked);
}

/* Whether it tells of the endpoint; anything else is a failure of ours. */
static bool is_of_endpoint(enum amp_err err)
{
    return err == AMP_OK || err == AMP_ERR_PUSH_REFUSED || err == AMP_ERR_PUSH_UNREACHABLE ||
           err == AMP_ERR_PUSH_EXPIRED || err == AMP_ERR_URL_REFUSED;
}

static enum amp_err record_test(struct amp_api_call *call, enum amp_err err)
{
    uint64_t number;
    if (err == AMP_OK)
        return amp_call_record(call, false, &number);
    amp_record_refusal(call->api, &call->event, err);
    return AMP_OK;
}

enum amp_err amp_resume_subscriptions_test(struct amp_api_call *call, enum amp_resume why,
                                           const struct amp_api_answer *answer)
{
    enum amp_err tried = why == AMP_RESUME_ANSWER ? answer->err : AMP_ERR_PUSH_UNREACHABLE;
    struct amp_out out;
    (void)resume(call);
    if (!is_of_endpoint(tried))
        return tried;
    enum amp_err err = amp_answer_begin(call, FIXED_MAX, &out);
    if (err == AMP_OK)
        err = record_test(call, tried);
    if (err != AMP_OK)
        return err;
    amp_out_str(&out, tried == AMP_OK ? "{\"delivered\":true" : "{\"delivered\":false");
    if (why == AMP_RESUME_ANSWER && answer->http_status != 0) {
        amp_out_str(&out, ",\"status\":");
        amp_out_u64(&out, answer->http_status);
    }
    if (tried != AMP_OK)
        amp_answer_string(&out, "code", amp_slice_str(amp_err_code(tried)));
    amp_out_byte(&out, '}');
    return amp_answer_send(call, 200, &out);
}
