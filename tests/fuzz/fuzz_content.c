/* Packed contents. What unpacks packs to the very bytes it came from: there is one packed form of each content. */
#include "fuzz.h"

#include "wire/card.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct amp_content content;
    uint8_t *packed = fuzz_copy(data, size);
    if (amp_content_unpack(&content, amp_slice(packed, size)) == AMP_OK) {
        FUZZ_CHECK(amp_content_packed_len(&content) == size);
        uint8_t *again = fuzz_copy(data, size);
        struct amp_out out = amp_out(again, size);
        memset(again, 0, size);
        amp_content_pack(&out, &content);
        FUZZ_CHECK(!out.overflow && out.len == size && memcmp(again, data, size) == 0);
        FUZZ_CHECK(!content.is_card || amp_card_well_formed(&content.card));
        free(again);
    }
    free(packed);
    return 0;
}
