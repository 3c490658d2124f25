/* Move tasks: from a dead-letter queue back to where its messages came from, or to another queue. */
#include "api/sqs.h"

#define PER_SECOND_MAX 500
/* What one task's result holds beside its two ARNs. */
#define TASK_MAX (10 * AMP_SQS_AROUND + 2 * AMP_SQS_ARN_MAX)
#define TASK_LEN sizeof(((struct amp_move_task *)0)->id)

static enum amp_err read_destination(const struct amp_sqs_call *sqs, struct amp_slice *queue)
{
    *queue = amp_slice(NULL, 0);
    if (sqs->asked->destination_arn.ptr == NULL || amp_sqs_arn_parse(sqs->asked->destination_arn, queue) == AMP_OK)
        return AMP_OK;
    return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID,
                          "You must use this format to specify the DestinationArn: "
                          "arn:<partition>:<service>:<region>:<account-id>:<resource-id>");
}

static bool may_not_manage(void *ctx, struct amp_slice name)
{
    const struct amp_sqs_call *sqs = ctx;
    return !amp_sqs_may(sqs->call, AMP_MAY_MANAGE, name);
}

/* Without a destination every queue that has this one as its dead-letter queue may get messages, and no other. */
static enum amp_err check_sources(const struct amp_sqs_call *sqs)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_sqs_call ctx = *sqs;
    const struct amp_queue_query query = {.sources_of = sqs->queue, .wanted = may_not_manage, .ctx = &ctx};
    struct amp_queue_name name;
    size_t count = 0;
    bool more;
    enum amp_err err = queues->ops->list(queues->self, &query, &name, 1, &count, &more);
    return err == AMP_OK && count != 0 ? AMP_ERR_NOT_PERMITTED : err;
}

static enum amp_err check_exists(const struct amp_sqs_call *sqs, struct amp_slice queue, const char *sentence)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_queue_view view;
    enum amp_err err = queues->ops->look(queues->self, queue, &view);
    return err == AMP_ERR_QUEUE_UNKNOWN ? amp_sqs_refuse(sqs, AMP_ERR_RESOURCE_NOT_FOUND, sentence) : err;
}

static enum amp_err check_source(const struct amp_sqs_call *sqs)
{
    return check_exists(sqs, sqs->queue, "The resource that you specified for the SourceArn parameter doesn't exist.");
}

static enum amp_err check_destination(const struct amp_sqs_call *sqs, struct amp_slice destination)
{
    if (destination.len == 0)
        return check_sources(sqs);
    return check_exists(sqs, destination,
                        "The resource that you specified for the DestinationArn parameter doesn't exist.");
}

static enum amp_err make_handle(const struct amp_sqs_call *sqs, const struct amp_move_task *task,
                                char text[AMP_SQS_HANDLE_MAX], size_t *len)
{
    return amp_sqs_handle_make(sqs->call->api, "task", amp_slice(NULL, 0), amp_slice(task->id, TASK_LEN), text, len);
}

/* What cannot be told is not done: nobody could cancel a task whose handle he never got. */
static enum amp_err start(const struct amp_sqs_call *sqs, struct amp_slice destination, uint32_t per_second,
                          struct amp_sqs_answer *answer)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_move_task task;
    char handle[AMP_SQS_HANDLE_MAX];
    size_t len;
    enum amp_err err = queues->ops->move_start(queues->self, sqs->queue, destination, per_second, &task);
    if (err != AMP_OK)
        return err;
    err = make_handle(sqs, &task, handle, &len);
    if (err == AMP_OK) {
        amp_sqs_put_text(&answer->writer, "TaskHandle", amp_slice(handle, len));
        err = amp_sqs_answer_send(answer);
    }
    if (err != AMP_OK)
        (void)(queues->ops->move_cancel(queues->self, task.id, &task) == AMP_OK);
    return err;
}

enum amp_err amp_sqs_move_start(const struct amp_sqs_call *sqs)
{
    struct amp_slice destination;
    struct amp_sqs_answer answer;
    uint64_t number;
    int64_t per_second;
    enum amp_err err = read_destination(sqs, &destination);
    if (err == AMP_OK && destination.len != 0 && !amp_sqs_may(sqs->call, AMP_MAY_MANAGE, destination))
        err = AMP_ERR_NOT_PERMITTED;
    if (err == AMP_OK)
        err = amp_sqs_number_in(sqs, sqs->asked->max_per_second, 1, PER_SECOND_MAX, 0,
                                "The value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be "
                                "between 1 and 500, if provided.",
                                &per_second);
    if (err == AMP_OK)
        err = check_source(sqs);
    if (err == AMP_OK)
        err = check_destination(sqs, destination);
    if (err == AMP_OK)
        err = amp_sqs_answer_begin(&answer, sqs->call, sqs->asked->protocol, sqs->asked->action,
                                   AMP_SQS_AROUND + AMP_SQS_HANDLE_MAX);
    if (err == AMP_OK)
        err = start(sqs, destination, (uint32_t)per_second, &answer);
    return err != AMP_OK ? err : amp_call_record(sqs->call, false, &number);
}

/* The handle says which queue it is; the event's slice must live as long as the call. */
static void name_source(struct amp_api_call *call, const struct amp_move_task *task)
{
    memcpy(call->view.queue, task->source.text, task->source.len);
    call->event.queue = amp_slice(call->view.queue, task->source.len);
}

enum amp_err amp_sqs_move_cancel(const struct amp_sqs_call *sqs)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    uint8_t id[AMP_SQS_HANDLE_BYTES];
    struct amp_sqs_answer answer;
    struct amp_move_task task;
    size_t len;
    uint64_t number;
    enum amp_err err =
        amp_sqs_handle_read(sqs->call->api, "task", amp_slice(NULL, 0), sqs->asked->task_handle, id, &len);
    if (err == AMP_ERR_INVALID || (err == AMP_OK && len != TASK_LEN))
        return amp_sqs_refuse(sqs, AMP_ERR_SQS_PARAMETER_INVALID, "The value for parameter TaskHandle is invalid.");
    if (err == AMP_OK)
        err = queues->ops->move_find(queues->self, id, &task);
    if (err != AMP_OK)
        return err;
    name_source(sqs->call, &task);
    if (!amp_sqs_may(sqs->call, AMP_MAY_MANAGE, sqs->call->event.queue))
        return AMP_ERR_NOT_PERMITTED;
    err = amp_sqs_answer_begin(&answer, sqs->call, sqs->asked->protocol, sqs->asked->action, AMP_SQS_AROUND);
    if (err == AMP_OK)
        err = queues->ops->move_cancel(queues->self, id, &task);
    if (err != AMP_OK)
        return err;
    amp_sqs_put_number(&answer.writer, "ApproximateNumberOfMessagesMoved", (int64_t)task.moved);
    err = amp_sqs_answer_send(&answer);
    return err != AMP_OK ? err : amp_call_record(sqs->call, false, &number);
}

static const char *state_name(enum amp_move_state state)
{
    switch (state) {
    case AMP_MOVE_RUNNING:
        return "RUNNING";
    case AMP_MOVE_COMPLETED:
        return "COMPLETED";
    case AMP_MOVE_CANCELLED:
        return "CANCELLED";
    case AMP_MOVE_FAILED:
        break;
    }
    return "FAILED";
}

static void put_arn(const struct amp_sqs_call *sqs, struct amp_sqs_writer *writer, const char *name,
                    const struct amp_queue_name *queue)
{
    uint8_t storage[AMP_SQS_ARN_MAX];
    struct amp_out out = amp_out(storage, sizeof storage);
    amp_sqs_write_arn(&out, amp_sqs_region(sqs->call), amp_queue_name_slice(queue));
    amp_sqs_put_text(writer, name, amp_out_done(&out));
}

static enum amp_err write_task(const struct amp_sqs_call *sqs, struct amp_sqs_writer *writer,
                               const struct amp_move_task *task)
{
    static const char *const element = "ListMessageMoveTasksResultEntry";
    char handle[AMP_SQS_HANDLE_MAX];
    size_t len;
    enum amp_err err = make_handle(sqs, task, handle, &len);
    if (err != AMP_OK)
        return err;
    amp_sqs_item_begin(writer, element);
    if (task->state == AMP_MOVE_RUNNING) /* an ended one cannot be cancelled */
        amp_sqs_put_text(writer, "TaskHandle", amp_slice(handle, len));
    amp_sqs_put_text(writer, "Status", amp_slice_str(state_name(task->state)));
    put_arn(sqs, writer, "SourceArn", &task->source);
    if (task->destination.len != 0)
        put_arn(sqs, writer, "DestinationArn", &task->destination);
    if (task->per_second != 0)
        amp_sqs_put_number(writer, "MaxNumberOfMessagesPerSecond", task->per_second);
    amp_sqs_put_number(writer, "ApproximateNumberOfMessagesMoved", (int64_t)task->moved);
    amp_sqs_put_number(writer, "ApproximateNumberOfMessagesToMove", (int64_t)task->to_move);
    if (task->state == AMP_MOVE_FAILED)
        amp_sqs_put_text(writer, "FailureReason", AMP_SLICE_LIT("CouldNotMoveMessages"));
    amp_sqs_put_number(writer, "StartedTimestamp", task->started_unix_ms);
    amp_sqs_item_end(writer, element);
    return AMP_OK;
}

static enum amp_err answer_tasks(const struct amp_sqs_call *sqs, const struct amp_move_task *tasks, size_t count)
{
    struct amp_sqs_answer answer;
    enum amp_err err = amp_sqs_answer_begin(&answer, sqs->call, sqs->asked->protocol, sqs->asked->action,
                                            AMP_SQS_AROUND + count * TASK_MAX);
    if (err != AMP_OK)
        return err;
    amp_sqs_list_begin(&answer.writer, "Results");
    for (size_t i = 0; i < count && err == AMP_OK; i++)
        err = write_task(sqs, &answer.writer, &tasks[i]);
    amp_sqs_list_end(&answer.writer);
    return err != AMP_OK ? err : amp_sqs_answer_send(&answer);
}

enum amp_err amp_sqs_move_list(const struct amp_sqs_call *sqs)
{
    const struct amp_queue_engine *queues = &sqs->call->api->config.queues;
    struct amp_move_task tasks[AMP_MOVE_TASKS_KEPT];
    size_t count = 0;
    uint64_t number;
    int64_t most;
    enum amp_err err = amp_sqs_number_in(sqs, sqs->asked->max_results, 1, AMP_MOVE_TASKS_KEPT, 1,
                                         "The value for parameter MaxResults is invalid. Reason: Must be between 1 "
                                         "and 10, if provided.",
                                         &most);
    if (err == AMP_OK)
        err = check_source(sqs);
    if (err == AMP_OK)
        err = queues->ops->move_list(queues->self, sqs->queue, tasks, &count);
    if (err == AMP_OK)
        err = answer_tasks(sqs, tasks, count < (size_t)most ? count : (size_t)most);
    return err != AMP_OK ? err : amp_call_record(sqs->call, false, &number);
}
