/* The roots that endpoints' certificates must lead to, read once: reading them anew for each connection costs ms. */
#ifndef AMP_COURIER_TRUST_H
#define AMP_COURIER_TRUST_H

#include <openssl/x509.h>

#include "base/err.h"

/* Reads PEM from `fd` (borrowed); where it is -1 nothing is trusted. AMP_ERR_INVALID: there is not one certificate
 * in it, or a malformed one. Free with X509_STORE_free. */
enum amp_err amp_trust_read(X509_STORE **out, int fd) AMP_MUST_USE;

#endif
