/* A worker that cannot be started. worker.c is compiled with this file; memory and threads are refused by the test. */
#include "../net/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "front/internal.h"

enum { LISTENERS = 2 };

/* So many are had yet. */
static unsigned long allocations = ULONG_MAX;
void *__wrap_calloc(size_t count, size_t len);
void *__real_calloc(size_t count, size_t len);
void *__wrap_calloc(size_t count, size_t len)
{
    if (allocations == 0)
        return NULL;
    allocations--;
    return __real_calloc(count, len);
}

static unsigned threads_asked_for;
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *ctx);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *ctx)
{
    threads_asked_for++;
    return EAGAIN;
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static struct amp_tls *make_tls(void)
{
    struct identity identity;
    struct amp_tls *tls = NULL;
    identity_make(&identity, "localhost", NULL);
    assert_int_equal(amp_tls_new(&tls, &(struct amp_tls_config){identity.cert_fd, identity.key_fd, -1}), AMP_OK);
    identity_free(&identity);
    return tls;
}

static enum amp_err try_to_start(struct amp_front_shared *shared, struct amp_tls *tls)
{
    static struct amp_front_settings settings;
    struct amp_worker *worker = NULL;
    int fds[LISTENERS];
    settings.limits = rig_limits();
    for (int i = 0; i < LISTENERS; i++)
        assert_true((fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) >= 0);
    enum amp_err err = amp_worker_start(&worker, shared, 1, fds, LISTENERS, tls, &settings);
    assert_null(worker);
    return err;
}

/* Wherever memory ends, or where no thread is to be had: the sockets were handed over. */
static void a_worker_that_does_not_start_leaves_no_descriptor_open(void **state)
{
    struct amp_clock_fake hands = {.unix_ms = 1700000000000, .mono_ms = 1000};
    struct amp_front_shared shared = {.clock = amp_clock_fake(&hands)};
    struct amp_tls *tls = make_tls();
    assert_int_equal(amp_net_commons_new(&shared.commons, shared.clock), AMP_OK);
    size_t before = open_descriptors();
    for (unsigned long n = 0; threads_asked_for == 0; n++) {
        allocations = n;
        enum amp_err err = try_to_start(&shared, tls);
        allocations = ULONG_MAX;
        assert_int_not_equal(err, AMP_OK);
        assert_int_equal(open_descriptors(), before);
        assert_in_range(n, 0, 1000);
    }
    amp_net_commons_free(shared.commons);
    amp_tls_unref(tls);
    amp_crypto_thread_fini();
}

static int start(void **state)
{
    return amp_secret_init(16 << 20, false) == AMP_OK && amp_crypto_init() == AMP_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_does_not_start_leaves_no_descriptor_open),
    };
    return cmocka_run_group_tests_name("front worker", tests, start, NULL);
}
