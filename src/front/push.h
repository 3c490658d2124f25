/*
 * Push: the one link to the courier, and the deliveries that go over it. What the outbox holds is opened when it is its
 * turn and the windows have room, sent, and ended when the courier says so; where the courier goes, what was under way
 * is pending again. Belongs to one worker's thread.
 */
#ifndef AMP_FRONT_PUSH_H
#define AMP_FRONT_PUSH_H

#include "audit/event.h"
#include "front/outbox.h"
#include "ipc/ipc.h"

struct event_base;

/* One attempt at an endpoint, at once and never again, for the asking call of some worker. */
struct amp_push_test {
    struct amp_push_test *next;
    struct amp_worker *from; /* whose call waits, and what it calls it; for who asks alone */
    uint64_t number;
    uint64_t ask;
    uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN];
    struct amp_secret_buf body;
    bool done; /* these tell the answer then */
    enum amp_err err;
    uint32_t http_status;
};
/* On the heap; body is a copy. */
enum amp_err amp_push_test_new(struct amp_push_test **out, struct amp_slice body) AMP_MUST_USE;
void amp_push_test_free(struct amp_push_test *test);

struct amp_push_config {
    struct event_base *base;
    struct amp_clock clock;
    struct amp_outbox *outbox; /* borrowed */
    struct amp_queue_engine queues;
    void *ctx;
    /* amp_api_open_for_push, by whatever api serves now. */
    enum amp_err (*open)(void *ctx, const struct amp_delivery *delivery, struct amp_secret_buf *body);
    /* AMP_OK where it is recorded. */
    enum amp_err (*record)(void *ctx, const struct amp_event *event);
    /* The courier said something, which is dealt with next. */
    void (*heard)(void *ctx);
    /* A test has ended; it is the callee's. */
    void (*tested)(void *ctx, struct amp_push_test *test);
    /* The courier is gone, or broke the table. */
    void (*gone)(void *ctx, bool violation);
};

struct amp_push;
enum amp_err amp_push_new(struct amp_push **out, const struct amp_push_config *config) AMP_MUST_USE;
void amp_push_free(struct amp_push *push);
/* Takes the link; an older one is replaced. */
void amp_push_attach(struct amp_push *push, int fd);
bool amp_push_attached(const struct amp_push *push);

/* Sends what can be sent now, but no more than some; true where more could follow at once. */
bool amp_push_go(struct amp_push *push);
/* Ends what expired or was dropped; true where there is more of it. */
bool amp_push_reap(struct amp_push *push);
/* Records what had no record of its own; call once a second. */
void amp_push_fold(struct amp_push *push);
/* Nothing is counted that no record tells. */
bool amp_push_all_told(const struct amp_push *push);
/* Takes the test, and tells its end in any case: AMP_ERR_OVERLOADED where the courier is away or has as many tests as
 * it may, AMP_COURIER_TESTS, or this one is longer than AMP_COURIER_TEST_BYTES. */
void amp_push_take_test(struct amp_push *push, struct amp_push_test *test);
/* Nothing more will be sent: what is pending is lost, and counted. What is under way the courier ends, and records. */
void amp_push_give_up(struct amp_push *push);

#endif
