/* What carries one attempt at a delivery to its endpoint: the deliverer, or in tests whatever plays it. */
#ifndef AMP_COURIER_TRANSPORT_H
#define AMP_COURIER_TRANSPORT_H

#include "keys/subscription.h"

struct amp_attempt;

/*
 * AMP_OK: answered with 2xx. AMP_ERR_PUSH_REFUSED: with another status. AMP_ERR_PUSH_UNREACHABLE: there was no whole
 * answer in time. AMP_ERR_URL_REFUSED: nothing was connected to, the rules forbid an address that the name led to.
 */
struct amp_attempt_result {
    enum amp_err err;
    bool ours;              /* for want of memory, a resolver or a route: it says nothing of the endpoint */
    uint32_t status;        /* 0: no whole answer */
    int64_t retry_after_ms; /* Retry-After (RFC 9110 section 10.2.3); 0: none */
};

struct amp_attempt_order {
    const char *url;
    const struct amp_webhook_secret *secrets;
    size_t secret_count;
    const uint8_t *message; /* AMP_DELIVERY_MESSAGE_LEN bytes; as the three above, read before start returns */
    struct amp_slice body;  /* lives until `done` is called or the attempt is cancelled */
    int64_t timeout_ms;     /* of the whole attempt */
    void *ctx;
    void (*done)(void *ctx, const struct amp_attempt_result *result); /* the attempt is freed already */
};

#define AMP_DELIVERY_MESSAGE_LEN 16

struct amp_transport_ops {
    /* `done` comes later, never from within. On failure it does not come. */
    enum amp_err (*start)(void *self, struct amp_attempt **out, const struct amp_attempt_order *order);
    /* Breaks off and frees; `done` does not come. */
    void (*cancel)(void *self, struct amp_attempt *attempt);
};

struct amp_transport {
    const struct amp_transport_ops *ops;
    void *self;
};

#endif
