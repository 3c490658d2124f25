/*
 * One connection, and the worker's server it belongs to. Private to the room and its tests.
 *
 * server.c accepts and keeps time, conn.c moves bytes, request.c makes requests of them and answers of responses,
 * phase.c knows what each connection waits for and since when, flow.c whose turn it is.
 */
#ifndef AMP_NET_CONN_H
#define AMP_NET_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "net/answer.h"
#include "net/net.h"
#include "net/source.h"
#include "net/window.h"
#include "store/holders.h"
#include "store/wheel.h"

/*
 * What a connection waits for. Each phase has one time limit for all, so each phase's queue is ordered by itself; but
 * for AMP_NET_PARKED, where each has its own, kept in a timing wheel.
 */
enum amp_net_phase {
    AMP_NET_HANDSHAKE,
    AMP_NET_IDLE,    /* for the next request, a moment after the last: TLS keeps its buffers */
    AMP_NET_DORMANT, /* for the next request, and nobody knows when: TLS holds no buffers either */
    AMP_NET_HEAD,
    AMP_NET_BODY,
    AMP_NET_ANSWER, /* for the handler */
    AMP_NET_PARKED, /* for the handler, which has said how long it may take: TLS holds no buffers */
    AMP_NET_WRITE,  /* for the peer to take an answer */
    AMP_NET_LINGER, /* for the peer to close: what it still sends would reset the connection under our last answer */
    AMP_NET_PHASE_COUNT_
};

struct amp_net_queue {
    struct amp_net_conn *first, *last;
    size_t count;
};

/*
 * Connections that share one share of a worker's time: a principal's; those of sources that a principal was heard from
 * (guests); all others (strangers).
 */
struct amp_net_flow {
    struct amp_holder *holder; /* the principal; NULL: guests, strangers */
    struct amp_net_flow *next; /* in its chain; of a principal only */
    size_t connections;
    TAILQ_HEAD(amp_net_deferred, amp_net_conn) deferred;
    TAILQ_ENTRY(amp_net_flow) round; /* while some are deferred */
    bool in_round;
    uint64_t turn;     /* when it worked last */
    int64_t served_ns; /* see flow.c */
    int64_t until_ns;  /* that it may be served now */
};

struct amp_net_exchange {
    struct amp_net *net;
    struct amp_net_conn *conn;
    struct amp_net_exchange *next_spare;
    int64_t due_ms;          /* see amp_net_extend; 0: within limits.request_ms */
    void (*gone)(void *ctx); /* see amp_net_on_gone; NULL: nobody asks, or he was told */
    void *gone_ctx;
    struct amp_holder *counted_by; /* among its waiting requests: its flow's holder; NULL: not counted */
    struct amp_http1_head head;
    struct amp_net_request request;
};

struct amp_net_conn {
    struct amp_net *net;
    struct amp_net_conn *prev, *next; /* in the queue of its phase */
    enum amp_net_phase phase;
    int64_t since_ms;             /* when it entered the phase */
    struct amp_wheel_node parked; /* in AMP_NET_PARKED */

    int fd;                  /* -1: closed, and kept only for its exchange */
    bool driving;            /* drive is on the stack: who else ends the connection leaves the freeing to it */
    bool closing;            /* no more is served; ends when `out` was sent */
    bool broken;             /* ends now */
    bool peer_ended;         /* the peer has said all it will say, and may yet wait for answers */
    bool reading;            /* read_event is added */
    bool writing;            /* write_event is added */
    bool tls_waits_to_write; /* a read needs to write first (TLS 1.3 KeyUpdate) */
    bool answered;           /* since the last settling */
    bool resumes;            /* the loop shall come back to it although nothing may arrive */
    SSL *ssl;
    struct event read_event, write_event;
    struct amp_net_flow *flow;
    TAILQ_ENTRY(amp_net_conn) deferral;
    bool deferred;       /* it waits for its flow's turn */
    int64_t deferred_ms; /* since when */
    bool startup;        /* no signature has verified on it: stands in the count of those */
    bool said;           /* a request came, or what was refused as one */
    bool unwelcome;      /* its principal has as many connections as it may */
    unsigned strikes;    /* see struct amp_net_response */
    size_t linger_left;  /* bytes that will still be discarded */

    size_t charged;            /* what of `in` stands in the worker's pending_bytes */
    size_t charged_out;        /* what of `out` stands in its untaken_bytes */
    struct amp_net_window in;  /* requests as they came; the first begins at its start */
    struct amp_net_window out; /* answers that were not sent yet */

    /* The request at the start of `in`: head, then body; a chunked body is decoded in place. */
    size_t head_len; /* 0: not complete yet */
    size_t scanned;  /* see amp_http1_parse_head */
    size_t body_len; /* whole where Content-Length said so, otherwise decoded so far */
    size_t max_body;
    bool is_chunked;
    struct amp_http1_chunked chunked;
    struct amp_net_exchange *exchange; /* unanswered; until then the bytes in `in` do not move */

    uint64_t id;
    int64_t accepted_ms;
    struct amp_net_source source;
    struct amp_source *origin;
};

struct amp_net_listener {
    struct amp_net_listener *next;
    struct event event;
};

struct amp_net_commons {
    struct amp_sources *sources;
    struct amp_holders *holders;
    _Atomic size_t connections, startups;
    _Atomic uint64_t accepted, refused[AMP_NET_REFUSED_COUNT_];
};

#define AMP_NET_SPARE_EXCHANGES_MAX 64
#define AMP_NET_IDLE_MAX            256 /* TLS's buffers take 33 KiB a connection: more would be a way to eat memory */

#define AMP_NET_FLOW_CHAINS 256

struct amp_net {
    struct amp_net_commons *commons;
    struct event_base *base;
    struct amp_clock clock;
    struct amp_tls *tls;
    struct amp_net_limits limits;
    struct amp_net_handler handler;
    struct amp_net_listener *listeners; /* NULL: draining */
    int64_t drained_ms;                 /* since then; INT64_MAX before */
    struct event *sweep_event;
    bool accept_paused;
    int64_t now_ms; /* as of the last amp_net_flow_work */
    struct amp_net_date date;
    uint64_t next_request; /* counts from a random place; request ids are this, scrambled */

    struct amp_net_queue queues[AMP_NET_PHASE_COUNT_];
    struct amp_wheel parked; /* those of AMP_NET_PARKED */
    struct amp_net_flow strangers, guests, *flows[AMP_NET_FLOW_CHAINS];
    TAILQ_HEAD(, amp_net_flow) round; /* those with deferred connections */
    struct amp_net_flow *working;     /* whose work is done since `since_ns`; NULL: nobody's */
    int64_t since_ns, guessed_ns;     /* `guessed_ns`: what it takes at least */
    int64_t fine_ns; /* what it is charged besides (-1: nothing), being in vain by the fault of who asked for it */
    int64_t fair_ns, most_ns;        /* see flow.c; the most that any was served */
    int64_t parted_ns;               /* the most that one of those that ended was served; fair_ns then, at most */
    uint64_t turn;                   /* of the loop */
    int64_t spent_ns;                /* on all flows since the start */
    unsigned turn_flows;             /* that worked in this turn */
    struct amp_net_flow *turn_least; /* of them the one that was served least, strangers apart */
    int64_t busy_ns;                 /* when others than strangers worked last */
    int64_t credit_ns;               /* what strangers may take while others are busy */
    bool sweeping;                   /* more are overdue than could be ended at once */
    enum amp_net_phase sweep_phase;  /* whose turn it is to be looked at for them */
    struct event *pace_event;
    struct amp_net_spares spares;
    size_t pending_bytes; /* storage of requests that have grown beyond what each connection is lent */
    size_t untaken_bytes; /* the same of answers */
    struct amp_net_exchange *spare_exchanges;
    size_t spare_exchange_count;
    size_t unanswered;
    _Atomic size_t connections;
};

/* server.c */
uint64_t amp_net_next_request_id(struct amp_net *net);
/* What the sweep timer does four times a second: ends what took too long, some at once. */
void amp_net_sweep(struct amp_net *net);
/* Goes on with it. */
void amp_net_sweep_on(struct amp_net *net);

/* conn.c */
/* Takes `fd` and its place at `origin` where AMP_OK. */
enum amp_err amp_net_conn_new(struct amp_net *net, int fd, const struct amp_net_source *source,
                              struct amp_source *origin) AMP_MUST_USE;
/* Does all that can be done now. It may be freed behind this call. */
void amp_net_conn_drive(struct amp_net_conn *conn);
/* Penalises its source, unless that is exempt or a principal is known on this connection. */
void amp_net_conn_offend(struct amp_net_conn *conn, enum amp_offence offence);
/* Sends what there is to send. True where nothing is left to send; false where the peer must take some first, or gone.
 */
bool amp_net_conn_send(struct amp_net_conn *conn);
/* Decides, after anything happened, what the connection waits for. It may be freed behind this call. */
void amp_net_conn_settle(struct amp_net_conn *conn);
/* Ends the connection now. Frees it, but for one that drives or has an unanswered exchange. */
void amp_net_conn_close(struct amp_net_conn *conn);
/* The same, with a farewell: for an idle one, which has nothing under way that might get lost. */
void amp_net_conn_part(struct amp_net_conn *conn);
/* Tells the handler of a connection that broke, and has it ended by the next settling. */
void amp_net_conn_break(struct amp_net_conn *conn);
/* Call where the storage of `in` or `out` may have changed. */
void amp_net_conn_charge(struct amp_net_conn *conn);
/* The peer does not take its answer: a reset ends the connection and frees what the kernel still holds of it. */
void amp_net_conn_abandon(struct amp_net_conn *conn);
/* For one that is idle: has TLS give its buffers back. */
void amp_net_conn_rest(struct amp_net_conn *conn);

/* request.c */
/* Hands over every whole request, one at a time, until one is not answered at once or much is to be sent. */
#define AMP_NET_SEND_AT ((size_t)64 * 1024)
void amp_net_conn_serve(struct amp_net_conn *conn);
/* Answers for the handler with what it says of `err`, and closes behind it. */
void amp_net_conn_refuse(struct amp_net_conn *conn, enum amp_err err);
/* The answer of its unanswered exchange, if it has one, will reach nobody. */
void amp_net_conn_tell_gone(struct amp_net_conn *conn);
void amp_net_exchanges_fini(struct amp_net *net);

/* commons.c */
/* How many of a hundred new connections are refused where so many stand on which no signature has verified. */
uint32_t amp_net_startups_refused(const struct amp_net_startups *limit, size_t startups);
/* Many stand on which no signature has verified: who comes now may be refused. */
bool amp_net_is_crowded(const struct amp_net *net);
/* Strangers hold as much of the pool as they may, or others so much that nothing is left to them. */
bool amp_net_is_full_of_secrets(const struct amp_net *net);
void amp_net_count_refused(struct amp_net *net, enum amp_net_refusal why);
/* The limits of each source, as they are for this one. */
struct amp_source_limits amp_net_limits_of_source(const struct amp_net *net, const struct amp_net_source *source);

/* flow.c */
void amp_net_flows_init(struct amp_net *net);
/* Takes a new connection in, among guests or strangers. */
void amp_net_flow_enter(struct amp_net_conn *conn);
/* Takes it out, and gives back what it counts for. */
void amp_net_flow_leave(struct amp_net_conn *conn);
/* Without a signature for so long, while many are, that its place is for others. */
bool amp_net_flow_is_stale(const struct amp_net_conn *conn);
/* Until the next call `flow` works, or nobody (NULL); what was done since the last one is charged to who worked then.
 */
void amp_net_flow_work(struct amp_net *net, struct amp_net_flow *flow);
/* True where its flow may work now; else it has its turn later. */
bool amp_net_flow_admits(struct amp_net_conn *conn);
void amp_net_flow_defer(struct amp_net_conn *conn);
void amp_net_flow_undefer(struct amp_net_conn *conn);
/* What is done now takes so long at least. */
void amp_net_flow_guess(struct amp_net_conn *conn, int64_t ns);
/* And it is in vain, by the fault of who asked for it; so was the time that it took to read, `ns`. */
void amp_net_flow_fine(struct amp_net_conn *conn, int64_t ns);
bool amp_net_flow_is_spent(const struct amp_net_conn *conn);
/* Counts an unanswered exchange among those of its principal that wait, once. */
void amp_net_flow_count_waiting(struct amp_net_exchange *exchange);
/* And no more. */
void amp_net_flow_count_answered(struct amp_net_exchange *exchange);

/* phase.c */
/* Where it is in that phase already, its time goes on, unless `anew`. */
void amp_net_phase_enter(struct amp_net_conn *conn, enum amp_net_phase phase, bool anew);
void amp_net_phase_leave(struct amp_net_conn *conn);
/* One of `phase` whose time is over, the one longest in it first; NULL where none is. */
struct amp_net_conn *amp_net_phase_overdue(struct amp_net *net, enum amp_net_phase phase);
/* The drain has gone on for so long that whoever is in `phase` is overdue: no peer keeps a stop waiting. */
bool amp_net_phase_is_cut_short(const struct amp_net *net, enum amp_net_phase phase);

#endif
