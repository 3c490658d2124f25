/* Files and folders the supervisor opens for the roles. Each failure is said in the log, with the path. */
#ifndef AMP_DAEMON_STATE_H
#define AMP_DAEMON_STATE_H

#include "base/config.h"
#include "base/err.h"
#include "base/slice.h"
#include "daemon/users.h"
#include "ipc/role.h"

struct amp_state {
    int dir_fd;
    int keys_fd;  /* keys/: what the keeper sealed */
    int audit_fd; /* audit/: the scribe's log */
    int empty_fd; /* a directory without entries, which nobody can make any in: it has no name any more */
    int lock_fd;  /* holds the state directory for one daemon alone */
};
#define AMP_STATE_CLOSED ((struct amp_state){-1, -1, -1, -1, -1})

/*
 * Makes and opens the state directory: ours, mode 0700. Development mode marks the directories that it made, or found
 * empty, and takes no other; production takes none of those. AMP_ERR_INVALID for one that is not ours to take.
 */
enum amp_err amp_state_open(struct amp_state *out, const char *path, bool dev) AMP_MUST_USE;
/*
 * Makes and opens the directories of the roles in it, mode 0700 and theirs. One that was the supervisor's, from when
 * the roles had no users of their own, is handed over with what lies in it; so are the keeper's files that earlier
 * releases had beside it. AMP_ERR_INVALID for one that belongs to anybody else.
 */
enum amp_err amp_state_open_roles(struct amp_state *state, const struct amp_users *users) AMP_MUST_USE;
/* In place of it, where starters have the roles' directories: `state`, at `path`, has none of these files.
 * AMP_ERR_INVALID where it has, from when the supervisor started the roles: they would be left behind. */
enum amp_err amp_state_without_roles(const struct amp_state *state, const char *path) AMP_MUST_USE;
/*
 * Opens the directory of this process's role: its user's, mode 0700. Nobody else can while `*fd`, or a descriptor made
 * from it, is open anywhere: two of a role would write the same files. AMP_ERR_IO; AMP_ERR_INVALID: another's, or open
 * to others.
 */
enum amp_err amp_state_open_own(int *fd, const char *path) AMP_MUST_USE;
void amp_state_close(struct amp_state *state);
/*
 * Before the keeper opens keyring and subscriptions with this provider: what an ephemeral KEK sealed, which died with
 * the daemon before, is discarded where the provider is ephemeral again. AMP_ERR_INVALID where another provider sealed
 * one of them, or it is none: all are left as they are.
 */
enum amp_err amp_state_ready_sealed(const struct amp_state *state, enum amp_config_provider provider) AMP_MUST_USE;
/* Writes a file as a whole: beside it, synced, renamed. */
enum amp_err amp_state_write(const struct amp_state *state, const char *name, struct amp_slice content) AMP_MUST_USE;

struct amp_tls_files {
    int fds[AMP_TLS_FILE_COUNT_]; /* -1 where there is none */
    void *key_pages;              /* keeps the key out of swap, and cannot be read; NULL: development mode, unlocked */
    size_t key_len;
};
#define AMP_TLS_FILES_NONE                                                                                             \
    {                                                                                                                  \
        .fds = { -1, -1, -1 }                                                                                          \
    }

/*
 * The files of TLS, read whole into sealed memory files: what is on disk may change, or break, without a new front
 * noticing. The pages of the key are locked; AMP_ERR_LOCK_REFUSED where they cannot be, but in development mode. A
 * server was made of them before this returns; AMP_ERR_INVALID where none can be, or the key's file is open to others;
 * the log says so. Needs the secret pool.
 */
enum amp_err amp_tls_files_load(struct amp_tls_files *out, const struct amp_config *config) AMP_MUST_USE;
void amp_tls_files_close(struct amp_tls_files *files);
/* To offset 0, for whom they are handed to. */
void amp_tls_files_rewind(const struct amp_tls_files *files);

/*
 * The roots that endpoints of push must lead to, from push.ca or, where none is configured, the system's; read and kept
 * like the certificate of TLS, which `tls` has. -1 with AMP_OK where the system has none: the log says so.
 * AMP_ERR_INVALID where push.ca holds no certificates, AMP_ERR_IO. Needs the secret pool.
 */
enum amp_err amp_push_roots_load(int *fd, const struct amp_config *config,
                                 const struct amp_tls_files *tls) AMP_MUST_USE;
void amp_push_roots_close(int *fd);
/* To offset 0, for whom they are handed to; -1 does nothing. */
void amp_push_roots_rewind(int fd);

/* A sealed memory file with this text, at offset 0; -1 where it cannot be made. */
int amp_memfd_sealed(const char *name, struct amp_slice text);

#endif
