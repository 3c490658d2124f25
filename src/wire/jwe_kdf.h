/* The Concat KDF of ECDH-ES. Private to JWE; a header of its own for the sake of its vector. */
#ifndef AMP_WIRE_JWE_KDF_H
#define AMP_WIRE_JWE_KDF_H

#include "crypto/crypto.h"

/* Who the parties are, decoded; empty where the header does not say. */
struct amp_jwe_parties {
    struct amp_slice u, v;
};
/*
 * RFC 7518 section 4.6.2: a key for `algorithm`, of `bits`, at most 256: one round of SP 800-56A revision 2, section
 * 5.8.1, is enough. The whole digest is written; the key is its first bits.
 */
enum amp_err amp_jwe_kdf(uint8_t out[AMP_SHA256_LEN], struct amp_slice shared, struct amp_slice algorithm,
                         uint32_t bits, const struct amp_jwe_parties *parties) AMP_MUST_USE;

#endif
