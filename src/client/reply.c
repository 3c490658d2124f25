#include "client/internal.h"
#include "client/path.h"
#include "wire/json.h"

/* A member that was asked for, unescaped. All of a reply's are freed with it. */
struct text {
    struct text *next;
    char chars[];
};

struct amp_client_reply {
    int http_status;
    bool is_json;
    struct text *texts;
    size_t len;
    char body[];
};

struct amp_client_reply *amp_client_reply_new(int http_status, struct amp_slice body)
{
    struct amp_client_reply *reply = amp_secret_alloc(sizeof *reply + body.len + 1);
    if (reply == NULL)
        return NULL;
    reply->http_status = http_status;
    reply->len = body.len;
    if (body.len > 0)
        memcpy(reply->body, body.ptr, body.len);
    reply->is_json = amp_client_path_valid(body);
    return reply;
}

void amp_client_reply_free(struct amp_client_reply *reply)
{
    while (reply != NULL && reply->texts != NULL) {
        struct text *next = reply->texts->next;
        amp_secret_free(reply->texts);
        reply->texts = next;
    }
    amp_secret_free(reply);
}

int amp_client_reply_http_status(const struct amp_client_reply *reply)
{
    return reply->http_status;
}

const char *amp_client_reply_json(const struct amp_client_reply *reply, size_t *len)
{
    if (len != NULL)
        *len = reply->len;
    return reply->body;
}

/* Unescapes a string in place, in the copy of it; other values stay as written. */
static bool unescape(char *chars, size_t len)
{
    struct amp_json json;
    struct amp_slice text;
    if (chars[0] != '"')
        return true;
    amp_json_init(&json, (uint8_t *)chars, len);
    if (amp_json_read_string(&json, &text) != AMP_OK)
        return false;
    memmove(chars, text.ptr, text.len);
    memset(chars + text.len, 0, len - text.len);
    return true;
}

const char *amp_client_reply_text(struct amp_client_reply *reply, const char *path)
{
    struct amp_slice value;
    if (!reply->is_json || !amp_client_path_find(amp_slice(reply->body, reply->len), path, &value) ||
        amp_slice_is(value, "null"))
        return NULL;
    struct text *text = amp_secret_alloc(sizeof *text + value.len + 1);
    if (text == NULL)
        return NULL;
    memcpy(text->chars, value.ptr, value.len);
    text->chars[value.len] = '\0';
    if (!unescape(text->chars, value.len)) {
        amp_secret_free(text);
        return NULL;
    }
    text->next = reply->texts;
    reply->texts = text;
    return text->chars;
}
