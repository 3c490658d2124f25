/* The role that keeps the keys: KEK provider and keyring. Front gets derived day keys and epoch keys, no more. */
#ifndef AMP_KEEPER_KEEPER_H
#define AMP_KEEPER_KEEPER_H

#include "ipc/role.h"

/* See ipc/role.h. */
int amp_keeper_main(const struct amp_role_env *env);

#endif
