/*
 * A byte that chooses the action, and a body of AWS JSON 1.0. What is accepted borrows from the body alone, holds what
 * its tables promise and nothing that was not written; what is refused is the sender's fault.
 */
#include "sqs.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    FUZZ_CHECK(amp_crypto_init() == AMP_OK);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct amp_http1_head head;
    uint8_t target[64];
    if (size == 0)
        return 0;
    struct amp_out out = amp_out(target, sizeof(target));
    amp_out_str(&out, "AmazonSQS.");
    amp_out_str(&out, amp_sqs_action_name((enum amp_sqs_action)(data[0] % AMP_SQS_ACTION_COUNT_)));
    head.fields[0] =
        (struct amp_http1_field){AMP_SLICE_LIT("Content-Type"), AMP_SLICE_LIT("application/x-amz-json-1.0")};
    head.fields[1] = (struct amp_http1_field){AMP_SLICE_LIT("X-Amz-Target"), amp_out_done(&out)};
    head.field_count = 2;
    fuzz_decode(&head, AMP_SQS_JSON, data + 1, size - 1);
    return 0;
}
