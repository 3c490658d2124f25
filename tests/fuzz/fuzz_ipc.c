/*
 * Payloads between roles, as a role taken over by an enemy would send them. The first byte chooses the decoder. What
 * decodes must encode to the same bytes again: one meaning, one form.
 */
#include <stdlib.h>

#include "audit/event.h"
#include "ipc/ipc.h"
#include "keys/principal.h"
#include "keys/subscription.h"

static void expect(bool held)
{
    if (!held)
        abort();
}

/* The events of RECORDS, one behind the other, as the scribe reads them. */
static void events(struct amp_slice packed)
{
    while (packed.len != 0) {
        struct amp_event event;
        size_t used = 0;
        uint8_t again[AMP_EVENT_PACKED_MAX];
        uint8_t json[AMP_EVENT_JSON_MAX];
        struct amp_out packed_again = amp_out(again, sizeof(again));
        struct amp_out line = amp_out(json, sizeof(json));
        if (amp_event_unpack(&event, packed, &used) != AMP_OK)
            return;
        expect(used != 0 && used <= packed.len);
        amp_event_write_json(&line, &event, "supervisor");
        expect(!line.overflow && memchr(json, '\n', line.len) == NULL);
        amp_event_pack(&packed_again, &event);
        expect(packed_again.len == used);
        packed = amp_slice(packed.ptr + used, packed.len - used);
    }
}

static void principal(struct amp_slice packed)
{
    static struct amp_principal read;
    static uint8_t again[8192];
    struct amp_out out = amp_out(again, sizeof(again));
    if (amp_principal_unpack(&read, packed) != AMP_OK)
        return;
    amp_principal_pack(&out, &read);
    expect(amp_slice_equal(amp_out_done(&out), packed));
}

static void subscription(struct amp_slice packed)
{
    static struct amp_subscription read;
    static uint8_t again[AMP_SUBSCRIPTION_PACKED_MAX];
    struct amp_out out = amp_out(again, sizeof(again));
    if (amp_subscription_unpack(&read, packed) != AMP_OK)
        return;
    amp_subscription_pack(&out, &read);
    expect(!out.overflow && amp_slice_equal(amp_out_done(&out), packed));
}

static void subscription_secrets(struct amp_slice packed)
{
    struct amp_subscription_secrets read;
    uint8_t again[AMP_SUBSCRIPTION_SECRETS_PACKED_MAX];
    struct amp_out out = amp_out(again, sizeof(again));
    if (amp_subscription_secrets_unpack(&read, packed) != AMP_OK)
        return;
    amp_subscription_secrets_pack(&out, &read);
    expect(!out.overflow && amp_slice_equal(amp_out_done(&out), packed));
}

static void grant(struct amp_slice text)
{
    struct amp_grant read;
    if (amp_grant_parse(&read, text) == AMP_OK)
        expect(read.permissions != 0 && read.queue_len != 0 && read.queue_len <= AMP_GRANT_QUEUE_MAX);
}

/* The payload tells how it is read: each round one byte, then what it asks for. */
static void reads(struct amp_slice payload)
{
    struct amp_ipc_in in = {payload, false};
    uint8_t fixed[64];
    while (!in.bad && in.left.len != 0) {
        size_t before = in.left.len;
        switch (amp_ipc_get_u8(&in) % 4) {
        case 0:
            (void)amp_ipc_get_u32(&in);
            break;
        case 1:
            (void)amp_ipc_get_u64(&in);
            break;
        case 2:
            expect(amp_ipc_get_bytes(&in, 300).len <= 300);
            break;
        default:
            amp_ipc_get_fixed(&in, fixed, sizeof(fixed));
        }
        expect(in.left.len < before);
        expect(amp_ipc_end(&in) == (!in.bad && in.left.len == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(struct amp_slice) = {events, principal,    grant,
                                                         reads,  subscription, subscription_secrets};
    if (size != 0)
        decoders[data[0] % (sizeof(decoders) / sizeof(decoders[0]))](amp_slice(data + 1, size - 1));
    return 0;
}
