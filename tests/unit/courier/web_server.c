#include "web_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 32, REQUEST_MAX = 2 << 20 };

struct connection {
    int fd; /* -1: free */
    size_t len;
    char *bytes;
};

struct web_server {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t requested;
    int listener;
    int stop[2]; /* closing its writing end stops the thread */
    uint16_t port;
    struct web_step steps[WEB_SERVER_MAX_STEPS];
    size_t step_count;
    struct connection connections[CONNECTIONS_MAX];
    size_t accepted;
    char *requests[WEB_SERVER_MAX_REQUESTS];
    size_t request_count;
};

static void hang_up(struct connection *connection, bool reset)
{
    const struct linger now = {.l_onoff = 1};
    if (reset)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(connection->fd);
    free(connection->bytes);
    *connection = (struct connection){.fd = -1};
}

static void say(int fd, const char *bytes, size_t len)
{
    ssize_t n;
    for (; len != 0 && (n = send(fd, bytes, len, MSG_NOSIGNAL)) > 0; len -= (size_t)n)
        bytes += n;
}

static void play(struct connection *connection, const struct web_step *step)
{
    static const char padding[1024];
    if (step->answer != NULL)
        say(connection->fd, step->answer, strlen(step->answer));
    for (size_t left = step->padding; left != 0; left -= left < sizeof(padding) ? left : sizeof(padding))
        say(connection->fd, padding, left < sizeof(padding) ? left : sizeof(padding));
    connection->len = 0;
    if (step->hang_up || step->reset)
        hang_up(connection, step->reset);
}

/* Is a whole request there? Its body is as long as Content-Length says. */
static bool is_whole(const struct connection *connection)
{
    const char *end = strstr(connection->bytes, "\r\n\r\n");
    const char *length = strcasestr(connection->bytes, "\r\nContent-Length:");
    size_t body = length != NULL && length < end ? strtoul(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
    return end != NULL && connection->len >= (size_t)(end + 4 - connection->bytes) + body;
}

static void on_request(struct web_server *server, struct connection *connection)
{
    pthread_mutex_lock(&server->mutex);
    size_t at = server->request_count;
    if (at < WEB_SERVER_MAX_REQUESTS)
        server->requests[server->request_count++] = strdup(connection->bytes);
    pthread_cond_signal(&server->requested);
    pthread_mutex_unlock(&server->mutex);
    play(connection, &server->steps[at < server->step_count ? at : server->step_count - 1]);
}

static void on_bytes(struct web_server *server, struct connection *connection)
{
    ssize_t n = recv(connection->fd, connection->bytes + connection->len, REQUEST_MAX - connection->len, 0);
    if (n <= 0) {
        hang_up(connection, false);
        return;
    }
    connection->len += (size_t)n;
    connection->bytes[connection->len] = '\0';
    if (is_whole(connection))
        on_request(server, connection);
}

static void on_connection(struct web_server *server)
{
    int fd = accept(server->listener, NULL, NULL);
    for (size_t i = 0; fd >= 0 && i < CONNECTIONS_MAX; i++) {
        if (server->connections[i].fd >= 0)
            continue;
        server->connections[i] = (struct connection){.fd = fd, .bytes = calloc(1, REQUEST_MAX + 1)};
        pthread_mutex_lock(&server->mutex);
        server->accepted++;
        pthread_mutex_unlock(&server->mutex);
        return;
    }
    if (fd >= 0)
        close(fd);
}

static void *run(void *ctx)
{
    struct web_server *server = ctx;
    for (;;) {
        struct pollfd polled[CONNECTIONS_MAX + 2] = {{server->stop[0], POLLIN, 0}, {server->listener, POLLIN, 0}};
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)
            polled[i + 2] = (struct pollfd){server->connections[i].fd, POLLIN, 0};
        if (poll(polled, CONNECTIONS_MAX + 2, -1) < 0 || polled[0].revents != 0)
            return NULL;
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
            if (polled[i + 2].revents != 0)
                on_bytes(server, &server->connections[i]);
        }
        if (polled[1].revents != 0)
            on_connection(server);
    }
}

static bool listen_on_loopback(struct web_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(server->listener, 16) != 0 || getsockname(server->listener, (struct sockaddr *)&address, &len) != 0)
        return false;
    server->port = ntohs(address.sin_port);
    return true;
}

struct web_server *web_server_start(const struct web_step *steps, size_t count)
{
    struct web_server *server = calloc(1, sizeof(*server));
    if (server == NULL || count > WEB_SERVER_MAX_STEPS)
        abort();
    memcpy(server->steps, steps, count * sizeof(*steps));
    server->step_count = count;
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->requested, NULL);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        server->connections[i].fd = -1;
    if (!listen_on_loopback(server) || pipe(server->stop) != 0 ||
        pthread_create(&server->thread, NULL, run, server) != 0)
        abort();
    return server;
}

void web_server_stop(struct web_server *server)
{
    if (server == NULL)
        return;
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (server->connections[i].fd >= 0)
            hang_up(&server->connections[i], false);
    }
    for (size_t i = 0; i < server->request_count; i++)
        free(server->requests[i]);
    close(server->stop[0]);
    close(server->listener);
    pthread_mutex_destroy(&server->mutex);
    pthread_cond_destroy(&server->requested);
    free(server);
}

uint16_t web_server_port(const struct web_server *server)
{
    return server->port;
}

size_t web_server_requests(struct web_server *server)
{
    pthread_mutex_lock(&server->mutex);
    size_t count = server->request_count;
    pthread_mutex_unlock(&server->mutex);
    return count;
}

void web_server_await(struct web_server *server, size_t requests)
{
    pthread_mutex_lock(&server->mutex);
    while (server->request_count < requests)
        pthread_cond_wait(&server->requested, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
}

const char *web_server_request(struct web_server *server, size_t i)
{
    pthread_mutex_lock(&server->mutex);
    const char *request = i < server->request_count ? server->requests[i] : "";
    pthread_mutex_unlock(&server->mutex);
    return request;
}

size_t web_server_connections(struct web_server *server)
{
    pthread_mutex_lock(&server->mutex);
    size_t count = server->accepted;
    pthread_mutex_unlock(&server->mutex);
    return count;
}
