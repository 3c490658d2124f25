/* One TLS connection that never blocks: opened, written and read as epoll says it can be. */
#ifndef AMP_CLI_BENCH_LINK_H
#define AMP_CLI_BENCH_LINK_H

#include <sys/socket.h>

#include "cli/bench/bench.h"

struct bench_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

enum bench_link_state { BENCH_LINK_CLOSED, BENCH_LINK_CONNECTING, BENCH_LINK_HANDSHAKING, BENCH_LINK_OPEN };

struct bench_link {
    enum bench_link_state state;
    int fd;
    SSL *ssl;
    int epoll;
    void *owner;         /* what epoll hands back */
    uint32_t interest;   /* events asked of epoll */
    const char *failure; /* why the last call failed; static storage */
    uint8_t *in;         /* received and not consumed */
    size_t in_len;
    size_t in_cap;
    uint8_t *out; /* accepted and not sent */
    size_t out_at;
    size_t out_len;
    size_t out_cap;
};

/* A TLS client context as the plan says: verifying unless --insecure. AMP_ERR_INVALID: the CA file cannot be used. */
enum amp_err bench_tls_new(SSL_CTX **out, const struct cli_connection *connection, bool insecure,
                           int version) AMP_MUST_USE;

/* *link zeroed before. */
void bench_link_init(struct bench_link *link, int epoll, void *owner);
void bench_link_fini(struct bench_link *link);

/* Starts to connect. AMP_ERR_IO with link->failure. */
enum amp_err bench_link_open(struct bench_link *link, const struct bench_plan *plan,
                             const struct bench_address *address) AMP_MUST_USE;
/* Goes on connecting: AMP_OK once open, AMP_ERR_AGAIN, or AMP_ERR_IO with link->failure. */
enum amp_err bench_link_progress(struct bench_link *link) AMP_MUST_USE;
void bench_link_close(struct bench_link *link);

/* Sends `len` bytes or keeps what does not go out now. */
enum amp_err bench_link_write(struct bench_link *link, const uint8_t *bytes, size_t len) AMP_MUST_USE;
/* Sends what was kept. */
enum amp_err bench_link_flush(struct bench_link *link) AMP_MUST_USE;
/* One read into link->in: AMP_OK, AMP_ERR_AGAIN, AMP_ERR_IO (closed or failed), AMP_ERR_OUT_OF_MEMORY. */
enum amp_err bench_link_read(struct bench_link *link) AMP_MUST_USE;
/* Forgets the first `len` bytes received. */
void bench_link_consume(struct bench_link *link, size_t len);

#endif
