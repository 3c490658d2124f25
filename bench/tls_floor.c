/*
 * tls_floor PORT CERT KEY CIPHERSUITE: what a request costs at the least. It answers each TLS record with the same text
 * and knows nothing of HTTP: what is left is the kernel's TCP, epoll and OpenSSL. bench/compare measures it beside the
 * others, which do that too, and more.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 64

/* What SendMessage answers, but for some fields of the head. */
static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: application/x-amz-json-1.0\r\n"
                             "x-amzn-RequestId: 00000000-0000-0000-0000-000000000000\r\n"
                             "Content-Length: 106\r\n"
                             "\r\n"
                             "{\"MessageId\":\"00000000-0000-0000-0000-000000000000\","
                             "\"MD5OfMessageBody\":\"00000000000000000000000000000000\"}";

static int die(const char *what)
{
    fprintf(stderr, "tls_floor: %s: %s\n", what, strerror(errno));
    return 1;
}

static SSL_CTX *make_context(const char *cert, const char *key, const char *suite)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 || SSL_CTX_set_ciphersuites(context, suite) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_read_ahead(context, 1); /* one read a record, not one for its head and one for the rest */
    return context;
}

static int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, SOMAXCONN) != 0)
        return -1;
    return fd;
}

static bool watch(int epoll, int fd, SSL *ssl)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = ssl};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void open_connection(int epoll, int listener, SSL_CTX *context)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    SSL *ssl = SSL_new(context);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || !watch(epoll, fd, ssl)) {
        SSL_free(ssl);
        close(fd);
        return;
    }
    SSL_set_accept_state(ssl);
}

static void serve(SSL *ssl)
{
    char record[SSL3_RT_MAX_PLAIN_LENGTH];
    ERR_clear_error(); /* SSL_get_error would tell of another connection's */
    int got = SSL_read(ssl, record, sizeof record);
    if (got > 0)
        got = SSL_write(ssl, answer, sizeof answer - 1);
    int error = got > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, got);
    if (error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ)
        return;
    int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: tls_floor PORT CERT KEY CIPHERSUITE\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* who hangs up ends his own connection alone */
    SSL_CTX *context = make_context(argv[2], argv[3], argv[4]);
    if (context == NULL)
        return die("certificate, key or cipher suite");
    int listener = listen_on((int)strtol(argv[1], NULL, 10)), epoll = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || epoll < 0 || !watch(epoll, listener, NULL))
        return die("listening");
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        if (count < 0 && errno != EINTR)
            return die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                open_connection(epoll, listener, context);
            else
                serve(events[i].data.ptr);
        }
    }
}
