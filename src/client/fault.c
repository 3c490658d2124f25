#include "client/fault.h"

#include "base/text.h"
#include "client/path.h"

static const char *const status_names[] = {
    [AMP_CLIENT_OK] = "ok",
    [AMP_CLIENT_REFUSED] = "refused",
    [AMP_CLIENT_USAGE] = "usage",
    [AMP_CLIENT_UNREACHABLE] = "unreachable",
    [AMP_CLIENT_TLS] = "tls",
    [AMP_CLIENT_TIMEOUT] = "timeout",
    [AMP_CLIENT_PROTOCOL] = "protocol",
    [AMP_CLIENT_MEMORY] = "out_of_memory",
    [AMP_CLIENT_MALFORMED] = "malformed",
    [AMP_CLIENT_TOO_OLD] = "too_old",
    [AMP_CLIENT_NOT_AUTHENTIC] = "not_authentic",
};

const char *amp_client_status_name(enum amp_client_status status)
{
    const size_t count = sizeof status_names / sizeof status_names[0];
    return (size_t)status < count ? status_names[status] : "unknown";
}

void amp_client_fault_clear(struct amp_client_fault *fault)
{
    *fault = (struct amp_client_fault){.error = {.status = AMP_CLIENT_OK}};
    fault->error.code = fault->code;
    fault->error.message = fault->message;
    fault->error.reason = fault->reason;
    fault->error.request_id = fault->request_id;
}

static void append_text(char *to, size_t cap, const char *text)
{
    const size_t len = strlen(to);
    const size_t room = cap - 1 - len;
    const size_t take = strlen(text) < room ? strlen(text) : room;
    memcpy(to + len, text, take);
    to[len + take] = '\0';
}

enum amp_client_status amp_client_fault_set(struct amp_client_fault *fault, enum amp_client_status status,
                                            const char *code, const char *const *message)
{
    amp_client_fault_clear(fault);
    fault->error.status = status;
    append_text(fault->code, sizeof fault->code, code);
    for (; *message != NULL; message++)
        append_text(fault->message, sizeof fault->message, *message);
    return status;
}

/* What a server says may reach a terminal: visible ASCII and blanks alone. */
static void take_visible(char *to, size_t cap, struct amp_slice text)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len && len + 1 < cap; i++) {
        const uint8_t c = text.ptr[i];
        if (c >= 0x20 && c < 0x7f && c != '\\')
            to[len++] = (char)c;
    }
    to[len] = '\0';
}

/* Takes a string of the problem document. */
static void take_text(char *to, size_t cap, struct amp_slice json, const char *path)
{
    struct amp_slice text;
    if (amp_client_path_find(json, path, &text) && text.len >= 2 && text.ptr[0] == '"')
        take_visible(to, cap, amp_slice(text.ptr + 1, text.len - 2));
}

/* AWS JSON 1.0: {"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":...}; the code is what stands behind '#'. */
static void take_aws_error(struct amp_client_fault *fault, struct amp_slice body)
{
    char type[128] = "";
    take_text(type, sizeof type, body, "__type");
    const char *hash = strrchr(type, '#');
    append_text(fault->code, sizeof fault->code, hash != NULL ? hash + 1 : type);
    take_text(fault->message, sizeof fault->message, body, "message");
}

static void take_problem(struct amp_client_fault *fault, struct amp_slice body)
{
    take_text(fault->code, sizeof fault->code, body, "code");
    take_text(fault->message, sizeof fault->message, body, "detail");
    if (fault->message[0] == '\0')
        take_text(fault->message, sizeof fault->message, body, "title");
    take_text(fault->reason, sizeof fault->reason, body, "reason");
    take_text(fault->request_id, sizeof fault->request_id, body, "request_id");
}

static void take_status(struct amp_client_fault *fault, int http_status)
{
    const char digits[4] = {(char)('0' + http_status / 100 % 10), (char)('0' + http_status / 10 % 10),
                            (char)('0' + http_status % 10), '\0'};
    append_text(fault->code, sizeof fault->code, "http_");
    append_text(fault->code, sizeof fault->code, digits);
}

enum amp_client_status amp_client_fault_refused(struct amp_client_fault *fault,
                                                const struct amp_client_refusal *refusal)
{
    amp_client_fault_clear(fault);
    fault->error.status = AMP_CLIENT_REFUSED;
    fault->error.http_status = refusal->http_status;
    fault->error.retry_after_s = refusal->retry_after_s;
    if (amp_client_path_valid(refusal->body)) {
        take_problem(fault, refusal->body);
        if (fault->code[0] == '\0')
            take_aws_error(fault, refusal->body);
    }
    if (fault->request_id[0] == '\0') /* errors of the SQS API have no member for it */
        take_visible(fault->request_id, sizeof fault->request_id, refusal->request_id);
    if (fault->code[0] == '\0')
        take_status(fault, refusal->http_status);
    if (fault->message[0] == '\0')
        append_text(fault->message, sizeof fault->message, "The server refused the request and did not say why.");
    return AMP_CLIENT_REFUSED;
}
