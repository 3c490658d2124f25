"""What queues hold in memory: sealed while it is there, gone when it is over, bounded while it grows."""
import json
import os
import signal
import time
import unittest

from canaries import assert_no_file_has, assert_no_process_has
from harness import Daemon, card_number, is_sanitized, wait_until
from sqs import Sqs, error_of, queue_arn, unique_name

MIB = 1 << 20
LIFE_SECONDS = 15  # of messages, at least: they are looked for before they expire, and behind that


class ResidueTest(unittest.TestCase):
    """A number in every place where a message can carry one is in no process once the call is done: not while it
    rests sealed, not when it was read, and not when it has expired."""

    @staticmethod
    def message(number):
        return {"MessageBody": f"a body with {number} in it",
                "MessageAttributes": {"text": {"DataType": "String", "StringValue": number},
                                      "number": {"DataType": "Number", "StringValue": number},
                                      "blob": {"DataType": "Binary", "BinaryValue": "AAECAwQ="}},
                "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": number}}}

    def send_every_way(self, sqs, queues, number):
        """Messages that are visible, delayed, in flight, read, dead letters, in groups; and what is refused."""
        plain, fifo, _ = queues
        message = self.message(number)
        in_order = {"MessageGroupId": number, "MessageDeduplicationId": number}
        sqs.call("SendMessage", QueueUrl=plain, **message)
        sqs.call("SendMessage", QueueUrl=plain, DelaySeconds=600, **message)
        sqs.call("SendMessage", QueueUrl=fifo, **message, **in_order)
        sqs.call("SendMessageBatch", QueueUrl=plain, Entries=[{"Id": str(place), **message} for place in range(10)])
        form = {"QueueUrl": plain, "MessageBody": number, "MessageAttribute.1.Name": "a",
                "MessageAttribute.1.Value.DataType": "String", "MessageAttribute.1.Value.StringValue": number}
        if sqs.form("SendMessage", form).status != 200:
            raise AssertionError("the query protocol refuses it")
        sqs.json("SendMessage", json.dumps({"QueueUrl": plain, **message}).encode()[:-1])
        sqs.json("SendMessage", {"QueueUrl": plain, **message, "x": number})
        sqs.json("SendMessage", {"QueueUrl": plain + "none", **message})
        sqs.json("SendMessage", {"QueueUrl": plain, **message}, signed=False)
        sqs.json("DeleteMessage", {"QueueUrl": plain, "ReceiptHandle": number})
        sqs.form("", b"Action=SendMessage&MessageBody=%" + number.encode())
        with sqs.daemon.raw() as connection:
            connection.send(sqs.signed("SendMessage", {"QueueUrl": plain, **message})[:-1])
        for url in (plain, fifo):
            names = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
            for message in sqs.receive(url, MaxNumberOfMessages=3, VisibilityTimeout=0, **names):
                if number not in message["Body"]:
                    raise AssertionError("another body came")
            sqs.receive(url, MaxNumberOfMessages=3, VisibilityTimeout=600, **names)
        form = {"QueueUrl": plain, "AttributeName.1": "All", "MessageAttributeName.1": "All"}
        sqs.delete_many(plain, sqs.receive(plain, MaxNumberOfMessages=2))
        if number.encode() not in sqs.form("ReceiveMessage", form).body:
            raise AssertionError("nothing came")

    @unittest.skipIf(is_sanitized(), "a sanitizer's malloc keeps what was freed")
    def test_no_number_stays_in_memory(self):
        number = card_number()
        with Daemon("--workers", "2") as daemon, Sqs(daemon) as sqs:
            began = time.monotonic()
            assert_no_process_has(number, daemon)
            life = max(LIFE_SECONDS, round(5 * (time.monotonic() - began)))  # a slow machine looks for them for longer
            dead = sqs.create(unique_name(), tags={"ampoule:ttl-ms": str(life * 1000)})
            redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": queue_arn(daemon, dead.rsplit("/", 1)[1]),
                                                    "maxReceiveCount": "1"})}
            queues = [sqs.create(unique_name(), redrive, {"ampoule:ttl-ms": str(life * 1000)}),
                      sqs.create(unique_name(".fifo"), {"FifoQueue": "true"}, {"ampoule:ttl-ms": str(life * 1000)}), dead]
            self.send_every_way(sqs, queues, number)
            sent = time.time()
            stats = daemon.client()

            def held():
                return stats.get("/v1/stats").json()["queues"]["messages"]
            self.assertGreater(held(), 10)
            assert_no_process_has(number, daemon)  # they rest sealed
            self.assertGreater(held(), 10, "they expired before they were looked for")
            time.sleep(max(0, sent + life - time.time()))
            wait_until(lambda: held() == 0, what="the end of all soon after their expiry")
            assert_no_process_has(number, daemon)
            for url in queues:
                self.assertEqual(sqs.receive(url), [])
                self.assertEqual(sqs.counts(url), (0, 0, 0))
            stats.close()
            assert_no_file_has(number, daemon)


class LostTest(unittest.TestCase):
    def test_a_killed_front_is_accounted_for(self):
        name = unique_name()
        with Daemon(settings={"queue": {"names": [name]}}) as daemon:
            with Sqs(daemon) as sqs:
                url, other = sqs.url(name), sqs.create(unique_name())
                sqs.send_many(url, ["x"] * 70)
                sqs.send_many(other, ["x"] * 30)
                sqs.receive(url, MaxNumberOfMessages=10)
            time.sleep(2.5)  # it tells the supervisor once a second
            os.kill(daemon.roles()["front"], signal.SIGKILL)
            lost = daemon.wait_event(lambda event: event["event"] == "message.lose")
            self.assertEqual((lost["count"], lost["outcome"], lost["role"]), (100, "failure", "supervisor"))
            daemon.wait_ready()
            with Sqs(daemon) as sqs:
                # The configured queue is there again, and empty; the other is not.
                self.assertEqual(sqs.counts(url), (0, 0, 0))
                self.assertEqual(error_of(sqs.json("SendMessage", {"QueueUrl": other, "MessageBody": "x"})),
                                 "AWS.SimpleQueueService.NonExistentQueue")
                sqs.send(url, "again")
                self.assertEqual(sqs.drain(url), ["again"])


class CapTest(unittest.TestCase):
    """At queue.memory_max sends are refused; what was accepted is all there, and can be worked off."""

    def fill(self, sqs, url, sent):
        """Sends until it is refused; the refusal."""
        while True:
            body = f"{len(sent)} " + "y" * (len(sent) * 37 % 9000)
            answer = sqs.json("SendMessage", {"QueueUrl": url, "MessageBody": body})
            if answer.status != 200:
                return answer
            sent.append(body)
            if len(sent) > 20000:
                raise AssertionError("there is no cap")

    def test_a_full_memory_refuses_and_loses_nothing(self):
        with Daemon(settings={"queue": {"memory_max": "4MiB"}}) as daemon, Sqs(daemon) as sqs:
            url, sent = sqs.create(unique_name()), []
            fifo = sqs.create(unique_name(".fifo"), {"FifoQueue": "true"})
            refused = self.fill(sqs, url, sent)
            self.assertEqual((refused.status, error_of(refused)), (503, "ServiceUnavailable"), refused)
            self.assertGreater(len(sent), 300)
            self.assertEqual(sqs.counts(url), (len(sent), 0, 0))
            # In the query protocol, in a FIFO queue and entry by entry as well.
            large = "z" * 100000
            answer = sqs.form("SendMessage", {"QueueUrl": url, "MessageBody": large})
            self.assertEqual((answer.status, error_of(answer)), (503, "ServiceUnavailable"))
            once = {"MessageGroupId": "g", "MessageDeduplicationId": "d"}
            huge = "z" * 1000000
            answer = sqs.json("SendMessage", {"QueueUrl": fifo, "MessageBody": huge, **once})
            self.assertEqual((answer.status, error_of(answer)), (503, "ServiceUnavailable"))
            batch = sqs.call("SendMessageBatch", QueueUrl=url, Entries=[
                {"Id": "a", "MessageBody": large}, {"Id": "b", "MessageBody": large}])
            self.assertEqual([one["Code"] for one in batch["Failed"]], ["ServiceUnavailable"] * 2)
            self.assertEqual([one["SenderFault"] for one in batch["Failed"]], [False, False])
            self.assertEqual(sqs.counts(url), (len(sent), 0, 0))
            # Who fills one queue keeps nobody out of another.
            sqs.send(fifo, large, MessageGroupId="g", MessageDeduplicationId="other")
            self.assertEqual(sqs.drain(fifo), [large])
            # Receiving, hiding and deleting go on.
            first = sqs.receive(url, MaxNumberOfMessages=10)
            sqs.call("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"],
                     VisibilityTimeout=60)
            sqs.delete_many(url, first)
            got = [message["Body"] for message in first] + sqs.drain(url)
            self.assertEqual(sorted(got), sorted(sent))
            # And there is room again, for as much as before; what was refused was not remembered as sent.
            self.assertNotIn("duplicate", str(sqs.send(fifo, huge, **once)))
            self.assertEqual(sqs.counts(fifo), (1, 0, 0))
            self.assertEqual(len(sqs.drain(fifo)), 1)
            again = []
            self.fill(sqs, url, again)
            self.assertGreater(len(again), len(sent) * 0.9)
            self.assertEqual(sorted(sqs.drain(url)), sorted(again))


class SizeTest(unittest.TestCase):
    """What a message of 200 bytes takes beside them: the seal, the digest, its places in the queue and in the tables (4
    to 8 bytes), and what its block is rounded up to."""

    count, body_bytes, most = 5000, 200, 176

    def test_a_message_takes_little_beside_its_body(self):
        with Daemon() as daemon, Sqs(daemon) as sqs:
            stats = daemon.client()

            def held():
                return stats.get("/v1/stats").json()["queues"]["bytes"]
            url = sqs.create(unique_name())
            sqs.send(url, "the first, for what the sender's other messages share")
            before = held()
            sqs.send_many(url, ["m" * self.body_bytes] * self.count)
            self.assertEqual(sqs.counts(url), (self.count + 1, 0, 0))
            self.assertLessEqual((held() - before) / self.count - self.body_bytes, self.most)
            stats.close()


class BurstTest(unittest.TestCase):
    """A burst of messages leaves no more memory behind than there was before."""

    count = 5000 if is_sanitized() else 100000

    @staticmethod
    def resident(pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return int(status.read().split("VmRSS:")[1].split()[0]) * 1024

    def burst(self, sqs, url):
        body = "b" * 300
        for start in range(0, self.count, 10):
            entries = [{"Id": str(place), "MessageBody": f"{start + place} {body}"} for place in range(10)]
            sqs.call("SendMessageBatch", QueueUrl=url, Entries=entries)

    def work_off(self, sqs, url):
        done = 0
        while True:
            messages = sqs.receive(url, MaxNumberOfMessages=10)
            if not messages:
                return done
            done += len(messages)
            sqs.delete_many(url, messages)

    def test_memory_returns_after_a_burst(self):
        with Daemon("--workers", "2") as daemon, Sqs(daemon) as sqs:
            stats = daemon.client()
            url = sqs.create(unique_name())
            front = daemon.roles()["front"]
            sqs.send_many(url, ["warm"] * 1000)
            sqs.drain(url)

            def held():
                return stats.get("/v1/stats").json()["queues"]["bytes"]
            bytes_before, resident_before = held(), self.resident(front)
            self.burst(sqs, url)
            self.assertEqual(sqs.counts(url), (self.count, 0, 0))
            bytes_full, resident_full = held(), self.resident(front)
            self.assertGreater(bytes_full, bytes_before + self.count * 300)
            self.assertEqual(self.work_off(sqs, url), self.count)
            self.assertLess(held(), bytes_before + MIB)
            if is_sanitized():
                return  # its malloc keeps what was freed
            wait_until(lambda: self.resident(front) < resident_before + 8 * MIB, 240,
                       f"the return of {resident_full - resident_before} bytes to the system")
            stats.close()

    def test_queues_come_and_go(self):
        with Daemon("--workers", "2") as daemon, Sqs(daemon) as sqs:
            stats = daemon.client()
            before = stats.get("/v1/stats").json()["queues"]
            for _ in range(300):
                url = sqs.create(unique_name(), tags={"t": "v" * 200})
                sqs.send(url, "x" * 1000)
                sqs.call("DeleteQueue", QueueUrl=url)
            after = stats.get("/v1/stats").json()["queues"]
            self.assertEqual((after["count"], after["messages"]), (0, 0))
            # Their names are held for a minute.
            self.assertLess(after["bytes"], before["bytes"] + 300 * 2048)
            stats.close()

    def test_idle_queues_and_subscriptions_leave_nothing_growing(self):
        with Daemon("--workers", "2") as daemon, Sqs(daemon) as sqs:
            stats = daemon.client()
            for _ in range(50):
                name = unique_name()
                sqs.create(name)
                made = stats.post("/v1/subscriptions", {"queue": name, "url": "http://127.0.0.1:9/none"})
                self.assertEqual(made.status, 201, made)
            daemon.wait_event(lambda event: event.get("subject") == made.json()["id"] and event["role"] == "keeper")

            def look():
                answer = stats.get("/v1/stats").json()
                return answer["queues"], answer["push"]
            def records():
                """Those that no request made."""
                return sum("request" not in event for event in daemon.events())
            before, events = look(), records()
            pids = daemon.pids()
            resident = [self.resident(pid) for pid in pids]
            time.sleep(3)
            self.assertEqual(look(), before)
            self.assertLessEqual(records() - events, 1)
            self.assertEqual(daemon.pids(), pids)
            stats.close()
            if is_sanitized():
                return  # its malloc keeps what was freed
            for was, pid in zip(resident, pids):
                self.assertLess(self.resident(pid), was + MIB // 2)


if __name__ == "__main__":
    unittest.main()
