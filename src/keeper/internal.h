/* What the keeper's files share. */
#ifndef AMP_KEEPER_INTERNAL_H
#define AMP_KEEPER_INTERNAL_H

#include <sys/queue.h>

#include "ipc/recorder.h"
#include "ipc/role.h"
#include "keys/keyring.h"
#include "keys/subscription.h"

struct amp_keeper;

/* Somebody who asks: a worker of front, the courier, the scribe for its key, or an admin client. */
struct amp_asker {
    TAILQ_ENTRY(amp_asker) next;
    struct amp_keeper *keeper;
    struct amp_link *link;
    struct event *idle; /* an admin client that asks nothing gives its place up; NULL: others */
    enum amp_role role;
    uint8_t index;
    bool behind;                     /* news was put off: it is told the whole list once its link is idle */
    bool lost;                       /* could not be told what it must know: dismissed at the end of this turn */
    char who[AMP_EVENT_WHO_MAX + 1]; /* for the record: "uid:0" */
};

TAILQ_HEAD(amp_askers, amp_asker);

struct amp_keeper {
    const struct amp_role_env *env;
    struct event_base *base;
    struct amp_clock clock;
    struct amp_link *control;
    struct amp_recorder *recorder;
    struct amp_key_provider provider;
    struct amp_keyring *keyring; /* NULL until the KEK is there */
    struct amp_subscriptions *subscriptions;
    struct event *review; /* of subscriptions: older secrets end, and owners */
    struct event *forget; /* of keys that ended */
    struct amp_askers askers;
    size_t admin_count;
    bool draining;
    int status;
};

/* Records an act; `who` asked for it, `subject` it was done to. AMP_ERR_AUDIT_UNAVAILABLE where it cannot be. */
enum amp_err amp_keeper_record(struct amp_keeper *keeper, enum amp_act act, enum amp_err code, const char *who,
                               struct amp_slice subject) AMP_MUST_USE;
/* Records an event, of which the time is set here, and the outcome from its code. */
enum amp_err amp_keeper_record_event(struct amp_keeper *keeper, const struct amp_event *event) AMP_MUST_USE;

/* What is done now can be recorded, for certain: otherwise nothing is done, AMP_ERR_AUDIT_UNAVAILABLE. */
bool amp_keeper_can_record(struct amp_keeper *keeper);

/* Wakes `timer` when the wall clock shows that time, at the latest in an hour: it may be set meanwhile. */
void amp_keeper_wake_at(const struct amp_keeper *keeper, struct event *timer, int64_t unix_ms);
#define AMP_KEEPER_TRY_AGAIN_MS (60 * 1000) /* what could not be written */

/* Front is to forget what it has of that key. One that cannot be told is cut off: without its keeper it forgets every
 * day key. */
void amp_keeper_tell_fronts(struct amp_keeper *keeper, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN]);

/* Closes the link with it. */
void amp_keeper_dismiss(struct amp_asker *asker);

/* Each answers one request; false where it is malformed. */
bool amp_keeper_ping(struct amp_asker *asker);
bool amp_keeper_day_key(struct amp_asker *asker, struct amp_slice payload);
bool amp_keeper_epoch(struct amp_asker *asker);
bool amp_keeper_log_key(struct amp_asker *asker);
bool amp_keeper_admin(struct amp_asker *asker, enum amp_ipc_type type, struct amp_slice payload);
bool amp_keeper_subscription(struct amp_asker *asker, enum amp_ipc_type type, struct amp_slice payload);

/* forget.c */
enum amp_err amp_keeper_watch_ended_keys(struct amp_keeper *keeper) AMP_MUST_USE;
/* A key ended, or will: forgets those whose time is over, wakes again for the next. */
void amp_keeper_review_ended_keys(struct amp_keeper *keeper);

/* subscriptions.c */
/* Whether a subscription is this key's. */
bool amp_keeper_key_owns(const struct amp_keeper *keeper, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN]);
enum amp_err amp_keeper_open_subscriptions(struct amp_keeper *keeper) AMP_MUST_USE;
/* Who just got its link is told of all there are, where it is one that is told. */
void amp_keeper_tell_subscriptions(struct amp_asker *asker);
/* Its link is idle again: it is told what was put off. */
void amp_keeper_catch_up(struct amp_asker *asker);
/* Forgets older secrets whose time is over, disables what belongs to nobody any more; wakes again for the next. */
void amp_keeper_review_subscriptions(struct amp_keeper *keeper);

#endif
