/*
 * Sealing under epoch keys. An epoch key (DEK) lives in locked memory, bounded by age, uses and bytes (spec
 * section 8; SP 800-38D for the uses), and is wiped when it is retired and the last thing sealed under it is
 * gone. What a token seals is bound to the token: the key is HKDF-Expand(epoch key, "ampoule/token/v1" ||
 * token). Messages are bound to no secret: theirs is one key for each epoch, HKDF-Expand(epoch key,
 * "ampoule/message/v1"), derived once, when the epoch key comes, and wiped with it.
 *
 *   sealed form: version 1 | epoch (u32 big-endian) | nonce (12) | ciphertext | tag (16)
 */
#ifndef AMP_SEAL_SEAL_H
#define AMP_SEAL_SEAL_H

#include "base/clock.h"
#include "crypto/crypto.h"

#define AMP_TOKEN_LEN      32 /* random bytes; tok_ + 43 base64url characters as text */
#define AMP_TOKEN_TEXT_LEN 47
#define AMP_SEAL_OVERHEAD  (1 + 4 + AMP_GCM_NONCE_LEN + AMP_GCM_TAG_LEN)
#define AMP_SEAL_AAD_MAX   512
#define AMP_SEAL_LABEL_MAX 32
/*
 * Keys alive at once. A message may live for 14 days in a queue, and its key with it: that are 2016 keys where each
 * serves for 10 minutes, and this many where each is spent in 74 s (14,000 seals a second). A key is 80 bytes of locked
 * memory.
 */
#define AMP_EPOCHS_MAX 16384

struct amp_epochs_config {
    struct amp_clock clock;
    int64_t max_age_ms; /* 600000, counted from when a key came, waiting included */
    uint64_t max_uses;  /* 2^20 */
    uint64_t max_bytes; /* 2^36 */
};

/* The process's epoch keys; any thread. */
struct amp_epochs;
enum amp_err amp_epochs_new(struct amp_epochs **out, const struct amp_epochs_config *config) AMP_MUST_USE;
/* Wipes all keys. NULL does nothing. After whatever may still release (the vault). */
void amp_epochs_free(struct amp_epochs *epochs);

/*
 * Takes a key from the keeper (copied). It becomes current when the one before is spent. Ids are never
 * reused: AMP_ERR_INVALID where this id lives, or where one is waiting already. AMP_ERR_OVERLOADED at
 * AMP_EPOCHS_MAX.
 */
enum amp_err amp_epochs_add(struct amp_epochs *epochs, uint32_t id, const struct amp_key256 *dek) AMP_MUST_USE;
/* True where the next key should be asked for now: none is waiting, and the current one has less than a quarter of its
 * age, uses or bytes left, or there is none. */
bool amp_epochs_wants_next(struct amp_epochs *epochs);
/*
 * One thing sealed under `id` is gone; the last one of a retired epoch wipes its key. A release too many
 * aborts.
 */
void amp_epochs_release(struct amp_epochs *epochs, uint32_t id);
/* Retires what is over age; call about once a second. */
void amp_epochs_sweep(struct amp_epochs *epochs);
/* How many keys live now. */
size_t amp_epochs_count(struct amp_epochs *epochs);

/*
 * Seals `plain` bound to `bind` (the token's bytes, or another secret the opener must bring; empty: none) and `label`
 * (what kind of thing: "token", "message"; without '/'), with `aad` authenticated beside it, and version,
 * epoch and label too. Appends len + AMP_SEAL_OVERHEAD bytes to `out`, which `plain` may not lie in. Counts
 * one use; *epoch names the key, and the caller owes one amp_epochs_release. AMP_ERR_KEEPER_UNAVAILABLE where
 * no key within its bounds is at hand: nothing is ever sealed under a spent one. AMP_ERR_TOO_LARGE for an aad
 * or label over its maximum, or more than one key may ever seal. `out` is untouched on failure.
 */
enum amp_err amp_seal(struct amp_epochs *epochs, const char *label, struct amp_slice bind, struct amp_slice aad,
                      struct amp_slice plain, struct amp_secret_buf *out, uint32_t *epoch) AMP_MUST_USE;
/*
 * The reverse; appends the plaintext to `out` (which is untouched on failure). AMP_ERR_NOT_AUTHENTIC where
 * the key is gone, the form is wrong or it does not verify. `sealed` may not lie in `out`.
 */
enum amp_err amp_unseal(struct amp_epochs *epochs, const char *label, struct amp_slice bind, struct amp_slice aad,
                        struct amp_slice sealed, struct amp_secret_buf *out) AMP_MUST_USE;

/* The epoch a sealed form names; AMP_ERR_NOT_AUTHENTIC where it is none. Says nothing of whether it verifies.
 */
enum amp_err amp_sealed_epoch(struct amp_slice sealed, uint32_t *epoch) AMP_MUST_USE;

/* Tokens. */
struct amp_token_keys; /* the keyed hash of tokens: one random key per life of the process */
enum amp_err amp_token_keys_new(struct amp_token_keys **out) AMP_MUST_USE;
void amp_token_keys_free(struct amp_token_keys *keys);
/* 32 random bytes. */
enum amp_err amp_token_new(uint8_t token[AMP_TOKEN_LEN]) AMP_MUST_USE;
/* Sixteen bytes of HMAC(key, token): its place in the vault, and its name in the event log. */
enum amp_err amp_token_hash(const struct amp_token_keys *keys, const uint8_t token[AMP_TOKEN_LEN],
                            uint8_t index[16]) AMP_MUST_USE;
/*
 * A keyed hash under the same key, kept apart from tokens' by `label` (not empty). Each part is hashed with
 * its length, so that no two lists of parts are alike; at most AMP_TOKEN_MAC_PARTS of them (AMP_ERR_INVALID).
 */
#define AMP_TOKEN_MAC_PARTS 8
enum amp_err amp_token_keys_mac(const struct amp_token_keys *keys, const char *label, const struct amp_slice *parts,
                                size_t count, uint8_t out[AMP_SHA256_LEN]) AMP_MUST_USE;
/*
 * A shorter one of two parts, under a key of its own, for what only proves that it was made here: SHA-256 of key, label
 * and framed parts, cut to a size that tells too little of it to be continued. A third of an HMAC. AMP_ERR_INVALID
 * where all of it is longer than AMP_TOKEN_TAG_MAX.
 */
#define AMP_TOKEN_TAG_LEN 16
#define AMP_TOKEN_TAG_MAX 256
enum amp_err amp_token_keys_tag(const struct amp_token_keys *keys, const char *label, struct amp_slice first,
                                struct amp_slice second, uint8_t out[AMP_TOKEN_TAG_LEN]) AMP_MUST_USE;
/* "tok_" + base64url, 47 characters, no NUL; `prefix` is "tok_" or "clm_". */
void amp_token_format(char out[AMP_TOKEN_TEXT_LEN], const char prefix[5], const uint8_t token[AMP_TOKEN_LEN]);
/* AMP_ERR_INVALID for any other form. */
enum amp_err amp_token_parse(uint8_t token[AMP_TOKEN_LEN], const char prefix[5], struct amp_slice text) AMP_MUST_USE;

#endif
