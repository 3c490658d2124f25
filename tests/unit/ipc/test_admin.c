/* The admin client before a keeper that answers from a script. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "../tempdir.h"
#include "ipc/admin.h"

#define KEY_ID "AMPKABCDEFGHIJKLMNOP"
#define SECRET "0123456789012345678901234567890123456789012"

struct line {
    uint8_t type;
    const char *payload;
    size_t len;
};

#define SAY(type, text)                                                                                                \
    {                                                                                                                  \
        AMP_IPC_##type, text, sizeof(text) - 1                                                                         \
    }
#define DONE(code)                                                                                                     \
    {                                                                                                                  \
        AMP_IPC_KEY_DONE, "\0\0\0" code, 4                                                                             \
    }

struct stage {
    struct tempdir dir;
    char path[96];
    int listener;
    pid_t keeper;
    struct amp_admin *admin;
};

/* A child that takes one connection, one question, and says its lines. */
static void play(struct stage *stage, const struct line *lines, size_t count)
{
    stage->keeper = fork();
    assert_true(stage->keeper >= 0);
    if (stage->keeper == 0) {
        char question[9000];
        int fd = accept(stage->listener, NULL, NULL);
        if (fd < 0 || recv(fd, question, sizeof(question), 0) <= 0)
            _exit(1);
        for (size_t i = 0; i < count; i++) {
            char packet[256];
            packet[0] = (char)lines[i].type;
            memcpy(packet + 1, lines[i].payload, lines[i].len);
            send(fd, packet, lines[i].len + 1, MSG_NOSIGNAL);
        }
        _exit(0);
    }
    assert_int_equal(amp_admin_connect(&stage->admin, stage->path), AMP_OK);
}

static void end_play(struct stage *stage)
{
    int status;
    assert_int_equal(waitpid(stage->keeper, &status, 0), stage->keeper);
    amp_admin_free(stage->admin);
    stage->admin = NULL;
}

static int open_stage(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    if (stage == NULL || amp_secret_init(1 << 20, false) != AMP_OK)
        return -1;
    tempdir_make(&stage->dir);
    snprintf(stage->path, sizeof(stage->path), "%s/" AMP_ADMIN_SOCKET, stage->dir.path);
    memcpy(where.sun_path, stage->path, strlen(stage->path) + 1);
    stage->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    *state = stage;
    return bind(stage->listener, (struct sockaddr *)&where, sizeof(where)) == 0 && listen(stage->listener, 4) == 0 ? 0
                                                                                                                   : -1;
}

static int close_stage(void **state)
{
    struct stage *stage = *state;
    amp_admin_free(stage->admin);
    close(stage->listener);
    tempdir_remove(&stage->dir);
    free(stage);
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

static enum amp_err create(struct stage *stage, struct amp_admin_secret *secret)
{
    static const struct amp_grant grant = {.permissions = AMP_MAY_ALL, .queue_len = 1, .queue = "*"};
    return amp_admin_key_create(stage->admin, AMP_SLICE_LIT("shop"), 5, 10, &grant, 1, secret);
}

static void create_shows_the_secret(void **state)
{
    static const struct line lines[] = {SAY(KEY_SECRET, KEY_ID SECRET), DONE("\0")};
    struct amp_admin_secret secret;
    play(*state, lines, 2);
    assert_int_equal(create(*state, &secret), AMP_OK);
    assert_memory_equal(secret.key_id, KEY_ID, sizeof(secret.key_id));
    assert_memory_equal(secret.text, SECRET, sizeof(secret.text));
    end_play(*state);
}

static void refusals_come_through_and_leave_no_secret(void **state)
{
    const char full[4] = {0, 0, 0, AMP_ERR_KEYRING_FULL};
    const struct line lines[] = {SAY(KEY_SECRET, KEY_ID SECRET), {AMP_IPC_KEY_DONE, full, sizeof(full)}};
    struct amp_admin_secret secret;
    static const struct amp_admin_secret none;
    play(*state, lines, 2);
    assert_int_equal(create(*state, &secret), AMP_ERR_KEYRING_FULL);
    assert_memory_equal(&secret, &none, sizeof(none));
    end_play(*state);
}

static void malformed_answers_are_refused(void **state)
{
    static const struct line scripts[][2] = {
        {DONE("\0"), DONE("\0")},                                         /* no secret */
        {SAY(KEY_SECRET, KEY_ID SECRET), SAY(KEY_SECRET, KEY_ID SECRET)}, /* two */
        {SAY(KEY_SECRET, KEY_ID), DONE("\0")},                            /* short */
        {SAY(KEY_ENTRY, KEY_ID SECRET), DONE("\0")},                      /* another kind */
        {SAY(EPOCH, KEY_ID "0123456789012345"), DONE("\0")},              /* not for admins */
        {{AMP_IPC_COUNT_, "", 0}, DONE("\0")},
        {{AMP_IPC_KEY_DONE, "\1\0\0\0", 4}, DONE("\0")}, /* no such code */
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct amp_admin_secret secret;
        play(*state, scripts[i], 2);
        assert_int_equal(create(*state, &secret), AMP_ERR_INVALID);
        end_play(*state);
    }
}

static void a_daemon_that_hangs_up_is_told(void **state)
{
    struct amp_admin_secret secret;
    play(*state, NULL, 0);
    assert_int_equal(create(*state, &secret), AMP_ERR_IO);
    end_play(*state);
}

static void on_entry(void *ctx, const struct amp_principal *principal)
{
    (*(size_t *)ctx)++;
    assert_memory_equal(principal->name, "shop", 4);
}

static void list_hands_out_each_entry(void **state)
{
    struct amp_principal principal = {.key_id = KEY_ID, .name_len = 4, .name = "shop"};
    uint8_t storage[256];
    struct amp_out packed = amp_out(storage, sizeof(storage));
    size_t entries = 0;
    amp_principal_pack(&packed, &principal);
    const struct line lines[] = {{AMP_IPC_KEY_ENTRY, (const char *)storage, packed.len},
                                 {AMP_IPC_KEY_ENTRY, (const char *)storage, packed.len},
                                 DONE("\0")};
    play(*state, lines, 3);
    assert_int_equal(amp_admin_key_list(((struct stage *)*state)->admin, on_entry, &entries), AMP_OK);
    assert_int_equal(entries, 2);
    end_play(*state);
}

static void connecting_where_nobody_listens_says_why(void **state)
{
    struct amp_admin *admin;
    char longer[200] = {0};
    assert_int_equal(amp_admin_connect(&admin, "/tmp/ampoule-nobody-here.sock"), AMP_ERR_IO);
    assert_int_equal(errno, ENOENT);
    memset(longer, 'x', sizeof(longer) - 1);
    assert_int_equal(amp_admin_connect(&admin, longer), AMP_ERR_IO);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_null(admin);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        TEST(create_shows_the_secret),       TEST(refusals_come_through_and_leave_no_secret),
        TEST(malformed_answers_are_refused), TEST(a_daemon_that_hangs_up_is_told),
        TEST(list_hands_out_each_entry),     TEST(connecting_where_nobody_listens_says_why),
    };
#undef TEST
    return cmocka_run_group_tests_name("admin client", tests, NULL, NULL);
}
