/*
 * What front knows of the subscriptions: which queues are pushed, and to whose key cards are sealed. One for all
 * workers, filled by what the keeper tells; any thread.
 */
#ifndef AMP_API_SUBSCRIBERS_H
#define AMP_API_SUBSCRIBERS_H

#include "keys/subscription.h"

struct amp_subscribers;
enum amp_err amp_subscribers_new(struct amp_subscribers **out) AMP_MUST_USE;
void amp_subscribers_free(struct amp_subscribers *subscribers);

/* Adds one or changes the one of this id. AMP_ERR_JWK_INVALID, AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_subscribers_put(struct amp_subscribers *subscribers,
                                 const struct amp_subscription *subscription) AMP_MUST_USE;
void amp_subscribers_remove(struct amp_subscribers *subscribers, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN]);
/* A new list begins: amp_subscribers_told removes whatever was not put since. */
void amp_subscribers_retell(struct amp_subscribers *subscribers);
void amp_subscribers_told(struct amp_subscribers *subscribers);
/* The whole list was told at least once: until then nobody knows who must be pushed to. */
bool amp_subscribers_known(const struct amp_subscribers *subscribers);

/* Calls `each` for every subscription of the queue (empty: of all queues), in order of their making, until it returns
 * false; `jwk` is NULL where it has none. Under a lock: `each` may take its time for a card, not wait. */
void amp_subscribers_each(struct amp_subscribers *subscribers, struct amp_slice queue,
                          bool (*each)(void *ctx, const struct amp_subscription *subscription,
                                       const struct amp_jwk *jwk),
                          void *ctx);
/*
 * Calls `act` with the active subscriptions of the queue, where there are any: what it returns, otherwise 0. Under the
 * same lock: none of them is removed or changed before it has returned. Cheap where nobody subscribed.
 */
int amp_subscribers_act(struct amp_subscribers *subscribers, struct amp_slice queue,
                        int (*act)(void *ctx, const uint8_t (*ids)[AMP_SUBSCRIPTION_ID_LEN], size_t count), void *ctx);
/* A copy; AMP_ERR_SUBSCRIPTION_UNKNOWN. */
enum amp_err amp_subscribers_get(struct amp_subscribers *subscribers, const uint8_t id[AMP_SUBSCRIPTION_ID_LEN],
                                 struct amp_subscription *out) AMP_MUST_USE;
/* Whether the queue has any active one. Cheap: asked for every token. */
bool amp_subscribers_any(struct amp_subscribers *subscribers, struct amp_slice queue);
size_t amp_subscribers_count(struct amp_subscribers *subscribers);

#endif
