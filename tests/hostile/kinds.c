/* What each kind of attack sends. */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attack.h"

#define BODY_MAX  (256u * 1024) /* of POST /v1/tokens */
#define CHUNK     (16u * 1024)
#define GIGABYTE  ((uint64_t)1 << 30)
#define HELD_BODY (40u * 1024) /* what a slow body sends at once, to be held while it drips */

struct bomb {
    uint8_t *bytes;
    size_t len;
    char hash[65];
};

static struct bomb bombs[16];
static size_t bomb_count;
static uint8_t chunk[CHUNK + 16], filler[HELD_BODY], pipeline[CHUNK];
static size_t chunk_len, pipeline_len;
static char no_body_hash[65];

static void say(struct conn *conn, const uint8_t *body, size_t body_len)
{
    conn->head_len = strlen(conn->head);
    conn->head_at = 0;
    conn->body = body;
    conn->body_len = body_len;
    conn->body_at = 0;
    conn->begun = true;
}

static void slow_head(struct conn *conn)
{
    const char *text = conn->begun ? "x-slow: 1\r\n" : "GET /healthz HTTP/1.1\r\nhost: a\r\n";
    (void)snprintf(conn->head, HEAD_MAX, "%s", text);
    say(conn, NULL, 0);
}

static void slow_body(struct conn *conn)
{
    if (conn->begun) {
        (void)snprintf(conn->head, HEAD_MAX, "x");
        say(conn, NULL, 0);
        return;
    }
    (void)snprintf(
        conn->head, HEAD_MAX,
        "POST /v1/tokens HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 200000\r\n\r\n");
    say(conn, filler, sizeof filler);
}

/* Asks for long answers, many at once, and takes none. */
static void slow_read(struct conn *conn)
{
    conn->head[0] = '\0';
    say(conn, pipeline, pipeline_len);
}

static void giant_chunked(struct conn *conn)
{
    conn->head[0] = '\0';
    if (!conn->begun) {
        conn->sent = 0;
        (void)snprintf(conn->head, HEAD_MAX,
                       "POST /v1/tokens HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
                       "transfer-encoding: chunked\r\n\r\n");
    } else if (conn->sent >= GIGABYTE) {
        (void)snprintf(conn->head, HEAD_MAX, "0\r\n\r\n");
        say(conn, NULL, 0);
        conn->begun = false;
        return;
    }
    conn->sent += CHUNK;
    say(conn, chunk, chunk_len);
}

static void request(struct conn *conn, const char *fields, const uint8_t *body, size_t body_len)
{
    (void)snprintf(
        conn->head, HEAD_MAX,
        "POST /v1/tokens HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n%s\r\n",
        conn->attack->attacker->host, body_len, fields);
    say(conn, body, body_len);
}

/* By a key that exists, over another body than is sent. */
static void bad_signature(struct conn *conn)
{
    static const char body[] = "{\"card\":{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":2030}}";
    char fields[512];
    (void)sign_fields(conn->attack->attacker, "POST", "/v1/tokens", no_body_hash, fields, sizeof fields);
    request(conn, fields, (const uint8_t *)body, sizeof body - 1);
}

/* By a key that nobody has: the daemon must ask its keeper about each. */
static void invented_key(struct conn *conn)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    struct attacker stranger = *conn->attack->attacker;
    uint8_t random[16];
    char fields[512];
    if (RAND_bytes(random, sizeof random) != 1)
        die("RAND_bytes");
    (void)snprintf(stranger.key_id, sizeof stranger.key_id, "AMPK");
    for (size_t i = 0; i < sizeof random; i++)
        stranger.key_id[4 + i] = letters[random[i] & 31];
    stranger.key_id[20] = '\0';
    (void)sign_fields(&stranger, "POST", "/v1/tokens", no_body_hash, fields, sizeof fields);
    request(conn, fields, NULL, 0);
}

/* By a key that may, and right: of one who wants all that he can get. */
static void good_request(struct conn *conn)
{
    static const char body[] = "{\"card\":{\"number\":\"4111111111111111\",\"exp_month\":12,\"exp_year\":2030}}";
    static char hash[65];
    char fields[512];
    if (hash[0] == '\0')
        hash_hex(body, sizeof body - 1, hash);
    (void)sign_fields(conn->attack->attacker, "POST", "/v1/tokens", hash, fields, sizeof fields);
    request(conn, fields, (const uint8_t *)body, sizeof body - 1);
}

/* By a key that may: the body is what it is about. */
static void json_bomb(struct conn *conn)
{
    const struct bomb *bomb = &bombs[conn->attack->turn++ % bomb_count];
    char fields[512];
    (void)sign_fields(conn->attack->attacker, "POST", "/v1/tokens", bomb->hash, fields, sizeof fields);
    request(conn, fields, bomb->bytes, bomb->len);
}

/* `opening`, then as many of `unit` as there is room for (with a number where it asks for one), then `closing`. */
static void make_bomb(const char *opening, const char *unit, const char *closing)
{
    struct bomb *bomb = &bombs[bomb_count++];
    const size_t room = BODY_MAX - strlen(closing) - 32;
    char *bytes = calloc(1, BODY_MAX);
    if (bytes == NULL)
        die("memory");
    size_t len = (size_t)snprintf(bytes, BODY_MAX, "%s", opening);
    const char *number = strchr(unit, '#');
    for (unsigned i = 0; len + strlen(unit) < room; i++) {
        const int before = number != NULL ? (int)(number - unit) : (int)strlen(unit);
        len += (size_t)snprintf(bytes + len, BODY_MAX - len, "%.*s", before, unit);
        if (number != NULL)
            len += (size_t)snprintf(bytes + len, BODY_MAX - len, "%u%s", i, number + 1);
    }
    len += (size_t)snprintf(bytes + len, BODY_MAX - len, "%s", closing);
    *bomb = (struct bomb){.bytes = (uint8_t *)bytes, .len = len};
    hash_hex(bytes, len, bomb->hash);
}

static void make_bombs(void)
{
    make_bomb("{\"data\":", "[", "");                          /* deep, and open */
    make_bomb("{\"data\":", "{\"a\":", "0");                   /* deep objects */
    make_bomb("{\"data\":{", "\"m#\":0,", "\"z\":0}}");        /* wide: a member for every few bytes */
    make_bomb("{\"data\":{", "\"a\":0,", "\"a\":0}}");         /* one member again and again */
    make_bomb("{", "\"m#\":0,", "\"z\":0}");                   /* wide where members have a meaning */
    make_bomb("{\"data\":[", "[],", "[]]}");                   /* many values */
    make_bomb("{\"data\":", "9", "}");                         /* one number */
    make_bomb("{\"data\":[", "1e99999999,", "0]}");            /* numbers out of every range */
    make_bomb("{\"data\":\"", "aaaaaaaa", "\"}");              /* one string */
    make_bomb("{\"data\":\"", "\\u0000\\ud83d\\ude00", "\"}"); /* escapes that shrink */
    make_bomb("{\"data\":\"", "\\ud83d", "\"}");               /* halves of pairs */
    make_bomb("{\"card\":{\"number\":\"", "4", "\"}}");        /* a long card */
    make_bomb("{\"metadata\":{", "\"m#\":\"\\u0041\",", "\"z\":\"\"},\"data\":0}");
}

void kinds_prepare(void)
{
    static const char one[] = "GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n";
    hash_hex("", 0, no_body_hash);
    memset(filler, ' ', sizeof filler);
    memset(chunk, ' ', sizeof chunk);
    chunk_len = (size_t)snprintf((char *)chunk, sizeof chunk, "%x\r\n", CHUNK);
    chunk[chunk_len] = ' ';
    memcpy(chunk + chunk_len + CHUNK, "\r\n", 2);
    chunk_len += CHUNK + 2;
    for (; pipeline_len + sizeof one < sizeof pipeline; pipeline_len += sizeof one - 1)
        memcpy(pipeline + pipeline_len, one, sizeof one - 1);
    make_bombs();
}

const struct kind kinds[] = {
    {.name = "idle", .connections = 10100, .stands = true},
    {.name = "hellos", .connections = 64, .hello_only = true},
    {.name = "handshakes", .connections = 64, .full_handshake = true, .leaves_at_once = true},
    {.name = "heads", .connections = 1010, .rate = 1010, .stands = true, .act = slow_head},
    {.name = "bodies", .connections = 1010, .rate = 1010, .stands = true, .act = slow_body},
    {.name = "reads", .connections = 510, .rate = 510, .stands = true, .reads_nothing = true, .act = slow_read},
    {.name = "chunked", .connections = 4, .act = giant_chunked},
    {.name = "signatures", .connections = 256, .rate = 2000, .awaits = true, .act = bad_signature},
    {.name = "strangers", .connections = 256, .rate = 2000, .awaits = true, .act = invented_key},
    {.name = "bombs", .connections = 8, .awaits = true, .act = json_bomb},
    {.name = "principal", .connections = 64, .awaits = true, .act = good_request},
    {.name = NULL},
};

const struct kind *kind_find(const char *name, size_t len)
{
    for (const struct kind *kind = kinds; kind->name != NULL; kind++) {
        if (strlen(kind->name) == len && memcmp(kind->name, name, len) == 0)
            return kind;
    }
    return NULL;
}
