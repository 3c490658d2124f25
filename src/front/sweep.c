/* What time does: expiry, leases, replay memory, epoch keys, deadlines, a stepped clock. */
#include "base/log.h"
#include "front/internal.h"

/* Records wiped between two looks at the network: about a third of a millisecond. */
#define SWEEP_CHUNK 1000
/* A wall clock that moved by more than this against the monotonic one was stepped, not slewed. */
#define CLOCK_JUMP_MS 2000

static void record_count(struct amp_worker *worker, enum amp_act act, uint64_t *count, bool alarm)
{
    uint64_t number;
    struct amp_event event = {
        .unix_ms = amp_clock_unix_ms(&worker->shared->clock),
        .act = act,
        .outcome = AMP_OUTCOME_SUCCESS,
        .alarm = alarm,
        .count = *count,
        .who = AMP_SLICE_LIT("front"),
        .source = AMP_SLICE_LIT("local"),
    };
    if (*count > 0 && amp_recorder_add(worker->recorder, &event, false, &number) == AMP_OK)
        *count = 0;
}

static void watch_clock(struct amp_worker *worker, int64_t now_mono_ms)
{
    int64_t offset = amp_clock_unix_ms(&worker->shared->clock) - now_mono_ms;
    int64_t moved = offset - worker->clock_offset_ms;
    uint64_t seconds = (uint64_t)(moved < 0 ? -moved : moved) / 1000;

    if (moved > CLOCK_JUMP_MS || moved < -CLOCK_JUMP_MS) {
        amp_log_num(AMP_LOG_WARN, "the wall clock was stepped", "ms", moved);
        record_count(worker, AMP_ACT_CLOCK_JUMP, &seconds, true);
    }
    worker->clock_offset_ms = offset;
}

static void each_second(struct amp_worker *worker, int64_t now_mono_ms)
{
    record_count(worker, AMP_ACT_EXPIRE, &worker->expired, false);
    record_count(worker, AMP_ACT_LEASE_LAPSE, &worker->lapsed, false);
    if (worker->number != 0)
        return;
    amp_replay_sweep(worker->shared->replay, amp_clock_unix_ms(&worker->shared->clock) / 1000);
    amp_epochs_sweep(worker->shared->epochs);
    watch_clock(worker, now_mono_ms);
}

void amp_front_sweep(struct amp_worker *worker)
{
    size_t stripes = amp_vault_stripes(worker->shared->vault);
    size_t stripe, left = SWEEP_CHUNK;

    worker->sweep_more = false;
    for (stripe = worker->number; stripe < stripes; stripe += worker->shared->worker_count) {
        uint64_t expired = 0, lapsed = 0;

        if (amp_vault_sweep(worker->shared->vault, stripe, left, &expired, &lapsed))
            worker->sweep_more = true;
        worker->expired += expired;
        worker->lapsed += lapsed;
        left -= expired < left ? (size_t)expired : left;
        if (left == 0) {
            worker->sweep_more = true;
            break;
        }
    }
    if (worker->number == 0 && amp_idempotency_sweep(worker->shared->idempotency, SWEEP_CHUNK))
        worker->sweep_more = true;
}

void amp_front_tick(struct amp_worker *worker)
{
    int64_t now_mono_ms = amp_clock_mono_ms(&worker->shared->clock);

    amp_front_sweep(worker);
    amp_front_expire(worker, now_mono_ms, false);
    amp_front_want_epoch(worker);
    if (now_mono_ms >= worker->next_second_mono_ms) {
        worker->next_second_mono_ms = now_mono_ms + 1000;
        each_second(worker, now_mono_ms);
    }
}
