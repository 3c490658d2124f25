/* The keeper in a thread; the test is its supervisor, its fronts, its scribe and its administrators. */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "../tempdir.h"
#include "audit/event.h"
#include "base/clock.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "ipc/admin.h"
#include "ipc/table.h"
#include "keeper/keeper.h"
#include "wire/sigv4.h"

enum { PACKET_MAX = 1 + AMP_IPC_MAX_PAYLOAD, PATIENCE_S = 20 };

struct scene {
    struct tempdir dir;
    struct amp_config config;
    struct amp_role_env env;
    pthread_t thread;
    bool running;
    int control;
    int front;
    int log;
    uint64_t logged; /* events the scribe was told of */
    int admin;
    uint8_t packet[PACKET_MAX];
    struct amp_slice payload; /* of the last packet received */
};

static enum amp_err no_config(struct amp_config *out, int fd)
{
    return AMP_ERR_INVALID;
}

static void *run(void *ctx)
{
    int status = amp_keeper_main(ctx);
    amp_crypto_thread_fini();
    return (void *)(intptr_t)status;
}

/* A pair of which this end blocks, but not for ever. */
static void make_pair(int *ours, int *theirs)
{
    int fds[2];
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    assert_int_equal(amp_link_pair(fds), AMP_OK);
    assert_int_equal(fcntl(fds[0], F_SETFL, 0), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    *ours = fds[0];
    *theirs = fds[1];
}

static void say(int to, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    uint8_t type_byte = (uint8_t)type;
    struct iovec parts[2] = {{&type_byte, 1}, {(void *)(uintptr_t)payload.ptr, payload.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(part), &fd, sizeof(int));
    }
    assert_true(sendmsg(to, &message, MSG_NOSIGNAL) >= 0);
}

static void hear(struct scene *scene, int from, enum amp_ipc_type expected)
{
    ssize_t n = recv(from, scene->packet, sizeof(scene->packet), 0);
    assert_true(n >= 1);
    assert_string_equal(amp_ipc_row((enum amp_ipc_type)scene->packet[0])->name, amp_ipc_row(expected)->name);
    scene->payload = amp_slice(scene->packet + 1, (size_t)n - 1);
}

static bool is_hung_up(struct scene *scene, int fd)
{
    return recv(fd, scene->packet, sizeof(scene->packet), 0) == 0;
}

static void give_link(struct scene *scene, enum amp_role role, uint8_t index, int *ours)
{
    const uint8_t payload[2] = {(uint8_t)role, index};
    int theirs;
    make_pair(ours, &theirs);
    say(scene->control, AMP_IPC_LINK, amp_slice(payload, sizeof(payload)), theirs);
    close(theirs);
}

static void start_with(struct scene *scene, uint8_t kek_byte)
{
    struct amp_key256 kek = {{kek_byte}};
    int theirs;
    make_pair(&scene->control, &theirs);
    scene->env = (struct amp_role_env){
        .config = &scene->config, .control_fd = theirs, .state_fd = scene->dir.fd, .config_read = no_config};
    assert_int_equal(pthread_create(&scene->thread, NULL, run, &scene->env), 0);
    scene->running = true;
    say(scene->control, AMP_IPC_KEK, amp_slice(kek.bytes, sizeof(kek.bytes)), -1);
}

static int join(struct scene *scene)
{
    void *status;
    assert_int_equal(pthread_join(scene->thread, &status), 0);
    scene->running = false;
    return (int)(intptr_t)status;
}

/* The scribe says that everything it heard of is durable. */
static void confirm(struct scene *scene)
{
    uint8_t storage[17];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_ipc_put_u64(&out, scene->logged);
    amp_ipc_put_u64(&out, scene->logged);
    amp_ipc_put_u8(&out, 1);
    say(scene->log, AMP_IPC_RECORDED, amp_out_done(&out), -1);
}

/* The next event that reaches the scribe. */
static void hear_event(struct scene *scene, struct amp_event *event)
{
    size_t used;
    hear(scene, scene->log, AMP_IPC_RECORDS);
    struct amp_ipc_in in = {scene->payload, false};
    assert_true(amp_ipc_get_u64(&in) == scene->logged + 1);
    (void)amp_ipc_get_u8(&in);
    assert_int_equal(amp_event_unpack(event, in.left, &used), AMP_OK);
    assert_int_equal(used, in.left.len);
    scene->logged++;
    confirm(scene);
}

static void attach_all(struct scene *scene)
{
    give_link(scene, AMP_ROLE_FRONT, 0, &scene->front);
    give_link(scene, AMP_ROLE_SCRIBE, 0, &scene->log);
    hear(scene, scene->log, AMP_IPC_RECORDS); /* the hello */
    scene->logged = 0;
    confirm(scene);
    give_link(scene, AMP_ROLE_ADMIN, 0, &scene->admin);
}

static void begin(struct scene *scene)
{
    start_with(scene, 1);
    hear(scene, scene->control, AMP_IPC_READY);
    attach_all(scene);
}

static void hang_up(struct scene *scene)
{
    int *fds[] = {&scene->control, &scene->front, &scene->log, &scene->admin};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

/* Asks until the log is known to be writable: the scribe's word and this question race to the keeper. */
static enum amp_err ask_admin(struct scene *scene, enum amp_ipc_type type, struct amp_slice payload)
{
    for (;;) {
        say(scene->admin, type, payload, -1);
        ssize_t n = recv(scene->admin, scene->packet, sizeof(scene->packet), MSG_PEEK);
        assert_true(n > 0);
        struct amp_ipc_in in = {amp_slice(scene->packet + 1, (size_t)n - 1), false};
        if (scene->packet[0] != AMP_IPC_KEY_DONE)
            return AMP_OK;
        enum amp_err err = (enum amp_err)amp_ipc_get_u32(&in);
        if (err != AMP_ERR_AUDIT_UNAVAILABLE)
            return err;
        hear(scene, scene->admin, AMP_IPC_KEY_DONE);
    }
}

static enum amp_err hear_done(struct scene *scene)
{
    hear(scene, scene->admin, AMP_IPC_KEY_DONE);
    struct amp_ipc_in in = {scene->payload, false};
    enum amp_err err = (enum amp_err)amp_ipc_get_u32(&in);
    assert_true(amp_ipc_end(&in));
    return err;
}

static void create_key(struct scene *scene, struct amp_admin_secret *made)
{
    static const struct amp_grant grant = {.permissions = AMP_MAY_ALL, .queue_len = 1, .queue = "*"};
    uint8_t storage[256];
    struct amp_event event;
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_admin_put_create(&out, AMP_SLICE_LIT("shop"), 0, 0, &grant, 1);
    assert_int_equal(ask_admin(scene, AMP_IPC_KEY_CREATE, amp_out_done(&out)), AMP_OK);
    hear(scene, scene->admin, AMP_IPC_KEY_SECRET);
    memcpy(made->key_id, scene->payload.ptr, sizeof(made->key_id));
    memcpy(made->text, scene->payload.ptr + sizeof(made->key_id), sizeof(made->text));
    assert_int_equal(hear_done(scene), AMP_OK);
    hear_event(scene, &event);
    assert_int_equal(event.act, AMP_ACT_KEY_CREATE);
    assert_true(amp_slice_equal(event.subject, amp_slice(made->key_id, sizeof(made->key_id))));
}

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
    say(scene->front, AMP_IPC_DAY_KEY_GET, amp_out_done(&out), -1);
    hear(scene, scene->front, AMP_IPC_DAY_KEY);
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
    begin(scene);
    create_key(scene, &made);
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
    begin(scene);
    create_key(scene, &made);
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
    begin(scene);
    create_key(scene, &made);
    assert_int_equal(ask_admin(scene, AMP_IPC_KEY_DISABLE, amp_slice(made.key_id, sizeof(made.key_id))), AMP_OK);
    hear(scene, scene->front, AMP_IPC_PRINCIPAL_CHANGED);
    assert_memory_equal(scene->payload.ptr, made.key_id, sizeof(made.key_id));
    assert_int_equal(ask_day_key(scene, made.key_id, 0, "r", "sqs", &key), AMP_ERR_KEY_DISABLED);
}

static uint32_t next_epoch(struct scene *scene, struct amp_key256 *key)
{
    say(scene->front, AMP_IPC_EPOCH_GET, amp_slice(NULL, 0), -1);
    hear(scene, scene->front, AMP_IPC_EPOCH);
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
        begin(scene);
        for (int i = 0; i < 3; i++) {
            struct amp_event event;
            uint32_t id = next_epoch(scene, &key);
            assert_true(id > last);
            assert_memory_not_equal(key.bytes, before.bytes, sizeof(key.bytes));
            hear_event(scene, &event);
            assert_int_equal(event.act, AMP_ACT_EPOCH_KEY);
            last = id;
            before = key;
        }
        hang_up(scene);
        assert_int_equal(join(scene), 1); /* the supervisor is gone */
    }
}

static void the_log_gets_its_key_over_its_own_link(void **state)
{
    struct scene *scene = *state;
    static const uint8_t none[32];
    int log_key;
    begin(scene);
    give_link(scene, AMP_ROLE_SCRIBE, 1, &log_key);
    say(log_key, AMP_IPC_LOG_KEY_GET, amp_slice(NULL, 0), -1);
    hear(scene, log_key, AMP_IPC_LOG_KEY);
    assert_int_equal(scene->payload.len, 4 + 32 + 2 + 40); /* RFC 5649: 32 bytes wrap to 40 */
    assert_memory_equal(scene->payload.ptr, none, 4);
    assert_memory_not_equal(scene->payload.ptr + 4, none, 32);
    close(log_key);
}

static void a_front_that_sends_nonsense_is_cut_off_and_reported(void **state)
{
    struct scene *scene = *state;
    uint8_t payload[120];
    begin(scene);
    memset(payload, 0xff, sizeof(payload));
    for (size_t len = 42; len <= 120; len += 13) {
        give_link(scene, AMP_ROLE_FRONT, 1, &scene->front);
        say(scene->front, AMP_IPC_DAY_KEY_GET, amp_slice(payload, len), -1);
        assert_true(is_hung_up(scene, scene->front));
        hear(scene, scene->control, AMP_IPC_VIOLATION);
        assert_int_equal(scene->payload.ptr[0], AMP_ROLE_FRONT);
        close(scene->front);
        scene->front = -1;
    }
}

static void a_front_may_not_administer(void **state)
{
    struct scene *scene = *state;
    begin(scene);
    say(scene->front, AMP_IPC_KEY_LIST, amp_slice(NULL, 0), -1);
    assert_true(is_hung_up(scene, scene->front));
    hear(scene, scene->control, AMP_IPC_VIOLATION);
}

static void nothing_is_administered_while_the_log_cannot_be_written(void **state)
{
    struct scene *scene = *state;
    start_with(scene, 1);
    hear(scene, scene->control, AMP_IPC_READY);
    give_link(scene, AMP_ROLE_ADMIN, 0, &scene->admin);
    say(scene->admin, AMP_IPC_KEY_LIST, amp_slice(NULL, 0), -1);
    assert_int_equal(hear_done(scene), AMP_ERR_AUDIT_UNAVAILABLE);
}

static void draining_waits_for_the_last_record(void **state)
{
    struct scene *scene = *state;
    struct amp_key256 key;
    struct amp_event event;
    begin(scene);
    next_epoch(scene, &key);
    say(scene->control, AMP_IPC_DRAIN, amp_slice(NULL, 0), -1);
    hear_event(scene, &event); /* and confirms it */
    assert_int_equal(join(scene), 0);
}

static void another_kek_is_no_way_in(void **state)
{
    struct scene *scene = *state;
    begin(scene);
    hang_up(scene);
    assert_int_equal(join(scene), 1);
    start_with(scene, 2);
    assert_true(is_hung_up(scene, scene->control)); /* no READY */
    assert_int_equal(join(scene), 1);
}

static int setup(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL || amp_secret_init(32 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return -1;
    tempdir_make(&scene->dir);
    scene->control = scene->front = scene->log = scene->admin = -1;
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    hang_up(scene);
    if (scene->running)
        join(scene);
    tempdir_remove(&scene->dir);
    free(scene);
    amp_crypto_thread_fini();
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_day_key_is_derived_and_the_secret_stays),
        TEST(only_near_days_and_our_services_have_keys),
        TEST(fronts_are_told_when_a_key_ends),
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
