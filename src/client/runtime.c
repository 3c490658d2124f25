#include "client/runtime.h"

#include <pthread.h>

/* Fits under the usual RLIMIT_MEMLOCK of 8 MiB with room for the host's own. */
#define POOL_BYTES (6u << 20)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t leaving; /* set in every thread that was here; its destructor runs when the thread ends */
static enum amp_err started = AMP_ERR_INTERNAL;

static void leave(void *set)
{
    (void)set;
    amp_crypto_thread_fini();
}

static void start(void)
{
    if (pthread_key_create(&leaving, leave) != 0)
        return;
    started = amp_secret_init(POOL_BYTES, false);
    if (started == AMP_OK)
        started = amp_crypto_init();
}

enum amp_err amp_client_runtime_start(void)
{
    pthread_once(&once, start);
    if (started == AMP_OK && pthread_getspecific(leaving) == NULL && pthread_setspecific(leaving, &leaving) != 0)
        return AMP_ERR_OUT_OF_MEMORY;
    return started;
}
