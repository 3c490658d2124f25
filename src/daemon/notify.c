#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

/* A path, or, behind '@', a name in the abstract namespace: unix(7). 0 where it is neither. */
static socklen_t address_of(struct sockaddr_un *address, const char *name)
{
    size_t len = strlen(name);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t len_max = sizeof(address->sun_path) - (name[0] == '@' ? 0 : 1); /* a path ends with a NUL */
    if ((name[0] != '/' && name[0] != '@') || len > len_max)
        return 0;
    memcpy(address->sun_path, name, len);
    if (name[0] == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void amp_notify(const char *assignment)
{
    struct sockaddr_un address;
    const char *name = getenv("NOTIFY_SOCKET");
    if (name == NULL)
        return;
    socklen_t address_len = address_of(&address, name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || address_len == 0 ||
        sendto(fd, assignment, strlen(assignment), MSG_NOSIGNAL, (const struct sockaddr *)&address, address_len) < 0)
        amp_log_text(AMP_LOG_WARN, "NOTIFY_SOCKET does not take what it is told", "said", assignment);
    if (fd >= 0)
        close(fd);
}
