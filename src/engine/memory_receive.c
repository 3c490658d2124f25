/* Receiving, and what can be done with what was received: deleting it, hiding it longer, looking at it. */
#include "engine/memory.h"

#include "crypto/crypto.h"

#define PASSES_MOST (AMP_RECEIVE_DEAD_MAX / TRAVELLERS_MAX)

/* One receive call. */
struct intake {
    const struct amp_receive *receive;
    struct amp_message_out *out;
    struct amp_secret_buf *sealed;
    size_t sealed_before;
    int64_t visibility_ms;
    size_t count;
    bool redrives; /* false once its dead-letter queue turned out not to be there */
    struct message *taken[AMP_RECEIVE_MAX];
    uint64_t stamps[AMP_RECEIVE_MAX];
};

static void describe(struct message *message, struct amp_message_out *out)
{
    const struct origin *origin = message->origin;
    const struct in_order *in_order = amp_memory_message_in_order(message);
    memcpy(out->receipt.id, message->entry.id, sizeof out->receipt.id);
    out->receipt.stamp = message->stamp;
    memcpy(out->sender, origin->told.sender, sizeof out->sender);
    out->home = origin->told.home;
    out->source = origin->told.source;
    out->epoch = origin->told.epoch;
    out->sent_unix_ms = amp_memory_message_sent_unix_ms(message);
    out->expires_unix_ms = out->sent_unix_ms + message->life_ms;
    out->receives = (uint32_t)message->receives + origin->told.receives;
    out->first_received_unix_ms = out->receives == 0 ? 0 : out->sent_unix_ms + (int64_t)message->first_received_ms;
    out->sequence = in_order == NULL ? 0 : in_order->sequence;
}

static enum amp_err copy_sealed(const struct message *message, struct amp_message_out *out,
                                struct amp_secret_buf *sealed)
{
    struct amp_slice bytes = amp_memory_message_sealed(message);
    out->sealed_at = sealed->len;
    out->sealed_len = bytes.len;
    return amp_secret_buf_append(sealed, bytes.ptr, bytes.len);
}

/* Copied first, so that what fails changes nothing. */
static enum amp_err take(struct visit *visit, struct intake *intake, struct message *message)
{
    struct amp_message_out *out = &intake->out[intake->count];
    enum amp_err err = copy_sealed(message, out, intake->sealed);
    if (err != AMP_OK)
        return err;
    message->origin->stock->returned_last = !amp_memory_message_is_fresh(message);
    if (message->receives == 0 && message->origin->told.receives == 0)
        message->first_received_ms = (uint32_t)(visit->now_ms - amp_memory_message_put_ms(message));
    if (message->receives < UINT16_MAX)
        message->receives++;
    message->stamp = intake->stamps[intake->count] | 1; /* never 0, which is none */
    amp_memory_message_hide(visit, message, visit->now_ms + intake->visibility_ms);
    describe(message, out);
    intake->taken[intake->count++] = message;
    return AMP_OK;
}

static bool fits(const struct intake *intake, const struct message *message)
{
    size_t held = intake->sealed->len - intake->sealed_before;
    return intake->count == 0 || (held <= AMP_RECEIVE_BYTES_MAX && message->sealed_len <= AMP_RECEIVE_BYTES_MAX - held);
}

static bool is_dead_letter(const struct visit *visit, const struct intake *intake, const struct message *message)
{
    const struct amp_queue_settings *settings = &visit->queue->settings;
    return intake->redrives && settings->dead_letter.len != 0 && message->receives >= settings->max_receives;
}

/* What is not hidden at all can be received again once this call is through. */
static void show_again(struct visit *visit, const struct intake *intake)
{
    for (size_t i = 0; i < intake->count && intake->visibility_ms == 0; i++)
        amp_memory_message_show(visit, intake->taken[i], visit->now_ms, RANK_LAST);
}

static enum amp_err take_all(struct visit *visit, struct intake *intake, struct party *party)
{
    const struct amp_queue_settings *settings = &visit->queue->settings;
    const uint64_t *in_flight = &visit->queue->stock->count[MESSAGE_IN_FLIGHT];
    enum amp_err err = AMP_OK;
    struct message *message, *last = NULL;
    while (err == AMP_OK && intake->count < intake->receive->most &&
           (message = amp_memory_message_next(visit, last)) != NULL) {
        bool dead = is_dead_letter(visit, intake, message);
        if (dead && message->fifo && last != NULL) {
            last = NULL; /* it could not go back to its place, behind those just taken: another time */
            continue;
        }
        if (dead ? party->count == TRAVELLERS_MAX : !fits(intake, message))
            break;
        if (dead) {
            amp_travel_depart(visit, party, message, &settings->dead_letter);
        } else if (*in_flight >= AMP_IN_FLIGHT_MAX) {
            err = AMP_ERR_OVER_LIMIT;
        } else {
            err = take(visit, intake, message);
            last = message;
        }
    }
    show_again(visit, intake);
    return intake->count != 0 ? AMP_OK : err;
}

/* FIFO receive attempts. */

static int64_t hidden_since(const struct message *message)
{
    return amp_memory_message_put_ms(message) + message->since_ms;
}

/* What of an earlier attempt's messages is still in flight under its receipts, hidden anew. */
static void take_again(struct visit *visit, struct intake *intake, const struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->count && intake->count < intake->receive->most; i++) {
        struct message *message = amp_memory_message_find(visit, attempt->receipts[i].id);
        if (message == NULL || message->state != MESSAGE_IN_FLIGHT || message->stamp != attempt->receipts[i].stamp)
            continue;
        struct amp_message_out *out = &intake->out[intake->count];
        if (!fits(intake, message) || copy_sealed(message, out, intake->sealed) != AMP_OK)
            break;
        describe(message, out);
        int64_t until_ms = visit->now_ms + intake->visibility_ms, bound_ms = hidden_since(message) + VISIBILITY_MAX;
        amp_memory_message_set_due(visit, message, until_ms < bound_ms ? until_ms : bound_ms);
        intake->taken[intake->count++] = message;
    }
    show_again(visit, intake);
}

/* Remembers what was taken. Without memory for it the attempt is like any other: not worth failing. */
static void remember(struct visit *visit, const struct intake *intake, const uint8_t name[AMP_INDEX_ID_LEN])
{
    struct memo *memo;
    if (intake->count == 0 || amp_memo_add(visit, name, sizeof(struct attempt), &memo) != AMP_OK)
        return;
    struct attempt *attempt = (struct attempt *)(void *)memo;
    for (size_t i = 0; i < intake->count; i++)
        attempt->receipts[i] = intake->out[i].receipt;
    attempt->count = (uint32_t)intake->count;
}

static enum amp_err take_for_attempt(struct visit *visit, struct intake *intake, struct party *party)
{
    uint8_t name[AMP_INDEX_ID_LEN];
    amp_memo_name(visit->queue, MEMO_ATTEMPT, intake->receive->attempt, NULL, name);
    const struct memo *memo = amp_memo_find(visit, name);
    if (memo != NULL)
        take_again(visit, intake, (const struct attempt *)(const void *)memo);
    if (intake->count != 0)
        return AMP_OK;
    enum amp_err err = take_all(visit, intake, party);
    remember(visit, intake, name);
    return err;
}

/* One pass over the queue, and what it found to be dead letters on their way. *again: there may be more behind them. */
static enum amp_err pass(struct amp_memory *memory, struct intake *intake, bool *again)
{
    const struct amp_receive *receive = intake->receive;
    struct visit visit;
    struct party party;
    *again = false;
    enum amp_err err = amp_memory_enter(&visit, memory, receive->queue);
    if (err != AMP_OK)
        return err;
    amp_travel_begin(&party, TRAVEL_DEAD_LETTER, visit.queue);
    size_t work = PROMPT_WORK;
    amp_memory_message_tend(&visit, &work);
    intake->visibility_ms =
        receive->visibility_ms < 0 ? (int64_t)visit.queue->settings.visibility_s * 1000 : receive->visibility_ms;
    err = visit.queue->settings.fifo && receive->has_attempt ? take_for_attempt(&visit, intake, &party)
                                                             : take_all(&visit, intake, &party);
    struct stripe *stripe = visit.stripe;
    amp_memory_leave(&visit);
    unsigned arrived = amp_travel_arrive(memory, stripe, &party);
    if (arrived < party.count)
        intake->redrives = false;
    *again = err == AMP_OK && intake->count == 0 && party.count != 0;
    return err;
}

enum amp_err amp_memory_receive(void *self, const struct amp_receive *receive, struct amp_message_out *out,
                                size_t *count, struct amp_secret_buf *sealed)
{
    *count = 0;
    if (receive->most < 1 || receive->most > AMP_RECEIVE_MAX)
        return AMP_ERR_INVALID;
    if (receive->visibility_ms > VISIBILITY_MAX)
        return AMP_ERR_VISIBILITY_INVALID;
    struct intake intake = {
        .receive = receive, .out = out, .sealed = sealed, .sealed_before = sealed->len, .redrives = true};
    enum amp_err err = amp_random(intake.stamps, receive->most * sizeof intake.stamps[0]);
    bool again = err == AMP_OK;
    for (unsigned passes = 0; again && passes < PASSES_MOST; passes++)
        err = pass(self, &intake, &again);
    *count = intake.count;
    return err;
}

/* With a receipt. */

static bool is_last_receipt(const struct message *message, const struct amp_receipt *receipt)
{
    return message->stamp == receipt->stamp && receipt->stamp != 0;
}

/* Behind the visibility timeout a FIFO queue deletes nothing: the next in its order may be whoever has it by now (API
 * Reference, ReceiveMessage, ReceiveRequestAttemptId). */
enum amp_err amp_memory_remove(void *self, struct amp_slice queue, const struct amp_receipt *receipt)
{
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, self, queue);
    if (err != AMP_OK)
        return err;
    struct message *message = amp_memory_message_find(&visit, receipt->id);
    if (message == NULL)
        amp_travel_removed(&visit, receipt);
    else if (is_last_receipt(message, receipt) && (!message->fifo || message->state == MESSAGE_IN_FLIGHT))
        amp_memory_message_destroy(&visit, message);
    else if (message->fifo)
        err = AMP_ERR_RECEIPT_INVALID;
    amp_memory_leave(&visit);
    return err;
}

void amp_memory_discard(void *self, struct amp_slice queue, const struct amp_receipt *receipt)
{
    struct visit visit;
    if (amp_memory_enter(&visit, self, queue) != AMP_OK)
        return;
    struct message *message = amp_memory_message_find(&visit, receipt->id);
    if (message == NULL)
        amp_travel_removed(&visit, receipt);
    else if (is_last_receipt(message, receipt))
        amp_memory_message_destroy(&visit, message);
    amp_memory_leave(&visit);
}

static enum amp_err hide(struct visit *visit, const struct amp_receipt *receipt, int64_t visibility_ms)
{
    struct message *message = amp_memory_message_find(visit, receipt->id);
    if (message == NULL || message->state != MESSAGE_IN_FLIGHT || message->stamp != receipt->stamp)
        return AMP_ERR_MESSAGE_NOT_INFLIGHT;
    if (visibility_ms < 0 || visibility_ms > VISIBILITY_MAX - (visit->now_ms - hidden_since(message)))
        return AMP_ERR_VISIBILITY_INVALID;
    if (visibility_ms == 0)
        amp_memory_message_show(visit, message, visit->now_ms, RANK_LAST);
    else
        amp_memory_message_set_due(visit, message, visit->now_ms + visibility_ms);
    return AMP_OK;
}

enum amp_err amp_memory_change_visibility(void *self, struct amp_slice queue, const struct amp_receipt *receipt,
                                          int64_t visibility_ms)
{
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, self, queue);
    if (err != AMP_OK)
        return err;
    err = hide(&visit, receipt, visibility_ms);
    amp_memory_leave(&visit);
    return err;
}

static void forget_receive(struct visit *visit, const struct amp_receipt *receipt)
{
    struct message *message = amp_memory_message_find(visit, receipt->id);
    if (message == NULL || !is_last_receipt(message, receipt))
        return;
    message->stamp = 0;
    message->receives--;
    amp_memory_message_show(visit, message, visit->now_ms, RANK_FIRST);
}

/* From the last to the first, which shall be first again. */
void amp_memory_give_back(void *self, struct amp_slice queue, const struct amp_receipt *receipts, size_t count)
{
    struct visit visit;
    if (amp_memory_enter(&visit, self, queue) != AMP_OK)
        return;
    for (size_t i = count; i != 0; i--)
        forget_receive(&visit, &receipts[i - 1]);
    amp_memory_leave(&visit);
}

/* For push. */

enum amp_err amp_memory_peek(void *self, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN],
                             struct amp_message_out *out, struct amp_secret_buf *sealed)
{
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, self, queue);
    if (err != AMP_OK)
        return err;
    struct message *message = amp_memory_message_find(&visit, id);
    err = message == NULL ? AMP_ERR_NOT_FOUND : copy_sealed(message, out, sealed);
    if (err == AMP_OK) {
        describe(message, out);
        out->receipt.stamp = 0;
        out->receives = 0;
    }
    amp_memory_leave(&visit);
    return err;
}

void amp_memory_delivered(void *self, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN], bool acknowledged)
{
    struct visit visit;
    if (amp_memory_enter(&visit, self, queue) != AMP_OK)
        return;
    struct message *message = amp_memory_message_find(&visit, id);
    if (message != NULL) {
        message->refused |= !acknowledged;
        amp_memory_message_deliver(&visit, message, -1);
    } else {
        amp_travel_delivered(&visit, id, acknowledged);
    }
    amp_memory_leave(&visit);
}
