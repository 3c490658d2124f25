/* Subscriptions: asked for by front, told to front and courier, recorded. */
#include <sys/socket.h>

#include "keys/subscription.h"
#include "scene.h"

/* The allocator's is put out of its place by the linker (--wrap): what is as large as a block of events is not had. */
static _Atomic bool no_large_memory;
void *__wrap_malloc(size_t len);
void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len)
{
    return no_large_memory && len >= AMP_IPC_MAX_PAYLOAD / 2 ? NULL : __real_malloc(len);
}

static uint8_t owner[AMP_PRINCIPAL_KEY_ID_LEN + 1]; /* who asks, and may: "shop" */

static struct amp_subscription wanted(const char *queue, const char *url)
{
    struct amp_subscription made = {.queue_len = (uint8_t)strlen(queue), .url_len = (uint16_t)strlen(url)};
    memcpy(made.owner, owner[0] != 0 ? owner : (const uint8_t *)"AMPKAAAAAAAAAAAAAAAA", sizeof(made.owner));
    memcpy(made.queue, queue, made.queue_len);
    memcpy(made.url, url, made.url_len);
    return made;
}

static void become(struct scene *scene, const char *name, uint32_t permissions, const char *queue)
{
    struct amp_admin_secret made;
    scene_create_key(scene, name, permissions, queue, &made);
    memcpy(owner, made.key_id, sizeof(made.key_id));
}

/* With a courier and with a second link of front; "shop" asks. */
static void begin_pushing(struct scene *scene)
{
    scene_begin(scene);
    become(scene, "shop", AMP_MAY_ALL, "*");
    scene_give_link(scene, AMP_ROLE_FRONT, 1, &scene->worker);
    scene_give_link(scene, AMP_ROLE_COURIER, 0, &scene->courier);
    scene_hear(scene, scene->courier, AMP_IPC_SUBSCRIPTIONS_TELLING);
    scene_hear(scene, scene->courier, AMP_IPC_SUBSCRIPTIONS_TOLD);
}

struct answered {
    enum amp_err err;
    uint8_t id[AMP_SUBSCRIPTION_ID_LEN];
    int64_t older_expires_unix_ms;
    struct amp_webhook_secret secret; /* of length 0: none was shown */
};

static struct answered hear_answer(struct scene *scene, uint64_t ask)
{
    struct answered answered = {0};
    scene_hear(scene, scene->worker, AMP_IPC_SUBSCRIPTION_DONE);
    struct amp_ipc_in in = {scene->payload, false};
    assert_true(amp_ipc_get_u64(&in) == ask);
    answered.err = (enum amp_err)amp_ipc_get_u32(&in);
    amp_ipc_get_fixed(&in, answered.id, sizeof(answered.id));
    answered.older_expires_unix_ms = (int64_t)amp_ipc_get_u64(&in);
    struct amp_slice secret = amp_ipc_get_bytes(&in, UINT16_MAX);
    assert_true(amp_ipc_end(&in));
    if (secret.len != 0)
        assert_int_equal(amp_webhook_secret_parse(&answered.secret, secret), AMP_OK);
    return answered;
}

/* Asks, over front's second link; until the log is known to be writable, but where it is held. */
static struct answered ask_subscription(struct scene *scene, enum amp_ipc_type type, struct amp_slice question)
{
    static uint64_t ask;
    uint8_t storage[AMP_SUBSCRIPTION_PACKED_MAX + 16];
    struct answered answered;
    do {
        struct amp_out out = amp_out(storage, sizeof(storage));
        amp_ipc_put_u64(&out, ++ask);
        amp_out_slice(&out, question);
        peer_say(scene->worker, type, amp_out_done(&out), -1);
        answered = hear_answer(scene, ask);
    } while (answered.err == AMP_ERR_AUDIT_UNAVAILABLE && !scene->hold_durable);
    return answered;
}

static struct answered create_subscription(struct scene *scene, const struct amp_subscription *subscription)
{
    uint8_t storage[AMP_SUBSCRIPTION_PACKED_MAX];
    uint8_t question[AMP_SUBSCRIPTION_PACKED_MAX + 2];
    struct amp_out packed = amp_out(storage, sizeof(storage));
    struct amp_out out = amp_out(question, sizeof(question));
    amp_subscription_pack(&packed, subscription);
    amp_ipc_put_bytes(&out, amp_out_done(&packed));
    return ask_subscription(scene, AMP_IPC_SUBSCRIPTION_CREATE, amp_out_done(&out));
}

static struct answered ask_about(struct scene *scene, enum amp_ipc_type type, const uint8_t *id)
{
    uint8_t storage[AMP_PRINCIPAL_KEY_ID_LEN + AMP_SUBSCRIPTION_ID_LEN];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_out_bytes(&out, owner, AMP_PRINCIPAL_KEY_ID_LEN);
    amp_out_bytes(&out, id, AMP_SUBSCRIPTION_ID_LEN);
    return ask_subscription(scene, type, amp_out_done(&out));
}

/* What front is told: no byte of a secret. */
static void hear_at_front(struct scene *scene, struct amp_subscription *subscription)
{
    scene_hear(scene, scene->front, AMP_IPC_SUBSCRIPTION);
    struct amp_ipc_in in = {scene->payload, false};
    assert_int_equal(amp_subscription_unpack(subscription, amp_ipc_get_bytes(&in, AMP_SUBSCRIPTION_PACKED_MAX)),
                     AMP_OK);
    assert_true(amp_ipc_end(&in));
}

static void hear_at_courier(struct scene *scene, struct amp_subscription *subscription,
                            struct amp_subscription_secrets *secrets)
{
    scene_hear(scene, scene->courier, AMP_IPC_SUBSCRIPTION);
    struct amp_ipc_in in = {scene->payload, false};
    assert_int_equal(amp_subscription_unpack(subscription, amp_ipc_get_bytes(&in, AMP_SUBSCRIPTION_PACKED_MAX)),
                     AMP_OK);
    assert_int_equal(amp_subscription_secrets_unpack(secrets, amp_ipc_get_bytes(&in, UINT16_MAX)), AMP_OK);
    assert_true(amp_ipc_end(&in));
}

static void assert_recorded(struct scene *scene, enum amp_act act, enum amp_err code, const uint8_t *id)
{
    struct amp_event event;
    char text[AMP_SUBSCRIPTION_ID_TEXT_LEN];
    scene_hear_event(scene, &event);
    assert_string_equal(amp_act_name(event.act), amp_act_name(act));
    assert_int_equal(event.code, code);
    amp_subscription_id_format(text, id);
    assert_true(amp_slice_equal(event.subject, amp_slice(text, sizeof(text))));
    assert_int_equal(event.alarm, act == AMP_ACT_SUBSCRIPTION_DISABLE);
    bool by_courier = act == AMP_ACT_SUBSCRIPTION_DISABLE;
    assert_true(amp_slice_is(event.who, by_courier ? "courier" : (const char *)owner));
    if (code != AMP_ERR_SUBSCRIPTION_UNKNOWN)
        assert_true(amp_slice_is(event.queue, "payments"));
}

static struct answered subscribe(struct scene *scene)
{
    const struct amp_subscription asked = wanted("payments", "https://example.com/");
    struct answered made = create_subscription(scene, &asked);
    assert_int_equal(made.err, AMP_OK);
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_CREATE, AMP_OK, made.id);
    return made;
}

static void a_new_subscription_is_told_and_its_secret_to_the_courier_alone(void **state)
{
    struct scene *scene = *state;
    struct amp_subscription told;
    struct amp_subscription_secrets secrets;
    begin_pushing(scene);
    struct answered made = subscribe(scene);
    assert_int_equal(made.secret.len, AMP_WEBHOOK_SECRET_LEN);
    hear_at_front(scene, &told);
    assert_null(memmem(scene->payload.ptr, scene->payload.len, made.secret.bytes, 8));
    assert_memory_equal(told.id, made.id, sizeof(told.id));
    hear_at_courier(scene, &told, &secrets);
    assert_memory_equal(told.id, made.id, sizeof(told.id));
    assert_int_equal(secrets.count, 1);
    assert_memory_equal(secrets.secrets[0].bytes, made.secret.bytes, made.secret.len);
}

static void rotation_and_deletion_are_told(void **state)
{
    struct scene *scene = *state;
    struct amp_subscription told;
    struct amp_subscription_secrets secrets;
    begin_pushing(scene);
    struct answered made = subscribe(scene);
    hear_at_front(scene, &told);
    hear_at_courier(scene, &told, &secrets);
    struct answered rotated = ask_about(scene, AMP_IPC_SUBSCRIPTION_ROTATE, made.id);
    assert_int_equal(rotated.err, AMP_OK);
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_ROTATE, AMP_OK, made.id);
    hear_at_front(scene, &told);
    hear_at_courier(scene, &told, &secrets);
    assert_int_equal(secrets.count, 2);
    assert_memory_equal(secrets.secrets[0].bytes, rotated.secret.bytes, rotated.secret.len);
    assert_memory_equal(secrets.secrets[1].bytes, made.secret.bytes, made.secret.len);
    assert_int_equal(ask_about(scene, AMP_IPC_SUBSCRIPTION_DELETE, made.id).err, AMP_OK);
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_DELETE, AMP_OK, made.id);
    scene_hear(scene, scene->front, AMP_IPC_SUBSCRIPTION_GONE);
    assert_memory_equal(scene->payload.ptr, made.id, sizeof(made.id));
    scene_hear(scene, scene->courier, AMP_IPC_SUBSCRIPTION_GONE);
    static const enum amp_ipc_type types[] = {AMP_IPC_SUBSCRIPTION_DELETE, AMP_IPC_SUBSCRIPTION_ROTATE};
    static const enum amp_act acts[] = {AMP_ACT_SUBSCRIPTION_DELETE, AMP_ACT_SUBSCRIPTION_ROTATE};
    for (size_t i = 0; i < 2; i++) {
        struct answered answered = ask_about(scene, types[i], made.id);
        assert_int_equal(answered.err, AMP_ERR_SUBSCRIPTION_UNKNOWN);
        assert_int_equal(answered.secret.len, 0);
        assert_recorded(scene, acts[i], AMP_ERR_SUBSCRIPTION_UNKNOWN, made.id);
    }
}

static void who_comes_later_is_told_all_there_are(void **state)
{
    struct scene *scene = *state;
    struct answered made[2];
    begin_pushing(scene);
    for (size_t i = 0; i < 2; i++)
        made[i] = subscribe(scene);
    for (int life = 0; life < 2; life++) {
        struct amp_subscription told;
        struct amp_subscription_secrets secrets;
        if (life == 1) {
            scene_hang_up(scene);
            assert_int_equal(scene_join(scene), 1);
            scene_start(scene, 1);
            scene_hear(scene, scene->control, AMP_IPC_READY);
        } else {
            close(scene->courier);
            close(scene->front);
        }
        scene_give_link(scene, AMP_ROLE_COURIER, 0, &scene->courier);
        scene_give_link(scene, AMP_ROLE_FRONT, 0, &scene->front);
        scene_hear(scene, scene->courier, AMP_IPC_SUBSCRIPTIONS_TELLING);
        scene_hear(scene, scene->front, AMP_IPC_SUBSCRIPTIONS_TELLING);
        for (size_t i = 0; i < 2; i++) {
            hear_at_courier(scene, &told, &secrets);
            assert_memory_equal(told.id, made[i].id, sizeof(told.id));
            assert_memory_equal(secrets.secrets[0].bytes, made[i].secret.bytes, made[i].secret.len);
            hear_at_front(scene, &told);
            assert_memory_equal(told.id, made[i].id, sizeof(told.id));
        }
        scene_hear(scene, scene->courier, AMP_IPC_SUBSCRIPTIONS_TOLD);
        scene_hear(scene, scene->front, AMP_IPC_SUBSCRIPTIONS_TOLD);
    }
}

/* What the courier is told once TELLING comes again: how many, the last of them, and how much was told before. */
struct retold {
    size_t before;
    size_t count;
    struct amp_subscription last;
    struct amp_subscription_secrets secrets;
};

static struct retold hear_retelling(struct scene *scene)
{
    struct retold retold = {0};
    for (bool telling = false;;) {
        ssize_t n = recv(scene->courier, scene->packet, sizeof(scene->packet), 0);
        assert_true(n >= 1); /* never hung up */
        struct amp_ipc_in in = {amp_slice(scene->packet + 1, (size_t)n - 1), false};
        if (telling && scene->packet[0] == AMP_IPC_SUBSCRIPTIONS_TOLD)
            return retold;
        telling = telling || scene->packet[0] == AMP_IPC_SUBSCRIPTIONS_TELLING;
        if (scene->packet[0] != AMP_IPC_SUBSCRIPTION)
            continue;
        assert_int_equal(amp_subscription_unpack(&retold.last, amp_ipc_get_bytes(&in, UINT16_MAX)), AMP_OK);
        assert_int_equal(amp_subscription_secrets_unpack(&retold.secrets, amp_ipc_get_bytes(&in, UINT16_MAX)), AMP_OK);
        *(telling ? &retold.count : &retold.before) += 1;
    }
}

/* It reads nothing for more than its socket holds, and front all: then it hears no history, and of no secret that was
 * replaced before it could be told. */
static void a_slow_courier_is_told_in_the_end_what_is(void **state)
{
    enum { ROTATIONS = 500, JWK_LEN = AMP_JWK_MAX };
    struct scene *scene = *state;
    struct amp_subscription told;
    struct amp_event event;
    struct answered last = {0};
    begin_pushing(scene);
    struct amp_subscription asked = wanted("payments", "https://example.com/");
    memset(asked.jwk, ' ', JWK_LEN);
    asked.jwk[0] = '{';
    asked.jwk[JWK_LEN - 1] = '}';
    asked.jwk_len = JWK_LEN;
    struct answered gone = subscribe(scene);
    struct answered made = create_subscription(scene, &asked);
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_CREATE, AMP_OK, made.id);
    for (size_t i = 0; i < 2; i++)
        hear_at_front(scene, &told);
    for (size_t i = 0; i < ROTATIONS; i++) {
        last = ask_about(scene, AMP_IPC_SUBSCRIPTION_ROTATE, made.id);
        assert_int_equal(last.err, AMP_OK);
        scene_hear_event(scene, &event);
        hear_at_front(scene, &told);
    }
    assert_int_equal(ask_about(scene, AMP_IPC_SUBSCRIPTION_DELETE, gone.id).err, AMP_OK);
    struct retold retold = hear_retelling(scene);
    assert_true(retold.before < ROTATIONS);
    assert_int_equal(retold.count, 1);
    assert_memory_equal(retold.last.id, made.id, sizeof(made.id));
    assert_memory_equal(retold.secrets.secrets[0].bytes, last.secret.bytes, last.secret.len);
}

static void say_failed(struct scene *scene, const uint8_t *id, uint32_t why, uint32_t generation)
{
    uint8_t storage[AMP_SUBSCRIPTION_ID_LEN + 4 + 4];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_out_bytes(&out, id, AMP_SUBSCRIPTION_ID_LEN);
    amp_ipc_put_u32(&out, why);
    amp_ipc_put_u32(&out, generation);
    peer_say(scene->courier, AMP_IPC_SUBSCRIPTION_FAILED, amp_out_done(&out), -1);
}

static void what_the_courier_gave_up_is_disabled_once_with_an_alarm(void **state)
{
    struct scene *scene = *state;
    struct amp_subscription told;
    struct amp_subscription_secrets secrets;
    static const uint8_t nobody[AMP_SUBSCRIPTION_ID_LEN] = {7};
    begin_pushing(scene);
    struct answered made = subscribe(scene);
    hear_at_front(scene, &told);
    hear_at_courier(scene, &told, &secrets);
    say_failed(scene, nobody, AMP_SUBSCRIPTION_FAILING, 0);
    say_failed(scene, made.id, AMP_SUBSCRIPTION_GONE, 0);
    say_failed(scene, made.id, AMP_SUBSCRIPTION_FAILING, 0); /* it is disabled already */
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_DISABLE, AMP_ERR_PUSH_REFUSED, made.id);
    hear_at_front(scene, &told);
    assert_int_equal(told.state, AMP_SUBSCRIPTION_GONE);
    hear_at_courier(scene, &told, &secrets);
    assert_int_equal(told.state, AMP_SUBSCRIPTION_GONE);
    assert_int_equal(ask_about(scene, AMP_IPC_SUBSCRIPTION_ROTATE, made.id).err, AMP_OK);
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_ROTATE, AMP_OK, made.id);
    hear_at_courier(scene, &told, &secrets);
    assert_int_equal(told.state, AMP_SUBSCRIPTION_ACTIVE);
    assert_int_equal(told.generation, 1);
    hear_at_front(scene, &told);
    say_failed(scene, made.id, AMP_SUBSCRIPTION_GONE, 0); /* said before it heard of the rotation */
    say_failed(scene, made.id, AMP_SUBSCRIPTION_FAILING, 1);
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_DISABLE, AMP_ERR_PUSH_UNREACHABLE, made.id);
    hear_at_front(scene, &told);
    assert_int_equal(told.state, AMP_SUBSCRIPTION_FAILING);
}

static void assert_refused(struct scene *scene, struct answered answered, enum amp_act act)
{
    struct amp_event event;
    assert_int_equal(answered.err, AMP_ERR_NOT_PERMITTED);
    assert_int_equal(answered.secret.len, 0);
    scene_hear_event(scene, &event);
    assert_string_equal(amp_act_name(event.act), amp_act_name(act));
    assert_int_equal(event.code, AMP_ERR_NOT_PERMITTED);
    assert_int_equal(event.outcome, AMP_OUTCOME_REFUSED);
    assert_true(event.alarm);
    assert_true(amp_slice_is(event.who, owner[0] == 'A' ? (const char *)owner : ""));
}

/* Front is not believed: who asks must be in the keyring, able to sign, and permitted. */
static void a_front_that_lies_makes_no_subscription(void **state)
{
    struct scene *scene = *state;
    struct amp_subscription told;
    begin_pushing(scene);
    struct answered made = subscribe(scene);
    hear_at_front(scene, &told);
    struct amp_subscription with_jwk = wanted("payments", "https://example.com/");
    memcpy(with_jwk.jwk, "{}", 2);
    with_jwk.jwk_len = 2;
    static const struct {
        const char *name;
        uint32_t permissions;
        const char *queue;
        bool may_make; /* without a jwk */
    } askers[] = {
        {"clerk", AMP_MAY_ALL & ~AMP_MAY_MANAGE, "*", false},
        {"other", AMP_MAY_ALL, "refunds", false},
        {"manager", AMP_MAY_MANAGE, "payments", true},
    };
    for (size_t i = 0; i < sizeof(askers) / sizeof(askers[0]); i++) {
        become(scene, askers[i].name, askers[i].permissions, askers[i].queue);
        memcpy(with_jwk.owner, owner, sizeof(with_jwk.owner));
        assert_refused(scene, create_subscription(scene, &with_jwk), AMP_ACT_SUBSCRIPTION_CREATE);
        if (askers[i].may_make) {
            subscribe(scene);
            continue;
        }
        const struct amp_subscription plain = wanted("payments", "https://example.com/");
        assert_refused(scene, create_subscription(scene, &plain), AMP_ACT_SUBSCRIPTION_CREATE);
        assert_refused(scene, ask_about(scene, AMP_IPC_SUBSCRIPTION_ROTATE, made.id), AMP_ACT_SUBSCRIPTION_ROTATE);
        assert_refused(scene, ask_about(scene, AMP_IPC_SUBSCRIPTION_DELETE, made.id), AMP_ACT_SUBSCRIPTION_DELETE);
    }
    hear_at_front(scene, &told); /* the manager's, and nothing else */
    assert_memory_equal(told.owner, owner, sizeof(told.owner));
}

static void hear_changed(struct scene *scene)
{
    scene_hear(scene, scene->front, AMP_IPC_PRINCIPAL_CHANGED);
    scene_hear(scene, scene->worker, AMP_IPC_PRINCIPAL_CHANGED);
}

static void disable_key(struct scene *scene, const uint8_t *key_id)
{
    struct amp_event event;
    assert_int_equal(scene_act_on_key(scene, AMP_IPC_KEY_DISABLE, key_id), AMP_OK);
    scene_hear_event(scene, &event);
    assert_int_equal(event.act, AMP_ACT_KEY_DISABLE);
    hear_changed(scene);
}

static void a_key_that_is_unknown_or_disabled_or_none_makes_no_subscription(void **state)
{
    static const char *const unknown[] = {"AMPKBBBBBBBBBBBBBBBB", "drop table clients;;"};
    struct scene *scene = *state;
    struct amp_subscription told;
    begin_pushing(scene);
    struct answered made = subscribe(scene);
    hear_at_front(scene, &told);
    become(scene, "late", AMP_MAY_ALL, "*");
    disable_key(scene, owner);
    for (int i = 0; i < 3; i++) {
        const struct amp_subscription asked = wanted("payments", "https://example.com/");
        if (i != 2)
            assert_refused(scene, create_subscription(scene, &asked), AMP_ACT_SUBSCRIPTION_CREATE);
        assert_refused(scene, ask_about(scene, AMP_IPC_SUBSCRIPTION_ROTATE, made.id), AMP_ACT_SUBSCRIPTION_ROTATE);
        assert_refused(scene, ask_about(scene, AMP_IPC_SUBSCRIPTION_DELETE, made.id), AMP_ACT_SUBSCRIPTION_DELETE);
        if (i < 2)
            memcpy(owner, unknown[i], AMP_PRINCIPAL_KEY_ID_LEN);
    }
}

static void what_belongs_to_nobody_any_more_is_disabled_until_somebody_takes_it(void **state)
{
    uint8_t first[AMP_PRINCIPAL_KEY_ID_LEN];
    uint8_t second[AMP_PRINCIPAL_KEY_ID_LEN];
    struct scene *scene = *state;
    struct amp_subscription told;
    struct amp_subscription_secrets secrets;
    begin_pushing(scene);
    memcpy(first, owner, sizeof(first));
    struct answered made = subscribe(scene);
    become(scene, "shop", AMP_MAY_ALL, "*");
    memcpy(second, owner, sizeof(second));
    become(scene, "till", AMP_MAY_MANAGE, "payments");
    struct answered others = subscribe(scene);
    for (size_t i = 0; i < 2; i++) {
        hear_at_front(scene, &told);
        hear_at_courier(scene, &told, &secrets);
    }
    disable_key(scene, first); /* the name has another key */
    disable_key(scene, second);
    struct amp_event event;
    scene_hear_event(scene, &event);
    assert_int_equal(event.act, AMP_ACT_SUBSCRIPTION_DISABLE);
    assert_int_equal(event.code, AMP_ERR_KEY_DISABLED);
    assert_true(event.alarm);
    assert_true(amp_slice_is(event.who, "keeper"));
    hear_at_front(scene, &told);
    assert_int_equal(told.state, AMP_SUBSCRIPTION_ORPHANED);
    assert_memory_equal(told.id, made.id, sizeof(told.id));
    hear_at_courier(scene, &told, &secrets);
    assert_int_equal(told.state, AMP_SUBSCRIPTION_ORPHANED);
    struct answered taken = ask_about(scene, AMP_IPC_SUBSCRIPTION_ROTATE, made.id);
    assert_int_equal(taken.err, AMP_OK);
    assert_int_equal(taken.older_expires_unix_ms, 0);
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_ROTATE, AMP_OK, made.id);
    hear_at_front(scene, &told);
    assert_int_equal(told.state, AMP_SUBSCRIPTION_ACTIVE);
    assert_memory_equal(told.owner, owner, sizeof(told.owner)); /* of who rotated it */
    hear_at_courier(scene, &told, &secrets);
    assert_int_equal(secrets.count, 1); /* the one that the owner before knows signs no more */
    assert_memory_equal(secrets.secrets[0].bytes, taken.secret.bytes, AMP_WEBHOOK_SECRET_LEN);
    assert_int_equal(ask_about(scene, AMP_IPC_SUBSCRIPTION_DELETE, others.id).err, AMP_OK);
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_DELETE, AMP_OK, others.id);
    scene_hear(scene, scene->front, AMP_IPC_SUBSCRIPTION_GONE); /* it was never disabled */
}

/* Whoever has `manage` alone would let cards flow to a key again, of whose owner he knows nothing. */
static void one_that_reads_cards_is_taken_over_by_who_may_claim(void **state)
{
    struct scene *scene = *state;
    struct amp_subscription told;
    struct amp_subscription_secrets secrets;
    struct amp_event event;
    begin_pushing(scene);
    struct amp_subscription with_jwk = wanted("payments", "https://example.com/");
    memcpy(with_jwk.jwk, "{}", 2);
    with_jwk.jwk_len = 2;
    struct answered made = create_subscription(scene, &with_jwk);
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_CREATE, AMP_OK, made.id);
    hear_at_front(scene, &told);
    hear_at_courier(scene, &told, &secrets);
    disable_key(scene, owner);
    scene_hear_event(scene, &event);
    hear_at_front(scene, &told);
    hear_at_courier(scene, &told, &secrets);
    become(scene, "till", AMP_MAY_MANAGE, "payments");
    struct answered refused = ask_about(scene, AMP_IPC_SUBSCRIPTION_ROTATE, made.id);
    assert_refused(scene, refused, AMP_ACT_SUBSCRIPTION_ROTATE);
    become(scene, "gateway", AMP_MAY_MANAGE | AMP_MAY_CLAIM, "payments");
    assert_int_equal(ask_about(scene, AMP_IPC_SUBSCRIPTION_ROTATE, made.id).err, AMP_OK);
}

/* Of two keys the younger is disabled, and the older one's time ends while nothing else happens. */
static void the_end_of_the_last_key_comes_also_by_itself(void **state)
{
    enum { OVERLAP_MS = 300 };
    struct scene *scene = *state;
    struct amp_subscription told;
    struct amp_event event;
    uint8_t storage[AMP_PRINCIPAL_KEY_ID_LEN + 8];
    uint8_t fresh[AMP_PRINCIPAL_KEY_ID_LEN];
    begin_pushing(scene);
    subscribe(scene);
    hear_at_front(scene, &told);
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_out_bytes(&out, owner, AMP_PRINCIPAL_KEY_ID_LEN);
    amp_ipc_put_u64(&out, OVERLAP_MS);
    assert_int_equal(scene_ask_admin(scene, AMP_IPC_KEY_ROTATE, amp_out_done(&out)), AMP_OK);
    scene_hear(scene, scene->admin, AMP_IPC_KEY_SECRET);
    memcpy(fresh, scene->payload.ptr, sizeof(fresh));
    assert_int_equal(scene_hear_done(scene), AMP_OK);
    for (size_t i = 0; i < 2; i++)
        scene_hear_event(scene, &event);
    hear_changed(scene);
    disable_key(scene, fresh);
    hear_at_front(scene, &told);
    assert_int_equal(told.state, AMP_SUBSCRIPTION_ORPHANED);
}

/* Its owner's key tells whose it is, and whether he may sign still with another. */
static void a_key_is_not_forgotten_before_its_subscription(void **state)
{
    uint8_t first[AMP_PRINCIPAL_KEY_ID_LEN];
    uint8_t second[AMP_PRINCIPAL_KEY_ID_LEN];
    struct scene *scene = *state;
    struct amp_subscription told;
    struct amp_event event;
    scene->config.keys.forget_after_ms = 50;
    begin_pushing(scene);
    memcpy(first, owner, sizeof(first));
    struct answered made = subscribe(scene);
    hear_at_front(scene, &told);
    become(scene, "other", AMP_MAY_ALL, "*");
    memcpy(second, owner, sizeof(second));
    become(scene, "shop", AMP_MAY_ALL, "*");
    disable_key(scene, first);
    disable_key(scene, second);
    scene_hear_event(scene, &event); /* when the second's time is over, so is the first's */
    assert_int_equal(event.act, AMP_ACT_KEY_DELETE);
    assert_true(amp_slice_equal(event.subject, amp_slice(second, sizeof(second))));
    hear_changed(scene);
    assert_int_equal(scene_act_on_key(scene, AMP_IPC_KEY_DELETE, first), AMP_ERR_KEY_IN_USE);
    scene_skip_event(scene);
    assert_int_equal(ask_about(scene, AMP_IPC_SUBSCRIPTION_DELETE, made.id).err, AMP_OK);
    assert_recorded(scene, AMP_ACT_SUBSCRIPTION_DELETE, AMP_OK, made.id);
    assert_int_equal(scene_act_on_key(scene, AMP_IPC_KEY_DELETE, first), AMP_OK);
}

static void a_courier_that_sends_nonsense_is_cut_off_and_reported(void **state)
{
    struct scene *scene = *state;
    static const uint8_t nobody[AMP_SUBSCRIPTION_ID_LEN] = {7};
    static const uint32_t states[] = {AMP_SUBSCRIPTION_ACTIVE, AMP_SUBSCRIPTION_STATE_COUNT_, UINT32_MAX};
    begin_pushing(scene);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        say_failed(scene, nobody, states[i], 0);
        assert_true(scene_is_hung_up(scene, scene->courier));
        scene_hear(scene, scene->control, AMP_IPC_VIOLATION);
        assert_int_equal(scene->payload.ptr[0], AMP_ROLE_COURIER);
        close(scene->courier);
        scene_give_link(scene, AMP_ROLE_COURIER, 0, &scene->courier);
        scene_hear(scene, scene->courier, AMP_IPC_SUBSCRIPTIONS_TELLING);
        scene_hear(scene, scene->courier, AMP_IPC_SUBSCRIPTIONS_TOLD);
    }
    peer_say(scene->courier, AMP_IPC_EPOCH_GET, amp_slice(NULL, 0), -1);
    assert_true(scene_is_hung_up(scene, scene->courier));
}

static void a_subscription_that_front_should_have_refused_is_refused(void **state)
{
    struct scene *scene = *state;
    struct amp_event event;
    const struct amp_subscription bad = wanted("payments", "ftp://example.com/");
    begin_pushing(scene);
    assert_int_equal(create_subscription(scene, &bad).err, AMP_ERR_INVALID);
    scene_hear_event(scene, &event);
    assert_int_equal(event.code, AMP_ERR_INVALID);
    assert_int_equal(event.subject.len, 0);
    for (size_t i = 0; i < AMP_SUBSCRIPTIONS_PER_QUEUE_MAX; i++)
        subscribe(scene);
    const struct amp_subscription beyond = wanted("payments", "https://example.com/");
    assert_int_equal(create_subscription(scene, &beyond).err, AMP_ERR_OVER_LIMIT);
}

static void no_subscription_is_made_while_the_log_cannot_be_written(void **state)
{
    struct scene *scene = *state;
    uint8_t storage[8 + AMP_PRINCIPAL_KEY_ID_LEN + AMP_SUBSCRIPTION_ID_LEN] = {0, 0, 0, 0, 0, 0, 0, 9};
    scene_start(scene, 1);
    scene_hear(scene, scene->control, AMP_IPC_READY);
    scene_give_link(scene, AMP_ROLE_FRONT, 1, &scene->worker);
    peer_say(scene->worker, AMP_IPC_SUBSCRIPTION_ROTATE, amp_slice(storage, sizeof(storage)), -1);
    assert_int_equal(hear_answer(scene, 9).err, AMP_ERR_AUDIT_UNAVAILABLE);
}

/* A secret is not made that cannot be shown, because what was done could not be recorded: the block of events is full,
 * none of it becomes durable, and there is no memory for another. */
static void nothing_is_done_without_room_for_its_record(void **state)
{
    enum { MANY = 2000 };
    struct scene *scene = *state;
    struct amp_subscription told;
    struct answered answered;
    size_t asked = 0;
    begin_pushing(scene);
    struct answered made = subscribe(scene);
    hear_at_front(scene, &told);
    struct amp_subscription refused = wanted("payments", "https://example.com/");
    memcpy(refused.owner, "AMPKBBBBBBBBBBBBBBBB", sizeof(refused.owner));
    scene->hold_durable = true;
    no_large_memory = true;
    do {
        answered = create_subscription(scene, &refused);
        if (answered.err == AMP_ERR_NOT_PERMITTED)
            scene_skip_event(scene);
    } while (answered.err == AMP_ERR_NOT_PERMITTED && ++asked < MANY);
    assert_int_equal(answered.err, AMP_ERR_AUDIT_UNAVAILABLE);
    assert_int_equal(ask_about(scene, AMP_IPC_SUBSCRIPTION_ROTATE, made.id).err, AMP_ERR_AUDIT_UNAVAILABLE);
    no_large_memory = false;
    scene->hold_durable = false;
    assert_int_equal(ask_about(scene, AMP_IPC_SUBSCRIPTION_ROTATE, made.id).err, AMP_OK);
    hear_at_front(scene, &told);
    assert_int_equal(told.generation, 1);
}

/* A file of a subscription whose secret was rotated so long ago. */
static void write_rotated(struct scene *scene, int64_t ago_ms)
{
    const struct amp_key256 kek = {{1}};
    struct amp_clock system = amp_clock_system();
    struct amp_clock_fake then = {.unix_ms = amp_clock_unix_ms(&system) - ago_ms};
    struct amp_key_provider provider;
    struct amp_subscriptions *subscriptions;
    struct amp_subscription made = wanted("payments", "https://example.com/");
    size_t index;
    assert_int_equal(amp_key_provider_ephemeral(&provider, &kek), AMP_OK);
    const struct amp_subscriptions_config config = {scene->dir.fd, amp_clock_fake(&then), &provider};
    assert_int_equal(amp_subscriptions_open(&subscriptions, &config), AMP_OK);
    assert_int_equal(amp_subscriptions_create(subscriptions, &made, &index), AMP_OK);
    assert_int_equal(amp_subscriptions_rotate(subscriptions, index, NULL), AMP_OK);
    amp_subscriptions_free(subscriptions);
    provider.ops->close(provider.self);
}

static void an_older_secret_is_forgotten_when_its_time_is_over(void **state)
{
    static const int64_t left_ms[] = {-1000, 400};
    struct scene *scene = *state;
    for (size_t i = 0; i < 2; i++) {
        struct amp_subscription told;
        struct amp_subscription_secrets secrets = {0};
        unlinkat(scene->dir.fd, AMP_SUBSCRIPTION_FILE, 0);
        write_rotated(scene, AMP_SUBSCRIPTION_OVERLAP_MS - left_ms[i]);
        scene_start(scene, 1);
        scene_hear(scene, scene->control, AMP_IPC_READY);
        scene_give_link(scene, AMP_ROLE_COURIER, 0, &scene->courier);
        scene_hear(scene, scene->courier, AMP_IPC_SUBSCRIPTIONS_TELLING);
        hear_at_courier(scene, &told, &secrets);
        uint32_t first = secrets.count;
        scene_hear(scene, scene->courier, AMP_IPC_SUBSCRIPTIONS_TOLD);
        assert_true(left_ms[i] > 0 || first == 1);
        if (first == 2)
            hear_at_courier(scene, &told, &secrets); /* as its time is over */
        assert_int_equal(secrets.count, 1);
        scene_hang_up(scene);
        assert_int_equal(scene_join(scene), 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_subscription_is_told_and_its_secret_to_the_courier_alone),
        TEST(rotation_and_deletion_are_told),
        TEST(who_comes_later_is_told_all_there_are),
        TEST(a_slow_courier_is_told_in_the_end_what_is),
        TEST(what_the_courier_gave_up_is_disabled_once_with_an_alarm),
        TEST(a_front_that_lies_makes_no_subscription),
        TEST(a_key_that_is_unknown_or_disabled_or_none_makes_no_subscription),
        TEST(what_belongs_to_nobody_any_more_is_disabled_until_somebody_takes_it),
        TEST(one_that_reads_cards_is_taken_over_by_who_may_claim),
        TEST(the_end_of_the_last_key_comes_also_by_itself),
        TEST(a_key_is_not_forgotten_before_its_subscription),
        TEST(a_courier_that_sends_nonsense_is_cut_off_and_reported),
        TEST(a_subscription_that_front_should_have_refused_is_refused),
        TEST(nothing_is_done_without_room_for_its_record),
        TEST(no_subscription_is_made_while_the_log_cannot_be_written),
        TEST(an_older_secret_is_forgotten_when_its_time_is_over),
    };
#undef TEST
    return cmocka_run_group_tests_name("keeper subscriptions", tests, NULL, NULL);
}
