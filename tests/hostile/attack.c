/*
 * attack --to ADDRESS:PORT [--sources N] [--harmless] KIND[=CONNECTIONS[@RATE]]...
 *
 * All kinds at once, against a daemon that speaks TLS. Those that need a key take it from AWS_ACCESS_KEY_ID and
 * AWS_SECRET_ACCESS_KEY. First it opens the connections that shall stand; once they do, or READY_MS have passed, the
 * others begin, and it writes "ready" on a line. It goes on until SIGTERM, and then says what became of it since it was
 * ready, one JSON object for each kind on a line of its own. While it is stopped (SIGSTOP) no time passes for it.
 */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

enum {
    ATTACKS_MAX = 16,
    EVENTS = 256,
    READY_MS = 20000,
    PAUSE_MS = 100,       /* a turn that took longer was none: it was stopped, or has waited for the processor */
    OPENING_AT_ONCE = 32, /* of those that stand */
    OPENS_PER_TURN = 64,
    ACTS_PER_TURN = 256,
};

_Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "attack: %s: %s\n", what, strerror(errno));
    exit(1);
}

static volatile sig_atomic_t is_over;

static void on_term(int signal_number)
{
    is_over = signal_number;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Sessions are taken up again where a kind does not ask for the whole handshake. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct conn *conn = SSL_get_app_data(ssl);
    if (conn == NULL || conn->attack->session != NULL)
        return 0;
    conn->attack->session = session;
    return 1;
}

static SSL_CTX *make_tls(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_set1_groups_list(tls, "X25519") != 1)
        die("TLS");
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, keep_session);
    SSL_CTX_set_mode(tls,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

static void open_some(struct attack *attack)
{
    const unsigned at_once = attack->kind->stands ? OPENING_AT_ONCE : attack->conn_count;
    for (int turn = 0; turn < OPENS_PER_TURN; turn++) {
        if (attack->shaking >= at_once || attack->shaking + attack->standing >= attack->conn_count)
            return;
        while (attack->conns[attack->open_at].state != CONN_CLOSED)
            attack->open_at = (attack->open_at + 1) % attack->conn_count;
        conn_open(&attack->conns[attack->open_at]);
        attack->open_at = (attack->open_at + 1) % attack->conn_count;
    }
}

static bool act_on_next(struct attack *attack)
{
    for (unsigned looked = 0; looked < attack->conn_count; looked++) {
        struct conn *conn = &attack->conns[attack->act_at];
        attack->act_at = (attack->act_at + 1) % attack->conn_count;
        if (conn->state != CONN_READY)
            continue;
        if (conn->head == NULL && (conn->head = malloc(HEAD_MAX)) == NULL)
            die("memory");
        attack->told.acts++;
        attack->kind->act(conn);
        conn_send(conn);
        return true;
    }
    return false;
}

/* What a turn did not get to do because nobody was free is not made up for later, but for a tenth of a second's worth.
 */
static void act_some(struct attack *attack, int64_t elapsed_ms)
{
    if (attack->kind->act == NULL)
        return;
    if (attack->rate <= 0) {
        for (int turn = 0; turn < ACTS_PER_TURN && act_on_next(attack); turn++)
            continue;
        return;
    }
    attack->owed += attack->rate * (double)elapsed_ms / 1000;
    if (attack->owed > attack->rate / 10 + 1)
        attack->owed = attack->rate / 10 + 1;
    for (int turn = 0; turn < ACTS_PER_TURN && attack->owed >= 1 && act_on_next(attack); turn++)
        attack->owed -= 1;
}

/* Those that stand go first. */
static bool has_begun(const struct attack *attack)
{
    return attack->kind->stands || attack->attacker->is_ready;
}

static bool stands(const struct attack *attack)
{
    return !attack->kind->stands || attack->standing >= attack->conn_count;
}

/* Whether there is more to do that no event will tell of. */
static int wait_ms(const struct attack *attacks, size_t count)
{
    int wait = 5;
    for (size_t i = 0; i < count; i++) {
        const struct attack *attack = &attacks[i];
        const unsigned at_once = attack->kind->stands ? OPENING_AT_ONCE : attack->conn_count;
        if (has_begun(attack) && attack->shaking + attack->standing < attack->conn_count && attack->shaking < at_once)
            wait = 0;
    }
    return wait;
}

static void turn(struct attacker *attacker, struct attack *attacks, size_t count, int64_t elapsed_ms)
{
    struct epoll_event events[EVENTS];
    for (size_t i = 0; i < count; i++) {
        if (!has_begun(&attacks[i]))
            continue;
        open_some(&attacks[i]);
        if (attacker->is_ready)
            act_some(&attacks[i], elapsed_ms);
    }
    const int ready = epoll_wait(attacker->epoll, events, EVENTS, wait_ms(attacks, count));
    for (int i = 0; i < ready; i++)
        conn_drive(events[i].data.ptr, events[i].events);
}

/* What is told begins here. */
static void be_ready(struct attacker *attacker, struct attack *attacks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        attacks[i].told = (struct told){.standing_least = attacks[i].standing};
    attacker->is_ready = true;
    (void)printf("ready\n");
    (void)fflush(stdout);
}

static void run(struct attacker *attacker, struct attack *attacks, size_t count)
{
    const int64_t start = now_ms();
    int64_t now = start;
    while (!is_over) {
        const int64_t before = now;
        now = now_ms();
        const int64_t elapsed = now - before < PAUSE_MS ? now - before : PAUSE_MS;
        if (!attacker->is_harmless)
            turn(attacker, attacks, count, elapsed);
        bool all = true;
        for (size_t i = 0; i < count; i++) {
            all = all && stands(&attacks[i]);
            if (attacks[i].standing < attacks[i].told.standing_least)
                attacks[i].told.standing_least = attacks[i].standing;
        }
        if (attacker->is_ready)
            attacker->active_ms += elapsed;
        else if (all || attacker->is_harmless || now - start > READY_MS)
            be_ready(attacker, attacks, count);
    }
}

static void report(const struct attack *attack)
{
    const struct told *told = &attack->told;
    (void)printf(
        "{\"attack\":\"%s\",\"active_ms\":%lld,\"standing\":%u,\"standing_least\":%u,\"opened\":%llu,"
        "\"unconnected\":%llu,\"handshakes\":%llu,\"refused_handshakes\":%llu,\"closed_by_peer\":%llu,\"acts\":%llu,"
        "\"bytes_sent\":%llu,\"answers\":{",
        attack->kind->name, (long long)attack->attacker->active_ms, attack->standing, told->standing_least,
        (unsigned long long)told->opened, (unsigned long long)told->unconnected, (unsigned long long)told->shaken,
        (unsigned long long)told->unshaken, (unsigned long long)told->closed_by_peer, (unsigned long long)told->acts,
        (unsigned long long)told->bytes_sent);
    const char *comma = "";
    for (unsigned status = 0; status < STATUS_MAX; status++) {
        if (told->answers[status] == 0)
            continue;
        (void)printf("%s\"%u\":%llu", comma, status, (unsigned long long)told->answers[status]);
        comma = ",";
    }
    (void)printf("}}\n");
}

/* KIND[=CONNECTIONS[@RATE]] */
static void parse_attack(struct attack *attack, const char *text)
{
    const size_t len = strcspn(text, "=");
    attack->kind = kind_find(text, len);
    if (attack->kind == NULL) {
        (void)fprintf(stderr, "attack: there is no kind '%s'\n", text);
        exit(2);
    }
    attack->conn_count = attack->kind->connections;
    attack->rate = attack->kind->rate;
    if (text[len] == '\0')
        return;
    char *end;
    attack->conn_count = (unsigned)strtoul(text + len + 1, &end, 10);
    if (*end == '@')
        attack->rate = strtod(end + 1, &end);
    if (*end != '\0' || attack->conn_count == 0) {
        (void)fprintf(stderr, "attack: '%s' is not KIND[=CONNECTIONS[@RATE]]\n", text);
        exit(2);
    }
}

static void prepare_attack(struct attack *attack, struct attacker *attacker, unsigned number)
{
    attack->attacker = attacker;
    attack->number = number;
    attack->conns = calloc(attack->conn_count, sizeof *attack->conns);
    if (attack->conns == NULL)
        die("memory");
    for (unsigned i = 0; i < attack->conn_count; i++)
        attack->conns[i] = (struct conn){.attack = attack, .fd = -1};
}

static void parse_address(struct attacker *attacker, const char *text)
{
    char address[32];
    const char *colon = strchr(text, ':');
    (void)snprintf(attacker->host, sizeof attacker->host, "%s", text);
    (void)snprintf(address, sizeof address, "%.*s", colon == NULL ? 0 : (int)(colon - text), text);
    attacker->to.sin_family = AF_INET;
    if (colon == NULL || inet_pton(AF_INET, address, &attacker->to.sin_addr) != 1) {
        (void)fprintf(stderr, "attack: '%s' is not ADDRESS:PORT\n", text);
        exit(2);
    }
    attacker->to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
}

static void copy_from_environment(const char *name, char *out, size_t cap)
{
    const char *value = getenv(name);
    (void)snprintf(out, cap, "%s", value == NULL ? "" : value);
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("RLIMIT_NOFILE");
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void prepare(struct attacker *attacker)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTERM, on_term);
    raise_descriptors();
    copy_from_environment("AWS_ACCESS_KEY_ID", attacker->key_id, sizeof attacker->key_id);
    copy_from_environment("AWS_SECRET_ACCESS_KEY", attacker->secret, sizeof attacker->secret);
    attacker->tls = make_tls();
    attacker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (attacker->epoll < 0)
        die("epoll");
    attacker_make_hello(attacker);
    kinds_prepare();
}

int main(int argc, char **argv)
{
    static struct attacker attacker = {.sources = 16};
    static struct attack attacks[ATTACKS_MAX];
    unsigned count = 0;
    for (int i = 1; i < argc; i++) {
        const bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--to") == 0 && has_value)
            parse_address(&attacker, argv[++i]);
        else if (strcmp(argv[i], "--harmless") == 0)
            attacker.is_harmless = true;
        else if (strcmp(argv[i], "--sources") == 0 && has_value)
            attacker.sources = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (count < ATTACKS_MAX)
            parse_attack(&attacks[count++], argv[i]);
    }
    if (count == 0 || attacker.to.sin_port == 0 || attacker.sources == 0 || attacker.sources > SOURCES_MAX) {
        (void)fprintf(stderr,
                      "usage: attack --to ADDRESS:PORT [--sources N] [--harmless] KIND[=CONNECTIONS[@RATE]]...\n");
        return 2;
    }
    prepare(&attacker);
    for (unsigned i = 0; i < count; i++)
        prepare_attack(&attacks[i], &attacker, i);
    run(&attacker, attacks, count);
    for (unsigned i = 0; i < count; i++)
        report(&attacks[i]);
    return 0;
}
