/* One TLS connection to the daemon, blocking up to a deadline. Its sockets raise no SIGPIPE in the host process. */
#ifndef AMP_CLIENT_TRANSPORT_H
#define AMP_CLIENT_TRANSPORT_H

#include "base/clock.h"
#include "client/fault.h"
#include "client/tls.h"

struct amp_client_transport {
    SSL_CTX *tls; /* owned by whoever made this */
    BIO_METHOD *bio;
    struct amp_clock clock;
    SSL *ssl; /* NULL while not connected */
    int fd;
    bool used; /* has carried a request */
};

/* AMP_CLIENT_MEMORY alone. */
enum amp_client_status amp_client_transport_init(struct amp_client_transport *transport, SSL_CTX *tls) AMP_MUST_USE;
void amp_client_transport_fini(struct amp_client_transport *transport);

/* Deadlines are on the monotonic clock. Failures are described in *fault: UNREACHABLE, TLS, TIMEOUT, MEMORY. */
enum amp_client_status amp_client_transport_open(struct amp_client_transport *transport,
                                                 const struct amp_client_url *url, int64_t deadline_ms,
                                                 struct amp_client_fault *fault) AMP_MUST_USE;
/* False where the server has closed it or sent what nobody asked for: it must not be used again. */
bool amp_client_transport_alive(struct amp_client_transport *transport);
/* Ends it in good order. Does nothing where it is not connected. */
void amp_client_transport_close(struct amp_client_transport *transport);

/* Writes all of it. */
enum amp_client_status amp_client_transport_write(struct amp_client_transport *transport, struct amp_slice bytes,
                                                  int64_t deadline_ms, struct amp_client_fault *fault) AMP_MUST_USE;
/* Reads at least one byte. */
enum amp_client_status amp_client_transport_read(struct amp_client_transport *transport, uint8_t *into, size_t cap,
                                                 size_t *got, int64_t deadline_ms,
                                                 struct amp_client_fault *fault) AMP_MUST_USE;

#endif
