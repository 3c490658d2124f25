/*
 * Requests as templates. Everything but a few bytes is laid out once, and so is the canonical form that is signed: for
 * each request the card, the nonce and the hashes are patched in place. The general signer (wire/sigv4.h) gives the
 * same signatures; tests/unit/cli holds one against the other.
 */
#ifndef AMP_CLI_BENCH_REQUEST_H
#define AMP_CLI_BENCH_REQUEST_H

#include "cli/bench/bench.h"
#include "crypto/crypto.h"

#define BENCH_SUBJECT_LEN 47 /* "tok_" or "clm_" and 43 characters */
#define BENCH_BATCH_MAX   100

/* One kind of request on the wire. */
enum bench_act {
    BENCH_ACT_TOKENIZE,
    BENCH_ACT_BATCH,
    BENCH_ACT_REDEEM,
    BENCH_ACT_CLAIM,
    BENCH_ACT_COMMIT,
    BENCH_ACT_INSPECT,
    BENCH_ACT_CUSTOM,
    BENCH_ACT_COUNT_
};

/* Signs for one thread. */
struct bench_signer {
    struct amp_key256 *day_key; /* in secret memory */
    const struct cli_connection *connection;
    char amz_date[16];
    char nonce[32]; /* 16 random characters, then a counter */
    uint64_t nonce_counter;
    int64_t fresh_until_ns; /* when amz_date is old */
    uint64_t random;        /* state of the generator of test data */
};

/* `connection` is borrowed and may be NULL where nothing is signed. */
enum amp_err bench_signer_init(struct bench_signer *signer, const struct cli_connection *connection) AMP_MUST_USE;
void bench_signer_fini(struct bench_signer *signer);
/* Draws a uniform number of the test data generator (not for secrets). */
uint64_t bench_signer_draw(struct bench_signer *signer);

struct bench_template;
/* `items`: of a batch. AMP_ERR_TOO_LARGE where a name is too long to fit. */
enum amp_err bench_template_new(struct bench_template **out, const struct bench_plan *plan, enum bench_act act,
                                size_t items) AMP_MUST_USE;
void bench_template_free(struct bench_template *template);

/*
 * The next request: new card data or the given subject (BENCH_SUBJECT_LEN bytes; NULL where the act has none), signed
 * now. *out borrows from the template until the next call.
 */
enum amp_err bench_template_make(struct bench_template *template, struct bench_signer *signer, int64_t now_ns,
                                 const char *subject, struct amp_slice *out) AMP_MUST_USE;

#endif
