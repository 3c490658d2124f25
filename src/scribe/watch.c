#include "scribe/watch.h"

static int64_t measure(const struct amp_clock *clock)
{
    return amp_clock_unix_ms(clock) - amp_clock_mono_ms(clock);
}

void amp_clock_watch_init(struct amp_clock_watch *watch, struct amp_clock clock)
{
    *watch = (struct amp_clock_watch){.clock = clock, .apart_ms = measure(&clock)};
}

bool amp_clock_watch_look(struct amp_clock_watch *watch, struct amp_event *event)
{
    int64_t apart_ms = measure(&watch->clock);
    int64_t moved_ms = apart_ms - watch->apart_ms;
    watch->apart_ms = apart_ms;
    if (moved_ms < 0)
        moved_ms = -moved_ms;
    *event = (struct amp_event){.unix_ms = amp_clock_unix_ms(&watch->clock),
                                .act = AMP_ACT_CLOCK_JUMP,
                                .outcome = AMP_OUTCOME_FAILURE,
                                .alarm = true,
                                .count = (uint64_t)moved_ms};
    return moved_ms >= AMP_CLOCK_JUMP_MS;
}
