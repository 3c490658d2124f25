#include "net/conn.h"

enum {
    REST_AFTER_MS = 1000, /* a busy peer comes back sooner, and its buffers are still there */
    LINGER_MS = 2000,
    /* Since the drain began: what hangs on the peer, and what hangs on us. A supervisor waits 30 s. */
    DRAIN_PEER_MS = 10000,
    DRAIN_OWN_MS = 20000,
};

static int64_t limit_ms(const struct amp_net *net, enum amp_net_phase phase)
{
    const struct amp_net_limits *limits = &net->limits;
    switch (phase) {
    case AMP_NET_HANDSHAKE:
        return limits->handshake_ms;
    case AMP_NET_IDLE:
        return limits->idle_ms < REST_AFTER_MS ? limits->idle_ms : REST_AFTER_MS;
    case AMP_NET_DORMANT:
        return limits->idle_ms;
    case AMP_NET_HEAD:
        return limits->head_ms;
    case AMP_NET_BODY:
        return limits->body_ms;
    case AMP_NET_ANSWER:
        return limits->request_ms;
    case AMP_NET_PARKED:
        return INT64_MAX;
    case AMP_NET_WRITE:
        return limits->write_ms;
    case AMP_NET_LINGER:
        return LINGER_MS;
    case AMP_NET_PHASE_COUNT_:
        break;
    }
    return 0;
}

void amp_net_phase_leave(struct amp_net_conn *conn)
{
    struct amp_net_queue *queue = &conn->net->queues[conn->phase];
    if (conn->parked.link != NULL)
        amp_wheel_cancel(&conn->net->parked, &conn->parked);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        queue->first = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    else
        queue->last = conn->prev;
    queue->count--;
}

static void append(struct amp_net_conn *conn)
{
    struct amp_net_queue *queue = &conn->net->queues[conn->phase];
    conn->next = NULL;
    conn->prev = queue->last;
    if (conn->prev != NULL)
        conn->prev->next = conn;
    else
        queue->first = conn;
    queue->last = conn;
    queue->count++;
}

void amp_net_phase_enter(struct amp_net_conn *conn, enum amp_net_phase phase, bool anew)
{
    int64_t now = conn->net->now_ms;
    if (conn->phase == phase && (!anew || conn->since_ms == now))
        return;
    if (conn->phase != AMP_NET_PHASE_COUNT_)
        amp_net_phase_leave(conn);
    conn->phase = phase;
    if (phase != AMP_NET_DORMANT) /* which goes on where idling was */
        conn->since_ms = now;
    append(conn);
    if (phase == AMP_NET_PARKED)
        amp_wheel_insert(&conn->net->parked, &conn->parked, conn->exchange->due_ms);
}

/* Out of the wheel, and in its queue still: whoever ends it takes it from there. */
static struct amp_net_conn *overdue_parked(struct amp_net *net)
{
    size_t work = SIZE_MAX;
    struct amp_wheel_node *node = amp_wheel_take(&net->parked, net->now_ms, &work);
    if (node == NULL)
        return NULL;
    return (struct amp_net_conn *)(void *)((uint8_t *)node - offsetof(struct amp_net_conn, parked));
}

bool amp_net_phase_is_cut_short(const struct amp_net *net, enum amp_net_phase phase)
{
    if (phase == AMP_NET_LINGER)
        return false; /* two seconds, and the peer may read its answer yet */
    const bool hangs_on_us = phase == AMP_NET_ANSWER || phase == AMP_NET_PARKED;
    return net->now_ms - net->drained_ms >= (hangs_on_us ? DRAIN_OWN_MS : DRAIN_PEER_MS);
}

struct amp_net_conn *amp_net_phase_overdue(struct amp_net *net, enum amp_net_phase phase)
{
    struct amp_net_conn *conn = net->queues[phase].first;
    if (amp_net_phase_is_cut_short(net, phase))
        return conn;
    if (phase == AMP_NET_PARKED)
        return overdue_parked(net);
    return conn != NULL && net->now_ms - conn->since_ms >= limit_ms(net, phase) ? conn : NULL;
}
