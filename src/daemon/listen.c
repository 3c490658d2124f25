#include "daemon/listen.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool set(int fd, int level, int option)
{
    const int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

/* Bound but not listening; `shared`: others may bind the same. */
static int bind_one(const struct amp_config_address *address, bool shared)
{
    int fd = socket(address->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool good = set(fd, SOL_SOCKET, SO_REUSEADDR) && (!shared || set(fd, SOL_SOCKET, SO_REUSEPORT)) &&
                (address->addr.ss_family != AF_INET6 || set(fd, IPPROTO_IPV6, IPV6_V6ONLY)) &&
                set(fd, IPPROTO_TCP, TCP_NODELAY);
    if (good && bind(fd, (const struct sockaddr *)&address->addr, address->len) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/*
 * SO_REUSEPORT would let a second daemon of the same user take half of the connections in silence. So the address is
 * bound alone first, which fails where anybody has it; this is also where a free port is chosen.
 */
static enum amp_err claim(struct amp_config_address *address)
{
    int fd = bind_one(address, false);
    if (fd < 0)
        return AMP_ERR_IO;
    bool good = listen(fd, 1) == 0 && getsockname(fd, (struct sockaddr *)&address->addr, &address->len) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return good ? AMP_OK : AMP_ERR_IO;
}

static void say_where(const struct amp_config_address *address)
{
    int number = errno;
    char text[AMP_CONFIG_ADDRESS_MAX + 64];
    char where[AMP_CONFIG_ADDRESS_MAX];
    struct amp_out what = amp_out(text, sizeof(text) - 1);
    amp_config_address_format(where, address);
    amp_out_str(&what, "cannot listen on ");
    amp_out_str(&what, where);
    text[what.len] = '\0';
    amp_log_errno(AMP_LOG_ERROR, text, number);
}

static enum amp_err open_address(struct amp_listen *sockets, size_t at)
{
    struct amp_config_address *address = &sockets->addresses[at];
    enum amp_err err = claim(address);
    for (size_t i = at; err == AMP_OK && i < sockets->count; i += sockets->per_worker) {
        sockets->fds[i] = bind_one(address, true);
        if (sockets->fds[i] < 0 || listen(sockets->fds[i], (int)sockets->backlog) != 0)
            err = AMP_ERR_IO;
    }
    if (err != AMP_OK)
        say_where(address);
    return err;
}

static void close_all(struct amp_listen *sockets)
{
    sockets->open = false;
    for (size_t i = 0; sockets->fds != NULL && i < sockets->count; i++) {
        if (sockets->fds[i] >= 0)
            close(sockets->fds[i]);
        sockets->fds[i] = -1;
    }
}

static enum amp_err open_all(struct amp_listen *sockets)
{
    enum amp_err err = AMP_OK;
    for (size_t i = 0; err == AMP_OK && i < sockets->per_worker; i++)
        err = open_address(sockets, i);
    if (err != AMP_OK)
        close_all(sockets);
    sockets->open = err == AMP_OK;
    return err;
}

enum amp_err amp_listen_open(struct amp_listen *out, struct amp_config_address *addresses, size_t address_count,
                             uint32_t workers, uint32_t backlog)
{
    *out = (struct amp_listen){.per_worker = address_count, .count = address_count * workers, .backlog = backlog};
    memcpy(out->addresses, addresses, address_count * sizeof(*addresses));
    out->fds = malloc(out->count * sizeof(*out->fds));
    if (out->fds == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < out->count; i++)
        out->fds[i] = -1;
    enum amp_err err = open_all(out);
    memcpy(addresses, out->addresses, address_count * sizeof(*addresses));
    if (err != AMP_OK)
        amp_listen_close(out);
    return err;
}

enum amp_err amp_listen_renew(struct amp_listen *sockets)
{
    close_all(sockets);
    return open_all(sockets);
}

void amp_listen_close(struct amp_listen *sockets)
{
    close_all(sockets);
    free(sockets->fds);
    *sockets = (struct amp_listen){0};
}
