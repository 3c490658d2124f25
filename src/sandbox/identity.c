#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "sandbox/internal.h"

enum { NAME_STORAGE = 16384, ID_MAX = INT32_MAX };

struct capabilities {
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

static bool get_capabilities(struct capabilities *out)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    *out = (struct capabilities){0};
    return syscall(SYS_capget, &header, out->data) == 0;
}

static bool has(const struct capabilities *capabilities, unsigned capability)
{
    return (capabilities->data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

bool amp_sandbox_may_change_users(void)
{
    struct capabilities mine;
    return get_capabilities(&mine) && has(&mine, CAP_SETUID) && has(&mine, CAP_SETGID);
}

enum amp_err amp_sandbox_user_find(struct amp_sandbox_user *out, const char *text)
{
    static char storage[NAME_STORAGE];
    struct passwd entry;
    struct passwd *found = NULL;
    uint64_t number;
    if (amp_u64_parse(&number, amp_slice_str(text), ID_MAX) == AMP_OK)
        *out = (struct amp_sandbox_user){(uid_t)number, (gid_t)number};
    else if (getpwnam_r(text, &entry, storage, sizeof(storage), &found) == 0 && found != NULL)
        *out = (struct amp_sandbox_user){entry.pw_uid, entry.pw_gid};
    else
        return AMP_ERR_NOT_FOUND;
    return out->uid != 0 && out->gid != 0 ? AMP_OK : AMP_ERR_NOT_FOUND;
}

/* Without the capability memory stays locked only where the limit does not count it. */
static bool must_keep_lock(const struct capabilities *mine)
{
    const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit limit;
    if (!has(mine, CAP_IPC_LOCK) || setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0)
        return false;
    return getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

/* No later execve gives back what is dropped now: neither to root nor by files. */
static bool lock_bounds(void)
{
    const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                               SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED;
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return false;
    }
    return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) == 0;
}

/* Started as this user already, which takes no right: with no other group. */
static bool is_user(const struct amp_sandbox_user *user)
{
    uid_t uids[3];
    gid_t gids[3];
    gid_t more[1];
    int count = getgroups(1, more);
    if (getresuid(&uids[0], &uids[1], &uids[2]) != 0 || getresgid(&gids[0], &gids[1], &gids[2]) != 0 || count < 0)
        return false;
    for (size_t i = 0; i < 3; i++) {
        if (uids[i] != user->uid || gids[i] != user->gid)
            return false;
    }
    return count == 0 || more[0] == user->gid;
}

static bool take_user(const struct amp_sandbox_user *user)
{
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0 ||
        setresgid(user->gid, user->gid, user->gid) != 0 || setresuid(user->uid, user->uid, user->uid) != 0 ||
        prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0)
        return false;
    return is_user(user);
}

static bool holds_any(const struct capabilities *mine)
{
    uint32_t any = 0;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        any |= mine->data[i].effective | mine->data[i].permitted | mine->data[i].inheritable;
    return any != 0;
}

/* Who holds none does not ask: a service manager's list of system calls may refuse capset(2) to him. */
static bool drop_capabilities(bool keep_lock)
{
    struct capabilities mine;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct capabilities left = {0};
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 || !get_capabilities(&mine))
        return false;
    if (!holds_any(&mine))
        return true;
    if (keep_lock) {
        left.data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective = CAP_TO_MASK(CAP_IPC_LOCK);
        left.data[CAP_TO_INDEX(CAP_IPC_LOCK)].permitted = CAP_TO_MASK(CAP_IPC_LOCK);
    }
    return syscall(SYS_capset, &header, left.data) == 0;
}

/* prctl(2): both are reset where the effective user changes. Who lost its parent meanwhile has nobody to die with. */
static bool renew_ties(pid_t parent)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
           getppid() == parent;
}

enum amp_err amp_identity_take(const struct amp_sandbox_user *user)
{
    struct capabilities mine;
    pid_t parent = getppid();
    if (!get_capabilities(&mine))
        return AMP_ERR_IO;
    bool keep_lock = must_keep_lock(&mine);
    if (has(&mine, CAP_SETPCAP) && !lock_bounds())
        return AMP_ERR_IO;
    if (user != NULL && !is_user(user) && !take_user(user))
        return errno == EPERM || errno == EINVAL ? AMP_ERR_NOT_PERMITTED : AMP_ERR_IO;
    return drop_capabilities(keep_lock) && renew_ties(parent) ? AMP_OK : AMP_ERR_IO;
}
