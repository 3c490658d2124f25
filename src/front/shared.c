#include "front/shared.h"

#include "base/log.h"
#include "front/internal.h"

#define TOMBSTONE_MS     (10 * 60 * 1000)
#define MAX_TOMBSTONES   (4u << 20)
#define MAX_RATE_BUCKETS 65536
#define EPOCH_MAX_AGE_MS (10 * 60 * 1000)
#define EPOCH_MAX_USES   (1u << 20)
#define EPOCH_MAX_BYTES  ((uint64_t)1 << 36)

/* Sealed bytes are gone, of a token or a message: one thing less that holds its epoch key. */
static void dropped(void *ctx, uint32_t epoch)
{
    struct amp_front_shared *shared = ctx;

    amp_epochs_release(shared->epochs, epoch);
}

struct news {
    struct amp_outbox *outbox;
    struct amp_slice queue;
    const uint8_t *id;
    int64_t expires_mono_ms;
};

static int add(void *ctx, const uint8_t (*subscriptions)[AMP_SUBSCRIPTION_ID_LEN], size_t count)
{
    const struct news *news = ctx;
    enum amp_err err = amp_outbox_add(news->outbox, news->queue, subscriptions, count, news->id, news->expires_mono_ms);

    return err == AMP_OK ? (int)count : -1;
}

/*
 * A message can be had: each active subscription of its queue is to be sent it. From any thread. It is added while the
 * list of subscriptions is locked: one that is removed is dropped from the outbox behind that.
 */
static int available(void *ctx, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN], int64_t expires_mono_ms)
{
    struct amp_front_shared *shared = ctx;
    struct news news = {shared->outbox, queue, id, expires_mono_ms};
    struct amp_worker *pusher;
    int taken;

    if (!amp_subscribers_known(shared->subscribers))
        return -1; /* nobody knows who must be sent it */
    taken = amp_subscribers_act(shared->subscribers, queue, add, &news);
    if (taken <= 0)
        return taken;
    pusher = atomic_load(&shared->pusher);
    if (pusher != NULL && !atomic_exchange(&shared->pusher_rung, true))
        amp_front_ring(pusher);
    return taken;
}

static enum amp_err open_vault(struct amp_front_shared *shared, const struct amp_config *config)
{
    struct amp_epochs_config epochs = {
        .clock = shared->clock,
        .max_age_ms = EPOCH_MAX_AGE_MS,
        .max_uses = EPOCH_MAX_USES,
        .max_bytes = EPOCH_MAX_BYTES,
    };
    struct amp_vault_config vault = {
        .clock = shared->clock,
        .budget = &shared->budget,
        .max_tombstones = MAX_TOMBSTONES,
        .tombstone_ms = TOMBSTONE_MS,
        .dropped_ctx = shared,
        .dropped = dropped,
    };
    enum amp_err err;

    amp_budget_init(&shared->budget, config->vault.memory_max);
    err = amp_epochs_new(&shared->epochs, &epochs);
    return err == AMP_OK ? amp_vault_new(&shared->vault, &vault) : err;
}

static enum amp_err make_queue(struct amp_front_shared *shared, const char *text)
{
    struct amp_slice name = amp_slice_str(text);
    struct amp_queue_settings settings;
    bool existed;

    amp_queue_settings_default(&settings, amp_queue_name_is_fifo(name));
    return shared->queues.ops->create(shared->queues.self, name, &settings, NULL, &existed);
}

static enum amp_err open_queues(struct amp_front_shared *shared, const struct amp_config *config)
{
    struct amp_outbox_config outbox = {
        .clock = shared->clock,
        .budget = &shared->queue_budget,
        .window = AMP_COURIER_WINDOW,
        .window_bytes = AMP_COURIER_WINDOW_BYTES,
        .total = AMP_COURIER_TOTAL,
        .total_bytes = AMP_COURIER_TOTAL_BYTES,
        .subscriptions = AMP_SUBSCRIPTIONS_MAX,
        .reserve = AMP_OUTBOX_RESERVE,
        .reserve_bytes = AMP_OUTBOX_RESERVE_BYTES,
    };
    struct amp_engine_config engine = {
        .clock = shared->clock,
        .budget = &shared->queue_budget,
        .max_queues = config->queue.max_queues,
        .ctx = shared,
        .dropped = dropped,
        .available = available,
    };
    enum amp_err err = amp_subscribers_new(&shared->subscribers);

    amp_budget_init(&shared->queue_budget, config->queue.memory_max);
    if (err == AMP_OK)
        err = amp_outbox_new(&shared->outbox, &outbox);
    if (err == AMP_OK)
        err = amp_engine_memory_open(&shared->queues, &engine);
    for (uint32_t i = 0; err == AMP_OK && i < config->queue.name_count; i++)
        err = make_queue(shared, config->queue.names[i]);
    return err;
}

enum amp_err amp_front_open_shared(struct amp_front_shared *shared, const struct amp_config *config,
                                   struct amp_clock clock)
{
    enum amp_err err;

    shared->clock = clock;
    shared->start_mono_ms = amp_clock_mono_ms(&clock);
    shared->skew_s = config->auth.clock_skew_ms / 1000;
    shared->worker_count = config->workers;
    shared->dev = config->dev;
    shared->memory = amp_secret_state();
    shared->key_provider = config->keys.provider == AMP_CONFIG_PROVIDER_FILE ? "file" : "ephemeral";
    err = open_vault(shared, config);
    if (err == AMP_OK)
        err = amp_token_keys_new(&shared->token_keys);
    if (err == AMP_OK)
        err = amp_idempotency_new(&shared->idempotency, shared->clock, &shared->budget);
    if (err == AMP_OK)
        err = amp_replay_new(&shared->replay, shared->skew_s, config->auth.replay_max);
    if (err == AMP_OK)
        err = amp_rate_new(&shared->rate, shared->clock, MAX_RATE_BUCKETS);
    if (err == AMP_OK)
        err = amp_net_commons_new(&shared->commons, shared->clock);
    if (err == AMP_OK)
        err = open_queues(shared, config);
    return err;
}

void amp_front_close_shared(struct amp_front_shared *shared)
{
    if (shared->queues.ops != NULL)
        shared->queues.ops->close(shared->queues.self); /* as the vault, it releases epochs */
    amp_outbox_free(shared->outbox);
    amp_subscribers_free(shared->subscribers);
    amp_net_commons_free(shared->commons);
    amp_rate_free(shared->rate);
    amp_replay_free(shared->replay);
    amp_idempotency_free(shared->idempotency);
    amp_vault_free(shared->vault);
    amp_token_keys_free(shared->token_keys);
    amp_epochs_free(shared->epochs);
}
