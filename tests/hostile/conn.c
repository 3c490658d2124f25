/* One hostile connection: from a chosen source address, over TLS, reset at its end. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attack.h"

enum { SMALL_WINDOW = 2048 };

static uint8_t scratch[64 * 1024];

static void watch(struct conn *conn, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    if (conn->watched != events && epoll_ctl(conn->attack->attacker->epoll, EPOLL_CTL_MOD, conn->fd, &event) != 0)
        die("epoll_ctl");
    conn->watched = events;
}

void conn_close(struct conn *conn)
{
    if (conn->state == CONN_CONNECTING || conn->state == CONN_SHAKING)
        conn->attack->shaking--;
    else if (conn->state != CONN_CLOSED)
        conn->attack->standing--;
    conn->state = CONN_CLOSED;
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    if (conn->fd >= 0)
        (void)close(conn->fd);
    conn->fd = -1;
    conn->begun = false;
}

/* 127.(10 + attack).0.x: each attack has addresses of its own, and none is the honest client's. */
static void bind_source(struct conn *conn)
{
    static const int on = 1;
    struct attack *attack = conn->attack;
    const uint32_t last = attack->next_source++ % attack->attacker->sources + 1;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000000u | (10 + attack->number) << 16 | last)};
    (void)setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(conn->fd, (const struct sockaddr *)&from, sizeof from) != 0)
        die("bind");
}

static void make_socket(struct conn *conn)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    static const int small = SMALL_WINDOW, on = 1;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        die("socket");
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (conn->attack->kind->reads_nothing)
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    bind_source(conn);
}

void conn_open(struct conn *conn)
{
    struct attack *attack = conn->attack;
    const struct attacker *attacker = attack->attacker;
    make_socket(conn);
    attack->told.opened++;
    attack->shaking++;
    conn->state = CONN_CONNECTING;
    if (connect(conn->fd, (const struct sockaddr *)&attacker->to, sizeof attacker->to) != 0 && errno != EINPROGRESS) {
        attack->told.unconnected++;
        conn_close(conn);
        return;
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = conn};
    if (epoll_ctl(attacker->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        die("epoll_ctl");
    conn->watched = EPOLLOUT;
}

static void start_tls(struct conn *conn)
{
    struct attack *attack = conn->attack;
    conn->ssl = SSL_new(attack->attacker->tls);
    if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1)
        die("SSL_new");
    if (attack->session != NULL && !attack->kind->full_handshake)
        (void)SSL_set_session(conn->ssl, attack->session);
    SSL_set_connect_state(conn->ssl);
    SSL_set_app_data(conn->ssl, conn);
}

/* What was refused before the handshake was complete. */
static void fail_shaking(struct conn *conn)
{
    conn->attack->told.unshaken++;
    conn_close(conn);
}

static void connected(struct conn *conn)
{
    struct attack *attack = conn->attack;
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        attack->told.unconnected++;
        conn_close(conn);
        return;
    }
    conn->state = CONN_SHAKING;
    if (!attack->kind->hello_only) {
        start_tls(conn);
        return;
    }
    const ssize_t sent = send(conn->fd, attack->attacker->hello, attack->attacker->hello_len, MSG_NOSIGNAL);
    if (sent < 0)
        fail_shaking(conn);
    else
        watch(conn, EPOLLIN);
}

/* The daemon has spent its share of a handshake, and we nothing. */
static void leave_hello(struct conn *conn)
{
    if (recv(conn->fd, scratch, 1, MSG_PEEK) == 1)
        conn->attack->told.shaken++;
    else
        conn->attack->told.unshaken++;
    conn_close(conn);
}

/* What OpenSSL waits for; false where the connection is at its end. */
static bool waits(struct conn *conn, int result)
{
    const int error = SSL_get_error(conn->ssl, result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ)
        watch(conn, EPOLLIN);
    else if (error == SSL_ERROR_WANT_WRITE)
        watch(conn, conn->attack->kind->reads_nothing ? EPOLLOUT : EPOLLIN | EPOLLOUT);
    else
        return false;
    return true;
}

static void shake(struct conn *conn)
{
    struct attack *attack = conn->attack;
    const int result = SSL_do_handshake(conn->ssl);
    if (result != 1) {
        if (!waits(conn, result))
            fail_shaking(conn);
        return;
    }
    attack->told.shaken++;
    attack->shaking--;
    attack->standing++;
    conn->state = CONN_READY;
    if (attack->kind->leaves_at_once)
        conn_close(conn);
    else
        watch(conn, attack->kind->reads_nothing ? 0 : EPOLLIN);
}

static void end(struct conn *conn)
{
    conn->attack->told.closed_by_peer++;
    conn_close(conn);
}

/* One call sends one record, or a part of it: true where something left. */
static bool send_some(struct conn *conn, const uint8_t *bytes, size_t len, size_t *at)
{
    size_t sent;
    const int result = SSL_write_ex(conn->ssl, bytes + *at, len - *at, &sent);
    if (result == 1) {
        *at += sent;
        conn->attack->told.bytes_sent += sent;
        return true;
    }
    if (!waits(conn, result))
        end(conn);
    return false;
}

void conn_send(struct conn *conn)
{
    conn->state = CONN_SENDING;
    while (conn->head_at < conn->head_len) {
        if (!send_some(conn, (const uint8_t *)conn->head, conn->head_len, &conn->head_at))
            return;
    }
    while (conn->body_at < conn->body_len) {
        if (!send_some(conn, conn->body, conn->body_len, &conn->body_at))
            return;
    }
    conn->state = conn->attack->kind->awaits ? CONN_WAITING : CONN_READY;
    watch(conn, conn->attack->kind->reads_nothing ? 0 : EPOLLIN);
}

/* The daemon puts an answer into one record, so one read has its status. */
static void count_answer(struct conn *conn, size_t len)
{
    if (len < 12 || memcmp(scratch, "HTTP/1.1 ", 9) != 0)
        return;
    scratch[12] = '\0';
    const unsigned long status = strtoul((const char *)scratch + 9, NULL, 10);
    conn->attack->told.answers[status < STATUS_MAX ? status : 0]++;
    if (conn->state == CONN_WAITING)
        conn->state = CONN_READY;
}

static void receive(struct conn *conn)
{
    for (;;) {
        size_t got;
        const int result = SSL_read_ex(conn->ssl, scratch, sizeof scratch - 1, &got);
        if (result != 1) {
            if (SSL_get_error(conn->ssl, result) != SSL_ERROR_WANT_READ)
                end(conn);
            ERR_clear_error();
            return;
        }
        count_answer(conn, got);
    }
}

void conn_drive(struct conn *conn, uint32_t events)
{
    if (conn->state == CONN_CONNECTING)
        connected(conn);
    else if (conn->state == CONN_SHAKING && conn->attack->kind->hello_only) {
        leave_hello(conn);
        return;
    }
    if (conn->state == CONN_SHAKING && conn->ssl != NULL) {
        shake(conn);
        return;
    }
    if (conn->ssl == NULL)
        return;
    if ((events & (EPOLLHUP | EPOLLERR)) != 0 && conn->attack->kind->reads_nothing) {
        end(conn);
        return;
    }
    if ((events & EPOLLIN) != 0)
        receive(conn);
    if (conn->state == CONN_SENDING && (events & EPOLLOUT) != 0)
        conn_send(conn);
}

void attacker_make_hello(struct attacker *attacker)
{
    SSL *ssl = SSL_new(attacker->tls);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (ssl == NULL || in == NULL || out == NULL)
        die("ClientHello");
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    const int len = BIO_read(out, attacker->hello, HELLO_MAX);
    if (len <= 0)
        die("ClientHello");
    attacker->hello_len = (size_t)len;
    ERR_clear_error();
    SSL_free(ssl);
}
