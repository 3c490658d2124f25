#include "fixture.h"

#include <string.h>

#include "wire/sqs.h"

#define RECORDS_OF_ONE_REQUEST 8

struct fixture fx;
struct answer answer;

/* What the generator of this thread keeps for itself. */
static size_t used_by_random;

int fixture_group_setup(void **state)
{
    uint8_t any[16];
    if (amp_secret_init(16u << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK ||
        amp_random(any, sizeof any) != AMP_OK)
        return -1;
    used_by_random = amp_secret_used();
    return 0;
}

int fixture_group_teardown(void **state)
{
    amp_crypto_thread_fini();
    amp_secret_fini();
    return 0;
}

static void copy_text(char *to, struct amp_slice text)
{
    if (text.len != 0)
        memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
}

static enum amp_err on_record(void *ctx, const struct amp_event *event, bool want_durable, uint64_t *number)
{
    if (fx.record_fails_after == 0)
        return AMP_ERR_AUDIT_UNAVAILABLE;
    if (fx.record_fails_after > 0)
        fx.record_fails_after--;
    assert_true(fx.event_count < EVENTS_MAX);
    struct recorded *recorded = &fx.events[fx.event_count++];
    recorded->event = *event;
    recorded->want_durable = want_durable;
    copy_text(recorded->queue, event->queue);
    copy_text(recorded->who, event->who);
    copy_text(recorded->source, event->source);
    copy_text(recorded->subject, event->subject);
    *number = fx.event_count;
    return AMP_OK;
}

static void on_readiness(void *ctx, struct amp_api_readiness *out)
{
    *out = fx.readiness;
}

static enum amp_err on_ask(void *ctx, const struct amp_api_ask *ask, uint64_t *number)
{
    if (fx.ask_err != AMP_OK)
        return fx.ask_err;
    fx.asked = (struct asked){.kind = ask->kind};
    if (ask->wanted != NULL)
        fx.asked.wanted = *ask->wanted;
    if (ask->who != NULL)
        memcpy(fx.asked.who, ask->who, AMP_PRINCIPAL_KEY_ID_LEN);
    memcpy(fx.asked.subscription, ask->subscription, sizeof fx.asked.subscription);
    assert_true(ask->body.len < sizeof fx.asked.body);
    copy_text(fx.asked.body, ask->body);
    *number = ++fx.ask_count;
    return AMP_OK;
}

static void on_counts(void *ctx, struct amp_api_counts *out)
{
    *out = fx.counts;
}

static int on_available(void *ctx, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN],
                        int64_t expires_mono_ms)
{
    fx.announced++;
    return fx.available;
}

static void on_dropped(void *ctx, uint32_t epoch)
{
    amp_epochs_release(fx.epochs, epoch);
}

static struct amp_principal principal(const char *id, const char *name, uint32_t permissions, const char *queue)
{
    struct amp_principal who = {.name_len = (uint8_t)strlen(name), .grant_count = permissions != 0};
    memcpy(who.key_id, id, sizeof who.key_id);
    memcpy(who.name, name, strlen(name));
    who.grants[0].permissions = permissions;
    who.grants[0].queue_len = (uint8_t)strlen(queue);
    memcpy(who.grants[0].queue, queue, strlen(queue));
    return who;
}

static void make_stores(void)
{
    struct amp_clock clock = amp_clock_fake(&fx.hands);
    struct amp_epochs_config epochs = {clock, 600000, 1 << 20, UINT64_C(1) << 36};
    struct amp_vault_config vault = {
        .clock = clock, .budget = &fx.budget, .max_tombstones = 100000, .tombstone_ms = 600000, .dropped = on_dropped};
    struct amp_engine_config queues = {
        .clock = clock, .budget = &fx.budget, .max_queues = 100, .dropped = on_dropped, .available = on_available};
    struct amp_key256 dek = {{7}};
    amp_budget_init(&fx.budget, 64u << 20);
    assert_int_equal(amp_epochs_new(&fx.epochs, &epochs), AMP_OK);
    assert_int_equal(amp_epochs_add(fx.epochs, 1, &dek), AMP_OK);
    assert_int_equal(amp_token_keys_new(&fx.token_keys), AMP_OK);
    assert_int_equal(amp_vault_new(&fx.vault, &vault), AMP_OK);
    assert_int_equal(amp_idempotency_new(&fx.idempotency, clock, &fx.budget), AMP_OK);
    assert_int_equal(amp_engine_memory_open(&fx.queues, &queues), AMP_OK);
    assert_int_equal(amp_subscribers_new(&fx.subscribers), AMP_OK);
    amp_subscribers_told(fx.subscribers);
}

int fixture_setup(void **state)
{
    fx = (struct fixture){
        .hands = {.unix_ms = NOW_MS, .mono_ms = 1000},
        .shop = principal("AMPKAAAAAAAAAAAAAAAA", "shop", AMP_MAY_ALL, "*"),
        .gateway =
            principal("AMPKBBBBBBBBBBBBBBBB", "gateway", AMP_MAY_CLAIM | AMP_MAY_INSPECT | AMP_MAY_REVOKE, "payments"),
        .nobody = principal("AMPKCCCCCCCCCCCCCCCC", "nobody", 0, ""),
        .record_fails_after = -1,
        .content_type = "application/json",
    };
    fx.who = &fx.shop;
    make_stores();
    fx.config = (struct amp_api_config){
        .clock = amp_clock_fake(&fx.hands),
        .vault = fx.vault,
        .epochs = fx.epochs,
        .token_keys = fx.token_keys,
        .idempotency = fx.idempotency,
        .queues = fx.queues,
        .subscribers = fx.subscribers,
        .ttl_ms = 10000,
        .ttl_max_ms = 900000,
        .record = on_record,
        .readiness = on_readiness,
        .ask = on_ask,
        .counts = on_counts,
    };
    return amp_api_new(&fx.api, &fx.config) == AMP_OK ? 0 : -1;
}

/* The last request, which lives as long as its call: that may be parked. */
static struct amp_http1_head head;
static struct amp_api_request request;

static void forget_request(void)
{
    free(request.body);
    request = (struct amp_api_request){.body = NULL};
}

static void forget_answer(void)
{
    amp_api_response_fini(&answer.response);
    forget_request();
    json_decref(answer.json);
    free(answer.text);
    answer = (struct answer){.json = NULL};
}

int fixture_teardown(void **state)
{
    forget_answer();
    amp_api_free(fx.api);
    fx.queues.ops->close(fx.queues.self);
    amp_subscribers_free(fx.subscribers);
    amp_idempotency_free(fx.idempotency);
    amp_vault_free(fx.vault);
    amp_token_keys_free(fx.token_keys);
    amp_epochs_free(fx.epochs);
    assert_int_equal(amp_secret_used(), used_by_random); /* no plaintext buffer outlives what it was for */
    return 0;
}

static void add_field(const char *name, const char *value)
{
    if (value != NULL)
        head.fields[head.field_count++] = (struct amp_http1_field){amp_slice_str(name), amp_slice_str(value)};
}

static void read_answer(const struct amp_route *route)
{
    struct amp_api_response *response = &answer.response;
    json_decref(answer.json);
    free(answer.text);
    answer.json = NULL;
    answer.text = calloc(1, response->body.len + 1);
    assert_non_null(answer.text);
    if (response->body.len != 0)
        memcpy(answer.text, response->body.ptr, response->body.len);
    assert_int_equal(response->body.len == 0, response->content_type == NULL);
    if (response->content_type != NULL && strstr(response->content_type, "json") != NULL) {
        answer.json = json_loadb(answer.text, response->body.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(answer.json);
    }
    if (response->err == AMP_OK)
        return;
    if (!code_is_listed(route, response->err))
        fail_msg("%s answers %s, which its list does not have", route->path, amp_err_code(response->err));
    if (strcmp(route->service, "sqs") == 0) { /* which has its own words for it */
        assert_int_equal(response->status, amp_sqs_error_of(response->err).status);
        return;
    }
    assert_int_equal(response->status, amp_err_status(response->err));
    if (response->content_type == NULL) { /* no memory for words */
        assert_int_equal(response->err, AMP_ERR_OUT_OF_MEMORY);
        return;
    }
    assert_string_equal(response->content_type, "application/problem+json");
    assert_string_equal(code(), amp_err_code(response->err));
    assert_int_equal(json_integer_value(json_object_get(answer.json, "status")), response->status);
    assert_string_equal(member("request_id"), "00000000deadbeef");
}

static const struct amp_route *settled;

static int serve(enum amp_method method, const char *path, const char *text, size_t len)
{
    const struct amp_route *route;
    struct amp_slice id;
    const char *allow;
    amp_api_response_fini(&answer.response);
    forget_request();
    head = (struct amp_http1_head){.method = method, .path = amp_slice_str(path)};
    if (fx.query != NULL)
        head.query = amp_slice_str(fx.query);
    add_field("Content-Type", fx.content_type);
    add_field("idempotency-key", fx.key);
    add_field("X-Amz-Target", fx.target);
    add_field("Authorization", fx.authorization);
    head.host = AMP_SLICE_LIT("ampoule.example:8443");
    assert_int_equal(amp_api_route(method, amp_slice_str(path), &route, &id, &allow), AMP_OK);
    /* As long as it is and no longer, so that a sanitizer sees a byte read behind it. */
    uint8_t *copy = malloc(len != 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    request = (struct amp_api_request){
        .route = route,
        .id = id,
        .head = &head,
        .who = route->open ? NULL : fx.who,
        .body = copy,
        .body_len = len,
        .event = {.unix_ms = fx.hands.unix_ms,
                  .act = route->act,
                  .request_id = 0xdeadbeef,
                  .who = amp_slice(fx.who->key_id, sizeof fx.who->key_id),
                  .source = AMP_SLICE_LIT("192.0.2.1:4711")},
    };
    size_t recorded = fx.event_count;
    amp_api_serve(fx.api, &request, &answer.response);
    /* What front keeps room for before it lets a request in. Batches of tokens take back what they cannot record. */
    assert_true(fx.event_count - recorded <= RECORDS_OF_ONE_REQUEST || strcmp(path, "/v1/tokens/batch") == 0);
    settled = route;
    read_answer(route);
    return answer.response.status;
}

int call_route(enum amp_method method, const char *path, const char *text)
{
    return serve(method, path, text, strlen(text));
}

int post_bytes(const char *path, const char *json, size_t len)
{
    return serve(AMP_METHOD_POST, path, json, len);
}

int post_unsettled(const char *path, const char *json)
{
    return serve(AMP_METHOD_POST, path, json, strlen(json));
}

void settle(bool durable)
{
    /* As front does: the answer is moved, and what the request brought is gone. */
    struct amp_api_response moved = answer.response;
    answer.response = (struct amp_api_response){0};
    amp_api_settle(fx.api, &moved, durable);
    answer.response = moved;
    assert_true(moved.gate == 0);
    read_answer(settled);
}

int resume(enum amp_resume why, const struct amp_api_answer *told)
{
    request.who = NULL; /* it may have changed meanwhile: nobody may rely on it */
    amp_api_resume(fx.api, &request, why, told, &answer.response);
    read_answer(settled);
    return answer.response.status;
}

int post(const char *path, const char *json)
{
    post_unsettled(path, json);
    if (answer.response.gate != 0)
        settle(true);
    return answer.response.status;
}

int get(const char *path)
{
    return serve(AMP_METHOD_GET, path, "", 0);
}

const char *code(void)
{
    return member("code");
}

const char *member(const char *name)
{
    const char *text = json_string_value(json_object_get(answer.json, name));
    if (text == NULL)
        fail_msg("no \"%s\" in %s", name, answer.text);
    return text;
}

const struct recorded *last_event(void)
{
    assert_true(fx.event_count > 0);
    return &fx.events[fx.event_count - 1];
}

char *keep(const char *text)
{
    static char kept[16][4096];
    static size_t next;
    char *to = kept[next++ % 16];
    (void)snprintf(to, sizeof kept[0], "%s", text);
    return to;
}

char *new_token(void)
{
    const struct amp_principal *who = fx.who;
    const char *key = fx.key;
    fx.who = &fx.shop;
    fx.key = NULL;
    assert_int_equal(post("/v1/tokens", ORDER), 201);
    fx.who = who;
    fx.key = key;
    return keep(member("token"));
}

struct amp_subscription subscription_of(uint8_t id, const char *queue, const char *jwk)
{
    static const char url[] = "https://gateway.example/ampoule";
    struct amp_subscription it = {
        .created_unix_ms = NOW_MS + id,
        .queue_len = (uint8_t)strlen(queue),
        .url_len = sizeof url - 1,
    };
    memset(it.id, id, sizeof it.id);
    memcpy(it.owner, "AMPKAAAAAAAAAAAAAAAA", sizeof it.owner);
    memcpy(it.queue, queue, it.queue_len);
    memcpy(it.url, url, it.url_len);
    if (jwk != NULL) {
        it.jwk_len = (uint16_t)strlen(jwk);
        memcpy(it.jwk, jwk, it.jwk_len);
    }
    return it;
}

char *body(const char *name, const char *value)
{
    char text[4096];
    (void)snprintf(text, sizeof text, "{\"%s\":\"%s\"}", name, value);
    return keep(text);
}
