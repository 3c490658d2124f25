/*
 * Messages between the roles: typed, length-checked, exactly consumed, over SOCK_SEQPACKET pairs, and one table that
 * says who may ask whom what. Anything else is fatal for the asker: the link is cut and the supervisor told.
 */
#ifndef AMP_IPC_IPC_H
#define AMP_IPC_IPC_H

#include "secret/secret.h"

struct event_base;

enum amp_role {
    AMP_ROLE_SUPERVISOR,
    AMP_ROLE_FRONT,
    AMP_ROLE_KEEPER,
    AMP_ROLE_SCRIBE,
    AMP_ROLE_COURIER,
    AMP_ROLE_ADMIN,
    AMP_ROLE_COUNT_
};
const char *amp_role_name(enum amp_role role);

/*
 * X(SYMBOL, from, to, least payload bytes, most payload bytes, descriptors carried)
 * from/to: S supervisor, F front, K keeper, L scribe (log), C courier, A admin client on the unix socket; several
 * letters: any.
 */
#define AMP_IPC_MESSAGES(X)                                                                                            \
    /* the supervisor's control links */                                                                               \
    X(LINK, "S", "FKLC", 2, 2, 1)      /* u8 role, u8 index; the end of a new link to that role */                     \
    X(READY, "FKLC", "S", 0, 0, 0)     /* the role serves */                                                           \
    X(DRAIN, "S", "FKLC", 0, 0, 0)     /* finish what is under way, then exit 0 */                                     \
    X(TLS_FILE, "S", "F", 1, 1, 1)     /* u8 enum amp_tls_file; the open file, for the RELOAD that follows */          \
    X(RELOAD, "S", "FKLC", 0, 0, 1)    /* the new configuration */                                                     \
    X(VIOLATION, "FKLC", "S", 1, 1, 0) /* u8 role that broke the table */                                              \
    X(STATUS, "F", "S", 24, 24,                                                                                        \
      0) /* u64 highest x-amz-date accepted, u64 live tokens, u64 messages: each second that changed */                \
    X(LOG_END, "L", "S", 40, 40,                                                                                       \
      0) /* u64 number of the last durable record, 32 bytes its hash: each second that changed */                      \
    X(KEK, "S", "K", 32, 32, 0) /* the ephemeral KEK, first of all messages */                                         \
    /* front asks keeper */                                                                                            \
    X(DAY_KEY_GET, "F", "K", 42, 120, 0)      /* u64 ask, 20 bytes key id, 8 bytes date; bytes region, service */      \
    X(DAY_KEY, "K", "F", 12, 8192, 0)         /* u64 ask, u32 error [, 32 bytes key, bytes packed principal] */        \
    X(PRINCIPAL_CHANGED, "K", "F", 20, 20, 0) /* key id: forget what is cached of it */                                \
    X(EPOCH_GET, "F", "K", 0, 0, 0)                                                                                    \
    X(EPOCH, "K", "F", 36, 36, 0) /* u32 id, 32 bytes DEK; id 0: none can be had now, ask again later */               \
    X(PING, "F", "K", 0, 0, 0)    /* answered in turn: what was asked before is answered by then */                    \
    X(PONG, "K", "F", 0, 0, 0)                                                                                         \
    /* subscriptions: front asks keeper, keeper tells front and courier */                                             \
    X(SUBSCRIPTION_CREATE, "F", "K", 12, 8192, 0) /* u64 ask, bytes packed subscription (id, state, time: anything) */ \
    X(SUBSCRIPTION_DELETE, "F", "K", 44, 44, 0)   /* u64 ask, 20 bytes who asks, 16 bytes id */                        \
    X(SUBSCRIPTION_ROTATE, "F", "K", 44, 44, 0)   /* the same */                                                       \
    X(SUBSCRIPTION_DONE, "K", "F", 38, 168, 0)    /* u64 ask, u32 error, 16 bytes id, u64 until when the secret        \
                                                     before signs beside (0: it does not), bytes new secret as text */ \
    X(SUBSCRIPTION, "K", "FC", 2, 8192, 0)        /* bytes packed subscription; to C bytes packed secrets as well */   \
    X(SUBSCRIPTION_GONE, "K", "FC", 16, 16, 0)    /* 16 bytes id: it was deleted */                                    \
    X(SUBSCRIPTIONS_TELLING, "K", "FC", 0, 0, 0) /* all there are will be told: on a new link, and on one that fell */ \
                                                 /* behind in place of each change */                                  \
    X(SUBSCRIPTIONS_TOLD, "K", "FC", 0, 0, 0)    /* all were told; what was not since TELLING, is gone */              \
    X(SUBSCRIPTION_FAILED, "C", "K", 24, 24, 0)  /* 16 bytes id, u32 enum amp_subscription_state: disable it; */       \
                                                 /* u32 the generation that failed */                                  \
    /* push: front hands messages to courier; front's link index 0 alone */                                            \
    X(DELIVER, "F", "C", 56, 61440, 0) /* u64 ask, 16 bytes subscription, 16 bytes message id, u64 expires_mono_ms, */ \
                                       /* u8 test, u32 length of the body, bytes its beginning */                      \
    X(DELIVER_MORE, "F", "C", 3, 61440, 0) /* bytes: the body goes on; it ends where its length is reached */          \
    X(DELIVERED, "C", "F", 20, 20, 0)      /* u64 ask, u32 error, u32 HTTP status or 0, u32 attempts */                \
    /* the event log */                                                                                                \
    X(LOG_KEY_GET, "L", "K", 0, 0, 0)                                                                                  \
    X(LOG_KEY, "K", "L", 36, 600, 0)     /* u32 error, 32 bytes chain key, bytes wrapped form for the log */           \
    X(RECORDS, "FKSC", "L", 9, 61440, 0) /* u64 first number, u8 sync soon, then packed events, or none: hello */      \
    X(RECORDED, "L", "FKSC", 17, 17, 0)  /* u64 written up to, u64 durable up to, u8 log is writable */                \
    /* administration: every answer is any number of SECRET or ENTRY, then DONE */                                     \
    X(KEY_CREATE, "A", "K", 8, 8192, 0) /* bytes name, u32 rate, u32 burst, u32 count of grants, and for each */       \
                                        /* u32 permissions, bytes queue */                                             \
    X(KEY_LIST, "A", "K", 0, 0, 0)                                                                                     \
    X(KEY_ROTATE, "A", "K", 28, 28, 0)  /* 20 bytes key id, u64 overlap in ms */                                       \
    X(KEY_DISABLE, "A", "K", 20, 20, 0) /* 20 bytes key id */                                                          \
    X(KEY_SECRET, "K", "A", 63, 63, 0)  /* 20 bytes key id, 43 bytes secret: shown once */                             \
    X(KEY_ENTRY, "K", "A", 20, 8192, 0) /* one packed principal, without its secret */                                 \
    X(KEY_DONE, "K", "A", 4, 4, 0)      /* u32 error */                                                                \
    X(KEY_DELETE, "A", "K", 20, 20, 0)  /* 20 bytes key id; last, as `ampoule` may be newer than the daemon it asks */

enum amp_ipc_type {
#define X(symbol, from, to, least, most, fds) AMP_IPC_##symbol,
    AMP_IPC_MESSAGES(X)
#undef X
        AMP_IPC_COUNT_
};
#define AMP_IPC_MAX_PAYLOAD 61440

/* What front may have under way with the courier, who cuts a front that goes beyond: deliveries for one subscription
 * and in all, and tests, which count apart from them, in all. */
#define AMP_COURIER_WINDOW       256
#define AMP_COURIER_WINDOW_BYTES ((size_t)4 << 20)
#define AMP_COURIER_TOTAL        16384
#define AMP_COURIER_TOTAL_BYTES  ((size_t)64 << 20)
#define AMP_COURIER_TESTS        16
#define AMP_COURIER_TEST_BYTES   4096 /* the body of one */

/* Writing a payload into caller's storage. */
void amp_ipc_put_u8(struct amp_out *out, uint8_t value);
void amp_ipc_put_u32(struct amp_out *out, uint32_t value);
void amp_ipc_put_u64(struct amp_out *out, uint64_t value);
void amp_ipc_put_bytes(struct amp_out *out, struct amp_slice bytes); /* u16 length, then the bytes */

/* Reading one; the first error sticks and reads give zeros and empty slices from then on. */
struct amp_ipc_in {
    struct amp_slice left;
    bool bad;
};
uint8_t amp_ipc_get_u8(struct amp_ipc_in *in);
uint32_t amp_ipc_get_u32(struct amp_ipc_in *in);
uint64_t amp_ipc_get_u64(struct amp_ipc_in *in);
struct amp_slice amp_ipc_get_bytes(struct amp_ipc_in *in, size_t most);
void amp_ipc_get_fixed(struct amp_ipc_in *in, void *out, size_t len);
/* True where nothing was wrong and nothing is left over. */
bool amp_ipc_end(const struct amp_ipc_in *in);

/* One end of a link, on an event loop. Not thread safe: it belongs to its loop's thread. */
struct amp_link;
struct amp_link_config {
    struct event_base *base;
    enum amp_role self;
    enum amp_role peer;
    void *ctx;
    /* A message that the table allows; the payload lives until return. Descriptors belong to the callee (-1: none).
     * Return false where it does not decode exactly: the link is then cut as for any violation. */
    bool (*message)(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd);
    /* What was queued has been sent; NULL: nobody wants to know. */
    void (*drained)(void *ctx, struct amp_link *link);
    /* The peer is gone, or broke the table (violation). The link is closed already; free it here or later. */
    void (*closed)(void *ctx, struct amp_link *link, bool violation);
};
/* Takes `fd`. Everything received is read into, and everything queued is kept in, secret memory. */
enum amp_err amp_link_new(struct amp_link **out, const struct amp_link_config *config, int fd) AMP_MUST_USE;
void amp_link_free(struct amp_link *link);
/* Sends or queues (at most 4 MiB: AMP_ERR_TOO_LARGE). `fd`: passed along and left open, or -1. AMP_ERR_IO once closed.
 */
enum amp_err amp_link_send(struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload,
                           int fd) AMP_MUST_USE;
/* Stops reading, or goes on: what the peer sends waits with the peer. Its end goes unnoticed meanwhile. */
void amp_link_pause(struct amp_link *link, bool paused);
/* Nothing queued. */
bool amp_link_idle(const struct amp_link *link);
/* Creates a non-blocking, close-on-exec pair with room for large packets. */
enum amp_err amp_link_pair(int fds[2]) AMP_MUST_USE;

#endif
