#include "wire_support.h"

#include <pthread.h>

#include "wire/uri.h"

struct pair {
    const char *given;
    const char *canonical;
};

static void paths_are_normalized_then_encoded_once_more(void **state)
{
    static const struct pair cases[] = {
        {"", "/"},
        {"/", "/"},
        {"//", "/"},
        {"/./", "/"},
        {"/.", "/"},
        {"/..", "/"},
        {"/../..", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a//b", "/a/b"},
        {"//a//", "/a/"},
        {"/./a", "/a"},
        {"/a/.", "/a"},
        {"/a/./b", "/a/b"},
        {"/a/../b", "/b"},
        {"/a/b/..", "/a"},
        {"/a/b/../", "/a/"},
        {"/a/..", "/"},
        {"/a/../../b", "/b"},
        {"/...", "/..."},
        {"/..a/.b", "/..a/.b"},
        {"/a%20b", "/a%2520b"},
        {"/a%2Fb", "/a%252Fb"},
        {"/a%2e%2e/b", "/a%252e%252e/b"},
        {"/%2e%2e/b", "/%252e%252e/b"},
        {"/a b$c:d@e=f+g", "/a%20b%24c%3Ad%40e%3Df%2Bg"},
        {"/-._~", "/-._~"},
        {"/\xe1\x88\xb4", "/%E1%88%B4"},
        {"/000000000000/q.fifo", "/000000000000/q.fifo"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t storage[128];
        struct amp_out out = amp_out(storage, sizeof(storage));
        amp_out_str(&out, "/kept/"); /* what was written before is none of its business */
        amp_uri_write_path(&out, amp_slice_str(cases[i].given));
        assert_false(out.overflow);
        assert_memory_equal(storage, "/kept/", 6);
        assert_slice(amp_slice(storage + 6, out.len - 6), cases[i].canonical);
    }
}

static void queries_are_decoded_encoded_and_sorted(void **state)
{
    static const struct pair cases[] = {
        {"", ""},
        {"a", "a="},
        {"a=", "a="},
        {"=a", "=a"},
        {"=", "="},
        {"a=b=c", "a=b%3Dc"},
        {"b=2&a=1", "a=1&b=2"},
        {"a=2&a=1", "a=1&a=2"},
        {"a=1&A=1", "A=1&a=1"},
        {"a-=1&a=2", "a=2&a-=1"},
        {"aa=1&a=2&ab=0", "a=2&aa=1&ab=0"},
        {"a=x%20y", "a=x%20y"},
        {"a=x+y", "a=x%2By"}, /* never a space */
        {"a=x%2By", "a=x%2By"},
        {"a=x%2fy", "a=x%2Fy"},
        {"a=x/y:z", "a=x%2Fy%3Az"},
        {"%61=%41", "a=A"},
        {"a=%25", "a=%25"},
        {"a=%2525", "a=%2525"},
        {"a=%00%ff", "a=%00%FF"},
        {"a=~-._", "a=~-._"},
        {"%E1%88%B4=v&P=w", "%E1%88%B4=v&P=w"},
        {"&&a=1&&", "a=1"},
        {"&", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t storage[128];
        struct amp_out out = amp_out(storage, sizeof(storage));
        uint8_t *query = exact_copy(cases[i].given, strlen(cases[i].given));
        assert_err(amp_uri_write_query(&out, amp_slice(query, strlen(cases[i].given))), AMP_OK, cases[i].given);
        assert_slice(amp_out_done(&out), cases[i].canonical);
        free(query);
    }
}

static void a_query_with_a_broken_encoding_is_refused(void **state)
{
    static const char *const cases[] = {"%", "a=%", "a=%4", "a=%4g", "a%g4=", "a=b%&c=d"};
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t storage[128];
        struct amp_out out = amp_out(storage, sizeof(storage));
        uint8_t *query = exact_copy(cases[i], strlen(cases[i]));
        assert_err(amp_uri_write_query(&out, amp_slice(query, strlen(cases[i]))), AMP_ERR_MALFORMED_REQUEST, cases[i]);
        free(query);
    }
}

static void the_number_of_parameters_is_bounded(void **state)
{
    uint8_t query[2 * AMP_URI_MAX_PARAMS + 1];
    uint8_t storage[4 * AMP_URI_MAX_PARAMS];
    for (size_t i = 0; i < sizeof(query); i++)
        query[i] = i % 2 == 0 ? (uint8_t)('z' - i % 26) : '&';
    struct amp_out out = amp_out(storage, sizeof(storage));
    assert_int_equal(amp_uri_write_query(&out, amp_slice(query, sizeof(query) - 2)), AMP_OK);
    out = amp_out(storage, sizeof(storage));
    assert_int_equal(amp_uri_write_query(&out, amp_slice(query, sizeof(query))), AMP_ERR_URI_TOO_LONG);
}

static void the_longest_query_grows_threefold_and_no_longer_one_passes(void **state)
{
    static uint8_t query[AMP_HTTP1_MAX_TARGET + 2];
    static uint8_t storage[3 * sizeof(query) + 8];
    memset(query, '/', sizeof(query));
    query[1] = '=';
    struct amp_out out = amp_out(storage, sizeof(storage));
    assert_int_equal(amp_uri_write_query(&out, amp_slice(query, AMP_HTTP1_MAX_TARGET)), AMP_OK);
    assert_int_equal(out.len, 3 * (AMP_HTTP1_MAX_TARGET - 1) + 1);
    out = amp_out(storage, sizeof(storage));
    assert_int_equal(amp_uri_write_query(&out, amp_slice(query, sizeof(query))), AMP_ERR_URI_TOO_LONG);
}

static void parameters_are_read_one_by_one(void **state)
{
    struct amp_slice rest = amp_slice_str("a=1&b&=c&&d=e=f&");
    struct amp_slice name, value;
    static const struct pair expected[] = {{"a", "1"}, {"b", ""}, {"", "c"}, {"d", "e=f"}};
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_true(amp_uri_next_param(&rest, &name, &value));
        assert_slice(name, expected[i].given);
        assert_slice(value, expected[i].canonical);
    }
    assert_false(amp_uri_next_param(&rest, &name, &value));
    rest = amp_slice(NULL, 0);
    assert_false(amp_uri_next_param(&rest, &name, &value));
}

static void decoding_reads_a_plus_as_a_plus(void **state)
{
    uint8_t storage[16];
    struct amp_out out = amp_out(storage, sizeof(storage));
    assert_int_equal(amp_uri_decode(&out, amp_slice_str("a+b%2B%20c")), AMP_OK);
    assert_slice(amp_out_done(&out), "a+b+ c");
    assert_int_equal(amp_uri_decode(&out, amp_slice_str("%2")), AMP_ERR_MALFORMED_REQUEST);
}

#define STACK_LEN ((size_t)1 << 18)
#define SECRET    "4539578763621486"

struct errand {
    const char *query;
    uint8_t *storage; /* 4096 bytes */
    enum amp_err err;
};

static void *write_query(void *arg)
{
    struct errand *errand = arg;
    struct amp_out out = amp_out(errand->storage, 4096);
    errand->err = amp_uri_write_query(&out, amp_slice_str(errand->query));
    return NULL;
}

/* A stack of our own, to be searched when the call is over. */
static void nothing_of_a_query_stays_on_the_stack(void **state)
{
    static char many[1024] = SECRET;
    for (size_t i = 0, at = sizeof(SECRET) - 1; i <= AMP_URI_MAX_PARAMS; i++, at += 4)
        memcpy(many + at, "&a=b", 5);
    const char *const queries[] = {"a=" SECRET, SECRET "=a&b", "a=" SECRET "&b=%4", "%34539578763621486=%zz", many};
    static const enum amp_err answers[] = {AMP_OK, AMP_OK, AMP_ERR_MALFORMED_REQUEST, AMP_ERR_MALFORMED_REQUEST,
                                           AMP_ERR_URI_TOO_LONG};
    uint8_t *stack = NULL;
    assert_int_equal(posix_memalign((void **)&stack, 4096, STACK_LEN), 0);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        struct errand errand = {.query = queries[i], .storage = malloc(4096)};
        pthread_attr_t attr;
        pthread_t thread;
        memset(stack, 0, STACK_LEN);
        assert_int_equal(pthread_attr_init(&attr), 0);
        assert_int_equal(pthread_attr_setstack(&attr, stack, STACK_LEN), 0);
        assert_int_equal(pthread_create(&thread, &attr, write_query, &errand), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(errand.err, answers[i]);
        for (size_t at = 0; at + 8 <= strlen(SECRET); at++)
            assert_null(memmem(stack, STACK_LEN, SECRET + at, 8));
        (void)pthread_attr_destroy(&attr);
        free(errand.storage);
    }
    free(stack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_normalized_then_encoded_once_more),
        cmocka_unit_test(queries_are_decoded_encoded_and_sorted),
        cmocka_unit_test(a_query_with_a_broken_encoding_is_refused),
        cmocka_unit_test(the_number_of_parameters_is_bounded),
        cmocka_unit_test(the_longest_query_grows_threefold_and_no_longer_one_passes),
        cmocka_unit_test(parameters_are_read_one_by_one),
        cmocka_unit_test(decoding_reads_a_plus_as_a_plus),
        cmocka_unit_test(nothing_of_a_query_stays_on_the_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
