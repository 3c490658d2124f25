/* Sealing: the form against an opener written apart from it, every bit flipped, every length cut. */
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "seal_support.h"

static struct amp_clock_fake now;
static struct amp_epochs *epochs;
static struct amp_secret_buf sealed, opened;
static const uint8_t token[AMP_TOKEN_LEN] = "a token's thirty-two bytes here";
static const char text[] = "4111111111111111";
static uint32_t epoch;

#define AAD  AMP_SLICE_LIT("payments")
#define TEXT AMP_SLICE_LIT(text)

static int open_epochs(void **state)
{
    now = (struct amp_clock_fake){.mono_ms = 1000};
    const struct amp_epochs_config config = {amp_clock_fake(&now), 600000, 1 << 20, UINT64_C(1) << 36};
    const struct amp_key256 dek = dek_of(0x01020304);
    return amp_epochs_new(&epochs, &config) == AMP_OK && amp_epochs_add(epochs, 0x01020304, &dek) == AMP_OK ? 0 : -1;
}

static int close_epochs(void **state)
{
    amp_secret_buf_free(&sealed);
    amp_secret_buf_free(&opened);
    amp_epochs_free(epochs);
    return 0;
}

static struct amp_slice bind(void)
{
    return amp_slice(token, sizeof token);
}

static struct amp_slice whole(const struct amp_secret_buf *buf)
{
    return amp_slice(buf->ptr, buf->len);
}

static void seal_text(void)
{
    assert_int_equal(amp_seal(epochs, "token", bind(), AAD, TEXT, &sealed, &epoch), AMP_OK);
    assert_int_equal(epoch, 0x01020304);
}

/* It may not open, and may not add a byte to what is there. */
static void assert_closed(const char *label, struct amp_slice bound, struct amp_slice aad, struct amp_slice bytes)
{
    size_t before = opened.len;
    assert_int_equal(amp_unseal(epochs, label, bound, aad, bytes, &opened), AMP_ERR_NOT_AUTHENTIC);
    assert_int_equal(opened.len, before);
    if (opened.ptr != NULL)
        assert_null(memmem(opened.ptr, opened.cap, text, strlen(text)));
}

static void what_was_sealed_opens_and_appends(void **state)
{
    seal_text();
    assert_int_equal(sealed.len, strlen(text) + AMP_SEAL_OVERHEAD);
    assert_int_equal(amp_secret_buf_append(&opened, "before:", 7), AMP_OK);
    assert_int_equal(amp_unseal(epochs, "token", bind(), AAD, whole(&sealed), &opened), AMP_OK);
    assert_true(amp_slice_is(whole(&opened), "before:4111111111111111"));
}

static void nothing_and_much_can_be_sealed(void **state)
{
    static const size_t lengths[] = {0, 1, 15, 16, 17, 4096, 262144};
    static uint8_t much[262144];
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        amp_secret_buf_clear(&sealed);
        amp_secret_buf_clear(&opened);
        memset(much, (int)i + 1, sizeof much);
        assert_int_equal(
            amp_seal(epochs, "token", bind(), amp_slice(NULL, 0), amp_slice(much, lengths[i]), &sealed, &epoch),
            AMP_OK);
        assert_int_equal(amp_unseal(epochs, "token", bind(), amp_slice(NULL, 0), whole(&sealed), &opened), AMP_OK);
        assert_int_equal(opened.len, lengths[i]);
        if (opened.len != 0)
            assert_memory_equal(opened.ptr, much, opened.len);
    }
}

/* RFC 5869 by the library, expand only. */
static void expand(struct amp_key256 *out, const struct amp_key256 *key, struct amp_slice info)
{
    uint8_t prk[32], info_bytes[128];
    memcpy(prk, key->bytes, sizeof prk);
    assert_true(info.len <= sizeof info_bytes);
    memcpy(info_bytes, info.ptr, info.len);
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
                                 OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, prk, sizeof prk),
                                 OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info_bytes, info.len),
                                 OSSL_PARAM_construct_end()};
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    assert_int_equal(EVP_KDF_derive(ctx, out->bytes, sizeof out->bytes, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

/* Opens by hand what was sealed under `label` with "payments" beside it and a key derived with `info`. */
static void assert_form(const char *label, struct amp_slice info)
{
    static const uint8_t head[] = {1, 0x01, 0x02, 0x03, 0x04};
    const struct amp_key256 dek = dek_of(0x01020304);
    struct amp_key256 key;
    uint8_t storage[128], plain[sizeof text];
    struct amp_out aad = amp_out(storage, sizeof storage);

    assert_memory_equal(sealed.ptr, head, sizeof head);
    expand(&key, &dek, info);
    amp_out_bytes(&aad, head, sizeof head);
    amp_out_str(&aad, label);
    amp_out_bytes(&aad, "\0payments", 9);
    assert_int_equal(amp_gcm_open(plain, &key, sealed.ptr + 5, amp_out_done(&aad), sealed.ptr + 17, sealed.len - 17),
                     AMP_OK);
    assert_memory_equal(plain, text, strlen(text));
}

static void the_form_is_the_documented_one(void **state)
{
    uint8_t storage[128];
    struct amp_out info = amp_out(storage, sizeof storage);

    seal_text();
    amp_out_str(&info, "ampoule/token/v1");
    amp_out_bytes(&info, token, sizeof token);
    assert_form("token", amp_out_done(&info));
}

static void seal_unbound(const char *label)
{
    amp_secret_buf_clear(&sealed);
    assert_int_equal(amp_seal(epochs, label, amp_slice(NULL, 0), AAD, TEXT, &sealed, &epoch), AMP_OK);
}

/* The key that an epoch keeps for messages is the one that would be derived, as those are that it does not keep. */
static void what_is_bound_to_nothing_has_the_documented_form_too(void **state)
{
    static const char *const labels[] = {"message", "messages", "messag", "other"};
    char info[64];

    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        seal_unbound(labels[i]);
        (void)snprintf(info, sizeof info, "ampoule/%s/v1", labels[i]);
        assert_form(labels[i], amp_slice_str(info));
        assert_int_equal(amp_unseal(epochs, labels[i], amp_slice(NULL, 0), AAD, whole(&sealed), &opened), AMP_OK);
        amp_secret_buf_clear(&opened);
        assert_closed(labels[i], AMP_SLICE_LIT("x"), AAD, whole(&sealed));
        assert_closed("token", amp_slice(NULL, 0), AAD, whole(&sealed));
    }
    amp_secret_buf_clear(&sealed);
    seal_text();
    assert_closed("message", bind(), AAD, whole(&sealed));
}

static void any_flipped_bit_of_a_message_closes_it(void **state)
{
    seal_unbound("message");
    for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
        sealed.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_closed("message", amp_slice(NULL, 0), AAD, whole(&sealed));
        sealed.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < sealed.len; len++)
        assert_closed("message", amp_slice(NULL, 0), AAD, amp_slice(sealed.ptr, len));
    for (size_t len = 0; len < AAD.len; len++)
        assert_closed("message", amp_slice(NULL, 0), amp_slice(AAD.ptr, len), whole(&sealed));
}

/* Each epoch has its own key for messages. */
static void a_message_opens_under_its_epoch_alone(void **state)
{
    const struct amp_key256 dek = dek_of(99);

    seal_unbound("message");
    assert_int_equal(amp_epochs_add(epochs, 99, &dek), AMP_OK);
    memcpy(sealed.ptr + 1, "\0\0\0\143", 4);
    assert_closed("message", amp_slice(NULL, 0), AAD, whole(&sealed));
}

static void any_flipped_bit_of_the_sealed_form_closes_it(void **state)
{
    seal_text();
    for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
        sealed.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_closed("token", bind(), AAD, whole(&sealed));
        sealed.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(amp_unseal(epochs, "token", bind(), AAD, whole(&sealed), &opened), AMP_OK);
}

/* The epoch named is another one that lives, with the very same key: only the authenticated head can tell. */
static void the_epoch_id_is_authenticated(void **state)
{
    const struct amp_key256 dek = dek_of(0x01020304);
    assert_int_equal(amp_epochs_add(epochs, 0x01020305, &dek), AMP_OK);
    seal_text();
    sealed.ptr[4] ^= 1;
    assert_closed("token", bind(), AAD, whole(&sealed));
}

static void any_flipped_bit_of_what_it_is_bound_to_closes_it(void **state)
{
    seal_text();
    uint8_t bytes[AMP_TOKEN_LEN];
    for (size_t bit = 0; bit < 8 * sizeof token; bit++) {
        memcpy(bytes, token, sizeof token);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_closed("token", amp_slice(bytes, sizeof bytes), AAD, whole(&sealed));
    }
    for (size_t len = 0; len < sizeof token; len++)
        assert_closed("token", amp_slice(token, len), AAD, whole(&sealed));
    for (size_t bit = 0; bit < 8 * AAD.len; bit++) {
        memcpy(bytes, AAD.ptr, AAD.len);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_closed("token", bind(), amp_slice(bytes, AAD.len), whole(&sealed));
    }
    for (size_t len = 0; len < AAD.len; len++)
        assert_closed("token", bind(), amp_slice(AAD.ptr, len), whole(&sealed));
}

static void any_other_label_closes_it(void **state)
{
    seal_text();
    char label[] = "token";
    for (size_t bit = 0; bit < 8 * strlen("token"); bit++) {
        label[bit / 8] ^= (char)(1u << bit % 8);
        assert_closed(label, bind(), AAD, whole(&sealed));
        label[bit / 8] ^= (char)(1u << bit % 8);
    }
    assert_closed("toke", bind(), AAD, whole(&sealed));
    assert_closed("idempotency", bind(), AAD, whole(&sealed));
    assert_closed("", bind(), AAD, whole(&sealed));
}

static void every_truncation_closes_it(void **state)
{
    seal_text();
    for (size_t len = 0; len < sealed.len; len++)
        assert_closed("token", bind(), AAD, amp_slice(sealed.ptr, len));
    assert_int_equal(amp_secret_buf_append(&sealed, "", 1), AMP_OK);
    assert_closed("token", bind(), AAD, whole(&sealed));
    assert_closed("token", bind(), AAD, amp_slice(NULL, 0));
}

static void the_same_card_twice_seals_unlike(void **state)
{
    seal_text();
    seal_text();
    size_t half = sealed.len / 2;
    assert_memory_not_equal(sealed.ptr + 5, sealed.ptr + half + 5, AMP_GCM_NONCE_LEN);
    assert_memory_not_equal(sealed.ptr + 17, sealed.ptr + half + 17, half - 17);
}

static void what_is_too_long_is_refused_and_costs_no_hold(void **state)
{
    uint8_t aad[AMP_SEAL_AAD_MAX + 1] = {0};
    char label[AMP_SEAL_LABEL_MAX + 2] = {0};
    memset(label, 'l', AMP_SEAL_LABEL_MAX + 1);
    assert_int_equal(amp_seal(epochs, "token", bind(), amp_slice(aad, sizeof aad), TEXT, &sealed, &epoch),
                     AMP_ERR_TOO_LARGE);
    assert_int_equal(amp_seal(epochs, label, bind(), AAD, TEXT, &sealed, &epoch), AMP_ERR_TOO_LARGE);
    assert_int_equal(sealed.len, 0);
    assert_int_equal(amp_seal(epochs, label + 1, bind(), amp_slice(aad, AMP_SEAL_AAD_MAX), TEXT, &sealed, &epoch),
                     AMP_OK);
    assert_int_equal(amp_unseal(epochs, label + 1, bind(), amp_slice(aad, AMP_SEAL_AAD_MAX), whole(&sealed), &opened),
                     AMP_OK);
    amp_epochs_release(epochs, epoch);
    now.mono_ms += 600000;
    amp_epochs_sweep(epochs);
    assert_int_equal(amp_epochs_count(epochs), 0); /* nothing holds on to the key */
}

static void a_sealed_form_names_its_epoch(void **state)
{
    seal_text();
    uint32_t named = 0;
    assert_int_equal(amp_sealed_epoch(whole(&sealed), &named), AMP_OK);
    assert_int_equal(named, 0x01020304);
    assert_int_equal(amp_sealed_epoch(amp_slice(sealed.ptr, AMP_SEAL_OVERHEAD - 1), &named), AMP_ERR_NOT_AUTHENTIC);
    sealed.ptr[0] = 2;
    assert_int_equal(amp_sealed_epoch(whole(&sealed), &named), AMP_ERR_NOT_AUTHENTIC);
}

#define opened_test(test) cmocka_unit_test_setup_teardown(test, open_epochs, close_epochs)

int main(void)
{
    const struct CMUnitTest tests[] = {
        opened_test(what_was_sealed_opens_and_appends),
        opened_test(nothing_and_much_can_be_sealed),
        opened_test(the_form_is_the_documented_one),
        opened_test(what_is_bound_to_nothing_has_the_documented_form_too),
        opened_test(any_flipped_bit_of_a_message_closes_it),
        opened_test(a_message_opens_under_its_epoch_alone),
        opened_test(any_flipped_bit_of_the_sealed_form_closes_it),
        opened_test(the_epoch_id_is_authenticated),
        opened_test(any_flipped_bit_of_what_it_is_bound_to_closes_it),
        opened_test(any_other_label_closes_it),
        opened_test(every_truncation_closes_it),
        opened_test(the_same_card_twice_seals_unlike),
        opened_test(what_is_too_long_is_refused_and_costs_no_hold),
        opened_test(a_sealed_form_names_its_epoch),
    };
    return cmocka_run_group_tests(tests, start_rooms, end_rooms);
}
