/* A resolver whose file cannot be read; what it finds where it can is in test_deliverer. */
#include "../support.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>

#include "courier/hosts.h"
#include "courier/resolver.h"

/* Put in the place of libc's by the linker; offsets have 64 bits. */
int __wrap_open64(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    if (strcmp(path, AMP_HOSTS_FILE) != 0)
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

static struct answer look_up(struct amp_resolver *resolver, struct event_base *base, const char *name)
{
    enum { LONG_MS = 600000 };
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
    assert_int_equal(amp_resolver_new(&resolver, NULL), AMP_OK);
    assert_int_equal(amp_resolver_run(resolver, base, amp_clock_system()), AMP_OK);
    assert_int_equal(look_up(resolver, base, "one.example").err, AMP_ERR_IO);
    struct answer here = look_up(resolver, base, "localhost");
    assert_int_equal(here.err, AMP_OK);
    assert_int_equal(here.resolved.count, 2);
    amp_resolver_free(resolver);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_cannot_be_read_hides_all_names_but_this_machines),
    };
    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
