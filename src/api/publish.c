/*
 * A token's message. It holds no card data but the mask: what is more travels in a JWE per subscriber, which is made
 * here, so that from now on none but the subscriber can read that copy.
 */
#include "api/publish.h"

#include "base/text.h"

/* FIFO queues: tokens of one queue come in the order of their making. */
#define GROUP "tokens"
/* What the body holds beside the metadata: token, time, masked card, names. */
#define FIXED_MAX 512

struct publishing {
    struct amp_api_call *call;
    const struct amp_order *order;
    int64_t life_ms;
    struct amp_secret_buf text; /* the body, and behind it each copy */
    struct amp_message message;
    enum amp_err err;
};

static enum amp_err make_queue(struct amp_api_call *call, struct amp_slice queue)
{
    const struct amp_queue_engine *queues = &call->api->config.queues;
    const struct amp_api_config *config = &call->api->config;
    struct amp_queue_settings settings;
    struct amp_event event = call->event;
    uint64_t number;
    bool existed = false;
    amp_queue_settings_default(&settings, amp_queue_name_is_fifo(queue));
    enum amp_err err = queues->ops->create(queues->self, queue, &settings, NULL, &existed);
    if (err == AMP_ERR_QUEUE_NAME_EXISTS) /* somebody else just made it as he wants it */
        return AMP_OK;
    if (err != AMP_OK || existed)
        return err;
    event.act = AMP_ACT_QUEUE_CREATE;
    event.outcome = AMP_OUTCOME_SUCCESS;
    event.has_token = false;
    event.queue = queue;
    return config->record(config->ctx, &event, false, &number);
}

enum amp_err amp_publish_prepare(struct amp_api_call *call, struct amp_slice queue, struct amp_queue_view *view,
                                 bool *there)
{
    const struct amp_api_config *config = &call->api->config;
    const struct amp_queue_engine *queues = &config->queues;
    *there = false;
    if (!amp_subscribers_known(config->subscribers))
        return AMP_ERR_KEEPER_UNAVAILABLE;
    enum amp_err err = queues->ops->look(queues->self, queue, view);
    if (err == AMP_ERR_QUEUE_UNKNOWN && amp_subscribers_any(config->subscribers, queue)) {
        err = make_queue(call, queue);
        if (err == AMP_OK)
            err = queues->ops->look(queues->self, queue, view);
        if (err == AMP_ERR_QUEUE_UNKNOWN)
            err = AMP_ERR_QUEUE_DELETED_RECENTLY; /* in just this moment */
    }
    *there = err == AMP_OK;
    return err == AMP_ERR_QUEUE_UNKNOWN ? AMP_OK : err;
}

/* A body is received as XML, too, which knows no U+FFFE and U+FFFF (XML 1.0, section 2.2). JSON can write them
 * otherwise: all that is not ASCII stands in its strings. */
static void write_metadata(struct amp_out *out, struct amp_slice metadata)
{
    if (amp_sqs_text_valid(metadata)) {
        amp_answer_raw(out, "metadata", metadata);
        return;
    }
    amp_answer_raw(out, "metadata", amp_slice(NULL, 0));
    for (size_t i = 0; i < metadata.len; i++) {
        const uint8_t *at = metadata.ptr + i;
        bool no_character = metadata.len - i >= 3 && at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe;
        if (no_character)
            amp_out_str(out, at[2] == 0xbe ? "\\ufffe" : "\\uffff");
        else
            amp_out_byte(out, *at);
        i += no_character ? 2 : 0;
    }
}

/* Without its closing brace: a copy may follow. */
static enum amp_err write_body(struct publishing *it, const uint8_t token[AMP_TOKEN_LEN])
{
    const struct amp_order *order = it->order;
    enum amp_err err = amp_secret_buf_reserve(&it->text, FIXED_MAX + 2 * order->content.metadata.len);
    if (err != AMP_OK)
        return err;
    struct amp_out out = amp_out(it->text.ptr, it->text.cap);
    amp_out_byte(&out, '{');
    amp_answer_token(&out, "token", "tok_", token);
    amp_answer_time(&out, "expires_at", order->now_unix_ms + order->ttl_ms);
    if (order->content.is_card) {
        amp_out_str(&out, ",\"card\":");
        amp_card_write_masked(&out, &order->content.card, it->call->api->config.mask_bin8);
    }
    if (order->content.metadata.len != 0)
        write_metadata(&out, order->content.metadata);
    it->text.len = out.len;
    it->message.body.len = out.len;
    return out.overflow ? AMP_ERR_INTERNAL : AMP_OK;
}

/* What a redemption would tell, once for all copies. */
static enum amp_err write_content(struct publishing *it)
{
    struct amp_secret_buf *plain = &it->call->api->plain;
    size_t cap = amp_taken_cap(&it->order->content);
    if (plain->len != 0)
        return AMP_OK;
    enum amp_err err = amp_secret_buf_reserve(plain, cap);
    if (err != AMP_OK)
        return err;
    struct amp_out out = amp_out(plain->ptr, cap);
    amp_taken_write(&out, it->order->queue, &it->order->content);
    plain->len = out.len;
    return out.overflow ? AMP_ERR_INTERNAL : AMP_OK;
}

static enum amp_err write_copy(struct publishing *it, const struct amp_subscription *to, const struct amp_jwk *jwk)
{
    const struct amp_secret_buf *plain = &it->call->api->plain;
    struct amp_message *message = &it->message;
    if (message->sealed_count == AMP_SUBSCRIPTIONS_PER_QUEUE_MAX)
        return AMP_ERR_INTERNAL;
    enum amp_err err = write_content(it);
    if (err == AMP_OK)
        err = amp_secret_buf_reserve(&it->text, amp_jwe_len_max(plain->len));
    if (err != AMP_OK)
        return err;
    struct amp_out out = amp_out(it->text.ptr + it->text.len, it->text.cap - it->text.len);
    err = amp_jwe_encrypt(&out, jwk, amp_slice(plain->ptr, plain->len));
    if (err != AMP_OK || out.overflow)
        return err != AMP_OK ? err : AMP_ERR_INTERNAL;
    it->text.len += out.len;
    struct amp_message_sealed *sealed = &message->sealed[message->sealed_count++];
    memcpy(sealed->subscription, to->id, sizeof sealed->subscription);
    sealed->jwe.len = out.len;
    return AMP_OK;
}

static bool add_copy(void *ctx, const struct amp_subscription *subscription, const struct amp_jwk *jwk)
{
    struct publishing *it = ctx;
    if (jwk != NULL && subscription->state == AMP_SUBSCRIPTION_ACTIVE)
        it->err = write_copy(it, subscription, jwk);
    return it->err == AMP_OK;
}

/* The text has its last place now. */
static void point_into_text(struct publishing *it)
{
    struct amp_message *message = &it->message;
    const uint8_t *at = it->text.ptr + message->body.len;
    message->body.ptr = it->text.ptr;
    for (uint32_t i = 0; i < message->sealed_count; i++) {
        message->sealed[i].jwe.ptr = at;
        at += message->sealed[i].jwe.len;
    }
}

static enum amp_err write_message(struct publishing *it, const uint8_t token[AMP_TOKEN_LEN])
{
    enum amp_err err = write_body(it, token);
    if (err == AMP_OK) {
        amp_subscribers_each(it->call->api->config.subscribers, it->order->queue, add_copy, it);
        err = it->err;
    }
    amp_secret_buf_clear(&it->call->api->plain);
    point_into_text(it);
    if (err == AMP_OK && amp_message_body_len(&it->message) > AMP_SQS_MAX_BODY)
        err = AMP_ERR_BODY_TOO_LARGE;
    return err;
}

static enum amp_err send(struct publishing *it, struct amp_published *published)
{
    const struct amp_order *order = it->order;
    const struct amp_message_order put = {
        .queue = order->queue,
        .sender = it->call->request->who->key_id,
        .now_unix_ms = order->now_unix_ms,
        .life_ms = it->life_ms,
        .delay_ms = -1,
    };
    struct amp_message_sent sent;
    uint8_t random[AMP_MESSAGE_ID_LEN];
    char unique[2 * sizeof random];
    enum amp_err err = AMP_OK;
    if (amp_queue_name_is_fifo(order->queue)) {
        err = amp_random(random, sizeof random); /* no token is another's duplicate */
        amp_hex_encode(unique, random, sizeof random);
        it->message.group_id = AMP_SLICE_LIT(GROUP);
        it->message.deduplication_id = amp_slice(unique, sizeof unique);
    }
    if (err == AMP_OK)
        err = amp_message_send(it->call->api, &put, &it->message, &sent);
    it->message.deduplication_id = amp_slice(NULL, 0); /* `unique` ends here */
    if (err != AMP_OK)
        return err;
    published->put = true;
    memcpy(published->id, sent.id, sizeof published->id);
    return AMP_OK;
}

/* A queue that was deleted in just this moment took its messages with it. */
static enum amp_err forgive(struct amp_api_call *call, const struct amp_order *order, enum amp_err err)
{
    if (err != AMP_ERR_QUEUE_UNKNOWN)
        return err;
    return amp_subscribers_any(call->api->config.subscribers, order->queue) ? AMP_ERR_QUEUE_DELETED_RECENTLY : AMP_OK;
}

enum amp_err amp_publish_token(struct amp_api_call *call, const struct amp_order *order,
                               const uint8_t token[AMP_TOKEN_LEN], struct amp_published *published)
{
    struct amp_queue_view view;
    bool there;
    published->put = false;
    enum amp_err err = amp_publish_prepare(call, order->queue, &view, &there);
    if (err != AMP_OK || !there)
        return err;
    int64_t queue_life_ms = amp_queue_life_ms(&view.settings);
    struct publishing it = {
        .call = call,
        .order = order,
        .life_ms = order->ttl_ms < queue_life_ms ? order->ttl_ms : queue_life_ms,
        .message.of_token = true,
    };
    err = write_message(&it, token);
    if (err == AMP_OK)
        err = send(&it, published);
    amp_secret_buf_free(&it.text);
    return forgive(call, order, err);
}

enum amp_err amp_publish_record(struct amp_api_call *call, const struct amp_published *published)
{
    const struct amp_api_config *config = &call->api->config;
    struct amp_event event = call->event;
    uint64_t number;
    if (!published->put)
        return AMP_OK;
    event.act = AMP_ACT_MESSAGE_SEND;
    event.outcome = AMP_OUTCOME_SUCCESS;
    event.has_token = false;
    event.has_message = true;
    memcpy(event.token_reference, published->id, sizeof event.token_reference);
    return config->record(config->ctx, &event, false, &number);
}
