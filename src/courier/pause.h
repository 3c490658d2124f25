/* How long a delivery rests behind a failure. */
#ifndef AMP_COURIER_PAUSE_H
#define AMP_COURIER_PAUSE_H

#include <stdint.h>

/* 0.2, 0.5, 1, 2, 5, 10, 10 ... seconds behind the first, second ... attempt, give or take a fifth: many that failed at
 * once are not tried again at once. */
int64_t amp_pause_behind_ms(uint32_t attempts);

#endif
