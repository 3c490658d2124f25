#include "net/tls.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#define PEM_MAX (1024 * 1024)

struct amp_tls {
    _Atomic size_t references;
    SSL_CTX *context;
};

/* The key's text is a secret too, so every PEM file is read into secret memory. */
static enum amp_err read_whole(struct amp_secret_buf *text, int fd)
{
    for (;;) {
        enum amp_err err = amp_secret_buf_reserve(text, 4096);
        if (err != AMP_OK)
            return err;
        ssize_t got = pread(fd, text->ptr + text->len, text->cap - text->len, (off_t)text->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return AMP_ERR_IO;
        if (got == 0)
            return AMP_OK;
        text->len += (size_t)got;
        if (text->len > PEM_MAX)
            return AMP_ERR_TOO_LARGE;
    }
}

/* Uses what `use` finds in the file. */
static enum amp_err with_pem(SSL_CTX *context, int fd, enum amp_err (*use)(SSL_CTX *context, BIO *pem))
{
    struct amp_secret_buf text = {NULL, 0, 0};
    BIO *pem = NULL;
    enum amp_err err = read_whole(&text, fd);
    if (err != AMP_OK)
        goto out;
    err = AMP_ERR_OUT_OF_MEMORY;
    if ((pem = BIO_new_mem_buf(text.ptr, (int)text.len)) != NULL)
        err = use(context, pem);
out:
    BIO_free(pem);
    amp_secret_buf_free(&text);
    ERR_clear_error();
    return err;
}

/* Nobody is there to be asked for a passphrase. */
static int no_passphrase(char *text, int size, int writing, void *ctx)
{
    return -1;
}

/* Whether reading stopped at the end of the file and not at something unreadable. */
static bool at_end_of_pem(void)
{
    unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static X509 *next_certificate(BIO *pem)
{
    return PEM_read_bio_X509(pem, NULL, no_passphrase, NULL);
}

static enum amp_err use_chain(SSL_CTX *context, BIO *pem)
{
    X509 *certificate = next_certificate(pem);
    bool used = certificate != NULL && SSL_CTX_use_certificate(context, certificate) == 1;
    X509_free(certificate);
    if (!used)
        return AMP_ERR_INVALID;
    while ((certificate = next_certificate(pem)) != NULL) {
        if (SSL_CTX_add0_chain_cert(context, certificate) != 1) {
            X509_free(certificate);
            return AMP_ERR_INVALID;
        }
    }
    return at_end_of_pem() ? AMP_OK : AMP_ERR_INVALID;
}

static enum amp_err use_key(SSL_CTX *context, BIO *pem)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, NULL);
    bool used = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    return used ? AMP_OK : AMP_ERR_INVALID;
}

/* A root to trust, and its name for the list that clients choose their certificate by. */
static bool trust(SSL_CTX *context, X509 *root)
{
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root) == 1 && SSL_CTX_add_client_CA(context, root) == 1;
}

static enum amp_err use_client_roots(SSL_CTX *context, BIO *pem)
{
    size_t count = 0;
    for (X509 *root; (root = next_certificate(pem)) != NULL; count++) {
        bool trusted = trust(context, root);
        X509_free(root);
        if (!trusted)
            return AMP_ERR_INVALID;
    }
    if (count == 0 || !at_end_of_pem())
        return AMP_ERR_INVALID;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return AMP_OK;
}

/* Who offers protocols must offer ours (RFC 7301 section 3.2); who offers none means HTTP/1.1. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
                           const unsigned char *offered, unsigned offered_len, void *ctx)
{
    static const struct amp_slice wanted = {(const uint8_t *)"http/1.1", 8};
    for (unsigned at = 0; at < offered_len && offered[at] < offered_len - at; at += 1u + offered[at]) {
        if (amp_slice_equal(amp_slice(offered + at + 1, offered[at]), wanted)) {
            *chosen = offered + at + 1;
            *chosen_len = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/*
 * Called when the version is settled. A ticket of TLS 1.2 holds the keys of its session under one key of the server:
 * whoever gets that reads the past. One of TLS 1.3 does not (RFC 8446 section 2.2: PSK with (EC)DHE).
 */
static int deny_old_tickets(SSL *ssl, void *ctx)
{
    if (SSL_version(ssl) < TLS1_3_VERSION)
        SSL_set_options(ssl, SSL_OP_NO_TICKET);
    return 1;
}

static bool restrict_protocol(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
                                             "TLS_AES_128_GCM_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1;
}

static bool restrict_sessions(SSL_CTX *context)
{
    static const unsigned char name[] = "ampoule";
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_cert_cb(context, deny_old_tickets, NULL);
    return SSL_CTX_set_num_tickets(context, 1) == 1 &&
           SSL_CTX_set_session_id_context(context, name, sizeof(name) - 1) == 1;
}

/*
 * Plaintext is wiped behind each read: nothing else removes it from OpenSSL's buffers. Reading ahead takes a record and
 * its header in one read(2). An end without close_notify is an error: who only ended his own side says so.
 */
static void set_reading_and_writing(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
}

static enum amp_err set_identity(SSL_CTX *context, const struct amp_tls_config *config)
{
    enum amp_err err = with_pem(context, config->cert_fd, use_chain);
    if (err == AMP_OK)
        err = with_pem(context, config->key_fd, use_key);
    if (err == AMP_OK && config->client_ca_fd >= 0)
        err = with_pem(context, config->client_ca_fd, use_client_roots);
    return err;
}

enum amp_err amp_tls_new(struct amp_tls **out, const struct amp_tls_config *config)
{
    struct amp_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    atomic_init(&tls->references, 1);
    enum amp_err err = AMP_ERR_CRYPTO;
    tls->context = SSL_CTX_new(TLS_server_method());
    if (tls->context == NULL || !restrict_protocol(tls->context) || !restrict_sessions(tls->context))
        goto out;
    set_reading_and_writing(tls->context);
    err = set_identity(tls->context, config);
out:
    if (err != AMP_OK) {
        ERR_clear_error();
        amp_tls_unref(tls);
        return err;
    }
    *out = tls;
    return AMP_OK;
}

struct amp_tls *amp_tls_ref(struct amp_tls *tls)
{
    atomic_fetch_add_explicit(&tls->references, 1, memory_order_relaxed);
    return tls;
}

void amp_tls_unref(struct amp_tls *tls)
{
    if (tls == NULL || atomic_fetch_sub_explicit(&tls->references, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

SSL *amp_tls_accept(const struct amp_tls *tls, int fd)
{
    SSL *ssl = SSL_new(tls->context);
    if (ssl == NULL)
        return NULL;
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}
