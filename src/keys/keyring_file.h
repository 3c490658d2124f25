/* The keyring's file: sealed under the KEK, replaced as a whole (room keys only; the format is told in keyring.h). */
#ifndef AMP_KEYS_KEYRING_FILE_H
#define AMP_KEYS_KEYRING_FILE_H

#include "keys/provider.h"

/*
 * Appends what is inside to `plain`. AMP_ERR_NOT_FOUND: there is no file; AMP_ERR_NOT_AUTHENTIC, AMP_ERR_INVALID as in
 * amp_keyring_open.
 */
enum amp_err amp_keyring_file_read(int dir_fd, const struct amp_key_provider *provider,
                                   struct amp_secret_buf *plain) AMP_MUST_USE;
/*
 * Seals `plain` in place and replaces the file: written beside it, synced, renamed, directory synced. On failure the
 * old file stands. `plain` is wiped either way.
 */
enum amp_err amp_keyring_file_write(int dir_fd, const struct amp_key_provider *provider,
                                    struct amp_secret_buf *plain) AMP_MUST_USE;

#endif
