/*
 * Each lookup has a channel of its own: c-ares can cancel a channel, not one lookup of many. So each reads the system's
 * configuration as it is now, and asks from a port of its own, which who would forge an answer has to guess.
 */
#include "courier/resolver.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"

enum { NAME_MAX_LEN = 253 }; /* RFC 1035 section 2.3.4, as text without the last dot */
enum { TRY_MS = 1000, TRIES = 4 };
/* Answers are remembered for so long, or as they say where that is shorter: many messages for one endpoint are not many
 * questions. */
enum { MEMORIES = 256, MEMORY_MS = 5000 };

/* What c-ares reads for each lookup. */
static const char *const files[] = {"/etc/resolv.conf", "/etc/hosts"};
enum { FILES = sizeof(files) / sizeof(files[0]) };

struct memory {
    char name[NAME_MAX_LEN + 1]; /* empty: none */
    int64_t until_ms;
    struct amp_resolved resolved;
};

struct amp_resolver {
    struct event_base *base;
    struct amp_clock clock;
    const char *servers;
    bool readable[FILES];
    struct memory memories[MEMORIES];
};

/* One socket of c-ares. */
struct watch {
    SLIST_ENTRY(watch) next;
    ares_socket_t fd;
    struct event *event;
};

struct amp_lookup {
    struct amp_resolver *resolver;
    ares_channel channel; /* NULL: none was needed */
    SLIST_HEAD(, watch) watches;
    struct event *retry; /* when c-ares wants to look at its clock */
    struct event *end;   /* the deadline, or at once where it is over */
    bool over;
    enum amp_err err;
    struct amp_resolved resolved;
    char name[NAME_MAX_LEN + 1];
    void *ctx;
    void (*done)(void *ctx, enum amp_err err, const struct amp_resolved *resolved);
};

/* ---- what was answered before ---- */

/* FNV-1a. */
static struct memory *memory_of(struct amp_resolver *resolver, const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return &resolver->memories[hash % MEMORIES];
}

static bool recall(struct amp_lookup *lookup)
{
    const struct memory *memory = memory_of(lookup->resolver, lookup->name);
    if (strcmp(memory->name, lookup->name) != 0 || amp_clock_mono_ms(&lookup->resolver->clock) >= memory->until_ms)
        return false;
    lookup->resolved = memory->resolved;
    return true;
}

static void remember(struct amp_lookup *lookup, int64_t ttl_ms)
{
    struct memory *memory = memory_of(lookup->resolver, lookup->name);
    if (ttl_ms <= 0)
        return;
    memcpy(memory->name, lookup->name, sizeof(memory->name));
    memory->resolved = lookup->resolved;
    memory->until_ms = amp_clock_mono_ms(&lookup->resolver->clock) + (ttl_ms < MEMORY_MS ? ttl_ms : MEMORY_MS);
}

/* ---- this machine ---- */

static bool is_this_machine(struct amp_slice name)
{
    static const char top[] = "localhost";
    const size_t len = sizeof(top) - 1;
    return name.len >= len && amp_slice_is(amp_slice(name.ptr + name.len - len, len), top) &&
           (name.len == len || name.ptr[name.len - len - 1] == '.');
}

static const struct amp_resolved this_machine = {
    .count = 2,
    .addresses = {{.v4 = false, .bytes = {[15] = 1}}, {.v4 = true, .bytes = {127, 0, 0, 1}}},
};

/* ---- c-ares on the event loop ---- */

static void lookup_free(struct amp_lookup *lookup)
{
    lookup->over = true; /* c-ares calls back for what it destroys */
    if (lookup->channel != NULL)
        ares_destroy(lookup->channel);
    if (lookup->retry != NULL)
        event_free(lookup->retry);
    if (lookup->end != NULL)
        event_free(lookup->end);
    free(lookup);
}

static void on_end(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_lookup *lookup = ctx;
    const struct amp_resolved resolved = lookup->resolved;
    enum amp_err err = lookup->err;
    void (*done)(void *, enum amp_err, const struct amp_resolved *) = lookup->done;
    ctx = lookup->ctx;
    lookup_free(lookup);
    done(ctx, err, &resolved);
}

static void finish(struct amp_lookup *lookup, enum amp_err err)
{
    lookup->over = true;
    lookup->err = err;
    event_active(lookup->end, EV_TIMEOUT, 0);
}

static void wait_for_retry(struct amp_lookup *lookup)
{
    struct timeval storage;
    const struct timeval *wait = lookup->over ? NULL : ares_timeout(lookup->channel, NULL, &storage);
    if (wait != NULL && event_add(lookup->retry, wait) != 0)
        amp_fatal("no memory for a timer");
}

static void on_socket(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_lookup *lookup = ctx;
    ares_process_fd(lookup->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    wait_for_retry(lookup);
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_lookup *lookup = ctx;
    ares_process_fd(lookup->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    wait_for_retry(lookup);
}

static void unwatch(struct amp_lookup *lookup, ares_socket_t fd)
{
    struct watch *watch;
    SLIST_FOREACH(watch, &lookup->watches, next)
    {
        if (watch->fd != fd)
            continue;
        SLIST_REMOVE(&lookup->watches, watch, watch, next);
        event_free(watch->event);
        free(watch);
        return;
    }
}

static void on_watch_wanted(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct amp_lookup *lookup = ctx;
    short wanted = (short)((readable != 0 ? EV_READ : 0) | (writable != 0 ? EV_WRITE : 0) | EV_PERSIST);
    unwatch(lookup, fd);
    if (readable == 0 && writable == 0)
        return;
    struct watch *watch = calloc(1, sizeof(*watch));
    if (watch != NULL) {
        watch->fd = fd;
        watch->event = event_new(lookup->resolver->base, fd, wanted, on_socket, lookup);
    }
    if (watch == NULL || watch->event == NULL || event_add(watch->event, NULL) != 0)
        amp_fatal("no memory to watch a socket");
    SLIST_INSERT_HEAD(&lookup->watches, watch, next);
}

/* ---- answers ---- */

static void take_addresses(struct amp_resolved *out, const struct ares_addrinfo *answer, int family)
{
    for (const struct ares_addrinfo_node *node = answer->nodes; node != NULL; node = node->ai_next) {
        struct amp_address address = {.v4 = family == AF_INET};
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        if (node->ai_family != family || out->count == AMP_RESOLVED_MAX)
            continue;
        if (address.v4) {
            memcpy(&v4, node->ai_addr, sizeof(v4));
            memcpy(address.bytes, &v4.sin_addr, sizeof(v4.sin_addr));
        } else {
            memcpy(&v6, node->ai_addr, sizeof(v6));
            memcpy(address.bytes, &v6.sin6_addr, sizeof(v6.sin6_addr));
        }
        out->addresses[out->count++] = address;
    }
}

/* The least of all. */
static int64_t ttl_ms_of(const struct ares_addrinfo *answer)
{
    int64_t ttl_s = MEMORY_MS / 1000;
    for (const struct ares_addrinfo_node *node = answer->nodes; node != NULL; node = node->ai_next)
        ttl_s = node->ai_ttl < ttl_s ? node->ai_ttl : ttl_s;
    return ttl_s * 1000;
}

static enum amp_err err_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return AMP_OK;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_ENONAME:
    case ARES_EBADNAME:
        return AMP_ERR_NOT_FOUND;
    case ARES_ENOMEM:
        return AMP_ERR_OUT_OF_MEMORY;
    default: /* a name server that fails, refuses, talks nonsense, or does not answer */
        return AMP_ERR_IO;
    }
}

/* It may come from within ares_getaddrinfo. */
static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct amp_lookup *lookup = ctx;
    enum amp_err err = err_of(status);
    if (!lookup->over && err == AMP_OK && answer != NULL) {
        take_addresses(&lookup->resolved, answer, AF_INET6);
        take_addresses(&lookup->resolved, answer, AF_INET);
        remember(lookup, ttl_ms_of(answer));
    }
    if (!lookup->over)
        finish(lookup, err == AMP_OK && lookup->resolved.count == 0 ? AMP_ERR_NOT_FOUND : err);
    if (answer != NULL)
        ares_freeaddrinfo(answer);
}

/* ---- lookups ---- */

static bool is_readable(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno != EACCES;
    close(fd);
    return true;
}

/* The sandbox allows the files that were there as it was entered. Another one in the place of one of them is for a
 * courier that starts anew. */
static void check_files(const struct amp_resolver *resolver)
{
    for (size_t i = 0; i < FILES; i++) {
        if (resolver->readable[i] && !is_readable(files[i]))
            amp_fatal("the file of hosts, or of name servers, was replaced: it takes a new courier to read it");
    }
}

static enum amp_err open_channel(struct amp_lookup *lookup)
{
    const char *servers = lookup->resolver->servers;
    char lookups[] = "fb"; /* the file of hosts, then the name servers */
    struct ares_options options = {.flags = ARES_FLAG_NOALIASES,
                                   .timeout = TRY_MS,
                                   .tries = TRIES,
                                   .lookups = lookups,
                                   .sock_state_cb = on_watch_wanted,
                                   .sock_state_cb_data = lookup};
    const int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&lookup->channel, &options, given);
    if (status != ARES_SUCCESS)
        lookup->channel = NULL;
    else if (servers != NULL)
        status = ares_set_servers_ports_csv(lookup->channel, servers);
    return status == ARES_SUCCESS ? AMP_OK : err_of(status);
}

static enum amp_err ask(struct amp_lookup *lookup)
{
    /* libcurl tries both families beside each other: to sort them is not worth a socket for each. */
    static const struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    check_files(lookup->resolver);
    enum amp_err err = open_channel(lookup);
    if (err != AMP_OK)
        return err;
    ares_getaddrinfo(lookup->channel, lookup->name, NULL, &hints, on_answer, lookup);
    wait_for_retry(lookup);
    return AMP_OK;
}

static enum amp_err look_up(struct amp_lookup *lookup)
{
    bool here = is_this_machine(amp_slice_str(lookup->name));
    if (here)
        lookup->resolved = this_machine;
    if (!here && !recall(lookup))
        return ask(lookup);
    finish(lookup, AMP_OK);
    return AMP_OK;
}

static enum amp_err set_up(struct amp_lookup *lookup, int64_t timeout_ms)
{
    const struct timeval deadline = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    struct event_base *base = lookup->resolver->base;
    lookup->retry = evtimer_new(base, on_retry, lookup);
    lookup->end = evtimer_new(base, on_end, lookup);
    if (lookup->retry == NULL || lookup->end == NULL || event_add(lookup->end, &deadline) != 0)
        return AMP_ERR_OUT_OF_MEMORY;
    return AMP_OK;
}

enum amp_err amp_lookup_start(struct amp_lookup **out, struct amp_resolver *resolver, struct amp_slice name,
                              int64_t timeout_ms, void *ctx,
                              void (*done)(void *ctx, enum amp_err err, const struct amp_resolved *resolved))
{
    struct amp_lookup *lookup = calloc(1, sizeof(*lookup));
    *out = NULL;
    if (lookup == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    lookup->resolver = resolver;
    lookup->err = AMP_ERR_IO;
    lookup->ctx = ctx;
    lookup->done = done;
    enum amp_err err = set_up(lookup, timeout_ms);
    if (err == AMP_OK && name.len > NAME_MAX_LEN) {
        finish(lookup, AMP_ERR_NOT_FOUND);
    } else if (err == AMP_OK) {
        memcpy(lookup->name, name.ptr, name.len);
        err = look_up(lookup);
    }
    if (err == AMP_OK)
        *out = lookup;
    else
        lookup_free(lookup);
    return err;
}

void amp_lookup_cancel(struct amp_lookup *lookup)
{
    if (lookup != NULL)
        lookup_free(lookup);
}

enum amp_err amp_resolver_new(struct amp_resolver **out, struct event_base *base, struct amp_clock clock,
                              const char *servers)
{
    struct amp_resolver *resolver = calloc(1, sizeof(*resolver));
    *out = NULL;
    if (resolver == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(resolver);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    resolver->base = base;
    resolver->clock = clock;
    resolver->servers = servers;
    for (size_t i = 0; i < FILES; i++)
        resolver->readable[i] = is_readable(files[i]);
    *out = resolver;
    return AMP_OK;
}

void amp_resolver_free(struct amp_resolver *resolver)
{
    if (resolver == NULL)
        return;
    free(resolver);
    ares_library_cleanup();
}
