/* Sending: into the queue first, then `available` is asked, so that who is told of a message finds it there. */
#include "engine/memory.h"

/* Where a message is to be put, looked up or made before it is. */
struct place {
    struct origin *origin;
    struct group *group;         /* FIFO */
    struct duplicate *duplicate; /* FIFO */
};

/* The first message of that deduplication id, if there was one within five minutes. */
static enum amp_err find_first(struct visit *visit, const struct amp_message_in *in, uint8_t name[AMP_INDEX_ID_LEN],
                               struct amp_message_sent *sent)
{
    const struct queue *queue = visit->queue;
    amp_memo_name(queue, MEMO_DUPLICATE, in->deduplication, queue->settings.deduplicate_per_group ? in->group : NULL,
                  name);
    const struct duplicate *first = (const struct duplicate *)(const void *)amp_memo_find(visit, name);
    if (first == NULL)
        return AMP_OK;
    if (first->tentative)
        return AMP_ERR_VAULT_FULL; /* another call is about to be told that, or not */
    memcpy(sent->id, first->id, sizeof sent->id);
    sent->sequence = first->sequence;
    sent->duplicate = true;
    return AMP_OK;
}

static enum amp_err find_place(struct visit *visit, const struct amp_message_in *in, int64_t deadline_ms,
                               const uint8_t *memo_name, struct place *place)
{
    struct stock *stock = visit->queue->stock;
    struct memo *memo = NULL;
    struct origin_told told = {
        .epoch = in->epoch,
        .sent_high = (uint32_t)((uint64_t)in->sent_unix_ms >> 32),
        .deadline_high = (uint32_t)((uint64_t)deadline_ms >> 32),
        .home = visit->queue->name,
    };
    memcpy(told.sender, in->sender, sizeof told.sender);
    enum amp_err err = amp_origin_take(visit, stock, &told, false, &place->origin);
    if (err != AMP_OK || !stock->fifo)
        return err;
    err = amp_group_get(visit, stock, in->group, false, &place->group);
    if (err == AMP_OK)
        err = amp_memo_add(visit, memo_name, sizeof *place->duplicate, &memo);
    place->duplicate = (struct duplicate *)(void *)memo;
    if (err == AMP_OK)
        return AMP_OK;
    if (place->group != NULL)
        amp_group_settle(visit, stock, place->group);
    amp_origin_release(visit, place->origin);
    return err;
}

static void put_in_order(struct visit *visit, struct message *message, const struct place *place, bool tentative)
{
    struct in_order *in_order = amp_memory_message_in_order(message);
    in_order->group = place->group;
    in_order->sequence = ++visit->queue->sequence;
    place->duplicate->sequence = in_order->sequence & (UINT64_MAX >> 1);
    place->duplicate->tentative = tentative;
    memcpy(place->duplicate->id, message->entry.id, sizeof place->duplicate->id);
}

/* Where it is delayed, it is marked to be told of later. */
static enum amp_err put(struct visit *visit, const struct amp_message_in *in, struct message *message,
                        int64_t deadline_ms, bool asks, uint8_t memo_name[AMP_INDEX_ID_LEN],
                        struct amp_message_sent *sent)
{
    struct queue *queue = visit->queue;
    struct place place = {0};
    amp_index_prefetch_chain(&visit->stripe->messages, in->id); /* it is put there last */
    enum amp_err err = queue->settings.fifo ? find_first(visit, in, memo_name, sent) : AMP_OK;
    if (err != AMP_OK || sent->duplicate)
        return err;
    if (!amp_account_has_room(visit->memory, queue->account, amp_memory_message_cost(message)))
        return AMP_ERR_VAULT_FULL;
    err = find_place(visit, in, deadline_ms, memo_name, &place);
    if (err != AMP_OK)
        return err;
    int64_t delay_ms =
        queue->settings.fifo || in->delay_ms < 0 ? (int64_t)queue->settings.delay_s * 1000 : in->delay_ms;
    message->origin = place.origin;
    message->untold = asks && delay_ms != 0;
    if (queue->settings.fifo)
        put_in_order(visit, message, &place, asks && delay_ms == 0);
    amp_memory_message_put(visit, message, delay_ms == 0 ? MESSAGE_AVAILABLE : MESSAGE_DELAYED,
                           visit->now_ms + delay_ms, RANK_LAST);
    if (queue->settings.fifo)
        sent->sequence = amp_memory_message_in_order(message)->sequence;
    memcpy(sent->id, in->id, sizeof sent->id);
    return AMP_OK;
}

void amp_memory_told(struct visit *visit, const uint8_t id[AMP_MESSAGE_ID_LEN], int taken)
{
    struct message *message = amp_memory_message_find(visit, id);
    if (message == NULL)
        amp_travel_told(visit, id, taken);
    else if (taken > 0)
        amp_memory_message_deliver(visit, message, taken);
    if (message == NULL || taken >= 0)
        return;
    message->untold = true;
    if (message->state == MESSAGE_AVAILABLE)
        amp_memory_message_set_due(visit, message, visit->now_ms + TELL_AGAIN_MS);
}

void amp_memory_message_deliver(struct visit *visit, struct message *message, int change)
{
    message->deliveries = (int16_t)(message->deliveries + change);
    if (message->deliveries == 0 && !message->refused)
        amp_memory_message_destroy(visit, message);
}

/* True where nobody had it yet, so that it was never sent. */
static bool withdraw(struct visit *visit, const uint8_t *id, struct memo *memo, struct message **refused)
{
    struct message *message = amp_memory_message_find(visit, id);
    if (message == NULL || message->state != MESSAGE_AVAILABLE || message->receives != 0)
        return false;
    amp_memory_message_let_go(visit, message);
    *refused = message;
    if (memo != NULL)
        amp_memo_remove(visit, memo);
    return true;
}

static enum amp_err ask(struct amp_memory *memory, const struct amp_message_in *in, int64_t deadline_ms,
                        const uint8_t *memo_name)
{
    int taken = memory->config.available(memory->config.ctx, in->queue, in->id, deadline_ms);
    struct visit visit;
    if ((taken == 0 && memo_name == NULL) || amp_memory_enter(&visit, memory, in->queue) != AMP_OK)
        return AMP_OK;
    struct message *refused = NULL;
    struct memo *memo = memo_name == NULL ? NULL : amp_memo_find(&visit, memo_name);
    if (memo != NULL)
        ((struct duplicate *)(void *)memo)->tentative = false;
    if (taken >= 0 || !withdraw(&visit, in->id, memo, &refused))
        amp_memory_told(&visit, in->id, taken);
    amp_memory_leave(&visit);
    amp_memory_message_free(memory, refused);
    return refused != NULL ? AMP_ERR_VAULT_FULL : AMP_OK;
}

enum amp_err amp_memory_send(void *self, const struct amp_message_in *in, struct amp_message_sent *sent)
{
    struct amp_memory *memory = self;
    *sent = (struct amp_message_sent){0};
    bool fifo = amp_queue_name_is_fifo(in->queue);
    bool asks = memory->config.available != NULL;
    uint8_t memo_name[AMP_INDEX_ID_LEN];
    struct message *message;
    int64_t deadline_ms;
    enum amp_err err = amp_memory_message_new(memory, in, fifo, &message, &deadline_ms);
    if (err != AMP_OK)
        return err;
    struct visit visit;
    err = amp_memory_enter(&visit, memory, in->queue);
    if (err != AMP_OK) {
        amp_memory_message_free(memory, message);
        return err;
    }
    err = put(&visit, in, message, deadline_ms, asks, memo_name, sent);
    bool put_now = err == AMP_OK && !sent->duplicate;
    bool asks_now = put_now && asks && !message->untold;
    amp_memory_leave(&visit);
    if (!put_now)
        amp_memory_message_free(memory, message);
    return asks_now ? ask(memory, in, deadline_ms, fifo ? memo_name : NULL) : err;
}
