/* Orders to starters: what is sent comes whole, and nothing else is taken for one. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support.h"
#include "daemon/order.h"

enum { LISTEN_MAX = AMP_CONFIG_WORKERS_MAX * AMP_CONFIG_ADDRESSES_MAX };

static const struct amp_sandbox_user user = {61011, 61012};
static struct amp_order order;
static int ends[2];

static int set_up(void **state)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int tear_down(void **state)
{
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* An open file unlike all others. */
static int any_file(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int fd = dup(fileno(file));
    fclose(file);
    assert_true(fd >= 0);
    return fd;
}

static bool is_same_file(int a, int b)
{
    struct stat one;
    struct stat other;
    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 2048; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static struct amp_role_fds no_fds(void)
{
    return (struct amp_role_fds){.control = -1,
                                 .config = -1,
                                 .state = -1,
                                 .tls = {-1, -1, -1},
                                 .push_ca = -1,
                                 .empty = -1,
                                 .binary = -1,
                                 .user = &user};
}

static void an_order_comes_as_it_was_given(void **state)
{
    struct amp_role_fds given = no_fds();
    size_t before = open_descriptors();
    given.binary = any_file();
    given.control = any_file();
    given.config = any_file();
    given.tls[1] = any_file();
    given.resume = "17:9b7e";
    given.workers = 5;
    assert_int_equal(amp_order_send(ends[0], AMP_ROLE_SCRIBE, &given, true), AMP_OK);
    assert_int_equal(amp_order_receive(&order, ends[1]), AMP_OK);
    assert_int_equal(order.role, AMP_ROLE_SCRIBE);
    assert_true(order.first);
    assert_int_equal(order.fds.user->uid, user.uid);
    assert_int_equal(order.fds.user->gid, user.gid);
    assert_string_equal(order.fds.resume, "17:9b7e");
    assert_int_equal(order.fds.workers, 5);
    assert_null(order.fds.listen);
    assert_true(is_same_file(order.fds.binary, given.binary));
    assert_true(is_same_file(order.fds.control, given.control));
    assert_true(is_same_file(order.fds.config, given.config));
    assert_true(is_same_file(order.fds.tls[1], given.tls[1]));
    assert_int_equal(fcntl(order.fds.tls[1], F_GETFD), FD_CLOEXEC);
    const int absent[] = {order.fds.tls[0], order.fds.tls[2], order.fds.push_ca, order.fds.state, order.fds.empty};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_int_equal(absent[i], -1);
    amp_order_close(&order);
    close(given.binary);
    close(given.control);
    close(given.config);
    close(given.tls[1]);
    assert_int_equal(open_descriptors(), before);
}

static void as_many_sockets_as_workers_may_have_come_in_order(void **state)
{
    static int fds[LISTEN_MAX];
    const int one = any_file();
    const int other = any_file();
    struct amp_listen listen = {.fds = fds, .count = LISTEN_MAX};
    struct amp_role_fds given = no_fds();
    for (size_t i = 0; i < LISTEN_MAX; i++)
        fds[i] = i % 3 == 0 ? one : other;
    given.listen = &listen;
    assert_int_equal(amp_order_send(ends[0], AMP_ROLE_FRONT, &given, false), AMP_OK);
    assert_int_equal(amp_order_receive(&order, ends[1]), AMP_OK);
    assert_false(order.first);
    assert_null(order.fds.resume);
    assert_int_equal(order.fds.listen->count, LISTEN_MAX);
    for (size_t i = 0; i < LISTEN_MAX; i++)
        assert_true(is_same_file(order.fds.listen->fds[i], fds[i]));
    amp_order_close(&order);
    close(one);
    close(other);
}

static void refuses(const void *text, size_t len)
{
    size_t before = open_descriptors();
    assert_int_equal(send(ends[0], text, len, 0), len);
    assert_int_equal(amp_order_receive(&order, ends[1]), AMP_ERR_INVALID);
    assert_int_equal(open_descriptors(), before);
}

static void what_is_cut_longer_or_of_another_form_is_no_order(void **state)
{
    uint8_t head[64];
    const struct amp_role_fds given = no_fds();
    assert_int_equal(amp_order_send(ends[0], AMP_ROLE_COURIER, &given, false), AMP_OK);
    ssize_t n = recv(ends[1], head, sizeof(head), 0);
    assert_true(n > 4 && n < (ssize_t)sizeof(head));
    size_t len = (size_t)n;
    for (size_t cut = 1; cut < len; cut++)
        refuses(head, cut);
    refuses(head, len + 1);
    const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{0, 1}, {0, 3}, {2, 2}, {3, 1}, {3, 0x80}, {16, 1}}; /* form, first, bits of descriptors, sockets */
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t right = head[wrong[i].at];
        head[wrong[i].at] = wrong[i].value;
        refuses(head, len);
        head[wrong[i].at] = right;
    }
    assert_int_equal(send(ends[0], head, len, 0), n);
    assert_int_equal(amp_order_receive(&order, ends[1]), AMP_OK);
    amp_order_close(&order);
}

static void sockets_that_do_not_come_are_not_waited_for_once_the_other_end_is_gone(void **state)
{
    int fd = any_file();
    struct amp_listen listen = {.fds = &fd, .count = 1};
    struct amp_role_fds given = no_fds();
    uint8_t head[64];
    given.listen = &listen;
    assert_int_equal(amp_order_send(ends[0], AMP_ROLE_FRONT, &given, false), AMP_OK);
    ssize_t n = recv(ends[1], head, sizeof(head), 0);
    assert_true(n > 0);
    assert_int_equal(recv(ends[1], head + n, 1, 0), 1); /* the sockets' packet; its descriptor is let go */
    assert_int_equal(send(ends[0], head, (size_t)n, 0), n);
    refuses("\1", 1);
    assert_int_equal(send(ends[0], head, (size_t)n, 0), n);
    shutdown(ends[0], SHUT_WR);
    assert_int_equal(amp_order_receive(&order, ends[1]), AMP_ERR_IO);
    close(fd);
}

static void nobody_at_the_other_end_is_an_error(void **state)
{
    const struct amp_role_fds given = no_fds();
    shutdown(ends[1], SHUT_RDWR);
    assert_int_equal(amp_order_send(ends[0], AMP_ROLE_COURIER, &given, false), AMP_ERR_IO);
    assert_int_equal(amp_order_receive(&order, ends[1]), AMP_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_order_comes_as_it_was_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(as_many_sockets_as_workers_may_have_come_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_cut_longer_or_of_another_form_is_no_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sockets_that_do_not_come_are_not_waited_for_once_the_other_end_is_gone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nobody_at_the_other_end_is_an_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
