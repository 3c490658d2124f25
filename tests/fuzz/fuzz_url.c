/* URLs. What is accepted is the text put together from its parts again, and each part is what its contract says. */
#include "fuzz.h"

#include "base/address.h"
#include "wire/url.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return 0;
}

static void check_parts(const struct amp_url *url)
{
    struct amp_address address;
    enum amp_err err = amp_address_parse(&address, url->host);
    FUZZ_CHECK(url->host.len != 0 && url->port != 0 && !(url->ipv4 && url->ipv6));
    FUZZ_CHECK((err == AMP_OK) == (url->ipv4 || url->ipv6));
    FUZZ_CHECK(err != AMP_OK || address.v4 == url->ipv4);
    for (size_t i = 0; i < url->host.len; i++) {
        uint8_t c = url->host.ptr[i];
        FUZZ_CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
                   (url->ipv6 && c == ':'));
    }
    for (size_t i = 0; i < url->target.len; i++)
        FUZZ_CHECK(url->target.ptr[i] > ' ' && url->target.ptr[i] < 0x7f && url->target.ptr[i] != '#');
}

static void write_url(struct amp_out *out, const struct amp_url *url, bool with_port)
{
    amp_out_str(out, url->https ? "https://" : "http://");
    amp_out_str(out, url->ipv6 ? "[" : "");
    amp_out_slice(out, url->host);
    amp_out_str(out, url->ipv6 ? "]" : "");
    if (with_port) {
        amp_out_byte(out, ':');
        amp_out_u64(out, url->port);
    }
    amp_out_slice(out, url->target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct amp_url url;
    uint8_t *text = fuzz_copy(data, size);
    if (amp_url_parse(&url, amp_slice(text, size)) == AMP_OK) {
        uint8_t plain[AMP_URL_MAX], ported[AMP_URL_MAX + 8];
        struct amp_out a = amp_out(plain, sizeof plain), b = amp_out(ported, sizeof ported);
        check_parts(&url);
        write_url(&a, &url, false);
        write_url(&b, &url, true);
        FUZZ_CHECK((!a.overflow && amp_slice_equal(amp_out_done(&a), amp_slice(data, size))) ||
                   amp_slice_equal(amp_out_done(&b), amp_slice(data, size)));
    }
    free(text);
    return 0;
}
