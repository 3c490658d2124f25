/* A role's process: how the supervisor starts one, and how one begins. */
#ifndef AMP_DAEMON_ROLE_H
#define AMP_DAEMON_ROLE_H

#include <sys/types.h>

#include "daemon/listen.h"
#include "ipc/role.h"
#include "sandbox/sandbox.h"

/* Descriptors of a new role; -1 where it gets none. All are borrowed: the caller closes what is his. */
struct amp_role_fds {
    int control;
    int config;
    int state;
    int tls[AMP_TLS_FILE_COUNT_];
    int push_ca;
    int empty;                       /* an empty directory */
    int binary;                      /* the program that it runs, see amp_role_binary */
    uint32_t workers;                /* event loops of front, where the configuration does not say */
    const struct amp_listen *listen; /* NULL: none */
    /* Of an earlier life, in words; NULL: nothing. front: the last second whose signatures are refused;
     * scribe: the number of the last durable record, a colon, its hash. */
    const char *resume;
    const struct amp_sandbox_user *user; /* that it takes; NULL: it keeps the supervisor's */
};

/* This process's own program, opened once (O_PATH): an upgrade on disk does not mix two versions. -1 (errno). */
int amp_role_binary(void);

/* Starts that program as `role`. It dies with the caller. AMP_ERR_IO (errno). */
enum amp_err amp_role_spawn(enum amp_role role, const struct amp_role_fds *fds, pid_t *pid) AMP_MUST_USE;

/* Everything such a process does, from `--role NAME --workers N [--user UID:GID] [--resume TEXT]` on; its exit status.
 */
int amp_role_run(const char *name, uint32_t workers, const char *user, const char *resume);

/* In such a process, before it is confined: pins the names of its files and opens what it will need. AMP_ERR_IO,
 * AMP_ERR_INVALID, after the log said why where it is the operator's to mend. */
enum amp_err amp_role_prepare(enum amp_role role, struct amp_role_env *env) AMP_MUST_USE;

/* "front", "keeper", "scribe", "courier": those that are processes of their own. False for any other. */
bool amp_role_parse(const char *name, enum amp_role *role);

#endif
