/* Keys derived from epoch keys. Private to the room. */
#ifndef AMP_SEAL_DERIVE_H
#define AMP_SEAL_DERIVE_H

#include "crypto/crypto.h"

/*
 * RFC 5869 section 2.3, HKDF-Expand to one block: T(1) = HMAC(PRK, info || 0x01), with
 * info = "ampoule/" || label || "/v1" || bind. No label has a '/', so no two of these are alike. Expand alone
 * is enough where the key is uniformly random already (section 3.3).
 */
enum amp_err amp_seal_derive(struct amp_key256 *out, const struct amp_hmac_key *dek, struct amp_slice label,
                             struct amp_slice bind) AMP_MUST_USE;

#endif
