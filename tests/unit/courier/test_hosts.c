/* The file of hosts, hosts(5). */
#include "../tempdir.h"

#include <string.h>

#include "courier/hosts.h"

static const char text[] = "# a comment\n"
                           "127.0.0.1\tlocalhost\n"
                           "192.0.2.1  one.example one\t uno # two.example\n"
                           "192.0.2.2 ONE.example\r\n"
                           "  2001:db8::1 one.example\n"
                           "\n"
                           "192.0.2.300 two.example\n"
                           "192.0.2.3\n"
                           "fe80::1%eth0 two.example\n"
                           "192.0.2.4 last.example"; /* without its newline */

static struct amp_hosts *read_text(const char *bytes, size_t len)
{
    struct tempdir dir;
    struct amp_hosts *hosts = NULL;
    char path[96];
    tempdir_make(&dir);
    tempdir_write(&dir, "hosts", bytes, len);
    snprintf(path, sizeof(path), "%s/hosts", dir.path);
    assert_int_equal(amp_hosts_read(&hosts, path), AMP_OK);
    tempdir_remove(&dir);
    return hosts;
}

static size_t find(const struct amp_hosts *hosts, const char *name, bool v4, struct amp_address found[4])
{
    return amp_hosts_find(hosts, amp_slice_str(name), v4, found, 4);
}

static void names_and_aliases_have_their_addresses(void **state)
{
    struct amp_address found[4];
    struct amp_hosts *hosts = read_text(text, sizeof(text) - 1);
    assert_int_equal(find(hosts, "one.example", true, found), 2);
    assert_memory_equal(found[0].bytes, "\300\0\2\1", 4);
    assert_memory_equal(found[1].bytes, "\300\0\2\2", 4);
    assert_int_equal(find(hosts, "one.example", false, found), 1);
    assert_memory_equal(found[0].bytes, "\x20\1\xd\xb8", 4);
    assert_int_equal(find(hosts, "Uno", true, found), 1);
    assert_int_equal(find(hosts, "last.example", true, found), 1);
    assert_int_equal(amp_hosts_find(hosts, AMP_SLICE_LIT("one.example"), true, found, 1), 1);
    assert_int_equal(amp_hosts_find(hosts, AMP_SLICE_LIT("one.example"), true, found, 0), 0);
    amp_hosts_free(hosts);
}

static void what_is_no_line_of_the_form_names_nothing(void **state)
{
    static const char *const names[] = {"two.example", "example", "ne.example", "192.0.2.3", "#", ""};
    struct amp_address found[4];
    struct amp_hosts *hosts = read_text(text, sizeof(text) - 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(find(hosts, names[i], true, found), 0);
        assert_int_equal(find(hosts, names[i], false, found), 0);
    }
    amp_hosts_free(hosts);
}

static void where_there_is_no_file_nothing_is_known(void **state)
{
    struct amp_address found[4];
    struct amp_hosts *hosts = NULL;
    assert_int_equal(amp_hosts_read(&hosts, "/nonexistent/hosts"), AMP_OK);
    assert_int_equal(find(hosts, "localhost", true, found), 0);
    amp_hosts_free(hosts);
    hosts = read_text("", 0);
    assert_int_equal(find(hosts, "localhost", true, found), 0);
    amp_hosts_free(hosts);
    assert_int_equal(amp_hosts_read(&hosts, "/"), AMP_ERR_IO);
    assert_null(hosts);
}

/* Cut at each place: no line is read beyond its end (of which ASan tells). */
static void every_cut_is_read(void **state)
{
    struct amp_address found[4];
    for (size_t len = 0; len < sizeof(text); len++) {
        struct amp_hosts *hosts = read_text(text, len);
        assert_true(find(hosts, "one.example", true, found) <= 2);
        amp_hosts_free(hosts);
    }
}

static void lines_beyond_the_bound_are_left_out(void **state)
{
    static char large[AMP_HOSTS_BYTES_MAX + 64];
    static const char line[] = "192.0.2.1 one.example\n";
    struct amp_address found[4];
    memset(large, '\n', sizeof(large));
    memcpy(large, line, sizeof(line) - 1);
    memcpy(large + AMP_HOSTS_BYTES_MAX - 4, line, sizeof(line) - 1);
    struct amp_hosts *hosts = read_text(large, sizeof(large));
    assert_int_equal(find(hosts, "one.example", true, found), 1);
    amp_hosts_free(hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_aliases_have_their_addresses),
        cmocka_unit_test(what_is_no_line_of_the_form_names_nothing),
        cmocka_unit_test(where_there_is_no_file_nothing_is_known),
        cmocka_unit_test(every_cut_is_read),
        cmocka_unit_test(lines_beyond_the_bound_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
