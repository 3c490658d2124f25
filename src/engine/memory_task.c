/* Move tasks: messages of a dead-letter queue on their way to another queue, at a rate, in the sweep. */
#include "engine/memory.h"

#include "crypto/crypto.h"

#define IDLE_MOST 64 /* tasks that may do nothing now, of a stripe, in one sweep */

_Static_assert(256 % STRIPES == 0, "byte 0 of a task's id tells its stripe");

static struct stripe *stripe_of(struct amp_memory *memory, const uint8_t id[16])
{
    return &memory->stripes[id[0] % STRIPES];
}

static struct task *find(const struct stripe *stripe, const uint8_t id[16])
{
    for (struct amp_ring *at = amp_ring_first(&stripe->tasks); at != NULL; at = amp_ring_after(&stripe->tasks, at)) {
        struct task *task = AMP_CONTAINER(at, struct task, place);
        if (memcmp(task->told.id, id, sizeof task->told.id) == 0)
            return task;
    }
    return NULL;
}

static void end(struct stripe *stripe, struct task *task, enum amp_move_state state)
{
    task->told.state = state;
    amp_ring_remove(&task->turn);
    stripe->running--;
}

static void task_free(struct visit *visit, struct task *task)
{
    if (task->told.state == AMP_MOVE_RUNNING)
        end(visit->stripe, task, AMP_MOVE_FAILED);
    amp_ring_remove(&task->place);
    amp_meter_free(&visit->memory->meter, task, 0);
}

/* Keeps the latest `keep` of that source. */
static void trim(struct visit *visit, const struct queue *source, size_t keep)
{
    const struct amp_ring *tasks = &visit->stripe->tasks;
    for (struct amp_ring *at = amp_ring_first(tasks), *next; at != NULL; at = next) {
        struct task *task = AMP_CONTAINER(at, struct task, place);
        next = amp_ring_after(tasks, at);
        if (task->source != source)
            continue;
        if (keep == 0)
            task_free(visit, task);
        else
            keep--;
    }
}

void amp_tasks_free_of(struct visit *visit, const struct queue *source)
{
    trim(visit, source, 0);
}

/* Starting. */

static bool names_as_dead_letter(struct stripe *stripe, struct amp_slice name)
{
    bool named = false;
    pthread_mutex_lock(&stripe->lock);
    for (size_t i = 0; i < CHAINS && !named; i++) {
        for (const struct queue *queue = stripe->queues[i]; queue != NULL && !named; queue = queue->next)
            named =
                queue->gone_until_ms == 0 && amp_slice_equal(amp_queue_name_slice(&queue->settings.dead_letter), name);
    }
    pthread_mutex_unlock(&stripe->lock);
    return named;
}

static bool is_dead_letter_queue(struct amp_memory *memory, struct amp_slice name)
{
    for (size_t i = 0; i < STRIPES; i++) {
        if (names_as_dead_letter(&memory->stripes[i], name))
            return true;
    }
    return false;
}

static enum amp_err check_destination(struct amp_memory *memory, struct amp_slice source, struct amp_slice destination,
                                      struct amp_queue_name *name)
{
    *name = (struct amp_queue_name){0};
    if (destination.len == 0)
        return AMP_OK;
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, memory, destination);
    if (err != AMP_OK)
        return err;
    *name = visit.queue->name;
    if (visit.queue->settings.fifo != amp_queue_name_is_fifo(source) || amp_slice_equal(source, destination))
        err = AMP_ERR_MOVE_SOURCE_INVALID;
    amp_memory_leave(&visit);
    return err;
}

static bool runs(const struct visit *visit)
{
    const struct amp_ring *tasks = &visit->stripe->tasks;
    for (struct amp_ring *at = amp_ring_first(tasks); at != NULL; at = amp_ring_after(tasks, at)) {
        const struct task *task = AMP_CONTAINER(at, struct task, place);
        if (task->source == visit->queue && task->told.state == AMP_MOVE_RUNNING)
            return true;
    }
    return false;
}

static enum amp_err start(struct visit *visit, struct amp_move_task *told)
{
    if (runs(visit))
        return AMP_ERR_MOVE_SOURCE_INVALID;
    void *block;
    enum amp_err err = amp_meter_alloc_beyond(&visit->memory->meter, sizeof(struct task), &block);
    if (err != AMP_OK)
        return err;
    trim(visit, visit->queue, AMP_MOVE_TASKS_KEPT - 1);
    size_t number = (size_t)(visit->stripe - visit->memory->stripes);
    told->id[0] = (uint8_t)(told->id[0] / STRIPES * STRIPES + number);
    told->source = visit->queue->name;
    told->to_move = visit->queue->stock->count[MESSAGE_AVAILABLE];
    told->started_unix_ms = amp_clock_unix_ms(&visit->memory->config.clock);
    struct task *task = block;
    *task = (struct task){.source = visit->queue, .told = *told, .started_ms = visit->now_ms};
    amp_ring_prepend(&visit->stripe->tasks, &task->place);
    amp_ring_append(&visit->stripe->at_work, &task->turn);
    visit->stripe->running++;
    return AMP_OK;
}

enum amp_err amp_memory_move_start(void *self, struct amp_slice source, struct amp_slice destination,
                                   uint32_t per_second, struct amp_move_task *task)
{
    struct amp_memory *memory = self;
    struct visit visit;
    *task = (struct amp_move_task){.state = AMP_MOVE_RUNNING, .per_second = per_second};
    enum amp_err err = amp_memory_enter(&visit, memory, source);
    if (err != AMP_OK)
        return err;
    amp_memory_leave(&visit);
    if (!is_dead_letter_queue(memory, source))
        return AMP_ERR_MOVE_SOURCE_INVALID;
    err = check_destination(memory, source, destination, &task->destination);
    if (err == AMP_OK)
        err = amp_random(task->id, sizeof task->id);
    if (err == AMP_OK)
        err = amp_memory_enter(&visit, memory, source);
    if (err != AMP_OK)
        return err;
    err = start(&visit, task);
    amp_memory_leave(&visit);
    return err;
}

/* Looking and ending. */

enum amp_err amp_memory_move_find(void *self, const uint8_t id[16], struct amp_move_task *told)
{
    struct stripe *stripe = stripe_of(self, id);
    pthread_mutex_lock(&stripe->lock);
    const struct task *task = find(stripe, id);
    if (task != NULL)
        *told = task->told;
    pthread_mutex_unlock(&stripe->lock);
    return task != NULL ? AMP_OK : AMP_ERR_RESOURCE_NOT_FOUND;
}

enum amp_err amp_memory_move_cancel(void *self, const uint8_t id[16], struct amp_move_task *told)
{
    struct stripe *stripe = stripe_of(self, id);
    enum amp_err err = AMP_ERR_RESOURCE_NOT_FOUND;
    pthread_mutex_lock(&stripe->lock);
    struct task *task = find(stripe, id);
    if (task != NULL && task->told.state == AMP_MOVE_RUNNING) {
        end(stripe, task, AMP_MOVE_CANCELLED);
        *told = task->told;
        err = AMP_OK;
    }
    pthread_mutex_unlock(&stripe->lock);
    return err;
}

enum amp_err amp_memory_move_list(void *self, struct amp_slice source, struct amp_move_task tasks[AMP_MOVE_TASKS_KEPT],
                                  size_t *count)
{
    *count = 0;
    struct visit visit;
    enum amp_err err = amp_memory_enter(&visit, self, source);
    if (err != AMP_OK)
        return err;
    const struct amp_ring *all = &visit.stripe->tasks;
    for (struct amp_ring *at = amp_ring_first(all); at != NULL; at = amp_ring_after(all, at)) {
        const struct task *task = AMP_CONTAINER(at, struct task, place);
        if (task->source == visit.queue && *count < AMP_MOVE_TASKS_KEPT)
            tasks[(*count)++] = task->told;
    }
    amp_memory_leave(&visit);
    return AMP_OK;
}

/* Working. */

/* How many may be moved now: by its rate, which begins with one, and by what there was to move. */
static uint64_t allowed(const struct task *task, int64_t now_ms)
{
    const struct amp_move_task *told = &task->told;
    uint64_t left = told->to_move > told->moved ? told->to_move - told->moved : 0;
    if (told->per_second == 0)
        return left;
    uint64_t so_far = (uint64_t)(now_ms - task->started_ms) * told->per_second / 1000 + 1;
    uint64_t due = so_far > told->moved ? so_far - told->moved : 0;
    return due < left ? due : left;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static struct task *next_in_turn(struct stripe *stripe)
{
    struct amp_ring *next = amp_ring_first(&stripe->at_work);
    if (next == NULL)
        return NULL;
    amp_ring_remove(next);
    amp_ring_append(&stripe->at_work, next);
    return AMP_CONTAINER(next, struct task, turn);
}

/* False where it may do no more now. What has expired is in the way, and costs work too. */
static bool depart(struct visit *visit, struct task *task, size_t *work, struct party *party)
{
    const struct amp_queue_name *to = &task->told.destination;
    uint64_t due = allowed(task, visit->now_ms), expired = visit->stripe->swept.expired;
    size_t most = least(*work, due < TRAVELLERS_MAX ? (size_t)due : TRAVELLERS_MAX);
    struct message *message;
    visit->queue = task->source;
    amp_travel_begin(party, to->len != 0 ? TRAVEL_TASK : TRAVEL_TASK_HOME, task->source);
    while (party->count < most && (message = amp_memory_message_next(visit, NULL)) != NULL)
        amp_travel_depart(visit, party, message, to->len != 0 ? to : &message->origin->told.source);
    *work -= least(*work, party->count + (size_t)(visit->stripe->swept.expired - expired));
    bool dry = most != 0 && party->count == 0 && !amp_memory_message_waits(task->source->stock);
    if (dry || task->told.moved >= task->told.to_move)
        end(visit->stripe, task, AMP_MOVE_COMPLETED);
    return most != 0 && !dry;
}

/* What it came to. The task may be cancelled or gone by now. */
static void note(struct amp_memory *memory, struct stripe *stripe, const uint8_t id[16], const struct party *party,
                 unsigned arrived)
{
    struct visit visit;
    amp_memory_enter_stripe(&visit, memory, stripe);
    struct task *task = find(stripe, id);
    if (task != NULL) {
        task->told.moved += arrived;
        if (task->told.state == AMP_MOVE_RUNNING && arrived < party->count)
            end(stripe, task, AMP_MOVE_FAILED);
        else if (task->told.state == AMP_MOVE_RUNNING && task->told.moved >= task->told.to_move)
            end(stripe, task, AMP_MOVE_COMPLETED);
    }
    amp_memory_leave(&visit);
}

/* One party of the task whose turn it is; false where that may do no more now, or there is none. */
static bool step(struct amp_memory *memory, struct stripe *stripe, size_t *work)
{
    struct visit visit;
    struct party party = {.count = 0};
    uint8_t id[16];
    bool works = false;
    amp_memory_enter_stripe(&visit, memory, stripe);
    struct task *task = next_in_turn(stripe);
    if (task != NULL) {
        memcpy(id, task->told.id, sizeof id);
        works = depart(&visit, task, work, &party);
    }
    amp_memory_leave(&visit);
    if (party.count != 0)
        note(memory, stripe, id, &party, amp_travel_arrive(memory, stripe, &party));
    return works;
}

void amp_tasks_tend(struct amp_memory *memory, struct stripe *stripe, size_t *work)
{
    for (uint32_t idle = 0; idle < stripe->running && idle < IDLE_MOST && *work != 0;)
        idle = step(memory, stripe, work) ? 0 : idle + 1;
}
