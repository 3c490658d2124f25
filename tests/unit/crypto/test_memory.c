/* OpenSSL's memory in the pool. */
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <string.h>

#include "../child.h"
#include "crypto/crypto.h"
#include "secret/arena.h"

enum { CAP = 16 << 20 };

static bool is_in_pool(const void *ptr)
{
    return amp_arena_find(ptr) != NULL;
}

static void what_openssl_allocates_lies_in_the_pool(void **state)
{
    size_t before = amp_secret_used();
    void *ptr = OPENSSL_malloc(100), *zeroed = OPENSSL_zalloc(20000);
    assert_true(is_in_pool(ptr));
    assert_true(is_in_pool(zeroed));
    assert_int_equal(amp_secret_used(), before + 20100);
    OPENSSL_free(ptr);
    OPENSSL_free(zeroed);
    assert_int_equal(amp_secret_used(), before);
}

static void it_is_moved_whole_when_it_grows_and_wiped_where_it_was(void **state)
{
    uint8_t *ptr = OPENSSL_malloc(64);
    const uint8_t *was __attribute__((unused)) = ptr;
    memset(ptr, 0x5a, 64);
    ptr = OPENSSL_realloc(ptr, 4000);
    assert_true(is_in_pool(ptr));
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(ptr[i], 0x5a);
#if !defined(__SANITIZE_ADDRESS__) /* which has been told that nobody may look there */
    static const uint8_t zeros[64];
    assert_memory_equal(was, zeros, sizeof(zeros));
#endif
    ptr = OPENSSL_realloc(ptr, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(ptr[i], 0x5a);
    assert_null(OPENSSL_realloc(ptr, 0));
    ptr = OPENSSL_realloc(NULL, 10);
    assert_non_null(ptr);
    OPENSSL_free(ptr);
}

static void a_key_schedule_lies_in_the_pool(void **state)
{
    size_t before = amp_secret_used();
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const uint8_t key[32] = {1}, nonce[12] = {2};
    assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce), 1);
    assert_true(is_in_pool(ctx));
    assert_true(amp_secret_used() >= before + 240); /* FIPS 197: fifteen round keys of 16 bytes */
    EVP_CIPHER_CTX_free(ctx);
}

/* Who comes then is refused, and those that are served stay. */
static void a_full_pool_refuses_connections_and_harms_none(void **state)
{
    static SSL *held[CAP / 4096];
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_non_null(context);
    size_t count = 0;
    while (count < sizeof(held) / sizeof(held[0]) && (held[count] = SSL_new(context)) != NULL)
        count++;
    assert_in_range(count, 100, sizeof(held) / sizeof(held[0]) - 1);
    SSL_free(held[--count]);
    SSL *again = SSL_new(context);
    assert_non_null(again);
    SSL_free(again);
    while (count > 0)
        SSL_free(held[--count]);
    SSL_CTX_free(context);
}

static void use_pool_too_late(void)
{
    OPENSSL_free(OPENSSL_malloc(1));
    if (amp_secret_init(CAP, false) != AMP_OK || amp_crypto_use_pool() != AMP_ERR_CRYPTO)
        _exit(1);
}

static void live_and_end(void)
{
    static const struct amp_slice abc = AMP_SLICE_LIT("abc");
    uint8_t hash[AMP_SHA256_LEN];
    if (amp_secret_init(CAP, true) != AMP_OK || amp_crypto_use_pool() != AMP_OK || amp_crypto_init() != AMP_OK)
        _exit(1);
    if (amp_sha256(hash, &abc, 1) != AMP_OK)
        _exit(2);
    amp_crypto_fini();
    amp_secret_fini();
    exit(0); /* and nothing that OpenSSL does at exit touches the pool that is no more */
}

static void too_late_is_told(void **state)
{
    assert_succeeds(use_pool_too_late);
}

static void a_process_that_lived_on_it_ends_well(void **state)
{
    assert_succeeds(live_and_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_openssl_allocates_lies_in_the_pool),
        cmocka_unit_test(it_is_moved_whole_when_it_grows_and_wiped_where_it_was),
        cmocka_unit_test(a_key_schedule_lies_in_the_pool),
        cmocka_unit_test(a_full_pool_refuses_connections_and_harms_none),
    };
    /* In children, before this process has used OpenSSL. */
    const struct CMUnitTest first[] = {
        cmocka_unit_test(too_late_is_told),
        cmocka_unit_test(a_process_that_lived_on_it_ends_well),
    };
    int failed = cmocka_run_group_tests_name("start and end", first, NULL, NULL);
    if (amp_secret_init(CAP, false) != AMP_OK || amp_crypto_use_pool() != AMP_OK || amp_crypto_init() != AMP_OK)
        return 1;
    failed += cmocka_run_group_tests_name("use", tests, NULL, NULL);
    amp_crypto_fini();
    amp_secret_fini();
    return failed;
}
