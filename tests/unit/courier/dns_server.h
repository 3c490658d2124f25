/* A name server in a thread of the test. */
#ifndef AMP_TESTS_DNS_SERVER_H
#define AMP_TESTS_DNS_SERVER_H

#include <stddef.h>
#include <stdint.h>

enum dns_mood { DNS_ANSWERS, DNS_FAILS, DNS_IS_SILENT };

struct dns_name {
    const char *name;         /* any other does not exist */
    const char *addresses[8]; /* as text, of both families; NULL behind the last */
    uint32_t ttl_s;
    enum dns_mood mood;
};

struct dns_server;

struct dns_server *dns_server_start(const struct dns_name *names, size_t count);
/* What it answers from now on. */
void dns_server_change(struct dns_server *server, const struct dns_name *names, size_t count);
/* Joins the thread. NULL does nothing. */
void dns_server_stop(struct dns_server *server);

/* "127.0.0.1:PORT" */
const char *dns_server_address(const struct dns_server *server);
/* Questions that came, of either family. */
size_t dns_server_questions(struct dns_server *server);
/* And how many different ports they came from. */
size_t dns_server_ports(struct dns_server *server);

#endif
