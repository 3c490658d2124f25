/* A card or any JSON in, a token out. What is sealed opens with the token alone, and the token is kept nowhere. */
#include "api/publish.h"

#define BATCH_MAX 100
/* Longest answer to one item: token, time, queue, masked card. */
#define ITEM_MAX 512
/* A token's answer is remembered for its life, which a lease may defer the end of by this much. */
#define AFTER_TTL_MS AMP_LEASE_MAX_MS

/* What became of one item, as an Idempotency-Key stores it. */
struct issued {
    enum amp_err err;
    uint8_t token[AMP_TOKEN_LEN];
    int64_t expires_unix_ms;
};

static enum amp_err check_permission(struct amp_api_call *call, const struct amp_order *order)
{
    call->event.queue = order->queue;
    return amp_principal_may(call->request->who, AMP_MAY_TOKENIZE, order->queue) ? AMP_OK : AMP_ERR_NOT_PERMITTED;
}

static enum amp_err seal_content(struct amp_api_call *call, const struct amp_order *order,
                                 const struct amp_subject *subject, uint32_t *epoch)
{
    struct amp_secret_buf *plain = &call->api->plain;
    struct amp_secret_buf *sealed = &call->api->sealed;
    size_t len = amp_content_packed_len(&order->content);
    enum amp_err err = amp_secret_buf_reserve(plain, len);
    if (err != AMP_OK)
        return err;
    struct amp_out out = amp_out(plain->ptr, len);
    amp_content_pack(&out, &order->content);
    plain->len = out.len;
    if (out.overflow)
        err = AMP_ERR_INTERNAL;
    if (err == AMP_OK)
        err = amp_seal(call->api->config.epochs, "token", amp_slice(subject->token, AMP_TOKEN_LEN), order->queue,
                       amp_slice(plain->ptr, plain->len), sealed, epoch);
    amp_secret_buf_clear(plain);
    return err;
}

/* What is left of the life that is told: the time it takes to serve a request lengthens none. */
static int64_t left_ms(const struct amp_api_config *config, const struct amp_order *order)
{
    int64_t left = order->now_unix_ms + order->ttl_ms - amp_clock_unix_ms(&config->clock);
    return left < 1 ? 1 : left < order->ttl_ms ? left : order->ttl_ms;
}

static enum amp_err put(struct amp_api_call *call, const struct amp_order *order, const struct amp_subject *subject)
{
    const struct amp_api_config *config = &call->api->config;
    struct amp_secret_buf *sealed = &call->api->sealed;
    const struct amp_principal *who = call->request->who;
    struct amp_vault_item item = {.queue = order->queue, .holder = amp_slice(who->name, who->name_len)};
    amp_vault_expect(config->vault, subject->index);
    enum amp_err err = seal_content(call, order, subject, &item.epoch);
    if (err != AMP_OK)
        return err;
    item.ttl_ms = left_ms(config, order);
    memcpy(item.index, subject->index, sizeof item.index);
    item.sealed = amp_slice(sealed->ptr, sealed->len);
    err = amp_vault_put(config->vault, &item);
    if (err != AMP_OK)
        amp_epochs_release(config->epochs, item.epoch);
    amp_secret_buf_clear(sealed);
    return err;
}

/* Nobody learns of the token: it must not lie in the vault either. */
static void take_back(struct amp_api_call *call, const struct issued *issued)
{
    struct amp_permit permit = {call->request->who, AMP_MAY_TOKENIZE};
    struct amp_vault_guard guard = amp_subject_guard(&permit);
    struct amp_subject subject;
    if (issued->err == AMP_OK && amp_subject_of_token(call, issued->token, &subject) == AMP_OK)
        (void)(amp_vault_revoke(call->api->config.vault, subject.index, &guard, NULL) == AMP_OK);
}

static enum amp_err issue(struct amp_api_call *call, const struct amp_order *order, struct issued *issued)
{
    struct amp_subject subject;
    struct amp_published published = {.put = false};
    uint64_t number;
    enum amp_err err = amp_token_new(issued->token);
    if (err == AMP_OK)
        err = amp_subject_of_token(call, issued->token, &subject);
    if (err != AMP_OK)
        return err;
    issued->expires_unix_ms = order->now_unix_ms + order->ttl_ms;
    err = put(call, order, &subject);
    if (err != AMP_OK)
        return err;
    err = amp_publish_token(call, order, issued->token, &published);
    if (err == AMP_OK)
        err = amp_call_record(call, false, &number);
    if (err == AMP_OK)
        err = amp_publish_record(call, &published);
    if (err != AMP_OK)
        take_back(call, issued); /* a message that is out already tells of a token that is revoked */
    return err;
}

/* The same answer again, while the token lives. */
static enum amp_err issue_again(struct amp_api_call *call, const struct issued *issued)
{
    struct amp_permit permit = {call->request->who, AMP_MAY_TOKENIZE};
    struct amp_vault_guard guard = amp_subject_guard(&permit);
    struct amp_subject subject;
    uint64_t number;
    if (issued->err != AMP_OK)
        return issued->err;
    enum amp_err err = amp_subject_of_token(call, issued->token, &subject);
    if (err == AMP_OK)
        err = amp_vault_inspect(call->api->config.vault, subject.index, &guard, &call->view);
    amp_secret_buf_free(&call->view.sealed);
    err = amp_subject_seen(call, err);
    return err != AMP_OK ? err : amp_call_record(call, false, &number);
}

static void write_issued(struct amp_out *out, const struct amp_order *order, const struct issued *issued, bool bin8)
{
    amp_out_byte(out, '{');
    amp_answer_token(out, "token", "tok_", issued->token);
    amp_answer_time(out, "expires_at", issued->expires_unix_ms);
    amp_answer_string(out, "queue", order->queue);
    if (order->content.is_card) {
        amp_out_str(out, ",\"card\":");
        amp_card_write_masked(out, &order->content.card, bin8);
    }
    amp_out_byte(out, '}');
}

static bool take_stored(struct amp_api_call *call, size_t i, struct issued *issued)
{
    const struct amp_secret_buf *stored = &call->api->stored;
    if (stored->len < (i + 1) * sizeof *issued)
        return false;
    memcpy(issued, stored->ptr + i * sizeof *issued, sizeof *issued);
    return true;
}

static enum amp_err issue_once(struct amp_api_call *call, const struct amp_order *order, struct issued *issued)
{
    bool repeated;
    enum amp_err err = amp_repeat_begin(call, &repeated);
    if (err != AMP_OK)
        return err;
    if (repeated)
        return take_stored(call, 0, issued) ? issue_again(call, issued) : AMP_ERR_INTERNAL;
    err = issue(call, order, issued);
    if (err != AMP_OK)
        return err;
    err = amp_repeat_finish(call, amp_slice(issued, sizeof *issued), order->ttl_ms + AFTER_TTL_MS);
    if (err != AMP_OK)
        take_back(call, issued);
    return err;
}

enum amp_err amp_handle_tokenize(struct amp_api_call *call)
{
    const struct amp_api_config *config = &call->api->config;
    struct amp_order order;
    struct issued issued = {0};
    struct amp_out out;
    enum amp_err err =
        amp_order_read(&order, config, call->event.unix_ms, call->request->body, call->request->body_len);
    if (err == AMP_OK)
        err = check_permission(call, &order);
    if (err == AMP_OK)
        err = amp_answer_begin(call, ITEM_MAX, &out);
    if (err == AMP_OK)
        err = issue_once(call, &order, &issued);
    if (err != AMP_OK)
        goto out;
    write_issued(&out, &order, &issued, config->mask_bin8);
    err = amp_answer_send(call, 201, &out);
out:
    amp_wipe(&issued, sizeof issued);
    return err;
}

/* A batch. Its items stand or fall alone; each is an act of its own in the log. */
struct batch {
    struct amp_slice items; /* the array's text */
    size_t count;
    bool repeated;
    int64_t longest_ttl_ms; /* 0: no token was made */
    struct amp_out out;
};

static enum amp_err read_items(struct amp_json *json, void *into)
{
    struct batch *batch = into;
    bool array = amp_json_peek(json) == AMP_JSON_ARRAY;
    enum amp_err err = amp_json_read_raw(json, &batch->items);
    if (err != AMP_OK)
        return err;
    return array ? AMP_OK : AMP_ERR_WRONG_TYPE;
}

static enum amp_err count_items(struct batch *batch)
{
    struct amp_slice item;
    size_t pos = 1;
    while (batch->count <= BATCH_MAX && amp_raw_next(batch->items, &pos, &item))
        batch->count++;
    return batch->count >= 1 && batch->count <= BATCH_MAX ? AMP_OK : AMP_ERR_BATCH_SIZE;
}

static void write_item_error(struct amp_out *out, enum amp_err err, const char *reason)
{
    amp_out_str(out, "{\"error\":{\"code\":\"");
    amp_out_str(out, amp_err_code(err));
    amp_out_str(out, "\",\"status\":");
    amp_out_i64(out, amp_err_status(err));
    amp_answer_string(out, "detail", amp_slice_str(amp_err_sentence(err)));
    if (reason != NULL)
        amp_answer_string(out, "reason", amp_slice_str(reason));
    amp_out_str(out, "}}");
}

/* Makes or finds the token of one item, whose text lies in the request's body. */
static enum amp_err serve_item(struct amp_api_call *call, struct batch *batch, size_t i, struct amp_slice text,
                               struct amp_order *order, struct issued *issued)
{
    uint8_t *writable = call->request->body + (text.ptr - call->request->body);
    if (batch->repeated && !take_stored(call, i, issued))
        return AMP_ERR_INTERNAL;
    enum amp_err err = amp_order_read(order, &call->api->config, call->event.unix_ms, writable, text.len);
    if (err == AMP_OK)
        err = check_permission(call, order);
    if (err != AMP_OK)
        return err;
    if (batch->repeated)
        return issue_again(call, issued);
    err = issue(call, order, issued);
    if (err == AMP_OK && order->ttl_ms > batch->longest_ttl_ms)
        batch->longest_ttl_ms = order->ttl_ms;
    return err;
}

static void answer_item(struct amp_api_call *call, struct batch *batch, size_t i, struct amp_slice text)
{
    struct amp_secret_buf *stored = &call->api->stored;
    struct amp_order order;
    struct issued issued = {0};
    call->event = call->request->event;
    call->reason = NULL;
    call->view.queue_len = 0;
    enum amp_err err = serve_item(call, batch, i, text, &order, &issued);
    if (err == AMP_OK) {
        write_issued(&batch->out, &order, &issued, call->api->config.mask_bin8);
    } else {
        amp_record_refusal(call->api, &call->event, err);
        write_item_error(&batch->out, amp_public_err(err), call->reason);
    }
    issued.err = err;
    if (call->repeat.owned) {
        memcpy(stored->ptr + stored->len, &issued, sizeof issued);
        stored->len += sizeof issued;
    }
    amp_wipe(&issued, sizeof issued);
}

/* Room for all that may be answered and stored is made before the first token is. */
static enum amp_err answer_items(struct amp_api_call *call, struct batch *batch)
{
    struct amp_slice item;
    size_t pos = 1;
    enum amp_err err = amp_answer_begin(call, (batch->count + 1) * ITEM_MAX, &batch->out);
    if (err == AMP_OK && call->repeat.owned)
        err = amp_secret_buf_reserve(&call->api->stored, batch->count * sizeof(struct issued));
    if (err != AMP_OK)
        return err;
    amp_out_str(&batch->out, "{\"results\":[");
    for (size_t i = 0; i < batch->count && amp_raw_next(batch->items, &pos, &item); i++) {
        if (i > 0)
            amp_out_byte(&batch->out, ',');
        answer_item(call, batch, i, item);
    }
    amp_out_str(&batch->out, "]}");
    return AMP_OK;
}

static enum amp_err finish_batch(struct amp_api_call *call, struct batch *batch)
{
    const struct amp_secret_buf *stored = &call->api->stored;
    struct issued issued;
    if (batch->longest_ttl_ms == 0)
        return AMP_OK;
    enum amp_err err =
        amp_repeat_finish(call, amp_slice(stored->ptr, stored->len), batch->longest_ttl_ms + AFTER_TTL_MS);
    for (size_t i = 0; err != AMP_OK && take_stored(call, i, &issued); i++)
        take_back(call, &issued);
    amp_wipe(&issued, sizeof issued);
    return err;
}

enum amp_err amp_handle_batch(struct amp_api_call *call)
{
    static const struct amp_json_member members[] = {{"items", read_items, true}};
    struct batch batch = {.repeated = false};
    enum amp_err err = amp_call_decode(call, members, 1, &batch);
    if (err == AMP_OK)
        err = count_items(&batch);
    if (err == AMP_OK)
        err = amp_call_may_anywhere(call, AMP_MAY_TOKENIZE); /* else each of them would be told so */
    if (err == AMP_OK)
        err = amp_repeat_begin(call, &batch.repeated);
    if (err == AMP_OK)
        err = answer_items(call, &batch);
    if (err == AMP_OK)
        err = finish_batch(call, &batch);
    return err != AMP_OK ? err : amp_answer_send(call, 200, &batch.out);
}
