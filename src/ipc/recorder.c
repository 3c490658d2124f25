/*
 * Events wait packed in blocks, a block being what fits one packet, until they are durable: a scribe that dies may take
 * with it what it wrote and could not sync. The first event that waits has the number durable + 1; those in front of
 * `unsent` have been sent over the present link.
 *
 * A link begins with a RECORDS message without events, the hello: it tells the new scribe where numbers go on, and its
 * answer tells whether the log is writable.
 */
#include "ipc/recorder.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/log.h"

enum { SEND_AT = 32 << 10, SEND_AFTER_US = 5000, STUCK_MS = 3000 };
enum { HEADER_LEN = 8 + 1, BLOCK_BYTES = AMP_IPC_MAX_PAYLOAD - HEADER_LEN };
/* A request that was let in may record up to a batch of events: work is refused while there is room for those yet. */
enum { WAITING_READY = AMP_RECORDER_BYTES_MAX - (256 << 10) };

struct block {
    struct block *next;
    uint64_t last; /* number of its newest event */
    size_t len;
    uint8_t events[BLOCK_BYTES];
};

/* A place between two events. */
struct place {
    struct block *block;
    size_t at;
};

struct amp_recorder {
    struct event_base *base;
    struct amp_clock clock;
    void (*durable_told)(void *ctx, uint64_t number);
    void *ctx;
    void (*violated)(void *ctx);
    void *violated_ctx;
    struct amp_link *link;
    struct event *later; /* added while events wait to be sent that nobody waits for */
    bool later_added;
    struct place oldest; /* never without a block */
    struct place unsent;
    struct block *newest;
    size_t waiting_bytes;
    size_t unsent_bytes;
    uint64_t last;         /* number of the newest event */
    uint64_t sent;         /* highest number sent over the present link */
    uint64_t written;      /* highest number written by the present scribe; durable at least */
    uint64_t durable;      /* highest number durable */
    uint64_t sync_wanted;  /* highest number that wants to be durable soon */
    uint64_t watched;      /* an event that was sent and is not written, or 0: */
    int64_t watch_mono_ms; /* since when it is waited for */
    bool said_stuck;
    bool answered; /* the present scribe has answered */
    bool writable;
    uint8_t scratch[AMP_IPC_MAX_PAYLOAD];
};

static void on_later(evutil_socket_t fd, short what, void *ctx);

static size_t event_len(const uint8_t *packed)
{
    return (size_t)packed[0] << 8 | packed[1];
}

enum amp_err amp_recorder_new(struct amp_recorder **out, struct event_base *base,
                              void (*durable)(void *ctx, uint64_t number), void *ctx)
{
    *out = NULL;
    struct amp_recorder *recorder = calloc(1, sizeof(*recorder));
    if (recorder == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    recorder->base = base;
    recorder->durable_told = durable;
    recorder->ctx = ctx;
    recorder->clock = amp_clock_system();
    recorder->newest = calloc(1, sizeof(*recorder->newest));
    recorder->oldest = recorder->unsent = (struct place){recorder->newest, 0};
    recorder->later = evtimer_new(base, on_later, recorder);
    if (recorder->newest == NULL || recorder->later == NULL) {
        amp_recorder_free(recorder);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    *out = recorder;
    return AMP_OK;
}

void amp_recorder_free(struct amp_recorder *recorder)
{
    if (recorder == NULL)
        return;
    amp_link_free(recorder->link);
    if (recorder->later != NULL)
        event_free(recorder->later);
    for (struct block *next, *block = recorder->oldest.block; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    free(recorder);
}

void amp_recorder_set_clock(struct amp_recorder *recorder, struct amp_clock clock)
{
    recorder->clock = clock;
}

void amp_recorder_on_violation(struct amp_recorder *recorder, void (*violated)(void *ctx), void *ctx)
{
    recorder->violated = violated;
    recorder->violated_ctx = ctx;
}

/* A scribe that is well says within milliseconds that it wrote; one whose disk hangs says nothing at all. */
static bool stuck(const struct amp_recorder *recorder)
{
    return recorder->watched != 0 && amp_clock_mono_ms(&recorder->clock) - recorder->watch_mono_ms > STUCK_MS;
}

bool amp_recorder_ready(const struct amp_recorder *recorder)
{
    return recorder->link != NULL && recorder->answered && recorder->writable &&
           recorder->waiting_bytes < WAITING_READY && !stuck(recorder);
}

bool amp_recorder_roomy(const struct amp_recorder *recorder)
{
    return recorder->waiting_bytes < AMP_RECORDER_BYTES_MAX / 2;
}

bool amp_recorder_idle(const struct amp_recorder *recorder)
{
    return recorder->durable == recorder->last;
}

/*
 * Sees to it that the oldest event that is sent and not written is waited for no longer than STUCK_MS unnoticed: one
 * event is watched, and when it is written the newest one sent by then.
 */
static void watch(struct amp_recorder *recorder)
{
    if (recorder->watched > recorder->written)
        return;
    recorder->watched = recorder->sent > recorder->written ? recorder->sent : 0;
    if (recorder->watched != 0)
        recorder->watch_mono_ms = amp_clock_mono_ms(&recorder->clock);
}

/* Says once that the log got stuck, and once that it goes on, be it with another scribe. */
static void note_health(struct amp_recorder *recorder)
{
    bool is_stuck = stuck(recorder);
    if (is_stuck == recorder->said_stuck || !recorder->answered)
        return;
    recorder->said_stuck = is_stuck;
    amp_log(AMP_LOG_ERROR, is_stuck ? "the event log does not answer: no work is accepted until it does"
                                    : "the event log answers again");
}

/* Behind what was stepped over the next block begins, where there is one. */
static void enter_next(struct place *place)
{
    if (place->at == place->block->len && place->block->next != NULL)
        *place = (struct place){place->block->next, 0};
}

/* Forgets events up to number `durable`, all of which were sent: whole blocks unread, and of one a part. */
static void forget(struct amp_recorder *recorder, uint64_t durable)
{
    struct place *oldest = &recorder->oldest;
    while (recorder->durable < durable) {
        struct block *block = oldest->block;
        const bool whole = block->last <= durable;
        const size_t len = whole ? block->len - oldest->at : event_len(block->events + oldest->at);
        recorder->durable = whole ? block->last : recorder->durable + 1;
        recorder->waiting_bytes -= len;
        oldest->at += len;
        enter_next(oldest);
        if (oldest->block != block)
            free(block);
    }
    if (recorder->waiting_bytes == 0)
        recorder->newest->len = oldest->at = recorder->unsent.at = 0;
}

static bool on_recorded(struct amp_recorder *recorder, struct amp_slice payload)
{
    struct amp_ipc_in in = {payload, false};
    uint64_t written = amp_ipc_get_u64(&in);
    uint64_t durable = amp_ipc_get_u64(&in);
    uint8_t writable = amp_ipc_get_u8(&in);
    if (!amp_ipc_end(&in) || writable > 1 || written < recorder->written || written > recorder->sent ||
        durable > written || durable < recorder->durable)
        return false;
    recorder->answered = true;
    recorder->writable = writable == 1;
    recorder->written = written;
    watch(recorder);
    if (durable > recorder->durable) {
        forget(recorder, durable);
        if (recorder->durable_told != NULL)
            recorder->durable_told(recorder->ctx, durable);
    }
    amp_recorder_flush(recorder);
    return true;
}

static bool on_message(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    return type == AMP_IPC_RECORDED && on_recorded(ctx, payload);
}

static void detach(struct amp_recorder *recorder)
{
    amp_link_free(recorder->link);
    recorder->link = NULL;
    recorder->answered = recorder->writable = false;
    recorder->sent = recorder->written = recorder->durable;
    recorder->unsent = recorder->oldest;
    recorder->unsent_bytes = recorder->waiting_bytes;
    recorder->watched = 0;
}

static void on_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct amp_recorder *recorder = ctx;
    detach(recorder);
    if (violation && recorder->violated != NULL)
        recorder->violated(recorder->violated_ctx);
}

/* Sends `len` bytes of events from the first unsent one on. */
static bool send_batch(struct amp_recorder *recorder, size_t len)
{
    struct amp_out out = amp_out(recorder->scratch, sizeof(recorder->scratch));
    amp_ipc_put_u64(&out, recorder->sent + 1);
    amp_ipc_put_u8(&out, recorder->sync_wanted > recorder->sent ? 1 : 0);
    amp_out_bytes(&out, recorder->unsent.block->events + recorder->unsent.at, len);
    return amp_link_send(recorder->link, AMP_IPC_RECORDS, amp_out_done(&out), -1) == AMP_OK;
}

/* What a block holds is a packet. Where it cannot be sent nothing is lost: it waits for the next link. */
static void send_all(struct amp_recorder *recorder)
{
    struct place *unsent = &recorder->unsent;
    while (recorder->link != NULL && recorder->unsent_bytes > 0 && amp_link_idle(recorder->link)) {
        const size_t len = unsent->block->len - unsent->at;
        if (!send_batch(recorder, len))
            return;
        recorder->sent = unsent->block->last;
        recorder->unsent_bytes -= len;
        unsent->at += len;
        enter_next(unsent);
        watch(recorder);
    }
}

static void on_later(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_recorder *recorder = ctx;
    recorder->later_added = false;
    send_all(recorder);
}

static void send_later(struct amp_recorder *recorder)
{
    static const struct timeval after = {.tv_usec = SEND_AFTER_US};
    if (!recorder->later_added && event_add(recorder->later, &after) == 0)
        recorder->later_added = true;
    if (!recorder->later_added)
        send_all(recorder);
}

/* A packet for each turn of a busy loop would cost both sides more than the events in it. */
void amp_recorder_flush(struct amp_recorder *recorder)
{
    note_health(recorder);
    if (recorder->unsent_bytes == 0)
        return;
    if (recorder->sync_wanted > recorder->sent || recorder->unsent_bytes >= SEND_AT)
        send_all(recorder);
    else
        send_later(recorder);
}

void amp_recorder_send(struct amp_recorder *recorder)
{
    send_all(recorder);
}

void amp_recorder_attach(struct amp_recorder *recorder, enum amp_role self, int fd)
{
    detach(recorder);
    const struct amp_link_config config = {
        .base = recorder->base,
        .self = self,
        .peer = AMP_ROLE_SCRIBE,
        .ctx = recorder,
        .message = on_message,
        .closed = on_closed,
    };
    if (amp_link_new(&recorder->link, &config, fd) != AMP_OK) {
        amp_log(AMP_LOG_ERROR, "no memory for the link to the event log");
        return;
    }
    if (send_batch(recorder, 0))
        send_all(recorder);
}

/* Room for `len` more bytes at the end of the newest block. */
static bool make_room(struct amp_recorder *recorder, size_t len)
{
    struct block *full = recorder->newest;
    if (len > AMP_RECORDER_BYTES_MAX - recorder->waiting_bytes)
        return false;
    if (len <= BLOCK_BYTES - full->len)
        return true;
    struct block *block = malloc(sizeof(*block));
    if (block == NULL)
        return false;
    block->next = NULL;
    block->last = recorder->last;
    block->len = 0;
    full->next = recorder->newest = block;
    if (recorder->unsent.block == full && recorder->unsent.at == full->len)
        recorder->unsent = (struct place){block, 0};
    return true;
}

bool amp_recorder_reserve(struct amp_recorder *recorder, size_t count)
{
    return make_room(recorder, count * AMP_EVENT_PACKED_MAX);
}

enum amp_err amp_recorder_add(struct amp_recorder *recorder, const struct amp_event *event, bool want_durable,
                              uint64_t *number)
{
    uint8_t storage[AMP_EVENT_PACKED_MAX];
    struct amp_out packed = amp_out(storage, sizeof(storage));
    amp_event_pack(&packed, event);
    if (packed.overflow || !make_room(recorder, packed.len))
        return AMP_ERR_AUDIT_UNAVAILABLE;
    memcpy(recorder->newest->events + recorder->newest->len, storage, packed.len);
    recorder->newest->len += packed.len;
    recorder->waiting_bytes += packed.len;
    recorder->unsent_bytes += packed.len;
    recorder->newest->last = ++recorder->last;
    if (want_durable)
        recorder->sync_wanted = recorder->last;
    if (number != NULL)
        *number = recorder->last;
    return AMP_OK;
}
