/*
 * Channels of c-ares are made before the process is confined: each reads the system's files, and the random bytes that
 * its questions' ids come from. A lookup takes the one that has least to do. Its sockets close when its last answer has
 * come, so the next asks from another port, which who would forge an answer has to guess (RFC 5452 section 4.5). One
 * that was not idle for long is asked nothing more until it is: a port that is used for ever could be found out. Where
 * all rest like that, lookups wait. c-ares can cancel a channel, not one lookup of many: a question that nobody waits
 * for any more runs on beside those that somebody waits for.
 */
#include "courier/resolver.h"

#include <ares.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/time.h>

#include "base/log.h"
#include "courier/hosts.h"

enum { NAME_MAX_LEN = 253 }; /* RFC 1035 section 2.3.4, as text without the last dot */
enum { TRY_MS = 1000, TRIES = 4, CHANNELS = 16 };
enum { PORT_MS = 10000, PORT_QUESTIONS = 64 }; /* that are asked from one port */
/* Answers are remembered for so long, or as they say where that is shorter: many messages for one endpoint are not many
 * questions. */
enum { MEMORIES = 256, MEMORY_MS = 5000 };

struct memory {
    char name[NAME_MAX_LEN + 1]; /* empty: none */
    int64_t until_ms;
    struct amp_resolved resolved;
};

/* One socket of c-ares. */
struct watch {
    SLIST_ENTRY(watch) next;
    ares_socket_t fd;
    struct event *event;
};

struct channel {
    ares_channel ares; /* NULL: not made */
    struct amp_resolver *resolver;
    size_t questions; /* under way, */
    size_t waited_for;
    size_t asked; /* since it was idle, which was then */
    int64_t since_ms;
    SLIST_HEAD(, watch) watches;
    struct event *retry; /* when c-ares wants to look at its clock */
};

/* What c-ares has under way. */
struct question {
    struct channel *channel;
    struct amp_lookup *lookup; /* NULL: nobody waits for it any more */
};

struct amp_resolver {
    struct event_base *base;
    struct amp_clock clock;
    bool blind; /* a file could not be read: what it would have said of a name is not known */
    struct amp_hosts *hosts;
    struct channel channels[CHANNELS];
    TAILQ_HEAD(, amp_lookup) waiting; /* for a channel */
    struct memory memories[MEMORIES];
};

struct amp_lookup {
    struct amp_resolver *resolver;
    struct question *question; /* NULL: none is under way */
    TAILQ_ENTRY(amp_lookup) turn;
    bool waits;
    struct event *end; /* the deadline, or at once where it is over */
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

static bool find_host(struct amp_lookup *lookup)
{
    struct amp_resolved *out = &lookup->resolved;
    const struct amp_hosts *hosts = lookup->resolver->hosts;
    struct amp_slice name = amp_slice_str(lookup->name);
    out->count = amp_hosts_find(hosts, name, false, out->addresses, AMP_RESOLVED_MAX);
    out->count += amp_hosts_find(hosts, name, true, out->addresses + out->count, AMP_RESOLVED_MAX - out->count);
    return out->count != 0;
}

/* ---- c-ares on the event loop ---- */

static void go_on_asking(struct amp_resolver *resolver);

/* Where nobody waits for any of a channel's questions any more, all are broken off. Not from within c-ares. */
static void forget(struct question *question)
{
    struct channel *channel = question->channel;
    question->lookup = NULL;
    channel->waited_for--;
    if (channel->waited_for == 0) {
        ares_cancel(channel->ares); /* frees them, by on_answer */
        go_on_asking(channel->resolver);
    }
}

static void wait_for_channel(struct amp_lookup *lookup)
{
    TAILQ_INSERT_TAIL(&lookup->resolver->waiting, lookup, turn);
    lookup->waits = true;
}

static void wait_no_more(struct amp_lookup *lookup)
{
    TAILQ_REMOVE(&lookup->resolver->waiting, lookup, turn);
    lookup->waits = false;
}

static void lookup_free(struct amp_lookup *lookup)
{
    if (lookup->waits)
        wait_no_more(lookup);
    if (lookup->question != NULL)
        forget(lookup->question);
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

static void wait_for_retry(struct channel *channel)
{
    struct timeval storage;
    const struct timeval *wait = ares_timeout(channel->ares, NULL, &storage);
    if (wait == NULL)
        event_del(channel->retry);
    else if (event_add(channel->retry, wait) != 0)
        amp_fatal("no memory for a timer");
}

static void process(struct channel *channel, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(channel->ares, readable, writable);
    wait_for_retry(channel);
    go_on_asking(channel->resolver);
}

static void on_socket(evutil_socket_t fd, short what, void *ctx)
{
    process(ctx, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD, (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
    process(ctx, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void unwatch(struct channel *channel, ares_socket_t fd)
{
    struct watch *watch;
    SLIST_FOREACH(watch, &channel->watches, next)
    {
        if (watch->fd != fd)
            continue;
        SLIST_REMOVE(&channel->watches, watch, watch, next);
        event_free(watch->event);
        free(watch);
        return;
    }
}

static void on_watch_wanted(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct channel *channel = ctx;
    short wanted = (short)((readable != 0 ? EV_READ : 0) | (writable != 0 ? EV_WRITE : 0) | EV_PERSIST);
    unwatch(channel, fd);
    if (readable == 0 && writable == 0)
        return;
    struct watch *watch = calloc(1, sizeof(*watch));
    if (watch != NULL) {
        watch->fd = fd;
        watch->event = event_new(channel->resolver->base, fd, wanted, on_socket, channel);
    }
    if (watch == NULL || watch->event == NULL || event_add(watch->event, NULL) != 0)
        amp_fatal("no memory to watch a socket");
    SLIST_INSERT_HEAD(&channel->watches, watch, next);
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

static void take_answer(struct amp_lookup *lookup, int status, const struct ares_addrinfo *answer)
{
    enum amp_err err = err_of(status);
    lookup->question->channel->waited_for--;
    lookup->question = NULL;
    if (lookup->over)
        return; /* its deadline is over, and about to be told */
    if (err == AMP_OK && answer != NULL) {
        take_addresses(&lookup->resolved, answer, AF_INET6);
        take_addresses(&lookup->resolved, answer, AF_INET);
        remember(lookup, ttl_ms_of(answer));
    }
    finish(lookup, err == AMP_OK && lookup->resolved.count == 0 ? AMP_ERR_NOT_FOUND : err);
}

/* It may come from within ares_getaddrinfo. */
static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct question *question = ctx;
    question->channel->questions--;
    if (question->lookup != NULL)
        take_answer(question->lookup, status, answer);
    free(question);
    if (answer != NULL)
        ares_freeaddrinfo(answer);
}

/* ---- lookups ---- */

/* Its port was used for long enough. */
static bool rests(const struct channel *channel, int64_t now_ms)
{
    return channel->questions != 0 && (channel->asked >= PORT_QUESTIONS || now_ms - channel->since_ms >= PORT_MS);
}

/* NULL where all rest. */
static struct channel *least_busy(struct amp_resolver *resolver, int64_t now_ms)
{
    struct channel *least = NULL;
    for (size_t i = 0; i < CHANNELS; i++) {
        struct channel *channel = &resolver->channels[i];
        if (!rests(channel, now_ms) && (least == NULL || channel->questions < least->questions))
            least = channel;
    }
    return least;
}

static void count_question(struct channel *channel, int64_t now_ms)
{
    if (channel->questions == 0) {
        channel->asked = 0;
        channel->since_ms = now_ms;
    }
    channel->questions++;
    channel->waited_for++;
    channel->asked++;
}

static enum amp_err ask(struct amp_lookup *lookup)
{
    /* libcurl tries both families beside each other: to sort them is not worth a socket for each. */
    static const struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int64_t now_ms = amp_clock_mono_ms(&lookup->resolver->clock);
    struct channel *channel = least_busy(lookup->resolver, now_ms);
    if (channel == NULL) {
        wait_for_channel(lookup);
        return AMP_OK;
    }
    struct question *question = calloc(1, sizeof(*question));
    if (question == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    *question = (struct question){channel, lookup};
    lookup->question = question;
    count_question(channel, now_ms);
    ares_getaddrinfo(channel->ares, lookup->name, NULL, &hints, on_answer, question);
    wait_for_retry(channel);
    return AMP_OK;
}

static enum amp_err look_up(struct amp_lookup *lookup)
{
    enum amp_err err = AMP_OK;
    if (is_this_machine(amp_slice_str(lookup->name)))
        lookup->resolved = this_machine;
    else if (lookup->resolver->blind)
        err = AMP_ERR_IO;
    else if (!find_host(lookup) && !recall(lookup))
        return ask(lookup);
    finish(lookup, err);
    return AMP_OK;
}

/* With those that wait, where a channel does not rest any more. */
static void go_on_asking(struct amp_resolver *resolver)
{
    struct amp_lookup *lookup;
    while ((lookup = TAILQ_FIRST(&resolver->waiting)) != NULL &&
           least_busy(resolver, amp_clock_mono_ms(&resolver->clock)) != NULL) {
        wait_no_more(lookup);
        enum amp_err err = look_up(lookup);
        if (err != AMP_OK)
            finish(lookup, err);
    }
}

static enum amp_err set_up(struct amp_lookup *lookup, int64_t timeout_ms)
{
    const struct timeval deadline = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    lookup->end = evtimer_new(lookup->resolver->base, on_end, lookup);
    return lookup->end != NULL && event_add(lookup->end, &deadline) == 0 ? AMP_OK : AMP_ERR_OUT_OF_MEMORY;
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

/* ---- the whole ---- */

static enum amp_err open_channel(struct channel *channel, const char *servers)
{
    char lookups[] = "b"; /* the name servers alone: the file of hosts is ours to read */
    struct ares_options options = {.flags = ARES_FLAG_NOALIASES,
                                   .timeout = TRY_MS,
                                   .tries = TRIES,
                                   .lookups = lookups,
                                   .sock_state_cb = on_watch_wanted,
                                   .sock_state_cb_data = channel};
    const int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&channel->ares, &options, given);
    if (status != ARES_SUCCESS)
        channel->ares = NULL;
    else if (servers != NULL)
        status = ares_set_servers_ports_csv(channel->ares, servers);
    return status == ARES_SUCCESS ? AMP_OK : err_of(status);
}

enum amp_err amp_resolver_new(struct amp_resolver **out, const char *servers)
{
    struct amp_resolver *resolver = calloc(1, sizeof(*resolver));
    *out = NULL;
    if (resolver == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(resolver);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    TAILQ_INIT(&resolver->waiting);
    enum amp_err err = amp_hosts_read(&resolver->hosts, AMP_HOSTS_FILE);
    for (size_t i = 0; err == AMP_OK && i < CHANNELS; i++) {
        resolver->channels[i].resolver = resolver;
        err = open_channel(&resolver->channels[i], servers);
    }
    if (err == AMP_ERR_OUT_OF_MEMORY) {
        amp_resolver_free(resolver);
        return err;
    }
    if (err != AMP_OK)
        amp_log(AMP_LOG_ERROR, "the file of hosts, or of name servers, cannot be read: no name is found until it can");
    resolver->blind = err != AMP_OK;
    *out = resolver;
    return AMP_OK;
}

enum amp_err amp_resolver_run(struct amp_resolver *resolver, struct event_base *base, struct amp_clock clock)
{
    resolver->base = base;
    resolver->clock = clock;
    for (size_t i = 0; i < CHANNELS; i++) {
        resolver->channels[i].retry = evtimer_new(base, on_retry, &resolver->channels[i]);
        if (resolver->channels[i].retry == NULL)
            return AMP_ERR_OUT_OF_MEMORY;
    }
    return AMP_OK;
}

void amp_resolver_free(struct amp_resolver *resolver)
{
    if (resolver == NULL)
        return;
    for (size_t i = 0; i < CHANNELS; i++) {
        struct channel *channel = &resolver->channels[i];
        if (channel->ares != NULL)
            ares_destroy(channel->ares); /* calls back for what is under way, and closes its sockets */
        if (channel->retry != NULL)
            event_free(channel->retry);
    }
    amp_hosts_free(resolver->hosts);
    free(resolver);
    ares_library_cleanup();
}
