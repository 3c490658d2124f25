/*
 * Every acknowledged message is delivered, in order, and twice only where that is allowed: eight senders and eight
 * receivers over TLS, who crash, dawdle and cut their connections.
 *
 *     queue_checker COUNT [SEED]     makes the queues checker-0 .. checker-3.fifo and sends COUNT messages
 *     queue_checker --self-test      plants faults in a sound book and finds each
 *
 * Each side writes down what it did and saw (queue_ledger.h); when the queues are empty the book is judged. The
 * connection and key come from the environment, as with `ampoule`. Exit code: 0 sound, 1 a fault was found, 2 it could
 * not be seen through.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "client/path.h"
#include "queue_ledger.h"
#include "queue_wire.h"

enum {
    PRODUCERS = 8,
    CONSUMERS = 8,
    GROUPS = 200,
    BATCH = 10,
    JSON_MAX = 16384,
    FILLER_MAX = 160,
    BODY_MAX = 64 + FILLER_MAX,
    RECEIPT_MAX = 512,
    REPEATS = 100,
    LATE_MAX = 1024,
    LATE_MS = 300, /* behind the visibility timeout */
    MS = 1000,
    DRAIN_MS = 600 * MS,
};

static const char *const queue_names[LEDGER_QUEUES] = {"checker-0", "checker-1", "checker-2.fifo", "checker-3.fifo"};

struct checker {
    struct wire_peer peer;
    uint64_t seed;
    struct ledger_message *messages;
    uint32_t count;
    uint32_t share; /* of each producer */
    struct ledger_book books[CONSUMERS];
    _Atomic unsigned producing; /* producers that are not through */
    _Atomic uint32_t receives;
    _Atomic int64_t produced_ms; /* when the last was */
};

struct producer {
    struct checker *checker;
    uint32_t number;
    struct wire wire;
    uint8_t json[JSON_MAX];
};

/* A delivery that can still be acted on. The book may move, so it is named by its place there. */
struct taken {
    size_t delivery;
    uint32_t queue;
    int64_t due_ms; /* of a late one */
    size_t receipt_len;
    char receipt[RECEIPT_MAX];
};

struct consumer {
    struct checker *checker;
    uint32_t number;
    struct wire wire;
    struct ledger_book *book;
    struct taken taken[BATCH];
    struct taken late[LATE_MAX];
    size_t late_count;
    uint8_t json[JSON_MAX];
};

/* ---- requests ---- */

static struct amp_out begin(const struct wire *wire, uint8_t json[JSON_MAX], uint32_t queue)
{
    struct amp_out out = amp_out(json, JSON_MAX);
    amp_out_str(&out, "{\"QueueUrl\":\"https://");
    amp_out_str(&out, wire->peer->url.authority);
    amp_out_str(&out, "/000000000000/");
    amp_out_str(&out, queue_names[queue]);
    amp_out_byte(&out, '"');
    return out;
}

/* `{"Id":"7"` */
static void begin_entry(struct amp_out *out, uint32_t number)
{
    amp_out_str(out, number == 0 ? ",\"Entries\":[{\"Id\":\"" : ",{\"Id\":\"");
    amp_out_u64(out, number);
    amp_out_byte(out, '"');
}

static bool call(struct wire *wire, const char *action, struct amp_out *json, enum wire_fault fault)
{
    amp_out_byte(json, '}');
    if (json->overflow)
        wire_die("a request is too long", NULL);
    return wire_call(wire, action, amp_out_done(json), fault);
}

static void take_id(const struct wire *wire, struct amp_slice text, char id[LEDGER_ID_LEN])
{
    if (text.len != LEDGER_ID_LEN)
        wire_die("a message id has another form", wire);
    memcpy(id, text.ptr, LEDGER_ID_LEN);
}

/* ---- bodies ---- */

/* "message 00001234 queue 2 group 0017 kqhw...": all that follows the numbers is made of them. */
static size_t make_body(char body[BODY_MAX], uint32_t message, uint32_t queue, uint32_t group)
{
    uint32_t random = message * 2654435761u + queue * 40503u + group;
    size_t len = (size_t)snprintf(body, BODY_MAX, "message %08u queue %u group %04u ", (unsigned)message,
                                  (unsigned)queue, (unsigned)group);
    for (size_t rest = random % FILLER_MAX; rest > 0; rest--) {
        random = random * 1664525 + 1013904223;
        body[len++] = (char)('a' + (random >> 16) % 26);
    }
    return len;
}

static uint32_t digits_at(struct amp_slice body, size_t at, size_t len)
{
    uint32_t number = 0;
    for (size_t i = at; i < at + len && i < body.len; i++)
        number = number * 10 + (uint32_t)(body.ptr[i] - '0');
    return number;
}

/* UINT32_MAX: this is no body of ours. */
static uint32_t read_body(struct amp_slice body, uint32_t queue, uint32_t *group)
{
    char expected[BODY_MAX];
    const uint32_t message = digits_at(body, 8, 8);
    *group = digits_at(body, 31, 4);
    return amp_slice_equal(body, amp_slice(expected, make_body(expected, message, queue, *group))) ? message
                                                                                                   : UINT32_MAX;
}

/* ---- sending ---- */

static void put_message(struct amp_out *out, const struct ledger_message *message, uint32_t number)
{
    char body[BODY_MAX], text[16];
    wire_put_text(out, "MessageBody", amp_slice(body, make_body(body, number, message->queue, message->group)));
    if (message->queue < LEDGER_STANDARD)
        return;
    snprintf(text, sizeof text, "group-%u", (unsigned)message->group);
    wire_put_text(out, "MessageGroupId", amp_slice_str(text));
    snprintf(text, sizeof text, "once-%u", (unsigned)number);
    wire_put_text(out, "MessageDeduplicationId", amp_slice_str(text));
}

static struct amp_out compose(struct producer *producer, uint32_t first, uint32_t count)
{
    const struct ledger_message *messages = producer->checker->messages;
    struct amp_out out = begin(&producer->wire, producer->json, messages[first].queue);
    for (uint32_t i = 0; i < count && count > 1; i++) {
        begin_entry(&out, i);
        put_message(&out, &messages[first + i], first + i);
        amp_out_str(&out, i + 1 == count ? "}]" : "}");
    }
    if (count == 1)
        put_message(&out, &messages[first], first);
    return out;
}

static void acknowledge(struct producer *producer, struct ledger_message *message, struct amp_slice id,
                        int64_t answered_ms)
{
    message->fate = LEDGER_ACKNOWLEDGED;
    message->answered_ms = answered_ms;
    take_id(&producer->wire, id, message->id);
}

static void read_sent(struct producer *producer, uint32_t first, uint32_t count)
{
    const struct wire *wire = &producer->wire;
    struct ledger_message *messages = producer->checker->messages + first;
    const int64_t answered_ms = wire_now_ms(wire);
    const bool fifo = messages->queue >= LEDGER_STANDARD;
    if (wire->status != 200 || wire_has(wire, "Failed", 0))
        wire_die("a message was refused", wire);
    for (uint32_t i = 0; i < count; i++) {
        if (count == 1) {
            acknowledge(producer, messages, wire_text(wire, wire->body, "MessageId"), answered_ms);
            messages->sequence = fifo ? wire_number(wire, wire_text(wire, wire->body, "SequenceNumber")) : 0;
        } else {
            struct ledger_message *message =
                &messages[wire_number(wire, wire_text_in(wire, "Successful", i, "Id")) % count];
            acknowledge(producer, message, wire_text_in(wire, "Successful", i, "MessageId"), answered_ms);
            message->sequence = fifo ? wire_number(wire, wire_text_in(wire, "Successful", i, "SequenceNumber")) : 0;
        }
    }
}

static bool try_to_send(struct producer *producer, uint32_t first, uint32_t count, enum wire_fault fault)
{
    struct amp_out json = compose(producer, first, count);
    return call(&producer->wire, count == 1 ? "SendMessage" : "SendMessageBatch", &json, fault);
}

/* After a cut. It may meet the first, which is just being put: that is answered by 503, and asks to be repeated. */
static bool send_again(struct producer *producer, uint32_t first, uint32_t count)
{
    const struct wire *wire = &producer->wire;
    for (int tries = 0; tries < REPEATS; tries++) {
        (void)try_to_send(producer, first, count, WIRE_SOUND);
        const bool busy = count == 1 ? wire->status == 503
                                     : wire_has(wire, "Failed", 0) &&
                                           amp_slice_is(wire_text_in(wire, "Failed", 0, "Code"), "ServiceUnavailable");
        if (!busy)
            break;
    }
    return true;
}

/* A batch, or one. What was cut is sometimes sent again; in a standard queue only where nothing can have come of it. */
static void send_some(struct producer *producer, uint32_t first, uint32_t count)
{
    struct wire *wire = &producer->wire;
    struct ledger_message *messages = producer->checker->messages + first;
    const uint32_t chance = wire_random(wire, 1000), queue = wire_random(wire, LEDGER_QUEUES);
    const enum wire_fault fault = chance < 10 ? WIRE_CUT_BEHIND : chance < 15 ? WIRE_CUT_WITHIN : WIRE_SOUND;
    for (uint32_t i = 0; i < count; i++)
        messages[i] = (struct ledger_message){.producer = producer->number,
                                              .queue = queue,
                                              .group = queue < LEDGER_STANDARD ? 0 : wire_random(wire, GROUPS),
                                              .asked_ms = wire_now_ms(wire)};
    bool answered = try_to_send(producer, first, count, fault);
    const bool may_repeat = fault == WIRE_CUT_WITHIN || queue >= LEDGER_STANDARD;
    if (!answered && may_repeat && wire_random(wire, 2) == 0)
        answered = send_again(producer, first, count);
    if (answered)
        read_sent(producer, first, count);
    for (uint32_t i = 0; i < count && !answered; i++)
        messages[i].fate = fault == WIRE_CUT_BEHIND ? LEDGER_UNKNOWN : LEDGER_UNSENT;
}

static void *produce(void *ctx)
{
    struct producer *producer = ctx;
    struct checker *checker = producer->checker;
    wire_init(&producer->wire, &checker->peer, producer->number, checker->seed);
    for (uint32_t done = 0, some; done < checker->share; done += some) {
        some = wire_random(&producer->wire, 4) == 0 ? 1 : BATCH;
        some = some < checker->share - done ? some : checker->share - done;
        send_some(producer, producer->number * checker->share + done, some);
    }
    atomic_store(&checker->produced_ms, wire_now_ms(&producer->wire));
    atomic_fetch_sub(&checker->producing, 1);
    wire_fini(&producer->wire);
    return NULL;
}

/* ---- receiving ---- */

static struct ledger_delivery *delivery_of(struct consumer *consumer, const struct taken *taken)
{
    return &consumer->book->at[taken->delivery];
}

static void take_one(struct consumer *consumer, const struct ledger_delivery *common, struct amp_slice json,
                     uint32_t place)
{
    const struct wire *wire = &consumer->wire;
    struct ledger_delivery *delivery = ledger_add(consumer->book);
    struct taken *taken = &consumer->taken[place];
    struct amp_slice receipt = wire_text(wire, json, "ReceiptHandle");
    if (delivery == NULL || receipt.len > sizeof taken->receipt)
        wire_die("out of memory", NULL);
    *delivery = *common;
    delivery->place = place;
    delivery->message = read_body(wire_text(wire, json, "Body"), common->queue, &delivery->group);
    take_id(wire, wire_text(wire, json, "MessageId"), delivery->id);
    delivery->count = (uint32_t)wire_number(wire, wire_text(wire, json, "Attributes.ApproximateReceiveCount"));
    if (common->queue >= LEDGER_STANDARD)
        delivery->sequence = wire_number(wire, wire_text(wire, json, "Attributes.SequenceNumber"));
    taken->delivery = consumer->book->count - 1;
    taken->queue = common->queue;
    taken->receipt_len = receipt.len;
    memcpy(taken->receipt, receipt.ptr, receipt.len);
}

/* How many were taken: they are in consumer->taken. */
static uint32_t receive(struct consumer *consumer, uint32_t queue, bool calm)
{
    struct wire *wire = &consumer->wire;
    const uint32_t visibility_s = 1 + wire_random(wire, 2);
    struct ledger_delivery common = {.queue = queue, .asked_ms = wire_now_ms(wire)};
    struct amp_out json = begin(wire, consumer->json, queue);
    struct amp_slice messages, one;
    uint32_t count = 0;
    char place[8];
    wire_put_number(&json, "MaxNumberOfMessages", wire_random(wire, 4) == 0 ? 1 + wire_random(wire, BATCH) : BATCH);
    wire_put_number(&json, "VisibilityTimeout", visibility_s);
    wire_put_number(&json, "WaitTimeSeconds", wire_random(wire, 2));
    amp_out_str(&json, ",\"AttributeNames\":[\"All\"]");
    if (!call(wire, "ReceiveMessage", &json, !calm && wire_random(wire, 100) == 0 ? WIRE_CUT_BEHIND : WIRE_SOUND)) {
        consumer->book->cut_receives[queue]++;
        return 0;
    }
    common.came_ms = wire_now_ms(wire);
    common.hidden_until_ms = common.asked_ms + visibility_s * (int64_t)MS;
    common.receive = atomic_fetch_add(&consumer->checker->receives, 1);
    if (wire->status != 200)
        wire_die("a receive was refused", wire);
    if (!amp_client_path_find(wire->body, "Messages", &messages))
        return 0;
    for (; snprintf(place, sizeof place, "%u", (unsigned)count) > 0 && amp_client_path_find(messages, place, &one);
         count++) {
        if (count == BATCH)
            wire_die("more came than was asked for", wire);
        take_one(consumer, &common, one, count);
    }
    return count;
}

/* ---- what is done to what was received ---- */

/* One request about some of one queue; `visibility_s` < 0: they are deleted. Says of each whether it was done; false
 * where the answer was cut. */
static bool settle(struct consumer *consumer, const struct taken *some, uint32_t count, int visibility_s,
                   enum wire_fault fault, bool done[BATCH])
{
    static const char *const actions[2][2] = {{"DeleteMessage", "DeleteMessageBatch"},
                                              {"ChangeMessageVisibility", "ChangeMessageVisibilityBatch"}};
    struct wire *wire = &consumer->wire;
    struct amp_out json = begin(wire, consumer->json, some->queue);
    for (uint32_t i = 0; i < count; i++) {
        if (count > 1)
            begin_entry(&json, i);
        wire_put_text(&json, "ReceiptHandle", amp_slice(some[i].receipt, some[i].receipt_len));
        if (visibility_s >= 0)
            wire_put_number(&json, "VisibilityTimeout", (uint64_t)visibility_s);
        if (count > 1)
            amp_out_str(&json, i + 1 == count ? "}]" : "}");
        done[i] = false;
    }
    if (!call(wire, actions[visibility_s >= 0][count > 1], &json, fault))
        return false;
    for (uint32_t i = 0; count > 1 && wire_has(wire, "Successful", i); i++)
        done[wire_number(wire, wire_text_in(wire, "Successful", i, "Id")) % count] = true;
    if (count == 1)
        done[0] = wire->status == 200;
    else if (wire->status != 200)
        wire_die("a batch was refused", wire);
    return true;
}

/* Whoever holds a receipt in its time is not turned away. */
static void must_be_done(struct consumer *consumer, bool done, int64_t until_ms)
{
    if (!done && wire_now_ms(&consumer->wire) < until_ms)
        wire_die("a receipt was refused in its time", &consumer->wire);
}

static void delete_some(struct consumer *consumer, const struct taken *some, uint32_t count, enum wire_fault fault)
{
    bool done[BATCH];
    const int64_t asked_ms = wire_now_ms(&consumer->wire);
    const bool answered = settle(consumer, some, count, -1, fault, done);
    const int64_t answered_ms = wire_now_ms(&consumer->wire);
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_delivery *delivery = delivery_of(consumer, &some[i]);
        if (answered)
            must_be_done(consumer, done[i], delivery->hidden_until_ms);
        if (delivery->deletion != LEDGER_KEPT || (answered && !done[i]))
            continue; /* the first time counts */
        delivery->deletion = answered ? LEDGER_DELETED : LEDGER_MAYBE_DELETED;
        delivery->delete_asked_ms = asked_ms;
        delivery->delete_answered_ms = answered_ms;
    }
}

/* Sometimes one by one. */
static void delete_all(struct consumer *consumer, const struct taken *some, uint32_t count, enum wire_fault fault)
{
    const uint32_t step = wire_random(&consumer->wire, 10) == 0 ? 1 : BATCH;
    for (uint32_t at = 0; at < count; at += step)
        delete_some(consumer, some + at, count - at < step ? count - at : step, fault);
}

/* Some of them, so that others of their group stay in flight. */
static void show_some(struct consumer *consumer, const struct taken *some, uint32_t of)
{
    struct taken chosen[BATCH];
    bool done[BATCH];
    uint32_t count = 0;
    for (uint32_t i = 0; i < of; i++) {
        if (wire_random(&consumer->wire, 2) == 0)
            chosen[count++] = some[i];
    }
    const int64_t asked_ms = wire_now_ms(&consumer->wire);
    if (count == 0)
        return;
    (void)settle(consumer, chosen, count, 0, WIRE_SOUND, done);
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_delivery *delivery = delivery_of(consumer, &chosen[i]);
        must_be_done(consumer, done[i], delivery->hidden_until_ms);
        delivery->hidden_until_ms = asked_ms < delivery->hidden_until_ms ? asked_ms : delivery->hidden_until_ms;
        delivery->shown = true;
    }
}

static void hide_longer(struct consumer *consumer, const struct taken *some, uint32_t count)
{
    enum { LONGER_S = 3 };
    bool done[BATCH];
    const int64_t asked_ms = wire_now_ms(&consumer->wire);
    if (count == 0)
        return;
    (void)settle(consumer, some, count, LONGER_S, WIRE_SOUND, done);
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_delivery *delivery = delivery_of(consumer, &some[i]);
        must_be_done(consumer, done[i], delivery->hidden_until_ms);
        if (done[i])
            delivery->hidden_until_ms = asked_ms + LONGER_S * MS;
    }
}

/* A slow worker does not hold up this one: what he does comes later, in time or too late. */
static void put_off(struct consumer *consumer, const struct taken *some, uint32_t count, bool in_time)
{
    for (uint32_t i = 0; i < count && consumer->late_count < LATE_MAX; i++) {
        struct taken *late = &consumer->late[consumer->late_count++];
        const int64_t from_ms =
            in_time ? wire_now_ms(&consumer->wire) : delivery_of(consumer, &some[i])->hidden_until_ms;
        *late = some[i];
        late->due_ms = from_ms + wire_random(&consumer->wire, LATE_MS);
    }
}

static void do_what_is_late(struct consumer *consumer)
{
    const int64_t now_ms = wire_now_ms(&consumer->wire);
    for (size_t i = 0; i < consumer->late_count;) {
        if (consumer->late[i].due_ms > now_ms) {
            i++;
            continue;
        }
        const struct taken due = consumer->late[i];
        consumer->late[i] = consumer->late[--consumer->late_count];
        delete_some(consumer, &due, 1, WIRE_SOUND);
    }
}

/* Most are worked off as they should be; some workers do so with the first few alone, and then something happens. */
static void work(struct consumer *consumer, uint32_t count, bool calm)
{
    struct wire *wire = &consumer->wire;
    const struct taken *some = consumer->taken;
    if (!calm && delivery_of(consumer, some)->count > 1 && wire_random(wire, 2) == 0) {
        put_off(consumer, some, count, true); /* time for those who had it before to come with their stale receipts */
        return;
    }
    const uint32_t chance = calm ? 100 : wire_random(wire, 100);
    const uint32_t good = chance >= 12 ? count : wire_random(wire, 2) == 0 ? 0 : wire_random(wire, count);
    const struct taken *rest = some + good;
    delete_all(consumer, some, good, WIRE_SOUND);
    if (chance < 2)
        wire_drop(wire);
    else if (chance < 4)
        put_off(consumer, rest, count - good, false);
    else if (chance < 6)
        show_some(consumer, rest, count - good);
    else if (chance < 8)
        delete_all(consumer, rest, count - good, WIRE_CUT_BEHIND);
    else if (chance < 10)
        hide_longer(consumer, rest, count - good);
    if (chance >= 8 && chance < 12) {
        delete_all(consumer, rest, count - good, WIRE_SOUND);
        delete_all(consumer, some, count, WIRE_SOUND); /* once more */
    }
}

static bool is_empty(struct wire *wire, uint8_t json[JSON_MAX])
{
    static const char *const counts[] = {"Attributes.ApproximateNumberOfMessages",
                                         "Attributes.ApproximateNumberOfMessagesNotVisible",
                                         "Attributes.ApproximateNumberOfMessagesDelayed"};
    for (uint32_t queue = 0; queue < LEDGER_QUEUES; queue++) {
        struct amp_out out = begin(wire, json, queue);
        amp_out_str(&out, ",\"AttributeNames\":[\"All\"]");
        (void)call(wire, "GetQueueAttributes", &out, WIRE_SOUND);
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            if (wire_number(wire, wire_text(wire, wire->body, counts[i])) != 0)
                return false;
        }
    }
    return true;
}

static void *consume(void *ctx)
{
    struct consumer *consumer = ctx;
    struct checker *checker = consumer->checker;
    wire_init(&consumer->wire, &checker->peer, PRODUCERS + consumer->number, checker->seed);
    for (bool through = false; !through;) {
        const bool calm = atomic_load(&checker->producing) == 0;
        const uint32_t count = receive(consumer, wire_random(&consumer->wire, LEDGER_QUEUES), calm);
        if (count > 0)
            work(consumer, count, calm);
        do_what_is_late(consumer);
        through = calm && count == 0 && consumer->late_count == 0 && is_empty(&consumer->wire, consumer->json);
        if (calm && wire_now_ms(&consumer->wire) > atomic_load(&checker->produced_ms) + DRAIN_MS)
            wire_die("the queues do not become empty", &consumer->wire);
    }
    wire_fini(&consumer->wire);
    return NULL;
}

/* ---- the whole ---- */

static void make_queues(const struct checker *checker)
{
    static const char *const attributes[LEDGER_QUEUES] = {
        "", "", ",\"Attributes\":{\"FifoQueue\":\"true\"}",
        ",\"Attributes\":{\"FifoQueue\":\"true\",\"DeduplicationScope\":\"messageGroup\","
        "\"FifoThroughputLimit\":\"perMessageGroupId\"}"};
    struct wire wire;
    uint8_t json[JSON_MAX];
    wire_init(&wire, &checker->peer, PRODUCERS + CONSUMERS, checker->seed);
    for (uint32_t queue = 0; queue < LEDGER_QUEUES; queue++) {
        struct amp_out out = amp_out(json, sizeof json);
        amp_out_str(&out, "{\"QueueName\":\"");
        amp_out_str(&out, queue_names[queue]);
        amp_out_byte(&out, '"');
        amp_out_str(&out, attributes[queue]);
        if (!call(&wire, "CreateQueue", &out, WIRE_SOUND) || wire.status != 200)
            wire_die("a queue cannot be made", &wire);
    }
    wire_fini(&wire);
}

static void run(struct checker *checker)
{
    static struct producer producers[PRODUCERS];
    static struct consumer consumers[CONSUMERS];
    pthread_t threads[PRODUCERS + CONSUMERS];
    atomic_store(&checker->producing, PRODUCERS);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.checker = checker, .number = i};
        if (pthread_create(&threads[i], NULL, produce, &producers[i]) != 0)
            wire_die("no thread", NULL);
    }
    for (uint32_t i = 0; i < CONSUMERS; i++) {
        consumers[i] = (struct consumer){.checker = checker, .number = i, .book = &checker->books[i]};
        if (pthread_create(&threads[PRODUCERS + i], NULL, consume, &consumers[i]) != 0)
            wire_die("no thread", NULL);
    }
    for (size_t i = 0; i < PRODUCERS + CONSUMERS; i++)
        pthread_join(threads[i], NULL);
}

static uint64_t take_number(const char *text, uint64_t max)
{
    uint64_t value = 0;
    if (amp_u64_parse(&value, amp_slice_str(text), max) != AMP_OK)
        wire_die("usage: queue_checker COUNT [SEED] | --self-test", NULL);
    return value;
}

int main(int argc, char **argv)
{
    static struct checker checker;
    struct ledger_verdict verdict;
    if (argc == 2 && strcmp(argv[1], "--self-test") == 0)
        return ledger_self_test() ? 0 : 1;
    if (argc < 2 || argc > 3)
        wire_die("usage: queue_checker COUNT [SEED] | --self-test", NULL);
    checker.share = (uint32_t)(take_number(argv[1], 10000000) + PRODUCERS - 1) / PRODUCERS;
    checker.count = checker.share * PRODUCERS;
    wire_peer_init(&checker.peer);
    const int64_t started_ms = amp_clock_mono_ms(&checker.peer.clock);
    checker.seed = argc > 2 ? take_number(argv[2], UINT64_MAX) : (uint64_t)started_ms;
    checker.messages = calloc(checker.count, sizeof *checker.messages);
    if (checker.messages == NULL)
        wire_die("out of memory", NULL);
    make_queues(&checker);
    run(&checker);
    const int64_t took_ms = amp_clock_mono_ms(&checker.peer.clock) - started_ms;
    if (!ledger_judge(checker.messages, checker.count, checker.books, CONSUMERS, true, &verdict))
        wire_die("out of memory", NULL);
    printf("took %lld ms, seed %llu\n", (long long)took_ms, (unsigned long long)checker.seed);
    ledger_print(&verdict);
    for (size_t i = 0; i < CONSUMERS; i++)
        free(checker.books[i].at);
    free(checker.messages);
    wire_peer_fini(&checker.peer);
    return ledger_fault_total(&verdict) == 0 ? 0 : 1;
}
