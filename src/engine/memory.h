/*
 * The memory engine, inside. Queues are hashed to stripes; a stripe has one lock, one wheel and one index, and all that
 * belongs to a queue lives in its stripe. No call holds two locks: what goes from queue to queue is taken out under one
 * and put in under the other, and goes back where it cannot (memory_travel.c).
 *
 *   queue -> stock -> rings of messages (standard), or of groups of messages (FIFO)
 *
 * A stock is what a queue holds. A queue that is purged or deleted loses its stock at once, and the stock is wiped by
 * and by. A message is one block, known to its stripe's index (by id), to its stripe's wheel (by the time that matters
 * next) and to one ring. What is wiped is taken out under the lock and wiped under none.
 */
#ifndef AMP_ENGINE_MEMORY_H
#define AMP_ENGINE_MEMORY_H

#include <pthread.h>

#include "engine/engine.h"
#include "engine/index.h"
#include "engine/ring.h"
#include "engine/slabs.h"
#include "store/meter.h"
#include "store/wheel.h"

#define AMP_CONTAINER(ptr, type, member) ((type *)(void *)((uint8_t *)(ptr)-offsetof(type, member)))

#define STRIPES        32
#define CHAINS         128 /* of queues, in a stripe */
#define NEWS_MAX       4
#define TRAVELLERS_MAX 8
#define TELL_AGAIN_MS  500 /* after `available` said: not now */
#define VISIBILITY_MAX (INT64_C(12) * 3600 * 1000)
#define PROMPT_WORK    64   /* what a call does of the sweep's work, so that what it tells is true */
#define WIPE_AT_ONCE   1024 /* of a purged or deleted queue */

enum message_state { MESSAGE_DELAYED, MESSAGE_AVAILABLE, MESSAGE_IN_FLIGHT, MESSAGE_STATES };

/* There may be a million of them: what many share is interned (struct origin), times are kept as differences. */
struct message {
    struct amp_index_entry entry; /* the id */
    struct amp_wheel_node due;    /* its expiry, or before that: the end of its delay or visibility timeout */
    struct amp_ring place;        /* standard: in one of its stock's rings; FIFO: in its group's */
    struct origin *origin;
    uint64_t stamp;    /* of the last receive in this queue; 0: none */
    uint32_t sent_low; /* low halves of sent_unix_ms and deadline_ms; its origin has the high ones */
    uint32_t deadline_low;
    uint32_t life_ms;
    uint32_t first_received_ms; /* after it was sent; where it was received */
    uint32_t since_ms;          /* it is in its state, likewise */
    uint32_t sealed_len : 27;
    uint32_t state : 2;
    bool fifo : 1;
    bool untold : 1;    /* `available` is to be asked once it is */
    bool refused : 1;   /* some delivery ended without acknowledgement */
    uint16_t receives;  /* in this queue; no more are counted than fit */
    int16_t deliveries; /* taken less ended; below 0 while `available` is being asked and its delivery has ended */
    uint8_t slab_place;
    uint8_t bytes[]; /* sealed; where FIFO, behind struct in_order */
};

/* The part that messages of FIFO queues have. */
struct in_order {
    struct group *group;
    uint64_t sequence;
};

#define IN_ORDER_AT 112

_Static_assert(offsetof(struct message, bytes) == 109, "with 200 bytes of body, their digest and the seal it is 360");
_Static_assert(offsetof(struct message, bytes) <= IN_ORDER_AT && IN_ORDER_AT % _Alignof(struct in_order) == 0,
               "its FIFO part is aligned");

/*
 * What messages of one stock share: who sent them and to where, from where they were moved here, under which key they
 * are sealed, and the high halves of their times, which change every seven weeks.
 */
struct origin_told {
    uint8_t sender[AMP_MESSAGE_SENDER_LEN];
    uint32_t epoch;
    uint32_t sent_high;
    uint32_t deadline_high;
    uint16_t receives; /* in the queues they were dead-lettered from; no more are counted than fit */
    struct amp_queue_name home;
    struct amp_queue_name source;
};
struct origin {
    struct amp_index_entry entry; /* hash of what is told */
    struct stock *stock;
    uint32_t messages;
    bool known; /* in the stripe's index */
    struct origin_told told;
};

/* The messages of one group in a FIFO queue, in order. Only its first can be received, and while none is in flight. */
struct group {
    struct amp_index_entry entry;
    struct amp_ring place; /* in its stock's ring */
    struct amp_ring messages;
    uint32_t in_flight; /* those that travel included */
    bool receivable;
};

/*
 * The bytes of all that is a queue's, itself included: stocks, messages, groups, memos. Whatever counts here points
 * here, and some of it outlives the queue, so this is freed with the last of it.
 */
struct account {
    size_t bytes;
};

struct stock {
    struct queue *queue; /* NULL: doomed */
    struct account *account;
    bool fifo;
    struct amp_ring doomed;
    uint8_t salt[AMP_INDEX_ID_LEN]; /* so that ids of groups and memos are this stock's */
    uint64_t count[MESSAGE_STATES];
    uint32_t travelling;
    struct amp_ring receivable; /* standard: AVAILABLE messages; FIFO: groups that something can be received of */
    struct amp_ring returned; /* standard: those of them that were received before, which take turns with the others */
    struct amp_ring waiting;  /* the others */
    bool returned_last;       /* the message received last was one of them */
    struct origin *recent;    /* the last sender's, most often the only one's */
    struct origin first;      /* room for one that needs no allocation */
};

struct queue {
    struct queue *next;
    struct amp_ring gone;  /* in the stripe's, once it is deleted and only its name is held */
    int64_t gone_until_ms; /* 0: it lives */
    struct amp_queue_name name;
    struct amp_queue_settings settings;
    uint32_t tag_count;
    uint32_t tags_len;
    uint8_t *tags; /* as struct amp_queue_tags packs them */
    int64_t created_unix_ms;
    int64_t modified_unix_ms;
    int64_t purge_again_ms;
    uint64_t sequence;
    uint8_t salt[AMP_INDEX_ID_LEN]; /* for memos, which outlive a purge */
    struct stock *stock;
    struct account *account;
    struct amp_queue_waiter waiters; /* head of their ring */
};

/* What is remembered for AMP_DEDUPLICATION_MS. */
struct memo {
    struct amp_index_entry entry;
    struct amp_ring by_age;
    struct account *account;
    int64_t until_ms;
};

enum memo_kind { MEMO_DUPLICATE, MEMO_ATTEMPT };

struct duplicate {
    struct memo memo;
    uint8_t id[AMP_MESSAGE_ID_LEN];
    uint64_t sequence : 63;
    uint64_t tentative : 1; /* `available` is being asked, and may refuse the first one */
};

struct attempt {
    struct memo memo;
    uint32_t count;
    struct amp_receipt receipts[AMP_RECEIVE_MAX];
};

struct task {
    struct amp_ring place; /* in the stripe's, the latest first */
    struct amp_ring turn;  /* in the stripe's, while it runs */
    struct queue *source;
    struct amp_move_task told;
    int64_t started_ms;
};

struct stripe {
    pthread_mutex_t lock;
    struct amp_wheel wheel;
    struct amp_index messages;
    struct amp_index origins;
    struct amp_index groups;
    struct amp_index memos;
    struct amp_ring memos_by_age;
    struct amp_ring doomed;
    struct amp_ring gone;
    struct amp_ring travellers; /* that left it and did not get there yet */
    struct amp_ring tasks;
    struct amp_ring at_work;  /* those that run, the next to have its turn first */
    _Atomic uint32_t running; /* so many */
    struct queue *queues[CHAINS];
    /* of queues that live */
    uint64_t queue_count;
    uint64_t message_count;
    uint64_t in_flight;
    uint64_t waiter_count;
    struct amp_engine_swept swept; /* since a sweep last told */
};

struct amp_memory {
    struct amp_engine_config config;
    struct amp_meter meter;
    struct amp_slabs slabs; /* of messages */
    uint64_t seed;          /* of the hash of names */
    _Atomic uint32_t queues;
    _Atomic uint32_t turn; /* where the next sweep begins */
    struct stripe stripes[STRIPES];
};

/* A message that `available` is to be asked about. */
struct news {
    struct amp_queue_name queue;
    uint8_t id[AMP_MESSAGE_ID_LEN];
    int64_t deadline_ms;
};

/* One call's stay in a stripe. */
struct visit {
    struct amp_memory *memory;
    struct stripe *stripe;
    struct queue *queue; /* NULL for a sweep */
    int64_t now_ms;
    struct amp_wheel_node *dead; /* messages to be wiped when the lock is open again */
    unsigned news_count;
    struct news news[NEWS_MAX];
};

/* memory.c: coming and going. */

/* Locks the queue's stripe. AMP_ERR_QUEUE_UNKNOWN: not locked. */
enum amp_err amp_memory_enter(struct visit *visit, struct amp_memory *memory, struct amp_slice queue) AMP_MUST_USE;
/*
 * Locks the stripe where a queue of that name is, or would be: returns what points to it. visit->queue may be one whose
 * name alone is held, or NULL.
 */
struct queue **amp_memory_enter_any(struct visit *visit, struct amp_memory *memory, struct amp_slice queue);
void amp_memory_enter_stripe(struct visit *visit, struct amp_memory *memory, struct stripe *stripe);
/* Unlocks, wipes what died, and asks `available` about the news. */
void amp_memory_leave(struct visit *visit);
/* What points to a queue of the visited stripe. */
struct queue **amp_memory_queue_at(struct visit *visit, const struct queue *queue);

/* memory_queue.c. Ends the queue that `at` points to, where it lives, and its name. */
void amp_memory_queue_free(struct visit *visit, struct queue **at);

/* memory_message.c: what a stock holds. All under the lock. */

/* A block with all that `in` tells but what its origin will, in no stock yet. Needs no lock. AMP_ERR_VAULT_FULL,
 * AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_memory_message_new(struct amp_memory *memory, const struct amp_message_in *in, bool fifo,
                                    struct message **out, int64_t *deadline_ms) AMP_MUST_USE;
/* Wipes it, and does not tell `dropped`. Needs no lock. NULL does nothing. */
void amp_memory_message_free(struct amp_memory *memory, struct message *message);
struct amp_slice amp_memory_message_sealed(const struct message *message);
/* What its block counts for. */
size_t amp_memory_message_cost(const struct message *message);
struct in_order *amp_memory_message_in_order(struct message *message);
/* Where a message comes among those that are available. One of a FIFO queue has its place in its group. */
enum rank {
    RANK_LAST,
    RANK_BY_TIME, /* since when it is available; the wheel gives out the latest first of what is due in one tick */
    RANK_FIRST,
};
/* Puts it into its origin's stock; RANK_FIRST: one of a FIFO queue too is first of its group. */
void amp_memory_message_put(struct visit *visit, struct message *message, enum message_state state, int64_t due_ms,
                            enum rank rank);
/* Out of the state it is in. */
void amp_memory_message_hide(struct visit *visit, struct message *message, int64_t until_ms);
void amp_memory_message_show(struct visit *visit, struct message *message, int64_t since_ms, enum rank rank);
void amp_memory_message_set_due(struct visit *visit, struct message *message, int64_t due_ms);
/* Takes it out of all but its origin and its group, which it still counts for. */
void amp_memory_message_take_out(struct visit *visit, struct message *message);
/* Takes it out of all. The block is the caller's. */
void amp_memory_message_let_go(struct visit *visit, struct message *message);
/* The same; it is wiped, and `dropped` told, when the visit ends. */
void amp_memory_message_destroy(struct visit *visit, struct message *message);
/* For a message that is due and out of the wheel; false where it is gone. */
bool amp_memory_message_ripen(struct visit *visit, struct message *message);
/* The visited queue's message of that id, with what time did to it done. NULL: there is none. */
struct message *amp_memory_message_find(struct visit *visit, const uint8_t id[AMP_MESSAGE_ID_LEN]);
/* The next that can be received of the visited queue: of the group of `taken`, which was just taken, then of any. */
struct message *amp_memory_message_next(struct visit *visit, const struct message *taken);
/* Also where all that could be has expired but is too much to be taken out in one call. */
bool amp_memory_message_waits(const struct stock *stock);
/* What `available` said of the visited queue's message: for how many deliveries it is taken, or -1. */
void amp_memory_told(struct visit *visit, const uint8_t id[AMP_MESSAGE_ID_LEN], int taken);
/* So many more deliveries, or fewer. A message whose deliveries all ended well is destroyed. */
void amp_memory_message_deliver(struct visit *visit, struct message *message, int change);
/* Ripens what is due; false where more may be. */
bool amp_memory_message_tend(struct visit *visit, size_t *work);
static inline int64_t amp_memory_message_sent_unix_ms(const struct message *message)
{
    return (int64_t)((uint64_t)message->origin->told.sent_high << 32 | message->sent_low);
}
/* By the monotonic clock. */
static inline int64_t amp_memory_message_deadline_ms(const struct message *message)
{
    return (int64_t)((uint64_t)message->origin->told.deadline_high << 32 | message->deadline_low);
}
static inline bool amp_memory_message_expired(const struct message *message, int64_t now_ms)
{
    return amp_memory_message_deadline_ms(message) <= now_ms;
}
/* Never received from this queue. */
static inline bool amp_memory_message_is_fresh(const struct message *message)
{
    return message->receives == 0;
}
static inline int64_t amp_memory_message_put_ms(const struct message *message)
{
    return amp_memory_message_deadline_ms(message) - message->life_ms;
}

/* memory_account.c. Under the lock of the stripe that they are in. */

/* For the block that counts here first. It may pass the cap. */
enum amp_err amp_account_new(struct amp_memory *memory, const void *first, struct account **out) AMP_MUST_USE;
void amp_account_add(struct account *account, size_t bytes);
/* What was added. */
void amp_account_take(struct amp_memory *memory, struct account *account, size_t bytes);
/* Whether a queue may hold so much more, which is allocated already: no more than four times what is left to all. */
bool amp_account_has_room(const struct amp_memory *memory, const struct account *account, size_t bytes);

/* memory_stock.c: stocks, and what their messages share. Under the lock. */

/* It may pass the cap: purging must work where memory is full. */
enum amp_err amp_stock_new(struct amp_memory *memory, struct queue *queue, struct stock **out) AMP_MUST_USE;
uint64_t amp_stock_total(const struct stock *stock);
/* From now on it belongs to no queue; wipes up to `*work` of it, and the sweep the rest. Returns how many it held. */
uint64_t amp_stock_doom(struct visit *visit, struct stock *stock, size_t *work);
/* Wipes up to *work messages; the stock itself is freed with its last. */
void amp_stock_wipe(struct visit *visit, struct stock *stock, size_t *work);
/* Frees it where it is doomed and nothing is left. */
void amp_stock_settle(struct visit *visit, struct stock *stock);

/* One more message of that origin. `beyond`: for a move, which may pass the cap. */
enum amp_err amp_origin_take(struct visit *visit, struct stock *stock, const struct origin_told *told, bool beyond,
                             struct origin **out) AMP_MUST_USE;
void amp_origin_release(struct visit *visit, struct origin *origin);

/* The group of that hash; a new one is empty, and must get a message or be settled. */
enum amp_err amp_group_get(struct visit *visit, struct stock *stock, const uint8_t hash[AMP_MESSAGE_HASH_LEN],
                           bool beyond, struct group **out) AMP_MUST_USE;
void amp_group_hash(const struct stock *stock, const struct group *group, uint8_t hash[AMP_MESSAGE_HASH_LEN]);
/* Puts it where it belongs now, or frees it where it is empty. */
void amp_group_settle(struct visit *visit, struct stock *stock, struct group *group);

/* memory_memo.c: what is remembered five minutes. Under the lock. */

void amp_memo_name(const struct queue *queue, enum memo_kind kind, const uint8_t hash[AMP_MESSAGE_HASH_LEN],
                   const uint8_t *group, uint8_t name[AMP_INDEX_ID_LEN]);
struct memo *amp_memo_find(struct visit *visit, const uint8_t name[AMP_INDEX_ID_LEN]);
/* In place of one of that name. `size`: of the memo with what surrounds it. Zeroed behind the memo. */
enum amp_err amp_memo_add(struct visit *visit, const uint8_t name[AMP_INDEX_ID_LEN], size_t size,
                          struct memo **out) AMP_MUST_USE;
void amp_memo_remove(struct visit *visit, struct memo *memo);
/* Forgets what is old enough; false where more is. */
bool amp_memo_tend(struct visit *visit, size_t *work);

/* memory_wait.c */

void amp_waiters_init(struct queue *queue);
/* Wakes the first waiter of the queue, if there is one. */
void amp_waiters_wake_one(struct visit *visit, struct queue *queue);
void amp_waiters_wake_all(struct visit *visit, struct queue *queue);

/* memory_travel.c: from queue to queue. */

enum travel {
    TRAVEL_DEAD_LETTER,
    TRAVEL_TASK,
    TRAVEL_TASK_HOME, /* only to where the queue it leaves is the dead-letter queue, when it gets there */
};
struct traveller {
    struct amp_ring place; /* in the stripe's that it left */
    struct message *message;
    uint8_t id[AMP_MESSAGE_ID_LEN];
    struct origin *origin; /* where it comes from, kept so that it can go back */
    struct group *group;
    struct amp_queue_name to;
    uint64_t stamp;
    bool arrived;
    /* what was told of it on its way, for where it goes back */
    bool removed;
    bool heard;
    bool refused;
    bool untold;
    int16_t deliveries;
};
struct party {
    enum travel travel;
    struct amp_queue_name from;
    unsigned count;
    struct traveller travellers[TRAVELLERS_MAX];
};
void amp_travel_begin(struct party *party, enum travel travel, const struct queue *from);
/* Under the source's lock. There must be room. */
void amp_travel_depart(struct visit *visit, struct party *party, struct message *message,
                       const struct amp_queue_name *to);
/* As amp_memory_remove, amp_memory_told and amp_memory_delivered do for a message that is there. Nothing where it does
 * not travel. */
void amp_travel_removed(struct visit *visit, const struct amp_receipt *receipt);
void amp_travel_told(struct visit *visit, const uint8_t id[AMP_MESSAGE_ID_LEN], int taken);
void amp_travel_delivered(struct visit *visit, const uint8_t id[AMP_MESSAGE_ID_LEN], bool acknowledged);
/* Under no lock: puts each where it wants to go, those that cannot back. Returns how many arrived. */
unsigned amp_travel_arrive(struct amp_memory *memory, struct stripe *from, struct party *party);

/* memory_task.c: move tasks. */

/* With its source queue. */
void amp_tasks_free_of(struct visit *visit, const struct queue *source);
/* Works on the stripe's tasks, a few messages of each in turn. Under no lock. */
void amp_tasks_tend(struct amp_memory *memory, struct stripe *stripe, size_t *work);

/* The rows of the table of operations; contracts are in engine.h. */

enum amp_err amp_memory_create(void *self, struct amp_slice name, const struct amp_queue_settings *settings,
                               const struct amp_queue_tags *tags, bool *existed);
enum amp_err amp_memory_destroy(void *self, struct amp_slice name);
enum amp_err amp_memory_look(void *self, struct amp_slice name, struct amp_queue_view *view);
enum amp_err amp_memory_tags(void *self, struct amp_slice name, struct amp_queue_tags *out);
enum amp_err amp_memory_change(void *self, struct amp_slice name,
                               enum amp_err (*edit)(void *ctx, struct amp_queue_settings *settings,
                                                    struct amp_queue_tags *tags),
                               void *ctx);
enum amp_err amp_memory_list(void *self, const struct amp_queue_query *query, struct amp_queue_name *names, size_t most,
                             size_t *count, bool *more);
enum amp_err amp_memory_send(void *self, const struct amp_message_in *in, struct amp_message_sent *sent);
enum amp_err amp_memory_receive(void *self, const struct amp_receive *receive, struct amp_message_out *out,
                                size_t *count, struct amp_secret_buf *sealed);
enum amp_err amp_memory_remove(void *self, struct amp_slice queue, const struct amp_receipt *receipt);
void amp_memory_discard(void *self, struct amp_slice queue, const struct amp_receipt *receipt);
void amp_memory_give_back(void *self, struct amp_slice queue, const struct amp_receipt *receipts, size_t count);
enum amp_err amp_memory_change_visibility(void *self, struct amp_slice queue, const struct amp_receipt *receipt,
                                          int64_t visibility_ms);
enum amp_err amp_memory_purge(void *self, struct amp_slice queue, uint64_t *purged);
enum amp_err amp_memory_peek(void *self, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN],
                             struct amp_message_out *out, struct amp_secret_buf *sealed);
void amp_memory_delivered(void *self, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN], bool acknowledged);
enum amp_err amp_memory_wait(void *self, struct amp_slice queue, struct amp_queue_waiter *waiter);
void amp_memory_unwait(void *self, struct amp_queue_waiter *waiter);
void amp_memory_nudge(void *self, struct amp_slice queue);
enum amp_err amp_memory_move_start(void *self, struct amp_slice source, struct amp_slice destination,
                                   uint32_t per_second, struct amp_move_task *task);
enum amp_err amp_memory_move_cancel(void *self, const uint8_t id[16], struct amp_move_task *task);
enum amp_err amp_memory_move_find(void *self, const uint8_t id[16], struct amp_move_task *task);
enum amp_err amp_memory_move_list(void *self, struct amp_slice source, struct amp_move_task tasks[AMP_MOVE_TASKS_KEPT],
                                  size_t *count);
bool amp_memory_sweep(void *self, unsigned part, unsigned parts, size_t limit, struct amp_engine_swept *swept);

#endif
