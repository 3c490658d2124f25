/* A message in its stock: where it stands in each state, and what time does to it. */
#include "engine/memory.h"

#define DISCARD_MOST 1024 /* expired messages that one call takes out before it finds one that lives */
#define SORT_MOST    16

/* Blocks. */

static size_t header_len(bool fifo)
{
    return fifo ? IN_ORDER_AT + sizeof(struct in_order) : offsetof(struct message, bytes);
}

static size_t block_len(const struct message *message)
{
    return header_len(message->fifo) + message->sealed_len;
}

enum amp_err amp_memory_message_new(struct amp_memory *memory, const struct amp_message_in *in, bool fifo,
                                    struct message **out, int64_t *deadline_ms)
{
    *out = NULL;
    int64_t life_ms = in->expires_unix_ms - in->sent_unix_ms;
    int64_t left_ms = in->expires_unix_ms - amp_clock_unix_ms(&memory->config.clock);
    if (life_ms < 1 || life_ms > UINT32_MAX || left_ms < 1 || in->sealed.len > AMP_MESSAGE_SEALED_MAX)
        return AMP_ERR_INVALID;
    void *block;
    uint8_t at;
    enum amp_err err = amp_slabs_take(&memory->slabs, header_len(fifo) + in->sealed.len, &block, &at);
    if (err != AMP_OK)
        return err;
    struct message *message = block;
    memset(message, 0, header_len(fifo));
    memcpy(message->entry.id, in->id, sizeof in->id);
    *deadline_ms = amp_clock_mono_ms(&memory->config.clock) + (left_ms < life_ms ? left_ms : life_ms);
    message->sent_low = (uint32_t)in->sent_unix_ms;
    message->deadline_low = (uint32_t)*deadline_ms;
    message->life_ms = (uint32_t)life_ms;
    message->sealed_len = in->sealed.len & AMP_MESSAGE_SEALED_MAX;
    message->fifo = fifo;
    message->slab_place = at;
    if (in->sealed.len != 0)
        memcpy((uint8_t *)message + header_len(fifo), in->sealed.ptr, in->sealed.len);
    *out = message;
    return AMP_OK;
}

struct amp_slice amp_memory_message_sealed(const struct message *message)
{
    return amp_slice((const uint8_t *)message + header_len(message->fifo), message->sealed_len);
}

struct in_order *amp_memory_message_in_order(struct message *message)
{
    return message->fifo ? (struct in_order *)(void *)((uint8_t *)message + IN_ORDER_AT) : NULL;
}

size_t amp_memory_message_cost(const struct message *message)
{
    return amp_slabs_cost(message, block_len(message));
}

void amp_memory_message_free(struct amp_memory *memory, struct message *message)
{
    if (message != NULL)
        amp_slabs_give(&memory->slabs, message, block_len(message), message->slab_place);
}

/* States. */

static struct group *group_of(struct message *message)
{
    struct in_order *in_order = amp_memory_message_in_order(message);
    return in_order != NULL ? in_order->group : NULL;
}

static void count(struct visit *visit, const struct message *message, int by)
{
    struct stock *stock = message->origin->stock;
    uint64_t change = (uint64_t)(int64_t)by;
    stock->count[message->state] += change;
    if (stock->queue == NULL)
        return;
    visit->stripe->message_count += change;
    if (message->state == MESSAGE_IN_FLIGHT)
        visit->stripe->in_flight += change;
}

/* A FIFO message keeps its place in its group, whatever its state. */
static void leave_state(struct visit *visit, struct message *message)
{
    struct group *group = group_of(message);
    count(visit, message, -1);
    if (group == NULL)
        amp_ring_remove(&message->place);
    else if (message->state == MESSAGE_IN_FLIGHT)
        group->in_flight--;
}

static bool is_before(const struct message *a, const struct message *b)
{
    int64_t put_a = amp_memory_message_put_ms(a), put_b = amp_memory_message_put_ms(b);
    int64_t since_a = put_a + a->since_ms, since_b = put_b + b->since_ms;
    return since_a != since_b ? since_a < since_b : put_a < put_b;
}

/* Sorted a little, they are in order. */
static struct amp_ring *place_by_time(struct amp_ring *ring, const struct message *message)
{
    struct amp_ring *at = ring;
    for (int i = 0; i < SORT_MOST; i++) {
        struct amp_ring *before = amp_ring_before(at);
        if (before == ring || is_before(AMP_CONTAINER(before, struct message, place), message))
            break;
        at = before;
    }
    return at;
}

static void join_available(struct stock *stock, struct message *message, enum rank rank)
{
    struct amp_ring *ring = amp_memory_message_is_fresh(message) ? &stock->receivable : &stock->returned;
    switch (rank) {
    case RANK_LAST:
        amp_ring_append(ring, &message->place);
        break;
    case RANK_BY_TIME:
        amp_ring_insert(place_by_time(ring, message), &message->place);
        break;
    case RANK_FIRST:
        amp_ring_prepend(ring, &message->place);
        break;
    }
}

static void join_state(struct visit *visit, struct message *message, enum message_state state, int64_t since_ms,
                       enum rank rank)
{
    struct stock *stock = message->origin->stock;
    struct group *group = group_of(message);
    message->state = state & 3u;
    message->since_ms = (uint32_t)(since_ms - amp_memory_message_put_ms(message));
    count(visit, message, 1);
    if (group != NULL) {
        group->in_flight += state == MESSAGE_IN_FLIGHT;
        amp_group_settle(visit, stock, group);
    } else if (state != MESSAGE_AVAILABLE) {
        amp_ring_append(&stock->waiting, &message->place);
    } else {
        join_available(stock, message, rank);
        amp_waiters_wake_one(visit, stock->queue);
    }
}

void amp_memory_message_set_due(struct visit *visit, struct message *message, int64_t due_ms)
{
    if (message->due.link != NULL)
        amp_wheel_cancel(&visit->stripe->wheel, &message->due);
    int64_t deadline_ms = amp_memory_message_deadline_ms(message);
    amp_wheel_insert(&visit->stripe->wheel, &message->due, due_ms < deadline_ms ? due_ms : deadline_ms);
}

/* What is available waits for nothing but its end, and to be told of. */
static int64_t due_in(const struct visit *visit, const struct message *message, enum message_state state,
                      int64_t due_ms)
{
    if (state != MESSAGE_AVAILABLE)
        return due_ms;
    return message->untold ? visit->now_ms : amp_memory_message_deadline_ms(message);
}

void amp_memory_message_put(struct visit *visit, struct message *message, enum message_state state, int64_t due_ms,
                            enum rank rank)
{
    struct group *group = group_of(message);
    amp_index_insert(&visit->stripe->messages, &visit->memory->meter, &message->entry);
    amp_account_add(message->origin->stock->account, amp_memory_message_cost(message));
    if (group != NULL)
        (rank == RANK_FIRST ? amp_ring_prepend : amp_ring_append)(&group->messages, &message->place);
    amp_memory_message_set_due(visit, message, due_in(visit, message, state, due_ms));
    join_state(visit, message, state, visit->now_ms, rank);
}

void amp_memory_message_hide(struct visit *visit, struct message *message, int64_t until_ms)
{
    leave_state(visit, message);
    amp_memory_message_set_due(visit, message, until_ms);
    join_state(visit, message, MESSAGE_IN_FLIGHT, visit->now_ms, RANK_LAST);
}

void amp_memory_message_show(struct visit *visit, struct message *message, int64_t since_ms, enum rank rank)
{
    leave_state(visit, message);
    amp_memory_message_set_due(visit, message, due_in(visit, message, MESSAGE_AVAILABLE, 0));
    join_state(visit, message, MESSAGE_AVAILABLE, since_ms, rank);
}

void amp_memory_message_take_out(struct visit *visit, struct message *message)
{
    leave_state(visit, message);
    if (message->fifo)
        amp_ring_remove(&message->place);
    if (message->due.link != NULL)
        amp_wheel_cancel(&visit->stripe->wheel, &message->due);
    amp_index_remove(&visit->stripe->messages, &visit->memory->meter, &message->entry);
    amp_account_take(visit->memory, message->origin->stock->account, amp_memory_message_cost(message));
}

void amp_memory_message_let_go(struct visit *visit, struct message *message)
{
    struct stock *stock = message->origin->stock;
    struct group *group = group_of(message);
    amp_memory_message_take_out(visit, message);
    amp_origin_release(visit, message->origin);
    if (group != NULL)
        amp_group_settle(visit, stock, group);
    amp_stock_settle(visit, stock);
}

/* Its cache lines may come in until the lock is open again. */
static void prefetch_for_wiping(const struct message *message)
{
    enum { LINE = 64, MOST = 512 };
    const uint8_t *first = (const uint8_t *)message;
    size_t size = block_len(message);
    for (size_t at = LINE; at < size && at < MOST; at += LINE)
        __builtin_prefetch(first + at, 1);
}

void amp_memory_message_destroy(struct visit *visit, struct message *message)
{
    int64_t epoch = message->origin->told.epoch;
    amp_memory_message_let_go(visit, message);
    message->due.due_ms = epoch;
    message->due.next = visit->dead;
    visit->dead = &message->due;
    prefetch_for_wiping(message);
}

/* Time. */

static void expire(struct visit *visit, struct message *message)
{
    visit->stripe->swept.expired += message->origin->stock->queue != NULL;
    amp_memory_message_destroy(visit, message);
}

/* Leaves it for the end of the visit to ask; where there is no room, for the next visit. */
static void tell(struct visit *visit, struct message *message)
{
    if (visit->news_count == NEWS_MAX) {
        amp_memory_message_set_due(visit, message, visit->now_ms + AMP_WHEEL_TICK_MS);
        return;
    }
    struct news *news = &visit->news[visit->news_count++];
    news->queue = message->origin->stock->queue->name;
    memcpy(news->id, message->entry.id, sizeof news->id);
    news->deadline_ms = amp_memory_message_deadline_ms(message);
    message->untold = false;
    amp_memory_message_set_due(visit, message, amp_memory_message_deadline_ms(message));
}

bool amp_memory_message_ripen(struct visit *visit, struct message *message)
{
    if (amp_memory_message_expired(message, visit->now_ms) || message->origin->stock->queue == NULL) {
        expire(visit, message);
        return false;
    }
    if (message->state != MESSAGE_AVAILABLE)
        amp_memory_message_show(visit, message, message->due.due_ms, RANK_BY_TIME);
    if (message->untold)
        tell(visit, message);
    else
        amp_memory_message_set_due(visit, message, amp_memory_message_deadline_ms(message));
    return true;
}

struct message *amp_memory_message_find(struct visit *visit, const uint8_t id[AMP_MESSAGE_ID_LEN])
{
    struct message *message = (struct message *)(void *)amp_index_find(&visit->stripe->messages, id);
    if (message == NULL || message->origin->stock != visit->queue->stock)
        return NULL;
    if (message->due.due_ms > visit->now_ms)
        return message;
    amp_wheel_cancel(&visit->stripe->wheel, &message->due);
    return amp_memory_message_ripen(visit, message) ? message : NULL;
}

bool amp_memory_message_waits(const struct stock *stock)
{
    return amp_ring_first(&stock->returned) != NULL || amp_ring_first(&stock->receivable) != NULL;
}

/* Who comes back at once again and again takes every other turn, and keeps nobody waiting. */
static struct message *first_receivable(const struct stock *stock)
{
    struct amp_ring *first = amp_ring_first(&stock->receivable), *returned = amp_ring_first(&stock->returned);
    if (returned != NULL && (first == NULL || !stock->returned_last))
        first = returned;
    if (first != NULL && stock->fifo)
        first = amp_ring_first(&AMP_CONTAINER(first, struct group, place)->messages);
    return first == NULL ? NULL : AMP_CONTAINER(first, struct message, place);
}

/* The one behind it in its group, if that may be taken along. */
static struct message *next_of_group(const struct message *taken)
{
    const struct group *group = group_of((struct message *)(uintptr_t)taken);
    struct amp_ring *next = amp_ring_after(&group->messages, &taken->place);
    struct message *message = next == NULL ? NULL : AMP_CONTAINER(next, struct message, place);
    return message != NULL && message->state == MESSAGE_AVAILABLE ? message : NULL;
}

struct message *amp_memory_message_next(struct visit *visit, const struct message *taken)
{
    const struct stock *stock = visit->queue->stock;
    for (size_t discarded = 0; discarded < DISCARD_MOST; discarded++) {
        struct message *message = taken != NULL && taken->fifo ? next_of_group(taken) : NULL;
        if (message == NULL)
            message = first_receivable(stock);
        if (message == NULL || !amp_memory_message_expired(message, visit->now_ms))
            return message;
        expire(visit, message);
    }
    return NULL;
}

/* Which are about to be taken out of the index: nobody has looked at what stands there since they were put in. */
static void prefetch_for_expiry(const struct stripe *stripe)
{
    struct amp_wheel_node *next = amp_wheel_peek(&stripe->wheel, 0);
    struct amp_wheel_node *then = amp_wheel_peek(&stripe->wheel, 1);
    if (next != NULL)
        amp_index_prefetch_first(&stripe->messages, AMP_CONTAINER(next, struct message, due)->entry.id);
    if (then != NULL)
        amp_index_prefetch_chain(&stripe->messages, AMP_CONTAINER(then, struct message, due)->entry.id);
}

bool amp_memory_message_tend(struct visit *visit, size_t *work)
{
    while (visit->news_count < NEWS_MAX) {
        struct amp_wheel_node *due = amp_wheel_take(&visit->stripe->wheel, visit->now_ms, work);
        if (due == NULL)
            return *work != 0;
        prefetch_for_expiry(visit->stripe);
        amp_memory_message_ripen(visit, AMP_CONTAINER(due, struct message, due));
    }
    return false;
}
