/*
 * The keyring: every principal and its secret, in the keeper's memory and, sealed under the KEK, in the file `keyring`
 * of the state directory. Each change is durable when its function returns; one that could not be written is undone.
 *
 * The file is one of keys/sealed_file.h, its magic "AMPKRING". Inside: u32 highest epoch id reserved | u32 count |
 * count times { u16 length, packed principal, 32 bytes secret }, in order of key ids.
 */
#ifndef AMP_KEYS_KEYRING_H
#define AMP_KEYS_KEYRING_H

#include "base/clock.h"
#include "keys/principal.h"
#include "keys/provider.h"

#define AMP_KEYRING_FILE            "keyring"
#define AMP_KEYRING_MAX             10000
#define AMP_KEYRING_BYTES_MAX       (4 << 20) /* of the file's inside: 10,000 principals of some 400 bytes */
#define AMP_KEYRING_SECRET_TEXT_LEN 43        /* 32 random bytes in base64url: this text is the secret that signs */
#define AMP_KEYRING_OVERLAP_MAX_MS  (INT64_C(366) * 24 * 3600 * 1000)

struct amp_keyring;
struct amp_keyring_config {
    int dir_fd; /* of the state directory, borrowed */
    struct amp_clock clock;
    const struct amp_key_provider *provider; /* borrowed */
};

/*
 * Reads the file, or makes an empty one where there is none. AMP_ERR_NOT_AUTHENTIC where it does not verify under this
 * KEK, AMP_ERR_INVALID for another form, version or provider: the keeper must not go on.
 */
enum amp_err amp_keyring_open(struct amp_keyring **out, const struct amp_keyring_config *config) AMP_MUST_USE;
void amp_keyring_free(struct amp_keyring *keyring);
/*
 * Which provider sealed the file, as its header claims: not verified. AMP_ERR_NOT_FOUND: there is none;
 * AMP_ERR_INVALID: another form; AMP_ERR_IO.
 */
enum amp_err amp_keyring_provider(int dir_fd, char name[AMP_KEY_PROVIDER_NAME_MAX]) AMP_MUST_USE;
/* As amp_sealed_form_pin. */
enum amp_err amp_keyring_pin(void) AMP_MUST_USE;

/* A secret as it is shown once and as SigV4 takes it. Wipe after use. */
struct amp_keyring_secret {
    char text[AMP_KEYRING_SECRET_TEXT_LEN];
};

/*
 * A new key for `wanted`, of which key id, state and times are set here. AMP_ERR_INVALID (a malformed field),
 * KEYRING_FULL, IO, CRYPTO.
 */
enum amp_err amp_keyring_create(struct amp_keyring *keyring, struct amp_principal *wanted,
                                struct amp_keyring_secret *secret) AMP_MUST_USE;
/*
 * A new key with the name, grants and limits of an active one, which expires `overlap_ms` from now.
 * AMP_ERR_NO_SUCH_PRINCIPAL, KEY_DISABLED, KEY_ROTATED (it expires already), INVALID (overlap out of bounds), and as
 * create.
 */
enum amp_err amp_keyring_rotate(struct amp_keyring *keyring, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN],
                                uint64_t overlap_ms, struct amp_principal *fresh,
                                struct amp_keyring_secret *secret) AMP_MUST_USE;
/* For good. AMP_ERR_NO_SUCH_PRINCIPAL; disabling twice is AMP_OK. */
enum amp_err amp_keyring_disable(struct amp_keyring *keyring,
                                 const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN]) AMP_MUST_USE;
/*
 * Keys that ended, and their secrets, are no more: from then on they are unknown. All or none, by one writing of the
 * file; `count` is at most AMP_KEYRING_FORGET_MAX. AMP_ERR_NO_SUCH_PRINCIPAL;
 * AMP_ERR_KEY_IN_USE where one may sign still. That what belongs to them is nobody's then is for the caller to mind.
 */
#define AMP_KEYRING_FORGET_MAX 64
enum amp_err amp_keyring_forget(struct amp_keyring *keyring, const uint8_t (*key_ids)[AMP_PRINCIPAL_KEY_ID_LEN],
                                size_t count) AMP_MUST_USE;

size_t amp_keyring_count(const struct amp_keyring *keyring);
/* The principal at `index` below the count, in order of key ids. Where its overlap is over it is told as disabled. */
enum amp_err amp_keyring_at(const struct amp_keyring *keyring, size_t index, struct amp_principal *out) AMP_MUST_USE;
/* When the key at `index` below the count ends or ended; INT64_MAX: it is active. Its id is borrowed until the next
 * change. */
int64_t amp_keyring_end_of(const struct amp_keyring *keyring, size_t index, const uint8_t **key_id);
/*
 * Principal and secret of a key that may sign now. AMP_ERR_UNKNOWN_KEY, AMP_ERR_KEY_DISABLED (disabled, or expiring
 * and past).
 */
enum amp_err amp_keyring_find(const struct amp_keyring *keyring, struct amp_slice key_id, struct amp_principal *out,
                              struct amp_keyring_secret *secret) AMP_MUST_USE;

/* The same without the secret. */
enum amp_err amp_keyring_signer(const struct amp_keyring *keyring, struct amp_slice key_id,
                                struct amp_principal *out) AMP_MUST_USE;
/* Whether the principal whose key this is, or was, may sign now with any: all keys of one name are one principal's. */
bool amp_keyring_principal_lives(const struct amp_keyring *keyring, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN]);
/* When the next key expires; INT64_MAX: none will. */
int64_t amp_keyring_next_expiry(const struct amp_keyring *keyring);

/* An id for an epoch key: greater than every one this keyring ever gave, across restarts. */
enum amp_err amp_keyring_next_epoch(struct amp_keyring *keyring, uint32_t *id) AMP_MUST_USE;

#endif
