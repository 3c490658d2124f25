/*
 * One worker of front: an event loop in a thread of its own with its own connections, verifier, handlers and
 * links to keeper and scribe, over the stores all workers share. Nothing in it blocks: what waits for the
 * keeper or for the log is parked and resumed by the answer.
 */
#ifndef AMP_FRONT_WORKER_H
#define AMP_FRONT_WORKER_H

#include "api/api.h"
#include "auth/auth.h"
#include "ipc/recorder.h"
#include "ipc/role.h"
#include "net/net.h"

struct amp_worker;
struct amp_outbox;

/* What all workers share; set up once (shared.h) before the first thread and torn down behind the last. */
struct amp_front_shared {
    struct amp_clock clock;
    int64_t start_mono_ms;
    struct amp_budget budget;
    struct amp_epochs *epochs;
    struct amp_vault *vault;
    struct amp_token_keys *token_keys;
    struct amp_idempotency *idempotency;
    struct amp_replay *replay;
    struct amp_rate *rate;
    struct amp_net_commons *commons;
    struct amp_budget queue_budget; /* of messages, queues, and what is to be pushed */
    struct amp_queue_engine queues;
    struct amp_subscribers *subscribers; /* filled by worker 0 */
    struct amp_outbox *outbox;           /* emptied by worker 0 */
    int64_t skew_s;                      /* fixed for the life of the process: the replay memory is built for it */
    unsigned worker_count;
    const char *key_provider;
    bool dev;
    enum amp_secret_lock memory;
    _Atomic bool served; /* since every worker could serve: each has links of its own */
    _Atomic bool draining;
    _Atomic unsigned running;          /* workers other than 0, which ends behind them */
    struct amp_worker *_Atomic pusher; /* worker 0, which owns the link to the courier */
    _Atomic bool pusher_rung;          /* it will look into the outbox */
    _Atomic bool courier_here;
    _Atomic size_t connections;          /* of all workers, as of the last turn of each */
    _Atomic size_t parked;               /* calls that wait */
    _Atomic unsigned epoch_asker;        /* number + 1 of the one worker that asks for an epoch key now; 0: none */
    _Atomic int64_t epoch_not_before_ms; /* monotonic: there was none to be had */
    /* A pipe to the main thread: each byte names a role that broke the table of messages, or, as the front itself, says
     * that one worker more can serve. */
    int report_fd;
};

/* What may change while the daemon runs; a copy goes to each worker. */
struct amp_front_settings {
    struct amp_net_limits limits;
    int64_t ttl_ms;
    int64_t ttl_max_ms;
    bool mask_bin8;
};

/* Takes the descriptors, also on failure. The thread starts at once. */
enum amp_err amp_worker_start(struct amp_worker **out, struct amp_front_shared *shared, unsigned number,
                              const int *listen_fds, size_t listen_count, struct amp_tls *tls,
                              const struct amp_front_settings *settings) AMP_MUST_USE;
/* From the main thread; each is carried out by the worker's own. */
void amp_worker_link(struct amp_worker *worker, enum amp_role peer, int fd); /* takes fd */
void amp_worker_reload(struct amp_worker *worker, struct amp_tls *tls, const struct amp_front_settings *settings);
/* Finishes what is under way, has the log written, ends the thread. */
void amp_worker_drain(struct amp_worker *worker);
/* Waits for the thread's end and frees. */
void amp_worker_join(struct amp_worker *worker);

#endif
