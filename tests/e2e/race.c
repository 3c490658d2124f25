/*
 * Two callers act on one token at the same moment, over TLS and many times: exactly one may win.
 *
 *     race PAIR COUNT [LANES [TTL_MS]]      PAIR: redeem-redeem, claim-redeem, claim-claim, redeem-revoke,
 * redeem-expiry
 *
 * Two threads hold LANES connections each. In every round the first makes LANES tokens, both sign their requests, meet
 * at a barrier and then send, the one from the first token up, the other down in every second round: so both orders
 * come, and in the middle the two are at the same token at once. Then each pair of answers is judged. The connection
 * and key come from the environment, as with `ampoule`. Prints a summary; exit code 0: every pair as it must be.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "client/path.h"
#include "client/reader.h"
#include "client/runtime.h"
#include "client/sign.h"
#include "client/transport.h"
#include "crypto/crypto.h"

enum {
    LANES_MAX = 100,
    BUFFER = 32768,
    DEADLINE_MS = 60000,
    TTL_MS_MAX = 600000,
    LATE_TTL_MS_MAX = 1000,
    TOKEN_LEN = 47,
};

enum verb { REDEEM, CLAIM, REVOKE };

static const struct pair {
    const char *name;
    enum verb verbs[2];
    bool expires; /* the third party is the token's own end */
} pairs[] = {
    {"redeem-redeem", {REDEEM, REDEEM}, false}, {"claim-redeem", {CLAIM, REDEEM}, false},
    {"claim-claim", {CLAIM, CLAIM}, false},     {"redeem-revoke", {REDEEM, REVOKE}, false},
    {"redeem-expiry", {REDEEM, REDEEM}, true},
};

static const struct {
    const char *target;
    int won;
} verbs[] = {[REDEEM] = {"/v1/redeem", 200}, [CLAIM] = {"/v1/claim", 200}, [REVOKE] = {"/v1/revoke", 204}};

struct connection {
    struct amp_client_transport transport;
    uint8_t *bytes; /* the last answer */
    int status;
    struct amp_slice body;
    struct amp_secret_buf wire; /* the next request */
    int64_t sent_unix_ms;
};

struct side {
    struct race *race;
    size_t number; /* 0 or 1 */
    struct amp_client_identity identity;
    uint64_t nonce;
    struct connection connections[LANES_MAX];
};

struct race {
    const struct pair *pair;
    size_t lanes;
    size_t rounds;
    size_t ttl_ms;
    struct amp_client_url url;
    SSL_CTX *tls;
    struct amp_clock clock;
    pthread_barrier_t barrier;
    struct side sides[2];
    char tokens[LANES_MAX][TOKEN_LEN];
    char numbers[LANES_MAX][16];
    int64_t expires_unix_ms[LANES_MAX];
    uint64_t next_number;
    uint64_t wins[2];
    uint64_t expired;
};

enum { CONVICTED = 1, COULD_NOT = 2 };

static _Noreturn void end(int status, const char *why, const struct connection *connection)
{
    fprintf(stderr, "race: %s\n", why);
    if (connection != NULL)
        fprintf(stderr, "race: %d %.*s\n", connection->status, (int)connection->body.len,
                (const char *)connection->body.ptr);
    exit(status);
}

static _Noreturn void die(const char *why, const struct connection *connection)
{
    end(COULD_NOT, why, connection);
}

/* The daemon did what it may not, be it once in a hundred thousand times. */
static _Noreturn void convict(const char *why, const struct connection *connection)
{
    end(CONVICTED, why, connection);
}

static void must(enum amp_err err, const char *what)
{
    if (err != AMP_OK)
        die(what, NULL);
}

static const char *wanted_environment(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL)
        die("AMPOULE_URL, AMPOULE_CA, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed", NULL);
    return value;
}

/* ---- one request, one answer ---- */

static void prepare(struct side *side, struct connection *connection, const char *target, struct amp_slice body)
{
    const struct amp_client_message message = {.method = "POST",
                                               .target = target,
                                               .authority = side->race->url.authority,
                                               .service = "ampoule",
                                               .content_type = "application/json",
                                               .body = body};
    char nonce[AMP_CLIENT_NONCE_LEN + 1];
    snprintf(nonce, sizeof nonce, "%08x%08zx%016llx", (unsigned)getpid(), side->number,
             (unsigned long long)side->nonce++);
    amp_secret_buf_clear(&connection->wire);
    must(amp_client_sign(&connection->wire, &side->identity, &message, amp_clock_unix_ms(&side->race->clock), nonce),
         "a request cannot be signed");
}

static void prepare_act(struct side *side, struct connection *connection, const char *target, const char *member,
                        struct amp_slice subject)
{
    char storage[128];
    struct amp_out body = amp_out(storage, sizeof storage);
    amp_out_str(&body, "{\"");
    amp_out_str(&body, member);
    amp_out_str(&body, "\":\"");
    amp_out_slice(&body, subject);
    amp_out_str(&body, "\"}");
    prepare(side, connection, target, amp_out_done(&body));
}

static void send_prepared(struct side *side, struct connection *connection)
{
    struct amp_client_fault fault;
    const int64_t deadline = amp_clock_mono_ms(&side->race->clock) + DEADLINE_MS;
    connection->sent_unix_ms = amp_clock_unix_ms(&side->race->clock);
    if (amp_client_transport_write(&connection->transport, amp_slice(connection->wire.ptr, connection->wire.len),
                                   deadline, &fault) != AMP_CLIENT_OK)
        die("a request could not be sent", NULL);
}

static void receive(struct side *side, struct connection *connection)
{
    struct amp_client_reader reader = {0};
    struct amp_http1_response head;
    struct amp_client_fault fault;
    const int64_t deadline = amp_clock_mono_ms(&side->race->clock) + DEADLINE_MS;
    size_t len = 0, used = 0;
    enum amp_err err = AMP_ERR_TRUNCATED;
    while (err == AMP_ERR_TRUNCATED) {
        size_t got = 0;
        if (amp_client_transport_read(&connection->transport, connection->bytes + len, BUFFER - len, &got, deadline,
                                      &fault) != AMP_CLIENT_OK)
            die("an answer did not come", NULL);
        len += got;
        err = amp_client_reader_advance(&reader, &head, connection->bytes, len, BUFFER, &used);
    }
    must(err, "an answer is malformed");
    if (used != len)
        die("there is more than one answer", NULL);
    connection->status = reader.status;
    connection->body = amp_slice(connection->bytes + reader.head_len, reader.body_len);
}

static bool body_says(const struct connection *connection, const char *path, const char *json)
{
    struct amp_slice value;
    return connection->body.len != 0 && amp_client_path_valid(connection->body) &&
           amp_client_path_find(connection->body, path, &value) && amp_slice_is(value, json);
}

static bool body_holds(const struct connection *connection, const char *bytes, size_t len)
{
    return memmem(connection->body.ptr, connection->body.len, bytes, len) != NULL;
}

/* ---- tokens ---- */

/* The next card number of all, 4 and 14 digits and Luhn's. */
static void make_number(struct race *race, char number[16])
{
    unsigned sum = 0;
    uint64_t rest = race->next_number++;
    for (size_t i = 15; i-- > 1; rest /= 10)
        number[i] = (char)('0' + rest % 10);
    number[0] = '4';
    for (size_t i = 0; i < 15; i++) {
        unsigned digit = (unsigned)(number[i] - '0') * (i % 2 == 0 ? 2 : 1);
        sum += digit > 9 ? digit - 9 : digit;
    }
    number[15] = (char)('0' + (10 - sum % 10) % 10);
}

static void take_token(struct race *race, const struct connection *connection, size_t lane)
{
    char path[40];
    struct amp_slice token;
    snprintf(path, sizeof path, "results.%zu.token", lane);
    if (!amp_client_path_find(connection->body, path, &token) || token.len != TOKEN_LEN + 2)
        die("there is no token in the answer", connection);
    memcpy(race->tokens[lane], token.ptr + 1, TOKEN_LEN);
}

/* "2026-01-31T23:59:59.123Z", in quotes, as milliseconds. */
static int64_t parse_time(struct amp_slice text)
{
    char basic[17];
    int64_t seconds;
    if (text.len != 26)
        die("expires_at has another form", NULL);
    const char *digits = (const char *)text.ptr + 1;
    snprintf(basic, sizeof basic, "%.4s%.2s%.5s%.2s%.2sZ", digits, digits + 5, digits + 8, digits + 14, digits + 17);
    must(amp_date_parse_basic(&seconds, amp_slice(basic, 16)), "expires_at is not a time");
    return seconds * 1000 + (digits[20] - '0') * 100 + (digits[21] - '0') * 10 + (digits[22] - '0');
}

static void take_expiry(struct race *race, const struct connection *connection, size_t lane)
{
    char path[40];
    struct amp_slice time;
    snprintf(path, sizeof path, "results.%zu.expires_at", lane);
    if (!amp_client_path_find(connection->body, path, &time))
        die("there is no expires_at in the answer", connection);
    race->expires_unix_ms[lane] = parse_time(time);
}

static void make_tokens(struct side *side)
{
    static uint8_t storage[BUFFER];
    struct race *race = side->race;
    struct connection *connection = &side->connections[0];
    struct amp_out body = amp_out(storage, sizeof storage);
    amp_out_str(&body, "{\"items\":[");
    for (size_t lane = 0; lane < race->lanes; lane++) {
        make_number(race, race->numbers[lane]);
        amp_out_str(&body, lane == 0 ? "" : ",");
        amp_out_str(&body, "{\"card\":{\"number\":\"");
        amp_out_bytes(&body, race->numbers[lane], sizeof race->numbers[lane]);
        amp_out_str(&body, "\",\"exp_month\":12,\"exp_year\":2040},\"ttl_ms\":");
        amp_out_u64(&body, race->ttl_ms);
        amp_out_str(&body, "}");
    }
    amp_out_str(&body, "]}");
    prepare(side, connection, "/v1/tokens/batch", amp_out_done(&body));
    send_prepared(side, connection);
    receive(side, connection);
    if (connection->status != 200 || !amp_client_path_valid(connection->body))
        die("no tokens", connection);
    for (size_t lane = 0; lane < race->lanes; lane++) {
        take_token(race, connection, lane);
        take_expiry(race, connection, lane);
    }
}

/* ---- judging ---- */

static bool is_refused_rightly(const struct race *race, const struct connection *loser, enum verb winner)
{
    if (race->pair->expires && loser->status == 410 && body_says(loser, "reason", "\"expired\""))
        return true;
    if (loser->status == 409)
        return body_says(loser, "code", "\"token_claimed\"");
    return loser->status == 410 && body_says(loser, "code", "\"token_gone\"") &&
           body_says(loser, "reason", winner == REVOKE ? "\"revoked\"" : "\"used\"");
}

/* What won has what it was promised, and a claim can be ended. */
static void judge_winner(struct side *side, struct connection *winner, enum verb verb, size_t lane)
{
    struct amp_slice claim;
    if (verb == REVOKE)
        return;
    if (!body_holds(winner, side->race->numbers[lane], sizeof side->race->numbers[lane]))
        convict("the winner got another card", winner);
    if (verb != CLAIM)
        return;
    if (!amp_client_path_find(winner->body, "claim", &claim) || claim.len != TOKEN_LEN + 2)
        convict("the winner got no claim", winner);
    prepare_act(side, winner, "/v1/commit", "claim", amp_slice(claim.ptr + 1, TOKEN_LEN));
    send_prepared(side, winner);
    receive(side, winner);
    if (winner->status != 204)
        convict("the winner's claim cannot be committed", winner);
}

static void judge(struct race *race, size_t lane)
{
    struct connection *both[2] = {&race->sides[0].connections[lane], &race->sides[1].connections[lane]};
    const enum verb *verb = race->pair->verbs;
    bool won[2] = {both[0]->status == verbs[verb[0]].won, both[1]->status == verbs[verb[1]].won};
    if (won[0] && won[1])
        convict("both won", both[0]);
    for (size_t side = 0; side < 2; side++) {
        if (!won[side] && (!is_refused_rightly(race, both[side], verb[1 - side]) ||
                           body_holds(both[side], race->numbers[lane], sizeof race->numbers[lane])))
            convict("an answer is neither a win nor a right refusal", both[side]);
        /* Both clocks are this machine's; each rounds down to a millisecond. */
        if (won[side] && race->pair->expires && both[side]->sent_unix_ms > race->expires_unix_ms[lane] + 1)
            convict("a card came out after its expiry", both[side]);
    }
    if (!won[0] && !won[1]) {
        if (!race->pair->expires)
            convict("nobody won", both[0]);
        race->expired++;
        return;
    }
    const size_t winner = won[0] ? 0 : 1;
    race->wins[winner]++;
    judge_winner(&race->sides[0], both[winner], verb[winner], lane);
}

/* ---- two threads ---- */

/* Shortly before the first expires: some lanes come before their moment, some behind it. Where making ready took longer
 * than that, the next tokens live longer. */
static void await_expiry(struct side *side, size_t round)
{
    struct race *race = side->race;
    const int64_t from_ms = race->expires_unix_ms[0] - (int64_t)(round % 4);
    if (side->number == 0 && amp_clock_unix_ms(&race->clock) >= from_ms && race->ttl_ms < LATE_TTL_MS_MAX)
        race->ttl_ms *= 2;
    while (amp_clock_unix_ms(&race->clock) < from_ms) {
        const struct timespec moment = {0, 200000};
        nanosleep(&moment, NULL);
    }
}

static void *run_side(void *ctx)
{
    struct side *side = ctx;
    struct race *race = side->race;
    const enum verb verb = race->pair->verbs[side->number];
    /* Each thread starts it: what it keeps for a thread ends with that. */
    must(amp_client_runtime_start(), "the cryptographic library cannot be started");
    for (size_t round = 0; round < race->rounds; round++) {
        if (side->number == 0)
            make_tokens(side);
        pthread_barrier_wait(&race->barrier);
        for (size_t lane = 0; lane < race->lanes; lane++)
            prepare_act(side, &side->connections[lane], verbs[verb].target, "token",
                        amp_slice(race->tokens[lane], TOKEN_LEN));
        if (race->pair->expires)
            await_expiry(side, round);
        pthread_barrier_wait(&race->barrier);
        const bool downwards = side->number == 1 && round % 2 == 1;
        for (size_t i = 0; i < race->lanes; i++)
            send_prepared(side, &side->connections[downwards ? race->lanes - 1 - i : i]);
        for (size_t lane = 0; lane < race->lanes; lane++)
            receive(side, &side->connections[lane]);
        pthread_barrier_wait(&race->barrier);
        for (size_t lane = 0; side->number == 0 && lane < race->lanes; lane++)
            judge(race, lane);
    }
    return NULL;
}

static void open_side(struct side *side)
{
    struct amp_client_fault fault;
    struct race *race = side->race;
    const char *region = getenv("AWS_REGION");
    side->identity = (struct amp_client_identity){
        .key_id = amp_slice_str(wanted_environment("AWS_ACCESS_KEY_ID")),
        .secret = amp_slice_str(wanted_environment("AWS_SECRET_ACCESS_KEY")),
        .region = amp_slice_str(region != NULL ? region : "us-east-1"),
        .day_key = amp_secret_alloc(sizeof *side->identity.day_key),
    };
    if (side->identity.day_key == NULL)
        die("out of memory", NULL);
    for (size_t lane = 0; lane < race->lanes; lane++) {
        struct connection *connection = &side->connections[lane];
        connection->bytes = malloc(BUFFER);
        if (connection->bytes == NULL ||
            amp_client_transport_init(&connection->transport, race->tls) != AMP_CLIENT_OK ||
            amp_client_transport_open(&connection->transport, &race->url, amp_clock_mono_ms(&race->clock) + DEADLINE_MS,
                                      &fault) != AMP_CLIENT_OK)
            die("cannot connect", NULL);
    }
}

static void close_side(struct side *side)
{
    for (size_t lane = 0; lane < side->race->lanes; lane++) {
        amp_client_transport_fini(&side->connections[lane].transport);
        amp_secret_buf_free(&side->connections[lane].wire);
        free(side->connections[lane].bytes);
    }
    amp_secret_free(side->identity.day_key);
}

static size_t take_count(const char *text, uint64_t max)
{
    uint64_t value = 0;
    if (amp_u64_parse(&value, amp_slice_str(text), max) != AMP_OK || value == 0)
        die("usage: race PAIR COUNT [LANES [TTL_MS]]", NULL);
    return (size_t)value;
}

int main(int argc, char **argv)
{
    static struct race race;
    pthread_t other;
    for (size_t i = 0; argc >= 3 && i < sizeof pairs / sizeof pairs[0]; i++)
        race.pair = strcmp(argv[1], pairs[i].name) == 0 ? &pairs[i] : race.pair;
    if (race.pair == NULL)
        die("usage: race PAIR COUNT [LANES [TTL_MS]]", NULL);
    race.lanes = argc > 3 ? take_count(argv[3], LANES_MAX) : 64;
    race.rounds = (take_count(argv[2], 100000000) + race.lanes - 1) / race.lanes;
    race.ttl_ms = argc > 4 ? take_count(argv[4], TTL_MS_MAX) : TTL_MS_MAX;
    race.clock = amp_clock_system();
    must(amp_client_runtime_start(), "the cryptographic library cannot be started");
    must(amp_client_url_parse(&race.url, wanted_environment("AMPOULE_URL")), "AMPOULE_URL is malformed");
    must(amp_client_tls_new(&race.tls, wanted_environment("AMPOULE_CA")), "AMPOULE_CA cannot be used");
    pthread_barrier_init(&race.barrier, NULL, 2);
    for (size_t i = 0; i < 2; i++) {
        race.sides[i].race = &race;
        race.sides[i].number = i;
        open_side(&race.sides[i]);
    }
    if (pthread_create(&other, NULL, run_side, &race.sides[1]) != 0)
        die("no thread", NULL);
    run_side(&race.sides[0]);
    pthread_join(other, NULL);
    printf("%s: %zu tokens, the first won %llu, the second %llu, expired %llu\n", race.pair->name,
           race.rounds * race.lanes, (unsigned long long)race.wins[0], (unsigned long long)race.wins[1],
           (unsigned long long)race.expired);
    close_side(&race.sides[0]);
    close_side(&race.sides[1]);
    pthread_barrier_destroy(&race.barrier);
    SSL_CTX_free(race.tls);
    return 0;
}
