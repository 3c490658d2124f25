/*
 * libcurl's multi interface tells which sockets to watch and when to wake it; each event is handed back to it, and
 * behind each it is asked which transfers are over. Nothing is called back from within its own callbacks.
 *
 * Every attempt is an easy handle of its own, so that what it held is freed, and by that wiped, at its end. Connections
 * belong to the multi handle and are used again.
 */
#include "courier/deliverer.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/time.h>

#include "base/log.h"
#include "courier/curl.h"
#include "courier/fields.h"
#include "courier/resolver.h"
#include "courier/trust.h"

enum { CONNECTIONS_KEPT = 256, RETRY_AFTER_MAX_S = 24 * 3600 };
enum { HOST_MAX = 253, RESOLVED_TEXT_MAX = 2048 };
enum { UPLOAD_BYTES = 16384 }; /* the least libcurl takes; its default is four times that for each attempt */

struct amp_attempt {
    LIST_ENTRY(amp_attempt) next;
    struct amp_deliverer *deliverer;
    struct amp_lookup *lookup; /* NULL: there is none, or it is over */
    CURL *easy;
    struct curl_slist *fields;
    struct amp_resolved leads_to; /* where the name does, all of it permitted */
    struct curl_slist *resolved;  /* what libcurl is told of it */
    char host[HOST_MAX + 1];      /* a name; empty where the URL has an address */
    uint16_t port;
    bool https;
    bool opened;  /* a socket, to an address that the policy permits */
    bool refused; /* an address that it does not */
    bool starved; /* no socket could be had */
    bool stale;   /* the connection that was kept leads to where the name does no more */
    bool anew;    /* so another was asked for */
    bool cut;     /* the answer's body was longer than we read */
    int64_t began_ms;
    int64_t timeout_ms;
    size_t head_len;
    size_t body_len;
    void *ctx;
    void (*done)(void *ctx, const struct amp_attempt_result *result);
};

struct amp_deliverer {
    struct amp_deliverer_config config;
    CURLM *multi;
    struct event *timer;
    X509_STORE *trust;
    LIST_HEAD(, amp_attempt) attempts;
};

/* ---- what libcurl asks about one attempt ---- */

/* The one door to the network: whatever a URL or a name led to, only what the policy permits gets a socket. */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct amp_attempt *attempt = ctx;
    struct amp_deliverer *deliverer = attempt->deliverer;
    if (purpose != CURLSOCKTYPE_IPCXN ||
        !amp_policy_permits(deliverer->config.policy, &address->addr, address->addrlen, attempt->https)) {
        attempt->refused = true;
        return CURL_SOCKET_BAD;
    }
    attempt->opened = true;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    attempt->starved = fd < 0;
    return fd;
}

/* It would resolve a name by itself, in a thread: it was told the addresses, so it never should. */
static int on_resolve(void *resolver, void *unused, void *ctx)
{
    const struct amp_attempt *attempt = ctx;
    return attempt->host[0] != '\0';
}

static bool includes(const struct amp_resolved *resolved, const struct amp_address *address)
{
    for (size_t i = 0; i < resolved->count; i++) {
        const struct amp_address *one = &resolved->addresses[i];
        if (one->v4 == address->v4 && memcmp(one->bytes, address->bytes, sizeof(one->bytes)) == 0)
            return true;
    }
    return false;
}

/* A connection that was kept is to an address that was the name's then: it is used while that is one of the name's. */
static int on_connected(void *ctx, char *remote, char *local, int remote_port, int local_port)
{
    struct amp_attempt *attempt = ctx;
    struct amp_address to;
    attempt->stale = attempt->host[0] != '\0' &&
                     (amp_address_parse(&to, amp_slice_str(remote)) != AMP_OK || !includes(&attempt->leads_to, &to));
    return attempt->stale ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t on_head(char *bytes, size_t one, size_t len, void *ctx)
{
    struct amp_attempt *attempt = ctx;
    attempt->head_len += len;
    return attempt->head_len <= AMP_DELIVERER_ANSWER_MAX ? len : 0;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *ctx)
{
    struct amp_attempt *attempt = ctx;
    attempt->body_len += len;
    attempt->cut = attempt->body_len > AMP_DELIVERER_ANSWER_MAX;
    return attempt->cut ? 0 : len;
}

static CURLcode on_tls(CURL *easy, void *context, void *ctx)
{
    const struct amp_attempt *attempt = ctx;
    SSL_CTX_set1_cert_store(context, attempt->deliverer->trust);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    return CURLE_OK;
}

/* ---- an attempt ---- */

static bool set_target(struct amp_attempt *attempt, const struct amp_attempt_order *order)
{
    CURL *easy = attempt->easy;
    struct amp_url url;
    if (amp_url_parse(&url, amp_slice_str(order->url)) != AMP_OK)
        return false;
    attempt->https = url.https;
    attempt->port = url.port;
    if (!url.ipv4 && !url.ipv6) {
        if (url.host.len > HOST_MAX)
            return false;
        memcpy(attempt->host, url.host.ptr, url.host.len);
    }
    return curl_easy_setopt(easy, CURLOPT_URL, order->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                            attempt->deliverer->config.policy->dev ? "https,http" : "https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolve) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, attempt) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, attempt) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, attempt) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK && /* nor one that the environment names */
           curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
}

static bool set_tls(struct amp_attempt *attempt)
{
    CURL *easy = attempt->easy;
    return curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, "ECDHE+AESGCM:ECDHE+CHACHA20") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK && /* on_tls sets what is trusted */
           curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, attempt) == CURLE_OK;
}

static bool set_request(struct amp_attempt *attempt, const struct amp_attempt_order *order)
{
    CURL *easy = attempt->easy;
    return curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "Ampoule/" AMP_VERSION) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, attempt->fields) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BYTES) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)order->body.len) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, order->body.ptr) == CURLE_OK && /* not copied */
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, attempt) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, attempt) == CURLE_OK;
}

/* What is left of `most_ms` since the attempt began. libcurl takes 0 for no limit. */
static long left_ms(const struct amp_attempt *attempt, int64_t most_ms)
{
    int64_t left = attempt->began_ms + most_ms - amp_clock_mono_ms(&attempt->deliverer->config.clock);
    return left > 1 ? (long)left : 1;
}

static int64_t connect_ms(const struct amp_attempt *attempt)
{
    int64_t most_ms = attempt->deliverer->config.connect_ms;
    return most_ms < attempt->timeout_ms ? most_ms : attempt->timeout_ms;
}

/* Hands it to libcurl. False: no memory. */
static bool connect_to(struct amp_attempt *attempt)
{
    CURL *easy = attempt->easy;
    return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, left_ms(attempt, connect_ms(attempt))) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left_ms(attempt, attempt->timeout_ms)) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, attempt) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_RESOLVE, attempt->resolved) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, attempt->anew ? 1L : 0L) == CURLE_OK &&
           curl_multi_add_handle(attempt->deliverer->multi, easy) == CURLM_OK;
}

static void attempt_free(struct amp_attempt *attempt)
{
    LIST_REMOVE(attempt, next);
    amp_lookup_cancel(attempt->lookup);
    if (attempt->easy != NULL) {
        curl_multi_remove_handle(attempt->deliverer->multi, attempt->easy);
        curl_easy_cleanup(attempt->easy);
    }
    curl_slist_free_all(attempt->fields);
    curl_slist_free_all(attempt->resolved);
    free(attempt);
}

/* It is over: frees it, then tells. */
static void finish(struct amp_attempt *attempt, const struct amp_attempt_result *result)
{
    void *ctx = attempt->ctx;
    void (*done)(void *, const struct amp_attempt_result *) = attempt->done;
    attempt_free(attempt);
    done(ctx, result);
}

static bool permits_all(const struct amp_attempt *attempt, const struct amp_resolved *resolved)
{
    for (size_t i = 0; i < resolved->count; i++) {
        if (!amp_policy_permits_address(attempt->deliverer->config.policy, &resolved->addresses[i], attempt->port,
                                        attempt->https))
            return false;
    }
    return true;
}

/* libcurl has broken off what it was about to send by a stale connection, and closed that. False: no memory. */
static bool connect_anew(struct amp_attempt *attempt)
{
    attempt->anew = true;
    curl_multi_remove_handle(attempt->deliverer->multi, attempt->easy);
    attempt->stale = !connect_to(attempt);
    return !attempt->stale;
}

/* "+HOST:PORT:ADDRESS,[ADDRESS]"; "+": libcurl forgets it as it does what it resolved itself. */
static bool tell_addresses(struct amp_attempt *attempt, const struct amp_resolved *resolved)
{
    uint8_t storage[RESOLVED_TEXT_MAX];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_out_str(&out, "+");
    amp_out_str(&out, attempt->host);
    amp_out_str(&out, ":");
    amp_out_u64(&out, attempt->port);
    for (size_t i = 0; i < resolved->count; i++) {
        const struct amp_address *address = &resolved->addresses[i];
        char text[INET6_ADDRSTRLEN];
        if (inet_ntop(address->v4 ? AF_INET : AF_INET6, address->bytes, text, sizeof(text)) == NULL)
            return false;
        amp_out_str(&out, i == 0 ? ":" : ",");
        amp_out_str(&out, address->v4 ? "" : "[");
        amp_out_str(&out, text);
        amp_out_str(&out, address->v4 ? "" : "]");
    }
    amp_out_byte(&out, '\0');
    attempt->resolved = out.overflow ? NULL : curl_slist_append(NULL, (const char *)storage);
    return attempt->resolved != NULL;
}

static void on_looked_up(void *ctx, enum amp_err err, const struct amp_resolved *resolved)
{
    struct amp_attempt *attempt = ctx;
    struct amp_attempt_result result = {.err = AMP_ERR_PUSH_UNREACHABLE, .ours = err != AMP_ERR_NOT_FOUND};
    attempt->lookup = NULL;
    attempt->leads_to = *resolved;
    if (err == AMP_OK && !permits_all(attempt, resolved))
        result = (struct amp_attempt_result){.err = AMP_ERR_URL_REFUSED};
    else if (err == AMP_OK && tell_addresses(attempt, resolved) && connect_to(attempt))
        return;
    finish(attempt, &result);
}

static bool set_up_attempt(struct amp_attempt *attempt, const struct amp_attempt_order *order)
{
    const struct amp_clock *clock = &attempt->deliverer->config.clock;
    attempt->began_ms = amp_clock_mono_ms(clock);
    attempt->timeout_ms = order->timeout_ms;
    attempt->fields = amp_fields_new(order, amp_clock_unix_ms(clock) / 1000);
    attempt->easy = attempt->fields != NULL ? curl_easy_init() : NULL;
    return attempt->easy != NULL && set_target(attempt, order) && set_tls(attempt) && set_request(attempt, order);
}

static bool set_off(struct amp_attempt *attempt)
{
    if (attempt->host[0] == '\0')
        return connect_to(attempt);
    return amp_lookup_start(&attempt->lookup, attempt->deliverer->config.resolver, amp_slice_str(attempt->host),
                            connect_ms(attempt), attempt, on_looked_up) == AMP_OK;
}

static enum amp_err start(void *self, struct amp_attempt **out, const struct amp_attempt_order *order)
{
    struct amp_deliverer *deliverer = self;
    struct amp_attempt *attempt = calloc(1, sizeof(*attempt));
    *out = NULL;
    if (attempt == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    attempt->deliverer = deliverer;
    attempt->ctx = order->ctx;
    attempt->done = order->done;
    LIST_INSERT_HEAD(&deliverer->attempts, attempt, next);
    if (set_up_attempt(attempt, order) && set_off(attempt)) {
        *out = attempt;
        return AMP_OK;
    }
    attempt_free(attempt);
    return AMP_ERR_PUSH_UNREACHABLE;
}

static void cancel(void *self, struct amp_attempt *attempt)
{
    attempt_free(attempt);
}

/* Nothing was learnt of the endpoint: memory, descriptors, ports, or the way to anywhere near it were missing. */
static bool is_ours(const struct amp_attempt *attempt, CURLcode code)
{
    static const int ours[] = {ENETUNREACH, EHOSTUNREACH, ENETDOWN, EADDRNOTAVAIL, ENOBUFS, ENOMEM};
    long number = 0;
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_COULDNT_RESOLVE_HOST || attempt->starved || attempt->stale)
        return true;
    curl_easy_getinfo(attempt->easy, CURLINFO_OS_ERRNO, &number);
    for (size_t i = 0; code == CURLE_COULDNT_CONNECT && i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (number == ours[i])
            return true;
    }
    return false;
}

/* Seconds, or a date, as far as libcurl tells; of a number that it cannot hold it tells 0. */
static int64_t retry_after_ms_of(CURL *easy)
{
    curl_off_t told_s = 0;
    struct curl_header *field;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &told_s);
    if (told_s == 0 && curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &field) == CURLHE_OK) {
        const char *digits = field->value + strspn(field->value, "0");
        size_t count = strspn(digits, "0123456789");
        told_s = count != 0 && digits[count] == '\0' ? RETRY_AFTER_MAX_S : 0;
    }
    if (told_s < 0) /* a date that is past */
        told_s = 0;
    return (told_s < RETRY_AFTER_MAX_S ? (int64_t)told_s : RETRY_AFTER_MAX_S) * 1000;
}

/* An answer whose body we stopped reading is an answer; one that broke off is none. */
static struct amp_attempt_result judge(const struct amp_attempt *attempt, CURLcode code)
{
    struct amp_attempt_result result = {.err = AMP_ERR_PUSH_UNREACHABLE};
    long status = 0;
    if (code != CURLE_OK && !attempt->cut) {
        if (attempt->refused && !attempt->opened)
            result.err = AMP_ERR_URL_REFUSED;
        result.ours = result.err != AMP_ERR_URL_REFUSED && is_ours(attempt, code);
        return result;
    }
    curl_easy_getinfo(attempt->easy, CURLINFO_RESPONSE_CODE, &status);
    result.status = (uint32_t)status;
    result.retry_after_ms = retry_after_ms_of(attempt->easy);
    result.err = status >= 200 && status <= 299 ? AMP_OK : AMP_ERR_PUSH_REFUSED;
    return result;
}

/* ---- libcurl on the event loop ---- */

static void finish_attempts(struct amp_deliverer *deliverer)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(deliverer->multi, &left)) != NULL) {
        char *private = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct amp_attempt *attempt = (struct amp_attempt *)(void *)private;
        const struct amp_attempt_result result = judge(attempt, message->data.result);
        if (attempt->stale && !attempt->anew && connect_anew(attempt))
            continue;
        finish(attempt, &result); /* and the message with it */
    }
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_deliverer *deliverer = ctx;
    int running;
    int ready = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    if (curl_multi_socket_action(deliverer->multi, fd, ready, &running) != CURLM_OK)
        amp_log(AMP_LOG_WARN, "libcurl could not act on a socket");
    finish_attempts(deliverer);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct amp_deliverer *deliverer = ctx;
    int running;
    if (curl_multi_socket_action(deliverer->multi, CURL_SOCKET_TIMEOUT, 0, &running) != CURLM_OK)
        amp_log(AMP_LOG_WARN, "libcurl could not act on its timer");
    finish_attempts(deliverer);
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
    struct amp_deliverer *deliverer = ctx;
    const struct timeval when = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    return timeout_ms < 0 ? event_del(deliverer->timer) : event_add(deliverer->timer, &when);
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *ctx, void *watched)
{
    struct amp_deliverer *deliverer = ctx;
    struct event *event = NULL;
    if (watched != NULL)
        event_free(watched);
    if (what != CURL_POLL_REMOVE) {
        short wanted = (short)(((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
                               ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0) | EV_PERSIST);
        event = event_new(deliverer->config.base, fd, wanted, on_event, deliverer);
        if (event == NULL || event_add(event, NULL) != 0)
            amp_fatal("no memory to watch a socket");
    }
    return curl_multi_assign(deliverer->multi, fd, event) == CURLM_OK ? 0 : -1;
}

/* ---- the whole ---- */

static bool set_up_multi(struct amp_deliverer *deliverer)
{
    CURLM *multi = deliverer->multi;
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, deliverer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, deliverer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT) == CURLM_OK;
}

static enum amp_err set_up(struct amp_deliverer *deliverer)
{
    const struct amp_deliverer_config *config = &deliverer->config;
    const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;
    if (tls == NULL || strncmp(tls, "OpenSSL/", strlen("OpenSSL/")) != 0)
        return AMP_ERR_CRYPTO; /* on_tls speaks to no other */
    deliverer->timer = evtimer_new(config->base, on_timer, deliverer);
    deliverer->multi = curl_multi_init();
    if (deliverer->timer == NULL || deliverer->multi == NULL || !set_up_multi(deliverer))
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = amp_resolver_run(config->resolver, config->base, config->clock);
    return err != AMP_OK ? err : amp_trust_read(&deliverer->trust, config->ca_fd);
}

enum amp_err amp_deliverer_new(struct amp_deliverer **out, const struct amp_deliverer_config *config)
{
    struct amp_deliverer *deliverer = calloc(1, sizeof(*deliverer));
    *out = NULL;
    if (deliverer == NULL || !amp_curl_init()) {
        free(deliverer);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    deliverer->config = *config;
    LIST_INIT(&deliverer->attempts);
    enum amp_err err = set_up(deliverer);
    if (err == AMP_OK)
        *out = deliverer;
    else
        amp_deliverer_free(deliverer);
    return err;
}

void amp_deliverer_free(struct amp_deliverer *deliverer)
{
    if (deliverer == NULL)
        return;
    if (!LIST_EMPTY(&deliverer->attempts))
        amp_fatal("attempts are under way still");
    if (deliverer->multi != NULL)
        curl_multi_cleanup(deliverer->multi);
    if (deliverer->timer != NULL)
        event_free(deliverer->timer);
    X509_STORE_free(deliverer->trust);
    free(deliverer);
    curl_global_cleanup();
}

struct amp_transport amp_deliverer_transport(struct amp_deliverer *deliverer)
{
    static const struct amp_transport_ops ops = {.start = start, .cancel = cancel};
    return (struct amp_transport){&ops, deliverer};
}
