/* The admin client's end of the daemon's unix socket (state/admin.sock): blocking, for the command line and tests. */
#ifndef AMP_IPC_ADMIN_H
#define AMP_IPC_ADMIN_H

#include "ipc/ipc.h"
#include "keys/principal.h"

#define AMP_ADMIN_SOCKET        "admin.sock"
#define AMP_KEY_SECRET_TEXT_LEN 43 /* 32 bytes as base64url: the text is the AWS secret access key */

/* A new key: to be shown once and wiped. */
struct amp_admin_secret {
    uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN];
    uint8_t text[AMP_KEY_SECRET_TEXT_LEN];
};

struct amp_admin;
/* AMP_ERR_IO (errno says why) where nobody listens at `path` or may not be reached. Needs amp_secret_init. */
enum amp_err amp_admin_connect(struct amp_admin **out, const char *path) AMP_MUST_USE;
void amp_admin_free(struct amp_admin *admin);

/*
 * Each blocks until the keeper's answer, at most 30 s. AMP_ERR_IO where the daemon hung up or kept silent,
 * AMP_ERR_INVALID where the answer or a value is malformed, otherwise the keeper's own refusal:
 * AMP_ERR_NO_SUCH_PRINCIPAL, KEYRING_FULL, KEY_DISABLED, KEY_ROTATED, KEY_IN_USE, AUDIT_UNAVAILABLE,
 * KEEPER_UNAVAILABLE ...
 */
/* `rate`: requests per second, 0 without limit; `burst`: how many at once. */
enum amp_err amp_admin_key_create(struct amp_admin *admin, struct amp_slice name, uint32_t rate, uint32_t burst,
                                  const struct amp_grant *grants, uint32_t grant_count,
                                  struct amp_admin_secret *out) AMP_MUST_USE;
/* Calls `entry` for each principal, in order of key ids. */
enum amp_err amp_admin_key_list(struct amp_admin *admin, void (*entry)(void *ctx, const struct amp_principal *),
                                void *ctx) AMP_MUST_USE;
/* A new key of the same name, grants and limits; the old one ends after `overlap_ms`. */
enum amp_err amp_admin_key_rotate(struct amp_admin *admin, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN],
                                  uint64_t overlap_ms, struct amp_admin_secret *out) AMP_MUST_USE;
enum amp_err amp_admin_key_disable(struct amp_admin *admin,
                                   const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN]) AMP_MUST_USE;

/* A key that ended is forgotten. */
enum amp_err amp_admin_key_delete(struct amp_admin *admin, const uint8_t key_id[AMP_PRINCIPAL_KEY_ID_LEN]) AMP_MUST_USE;

/* The payload of AMP_IPC_KEY_CREATE. */
void amp_admin_put_create(struct amp_out *out, struct amp_slice name, uint32_t rate, uint32_t burst,
                          const struct amp_grant *grants, uint32_t grant_count);

#endif
