/* The book's own proof: a judge that never condemns proves nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue_ledger.h"

enum { MESSAGES = 40, GROUPS = 2, LIFE_MS = 10, VISIBILITY_MS = 1000 };

struct scene {
    struct ledger_message messages[MESSAGES];
    struct ledger_book book;
};

/* Message i is sent at 100 + 10 i, received 3 ms later and deleted 2 ms behind that. */
static void deliver(struct scene *scene, uint32_t i)
{
    struct ledger_delivery *delivery = ledger_add(&scene->book);
    const int64_t asked_ms = 100 + LIFE_MS * (int64_t)i + 3;
    if (delivery == NULL)
        abort();
    *delivery = (struct ledger_delivery){
        .message = i,
        .queue = scene->messages[i].queue,
        .group = scene->messages[i].group,
        .receive = i,
        .count = 1,
        .sequence = scene->messages[i].sequence,
        .asked_ms = asked_ms,
        .came_ms = asked_ms + 1,
        .hidden_until_ms = asked_ms + VISIBILITY_MS,
        .deletion = LEDGER_DELETED,
        .delete_asked_ms = asked_ms + 2,
        .delete_answered_ms = asked_ms + 3,
    };
    memcpy(delivery->id, scene->messages[i].id, sizeof delivery->id);
}

static void build(struct scene *scene)
{
    *scene = (struct scene){0};
    for (uint32_t i = 0; i < MESSAGES; i++) {
        struct ledger_message *message = &scene->messages[i];
        char id[LEDGER_ID_LEN + 1];
        *message = (struct ledger_message){
            .fate = LEDGER_ACKNOWLEDGED,
            .queue = i % LEDGER_QUEUES,
            .group = i / LEDGER_QUEUES % GROUPS,
            .asked_ms = 100 + LIFE_MS * (int64_t)i,
            .answered_ms = 101 + LIFE_MS * (int64_t)i,
            .sequence = i % LEDGER_QUEUES < LEDGER_STANDARD ? 0 : i + 1,
        };
        snprintf(id, sizeof id, "%036u", (unsigned)i);
        memcpy(message->id, id, sizeof message->id);
        deliver(scene, i);
    }
}

/* Of a standard queue, and three of one FIFO group. */
enum { COMMON = 20, FIRST = 18, SECOND = 26, THIRD = 34 };

/* The same message once more, properly behind its visibility timeout. */
static struct ledger_delivery *deliver_again(struct scene *scene, uint32_t i)
{
    struct ledger_delivery *again = ledger_add(&scene->book);
    if (again == NULL)
        abort();
    *again = scene->book.at[i];
    again->receive = MESSAGES + i;
    again->count = 2;
    again->asked_ms = scene->book.at[i].hidden_until_ms;
    again->came_ms = again->asked_ms + 1;
    again->hidden_until_ms = again->asked_ms + VISIBILITY_MS;
    again->delete_asked_ms = again->came_ms + 1;
    again->delete_answered_ms = again->came_ms + 2;
    return again;
}

static void keep(struct scene *scene, uint32_t i)
{
    scene->book.at[i].deletion = LEDGER_KEPT;
}

static void sound(struct scene *scene)
{
}

static void sound_again(struct scene *scene)
{
    keep(scene, COMMON);
    deliver_again(scene, COMMON);
    keep(scene, THIRD + 4); /* the last of its group */
    deliver_again(scene, THIRD + 4);
}

static void lost(struct scene *scene)
{
    struct ledger_book *book = &scene->book;
    memmove(book->at + COMMON, book->at + COMMON + 1, (book->count - COMMON - 1) * sizeof *book->at);
    book->count--;
}

static void unsent(struct scene *scene)
{
    scene->messages[COMMON].fate = LEDGER_UNSENT;
}

static void unheard_of(struct scene *scene)
{
    scene->book.at[COMMON].message = UINT32_MAX;
    scene->messages[COMMON].fate = LEDGER_UNKNOWN;
}

static void another_group(struct scene *scene)
{
    scene->book.at[FIRST].group ^= 1;
}

static void another_id(struct scene *scene)
{
    scene->book.at[COMMON].id[0] = 'f';
}

static void told_twice(struct scene *scene)
{
    deliver_again(scene, COMMON)->count = 1;
}

static void two_of_one_unknown(struct scene *scene)
{
    scene->messages[COMMON].fate = LEDGER_UNKNOWN;
    keep(scene, COMMON);
    deliver_again(scene, COMMON)->id[0] = 'f';
}

static void while_hidden(struct scene *scene)
{
    keep(scene, COMMON);
    deliver_again(scene, COMMON)->came_ms = scene->book.at[COMMON].hidden_until_ms - 1;
}

static void after_deletion(struct scene *scene)
{
    deliver_again(scene, COMMON);
}

static void fifo_after_late_deletion(struct scene *scene)
{
    struct ledger_delivery *first = &scene->book.at[THIRD + 4];
    first->delete_asked_ms = first->hidden_until_ms + 1;
    first->delete_answered_ms = first->hidden_until_ms + 2;
    deliver_again(scene, THIRD + 4)->asked_ms = scene->book.at[THIRD + 4].delete_answered_ms + 1;
    scene->book.at[scene->book.count - 1].came_ms = scene->book.at[THIRD + 4].delete_answered_ms + 2;
}

static void stale_deletion(struct scene *scene)
{
    struct ledger_delivery *second = deliver_again(scene, THIRD + 4), *first = &scene->book.at[THIRD + 4];
    second->deletion = LEDGER_KEPT;
    first->delete_asked_ms = second->came_ms + 1;
    first->delete_answered_ms = second->came_ms + 2;
}

static void count_skips(struct scene *scene)
{
    keep(scene, COMMON);
    deliver_again(scene, COMMON)->count = 3;
}

static void sequence_differs(struct scene *scene)
{
    scene->book.at[SECOND].sequence = THIRD + 100;
}

static void accepted_backwards(struct scene *scene)
{
    const uint64_t sequence = scene->messages[SECOND].sequence;
    scene->messages[SECOND].sequence = scene->book.at[SECOND].sequence = scene->messages[THIRD].sequence;
    scene->messages[THIRD].sequence = scene->book.at[THIRD].sequence = sequence;
}

/* The third comes when the second has not come yet. */
static void reordered(struct scene *scene)
{
    const struct ledger_delivery second = scene->book.at[SECOND], third = scene->book.at[THIRD];
    scene->book.at[SECOND] = third;
    scene->book.at[SECOND].message = SECOND;
    scene->book.at[SECOND].sequence = second.sequence;
    memcpy(scene->book.at[SECOND].id, second.id, sizeof second.id);
    scene->book.at[THIRD] = second;
    scene->book.at[THIRD].message = THIRD;
    scene->book.at[THIRD].sequence = third.sequence;
    memcpy(scene->book.at[THIRD].id, third.id, sizeof third.id);
}

/* The second comes while the first is received, and not deleted. */
static void overtaken_in_flight(struct scene *scene)
{
    scene->book.at[FIRST].delete_asked_ms = scene->book.at[SECOND].came_ms + 1;
    scene->book.at[FIRST].delete_answered_ms = scene->book.at[SECOND].came_ms + 2;
}

static void answer_in_disorder(struct scene *scene)
{
    struct ledger_delivery *second = &scene->book.at[SECOND], *third = &scene->book.at[THIRD];
    second->receive = third->receive;
    second->asked_ms = third->asked_ms;
    second->came_ms = third->came_ms;
    second->delete_asked_ms = third->delete_asked_ms;
    second->delete_answered_ms = third->delete_answered_ms;
    second->place = 1;
}

/* The first and the second came together; the first is shown, and comes again while the second is worked on. */
static void crowded(struct scene *scene)
{
    struct ledger_delivery *again = deliver_again(scene, FIRST);
    struct ledger_delivery *first = &scene->book.at[FIRST], *second = &scene->book.at[SECOND];
    first->receive = second->receive;
    first->asked_ms = second->asked_ms;
    first->came_ms = first->hidden_until_ms = second->came_ms;
    first->shown = true;
    first->deletion = LEDGER_KEPT;
    second->place = 1;
    second->delete_asked_ms = second->came_ms + 20;
    second->delete_answered_ms = second->came_ms + 21;
    again->asked_ms = second->came_ms + 5;
    again->came_ms = second->came_ms + 6;
    again->delete_asked_ms = second->came_ms + 7;
    again->delete_answered_ms = second->came_ms + 8;
}

static const struct plant {
    const char *name;
    void (*plant)(struct scene *scene);
    enum ledger_fault found; /* LEDGER_FAULT_COUNT: nothing may be found */
} plants[] = {
    {"a sound book", sound, LEDGER_FAULT_COUNT},
    {"allowed duplicates", sound_again, LEDGER_FAULT_COUNT},
    {"an acknowledged message that never came", lost, LEDGER_LOST},
    {"a message that was cut off", unsent, LEDGER_INVENTED},
    {"a message of nobody", unheard_of, LEDGER_INVENTED},
    {"a message in another group than it was sent to", another_group, LEDGER_INVENTED},
    {"an acknowledged message under another id", another_id, LEDGER_DOUBLED},
    {"a message delivered twice by one receive", told_twice, LEDGER_DOUBLED},
    {"one send that became two messages", two_of_one_unknown, LEDGER_DOUBLED},
    {"a hidden message", while_hidden, LEDGER_TOO_EARLY},
    {"a deleted message", after_deletion, LEDGER_RESURRECTED},
    {"a FIFO message deleted late, and then received", fifo_after_late_deletion, LEDGER_RESURRECTED},
    {"a FIFO message deleted by a stale receipt", stale_deletion, LEDGER_STALE},
    {"a receive count without a receive", count_skips, LEDGER_UNEXPLAINED},
    {"another sequence number", sequence_differs, LEDGER_DISORDERED},
    {"sequence numbers against the order of sending", accepted_backwards, LEDGER_DISORDERED},
    {"two messages of a group exchanged", reordered, LEDGER_OVERTAKEN},
    {"a message while one before it was in flight", overtaken_in_flight, LEDGER_OVERTAKEN},
    {"an answer that lists a group backwards", answer_in_disorder, LEDGER_OVERTAKEN},
    {"a message while one behind it was in flight", crowded, LEDGER_CROWDED},
};

static bool is_found(const struct plant *plant)
{
    struct scene scene;
    struct ledger_verdict verdict;
    build(&scene);
    plant->plant(&scene);
    const bool judged = ledger_judge(scene.messages, MESSAGES, &scene.book, 1, false, &verdict);
    free(scene.book.at);
    return judged &&
           (plant->found == LEDGER_FAULT_COUNT ? ledger_fault_total(&verdict) == 0 : verdict.faults[plant->found] > 0);
}

bool ledger_self_test(void)
{
    bool all = true;
    for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
        const bool right = is_found(&plants[i]);
        printf("%s: %s\n", plants[i].name, right ? "judged rightly" : "JUDGED WRONGLY");
        all = all && right;
    }
    return all;
}
