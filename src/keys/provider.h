/*
 * Where the key-encryption key lives. A provider wraps and unwraps small keys; the KEK never leaves it. One
 * conformance suite runs against every provider (tests/unit/keys).
 */
#ifndef AMP_KEYS_PROVIDER_H
#define AMP_KEYS_PROVIDER_H

#include "secret/secret.h"

#define AMP_WRAPPED_MAX           512
#define AMP_KEY_PROVIDER_NAME_MAX 16

struct amp_key_provider;

struct amp_key_provider_ops {
    const char *name; /* as in the configuration: "ephemeral", "file"; below AMP_KEY_PROVIDER_NAME_MAX */
    /* May block. `out` has AMP_WRAPPED_MAX bytes. */
    enum amp_err (*wrap)(void *self, const uint8_t *key, size_t len, uint8_t *out, size_t *out_len);
    /* AMP_ERR_NOT_AUTHENTIC where it was not wrapped by this KEK; `key` is zeroed then. *len: capacity in, length out.
     */
    enum amp_err (*unwrap)(void *self, const uint8_t *wrapped, size_t wrapped_len, uint8_t *key, size_t *len);
    void (*close)(void *self);
};

struct amp_key_provider {
    const struct amp_key_provider_ops *ops;
    void *self;
};

/* A KEK given in memory (copied to secret memory): the supervisor makes it at start and it dies with the daemon. */
enum amp_err amp_key_provider_ephemeral(struct amp_key_provider *out, const struct amp_key256 *kek) AMP_MUST_USE;
/*
 * A KEK in a file of 32 raw bytes, mode 0600, owned by this user, made where it does not exist. For development: the
 * file lies beside what it protects. Opened by who may, for reading, at its start: the provider itself knows no path.
 * AMP_ERR_IO, AMP_ERR_INVALID for another size, owner or mode.
 */
enum amp_err amp_key_file_open(int *fd, const char *path) AMP_MUST_USE;
/* Reads the KEK from such a descriptor and leaves it open. AMP_ERR_IO, AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_key_provider_file(struct amp_key_provider *out, int fd) AMP_MUST_USE;

#endif
