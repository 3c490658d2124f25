/* state/admin.sock: whoever may speak there is the daemon's own user or root; the conversation is the keeper's. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "daemon/supervisor.h"

enum { BACKLOG = 128 };

static bool may_administer(const struct ucred *peer)
{
    return peer->uid == 0 || peer->uid == geteuid();
}

static void refuse(struct amp_supervisor *supervisor, const struct ucred *peer)
{
    char who[AMP_EVENT_WHO_MAX + 1] = "";
    struct amp_out text = amp_out(who, sizeof(who) - 1);
    amp_out_str(&text, "uid:");
    amp_out_u64(&text, peer->uid);
    amp_supervisor_record(supervisor, AMP_ACT_CONNECTION, AMP_OUTCOME_REFUSED, AMP_ERR_NOT_PERMITTED, who,
                          AMP_ADMIN_SOCKET);
}

static void on_accept(evutil_socket_t listen_fd, short what, void *ctx)
{
    struct amp_supervisor *supervisor = ctx;
    struct ucred peer;
    socklen_t len = sizeof(peer);
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    const uint8_t payload[2] = {AMP_ROLE_ADMIN, 0};
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && may_administer(&peer))
        amp_child_send(&supervisor->children[AMP_CHILD_KEEPER], AMP_IPC_LINK, amp_slice(payload, sizeof(payload)), fd);
    else
        refuse(supervisor, &peer);
    close(fd);
}

static enum amp_err admin_path(const struct amp_supervisor *supervisor, struct sockaddr_un *where)
{
    struct amp_out path = amp_out(where->sun_path, sizeof(where->sun_path) - 1);
    *where = (struct sockaddr_un){.sun_family = AF_UNIX};
    amp_out_str(&path, supervisor->config.state);
    amp_out_str(&path, "/" AMP_ADMIN_SOCKET);
    if (!path.overflow)
        return AMP_OK;
    amp_log_text(AMP_LOG_ERROR, "the state directory's path is too long for a unix socket", "path",
                 supervisor->config.state);
    return AMP_ERR_TOO_LARGE;
}

enum amp_err amp_admin_socket_open(struct amp_supervisor *supervisor)
{
    struct sockaddr_un where;
    enum amp_err err = admin_path(supervisor, &where);
    if (err != AMP_OK)
        return err;
    unlink(where.sun_path); /* the lock on the state directory says that nobody else listens there */
    supervisor->admin_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    bool good = supervisor->admin_fd >= 0 &&
                bind(supervisor->admin_fd, (const struct sockaddr *)&where, sizeof(where)) == 0 &&
                listen(supervisor->admin_fd, BACKLOG) == 0;
    umask(before);
    if (!good) {
        amp_log_errno(AMP_LOG_ERROR, "the admin socket cannot be opened", errno);
        return AMP_ERR_IO;
    }
    supervisor->admin_event =
        event_new(supervisor->base, supervisor->admin_fd, EV_READ | EV_PERSIST, on_accept, supervisor);
    if (supervisor->admin_event == NULL || event_add(supervisor->admin_event, NULL) != 0)
        return AMP_ERR_OUT_OF_MEMORY;
    return AMP_OK;
}

void amp_admin_socket_close(struct amp_supervisor *supervisor)
{
    struct sockaddr_un where;
    if (supervisor->admin_event != NULL)
        event_free(supervisor->admin_event);
    supervisor->admin_event = NULL;
    if (supervisor->admin_fd < 0)
        return;
    close(supervisor->admin_fd);
    supervisor->admin_fd = -1;
    if (admin_path(supervisor, &where) == AMP_OK)
        unlink(where.sun_path);
}
