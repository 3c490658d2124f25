/* Stocks, and what the messages in one share: origins, and groups where it is FIFO. */
#include "crypto/crypto.h"
#include "engine/memory.h"

enum amp_err amp_stock_new(struct amp_memory *memory, struct queue *queue, struct stock **out)
{
    *out = NULL;
    void *block;
    enum amp_err err = amp_meter_alloc_beyond(&memory->meter, sizeof(struct stock), &block);
    if (err != AMP_OK)
        return err;
    struct stock *stock = block;
    err = amp_random(stock->salt, sizeof stock->salt);
    if (err != AMP_OK) {
        amp_meter_free(&memory->meter, stock, 0);
        return err;
    }
    stock->queue = queue;
    stock->account = queue->account;
    amp_account_add(stock->account, amp_meter_size(stock));
    stock->fifo = queue->settings.fifo;
    stock->recent = &stock->first;
    amp_ring_init(&stock->receivable);
    amp_ring_init(&stock->returned);
    amp_ring_init(&stock->waiting);
    *out = stock;
    return AMP_OK;
}

uint64_t amp_stock_total(const struct stock *stock)
{
    uint64_t total = 0;
    for (int i = 0; i < MESSAGE_STATES; i++)
        total += stock->count[i];
    return total;
}

void amp_stock_settle(struct visit *visit, struct stock *stock)
{
    if (stock->queue != NULL || stock->travelling != 0 || amp_stock_total(stock) != 0)
        return;
    if (stock->first.known)
        amp_index_remove(&visit->stripe->origins, &visit->memory->meter, &stock->first.entry);
    amp_ring_remove(&stock->doomed);
    amp_account_take(visit->memory, stock->account, amp_meter_size(stock));
    amp_meter_free(&visit->memory->meter, stock, sizeof *stock);
}

uint64_t amp_stock_doom(struct visit *visit, struct stock *stock, size_t *work)
{
    struct stripe *stripe = visit->stripe;
    uint64_t total = amp_stock_total(stock);
    stripe->message_count -= total;
    stripe->in_flight -= stock->count[MESSAGE_IN_FLIGHT];
    stock->queue = NULL;
    amp_ring_append(&stripe->doomed, &stock->doomed);
    if (total == 0)
        amp_stock_settle(visit, stock);
    else
        amp_stock_wipe(visit, stock, work);
    return total;
}

/* Some groups are kept without messages, while one of theirs travels. */
static struct message *any_of_groups(const struct amp_ring *groups)
{
    for (struct amp_ring *at = amp_ring_first(groups); at != NULL; at = amp_ring_after(groups, at)) {
        struct amp_ring *first = amp_ring_first(&AMP_CONTAINER(at, struct group, place)->messages);
        if (first != NULL)
            return AMP_CONTAINER(first, struct message, place);
    }
    return NULL;
}

static struct message *any_of(const struct stock *stock)
{
    const struct amp_ring *const rings[] = {&stock->receivable, &stock->returned, &stock->waiting};
    struct message *message = NULL;
    for (size_t i = 0; i < sizeof rings / sizeof rings[0] && message == NULL; i++) {
        struct amp_ring *first = amp_ring_first(rings[i]);
        if (first != NULL)
            message = stock->fifo ? any_of_groups(rings[i]) : AMP_CONTAINER(first, struct message, place);
    }
    return message;
}

void amp_stock_wipe(struct visit *visit, struct stock *stock, size_t *work)
{
    for (uint64_t left = amp_stock_total(stock); left != 0 && *work != 0; left--, --*work)
        amp_memory_message_destroy(visit, any_of(stock));
}

/* Origins. */

static bool same_name(const struct amp_queue_name *a, const struct amp_queue_name *b)
{
    return amp_slice_equal(amp_queue_name_slice(a), amp_queue_name_slice(b));
}

static bool is_of(const struct origin *origin, const struct origin_told *told)
{
    const struct origin_told *own = &origin->told;
    return origin->known && own->epoch == told->epoch && own->sent_high == told->sent_high &&
           own->deadline_high == told->deadline_high && own->receives == told->receives &&
           memcmp(own->sender, told->sender, sizeof own->sender) == 0 && same_name(&own->home, &told->home) &&
           same_name(&own->source, &told->source);
}

/* Salted, so that nobody outside can choose where it lands. */
static enum amp_err name_origin(const struct stock *stock, const struct origin_told *told, uint8_t id[AMP_INDEX_ID_LEN])
{
    const struct amp_slice parts[] = {
        amp_slice(stock->salt, sizeof stock->salt),
        amp_slice(told->sender, sizeof told->sender),
        amp_slice(&told->epoch, sizeof told->epoch),
        amp_slice(&told->sent_high, sizeof told->sent_high),
        amp_slice(&told->deadline_high, sizeof told->deadline_high),
        amp_slice(&told->receives, sizeof told->receives),
        amp_slice(&told->home.len, sizeof told->home.len),
        amp_queue_name_slice(&told->home),
        amp_slice(&told->source.len, sizeof told->source.len),
        amp_queue_name_slice(&told->source),
    };
    uint8_t digest[AMP_SHA256_LEN];
    enum amp_err err = amp_sha256(digest, parts, sizeof parts / sizeof parts[0]);
    if (err == AMP_OK)
        memcpy(id, digest, AMP_INDEX_ID_LEN);
    return err;
}

/* The stock has room for one; where no message is of that one any more, it is another's. */
static enum amp_err origin_block(struct visit *visit, struct stock *stock, bool beyond, struct origin **out)
{
    struct amp_meter *meter = &visit->memory->meter;
    if (stock->first.messages == 0) {
        if (stock->first.known)
            amp_index_remove(&visit->stripe->origins, meter, &stock->first.entry);
        stock->first = (struct origin){0};
        *out = &stock->first;
        return AMP_OK;
    }
    void *block;
    enum amp_err err = beyond ? amp_meter_alloc_beyond(meter, sizeof(struct origin), &block)
                              : amp_meter_alloc(meter, sizeof(struct origin), &block);
    *out = block;
    if (err == AMP_OK)
        amp_account_add(stock->account, amp_meter_size(block));
    return err;
}

enum amp_err amp_origin_take(struct visit *visit, struct stock *stock, const struct origin_told *told, bool beyond,
                             struct origin **out)
{
    *out = stock->recent;
    if (is_of(*out, told)) {
        (*out)->messages++;
        return AMP_OK;
    }
    uint8_t id[AMP_INDEX_ID_LEN];
    enum amp_err err = name_origin(stock, told, id);
    if (err != AMP_OK)
        return err;
    *out = (struct origin *)(void *)amp_index_find(&visit->stripe->origins, id);
    if (*out == NULL) {
        err = origin_block(visit, stock, beyond, out);
        if (err != AMP_OK)
            return err;
        memcpy((*out)->entry.id, id, sizeof id);
        (*out)->told = *told;
        (*out)->stock = stock;
        (*out)->known = true;
        amp_index_insert(&visit->stripe->origins, &visit->memory->meter, &(*out)->entry);
    }
    (*out)->messages++;
    stock->recent = *out;
    return AMP_OK;
}

void amp_origin_release(struct visit *visit, struct origin *origin)
{
    struct stock *stock = origin->stock;
    if (--origin->messages != 0 || origin == &stock->first)
        return;
    if (stock->recent == origin)
        stock->recent = &stock->first;
    amp_index_remove(&visit->stripe->origins, &visit->memory->meter, &origin->entry);
    amp_account_take(visit->memory, stock->account, amp_meter_size(origin));
    amp_meter_free(&visit->memory->meter, origin, sizeof *origin);
}

/* Groups. */

static void salt(const struct stock *stock, const uint8_t *from, uint8_t *to)
{
    for (size_t i = 0; i < AMP_INDEX_ID_LEN; i++)
        to[i] = from[i] ^ stock->salt[i];
}

void amp_group_hash(const struct stock *stock, const struct group *group, uint8_t hash[AMP_MESSAGE_HASH_LEN])
{
    salt(stock, group->entry.id, hash);
}

enum amp_err amp_group_get(struct visit *visit, struct stock *stock, const uint8_t hash[AMP_MESSAGE_HASH_LEN],
                           bool beyond, struct group **out)
{
    struct amp_meter *meter = &visit->memory->meter;
    uint8_t id[AMP_INDEX_ID_LEN];
    salt(stock, hash, id);
    *out = (struct group *)(void *)amp_index_find(&visit->stripe->groups, id);
    if (*out != NULL)
        return AMP_OK;
    void *block;
    enum amp_err err = beyond ? amp_meter_alloc_beyond(meter, sizeof(struct group), &block)
                              : amp_meter_alloc(meter, sizeof(struct group), &block);
    if (err != AMP_OK)
        return err;
    struct group *group = block;
    amp_account_add(stock->account, amp_meter_size(group));
    memcpy(group->entry.id, id, sizeof id);
    amp_ring_init(&group->messages);
    amp_ring_append(&stock->waiting, &group->place);
    amp_index_insert(&visit->stripe->groups, meter, &group->entry);
    *out = group;
    return AMP_OK;
}

void amp_group_settle(struct visit *visit, struct stock *stock, struct group *group)
{
    struct amp_ring *first = amp_ring_first(&group->messages);
    if (first == NULL && group->in_flight == 0) {
        amp_ring_remove(&group->place);
        amp_index_remove(&visit->stripe->groups, &visit->memory->meter, &group->entry);
        amp_account_take(visit->memory, stock->account, amp_meter_size(group));
        amp_meter_free(&visit->memory->meter, group, sizeof *group);
        return;
    }
    bool receivable = first != NULL && group->in_flight == 0 &&
                      AMP_CONTAINER(first, struct message, place)->state == MESSAGE_AVAILABLE;
    if (receivable == group->receivable)
        return;
    group->receivable = receivable;
    amp_ring_remove(&group->place);
    amp_ring_append(receivable ? &stock->receivable : &stock->waiting, &group->place);
    if (receivable)
        amp_waiters_wake_one(visit, stock->queue);
}
