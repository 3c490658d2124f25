/* Looks at a token and changes nothing. The content is opened, for it alone knows the card, and wiped at once. */
#include "api/internal.h"

#define INSPECTED_MAX 512

static void write_inspected(struct amp_out *out, const struct amp_api_call *call, const struct amp_content *content)
{
    const struct amp_api_config *config = &call->api->config;
    const struct amp_vault_view *view = &call->view;
    amp_out_str(out, view->claimed ? "{\"state\":\"claimed\"" : "{\"state\":\"active\"");
    amp_answer_time(out, "expires_at", amp_clock_unix_ms(&config->clock) + view->left_ms);
    amp_answer_string(out, "queue", amp_slice(view->queue, view->queue_len));
    amp_answer_string(out, "kind", content->is_card ? AMP_SLICE_LIT("card") : AMP_SLICE_LIT("data"));
    if (content->is_card) {
        amp_out_str(out, ",\"card\":");
        amp_card_write_masked(out, &content->card, config->mask_bin8);
    }
    amp_out_byte(out, '}');
}

enum amp_err amp_handle_inspect(struct amp_api_call *call)
{
    static const struct amp_json_member members[] = {{"token", amp_read_slice, true}};
    struct amp_permit permit = {call->request->who, AMP_MAY_INSPECT};
    struct amp_vault_guard guard = amp_subject_guard(&permit);
    struct amp_slice text = {NULL, 0};
    struct amp_subject subject;
    struct amp_content content;
    struct amp_out out;
    uint64_t number;
    enum amp_err err = amp_call_decode(call, members, 1, &text);
    if (err == AMP_OK)
        err = amp_subject_parse(call, text, &subject);
    if (err == AMP_OK)
        err = amp_subject_seen(call, amp_vault_inspect(call->api->config.vault, subject.index, &guard, &call->view));
    if (err == AMP_OK)
        err = amp_subject_open(call, &subject, &content);
    if (err == AMP_OK)
        err = amp_answer_begin(call, INSPECTED_MAX, &out);
    if (err == AMP_OK)
        err = amp_call_record(call, false, &number);
    if (err != AMP_OK)
        return err;
    write_inspected(&out, call, &content);
    return amp_answer_send(call, 200, &out);
}
