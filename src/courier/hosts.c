#include "courier/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

struct amp_hosts {
    size_t len; /* whole lines, each with its end */
    char text[AMP_HOSTS_BYTES_MAX];
};

static enum amp_err read_all(struct amp_hosts *hosts, int fd)
{
    while (hosts->len < sizeof(hosts->text)) {
        ssize_t n = read(fd, hosts->text + hosts->len, sizeof(hosts->text) - hosts->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return AMP_ERR_IO;
        if (n == 0)
            break;
        hosts->len += (size_t)n;
    }
    if (hosts->len == sizeof(hosts->text)) {
        amp_log_text(AMP_LOG_WARN, "the file of hosts is too large: its last lines are left out", "path",
                     AMP_HOSTS_FILE);
        while (hosts->len != 0 && hosts->text[hosts->len - 1] != '\n')
            hosts->len--;
    } else if (hosts->len != 0) {
        hosts->text[hosts->len++] = '\n';
    }
    return AMP_OK;
}

enum amp_err amp_hosts_read(struct amp_hosts **out, const char *path)
{
    struct amp_hosts *hosts = calloc(1, sizeof(*hosts));
    enum amp_err err = AMP_OK;
    *out = NULL;
    if (hosts == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0)
        err = read_all(hosts, fd);
    else if (errno != ENOENT)
        err = AMP_ERR_IO;
    if (fd >= 0)
        close(fd);
    if (err == AMP_OK)
        *out = hosts;
    else
        free(hosts);
    return err;
}

void amp_hosts_free(struct amp_hosts *hosts)
{
    free(hosts);
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Cuts the next word off the line; an empty one: there is none. */
static struct amp_slice take_word(struct amp_slice *line)
{
    while (line->len != 0 && is_blank(line->ptr[0]))
        *line = amp_slice(line->ptr + 1, line->len - 1);
    size_t len = 0;
    while (len < line->len && !is_blank(line->ptr[len]))
        len++;
    struct amp_slice word = amp_slice(line->ptr, len);
    *line = amp_slice(line->ptr + len, line->len - len);
    return word;
}

static bool names(struct amp_slice line, struct amp_slice name)
{
    for (struct amp_slice word = take_word(&line); word.len != 0; word = take_word(&line)) {
        if (amp_slice_equal_nocase(word, name))
            return true;
    }
    return false;
}

size_t amp_hosts_find(const struct amp_hosts *hosts, struct amp_slice name, bool v4, struct amp_address *out,
                      size_t max)
{
    size_t count = 0;
    const char *const end = hosts->text + hosts->len;
    for (const char *at = hosts->text; at < end && count < max;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct amp_slice line = amp_slice(at, (size_t)(newline - at));
        const uint8_t *comment = line.len != 0 ? memchr(line.ptr, '#', line.len) : NULL;
        if (comment != NULL)
            line.len = (size_t)(comment - line.ptr);
        at = newline + 1;
        struct amp_slice address = take_word(&line);
        if (amp_address_parse(&out[count], address) == AMP_OK && out[count].v4 == v4 && names(line, name))
            count++;
    }
    return count;
}
