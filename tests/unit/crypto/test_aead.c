/* AES-GCM, key wrap and random bytes. */
#include <limits.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>

#include "../support.h"
#include "crypto/crypto.h"

static const struct amp_key256 key = {{0x10, 0x32, 0x54}};
static const uint8_t nonce[AMP_GCM_NONCE_LEN] = {7, 7, 7};
static const char text[] = "4242 4242 4242 4242 by noon, and one byte beyond two blocks";
static const struct amp_slice aad = {(const uint8_t *)"queue orders, version 1", 23};

enum { TEXT_LEN = sizeof(text), SEALED_LEN = TEXT_LEN + AMP_GCM_TAG_LEN };

static bool all_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static void seal_text(uint8_t sealed[SEALED_LEN])
{
    assert_int_equal(amp_gcm_seal(sealed, &key, nonce, aad, (const uint8_t *)text, TEXT_LEN), AMP_OK);
}

static void assert_refused(const struct amp_key256 *k, const uint8_t *n, struct amp_slice a, const uint8_t *sealed,
                           size_t len)
{
    uint8_t out[SEALED_LEN];
    memset(out, 0xee, sizeof(out));
    assert_int_equal(amp_gcm_open(out, k, n, a, sealed, len), AMP_ERR_NOT_AUTHENTIC);
    if (len >= AMP_GCM_TAG_LEN)
        assert_true(all_zero(out, len - AMP_GCM_TAG_LEN));
    assert_true(ERR_peek_error() == 0); /* nothing left behind for the TLS layer to trip over */
}

static void gcm_opens_what_it_sealed(void **state)
{
    uint8_t sealed[SEALED_LEN], opened[TEXT_LEN];
    seal_text(sealed);
    assert_memory_not_equal(sealed, text, TEXT_LEN);
    assert_int_equal(amp_gcm_open(opened, &key, nonce, aad, sealed, SEALED_LEN), AMP_OK);
    assert_memory_equal(opened, text, TEXT_LEN);
}

static void gcm_works_in_place(void **state)
{
    uint8_t expected[SEALED_LEN], bytes[SEALED_LEN];
    seal_text(expected);
    memcpy(bytes, text, TEXT_LEN);
    assert_int_equal(amp_gcm_seal(bytes, &key, nonce, aad, bytes, TEXT_LEN), AMP_OK);
    assert_memory_equal(bytes, expected, SEALED_LEN);
    assert_int_equal(amp_gcm_open(bytes, &key, nonce, aad, bytes, SEALED_LEN), AMP_OK);
    assert_memory_equal(bytes, text, TEXT_LEN);
}

static void gcm_seals_nothing_but_the_associated_data(void **state)
{
    uint8_t tag[AMP_GCM_TAG_LEN], out[1];
    assert_int_equal(amp_gcm_seal(tag, &key, nonce, aad, NULL, 0), AMP_OK);
    assert_int_equal(amp_gcm_open(out, &key, nonce, aad, tag, sizeof(tag)), AMP_OK);
    assert_int_equal(amp_gcm_open(out, &key, nonce, amp_slice(aad.ptr, aad.len - 1), tag, sizeof(tag)),
                     AMP_ERR_NOT_AUTHENTIC);
    assert_int_equal(amp_gcm_seal(tag, &key, nonce, amp_slice(NULL, 0), NULL, 0), AMP_OK);
    assert_int_equal(amp_gcm_open(out, &key, nonce, amp_slice(NULL, 0), tag, sizeof(tag)), AMP_OK);
}

static void flip(uint8_t *bytes, size_t bit)
{
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void gcm_refuses_any_flipped_bit(void **state)
{
    uint8_t sealed[SEALED_LEN], about[64], other_nonce[AMP_GCM_NONCE_LEN];
    struct amp_key256 other_key = key;
    seal_text(sealed);
    memcpy(about, aad.ptr, aad.len);
    memcpy(other_nonce, nonce, sizeof(nonce));
    for (size_t bit = 0; bit < SEALED_LEN * 8; bit++) {
        flip(sealed, bit);
        assert_refused(&key, nonce, aad, sealed, SEALED_LEN);
        flip(sealed, bit);
    }
    for (size_t bit = 0; bit < aad.len * 8; bit++) {
        flip(about, bit);
        assert_refused(&key, nonce, amp_slice(about, aad.len), sealed, SEALED_LEN);
        flip(about, bit);
    }
    for (size_t bit = 0; bit < sizeof(nonce) * 8; bit++) {
        flip(other_nonce, bit);
        assert_refused(&key, other_nonce, aad, sealed, SEALED_LEN);
        flip(other_nonce, bit);
    }
    for (size_t bit = 0; bit < sizeof(key) * 8; bit++) {
        flip(other_key.bytes, bit);
        assert_refused(&other_key, nonce, aad, sealed, SEALED_LEN);
        flip(other_key.bytes, bit);
    }
    assert_int_equal(amp_gcm_open(sealed, &key, nonce, aad, sealed, SEALED_LEN), AMP_OK);
}

static void gcm_refuses_every_truncation(void **state)
{
    uint8_t sealed[SEALED_LEN];
    seal_text(sealed);
    for (size_t len = 0; len < SEALED_LEN; len++)
        assert_refused(&key, nonce, aad, sealed, len);
    for (size_t len = 0; len < aad.len; len++)
        assert_refused(&key, nonce, amp_slice(aad.ptr, len), sealed, SEALED_LEN);
}

/* Whatever the context was used for before in the same turn, and with whatever key: the same comes out. */
static void gcm_is_the_same_in_turns(void **state)
{
    static const struct amp_key256 other = {{0x10, 0x32, 0x55}};
    static const uint8_t second[AMP_GCM_NONCE_LEN] = {7, 7, 8};
    const struct amp_key256 *keys[] = {&key, &other};
    const uint8_t *nonces[] = {nonce, second};
    uint8_t alone[4][SEALED_LEN], sealed[SEALED_LEN], out[SEALED_LEN];
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(amp_gcm_seal(alone[i], keys[i / 2], nonces[i % 2], aad, (const uint8_t *)text, TEXT_LEN),
                         AMP_OK);
    amp_crypto_work_in_turns();
    for (unsigned step = 0; step < 4 * 4 * 4; step++) { /* each behind each, opened, forged, and then sealed */
        unsigned a = step % 4, b = step / 4 % 4, how = step / 16;
        assert_int_equal(amp_gcm_open(out, keys[a / 2], nonces[a % 2], aad, alone[a], SEALED_LEN), AMP_OK);
        if (how & 1)
            assert_refused(keys[b / 2], nonces[b % 2], aad, alone[(b + 1) % 4], SEALED_LEN);
        if (how & 2)
            amp_crypto_rest();
        assert_int_equal(amp_gcm_seal(sealed, keys[b / 2], nonces[b % 2], aad, (const uint8_t *)text, TEXT_LEN),
                         AMP_OK);
        assert_memory_equal(sealed, alone[b], SEALED_LEN);
        assert_int_equal(amp_gcm_open(out, keys[a / 2], nonces[a % 2], aad, alone[a], SEALED_LEN), AMP_OK);
        assert_memory_equal(out, text, TEXT_LEN);
    }
    amp_crypto_thread_fini();
}

static void gcm_refuses_lengths_the_library_cannot_say(void **state)
{
    uint8_t out[1] = {0};
    assert_int_equal(amp_gcm_seal(out, &key, nonce, amp_slice(out, (size_t)INT_MAX + 1), out, 1), AMP_ERR_TOO_LARGE);
    assert_int_equal(amp_gcm_seal(out, &key, nonce, aad, out, INT_MAX), AMP_ERR_TOO_LARGE);
    assert_int_equal(amp_gcm_seal(out, &key, nonce, aad, out, SIZE_MAX), AMP_ERR_TOO_LARGE);
}

static void kwp_unwraps_what_it_wrapped_at_every_length(void **state)
{
    uint8_t in[80], wrapped[96], out[80];
    for (uint8_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 3 + 1);
    for (size_t len = 1; len <= sizeof(in); len++) {
        assert_int_equal(amp_kwp_wrap(wrapped, &key, in, len), AMP_OK);
        size_t out_len = len; /* no more than the key itself */
        assert_int_equal(amp_kwp_unwrap(out, &out_len, &key, wrapped, amp_kwp_len(len)), AMP_OK);
        assert_int_equal(out_len, len);
        assert_memory_equal(out, in, len);
        out_len = len - 1;
        assert_int_equal(amp_kwp_unwrap(out, &out_len, &key, wrapped, amp_kwp_len(len)), AMP_ERR_TOO_LARGE);
        assert_true(all_zero(out, len - 1));
        out_len = sizeof(wrapped);
        assert_int_equal(amp_kwp_unwrap(wrapped, &out_len, &key, wrapped, amp_kwp_len(len)), AMP_OK);
        assert_memory_equal(wrapped, in, len);
    }
}

static void kwp_takes_nothing_empty_and_nothing_too_long(void **state)
{
    static uint8_t in[AMP_KWP_MAX + 1], wrapped[AMP_KWP_MAX + 16], out[AMP_KWP_MAX];
    size_t out_len = sizeof(out);
    assert_int_equal(amp_kwp_wrap(wrapped, &key, in, 0), AMP_ERR_INVALID);
    assert_int_equal(amp_kwp_wrap(wrapped, &key, in, sizeof(in)), AMP_ERR_INVALID);
    assert_int_equal(amp_kwp_wrap(wrapped, &key, in, AMP_KWP_MAX), AMP_OK);
    assert_int_equal(amp_kwp_unwrap(out, &out_len, &key, wrapped, AMP_KWP_MAX + 16), AMP_ERR_NOT_AUTHENTIC);
    assert_int_equal(amp_kwp_unwrap(out, &out_len, &key, wrapped, AMP_KWP_MAX + 8), AMP_OK);
    assert_int_equal(out_len, AMP_KWP_MAX);
}

static void kwp_refuses_any_flipped_bit_and_every_truncation(void **state)
{
    for (size_t len = 5; len <= 37; len += 8) { /* one block of 16, then the long form, with padding */
        uint8_t in[40] = {1, 2, 3, 4, 5}, wrapped[48], out[40];
        size_t wrapped_len = amp_kwp_len(len);
        assert_int_equal(amp_kwp_wrap(wrapped, &key, in, len), AMP_OK);
        for (size_t bit = 0; bit < wrapped_len * 8; bit++) {
            size_t out_len = sizeof(out);
            memset(out, 0xee, sizeof(out));
            flip(wrapped, bit);
            assert_int_equal(amp_kwp_unwrap(out, &out_len, &key, wrapped, wrapped_len), AMP_ERR_NOT_AUTHENTIC);
            flip(wrapped, bit);
            assert_true(all_zero(out, sizeof(out)));
            assert_true(ERR_peek_error() == 0);
        }
        for (size_t cut = 0; cut < wrapped_len; cut++) {
            size_t out_len = sizeof(out);
            assert_int_equal(amp_kwp_unwrap(out, &out_len, &key, wrapped, cut), AMP_ERR_NOT_AUTHENTIC);
        }
    }
}

static void random_bytes_fill_the_whole_and_differ(void **state)
{
    uint8_t a[64] = {0}, b[64] = {0};
    assert_int_equal(amp_random(a, sizeof(a)), AMP_OK);
    assert_int_equal(amp_random(b, sizeof(b)), AMP_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_false(all_zero(a + 48, 16));
    assert_int_equal(amp_random(NULL, 0), AMP_OK);
    assert_int_equal(amp_random(a, (size_t)INT_MAX + 1), AMP_ERR_TOO_LARGE);
}

static void *work(void *trouble)
{
    uint8_t sealed[SEALED_LEN], expected[AMP_SHA256_LEN], mac[AMP_SHA256_LEN];
    struct amp_slice part = {(const uint8_t *)trouble, 1}; /* another key for each thread */
    bool good = amp_hmac_sha256(expected, part, &aad, 1) == AMP_OK;
    for (int i = 0; i < 2000 && good; i++) {
        good = amp_gcm_seal(sealed, &key, nonce, aad, (const uint8_t *)text, TEXT_LEN) == AMP_OK &&
               amp_hmac_sha256(mac, part, &aad, 1) == AMP_OK &&
               amp_gcm_open(sealed, &key, nonce, aad, sealed, SEALED_LEN) == AMP_OK &&
               memcmp(mac, expected, sizeof(mac)) == 0 && memcmp(sealed, text, TEXT_LEN) == 0;
    }
    amp_crypto_thread_fini();
    amp_crypto_thread_fini(); /* harmless */
    return good ? NULL : trouble;
}

static void threads_do_not_disturb_each_other(void **state)
{
    enum { THREADS = 4 };
    static uint8_t names[THREADS] = {1, 2, 3, 4};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &names[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *trouble = NULL;
        pthread_join(threads[i], &trouble);
        assert_null(trouble);
    }
}

static int init(void **state)
{
    if (amp_secret_init((size_t)1 << 20, false) != AMP_OK)
        return -1;
    return amp_crypto_init() == AMP_OK && amp_crypto_init() == AMP_OK ? 0 : -1;
}

static int fini(void **state)
{
    amp_crypto_thread_fini();
    return 0;
}

int main(void)
{
    uint8_t out[SEALED_LEN];
    if (amp_gcm_seal(out, &key, nonce, aad, (const uint8_t *)text, TEXT_LEN) != AMP_ERR_CRYPTO)
        return 1; /* before amp_crypto_init nothing works */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcm_opens_what_it_sealed),
        cmocka_unit_test(gcm_works_in_place),
        cmocka_unit_test(gcm_seals_nothing_but_the_associated_data),
        cmocka_unit_test(gcm_refuses_any_flipped_bit),
        cmocka_unit_test(gcm_refuses_every_truncation),
        cmocka_unit_test(gcm_is_the_same_in_turns),
        cmocka_unit_test(gcm_refuses_lengths_the_library_cannot_say),
        cmocka_unit_test(kwp_unwraps_what_it_wrapped_at_every_length),
        cmocka_unit_test(kwp_takes_nothing_empty_and_nothing_too_long),
        cmocka_unit_test(kwp_refuses_any_flipped_bit_and_every_truncation),
        cmocka_unit_test(random_bytes_fill_the_whole_and_differ),
        cmocka_unit_test(threads_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, init, fini);
}
