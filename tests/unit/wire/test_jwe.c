#include "jwk_support.h"

#include "base/text.h"
#include "wire/jwe_kdf.h"

#define PLAIN "{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":2030}"

static const char *const keys[][2] = {
    {RSA_PUBLIC, RSA_PRIVATE}, {P256_PUBLIC, P256_PRIVATE}, {P384_PUBLIC, P384_PRIVATE}};

static uint8_t room[8192];

static struct amp_slice encrypt_to(const char *public, struct amp_slice plain)
{
    struct amp_jwk to = good_jwk(public, false);
    struct amp_out out = amp_out(room, amp_jwe_len_max(plain.len));
    assert_true(amp_jwe_len_max(plain.len) <= sizeof room);
    assert_err(amp_jwe_encrypt(&out, &to, plain), AMP_OK, public);
    amp_jwk_fini(&to);
    return amp_out_done(&out);
}

/* From a copy of exactly these bytes; what was in the buffer before must stay, and alone where it fails. */
static enum amp_err decrypt(struct amp_secret_buf *out, const struct amp_jwk *with, struct amp_slice compact)
{
    uint8_t *copy = exact_copy(compact.ptr == NULL ? (const uint8_t *)"" : compact.ptr, compact.len);
    amp_secret_buf_free(out);
    assert_int_equal(amp_secret_buf_append(out, "kept", 4), AMP_OK);
    enum amp_err err = amp_jwe_decrypt(out, with, amp_slice(copy, compact.len));
    assert_memory_equal(out->ptr, "kept", 4);
    assert_true(err == AMP_OK || out->len == 4);
    free(copy);
    return err;
}

static void expect(const struct amp_jwk *with, const char *compact, enum amp_err err)
{
    struct amp_secret_buf out = {NULL, 0, 0};
    assert_err(decrypt(&out, with, amp_slice_str(compact)), err, compact);
    amp_secret_buf_free(&out);
}

static void what_is_encrypted_to_a_key_opens_with_it_alone(void **state)
{
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct amp_slice compact = encrypt_to(keys[i][0], AMP_SLICE_LIT(PLAIN));
        for (size_t j = 0; j < COUNT(keys); j++) {
            struct amp_jwk with = good_jwk(keys[j][1], true);
            struct amp_secret_buf out = {NULL, 0, 0};
            assert_err(decrypt(&out, &with, compact), i == j ? AMP_OK : AMP_ERR_NOT_AUTHENTIC, keys[j][1]);
            if (i == j)
                assert_slice(amp_slice(out.ptr + 4, out.len - 4), PLAIN);
            amp_secret_buf_free(&out);
            amp_jwk_fini(&with);
        }
    }
}

static void another_key_of_the_same_kind_does_not_open_it(void **state)
{
    struct amp_jwk other = {.key = NULL};
    assert_int_equal(amp_pkey_ec_new(&other.key, AMP_CURVE_P256), AMP_OK);
    struct amp_secret_buf out = {NULL, 0, 0};
    struct amp_slice compact = encrypt_to(P256_PUBLIC, AMP_SLICE_LIT(PLAIN));
    assert_err(decrypt(&out, &other, compact), AMP_ERR_NOT_AUTHENTIC, "another key");
    amp_secret_buf_free(&out);
    amp_jwk_fini(&other);
}

/* Lengths around a base64 group, as the ciphertext is encoded in the room that it is made in. */
static void every_length_comes_back(void **state)
{
    struct amp_jwk with = good_jwk(P256_PRIVATE, true);
    uint8_t plain[300];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 7 + 1);
    for (size_t len = 0; len <= sizeof plain; len += len < 20 ? 1 : 37) {
        struct amp_secret_buf out = {NULL, 0, 0};
        assert_err(decrypt(&out, &with, encrypt_to(P256_PUBLIC, amp_slice(plain, len))), AMP_OK, "length");
        assert_int_equal(out.len, 4 + len);
        assert_memory_equal(out.ptr + 4, plain, len);
        amp_secret_buf_free(&out);
    }
    amp_jwk_fini(&with);
}

static void a_room_too_small_gets_nothing(void **state)
{
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct amp_jwk to = good_jwk(keys[i][0], false);
        size_t needed = encrypt_to(keys[i][0], AMP_SLICE_LIT(PLAIN)).len;
        assert_true(needed <= amp_jwe_len_max(sizeof PLAIN - 1));
        for (size_t cap = 0; cap <= needed; cap += cap + 30 < needed ? 13 : 1) {
            uint8_t *storage = exact_copy(room, cap + 1);
            struct amp_out out = amp_out(storage, cap + 1);
            amp_out_byte(&out, '<');
            enum amp_err err = amp_jwe_encrypt(&out, &to, AMP_SLICE_LIT(PLAIN));
            assert_err(err, cap == needed ? AMP_OK : AMP_ERR_TOO_LARGE, "capacity");
            assert_int_equal(out.len, cap == needed ? needed + 1 : 1);
            assert_int_equal(storage[0], '<');
            free(storage);
        }
        amp_jwk_fini(&to);
    }
}

static void nothing_is_used_twice(void **state)
{
    enum { TIMES = 20, LONGEST = 1400 };
    for (size_t i = 0; i < COUNT(keys); i++) {
        static uint8_t seen[TIMES][LONGEST];
        size_t len = 0;
        for (size_t n = 0; n < TIMES; n++) {
            struct amp_slice one = encrypt_to(keys[i][0], AMP_SLICE_LIT(PLAIN));
            assert_true(one.len <= LONGEST);
            len = one.len;
            memcpy(seen[n], one.ptr, len);
            /* nonce and ciphertext are the last 16 + 1 + 84 + 1 + 22 characters; before them RSA's encrypted key */
            for (size_t m = 0; m < n; m++) {
                assert_memory_not_equal(seen[m] + len - 124, seen[n] + len - 124, 16);
                assert_memory_not_equal(seen[m] + len - 160, seen[n] + len - 160, 34);
            }
        }
    }
}

static void the_header_says_what_is_needed_and_no_more(void **state)
{
    static const char *const begins[] = {
        "{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\",\"kid\":\"",
        "{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"kid\":\"",
        "{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"kid\":\"",
    };
    static const char *const then[] = {"\"}", "\",\"epk\":{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"",
                                       "\",\"epk\":{\"crv\":\"P-384\",\"kty\":\"EC\",\"x\":\""};
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct amp_slice compact = encrypt_to(keys[i][0], AMP_SLICE_LIT(PLAIN));
        struct amp_jwk jwk = good_jwk(keys[i][0], false);
        uint8_t header[512];
        size_t len = sizeof header, at = strlen(begins[i]);
        const uint8_t *dot = memchr(compact.ptr, '.', compact.len);
        assert_int_equal(amp_base64url_decode_any(header, &len, amp_slice(compact.ptr, (size_t)(dot - compact.ptr))),
                         AMP_OK);
        assert_memory_equal(header, begins[i], at);
        assert_memory_equal(header + at, jwk.kid, sizeof jwk.kid);
        assert_memory_equal(header + at + sizeof jwk.kid, then[i], strlen(then[i]));
        assert_true((dot[1] == '.') == (i > 0)); /* ECDH-ES: the encrypted key is empty */
        amp_jwk_fini(&jwk);
    }
}

static bool is_refusal(enum amp_err err)
{
    return err == AMP_ERR_JWE_INVALID || err == AMP_ERR_NOT_AUTHENTIC;
}

static void no_bit_can_be_flipped(void **state)
{
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct amp_jwk with = good_jwk(keys[i][1], true);
        struct amp_slice compact = encrypt_to(keys[i][0], AMP_SLICE_LIT(PLAIN));
        struct amp_secret_buf out = {NULL, 0, 0};
        for (size_t bit = 0; bit < compact.len * 8; bit++) {
            room[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(is_refusal(decrypt(&out, &with, compact)));
            room[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_err(decrypt(&out, &with, compact), AMP_OK, "as it was");
        amp_secret_buf_free(&out);
        amp_jwk_fini(&with);
    }
}

static void no_part_of_it_opens(void **state)
{
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct amp_jwk with = good_jwk(keys[i][1], true);
        struct amp_slice compact = encrypt_to(keys[i][0], AMP_SLICE_LIT(PLAIN));
        struct amp_secret_buf out = {NULL, 0, 0};
        for (size_t len = 0; len < compact.len; len++) {
            assert_true(is_refusal(decrypt(&out, &with, amp_slice(compact.ptr, len))));
            assert_true(is_refusal(decrypt(&out, &with, amp_slice(compact.ptr + compact.len - len, len))));
        }
        amp_secret_buf_free(&out);
        amp_jwk_fini(&with);
    }
}

/* A JWE of another header than amp_jwe_encrypt writes, to P256_PUBLIC, from an ephemeral key of its own. */
struct minted {
    const char *before; /* of the header, up to epk */
    const char *after;  /* behind epk */
    const char *u, *v;  /* parties, as text */
    const char *encrypted_key;
    const char *behind; /* the whole */
    enum amp_err err;
};

static void mint(struct amp_out *out, const struct minted *how)
{
    struct amp_jwk to = good_jwk(P256_PUBLIC, false), ephemeral = {.key = NULL};
    uint8_t json[6000], shared[AMP_EC_BYTES_MAX], sealed[sizeof PLAIN - 1 + AMP_GCM_TAG_LEN];
    static const uint8_t nonce[AMP_GCM_NONCE_LEN] = {1};
    struct amp_key256 cek;
    struct amp_out header = amp_out(json, sizeof json);
    const struct amp_jwe_parties parties = {amp_slice_str(how->u), amp_slice_str(how->v)};
    assert_int_equal(amp_pkey_ec_new(&ephemeral.key, AMP_CURVE_P256), AMP_OK);
    assert_int_equal(amp_ecdh(ephemeral.key, to.key, shared), AMP_OK);
    assert_int_equal(amp_jwe_kdf(cek.bytes, amp_slice(shared, 32), AMP_SLICE_LIT("A256GCM"), 256, &parties), AMP_OK);
    amp_out_str(&header, how->before);
    assert_int_equal(amp_jwk_write_public(&header, &ephemeral), AMP_OK);
    amp_out_str(&header, how->after);
    assert_false(header.overflow);
    amp_base64url_encode((char *)out->ptr, json, header.len);
    out->len = AMP_BASE64URL_LEN(header.len);
    assert_int_equal(amp_gcm_seal(sealed, &cek, nonce, amp_out_done(out), (const uint8_t *)PLAIN, sizeof PLAIN - 1),
                     AMP_OK);
    char text[AMP_BASE64URL_LEN(sizeof PLAIN - 1)], tag[22];
    amp_base64url_encode(text, sealed, sizeof PLAIN - 1);
    amp_base64url_encode(tag, sealed + sizeof PLAIN - 1, AMP_GCM_TAG_LEN);
    amp_out_byte(out, '.');
    amp_out_str(out, how->encrypted_key);
    amp_out_str(out, ".AQAAAAAAAAAAAAAA.");
    amp_out_bytes(out, text, sizeof text);
    amp_out_byte(out, '.');
    amp_out_bytes(out, tag, sizeof tag);
    amp_out_str(out, how->behind);
    amp_jwk_fini(&to);
    amp_jwk_fini(&ephemeral);
}

#define GOOD "{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"epk\":"

static void headers_are_read_strictly(void **state)
{
    static const struct minted cases[] = {
        {GOOD, "}", "", "", "", "", AMP_OK},
        {"\n{ \"enc\" : \"A256GCM\",\t\"alg\":\"ECDH-ES\", \"epk\" : ", "} ", "", "", "", "", AMP_OK},
        {GOOD, ",\"kid\":\"someone\",\"typ\":\"JOSE\",\"cty\":\"json\",\"x\":[{}]}", "", "", "", "", AMP_OK},
        {GOOD, ",\"apu\":\"QWxpY2U\",\"apv\":\"Qm9i\"}", "Alice", "Bob", "", "", AMP_OK},
        {GOOD, ",\"apu\":\"\",\"apv\":\"Qm9i\"}", "", "Bob", "", "", AMP_OK},
        {GOOD, ",\"apu\":\"QWxpY2U\",\"apv\":\"Qm9i\"}", "Bob", "Alice", "", "", AMP_ERR_NOT_AUTHENTIC},
        {GOOD, ",\"apu\":\"QWxpY2U\",\"apv\":\"Qm9i\"}", "", "", "", "", AMP_ERR_NOT_AUTHENTIC},
        {GOOD, "}", "Alice", "Bob", "", "", AMP_ERR_NOT_AUTHENTIC},
        {GOOD, ",\"apu\":\"QWxpY2V\"}", "Alice", "", "", "", AMP_ERR_JWE_INVALID}, /* bits set behind the end */
        {GOOD, ",\"apu\":\"QWxpY2U=\"}", "Alice", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, ",\"apu\":1}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, ",\"zip\":\"DEF\"}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, ",\"zip\":null}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, ",\"crit\":[\"exp\"],\"exp\":1}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, ",\"crit\":[]}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, ",\"alg\":\"ECDH-ES\"}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, ",\"\\u0061lg\":\"ECDH-ES\"}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, ",\"x\":1,\"x\":1}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, ",\"x\":{\"y\":1,\"y\":1}}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, "}}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, "", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"epk\":", "}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"{\"alg\":\"ecdh-es\",\"enc\":\"A256GCM\",\"epk\":", "}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"epk\":", "}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"{\"alg\":\"none\",\"enc\":\"A256GCM\",\"epk\":", "}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"{\"alg\":[\"ECDH-ES\"],\"enc\":\"A256GCM\",\"epk\":", "}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"{\"alg\":\"PBES2-HS256+A128KW\",\"p2c\":1000000000,\"enc\":\"A256GCM\",\"epk\":", "}", "", "", "", "",
         AMP_ERR_JWE_INVALID},
        {"{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\",\"epk\":", "}", "", "", "", "", AMP_ERR_NOT_AUTHENTIC},
        {"{\"alg\":\"ECDH-ES\",\"enc\":\"A128GCM\",\"epk\":", "}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"{\"alg\":\"ECDH-ES\",\"epk\":", "}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"{\"enc\":\"A256GCM\",\"epk\":", "}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"EPK\":", "}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"epk\":[", "]}", "", "", "", "", AMP_ERR_JWE_INVALID},
        {"[{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"epk\":", "}]", "", "", "", "", AMP_ERR_JWE_INVALID},
        {GOOD, "}", "", "", "AA", "", AMP_ERR_JWE_INVALID}, /* an encrypted key where there is none */
        {GOOD, "}", "", "", "", ".", AMP_ERR_JWE_INVALID},
        {GOOD, "}", "", "", "", "=", AMP_ERR_JWE_INVALID},
        {GOOD, "}", "", "", "", "\n", AMP_ERR_JWE_INVALID},
        {GOOD, "}", "", "", ".", "", AMP_ERR_JWE_INVALID},
        {" " GOOD, "}", "", "", "", "", AMP_OK},
    };
    struct amp_jwk with = good_jwk(P256_PRIVATE, true);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct amp_out out = amp_out(room, sizeof room);
        struct amp_secret_buf opened = {NULL, 0, 0};
        mint(&out, &cases[i]);
        assert_err(decrypt(&opened, &with, amp_out_done(&out)), cases[i].err, cases[i].after);
        if (cases[i].err == AMP_OK)
            assert_slice(amp_slice(opened.ptr + 4, opened.len - 4), PLAIN);
        amp_secret_buf_free(&opened);
    }
    amp_jwk_fini(&with);
}

static void a_header_has_at_most_4096_bytes(void **state)
{
    static char after[5000];
    struct amp_jwk with = good_jwk(P256_PRIVATE, true);
    for (size_t more = 0; more <= 1; more++) {
        struct amp_out out = amp_out(room, sizeof room), text = amp_out(after, sizeof after - 1);
        /* epk takes 126 bytes */
        size_t x_len = AMP_JWE_HEADER_MAX - strlen(GOOD) - 126 - strlen(",\"x\":\"\"}") + more;
        amp_out_str(&text, ",\"x\":\"");
        memset(after + text.len, 'a', x_len);
        text.len += x_len;
        amp_out_str(&text, "\"}");
        after[text.len] = '\0';
        const struct minted how = {GOOD, after, "", "", "", "", AMP_OK};
        struct amp_secret_buf opened = {NULL, 0, 0};
        mint(&out, &how);
        assert_err(decrypt(&opened, &with, amp_out_done(&out)), more == 0 ? AMP_OK : AMP_ERR_JWE_INVALID, "header");
        amp_secret_buf_free(&opened);
    }
    amp_jwk_fini(&with);
}

/* An encrypted key that cannot be what it must be is told from one that is wrong by nothing. */
static void keys_that_do_not_unwrap_are_told_as_wrong_tags(void **state)
{
    struct amp_jwk with = good_jwk(RSA_PRIVATE, true);
    struct amp_slice compact = encrypt_to(RSA_PUBLIC, AMP_SLICE_LIT(PLAIN));
    uint8_t *key = (uint8_t *)memchr(room, '.', compact.len) + 1, *tag = room + compact.len - 22;
    struct amp_secret_buf out = {NULL, 0, 0};
    uint8_t first = tag[0];
    tag[0] = first == 'A' ? 'B' : 'A';
    assert_err(decrypt(&out, &with, compact), AMP_ERR_NOT_AUTHENTIC, "a wrong tag");
    tag[0] = first;
    for (size_t i = 0; i < 342; i += 19) {
        uint8_t was = key[i];
        key[i] = was == 'A' ? 'E' : 'A'; /* the last character may end in zero bits alone */
        assert_err(decrypt(&out, &with, compact), AMP_ERR_NOT_AUTHENTIC, "a wrong encrypted key");
        key[i] = was;
    }
    /* a CEK of 16 bytes, wrapped as it should be */
    uint8_t short_cek[16] = {7}, wrapped[AMP_RSA_BYTES_MAX];
    size_t len;
    assert_int_equal(amp_rsa_oaep_encrypt(with.key, short_cek, sizeof short_cek, wrapped, &len), AMP_OK);
    amp_base64url_encode((char *)key, wrapped, len);
    assert_err(decrypt(&out, &with, compact), AMP_ERR_NOT_AUTHENTIC, "a short CEK");
    amp_secret_buf_free(&out);
    amp_jwk_fini(&with);
}

static void texts_of_another_form_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        ".",
        "....",
        ".....",
        "e30....",
        "eyJhbGciOiJkaXIifQ....",
        "{\"protected\":\"e30\"}",
        "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSJ9..AQAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA", /* no epk */
        "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",                                                    /* a JWS */
    };
    struct amp_jwk with = good_jwk(P256_PRIVATE, true);
    for (size_t i = 0; i < COUNT(texts); i++)
        expect(&with, texts[i], AMP_ERR_JWE_INVALID);
    amp_jwk_fini(&with);
}

/* RFC 7518 appendix C. */
static void the_kdf_is_that_of_rfc7518(void **state)
{
    struct amp_jwk alice =
        good_jwk("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\","
                 "\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps\","
                 "\"d\":\"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo\"}",
                 true);
    struct amp_jwk bob =
        good_jwk("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","
                 "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\","
                 "\"d\":\"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw\"}",
                 true);
    static const uint8_t z[32] = {158, 86, 217, 29,  129, 113, 53,  211, 114, 131, 66,  131, 191, 132, 38,  156,
                                  251, 49, 110, 163, 218, 128, 106, 72,  246, 218, 167, 121, 140, 254, 144, 196};
    uint8_t shared[AMP_EC_BYTES_MAX], key[AMP_SHA256_LEN];
    char text[AMP_BASE64URL_LEN(16)];
    const struct amp_jwe_parties parties = {AMP_SLICE_LIT("Alice"), AMP_SLICE_LIT("Bob")};
    assert_int_equal(amp_ecdh(bob.key, alice.key, shared), AMP_OK);
    assert_memory_equal(shared, z, sizeof z);
    assert_int_equal(amp_ecdh(alice.key, bob.key, shared), AMP_OK);
    assert_memory_equal(shared, z, sizeof z);
    assert_int_equal(amp_jwe_kdf(key, amp_slice(z, sizeof z), AMP_SLICE_LIT("A128GCM"), 128, &parties), AMP_OK);
    amp_base64url_encode(text, key, 16);
    assert_slice(amp_slice(text, sizeof text), "VqqN6vgjbSBcIijNcacQGg");
    amp_jwk_fini(&alice);
    amp_jwk_fini(&bob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encrypted_to_a_key_opens_with_it_alone),
        cmocka_unit_test(another_key_of_the_same_kind_does_not_open_it),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(a_room_too_small_gets_nothing),
        cmocka_unit_test(nothing_is_used_twice),
        cmocka_unit_test(the_header_says_what_is_needed_and_no_more),
        cmocka_unit_test(no_bit_can_be_flipped),
        cmocka_unit_test(no_part_of_it_opens),
        cmocka_unit_test(headers_are_read_strictly),
        cmocka_unit_test(a_header_has_at_most_4096_bytes),
        cmocka_unit_test(keys_that_do_not_unwrap_are_told_as_wrong_tags),
        cmocka_unit_test(texts_of_another_form_are_refused),
        cmocka_unit_test(the_kdf_is_that_of_rfc7518),
    };
    return cmocka_run_group_tests(tests, start_crypto, stop_crypto);
}
