#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "net/conn.h"

#define TURNS_MAX 2000000 /* of waiting for what never comes */

static enum amp_err on_head(void *ctx, const struct amp_http1_head *head, size_t *max_body)
{
    struct rig *rig = ctx;
    rig->heads++;
    *max_body = rig->max_body;
    return rig->head_verdict;
}

static void remember(char *copy, size_t cap, struct amp_slice text)
{
    assert_true(text.len < cap);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
}

static void on_request(void *ctx, struct amp_net_exchange *exchange, const struct amp_net_request *request)
{
    struct rig *rig = ctx;
    rig->requests++;
    rig->body = request->body;
    rig->body_len = request->body_len;
    rig->connection_id = request->connection_id;
    rig->request_id = request->request_id;
    assert_int_not_equal(request->request_id, 0);
    remember(rig->path, sizeof(rig->path), request->head->path);
    remember(rig->source, sizeof(rig->source), request->source);
    if (rig->on_request != NULL)
        rig->on_request(rig);
    if (rig->requests < sizeof(rig->order))
        rig->order[rig->requests - 1] = request->head->path.len > 1 ? rig->path[1] : ' ';
    if (rig->signs)
        rig->verdict = amp_net_verified(exchange, amp_slice(request->head->path.ptr + 1, request->head->path.len - 1));
    if (rig->park) {
        assert_true(rig->parked_count < RIG_PARKED_MAX);
        rig->parked[rig->parked_count++] = exchange;
        return;
    }
    struct amp_net_response response = rig->answer;
    response.request_id = request->request_id;
    if (rig->echo)
        response.body = amp_slice(request->body, request->body_len);
    (void)amp_net_respond(exchange, &response);
}

static void on_refused(void *ctx, enum amp_err err, struct amp_slice source, uint64_t request_id,
                       struct amp_net_response *response)
{
    struct rig *rig = ctx;
    rig->refusals++;
    rig->refused = err;
    rig->clock.work_ns += rig->refusal_ns;
    remember(rig->source, sizeof(rig->source), source);
    response->status = amp_err_status(err);
    response->content_type = "application/problem+json";
    response->body = amp_slice_str(amp_err_code(err));
}

struct amp_net_limits rig_limits(void)
{
    return (struct amp_net_limits){.handshake_ms = 5000,
                                   .head_ms = 5000,
                                   .body_ms = 10000,
                                   .request_ms = 15000,
                                   .write_ms = 10000,
                                   .idle_ms = 60000,
                                   .max_connections = 2000,
                                   .max_connections_per_source = 2000,
                                   .max_connections_per_principal = 2000,
                                   .max_requests_per_principal = 2000,
                                   .startups = {2000, 30, 4000},
                                   .max_secret_bytes_of_strangers = SIZE_MAX,
                                   .max_pending_bytes_per_source = 64 << 20,
                                   .max_pending_bytes = 64 << 20,
                                   .max_untaken_bytes = 32 << 20};
}

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 1024), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void start_process(void)
{
    static bool started;
    if (started)
        return;
    started = true;
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(amp_secret_init(64 * 1024 * 1024, false), AMP_OK);
    assert_int_equal(amp_crypto_init(), AMP_OK);
}

void rig_start(struct rig *rig, const struct amp_net_limits *limits, const struct amp_tls_config *config)
{
    start_process();
    *rig = (struct rig){.base = event_base_new(),
                        .clock = {.unix_ms = 784111777000, .mono_ms = 1000000},
                        .max_body = 256 * 1024,
                        .answer = {.status = 201, .content_type = "text/plain", .body = AMP_SLICE_LIT("made")}};
    struct identity identity;
    identity_make(&identity, "localhost", NULL);
    struct amp_tls_config ordinary = {identity.cert_fd, identity.key_fd, -1};
    struct amp_tls *tls = NULL;
    assert_int_equal(amp_tls_new(&tls, config != NULL ? config : &ordinary), AMP_OK);
    identity_free(&identity);

    struct amp_net_handler handler = {rig, on_head, on_request, on_refused};
    struct amp_net_limits usual = rig_limits();
    int fd = listen_on_loopback(&rig->port);
    assert_int_equal(amp_net_commons_new(&rig->commons, amp_clock_fake(&rig->clock)), AMP_OK);
    assert_int_equal(amp_net_new(&rig->net, rig->commons, rig->base, amp_clock_fake(&rig->clock), tls,
                                 limits != NULL ? limits : &usual, &handler),
                     AMP_OK);
    assert_int_equal(amp_net_listen(rig->net, fd), AMP_OK);
    amp_tls_unref(tls);
}

void rig_stop(struct rig *rig)
{
    while (rig->parked_count > 0)
        (void)rig_answer(rig);
    amp_net_free(rig->net);
    amp_net_commons_free(rig->commons);
    event_base_free(rig->base);
    amp_crypto_thread_fini();
}

void rig_turn(struct rig *rig)
{
    for (int i = 0; i < 8; i++) {
        assert_true(event_base_loop(rig->base, EVLOOP_NONBLOCK) >= 0);
        rig->more = amp_net_turn(rig->net);
    }
}

void rig_pass(struct rig *rig, int64_t ms)
{
    amp_clock_fake_advance(&rig->clock, ms);
    amp_net_sweep(rig->net);
    rig_turn(rig);
}

bool rig_answer(struct rig *rig)
{
    assert_true(rig->parked_count > 0);
    struct amp_net_exchange *exchange = rig->parked[0];
    rig->parked_count--;
    memmove(&rig->parked[0], &rig->parked[1], rig->parked_count * sizeof(exchange));
    struct amp_net_response response = rig->answer;
    response.request_id = exchange->request.request_id;
    return amp_net_respond(exchange, &response);
}

void rig_await_requests(struct rig *rig, unsigned requests)
{
    for (int i = 0; i < TURNS_MAX && rig->requests < requests; i++)
        rig_turn(rig);
    assert_int_equal(rig->requests, requests);
}

static int file_of(BIO *pem)
{
    char *bytes;
    long len = BIO_get_mem_data(pem, &bytes);
    int fd = memfd_create("pem", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes, (size_t)len), len);
    BIO_free(pem);
    return fd;
}

int pem_file(const char *text)
{
    int fd = memfd_create("pem", MFD_CLOEXEC);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

void identity_make(struct identity *identity, const char *name, const struct identity *issuer)
{
    X509 *certificate = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer != NULL ? issuer->certificate : certificate));
    X509_set_pubkey(certificate, key);
    X509_EXTENSION *may_sign = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(certificate, may_sign, -1);
    X509_EXTENSION_free(may_sign);
    assert_true(X509_sign(certificate, issuer != NULL ? issuer->key : key, EVP_sha256()) > 0);

    BIO *cert_pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(cert_pem, certificate);
    PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL);
    *identity = (struct identity){certificate, key, file_of(cert_pem), file_of(key_pem)};
}

void identity_free(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    close(identity->cert_fd);
    close(identity->key_fd);
}

void peer_connect(struct peer *peer, struct rig *rig)
{
    peer_connect_from(peer, rig, "127.0.0.1");
}

void peer_connect_from(struct peer *peer, struct rig *rig, const char *source)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(rig->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    *peer = (struct peer){.rig = rig, .context = SSL_CTX_new(TLS_client_method())};
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
    assert_int_equal(bind(peer->fd, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(peer->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(peer->fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    SSL_CTX_set_mode(peer->context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* The server's verdict on a client certificate comes behind the client's own end of the handshake. */
static bool server_agrees(struct peer *peer)
{
    unsigned refusals = peer->rig->refusals;
    for (int i = 0; i < 100; i++) {
        rig_turn(peer->rig);
        peer_read(peer);
    }
    return peer->rig->refusals == refusals && !peer->dropped;
}

bool peer_handshake(struct peer *peer)
{
    peer->ssl = SSL_new(peer->context);
    SSL_set_fd(peer->ssl, peer->fd);
    for (int i = 0; i < TURNS_MAX; i++) {
        ERR_clear_error();
        int result = SSL_connect(peer->ssl);
        if (result == 1)
            return server_agrees(peer);
        int error = SSL_get_error(peer->ssl, result);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            break;
        rig_turn(peer->rig);
    }
    peer->dropped = true;
    return false;
}

void peer_open(struct peer *peer, struct rig *rig)
{
    peer_connect(peer, rig);
    assert_true(peer_handshake(peer));
}

void peer_send_bytes(struct peer *peer, const void *bytes, size_t len)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        ERR_clear_error();
        size_t sent;
        if (SSL_write_ex(peer->ssl, bytes, len, &sent) == 1)
            return;
        if (SSL_get_error(peer->ssl, 0) != SSL_ERROR_WANT_WRITE)
            return; /* the server has had enough: the test will see its answer */
        rig_turn(peer->rig);
    }
    fail_msg("the server does not read");
}

void peer_send(struct peer *peer, const char *text)
{
    peer_send_bytes(peer, text, strlen(text));
}

void peer_read(struct peer *peer)
{
    while (!peer->dropped) {
        if (peer->got_cap - peer->got_len < 16384) {
            peer->got_cap = peer->got_cap * 2 + 65536;
            peer->got = realloc(peer->got, peer->got_cap);
            assert_non_null(peer->got);
        }
        ERR_clear_error();
        size_t got;
        if (SSL_read_ex(peer->ssl, peer->got + peer->got_len, peer->got_cap - peer->got_len, &got) == 1) {
            peer->got_len += got;
            continue;
        }
        int error = SSL_get_error(peer->ssl, 0);
        if (error == SSL_ERROR_WANT_READ)
            return;
        peer->ended = error == SSL_ERROR_ZERO_RETURN;
        peer->dropped = true;
    }
}

static bool take_now(struct peer *peer, bool head_only, struct reply *reply)
{
    const uint8_t *at = peer->got + peer->taken;
    size_t len = peer->got_len - peer->taken, head_len = 0, scanned = 0;
    if (len == 0)
        return false;
    enum amp_err err = amp_http1_parse_response(&reply->head, at, len, &head_len, &scanned);
    if (err == AMP_ERR_TRUNCATED)
        return false;
    assert_int_equal(err, AMP_OK);
    size_t body_len = head_only ? 0 : (size_t)reply->head.content_length;
    if (len - head_len < body_len)
        return false;
    reply->text = amp_slice(at, head_len);
    reply->body = amp_slice(at + head_len, body_len);
    peer->taken += head_len + body_len;
    return true;
}

struct reply peer_take(struct peer *peer, bool head_only)
{
    struct reply reply = {0};
    for (int i = 0; i < TURNS_MAX; i++) {
        peer_read(peer);
        if (take_now(peer, head_only, &reply))
            return reply;
        assert_false(peer->dropped);
        rig_turn(peer->rig);
    }
    fail_msg("no answer came");
    return reply;
}

void peer_expect(struct peer *peer, int status)
{
    struct reply reply = peer_take(peer, false);
    assert_int_equal(reply.head.status, status);
}

struct amp_slice reply_field(const struct reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->head.field_count; i++) {
        if (amp_slice_equal_nocase(reply->head.fields[i].name, amp_slice_str(name)))
            return reply->head.fields[i].value;
    }
    return amp_slice(NULL, 0);
}

void peer_expect_end(struct peer *peer)
{
    for (int i = 0; i < TURNS_MAX && !peer->dropped; i++) {
        rig_turn(peer->rig);
        peer_read(peer);
    }
    assert_true(peer->dropped);
    assert_int_equal(peer->taken, peer->got_len);
}

void peer_close(struct peer *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    if (peer->fd >= 0)
        close(peer->fd);
    free(peer->got);
    struct rig *rig = peer->rig;
    *peer = (struct peer){.rig = rig, .fd = -1};
    for (int i = 0; i < 20; i++)
        rig_turn(rig);
}
