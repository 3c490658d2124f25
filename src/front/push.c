/*
 * A message goes over the link as one DELIVER and as many DELIVER_MORE as it takes, nothing else in between. Where the
 * link's queue is full in the middle of one, the rest waits in `body` until the next go.
 */
#include "front/push.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/log.h"
#include "crypto/crypto.h"
#include "front/discards.h"

#define GO_MAX    32u /* deliveries of one go: about a millisecond */
#define REAP_MAX  1000u
#define BODY_KEPT ((size_t)64 << 10) /* storage that stays for the next body */
#define TEST_BIT  ((uint64_t)1 << 63)
#define TEST_MS   10000
#define FIXED_LEN (8 + AMP_SUBSCRIPTION_ID_LEN + AMP_MESSAGE_ID_LEN + 8 + 1 + 4 + 2) /* DELIVER up to the body */
#define FIRST_MAX (AMP_IPC_MAX_PAYLOAD - FIXED_LEN)
#define MORE_MAX  (AMP_IPC_MAX_PAYLOAD - 2)

struct amp_push {
    struct amp_push_config config;
    struct amp_link *link; /* NULL: the courier is away */
    struct amp_discards *unrecorded;
    struct amp_push_test *tests; /* with the courier */
    uint32_t test_count;         /* of them: the windows of deliveries leave them out */
    uint64_t last_test;
    uint8_t *packet;            /* AMP_IPC_MAX_PAYLOAD bytes of secret memory */
    struct amp_secret_buf body; /* of the one that is being sent; empty where none is */
    size_t sent;                /* of it */
    bool full;                  /* the link takes nothing more before it is idle */
};

enum amp_err amp_push_test_new(struct amp_push_test **out, struct amp_slice body)
{
    struct amp_push_test *test = calloc(1, sizeof *test);
    enum amp_err err;

    *out = NULL;
    if (test == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    err = amp_secret_buf_append(&test->body, body.ptr, body.len);
    if (err != AMP_OK)
        free(test);
    else
        *out = test;
    return err;
}

void amp_push_test_free(struct amp_push_test *test)
{
    if (test == NULL)
        return;
    amp_secret_buf_free(&test->body);
    free(test);
}

enum amp_err amp_push_new(struct amp_push **out, const struct amp_push_config *config)
{
    struct amp_push *push = calloc(1, sizeof *push);
    enum amp_err err;

    *out = NULL;
    if (push == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    push->config = *config;
    push->packet = amp_secret_alloc(AMP_IPC_MAX_PAYLOAD);
    err = push->packet == NULL ? AMP_ERR_OUT_OF_MEMORY : amp_discards_new(&push->unrecorded, config->clock);
    if (err != AMP_OK)
        amp_push_free(push);
    else
        *out = push;
    return err;
}

static void end_test(struct amp_push *push, struct amp_push_test *test, enum amp_err err, uint32_t http_status)
{
    test->done = true;
    test->err = err;
    test->http_status = http_status;
    push->config.tested(push->config.ctx, test);
}

static void end_tests(struct amp_push *push, enum amp_err err)
{
    struct amp_push_test *test;

    push->test_count = 0;
    while ((test = push->tests) != NULL) {
        push->tests = test->next;
        end_test(push, test, err, 0);
    }
}

void amp_push_free(struct amp_push *push)
{
    struct amp_push_test *test;

    if (push == NULL)
        return;
    while ((test = push->tests) != NULL) {
        push->tests = test->next;
        amp_push_test_free(test);
    }
    amp_link_free(push->link);
    amp_secret_buf_free(&push->body);
    amp_secret_free(push->packet);
    amp_discards_free(push->unrecorded);
    free(push);
}

bool amp_push_attached(const struct amp_push *push)
{
    return push->link != NULL;
}

static void clear_body(struct amp_push *push)
{
    if (push->body.cap > BODY_KEPT)
        amp_secret_buf_free(&push->body);
    else
        amp_secret_buf_clear(&push->body);
    push->sent = 0;
}

static void detach(struct amp_push *push)
{
    amp_link_free(push->link);
    push->link = NULL;
    push->full = false;
    clear_body(push);
    amp_outbox_recall(push->config.outbox);
    end_tests(push, AMP_ERR_OVERLOADED);
}

/*
 * One record for each delivery that ends without the courier, which records the others. Where much expires they have
 * records of their own up to a rate; the others, and what could not be recorded, one for each code and second.
 */
static void record(struct amp_push *push, const struct amp_delivery *delivery, enum amp_err code)
{
    char subject[AMP_SUBSCRIPTION_ID_TEXT_LEN];
    struct amp_event event = {
        .unix_ms = amp_clock_unix_ms(&push->config.clock),
        .act = AMP_ACT_PUSH,
        .outcome = AMP_OUTCOME_FAILURE,
        .code = code,
        .has_message = true,
        .who = AMP_SLICE_LIT("front"),
        .source = AMP_SLICE_LIT("local"),
        .queue = amp_queue_name_slice(&delivery->queue),
        .subject = amp_slice(subject, sizeof subject),
    };

    amp_subscription_id_format(subject, delivery->subscription);
    memcpy(event.token_reference, delivery->message, sizeof event.token_reference);
    if (!amp_discards_admit(push->unrecorded, event.subject) || push->config.record(push->config.ctx, &event) != AMP_OK)
        amp_discards_count(push->unrecorded, code);
}

static void tell_engine(struct amp_push *push, const struct amp_delivery *delivery, bool acknowledged)
{
    const struct amp_queue_engine *queues = &push->config.queues;

    queues->ops->delivered(queues->self, amp_queue_name_slice(&delivery->queue), delivery->message, acknowledged);
}

/* It ends here. A message that is not there was wiped at its expiry, or somebody received or deleted it before its turn
 * came: that has its own record. */
static void fail(struct amp_push *push, const struct amp_delivery *delivery, enum amp_err code)
{
    if (code == AMP_ERR_NOT_FOUND && amp_clock_mono_ms(&push->config.clock) >= delivery->expires_mono_ms)
        code = AMP_ERR_PUSH_EXPIRED;
    tell_engine(push, delivery, false);
    if (code != AMP_ERR_NOT_FOUND)
        record(push, delivery, code);
}

static bool take_test_answer(struct amp_push *push, uint64_t ask, enum amp_err err, uint32_t http_status)
{
    struct amp_push_test **at = &push->tests, *test;

    while (*at != NULL && (*at)->ask != ask)
        at = &(*at)->next;
    test = *at;
    if (test == NULL)
        return false;
    *at = test->next;
    push->test_count--;
    end_test(push, test, err, http_status);
    return true;
}

static bool take_answer(struct amp_push *push, uint64_t ask, enum amp_err err)
{
    struct amp_delivery delivery;

    if (amp_outbox_end(push->config.outbox, ask, &delivery) != AMP_OK)
        return false;
    tell_engine(push, &delivery, err == AMP_OK);
    return true;
}

/* An answer to what was not asked breaks the rules as much as one that does not decode. */
static bool on_message(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct amp_push *push = ctx;
    struct amp_ipc_in in = {.left = payload};
    uint64_t ask = amp_ipc_get_u64(&in);
    enum amp_err err = (enum amp_err)amp_ipc_get_u32(&in);
    uint32_t http_status = amp_ipc_get_u32(&in);

    (void)link;
    (void)fd;
    push->config.heard(push->config.ctx);
    (void)amp_ipc_get_u32(&in); /* attempts */
    if (type != AMP_IPC_DELIVERED || !amp_ipc_end(&in) || err >= AMP_ERR_COUNT_)
        return false;
    if ((ask & TEST_BIT) != 0)
        return take_test_answer(push, ask, err, http_status);
    return take_answer(push, ask, err);
}

static void on_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct amp_push *push = ctx;

    (void)link;
    detach(push);
    push->config.gone(push->config.ctx, violation);
}

void amp_push_attach(struct amp_push *push, int fd)
{
    struct amp_link_config config = {
        .base = push->config.base,
        .self = AMP_ROLE_FRONT,
        .peer = AMP_ROLE_COURIER,
        .ctx = push,
        .message = on_message,
        .closed = on_closed,
    };

    if (push->link != NULL)
        detach(push);
    if (amp_link_new(&push->link, &config, fd) != AMP_OK) {
        push->link = NULL;
        amp_log(AMP_LOG_ERROR, "the link to the courier could not be taken over");
    }
}

/* AMP_ERR_AGAIN where the link takes nothing more now. A link that broke tells so from its loop. */
static enum amp_err transmit(struct amp_push *push, enum amp_ipc_type type, const struct amp_out *payload)
{
    enum amp_err err;

    if (payload->overflow)
        amp_fatal("a delivery does not fit its message");
    err = amp_link_send(push->link, type, amp_out_done(payload), -1);
    amp_wipe(push->packet, payload->len);
    if (err != AMP_OK)
        push->full = true;
    return err == AMP_OK ? AMP_OK : AMP_ERR_AGAIN;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool is_sending(const struct amp_push *push)
{
    return push->sent < push->body.len;
}

/* The rest of the body that is being sent, as far as the link takes it. */
static void send_more(struct amp_push *push)
{
    while (is_sending(push)) {
        struct amp_out payload = amp_out(push->packet, AMP_IPC_MAX_PAYLOAD);
        size_t len = least(push->body.len - push->sent, MORE_MAX);

        amp_ipc_put_bytes(&payload, amp_slice(push->body.ptr + push->sent, len));
        if (transmit(push, AMP_IPC_DELIVER_MORE, &payload) != AMP_OK)
            return;
        push->sent += len;
    }
    clear_body(push);
}

/* What is in `body`, from its beginning. AMP_ERR_AGAIN: not now, and nothing was sent. */
static enum amp_err send_delivery(struct amp_push *push, const struct amp_delivery *delivery, bool test)
{
    struct amp_out payload = amp_out(push->packet, AMP_IPC_MAX_PAYLOAD);
    size_t len = least(push->body.len, FIRST_MAX);
    enum amp_err err;

    amp_ipc_put_u64(&payload, delivery->ask);
    amp_out_bytes(&payload, delivery->subscription, sizeof delivery->subscription);
    amp_out_bytes(&payload, delivery->message, sizeof delivery->message);
    amp_ipc_put_u64(&payload, (uint64_t)delivery->expires_mono_ms);
    amp_ipc_put_u8(&payload, test);
    amp_ipc_put_u32(&payload, (uint32_t)push->body.len);
    amp_ipc_put_bytes(&payload, amp_slice(push->body.ptr, len));
    err = transmit(push, AMP_IPC_DELIVER, &payload);
    if (err != AMP_OK) {
        clear_body(push);
        return err;
    }
    push->sent = len;
    send_more(push);
    return AMP_OK;
}

/* True where another may follow. */
static bool send_one(struct amp_push *push, const struct amp_delivery *delivery)
{
    struct amp_outbox *outbox = push->config.outbox;
    struct amp_delivery ended;
    enum amp_err err = push->config.open(push->config.ctx, delivery, &push->body);

    if (err == AMP_OK && push->body.len == 0)
        err = AMP_ERR_INTERNAL;
    if (err != AMP_OK)
        clear_body(push);
    if (err == AMP_ERR_OUT_OF_MEMORY) {
        amp_outbox_put_back(outbox, delivery->ask);
        return false;
    }
    if (err != AMP_OK) {
        if (amp_outbox_end(outbox, delivery->ask, &ended) == AMP_OK)
            fail(push, &ended, err);
        return true;
    }
    if (!amp_outbox_fits(outbox, delivery->ask, push->body.len)) {
        clear_body(push);
        return true;
    }
    if (send_delivery(push, delivery, false) == AMP_OK)
        return true;
    amp_outbox_put_back(outbox, delivery->ask);
    return false;
}

/* True where the link takes another message. */
static bool is_clear(struct amp_push *push)
{
    if (push->link == NULL || (push->full && !amp_link_idle(push->link)))
        return false;
    push->full = false;
    if (is_sending(push))
        send_more(push);
    return !push->full;
}

bool amp_push_go(struct amp_push *push)
{
    struct amp_delivery delivery;
    unsigned i;

    for (i = 0; i < GO_MAX; i++) {
        if (!is_clear(push) || !amp_outbox_next(push->config.outbox, &delivery) || !send_one(push, &delivery))
            return false;
    }
    return true;
}

bool amp_push_reap(struct amp_push *push)
{
    struct amp_delivery delivery;
    enum amp_err why;
    size_t work = REAP_MAX;

    while (amp_outbox_reap(push->config.outbox, &delivery, &why, &work))
        fail(push, &delivery, why);
    return work == 0;
}

static bool record_count(void *ctx, enum amp_err code, uint64_t count)
{
    struct amp_push *push = ctx;
    struct amp_event event = {
        .unix_ms = amp_clock_unix_ms(&push->config.clock),
        .act = AMP_ACT_PUSH,
        .outcome = AMP_OUTCOME_FAILURE,
        .code = code,
        .count = count,
        .who = AMP_SLICE_LIT("front"),
        .source = AMP_SLICE_LIT("local"),
    };
    return push->config.record(push->config.ctx, &event) == AMP_OK;
}

void amp_push_fold(struct amp_push *push)
{
    amp_discards_fold(push->unrecorded, record_count, push);
}

bool amp_push_all_told(const struct amp_push *push)
{
    return amp_discards_empty(push->unrecorded);
}

void amp_push_take_test(struct amp_push *push, struct amp_push_test *test)
{
    struct amp_delivery delivery = {
        .ask = TEST_BIT | ++push->last_test,
        .expires_mono_ms = amp_clock_mono_ms(&push->config.clock) + TEST_MS,
    };
    bool fits = push->test_count < AMP_COURIER_TESTS && test->body.len <= AMP_COURIER_TEST_BYTES;
    enum amp_err err = fits && is_clear(push) ? AMP_OK : AMP_ERR_OVERLOADED;

    if (err == AMP_OK)
        err = amp_random(delivery.message, sizeof delivery.message);
    if (err == AMP_OK) {
        memcpy(delivery.subscription, test->subscription, sizeof delivery.subscription);
        amp_secret_buf_free(&push->body); /* empty, but for its storage */
        amp_secret_buf_take(&push->body, &test->body);
        if (push->body.len == 0 || send_delivery(push, &delivery, true) != AMP_OK)
            err = AMP_ERR_OVERLOADED;
    }
    if (err != AMP_OK) {
        end_test(push, test, err, 0);
        return;
    }
    test->ask = delivery.ask;
    test->next = push->tests;
    push->tests = test;
    push->test_count++;
}

void amp_push_give_up(struct amp_push *push)
{
    /* The courier discards one that is torn without a record. */
    uint64_t lost = amp_outbox_counts(push->config.outbox).pending + (is_sending(push) ? 1 : 0);

    if (push->link != NULL)
        detach(push);
    for (uint64_t i = 0; i < lost; i++)
        amp_discards_count(push->unrecorded, AMP_ERR_PUSH_UNREACHABLE);
}
