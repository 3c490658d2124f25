/* What the tests of sealing share. */
#ifndef AMP_TESTS_SEAL_SUPPORT_H
#define AMP_TESTS_SEAL_SUPPORT_H

#include "../store/store_support.h"
#include "seal/seal.h"

/* A key for the epoch of this number. */
static inline struct amp_key256 dek_of(uint32_t id)
{
    struct amp_key256 key;
    uint64_t state = id;
    for (size_t i = 0; i < sizeof key.bytes; i++)
        key.bytes[i] = (uint8_t)next_random(&state);
    return key;
}

#endif
