/* What a server answers, however it comes in, and everything the client does with it afterwards. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"
#include "client/reader.h"
#include "client/runtime.h"

#define MAX_BODY 65536

/* The first byte says how many bytes come at a time; the rest is the response. */
static enum amp_err feed(struct amp_client_reader *reader, uint8_t *bytes, size_t len, size_t step, size_t *used)
{
    struct amp_http1_response head;
    enum amp_err err = AMP_ERR_TRUNCATED;
    *reader = (struct amp_client_reader){0};
    for (size_t have = 0; have < len && err == AMP_ERR_TRUNCATED;) {
        have += len - have < step ? len - have : step;
        err = amp_client_reader_advance(reader, &head, bytes, have, MAX_BODY, used);
    }
    return err;
}

static void use_reply(int status, struct amp_slice body)
{
    static const char *const paths[] = {"", "token", "card.number", "results.0.token", "results.1.error.code", "a.b.c"};
    struct amp_client_fault fault;
    const struct amp_client_refusal refusal = {.http_status = status, .request_id = body, .body = body};
    amp_client_fault_refused(&fault, &refusal);
    if (strlen(fault.error.message) >= sizeof fault.message || fault.error.code[0] == '\0')
        abort();
    struct amp_client_reply *reply = amp_client_reply_new(status, body);
    if (reply == NULL)
        return;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        (void)amp_client_reply_text(reply, paths[i]);
    amp_client_reply_free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct amp_client_reader whole;
    struct amp_client_reader pieces;
    size_t whole_used = 0;
    size_t pieces_used = 0;
    if (size < 2 || amp_client_runtime_start() != AMP_OK)
        return 0;
    const size_t len = size - 1;
    uint8_t *a = malloc(len);
    uint8_t *b = malloc(len);
    if (a == NULL || b == NULL)
        abort();
    memcpy(a, data + 1, len);
    memcpy(b, data + 1, len);
    const enum amp_err at_once = feed(&whole, a, len, len, &whole_used);
    const enum amp_err by_pieces = feed(&pieces, b, len, (size_t)data[0] + 1, &pieces_used);
    /* how the bytes are cut must not change what they mean */
    if ((at_once == AMP_OK) != (by_pieces == AMP_OK))
        abort();
    if (at_once == AMP_OK) {
        if (whole_used != pieces_used || whole_used > len || whole.body_len != pieces.body_len ||
            memcmp(a + whole.head_len, b + pieces.head_len, whole.body_len) != 0)
            abort();
        use_reply(whole.status, amp_slice(a + whole.head_len, whole.body_len));
    }
    use_reply(500, amp_slice(data + 1, len));
    free(a);
    free(b);
    return 0;
}
