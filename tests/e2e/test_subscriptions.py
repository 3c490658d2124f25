"""Subscriptions: who may have them, what they outlive, what ends them, and that nothing is left of what they did."""
import base64
import collections
import json
import os
import signal
import threading
import time
import unittest

from harness import CARD, Client, Daemon, is_sanitized, make_certificate, wait_until
from receiver import FAIL, TAKE, Receiver, Reply

CONCURRENCY = 16


class SubscriptionsCase(unittest.TestCase):
    """A daemon for each class; a receiver and queues of its own for each test."""

    @classmethod
    def make_daemon(cls):
        return Daemon()

    @classmethod
    def setUpClass(cls):
        cls.daemon = cls.enterClassContext(cls.make_daemon())

    def setUp(self):
        self.client = self.daemon.client()
        self.addCleanup(self.client.close)
        self.reply = TAKE
        self.receiver = self.enterContext(Receiver(lambda hook: self.reply))
        self.queue = self.id().rsplit(".", 1)[1]

    @staticmethod
    def patient(ask):
        """The answer, when a role that was killed or a slow disk no longer stands in its way."""
        return wait_until(lambda: next((answer for answer in [ask()] if answer.status != 503), None), what="an answer")

    def subscribe(self, client=None, path="/hook", queue=None, **members):
        made = self.patient(lambda: (client or self.client).post("/v1/subscriptions", {
            "queue": queue or self.queue, "url": self.receiver.url(path), **members}))
        self.assertEqual(made.status, 201, made)
        self.receiver.secrets[path] = [made.json()["secret"]]
        return made.json()

    def tokenize(self, count=1, queue=None, ttl_ms=20000):
        """So many tokens at once; [token]."""
        tokens = []
        while len(tokens) < count:
            items = [{"card": CARD, "queue": queue or self.queue, "ttl_ms": ttl_ms}] * min(100, count - len(tokens))
            answer = self.client.post("/v1/tokens/batch", {"items": items})
            self.assertEqual(answer.status, 200, answer)
            tokens += [result["token"] for result in answer.json()["results"]]
        return tokens

    def act(self, act, made, client=None):
        return (client or self.client).post(f"/v1/subscriptions/{made['id']}/{act}", {})

    def listed(self, client=None):
        answer = self.patient(lambda: (client or self.client).get("/v1/subscriptions"))
        self.assertEqual(answer.status, 200, answer)
        return {entry["id"]: entry for entry in answer.json()["subscriptions"]}

    def taken(self):
        """The tokens of the webhooks that were acknowledged."""
        return {hook.json()["token"] for hook in list(self.receiver.hooks) if hook.acknowledged and hook.verified}

    def wait_taken(self, tokens, seconds=60):
        wait_until(lambda: set(tokens) <= self.taken(), seconds, f"{len(tokens)} webhooks")

    def push_stats(self):
        return self.client.get("/v1/stats").json()["push"]

    def wait_idle(self, seconds=180):
        wait_until(lambda: self.push_stats()["pending"] + self.push_stats()["under_way"] == 0, seconds, "an empty outbox")

    def ends(self, made):
        """{code or "success": how many}, of a subscription's deliveries that have records of their own."""
        return collections.Counter(event.get("code", "success") for event in self.daemon.events()
                                   if event["event"] == "push.deliver" and event.get("subject") == made["id"])

    def kill(self, role):
        """Returns when there is another."""
        pid = self.daemon.roles()[role]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.daemon.roles().get(role, pid) != pid, what=f"another {role}")


class ManagingTest(SubscriptionsCase):
    def test_one_sees_and_manages_those_of_ones_queues_alone(self):
        own = self.daemon.new_key("manage:mine", "tokenize:mine")
        self.addCleanup(own.close)
        mine = self.subscribe(own, queue="mine")
        other = self.subscribe(queue="theirs")
        refused = own.post("/v1/subscriptions", {"queue": "theirs", "url": self.receiver.url()})
        self.assertEqual((refused.status, refused.code), (403, "not_permitted"))
        self.assertEqual(set(self.listed(own)), {mine["id"]})
        self.assertLessEqual({mine["id"], other["id"]}, set(self.listed()))
        for answer in (self.act("rotate", other, own), self.act("test", other, own),
                       own.delete(f"/v1/subscriptions/{other['id']}")):
            self.assertEqual((answer.status, answer.code), (404, "subscription_unknown"))
        self.assertEqual(self.act("rotate", mine, own).status, 200)
        self.assertEqual(own.get("/v1/stats").status, 403)

    def test_without_manage_there_is_nothing_to_see_or_do(self):
        made = self.subscribe()
        other = self.daemon.new_key("tokenize,claim,inspect,revoke,send,receive:*")
        self.addCleanup(other.close)
        answer = other.post("/v1/subscriptions", {"queue": self.queue, "url": self.receiver.url()})
        self.assertEqual((answer.status, answer.code), (403, "not_permitted"))
        listed = other.get("/v1/subscriptions")
        self.assertTrue(listed.status == 403 or listed.json()["subscriptions"] == [], listed)
        for act in ("rotate", "test"):
            self.assertIn(self.act(act, made, other).status, (403, 404))
        self.assertIn(other.delete(f"/v1/subscriptions/{made['id']}").status, (403, 404))
        self.assertIn(made["id"], self.listed())

    def test_eight_of_one_queue(self):
        made = [self.subscribe(path=f"/{number}") for number in range(8)]
        ninth = self.client.post("/v1/subscriptions", {"queue": self.queue, "url": self.receiver.url()})
        self.assertEqual((ninth.status, ninth.code), (403, "over_limit"), ninth)
        token, = self.tokenize()
        wait_until(lambda: len(self.receiver.hooks) == 8, what="eight webhooks")
        self.assertEqual({hook.path for hook in self.receiver.hooks}, {f"/{number}" for number in range(8)})
        self.assertEqual({hook.json()["token"] for hook in self.receiver.hooks}, {token})
        self.assertEqual(len({hook.id for hook in self.receiver.hooks}), 1)
        self.assertEqual(self.client.delete(f"/v1/subscriptions/{made[3]['id']}").status, 204)
        self.subscribe(path="/3")

    def test_the_secret_is_told_once(self):
        made = self.subscribe(description="the gateway")
        self.assertRegex(made["secret"], r"^whsec_[A-Za-z0-9+/]{43}=$")
        entry = self.listed()[made["id"]]
        self.assertEqual((entry["state"], entry["owner"], entry["description"]),
                         ("active", self.daemon.key_id, "the gateway"))
        self.assertNotIn("secret", entry)
        self.assertNotIn(made["secret"].encode(), self.client.get("/v1/subscriptions").body)

    def test_a_test_is_signed_and_told_of(self):
        made = self.subscribe()
        self.assertEqual(self.act("test", made).json(), {"delivered": True, "status": 204})
        hook, = self.receiver.hooks
        self.assertTrue(hook.verified)
        body = hook.json()
        self.assertEqual((body["type"], body["subscription"], body["queue"]), ("ampoule.test", made["id"], self.queue))
        self.reply = Reply(503)
        self.assertEqual(self.act("test", made).json(), {"delivered": False, "status": 503, "code": "push_refused"})
        self.reply = Reply(410)
        self.assertEqual(self.act("test", made).json()["status"], 410)
        self.assertEqual(self.listed()[made["id"]]["state"], "active")  # a test ends nothing
        self.reply = TAKE
        self.tokenize()
        wait_until(lambda: self.ends(made), what="the record of what is no test")
        self.assertEqual(self.ends(made), {"success": 1})  # which came behind: tests have one record each, of their own
        codes = wait_until(lambda: self.codes_of_tests(made, 3), what="a record of each test")
        self.assertEqual(codes, [None, "push_refused", "push_refused"])
        self.receiver.close()
        self.assertEqual(self.act("test", made).json(), {"delivered": False, "code": "push_unreachable"})

    def codes_of_tests(self, made, count):
        """Each `code` that the event log has for tests of this subscription, once there are `count` of them."""
        codes = [event.get("code") for event in self.daemon.events()
                 if event["event"] == "subscription.test" and event["subject"] == made["id"]]
        return codes if len(codes) >= count else None

    def test_no_body_is_needed(self):
        made = self.subscribe()
        for act in ("rotate", "test"):
            self.assertEqual(self.client.post(f"/v1/subscriptions/{made['id']}/{act}").status, 200, act)

    def test_while_a_secret_rotates_both_sign(self):
        made = self.subscribe()
        first = made["secret"]
        second = self.act("rotate", made).json()["secret"]
        self.check_secrets({first: True, second: True}, 2)
        third = self.act("rotate", made).json()["secret"]
        self.check_secrets({first: False, second: True, third: True}, 2)

    def check_secrets(self, verdicts, count):
        for secret, verdict in verdicts.items():
            self.receiver.secrets["/hook"] = [secret]
            before = len(self.receiver.hooks)
            self.tokenize()
            wait_until(lambda before=before: len(self.receiver.hooks) > before, what="a webhook")
            hook = self.receiver.hooks[-1]
            self.assertEqual(hook.verified, verdict)
            self.assertEqual(len(hook.headers["webhook-signature"].split(" ")), count)

    def test_what_is_deleted_is_pushed_no_more(self):
        self.reply = Reply(503)
        made = self.subscribe()
        self.tokenize(50)
        wait_until(lambda: len(self.receiver.hooks) >= 50, what="50 attempts")
        self.assertEqual(self.client.delete(f"/v1/subscriptions/{made['id']}").status, 204)
        self.wait_idle()
        count = len(self.receiver.hooks)
        wait_until(lambda: self.ends(made) == {"subscription_unknown": 50}, what="the end of each in the log")
        self.tokenize(5)
        self.wait_idle()
        time.sleep(1)
        self.assertEqual(len(self.receiver.hooks), count)
        self.assertEqual(self.client.delete(f"/v1/subscriptions/{made['id']}").code, "subscription_unknown")


class FailingTest(SubscriptionsCase):
    """push.disable_after is two seconds."""

    @classmethod
    def make_daemon(cls):
        daemon = Daemon(settings={})
        cls.tls = make_certificate(daemon.home, "endpoint")
        daemon.settings = {"push": {"ca": cls.tls[0], "allow": ["127.0.0.1"], "disable_after": "2s"}}
        return daemon

    def setUp(self):
        super().setUp()
        self.receiver = self.enterContext(Receiver(lambda hook: self.reply, tls=self.tls))

    def disabled(self, made):
        return [event for event in self.daemon.events()
                if event["event"] == "subscription.disable" and event["subject"] == made["id"]]

    def check_disabled(self, made, state, code):
        event = wait_until(lambda: self.disabled(made), what="the alarm")[0]
        self.assertEqual((event["alarm"], event["code"], event["queue"]), (True, code, self.queue))
        self.assertEqual(self.listed()[made["id"]]["state"], state)
        self.wait_idle()
        self.assertEqual(len(self.disabled(made)), 1)

    def test_one_that_fails_for_long_is_disabled_until_it_rotates(self):
        self.reply = FAIL
        made = self.subscribe()
        began = time.monotonic()
        self.tokenize(300)
        self.check_disabled(made, "failing", "push_unreachable")
        self.assertGreater(time.monotonic() - began, 1.9)
        count = len(self.receiver.hooks)
        # Those with the courier have a record each, others up to a rate.
        wait_until(lambda: sum(self.ends(made).values()) >= 256, what="the end of each in the log")
        self.assertLessEqual(set(self.ends(made)), {"subscription_disabled", "subscription_unknown"})
        refused = self.act("test", made)
        self.assertEqual((refused.status, refused.code), (409, "subscription_disabled"))
        self.tokenize(3)
        self.wait_idle()
        self.assertEqual(len(self.receiver.hooks), count)
        self.reply = TAKE
        self.receiver.secrets["/hook"] = [self.act("rotate", made).json()["secret"]]
        self.assertEqual(self.listed()[made["id"]]["state"], "active")
        self.wait_taken(self.tokenize(5))

    def test_one_that_nobody_listens_for_is_disabled(self):
        made = self.subscribe()
        self.receiver.close()
        self.tokenize(10)
        self.check_disabled(made, "failing", "push_unreachable")

    def ended(self, since, well):
        """Whether one of the webhooks behind the first so many was taken, or refused."""
        return any(hook.ended and hook.reply.taken == well for hook in self.receiver.hooks[since:])

    def test_now_and_then_a_success_keeps_it(self):
        made = self.subscribe()
        until = time.monotonic() + 5
        tokens = []
        while time.monotonic() < until:
            self.reply = FAIL
            before = len(self.receiver.hooks)
            tokens += self.tokenize(3, ttl_ms=60000)
            wait_until(lambda: self.ended(before, False), what="a failure")
            self.reply = TAKE
            before = len(self.receiver.hooks)
            wait_until(lambda: self.ended(before, True), what="a success")
        self.wait_taken(tokens)
        self.assertEqual(self.disabled(made), [])
        self.assertEqual(self.listed()[made["id"]]["state"], "active")

    def test_while_the_courier_is_away_messages_wait_and_the_service_is_ready(self):
        """It is killed as often as it comes back, each time for longer, until a look falls between."""
        self.subscribe()
        seen, killed = set(), set()

        def is_missed():
            courier = self.daemon.roles().get("courier")
            if courier not in killed | {None}:
                os.kill(courier, signal.SIGKILL)
                killed.add(courier)
            answer = self.client.get("/readyz", signed=False)
            seen.add((answer.status, answer.json()["checks"]["courier_reachable"]))
            return (200, False) in seen
        wait_until(is_missed, what="a look while there is no courier")
        tokens = self.tokenize(5, ttl_ms=60000)
        self.wait_taken(tokens)
        answer = self.client.get("/readyz", signed=False)
        self.assertTrue(answer.json()["checks"]["courier_reachable"])
        self.assertEqual({status for status, _ in seen}, {200})

    def test_410_disables_at_once_and_outlives_the_courier(self):
        self.reply = Reply(410)
        made = self.subscribe()
        other = self.subscribe(path="/other", queue=self.queue + "-other")
        self.tokenize(20)
        self.check_disabled(made, "gone", "push_refused")
        wait_until(lambda: sum(self.ends(made).values()) == 20, what="the end of each in the log")
        self.kill("courier")
        self.kill("keeper")
        wait_until(lambda: self.listed().get(made["id"], {}).get("state") == "gone", what="the state")
        self.reply = TAKE
        tokens = wait_until(lambda: self.tokenize(5, queue=self.queue + "-other"))
        self.wait_taken(tokens)
        self.assertEqual({hook.path for hook in self.receiver.hooks if hook.acknowledged}, {"/other"})
        self.assertEqual(self.listed()[other["id"]]["state"], "active")

    def test_a_reload_changes_nothing_but_what_it_may(self):
        self.subscribe()
        settings = self.daemon.settings
        self.assertEqual(self.daemon.reload({**settings, "log": {"level": "debug"}}), "success")
        self.wait_taken(self.tokenize(20))
        self.assertNotEqual(self.daemon.reload({**settings, "push": {**settings["push"], "allow": []}}), "success")
        self.wait_taken(self.tokenize(20))
        self.assertEqual(self.daemon.reload(settings), "success")


class LivesTest(SubscriptionsCase):
    """Deaths of roles in the middle of deliveries."""

    def setUp(self):
        super().setUp()
        self.count = 300 if is_sanitized() else 400
        self.turn = 0
        self.receiver.decide = self.decide

    def decide(self, hook):
        """Every third fails."""
        self.turn += 1
        return FAIL if self.turn % 3 == 0 else TAKE

    def tokenize_through(self, count):
        """Whatever dies meanwhile: refused calls are repeated. [token]"""
        tokens = []
        deadline = time.monotonic() + 60
        while len(tokens) < count:
            self.assertLess(time.monotonic(), deadline)
            try:
                answer = self.client.post("/v1/tokens", {"card": CARD, "queue": self.queue, "ttl_ms": 60000})
            except OSError:
                continue
            if answer.status == 201:
                tokens.append(answer.json()["token"])
            else:
                self.assertIn(answer.status, (401, 403, 503), answer)
                time.sleep(0.05)
        return tokens

    def test_no_message_is_lost_by_couriers_that_die(self):
        self.check_survives("courier", 4)

    def test_no_message_is_lost_by_keepers_that_die(self):
        self.check_survives("keeper", 3)

    def check_survives(self, role, times):
        self.subscribe()
        tokens = []
        sender = threading.Thread(target=lambda: tokens.extend(self.tokenize_through(self.count)))
        sender.start()
        for _ in range(times):
            before = len(self.receiver.hooks)
            wait_until(lambda before=before: len(self.receiver.hooks) > before or not sender.is_alive())
            self.kill(role)
        sender.join(60)
        self.assertEqual(len(tokens), self.count)
        self.wait_taken(tokens)
        self.assertTrue(all(hook.verified for hook in self.receiver.hooks))
        self.wait_idle()

    def test_what_goes_with_front_is_counted(self):
        made = self.subscribe()
        self.receiver.decide = lambda hook: TAKE if len(self.receiver.hooks) < 50 else Reply(500, {"retry-after": "60"})
        tokens = self.tokenize(self.count, ttl_ms=60000)
        wait_until(lambda: len(self.receiver.hooks) >= 250, what="the window full of what was refused")
        time.sleep(3)  # it tells how many there are every second
        before = len([event for event in self.daemon.events() if event["event"] == "message.lose"])
        self.kill("front")
        self.daemon.wait_ready()
        lost = wait_until(lambda: [event for event in self.daemon.events() if event["event"] == "message.lose"][before:],
                          20, "the record of the loss")
        self.assertEqual(sum(event["count"] for event in lost) + len(self.taken()), self.count)
        # The next one knows the subscription, and push goes on.
        self.receiver.decide = lambda hook: TAKE
        self.assertEqual(set(self.listed()) & {made["id"]}, {made["id"]})
        more = self.tokenize_through(10)
        self.wait_taken(more)
        self.assertTrue(set(tokens).isdisjoint(more))


class DrainTest(SubscriptionsCase):
    def test_what_is_under_way_ends_and_the_rest_is_accounted_for(self):
        """Each attempt takes a second: those that were begun are waited for."""
        self.reply = Reply(200, body=b"x" * 20, way="drip")
        made = self.subscribe()
        tokens = self.tokenize(100, ttl_ms=60000)
        wait_until(lambda: self.receiver.under_way.get("/hook") == CONCURRENCY, what="attempts under way")
        begun = {hook.json()["token"] for hook in self.receiver.hooks}
        began = time.monotonic()
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.process.wait(60), 0)
        self.daemon.process = None
        self.assertLess(time.monotonic() - began, 30)
        wait_until(lambda: begun <= self.taken(), what="the receiver's note of each")
        counted = collections.Counter()
        for event in self.daemon.events():
            if event["event"] == "push.deliver":
                one = event["role"] == "courier" or "message" in event
                counted[event.get("code", "success")] += 1 if one else event["count"]
        self.assertEqual(counted["success"], len(self.taken()))
        self.assertEqual(sum(counted.values()), len(tokens))
        self.assertLessEqual(set(counted), {"success", "push_unreachable"})
        self.assertEqual(self.ends(made)["success"], counted["success"])


class SealedTest(unittest.TestCase):
    """With a KEK that outlives the daemon."""

    def setUp(self):
        self.daemon = Daemon(settings={})
        self.addCleanup(self.daemon.destroy)
        tls = make_certificate(self.daemon.home, "endpoint")
        self.kek = os.path.join(self.daemon.home, "kek")
        self.daemon.settings = {"keys": {"provider": "file", "file": self.kek},
                                "push": {"ca": tls[0], "allow": ["127.0.0.1"]}}
        self.receiver = self.enterContext(Receiver(tls=tls))
        self.daemon.start()

    def restart(self):
        """With the same keyring: the first start's key goes on."""
        self.daemon._launch("--config", self.daemon.config_path)
        self.daemon.wait_ready()

    def subscribe(self, path):
        made = self.daemon.client().post("/v1/subscriptions", {
            "queue": "pay", "url": self.receiver.url(path), "description": "the gateway of the moon"})
        self.assertEqual(made.status, 201, made)
        self.receiver.secrets[path] = [made.json()["secret"]]
        return made.json()

    def check_pushed(self, paths):
        before = len(self.receiver.hooks)
        self.daemon.client().tokenize(queue="pay")
        wait_until(lambda: len(self.receiver.hooks) == before + len(paths), what="webhooks")
        self.assertEqual({hook.path for hook in self.receiver.hooks[before:]}, paths)
        self.assertTrue(all(hook.verified for hook in self.receiver.hooks[before:]))

    def test_they_rest_sealed_and_sign_as_before(self):
        kept, gone = self.subscribe("/which-is-kept"), self.subscribe("/gone")
        rotated = self.daemon.client().post(f"/v1/subscriptions/{kept['id']}/rotate", {}).json()["secret"]
        self.receiver.secrets["/which-is-kept"] = [rotated]
        self.check_pushed({"/which-is-kept", "/gone"})
        self.assertEqual(self.daemon.client().delete(f"/v1/subscriptions/{gone['id']}").status, 204)
        listed = self.daemon.client().get("/v1/subscriptions").json()
        self.daemon.stop()
        self.check_unreadable(kept["secret"], rotated, gone["secret"])
        self.restart()
        self.assertEqual(self.daemon.client().get("/v1/subscriptions").json(), listed)
        self.check_pushed({"/which-is-kept"})
        self.receiver.secrets["/which-is-kept"] = [kept["secret"]]  # in its overlap still
        self.check_pushed({"/which-is-kept"})

    def check_unreadable(self, *secrets):
        forms = [b"the gateway of the moon", b"/which-is-kept", b"127.0.0.1:" + str(self.receiver.port).encode()]
        for secret in secrets:
            raw = base64.b64decode(secret.removeprefix("whsec_"))
            forms += [secret.removeprefix("whsec_").rstrip("=").encode(), raw, raw.hex().encode(),
                      base64.urlsafe_b64encode(raw).rstrip(b"=")]
        for folder, _, names in os.walk(self.daemon.home):
            for path in (os.path.join(folder, name) for name in names):
                if not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    content = file.read()
                for form in forms:
                    self.assertNotIn(form, content, path)
        self.assertEqual(os.stat(os.path.join(self.daemon.state, "keys", "subscriptions")).st_mode & 0o777, 0o600)

    def test_another_kek_opens_nothing(self):
        self.subscribe("/hook")
        self.daemon.stop()
        with open(self.kek, "rb") as file:
            right = file.read()
        kept = os.path.join(self.daemon.state, "keys", "subscriptions")
        with open(kept, "rb") as file:
            sealed = file.read()
        for wrong in (os.urandom(32), right[::-1], bytes([right[0] ^ 1]) + right[1:]):
            with open(self.kek, "wb") as file:
                file.write(wrong)
            self.daemon._launch("--config", self.daemon.config_path)
            self.assertNotEqual(self.daemon.process.wait(30), 0)
            with open(kept, "rb") as file:
                self.assertEqual(file.read(), sealed)
        with open(self.kek, "wb") as file:
            file.write(right)
        self.restart()
        self.check_pushed({"/hook"})


class GrowthTest(SubscriptionsCase):
    """10,000 deliveries leave nothing behind, and take few connections."""

    count = 1000 if is_sanitized() else 10000
    allowed_kib = 6 * 1024

    def setUp(self):
        super().setUp()
        self.sqs = Client(self.daemon, service="sqs")
        self.addCleanup(self.sqs.close)

    def resident_kib(self):
        sizes = {}
        for role, pid in self.daemon.roles().items():
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                sizes[role] = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        return sizes

    def send(self, count):
        url = f"{self.daemon.url}/000000000000/{self.queue}"
        entries = [{"Id": str(number), "MessageBody": "{}" + " " * 500} for number in range(10)]
        body = json.dumps({"QueueUrl": url, "Entries": entries}).encode()
        for _ in range(count // 10):
            answer = self.sqs.request("POST", "/", body, {"content-type": "application/x-amz-json-1.0",
                                                          "x-amz-target": "AmazonSQS.SendMessageBatch"})
            self.assertEqual(answer.status, 200, answer)
        self.wait_idle()

    def stats(self):
        stats = self.client.get("/v1/stats").json()
        return {"vault": stats["vault"], "queues": stats["queues"], "push": stats["push"]}

    def test_deliveries_leave_nothing(self):
        self.subscribe()
        self.send(self.count // 5)
        stats, sizes = self.stats(), self.resident_kib()
        self.assertEqual(stats["queues"]["messages"], 0)
        self.send(self.count)
        after = self.stats()
        self.assertEqual(after, stats)
        for role, size in self.resident_kib().items():
            if not is_sanitized():
                self.assertLess(size, sizes[role] + self.allowed_kib, role)
        hooks = self.receiver.hooks
        self.assertEqual(len({hook.id for hook in hooks}), self.count + self.count // 5)
        self.assertEqual(len(hooks), self.count + self.count // 5)
        self.assertLessEqual(self.receiver.most["/hook"], CONCURRENCY)
        self.assertLessEqual(self.receiver.connections, 4 * CONCURRENCY)

    def test_subscriptions_leave_nothing(self):
        """Made, used and deleted, over and over."""
        def around(count):
            for _ in range(count):
                made = self.subscribe()
                token, = self.tokenize()
                self.wait_taken([token])
                self.assertEqual(self.client.delete(f"/v1/subscriptions/{made['id']}").status, 204)
            self.wait_idle()
        around(20)
        stats, sizes = self.push_stats(), self.resident_kib()
        around(20 if is_sanitized() else 200)
        self.assertEqual(self.push_stats(), stats)
        for role, size in self.resident_kib().items():
            if not is_sanitized():
                self.assertLess(size, sizes[role] + self.allowed_kib, role)


if __name__ == "__main__":
    unittest.main()
