#include "cli/bench/crew.h"

#include <pthread.h>
#include <stdlib.h>

#include "cli/bench/stopwatch.h"
#include "crypto/crypto.h"

struct hand {
    struct bench_crew *crew;
    struct bench_worker *worker;
    struct bench_phase phase;
    struct bench_result *result;
    bool done;
    pthread_t thread;
};

struct bench_crew {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t turn;  /* a new phase is to be run each time it goes up */
    size_t working; /* hands that have not finished the phase */
    bool quit;
    size_t count;
    size_t started;
    struct hand hands[];
};

/* Waits for a phase after `seen`; false where there is none to come. */
static bool await_phase(struct bench_crew *crew, uint64_t *seen)
{
    pthread_mutex_lock(&crew->lock);
    while (crew->turn == *seen && !crew->quit)
        pthread_cond_wait(&crew->changed, &crew->lock);
    const bool go_on = !crew->quit;
    *seen = crew->turn;
    pthread_mutex_unlock(&crew->lock);
    return go_on;
}

static void finish_phase(struct bench_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->working--;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}

static void *hand_main(void *arg)
{
    struct hand *hand = arg;
    uint64_t seen = 0;
    while (await_phase(hand->crew, &seen)) {
        hand->done = bench_worker_run(hand->worker, &hand->phase, hand->result);
        finish_phase(hand->crew);
    }
    amp_crypto_thread_fini();
    return NULL;
}

/* The i-th of n shares of a whole number; no limit stays no limit. */
static uint64_t share(uint64_t whole, size_t n, size_t i)
{
    return whole == UINT64_MAX ? whole : whole / n + (i < whole % n ? 1 : 0);
}

static enum amp_err start_hand(struct bench_crew *crew, size_t i, const struct bench_plan *plan,
                               const struct bench_address *address)
{
    struct hand *hand = &crew->hands[i];
    hand->crew = crew;
    hand->result = calloc(1, sizeof *hand->result);
    if (hand->result == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    const enum amp_err err =
        bench_worker_new(&hand->worker, plan, address, (size_t)share(plan->connections, crew->count, i));
    if (err != AMP_OK)
        return err;
    if (pthread_create(&hand->thread, NULL, hand_main, hand) != 0)
        return AMP_ERR_OUT_OF_MEMORY;
    crew->started++;
    return AMP_OK;
}

enum amp_err bench_crew_new(struct bench_crew **out, const struct bench_plan *plan, const struct bench_address *address)
{
    struct bench_crew *crew = calloc(1, sizeof *crew + plan->threads * sizeof crew->hands[0]);
    *out = NULL;
    if (crew == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->changed, NULL);
    crew->count = plan->threads;
    for (size_t i = 0; i < crew->count; i++) {
        const enum amp_err err = start_hand(crew, i, plan, address);
        if (err != AMP_OK) {
            bench_crew_free(crew);
            return err;
        }
    }
    *out = crew;
    return AMP_OK;
}

void bench_crew_free(struct bench_crew *crew)
{
    if (crew == NULL)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->quit = true;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    for (size_t i = 0; i < crew->started; i++)
        pthread_join(crew->hands[i].thread, NULL);
    for (size_t i = 0; i < crew->count; i++) {
        bench_worker_free(crew->hands[i].worker);
        free(crew->hands[i].result);
    }
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

const char *bench_crew_run(struct bench_crew *crew, const struct bench_phase *phase, struct bench_result *merged)
{
    const char *failure = NULL;
    for (size_t i = 0; i < crew->count; i++) {
        struct hand *hand = &crew->hands[i];
        hand->phase = *phase;
        hand->phase.quota = share(phase->quota, crew->count, i);
        hand->phase.rate = phase->rate / (double)crew->count;
        *hand->result = (struct bench_result){0};
    }
    merged->start_unix_ns = bench_unix_ns();
    pthread_mutex_lock(&crew->lock);
    crew->turn++;
    crew->working = crew->count;
    pthread_cond_broadcast(&crew->changed);
    while (crew->working > 0)
        pthread_cond_wait(&crew->changed, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
    merged->end_unix_ns = bench_unix_ns();
    for (size_t i = 0; i < crew->count; i++) {
        bench_result_merge(merged, crew->hands[i].result);
        if (!crew->hands[i].done && failure == NULL)
            failure = bench_worker_failure(crew->hands[i].worker);
    }
    return failure;
}

bool bench_crew_ran_dry(const struct bench_crew *crew)
{
    for (size_t i = 0; i < crew->count; i++)
        if (bench_worker_ran_dry(crew->hands[i].worker))
            return true;
    return false;
}
