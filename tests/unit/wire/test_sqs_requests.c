/* Whole requests: of both protocols, as SDKs send them; and what is left of them when they are cut or damaged. */
#include "sqs_support.h"

static void each_action_is_read_alike_in_both_protocols(void **state)
{
    bool met[AMP_SQS_ACTION_COUNT_] = {false};
    for (size_t i = 0; i < COUNT(golden_requests); i++) {
        const struct golden_request *golden = &golden_requests[i];
        struct decoded json, form;
        assert_err(decode_bytes(&json, JSON_TYPE, golden->target, golden->json, strlen(golden->json)), AMP_OK,
                   golden->json);
        assert_err(decode_form(&form, golden->form), AMP_OK, golden->form);
        assert_int_equal(json.request->protocol, AMP_SQS_JSON);
        assert_int_equal(form.request->protocol, AMP_SQS_QUERY);
        assert_int_equal(json.request->action, golden->action);
        assert_int_equal(form.request->action, golden->action);
        assert_shown(&json, golden->shown);
        assert_shown(&form, golden->shown);
        met[golden->action] = true;
        decoded_free(&json);
        decoded_free(&form);
    }
    for (size_t i = 0; i < AMP_SQS_ACTION_COUNT_; i++)
        assert_true(met[i]);
}

static void a_request_that_is_cut_short_is_refused(void **state)
{
    for (size_t i = 0; i < COUNT(golden_requests); i++) {
        const struct golden_request *golden = &golden_requests[i];
        for (size_t len = 0; len < strlen(golden->json); len++) {
            struct decoded decoded;
            if (decode_bytes(&decoded, JSON_TYPE, golden->target, golden->json, len) == AMP_OK)
                fail_msg("%zu bytes of %s", len, golden->json);
            decoded_free(&decoded);
        }
    }
}

/* The last parameter is one that is not kept. */
static bool ends_with_ignored(const struct golden_request *golden)
{
    return golden->shown[0] == '\0' || golden->action == AMP_SQS_ADD_PERMISSION ||
           golden->action == AMP_SQS_REMOVE_PERMISSION;
}

/* A form has no end of its own: what is cut off it is another form. The hash that is signed tells them apart. */
static void a_form_that_is_cut_short_is_another(void **state)
{
    static uint8_t storage[64 * 1024];
    for (size_t i = 0; i < COUNT(golden_requests); i++) {
        const struct golden_request *golden = &golden_requests[i];
        for (size_t len = 0; len < strlen(golden->form); len++) {
            struct decoded decoded;
            struct amp_out out = amp_out(storage, sizeof(storage));
            if (decode_bytes(&decoded, FORM_TYPE, NULL, golden->form, len) == AMP_OK) {
                show(&out, decoded.request);
                if (amp_slice_is(amp_out_done(&out), golden->shown) && !ends_with_ignored(golden))
                    fail_msg("%zu bytes of %s", len, golden->form);
            }
            decoded_free(&decoded);
        }
    }
}

/* No crash, and nothing read that was not written (sanitizers). */
static void no_damaged_byte_does_harm(void **state)
{
    static uint8_t storage[64 * 1024];
    for (size_t i = 0; i < COUNT(golden_requests); i++) {
        const struct golden_request *golden = &golden_requests[i];
        for (int form = 0; form < 2; form++) {
            const char *text = form ? golden->form : golden->json;
            char *damaged = strdup(text);
            assert_non_null(damaged);
            for (size_t at = 0; text[at] != '\0'; at++) {
                static const char bytes[] = {'"', '%', '.', '&', '=', '0', '{', ',', '\x80'};
                for (size_t b = 0; b < sizeof(bytes); b++) {
                    struct decoded decoded;
                    struct amp_out out = amp_out(storage, sizeof(storage));
                    damaged[at] = bytes[b];
                    if (decode_bytes(&decoded, form ? FORM_TYPE : JSON_TYPE, form ? NULL : golden->target, damaged,
                                     strlen(text)) == AMP_OK)
                        show(&out, decoded.request);
                    decoded_free(&decoded);
                }
                damaged[at] = text[at];
            }
            free(damaged);
        }
    }
}

static void the_content_type_tells_the_protocol(void **state)
{
    static const struct {
        const char *type;
        const char *target;
        enum amp_err err;
        enum amp_sqs_protocol protocol;
    } cases[] = {
        {"application/x-amz-json-1.0", "AmazonSQS.ListQueues", AMP_OK, AMP_SQS_JSON},
        {"application/x-amz-json-1.1", "AmazonSQS.ListQueues", AMP_OK, AMP_SQS_JSON},
        {"Application/X-Amz-JSON-1.0 ; charset=utf-8", "AmazonSQS.ListQueues", AMP_OK, AMP_SQS_JSON},
        {"application/x-amz-json-1.0", NULL, AMP_ERR_SQS_MISSING_ACTION, AMP_SQS_JSON},
        {"application/x-amz-json-1.0", "AmazonSQS.listqueues", AMP_ERR_SQS_INVALID_ACTION, AMP_SQS_JSON},
        {"application/x-amz-json-1.0", "AmazonSQS.ListQueuesX", AMP_ERR_SQS_INVALID_ACTION, AMP_SQS_JSON},
        {"application/x-amz-json-1.0", "AmazonSQS.", AMP_ERR_SQS_INVALID_ACTION, AMP_SQS_JSON},
        {"application/x-amz-json-1.0", "AmazonSNS.ListQueues", AMP_ERR_SQS_INVALID_ACTION, AMP_SQS_JSON},
        {"application/x-amz-json-1.0", "", AMP_ERR_SQS_INVALID_ACTION, AMP_SQS_JSON},
        {"application/x-amz-json-1.2", "AmazonSQS.ListQueues", AMP_ERR_UNSUPPORTED_MEDIA_TYPE, AMP_SQS_JSON},
        {"application/json", "AmazonSQS.ListQueues", AMP_ERR_UNSUPPORTED_MEDIA_TYPE, AMP_SQS_JSON},
        {"application/x-www-form-urlencoded", NULL, AMP_OK, AMP_SQS_QUERY},
        {"application/x-www-form-urlencoded; charset=UTF-8", NULL, AMP_OK, AMP_SQS_QUERY},
        {"application/x-www-form-urlencoded", "AmazonSQS.ListQueues", AMP_ERR_UNSUPPORTED_MEDIA_TYPE, AMP_SQS_JSON},
        {"application/x-www-form-urlencodedx", NULL, AMP_ERR_UNSUPPORTED_MEDIA_TYPE, AMP_SQS_QUERY},
        {"", NULL, AMP_ERR_UNSUPPORTED_MEDIA_TYPE, AMP_SQS_QUERY},
    };
    struct amp_http1_head *head = calloc(1, sizeof(*head));
    assert_non_null(head);
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum amp_sqs_protocol protocol;
        head->fields[0] = (struct amp_http1_field){AMP_SLICE_LIT("content-type"), amp_slice_str(cases[i].type)};
        head->fields[1] = (struct amp_http1_field){AMP_SLICE_LIT("x-amz-target"),
                                                   amp_slice_str(cases[i].target == NULL ? "" : cases[i].target)};
        head->field_count = cases[i].target == NULL ? 1 : 2;
        assert_err(amp_sqs_protocol_of(head, &protocol), cases[i].err, cases[i].type);
        assert_int_equal(protocol, cases[i].protocol);
    }
    head->fields[2] = head->fields[0];
    head->field_count = 3;
    enum amp_sqs_protocol protocol;
    assert_int_equal(amp_sqs_protocol_of(head, &protocol), AMP_ERR_MALFORMED_REQUEST);
    head->field_count = 0;
    assert_int_equal(amp_sqs_protocol_of(head, &protocol), AMP_ERR_UNSUPPORTED_MEDIA_TYPE);
    free(head);
}

static void actions_have_their_names(void **state)
{
    assert_string_equal(amp_sqs_action_name(AMP_SQS_ADD_PERMISSION), "AddPermission");
    assert_string_equal(amp_sqs_action_name(AMP_SQS_UNTAG_QUEUE), "UntagQueue");
    assert_int_equal(AMP_SQS_ACTION_COUNT_, 23);
}

/* A message attribute: as one request in either protocol. */
static enum amp_err attribute_error(bool form, const char *name, const char *type, const char *part, const char *value)
{
    char body[2048];
    const char *layout = form ? "Action=SendMessage&MessageBody=b&MessageAttribute.1.Name=%s"
                                "&MessageAttribute.1.Value.DataType=%s&MessageAttribute.1.Value.%s=%s"
                              : "{\"QueueUrl\":\"q\",\"MessageBody\":\"b\",\"MessageAttributes\":{\"%s\":"
                                "{\"DataType\":\"%s\",\"%s\":\"%s\"}}}";
    struct amp_out out = amp_out(body, sizeof(body) - 1);
    const char *values[] = {name, type, part, value};
    size_t next = 0;
    for (const char *c = layout; *c != '\0'; c++) {
        if (c[0] == '%' && c[1] == 's') {
            amp_out_str(&out, values[next++]);
            c++;
        } else {
            amp_out_byte(&out, (uint8_t)*c);
        }
    }
    assert_false(out.overflow);
    body[out.len] = '\0';
    return form ? form_error(body) : json_error("SendMessage", body);
}

static char *repeated(char c, size_t count)
{
    char *text = calloc(1, count + 1);
    assert_non_null(text);
    memset(text, c, count);
    return text;
}

static void an_attribute_must_be_what_it_says(void **state)
{
    static const struct {
        const char *name, *type, *part, *value;
        bool good;
    } cases[] = {
        {"a", "String", "StringValue", "x", true},         {"A-b_c.9", "String.label", "StringValue", "x", true},
        {"awsome", "String", "StringValue", "x", true},    {"a", "Number", "StringValue", "0", true},
        {"a", "Number", "StringValue", "-1.5e-7", true},   {"a", "Number", "StringValue", ".5", true},
        {"a", "Number", "StringValue", "5.", true},        {"a", "Number.int", "StringValue", "007", true},
        {"a", "Binary", "BinaryValue", "AA==", true},      {"a", "Binary.gif", "BinaryValue", "AAEC", true},
        {"", "String", "StringValue", "x", false},         {"a b", "String", "StringValue", "x", false},
        {"a~", "String", "StringValue", "x", false},       {".a", "String", "StringValue", "x", false},
        {"a.", "String", "StringValue", "x", false},       {"a..b", "String", "StringValue", "x", false},
        {"AWS.x", "String", "StringValue", "x", false},    {"aws.x", "String", "StringValue", "x", false},
        {"Amazon.x", "String", "StringValue", "x", false}, {"a", "", "StringValue", "x", false},
        {"a", "string", "StringValue", "x", false},        {"a", "Strings", "StringValue", "x", false},
        {"a", "String.", "StringValue", "x", false},       {"a", "String.a b", "StringValue", "x", false},
        {"a", "Text", "StringValue", "x", false},          {"a", "String", "StringValue", "", false},
        {"a", "String", "BinaryValue", "AAEC", false},     {"a", "Number", "StringValue", "x", false},
        {"a", "Number", "StringValue", "", false},         {"a", "Number", "StringValue", "-", false},
        {"a", "Number", "StringValue", ".", false},        {"a", "Number", "StringValue", "1e", false},
        {"a", "Number", "StringValue", "1e-", false},      {"a", "Number", "StringValue", "1 ", false},
        {"a", "Number", "StringValue", "0x10", false},     {"a", "Number", "StringValue", "1.2.3", false},
        {"a", "Number", "BinaryValue", "MQ==", false},     {"a", "Binary", "StringValue", "AAEC", false},
        {"a", "Binary", "BinaryValue", "", false},         {"a", "Binary", "BinaryValue", "AAE", false},
        {"a", "Binary", "BinaryValue", "AB==", false},     {"a", "Binary", "BinaryValue", "AA-_", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int form = 0; form < 2; form++)
            assert_err(attribute_error(form, cases[i].name, cases[i].type, cases[i].part, cases[i].value),
                       cases[i].good ? AMP_OK : AMP_ERR_SQS_ATTRIBUTE_INVALID, cases[i].value);
    }
    char *long_name = repeated('n', 257);
    assert_int_equal(attribute_error(false, long_name, "String", "StringValue", "x"), AMP_ERR_SQS_ATTRIBUTE_INVALID);
    assert_int_equal(attribute_error(false, long_name + 1, "String", "StringValue", "x"), AMP_OK);
    assert_int_equal(attribute_error(false, "a", long_name, "StringValue", "x"), AMP_ERR_SQS_ATTRIBUTE_INVALID);
    free(long_name);
    assert_int_equal(attribute_error(false, "a", "String", "StringValue", "\\u0001"), AMP_ERR_SQS_ATTRIBUTE_INVALID);
    assert_int_equal(attribute_error(true, "a", "String", "StringValue", "%01"), AMP_ERR_SQS_ATTRIBUTE_INVALID);
}

static void text_is_what_xml_can_hold(void **state)
{
    static const char *const good[] = {
        "",
        "a",
        "\t\n\r",
        "long enough\tfor words, of which the last is cut",
        "\x7f",
        "\xc3\xa9",
        "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd",
        "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
        "12345678\xe2\x82\xac",
        "1234567890123456\xe2\x82\xac and\tten more",
    };
    static const char *const bad[] = {
        "\x01",
        "\x1b[0m",
        "1234567\x0b",
        "12345678\x1f",
        "1234567890123456\x08",
        "\xef\xbf\xbe",
        "\xef\xbf\xbf",
        "12345678\xef\xbf\xbf",
        "\xed\xa0\x80",
        "\xc0\x80",
        "\xff",
        "\xe2\x82",
        "\xf4\x90\x80\x80",
        "\xc3\xa9\x02 and text behind it",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(amp_sqs_text_valid(amp_slice_str(good[i])));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(amp_sqs_text_valid(amp_slice_str(bad[i])));
    assert_true(amp_sqs_text_valid(amp_slice(NULL, 0)));
    for (size_t at = 0; at < 40; at++) {
        char text[41];
        memset(text, 'x', sizeof(text));
        text[at] = '\0';
        assert_false(amp_sqs_text_valid(amp_slice(text, sizeof(text))));
    }
}

static void digests_are_those_that_sdks_compute(void **state)
{
    for (size_t i = 0; i < COUNT(golden_digests); i++) {
        const struct golden_digest *golden = &golden_digests[i];
        struct amp_sqs_attributes attributes = {.count = golden->count};
        uint8_t md5[AMP_MD5_LEN], text[2 * AMP_MD5_LEN];
        memcpy(attributes.at, golden->at, sizeof(attributes.at));
        assert_int_equal(amp_sqs_md5_attributes(md5, &attributes), AMP_OK);
        struct amp_out out = amp_out(text, sizeof(text));
        amp_out_hex(&out, md5, sizeof(md5));
        assert_slice(amp_out_done(&out), golden->md5);
    }
}

static void the_digest_of_a_body_is_its_md5(void **state)
{
    static const struct {
        const char *body, *md5;
    } cases[] = {
        /* RFC 1321 section A.5 */
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t md5[AMP_MD5_LEN], text[2 * AMP_MD5_LEN];
        assert_int_equal(amp_sqs_md5_body(md5, amp_slice_str(cases[i].body)), AMP_OK);
        struct amp_out out = amp_out(text, sizeof(text));
        amp_out_hex(&out, md5, sizeof(md5));
        assert_slice(amp_out_done(&out), cases[i].md5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_action_is_read_alike_in_both_protocols),
        cmocka_unit_test(a_request_that_is_cut_short_is_refused),
        cmocka_unit_test(a_form_that_is_cut_short_is_another),
        cmocka_unit_test(no_damaged_byte_does_harm),
        cmocka_unit_test(the_content_type_tells_the_protocol),
        cmocka_unit_test(actions_have_their_names),
        cmocka_unit_test(an_attribute_must_be_what_it_says),
        cmocka_unit_test(text_is_what_xml_can_hold),
        cmocka_unit_test(digests_are_those_that_sdks_compute),
        cmocka_unit_test(the_digest_of_a_body_is_its_md5),
    };
    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
