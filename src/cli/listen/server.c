#include "cli/listen/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define CONNECTIONS_MAX 16
#define READ_BYTES      4096
#define PATIENCE_MS     10000 /* for a request to arrive, once it began */
#define STOP            0     /* places in the poll set; connections stand behind */
#define DOOR            1
#define FIRST           2

struct conn {
    int fd; /* -1: free */
    struct amp_secret_buf in;
    size_t scanned;
    size_t missing; /* bytes to make room for */
    bool continued; /* 100 was sent for the request that is under way */
    int64_t moved_ms;
};

struct cli_server {
    int fd;
    char url[80];
    struct amp_clock clock;
    struct conn conns[CONNECTIONS_MAX];
};

/* ---- where it listens ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* "HOST:PORT" with a loopback address. */
static bool parse_address(const char *text, union address *address, socklen_t *len)
{
    char host[64];
    uint64_t port = 0;
    const char *colon = strrchr(text, ':');
    size_t host_len = colon != NULL ? (size_t)(colon - text) : 0;
    const bool v6 = text[0] == '[' && host_len > 2 && text[host_len - 1] == ']';
    const char *from = v6 ? text + 1 : text;
    host_len -= v6 ? 2 : 0;
    if (colon == NULL || host_len >= sizeof host || amp_u64_parse(&port, amp_slice_str(colon + 1), 65535) != AMP_OK)
        return false;
    memcpy(host, from, host_len);
    host[host_len] = '\0';
    *address = (union address){.any.sa_family = v6 ? AF_INET6 : AF_INET};
    *len = v6 ? sizeof address->v6 : sizeof address->v4;
    if (v6) {
        address->v6.sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    }
    address->v4.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &address->v4.sin_addr) == 1 &&
           ntohl(address->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static bool write_url(struct cli_server *server)
{
    union address address = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof address;
    char host[INET6_ADDRSTRLEN];
    if (getsockname(server->fd, &address.any, &len) != 0)
        return false;
    const bool v6 = address.any.sa_family == AF_INET6;
    const void *at = v6 ? (const void *)&address.v6.sin6_addr : (const void *)&address.v4.sin_addr;
    const unsigned port = ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port);
    if (inet_ntop(address.any.sa_family, at, host, sizeof host) == NULL)
        return false;
    snprintf(server->url, sizeof server->url, v6 ? "http://[%s]:%u/" : "http://%s:%u/", host, port);
    return true;
}

enum amp_err cli_server_new(struct cli_server **out, const char *text)
{
    const int on = 1;
    union address address;
    socklen_t len;
    *out = NULL;
    if (!parse_address(text, &address, &len))
        return AMP_ERR_INVALID;
    struct cli_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    server->clock = amp_clock_system();
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        server->conns[i].fd = -1;
    server->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->fd < 0 || setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(server->fd, &address.any, len) != 0 || listen(server->fd, CONNECTIONS_MAX) != 0 || !write_url(server)) {
        const int error = errno;
        cli_server_free(server);
        errno = error;
        return AMP_ERR_IO;
    }
    *out = server;
    return AMP_OK;
}

const char *cli_server_url(const struct cli_server *server)
{
    return server->url;
}

/* ---- connections ---- */

static void hang_up(struct conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    amp_secret_buf_free(&conn->in);
    *conn = (struct conn){.fd = -1};
}

void cli_server_free(struct cli_server *server)
{
    if (server == NULL)
        return;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        hang_up(&server->conns[i]);
    if (server->fd >= 0)
        close(server->fd);
    free(server);
}

/* A free place; where there is none, that of the connection that has been quiet the longest. */
static struct conn *make_place(struct cli_server *server)
{
    struct conn *oldest = &server->conns[0];
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct conn *conn = &server->conns[i];
        if (conn->fd < 0)
            return conn;
        if (conn->moved_ms < oldest->moved_ms)
            oldest = conn;
    }
    hang_up(oldest);
    return oldest;
}

static void welcome(struct cli_server *server)
{
    const int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct conn *conn = make_place(server);
    conn->fd = fd;
    conn->missing = READ_BYTES;
    conn->moved_ms = amp_clock_mono_ms(&server->clock);
}

/* A few bytes to a peer that waits for them: what does not fit into the socket was not worth waiting for. */
static bool say(const struct conn *conn, const char *text)
{
    const size_t len = strlen(text);
    return send(conn->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {405, "Method Not Allowed"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {422, "Unprocessable Content"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Error";
}

static bool answer(const struct conn *conn, int status, bool keep)
{
    char text[128];
    snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\n%s%s\r\n", status, reason_of(status),
             status == 204 ? "" : "Content-Length: 0\r\n", keep ? "" : "Connection: close\r\n");
    return say(conn, text) && keep;
}

/* Why a head that parsed is not served; 0 where it is. */
static int refusal_of(const struct amp_http1_head *head)
{
    if (head->chunked || (head->method == AMP_METHOD_POST && !head->has_length))
        return 411;
    return head->content_length > CLI_SERVER_MAX_BODY ? 413 : 0;
}

static void forget_first(struct conn *conn, size_t len)
{
    struct amp_secret_buf *in = &conn->in;
    memmove(in->ptr, in->ptr + len, in->len - len);
    amp_wipe(in->ptr + in->len - len, len);
    in->len -= len;
    conn->scanned = 0;
    conn->continued = false;
}

/* Serves what is there. False where the connection is to end. */
static bool serve(struct conn *conn, const struct cli_server_job *job)
{
    struct amp_secret_buf *in = &conn->in;
    struct amp_http1_head head;
    conn->missing = READ_BYTES;
    while (in->len > 0) {
        size_t head_len = 0;
        const enum amp_err err = amp_http1_parse_head(&head, in->ptr, in->len, &head_len, &conn->scanned);
        if (err == AMP_ERR_TRUNCATED)
            return true;
        const int refused = err != AMP_OK ? 400 : refusal_of(&head);
        if (refused != 0)
            return answer(conn, refused, false);
        const size_t whole = head_len + (size_t)head.content_length;
        if (in->len < whole) {
            conn->missing = whole - in->len;
            conn->scanned = 0; /* the buffer may move: the head is read once more when all is there */
            if (head.expect_continue && !conn->continued && !say(conn, "HTTP/1.1 100 Continue\r\n\r\n"))
                return false;
            conn->continued = true;
            return true;
        }
        const struct amp_slice body = amp_slice(in->ptr + head_len, (size_t)head.content_length);
        const bool keep = head.keep_alive;
        if (!answer(conn, job->handle(job->ctx, &head, body), keep))
            return false;
        forget_first(conn, whole);
        if (*job->finished)
            return false;
    }
    return true;
}

/* Reads once and serves. False where the connection is to end. */
static bool attend(struct conn *conn, const struct cli_server_job *job, int64_t now_ms)
{
    struct amp_secret_buf *in = &conn->in;
    if (amp_secret_buf_reserve(in, conn->missing) != AMP_OK)
        return answer(conn, 503, false);
    const ssize_t got = recv(conn->fd, in->ptr + in->len, in->cap - in->len, 0);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    in->len += (size_t)got;
    conn->moved_ms = now_ms;
    return got > 0 && serve(conn, job);
}

/* ---- the round ---- */

/* Ends connections that began a request and do not go on. */
static void hurry(struct cli_server *server, int64_t now_ms)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct conn *conn = &server->conns[i];
        if (conn->fd >= 0 && conn->in.len > 0 && now_ms - conn->moved_ms > PATIENCE_MS)
            hang_up(conn);
    }
}

static int wait_for(struct cli_server *server, const struct cli_server_job *job, struct pollfd *set, int64_t left_ms)
{
    set[STOP] = (struct pollfd){.fd = job->stop_fd, .events = POLLIN};
    set[DOOR] = (struct pollfd){.fd = server->fd, .events = POLLIN};
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        set[FIRST + i] = (struct pollfd){.fd = server->conns[i].fd, .events = POLLIN};
    return poll(set, FIRST + CONNECTIONS_MAX, left_ms < 1000 ? (int)left_ms : 1000);
}

enum cli_server_end cli_server_run(struct cli_server *server, const struct cli_server_job *job)
{
    const int64_t start_ms = amp_clock_mono_ms(&server->clock);
    struct pollfd set[FIRST + CONNECTIONS_MAX];
    while (!*job->finished) {
        const int64_t now_ms = amp_clock_mono_ms(&server->clock);
        const int64_t left_ms = job->limit_ms > 0 ? start_ms + job->limit_ms - now_ms : INT32_MAX;
        if (left_ms <= 0)
            return CLI_SERVER_TIMED_OUT;
        if (wait_for(server, job, set, left_ms) < 0 && errno != EINTR)
            return CLI_SERVER_FAILED;
        if ((set[STOP].revents & POLLIN) != 0)
            return CLI_SERVER_STOPPED;
        for (size_t i = 0; i < CONNECTIONS_MAX && !*job->finished; i++)
            if (set[FIRST + i].revents != 0 && !attend(&server->conns[i], job, now_ms))
                hang_up(&server->conns[i]);
        if ((set[DOOR].revents & POLLIN) != 0)
            welcome(server);
        hurry(server, now_ms);
    }
    return CLI_SERVER_FINISHED;
}
