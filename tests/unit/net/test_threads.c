/* Two workers over one TLS side, and another thread that asks how many connections they have: for ThreadSanitizer. */
#include "rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "crypto/crypto.h"

enum { WORKERS = 2, CONNECTIONS = 8, REQUESTS = 20 };

struct worker {
    struct rig rig;
    struct amp_tls *tls; /* borrowed */
    _Atomic bool done;
    pthread_t thread;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct amp_net_limits limits = rig_limits();
    for (int i = 0; i < CONNECTIONS; i++) {
        struct peer peer;
        amp_net_reload(worker->rig.net, worker->tls, &limits);
        peer_open(&peer, &worker->rig);
        for (int j = 0; j < REQUESTS; j++) {
            peer_send(&peer, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            peer_expect(&peer, 201);
        }
        peer_close(&peer);
    }
    amp_crypto_thread_fini();
    worker->done = true;
    return NULL;
}

static void workers_share_tls_and_are_counted_from_outside(void **state)
{
    static struct worker workers[WORKERS];
    struct identity identity;
    struct amp_tls *tls = NULL;
    for (int i = 0; i < WORKERS; i++)
        rig_start(&workers[i].rig, NULL, NULL);
    identity_make(&identity, "shared", NULL);
    assert_int_equal(amp_tls_new(&tls, &(struct amp_tls_config){identity.cert_fd, identity.key_fd, -1}), AMP_OK);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].tls = tls;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        while (!workers[i].done)
            assert_true(amp_net_connections(workers[i].rig.net) <= 1);
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(amp_net_counts(workers[i].rig.commons).accepted, CONNECTIONS);
        assert_int_equal(workers[i].rig.requests, CONNECTIONS * REQUESTS);
    }
    assert_int_not_equal(workers[0].rig.connection_id, workers[1].rig.connection_id);
    amp_tls_unref(tls);
    identity_free(&identity);
    for (int i = 0; i < WORKERS; i++)
        rig_stop(&workers[i].rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_share_tls_and_are_counted_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
