/* What time does: expiry, leases, queues, replay memory, epoch keys, deadlines. */
#include "front/internal.h"

/* Records wiped, messages looked at between two looks at the network: about a third of a millisecond. */
#define SWEEP_CHUNK 1000

/* True where it was recorded. */
static bool record_count(struct amp_worker *worker, enum amp_act act, enum amp_outcome outcome, enum amp_err code,
                         uint64_t count)
{
    uint64_t number;
    struct amp_event event = {
        .unix_ms = amp_clock_unix_ms(&worker->shared->clock),
        .act = act,
        .outcome = outcome,
        .code = code,
        .count = count,
        .who = AMP_SLICE_LIT("front"),
        .source = AMP_SLICE_LIT("local"),
    };
    return count > 0 && amp_recorder_add(worker->recorder, &event, false, &number) == AMP_OK;
}

/*
 * Connections beyond a limit, or of a source that is penalised, are closed unheard: a record a second tells how many.
 * Worker 0 ends behind the others, and counts for all.
 */
static void record_turned_away(struct amp_worker *worker)
{
    static const enum amp_err codes[AMP_NET_REFUSED_COUNT_] = {
        [AMP_NET_REFUSED_FULL] = AMP_ERR_OVERLOADED,
        [AMP_NET_REFUSED_SOURCE] = AMP_ERR_OVERLOADED,
        [AMP_NET_REFUSED_STARTUPS] = AMP_ERR_OVERLOADED,
        [AMP_NET_REFUSED_PENALTY] = AMP_ERR_SOURCE_PENALISED,
    };
    struct amp_net_counts now = amp_net_counts(worker->shared->commons);

    for (size_t i = 0; i < AMP_NET_REFUSED_COUNT_; i++) {
        if (record_count(worker, AMP_ACT_CONNECTION, AMP_OUTCOME_REFUSED, codes[i],
                         now.refused[i] - worker->told.refused[i]))
            worker->told.refused[i] = now.refused[i];
    }
}

/* As the refusals themselves would stand there. */
static bool record_discards(void *ctx, enum amp_err code, uint64_t count)
{
    return record_count(ctx, code == AMP_ERR_IO ? AMP_ACT_CONNECTION : AMP_ACT_REQUEST,
                        amp_err_status(code) >= 500 ? AMP_OUTCOME_FAILURE : AMP_OUTCOME_REFUSED, code, count);
}

/* While some workers have ended already and others drain, nobody can rely on the others. */
static bool sweeps_for_all(const struct amp_worker *worker)
{
    return worker->number == 0 || atomic_load_explicit(&worker->shared->draining, memory_order_relaxed);
}

bool amp_front_all_told(const struct amp_worker *worker)
{
    const struct amp_engine_swept *swept = &worker->swept;

    return worker->expired == 0 && worker->lapsed == 0 && swept->expired == 0 && swept->dead_lettered == 0 &&
           swept->moved == 0 && amp_discards_empty(worker->discards) &&
           (worker->push == NULL || amp_push_all_told(worker->push));
}

/* What is recorded is forgotten. */
static void record_success(struct amp_worker *worker, enum amp_act act, uint64_t *count)
{
    if (record_count(worker, act, AMP_OUTCOME_SUCCESS, AMP_OK, *count))
        *count = 0;
}

static void each_second(struct amp_worker *worker)
{
    record_success(worker, AMP_ACT_EXPIRE, &worker->expired);
    record_success(worker, AMP_ACT_LEASE_LAPSE, &worker->lapsed);
    record_success(worker, AMP_ACT_MESSAGE_EXPIRE, &worker->swept.expired);
    record_success(worker, AMP_ACT_MESSAGE_DEAD_LETTER, &worker->swept.dead_lettered);
    record_success(worker, AMP_ACT_MESSAGE_MOVE, &worker->swept.moved);
    amp_front_ping_keeper(worker);
    if (worker->number == 0)
        record_turned_away(worker);
    amp_discards_fold(worker->discards, record_discards, worker);
    if (worker->push != NULL)
        amp_push_fold(worker->push);
    if (!sweeps_for_all(worker))
        return;
    amp_replay_sweep(worker->shared->replay, amp_clock_unix_ms(&worker->shared->clock) / 1000);
    amp_epochs_sweep(worker->shared->epochs);
}

static bool sweep_vault(struct amp_worker *worker, bool all)
{
    size_t stripes = amp_vault_stripes(worker->shared->vault);
    size_t stripe, left = SWEEP_CHUNK;
    bool more = false;

    for (stripe = all ? 0 : worker->number; stripe < stripes; stripe += all ? 1 : worker->shared->worker_count) {
        uint64_t expired = 0, lapsed = 0;

        if (amp_vault_sweep(worker->shared->vault, stripe, left, &expired, &lapsed))
            more = true;
        worker->expired += expired;
        worker->lapsed += lapsed;
        left -= expired < left ? (size_t)expired : left;
        if (left == 0)
            return true;
    }
    return more;
}

static bool sweep_queues(struct amp_worker *worker, bool all)
{
    const struct amp_queue_engine *queues = &worker->shared->queues;

    return queues->ops->sweep(queues->self, all ? 0 : worker->number, all ? 1 : worker->shared->worker_count,
                              SWEEP_CHUNK, &worker->swept);
}

void amp_front_sweep(struct amp_worker *worker)
{
    bool all = atomic_load_explicit(&worker->shared->draining, memory_order_relaxed);

    worker->sweep_more = sweep_vault(worker, all);
    worker->sweep_more |= sweep_queues(worker, all);
    if (sweeps_for_all(worker) && amp_idempotency_sweep(worker->shared->idempotency, SWEEP_CHUNK))
        worker->sweep_more = true;
    if (worker->push != NULL && amp_push_reap(worker->push))
        worker->sweep_more = true;
}

void amp_front_tell_connections(struct amp_worker *worker)
{
    size_t now = amp_net_connections(worker->net);

    if (now == worker->told_connections)
        return;
    atomic_fetch_add_explicit(&worker->shared->connections, now - worker->told_connections, memory_order_relaxed);
    worker->told_connections = now;
}

void amp_front_tick(struct amp_worker *worker)
{
    int64_t now_mono_ms = amp_clock_mono_ms(&worker->shared->clock);

    amp_front_sweep(worker);
    amp_front_expire(worker, now_mono_ms);
    amp_front_end_late(worker, now_mono_ms);
    amp_front_tell_held(worker);
    amp_front_want_epoch(worker);
    amp_front_miss_keeper(worker, now_mono_ms);
    if (now_mono_ms >= worker->next_second_mono_ms) {
        worker->next_second_mono_ms = now_mono_ms + 1000;
        each_second(worker);
    }
}
