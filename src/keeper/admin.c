/* Administration: what `ampoule key` asks over the unix socket. Every act, done or refused, is recorded. */
#include "ipc/admin.h"
#include "base/log.h"
#include "keeper/internal.h"

_Static_assert(AMP_KEY_SECRET_TEXT_LEN == AMP_KEYRING_SECRET_TEXT_LEN, "one secret, one length");

enum { SECRET_ANSWER_LEN = AMP_PRINCIPAL_KEY_ID_LEN + AMP_KEYRING_SECRET_TEXT_LEN, ENTRY_MAX = 8192 };

static void done(struct amp_asker *asker, enum amp_err err)
{
    uint8_t storage[4];
    struct amp_out answer = amp_out(storage, sizeof(storage));
    amp_ipc_put_u32(&answer, (uint32_t)err);
    if (amp_link_send(asker->link, AMP_IPC_KEY_DONE, amp_out_done(&answer), -1) != AMP_OK)
        amp_log(AMP_LOG_WARN, "an admin client did not wait for its answer");
}

/* The new key, then the end of the answer. The caller has not shown the secret where this fails. */
static void show_secret(struct amp_asker *asker, const struct amp_principal *principal,
                        const struct amp_keyring_secret *secret)
{
    uint8_t *storage = amp_secret_alloc(SECRET_ANSWER_LEN);
    if (storage == NULL)
        amp_fatal("no secret memory for a new key");
    struct amp_out answer = amp_out(storage, SECRET_ANSWER_LEN);
    amp_out_bytes(&answer, principal->key_id, sizeof(principal->key_id));
    amp_out_bytes(&answer, secret->text, sizeof(secret->text));
    enum amp_err err = amp_link_send(asker->link, AMP_IPC_KEY_SECRET, amp_out_done(&answer), -1);
    amp_secret_free(storage);
    done(asker, err);
}

static enum amp_err record(struct amp_asker *asker, enum amp_act act, enum amp_err err, const uint8_t *key_id)
{
    struct amp_slice subject = key_id != NULL ? amp_slice(key_id, AMP_PRINCIPAL_KEY_ID_LEN) : amp_slice(NULL, 0);
    enum amp_err recorded = amp_keeper_record(asker->keeper, act, err, asker->who, subject);
    return err != AMP_OK ? err : recorded;
}

void amp_keeper_tell_fronts(struct amp_keeper *keeper, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
    struct amp_slice changed = amp_slice(key_id, AMP_PRINCIPAL_KEY_ID_LEN);
    for (struct amp_asker *next, *asker = TAILQ_FIRST(&keeper->askers); asker != NULL; asker = next) {
        next = TAILQ_NEXT(asker, next);
        if (asker->role != AMP_ROLE_FRONT ||
            amp_link_send(asker->link, AMP_IPC_PRINCIPAL_CHANGED, changed, -1) == AMP_OK)
            continue;
        amp_log(AMP_LOG_ERROR, "front could not be told that a principal changed: its link is cut");
        amp_keeper_dismiss(asker);
    }
}

/* False where the form is wrong; values are checked by the keyring. */
static bool read_create(struct amp_principal *principal, struct amp_slice payload)
{
    struct amp_ipc_in in = {payload, false};
    *principal = (struct amp_principal){0};
    struct amp_slice name = amp_ipc_get_bytes(&in, AMP_PRINCIPAL_NAME_MAX);
    principal->rate_per_second = amp_ipc_get_u32(&in);
    principal->rate_burst = amp_ipc_get_u32(&in);
    principal->grant_count = amp_ipc_get_u32(&in);
    if (in.bad || principal->grant_count > AMP_PRINCIPAL_GRANTS_MAX)
        return false;
    principal->name_len = (uint8_t)name.len;
    if (name.len != 0)
        memcpy(principal->name, name.ptr, name.len);
    for (uint32_t i = 0; i < principal->grant_count; i++) {
        struct amp_grant *grant = &principal->grants[i];
        grant->permissions = amp_ipc_get_u32(&in);
        struct amp_slice queue = amp_ipc_get_bytes(&in, AMP_GRANT_QUEUE_MAX);
        grant->queue_len = (uint8_t)queue.len;
        if (queue.len != 0)
            memcpy(grant->queue, queue.ptr, queue.len);
    }
    return amp_ipc_end(&in);
}

static bool create(struct amp_asker *asker, struct amp_slice payload)
{
    struct amp_principal principal;
    if (!read_create(&principal, payload))
        return false;
    struct amp_keyring_secret *secret = amp_secret_alloc(sizeof(*secret));
    if (secret == NULL)
        amp_fatal("no secret memory for a new key");
    enum amp_err err = amp_keyring_create(asker->keeper->keyring, &principal, secret);
    err = record(asker, AMP_ACT_KEY_CREATE, err, err == AMP_OK ? principal.key_id : NULL);
    if (err == AMP_OK)
        show_secret(asker, &principal, secret);
    else
        done(asker, err);
    amp_secret_free(secret);
    return true;
}

static bool list(struct amp_asker *asker, struct amp_slice payload)
{
    const struct amp_keyring *keyring = asker->keeper->keyring;
    enum amp_err err = record(asker, AMP_ACT_KEY_LIST, AMP_OK, NULL);
    for (size_t i = 0; err == AMP_OK && i < amp_keyring_count(keyring); i++) {
        struct amp_principal principal;
        uint8_t storage[ENTRY_MAX];
        struct amp_out entry = amp_out(storage, sizeof(storage));
        err = amp_keyring_at(keyring, i, &principal);
        if (err == AMP_OK)
            amp_principal_pack(&entry, &principal);
        if (err == AMP_OK)
            err = amp_link_send(asker->link, AMP_IPC_KEY_ENTRY, amp_out_done(&entry), -1);
    }
    done(asker, err);
    return true;
}

static bool rotate(struct amp_asker *asker, struct amp_slice payload)
{
    struct amp_ipc_in in = {payload, false};
    uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN];
    struct amp_principal fresh;
    amp_ipc_get_fixed(&in, key_id, sizeof(key_id));
    uint64_t overlap_ms = amp_ipc_get_u64(&in);
    if (!amp_ipc_end(&in))
        return false;
    struct amp_keyring_secret *secret = amp_secret_alloc(sizeof(*secret));
    if (secret == NULL)
        amp_fatal("no secret memory for a new key");
    enum amp_err err = amp_keyring_rotate(asker->keeper->keyring, key_id, overlap_ms, &fresh, secret);
    if (err == AMP_OK)
        amp_keeper_tell_fronts(asker->keeper, key_id);
    /* Two lifecycle events: the old key's end was set, and a new one is in use from now on. */
    err = record(asker, AMP_ACT_KEY_ROTATE, err, key_id);
    if (err == AMP_OK)
        err = record(asker, AMP_ACT_KEY_CREATE, AMP_OK, fresh.key_id);
    amp_keeper_review_ended_keys(asker->keeper);
    if (err == AMP_OK)
        show_secret(asker, &fresh, secret);
    else
        done(asker, err);
    amp_secret_free(secret);
    return true;
}

static bool disable(struct amp_asker *asker, struct amp_slice payload)
{
    enum amp_err err = amp_keyring_disable(asker->keeper->keyring, payload.ptr);
    if (err == AMP_OK)
        amp_keeper_tell_fronts(asker->keeper, payload.ptr);
    bool changed = err == AMP_OK;
    err = record(asker, AMP_ACT_KEY_DISABLE, err, payload.ptr);
    if (changed) {
        amp_keeper_review_subscriptions(asker->keeper);
        amp_keeper_review_ended_keys(asker->keeper);
    }
    done(asker, err);
    return true;
}

static bool forget(struct amp_asker *asker, struct amp_slice payload)
{
    uint8_t key_id[1][AMP_PRINCIPAL_KEY_ID_LEN];
    memcpy(key_id[0], payload.ptr, sizeof(key_id[0]));
    enum amp_err err = AMP_ERR_KEY_IN_USE;
    if (!amp_keeper_key_owns(asker->keeper, key_id[0]))
        err = amp_keyring_forget(asker->keeper->keyring, key_id, 1);
    if (err == AMP_OK)
        amp_keeper_tell_fronts(asker->keeper, key_id[0]);
    done(asker, record(asker, AMP_ACT_KEY_DELETE, err, key_id[0]));
    return true;
}

bool amp_keeper_admin(struct amp_asker *asker, enum amp_ipc_type type, struct amp_slice payload)
{
    static const struct {
        enum amp_ipc_type type;
        bool (*act)(struct amp_asker *asker, struct amp_slice payload);
    } acts[] = {
        {AMP_IPC_KEY_CREATE, create},   {AMP_IPC_KEY_LIST, list},     {AMP_IPC_KEY_ROTATE, rotate},
        {AMP_IPC_KEY_DISABLE, disable}, {AMP_IPC_KEY_DELETE, forget},
    };
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (acts[i].type != type)
            continue;
        if (amp_keeper_can_record(asker->keeper))
            return acts[i].act(asker, payload);
        done(asker, AMP_ERR_AUDIT_UNAVAILABLE);
        return true;
    }
    return false;
}
