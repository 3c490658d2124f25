#include "store/sources.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "crypto/crypto.h"

#define LOCKS 64

struct amp_source {
    struct amp_source *next;
    struct amp_source_key key;
    size_t connections;
    size_t vouched; /* of those, on which a principal was heard */
    int64_t penalty_until_ms;
    int64_t known_until_ms;
    _Atomic size_t pending; /* bytes */
    bool refused;           /* its penalty has passed the minimum */
};

struct amp_sources {
    struct amp_clock clock;
    uint64_t secret[2];
    pthread_mutex_t locks[LOCKS];
    struct amp_source *chains[AMP_SOURCES_CHAINS];
};

enum amp_err amp_sources_new(struct amp_sources **out, struct amp_clock clock)
{
    *out = NULL;
    struct amp_sources *sources = calloc(1, sizeof *sources);
    if (sources == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    sources->clock = clock;
    enum amp_err err = amp_random(sources->secret, sizeof sources->secret);
    if (err != AMP_OK) {
        free(sources);
        return err;
    }
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&sources->locks[i], NULL);
    *out = sources;
    return AMP_OK;
}

void amp_sources_free(struct amp_sources *sources)
{
    if (sources == NULL)
        return;
    for (size_t i = 0; i < AMP_SOURCES_CHAINS; i++) {
        for (struct amp_source *source = sources->chains[i], *next; source != NULL; source = next) {
            next = source->next;
            if (source->connections != 0)
                amp_fatal("a table of sources was freed while connections stand");
            free(source);
        }
    }
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&sources->locks[i]);
    free(sources);
}

static uint64_t mix(uint64_t word)
{
    word ^= word >> 32;
    word *= 0x9e3779b97f4a7c15u;
    return word ^ word >> 29;
}

static size_t chain_of(const struct amp_sources *sources, const struct amp_source_key *key)
{
    return mix(mix(key->words[0] ^ sources->secret[0]) ^ key->words[1] ^ sources->secret[1]) % AMP_SOURCES_CHAINS;
}

static pthread_mutex_t *lock_of(struct amp_sources *sources, size_t chain)
{
    return &sources->locks[chain % LOCKS];
}

/* Locks the chain; its time is the clock's now. */
static int64_t enter(struct amp_sources *sources, size_t chain)
{
    pthread_mutex_lock(lock_of(sources, chain));
    return amp_clock_mono_ms(&sources->clock);
}

static void leave(struct amp_sources *sources, size_t chain)
{
    pthread_mutex_unlock(lock_of(sources, chain));
}

/* Until when there is something to remember of one without connections. */
static int64_t until_ms(const struct amp_source *source)
{
    return source->penalty_until_ms > source->known_until_ms ? source->penalty_until_ms : source->known_until_ms;
}

static bool same(const struct amp_source_key *a, const struct amp_source_key *b)
{
    return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

/* NULL where it is not there. What there is nothing left to remember of is forgotten on the way. */
static struct amp_source *find(struct amp_source **chain, const struct amp_source_key *key, int64_t now_ms)
{
    struct amp_source *found = NULL;
    for (struct amp_source **link = chain, *source; (source = *link) != NULL;) {
        if (same(&source->key, key))
            found = source;
        if (found != source && source->connections == 0 && until_ms(source) <= now_ms) {
            *link = source->next;
            free(source);
        } else {
            link = &source->next;
        }
    }
    return found;
}

static bool goes_before(const struct amp_source *source, const struct amp_source *other, int64_t now_ms)
{
    bool known = now_ms < source->known_until_ms, other_known = now_ms < other->known_until_ms;
    return known != other_known ? other_known : until_ms(source) < until_ms(other);
}

/* Holds those without connections to their number: nobody's penalty, of whom there may be any number, takes the place
 * of who is known. */
static void make_room(struct amp_source **chain, int64_t now_ms)
{
    size_t resting = 0;
    struct amp_source **first = NULL;
    for (struct amp_source **link = chain; *link != NULL; link = &(*link)->next) {
        if ((*link)->connections != 0)
            continue;
        resting++;
        if (first == NULL || goes_before(*link, *first, now_ms))
            first = link;
    }
    if (resting <= AMP_SOURCES_RESTING_MAX)
        return;
    struct amp_source *source = *first;
    *first = source->next;
    free(source);
}

static struct amp_source *add(struct amp_source **chain, const struct amp_source_key *key)
{
    struct amp_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return NULL;
    source->key = *key;
    source->next = *chain;
    *chain = source;
    return source;
}

static bool is_penalised(const struct amp_source *source, int64_t now_ms)
{
    return source->refused && source->penalty_until_ms > now_ms;
}

/* Where a principal stands, others are behind the same address: for their sake it is not closed to it. */
static bool is_refused(const struct amp_source *source, const struct amp_source_limits *limits, int64_t now_ms)
{
    return limits->penalty_max_ms > 0 && source->vouched == 0 && is_penalised(source, now_ms);
}

enum amp_err amp_source_take(struct amp_source **out, struct amp_sources *sources, const struct amp_source_key *key,
                             const struct amp_source_limits *limits)
{
    *out = NULL;
    enum amp_err err = AMP_OK;
    size_t chain = chain_of(sources, key);
    int64_t now_ms = enter(sources, chain);
    struct amp_source *source = find(&sources->chains[chain], key, now_ms);
    if (source != NULL && is_refused(source, limits, now_ms))
        err = AMP_ERR_SOURCE_PENALISED;
    else if ((source == NULL ? 0 : source->connections) >= limits->max_connections)
        err = AMP_ERR_OVERLOADED;
    else if (source == NULL && (source = add(&sources->chains[chain], key)) == NULL)
        err = AMP_ERR_OUT_OF_MEMORY;
    if (err == AMP_OK) {
        source->connections++;
        *out = source;
    }
    leave(sources, chain);
    return err;
}

void amp_source_give(struct amp_sources *sources, struct amp_source *source, bool vouched)
{
    size_t chain = chain_of(sources, &source->key);
    int64_t now_ms = enter(sources, chain);
    if (source->connections == 0 || source->vouched < vouched)
        amp_fatal("a source gave back a connection it never took");
    if (vouched) {
        source->vouched--;
        source->known_until_ms = now_ms + AMP_SOURCE_KNOWN_MS;
    }
    if (--source->connections == 0)
        make_room(&sources->chains[chain], now_ms);
    leave(sources, chain);
}

void amp_source_penalise(struct amp_sources *sources, struct amp_source *source, enum amp_offence offence,
                         const struct amp_source_limits *limits)
{
    static const int64_t added_ms[] = {
#define OFFENCE_MS(name, ms) ms,
        AMP_OFFENCES(OFFENCE_MS)
#undef OFFENCE_MS
    };
    if (added_ms[offence] == 0)
        return;
    size_t chain = chain_of(sources, &source->key);
    int64_t now_ms = enter(sources, chain);
    if (source->penalty_until_ms <= now_ms) {
        source->penalty_until_ms = now_ms;
        source->refused = false;
    }
    source->penalty_until_ms += added_ms[offence];
    if (source->penalty_until_ms - now_ms > limits->penalty_max_ms)
        source->penalty_until_ms = now_ms + limits->penalty_max_ms;
    source->refused = source->refused || source->penalty_until_ms - now_ms > limits->penalty_min_ms;
    leave(sources, chain);
}

void amp_source_vouch(struct amp_sources *sources, struct amp_source *source)
{
    size_t chain = chain_of(sources, &source->key);
    (void)enter(sources, chain);
    source->vouched++;
    leave(sources, chain);
}

bool amp_source_known(struct amp_sources *sources, struct amp_source *source)
{
    size_t chain = chain_of(sources, &source->key);
    int64_t now_ms = enter(sources, chain);
    bool known = (source->vouched != 0 || now_ms < source->known_until_ms) && !is_penalised(source, now_ms);
    leave(sources, chain);
    return known;
}

void amp_source_charge(struct amp_source *source, size_t before_bytes, size_t now_bytes)
{
    atomic_fetch_add_explicit(&source->pending, now_bytes - before_bytes, memory_order_relaxed);
}

size_t amp_source_pending(const struct amp_source *source)
{
    return atomic_load_explicit(&source->pending, memory_order_relaxed);
}
