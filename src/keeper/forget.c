/*
 * Keys that ended are told in lists for keys.forget_after, and forgotten then, with a record. One that a subscription
 * belongs to is kept with it: by its key one knows whose principal's a subscription is, and whether he may sign still.
 */
#include <event2/event.h>

#include "base/log.h"
#include "keeper/internal.h"

struct due {
    uint8_t key_ids[AMP_KEYRING_FORGET_MAX][AMP_PRINCIPAL_KEY_ID_LEN];
    size_t count;
    int64_t next_ms; /* when the next one is due; in the past where there are more than fit */
};

static void find_due(const struct amp_keeper *keeper, struct due *due)
{
    int64_t now_ms = amp_clock_unix_ms(&keeper->clock);
    *due = (struct due){.next_ms = INT64_MAX};
    for (size_t i = 0; i < amp_keyring_count(keeper->keyring); i++) {
        const uint8_t *key_id;
        int64_t due_ms;
        if (__builtin_add_overflow(amp_keyring_end_of(keeper->keyring, i, &key_id),
                                   keeper->env->config->keys.forget_after_ms, &due_ms))
            continue;
        if (due_ms > now_ms || due->count == AMP_KEYRING_FORGET_MAX)
            due->next_ms = due_ms < due->next_ms ? due_ms : due->next_ms;
        else if (!amp_keeper_key_owns(keeper, key_id))
            memcpy(due->key_ids[due->count++], key_id, sizeof(due->key_ids[0]));
    }
}

static enum amp_err forget(struct amp_keeper *keeper, const struct due *due)
{
    enum amp_err err = AMP_ERR_AUDIT_UNAVAILABLE;
    if (amp_recorder_ready(keeper->recorder) && amp_recorder_reserve(keeper->recorder, due->count))
        err = amp_keyring_forget(keeper->keyring, due->key_ids, due->count);
    for (size_t i = 0; err == AMP_OK && i < due->count; i++) {
        amp_keeper_tell_fronts(keeper, due->key_ids[i]);
        err = amp_keeper_record(keeper, AMP_ACT_KEY_DELETE, AMP_OK, "keeper",
                                amp_slice(due->key_ids[i], sizeof(due->key_ids[i])));
    }
    return err;
}

void amp_keeper_review_ended_keys(struct amp_keeper *keeper)
{
    struct due due;
    find_due(keeper, &due);
    enum amp_err err = due.count != 0 ? forget(keeper, &due) : AMP_OK;
    if (err != AMP_OK && err != AMP_ERR_AUDIT_UNAVAILABLE)
        amp_log_text(AMP_LOG_ERROR, "keys that ended could not be forgotten: tried again soon", "code",
                     amp_err_code(err));
    if (err != AMP_OK)
        due.next_ms = amp_clock_unix_ms(&keeper->clock) + AMP_KEEPER_TRY_AGAIN_MS;
    amp_keeper_wake_at(keeper, keeper->forget, due.next_ms); /* a subscription's key as well, once that was deleted */
}

static void on_forget(evutil_socket_t fd, short what, void *ctx)
{
    amp_keeper_review_ended_keys(ctx);
}

enum amp_err amp_keeper_watch_ended_keys(struct amp_keeper *keeper)
{
    keeper->forget = evtimer_new(keeper->base, on_forget, keeper);
    if (keeper->forget == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    amp_keeper_review_ended_keys(keeper);
    return AMP_OK;
}
