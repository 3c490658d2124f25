/*
 * The daemon's configuration as values that were checked already: a role that is handed one need not doubt it. Read
 * from YAML in room daemon (daemon/config.h), by the supervisor and then again, from the same text, by every role.
 */
#ifndef AMP_BASE_CONFIG_H
#define AMP_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

#define AMP_CONFIG_PATH_MAX       1024 /* with its NUL */
#define AMP_CONFIG_ADDRESS_MAX    64   /* "[2001:db8::1]:8443" with its NUL */
#define AMP_CONFIG_ADDRESSES_MAX  8
#define AMP_CONFIG_WORKERS_MAX    64
#define AMP_CONFIG_QUEUES_MAX     64
#define AMP_CONFIG_QUEUE_NAME_MAX 81 /* with its NUL */
#define AMP_CONFIG_PUSH_ALLOW_MAX 32
#define AMP_CONFIG_USER_MAX       33 /* with its NUL */
#define AMP_CONFIG_EXEMPT_MAX     32

enum amp_config_provider { AMP_CONFIG_PROVIDER_EPHEMERAL, AMP_CONFIG_PROVIDER_FILE };
enum amp_config_engine { AMP_CONFIG_ENGINE_MEMORY };

struct amp_config_listen {
    char address[AMP_CONFIG_ADDRESSES_MAX][AMP_CONFIG_ADDRESS_MAX]; /* numeric, as "127.0.0.1:8443", "[::1]:8443" */
    uint32_t address_count;                                         /* at least 1 */
    uint32_t backlog;
    char cert[AMP_CONFIG_PATH_MAX]; /* absolute paths; roles are handed the open files instead */
    char key[AMP_CONFIG_PATH_MAX];
    char client_ca[AMP_CONFIG_PATH_MAX]; /* "": no client certificates */
};

struct amp_config_limits {
    int64_t handshake_ms; /* from accept to the end of the TLS handshake */
    int64_t header_ms;    /* from a request's first byte to the end of its header */
    int64_t body_ms;      /* from there to the end of its body */
    int64_t request_ms;   /* from there to the end of its answer */
    int64_t idle_ms;      /* a kept-alive connection between requests */
    uint32_t max_connections;
    uint64_t connections_room; /* so many descriptors are left for them; at least max_connections */
    uint32_t max_connections_per_source;
    uint32_t max_connections_per_principal;
    uint32_t max_requests_per_principal; /* that wait for something */
    struct amp_config_startups {
        uint32_t start, rate, full; /* start < full, rate at most 100 */
    } startups;                     /* connections on which no signature has verified, as OpenSSH's MaxStartups */
    int64_t penalty_min_ms;         /* a source is refused from when more than this stands on it */
    int64_t penalty_max_ms;         /* 0: no penalties */
    /* Sources that many share: "10.0.0.7", "10.1.0.0/16", "[fd00::]/8" */
    char exempt[AMP_CONFIG_EXEMPT_MAX][AMP_CONFIG_ADDRESS_MAX];
    uint32_t exempt_count;
};

struct amp_config {
    bool dev; /* development mode: memory may stay unlocked, loopback only */
    enum amp_log_level log_level;
    uint32_t workers; /* event loops of front, 1 to AMP_CONFIG_WORKERS_MAX */
    char state[AMP_CONFIG_PATH_MAX];
    struct amp_config_listen listen;
    struct {
        int64_t clock_skew_ms; /* at most 900000 */
        uint32_t replay_max;   /* signatures remembered at once */
    } auth;
    struct {
        int64_t ttl_ms;      /* default life of a token */
        int64_t ttl_max_ms;  /* at most 900000 */
        uint64_t memory_max; /* bytes */
    } vault;
    struct {
        bool bin8; /* show the first 8 digits of numbers of 16 and more */
    } mask;
    struct {
        enum amp_config_engine engine;
        uint64_t memory_max; /* bytes of queues and messages */
        uint32_t max_queues;
        char names[AMP_CONFIG_QUEUES_MAX][AMP_CONFIG_QUEUE_NAME_MAX]; /* made at start, with default attributes */
        uint32_t name_count;
    } queue;
    struct {
        /* Exceptions to the SSRF rules: "10.1.0.0/16", "[fd00::]/8", "127.0.0.1", each with or without ":PORT". */
        char allow[AMP_CONFIG_PUSH_ALLOW_MAX][AMP_CONFIG_ADDRESS_MAX];
        uint32_t allow_count;
        char ca[AMP_CONFIG_PATH_MAX]; /* PEM roots that endpoints' certificates must lead to; "": the system's */
        int64_t connect_ms;
        int64_t timeout_ms;       /* of one attempt, connecting included */
        int64_t disable_after_ms; /* a subscription that failed for so long is disabled */
        uint32_t concurrency;     /* attempts under way at once, to one scheme, host and port */
    } push;
    struct {
        enum amp_config_provider provider;
        char file[AMP_CONFIG_PATH_MAX]; /* where provider is file */
        int64_t forget_after_ms;        /* so long after its end a principal's key is listed, and then forgotten */
    } keys;
    struct amp_config_limits limits;
    struct {
        uint64_t cap; /* bytes of all processes, but for 64 MiB of programs, stacks and what allocators keep */
        /* Shares of it, beside vault.memory_max, queue.memory_max, auth.replay_max, limits.max_connections: */
        uint64_t bodies;       /* requests and answers, in front's pool */
        uint64_t front_pool;   /* these, and TLS's memory of each connection */
        uint64_t courier_pool; /* messages and attempts under way */
    } memory;
    struct {
        bool separate;                   /* each role has a user of its own; else all have the supervisor's */
        bool required;                   /* a kernel without seccomp or Landlock is refused */
        char front[AMP_CONFIG_USER_MAX]; /* names or numbers */
        char keeper[AMP_CONFIG_USER_MAX];
        char scribe[AMP_CONFIG_USER_MAX];
        char courier[AMP_CONFIG_USER_MAX];
    } sandbox;
};

#endif
