#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/internal.h"

/*
 * No PID namespace: its first process is immune to signals from within, abort() included, and what hides there (the
 * numbers of others) neither signals nor ptrace reach anyway.
 */
enum amp_err amp_namespaces_enter(const struct amp_profile *profile)
{
    int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (profile->own_network ? CLONE_NEWNET : 0);
    if (unshare(flags) != 0) {
        if (errno == EPERM)
            return AMP_ERR_NOT_PERMITTED;
        return errno == EINVAL || errno == ENOSYS ? AMP_ERR_NOT_FOUND : AMP_ERR_IO;
    }
    /* No later mount of the host's comes in, none goes out. In a chroot whose root is no mount point (EINVAL) one may
     * come in: to a tree that amp_root_enter leaves. */
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 || errno == EINVAL ? AMP_OK : AMP_ERR_IO;
}

enum amp_err amp_root_enter(int empty_fd)
{
    if (fchdir(empty_fd) != 0)
        return AMP_ERR_IO;
    if (chroot(".") == 0)
        return chdir("/") == 0 ? AMP_OK : AMP_ERR_IO;
    return errno == EPERM && chdir("/") == 0 ? AMP_ERR_NOT_PERMITTED : AMP_ERR_IO;
}
