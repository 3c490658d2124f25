/*
 * Packets of deliveries, as a front taken over by an enemy would send them: each one byte of kind, two of length, its
 * bytes. What is taken has a whole body of the length that was said, within the bounds, made of what came in order; a
 * refusal ends the row, as the link is cut then.
 */
#include "fuzz.h"

#include "courier/inbox.h"
#include "ipc/ipc.h"

enum { KIND_MORE = 1, KIND_FULL = 2, PACKET_HEAD = 3, HEAD_LEN = 8 + 16 + 16 + 8 + 1 + 4 + 2, TEST_AT = 48 };

/* What the bodies should be: all that came behind the heads. */
static uint8_t *expected;
static size_t expected_len;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    FUZZ_CHECK(amp_secret_init((size_t)16 << 20, false) == AMP_OK);
    expected = malloc(1 << 20);
    FUZZ_CHECK(expected != NULL);
    return 0;
}

static void expect(const uint8_t *bytes, size_t len)
{
    FUZZ_CHECK(expected_len + len <= 1 << 20);
    memcpy(expected + expected_len, bytes, len);
    expected_len += len;
}

static void check_taken(struct amp_inbox *inbox)
{
    struct amp_delivery_order order;
    if (!amp_inbox_take(inbox, &order))
        return;
    FUZZ_CHECK(order.body_len != 0 && order.body_len == expected_len && order.expires_mono_ms >= 0);
    FUZZ_CHECK(order.body_len <= (order.test ? AMP_COURIER_TEST_BYTES : AMP_COURIER_WINDOW_BYTES));
    FUZZ_CHECK(order.body == NULL || memcmp(order.body, expected, expected_len) == 0);
    FUZZ_CHECK(!amp_inbox_take(inbox, &order));
    amp_secret_free(order.body);
    expected_len = 0;
}

static bool give(struct amp_inbox *inbox, uint8_t kind, struct amp_slice packet)
{
    bool full = (kind & KIND_FULL) != 0;
    bool good;
    if ((kind & KIND_MORE) != 0) {
        good = amp_inbox_deliver_more(inbox, packet);
        FUZZ_CHECK(!good || packet.len > 2);
        if (good)
            expect(packet.ptr + 2, packet.len - 2);
        return good;
    }
    good = amp_inbox_deliver(inbox, packet, full ? AMP_COURIER_TOTAL_BYTES : 0);
    FUZZ_CHECK(!good || (packet.len > HEAD_LEN && (!full || packet.ptr[TEST_AT] == 1)));
    if (good)
        expect(packet.ptr + HEAD_LEN, packet.len - HEAD_LEN);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct amp_inbox inbox = {0};
    bool good = true;
    expected_len = 0;
    while (good && size >= PACKET_HEAD) {
        uint8_t kind = data[0];
        size_t len = (size_t)data[1] << 8 | data[2];
        size_t here = len < size - PACKET_HEAD ? len : size - PACKET_HEAD;
        uint8_t *packet = fuzz_copy(data + PACKET_HEAD, here);
        good = give(&inbox, kind, amp_slice(packet, here));
        free(packet);
        if (good)
            check_taken(&inbox);
        data += PACKET_HEAD + here;
        size -= PACKET_HEAD + here;
    }
    amp_inbox_reset(&inbox);
    FUZZ_CHECK(amp_secret_used() == 0);
    return 0;
}
