/* Bodies of requests: laid out once, then a few bytes of each item are patched for every request. */
#ifndef AMP_CLI_BENCH_BODY_H
#define AMP_CLI_BENCH_BODY_H

#include "cli/bench/request.h"

/* Where the bytes that change stand, from an item's start; BENCH_ABSENT where an item has none. */
#define BENCH_ABSENT SIZE_MAX
struct bench_places {
    size_t number;
    size_t cvc;
    size_t order;
    size_t subject;
    size_t group;         /* digits of the message's group */
    size_t deduplication; /* letters of its deduplication id */
};
extern const struct bench_places bench_nowhere;

struct bench_body {
    struct bench_places in_item;
    size_t items_at; /* from the body's start */
    size_t item_stride;
    size_t item_count;
    size_t subject_len;
    uint64_t groups; /* that messages are spread over */
};

/* Writes what will be patched, and tells where it stands. */
static inline size_t bench_mark(struct amp_out *out, const char *blank)
{
    const size_t at = out->len;
    amp_out_str(out, blank);
    return at;
}

/* Most bytes that bench_body_write writes. */
size_t bench_body_cap(const struct bench_plan *plan, const struct bench_shape *shape);
void bench_body_write(struct bench_body *body, struct amp_out *out, const struct bench_plan *plan, enum bench_act act,
                      const struct bench_shape *shape);
/* New test data, and `subjects` (NULL: none), in the body at `bytes`. */
void bench_body_patch(const struct bench_body *body, uint8_t *bytes, struct bench_signer *signer, const char *subjects);

#endif
