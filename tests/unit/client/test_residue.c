/*
 * After a call no digit of the card is left in the host process: not in its heap, whose allocator wipes nothing, not on
 * its stack, not in OpenSSL's buffers. The client lives in a child of its own, so that the server's memory is not
 * searched; the number is kept masked wherever the search itself needs it.
 */
#include "../support.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ampoule.h"
#include "tls_server.h"

#define DIGITS      16
#define WINDOW      8
#define MASK        0x5a
#define CHUNK       (1u << 20)
#define LARGEST_MAP (1u << 28) /* a sanitizer's shadow is larger, and holds no plaintext */

static uint8_t masked[DIGITS];
static uint8_t chunk[CHUNK];
static char answer[512];
static const struct tls_step step = {.answer = answer};

static bool is_window(const uint8_t *bytes, const uint8_t *wanted)
{
    size_t same = 0;
    while (same < WINDOW && (bytes[same] ^ MASK) == wanted[same])
        same++;
    return same == WINDOW;
}

static size_t count_windows(const uint8_t *bytes, size_t len)
{
    size_t found = 0;
    for (size_t i = 0; i + WINDOW <= len; i++) {
        const uint8_t last = bytes[i + WINDOW - 1];
        if (last < '0' || last > '9') {
            i += WINDOW - 1; /* no window holds this byte */
            continue;
        }
        for (size_t start = 0; start + WINDOW <= DIGITS; start++)
            found += is_window(bytes + i, masked + start);
    }
    return found;
}

static size_t search_range(int memory, uintptr_t from, uintptr_t to)
{
    size_t found = 0;
    const uintptr_t own = (uintptr_t)chunk;
    for (uintptr_t at = from; at < to; at += CHUNK - WINDOW) {
        const size_t want = to - at < CHUNK ? to - at : CHUNK;
        if (own < at + want && at < own + CHUNK)
            continue; /* what was read last is no residue of the client's */
        const ssize_t got = pread(memory, chunk, want, (off_t)at);
        if (got > 0)
            found += count_windows(chunk, (size_t)got);
    }
    memset(chunk, 0, sizeof chunk);
    return found;
}

/* Windows of the number in all of this process's memory. */
static size_t search_self(void)
{
    static char maps[1 << 17];
    size_t found = 0;
    size_t len = 0;
    const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t n; (n = read(fd, maps + len, sizeof maps - 1 - len)) > 0;)
        len += (size_t)n;
    maps[len] = '\0';
    close(fd);
    for (const char *line = maps; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        uintptr_t from = 0;
        uintptr_t to = 0;
        char mode = '-';
        line += *line == '\n';
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %c", &from, &to, &mode) == 3 && mode == 'r' &&
            to - from < LARGEST_MAP)
            found += search_range(memory, from, to);
    }
    close(memory);
    return found;
}

/* A number that passes Luhn, made here so that no file holds it. */
static void draw_any_number(void)
{
    unsigned sum = 0;
    assert_int_equal(getrandom(masked, sizeof masked, 0), sizeof masked);
    for (size_t i = 0; i < DIGITS - 1; i++) {
        const unsigned digit = i == 0 ? 4 : masked[i] % 10;
        const unsigned weighted = digit * (i % 2 == 0 ? 2 : 1);
        sum += weighted > 9 ? weighted - 9 : weighted;
        masked[i] = (uint8_t)(('0' + digit) ^ MASK);
    }
    masked[DIGITS - 1] = (uint8_t)(('0' + (10 - sum % 10) % 10) ^ MASK);
}

/* One of which no window stands in this process by itself: its libraries have hundreds of rows of eight digits. */
static void draw_number(void)
{
    do
        draw_any_number();
    while (search_self() != 0);
}

static void unmask(char *number)
{
    for (size_t i = 0; i < DIGITS; i++)
        number[i] = (char)(masked[i] ^ MASK);
    number[DIGITS] = '\0';
}

static bool tokenize(struct amp_client *client, const char *number)
{
    const struct amp_client_card card = {number, 12, 2099, "123", "RESIDUE"};
    struct amp_client_content content = AMP_CLIENT_CONTENT_INIT;
    content.card = &card;
    return amp_client_tokenize(client, &content, NULL, NULL) == AMP_CLIENT_OK;
}

/* This kernel has no memfd_secret(2) from now on: what lies in the client's pool can be searched too. */
static bool make_pool_readable(void)
{
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_secret, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {sizeof instructions / sizeof *instructions, instructions};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* In the child: 0, or the number of the check that failed. */
static int drive_client(const struct tls_server *server)
{
    struct amp_client_config config = AMP_CLIENT_CONFIG_INIT;
    struct amp_client *client = NULL;
    struct amp_client_reply *reply = NULL;
    char *number = malloc(DIGITS + 1);
    config.url = tls_server_url(server);
    config.ca_file = tls_server_ca(server);
    config.key_id = "AMPKABCDEFGHIJKLMNOP";
    config.secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    if (number == NULL || amp_client_new(&client, &config) != AMP_CLIENT_OK)
        return 1;
    unmask(number);
    if (search_self() == 0)
        return 2; /* the search must find what is there */
    if (!tokenize(client, number))
        return 3;
    amp_client_wipe(number, DIGITS);
    if (search_self() != 0)
        return 4;
    if (amp_client_redeem(client, "tok_x", NULL, &reply) != AMP_CLIENT_OK ||
        amp_client_reply_text(reply, "card.number") == NULL || search_self() == 0)
        return 5;
    amp_client_reply_free(reply);
    if (search_self() != 0)
        return 6;
    amp_client_free(client);
    free(number);
    return search_self() == 0 ? 0 : 7;
}

static void nothing_of_a_card_is_left_in_the_host(void **state)
{
    char number[DIGITS + 1];
    int go[2];
    int status = 0;
    char byte = 0;
    draw_number();
    struct tls_server *server = tls_server_start(&step, 1, "127.0.0.1");
    assert_int_equal(pipe(go), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (read(go[0], &byte, 1) != 1 || !make_pool_readable())
            _exit(8);
        _exit(drive_client(server));
    }
    /* only now, so that the child has no copy of it */
    unmask(number);
    snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\ncontent-length: 38\r\n\r\n{\"card\":{\"number\":\"%s\"}}",
             number);
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(go[0]);
    close(go[1]);
    tls_server_stop(server);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_a_card_is_left_in_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
