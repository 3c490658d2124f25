/* A TLS server in a thread of the test, that plays a script: one step for each request it is sent. */
#ifndef AMP_TESTS_TLS_SERVER_H
#define AMP_TESTS_TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#define TLS_SERVER_MAX_REQUESTS 32
#define TLS_SERVER_MAX_STEPS    32

struct tls_step {
    const char *answer; /* sent whole; NULL: none */
    bool hang_up;       /* closes behind the answer (or instead of one) */
    bool cut;           /* the answer breaks off in its middle */
    bool last;          /* who connects from then on is hung up on before the handshake */
};

struct tls_server;

/* The last step repeats. The steps are copied; the texts they name live as long as the server.
   `common_name`: of its self-signed certificate; an address where it begins with a digit. */
struct tls_server *tls_server_start(const struct tls_step *steps, size_t count, const char *common_name);
/* Joins the thread; its connections are closed. NULL does nothing. */
void tls_server_stop(struct tls_server *server);

/* "https://127.0.0.1:PORT" and the file that holds its certificate. */
const char *tls_server_url(const struct tls_server *server);
const char *tls_server_ca(const struct tls_server *server);
/* What came: whole requests as text, in order, and how many connections there were. */
size_t tls_server_requests(struct tls_server *server);
const char *tls_server_request(struct tls_server *server, size_t i);
size_t tls_server_connections(struct tls_server *server);

#endif
