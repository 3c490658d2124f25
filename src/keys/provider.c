/* Both providers wrap with AES key wrap with padding (RFC 5649) under a KEK in secret memory; they differ in its
 * origin. */
#include "keys/provider.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/crypto.h"

static enum amp_err local_wrap(void *self, const uint8_t *key, size_t len, uint8_t *out, size_t *out_len)
{
    if (len == 0 || len > AMP_WRAPPED_MAX - 16)
        return AMP_ERR_TOO_LARGE;
    *out_len = amp_kwp_len(len);
    return amp_kwp_wrap(out, self, key, len);
}

static enum amp_err local_unwrap(void *self, const uint8_t *wrapped, size_t wrapped_len, uint8_t *key, size_t *len)
{
    /* RFC 5649 section 4.1: at least two semiblocks, and whole ones. */
    if (wrapped_len < 16 || wrapped_len % 8 != 0 || wrapped_len > AMP_WRAPPED_MAX) {
        amp_wipe(key, *len);
        return AMP_ERR_NOT_AUTHENTIC;
    }
    return amp_kwp_unwrap(key, len, self, wrapped, wrapped_len);
}

static void local_close(void *self)
{
    amp_secret_free(self);
}

enum amp_err amp_key_provider_ephemeral(struct amp_key_provider *out, const struct amp_key256 *kek)
{
    static const struct amp_key_provider_ops ops = {"ephemeral", local_wrap, local_unwrap, local_close};
    struct amp_key256 *copy = amp_secret_alloc(sizeof(*copy));
    if (copy == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    *copy = *kek;
    *out = (struct amp_key_provider){&ops, copy};
    return AMP_OK;
}

static enum amp_err write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len != 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return AMP_ERR_IO;
        bytes += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0 ? AMP_OK : AMP_ERR_IO;
}

/* So that the name outlives a power cut as well as the bytes. */
static enum amp_err sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (len >= sizeof(folder))
        return AMP_ERR_TOO_LARGE;
    memcpy(folder, path, len);
    folder[len] = '\0';
    int fd = open(len != 0 ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return AMP_ERR_IO;
    enum amp_err err = fsync(fd) == 0 ? AMP_OK : AMP_ERR_IO;
    close(fd);
    return err;
}

/* A new KEK at `path`, which did not exist. What could not be written whole is taken away again; errno says why. */
static enum amp_err make_file(const char *path)
{
    struct amp_key256 *kek = amp_secret_alloc(sizeof(*kek));
    enum amp_err err = kek != NULL ? amp_random(kek->bytes, sizeof(kek->bytes)) : AMP_ERR_OUT_OF_MEMORY;
    int fd = err == AMP_OK ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    if (err == AMP_OK)
        err = fd >= 0 ? write_all(fd, kek->bytes, sizeof(kek->bytes)) : AMP_ERR_IO;
    if (fd >= 0 && close(fd) != 0)
        err = AMP_ERR_IO;
    if (err == AMP_OK)
        err = sync_folder_of(path);
    const int why = errno;
    if (err != AMP_OK && fd >= 0)
        unlink(path);
    amp_secret_free(kek);
    errno = why;
    return err;
}

/* A file of ours alone, of exactly a key's size. */
static bool is_private(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_uid == geteuid() &&
           (about.st_mode & 077) == 0 && about.st_size == (off_t)sizeof(struct amp_key256);
}

static enum amp_err read_file(int fd, struct amp_key256 *kek)
{
    size_t got = 0;
    while (got < sizeof(kek->bytes)) {
        ssize_t n = read(fd, kek->bytes + got, sizeof(kek->bytes) - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return AMP_ERR_IO;
        got += (size_t)n;
    }
    return AMP_OK;
}

static enum amp_err open_or_make(int *fd, const char *path)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    enum amp_err err = AMP_OK;
    *fd = open(path, flags);
    if (*fd < 0 && errno == ENOENT && (err = make_file(path)) == AMP_OK)
        *fd = open(path, flags);
    return err == AMP_OK && *fd < 0 ? AMP_ERR_IO : err;
}

enum amp_err amp_key_file_open(int *fd, const char *path)
{
    const enum amp_err err = open_or_make(fd, path);
    if (err != AMP_OK) {
        amp_log_text_errno(AMP_LOG_ERROR, "the KEK file can be neither opened nor made", "path", path, errno);
        return err;
    }
    if (is_private(*fd))
        return AMP_OK;
    amp_log_text(AMP_LOG_ERROR, "the KEK file must be a plain one of 32 bytes, mode 0600, its reader's own", "path",
                 path);
    close(*fd);
    *fd = -1;
    return AMP_ERR_INVALID;
}

enum amp_err amp_key_provider_file(struct amp_key_provider *out, int fd)
{
    static const struct amp_key_provider_ops ops = {"file", local_wrap, local_unwrap, local_close};
    struct amp_key256 *kek = amp_secret_alloc(sizeof(*kek));
    if (kek == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    enum amp_err err = read_file(fd, kek);
    if (err == AMP_OK)
        *out = (struct amp_key_provider){&ops, kek};
    else
        amp_secret_free(kek);
    return err;
}
