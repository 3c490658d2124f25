/* What libampoule needs once per process, and what it leaves behind in a thread. */
#ifndef AMP_CLIENT_RUNTIME_H
#define AMP_CLIENT_RUNTIME_H

#include "crypto/crypto.h"

/*
 * Starts the secret pool (locked where the system lets it: a library may not insist) and the crypto room, once, however
 * many threads call; every call returns the same answer. Also sees to it that the calling thread's cryptographic
 * contexts are wiped when it ends. Alters nothing else of the process.
 */
enum amp_err amp_client_runtime_start(void) AMP_MUST_USE;

#endif
