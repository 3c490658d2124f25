/* The configuration as a text: from its file, and as development mode writes it. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"

enum amp_err amp_config_load(int fd, uint8_t *text, size_t *len)
{
    struct stat about;
    *len = 0;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        return AMP_ERR_IO;
    for (;;) {
        uint8_t beyond;
        bool full = *len == AMP_CONFIG_TEXT_MAX;
        ssize_t n = pread(fd, full ? &beyond : text + *len, full ? 1 : AMP_CONFIG_TEXT_MAX - *len, (off_t)*len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? AMP_OK : AMP_ERR_IO;
        if (full)
            return AMP_ERR_TOO_LARGE;
        *len += (size_t)n;
    }
}

enum amp_err amp_config_read(struct amp_config *out, int fd)
{
    static uint8_t text[AMP_CONFIG_TEXT_MAX];
    size_t len;
    enum amp_err err = amp_config_load(fd, text, &len);
    return err == AMP_OK ? amp_config_parse(out, amp_slice(text, len), NULL) : err;
}

static void write_quoted(struct amp_out *out, const char *key, const char *text, const char *more)
{
    amp_out_str(out, key);
    amp_out_str(out, ": '");
    for (; *text != '\0'; text++) {
        amp_out_byte(out, (uint8_t)*text);
        if (*text == '\'') /* YAML doubles it */
            amp_out_byte(out, '\'');
    }
    amp_out_str(out, more);
    amp_out_str(out, "'\n");
}

void amp_config_write_dev(struct amp_out *out, const char *state, const char *address, uint32_t workers, bool separate)
{
    /* systemd hands out none from 60578 to 61183 ("Users, Groups, UIDs and GIDs"); Debian allots those from 60000 to
     * 64999 one by one, to packages that ask (Policy 9.2.2). */
    amp_out_str(out, separate ? "sandbox: {front: 61001, keeper: 61002, scribe: 61003, courier: 61004}\n"
                              : "sandbox: {users: shared}\n");
    amp_out_str(out, "dev: true\n");
    if (workers != 0) {
        amp_out_str(out, "workers: ");
        amp_out_u64(out, workers);
        amp_out_byte(out, '\n');
    }
    write_quoted(out, "state", state, "");
    amp_out_str(out, "listen:\n  addresses: ['");
    amp_out_str(out, address);
    amp_out_str(out, "']\n");
    write_quoted(out, "  cert", state, "/tls.crt");
    write_quoted(out, "  key", state, "/tls.key");
    /* All that comes is from here: tools that fail on purpose, too. */
    amp_out_str(out, "limits:\n  exempt: ['127.0.0.0/8', '[::1]']\n");
}
