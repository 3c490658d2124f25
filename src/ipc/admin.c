#include "ipc/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/table.h"

enum { ANSWER_SECONDS = 30, PACKET_MAX = 1 + 8192 };

struct amp_admin {
    int fd;
    uint8_t *packet; /* secret memory, PACKET_MAX + 1 bytes */
};

/* Tells one answer from its end. */
typedef bool answer_fn(void *ctx, enum amp_ipc_type type, struct amp_slice payload);

enum amp_err amp_admin_connect(struct amp_admin **out, const char *path)
{
    enum amp_err err = AMP_ERR_IO;
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    *out = NULL;
    if (len >= sizeof(where.sun_path)) {
        errno = ENAMETOOLONG;
        return err;
    }
    memcpy(where.sun_path, path, len + 1);
    struct amp_admin *admin = calloc(1, sizeof(*admin));
    if (admin == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    admin->packet = amp_secret_alloc(PACKET_MAX + 1);
    admin->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    if (admin->packet == NULL) {
        err = AMP_ERR_OUT_OF_MEMORY;
    } else if (admin->fd >= 0 && connect(admin->fd, (const struct sockaddr *)&where, sizeof(where)) == 0 &&
               setsockopt(admin->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0) {
        *out = admin;
        return AMP_OK;
    }
    int saved = errno;
    amp_admin_free(admin);
    errno = saved;
    return err;
}

void amp_admin_free(struct amp_admin *admin)
{
    if (admin == NULL)
        return;
    if (admin->fd >= 0)
        close(admin->fd);
    amp_secret_free(admin->packet);
    free(admin);
}

static enum amp_err ask(struct amp_admin *admin, enum amp_ipc_type type, struct amp_slice payload)
{
    if (!amp_ipc_fits(type, payload.len, 0))
        return AMP_ERR_INVALID;
    uint8_t type_byte = (uint8_t)type;
    struct iovec parts[2] = {{&type_byte, 1}, {(void *)(uintptr_t)payload.ptr, payload.len}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t n;
    do {
        n = sendmsg(admin->fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? AMP_OK : AMP_ERR_IO;
}

/* One packet of the answer into admin->packet. */
static enum amp_err receive(struct amp_admin *admin, enum amp_ipc_type *type, struct amp_slice *payload)
{
    ssize_t n;
    do {
        n = recv(admin->fd, admin->packet, PACKET_MAX + 1, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return AMP_ERR_IO;
    *type = (enum amp_ipc_type)admin->packet[0];
    *payload = amp_slice(admin->packet + 1, (size_t)n - 1);
    if (admin->packet[0] >= AMP_IPC_COUNT_ || !amp_ipc_permits(*type, AMP_ROLE_KEEPER, AMP_ROLE_ADMIN) ||
        !amp_ipc_fits(*type, payload->len, 0))
        return AMP_ERR_INVALID;
    return AMP_OK;
}

/* Asks and hands every part of the answer to `answer` until KEY_DONE, whose error is the result. */
static enum amp_err converse(struct amp_admin *admin, enum amp_ipc_type type, struct amp_slice payload,
                             answer_fn *answer, void *ctx)
{
    enum amp_err err = ask(admin, type, payload);
    while (err == AMP_OK) {
        enum amp_ipc_type got;
        struct amp_slice part;
        err = receive(admin, &got, &part);
        if (err != AMP_OK)
            break;
        if (got == AMP_IPC_KEY_DONE) {
            struct amp_ipc_in in = {part, false};
            uint32_t code = amp_ipc_get_u32(&in);
            return code < AMP_ERR_COUNT_ ? (enum amp_err)code : AMP_ERR_INVALID;
        }
        if (answer == NULL || !answer(ctx, got, part))
            err = AMP_ERR_INVALID;
        amp_wipe(admin->packet, part.len + 1);
    }
    return err;
}

struct secret_answer {
    struct amp_admin_secret *out;
    bool given;
};

static bool take_secret(void *ctx, enum amp_ipc_type type, struct amp_slice payload)
{
    struct secret_answer *answer = ctx;
    struct amp_ipc_in in = {payload, false};
    amp_ipc_get_fixed(&in, answer->out->key_id, sizeof(answer->out->key_id));
    amp_ipc_get_fixed(&in, answer->out->text, sizeof(answer->out->text));
    bool good = type == AMP_IPC_KEY_SECRET && amp_ipc_end(&in) && !answer->given;
    answer->given = true;
    return good;
}

static enum amp_err converse_for_secret(struct amp_admin *admin, enum amp_ipc_type type, struct amp_slice payload,
                                        struct amp_admin_secret *out)
{
    struct secret_answer answer = {out, false};
    enum amp_err err = converse(admin, type, payload, take_secret, &answer);
    if (err == AMP_OK && !answer.given)
        err = AMP_ERR_INVALID;
    if (err != AMP_OK)
        amp_wipe(out, sizeof(*out));
    return err;
}

void amp_admin_put_create(struct amp_out *out, struct amp_slice name, uint32_t rate, uint32_t burst,
                          const struct amp_grant *grants, uint32_t grant_count)
{
    amp_ipc_put_bytes(out, name);
    amp_ipc_put_u32(out, rate);
    amp_ipc_put_u32(out, burst);
    amp_ipc_put_u32(out, grant_count);
    for (uint32_t i = 0; i < grant_count; i++) {
        amp_ipc_put_u32(out, grants[i].permissions);
        amp_ipc_put_bytes(out, amp_slice(grants[i].queue, grants[i].queue_len));
    }
}

enum amp_err amp_admin_key_create(struct amp_admin *admin, struct amp_slice name, uint32_t rate, uint32_t burst,
                                  const struct amp_grant *grants, uint32_t grant_count, struct amp_admin_secret *out)
{
    uint8_t storage[8192];
    struct amp_out payload = amp_out(storage, sizeof(storage));
    amp_admin_put_create(&payload, name, rate, burst, grants, grant_count);
    if (payload.overflow)
        return AMP_ERR_INVALID;
    return converse_for_secret(admin, AMP_IPC_KEY_CREATE, amp_out_done(&payload), out);
}

struct list_answer {
    void (*entry)(void *ctx, const struct amp_principal *);
    void *ctx;
};

static bool take_entry(void *ctx, enum amp_ipc_type type, struct amp_slice payload)
{
    const struct list_answer *answer = ctx;
    struct amp_principal principal;
    if (type != AMP_IPC_KEY_ENTRY || amp_principal_unpack(&principal, payload) != AMP_OK)
        return false;
    answer->entry(answer->ctx, &principal);
    return true;
}

enum amp_err amp_admin_key_list(struct amp_admin *admin, void (*entry)(void *ctx, const struct amp_principal *),
                                void *ctx)
{
    struct list_answer answer = {entry, ctx};
    return converse(admin, AMP_IPC_KEY_LIST, amp_slice(NULL, 0), take_entry, &answer);
}

enum amp_err amp_admin_key_rotate(struct amp_admin *admin, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN],
                                  uint64_t overlap_ms, struct amp_admin_secret *out)
{
    uint8_t storage[AMP_PRINCIPAL_KEY_ID_LEN + 8];
    struct amp_out payload = amp_out(storage, sizeof(storage));
    amp_out_bytes(&payload, key_id, AMP_PRINCIPAL_KEY_ID_LEN);
    amp_ipc_put_u64(&payload, overlap_ms);
    return converse_for_secret(admin, AMP_IPC_KEY_ROTATE, amp_out_done(&payload), out);
}

enum amp_err amp_admin_key_disable(struct amp_admin *admin, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
    return converse(admin, AMP_IPC_KEY_DISABLE, amp_slice(key_id, AMP_PRINCIPAL_KEY_ID_LEN), NULL, NULL);
}

enum amp_err amp_admin_key_delete(struct amp_admin *admin, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN])
{
    return converse(admin, AMP_IPC_KEY_DELETE, amp_slice(key_id, AMP_PRINCIPAL_KEY_ID_LEN), NULL, NULL);
}
