/* The role that keeps the event log: holds the chain's keys, appends to its directory, and does nothing else. */
#ifndef AMP_SCRIBE_SCRIBE_H
#define AMP_SCRIBE_SCRIBE_H

#include "ipc/role.h"

/* See ipc/role.h. */
int amp_scribe_main(const struct amp_role_env *env);

#endif
