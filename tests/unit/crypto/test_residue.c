/*
 * What the library's heap holds after each call: every block it owns is looked through, and every block it
 * frees is looked at first, for any eight bytes of the key, of the plaintext or of what was derived.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "crypto/context.h"
#include "rsa_numbers.h"

enum { BLOCKS_MAX = 100000, WINDOW = 8 };

static struct block {
    void *ptr;
    size_t len;
} blocks[BLOCKS_MAX];
static size_t block_count;

static struct amp_slice wanted[2];
static size_t wanted_count;
static size_t found_freed;

static size_t count_windows(const void *ptr, size_t len)
{
    size_t found = 0;
    for (size_t i = 0; i < wanted_count; i++) {
        for (size_t at = 0; at + WINDOW <= wanted[i].len; at++)
            found += memmem(ptr, len, wanted[i].ptr + at, WINDOW) != NULL;
    }
    return found;
}

static void *keep(void *ptr, size_t len)
{
    if (ptr == NULL || block_count == BLOCKS_MAX)
        abort();
    blocks[block_count++] = (struct block){ptr, len};
    return ptr;
}

static void forget(void *ptr)
{
    for (size_t i = block_count; i-- > 0;) {
        if (blocks[i].ptr != ptr)
            continue;
        found_freed += count_windows(ptr, blocks[i].len);
        blocks[i] = blocks[--block_count];
        return;
    }
    abort();
}

static void *watched_malloc(size_t len, const char *file, int line)
{
    return keep(calloc(1, len), len);
}

static void watched_free(void *ptr, const char *file, int line)
{
    if (ptr == NULL)
        return;
    forget(ptr);
    free(ptr);
}

static size_t length_of(const void *ptr)
{
    for (size_t i = block_count; i-- > 0;) {
        if (blocks[i].ptr == ptr)
            return blocks[i].len;
    }
    abort();
}

static void *watched_realloc(void *ptr, size_t len, const char *file, int line)
{
    void *grown = watched_malloc(len, file, line);
    if (ptr != NULL) {
        size_t old = length_of(ptr);
        memcpy(grown, ptr, old < len ? old : len);
        watched_free(ptr, file, line);
    }
    return grown;
}

static size_t found_anywhere(void)
{
    size_t found = found_freed;
    for (size_t i = 0; i < block_count; i++)
        found += count_windows(blocks[i].ptr, blocks[i].len);
    return found;
}

static void look_for(struct amp_slice a, struct amp_slice b)
{
    wanted[0] = a;
    wanted[1] = b;
    wanted_count = 2;
    found_freed = 0;
}

/* Made at run time, so that no constant of the program is mistaken for a residue. */
static struct amp_key256 key, masked[2];
static uint8_t plain[300], out[400];
static const uint8_t nonce[AMP_GCM_NONCE_LEN];

static void make_secrets(void)
{
    for (size_t i = 0; i < sizeof(key.bytes); i++) {
        key.bytes[i] = (uint8_t)(i * 37 + 101);
        masked[0].bytes[i] = key.bytes[i] ^ 0x36;
        masked[1].bytes[i] = key.bytes[i] ^ 0x5c;
    }
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * i * 11 + i * 7 + 3);
}

static struct amp_slice key_slice(void)
{
    return amp_slice(key.bytes, sizeof(key.bytes));
}

static struct amp_slice plain_slice(void)
{
    return amp_slice(plain, sizeof(plain));
}

/* The chaining value is kept as 32-bit words of this machine, not as the digest's bytes. */
static struct amp_slice as_words(uint8_t words[AMP_SHA256_LEN], const uint8_t digest[AMP_SHA256_LEN])
{
    for (size_t i = 0; i < AMP_SHA256_LEN; i++)
        words[i] = digest[i ^ 3];
    return amp_slice(words, AMP_SHA256_LEN);
}

/* The detector detects: a context left as it is after use holds the key. */
static void a_context_left_alone_is_found(void **state)
{
    look_for(key_slice(), plain_slice());
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), key.bytes, nonce, NULL), 1);
    assert_true(found_anywhere() > 0);
    EVP_CIPHER_CTX_free(ctx);
    look_for(key_slice(), plain_slice());
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestInit_ex2(digest, EVP_sha256(), NULL), 1);
    assert_int_equal(EVP_DigestUpdate(digest, plain, 40), 1);
    assert_true(found_anywhere() > 0);
    static uint8_t words[AMP_SHA256_LEN]; /* looked for until the next call of look_for */
    assert_int_equal(EVP_DigestFinal_ex(digest, out, NULL), 1);
    look_for(as_words(words, out), amp_slice(NULL, 0));
    assert_true(found_anywhere() > 0);
    EVP_MD_CTX_free(digest);
}

static void gcm_leaves_no_key_and_no_plaintext(void **state)
{
    look_for(key_slice(), plain_slice());
    struct amp_slice none = amp_slice(NULL, 0);
    assert_int_equal(amp_gcm_seal(out, &key, nonce, none, plain, sizeof(plain)), AMP_OK);
    assert_int_equal(found_anywhere(), 0);
    assert_int_equal(amp_gcm_open(out, &key, nonce, none, out, sizeof(plain) + AMP_GCM_TAG_LEN), AMP_OK);
    assert_int_equal(found_anywhere(), 0);
    assert_int_equal(amp_gcm_open(out, &key, nonce, none, plain, sizeof(plain)), AMP_ERR_NOT_AUTHENTIC);
    assert_int_equal(found_anywhere(), 0);
}

static void working_in_turns_leaves_no_key_behind_a_turn(void **state)
{
    struct amp_slice none = amp_slice(NULL, 0);
    amp_crypto_work_in_turns();
    look_for(key_slice(), plain_slice());
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(amp_gcm_seal(out, &key, nonce, none, plain, sizeof(plain)), AMP_OK);
        assert_int_equal(amp_gcm_open(out, &key, nonce, none, out, sizeof(plain) + AMP_GCM_TAG_LEN), AMP_OK);
        assert_memory_equal(out, plain, sizeof(plain));
        assert_true(found_anywhere() > 0); /* else there would be nothing to test */
        amp_crypto_rest();
        assert_int_equal(found_anywhere(), 0);
    }
    size_t len = sizeof(out);
    assert_int_equal(amp_gcm_seal(out, &key, nonce, none, plain, sizeof(plain)), AMP_OK);
    assert_int_equal(amp_kwp_wrap(out, &key, plain, 61), AMP_OK);
    assert_int_equal(amp_kwp_unwrap(out, &len, &key, out, amp_kwp_len(61)), AMP_OK);
    assert_int_equal(amp_gcm_seal(out, &key, nonce, none, plain, sizeof(plain)), AMP_OK);
    amp_crypto_thread_fini();
    assert_int_equal(found_anywhere(), 0);
    assert_int_equal(amp_gcm_seal(out, &key, nonce, none, plain, sizeof(plain)), AMP_OK);
    assert_int_equal(found_anywhere(), 0); /* the promise ended with the contexts */
}

static void kwp_leaves_no_key(void **state)
{
    look_for(key_slice(), amp_slice(plain, 61));
    size_t len = sizeof(out);
    assert_int_equal(amp_kwp_wrap(out, &key, plain, 61), AMP_OK);
    assert_int_equal(amp_kwp_unwrap(out, &len, &key, out, amp_kwp_len(61)), AMP_OK);
    assert_int_equal(found_anywhere(), 0);
}

/* Neither the message nor the digest, which of a card number is as good as the number. */
static void sha256_leaves_no_message_and_no_digest(void **state)
{
    static const size_t lens[] = {8, 55, 56, 63, 64, 65, 119, 128, sizeof(plain)}; /* around the block's padding */
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        static uint8_t words[AMP_SHA256_LEN]; /* looked for until the next call of look_for */
        struct amp_slice part = amp_slice(plain, lens[i]);
        assert_int_equal(amp_sha256(out, &part, 1), AMP_OK);
        look_for(part, as_words(words, out));
        assert_int_equal(found_anywhere(), 0);
    }
}

static void hmac_leaves_no_key_and_no_state(void **state)
{
    static uint8_t words[AMP_SHA256_LEN]; /* looked for until the next call of look_for */
    struct amp_slice part = plain_slice();
    assert_int_equal(amp_hmac_sha256(out, key_slice(), &part, 1), AMP_OK);
    look_for(key_slice(), as_words(words, out));
    assert_int_equal(found_anywhere(), 0);
    look_for(amp_slice(masked[0].bytes, 32), amp_slice(masked[1].bytes, 32));
    assert_int_equal(found_anywhere(), 0);
}

/* What earlier calls left below; reading it is the purpose. */
static __attribute__((noinline, no_sanitize("address"), no_stack_protector)) bool on_stack(struct amp_slice bytes)
{
    enum { LOOKED_AT = 4096 };
    __attribute__((uninitialized)) uint8_t frame[LOOKED_AT];
    __asm__ volatile("" : : "r"(frame) : "memory");
    for (size_t at = 0; at + bytes.len <= sizeof(frame); at++) {
        size_t same = 0;
        while (same < bytes.len && ((volatile uint8_t *)frame)[at + same] == bytes.ptr[same])
            same++;
        if (same == bytes.len)
            return true;
    }
    return false;
}

static __attribute__((noinline)) void leave_on_stack(struct amp_slice bytes)
{
    uint8_t frame[512];
    memcpy(frame + 200, bytes.ptr, bytes.len);
    __asm__ volatile("" : : "r"(frame) : "memory");
}

/* The state lies there while the library's own functions are called. */
static void hashing_leaves_no_state_on_the_stack(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they have frames of their own, elsewhere */
#endif
    static uint8_t words[AMP_SHA256_LEN], inner_words[AMP_SHA256_LEN], outer_words[AMP_SHA256_LEN];
    struct amp_slice part = plain_slice();
    static struct amp_hmac_key ready;
    struct amp_slice secrets[] = {as_words(words, out),           key_slice(),
                                  amp_slice(masked[0].bytes, 32), amp_slice(masked[1].bytes, 32),
                                  amp_slice(inner_words, 32),     amp_slice(outer_words, 32)};
    amp_hmac_key_make(&ready, &key);
    memcpy(inner_words, ready.inner.words, sizeof(inner_words));
    memcpy(outer_words, ready.outer.words, sizeof(outer_words));
    assert_int_equal(amp_hmac_sha256(out, key_slice(), &part, 1), AMP_OK);
    as_words(words, out);
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        leave_on_stack(secrets[i]);
        assert_true(on_stack(secrets[i])); /* the detector detects */
        amp_wipe_stack_8k();
        assert_int_equal(amp_hmac_sha256(out, key_slice(), &part, 1), AMP_OK);
        assert_false(on_stack(secrets[i]));
        amp_hmac_key_make(&ready, &key);
        assert_false(on_stack(secrets[i]));
        assert_int_equal(amp_hmac_sha256_under(out, &ready, &part, 1), AMP_OK);
        assert_false(on_stack(secrets[i]));
    }
}

static void md5_leaves_no_message(void **state)
{
    static const size_t lens[] = {8, 55, 56, 63, 64, 65, 119, 128, sizeof(plain)};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct amp_slice part = amp_slice(plain, lens[i]);
        look_for(part, amp_slice(NULL, 0));
        assert_int_equal(amp_md5(out, &part, 1), AMP_OK);
        assert_int_equal(found_anywhere(), 0);
    }
}

/* A number as the library keeps it: its least significant byte first. */
static struct amp_slice reversed(uint8_t *to, const uint8_t *number, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = number[len - 1 - i];
    return amp_slice(to, len);
}

static void ecdh_leaves_no_shared_secret_and_no_scalar(void **state)
{
    static uint8_t z[AMP_EC_BYTES_MAX], z_words[AMP_EC_BYTES_MAX], d[AMP_EC_BYTES_MAX], d_words[AMP_EC_BYTES_MAX];
    uint8_t x[AMP_EC_BYTES_MAX], y[AMP_EC_BYTES_MAX];
    const size_t len = amp_curve_bytes(AMP_CURVE_P256);
    struct amp_pkey *own, *peer;
    assert_int_equal(amp_pkey_ec_new(&own, AMP_CURVE_P256), AMP_OK);
    assert_int_equal(amp_pkey_ec_new(&peer, AMP_CURVE_P256), AMP_OK);
    assert_int_equal(amp_ecdh(own, peer, z), AMP_OK);
    assert_int_equal(amp_pkey_ec_numbers(own, x, y, d), AMP_OK);
    look_for(amp_slice(z, len), reversed(z_words, z, len));
    assert_int_equal(amp_ecdh(own, peer, z), AMP_OK);
    assert_int_equal(found_anywhere(), 0);
    look_for(amp_slice(d, len), reversed(d_words, d, len));
    assert_true(found_anywhere() > 0); /* the key itself */
    amp_pkey_free(own);
    assert_int_equal(found_anywhere(), 0);
    assert_int_equal(amp_pkey_ec(&own, AMP_CURVE_P256, amp_slice(x, len), amp_slice(y, len), amp_slice(d, len)),
                     AMP_OK);
    amp_pkey_free(own);
    assert_int_equal(found_anywhere(), 0);
    amp_pkey_free(peer);
}

static void oaep_leaves_no_plaintext_and_no_prime(void **state)
{
    static uint8_t p_words[BYTES_MAX];
    uint8_t sealed[AMP_RSA_BYTES_MAX], opened[AMP_RSA_BYTES_MAX];
    size_t sealed_len, len;
    struct amp_rsa_numbers numbers = own_numbers();
    struct amp_pkey *rsa;
    look_for(numbers.p, reversed(p_words, own_p.ptr, own_p.len));
    assert_int_equal(amp_pkey_rsa(&rsa, &numbers), AMP_OK);
    assert_true(found_anywhere() > 0); /* the key itself */
    look_for(key_slice(), amp_slice(NULL, 0));
    assert_int_equal(amp_rsa_oaep_encrypt(rsa, key.bytes, sizeof(key.bytes), sealed, &sealed_len), AMP_OK);
    assert_int_equal(found_anywhere(), 0);
    assert_int_equal(amp_rsa_oaep_decrypt(rsa, sealed, sealed_len, opened, &len), AMP_OK);
    assert_int_equal(found_anywhere(), 0);
    look_for(numbers.p, reversed(p_words, own_p.ptr, own_p.len));
    amp_pkey_free(rsa);
    assert_int_equal(found_anywhere(), 0);
}

static int init(void **state)
{
    make_secrets();
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

/* As with a provider of the user's own. */
static int init_through_evp(void **state)
{
    if (init(state) != 0 || !amp_algorithms.sha256_is_default)
        return -1;
    amp_algorithms.sha256_is_default = amp_algorithms.md5_is_default = false;
    return 0;
}

static int fini(void **state)
{
    amp_crypto_thread_fini();
    return 0;
}

int main(void)
{
    if (CRYPTO_set_mem_functions(watched_malloc, watched_realloc, watched_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_left_alone_is_found),
        cmocka_unit_test(gcm_leaves_no_key_and_no_plaintext),
        cmocka_unit_test(working_in_turns_leaves_no_key_behind_a_turn),
        cmocka_unit_test(kwp_leaves_no_key),
        cmocka_unit_test(sha256_leaves_no_message_and_no_digest),
        cmocka_unit_test(hmac_leaves_no_key_and_no_state),
        cmocka_unit_test(hashing_leaves_no_state_on_the_stack),
        cmocka_unit_test(md5_leaves_no_message),
        cmocka_unit_test(oaep_leaves_no_plaintext_and_no_prime),
        cmocka_unit_test(ecdh_leaves_no_shared_secret_and_no_scalar),
    };
    const struct CMUnitTest hashes[] = {
        cmocka_unit_test(sha256_leaves_no_message_and_no_digest),
        cmocka_unit_test(hmac_leaves_no_key_and_no_state),
        cmocka_unit_test(md5_leaves_no_message),
    };
    return cmocka_run_group_tests_name("default", tests, init, fini) +
           cmocka_run_group_tests_name("through EVP", hashes, init_through_evp, fini);
}
