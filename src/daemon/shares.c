#include "daemon/shares.h"

#include "ipc/recorder.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

enum share { VAULT, QUEUES, REPLAY, CONNECTIONS, BODIES, COURIER, RECORDS, TABLES, SHARE_COUNT };

/* What is shared out is counted in units; each takes so many bytes at most. */
static const struct {
    const char *key; /* the setting that says how many units; NULL: there is none */
    uint64_t unit_bytes;
    uint64_t least;
    uint64_t most;
    unsigned parts;          /* of what is left */
    uint64_t of_each_worker; /* beside `least` */
} shares[SHARE_COUNT] = {
    /* Tokens give way to as many bytes of idempotent answers, with which it may hold twice as much: store/vault. */
    [VAULT] = {"vault.memory_max", 2, 4 * MIB, 1024 * 1024 * MIB, 5, 0},
    [QUEUES] = {"queue.memory_max", 1, 4 * MIB, 1024 * 1024 * MIB, 3, 0},
    /* A slot of 16 bytes, in tables that are two ninths full at least: store/replay. */
    [REPLAY] = {"auth.replay_max", 72, 1000, 100000000, 5, 0},
    /* 32 KiB of the pool, for TLS; what net and front know of it. */
    [CONNECTIONS] = {"limits.max_connections", 36 * KIB, 64, 1000000, 4, 0},
    /* Requests and answers in the pool: of each worker two of the largest at least. */
    [BODIES] = {NULL, 1, 0, UINT64_MAX, 3, 16 * MIB},
    /* Its window's 64 MiB, and 300 attempts under way. */
    [COURIER] = {NULL, 1, 96 * MIB, 384 * MIB, 1, 0},
    /* Of front, while the event log hangs. */
    [RECORDS] = {NULL, 1, 0, UINT64_MAX, 0, AMP_RECORDER_BYTES_MAX},
    /* Sources, rates and day keys of front; keyring, subscriptions and records elsewhere. */
    [TABLES] = {NULL, 1, 32 * MIB, 32 * MIB, 0, 0},
};

/*
 * Descriptors of front that are no connections: those that every role is given, with twice as many as are opened for a
 * moment; and of each worker its loop, links, bell and mail, its sockets to listen on, and what it accepts to close it.
 */
enum { FILES_OF_PROCESS = 64, FILES_OF_WORKER = 16 };
enum { POOL_OF_CONNECTION = 32 << 10 };

static uint64_t of_workers(enum share share, const struct amp_config *config)
{
    return config->workers * shares[share].of_each_worker;
}

static uint64_t least(enum share share, const struct amp_config *config)
{
    return shares[share].least + of_workers(share, config);
}

static void read_counts(uint64_t counts[SHARE_COUNT], const struct amp_config *config)
{
    counts[VAULT] = config->vault.memory_max;
    counts[QUEUES] = config->queue.memory_max;
    counts[REPLAY] = config->auth.replay_max;
    counts[CONNECTIONS] = config->limits.max_connections;
    counts[BODIES] = counts[COURIER] = counts[RECORDS] = counts[TABLES] = 0;
}

static void write_counts(struct amp_config *config, const uint64_t counts[SHARE_COUNT])
{
    config->vault.memory_max = counts[VAULT];
    config->queue.memory_max = counts[QUEUES];
    config->auth.replay_max = (uint32_t)counts[REPLAY];
    config->limits.max_connections = (uint32_t)counts[CONNECTIONS];
    config->memory.bodies = counts[BODIES];
    config->memory.front_pool = counts[CONNECTIONS] * POOL_OF_CONNECTION + counts[BODIES];
    config->memory.courier_pool = counts[COURIER];
}

static void write_mib(struct amp_out *out, uint64_t bytes)
{
    amp_out_u64(out, (bytes + MIB - 1) / MIB);
    amp_out_str(out, " MiB");
}

static void explain(struct amp_out *why, const struct amp_config *config, const uint64_t counts[SHARE_COUNT],
                    uint64_t needed)
{
    amp_out_str(why, "of ");
    write_mib(why, config->memory.cap);
    amp_out_str(why, " is too little: ");
    for (size_t i = 0; i < SHARE_COUNT; i++) {
        if (counts[i] == 0)
            continue;
        amp_out_str(why, shares[i].key);
        amp_out_str(why, " takes ");
        write_mib(why, counts[i] * shares[i].unit_bytes);
        amp_out_str(why, ", ");
    }
    amp_out_u64(why, config->workers);
    amp_out_str(why, " workers take ");
    write_mib(why, of_workers(BODIES, config) + of_workers(RECORDS, config));
    amp_out_str(why, "; with the rest ");
    write_mib(why, needed);
    amp_out_str(why, " are needed");
}

bool amp_shares_of_files(struct amp_config *config, uint64_t open_files, struct amp_out *why)
{
    uint32_t named = config->limits.max_connections;
    uint64_t needed = named != 0 ? named : shares[CONNECTIONS].least;
    uint64_t others = FILES_OF_PROCESS + (uint64_t)config->workers * (FILES_OF_WORKER + config->listen.address_count);
    config->limits.connections_room = open_files > others ? open_files - others : 0;
    if (needed <= config->limits.connections_room)
        return true;
    amp_out_str(why, "of ");
    amp_out_u64(why, needed);
    amp_out_str(why, " is too much: RLIMIT_NOFILE allows ");
    amp_out_u64(why, open_files);
    amp_out_str(why, " open files, and ");
    amp_out_u64(why, others);
    amp_out_str(why, " of them are for other things");
    return false;
}

static uint64_t most(enum share share, const struct amp_config *config)
{
    uint64_t room = config->limits.connections_room;
    return share == CONNECTIONS && room < shares[share].most ? room : shares[share].most;
}

bool amp_shares_of_memory(struct amp_config *config, struct amp_out *why)
{
    uint64_t counts[SHARE_COUNT];
    uint64_t needed = 0;
    uint64_t parts = 0;
    read_counts(counts, config);
    for (enum share share = 0; share < SHARE_COUNT; share++) {
        needed += (counts[share] != 0 ? counts[share] : least(share, config)) * shares[share].unit_bytes;
        parts += counts[share] != 0 ? 0 : shares[share].parts;
    }
    if (needed > config->memory.cap) {
        explain(why, config, counts, needed);
        return false;
    }
    for (enum share share = 0; share < SHARE_COUNT; share++) {
        if (counts[share] != 0)
            continue;
        uint64_t more = (config->memory.cap - needed) / parts * shares[share].parts / shares[share].unit_bytes;
        counts[share] = least(share, config) + more;
        if (counts[share] > most(share, config))
            counts[share] = most(share, config);
    }
    write_counts(config, counts);
    return true;
}

/* Never 0. */
static uint32_t part(uint32_t whole, uint32_t parts, uint32_t of)
{
    uint32_t share = (uint32_t)((uint64_t)whole * parts / of);
    return share != 0 ? share : 1;
}

void amp_shares_of_connections(struct amp_config_limits *limits)
{
    uint32_t all = limits->max_connections;
    if (limits->max_connections_per_source == 0)
        limits->max_connections_per_source = part(all, 1, 10);
    if (limits->max_connections_per_principal == 0)
        limits->max_connections_per_principal = part(all, 1, 2);
    if (limits->max_requests_per_principal == 0)
        limits->max_requests_per_principal = part(all, 1, 4);
    if (limits->startups.full == 0)
        limits->startups = (struct amp_config_startups){part(all, 1, 5), 30, part(all, 4, 5) + 1};
}
