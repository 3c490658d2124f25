#include "sqs_support.h"

#include <stdarg.h>
#include <stdlib.h>

#include "wire/sqs.h"

bool in_xml;

int json_setup(void **state)
{
    in_xml = false;
    return fixture_setup(state);
}

int query_setup(void **state)
{
    in_xml = true;
    return fixture_setup(state);
}

static char *form; /* grows as it is written */
static size_t form_len, form_cap;

static void put_bytes(const char *bytes, size_t len)
{
    if (form_len + len + 1 > form_cap) {
        form_cap = 2 * (form_len + len + 1);
        form = realloc(form, form_cap);
        assert_non_null(form);
    }
    memcpy(form + form_len, bytes, len);
    form_len += len;
    form[form_len] = '\0';
}

static void put_encoded(const char *text, size_t len)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        char encoded[] = {'%', hex[c >> 4], hex[c & 15]};
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        put_bytes(plain ? text + i : encoded, plain ? 1 : 3);
    }
}

static void put_pair(const char *name, const char *value, size_t len)
{
    if (form_len != 0)
        put_bytes("&", 1);
    put_bytes(name, strlen(name));
    put_bytes("=", 1);
    put_encoded(value, len);
}

static void put_scalar(const char *name, const json_t *value)
{
    char digits[32];
    if (json_is_string(value)) {
        put_pair(name, json_string_value(value), json_string_length(value));
        return;
    }
    (void)snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
    put_pair(name, digits, strlen(digits));
}

/* How lists and maps are called in the query protocol. */
static const struct {
    const char *json, *query, *key, *value;
} lists[] = {
    {"AttributeNames", "AttributeName", NULL, NULL},
    {"MessageSystemAttributeNames", "MessageSystemAttributeName", NULL, NULL},
    {"MessageAttributeNames", "MessageAttributeName", NULL, NULL},
    {"TagKeys", "TagKey", NULL, NULL},
    {"AWSAccountIds", "AWSAccountId", NULL, NULL},
    {"Actions", "ActionName", NULL, NULL},
    {"Attributes", "Attribute", "Name", "Value"},
    {"Tags", "Tag", "Key", "Value"},
    {"tags", "Tag", "Key", "Value"},
    {"MessageAttributes", "MessageAttribute", "Name", "Value"},
    {"MessageSystemAttributes", "MessageSystemAttribute", "Name", "Value"},
};

static void put_object(const char *action, const char *prefix, json_t *object);

static void put_list(const char *action, const char *prefix, const char *name, json_t *list)
{
    char at[256];
    json_t *element;
    size_t i;
    json_array_foreach(list, i, element)
    {
        if (strcmp(name, "Entries") == 0) {
            (void)snprintf(at, sizeof at, "%sRequestEntry.%zu.", action, i + 1);
            put_object(action, at, element);
            continue;
        }
        (void)snprintf(at, sizeof at, "%s%s.%zu", prefix, name, i + 1);
        put_scalar(at, element);
    }
}

static void put_map(const char *prefix, size_t which, json_t *map)
{
    char at[256];
    const char *key, *inner;
    json_t *value, *part;
    size_t i = 0;
    json_object_foreach(map, key, value)
    {
        (void)snprintf(at, sizeof at, "%s%s.%zu.%s", prefix, lists[which].query, ++i, lists[which].key);
        put_pair(at, key, strlen(key));
        (void)snprintf(at, sizeof at, "%s%s.%zu.%s", prefix, lists[which].query, i, lists[which].value);
        if (!json_is_object(value)) {
            put_scalar(at, value);
            continue;
        }
        json_object_foreach(value, inner, part)
        {
            (void)snprintf(at, sizeof at, "%s%s.%zu.%s.%s", prefix, lists[which].query, i, lists[which].value, inner);
            put_scalar(at, part);
        }
    }
}

static void put_object(const char *action, const char *prefix, json_t *object)
{
    char at[256];
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        size_t which = 0;
        while (which < sizeof lists / sizeof lists[0] && strcmp(lists[which].json, name) != 0)
            which++;
        const char *query = which < sizeof lists / sizeof lists[0] ? lists[which].query : name;
        (void)snprintf(at, sizeof at, "%s%s", prefix, query);
        if (json_is_array(value))
            put_list(action, prefix, query, value);
        else if (json_is_object(value))
            put_map(prefix, which, value);
        else
            put_scalar(at, value);
    }
}

int call(const char *action, const char *json)
{
    static char target[128]; /* a parked call reads it again */
    int status;
    if (!in_xml) {
        (void)snprintf(target, sizeof target, "AmazonSQS.%s", action);
        fx.target = target;
        fx.content_type = "application/x-amz-json-1.0";
        status = post("/", json);
        fx.target = NULL;
        return status;
    }
    json_t *members = json_loads(json, JSON_ALLOW_NUL, NULL);
    if (members == NULL)
        fail_msg("the test's own JSON is none: %s", json);
    form_len = 0;
    put_pair("Action", action, strlen(action));
    put_pair("Version", "2012-11-05", 10);
    put_object(action, "", members);
    json_decref(members);
    fx.content_type = "application/x-www-form-urlencoded; charset=utf-8";
    status = post_bytes("/", form, form_len);
    free(form);
    form = NULL;
    form_len = form_cap = 0;
    return status;
}

static int vcall(const char *action, const char *format, va_list args)
{
    char *json = NULL;
    if (vasprintf(&json, format, args) < 0)
        fail();
    int status = call(action, json);
    free(json);
    return status;
}

int callf(const char *action, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = vcall(action, format, args);
    va_end(args);
    return status;
}

void must(const char *action, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = vcall(action, format, args);
    va_end(args);
    if (status != 200)
        fail_msg("%s: %d %s", action, status, answer.text);
    assert_string_equal(answer.response.content_type, in_xml ? "text/xml" : "application/x-amz-json-1.0");
}

static char *keep_bytes(const char *bytes, size_t len)
{
    static char *kept[16];
    static size_t next;
    char **to = &kept[next++ % 16];
    free(*to);
    *to = strndup(bytes, len);
    assert_non_null(*to);
    return *to;
}

/* The text behind `from` up to the next tag, with its references resolved. */
static const char *xml_text(const char *from)
{
    static const struct {
        const char *reference;
        char c;
    } references[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#xD;", '\r'}};
    const char *end = strchr(from, '<');
    assert_non_null(end);
    char *text = keep_bytes(from, (size_t)(end - from)), *to = text;
    for (const char *at = text; *at != '\0';) {
        size_t i = 0;
        while (i < 5 && strncmp(at, references[i].reference, strlen(references[i].reference)) != 0)
            i++;
        if (i < 5)
            at += strlen(references[i].reference);
        *to++ = i < 5 ? references[i].c : *at++;
    }
    *to = '\0';
    return text;
}

static const json_t *find(const json_t *in, const char *name)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_array(in)) {
        json_array_foreach((json_t *)(uintptr_t)in, i, value)
        {
            const json_t *found = find(value, name);
            if (found != NULL)
                return found;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)in, key, value)
    {
        const json_t *found = strcmp(key, name) == 0 && !json_is_object(value) ? value : find(value, name);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static const char *json_text(const json_t *value)
{
    char digits[32];
    if (value == NULL)
        return NULL;
    if (json_is_string(value))
        return keep_bytes(json_string_value(value), json_string_length(value));
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    (void)snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
    return keep_bytes(digits, strlen(digits));
}

const char *said(const char *name)
{
    char tag[128];
    if (!in_xml)
        return json_text(find(answer.json, name));
    (void)snprintf(tag, sizeof tag, "<%s>", name);
    const char *at = strstr(answer.text, tag);
    return at == NULL ? NULL : xml_text(at + strlen(tag));
}

const char *mapped(const char *key)
{
    char tag[512];
    if (!in_xml)
        return json_text(find(answer.json, key));
    for (int i = 0; i < 2; i++) {
        const char *element = i == 0 ? "Name" : "Key";
        (void)snprintf(tag, sizeof tag, "<%s>%s</%s><Value>", element, key, element);
        const char *at = strstr(answer.text, tag);
        if (at != NULL)
            return xml_text(at + strlen(tag));
    }
    return NULL;
}

size_t items(const char *json_list, const char *xml_element)
{
    char tag[128];
    size_t count = 0;
    if (!in_xml)
        return json_array_size(json_object_get(answer.json, json_list));
    (void)snprintf(tag, sizeof tag, "<%s>", xml_element);
    for (const char *at = answer.text; (at = strstr(at, tag)) != NULL; at++)
        count++;
    return count;
}

void refused(enum amp_err err)
{
    const struct amp_sqs_error error = amp_sqs_error_of(err);
    char expected[256];
    if (answer.response.err != err)
        fail_msg("%s instead of %s: %s", amp_err_code(answer.response.err), amp_err_code(err), answer.text);
    assert_int_equal(answer.response.status, error.status);
    (void)snprintf(expected, sizeof expected, "%s;%s", error.query_code, error.sender ? "Sender" : "Receiver");
    assert_string_equal(answer.response.query_error, expected);
    (void)snprintf(expected, sizeof expected, "com.amazonaws.sqs#%s", error.name);
    assert_string_equal(in_xml ? said("Code") : said("__type"), in_xml ? error.query_code : expected);
    assert_true(strlen(said(in_xml ? "Message" : "message")) > 10);
    assert_int_equal(last_event()->event.code, err);
}

void refused_for_any_other(const char *text, const char *action, const char *before, enum amp_err err)
{
    char other[1024];
    size_t len = strlen(text);
    assert_true(len < sizeof other);
    memcpy(other, text, len + 1);
    for (size_t i = 0; i < len; i++) {
        other[i] = text[i] == 'A' ? 'B' : 'A';
        callf(action, "%s\"%s\"}", before, other);
        refused(err);
        other[i] = text[i];
    }
}

void recorded(enum amp_act act, enum amp_err err, const char *queue, uint64_t count)
{
    const struct recorded *last = last_event();
    assert_string_equal(amp_act_name(last->event.act), amp_act_name(act));
    assert_int_equal(last->event.code, err);
    assert_string_equal(last->queue, queue);
    assert_int_equal(last->event.count, count);
    assert_string_equal(last->who, "AMPKAAAAAAAAAAAAAAAA");
    assert_string_equal(last->source, "192.0.2.1:4711");
}

void make_queue(const char *name)
{
    bool fifo = strstr(name, ".fifo") != NULL;
    must("CreateQueue", "{\"QueueName\":\"%s\"%s}", name, fifo ? ",\"Attributes\":{\"FifoQueue\":\"true\"}" : "");
}

const char *send_one(const char *queue, const char *text)
{
    must("SendMessage", "{\"QueueUrl\":\"https://h/000000000000/%s\",\"MessageBody\":\"%s\"}", queue, text);
    return said("MessageId");
}

const char *receive_one(const char *queue)
{
    must("ReceiveMessage", "{\"QueueUrl\":\"https://h/000000000000/%s\"}", queue);
    return said("ReceiptHandle");
}

void add(char *storage, size_t cap, const char *format, ...)
{
    va_list args;
    size_t len = strlen(storage);
    va_start(args, format);
    int added = vsnprintf(storage + len, cap - len, format, args);
    va_end(args);
    assert_true(added >= 0 && (size_t)added < cap - len);
}

char *repeated(const char *what, size_t count)
{
    size_t len = strlen(what);
    char *text = malloc(count * len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * len, what, len);
    text[count * len] = '\0';
    return text;
}

char *copy(const char *text)
{
    assert_non_null(text);
    return keep(text);
}
