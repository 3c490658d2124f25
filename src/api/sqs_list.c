/* Lists of queues. Nobody is told of a queue that he may do nothing with. */
#include <stdlib.h>

#include "api/sqs.h"

#define RESULTS_MAX 1000

struct list {
    const struct amp_sqs_call *sqs;
    struct amp_queue_query query;
    size_t most;
    size_t count;
    bool more;
    struct amp_queue_name after;
    struct amp_queue_name names[RESULTS_MAX];
};

/* A page's token names the last queue of the page before it. */
static enum amp_err read_page(const struct amp_sqs_call *sqs, struct amp_queue_name *after)
{
    uint8_t name[AMP_SQS_HANDLE_BYTES];
    size_t len;
    if (sqs->asked->next_token.ptr == NULL)
        return AMP_OK;
    enum amp_err err = amp_sqs_handle_read(sqs->call->api, "page", sqs->queue, sqs->asked->next_token, name, &len);
    if (err == AMP_OK)
        err = amp_queue_name_parse(after, amp_slice(name, len));
    return err == AMP_OK
               ? AMP_OK
               : amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID, "The value for parameter NextToken is invalid.");
}

static bool may_see(void *ctx, struct amp_slice name)
{
    const struct amp_sqs_call *sqs = ctx;
    return amp_sqs_may(sqs->call, AMP_SQS_MAY_SEE, name);
}

static enum amp_err fill(struct list *list)
{
    const struct amp_queue_engine *queues = &list->sqs->call->api->config.queues;
    return queues->ops->list(queues->self, &list->query, list->names, list->most, &list->count, &list->more);
}

static enum amp_err write_page_token(struct amp_sqs_answer *answer, const struct list *list)
{
    char text[AMP_SQS_HANDLE_MAX];
    size_t len;
    if (!list->more || list->sqs->asked->max_results == AMP_SQS_ABSENT)
        return AMP_OK;
    enum amp_err err = amp_sqs_handle_make(list->sqs->call->api, "page", list->sqs->queue,
                                           amp_queue_name_slice(&list->names[list->count - 1]), text, &len);
    if (err == AMP_OK)
        amp_sqs_put_text(&answer->writer, "NextToken", amp_slice(text, len));
    return err;
}

static enum amp_err write_list(const struct list *list, const char *json_name)
{
    const struct amp_sqs_call *sqs = list->sqs;
    struct amp_sqs_answer answer;
    uint8_t storage[AMP_SQS_URL_MAX];
    struct amp_slice url = sqs->call->request->head->host;
    size_t url_max = amp_sqs_escaped_len(sqs->asked->protocol, url) + AMP_SQS_AROUND + AMP_QUEUE_NAME_MAX;
    enum amp_err err = amp_sqs_answer_begin(&answer, sqs->call, sqs->asked->protocol, sqs->asked->action,
                                            2 * AMP_SQS_AROUND + AMP_SQS_HANDLE_MAX + list->count * url_max);
    if (err != AMP_OK)
        return err;
    if (list->count > 0 || sqs->queue.len > 0) { /* the list of a dead-letter queue's sources is always there */
        amp_sqs_list_begin(&answer.writer, json_name);
        for (size_t i = 0; i < list->count && err == AMP_OK; i++) {
            err = amp_sqs_put_url(&answer, amp_queue_name_slice(&list->names[i]), storage, &url);
            if (err == AMP_OK)
                amp_sqs_item_text(&answer.writer, "QueueUrl", url);
        }
        amp_sqs_list_end(&answer.writer);
    }
    if (err == AMP_OK)
        err = write_page_token(&answer, list);
    return err != AMP_OK ? err : amp_sqs_answer_send(&answer);
}

static enum amp_err answer_list(const struct amp_sqs_call *sqs, struct amp_slice prefix, struct amp_slice sources_of,
                                const char *json_name)
{
    uint64_t number;
    int64_t most;
    enum amp_err err = amp_sqs_number_in(sqs, sqs->asked->max_results, 1, RESULTS_MAX, RESULTS_MAX,
                                         "The value for parameter MaxResults is invalid. Reason: Must be between 1 "
                                         "and 1000, if provided.",
                                         &most);
    if (err != AMP_OK)
        return err;
    struct list *list = malloc(sizeof *list); /* 80 KB of names; that much is not for the stack */
    if (list == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    struct amp_sqs_call ctx = *sqs;
    list->sqs = sqs;
    list->most = (size_t)most;
    list->count = 0;
    list->more = false;
    list->after.len = 0;
    err = read_page(sqs, &list->after);
    list->query = (struct amp_queue_query){.prefix = prefix,
                                           .sources_of = sources_of,
                                           .after = amp_queue_name_slice(&list->after),
                                           .wanted = may_see,
                                           .ctx = &ctx};
    if (err == AMP_OK)
        err = fill(list);
    if (err == AMP_OK)
        err = write_list(list, json_name);
    free(list);
    return err != AMP_OK ? err : amp_call_record(sqs->call, false, &number);
}

enum amp_err amp_sqs_list_queues(const struct amp_sqs_call *sqs)
{
    return answer_list(sqs, sqs->asked->queue_name_prefix, amp_slice(NULL, 0), "QueueUrls");
}

enum amp_err amp_sqs_list_sources(const struct amp_sqs_call *sqs)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_queue_view view;
    enum amp_err err = queues->ops->look(queues->self, sqs->queue, &view);
    return err != AMP_OK ? err : answer_list(sqs, amp_slice(NULL, 0), sqs->queue, "queueUrls");
}
