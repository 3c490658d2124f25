/* The SQS API inside: one call of it, and what its files share. Private to room api. */
#ifndef AMP_API_SQS_H
#define AMP_API_SQS_H

#include "api/message.h"
#include "api/order.h"
#include "base/text.h"

/* Any of them lets its holder see that a queue is there, and what it is like. */
#define AMP_SQS_MAY_SEE (AMP_MAY_SEND | AMP_MAY_RECEIVE | AMP_MAY_MANAGE)

struct amp_sqs_call {
    struct amp_api_call *call;
    const struct amp_sqs_request *asked;
    struct amp_slice queue; /* what it is about, of a form that a queue may have; empty: nothing single */
};

/* sqs.c */

/* Whether the caller has any of `permissions` on the queue. */
bool amp_sqs_may(const struct amp_api_call *call, unsigned permissions, struct amp_slice queue);
/* Refuses in a sentence of our own instead of the table's. `sentence`: static storage. */
enum amp_err amp_sqs_refuse(const struct amp_sqs_call *sqs, enum amp_err err, const char *sentence) AMP_MUST_USE;
/* A number within least..most; `otherwise` where it is absent. AMP_ERR_SQS_PARAMETER_INVALID with the sentence. */
enum amp_err amp_sqs_number_in(const struct amp_sqs_call *sqs, amp_sqs_number asked, int64_t least, int64_t most,
                               int64_t otherwise, const char *sentence, int64_t *out) AMP_MUST_USE;

/* sqs_answer.c: answers */

struct amp_sqs_answer {
    struct amp_api_call *call;
    struct amp_out out;
    struct amp_sqs_writer writer;
};
/* Room for `cap` bytes beside the frame. */
enum amp_err amp_sqs_answer_begin(struct amp_sqs_answer *answer, struct amp_api_call *call,
                                  enum amp_sqs_protocol protocol, enum amp_sqs_action action, size_t cap) AMP_MUST_USE;
/* Room for so many bytes more than were written by now. */
enum amp_err amp_sqs_answer_reserve(struct amp_sqs_answer *answer, size_t extra) AMP_MUST_USE;
enum amp_err amp_sqs_answer_send(struct amp_sqs_answer *answer) AMP_MUST_USE;
/* An answer that says no more than that it is done. */
enum amp_err amp_sqs_answer_done(const struct amp_sqs_call *sqs) AMP_MUST_USE;
/* At most what a text takes once it is escaped, without what is around it. */
size_t amp_sqs_escaped_len(enum amp_sqs_protocol protocol, struct amp_slice text);
/* What stands around one text: a name of the API, twice in XML, with the brackets and quotes. */
#define AMP_SQS_AROUND 128
/* In `response`, the body of an error; see amp_answer_refuse. `out` has room for AMP_SQS_ERROR_MAX. */
#define AMP_SQS_ERROR_MAX 2048
void amp_sqs_answer_error(struct amp_out *out, const struct amp_refusal *refusal, enum amp_err err,
                          struct amp_slice request_id, struct amp_api_response *response);

/* sqs_names.c: URLs, ARNs and handles */

/* Of a queue's URL; AMP_ERR_SQS_ADDRESS_INVALID, AMP_ERR_QUEUE_UNKNOWN. */
enum amp_err amp_sqs_url_parse(struct amp_slice url, struct amp_slice *queue) AMP_MUST_USE;
/* https://HOST/000000000000/NAME as the caller reaches us; AMP_ERR_SQS_ADDRESS_INVALID for a Host that is too long. */
#define AMP_SQS_URL_MAX 400
enum amp_err amp_sqs_put_url(struct amp_sqs_answer *answer, struct amp_slice queue, uint8_t storage[AMP_SQS_URL_MAX],
                             struct amp_slice *url) AMP_MUST_USE;
/* Of "arn:aws:sqs:REGION:000000000000:NAME"; AMP_ERR_INVALID. */
enum amp_err amp_sqs_arn_parse(struct amp_slice arn, struct amp_slice *queue) AMP_MUST_USE;
#define AMP_SQS_REGION_MAX 32
#define AMP_SQS_ARN_MAX    (32 + AMP_SQS_REGION_MAX + AMP_QUEUE_NAME_MAX)
/* The region of the caller's scope, which the signature covers; where there is none, AWS's first. */
struct amp_slice amp_sqs_region(const struct amp_api_call *call);
void amp_sqs_write_arn(struct amp_out *out, struct amp_slice region, struct amp_slice queue);

/*
 * A handle is text that gives its holder's bytes back to us: receipts, tasks, pages. It begins with a version and ends
 * with a keyed hash of label, queue and bytes, so one that was made up, cut or meant for another queue is none.
 */
#define AMP_SQS_HANDLE_BYTES 80 /* most of the caller's own */
#define AMP_SQS_HANDLE_CHECK 11 /* with it and the version a receipt is 36 bytes, and 48 characters without padding */
#define AMP_SQS_HANDLE_MAX   AMP_BASE64_LEN(1 + AMP_SQS_HANDLE_BYTES + AMP_SQS_HANDLE_CHECK)
enum amp_err amp_sqs_handle_make(const struct amp_api *api, const char *label, struct amp_slice queue,
                                 struct amp_slice bytes, char text[AMP_SQS_HANDLE_MAX], size_t *len) AMP_MUST_USE;
/* AMP_ERR_INVALID for whatever amp_sqs_handle_make did not make. */
enum amp_err amp_sqs_handle_read(const struct amp_api *api, const char *label, struct amp_slice queue,
                                 struct amp_slice text, uint8_t bytes[AMP_SQS_HANDLE_BYTES], size_t *len) AMP_MUST_USE;
#define AMP_SQS_RECEIPT_TEXT AMP_BASE64_LEN(1 + AMP_MESSAGE_ID_LEN + 8 + AMP_SQS_HANDLE_CHECK)
enum amp_err amp_sqs_receipt_make(const struct amp_api *api, struct amp_slice queue, const struct amp_receipt *receipt,
                                  char text[AMP_SQS_HANDLE_MAX], size_t *len) AMP_MUST_USE;
/* AMP_ERR_RECEIPT_INVALID. */
enum amp_err amp_sqs_receipt_read(const struct amp_api *api, struct amp_slice queue, struct amp_slice text,
                                  struct amp_receipt *receipt) AMP_MUST_USE;
/* The text of a message's id: a UUID's form. */
#define AMP_MESSAGE_ID_TEXT 36
void amp_sqs_id_format(char text[AMP_MESSAGE_ID_TEXT], const uint8_t id[AMP_MESSAGE_ID_LEN]);

/* sqs_attributes.c: the attributes of queues */

/* Changes `settings` as the pairs say. AMP_ERR_SQS_ATTRIBUTE_NAME_INVALID, AMP_ERR_SQS_ATTRIBUTE_VALUE_INVALID,
 * AMP_ERR_SQS_PARAMETER_INVALID, AMP_ERR_SQS_UNSUPPORTED. May be called under a queue's lock. */
enum amp_err amp_sqs_attributes_apply(const struct amp_sqs_call *sqs, const struct amp_sqs_pairs *pairs,
                                      struct amp_queue_settings *settings) AMP_MUST_USE;
/* Whether what the pairs name is told alike of both. */
bool amp_sqs_attributes_agree(const struct amp_sqs_call *sqs, const struct amp_sqs_pairs *pairs,
                              const struct amp_queue_settings *a, const struct amp_queue_settings *b);
/* Where the pairs name a dead-letter queue: whether it may be this queue's. AMP_ERR_SQS_PARAMETER_INVALID,
 * AMP_ERR_NOT_PERMITTED. */
enum amp_err amp_sqs_attributes_check(const struct amp_sqs_call *sqs, const struct amp_sqs_pairs *pairs,
                                      const struct amp_queue_settings *settings) AMP_MUST_USE;
/* NULL: there is none. */
const struct amp_sqs_pair *amp_sqs_pairs_find(const struct amp_sqs_pairs *pairs, const char *name);

/* sqs_tags.c */

/* Sets each tag, and in `settings` what our own tags mean. AMP_ERR_SQS_PARAMETER_INVALID, AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_sqs_tags_apply(const struct amp_sqs_call *sqs, const struct amp_sqs_pairs *pairs,
                                struct amp_queue_tags *tags, struct amp_queue_settings *settings) AMP_MUST_USE;

/* sqs_batch.c: one act on one message, alone or as an entry of a batch */

/* What became of it. */
struct amp_sqs_done {
    const char *sentence; /* where refused in one of our own */
    uint8_t message[AMP_MESSAGE_ID_LEN];
    uint64_t sequence;
    uint8_t md5_body[AMP_MD5_LEN];
    uint8_t md5_attributes[AMP_MD5_LEN];
    uint8_t md5_system_attributes[AMP_MD5_LEN];
    enum amp_err err;
    bool fifo;
    bool has_attributes;
    bool has_system_attributes;
};
/* `ctx`: what all entries of the call share. */
typedef enum amp_err amp_sqs_act(const struct amp_sqs_call *sqs, const void *ctx, const struct amp_sqs_entry *entry,
                                 struct amp_sqs_done *done);
/* Writes the members of one that was done, but for its Id. */
typedef void amp_sqs_write_done(struct amp_sqs_writer *writer, const struct amp_sqs_done *done);

/* The request's one message: acted on, recorded, answered. */
enum amp_err amp_sqs_one(const struct amp_sqs_call *sqs, const void *ctx, amp_sqs_act *act,
                         amp_sqs_write_done *write) AMP_MUST_USE;
/* Whether the batch as such is good. AMP_ERR_SQS_BATCH_*. */
enum amp_err amp_sqs_batch_check(const struct amp_sqs_call *sqs) AMP_MUST_USE;
/* Each entry stands or falls alone; one record tells how many were done, another how many were refused. */
enum amp_err amp_sqs_batch(const struct amp_sqs_call *sqs, const void *ctx, amp_sqs_act *act,
                           amp_sqs_write_done *write) AMP_MUST_USE;

/* sqs_send.c */

/* Of groups, deduplication and attempts: letters, digits and punctuation, 1 to 128 of what ASCII prints but the space.
 */
bool amp_sqs_is_fifo_id(struct amp_slice id);
/* Twenty digits, so that texts compare as the numbers do. */
#define AMP_SQS_SEQUENCE_LEN 20
void amp_sqs_write_sequence(struct amp_out *out, uint64_t sequence);

/* The actions. */
typedef enum amp_err amp_sqs_handle_fn(const struct amp_sqs_call *sqs);
amp_sqs_handle_fn amp_sqs_queue_create, amp_sqs_queue_delete, amp_sqs_queue_url, amp_sqs_queue_purge;
amp_sqs_handle_fn amp_sqs_list_queues, amp_sqs_list_sources;
amp_sqs_handle_fn amp_sqs_attributes_get, amp_sqs_attributes_set;
amp_sqs_handle_fn amp_sqs_tags_list, amp_sqs_tags_set, amp_sqs_tags_remove;
amp_sqs_handle_fn amp_sqs_send_one, amp_sqs_send_batch;
amp_sqs_handle_fn amp_sqs_receive;
amp_sqs_handle_fn amp_sqs_delete_one, amp_sqs_delete_batch, amp_sqs_hide_one, amp_sqs_hide_batch;
amp_sqs_handle_fn amp_sqs_move_start, amp_sqs_move_cancel, amp_sqs_move_list;

#endif
