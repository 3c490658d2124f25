#include "queue_ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD = 5, RECEIVE_MOST = 10, PRODUCERS_MAX = 64, LOOK_BACK = 64 };

/* One FIFO message among those of its group, in order of their sequence numbers. */
struct ranked {
    uint32_t message;
    uint64_t sequence;
    int64_t gone_ms; /* the first time that its deletion was asked for; INT64_MAX: never */
};

struct court {
    const struct ledger_message *messages;
    size_t message_count;
    const struct ledger_delivery **deliveries;
    size_t delivery_count;
    uint64_t missing[LEDGER_QUEUES]; /* receives that are counted, and of which no answer came */
    bool *came;
    uint64_t *sequences; /* of FIFO messages, as acknowledged or as told with a delivery; 0: unknown */
    int64_t *gone_ms;
    struct ranked *ranked;
    size_t *rank;
    bool tell;
    struct ledger_verdict *verdict;
};

static const char *const fault_names[] = {[LEDGER_LOST] = "lost",
                                          [LEDGER_INVENTED] = "invented",
                                          [LEDGER_DOUBLED] = "doubled",
                                          [LEDGER_TOO_EARLY] = "too early",
                                          [LEDGER_RESURRECTED] = "resurrected",
                                          [LEDGER_STALE] = "stale",
                                          [LEDGER_UNEXPLAINED] = "unexplained",
                                          [LEDGER_DISORDERED] = "disordered",
                                          [LEDGER_OVERTAKEN] = "overtaken",
                                          [LEDGER_CROWDED] = "crowded"};

static const char *const reason_names[] = {[LEDGER_ABANDONED] = "abandoned",
                                           [LEDGER_LATE] = "deleted late",
                                           [LEDGER_SHOWN] = "shown again",
                                           [LEDGER_DELETE_CUT] = "deletion cut",
                                           [LEDGER_ANSWER_CUT] = "answer cut"};

void ledger_print(const struct ledger_verdict *verdict)
{
    printf("acknowledged: %" PRIu64 "\nunknown: %" PRIu64 "\nunknown and delivered: %" PRIu64 "\ndelivered: %" PRIu64
           "\n",
           verdict->acknowledged, verdict->unknown, verdict->unknown_delivered, verdict->delivered);
    for (size_t i = 0; i < LEDGER_REASON_COUNT; i++)
        printf("again, %s: %" PRIu64 "\n", reason_names[i], verdict->again[i]);
    for (size_t i = 0; i < LEDGER_FAULT_COUNT; i++)
        printf("fault, %s: %" PRIu64 "\n", fault_names[i], verdict->faults[i]);
}

uint64_t ledger_fault_total(const struct ledger_verdict *verdict)
{
    uint64_t total = 0;
    for (size_t i = 0; i < LEDGER_FAULT_COUNT; i++)
        total += verdict->faults[i];
    return total;
}

struct ledger_delivery *ledger_add(struct ledger_book *book)
{
    if (book->count == book->cap) {
        const size_t cap = book->cap != 0 ? book->cap * 2 : 1024;
        struct ledger_delivery *at = reallocarray(book->at, cap, sizeof *at);
        if (at == NULL)
            return NULL;
        book->at = at;
        book->cap = cap;
    }
    book->at[book->count] = (struct ledger_delivery){0};
    return &book->at[book->count++];
}

/* ---- what is found ---- */

static void accuse(struct court *court, enum ledger_fault fault, uint32_t message, const struct ledger_delivery *a,
                   const struct ledger_delivery *b)
{
    if (court->verdict->faults[fault]++ >= TOLD || !court->tell)
        return;
    fprintf(stderr, "%s: message %" PRIu32, fault_names[fault], message);
    if (message < court->message_count) {
        const struct ledger_message *sent = &court->messages[message];
        fprintf(stderr, " (queue %" PRIu32 ", group %" PRIu32 ", fate %d, sequence %" PRIu64 ", asked %" PRId64 ")",
                sent->queue, sent->group, (int)sent->fate, court->sequences[message], sent->asked_ms);
    }
    for (int i = 0; i < 2; i++) {
        const struct ledger_delivery *d = i == 0 ? a : b;
        if (d != NULL)
            fprintf(stderr,
                    "\n    message %" PRIu32 " receive %" PRIu32 " count %" PRIu32 " asked %" PRId64 " came %" PRId64
                    " hidden until %" PRId64 " deletion %d asked %" PRId64 " answered %" PRId64,
                    d->message, d->receive, d->count, d->asked_ms, d->came_ms, d->hidden_until_ms, (int)d->deletion,
                    d->delete_asked_ms, d->delete_answered_ms);
    }
    fputc('\n', stderr);
}

static bool is_fifo(const struct ledger_message *message)
{
    return message->queue >= LEDGER_STANDARD;
}

/* Answered while nobody else could have received it: it is gone for good. */
static bool is_deleted_in_time(const struct ledger_delivery *delivery)
{
    return delivery->deletion == LEDGER_DELETED && delivery->delete_answered_ms < delivery->hidden_until_ms;
}

/* ---- each message by itself ---- */

static int by_message(const void *left, const void *right)
{
    const struct ledger_delivery *a = *(const struct ledger_delivery *const *)left;
    const struct ledger_delivery *b = *(const struct ledger_delivery *const *)right;
    if (a->message != b->message)
        return a->message < b->message ? -1 : 1;
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    return (a->came_ms > b->came_ms) - (a->came_ms < b->came_ms);
}

static enum ledger_reason reason_of(const struct ledger_delivery *before)
{
    if (before->shown)
        return LEDGER_SHOWN;
    if (before->deletion == LEDGER_MAYBE_DELETED)
        return LEDGER_DELETE_CUT;
    return before->deletion == LEDGER_DELETED ? LEDGER_LATE : LEDGER_ABANDONED;
}

/* `before` is the delivery before this one that is known of. */
static void judge_again(struct court *court, const struct ledger_delivery *before, const struct ledger_delivery *again)
{
    const struct ledger_message *message = &court->messages[again->message];
    if (again->count == before->count || memcmp(again->id, before->id, sizeof again->id) != 0) {
        accuse(court, LEDGER_DOUBLED, again->message, before, again);
        return;
    }
    /* A FIFO queue takes no stale receipt: what it deleted is gone whenever that was. */
    const bool gone = is_deleted_in_time(before) || (is_fifo(message) && before->deletion == LEDGER_DELETED &&
                                                     again->asked_ms > before->delete_answered_ms);
    if (gone)
        accuse(court, LEDGER_RESURRECTED, again->message, before, again);
    else if (again->came_ms < before->hidden_until_ms)
        accuse(court, LEDGER_TOO_EARLY, again->message, before, again);
    const uint32_t between = again->count - before->count - 1;
    court->missing[message->queue] += between;
    court->verdict->again[between != 0 ? LEDGER_ANSWER_CUT : reason_of(before)]++;
}

static void judge_first(struct court *court, const struct ledger_delivery *first)
{
    const struct ledger_message *message = &court->messages[first->message];
    court->came[first->message] = true;
    if (message->fate == LEDGER_UNSENT)
        accuse(court, LEDGER_INVENTED, first->message, first, NULL);
    if (message->fate == LEDGER_ACKNOWLEDGED && memcmp(first->id, message->id, sizeof first->id) != 0)
        accuse(court, LEDGER_DOUBLED, first->message, first, NULL);
    if (first->count == 0)
        accuse(court, LEDGER_UNEXPLAINED, first->message, first, NULL);
    court->missing[message->queue] += first->count - 1;
}

static void note_order(struct court *court, const struct ledger_delivery *delivery)
{
    uint64_t *sequence = &court->sequences[delivery->message];
    int64_t *gone_ms = &court->gone_ms[delivery->message];
    if (delivery->sequence == 0 || (*sequence != 0 && *sequence != delivery->sequence))
        accuse(court, LEDGER_DISORDERED, delivery->message, delivery, NULL);
    *sequence = delivery->sequence;
    if (delivery->deletion != LEDGER_KEPT && delivery->delete_asked_ms < *gone_ms)
        *gone_ms = delivery->delete_asked_ms;
}

static void judge_deliveries(struct court *court)
{
    qsort(court->deliveries, court->delivery_count, sizeof *court->deliveries, by_message);
    for (size_t i = 0; i < court->delivery_count; i++) {
        const struct ledger_delivery *delivery = court->deliveries[i];
        const struct ledger_delivery *before = i > 0 ? court->deliveries[i - 1] : NULL;
        if (delivery->message >= court->message_count) {
            accuse(court, LEDGER_INVENTED, delivery->message, delivery, NULL);
            continue;
        }
        const struct ledger_message *message = &court->messages[delivery->message];
        if (delivery->queue != message->queue || delivery->group != message->group)
            accuse(court, LEDGER_INVENTED, delivery->message, delivery, NULL);
        if (before != NULL && before->message == delivery->message)
            judge_again(court, before, delivery);
        else
            judge_first(court, delivery);
        if (is_fifo(message))
            note_order(court, delivery);
    }
}

static bool is_stale(const struct ledger_delivery *const *all, size_t count, size_t which)
{
    const struct ledger_delivery *delivery = all[which];
    bool received_later = false;
    for (size_t i = 0; i < count; i++) {
        if (i != which && all[i]->deletion != LEDGER_KEPT && all[i]->delete_asked_ms <= delivery->delete_answered_ms)
            return false; /* that one may have deleted it: then it was gone already */
        received_later |= i > which && all[i]->came_ms < delivery->delete_asked_ms;
    }
    return received_later;
}

static void judge_stale(struct court *court)
{
    for (size_t from = 0, end; from < court->delivery_count; from = end) {
        const struct ledger_delivery *const *all = court->deliveries + from;
        const uint32_t message = all[0]->message;
        for (end = from + 1; end < court->delivery_count && court->deliveries[end]->message == message;)
            end++;
        if (message >= court->message_count || !is_fifo(&court->messages[message]))
            continue;
        for (size_t i = 0; i < end - from; i++) {
            if (all[i]->deletion == LEDGER_DELETED && is_stale(all, end - from, i))
                accuse(court, LEDGER_STALE, message, all[i], NULL);
        }
    }
}

static void judge_sends(struct court *court)
{
    struct ledger_verdict *verdict = court->verdict;
    for (uint32_t i = 0; i < court->message_count; i++) {
        const enum ledger_fate fate = court->messages[i].fate;
        verdict->acknowledged += fate == LEDGER_ACKNOWLEDGED;
        verdict->unknown += fate == LEDGER_UNKNOWN;
        verdict->unknown_delivered += fate == LEDGER_UNKNOWN && court->came[i];
        verdict->delivered += court->came[i];
        if (fate == LEDGER_ACKNOWLEDGED && !court->came[i])
            accuse(court, LEDGER_LOST, i, NULL, NULL);
    }
}

/* ---- FIFO groups ---- */

static const struct court *comparing; /* qsort has no context; one thread judges */

static int by_sequence(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    const struct ledger_message *m = &comparing->messages[a->message], *n = &comparing->messages[b->message];
    if (m->queue != n->queue)
        return m->queue < n->queue ? -1 : 1;
    if (m->group != n->group)
        return m->group < n->group ? -1 : 1;
    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

static int by_receive(const void *left, const void *right)
{
    const struct ledger_delivery *a = *(const struct ledger_delivery *const *)left;
    const struct ledger_delivery *b = *(const struct ledger_delivery *const *)right;
    const struct ledger_message *m = &comparing->messages[a->message], *n = &comparing->messages[b->message];
    if (m->queue != n->queue)
        return m->queue < n->queue ? -1 : 1;
    if (m->group != n->group)
        return m->group < n->group ? -1 : 1;
    if (a->receive != b->receive)
        return a->receive < b->receive ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static bool is_same_group(const struct court *court, uint32_t a, uint32_t b)
{
    const struct ledger_message *m = &court->messages[a], *n = &court->messages[b];
    return m->queue == n->queue && m->group == n->group;
}

/* What was acknowledged before another was asked for comes before it; of one producer, as he sent them. */
static void judge_acceptance(struct court *court, const struct ranked *group, size_t count)
{
    int64_t latest_asked_ms = 0;
    uint32_t last_of[PRODUCERS_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        const struct ledger_message *message = &court->messages[group[i].message];
        if (message->fate != LEDGER_ACKNOWLEDGED)
            continue;
        uint32_t *last = &last_of[message->producer % PRODUCERS_MAX];
        if (message->answered_ms < latest_asked_ms || group[i].message + 1 < *last ||
            (i > 0 && group[i].sequence == group[i - 1].sequence))
            accuse(court, LEDGER_DISORDERED, group[i].message, NULL, NULL);
        if (message->asked_ms > latest_asked_ms)
            latest_asked_ms = message->asked_ms;
        *last = group[i].message + 1;
    }
}

/* What one receive brought of one group: all that was accepted before is gone by then, or came in the same answer. */
static void judge_receive(struct court *court, const struct ledger_delivery *const *run, size_t count,
                          const int64_t *gone_before_ms)
{
    const int64_t came_ms = run[0]->came_ms;
    size_t rank = court->rank[run[0]->message];
    if (gone_before_ms[rank] > came_ms)
        accuse(court, LEDGER_OVERTAKEN, run[0]->message, run[0], NULL);
    for (size_t i = 1; i < count; i++) {
        const size_t next = court->rank[run[i]->message];
        bool overtaken = next <= rank;
        while (++rank < next)
            overtaken |= court->ranked[rank].gone_ms > came_ms;
        if (overtaken)
            accuse(court, LEDGER_OVERTAKEN, run[i]->message, run[i - 1], run[i]);
        rank = next;
    }
}

static bool is_in_flight(const struct ledger_delivery *delivery, int64_t from_ms, int64_t to_ms)
{
    return delivery->came_ms < from_ms && delivery->hidden_until_ms > to_ms &&
           (delivery->deletion == LEDGER_KEPT || delivery->delete_asked_ms > to_ms);
}

/* Receives are numbered as their answers came, so what may be in flight still stands not far before. */
static void judge_company(struct court *court, const struct ledger_delivery *const *run, size_t before)
{
    for (size_t i = 1; i <= before && i <= LOOK_BACK; i++) {
        const struct ledger_delivery *other = run[-(ptrdiff_t)i];
        if (!is_same_group(court, other->message, run[0]->message))
            break;
        if (other->message != run[0]->message && is_in_flight(other, run[0]->asked_ms, run[0]->came_ms)) {
            accuse(court, LEDGER_CROWDED, run[0]->message, other, run[0]);
            break;
        }
    }
}

static size_t rank_messages(struct court *court)
{
    size_t count = 0;
    for (uint32_t i = 0; i < court->message_count; i++) {
        if (is_fifo(&court->messages[i]) && court->sequences[i] != 0)
            court->ranked[count++] = (struct ranked){i, court->sequences[i], court->gone_ms[i]};
    }
    qsort(court->ranked, count, sizeof *court->ranked, by_sequence);
    for (size_t i = 0; i < count; i++)
        court->rank[court->ranked[i].message] = i;
    return count;
}

static size_t group_end(const struct court *court, size_t from, size_t count)
{
    size_t end = from + 1;
    while (end < count && is_same_group(court, court->ranked[from].message, court->ranked[end].message))
        end++;
    return end;
}

/* *gone_before_ms of each rank: when the last of those before it in its group was gone. */
static void judge_groups(struct court *court, size_t count, int64_t *gone_before_ms)
{
    for (size_t from = 0, end; from < count; from = end) {
        int64_t gone_ms = INT64_MIN;
        end = group_end(court, from, count);
        judge_acceptance(court, court->ranked + from, end - from);
        for (size_t i = from; i < end; i++) {
            gone_before_ms[i] = gone_ms;
            gone_ms = court->ranked[i].gone_ms > gone_ms ? court->ranked[i].gone_ms : gone_ms;
        }
    }
}

static void judge_order(struct court *court, int64_t *gone_before_ms)
{
    size_t fifo_count = 0;
    comparing = court;
    judge_groups(court, rank_messages(court), gone_before_ms);
    for (size_t i = 0; i < court->delivery_count; i++) {
        const struct ledger_delivery *delivery = court->deliveries[i];
        if (delivery->message < court->message_count && is_fifo(&court->messages[delivery->message]) &&
            court->sequences[delivery->message] != 0)
            court->deliveries[fifo_count++] = delivery;
    }
    qsort(court->deliveries, fifo_count, sizeof *court->deliveries, by_receive);
    for (size_t from = 0, end; from < fifo_count; from = end) {
        const struct ledger_delivery *const *run = court->deliveries + from;
        for (end = from + 1; end < fifo_count && court->deliveries[end]->receive == run[0]->receive &&
                             is_same_group(court, court->deliveries[end]->message, run[0]->message);)
            end++;
        judge_receive(court, run, end - from, gone_before_ms);
        judge_company(court, run, from);
    }
}

/* ---- the whole ---- */

static void judge_missing(struct court *court, const struct ledger_book *books, size_t book_count)
{
    for (uint32_t queue = 0; queue < LEDGER_QUEUES; queue++) {
        uint64_t cut = 0;
        for (size_t i = 0; i < book_count; i++)
            cut += books[i].cut_receives[queue];
        if (court->missing[queue] > cut * RECEIVE_MOST)
            accuse(court, LEDGER_UNEXPLAINED, UINT32_MAX, NULL, NULL);
    }
}

static void gather(struct court *court, const struct ledger_book *books, size_t book_count)
{
    for (size_t i = 0; i < book_count; i++)
        for (size_t j = 0; j < books[i].count; j++)
            court->deliveries[court->delivery_count++] = &books[i].at[j];
    for (size_t i = 0; i < court->message_count; i++) {
        const struct ledger_message *message = &court->messages[i];
        court->sequences[i] = message->fate == LEDGER_ACKNOWLEDGED ? message->sequence : 0;
        court->gone_ms[i] = INT64_MAX;
    }
}

bool ledger_judge(const struct ledger_message *messages, size_t message_count, const struct ledger_book *books,
                  size_t book_count, bool tell, struct ledger_verdict *verdict)
{
    size_t delivery_count = 0;
    for (size_t i = 0; i < book_count; i++)
        delivery_count += books[i].count;
    struct court court = {
        .messages = messages,
        .message_count = message_count,
        .deliveries = calloc(delivery_count + 1, sizeof *court.deliveries),
        .came = calloc(message_count, sizeof *court.came),
        .sequences = calloc(message_count, sizeof *court.sequences),
        .gone_ms = calloc(message_count, sizeof *court.gone_ms),
        .ranked = calloc(message_count, sizeof *court.ranked),
        .rank = calloc(message_count, sizeof *court.rank),
        .tell = tell,
        .verdict = verdict,
    };
    int64_t *gone_before_ms = calloc(message_count, sizeof *gone_before_ms);
    const bool enough = court.deliveries != NULL && court.came != NULL && court.sequences != NULL &&
                        court.gone_ms != NULL && court.ranked != NULL && court.rank != NULL && gone_before_ms != NULL;
    *verdict = (struct ledger_verdict){0};
    if (enough) {
        gather(&court, books, book_count);
        judge_deliveries(&court);
        judge_stale(&court);
        judge_sends(&court);
        judge_missing(&court, books, book_count);
        judge_order(&court, gone_before_ms);
    }
    free(gone_before_ms);
    free(court.rank);
    free(court.ranked);
    free(court.gone_ms);
    free(court.sequences);
    free(court.came);
    free(court.deliveries);
    return enough;
}
