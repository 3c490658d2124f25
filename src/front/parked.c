/*
 * Calls that wait: long polls for a message, others for the keeper's or the courier's word. Whoever has news for one,
 * an engine in any thread, its deadline, its peer's end, leaves word: the call joins its worker's woken list, and the
 * worker goes on with it when its loop turns. So a call that waits costs nothing until then, and only its own thread
 * ever touches it.
 */
#include <stdlib.h>

#include "front/internal.h"

struct parked {
    struct amp_queue_waiter waiter; /* first */
    struct amp_worker *worker;
    struct amp_net_exchange *exchange;
    struct amp_net_request request;
    const struct amp_route *route;
    struct amp_slice id;
    struct amp_api_response response; /* says what it waits for */
    struct amp_wheel_node due;
    LIST_ENTRY(parked) next;     /* among those of its kind */
    struct amp_front_word *word; /* what the keeper said, where it is not in force here yet */
    struct parked *next_woken;
    enum amp_resume why;  /* once it is woken */
    _Atomic bool listed;  /* among the woken */
    _Atomic bool engaged; /* the engine has woken it: somebody must look at the queue */
};

static struct parked *of_due(struct amp_wheel_node *node)
{
    return (struct parked *)(void *)((uint8_t *)node - offsetof(struct parked, due));
}

static void leave_word(struct parked *parked)
{
    struct amp_worker *worker = parked->worker;
    struct parked *head;

    if (atomic_exchange(&parked->listed, true))
        return;
    head = atomic_load(&worker->woken);
    do
        parked->next_woken = head;
    while (!atomic_compare_exchange_weak(&worker->woken, &head, parked));
    if (head == NULL)
        amp_front_ring(worker);
}

/* From any thread, under a lock of the engine. */
static void on_wake(struct amp_queue_waiter *waiter)
{
    struct parked *parked = (struct parked *)waiter;

    atomic_store(&parked->engaged, true);
    leave_word(parked);
}

static void on_gone(void *ctx)
{
    leave_word(ctx);
}

static void end_with(struct parked *parked, enum amp_resume why)
{
    if (parked->why != AMP_RESUME_ENDING)
        parked->why = why;
    leave_word(parked);
}

static bool is_poll(const struct parked *parked)
{
    return parked->response.park.kind == AMP_PARK_POLL;
}

static int64_t now_ms(const struct amp_worker *worker)
{
    return amp_clock_mono_ms(&worker->shared->clock);
}

/* Its time, and then as much as any other request has: for the log, and for whatever it does at its end. */
static void begin_waiting(struct parked *parked)
{
    struct amp_worker *worker = parked->worker;
    const struct amp_queue_engine *queues = &worker->shared->queues;
    const struct amp_park *park = &parked->response.park;
    int64_t left_ms = park->until_mono_ms - now_ms(worker);

    parked->why = AMP_RESUME_WOKEN;
    LIST_INSERT_HEAD(is_poll(parked) ? &worker->polls : &worker->asking, parked, next);
    amp_wheel_insert(&worker->due, &parked->due, park->until_mono_ms > 0 ? park->until_mono_ms : 0);
    atomic_fetch_add(&worker->shared->parked, 1);
    amp_net_extend(parked->exchange, (left_ms > 0 ? left_ms : 0) + worker->settings.limits.request_ms);
    amp_net_on_gone(parked->exchange, on_gone, parked);
    if (!is_poll(parked))
        return;
    if (worker->draining || worker->keeper == NULL)
        end_with(parked, AMP_RESUME_ENDING);
    else if (queues->ops->wait(queues->self, amp_queue_name_slice(&park->queue), &parked->waiter) != AMP_OK)
        leave_word(parked); /* there is something now, or the queue is gone */
}

/* Behind it nobody leaves word for it. */
static void end_waiting(struct parked *parked)
{
    struct amp_worker *worker = parked->worker;
    const struct amp_queue_engine *queues = &worker->shared->queues;

    if (is_poll(parked))
        queues->ops->unwait(queues->self, &parked->waiter);
    if (parked->due.link != NULL)
        amp_wheel_cancel(&worker->due, &parked->due);
    LIST_REMOVE(parked, next);
    amp_net_on_gone(parked->exchange, NULL, NULL);
    atomic_fetch_sub(&worker->shared->parked, 1);
}

static void parked_free(struct parked *parked)
{
    amp_secret_free(parked->word);
    amp_wipe(parked, sizeof *parked);
    free(parked);
}

enum amp_err amp_front_park(struct amp_worker *worker, struct amp_net_exchange *exchange,
                            const struct amp_api_request *call, const struct amp_net_request *request,
                            struct amp_api_response *response)
{
    struct parked *parked = calloc(1, sizeof *parked);

    if (parked == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    parked->waiter.wake = on_wake;
    parked->worker = worker;
    parked->exchange = exchange;
    parked->request = *request;
    parked->route = call->route;
    parked->id = call->id;
    parked->response = *response;
    amp_wipe(response, sizeof *response);
    begin_waiting(parked);
    return AMP_OK;
}

/* The call goes on, and may wait again; the key is named by what was parked, for it was verified then. */
static void go_on(struct parked *parked, enum amp_resume why, const struct amp_api_answer *answer)
{
    struct amp_worker *worker = parked->worker;
    uint8_t who[AMP_PRINCIPAL_KEY_ID_LEN];
    struct amp_api_request call = {
        .route = parked->route,
        .id = parked->id,
        .head = parked->request.head,
        .body = parked->request.body,
        .body_len = parked->request.body_len,
        .event = amp_front_event(worker, parked->route->act, &parked->request),
    };

    amp_net_work_for(worker->net, parked->exchange);
    memcpy(who, parked->response.park.who, sizeof who);
    call.event.who = amp_slice(who, sizeof who);
    amp_api_resume(worker->api, &call, why, answer, &parked->response);
    if (parked->response.park.kind != AMP_PARK_NONE) {
        begin_waiting(parked);
        return;
    }
    amp_front_conclude(worker, parked->exchange, &parked->request, &parked->response);
    parked_free(parked);
}

static void abandon(struct parked *parked)
{
    static const struct amp_net_response nothing = {.status = 503, .close = true};

    amp_api_response_fini(&parked->response);
    (void)amp_net_respond(parked->exchange, &nothing); /* reaches nobody */
    parked_free(parked);
}

/*
 * An engine wakes one for what came and leaves it at that. This one may not have taken it, its peer gone, its call
 * ended or memory short: the next in line is told, if there is something still.
 */
static void wake_up(struct parked *parked)
{
    const struct amp_queue_engine *queues = &parked->worker->shared->queues;
    struct amp_queue_name queue = parked->response.park.queue;
    bool alive = amp_net_alive(parked->exchange), engaged;

    end_waiting(parked);
    engaged = atomic_exchange(&parked->engaged, false);
    atomic_store(&parked->listed, false);
    if (engaged && parked->why == AMP_RESUME_LATE)
        parked->why = AMP_RESUME_WOKEN; /* just in time */
    if (alive)
        go_on(parked, parked->why, NULL);
    else
        abandon(parked);
    if (engaged)
        queues->ops->nudge(queues->self, amp_queue_name_slice(&queue));
}

void amp_front_wake_up(struct amp_worker *worker)
{
    struct parked *parked = atomic_exchange(&worker->woken, NULL), *in_order = NULL, *next;

    for (; parked != NULL; parked = next) {
        next = parked->next_woken;
        parked->next_woken = in_order;
        in_order = parked;
    }
    for (; in_order != NULL; in_order = next) {
        next = in_order->next_woken;
        wake_up(in_order);
    }
}

void amp_front_end_polls(struct amp_worker *worker, const uint8_t *key_id)
{
    struct parked *parked;

    LIST_FOREACH(parked, &worker->polls, next)
    {
        if (key_id == NULL || memcmp(parked->response.park.who, key_id, AMP_PRINCIPAL_KEY_ID_LEN) == 0)
            end_with(parked, AMP_RESUME_ENDING);
    }
}

void amp_front_end_late(struct amp_worker *worker, int64_t now_mono_ms)
{
    struct amp_wheel_node *node;
    size_t work = SIZE_MAX;

    while ((node = amp_wheel_take(&worker->due, now_mono_ms, &work)) != NULL)
        end_with(of_due(node), AMP_RESUME_LATE);
}

static void answer(struct parked *parked, const struct amp_api_answer *answer)
{
    end_waiting(parked);
    go_on(parked, AMP_RESUME_ANSWER, answer);
}

/* One that was woken meanwhile is about to end for another reason. */
static struct parked *find_asking(const struct amp_worker *worker, uint64_t ask)
{
    struct parked *parked;

    LIST_FOREACH(parked, &worker->asking, next)
    {
        if (parked->response.park.ask == ask && !atomic_load(&parked->listed))
            return parked;
    }
    return NULL;
}

void amp_front_answer_ask(struct amp_worker *worker, uint64_t ask, const struct amp_api_answer *told)
{
    struct parked *parked = find_asking(worker, ask);

    if (parked != NULL)
        answer(parked, told);
}

bool amp_front_hold_word(struct amp_worker *worker, uint64_t ask, const struct amp_front_word *word)
{
    struct parked *parked = find_asking(worker, ask);

    if (parked == NULL)
        return true;
    parked->word = amp_secret_alloc(sizeof *parked->word);
    if (parked->word == NULL)
        return false;
    *parked->word = *word;
    return true;
}

void amp_front_tell_held(struct amp_worker *worker)
{
    struct parked *parked, *next;

    for (parked = LIST_FIRST(&worker->asking); parked != NULL; parked = next) {
        struct amp_front_word *word = parked->word;

        next = LIST_NEXT(parked, next);
        if (word == NULL || atomic_load(&parked->listed) ||
            !amp_front_in_force(worker, parked->response.park.ask, word))
            continue;
        parked->word = NULL;
        amp_front_tell_word(worker, parked->response.park.ask, word);
        amp_secret_free(word);
    }
}

void amp_front_fail_asks(struct amp_worker *worker, bool (*concerned)(uint64_t ask), enum amp_err err)
{
    struct parked *parked, *next;

    for (parked = LIST_FIRST(&worker->asking); parked != NULL; parked = next) {
        next = LIST_NEXT(parked, next);
        if (concerned(parked->response.park.ask) && !atomic_load(&parked->listed))
            answer(parked, &(struct amp_api_answer){.err = err});
    }
}
