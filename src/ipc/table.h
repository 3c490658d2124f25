/* The permit table of ipc.h as data: who may send what to whom, how long it is, and what it carries. */
#ifndef AMP_IPC_TABLE_H
#define AMP_IPC_TABLE_H

#include "ipc/ipc.h"

struct amp_ipc_row {
    const char *name;
    const char *from; /* letters, see amp_ipc_permits */
    const char *to;
    size_t least;
    size_t most;
    size_t fds; /* descriptors carried: exactly this many */
};

/* `type` below AMP_IPC_COUNT_. */
const struct amp_ipc_row *amp_ipc_row(enum amp_ipc_type type);
bool amp_ipc_permits(enum amp_ipc_type type, enum amp_role from, enum amp_role to);
/* Does the row allow a message of this form? */
bool amp_ipc_fits(enum amp_ipc_type type, size_t payload_len, size_t fds);
/* The longest payload that `from` may ever send to `to`; 0 where there is none. */
size_t amp_ipc_longest(enum amp_role from, enum amp_role to);

#endif
