/* TLS as this client speaks it: 1.2 and 1.3, AEAD suites alone, the server's certificate always verified. */
#ifndef AMP_CLIENT_TLS_H
#define AMP_CLIENT_TLS_H

#include <openssl/ssl.h>

#include "client/url.h"

/* `ca_file`: the only certificates trusted (PEM); NULL: the system's. AMP_ERR_INVALID where the file cannot be used,
 * AMP_ERR_OUT_OF_MEMORY. Plaintext buffers are wiped (SSL_OP_CLEANSE_PLAINTEXT). */
enum amp_err amp_client_tls_new(SSL_CTX **out, const char *ca_file) AMP_MUST_USE;
/* The certificate must be for this host (RFC 6125) or address. */
enum amp_err amp_client_tls_expect(SSL *ssl, const struct amp_client_url *url) AMP_MUST_USE;
/* Why a handshake failed, for people. Static storage. */
const char *amp_client_tls_failure(SSL *ssl);
/* Why a connect failed, for people. Static storage. */
const char *amp_client_connect_failure(int errnum);
/* The same for machines: "connection_refused", "connect_timeout", "unreachable". */
const char *amp_client_connect_code(int errnum);

#endif
