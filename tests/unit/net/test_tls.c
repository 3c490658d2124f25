/* Who gets through the handshake, and which files make a TLS side. */
#include "rig.h"

#include <openssl/pem.h>
#include <unistd.h>

static int refuse_to_start(const struct amp_tls_config *config)
{
    struct amp_tls *tls = NULL;
    enum amp_err err = amp_tls_new(&tls, config);
    assert_int_not_equal(err, AMP_OK);
    assert_null(tls);
    return (int)err;
}

static void is_made_of_a_certificate_and_its_key_alone(void **state)
{
    struct identity one, other;
    identity_make(&one, "one", NULL);
    identity_make(&other, "other", NULL);
    int empty = pem_file(""), junk = pem_file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    int locked = pem_file("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                          "MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBAAAAAAAAAAAAAAAAAA\n"
                          "AAAAAgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQAAAAAAAAAAAAAAAA\n"
                          "AAAAAARAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                          "AAAAAAAAAAAAAAAAAAAAAAAAAA==\n-----END ENCRYPTED PRIVATE KEY-----\n");
    assert_int_equal(refuse_to_start(&(struct amp_tls_config){one.cert_fd, other.key_fd, -1}), AMP_ERR_INVALID);
    assert_int_equal(refuse_to_start(&(struct amp_tls_config){empty, one.key_fd, -1}), AMP_ERR_INVALID);
    assert_int_equal(refuse_to_start(&(struct amp_tls_config){junk, one.key_fd, -1}), AMP_ERR_INVALID);
    assert_int_equal(refuse_to_start(&(struct amp_tls_config){one.cert_fd, empty, -1}), AMP_ERR_INVALID);
    assert_int_equal(refuse_to_start(&(struct amp_tls_config){one.cert_fd, locked, -1}), AMP_ERR_INVALID);
    assert_int_equal(refuse_to_start(&(struct amp_tls_config){one.cert_fd, one.key_fd, empty}), AMP_ERR_INVALID);
    assert_int_equal(refuse_to_start(&(struct amp_tls_config){one.cert_fd, one.key_fd, junk}), AMP_ERR_INVALID);
    assert_int_equal(refuse_to_start(&(struct amp_tls_config){9999, one.key_fd, -1}), AMP_ERR_IO);

    struct amp_tls *tls = NULL; /* the files were read, but from their start each time */
    assert_int_equal(amp_tls_new(&tls, &(struct amp_tls_config){one.cert_fd, one.key_fd, -1}), AMP_OK);
    amp_tls_unref(tls);
    close(empty);
    close(junk);
    close(locked);
    identity_free(&one);
    identity_free(&other);
}

static void refuses_a_chain_that_turns_into_garbage(void **state)
{
    struct identity one;
    identity_make(&one, "one", NULL);
    int fd = pem_file("");
    char pem[4096];
    ssize_t len = pread(one.cert_fd, pem, sizeof(pem), 0);
    assert_true(len > 0);
    assert_int_equal(pwrite(fd, pem, (size_t)len, 0), len);
    static const char garbage[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_int_equal(pwrite(fd, garbage, sizeof(garbage) - 1, len), sizeof(garbage) - 1);
    assert_int_equal(refuse_to_start(&(struct amp_tls_config){fd, one.key_fd, -1}), AMP_ERR_INVALID);
    close(fd);
    identity_free(&one);
}

struct handshake {
    const char *what;
    int min, max;
    const char *ciphers;      /* TLS 1.2 */
    const char *ciphersuites; /* TLS 1.3 */
    const char *groups;
    const char *alpn;
    bool passes;
};

static void prepare(SSL_CTX *context, const struct handshake *h)
{
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, h->min);
    SSL_CTX_set_max_proto_version(context, h->max);
    if (h->ciphers != NULL)
        assert_int_equal(SSL_CTX_set_cipher_list(context, h->ciphers), 1);
    if (h->ciphersuites != NULL)
        assert_int_equal(SSL_CTX_set_ciphersuites(context, h->ciphersuites), 1);
    if (h->groups != NULL)
        assert_int_equal(SSL_CTX_set1_groups_list(context, h->groups), 1);
    if (h->alpn != NULL)
        assert_int_equal(SSL_CTX_set_alpn_protos(context, (const unsigned char *)h->alpn, (unsigned)strlen(h->alpn)),
                         0);
}

static void speaks_new_versions_and_aead_suites_alone(void **state)
{
    static const struct handshake cases[] = {
        {"TLS 1.3", TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL, NULL, NULL, true},
        {"TLS 1.2", TLS1_2_VERSION, TLS1_2_VERSION, NULL, NULL, NULL, NULL, true},
        {"TLS 1.1", TLS1_1_VERSION, TLS1_1_VERSION, NULL, NULL, NULL, NULL, false},
        {"TLS 1.0", TLS1_VERSION, TLS1_VERSION, NULL, NULL, NULL, NULL, false},
        {"1.2 ChaCha", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", NULL, NULL, NULL, true},
        {"1.2 CBC", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", NULL, NULL, NULL, false},
        {"1.2 CBC SHA256", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", NULL, NULL, NULL, false},
        {"1.2 CCM", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", NULL, NULL, NULL, false},
        {"1.2 anonymous", TLS1_2_VERSION, TLS1_2_VERSION, "AECDH-AES128-SHA", NULL, NULL, NULL, false},
        {"1.2 NULL", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-NULL-SHA", NULL, NULL, NULL, false},
        {"1.3 CCM", TLS1_3_VERSION, TLS1_3_VERSION, NULL, "TLS_AES_128_CCM_SHA256", NULL, NULL, false},
        {"P-384", TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL, "P-384", NULL, true},
        {"P-521", TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL, "P-521", NULL, false},
        {"http/1.1", TLS1_2_VERSION, TLS1_3_VERSION, NULL, NULL, NULL, "\x02h2\x08http/1.1", true},
        {"h2 alone", TLS1_2_VERSION, TLS1_3_VERSION, NULL, NULL, NULL, "\x02h2", false},
        {"near miss", TLS1_2_VERSION, TLS1_3_VERSION, NULL, NULL, NULL, "\x08http/1.0\x07http/1.", false},
    };
    struct rig rig;
    rig_start(&rig, NULL, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct peer peer;
        unsigned refusals = rig.refusals;
        peer_connect(&peer, &rig);
        prepare(peer.context, &cases[i]);
        bool passed = peer_handshake(&peer);
        if (passed != cases[i].passes)
            fail_msg("%s: %s", cases[i].what, passed ? "passed" : "did not pass");
        peer_close(&peer);
        assert_int_equal(rig.refusals - refusals, cases[i].passes ? 0 : 1);
    }
    assert_int_equal(rig.refused, AMP_ERR_IO);
    assert_int_equal(amp_net_connections(rig.net), 0);
    rig_stop(&rig);
}

static void wants_client_certificates_of_its_roots(void **state)
{
    struct identity server, root, good, stranger;
    identity_make(&server, "localhost", NULL);
    identity_make(&root, "root", NULL);
    identity_make(&good, "good", &root);
    identity_make(&stranger, "stranger", NULL);
    struct rig rig;
    rig_start(&rig, NULL, &(struct amp_tls_config){server.cert_fd, server.key_fd, root.cert_fd});
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        const struct identity *shown[] = {NULL, &stranger, &good};
        for (size_t i = 0; i < 3; i++) {
            struct peer peer;
            peer_connect(&peer, &rig);
            SSL_CTX_set_max_proto_version(peer.context, version);
            if (shown[i] != NULL) {
                SSL_CTX_use_certificate(peer.context, shown[i]->certificate);
                SSL_CTX_use_PrivateKey(peer.context, shown[i]->key);
            }
            assert_int_equal(peer_handshake(&peer), shown[i] == &good);
            if (shown[i] == &good) {
                peer_send(&peer, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
                peer_expect(&peer, 201);
            }
            peer_close(&peer);
        }
    }
    assert_int_equal(rig.requests, 2);
    rig_stop(&rig);
    identity_free(&server);
    identity_free(&root);
    identity_free(&good);
    identity_free(&stranger);
}

/* The second handshake resumes with TLS 1.3; with 1.2 no ticket is given. */
static void gives_tickets_for_new_sessions_alone(void **state)
{
    struct rig rig;
    rig_start(&rig, NULL, NULL);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct peer first, second;
        peer_connect(&first, &rig);
        SSL_CTX_set_max_proto_version(first.context, version);
        assert_true(peer_handshake(&first));
        peer_send(&first, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        peer_expect(&first, 201);
        SSL_SESSION *session = SSL_get1_session(first.ssl);
        assert_int_equal(SSL_SESSION_has_ticket(session), version == TLS1_3_VERSION);

        peer_connect(&second, &rig);
        SSL_CTX_set_max_proto_version(second.context, version);
        second.ssl = SSL_new(second.context);
        SSL_set_session(second.ssl, session);
        SSL_set_fd(second.ssl, second.fd);
        while (SSL_connect(second.ssl) != 1)
            rig_turn(&rig);
        assert_int_equal(SSL_session_reused(second.ssl), version == TLS1_3_VERSION);
        SSL_SESSION_free(session);
        peer_close(&first);
        peer_close(&second);
    }
    rig_stop(&rig);
}

static void reload_changes_the_certificate_of_new_connections(void **state)
{
    struct identity changed;
    struct amp_tls *tls = NULL;
    struct amp_net_limits limits = rig_limits();
    struct rig rig;
    struct peer before, after;
    identity_make(&changed, "changed", NULL);
    rig_start(&rig, NULL, NULL);
    peer_open(&before, &rig);
    assert_int_equal(amp_tls_new(&tls, &(struct amp_tls_config){changed.cert_fd, changed.key_fd, -1}), AMP_OK);
    amp_net_reload(rig.net, tls, &limits);
    amp_tls_unref(tls);
    peer_open(&after, &rig);

    X509 *shown = SSL_get1_peer_certificate(after.ssl);
    assert_int_equal(X509_cmp(shown, changed.certificate), 0);
    X509_free(shown);
    peer_send(&before, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    peer_expect(&before, 201);
    peer_send(&after, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    peer_expect(&after, 201);
    peer_close(&before);
    peer_close(&after);
    rig_stop(&rig);
    identity_free(&changed);
}

static void does_not_renegotiate(void **state)
{
    struct rig rig;
    struct peer peer;
    rig_start(&rig, NULL, NULL);
    peer_connect(&peer, &rig);
    SSL_CTX_set_max_proto_version(peer.context, TLS1_2_VERSION);
    assert_true(peer_handshake(&peer));
    assert_int_equal(SSL_renegotiate(peer.ssl), 1);
    for (int i = 0; i < 100; i++) {
        assert_int_not_equal(SSL_do_handshake(peer.ssl), 1);
        rig_turn(&rig);
    }
    peer_close(&peer);
    rig_stop(&rig);
}

/* TLS 1.3 KeyUpdate, which the server must answer in the midst of reading. */
static void survives_key_updates(void **state)
{
    struct rig rig;
    struct peer peer;
    rig_start(&rig, NULL, NULL);
    peer_open(&peer, &rig);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        peer_send(&peer, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        peer_expect(&peer, 201);
    }
    peer_close(&peer);
    rig_stop(&rig);
}

static void a_port_that_is_only_looked_at_is_no_news(void **state)
{
    struct rig rig;
    struct peer peer;
    rig_start(&rig, NULL, NULL);
    peer_connect(&peer, &rig);
    rig_turn(&rig);
    assert_int_equal(amp_net_connections(rig.net), 1);
    peer_close(&peer);
    assert_int_equal(amp_net_connections(rig.net), 0);
    assert_int_equal(rig.refusals, 0);

    peer_connect(&peer, &rig);
    assert_int_equal(write(peer.fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    for (int i = 0; i < 100 && rig.refusals == 0; i++)
        rig_turn(&rig);
    assert_int_equal(rig.refusals, 1);
    assert_int_equal(rig.refused, AMP_ERR_IO);
    peer_close(&peer);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_new_versions_and_aead_suites_alone),
        cmocka_unit_test(is_made_of_a_certificate_and_its_key_alone),
        cmocka_unit_test(refuses_a_chain_that_turns_into_garbage),
        cmocka_unit_test(wants_client_certificates_of_its_roots),
        cmocka_unit_test(gives_tickets_for_new_sessions_alone),
        cmocka_unit_test(reload_changes_the_certificate_of_new_connections),
        cmocka_unit_test(does_not_renegotiate),
        cmocka_unit_test(survives_key_updates),
        cmocka_unit_test(a_port_that_is_only_looked_at_is_no_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
