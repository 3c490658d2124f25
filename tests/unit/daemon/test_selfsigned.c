/* Development mode's certificate: it serves while it is young and with its own key alone. */
#include <string.h>

#include "../support.h"
#include "crypto/crypto.h"
#include "crypto/selfsigned.h"

enum { DAY_S = 24 * 3600 };

static const int64_t now_s = 1770000000;

struct pair {
    struct amp_secret_buf key;
    struct amp_secret_buf cert;
};

static void make(struct pair *pair)
{
    *pair = (struct pair){0};
    assert_int_equal(amp_selfsigned_make(now_s, 30, &pair->key, &pair->cert), AMP_OK);
}

static void drop(struct pair *pair)
{
    amp_secret_buf_free(&pair->key);
    amp_secret_buf_free(&pair->cert);
}

static bool serves(const struct amp_secret_buf *key, const struct amp_secret_buf *cert, int64_t from, int64_t until)
{
    return amp_selfsigned_serves(amp_slice(key->ptr, key->len), amp_slice(cert->ptr, cert->len), from, until);
}

static void certificate_serves_within_its_days(void **state)
{
    struct pair pair;
    make(&pair);
    assert_true(serves(&pair.key, &pair.cert, now_s, now_s + DAY_S));
    assert_true(serves(&pair.key, &pair.cert, now_s, now_s + 30 * DAY_S - 1));
    assert_false(serves(&pair.key, &pair.cert, now_s, now_s + 30 * DAY_S + 1));
    assert_false(serves(&pair.key, &pair.cert, now_s - DAY_S, now_s));
    drop(&pair);
}

static void certificate_serves_with_its_own_key_alone(void **state)
{
    struct pair one;
    struct pair two;
    make(&one);
    make(&two);
    assert_memory_not_equal(one.key.ptr, two.key.ptr, one.key.len);
    assert_false(serves(&one.key, &two.cert, now_s, now_s));
    assert_false(serves(&two.key, &one.cert, now_s, now_s));
    drop(&one);
    drop(&two);
}

static void damaged_files_do_not_serve(void **state)
{
    struct pair pair;
    static const struct amp_secret_buf nothing;
    make(&pair);
    assert_false(serves(&nothing, &pair.cert, now_s, now_s));
    assert_false(serves(&pair.key, &nothing, now_s, now_s));
    assert_false(serves(&pair.cert, &pair.key, now_s, now_s));
    pair.cert.ptr[60] ^= 1;
    assert_false(serves(&pair.key, &pair.cert, now_s, now_s + 31 * DAY_S));
    pair.key.len /= 2;
    assert_false(serves(&pair.key, &pair.cert, now_s, now_s));
    drop(&pair);
}

static int setup(void **state)
{
    return amp_secret_init(1 << 20, false) == AMP_OK && amp_crypto_init() == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    amp_crypto_thread_fini();
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_serves_within_its_days),
        cmocka_unit_test(certificate_serves_with_its_own_key_alone),
        cmocka_unit_test(damaged_files_do_not_serve),
    };
    return cmocka_run_group_tests_name("self-signed", tests, setup, teardown);
}
