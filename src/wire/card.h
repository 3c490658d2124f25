/* A payment card as JSON brings it, checked (ISO/IEC 7812), masked (PCI DSS 3.4.1), and packed for sealing. */
#ifndef AMP_WIRE_CARD_H
#define AMP_WIRE_CARD_H

#include "wire/json.h"

enum amp_brand {
    AMP_BRAND_UNKNOWN,
    AMP_BRAND_VISA,
    AMP_BRAND_MASTERCARD,
    AMP_BRAND_AMEX,
    AMP_BRAND_DISCOVER,
    AMP_BRAND_DINERS,
    AMP_BRAND_JCB,
    AMP_BRAND_UNIONPAY,
    AMP_BRAND_MAESTRO,
    AMP_BRAND_COUNT_
};
const char *amp_brand_name(enum amp_brand brand);

/* Slices borrow from the JSON text or the opened content. cvc and name are empty where absent. */
struct amp_card {
    struct amp_slice number;
    struct amp_slice cvc;
    struct amp_slice name;
    int exp_month;
    int exp_year;
    enum amp_brand brand;
};

/* True where the digits pass ISO/IEC 7812-1 annex B (Luhn). Time depends on the length alone. */
bool amp_card_luhn(struct amp_slice digits);
enum amp_brand amp_card_brand(struct amp_slice digits);

/*
 * Reads one card object. Unknown members, wrong types and each rule of spec section 3 have their own error.
 * `now_unix_ms` decides whether the expiry is past (the last day of the month, UTC-12, counts as valid).
 */
enum amp_err amp_card_read(struct amp_card *card, struct amp_json *json, int64_t now_unix_ms) AMP_MUST_USE;

/* The rules on form alone, expiry's past excepted; `brand` must be set. */
bool amp_card_well_formed(const struct amp_card *card);

/* {"brand":"visa","bin":"411111","last4":"1111","exp_month":12,"exp_year":2030}; bin has 8 digits where bin8 is set
 * and the number has 16 or more. */
void amp_card_write_masked(struct amp_out *out, const struct amp_card *card, bool bin8);
/* The whole card object, for the one who redeems it. */
void amp_card_write(struct amp_out *out, const struct amp_card *card);

/* What a token seals: a card or any JSON, with the metadata that came with it. */
struct amp_content {
    bool is_card;
    struct amp_card card;      /* where is_card */
    struct amp_slice data;     /* else: the JSON text */
    struct amp_slice metadata; /* a JSON object's text; empty where there was none */
};
/* Packed form: one version byte, then length-prefixed parts. Exact size first, so that the caller can reserve it. */
size_t amp_content_packed_len(const struct amp_content *content);
void amp_content_pack(struct amp_out *out, const struct amp_content *content);
/* Slices borrow from `packed`, consumed exactly; AMP_ERR_INVALID otherwise. */
enum amp_err amp_content_unpack(struct amp_content *content, struct amp_slice packed) AMP_MUST_USE;

#endif
