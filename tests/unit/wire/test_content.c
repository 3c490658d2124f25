#include "wire_support.h"

#include "wire/card.h"

static struct amp_content card_content(void)
{
    return (struct amp_content){
        .is_card = true,
        .card = {.number = AMP_SLICE_LIT("4111111111111111"),
                 .cvc = AMP_SLICE_LIT("123"),
                 .name = AMP_SLICE_LIT("J DOE"),
                 .exp_month = 12,
                 .exp_year = 2030,
                 .brand = AMP_BRAND_VISA},
        .metadata = AMP_SLICE_LIT("{\"order\":\"42\"}"),
    };
}

static struct amp_content data_content(void)
{
    return (struct amp_content){.data = AMP_SLICE_LIT("[1,{\"a\":null}]"), .metadata = AMP_SLICE_LIT("{}")};
}

/* Packs into a block of exactly the length announced; free it. */
static uint8_t *pack(const struct amp_content *content, size_t *len)
{
    *len = amp_content_packed_len(content);
    uint8_t *bytes = malloc(*len);
    assert_non_null(bytes);
    struct amp_out out = amp_out(bytes, *len);
    amp_content_pack(&out, content);
    assert_false(out.overflow);
    assert_int_equal(out.len, *len);
    return bytes;
}

static void assert_same(const struct amp_content *a, const struct amp_content *b)
{
    assert_int_equal(a->is_card, b->is_card);
    assert_true(amp_slice_equal(a->card.number, b->card.number));
    assert_true(amp_slice_equal(a->card.cvc, b->card.cvc));
    assert_true(amp_slice_equal(a->card.name, b->card.name));
    assert_int_equal(a->card.exp_month, b->card.exp_month);
    assert_int_equal(a->card.exp_year, b->card.exp_year);
    assert_int_equal(a->card.brand, b->card.brand);
    assert_true(amp_slice_equal(a->data, b->data));
    assert_true(amp_slice_equal(a->metadata, b->metadata));
}

static void what_is_packed_is_unpacked(void **state)
{
    struct amp_content contents[] = {card_content(), data_content(), card_content(), data_content()};
    contents[2].card.cvc = contents[2].card.name = contents[2].metadata = amp_slice(NULL, 0);
    contents[3].data = contents[3].metadata = amp_slice(NULL, 0);
    for (size_t i = 0; i < COUNT(contents); i++) {
        struct amp_content back;
        size_t len;
        uint8_t *bytes = pack(&contents[i], &len);
        assert_int_equal(amp_content_unpack(&back, amp_slice(bytes, len)), AMP_OK);
        assert_same(&contents[i], &back);
        free(bytes);
    }
}

static void packing_into_too_little_room_overflows(void **state)
{
    const struct amp_content content = card_content();
    uint8_t storage[256];
    for (size_t cap = 0; cap < amp_content_packed_len(&content); cap++) {
        struct amp_out out = amp_out(storage, cap);
        amp_content_pack(&out, &content);
        assert_true(out.overflow);
    }
}

static void every_truncation_and_every_byte_more_is_refused(void **state)
{
    const struct amp_content contents[] = {card_content(), data_content()};
    for (size_t i = 0; i < COUNT(contents); i++) {
        struct amp_content back;
        size_t len;
        uint8_t *bytes = pack(&contents[i], &len);
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *part = exact_copy(bytes, cut);
            assert_int_equal(amp_content_unpack(&back, amp_slice(part, cut)), AMP_ERR_INVALID);
            assert_null(back.card.number.ptr);
            assert_null(back.data.ptr);
            free(part);
        }
        uint8_t *more = malloc(len + 1);
        assert_non_null(more);
        memcpy(more, bytes, len);
        more[len] = 0;
        assert_int_equal(amp_content_unpack(&back, amp_slice(more, len + 1)), AMP_ERR_INVALID);
        free(more);
        free(bytes);
    }
}

static void no_changed_byte_reads_past_the_end_or_gives_a_card_that_is_none(void **state)
{
    const struct amp_content contents[] = {card_content(), data_content()};
    for (size_t i = 0; i < COUNT(contents); i++) {
        size_t len;
        uint8_t *bytes = pack(&contents[i], &len);
        for (size_t at = 0; at < len; at++) {
            for (unsigned value = 0; value < 256; value++) {
                struct amp_content back;
                uint8_t original = bytes[at];
                bytes[at] = (uint8_t)value;
                if (amp_content_unpack(&back, amp_slice(bytes, len)) == AMP_OK && back.is_card)
                    assert_true(amp_card_well_formed(&back.card));
                bytes[at] = original;
            }
        }
        free(bytes);
    }
}

static void a_version_or_kind_unknown_is_refused(void **state)
{
    const struct amp_content content = data_content();
    struct amp_content back;
    size_t len;
    uint8_t *bytes = pack(&content, &len);
    bytes[0] = 2;
    assert_int_equal(amp_content_unpack(&back, amp_slice(bytes, len)), AMP_ERR_INVALID);
    bytes[0] = 1;
    bytes[1] = 2;
    assert_int_equal(amp_content_unpack(&back, amp_slice(bytes, len)), AMP_ERR_INVALID);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_is_unpacked),
        cmocka_unit_test(packing_into_too_little_room_overflows),
        cmocka_unit_test(every_truncation_and_every_byte_more_is_refused),
        cmocka_unit_test(no_changed_byte_reads_past_the_end_or_gives_a_card_that_is_none),
        cmocka_unit_test(a_version_or_kind_unknown_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
