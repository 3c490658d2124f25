#include "audit/event.h"

#include <emmintrin.h>
#include <endian.h>

#include "base/text.h"

enum { ALARM = 1 << 0, TOKEN = 1 << 1, UNVERIFIED = 1 << 2, MESSAGE = 1 << 3, FLAGS = 0xf };
enum { FIXED_LEN = 2 + 8 + 1 + 1 + 2 + 1 + 16 + 8 + 8 };
enum { ROLE_MAX = 10, ACT_MAX = 22, OUTCOME_MAX = 7, CODE_MAX = 29, TIME_LEN = 24, UUID_LEN = 36, COUNT_LEN = 20 };

_Static_assert(FIXED_LEN + 4 + AMP_EVENT_WHO_MAX + AMP_EVENT_SOURCE_MAX + AMP_EVENT_QUEUE_MAX + AMP_EVENT_SUBJECT_MAX <=
                   AMP_EVENT_PACKED_MAX,
               "the longest event must fit");

#define MEMBER(name, most) (sizeof(",\"" name "\":\"\"") - 1 + (most))
_Static_assert(MEMBER("time", TIME_LEN) + MEMBER("role", ROLE_MAX) + MEMBER("event", ACT_MAX) +
                       MEMBER("outcome", OUTCOME_MAX) + MEMBER("code", CODE_MAX) +
                       MEMBER("claims_to_be", AMP_EVENT_WHO_MAX) + MEMBER("source", AMP_EVENT_SOURCE_MAX) +
                       MEMBER("queue", AMP_EVENT_QUEUE_MAX) + MEMBER("subject", AMP_EVENT_SUBJECT_MAX) +
                       MEMBER("message", UUID_LEN) + MEMBER("request", 16) + MEMBER("count", COUNT_LEN) +
                       MEMBER("alarm", 4) <=
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
    uint64_t big_endian = 0;
    memcpy((uint8_t *)&big_endian + (8 - bytes), *at, bytes);
    *at += bytes;
    return be64toh(big_endian);
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

/* is_plain of 16 bytes: a bit for each that is not. As a signed number a byte of 0x80 or above is below a space. */
static unsigned not_plain(const uint8_t bytes[16])
{
    const __m128i text = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    const __m128i printable = _mm_cmpgt_epi8(text, _mm_set1_epi8(0x1f));
    const __m128i quotes = _mm_or_si128(_mm_cmpeq_epi8(text, _mm_set1_epi8('"')), //
                                        _mm_cmpeq_epi8(text, _mm_set1_epi8('\\')));
    const __m128i refused = _mm_or_si128(quotes, _mm_cmpeq_epi8(text, _mm_set1_epi8(0x7f)));
    return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(refused, printable)) ^ 0xffff;
}

/* From its end to its front, whose last 16 bytes may begin before it: there stands what is fixed of its event. */
static bool all_plain(const uint8_t *end, size_t len)
{
    unsigned wrong = 0;
    for (; len > 16; len -= 16, end -= 16)
        wrong |= not_plain(end - 16);
    wrong |= not_plain(end - 16) >> (16 - len);
    return wrong == 0;
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
    *at += len;
    return all_plain(*at, len);
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
    if (packed.len < FIXED_LEN)
        return AMP_ERR_INVALID;
    const uint8_t *at = packed.ptr;
    size_t len = (size_t)take_uint(&at, 2);
    if (len < FIXED_LEN || len > packed.len || len > AMP_EVENT_PACKED_MAX)
        return AMP_ERR_INVALID;
    const uint8_t *end = packed.ptr + len;
    if (!take_fixed(event, &at) || !take_text(&event->who, &at, end, AMP_EVENT_WHO_MAX) ||
        !take_text(&event->source, &at, end, AMP_EVENT_SOURCE_MAX) ||
        !take_text(&event->queue, &at, end, AMP_EVENT_QUEUE_MAX) ||
        !take_text(&event->subject, &at, end, AMP_EVENT_SUBJECT_MAX) || at != end)
        return AMP_ERR_INVALID;
    *used = len;
    return AMP_OK;
}

/*
 * The members are written behind a pointer that moves on, into room that was seen to be enough for the longest of all.
 * What is known when this is compiled is copied without a call.
 */
static inline uint8_t *put(uint8_t *at, struct amp_slice text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

/* `name`: of the member, with all before its text. An empty text has none. */
static inline uint8_t *put_member(uint8_t *at, struct amp_slice name, struct amp_slice text, size_t most)
{
    if (text.len == 0)
        return at;
    at = put(at, name);
    at = put(at, amp_slice(text.ptr, text.len < most ? text.len : most));
    *at++ = '"';
    return at;
}

static inline uint8_t *put_hex(uint8_t *at, struct amp_slice name, const uint8_t *bytes, size_t len)
{
    at = put(at, name);
    amp_hex_encode((char *)at, bytes, len);
    at += 2 * len;
    *at++ = '"';
    return at;
}

/* RFC 9562 section 4: 8-4-4-4-12. */
static uint8_t *put_uuid(uint8_t *at, struct amp_slice name, const uint8_t id[16])
{
    static const uint8_t lens[] = {8, 4, 4, 4, 12};
    char digits[32];
    amp_hex_encode(digits, id, 16);
    at = put(at, name);
    for (size_t i = 0, from = 0; i < sizeof(lens); from += lens[i++]) {
        at = put(at, amp_slice(digits + from, lens[i]));
        *at++ = i == sizeof(lens) - 1 ? '"' : '-';
    }
    return at;
}

static uint8_t *put_count(uint8_t *at, uint64_t count)
{
    at = put(at, AMP_SLICE_LIT(",\"count\":"));
    struct amp_out number = amp_out(at, COUNT_LEN);
    amp_out_u64(&number, count);
    return at + number.len;
}

static uint8_t *put_time(uint8_t *at, int64_t unix_ms)
{
    at = put(at, AMP_SLICE_LIT("\"time\":\""));
    struct amp_out time = amp_out(at, TIME_LEN);
    amp_out_time(&time, unix_ms);
    return put(at + time.len, AMP_SLICE_LIT("\""));
}

static struct amp_slice act_member(enum amp_act act)
{
    static const struct amp_slice members[] = {
#define X(symbol, name) {(const uint8_t *)",\"event\":\"" name "\"", sizeof(",\"event\":\"" name "\"") - 1},
        AMP_ACTS(X)
#undef X
    };
    return (size_t)act < AMP_ACT_COUNT_ ? members[act] : AMP_SLICE_LIT(",\"event\":\"unknown\"");
}

static uint8_t *put_extras(uint8_t *at, const struct amp_event *event)
{
    if (event->has_token)
        at = put_hex(at, AMP_SLICE_LIT(",\"token\":\""), event->token_reference, sizeof(event->token_reference));
    if (event->has_message)
        at = put_uuid(at, AMP_SLICE_LIT(",\"message\":\""), event->token_reference);
    if (event->request_id != 0) { /* as in the answer's X-Request-Id */
        const uint64_t id = htobe64(event->request_id);
        at = put_hex(at, AMP_SLICE_LIT(",\"request\":\""), (const uint8_t *)&id, sizeof(id));
    }
    if (event->count != 0)
        at = put_count(at, event->count);
    return event->alarm ? put(at, AMP_SLICE_LIT(",\"alarm\":true")) : at;
}

void amp_event_write_json(struct amp_out *out, const struct amp_event *event, const char *role)
{
    if (out->cap - out->len < AMP_EVENT_JSON_MAX) {
        out->overflow = true;
        return;
    }
    uint8_t *at = put_time(out->ptr + out->len, event->unix_ms);
    at = put_member(at, AMP_SLICE_LIT(",\"role\":\""), amp_slice_str(role), ROLE_MAX);
    at = put(at, act_member(event->act));
    at = put_member(at, AMP_SLICE_LIT(",\"outcome\":\""), amp_slice_str(amp_outcome_name(event->outcome)), OUTCOME_MAX);
    if (event->code != AMP_OK)
        at = put_member(at, AMP_SLICE_LIT(",\"code\":\""), amp_slice_str(amp_err_code(event->code)), CODE_MAX);
    if (event->who_unverified)
        at = put_member(at, AMP_SLICE_LIT(",\"claims_to_be\":\""), event->who, AMP_EVENT_WHO_MAX);
    else
        at = put_member(at, AMP_SLICE_LIT(",\"who\":\""), event->who, AMP_EVENT_WHO_MAX);
    at = put_member(at, AMP_SLICE_LIT(",\"source\":\""), event->source, AMP_EVENT_SOURCE_MAX);
    at = put_member(at, AMP_SLICE_LIT(",\"queue\":\""), event->queue, AMP_EVENT_QUEUE_MAX);
    at = put_member(at, AMP_SLICE_LIT(",\"subject\":\""), event->subject, AMP_EVENT_SUBJECT_MAX);
    at = put_extras(at, event);
    out->len = (size_t)(at - out->ptr);
}
