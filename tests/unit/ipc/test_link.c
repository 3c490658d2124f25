/* A link lets through what the table allows, exactly, and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/event.h>

#include "../child.h"
#include "ipc/table.h"

struct end {
    struct event_base *base;
    struct amp_link *link;
    int other; /* the bare socket at the other side */
    size_t received;
    enum amp_ipc_type type;
    uint8_t payload[AMP_IPC_MAX_PAYLOAD];
    size_t payload_len;
    int fd;
    unsigned drained;
    bool closed;
    bool violation;
    bool refuse;       /* say that it does not decode */
    bool free_at_once; /* free the link within its callback */
    bool pause_at_once;
};

static bool on_message(void *ctx, struct amp_link *link, enum amp_ipc_type type, struct amp_slice payload, int fd)
{
    struct end *end = ctx;
    end->received++;
    end->type = type;
    memcpy(end->payload, payload.ptr, payload.len);
    end->payload_len = payload.len;
    if (end->fd >= 0)
        close(end->fd);
    end->fd = fd;
    if (end->pause_at_once)
        amp_link_pause(link, true);
    if (end->free_at_once) {
        amp_link_free(link);
        end->link = NULL;
    }
    return !end->refuse;
}

static void on_drained(void *ctx, struct amp_link *link)
{
    struct end *end = ctx;
    end->drained++;
    assert_true(amp_link_idle(link));
    if (end->free_at_once) {
        amp_link_free(link);
        end->link = NULL;
    }
}

static void on_closed(void *ctx, struct amp_link *link, bool violation)
{
    struct end *end = ctx;
    end->closed = true;
    end->violation = violation;
    amp_link_free(link);
    end->link = NULL;
}

static void end_open(struct end *end, enum amp_role self, enum amp_role peer)
{
    int fds[2];
    memset(end, 0, sizeof(*end));
    end->fd = -1;
    end->base = event_base_new();
    assert_non_null(end->base);
    assert_int_equal(amp_link_pair(fds), AMP_OK);
    const struct amp_link_config config = {.base = end->base,
                                           .self = self,
                                           .peer = peer,
                                           .ctx = end,
                                           .message = on_message,
                                           .drained = on_drained,
                                           .closed = on_closed};
    assert_int_equal(amp_link_new(&end->link, &config, fds[0]), AMP_OK);
    end->other = fds[1];
}

static void end_close(struct end *end)
{
    amp_link_free(end->link);
    if (end->other >= 0)
        close(end->other);
    if (end->fd >= 0)
        close(end->fd);
    event_base_free(end->base);
}

static void turn(struct end *end)
{
    event_base_loop(end->base, EVLOOP_NONBLOCK);
}

/* Sends a raw packet with `fds` descriptors. */
static void send_raw(int to, uint8_t type, size_t payload_len, size_t fds)
{
    static uint8_t bytes[2 * AMP_IPC_MAX_PAYLOAD];
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct iovec parts[2] = {{&type, 1}, {bytes, payload_len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    memset(bytes, 0x5a, sizeof(bytes));
    if (fds != 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fds * sizeof(int));
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(fds * sizeof(int));
        for (size_t i = 0; i < fds; i++)
            memcpy(CMSG_DATA(part) + i * sizeof(int), &to, sizeof(int));
    }
    assert_true(sendmsg(to, &message, 0) == (ssize_t)(1 + payload_len));
}

static size_t open_fds(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* What a packet of this form does on a link between these two: is it let through? */
static bool passes(enum amp_role from, enum amp_role to, uint8_t type, size_t payload_len, size_t fds)
{
    struct end end;
    size_t before = open_fds();
    end_open(&end, to, from);
    send_raw(end.other, type, payload_len, fds);
    turn(&end);
    bool passed = end.received == 1;
    assert_int_equal(end.violation, !passed);
    assert_int_equal(end.closed, !passed);
    if (passed) {
        assert_int_equal(end.type, type);
        assert_int_equal(end.payload_len, payload_len);
        assert_int_equal(end.fd >= 0, fds == 1);
    }
    end_close(&end);
    assert_int_equal(open_fds(), before); /* stray descriptors were closed */
    return passed;
}

static void link_lets_each_message_through_between_its_peers_alone(void **state)
{
    size_t allowed = 0;
    for (int type = 0; type < AMP_IPC_COUNT_; type++) {
        const struct amp_ipc_row *row = amp_ipc_row((enum amp_ipc_type)type);
        for (int from = 0; from < AMP_ROLE_COUNT_; from++) {
            for (int to = 0; to < AMP_ROLE_COUNT_; to++) {
                bool expected = amp_ipc_permits((enum amp_ipc_type)type, (enum amp_role)from, (enum amp_role)to);
                assert_int_equal(passes((enum amp_role)from, (enum amp_role)to, (uint8_t)type, row->least, row->fds),
                                 expected);
                allowed += expected;
            }
        }
    }
    assert_true(allowed >= AMP_IPC_COUNT_);
}

static void table_gives_secrets_to_those_who_need_them_alone(void **state)
{
    static const struct {
        enum amp_ipc_type type;
        enum amp_role from;
        enum amp_role to;
    } only[] = {
        {AMP_IPC_KEK, AMP_ROLE_SUPERVISOR, AMP_ROLE_KEEPER},   {AMP_IPC_DAY_KEY, AMP_ROLE_KEEPER, AMP_ROLE_FRONT},
        {AMP_IPC_EPOCH, AMP_ROLE_KEEPER, AMP_ROLE_FRONT},      {AMP_IPC_LOG_KEY, AMP_ROLE_KEEPER, AMP_ROLE_SCRIBE},
        {AMP_IPC_KEY_SECRET, AMP_ROLE_KEEPER, AMP_ROLE_ADMIN},
    };
    for (size_t i = 0; i < sizeof(only) / sizeof(only[0]); i++) {
        for (int from = 0; from < AMP_ROLE_COUNT_; from++) {
            for (int to = 0; to < AMP_ROLE_COUNT_; to++)
                assert_int_equal(amp_ipc_permits(only[i].type, (enum amp_role)from, (enum amp_role)to),
                                 from == (int)only[i].from && to == (int)only[i].to);
        }
    }
}

/* A pair of roles that may exchange this message. */
static void find_pair(enum amp_ipc_type type, enum amp_role *from, enum amp_role *to)
{
    for (*from = 0; *from < AMP_ROLE_COUNT_; (*from)++) {
        for (*to = 0; *to < AMP_ROLE_COUNT_; (*to)++) {
            if (amp_ipc_permits(type, *from, *to))
                return;
        }
    }
    fail();
}

static void link_holds_every_message_to_its_length_and_descriptors(void **state)
{
    for (int type = 0; type < AMP_IPC_COUNT_; type++) {
        const struct amp_ipc_row *row = amp_ipc_row((enum amp_ipc_type)type);
        enum amp_role from;
        enum amp_role to;
        find_pair((enum amp_ipc_type)type, &from, &to);
        assert_true(passes(from, to, (uint8_t)type, row->most, row->fds));
        assert_false(passes(from, to, (uint8_t)type, row->most + 1, row->fds));
        assert_false(passes(from, to, (uint8_t)type, row->most + 1000, row->fds));
        if (row->least != 0)
            assert_false(passes(from, to, (uint8_t)type, row->least - 1, row->fds));
        assert_false(passes(from, to, (uint8_t)type, row->least, row->fds == 1 ? 0 : 1));
        assert_false(passes(from, to, (uint8_t)type, row->least, 2));
        assert_false(passes(from, to, (uint8_t)type, row->least, 8));
    }
}

static void link_refuses_types_that_do_not_exist(void **state)
{
    for (unsigned type = AMP_IPC_COUNT_; type < 256; type++)
        assert_false(passes(AMP_ROLE_SUPERVISOR, AMP_ROLE_FRONT, (uint8_t)type, 0, 0));
}

static void link_is_cut_where_a_payload_does_not_decode(void **state)
{
    struct end end;
    end_open(&end, AMP_ROLE_KEEPER, AMP_ROLE_FRONT);
    end.refuse = true;
    send_raw(end.other, AMP_IPC_DAY_KEY_GET, 42, 0);
    send_raw(end.other, AMP_IPC_EPOCH_GET, 0, 0);
    turn(&end);
    assert_int_equal(end.received, 1); /* nothing more is heard */
    assert_true(end.closed && end.violation);
    end_close(&end);
}

static void link_tells_the_end_of_its_peer(void **state)
{
    struct end end;
    end_open(&end, AMP_ROLE_KEEPER, AMP_ROLE_FRONT);
    close(end.other);
    end.other = -1;
    turn(&end);
    assert_true(end.closed);
    assert_false(end.violation);
    end_close(&end);
}

static void link_may_be_freed_within_its_callback(void **state)
{
    struct end end;
    end_open(&end, AMP_ROLE_KEEPER, AMP_ROLE_FRONT);
    end.free_at_once = true;
    send_raw(end.other, AMP_IPC_EPOCH_GET, 0, 0);
    send_raw(end.other, AMP_IPC_EPOCH_GET, 0, 0);
    turn(&end);
    assert_int_equal(end.received, 1);
    assert_false(end.closed); /* who frees is not called back */
    end_close(&end);
}

static void paused_link_leaves_messages_with_the_peer(void **state)
{
    struct end end;
    end_open(&end, AMP_ROLE_KEEPER, AMP_ROLE_FRONT);
    end.pause_at_once = true;
    for (int i = 0; i < 3; i++)
        send_raw(end.other, AMP_IPC_EPOCH_GET, 0, 0);
    turn(&end);
    turn(&end);
    assert_int_equal(end.received, 1);
    end.pause_at_once = false;
    amp_link_pause(end.link, false);
    turn(&end);
    assert_int_equal(end.received, 3);
    end_close(&end);
}

static void link_queues_what_the_socket_does_not_take_and_keeps_the_order(void **state)
{
    const bool frees = *state != NULL; /* within the callback that tells of an empty queue */
    struct end end;
    uint8_t payload[36] = {0};
    uint8_t got[64];
    uint32_t sent = 0;
    end_open(&end, AMP_ROLE_KEEPER, AMP_ROLE_FRONT);
    end.free_at_once = frees;
    while (amp_link_idle(end.link) || sent % 1000 != 0) {
        struct amp_out out = amp_out(payload, sizeof(payload));
        amp_ipc_put_u32(&out, sent++);
        assert_int_equal(amp_link_send(end.link, AMP_IPC_EPOCH, amp_slice(payload, sizeof(payload)), -1), AMP_OK);
    }
    for (uint32_t i = 0; i < sent; i++) {
        ssize_t n;
        while ((n = recv(end.other, got, sizeof(got), MSG_DONTWAIT)) < 0 && errno == EAGAIN)
            turn(&end);
        assert_int_equal(n, 37);
        struct amp_ipc_in in = {amp_slice(got + 1, 4), false};
        assert_int_equal(amp_ipc_get_u32(&in), i);
    }
    turn(&end);
    assert_int_equal(end.drained, 1);
    assert_true(frees ? end.link == NULL : amp_link_idle(end.link));
    end_close(&end);
}

static void queue_is_bounded_and_lies_in_secret_memory(void **state)
{
    struct end end;
    static const uint8_t payload[8192];
    enum amp_err err = AMP_OK;
    size_t sent = 0;
    end_open(&end, AMP_ROLE_KEEPER, AMP_ROLE_FRONT);
    size_t before = amp_secret_used();
    for (; sent < 2000 && err == AMP_OK; sent++)
        err = amp_link_send(end.link, AMP_IPC_DAY_KEY, amp_slice(payload, sizeof(payload)), -1);
    assert_int_equal(err, AMP_ERR_TOO_LARGE);
    assert_true(amp_secret_used() - before > 4000000);
    end_close(&end);
}

static void descriptors_wait_in_the_queue_with_their_message(void **state)
{
    struct end end;
    static const uint8_t payload[2];
    size_t before = open_fds();
    end_open(&end, AMP_ROLE_SUPERVISOR, AMP_ROLE_FRONT);
    while (amp_link_idle(end.link))
        assert_int_equal(amp_link_send(end.link, AMP_IPC_LINK, amp_slice(payload, 2), end.other), AMP_OK);
    end_close(&end);
    assert_int_equal(open_fds(), before);
}

static struct end sender; /* made before the fork: children do not inherit secret memory */

static void send_to_wrong_peer(void)
{
    (void)!amp_link_send(sender.link, AMP_IPC_KEY_LIST, amp_slice(NULL, 0), -1);
}

static void send_wrong_length(void)
{
    (void)!amp_link_send(sender.link, AMP_IPC_EPOCH_GET, AMP_SLICE_LIT("x"), -1);
}

static void send_stray_descriptor(void)
{
    (void)!amp_link_send(sender.link, AMP_IPC_EPOCH_GET, amp_slice(NULL, 0), 0);
}

static void sender_that_breaks_the_table_aborts(void **state)
{
    end_open(&sender, AMP_ROLE_FRONT, AMP_ROLE_KEEPER);
    assert_aborts(send_to_wrong_peer, "table does not allow");
    assert_aborts(send_wrong_length, "table does not allow");
    assert_aborts(send_stray_descriptor, "table does not allow");
    end_close(&sender);
}

static int setup(void **state)
{
    return amp_secret_init(16 << 20, false) == AMP_OK ? 0 : -1;
}

static int teardown(void **state)
{
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

int main(void)
{
    static bool frees = true;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_lets_each_message_through_between_its_peers_alone),
        cmocka_unit_test(table_gives_secrets_to_those_who_need_them_alone),
        cmocka_unit_test(link_holds_every_message_to_its_length_and_descriptors),
        cmocka_unit_test(link_refuses_types_that_do_not_exist),
        cmocka_unit_test(link_is_cut_where_a_payload_does_not_decode),
        cmocka_unit_test(link_tells_the_end_of_its_peer),
        cmocka_unit_test(link_may_be_freed_within_its_callback),
        cmocka_unit_test(paused_link_leaves_messages_with_the_peer),
        cmocka_unit_test(link_queues_what_the_socket_does_not_take_and_keeps_the_order),
        cmocka_unit_test_prestate(link_queues_what_the_socket_does_not_take_and_keeps_the_order, &frees),
        cmocka_unit_test(queue_is_bounded_and_lies_in_secret_memory),
        cmocka_unit_test(descriptors_wait_in_the_queue_with_their_message),
        cmocka_unit_test(sender_that_breaks_the_table_aborts),
    };
    return cmocka_run_group_tests_name("link", tests, setup, teardown);
}
