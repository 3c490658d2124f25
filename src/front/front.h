/* The role that strangers talk to: TLS, parsers, vault, today's derived signing keys, live epoch keys. */
#ifndef AMP_FRONT_FRONT_H
#define AMP_FRONT_FRONT_H

#include "ipc/role.h"

/* Runs the role until it is drained or its supervisor is gone; the process's exit status. */
int amp_front_main(const struct amp_role_env *env);

#endif
