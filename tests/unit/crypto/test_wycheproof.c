/* Project Wycheproof's files and NIST's RFC 4231 file, in the folder that AMPOULE_VECTORS names. */
#include <jansson.h>
#include <string.h>

#include "../support.h"
#include "base/text.h"
#include "crypto/crypto.h"

enum { BYTES_MAX = 9000 };

static json_t *load(const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/crypto/wycheproof/%s_test.json", vectors_dir(), name);
    json_error_t error;
    json_t *file = json_load_file(path, 0, &error);
    if (file == NULL)
        fail_msg("%s: %s", path, error.text);
    return file;
}

struct bytes {
    size_t len;
    uint8_t ptr[BYTES_MAX];
};

static struct amp_slice member(const json_t *test, const char *name, struct bytes *bytes)
{
    const char *hex = json_string_value(json_object_get(test, name));
    assert_non_null(hex);
    bytes->len = strlen(hex) / 2;
    assert_true(bytes->len <= BYTES_MAX);
    assert_int_equal(amp_hex_decode(bytes->ptr, bytes->len, amp_slice_str(hex)), AMP_OK);
    return amp_slice(bytes->ptr, bytes->len);
}

static bool is_valid(const json_t *test)
{
    return strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0;
}

static bool group_has(const json_t *group, const char *name, json_int_t value)
{
    return json_integer_value(json_object_get(group, name)) == value;
}

/* Runs `check` on each test of each group that `wanted` picks; at least `least` must have been there. */
static void run_file(const char *name, bool (*wanted)(const json_t *group), void (*check)(const json_t *test),
                     size_t least)
{
    json_t *file = load(name), *group, *test;
    size_t i, j, count = 0;
    json_array_foreach(json_object_get(file, "testGroups"), i, group)
    {
        if (wanted != NULL && !wanted(group))
            continue;
        json_array_foreach(json_object_get(group, "tests"), j, test)
        {
            check(test);
            count++;
        }
    }
    json_decref(file);
    assert_true(count >= least);
}

static struct bytes key_bytes, nonce_bytes, aad_bytes, in_bytes, expected_bytes, tag_bytes;
static uint8_t out[BYTES_MAX + 16];

static bool gcm_wanted(const json_t *group)
{
    return group_has(group, "keySize", 256) && group_has(group, "ivSize", 96) && group_has(group, "tagSize", 128);
}

static void gcm_check(const json_t *test)
{
    struct amp_key256 key;
    struct amp_slice k = member(test, "key", &key_bytes), msg = member(test, "msg", &in_bytes);
    struct amp_slice aad = member(test, "aad", &aad_bytes), tag = member(test, "tag", &tag_bytes);
    struct amp_slice ct = member(test, "ct", &expected_bytes);
    assert_int_equal(k.len, sizeof(key.bytes));
    memcpy(key.bytes, k.ptr, k.len);
    const uint8_t *nonce = member(test, "iv", &nonce_bytes).ptr;
    memcpy(expected_bytes.ptr + ct.len, tag.ptr, tag.len);

    enum amp_err err = amp_gcm_open(out, &key, nonce, aad, ct.ptr, ct.len + tag.len);
    assert_int_equal(err, is_valid(test) ? AMP_OK : AMP_ERR_NOT_AUTHENTIC);
    if (!is_valid(test))
        return;
    assert_memory_equal(out, msg.ptr, msg.len);
    assert_int_equal(amp_gcm_seal(out, &key, nonce, aad, msg.ptr, msg.len), AMP_OK);
    assert_memory_equal(out, ct.ptr, ct.len + tag.len);
}

static void gcm_meets_wycheproof(void **state)
{
    run_file("aes_gcm", gcm_wanted, gcm_check, 60);
}

static bool kwp_wanted(const json_t *group)
{
    return group_has(group, "keySize", 256);
}

static void kwp_check(const json_t *test)
{
    struct amp_key256 kek;
    struct amp_slice k = member(test, "key", &key_bytes), msg = member(test, "msg", &in_bytes);
    struct amp_slice ct = member(test, "ct", &expected_bytes);
    assert_int_equal(k.len, sizeof(kek.bytes));
    memcpy(kek.bytes, k.ptr, k.len);

    size_t len = sizeof(out);
    enum amp_err err = amp_kwp_unwrap(out, &len, &kek, ct.ptr, ct.len);
    assert_int_equal(err, is_valid(test) ? AMP_OK : AMP_ERR_NOT_AUTHENTIC);
    if (!is_valid(test))
        return;
    assert_true(amp_slice_equal(amp_slice(out, len), msg));
    assert_int_equal(amp_kwp_wrap(out, &kek, msg.ptr, msg.len), AMP_OK);
    assert_true(amp_slice_equal(amp_slice(out, amp_kwp_len(msg.len)), ct));
}

static void kwp_meets_wycheproof(void **state)
{
    run_file("aes_kwp", kwp_wanted, kwp_check, 80);
}

static void hkdf_check(const json_t *test)
{
    struct amp_slice key = member(test, "ikm", &key_bytes), salt = member(test, "salt", &nonce_bytes);
    struct amp_slice info = member(test, "info", &aad_bytes), expected = member(test, "okm", &expected_bytes);
    size_t size = (size_t)json_integer_value(json_object_get(test, "size"));
    enum amp_err err = amp_hkdf_sha256(out, size, key, salt, info);
    assert_int_equal(err, is_valid(test) ? AMP_OK : AMP_ERR_TOO_LARGE);
    if (is_valid(test))
        assert_true(amp_slice_equal(amp_slice(out, size), expected));
}

static void hkdf_meets_wycheproof(void **state)
{
    run_file("hkdf_sha256", NULL, hkdf_check, 80);
}

/* Some groups truncate the tag. */
static void hmac_check(const json_t *test)
{
    struct amp_slice key = member(test, "key", &key_bytes), msg = member(test, "msg", &in_bytes);
    struct amp_slice tag = member(test, "tag", &tag_bytes);
    assert_int_equal(amp_hmac_sha256(out, key, &msg, 1), AMP_OK);
    assert_true(tag.len <= AMP_SHA256_LEN);
    assert_int_equal(amp_secret_equal(out, tag.ptr, tag.len), is_valid(test));
}

static void hmac_meets_wycheproof(void **state)
{
    run_file("hmac_sha256", NULL, hmac_check, 160);
}

/* "Name = hex" lines; a test ends with its MD. */
static void hmac_meets_the_file_of_rfc4231(void **state)
{
    char path[4096];
    static char line[4096], value[4096];
    snprintf(path, sizeof(path), "%s/crypto/rfc4231/rfc-4231-sha256.txt", vectors_dir());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t count = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        struct bytes *bytes = strncmp(line, "Key", 3) == 0   ? &key_bytes
                              : strncmp(line, "Msg", 3) == 0 ? &in_bytes
                              : strncmp(line, "MD", 2) == 0  ? &expected_bytes
                                                             : NULL;
        if (bytes == NULL || sscanf(line, "%*[A-Za-z] = %4000s", value) != 1)
            continue;
        bytes->len = strlen(value) / 2;
        assert_int_equal(amp_hex_decode(bytes->ptr, bytes->len, amp_slice_str(value)), AMP_OK);
        if (bytes != &expected_bytes)
            continue;
        struct amp_slice msg = amp_slice(in_bytes.ptr, in_bytes.len);
        assert_int_equal(amp_hmac_sha256(out, amp_slice(key_bytes.ptr, key_bytes.len), &msg, 1), AMP_OK);
        assert_memory_equal(out, expected_bytes.ptr, AMP_SHA256_LEN);
        count++;
    }
    fclose(file);
    assert_int_equal(count, 6);
}

static int init(void **state)
{
    return amp_crypto_init() == AMP_OK ? 0 : -1;
}

static int fini(void **state)
{
    amp_crypto_thread_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcm_meets_wycheproof),           cmocka_unit_test(kwp_meets_wycheproof),
        cmocka_unit_test(hkdf_meets_wycheproof),          cmocka_unit_test(hmac_meets_wycheproof),
        cmocka_unit_test(hmac_meets_the_file_of_rfc4231),
    };
    return cmocka_run_group_tests(tests, init, fini);
}
