#include <string.h>

#include "../support.h"
#include "base/text.h"
#include "crypto/context.h"
#include "crypto/pkey.h"

enum { TEXT_MAX = 512 };

static struct amp_slice unhex(uint8_t *storage, const char *hex)
{
    size_t len = strlen(hex) / 2;
    assert_true(len <= TEXT_MAX);
    assert_int_equal(amp_hex_decode(storage, len, amp_slice_str(hex)), AMP_OK);
    return amp_slice(storage, len);
}

static void assert_hex(const uint8_t *bytes, const char *hex)
{
    uint8_t expected[TEXT_MAX];
    struct amp_slice e = unhex(expected, hex);
    assert_memory_equal(bytes, e.ptr, e.len);
}

static void sha256_meets_fips_180(void **state)
{
    uint8_t out[AMP_SHA256_LEN];
    assert_int_equal(amp_sha256(out, NULL, 0), AMP_OK);
    assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(amp_sha256(out, &AMP_SLICE_LIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), 1),
                     AMP_OK);
    assert_hex(out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void sha256_does_not_care_where_parts_are_cut(void **state)
{
    uint8_t text[200], whole[AMP_SHA256_LEN], cut[AMP_SHA256_LEN];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)i;
    assert_int_equal(amp_sha256(whole, &(struct amp_slice){text, sizeof(text)}, 1), AMP_OK);
    for (size_t at = 0; at <= sizeof(text); at++) {
        const struct amp_slice parts[] = {{text, at}, {NULL, 0}, {text + at, sizeof(text) - at}};
        assert_int_equal(amp_sha256(cut, parts, 3), AMP_OK);
        assert_memory_equal(whole, cut, sizeof(cut));
    }
}

/* RFC 4231 sections 4.2 to 4.8, but for 4.6, which truncates. */
static const char *const rfc4231[][3] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"0102030405060708090a0b0c0d0e0f10111213141516171819",
     "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
};

static void hmac_meets_rfc4231(void **state)
{
    for (size_t i = 0; i < sizeof(rfc4231) / sizeof(rfc4231[0]); i++) {
        uint8_t key[TEXT_MAX], message[TEXT_MAX], out[AMP_SHA256_LEN];
        struct amp_slice m = unhex(message, rfc4231[i][1]);
        assert_int_equal(amp_hmac_sha256(out, unhex(key, rfc4231[i][0]), &m, 1), AMP_OK);
        assert_hex(out, rfc4231[i][2]);
    }
}

static void hmac_hashes_a_key_longer_than_a_block(void **state)
{
    uint8_t key[131], out[AMP_SHA256_LEN];
    memset(key, 0xaa, sizeof(key));
    struct amp_slice text = AMP_SLICE_LIT("Test Using Larger Than Block-Size Key - Hash Key First");
    assert_int_equal(amp_hmac_sha256(out, amp_slice(key, sizeof(key)), &text, 1), AMP_OK);
    assert_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void hmac_keys_around_the_block_length_differ(void **state)
{
    uint8_t key[66] = {0}, macs[3][AMP_SHA256_LEN];
    memset(key, 0x11, sizeof(key));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(amp_hmac_sha256(macs[i], amp_slice(key, 63 + i), &AMP_SLICE_LIT("m"), 1), AMP_OK);
    assert_memory_not_equal(macs[0], macs[1], AMP_SHA256_LEN);
    assert_memory_not_equal(macs[1], macs[2], AMP_SHA256_LEN);
    /* RFC 2104: a key of 65 bytes and its own digest are one key. */
    uint8_t digest[AMP_SHA256_LEN], same[AMP_SHA256_LEN];
    assert_int_equal(amp_sha256(digest, &(struct amp_slice){key, 65}, 1), AMP_OK);
    assert_int_equal(amp_hmac_sha256(same, amp_slice(digest, sizeof(digest)), &AMP_SLICE_LIT("m"), 1), AMP_OK);
    assert_memory_equal(same, macs[2], AMP_SHA256_LEN);
}

static void hmac_may_be_written_over_its_key_and_message(void **state)
{
    uint8_t expected[AMP_SHA256_LEN], key[AMP_SHA256_LEN] = {1, 2, 3}, message[AMP_SHA256_LEN] = {4, 5, 6};
    struct amp_slice k = amp_slice(key, sizeof(key)), m = amp_slice(message, sizeof(message));
    assert_int_equal(amp_hmac_sha256(expected, k, &m, 1), AMP_OK);
    uint8_t key_before[AMP_SHA256_LEN];
    memcpy(key_before, key, sizeof(key));
    assert_int_equal(amp_hmac_sha256(key, k, &m, 1), AMP_OK);
    assert_memory_equal(key, expected, sizeof(key));
    assert_int_equal(amp_hmac_sha256(message, amp_slice(key_before, sizeof(key)), &m, 1), AMP_OK);
    assert_memory_equal(message, expected, sizeof(message));
}

static void a_key_made_ready_makes_the_same_macs(void **state)
{
    struct amp_key256 key;
    struct amp_hmac_key ready;
    uint8_t text[200], expected[AMP_SHA256_LEN], out[AMP_SHA256_LEN];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)i;
    memset(key.bytes, 0x77, sizeof(key.bytes));
    amp_hmac_key_make(&ready, &key);
    for (size_t len = 0; len <= sizeof(text); len++) {
        const struct amp_slice whole = amp_slice(text, len);
        const struct amp_slice parts[] = {{text, len / 2}, {NULL, 0}, {text + len / 2, len - len / 2}};
        assert_int_equal(amp_hmac_sha256(expected, amp_slice(key.bytes, sizeof(key.bytes)), &whole, 1), AMP_OK);
        assert_int_equal(amp_hmac_sha256_under(out, &ready, parts, 3), AMP_OK);
        assert_memory_equal(out, expected, sizeof(out));
        assert_int_equal(amp_hmac_sha256_under(out, &ready, &whole, 1), AMP_OK);
        assert_memory_equal(out, expected, sizeof(out));
    }
}

static void hkdf_meets_rfc5869(void **state)
{
    uint8_t key[22], out[82];
    memset(key, 0x0b, sizeof(key));
    /* appendix A.3: no salt, no info */
    assert_int_equal(amp_hkdf_sha256(out, 42, amp_slice(key, 22), amp_slice(NULL, 0), amp_slice(NULL, 0)), AMP_OK);
    assert_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    /* appendix A.2: longer than two rounds */
    uint8_t long_key[80], salt[80], info[80];
    for (uint8_t i = 0; i < 80; i++) {
        long_key[i] = i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    assert_int_equal(amp_hkdf_sha256(out, 82, amp_slice(long_key, 80), amp_slice(salt, 80), amp_slice(info, 80)),
                     AMP_OK);
    assert_hex(out, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e59"
                    "0e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

static void hkdf_stops_at_255_rounds(void **state)
{
    static uint8_t out[255 * 32 + 1], shorter[255 * 32 - 5];
    struct amp_slice none = amp_slice(NULL, 0);
    assert_int_equal(amp_hkdf_sha256(out, sizeof(out), AMP_SLICE_LIT("k"), none, none), AMP_ERR_TOO_LARGE);
    assert_int_equal(amp_hkdf_sha256(out, sizeof(out) - 1, AMP_SLICE_LIT("k"), none, none), AMP_OK);
    assert_int_equal(out[sizeof(out) - 1], 0);
    assert_int_equal(amp_hkdf_sha256(shorter, sizeof(shorter), AMP_SLICE_LIT("k"), none, none), AMP_OK);
    assert_memory_equal(out, shorter, sizeof(shorter));
}

/* RFC 1321 appendix A.5. */
static const char *const rfc1321[][2] = {
    {"", "d41d8cd98f00b204e9800998ecf8427e"},
    {"a", "0cc175b9c0f1b6a831c399e269772661"},
    {"abc", "900150983cd24fb0d6963f7d28e17f72"},
    {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
    {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"},
    {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
     "57edf4a22be3c955ac49da2e2107b67a"},
};

static void md5_meets_rfc1321(void **state)
{
    for (size_t i = 0; i < sizeof(rfc1321) / sizeof(rfc1321[0]); i++) {
        uint8_t out[16];
        struct amp_slice whole = amp_slice_str(rfc1321[i][0]);
        const struct amp_slice parts[] = {
            {whole.ptr, whole.len / 3}, {NULL, 0}, {whole.ptr + whole.len / 3, whole.len - whole.len / 3}};
        assert_int_equal(amp_md5(out, parts, 3), AMP_OK);
        assert_hex(out, rfc1321[i][1]);
    }
}

static int init(void **state)
{
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

/* As with a provider of the user's own. */
static int init_through_evp(void **state)
{
    if (amp_crypto_init() != AMP_OK || !amp_algorithms.sha256_is_default)
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_meets_fips_180),
        cmocka_unit_test(sha256_does_not_care_where_parts_are_cut),
        cmocka_unit_test(hmac_meets_rfc4231),
        cmocka_unit_test(hmac_hashes_a_key_longer_than_a_block),
        cmocka_unit_test(hmac_keys_around_the_block_length_differ),
        cmocka_unit_test(hmac_may_be_written_over_its_key_and_message),
        cmocka_unit_test(a_key_made_ready_makes_the_same_macs),
        cmocka_unit_test(hkdf_meets_rfc5869),
        cmocka_unit_test(hkdf_stops_at_255_rounds),
        cmocka_unit_test(md5_meets_rfc1321),
    };
    return cmocka_run_group_tests_name("default", tests, init, fini) +
           cmocka_run_group_tests_name("through EVP", tests, init_through_evp, fini);
}
