/*
 * Signatures that were accepted, remembered until their date leaves the window (spec section 2). Filled only
 * after a signature verified; never evicts inside the window; full means refusal. One hash set per second of
 * x-amz-date, freed whole when that second has left the window. Any thread.
 */
#ifndef AMP_STORE_REPLAY_H
#define AMP_STORE_REPLAY_H

#include "base/err.h"
#include "base/size.h"

struct amp_replay;
/* `skew_s`: half the window, 1 to 900 (AMP_ERR_INVALID). `max_entries`: most remembered at once. AMP_ERR_CRYPTO: no
 * randomness; AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_replay_new(struct amp_replay **out, int64_t skew_s, size_t max_entries) AMP_MUST_USE;
void amp_replay_free(struct amp_replay *replay);

/* Dates up to `until_s` are AMP_ERR_CLOCK_SKEW from now on: what an earlier life accepted of them is not known here. */
void amp_replay_close(struct amp_replay *replay, int64_t until_s);
/* The highest date remembered in this life; 0: none. */
int64_t amp_replay_horizon(struct amp_replay *replay);

/*
 * Remembers `signature` dated `date_s`, checked to lie within skew_s of now_s (AMP_ERR_CLOCK_SKEW otherwise).
 * AMP_ERR_REQUEST_REPLAYED where it is known already; *first_tag then tells the tag it was first seen with
 * (the SQS API's rule asks for the connection), below 2^48 (AMP_ERR_INVALID). AMP_ERR_REPLAY_MEMORY_FULL at
 * max_entries, AMP_ERR_OUT_OF_MEMORY. A second that was forgotten stays closed: where the clock was set back, dates up
 * to it are AMP_ERR_CLOCK_SKEW.
 */
enum amp_err amp_replay_remember(struct amp_replay *replay, const uint8_t signature[32], int64_t date_s, int64_t now_s,
                                 uint64_t tag, uint64_t *first_tag) AMP_MUST_USE;
/* Fetches the signature's place into the cache: for who has something else to do before amp_replay_remember. */
void amp_replay_expect(struct amp_replay *replay, const uint8_t signature[32], int64_t date_s);
/* Frees the seconds that have left the window; call about once a second. */
void amp_replay_sweep(struct amp_replay *replay, int64_t now_s);
size_t amp_replay_count(const struct amp_replay *replay);

#endif
