/*
 * Packed content, all numbers big-endian:
 *   u8 version (1)  u8 kind  part[]
 * where a part is a u32 length and so many bytes: for a card (kind 1) number, cvc, name, expiry (u8 month,
 * u16 year), metadata; for data (kind 0) data, metadata. What is sealed was checked before; what was opened
 * is authentic; the checks here are for defects of ours.
 */
#include "wire/card.h"

#include "wire/chars.h"

#define VERSION    1
#define PREFIX_LEN 4
#define EXPIRY_LEN 3

enum content_kind { KIND_DATA = 0, KIND_CARD = 1 };

size_t amp_content_packed_len(const struct amp_content *content)
{
    const struct amp_card *card = &content->card;
    size_t len = 2 + PREFIX_LEN + content->metadata.len;
    if (!content->is_card)
        return len + PREFIX_LEN + content->data.len;
    return len + 4 * PREFIX_LEN + card->number.len + card->cvc.len + card->name.len + EXPIRY_LEN;
}

static void pack_part(struct amp_out *out, struct amp_slice part)
{
    if (part.len > UINT32_MAX) {
        out->overflow = true;
        return;
    }
    const uint8_t prefix[PREFIX_LEN] = {(uint8_t)(part.len >> 24), (uint8_t)(part.len >> 16), (uint8_t)(part.len >> 8),
                                        (uint8_t)part.len};
    amp_out_bytes(out, prefix, sizeof(prefix));
    amp_out_slice(out, part);
}

static void pack_card(struct amp_out *out, const struct amp_card *card)
{
    const uint8_t expiry[EXPIRY_LEN] = {(uint8_t)card->exp_month, (uint8_t)(card->exp_year >> 8),
                                        (uint8_t)card->exp_year};
    pack_part(out, card->number);
    pack_part(out, card->cvc);
    pack_part(out, card->name);
    pack_part(out, amp_slice(expiry, sizeof(expiry)));
}

void amp_content_pack(struct amp_out *out, const struct amp_content *content)
{
    amp_out_byte(out, VERSION);
    amp_out_byte(out, content->is_card ? KIND_CARD : KIND_DATA);
    if (content->is_card)
        pack_card(out, &content->card);
    else
        pack_part(out, content->data);
    pack_part(out, content->metadata);
}

static bool unpack_part(struct amp_slice *rest, struct amp_slice *part)
{
    if (rest->len < PREFIX_LEN)
        return false;
    const uint8_t *p = rest->ptr;
    size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (len > rest->len - PREFIX_LEN)
        return false;
    *part = amp_slice(p + PREFIX_LEN, len);
    *rest = amp_slice(p + PREFIX_LEN + len, rest->len - PREFIX_LEN - len);
    return true;
}

static bool unpack_card(struct amp_card *card, struct amp_slice *rest)
{
    struct amp_slice expiry;
    if (!unpack_part(rest, &card->number) || !unpack_part(rest, &card->cvc) || !unpack_part(rest, &card->name) ||
        !unpack_part(rest, &expiry) || expiry.len != EXPIRY_LEN)
        return false;
    card->exp_month = expiry.ptr[0];
    card->exp_year = expiry.ptr[1] << 8 | expiry.ptr[2];
    card->brand = amp_card_brand(card->number);
    return amp_card_well_formed(card);
}

static bool unpack(struct amp_content *content, struct amp_slice rest)
{
    if (rest.len < 2 || rest.ptr[0] != VERSION || rest.ptr[1] > KIND_CARD)
        return false;
    content->is_card = rest.ptr[1] == KIND_CARD;
    rest = amp_slice(rest.ptr + 2, rest.len - 2);
    bool read = content->is_card ? unpack_card(&content->card, &rest) : unpack_part(&rest, &content->data);
    return read && unpack_part(&rest, &content->metadata) && rest.len == 0;
}

enum amp_err amp_content_unpack(struct amp_content *content, struct amp_slice packed)
{
    *content = (struct amp_content){0};
    if (unpack(content, packed))
        return AMP_OK;
    *content = (struct amp_content){0};
    return AMP_ERR_INVALID;
}
