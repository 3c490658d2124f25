/* Day keys, epoch keys, the log's key and administration. */
#include <sys/socket.h>

#include "base/text.h"
#include "ipc/admin.h"
#include "scene.h"
#include "wire/sigv4.h"

/* The date of today and some days, YYYYMMDD. */
static struct amp_slice day(int offset, char storage[16])
{
    struct amp_clock clock = amp_clock_system();
    amp_date_format_basic(storage, amp_clock_unix_ms(&clock) / 1000 + (int64_t)offset * 24 * 3600);
    return amp_slice(storage, 8);
}

static enum amp_err ask_day_key(struct scene *scene, const uint8_t *key_id, int day_offset, const char *region,
                                const char *service, struct amp_key256 *key)
{
    static uint64_t ask;
    uint8_t storage[120];
    char date[16];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_ipc_put_u64(&out, ++ask);
    amp_out_bytes(&out, key_id, AMP_PRINCIPAL_KEY_ID_LEN);
    amp_out_slice(&out, day(day_offset, date));
    amp_ipc_put_bytes(&out, amp_slice_str(region));
    amp_ipc_put_bytes(&out, amp_slice_str(service));
    peer_say(scene->front, AMP_IPC_DAY_KEY_GET, amp_out_done(&out), -1);
    scene_hear(scene, scene->front, AMP_IPC_DAY_KEY);
    struct amp_ipc_in in = {scene->payload, false};
    assert_true(amp_ipc_get_u64(&in) == ask);
    enum amp_err err = (enum amp_err)amp_ipc_get_u32(&in);
    if (err == AMP_OK) {
        struct amp_principal principal;
        amp_ipc_get_fixed(&in, key->bytes, sizeof(key->bytes));
        assert_int_equal(amp_principal_unpack(&principal, amp_ipc_get_bytes(&in, UINT16_MAX)), AMP_OK);
        assert_memory_equal(principal.key_id, key_id, AMP_PRINCIPAL_KEY_ID_LEN);
    }
    assert_true(amp_ipc_end(&in));
    return err;
}

static void a_day_key_is_derived_and_the_secret_stays(void **state)
{
    struct scene *scene = *state;
    struct amp_admin_secret made;
    struct amp_key256 got;
    struct amp_key256 expected;
    char date[16];
    scene_begin(scene);
    scene_create_key(scene, "shop", AMP_MAY_ALL, "*", &made);
    assert_int_equal(ask_day_key(scene, made.key_id, 0, "eu-west-1", "ampoule", &got), AMP_OK);
    assert_null(memmem(scene->payload.ptr, scene->payload.len, made.text, 8));
    assert_int_equal(amp_sigv4_day_key(&expected, amp_slice(made.text, sizeof(made.text)), day(0, date),
                                       AMP_SLICE_LIT("eu-west-1"), AMP_SLICE_LIT("ampoule")),
                     AMP_OK);
    assert_memory_equal(got.bytes, expected.bytes, sizeof(got.bytes));
}

static void only_near_days_and_our_services_have_keys(void **state)
{
    static const struct {
        int day_offset;
        const char *service;
        enum amp_err expected;
    } cases[] = {
        {0, "sqs", AMP_OK},
        {-1, "ampoule", AMP_OK},
        {1, "ampoule", AMP_OK},
        {0, "s3", AMP_ERR_WRONG_SCOPE},
        {0, "ampoule2", AMP_ERR_WRONG_SCOPE},
        {-2, "ampoule", AMP_ERR_CLOCK_SKEW},
        {2, "ampoule", AMP_ERR_CLOCK_SKEW},
        {3650, "sqs", AMP_ERR_CLOCK_SKEW},
    };
    struct scene *scene = *state;
    struct amp_admin_secret made;
    struct amp_key256 key;
    scene_begin(scene);
    scene_create_key(scene, "shop", AMP_MAY_ALL, "*", &made);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(ask_day_key(scene, made.key_id, cases[i].day_offset, "r", cases[i].service, &key),
                         cases[i].expected);
    assert_int_equal(ask_day_key(scene, (const uint8_t *)"AMPKAAAAAAAAAAAAAAAA", 0, "r", "sqs", &key),
                     AMP_ERR_UNKNOWN_KEY);
}

static void fronts_are_told_when_a_key_ends(void **state)
{
    struct scene *scene = *state;
    struct amp_admin_secret made;
    struct amp_key256 key;
    scene_begin(scene);
    scene_create_key(scene, "shop", AMP_MAY_ALL, "*", &made);
    assert_int_equal(scene_ask_admin(scene, AMP_IPC_KEY_DISABLE, amp_slice(made.key_id, sizeof(made.key_id))), AMP_OK);
    scene_hear(scene, scene->front, AMP_IPC_PRINCIPAL_CHANGED);
    assert_memory_equal(scene->payload.ptr, made.key_id, sizeof(made.key_id));
    assert_int_equal(ask_day_key(scene, made.key_id, 0, "r", "sqs", &key), AMP_ERR_KEY_DISABLED);
}

static void assert_deleted(struct scene *scene, const uint8_t *key_id, const char *who, enum amp_err code)
{
    struct amp_event event;
    scene_hear_event(scene, &event);
    assert_string_equal(amp_act_name(event.act), "key.delete");
    assert_int_equal(event.code, code);
    assert_true(amp_slice_is(event.who, who));
    assert_true(amp_slice_equal(event.subject, amp_slice(key_id, AMP_PRINCIPAL_KEY_ID_LEN)));
}

static const char *myself(char who[AMP_EVENT_WHO_MAX + 1])
{
    snprintf(who, AMP_EVENT_WHO_MAX + 1, "uid:%u", (unsigned)geteuid());
    return who;
}

static void disable_key(struct scene *scene, const uint8_t *key_id)
{
    assert_int_equal(scene_act_on_key(scene, AMP_IPC_KEY_DISABLE, key_id), AMP_OK);
    scene_skip_event(scene);
    scene_hear(scene, scene->front, AMP_IPC_PRINCIPAL_CHANGED);
}

static void a_key_that_ended_is_deleted_and_then_unknown(void **state)
{
    struct scene *scene = *state;
    struct amp_admin_secret made;
    struct amp_key256 key;
    char who[AMP_EVENT_WHO_MAX + 1];
    scene_begin(scene);
    scene_create_key(scene, "shop", AMP_MAY_ALL, "*", &made);
    assert_int_equal(scene_act_on_key(scene, AMP_IPC_KEY_DELETE, made.key_id), AMP_ERR_KEY_IN_USE);
    assert_deleted(scene, made.key_id, myself(who), AMP_ERR_KEY_IN_USE);
    disable_key(scene, made.key_id);
    assert_int_equal(scene_act_on_key(scene, AMP_IPC_KEY_DELETE, made.key_id), AMP_OK);
    scene_hear(scene, scene->front, AMP_IPC_PRINCIPAL_CHANGED);
    assert_deleted(scene, made.key_id, myself(who), AMP_OK);
    assert_int_equal(ask_day_key(scene, made.key_id, 0, "r", "sqs", &key), AMP_ERR_UNKNOWN_KEY);
}

static void a_key_that_ended_is_forgotten_when_its_time_is_over(void **state)
{
    struct scene *scene = *state;
    struct amp_admin_secret made;
    struct amp_admin_secret other;
    struct amp_key256 key;
    scene->config.keys.forget_after_ms = 50;
    scene_begin(scene);
    scene_create_key(scene, "shop", AMP_MAY_ALL, "*", &other);
    scene_create_key(scene, "shop", AMP_MAY_ALL, "*", &made);
    disable_key(scene, made.key_id);
    scene_hear(scene, scene->front, AMP_IPC_PRINCIPAL_CHANGED);
    assert_memory_equal(scene->payload.ptr, made.key_id, sizeof(made.key_id));
    assert_deleted(scene, made.key_id, "keeper", AMP_OK);
    assert_int_equal(ask_day_key(scene, made.key_id, 0, "r", "sqs", &key), AMP_ERR_UNKNOWN_KEY);
    assert_int_equal(ask_day_key(scene, other.key_id, 0, "r", "sqs", &key), AMP_OK);
}

static void whoever_asks_whether_it_is_well_hears_so(void **state)
{
    struct scene *scene = *state;
    scene_begin(scene);
    peer_say(scene->front, AMP_IPC_PING, amp_slice(NULL, 0), -1);
    scene_hear(scene, scene->front, AMP_IPC_PONG);
}

static uint32_t next_epoch(struct scene *scene, struct amp_key256 *key)
{
    peer_say(scene->front, AMP_IPC_EPOCH_GET, amp_slice(NULL, 0), -1);
    scene_hear(scene, scene->front, AMP_IPC_EPOCH);
    struct amp_ipc_in in = {scene->payload, false};
    uint32_t id = amp_ipc_get_u32(&in);
    amp_ipc_get_fixed(&in, key->bytes, sizeof(key->bytes));
    assert_true(amp_ipc_end(&in));
    return id;
}

static void epochs_differ_rise_and_are_recorded_also_after_a_restart(void **state)
{
    struct scene *scene = *state;
    struct amp_key256 before = {{0}};
    struct amp_key256 key;
    uint32_t last = 0;
    for (int life = 0; life < 3; life++) {
        scene_begin(scene);
        for (int i = 0; i < 3; i++) {
            struct amp_event event;
            uint32_t id = next_epoch(scene, &key);
            assert_true(id > last);
            assert_memory_not_equal(key.bytes, before.bytes, sizeof(key.bytes));
            scene_hear_event(scene, &event);
            assert_int_equal(event.act, AMP_ACT_EPOCH_KEY);
            last = id;
            before = key;
        }
        scene_hang_up(scene);
        assert_int_equal(scene_join(scene), 1); /* the supervisor is gone */
    }
}

static void the_log_gets_its_key_over_its_own_link(void **state)
{
    struct scene *scene = *state;
    static const uint8_t none[32];
    int log_key;
    scene_begin(scene);
    scene_give_link(scene, AMP_ROLE_SCRIBE, 1, &log_key);
    peer_say(log_key, AMP_IPC_LOG_KEY_GET, amp_slice(NULL, 0), -1);
    scene_hear(scene, log_key, AMP_IPC_LOG_KEY);
    assert_int_equal(scene->payload.len, 4 + 32 + 2 + 40); /* RFC 5649: 32 bytes wrap to 40 */
    assert_memory_equal(scene->payload.ptr, none, 4);
    assert_memory_not_equal(scene->payload.ptr + 4, none, 32);
    close(log_key);
}

static void a_front_that_sends_nonsense_is_cut_off_and_reported(void **state)
{
    struct scene *scene = *state;
    uint8_t payload[120];
    scene_begin(scene);
    memset(payload, 0xff, sizeof(payload));
    for (size_t len = 42; len <= 120; len += 13) {
        scene_give_link(scene, AMP_ROLE_FRONT, 1, &scene->front);
        peer_say(scene->front, AMP_IPC_DAY_KEY_GET, amp_slice(payload, len), -1);
        assert_true(scene_is_hung_up(scene, scene->front));
        scene_hear(scene, scene->control, AMP_IPC_VIOLATION);
        assert_int_equal(scene->payload.ptr[0], AMP_ROLE_FRONT);
        close(scene->front);
        scene->front = -1;
    }
}

static void a_front_may_not_administer(void **state)
{
    struct scene *scene = *state;
    scene_begin(scene);
    peer_say(scene->front, AMP_IPC_KEY_LIST, amp_slice(NULL, 0), -1);
    assert_true(scene_is_hung_up(scene, scene->front));
    scene_hear(scene, scene->control, AMP_IPC_VIOLATION);
}

static void nothing_is_administered_while_the_log_cannot_be_written(void **state)
{
    struct scene *scene = *state;
    scene_start(scene, 1);
    scene_hear(scene, scene->control, AMP_IPC_READY);
    scene_give_link(scene, AMP_ROLE_ADMIN, 0, &scene->admin);
    peer_say(scene->admin, AMP_IPC_KEY_LIST, amp_slice(NULL, 0), -1);
    assert_int_equal(scene_hear_done(scene), AMP_ERR_AUDIT_UNAVAILABLE);
}

static void draining_waits_for_the_last_record(void **state)
{
    struct scene *scene = *state;
    struct amp_key256 key;
    struct amp_event event;
    scene_begin(scene);
    next_epoch(scene, &key);
    peer_say(scene->control, AMP_IPC_DRAIN, amp_slice(NULL, 0), -1);
    scene_hear_event(scene, &event); /* and confirms it */
    assert_int_equal(scene_join(scene), 0);
}

static void another_kek_is_no_way_in(void **state)
{
    struct scene *scene = *state;
    scene_begin(scene);
    scene_hang_up(scene);
    assert_int_equal(scene_join(scene), 1);
    scene_start(scene, 2);
    assert_true(scene_is_hung_up(scene, scene->control)); /* no READY */
    assert_int_equal(scene_join(scene), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_day_key_is_derived_and_the_secret_stays),
        TEST(only_near_days_and_our_services_have_keys),
        TEST(fronts_are_told_when_a_key_ends),
        TEST(a_key_that_ended_is_deleted_and_then_unknown),
        TEST(a_key_that_ended_is_forgotten_when_its_time_is_over),
        TEST(whoever_asks_whether_it_is_well_hears_so),
        TEST(epochs_differ_rise_and_are_recorded_also_after_a_restart),
        TEST(the_log_gets_its_key_over_its_own_link),
        TEST(a_front_that_sends_nonsense_is_cut_off_and_reported),
        TEST(a_front_may_not_administer),
        TEST(nothing_is_administered_while_the_log_cannot_be_written),
        TEST(draining_waits_for_the_last_record),
        TEST(another_kek_is_no_way_in),
    };
#undef TEST
    return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
