/*
 * Where webhooks may go (spec section 5, SSRF): public addresses over https. Asked about the very address that is about
 * to be connected to, whatever name or URL led there. Pure: no clock, no resolver.
 */
#ifndef AMP_COURIER_POLICY_H
#define AMP_COURIER_POLICY_H

#include <sys/socket.h>

#include "base/address.h"
#include "base/config.h"

struct amp_policy {
    bool dev;
    size_t allow_count;
    struct amp_address_rule allow[AMP_CONFIG_PUSH_ALLOW_MAX];
};

/* From `dev` and `push.allow`. AMP_ERR_INVALID. */
enum amp_err amp_policy_init(struct amp_policy *policy, const struct amp_config *config) AMP_MUST_USE;
/*
 * What is special by IANA's registries, and of IPv6 all but global unicast, is refused unless push.allow lists it.
 * Forms of IPv6 that hold an IPv4 address are refused likewise; a rule for a whole network of those opens it only as
 * far as the address inside may be connected to, a rule for one of them opens that one. In development mode loopback
 * may be connected to, and is all that may be by http.
 */
bool amp_policy_permits(const struct amp_policy *policy, const struct sockaddr *address, size_t len, bool https);
bool amp_policy_permits_address(const struct amp_policy *policy, const struct amp_address *address, uint16_t port,
                                bool https);

#endif
