/* What front asks of the keeper: derived day keys and epoch keys, never a pre-shared secret. */
#include "base/log.h"
#include "front/internal.h"

/* Before a keeper that had no epoch key is asked again. */
#define EPOCH_AGAIN_MS     1000
#define KEEPER_PATIENCE_MS (AMP_KEEPER_PATIENCE_S * 1000)
/* One that is well answers within milliseconds; one that hangs says nothing at all. */
#define KEEPER_STUCK_MS 3000

/* Whoever asks does so for all workers: each key that is made has its record, and more than wanted would be spent. */
static bool become_asker(struct amp_worker *worker)
{
    unsigned nobody = 0;

    return atomic_compare_exchange_strong(&worker->shared->epoch_asker, &nobody, worker->number + 1);
}

static void let_others_ask(struct amp_worker *worker)
{
    unsigned self = worker->number + 1;

    (void)atomic_compare_exchange_strong(&worker->shared->epoch_asker, &self, 0);
}

static bool take_day_key(struct amp_worker *worker, struct amp_ipc_in *in)
{
    struct amp_principal principal = {0};
    struct amp_key256 key = {{0}};
    uint64_t ask = amp_ipc_get_u64(in);
    enum amp_err err = (enum amp_err)amp_ipc_get_u32(in);
    bool good = err < AMP_ERR_COUNT_;

    if (err == AMP_OK) {
        amp_ipc_get_fixed(in, key.bytes, sizeof key.bytes);
        good = amp_principal_unpack(&principal, amp_ipc_get_bytes(in, UINT16_MAX)) == AMP_OK;
    }
    good = good && amp_ipc_end(in);
    if (good) {
        (void)amp_auth_answer(worker->auth, ask, err, &key, &principal);
        amp_front_answered(worker, ask);
    }
    amp_wipe(&key, sizeof key);
    return good;
}

static bool take_epoch(struct amp_worker *worker, struct amp_ipc_in *in)
{
    struct amp_key256 dek;
    uint32_t id = amp_ipc_get_u32(in);
    bool good;

    amp_ipc_get_fixed(in, dek.bytes, sizeof dek.bytes);
    good = amp_ipc_end(in);
    if (good && id == 0) {
        amp_log(AMP_LOG_WARN, "the keeper has no epoch key to give now");
        atomic_store(&worker->shared->epoch_not_before_ms, amp_clock_mono_ms(&worker->shared->clock) + EPOCH_AGAIN_MS);
    } else if (good && amp_epochs_add(worker->shared->epochs, id, &dek) != AMP_OK) {
        amp_log(AMP_LOG_ERROR, "an epoch key could not be taken over");
    }
    amp_wipe(&dek, sizeof dek);
    let_others_ask(worker);
    return good;
}

bool amp_front_keeper_answers(const struct amp_worker *worker)
{
    return worker->keeper != NULL &&
           (worker->keeper_silent_mono_ms == 0 ||
            amp_clock_mono_ms(&worker->shared->clock) - worker->keeper_silent_mono_ms <= KEEPER_STUCK_MS);
}

/* Says once that it does not answer, and once that it does again. */
static void note_stuck(struct amp_worker *worker, bool stuck)
{
    if (stuck != worker->keeper_said_stuck)
        amp_log(AMP_LOG_ERROR, stuck ? "the keeper does not answer: keys that are not known yet are refused"
                                     : "the keeper answers again");
    worker->keeper_said_stuck = stuck;
}

/* Again where it stays silent: a question or its answer may have found no room on the link. */
void amp_front_ping_keeper(struct amp_worker *worker)
{
    int64_t now_mono_ms = amp_clock_mono_ms(&worker->shared->clock);

    if (worker->keeper == NULL)
        return;
    if (worker->keeper_silent_mono_ms != 0) {
        note_stuck(worker, !amp_front_keeper_answers(worker));
        if (now_mono_ms - worker->keeper_ping_mono_ms <= KEEPER_STUCK_MS)
            return;
    } else {
        worker->keeper_silent_mono_ms = now_mono_ms;
    }
    worker->keeper_ping_mono_ms = now_mono_ms;
    if (amp_link_send(worker->keeper, AMP_IPC_PING, amp_slice(NULL, 0), -1) == AMP_OK)
        worker->keeper_pings++;
    else
        amp_log(AMP_LOG_WARN, "the keeper could not be asked whether it is well");
}

/* False where nothing was asked. */
static bool take_pong(struct amp_worker *worker)
{
    if (worker->keeper_pings == 0)
        return false;
    worker->keeper_pings--;
    worker->keeper_silent_mono_ms = 0;
    note_stuck(worker, false);
    return true;
}

static bool on_message(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct amp_worker *worker = ctx;
    struct amp_ipc_in in = {.left = payload};

    (void)link;
    (void)fd;
    amp_net_work_for(worker->net, NULL);
    if (type == AMP_IPC_DAY_KEY)
        return take_day_key(worker, &in);
    if (type == AMP_IPC_EPOCH)
        return take_epoch(worker, &in);
    if (type == AMP_IPC_PONG)
        return take_pong(worker);
    if (type == AMP_IPC_PRINCIPAL_CHANGED) {
        amp_auth_forget(worker->auth, payload.ptr);
        amp_front_end_polls(worker, payload.ptr);
        return true;
    }
    if (type == AMP_IPC_SUBSCRIPTION_DONE)
        return amp_front_take_done(worker, &in);
    if (type == AMP_IPC_SUBSCRIPTION)
        return amp_front_take_subscription(worker, &in);
    if (type == AMP_IPC_SUBSCRIPTION_GONE)
        return amp_front_take_subscription_gone(worker, &in);
    if (type == AMP_IPC_SUBSCRIPTIONS_TELLING && worker->push != NULL) {
        amp_subscribers_retell(worker->shared->subscribers);
        return true;
    }
    if (type == AMP_IPC_SUBSCRIPTIONS_TOLD)
        return amp_front_take_subscriptions_told(worker);
    return false;
}

/* Without the keeper nothing that it said before is believed any more: keys may change while it is away. */
void amp_front_detach_keeper(struct amp_worker *worker)
{
    amp_link_free(worker->keeper);
    worker->keeper = NULL;
    worker->keeper_silent_mono_ms = 0;
    worker->keeper_pings = 0;
    worker->keeper_said_stuck = false;
    worker->keeper_missed_mono_ms = amp_clock_mono_ms(&worker->shared->clock) + KEEPER_PATIENCE_MS;
    let_others_ask(worker);
    amp_auth_forget_all(worker->auth);
    amp_front_end_polls(worker, NULL);
    amp_front_lose_keeper(worker);
}

/* The vault must not go with a link: it is the keeper that is started again. */
void amp_front_miss_keeper(struct amp_worker *worker, int64_t now_mono_ms)
{
    if (worker->keeper != NULL || worker->keeper_missed_mono_ms == 0 || worker->draining ||
        now_mono_ms < worker->keeper_missed_mono_ms)
        return;
    amp_log(AMP_LOG_ERROR, "the keeper's link ended and no new one came: the keeper must be started again");
    worker->keeper_missed_mono_ms = now_mono_ms + KEEPER_PATIENCE_MS;
    amp_front_report(worker, AMP_ROLE_KEEPER);
}

static void on_closed(void *ctx, struct amp_link *link, bool violation)
{
    (void)link;
    amp_front_detach_keeper(ctx);
    if (violation)
        amp_front_report(ctx, AMP_ROLE_KEEPER);
}

void amp_front_attach_keeper(struct amp_worker *worker, int fd)
{
    struct amp_link_config config = {
        .base = worker->base,
        .self = AMP_ROLE_FRONT,
        .peer = AMP_ROLE_KEEPER,
        .ctx = worker,
        .message = on_message,
        .closed = on_closed,
    };
    struct waiting *waiting;

    if (worker->keeper != NULL)
        amp_front_detach_keeper(worker);
    if (amp_link_new(&worker->keeper, &config, fd) != AMP_OK) {
        worker->keeper = NULL;
        amp_log(AMP_LOG_ERROR, "the link to the keeper could not be taken over");
        return;
    }
    /* What waited for the keeper before asks the new one. */
    STAILQ_FOREACH(waiting, &worker->waiting, next)
    waiting->ask = 0;
    amp_front_answered(worker, 0);
    amp_front_want_epoch(worker);
}

enum amp_err amp_front_ask_keeper(void *ctx, uint64_t ask, const struct amp_sigv4 *scope)
{
    struct amp_worker *worker = ctx;
    uint8_t storage[120];
    struct amp_out payload = amp_out(storage, sizeof storage);

    if (worker->keeper == NULL)
        return AMP_ERR_KEEPER_UNAVAILABLE;
    amp_ipc_put_u64(&payload, ask);
    amp_out_slice(&payload, scope->key_id);
    amp_out_slice(&payload, scope->date);
    amp_ipc_put_bytes(&payload, scope->region);
    amp_ipc_put_bytes(&payload, scope->service);
    if (payload.overflow)
        return AMP_ERR_INVALID;
    return amp_link_send(worker->keeper, AMP_IPC_DAY_KEY_GET, amp_out_done(&payload), -1);
}

static bool wants_epoch(const struct amp_worker *worker)
{
    return worker->keeper != NULL && amp_epochs_wants_next(worker->shared->epochs) &&
           amp_clock_mono_ms(&worker->shared->clock) >= atomic_load(&worker->shared->epoch_not_before_ms);
}

void amp_front_want_epoch(struct amp_worker *worker)
{
    if (!wants_epoch(worker) || !become_asker(worker))
        return;
    /* Looked at again: who asked before may have got one in between. */
    if (!wants_epoch(worker) || amp_link_send(worker->keeper, AMP_IPC_EPOCH_GET, amp_slice(NULL, 0), -1) != AMP_OK)
        let_others_ask(worker);
}
