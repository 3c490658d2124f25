/* Many threads at the same thing. */
#ifndef AMP_TESTS_THREADS_H
#define AMP_TESTS_THREADS_H

#include <pthread.h>

#include "crypto/crypto.h"
#include "support.h"

#define THREADS_MAX 16

struct job {
    void (*work)(void *ctx, unsigned number);
    void *ctx;
    unsigned number;
};

static inline void *run_job(void *arg)
{
    const struct job *job = arg;
    job->work(job->ctx, job->number);
    amp_crypto_thread_fini();
    return NULL;
}

/* Starts `work` in so many threads, with its number, and waits; the numbers are 0 to count - 1. */
static inline void run_threads(unsigned count, void (*work)(void *ctx, unsigned number), void *ctx)
{
    pthread_t threads[THREADS_MAX];
    struct job jobs[THREADS_MAX];
    assert_true(count <= THREADS_MAX);
    for (unsigned i = 0; i < count; i++) {
        jobs[i] = (struct job){work, ctx, i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

#endif
