/* How a queue, and whoever subscribed to it, learns of a new token (spec sections 4 and 5); private to room api. */
#ifndef AMP_API_PUBLISH_H
#define AMP_API_PUBLISH_H

#include "api/message.h"
#include "api/order.h"

/*
 * Whether somebody can take what is sent to this queue, and what it is like. One that is subscribed to and not there
 * yet is made, with default attributes, and that is recorded; where it is not there and nobody subscribed, *there is
 * false. Cheap then. AMP_ERR_KEEPER_UNAVAILABLE where it is not known yet who subscribed: a message could miss those
 * whom it is for; else as the engine's create.
 */
enum amp_err amp_publish_prepare(struct amp_api_call *call, struct amp_slice queue, struct amp_queue_view *view,
                                 bool *there) AMP_MUST_USE;

/* What became of the message that tells of a token. */
struct amp_published {
    bool put;
    uint8_t id[AMP_MESSAGE_ID_LEN];
};
/*
 * Puts a message into the token's queue, where there is one: the token, its expiry, the masked card, the metadata, and
 * the content encrypted to each subscriber that gave a key. It lives no longer than the token, nor than messages of the
 * queue do. Errors as amp_publish_prepare and amp_message_send, and
 * AMP_ERR_BODY_TOO_LARGE where it would be longer than any message may be.
 */
enum amp_err amp_publish_token(struct amp_api_call *call, const struct amp_order *order,
                               const uint8_t token[AMP_TOKEN_LEN], struct amp_published *published) AMP_MUST_USE;
/* Records that it was put; nothing, where it was not. */
enum amp_err amp_publish_record(struct amp_api_call *call, const struct amp_published *published) AMP_MUST_USE;

#endif
