/* What the files of this room share. */
#ifndef AMP_FRONT_INTERNAL_H
#define AMP_FRONT_INTERNAL_H

#include <event2/event.h>
#include <pthread.h>
#include <sys/queue.h>

#include "front/discards.h"
#include "front/push.h"
#include "front/worker.h"
#include "store/wheel.h"

/* A request that waits for the keeper's answer to `ask`. */
struct waiting {
    STAILQ_ENTRY(waiting) next;
    struct amp_net_exchange *exchange;
    struct amp_net_request request;
    const struct amp_route *route;
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
LIST_HEAD(parked_list, parked); /* calls that wait: parked.c */

/* What the keeper said of a subscription. In secret memory. */
struct amp_front_word {
    enum amp_err err;
    uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN];
    int64_t older_expires_unix_ms;
    size_t secret_len;
    uint8_t secret[128];
};

struct amp_worker {
    struct amp_front_shared *shared;
    unsigned number;
    pthread_t thread;
    struct event_base *base;
    struct event *mail_event;
    struct event *tick_event;
    int mail_fds[2]; /* a pipe: the main thread writes struct mail, whole */
    struct event *bell_event;
    int bell_fd; /* an eventfd: any thread that left word rings it, see amp_front_ring */

    struct amp_net *net;
    struct amp_front_settings settings;
    struct amp_api *api;
    struct amp_auth *auth;
    struct amp_recorder *recorder;
    struct amp_link *keeper;
    struct amp_push *push; /* worker 0's; NULL elsewhere */

    struct waiting_list waiting;
    struct gated_list gated;
    struct parked_list polls, asking;
    struct amp_wheel due;               /* deadlines of both */
    struct parked *_Atomic woken;       /* that other threads left word for */
    struct amp_push_test *_Atomic mail; /* from other workers */
    uint64_t last_ask;
    struct amp_api_response refusal; /* what the last refused callback answered */

    int64_t next_second_mono_ms;
    int64_t keeper_missed_mono_ms; /* without a link until then the keeper is missed; 0: there was none yet */
    int64_t keeper_silent_mono_ms; /* since when it owes an answer to whether it is well; 0: it owes none */
    int64_t keeper_ping_mono_ms;   /* when it was asked last */
    unsigned keeper_pings;         /* sent and not answered */
    bool keeper_said_stuck;
    uint64_t expired; /* swept since the last event of it */
    uint64_t lapsed;
    struct amp_engine_swept swept;
    struct amp_discards *discards;
    struct amp_net_counts told; /* worker 0's: what the log knows of, connections closed as they came */
    size_t told_connections;    /* that stand in the shared count */
    int64_t push_until_mono_ms; /* while draining: deliveries may take until then */
    bool sweep_more;
    bool push_more;
    bool net_more;
    bool draining;
    bool gave_up; /* what was not pushed is counted as lost */
    bool told_ready;
};

/* exchange.c: the way of a request. */
struct amp_net_handler amp_front_handler(struct amp_worker *worker);
void amp_front_answered(struct amp_worker *worker, uint64_t ask);      /* the keeper answered */
void amp_front_durable(void *worker, uint64_t number);                 /* the log is durable up to `number` */
void amp_front_expire(struct amp_worker *worker, int64_t now_mono_ms); /* deadlines of what waits for either */
enum amp_err amp_front_record(void *worker, const struct amp_event *event, bool want_durable, uint64_t *number);
void amp_front_readiness(void *worker, struct amp_api_readiness *out);
void amp_front_counts(void *worker, struct amp_api_counts *out);
/* An event of this request: its time is now. */
struct amp_event amp_front_event(struct amp_worker *worker, enum amp_act act, const struct amp_net_request *request);
/* Answers, at once or when its record is durable. Takes what the response holds; it has no park. */
void amp_front_conclude(struct amp_worker *worker, struct amp_net_exchange *exchange,
                        const struct amp_net_request *request, struct amp_api_response *response);

/* parked.c: calls that wait. */
/* Takes the response, unless memory is short. */
enum amp_err amp_front_park(struct amp_worker *worker, struct amp_net_exchange *exchange,
                            const struct amp_api_request *call, const struct amp_net_request *request,
                            struct amp_api_response *response) AMP_MUST_USE;
/* Goes on with those that somebody left word for. */
void amp_front_wake_up(struct amp_worker *worker);
void amp_front_end_late(struct amp_worker *worker, int64_t now_mono_ms);
/* Polls of this key id, or all (NULL), are answered with what there is. */
void amp_front_end_polls(struct amp_worker *worker, const uint8_t *key_id);
/* Goes on with the call that asked; nothing where none waits for this number any more. */
void amp_front_answer_ask(struct amp_worker *worker, uint64_t ask, const struct amp_api_answer *told);
/* The same for all asks that `concerned` says true of. */
void amp_front_fail_asks(struct amp_worker *worker, bool (*concerned)(uint64_t ask), enum amp_err err);
/* Keeps the keeper's word for the call that asked, until it is in force; false where memory is short. */
bool amp_front_hold_word(struct amp_worker *worker, uint64_t ask, const struct amp_front_word *word) AMP_MUST_USE;
/* Tells what is in force by now. */
void amp_front_tell_held(struct amp_worker *worker);

/* ask.c: what calls ask of other roles. */
enum amp_err amp_front_ask(void *worker, const struct amp_api_ask *ask, uint64_t *number);
bool amp_front_take_done(struct amp_worker *worker, struct amp_ipc_in *in); /* SUBSCRIPTION_DONE; false: malformed */
void amp_front_lose_keeper(struct amp_worker *worker);                      /* what it was asked will not be answered */
bool amp_front_in_force(struct amp_worker *worker, uint64_t ask, const struct amp_front_word *word);
void amp_front_tell_word(struct amp_worker *worker, uint64_t ask, const struct amp_front_word *word);
/* From any thread: a test to worker 0, or one that has ended back to who asked. Takes it. */
void amp_front_post(struct amp_worker *to, struct amp_push_test *test);
void amp_front_read_mail(struct amp_worker *worker);
void amp_front_burn_mail(struct amp_worker *worker);

/* worker.c */
void amp_front_report(struct amp_worker *worker, enum amp_role violator);
/* Has the worker look at what was left for it. Any thread; a worker outlives all who may ring. */
void amp_front_ring(struct amp_worker *worker);

/* keeper.c: the link to the keeper. */
void amp_front_attach_keeper(struct amp_worker *worker, int fd);
void amp_front_detach_keeper(struct amp_worker *worker);
void amp_front_miss_keeper(struct amp_worker *worker, int64_t now_mono_ms); /* its link ended, and none came since */
/* Each second: asks it whether it is well, so that one that hangs is noticed also where nothing else is asked of it. */
void amp_front_ping_keeper(struct amp_worker *worker);
/* It is there, and what it was asked 3 s ago is answered. */
bool amp_front_keeper_answers(const struct amp_worker *worker);
enum amp_err amp_front_ask_keeper(void *worker, uint64_t ask, const struct amp_sigv4 *scope);
void amp_front_want_epoch(struct amp_worker *worker);

/* courier.c: the link to the courier, of worker 0. */
enum amp_err amp_front_open_push(struct amp_worker *worker) AMP_MUST_USE;
void amp_front_attach_courier(struct amp_worker *worker, int fd);
/* News of subscriptions from the keeper; false: malformed. */
bool amp_front_take_subscription(struct amp_worker *worker, struct amp_ipc_in *in);
bool amp_front_take_subscription_gone(struct amp_worker *worker, struct amp_ipc_in *in);
bool amp_front_take_subscriptions_told(struct amp_worker *worker);
/* While draining: nothing is left to be pushed, or the time for it is over and the rest counted as lost. */
bool amp_front_pushed_out(struct amp_worker *worker);

/* sweep.c: what time does. */
void amp_front_tick(struct amp_worker *worker);
void amp_front_sweep(struct amp_worker *worker);
void amp_front_tell_connections(struct amp_worker *worker); /* to the shared count */
bool amp_front_all_told(const struct amp_worker *worker);   /* nothing is counted that no record tells */

#endif
