#include "cli/commands.h"
#include "cli/input.h"
#include "cli/sqs.h"

#include <unistd.h>

#include "base/text.h"

#define BODY_MAX (1024u * 1024) /* of SQS */

struct wish {
    const char *group;
    const char *deduplication;
    struct cli_list attributes;
    uint64_t delay_s;
    bool exact;
};

static const struct cli_manual manual = {
    .usage = "QUEUE [options] <MESSAGE",
    .about = "Puts a message into a queue and prints its id. The message is text (UTF-8) and is read from standard\n"
             "input, never from arguments; a newline at its end is left out.",
    .examples = "  echo 'order 42 is paid' | ampoule send orders\n"
                "  ampoule send orders --attribute kind=invoice --delay 60 <invoice.json\n"
                "  ampoule send ledger.fifo --group account-7 --dedup entry-1093 <entry.json\n",
    .connects = true,
};

#define NO_DELAY UINT64_MAX

/* The message without the newline that editors and echo put at the end. */
static enum amp_err read_message(const struct wish *wish, struct amp_secret_buf *message)
{
    static const char prompt[] = "message, up to Ctrl-D:\n";
    if (cli_input_is_terminal() && write(STDERR_FILENO, prompt, sizeof prompt - 1) < 0)
        return AMP_ERR_IO;
    const enum amp_err err = cli_input_all(message, BODY_MAX);
    if (err != AMP_OK)
        return err;
    if (!wish->exact && message->len > 0 && message->ptr[message->len - 1] == '\n')
        message->len--;
    if (message->len == 0)
        return AMP_ERR_TRUNCATED;
    const struct amp_slice text = amp_slice(message->ptr, message->len);
    return amp_utf8_valid(text) && memchr(text.ptr, '\0', text.len) == NULL ? AMP_OK : AMP_ERR_INVALID;
}

static int say_input_error(const struct cli *cli, enum amp_err err)
{
    if (err == AMP_ERR_TOO_LARGE)
        return cli_usage(cli, "standard input holds more than the 1 MiB that a message may have");
    if (err == AMP_ERR_OUT_OF_MEMORY)
        return cli_fail(cli, CLI_REFUSED, "out_of_memory", "no secret memory is left");
    if (err == AMP_ERR_IO)
        return cli_fail(cli, CLI_REFUSED, "io", "standard input cannot be read");
    if (err == AMP_ERR_INVALID)
        return cli_usage(cli, "standard input is not text in UTF-8: encode it, as base64 does");
    return cli_usage(cli, "standard input is empty: the message is read from there");
}

/* "NAME=VALUE" -> "NAME":{"DataType":"String","StringValue":"VALUE"} */
static bool put_attribute(struct amp_client_draft *draft, const char *entry)
{
    char name[257];
    const char *equals = strchr(entry, '=');
    const size_t len = equals != NULL ? (size_t)(equals - entry) : 0;
    if (len == 0 || len >= sizeof name)
        return false;
    memcpy(name, entry, len);
    name[len] = '\0';
    amp_client_draft_open(draft, name, '{');
    amp_client_draft_string(draft, "DataType", "String");
    amp_client_draft_string(draft, "StringValue", equals + 1);
    amp_client_draft_close(draft, '}');
    return true;
}

static bool put_attributes(struct amp_client_draft *draft, const struct cli_list *attributes)
{
    if (attributes->count == 0)
        return true;
    amp_client_draft_open(draft, "MessageAttributes", '{');
    for (size_t i = 0; i < attributes->count; i++)
        if (!put_attribute(draft, attributes->entries[i]))
            return false;
    amp_client_draft_close(draft, '}');
    return true;
}

static int send_message(struct cli *cli, struct amp_client *client, const struct wish *wish)
{
    struct amp_client_draft draft = {.bad = false};
    struct amp_secret_buf message = {NULL, 0, 0};
    struct amp_client_reply *reply = NULL;
    const enum amp_err err = read_message(wish, &message);
    if (err != AMP_OK) {
        amp_secret_buf_free(&message);
        return say_input_error(cli, err);
    }
    cli_sqs_begin(&draft, cli, cli->args[0]);
    amp_client_draft_text(&draft, "MessageBody", amp_slice(message.ptr, message.len));
    amp_secret_buf_free(&message);
    amp_client_draft_string(&draft, "MessageGroupId", wish->group);
    amp_client_draft_string(&draft, "MessageDeduplicationId", wish->deduplication);
    if (wish->delay_s != NO_DELAY)
        amp_client_draft_number(&draft, "DelaySeconds", wish->delay_s);
    if (!put_attributes(&draft, &wish->attributes)) {
        amp_client_draft_fini(&draft);
        return cli_usage(cli, "--attribute takes NAME=VALUE");
    }
    int code = cli_sqs_call(cli, client, AMP_SQS_SEND_MESSAGE, &draft, 0, &reply);
    if (code == CLI_DONE) {
        const char *id = amp_client_reply_text(reply, "MessageId");
        code = cli->json ? cli_print_json(cli, reply) : cli_print_line(cli, id != NULL ? id : "?");
    }
    amp_client_reply_free(reply);
    return code;
}

int cli_send(struct cli *cli, int argc, char **argv)
{
    struct wish wish = {.delay_s = NO_DELAY};
    const struct cli_option options[] = {
        CLI_OPTION_TEXT("group", "ID", "FIFO queues: messages of one group keep their order", &wish.group),
        CLI_OPTION_TEXT("dedup", "ID", "FIFO queues: the same id within 5 minutes is the same message",
                        &wish.deduplication),
        CLI_OPTION_NUMBER("delay", "S", "nobody receives it before; default as the queue says", &wish.delay_s, 0, 900),
        CLI_OPTION_LIST("attribute", "NAME=VALUE", "goes with the message; may be repeated", &wish.attributes),
        CLI_OPTION_FLAG("exact", "keep the newline at the end", &wish.exact),
    };
    int code;
    if (!cli_parse(cli, &manual, options, sizeof options / sizeof options[0], argc, argv, &code))
        return code;
    if (cli->arg_count != 1 || cli->args[0][0] == '\0')
        return cli_usage(cli, "give one queue; the message is read from standard input");
    struct amp_client *client = cli_session_open(cli, &code);
    if (client != NULL)
        code = send_message(cli, client, &wish);
    amp_client_free(client);
    return code;
}
