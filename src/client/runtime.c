#include "client/runtime.h"

#include <pthread.h>

/* Fits under the usual RLIMIT_MEMLOCK of 8 MiB with room for the host's own. */
#define POOL_BYTES (6u << 20)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static enum amp_err started = AMP_ERR_INTERNAL;

static void start(void)
{
    started = amp_secret_init(POOL_BYTES, false);
    if (started == AMP_OK)
        started = amp_crypto_init();
}

enum amp_err amp_client_runtime_start(void)
{
    pthread_once(&once, start);
    return started;
}
