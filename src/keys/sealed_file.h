/*
 * A file sealed under the KEK and replaced as a whole: the form of the keyring and of the subscriptions (room keys
 * only).
 *
 * Magic (8) | u32 version 1 | name of the provider, 16 bytes, zeros behind it | u16 length, wrapped DEK | nonce (12) |
 * AES-256-GCM ciphertext and tag, with all before it as AAD. The DEK is new each time the file is written.
 */
#ifndef AMP_KEYS_SEALED_FILE_H
#define AMP_KEYS_SEALED_FILE_H

#include "keys/provider.h"

#define AMP_SEALED_MAGIC_LEN 8

struct amp_sealed_form {
    const char *name;
    const char *temporary; /* what is new is written there first */
    const char *previous;  /* what is replaced stands there until its successor is durable */
    uint8_t magic[AMP_SEALED_MAGIC_LEN];
    size_t plain_max;
};

/* Pins the three names: before the process that reads and writes such a file is confined. AMP_ERR_IO,
 * AMP_ERR_TOO_LARGE. */
enum amp_err amp_sealed_form_pin(const struct amp_sealed_form *form) AMP_MUST_USE;
/* Appends what is inside to `plain`. AMP_ERR_NOT_FOUND: there is no file; AMP_ERR_NOT_AUTHENTIC where it does not
 * verify under this KEK, AMP_ERR_INVALID for another form, version or provider, AMP_ERR_IO. */
enum amp_err amp_sealed_file_read(const struct amp_sealed_form *form, int dir_fd,
                                  const struct amp_key_provider *provider, struct amp_secret_buf *plain) AMP_MUST_USE;
/*
 * Seals `plain` in place and replaces the file: written beside it, synced, renamed, directory synced. On failure the
 * old file stands, or is put back where only the directory could not be synced; where that fails too, the process
 * aborts, to begin again with whichever is there. `plain` is wiped either way.
 */
enum amp_err amp_sealed_file_write(const struct amp_sealed_form *form, int dir_fd,
                                   const struct amp_key_provider *provider, struct amp_secret_buf *plain) AMP_MUST_USE;
/* Which provider sealed the file, as its header claims: not verified. AMP_ERR_NOT_FOUND: there is none;
 * AMP_ERR_INVALID: another form; AMP_ERR_IO. */
enum amp_err amp_sealed_file_provider(const struct amp_sealed_form *form, int dir_fd,
                                      char name[AMP_KEY_PROVIDER_NAME_MAX]) AMP_MUST_USE;

#endif
