"""What push promises: at least once before expiry or accounted for in the log, never after, in the schedule's time, in
order where that was asked for; whatever the receivers do."""
import collections
import json
import random
import time
import unittest

from harness import CARD, Client, Daemon, is_sanitized, make_certificate, parse_time, wait_until
from receiver import FAIL, TAKE, Receiver, Reply

SEED = 20
CONCURRENCY = 16  # push.concurrency, to one host
PAUSES = (0.2, 0.5, 1, 2, 5, 10)
JITTER = 0.2
# The daemon's clocks count in milliseconds, and so do its timers.
CLOCK = 0.005
# Where a connection that was used before breaks without a line of an answer, libcurl sends the same bytes once more on a
# new one at once, within the same attempt: nothing tells it that they came.
RESENT_AFTER = ("reset", "hang_up", "cut_head")


def answered(hook):
    """The earliest moment that the sender may have had the answer: it was written before this receiver came to note that."""
    return hook.arrived if hook.reply.way == "answer" else hook.ended or hook.arrived


def sqs_call(client, action, **members):
    """The answer's JSON; AssertionError where it is refused."""
    answer = client.request("POST", "/", json.dumps(members).encode(),
                            {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"AmazonSQS.{action}"})
    if answer.status != 200:
        raise AssertionError(f"{action}: {answer!r}")
    return answer.json() if answer.body else None


def push_events(daemon):
    """(by message: [(subject, outcome, code)], beyond the rate: {code: count})"""
    by_message, counted = collections.defaultdict(list), collections.Counter()
    for event in daemon.events():
        if event["event"] != "push.deliver":
            continue
        if "message" in event:
            by_message[event["message"]].append((event["subject"], event["outcome"], event.get("code")))
        else:
            counted[event["code"]] += event["count"]
    return by_message, counted


class Moods:
    """What the receiver does with each request: a fifth fails, in every way there is."""

    def __init__(self, seed, trap):
        """`trap`: where redirects lead; nobody may come."""
        self.random = random.Random(seed)
        elsewhere = {"location": trap.url("/trap")}
        taken = [(0.777, TAKE), (0.01, Reply(200, body=b"{}", close=True)), (0.005, Reply(202, body=b"x" * 100_000)),
                 (0.003, Reply(200, body=b"drops", way="drip")),
                 (0.005, Reply(204, prefix=b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"))]
        failed = [(0.04, FAIL), (0.04, Reply(503, body=b"later")), (0.025, Reply(500, {"retry-after": "1"})),
                  (0.01, Reply(429, {"retry-after": "nonsense"})), (0.0006, Reply(429, {"retry-after": "1"})),
                  (0.0003, Reply(503, {"retry-after": "2"})),
                  (0.02, Reply(302, elsewhere)), (0.01, Reply(307, elsewhere)), (0.01, Reply(404)),
                  (0.02, Reply(way="reset")), (0.01, Reply(way="hang_up")), (0.01, Reply(way="cut_head")),
                  (0.0035, Reply(200, body=b"half", way="cut_body")), (0.0015, Reply(way="stall"))]
        self.weights = [weight for weight, _ in taken + failed]
        self.replies = [reply for _, reply in taken + failed]
        self.quick = [reply for reply in self.replies if reply.way != "stall" and "retry-after" not in reply.headers]
        self.quick_weights = [weight for weight, reply in zip(self.weights, self.replies) if reply in self.quick]
        self.never_taken = "/brief 0"  # one that expires for certain
        self.gone_after = None  # so many are taken yet; None: none, and none is refused for good
        self.gone_at = None

    def decide(self, hook):
        if hook.path == "/gone":
            return self.decide_gone(hook)
        if hook.json().get("job") == self.never_taken:
            return FAIL
        if hook.path == "/ordered":
            return self.random.choices(self.quick, self.quick_weights)[0]
        return self.random.choices(self.replies, self.weights)[0]

    def decide_gone(self, hook):
        if self.gone_after is None:
            return FAIL
        self.gone_after -= 1
        if self.gone_after >= 0:
            return TAKE
        self.gone_at = self.gone_at or hook.arrived
        return Reply(410)


class Load:
    """Everything that is sent: {path: {what the body tells it by: its expiry, seconds since 1970}}."""

    def __init__(self, daemon, receiver, scale):
        self.client = daemon.client()
        self.sqs = Client(daemon, service="sqs")
        self.daemon = daemon
        self.receiver = receiver
        self.random = random.Random(SEED + 1)
        self.count = {"/tokens": 6000 // scale, "/jobs": 2000 // scale, "/brief": 1000 // scale,
                      "/ordered": 300 // scale, "/gone": 700 // scale}
        self.sent = {path: {} for path in self.count}
        self.ids = {}  # {what the body tells it by: message id}, of SQS
        self.subscriptions = {path: self.subscribe(path) for path in self.count}

    def subscribe(self, path):
        made = self.client.post("/v1/subscriptions", {"queue": path[1:], "url": self.receiver.url(path),
                                                      "ordered": path == "/ordered"})
        assert made.status == 201, made
        self.receiver.secrets[path] = [made.json()["secret"]]
        return made.json()["id"]

    def tokenize(self, path, ttls_ms):
        for at in range(0, self.count[path], 100):
            items = [{"card": CARD, "queue": path[1:], "ttl_ms": self.random.choice(ttls_ms)}
                     for _ in range(min(100, self.count[path] - at))]
            answer = self.client.post("/v1/tokens/batch", {"items": items})
            assert answer.status == 200, answer
            for result in answer.json()["results"]:
                self.sent[path][result["token"]] = parse_time(result["expires_at"])

    def send(self, path, ttl_ms):
        url = f"{self.daemon.url}/000000000000{path}"
        sqs_call(self.sqs, "CreateQueue", QueueName=path[1:], tags={"ampoule:ttl-ms": str(ttl_ms)})
        for at in range(0, self.count[path], 10):
            entries = [{"Id": str(i), "MessageBody": json.dumps({"job": f"{path} {at + i}"})} for i in range(10)]
            answer = sqs_call(self.sqs, "SendMessageBatch", QueueUrl=url, Entries=entries)
            expiry = time.time() + ttl_ms / 1000  # at the latest
            for entry in answer["Successful"]:
                name = f"{path} {at + int(entry['Id'])}"
                self.sent[path][name] = expiry
                self.ids[name] = entry["MessageId"]

    def send_all(self):
        self.tokenize("/ordered", [20000])
        self.send("/brief", 1000)
        self.tokenize("/tokens", [1000, 2000, 5000, 10000, 30000, 60000])
        self.send("/jobs", 60000)
        self.tokenize("/gone", [30000])  # the last: its endpoint goes when all is sent, and before what it gets expires

    @staticmethod
    def name(hook):
        """What the message is told by."""
        body = hook.json()
        return body.get("token") or body.get("job")

    def close(self):
        self.client.close()
        self.sqs.close()


class ManyMessagesTest(unittest.TestCase):
    """10,000 messages to five subscriptions whose receiver fails a fifth of the time."""

    scale = 10 if is_sanitized() else 1

    def start(self, daemon, tls=None):
        self.trap = self.enterContext(Receiver(tls=tls))
        self.moods = Moods(SEED, self.trap)
        self.receiver = self.enterContext(Receiver(self.moods.decide, tls=tls))
        self.daemon = self.enterContext(daemon)
        self.load = Load(self.daemon, self.receiver, self.scale)
        self.addCleanup(self.load.close)

    def hooks(self, path):
        return self.receiver.at(path)

    def wait_ended(self):
        def ended():
            push = self.load.client.get("/v1/stats").json()["push"]
            return push["pending"] + push["under_way"] == 0
        wait_until(ended, 120, "the end of every delivery")

    def check(self):
        self.load.send_all()
        self.moods.gone_after = self.load.count["/gone"] // 10
        self.wait_ended()
        self.check_accounts()
        self.check_signatures_and_ids()
        self.check_nothing_after_expiry()
        self.check_spacing()
        self.check_holds()
        self.check_order()
        self.check_gone()
        self.check_connections()
        self.assertEqual(self.trap.hooks, [])
        self.assertEqual(self.trap.connections, 0)

    def check_accounts(self):
        """Each delivery has one end in the log, or is one of those that were counted; what the log calls a success
        was acknowledged; what no endpoint took was wiped at its expiry."""
        sent = sum(map(len, self.load.sent.values()))

        def told():
            by_message, counted = push_events(self.daemon)
            ends = sum(map(len, by_message.values())) + sum(counted.values())
            return (by_message, counted) if ends >= sent else None
        try:
            by_message, counted = wait_until(told, what="the end of every delivery in the log")
        except AssertionError:
            by_message, counted = push_events(self.daemon)
        self.assertEqual(sum(map(len, by_message.values())) + sum(counted.values()), sent)
        self.assertEqual(max(map(len, by_message.values())), 1)
        acknowledged = {(hook.path, hook.id) for hook in self.receiver.hooks if hook.acknowledged}
        paths = {subscription: path for path, subscription in self.load.subscriptions.items()}
        taken = {(paths[ends[0][0]], message) for message, ends in by_message.items() if ends[0][1] == "success"}
        self.assertEqual(taken - acknowledged, set())
        codes = counted + collections.Counter(ends[0][2] for ends in by_message.values() if ends[0][1] != "success")
        self.assertLessEqual(set(codes), {"push_expired", "subscription_disabled", "subscription_unknown"})
        self.assertEqual(len(taken) + sum(codes.values()), sent)
        self.assertGreater(len(taken), sent // 20)  # a busy machine lets many expire
        self.assertGreater(codes["push_expired"], 0)
        self.check_wiped(sent - len(taken))

    def check_wiped(self, wanted):
        def wiped():
            return sum(event["count"] for event in self.daemon.events() if event["event"] == "message.expire")
        wait_until(lambda: wiped() >= wanted, what=f"{wanted} messages wiped, not {wiped()}")

    def check_signatures_and_ids(self):
        ids = {}
        for hook in self.receiver.hooks:
            self.assertTrue(hook.verified, hook)
            self.assertLess(abs(hook.signed - hook.wall), 5 + self.receiver.lag, hook)
            name = self.load.name(hook)
            self.assertIn(name, self.load.sent[hook.path])
            self.assertEqual(ids.setdefault((hook.path, name), hook.id), hook.id)
            self.assertEqual(self.load.ids.get(name, hook.id), hook.id)
        self.assertEqual(len(set(ids.values())), len(ids))

    def check_nothing_after_expiry(self):
        """What was sent in time may lie in our socket's buffer while this receiver is busy: so long it may look late."""
        margin = self.receiver.lag + 0.25
        late = [hook.wall - self.load.sent[hook.path][self.load.name(hook)] for hook in self.receiver.hooks]
        self.assertLess(max(late), margin)

    def attempts(self):
        """The requests of each message, in order, without those that libcurl sent again."""
        rows = collections.defaultdict(list)
        for hook in sorted(self.receiver.hooks, key=lambda hook: hook.arrived):
            row = rows[hook.path, hook.id]
            before = row[-1] if row else None
            if before and before.reply.way in RESENT_AFTER and before.turn > 0 and hook.headers == before.headers:
                row[-1] = hook
            else:
                row.append(hook)
        return rows

    def check_spacing(self):
        retried = 0
        for row in self.attempts().values():
            for number, (before, after) in enumerate(zip(row, row[1:])):
                pause = PAUSES[min(number, len(PAUSES) - 1)] * (1 - JITTER)
                asked = before.reply.headers.get("retry-after", "0")
                least = max(pause, float(asked) if asked.isdigit() else 0)
                self.assertFalse(before.acknowledged, f"{before} was tried again: {after}")
                # Where it was broken off, `ended` is when the receiver came to notice: on a busy machine, late.
                lag = CLOCK if before.reply.way == "answer" else CLOCK + 0.1 + self.receiver.lag
                self.assertGreaterEqual(after.arrived - answered(before), least - lag, f"{before} then {after}")
                retried += 1
        self.assertGreater(retried, len(self.receiver.hooks) // 50)

    def check_holds(self):
        """By 429 and 503 an endpoint speaks of itself: nothing is begun before the time that it asks for."""
        begun = 0.5 + self.receiver.lag  # what was on its way already may come
        for held in self.receiver.hooks:
            asked = held.reply.headers.get("retry-after", "")
            if held.reply.status in (429, 503) and asked.isdigit():
                early = [hook for hook in self.hooks(held.path)
                         if held.ended + begun < hook.arrived < answered(held) + int(asked) - CLOCK]
                self.assertEqual(early, [], held)

    def check_order(self):
        """Each is tried when the one before was taken, or had expired."""
        order = {name: place for place, name in enumerate(self.load.sent["/ordered"])}
        expiry = list(self.load.sent["/ordered"].values())
        done = -1  # all up to this one are over
        seen_done = {}
        places = []
        for hook in sorted(self.hooks("/ordered"), key=lambda hook: hook.arrived):
            place = order[self.load.name(hook)]
            for earlier in range(done + 1, place):
                self.assertTrue(earlier in seen_done and seen_done[earlier] <= hook.arrived
                                or hook.wall >= expiry[earlier] - CLOCK, f"{place} before {earlier} was over")
            done = max(done, place - 1)
            self.assertGreaterEqual(place, done)
            if hook.acknowledged:
                seen_done[place] = hook.ended
                places.append(place)
        self.assertEqual(places, sorted(places))
        self.assertEqual(self.receiver.most["/ordered"], 1)
        self.assertGreater(len(seen_done), len(order) // 20)

    def check_gone(self):
        subscription = self.load.subscriptions["/gone"]
        disabled = [event for event in self.daemon.events() if event["event"] == "subscription.disable"]
        self.assertEqual([(event["subject"], event["queue"], event["code"], event["alarm"]) for event in disabled],
                         [(subscription, "gone", "push_refused", True)])
        listed = {entry["id"]: entry["state"] for entry in
                  self.load.client.get("/v1/subscriptions").json()["subscriptions"]}
        self.assertEqual({identity for identity, state in listed.items() if state != "active"}, {subscription})
        self.assertEqual(listed[subscription], "gone")
        refused = [hook for hook in self.hooks("/gone") if hook.reply.status == 410]
        self.assertLessEqual(len(refused), CONCURRENCY)
        self.assertLess(max(hook.arrived for hook in refused), self.moods.gone_at + 1 + self.receiver.lag)

    def check_connections(self):
        """Used again, but where the receiver broke them; no more at once than push.concurrency says."""
        self.assertLessEqual(self.receiver.most_at_once, CONCURRENCY)
        broken = sum(hook.reply.way not in ("answer", "drip") or hook.reply.close or len(hook.reply.body) > 60000
                     for hook in self.receiver.hooks)
        self.assertLess(self.receiver.connections, broken + len(self.receiver.hooks) // 20 + 4 * CONCURRENCY)

    def test_by_http(self):
        self.start(Daemon())
        self.check()

    def test_by_https(self):
        daemon = Daemon(settings={})
        tls = make_certificate(daemon.home, "endpoint")
        daemon.settings = {"push": {"ca": tls[0], "allow": ["127.0.0.1"], "timeout": "5s", "connect_timeout": "5s"}}
        self.start(daemon, tls)
        self.check()


class ScheduleTest(unittest.TestCase):
    """One message at a time: not too early, and not so late that it would be another pause. To the millisecond it is
    looked at by a clock of its own, in tests/unit/courier."""

    # The schedule looks every 32 ms, and on a busy machine a process has to be waited for.
    late = 4

    @classmethod
    def setUpClass(cls):
        cls.daemon = cls.enterClassContext(Daemon())

    def setUp(self):
        self.client = self.daemon.client()
        self.addCleanup(self.client.close)
        self.replies = []
        self.receiver = self.enterContext(Receiver(self.decide))
        self.queue = self.id().rsplit(".", 1)[1]

    def decide(self, hook):
        reply = self.replies.pop(0) if self.replies else TAKE
        return reply() if callable(reply) else reply

    def subscribe(self, path="/hook", queue=None, **members):
        made = self.client.post("/v1/subscriptions", {"queue": queue or self.queue, "url": self.receiver.url(path),
                                                      **members})
        self.assertEqual(made.status, 201, made)
        self.receiver.secrets[path] = [made.json()["secret"]]
        return made.json()["id"]

    def tokenize(self, **members):
        """Its expiry, seconds since 1970."""
        answer = self.client.post("/v1/tokens", {"card": CARD, "queue": self.queue, **members})
        self.assertEqual(answer.status, 201, answer)
        return parse_time(answer.json()["expires_at"])

    def wait_end(self, subscription):
        return self.daemon.wait_event(lambda event: event["event"] == "push.deliver"
                                      and event.get("subject") == subscription, 60)

    def check_gaps(self, *bounds):
        hooks = list(self.receiver.hooks)
        self.assertEqual(len(hooks), len(bounds) + 1)
        for (least, most), before, after in zip(bounds, hooks, hooks[1:]):
            self.assertGreaterEqual(after.arrived - answered(before), least - CLOCK)
            self.assertLessEqual(after.arrived - before.ended, most + self.late)
        self.assertTrue(all(hook.verified for hook in hooks))

    def test_the_pauses(self):
        subscription = self.subscribe()
        self.replies = [FAIL, Reply(404), Reply(301, {"location": self.receiver.url("/elsewhere")}), FAIL]
        self.tokenize(ttl_ms=60000)
        end = self.wait_end(subscription)
        self.assertEqual((end["outcome"], end["count"], end["role"]), ("success", 5, "courier"))
        self.check_gaps(*((pause * (1 - JITTER), pause * (1 + JITTER)) for pause in PAUSES[:4]))

    def test_retry_after_is_waited_for(self):
        self.wait_asked("2", 2, 2)

    def test_retry_after_as_a_date(self):
        """Of whole seconds: the one that it falls into may count or not."""
        def three_seconds_from_now():
            moment = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))
            return Reply(429, {"retry-after": moment})
        self.wait_told(three_seconds_from_now, 1, 3)

    def test_retry_after_shorter_than_the_pause_or_broken_changes_nothing(self):
        for value in ("0", "-5", "soon", "1.5", "Fri, 01 Jan 1999 00:00:00 GMT", "9" * 30 + "x"):
            with self.subTest(value=value):
                self.receiver.hooks.clear()
                self.wait_asked(value, 0.16, 1.5)

    def wait_asked(self, value, least, most):
        self.wait_told(Reply(429, {"retry-after": value}), least, most)

    def wait_told(self, reply, least, most):
        subscription = self.subscribe(queue=self.queue)
        self.replies = [reply]
        self.tokenize(ttl_ms=30000)
        self.assertEqual(self.wait_end(subscription)["count"], 2)
        self.check_gaps((least, most))
        self.assertEqual(self.client.delete(f"/v1/subscriptions/{subscription}").status, 204)

    def test_a_retry_after_beyond_the_expiry_is_the_end(self):
        subscription = self.subscribe()
        self.replies = [Reply(503, {"retry-after": "3600"})]
        expiry = self.tokenize(ttl_ms=4000)
        end = self.wait_end(subscription)
        self.assertEqual((end["outcome"], end["code"], end["count"]), ("failure", "push_expired", 1))
        self.assertLess(abs(parse_time(end["time"]) - expiry), self.late)
        self.assertEqual(len(self.receiver.hooks), 1)

    def test_an_attempt_is_broken_off_at_the_expiry(self):
        subscription = self.subscribe()
        self.replies = [Reply(way="stall")]
        started, expiry = time.time(), self.tokenize(ttl_ms=4000)
        end = self.wait_end(subscription)
        self.assertEqual((end["outcome"], end["code"], end["count"]), ("failure", "push_expired", 1))
        hook, = self.receiver.hooks
        wait_until(lambda: hook.ended, what="the end of the connection")
        self.assertLess(hook.ended - hook.arrived, expiry - started + self.late)

    def test_a_stalling_endpoint_keeps_no_other_waiting(self):
        """Its attempts take all that its host may have, and others theirs."""
        count = 100 if is_sanitized() else 400
        slow = self.enterContext(Receiver(lambda hook: Reply(way="stall")))
        self.subscribe()
        made = self.client.post("/v1/subscriptions", {"queue": self.queue, "url": slow.url()})
        self.assertEqual(made.status, 201, made)
        for _ in range(count // 100):
            items = [{"card": CARD, "queue": self.queue, "ttl_ms": 20000}] * 100
            self.assertEqual(self.client.post("/v1/tokens/batch", {"items": items}).status, 200)
        wait_until(lambda: len(self.receiver.hooks) == count, what=f"{count} webhooks")
        wait_until(lambda: slow.most_at_once >= CONCURRENCY, what="all attempts that the other may have")
        self.assertEqual(slow.most_at_once, CONCURRENCY)

    def test_one_that_asks_for_time_gets_it_for_all(self):
        self.subscribe()
        self.replies = [Reply(503, {"retry-after": "2"})]
        self.tokenize(ttl_ms=20000)
        wait_until(lambda: self.receiver.hooks, what="the first")
        for _ in range(3):
            self.tokenize(ttl_ms=20000)
        wait_until(lambda: len(self.receiver.hooks) == 5, what="all others")
        first, *others = self.receiver.hooks
        self.assertGreaterEqual(min(hook.arrived for hook in others), answered(first) + 2 - CLOCK)

    def test_all_are_told_where_each_may_have_been_told_already(self):
        """An answer that breaks off is none: the message comes again, under the same id."""
        subscription = self.subscribe()
        self.replies = [Reply(200, body=b"half", way="cut_body"), Reply(200, body=b"x", way="cut_head")]
        self.tokenize(ttl_ms=20000)
        self.assertEqual(self.wait_end(subscription)["outcome"], "success")
        self.assertEqual(len({hook.id for hook in self.receiver.hooks}), 1)
        self.assertEqual(len(self.receiver.hooks), 3)


if __name__ == "__main__":
    unittest.main()
