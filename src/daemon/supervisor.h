/*
 * The supervisor: starts the roles, links them, starts again what dies, reloads (SIGHUP) and drains (SIGTERM, SIGINT).
 * It holds no key but the ephemeral KEK and reads nothing that a stranger sent.
 */
#ifndef AMP_DAEMON_SUPERVISOR_H
#define AMP_DAEMON_SUPERVISOR_H

#include <sys/stat.h>

#include "base/clock.h"
#include "daemon/listen.h"
#include "daemon/options.h"
#include "daemon/state.h"
#include "ipc/admin.h"
#include "ipc/recorder.h"
#include "secret/secret.h"

struct event_base;
struct event;

enum { AMP_CHILD_FRONT, AMP_CHILD_COURIER, AMP_CHILD_KEEPER, AMP_CHILD_SCRIBE, AMP_CHILDREN };

struct amp_supervisor;

struct amp_child {
    struct amp_supervisor *supervisor;
    enum amp_role role;
    pid_t pid;              /* 0: not running, or started by a starter */
    struct event *starter;  /* its connection, which tells of the end; NULL: none, or a process of ours */
    bool begun;             /* the starter has told of the start, or what it must tell next is the end */
    struct event *patience; /* with a starter that does not tell what it must */
    struct amp_link *control;
    bool ready;
    bool served; /* was ready once, in this life or an earlier one */
    bool draining;
    bool punished; /* killed, and not buried yet */
    int64_t started_mono_ms;
    int64_t accused_mono_ms; /* when it last had another role punished; 0: never */
    unsigned quick_deaths;
    struct event *restart;
};

/* In the order of ending. A stage ends when its role has ended, or its time is over. */
enum amp_stage {
    AMP_STAGE_SERVE,
    AMP_STAGE_SETTLE,      /* told to end while a role was starting: nobody can finish without the others */
    AMP_STAGE_DRAIN_FRONT, /* what it pushes is finished as well: the courier lives longer */
    AMP_STAGE_DRAIN_COURIER,
    AMP_STAGE_DRAIN_KEEPER,
    AMP_STAGE_DRAIN_LOG,
    AMP_STAGE_DRAIN_SCRIBE,
    AMP_STAGE_END
};

/*
 * Whose signatures front may have accepted in an earlier life, after which its replay memory is empty: a date up to
 * this one can no more be known to be new (PROTOCOL 2.3).
 */
struct amp_horizon {
    int64_t closed_s;   /* for the first front; 0: nothing was accepted that could verify again */
    int64_t accepted_s; /* the highest date that front has told of */
    int64_t kept_s;     /* what the file says */
    int64_t clock_s;    /* the latest that the clock showed as front told of one */
    bool kept;          /* the KEK outlives the daemon, and so does the horizon */
    bool fronted;       /* there was a front before */
};

/* The files that say who resolves names. */
enum { AMP_NAMES_FILES = 2 };
struct amp_names {
    struct stat taken[AMP_NAMES_FILES]; /* as the courier found them */
    struct stat seen[AMP_NAMES_FILES];  /* at the last look */
    struct event *look;
};

struct amp_supervisor {
    const struct amp_options *options;
    struct amp_config config;
    uint8_t text[AMP_CONFIG_TEXT_MAX]; /* what `config` was read from */
    size_t text_len;
    struct amp_users users;
    struct amp_state state;
    struct amp_listen listen;
    struct amp_tls_files tls; /* the last good files */
    int push_ca;              /* see amp_push_roots_load */
    struct amp_key256 *kek;   /* ephemeral; NULL: another provider */
    struct amp_clock clock;
    struct event_base *base;
    struct amp_recorder *recorder;
    struct amp_child children[AMP_CHILDREN];
    int signal_fd;
    struct event *signal_event;
    struct event *stage_timer;
    struct event *admin_event;
    int admin_fd;
    struct amp_horizon horizon;
    struct amp_names names;
    uint64_t live_tokens; /* as front last said */
    uint64_t live_messages;
    uint64_t log_seq; /* as the scribe last said: the last durable record; 0: nothing said */
    uint8_t log_hash[32];
    enum amp_stage stage;
    bool served;         /* every role was ready once */
    struct amp_dev *dev; /* NULL: production */
    int status;
};

/*
 * Serves until told to end; returns the exit status. `supervisor` holds options, config, text, users, state, listen,
 * tls, push_ca and kek; everything else is set up and torn down here.
 */
int amp_supervisor_run(struct amp_supervisor *supervisor);

/* children.c: their lives. */
enum amp_err amp_child_start(struct amp_child *child) AMP_MUST_USE;
/* Reaps; tells amp_supervisor_child_ended of each of ours. */
void amp_children_reap(struct amp_supervisor *supervisor);
void amp_children_kill(struct amp_supervisor *supervisor);
bool amp_child_runs(const struct amp_child *child);
/* Its end is told as any other; nothing where it does not run. */
void amp_child_kill(struct amp_child *child);
void amp_child_send(struct amp_child *child, enum amp_ipc_type type, struct amp_slice payload, int fd);

/* What children.c tells supervisor.c. */
void amp_supervisor_child_ready(struct amp_child *child);
/* `well`: it was told to drain and ended with 0. Others are started again by children.c. */
void amp_supervisor_child_ended(struct amp_child *child, bool well);
void amp_supervisor_record(struct amp_supervisor *supervisor, enum amp_act act, enum amp_outcome outcome,
                           enum amp_err code, const char *who, const char *subject);
/* The same, with a count. */
void amp_supervisor_record_count(struct amp_supervisor *supervisor, enum amp_act act, enum amp_outcome outcome,
                                 enum amp_err code, const char *who, const char *subject, uint64_t count);
void amp_supervisor_stop(struct amp_supervisor *supervisor, int status);

/* horizon.c */
/* Before make_kek: reads the file. AMP_ERR_INVALID where it is damaged, AMP_ERR_IO. */
enum amp_err amp_horizon_open(struct amp_supervisor *supervisor) AMP_MUST_USE;
/* For a front that is about to start. */
int64_t amp_horizon_next(struct amp_supervisor *supervisor);
/*
 * Front has accepted this date; written where the clock would not say as much after a restart. False, and nothing
 * changed: no signature of that date can have been good, and later fronts would refuse all up to it.
 */
bool amp_horizon_note(struct amp_supervisor *supervisor, uint64_t accepted_s) AMP_MUST_USE;
void amp_horizon_close(struct amp_supervisor *supervisor);

/* names.c */
/* A courier is about to start and read them. */
void amp_names_take(struct amp_supervisor *supervisor);
/* From here on a courier that read what is there no more is ended, and another started. AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_names_watch(struct amp_supervisor *supervisor) AMP_MUST_USE;
void amp_names_close(struct amp_supervisor *supervisor);

/* reload.c */
void amp_supervisor_reload(struct amp_supervisor *supervisor);

/* socket.c: state/admin.sock. */
enum amp_err amp_admin_socket_open(struct amp_supervisor *supervisor) AMP_MUST_USE;
void amp_admin_socket_close(struct amp_supervisor *supervisor);

/* dev.c: development mode. */
struct amp_dev;
/* Certificate and key in the state directory, made or kept; removes dev.env. */
enum amp_err amp_dev_prepare(const struct amp_state *state) AMP_MUST_USE;
void amp_dev_banner(const char *url_address);
enum amp_err amp_dev_new(struct amp_dev **out, struct amp_supervisor *supervisor) AMP_MUST_USE;
void amp_dev_free(struct amp_dev *dev);
/* All roles are ready: makes the first principal and writes dev.env, once. */
void amp_dev_served(struct amp_dev *dev);

#endif
