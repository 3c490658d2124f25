#include "audit/event.h"

#include <endian.h>

enum { ALARM = 1 << 0, TOKEN = 1 << 1, UNVERIFIED = 1 << 2, MESSAGE = 1 << 3, FLAGS = 0xf };
enum { FIXED_LEN = 2 + 8 + 1 + 1 + 2 + 1 + 16 + 8 + 8 };
enum { ROLE_MAX = 10, ACT_MAX = 22, OUTCOME_MAX = 7, CODE_MAX = 29, TIME_LEN = 24, UUID_LEN = 36 };

_Static_assert(FIXED_LEN + 4 + AMP_EVENT_WHO_MAX + AMP_EVENT_SOURCE_MAX + AMP_EVENT_QUEUE_MAX + AMP_EVENT_SUBJECT_MAX <=
                   AMP_EVENT_PACKED_MAX,
               "the longest event must fit");

#define MEMBER(name, most) (sizeof(",\"" name "\":\"\"") - 1 + (most))
_Static_assert(MEMBER("time", TIME_LEN) + MEMBER("role", ROLE_MAX) + MEMBER("event", ACT_MAX) +
                       MEMBER("outcome", OUTCOME_MAX) + MEMBER("code", CODE_MAX) +
                       MEMBER("claims_to_be", AMP_EVENT_WHO_MAX) + MEMBER("source", AMP_EVENT_SOURCE_MAX) +
                       MEMBER("queue", AMP_EVENT_QUEUE_MAX) + MEMBER("subject", AMP_EVENT_SUBJECT_MAX) +
                       MEMBER("message", UUID_LEN) + MEMBER("request", 16) + MEMBER("count", 20) + MEMBER("alarm", 4) <=
                   AMP_EVENT_JSON_MAX,
               "the longest line must fit");
#undef MEMBER

#define X(symbol, name) _Static_assert(sizeof(name) - 1 <= ACT_MAX, name);
AMP_ACTS(X)
#undef X
#define X(symbol, code, status, sentence) _Static_assert(sizeof(code) - 1 <= CODE_MAX, code);
AMP_ERRORS(X)
#undef X

const char *amp_act_name(enum amp_act act)
{
    static const char *const names[] = {
#define X(symbol, name) name,
        AMP_ACTS(X)
#undef X
    };
    return (size_t)act < AMP_ACT_COUNT_ ? names[act] : "unknown";
}

const char *amp_outcome_name(enum amp_outcome outcome)
{
    static const char *const names[] = {"success", "refused", "failure"};
    return (size_t)outcome < AMP_OUTCOME_COUNT_ ? names[outcome] : "unknown";
}

static void put_uint(struct amp_out *out, uint64_t value, size_t bytes)
{
    uint64_t big_endian = htobe64(value << (64 - 8 * bytes));
    amp_out_bytes(out, &big_endian, bytes);
}

static uint64_t take_uint(const uint8_t **at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | *(*at)++;
    return value;
}

/* What may stand between the quotes of a JSON string without an escape. */
static bool is_plain(uint8_t c)
{
    return (c >= 0x20) & (c < 0x7f) & (c != '"') & (c != '\\'); /* no branches: whole texts are checked at once */
}

static void put_text(struct amp_out *out, struct amp_slice text, size_t most)
{
    size_t len = text.len < most ? text.len : most;
    amp_out_byte(out, (uint8_t)len);
    if (len > out->cap - out->len) {
        out->overflow = true;
        return;
    }
    uint8_t *to = out->ptr + out->len;
    for (size_t i = 0; i < len; i++)
        to[i] = is_plain(text.ptr[i]) ? text.ptr[i] : '?';
    out->len += len;
}

void amp_event_pack(struct amp_out *out, const struct amp_event *event)
{
    size_t start = out->len;
    unsigned flags = (event->alarm ? ALARM : 0u) | (event->who_unverified ? UNVERIFIED : 0u) |
                     (event->has_token     ? TOKEN
                      : event->has_message ? MESSAGE
                                           : 0u);
    put_uint(out, 0, 2);
    put_uint(out, (uint64_t)event->unix_ms, 8);
    put_uint(out, event->act, 1);
    put_uint(out, event->outcome, 1);
    put_uint(out, event->code, 2);
    put_uint(out, flags, 1);
    if (event->has_token || event->has_message)
        amp_out_bytes(out, event->token_reference, sizeof(event->token_reference));
    else
        amp_out_bytes(out, (const uint8_t[16]){0}, 16);
    put_uint(out, event->request_id, 8);
    put_uint(out, event->count, 8);
    put_text(out, event->who, AMP_EVENT_WHO_MAX);
    put_text(out, event->source, AMP_EVENT_SOURCE_MAX);
    put_text(out, event->queue, AMP_EVENT_QUEUE_MAX);
    put_text(out, event->subject, AMP_EVENT_SUBJECT_MAX);
    if (out->overflow)
        return;
    out->ptr[start] = (uint8_t)((out->len - start) >> 8);
    out->ptr[start + 1] = (uint8_t)(out->len - start);
}

/* False where it is too long, runs past the end or is not plain. */
static bool take_text(struct amp_slice *text, const uint8_t **at, const uint8_t *end, size_t most)
{
    if (*at == end)
        return false;
    size_t len = *(*at)++;
    if (len > most || len > (size_t)(end - *at))
        return false;
    *text = amp_slice(*at, len);
    bool plain = true;
    for (size_t i = 0; i < len; i++)
        plain &= is_plain((*at)[i]);
    *at += len;
    return plain;
}

static bool take_fixed(struct amp_event *event, const uint8_t **at)
{
    event->unix_ms = (int64_t)take_uint(at, 8);
    uint64_t act = take_uint(at, 1);
    uint64_t outcome = take_uint(at, 1);
    uint64_t code = take_uint(at, 2);
    uint64_t flags = take_uint(at, 1);
    memcpy(event->token_reference, *at, sizeof(event->token_reference));
    *at += sizeof(event->token_reference);
    event->request_id = take_uint(at, 8);
    event->count = take_uint(at, 8);
    /* 9999-12-31T23:59:59.999Z is the last time that has a name in the log. */
    if (event->unix_ms < 0 || event->unix_ms > INT64_C(253402300799999) || act >= AMP_ACT_COUNT_ ||
        outcome >= AMP_OUTCOME_COUNT_ || code >= AMP_ERR_COUNT_ || flags > FLAGS ||
        (flags & (TOKEN | MESSAGE)) == (TOKEN | MESSAGE))
        return false;
    event->act = (enum amp_act)act;
    event->outcome = (enum amp_outcome)outcome;
    event->code = (enum amp_err)code;
    event->alarm = (flags & ALARM) != 0;
    event->has_token = (flags & TOKEN) != 0;
    event->has_message = (flags & MESSAGE) != 0;
    event->who_unverified = (flags & UNVERIFIED) != 0;
    return true;
}

enum amp_err amp_event_unpack(struct amp_event *event, struct amp_slice packed, size_t *used)
{
    struct amp_event read = {0};
    if (packed.len < FIXED_LEN)
        return AMP_ERR_INVALID;
    const uint8_t *at = packed.ptr;
    size_t len = (size_t)take_uint(&at, 2);
    if (len < FIXED_LEN || len > packed.len || len > AMP_EVENT_PACKED_MAX)
        return AMP_ERR_INVALID;
    const uint8_t *end = packed.ptr + len;
    if (!take_fixed(&read, &at) || !take_text(&read.who, &at, end, AMP_EVENT_WHO_MAX) ||
        !take_text(&read.source, &at, end, AMP_EVENT_SOURCE_MAX) ||
        !take_text(&read.queue, &at, end, AMP_EVENT_QUEUE_MAX) ||
        !take_text(&read.subject, &at, end, AMP_EVENT_SUBJECT_MAX) || at != end)
        return AMP_ERR_INVALID;
    *event = read;
    *used = len;
    return AMP_OK;
}

static void write_text(struct amp_out *out, const char *member, struct amp_slice text)
{
    amp_out_str(out, member);
    amp_out_slice(out, text);
    amp_out_byte(out, '"');
}

/* RFC 9562 section 4: 8-4-4-4-12. */
static void write_uuid(struct amp_out *out, const uint8_t id[16])
{
    static const uint8_t ends[] = {4, 6, 8, 10, 16};
    for (size_t i = 0, at = 0; i < sizeof(ends); at = ends[i++]) {
        if (i != 0)
            amp_out_byte(out, '-');
        amp_out_hex(out, id + at, ends[i] - at);
    }
}

static void write_number(struct amp_out *out, const char *member, uint64_t number)
{
    if (number == 0)
        return;
    amp_out_str(out, member);
    amp_out_u64(out, number);
}

void amp_event_write_json(struct amp_out *out, const struct amp_event *event, const char *role)
{
    amp_out_str(out, "\"time\":\"");
    amp_out_time(out, event->unix_ms);
    write_text(out, "\",\"role\":\"", amp_slice_str(role));
    write_text(out, ",\"event\":\"", amp_slice_str(amp_act_name(event->act)));
    write_text(out, ",\"outcome\":\"", amp_slice_str(amp_outcome_name(event->outcome)));
    if (event->code != AMP_OK)
        write_text(out, ",\"code\":\"", amp_slice_str(amp_err_code(event->code)));
    if (event->who.len != 0)
        write_text(out, event->who_unverified ? ",\"claims_to_be\":\"" : ",\"who\":\"", event->who);
    if (event->source.len != 0)
        write_text(out, ",\"source\":\"", event->source);
    if (event->queue.len != 0)
        write_text(out, ",\"queue\":\"", event->queue);
    if (event->subject.len != 0)
        write_text(out, ",\"subject\":\"", event->subject);
    if (event->has_token) {
        amp_out_str(out, ",\"token\":\"");
        amp_out_hex(out, event->token_reference, sizeof(event->token_reference));
        amp_out_byte(out, '"');
    }
    if (event->has_message) {
        amp_out_str(out, ",\"message\":\"");
        write_uuid(out, event->token_reference);
        amp_out_byte(out, '"');
    }
    if (event->request_id != 0) { /* as in the answer's X-Request-Id */
        uint8_t id[8];
        struct amp_out bytes = amp_out(id, sizeof(id));
        put_uint(&bytes, event->request_id, sizeof(id));
        amp_out_str(out, ",\"request\":\"");
        amp_out_hex(out, id, sizeof(id));
        amp_out_byte(out, '"');
    }
    write_number(out, ",\"count\":", event->count);
    if (event->alarm)
        amp_out_str(out, ",\"alarm\":true");
}
