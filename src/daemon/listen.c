#include "daemon/listen.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
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

static enum amp_err open_one(struct amp_listen *out, size_t at, const struct amp_config_address *address,
                             uint32_t backlog)
{
    out->fds[at] = bind_one(address, true);
    return out->fds[at] >= 0 && listen(out->fds[at], (int)backlog) == 0 ? AMP_OK : AMP_ERR_IO;
}

enum amp_err amp_listen_open(struct amp_listen *out, struct amp_config_address *addresses, size_t address_count,
                             uint32_t workers, uint32_t backlog)
{
    enum amp_err err = AMP_OK;
    *out = (struct amp_listen){.per_worker = address_count, .count = address_count * workers};
    out->fds = malloc(out->count * sizeof(*out->fds));
    if (out->fds == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < out->count; i++)
        out->fds[i] = -1;
    for (size_t a = 0; err == AMP_OK && a < address_count; a++) {
        err = claim(&addresses[a]);
        for (uint32_t w = 0; err == AMP_OK && w < workers; w++)
            err = open_one(out, w * address_count + a, &addresses[a], backlog);
        if (err != AMP_OK) {
            char text[AMP_CONFIG_ADDRESS_MAX + 64];
            char where[AMP_CONFIG_ADDRESS_MAX];
            struct amp_out what = amp_out(text, sizeof(text) - 1);
            amp_config_address_format(where, &addresses[a]);
            amp_out_str(&what, "cannot listen on ");
            amp_out_str(&what, where);
            text[what.len] = '\0';
            amp_log_errno(AMP_LOG_ERROR, text, errno);
        }
    }
    if (err != AMP_OK)
        amp_listen_close(out);
    return err;
}

void amp_listen_close(struct amp_listen *listen)
{
    for (size_t i = 0; listen->fds != NULL && i < listen->count; i++) {
        if (listen->fds[i] >= 0)
            close(listen->fds[i]);
    }
    free(listen->fds);
    *listen = (struct amp_listen){0};
}
