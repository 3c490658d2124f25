/* Private to the room. */
#ifndef AMP_NET_TLS_H
#define AMP_NET_TLS_H

#include <openssl/ssl.h>

#include "net/net.h"

/* The server's end of a new connection over `fd` (borrowed; non-blocking); NULL where memory is short. */
SSL *amp_tls_accept(const struct amp_tls *tls, int fd);

#endif
