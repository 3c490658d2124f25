#include "keys/sealed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pins.h"
#include "crypto/crypto.h"

enum {
    NAME_AT = AMP_SEALED_MAGIC_LEN + 4,
    LENGTH_AT = NAME_AT + AMP_KEY_PROVIDER_NAME_MAX,
    PREFIX_LEN = LENGTH_AT + 2,
    HEADER_MAX = PREFIX_LEN + AMP_WRAPPED_MAX + AMP_GCM_NONCE_LEN,
    VERSION = 1,
};

/* The three names of a file, as the sandbox knows them. */
static const char *present(const struct amp_sealed_form *form)
{
    return amp_pinned(AMP_PIN_SEALED, form->name);
}

static const char *next(const struct amp_sealed_form *form)
{
    return amp_pinned(AMP_PIN_SEALED_NEW, form->temporary);
}

static const char *previous(const struct amp_sealed_form *form)
{
    return amp_pinned(AMP_PIN_SEALED_OLD, form->previous);
}

enum amp_err amp_sealed_form_pin(const struct amp_sealed_form *form)
{
    enum amp_err err = amp_pin_add(AMP_PIN_SEALED, form->name);
    if (err == AMP_OK)
        err = amp_pin_add(AMP_PIN_SEALED_NEW, form->temporary);
    return err == AMP_OK ? amp_pin_add(AMP_PIN_SEALED_OLD, form->previous) : err;
}

static enum amp_err read_whole(int fd, size_t most, struct amp_secret_buf *file)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return AMP_ERR_IO;
    if (!S_ISREG(about.st_mode) || about.st_size < 0 || (size_t)about.st_size > most)
        return AMP_ERR_INVALID;
    size_t size = (size_t)about.st_size;
    enum amp_err err = amp_secret_buf_reserve(file, size + 1);
    while (err == AMP_OK && file->len < size) {
        ssize_t n = read(fd, file->ptr + file->len, size - file->len);
        if (n > 0)
            file->len += (size_t)n;
        else if (n == 0 || errno != EINTR)
            err = AMP_ERR_IO;
    }
    return err;
}

/* Where things lie in a file that was read; AMP_ERR_INVALID for another form. */
struct parts {
    const char *provider; /* its name, with its NUL */
    struct amp_slice wrapped;
    const uint8_t *nonce;
    struct amp_slice header; /* the AAD */
    struct amp_slice sealed;
};

/* The fixed part: magic, version, and a provider's name that ends within its field. */
static bool is_prefix(const struct amp_sealed_form *form, struct amp_slice file)
{
    static const uint8_t version[4] = {0, 0, 0, VERSION};
    return file.len >= PREFIX_LEN && memcmp(file.ptr, form->magic, AMP_SEALED_MAGIC_LEN) == 0 &&
           memcmp(file.ptr + AMP_SEALED_MAGIC_LEN, version, sizeof(version)) == 0 && file.ptr[NAME_AT] != 0 &&
           file.ptr[LENGTH_AT - 1] == 0;
}

static enum amp_err split(struct parts *parts, const struct amp_sealed_form *form, struct amp_slice file)
{
    const uint8_t *at = file.ptr;
    if (!is_prefix(form, file))
        return AMP_ERR_INVALID;
    size_t wrapped_len = (size_t)at[LENGTH_AT] << 8 | at[LENGTH_AT + 1];
    size_t header_len = PREFIX_LEN + wrapped_len + AMP_GCM_NONCE_LEN;
    if (wrapped_len > AMP_WRAPPED_MAX || file.len < header_len + AMP_GCM_TAG_LEN)
        return AMP_ERR_INVALID;
    *parts = (struct parts){
        .provider = (const char *)at + NAME_AT,
        .wrapped = amp_slice(at + PREFIX_LEN, wrapped_len),
        .nonce = at + PREFIX_LEN + wrapped_len,
        .header = amp_slice(at, header_len),
        .sealed = amp_slice(at + header_len, file.len - header_len),
    };
    return AMP_OK;
}

static enum amp_err unseal(const struct parts *parts, const struct amp_key_provider *provider,
                           struct amp_secret_buf *plain)
{
    struct amp_key256 *dek = amp_secret_alloc(sizeof(*dek));
    size_t dek_len = sizeof(dek->bytes);
    enum amp_err err = dek != NULL ? amp_secret_buf_reserve(plain, parts->sealed.len) : AMP_ERR_OUT_OF_MEMORY;
    if (err == AMP_OK)
        err = provider->ops->unwrap(provider->self, parts->wrapped.ptr, parts->wrapped.len, dek->bytes, &dek_len);
    if (err == AMP_OK && dek_len != sizeof(dek->bytes))
        err = AMP_ERR_NOT_AUTHENTIC;
    if (err == AMP_OK)
        err = amp_gcm_open(plain->ptr + plain->len, dek, parts->nonce, parts->header, parts->sealed.ptr,
                           parts->sealed.len);
    if (err == AMP_OK)
        plain->len += parts->sealed.len - AMP_GCM_TAG_LEN;
    amp_secret_free(dek);
    return err;
}

/* AMP_ERR_NOT_FOUND: there is none. */
static enum amp_err open_file(const struct amp_sealed_form *form, int dir_fd, int *fd)
{
    *fd = openat(dir_fd, present(form), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd >= 0)
        return AMP_OK;
    return errno == ENOENT ? AMP_ERR_NOT_FOUND : AMP_ERR_IO;
}

enum amp_err amp_sealed_file_provider(const struct amp_sealed_form *form, int dir_fd,
                                      char name[AMP_KEY_PROVIDER_NAME_MAX])
{
    uint8_t prefix[PREFIX_LEN];
    int fd;
    enum amp_err err = open_file(form, dir_fd, &fd);
    if (err != AMP_OK)
        return err;
    ssize_t n = read(fd, prefix, sizeof(prefix));
    close(fd);
    if (n < 0)
        return AMP_ERR_IO;
    if (!is_prefix(form, amp_slice(prefix, (size_t)n)))
        return AMP_ERR_INVALID;
    memcpy(name, prefix + NAME_AT, AMP_KEY_PROVIDER_NAME_MAX);
    return AMP_OK;
}

enum amp_err amp_sealed_file_read(const struct amp_sealed_form *form, int dir_fd,
                                  const struct amp_key_provider *provider, struct amp_secret_buf *plain)
{
    struct amp_secret_buf file = {0};
    struct parts parts;
    int fd;
    enum amp_err err = open_file(form, dir_fd, &fd);
    if (err != AMP_OK)
        return err;
    err = read_whole(fd, HEADER_MAX + form->plain_max + AMP_GCM_TAG_LEN, &file);
    if (err == AMP_OK)
        err = split(&parts, form, amp_slice(file.ptr, file.len));
    if (err == AMP_OK && strcmp(parts.provider, provider->ops->name) != 0)
        err = AMP_ERR_INVALID;
    if (err == AMP_OK)
        err = unseal(&parts, provider, plain);
    amp_secret_buf_free(&file);
    close(fd);
    return err;
}

/* Makes the header with a new DEK and seals `plain` in place. */
static enum amp_err seal(const struct amp_sealed_form *form, const struct amp_key_provider *provider,
                         struct amp_secret_buf *plain, struct amp_out *header)
{
    uint8_t wrapped[AMP_WRAPPED_MAX];
    uint8_t nonce[AMP_GCM_NONCE_LEN];
    char name[AMP_KEY_PROVIDER_NAME_MAX] = "";
    size_t wrapped_len = 0;
    size_t name_len = strlen(provider->ops->name);
    if (name_len == 0 || name_len >= sizeof(name))
        return AMP_ERR_INVALID;
    memcpy(name, provider->ops->name, name_len);
    struct amp_key256 *dek = amp_secret_alloc(sizeof(*dek));
    enum amp_err err = dek != NULL ? amp_secret_buf_reserve(plain, AMP_GCM_TAG_LEN) : AMP_ERR_OUT_OF_MEMORY;
    if (err == AMP_OK)
        err = amp_random(dek->bytes, sizeof(dek->bytes));
    if (err == AMP_OK)
        err = amp_random(nonce, sizeof(nonce));
    if (err == AMP_OK)
        err = provider->ops->wrap(provider->self, dek->bytes, sizeof(dek->bytes), wrapped, &wrapped_len);
    if (err == AMP_OK) {
        amp_out_bytes(header, form->magic, AMP_SEALED_MAGIC_LEN);
        amp_out_bytes(header, (const uint8_t[4]){0, 0, 0, VERSION}, 4);
        amp_out_bytes(header, name, sizeof(name));
        amp_out_bytes(header, (const uint8_t[2]){(uint8_t)(wrapped_len >> 8), (uint8_t)wrapped_len}, 2);
        amp_out_bytes(header, wrapped, wrapped_len);
        amp_out_bytes(header, nonce, sizeof(nonce));
        err = amp_gcm_seal(plain->ptr, dek, nonce, amp_out_done(header), plain->ptr, plain->len);
    }
    if (err == AMP_OK)
        plain->len += AMP_GCM_TAG_LEN;
    amp_secret_free(dek);
    return err;
}

static enum amp_err write_all(int fd, struct amp_slice bytes)
{
    while (bytes.len != 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return AMP_ERR_IO;
        bytes = amp_slice(bytes.ptr + n, bytes.len - (size_t)n);
    }
    return AMP_OK;
}

static enum amp_err write_temporary(const struct amp_sealed_form *form, int dir_fd, struct amp_slice header,
                                    struct amp_slice sealed)
{
    int fd = openat(dir_fd, next(form), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return AMP_ERR_IO;
    enum amp_err err = write_all(fd, header);
    if (err == AMP_OK)
        err = write_all(fd, sealed);
    if (err == AMP_OK && fsync(fd) != 0)
        err = AMP_ERR_IO;
    if (close(fd) != 0)
        err = AMP_ERR_IO;
    return err;
}

/* Gives the file that stands there a second name, where there is one. */
static enum amp_err keep_previous(const struct amp_sealed_form *form, int dir_fd, bool *exists)
{
    unlinkat(dir_fd, previous(form), 0); /* of a life that ended in between */
    *exists = linkat(dir_fd, present(form), dir_fd, previous(form), 0) == 0;
    return *exists || errno == ENOENT ? AMP_OK : AMP_ERR_IO;
}

/* The caller will go on with what was there before: so must who reads the file next. */
static void put_back(const struct amp_sealed_form *form, int dir_fd, bool existed)
{
    amp_log_errno(AMP_LOG_ERROR, "the state directory cannot be synced", errno);
    if ((existed ? renameat(dir_fd, previous(form), dir_fd, present(form)) : unlinkat(dir_fd, present(form), 0)) != 0)
        amp_fatal("a sealed file that is not durable cannot be taken back");
    if (fsync(dir_fd) != 0)
        amp_log_errno(AMP_LOG_ERROR, "whether a change that failed comes back after a power cut is not known", errno);
}

static enum amp_err replace(const struct amp_sealed_form *form, int dir_fd, struct amp_slice header,
                            struct amp_slice sealed)
{
    bool existed = false;
    enum amp_err err = write_temporary(form, dir_fd, header, sealed);
    if (err == AMP_OK)
        err = keep_previous(form, dir_fd, &existed);
    if (err == AMP_OK && renameat(dir_fd, next(form), dir_fd, present(form)) != 0)
        err = AMP_ERR_IO;
    if (err != AMP_OK) {
        unlinkat(dir_fd, next(form), 0);
    } else if (fsync(dir_fd) != 0) {
        put_back(form, dir_fd, existed);
        err = AMP_ERR_IO;
    }
    unlinkat(dir_fd, previous(form), 0);
    return err;
}

enum amp_err amp_sealed_file_write(const struct amp_sealed_form *form, int dir_fd,
                                   const struct amp_key_provider *provider, struct amp_secret_buf *plain)
{
    uint8_t storage[HEADER_MAX];
    struct amp_out header = amp_out(storage, sizeof(storage));
    enum amp_err err = seal(form, provider, plain, &header);
    if (err == AMP_OK)
        err = replace(form, dir_fd, amp_out_done(&header), amp_slice(plain->ptr, plain->len));
    amp_secret_buf_clear(plain);
    return err;
}
