#include <linux/capability.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "secret/lock.h"
#include "secret/secret.h"

static _Atomic enum amp_secret_lock pool_lock;
static _Atomic bool process_refused; /* locking the whole process was asked for and not had */

enum amp_secret_lock amp_secret_state(void)
{
    return atomic_load(&process_refused) ? AMP_SECRET_UNLOCKED : atomic_load(&pool_lock);
}

const char *amp_secret_lock_name(enum amp_secret_lock lock)
{
    switch (lock) {
    case AMP_SECRET_UNLOCKED:
        break;
    case AMP_SECRET_MLOCK:
        return "mlock";
    case AMP_SECRET_MEMFD:
        return "secretmem";
    }
    return "unlocked";
}

void amp_lock_record_pool(enum amp_secret_lock lock)
{
    atomic_store(&pool_lock, lock);
}

void amp_lock_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        amp_log(AMP_LOG_WARN, "RLIMIT_MEMLOCK could not be raised to its hard limit");
}

static bool has_capability(unsigned capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    return (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

static bool lock_is_unlimited(void)
{
    struct rlimit limit;
    if (has_capability(CAP_IPC_LOCK))
        return true;
    return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

/*
 * Under a finite limit MCL_FUTURE makes every later mmap count, thread stacks and the heap too, and fail once
 * it is reached. Who requires the lock has set the limit for that; a development machine's 8 MiB would only
 * break us.
 */
static bool lock_process(bool require_lock)
{
    if (!require_lock && !lock_is_unlimited())
        return false;
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

static bool block_signals(void)
{
    static const int left[] = {SIGABRT, SIGQUIT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        sigdelset(&set, left[i]);
    return sigprocmask(SIG_SETMASK, &set, NULL) == 0;
}

enum amp_err amp_secret_harden_process(bool require_lock)
{
    const struct rlimit no_core = {0, 0};
    if (!block_signals())
        return AMP_ERR_IO;
    if (setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return AMP_ERR_IO;
    amp_lock_raise_limit();
    if (lock_process(require_lock))
        return AMP_OK;
    atomic_store(&process_refused, true);
    return require_lock ? AMP_ERR_LOCK_REFUSED : AMP_OK;
}
