/*
 * Roles that the supervisor does not start itself, since it has no right to give each a user of its own (--starters
 * DIR). For each role a service manager listens on the unix socket DIR/ROLE and, for each connection, starts a
 * *starter*, `ampouled --starter ROLE`: as the role's user, in a unit of the role's own, with the connection for its
 * standard input. The supervisor connects and orders one life of the role. The starter brings it about, kills it where
 * the connection ends, waits for it, tells how it ended, and ends. So no process needs a capability.
 */
#ifndef AMP_DAEMON_STARTER_H
#define AMP_DAEMON_STARTER_H

#include "daemon/role.h"

/* A role's exit status where its starter refuses: configured like this, it will never start. */
enum { AMP_STARTER_REFUSED = 2 };

/*
 * The supervisor's side. Never blocks but in amp_starter_wait. Connects to `dir`/ROLE, whose listener must be root's or
 * of fds->user, and hands over `fds`, of which those of directories do not count: the role has its own. `*fd` becomes
 * readable when the role has ended, and is the caller's. AMP_ERR_NOT_PERMITTED, AMP_ERR_IO, after the log said why.
 */
enum amp_err amp_starter_order(int *fd, const char *dir, enum amp_role role, const struct amp_role_fds *fds,
                               bool first) AMP_MUST_USE;
/*
 * Once it is readable: how the role ended, as waitpid(2) has it; as if killed where the starter did not say. First of
 * all, that it was started (WIFCONTINUED).
 */
int amp_starter_reap(int fd);
/* The role is killed; its end is told as any other. */
void amp_starter_kill(int fd);
/* For the end of a role that was killed, some seconds at most. */
void amp_starter_wait(int fd);

/* The starter's: everything that such a process does; its exit status. */
int amp_starter_run(const char *role);

#endif
