/*
 * What is to be pushed: for each subscription the messages that wait for it, in order, and those under way with the
 * courier, within its windows. Names and times alone: a message is opened when it is its turn. A delivery is pending,
 * then under way, and ends exactly once: told by amp_outbox_end, or, pending ones, by amp_outbox_reap. Any thread.
 */
#ifndef AMP_FRONT_OUTBOX_H
#define AMP_FRONT_OUTBOX_H

#include "engine/engine.h"
#include "keys/subscription.h"

/* What front's outbox keeps for each subscription: a quarter of what the courier takes, if there are as many as there
 * may be, and more than a token's message needs. */
#define AMP_OUTBOX_RESERVE       4
#define AMP_OUTBOX_RESERVE_BYTES ((size_t)16 << 10)

struct amp_outbox_config {
    struct amp_clock clock;
    struct amp_budget *budget; /* what pending deliveries take counts here; borrowed */
    /* What may be under way at once, deliveries and bytes: for one subscription, and in all. No message's body is
     * longer than window_bytes. */
    size_t window;
    size_t window_bytes;
    size_t total;
    size_t total_bytes;
    /* Room for so much is kept for each of so many subscriptions. What is left of the total is shared: a third of it
     * holds the longest body. */
    size_t subscriptions;
    size_t reserve;
    size_t reserve_bytes;
};

struct amp_outbox;
enum amp_err amp_outbox_new(struct amp_outbox **out, const struct amp_outbox_config *config) AMP_MUST_USE;
void amp_outbox_free(struct amp_outbox *outbox);

struct amp_delivery {
    uint64_t ask; /* names it while it is under way; never 0, and below 2^63 */
    uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN];
    uint8_t message[AMP_MESSAGE_ID_LEN];
    struct amp_queue_name queue;
    int64_t expires_mono_ms;
};

/* One message for `count` subscriptions, all of its queue: all are pending then, or none. AMP_ERR_VAULT_FULL at the
 * budget's cap, AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_outbox_add(struct amp_outbox *outbox, struct amp_slice queue,
                            const uint8_t (*subscriptions)[AMP_SUBSCRIPTION_ID_LEN], size_t count,
                            const uint8_t message[AMP_MESSAGE_ID_LEN], int64_t expires_mono_ms) AMP_MUST_USE;

/*
 * The next delivery that the windows allow is under way: each subscription's in order, subscriptions in turn. False
 * where there is none now.
 */
bool amp_outbox_next(struct amp_outbox *outbox, struct amp_delivery *delivery);
/*
 * How many bytes the delivery under way takes. False where the windows have no room for them now: it is pending again,
 * first of its subscription, and its turn comes when there is.
 */
bool amp_outbox_fits(struct amp_outbox *outbox, uint64_t ask, size_t bytes) AMP_MUST_USE;
/* The delivery under way could not be sent: it is pending again, first of its subscription. */
void amp_outbox_put_back(struct amp_outbox *outbox, uint64_t ask);
/* The delivery under way has ended. AMP_ERR_NOT_FOUND where none of this number is. */
enum amp_err amp_outbox_end(struct amp_outbox *outbox, uint64_t ask, struct amp_delivery *delivery) AMP_MUST_USE;
/* All that is under way is pending again, in its old order: the courier is gone. Numbers given out mean nothing now. */
void amp_outbox_recall(struct amp_outbox *outbox);

/* The subscription is gone or disabled: what is pending for it will be reaped; what is under way ends as usual. */
void amp_outbox_drop(struct amp_outbox *outbox, const uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN]);
/* The same for every subscription that `keep` says false of. Under a lock. */
void amp_outbox_retain(struct amp_outbox *outbox,
                       bool (*keep)(void *ctx, const uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN]), void *ctx);
/*
 * Takes out one pending delivery that ends without having been sent, and tells why: AMP_ERR_PUSH_EXPIRED, or
 * AMP_ERR_SUBSCRIPTION_UNKNOWN where it was dropped. False where there is none, or *work is spent: each delivery
 * touched costs one of it.
 */
bool amp_outbox_reap(struct amp_outbox *outbox, struct amp_delivery *delivery, enum amp_err *why, size_t *work);

struct amp_outbox_counts {
    uint64_t pending;
    uint64_t under_way;
};
struct amp_outbox_counts amp_outbox_counts(struct amp_outbox *outbox);

#endif
