#include "client/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* TLS 1.3 suites are all AEAD; of TLS 1.2's these are, with forward secrecy (RFC 9325 section 4.2). */
#define TLS12_SUITES "ECDHE+AESGCM:ECDHE+CHACHA20"

enum amp_err amp_client_tls_new(SSL_CTX **out, const char *ca_file)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    enum amp_err err = AMP_ERR_OUT_OF_MEMORY;
    *out = NULL;
    if (tls == NULL)
        return err;
    SSL_CTX_set_options(tls, SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1 || SSL_CTX_set_cipher_list(tls, TLS12_SUITES) != 1)
        goto out;
    err = AMP_ERR_INVALID;
    if (ca_file != NULL ? SSL_CTX_load_verify_file(tls, ca_file) != 1 : SSL_CTX_set_default_verify_paths(tls) != 1)
        goto out;
    *out = tls;
    return AMP_OK;
out:
    ERR_clear_error();
    SSL_CTX_free(tls);
    return err;
}

enum amp_err amp_client_tls_expect(SSL *ssl, const struct amp_client_url *url)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (url->is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(param, url->host) == 1 ? AMP_OK : AMP_ERR_OUT_OF_MEMORY;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_host(param, url->host, 0) != 1 || SSL_set_tlsext_host_name(ssl, url->host) != 1)
        return AMP_ERR_OUT_OF_MEMORY;
    return AMP_OK;
}

const char *amp_client_tls_failure(SSL *ssl)
{
    const long verdict = SSL_get_verify_result(ssl);
    if (verdict != X509_V_OK)
        return X509_verify_cert_error_string(verdict);
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return reason != NULL ? reason : "the connection was closed during the TLS handshake";
}

const char *amp_client_connect_code(int errnum)
{
    return errnum == ECONNREFUSED ? "connection_refused" : errnum == ETIMEDOUT ? "connect_timeout" : "unreachable";
}

const char *amp_client_connect_failure(int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
        return "connection refused";
    case ETIMEDOUT:
        return "connection timed out";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "no route to host";
    case ECONNRESET:
        return "connection reset";
    default:
        return "cannot connect";
    }
}
