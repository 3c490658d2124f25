/* What the SQS API calls things by: URLs and ARNs of queues, and handles that only we can make. */
#include "api/sqs.h"

#define ARN_HEAD "arn:aws:sqs:"
#define HOST_MAX 261 /* a name of 255, and its port */
#define VERSION  1

_Static_assert(AMP_SQS_URL_MAX >= sizeof("https://" AMP_SQS_PATH) + HOST_MAX + AMP_QUEUE_NAME_MAX, "a URL fits");
_Static_assert(AMP_SQS_ARN_MAX >= sizeof(ARN_HEAD ":" AMP_SQS_ACCOUNT ":") + AMP_SQS_REGION_MAX + AMP_QUEUE_NAME_MAX,
               "an ARN fits");
_Static_assert(AMP_SQS_HANDLE_BYTES >= AMP_QUEUE_NAME_MAX, "a page's token holds a name");

/* Whether `text` begins with `head`, which is cut off then. */
static bool cut_head(struct amp_slice *text, struct amp_slice head)
{
    if (text->len < head.len || memcmp(text->ptr, head.ptr, head.len) != 0)
        return false;
    *text = amp_slice(text->ptr + head.len, text->len - head.len);
    return true;
}

/* What is before the first `end`, which is cut off with it. */
static bool cut_until(struct amp_slice *text, char end, struct amp_slice *part)
{
    const uint8_t *at = text->len != 0 ? memchr(text->ptr, end, text->len) : NULL;
    if (at == NULL)
        return false;
    *part = amp_slice(text->ptr, (size_t)(at - text->ptr));
    *text = amp_slice(at + 1, text->len - part->len - 1);
    return true;
}

enum amp_err amp_sqs_url_parse(struct amp_slice url, struct amp_slice *queue)
{
    struct amp_slice host, account;
    if (!cut_head(&url, AMP_SLICE_LIT("https://")) && !cut_head(&url, AMP_SLICE_LIT("http://")))
        return AMP_ERR_SQS_ADDRESS_INVALID;
    if (!cut_until(&url, '/', &host) || host.len == 0 || !cut_until(&url, '/', &account) || url.len == 0)
        return AMP_ERR_SQS_ADDRESS_INVALID;
    *queue = url;
    return amp_slice_is(account, AMP_SQS_ACCOUNT) ? AMP_OK : AMP_ERR_QUEUE_UNKNOWN;
}

enum amp_err amp_sqs_put_url(struct amp_sqs_answer *answer, struct amp_slice queue, uint8_t storage[AMP_SQS_URL_MAX],
                             struct amp_slice *url)
{
    struct amp_out out = amp_out(storage, AMP_SQS_URL_MAX);
    struct amp_slice host = answer->call->request->head->host;
    if (host.len > HOST_MAX)
        return AMP_ERR_SQS_ADDRESS_INVALID;
    amp_out_str(&out, "https://");
    amp_out_slice(&out, host);
    amp_out_str(&out, AMP_SQS_PATH);
    amp_out_slice(&out, queue);
    *url = amp_out_done(&out);
    return AMP_OK;
}

static bool is_region(struct amp_slice text)
{
    if (text.len == 0 || text.len > AMP_SQS_REGION_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

enum amp_err amp_sqs_arn_parse(struct amp_slice arn, struct amp_slice *queue)
{
    struct amp_slice region, account;
    if (!cut_head(&arn, AMP_SLICE_LIT(ARN_HEAD)) || !cut_until(&arn, ':', &region) || !cut_until(&arn, ':', &account))
        return AMP_ERR_INVALID;
    *queue = arn;
    return is_region(region) && amp_slice_is(account, AMP_SQS_ACCOUNT) && amp_order_may_name(arn) ? AMP_OK
                                                                                                  : AMP_ERR_INVALID;
}

/* The third part of the scope. That the header verified makes it no other than the signed one. */
struct amp_slice amp_sqs_region(const struct amp_api_call *call)
{
    const struct amp_slice mark = AMP_SLICE_LIT("Credential=");
    struct amp_slice value, part, date, region;
    if (amp_http1_single(call->request->head, "authorization", &value) == AMP_OK && value.len != 0) {
        const uint8_t *at = memmem(value.ptr, value.len, mark.ptr, mark.len);
        struct amp_slice scope = at != NULL ? amp_slice(at, value.len - (size_t)(at - value.ptr)) : amp_slice(NULL, 0);
        bool has_date = cut_until(&scope, '/', &part) && cut_until(&scope, '/', &date);
        if (has_date && cut_until(&scope, '/', &region) && is_region(region))
            return region;
    }
    return AMP_SLICE_LIT("us-east-1");
}

void amp_sqs_write_arn(struct amp_out *out, struct amp_slice region, struct amp_slice queue)
{
    amp_out_str(out, ARN_HEAD);
    amp_out_slice(out, region);
    amp_out_str(out, ":" AMP_SQS_ACCOUNT ":");
    amp_out_slice(out, queue);
}

_Static_assert(AMP_SQS_HANDLE_CHECK <= AMP_TOKEN_TAG_LEN, "a handle's check is a tag");

enum amp_err amp_sqs_handle_make(const struct amp_api *api, const char *label, struct amp_slice queue,
                                 struct amp_slice bytes, char text[AMP_SQS_HANDLE_MAX], size_t *len)
{
    uint8_t whole[1 + AMP_SQS_HANDLE_BYTES + AMP_SQS_HANDLE_CHECK], check[AMP_TOKEN_TAG_LEN];
    struct amp_out out = amp_out(whole, sizeof whole);
    enum amp_err err = bytes.len <= AMP_SQS_HANDLE_BYTES
                           ? amp_token_keys_tag(api->config.token_keys, label, queue, bytes, check)
                           : AMP_ERR_TOO_LARGE;
    if (err != AMP_OK)
        return err;
    amp_out_byte(&out, VERSION);
    amp_out_slice(&out, bytes);
    amp_out_bytes(&out, check, AMP_SQS_HANDLE_CHECK);
    amp_base64_encode(text, whole, out.len);
    *len = AMP_BASE64_LEN(out.len);
    return AMP_OK;
}

enum amp_err amp_sqs_handle_read(const struct amp_api *api, const char *label, struct amp_slice queue,
                                 struct amp_slice text, uint8_t bytes[AMP_SQS_HANDLE_BYTES], size_t *len)
{
    uint8_t whole[1 + AMP_SQS_HANDLE_BYTES + AMP_SQS_HANDLE_CHECK], check[AMP_TOKEN_TAG_LEN];
    size_t whole_len = sizeof whole;
    if (text.len > AMP_SQS_HANDLE_MAX || amp_base64_decode(whole, &whole_len, text) != AMP_OK ||
        whole_len < 1 + AMP_SQS_HANDLE_CHECK || whole[0] != VERSION)
        return AMP_ERR_INVALID;
    *len = whole_len - 1 - AMP_SQS_HANDLE_CHECK;
    enum amp_err err = amp_token_keys_tag(api->config.token_keys, label, queue, amp_slice(whole + 1, *len), check);
    if (err != AMP_OK)
        return err;
    if (!amp_secret_equal(check, whole + 1 + *len, AMP_SQS_HANDLE_CHECK))
        return AMP_ERR_INVALID;
    memcpy(bytes, whole + 1, *len);
    return AMP_OK;
}

enum amp_err amp_sqs_receipt_make(const struct amp_api *api, struct amp_slice queue, const struct amp_receipt *receipt,
                                  char text[AMP_SQS_HANDLE_MAX], size_t *len)
{
    uint8_t bytes[AMP_MESSAGE_ID_LEN + sizeof receipt->stamp];
    memcpy(bytes, receipt->id, AMP_MESSAGE_ID_LEN);
    memcpy(bytes + AMP_MESSAGE_ID_LEN, &receipt->stamp, sizeof receipt->stamp); /* it comes back to this machine */
    return amp_sqs_handle_make(api, "receipt", queue, amp_slice(bytes, sizeof bytes), text, len);
}

enum amp_err amp_sqs_receipt_read(const struct amp_api *api, struct amp_slice queue, struct amp_slice text,
                                  struct amp_receipt *receipt)
{
    uint8_t bytes[AMP_SQS_HANDLE_BYTES];
    size_t len;
    enum amp_err err = amp_sqs_handle_read(api, "receipt", queue, text, bytes, &len);
    if (err == AMP_ERR_INVALID || (err == AMP_OK && len != AMP_MESSAGE_ID_LEN + sizeof receipt->stamp))
        return AMP_ERR_RECEIPT_INVALID;
    if (err != AMP_OK)
        return err;
    memcpy(receipt->id, bytes, AMP_MESSAGE_ID_LEN);
    memcpy(&receipt->stamp, bytes + AMP_MESSAGE_ID_LEN, sizeof receipt->stamp);
    return AMP_OK;
}

void amp_sqs_id_format(char text[AMP_MESSAGE_ID_TEXT], const uint8_t id[AMP_MESSAGE_ID_LEN])
{
    char digits[2 * AMP_MESSAGE_ID_LEN];
    amp_hex_encode(digits, id, AMP_MESSAGE_ID_LEN);
    memset(text, '-', AMP_MESSAGE_ID_TEXT);
    memcpy(text, digits, 8);
    memcpy(text + 9, digits + 8, 4);
    memcpy(text + 14, digits + 12, 4);
    memcpy(text + 19, digits + 16, 4);
    memcpy(text + 24, digits + 20, 12);
}
