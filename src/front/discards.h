/*
 * Refusals of requests that nobody signed for. A stranger decides how many there are, so they are recorded one by one
 * only up to a rate; what is beyond it, and what could not be recorded, is counted by its code and becomes one record
 * for each code and second. One per worker. Push has another, where subscriptions stand for sources: how many messages
 * expire unsent is decided by strangers too.
 */
#ifndef AMP_FRONT_DISCARDS_H
#define AMP_FRONT_DISCARDS_H

#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"

#define AMP_DISCARDS_PER_SOURCE 20  /* a second, for one address */
#define AMP_DISCARDS_PER_WORKER 500 /* a second */

struct amp_discards;
enum amp_err amp_discards_new(struct amp_discards **out, struct amp_clock clock) AMP_MUST_USE;
void amp_discards_free(struct amp_discards *discards);

/*
 * Whether one from `source` ("192.0.2.7:40112": the port is none of it) may have a record of its own. Addresses share
 * a fixed table, hashed under a key of this process: nobody can choose whose share he uses up.
 */
bool amp_discards_admit(struct amp_discards *discards, struct amp_slice source);
/* Counts one that has no record of its own. */
void amp_discards_count(struct amp_discards *discards, enum amp_err code);
/* Hands each count over, once a second; one that `record` returns true for is forgotten, others go on counting. */
void amp_discards_fold(struct amp_discards *discards, bool (*record)(void *ctx, enum amp_err code, uint64_t count),
                       void *ctx);
bool amp_discards_empty(const struct amp_discards *discards);

#endif
