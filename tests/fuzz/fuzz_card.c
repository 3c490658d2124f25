/*
 * Card objects. A card accepted is well formed, is the same after it was written and read again, or packed and
 * unpacked, and its masked form is JSON that shows ten digits of its number, or twelve, and no more.
 */
#include "fuzz.h"

#include "crypto/crypto.h"
#include "wire/card.h"

#define NOW INT64_C(1769860800000) /* 2026-01-31T12:00:00Z */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    FUZZ_CHECK(amp_crypto_init() == AMP_OK);
    return 0;
}

static void check_same(const struct amp_card *a, const struct amp_card *b)
{
    FUZZ_CHECK(amp_slice_equal(a->number, b->number) && amp_slice_equal(a->cvc, b->cvc));
    FUZZ_CHECK(amp_slice_equal(a->name, b->name) && a->brand == b->brand);
    FUZZ_CHECK(a->exp_month == b->exp_month && a->exp_year == b->exp_year);
}

static void check_written(const struct amp_card *card)
{
    uint8_t text[2048];
    struct amp_out out = amp_out(text, sizeof(text));
    struct amp_json json;
    struct amp_card again;
    amp_card_write(&out, card);
    FUZZ_CHECK(!out.overflow);
    amp_json_init(&json, text, out.len);
    FUZZ_CHECK(amp_card_read(&again, &json, NOW) == AMP_OK && amp_json_finish(&json) == AMP_OK);
    check_same(card, &again);
}

static void check_packed(const struct amp_card *card)
{
    const struct amp_content content = {.is_card = true, .card = *card};
    struct amp_content again;
    uint8_t bytes[512];
    struct amp_out out = amp_out(bytes, sizeof(bytes));
    amp_content_pack(&out, &content);
    FUZZ_CHECK(!out.overflow && out.len == amp_content_packed_len(&content));
    FUZZ_CHECK(amp_content_unpack(&again, amp_out_done(&out)) == AMP_OK && again.is_card);
    check_same(card, &again.card);
}

static void check_masked(const struct amp_card *card, bool bin8)
{
    uint8_t text[256];
    struct amp_out out = amp_out(text, sizeof(text));
    struct amp_json json;
    struct amp_slice raw;
    amp_card_write_masked(&out, card, bin8);
    FUZZ_CHECK(!out.overflow);
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < out.len; i++) {
        run = text[i] >= '0' && text[i] <= '9' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    FUZZ_CHECK(longest == (bin8 && card->number.len >= 16 ? 8 : 6));
    amp_json_init(&json, text, out.len);
    FUZZ_CHECK(amp_json_read_raw(&json, &raw) == AMP_OK && amp_json_finish(&json) == AMP_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct amp_card card;
    struct amp_json json;
    uint8_t *text = fuzz_copy(data, size);
    amp_json_init(&json, text, size);
    if (amp_card_read(&card, &json, NOW) == AMP_OK) {
        FUZZ_CHECK(amp_card_well_formed(&card) && amp_card_luhn(card.number));
        check_written(&card);
        check_packed(&card);
        check_masked(&card, false);
        check_masked(&card, true);
    } else {
        FUZZ_CHECK(card.number.ptr == NULL && json.err != AMP_OK);
    }
    free(text);
    return 0;
}
