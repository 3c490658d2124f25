#include "daemon/starter.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/config.h"
#include "daemon/order.h"
#include "daemon/state.h"
#include "secret/secret.h"

enum { WAIT_MS = 5000, STATUS_BYTES = 4, EXIT_USAGE = 2 };
enum { STARTED = 0xffff }; /* for WIFCONTINUED */

/* The supervisor's side. */

static bool address_of(struct sockaddr_un *where, const char *dir, enum amp_role role)
{
    struct amp_out path = amp_out(where->sun_path, sizeof(where->sun_path) - 1);
    *where = (struct sockaddr_un){.sun_family = AF_UNIX};
    amp_out_str(&path, dir);
    amp_out_byte(&path, '/');
    amp_out_str(&path, amp_role_name(role));
    return !path.overflow;
}

/* Who listens there is the service manager, or somebody who could be the role anyway. */
static bool is_trusted(int fd, const struct amp_sandbox_user *user)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == 0 || peer.uid == user->uid);
}

static enum amp_err refuse(int fd, enum amp_err err, const char *why, enum amp_role role)
{
    int number = errno;
    if (err == AMP_ERR_IO)
        amp_log_text_errno(AMP_LOG_ERROR, why, "role", amp_role_name(role), number);
    else
        amp_log_text(AMP_LOG_ERROR, why, "role", amp_role_name(role));
    if (fd >= 0)
        close(fd);
    return err;
}

enum amp_err amp_starter_order(int *out, const char *dir, enum amp_role role, const struct amp_role_fds *fds,
                               bool first)
{
    struct sockaddr_un where;
    if (!address_of(&where, dir, role))
        return refuse(-1, AMP_ERR_TOO_LARGE, "the path of a starter is too long for a unix socket", role);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&where, sizeof(where)) != 0)
        return refuse(fd, AMP_ERR_IO, "a starter cannot be reached", role);
    if (!is_trusted(fd, fds->user))
        return refuse(fd, AMP_ERR_NOT_PERMITTED, "who listens for a starter is neither root nor the role's user", role);
    enum amp_err err = amp_order_send(fd, role, fds, first);
    if (err != AMP_OK)
        return refuse(fd, err, "a starter does not take the order", role);
    *out = fd;
    return AMP_OK;
}

int amp_starter_reap(int fd)
{
    uint8_t text[STATUS_BYTES + 1];
    ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);
    struct amp_ipc_in in = {amp_slice(text, n > 0 ? (size_t)n : 0), false};
    uint32_t wait_status = amp_ipc_get_u32(&in);
    return amp_ipc_end(&in) ? (int)wait_status : W_EXITCODE(0, SIGKILL);
}

void amp_starter_kill(int fd)
{
    (void)shutdown(fd, SHUT_WR);
}

void amp_starter_wait(int fd)
{
    struct pollfd told = {.fd = fd, .events = POLLIN};
    for (int messages = 0; messages < 2 && poll(&told, 1, WAIT_MS) > 0; messages++) {
        if (!WIFCONTINUED(amp_starter_reap(fd)))
            return;
    }
    amp_log(AMP_LOG_WARN, "a starter does not tell of the end of its role");
}

/* The starter's. */

/* The directory of its files, as the service manager names it (systemd.exec(5), StateDirectory=). */
static enum amp_err open_directory(struct amp_order *order)
{
    const char *path = getenv("STATE_DIRECTORY");
    if (order->role != AMP_ROLE_KEEPER && order->role != AMP_ROLE_SCRIBE)
        return AMP_OK;
    if (path != NULL)
        return amp_state_open_own(&order->fds.state, path);
    amp_log(AMP_LOG_ERROR, "STATE_DIRECTORY must name the directory of the role's files");
    return AMP_ERR_INVALID;
}

/* What the supervisor does where it can: see amp_state_ready_sealed. */
static enum amp_err ready_keys(const struct amp_order *order)
{
    static struct amp_config config;
    const struct amp_state state = {.dir_fd = -1, .keys_fd = order->fds.state, -1, -1, -1};
    if (order->role != AMP_ROLE_KEEPER || !order->first)
        return AMP_OK;
    enum amp_err err = amp_config_read(&config, order->fds.config);
    return err == AMP_OK ? amp_state_ready_sealed(&state, config.keys.provider) : err;
}

/*
 * This very file, or what an upgrade has put it in the place of: that belonged to the same owner and has no name any
 * more. The connection is no way to run just anything.
 */
static bool is_our_program(int binary)
{
    struct stat its;
    struct stat ours;
    int own = amp_role_binary();
    if (own < 0 || fstat(own, &ours) != 0 || fstat(binary, &its) != 0)
        return false;
    if (its.st_dev == ours.st_dev && its.st_ino == ours.st_ino)
        return true;
    return S_ISREG(its.st_mode) && its.st_nlink == 0 && its.st_uid == ours.st_uid && (its.st_mode & 022) == 0;
}

static enum amp_err check(const struct amp_order *order, enum amp_role role)
{
    bool whole = order->fds.binary >= 0 && order->fds.control >= 0 && order->fds.config >= 0;
    if (order->role != role || !whole || !is_our_program(order->fds.binary)) {
        amp_log(AMP_LOG_ERROR, "what was ordered is not for this starter");
        return AMP_ERR_INVALID;
    }
    if (geteuid() == order->user.uid && getegid() == order->user.gid)
        return AMP_OK;
    amp_log_num(AMP_LOG_ERROR, "the starter must be the user that sandbox.ROLE names", amp_role_name(role), geteuid());
    return AMP_ERR_INVALID;
}

static enum amp_err start(enum amp_role role, pid_t *pid)
{
    static struct amp_order order;
    enum amp_err err = amp_order_receive(&order, STDIN_FILENO);
    if (err != AMP_OK) {
        amp_log(AMP_LOG_ERROR, "no order came, or one of another version: restart the daemon after an upgrade");
        return AMP_ERR_IO; /* of neither is the configuration the cause */
    }
    err = check(&order, role);
    if (err == AMP_OK)
        err = open_directory(&order);
    if (err == AMP_OK)
        err = ready_keys(&order);
    if (err == AMP_OK)
        err = amp_role_spawn(role, &order.fds, pid);
    if (order.fds.state >= 0)
        close(order.fds.state); /* the role has it now, and nobody else until the role has ended */
    amp_order_close(&order);
    return err;
}

/* Until it has ended: unasked, or because the supervisor sent something, which is never said, or is gone. */
static int attend(pid_t pid)
{
    int wait_status = W_EXITCODE(0, SIGKILL);
    int pidfd = pidfd_open(pid, 0);
    struct pollfd ends[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
    while (pidfd >= 0 && poll(ends, 2, -1) < 0 && errno == EINTR)
        continue;
    if (pidfd < 0 || ends[0].revents != 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR)
        continue;
    return wait_status;
}

static bool is_connection(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

static bool tell(int wait_status)
{
    uint8_t text[STATUS_BYTES];
    struct amp_out told = amp_out(text, sizeof(text));
    amp_ipc_put_u32(&told, (uint32_t)wait_status);
    return send(STDIN_FILENO, text, sizeof(text), MSG_NOSIGNAL) == (ssize_t)sizeof(text);
}

int amp_starter_run(const char *name)
{
    enum amp_role role;
    pid_t pid = 0;
    amp_log_init("starter", AMP_LOG_INFO);
    if (!amp_role_parse(name, &role) || !is_connection(STDIN_FILENO)) {
        amp_log(AMP_LOG_ERROR, "a starter is run by a service manager, for a connection of the supervisor's");
        return EXIT_USAGE;
    }
    enum amp_err err = amp_secret_harden_process(false);
    if (err == AMP_OK)
        err = start(role, &pid);
    if (err != AMP_OK) {
        (void)tell(W_EXITCODE(err == AMP_ERR_INVALID ? AMP_STARTER_REFUSED : EXIT_FAILURE, 0));
        return EXIT_FAILURE;
    }
    (void)tell(STARTED); /* who is gone is noticed next */
    return tell(attend(pid)) ? EXIT_SUCCESS : EXIT_FAILURE;
}
