/* What leaves a window is wiped at once, and storage goes back to where it came from. */
#include "../support.h"

#include "net/window.h"

static struct amp_net_spares spares;

static int start(void **state)
{
    return amp_secret_init(16 * 1024 * 1024, false) == AMP_OK ? 0 : 1;
}

static int stop(void **state)
{
    amp_net_spares_fini(&spares);
    size_t used = amp_secret_used();
    amp_secret_fini();
    return used == 0 ? 0 : 1;
}

static void put(struct amp_net_window *window, const char *text)
{
    assert_int_equal(amp_net_window_open(&spares, window), AMP_OK);
    assert_int_equal(amp_net_window_reserve(window, strlen(text)), AMP_OK);
    assert_int_equal(amp_secret_buf_append(&window->buf, text, strlen(text)), AMP_OK);
}

static void assert_holds(const struct amp_net_window *window, const char *text)
{
    assert_int_equal(amp_net_window_len(window), strlen(text));
    assert_memory_equal(amp_net_window_ptr(window), text, strlen(text));
    for (size_t i = 0; i < window->buf.cap; i++) {
        if (i < window->start || i >= window->buf.len)
            assert_int_equal(window->buf.ptr[i], 0);
    }
}

static void wipes_what_is_consumed_and_what_is_cut(void **state)
{
    struct amp_net_window window = {0};
    put(&window, "4111111111111111 and more");
    amp_net_window_consume(&window, 17);
    assert_holds(&window, "and more");
    amp_net_window_cut(&window, 5);
    assert_holds(&window, "and");
    amp_net_window_consume(&window, 3);
    assert_holds(&window, "");
    assert_int_equal(window.start, 0);
    amp_net_window_close(&spares, &window);
}

static void lends_wiped_storage_again(void **state)
{
    struct amp_net_window window = {0};
    put(&window, "4111111111111111");
    uint8_t *storage = window.buf.ptr;
    amp_net_window_close(&spares, &window);
    assert_null(window.buf.ptr);
    assert_int_equal(amp_net_window_open(&spares, &window), AMP_OK);
    assert_ptr_equal(window.buf.ptr, storage);
    assert_holds(&window, "");
    amp_net_window_close(&spares, &window);
}

/* For every split of a full window: what is left moves to the front and leaves no copy behind. */
static void makes_room_by_moving_to_the_front(void **state)
{
    char text[129] = "";
    for (size_t i = 0; i < 128; i++)
        text[i] = (char)('!' + i % 90);
    for (size_t gap = 1; gap <= 127; gap++) {
        struct amp_net_window window = {0};
        assert_int_equal(amp_secret_buf_reserve(&window.buf, 1), AMP_OK);
        size_t fill = window.buf.cap - 128;
        window.buf.len = window.start = fill;
        assert_int_equal(amp_secret_buf_append(&window.buf, text, 128), AMP_OK);
        amp_net_window_consume(&window, gap);
        uint8_t *storage = window.buf.ptr;
        assert_int_equal(amp_net_window_reserve(&window, 1), AMP_OK);
        assert_ptr_equal(window.buf.ptr, storage);
        assert_int_equal(window.start, 0);
        assert_holds(&window, text + gap);
        amp_net_window_close(&spares, &window);
    }
}

static void tightens_few_bytes_that_hold_much_storage(void **state)
{
    struct amp_net_window window = {0};
    put(&window, "xxPOST / HTT");
    amp_net_window_consume(&window, 2);
    amp_net_window_tighten(&spares, &window);
    assert_true(window.buf.cap < 512);
    assert_holds(&window, "POST / HTT");
    uint8_t *storage = window.buf.ptr;
    amp_net_window_tighten(&spares, &window);
    assert_ptr_equal(window.buf.ptr, storage);
    amp_net_window_close(&spares, &window);
}

static void keeps_no_more_spares_than_its_bound(void **state)
{
    struct amp_net_window windows[AMP_NET_SPARES_MAX + 8] = {0};
    for (size_t i = 0; i < AMP_NET_SPARES_MAX + 8; i++)
        put(&windows[i], "x");
    for (size_t i = 0; i < AMP_NET_SPARES_MAX + 8; i++)
        amp_net_window_close(&spares, &windows[i]);
    assert_int_equal(spares.count, AMP_NET_SPARES_MAX);
    assert_int_equal(amp_secret_used(), AMP_NET_SPARES_MAX * AMP_NET_SPARE_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wipes_what_is_consumed_and_what_is_cut),
        cmocka_unit_test(lends_wiped_storage_again),
        cmocka_unit_test(makes_room_by_moving_to_the_front),
        cmocka_unit_test(tightens_few_bytes_that_hold_much_storage),
        cmocka_unit_test(keeps_no_more_spares_than_its_bound),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
