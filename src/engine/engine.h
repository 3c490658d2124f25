/*
 * Queues of sealed messages with the semantics of SQS, behind one table of operations. An engine sees names, times and
 * sealed bytes: never a key, never plaintext. Any thread; nothing blocks. One conformance suite runs against every
 * engine (tests/unit/engine).
 *
 * A message's life: delayed -> available -> in flight (received, hidden for its visibility timeout) -> available again,
 * until it is deleted, purged, or expires. What expired is handed out to nobody, whenever the sweep comes by.
 */
#ifndef AMP_ENGINE_ENGINE_H
#define AMP_ENGINE_ENGINE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "base/slice.h"
#include "secret/secret.h"

#define AMP_QUEUE_NAME_MAX        80
#define AMP_MESSAGE_ID_LEN        16 /* random; as text a UUID */
#define AMP_MESSAGE_HASH_LEN      16 /* keyed hashes: of group ids, deduplication ids, receive attempts */
#define AMP_MESSAGE_SENDER_LEN    20 /* an access key id */
#define AMP_RECEIVE_MAX           10
#define AMP_RECEIVE_BYTES_MAX     (1536 * 1024) /* sealed bytes of one receive, the first message excepted */
#define AMP_RECEIVE_DEAD_MAX      128           /* dead letters that one receive sorts out before it is empty */
#define AMP_QUEUE_TAGS_MAX        50
#define AMP_QUEUE_TAG_KEY_MAX     128 /* characters; bytes of UTF-8 at most four times as many */
#define AMP_QUEUE_TAG_VALUE_MAX   256
#define AMP_QUEUE_ALLOWED_MAX     10
#define AMP_DEDUPLICATION_MS      (5 * 60 * 1000)
#define AMP_QUEUE_NAME_HELD_MS    (60 * 1000) /* a deleted name stays taken; so long between two purges */
#define AMP_IN_FLIGHT_MAX         120000      /* of one queue; one more is AMP_ERR_OVER_LIMIT for a FIFO queue too */
#define AMP_MOVE_TASKS_KEPT       10          /* of one source queue, the running one included */
#define AMP_QUEUE_RETENTION_MAX_S 1209600
#define AMP_MESSAGE_SEALED_MAX    ((1u << 27) - 1)

/* A queue name, in place. */
struct amp_queue_name {
    uint8_t len; /* 0: none */
    uint8_t text[AMP_QUEUE_NAME_MAX];
};
static inline struct amp_slice amp_queue_name_slice(const struct amp_queue_name *name)
{
    return (struct amp_slice){name->text, name->len};
}
/* 1 to 80 of [A-Za-z0-9_-], or of 6 to 80 with ".fifo" behind; AMP_ERR_QUEUE_INVALID. */
enum amp_err amp_queue_name_parse(struct amp_queue_name *name, struct amp_slice text) AMP_MUST_USE;
bool amp_queue_name_is_fifo(struct amp_slice name);

/* Who may name this queue as its dead-letter queue (RedriveAllowPolicy). UNSAID: any, and there is nothing to tell. */
enum amp_redrive_allow { AMP_REDRIVE_UNSAID, AMP_REDRIVE_ALLOW_ALL, AMP_REDRIVE_DENY_ALL, AMP_REDRIVE_BY_QUEUE };

/* Ranges are checked by who makes one (room api). */
struct amp_queue_settings {
    bool fifo;
    bool content_based_deduplication;
    bool deduplicate_per_group; /* DeduplicationScope messageGroup */
    bool throughput_per_group;  /* FifoThroughputLimit perMessageGroupId: reported, and all there is to it */
    uint32_t delay_s;
    uint32_t max_message_bytes;
    uint32_t retention_s;
    uint32_t wait_s;
    uint32_t visibility_s;
    int64_t ttl_ms;                    /* the tag ampoule:ttl-ms, which goes before retention_s; 0: none */
    struct amp_queue_name dead_letter; /* len 0: none */
    uint32_t max_receives;             /* with dead_letter */
    enum amp_redrive_allow redrive_allow;
    uint32_t allowed_count;
    struct amp_queue_name allowed[AMP_QUEUE_ALLOWED_MAX];
};
/* AWS's defaults: no delay, 1 MiB, 4 days, no wait, 30 s. */
void amp_queue_settings_default(struct amp_queue_settings *settings, bool fifo);
/* How long a message may live in such a queue. */
int64_t amp_queue_life_ms(const struct amp_queue_settings *settings);

/* Tags of one queue: count times { u16 length, key, u16 length, value }, sorted by key, no key twice. */
struct amp_queue_tags {
    uint32_t count;
    struct amp_secret_buf packed;
};
/* AMP_ERR_OVER_LIMIT beyond AMP_QUEUE_TAGS_MAX, AMP_ERR_OUT_OF_MEMORY; unchanged then. */
enum amp_err amp_queue_tags_set(struct amp_queue_tags *tags, struct amp_slice key, struct amp_slice value) AMP_MUST_USE;
void amp_queue_tags_remove(struct amp_queue_tags *tags, struct amp_slice key);
/* The next pair from *at (0 at first); false where there is none. Slices borrow. */
bool amp_queue_tags_next(const struct amp_queue_tags *tags, size_t *at, struct amp_slice *key, struct amp_slice *value);

/* What can be told of a queue. */
struct amp_queue_view {
    struct amp_queue_settings settings;
    int64_t created_unix_ms;
    int64_t modified_unix_ms;
    uint64_t available;
    uint64_t in_flight;
    uint64_t delayed;
};

/* Which queues are wanted. Slices borrow. */
struct amp_queue_query {
    struct amp_slice prefix;
    struct amp_slice sources_of; /* not empty: only those whose dead-letter queue is that one */
    struct amp_slice after;      /* only those behind it; empty: from the first */
    /* Under a lock of the engine: it is quick and asks the engine nothing. NULL: all. */
    bool (*wanted)(void *ctx, struct amp_slice name);
    void *ctx;
};

struct amp_message_in {
    struct amp_slice queue;
    uint8_t id[AMP_MESSAGE_ID_LEN];
    uint8_t sender[AMP_MESSAGE_SENDER_LEN];
    struct amp_slice sealed; /* copied */
    uint32_t epoch;          /* names the key that sealed it; told to `dropped` when the message is gone */
    int64_t sent_unix_ms;
    int64_t expires_unix_ms; /* authenticated by the seal, so it never changes: moving a message lengthens no life */
    int64_t delay_ms;        /* of a standard queue; -1: the queue's own. A FIFO queue has its own only */
    /* FIFO queues alone. */
    uint8_t group[AMP_MESSAGE_HASH_LEN];
    uint8_t deduplication[AMP_MESSAGE_HASH_LEN];
};

/* What became of it. */
struct amp_message_sent {
    uint8_t id[AMP_MESSAGE_ID_LEN]; /* where it is a duplicate: the first one's */
    uint64_t sequence;              /* FIFO queues: rises with each message of the queue; 0 elsewhere */
    bool duplicate;                 /* nothing was put; the caller releases the epoch */
};

/* A receipt: who holds it may delete this message or change its visibility, while no later receive made another. */
struct amp_receipt {
    uint8_t id[AMP_MESSAGE_ID_LEN];
    uint64_t stamp; /* random, new with each receive */
};

struct amp_message_out {
    struct amp_receipt receipt;
    uint8_t sender[AMP_MESSAGE_SENDER_LEN];
    struct amp_queue_name home;   /* the queue it was sent to: what the seal authenticates */
    struct amp_queue_name source; /* where it was moved here from; len 0: it was sent here */
    size_t sealed_at;             /* its sealed bytes lie there in the caller's buffer */
    size_t sealed_len;
    uint32_t epoch;
    int64_t sent_unix_ms;
    int64_t expires_unix_ms;
    int64_t first_received_unix_ms;
    uint32_t receives; /* this one included; of each queue no more than 65535 are counted */
    uint64_t sequence; /* FIFO queues */
};

struct amp_receive {
    struct amp_slice queue;
    uint32_t most;         /* 1 to AMP_RECEIVE_MAX */
    int64_t visibility_ms; /* -1: the queue's own; 0: not hidden at all */
    bool has_attempt;      /* FIFO queues: the same attempt within 5 minutes gets the same messages again */
    uint8_t attempt[AMP_MESSAGE_HASH_LEN];
};

/*
 * Waits for a queue to have something to receive. The struct is the caller's and stays where it is while it waits.
 * `wake` is called once, from any thread, under a lock of the engine: it may only leave word with its own thread. It is
 * called too where the queue was deleted. A woken waiter is registered no more.
 */
struct amp_queue_waiter {
    void (*wake)(struct amp_queue_waiter *waiter);
    /* the engine's own */
    struct amp_queue_waiter *next;
    struct amp_queue_waiter **link; /* NULL: not registered */
    uint32_t stripe;
};

enum amp_move_state { AMP_MOVE_RUNNING, AMP_MOVE_COMPLETED, AMP_MOVE_CANCELLED, AMP_MOVE_FAILED };
struct amp_move_task {
    uint8_t id[16];
    enum amp_move_state state;
    struct amp_queue_name source;
    struct amp_queue_name destination; /* len 0: each message to the queue it came from */
    uint32_t per_second;               /* 0: as fast as it goes */
    uint64_t moved;
    uint64_t to_move; /* when it was started */
    int64_t started_unix_ms;
};

struct amp_engine_stats {
    uint64_t queues;
    uint64_t messages; /* of all states */
    uint64_t in_flight;
    uint64_t waiters;
    size_t bytes; /* all memory, tables included */
};

/* What one sweep found; added to. */
struct amp_engine_swept {
    uint64_t expired;
    uint64_t dead_lettered;
    uint64_t moved;
};

struct amp_engine_config {
    struct amp_clock clock;
    struct amp_budget *budget; /* what messages and queues take counts here; borrowed */
    uint32_t max_queues;
    void *ctx;
    /* Told, under no lock, each time sealed bytes are wiped. */
    void (*dropped)(void *ctx, uint32_t epoch);
    /*
     * A message can be received for the first time in this queue: sent, or its delay over, or moved
     * here. Under no lock; peek finds it. Returns for how many deliveries it is taken (at most 100), or -1: not now (a
     * send is refused with AMP_ERR_VAULT_FULL; others are asked again by a later sweep, and can be received meanwhile).
     * Each delivery is ended by `delivered`.
     */
    int (*available)(void *ctx, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN], int64_t expires_mono_ms);
};

struct amp_queue_engine_ops {
    const char *name;          /* "memory" */
    void (*close)(void *self); /* wipes all */

    /*
     * Makes a queue. Where one of this name and these very settings and tags is there already: AMP_OK and *existed;
     * with others AMP_ERR_QUEUE_NAME_EXISTS. AMP_ERR_QUEUE_DELETED_RECENTLY, AMP_ERR_OVER_LIMIT (max_queues),
     * AMP_ERR_VAULT_FULL; AMP_ERR_QUEUE_INVALID where the name is none, or tells another kind than settings->fifo.
     * `tags` is copied; may be NULL.
     */
    enum amp_err (*create)(void *self, struct amp_slice name, const struct amp_queue_settings *settings,
                           const struct amp_queue_tags *tags, bool *existed);
    /* With all its messages. From here on each operation that names a queue: AMP_ERR_QUEUE_UNKNOWN where it is not. */
    enum amp_err (*destroy)(void *self, struct amp_slice name);
    enum amp_err (*look)(void *self, struct amp_slice name, struct amp_queue_view *view);
    /* A copy of its tags, for the caller to free (`packed`). */
    enum amp_err (*tags)(void *self, struct amp_slice name, struct amp_queue_tags *out);
    /*
     * Changes settings and tags at once: `edit` is given copies under the queue's lock, and where it returns AMP_OK
     * they become the queue's. Whether it is FIFO may not change (AMP_ERR_INVALID). A shorter life ends no message
     * early: each keeps the expiry it was sealed with.
     */
    enum amp_err (*change)(void *self, struct amp_slice name,
                           enum amp_err (*edit)(void *ctx, struct amp_queue_settings *settings,
                                                struct amp_queue_tags *tags),
                           void *ctx);
    /* The first `most` names that are wanted, in byte order; *count tells how many, *more: there are others. One pass
     * over all queues, however few are wanted. */
    enum amp_err (*list)(void *self, const struct amp_queue_query *query, struct amp_queue_name *names, size_t most,
                         size_t *count, bool *more);

    /* AMP_ERR_VAULT_FULL at the cap, and where the queue, with what it remembers of sends and receives, would hold more
     * than four times what is left of the budget, so that one queue never takes it all; nothing else is refused for
     * that. Nothing is half put, and the caller keeps the epoch, as with every error.
     * AMP_ERR_INVALID: its life is not 1 ms to 2^32 - 1 ms, or is over by now, or it is longer than
     * AMP_MESSAGE_SEALED_MAX. */
    enum amp_err (*send)(void *self, const struct amp_message_in *message, struct amp_message_sent *sent);
    /*
     * Takes up to `most` messages that are available: those never received, the oldest first, by turns with those that
     * came back (FIFO: in order within each group, and none of a group that has one in flight). Sealed bytes are
     * appended to `sealed` (ciphertext; the caller's). One received more than max_receives times goes to the
     * dead-letter queue instead, where that is there and of the same kind; it takes its count of receives along, and is
     * counted anew there. *count 0: there is none now, or there were AMP_RECEIVE_DEAD_MAX dead letters; `wait` tells
     * which. AMP_ERR_OVER_LIMIT: AMP_IN_FLIGHT_MAX are in flight.
     */
    enum amp_err (*receive)(void *self, const struct amp_receive *receive, struct amp_message_out *out, size_t *count,
                            struct amp_secret_buf *sealed);
    /* AMP_OK also where it is gone already. With the stamp of an earlier receive: nothing is deleted, AMP_OK for a
     * standard queue as AWS answers, AMP_ERR_RECEIPT_INVALID for a FIFO one; there also behind the visibility timeout,
     * when others may have it. */
    enum amp_err (*remove)(void *self, struct amp_slice queue, const struct amp_receipt *receipt);
    /* What was received but is nobody's message, whatever its state: it is gone. */
    void (*discard)(void *self, struct amp_slice queue, const struct amp_receipt *receipt);
    /* What was received but could not be told of: there again at its old place, received once less, as if it had never
     * been. Its receipts are void. Skips those that others received meanwhile, or that are gone. */
    void (*give_back)(void *self, struct amp_slice queue, const struct amp_receipt *receipts, size_t count);
    /* From now; 0: available at once. AMP_ERR_MESSAGE_NOT_INFLIGHT where it is not in flight under this receipt;
     * AMP_ERR_VISIBILITY_INVALID where it would be hidden for more than 12 hours since it was received. */
    enum amp_err (*change_visibility)(void *self, struct amp_slice queue, const struct amp_receipt *receipt,
                                      int64_t visibility_ms);
    /* AMP_ERR_PURGE_IN_PROGRESS within a minute of another. *purged counts. */
    enum amp_err (*purge)(void *self, struct amp_slice queue, uint64_t *purged);

    /* Copies a message without touching it, in whatever state: for push. AMP_ERR_NOT_FOUND where it is gone or expired.
     * out->receipt.stamp and out->receives are 0. */
    enum amp_err (*peek)(void *self, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN],
                         struct amp_message_out *out, struct amp_secret_buf *sealed);
    /* One delivery of those `available` took has ended; `acknowledged`: by its subscriber. A message whose deliveries
     * all ended and were all acknowledged is deleted. Does nothing where it is gone. */
    void (*delivered)(void *self, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN], bool acknowledged);

    /* Registers a waiter. AMP_ERR_AGAIN: receive has something now (it is not registered); AMP_ERR_QUEUE_UNKNOWN. */
    enum amp_err (*wait)(void *self, struct amp_slice queue, struct amp_queue_waiter *waiter);
    /* Behind this call `wake` is not called. Not registered: does nothing. */
    void (*unwait)(void *self, struct amp_queue_waiter *waiter);
    /* Whoever was woken and did not receive passes it on: the next waiter is woken if there is something for it. */
    void (*nudge)(void *self, struct amp_slice queue);

    /* AMP_ERR_MOVE_SOURCE_INVALID: no queue names `source` as its dead-letter queue, or one task runs already, or the
     * destination cannot take its kind. `task` is filled. It fails at a message that cannot go where it should, which
     * stays; without a destination that is where it came from, while that queue names `source` as its dead-letter
     * queue. What was moved counts as never received, and as moved from nowhere. */
    enum amp_err (*move_start)(void *self, struct amp_slice source, struct amp_slice destination, uint32_t per_second,
                               struct amp_move_task *task);
    /* *source and *moved. AMP_ERR_RESOURCE_NOT_FOUND: no such task, or it runs no more. */
    enum amp_err (*move_cancel)(void *self, const uint8_t id[16], struct amp_move_task *task);
    /* A task whatever its state, for who asks whether its caller may cancel it. AMP_ERR_RESOURCE_NOT_FOUND. */
    enum amp_err (*move_find)(void *self, const uint8_t id[16], struct amp_move_task *task);
    /* The latest first. */
    enum amp_err (*move_list)(void *self, struct amp_slice source, struct amp_move_task tasks[AMP_MOVE_TASKS_KEPT],
                              size_t *count);

    /*
     * What time does: expiry, delays, visibility timeouts, deduplication, deleted names, move tasks; touches about
     * `limit` messages. `part` of `parts` (workers share the stripes). True where more is due: come back soon. To be
     * called several times a second; costs nothing where nothing is due.
     */
    bool (*sweep)(void *self, unsigned part, unsigned parts, size_t limit, struct amp_engine_swept *swept);
    void (*stats)(void *self, struct amp_engine_stats *stats);
};

struct amp_queue_engine {
    const struct amp_queue_engine_ops *ops;
    void *self;
};

/* Embedded and volatile: all in this process's memory. */
enum amp_err amp_engine_memory_open(struct amp_queue_engine *out, const struct amp_engine_config *config) AMP_MUST_USE;

#endif
