"""Push as front sees it: what is sent when, what becomes of it when the courier or the endpoint goes, and at the end."""
import collections
import http.server
import json
import os
import signal
import threading
import time
import unittest

from harness import CARD, Client, Daemon, wait_until


class Endpoint:
    """A receiver of webhooks on loopback. `status` answers them; `got` has (headers, body, status) of each."""

    def __init__(self):
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = endpoint.status
                endpoint.got.append((dict(self.headers), body, status))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.got = []
        self.status = 204
        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128  # of 5, others are asked to come again, a second later

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def ids(self):
        """Of those that it took."""
        return [headers["webhook-id"] for headers, _, status in list(self.got) if status == 204]

    def tokens(self):
        return [json.loads(body)["token"] for _, body, status in list(self.got) if status == 204]

    def wait(self, count):
        wait_until(lambda: len(set(self.ids())) >= count, what=f"{count} webhooks")


class PushTest(unittest.TestCase):
    def setUp(self):
        self.daemon = self.enterContext(Daemon())
        self.client = self.daemon.client()
        self.addCleanup(self.client.close)
        self.endpoint = Endpoint()
        self.addCleanup(self.endpoint.close)

    def subscribe(self, queue="pay", url=None, **members):
        made = self.client.post("/v1/subscriptions", {"queue": queue, "url": url or self.endpoint.url, **members})
        self.assertEqual(made.status, 201, made)
        return made.json()["id"]

    def tokenize(self, count=1, queue="pay", **members):
        members.setdefault("ttl_ms", 60000)
        return [self.client.tokenize(CARD, queue=queue, **members) for _ in range(count)]

    def push_stats(self):
        return self.client.get("/v1/stats").json()["push"]

    def wait_pushed(self):
        wait_until(lambda: self.push_stats()["pending"] + self.push_stats()["under_way"] == 0,
                   what="an empty outbox")

    def test_a_token_is_pushed_at_once_and_its_message_is_gone(self):
        self.subscribe()
        token, = self.tokenize()
        self.endpoint.wait(1)
        self.assertEqual(json.loads(self.endpoint.got[0][1])["token"], token)
        wait_until(lambda: self.client.get("/v1/stats").json()["queues"]["messages"] == 0, what="no messages")

    def test_a_new_subscription_is_in_force_when_it_is_answered(self):
        """Whichever workers the requests meet."""
        for i in range(20):
            one, other = self.daemon.client(), self.daemon.client()
            made = one.post("/v1/subscriptions", {"queue": f"q{i}", "url": self.endpoint.url})
            self.assertEqual(made.status, 201, made)
            other.tokenize(CARD, queue=f"q{i}")
            self.endpoint.wait(i + 1)
            deleted = one.delete(f"/v1/subscriptions/{made.json()['id']}")
            self.assertEqual(deleted.status, 204, deleted)
            one.close()
            other.close()

    def test_each_subscription_gets_each_message(self):
        second = Endpoint()
        self.addCleanup(second.close)
        self.subscribe()
        self.subscribe(url=second.url)
        self.tokenize(20)
        self.endpoint.wait(20)
        second.wait(20)
        self.assertEqual(sorted(self.endpoint.ids()), sorted(second.ids()))

    def test_one_in_order_gets_the_oldest_first(self):
        self.subscribe(ordered=True)
        tokens = self.tokenize(50)
        self.endpoint.wait(50)
        self.assertEqual(self.endpoint.tokens(), tokens)

    def test_what_a_courier_had_under_way_goes_to_the_next(self):
        self.endpoint.status = 503
        self.subscribe()
        tokens = self.tokenize(30, ttl_ms=60000)
        wait_until(lambda: self.push_stats()["under_way"] == 30, what="30 under way")
        os.kill(self.daemon.roles()["courier"], signal.SIGKILL)
        more = self.tokenize(5, ttl_ms=60000)
        self.endpoint.status = 204
        self.endpoint.wait(35)
        self.assertEqual(set(self.endpoint.tokens()), {*tokens, *more})
        self.wait_pushed()

    def failures(self, role):
        """How many deliveries of each code ended there: events of front may stand for several."""
        counts = collections.Counter()
        for event in self.daemon.events():
            if event["event"] == "push.deliver" and event["role"] == role and event["outcome"] == "failure":
                counts[event["code"]] += event.get("count", 1) if role == "front" else 1
        return counts

    def test_what_expires_unsent_is_recorded(self):
        """More than the window: the others wait here, and go when their messages do."""
        self.endpoint.status = 503
        self.subscribe()
        self.tokenize(256, ttl_ms=60000)
        self.tokenize(44, ttl_ms=2000)
        wait_until(lambda: self.failures("front") == {"push_expired": 44}, what="44 that expired")
        self.assertEqual(self.failures("courier"), {})
        self.assertEqual(self.push_stats()["under_way"], 256)

    def test_what_is_pending_for_a_deleted_subscription_ends(self):
        self.endpoint.status = 503
        gone = self.subscribe()
        self.tokenize(300, ttl_ms=60000)
        self.assertEqual(self.client.delete(f"/v1/subscriptions/{gone}").status, 204)
        self.wait_pushed()
        # Where the courier hears of it first, front hands it some more meanwhile.
        wait_until(lambda: self.failures("front") + self.failures("courier") == {"subscription_unknown": 300},
                   what="the end of each")

    def test_stopping_waits_for_what_is_under_way(self):
        self.subscribe()
        self.tokenize(100)
        self.daemon.stop()
        self.assertEqual(len(set(self.endpoint.ids())), 100)

    def test_stopping_does_not_wait_for_ever(self):
        self.endpoint.status = 503
        self.subscribe()
        self.tokenize(300, ttl_ms=60000)
        began = time.monotonic()
        self.daemon.stop()
        self.assertLess(time.monotonic() - began, 30)
        lost = [e for e in self.daemon.events() if e["event"] == "push.deliver"]
        # An attempt that is under way as it stops ends with its own answer.
        self.assertLessEqual({e["code"] for e in lost}, {"push_unreachable", "push_refused"})
        self.assertEqual(sum(e["count"] if e["role"] == "front" else 1 for e in lost), 300)

    def test_a_keeper_that_comes_back_changes_nothing(self):
        self.subscribe()
        self.tokenize(1)
        self.endpoint.wait(1)
        keeper = self.daemon.roles()["keeper"]
        os.kill(keeper, signal.SIGKILL)
        wait_until(lambda: self.daemon.roles().get("keeper") not in (None, keeper), what="another keeper")
        wait_until(lambda: self.client.post("/v1/tokens", {"card": CARD, "queue": "pay"}).status == 201,
                   what="a token")
        self.endpoint.wait(2)

    def test_a_message_sent_by_sqs_is_pushed_too(self):
        self.subscribe(queue="jobs")
        sqs = Client(self.daemon, service="sqs")
        self.addCleanup(sqs.close)
        sent = sqs.request("POST", "/", json.dumps({"QueueUrl": f"{self.daemon.url}/000000000000/jobs",
                                                    "MessageBody": "by SQS"}).encode(),
                           {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage"})
        self.assertEqual(sent.status, 200, sent)
        self.endpoint.wait(1)
        self.assertEqual(self.endpoint.got[0][1], b"by SQS")


if __name__ == "__main__":
    unittest.main()
