/*
 * Requests as templates. Everything but a few bytes is laid out once, and so is the canonical form that is signed: for
 * each request the card, the nonce and the hashes are patched in place. The general signer (wire/sigv4.h) gives the
 * same signatures; tests/unit/cli holds one against the other.
 */
#ifndef AMP_CLI_BENCH_REQUEST_H
#define AMP_CLI_BENCH_REQUEST_H

#include "cli/bench/bench.h"
#include "crypto/crypto.h"

#define BENCH_SUBJECT_LEN     47 /* "tok_" or "clm_" and 43 characters */
#define BENCH_BATCH_MAX       100
#define BENCH_QUEUE_BATCH     10   /* of the SQS API */
#define BENCH_RECEIPT_LEN_MAX 1024 /* of a ReceiptHandle */

/* One kind of request on the wire. */
enum bench_act {
    BENCH_ACT_TOKENIZE,
    BENCH_ACT_BATCH,
    BENCH_ACT_REDEEM,
    BENCH_ACT_CLAIM,
    BENCH_ACT_COMMIT,
    BENCH_ACT_INSPECT,
    BENCH_ACT_CUSTOM,
    BENCH_ACT_CREATE_QUEUE, /* from here on: actions of the SQS API, in AWS JSON 1.0 */
    BENCH_ACT_TAG_QUEUE,
    BENCH_ACT_SEND,
    BENCH_ACT_SEND_BATCH,
    BENCH_ACT_RECEIVE,
    BENCH_ACT_DELETE_BATCH,
    BENCH_ACT_COUNT_
};

/* What a request is signed for. */
enum bench_service { BENCH_SERVICE_AMPOULE, BENCH_SERVICE_SQS, BENCH_SERVICE_COUNT_ };

/* Signs for one thread. */
struct bench_signer {
    struct amp_key256 *day_keys; /* of each service; in secret memory */
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

/* What of a request's form changes from one to the next. */
struct bench_shape {
    size_t items;       /* of a batch */
    size_t subject_len; /* of the token, claim or receipts that it names; 0: it names none */
};

struct bench_template;
/* AMP_ERR_TOO_LARGE where a name is too long to fit. */
enum amp_err bench_template_new(struct bench_template **out, const struct bench_plan *plan, enum bench_act act,
                                const struct bench_shape *shape) AMP_MUST_USE;
void bench_template_free(struct bench_template *template);

/*
 * The next request: new test data or the given subjects (as many as items, one behind the other; NULL where the act has
 * none), signed now. *out borrows from the template until the next call.
 */
enum amp_err bench_template_make(struct bench_template *template, struct bench_signer *signer, int64_t now_ns,
                                 const char *subjects, struct amp_slice *out) AMP_MUST_USE;

#endif
