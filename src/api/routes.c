/* The table of what is served, and the way from a method and a path to its row. */
#include "api/internal.h"

#define NATIVE "ampoule"

#define OPEN_GET(path, handle)                                                                                         \
    {                                                                                                                  \
        AMP_METHOD_GET, path, sizeof(path) - 1, 0, NATIVE, AMP_ACT_REQUEST, true, true, 0, handle                      \
    }
#define SIGNED_GET(path, act, handle)                                                                                  \
    {                                                                                                                  \
        AMP_METHOD_GET, path, sizeof(path) - 1, 0, NATIVE, act, false, true, 0, handle                                 \
    }
#define SIGNED_POST(path, act, deep, handle)                                                                           \
    {                                                                                                                  \
        AMP_METHOD_POST, path, sizeof(path) - 1, 0, NATIVE, act, false, deep, AMP_API_MAX_BODY, handle                 \
    }
#define TOKENS(path, act, handle) SIGNED_POST(path, act, false, handle)
/* The same of one thing, which is named between `before` and `behind`. */
#define SIGNED_POST_ID(before, behind, act, handle)                                                                    \
    {                                                                                                                  \
        AMP_METHOD_POST, before "{id}" behind, sizeof(before "{id}" behind) - 1, sizeof(before) - 1, NATIVE, act,      \
            false, true, AMP_API_MAX_BODY, handle                                                                      \
    }
#define SIGNED_DELETE_ID(before, act, handle)                                                                          \
    {                                                                                                                  \
        AMP_METHOD_DELETE, before "{id}", sizeof(before "{id}") - 1, sizeof(before) - 1, NATIVE, act, false, true, 0,  \
            handle                                                                                                     \
    }
/* Which act it is, the body says. */
#define SQS(path, id_at)                                                                                               \
    {                                                                                                                  \
        AMP_METHOD_POST, path, sizeof(path) - 1, id_at, "sqs", AMP_ACT_REQUEST, false, true, AMP_SQS_MAX_REQUEST,      \
            amp_handle_sqs                                                                                             \
    }

const struct amp_route amp_api_routes[] = {
    TOKENS("/v1/tokens", AMP_ACT_TOKENIZE, amp_handle_tokenize),
    TOKENS("/v1/tokens/batch", AMP_ACT_TOKENIZE, amp_handle_batch),
    TOKENS("/v1/inspect", AMP_ACT_INSPECT, amp_handle_inspect),
    TOKENS("/v1/claim", AMP_ACT_CLAIM, amp_handle_claim),
    TOKENS("/v1/commit", AMP_ACT_COMMIT, amp_handle_commit),
    TOKENS("/v1/abort", AMP_ACT_ABORT, amp_handle_abort),
    TOKENS("/v1/redeem", AMP_ACT_REDEEM, amp_handle_redeem),
    TOKENS("/v1/revoke", AMP_ACT_REVOKE, amp_handle_revoke),
    SQS("/", 0),
    SQS(AMP_SQS_PATH "{id}", sizeof(AMP_SQS_PATH) - 1),
    SIGNED_POST("/v1/subscriptions", AMP_ACT_SUBSCRIPTION_CREATE, true, amp_handle_subscriptions_create),
    SIGNED_GET("/v1/subscriptions", AMP_ACT_SUBSCRIPTION_LIST, amp_handle_subscriptions_list),
    SIGNED_DELETE_ID("/v1/subscriptions/", AMP_ACT_SUBSCRIPTION_DELETE, amp_handle_subscriptions_delete),
    SIGNED_POST_ID("/v1/subscriptions/", "/rotate", AMP_ACT_SUBSCRIPTION_ROTATE, amp_handle_subscriptions_rotate),
    SIGNED_POST_ID("/v1/subscriptions/", "/test", AMP_ACT_SUBSCRIPTION_TEST, amp_handle_subscriptions_test),
    SIGNED_GET("/v1/stats", AMP_ACT_STATS, amp_handle_stats),
    OPEN_GET("/healthz", amp_handle_healthz),
    OPEN_GET("/readyz", amp_handle_readyz),
    OPEN_GET("/openapi.json", amp_handle_openapi),
};
const size_t amp_api_route_count = sizeof amp_api_routes / sizeof amp_api_routes[0];

/* Whether the path is one of this row; *id is what stands for "{id}". */
static bool is_path_of(const struct amp_route *route, struct amp_slice path, struct amp_slice *id)
{
    const size_t hole = sizeof "{id}" - 1;
    if (route->id_at == 0)
        return amp_slice_equal(path, amp_slice(route->path, route->path_len));
    size_t behind = route->path_len - route->id_at - hole;
    if (path.len <= route->id_at + behind || memcmp(path.ptr, route->path, route->id_at) != 0)
        return false;
    *id = amp_slice(path.ptr + route->id_at, path.len - route->id_at - behind);
    return memchr(id->ptr, '/', id->len) == NULL &&
           memcmp(id->ptr + id->len, route->path + route->id_at + hole, behind) == 0;
}

/* RFC 9110 section 10.2.1: Allow lists what the path takes. */
static const char *allow_of(bool get, bool post, bool del)
{
    static const char *const lists[2][2][2] = {
        {{NULL, "DELETE"}, {"POST", "POST, DELETE"}},
        {{"GET, HEAD", "GET, HEAD, DELETE"}, {"GET, HEAD, POST", "GET, HEAD, POST, DELETE"}},
    };
    return lists[get][post][del];
}

enum amp_err amp_api_route(enum amp_method method, struct amp_slice path, const struct amp_route **route,
                           struct amp_slice *id, const char **allow)
{
    bool takes[AMP_METHOD_COUNT_] = {false};
    *route = NULL;
    *allow = NULL;
    if (method == AMP_METHOD_HEAD)
        method = AMP_METHOD_GET;
    for (size_t i = 0; i < amp_api_route_count; i++) {
        const struct amp_route *row = &amp_api_routes[i];
        struct amp_slice name = {NULL, 0};
        if (!is_path_of(row, path, &name))
            continue;
        *route = row;
        *id = name;
        if (row->method == method)
            return AMP_OK;
        takes[row->method] = true;
    }
    *allow = allow_of(takes[AMP_METHOD_GET], takes[AMP_METHOD_POST], takes[AMP_METHOD_DELETE]);
    return *allow != NULL ? AMP_ERR_METHOD_NOT_ALLOWED : AMP_ERR_NOT_FOUND;
}
