/* The configuration: what is good is read, what is not is told with its name. */
#include <string.h>

#include "../tempdir.h"
#include "daemon/config.h"

struct heard {
    char text[4096];
    size_t count;
};

static void on_complaint(void *ctx, const char *text)
{
    struct heard *heard = ctx;
    size_t len = strlen(heard->text);
    snprintf(heard->text + len, sizeof(heard->text) - len, "%s\n", text);
    heard->count++;
}

static enum amp_err parse(struct amp_config *config, const char *text, struct heard *heard)
{
    const struct amp_config_critic critic = {on_complaint, heard};
    *heard = (struct heard){0};
    return amp_config_parse(config, amp_slice_str(text), &critic);
}

#define LEAST                                                                                                          \
    "state: /var/lib/ampoule\n"                                                                                        \
    "listen:\n  addresses: ['0.0.0.0:8443']\n  cert: /etc/a.crt\n  key: /etc/a.key\n"

static void the_least_configuration_has_documented_defaults(void **state)
{
    struct amp_config config;
    struct heard heard;
    assert_int_equal(parse(&config, LEAST, &heard), AMP_OK);
    assert_int_equal(heard.count, 0);
    assert_false(config.dev);
    assert_true(config.workers >= 1);
    assert_int_equal(config.listen.address_count, 1);
    assert_string_equal(config.listen.address[0], "0.0.0.0:8443");
    assert_int_equal(config.auth.clock_skew_ms, 300000);
    assert_int_equal(config.vault.ttl_ms, 10000);
    assert_int_equal(config.vault.ttl_max_ms, 900000);
    assert_true(config.memory.cap == UINT64_C(2) << 30);
    assert_true(config.vault.memory_max >= 4 << 20);
    assert_int_equal(config.keys.provider, AMP_CONFIG_PROVIDER_EPHEMERAL);
    assert_int_equal(config.log_level, AMP_LOG_INFO);
    assert_string_equal(config.listen.client_ca, "");
    assert_int_equal(config.queue.engine, AMP_CONFIG_ENGINE_MEMORY);
    assert_true(config.queue.memory_max >= 4 << 20);
    assert_true(config.auth.replay_max >= 1000);
    assert_true(config.memory.front_pool > config.memory.bodies);
    assert_true(config.limits.startups.full <= config.limits.max_connections);
    assert_int_equal(config.queue.max_queues, 1000);
    assert_int_equal(config.queue.name_count, 0);
    assert_int_equal(config.push.allow_count, 0);
    assert_string_equal(config.push.ca, "");
    assert_int_equal(config.push.connect_ms, 5000);
    assert_int_equal(config.push.timeout_ms, 10000);
    assert_int_equal(config.push.disable_after_ms, 3600000);
    assert_true(config.keys.forget_after_ms == INT64_C(90) * 24 * 3600 * 1000);
    assert_int_equal(config.push.concurrency, 16);
    assert_true(config.sandbox.separate);
    assert_true(config.sandbox.required);
    assert_string_equal(config.sandbox.front, "ampoule-front");
    assert_string_equal(config.sandbox.keeper, "ampoule-keeper");
    assert_string_equal(config.sandbox.scribe, "ampoule-scribe");
    assert_string_equal(config.sandbox.courier, "ampoule-courier");
    assert_true(config.limits.idle_ms > 0 && config.limits.max_connections > 0);
}

static void every_setting_is_read(void **state)
{
    struct amp_config config;
    struct heard heard;
    static const char text[] =
        "workers: 3\nstate: /s\nmemory_max: 8GiB\n"
        "listen:\n  addresses: ['127.0.0.1:1', '[::1]:65535']\n  cert: /c\n  key: /k\n  client_ca: /ca\n  backlog: 7\n"
        "log: {level: debug}\nauth: {clock_skew: 15m, replay_max: 5000}\n"
        "vault: {ttl: 500ms, ttl_max: 1m, memory_max: 2GiB}\nmask: {bin8: true}\n"
        "keys: {provider: file, file: /kek, forget_after: 8784h}\n"
        "queue: {engine: memory, memory_max: 1GiB, max_queues: 2, names: [payments, orders.fifo]}\n"
        "push:\n  allow: ['10.1.0.0/16', '[::1]:9000']\n  ca: /roots\n  connect_timeout: 1s\n  timeout: 2s\n"
        "  disable_after: 24h\n  concurrency: 3\n"
        "limits: {handshake: 1s, header: 2s, body: 3s, request: 4s, idle: 5s, max_connections: 6, "
        "max_connections_per_source: 7, max_connections_per_principal: 8, max_requests_per_principal: 9, "
        "startups: '10:20:30', penalty_min: 11s, penalty_max: 12s, exempt: [10.0.0.7, '[fd00::]/8']}\n"
        "sandbox: {users: shared, required: false, front: web, keeper: keys_1, scribe: 4711, courier: a-b.c}\n";
    assert_int_equal(parse(&config, text, &heard), AMP_OK);
    assert_int_equal(config.workers, 3);
    assert_string_equal(config.listen.address[1], "[::1]:65535");
    assert_string_equal(config.listen.client_ca, "/ca");
    assert_int_equal(config.listen.backlog, 7);
    assert_int_equal(config.log_level, AMP_LOG_DEBUG);
    assert_int_equal(config.auth.clock_skew_ms, 900000);
    assert_int_equal(config.auth.replay_max, 5000);
    assert_int_equal(config.vault.ttl_ms, 500);
    assert_int_equal(config.vault.ttl_max_ms, 60000);
    assert_true(config.memory.cap == UINT64_C(8) << 30);
    assert_true(config.vault.memory_max == UINT64_C(2) << 30);
    assert_true(config.mask.bin8);
    assert_int_equal(config.keys.provider, AMP_CONFIG_PROVIDER_FILE);
    assert_string_equal(config.keys.file, "/kek");
    assert_true(config.keys.forget_after_ms == INT64_C(366) * 24 * 3600 * 1000);
    assert_true(config.queue.memory_max == UINT64_C(1) << 30);
    assert_int_equal(config.queue.max_queues, 2);
    assert_int_equal(config.queue.name_count, 2);
    assert_string_equal(config.queue.names[0], "payments");
    assert_string_equal(config.queue.names[1], "orders.fifo");
    assert_int_equal(config.push.allow_count, 2);
    assert_string_equal(config.push.allow[0], "10.1.0.0/16");
    assert_string_equal(config.push.allow[1], "[::1]:9000");
    assert_string_equal(config.push.ca, "/roots");
    assert_int_equal(config.push.connect_ms, 1000);
    assert_int_equal(config.push.timeout_ms, 2000);
    assert_int_equal(config.push.disable_after_ms, 24 * 3600 * 1000);
    assert_int_equal(config.push.concurrency, 3);
    assert_int_equal(config.limits.handshake_ms, 1000);
    assert_int_equal(config.limits.header_ms, 2000);
    assert_int_equal(config.limits.body_ms, 3000);
    assert_int_equal(config.limits.request_ms, 4000);
    assert_int_equal(config.limits.idle_ms, 5000);
    assert_int_equal(config.limits.max_connections, 6);
    assert_int_equal(config.limits.max_connections_per_source, 7);
    assert_int_equal(config.limits.max_connections_per_principal, 8);
    assert_int_equal(config.limits.max_requests_per_principal, 9);
    assert_int_equal(config.limits.startups.start, 10);
    assert_int_equal(config.limits.startups.rate, 20);
    assert_int_equal(config.limits.startups.full, 30);
    assert_int_equal(config.limits.penalty_min_ms, 11000);
    assert_int_equal(config.limits.penalty_max_ms, 12000);
    assert_int_equal(config.limits.exempt_count, 2);
    assert_string_equal(config.limits.exempt[0], "10.0.0.7");
    assert_string_equal(config.limits.exempt[1], "[fd00::]/8");
    assert_false(config.sandbox.separate);
    assert_false(config.sandbox.required);
    assert_string_equal(config.sandbox.front, "web");
    assert_string_equal(config.sandbox.keeper, "keys_1");
    assert_string_equal(config.sandbox.scribe, "4711");
    assert_string_equal(config.sandbox.courier, "a-b.c");
}

static void mistakes_are_told_with_the_settings_name(void **state)
{
    static const struct {
        const char *text;
        const char *said;
    } cases[] = {
        {LEAST "sandbox: {users: none}\n", "sandbox.users: \"none\" is not separate or shared"},
        {LEAST "sandbox: {required: maybe}\n", "sandbox.required: \"maybe\" is not true or false"},
        {LEAST "sandbox: {front: ''}\n", "sandbox.front: \"\" is not the name or number of a user"},
        {LEAST "sandbox: {keeper: a:b}\n", "sandbox.keeper: \"a:b\" is not the name or number of a user"},
        {LEAST "sandbox: {scribe: an-account-of-thirty-three-letters}\n", "is not the name or number of a user"},
        {LEAST "memory_max: 63MiB\n", "memory_max: \"63MiB\" is out of bounds: 64MiB to 4TiB"},
        {LEAST "memory_max: 1GiB\nvault: {memory_max: 1GiB}\n",
         "memory_max of 1024 MiB is too little: vault.memory_max takes 2048 MiB, "},
        {LEAST "workers: 0\n", "workers: \"0\" is out of bounds"},
        {LEAST "workers: 65\n", "workers: \"65\" is out of bounds: 1 to 64"},
        {LEAST "workers: many\n", "workers: \"many\" is not a whole number"},
        {LEAST "workers: -1\n", "workers: \"-1\" is not a whole number"},
        {LEAST "workers: 99999999999999999999999\n", "is not a whole number"},
        {LEAST "auth: {clock_skew: 901s}\n", "auth.clock_skew: \"901s\" is out of bounds: 1s to 15m"},
        {LEAST "auth: {clock_skew: 300}\n", "auth.clock_skew: \"300\" is not a duration"},
        {LEAST "vault: {ttl: 16m}\n", "vault.ttl: \"16m\" is out of bounds: 1ms to 15m"},
        {LEAST "vault: {ttl: 10 s}\n", "is not a duration"},
        {LEAST "vault: {ttl: 1m, ttl_max: 30s}\n", "vault.ttl is longer than vault.ttl_max"},
        {LEAST "vault: {memory_max: 256MB}\n", "vault.memory_max: \"256MB\" is not a size"},
        {LEAST "vault: {memory_max: 9999999999TiB}\n", "is not a size"},
        {LEAST "mask: {bin8: yes}\n", "mask.bin8: \"yes\" is not true or false"},
        {LEAST "log: {level: loud}\n", "log.level: \"loud\" is not error"},
        {LEAST "keys: {provider: hsm}\n", "keys.provider: \"hsm\" is not ephemeral or file"},
        {LEAST "keys: {provider: file}\n", "keys.file is missing"},
        {LEAST "keys: {file: /kek}\n", "keys.file is set, but keys.provider is not file"},
        {LEAST "keys: {provider: file, file: kek}\n", "keys.file: \"kek\" is not an absolute path"},
        {LEAST "queue: {engine: amqp}\n", "queue.engine: \"amqp\" is not memory"},
        {LEAST "queue: {memory_max: 1MiB}\n", "queue.memory_max: \"1MiB\" is out of bounds"},
        {LEAST "queue: {max_queues: 0}\n", "queue.max_queues: \"0\" is out of bounds"},
        {LEAST "queue: {names: [a, b], max_queues: 1}\n", "queue.names are more than queue.max_queues"},
        {LEAST "queue: {names: [a, a]}\n", "queue.names: \"a\" stands there twice"},
        {LEAST "queue: {names: ['a b']}\n", "queue.names: \"a b\" is not 1 to 80"},
        {LEAST "queue: {names: ['*']}\n", "queue.names: \"*\" is not 1 to 80"},
        {LEAST "queue: {names: ['.fifo']}\n", "queue.names: \".fifo\" is not 1 to 80"},
        {LEAST "queue: {names: ['']}\n", "queue.names: \"\" is not 1 to 80"},
        {LEAST "push: {allow: [localhost]}\n", "push.allow: \"localhost\" is not an address or network"},
        {LEAST "push: {allow: ['10.1.2.3/16']}\n", "push.allow: \"10.1.2.3/16\" is not an address or network"},
        {LEAST "push: {ca: roots.pem}\n", "push.ca: \"roots.pem\" is not an absolute path"},
        {LEAST "push: {connect_timeout: 11s}\n", "push.connect_timeout is longer than push.timeout"},
        {LEAST "push: {timeout: 6m}\n", "push.timeout: \"6m\" is out of bounds"},
        {LEAST "push: {disable_after: 169h}\n", "push.disable_after: \"169h\" is out of bounds"},
        {LEAST "keys: {forget_after: 999ms}\n", "keys.forget_after: \"999ms\" is out of bounds"},
        {LEAST "push: {concurrency: 257}\n", "push.concurrency: \"257\" is out of bounds"},
        {LEAST "push: {surprise: 1}\n", "surprise"},
        {LEAST "surprise: 1\n", "surprise"},
        {LEAST "vault: {surprise: 1}\n", "surprise"},
        {LEAST "vault: 5\n", "vault"},
        {LEAST "vault: &a {ttl: 1s}\nmask: *a\n", ""},
        {"state: /s\n", "listen.addresses is missing"},
        {"state: /s\n", "listen.cert is missing"},
        {"state: /s\n", "listen.key is missing"},
        {"listen: {addresses: ['1.2.3.4:5'], cert: /c, key: /k}\n", "state is missing"},
        {LEAST "limits: {startups: '10:30'}\n", "limits.startups: \"10:30\" is not START:RATE:FULL"},
        {LEAST "limits: {startups: '10:30:100:1'}\n", "is not START:RATE:FULL"},
        {LEAST "limits: {startups: '100:30:100'}\n", "is not START:RATE:FULL"},
        {LEAST "limits: {startups: '10:101:100'}\n", "is not START:RATE:FULL"},
        {LEAST "limits: {startups: '0:30:100'}\n", "is not START:RATE:FULL"},
        {LEAST "limits: {startups: '::'}\n", "is not START:RATE:FULL"},
        {LEAST "limits: {startups: '10:30:9999999'}\n", "is not START:RATE:FULL"},
        {LEAST "limits: {penalty_min: 10m}\n", "limits.penalty_min is not below limits.penalty_max"},
        {LEAST "limits: {exempt: ['10.0.0.7:80']}\n", "limits.exempt: \"10.0.0.7:80\" is not an address or network"},
        {LEAST "limits: {exempt: [everybody]}\n", "limits.exempt: \"everybody\" is not an address or network"},
        {"state: /s\nlisten: {addresses: ['localhost:8443'], cert: /c, key: /k}\n",
         "\"localhost:8443\" is not a numeric"},
        {"state: /s\nlisten: {addresses: ['1.2.3.4:0'], cert: /c, key: /k}\n", "has no port"},
        {"dev: true\nstate: /s\nlisten: {addresses: ['0.0.0.0:1'], cert: /c, key: /k}\n", "is not loopback"},
        {"", "configuration"},
        {"[1, 2]\n", "configuration"},
        {"a: b: c\n", "configuration"},
        {"\x01\x02", "configuration"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct amp_config config;
        struct heard heard;
        assert_int_equal(parse(&config, cases[i].text, &heard), AMP_ERR_INVALID);
        assert_true(heard.count != 0);
        if (strstr(heard.text, cases[i].said) == NULL) {
            print_error("expected: %s\nheard: %s\n", cases[i].said, heard.text);
            fail();
        }
    }
}

static void every_mistake_is_told_not_the_first_alone(void **state)
{
    struct amp_config config;
    struct heard heard;
    assert_int_equal(parse(&config, LEAST "workers: x\nmask: {bin8: 2}\nvault: {ttl: 1}\n", &heard), AMP_ERR_INVALID);
    assert_int_equal(heard.count, 3);
}

static void paths_and_address_lists_are_bounded(void **state)
{
    char text[4096];
    struct amp_config config;
    struct heard heard;
    snprintf(text, sizeof(text), "%skeys: {provider: file, file: /%01023d}\n", LEAST, 0);
    assert_int_equal(parse(&config, text, &heard), AMP_ERR_INVALID);
    snprintf(text, sizeof(text), "%skeys: {provider: file, file: /%01022d}\n", LEAST, 0);
    assert_int_equal(parse(&config, text, &heard), AMP_OK);
    snprintf(text, sizeof(text), "state: /s\nlisten:\n  cert: /c\n  key: /k\n  addresses: [%s]\n",
             "'1.1.1.1:1','1.1.1.1:2','1.1.1.1:3','1.1.1.1:4','1.1.1.1:5','1.1.1.1:6','1.1.1.1:7','1.1.1.1:8',"
             "'1.1.1.1:9'");
    assert_int_equal(parse(&config, text, &heard), AMP_ERR_INVALID);
}

static void lists_of_queues_and_of_exceptions_are_bounded(void **state)
{
    static char text[8192];
    struct amp_config config;
    struct heard heard;
    for (unsigned beyond = 0; beyond < 2; beyond++) {
        int len = snprintf(text, sizeof(text), "%squeue:\n  names:\n", LEAST);
        for (unsigned i = 0; i < AMP_CONFIG_QUEUES_MAX + beyond; i++) /* of 80 characters */
            len += snprintf(text + len, sizeof(text) - (size_t)len, "  - q%079u\n", i);
        assert_int_equal(parse(&config, text, &heard), beyond == 0 ? AMP_OK : AMP_ERR_INVALID);
        len = snprintf(text, sizeof(text), "%spush:\n  allow:\n", LEAST);
        for (unsigned i = 0; i < AMP_CONFIG_PUSH_ALLOW_MAX + beyond; i++)
            len += snprintf(text + len, sizeof(text) - (size_t)len, "  - 10.0.0.%u\n", i);
        assert_int_equal(parse(&config, text, &heard), beyond == 0 ? AMP_OK : AMP_ERR_INVALID);
    }
    for (unsigned beyond = 0; beyond < 2; beyond++) {
        int len = snprintf(text, sizeof(text), "%slimits:\n  exempt:\n", LEAST);
        for (unsigned i = 0; i < AMP_CONFIG_EXEMPT_MAX + beyond; i++)
            len += snprintf(text + len, sizeof(text) - (size_t)len, "  - 10.0.0.%u\n", i);
        assert_int_equal(parse(&config, text, &heard), beyond == 0 ? AMP_OK : AMP_ERR_INVALID);
    }
    assert_int_equal(parse(&config, LEAST "limits: {penalty_max: 0s}\n", &heard), AMP_OK);
    assert_int_equal(parse(&config, LEAST "queue: {names: []}\npush: {allow: []}\n", &heard), AMP_OK);
}

/* Cores may come and go while the daemon runs: a role takes what it is told, and counts none. */
static void workers_are_as_many_as_the_supervisor_counted(void **state)
{
    struct amp_config few, many, named;
    struct heard heard;
    uint32_t counted = amp_config_default_workers();
    amp_config_set_default_workers(3);
    assert_int_equal(parse(&few, LEAST, &heard), AMP_OK);
    amp_config_set_default_workers(8);
    assert_int_equal(parse(&many, LEAST, &heard), AMP_OK);
    assert_int_equal(parse(&named, LEAST "workers: 3\n", &heard), AMP_OK);
    amp_config_set_default_workers(counted);
    assert_int_equal(few.workers, 3);
    assert_int_equal(many.workers, 8);
    assert_int_equal(named.workers, 3);
    assert_int_equal(few.memory.bodies, named.memory.bodies);
    assert_true(few.memory.bodies < many.memory.bodies);
}

static void development_text_reads_back(void **state)
{
    uint8_t storage[2048];
    struct amp_config config;
    struct heard heard;
    struct amp_out out = amp_out(storage, sizeof(storage) - 1);
    amp_config_write_dev(&out, "/tmp/it's here: #1", "127.0.0.1:8443", 2, false);
    storage[out.len] = '\0';
    assert_int_equal(parse(&config, (const char *)storage, &heard), AMP_OK);
    assert_true(config.dev);
    assert_int_equal(config.workers, 2);
    assert_string_equal(config.state, "/tmp/it's here: #1");
    assert_false(config.sandbox.separate);
    assert_string_equal(config.listen.cert, "/tmp/it's here: #1/tls.crt");
    assert_int_equal(config.limits.exempt_count, 2);
    out = amp_out(storage, sizeof(storage) - 1);
    amp_config_write_dev(&out, "/s", "127.0.0.1:8443", 0, true);
    storage[out.len] = '\0';
    assert_int_equal(parse(&config, (const char *)storage, &heard), AMP_OK);
    assert_true(config.sandbox.separate);
    assert_string_equal(config.sandbox.front, "61001");
}

static void a_role_reads_the_same_from_a_descriptor(void **state)
{
    struct tempdir dir;
    struct amp_config config;
    static char longer[AMP_CONFIG_TEXT_MAX + 2];
    tempdir_make(&dir);
    tempdir_write(&dir, "c", LEAST, strlen(LEAST));
    int fd = openat(dir.fd, "c", O_RDONLY | O_CLOEXEC);
    assert_int_equal(amp_config_read(&config, fd), AMP_OK);
    assert_int_equal(amp_config_read(&config, fd), AMP_OK); /* from the start again */
    close(fd);
    memset(longer, '#', sizeof(longer));
    tempdir_write(&dir, "c", longer, AMP_CONFIG_TEXT_MAX + 1);
    fd = openat(dir.fd, "c", O_RDONLY | O_CLOEXEC);
    assert_int_equal(amp_config_read(&config, fd), AMP_ERR_TOO_LARGE);
    close(fd);
    assert_int_equal(amp_config_read(&config, -1), AMP_ERR_IO);
    tempdir_remove(&dir);
}

static void addresses_are_numeric_and_have_one_form(void **state)
{
    static const struct {
        const char *text;
        const char *form; /* NULL: refused */
        bool loopback;
    } cases[] = {
        {"127.0.0.1:8443", "127.0.0.1:8443", true},
        {"127.9.9.9:1", "127.9.9.9:1", true},
        {"[::1]:8443", "[::1]:8443", true},
        {"[0:0::1]:8443", "[::1]:8443", true},
        {"0.0.0.0:65535", "0.0.0.0:65535", false},
        {"[2001:db8::1]:443", "[2001:db8::1]:443", false},
        {"[::ffff:127.0.0.1]:443", "[::ffff:127.0.0.1]:443", false},
        {"127.0.0.1", NULL, false},
        {"127.0.0.1:", NULL, false},
        {"127.0.0.1:65536", NULL, false},
        {"127.0.0.1:08443", NULL, false},
        {"127.0.0.1:+1", NULL, false},
        {"::1:8443", NULL, false},
        {"[::1]8443", NULL, false},
        {"[127.0.0.1]:8443", NULL, false},
        {"127.1:8443", NULL, false},
        {":8443", NULL, false},
        {"*:8443", NULL, false},
        {"", NULL, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct amp_config_address address;
        char form[AMP_CONFIG_ADDRESS_MAX];
        enum amp_err err = amp_config_address_parse(&address, cases[i].text);
        assert_int_equal(err, cases[i].form != NULL ? AMP_OK : AMP_ERR_INVALID);
        if (err != AMP_OK)
            continue;
        amp_config_address_format(form, &address);
        assert_string_equal(form, cases[i].form);
        assert_int_equal(amp_config_address_is_loopback(&address), cases[i].loopback);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_configuration_has_documented_defaults),
        cmocka_unit_test(every_setting_is_read),
        cmocka_unit_test(mistakes_are_told_with_the_settings_name),
        cmocka_unit_test(every_mistake_is_told_not_the_first_alone),
        cmocka_unit_test(paths_and_address_lists_are_bounded),
        cmocka_unit_test(lists_of_queues_and_of_exceptions_are_bounded),
        cmocka_unit_test(workers_are_as_many_as_the_supervisor_counted),
        cmocka_unit_test(development_text_reads_back),
        cmocka_unit_test(a_role_reads_the_same_from_a_descriptor),
        cmocka_unit_test(addresses_are_numeric_and_have_one_form),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
