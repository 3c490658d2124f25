/* A resolver whose file cannot be read, and the ports that one asks from; what it finds is in test_deliverer. */
#include "../support.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>

#include "courier/hosts.h"
#include "courier/resolver.h"
#include "dns_server.h"

static bool unreadable;

/* Put in the place of libc's by the linker; offsets have 64 bits. */
int __wrap_open64(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    if (!unreadable || strcmp(path, AMP_HOSTS_FILE) != 0)
        return __real_open64(path, flags, 0600);
    errno = EACCES;
    return -1;
}

struct answer {
    unsigned count;
    enum amp_err err;
    struct amp_resolved resolved;
};

static void on_done(void *ctx, enum amp_err err, const struct amp_resolved *resolved)
{
    struct answer *answer = ctx;
    *answer = (struct answer){answer->count + 1, err, *resolved};
}

enum { LONG_MS = 600000 };

static struct answer look_up(struct amp_resolver *resolver, struct event_base *base, const char *name)
{
    struct answer answer = {0};
    struct amp_lookup *lookup;
    assert_int_equal(amp_lookup_start(&lookup, resolver, amp_slice_str(name), LONG_MS, &answer, on_done), AMP_OK);
    assert_true(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
    assert_int_equal(answer.count, 1);
    return answer;
}

static void a_file_that_cannot_be_read_hides_all_names_but_this_machines(void **state)
{
    struct event_base *base = event_base_new();
    struct amp_resolver *resolver;
    assert_non_null(base);
    unreadable = true;
    assert_int_equal(amp_resolver_new(&resolver, NULL), AMP_OK);
    unreadable = false;
    assert_int_equal(amp_resolver_run(resolver, base, amp_clock_system()), AMP_OK);
    assert_int_equal(look_up(resolver, base, "one.example").err, AMP_ERR_IO);
    struct answer here = look_up(resolver, base, "localhost");
    assert_int_equal(here.err, AMP_OK);
    assert_int_equal(here.resolved.count, 2);
    amp_resolver_free(resolver);
    event_base_free(base);
}

/* ---- ports ---- */

enum { CHANNELS = 16, PORT_QUESTIONS = 64, PORT_MS = 10000 };

static const struct dns_name names[] = {
    {.name = "slow.example", .mood = DNS_IS_SILENT},
    {.name = "quick.example", .addresses = {"192.0.2.1"}},
};

static struct {
    struct event_base *base;
    struct amp_clock_fake hands;
    struct dns_server *server;
    struct amp_resolver *resolver;
    struct answer slow_answer;
    struct amp_lookup *slow[CHANNELS * PORT_QUESTIONS];
} scene;

static int start(void **state)
{
    memset(&scene, 0, sizeof(scene));
    scene.hands.mono_ms = 1000;
    scene.base = event_base_new();
    scene.server = dns_server_start(names, 2);
    assert_non_null(scene.base);
    assert_int_equal(amp_resolver_new(&scene.resolver, dns_server_address(scene.server)), AMP_OK);
    return amp_resolver_run(scene.resolver, scene.base, amp_clock_fake(&scene.hands)) == AMP_OK ? 0 : -1;
}

static int stop(void **state)
{
    for (size_t i = 0; i < sizeof(scene.slow) / sizeof(scene.slow[0]); i++)
        amp_lookup_cancel(scene.slow[i]);
    amp_resolver_free(scene.resolver);
    dns_server_stop(scene.server);
    event_base_free(scene.base);
    return 0;
}

static void begin(struct amp_lookup **lookup, struct amp_resolver *resolver, const char *name, struct answer *answer)
{
    assert_int_equal(amp_lookup_start(lookup, resolver, amp_slice_str(name), LONG_MS, answer, on_done), AMP_OK);
}

/* `each` questions that nobody answers for each channel from the first on; who has least to do is asked first. */
static void keep_busy(size_t channels, size_t each)
{
    for (size_t i = 0; i < channels * each; i++) {
        struct amp_lookup **slow = &scene.slow[i / channels + i % channels * each];
        begin(slow, scene.resolver, "slow.example", &scene.slow_answer);
    }
}

static void turn_until_answered(const struct answer *answer)
{
    while (answer->count == 0)
        assert_true(event_base_loop(scene.base, EVLOOP_ONCE) >= 0);
    assert_int_equal(answer->err, AMP_OK);
}

/* The server reads in order: what was asked before another resolver was answered is answered too. */
static void see_all_answers(void)
{
    struct answer answer = {0};
    struct amp_lookup *lookup;
    struct amp_resolver *other;
    assert_int_equal(amp_resolver_new(&other, dns_server_address(scene.server)), AMP_OK);
    assert_int_equal(amp_resolver_run(other, scene.base, amp_clock_fake(&scene.hands)), AMP_OK);
    begin(&lookup, other, "quick.example", &answer);
    turn_until_answered(&answer);
    amp_resolver_free(other);
    for (int i = 0; i < 4; i++)
        assert_true(event_base_loop(scene.base, EVLOOP_NONBLOCK) >= 0);
}

/* None may be asked: who comes now waits until one has nothing to do any more. True where it asked from a new port. */
static bool ask_when_one_is_idle(size_t each)
{
    struct answer answer = {0};
    struct amp_lookup *lookup;
    see_all_answers();
    begin(&lookup, scene.resolver, "quick.example", &answer);
    see_all_answers();
    assert_int_equal(answer.count, 0);
    size_t ports = dns_server_ports(scene.server);
    for (size_t i = 0; i < each; i++) {
        amp_lookup_cancel(scene.slow[i]);
        scene.slow[i] = NULL;
    }
    turn_until_answered(&answer);
    return dns_server_ports(scene.server) != ports;
}

/* An idle channel's next port may have been used before by chance, but not each time. */
static void expect_new_ports(size_t each, int64_t after_ms)
{
    unsigned renewed = 0;
    keep_busy(CHANNELS, each);
    for (int round = 0; round < 4; round++) {
        scene.hands.mono_ms += after_ms;
        renewed += ask_when_one_is_idle(each);
        keep_busy(1, each);
    }
    assert_in_range(renewed, 1, 4);
}

static void a_port_is_not_used_for_long(void **state)
{
    expect_new_ports(1, PORT_MS);
}

static void a_port_is_not_used_for_many_questions(void **state)
{
    expect_new_ports(PORT_QUESTIONS, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_cannot_be_read_hides_all_names_but_this_machines),
        cmocka_unit_test_setup_teardown(a_port_is_not_used_for_long, start, stop),
        cmocka_unit_test_setup_teardown(a_port_is_not_used_for_many_questions, start, stop),
    };
    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
