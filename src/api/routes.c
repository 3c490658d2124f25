#include <stdlib.h>

#include "api/internal.h"

/* The deepest handler uses less stack than this; what it left there is overwritten. */
#define STACK_USED 16384
/* Scratch that grew beyond this for one large call is given back behind it. */
#define SCRATCH_KEPT 16384

#define OPEN_GET(path, handle)                                                                                         \
    {                                                                                                                  \
        AMP_METHOD_GET, path, sizeof(path) - 1, AMP_ACT_REQUEST, true, 0, handle                                       \
    }
#define SIGNED_POST(path, act, handle)                                                                                 \
    {                                                                                                                  \
        AMP_METHOD_POST, path, sizeof(path) - 1, act, false, AMP_API_MAX_BODY, handle                                  \
    }

const struct amp_route amp_api_routes[] = {
    SIGNED_POST("/v1/tokens", AMP_ACT_TOKENIZE, amp_handle_tokenize),
    SIGNED_POST("/v1/tokens/batch", AMP_ACT_TOKENIZE, amp_handle_batch),
    SIGNED_POST("/v1/inspect", AMP_ACT_INSPECT, amp_handle_inspect),
    SIGNED_POST("/v1/claim", AMP_ACT_CLAIM, amp_handle_claim),
    SIGNED_POST("/v1/commit", AMP_ACT_COMMIT, amp_handle_commit),
    SIGNED_POST("/v1/abort", AMP_ACT_ABORT, amp_handle_abort),
    SIGNED_POST("/v1/redeem", AMP_ACT_REDEEM, amp_handle_redeem),
    SIGNED_POST("/v1/revoke", AMP_ACT_REVOKE, amp_handle_revoke),
    OPEN_GET("/healthz", amp_handle_healthz),
    OPEN_GET("/readyz", amp_handle_readyz),
    OPEN_GET("/openapi.json", amp_handle_openapi),
};
const size_t amp_api_route_count = sizeof amp_api_routes / sizeof amp_api_routes[0];

enum amp_err amp_api_route(enum amp_method method, struct amp_slice path, const struct amp_route **route,
                           const char **allow)
{
    *route = NULL;
    *allow = NULL;
    if (method == AMP_METHOD_HEAD)
        method = AMP_METHOD_GET;
    for (size_t i = 0; i < amp_api_route_count; i++) {
        if (!amp_slice_equal(path, amp_slice(amp_api_routes[i].path, amp_api_routes[i].path_len)))
            continue;
        if (amp_api_routes[i].method == method) {
            *route = &amp_api_routes[i];
            return AMP_OK;
        }
        *allow = amp_api_routes[i].method == AMP_METHOD_GET ? "GET, HEAD" : "POST";
    }
    return *allow != NULL ? AMP_ERR_METHOD_NOT_ALLOWED : AMP_ERR_NOT_FOUND;
}

enum amp_err amp_api_new(struct amp_api **out, const struct amp_api_config *config)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    (*out)->config = *config;
    return AMP_OK;
}

void amp_api_free(struct amp_api *api)
{
    if (api == NULL)
        return;
    amp_secret_buf_free(&api->plain);
    amp_secret_buf_free(&api->sealed);
    amp_secret_buf_free(&api->stored);
    amp_secret_buf_free(&api->spare);
    free(api);
}

void amp_api_rinse(struct amp_secret_buf *scratch)
{
    if (scratch->cap > SCRATCH_KEPT)
        amp_secret_buf_free(scratch);
    else
        amp_secret_buf_clear(scratch);
}

/* RFC 9110 section 8.3: application/json, whatever parameters follow (RFC 8259 section 11 knows none). */
static enum amp_err check_content_type(const struct amp_http1_head *head)
{
    struct amp_slice value;
    enum amp_err err = amp_http1_single(head, "content-type", &value);
    if (err != AMP_OK)
        return err;
    size_t len = 0;
    while (len < value.len && value.ptr[len] != ';')
        len++;
    while (len > 0 && (value.ptr[len - 1] == ' ' || value.ptr[len - 1] == '\t'))
        len--;
    bool json = amp_slice_equal_nocase(amp_slice(value.ptr, len), AMP_SLICE_LIT("application/json"));
    return json ? AMP_OK : AMP_ERR_UNSUPPORTED_MEDIA_TYPE;
}

static enum amp_err run(struct amp_api_call *call)
{
    const struct amp_route *route = call->request->route;
    if (!route->open && call->request->who == NULL)
        return AMP_ERR_NOT_SIGNED;
    if (!route->open && call->request->head->query.len != 0)
        return AMP_ERR_QUERY_REFUSED;
    if (route->method == AMP_METHOD_POST) {
        enum amp_err err = amp_repeat_init(call);
        if (err == AMP_OK)
            err = check_content_type(call->request->head);
        if (err != AMP_OK)
            return err;
    }
    return route->handle(call);
}

/* A handler's refusal: nothing of the answer it may have begun remains. */
static void turn_away(struct amp_api_call *call, enum amp_err err)
{
    const char *reason = call->reason;
    amp_api_response_fini(call->response);
    amp_answer_refuse(call->api, &call->event, err, reason, NULL, 0, call->response);
}

void amp_api_serve(struct amp_api *api, const struct amp_api_request *request, struct amp_api_response *response)
{
    struct amp_api_call call = {
        .api = api,
        .request = request,
        .response = response,
        .event = request->event,
    };
    *response = (struct amp_api_response){0};
    enum amp_err err = run(&call);
    if (err != AMP_OK || !response->settle.has_idempotency)
        amp_repeat_cancel(&call);
    if (err != AMP_OK)
        turn_away(&call, err);
    amp_wipe(&call.repeat, sizeof call.repeat);
    amp_secret_buf_free(&call.view.sealed);
    amp_api_rinse(&api->plain);
    amp_api_rinse(&api->sealed);
    amp_api_rinse(&api->stored);
    amp_wipe_stack(STACK_USED);
}
