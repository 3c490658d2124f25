#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/log.h"

static struct timespec read_clock(clockid_t id)
{
    struct timespec now;
    if (clock_gettime(id, &now) != 0)
        amp_fatal("the system has no clock");
    return now;
}

static int64_t read_ms(clockid_t id)
{
    struct timespec now = read_clock(id);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum { NOT_ASKED = -1 };

static _Thread_local struct {
    bool held;
    int64_t unix_ms;
    int64_t mono_ms;
} hands;

void amp_clock_hold(void)
{
    hands.held = true;
    hands.unix_ms = NOT_ASKED;
    hands.mono_ms = NOT_ASKED;
}

void amp_clock_let_go(void)
{
    hands.held = false;
}

static int64_t system_unix_ms(void *ctx)
{
    if (!hands.held || hands.unix_ms == NOT_ASKED)
        hands.unix_ms = read_ms(CLOCK_REALTIME);
    return hands.unix_ms;
}

static int64_t system_mono_ms(void *ctx)
{
    if (!hands.held || hands.mono_ms == NOT_ASKED)
        hands.mono_ms = read_ms(CLOCK_BOOTTIME);
    return hands.mono_ms;
}

static int64_t system_mono_ns(void *ctx)
{
    struct timespec now = read_clock(CLOCK_BOOTTIME);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct amp_clock amp_clock_system(void)
{
    static const struct amp_clock_ops ops = {
        .unix_ms = system_unix_ms, .mono_ms = system_mono_ms, .mono_ns = system_mono_ns};
    return (struct amp_clock){&ops, NULL};
}

static int64_t fake_unix_ms(void *ctx)
{
    return ((const struct amp_clock_fake *)ctx)->unix_ms;
}

static int64_t fake_mono_ms(void *ctx)
{
    return ((const struct amp_clock_fake *)ctx)->mono_ms;
}

static int64_t fake_mono_ns(void *ctx)
{
    const struct amp_clock_fake *fake = ctx;
    return fake->mono_ms * 1000000 + fake->work_ns;
}

struct amp_clock amp_clock_fake(struct amp_clock_fake *fake)
{
    static const struct amp_clock_ops ops = {.unix_ms = fake_unix_ms, .mono_ms = fake_mono_ms, .mono_ns = fake_mono_ns};
    return (struct amp_clock){&ops, fake};
}

void amp_clock_fake_advance(struct amp_clock_fake *fake, int64_t ms)
{
    fake->unix_ms += ms;
    fake->mono_ms += ms;
}
