#include "cli/bench/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client/tls.h"

#define FIRST_IN_CAP 4096
#define MAX_IN_CAP   (2u << 20)

enum amp_err bench_tls_new(SSL_CTX **out, const struct cli_connection *connection, bool insecure, int version)
{
    const enum amp_err err = amp_client_tls_new(out, connection->ca_file);
    if (err != AMP_OK)
        return err;
    /* One read() for a record and what follows it; test cards need no wiping. */
    SSL_CTX_set_read_ahead(*out, 1);
    SSL_CTX_clear_options(*out, SSL_OP_CLEANSE_PLAINTEXT);
    if (insecure)
        SSL_CTX_set_verify(*out, SSL_VERIFY_NONE, NULL);
    if (version != 0) {
        SSL_CTX_set_min_proto_version(*out, version);
        SSL_CTX_set_max_proto_version(*out, version);
    }
    return AMP_OK;
}

void bench_link_init(struct bench_link *link, int epoll, void *owner)
{
    *link = (struct bench_link){.fd = -1, .epoll = epoll, .owner = owner};
}

void bench_link_fini(struct bench_link *link)
{
    bench_link_close(link);
    free(link->in);
    free(link->out);
    link->in = NULL;
    link->out = NULL;
}

void bench_link_close(struct bench_link *link)
{
    if (link->state == BENCH_LINK_OPEN && link->failure == NULL)
        (void)SSL_shutdown(link->ssl); /* close_notify; its answer is not awaited */
    SSL_free(link->ssl);
    if (link->fd >= 0)
        close(link->fd); /* leaves the epoll set with it */
    link->ssl = NULL;
    link->fd = -1;
    link->interest = 0;
    link->in_len = 0;
    link->out_at = 0;
    link->out_len = 0;
    link->state = BENCH_LINK_CLOSED;
}

static enum amp_err fail(struct bench_link *link, const char *why)
{
    link->failure = why;
    return AMP_ERR_IO;
}

static enum amp_err watch(struct bench_link *link, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = link->owner};
    if (events == link->interest)
        return AMP_OK;
    if (epoll_ctl(link->epoll, link->interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, link->fd, &event) != 0)
        return fail(link, "epoll failed");
    link->interest = events;
    return AMP_OK;
}

enum amp_err bench_link_open(struct bench_link *link, const struct bench_plan *plan,
                             const struct bench_address *address)
{
    const int on = 1;
    link->failure = NULL;
    link->fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0)
        return fail(link, errno == EMFILE ? "too many open files" : "no socket");
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    link->ssl = SSL_new(plan->tls);
    if (link->ssl == NULL || SSL_set_fd(link->ssl, link->fd) != 1 ||
        amp_client_tls_expect(link->ssl, &plan->url) != AMP_OK)
        return fail(link, "out of memory");
    SSL_set_connect_state(link->ssl);
    link->state = BENCH_LINK_CONNECTING;
    if (connect(link->fd, (const struct sockaddr *)&address->storage, address->len) != 0 && errno != EINPROGRESS)
        return fail(link, amp_client_connect_failure(errno));
    return watch(link, EPOLLOUT);
}

static enum amp_err finish_connect(struct bench_link *link)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return fail(link, "no socket");
    if (error != 0)
        return fail(link, amp_client_connect_failure(error));
    link->state = BENCH_LINK_HANDSHAKING;
    return AMP_OK;
}

static enum amp_err handshake(struct bench_link *link)
{
    ERR_clear_error();
    const int rc = SSL_do_handshake(link->ssl);
    if (rc == 1) {
        link->state = BENCH_LINK_OPEN;
        return watch(link, EPOLLIN);
    }
    switch (SSL_get_error(link->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return watch(link, EPOLLIN) == AMP_OK ? AMP_ERR_AGAIN : AMP_ERR_IO;
    case SSL_ERROR_WANT_WRITE:
        return watch(link, EPOLLOUT) == AMP_OK ? AMP_ERR_AGAIN : AMP_ERR_IO;
    default:
        return fail(link, amp_client_tls_failure(link->ssl));
    }
}

enum amp_err bench_link_progress(struct bench_link *link)
{
    if (link->state == BENCH_LINK_CONNECTING) {
        const enum amp_err err = finish_connect(link);
        if (err != AMP_OK)
            return err;
    }
    return handshake(link);
}

static enum amp_err keep(struct bench_link *link, const uint8_t *bytes, size_t len)
{
    if (link->out_cap - link->out_len < len) {
        const size_t cap = (link->out_len + len) * 2;
        uint8_t *grown = realloc(link->out, cap);
        if (grown == NULL)
            return AMP_ERR_OUT_OF_MEMORY;
        link->out = grown;
        link->out_cap = cap;
    }
    memcpy(link->out + link->out_len, bytes, len);
    link->out_len += len;
    return AMP_OK;
}

/* *sent counts what went out; AMP_OK also where that is less than `len`. */
static enum amp_err push(struct bench_link *link, const uint8_t *bytes, size_t len, size_t *sent)
{
    *sent = 0;
    while (*sent < len) {
        size_t now = 0;
        ERR_clear_error();
        const int rc = SSL_write_ex(link->ssl, bytes + *sent, len - *sent, &now);
        if (rc != 1) {
            const int why = SSL_get_error(link->ssl, rc);
            if (why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ)
                return watch(link, EPOLLIN | EPOLLOUT);
            return fail(link, "connection closed");
        }
        *sent += now;
    }
    return AMP_OK;
}

enum amp_err bench_link_write(struct bench_link *link, const uint8_t *bytes, size_t len)
{
    size_t sent = 0;
    if (link->out_len == 0) {
        const enum amp_err err = push(link, bytes, len, &sent);
        if (err != AMP_OK)
            return err;
    }
    return sent < len ? keep(link, bytes + sent, len - sent) : AMP_OK;
}

enum amp_err bench_link_flush(struct bench_link *link)
{
    size_t sent = 0;
    if (link->out_len == 0)
        return AMP_OK;
    const enum amp_err err = push(link, link->out + link->out_at, link->out_len - link->out_at, &sent);
    if (err != AMP_OK)
        return err;
    link->out_at += sent;
    if (link->out_at < link->out_len)
        return AMP_OK;
    link->out_at = 0;
    link->out_len = 0;
    return watch(link, EPOLLIN);
}

static enum amp_err make_room(struct bench_link *link)
{
    if (link->in_len < link->in_cap)
        return AMP_OK;
    if (link->in_cap >= MAX_IN_CAP)
        return fail(link, "answer too large");
    const size_t cap = link->in_cap == 0 ? FIRST_IN_CAP : link->in_cap * 2;
    uint8_t *grown = realloc(link->in, cap);
    if (grown == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    link->in = grown;
    link->in_cap = cap;
    return AMP_OK;
}

enum amp_err bench_link_read(struct bench_link *link)
{
    size_t got = 0;
    const enum amp_err err = make_room(link);
    if (err != AMP_OK)
        return err;
    ERR_clear_error();
    const int rc = SSL_read_ex(link->ssl, link->in + link->in_len, link->in_cap - link->in_len, &got);
    if (rc == 1) {
        link->in_len += got;
        return AMP_OK;
    }
    switch (SSL_get_error(link->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return AMP_ERR_AGAIN;
    default:
        return fail(link, "connection closed");
    }
}

void bench_link_consume(struct bench_link *link, size_t len)
{
    link->in_len -= len;
    if (link->in_len > 0)
        memmove(link->in, link->in + len, link->in_len);
}
