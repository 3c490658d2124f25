/* A directory of a test's own, removed with all in it. */
#ifndef AMP_TESTS_TEMPDIR_H
#define AMP_TESTS_TEMPDIR_H

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

struct tempdir {
    char path[64];
    int fd;
};

static inline void tempdir_make(struct tempdir *dir)
{
    snprintf(dir->path, sizeof(dir->path), "/tmp/ampoule-unit-XXXXXX");
    assert_non_null(mkdtemp(dir->path));
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir->fd >= 0);
}

static inline int tempdir_unlink(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    return remove(path);
}

static inline void tempdir_remove(struct tempdir *dir)
{
    close(dir->fd);
    nftw(dir->path, tempdir_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* Reads a whole file; the caller frees. */
static inline char *tempdir_read(const struct tempdir *dir, const char *name, size_t *len)
{
    struct stat about;
    int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &about), 0);
    *len = (size_t)about.st_size;
    char *bytes = malloc(*len + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, *len), (ssize_t)*len);
    bytes[*len] = '\0';
    close(fd);
    return bytes;
}

static inline void tempdir_write(const struct tempdir *dir, const char *name, const void *bytes, size_t len)
{
    int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

/* From now on no file grows beyond `bytes`: writing fails as on a full disk. RLIM_INFINITY lifts it. */
static inline void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

#endif
