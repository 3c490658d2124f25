#include "scene.h"

#include <sys/socket.h>
#include <sys/time.h>

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

void scene_hear(struct scene *scene, int from, enum amp_ipc_type expected)
{
    ssize_t n = recv(from, scene->packet, sizeof(scene->packet), 0);
    assert_true(n >= 1);
    assert_string_equal(amp_ipc_row((enum amp_ipc_type)scene->packet[0])->name, amp_ipc_row(expected)->name);
    scene->payload = amp_slice(scene->packet + 1, (size_t)n - 1);
}

bool scene_is_hung_up(struct scene *scene, int fd)
{
    return recv(fd, scene->packet, sizeof(scene->packet), 0) == 0;
}

void scene_give_link(struct scene *scene, enum amp_role role, uint8_t index, int *ours)
{
    const uint8_t payload[2] = {(uint8_t)role, index};
    int theirs;
    peer_pair(ours, &theirs);
    peer_say(scene->control, AMP_IPC_LINK, amp_slice(payload, sizeof(payload)), theirs);
    close(theirs);
}

void scene_start(struct scene *scene, uint8_t kek_byte)
{
    struct amp_key256 kek = {{kek_byte}};
    int theirs;
    peer_pair(&scene->control, &theirs);
    scene->env = (struct amp_role_env){
        .config = &scene->config, .control_fd = theirs, .state_fd = scene->dir.fd, .config_read = no_config};
    assert_int_equal(pthread_create(&scene->thread, NULL, run, &scene->env), 0);
    scene->running = true;
    peer_say(scene->control, AMP_IPC_KEK, amp_slice(kek.bytes, sizeof(kek.bytes)), -1);
}

int scene_join(struct scene *scene)
{
    void *status;
    assert_int_equal(pthread_join(scene->thread, &status), 0);
    scene->running = false;
    return (int)(intptr_t)status;
}

void scene_confirm(struct scene *scene)
{
    uint8_t storage[17];
    struct amp_out out = amp_out(storage, sizeof(storage));
    if (!scene->hold_durable)
        scene->durable = scene->logged;
    amp_ipc_put_u64(&out, scene->logged);
    amp_ipc_put_u64(&out, scene->durable);
    amp_ipc_put_u8(&out, 1);
    peer_say(scene->log, AMP_IPC_RECORDED, amp_out_done(&out), -1);
}

void scene_hear_event(struct scene *scene, struct amp_event *event)
{
    size_t used;
    scene_hear(scene, scene->log, AMP_IPC_RECORDS);
    struct amp_ipc_in in = {scene->payload, false};
    assert_true(amp_ipc_get_u64(&in) == scene->logged + 1);
    (void)amp_ipc_get_u8(&in);
    assert_int_equal(amp_event_unpack(event, in.left, &used), AMP_OK);
    assert_int_equal(used, in.left.len);
    scene->logged++;
    scene_confirm(scene);
}

void scene_skip_event(struct scene *scene)
{
    struct amp_event event;
    scene_hear_event(scene, &event);
}

/* Asks until the log is known to be writable: the scribe's word and this question race to the keeper. */
enum amp_err scene_ask_admin(struct scene *scene, enum amp_ipc_type type, struct amp_slice payload)
{
    for (;;) {
        peer_say(scene->admin, type, payload, -1);
        ssize_t n = recv(scene->admin, scene->packet, sizeof(scene->packet), MSG_PEEK);
        assert_true(n > 0);
        struct amp_ipc_in in = {amp_slice(scene->packet + 1, (size_t)n - 1), false};
        if (scene->packet[0] != AMP_IPC_KEY_DONE)
            return AMP_OK;
        enum amp_err err = (enum amp_err)amp_ipc_get_u32(&in);
        if (err != AMP_ERR_AUDIT_UNAVAILABLE)
            return err;
        scene_hear(scene, scene->admin, AMP_IPC_KEY_DONE);
    }
}

enum amp_err scene_hear_done(struct scene *scene)
{
    scene_hear(scene, scene->admin, AMP_IPC_KEY_DONE);
    struct amp_ipc_in in = {scene->payload, false};
    enum amp_err err = (enum amp_err)amp_ipc_get_u32(&in);
    assert_true(amp_ipc_end(&in));
    return err;
}

enum amp_err scene_act_on_key(struct scene *scene, enum amp_ipc_type type, const uint8_t *key_id)
{
    (void)scene_ask_admin(scene, type, amp_slice(key_id, AMP_PRINCIPAL_KEY_ID_LEN));
    return scene_hear_done(scene);
}

void scene_create_key(struct scene *scene, const char *name, uint32_t permissions, const char *queue,
                      struct amp_admin_secret *made)
{
    struct amp_grant grant = {.permissions = permissions, .queue_len = (uint8_t)strlen(queue)};
    uint8_t storage[256];
    struct amp_event event;
    struct amp_out out = amp_out(storage, sizeof(storage));
    memcpy(grant.queue, queue, grant.queue_len);
    amp_admin_put_create(&out, amp_slice_str(name), 0, 0, &grant, 1);
    assert_int_equal(scene_ask_admin(scene, AMP_IPC_KEY_CREATE, amp_out_done(&out)), AMP_OK);
    scene_hear(scene, scene->admin, AMP_IPC_KEY_SECRET);
    memcpy(made->key_id, scene->payload.ptr, sizeof(made->key_id));
    memcpy(made->text, scene->payload.ptr + sizeof(made->key_id), sizeof(made->text));
    assert_int_equal(scene_hear_done(scene), AMP_OK);
    scene_hear_event(scene, &event);
    assert_int_equal(event.act, AMP_ACT_KEY_CREATE);
    assert_true(amp_slice_equal(event.subject, amp_slice(made->key_id, sizeof(made->key_id))));
}

static void attach_all(struct scene *scene)
{
    scene_give_link(scene, AMP_ROLE_FRONT, 0, &scene->front);
    scene_hear(scene, scene->front, AMP_IPC_SUBSCRIPTIONS_TELLING);
    scene_hear(scene, scene->front, AMP_IPC_SUBSCRIPTIONS_TOLD);
    scene_give_link(scene, AMP_ROLE_SCRIBE, 0, &scene->log);
    scene_hear(scene, scene->log, AMP_IPC_RECORDS); /* the hello */
    scene->logged = 0;
    scene_confirm(scene);
    scene_give_link(scene, AMP_ROLE_ADMIN, 0, &scene->admin);
}

void scene_begin(struct scene *scene)
{
    scene_start(scene, 1);
    scene_hear(scene, scene->control, AMP_IPC_READY);
    attach_all(scene);
}

void scene_hang_up(struct scene *scene)
{
    int *fds[] = {&scene->control, &scene->front, &scene->worker, &scene->courier, &scene->log, &scene->admin};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

int scene_setup(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL || amp_secret_init(32 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return -1;
    tempdir_make(&scene->dir);
    scene->config.keys.forget_after_ms = 3600 * 1000;
    scene->control = scene->front = scene->worker = scene->courier = scene->log = scene->admin = -1;
    *state = scene;
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *scene = *state;
    scene_hang_up(scene);
    if (scene->running)
        scene_join(scene);
    tempdir_remove(&scene->dir);
    free(scene);
    amp_crypto_thread_fini();
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}
