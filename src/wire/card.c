#include "wire/card.h"

#include "base/text.h"
#include "wire/chars.h"

#define MIN_DIGITS  12
#define MAX_DIGITS  19
#define MAX_NAME    128
#define MIN_YEAR    1000 /* four digits: 30 could be 1930 as well as 2030 */
#define MAX_YEAR    9999
#define MS_PER_HOUR (INT64_C(60) * 60 * 1000)

static const char *const brand_names[AMP_BRAND_COUNT_] = {
    [AMP_BRAND_UNKNOWN] = "unknown", [AMP_BRAND_VISA] = "visa",         [AMP_BRAND_MASTERCARD] = "mastercard",
    [AMP_BRAND_AMEX] = "amex",       [AMP_BRAND_DISCOVER] = "discover", [AMP_BRAND_DINERS] = "diners",
    [AMP_BRAND_JCB] = "jcb",         [AMP_BRAND_UNIONPAY] = "unionpay", [AMP_BRAND_MAESTRO] = "maestro",
};

const char *amp_brand_name(enum amp_brand brand)
{
    return brand_names[(size_t)brand < AMP_BRAND_COUNT_ ? brand : AMP_BRAND_UNKNOWN];
}

bool amp_card_luhn(struct amp_slice digits)
{
    /* The sum of the digits of twice n, without a branch or a table index that would tell n. */
    unsigned sum = 0;
    for (size_t i = 0; i < digits.len; i++) {
        unsigned digit = digits.ptr[i] - (unsigned)'0';
        unsigned twice = 2 * digit;
        unsigned folded = twice - 9 * ((9 - twice) >> 31);
        sum += (digits.len - i) % 2 == 0 ? folded : digit;
    }
    return digits.len != 0 && sum % 10 == 0;
}

/* Issuer identification numbers, first six digits, as the networks publish them; the first row that fits
 * decides. */
struct iin_range {
    uint32_t low;
    uint32_t high;
    uint8_t min_digits;
    uint8_t max_digits;
    enum amp_brand brand;
};

static const struct iin_range iin_ranges[] = {
    {400000, 499999, 13, 19, AMP_BRAND_VISA},       {510000, 559999, 16, 16, AMP_BRAND_MASTERCARD},
    {222100, 272099, 16, 16, AMP_BRAND_MASTERCARD}, {340000, 349999, 15, 15, AMP_BRAND_AMEX},
    {370000, 379999, 15, 15, AMP_BRAND_AMEX},       {601100, 601199, 16, 19, AMP_BRAND_DISCOVER},
    {644000, 659999, 16, 19, AMP_BRAND_DISCOVER},   {300000, 305999, 14, 19, AMP_BRAND_DINERS},
    {309500, 309599, 14, 19, AMP_BRAND_DINERS},     {360000, 369999, 14, 19, AMP_BRAND_DINERS},
    {380000, 399999, 14, 19, AMP_BRAND_DINERS},     {352800, 358999, 16, 19, AMP_BRAND_JCB},
    {620000, 629999, 16, 19, AMP_BRAND_UNIONPAY},   {810000, 817199, 16, 19, AMP_BRAND_UNIONPAY},
    {500000, 509999, 12, 19, AMP_BRAND_MAESTRO},    {560000, 589999, 12, 19, AMP_BRAND_MAESTRO},
    {600000, 699999, 12, 19, AMP_BRAND_MAESTRO},
};

enum amp_brand amp_card_brand(struct amp_slice digits)
{
    uint32_t iin = 0;
    if (digits.len < MIN_DIGITS)
        return AMP_BRAND_UNKNOWN;
    for (size_t i = 0; i < 6; i++)
        iin = iin * 10 + (digits.ptr[i] - (uint32_t)'0');
    for (size_t i = 0; i < sizeof(iin_ranges) / sizeof(iin_ranges[0]); i++) {
        const struct iin_range *range = &iin_ranges[i];
        if (iin >= range->low && iin <= range->high && digits.len >= range->min_digits &&
            digits.len <= range->max_digits)
            return range->brand;
    }
    return AMP_BRAND_UNKNOWN;
}

static enum amp_err read_number(struct amp_json *json, void *into)
{
    struct amp_card *card = into;
    if (amp_json_peek(json) == AMP_JSON_NUMBER)
        return AMP_ERR_CARD_NUMBER_MUST_BE_STRING;
    return amp_json_read_string(json, &card->number);
}

static enum amp_err read_expiry_part(struct amp_json *json, int64_t min, int64_t max, int *out)
{
    int64_t value;
    enum amp_err err = amp_json_read_i64(json, &value);
    if (err != AMP_OK)
        return err;
    if (value < min || value > max)
        return AMP_ERR_CARD_EXPIRY_INVALID;
    *out = (int)value;
    return AMP_OK;
}

static enum amp_err read_month(struct amp_json *json, void *into)
{
    struct amp_card *card = into;
    return read_expiry_part(json, 1, 12, &card->exp_month);
}

static enum amp_err read_year(struct amp_json *json, void *into)
{
    struct amp_card *card = into;
    return read_expiry_part(json, MIN_YEAR, MAX_YEAR, &card->exp_year);
}

/* A number would lose its leading zeros. An empty string is not "none": it is left out then. */
static enum amp_err read_cvc(struct amp_json *json, void *into)
{
    struct amp_card *card = into;
    if (amp_json_peek(json) == AMP_JSON_NUMBER)
        return AMP_ERR_CARD_CVC_INVALID;
    enum amp_err err = amp_json_read_string(json, &card->cvc);
    return err == AMP_OK && card->cvc.len == 0 ? AMP_ERR_CARD_CVC_INVALID : err;
}

static enum amp_err read_name(struct amp_json *json, void *into)
{
    struct amp_card *card = into;
    enum amp_err err = amp_json_read_string(json, &card->name);
    return err == AMP_OK && card->name.len == 0 ? AMP_ERR_CARD_NAME_INVALID : err;
}

static const struct amp_json_member members[] = {
    {"number", read_number, true}, {"exp_month", read_month, true}, {"exp_year", read_year, true},
    {"cvc", read_cvc, false},      {"name", read_name, false},
};

static bool well_formed_cvc(const struct amp_card *card)
{
    size_t len = card->cvc.len;
    bool right_len = card->brand == AMP_BRAND_AMEX      ? len == 4
                     : card->brand == AMP_BRAND_UNKNOWN ? len == 3 || len == 4
                                                        : len == 3;
    return len == 0 || (right_len && amp_chars_all(card->cvc, AMP_CHAR_DIGIT));
}

static bool well_formed_name(struct amp_slice name)
{
    return name.len <= MAX_NAME && amp_utf8_valid(name) && !amp_utf8_has_controls(name);
}

static bool well_formed_number(struct amp_slice number)
{
    return number.len >= MIN_DIGITS && number.len <= MAX_DIGITS && amp_chars_all(number, AMP_CHAR_DIGIT) &&
           amp_card_luhn(number);
}

/* A card is good to the end of its month where it is latest on earth: UTC-12. */
static bool expired(const struct amp_card *card, int64_t now_unix_ms)
{
    char date[16];
    int64_t there_ms = now_unix_ms - 12 * MS_PER_HOUR;
    amp_date_format_basic(date, there_ms > 0 ? there_ms / 1000 : 0);
    int year = 0;
    for (int i = 0; i < 4; i++)
        year = year * 10 + (date[i] - '0');
    int month = (date[4] - '0') * 10 + (date[5] - '0');
    return card->exp_year < year || (card->exp_year == year && card->exp_month < month);
}

static enum amp_err check(struct amp_card *card, int64_t now_unix_ms)
{
    if (!well_formed_number(card->number))
        return AMP_ERR_CARD_NUMBER_INVALID;
    if (expired(card, now_unix_ms))
        return AMP_ERR_CARD_EXPIRED;
    card->brand = amp_card_brand(card->number);
    if (!well_formed_cvc(card))
        return AMP_ERR_CARD_CVC_INVALID;
    return well_formed_name(card->name) ? AMP_OK : AMP_ERR_CARD_NAME_INVALID;
}

bool amp_card_well_formed(const struct amp_card *card)
{
    return well_formed_number(card->number) && well_formed_cvc(card) && well_formed_name(card->name) &&
           card->exp_month >= 1 && card->exp_month <= 12 && card->exp_year >= MIN_YEAR && card->exp_year <= MAX_YEAR;
}

enum amp_err amp_card_read(struct amp_card *card, struct amp_json *json, int64_t now_unix_ms)
{
    *card = (struct amp_card){0};
    enum amp_err err = amp_json_read_object(json, members, sizeof(members) / sizeof(members[0]), card);
    if (err == AMP_OK)
        err = check(card, now_unix_ms);
    if (err != AMP_OK) {
        *card = (struct amp_card){0};
        json->err = err; /* sticks, as every error of the text does */
    }
    return err;
}

static void write_expiry(struct amp_out *out, const struct amp_card *card)
{
    amp_out_str(out, "\"exp_month\":");
    amp_out_i64(out, card->exp_month);
    amp_out_str(out, ",\"exp_year\":");
    amp_out_i64(out, card->exp_year);
}

void amp_card_write_masked(struct amp_out *out, const struct amp_card *card, bool bin8)
{
    size_t bin_len = bin8 && card->number.len >= 16 ? 8 : 6;
    amp_out_str(out, "{\"brand\":\"");
    amp_out_str(out, amp_brand_name(card->brand));
    amp_out_str(out, "\",\"bin\":\"");
    amp_out_bytes(out, card->number.ptr, bin_len);
    amp_out_str(out, "\",\"last4\":\"");
    amp_out_bytes(out, card->number.ptr + card->number.len - 4, 4);
    amp_out_str(out, "\",");
    write_expiry(out, card);
    amp_out_byte(out, '}');
}

void amp_card_write(struct amp_out *out, const struct amp_card *card)
{
    amp_out_str(out, "{\"number\":\"");
    amp_out_slice(out, card->number);
    amp_out_str(out, "\",");
    write_expiry(out, card);
    if (card->cvc.len != 0) {
        amp_out_str(out, ",\"cvc\":");
        amp_json_write_string(out, card->cvc);
    }
    if (card->name.len != 0) {
        amp_out_str(out, ",\"name\":");
        amp_json_write_string(out, card->name);
    }
    amp_out_byte(out, '}');
}
