#include "base/text.h"
#include "wire/json.h"
#include "wire/sqs_model.h"

#define NAMESPACE "http://queue.amazonaws.com/doc/2012-11-05/"
#define MAX_DEPTH (sizeof((struct amp_sqs_writer *)0)->comma)

static bool is_json(const struct amp_sqs_writer *writer)
{
    return writer->protocol == AMP_SQS_JSON;
}

/* What stands for a byte in the text of an element; NULL where it stands for itself. */
static const char *xml_reference(uint8_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\r':
        return "&#xD;"; /* XML 1.0 section 2.11: a parser would read a bare one as LF */
    case '\t':
    case '\n':
        return NULL;
    default:
        return c < 0x20 ? "\xef\xbf\xbd" : NULL; /* no reference may name it (section 4.1): U+FFFD */
    }
}

/* U+FFFE and U+FFFF, which are no characters of XML (section 2.2). */
static bool is_no_character(struct amp_slice text, size_t at)
{
    return text.ptr[at] == 0xef && text.len - at >= 3 && text.ptr[at + 1] == 0xbf && text.ptr[at + 2] >= 0xbe;
}

static void write_xml_text(struct amp_out *out, struct amp_slice text)
{
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *reference = xml_reference(text.ptr[i]);
        size_t replaced = reference != NULL ? 1 : 0;
        if (is_no_character(text, i)) {
            reference = "\xef\xbf\xbd";
            replaced = 3;
        }
        if (reference == NULL)
            continue;
        amp_out_bytes(out, text.ptr + start, i - start);
        amp_out_str(out, reference);
        i += replaced - 1;
        start = i + 1;
    }
    if (start < text.len)
        amp_out_bytes(out, text.ptr + start, text.len - start);
}

static void write_open(struct amp_out *out, const char *element)
{
    amp_out_byte(out, '<');
    amp_out_str(out, element);
    amp_out_byte(out, '>');
}

static void write_close(struct amp_out *out, const char *element)
{
    amp_out_str(out, "</");
    amp_out_str(out, element);
    amp_out_byte(out, '>');
}

static void write_xml_member(struct amp_out *out, const char *element, struct amp_slice value)
{
    write_open(out, element);
    write_xml_text(out, value);
    write_close(out, element);
}

static void write_base64(struct amp_out *out, struct amp_slice bytes)
{
    size_t len = AMP_BASE64_LEN(bytes.len);
    if (len > out->cap - out->len) {
        out->overflow = true;
        return;
    }
    amp_base64_encode((char *)out->ptr + out->len, bytes.ptr, bytes.len);
    out->len += len;
}

/* One level down: nothing stands before there. */
static void enter(struct amp_sqs_writer *writer, char bracket)
{
    amp_out_byte(writer->out, (uint8_t)bracket);
    if (writer->depth + 1 < MAX_DEPTH)
        writer->comma[++writer->depth] = false;
    else
        writer->out->overflow = true; /* no answer of the model is so deep */
}

static void leave(struct amp_sqs_writer *writer, char bracket)
{
    amp_out_byte(writer->out, (uint8_t)bracket);
    if (writer->depth > 0)
        writer->depth--;
}

static void write_comma(struct amp_sqs_writer *writer)
{
    if (writer->comma[writer->depth])
        amp_out_byte(writer->out, ',');
    writer->comma[writer->depth] = true;
}

/* In JSON the comma, the name and the colon. */
static void write_name(struct amp_sqs_writer *writer, const char *name)
{
    write_comma(writer);
    amp_out_byte(writer->out, '"');
    amp_out_str(writer->out, name);
    amp_out_str(writer->out, "\":");
}

/* What stands before and behind a value that needs no escaping. */
static void begin_member(struct amp_sqs_writer *writer, const char *name)
{
    if (is_json(writer))
        write_name(writer, name);
    else
        write_open(writer->out, name);
}

static void end_member(struct amp_sqs_writer *writer, const char *name)
{
    if (!is_json(writer))
        write_close(writer->out, name);
}

static void write_quote(struct amp_sqs_writer *writer)
{
    if (is_json(writer))
        amp_out_byte(writer->out, '"');
}

void amp_sqs_begin(struct amp_sqs_writer *writer, enum amp_sqs_protocol protocol, enum amp_sqs_action action,
                   struct amp_out *out)
{
    *writer = (struct amp_sqs_writer){.protocol = protocol, .action = action, .out = out};
    const struct amp_sqs_action_row *row = &amp_sqs_action_rows[action];
    if (is_json(writer)) {
        amp_out_byte(out, '{');
        return;
    }
    amp_out_byte(out, '<');
    amp_out_slice(out, row->name);
    amp_out_str(out, "Response xmlns=\"" NAMESPACE "\">");
    if (!row->has_result)
        return;
    amp_out_byte(out, '<');
    amp_out_slice(out, row->name);
    amp_out_str(out, "Result>");
}

void amp_sqs_end(struct amp_sqs_writer *writer, struct amp_slice request_id)
{
    struct amp_out *out = writer->out;
    const struct amp_sqs_action_row *row = &amp_sqs_action_rows[writer->action];
    if (is_json(writer)) {
        amp_out_byte(out, '}');
        return;
    }
    if (row->has_result) {
        amp_out_str(out, "</");
        amp_out_slice(out, row->name);
        amp_out_str(out, "Result>");
    }
    write_open(out, "ResponseMetadata");
    write_xml_member(out, "RequestId", request_id);
    write_close(out, "ResponseMetadata");
    amp_out_str(out, "</");
    amp_out_slice(out, row->name);
    amp_out_str(out, "Response>");
}

void amp_sqs_put_text(struct amp_sqs_writer *writer, const char *name, struct amp_slice value)
{
    if (!is_json(writer)) {
        write_xml_member(writer->out, name, value);
        return;
    }
    write_name(writer, name);
    amp_json_write_string(writer->out, value);
}

void amp_sqs_put_md5(struct amp_sqs_writer *writer, const char *name, const uint8_t md5[AMP_MD5_LEN])
{
    begin_member(writer, name);
    write_quote(writer);
    amp_out_hex(writer->out, md5, AMP_MD5_LEN);
    write_quote(writer);
    end_member(writer, name);
}

void amp_sqs_put_number(struct amp_sqs_writer *writer, const char *name, int64_t value)
{
    begin_member(writer, name);
    amp_out_i64(writer->out, value);
    end_member(writer, name);
}

void amp_sqs_put_bool(struct amp_sqs_writer *writer, const char *name, bool value)
{
    begin_member(writer, name);
    amp_out_str(writer->out, value ? "true" : "false");
    end_member(writer, name);
}

void amp_sqs_put_blob(struct amp_sqs_writer *writer, const char *name, struct amp_slice bytes)
{
    begin_member(writer, name);
    write_quote(writer);
    write_base64(writer->out, bytes);
    write_quote(writer);
    end_member(writer, name);
}

void amp_sqs_list_begin(struct amp_sqs_writer *writer, const char *json_name)
{
    if (!is_json(writer))
        return;
    write_name(writer, json_name);
    enter(writer, '[');
}

void amp_sqs_item_begin(struct amp_sqs_writer *writer, const char *element)
{
    if (!is_json(writer)) {
        write_open(writer->out, element);
        return;
    }
    write_comma(writer);
    enter(writer, '{');
}

void amp_sqs_item_end(struct amp_sqs_writer *writer, const char *element)
{
    if (is_json(writer))
        leave(writer, '}');
    else
        write_close(writer->out, element);
}

void amp_sqs_item_text(struct amp_sqs_writer *writer, const char *element, struct amp_slice value)
{
    if (!is_json(writer)) {
        write_xml_member(writer->out, element, value);
        return;
    }
    write_comma(writer);
    amp_json_write_string(writer->out, value);
}

void amp_sqs_list_end(struct amp_sqs_writer *writer)
{
    if (is_json(writer))
        leave(writer, ']');
}

void amp_sqs_map_begin(struct amp_sqs_writer *writer, const char *json_name)
{
    if (!is_json(writer))
        return;
    write_name(writer, json_name);
    enter(writer, '{');
}

/* A key of a map is a text like any other, so it is escaped as one. */
static void write_key(struct amp_sqs_writer *writer, struct amp_slice key)
{
    write_comma(writer);
    amp_json_write_string(writer->out, key);
    amp_out_byte(writer->out, ':');
}

void amp_sqs_map_text(struct amp_sqs_writer *writer, const char *element, const char *key_element, struct amp_slice key,
                      struct amp_slice value)
{
    if (is_json(writer)) {
        write_key(writer, key);
        amp_json_write_string(writer->out, value);
        return;
    }
    write_open(writer->out, element);
    write_xml_member(writer->out, key_element, key);
    write_xml_member(writer->out, "Value", value);
    write_close(writer->out, element);
}

void amp_sqs_map_attribute(struct amp_sqs_writer *writer, const struct amp_sqs_attribute *attribute)
{
    if (is_json(writer)) {
        write_key(writer, attribute->name);
        enter(writer, '{');
    } else {
        write_open(writer->out, "MessageAttribute");
        write_xml_member(writer->out, "Name", attribute->name);
        write_open(writer->out, "Value");
    }
    if (attribute->binary)
        amp_sqs_put_blob(writer, "BinaryValue", attribute->value);
    else
        amp_sqs_put_text(writer, "StringValue", attribute->value);
    amp_sqs_put_text(writer, "DataType", attribute->type);
    if (is_json(writer)) {
        leave(writer, '}');
        return;
    }
    write_close(writer->out, "Value");
    write_close(writer->out, "MessageAttribute");
}

void amp_sqs_map_end(struct amp_sqs_writer *writer)
{
    if (is_json(writer))
        leave(writer, '}');
}

static void write_error_json(struct amp_out *out, const struct amp_sqs_error *error, struct amp_slice sentence)
{
    amp_out_str(out, "{\"__type\":\"com.amazonaws.sqs#");
    amp_out_str(out, error->name);
    amp_out_str(out, "\",\"message\":");
    amp_json_write_string(out, sentence);
    amp_out_byte(out, '}');
}

static void write_error_xml(struct amp_out *out, const struct amp_sqs_error *error, struct amp_slice sentence,
                            struct amp_slice request_id)
{
    amp_out_str(out, "<ErrorResponse xmlns=\"" NAMESPACE "\"><Error>");
    write_xml_member(out, "Type", amp_slice_str(error->sender ? "Sender" : "Receiver"));
    write_xml_member(out, "Code", amp_slice_str(error->query_code));
    write_xml_member(out, "Message", sentence);
    amp_out_str(out, "<Detail/></Error>");
    write_xml_member(out, "RequestId", request_id);
    amp_out_str(out, "</ErrorResponse>");
}

void amp_sqs_write_error(struct amp_out *out, enum amp_sqs_protocol protocol, enum amp_err err, const char *detail,
                         struct amp_slice request_id)
{
    const struct amp_sqs_error error = amp_sqs_error_of(err);
    struct amp_slice sentence = amp_slice_str(detail != NULL ? detail : error.sentence);
    if (protocol == AMP_SQS_JSON)
        write_error_json(out, &error, sentence);
    else
        write_error_xml(out, &error, sentence, request_id);
}
