"""Long polls: who wakes them, what ends them, and what they cost."""
import json
import os
import socket
import threading
import time
import unittest

from harness import Client, Daemon, wait_until

LONG_SECONDS = 20
SOON = LONG_SECONDS / 2  # on a machine that has other things to do, and well before a poll ends by itself


def cpu_seconds(pid):
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Queue:
    """One queue by the JSON protocol of SQS; each has a connection of its own."""

    def __init__(self, daemon, name, **credentials):
        self.client = Client(daemon, service="sqs", **credentials)
        self.url = f"{daemon.url}/000000000000/{name}"

    def call(self, action, **members):
        body = json.dumps({"QueueUrl": self.url, **members}).encode()
        return self.client.request("POST", "/", body, {"content-type": "application/x-amz-json-1.0",
                                                       "x-amz-target": f"AmazonSQS.{action}"})

    def poll(self, seconds=LONG_SECONDS):
        """An Answer, and after how many seconds it came."""
        began = time.monotonic()
        answer = self.call("ReceiveMessage", WaitTimeSeconds=seconds)
        return answer, time.monotonic() - began


class PollTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = cls.enterClassContext(Daemon(settings={}))
        cls.number = 0

    def setUp(self):
        PollTest.number += 1
        self.name = f"queue-{self.number}"
        self.queue = self.new_queue()
        self.queue.client.request("POST", "/", json.dumps({"QueueName": self.name}).encode(),
                                  {"content-type": "application/x-amz-json-1.0",
                                   "x-amz-target": "AmazonSQS.CreateQueue"})

    def new_queue(self, **credentials):
        queue = Queue(self.daemon, self.name, **credentials)
        self.addCleanup(queue.client.close)
        return queue

    def parked(self):
        return self.daemon.client().get("/v1/stats").json()["parked"]

    def wait_parked(self, count):
        wait_until(lambda: self.parked() == count, what=f"{count} parked calls")

    def polling(self, queue, seconds=LONG_SECONDS):
        """Polls in a thread; the list gets (answer, seconds)."""
        got = []
        thread = threading.Thread(target=lambda: got.append(queue.poll(seconds)), daemon=True)
        thread.start()
        self.addCleanup(thread.join, LONG_SECONDS)
        return got, thread

    def test_who_asks_for_statistics_is_one_of_the_connections(self):
        def connections(client):
            return client.get("/v1/stats").json()["connections"]
        clients = [self.daemon.client() for _ in range(10)]
        for number, client in enumerate(clients, 1):
            self.addCleanup(client.close)
            self.assertGreaterEqual(connections(client), number)
        for client in clients[1:]:
            client.close()
        wait_until(lambda: connections(clients[0]) < 10, what="those that were closed to be counted no more")

    def test_an_empty_queue_is_answered_when_the_time_is_over(self):
        answer, seconds = self.queue.poll(1)
        self.assertEqual(answer.status, 200, answer)
        self.assertNotIn("Messages", answer.json())
        self.assertTrue(0.99 <= seconds < SOON, seconds)

    def test_a_message_wakes_a_poll(self):
        """From whichever worker: 12 connections meet both."""
        for i in range(12):
            got, thread = self.polling(self.new_queue())
            self.wait_parked(1)
            sent = time.monotonic()
            self.assertEqual(self.new_queue().call("SendMessage", MessageBody=f"m{i}").status, 200)
            thread.join(LONG_SECONDS)
            self.assertLess(time.monotonic() - sent, SOON)
            self.assertEqual([m["Body"] for m in got[0][0].json()["Messages"]], [f"m{i}"])

    def test_each_message_goes_to_one_of_many_polls(self):
        polls = [self.polling(self.new_queue()) for _ in range(20)]
        self.wait_parked(20)
        for i in range(20):
            self.assertEqual(self.queue.call("SendMessage", MessageBody=f"m{i}").status, 200)
        for _, thread in polls:
            thread.join(LONG_SECONDS)
        bodies = [m["Body"] for got, _ in polls for m in got[0][0].json().get("Messages", [])]
        self.assertEqual(sorted(bodies), sorted(f"m{i}" for i in range(20)))

    def test_a_poller_that_went_takes_no_message(self):
        gone = self.new_queue()
        self.polling(gone)
        self.wait_parked(1)
        got, thread = self.polling(self.new_queue())
        self.wait_parked(2)
        gone.client._connection.sock.shutdown(socket.SHUT_RDWR)
        self.wait_parked(1)
        self.assertEqual(self.queue.call("SendMessage", MessageBody="for the other").status, 200)
        thread.join(LONG_SECONDS)
        self.assertEqual([m["Body"] for m in got[0][0].json()["Messages"]], ["for the other"])

    def test_a_disabled_key_ends_its_polls(self):
        made = json.loads(self.daemon.admin("create", "--name", self.name, "--may", "receive:*", "--json").stdout)
        got, thread = self.polling(self.new_queue(key_id=made["key_id"], secret=made["secret"]))
        other, waiting = self.polling(self.new_queue())
        self.wait_parked(2)
        self.assertEqual(self.daemon.admin("disable", made["key_id"]).returncode, 0)
        thread.join(SOON)
        self.assertEqual(got[0][0].status, 200)
        self.assertNotIn("Messages", got[0][0].json())
        self.assertEqual(self.queue.call("SendMessage", MessageBody="for the other").status, 200)
        waiting.join(LONG_SECONDS)
        self.assertEqual([m["Body"] for m in other[0][0].json()["Messages"]], ["for the other"])

    def test_a_deleted_queue_ends_its_polls(self):
        got, thread = self.polling(self.queue)
        self.wait_parked(1)
        self.assertEqual(self.new_queue().call("DeleteQueue").status, 200)
        thread.join(SOON)
        self.assertEqual(got[0][0].status, 400, got)

    def test_waiting_costs_next_to_nothing(self):
        front = self.daemon.roles()["front"]

        def least_of_a_second():
            """What comes now and then is not of the polls."""
            marks = [cpu_seconds(front)]
            for _ in range(3):
                time.sleep(1)
                marks.append(cpu_seconds(front))
            return min(behind - before for before, behind in zip(marks, marks[1:]))
        idle = least_of_a_second()
        polls = [self.polling(self.new_queue()) for _ in range(200)]
        self.wait_parked(200)
        waiting = least_of_a_second()
        self.assertLess(waiting, idle + 0.05)
        self.assertEqual(self.queue.call("DeleteQueue").status, 200)
        for _, thread in polls:
            thread.join(LONG_SECONDS)
        self.assertEqual({got[0][0].status for got, _ in polls}, {400})


class DrainTest(unittest.TestCase):
    def test_polls_are_answered_when_the_daemon_stops(self):
        with Daemon() as daemon:
            queue = Queue(daemon, "jobs")
            made = Client(daemon, service="sqs").request(
                "POST", "/", b'{"QueueName":"jobs"}', {"content-type": "application/x-amz-json-1.0",
                                                       "x-amz-target": "AmazonSQS.CreateQueue"})
            self.assertEqual(made.status, 200, made)
            got = []
            thread = threading.Thread(target=lambda: got.append(queue.poll()))
            thread.start()
            wait_until(lambda: daemon.client().get("/v1/stats").json()["parked"] == 1, what="a parked call")
            daemon.stop()
            thread.join(LONG_SECONDS)
            self.assertEqual(got[0][0].status, 200)
            self.assertNotIn("Messages", got[0][0].json())
            self.assertLess(got[0][1], SOON)


if __name__ == "__main__":
    unittest.main()
