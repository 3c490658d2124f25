/*
 * A stranger who means harm, as cheap as can be made: one process, one thread, thousands of connections. It shares the
 * machine with the daemon it attacks and with the honest client, so what it spends itself is lost to the attack.
 *
 * attack.c keeps time and counts, conn.c moves bytes, kinds.c says what each kind of attack sends, sign.c signs.
 */
#ifndef AMPOULE_HOSTILE_ATTACK_H
#define AMPOULE_HOSTILE_ATTACK_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_MAX    1400 /* bytes of a request's head, with its NUL */
#define STATUS_MAX  600
#define SECRET_MAX  64
#define KEY_ID_MAX  32
#define HELLO_MAX   1024
#define SOURCES_MAX 250

enum conn_state {
    CONN_CLOSED,
    CONN_CONNECTING,
    CONN_SHAKING,
    CONN_READY,   /* nothing under way */
    CONN_SENDING, /* head, then body */
    CONN_WAITING, /* for an answer */
};

struct attack;

struct conn {
    struct attack *attack;
    enum conn_state state;
    int fd;
    SSL *ssl;
    bool begun;       /* its first request was sent */
    uint32_t watched; /* of epoll */
    uint64_t sent;    /* bytes of the request under way, of kinds that count them */
    char *head;       /* HEAD_MAX bytes, from its first request on */
    size_t head_len, head_at;
    const uint8_t *body; /* shared by all */
    size_t body_len, body_at;
};

/* What one kind of attack does. */
struct kind {
    const char *name;
    unsigned connections; /* at once, where not told */
    double rate;          /* acts a second over all of them, where not told; 0: as soon as the last was answered */
    bool hello_only;      /* sends a ClientHello that was made once, and goes */
    bool full_handshake;  /* resumes no session */
    bool leaves_at_once;  /* as soon as the handshake is done */
    bool reads_nothing;
    bool awaits; /* an answer, before it acts again */
    bool stands; /* its force is how many connections it holds: they are opened a few at a time */
    /* The next piece to send: fills head and body of a connection that is ready. NULL: nothing is ever sent. */
    void (*act)(struct conn *conn);
};

/* What became of an attack, since it was ready. */
struct told {
    unsigned standing_least;
    uint64_t opened, unconnected, shaken, unshaken, closed_by_peer, acts, bytes_sent;
    uint64_t answers[STATUS_MAX];
};

struct attack {
    const struct kind *kind;
    struct attacker *attacker;
    struct conn *conns;
    unsigned number; /* among the attacks of this process: has its own source addresses */
    unsigned conn_count, shaking, standing, next_source;
    size_t open_at, act_at; /* whose turn it is */
    double rate, owed;
    uint64_t turn;
    SSL_SESSION *session;

    struct told told;
};

struct attacker {
    struct sockaddr_in to;
    char host[32]; /* "127.0.0.1:8443" */
    char key_id[KEY_ID_MAX], secret[SECRET_MAX];
    unsigned sources; /* addresses of each attack */
    bool is_harmless; /* does nothing at all: those who judge must notice */
    bool is_ready;
    int64_t active_ms; /* since it was ready */
    SSL_CTX *tls;
    int epoll;
    uint8_t hello[HELLO_MAX];
    size_t hello_len;
};

/* kinds.c */
extern const struct kind kinds[];
const struct kind *kind_find(const char *name, size_t len); /* NULL where there is none */
void kinds_prepare(void);

/* conn.c */
void conn_open(struct conn *conn);
/* Resets the connection: no port is kept waiting. */
void conn_close(struct conn *conn);
void conn_drive(struct conn *conn, uint32_t events);
/* Sends what `act` has put into a connection that is ready. */
void conn_send(struct conn *conn);
void attacker_make_hello(struct attacker *attacker);

/* sign.c: an Authorization of AWS Signature Version 4 for this request, over host, x-amz-date and x-ampoule-nonce, and
 * those fields; `body_hash` in hex. Returns its length. */
size_t sign_fields(const struct attacker *attacker, const char *method, const char *path, const char *body_hash,
                   char *out, size_t cap);
void hash_hex(const void *bytes, size_t len, char hex[65]);

_Noreturn void die(const char *what);

#endif
