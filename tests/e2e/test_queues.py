"""Queues over the wire: replays, calls that wait, and what ends them."""
import os
import random
import signal
import time
import unittest

from harness import LOOPBACK_SOURCES, Daemon, DaemonCase, is_sanitized, wait_until
from sqs import Sqs, error_of, form_of, message_ids, unique_name

# How long a wake-up may take on a machine that has other things to do: well before a poll ends by itself.
POLL_SECONDS = 20
SOON = POLL_SECONDS / 2


class QueueCase(DaemonCase):
    def setUp(self):
        super().setUp()
        self.sqs = Sqs(self.daemon)
        self.addCleanup(self.sqs.client.close)

    def queue(self, suffix="", **attributes):
        return self.sqs.create(unique_name(suffix), attributes)

    def stats(self):
        return self.client.get("/v1/stats").json()

    def raw(self, source=None):
        connection = self.daemon.raw(source=source)
        self.addCleanup(connection.close)
        return connection

    def park(self, url, sqs=None, **members):
        """A connection on which a long poll waits; it does once the daemon counts one more. No other goes meanwhile."""
        connection = self.raw()
        before = self.stats()["queues"]["waiting"]
        connection.send((sqs or self.sqs).signed("ReceiveMessage",
                                                 {"QueueUrl": url, "WaitTimeSeconds": POLL_SECONDS, **members}))
        wait_until(lambda: self.stats()["queues"]["waiting"] > before, what="the poll")
        return connection


class ReplayTest(QueueCase):
    """PROTOCOL 2.3: SDKs sign two equal sends of one second alike; a thief's connection is another."""

    def check(self, data):
        mine, other = self.raw(), self.raw()
        answers = []
        for _ in range(2):
            mine.send(data)
            answers.append(mine.read_answer())
        self.assertEqual([answer.status for answer in answers], [200, 200], answers)
        other.send(data)
        refused = other.read_answer()
        self.assertEqual((refused.status, error_of(refused)), (403, "RequestThrottled"), refused)
        mine.send(data)
        self.assertEqual(mine.read_answer().status, 200)
        mine.close()
        another = self.raw()
        another.send(data)
        self.assertEqual(error_of(another.read_answer()), "RequestThrottled")
        return answers

    def test_two_identical_sends(self):
        url = self.queue()
        members = {"QueueUrl": url, "MessageBody": "the same"}
        for data in (self.sqs.signed("SendMessage", members, fresh=False),
                     self.sqs.signed_form("SendMessage", members, fresh=False)):
            ids = [message_ids(answer)[0] for answer in self.check(data)]
            self.assertNotEqual(*ids)
        self.assertEqual(self.sqs.drain(url), ["the same"] * 6)

    def test_pipelined(self):
        """Also where the second is there before the first is answered."""
        url = self.queue()
        connection = self.raw()
        connection.send(self.sqs.signed("SendMessage", {"QueueUrl": url, "MessageBody": "x"}, fresh=False) * 5)
        self.assertEqual([connection.read_answer().status for _ in range(5)], [200] * 5)
        self.assertEqual(self.sqs.counts(url), (5, 0, 0))

    def test_at_the_same_moment_one_connection_wins(self):
        url = self.queue()
        for _ in range(10):
            data = self.sqs.signed("SendMessage", {"QueueUrl": url, "MessageBody": "raced", "DelaySeconds":
                                                   random.randrange(900)}, fresh=True)
            connections = [self.daemon.raw() for _ in range(4)]
            for connection in connections:
                connection.send(data)
            outcomes = sorted(connection.read_answer().status for connection in connections)
            self.assertEqual(outcomes, [200, 403, 403, 403])
            for connection in connections:
                connection.close()


class UrlTest(QueueCase):
    """Nothing is done by what stands in a URL."""

    def test_get(self):
        url = self.queue()
        query = form_of("SendMessage", {"QueueUrl": url, "MessageBody": "x"}).decode()
        for path in ("/?" + query, "/000000000000/" + url.rsplit("/", 1)[1] + "?" + query):
            for method in ("GET", "HEAD"):
                answer = self.sqs.client.request(method, path)
                self.assertIn(answer.status, (400, 405), answer)
        self.assertEqual(self.sqs.counts(url), (0, 0, 0))

    def test_parameters_in_the_url(self):
        url = self.queue()
        members = {"QueueUrl": url, "MessageBody": "x"}
        query = form_of("SendMessage", members).decode()
        form = {"content-type": "application/x-www-form-urlencoded"}
        for path, body in (("/?" + query, b""), ("/?" + query, b"Version=2012-11-05"),
                           ("/?Action=SendMessage", form_of("SendMessage", members)),
                           ("/?MessageBody=x", form_of("SendMessage", members)),
                           ("/000000000000/" + url.rsplit("/", 1)[1] + "?x=1", form_of("SendMessage", members))):
            answer = self.sqs.client.post(path, body, headers=form)
            self.assertEqual(answer.status, 400, (path, answer))
        self.assertEqual(self.sqs.counts(url), (0, 0, 0))

    def test_presigned(self):
        url = self.queue()
        answer = self.sqs.client.request("POST", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=" + "0" * 64,
                                         b"", signed=False)
        self.assertEqual((answer.status, error_of(answer)), (400, "IncompleteSignature"))
        self.assertEqual(self.sqs.counts(url), (0, 0, 0))


class PollTest(QueueCase):
    def answered(self, connection, within=SOON):
        connection.socket.settimeout(within)
        return connection.read_answer()

    def test_a_message_wakes_who_waits(self):
        for suffix, more in (("", {}), (".fifo", {"MessageGroupId": "g", "MessageDeduplicationId": "d"})):
            url = self.queue(suffix, **({"FifoQueue": "true"} if suffix else {}))
            connection = self.park(url)
            sent = time.monotonic()
            self.sqs.send(url, "wake up", **more)
            answer = self.answered(connection)
            self.assertLess(time.monotonic() - sent, SOON)
            self.assertEqual([message["Body"] for message in answer.json()["Messages"]], ["wake up"])

    def test_first_come_first_served(self):
        url = self.queue()
        connections = [self.park(url) for _ in range(5)]
        for place, connection in enumerate(connections):
            self.sqs.send(url, str(place))
            self.assertEqual(self.answered(connection).json()["Messages"][0]["Body"], str(place))

    def test_what_becomes_visible_wakes(self):
        url = self.queue()
        connection = self.park(url, VisibilityTimeout=60)
        self.sqs.send(url, "delayed", DelaySeconds=1)
        message = self.answered(connection).json()["Messages"][0]
        self.assertEqual(message["Body"], "delayed")
        # It is shown again, once by time and once by its receiver's wish.
        for seconds in (1, 0):
            connection = self.park(url, VisibilityTimeout=60)
            self.sqs.call("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"],
                          VisibilityTimeout=seconds)
            message = self.answered(connection).json()["Messages"][0]
            self.assertEqual(message["Body"], "delayed")

    def test_time_ends_it(self):
        url = self.queue()
        started = time.monotonic()
        self.assertEqual(self.sqs.receive(url, WaitTimeSeconds=1), [])
        self.assertGreaterEqual(time.monotonic() - started, 0.99)
        self.assertLess(time.monotonic() - started, 1 + SOON)

    def test_a_deleted_queue_ends_it(self):
        url = self.queue()
        connection = self.park(url)
        self.sqs.call("DeleteQueue", QueueUrl=url)
        self.assertEqual(error_of(self.answered(connection)), "AWS.SimpleQueueService.NonExistentQueue")

    def test_who_went_away_leaves_it_to_the_next(self):
        url = self.queue()
        for count in range(20):
            gone = [self.park(url) for _ in range(2)]
            last = self.park(url)
            for connection in gone:
                connection.close()
            if count % 2 == 0:
                wait_until(lambda: self.stats()["queues"]["waiting"] == 1, what="the end of those who went away")
            self.sqs.send(url, str(count))
            message = self.answered(last).json()["Messages"][0]
            self.assertEqual(message["Body"], str(count))
            self.sqs.delete_many(url, [message])
            last.close()
            wait_until(lambda: self.stats()["queues"]["waiting"] == 0, what="the end of all")
        self.assertEqual(self.sqs.counts(url), (0, 0, 0))

    def test_a_poll_does_not_hold_up_what_is_behind_it(self):
        """On one connection answers keep their order; another's do not wait."""
        url, other = self.queue(), self.queue()
        connection = self.park(url)
        connection.send(self.sqs.signed("SendMessage", {"QueueUrl": other, "MessageBody": "behind"}))
        self.sqs.send(url, "first")
        self.assertEqual(self.answered(connection).json()["Messages"][0]["Body"], "first")
        self.assertEqual(len(message_ids(self.answered(connection))), 1)
        self.assertEqual(self.sqs.drain(other), ["behind"])

    def test_a_disabled_key_ends_its_polls(self):
        url = self.queue()
        key = self.daemon.new_key("receive:*")
        with Sqs(self.daemon, key) as disabled:
            connections = [self.park(url, disabled) for _ in range(3)]
            mine = self.park(url)
            self.assertEqual(self.daemon.admin("disable", key.signer.credentials.access_key).returncode, 0)
            for connection in connections:
                answer = self.answered(connection)
                self.assertEqual((answer.status, answer.json()), (200, {}), answer)
            self.assertEqual(self.stats()["queues"]["waiting"], 1)
            self.sqs.send(url, "for the other")
            self.assertEqual(self.answered(mine).json()["Messages"][0]["Body"], "for the other")
            self.assertEqual(error_of(disabled.json("ReceiveMessage", {"QueueUrl": url})), "InvalidClientTokenId")


class IdlePollsTest(QueueCase):
    def test_idle_polls_leave_nothing(self):
        """In a daemon of its own: nothing else comes or goes meanwhile."""
        url = self.queue()
        before = self.stats()
        for _ in range(10):
            self.park(url).close()
            # The next would else be taken for the one that goes.
            wait_until(lambda: self.stats()["queues"]["waiting"] == before["queues"]["waiting"], what="its end")
        wait_until(lambda: self.stats()["parked"] == before["parked"], what="the end of what was parked for them")
        self.assertEqual(self.stats()["queues"]["bytes"], before["queues"]["bytes"])


class DrainTest(unittest.TestCase):
    def test_sigterm_answers_those_who_wait(self):
        with Daemon("--workers", "2") as daemon, Sqs(daemon) as sqs:
            url = sqs.create(unique_name())
            connections = [daemon.raw() for _ in range(20)]
            for connection in connections:
                connection.send(sqs.signed("ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": POLL_SECONDS}))
            stats = daemon.client()
            wait_until(lambda: stats.get("/v1/stats").json()["queues"]["waiting"] == 20, what="the polls")
            stats.close()
            sqs.client.close()
            started = time.monotonic()
            daemon.process.send_signal(signal.SIGTERM)
            for connection in connections:
                answer = connection.read_answer()
                self.assertEqual((answer.status, answer.json()), (200, {}))
                connection.close()
            self.assertLess(time.monotonic() - started, SOON)
            self.assertEqual(daemon.process.wait(30), 0)
            daemon.process = None


def cpu_seconds(daemon):
    """What all threads of all processes of the daemon have run, by the scheduler's own nanoseconds."""
    total = 0
    for pid in daemon.pids():
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as times:
                total += int(times.read().split()[0])
    return total / 1e9


def answer_now(connection):
    """The answer that is there already, or None."""
    connection.socket.settimeout(0.001)
    try:
        return connection.read_answer()
    except TimeoutError:
        return None


class ManyPollsTest(unittest.TestCase):
    """2,000 long polls wait, and cost nothing but memory."""

    count = 200 if is_sanitized() else 2000
    looks = 4
    settings = {"workers": "2", "limits": {"max_connections_per_principal": "5000", "max_requests_per_principal": "5000",
                                           "startups": "4000:30:8000"}}

    def cpu_over_a_second(self, daemon):
        """The least of some: what comes now and then is not of the polls."""
        marks = [cpu_seconds(daemon)]
        for _ in range(self.looks):
            time.sleep(1)
            marks.append(cpu_seconds(daemon))
        return min(behind - before for before, behind in zip(marks, marks[1:]))

    def test_2000_parked_polls_cost_no_cpu(self):
        with Daemon(settings=self.settings) as daemon, Sqs(daemon) as sqs:
            stats = daemon.client()

            def waiting():
                return stats.get("/v1/stats").json()["queues"]["waiting"]
            urls = [sqs.create(unique_name()) for _ in range(4)]
            idle = self.cpu_over_a_second(daemon)
            connections = [daemon.raw(source=next(LOOPBACK_SOURCES)) for _ in range(self.count)]
            polls = [sqs.signed("ReceiveMessage", {"QueueUrl": urls[place % 4], "WaitTimeSeconds": POLL_SECONDS})
                     for place in range(self.count)]
            for connection, poll in zip(connections, polls):
                connection.send(poll)
            wait_until(lambda: waiting() == self.count, what="the polls")
            parked = self.cpu_over_a_second(daemon)
            self.assertEqual(waiting(), self.count)
            self.assertLess(parked - idle, 0.02, f"idle {idle:.4f} s, parked {parked:.4f} s")
            # Each message wakes one of them.
            for place in range(8):
                sqs.send(urls[place % 4], str(place))
            wait_until(lambda: waiting() == self.count - 8, what="eight answers")
            told = {}

            def are_told():
                told.update((place, answer) for place, answer in enumerate(map(answer_now, connections)) if answer)
                return len(told) >= 8
            wait_until(are_told, what="their coming")
            bodies = [answer.json()["Messages"][0]["Body"] for answer in told.values()]
            self.assertEqual(sorted(bodies), [str(place) for place in range(8)])
            for connection in connections:
                connection.close()
            wait_until(lambda: waiting() == 0, what="their end")
            stats.close()


if __name__ == "__main__":
    unittest.main()
