#include "tls_server.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support.h"

#define REQUEST_ROOM 16384

struct tls_server {
    struct tls_step steps[TLS_SERVER_MAX_STEPS];
    size_t step_count;
    SSL_CTX *tls;
    int listener;
    int stop[2]; /* a pipe: readable where the server is to end */
    char url[64];
    char ca[64];
    pthread_t thread;
    pthread_mutex_t lock;
    size_t connections;
    bool shut; /* the server's thread's alone */
    size_t request_count;
    char requests[TLS_SERVER_MAX_REQUESTS][REQUEST_ROOM];
};

static X509 *make_certificate(EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    char alternative[128];
    snprintf(alternative, sizeof alternative, "%s:%s", name[0] >= '0' && name[0] <= '9' ? "IP" : "DNS", name);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)"test",
                               -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_set_pubkey(certificate, key);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    assert_non_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static void make_tls(struct tls_server *server, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key, name);
    snprintf(server->ca, sizeof server->ca, "/tmp/ampoule-test-ca-XXXXXX");
    const int fd = mkstemp(server->ca);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
    server->tls = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(server->tls, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server->tls, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void make_listener(struct tls_server *server)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&at, &len), 0);
    snprintf(server->url, sizeof server->url, "https://127.0.0.1:%d", ntohs(at.sin_port));
}

/* Readable before the server is to stop. */
static bool await(struct tls_server *server, int fd)
{
    struct pollfd both[] = {{.fd = server->stop[0], .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    return poll(both, 2, -1) > 0 && both[0].revents == 0;
}

/* The whole length of the request that begins in `text`; 0 while its head is not complete. */
static size_t request_length(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "content-length: ");
    if (end == NULL)
        return 0;
    const size_t head = (size_t)(end - text) + 4;
    return length != NULL && length < end ? head + strtoul(length + 16, NULL, 10) : head;
}

static bool read_request(struct tls_server *server, SSL *ssl, char *text)
{
    size_t len = 0;
    text[0] = '\0';
    while (request_length(text) == 0 || len < request_length(text)) {
        size_t got = 0;
        if (SSL_pending(ssl) == 0 && !await(server, SSL_get_fd(ssl)))
            return false;
        if (SSL_read_ex(ssl, text + len, REQUEST_ROOM - 1 - len, &got) != 1)
            return false;
        len += got;
        text[len] = '\0';
    }
    return true;
}

/* False where the connection is to end. */
static bool play(struct tls_server *server, SSL *ssl, const char *request)
{
    pthread_mutex_lock(&server->lock);
    const size_t i = server->request_count;
    assert_true(i < TLS_SERVER_MAX_REQUESTS);
    memcpy(server->requests[i], request, strlen(request) + 1);
    server->request_count++;
    pthread_mutex_unlock(&server->lock);
    const struct tls_step *step = &server->steps[i < server->step_count ? i : server->step_count - 1];
    size_t sent;
    if (step->answer != NULL) {
        const size_t len = strlen(step->answer);
        SSL_write_ex(ssl, step->answer, step->cut ? len / 2 : len, &sent);
    }
    server->shut = server->shut || step->last;
    return !step->hang_up && !step->cut;
}

static void serve(struct tls_server *server, int fd)
{
    static char request[REQUEST_ROOM];
    SSL *ssl = SSL_new(server->tls);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        while (read_request(server, ssl, request) && play(server, ssl, request)) {
        }
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
}

static void *server_main(void *arg)
{
    struct tls_server *server = arg;
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE); /* here alone: the client must get by without */
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    while (await(server, server->listener)) {
        const int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_mutex_lock(&server->lock);
        server->connections++;
        pthread_mutex_unlock(&server->lock);
        if (!server->shut)
            serve(server, fd);
        close(fd);
    }
    OPENSSL_thread_stop();
    return NULL;
}

struct tls_server *tls_server_start(const struct tls_step *steps, size_t count, const char *common_name)
{
    struct tls_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    assert_in_range(count, 1, TLS_SERVER_MAX_STEPS);
    memcpy(server->steps, steps, count * sizeof *steps);
    server->step_count = count;
    make_tls(server, common_name);
    make_listener(server);
    assert_int_equal(pipe(server->stop), 0);
    pthread_mutex_init(&server->lock, NULL);
    assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
    return server;
}

void tls_server_stop(struct tls_server *server)
{
    if (server == NULL)
        return;
    close(server->stop[1]); /* its other end reads the end */
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->listener);
    unlink(server->ca);
    SSL_CTX_free(server->tls);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *tls_server_url(const struct tls_server *server)
{
    return server->url;
}

const char *tls_server_ca(const struct tls_server *server)
{
    return server->ca;
}

size_t tls_server_requests(struct tls_server *server)
{
    pthread_mutex_lock(&server->lock);
    const size_t count = server->request_count;
    pthread_mutex_unlock(&server->lock);
    return count;
}

const char *tls_server_request(struct tls_server *server, size_t i)
{
    assert_true(i < tls_server_requests(server));
    return server->requests[i];
}

size_t tls_server_connections(struct tls_server *server)
{
    pthread_mutex_lock(&server->lock);
    const size_t count = server->connections;
    pthread_mutex_unlock(&server->lock);
    return count;
}
