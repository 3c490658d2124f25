/*
 * The head is laid out once and then read back by the server's own parser, and the canonical form is made of what that
 * read: so client and server cannot differ on what was signed, and a value that would split a head is refused here.
 */
#include "client/sign.h"

#include "base/text.h"

#define HEAD_ROOM           (AMP_HTTP1_MAX_TARGET + 2048)
#define AMZ_DATE_LEN        16
#define DAY_LEN             8
#define MAX_IDEMPOTENCY_KEY 255
#define MAX_SIGNED_NAMES    128

static bool is_visible(const char *text)
{
    const size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= 0x20 || text[i] > 0x7e)
            return false;
    return len > 0;
}

static bool is_service(const char *text)
{
    const size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    return len > 0 && len <= AMP_CLIENT_SERVICE_MAX && text[len] == '\0';
}

static enum amp_err refresh_day_key(struct amp_client_identity *identity, const char *amz_date, const char *service)
{
    if (memcmp(identity->day, amz_date, DAY_LEN) == 0 && strcmp(identity->service, service) == 0)
        return AMP_OK;
    const enum amp_err err = amp_sigv4_day_key(identity->day_key, identity->secret, amp_slice(amz_date, DAY_LEN),
                                               identity->region, amp_slice_str(service));
    memset(identity->day, 0, DAY_LEN);
    if (err != AMP_OK)
        return err;
    memcpy(identity->day, amz_date, DAY_LEN);
    memcpy(identity->service, service, strlen(service) + 1);
    return AMP_OK;
}

static void write_field(struct amp_out *out, const char *name, struct amp_slice value)
{
    amp_out_str(out, name);
    amp_out_str(out, ": ");
    amp_out_slice(out, value);
    amp_out_str(out, "\r\n");
}

static void write_head(struct amp_out *out, const struct amp_client_message *message, struct amp_slice amz_date,
                       struct amp_slice nonce)
{
    amp_out_str(out, message->method);
    amp_out_str(out, " ");
    amp_out_str(out, message->target);
    amp_out_str(out, " HTTP/1.1\r\n");
    write_field(out, "host", amp_slice_str(message->authority));
    write_field(out, "user-agent", AMP_SLICE_LIT("libampoule/" AMP_VERSION));
    if (message->body.len > 0) {
        write_field(out, "content-type", amp_slice_str(message->content_type));
        amp_out_str(out, "content-length: ");
        amp_out_u64(out, message->body.len);
        amp_out_str(out, "\r\n");
    }
    if (message->idempotency_key != NULL)
        write_field(out, "idempotency-key", amp_slice_str(message->idempotency_key));
    write_field(out, "x-amz-date", amz_date);
    if (message->amz_target != NULL)
        write_field(out, "x-amz-target", amp_slice_str(message->amz_target));
    write_field(out, "x-ampoule-nonce", nonce);
}

/* In the order of their bytes, as the canonical form has them. */
static void write_signed_names(struct amp_out *out, const struct amp_client_message *message)
{
    amp_out_str(out, message->body.len > 0 ? "content-type;host" : "host");
    amp_out_str(out, message->idempotency_key != NULL ? ";idempotency-key" : "");
    amp_out_str(out, ";x-ampoule-nonce;x-amz-date");
    amp_out_str(out, message->amz_target != NULL ? ";x-amz-target" : "");
}

/* `head_bytes`: the head up to and with its last field, then a blank line. */
static enum amp_err make_signature(struct amp_sigv4 *auth, struct amp_slice head_bytes, struct amp_slice body,
                                   const struct amp_key256 *day_key)
{
    struct amp_http1_head head;
    size_t head_len = 0;
    size_t scanned = 0;
    uint8_t body_hash[AMP_SHA256_LEN];
    uint8_t canonical_hash[AMP_SHA256_LEN];
    enum amp_err err = amp_http1_parse_head(&head, head_bytes.ptr, head_bytes.len, &head_len, &scanned);
    if (err != AMP_OK)
        return err;
    if (head_len != head_bytes.len)
        return AMP_ERR_INVALID;
    if ((err = amp_sha256(body_hash, &body, 1)) != AMP_OK ||
        (err = amp_sigv4_canonical_hash(canonical_hash, auth, &head, body_hash)) != AMP_OK)
        return err;
    return amp_sigv4_sign(auth->signature, day_key, auth, canonical_hash);
}

static void write_authorization(struct amp_out *out, const struct amp_sigv4 *auth)
{
    amp_out_str(out, "authorization: AWS4-HMAC-SHA256 Credential=");
    amp_out_slice(out, auth->key_id);
    amp_out_str(out, "/");
    amp_out_slice(out, auth->date);
    amp_out_str(out, "/");
    amp_out_slice(out, auth->region);
    amp_out_str(out, "/");
    amp_out_slice(out, auth->service);
    amp_out_str(out, "/aws4_request, SignedHeaders=");
    amp_out_slice(out, auth->signed_headers);
    amp_out_str(out, ", Signature=");
    amp_out_hex(out, auth->signature, sizeof auth->signature);
    amp_out_str(out, "\r\n\r\n");
}

enum amp_err amp_client_sign(struct amp_secret_buf *wire, struct amp_client_identity *identity,
                             const struct amp_client_message *message, int64_t unix_ms,
                             const char nonce[AMP_CLIENT_NONCE_LEN])
{
    char amz_date[AMZ_DATE_LEN];
    char names[MAX_SIGNED_NAMES];
    struct amp_out signed_names = amp_out(names, sizeof names);
    const char *key = message->idempotency_key;
    if (key != NULL && (!is_visible(key) || strlen(key) > MAX_IDEMPOTENCY_KEY))
        return AMP_ERR_IDEMPOTENCY_KEY_INVALID;
    if (!is_service(message->service) || (message->amz_target != NULL && !is_visible(message->amz_target)))
        return AMP_ERR_INVALID;
    amp_date_format_basic(amz_date, unix_ms / 1000);
    enum amp_err err = refresh_day_key(identity, amz_date, message->service);
    if (err == AMP_OK)
        err = amp_secret_buf_reserve(wire, HEAD_ROOM + message->body.len);
    if (err != AMP_OK)
        return err;
    struct amp_out out = amp_out(wire->ptr + wire->len, wire->cap - wire->len);
    write_head(&out, message, amp_slice(amz_date, sizeof amz_date), amp_slice(nonce, AMP_CLIENT_NONCE_LEN));
    const size_t fields_len = out.len;
    amp_out_str(&out, "\r\n");
    write_signed_names(&signed_names, message);
    struct amp_sigv4 auth = {
        .key_id = identity->key_id,
        .date = amp_slice(amz_date, DAY_LEN),
        .region = identity->region,
        .service = amp_slice_str(message->service),
        .signed_headers = amp_out_done(&signed_names),
        .amz_date = amp_slice(amz_date, sizeof amz_date),
        .date_s = unix_ms / 1000,
    };
    if (out.overflow || signed_names.overflow)
        return AMP_ERR_TOO_LARGE;
    if ((err = make_signature(&auth, amp_out_done(&out), message->body, identity->day_key)) != AMP_OK)
        return err;
    out.len = fields_len;
    write_authorization(&out, &auth);
    amp_out_slice(&out, message->body);
    if (out.overflow)
        return AMP_ERR_TOO_LARGE;
    wire->len += out.len;
    return AMP_OK;
}
