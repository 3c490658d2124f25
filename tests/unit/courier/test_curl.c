/* libcurl's memory in the pool. */
#include <curl/curl.h>
#include <string.h>

#include "../support.h"
#include "courier/curl.h"
#include "secret/arena.h"

static void what_curl_allocates_lies_in_the_pool(void **state)
{
    CURL *easy = curl_easy_init();
    assert_non_null(amp_arena_find(easy));
    char *text = curl_easy_escape(easy, "a b", 3);
    assert_string_equal(text, "a%20b");
    assert_non_null(amp_arena_find(text));
    curl_free(text);
    curl_easy_cleanup(easy);
}

static void a_full_pool_refuses_attempts_and_harms_none(void **state)
{
    static CURL *held[4096];
    size_t count = 0;
    while (count < 4096 && (held[count] = curl_easy_init()) != NULL)
        count++;
    assert_in_range(count, 10, 4095);
    while (count > 0)
        curl_easy_cleanup(held[--count]);
    CURL *again = curl_easy_init();
    assert_non_null(again);
    curl_easy_cleanup(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_curl_allocates_lies_in_the_pool),
        cmocka_unit_test(a_full_pool_refuses_attempts_and_harms_none),
    };
    if (amp_secret_init((size_t)4 << 20, false) != AMP_OK || !amp_curl_init())
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    failed += amp_secret_used() != 0;
    amp_secret_fini();
    return failed;
}
