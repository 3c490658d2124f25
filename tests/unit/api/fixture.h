/* The native API over a real vault, real sealing and a clock that stands still; what it records is kept to look at. */
#ifndef AMP_TESTS_API_FIXTURE_H
#define AMP_TESTS_API_FIXTURE_H

#include "../support.h"

#include <jansson.h>

#include "api/api.h"

#define NOW_MS     INT64_C(1770000000123) /* 2026-02-02T02:40:00.123Z */
#define NUMBER     "4111111111111111"
#define CARD       "{\"number\":\"" NUMBER "\",\"exp_month\":12,\"exp_year\":2030,\"cvc\":\"123\",\"name\":\"J DOE\"}"
#define MASKED     "{\"brand\":\"visa\",\"bin\":\"411111\",\"last4\":\"1111\",\"exp_month\":12,\"exp_year\":2030}"
#define ORDER      "{\"card\":" CARD ",\"queue\":\"payments\",\"ttl_ms\":10000,\"metadata\":{\"order\":\"42\"}}"
#define NO_SUCH    "tok_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define EVENTS_MAX 512
/* A subscriber's public key (RFC 7517 appendix A.1), as it is kept, and its thumbprint. */
#define JWK                                                                                                            \
    "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","                         \
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}"
#define JWK_D "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"
#define KID   "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"

struct recorded {
    struct amp_event event;
    bool want_durable;
    char queue[AMP_EVENT_QUEUE_MAX + 1];
    char who[AMP_EVENT_WHO_MAX + 1];
    char source[AMP_EVENT_SOURCE_MAX + 1];
    char subject[AMP_EVENT_SUBJECT_MAX + 1];
};

/* What was asked of keeper or courier, copied. */
struct asked {
    enum amp_api_ask_kind kind;
    struct amp_subscription wanted;
    char who[AMP_PRINCIPAL_KEY_ID_LEN + 1];
    uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN];
    char body[1024];
};

struct fixture {
    struct amp_clock_fake hands;
    struct amp_budget budget;
    struct amp_epochs *epochs;
    struct amp_token_keys *token_keys;
    struct amp_vault *vault;
    struct amp_idempotency *idempotency;
    struct amp_queue_engine queues;
    struct amp_subscribers *subscribers; /* none, and that is known */
    int available;                       /* what the engine's hook of this name returns, */
    size_t announced;                    /* and how often it was called */
    struct amp_api_config config;        /* what api was made with */
    struct amp_api *api;
    struct amp_principal shop;    /* may do everything */
    struct amp_principal gateway; /* may claim, inspect and revoke on payments */
    struct amp_principal nobody;  /* may do nothing */
    struct amp_api_readiness readiness;
    struct recorded events[EVENTS_MAX];
    size_t event_count;
    long record_fails_after; /* so many more events are taken; -1: all */
    struct asked asked;      /* the last thing that was asked */
    size_t ask_count;
    enum amp_err ask_err; /* what asking returns */
    struct amp_api_counts counts;
    /* the next requests' headers; NULL: not sent */
    const char *key;
    const char *query;
    const char *content_type;
    const char *target;        /* X-Amz-Target */
    const char *authorization; /* as it verified */
    const struct amp_principal *who;
};
extern struct fixture fx;

int fixture_group_setup(void **state);
int fixture_group_teardown(void **state);
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* One answer, parsed; NULL json where there is no body. It replaces the one before. */
struct answer {
    struct amp_api_response response;
    json_t *json;
    char *text; /* the body with a NUL */
};
extern struct answer answer;

/* Serves one request and settles it as durable. Every answer is held against the document's list of codes. */
int post(const char *path, const char *json);
int get(const char *path);
int call_route(enum amp_method method, const char *path, const char *text);
/* The same, but leaves a gated answer unsettled. */
int post_unsettled(const char *path, const char *json);
int post_bytes(const char *path, const char *json, size_t len);
void settle(bool durable);
/* Goes on with the call that was parked last; `told` as amp_api_resume. Returns its status, 0 where it waits on. */
int resume(enum amp_resume why, const struct amp_api_answer *told);

const char *code(void);               /* of the answer's problem document */
const char *member(const char *name); /* a string of the answer; fails the test where there is none */
const struct recorded *last_event(void);
/* New tokens: the answer's, and one made from ORDER; NUL-terminated, valid until 16 more were asked for. */
char *keep(const char *text);
char *new_token(void);
/* {"name":"value"} */
char *body(const char *name, const char *value);

/* A subscription as the keeper tells it: id of this byte throughout, made so many milliseconds after NOW_MS, active, to
 * https://gateway.example/ampoule, owned by shop. `jwk` may be NULL. */
struct amp_subscription subscription_of(uint8_t id, const char *queue, const char *jwk);

/* May `route` answer `err`, by the list that docs/openapi.json is held against? NULL: what precedes routing. */
bool code_is_listed(const struct amp_route *route, enum amp_err err);
/* The same for an item of a batch. */
bool item_code_is_listed(enum amp_err err);

#endif
