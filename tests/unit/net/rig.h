/*
 * A server and its peers in one thread, over loopback, under a clock that stands still until a test moves it. Nothing
 * sleeps: whoever waits turns the server's loop until what it waits for is there.
 */
#ifndef AMP_TESTS_NET_RIG_H
#define AMP_TESTS_NET_RIG_H

#include "../support.h"

#include <openssl/ssl.h>

#include "net/net.h"

#define RIG_PARKED_MAX 256

/* The server, and what its handler saw and shall do. */
struct rig {
    struct event_base *base;
    struct amp_clock_fake clock;
    struct amp_net_commons *commons;
    struct amp_net *net;
    uint16_t port;
    bool more; /* of the latest amp_net_turn */

    /* what it shall do */
    enum amp_err head_verdict;
    size_t max_body;
    bool park;                           /* keep exchanges in `parked` instead of answering */
    bool echo;                           /* answer with the body that came */
    struct amp_net_response answer;      /* otherwise with this */
    int64_t refusal_ns;                  /* that each refusal takes */
    bool signs;                          /* who asks for "/NAME" is the principal NAME */
    void (*on_request)(struct rig *rig); /* runs first, where not NULL */

    /* what it saw */
    unsigned heads;
    unsigned requests;
    uint8_t *body; /* of the latest request: valid while that is unanswered */
    size_t body_len;
    char path[64];
    char order[1024];     /* of the requests: the second character of each path */
    enum amp_err verdict; /* of amp_net_verified */
    char source[64];
    uint64_t connection_id, request_id;
    struct amp_net_exchange *parked[RIG_PARKED_MAX];
    size_t parked_count;
    unsigned refusals;
    enum amp_err refused;
};

/* `config`: NULL for an ordinary certificate. */
void rig_start(struct rig *rig, const struct amp_net_limits *limits, const struct amp_tls_config *config);
void rig_stop(struct rig *rig);
struct amp_net_limits rig_limits(void);
/* Everything that can happen now happens. */
void rig_turn(struct rig *rig);
/* Moves the clock, sweeps, turns. */
void rig_pass(struct rig *rig, int64_t ms);
/* Answers the oldest parked exchange with rig->answer. */
bool rig_answer(struct rig *rig);
/* Turns until the handler has seen `requests`. */
void rig_await_requests(struct rig *rig, unsigned requests);

/* A certificate for `name` and its key, as open files; signed by `issuer` where not NULL. */
struct identity {
    X509 *certificate;
    EVP_PKEY *key;
    int cert_fd, key_fd;
};
void identity_make(struct identity *identity, const char *name, const struct identity *issuer);
void identity_free(struct identity *identity);
int pem_file(const char *text);

struct peer {
    struct rig *rig;
    SSL_CTX *context;
    SSL *ssl;
    int fd;
    uint8_t *got; /* everything decrypted so far */
    size_t got_len, got_cap;
    size_t taken; /* by peer_take */
    bool ended;   /* close_notify came */
    bool dropped; /* the connection is at its end, in whatever way */
};

/* Connects; no handshake yet. */
void peer_connect(struct peer *peer, struct rig *rig);
/* The same from an address of 127/8. */
void peer_connect_from(struct peer *peer, struct rig *rig, const char *source);
/* True where the handshake succeeds on both sides. */
bool peer_handshake(struct peer *peer);
/* Both, and it must succeed. */
void peer_open(struct peer *peer, struct rig *rig);
void peer_send(struct peer *peer, const char *text);
void peer_send_bytes(struct peer *peer, const void *bytes, size_t len);
/* Reads what has come; never waits. */
void peer_read(struct peer *peer);
/* Waits for one whole answer and takes it. `head_only`: no body follows it. */
struct reply {
    struct amp_http1_response head;
    struct amp_slice text; /* of the head */
    struct amp_slice body;
};
struct reply peer_take(struct peer *peer, bool head_only);
/* Takes one answer and checks its status. */
void peer_expect(struct peer *peer, int status);
/* The value of a field of a reply; {NULL, 0} where absent. */
struct amp_slice reply_field(const struct reply *reply, const char *name);
/* Waits for the server's end: nothing more may come before it. */
void peer_expect_end(struct peer *peer);
/* The peer vanishes: FIN without close_notify. */
void peer_close(struct peer *peer);

#endif
