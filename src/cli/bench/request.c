#include "cli/bench/request.h"

#include <stdlib.h>

#include "base/text.h"
#include "cli/bench/stopwatch.h"
#include "wire/sigv4.h"
#include "wire/uri.h"

#define HEAD_ROOM     2048
#define ITEM_ROOM     512
#define HASH_DIGITS   64
#define DAY_DIGITS    8
#define AMZ_DATE_LEN  16
#define NONCE_LEN     32
#define PAN_DIGITS    16
#define CVC_DIGITS    3
#define ORDER_DIGITS  16
#define ABSENT        SIZE_MAX /* the place of what a template does not have */
#define ALGORITHM     "AWS4-HMAC-SHA256"
#define SERVICE       "ampoule"
#define SIGNED_BODY   "content-type;host;x-ampoule-nonce;x-amz-date"
#define SIGNED_NOBODY "host;x-ampoule-nonce;x-amz-date"

/* Where the bytes that change stand. */
struct places {
    size_t number;
    size_t cvc;
    size_t order;
    size_t subject;
};

struct bench_template {
    uint8_t *bytes; /* the whole request */
    size_t len;
    size_t body_at;
    size_t nonce_at;
    size_t date_at;
    size_t scope_at;
    size_t signature_at;
    bool is_signed;
    struct places in_item; /* from the item's start */
    size_t items_at;       /* from the body's start */
    size_t item_stride;
    size_t item_count;

    uint8_t canonical[HEAD_ROOM]; /* canonical request */
    size_t canonical_len;
    size_t canonical_nonce_at;
    size_t canonical_date_at;
    uint8_t to_sign[256]; /* string to sign */
    size_t to_sign_len;
};

/* Issuer ranges that payment networks and processors publish for testing; 16 digits each. */
static const char test_bins[][7] = {"411111", "400000", "424242", "401288", "555555", "510510",
                                    "520082", "222300", "601111", "601100", "356600", "353011"};

uint64_t bench_signer_draw(struct bench_signer *signer)
{
    /* splitmix64: test data has to differ, not to be unpredictable */
    uint64_t z = signer->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

enum amp_err bench_signer_init(struct bench_signer *signer, const struct cli_connection *connection)
{
    uint8_t seed[16];
    enum amp_err err = amp_random(seed, sizeof seed);
    *signer = (struct bench_signer){.connection = connection};
    if (err != AMP_OK)
        return err;
    memcpy(&signer->random, seed, sizeof signer->random);
    amp_hex_encode(signer->nonce, seed + 8, 8);
    signer->day_key = amp_secret_alloc(sizeof *signer->day_key);
    return signer->day_key != NULL ? AMP_OK : AMP_ERR_OUT_OF_MEMORY;
}

void bench_signer_fini(struct bench_signer *signer)
{
    amp_secret_free(signer->day_key);
    signer->day_key = NULL;
}

/* Once a second: the date, and once a day the key. */
static enum amp_err refresh_date(struct bench_signer *signer, int64_t now_ns)
{
    const int64_t unix_ns = bench_unix_ns();
    char date[AMZ_DATE_LEN];
    enum amp_err err = AMP_OK;
    amp_date_format_basic(date, unix_ns / 1000000000);
    const bool new_day = memcmp(date, signer->amz_date, DAY_DIGITS) != 0;
    if (new_day)
        err = amp_sigv4_day_key(signer->day_key, amp_slice_str(signer->connection->secret), amp_slice(date, DAY_DIGITS),
                                amp_slice_str(signer->connection->region), AMP_SLICE_LIT(SERVICE));
    memcpy(signer->amz_date, date, sizeof date);
    signer->fresh_until_ns = now_ns + 1000000000 - unix_ns % 1000000000;
    return err;
}

static void next_nonce(struct bench_signer *signer)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t counter = signer->nonce_counter++;
    for (size_t i = NONCE_LEN; i > NONCE_LEN / 2; i--, counter >>= 4)
        signer->nonce[i - 1] = digits[counter & 15];
}

/* ---- laying out ---- */

static size_t mark(struct amp_out *out, const char *blank)
{
    const size_t at = out->len;
    amp_out_str(out, blank);
    return at;
}

static void write_tail(struct amp_out *out, const struct bench_plan *plan)
{
    amp_out_str(out, ",\"queue\":\"");
    amp_out_str(out, plan->queue);
    amp_out_str(out, "\",\"ttl_ms\":");
    amp_out_u64(out, plan->ttl_ms);
}

static void write_card_item(struct amp_out *out, const struct bench_plan *plan, struct places *at)
{
    char now[AMZ_DATE_LEN];
    uint64_t year = 0;
    amp_date_format_basic(now, bench_unix_ns() / 1000000000);
    if (amp_u64_parse(&year, amp_slice(now, 4), 9999) != AMP_OK)
        year = 2030;
    amp_out_str(out, "{\"card\":{\"number\":\"");
    at->number = mark(out, "0000000000000000");
    amp_out_str(out, "\",\"exp_month\":12,\"exp_year\":");
    amp_out_u64(out, year + 3);
    amp_out_str(out, ",\"cvc\":\"");
    at->cvc = mark(out, "000");
    amp_out_str(out, "\",\"name\":\"BENCH CLIENT\"}");
    write_tail(out, plan);
    amp_out_str(out, ",\"metadata\":{\"order\":\"");
    at->order = mark(out, "0000000000000000");
    amp_out_str(out, "\"}}");
}

/* With a body size asked for: {"data":"..."} of exactly that many bytes (or the fewest that do). */
static void write_data_item(struct amp_out *out, const struct bench_plan *plan, struct places *at)
{
    const size_t start = out->len;
    amp_out_str(out, "{\"data\":\"");
    at->order = mark(out, "0000000000000000");
    const size_t pad_at = out->len;
    amp_out_str(out, "\"");
    write_tail(out, plan);
    amp_out_str(out, "}");
    const size_t natural = out->len - start;
    if (natural >= plan->body_size)
        return;
    out->len = pad_at;
    for (size_t i = natural; i < plan->body_size; i++)
        amp_out_byte(out, 'x');
    amp_out_str(out, "\"");
    write_tail(out, plan);
    amp_out_str(out, "}");
}

static void write_item(struct amp_out *out, const struct bench_plan *plan, struct places *at)
{
    const size_t start = out->len;
    if (plan->body_size > 0)
        write_data_item(out, plan, at);
    else
        write_card_item(out, plan, at);
    at->order -= start;
    at->number = at->number == ABSENT ? ABSENT : at->number - start;
    at->cvc = at->cvc == ABSENT ? ABSENT : at->cvc - start;
}

static void write_batch(struct amp_out *out, const struct bench_plan *plan, struct bench_template *template,
                        size_t items)
{
    amp_out_str(out, "{\"items\":[");
    template->items_at = out->len;
    template->item_count = items;
    for (size_t i = 0; i < items; i++) {
        struct places at = {ABSENT, ABSENT, ABSENT, ABSENT};
        const size_t start = out->len;
        write_item(out, plan, &at);
        amp_out_byte(out, i + 1 < items ? ',' : ']');
        template->item_stride = out->len - start;
        template->in_item = at;
    }
    amp_out_str(out, "}");
}

static void write_subject(struct amp_out *out, struct places *at, const char *member, const char *rest)
{
    amp_out_str(out, "{\"");
    amp_out_str(out, member);
    amp_out_str(out, "\":\"");
    at->subject = mark(out, "tok_0000000000000000000000000000000000000000000");
    amp_out_str(out, "\"");
    amp_out_str(out, rest);
    amp_out_str(out, "}");
}

static void write_body(struct amp_out *out, const struct bench_plan *plan, enum bench_act act,
                       struct bench_template *template, size_t items)
{
    struct places *at = &template->in_item;
    *at = (struct places){ABSENT, ABSENT, ABSENT, ABSENT};
    template->item_count = 1;
    switch (act) {
    case BENCH_ACT_TOKENIZE:
        write_item(out, plan, at);
        return;
    case BENCH_ACT_BATCH:
        write_batch(out, plan, template, items);
        return;
    case BENCH_ACT_REDEEM:
    case BENCH_ACT_INSPECT:
        write_subject(out, at, "token", "");
        return;
    case BENCH_ACT_CLAIM:
        write_subject(out, at, "token", ",\"lease_ms\":30000");
        return;
    case BENCH_ACT_COMMIT:
        write_subject(out, at, "claim", "");
        return;
    case BENCH_ACT_CUSTOM:
        for (size_t i = 0; i < plan->body_size; i++)
            amp_out_byte(out, 'x');
        at->order = plan->body_size >= ORDER_DIGITS ? 0 : ABSENT;
        return;
    case BENCH_ACT_COUNT_:
        return;
    }
}

static const char *act_path(const struct bench_plan *plan, enum bench_act act)
{
    static const char *const paths[BENCH_ACT_COUNT_] = {
        [BENCH_ACT_TOKENIZE] = "/v1/tokens", [BENCH_ACT_BATCH] = "/v1/tokens/batch",
        [BENCH_ACT_REDEEM] = "/v1/redeem",   [BENCH_ACT_CLAIM] = "/v1/claim",
        [BENCH_ACT_COMMIT] = "/v1/commit",   [BENCH_ACT_INSPECT] = "/v1/inspect",
    };
    return act == BENCH_ACT_CUSTOM || (size_t)act >= BENCH_ACT_COUNT_ ? plan->path : paths[act];
}

static void write_scope(struct amp_out *out, const struct bench_plan *plan)
{
    amp_out_str(out, "00000000/");
    amp_out_str(out, plan->connection->region);
    amp_out_str(out, "/" SERVICE "/aws4_request");
}

static void write_head(struct amp_out *out, const struct bench_plan *plan, enum bench_act act,
                       struct bench_template *template, size_t body_len)
{
    amp_out_str(out, act == BENCH_ACT_CUSTOM ? plan->method : "POST");
    amp_out_str(out, " ");
    amp_out_str(out, act_path(plan, act));
    amp_out_str(out, " HTTP/1.1\r\nhost: ");
    amp_out_str(out, plan->url.authority);
    if (body_len > 0) {
        amp_out_str(out, "\r\ncontent-type: application/json\r\ncontent-length: ");
        amp_out_u64(out, body_len);
    }
    if (template->is_signed) {
        amp_out_str(out, "\r\nx-amz-date: ");
        template->date_at = mark(out, "00000000T000000Z");
        amp_out_str(out, "\r\nx-ampoule-nonce: ");
        template->nonce_at = mark(out, "00000000000000000000000000000000");
        amp_out_str(out, "\r\nauthorization: " ALGORITHM " Credential=");
        amp_out_str(out, plan->connection->key_id);
        amp_out_str(out, "/");
        template->scope_at = out->len;
        write_scope(out, plan);
        amp_out_str(out, ", SignedHeaders=");
        amp_out_str(out, body_len > 0 ? SIGNED_BODY : SIGNED_NOBODY);
        amp_out_str(out, ", Signature=");
        template->signature_at = out->len;
        for (size_t i = 0; i < HASH_DIGITS; i++)
            amp_out_byte(out, '0');
    }
    amp_out_str(out, "\r\n\r\n");
}

/* AWS General Reference, "Create a canonical request": host, date and nonce stand there trimmed already. */
static enum amp_err write_canonical(const struct bench_plan *plan, enum bench_act act, struct bench_template *template,
                                    bool has_body)
{
    struct amp_out out = amp_out(template->canonical, sizeof template->canonical);
    struct amp_slice path = amp_slice_str(act_path(plan, act));
    struct amp_slice query = {NULL, 0};
    const uint8_t *question = memchr(path.ptr, '?', path.len);
    if (question != NULL) {
        query = amp_slice(question + 1, path.len - (size_t)(question - path.ptr) - 1);
        path.len = (size_t)(question - path.ptr);
    }
    amp_out_str(&out, act == BENCH_ACT_CUSTOM ? plan->method : "POST");
    amp_out_str(&out, "\n");
    amp_uri_write_path(&out, path);
    amp_out_str(&out, "\n");
    const enum amp_err err = amp_uri_write_query(&out, query);
    if (err != AMP_OK)
        return err;
    amp_out_str(&out, has_body ? "\ncontent-type:application/json\nhost:" : "\nhost:");
    amp_out_str(&out, plan->url.authority);
    amp_out_str(&out, "\nx-ampoule-nonce:");
    template->canonical_nonce_at = mark(&out, "00000000000000000000000000000000");
    amp_out_str(&out, "\nx-amz-date:");
    template->canonical_date_at = mark(&out, "00000000T000000Z");
    amp_out_str(&out, "\n\n");
    amp_out_str(&out, has_body ? SIGNED_BODY : SIGNED_NOBODY);
    amp_out_str(&out, "\n");
    for (size_t i = 0; i < HASH_DIGITS; i++)
        amp_out_byte(&out, '0');
    template->canonical_len = out.len;
    return out.overflow ? AMP_ERR_TOO_LARGE : AMP_OK;
}

static enum amp_err write_to_sign(const struct bench_plan *plan, struct bench_template *template)
{
    struct amp_out out = amp_out(template->to_sign, sizeof template->to_sign);
    amp_out_str(&out, ALGORITHM "\n00000000T000000Z\n");
    write_scope(&out, plan);
    amp_out_str(&out, "\n");
    for (size_t i = 0; i < HASH_DIGITS; i++)
        amp_out_byte(&out, '0');
    template->to_sign_len = out.len;
    return out.overflow ? AMP_ERR_TOO_LARGE : AMP_OK;
}

static enum amp_err lay_out(struct bench_template *template, const struct bench_plan *plan, enum bench_act act,
                            size_t items)
{
    /* The length of the body stands in front of it: laid out once behind the head's room, then moved. */
    const size_t body_cap = 64 + (items + 1) * (plan->body_size + ITEM_ROOM);
    const size_t cap = HEAD_ROOM + body_cap;
    template->bytes = calloc(1, cap);
    if (template->bytes == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    struct amp_out body = amp_out(template->bytes + HEAD_ROOM, body_cap);
    write_body(&body, plan, act, template, items);
    struct amp_out head = amp_out(template->bytes, HEAD_ROOM);
    write_head(&head, plan, act, template, body.len);
    if (body.overflow || head.overflow)
        return AMP_ERR_TOO_LARGE;
    memmove(template->bytes + head.len, body.ptr, body.len);
    template->body_at = head.len;
    template->len = head.len + body.len;
    if (!template->is_signed)
        return AMP_OK;
    const enum amp_err err = write_canonical(plan, act, template, body.len > 0);
    return err != AMP_OK ? err : write_to_sign(plan, template);
}

enum amp_err bench_template_new(struct bench_template **out, const struct bench_plan *plan, enum bench_act act,
                                size_t items)
{
    struct bench_template *template = calloc(1, sizeof *template);
    *out = NULL;
    if (template == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    template->is_signed = !plan->is_unsigned;
    const enum amp_err err = lay_out(template, plan, act, items);
    if (err != AMP_OK) {
        bench_template_free(template);
        return err;
    }
    *out = template;
    return AMP_OK;
}

void bench_template_free(struct bench_template *template)
{
    if (template != NULL)
        free(template->bytes);
    free(template);
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

static void patch_item(uint8_t *item, const struct places *at, struct bench_signer *signer)
{
    const uint64_t random = bench_signer_draw(signer);
    if (at->number != ABSENT)
        draw_number(item + at->number, random);
    for (size_t i = 0; at->cvc != ABSENT && i < CVC_DIGITS; i++)
        item[at->cvc + i] = (uint8_t)('0' + (random >> (56 + 2 * i)) % 10);
    for (size_t i = 0; at->order != ABSENT && i < ORDER_DIGITS; i++)
        item[at->order + i] = (uint8_t)('a' + ((random >> (4 * i)) & 15));
}

static enum amp_err sign(struct bench_template *template, const struct bench_signer *signer)
{
    uint8_t hash[AMP_SHA256_LEN];
    const struct amp_slice body = amp_slice(template->bytes + template->body_at, template->len - template->body_at);
    const struct amp_slice canonical = amp_slice(template->canonical, template->canonical_len);
    const struct amp_slice to_sign = amp_slice(template->to_sign, template->to_sign_len);
    const struct amp_slice key = amp_slice(signer->day_key->bytes, sizeof signer->day_key->bytes);
    enum amp_err err = amp_sha256(hash, &body, 1);
    if (err != AMP_OK)
        return err;
    amp_hex_encode((char *)template->canonical + template->canonical_len - HASH_DIGITS, hash, sizeof hash);
    memcpy(template->canonical + template->canonical_nonce_at, signer->nonce, NONCE_LEN);
    memcpy(template->canonical + template->canonical_date_at, signer->amz_date, AMZ_DATE_LEN);
    if ((err = amp_sha256(hash, &canonical, 1)) != AMP_OK)
        return err;
    uint8_t *date = template->to_sign + sizeof ALGORITHM; /* behind the line break */
    memcpy(date, signer->amz_date, AMZ_DATE_LEN);
    memcpy(date + AMZ_DATE_LEN + 1, signer->amz_date, DAY_DIGITS);
    amp_hex_encode((char *)template->to_sign + template->to_sign_len - HASH_DIGITS, hash, sizeof hash);
    if ((err = amp_hmac_sha256(hash, key, &to_sign, 1)) != AMP_OK)
        return err;
    memcpy(template->bytes + template->nonce_at, signer->nonce, NONCE_LEN);
    memcpy(template->bytes + template->date_at, signer->amz_date, AMZ_DATE_LEN);
    memcpy(template->bytes + template->scope_at, signer->amz_date, DAY_DIGITS);
    amp_hex_encode((char *)template->bytes + template->signature_at, hash, sizeof hash);
    return AMP_OK;
}

enum amp_err bench_template_make(struct bench_template *template, struct bench_signer *signer, int64_t now_ns,
                                 const char *subject, struct amp_slice *out)
{
    uint8_t *body = template->bytes + template->body_at;
    enum amp_err err = AMP_OK;
    if (template->in_item.subject != ABSENT && subject != NULL)
        memcpy(body + template->in_item.subject, subject, BENCH_SUBJECT_LEN);
    for (size_t i = 0; i < template->item_count; i++)
        patch_item(body + template->items_at + i * template->item_stride, &template->in_item, signer);
    if (template->is_signed) {
        if (now_ns >= signer->fresh_until_ns)
            err = refresh_date(signer, now_ns);
        next_nonce(signer);
        if (err == AMP_OK)
            err = sign(template, signer);
    }
    *out = amp_slice(template->bytes, template->len);
    return err;
}
