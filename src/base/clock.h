/* All time comes from here. Nothing else in the house may ask the system for it (scripts/lint checks). */
#ifndef AMP_BASE_CLOCK_H
#define AMP_BASE_CLOCK_H

#include <stdint.h>

struct amp_clock_ops {
    int64_t (*unix_ms)(void *ctx); /* wall clock, milliseconds since 1970-01-01 UTC: signatures, records, answers */
    int64_t (*mono_ms)(void *ctx); /* monotonic, milliseconds, never steps: expiry, leases, timeouts */
    int64_t (*mono_ns)(void *ctx); /* the same in nanoseconds: what work takes */
};

struct amp_clock {
    const struct amp_clock_ops *ops;
    void *ctx;
};

static inline int64_t amp_clock_unix_ms(const struct amp_clock *clock)
{
    return clock->ops->unix_ms(clock->ctx);
}

static inline int64_t amp_clock_mono_ms(const struct amp_clock *clock)
{
    return clock->ops->mono_ms(clock->ctx);
}

static inline int64_t amp_clock_mono_ns(const struct amp_clock *clock)
{
    return clock->ops->mono_ns(clock->ctx);
}

/* The system's clocks (CLOCK_REALTIME, CLOCK_BOOTTIME so that a suspended machine's secrets still expire). */
struct amp_clock amp_clock_system(void);

/*
 * A request has one time: from here until amp_clock_let_go, or until it is held anew, each of the system's clocks
 * answers this thread as it did when it was first asked, but for mono_ns, which measures. For work of microseconds:
 * nothing that waits may hold it.
 */
void amp_clock_hold(void);
void amp_clock_let_go(void);

/* A clock for tests: time stands still until moved. */
struct amp_clock_fake {
    int64_t unix_ms;
    int64_t mono_ms;
    int64_t work_ns; /* beyond mono_ms, for amp_clock_mono_ns alone */
};
struct amp_clock amp_clock_fake(struct amp_clock_fake *fake);
/* Moves both hands by `ms`. */
void amp_clock_fake_advance(struct amp_clock_fake *fake, int64_t ms);

#endif
