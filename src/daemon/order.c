#include "daemon/order.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FORM = 2, FIXED = 4 + AMP_TLS_FILE_COUNT_, HEAD_MAX = 32 + AMP_ORDER_RESUME_MAX };
_Static_assert(FIXED <= 8, "a bit of one byte says which are there");
enum { LISTEN_MAX = AMP_CONFIG_WORKERS_MAX * AMP_CONFIG_ADDRESSES_MAX };
enum { FDS_PER_PACKET = 128 }; /* the kernel takes 253 */

union control {
    struct cmsghdr align;
    uint8_t room[CMSG_SPACE(FDS_PER_PACKET * sizeof(int))];
};

/* Those that a role may have one of, in the order of the bits that say which are there. */
static void fixed_fds(struct amp_role_fds *fds, int *places[FIXED])
{
    size_t count = 0;
    places[count++] = &fds->binary;
    places[count++] = &fds->control;
    places[count++] = &fds->config;
    places[count++] = &fds->push_ca;
    for (size_t i = 0; i < AMP_TLS_FILE_COUNT_; i++)
        places[count++] = &fds->tls[i];
}

static enum amp_err send_packet(int link_fd, struct amp_slice text, const int *fds, size_t count)
{
    union control control = {0};
    struct iovec where = {(void *)(uintptr_t)text.ptr, text.len};
    struct msghdr message = {.msg_iov = &where, .msg_iovlen = 1};
    if (count != 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(part), fds, count * sizeof(int));
    }
    return sendmsg(link_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)text.len ? AMP_OK : AMP_ERR_IO;
}

/* Those that are there, and how many. */
static uint8_t present_fds(const struct amp_role_fds *fds, int present[FIXED], size_t *count)
{
    int *places[FIXED];
    struct amp_role_fds copy = *fds;
    uint8_t mask = 0;
    *count = 0;
    fixed_fds(&copy, places);
    for (size_t i = 0; i < FIXED; i++) {
        if (*places[i] < 0)
            continue;
        mask |= (uint8_t)(1u << i);
        present[(*count)++] = *places[i];
    }
    return mask;
}

enum amp_err amp_order_send(int link_fd, enum amp_role role, const struct amp_role_fds *fds, bool first)
{
    uint8_t text[HEAD_MAX];
    int present[FIXED];
    size_t count;
    struct amp_out head = amp_out(text, sizeof(text));
    const size_t listening = fds->listen != NULL ? fds->listen->count : 0;
    amp_ipc_put_u8(&head, FORM);
    amp_ipc_put_u8(&head, (uint8_t)role);
    amp_ipc_put_u8(&head, first);
    amp_ipc_put_u8(&head, present_fds(fds, present, &count));
    amp_ipc_put_u32(&head, fds->user->uid);
    amp_ipc_put_u32(&head, fds->user->gid);
    amp_ipc_put_u32(&head, fds->workers);
    amp_ipc_put_u32(&head, (uint32_t)listening);
    amp_ipc_put_bytes(&head, amp_slice_str(fds->resume != NULL ? fds->resume : ""));
    if (head.overflow)
        return AMP_ERR_TOO_LARGE;
    enum amp_err err = send_packet(link_fd, amp_out_done(&head), present, count);
    for (size_t at = 0; err == AMP_OK && at < listening; at += FDS_PER_PACKET) {
        size_t here = listening - at < FDS_PER_PACKET ? listening - at : FDS_PER_PACKET;
        err = send_packet(link_fd, amp_slice(text, 1), fds->listen->fds + at, here);
    }
    return err;
}

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* Descriptors of the one packet that came, up to `room`: more, or anything that did not fit, is no order. */
static enum amp_err take_fds(struct msghdr *message, int *fds, size_t room, size_t *count)
{
    bool good = (message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    *count = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            good = good && *count < room;
            if (*count < room)
                fds[(*count)++] = fd;
            else
                close_all(&fd, 1);
        }
    }
    if (!good)
        close_all(fds, *count);
    return good ? AMP_OK : AMP_ERR_INVALID;
}

static enum amp_err receive_packet(int link_fd, uint8_t *text, size_t *len, int *fds, size_t room, size_t *count)
{
    union control control;
    struct iovec where = {text, HEAD_MAX};
    struct msghdr message = {
        .msg_iov = &where, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n;
    do {
        n = recvmsg(link_fd, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return AMP_ERR_IO;
    *len = (size_t)n;
    return take_fds(&message, fds, room, count);
}

/* `came`: the descriptors of the head's packet, which become the order's where it is one. */
static bool read_head(struct amp_order *order, struct amp_slice text, const int *came, size_t count, size_t *listening)
{
    int *places[FIXED];
    size_t taken = 0;
    struct amp_ipc_in in = {text, false};
    bool known = amp_ipc_get_u8(&in) == FORM;
    order->role = (enum amp_role)amp_ipc_get_u8(&in);
    uint8_t first = amp_ipc_get_u8(&in);
    unsigned mask = amp_ipc_get_u8(&in);
    order->user.uid = amp_ipc_get_u32(&in);
    order->user.gid = amp_ipc_get_u32(&in);
    order->fds.workers = amp_ipc_get_u32(&in);
    *listening = amp_ipc_get_u32(&in);
    struct amp_slice resume = amp_ipc_get_bytes(&in, AMP_ORDER_RESUME_MAX);
    if (!amp_ipc_end(&in) || !known || first > 1 || *listening > LISTEN_MAX || (mask >> FIXED) != 0 ||
        (size_t)__builtin_popcount(mask) != count || memchr(resume.ptr, '\0', resume.len) != NULL)
        return false;
    order->first = first == 1;
    memcpy(order->resume, resume.ptr, resume.len);
    order->resume[resume.len] = '\0';
    fixed_fds(&order->fds, places);
    for (size_t i = 0; i < FIXED; i++) {
        if ((mask & 1u << i) != 0)
            *places[i] = came[taken++];
    }
    return true;
}

static enum amp_err receive_listening(struct amp_order *order, int link_fd, size_t listening)
{
    uint8_t text[HEAD_MAX];
    size_t len;
    while (order->listen.count < listening) {
        size_t here;
        enum amp_err err = receive_packet(link_fd, text, &len, order->listen_fds + order->listen.count,
                                          listening - order->listen.count, &here);
        if (err != AMP_OK)
            return err;
        order->listen.count += here;
        if (here == 0 || len != 1 || text[0] != FORM)
            return AMP_ERR_INVALID;
    }
    return AMP_OK;
}

enum amp_err amp_order_receive(struct amp_order *out, int link_fd)
{
    uint8_t text[HEAD_MAX];
    int came[FIXED];
    int *places[FIXED];
    size_t len;
    size_t count;
    size_t listening;
    *out = (struct amp_order){.fds = {.state = -1, .empty = -1}};
    fixed_fds(&out->fds, places);
    for (size_t i = 0; i < FIXED; i++)
        *places[i] = -1;
    enum amp_err err = receive_packet(link_fd, text, &len, came, FIXED, &count);
    if (err != AMP_OK)
        return err;
    if (!read_head(out, amp_slice(text, len), came, count, &listening)) {
        close_all(came, count);
        return AMP_ERR_INVALID;
    }
    out->listen.fds = out->listen_fds;
    err = receive_listening(out, link_fd, listening);
    if (err != AMP_OK) {
        amp_order_close(out);
        return err;
    }
    out->fds.user = &out->user;
    out->fds.listen = listening != 0 ? &out->listen : NULL;
    out->fds.resume = out->resume[0] != '\0' ? out->resume : NULL;
    return AMP_OK;
}

void amp_order_close(struct amp_order *order)
{
    int *places[FIXED];
    fixed_fds(&order->fds, places);
    for (size_t i = 0; i < FIXED; i++)
        close_all(places[i], 1);
    close_all(order->listen_fds, order->listen.count);
    order->listen.count = 0;
}
