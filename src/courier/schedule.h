/*
 * When each delivery is attempted: at once, then again 0.2, 0.5, 1, 2, 5, 10, 10 ... seconds behind each failure, give
 * or take a fifth, later where the endpoint asked for it by Retry-After, and never at or past the message's expiry. By
 * 429 and 503 it asks that for all its deliveries.
 * Knows the subscriptions, and disables those that are gone or failing. Pure: time comes from the clock, attempts go to
 * the transport. Not thread safe.
 */
#ifndef AMP_COURIER_SCHEDULE_H
#define AMP_COURIER_SCHEDULE_H

#include "courier/inbox.h"

/* Under way at once: one to each host, and so many besides. So there is room for one to each there can be, however many
 * never answer. */
#define AMP_SCHEDULE_SHARED_MAX 256
#define AMP_SCHEDULE_TESTS_MAX  64 /* the same, of tests, which wait for nobody: also those of fronts that are gone */
/* So long a delivery waits for its subscription to be told: the keeper's word may come behind front's. */
#define AMP_SCHEDULE_STRANGER_MS   500
#define AMP_SCHEDULE_STRANGERS_MAX 1024
/* That a subscription was disabled is told again with the first delivery behind so long, as the keeper had not heard it
 * or could not write it. */
#define AMP_SCHEDULE_UNHEARD_MS 60000

/* How a delivery ended: what AMP_IPC_DELIVERED tells, and the event log. */
struct amp_delivery_end {
    const struct amp_delivery_order *order; /* its body lives until return */
    enum amp_err err;
    uint32_t status; /* of the last attempt that was answered; 0: none was */
    uint32_t attempts;
    struct amp_slice queue; /* empty where the subscription is unknown */
};

struct amp_schedule_config {
    struct amp_clock clock;
    struct amp_transport transport;
    uint32_t concurrency; /* attempts under way at once to one scheme, host and port: as far as there is room */
    int64_t timeout_ms;   /* of one attempt */
    int64_t disable_after_ms;
    void *ctx;
    /* Neither may call back. */
    void (*ended)(void *ctx, const struct amp_delivery_end *end);
    void (*disabled)(void *ctx, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN], uint32_t generation,
                     enum amp_subscription_state why);
};

struct amp_schedule;
enum amp_err amp_schedule_new(struct amp_schedule **out, const struct amp_schedule_config *config) AMP_MUST_USE;
/* Cancels what is under way and wipes; nothing is called. */
void amp_schedule_free(struct amp_schedule *schedule);

/* A subscription is new, or is told anew. AMP_ERR_OVER_LIMIT, AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_schedule_subscribe(struct amp_schedule *schedule, const struct amp_subscription *subscription,
                                    const struct amp_subscription_secrets *secrets) AMP_MUST_USE;
/* It was deleted: its deliveries end with AMP_ERR_SUBSCRIPTION_UNKNOWN. */
void amp_schedule_unsubscribe(struct amp_schedule *schedule, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN]);
/* The keeper begins to tell all there are (its link is new), and has told all: the others were deleted. At the
 * beginning `disabled` is called again for those whose end it has not told since. */
void amp_schedule_telling(struct amp_schedule *schedule);
void amp_schedule_told(struct amp_schedule *schedule);

/*
 * Takes the order and its body. It ends, now or later, by one call of `ended`: AMP_OK; AMP_ERR_PUSH_EXPIRED;
 * AMP_ERR_SUBSCRIPTION_UNKNOWN; AMP_ERR_SUBSCRIPTION_DISABLED; AMP_ERR_OUT_OF_MEMORY; AMP_ERR_OVERLOADED where it
 * waited for its subscription to be told and is more than its window then; what amp_schedule_give_up was
 * told; of a test, whatever its one attempt brought, AMP_ERR_OVERLOADED where too many are under way, or
 * AMP_ERR_AUDIT_UNAVAILABLE while held. False: it went beyond the window of its
 * subscription, AMP_COURIER_TOTAL, or AMP_COURIER_TESTS.
 */
bool amp_schedule_add(struct amp_schedule *schedule, struct amp_delivery_order *order) AMP_MUST_USE;
/* Does what is due: call it every AMP_SCHEDULE_TICK_MS while something waits. */
#define AMP_SCHEDULE_TICK_MS 32
void amp_schedule_run(struct amp_schedule *schedule);
bool amp_schedule_waits(const struct amp_schedule *schedule);
/* While held, as it is at first, no attempt begins. */
void amp_schedule_hold(struct amp_schedule *schedule, bool held);
/* Who asked is gone, or we are about to be: what is not being attempted ends with `err`, the rest once its attempt is
 * over, however that went, or `at_once` too. */
void amp_schedule_give_up(struct amp_schedule *schedule, enum amp_err err, bool at_once);
size_t amp_schedule_count(const struct amp_schedule *schedule); /* deliveries that have not ended */
size_t amp_schedule_bytes(const struct amp_schedule *schedule); /* of the bodies that front counts, but for tests */

#endif
