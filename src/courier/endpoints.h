/* The subscriptions that the keeper told, each with its deliveries: what schedule.c works on. */
#ifndef AMP_COURIER_ENDPOINTS_H
#define AMP_COURIER_ENDPOINTS_H

#include <sys/queue.h>

#include "courier/transport.h"
#include "courier/window.h"

struct amp_delivery;
TAILQ_HEAD(amp_deliveries, amp_delivery);

/* Where one or more subscriptions go. */
struct amp_host {
    LIST_ENTRY(amp_host) next;
    size_t endpoints; /* of it */
    size_t trying;    /* attempts under way, but for tests */
    bool https;
    uint16_t port;
    size_t name_len;
    char name[AMP_URL_MAX];
};

struct amp_endpoint {
    LIST_ENTRY(amp_endpoint) bucket;
    TAILQ_ENTRY(amp_endpoint) turn;
    uint8_t id[AMP_SUBSCRIPTION_ID_LEN];
    struct amp_host *host;
    enum amp_subscription_state state;
    uint32_t generation;
    bool ordered;
    bool told;    /* since the keeper's link came */
    bool unheard; /* it was disabled here, and the keeper has not told it since */
    bool in_turn;
    bool failing;
    int64_t said_ms;           /* when the keeper was told last that it was disabled */
    int64_t failing_since_ms;  /* of the first attempt of the row without success */
    int64_t idle_since_ms;     /* while `all` is empty */
    int64_t not_before_ms;     /* it asked to be left alone until then */
    struct amp_deliveries all; /* as they came; but for tests */
    struct amp_deliveries ready;
    struct amp_deliveries tests;
    uint32_t trying; /* but for tests */
    struct amp_window window;
    uint8_t queue_len;
    uint8_t queue[AMP_GRANT_QUEUE_MAX];
    char url[AMP_URL_MAX + 1];
    struct amp_subscription_secrets secrets;
};

#define AMP_ENDPOINTS_BUCKETS 256 /* by the first byte of the id, which is random */

struct amp_endpoints {
    LIST_HEAD(, amp_endpoint) buckets[AMP_ENDPOINTS_BUCKETS];
    LIST_HEAD(, amp_host) hosts;
    size_t count;
};

/* NULL: there is none. */
struct amp_endpoint *amp_endpoints_find(const struct amp_endpoints *endpoints,
                                        const uint8_t id[AMP_SUBSCRIPTION_ID_LEN]);
/* A new one, or the one there is with what may have changed: state and secrets. AMP_ERR_OVER_LIMIT,
 * AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_endpoints_put(struct amp_endpoints *endpoints, struct amp_endpoint **out,
                               const struct amp_subscription *subscription,
                               const struct amp_subscription_secrets *secrets) AMP_MUST_USE;
/* It holds no deliveries any more. */
void amp_endpoints_remove(struct amp_endpoints *endpoints, struct amp_endpoint *endpoint);
/* How many of its secrets sign: the older one does until it lapses. */
size_t amp_endpoint_live_secrets(const struct amp_endpoint *endpoint, int64_t now_unix_ms);
/* The next one behind `endpoint`, or the first; NULL behind the last. */
struct amp_endpoint *amp_endpoints_next(const struct amp_endpoints *endpoints, const struct amp_endpoint *endpoint);

#endif
