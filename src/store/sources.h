/*
 * Where connections come from, for all workers: how many connections each source holds, how much of the memory for
 * unfinished requests, what it did wrong lately, and whether a principal was heard from it. A source is what the caller
 * makes one: an IPv4 address, an IPv6 /64.
 *
 * Penalties follow OpenSSH's PerSourcePenalties (sshd_config(5)): each offence adds time, and from when more than a
 * minimum stands on a source until it has run out, it is refused; but while a principal's connection stands there, it
 * is merely unknown: behind one address there may be others than who offends. Locks are striped and taken when a
 * connection comes, goes, offends or is verified first: never for a request.
 */
#ifndef AMP_STORE_SOURCES_H
#define AMP_STORE_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/err.h"

#define AMP_SOURCES_CHAINS      8192
#define AMP_SOURCES_RESTING_MAX 8 /* without a connection, remembered in one chain: 65,536 in all */
#define AMP_SOURCE_KNOWN_MS     (10 * 60 * 1000)

/* X(NAME, what it adds, in milliseconds) */
#define AMP_OFFENCES(X)                                                                                                \
    X(NONE, 0)                                                                                                         \
    X(SIGNATURE, 5000) /* a request that nobody's signature was good for */                                            \
    X(MALFORMED, 5000) /* what is no request, or is larger than allowed */                                             \
    X(DEADLINE, 10000) /* a handshake, head or body that did not come in time */                                       \
    X(STRAY, 1000)     /* a handshake that failed or was for nothing; a path that is not there; answers not taken */
enum amp_offence {
#define AMP_OFFENCE_ENUM(name, ms) AMP_OFFENCE_##name,
    AMP_OFFENCES(AMP_OFFENCE_ENUM)
#undef AMP_OFFENCE_ENUM
        AMP_OFFENCE_COUNT_
};

struct amp_source_key {
    uint64_t words[2];
};

struct amp_source_limits {
    size_t max_connections;
    int64_t penalty_min_ms;
    int64_t penalty_max_ms; /* 0: no penalties */
};

struct amp_sources;
struct amp_source; /* one source, for as long as a connection of its stands */
/* AMP_ERR_CRYPTO: no randomness; AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_sources_new(struct amp_sources **out, struct amp_clock clock) AMP_MUST_USE;
/* Every connection was given back. */
void amp_sources_free(struct amp_sources *sources);

/*
 * One connection more. AMP_ERR_SOURCE_PENALISED; AMP_ERR_OVERLOADED where the source holds limits->max_connections;
 * AMP_ERR_OUT_OF_MEMORY. Keys are hashed under a random one: nobody can choose addresses that collide. Where there is
 * no room to remember, the sources without connections whose time is over first are forgotten, known ones last.
 */
enum amp_err amp_source_take(struct amp_source **out, struct amp_sources *sources, const struct amp_source_key *key,
                             const struct amp_source_limits *limits) AMP_MUST_USE;
/* `vouched`: amp_source_vouch was called for this connection. */
void amp_source_give(struct amp_sources *sources, struct amp_source *source, bool vouched);
/* The offence's time on top of what stands, at most limits->penalty_max_ms in all. */
void amp_source_penalise(struct amp_sources *sources, struct amp_source *source, enum amp_offence offence,
                         const struct amp_source_limits *limits);
/*
 * A principal was heard on this connection: its source is known while that stands, and AMP_SOURCE_KNOWN_MS longer, but
 * for the time that it is penalised.
 */
void amp_source_vouch(struct amp_sources *sources, struct amp_source *source);
bool amp_source_known(struct amp_sources *sources, struct amp_source *source);
/* Its connection holds `now_bytes` instead of `before_bytes`. */
void amp_source_charge(struct amp_source *source, size_t before_bytes, size_t now_bytes);
size_t amp_source_pending(const struct amp_source *source); /* bytes that all of its connections hold */

#endif
