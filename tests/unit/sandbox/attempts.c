/* Attempts on files: what is right but for one thing, and what is right. */
#include "attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audit/chain.h"
#include "base/pins.h"
#include "crypto/crypto.h"
#include "keys/sealed_file.h"

/* A name that the role may open, with these flags and as its directory's alone. */
static struct {
    const char *name;
    int flags;
} own;
static struct amp_log_names log_names;

static int result(long returned)
{
    return returned >= 0 ? 0 : errno;
}

static const struct amp_sealed_form form = {
    .name = "kept", .temporary = "kept.new", .previous = "kept.old", .plain_max = 64};

enum amp_err pin_names(enum amp_role role)
{
    static amp_pin none = "no pin at all";
    enum amp_err err = AMP_OK;
    own.name = none;
    log_names = (struct amp_log_names){.next = &none, .next_count = 1};
    own.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    if (role == AMP_ROLE_KEEPER) {
        err = amp_sealed_form_pin(&form);
        own.name = amp_pinned(AMP_PIN_SEALED, form.name);
    } else if (role == AMP_ROLE_SCRIBE) {
        err = amp_log_names_pin(&log_names, fx.dir.fd, 1769903999);
        own.name = *log_names.newest;
        own.flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    }
    return err;
}

/* What is right but for one thing. */
int open_another_name(void)
{
    char copy[AMP_PIN_BYTES];
    memcpy(copy, own.name, strlen(own.name) + 1);
    return result(syscall(SYS_openat, fx.dir.fd, copy, own.flags, 0));
}

int open_the_name_elsewhere(void)
{
    return result(syscall(SYS_openat, AT_FDCWD, own.name, own.flags, 0));
}

int open_the_end_of_the_name(void)
{
    return result(syscall(SYS_openat, fx.dir.fd, own.name + 1, own.flags, 0));
}

int open_the_name_in_another_way(void)
{
    return result(syscall(SYS_openat, fx.dir.fd, own.name, own.flags | O_CREAT, 0600));
}

int open_the_name_behind_a_link(void)
{
    return result(syscall(SYS_openat, fx.dir.fd, own.name, own.flags & ~O_NOFOLLOW, 0));
}

int rename_to_another_name(void)
{
    return result(syscall(SYS_renameat, fx.dir.fd, own.name, fx.dir.fd, "../stolen"));
}

int rename_another_file(void)
{
    return result(syscall(SYS_renameat, fx.dir.fd, "other", fx.dir.fd, own.name));
}

int rename_by_another_call(void)
{
    return result(syscall(SYS_renameat2, fx.dir.fd, own.name, fx.dir.fd, own.name, 0));
}

int link_to_another_name(void)
{
    return result(syscall(SYS_linkat, fx.dir.fd, own.name, fx.dir.fd, "../stolen", 0));
}

int unlink_another_file(void)
{
    return result(syscall(SYS_unlinkat, fx.dir.fd, "other", 0));
}

int unlink_a_directory(void)
{
    return result(syscall(SYS_unlinkat, fx.dir.fd, own.name, AT_REMOVEDIR));
}

int make_a_directory(void)
{
    return result(syscall(SYS_mkdirat, fx.dir.fd, "directory", 0700));
}

int make_a_link(void)
{
    return result(syscall(SYS_symlinkat, "/etc/passwd", fx.dir.fd, own.name));
}

int list_the_directory(void)
{
    char entries[1024];
    return result(syscall(SYS_getdents64, fx.dir.fd, entries, sizeof(entries)));
}

int change_a_mode(void)
{
    return result(syscall(SYS_fchmod, fx.dir.fd, 0777));
}

int take_the_descriptors_number(void)
{
    return result(syscall(SYS_dup3, fx.listen_fd, fx.dir.fd, 0));
}

int copy_a_descriptor(void)
{
    return result(syscall(SYS_fcntl, fx.listen_fd, F_DUPFD, 0));
}

/* Where the pins lie. */
int make_pins_writable(void)
{
    return result(syscall(SYS_mprotect, AMP_PINS_AT, 4096L, PROT_READ | PROT_WRITE));
}

int make_all_from_below_writable(void)
{
    return result(syscall(SYS_mprotect, AMP_PINS_AT - 4096, 8192L, PROT_READ | PROT_WRITE));
}

int unmap_pins(void)
{
    return result(syscall(SYS_munmap, AMP_PINS_AT, 4096L));
}

int map_over_pins(void)
{
    return result(syscall(SYS_mmap, AMP_PINS_AT, 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                          -1L, 0L));
}

/* Where the kernel puts it, asked for the end of the place that the few pins lie in. */
int map_beside_pins(void)
{
    const uintptr_t last_page = ((uintptr_t)own.name | (AMP_PIN_REGION - 1)) + 1 - 4096;
    long at = syscall(SYS_mmap, last_page, 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1L, 0L);
    return at >= (long)AMP_PINS_AT && at < (long)AMP_PINS_END ? 0 : EEXIST;
}

int move_over_pins(void)
{
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return result(syscall(SYS_mremap, map, 4096L, 4096L, MREMAP_MAYMOVE | MREMAP_FIXED, AMP_PINS_AT));
}

int move_pins_away(void)
{
    return result(syscall(SYS_mremap, AMP_PINS_AT, 4096L, 4096L, MREMAP_MAYMOVE, 0L));
}

int empty_pins(void)
{
    return result(syscall(SYS_madvise, AMP_PINS_AT, 4096L, MADV_DONTNEED));
}

int read_into_pins(void)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0 || write(fds[1], "x", 1) != 1)
        return EINVAL;
    return result(syscall(SYS_read, fds[0], own.name, 1L));
}

/* ---- and what is their work ---- */

/* Twice, so that there is one to be replaced. */
int keep_a_sealed_file(void)
{
    static const struct amp_key256 kek = {{1}};
    struct amp_key_provider provider = {0};
    struct amp_secret_buf plain = {0};
    enum amp_err err = amp_key_provider_ephemeral(&provider, &kek);
    for (int i = 0; err == AMP_OK && i < 2; i++) {
        err = amp_secret_buf_append(&plain, "x", 1);
        if (err == AMP_OK)
            err = amp_sealed_file_write(&form, fx.dir.fd, &provider, &plain);
    }
    if (err == AMP_OK)
        err = amp_sealed_file_read(&form, fx.dir.fd, &provider, &plain);
    return err == AMP_OK ? 0 : EINVAL;
}

/* Two files of it. */
int keep_a_log(void)
{
    static const struct amp_key256 key = {{1}};
    const struct amp_chain_config config = {.dir_fd = fx.dir.fd,
                                            .names = &log_names,
                                            .clock = amp_clock_system(),
                                            .file_max_bytes = 1,
                                            .epoch_ms = 1000,
                                            .epoch_records = 1000};
    struct amp_chain *chain = NULL;
    enum amp_err err = amp_chain_open(&chain, &config);
    if (err == AMP_OK)
        err = amp_chain_start(chain, &key, AMP_SLICE_LIT("wrapped"));
    for (int i = 0; err == AMP_OK && i < 2; i++) {
        err = amp_chain_seal(chain, true);
        if (err == AMP_OK)
            err = amp_chain_sync(chain);
    }
    return err == AMP_OK && amp_chain_reserved(chain) ? 0 : EINVAL;
}
