/* What is remembered five minutes: deduplication ids of what was sent, attempts of who received. */
#include "engine/memory.h"

_Static_assert(AMP_INDEX_ID_LEN == AMP_MESSAGE_HASH_LEN, "indexes find memos by their hashes");

void amp_memo_name(const struct queue *queue, enum memo_kind kind, const uint8_t hash[AMP_MESSAGE_HASH_LEN],
                   const uint8_t *group, uint8_t name[AMP_INDEX_ID_LEN])
{
    enum { TURN = 5 }; /* so that a group and an id of the same hash do not cancel out */
    for (size_t i = 0; i < AMP_INDEX_ID_LEN; i++) {
        name[i] = hash[i] ^ queue->salt[i];
        if (group != NULL)
            name[i] ^= group[(i + TURN) % AMP_INDEX_ID_LEN];
    }
    name[AMP_INDEX_ID_LEN - 1] ^= (uint8_t)kind;
}

struct memo *amp_memo_find(struct visit *visit, const uint8_t name[AMP_INDEX_ID_LEN])
{
    struct memo *memo = (struct memo *)(void *)amp_index_find(&visit->stripe->memos, name);
    return memo != NULL && memo->until_ms > visit->now_ms ? memo : NULL;
}

enum amp_err amp_memo_add(struct visit *visit, const uint8_t name[AMP_INDEX_ID_LEN], size_t size, struct memo **out)
{
    struct amp_meter *meter = &visit->memory->meter;
    struct stripe *stripe = visit->stripe;
    void *block;
    enum amp_err err = amp_meter_alloc(meter, size, &block);
    *out = block;
    if (err != AMP_OK)
        return err;
    struct memo *old = (struct memo *)(void *)amp_index_find(&stripe->memos, name);
    if (old != NULL)
        amp_memo_remove(visit, old);
    memcpy((*out)->entry.id, name, AMP_INDEX_ID_LEN);
    (*out)->account = visit->queue->account;
    amp_account_add((*out)->account, amp_meter_size(*out));
    (*out)->until_ms = visit->now_ms + AMP_DEDUPLICATION_MS;
    amp_ring_append(&stripe->memos_by_age, &(*out)->by_age);
    amp_index_insert(&stripe->memos, meter, &(*out)->entry);
    return AMP_OK;
}

void amp_memo_remove(struct visit *visit, struct memo *memo)
{
    amp_ring_remove(&memo->by_age);
    amp_index_remove(&visit->stripe->memos, &visit->memory->meter, &memo->entry);
    amp_account_take(visit->memory, memo->account, amp_meter_size(memo));
    amp_meter_free(&visit->memory->meter, memo, 0);
}

bool amp_memo_tend(struct visit *visit, size_t *work)
{
    for (struct amp_ring *oldest; (oldest = amp_ring_first(&visit->stripe->memos_by_age)) != NULL; --*work) {
        struct memo *memo = AMP_CONTAINER(oldest, struct memo, by_age);
        if (memo->until_ms > visit->now_ms)
            break;
        if (*work == 0)
            return false;
        amp_memo_remove(visit, memo);
    }
    return true;
}
