/* What the courier is given of a message: opened here, in the only process that holds the keys, when it is its turn. */
#include "api/message.h"

static enum amp_err write_for(const struct amp_message *message, const uint8_t *subscription,
                              struct amp_secret_buf *body)
{
    enum amp_err err = amp_secret_buf_reserve(body, amp_message_body_len(message));
    if (err != AMP_OK)
        return err;
    struct amp_out out = amp_out(body->ptr + body->len, body->cap - body->len);
    amp_message_write_body(&out, message, subscription);
    if (out.overflow)
        return AMP_ERR_INTERNAL;
    body->len += out.len;
    return AMP_OK;
}

enum amp_err amp_api_open_for_push(struct amp_api *api, struct amp_slice queue, const uint8_t id[AMP_MESSAGE_ID_LEN],
                                   const uint8_t subscription[AMP_SUBSCRIPTION_ID_LEN], struct amp_secret_buf *body)
{
    const struct amp_queue_engine *queues = &api->config.queues;
    struct amp_message_out found;
    struct amp_message message;
    enum amp_err err = queues->ops->peek(queues->self, queue, id, &found, &api->sealed);
    if (err == AMP_ERR_QUEUE_UNKNOWN)
        err = AMP_ERR_NOT_FOUND; /* it went with its queue */
    if (err == AMP_OK)
        err = amp_message_open(api, &found, amp_slice(api->sealed.ptr + found.sealed_at, found.sealed_len), &api->plain,
                               &message);
    if (err == AMP_OK)
        err = write_for(&message, subscription, body);
    amp_api_rinse(&api->sealed);
    amp_api_rinse(&api->plain);
    amp_wipe_stack_16k();
    return err;
}
