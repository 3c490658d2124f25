/* What the tests of the store share: ids from numbers, a repeatable random source, and the start of the rooms below. */
#ifndef AMP_TESTS_STORE_SUPPORT_H
#define AMP_TESTS_STORE_SUPPORT_H

#include <string.h>

#include "../support.h"
#include "base/clock.h"
#include "base/size.h"
#include "crypto/crypto.h"
#include "secret/secret.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* everything is ten times slower */
#else
#define SANITIZED 0
#endif

/* SplitMix64: `state` counts. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 16 bytes that look like a keyed hash, the same for the same number. */
static inline void id_from(uint8_t id[16], uint64_t number)
{
    uint64_t state = number * 0x2545f4914f6cdd1du;
    uint64_t words[2] = {next_random(&state), next_random(&state)};
    memcpy(id, words, sizeof words);
}

static inline int start_rooms(void **state)
{
    return amp_secret_init((size_t)16 << 20, false) == AMP_OK && amp_crypto_init() == AMP_OK ? 0 : -1;
}

static inline int end_rooms(void **state)
{
    amp_crypto_thread_fini();
    int left = amp_secret_used() != 0;
    amp_secret_fini();
    return left;
}

#endif
