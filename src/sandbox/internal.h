/* The parts of a sandbox. Each function is called once, in the order of AMP_SANDBOX_PARTS, in a single thread. */
#ifndef AMP_SANDBOX_INTERNAL_H
#define AMP_SANDBOX_INTERNAL_H

#include "sandbox/sandbox.h"

/* Groups of system calls, see filter.c. */
enum amp_calls {
    AMP_CALLS_COMMON = 1 << 0,  /* memory, time, event loop, links, log */
    AMP_CALLS_THREADS = 1 << 1, /* starting them */
    AMP_CALLS_SERVE = 1 << 2,   /* accepting connections */
    AMP_CALLS_SEALED = 1 << 3,  /* reading and replacing the sealed files */
    AMP_CALLS_LOG = 1 << 4,     /* writing the event log's files */
    AMP_CALLS_CONNECT = 1 << 5, /* connecting out by TCP, asking name servers */
};

struct amp_profile {
    enum amp_role role;
    unsigned calls;
    bool own_network; /* one without interfaces: what it was handed works on, nothing else */
    bool connects;
};
const struct amp_profile *amp_profile_of(enum amp_role role);

/* AMP_ERR_NOT_PERMITTED: this process may not; AMP_ERR_NOT_FOUND: the kernel has none. Nothing was changed then. Any
 * other error: end the process. */
enum amp_err amp_namespaces_enter(const struct amp_profile *profile) AMP_MUST_USE;
enum amp_err amp_root_enter(int empty_fd) AMP_MUST_USE;
enum amp_err amp_landlock_enter(const struct amp_profile *profile, int dir_fd) AMP_MUST_USE;
enum amp_err amp_filter_enter(const struct amp_profile *profile, int dir_fd) AMP_MUST_USE;
/*
 * Takes `user` (where not NULL) and drops all capabilities for good, the bounding set included: but CAP_IPC_LOCK where
 * the process has it and RLIMIT_MEMLOCK is finite and cannot be raised, since its memory must stay locked. Dumpability
 * and the parent-death signal, which end as the user changes, are set anew.
 */
enum amp_err amp_identity_take(const struct amp_sandbox_user *user) AMP_MUST_USE;

/* Landlock's ABI; 0: none. */
int amp_landlock_abi(void);
/* ABI 6. */
bool amp_landlock_holds_signals(void);
bool amp_filter_available(void);

#endif
