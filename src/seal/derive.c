#include "seal/derive.h"

enum amp_err amp_seal_derive(struct amp_key256 *out, const struct amp_hmac_key *dek, struct amp_slice label,
                             struct amp_slice bind)
{
    const struct amp_slice parts[] = {AMP_SLICE_LIT("ampoule/"), label, AMP_SLICE_LIT("/v1"), bind,
                                      AMP_SLICE_LIT("\x01")};
    return amp_hmac_sha256_under(out->bytes, dek, parts, sizeof parts / sizeof parts[0]);
}
