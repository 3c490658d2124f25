/*
 * What the supervisor orders from a starter: a packet that says it, and packets of descriptors. Both are of one machine
 * and perhaps of two versions; the first byte is the form's, and another one is refused.
 */
#ifndef AMP_DAEMON_ORDER_H
#define AMP_DAEMON_ORDER_H

#include "daemon/role.h"

enum { AMP_ORDER_RESUME_MAX = 127 };

struct amp_order {
    enum amp_role role;
    bool first;                   /* no such role has served since the supervisor started */
    struct amp_sandbox_user user; /* that the starter must have, and the role */
    /* But for `state` and `empty`, which a role finds where it is started. `user`, `listen` and `resume` refer to this
     * struct. */
    struct amp_role_fds fds;
    struct amp_listen listen;
    int listen_fds[AMP_CONFIG_WORKERS_MAX * AMP_CONFIG_ADDRESSES_MAX];
    char resume[AMP_ORDER_RESUME_MAX + 1];
};

/* Over a SOCK_SEQPACKET; never blocks. `fds` stay the caller's. AMP_ERR_IO (errno). */
enum amp_err amp_order_send(int link_fd, enum amp_role role, const struct amp_role_fds *fds, bool first) AMP_MUST_USE;
/* Waits for all of it. AMP_ERR_IO: the other end is gone (errno); AMP_ERR_INVALID: no order, or of another version.
 * Nothing is open then; else amp_order_close. */
enum amp_err amp_order_receive(struct amp_order *out, int link_fd) AMP_MUST_USE;
/* Closes all that came with it. */
void amp_order_close(struct amp_order *order);

#endif
