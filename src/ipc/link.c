/*
 * A packet is one byte of type and the payload. Both ends hold every packet against the table: a sender that breaks it
 * is broken itself and aborts, a received packet that breaks it is a violation and cuts the link.
 *
 * Callbacks may free the link. So while one runs, freeing only closes it, and the memory goes when the last is back.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "ipc/table.h"

enum {
    QUEUE_MAX = 4 << 20,
    SOCKET_BUFFER = 1 << 20, /* asked for; the kernel may give less */
    PACKETS_PER_TURN = 64,   /* so that a talkative peer does not starve the others */
    STRAY_MAX = 4,           /* descriptors received, and closed, where none belongs */
};

struct packet {
    struct packet *next;
    size_t len;
    int fd; /* duplicate, owned; -1: none */
    uint8_t bytes[];
};

struct amp_link {
    struct amp_link_config config;
    int fd; /* -1: closed */
    struct event *readable;
    struct event *writable;
    uint8_t *buffer; /* longest packet the peer may send, and one byte more to notice a longer one */
    size_t buffer_cap;
    struct packet *first;
    struct packet **last;
    size_t queued_bytes;
    bool paused;
    unsigned busy; /* callbacks under way */
    bool freed;
};

enum amp_err amp_link_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0 ? AMP_OK : AMP_ERR_IO;
}

static void packet_free(struct packet *packet)
{
    if (packet->fd >= 0)
        close(packet->fd);
    amp_secret_free(packet);
}

static void close_down(struct amp_link *link)
{
    if (link->readable != NULL)
        event_free(link->readable);
    if (link->writable != NULL)
        event_free(link->writable);
    link->readable = link->writable = NULL;
    while (link->first != NULL) {
        struct packet *packet = link->first;
        link->first = packet->next;
        packet_free(packet);
    }
    link->last = &link->first;
    link->queued_bytes = 0;
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

void amp_link_free(struct amp_link *link)
{
    if (link == NULL)
        return;
    close_down(link);
    link->freed = true;
    if (link->busy != 0)
        return;
    amp_secret_free(link->buffer);
    free(link);
}

static void release(struct amp_link *link)
{
    link->busy--;
    if (link->freed)
        amp_link_free(link);
}

/* The caller holds the link busy. */
static void cut(struct amp_link *link, bool violation)
{
    close_down(link);
    link->config.closed(link->config.ctx, link, violation);
}

/* Takes the descriptors out of a received message; the first is returned, all others are closed. */
static int collect_fds(struct msghdr *message, size_t *count)
{
    int first = -1;
    *count = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t here = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            if ((*count)++ == 0)
                first = fd;
            else
                close(fd);
        }
    }
    return first;
}

/* Hands on a packet of `len` bytes; false where it breaks the table or does not decode. */
static bool deliver(struct amp_link *link, size_t len, int flags, int fd, size_t fds)
{
    bool whole = (flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    enum amp_ipc_type type = (enum amp_ipc_type)link->buffer[0];
    if (!whole || link->buffer[0] >= AMP_IPC_COUNT_ || !amp_ipc_permits(type, link->config.peer, link->config.self) ||
        !amp_ipc_fits(type, len - 1, fds)) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    return link->config.message(link->config.ctx, link, type, amp_slice(link->buffer + 1, len - 1), fd);
}

enum received { RECEIVED_ONE, RECEIVED_NONE, RECEIVED_END /* closed, or paused */ };

static enum received receive(struct amp_link *link)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(STRAY_MAX * sizeof(int))];
    } control;
    struct iovec where = {link->buffer, link->buffer_cap};
    struct msghdr message = {
        .msg_iov = &where, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(link->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return RECEIVED_NONE;
    if (n <= 0) {
        cut(link, false);
        return RECEIVED_END;
    }
    size_t fds;
    int fd = collect_fds(&message, &fds);
    bool good = deliver(link, (size_t)n, message.msg_flags, fd, fds);
    amp_wipe(link->buffer, (size_t)n);
    if (!good && link->fd >= 0)
        cut(link, true);
    return link->fd >= 0 && !link->paused ? RECEIVED_ONE : RECEIVED_END;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_link *link = ctx;
    link->busy++;
    for (unsigned i = 0; i < PACKETS_PER_TURN && receive(link) == RECEIVED_ONE; i++)
        continue;
    release(link);
}

/* AMP_ERR_AGAIN where the socket is full. */
static enum amp_err transmit(struct amp_link *link, struct iovec *parts, size_t count, int fd)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(part), &fd, sizeof(int));
    }
    ssize_t n;
    do {
        n = sendmsg(link->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return AMP_OK; /* a packet goes whole or not at all */
    return errno == EAGAIN || errno == ENOBUFS ? AMP_ERR_AGAIN : AMP_ERR_IO;
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_link *link = ctx;
    while (link->first != NULL) {
        struct packet *packet = link->first;
        struct iovec part = {packet->bytes, packet->len};
        enum amp_err err = transmit(link, &part, 1, packet->fd);
        if (err == AMP_ERR_AGAIN)
            return;
        if (err != AMP_OK)
            break; /* the peer is gone: reading tells so */
        link->first = packet->next;
        if (link->first == NULL)
            link->last = &link->first;
        link->queued_bytes -= packet->len;
        packet_free(packet);
    }
    event_del(link->writable);
    if (link->first != NULL || link->config.drained == NULL)
        return;
    link->busy++;
    link->config.drained(link->config.ctx, link);
    release(link);
}

static enum amp_err enqueue(struct amp_link *link, uint8_t type, struct amp_slice payload, int fd)
{
    size_t len = payload.len + 1;
    if (len > QUEUE_MAX - link->queued_bytes)
        return AMP_ERR_TOO_LARGE;
    struct packet *packet = amp_secret_alloc(sizeof(*packet) + len);
    if (packet == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    packet->fd = -1;
    if (fd >= 0 && (packet->fd = dup(fd)) < 0) {
        packet_free(packet);
        return AMP_ERR_IO;
    }
    packet->next = NULL;
    packet->len = len;
    packet->bytes[0] = type;
    if (payload.len != 0)
        memcpy(packet->bytes + 1, payload.ptr, payload.len);
    if (link->first == NULL && event_add(link->writable, NULL) != 0) {
        packet_free(packet);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    *link->last = packet;
    link->last = &packet->next;
    link->queued_bytes += len;
    return AMP_OK;
}

enum amp_err amp_link_send(struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    if (!amp_ipc_permits(type, link->config.self, link->config.peer) ||
        !amp_ipc_fits(type, payload.len, fd >= 0 ? 1 : 0))
        amp_fatal("a message to another role that the table does not allow");
    if (link->fd < 0)
        return AMP_ERR_IO;
    uint8_t type_byte = (uint8_t)type;
    if (link->first != NULL)
        return enqueue(link, type_byte, payload, fd);
    struct iovec parts[2] = {{&type_byte, 1}, {(void *)(uintptr_t)payload.ptr, payload.len}};
    enum amp_err err = transmit(link, parts, 2, fd);
    return err == AMP_ERR_AGAIN ? enqueue(link, type_byte, payload, fd) : err;
}

void amp_link_pause(struct amp_link *link, bool paused)
{
    if (link->fd < 0 || link->paused == paused)
        return;
    link->paused = paused;
    if ((paused ? event_del(link->readable) : event_add(link->readable, NULL)) != 0)
        amp_fatal("a link could not be taken off or put on its loop");
}

bool amp_link_idle(const struct amp_link *link)
{
    return link->first == NULL;
}

enum amp_err amp_link_new(struct amp_link **out, const struct amp_link_config *config, int fd)
{
    enum amp_err err = AMP_ERR_OUT_OF_MEMORY;
    *out = NULL;
    struct amp_link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        close(fd);
        return err;
    }
    link->config = *config;
    link->fd = fd;
    link->last = &link->first;
    int wanted = SOCKET_BUFFER;
    if (evutil_make_socket_nonblocking(fd) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted)) != 0) {
        err = AMP_ERR_IO;
        goto out;
    }
    link->buffer_cap = 1 + amp_ipc_longest(config->peer, config->self) + 1;
    link->buffer = amp_secret_alloc(link->buffer_cap);
    link->readable = event_new(config->base, fd, EV_READ | EV_PERSIST, on_readable, link);
    link->writable = event_new(config->base, fd, EV_WRITE | EV_PERSIST, on_writable, link);
    if (link->buffer == NULL || link->readable == NULL || link->writable == NULL)
        goto out;
    if (event_add(link->readable, NULL) != 0)
        goto out;
    *out = link;
    return AMP_OK;
out:
    amp_link_free(link);
    return err;
}
