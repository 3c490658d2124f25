#include "dns_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_LEN = 12, PACKET_MAX = 512, TYPE_A = 1, TYPE_AAAA = 28, NO_FAULT = 0, SERVER_FAILURE = 2, NO_NAME = 3 };

struct dns_server {
    pthread_t thread;
    pthread_mutex_t mutex;
    int fd;
    int stop[2]; /* closing its writing end stops the thread */
    char address[32];
    const struct dns_name *names;
    size_t count;
    size_t questions;
    uint8_t ports[UINT16_MAX / 8 + 1]; /* a bit for each that was asked from */
    size_t port_count;
};

struct packet {
    uint8_t bytes[PACKET_MAX];
    size_t len;
};

static void put16(struct packet *packet, unsigned value)
{
    packet->bytes[packet->len++] = (uint8_t)(value >> 8);
    packet->bytes[packet->len++] = (uint8_t)value;
}

/* The name asked for, as text; where the question behind it ends, or 0. */
static size_t read_question(const struct packet *packet, char name[PACKET_MAX], unsigned *type)
{
    size_t at = HEAD_LEN, len = 0;
    while (at < packet->len && packet->bytes[at] != 0) {
        size_t label = packet->bytes[at];
        if (at + 1 + label >= packet->len)
            return 0;
        if (len != 0)
            name[len++] = '.';
        memcpy(name + len, packet->bytes + at + 1, label);
        len += label;
        at += 1 + label;
    }
    name[len] = '\0';
    if (at + 5 > packet->len)
        return 0;
    *type = (unsigned)packet->bytes[at + 1] << 8 | packet->bytes[at + 2];
    return at + 5;
}

static const struct dns_name *find(const struct dns_server *server, const char *name)
{
    for (size_t i = 0; i < server->count; i++) {
        if (strcmp(server->names[i].name, name) == 0)
            return &server->names[i];
    }
    return NULL;
}

static unsigned put_addresses(struct packet *answer, const struct dns_name *name, unsigned type)
{
    const int family = type == TYPE_A ? AF_INET : AF_INET6;
    unsigned count = 0;
    for (size_t i = 0; i < 8 && name->addresses[i] != NULL; i++) {
        uint8_t address[16];
        const size_t len = type == TYPE_A ? 4 : 16;
        if (inet_pton(family, name->addresses[i], address) != 1)
            continue;
        put16(answer, 0xc000 | HEAD_LEN); /* the name in the question */
        put16(answer, type);
        put16(answer, 1);
        put16(answer, name->ttl_s >> 16);
        put16(answer, name->ttl_s & 0xffff);
        put16(answer, (unsigned)len);
        memcpy(answer->bytes + answer->len, address, len);
        answer->len += len;
        count++;
    }
    return count;
}

/* False: nothing is said. */
static bool answer_to(const struct dns_server *server, const struct packet *asked, struct packet *answer)
{
    char text[PACKET_MAX];
    unsigned type = 0, code = NO_FAULT, count = 0;
    const size_t end = read_question(asked, text, &type);
    const struct dns_name *name = find(server, text);
    if (end == 0 || (name != NULL && name->mood == DNS_IS_SILENT))
        return false;
    memcpy(answer->bytes, asked->bytes, end);
    answer->len = end;
    if (name == NULL)
        code = NO_NAME;
    else if (name->mood == DNS_FAILS)
        code = SERVER_FAILURE;
    else if (type == TYPE_A || type == TYPE_AAAA)
        count = put_addresses(answer, name, type);
    answer->bytes[2] = 0x81;
    answer->bytes[3] = (uint8_t)(0x80 | code);
    memset(answer->bytes + 6, 0, 6);
    answer->bytes[7] = (uint8_t)count;
    return true;
}

static void note_port(struct dns_server *server, unsigned port)
{
    uint8_t *byte = &server->ports[port / 8], bit = (uint8_t)(1u << port % 8);
    server->port_count += (*byte & bit) == 0;
    *byte |= bit;
}

static void serve_one(struct dns_server *server)
{
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    struct packet asked, answer = {.len = 0};
    ssize_t n = recvfrom(server->fd, asked.bytes, sizeof(asked.bytes), 0, (struct sockaddr *)&from, &from_len);
    if (n < HEAD_LEN)
        return;
    asked.len = (size_t)n;
    pthread_mutex_lock(&server->mutex);
    server->questions++;
    note_port(server, ntohs(from.sin_port));
    bool said = answer_to(server, &asked, &answer);
    pthread_mutex_unlock(&server->mutex);
    if (said)
        sendto(server->fd, answer.bytes, answer.len, 0, (struct sockaddr *)&from, from_len);
}

static void *serve(void *ctx)
{
    struct dns_server *server = ctx;
    struct pollfd watched[2] = {{.fd = server->fd, .events = POLLIN}, {.fd = server->stop[0], .events = POLLIN}};
    while (poll(watched, 2, -1) > 0 && watched[1].revents == 0)
        serve_one(server);
    return NULL;
}

struct dns_server *dns_server_start(const struct dns_name *names, size_t count)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(here);
    struct dns_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        abort();
    server->names = names;
    server->count = count;
    pthread_mutex_init(&server->mutex, NULL);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (server->fd < 0 || bind(server->fd, (struct sockaddr *)&here, sizeof(here)) != 0 ||
        getsockname(server->fd, (struct sockaddr *)&here, &len) != 0 || pipe(server->stop) != 0)
        abort();
    snprintf(server->address, sizeof(server->address), "127.0.0.1:%u", ntohs(here.sin_port));
    if (pthread_create(&server->thread, NULL, serve, server) != 0)
        abort();
    return server;
}

void dns_server_change(struct dns_server *server, const struct dns_name *names, size_t count)
{
    pthread_mutex_lock(&server->mutex);
    server->names = names;
    server->count = count;
    pthread_mutex_unlock(&server->mutex);
}

void dns_server_stop(struct dns_server *server)
{
    if (server == NULL)
        return;
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->fd);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

const char *dns_server_address(const struct dns_server *server)
{
    return server->address;
}

size_t dns_server_questions(struct dns_server *server)
{
    pthread_mutex_lock(&server->mutex);
    size_t questions = server->questions;
    pthread_mutex_unlock(&server->mutex);
    return questions;
}

size_t dns_server_ports(struct dns_server *server)
{
    pthread_mutex_lock(&server->mutex);
    size_t ports = server->port_count;
    pthread_mutex_unlock(&server->mutex);
    return ports;
}
