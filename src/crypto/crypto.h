/*
 * The only room that names OpenSSL's EVP. Works with a FIPS provider the user supplies: algorithms are fetched once,
 * by name, at start. Every function is thread safe; contexts are kept per thread and hold no key between calls.
 * Failure of the library itself is AMP_ERR_CRYPTO; bytes that do not verify are AMP_ERR_NOT_AUTHENTIC, never both.
 */
#ifndef AMP_CRYPTO_CRYPTO_H
#define AMP_CRYPTO_CRYPTO_H

#include "secret/secret.h"

#define AMP_SHA256_LEN    32
#define AMP_GCM_TAG_LEN   16
#define AMP_GCM_NONCE_LEN 12

/*
 * Has OpenSSL keep all its memory in the pool (amp_secret_init), wiped when freed: for processes that are ours whole,
 * not for the library in somebody else's. Call before any other use of OpenSSL; AMP_ERR_CRYPTO where that came first.
 */
enum amp_err amp_crypto_use_pool(void) AMP_MUST_USE;
/* Fetches the algorithms and proves each on one published vector. Call once, first. */
enum amp_err amp_crypto_init(void) AMP_MUST_USE;
/*
 * For a thread that works in turns: from now on its cipher context keeps its last key until amp_crypto_rest, which must
 * be called at the end of each turn, before the thread waits. Other threads wipe behind each call.
 */
void amp_crypto_work_in_turns(void);
void amp_crypto_rest(void);
/* Frees this thread's contexts, wiping their state; call before a thread that used the room ends. */
void amp_crypto_thread_fini(void);

/* amp_crypto_thread_fini, and where OpenSSL's memory is the pool's, all of OpenSSL: it is of no use any more. Call with
 * no other thread left, before amp_secret_fini. */
void amp_crypto_fini(void);

/* FIPS 180-4. `parts`: hashed one behind the other. */
enum amp_err amp_sha256(uint8_t out[AMP_SHA256_LEN], const struct amp_slice *parts, size_t count) AMP_MUST_USE;

/* RFC 2104 with SHA-256 over the parts, one behind the other. */
enum amp_err amp_hmac_sha256(uint8_t out[AMP_SHA256_LEN], struct amp_slice key, const struct amp_slice *parts,
                             size_t count) AMP_MUST_USE;

/* A key that many MACs are made under: what HMAC does with the key alone is done once. In secret memory, as the key. */
struct amp_sha256_words {
    uint32_t words[AMP_SHA256_LEN / sizeof(uint32_t)];
};
struct amp_hmac_key {
    struct amp_key256 key;
    struct amp_sha256_words inner; /* what hashing has come to behind the block that the key begins it with */
    struct amp_sha256_words outer;
};
void amp_hmac_key_make(struct amp_hmac_key *out, const struct amp_key256 *key);
/* amp_hmac_sha256 under it. */
enum amp_err amp_hmac_sha256_under(uint8_t out[AMP_SHA256_LEN], const struct amp_hmac_key *key,
                                   const struct amp_slice *parts, size_t count) AMP_MUST_USE;

/* RFC 5869 with SHA-256. `out_len` at most 255*32. */
enum amp_err amp_hkdf_sha256(uint8_t *out, size_t out_len, struct amp_slice key, struct amp_slice salt,
                             struct amp_slice info) AMP_MUST_USE;

/* AES-256-GCM (SP 800-38D). `out` has room for len + AMP_GCM_TAG_LEN: ciphertext, then tag. in == out is allowed. */
enum amp_err amp_gcm_seal(uint8_t *out, const struct amp_key256 *key, const uint8_t nonce[AMP_GCM_NONCE_LEN],
                          struct amp_slice aad, const uint8_t *in, size_t len) AMP_MUST_USE;
/*
 * The reverse: `len` counts ciphertext and tag; writes len - AMP_GCM_TAG_LEN bytes. AMP_ERR_NOT_AUTHENTIC where the
 * tag does not verify, and then `out` is zeroed.
 */
enum amp_err amp_gcm_open(uint8_t *out, const struct amp_key256 *key, const uint8_t nonce[AMP_GCM_NONCE_LEN],
                          struct amp_slice aad, const uint8_t *in, size_t len) AMP_MUST_USE;

/* AES-256 key wrap with padding (RFC 5649). Takes 1 to AMP_KWP_MAX bytes, writes amp_kwp_len(len). */
#define AMP_KWP_MAX 4096
static inline size_t amp_kwp_len(size_t len)
{
    return ((len + 7) / 8) * 8 + 8;
}
enum amp_err amp_kwp_wrap(uint8_t *out, const struct amp_key256 *kek, const uint8_t *in, size_t len) AMP_MUST_USE;
/*
 * *out_len: capacity in, length out. AMP_ERR_NOT_AUTHENTIC where it does not unwrap, AMP_ERR_TOO_LARGE where it does
 * not fit; `out` is zeroed then. in == out is allowed.
 */
enum amp_err amp_kwp_unwrap(uint8_t *out, size_t *out_len, const struct amp_key256 *kek, const uint8_t *in,
                            size_t len) AMP_MUST_USE;

/* Random bytes from the DRBG of this thread (SP 800-90A), reseeded from the kernel. */
enum amp_err amp_random(void *out, size_t len) AMP_MUST_USE;

#endif
