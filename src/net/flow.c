/*
 * Whose turn it is. A worker serves what is ready as it comes, and each flow may do so much of that in one turn of the
 * loop; what is beyond it is deferred, and served behind the turn's events in deficit round robin (Shreedhar and
 * Varghese, 1995) over the flows, a little each turn. Meanwhile nothing is read from who waits: TCP pushes back. Where
 * nobody has more than its quantum ready, all this is a comparison and a subtraction for each event.
 *
 * Strangers, of whom there may be any number, are one flow. Their work is mostly handshakes, dear and not to be
 * interrupted, so that while others are busy it is paced besides: to about a third of the worker's time.
 *
 * Work is counted in units of about 10 us, and not in time, which is not to be had so finely for nothing.
 */
#include <stdlib.h>

#include "base/log.h"
#include "net/conn.h"

enum {
    QUANTUM = 32,      /* of each flow, in one turn */
    ROUND_UNITS = 8,   /* of deferred work in one turn, of all flows: others may have little ready at a time */
    ALONE_UNITS = 512, /* the same where one flow alone is at work: nobody else waits for it */
    STRANGERS_PER_MS = 32,
    STRANGERS_BURST = 64,
    BUSY_MS = 5, /* others are taken for busy so long after their last work */
    STALE_MS = 60 * 1000,
};

static void flow_init(struct amp_net_flow *flow, struct amp_holder *holder)
{
    *flow = (struct amp_net_flow){.holder = holder, .left = QUANTUM};
    TAILQ_INIT(&flow->deferred);
}

void amp_net_flows_init(struct amp_net *net)
{
    flow_init(&net->strangers, NULL);
    flow_init(&net->guests, NULL);
    TAILQ_INIT(&net->round);
    net->turn = 1;
    net->busy_ms = INT64_MIN / 2;
    net->credit = STRANGERS_BURST;
}

static struct amp_net_flow **find(struct amp_net *net, const struct amp_holder *holder)
{
    uintptr_t hash = (uintptr_t)holder / 64;
    struct amp_net_flow **link = &net->flows[(hash ^ hash >> 8) % AMP_NET_FLOW_CHAINS];
    while (*link != NULL && (*link)->holder != holder)
        link = &(*link)->next;
    return link;
}

static void enter_round(struct amp_net *net, struct amp_net_flow *flow)
{
    TAILQ_INSERT_TAIL(&net->round, flow, round);
    flow->in_round = true;
}

static void leave_round(struct amp_net *net, struct amp_net_flow *flow)
{
    TAILQ_REMOVE(&net->round, flow, round);
    flow->in_round = false;
}

/* One connection, or the round, has done with it. */
static void release(struct amp_net *net, struct amp_net_flow *flow)
{
    if (--flow->connections != 0 || flow->holder == NULL)
        return;
    if (flow->in_round)
        amp_fatal("a flow ended while a connection of it waited");
    *find(net, flow->holder) = flow->next;
    amp_holder_unref(net->commons->holders, flow->holder);
    free(flow);
}

static void add(struct amp_net_conn *conn, struct amp_net_flow *flow)
{
    conn->flow = flow;
    flow->connections++;
}

void amp_net_flow_undefer(struct amp_net_conn *conn)
{
    struct amp_net_flow *flow = conn->flow;
    if (!conn->deferred)
        return;
    conn->deferred = false;
    TAILQ_REMOVE(&flow->deferred, conn, deferral);
    if (TAILQ_EMPTY(&flow->deferred))
        leave_round(conn->net, flow);
}

static void drop(struct amp_net_conn *conn)
{
    struct amp_net_flow *flow = conn->flow;
    amp_net_flow_undefer(conn);
    if (flow->holder != NULL)
        amp_budget_give(&flow->holder->connections, 1);
    release(conn->net, flow);
}

static void count_startup(struct amp_net_conn *conn, bool startup)
{
    if (conn->startup == startup)
        return;
    conn->startup = startup;
    if (startup)
        atomic_fetch_add_explicit(&conn->net->commons->startups, 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&conn->net->commons->startups, 1, memory_order_relaxed);
}

void amp_net_flow_enter(struct amp_net_conn *conn)
{
    struct amp_net *net = conn->net;
    bool known = !conn->source.exempt && amp_source_known(net->commons->sources, conn->origin);
    add(conn, known ? &net->guests : &net->strangers);
    count_startup(conn, true);
}

void amp_net_flow_leave(struct amp_net_conn *conn)
{
    bool vouched = !conn->startup;
    count_startup(conn, false);
    drop(conn);
    amp_source_give(conn->net->commons->sources, conn->origin, vouched);
}

bool amp_net_flow_is_stale(const struct amp_net_conn *conn)
{
    return conn->startup && conn->net->now_ms - conn->accepted_ms >= STALE_MS && amp_net_is_crowded(conn->net);
}

/* The flow of a principal; takes the reference where there is one. */
static struct amp_net_flow *flow_of(struct amp_net *net, struct amp_holder *holder)
{
    struct amp_net_flow **link = find(net, holder), *flow = *link;
    if (flow != NULL) {
        amp_holder_unref(net->commons->holders, holder); /* it holds one */
        return flow;
    }
    if ((flow = malloc(sizeof(*flow))) == NULL)
        return NULL;
    flow_init(flow, holder);
    return *link = flow;
}

/* From now on `conn` is the principal's. What it owes the flow that it leaves stays there. */
static enum amp_err join(struct amp_net_conn *conn, struct amp_slice principal)
{
    struct amp_net *net = conn->net;
    struct amp_holder *holder;
    enum amp_err err = amp_holder_ref(&holder, net->commons->holders, principal);
    if (err != AMP_OK)
        return err;
    if (!amp_budget_take_up_to(&holder->connections, 1, net->limits.max_connections_per_principal)) {
        amp_holder_unref(net->commons->holders, holder);
        conn->unwelcome = true;
        return AMP_ERR_RATE_LIMITED;
    }
    struct amp_net_flow *flow = flow_of(net, holder);
    if (flow == NULL) {
        amp_budget_give(&holder->connections, 1);
        amp_holder_unref(net->commons->holders, holder);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    bool deferred = conn->deferred;
    if (conn->exchange != NULL)
        amp_net_flow_count_answered(conn->exchange); /* what counts it may end with its flow */
    drop(conn);
    add(conn, flow);
    if (deferred)
        amp_net_flow_defer(conn);
    if (conn->startup)
        amp_source_vouch(net->commons->sources, conn->origin);
    count_startup(conn, false);
    return AMP_OK;
}

static bool is_of(const struct amp_net_flow *flow, struct amp_slice principal)
{
    return flow->holder != NULL && amp_slice_equal(amp_slice(flow->holder->name, flow->holder->name_len), principal);
}

enum amp_err amp_net_verified(struct amp_net_exchange *exchange, struct amp_slice principal)
{
    struct amp_net_conn *conn = exchange->conn;
    if (!amp_net_alive(exchange))
        return AMP_OK; /* nobody is there to be capped */
    enum amp_err err = is_of(conn->flow, principal) ? AMP_OK : join(conn, principal);
    if (err != AMP_OK)
        return err;
    size_t waiting = atomic_load_explicit(&conn->flow->holder->waiting.used_bytes, memory_order_relaxed);
    size_t others = waiting - (exchange->counted_by != NULL);
    if (others >= conn->net->limits.max_requests_per_principal)
        return AMP_ERR_RATE_LIMITED;
    if (!conn->driving) /* it waited to be verified, and still may wait */
        amp_net_flow_count_waiting(exchange);
    return AMP_OK;
}

void amp_net_flow_count_waiting(struct amp_net_exchange *exchange)
{
    struct amp_holder *holder = exchange->conn->flow->holder;
    if (holder != NULL && exchange->counted_by == NULL && amp_budget_take(&holder->waiting, 1))
        exchange->counted_by = holder;
}

void amp_net_flow_count_answered(struct amp_net_exchange *exchange)
{
    if (exchange->counted_by != NULL)
        amp_budget_give(&exchange->counted_by->waiting, 1);
    exchange->counted_by = NULL;
}

static bool strangers_may(struct amp_net *net)
{
    if (net->now_ms - net->busy_ms > BUSY_MS) {
        net->credit = STRANGERS_BURST;
    } else {
        int64_t more = (net->now_ms - net->credit_ms) * STRANGERS_PER_MS;
        net->credit = more > STRANGERS_BURST - net->credit ? STRANGERS_BURST : net->credit + (int)more;
    }
    net->credit_ms = net->now_ms;
    return net->credit > 0;
}

static void refill(struct amp_net_flow *flow)
{
    flow->left = flow->left > 0 ? QUANTUM : flow->left + QUANTUM;
}

bool amp_net_flow_admits(struct amp_net_conn *conn)
{
    struct amp_net *net = conn->net;
    struct amp_net_flow *flow = conn->flow;
    if (flow->turn != net->turn) {
        flow->turn = net->turn;
        net->turn_flows++;
        refill(flow);
    }
    return TAILQ_EMPTY(&flow->deferred) && flow->left > 0 && (flow != &net->strangers || strangers_may(net));
}

void amp_net_flow_defer(struct amp_net_conn *conn)
{
    struct amp_net_flow *flow = conn->flow;
    if (conn->deferred)
        return;
    conn->deferred = true;
    conn->deferred_ms = conn->net->now_ms;
    if (TAILQ_EMPTY(&flow->deferred))
        enter_round(conn->net, flow);
    TAILQ_INSERT_TAIL(&flow->deferred, conn, deferral);
}

void amp_net_flow_spend(struct amp_net_conn *conn, size_t units)
{
    struct amp_net *net = conn->net;
    conn->flow->left -= (int)units;
    net->spent += units;
    if (conn->flow == &net->strangers)
        net->credit -= (int)units;
    else
        net->busy_ms = net->now_ms;
}

bool amp_net_flow_is_spent(const struct amp_net_conn *conn)
{
    return conn->flow->left <= 0;
}

/* NULL where nobody waits, or strangers alone and for their credit. */
static struct amp_net_flow *next_in_round(struct amp_net *net)
{
    struct amp_net_flow *flow = TAILQ_FIRST(&net->round);
    return flow != &net->strangers || strangers_may(net) ? flow : TAILQ_NEXT(flow, round);
}

/* A quantum for each flow in turn. What is driven may leave its flow, and end it: it is held meanwhile. */
static void serve_deferred(struct amp_net *net, uint64_t units)
{
    uint64_t until = net->spent + units;
    struct amp_net_flow *flow;
    while (net->spent < until && (flow = next_in_round(net)) != NULL) {
        leave_round(net, flow);
        enter_round(net, flow);
        refill(flow);
        flow->connections++;
        struct amp_net_conn *conn;
        while (flow->left > 0 && net->spent < until && (conn = TAILQ_FIRST(&flow->deferred)) != NULL) {
            amp_net_flow_undefer(conn);
            amp_net_conn_drive(conn);
        }
        release(net, flow);
    }
}

/* Whether the first in the round is the only one that was or will be at work in this turn, and no stranger. */
static bool is_alone(const struct amp_net *net)
{
    const struct amp_net_flow *first = TAILQ_FIRST(&net->round);
    unsigned others = net->turn_flows - (first->turn == net->turn);
    return others == 0 && TAILQ_NEXT(first, round) == NULL && first != &net->strangers;
}

bool amp_net_turn(struct amp_net *net)
{
    static const struct timeval soon = {.tv_usec = 1000};
    if (!TAILQ_EMPTY(&net->round)) {
        net->now_ms = amp_clock_mono_ms(&net->clock);
        serve_deferred(net, is_alone(net) ? ALONE_UNITS : ROUND_UNITS);
    }
    net->turn++;
    net->turn_flows = 0;
    if (TAILQ_EMPTY(&net->round))
        return false;
    bool more = next_in_round(net) != NULL;
    if (!more)
        (void)event_add(net->pace_event, &soon);
    return more;
}
