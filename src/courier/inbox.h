/* Deliveries as front hands them over: DELIVER and as many DELIVER_MORE as the body needs (ipc/ipc.h). */
#ifndef AMP_COURIER_INBOX_H
#define AMP_COURIER_INBOX_H

#include "courier/transport.h"

struct amp_delivery_order {
    uint64_t ask;
    uint64_t origin; /* which front asked: for the caller, who fills it in */
    uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN];
    uint8_t message[AMP_DELIVERY_MESSAGE_LEN];
    int64_t expires_mono_ms;
    bool test;
    uint8_t *body; /* secret memory, owned; NULL: there was none left */
    size_t body_len;
};

struct amp_inbox {
    struct amp_delivery_order order;
    size_t filled;
    bool open; /* its body goes on */
    bool whole;
};

/*
 * Each takes one packet; `held`: bytes of the bodies that the courier has, but for tests. False: it is malformed, out
 * of turn, or goes beyond AMP_COURIER_WINDOW_BYTES or AMP_COURIER_TOTAL_BYTES, or as a test AMP_COURIER_TEST_BYTES.
 */
bool amp_inbox_deliver(struct amp_inbox *inbox, struct amp_slice payload, size_t held);
bool amp_inbox_deliver_more(struct amp_inbox *inbox, struct amp_slice payload);
/* Moves out an order whose body is whole. */
bool amp_inbox_take(struct amp_inbox *inbox, struct amp_delivery_order *order);
/* Wipes what was begun. */
void amp_inbox_reset(struct amp_inbox *inbox);

#endif
