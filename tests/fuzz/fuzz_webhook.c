/*
 * Webhooks as they arrive: id, timestamp, signature, each ended by a line feed, and the body. What verifies has among
 * its signatures the very one that signing gives. The first line is read as a secret too: one that parses is written
 * back as it was.
 */
#include "fuzz.h"

#include "base/text.h"
#include "wire/webhook.h"

#define NOW INT64_C(1614265330)

static struct amp_webhook_secret secret;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    FUZZ_CHECK(amp_crypto_init() == AMP_OK);
    FUZZ_CHECK(amp_webhook_secret_parse(&secret, AMP_SLICE_LIT("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")) == AMP_OK);
    return 0;
}

static struct amp_slice take_line(struct amp_slice *rest)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->ptr, '\n', rest->len);
    struct amp_slice line = {NULL, 0};
    if (end == NULL)
        return line;
    line = amp_slice(rest->ptr, (size_t)(end - rest->ptr));
    *rest = amp_slice(end + 1, rest->len - line.len - 1);
    return line;
}

static void check_secret(struct amp_slice text)
{
    struct amp_webhook_secret parsed;
    char again[6 + AMP_BASE64_LEN(AMP_WEBHOOK_SECRET_MAX)];
    size_t len;
    if (amp_webhook_secret_parse(&parsed, text) != AMP_OK)
        return;
    FUZZ_CHECK(parsed.len >= 24 && parsed.len <= AMP_WEBHOOK_SECRET_MAX);
    amp_webhook_secret_format(again, &len, &parsed);
    FUZZ_CHECK(amp_slice_equal(amp_slice(again, len), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *text = fuzz_copy(data, size);
    struct amp_slice rest = amp_slice(text, size);
    struct amp_webhook_fields fields;
    fields.id = take_line(&rest);
    fields.timestamp = take_line(&rest);
    fields.signature = take_line(&rest);
    check_secret(fields.id);
    if (amp_webhook_verify(&fields, &secret, NOW, rest) == AMP_OK) {
        char right[AMP_WEBHOOK_SIGNATURE_LEN];
        struct amp_out out = amp_out(right, sizeof right);
        uint64_t signed_s;
        FUZZ_CHECK(amp_u64_parse(&signed_s, fields.timestamp, INT64_MAX) == AMP_OK);
        FUZZ_CHECK(signed_s + AMP_WEBHOOK_TOLERANCE_S >= NOW && signed_s <= NOW + AMP_WEBHOOK_TOLERANCE_S);
        FUZZ_CHECK(amp_webhook_sign(&out, &secret, 1, fields.id, (int64_t)signed_s, rest) == AMP_OK);
        FUZZ_CHECK(memmem(fields.signature.ptr, fields.signature.len, right, sizeof right) != NULL);
    }
    free(text);
    return 0;
}
