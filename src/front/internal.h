/* What the files of this room share. */
#ifndef AMP_FRONT_INTERNAL_H
#define AMP_FRONT_INTERNAL_H

#include <event2/event.h>
#include <pthread.h>
#include <sys/queue.h>

#include "front/discards.h"
#include "front/worker.h"

/* A request that waits for the keeper's answer to `ask`. */
struct waiting {
    STAILQ_ENTRY(waiting) next;
    struct amp_net_exchange *exchange;
    struct amp_net_request request;
    uint64_t ask;
    int64_t until_mono_ms;
};

/* An answer held back until the log is durable up to its gate. Gates rise along the queue. */
struct gated {
    STAILQ_ENTRY(gated) next;
    struct amp_net_exchange *exchange;
    struct amp_api_response response;
    uint64_t request_id;
    int64_t until_mono_ms;
};

STAILQ_HEAD(waiting_list, waiting);
STAILQ_HEAD(gated_list, gated);

struct amp_worker {
    struct amp_front_shared *shared;
    unsigned number;
    pthread_t thread;
    struct event_base *base;
    struct event *mail_event;
    struct event *tick_event;
    int mail_fds[2]; /* a pipe: the main thread writes struct mail, whole */

    struct amp_net **nets; /* one per listening socket */
    size_t net_count;
    struct amp_front_settings settings;
    struct amp_api *api;
    struct amp_auth *auth;
    struct amp_recorder *recorder;
    struct amp_link *keeper;

    struct waiting_list waiting;
    struct gated_list gated;
    struct amp_api_response refusal; /* what the last refused callback answered */

    int64_t next_second_mono_ms;
    uint64_t expired; /* swept since the last event of it */
    uint64_t lapsed;
    struct amp_discards *discards;
    uint64_t turned_away; /* connections closed at a limit, that the log knows of */
    bool sweep_more;
    bool draining;
    bool told_ready;
};

/* exchange.c: the way of a request. */
struct amp_net_handler amp_front_handler(struct amp_worker *worker);
void amp_front_answered(struct amp_worker *worker, uint64_t ask);      /* the keeper answered */
void amp_front_durable(void *worker, uint64_t number);                 /* the log is durable up to `number` */
void amp_front_expire(struct amp_worker *worker, int64_t now_mono_ms); /* deadlines of what is parked */
enum amp_err amp_front_record(void *worker, const struct amp_event *event, bool want_durable, uint64_t *number);
void amp_front_readiness(void *worker, struct amp_api_readiness *out);

/* worker.c */
void amp_front_report(struct amp_worker *worker, enum amp_role violator);

/* keeper.c: the link to the keeper. */
void amp_front_attach_keeper(struct amp_worker *worker, int fd);
void amp_front_detach_keeper(struct amp_worker *worker);
enum amp_err amp_front_ask_keeper(void *worker, uint64_t ask, const struct amp_sigv4 *scope);
void amp_front_want_epoch(struct amp_worker *worker);

/* sweep.c: what time does. */
void amp_front_tick(struct amp_worker *worker);
void amp_front_sweep(struct amp_worker *worker);
bool amp_front_all_told(const struct amp_worker *worker); /* nothing is counted that no record tells */

#endif
