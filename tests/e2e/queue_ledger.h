/*
 * The queue checker's book: what was sent, what came, what was deleted, and when; and the verdict over it. Whoever
 * keeps it is honest about what he does not know: a connection that was cut leaves an outcome unknown.
 *
 * Times are milliseconds of the clock that the daemon reads too, rounded down by both: so no leeway is given.
 */
#ifndef QUEUE_LEDGER_H
#define QUEUE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LEDGER_QUEUES = 4, LEDGER_STANDARD = 2 /* the first two; the others are FIFO */, LEDGER_ID_LEN = 36 };

enum ledger_fate {
    LEDGER_UNSENT, /* cut within the request, or never tried: nobody may ever get it */
    LEDGER_UNKNOWN,
    LEDGER_ACKNOWLEDGED,
};

/* One message, named by its place in the book. */
struct ledger_message {
    enum ledger_fate fate;
    uint32_t producer;
    uint32_t queue;
    uint32_t group; /* FIFO queues */
    int64_t asked_ms;
    int64_t answered_ms;    /* acknowledged ones */
    uint64_t sequence;      /* acknowledged ones of FIFO queues */
    char id[LEDGER_ID_LEN]; /* acknowledged ones */
};

enum ledger_deletion {
    LEDGER_KEPT,
    LEDGER_DELETED,       /* answered as done: also where it was gone, or, in a standard queue, the receipt stale */
    LEDGER_MAYBE_DELETED, /* no answer */
};

/* One message in the answer to one receive. */
struct ledger_delivery {
    uint32_t message;
    uint32_t queue;   /* by the receive */
    uint32_t group;   /* by the body */
    uint32_t receive; /* which: those of one answer have the same */
    uint32_t place;   /* in the answer */
    uint32_t count;   /* ApproximateReceiveCount */
    uint64_t sequence;
    char id[LEDGER_ID_LEN];
    int64_t asked_ms; /* the receive */
    int64_t came_ms;
    int64_t hidden_until_ms; /* by the visibility asked for, or until it was asked to be shown */
    bool shown;              /* that was asked */
    enum ledger_deletion deletion;
    int64_t delete_asked_ms;
    int64_t delete_answered_ms;
};

/* Deliveries of one consumer: no lock. */
struct ledger_book {
    struct ledger_delivery *at;
    size_t count;
    size_t cap;
    uint64_t cut_receives[LEDGER_QUEUES]; /* their answers are lost: up to ten messages each */
};

/* What must not be. */
enum ledger_fault {
    LEDGER_LOST,        /* acknowledged, and never came */
    LEDGER_INVENTED,    /* came, and was not sent */
    LEDGER_DOUBLED,     /* one send became two messages, or one receive two deliveries */
    LEDGER_TOO_EARLY,   /* came again while it was hidden under another's receipt */
    LEDGER_RESURRECTED, /* came again although it was deleted in time */
    LEDGER_STALE,       /* FIFO: a receipt deleted it that a later receive had made stale */
    LEDGER_UNEXPLAINED, /* more receives are counted than there were */
    LEDGER_DISORDERED,  /* FIFO: accepted out of order, or delivered with another sequence number than acknowledged */
    LEDGER_OVERTAKEN,   /* FIFO: came while an earlier one of its group was there still */
    LEDGER_CROWDED,     /* FIFO: came while another of its group was in flight from another receive */
    LEDGER_FAULT_COUNT,
};

/* Why a message came once more, each allowed to at-least-once delivery. */
enum ledger_reason {
    LEDGER_ABANDONED,  /* its receiver never deleted it */
    LEDGER_LATE,       /* it was deleted when its visibility timeout was over */
    LEDGER_SHOWN,      /* its visibility was changed to 0 */
    LEDGER_DELETE_CUT, /* the deletion's outcome is unknown */
    LEDGER_ANSWER_CUT, /* the answer with it was lost */
    LEDGER_REASON_COUNT,
};

struct ledger_verdict {
    uint64_t acknowledged;
    uint64_t unknown; /* of these */
    uint64_t unknown_delivered;
    uint64_t delivered; /* messages, each counted once */
    uint64_t again[LEDGER_REASON_COUNT];
    uint64_t faults[LEDGER_FAULT_COUNT];
};

/* Appends one, to be filled by the caller, valid until the next; NULL where memory ran out. */
struct ledger_delivery *ledger_add(struct ledger_book *book);

/* Judges the whole. The first faults of each kind are told on standard error where `tell` is set. False where memory
 * ran out. */
bool ledger_judge(const struct ledger_message *messages, size_t message_count, const struct ledger_book *books,
                  size_t book_count, bool tell, struct ledger_verdict *verdict);
uint64_t ledger_fault_total(const struct ledger_verdict *verdict);
/* Every count, one on a line, on standard output. */
void ledger_print(const struct ledger_verdict *verdict);

/* Plants each fault in a sound book and sees whether it is found. */
bool ledger_self_test(void);

#endif
