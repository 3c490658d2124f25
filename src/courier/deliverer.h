/*
 * Attempts over the network: libcurl on the role's event loop. Each is one POST over HTTP/1.1 and TLS 1.2 or 1.3 (http
 * in development mode), signed by the Standard Webhooks scheme, without proxy, redirect, cookie or netrc. A name is
 * resolved once for an attempt, by courier/resolver.h and never by libcurl. Where the policy forbids one address of it
 * nothing is connected to: a name of both kinds is how rebinding looks. Each socket is checked once more as it is
 * opened; a connection that was kept is used while it leads to an address of the name.
 */
#ifndef AMP_COURIER_DELIVERER_H
#define AMP_COURIER_DELIVERER_H

#include "courier/policy.h"
#include "courier/transport.h"

struct event_base;
struct amp_resolver;

#define AMP_DELIVERER_ANSWER_MAX                                                                                       \
    (64 * 1024) /* bytes of an answer's head; of its body, which is discarded, likewise                                \
                 */

struct amp_deliverer_config {
    struct event_base *base;
    struct amp_clock clock;          /* what webhook-timestamp tells */
    const struct amp_policy *policy; /* lives as long as the deliverer */
    int64_t connect_ms;
    int ca_fd;                     /* as amp_trust_read's; borrowed */
    struct amp_resolver *resolver; /* borrowed, it lives longer; not running yet */
};

struct amp_deliverer;
/* AMP_ERR_INVALID: the roots; AMP_ERR_OUT_OF_MEMORY; AMP_ERR_CRYPTO: libcurl is built on another TLS library. */
enum amp_err amp_deliverer_new(struct amp_deliverer **out, const struct amp_deliverer_config *config) AMP_MUST_USE;
/* All attempts are done or cancelled. */
void amp_deliverer_free(struct amp_deliverer *deliverer);
struct amp_transport amp_deliverer_transport(struct amp_deliverer *deliverer);

#endif
