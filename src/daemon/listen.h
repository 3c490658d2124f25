/* The listening sockets: opened by the supervisor, for each front anew. */
#ifndef AMP_DAEMON_LISTEN_H
#define AMP_DAEMON_LISTEN_H

#include "daemon/config.h"

struct amp_listen {
    int *fds; /* worker w owns fds[w * per_worker ...] */
    size_t per_worker;
    size_t count;
    bool open;
    uint32_t backlog;
    struct amp_config_address addresses[AMP_CONFIG_ADDRESSES_MAX]; /* as they were bound */
};

/*
 * One SO_REUSEPORT socket for each worker and address, non-blocking and listening; the kernel spreads connections over
 * them. A port of 0 is replaced in `addresses` by the one the kernel chose, the same for all workers. AMP_ERR_IO after
 * saying so in the log.
 */
enum amp_err amp_listen_open(struct amp_listen *out, struct amp_config_address *addresses, size_t address_count,
                             uint32_t workers, uint32_t backlog) AMP_MUST_USE;
/*
 * Closes them and opens others in their place. What a front did to its own (ended them, set their options) does not
 * outlive it; connections that nobody had accepted are reset. AMP_ERR_IO after saying so in the log: `open` is false
 * then, and it may be tried again.
 */
enum amp_err amp_listen_renew(struct amp_listen *sockets) AMP_MUST_USE;
void amp_listen_close(struct amp_listen *sockets);

#endif
