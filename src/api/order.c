#include "api/order.h"

#define CARD_DIGITS_MIN      12
#define CARD_DIGITS_MAX      19
#define METADATA_MEMBERS_MAX 50
#define METADATA_KEY_MAX     40
#define METADATA_VALUE_MAX   500

static enum amp_err read_card(struct amp_json *json, void *into)
{
    struct amp_order *order = into;
    order->content.is_card = true;
    return amp_card_read(&order->content.card, json, order->now_unix_ms);
}

static enum amp_err read_data(struct amp_json *json, void *into)
{
    struct amp_order *order = into;
    order->has_data = true;
    return amp_json_read_raw(json, &order->content.data);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool end_in_card_number(const uint8_t *digits, size_t count)
{
    for (size_t len = CARD_DIGITS_MIN; len <= CARD_DIGITS_MAX && len <= count; len++) {
        if (amp_card_luhn(amp_slice(digits + count - len, len)))
            return true;
    }
    return false;
}

/* A queue's name goes into the event log, where no card number may; people write one with hyphens, too. */
static bool names_card(struct amp_slice name)
{
    uint8_t digits[AMP_VAULT_QUEUE_MAX];
    size_t count = 0;
    bool found = false;
    for (size_t i = 0; i < name.len && !found; i++) {
        uint8_t c = name.ptr[i];
        if (is_digit(c)) {
            digits[count++] = c;
            found = end_in_card_number(digits, count);
        } else if (c != '-' && c != '_') {
            count = 0;
        }
    }
    amp_wipe(digits, sizeof digits);
    return found;
}

bool amp_order_may_name(struct amp_slice queue)
{
    return amp_queue_name_is_good(queue) && !names_card(queue);
}

enum amp_err amp_order_read_queue(struct amp_json *json, struct amp_slice *queue)
{
    enum amp_err err = amp_json_read_string(json, queue);
    return err == AMP_OK && !amp_order_may_name(*queue) ? AMP_ERR_QUEUE_INVALID : err;
}

static enum amp_err read_queue(struct amp_json *json, void *into)
{
    struct amp_order *order = into;
    return amp_order_read_queue(json, &order->queue);
}

static enum amp_err read_ttl(struct amp_json *json, void *into)
{
    struct amp_order *order = into;
    return amp_read_count(json, order->ttl_max_ms, AMP_ERR_TTL_INVALID, &order->ttl_ms);
}

static bool fits(struct amp_slice string, size_t max)
{
    return string.len >= 2 && string.ptr[0] == '"' && amp_raw_string_len(string) <= max;
}

static enum amp_err check_metadata(struct amp_slice object)
{
    struct amp_slice name, value;
    size_t pos = 1;
    for (size_t count = 0; amp_raw_next(object, &pos, &name); count++) {
        if (!amp_raw_next(object, &pos, &value) || count == METADATA_MEMBERS_MAX || !fits(name, METADATA_KEY_MAX) ||
            !fits(value, METADATA_VALUE_MAX))
            return AMP_ERR_METADATA_INVALID;
    }
    return AMP_OK;
}

static enum amp_err read_metadata(struct amp_json *json, void *into)
{
    struct amp_order *order = into;
    bool object = amp_json_peek(json) == AMP_JSON_OBJECT;
    enum amp_err err = amp_json_read_raw(json, &order->content.metadata);
    if (err != AMP_OK)
        return err;
    return object ? check_metadata(order->content.metadata) : AMP_ERR_WRONG_TYPE;
}

enum amp_err amp_order_read(struct amp_order *order, const struct amp_api_config *config, int64_t now_unix_ms,
                            uint8_t *text, size_t len)
{
    static const struct amp_json_member members[] = {
        {"card", read_card, false},  {"data", read_data, false},         {"queue", read_queue, false},
        {"ttl_ms", read_ttl, false}, {"metadata", read_metadata, false},
    };
    struct amp_json json;
    *order = (struct amp_order){
        .queue = AMP_SLICE_LIT("default"),
        .ttl_ms = config->ttl_ms,
        .ttl_max_ms = config->ttl_max_ms,
        .now_unix_ms = now_unix_ms,
    };
    amp_json_init(&json, text, len);
    enum amp_err err = amp_json_read_object(&json, members, sizeof members / sizeof members[0], order);
    if (err == AMP_OK)
        err = amp_json_finish(&json);
    if (err == AMP_OK && order->content.is_card == order->has_data)
        err = AMP_ERR_CARD_OR_DATA;
    return err;
}
