#include "wire_support.h"

#include "wire/url.h"

static enum amp_err parse(struct amp_url *url, const char *text, size_t len)
{
    static uint8_t *kept; /* the slices borrow from it until the next call */
    free(kept);
    kept = exact_copy(text, len);
    return amp_url_parse(url, amp_slice(kept, len));
}

enum form { NAME, V4, V6 };

static void urls_are_taken_apart(void **state)
{
    static const struct {
        const char *text;
        bool https;
        enum form form;
        const char *host;
        uint16_t port;
        const char *target;
    } cases[] = {
        {"https://example.com", true, NAME, "example.com", 443, ""},
        {"https://example.com/", true, NAME, "example.com", 443, "/"},
        {"http://example.com/hooks", false, NAME, "example.com", 80, "/hooks"},
        {"https://example.com:8443/a/b?c=d&e", true, NAME, "example.com", 8443, "/a/b?c=d&e"},
        {"https://example.com:443", true, NAME, "example.com", 443, ""},
        {"http://h:65535/", false, NAME, "h", 65535, "/"},
        {"http://h:1/", false, NAME, "h", 1, "/"},
        {"https://localhost/", true, NAME, "localhost", 443, "/"},
        {"https://a-b_c.xn--bcher-kva.example/", true, NAME, "a-b_c.xn--bcher-kva.example", 443, "/"},
        {"https://1.example/", true, NAME, "1.example", 443, "/"},
        {"https://0x1.example/", true, NAME, "0x1.example", 443, "/"},
        {"https://1.2.3.4a/", true, NAME, "1.2.3.4a", 443, "/"},
        {"https://0xg/", true, NAME, "0xg", 443, "/"},
        {"https://192.0.2.1/", true, V4, "192.0.2.1", 443, "/"},
        {"https://0.0.0.0:9/", true, V4, "0.0.0.0", 9, "/"},
        {"https://255.255.255.255", true, V4, "255.255.255.255", 443, ""},
        {"https://[::1]/", true, V6, "::1", 443, "/"},
        {"https://[2001:db8::1]:8443/x", true, V6, "2001:db8::1", 8443, "/x"},
        {"https://[::ffff:192.0.2.1]", true, V6, "::ffff:192.0.2.1", 443, ""},
        {"https://h/a//b", true, NAME, "h", 443, "/a//b"},
        {"https://h/a@b:c;d='e'(f)*+,!$&=~", true, NAME, "h", 443, "/a@b:c;d='e'(f)*+,!$&=~"},
        {"https://h/%41%2f%2F%00", true, NAME, "h", 443, "/%41%2f%2F%00"},
        {"https://h/...", true, NAME, "h", 443, "/..."},
        {"https://h/.a/a./..a", true, NAME, "h", 443, "/.a/a./..a"},
        {"https://h/?../.", true, NAME, "h", 443, "/?../."},
        {"https://h//", true, NAME, "h", 443, "//"},
        {"https://h/?a?b/c", true, NAME, "h", 443, "/?a?b/c"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct amp_url url;
        assert_err(parse(&url, cases[i].text, strlen(cases[i].text)), AMP_OK, cases[i].text);
        assert_int_equal(url.https, cases[i].https);
        assert_int_equal(url.ipv4, cases[i].form == V4);
        assert_int_equal(url.ipv6, cases[i].form == V6);
        assert_slice(url.host, cases[i].host);
        assert_int_equal(url.port, cases[i].port);
        assert_slice(url.target, cases[i].target);
    }
}

#define LABEL63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* clang-format off */
static const char *const ambiguous[] = {
    "", "h", "//h/", "/a", "https:", "https:/", "https://", "https:///", "https:h", "https:/h/", "HTTPS://h/",
    "Http://h/", "ftp://h/", "file:///etc/passwd", "javascript:0", "httpss://h/", "https//h/", " https://h/",
    "https://h/ ", "https://h /", "https:// h/", "https://h\t/", "https://h/\t", "https://h/\r\nx: y",
    "https://h/\x7f", "https://h/\x01", "https://h/\xc3\xa4", "https://h\xc3\xa4/", "https://H/", "https://eXample/",
    /* userinfo, and what some take for it */
    "https://u@h/", "https://u:p@h/", "https://@h/", "https://:@h/", "https://h@i/", "https://h:1@i/",
    "https://h\\@i/", "https://h\\i/", "https://h/\\", "https:\\\\h/", "https://h%40i/", "https://%68/",
    "https://h%00/",
    /* fragments and queries */
    "https://h/#", "https://h/#a", "https://h#a", "https://h?a", "https://h?", "https://h:1?a", "https://h;a/",
    /* hosts */
    "https://./", "https://../", "https://.h/", "https://h./", "https://a..b/", "https://h!/", "https://h,i/",
    "https://h*/", "https://" LABEL63 "a/", "https://a$b/", "https://a|b/", "https://a^b/", "https://a`b/",
    /* numbers that some read as addresses */
    "https://1/", "https://1.2/", "https://1.2.3/", "https://1.2.3.4.5/", "https://1.2.3.256/", "https://1.2.3.04/",
    "https://01.2.3.4/", "https://1.2.3.4./", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/",
    "https://127.0.0.0x1/", "https://0x/", "https://0177.0.0.1/", "https://a.1/", "https://a.0x1/", "https://00/",
    /* IPv6 */
    "https://::1/", "https://[::1", "https://[]/", "https://[:]/", "https://[::1]a/", "https://[::1]:/",
    "https://[::1%25eth0]/", "https://[::1%eth0]/", "https://[fe80::1%1]/", "https://[::FFFF:1]/",
    "https://[1::2::3]/", "https://[192.0.2.1]/", "https://[v1.a]/", "https://[::1]]/", "https://[[::1]]/",
    "https://a[::1]/", "https://[12345::]/", "https://[::1.2.3.04]/", "https://[1:2:3:4:5:6:7:8:9]/",
    /* ports */
    "https://h:/", "https://h:0/", "https://h:01/", "https://h:65536/", "https://h:99999999999999999999/",
    "https://h:-1/", "https://h:+1/", "https://h: 1/", "https://h:1a/", "https://h:1:2/", "https://h:a/",
    "https://:1/", "https://h:%31/", "https://[::1]:0/", "https://[::1]:01/",
    /* paths */
    "https://h/.", "https://h/..", "https://h/./", "https://h/../", "https://h/a/./b", "https://h/a/../b",
    "https://h/a/..?b", "https://h/%2e", "https://h/%2E%2e/", "https://h/.%2e/x", "https://h/%2e./x",
    "https://h/a/%2e", "https://h/%", "https://h/%4", "https://h/%4g", "https://h/%g4", "https://h/?%",
    "https://h/\"", "https://h/<", "https://h/>", "https://h/[", "https://h/]", "https://h/^", "https://h/`",
    "https://h/{", "https://h/|", "https://h/}",
};
/* clang-format on */

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
    for (size_t i = 0; i < COUNT(ambiguous); i++) {
        struct amp_url url;
        assert_err(parse(&url, ambiguous[i], strlen(ambiguous[i])), AMP_ERR_URL_INVALID, ambiguous[i]);
        assert_null(url.host.ptr);
    }
}

static void a_nul_ends_nothing(void **state)
{
    static const char *const texts[] = {"https://h\0/", "https://h/\0", "https://h/a\0b", "https://\0h/",
                                        "\0https://h"};
    static const size_t lens[] = {11, 11, 13, 11, 10};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct amp_url url;
        assert_int_equal(parse(&url, texts[i], lens[i]), AMP_ERR_URL_INVALID);
    }
}

static void lengths_end_where_they_should(void **state)
{
    static const char name[] = LABEL63 "." LABEL63 "." LABEL63 "." LABEL63; /* 255 */
    char text[AMP_URL_MAX + 2];
    struct amp_url url;
    for (size_t host_len = 250; host_len <= 255; host_len++) {
        struct amp_out out = amp_out(text, sizeof text);
        amp_out_str(&out, "https://");
        amp_out_bytes(&out, name, host_len);
        amp_out_byte(&out, '/');
        assert_int_equal(parse(&url, text, out.len), host_len <= 253 ? AMP_OK : AMP_ERR_URL_INVALID);
    }
    memset(text, 'a', sizeof text);
    memcpy(text, "https://h/", 10);
    assert_int_equal(parse(&url, text, AMP_URL_MAX), AMP_OK);
    assert_int_equal(parse(&url, text, AMP_URL_MAX + 1), AMP_ERR_URL_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
        cmocka_unit_test(a_nul_ends_nothing),
        cmocka_unit_test(lengths_end_where_they_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
