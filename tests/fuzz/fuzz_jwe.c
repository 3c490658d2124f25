/* Compact JWEs to keys that are known here. What is refused leaves nothing; what opens is five parts of base64url. */
#include "../unit/wire/test_keys.h"
#include "fuzz.h"

#include "crypto/crypto.h"
#include "wire/jwe.h"

static struct amp_jwk keys[3];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const texts[] = {RSA_PRIVATE, P256_PRIVATE, P384_PRIVATE};
    FUZZ_CHECK(amp_secret_init(4u << 20, false) == AMP_OK && amp_crypto_init() == AMP_OK);
    for (size_t i = 0; i < 3; i++) {
        uint8_t *text = fuzz_copy(texts[i], strlen(texts[i]));
        FUZZ_CHECK(amp_jwk_parse(&keys[i], text, strlen(texts[i]), true) == AMP_OK);
        free(text);
    }
    return 0;
}

static bool is_base64url(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static void check_form(const uint8_t *text, size_t len)
{
    size_t dots = 0;
    for (size_t i = 0; i < len; i++) {
        FUZZ_CHECK(text[i] == '.' || is_base64url(text[i]));
        dots += text[i] == '.';
    }
    FUZZ_CHECK(dots == 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *text = fuzz_copy(data, size);
    size_t opened = 0;
    for (size_t i = 0; i < 3; i++) {
        struct amp_secret_buf out = {NULL, 0, 0};
        enum amp_err err = amp_jwe_decrypt(&out, &keys[i], amp_slice(text, size));
        FUZZ_CHECK(err == AMP_OK || err == AMP_ERR_JWE_INVALID || err == AMP_ERR_NOT_AUTHENTIC);
        FUZZ_CHECK(err == AMP_OK || out.len == 0);
        opened += err == AMP_OK;
        amp_secret_buf_free(&out);
    }
    FUZZ_CHECK(opened <= 1 && memcmp(text, data, size) == 0);
    if (opened != 0)
        check_form(text, size);
    free(text);
    return 0;
}
