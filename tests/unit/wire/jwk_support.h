/* What reads the keys of test_keys.h, and starts what that needs. */
#ifndef AMP_TESTS_JWK_SUPPORT_H
#define AMP_TESTS_JWK_SUPPORT_H

#include <string.h>

#include "test_keys.h"
#include "wire_support.h"

#include "crypto/crypto.h"
#include "wire/jwe.h"

static inline enum amp_err parse_jwk(struct amp_jwk *jwk, const char *json, bool want_private)
{
    size_t len = strlen(json);
    uint8_t *copy = exact_copy(json, len);
    enum amp_err err = amp_jwk_parse(jwk, copy, len, want_private);
    free(copy);
    return err;
}

static inline struct amp_jwk good_jwk(const char *json, bool want_private)
{
    struct amp_jwk jwk;
    assert_err(parse_jwk(&jwk, json, want_private), AMP_OK, json);
    return jwk;
}

static inline int start_crypto(void **state)
{
    return amp_secret_init(4u << 20, false) == AMP_OK && amp_crypto_init() == AMP_OK ? 0 : -1;
}

/* Nothing may be left in the pool. */
static inline int stop_crypto(void **state)
{
    amp_crypto_thread_fini();
    bool empty = amp_secret_used() == 0;
    amp_secret_fini();
    return empty ? 0 : -1;
}

#endif
