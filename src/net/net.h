/*
 * TLS and HTTP/1.1 for one worker thread: accepts, reads whole requests, hands each over once, writes the answer.
 * Keep-alive, pipelining (answers in order), chunked bodies, Expect: 100-continue, a deadline for every phase.
 * Bodies are read into, and answers built in, secret memory and wiped as soon as they are done with; an idle
 * connection holds no buffer.
 */
#ifndef AMP_NET_NET_H
#define AMP_NET_NET_H

#include "base/address.h"
#include "base/clock.h"
#include "secret/secret.h"
#include "store/sources.h"
#include "wire/http1.h"

struct event_base;

/* The TLS side, shared by all workers and replaced whole on reload. Reference counted; any thread. */
struct amp_tls;
struct amp_tls_config {
    int cert_fd;      /* PEM chain; read from its start, left open */
    int key_fd;       /* PEM private key */
    int client_ca_fd; /* PEM roots for client certificates, which are then required; -1: none asked for */
};
/* TLS 1.2 and 1.3, AEAD suites only, no renegotiation, no compression, plaintext cleansed behind each read. */
enum amp_err amp_tls_new(struct amp_tls **out, const struct amp_tls_config *config) AMP_MUST_USE;
struct amp_tls *amp_tls_ref(struct amp_tls *tls);
void amp_tls_unref(struct amp_tls *tls);

/*
 * How many connections may stand on which no signature has verified yet, as OpenSSH's MaxStartups (sshd_config(5)):
 * from `start` on `rate` per cent of new ones are closed at once, rising to all of them at `full`.
 */
struct amp_net_startups {
    uint32_t start, rate, full;
};

#define AMP_NET_EXEMPT_MAX 32

struct amp_net_limits {
    int64_t handshake_ms;                 /* from accept to the end of the handshake: 5000 */
    int64_t head_ms;                      /* from a head's first byte to its last: 5000 */
    int64_t body_ms;                      /* from the head's end to the body's: 10000 */
    int64_t request_ms;                   /* for us to answer a complete request: 15000 */
    int64_t write_ms;                     /* for the peer to take an answer: 10000 */
    int64_t idle_ms;                      /* between requests: 60000 */
    size_t max_connections;               /* of all workers; one more is closed at once and counted */
    size_t max_connections_per_source;    /* of all workers, per address (/64 for IPv6) */
    size_t max_connections_per_principal; /* of all workers, on which its signature verified last */
    size_t max_requests_per_principal;    /* of all workers, that wait for something */
    struct amp_net_startups startups;
    /* Of the process's secret memory. While more is held nobody new is let in, and no handshake goes on, but from
     * sources that a principal was heard from: unfinished handshakes are not to fill it. */
    size_t max_secret_bytes_of_strangers;
    int64_t penalty_min_ms; /* see store/sources.h */
    int64_t penalty_max_ms;
    struct amp_address_rule exempt[AMP_NET_EXEMPT_MAX]; /* where many come from: never taken for one source */
    size_t exempt_count;
    /* per worker: memory that unfinished requests hold beyond the first 8 KiB of each: 64 MiB. What would need more
     * gets AMP_ERR_OVERLOADED: strangers are not to fill the pool, and there is room to answer. */
    size_t max_pending_bytes;
    size_t max_pending_bytes_per_source; /* the same, of all workers, for one source */
    /* per worker: the same for answers that their peers do not take: 32 MiB. Behind that those are cut off, by a reset,
     * that have been at theirs the longest. */
    size_t max_untaken_bytes;
};

/* One request on one connection, from its arrival to its answer. */
struct amp_net_exchange;

struct amp_net_request {
    const struct amp_http1_head *head;
    uint8_t *body; /* writable, in secret memory; dechunked */
    size_t body_len;
    uint64_t connection_id;  /* unique in this process */
    uint64_t request_id;     /* random, never 0 */
    struct amp_slice source; /* "127.0.0.1:4242", "[::1]:4242" */
};

#define AMP_NET_STRIKES_MAX 10

struct amp_net_response {
    int status;
    const char *content_type; /* NULL where there is no body */
    struct amp_slice body;    /* copied */
    const char *allow;        /* Allow, or NULL */
    const char *query_error;  /* x-amzn-query-error, or NULL */
    bool challenge;           /* WWW-Authenticate: AWS4-HMAC-SHA256 */
    uint32_t retry_after_s;   /* Retry-After, where not 0 */
    bool close;               /* close behind this answer */
    bool faulty;              /* a refusal that its principal could have known: its work counts several times */
    bool strike;              /* a refusal that a connection gets AMP_NET_STRIKES_MAX times, and then is closed */
    enum amp_offence offence; /* what its source is penalised for, where no principal is known on the connection */
    uint64_t request_id;      /* X-Request-Id, 16 hex digits */
    bool amazon;              /* the same as x-amzn-RequestId, which is where AWS's SDKs look for it */
};

struct amp_net_handler {
    void *ctx;
    /*
     * Called when a head is complete, before any of its body is read: what may follow? AMP_OK and *max_body, or the
     * refusal to answer with at once (the connection is closed behind it where a body would follow).
     */
    enum amp_err (*head)(void *ctx, const struct amp_http1_head *head, size_t *max_body);
    /*
     * Called once per complete request. It must be answered by amp_net_respond exactly once, now or later from this
     * thread; head and body live until then. The next pipelined request waits for it.
     */
    void (*request)(void *ctx, struct amp_net_exchange *exchange, const struct amp_net_request *request);
    /*
     * Called for what never became a request: a refusal by the parser, a limit or a deadline. Fills *response with the
     * answer (its body lives until the next call); AMP_ERR_IO: a connection that broke or failed its handshake, where
     * nothing is answered. `source` as in amp_net_request.
     */
    void (*refused)(void *ctx, enum amp_err err, struct amp_slice source, uint64_t request_id,
                    struct amp_net_response *response);
};

/*
 * Answers. True where the connection still stood and took it (the bytes may still be on their way); false where it was
 * gone: nobody got the answer. `exchange` is dead behind this call.
 */
bool amp_net_respond(struct amp_net_exchange *exchange, const struct amp_net_response *response);
/* False once the peer is known to be gone, or was answered by a deadline. One that only ended its own side, by TLS's
 * close_notify, is there: it waits for the answer. */
bool amp_net_alive(const struct amp_net_exchange *exchange);

/* The answer to this one may take `ms` from now, whatever limits.request_ms says: for long polls. Again: anew. */
void amp_net_extend(struct amp_net_exchange *exchange, int64_t ms);
/*
 * Has `gone` called, once, when amp_net_alive becomes false for an unanswered exchange, so that nobody need look again
 * and again. It may leave word only: the exchange may be answered when the loop has turned, not from within.
 */
void amp_net_on_gone(struct amp_net_exchange *exchange, void (*gone)(void *ctx), void *ctx);

/*
 * The request was signed by `principal`, and so are the next ones on this connection, until another one signs: its work
 * is shared out, and capped, under that name. AMP_ERR_RATE_LIMITED where as many of its requests wait as may, or where
 * it has as many connections as it may: this one ends behind the answer then. AMP_ERR_OUT_OF_MEMORY.
 */
enum amp_err amp_net_verified(struct amp_net_exchange *exchange, struct amp_slice principal) AMP_MUST_USE;

/* Why a connection was closed as soon as it came. */
enum amp_net_refusal {
    AMP_NET_REFUSED_FULL,     /* max_connections */
    AMP_NET_REFUSED_SOURCE,   /* max_connections_per_source */
    AMP_NET_REFUSED_STARTUPS, /* startups */
    AMP_NET_REFUSED_PENALTY,  /* its source is penalised */
    AMP_NET_REFUSED_COUNT_
};

/* What the servers of all workers have in common. It outlives them. */
struct amp_net_commons;
enum amp_err amp_net_commons_new(struct amp_net_commons **out, struct amp_clock clock) AMP_MUST_USE;
void amp_net_commons_free(struct amp_net_commons *commons);

struct amp_net_counts {
    uint64_t startups; /* connections on which no signature has verified, now */
    uint64_t accepted; /* since the start, as what follows */
    uint64_t refused[AMP_NET_REFUSED_COUNT_];
};
struct amp_net_counts amp_net_counts(const struct amp_net_commons *commons); /* any thread */

struct amp_net;
/* Serves on `base`, in one thread, all that come to where it listens. `tls` is referenced. SIGPIPE must be ignored. */
enum amp_err amp_net_new(struct amp_net **out, struct amp_net_commons *commons, struct event_base *base,
                         struct amp_clock clock, struct amp_tls *tls, const struct amp_net_limits *limits,
                         const struct amp_net_handler *handler) AMP_MUST_USE;
/* One more socket to accept from (taken, also on failure; non-blocking): whoever comes by whichever shares the worker.
 */
enum amp_err amp_net_listen(struct amp_net *net, int listen_fd) AMP_MUST_USE;
/*
 * To be called behind the events of each turn of the loop: serves those that had to wait because others had not had
 * their share. True where some still wait: the loop must not block then.
 */
bool amp_net_turn(struct amp_net *net);
/*
 * What the worker does from here on, until its next event of the network, is charged to the flow of `exchange`, or to
 * nobody (NULL). Events of others than the network begin with it: what they do is not the work of who was served last.
 */
void amp_net_work_for(struct amp_net *net, const struct amp_net_exchange *exchange);
/* New connections get the new TLS side and all get the new limits. */
void amp_net_reload(struct amp_net *net, struct amp_tls *tls, const struct amp_net_limits *limits);
/*
 * Stops accepting; idle connections close now, the others behind their answer ("Connection: close"). All are closed
 * within 22 s, whatever the limits are: peers that are slow with their requests or take no answers end after 10 s,
 * unanswered exchanges (AMP_ERR_OVERLOADED) after 20 s.
 */
void amp_net_drain(struct amp_net *net);
size_t amp_net_connections(const struct amp_net *net); /* any thread */

/* Closes everything. Aborts where an exchange is unanswered still: respond first, also to those whose peer has gone. */
void amp_net_free(struct amp_net *net);

#endif
