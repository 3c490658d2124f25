#include "daemon/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "keys/keyring.h"
#include "keys/subscription.h"
#include "net/net.h"

enum { TLS_FILE_MAX = 1 << 20, FAILURE_MAX = 160 };

static const char dev_mark[] = "dev";

static enum amp_err fail(const char *what, const char *path)
{
    uint8_t text[FAILURE_MAX];
    struct amp_out said = amp_out(text, sizeof(text) - 1);
    const char *why = strerrordesc_np(errno);
    amp_out_str(&said, what);
    amp_out_str(&said, ": ");
    amp_out_str(&said, why != NULL ? why : "unknown error");
    text[said.len] = '\0';
    amp_log_text(AMP_LOG_ERROR, (const char *)text, "path", path);
    return AMP_ERR_IO;
}

/* `at` or AT_FDCWD; made where it does not exist. */
static enum amp_err open_dir(int at, const char *path, int *fd)
{
    if (mkdirat(at, path, 0700) != 0 && errno != EEXIST)
        return fail("a directory cannot be made", path);
    *fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return *fd >= 0 ? AMP_OK : fail("a directory cannot be opened", path);
}

static enum amp_err check_private(int fd, const char *path, uid_t owner)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return fail("a directory cannot be looked at", path);
    if (about.st_uid == owner && (about.st_mode & 077) == 0)
        return AMP_OK;
    amp_log_text(AMP_LOG_ERROR,
                 owner == geteuid() ? "the directory must belong to the daemon's user, mode 0700"
                                    : "the directory must belong to its role's user, mode 0700",
                 "path", path);
    return AMP_ERR_INVALID;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A description of its own: roles hold the other one, and with it would hold the lock. */
static enum amp_err lock(struct amp_state *state, const char *path)
{
    state->lock_fd = openat(state->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state->lock_fd >= 0 && flock(state->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return AMP_OK;
    amp_log_text(AMP_LOG_ERROR, "another daemon uses this state directory", "path", path);
    return AMP_ERR_IO;
}

static bool is_empty(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        close_one(&fd);
        return false;
    }
    const struct dirent *entry;
    do {
        entry = readdir(dir);
    } while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    closedir(dir);
    return entry == NULL;
}

/* An empty file, there from one moment to the next: nothing is left half made. */
static enum amp_err mark(const struct amp_state *state)
{
    int fd = openat(state->dir_fd, dev_mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && fsync(fd) == 0 && fsync(state->dir_fd) == 0;
    close_one(&fd);
    return good ? AMP_OK : fail("a file cannot be written", dev_mark);
}

/* What development mode discards and makes anew in its directory must never be what production lives on. */
static enum amp_err claim(const struct amp_state *state, const char *path, bool dev)
{
    bool marked = faccessat(state->dir_fd, dev_mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (marked == dev)
        return AMP_OK;
    if (dev && is_empty(state->dir_fd))
        return mark(state);
    amp_log_text(AMP_LOG_ERROR,
                 dev ? "development mode takes a directory of its own: this one is not empty, and not of its making"
                     : "this state directory was made by development mode: production takes one of its own",
                 "path", path);
    return AMP_ERR_INVALID;
}

enum amp_err amp_state_open(struct amp_state *out, const char *path, bool dev)
{
    *out = AMP_STATE_CLOSED;
    enum amp_err err = open_dir(AT_FDCWD, path, &out->dir_fd);
    if (err == AMP_OK)
        err = check_private(out->dir_fd, path, geteuid());
    if (err == AMP_OK)
        err = lock(out, path);
    if (err == AMP_OK)
        err = claim(out, path, dev);
    if (err != AMP_OK)
        amp_state_close(out);
    return err;
}

void amp_state_close(struct amp_state *state)
{
    close_one(&state->empty_fd);
    close_one(&state->audit_fd);
    close_one(&state->keys_fd);
    close_one(&state->dir_fd);
    close_one(&state->lock_fd);
}

/* What the keeper keeps sealed under the KEK. */
static const struct sealed {
    const char *file;
    enum amp_err (*provider)(int dir_fd, char name[AMP_KEY_PROVIDER_NAME_MAX]);
} sealed_files[] = {
    {AMP_KEYRING_FILE, amp_keyring_provider},
    {AMP_SUBSCRIPTION_FILE, amp_subscriptions_provider},
};

/* Earlier releases kept the keeper's files in the state directory itself. */
static enum amp_err adopt(const struct amp_state *state, const struct amp_sandbox_user *owner)
{
    for (size_t i = 0; i < sizeof(sealed_files) / sizeof(sealed_files[0]); i++) {
        const char *name = sealed_files[i].file;
        if (renameat2(state->dir_fd, name, state->keys_fd, name, RENAME_NOREPLACE) != 0) {
            if (errno == ENOENT)
                continue;
            return fail("a file of the keeper's cannot be moved to keys/, or stands there twice", name);
        }
        if (owner != NULL && fchownat(state->keys_fd, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) != 0)
            return fail("a file cannot be handed over to its role's user", name);
    }
    return AMP_OK;
}

/* The entries, then the directory: who was interrupted finds it still his, and begins again. */
static enum amp_err hand_over(int dir_fd, const char *path, const struct amp_sandbox_user *owner)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    bool good = dir != NULL;
    if (dir == NULL)
        close_one(&fd);
    for (const struct dirent *entry; good && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            good = fchownat(dir_fd, entry->d_name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) == 0;
    }
    if (dir != NULL)
        closedir(dir);
    good = good && fchown(dir_fd, owner->uid, owner->gid) == 0;
    return good ? AMP_OK : fail("a directory cannot be handed over to its role's user", path);
}

static enum amp_err open_role_dir(const struct amp_state *state, const char *name, const struct amp_sandbox_user *owner,
                                  int *fd)
{
    struct stat about;
    enum amp_err err = open_dir(state->dir_fd, name, fd);
    if (err == AMP_OK && owner != NULL && fstat(*fd, &about) == 0 && about.st_uid == geteuid())
        err = hand_over(*fd, name, owner);
    return err == AMP_OK ? check_private(*fd, name, owner != NULL ? owner->uid : geteuid()) : err;
}

static enum amp_err open_empty(struct amp_state *state)
{
    static const char name[] = "empty";
    enum amp_err err = open_dir(state->dir_fd, name, &state->empty_fd);
    if (err != AMP_OK)
        return err;
    if (fchmod(state->empty_fd, 0555) != 0 || unlinkat(state->dir_fd, name, AT_REMOVEDIR) != 0)
        return fail("a directory cannot be removed", name);
    return AMP_OK;
}

enum amp_err amp_state_open_roles(struct amp_state *state, const struct amp_users *users)
{
    const struct amp_sandbox_user *keeper = amp_users_of(users, AMP_ROLE_KEEPER);
    enum amp_err err = open_role_dir(state, "keys", keeper, &state->keys_fd);
    if (err == AMP_OK)
        err = adopt(state, keeper);
    if (err == AMP_OK)
        err = open_role_dir(state, "audit", amp_users_of(users, AMP_ROLE_SCRIBE), &state->audit_fd);
    if (err == AMP_OK)
        err = open_empty(state);
    return err;
}

enum amp_err amp_state_without_roles(const struct amp_state *state, const char *path)
{
    static const char *const names[] = {"keys", "audit", AMP_KEYRING_FILE, AMP_SUBSCRIPTION_FILE};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (faccessat(state->dir_fd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
            continue;
        amp_log_text(AMP_LOG_ERROR,
                     "the state directory has files of the roles (keys, audit): move them to the directories of the "
                     "units that start these",
                     "path", path);
        return AMP_ERR_INVALID;
    }
    return AMP_OK;
}

enum amp_err amp_state_open_own(int *fd, const char *path)
{
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    enum amp_err err = *fd >= 0 ? check_private(*fd, path, geteuid()) : fail("a directory cannot be opened", path);
    if (err == AMP_OK && flock(*fd, LOCK_EX | LOCK_NB) != 0)
        err = fail("a role that was started before still uses this directory", path);
    if (err != AMP_OK)
        close_one(fd);
    return err;
}

/* Whether the file is there, and this provider's. */
static enum amp_err look_at(const struct amp_state *state, const struct sealed *sealed, const char *provider,
                            bool *exists)
{
    char sealed_by[AMP_KEY_PROVIDER_NAME_MAX];
    enum amp_err err = sealed->provider(state->keys_fd, sealed_by);
    *exists = err == AMP_OK;
    if (err == AMP_ERR_NOT_FOUND)
        return AMP_OK;
    if (err == AMP_ERR_IO)
        return fail("what the keeper sealed cannot be read", sealed->file);
    if (err != AMP_OK) {
        amp_log_text(AMP_LOG_ERROR, "the file is damaged, or of another version: it is left as it is", "file",
                     sealed->file);
        return AMP_ERR_INVALID;
    }
    if (strcmp(sealed_by, provider) == 0)
        return AMP_OK;
    amp_log_text(AMP_LOG_ERROR, "what the keeper sealed belongs to another keys.provider: it is left as it is",
                 "provider", sealed_by);
    return AMP_ERR_INVALID;
}

static enum amp_err discard(const struct amp_state *state, const struct sealed *sealed)
{
    if (unlinkat(state->keys_fd, sealed->file, 0) != 0)
        return fail("a file of an earlier run cannot be removed", sealed->file);
    amp_log_text(AMP_LOG_WARN, "a file of an earlier run was discarded: its ephemeral KEK died with that run", "file",
                 sealed->file);
    return AMP_OK;
}

enum amp_err amp_state_ready_sealed(const struct amp_state *state, enum amp_config_provider provider)
{
    enum { COUNT = sizeof(sealed_files) / sizeof(sealed_files[0]) };
    bool exists[COUNT] = {false};
    bool ephemeral = provider == AMP_CONFIG_PROVIDER_EPHEMERAL;
    enum amp_err err = AMP_OK;
    for (size_t i = 0; err == AMP_OK && i < COUNT; i++)
        err = look_at(state, &sealed_files[i], ephemeral ? "ephemeral" : "file", &exists[i]);
    for (size_t i = 0; err == AMP_OK && ephemeral && i < COUNT; i++) {
        if (exists[i])
            err = discard(state, &sealed_files[i]);
    }
    return err;
}

static enum amp_err write_all(int fd, struct amp_slice content)
{
    while (content.len != 0) {
        ssize_t n = write(fd, content.ptr, content.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return AMP_ERR_IO;
        content = amp_slice(content.ptr + n, content.len - (size_t)n);
    }
    return AMP_OK;
}

enum amp_err amp_state_write(const struct amp_state *state, const char *name, struct amp_slice content)
{
    char beside[64];
    if (snprintf(beside, sizeof(beside), "%s.new", name) >= (int)sizeof(beside))
        return AMP_ERR_TOO_LARGE;
    int fd = openat(state->dir_fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail("a file cannot be written", name);
    enum amp_err err = write_all(fd, content);
    if (err == AMP_OK && fsync(fd) != 0)
        err = AMP_ERR_IO;
    if (close(fd) != 0)
        err = AMP_ERR_IO;
    if (err == AMP_OK && renameat(state->dir_fd, beside, state->dir_fd, name) == 0 && fsync(state->dir_fd) == 0)
        return AMP_OK;
    err = fail("a file cannot be written", name);
    unlinkat(state->dir_fd, beside, 0);
    return err;
}

static enum amp_err open_tls_file(const char *path, bool secret, int *fd)
{
    struct stat about;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &about) != 0)
        return fail("a file of TLS cannot be opened", path);
    if (!S_ISREG(about.st_mode) || (secret && (about.st_mode & 007) != 0)) {
        amp_log_text(AMP_LOG_ERROR, "a private key must be a plain file that others may not read", "path", path);
        return AMP_ERR_INVALID;
    }
    return AMP_OK;
}

static enum amp_err read_all(int fd, uint8_t *to, size_t cap, size_t *len)
{
    *len = 0;
    for (;;) {
        ssize_t n = read(fd, to + *len, cap - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? AMP_OK : AMP_ERR_IO;
        *len += (size_t)n;
        if (*len == cap)
            return AMP_ERR_TOO_LARGE;
    }
}

static bool fill_and_seal(int fd, struct amp_slice text)
{
    return write_all(fd, text) == AMP_OK && lseek(fd, 0, SEEK_SET) == 0 &&
           fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

int amp_memfd_sealed(const char *name, struct amp_slice text)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && !fill_and_seal(fd, text))
        close_one(&fd);
    return fd;
}

/* Private, since before Linux 6.7 a file sealed against writing has no shared mapping, and may not get one before. */
static void *lock_pages(int fd, size_t len)
{
    void *pages = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (pages == MAP_FAILED)
        return NULL;
    if (mlock(pages, len) == 0 && mprotect(pages, len, PROT_NONE) == 0 && madvise(pages, len, MADV_DONTDUMP) == 0 &&
        madvise(pages, len, MADV_DONTFORK) == 0)
        return pages;
    munmap(pages, len);
    return NULL;
}

/*
 * What is in a memory file belongs to no process: mlockall(2) does not reach it, and it goes to swap like the file of a
 * tmpfs. A mapping that is locked holds its pages, from before anything is in them.
 */
static enum amp_err keep_key(struct amp_tls_files *files, struct amp_slice key, bool require_lock)
{
    int fd = memfd_create("ampoule-tls-key", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    files->fds[AMP_TLS_FILE_KEY] = fd;
    if (fd < 0 || ftruncate(fd, (off_t)key.len) != 0)
        return AMP_ERR_IO;
    files->key_len = key.len;
    files->key_pages = lock_pages(fd, key.len);
    if (files->key_pages == NULL && require_lock) {
        amp_log_errno(AMP_LOG_ERROR, "the private key of TLS cannot be locked in memory", errno);
        return AMP_ERR_LOCK_REFUSED;
    }
    return fill_and_seal(fd, key) ? AMP_OK : AMP_ERR_IO;
}

static enum amp_err read_tls_file(const char *path, bool secret, uint8_t *content, size_t *len)
{
    int source = -1;
    enum amp_err err = open_tls_file(path, secret, &source);
    if (err == AMP_OK && (err = read_all(source, content, TLS_FILE_MAX, len)) != AMP_OK)
        err = fail("a file of TLS cannot be read, or is too long", path);
    close_one(&source);
    return err;
}

/* A sealed copy of the file at `path`. */
static enum amp_err load_tls_file(const char *path, int *fd)
{
    size_t len;
    uint8_t *content = amp_secret_alloc(TLS_FILE_MAX);
    enum amp_err err = content != NULL ? read_tls_file(path, false, content, &len) : AMP_ERR_OUT_OF_MEMORY;
    if (err == AMP_OK && (*fd = amp_memfd_sealed("ampoule-tls", amp_slice(content, len))) < 0)
        err = fail("a file of TLS cannot be kept in memory", path);
    amp_secret_free(content);
    return err;
}

static enum amp_err load_tls_key(struct amp_tls_files *files, const struct amp_config *config)
{
    const char *path = config->listen.key;
    size_t len;
    uint8_t *content = amp_secret_alloc(TLS_FILE_MAX);
    enum amp_err err = content != NULL ? read_tls_file(path, true, content, &len) : AMP_ERR_OUT_OF_MEMORY;
    if (err == AMP_OK && len == 0) {
        amp_log_text(AMP_LOG_ERROR, "the private key's file is empty", "path", path);
        err = AMP_ERR_INVALID;
    }
    if (err == AMP_OK && (err = keep_key(files, amp_slice(content, len), !config->dev)) == AMP_ERR_IO)
        err = fail("a file of TLS cannot be kept in memory", path);
    amp_secret_free(content);
    return err;
}

static enum amp_err try_tls_files(const int fds[AMP_TLS_FILE_COUNT_], const char *path)
{
    struct amp_tls *tls = NULL;
    const struct amp_tls_config files = {
        .cert_fd = fds[AMP_TLS_FILE_CERT],
        .key_fd = fds[AMP_TLS_FILE_KEY],
        .client_ca_fd = fds[AMP_TLS_FILE_CLIENT_CA],
    };
    enum amp_err err = amp_tls_new(&tls, &files);
    amp_tls_unref(tls);
    if (err == AMP_OK)
        return AMP_OK;
    amp_log_text(AMP_LOG_ERROR, "the certificate, its key and the roots cannot be used together", "path", path);
    return AMP_ERR_INVALID;
}

enum amp_err amp_tls_files_load(struct amp_tls_files *out, const struct amp_config *config)
{
    *out = (struct amp_tls_files)AMP_TLS_FILES_NONE;
    enum amp_err err = load_tls_file(config->listen.cert, &out->fds[AMP_TLS_FILE_CERT]);
    if (err == AMP_OK)
        err = load_tls_key(out, config);
    if (err == AMP_OK && config->listen.client_ca[0] != '\0')
        err = load_tls_file(config->listen.client_ca, &out->fds[AMP_TLS_FILE_CLIENT_CA]);
    if (err == AMP_OK)
        err = try_tls_files(out->fds, config->listen.cert);
    if (err != AMP_OK)
        amp_tls_files_close(out);
    return err;
}

void amp_tls_files_close(struct amp_tls_files *files)
{
    for (size_t i = 0; i < AMP_TLS_FILE_COUNT_; i++)
        close_one(&files->fds[i]);
    if (files->key_pages != NULL)
        munmap(files->key_pages, files->key_len);
    files->key_pages = NULL;
}

void amp_tls_files_rewind(const struct amp_tls_files *files)
{
    for (size_t i = 0; i < AMP_TLS_FILE_COUNT_; i++) {
        if (files->fds[i] >= 0)
            (void)lseek(files->fds[i], 0, SEEK_SET);
    }
}

/* A server that trusted these roots shows that they are some. */
static enum amp_err try_roots(int fd, const struct amp_tls_files *tls, const char *path)
{
    const int files[AMP_TLS_FILE_COUNT_] = {
        [AMP_TLS_FILE_CERT] = tls->fds[AMP_TLS_FILE_CERT],
        [AMP_TLS_FILE_KEY] = tls->fds[AMP_TLS_FILE_KEY],
        [AMP_TLS_FILE_CLIENT_CA] = fd,
    };
    return try_tls_files(files, path);
}

enum amp_err amp_push_roots_load(int *fd, const struct amp_config *config, const struct amp_tls_files *tls)
{
    static const char system_roots[] = "/etc/ssl/certs/ca-certificates.crt";
    bool configured = config->push.ca[0] != '\0';
    *fd = -1;
    if (!configured && access(system_roots, F_OK) != 0) {
        amp_log_text(AMP_LOG_WARN, "no roots for push: webhooks over https will fail until push.ca names some", "path",
                     system_roots);
        return AMP_OK;
    }
    enum amp_err err = load_tls_file(configured ? config->push.ca : system_roots, fd);
    if (err == AMP_OK && configured)
        err = try_roots(*fd, tls, config->push.ca);
    if (err != AMP_OK)
        close_one(fd);
    return err;
}

void amp_push_roots_close(int *fd)
{
    close_one(fd);
}

void amp_push_roots_rewind(int fd)
{
    if (fd >= 0)
        (void)lseek(fd, 0, SEEK_SET);
}
