#include "cli/bench/request.h"

#include <stdlib.h>

#include "base/text.h"
#include "cli/bench/body.h"
#include "cli/bench/stopwatch.h"
#include "wire/sigv4.h"
#include "wire/uri.h"

#define HEAD_ROOM    2048
#define HASH_DIGITS  64
#define DAY_DIGITS   8
#define AMZ_DATE_LEN 16
#define NONCE_LEN    32
#define ALGORITHM    "AWS4-HMAC-SHA256"
#define NATIVE_JSON  "application/json"
#define AWS_JSON     "application/x-amz-json-1.0"

static const char *const service_names[BENCH_SERVICE_COUNT_] = {
    [BENCH_SERVICE_AMPOULE] = "ampoule",
    [BENCH_SERVICE_SQS] = "sqs",
};

/* What the head of each act says. */
static const struct act_row {
    const char *path;   /* NULL: of the plan */
    const char *target; /* X-Amz-Target; NULL: none, it is of the native API */
} act_rows[BENCH_ACT_COUNT_] = {
    [BENCH_ACT_TOKENIZE] = {"/v1/tokens", NULL},
    [BENCH_ACT_BATCH] = {"/v1/tokens/batch", NULL},
    [BENCH_ACT_REDEEM] = {"/v1/redeem", NULL},
    [BENCH_ACT_CLAIM] = {"/v1/claim", NULL},
    [BENCH_ACT_COMMIT] = {"/v1/commit", NULL},
    [BENCH_ACT_INSPECT] = {"/v1/inspect", NULL},
    [BENCH_ACT_CUSTOM] = {NULL, NULL},
    [BENCH_ACT_CREATE_QUEUE] = {"/", "AmazonSQS.CreateQueue"},
    [BENCH_ACT_TAG_QUEUE] = {"/", "AmazonSQS.TagQueue"},
    [BENCH_ACT_SEND] = {"/", "AmazonSQS.SendMessage"},
    [BENCH_ACT_SEND_BATCH] = {"/", "AmazonSQS.SendMessageBatch"},
    [BENCH_ACT_RECEIVE] = {"/", "AmazonSQS.ReceiveMessage"},
    [BENCH_ACT_DELETE_BATCH] = {"/", "AmazonSQS.DeleteMessageBatch"},
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
    enum bench_service service;
    struct bench_body body;

    uint8_t canonical[HEAD_ROOM]; /* canonical request */
    size_t canonical_len;
    size_t canonical_nonce_at;
    size_t canonical_date_at;
    uint8_t to_sign[256]; /* string to sign */
    size_t to_sign_len;
};

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
    signer->day_keys = amp_secret_alloc(BENCH_SERVICE_COUNT_ * sizeof signer->day_keys[0]);
    return signer->day_keys != NULL ? AMP_OK : AMP_ERR_OUT_OF_MEMORY;
}

void bench_signer_fini(struct bench_signer *signer)
{
    amp_secret_free(signer->day_keys);
    signer->day_keys = NULL;
}

/* Once a second: the date, and once a day the keys. */
static enum amp_err refresh_date(struct bench_signer *signer, int64_t now_ns)
{
    const int64_t unix_ns = bench_unix_ns();
    char date[AMZ_DATE_LEN];
    enum amp_err err = AMP_OK;
    amp_date_format_basic(date, unix_ns / 1000000000);
    const bool new_day = memcmp(date, signer->amz_date, DAY_DIGITS) != 0;
    for (size_t i = 0; new_day && err == AMP_OK && i < BENCH_SERVICE_COUNT_; i++)
        err = amp_sigv4_day_key(&signer->day_keys[i], amp_slice_str(signer->connection->secret),
                                amp_slice(date, DAY_DIGITS), amp_slice_str(signer->connection->region),
                                amp_slice_str(service_names[i]));
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

static const char *act_path(const struct bench_plan *plan, enum bench_act act)
{
    return act_rows[act].path != NULL ? act_rows[act].path : plan->path;
}

static const char *act_type(enum bench_act act)
{
    return act_rows[act].target != NULL ? AWS_JSON : NATIVE_JSON;
}

/* In the order of their bytes. */
static void write_signed_names(struct amp_out *out, enum bench_act act, bool has_body)
{
    amp_out_str(out, has_body ? "content-type;host;x-ampoule-nonce;x-amz-date" : "host;x-ampoule-nonce;x-amz-date");
    amp_out_str(out, act_rows[act].target != NULL ? ";x-amz-target" : "");
}

static void write_scope(struct amp_out *out, const struct bench_plan *plan, enum bench_service service)
{
    amp_out_str(out, "00000000/");
    amp_out_str(out, plan->connection->region);
    amp_out_str(out, "/");
    amp_out_str(out, service_names[service]);
    amp_out_str(out, "/aws4_request");
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
        amp_out_str(out, "\r\ncontent-type: ");
        amp_out_str(out, act_type(act));
        amp_out_str(out, "\r\ncontent-length: ");
        amp_out_u64(out, body_len);
    }
    if (act_rows[act].target != NULL) {
        amp_out_str(out, "\r\nx-amz-target: ");
        amp_out_str(out, act_rows[act].target);
    }
    if (template->is_signed) {
        amp_out_str(out, "\r\nx-amz-date: ");
        template->date_at = bench_mark(out, "00000000T000000Z");
        amp_out_str(out, "\r\nx-ampoule-nonce: ");
        template->nonce_at = bench_mark(out, "00000000000000000000000000000000");
        amp_out_str(out, "\r\nauthorization: " ALGORITHM " Credential=");
        amp_out_str(out, plan->connection->key_id);
        amp_out_str(out, "/");
        template->scope_at = out->len;
        write_scope(out, plan, template->service);
        amp_out_str(out, ", SignedHeaders=");
        write_signed_names(out, act, body_len > 0);
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
    amp_out_str(&out, has_body ? "\ncontent-type:" : "");
    amp_out_str(&out, has_body ? act_type(act) : "");
    amp_out_str(&out, "\nhost:");
    amp_out_str(&out, plan->url.authority);
    amp_out_str(&out, "\nx-ampoule-nonce:");
    template->canonical_nonce_at = bench_mark(&out, "00000000000000000000000000000000");
    amp_out_str(&out, "\nx-amz-date:");
    template->canonical_date_at = bench_mark(&out, "00000000T000000Z");
    if (act_rows[act].target != NULL) {
        amp_out_str(&out, "\nx-amz-target:");
        amp_out_str(&out, act_rows[act].target);
    }
    amp_out_str(&out, "\n\n");
    write_signed_names(&out, act, has_body);
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
    write_scope(&out, plan, template->service);
    amp_out_str(&out, "\n");
    for (size_t i = 0; i < HASH_DIGITS; i++)
        amp_out_byte(&out, '0');
    template->to_sign_len = out.len;
    return out.overflow ? AMP_ERR_TOO_LARGE : AMP_OK;
}

static enum amp_err lay_out(struct bench_template *template, const struct bench_plan *plan, enum bench_act act,
                            const struct bench_shape *shape)
{
    /* The length of the body stands in front of it: laid out once behind the head's room, then moved. */
    const size_t body_cap = bench_body_cap(plan, shape);
    const size_t cap = HEAD_ROOM + body_cap;
    template->bytes = calloc(1, cap);
    if (template->bytes == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    struct amp_out body = amp_out(template->bytes + HEAD_ROOM, body_cap);
    bench_body_write(&template->body, &body, plan, act, shape);
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
                                const struct bench_shape *shape)
{
    struct bench_template *template = calloc(1, sizeof *template);
    *out = NULL;
    if (template == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    template->is_signed = !plan->is_unsigned;
    template->service = act_rows[act].target != NULL ? BENCH_SERVICE_SQS : BENCH_SERVICE_AMPOULE;
    const enum amp_err err = lay_out(template, plan, act, shape);
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

static enum amp_err sign(struct bench_template *template, const struct bench_signer *signer)
{
    uint8_t hash[AMP_SHA256_LEN];
    const struct amp_slice body = amp_slice(template->bytes + template->body_at, template->len - template->body_at);
    const struct amp_slice canonical = amp_slice(template->canonical, template->canonical_len);
    const struct amp_slice to_sign = amp_slice(template->to_sign, template->to_sign_len);
    const struct amp_key256 *day_key = &signer->day_keys[template->service];
    const struct amp_slice key = amp_slice(day_key->bytes, sizeof day_key->bytes);
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
                                 const char *subjects, struct amp_slice *out)
{
    enum amp_err err = AMP_OK;
    bench_body_patch(&template->body, template->bytes + template->body_at, signer, subjects);
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
