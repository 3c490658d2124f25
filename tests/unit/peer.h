/* The other end of a role's links, which a test plays without the code that is tested. */
#ifndef AMP_TESTS_PEER_H
#define AMP_TESTS_PEER_H

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "ipc/ipc.h"
#include "support.h"

enum { PEER_PATIENCE_S = 60 };

/* A pair of which this end blocks, but not for ever. */
static inline void peer_pair(int *ours, int *theirs)
{
    int fds[2];
    const struct timeval patience = {.tv_sec = PEER_PATIENCE_S};
    assert_int_equal(amp_link_pair(fds), AMP_OK);
    assert_int_equal(fcntl(fds[0], F_SETFL, 0), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    *ours = fds[0];
    *theirs = fds[1];
}

/* One packet, and a descriptor where `fd` is one. */
static inline void peer_say(int to, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    uint8_t type_byte = (uint8_t)type;
    struct iovec parts[2] = {{&type_byte, 1}, {(void *)(uintptr_t)payload.ptr, payload.len}};
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 2};
    if (fd >= 0) {
        packet.msg_control = &control;
        packet.msg_controllen = sizeof(control);
        struct cmsghdr *part = CMSG_FIRSTHDR(&packet);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(part), &fd, sizeof(int));
    }
    assert_true(sendmsg(to, &packet, MSG_NOSIGNAL) >= 0);
}

#endif
