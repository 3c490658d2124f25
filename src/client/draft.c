#include "client/draft.h"

#include "base/text.h"
#include "client/path.h"
#include "wire/json.h"

#define DIGITS_MAX 20

void amp_client_draft_fini(struct amp_client_draft *draft)
{
    amp_secret_buf_free(&draft->buf);
}

static void put(struct amp_client_draft *draft, struct amp_slice bytes)
{
    if (!draft->no_memory && amp_secret_buf_append(&draft->buf, bytes.ptr, bytes.len) != AMP_OK)
        draft->no_memory = true;
}

/* What amp_json_write_string makes of it. Counted, since room for the worst case would be six times the text. */
static size_t escaped_len(struct amp_slice text)
{
    size_t len = text.len + 2;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        len += c < 0x20 ? 5 : c == '"' || c == '\\';
    }
    return len;
}

static void put_text(struct amp_client_draft *draft, struct amp_slice text)
{
    struct amp_secret_buf *buf = &draft->buf;
    const size_t len = escaped_len(text);
    draft->bad = draft->bad || !amp_utf8_valid(text);
    if (draft->bad || draft->no_memory)
        return;
    draft->no_memory = amp_secret_buf_reserve(buf, len) != AMP_OK;
    if (draft->no_memory)
        return;
    struct amp_out out = amp_out(buf->ptr + buf->len, len);
    amp_json_write_string(&out, text);
    buf->len += out.len;
}

static void put_comma(struct amp_client_draft *draft)
{
    const struct amp_secret_buf *buf = &draft->buf;
    const uint8_t last = buf->len > 0 ? buf->ptr[buf->len - 1] : '{';
    if (last != '{' && last != '[')
        put(draft, AMP_SLICE_LIT(","));
}

static void put_name(struct amp_client_draft *draft, const char *name)
{
    put_comma(draft);
    if (name == NULL)
        return;
    put_text(draft, amp_slice_str(name));
    put(draft, AMP_SLICE_LIT(":"));
}

void amp_client_draft_open(struct amp_client_draft *draft, const char *name, char opening)
{
    put_name(draft, name);
    put(draft, amp_slice(&opening, 1));
}

void amp_client_draft_close(struct amp_client_draft *draft, char closing)
{
    put(draft, amp_slice(&closing, 1));
}

void amp_client_draft_text(struct amp_client_draft *draft, const char *name, struct amp_slice text)
{
    put_name(draft, name);
    put_text(draft, text);
}

void amp_client_draft_string(struct amp_client_draft *draft, const char *name, const char *text)
{
    if (text != NULL)
        amp_client_draft_text(draft, name, amp_slice_str(text));
}

void amp_client_draft_number(struct amp_client_draft *draft, const char *name, uint64_t number)
{
    uint8_t digits[DIGITS_MAX];
    struct amp_out out = amp_out(digits, sizeof digits);
    amp_out_u64(&out, number);
    put_name(draft, name);
    put(draft, amp_out_done(&out));
}

void amp_client_draft_bool(struct amp_client_draft *draft, const char *name, bool value)
{
    put_name(draft, name);
    put(draft, value ? AMP_SLICE_LIT("true") : AMP_SLICE_LIT("false"));
}

void amp_client_draft_json(struct amp_client_draft *draft, const char *name, const char *json)
{
    if (json == NULL)
        return;
    draft->bad = draft->bad || !amp_client_path_valid(amp_slice_str(json));
    put_name(draft, name);
    put(draft, amp_slice_str(json));
}

void amp_client_draft_pair(struct amp_client_draft *draft, struct amp_slice name, struct amp_slice text)
{
    put_comma(draft);
    put_text(draft, name);
    put(draft, AMP_SLICE_LIT(":"));
    put_text(draft, text);
}
