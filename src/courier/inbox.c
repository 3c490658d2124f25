#include "courier/inbox.h"

#include "courier/courier.h"
#include "ipc/ipc.h"

/* The body goes on with `bytes`: none, or more than its length says, is wrong. */
static bool append(struct amp_inbox *inbox, struct amp_slice bytes)
{
    struct amp_delivery_order *order = &inbox->order;
    if (bytes.len == 0 || bytes.len > order->body_len - inbox->filled)
        return false;
    if (order->body != NULL)
        memcpy(order->body + inbox->filled, bytes.ptr, bytes.len);
    inbox->filled += bytes.len;
    inbox->whole = inbox->filled == order->body_len;
    inbox->open = !inbox->whole;
    return true;
}

static bool is_within_bounds(const struct amp_delivery_order *order, size_t held)
{
    if (order->test)
        return order->body_len <= AMP_COURIER_TEST_BYTES;
    return order->body_len <= AMP_COURIER_WINDOW_BYTES && held <= AMP_COURIER_TOTAL_BYTES - order->body_len;
}

bool amp_inbox_deliver(struct amp_inbox *inbox, struct amp_slice payload, size_t held)
{
    struct amp_ipc_in in = {payload, false};
    struct amp_delivery_order order = {.ask = amp_ipc_get_u64(&in)};
    amp_ipc_get_fixed(&in, order.subscription, sizeof(order.subscription));
    amp_ipc_get_fixed(&in, order.message, sizeof(order.message));
    uint64_t expires_mono_ms = amp_ipc_get_u64(&in);
    uint8_t test = amp_ipc_get_u8(&in);
    order.body_len = amp_ipc_get_u32(&in);
    struct amp_slice beginning = amp_ipc_get_bytes(&in, AMP_IPC_MAX_PAYLOAD);
    if (!amp_ipc_end(&in) || inbox->open || inbox->whole || test > 1 || expires_mono_ms > INT64_MAX)
        return false;
    order.expires_mono_ms = (int64_t)expires_mono_ms;
    order.test = test == 1;
    if (!is_within_bounds(&order, held))
        return false;
    order.body = order.body_len != 0 ? amp_secret_alloc(order.body_len) : NULL;
    *inbox = (struct amp_inbox){.order = order};
    return append(inbox, beginning);
}

bool amp_inbox_deliver_more(struct amp_inbox *inbox, struct amp_slice payload)
{
    struct amp_ipc_in in = {payload, false};
    struct amp_slice bytes = amp_ipc_get_bytes(&in, AMP_IPC_MAX_PAYLOAD);
    return amp_ipc_end(&in) && inbox->open && append(inbox, bytes);
}

bool amp_inbox_take(struct amp_inbox *inbox, struct amp_delivery_order *order)
{
    if (!inbox->whole)
        return false;
    *order = inbox->order;
    *inbox = (struct amp_inbox){0};
    return true;
}

void amp_inbox_reset(struct amp_inbox *inbox)
{
    amp_secret_free(inbox->order.body);
    *inbox = (struct amp_inbox){0};
}
