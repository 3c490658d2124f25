/* Subscriptions: what front asks to be done to them, and who is told of what became of them. */
#include <event2/event.h>

#include "base/log.h"
#include "base/text.h"
#include "keeper/internal.h"

enum {
    TOLD_MAX = 2 + AMP_SUBSCRIPTION_PACKED_MAX + 2 + AMP_SUBSCRIPTION_SECRETS_PACKED_MAX,
    SECRET_TEXT_MAX = 6 + AMP_BASE64_LEN(AMP_WEBHOOK_SECRET_MAX),
    DONE_MAX = 8 + 4 + AMP_SUBSCRIPTION_ID_LEN + 8 + 2 + SECRET_TEXT_MAX,
};

/* The courier, and of front the one link that such news takes. */
static bool is_told(const struct amp_asker *asker)
{
    return asker->role == AMP_ROLE_COURIER || (asker->role == AMP_ROLE_FRONT && asker->index == 0);
}

/*
 * Who asks on and on and hears nothing is cut off: it would push to those it must not, or not to those it must. Who is
 * merely slow is not: see falls_behind.
 */
static void say(struct amp_asker *asker, enum amp_ipc_type type, struct amp_slice payload)
{
    if (asker->lost)
        return;
    enum amp_err err = amp_link_send(asker->link, type, payload, -1);
    if (err == AMP_ERR_OUT_OF_MEMORY)
        amp_fatal("no secret memory for news of subscriptions");
    if (err == AMP_OK)
        return;
    amp_log_text(AMP_LOG_ERROR, "a role could not be told of subscriptions: its link is cut", "role",
                 amp_role_name(asker->role));
    asker->lost = true;
}

/* Who is slow is told in the end what is, not all that happened: only so does it fit into the queue of a link. */
static bool falls_behind(struct amp_asker *asker)
{
    asker->behind = asker->behind || !amp_link_idle(asker->link);
    return asker->behind;
}

/* Secrets are for the courier alone. */
static void tell_one(struct amp_asker *asker, size_t index)
{
    const struct amp_subscriptions *subscriptions = asker->keeper->subscriptions;
    uint8_t storage[AMP_SUBSCRIPTION_PACKED_MAX];
    struct amp_out packed = amp_out(storage, sizeof(storage));
    uint8_t *secret = amp_secret_alloc(TOLD_MAX);
    if (secret == NULL)
        amp_fatal("no secret memory for a subscription");
    struct amp_out told = amp_out(secret, TOLD_MAX);
    amp_subscription_pack(&packed, amp_subscriptions_at(subscriptions, index));
    amp_ipc_put_bytes(&told, amp_out_done(&packed));
    if (asker->role == AMP_ROLE_COURIER) {
        uint8_t secret_storage[AMP_SUBSCRIPTION_SECRETS_PACKED_MAX];
        struct amp_out secrets = amp_out(secret_storage, sizeof(secret_storage));
        amp_subscription_secrets_pack(&secrets, amp_subscriptions_secrets_at(subscriptions, index));
        amp_ipc_put_bytes(&told, amp_out_done(&secrets));
        amp_wipe(secret_storage, sizeof(secret_storage));
    }
    say(asker, AMP_IPC_SUBSCRIPTION, amp_out_done(&told));
    amp_secret_free(secret);
}

void amp_keeper_tell_subscriptions(struct amp_asker *asker)
{
    if (!is_told(asker))
        return;
    say(asker, AMP_IPC_SUBSCRIPTIONS_TELLING, amp_slice(NULL, 0));
    for (size_t i = 0; i < amp_subscriptions_count(asker->keeper->subscriptions); i++)
        tell_one(asker, i);
    say(asker, AMP_IPC_SUBSCRIPTIONS_TOLD, amp_slice(NULL, 0));
}

void amp_keeper_catch_up(struct amp_asker *asker)
{
    if (!asker->behind)
        return;
    asker->behind = false;
    amp_keeper_tell_subscriptions(asker);
}

static void tell_all(struct amp_keeper *keeper, size_t index)
{
    struct amp_asker *asker;
    TAILQ_FOREACH(asker, &keeper->askers, next)
    {
        if (is_told(asker) && !falls_behind(asker))
            tell_one(asker, index);
    }
}

static void tell_all_gone(struct amp_keeper *keeper, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN])
{
    struct amp_asker *asker;
    TAILQ_FOREACH(asker, &keeper->askers, next)
    {
        if (is_told(asker) && !falls_behind(asker))
            say(asker, AMP_IPC_SUBSCRIPTION_GONE, amp_slice(id, AMP_SUBSCRIPTION_ID_LEN));
    }
}

/* Unless it could not be written, which is recorded too, it is disabled, and told so. */
static enum amp_err disable(struct amp_keeper *keeper, size_t index, enum amp_subscription_state state, const char *who,
                            enum amp_err why)
{
    enum amp_err err = amp_subscriptions_set_state(keeper->subscriptions, index, state);
    const struct amp_subscription *subscription = amp_subscriptions_at(keeper->subscriptions, index);
    char id[AMP_SUBSCRIPTION_ID_TEXT_LEN];
    amp_subscription_id_format(id, subscription->id);
    const struct amp_event event = {
        .act = AMP_ACT_SUBSCRIPTION_DISABLE,
        .code = err != AMP_OK ? err : why,
        .alarm = true,
        .who = amp_slice_str(who),
        .queue = amp_slice(subscription->queue, subscription->queue_len),
        .subject = amp_slice(id, sizeof(id)),
    };
    if (amp_keeper_record_event(keeper, &event) != AMP_OK)
        amp_log(AMP_LOG_ERROR, "that a subscription was disabled could not be recorded");
    if (err == AMP_OK)
        tell_all(keeper, index);
    return err;
}

static enum amp_err retire(struct amp_keeper *keeper, size_t index)
{
    const struct amp_subscription_secrets *secrets = amp_subscriptions_secrets_at(keeper->subscriptions, index);
    if (secrets->count < 2 || secrets->older_expires_unix_ms > amp_clock_unix_ms(&keeper->clock))
        return AMP_OK;
    enum amp_err err = amp_subscriptions_retire(keeper->subscriptions, index);
    if (err == AMP_OK)
        tell_all(keeper, index);
    return err;
}

bool amp_keeper_key_owns(const struct amp_keeper *keeper, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
    const struct amp_slice key = amp_slice(key_id, AMP_PRINCIPAL_KEY_ID_LEN);
    for (size_t i = 0; i < amp_subscriptions_count(keeper->subscriptions); i++) {
        const struct amp_subscription *subscription = amp_subscriptions_at(keeper->subscriptions, i);
        if (amp_slice_equal(amp_slice(subscription->owner, sizeof(subscription->owner)), key))
            return true;
    }
    return false;
}

static enum amp_err disown(struct amp_keeper *keeper, size_t index)
{
    const struct amp_subscription *subscription = amp_subscriptions_at(keeper->subscriptions, index);
    if (subscription->state != AMP_SUBSCRIPTION_ACTIVE ||
        amp_keyring_principal_lives(keeper->keyring, subscription->owner))
        return AMP_OK;
    return disable(keeper, index, AMP_SUBSCRIPTION_ORPHANED, "keeper", AMP_ERR_KEY_DISABLED);
}

/* Wakes when the next older secret's time is over, or that of a key that may be its owner's last. */
static void schedule(struct amp_keeper *keeper)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < amp_subscriptions_count(keeper->subscriptions); i++) {
        const struct amp_subscription_secrets *secrets = amp_subscriptions_secrets_at(keeper->subscriptions, i);
        if (secrets->count == 2 && secrets->older_expires_unix_ms < next_ms)
            next_ms = secrets->older_expires_unix_ms;
    }
    if (amp_subscriptions_count(keeper->subscriptions) != 0 && amp_keyring_next_expiry(keeper->keyring) < next_ms)
        next_ms = amp_keyring_next_expiry(keeper->keyring);
    if (next_ms != INT64_MAX)
        amp_keeper_wake_at(keeper, keeper->review, next_ms);
}

void amp_keeper_review_subscriptions(struct amp_keeper *keeper)
{
    enum amp_err err = AMP_OK;
    for (size_t i = 0; err == AMP_OK && i < amp_subscriptions_count(keeper->subscriptions); i++) {
        err = retire(keeper, i);
        if (err == AMP_OK)
            err = disown(keeper, i);
    }
    if (err == AMP_OK) {
        schedule(keeper);
        return;
    }
    amp_log_text(AMP_LOG_ERROR, "an end that subscriptions came to could not be written: tried again soon", "code",
                 amp_err_code(err));
    amp_keeper_wake_at(keeper, keeper->review, amp_clock_unix_ms(&keeper->clock) + AMP_KEEPER_TRY_AGAIN_MS);
}

/* One request, and the subscription that it is about. */
struct request {
    struct amp_asker *asker;
    uint64_t ask;
    enum amp_act act;
    uint8_t who[AMP_PRINCIPAL_KEY_ID_LEN]; /* zeros: nobody is known */
    struct amp_subscription subscription;  /* its id is zero where there is none */
};

static enum amp_err record(const struct request *request, enum amp_err err)
{
    static const uint8_t none[AMP_SUBSCRIPTION_ID_LEN];
    const struct amp_subscription *subscription = &request->subscription;
    char id[AMP_SUBSCRIPTION_ID_TEXT_LEN];
    bool known = !amp_slice_equal(amp_slice(subscription->id, sizeof(none)), amp_slice(none, sizeof(none)));
    amp_subscription_id_format(id, subscription->id);
    const struct amp_event event = {
        .act = request->act,
        .code = err,
        .alarm = err == AMP_ERR_NOT_PERMITTED,
        .who = amp_slice(request->who, request->who[0] != 0 ? sizeof(request->who) : 0),
        .queue = amp_slice(subscription->queue, subscription->queue_len),
        .subject = amp_slice(id, known ? sizeof(id) : 0),
    };
    enum amp_err recorded = amp_keeper_record_event(request->asker->keeper, &event);
    return err != AMP_OK ? err : recorded;
}

/* `secrets`: the first of them is to be shown; NULL where none is. */
static void done(const struct request *request, enum amp_err err, const struct amp_subscription_secrets *secrets)
{
    char *text = amp_secret_alloc(SECRET_TEXT_MAX);
    uint8_t *storage = amp_secret_alloc(DONE_MAX);
    size_t len = 0;
    if (text == NULL || storage == NULL)
        amp_fatal("no secret memory for an answer");
    bool shown = err == AMP_OK && secrets != NULL;
    if (shown)
        amp_webhook_secret_format(text, &len, &secrets->secrets[0]);
    struct amp_out answer = amp_out(storage, DONE_MAX);
    amp_ipc_put_u64(&answer, request->ask);
    amp_ipc_put_u32(&answer, (uint32_t)err);
    amp_out_bytes(&answer, request->subscription.id, sizeof(request->subscription.id));
    amp_ipc_put_u64(&answer, shown ? (uint64_t)secrets->older_expires_unix_ms : 0);
    amp_ipc_put_bytes(&answer, amp_slice(text, len));
    say(request->asker, AMP_IPC_SUBSCRIPTION_DONE, amp_out_done(&answer));
    amp_secret_free(text);
    amp_secret_free(storage);
}

/* The news goes first: who was answered may count on what he asked for. */
static void finish_with_secret(const struct request *request, enum amp_err err, size_t index)
{
    struct amp_keeper *keeper = request->asker->keeper;
    if (err == AMP_OK)
        tell_all(keeper, index);
    bool changed = err == AMP_OK;
    err = record(request, err);
    done(request, err, changed ? amp_subscriptions_secrets_at(keeper->subscriptions, index) : NULL);
}

/*
 * Whether the asker may do this to the subscription, by the keyring and not by front's word. Front asks for nobody
 * else: where it does, a key ended this moment, or front lies.
 */
static enum amp_err check_permission(struct request *request, bool cards)
{
    const struct amp_keyring *keyring = request->asker->keeper->keyring;
    const struct amp_slice queue = amp_slice(request->subscription.queue, request->subscription.queue_len);
    struct amp_principal principal;
    if (amp_keyring_signer(keyring, amp_slice(request->who, sizeof(request->who)), &principal) == AMP_OK &&
        amp_principal_may(&principal, AMP_MAY_MANAGE, queue) &&
        (!cards || amp_principal_may(&principal, AMP_MAY_CLAIM, queue)))
        return AMP_OK;
    return AMP_ERR_NOT_PERMITTED;
}

/* Front checked every field before: what is wrong all the same is refused, and only a wrong frame is a violation. */
static bool create(struct request *request, struct amp_ipc_in *in)
{
    struct amp_subscriptions *subscriptions = request->asker->keeper->subscriptions;
    struct amp_slice packed = amp_ipc_get_bytes(in, AMP_SUBSCRIPTION_PACKED_MAX);
    size_t index = 0;
    if (!amp_ipc_end(in))
        return false;
    enum amp_err err = amp_subscription_unpack(&request->subscription, packed);
    memcpy(request->who, request->subscription.owner, sizeof(request->who));
    if (err == AMP_OK)
        err = check_permission(request, request->subscription.jwk_len != 0);
    if (err == AMP_OK)
        err = amp_subscriptions_create(subscriptions, &request->subscription, &index);
    if (err != AMP_OK)
        memset(request->subscription.id, 0, sizeof(request->subscription.id));
    finish_with_secret(request, err, index);
    return true;
}

/* Reads who asks and for which; *err tells whether there is such a subscription, and he may manage it. */
static bool read_subject(struct request *request, struct amp_ipc_in *in, size_t *index, enum amp_err *err)
{
    const struct amp_subscriptions *subscriptions = request->asker->keeper->subscriptions;
    uint8_t id[AMP_SUBSCRIPTION_ID_LEN];
    amp_ipc_get_fixed(in, request->who, sizeof(request->who));
    amp_ipc_get_fixed(in, id, sizeof(id));
    if (!amp_ipc_end(in))
        return false;
    *err = amp_subscriptions_find(subscriptions, id, index);
    if (*err == AMP_OK) {
        request->subscription = *amp_subscriptions_at(subscriptions, *index);
        *err = check_permission(request, false);
    }
    memcpy(request->subscription.id, id, sizeof(id));
    if (amp_key_id_is_good(request->who))
        return true;
    memset(request->who, 0, sizeof(request->who)); /* and what stands there is not for the record */
    *err = AMP_ERR_NOT_PERMITTED;
    return true;
}

static bool rotate(struct request *request, struct amp_ipc_in *in)
{
    struct amp_keeper *keeper = request->asker->keeper;
    size_t index = 0;
    enum amp_err err;
    if (!read_subject(request, in, &index, &err))
        return false;
    bool owned = err == AMP_OK && amp_keyring_principal_lives(keeper->keyring, request->subscription.owner);
    if (err == AMP_OK && !owned) /* to take it over takes what making it would */
        err = check_permission(request, request->subscription.jwk_len != 0);
    if (err == AMP_OK)
        err = amp_subscriptions_rotate(keeper->subscriptions, index, owned ? NULL : request->who);
    finish_with_secret(request, err, index);
    schedule(keeper);
    return true;
}

static bool remove_one(struct request *request, struct amp_ipc_in *in)
{
    struct amp_keeper *keeper = request->asker->keeper;
    size_t index = 0;
    enum amp_err err;
    if (!read_subject(request, in, &index, &err))
        return false;
    if (err == AMP_OK)
        err = amp_subscriptions_remove(keeper->subscriptions, index);
    if (err == AMP_OK)
        tell_all_gone(keeper, request->subscription.id);
    done(request, record(request, err), NULL);
    return true;
}

/* The courier gave an endpoint up. One that was deleted or rotated meanwhile is none of its business any more. */
static bool fail(struct amp_asker *asker, struct amp_slice payload)
{
    struct amp_keeper *keeper = asker->keeper;
    struct amp_ipc_in in = {payload, false};
    uint8_t id[AMP_SUBSCRIPTION_ID_LEN];
    size_t index;
    amp_ipc_get_fixed(&in, id, sizeof(id));
    uint32_t state = amp_ipc_get_u32(&in);
    uint32_t generation = amp_ipc_get_u32(&in);
    if (!amp_ipc_end(&in) || (state != AMP_SUBSCRIPTION_GONE && state != AMP_SUBSCRIPTION_FAILING))
        return false;
    if (amp_subscriptions_find(keeper->subscriptions, id, &index) != AMP_OK)
        return true;
    const struct amp_subscription *subscription = amp_subscriptions_at(keeper->subscriptions, index);
    if (subscription->state != AMP_SUBSCRIPTION_ACTIVE || subscription->generation != generation)
        return true;
    (void)(disable(keeper, index, (enum amp_subscription_state)state, asker->who,
                   state == AMP_SUBSCRIPTION_GONE ? AMP_ERR_PUSH_REFUSED : AMP_ERR_PUSH_UNREACHABLE) == AMP_OK);
    return true;
}

bool amp_keeper_subscription(struct amp_asker *asker, enum amp_ipc_type type, struct amp_slice payload)
{
    static const struct {
        enum amp_ipc_type type;
        enum amp_act act;
        bool (*carry_out)(struct request *request, struct amp_ipc_in *in);
    } acts[] = {
        {AMP_IPC_SUBSCRIPTION_CREATE, AMP_ACT_SUBSCRIPTION_CREATE, create},
        {AMP_IPC_SUBSCRIPTION_DELETE, AMP_ACT_SUBSCRIPTION_DELETE, remove_one},
        {AMP_IPC_SUBSCRIPTION_ROTATE, AMP_ACT_SUBSCRIPTION_ROTATE, rotate},
    };
    struct amp_ipc_in in = {payload, false};
    if (type == AMP_IPC_SUBSCRIPTION_FAILED)
        return fail(asker, payload);
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (acts[i].type != type)
            continue;
        struct request request = {.asker = asker, .ask = amp_ipc_get_u64(&in), .act = acts[i].act};
        if (amp_keeper_can_record(asker->keeper))
            return acts[i].carry_out(&request, &in);
        done(&request, AMP_ERR_AUDIT_UNAVAILABLE, NULL);
        return true;
    }
    return false;
}

enum amp_err amp_keeper_open_subscriptions(struct amp_keeper *keeper)
{
    const struct amp_subscriptions_config config = {
        .dir_fd = keeper->env->state_fd, .clock = keeper->clock, .provider = &keeper->provider};
    enum amp_err err = amp_subscriptions_open(&keeper->subscriptions, &config);
    if (err == AMP_ERR_NOT_AUTHENTIC)
        amp_log(AMP_LOG_ERROR, "the subscriptions do not verify under this KEK: they were changed, or the KEK was");
    else if (err == AMP_ERR_INVALID)
        amp_log(AMP_LOG_ERROR, "the file of subscriptions is damaged, of another version or of another provider");
    else if (err != AMP_OK)
        amp_log_text(AMP_LOG_ERROR, "the subscriptions could not be opened", "code", amp_err_code(err));
    if (err == AMP_OK)
        amp_keeper_review_subscriptions(keeper);
    return err;
}
