/* The keeper in a thread; the test is its supervisor, its fronts, its courier, its scribe and its administrators. */
#ifndef AMP_TESTS_KEEPER_SCENE_H
#define AMP_TESTS_KEEPER_SCENE_H

#include <pthread.h>
#include <string.h>

#include "../peer.h"
#include "../tempdir.h"
#include "audit/event.h"
#include "base/clock.h"
#include "crypto/crypto.h"
#include "ipc/admin.h"
#include "ipc/table.h"
#include "keeper/keeper.h"

enum { PACKET_MAX = 1 + AMP_IPC_MAX_PAYLOAD };

struct scene {
    struct tempdir dir;
    struct amp_config config;
    struct amp_role_env env;
    pthread_t thread;
    bool running;
    int control;
    int front;
    int worker; /* another link of front: its index is 1 */
    int courier;
    int log;
    uint64_t logged; /* events the scribe was told of */
    uint64_t durable;
    bool hold_durable; /* the scribe writes, and says of nothing that it is durable */
    int admin;
    uint8_t packet[PACKET_MAX];
    struct amp_slice payload; /* of the last packet received */
};

int scene_setup(void **state);
int scene_teardown(void **state);

/* The keeper begins, with a KEK of this byte; it is not waited for. */
void scene_start(struct scene *scene, uint8_t kek_byte);
/* The same, waited for, with links from front (index 0), scribe and an administrator. */
void scene_begin(struct scene *scene);
void scene_hang_up(struct scene *scene);
/* Its exit status. */
int scene_join(struct scene *scene);
/* A new link to it; *ours blocks, but not for ever. */
void scene_give_link(struct scene *scene, enum amp_role role, uint8_t index, int *ours);

/* The next packet must be of this type; its payload is found in the scene. */
void scene_hear(struct scene *scene, int from, enum amp_ipc_type expected);
bool scene_is_hung_up(struct scene *scene, int fd);
/* The next event that reaches the scribe, which then says that it is durable. Borrows from the last packet. */
void scene_hear_event(struct scene *scene, struct amp_event *event);
/* The same without a look at it. */
void scene_skip_event(struct scene *scene);
/* The scribe says how far its log is written and durable. */
void scene_confirm(struct scene *scene);
/* Asks as an administrator, until the log is known to be writable; AMP_OK where what comes next is no KEY_DONE. */
enum amp_err scene_ask_admin(struct scene *scene, enum amp_ipc_type type, struct amp_slice payload);
enum amp_err scene_hear_done(struct scene *scene);
/* What an administrator does to a key; its event is still to be heard. */
enum amp_err scene_act_on_key(struct scene *scene, enum amp_ipc_type type, const uint8_t *key_id);
void scene_create_key(struct scene *scene, const char *name, uint32_t permissions, const char *queue,
                      struct amp_admin_secret *made);

#endif
