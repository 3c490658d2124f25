/*
 * Events wait packed, one behind the other, from `start` on: those the scribe has not written yet. The first of them
 * has the number written + 1; those below `sent_at` have been sent over the present link.
 *
 * A link begins with a RECORDS message without events, the hello: it tells the new scribe where numbers go on, and its
 * answer tells whether the log is writable and that what was written before is durable.
 */
#include "ipc/recorder.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/log.h"

/* A request that was let in may record up to a batch of events: work is refused while there is room for those yet. */
enum { SEND_AT = 16 << 10, SEND_AFTER_US = 5000 };
enum { WAITING_MAX = 4 << 20, WAITING_READY = WAITING_MAX - (256 << 10), WAITING_FIRST = 64 << 10, HEADER_LEN = 8 + 1 };

struct amp_recorder {
    struct event_base *base;
    void (*durable_told)(void *ctx, uint64_t number);
    void *ctx;
    void (*violated)(void *ctx);
    void *violated_ctx;
    struct amp_link *link;
    struct event *later; /* added while events wait to be sent that nobody waits for */
    bool later_added;
    uint8_t *waiting;
    size_t cap;
    size_t start;
    size_t sent_at;
    size_t end;
    uint64_t last;        /* number of the newest event */
    uint64_t sent;        /* highest number sent over the present link */
    uint64_t written;     /* highest number written */
    uint64_t durable;     /* highest number durable */
    uint64_t sync_wanted; /* highest number that wants to be durable soon */
    bool answered;        /* the present scribe has answered */
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
    recorder->cap = WAITING_FIRST;
    recorder->waiting = malloc(recorder->cap);
    recorder->later = evtimer_new(base, on_later, recorder);
    if (recorder->waiting == NULL || recorder->later == NULL) {
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
    free(recorder->waiting);
    free(recorder);
}

void amp_recorder_on_violation(struct amp_recorder *recorder, void (*violated)(void *ctx), void *ctx)
{
    recorder->violated = violated;
    recorder->violated_ctx = ctx;
}

bool amp_recorder_ready(const struct amp_recorder *recorder)
{
    return recorder->link != NULL && recorder->answered && recorder->writable &&
           recorder->end - recorder->start < WAITING_READY;
}

bool amp_recorder_idle(const struct amp_recorder *recorder)
{
    return recorder->durable == recorder->last;
}

/* Forgets events up to number `written`. */
static void forget(struct amp_recorder *recorder, uint64_t written)
{
    for (; recorder->written < written; recorder->written++)
        recorder->start += event_len(recorder->waiting + recorder->start);
    if (recorder->start == recorder->end)
        recorder->start = recorder->sent_at = recorder->end = 0;
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
    forget(recorder, written);
    if (durable > recorder->durable) {
        recorder->durable = durable;
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
    recorder->sent = recorder->written;
    recorder->sent_at = recorder->start;
}

static void on_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct amp_recorder *recorder = ctx;
    detach(recorder);
    if (violation && recorder->violated != NULL)
        recorder->violated(recorder->violated_ctx);
}

/* Sends the events from sent_at to `to`, the last of them number `last`. */
static bool send_batch(struct amp_recorder *recorder, size_t to, uint64_t last)
{
    struct amp_out out = amp_out(recorder->scratch, sizeof(recorder->scratch));
    amp_ipc_put_u64(&out, recorder->sent + 1);
    amp_ipc_put_u8(&out, recorder->sync_wanted > recorder->sent ? 1 : 0);
    amp_out_bytes(&out, recorder->waiting + recorder->sent_at, to - recorder->sent_at);
    if (amp_link_send(recorder->link, AMP_IPC_RECORDS, amp_out_done(&out), -1) != AMP_OK)
        return false; /* nothing is lost: they wait for the next link */
    recorder->sent_at = to;
    recorder->sent = last;
    return true;
}

static void send_all(struct amp_recorder *recorder)
{
    while (recorder->link != NULL && recorder->sent_at < recorder->end && amp_link_idle(recorder->link)) {
        size_t to = recorder->sent_at;
        uint64_t last = recorder->sent;
        while (to < recorder->end) {
            size_t len = event_len(recorder->waiting + to);
            if (HEADER_LEN + to - recorder->sent_at + len > sizeof(recorder->scratch))
                break;
            to += len;
            last++;
        }
        if (!send_batch(recorder, to, last))
            return;
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
    if (recorder->sent_at == recorder->end)
        return;
    if (recorder->sync_wanted > recorder->sent || recorder->end - recorder->sent_at >= SEND_AT)
        send_all(recorder);
    else
        send_later(recorder);
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
    if (send_batch(recorder, recorder->sent_at, recorder->sent))
        send_all(recorder);
}

/* Room for `len` more bytes: by moving what waits to the front, or by growing. */
static bool make_room(struct amp_recorder *recorder, size_t len)
{
    if (len <= recorder->cap - recorder->end)
        return true;
    size_t used = recorder->end - recorder->start;
    if (used > WAITING_MAX - len)
        return false;
    size_t cap = recorder->cap;
    while (cap < 2 * (used + len) && cap < WAITING_MAX) /* twice: moving stays rare */
        cap *= 2;
    uint8_t *to = recorder->waiting;
    if (cap != recorder->cap && (to = malloc(cap)) == NULL)
        return false;
    memmove(to, recorder->waiting + recorder->start, used);
    if (to != recorder->waiting)
        free(recorder->waiting);
    recorder->waiting = to;
    recorder->cap = cap;
    recorder->sent_at -= recorder->start;
    recorder->end = used;
    recorder->start = 0;
    return true;
}

enum amp_err amp_recorder_add(struct amp_recorder *recorder, const struct amp_event *event, bool want_durable,
                              uint64_t *number)
{
    uint8_t storage[AMP_EVENT_PACKED_MAX];
    struct amp_out packed = amp_out(storage, sizeof(storage));
    amp_event_pack(&packed, event);
    if (packed.overflow || !make_room(recorder, packed.len))
        return AMP_ERR_AUDIT_UNAVAILABLE;
    memcpy(recorder->waiting + recorder->end, storage, packed.len);
    recorder->end += packed.len;
    recorder->last++;
    if (want_durable)
        recorder->sync_wanted = recorder->last;
    if (number != NULL)
        *number = recorder->last;
    return AMP_OK;
}
