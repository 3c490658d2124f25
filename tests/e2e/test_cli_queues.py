"""Queues, subscriptions and the gateway for trying things, from the command line, against a running daemon."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import signal
import socket
import string
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import uuid

from harness import AMPOULE, CARD, card_number, wait_until
from test_cli import DONE, REFUSED, UNREACHABLE, USAGE, CliCase

LISTEN_SECONDS = 120


class Gateway:
    """A running `ampoule listen --json`; what it says, line by line."""

    def __init__(self, daemon, *args, env=None):
        self.stderr = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([AMPOULE, "listen", "--json", "--for", str(LISTEN_SECONDS), *args],
                                        env={**os.environ, **daemon.env, **(env or {})}, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.stderr, text=True)
        self.listening = self.event()
        if self.listening.get("event") == "listening":
            parts = urllib.parse.urlsplit(self.listening["url"])
            self.address = (parts.hostname, parts.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.stderr.close()

    def event(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else {}

    def end(self, by=None):
        """The exit code and the errors it told."""
        if by is not None:
            self.process.send_signal(by)
        code = self.process.wait(LISTEN_SECONDS + 10)
        self.stderr.seek(0)
        return code, self.stderr.read()

    def post(self, body, headers=None, method="POST"):
        """The status that a stranger's request is answered with."""
        connection = http.client.HTTPConnection(*self.address, timeout=LISTEN_SECONDS)
        try:
            connection.request(method, "/", body=body, headers=headers or {})
            return connection.getresponse().status
        finally:
            connection.close()

    def raw(self, data):
        """The first line of what is answered to these bytes."""
        with socket.create_connection(self.address, timeout=LISTEN_SECONDS) as peer:
            peer.sendall(data)
            return peer.makefile("rb").readline()


def signed(secret, body, message_id=None, shift=0):
    """Headers of a webhook as standardwebhooks.com has them."""
    message_id = message_id or str(uuid.uuid4())
    moment = str(int(time.time()) + shift)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": message_id, "webhook-timestamp": moment,
            "webhook-signature": "v1," + base64.b64encode(mac).decode()}


def new_name(suffix=""):
    """Letters alone: a name that could hold a card number is refused."""
    return "q-" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(20)) + suffix


class QueueCase(CliCase):
    def queue(self, *args, suffix=""):
        name = new_name(suffix)
        self.run_cli("queue", "create", name, *args)
        return name

    def send(self, queue, text, *args):
        return self.run_cli("send", queue, *args, input=text).stdout.strip()


class SendReceiveTest(QueueCase):
    def test_a_message_comes_as_it_went(self):
        queue = self.queue()
        message = "two lines \u20ac\n\"quoted\"\ttext"
        sent = self.send(queue, message + "\n")
        got = self.json("receive", queue, "--delete")
        self.assertEqual((got["MessageId"], got["Body"]), (sent, message))
        self.assertEqual(got["Attributes"]["SenderId"], self.daemon.key_id)
        self.assertEqual(self.run_cli("receive", queue, "--visibility", "0").stdout, "")

    def test_only_what_was_deleted_is_gone(self):
        queue = self.queue()
        self.send(queue, "stays")
        for _ in range(2):
            self.assertEqual(self.run_cli("receive", queue, "--visibility", "0").stdout, "stays\n")
        self.assertEqual(self.run_cli("receive", queue, "--delete").stdout, "stays\n")
        self.assertEqual(self.run_cli("receive", queue).stdout, "")

    def test_many_at_a_time(self):
        queue = self.queue()
        sent = {f"message {i}" for i in range(15)}
        for text in sorted(sent):
            self.send(queue, text)
        got = [self.run_cli("receive", queue, "--max", "10", "--wait", "1", "--delete").stdout.splitlines()
               for _ in range(2)]
        self.assertEqual([len(lines) for lines in got], [10, 5])
        self.assertEqual(set(sum(got, [])), sent)

    def test_attributes_delay_and_exactness(self):
        queue = self.queue()
        self.send(queue, "x\n", "--attribute", "kind=invoice", "--attribute", "note=a=b", "--exact")
        got = self.json("receive", queue, "--delete")
        self.assertEqual(got["Body"], "x\n")
        self.assertEqual({name: value["StringValue"] for name, value in got["MessageAttributes"].items()},
                         {"kind": "invoice", "note": "a=b"})
        self.send(queue, "later", "--delay", "900")
        self.assertEqual(self.run_cli("receive", queue).stdout, "")
        self.assertEqual(self.json("queue", "show", queue)["attributes"]["ApproximateNumberOfMessagesDelayed"], "1")

    def test_fifo_order_and_deduplication(self):
        queue = self.queue(suffix=".fifo")
        first = self.send(queue, "1", "--group", "g", "--dedup", "a")
        self.assertEqual(self.send(queue, "1 again", "--group", "g", "--dedup", "a"), first)
        self.send(queue, "2", "--group", "g", "--dedup", "b")
        self.assertEqual(self.run_cli("receive", queue, "--max", "10", "--delete").stdout, "1\n2\n")

    def test_a_large_message(self):
        queue = self.queue()
        message = "\u00e4\"" * (1024 * 1024 // 3)
        self.send(queue, message)
        self.assertEqual(self.run_cli("receive", queue, "--delete").stdout, message + "\n")
        self.run_cli("send", queue, input="x" * (1024 * 1024 + 1), expect=USAGE)

    def test_following(self):
        queue = self.queue()
        follower = subprocess.Popen([AMPOULE, "receive", queue, "--follow", "--delete"], stdout=subprocess.PIPE,
                                    env={**os.environ, **self.daemon.env}, stdin=subprocess.DEVNULL, text=True)
        try:
            for text in ("one", "two", "three"):
                self.send(queue, text)
                self.assertEqual(follower.stdout.readline(), text + "\n")
        finally:
            follower.kill()
            follower.wait()
            follower.stdout.close()

    def test_refusals_and_usage(self):
        queue = self.queue()
        refused = self.json("send", "no-such-queue", input="x", expect=REFUSED)["error"]
        self.assertEqual((refused["code"], refused["status"]), ("QueueDoesNotExist", 400))
        self.assertRegex(self.run_cli("receive", "no-such-queue", expect=REFUSED).stderr,
                         r"QueueDoesNotExist: .* \[request [0-9a-f]{16}\]")
        self.run_cli("send", input="x", expect=USAGE)
        self.run_cli("send", queue, "the message", input="", expect=USAGE)
        self.run_cli("send", queue, input="", expect=USAGE)
        self.run_cli("send", queue, input="\n", expect=USAGE)
        self.run_cli("send", queue, "--attribute", "novalue", input="x", expect=USAGE)
        self.run_cli("send", queue, "--delay", "901", input="x", expect=USAGE)
        self.run_cli("receive", expect=USAGE)
        self.run_cli("receive", queue, "--max", "11", expect=USAGE)
        self.run_cli("receive", queue, "--follow", "--wait", "0", expect=USAGE)
        self.run_cli("receive", queue, "--url", "https://127.0.0.1:1", expect=UNREACHABLE)

    def test_a_poll_may_take_longer_than_the_timeout(self):
        started = time.monotonic()
        self.assertEqual(self.run_cli("receive", self.queue(), "--wait", "2", "--timeout-ms", "1000").stdout, "")
        self.assertGreaterEqual(time.monotonic() - started, 1.9)


class QueuesTest(QueueCase):
    def test_create_show_change_delete(self):
        queue = self.queue("VisibilityTimeout=7", "--tag", "team=a", "--ttl-ms", "5000")
        shown = self.json("queue", "show", queue)
        self.assertEqual(shown["attributes"]["VisibilityTimeout"], "7")
        self.assertEqual(shown["tags"], {"team": "a", "ampoule:ttl-ms": "5000"})
        self.run_cli("queue", "set", queue, "VisibilityTimeout=8", "DelaySeconds=1")
        self.run_cli("queue", "tag", queue, "team=b", "more=c")
        self.run_cli("queue", "untag", queue, "ampoule:ttl-ms")
        shown = self.json("queue", "show", queue)
        self.assertEqual((shown["attributes"]["VisibilityTimeout"], shown["attributes"]["DelaySeconds"]), ("8", "1"))
        self.assertEqual(shown["tags"], {"team": "b", "more": "c"})
        self.assertRegex(self.run_cli("queue", "show", queue).stdout, r"(?m)^VisibilityTimeout +8$")
        self.assertIn(queue, self.run_cli("queue", "list").stdout.split())
        self.assertEqual(self.run_cli("queue", "list", queue[:20]).stdout.split(), [queue])
        self.assertEqual(self.json("queue", "list", queue), {"queues": [queue]})
        self.run_cli("queue", "delete", queue)
        self.assertEqual(self.json("queue", "list", queue), {"queues": []})
        self.run_cli("queue", "show", queue, expect=REFUSED)

    def test_purge(self):
        queue = self.queue()
        self.send(queue, "x")
        self.run_cli("queue", "purge", queue)
        self.assertEqual(self.run_cli("receive", queue).stdout, "")

    def test_dead_letters_and_moving_them(self):
        failed = self.queue()
        queue = self.queue("--dead-letter", failed, "--max-receives", "1")
        self.send(queue, "poison")
        self.assertEqual(self.run_cli("receive", queue, "--visibility", "0").stdout, "poison\n")
        self.assertEqual(self.run_cli("receive", queue).stdout, "")
        self.assertEqual(self.run_cli("receive", failed, "--visibility", "0").stdout, "poison\n")
        self.assertTrue(self.run_cli("queue", "move", failed).stdout.strip())
        wait_until(lambda: self.json("queue", "tasks", failed)["Results"][0]["Status"] == "COMPLETED")
        self.assertEqual(self.run_cli("receive", queue, "--delete").stdout, "poison\n")
        self.assertIn("COMPLETED", self.run_cli("queue", "tasks", failed).stdout)
        self.run_cli("queue", "cancel", "nothing", expect=REFUSED)

    def test_usage(self):
        for args in ((), ("make", "q"), ("create",), ("set", "q"), ("tag", "q", "novalue"), ("list", "a", "b"),
                     ("create", "q", "novalue"), ("show", "q", "--ttl-ms", "5000"), ("create", "q", "--ttl-ms", "1")):
            self.run_cli("queue", *args, expect=USAGE)
        for name in ('a"b', "a\\b", "a" * 81):
            self.assertIn("--dead-letter", self.run_cli("queue", "create", "q", "--dead-letter", name, expect=USAGE).stderr)


class StatsTest(QueueCase):
    def test_a_table_and_json(self):
        queue = self.queue()
        before = self.json("stats")
        self.send(queue, "x")
        after = self.json("stats")
        self.assertEqual(after["queues"]["messages"], before["queues"]["messages"] + 1)
        self.assertRegex(self.run_cli("stats").stdout, r"(?m)^  messages +\d+$")
        self.run_cli("stats", "now", expect=USAGE)

    def test_watching(self):
        watcher = subprocess.Popen([AMPOULE, "stats", "--watch", "1", "--json"], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, **self.daemon.env}, stdin=subprocess.DEVNULL)
        try:
            uptimes = [json.loads(watcher.stdout.readline())["uptime_ms"] for _ in range(2)]
        finally:
            watcher.kill()
            watcher.wait()
            watcher.stdout.close()
        self.assertGreater(uptimes[1], uptimes[0])


class SubscribeTest(QueueCase):
    URL = "http://127.0.0.1:9/hook"

    def subscribe(self, *args):
        made = self.json("subscribe", new_name(), self.URL, *args)
        self.addCleanup(self.daemon.cli, "subscribe", "delete", made["id"])
        return made

    def listed(self):
        return {one["id"]: one for one in self.json("subscribe", "list")["subscriptions"]}

    def test_create_list_rotate_delete(self):
        made = self.subscribe("--ordered", "--description", "for a test")
        self.assertRegex(made["secret"], r"^whsec_")
        one = self.listed()[made["id"]]
        self.assertEqual((one["url"], one["ordered"], one["description"]), (self.URL, True, "for a test"))
        self.assertNotIn("secret", one)
        text = self.run_cli("subscribe", "list").stdout
        self.assertIn(made["id"], text)
        self.assertNotIn("whsec_", text)
        rotated = self.run_cli("subscribe", "rotate", made["id"]).stdout
        self.assertRegex(rotated, r"(?m)^secret +whsec_")
        self.assertNotIn(made["secret"], rotated)
        self.assertEqual(self.run_cli("subscribe", "delete", made["id"]).stdout, "")
        self.assertNotIn(made["id"], self.listed())
        self.run_cli("subscribe", "delete", made["id"], expect=REFUSED)

    def test_a_test_that_nobody_hears(self):
        made = self.subscribe()
        failed = self.run_cli("subscribe", "test", made["id"], expect=None)
        self.assertEqual(failed.returncode, REFUSED)
        self.assertRegex(failed.stdout, r"^failed +push_unreachable")

    def run_cli(self, *args, expect=DONE, **options):
        if expect is None:
            return self.daemon.cli(*args, **options)
        return super().run_cli(*args, expect=expect, **options)

    def test_a_public_key(self):
        public = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                  "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
        private = dict(public, d="jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")  # RFC 7515 appendix A.3
        secret = {"kty": "oct", "k": "FdFYFzERwC2uCBB46pZQi4GG85LujR8obt-KWRBICVQ"}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key.jwk")
            # What holds a secret ends here; a set with another one in it was never looked into.
            for key, expect in ((public, DONE), (private, USAGE), ("no key", USAGE), (secret, USAGE),
                                (dict(public, p="AQ"), USAGE), ({"keys": [public, private]}, USAGE)):
                with open(path, "w", encoding="utf-8") as out:
                    out.write(key if isinstance(key, str) else json.dumps(key))
                if expect == DONE:
                    self.assertTrue(self.subscribe("--jwk", path)["kid"])
                else:
                    self.run_cli("subscribe", "q", self.URL, "--jwk", path, expect=expect)

    def test_usage(self):
        for args in ((), ("payments",), ("delete",), ("delete", "../x"), ("rotate", "sub_a/b"), ("list", "x"),
                     ("list", "--ordered"), ("a", "b", "c")):
            self.run_cli("subscribe", *args, expect=USAGE)
        self.run_cli("subscribe", "q", "http://example.com/", expect=REFUSED)


class ListenTest(QueueCase):
    def gateway(self, *args):
        queue = new_name()
        return queue, Gateway(self.daemon, "--queue", queue, *args)

    def tokenize(self, queue, card):
        return self.json("tokenize", "--queue", queue, "--metadata", "order=42", input=json.dumps(card))["token"]

    def subscriptions(self):
        return [one["id"] for one in self.json("subscribe", "list")["subscriptions"]]

    def test_redeems_and_opens_and_leaves_nothing_behind(self):
        card = dict(CARD, number=card_number())
        masked = f"{card['number'][:6]}...{card['number'][-4:]}"
        queue, gateway = self.gateway("--redeem", "--jwe", "--once")
        with gateway:
            self.assertIn(gateway.listening["subscription"], self.subscriptions())
            token = self.tokenize(queue, card)
            told = gateway.event()
            self.assertEqual((told["event"], told["signature"], told["token"]), ("webhook", "verified", token))
            self.assertEqual(told["card"]["last4"], card["number"][-4:])
            self.assertEqual(told["metadata"], {"order": "42"})
            whole = {"number": masked, "exp_month": 12, "exp_year": 2030, "cvc": True}
            self.assertEqual((told["opened"], told["redeemed"]), (whole, whole))
            self.assertNotIn(card["number"], json.dumps(told))
            self.assertEqual(gateway.end(), (DONE, ""))
            self.assertNotIn(gateway.listening["subscription"], self.subscriptions())
        self.assertIn("token_gone (used)", self.run_cli("redeem", token, expect=REFUSED).stderr)

    def test_for_people(self):
        card = dict(CARD, number=card_number())
        queue = new_name()
        process = subprocess.Popen([AMPOULE, "listen", "--queue", queue, "--redeem", "--once", "--for", str(LISTEN_SECONDS)], text=True,
                                   env={**os.environ, **self.daemon.env}, stdout=subprocess.PIPE)
        with process:
            self.assertRegex(process.stdout.readline(), r"^listening +http://127\.0\.0\.1:\d+/$")
            self.assertRegex(process.stdout.readline(), r"^subscribed +sub_")
            self.tokenize(queue, card)
            rest = process.stdout.read()
        self.assertEqual(process.returncode, DONE)
        self.assertRegex(rest, r"(?m)^signature +verified$")
        self.assertRegex(rest, rf"(?m)^redeemed +{card['number'][:6]}\.\.\.{card['number'][-4:]}  12/2030  and its")
        self.assertNotIn(card["number"], rest)

    def test_messages_that_are_no_tokens(self):
        queue, gateway = self.gateway("--redeem", "--jwe", "--show", "--count", "2")
        with gateway:
            self.send(queue, "plain text")
            self.assertEqual(gateway.event()["message"], "plain text")
            self.assertEqual(self.json("subscribe", "test", gateway.listening["subscription"])["delivered"], True)
            self.assertIn("ampoule.test", gateway.event()["message"])
            self.assertEqual(gateway.end()[0], DONE)

    def test_what_somebody_sent_is_shown_to_who_asks_for_it_alone(self):
        number = card_number()
        queue, gateway = self.gateway("--redeem", "--jwe", "--count", "2")
        with gateway:
            for message in (number, json.dumps({"token": number, "metadata": {"number": number}, "sealed": number})):
                self.send(queue, message)
                told = gateway.event()
                self.assertEqual((told["event"], told["message_bytes"]), ("webhook", len(message)))
                self.assertNotIn(number, json.dumps(told))
            self.assertEqual(gateway.end()[0], DONE)
        queue = new_name()
        process = subprocess.Popen([AMPOULE, "listen", "--queue", queue, "--once", "--for", str(LISTEN_SECONDS)], text=True,
                                   stdout=subprocess.PIPE, env={**os.environ, **self.daemon.env})
        with process:
            self.assertIn("listening", process.stdout.readline())
            self.send(queue, number)
            rest = process.stdout.read()
        self.assertRegex(rest, r"(?m)^message +\d+ bytes that are no token: see --show$")
        self.assertNotIn(number, rest)

    def test_no_message_speaks_to_the_terminal(self):
        """ESC and the controls of C1 begin what moves cursors and names windows; programs get them as they are."""
        token = "tok_" + "A" * 43
        hostile = json.dumps({"token": token, "expires_at": "\x1b]0;x\x07", "metadata": {"a": "\x9b31m"}},
                             ensure_ascii=False)
        queue = new_name()
        process = subprocess.Popen([AMPOULE, "listen", "--queue", queue, "--show", "--count", "2", "--for",
                                    str(LISTEN_SECONDS)], stdout=subprocess.PIPE,
                                   env={**os.environ, **self.daemon.env})
        with process:
            self.assertIn(b"listening", process.stdout.readline())
            self.send(queue, hostile)
            self.send(queue, "a\x9b31m\tb\nc é")
            rest = process.stdout.read().decode()
        self.assertIn(token, rest)
        self.assertIn("?]0;x?", rest)
        self.assertIn('{"a":"??31m"}', rest.replace(" ", ""))
        self.assertIn("a??31m\tb\nc é", rest)
        self.assertEqual([c for c in rest if c not in "\n\t" and (c < " " or "\x7f" <= c <= "\x9f")], [])
        queue, gateway = self.gateway("--once")
        with gateway:
            self.send(queue, hostile)
            self.assertEqual(gateway.event()["expires_at"], "\x1b]0;x\x07")
            self.assertEqual(gateway.end()[0], DONE)

    def test_what_does_not_verify_is_refused(self):
        queue, gateway = self.gateway()
        with gateway:
            body = b'{"token":"tok_forged"}'
            forged = signed("whsec_" + base64.b64encode(os.urandom(32)).decode(), body)
            for headers, code in (({}, "malformed"), (forged, "not_authentic"),
                                  (dict(forged, **{"webhook-timestamp": "1"}), "too_old"),
                                  (dict(forged, **{"webhook-signature": "v1,"}), "not_authentic"),
                                  (dict(forged, **{"webhook-signature": "v1"}), "malformed")):
                self.assertEqual(gateway.post(body, headers), 401)
                told = gateway.event()
                self.assertEqual((told["event"], told["code"]), ("refused", code), headers)
                self.assertNotIn("tok_forged", json.dumps(told))
            self.assertEqual(gateway.post(None, method="GET"), 405)
            self.assertEqual(gateway.end(signal.SIGINT)[0], DONE)
            self.assertNotIn(gateway.listening["subscription"], self.subscriptions())

    def test_malformed_http(self):
        queue, gateway = self.gateway()
        with gateway:
            for data, status in ((b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n", b"413"),
                                 (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
                                 (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"411"),
                                 (b"POST / HTTP/1.0\r\n\r\n", b"400"), (b"\x16\x03\x01\r\n\r\n", b"400"),
                                 (b"A" * 20000, b"400")):
                self.assertIn(status, gateway.raw(data))
            idle = [socket.create_connection(gateway.address) for _ in range(40)]  # more than it keeps
            self.send(queue, "still here")
            self.assertEqual(gateway.event()["message_bytes"], len("still here"))
            for peer in idle:
                peer.close()
            self.assertEqual(gateway.end(signal.SIGTERM)[0], DONE)

    def test_with_the_secret_of_a_subscription_that_there_is(self):
        secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(secret + "\n")
            file.flush()
            with Gateway(self.daemon, "--webhook-secret", file.name, "--count", "2") as gateway:
                self.assertNotIn("subscription", gateway.listening)
                body = b"{}"
                headers = signed(secret, body)
                self.assertEqual(gateway.post(body, headers), 204)
                self.assertEqual(gateway.event()["id"], headers["webhook-id"])
                self.assertEqual(gateway.post(body, headers), 204)
                self.assertEqual(gateway.event()["event"], "repeated")
                self.assertEqual(gateway.post(body, signed(secret, body, shift=-301)), 401)
                self.assertEqual(gateway.event()["code"], "too_old")
                large = b"x" * 50000
                self.assertEqual(gateway.post(large, signed(secret, large)), 204)
                self.assertEqual(gateway.event()["message_bytes"], len(large))
                self.assertEqual(gateway.end()[0], DONE)

    def test_it_says_where_a_token_could_not_be_redeemed(self):
        secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(secret)
            file.flush()
            with Gateway(self.daemon, "--webhook-secret", file.name, "--redeem", "--once") as gateway:
                body = json.dumps({"token": "tok_" + "A" * 43}).encode()
                self.assertEqual(gateway.post(body, signed(secret, body)), 204)
                self.assertEqual(gateway.event()["not_redeemed"], "token_unknown")
                self.assertEqual(gateway.end()[0], REFUSED)

    def test_what_the_daemon_has_no_time_for_is_asked_for_again(self):
        """A webhook that is acknowledged does not come again, so one whose token is there yet is not."""
        secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
        bodies = [json.dumps({"token": self.token(ttl_ms=60000)}).encode() for _ in range(6)]
        hooks = {str(uuid.uuid4()): body for body in bodies}
        slow = self.daemon.new_key("claim", rate=1, burst=1)
        self.addCleanup(slow.close)
        key = slow.signer.credentials
        env = {"AWS_ACCESS_KEY_ID": key.access_key, "AWS_SECRET_ACCESS_KEY": key.secret_key}
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(secret)
            file.flush()
            with Gateway(self.daemon, "--webhook-secret", file.name, "--redeem", "--count", "6", env=env) as gateway:
                def post_all():
                    for message_id, body in list(hooks.items()):
                        answer = gateway.post(body, signed(secret, body, message_id))
                        told = gateway.event()
                        self.assertEqual((answer, told.get("not_redeemed")),
                                         (204, None) if "redeemed" in told else (503, "rate_limited"))
                        if answer == 204:
                            del hooks[message_id]
                    return not hooks
                self.assertFalse(post_all())  # six in less than five seconds
                wait_until(post_all, 60, "the redemption of each token")
                self.assertEqual(gateway.end()[0], DONE)

    def test_an_end_without_webhooks(self):
        done = self.daemon.cli("listen", "--queue", new_name(), "--once", "--for", "1")
        self.assertEqual(done.returncode, REFUSED)
        self.assertEqual(self.daemon.cli("listen", "--queue", new_name(), "--for", "1").returncode, DONE)

    def test_usage(self):
        for args in ((), ("--queue", "q", "--listen", "0.0.0.0:0"), ("--queue", "q", "--listen", "192.0.2.1:80"),
                     ("--queue", "q", "--listen", "localhost:80"), ("--queue", "q", "--listen", "127.0.0.1"),
                     ("--queue", "q", "--once", "--count", "2"), ("--queue", "q", "--webhook-secret", "/dev/null"),
                     ("--webhook-secret", "/dev/null"), ("--webhook-secret", "/dev/null", "--jwe"), ("q",)):
            self.run_cli("listen", *args, expect=USAGE)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.run_cli("listen", "--queue", "q", "--listen", "127.0.0.1:%d" % taken.getsockname()[1], expect=REFUSED)


if __name__ == "__main__":
    unittest.main()
