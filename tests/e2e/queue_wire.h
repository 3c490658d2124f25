/* One thread's connection to the SQS API: signed calls in AWS JSON 1.0, and calls that are cut on purpose. Whatever
 * else goes wrong ends the program. */
#ifndef QUEUE_WIRE_H
#define QUEUE_WIRE_H

#include "client/sign.h"
#include "client/transport.h"

/* What all threads share. */
struct wire_peer {
    struct amp_client_url url;
    SSL_CTX *tls;
    struct amp_clock clock;
};

struct wire {
    const struct wire_peer *peer;
    size_t number; /* of the thread: no two alike */
    struct amp_client_transport transport;
    struct amp_client_identity identity;
    uint64_t nonce;
    uint64_t random; /* the state of wire_random, not 0 */
    struct amp_secret_buf request;
    uint8_t *bytes; /* the last answer */
    int status;
    struct amp_slice body; /* valid JSON, or empty; until the next call */
};

enum wire_fault {
    WIRE_SOUND,
    WIRE_CUT_WITHIN, /* the connection ends before the request does: nothing may come of it */
    WIRE_CUT_BEHIND, /* it ends, in order or by a reset, at once or a moment later, before the answer was read */
};

_Noreturn void wire_die(const char *why, const struct wire *wire);

/* The connection and key come from the environment, as with `ampoule`. */
void wire_peer_init(struct wire_peer *peer);
void wire_peer_fini(struct wire_peer *peer);
/* In the thread that uses it. */
void wire_init(struct wire *wire, const struct wire_peer *peer, size_t number, uint64_t seed);
void wire_fini(struct wire *wire);

int64_t wire_now_ms(const struct wire *wire);
/* 0 to bound - 1, the same for the same seed. */
uint32_t wire_random(struct wire *wire, uint32_t bound);

/* True with an answer in wire->status and ->body; false where it was cut. */
bool wire_call(struct wire *wire, const char *action, struct amp_slice json, enum wire_fault fault);
/* Ends the connection as a crash does; the next call makes another. */
void wire_drop(struct wire *wire);

/* The text at `path` without its quotes; ends the program where there is none. It must not need escapes. */
struct amp_slice wire_text(const struct wire *wire, struct amp_slice json, const char *path);
/* The same of the answer's `list`. */
struct amp_slice wire_text_in(const struct wire *wire, const char *list, uint32_t at, const char *name);
bool wire_has(const struct wire *wire, const char *list, uint32_t at);
/* Decimal digits, zeros in front or not. */
uint64_t wire_number(const struct wire *wire, struct amp_slice text);

/* `,"name":"text"` and `,"name":number` */
void wire_put_text(struct amp_out *out, const char *name, struct amp_slice text);
void wire_put_number(struct amp_out *out, const char *name, uint64_t number);

#endif
