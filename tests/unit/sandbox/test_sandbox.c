/*
 * Each role's sandbox, entered by a child for each attempt: what it must still be able to do, and what is death, or
 * refused. The calls are made without libc's help, as an intruder would.
 */
#include "../child.h"
#include "attempts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "sandbox/sandbox.h"
#include "secret/secret.h"

enum { SUCCEEDED = 100, UNSANDBOXED = 101, NOT_ENTERED = 102, USER = 61009 };

struct fixture fx;

/* 0 or an errno. */
static int result(long returned)
{
    return returned >= 0 ? 0 : errno;
}

/* ---- attempts ---- */

static int open_a_file(void)
{
    return result(syscall(SYS_open, "/etc/passwd", O_RDONLY));
}

static int open_a_file_from_here(void)
{
    return result(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0));
}

static int open_a_file_for_writing(void)
{
    return result(syscall(SYS_openat, AT_FDCWD, "/etc/resolv.conf", O_RDWR, 0));
}

static int open_beyond_the_directory(void)
{
    return result(syscall(SYS_openat, fx.dir.fd, "../../etc/passwd", O_RDONLY, 0));
}

static int open_by_its_whole_name(void)
{
    return result(syscall(SYS_openat, fx.dir.fd, "/etc/passwd", O_RDONLY, 0));
}

static int open_as_openat2(void)
{
    const uint64_t how[3] = {O_RDONLY, 0, 0};
    return result(syscall(SYS_openat2, fx.dir.fd, "file", how, sizeof(how)));
}

static int make_a_device_socket(void)
{
    return result(syscall(SYS_mknodat, fx.dir.fd, "socket", 0140600, 0));
}

static int link_from_elsewhere(void)
{
    return result(syscall(SYS_linkat, AT_FDCWD, "/etc/passwd", fx.dir.fd, "passwd", 0));
}

static int make_a_tcp_socket(void)
{
    return result(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
}

static int make_a_unix_socket(void)
{
    return result(syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0));
}

static int make_a_netlink_socket(void)
{
    return result(syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0));
}

static int make_a_raw_socket(void)
{
    return result(syscall(SYS_socket, AF_INET, SOCK_RAW, IPPROTO_TCP));
}

static int connect_what_is_there(void)
{
    return result(syscall(SYS_connect, fx.listen_fd, &fx.address, sizeof(fx.address)));
}

static int connect_to_a_path(void)
{
    const struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/private"};
    return result(syscall(SYS_connect, fx.listen_fd, &path, sizeof(path)));
}

/* By way of a socket that may only answer. */
static int connect_by_sending(void)
{
    return result(syscall(SYS_sendto, fx.listen_fd, "x", 1, MSG_FASTOPEN, &fx.address, sizeof(fx.address)));
}

static int send_to_a_name(void)
{
    return result(syscall(SYS_sendto, fx.listen_fd, "x", 1, 0, &fx.address, sizeof(fx.address)));
}

static int connect_by_a_message(void)
{
    char byte = 'x';
    struct iovec part = {&byte, 1};
    const struct msghdr message = {
        .msg_name = &fx.address, .msg_namelen = sizeof(fx.address), .msg_iov = &part, .msg_iovlen = 1};
    return result(syscall(SYS_sendmsg, fx.listen_fd, &message, MSG_FASTOPEN));
}

static int connect_by_messages(void)
{
    struct mmsghdr messages[1] = {{.msg_hdr = {.msg_name = &fx.address, .msg_namelen = sizeof(fx.address)}}};
    return result(syscall(SYS_sendmmsg, fx.listen_fd, messages, 1, MSG_FASTOPEN));
}

static int stop_listening(void)
{
    return result(syscall(SYS_shutdown, fx.listen_fd, SHUT_RDWR));
}

static int stop_listening_to_more(void)
{
    return result(syscall(SYS_shutdown, fx.listen_fd, SHUT_RD));
}

static int make_a_pair(int type)
{
    int fds[2];
    return result(syscall(SYS_socketpair, AF_UNIX, type, 0, fds));
}

static int make_a_pair_of_streams(void)
{
    return make_a_pair(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static int make_a_pair_of_datagrams(void)
{
    return make_a_pair(SOCK_DGRAM);
}

static int make_a_pair_of_packets(void)
{
    return make_a_pair(SOCK_SEQPACKET);
}

static int set_option(int level, int name)
{
    const int on = 1;
    return result(syscall(SYS_setsockopt, fx.listen_fd, level, name, &on, sizeof(on)));
}

static int defer_what_comes(void)
{
    return set_option(IPPROTO_TCP, TCP_DEFER_ACCEPT);
}

static int filter_what_comes(void)
{
    return set_option(SOL_SOCKET, SO_ATTACH_FILTER);
}

static int keep_a_filter(void)
{
    return set_option(SOL_SOCKET, SO_LOCK_FILTER);
}

static int connect_later(void)
{
    return set_option(IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
}

static int send_at_once(void)
{
    return set_option(IPPROTO_TCP, TCP_NODELAY);
}

static int point_to_a_file(void)
{
    return result(syscall(SYS_openat, AT_FDCWD, "/etc/shadow", O_PATH, 0));
}

static int point_beyond_the_directory(void)
{
    return result(syscall(SYS_openat, fx.dir.fd, "/etc/shadow", O_PATH, 0));
}

static int bind_a_port(void)
{
    return result(syscall(SYS_bind, fx.listen_fd, &fx.address, sizeof(fx.address)));
}

static int listen_to_it(void)
{
    return result(syscall(SYS_listen, fx.listen_fd, 1));
}

static int execute(void)
{
    const char *const words[] = {"/bin/true", NULL};
    return result(syscall(SYS_execve, words[0], words, words + 1));
}

static int trace_a_sibling(void)
{
    return result(syscall(SYS_ptrace, PTRACE_ATTACH, fx.sibling, 0, 0));
}

static int read_a_sibling(void)
{
    char byte;
    const struct iovec here = {&byte, 1};
    const struct iovec there = {&fx, 1};
    return result(syscall(SYS_process_vm_readv, fx.sibling, &here, 1, &there, 1, 0));
}

static int kill_a_sibling(void)
{
    return result(syscall(SYS_kill, fx.sibling, SIGKILL));
}

static int kill_a_sibling_by_thread(void)
{
    return result(syscall(SYS_tgkill, fx.sibling, fx.sibling, SIGKILL));
}

static int open_a_sibling(void)
{
    return result(syscall(SYS_pidfd_open, fx.sibling, 0));
}

static int mount_something(void)
{
    return result(syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
}

static int take_new_namespaces(void)
{
    return result(syscall(SYS_unshare, CLONE_NEWUSER));
}

static int fork_itself(void)
{
    return result(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static int map_code(void)
{
    void *map = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return map != MAP_FAILED ? 0 : errno;
}

static int make_code_of_data(void)
{
    static uint8_t page[8192] __attribute__((aligned(4096)));
    return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int load_bpf(void)
{
    return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int set_up_io_uring(void)
{
    return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int watch_page_faults(void)
{
    return result(syscall(SYS_userfaultfd, 0));
}

static int become_root(void)
{
    return result(syscall(SYS_setuid, 0));
}

static int be_dumpable(void)
{
    return result(syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int raise_a_limit(void)
{
    const struct rlimit limit = {1 << 20, RLIM_INFINITY};
    return result(syscall(SYS_prlimit64, 0, RLIMIT_CORE, &limit, NULL));
}

static int call_as_another_architecture(void)
{
    return result(syscall(0x40000000L + SYS_getpid)); /* x32 */
}

/* ---- and what is their work ---- */

static void *idle(void *ctx)
{
    return ctx;
}

static int start_a_thread(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, idle, NULL);
    return error != 0 ? error : pthread_join(thread, NULL);
}

static int connect_out(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return result(fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&fx.address, sizeof(fx.address)));
}

static int read_a_date(void)
{
    const time_t then = 0;
    struct tm parts;
    return gmtime_r(&then, &parts) != NULL ? 0 : EINVAL;
}

static int end_by_abort(void)
{
    abort();
}

/* ---- who may what ---- */

enum { KILLED = -SIGSYS, ABORTED = -SIGABRT }; /* else an errno; 0: it succeeds */

static const enum amp_role roles[] = {AMP_ROLE_FRONT, AMP_ROLE_KEEPER, AMP_ROLE_SCRIBE, AMP_ROLE_COURIER};
enum { ROLES = sizeof(roles) / sizeof(roles[0]) };

#define NOBODY                                                                                                         \
    {                                                                                                                  \
        KILLED, KILLED, KILLED, KILLED                                                                                 \
    }

static const struct attempt {
    const char *name;
    int (*act)(void);
    int verdicts[ROLES]; /* as `roles`: front, keeper, scribe, courier */
} attempts[] = {
    {"open", open_a_file, NOBODY},
    {"openat", open_a_file_from_here, NOBODY},
    {"openat for writing", open_a_file_for_writing, NOBODY},
    {"openat beyond the directory", open_beyond_the_directory, NOBODY},
    {"openat of a whole name", open_by_its_whole_name, NOBODY},
    {"openat2", open_as_openat2, NOBODY},
    {"openat of a name that is no pin", open_another_name, NOBODY},
    {"openat of a pin elsewhere", open_the_name_elsewhere, NOBODY},
    {"openat of a pin's end", open_the_end_of_the_name, NOBODY},
    {"openat of a pin with another flag", open_the_name_in_another_way, NOBODY},
    {"openat of a pin without O_NOFOLLOW", open_the_name_behind_a_link, NOBODY},
    {"renameat to a name that is no pin", rename_to_another_name, NOBODY},
    {"renameat of a name that is no pin", rename_another_file, NOBODY},
    {"renameat2", rename_by_another_call, NOBODY},
    {"linkat to a name that is no pin", link_to_another_name, NOBODY},
    {"unlinkat of a name that is no pin", unlink_another_file, NOBODY},
    {"unlinkat of a directory", unlink_a_directory, NOBODY},
    {"mkdirat", make_a_directory, NOBODY},
    {"symlinkat", make_a_link, NOBODY},
    {"getdents64", list_the_directory, NOBODY},
    {"fchmod", change_a_mode, NOBODY},
    {"dup3", take_the_descriptors_number, NOBODY},
    {"F_DUPFD", copy_a_descriptor, NOBODY},
    {"mprotect of pins", make_pins_writable, NOBODY},
    {"mprotect up to pins", make_all_from_below_writable, NOBODY},
    {"munmap of pins", unmap_pins, NOBODY},
    {"mmap over pins", map_over_pins, NOBODY},
    {"mmap beside pins", map_beside_pins, {EEXIST, EEXIST, EEXIST, EEXIST}},
    {"mremap over pins", move_over_pins, NOBODY},
    {"mremap of pins", move_pins_away, NOBODY},
    {"madvise of pins", empty_pins, NOBODY},
    {"read into pins", read_into_pins, {0, EFAULT, EFAULT, 0}},
    {"mknodat", make_a_device_socket, NOBODY},
    {"linkat from elsewhere", link_from_elsewhere, NOBODY},
    {"socket TCP", make_a_tcp_socket, {KILLED, KILLED, KILLED, 0}},
    {"socket unix", make_a_unix_socket, NOBODY},
    {"socket netlink", make_a_netlink_socket, NOBODY},
    {"socket raw", make_a_raw_socket, NOBODY},
    {"connect", connect_what_is_there, {KILLED, KILLED, KILLED, EISCONN}},
    {"connect to a path", connect_to_a_path, NOBODY},
    {"sendto with MSG_FASTOPEN", connect_by_sending, NOBODY},
    {"sendto to a name", send_to_a_name, NOBODY},
    {"sendmsg with MSG_FASTOPEN", connect_by_a_message, NOBODY},
    {"sendmmsg with MSG_FASTOPEN", connect_by_messages, NOBODY},
    {"shutdown of both ways", stop_listening, NOBODY},
    {"shutdown of reading", stop_listening_to_more, NOBODY},
    {"socketpair of datagrams", make_a_pair_of_datagrams, NOBODY},
    {"socketpair of packets", make_a_pair_of_packets, NOBODY},
    {"TCP_DEFER_ACCEPT", defer_what_comes, NOBODY},
    {"SO_ATTACH_FILTER", filter_what_comes, NOBODY},
    {"SO_LOCK_FILTER", keep_a_filter, NOBODY},
    {"TCP_FASTOPEN_CONNECT", connect_later, {KILLED, KILLED, KILLED, ENOPROTOOPT}},
    {"openat with O_PATH", point_to_a_file, NOBODY},
    {"openat with O_PATH beyond the directory", point_beyond_the_directory, NOBODY},
    {"bind", bind_a_port, NOBODY},
    {"listen", listen_to_it, NOBODY},
    {"execve", execute, NOBODY},
    {"ptrace", trace_a_sibling, NOBODY},
    {"process_vm_readv", read_a_sibling, NOBODY},
    {"kill", kill_a_sibling, NOBODY},
    {"tgkill", kill_a_sibling_by_thread, NOBODY},
    {"pidfd_open", open_a_sibling, NOBODY},
    {"mount", mount_something, NOBODY},
    {"unshare", take_new_namespaces, NOBODY},
    {"fork", fork_itself, NOBODY},
    {"mmap of code", map_code, NOBODY},
    {"mprotect to code", make_code_of_data, NOBODY},
    {"bpf", load_bpf, NOBODY},
    {"io_uring_setup", set_up_io_uring, NOBODY},
    {"userfaultfd", watch_page_faults, NOBODY},
    {"setuid", become_root, NOBODY},
    {"prctl", be_dumpable, NOBODY},
    {"setrlimit", raise_a_limit, NOBODY},
    {"x32", call_as_another_architecture, NOBODY},
    {"a sealed file", keep_a_sealed_file, {KILLED, 0, KILLED, KILLED}},
    {"a log", keep_a_log, {KILLED, KILLED, 0, KILLED}},
    {"a thread", start_a_thread, {0, KILLED, KILLED, KILLED}},
    {"connecting out", connect_out, {KILLED, KILLED, KILLED, 0}},
    {"a pair of streams", make_a_pair_of_streams, {KILLED, KILLED, KILLED, 0}},
    {"TCP_NODELAY", send_at_once, {0, KILLED, KILLED, 0}},
    {"a date", read_a_date, {0, 0, 0, 0}},
    {"abort", end_by_abort, {ABORTED, ABORTED, ABORTED, ABORTED}},
};

static enum amp_err enter(enum amp_role role)
{
    static const struct amp_sandbox_user user = {USER, USER};
    bool files = role == AMP_ROLE_KEEPER || role == AMP_ROLE_SCRIBE;
    const struct amp_sandbox sandbox = {.role = role,
                                        .user = amp_sandbox_may_change_users() ? &user : NULL,
                                        .dir_fd = files ? fx.dir.fd : -1,
                                        .empty_fd = -1,
                                        .required = true};
    enum amp_err err = amp_secret_harden_process(false);
    if (err == AMP_OK && fx.with_pool)
        err = amp_secret_init(4 << 20, false);
    if (err == AMP_OK)
        err = pin_names(role);
    return err == AMP_OK ? amp_sandbox_enter(&sandbox) : err;
}

/* In the child. */
static void try(enum amp_role role, int (*act)(void))
{
    close(STDERR_FILENO);                                                   /* abort's message, the log's */
    static const int caught[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}; /* by cmocka, which would go on */
    for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
        signal(caught[i], SIG_DFL);
    if (enter(role) != AMP_OK)
        _exit(NOT_ENTERED);
    if (amp_sandbox_parts() == 0)
        _exit(UNSANDBOXED);
    int error = act();
    _exit(error == 0 ? SUCCEEDED : error);
}

/* As the verdicts are written; skips the test where programs built like this one stay outside. */
static int outcome(enum amp_role role, int (*act)(void))
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        try(role, act);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        return -WTERMSIG(status);
    if (WEXITSTATUS(status) == UNSANDBOXED)
        skip();
    return WEXITSTATUS(status) == SUCCEEDED ? 0 : WEXITSTATUS(status);
}

static void each_role_does_its_work_and_nothing_else(void **state)
{
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        fx.with_pool = attempts[i].act == keep_a_sealed_file || attempts[i].act == keep_a_log;
        for (size_t role = 0; role < ROLES; role++) {
            int found = outcome(roles[role], attempts[i].act);
            if (found != attempts[i].verdicts[role])
                fail_msg("%s by %s: %d, not %d", attempts[i].name, amp_role_name(roles[role]), found,
                         attempts[i].verdicts[role]);
        }
    }
}

/* Asked with arguments that mean nothing: what is no death is refused. */
static long number_tried;

static int call_by_number(void)
{
    return result(syscall(number_tried, -1L, -1L, -1L, -1L, -1L, -1L));
}

static void most_system_calls_are_death(void **state)
{
    enum { GAP_FROM = 335, GAP_TO = 424, END = 450, LIVE_AT_MOST = 90 };
    for (size_t role = 0; role < ROLES; role++) {
        unsigned live = 0;
        for (number_tried = 0; number_tried < END; number_tried++) {
            if (number_tried == GAP_FROM)
                number_tried = GAP_TO;
            if (number_tried != SYS_rt_sigreturn && outcome(roles[role], call_by_number) != KILLED)
                live++;
        }
        assert_in_range(live, 40, LIVE_AT_MOST);
    }
}

/* The number behind `name`, in hexadecimal, of a process's status as the kernel tells it. */
static unsigned long long status_of(pid_t pid, const char *name)
{
    char path[64];
    char text[4096];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    assert_true(len > 0);
    text[len] = '\0';
    const char *line = strstr(text, name);
    assert_non_null(line);
    return strtoull(line + strlen(name), NULL, 16);
}

static int stop_itself(void)
{
    return raise(SIGSTOP);
}

static void what_is_dropped_is_dropped_for_good(void **state)
{
    if (!amp_sandbox_may_change_users())
        skip();
    pid_t child = fork();
    int status = 0;
    if (child == 0)
        try(AMP_ROLE_FRONT, stop_itself);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == UNSANDBOXED)
        skip();
    assert_true(WIFSTOPPED(status));
    const unsigned long long ipc_lock = 1 << 14; /* where memory stays locked by it alone */
    assert_int_equal(status_of(child, "\nUid:"), strtoull("61009", NULL, 16));
    assert_int_equal(status_of(child, "\nGid:"), strtoull("61009", NULL, 16));
    assert_int_equal(status_of(child, "\nCapPrm:") & ~ipc_lock, 0);
    assert_int_equal(status_of(child, "\nCapEff:") & ~ipc_lock, 0);
    assert_int_equal(status_of(child, "\nCapBnd:"), 0);
    assert_int_equal(status_of(child, "\nCapInh:"), 0);
    assert_int_equal(status_of(child, "\nCapAmb:"), 0);
    assert_int_equal(status_of(child, "\nNoNewPrivs:"), 1);
    assert_int_equal(status_of(child, "\nSeccomp:"), 2);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* From here on this process's kernel has no Landlock. */
static bool take_landlock_away(void)
{
    enum { CREATE_RULESET = 444 };
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool good = filter != NULL && seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CREATE_RULESET, 0) == 0 &&
                seccomp_load(filter) == 0;
    seccomp_release(filter);
    return good;
}

static void enter_without_landlock(bool required)
{
    const struct amp_sandbox sandbox = {.role = AMP_ROLE_FRONT, .dir_fd = -1, .empty_fd = -1, .required = required};
    const unsigned landlock = 1u << AMP_SANDBOX_LANDLOCK;
    if (amp_secret_harden_process(false) != AMP_OK || !take_landlock_away())
        _exit(1);
    bool suffices = amp_sandbox_kernel_suffices();
    enum amp_err err = amp_sandbox_enter(&sandbox);
    if (err == AMP_OK && amp_sandbox_parts() == 0)
        _exit(0); /* with a sanitizer nothing is entered, or missed */
    bool refused = err == AMP_ERR_SANDBOX_REFUSED;
    bool entered = err == AMP_OK && (amp_sandbox_parts() & landlock) == 0;
    _exit(!suffices && (required ? refused : entered) ? 0 : 1);
}

static void enter_where_landlock_is_required(void)
{
    enter_without_landlock(true);
}

static void enter_where_landlock_is_wished(void)
{
    enter_without_landlock(false);
}

static void a_kernel_that_lacks_a_part_is_refused_unless_it_may_lack_it(void **state)
{
    assert_succeeds(enter_where_landlock_is_required);
    assert_succeeds(enter_where_landlock_is_wished);
}

static void users_are_names_or_numbers_but_never_root(void **state)
{
    struct amp_sandbox_user user;
    assert_int_equal(amp_sandbox_user_find(&user, "4711"), AMP_OK);
    assert_int_equal(user.uid, 4711);
    assert_int_equal(user.gid, 4711);
    assert_int_equal(amp_sandbox_user_find(&user, "nobody"), AMP_OK);
    assert_int_equal(user.uid, 65534);
    static const char *const bad[] = {"0", "root", "no-such-user-here", "-1", "4294967295", ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(amp_sandbox_user_find(&user, bad[i]), AMP_ERR_NOT_FOUND);
}

static int setup(void **state)
{
    socklen_t len = sizeof(fx.address);
    if (amp_crypto_init() != AMP_OK)
        return -1;
    tempdir_make(&fx.dir);
    if (fchmod(fx.dir.fd, 0777) != 0)
        return -1;
    fx.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    fx.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fx.listen_fd < 0 || bind(fx.listen_fd, (struct sockaddr *)&fx.address, sizeof(fx.address)) != 0 ||
        listen(fx.listen_fd, 16) != 0 || getsockname(fx.listen_fd, (struct sockaddr *)&fx.address, &len) != 0)
        return -1;
    fx.sibling = fork();
    if (fx.sibling == 0) {
        pause();
        _exit(0);
    }
    return fx.sibling > 0 ? 0 : -1;
}

static int teardown(void **state)
{
    kill(fx.sibling, SIGKILL);
    waitpid(fx.sibling, NULL, 0);
    close(fx.listen_fd);
    tempdir_remove(&fx.dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_does_its_work_and_nothing_else),
        cmocka_unit_test(most_system_calls_are_death),
        cmocka_unit_test(what_is_dropped_is_dropped_for_good),
        cmocka_unit_test(a_kernel_that_lacks_a_part_is_refused_unless_it_may_lack_it),
        cmocka_unit_test(users_are_names_or_numbers_but_never_root),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
