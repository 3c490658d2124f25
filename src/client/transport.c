#include "client/transport.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a socket BIO that sends with MSG_NOSIGNAL ---- */

static int bio_fd(BIO *bio)
{
    return (int)(intptr_t)BIO_get_data(bio);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    BIO_clear_retry_flags(bio);
    const ssize_t sent = send(bio_fd(bio), bytes, (size_t)len, MSG_NOSIGNAL);
    if (sent < 0 && would_block())
        BIO_set_retry_write(bio);
    return (int)sent;
}

static int bio_read(BIO *bio, char *into, int cap)
{
    BIO_clear_retry_flags(bio);
    const ssize_t got = recv(bio_fd(bio), into, (size_t)cap, 0);
    if (got < 0 && would_block())
        BIO_set_retry_read(bio);
    return (int)got;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

enum amp_client_status amp_client_transport_init(struct amp_client_transport *transport, SSL_CTX *tls)
{
    *transport = (struct amp_client_transport){.tls = tls, .clock = amp_clock_system(), .fd = -1};
    transport->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "ampoule socket");
    if (transport->bio == NULL || BIO_meth_set_write(transport->bio, bio_write) != 1 ||
        BIO_meth_set_read(transport->bio, bio_read) != 1 || BIO_meth_set_ctrl(transport->bio, bio_ctrl) != 1 ||
        BIO_meth_set_create(transport->bio, bio_create) != 1)
        return AMP_CLIENT_MEMORY;
    return AMP_CLIENT_OK;
}

void amp_client_transport_fini(struct amp_client_transport *transport)
{
    amp_client_transport_close(transport);
    BIO_meth_free(transport->bio);
    transport->bio = NULL;
}

void amp_client_transport_close(struct amp_client_transport *transport)
{
    if (transport->ssl != NULL) {
        ERR_clear_error();
        (void)SSL_shutdown(transport->ssl); /* close_notify; its answer is not awaited */
        ERR_clear_error();
        SSL_free(transport->ssl);
    }
    if (transport->fd >= 0)
        close(transport->fd);
    transport->ssl = NULL;
    transport->fd = -1;
    transport->used = false;
}

/* ---- waiting ---- */

/* False at the deadline. */
static bool wait_for(const struct amp_client_transport *transport, short events, int64_t deadline_ms)
{
    for (;;) {
        const int64_t left = deadline_ms - amp_clock_mono_ms(&transport->clock);
        struct pollfd one = {.fd = transport->fd, .events = events};
        if (left <= 0)
            return false;
        const int rc = poll(&one, 1, left > INT32_MAX ? INT32_MAX : (int)left);
        if (rc > 0)
            return true;
        if (rc < 0 && errno != EINTR)
            return false;
    }
}

static enum amp_client_status timed_out(struct amp_client_fault *fault, const char *what)
{
    return AMP_CLIENT_FAULT(fault, AMP_CLIENT_TIMEOUT, "timeout", what);
}

/* What an SSL call that returned `rc` means: OK to go on after waiting, or the failure. */
static enum amp_client_status after(struct amp_client_transport *transport, int rc, int64_t deadline_ms,
                                    struct amp_client_fault *fault)
{
    switch (SSL_get_error(transport->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(transport, POLLIN, deadline_ms) ? AMP_CLIENT_OK
                                                        : timed_out(fault, "the server did not answer in time");
    case SSL_ERROR_WANT_WRITE:
        return wait_for(transport, POLLOUT, deadline_ms)
                   ? AMP_CLIENT_OK
                   : timed_out(fault, "the server did not take the request in time");
    default:
        ERR_clear_error();
        return AMP_CLIENT_FAULT(fault, AMP_CLIENT_UNREACHABLE, "connection_lost",
                                "the connection was closed before the answer was complete");
    }
}

/* ---- opening ---- */

/* 0, or the errno that says why not. */
static int connect_to(struct amp_client_transport *transport, const struct addrinfo *address, int64_t deadline_ms)
{
    const int on = 1;
    int error = 0;
    socklen_t len = sizeof error;
    transport->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (transport->fd < 0)
        return errno;
    (void)setsockopt(transport->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(transport->fd, address->ai_addr, address->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (!wait_for(transport, POLLOUT, deadline_ms))
        return ETIMEDOUT;
    if (getsockopt(transport->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return errno;
    return error;
}

/* Tries the host's addresses in the order of the resolver (RFC 6724). */
static enum amp_client_status connect_any(struct amp_client_transport *transport, const struct amp_client_url *url,
                                          int64_t deadline_ms, struct amp_client_fault *fault)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int error = EHOSTUNREACH;
    if (getaddrinfo(url->host, url->port, &hints, &found) != 0)
        return AMP_CLIENT_FAULT(fault, AMP_CLIENT_UNREACHABLE, "unknown_host", "cannot reach https://", url->authority,
                                ": the host's name has no address");
    for (const struct addrinfo *at = found; at != NULL && error != 0; at = at->ai_next) {
        error = connect_to(transport, at, deadline_ms);
        if (error != 0)
            amp_client_transport_close(transport);
    }
    freeaddrinfo(found);
    if (error == 0)
        return AMP_CLIENT_OK;
    return AMP_CLIENT_FAULT(fault, AMP_CLIENT_UNREACHABLE, amp_client_connect_code(error), "cannot reach https://",
                            url->authority, ": ", amp_client_connect_failure(error), "; is ampouled running?");
}

static bool attach(struct amp_client_transport *transport, const struct amp_client_url *url)
{
    BIO *bio = BIO_new(transport->bio);
    transport->ssl = SSL_new(transport->tls);
    if (bio == NULL || transport->ssl == NULL) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, (void *)(intptr_t)transport->fd);
    SSL_set_bio(transport->ssl, bio, bio);
    return amp_client_tls_expect(transport->ssl, url) == AMP_OK;
}

enum amp_client_status amp_client_transport_open(struct amp_client_transport *transport,
                                                 const struct amp_client_url *url, int64_t deadline_ms,
                                                 struct amp_client_fault *fault)
{
    enum amp_client_status status = connect_any(transport, url, deadline_ms, fault);
    if (status != AMP_CLIENT_OK)
        return status;
    if (!attach(transport, url)) {
        status = AMP_CLIENT_FAULT(fault, AMP_CLIENT_MEMORY, "out_of_memory", "no memory is left for a connection");
        goto out;
    }
    for (;;) {
        ERR_clear_error();
        const int rc = SSL_connect(transport->ssl);
        if (rc == 1)
            return AMP_CLIENT_OK;
        const int why = SSL_get_error(transport->ssl, rc);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
            status = AMP_CLIENT_FAULT(fault, AMP_CLIENT_TLS, "tls_failed", "no trusted connection to https://",
                                      url->authority, ": ", amp_client_tls_failure(transport->ssl));
            goto out;
        }
        if (!wait_for(transport, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ms)) {
            status = timed_out(fault, "the TLS handshake did not finish in time");
            goto out;
        }
    }
out:
    amp_client_transport_close(transport);
    return status;
}

/* ---- using ---- */

bool amp_client_transport_alive(struct amp_client_transport *transport)
{
    struct pollfd one = {.fd = transport->fd, .events = POLLIN};
    uint8_t byte;
    size_t got = 0;
    if (transport->ssl == NULL)
        return false;
    if (poll(&one, 1, 0) == 0)
        return true;
    /* Something came: a session ticket is harmless, the end or an answer to nothing is not. */
    ERR_clear_error();
    const int rc = SSL_peek_ex(transport->ssl, &byte, 1, &got);
    const bool alive = rc != 1 && SSL_get_error(transport->ssl, rc) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    return alive;
}

enum amp_client_status amp_client_transport_write(struct amp_client_transport *transport, struct amp_slice bytes,
                                                  int64_t deadline_ms, struct amp_client_fault *fault)
{
    while (bytes.len > 0) {
        size_t sent = 0;
        ERR_clear_error();
        const int rc = SSL_write_ex(transport->ssl, bytes.ptr, bytes.len, &sent);
        if (rc != 1) {
            const enum amp_client_status status = after(transport, rc, deadline_ms, fault);
            if (status != AMP_CLIENT_OK)
                return status;
        }
        bytes = amp_slice(bytes.ptr + sent, bytes.len - sent);
    }
    return AMP_CLIENT_OK;
}

enum amp_client_status amp_client_transport_read(struct amp_client_transport *transport, uint8_t *into, size_t cap,
                                                 size_t *got, int64_t deadline_ms, struct amp_client_fault *fault)
{
    for (;;) {
        ERR_clear_error();
        const int rc = SSL_read_ex(transport->ssl, into, cap, got);
        if (rc == 1)
            return AMP_CLIENT_OK;
        *got = 0;
        const enum amp_client_status status = after(transport, rc, deadline_ms, fault);
        if (status != AMP_CLIENT_OK)
            return status;
    }
}
