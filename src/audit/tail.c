#include "audit/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"
#include "base/text.h"
#include "crypto/crypto.h"

enum { BLOCK = 65536, TORN_KEPT_MAX = 1 << 20 };

static enum amp_err read_at(int fd, uint8_t *to, size_t len, uint64_t offset)
{
    while (len != 0) {
        ssize_t n = pread(fd, to, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return AMP_ERR_IO;
        to += n;
        len -= (size_t)n;
        offset += (size_t)n;
    }
    return AMP_OK;
}

/* Where the last complete line ends: one behind the last newline; 0 where there is none. */
static enum amp_err find_line_end(int fd, uint64_t size, uint8_t *block, uint64_t *end)
{
    for (uint64_t at = size; at != 0;) {
        size_t len = at < BLOCK ? (size_t)at : BLOCK;
        enum amp_err err = read_at(fd, block, len, at - len);
        if (err != AMP_OK)
            return err;
        at -= len;
        while (len != 0 && block[len - 1] != '\n')
            len--;
        if (len != 0) {
            *end = at + len;
            return AMP_OK;
        }
    }
    *end = 0;
    return AMP_OK;
}

static bool is_hex(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
            return false;
    }
    return true;
}

/* Cuts `text` off the end of `line`. */
static bool strip_end(struct amp_slice *line, const char *text)
{
    size_t len = strlen(text);
    if (line->len < len || !amp_slice_is(amp_slice(line->ptr + line->len - len, len), text))
        return false;
    line->len -= len;
    return true;
}

static bool strip_hex(struct amp_slice *line, size_t len)
{
    if (line->len < len || !is_hex(line->ptr + line->len - len, len))
        return false;
    line->len -= len;
    return true;
}

static bool strip_number(struct amp_slice *line, uint64_t *value, uint64_t max)
{
    size_t digits = 0;
    while (digits < line->len && digits < 20 && line->ptr[line->len - 1 - digits] >= '0' &&
           line->ptr[line->len - 1 - digits] <= '9')
        digits++;
    line->len -= digits;
    return amp_u64_parse(value, amp_slice(line->ptr + line->len, digits), max) == AMP_OK;
}

/* seq and epoch of a line of ours, and what its code covers. */
static bool parse_line(struct amp_slice line, uint64_t *seq, uint64_t *epoch, struct amp_slice *covered)
{
    static const char begin[] = "{\"v\":1,\"seq\":";
    const size_t begin_len = sizeof(begin) - 1;
    if (!strip_end(&line, "\"}") || !strip_hex(&line, 64) || !strip_end(&line, ",\"mac\":\""))
        return false;
    *covered = line;
    if (!strip_number(&line, epoch, UINT32_MAX) || !strip_end(&line, "\",\"epoch\":") || !strip_hex(&line, 64) ||
        !strip_end(&line, ",\"prev\":\""))
        return false;
    if (line.len <= begin_len || !amp_slice_is(amp_slice(line.ptr, begin_len), begin))
        return false;
    const uint8_t *comma = memchr(line.ptr + begin_len, ',', line.len - begin_len);
    if (comma == NULL)
        return false;
    struct amp_slice digits = amp_slice(line.ptr + begin_len, (size_t)(comma - line.ptr) - begin_len);
    return amp_u64_parse(seq, digits, UINT64_MAX - 1) == AMP_OK && *seq != 0;
}

/* Reads the complete line that ends at `line_end`. */
static enum amp_err read_last_line(struct amp_log_end *end, int fd, uint64_t line_end, uint8_t *block)
{
    uint64_t epoch;
    size_t len = line_end < BLOCK ? (size_t)line_end : BLOCK;
    if (len == 0)
        return AMP_ERR_INVALID;
    enum amp_err err = read_at(fd, block, len, line_end - len);
    if (err != AMP_OK)
        return err;
    len--; /* its newline */
    const uint8_t *before = memrchr(block, '\n', len);
    const uint8_t *start = before != NULL ? before + 1 : block;
    struct amp_slice line = amp_slice(start, len - (size_t)(start - block));
    struct amp_slice covered;
    if (line.len > AMP_CHAIN_LINE_MAX || !parse_line(line, &end->seq, &epoch, &covered))
        return AMP_ERR_INVALID;
    end->epoch = (uint32_t)epoch;
    return amp_sha256(end->hash, &covered, 1);
}

static enum amp_err write_torn(int dir_fd, int fd, uint64_t from, uint64_t size, const char *name, uint8_t *block)
{
    enum amp_err err = AMP_OK;
    int to = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0)
        return AMP_ERR_IO;
    if (size - from > TORN_KEPT_MAX)
        size = from + TORN_KEPT_MAX;
    while (err == AMP_OK && from < size) {
        size_t len = size - from < BLOCK ? (size_t)(size - from) : BLOCK;
        err = read_at(fd, block, len, from);
        if (err == AMP_OK && write(to, block, len) != (ssize_t)len)
            err = AMP_ERR_IO;
        from += len;
    }
    if (err == AMP_OK && fsync(to) != 0)
        err = AMP_ERR_IO;
    int saved = errno;
    close(to);
    if (err != AMP_OK)
        unlinkat(dir_fd, name, 0); /* it will be set aside whole, or not at all */
    errno = saved;
    return err;
}

static enum amp_err open_file(int dir_fd, const char *name, int flags, int *fd, uint64_t *size)
{
    struct stat about;
    *fd = openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &about) != 0 || !S_ISREG(about.st_mode))
        return AMP_ERR_IO;
    *size = (uint64_t)about.st_size;
    return AMP_OK;
}

/* The last line of a file that was finished: every line is complete. *size is 0 where it has none. */
static enum amp_err read_earlier(struct amp_log_end *end, int dir_fd, const char *name, uint64_t *size, uint8_t *block)
{
    uint64_t line_end = 0;
    int fd = -1;
    enum amp_err err = open_file(dir_fd, name, O_RDONLY, &fd, size);
    if (err == AMP_OK)
        err = find_line_end(fd, *size, block, &line_end);
    if (err == AMP_OK && line_end != *size)
        err = AMP_ERR_INVALID;
    if (err == AMP_OK && *size != 0)
        err = read_last_line(end, fd, line_end, block);
    if (fd >= 0)
        close(fd);
    return err;
}

/* The newest file has no line yet: the last one stands in a file before it. */
static enum amp_err look_further_back(struct amp_log_end *end, int dir_fd, const struct amp_log_names *names,
                                      uint8_t *block)
{
    for (size_t i = 0; i < names->before_count; i++) {
        uint64_t size = 0;
        enum amp_err err = read_earlier(end, dir_fd, names->before[i], &size, block);
        if (err != AMP_OK || size != 0)
            return err;
    }
    return names->has_more ? AMP_ERR_INVALID : AMP_OK;
}

/* What an earlier life wrote counts as durable from here on. */
static enum amp_err make_durable(int dir_fd, int fd)
{
    return fsync(fd) == 0 && fsync(dir_fd) == 0 ? AMP_OK : AMP_ERR_IO;
}

static enum amp_err cut_torn(struct amp_log_end *end, uint64_t line_end)
{
    if (ftruncate(end->fd, (off_t)line_end) != 0)
        return AMP_ERR_IO;
    end->torn_bytes = end->size_bytes - line_end;
    end->size_bytes = line_end;
    return AMP_OK;
}

/* Cutting comes last, when nothing can fail behind it: who tries again must find as much that is torn, to record it. */
static enum amp_err settle_end(struct amp_log_end *end, int dir_fd, const struct amp_log_names *names,
                               uint64_t line_end, uint8_t *block)
{
    const char *torn = line_end < end->size_bytes ? *names->torn : NULL;
    enum amp_err err = AMP_OK;
    if (torn != NULL)
        err = write_torn(dir_fd, end->fd, line_end, end->size_bytes, torn, block);
    if (err != AMP_OK)
        return err;
    err = make_durable(dir_fd, end->fd);
    if (err == AMP_OK)
        err = line_end != 0 ? read_last_line(end, end->fd, line_end, block)
                            : look_further_back(end, dir_fd, names, block);
    if (err == AMP_OK && torn != NULL)
        err = cut_torn(end, line_end);
    int saved = errno;
    if (err != AMP_OK && torn != NULL)
        unlinkat(dir_fd, torn, 0); /* who tries again has no other name */
    errno = saved;
    return err;
}

static enum amp_err find_end(struct amp_log_end *end, int dir_fd, const struct amp_log_names *names, uint8_t *block)
{
    uint64_t line_end = 0;
    end->file_number = names->number;
    end->file_start_s = names->start_s;
    if (names->number == 0)
        return AMP_OK;
    enum amp_err err = open_file(dir_fd, *names->newest, O_RDWR, &end->fd, &end->size_bytes);
    if (err == AMP_OK)
        err = find_line_end(end->fd, end->size_bytes, block, &line_end);
    return err == AMP_OK ? settle_end(end, dir_fd, names, line_end, block) : err;
}

enum amp_err amp_log_find_end(struct amp_log_end *end, int dir_fd, const struct amp_log_names *names)
{
    *end = (struct amp_log_end){.fd = -1};
    uint8_t *block = malloc(BLOCK);
    if (block == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = find_end(end, dir_fd, names, block);
    int saved = errno;
    free(block);
    if (err != AMP_OK && end->fd >= 0) {
        close(end->fd);
        end->fd = -1;
    }
    errno = saved;
    return err;
}
