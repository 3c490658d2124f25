/*
 * What the supervisor hands to a role at its start. Each role is the same binary executed anew and enters at
 * amp_ROLE_main, which returns the exit status: 0 after AMP_IPC_DRAIN was carried out, anything else is a death and
 * the role is started again.
 */
#ifndef AMP_IPC_ROLE_H
#define AMP_IPC_ROLE_H

#include "base/config.h"
#include "ipc/ipc.h"

#define AMP_KEEPER_PATIENCE_S 10

/*
 * Serves until event_base_loopbreak. Behind each turn, before the next waits, what its handlers and the libraries
 * beneath them left on the stack is overwritten. Whoever has a loop of his own does that himself.
 */
void amp_role_serve(struct event_base *base);

/* What AMP_IPC_TLS_FILE hands over, one descriptor each, before an AMP_IPC_RELOAD. */
enum amp_tls_file { AMP_TLS_FILE_CERT, AMP_TLS_FILE_KEY, AMP_TLS_FILE_CLIENT_CA, AMP_TLS_FILE_COUNT_ };

/*
 * When a role's main is entered: the process is hardened (amp_secret_harden_process), amp_log_init, amp_secret_init
 * and amp_crypto_init are done, the sandbox is entered (amp_sandbox_enter), SIGINT, SIGTERM and SIGHUP are ignored (the
 * control link commands), SIGPIPE is ignored, the working directory is "/", the umask 077. The role sends AMP_IPC_READY
 * once it serves.
 *
 * Links to other roles do not exist yet: each comes as AMP_IPC_LINK over the control link, payload u8 role and u8
 * index, carrying the descriptor for amp_link_new (or amp_recorder_attach). Between front and its peers there is one
 * link per worker and `index` is the worker's number, but one alone (0) to the courier; elsewhere it is 0. A LINK for a
 * role and index that has one already replaces it: the peer was started again. The end of the control link is the end
 * of the supervisor: exit.
 *
 * The keeper's link, where it ends: what was learned over it is stale, so front forgets its day keys and the courier
 * attempts nothing. The supervisor, which starts a dead keeper again within 5 s, gives a new one. Where none comes for
 * AMP_KEEPER_PATIENCE_S, the keeper lives but has cut the link: the courier ends itself with failure, and front, with
 * which the vault would go, has the keeper started again (AMP_IPC_VIOLATION). While draining nobody waits for it.
 *
 * Reloading: AMP_IPC_TLS_FILE for each file in use, then AMP_IPC_RELOAD with the configuration (config_read). Of the
 * configuration `log_level`, `auth`, `vault`, `mask` and `limits` may differ, but for shares of memory_max; what else
 * differs waits for a restart of the daemon and is as before in what a role is handed.
 */
struct amp_log_names;
struct amp_resolver;
struct amp_role_env {
    const struct amp_config *config; /* lives as long as the process */
    int control_fd;                  /* for amp_link_new with peer AMP_ROLE_SUPERVISOR */
    /* front: SO_REUSEPORT sockets, bound and listening, non-blocking: worker w owns those from w * listen_per_worker.
     */
    const int *listen_fds;
    size_t listen_per_worker;
    int tls_fds[AMP_TLS_FILE_COUNT_]; /* front: PEM files open for reading, at offset 0, to be closed; -1: none */
    int64_t replay_closed_s; /* front: signatures of dates up to this one may have been accepted by an earlier life */
    /* scribe: up to this record an earlier life's log was durable, its last line with this hash; 0: none is known. */
    uint64_t log_seq;
    uint8_t log_hash[32];
    int push_ca_fd; /* courier: the PEM roots that endpoints must lead to, open for reading; else -1 */
    int state_fd;   /* the directory of its files, STATE/keys or STATE/audit: keeper, scribe; others: -1 */
    int kek_fd;     /* keeper with provider file: the KEK, see amp_key_file_open, to be closed; else -1 */
    const struct amp_log_names *log_names; /* scribe: as they are pinned */
    struct amp_resolver *resolver;         /* courier: to be freed, see courier/resolver.h */
    /* Reads the configuration handed over by AMP_IPC_RELOAD; does not close `fd`. AMP_ERR_INVALID, AMP_ERR_IO. */
    enum amp_err (*config_read)(struct amp_config *out, int fd);
};

#endif
