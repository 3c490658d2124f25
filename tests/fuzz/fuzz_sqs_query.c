/* A form of the AWS query protocol: the same checks as of JSON. */
#include "sqs.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    FUZZ_CHECK(amp_crypto_init() == AMP_OK);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct amp_http1_head head;
    head.fields[0] =
        (struct amp_http1_field){AMP_SLICE_LIT("Content-Type"), AMP_SLICE_LIT("application/x-www-form-urlencoded")};
    head.field_count = 1;
    fuzz_decode(&head, AMP_SQS_QUERY, data, size);
    return 0;
}
