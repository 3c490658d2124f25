/* Access keys, over the daemon's unix socket: nothing of this goes over the network. */
#include "cli/commands.h"
#include "cli/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "client/runtime.h"
#include "client/tls.h"
#include "ipc/admin.h"

#define DEFAULT_OVERLAP_MS 86400000
#define NO_OVERLAP_GIVEN   UINT64_MAX
#define PATH_MAX_BYTES     512

struct wish {
    const char *name;
    const char *socket;
    const char *state;
    struct cli_list may;
    uint64_t rate;
    uint64_t burst;
    uint64_t overlap_ms;
    bool env;
};

static const struct cli_manual manual = {
    .usage = "create|list|rotate|disable|delete [KEY-ID] [options]",
    .about = "Administers access keys through the daemon's unix socket (its owner alone may).\n"
             "  create            a new key; its secret is shown once\n"
             "  list              every key, without secrets\n"
             "  rotate KEY-ID     a new key like it; the old one ends after --overlap-ms\n"
             "  disable KEY-ID    ends a key now\n"
             "  delete KEY-ID     forgets a key that has ended, before its time",
    .examples = "  ampoule key create --name shop --may tokenize:payments --state /var/lib/ampoule\n"
                "  (umask 077; ampoule key create --name gateway --may claim,inspect --env >gateway.env)\n"
                "  ampoule key rotate AMPK... --overlap-ms 3600000\n"
                "  ampoule key list --json\n",
};

/* The permissions that a grant may have, by their words. */
static const char *const permission_words[] = {"tokenize", "claim", "inspect", "revoke", "send", "receive", "manage"};

static const char *socket_path(const struct wish *wish, char path[PATH_MAX_BYTES])
{
    const char *state = wish->state != NULL ? wish->state : getenv("AMPOULE_STATE");
    if (wish->socket != NULL)
        return wish->socket;
    if (state == NULL || state[0] == '\0')
        return NULL;
    const int len = snprintf(path, PATH_MAX_BYTES, "%s/" AMP_ADMIN_SOCKET, state);
    return len > 0 && len < PATH_MAX_BYTES ? path : NULL;
}

static int connect_failed(const struct cli *cli, int errnum)
{
    if (errnum == EACCES || errnum == EPERM)
        return cli_fail(cli, CLI_UNREACHABLE, "not_allowed",
                        "the daemon's socket is not yours: run this as the user that ampouled runs as");
    if (errnum == ENOENT)
        return cli_fail(cli, CLI_UNREACHABLE, "unreachable",
                        "there is no admin.sock: is this the daemon's state directory, and is ampouled running?");
    return cli_fail(cli, CLI_UNREACHABLE, amp_client_connect_code(errnum),
                    "nobody answers at the daemon's socket: is ampouled running?");
}

static int refused(const struct cli *cli, enum amp_err err)
{
    if (err == AMP_ERR_IO)
        return cli_fail(cli, CLI_UNREACHABLE, "unreachable", "the daemon hung up or did not answer");
    if (err == AMP_ERR_INVALID)
        return cli_fail(cli, CLI_REFUSED, "invalid",
                        "the daemon does not accept a value: a name is 1 to 64 of A-Z a-z 0-9 . _ -");
    return cli_fail(cli, CLI_REFUSED, amp_err_code(err), amp_err_sentence(err));
}

/* ---- showing ---- */

static void append_bytes(struct cli_page *page, const uint8_t *bytes, size_t len)
{
    if (amp_secret_buf_append(&page->buf, bytes, len) != AMP_OK)
        page->failed = true;
}

static void append_key(struct cli_page *page, const char *before, const struct amp_admin_secret *key,
                       const char *between, const char *after)
{
    cli_page_text(page, before);
    append_bytes(page, key->key_id, sizeof key->key_id);
    cli_page_text(page, between);
    append_bytes(page, key->text, sizeof key->text);
    cli_page_text(page, after);
}

static int show_secret(struct cli *cli, const struct wish *wish, const struct amp_admin_secret *key)
{
    struct cli_page page = {.failed = false};
    if (cli->json)
        append_key(&page, "{\"key_id\":\"", key, "\",\"secret\":\"", "\"}\n");
    else if (wish->env)
        append_key(&page, "AWS_ACCESS_KEY_ID=", key, "\nAWS_SECRET_ACCESS_KEY=", "\n");
    else
        append_key(&page, "key id      ", key, "\nsecret      ", "\n\nThe secret is not shown again.\n");
    return cli_page_end(cli, &page);
}

static void write_grant(struct amp_out *out, const struct amp_grant *grant)
{
    const char *separator = "";
    if (grant->permissions == AMP_MAY_ALL) {
        amp_out_str(out, "all");
    } else {
        for (size_t i = 0; i < sizeof permission_words / sizeof permission_words[0]; i++) {
            if ((grant->permissions & amp_permission_parse(amp_slice_str(permission_words[i]))) == 0)
                continue;
            amp_out_str(out, separator);
            amp_out_str(out, permission_words[i]);
            separator = ",";
        }
    }
    amp_out_str(out, ":");
    amp_out_bytes(out, grant->queue, grant->queue_len);
}

static const char *state_name(enum amp_principal_state state)
{
    static const char *const names[AMP_PRINCIPAL_STATE_COUNT_] = {
        [AMP_PRINCIPAL_ACTIVE] = "active",
        [AMP_PRINCIPAL_EXPIRING] = "expiring",
        [AMP_PRINCIPAL_DISABLED] = "disabled",
    };
    return state < AMP_PRINCIPAL_STATE_COUNT_ ? names[state] : "unknown";
}

struct listing {
    struct cli_page page;
    bool json;
    size_t count;
};

static void list_json(struct amp_out *out, const struct amp_principal *p)
{
    amp_out_str(out, "{\"key_id\":\"");
    amp_out_bytes(out, p->key_id, sizeof p->key_id);
    amp_out_str(out, "\",\"name\":\"");
    amp_out_bytes(out, p->name, p->name_len);
    amp_out_str(out, "\",\"state\":\"");
    amp_out_str(out, state_name(p->state));
    amp_out_str(out, "\",\"created_at\":\"");
    amp_out_time(out, p->created_unix_ms);
    amp_out_str(out, "\"");
    if (p->state != AMP_PRINCIPAL_ACTIVE) {
        amp_out_str(out, p->state == AMP_PRINCIPAL_EXPIRING ? ",\"expires_at\":\"" : ",\"ended_at\":\"");
        amp_out_time(out, p->expires_unix_ms);
        amp_out_str(out, "\"");
    }
    amp_out_str(out, ",\"rate\":");
    amp_out_u64(out, p->rate_per_second);
    amp_out_str(out, ",\"burst\":");
    amp_out_u64(out, p->rate_burst);
    amp_out_str(out, ",\"may\":[");
    for (uint32_t i = 0; i < p->grant_count; i++) {
        amp_out_str(out, i > 0 ? ",\"" : "\"");
        write_grant(out, &p->grants[i]);
        amp_out_str(out, "\"");
    }
    amp_out_str(out, "]}");
}

static void list_row(struct amp_out *out, const struct amp_principal *p)
{
    const size_t start = out->len;
    amp_out_bytes(out, p->key_id, sizeof p->key_id);
    amp_out_str(out, "  ");
    amp_out_bytes(out, p->name, p->name_len);
    while (out->len - start < 40 && !out->overflow)
        amp_out_byte(out, ' ');
    amp_out_str(out, "  ");
    amp_out_str(out, state_name(p->state));
    while (out->len - start < 52 && !out->overflow)
        amp_out_byte(out, ' ');
    for (uint32_t i = 0; i < p->grant_count; i++) {
        amp_out_str(out, i > 0 ? " " : "");
        write_grant(out, &p->grants[i]);
    }
    if (p->rate_per_second != 0) {
        amp_out_str(out, "  at most ");
        amp_out_u64(out, p->rate_per_second);
        amp_out_str(out, "/s");
    }
    if (p->state != AMP_PRINCIPAL_ACTIVE) {
        amp_out_str(out, p->state == AMP_PRINCIPAL_EXPIRING ? "  until " : "  since ");
        amp_out_time(out, p->expires_unix_ms);
    }
    amp_out_str(out, "\n");
}

static void list_entry(void *ctx, const struct amp_principal *principal)
{
    struct listing *listing = ctx;
    uint8_t storage[8192];
    struct amp_out out = amp_out(storage, sizeof storage);
    if (listing->json && listing->count > 0)
        amp_out_str(&out, ",");
    if (listing->json)
        list_json(&out, principal);
    else
        list_row(&out, principal);
    listing->count++;
    append_bytes(&listing->page, storage, out.len);
}

/* ---- acting ---- */

/* A key whose secret nobody has read must not stay in force. */
static int show_or_disable(struct cli *cli, const struct wish *wish, struct amp_admin *admin,
                           const struct amp_admin_secret *key)
{
    const int code = show_secret(cli, wish, key);
    if (code != CLI_DONE && amp_admin_key_disable(admin, key->key_id) != AMP_OK)
        (void)cli_fail(cli, code, "io", "nor can the new key, which nobody has, be disabled: see key list");
    return code;
}

static int create(struct cli *cli, const struct wish *wish, struct amp_admin *admin)
{
    struct amp_grant grants[AMP_PRINCIPAL_GRANTS_MAX];
    struct amp_admin_secret *key = amp_secret_alloc(sizeof *key);
    int code = CLI_USAGE;
    if (key == NULL)
        return cli_fail(cli, CLI_REFUSED, "out_of_memory", "no secret memory is left");
    for (size_t i = 0; i < wish->may.count; i++) {
        if (i == AMP_PRINCIPAL_GRANTS_MAX ||
            amp_grant_parse(&grants[i], amp_slice_str(wish->may.entries[i])) != AMP_OK) {
            code =
                cli_usage(cli, "--may takes WORD[,WORD...][:QUEUE] of tokenize, claim, inspect, revoke, send, receive, "
                               "manage, all; at most 32 times");
            goto out;
        }
    }
    const uint64_t burst = wish->burst != 0 ? wish->burst : wish->rate;
    const enum amp_err err = amp_admin_key_create(admin, amp_slice_str(wish->name), (uint32_t)wish->rate,
                                                  (uint32_t)burst, grants, (uint32_t)wish->may.count, key);
    code = err == AMP_OK ? show_or_disable(cli, wish, admin, key) : refused(cli, err);
out:
    amp_secret_free(key);
    return code;
}

static int list(struct cli *cli, const struct wish *wish, struct amp_admin *admin)
{
    struct listing listing = {.json = cli->json};
    (void)wish;
    if (cli->json)
        cli_page_text(&listing.page, "{\"keys\":[");
    const enum amp_err err = amp_admin_key_list(admin, list_entry, &listing);
    if (err != AMP_OK) {
        amp_secret_buf_free(&listing.page.buf);
        return refused(cli, err);
    }
    cli_page_text(&listing.page, cli->json ? "]}\n" : "");
    return cli_page_end(cli, &listing.page);
}

static int rotate(struct cli *cli, const struct wish *wish, struct amp_admin *admin)
{
    const uint64_t overlap_ms = wish->overlap_ms != NO_OVERLAP_GIVEN ? wish->overlap_ms : DEFAULT_OVERLAP_MS;
    struct amp_admin_secret *key = amp_secret_alloc(sizeof *key);
    if (key == NULL)
        return cli_fail(cli, CLI_REFUSED, "out_of_memory", "no secret memory is left");
    const enum amp_err err = amp_admin_key_rotate(admin, (const uint8_t *)cli->args[1], overlap_ms, key);
    const int code = err == AMP_OK ? show_or_disable(cli, wish, admin, key) : refused(cli, err);
    amp_secret_free(key);
    return code;
}

static int done(const struct cli *cli, enum amp_err err)
{
    if (err != AMP_OK)
        return refused(cli, err);
    if (cli->json)
        printf("{}\n");
    return CLI_DONE;
}

static int disable(struct cli *cli, const struct wish *wish, struct amp_admin *admin)
{
    (void)wish;
    return done(cli, amp_admin_key_disable(admin, (const uint8_t *)cli->args[1]));
}

static int delete (struct cli *cli, const struct wish *wish, struct amp_admin *admin)
{
    (void)wish;
    return done(cli, amp_admin_key_delete(admin, (const uint8_t *)cli->args[1]));
}

static const struct verb {
    const char *name;
    bool takes_key;
    int (*run)(struct cli *cli, const struct wish *wish, struct amp_admin *admin);
} verbs[] = {
    {"create", false, create},  {"list", false, list},    {"rotate", true, rotate},
    {"disable", true, disable}, {"delete", true, delete},
};

static const struct verb *find_verb(const struct cli *cli)
{
    for (size_t i = 0; cli->arg_count > 0 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, cli->args[0]) == 0)
            return &verbs[i];
    return NULL;
}

/* An option that would be left unheeded, such as --may of a rotation, is told: somebody believes in it. */
static const char *misplaced(const struct verb *verb, const struct wish *wish)
{
    const bool describes = wish->name != NULL || wish->may.count != 0 || wish->rate != 0 || wish->burst != 0;
    if (verb->run != create && describes)
        return "--name, --may, --rate and --burst go with create alone";
    if (verb->run != rotate && wish->overlap_ms != NO_OVERLAP_GIVEN)
        return "--overlap-ms goes with rotate alone";
    if (verb->run != rotate && verb->run != create && wish->env)
        return "--env goes with create and rotate alone";
    return wish->burst != 0 && wish->rate == 0 ? "--burst goes with --rate" : NULL;
}

/* What is wrong, as a sentence; NULL where nothing is. */
static const char *judge(const struct cli *cli, const struct verb *verb, const struct wish *wish)
{
    if (verb == NULL)
        return "say what to do: create, list, rotate, disable or delete";
    if (cli->arg_count != (verb->takes_key ? 2 : 1))
        return verb->takes_key ? "give one key id" : "that takes options alone";
    if (verb->takes_key && strlen(cli->args[1]) != AMP_PRINCIPAL_KEY_ID_LEN)
        return "a key id is AMPK and 16 characters";
    if (verb->run == create && wish->name == NULL)
        return "name the key: --name NAME";
    if (verb->run == create && strlen(wish->name) > AMP_PRINCIPAL_NAME_MAX)
        return "a name has 64 characters at most";
    if (verb->run == create && wish->may.count == 0)
        return "say what the key may do: --may tokenize:QUEUE, --may claim, ... or --may all";
    return misplaced(verb, wish);
}

int cli_key(struct cli *cli, int argc, char **argv)
{
    struct wish wish = {.overlap_ms = NO_OVERLAP_GIVEN};
    const struct cli_option options[] = {
        CLI_OPTION_TEXT("name", "NAME", "create: who will use it", &wish.name),
        CLI_OPTION_LIST("may", "WORDS[:QUEUE]", "create: permissions, for one queue or all; may be repeated",
                        &wish.may),
        CLI_OPTION_NUMBER("rate", "N", "create: requests per second; default no limit", &wish.rate, 1, 1000000),
        CLI_OPTION_NUMBER("burst", "N", "create: how many at once; default as --rate", &wish.burst, 1, 1000000),
        CLI_OPTION_NUMBER("overlap-ms", "MS", "rotate: life left to the old key; default a day", &wish.overlap_ms, 0,
                          2592000000),
        CLI_OPTION_FLAG("env", "create, rotate: print the new key as lines for a shell", &wish.env),
        CLI_OPTION_TEXT("state", "DIR", "the daemon's state directory; default $AMPOULE_STATE", &wish.state),
        CLI_OPTION_TEXT("socket", "FILE", "its admin.sock, instead of --state", &wish.socket),
    };
    char storage[PATH_MAX_BYTES];
    struct amp_admin *admin = NULL;
    int code;
    if (!cli_parse(cli, &manual, options, sizeof options / sizeof options[0], argc, argv, &code))
        return code;
    const struct verb *verb = find_verb(cli);
    const char *wrong = judge(cli, verb, &wish);
    const char *path = socket_path(&wish, storage);
    if (wrong == NULL && path == NULL)
        wrong = "where is the daemon? Give --state DIR (or AMPOULE_STATE), or --socket FILE";
    if (wrong != NULL)
        return cli_usage(cli, wrong);
    if (amp_client_runtime_start() != AMP_OK)
        return cli_fail(cli, CLI_REFUSED, "crypto", "the cryptographic library cannot be started");
    if (amp_admin_connect(&admin, path) != AMP_OK)
        return connect_failed(cli, errno);
    code = verb->run(cli, &wish, admin);
    amp_admin_free(admin);
    return code;
}
