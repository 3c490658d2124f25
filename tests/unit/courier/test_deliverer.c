/* Attempts against real servers on loopback. */
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "../client/tls_server.h"
#include "../support.h"
#include "base/text.h"
#include "courier/deliverer.h"
#include "courier/resolver.h"
#include "dns_server.h"
#include "web_server.h"

enum { PATIENCE_MS = 10000, SHORT_MS = 300 };

static const uint8_t message[AMP_DELIVERY_MESSAGE_LEN] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x4d, 0xef,
                                                          0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
static const struct amp_webhook_secret secrets[2] = {{{1, 2, 3}, 32}, {{4, 5, 6}, 32}};

struct scene {
    struct event_base *base;
    struct amp_clock_fake fake;
    struct amp_config config;
    struct amp_policy policy;
    struct amp_deliverer *deliverer;
    struct amp_transport transport;
    struct web_server *server;
    struct amp_resolver *resolver;
    struct dns_server *names;
    char url[256];
    unsigned done; /* attempts that are over */
    struct amp_attempt_result result;
};

static struct scene scene;

static const struct web_step accepts = {.answer = "HTTP/1.1 204 No Content\r\n\r\n"};

static void open_deliverer(bool dev, const char *allow, int ca_fd, const char *name_servers)
{
    memset(&scene, 0, sizeof(scene));
    scene.fake.unix_ms = 1800000000999;
    scene.base = event_base_new();
    scene.config.dev = dev;
    if (allow != NULL) {
        memcpy(scene.config.push.allow[0], allow, strlen(allow) + 1);
        scene.config.push.allow_count = 1;
    }
    assert_int_equal(amp_policy_init(&scene.policy, &scene.config), AMP_OK);
    assert_int_equal(amp_resolver_new(&scene.resolver, name_servers), AMP_OK);
    const struct amp_deliverer_config config = {.base = scene.base,
                                                .clock = amp_clock_fake(&scene.fake),
                                                .policy = &scene.policy,
                                                .connect_ms = 5000,
                                                .ca_fd = ca_fd,
                                                .resolver = scene.resolver};
    assert_int_equal(amp_deliverer_new(&scene.deliverer, &config), AMP_OK);
    scene.transport = amp_deliverer_transport(scene.deliverer);
}

static void serve(const struct web_step *steps, size_t count)
{
    open_deliverer(true, NULL, -1, NULL);
    scene.server = web_server_start(steps, count);
    snprintf(scene.url, sizeof(scene.url), "http://127.0.0.1:%u/hook?a=b", web_server_port(scene.server));
}

static void serve_names_by(const struct dns_name *names, size_t count, const struct web_step *step)
{
    struct dns_server *server = dns_server_start(names, count);
    struct web_server *web;
    open_deliverer(true, NULL, -1, dns_server_address(server));
    scene.names = server;
    scene.server = web = web_server_start(step, 1);
    snprintf(scene.url, sizeof(scene.url), "http://a.example:%u/", web_server_port(web));
}

static void serve_names(const struct dns_name *names, size_t count)
{
    static const struct web_step accepts_once = {.answer = "HTTP/1.1 204 No Content\r\n\r\n", .hang_up = true};
    serve_names_by(names, count, &accepts_once);
}

static int finish(void **state)
{
    amp_deliverer_free(scene.deliverer);
    amp_resolver_free(scene.resolver);
    web_server_stop(scene.server);
    dns_server_stop(scene.names);
    if (scene.base != NULL)
        event_base_free(scene.base);
    memset(&scene, 0, sizeof(scene));
    return 0;
}

static void on_done(void *ctx, const struct amp_attempt_result *result)
{
    assert_ptr_equal(ctx, &scene);
    scene.done++;
    scene.result = *result;
}

static enum amp_err begin(struct amp_attempt **attempt, const char *url, struct amp_slice body, int64_t timeout_ms)
{
    const struct amp_attempt_order order = {.url = url,
                                            .secrets = secrets,
                                            .secret_count = 2,
                                            .message = message,
                                            .body = body,
                                            .timeout_ms = timeout_ms,
                                            .ctx = &scene,
                                            .done = on_done};
    return scene.transport.ops->start(scene.transport.self, attempt, &order);
}

static void on_patience_over(evutil_socket_t fd, short what, void *ctx)
{
    fail_msg("nothing happened");
}

static void wait_for(unsigned done)
{
    const struct timeval patience = {PATIENCE_MS / 1000, 0};
    struct event *timer = evtimer_new(scene.base, on_patience_over, NULL);
    event_add(timer, &patience);
    while (scene.done < done)
        event_base_loop(scene.base, EVLOOP_ONCE);
    event_free(timer);
}

static struct amp_attempt_result attempt_body(const char *url, struct amp_slice body, int64_t timeout_ms)
{
    struct amp_attempt *attempt;
    unsigned before = scene.done;
    assert_int_equal(begin(&attempt, url, body, timeout_ms), AMP_OK);
    assert_int_equal(scene.done, before); /* never from within */
    wait_for(before + 1);
    return scene.result;
}

static struct amp_attempt_result attempt(const char *url)
{
    return attempt_body(url, AMP_SLICE_LIT("{\"a\":1}"), PATIENCE_MS);
}

static void assert_result(struct amp_attempt_result result, enum amp_err err, uint32_t status)
{
    assert_string_equal(amp_err_code(result.err), amp_err_code(err));
    assert_int_equal(result.status, status);
}

static struct amp_slice field(const char *request, const char *name)
{
    const char *at = strstr(request, name);
    assert_non_null(at);
    at += strlen(name);
    return amp_slice(at, strcspn(at, "\r"));
}

static void deliverer_posts_a_signed_webhook(void **state)
{
    serve(&accepts, 1);
    assert_result(attempt(scene.url), AMP_OK, 204);
    const char *request = web_server_request(scene.server, 0);
    assert_memory_equal(request, "POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:", 41);
    assert_true(amp_slice_is(field(request, "\r\nUser-Agent: "), "Ampoule/" AMP_VERSION));
    assert_true(amp_slice_is(field(request, "\r\nContent-Type: "), "application/json"));
    assert_true(amp_slice_is(field(request, "\r\nContent-Length: "), "7"));
    assert_true(amp_slice_is(field(request, "\r\nwebhook-id: "), "12345678-9abc-4def-8123-456789abcdef"));
    assert_true(amp_slice_is(field(request, "\r\nwebhook-timestamp: "), "1800000000"));
    assert_string_equal(strstr(request, "\r\n\r\n") + 4, "{\"a\":1}");
    const struct amp_webhook_fields fields = {field(request, "\r\nwebhook-id: "),
                                              field(request, "\r\nwebhook-timestamp: "),
                                              field(request, "\r\nwebhook-signature: ")};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(amp_webhook_verify(&fields, &secrets[i], 1800000000, AMP_SLICE_LIT("{\"a\":1}")), AMP_OK);
    assert_int_equal(amp_webhook_verify(&fields, &secrets[0], 1800000000, AMP_SLICE_LIT("{\"a\":2}")),
                     AMP_ERR_WEBHOOK_MISMATCH);
}

static void deliverer_sends_large_bodies_without_asking(void **state)
{
    enum { LEN = 1500000 };
    static uint8_t body[LEN];
    memset(body, 'x', sizeof(body));
    serve(&accepts, 1);
    assert_result(attempt_body(scene.url, amp_slice(body, LEN), PATIENCE_MS), AMP_OK, 204);
    const char *request = web_server_request(scene.server, 0);
    assert_null(strcasestr(request, "Expect:"));
    assert_int_equal(strlen(strstr(request, "\r\n\r\n") + 4), LEN);
}

static void deliverer_tells_answers_apart(void **state)
{
    static const struct web_step steps[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
        {.answer = "HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 304 Not Modified\r\n\r\n"},
        {.answer = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 202 Taken\r\nContent-Length: 0\r\n\r\n"},
    };
    static const uint32_t statuses[] = {200, 299, 500, 410, 304, 401, 202};
    serve(steps, 7);
    for (size_t i = 0; i < 7; i++)
        assert_result(attempt(scene.url), statuses[i] / 100 == 2 ? AMP_OK : AMP_ERR_PUSH_REFUSED, statuses[i]);
    assert_int_equal(web_server_requests(scene.server), 7);
    assert_int_equal(web_server_connections(scene.server), 1); /* used again */
}

static void deliverer_follows_no_redirect(void **state)
{
    static const char *const answers[] = {"301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"};
    for (size_t i = 0; i < 5; i++) {
        char answer[128];
        snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
                 answers[i]);
        const struct web_step step = {.answer = answer};
        serve(&step, 1);
        assert_result(attempt(scene.url), AMP_ERR_PUSH_REFUSED, (uint32_t)strtoul(answers[i], NULL, 10));
        assert_int_equal(web_server_requests(scene.server), 1);
        finish(NULL);
    }
}

static void deliverer_reads_retry_after(void **state)
{
    static const struct web_step steps[] = {
        {.answer = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 503 Later\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 503 Later\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 503 Later\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 503 Later\r\nRetry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 503 Later\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n"},
    };
    static const int64_t waits_ms[] = {7000, 24 * 3600 * 1000, 0, 0, 24 * 3600 * 1000, 0, 24 * 3600 * 1000};
    serve(steps, sizeof(steps) / sizeof(steps[0]));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct amp_attempt_result result = attempt(scene.url);
        assert_int_equal(result.err, AMP_ERR_PUSH_REFUSED);
        assert_int_equal(result.retry_after_ms, waits_ms[i]);
    }
}

/* PROTOCOL 8.3. What was read may have been taken, or not: so it is sent again to the letter, and its id tells. */
static void deliverer_sends_again_where_a_kept_connection_ends_unanswered(void **state)
{
    static const struct web_step steps[] = {
        {.answer = "HTTP/1.1 204 No Content\r\n\r\n"},
        {.hang_up = true},
        {.answer = "HTTP/1.1 204 No Content\r\n\r\n"},
    };
    serve(steps, 3);
    assert_result(attempt(scene.url), AMP_OK, 204);
    assert_result(attempt(scene.url), AMP_OK, 204);
    assert_int_equal(web_server_requests(scene.server), 3);
    assert_int_equal(web_server_connections(scene.server), 2);
    assert_string_equal(web_server_request(scene.server, 1), web_server_request(scene.server, 2));
}

static void deliverer_gives_up_where_a_new_connection_ends_unanswered(void **state)
{
    static const struct web_step steps[] = {{.hang_up = true}};
    serve(steps, 1);
    assert_result(attempt(scene.url), AMP_ERR_PUSH_UNREACHABLE, 0);
    assert_int_equal(web_server_requests(scene.server), 1);
}

static void deliverer_takes_half_an_answer_for_none(void **state)
{
    static const struct web_step steps[] = {
        {.answer = NULL},                                                /* stalls */
        {.answer = "HTTP/1.1 200 OK\r\nContent-Le"},                     /* in its head */
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"}, /* in its body */
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", .hang_up = true},
        {.answer = "HTTP/1.1 410 Gone\r\nContent-Length: 10\r\n\r\nhalf", .reset = true},
        {.hang_up = true},
        {.reset = true},
        {.answer = "220 smtp.example ESMTP\r\n", .hang_up = true},
        {.answer = "HTTP/1.1 20 OK\r\n\r\n", .hang_up = true},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        serve(&steps[i], 1);
        assert_result(attempt_body(scene.url, AMP_SLICE_LIT("{}"), SHORT_MS), AMP_ERR_PUSH_UNREACHABLE, 0);
        finish(NULL);
    }
}

static void deliverer_finds_nobody_there(void **state)
{
    serve(&accepts, 1);
    web_server_stop(scene.server);
    scene.server = NULL;
    assert_result(attempt(scene.url), AMP_ERR_PUSH_UNREACHABLE, 0);
    assert_false(scene.result.ours);
}

static void deliverer_blames_nobody_where_it_has_no_descriptors(void **state)
{
    struct rlimit limit, none;
    open_deliverer(true, NULL, -1, NULL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_result(attempt("http://127.0.0.1:9/"), AMP_ERR_PUSH_UNREACHABLE, 0);
    assert_true(scene.result.ours);
    assert_result(attempt("http://a.example/"), AMP_ERR_PUSH_UNREACHABLE, 0); /* nor for a question */
    assert_true(scene.result.ours);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void deliverer_reads_answers_no_further_than_needed(void **state)
{
    static char head[200 * 1024] = "HTTP/1.1 200 OK\r\n";
    static const struct web_step long_body = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n",
                                              .padding = 1000000};
    static const struct web_step endless_body = {.answer = "HTTP/1.1 503 No\r\n\r\n", .padding = 1000000};
    static const struct web_step long_head = {.answer = head};
    size_t len = strlen(head);
    while (len < sizeof(head) - 100)
        len += (size_t)snprintf(head + len, 100, "X-Field-%zu: %070d\r\n", len, 0);
    memcpy(head + len, "\r\n", 3);
    serve(&long_body, 1);
    assert_result(attempt(scene.url), AMP_OK, 200);
    finish(NULL);
    serve(&endless_body, 1);
    assert_result(attempt(scene.url), AMP_ERR_PUSH_REFUSED, 503);
    finish(NULL);
    serve(&long_head, 1);
    assert_result(attempt(scene.url), AMP_ERR_PUSH_UNREACHABLE, 0);
}

static void deliverer_connects_to_no_refused_address(void **state)
{
    static const char *const urls[] = {"http://169.254.169.254/latest/meta-data/",
                                       "https://169.254.169.254/",
                                       "https://10.0.0.1/",
                                       "https://[::ffff:127.0.0.1]/",
                                       "https://[fd00:ec2::254]/",
                                       "https://0.0.0.0/",
                                       "http://8.8.8.8/",
                                       "https://[64:ff9b::7f00:1]/"};
    open_deliverer(true, NULL, -1, NULL);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        assert_result(attempt(urls[i]), AMP_ERR_URL_REFUSED, 0);
}

static void deliverer_refuses_a_name_that_has_a_refused_address(void **state)
{
    static const struct dns_name names[] = {
        {.name = "a.example", .addresses = {"10.0.0.1"}},
        {.name = "a.example", .addresses = {"::ffff:10.0.0.1", "fe80::1", "169.254.169.254"}},
        {.name = "a.example", .addresses = {"10.0.0.1", "127.0.0.1"}},
        {.name = "a.example", .addresses = {"127.0.0.1", "10.0.0.1"}},
        {.name = "a.example", .addresses = {"127.0.0.1", "::ffff:127.0.0.1"}},
        {.name = "a.example", .addresses = {"::1", "127.0.0.1", "127.0.0.2", "8.8.8.8"}},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        serve_names(&names[i], 1);
        assert_result(attempt(scene.url), AMP_ERR_URL_REFUSED, 0);
        assert_false(scene.result.ours);
        assert_int_equal(web_server_connections(scene.server), 0);
        finish(NULL);
    }
}

static void deliverer_connects_to_the_addresses_of_a_name(void **state)
{
    static const struct dns_name names[] = {
        {.name = "a.example", .addresses = {"127.0.0.1"}},
        {.name = "a.example", .addresses = {"127.0.0.1", "::1"}}, /* where nobody listens */
        {.name = "a.example", .addresses = {"127.0.0.9", "127.0.0.1"}},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        serve_names(&names[i], 1);
        assert_result(attempt(scene.url), AMP_OK, 204);
        assert_non_null(strstr(web_server_request(scene.server, 0), "\r\nHost: a.example:"));
        finish(NULL);
    }
}

static void deliverer_checks_a_name_that_changes_its_mind(void **state)
{
    static const struct dns_name before = {.name = "a.example", .addresses = {"127.0.0.1"}};
    static const struct dns_name after = {.name = "a.example", .addresses = {"192.168.1.1"}};
    serve_names(&before, 1);
    assert_result(attempt(scene.url), AMP_OK, 204);
    dns_server_change(scene.names, &after, 1);
    assert_result(attempt(scene.url), AMP_ERR_URL_REFUSED, 0);
    dns_server_change(scene.names, &before, 1);
    assert_result(attempt(scene.url), AMP_OK, 204);
    assert_int_equal(web_server_requests(scene.server), 2);
}

/* PROTOCOL 8.5: the address that was checked is the one connected to, also where another connection was kept. */
static void deliverer_uses_no_connection_to_where_a_name_leads_no_more(void **state)
{
    static const struct dns_name before = {.name = "a.example", .addresses = {"127.0.0.1"}};
    static const struct dns_name moved = {.name = "a.example", .addresses = {"127.0.0.9"}}; /* where nobody listens */
    static const struct dns_name both = {.name = "a.example", .addresses = {"127.0.0.9", "127.0.0.1"}};
    serve_names_by(&before, 1, &accepts);
    for (int i = 0; i < 3; i++)
        assert_result(attempt(scene.url), AMP_OK, 204);
    assert_int_equal(web_server_connections(scene.server), 1);
    dns_server_change(scene.names, &moved, 1);
    assert_result(attempt(scene.url), AMP_ERR_PUSH_UNREACHABLE, 0);
    assert_false(scene.result.ours);
    assert_int_equal(web_server_requests(scene.server), 3);
    dns_server_change(scene.names, &both, 1);
    for (int i = 0; i < 3; i++)
        assert_result(attempt(scene.url), AMP_OK, 204);
    assert_int_equal(web_server_connections(scene.server), 2);
}

static void deliverer_remembers_addresses_for_seconds(void **state)
{
    static const struct dns_name name = {.name = "a.example", .addresses = {"127.0.0.1"}, .ttl_s = 3600};
    static const struct dns_name quick = {.name = "a.example", .addresses = {"127.0.0.1"}, .ttl_s = 2};
    serve_names(&name, 1);
    for (int i = 0; i < 3; i++)
        assert_result(attempt(scene.url), AMP_OK, 204);
    assert_int_equal(dns_server_questions(scene.names), 2); /* one of each family */
    dns_server_change(scene.names, &quick, 1);
    amp_clock_fake_advance(&scene.fake, 5000);
    assert_result(attempt(scene.url), AMP_OK, 204);
    assert_int_equal(dns_server_questions(scene.names), 4);
    amp_clock_fake_advance(&scene.fake, 1999);
    assert_result(attempt(scene.url), AMP_OK, 204);
    assert_int_equal(dns_server_questions(scene.names), 4);
    amp_clock_fake_advance(&scene.fake, 1);
    assert_result(attempt(scene.url), AMP_OK, 204);
    assert_int_equal(dns_server_questions(scene.names), 6);
}

static void deliverer_tells_who_is_to_blame_for_a_name(void **state)
{
    static const struct dns_name names[] = {{.name = "other.example"},
                                            {.name = "a.example"}, /* there, without addresses */
                                            {.name = "a.example", .mood = DNS_FAILS},
                                            {.name = "a.example", .mood = DNS_IS_SILENT}};
    for (size_t i = 0; i < 4; i++) {
        const int64_t timeout_ms = names[i].mood == DNS_IS_SILENT ? SHORT_MS : PATIENCE_MS;
        serve_names(&names[i], 1);
        assert_result(attempt_body(scene.url, AMP_SLICE_LIT("{}"), timeout_ms), AMP_ERR_PUSH_UNREACHABLE, 0);
        assert_int_equal(scene.result.ours, i >= 2);
        finish(NULL);
    }
}

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void deliverer_ends_lookups_in_time_and_leaves_nothing_behind(void **state)
{
    enum { MANY = 64 };
    static const struct dns_name silent = {.name = "a.example", .mood = DNS_IS_SILENT};
    struct amp_attempt *attempts[MANY], *cancelled;
    serve_names(&silent, 1);
    size_t threads = count_entries("/proc/self/task");
    size_t descriptors = count_entries("/proc/self/fd");
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(begin(&attempts[i], scene.url, AMP_SLICE_LIT("{}"), SHORT_MS), AMP_OK);
    assert_int_equal(begin(&cancelled, scene.url, AMP_SLICE_LIT("{}"), PATIENCE_MS), AMP_OK);
    assert_int_equal(count_entries("/proc/self/task"), threads);
    wait_for(MANY);
    assert_int_equal(scene.result.err, AMP_ERR_PUSH_UNREACHABLE);
    scene.transport.ops->cancel(scene.transport.self, cancelled);
    event_base_loop(scene.base, EVLOOP_NONBLOCK);
    assert_int_equal(scene.done, MANY);
    assert_int_equal(count_entries("/proc/self/task"), threads);
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
}

static void deliverer_asks_nobody_for_this_machine(void **state)
{
    static const struct dns_name lies = {.name = "x.localhost", .addresses = {"192.0.2.1"}};
    static const char *const names[] = {"localhost", "x.localhost", "a.x.localhost"};
    serve_names(&lies, 1);
    for (size_t i = 0; i < 3; i++) {
        snprintf(scene.url, sizeof(scene.url), "http://%s:%u/", names[i], web_server_port(scene.server));
        assert_result(attempt(scene.url), AMP_OK, 204);
    }
    assert_int_equal(dns_server_questions(scene.names), 0);
    snprintf(scene.url, sizeof(scene.url), "http://xlocalhost:%u/", web_server_port(scene.server));
    assert_result(attempt(scene.url), AMP_ERR_PUSH_UNREACHABLE, 0);
    assert_true(dns_server_questions(scene.names) > 0);
}

/* A name that /etc/hosts has for this machine, other than localhost. */
static bool find_host(char name[64])
{
    char line[256], address[64];
    bool found = false;
    FILE *hosts = fopen("/etc/hosts", "re");
    while (hosts != NULL && !found && fgets(line, sizeof(line), hosts) != NULL)
        found = sscanf(line, "%63s %63s", address, name) == 2 && strncmp(address, "127.", 4) == 0 &&
                strstr(name, "localhost") == NULL;
    if (hosts != NULL)
        fclose(hosts);
    return found;
}

static void deliverer_reads_the_file_of_hosts(void **state)
{
    char name[64];
    if (!find_host(name)) {
        print_message("skipped: /etc/hosts has no name for this machine\n");
        skip();
    }
    serve_names(NULL, 0);
    snprintf(scene.url, sizeof(scene.url), "http://%s:%u/", name, web_server_port(scene.server));
    attempt(scene.url); /* whether somebody listens at that address is another matter */
    assert_int_equal(dns_server_questions(scene.names), 0);
    assert_int_not_equal(scene.result.err, AMP_ERR_URL_REFUSED);
}

static void deliverer_speaks_https_alone_in_production(void **state)
{
    struct amp_attempt *none;
    struct web_server *server = web_server_start(&accepts, 1);
    open_deliverer(false, "127.0.0.1", -1, NULL); /* even where it is listed */
    snprintf(scene.url, sizeof(scene.url), "http://127.0.0.1:%u/", web_server_port(server));
    assert_result(attempt(scene.url), AMP_ERR_PUSH_UNREACHABLE, 0);
    assert_int_equal(begin(&none, "ftp://127.0.0.1/", AMP_SLICE_LIT("{}"), SHORT_MS), AMP_ERR_PUSH_UNREACHABLE);
    assert_int_equal(begin(&none, "file:///etc/passwd", AMP_SLICE_LIT("{}"), SHORT_MS), AMP_ERR_PUSH_UNREACHABLE);
    assert_int_equal(begin(&none, "https://a@b.example/", AMP_SLICE_LIT("{}"), SHORT_MS), AMP_ERR_PUSH_UNREACHABLE);
    assert_null(none);
    assert_int_equal(web_server_connections(server), 0);
    web_server_stop(server);
}

static void deliverer_uses_no_proxy(void **state)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < 4; i++)
        setenv(names[i], "http://127.0.0.1:1", 1);
    serve(&accepts, 1);
    assert_result(attempt(scene.url), AMP_OK, 204);
    for (size_t i = 0; i < 4; i++)
        unsetenv(names[i]);
}

static void deliverer_cancels(void **state)
{
    static const struct web_step stalls = {.answer = NULL};
    struct amp_attempt *one, *other;
    serve(&stalls, 1);
    assert_int_equal(begin(&one, scene.url, AMP_SLICE_LIT("{}"), PATIENCE_MS), AMP_OK);
    assert_int_equal(begin(&other, scene.url, AMP_SLICE_LIT("{}"), SHORT_MS), AMP_OK);
    wait_for(1);
    scene.transport.ops->cancel(scene.transport.self, one);
    assert_int_equal(begin(&one, scene.url, AMP_SLICE_LIT("{}"), PATIENCE_MS), AMP_OK);
    scene.transport.ops->cancel(scene.transport.self, one); /* before it ever came to a socket */
    event_base_loop(scene.base, EVLOOP_NONBLOCK);
    assert_int_equal(scene.done, 1);
}

static struct tls_server *serve_tls(const char *name, const struct tls_step *step)
{
    struct tls_server *server = tls_server_start(step, 1, name);
    int ca = open(tls_server_ca(server), O_RDONLY | O_CLOEXEC);
    assert_true(ca >= 0);
    open_deliverer(false, "127.0.0.1", ca, NULL);
    close(ca);
    snprintf(scene.url, sizeof(scene.url), "%s/hook", tls_server_url(server));
    return server;
}

static const struct tls_step tls_accepts = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};

static void deliverer_delivers_over_tls(void **state)
{
    struct tls_server *server = serve_tls("127.0.0.1", &tls_accepts);
    assert_result(attempt(scene.url), AMP_OK, 200);
    assert_result(attempt(scene.url), AMP_OK, 200);
    assert_int_equal(tls_server_connections(server), 1);
    assert_memory_equal(tls_server_request(server, 0), "POST /hook HTTP/1.1\r\n", 21);
    tls_server_stop(server);
}

static void deliverer_tells_nothing_to_who_is_not_certified(void **state)
{
    struct tls_server *other = tls_server_start(&tls_accepts, 1, "127.0.0.1");
    struct tls_server *server = serve_tls("127.0.0.1", &tls_accepts);
    snprintf(scene.url, sizeof(scene.url), "%s/hook", tls_server_url(other));
    assert_result(attempt(scene.url), AMP_ERR_PUSH_UNREACHABLE, 0); /* of another issuer */
    assert_int_equal(tls_server_requests(other), 0);
    finish(NULL);
    tls_server_stop(server);
    server = serve_tls("other.example", &tls_accepts);
    assert_result(attempt(scene.url), AMP_ERR_PUSH_UNREACHABLE, 0); /* for another name */
    assert_int_equal(tls_server_requests(server), 0);
    finish(NULL);
    open_deliverer(false, "127.0.0.1", -1, NULL); /* no roots */
    assert_result(attempt(tls_server_url(other)), AMP_ERR_PUSH_UNREACHABLE, 0);
    assert_int_equal(tls_server_requests(other), 0);
    tls_server_stop(server);
    tls_server_stop(other);
}

static void deliverer_refuses_malformed_roots(void **state)
{
    static const char *const texts[] = {"", "no certificate\n",
                                        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
    for (size_t i = 0; i < 3; i++) {
        char path[] = "/tmp/ampoule-test-roots-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0 && write(fd, texts[i], strlen(texts[i])) == (ssize_t)strlen(texts[i]));
        scene.base = event_base_new();
        assert_int_equal(amp_resolver_new(&scene.resolver, NULL), AMP_OK);
        const struct amp_deliverer_config config = {
            .base = scene.base, .policy = &scene.policy, .ca_fd = fd, .resolver = scene.resolver};
        assert_int_equal(amp_deliverer_new(&scene.deliverer, &config), AMP_ERR_INVALID);
        assert_null(scene.deliverer);
        finish(NULL);
        close(fd);
        unlink(path);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(deliverer_posts_a_signed_webhook),
        TEST(deliverer_sends_large_bodies_without_asking),
        TEST(deliverer_tells_answers_apart),
        TEST(deliverer_follows_no_redirect),
        TEST(deliverer_reads_retry_after),
        TEST(deliverer_sends_again_where_a_kept_connection_ends_unanswered),
        TEST(deliverer_gives_up_where_a_new_connection_ends_unanswered),
        TEST(deliverer_takes_half_an_answer_for_none),
        TEST(deliverer_finds_nobody_there),
        TEST(deliverer_blames_nobody_where_it_has_no_descriptors),
        TEST(deliverer_reads_answers_no_further_than_needed),
        TEST(deliverer_connects_to_no_refused_address),
        TEST(deliverer_refuses_a_name_that_has_a_refused_address),
        TEST(deliverer_connects_to_the_addresses_of_a_name),
        TEST(deliverer_checks_a_name_that_changes_its_mind),
        TEST(deliverer_uses_no_connection_to_where_a_name_leads_no_more),
        TEST(deliverer_remembers_addresses_for_seconds),
        TEST(deliverer_tells_who_is_to_blame_for_a_name),
        TEST(deliverer_ends_lookups_in_time_and_leaves_nothing_behind),
        TEST(deliverer_asks_nobody_for_this_machine),
        TEST(deliverer_reads_the_file_of_hosts),
        TEST(deliverer_speaks_https_alone_in_production),
        TEST(deliverer_uses_no_proxy),
        TEST(deliverer_cancels),
        TEST(deliverer_delivers_over_tls),
        TEST(deliverer_tells_nothing_to_who_is_not_certified),
        TEST(deliverer_refuses_malformed_roots),
    };
    if (amp_secret_init((size_t)16 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
