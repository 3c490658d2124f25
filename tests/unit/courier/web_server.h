/* An HTTP endpoint on loopback in a thread of the test, that plays a script: one step for each request it is sent. */
#ifndef AMP_TESTS_WEB_SERVER_H
#define AMP_TESTS_WEB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEB_SERVER_MAX_REQUESTS 64
#define WEB_SERVER_MAX_STEPS    16

struct web_step {
    const char *answer; /* sent whole; NULL: none, ever */
    size_t padding;     /* so many bytes more behind it */
    bool hang_up;       /* closes behind the answer, or instead of one */
    bool reset;         /* the same, by RST */
};

struct web_server;

/* The last step repeats. The steps are copied; the texts they name live as long as the server. */
struct web_server *web_server_start(const struct web_step *steps, size_t count);
/* Joins the thread; its connections are closed. NULL does nothing. */
void web_server_stop(struct web_server *server);

uint16_t web_server_port(const struct web_server *server);
/* What came: whole requests as text, in order, and how many connections there were. */
size_t web_server_requests(struct web_server *server);
void web_server_await(struct web_server *server, size_t requests);
const char *web_server_request(struct web_server *server, size_t i);
size_t web_server_connections(struct web_server *server);

#endif
