/*
 * From queue to queue: dead letters and move tasks. A message is taken out under the lock of where it was, put in under
 * the lock of where it goes, and then, under the first one again, what it left behind is settled; or it is put back. So
 * no two locks are ever held at once, and no message is lost. While it travels it keeps its origin and its group, which
 * receives nothing meanwhile.
 */
#include "engine/memory.h"

void amp_travel_begin(struct party *party, enum travel travel, const struct queue *from)
{
    party->travel = travel;
    party->from = from->name;
    party->count = 0;
}

void amp_travel_depart(struct visit *visit, struct party *party, struct message *message,
                       const struct amp_queue_name *to)
{
    struct traveller *traveller = &party->travellers[party->count++];
    struct stock *stock = message->origin->stock;
    const struct in_order *in_order = amp_memory_message_in_order(message);
    *traveller = (struct traveller){.message = message, .origin = message->origin, .to = *to, .stamp = message->stamp};
    memcpy(traveller->id, message->entry.id, sizeof traveller->id);
    amp_ring_append(&visit->stripe->travellers, &traveller->place);
    stock->travelling++;
    amp_memory_message_take_out(visit, message);
    if (in_order == NULL)
        return;
    traveller->group = in_order->group;
    traveller->group->in_flight++;
    amp_group_settle(visit, stock, traveller->group);
}

/* The message itself may be another's already, where it has arrived. */
static struct traveller *find(const struct visit *visit, const uint8_t id[AMP_MESSAGE_ID_LEN])
{
    const struct amp_ring *all = &visit->stripe->travellers;
    for (struct amp_ring *at = amp_ring_first(all); at != NULL; at = amp_ring_after(all, at)) {
        struct traveller *traveller = AMP_CONTAINER(at, struct traveller, place);
        if (memcmp(traveller->id, id, sizeof traveller->id) == 0 && traveller->origin->stock == visit->queue->stock)
            return traveller;
    }
    return NULL;
}

void amp_travel_removed(struct visit *visit, const struct amp_receipt *receipt)
{
    struct traveller *traveller = find(visit, receipt->id);
    if (traveller != NULL && traveller->stamp == receipt->stamp && receipt->stamp != 0)
        traveller->removed = true;
}

void amp_travel_told(struct visit *visit, const uint8_t id[AMP_MESSAGE_ID_LEN], int taken)
{
    struct traveller *traveller = find(visit, id);
    if (traveller == NULL || taken == 0)
        return;
    traveller->heard |= taken > 0;
    traveller->untold |= taken < 0;
    if (taken > 0)
        traveller->deliveries = (int16_t)(traveller->deliveries + taken);
}

void amp_travel_delivered(struct visit *visit, const uint8_t id[AMP_MESSAGE_ID_LEN], bool acknowledged)
{
    struct traveller *traveller = find(visit, id);
    if (traveller == NULL)
        return;
    traveller->heard = true;
    traveller->refused |= !acknowledged;
    traveller->deliveries--;
}

/* A dead letter's receives are told on, but counted anew. */
static struct origin_told told_there(const struct party *party, const struct traveller *traveller)
{
    struct origin_told told = traveller->origin->told;
    uint32_t receives = (uint32_t)told.receives + traveller->message->receives;
    bool dead = party->travel == TRAVEL_DEAD_LETTER;
    told.receives = !dead ? 0 : receives < UINT16_MAX ? (uint16_t)receives : UINT16_MAX;
    told.source = dead ? party->from : (struct amp_queue_name){.len = 0};
    return told;
}

static void begin_anew(struct message *message)
{
    message->receives = 0;
    message->stamp = 0;
    message->deliveries = 0;
    message->refused = false;
}

static bool is_home(const struct queue *queue, const struct party *party)
{
    return amp_slice_equal(amp_queue_name_slice(&queue->settings.dead_letter), amp_queue_name_slice(&party->from));
}

static enum amp_err put(struct visit *visit, const struct party *party, struct traveller *traveller)
{
    struct queue *queue = visit->queue;
    struct message *message = traveller->message;
    const struct origin *old = traveller->origin;
    if (queue->settings.fifo != message->fifo || (party->travel == TRAVEL_TASK_HOME && !is_home(queue, party)))
        return AMP_ERR_INVALID;
    const struct origin_told told = told_there(party, traveller);
    struct origin *origin;
    struct group *group = NULL;
    enum amp_err err = amp_origin_take(visit, queue->stock, &told, true, &origin);
    if (err != AMP_OK)
        return err;
    if (message->fifo) {
        uint8_t hash[AMP_MESSAGE_HASH_LEN];
        amp_group_hash(old->stock, traveller->group, hash);
        err = amp_group_get(visit, queue->stock, hash, true, &group);
    }
    if (err != AMP_OK) {
        amp_origin_release(visit, origin);
        return err;
    }
    message->origin = origin;
    if (message->fifo)
        *amp_memory_message_in_order(message) = (struct in_order){.group = group, .sequence = ++queue->sequence};
    begin_anew(message);
    message->untold = visit->memory->config.available != NULL;
    amp_memory_message_put(visit, message, MESSAGE_AVAILABLE, 0, RANK_LAST);
    return AMP_OK;
}

static void put_back(struct visit *visit, const struct traveller *traveller)
{
    struct message *message = traveller->message;
    message->untold |= traveller->untold;
    message->refused |= traveller->refused;
    amp_memory_message_put(visit, message, MESSAGE_AVAILABLE, 0, RANK_FIRST);
    if (traveller->removed || traveller->origin->stock->queue == NULL) /* which was purged meanwhile */
        amp_memory_message_destroy(visit, message);
    else if (traveller->heard)
        amp_memory_message_deliver(visit, message, traveller->deliveries);
}

static void settle(struct visit *visit, struct traveller *traveller)
{
    struct stock *stock = traveller->origin->stock;
    amp_ring_remove(&traveller->place);
    if (traveller->group != NULL)
        traveller->group->in_flight--;
    if (!traveller->arrived) {
        put_back(visit, traveller);
    } else {
        amp_origin_release(visit, traveller->origin);
        if (traveller->group != NULL)
            amp_group_settle(visit, stock, traveller->group);
    }
    stock->travelling--;
    amp_stock_settle(visit, stock);
}

static bool arrive(struct amp_memory *memory, const struct party *party, struct traveller *traveller)
{
    struct visit visit;
    if (amp_memory_enter(&visit, memory, amp_queue_name_slice(&traveller->to)) != AMP_OK)
        return false;
    traveller->arrived = put(&visit, party, traveller) == AMP_OK;
    amp_memory_leave(&visit);
    return traveller->arrived;
}

unsigned amp_travel_arrive(struct amp_memory *memory, struct stripe *from, struct party *party)
{
    if (party->count == 0)
        return 0;
    unsigned arrived = 0;
    for (unsigned i = 0; i < party->count; i++)
        arrived += arrive(memory, party, &party->travellers[i]);
    struct visit visit;
    amp_memory_enter_stripe(&visit, memory, from);
    for (unsigned i = party->count; i != 0; i--)
        settle(&visit, &party->travellers[i - 1]);
    *(party->travel == TRAVEL_DEAD_LETTER ? &from->swept.dead_lettered : &from->swept.moved) += arrived;
    amp_memory_leave(&visit);
    return arrived;
}
