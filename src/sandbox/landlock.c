/* https://docs.kernel.org/userspace-api/landlock.html. The numbers stand here since Debian 12's headers know ABI 2. */
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/internal.h"

/* The same on every architecture (include/uapi/asm-generic/unistd.h). */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };

/* LANDLOCK_ACCESS_FS_*, and the ABI that brought each where not the first. */
enum {
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_REG = 1 << 8,
    FS_FIRST = (1 << 13) - 1,
    FS_REFER = 1 << 13,     /* 2 */
    FS_TRUNCATE = 1 << 14,  /* 3 */
    FS_IOCTL_DEV = 1 << 15, /* 5 */
};
enum { NET_BIND_TCP = 1 << 0, NET_CONNECT_TCP = 1 << 1 };            /* 4 */
enum { SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1 }; /* 6 */

enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NET = 4, ABI_IOCTL = 5, ABI_SCOPE = 6 };

struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

int amp_landlock_abi(void)
{
    long abi = syscall(CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

bool amp_landlock_holds_signals(void)
{
    return amp_landlock_abi() >= ABI_SCOPE;
}

/* All that this kernel can refuse, but what the role is for. */
static struct ruleset_attr refusals(const struct amp_profile *profile, int abi)
{
    struct ruleset_attr attr = {.handled_access_fs = FS_FIRST};
    attr.handled_access_fs |= abi >= ABI_REFER ? FS_REFER : 0;
    attr.handled_access_fs |= abi >= ABI_TRUNCATE ? FS_TRUNCATE : 0;
    attr.handled_access_fs |= abi >= ABI_IOCTL ? FS_IOCTL_DEV : 0;
    if (abi >= ABI_NET)
        attr.handled_access_net = NET_BIND_TCP | (profile->connects ? 0 : NET_CONNECT_TCP);
    if (abi >= ABI_SCOPE)
        attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    return attr;
}

static bool allow(int ruleset_fd, int fd, uint64_t access)
{
    const struct path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    return syscall(ADD_RULE, ruleset_fd, RULE_PATH_BENEATH, &rule, 0) == 0;
}

static bool allow_all(int ruleset_fd, int dir_fd, uint64_t handled)
{
    const uint64_t own = FS_WRITE_FILE | FS_READ_FILE | FS_REMOVE_FILE | FS_MAKE_REG | (handled & FS_TRUNCATE);
    return dir_fd < 0 || allow(ruleset_fd, dir_fd, own);
}

enum amp_err amp_landlock_enter(const struct amp_profile *profile, int dir_fd)
{
    int abi = amp_landlock_abi();
    if (abi == 0)
        return AMP_ERR_NOT_FOUND;
    const struct ruleset_attr attr = refusals(profile, abi);
    const size_t size = abi >= ABI_SCOPE ? sizeof(attr)
                        : abi >= ABI_NET ? offsetof(struct ruleset_attr, scoped)
                                         : offsetof(struct ruleset_attr, handled_access_net);
    int ruleset_fd = (int)syscall(CREATE_RULESET, &attr, size, 0);
    if (ruleset_fd < 0)
        return AMP_ERR_IO;
    bool good = allow_all(ruleset_fd, dir_fd, attr.handled_access_fs) && syscall(RESTRICT_SELF, ruleset_fd, 0) == 0;
    close(ruleset_fd);
    return good ? AMP_OK : AMP_ERR_IO;
}
