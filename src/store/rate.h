/*
 * Token buckets per principal, shared by all workers. A principal has one bucket whatever spelling or key it
 * uses.
 */
#ifndef AMP_STORE_RATE_H
#define AMP_STORE_RATE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"

struct amp_rate;
enum amp_err amp_rate_new(struct amp_rate **out, struct amp_clock clock, size_t max_buckets) AMP_MUST_USE;
void amp_rate_free(struct amp_rate *rate);
/*
 * Takes `cost` from `name`'s bucket, which fills with `per_second` and holds `burst`, at least 1 (0
 * per_second: no limit). A cost above the burst takes a whole bucket, so that it can ever be served. The
 * limits are those of this call: a bucket follows when they change. AMP_ERR_RATE_LIMITED: nothing was taken,
 * and *retry_after_s (>= 1) says when to come again. AMP_ERR_OVERLOADED where max_buckets are in use and none
 * of them is idle and full; AMP_ERR_OUT_OF_MEMORY.
 */
enum amp_err amp_rate_take(struct amp_rate *rate, struct amp_slice name, uint32_t per_second, uint32_t burst,
                           uint32_t cost, uint32_t *retry_after_s) AMP_MUST_USE;

#endif
