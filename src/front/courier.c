/* How worker 0 is wired to push: what it opens, records and hears of subscriptions. */
#include <stdlib.h>

#include "base/log.h"
#include "front/internal.h"

static enum amp_err open_delivery(void *ctx, const struct amp_delivery *delivery, struct amp_secret_buf *body)
{
    struct amp_worker *worker = ctx;

    return amp_api_open_for_push(worker->api, amp_queue_name_slice(&delivery->queue), delivery->message,
                                 delivery->subscription, body);
}

static enum amp_err record(void *ctx, const struct amp_event *event)
{
    struct amp_worker *worker = ctx;

    return amp_recorder_add(worker->recorder, event, false, NULL);
}

static void on_heard(void *ctx)
{
    struct amp_worker *worker = ctx;

    amp_net_work_for(worker->net, NULL);
}

static void on_tested(void *ctx, struct amp_push_test *test)
{
    (void)ctx;
    amp_front_post(test->from, test);
}

static void on_gone(void *ctx, bool violation)
{
    struct amp_worker *worker = ctx;

    atomic_store(&worker->shared->courier_here, false);
    if (violation)
        amp_front_report(worker, AMP_ROLE_COURIER);
}

enum amp_err amp_front_open_push(struct amp_worker *worker)
{
    struct amp_front_shared *shared = worker->shared;
    struct amp_push_config config = {
        .base = worker->base,
        .clock = shared->clock,
        .outbox = shared->outbox,
        .queues = shared->queues,
        .ctx = worker,
        .open = open_delivery,
        .record = record,
        .heard = on_heard,
        .tested = on_tested,
        .gone = on_gone,
    };
    return amp_push_new(&worker->push, &config);
}

void amp_front_attach_courier(struct amp_worker *worker, int fd)
{
    amp_push_attach(worker->push, fd);
    atomic_store(&worker->shared->courier_here, amp_push_attached(worker->push));
}

bool amp_front_take_subscription(struct amp_worker *worker, struct amp_ipc_in *in)
{
    struct amp_subscription subscription;
    struct amp_slice packed = amp_ipc_get_bytes(in, AMP_SUBSCRIPTION_PACKED_MAX);
    enum amp_err err;

    if (worker->push == NULL || !amp_ipc_end(in) || amp_subscription_unpack(&subscription, packed) != AMP_OK)
        return false;
    err = amp_subscribers_put(worker->shared->subscribers, &subscription);
    if (err != AMP_OK)
        amp_log_text(AMP_LOG_ERROR, "a subscription could not be taken over", "code", amp_err_code(err));
    if (subscription.state != AMP_SUBSCRIPTION_ACTIVE)
        amp_outbox_drop(worker->shared->outbox, subscription.id);
    return true;
}

bool amp_front_take_subscription_gone(struct amp_worker *worker, struct amp_ipc_in *in)
{
    uint8_t id[AMP_SUBSCRIPTION_ID_LEN];

    amp_ipc_get_fixed(in, id, sizeof id);
    if (worker->push == NULL || !amp_ipc_end(in))
        return false;
    amp_subscribers_remove(worker->shared->subscribers, id);
    amp_outbox_drop(worker->shared->outbox, id);
    return true;
}

/* The ids of those that are active, in order. */
struct active {
    uint8_t ids[AMP_SUBSCRIPTIONS_MAX][AMP_SUBSCRIPTION_ID_LEN];
    size_t count;
};

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, AMP_SUBSCRIPTION_ID_LEN);
}

static bool note_active(void *ctx, const struct amp_subscription *subscription, const struct amp_jwk *jwk)
{
    struct active *active = ctx;

    (void)jwk;
    if (subscription->state == AMP_SUBSCRIPTION_ACTIVE && active->count < AMP_SUBSCRIPTIONS_MAX)
        memcpy(active->ids[active->count++], subscription->id, AMP_SUBSCRIPTION_ID_LEN);
    return true;
}

static bool is_active(void *ctx, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN])
{
    const struct active *active = ctx;

    return bsearch(id, active->ids, active->count, sizeof active->ids[0], compare) != NULL;
}

/* The list is not asked from under the outbox's lock: messages are added to the outbox from under the list's. */
bool amp_front_take_subscriptions_told(struct amp_worker *worker)
{
    struct amp_front_shared *shared = worker->shared;
    struct active active = {.count = 0};

    if (worker->push == NULL)
        return false;
    amp_subscribers_told(shared->subscribers);
    amp_subscribers_each(shared->subscribers, amp_slice(NULL, 0), note_active, &active);
    qsort(active.ids, active.count, sizeof active.ids[0], compare);
    amp_outbox_retain(shared->outbox, is_active, &active);
    return true;
}

bool amp_front_pushed_out(struct amp_worker *worker)
{
    struct amp_outbox_counts counts;

    if (worker->push == NULL || worker->gave_up)
        return true;
    counts = amp_outbox_counts(worker->shared->outbox);
    if (counts.pending + counts.under_way > 0) {
        if (amp_push_attached(worker->push) && amp_clock_mono_ms(&worker->shared->clock) < worker->push_until_mono_ms)
            return false;
        amp_push_give_up(worker->push);
    }
    worker->gave_up = true;
    return true;
}
