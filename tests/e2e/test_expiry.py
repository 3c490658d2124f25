"""Expired means gone: no answer behind the moment, nothing left of the card in any process."""
import json
import subprocess
import time
import unittest

from canaries import assert_no_file_has, assert_no_process_has, scan
from harness import CARD, Daemon, DaemonCase, card_number, is_sanitized, parse_time, wait_until

# expires_at is rounded down to a millisecond, and so are the clocks.
ROUNDING = 0.002


class ExpiryCase(DaemonCase):
    def make(self, count, ttl_ms):
        """{token: its expiry}"""
        items = [{"card": CARD, "ttl_ms": ttl_ms}] * count
        results = self.client.post("/v1/tokens/batch", {"items": items}).json()["results"]
        return {result["token"]: parse_time(result["expires_at"]) for result in results}


class ExpiryTest(ExpiryCase):
    def poll(self, path, count=60, ttl_ms=1000):
        """Asks for each token over and over until it is gone. None is told of too late, none is gone too early."""
        alive = self.make(count, ttl_ms)
        expiries = dict(alive)
        seen_alive = 0
        while alive:
            for token in list(alive):
                sent = time.time()
                answer = self.client.post(path, {"token": token})
                received = time.time()
                if answer.status == 410:
                    self.assertEqual(answer.json()["reason"], "expired")
                    self.assertGreaterEqual(received, alive.pop(token) - ROUNDING, "gone too early")
                else:
                    self.assertEqual(answer.status, 200, answer)
                    self.assertLessEqual(sent, alive[token] + ROUNDING, "told after it had expired")
                    seen_alive += 1
        self.assertGreater(seen_alive, 0)
        return expiries

    def test_inspecting_around_the_moment(self):
        self.poll("/v1/inspect")

    def test_redeeming_at_the_moment(self):
        """Each once, spread around the moment: what was sent after it never gives a card."""
        tokens = sorted(self.make(100, 700).items(), key=lambda item: item[1])
        first = tokens[0][1]
        time.sleep(max(0, first - time.time() - 0.03))
        outcomes = []
        for token, expiry in tokens:
            sent = time.time()
            answer = self.client.post("/v1/redeem", {"token": token})
            outcomes.append(answer.status)
            if answer.status == 200:
                self.assertLessEqual(sent, expiry + ROUNDING)
            else:
                self.assertEqual((answer.status, answer.json()["reason"]), (410, "expired"))
                self.assertGreaterEqual(time.time(), expiry - ROUNDING)
        self.assertIn(410, outcomes)

    def test_every_call_says_expired(self):
        token, expiry = next(iter(self.make(1, 50).items()))
        wait_until(lambda: time.time() > expiry + ROUNDING)
        for path in ("redeem", "claim", "inspect", "revoke"):
            gone = self.assert_refused(self.client.post("/v1/" + path, {"token": token}), 410, "token_gone")
            self.assertEqual(gone["reason"], "expired")



class SweepTest(ExpiryCase):
    def test_what_nobody_asks_for_is_wiped_within_a_second(self):
        """The sweep's record says how many, and when."""
        expiries = self.make(100, 600)
        last = max(expiries.values())

        def swept():
            events = [event for event in self.daemon.events() if event["event"] == "token.expire"]
            return events if sum(event["count"] for event in events) >= 100 else None
        events = wait_until(swept, 20, "the records of 100 expiries")
        self.assertEqual(sum(event["count"] for event in events), 100)
        # Within a second; a machine that has other things to do gets to it later.
        self.assertLessEqual(parse_time(events[-1]["time"]), last + 5)


class ResidueTest(unittest.TestCase):
    """After every way that a card can take, no process of the daemon holds it any more."""

    def every_way(self, client, number):
        """Each way that this card can take through the daemon; behind this it is done with, or expires at once."""
        card = dict(CARD, number=number)
        client.post("/v1/redeem", {"token": client.tokenize(card)})
        claim = client.post("/v1/claim", {"token": client.tokenize(card)}).json()["claim"]
        client.post("/v1/commit", {"claim": claim})
        client.post("/v1/revoke", {"token": client.tokenize(card)})
        client.post("/v1/tokens/batch", {"items": [{"card": card, "ttl_ms": 50}, {"card": card, "x": 1}]})
        client.post("/v1/tokens", {"data": {"pan": number}, "metadata": {"pan": number}, "ttl_ms": 50})
        client.post("/v1/tokens", {"card": card, "ttl_ms": 50}, headers={"idempotency-key": number})
        claim = client.post("/v1/claim", {"token": client.tokenize(card, ttl_ms=500), "lease_ms": 5000}).json()["claim"]
        client.post("/v1/abort", {"claim": claim})
        client.post("/v1/tokens", {"card": card, "x": 1})
        client.post("/v1/tokens", json.dumps({"card": card}).encode()[:-1])
        client.post("/v1/tokens", {"card": card}, change=lambda headers: headers.update({"x-ampoule-nonce": "other"}))
        client.post("/v1/tokens", {"card": card}, signed=False)
        client.post("/v1/redeem", {"token": number})
        client.post("/nowhere", {"card": card})
        with client.daemon.raw() as connection:
            connection.send(b"POST /v1/tokens HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n" + number.encode())

    @unittest.skipIf(is_sanitized(), "a sanitizer's malloc keeps what was freed")
    def test_no_number_stays_in_memory(self):
        number = card_number()
        with Daemon("--workers", "2") as daemon:
            client = daemon.client()
            held = client.tokenize(dict(CARD, number=number), ttl_ms=600000)
            self.every_way(client, number)
            client.post("/v1/redeem", {"token": held})
            # What expired is wiped by the sweep: its record says when that is done. Four did.
            wait_until(lambda: sum(event.get("count", 0) for event in daemon.events()
                                   if event["event"] == "token.expire") >= 4, 20, "the sweep")
            assert_no_process_has(number, daemon)
            assert_no_file_has(number, daemon)

    def test_the_scanner_finds_what_is_there(self):
        number = card_number()
        program = "import sys; kept = sys.stdin.readline(); print(1, flush=True); sys.stdin.readline()"
        with subprocess.Popen(["/usr/bin/python3", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as holder:
            holder.stdin.write(number + "\n")
            holder.stdin.flush()
            holder.stdout.readline()
            code, words = scan(number, str(holder.pid))
            holder.stdin.close()
        self.assertEqual(code, 1, words)


if __name__ == "__main__":
    unittest.main()
