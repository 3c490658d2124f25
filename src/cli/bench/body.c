#include "cli/bench/body.h"

#include "base/text.h"
#include "cli/bench/stopwatch.h"

#define ITEM_ROOM    768 /* one item beside what plan and shape say */
#define PAN_DIGITS   16
#define CVC_DIGITS   3
#define ORDER_DIGITS 16
#define DATE_LEN     16
#define GROUP_DIGITS 5

const struct bench_places bench_nowhere = {BENCH_ABSENT, BENCH_ABSENT, BENCH_ABSENT,
                                           BENCH_ABSENT, BENCH_ABSENT, BENCH_ABSENT};

/* Issuer ranges that payment networks and processors publish for testing; 16 digits each. */
static const char test_bins[][7] = {"411111", "400000", "424242", "401288", "555555", "510510",
                                    "520082", "222300", "601111", "601100", "356600", "353011"};

size_t bench_body_cap(const struct bench_plan *plan, const struct bench_shape *shape)
{
    return ITEM_ROOM + (shape->items + 1) * (plan->body_size + shape->subject_len + ITEM_ROOM);
}

static void pad(struct amp_out *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        amp_out_byte(out, 'x');
}

/* ---- tokens ---- */

static void write_tail(struct amp_out *out, const struct bench_plan *plan)
{
    amp_out_str(out, ",\"queue\":\"");
    amp_out_str(out, plan->queue);
    amp_out_str(out, "\",\"ttl_ms\":");
    amp_out_u64(out, plan->ttl_ms);
}

static void write_card(struct amp_out *out, const struct bench_plan *plan, struct bench_places *at)
{
    char now[DATE_LEN];
    uint64_t year = 0;
    amp_date_format_basic(now, bench_unix_ns() / 1000000000);
    if (amp_u64_parse(&year, amp_slice(now, 4), 9999) != AMP_OK)
        year = 2030;
    amp_out_str(out, "{\"card\":{\"number\":\"");
    at->number = bench_mark(out, "0000000000000000");
    amp_out_str(out, "\",\"exp_month\":12,\"exp_year\":");
    amp_out_u64(out, year + 3);
    amp_out_str(out, ",\"cvc\":\"");
    at->cvc = bench_mark(out, "000");
    amp_out_str(out, "\",\"name\":\"BENCH CLIENT\"}");
    write_tail(out, plan);
    amp_out_str(out, ",\"metadata\":{\"order\":\"");
    at->order = bench_mark(out, "0000000000000000");
    amp_out_str(out, "\"}}");
}

/* With a body size asked for: {"data":"..."} of exactly that many bytes (or the fewest that do). */
static void write_data(struct amp_out *out, const struct bench_plan *plan, struct bench_places *at)
{
    const size_t start = out->len;
    amp_out_str(out, "{\"data\":\"");
    at->order = bench_mark(out, "0000000000000000");
    const size_t pad_at = out->len;
    amp_out_str(out, "\"");
    write_tail(out, plan);
    amp_out_str(out, "}");
    const size_t natural = out->len - start;
    if (natural >= plan->body_size)
        return;
    out->len = pad_at;
    pad(out, plan->body_size - natural);
    amp_out_str(out, "\"");
    write_tail(out, plan);
    amp_out_str(out, "}");
}

static void write_secret(struct amp_out *out, const struct bench_plan *plan, struct bench_places *at)
{
    if (plan->body_size > 0)
        write_data(out, plan, at);
    else
        write_card(out, plan, at);
}

static void write_subject(struct bench_body *body, struct amp_out *out, const char *member, const char *rest)
{
    amp_out_str(out, "{\"");
    amp_out_str(out, member);
    amp_out_str(out, "\":\"");
    body->in_item.subject = out->len;
    pad(out, body->subject_len);
    amp_out_str(out, "\"");
    amp_out_str(out, rest);
    amp_out_str(out, "}");
}

/* ---- messages ---- */

static void write_queue_url(struct amp_out *out, const struct bench_plan *plan)
{
    amp_out_str(out, "{\"QueueUrl\":\"https://");
    amp_out_str(out, plan->url.authority);
    amp_out_str(out, "/000000000000/");
    amp_out_str(out, plan->queue);
    amp_out_str(out, "\"");
}

/* "MessageBody":"..." of plan->body_size bytes, or the fewest that tell messages apart. */
static void write_message(struct amp_out *out, const struct bench_plan *plan, struct bench_places *at)
{
    amp_out_str(out, "\"MessageBody\":\"");
    at->order = bench_mark(out, "0000000000000000");
    pad(out, plan->body_size > ORDER_DIGITS ? plan->body_size - ORDER_DIGITS : 0);
    amp_out_str(out, "\"");
    if (!bench_plan_is_fifo(plan))
        return;
    amp_out_str(out, ",\"MessageGroupId\":\"group-");
    at->group = bench_mark(out, "00000");
    amp_out_str(out, "\"");
    if (!plan->deduplication_ids)
        return;
    amp_out_str(out, ",\"MessageDeduplicationId\":\"bench-of-ampoule-id-"); /* with the rest as long as a UUID */
    at->deduplication = bench_mark(out, "0000000000000000");
    amp_out_str(out, "\"");
}

static void write_creation(struct amp_out *out, const struct bench_plan *plan)
{
    amp_out_str(out, "{\"QueueName\":\"");
    amp_out_str(out, plan->queue);
    amp_out_str(out, "\"");
    if (bench_plan_is_fifo(plan))
        amp_out_str(out, ",\"Attributes\":{\"FifoQueue\":\"true\",\"ContentBasedDeduplication\":\"true\"}");
    amp_out_str(out, "}");
}

static void write_tags(struct amp_out *out, const struct bench_plan *plan)
{
    write_queue_url(out, plan);
    amp_out_str(out, ",\"Tags\":{\"ampoule:ttl-ms\":\"");
    amp_out_u64(out, plan->ttl_ms);
    amp_out_str(out, "\"}}");
}

/* ---- several in one ---- */

static void shift(size_t *place, size_t start)
{
    if (*place != BENCH_ABSENT)
        *place -= start;
}

/* The i-th of a list, without what stands between. */
static void write_item(struct bench_body *body, struct amp_out *out, const struct bench_plan *plan, enum bench_act act,
                       size_t i)
{
    struct bench_places at = bench_nowhere;
    const size_t start = out->len;
    if (act == BENCH_ACT_BATCH) {
        write_secret(out, plan, &at);
    } else {
        amp_out_str(out, "{\"Id\":\"");
        amp_out_u64(out, i % 10); /* one digit: items are equally long */
        amp_out_str(out, "\",");
        if (act == BENCH_ACT_SEND_BATCH) {
            write_message(out, plan, &at);
        } else {
            amp_out_str(out, "\"ReceiptHandle\":\"");
            at.subject = out->len;
            pad(out, body->subject_len);
            amp_out_str(out, "\"");
        }
        amp_out_str(out, "}");
    }
    shift(&at.number, start);
    shift(&at.cvc, start);
    shift(&at.order, start);
    shift(&at.subject, start);
    shift(&at.group, start);
    shift(&at.deduplication, start);
    body->in_item = at;
}

static void write_items(struct bench_body *body, struct amp_out *out, const struct bench_plan *plan, enum bench_act act,
                        size_t items)
{
    body->items_at = out->len;
    body->item_count = items;
    for (size_t i = 0; i < items; i++) {
        const size_t start = out->len;
        write_item(body, out, plan, act, i);
        amp_out_byte(out, i + 1 < items ? ',' : ']');
        body->item_stride = out->len - start;
    }
    amp_out_str(out, "}");
}

void bench_body_write(struct bench_body *body, struct amp_out *out, const struct bench_plan *plan, enum bench_act act,
                      const struct bench_shape *shape)
{
    *body = (struct bench_body){
        .in_item = bench_nowhere,
        .item_count = 1,
        .subject_len = shape->subject_len,
        .groups = plan->groups,
    };
    switch (act) {
    case BENCH_ACT_TOKENIZE:
        write_secret(out, plan, &body->in_item);
        return;
    case BENCH_ACT_BATCH:
        amp_out_str(out, "{\"items\":[");
        write_items(body, out, plan, act, shape->items);
        return;
    case BENCH_ACT_REDEEM:
    case BENCH_ACT_INSPECT:
        write_subject(body, out, "token", "");
        return;
    case BENCH_ACT_CLAIM:
        write_subject(body, out, "token", ",\"lease_ms\":30000");
        return;
    case BENCH_ACT_COMMIT:
        write_subject(body, out, "claim", "");
        return;
    case BENCH_ACT_CUSTOM:
        pad(out, plan->body_size);
        body->in_item.order = plan->body_size >= ORDER_DIGITS ? 0 : BENCH_ABSENT;
        return;
    case BENCH_ACT_CREATE_QUEUE:
        write_creation(out, plan);
        return;
    case BENCH_ACT_TAG_QUEUE:
        write_tags(out, plan);
        return;
    case BENCH_ACT_SEND:
        write_queue_url(out, plan);
        amp_out_str(out, ",");
        write_message(out, plan, &body->in_item);
        amp_out_str(out, "}");
        return;
    case BENCH_ACT_RECEIVE:
        write_queue_url(out, plan);
        amp_out_str(out, ",\"MaxNumberOfMessages\":10}");
        return;
    case BENCH_ACT_SEND_BATCH:
    case BENCH_ACT_DELETE_BATCH:
        write_queue_url(out, plan);
        amp_out_str(out, ",\"Entries\":[");
        write_items(body, out, plan, act, shape->items);
        return;
    case BENCH_ACT_COUNT_:
        return;
    }
}

/* ---- the next request ---- */

/* Sixteen digits that pass Luhn (ISO/IEC 7812-1 annex B): the last one makes the weighted sum a multiple of ten. */
static void draw_number(uint8_t *digits, uint64_t random)
{
    const char *bin = test_bins[random % (sizeof test_bins / sizeof test_bins[0])];
    unsigned sum = 0;
    random >>= 8;
    memcpy(digits, bin, 6);
    for (size_t i = 6; i < PAN_DIGITS - 1; i++, random /= 10)
        digits[i] = (uint8_t)('0' + random % 10);
    for (size_t i = 0; i < PAN_DIGITS - 1; i++) {
        const unsigned weighted = (unsigned)(digits[i] - '0') * (i % 2 == 0 ? 2 : 1);
        sum += weighted > 9 ? weighted - 9 : weighted;
    }
    digits[PAN_DIGITS - 1] = (uint8_t)('0' + (10 - sum % 10) % 10);
}

static void draw_letters(uint8_t *item, size_t at, uint64_t random)
{
    for (size_t i = 0; at != BENCH_ABSENT && i < ORDER_DIGITS; i++)
        item[at + i] = (uint8_t)('a' + ((random >> (4 * i)) & 15));
}

static void draw_group(uint8_t *item, size_t at, uint64_t group)
{
    for (size_t i = GROUP_DIGITS; at != BENCH_ABSENT && i-- > 0; group /= 10)
        item[at + i] = (uint8_t)('0' + group % 10);
}

static void patch_item(uint8_t *item, const struct bench_body *body, struct bench_signer *signer)
{
    const struct bench_places *at = &body->in_item;
    const uint64_t random = bench_signer_draw(signer);
    if (at->number != BENCH_ABSENT)
        draw_number(item + at->number, random);
    for (size_t i = 0; at->cvc != BENCH_ABSENT && i < CVC_DIGITS; i++)
        item[at->cvc + i] = (uint8_t)('0' + (random >> (56 + 2 * i)) % 10);
    draw_letters(item, at->order, random);
    draw_letters(item, at->deduplication, random);
    draw_group(item, at->group, body->groups > 1 ? random % body->groups : 0);
}

void bench_body_patch(const struct bench_body *body, uint8_t *bytes, struct bench_signer *signer, const char *subjects)
{
    uint8_t *item = bytes + body->items_at;
    for (size_t i = 0; i < body->item_count; i++, item += body->item_stride) {
        patch_item(item, body, signer);
        if (body->in_item.subject != BENCH_ABSENT && subjects != NULL)
            memcpy(item + body->in_item.subject, subjects + i * body->subject_len, body->subject_len);
    }
}
