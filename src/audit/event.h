/*
 * What the event log records (PCI DSS 10.2.1, 10.2.2: who, what, when, outcome, from where, which resource) and its
 * binary form on the way to the scribe. No event can hold card data, a token or a secret: it has no field for one.
 */
#ifndef AMP_AUDIT_EVENT_H
#define AMP_AUDIT_EVENT_H

#include "base/err.h"
#include "base/slice.h"

/* X(SYMBOL, name in the log) */
#define AMP_ACTS(X)                                                                                                    \
    X(TOKENIZE, "token.create")                                                                                        \
    X(INSPECT, "token.inspect")                                                                                        \
    X(CLAIM, "token.claim")                                                                                            \
    X(COMMIT, "token.commit")                                                                                          \
    X(ABORT, "token.abort")                                                                                            \
    X(REDEEM, "token.redeem")                                                                                          \
    X(REVOKE, "token.revoke")                                                                                          \
    X(EXPIRE, "token.expire") /* count: how many were wiped */                                                         \
    X(LEASE_LAPSE, "token.lease_lapse")                                                                                \
    X(REQUEST, "request")       /* a refused request that names no act: malformed */                                   \
    X(CONNECTION, "connection") /* broken, not shaken hands with, or beyond a limit */                                 \
    X(QUEUE_CREATE, "queue.create")                                                                                    \
    X(QUEUE_DELETE, "queue.delete") /* count: messages that went with it */                                            \
    X(QUEUE_CHANGE, "queue.change") /* attributes or tags */                                                           \
    X(QUEUE_PURGE, "queue.purge")   /* count: messages */                                                              \
    X(QUEUE_READ, "queue.read")     /* its attributes, tags, tasks, or the list of queues */                           \
    X(QUEUE_MOVE, "queue.move")     /* a move task was started or cancelled */                                         \
    X(MESSAGE_SEND, "message.send") /* count: where a batch, how many */                                               \
    X(MESSAGE_RECEIVE, "message.receive")                                                                              \
    X(MESSAGE_DELETE, "message.delete")                                                                                \
    X(MESSAGE_HIDE, "message.hide")               /* its visibility was changed */                                     \
    X(MESSAGE_EXPIRE, "message.expire")           /* count: how many were wiped */                                     \
    X(MESSAGE_DEAD_LETTER, "message.dead_letter") /* count */                                                          \
    X(MESSAGE_MOVE, "message.move")               /* count: by move tasks */                                           \
    X(MESSAGE_LOSE, "message.lose")               /* count: they went with front, which died */                        \
    X(SUBSCRIPTION_CREATE, "subscription.create")                                                                      \
    X(SUBSCRIPTION_DELETE, "subscription.delete")                                                                      \
    X(SUBSCRIPTION_ROTATE, "subscription.rotate")                                                                      \
    X(SUBSCRIPTION_TEST, "subscription.test")                                                                          \
    X(SUBSCRIPTION_LIST, "subscription.list")                                                                          \
    X(SUBSCRIPTION_DISABLE, "subscription.disable")                                                                    \
    X(PUSH, "push.deliver") /* a message was pushed, or could not be */                                                \
    X(STATS, "stats.read")                                                                                             \
    X(KEY_CREATE, "key.create")                                                                                        \
    X(KEY_ROTATE, "key.rotate")                                                                                        \
    X(KEY_DISABLE, "key.disable")                                                                                      \
    X(KEY_DELETE, "key.delete") /* a key that had ended was forgotten */                                               \
    X(KEY_LIST, "key.list")                                                                                            \
    X(EPOCH_KEY, "key.epoch") /* an epoch key was made and handed to front */                                          \
    X(LOG_START, "log.start")                                                                                          \
    X(LOG_EPOCH, "log.epoch") /* seals an epoch of the log; count: its records before this one */                      \
    X(LOG_TORN, "log.torn")   /* an unfinished last line was cut off at start; count: its bytes */                     \
    X(SERVICE_START, "service.start")                                                                                  \
    X(SERVICE_STOP, "service.stop")                                                                                    \
    X(ROLE_START, "role.start")                                                                                        \
    X(ROLE_DIED, "role.died") /* count: volatile tokens lost where known */                                            \
    X(ROLE_VIOLATION, "role.violation")                                                                                \
    X(CONFIG_RELOAD, "config.reload")                                                                                  \
    X(CLOCK_JUMP, "clock.jump")

enum amp_act {
#define X(symbol, name) AMP_ACT_##symbol,
    AMP_ACTS(X)
#undef X
        AMP_ACT_COUNT_
};
const char *amp_act_name(enum amp_act act);

enum amp_outcome {
    AMP_OUTCOME_SUCCESS,
    AMP_OUTCOME_REFUSED, /* it did not verify, or may not, or cannot be: a discard */
    AMP_OUTCOME_FAILURE, /* we could not */
    AMP_OUTCOME_COUNT_
};
const char *amp_outcome_name(enum amp_outcome outcome);

#define AMP_EVENT_WHO_MAX     20 /* access key id, or a role's or "uid:1000" name */
#define AMP_EVENT_SOURCE_MAX  56 /* "[2001:db8::1]:12345", "local" */
#define AMP_EVENT_QUEUE_MAX   80
#define AMP_EVENT_SUBJECT_MAX 26

struct amp_event {
    int64_t unix_ms;
    enum amp_act act;
    enum amp_outcome outcome;
    enum amp_err code; /* why, where refused or failed */
    bool alarm;        /* somebody should look */
    bool has_token;
    bool has_message;            /* never with has_token: they share a place */
    uint8_t token_reference[16]; /* amp_token_hash's index: a keyed hash; with has_message that message's id */
    uint64_t request_id;         /* 0: none */
    uint64_t count;              /* 0: not counted; else how many the event stands for */
    struct amp_slice who;        /* empty where nobody is known */
    bool who_unverified;         /* nothing verified that it is `who`: the log has it as "claims_to_be" */
    struct amp_slice source;
    struct amp_slice queue;
    struct amp_slice subject; /* what else was acted on: an access key id, a role, a subscription */
};

/* Packed length at most this. */
#define AMP_EVENT_PACKED_MAX 256

/*
 * The packed form begins with its own length (u16, big-endian). Texts longer than their maximum are clipped, and what
 * the log may not hold (all but printable ASCII, quote, backslash) becomes '?': what a stranger claims never forges.
 */
void amp_event_pack(struct amp_out *out, const struct amp_event *event);
/* Slices borrow from `packed`. Reads one event from its front; *used counts its bytes. AMP_ERR_INVALID for any other
 * form, and *event is then of no use; the texts are checked to be printable ASCII without quote or backslash. */
enum amp_err amp_event_unpack(struct amp_event *event, struct amp_slice packed, size_t *used) AMP_MUST_USE;
/* The members of the log's JSON line for it, without braces, from "time" to the last. Overflow where there is no room
 * for AMP_EVENT_JSON_MAX bytes, however many they are. The texts are those that were unpacked, or as plain. */
#define AMP_EVENT_JSON_MAX 640
void amp_event_write_json(struct amp_out *out, const struct amp_event *event, const char *role);

#endif
