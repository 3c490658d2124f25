/*
 * Whose turn it is. A worker serves what is ready as it comes, and each flow may do so much of that in one turn of the
 * loop; what is beyond it is deferred, and served behind the turn's events: the flow that was served least goes first,
 * a little each turn. Meanwhile nothing is read from who waits: TCP pushes back. Where nobody has more than its quantum
 * ready, all this is a comparison and an addition for each event.
 *
 * What a flow was served is the time that its work took, measured from where it begins to where another's begins: one
 * look at the clock for each event. In between a guess is gone by, and no work counts for less. `fair_ns` is what the
 * least served of those that waited has had (the min_vruntime of Linux's CFS). Who comes back after a while is taken to
 * have had LAG_NS less than that, whatever it was: so much it may catch up, before the others. Nobody can save up more,
 * nor owe more. A new flow is taken to have had as much as the one that ended having had most: else a principal that
 * leaves, and comes again for every few requests, would catch up each time. Where all that wait have had more than one
 * who was served just now, the sockets are looked at again first: its next request may be there, and one of theirs may
 * take as long as many of its own.
 *
 * Work in vain, by the fault of the principal that asked for it, is charged FAULT_FACTOR times.
 *
 * Strangers, of whom there may be any number, are one flow. Their work is mostly handshakes, dear and not to be
 * interrupted, so that while others are busy it is paced besides: to a sixth of their time, and to what nobody uses.
 */
#include <stdlib.h>

#include "base/log.h"
#include "net/conn.h"

enum {
    QUANTUM_NS = 320 * 1000,    /* of each flow, in one turn */
    ROUND_NS = 640 * 1000,      /* of deferred work in one turn, of all flows: others may have little ready at a time */
    ALONE_NS = 2 * 1000 * 1000, /* the same where one flow alone is at work: nobody else waits for it */
    LAG_NS = 8 * 1000 * 1000,   /* that a flow may be behind the others, or before them */
    STRANGERS_BURST_NS = 640 * 1000,
    STRANGERS_PART = 6,        /* one of so many */
    BUSY_NS = 5 * 1000 * 1000, /* others are taken for busy so long after their last work */
    FAULT_FACTOR = 4,
    STALE_MS = 60 * 1000,
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void flow_init(struct amp_net_flow *flow, struct amp_holder *holder)
{
    *flow = (struct amp_net_flow){.holder = holder};
    TAILQ_INIT(&flow->deferred);
}

void amp_net_flows_init(struct amp_net *net)
{
    flow_init(&net->strangers, NULL);
    flow_init(&net->guests, NULL);
    TAILQ_INIT(&net->round);
    net->turn = 1;
    net->busy_ns = INT64_MIN / 2;
    net->credit_ns = STRANGERS_BURST_NS;
    net->fine_ns = -1;
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
    if (net->working == flow)
        amp_net_flow_work(net, NULL);
    net->parted_ns = most(net->parted_ns, least(flow->served_ns, net->fair_ns));
    if (net->turn_least == flow)
        net->turn_least = NULL;
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
    flow->served_ns = net->parted_ns;
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
    amp_net_flow_work(net, flow);                    /* what was done so far is of the one that it leaves */
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
    if (net->since_ns - net->busy_ns > BUSY_NS)
        net->credit_ns = STRANGERS_BURST_NS;
    return net->credit_ns > 0;
}

/* Time has passed, in which somebody worked or nobody. */
static void give_credit(struct amp_net *net, int64_t ns)
{
    int64_t part_ns = net->working != NULL ? ns / STRANGERS_PART : ns;
    net->credit_ns = least(net->credit_ns + part_ns, STRANGERS_BURST_NS);
}

static void charge(struct amp_net *net, struct amp_net_flow *flow, int64_t ns)
{
    int64_t fine_ns = net->fine_ns < 0 ? 0 : (FAULT_FACTOR - 1) * (ns + net->fine_ns);
    net->spent_ns += ns;
    if (flow == &net->strangers)
        net->credit_ns = most(net->credit_ns - ns, -LAG_NS);
    else if (net->guessed_ns > 0) /* it asked for something; whose time is over does not */
        net->busy_ns = net->since_ns;
    flow->served_ns = least(flow->served_ns + ns + fine_ns, net->fair_ns + LAG_NS);
    net->most_ns = most(net->most_ns, flow->served_ns);
}

void amp_net_flow_work(struct amp_net *net, struct amp_net_flow *flow)
{
    int64_t now_ns = amp_clock_mono_ns(&net->clock), took_ns = now_ns - net->since_ns;
    give_credit(net, took_ns);
    if (net->working != NULL)
        charge(net, net->working, most(took_ns, net->guessed_ns));
    net->since_ns = now_ns;
    net->now_ms = now_ns / (1000 * 1000);
    net->working = flow;
    net->guessed_ns = 0;
    net->fine_ns = -1;
}

void amp_net_work_for(struct amp_net *net, const struct amp_net_exchange *exchange)
{
    amp_net_flow_work(net, exchange != NULL ? exchange->conn->flow : NULL);
}

void amp_net_flow_guess(struct amp_net_conn *conn, int64_t ns)
{
    conn->net->guessed_ns += ns;
}

void amp_net_flow_fine(struct amp_net_conn *conn, int64_t ns)
{
    struct amp_net *net = conn->net;
    if (net->working == conn->flow)
        net->fine_ns = most(net->fine_ns, 0) + ns;
}

/* Whether it has had what it may now. */
static bool is_served(const struct amp_net *net, const struct amp_net_flow *flow)
{
    int64_t guessed_ns = net->working == flow ? net->guessed_ns : 0;
    return flow->served_ns + guessed_ns >= flow->until_ns;
}

/* A quantum, less what it is before the others. */
static void let_work(struct amp_net *net, struct amp_net_flow *flow)
{
    flow->served_ns = most(flow->served_ns, net->fair_ns - LAG_NS);
    flow->until_ns = least(flow->served_ns, net->fair_ns) + QUANTUM_NS;
    if (flow != &net->strangers && (net->turn_least == NULL || flow->served_ns < net->turn_least->served_ns))
        net->turn_least = flow;
}

bool amp_net_flow_admits(struct amp_net_conn *conn)
{
    struct amp_net *net = conn->net;
    struct amp_net_flow *flow = conn->flow;
    if (flow->turn != net->turn) {
        flow->turn = net->turn;
        net->turn_flows++;
        let_work(net, flow);
    }
    return TAILQ_EMPTY(&flow->deferred) && !is_served(net, flow) && (flow != &net->strangers || strangers_may(net));
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

bool amp_net_flow_is_spent(const struct amp_net_conn *conn)
{
    return is_served(conn->net, conn->flow);
}

/*
 * The one that was served least; NULL where nobody waits, or strangers alone and for their credit. There are no more of
 * them than principals that have work waiting here, few enough to look at each.
 */
static struct amp_net_flow *next_in_round(struct amp_net *net)
{
    struct amp_net_flow *found = NULL, *flow;
    TAILQ_FOREACH(flow, &net->round, round)
    {
        if ((found == NULL || flow->served_ns < found->served_ns) && (flow != &net->strangers || strangers_may(net)))
            found = flow;
    }
    return found;
}

/* Up to a quantum. What is driven may leave its flow, and end it: it is held meanwhile. */
static void serve_flow(struct amp_net *net, struct amp_net_flow *flow, int64_t until_ns)
{
    struct amp_net_conn *conn;
    net->fair_ns = most(net->fair_ns, flow->served_ns);
    let_work(net, flow);
    flow->connections++;
    while (net->spent_ns + net->guessed_ns < until_ns && !is_served(net, flow) &&
           (conn = TAILQ_FIRST(&flow->deferred)) != NULL) {
        amp_net_flow_undefer(conn);
        amp_net_conn_drive(conn);
    }
    amp_net_flow_work(net, NULL);
    release(net, flow);
}

/* One who was served just now has had less than any that waits: the sockets are looked at first. */
static bool comes_behind(const struct amp_net *net, const struct amp_net_flow *flow)
{
    const struct amp_net_flow *other = net->turn_least;
    return other != NULL && !other->in_round && other->served_ns < flow->served_ns;
}

static void serve_deferred(struct amp_net *net, int64_t ns)
{
    int64_t until_ns = net->spent_ns + ns;
    struct amp_net_flow *flow;
    while (net->spent_ns < until_ns && (flow = next_in_round(net)) != NULL && !comes_behind(net, flow))
        serve_flow(net, flow, until_ns);
}

/* Whether the first in the round is the only one that was or will be at work in this turn, and no stranger. */
static bool is_alone(const struct amp_net *net)
{
    const struct amp_net_flow *first = TAILQ_FIRST(&net->round);
    unsigned others = net->turn_flows - (first->turn == net->turn);
    return others == 0 && TAILQ_NEXT(first, round) == NULL && first != &net->strangers;
}

static void next_turn(struct amp_net *net)
{
    if (TAILQ_EMPTY(&net->round))
        net->fair_ns = most(net->fair_ns, net->most_ns);
    net->turn++;
    net->turn_flows = 0;
    net->turn_least = NULL;
}

bool amp_net_turn(struct amp_net *net)
{
    static const struct timeval soon = {.tv_usec = 1000};
    if (net->sweeping)
        amp_net_sweep_on(net);
    if (net->working != NULL || !TAILQ_EMPTY(&net->round))
        amp_net_flow_work(net, NULL);
    if (!TAILQ_EMPTY(&net->round))
        serve_deferred(net, is_alone(net) ? ALONE_NS : ROUND_NS);
    next_turn(net);
    if (TAILQ_EMPTY(&net->round))
        return net->sweeping;
    bool more = next_in_round(net) != NULL;
    if (!more)
        (void)event_add(net->pace_event, &soon);
    return more || net->sweeping;
}
