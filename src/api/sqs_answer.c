/* Answers of the SQS API, in the protocol that was asked in. */
#include <pthread.h>
#include <stdlib.h>

#include "api/sqs.h"

/* The frame of an XML answer with the longest action's name, and the request's number. */
#define FRAME_MAX       512
#define QUERY_ERROR_MAX 80
#define REQUEST_ID_LEN  16
#define SHORT_MAX       1024 /* what is no longer is not looked through for what to escape */
#define ESCAPED_MAX     6    /* \u0000, &quot; */

static const char *content_type_of(enum amp_sqs_protocol protocol)
{
    return protocol == AMP_SQS_JSON ? "application/x-amz-json-1.0" : "text/xml";
}

enum amp_err amp_sqs_answer_begin(struct amp_sqs_answer *answer, struct amp_api_call *call,
                                  enum amp_sqs_protocol protocol, enum amp_sqs_action action, size_t cap)
{
    answer->call = call;
    enum amp_err err = amp_answer_begin(call, cap + FRAME_MAX, &answer->out);
    if (err == AMP_OK)
        amp_sqs_begin(&answer->writer, protocol, action, &answer->out);
    return err;
}

enum amp_err amp_sqs_answer_reserve(struct amp_sqs_answer *answer, size_t extra)
{
    struct amp_secret_buf *body = &answer->call->response->body;
    body->len = answer->out.len; /* so much is copied where it moves */
    enum amp_err err = amp_secret_buf_reserve(body, extra + FRAME_MAX);
    answer->out.ptr = body->ptr;
    answer->out.cap = body->cap;
    return err;
}

enum amp_err amp_sqs_answer_send(struct amp_sqs_answer *answer)
{
    char id[REQUEST_ID_LEN];
    struct amp_api_call *call = answer->call;
    amp_answer_request_id(id, call->event.request_id);
    amp_sqs_end(&answer->writer, amp_slice(id, sizeof id));
    enum amp_err err = amp_answer_send(call, 200, &answer->out);
    if (err == AMP_OK) {
        call->response->content_type = content_type_of(answer->writer.protocol);
        call->response->amazon = true;
    }
    return err;
}

enum amp_err amp_sqs_answer_done(const struct amp_sqs_call *sqs)
{
    struct amp_sqs_answer answer;
    enum amp_err err = amp_sqs_answer_begin(&answer, sqs->call, sqs->asked->protocol, sqs->asked->action, 0);
    return err != AMP_OK ? err : amp_sqs_answer_send(&answer);
}

size_t amp_sqs_escaped_len(enum amp_sqs_protocol protocol, struct amp_slice text)
{
    size_t len = text.len;
    if (len <= SHORT_MAX)
        return ESCAPED_MAX * len;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool is_mark = c == '"' || c == '&' || c == '<' || c == '>';
        if (c < 0x20 || c == 0x7f)
            len += 5; /* \u0000; &#xD; */
        else if (protocol == AMP_SQS_JSON)
            len += c == '"' || c == '\\';
        else if (is_mark)
            len += 5; /* &quot; */
    }
    return len;
}

/* "CODE;Sender" for every error: what x-amzn-query-error tells SDKs of the query protocol's days. */
static char query_errors[AMP_ERR_COUNT_][QUERY_ERROR_MAX];

static void fill_query_errors(void)
{
    for (int i = 0; i < AMP_ERR_COUNT_; i++) {
        const struct amp_sqs_error error = amp_sqs_error_of((enum amp_err)i);
        struct amp_out out = amp_out(query_errors[i], QUERY_ERROR_MAX - 1);
        amp_out_str(&out, error.query_code);
        amp_out_str(&out, error.sender ? ";Sender" : ";Receiver");
        if (out.overflow)
            abort(); /* the table of errors has a name that is too long */
    }
}

static const char *query_error_of(enum amp_err err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, fill_query_errors);
    return query_errors[err];
}

void amp_sqs_answer_error(struct amp_out *out, const struct amp_refusal *refusal, enum amp_err err,
                          struct amp_slice request_id, struct amp_api_response *response)
{
    enum amp_sqs_protocol protocol = AMP_SQS_JSON;
    if (refusal->head != NULL)
        (void)(amp_sqs_protocol_of(refusal->head, &protocol) == AMP_OK); /* told as well as can be */
    amp_sqs_write_error(out, protocol, err, refusal->reason, request_id);
    response->status = amp_sqs_error_of(err).status;
    response->content_type = content_type_of(protocol);
    response->query_error = query_error_of(err);
    response->amazon = true;
}
