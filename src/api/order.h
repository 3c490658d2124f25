/* What a call asks to be sealed; private to room api. */
#ifndef AMP_API_ORDER_H
#define AMP_API_ORDER_H

#include "api/internal.h"

/* Slices borrow from the JSON text. */
struct amp_order {
    struct amp_content content;
    bool has_data;
    struct amp_slice queue;
    int64_t ttl_ms;
    int64_t ttl_max_ms;
    int64_t now_unix_ms;
};

/* Reads {"card"|"data","queue"?,"ttl_ms"?,"metadata"?}, the whole of `text`, which is unescaped in place. */
enum amp_err amp_order_read(struct amp_order *order, const struct amp_api_config *config, int64_t now_unix_ms,
                            uint8_t *text, size_t len) AMP_MUST_USE;

/* Whether a queue may be called that: in the right form, and no card number, for it goes into the event log. */
bool amp_order_may_name(struct amp_slice queue);
/* Reads a name that a queue may have; AMP_ERR_QUEUE_INVALID. */
enum amp_err amp_order_read_queue(struct amp_json *json, struct amp_slice *queue) AMP_MUST_USE;

#endif
