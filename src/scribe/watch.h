/* The wall clock, watched beside the monotonic one: where they part, somebody set the time (PCI DSS 10.6). */
#ifndef AMP_SCRIBE_WATCH_H
#define AMP_SCRIBE_WATCH_H

#include "audit/event.h"
#include "base/clock.h"

#define AMP_CLOCK_JUMP_MS 5000 /* from here on it is a jump: what slews a clock takes hours for so much */

struct amp_clock_watch {
    struct amp_clock clock;
    int64_t apart_ms; /* wall clock minus monotonic clock at the last look */
};

void amp_clock_watch_init(struct amp_clock_watch *watch, struct amp_clock clock);
/* Whether the wall clock jumped since the last look, forward or back; then *event is to be recorded. Each jump is told
 * once, however long nobody looked. */
bool amp_clock_watch_look(struct amp_clock_watch *watch, struct amp_event *event) AMP_MUST_USE;

#endif
