/*
 * The role `courier`: takes messages from front, signs them by the Standard Webhooks scheme and POSTs them to their
 * endpoints under the SSRF rules (spec section 5). It sees what is pushed anyway, never the vault; it may connect out.
 */
#ifndef AMP_COURIER_COURIER_H
#define AMP_COURIER_COURIER_H

#include "ipc/role.h"

int amp_courier_main(const struct amp_role_env *env);

#endif
