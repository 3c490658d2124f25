/* The stores that all workers share, and how they hang together. */
#ifndef AMP_FRONT_SHARED_H
#define AMP_FRONT_SHARED_H

#include "front/worker.h"

/* On failure what was opened is left to amp_front_close_shared, or to the process's end. */
enum amp_err amp_front_open_shared(struct amp_front_shared *shared, const struct amp_config *config,
                                   struct amp_clock clock) AMP_MUST_USE;
/* Behind the last worker. */
void amp_front_close_shared(struct amp_front_shared *shared);

#endif
