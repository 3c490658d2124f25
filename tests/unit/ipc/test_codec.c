/* Payloads: what is put comes out, and nothing else decodes. */
#include "../support.h"
#include "ipc/ipc.h"

static void values_come_out_as_they_were_put(void **state)
{
    uint8_t storage[64];
    uint8_t fixed[3];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_ipc_put_u8(&out, 0xfe);
    amp_ipc_put_u32(&out, 0x01020304);
    amp_ipc_put_u64(&out, UINT64_MAX - 1);
    amp_ipc_put_bytes(&out, AMP_SLICE_LIT("queue"));
    amp_ipc_put_bytes(&out, amp_slice(NULL, 0));
    amp_out_str(&out, "abc");
    struct amp_ipc_in in = {amp_out_done(&out), false};
    assert_int_equal(amp_ipc_get_u8(&in), 0xfe);
    assert_int_equal(amp_ipc_get_u32(&in), 0x01020304);
    assert_true(amp_ipc_get_u64(&in) == UINT64_MAX - 1);
    assert_true(amp_slice_is(amp_ipc_get_bytes(&in, 5), "queue"));
    assert_int_equal(amp_ipc_get_bytes(&in, 5).len, 0);
    assert_false(amp_ipc_end(&in)); /* something is left over */
    amp_ipc_get_fixed(&in, fixed, sizeof(fixed));
    assert_memory_equal(fixed, "abc", 3);
    assert_true(amp_ipc_end(&in));
}

static void numbers_are_big_endian(void **state)
{
    uint8_t storage[12];
    static const uint8_t expected[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_ipc_put_u32(&out, 0x01020304);
    amp_ipc_put_u64(&out, 0x05060708090a0b0c);
    assert_memory_equal(storage, expected, sizeof(expected));
}

static void reading_beyond_the_end_sticks(void **state)
{
    struct amp_ipc_in in = {AMP_SLICE_LIT("abc"), false};
    uint8_t fixed[4] = {1, 1, 1, 1};
    assert_int_equal(amp_ipc_get_u32(&in), 0);
    assert_int_equal(amp_ipc_get_u8(&in), 0); /* there would be one, but trust is gone */
    amp_ipc_get_fixed(&in, fixed, 3);
    assert_memory_equal(fixed, "\0\0\0\1", 4);
    assert_int_equal(amp_ipc_get_bytes(&in, 10).len, 0);
    assert_false(amp_ipc_end(&in));
}

static void bytes_longer_than_allowed_or_there_are_refused(void **state)
{
    struct amp_ipc_in too_long = {AMP_SLICE_LIT("\0\3abc"), false};
    assert_int_equal(amp_ipc_get_bytes(&too_long, 2).len, 0);
    assert_false(amp_ipc_end(&too_long));
    struct amp_ipc_in cut_short = {AMP_SLICE_LIT("\0\4abc"), false};
    assert_int_equal(amp_ipc_get_bytes(&cut_short, 10).len, 0);
    assert_false(amp_ipc_end(&cut_short));
}

static void putting_too_much_overflows(void **state)
{
    static uint8_t storage[70000];
    struct amp_out out = amp_out(storage, sizeof(storage));
    amp_ipc_put_bytes(&out, amp_slice(storage, 65536));
    assert_true(out.overflow);
    struct amp_out small = amp_out(storage, 7);
    amp_ipc_put_u64(&small, 1);
    assert_true(small.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_out_as_they_were_put),
        cmocka_unit_test(numbers_are_big_endian),
        cmocka_unit_test(reading_beyond_the_end_sticks),
        cmocka_unit_test(bytes_longer_than_allowed_or_there_are_refused),
        cmocka_unit_test(putting_too_much_overflows),
    };
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
