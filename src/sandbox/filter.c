/*
 * The system calls of a role: what is not listed is death by SIGSYS, which the supervisor sees and records. The list is
 * what the sources of the roles and of their libraries call, also where things go wrong; each test that starts the
 * daemon holds it to be enough, since a call that it lacks ends a role. A few that libraries merely try are refused
 * instead, and they go on without.
 *
 * No role but the courier may reach another address. Three calls can make a socket that it has do so: connect(2), a
 * destination in sendto(2), and MSG_FASTOPEN in any that sends, which neither Landlock nor a filter of connect(2) sees.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/pins.h"
#include "sandbox/internal.h"

enum { ARGS_MAX = 5 };

/* In place of a value that is known only as the filter is made. */
#define THE_DIRECTORY 0xfffffffeu
#define THIS_PROCESS  0xfffffffdu

/* What is the same in the addresses of all pins of a kind. */
#define A_PIN (~(AMP_PIN_REGION - 1) | (AMP_PIN_BYTES - 1))

/* What pthread_create asks for (glibc 2.36, sysdeps/unix/sysv/linux/createthread.c): a thread, and no namespace. */
#define THREAD_FLAGS                                                                                                   \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |                 \
     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* The argument's bits under `mask` must be `value`; or, with all of them, be `value` or more. */
struct condition {
    unsigned arg;
    uint64_t mask; /* 0: no condition */
    uint64_t value;
    bool or_more;
};

struct rule {
    unsigned calls; /* the groups that it belongs to */
    int number;
    int error;                       /* 0: allowed */
    struct condition when[ARGS_MAX]; /* all must hold */
};

/* clang-format off */
#define ALLOW(group, call, ...)       {AMP_CALLS_##group, SCMP_SYS(call), 0, {__VA_ARGS__}}
#define REFUSE(group, call, error, ...) {AMP_CALLS_##group, SCMP_SYS(call), error, {__VA_ARGS__}}
#define ALWAYS                        {0}
#define IS(arg, value)                {arg, UINT32_MAX, (uint32_t)(value), false} /* an int: half a register */
#define IS_WHOLE(arg, value)          {arg, UINT64_MAX, value, false}
#define LACKS(arg, bits)              {arg, bits, 0, false}
#define OF_TYPE(arg, type)            {arg, ~(uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC), type, false}
#define OPTION(level, name)           IS(1, level), IS(2, name)
#define PINNED(arg, kind)             {arg, A_PIN, AMP_PINS_AT + AMP_PIN_##kind * AMP_PIN_REGION, false}
#define NAMED(arg, kind)              IS(arg, THE_DIRECTORY), PINNED((arg) + 1, kind)
#define NO_PIN(arg)                   {arg, UINT64_MAX, AMP_PINS_END, true} /* nor what lies before them and reaches there */
/* clang-format on */

static const struct rule rules[] = {
    /* memory: none that can be executed, and nothing in the place of a pin */
    ALLOW(COMMON, mmap, LACKS(2, PROT_EXEC), LACKS(3, MAP_FIXED)),
    ALLOW(COMMON, mmap, LACKS(2, PROT_EXEC), NO_PIN(0)),
    ALLOW(COMMON, mprotect, LACKS(2, PROT_EXEC), NO_PIN(0)),
    ALLOW(COMMON, munmap, NO_PIN(0)),
    ALLOW(COMMON, mremap, NO_PIN(0), LACKS(3, MREMAP_FIXED)),
    ALLOW(COMMON, madvise, NO_PIN(0)),
    ALLOW(COMMON, brk, ALWAYS),
    ALLOW(COMMON, mlock, ALWAYS),
    ALLOW(COMMON, mlock2, ALWAYS),
    ALLOW(COMMON, munlock, ALWAYS),
    /* what is open already */
    ALLOW(COMMON, read, ALWAYS),
    ALLOW(COMMON, readv, ALWAYS),
    ALLOW(COMMON, pread64, ALWAYS),
    ALLOW(COMMON, write, ALWAYS),
    ALLOW(COMMON, writev, ALWAYS),
    ALLOW(COMMON, lseek, ALWAYS),
    ALLOW(COMMON, fstat, ALWAYS),
    ALLOW(COMMON, newfstatat, IS(3, AT_EMPTY_PATH)), /* fstat, as glibc asks; a name can come with it */
    ALLOW(COMMON, close, ALWAYS),
    ALLOW(COMMON, fcntl, IS(1, F_GETFD)),
    ALLOW(COMMON, fcntl, IS(1, F_SETFD)),
    ALLOW(COMMON, fcntl, IS(1, F_GETFL)),
    ALLOW(COMMON, fcntl, IS(1, F_SETFL)),
    ALLOW(COMMON, ioctl, IS(1, FIONREAD)),
    ALLOW(COMMON, ioctl, IS(1, FIONBIO)),
    ALLOW(COMMON, recvmsg, ALWAYS),
    ALLOW(COMMON, recvfrom, ALWAYS),
    ALLOW(COMMON, sendmsg, LACKS(2, MSG_FASTOPEN)), /* a name in it is ignored by all that are connected */
    ALLOW(COMMON, sendto, LACKS(3, MSG_FASTOPEN), IS_WHOLE(4, 0)),
    ALLOW(COMMON, getsockopt, ALWAYS),
    ALLOW(COMMON, setsockopt, OPTION(SOL_SOCKET, SO_SNDBUF)),
    /* the event loop */
    ALLOW(COMMON, epoll_create1, ALWAYS),
    ALLOW(COMMON, epoll_ctl, ALWAYS),
    ALLOW(COMMON, epoll_wait, ALWAYS),
    ALLOW(COMMON, epoll_pwait, ALWAYS),
    ALLOW(COMMON, poll, ALWAYS),
    ALLOW(COMMON, eventfd2, ALWAYS),
    ALLOW(COMMON, pipe2, ALWAYS),
    ALLOW(COMMON, timerfd_create, ALWAYS),
    ALLOW(COMMON, timerfd_settime, ALWAYS),
    ALLOW(COMMON, restart_syscall, ALWAYS),
    /* time, chance, locks */
    ALLOW(COMMON, clock_gettime, ALWAYS),
    ALLOW(COMMON, clock_nanosleep, ALWAYS),
    ALLOW(COMMON, gettimeofday, ALWAYS),
    ALLOW(COMMON, time, ALWAYS),
    ALLOW(COMMON, getrandom, ALWAYS),
    ALLOW(COMMON, futex, ALWAYS),
    ALLOW(COMMON, sched_yield, ALWAYS),
    /* itself */
    ALLOW(COMMON, getpid, ALWAYS),
    ALLOW(COMMON, getppid, ALWAYS),
    ALLOW(COMMON, gettid, ALWAYS),
    ALLOW(COMMON, geteuid, ALWAYS),
    ALLOW(COMMON, getuid, ALWAYS),
    ALLOW(COMMON, getegid, ALWAYS),
    ALLOW(COMMON, getgid, ALWAYS),
    ALLOW(COMMON, getrusage, ALWAYS),
    ALLOW(COMMON, sysinfo, ALWAYS), /* qsort(3), before it takes memory */
    ALLOW(COMMON, prlimit64, IS(0, 0), IS_WHOLE(2, 0)),
    ALLOW(COMMON, sched_getaffinity, ALWAYS),
    ALLOW(COMMON, prctl, IS(0, PR_SET_NAME)),
    ALLOW(COMMON, rt_sigaction, ALWAYS),
    ALLOW(COMMON, rt_sigprocmask, ALWAYS),
    ALLOW(COMMON, rt_sigreturn, ALWAYS),
    ALLOW(COMMON, sigaltstack, ALWAYS),
    ALLOW(COMMON, tgkill, IS(0, THIS_PROCESS)), /* abort(3) */
    ALLOW(COMMON, exit, ALWAYS),
    ALLOW(COMMON, exit_group, ALWAYS),

    /* threads: clone's flags can be looked at, clone3's lie in memory; glibc then takes the former */
    ALLOW(THREADS, clone, IS_WHOLE(0, THREAD_FLAGS)),
    REFUSE(THREADS, clone3, ENOSYS, ALWAYS),
    ALLOW(THREADS, rseq, ALWAYS),
    ALLOW(THREADS, set_robust_list, ALWAYS),

    ALLOW(SERVE, accept4, ALWAYS),
    ALLOW(SERVE, getsockname, ALWAYS),
    ALLOW(SERVE, getpeername, ALWAYS),
    ALLOW(SERVE, shutdown, IS(1, SHUT_WR)), /* the others end what listens, too: then it could connect */
    ALLOW(SERVE, setsockopt, OPTION(SOL_SOCKET, SO_LINGER)),
    ALLOW(SERVE, setsockopt, OPTION(IPPROTO_TCP, TCP_NODELAY)),
    ALLOW(SERVE, setsockopt, OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT)),
    REFUSE(SERVE, setsockopt, ENOPROTOOPT, OPTION(IPPROTO_TCP, TCP_ULP)), /* OpenSSL tries it: TLS in the kernel */

    /* a file: by a pinned name beside the one directory's descriptor, and as the code does it; what Landlock would
     * refuse is death before it is asked. No other directory can take the descriptor's number: none can be opened, and
     * no descriptor be copied (dup, F_DUPFD); one that another role, taken over too, sends is for Landlock to refuse */
    ALLOW(SEALED, openat, NAMED(0, SEALED), IS(2, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)),
    ALLOW(SEALED, openat, NAMED(0, SEALED_NEW), IS(2, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW),
          IS(3, 0600)),
    ALLOW(SEALED, linkat, NAMED(0, SEALED), NAMED(2, SEALED_OLD), IS(4, 0)),
    ALLOW(SEALED, renameat, NAMED(0, SEALED_NEW), NAMED(2, SEALED)),
    ALLOW(SEALED, renameat, NAMED(0, SEALED_OLD), NAMED(2, SEALED)),
    ALLOW(SEALED, unlinkat, NAMED(0, SEALED), IS(2, 0)),
    ALLOW(SEALED, unlinkat, NAMED(0, SEALED_NEW), IS(2, 0)),
    ALLOW(SEALED, unlinkat, NAMED(0, SEALED_OLD), IS(2, 0)),
    ALLOW(SEALED, fsync, ALWAYS),

    ALLOW(LOG, openat, NAMED(0, LOG), IS(2, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)),
    ALLOW(LOG, openat, NAMED(0, LOG_BEFORE), IS(2, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)),
    ALLOW(LOG, openat, NAMED(0, LOG_NEXT), IS(2, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW), IS(3, 0600)),
    ALLOW(LOG, openat, NAMED(0, LOG_TORN), IS(2, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW), IS(3, 0600)),
    ALLOW(LOG, unlinkat, NAMED(0, LOG_NEXT), IS(2, 0)),
    ALLOW(LOG, unlinkat, NAMED(0, LOG_TORN), IS(2, 0)),
    ALLOW(LOG, pwrite64, ALWAYS),
    ALLOW(LOG, fallocate, ALWAYS),
    ALLOW(LOG, ftruncate, ALWAYS),
    ALLOW(LOG, fsync, ALWAYS),
    ALLOW(LOG, fdatasync, ALWAYS),

    /* out: TCP and UDP over IP */
    ALLOW(CONNECT, socket, IS(0, AF_INET), OF_TYPE(1, SOCK_STREAM)),
    ALLOW(CONNECT, socket, IS(0, AF_INET), OF_TYPE(1, SOCK_DGRAM)),
    ALLOW(CONNECT, socket, IS(0, AF_INET6), OF_TYPE(1, SOCK_STREAM)),
    ALLOW(CONNECT, socket, IS(0, AF_INET6), OF_TYPE(1, SOCK_DGRAM)),
    ALLOW(CONNECT, socketpair, IS(0, AF_UNIX), OF_TYPE(1, SOCK_STREAM)), /* libcurl wakes itself by one; another */
                                                                         /* type could be sent elsewhere by a name */
    ALLOW(CONNECT, connect, IS(2, sizeof(struct sockaddr_in))),          /* where to, a filter cannot see */
    ALLOW(CONNECT, connect, IS(2, sizeof(struct sockaddr_in6))),
    ALLOW(CONNECT, getsockname, ALWAYS),
    ALLOW(CONNECT, getpeername, ALWAYS),
    ALLOW(CONNECT, sendmmsg, LACKS(3, MSG_FASTOPEN)),
    ALLOW(CONNECT, setsockopt, OPTION(SOL_SOCKET, SO_KEEPALIVE)),
    ALLOW(CONNECT, setsockopt, OPTION(IPPROTO_TCP, TCP_NODELAY)),
    REFUSE(CONNECT, setsockopt, ENOPROTOOPT, OPTION(IPPROTO_TCP, TCP_FASTOPEN_CONNECT)), /* newer c-ares tries it */
    ALLOW(CONNECT, uname, ALWAYS),
};

static uint64_t resolve(uint64_t value, int dir_fd)
{
    if (value == THE_DIRECTORY)
        return (uint64_t)dir_fd;
    return value == THIS_PROCESS ? (uint64_t)getpid() : value;
}

static bool add_rule(scmp_filter_ctx filter, const struct rule *rule, int dir_fd)
{
    struct scmp_arg_cmp args[ARGS_MAX];
    unsigned count = 0;
    for (; count < ARGS_MAX && rule->when[count].mask != 0; count++) {
        const struct condition *when = &rule->when[count];
        uint64_t value = resolve(when->value, dir_fd);
        args[count] = when->or_more ? (struct scmp_arg_cmp){when->arg, SCMP_CMP_GE, value, 0}
                                    : (struct scmp_arg_cmp){when->arg, SCMP_CMP_MASKED_EQ, when->mask, value};
    }
    uint32_t action = rule->error != 0 ? SCMP_ACT_ERRNO((uint16_t)rule->error) : SCMP_ACT_ALLOW;
    return seccomp_rule_add_array(filter, action, rule->number, count, args) == 0;
}

/* A call of another architecture is death too; no mitigation that slows the role down (SSB); a binary tree, not a
 * chain of comparisons. */
static bool set_up(scmp_filter_ctx filter)
{
    return seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
           seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
           seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1) == 0 &&
           seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0;
}

bool amp_filter_available(void)
{
    const uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

enum amp_err amp_filter_enter(const struct amp_profile *profile, int dir_fd)
{
    if (!amp_filter_available())
        return AMP_ERR_NOT_FOUND;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    bool good = filter != NULL && set_up(filter);
    for (size_t i = 0; good && i < sizeof(rules) / sizeof(rules[0]); i++) {
        if ((rules[i].calls & profile->calls) != 0)
            good = add_rule(filter, &rules[i], dir_fd);
    }
    good = good && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return good ? AMP_OK : AMP_ERR_IO;
}
