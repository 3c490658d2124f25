/* Queues themselves: made, looked at, changed, emptied, deleted, moved. */
#include "cli/commands.h"
#include "cli/sqs.h"
#include "client/path.h"

#include <stdio.h>

#define PAGE         1000
#define VALUE_MAX    320
#define COLUMN       38
#define NO_NUMBER    UINT64_MAX
#define TTL_TAG      "ampoule:ttl-ms"
#define FIFO_SUFFIX  ".fifo"
#define MAX_RECEIVES 10
#define NAME_MAX_LEN 80

struct wish {
    struct cli_list tags;
    const char *dead_letter;
    uint64_t max_receives; /* NO_NUMBER: MAX_RECEIVES */
    uint64_t ttl_ms;
    uint64_t rate;
};

static const struct cli_manual manual = {
    .usage = "VERB [QUEUE] [...] [options]",
    .about = "Manages queues.\n"
             "  create QUEUE [ATTRIBUTE=VALUE ...]   a queue; where its name ends in .fifo, one that keeps order\n"
             "  list [PREFIX]                        the names of all, or of those that begin so\n"
             "  show QUEUE                           attributes and tags, and how many messages there are\n"
             "  set QUEUE ATTRIBUTE=VALUE ...        changes attributes\n"
             "  tag QUEUE NAME=VALUE ...             sets tags\n"
             "  untag QUEUE NAME ...                 removes tags\n"
             "  purge QUEUE                          deletes every message\n"
             "  delete QUEUE                         deletes the queue and every message\n"
             "  move QUEUE [TO]                      starts to move the messages of a dead-letter queue: to another,\n"
             "                                       or back to where each came from\n"
             "  tasks QUEUE                          moves of this queue: their states and handles\n"
             "  cancel HANDLE                        ends a move",
    .examples = "  ampoule queue create payments --ttl-ms 10000\n"
                "  ampoule queue create orders VisibilityTimeout=60 --dead-letter orders-failed --max-receives 5\n"
                "  ampoule queue create ledger.fifo ContentBasedDeduplication=true\n"
                "  ampoule queue show orders\n"
                "  ampoule queue move orders-failed\n",
    .connects = true,
};

/* ---- writing requests ---- */

static bool put_pairs(struct amp_client_draft *draft, const char *name, const char *const *entries, size_t count)
{
    if (count == 0)
        return true;
    amp_client_draft_open(draft, name, '{');
    for (size_t i = 0; i < count; i++)
        if (!cli_sqs_pair(draft, entries[i]))
            return false;
    amp_client_draft_close(draft, '}');
    return true;
}

static const char *const *rest_of(const struct cli *cli)
{
    return (const char *const *)cli->args + 2;
}

static size_t rest_count(const struct cli *cli)
{
    return (size_t)cli->arg_count - 2;
}

static int wrong_pair(struct cli *cli, struct amp_client_draft *draft)
{
    amp_client_draft_fini(draft);
    return cli_usage(cli, "attributes and tags are given as NAME=VALUE");
}

/* For actions whose answer says nothing. */
static int finish(struct cli *cli, struct amp_client *client, enum amp_sqs_action action,
                  struct amp_client_draft *draft)
{
    struct amp_client_reply *reply = NULL;
    int code = cli_sqs_call(cli, client, action, draft, 0, &reply);
    if (code == CLI_DONE && cli->json)
        code = cli_print_json(cli, reply);
    amp_client_reply_free(reply);
    return code;
}

/* ---- create ---- */

static bool is_fifo(const char *queue)
{
    const size_t len = strlen(queue);
    return len >= sizeof FIFO_SUFFIX - 1 && strcmp(queue + len - (sizeof FIFO_SUFFIX - 1), FIFO_SUFFIX) == 0;
}

static bool names_attribute(const struct cli *cli, const char *name)
{
    const size_t len = strlen(name);
    for (size_t i = 0; i < rest_count(cli); i++)
        if (strncmp(rest_of(cli)[i], name, len) == 0 && rest_of(cli)[i][len] == '=')
            return true;
    return false;
}

/* {"deadLetterTargetArn":...,"maxReceiveCount":...}, as text in the text of an attribute. */
static bool put_redrive(struct amp_client_draft *draft, const struct cli *cli, const struct wish *wish)
{
    char arn[CLI_SQS_ARN_MAX];
    char policy[VALUE_MAX];
    if (!cli_sqs_arn(arn, cli, wish->dead_letter))
        return false;
    snprintf(policy, sizeof policy, "{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":%u}", arn,
             (unsigned)(wish->max_receives != NO_NUMBER ? wish->max_receives : MAX_RECEIVES));
    amp_client_draft_string(draft, "RedrivePolicy", policy);
    return true;
}

static bool put_attributes(struct amp_client_draft *draft, const struct cli *cli, const struct wish *wish)
{
    const bool fifo = is_fifo(cli->args[1]) && !names_attribute(cli, "FifoQueue");
    if (rest_count(cli) == 0 && !fifo && wish->dead_letter == NULL)
        return true;
    amp_client_draft_open(draft, "Attributes", '{');
    if (fifo)
        amp_client_draft_string(draft, "FifoQueue", "true");
    if (wish->dead_letter != NULL && !put_redrive(draft, cli, wish))
        return false;
    for (size_t i = 0; i < rest_count(cli); i++)
        if (!cli_sqs_pair(draft, rest_of(cli)[i]))
            return false;
    amp_client_draft_close(draft, '}');
    return true;
}

static bool put_tags(struct amp_client_draft *draft, const struct wish *wish)
{
    char ttl[24];
    if (wish->tags.count == 0 && wish->ttl_ms == NO_NUMBER)
        return true;
    amp_client_draft_open(draft, "tags", '{');
    if (wish->ttl_ms != NO_NUMBER) {
        snprintf(ttl, sizeof ttl, "%llu", (unsigned long long)wish->ttl_ms);
        amp_client_draft_string(draft, TTL_TAG, ttl);
    }
    for (size_t i = 0; i < wish->tags.count; i++)
        if (!cli_sqs_pair(draft, wish->tags.entries[i]))
            return false;
    amp_client_draft_close(draft, '}');
    return true;
}

static int ask_and_print(struct cli *cli, struct amp_client *client, enum amp_sqs_action action,
                         struct amp_client_draft *draft, const char *path)
{
    struct amp_client_reply *reply = NULL;
    int code = cli_sqs_call(cli, client, action, draft, 0, &reply);
    if (code == CLI_DONE) {
        const char *text = amp_client_reply_text(reply, path);
        code = cli->json ? cli_print_json(cli, reply) : cli_print_line(cli, text != NULL ? text : "?");
    }
    amp_client_reply_free(reply);
    return code;
}

static int create(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_draft draft = {.bad = false};
    amp_client_draft_open(&draft, NULL, '{');
    amp_client_draft_string(&draft, "QueueName", cli->args[1]);
    if (!put_attributes(&draft, cli, wish) || !put_tags(&draft, wish))
        return wrong_pair(cli, &draft);
    return ask_and_print(cli, client, AMP_SQS_CREATE_QUEUE, &draft, "QueueUrl");
}

/* ---- list ---- */

/* The names of one page. `first`: none was written before. */
static void list_page(struct cli *cli, struct cli_page *page, struct amp_client_reply *reply, bool *first)
{
    for (size_t i = 0;; i++) {
        char path[32];
        snprintf(path, sizeof path, "QueueUrls.%zu", i);
        const char *url = amp_client_reply_text(reply, path);
        if (url == NULL)
            return;
        const char *slash = strrchr(url, '/');
        const char *name = slash != NULL ? slash + 1 : url;
        if (cli->json)
            cli_page_text(page, *first ? "\"" : ",\"");
        cli_page_text(page, name);
        cli_page_text(page, cli->json ? "\"" : "\n");
        *first = false;
    }
}

static int list(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct cli_page page = {.failed = false};
    struct amp_client_reply *reply = NULL;
    const char *next = NULL;
    bool first = true;
    (void)wish;
    cli_page_text(&page, cli->json ? "{\"queues\":[" : "");
    do {
        struct amp_client_draft draft = {.bad = false};
        amp_client_draft_open(&draft, NULL, '{');
        amp_client_draft_number(&draft, "MaxResults", PAGE);
        amp_client_draft_string(&draft, "QueueNamePrefix", cli->arg_count > 1 ? cli->args[1] : NULL);
        amp_client_draft_string(&draft, "NextToken", next);
        amp_client_reply_free(reply);
        const int code = cli_sqs_call(cli, client, AMP_SQS_LIST_QUEUES, &draft, 0, &reply);
        if (code != CLI_DONE) {
            amp_secret_buf_free(&page.buf);
            return code;
        }
        list_page(cli, &page, reply, &first);
        next = amp_client_reply_text(reply, "NextToken");
    } while (next != NULL);
    amp_client_reply_free(reply);
    cli_page_text(&page, cli->json ? "]}\n" : "");
    return cli_page_end(cli, &page);
}

/* ---- show ---- */

static void show_row(struct cli_page *page, const char *prefix, const char *name, const char *value)
{
    size_t width = strlen(prefix) + strlen(name);
    cli_page_text(page, prefix);
    cli_page_text(page, name);
    do
        cli_page_text(page, " ");
    while (++width < COLUMN);
    cli_page_text(page, value);
    cli_page_text(page, "\n");
}

/* What people look for, in this order; everything else there is --json for. */
static const char *const shown[] = {
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "VisibilityTimeout",
    "MessageRetentionPeriod",
    "DelaySeconds",
    "ReceiveMessageWaitTimeSeconds",
    "MaximumMessageSize",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
};

static void show_attributes(struct cli_page *page, struct amp_client_reply *attributes)
{
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        char path[80];
        snprintf(path, sizeof path, "Attributes.%s", shown[i]);
        const char *value = amp_client_reply_text(attributes, path);
        if (value != NULL)
            show_row(page, "", shown[i], value);
    }
}

static int read_two(struct cli *cli, struct amp_client *client, struct amp_client_reply **attributes,
                    struct amp_client_reply **tags)
{
    struct amp_client_draft draft = {.bad = false};
    struct amp_client_draft second = {.bad = false};
    cli_sqs_begin(&draft, cli, cli->args[1]);
    amp_client_draft_open(&draft, "AttributeNames", '[');
    amp_client_draft_string(&draft, NULL, "All");
    amp_client_draft_close(&draft, ']');
    const int code = cli_sqs_call(cli, client, AMP_SQS_GET_QUEUE_ATTRIBUTES, &draft, 0, attributes);
    if (code != CLI_DONE)
        return code;
    cli_sqs_begin(&second, cli, cli->args[1]);
    return cli_sqs_call(cli, client, AMP_SQS_LIST_QUEUE_TAGS, &second, 0, tags);
}

static void show_json(struct cli_page *page, struct amp_client_reply *attributes, struct amp_client_reply *tags)
{
    const char *first = amp_client_reply_text(attributes, "Attributes");
    const char *second = amp_client_reply_text(tags, "Tags");
    cli_page_text(page, "{\"attributes\":");
    cli_page_text(page, first != NULL ? first : "{}");
    cli_page_text(page, ",\"tags\":");
    cli_page_text(page, second != NULL ? second : "{}");
    cli_page_text(page, "}\n");
}

static int show(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct cli_page page = {.failed = false};
    struct amp_client_reply *attributes = NULL;
    struct amp_client_reply *tags = NULL;
    (void)wish;
    int code = read_two(cli, client, &attributes, &tags);
    if (code == CLI_DONE) {
        const char *all = amp_client_reply_text(tags, "Tags");
        if (cli->json)
            show_json(&page, attributes, tags);
        else
            show_attributes(&page, attributes);
        if (!cli->json && all != NULL)
            show_row(&page, "", "tags", all);
        code = cli_page_end(cli, &page);
    }
    amp_client_reply_free(attributes);
    amp_client_reply_free(tags);
    return code;
}

/* ---- the short ones ---- */

static int set(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_draft draft = {.bad = false};
    (void)wish;
    cli_sqs_begin(&draft, cli, cli->args[1]);
    if (!put_pairs(&draft, "Attributes", rest_of(cli), rest_count(cli)))
        return wrong_pair(cli, &draft);
    return finish(cli, client, AMP_SQS_SET_QUEUE_ATTRIBUTES, &draft);
}

static int tag(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_draft draft = {.bad = false};
    (void)wish;
    cli_sqs_begin(&draft, cli, cli->args[1]);
    if (!put_pairs(&draft, "Tags", rest_of(cli), rest_count(cli)))
        return wrong_pair(cli, &draft);
    return finish(cli, client, AMP_SQS_TAG_QUEUE, &draft);
}

static int untag(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_draft draft = {.bad = false};
    (void)wish;
    cli_sqs_begin(&draft, cli, cli->args[1]);
    amp_client_draft_open(&draft, "TagKeys", '[');
    for (size_t i = 0; i < rest_count(cli); i++)
        amp_client_draft_string(&draft, NULL, rest_of(cli)[i]);
    amp_client_draft_close(&draft, ']');
    return finish(cli, client, AMP_SQS_UNTAG_QUEUE, &draft);
}

static int purge(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_draft draft = {.bad = false};
    (void)wish;
    cli_sqs_begin(&draft, cli, cli->args[1]);
    return finish(cli, client, AMP_SQS_PURGE_QUEUE, &draft);
}

static int delete (struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_draft draft = {.bad = false};
    (void)wish;
    cli_sqs_begin(&draft, cli, cli->args[1]);
    return finish(cli, client, AMP_SQS_DELETE_QUEUE, &draft);
}

/* ---- moves ---- */

static void put_arn(struct amp_client_draft *draft, const struct cli *cli, const char *name, const char *queue)
{
    char arn[CLI_SQS_ARN_MAX];
    draft->bad = draft->bad || !cli_sqs_arn(arn, cli, queue);
    if (!draft->bad)
        amp_client_draft_string(draft, name, arn);
}

static int move(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_draft draft = {.bad = false};
    amp_client_draft_open(&draft, NULL, '{');
    put_arn(&draft, cli, "SourceArn", cli->args[1]);
    if (cli->arg_count > 2)
        put_arn(&draft, cli, "DestinationArn", cli->args[2]);
    if (wish->rate != NO_NUMBER)
        amp_client_draft_number(&draft, "MaxNumberOfMessagesPerSecond", wish->rate);
    return ask_and_print(cli, client, AMP_SQS_START_MESSAGE_MOVE_TASK, &draft, "TaskHandle");
}

static void show_task(struct cli_page *page, struct amp_client_reply *reply, size_t i)
{
    static const char *const names[] = {
        "Status", "SourceArn", "DestinationArn", "ApproximateNumberOfMessagesMoved", "FailureReason", "TaskHandle",
    };
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        char path[80];
        snprintf(path, sizeof path, "Results.%zu.%s", i, names[n]);
        const char *value = amp_client_reply_text(reply, path);
        if (value != NULL)
            show_row(page, n == 0 ? "" : "  ", names[n], value);
    }
}

static int tasks(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_draft draft = {.bad = false};
    struct amp_client_reply *reply = NULL;
    struct cli_page page = {.failed = false};
    (void)wish;
    amp_client_draft_open(&draft, NULL, '{');
    put_arn(&draft, cli, "SourceArn", cli->args[1]);
    amp_client_draft_number(&draft, "MaxResults", 10);
    int code = cli_sqs_call(cli, client, AMP_SQS_LIST_MESSAGE_MOVE_TASKS, &draft, 0, &reply);
    if (code == CLI_DONE && cli->json) {
        code = cli_print_json(cli, reply);
    } else if (code == CLI_DONE) {
        for (size_t i = 0; i < 10; i++)
            show_task(&page, reply, i);
        code = cli_page_end(cli, &page);
    }
    amp_client_reply_free(reply);
    return code;
}

static int cancel(struct cli *cli, const struct wish *wish, struct amp_client *client)
{
    struct amp_client_draft draft = {.bad = false};
    (void)wish;
    amp_client_draft_open(&draft, NULL, '{');
    amp_client_draft_string(&draft, "TaskHandle", cli->args[1]);
    return ask_and_print(cli, client, AMP_SQS_CANCEL_MESSAGE_MOVE_TASK, &draft, "ApproximateNumberOfMessagesMoved");
}

/* ---- the command ---- */

#define MANY 64

static const struct verb {
    const char *name;
    int least; /* arguments, the verb included */
    int most;
    int (*run)(struct cli *cli, const struct wish *wish, struct amp_client *client);
} verbs[] = {
    {"create", 2, MANY, create}, {"list", 1, 2, list},      {"show", 2, 2, show},     {"set", 3, MANY, set},
    {"tag", 3, MANY, tag},       {"untag", 3, MANY, untag}, {"purge", 2, 2, purge},   {"delete", 2, 2, delete},
    {"move", 2, 3, move},        {"tasks", 2, 2, tasks},    {"cancel", 2, 2, cancel},
};

static const struct verb *find_verb(const struct cli *cli)
{
    for (size_t i = 0; cli->arg_count > 0 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, cli->args[0]) == 0)
            return &verbs[i];
    return NULL;
}

/* Whether it can stand in the JSON of a policy as it is; what names there are, the daemon knows. */
static bool is_plain(const char *name)
{
    return strlen(name) <= NAME_MAX_LEN && strpbrk(name, "\"\\") == NULL;
}

/* What is wrong, as a sentence; NULL where all is well. */
static const char *judge(const struct cli *cli, const struct verb *verb, const struct wish *wish)
{
    if (verb == NULL)
        return "say what to do: create, list, show, set, tag, untag, purge, delete, move, tasks or cancel";
    if (cli->arg_count < verb->least)
        return verb->least > 2 ? "give a queue, and behind it what is to change" : "give one queue (or task)";
    if (cli->arg_count > verb->most)
        return "that is more than this takes; see --help";
    if (verb->run != create && (wish->tags.count > 0 || wish->dead_letter != NULL || wish->ttl_ms != NO_NUMBER))
        return "--tag, --ttl-ms and --dead-letter go with create; later there are tag and set";
    if (wish->dead_letter != NULL && !is_plain(wish->dead_letter))
        return "--dead-letter takes the name of a queue";
    if (wish->max_receives != NO_NUMBER && wish->dead_letter == NULL)
        return "--max-receives goes with --dead-letter";
    if (verb->run != move && wish->rate != NO_NUMBER)
        return "--rate goes with move";
    return NULL;
}

int cli_queue(struct cli *cli, int argc, char **argv)
{
    struct wish wish = {.max_receives = NO_NUMBER, .ttl_ms = NO_NUMBER, .rate = NO_NUMBER};
    const struct cli_option options[] = {
        CLI_OPTION_LIST("tag", "NAME=VALUE", "create: a tag; may be repeated", &wish.tags),
        CLI_OPTION_NUMBER("ttl-ms", "MS", "create: life of its messages, as the tag " TTL_TAG, &wish.ttl_ms, 1000,
                          1209600000),
        CLI_OPTION_TEXT("dead-letter", "QUEUE", "create: where messages go that nobody could deal with",
                        &wish.dead_letter),
        CLI_OPTION_NUMBER("max-receives", "N", "create: after so many tries; default 10", &wish.max_receives, 1, 1000),
        CLI_OPTION_NUMBER("rate", "N", "move: messages per second", &wish.rate, 1, 500),
    };
    int code;
    if (!cli_parse(cli, &manual, options, sizeof options / sizeof options[0], argc, argv, &code))
        return code;
    const struct verb *verb = find_verb(cli);
    const char *wrong = judge(cli, verb, &wish);
    if (wrong != NULL)
        return cli_usage(cli, wrong);
    struct amp_client *client = cli_session_open(cli, &code);
    if (client != NULL)
        code = verb->run(cli, &wish, client);
    amp_client_free(client);
    return code;
}
