#include <string.h>

#include "../support.h"
#include "base/text.h"

static void hex_writes_lower_case(void **state)
{
    char out[9] = "";
    amp_hex_encode(out, (const uint8_t[]){0x00, 0x9a, 0xaf, 0xff}, 4);
    assert_string_equal(out, "009aafff");
}

static void hex_decodes_every_byte_it_encodes(void **state)
{
    for (unsigned i = 0; i < 256; i++) {
        uint8_t in = (uint8_t)i, back = 0;
        char digits[2];
        amp_hex_encode(digits, &in, 1);
        assert_int_equal(amp_hex_decode(&back, 1, amp_slice(digits, 2)), AMP_OK);
        assert_int_equal(back, in);
    }
}

/* Digits are made of sixteen bytes, of four and of one at a time. */
static void hex_of_many_bytes_is_that_of_each(void **state)
{
    uint8_t bytes[256], back[64];
    char digits[2 * sizeof(back)], one[2];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (size_t from = 0; from + sizeof(back) <= sizeof(bytes); from += 7) {
        for (size_t len = 0; len <= sizeof(back); len++) {
            amp_hex_encode(digits, bytes + from, len);
            for (size_t i = 0; i < len; i++) {
                amp_hex_encode(one, bytes + from + i, 1);
                assert_memory_equal(digits + 2 * i, one, 2);
            }
            assert_int_equal(amp_hex_decode(back, len, amp_slice(digits, 2 * len)), AMP_OK);
            assert_memory_equal(back, bytes + from, len);
        }
    }
}

static void hex_refuses_every_other_character(void **state)
{
    for (unsigned i = 0; i < 256; i++) {
        if (i != 0 && strchr("0123456789abcdef", (int)i) != NULL)
            continue;
        uint8_t out;
        uint8_t first[2] = {(uint8_t)i, '0'}, second[2] = {'0', (uint8_t)i};
        assert_int_equal(amp_hex_decode(&out, 1, amp_slice(first, 2)), AMP_ERR_INVALID);
        assert_int_equal(amp_hex_decode(&out, 1, amp_slice(second, 2)), AMP_ERR_INVALID);
    }
}

static void hex_refuses_another_length(void **state)
{
    uint8_t out[2];
    assert_int_equal(amp_hex_decode(out, 2, AMP_SLICE_LIT("abc")), AMP_ERR_INVALID);
    assert_int_equal(amp_hex_decode(out, 2, AMP_SLICE_LIT("ab")), AMP_ERR_INVALID);
    assert_int_equal(amp_hex_decode(out, 2, AMP_SLICE_LIT("abcdef")), AMP_ERR_INVALID);
    assert_int_equal(amp_hex_decode(out, 0, AMP_SLICE_LIT("")), AMP_OK);
}

/* RFC 4648 section 10. */
static const char *const rfc4648[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void base64_meets_rfc4648(void **state)
{
    for (size_t i = 0; i < sizeof(rfc4648) / sizeof(rfc4648[0]); i++) {
        struct amp_slice plain = amp_slice_str(rfc4648[i][0]), encoded = amp_slice_str(rfc4648[i][1]);
        uint8_t out[16];
        amp_base64_encode((char *)out, plain.ptr, plain.len);
        assert_int_equal(AMP_BASE64_LEN(plain.len), encoded.len);
        assert_memory_equal(out, encoded.ptr, encoded.len);

        size_t len = sizeof(out);
        assert_int_equal(amp_base64_decode(out, &len, encoded), AMP_OK);
        assert_true(amp_slice_equal(amp_slice(out, len), plain));
    }
}

static void base64_refuses_wrong_padding(void **state)
{
    static const char *const wrong[] = {"Zg",     "Zg=",  "Z===", "====",  "Zm9v====", "=Zm9",  "Zm=v",
                                        "Zg==\n", "Zh==", "Zm9=", " Zg==", "Zg==Zg==", "Zm9v=", "Zm8"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t out[16];
        size_t len = sizeof(out);
        assert_int_equal(amp_base64_decode(out, &len, amp_slice_str(wrong[i])), AMP_ERR_INVALID);
        assert_true(len <= sizeof(out)); /* what is in it is for nobody */
    }
}

static void base64_writes_no_further_than_its_capacity(void **state)
{
    uint8_t out[6] = {0};
    size_t len = 5;
    assert_int_equal(amp_base64_decode(out, &len, AMP_SLICE_LIT("Zm9vYmFy")), AMP_ERR_TOO_LARGE);
    assert_int_equal(out[0], 0);
    len = 6;
    assert_int_equal(amp_base64_decode(out, &len, AMP_SLICE_LIT("Zm9vYmFy")), AMP_OK);
}

static void base64_accepts_exactly_its_alphabet(void **state)
{
    static const char shared[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (unsigned i = 0; i < 256; i++) {
        bool common = i != 0 && strchr(shared, (int)i) != NULL;
        bool standard = common || i == '+' || i == '/';
        bool urlsafe = common || i == '-' || i == '_';
        uint8_t text[4] = {'A', (uint8_t)i, 'A', 'A'}, out[3];
        size_t len = sizeof(out);
        assert_int_equal(amp_base64_decode(out, &len, amp_slice(text, 4)) == AMP_OK, standard);
        assert_int_equal(amp_base64url_decode(out, 3, amp_slice(text, 4)) == AMP_OK, urlsafe);
    }
}

static void base64url_round_trips_every_length(void **state)
{
    uint8_t in[70], back[70];
    char text[96];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 151 + 7);
    for (size_t len = 0; len <= sizeof(in); len++) {
        size_t text_len = AMP_BASE64URL_LEN(len);
        amp_base64url_encode(text, in, len);
        assert_int_equal(amp_base64url_decode(back, len, amp_slice(text, text_len)), AMP_OK);
        assert_memory_equal(back, in, len);
        if (len == 0)
            continue;
        assert_int_equal(amp_base64url_decode(back, len, amp_slice(text, text_len - 1)), AMP_ERR_INVALID);
        assert_int_equal(amp_base64url_decode(back, len, amp_slice(text, text_len + 1)), AMP_ERR_INVALID);
    }
}

/* Of a length not known before, over the text itself; and encoded from the end of its own room. */
static void base64url_goes_in_place(void **state)
{
    uint8_t in[70], room[96];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 151 + 7);
    for (size_t len = 0; len <= sizeof(in); len++) {
        size_t text_len = AMP_BASE64URL_LEN(len), capacity = len;
        memcpy(room + text_len - len, in, len);
        amp_base64url_encode((char *)room, room + text_len - len, len);
        assert_int_equal(amp_base64url_decode_any(room, &capacity, amp_slice(room, text_len)), AMP_OK);
        assert_int_equal(capacity, len);
        assert_memory_equal(room, in, len);
    }
}

static void base64url_of_any_length_fits_its_capacity(void **state)
{
    uint8_t out[4];
    for (size_t text_len = 0; text_len <= 5; text_len++) {
        for (size_t capacity = 0; capacity <= sizeof(out); capacity++) {
            size_t len = capacity, needed = text_len * 3 / 4;
            enum amp_err err = amp_base64url_decode_any(out, &len, amp_slice("AAAAA", text_len));
            enum amp_err expected = text_len % 4 == 1 ? AMP_ERR_INVALID : AMP_OK;
            assert_int_equal(err, needed > capacity ? AMP_ERR_TOO_LARGE : expected);
            assert_int_equal(len, err == AMP_ERR_TOO_LARGE ? capacity : needed);
        }
    }
}

static void base64url_has_one_spelling_per_value(void **state)
{
    uint8_t out[2];
    size_t accepted = 0;
    for (unsigned c = 0; c < 256; c++) {
        uint8_t text[2] = {'_', (uint8_t)c};
        accepted += amp_base64url_decode(out, 1, amp_slice(text, 2)) == AMP_OK;
    }
    assert_int_equal(accepted, 4); /* two bits of the second digit are the byte's, four must be zero */
}

static enum amp_err parse(const char *text, uint64_t max)
{
    uint64_t value;
    return amp_u64_parse(&value, amp_slice_str(text), max);
}

static void decimal_parses_up_to_the_maximum(void **state)
{
    uint64_t value = 1;
    assert_int_equal(amp_u64_parse(&value, AMP_SLICE_LIT("0"), 0), AMP_OK);
    assert_int_equal(value, 0);
    assert_int_equal(amp_u64_parse(&value, AMP_SLICE_LIT("18446744073709551615"), UINT64_MAX), AMP_OK);
    assert_true(value == UINT64_MAX);
    assert_int_equal(parse("1000", 1000), AMP_OK);
    assert_int_equal(parse("1001", 1000), AMP_ERR_INVALID);
}

static void decimal_refuses_every_other_spelling(void **state)
{
    static const char *const wrong[] = {
        "", "00", "01", "+1", "-1", " 1", "1 ", "1.0", "1e3", "0x1", "18446744073709551616", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(parse(wrong[i], UINT64_MAX), AMP_ERR_INVALID);
}

static bool valid(const char *text)
{
    return amp_utf8_valid(amp_slice_str(text));
}

static void utf8_accepts_the_bounds_of_each_length(void **state)
{
    assert_true(valid(""));
    assert_true(valid("\x7f"));
    assert_true(valid("\xc2\x80\xdf\xbf"));
    assert_true(valid("\xe0\xa0\x80\xef\xbf\xbf"));
    assert_true(valid("\xed\x9f\xbf\xee\x80\x80"));
    assert_true(valid("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    assert_true(amp_utf8_valid(AMP_SLICE_LIT("a\0b")));
}

static void controls_are_those_of_both_sets(void **state)
{
    static const char *const controls[] = {"\x01",
                                           "a\n",
                                           "\x1f",
                                           "\x7f",
                                           "\xc2\x80",
                                           "x\xc2\x9f",
                                           "\xc2\x9b"
                                           "31m"};
    static const char *const none[] = {
        "", " ", "~", "\xc2\xa0", "\xc3\x80", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++)
        assert_true(amp_utf8_has_controls(amp_slice_str(controls[i])));
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(amp_utf8_has_controls(amp_slice_str(none[i])));
    assert_true(amp_utf8_has_controls(AMP_SLICE_LIT("a\0b")));
}

static void utf8_refuses_what_rfc3629_refuses(void **state)
{
    static const char *const wrong[] = {
        "\x80",             /* continuation alone */
        "\xc0\x80",         /* overlong NUL */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* surrogate */
        "\xed\xbf\xbf",     /* surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc2",
        "\xe2\x82",
        "\xf0\x9f\x92",
        "\xc2\x41",
        "\xe2\x82\x41",
        "\xf0\x9f\x92\xc0",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(valid(wrong[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_writes_lower_case),
        cmocka_unit_test(hex_decodes_every_byte_it_encodes),
        cmocka_unit_test(hex_of_many_bytes_is_that_of_each),
        cmocka_unit_test(hex_refuses_every_other_character),
        cmocka_unit_test(hex_refuses_another_length),
        cmocka_unit_test(base64_meets_rfc4648),
        cmocka_unit_test(base64_refuses_wrong_padding),
        cmocka_unit_test(base64_writes_no_further_than_its_capacity),
        cmocka_unit_test(base64_accepts_exactly_its_alphabet),
        cmocka_unit_test(base64url_round_trips_every_length),
        cmocka_unit_test(base64url_goes_in_place),
        cmocka_unit_test(base64url_of_any_length_fits_its_capacity),
        cmocka_unit_test(base64url_has_one_spelling_per_value),
        cmocka_unit_test(decimal_parses_up_to_the_maximum),
        cmocka_unit_test(decimal_refuses_every_other_spelling),
        cmocka_unit_test(utf8_accepts_the_bounds_of_each_length),
        cmocka_unit_test(utf8_refuses_what_rfc3629_refuses),
        cmocka_unit_test(controls_are_those_of_both_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
