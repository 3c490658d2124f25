/*
 * What a call asks of another role. The keeper is asked over this worker's own link; the courier over the one link that
 * there is, which is worker 0's: tests travel there and back through the workers' mailboxes.
 */
#include <stdlib.h>

#include "base/log.h"
#include "front/internal.h"

#define ASK_MAX 8192

/* An ask's number tells its kind. */
enum { KIND_BITS = 2, KIND_MASK = (1 << KIND_BITS) - 1 };

static uint64_t next_number(struct amp_worker *worker, enum amp_api_ask_kind kind)
{
    return ++worker->last_ask << KIND_BITS | (uint64_t)kind;
}

static enum amp_api_ask_kind kind_of(uint64_t number)
{
    return (enum amp_api_ask_kind)(number & KIND_MASK);
}

static bool is_of_keeper(uint64_t number)
{
    return kind_of(number) != AMP_API_ASK_SUBSCRIPTION_TEST;
}

static enum amp_ipc_type type_of(enum amp_api_ask_kind kind)
{
    switch (kind) {
    case AMP_API_ASK_SUBSCRIPTION_CREATE:
        return AMP_IPC_SUBSCRIPTION_CREATE;
    case AMP_API_ASK_SUBSCRIPTION_DELETE:
        return AMP_IPC_SUBSCRIPTION_DELETE;
    case AMP_API_ASK_SUBSCRIPTION_ROTATE:
        return AMP_IPC_SUBSCRIPTION_ROTATE;
    case AMP_API_ASK_SUBSCRIPTION_TEST:
        break;
    }
    amp_fatal("the keeper is not asked for tests");
}

static enum amp_err ask_keeper(struct amp_worker *worker, const struct amp_api_ask *ask, uint64_t number)
{
    uint8_t storage[ASK_MAX], packed_storage[AMP_SUBSCRIPTION_PACKED_MAX];
    struct amp_out payload = amp_out(storage, sizeof storage), packed = amp_out(packed_storage, sizeof packed_storage);

    if (worker->keeper == NULL)
        return AMP_ERR_KEEPER_UNAVAILABLE;
    amp_ipc_put_u64(&payload, number);
    if (ask->kind == AMP_API_ASK_SUBSCRIPTION_CREATE) {
        amp_subscription_pack(&packed, ask->wanted);
        amp_ipc_put_bytes(&payload, amp_out_done(&packed));
    } else {
        amp_out_bytes(&payload, ask->who, AMP_PRINCIPAL_KEY_ID_LEN);
        amp_out_bytes(&payload, ask->subscription, sizeof ask->subscription);
    }
    if (payload.overflow || packed.overflow)
        return AMP_ERR_INVALID;
    if (amp_link_send(worker->keeper, type_of(ask->kind), amp_out_done(&payload), -1) != AMP_OK)
        return AMP_ERR_KEEPER_UNAVAILABLE;
    return AMP_OK;
}

static enum amp_err ask_courier(struct amp_worker *worker, const struct amp_api_ask *ask, uint64_t number)
{
    struct amp_front_shared *shared = worker->shared;
    struct amp_worker *pusher = atomic_load(&shared->pusher);
    struct amp_push_test *test;
    enum amp_err err;

    if (pusher == NULL || atomic_load(&shared->draining) || !atomic_load(&shared->courier_here))
        return AMP_ERR_OVERLOADED;
    err = amp_push_test_new(&test, ask->body);
    if (err != AMP_OK)
        return err;
    memcpy(test->subscription, ask->subscription, sizeof test->subscription);
    test->from = worker;
    test->number = number;
    amp_front_post(pusher, test);
    return AMP_OK;
}

enum amp_err amp_front_ask(void *ctx, const struct amp_api_ask *ask, uint64_t *number)
{
    struct amp_worker *worker = ctx;

    *number = next_number(worker, ask->kind);
    return is_of_keeper(*number) ? ask_keeper(worker, ask, *number) : ask_courier(worker, ask, *number);
}

void amp_front_lose_keeper(struct amp_worker *worker)
{
    amp_front_fail_asks(worker, is_of_keeper, AMP_ERR_KEEPER_UNAVAILABLE);
}

/*
 * News of subscriptions comes to worker 0, and this worker's answer may be quicker. Who was told that his subscription
 * exists may rely on it with his next request, whichever worker that meets.
 */
bool amp_front_in_force(struct amp_worker *worker, uint64_t ask, const struct amp_front_word *word)
{
    struct amp_subscription known;
    enum amp_err err = amp_subscribers_get(worker->shared->subscribers, word->subscription, &known);

    switch (kind_of(ask)) {
    case AMP_API_ASK_SUBSCRIPTION_CREATE:
        return err == AMP_OK;
    case AMP_API_ASK_SUBSCRIPTION_DELETE:
        return err != AMP_OK;
    case AMP_API_ASK_SUBSCRIPTION_ROTATE:
        return err != AMP_OK || known.state == AMP_SUBSCRIPTION_ACTIVE;
    case AMP_API_ASK_SUBSCRIPTION_TEST:
        break;
    }
    return true;
}

void amp_front_tell_word(struct amp_worker *worker, uint64_t ask, const struct amp_front_word *word)
{
    struct amp_api_answer answer = {
        .err = word->err,
        .older_expires_unix_ms = word->older_expires_unix_ms,
        .secret = amp_slice(word->secret, word->secret_len),
    };

    memcpy(answer.subscription, word->subscription, sizeof answer.subscription);
    amp_front_answer_ask(worker, ask, &answer);
}

bool amp_front_take_done(struct amp_worker *worker, struct amp_ipc_in *in)
{
    struct amp_front_word word = {0};
    uint64_t ask = amp_ipc_get_u64(in);
    struct amp_slice secret;

    word.err = (enum amp_err)amp_ipc_get_u32(in);
    amp_ipc_get_fixed(in, word.subscription, sizeof word.subscription);
    word.older_expires_unix_ms = (int64_t)amp_ipc_get_u64(in);
    secret = amp_ipc_get_bytes(in, sizeof word.secret);
    if (!amp_ipc_end(in) || word.err >= AMP_ERR_COUNT_ || !is_of_keeper(ask))
        return false;
    word.secret_len = secret.len;
    if (secret.len > 0)
        memcpy(word.secret, secret.ptr, secret.len);
    if (word.err != AMP_OK || amp_front_in_force(worker, ask, &word) || !amp_front_hold_word(worker, ask, &word))
        amp_front_tell_word(worker, ask, &word);
    amp_wipe(&word, sizeof word);
    return true;
}

void amp_front_post(struct amp_worker *to, struct amp_push_test *test)
{
    struct amp_push_test *head = atomic_load(&to->mail);

    do
        test->next = head;
    while (!atomic_compare_exchange_weak(&to->mail, &head, test));
    if (head == NULL)
        amp_front_ring(to);
}

/* In whatever order: they have nothing to do with each other. */
void amp_front_read_mail(struct amp_worker *worker)
{
    struct amp_push_test *test = atomic_exchange(&worker->mail, NULL), *next;

    for (; test != NULL; test = next) {
        next = test->next;
        if (!test->done) {
            amp_push_take_test(worker->push, test);
            continue;
        }
        amp_front_answer_ask(worker, test->number,
                             &(struct amp_api_answer){.err = test->err, .http_status = test->http_status});
        amp_push_test_free(test);
    }
}

void amp_front_burn_mail(struct amp_worker *worker)
{
    struct amp_push_test *test = atomic_exchange(&worker->mail, NULL), *next;

    for (; test != NULL; test = next) {
        next = test->next;
        amp_push_test_free(test);
    }
}
