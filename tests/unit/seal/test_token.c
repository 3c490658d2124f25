/* Tokens as text, and their keyed hashes. */
#include "seal_support.h"

static struct amp_token_keys *keys;

static int make_keys(void **state)
{
    return start_rooms(state) == 0 && amp_token_keys_new(&keys) == AMP_OK ? 0 : -1;
}

static int drop_keys(void **state)
{
    amp_token_keys_free(keys);
    amp_token_keys_free(NULL);
    return end_rooms(state);
}

static void a_token_reads_as_it_was_written(void **state)
{
    uint8_t token[AMP_TOKEN_LEN], read[AMP_TOKEN_LEN];
    char text[AMP_TOKEN_TEXT_LEN];
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(amp_token_new(token), AMP_OK);
        amp_token_format(text, "tok_", token);
        assert_memory_equal(text, "tok_", 4);
        assert_int_equal(amp_token_parse(read, "tok_", amp_slice(text, sizeof text)), AMP_OK);
        assert_memory_equal(read, token, sizeof token);
        assert_int_equal(amp_token_parse(read, "clm_", amp_slice(text, sizeof text)), AMP_ERR_INVALID);
    }
}

static void any_other_spelling_is_refused(void **state)
{
    uint8_t token[AMP_TOKEN_LEN], read[AMP_TOKEN_LEN];
    char text[AMP_TOKEN_TEXT_LEN + 1] = {0};
    assert_int_equal(amp_token_new(token), AMP_OK);
    amp_token_format(text, "tok_", token);
    for (size_t len = 0; len <= sizeof text; len++)
        assert_int_equal(amp_token_parse(read, "tok_", amp_slice(text, len)),
                         len == AMP_TOKEN_TEXT_LEN ? (int)AMP_OK : (int)AMP_ERR_INVALID);
    for (size_t bit = 0; bit < 8 * AMP_TOKEN_TEXT_LEN; bit++) { /* never two spellings of one token */
        text[bit / 8] ^= (char)(1 << bit % 8);
        if (amp_token_parse(read, "tok_", amp_slice(text, AMP_TOKEN_TEXT_LEN)) == AMP_OK)
            assert_memory_not_equal(read, token, sizeof token);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    static const char strange[] = "=+/ \n.";
    for (size_t i = 0; i < strlen(strange); i++) {
        char kept = text[20];
        text[20] = strange[i];
        assert_int_equal(amp_token_parse(read, "tok_", amp_slice(text, AMP_TOKEN_TEXT_LEN)), AMP_ERR_INVALID);
        text[20] = kept;
    }
}

static void hashes_are_the_same_for_the_same_key_alone(void **state)
{
    struct amp_token_keys *others;
    uint8_t token[AMP_TOKEN_LEN], index[3][16];
    assert_int_equal(amp_token_keys_new(&others), AMP_OK);
    assert_int_equal(amp_token_new(token), AMP_OK);
    assert_int_equal(amp_token_hash(keys, token, index[0]), AMP_OK);
    assert_int_equal(amp_token_hash(keys, token, index[1]), AMP_OK);
    assert_int_equal(amp_token_hash(others, token, index[2]), AMP_OK);
    assert_memory_equal(index[0], index[1], 16);
    assert_memory_not_equal(index[0], index[2], 16);
    token[31] ^= 1;
    assert_int_equal(amp_token_hash(keys, token, index[1]), AMP_OK);
    assert_memory_not_equal(index[0], index[1], 16);
    amp_token_keys_free(others);
}

static void macs_differ_by_label_and_by_how_parts_are_cut(void **state)
{
    const struct amp_slice lists[][3] = {
        {AMP_SLICE_LIT("ab"), AMP_SLICE_LIT("c"), AMP_SLICE_LIT("")},
        {AMP_SLICE_LIT("a"), AMP_SLICE_LIT("bc"), AMP_SLICE_LIT("")},
        {AMP_SLICE_LIT(""), AMP_SLICE_LIT("abc"), AMP_SLICE_LIT("")},
        {AMP_SLICE_LIT("abc"), AMP_SLICE_LIT(""), AMP_SLICE_LIT("")},
    };
    uint8_t macs[10][AMP_SHA256_LEN];
    size_t count = 0;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(amp_token_keys_mac(keys, "one", lists[i], 3, macs[count++]), AMP_OK);
    assert_int_equal(amp_token_keys_mac(keys, "two", lists[0], 3, macs[count++]), AMP_OK);
    assert_int_equal(amp_token_keys_mac(keys, "one", lists[0], 2, macs[count++]), AMP_OK);
    assert_int_equal(amp_token_keys_mac(keys, "one", NULL, 0, macs[count++]), AMP_OK);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(macs[i], macs[j], AMP_SHA256_LEN);
    }
    assert_int_equal(amp_token_keys_mac(keys, "one", lists[0], 3, macs[9]), AMP_OK);
    assert_memory_equal(macs[0], macs[9], AMP_SHA256_LEN);
    assert_int_equal(amp_token_keys_mac(keys, "", lists[0], 3, macs[9]), AMP_ERR_INVALID);
    assert_int_equal(amp_token_keys_mac(keys, "one", lists[0], AMP_TOKEN_MAC_PARTS + 1, macs[9]), AMP_ERR_INVALID);
}

/* Its 32 bytes are just what amp_token_keys_mac hashes for this label and this part. */
static void a_made_up_token_is_no_other_things_hash(void **state)
{
    uint8_t token[AMP_TOKEN_LEN], hash[AMP_SHA256_LEN], mac[AMP_SHA256_LEN];
    const struct amp_slice part = AMP_SLICE_LIT("twenty-two bytes of it");
    uint64_t len = part.len;
    memcpy(token, "l", 2);
    memcpy(token + 2, &len, sizeof len);
    memcpy(token + 10, part.ptr, part.len);
    assert_int_equal(amp_token_hash(keys, token, hash), AMP_OK);
    assert_int_equal(amp_token_keys_mac(keys, "l", &part, 1, mac), AMP_OK);
    assert_memory_not_equal(hash, mac, 16);
}

static void tags_differ_by_label_and_by_how_parts_are_cut(void **state)
{
    static const struct {
        const char *label, *first, *second;
    } rows[] = {{"one", "ab", "c"}, {"one", "a", "bc"}, {"one", "abc", ""}, {"one", "", "abc"},
                {"two", "ab", "c"}, {"on", "eab", "c"}, {"one", "ab", ""},  {"one", "ab", "d"}};
    uint8_t tags[8][AMP_TOKEN_TAG_LEN], again[AMP_TOKEN_TAG_LEN], mac[AMP_SHA256_LEN];
    static const uint8_t long_one[AMP_TOKEN_TAG_MAX];
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(amp_token_keys_tag(keys, rows[i].label, amp_slice_str(rows[i].first),
                                            amp_slice_str(rows[i].second), tags[i]),
                         AMP_OK);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(tags[i], tags[j], AMP_TOKEN_TAG_LEN);
    }
    assert_int_equal(amp_token_keys_tag(keys, "one", AMP_SLICE_LIT("ab"), AMP_SLICE_LIT("c"), again), AMP_OK);
    assert_memory_equal(again, tags[0], AMP_TOKEN_TAG_LEN);
    const struct amp_slice parts[] = {AMP_SLICE_LIT("ab"), AMP_SLICE_LIT("c")};
    assert_int_equal(amp_token_keys_mac(keys, "one", parts, 2, mac), AMP_OK);
    assert_memory_not_equal(again, mac, AMP_TOKEN_TAG_LEN);
    assert_int_equal(amp_token_keys_tag(keys, "one", amp_slice(long_one, sizeof long_one), AMP_SLICE_LIT(""), again),
                     AMP_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_reads_as_it_was_written),
        cmocka_unit_test(any_other_spelling_is_refused),
        cmocka_unit_test(hashes_are_the_same_for_the_same_key_alone),
        cmocka_unit_test(macs_differ_by_label_and_by_how_parts_are_cut),
        cmocka_unit_test(tags_differ_by_label_and_by_how_parts_are_cut),
        cmocka_unit_test(a_made_up_token_is_no_other_things_hash),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
