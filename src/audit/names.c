#include "audit/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

enum { NUMBER_DIGITS = 6, DATE_LEN = 16, TORN_TRIES = 3600 };

static const char prefix[] = "events-";
static const char suffix[] = ".jsonl";

static void write_name(amp_pin out, const char *before, int64_t start_s, uint32_t number, const char *after)
{
    struct amp_out name = amp_out(out, AMP_PIN_BYTES - 1);
    char date[DATE_LEN];
    amp_date_format_basic(date, start_s);
    amp_out_str(&name, before);
    amp_out_bytes(&name, date, sizeof(date));
    amp_out_byte(&name, '-');
    for (uint32_t limit = 100000; limit > 1 && number < limit; limit /= 10)
        amp_out_byte(&name, '0');
    amp_out_u64(&name, number);
    amp_out_str(&name, after);
    out[name.len] = '\0';
}

struct found {
    uint32_t number;
    int64_t start_s;
};

/* Start and number from a name that write_name made. */
static bool parse_name(struct found *found, const char *name)
{
    amp_pin again;
    size_t len = strlen(name);
    const size_t fixed = sizeof(prefix) - 1 + DATE_LEN + 1 + sizeof(suffix) - 1;
    uint64_t value = 0;
    if (len < fixed + NUMBER_DIGITS || len >= sizeof(again))
        return false;
    const char *digits = name + sizeof(prefix) - 1 + DATE_LEN + 1;
    for (size_t i = 0; i < len - fixed; i++) {
        if (digits[i] < '0' || digits[i] > '9' || value > UINT32_MAX / 10)
            return false;
        value = value * 10 + (uint64_t)(digits[i] - '0');
    }
    if (value == 0 || value > UINT32_MAX ||
        amp_date_parse_basic(&found->start_s, amp_slice(name + sizeof(prefix) - 1, DATE_LEN)) != AMP_OK)
        return false;
    found->number = (uint32_t)value;
    write_name(again, prefix, found->start_s, found->number, suffix);
    return strcmp(again, name) == 0;
}

/* The newest files, newest first; more than the last place holds fall off. */
struct list {
    struct found files[1 + AMP_LOG_BEFORE_MAX];
    size_t count;
    bool overflow;
};

static void insert(struct list *list, struct found file)
{
    enum { PLACES = sizeof(list->files) / sizeof(list->files[0]) };
    size_t at = list->count < PLACES ? list->count++ : PLACES;
    list->overflow = list->overflow || at == PLACES;
    for (; at != 0 && list->files[at - 1].number < file.number; at--) {
        if (at < PLACES)
            list->files[at] = list->files[at - 1];
    }
    if (at < PLACES)
        list->files[at] = file;
}

/* To its very end: a file that was not seen would be one more begun by its number. */
static enum amp_err read_directory(struct list *list, int dir_fd)
{
    struct found file;
    const struct dirent *entry;
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return AMP_ERR_IO;
    }
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (parse_name(&file, entry->d_name))
            insert(list, file);
    }
    int saved = errno;
    closedir(dir);
    errno = saved;
    return saved == 0 ? AMP_OK : AMP_ERR_IO;
}

/* None that is there: an earlier life may have set a line of the same file aside in this very second. */
static void name_torn(const struct amp_log_names *names, int dir_fd, int64_t now_s)
{
    struct stat about;
    int64_t end_s = now_s + TORN_TRIES;
    do
        write_name(*names->torn, "torn-", now_s++, names->number, ".part");
    while (now_s < end_s && fstatat(dir_fd, *names->torn, &about, AT_SYMLINK_NOFOLLOW) == 0);
}

enum amp_err amp_log_names_find(struct amp_log_names *names, int dir_fd, int64_t now_s)
{
    struct list list = {.count = 0};
    enum amp_err err = read_directory(&list, dir_fd);
    if (err != AMP_OK)
        return err;
    names->number = list.files[0].number;
    names->start_s = list.files[0].start_s;
    names->before_count = list.count != 0 ? list.count - 1 : 0;
    names->has_more = list.overflow;
    for (size_t i = 0; i < list.count; i++)
        write_name(i == 0 ? *names->newest : names->before[i - 1], prefix, list.files[i].start_s, list.files[i].number,
                   suffix);
    for (size_t i = 0; i < names->next_count; i++)
        write_name(names->next[i], prefix, now_s, names->number + 1 + (uint32_t)i, suffix);
    name_torn(names, dir_fd, now_s);
    return AMP_OK;
}

enum amp_err amp_log_names_pin(struct amp_log_names *names, int dir_fd, int64_t now_s)
{
    *names = (struct amp_log_names){.next_count = AMP_PINS_MAX};
    enum amp_err err = amp_pins_open(&names->newest, AMP_PIN_LOG, 1);
    if (err == AMP_OK)
        err = amp_pins_open(&names->before, AMP_PIN_LOG_BEFORE, AMP_LOG_BEFORE_MAX);
    if (err == AMP_OK)
        err = amp_pins_open(&names->torn, AMP_PIN_LOG_TORN, 1);
    if (err == AMP_OK)
        err = amp_pins_open(&names->next, AMP_PIN_LOG_NEXT, names->next_count);
    return err == AMP_OK ? amp_log_names_find(names, dir_fd, now_s) : err;
}
