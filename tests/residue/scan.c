/*
 * Looks for many byte strings at once in the memory of processes and in files.
 *
 *     scan TARGET... <PATTERNS      a TARGET is a process's number or a path
 *
 * PATTERNS: one in hex a line, of 8 to 1024 bytes; they come by a pipe, so that no file has them. On standard output,
 * members separated by tabs:
 *
 *     hit TARGET PATTERN PLACE ADDRESS CONTEXT     PATTERN: its line, from 0; CONTEXT: the bytes around it, in hex
 *     read TARGET BYTES SECRET                     SECRET: bytes there that even root may not read (memfd_secret)
 *
 * Exit: 0 all targets were read, 1 one could not be, 2 usage. What was found is the caller's to judge.
 *
 * One pass: a bitmap of the patterns' first 8 bytes turns away nearly every place of the memory, a hash of them finds
 * the patterns to compare with. Pages that the process never had (PROCESS/pagemap) are not read.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY = 8,
    PATTERN_MAX = 1024,
    CONTEXT = 40,
    BITMAP_LOG2 = 22,
    BUCKETS_LOG2 = 18,
    PAGE = 4096,
    STEP = 256 * PAGE,
    CARRY = PATTERN_MAX - 1,
    NAME_MAX_BYTES = 512,
};

struct pattern {
    uint8_t *bytes;
    size_t len;
    int32_t next; /* of the same bucket; -1: the last */
};

static struct pattern *patterns;
static size_t pattern_count;
static int32_t buckets[1 << BUCKETS_LOG2];
static uint64_t bitmap[(1 << BITMAP_LOG2) / 64];

/* What is looked at now: STEP bytes and, before them, the end of what lay right in front of those. */
static struct {
    const char *target;
    char place[NAME_MAX_BYTES];
    uint8_t bytes[CARRY + STEP];
    size_t carried;
    uint64_t end; /* address behind the last byte seen */
    uint64_t read_bytes, secret_bytes;
} view;

static void fatal(const char *what)
{
    fprintf(stderr, "scan: %s\n", what);
    exit(2);
}

static void *must(void *ptr)
{
    if (ptr == NULL)
        fatal("out of memory");
    return ptr;
}

static uint64_t key_hash(const uint8_t *bytes)
{
    uint64_t key;
    memcpy(&key, bytes, KEY);
    key ^= key >> 29;
    return key * UINT64_C(0x9e3779b97f4a7c15);
}

static bool decode_hex(const char *text, size_t digits, uint8_t *out)
{
    for (size_t i = 0; i < digits; i += 2) {
        char pair[3] = {text[i], text[i + 1], 0};
        if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
            return false;
        out[i / 2] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

static void pattern_add(const char *hex, size_t digits)
{
    size_t len = digits / 2;
    if (digits % 2 != 0 || len < KEY || len > PATTERN_MAX)
        fatal("a pattern has 8 to 1024 bytes");
    if ((pattern_count & (pattern_count - 1)) == 0)
        patterns = must(realloc(patterns, (pattern_count == 0 ? 1 : 2 * pattern_count) * sizeof(*patterns)));
    struct pattern *pattern = &patterns[pattern_count];
    pattern->bytes = must(malloc(len));
    pattern->len = len;
    if (!decode_hex(hex, digits, pattern->bytes))
        fatal("a pattern is in hex");
    uint64_t hash = key_hash(pattern->bytes);
    int32_t *bucket = &buckets[hash >> (64 - BUCKETS_LOG2)];
    pattern->next = *bucket;
    *bucket = (int32_t)pattern_count++;
    uint64_t bit = hash >> (64 - BITMAP_LOG2);
    bitmap[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void patterns_read(void)
{
    char *line = NULL;
    size_t room = 0;
    memset(buckets, 0xff, sizeof(buckets));
    for (ssize_t len; (len = getline(&line, &room, stdin)) > 0;)
        pattern_add(line, (size_t)len - (line[len - 1] == '\n'));
    free(line);
    if (pattern_count == 0)
        fatal("there is no pattern on standard input");
}

static void print_hit(size_t number, size_t at, size_t len)
{
    size_t from = at > CONTEXT ? at - CONTEXT : 0;
    size_t to = at + patterns[number].len + CONTEXT;
    printf("hit\t%s\t%zu\t%s\t%" PRIx64 "\t", view.target, number, view.place, view.end - len + at);
    for (size_t i = from; i < (to < len ? to : len); i++)
        printf("%s%02x", i == at ? "<" : i == at + patterns[number].len ? ">" : "", view.bytes[i]);
    putchar('\n');
}

/* What ends within the carried bytes was told before. */
static void compare(size_t at, size_t len, uint64_t hash)
{
    for (int32_t i = buckets[hash >> (64 - BUCKETS_LOG2)]; i >= 0; i = patterns[i].next) {
        size_t end = at + patterns[i].len;
        if (end > view.carried && end <= len && memcmp(view.bytes + at, patterns[i].bytes, patterns[i].len) == 0)
            print_hit((size_t)i, at, len);
    }
}

/* `count` bytes that stand in view.bytes behind the carried ones and come from `address`. */
static void look(uint64_t address, size_t count)
{
    size_t len = view.carried + count;
    view.end = address + count;
    view.read_bytes += count;
    for (size_t at = 0; at + KEY <= len; at++) {
        uint64_t word;
        memcpy(&word, view.bytes + at, KEY);
        if (word == 0)
            continue;
        uint64_t hash = key_hash(view.bytes + at), bit = hash >> (64 - BITMAP_LOG2);
        if ((bitmap[bit / 64] >> bit % 64 & 1) != 0)
            compare(at, len, hash);
    }
    view.carried = len < CARRY ? len : CARRY;
    memmove(view.bytes, view.bytes + len - view.carried, view.carried);
}

/* Reads `count` bytes of `fd` from `offset` on; a page that may not be read is counted and left out. */
static void look_at(int fd, uint64_t offset, size_t count)
{
    while (count > 0) {
        if (offset != view.end)
            view.carried = 0;
        ssize_t got = pread(fd, view.bytes + view.carried, count < STEP ? count : STEP, (off_t)offset);
        if (got <= 0) {
            view.secret_bytes += got < 0 && errno == EIO ? PAGE : 0;
            got = count < PAGE ? (ssize_t)count : PAGE;
        } else {
            look(offset, (size_t)got);
        }
        offset += (uint64_t)got;
        count -= (size_t)got;
    }
}

/* The pages of a mapping that are there, in memory or in swap, a row at a time. */
static void look_at_mapping(int memory, int pagemap, uint64_t start, uint64_t end)
{
    uint64_t entries[512];
    uint64_t row = start;
    for (uint64_t page = start; page < end;) {
        size_t wanted = (end - page) / PAGE < 512 ? (size_t)((end - page) / PAGE) : 512;
        ssize_t got = pread(pagemap, entries, wanted * sizeof(*entries), (off_t)(page / PAGE * sizeof(*entries)));
        size_t count = got > 0 ? (size_t)got / sizeof(*entries) : 0;
        if (count == 0)
            break; /* the process has ended */
        for (size_t i = 0; i < count; i++, page += PAGE) {
            bool there = (entries[i] >> 62) != 0; /* bits 62 and 63: swapped, present */
            if (there)
                continue;
            look_at(memory, row, (size_t)(page - row));
            row = page + PAGE;
        }
    }
    if (row < end)
        look_at(memory, row, (size_t)(end - row));
}

/* "dd dc" are MADV_DONTDUMP and MADV_DONTFORK: no other mapping is left out of both, but for one of a memory file. */
static bool is_pool(const char *flags)
{
    return strstr(flags, " dd") != NULL && strstr(flags, " dc") != NULL && strncmp(view.place, "/memfd:", 7) != 0;
}

static void name_place(const char *head)
{
    int name = 0;
    if (sscanf(head, "%*x-%*x %*s %*x %*s %*u %n", &name) < 0 || name == 0 || head[name] == '\0')
        snprintf(view.place, sizeof(view.place), "anonymous");
    else
        snprintf(view.place, sizeof(view.place), "%s", head + name);
    for (char *c = view.place; *c != '\0'; c++)
        *c = *c == '\t' || *c == '\n' ? ' ' : *c;
}

/* A block of smaps: the line of the mapping, then its fields, the last of which are its flags. */
static void scan_mappings(FILE *smaps, int memory, int pagemap)
{
    char *line = NULL;
    size_t room = 0;
    uint64_t start = 0, end = 0;
    while (getline(&line, &room, smaps) > 0) {
        line[strcspn(line, "\n")] = '\0';
        uint64_t first, behind;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &first, &behind) == 2) {
            start = first;
            end = behind;
            name_place(line);
        } else if (strncmp(line, "VmFlags:", 8) == 0 && strncmp(view.place, "[v", 2) != 0) { /* vvar, vsyscall, vdso */
            if (is_pool(line))
                snprintf(view.place, sizeof(view.place), "pool");
            look_at_mapping(memory, pagemap, start, end);
        }
    }
    free(line);
}

static bool scan_process(const char *pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/mem", pid);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%s/pagemap", pid);
    int pagemap = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
    FILE *smaps = fopen(path, "re");
    bool opened = memory >= 0 && pagemap >= 0 && smaps != NULL;
    if (opened)
        scan_mappings(smaps, memory, pagemap);
    if (memory >= 0)
        close(memory);
    if (pagemap >= 0)
        close(pagemap);
    if (smaps != NULL)
        fclose(smaps);
    return opened && view.read_bytes > 0;
}

static bool scan_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT; /* it was renamed meanwhile, and is searched by its other name the next time */
    snprintf(view.place, sizeof(view.place), "file");
    uint64_t offset = 0;
    ssize_t got;
    while ((got = pread(fd, view.bytes + view.carried, STEP, (off_t)offset)) > 0) {
        look(offset, (size_t)got);
        offset += (uint64_t)got;
    }
    close(fd);
    return got == 0;
}

static bool scan_target(const char *target)
{
    view.target = target;
    view.carried = 0;
    view.end = 0;
    view.read_bytes = 0;
    view.secret_bytes = 0;
    bool is_pid = target[strspn(target, "0123456789")] == '\0';
    bool done = is_pid ? scan_process(target) : scan_file(target);
    if (done)
        printf("read\t%s\t%" PRIu64 "\t%" PRIu64 "\n", target, view.read_bytes, view.secret_bytes);
    else
        fprintf(stderr, "scan: %s could not be read\n", target);
    return done;
}

int main(int argc, char **argv)
{
    int code = 0;
    if (argc < 2)
        fatal("usage: scan TARGET... <PATTERNS");
    patterns_read();
    for (int i = 1; i < argc; i++)
        code |= !scan_target(argv[i]);
    if (fflush(stdout) != 0)
        return 1;
    return code;
}
