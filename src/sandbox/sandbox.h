/*
 * What a role may still do once strangers speak to it. Each is confined in ways that do not rely on each other: a user
 * of its own without capabilities, namespaces and an empty root directory, Landlock, and a list of system calls, of
 * which every other is death (SIGSYS). What is in force ends with the process alone.
 */
#ifndef AMP_SANDBOX_SANDBOX_H
#define AMP_SANDBOX_SANDBOX_H

#include <sys/types.h>

#include "ipc/ipc.h"

/* X(SYMBOL, name): the parts of a sandbox, in the order of entering. */
#define AMP_SANDBOX_PARTS(X)                                                                                           \
    X(NAMESPACES, "namespaces") /* network (but the courier's), mounts, IPC, host name: needs CAP_SYS_ADMIN */         \
    X(ROOT, "root")             /* an empty directory in place of /: needs CAP_SYS_CHROOT */                           \
    X(USER, "user")             /* its own, not the supervisor's; no capabilities */                                   \
    X(MDWE, "mdwe")             /* no memory becomes executable: Linux 6.3 */                                          \
    X(LANDLOCK, "landlock")     /* no files but its own; Linux 6.7: no TCP port but as its role needs; 6.12: no */     \
                                /* signals to others and no abstract unix sockets */                                   \
    X(SECCOMP, "seccomp")       /* the list of system calls */

enum amp_sandbox_part {
#define X(symbol, name) AMP_SANDBOX_##symbol,
    AMP_SANDBOX_PARTS(X)
#undef X
        AMP_SANDBOX_PART_COUNT_
};
const char *amp_sandbox_part_name(enum amp_sandbox_part part);

struct amp_sandbox_user {
    uid_t uid;
    gid_t gid;
};

/* A name, or a number that is user and group alike. AMP_ERR_NOT_FOUND: nobody, or root. Asks the system (NSS). */
enum amp_err amp_sandbox_user_find(struct amp_sandbox_user *out, const char *text) AMP_MUST_USE;
/* Whether this process may take other users: CAP_SETUID and CAP_SETGID. */
bool amp_sandbox_may_change_users(void);

struct amp_sandbox {
    enum amp_role role;                  /* front, keeper, scribe, courier */
    const struct amp_sandbox_user *user; /* NULL: it keeps the process's */
    int dir_fd;                          /* keeper, scribe: the directory of their pinned names; -1: none */
    int empty_fd;                        /* an empty directory that becomes the root; -1: none */
    bool required;                       /* a kernel without seccomp or Landlock is refused */
    bool dev;                            /* development mode: what is missing is no cause for a warning */
};

/*
 * Confines this process for good. Call it with all libraries set up and all names of files pinned (base/pins.h), before
 * threads, and before a stranger's byte is read. Needs amp_secret_harden_process. What the kernel or the process's
 * privileges do not allow is left out and said in the log, but for `user` and what `required` says.
 * AMP_ERR_SANDBOX_REFUSED: end this process.
 *
 * Programs built with a sanitizer stay outside: its run time asks the kernel for more than any of these allow.
 */
enum amp_err amp_sandbox_enter(const struct amp_sandbox *sandbox) AMP_MUST_USE;
/* What this process is confined by: 1 << enum amp_sandbox_part for each. */
unsigned amp_sandbox_parts(void);

/* What `required` asks for, of this kernel; false after the log said what is missing. True in sanitizer builds. */
bool amp_sandbox_kernel_suffices(void);

#endif
