/* A schedule over a fake clock and a transport that does as it is told: no sockets. */
#ifndef AMP_TESTS_SCHEDULE_SCENE_H
#define AMP_TESTS_SCHEDULE_SCENE_H

#include <string.h>

#include "../support.h"
#include "courier/courier.h"
#include "courier/schedule.h"
#include "crypto/crypto.h"

enum { ATTEMPTS_MAX = 2048, ENDS_MAX = 4096, STEP_MS = 10 };
/* How much later than planned an attempt may begin: a tick of the wheel, and a step of these tests. */
enum { LATE_MS = 64 + STEP_MS };

/* An attempt that was begun. */
struct amp_attempt {
    struct amp_attempt_order order;
    uint8_t message[AMP_DELIVERY_MESSAGE_LEN];
    char url[AMP_URL_MAX + 1];
    uint8_t first_secret;
    int64_t at_ms;
    bool over;
    bool cancelled;
};

struct end {
    uint64_t ask;
    uint64_t origin;
    enum amp_err err;
    uint32_t status;
    uint32_t attempts;
    size_t queue_len;
};

struct scene {
    struct amp_clock_fake fake;
    struct amp_schedule *schedule;
    struct amp_attempt attempts[ATTEMPTS_MAX];
    size_t attempt_count;
    bool unable; /* the transport cannot begin attempts */
    struct end ends[ENDS_MAX];
    size_t end_count;
    uint8_t disabled[16][AMP_SUBSCRIPTION_ID_LEN];
    enum amp_subscription_state why[16];
    size_t disabled_count;
    size_t secret_used;
};

extern struct scene scene;

int scene_begin(void **state);
int scene_finish(void **state);
#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_finish)
/* Once, before the tests. */
bool scene_prepare(void);

/* A schedule without anything anew: so many attempts at one host at once, instead of 4. */
void begin_anew(uint32_t concurrency);

/* Subscription `n` goes to https://hN.example, and is signed by a secret of bytes n. */
void subscribe_as(unsigned n, bool ordered, enum amp_subscription_state as);
void subscribe(unsigned n);
void subscribe_to(unsigned n, const char *url);
bool offer(unsigned to, uint64_t ask, int64_t life_ms, bool test, size_t body_len);
void deliver(unsigned to, uint64_t ask, int64_t life_ms);
/* The attempt that was begun last, and what comes of one. */
struct amp_attempt *newest(void);
void answer(struct amp_attempt *attempt, enum amp_err err, uint32_t status, int64_t retry_after_ms);
void succeed(struct amp_attempt *attempt);
void refuse(struct amp_attempt *attempt);
/* It fails by a fault of ours. */
void fail_ourselves(struct amp_attempt *attempt);
void pass(int64_t ms);
/* Lets time pass until one more attempt begins, `most_ms` at most; how long that took. */
int64_t until_next(int64_t most_ms);
void assert_ended(size_t i, uint64_t ask, enum amp_err err, uint32_t status, uint32_t attempts);

#endif
