/*
 * The library's algorithms, fetched once, and each thread's contexts. Private to the room.
 *
 * At rest no context holds a key or data. The digest context is initialised anew after each use, which
 * overwrites its chaining value, and is so ready for the next: it costs nothing, as the next use need not do
 * it. A cipher context is reset, which makes the provider wipe and free its key schedule: measured 0.63 us
 * for sealing 200 bytes, while a zero key set instead costs 0.69 us and the whole context new and freed 0.66 us. A
 * thread that works in turns resets it once a turn: 0.52 us; and of those that seal with one key in that turn only the
 * first sets it.
 */
#ifndef AMP_CRYPTO_CONTEXT_H
#define AMP_CRYPTO_CONTEXT_H

#include <openssl/evp.h>

#include "crypto/crypto.h"
#include "crypto/pkey.h"

struct amp_algorithms {
    EVP_MD *sha256;
    bool sha256_is_default; /* of the library's default provider: hash.c says what for */
    EVP_MD *md5;            /* NULL where the provider has none, as in FIPS mode */
    bool md5_is_default;
    EVP_CIPHER *aes_256_gcm;
    EVP_CIPHER *aes_256_kwp;
    EVP_PKEY *curves[AMP_CURVE_COUNT]; /* parameters alone: a key of P-256 is new in 19 us, from its name in 33 */
};

extern struct amp_algorithms amp_algorithms;

enum amp_err amp_algorithms_fetch(void) AMP_MUST_USE;

/* The parameters of one curve; NULL where the library fails. */
EVP_PKEY *amp_curve_fetch(enum amp_curve curve);

/* This thread's SHA-256 context, initialised, its own until the next call; NULL where the library fails. */
EVP_MD_CTX *amp_context_digest(void);
/* After a failure in the middle: the next call gets a new one. */
void amp_context_drop_digest(void);
/* The same for MD5; NULL also where the provider has none. */
EVP_MD_CTX *amp_context_md5(void);
void amp_context_drop_md5(void);

/* This thread's cipher context, empty; NULL where the library fails. */
EVP_CIPHER_CTX *amp_context_cipher(void);
/* The same, set to AES-256-GCM and waiting for a nonce and, in *set, for the key: NULL where it has this one already.
 */
EVP_CIPHER_CTX *amp_context_gcm(const struct amp_key256 *key, const uint8_t **set);
/* Wipes what the context holds, now or at the end of the turn; due after each use, whatever came of it. Forgets the
 * errors of a failed one. */
void amp_context_reset_cipher(EVP_CIPHER_CTX *ctx, bool failed);

/* Wipes and frees this thread's reserve of random bytes. */
void amp_context_drop_reserve(void);

#endif
