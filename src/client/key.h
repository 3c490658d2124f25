/* Idempotency-Keys of the library's own making. */
#ifndef AMP_CLIENT_KEY_H
#define AMP_CLIENT_KEY_H

#define AMP_CLIENT_KEY_LEN 36

/* A random version 4 UUID (RFC 9562 section 5.4), NUL-terminated, in `key`, which is returned; NULL where the random
 * generator fails. Needs amp_client_runtime_start. */
const char *amp_client_key_make(char key[AMP_CLIENT_KEY_LEN + 1]);

#endif
